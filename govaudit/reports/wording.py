"""Words that only a test may allow: what no sentence of ours says unless this run shows it.

In: sentences of a report, and the report. Out: the slips, or the report with each such sentence withheld, so
that it cannot be rendered. “Pareto” takes an arm that is better than another on both axes at once,
“controllable” an experiment that changes what the text says and moves behaviour with it, and “compliant” is
a verdict on one clause and never a property of an arm. Names and quotations are other people's words and are
left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from govaudit.reports.document import Report
from govaudit.reports.shown import Graph, Shown

WITHHELD = "(A sentence is withheld: it says “{word}”, which no test of this run allows.)"

_QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"|‘[^’]*’|`[^`]*`")


@dataclass(frozen=True)
class Slip:
    """A word that the run does not allow, and the sentence that says it."""

    word: str
    sentence: str


def _dominates(report: Report) -> bool:
    return report.rankings is not None and any(plane.dominates for plane in report.rankings.planes)


def _moved(report: Report) -> bool:
    """Whether an ablation by content moved behaviour in its own direction, by a permutation test at 5 %."""
    return report.baselines is not None and any(
        row.p is not None and row.p <= 0.05 and row.statistic is not None and row.statistic > 0
        for row in report.baselines.content
    )


def _trained(report: Report) -> bool:
    """Whether the gap of a trained arm to every prompted baseline excludes 0."""
    return report.baselines is not None and any(need.reading == "needed" for need in report.baselines.needs)


def _never(report: Report) -> bool:
    return False


_RULES: tuple[tuple[str, re.Pattern[str], Callable[[Report], bool]], ...] = (
    ("Pareto", re.compile(r"\bpareto", re.IGNORECASE), _dominates),
    ("controllable", re.compile(r"\b(un)?(controllab|steerab)(le|ly|ility)\b", re.IGNORECASE), _moved),
    ("training was needed", re.compile(r"\btraining was needed\b", re.IGNORECASE), _trained),
    (
        "compliant",
        re.compile(
            r"\b(is|are|was|were|be|being|been|fully|wholly|more|less|most|least|overall|remains?|stays?)\s+"
            r"(non-?)?compliant\b|\b(non-?)?compliant\s+(with|arms?|models?|assistants?|systems?|answers?)\b",
            re.IGNORECASE,
        ),
        _never,
    ),
)


def slips(report: Report, sentences: Iterable[str]) -> list[Slip]:
    """The sentences that say a word which no test of the run allows."""
    names = _names(report)
    return [
        Slip(word, sentence)
        for sentence in sentences
        for word, pattern, allowed in _RULES
        if pattern.search(_own(sentence, names)) and not allowed(report)
    ]


def checked(report: Report) -> Report:
    """The report without sentences of its own that no test allows: each gives way to a line that says so."""
    names = _names(report)

    def kept(sentences: Iterable[str]) -> tuple[str, ...]:
        return tuple(_kept(sentence, report, names) for sentence in sentences)

    claims = tuple(
        claim.model_copy(
            update={
                "claim": _kept(claim.claim, report, names),
                "carries": kept(claim.carries),
                "premise": _kept(claim.premise, report, names),
                "settle": kept(claim.settle),
            }
        )
        for claim in report.claims
    )
    lists = ("changes", "not_tested", "methods", "warnings")
    return report.model_copy(
        update={"claims": claims, **{name: kept(getattr(report, name)) for name in lists}}
    )


def said(shown: Shown, report: Report) -> Shown:
    """A suite without claims and notes that no test allows."""
    names = _names(report)
    return replace(
        shown,
        claims=tuple(_kept(text, report, names) for text in shown.claims),
        notes=tuple(_kept(text, report, names) for text in shown.notes),
    )


def sentences(report: Report, suites: Iterable[Shown] = ()) -> Iterator[str]:
    """Every sentence of ours in a report and its suites: not those of models, documents and people."""
    for claim in report.claims:
        yield from (claim.claim, *claim.carries, claim.premise, *claim.settle)
    yield from (*report.changes, *report.not_tested, *report.methods, *report.warnings)
    for shown in suites:
        yield from (shown.title, *shown.claims, *shown.notes)
        for table in shown.tables:
            yield from (table.caption, *(column.title for column in table.columns))
        for figure in shown.figures:
            yield figure.caption
            if not isinstance(figure, Graph):
                yield from (figure.x, figure.y)


def _kept(sentence: str, report: Report, names: re.Pattern[str] | None) -> str:
    for word, pattern, allowed in _RULES:
        if pattern.search(_own(sentence, names)) and not allowed(report):
            return WITHHELD.format(word=word)
    return sentence


def _own(sentence: str, names: re.Pattern[str] | None) -> str:
    """The sentence without quotations and names."""
    plain = _QUOTED.sub(" ", sentence)
    return names.sub(" ", plain) if names is not None else plain


def _names(report: Report) -> re.Pattern[str] | None:
    """Names that others gave, the longest first: arms, clauses, raters, sections, the spec."""
    found = {arm.name for arm in report.arms} | {rater.id for rater in report.raters}
    found |= {arm.model for arm in report.arms} | {report.spec.id, report.spec.title}
    for clause in report.clauses:
        found |= {clause.id, clause.title, clause.section, *clause.tags}
    named = sorted((name for name in found if name.strip()), key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in named)) if named else None
