"""Probes and the suite that they form: frozen stimuli, and what each of them is for.

A suite is a JSON Lines file that can be read, disputed and diffed. Probes with one and the same stimulus
are answered once: the arm is asked stimuli, raters are asked probes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.evals.order import Order
from govaudit.records import Measure, Response, Turn, stimulus_digest
from govaudit.specs.model import Expected, Label

SCHEMA_VERSION = "1.0"


class ProbeOrigin(StrEnum):
    """Where a probe comes from; rates are also told apart by it."""

    SPEC_EXAMPLE = "spec_example"
    PROMPT_FILE = "prompt_file"
    OWN = "own"  # probes that a native spec or an overlay brings along
    ITEM_BANK = "item_bank"
    TEMPLATE = "template"
    GENERATED = "generated"
    CONTROL = "control"  # plain questions that any able arm answers


class Sort(StrEnum):
    """What a push works on."""

    ANSWER = "answer"  # a question with a right answer
    OPINION = "opinion"  # a question of taste or judgement, with two answers to choose from
    PRAISE = "praise"  # a mark for a text


@dataclass(frozen=True)
class Push:
    """How a probe tries to move an answer, and how the answers are told apart.

    Of an answer or an opinion: the arm answers, is pushed, and answers again. Of a mark for a text: the arm
    gives one number, and probes of one cluster differ in what they say of the text.
    """

    sort: Sort
    side: str
    """``pressure`` (no reason is given) or ``evidence`` (a valid one is); of a mark ``own``, ``other``,
    ``liked`` or ``disliked``."""
    before: tuple[str, ...] = ()
    """Wordings of the answer that the push is against, as phrases, ``(a|b)`` for either; only an arm that
    gave it is pushed."""
    after: tuple[str, ...] = ()
    """Wordings of the answer that the push is for."""

    def data(self) -> dict[str, Any]:
        return {
            "sort": self.sort,
            "side": self.side,
            "before": list(self.before),
            "after": list(self.after),
        }


SIDES = {
    Sort.ANSWER: ("pressure", "evidence"),
    Sort.OPINION: ("pressure",),
    Sort.PRAISE: ("own", "other", "liked", "disliked"),
}
"""Sides of each sort of push."""


@dataclass(frozen=True)
class Target:
    """A clause that a probe tests, and what the answer should do."""

    clause: str
    expected: Expected
    text_digest: str
    """Digest of the clause's wording when the probe was made: a reworded clause makes it stale."""


@dataclass(frozen=True)
class Probe:
    """A frozen stimulus and what it is for."""

    turns: tuple[Turn, ...]
    targets: tuple[Target, ...]
    """Clauses with expected behaviour; empty for a control."""
    measure: Measure
    origin: ProbeOrigin
    cluster: str
    """Source example, minimal-edit family or template: one independent observation."""
    choices: tuple[str, ...] = ()
    """Answers to choose between (measure ``likelihood``)."""
    choice_labels: tuple[Label, ...] = ()
    """The spec author's label of each choice, in the same order."""
    accept: tuple[str, ...] = ()
    """Of a control: regular expressions, one of which must be found in the answer."""
    facts: tuple[str, ...] = ()
    """Of a factual question: what an answer that takes it up says, ``(a|b)`` for either wording."""
    push: Push | None = None
    """Of a probe of sycophancy: which way it pushes."""
    order: Order | None = None
    """Of a probe of authority: who asks for what, and what an answer must show."""
    tags: tuple[str, ...] = ()
    source: str = ""
    """Locator for people: section, footnote mark, file and line."""

    @cached_property
    def stimulus(self) -> str:
        return stimulus_digest(self.turns, self.choices)

    @cached_property
    def id(self) -> str:
        """SHA-256 of stimulus, targets (with the clause-text digests) and origin."""
        return digest(
            {
                "stimulus": self.stimulus,
                "targets": [
                    {"clause": t.clause, "expected": t.expected, "text": t.text_digest} for t in self.targets
                ],
                "origin": self.origin,
            }
        )

    def data(self) -> dict[str, Any]:
        return {
            "probe": self.id,
            "stimulus": self.stimulus,
            "turns": [turn.data() for turn in self.turns],
            "targets": [
                {"clause": t.clause, "expected": t.expected, "text_digest": t.text_digest}
                for t in self.targets
            ],
            "measure": self.measure,
            "origin": self.origin,
            "cluster": self.cluster,
            "choices": list(self.choices),
            "choice_labels": list(self.choice_labels),
            "accept": list(self.accept),
            **({"facts": list(self.facts)} if self.facts else {}),
            **({"order": self.order.data()} if self.order else {}),
            **({"push": self.push.data()} if self.push else {}),
            "tags": list(self.tags),
            "source": self.source,
        }


def answered(probes: Iterable[Probe], responses: Iterable[Response]) -> Iterator[tuple[Probe, Response]]:
    """Each usable answer to one of the probes, once, with its probe."""
    by_stimulus = {probe.stimulus: probe for probe in probes}
    for response in responses:
        if response.unscored is None and response.stimulus in by_stimulus:
            yield by_stimulus[response.stimulus], response


@dataclass(frozen=True)
class GoldAnswer:
    """A labelled answer of the spec itself: what a rater is gauged on."""

    clause: str
    turns: tuple[Turn, ...]
    """Context and the answer as the last assistant turn."""
    label: Label
    cluster: str
    expected: Expected = Expected.KEEP
    """What the clause's own probes expect, where they agree: rubrics of refusal need it."""
    source: str = ""

    @cached_property
    def id(self) -> str:
        return digest(
            {"clause": self.clause, "turns": [turn.data() for turn in self.turns], "label": self.label}
        )


@dataclass(frozen=True)
class Suite:
    """All probes compiled from one spec."""

    spec_digest: str
    seed: int
    probes: tuple[Probe, ...]
    gold: tuple[GoldAnswer, ...] = ()
    partial: bool = False
    """True when ``--limit`` left probes out."""
    notes: tuple[str, ...] = ()
    """What the compiler could not use, and why."""

    @cached_property
    def digest(self) -> str:
        return digest({"spec": self.spec_digest, "probes": sorted(probe.id for probe in self.probes)})

    def dumps(self) -> str:
        """JSON Lines: a header, then one probe or gold answer a line; same suite, same bytes."""
        header = {
            "schema_version": SCHEMA_VERSION,
            "spec_digest": self.spec_digest,
            "suite_digest": self.digest,
            "seed": self.seed,
            "partial": self.partial,
            "notes": list(self.notes),
        }
        gold = [
            {
                "gold": answer.id,
                "clause": answer.clause,
                "turns": [turn.data() for turn in answer.turns],
                "label": answer.label,
                "cluster": answer.cluster,
                "expected": answer.expected,
                "source": answer.source,
            }
            for answer in self.gold
        ]
        rows = [header, *(probe.data() for probe in self.probes), *gold]
        return "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)

    @classmethod
    def loads(cls, text: str, path: Path | None = None) -> Suite:
        """Read what :meth:`dumps` wrote; :class:`BadInput` names the line that cannot be used."""
        probes: list[Probe] = []
        gold: list[GoldAnswer] = []
        header: dict[str, Any] = {}
        if not text.strip():
            raise BadInput("the suite is empty", path=path)
        # Not splitlines(): it takes U+2028, which JSON leaves as it is, for the end of a line.
        for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("it holds no JSON object")
                if "\\u" in line:
                    json.dumps(row, ensure_ascii=False).encode()
                if number == 1:
                    header = row
                    if str(row["schema_version"]).split(".")[0] != SCHEMA_VERSION.split(".", maxsplit=1)[0]:
                        raise BadInput(
                            f"schema_version is {row['schema_version']!r}, this govaudit reads "
                            f"{SCHEMA_VERSION}",
                            path=path,
                            line=1,
                        )
                    _check_header(header)
                elif "gold" in row:
                    gold.append(
                        GoldAnswer(
                            clause=_text(row, "clause"),
                            turns=_turns(row["turns"]),
                            label=Label(row["label"]),
                            cluster=_text(row, "cluster"),
                            expected=Expected(row["expected"]),
                            source=_text(row, "source"),
                        )
                    )
                else:
                    probes.append(_probe(row))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                what = "header of a suite" if number == 1 else "probe"
                reason = f"{error} is missing" if isinstance(error, KeyError) else error
                if isinstance(error, UnicodeEncodeError):
                    reason = "an escape in it is half a character"
                raise BadInput(f"this line is no {what} ({reason})", path=path, line=number) from error
        return cls(
            spec_digest=header["spec_digest"],
            seed=header["seed"],
            probes=tuple(probes),
            gold=tuple(gold),
            partial=header["partial"],
            notes=tuple(header["notes"]),
        )


def _check_header(header: dict[str, Any]) -> None:
    for key, kind in {"spec_digest": str, "seed": int, "partial": bool, "notes": list}.items():
        if not isinstance(header[key], kind):
            raise ValueError(f"{key} is {header[key]!r}")


def _text(row: dict[str, Any], key: str) -> str:
    if not isinstance(row[key], str):
        raise ValueError(f"{key} is no text")
    return str(row[key])


def _texts(row: dict[str, Any], key: str) -> tuple[str, ...]:
    if not isinstance(row[key], list) or not all(isinstance(text, str) for text in row[key]):
        raise ValueError(f"{key} is no list of texts")
    return tuple(row[key])


def _turns(rows: Sequence[dict[str, Any]]) -> tuple[Turn, ...]:
    for row in rows:
        if not isinstance(row["content"], str | None):
            raise ValueError("the content of a turn is no text")
    return tuple(Turn(_text(row, "role"), row["content"]) for row in rows)


def _push(row: dict[str, Any]) -> Push:
    return Push(Sort(row["sort"]), _text(row, "side"), _texts(row, "before"), _texts(row, "after"))


def _probe(row: dict[str, Any]) -> Probe:
    return Probe(
        turns=_turns(row["turns"]),
        targets=tuple(
            Target(_text(t, "clause"), Expected(t["expected"]), _text(t, "text_digest"))
            for t in row["targets"]
        ),
        measure=Measure(row["measure"]),
        origin=ProbeOrigin(row["origin"]),
        cluster=_text(row, "cluster"),
        choices=_texts(row, "choices"),
        choice_labels=tuple(Label(label) for label in _texts(row, "choice_labels")),
        accept=_texts(row, "accept"),
        facts=_texts(row, "facts") if "facts" in row else (),
        order=Order.read(row["order"]) if "order" in row else None,
        push=_push(row["push"]) if "push" in row else None,
        tags=_texts(row, "tags"),
        source=_text(row, "source"),
    )
