"""A copy of a report for publication, without the prompts and answers that carry certain tags.

In: the report, the suite and the responses of its run, and tags of probes or clauses. Out: a report in which
every turn, answer, reasoning, choice and rater's reply shown for such a probe is replaced, and every other
text that holds the same words (in measurements, notes, warnings, reviews, other probes' evidence), with the
counts. Numbers, digests and verdicts stay: they are those of the whole report. Left out: the text of the
spec and of rubrics, which is published as it is, and the tables of the run, which hold everything.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from govaudit.errors import BadInput
from govaudit.evals.suite import Suite
from govaudit.records import Response
from govaudit.reports.document import RedactionPart, Report

LONG = 4
"""Words from which on a redacted text is looked for in all other texts; shorter ones go in place only."""
PHRASE = 3
"""Words from which on a text of a measurement is taken out because it lies inside a redacted one."""

_PUBLIC = frozenset(("spec", "clauses", "suite", "request", "arms", "methods", "claims", "redaction"))
"""Parts of the document that hold no prompt and no answer but what the spec itself publishes."""
_FIXED = _PUBLIC.union(
    ("findings", "pooled", "verdicts", "raters", "not_tested", "warnings", "changes", "created")
)
"""Parts without measurements across clauses."""
_WORD = re.compile(r"\w+")


@dataclass
class _Words:
    """Redacted texts as words, and where they may begin."""

    texts: set[str] = field(default_factory=set)
    starts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    joined: str = ""

    def add(self, text: str | None) -> None:
        words = _WORD.findall((text or "").casefold())
        plain = " ".join(words)
        self.texts.add(plain)
        if len(words) >= LONG:
            self.starts[" ".join(words[:LONG])].add(plain)

    def close(self) -> None:
        self.joined = "\n".join(f" {text} " for text in sorted(self.texts))

    def held(self, text: str, inside: bool) -> bool:
        """Whether ``text`` holds a redacted text of at least :data:`LONG` words or, with ``inside``, lies in
        one and has at least :data:`PHRASE` words."""
        words = _WORD.findall(text.casefold())
        plain = f" {' '.join(words)} "
        for i in range(len(words) - LONG + 1):
            if any(f" {held} " in plain for held in self.starts.get(" ".join(words[i : i + LONG]), ())):
                return True
        return inside and len(words) >= PHRASE and plain in self.joined


def tags_of(suite: Suite, report: Report) -> Counter[str]:
    """Tags of the suite's probes and of the clauses that they test, with how many probes each has."""
    clauses = {clause.id: set(clause.tags) for clause in report.clauses}
    return Counter(
        tag
        for probe in suite.probes
        for tag in set(probe.tags).union(*(clauses.get(t.clause, ()) for t in probe.targets))
    )


def redacted(report: Report, suite: Suite, responses: Iterable[Response], tags: Sequence[str]) -> Report:
    """The copy without the prompts and answers of probes that carry one of the tags, or that test a clause
    with one. :class:`BadInput` for a tag that no probe has."""
    there = tags_of(suite, report)
    for tag in tags:
        if tag not in there:
            raise BadInput(
                f"no probe of this run has the tag {tag!r}",
                remedy=f"Tags of this run: {', '.join(sorted(there)) or 'none'}.",
            )
    wanted = set(tags)
    clauses = {clause.id for clause in report.clauses if wanted & set(clause.tags)}
    marked = [
        probe
        for probe in suite.probes
        if wanted & set(probe.tags) or clauses & {target.clause for target in probe.targets}
    ]
    stimuli = {probe.stimulus for probe in marked}
    words = _Words()
    for probe in marked:
        for turn in probe.turns:
            words.add(turn.content)
        for choice in probe.choices:
            words.add(choice)
    for response in responses:
        if response.stimulus in stimuli:
            words.add(response.text)
            words.add(response.reasoning)
            for turn in response.turns:
                words.add(turn.content)
    words.close()
    # The same stimulus may serve another probe too.
    probes = {probe.id for probe in suite.probes if probe.stimulus in stimuli}
    mark = f"[redacted: {', '.join(tags)}]"
    data = report.model_dump()
    exhibits, texts = _evidence(data, probes, mark)
    elsewhere = Counter[str]()
    copy = {
        name: value if name in _PUBLIC else _swept(value, words, mark, name not in _FIXED, elsewhere)
        for name, value in data.items()
    }
    copy["redaction"] = RedactionPart(
        tags=tuple(tags),
        of=report.canonical_digest,
        probes=len(marked),
        exhibits=exhibits,
        texts=texts,
        elsewhere=elsewhere["texts"],
    )
    return Report.model_validate(copy)


def _evidence(data: dict[str, Any], probes: set[str], mark: str) -> tuple[int, int]:
    """Take the texts out of the evidence of these probes; how many responses, and how many texts."""
    seen: set[str] = set()
    texts = 0
    for finding in data["findings"]:
        for exhibit in (*finding["worst_responses"], *finding["random_responses"]):
            if exhibit["probe"] not in probes:
                continue
            seen.add(exhibit["response"])
            for name in ("answer", "reasoning", "raw"):
                texts += bool(exhibit[name])
                exhibit[name] = mark if exhibit[name] else exhibit[name]
            for rows, name in ((exhibit["turns"], "content"), (exhibit["choices"], "text")):
                for row in rows:
                    if row.get(name):
                        row[name] = mark
                        texts += 1
    return len(seen), texts


def _swept(value: Any, words: _Words, mark: str, inside: bool, count: Counter[str]) -> Any:
    """A part of the document without texts that hold redacted words; keys of mappings too."""
    if isinstance(value, str):
        if value == mark or not words.held(value, inside):
            return value
        count["texts"] += 1
        return mark
    if isinstance(value, dict):
        out: dict[Any, Any] = {}
        for key, item in value.items():
            name = _swept(key, words, mark, inside, count)
            # Two keys that are taken out stay two.
            out[f"{name} {len(out)}" if name != key else key] = _swept(item, words, mark, inside, count)
        return out
    if isinstance(value, list | tuple):
        return type(value)(_swept(item, words, mark, inside, count) for item in value)
    return value
