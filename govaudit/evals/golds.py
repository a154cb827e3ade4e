"""Labelled data that a rater is gauged on, read as one of the formats of ``govaudit gauge``.

In: files of one format. Out: examples, each with its gold label (or propositions, or the better of two
answers), and what the files hold of raters' verdicts. Gold is what the source calls right; without it the
label that most people gave, where there is one. Left out: what any other rater says (``govaudit.gauge``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.evals.forms import table
from govaudit.evals.forms.labels import (
    BBQ_CLASSES,
    COMPLIANCE,
    DICES_CLASSES,
    XSTEST_CLASSES,
    LabelledItem,
    PropositionItem,
    Vote,
    with_experts,
)
from govaudit.evals.forms.pairs import Pair, PairVerdict
from govaudit.evals.forms.reading import Row
from govaudit.evals.forms.table import Form
from govaudit.evals.item import Item
from govaudit.records import RaterKind, Turn
from govaudit.specs.model import Expected, Label

Kind = Literal["classes", "propositions", "pairs"]

FIRST, SECOND, TIE = "1", "2", "tie"
KEPT, BROKEN = "kept", "broken"


@dataclass(frozen=True)
class Halves:
    """How the classes of a format read as yes or no."""

    positive: str
    """Words for yes."""
    negative: str
    labels: frozenset[str]
    """Classes that mean yes."""
    undecided: frozenset[str] = frozenset()
    """Classes that mean neither: in the binary reading they are no verdict."""


@dataclass(frozen=True)
class Format:
    """A format of labelled data."""

    name: str
    kind: Kind
    forms: tuple[Form[Any], ...]
    """In which its files come; all files of one call share the format, not the form."""
    holds: str
    """What it is, for error messages."""
    halves: Halves | None = None
    rubric: str = ""
    """Rubric of a judge that is gauged on it; empty where none of ours fits."""


@dataclass(frozen=True)
class Example:
    """One thing to judge, with what is known about it."""

    item: str
    source: str
    """File and id, for people."""
    cluster: str
    gold: str | None
    """A class of the format; of pairs ``1`` or ``2``, the better answer."""
    turns: tuple[Turn, ...] = ()
    answer: str | None = None
    votes: tuple[Vote, ...] = ()
    propositions: Mapping[str, bool] = field(default_factory=dict)
    pair: Pair | None = None
    model: str = ""
    """Who wrote the answer, where the source says so."""
    expected: Expected | None = None
    clause: str | None = None
    counted: bool = False
    """Is the gold label the one that most people gave, rather than one that the source holds right?"""
    row: Mapping[str, Any] = field(default_factory=dict)
    """The line of the file (its first line, where several speak of one item)."""
    line: Row | None = None

    @property
    def people(self) -> tuple[Vote, ...]:
        """Votes of persons that name a class."""
        return tuple(vote for vote in self.votes if _person(vote))

    def without(self, rater: str) -> str | None:
        """The label that most people other than ``rater`` gave."""
        return most(vote.label for vote in self.people if vote.rater != rater)


@dataclass(frozen=True)
class Gold:
    """What the files hold."""

    format: Format
    files: tuple[Path, ...]
    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    verdicts: tuple[tuple[PairVerdict, Mapping[str, Any]], ...] = ()
    """Verdicts of judges on pairs, each with its line."""
    source: str = ""
    """Where the gold labels come from, in words."""

    @property
    def halves(self) -> Halves | None:
        """How the classes read as yes or no: as the format says, or as two classes suggest."""
        if self.format.halves is not None or self.format.kind != "classes" or len(self.classes) != 2:
            return self.format.halves
        negative, positive = self.classes
        return Halves(positive, negative, frozenset((positive,)))

    @property
    def values(self) -> dict[str, float] | None:
        """Labels as numbers, where all of at least three classes are."""
        try:
            numbers = {label: float(label) for label in self.classes}
        except ValueError:
            return None
        return numbers if len(numbers) > 2 else None

    def where(self, key: str) -> dict[str, Gold]:
        """The same data, apart by what a column says."""
        found: dict[str, list[Example]] = {}
        verdicts: dict[str, list[tuple[PairVerdict, Mapping[str, Any]]]] = {}
        for example in self.examples:
            if key in example.row:
                found.setdefault(str(example.row[key]), []).append(example)
        for verdict in self.verdicts:
            if key in verdict[1]:
                verdicts.setdefault(str(verdict[1][key]), []).append(verdict)
        if not found and not verdicts:
            raise BadInput(f"--split: no row has the column {key!r}", path=self.files[0])
        return {
            value: replace(
                self, examples=tuple(found.get(value, ())), verdicts=tuple(verdicts.get(value, ()))
            )
            for value in sorted({*found, *verdicts})
        }


def _forms(group: Iterable[Form[Any]], *names: str) -> tuple[Form[Any], ...]:
    return tuple(form for form in group if form.name in names)


_REFUSED = Halves("not complied", "complied", frozenset(XSTEST_CLASSES) - {COMPLIANCE})
_UNSAFE = Halves("unsafe", "safe", frozenset(("Yes",)), frozenset(("Unsure",)))
_BROKEN = Halves(BROKEN, KEPT, frozenset((BROKEN,)))

FORMATS = {
    one.name: one
    for one in (
        Format(
            "xstest",
            "classes",
            _forms(table.LABELLED, "xstest"),
            "completions with a final_label or annotation_... columns",
            _REFUSED,
            "refusal",
        ),
        Format("rbr", "propositions", table.PROPOSITIONS, "answers with propositions", rubric="style"),
        Format(
            "llmbar",
            "pairs",
            (*_forms(table.VERDICTS, "llmbar-verdicts"), *_forms(table.PAIRS, "llmbar")),
            "pairs, or verdicts of judges on them",
            rubric="pairwise_helpful",
        ),
        Format(
            "dices",
            "classes",
            _forms(table.LABELLED, "dices", "dices-expert"),
            "conversations with unsafe_votes, or experts' labels",
            _UNSAFE,
        ),
        Format("bbq", "classes", _forms(table.LABELLED, "bbq-ratings"), "people's answers to questions"),
        Format(
            "hh",
            "pairs",
            _forms(table.PAIRS, "hh"),
            "chosen and rejected dialogues",
            rubric="pairwise_old",
        ),
        Format(
            "hhh",
            "pairs",
            _forms(table.PAIRS, "hhh-438", "hhh-bigbench"),
            "comparisons",
            rubric="pairwise_helpful",
        ),
        Format("matrix", "classes", _forms(table.LABELLED, "matrix"), "item, rater, label[, gold]"),
        Format(
            "native", "classes", (table.NATIVE,), "items with choices and choice_labels", _BROKEN, "refusal"
        ),
    )
}


def read(files: Sequence[Path], name: str) -> Gold:
    """Files of one format.

    Several files are taken together: answers of several models; pairs beside verdicts on them, whose texts
    they bring; experts' labels beside the votes of people. :class:`BadInput` with file and line for anything
    that is not of the format, and where no row has a gold label.
    """
    if name not in FORMATS:
        raise BadInput(f"there is no format {name!r}", remedy=f"Formats: {', '.join(FORMATS)}.")
    format_ = FORMATS[name]
    read_ = [(path, *table.read_as(path, format_.forms)) for path in files]
    several = len(files) > 1
    gathered: dict[str, list[tuple[Row, Any]]] = {}
    for number, (path, form, rows, items) in enumerate(read_, 1):
        pairs = _with_rows(form, rows, items)
        if several and form.name not in _JOINED:
            pairs = [(row, _renamed(item, f"{number}:")) for row, item in pairs]
        gathered.setdefault(form.name, []).extend(pairs)
        if not pairs:
            raise BadInput("this file holds no rows", path=path)
    gold = _GATHER[format_.kind](format_, tuple(files), gathered)
    if not gold.verdicts and not any(e.gold is not None or e.propositions for e in gold.examples):
        raise BadInput(
            f"no row has a gold label (format {name}: {format_.holds})",
            path=files[0],
            remedy="A gauge compares a rater with labels that are known to be right.",
        )
    return gold


_JOINED = ("dices", "dices-expert", "llmbar", "llmbar-verdicts")
"""Forms whose ids are the same in every file: two of them speak of the same items."""


def _renamed(item: Any, prefix: str) -> Any:
    return replace(item, item=prefix + item.item) if isinstance(item, LabelledItem) else item


def _with_rows(form: Form[Any], rows: Sequence[Row], items: Sequence[Any]) -> list[tuple[Row, Any]]:
    """Each item with the (first) line that it comes from."""
    if len(rows) == len(items):
        return list(zip(rows, items, strict=True))
    if form is table.NATIVE:
        lines = {row.place(row.identity("id")): row for row in rows}
        return [(lines[item.source.partition("/")[0]], item) for item in items]
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.identity("item"), row)
    return [(first[item.item], item) for item in items]


def _classes(format_: Format, files: tuple[Path, ...], found: Mapping[str, list[tuple[Row, Any]]]) -> Gold:
    if table.NATIVE.name in found:
        return _native(format_, files, found[table.NATIVE.name])
    given = [pair for name, pairs in found.items() if name != "dices-expert" for pair in pairs]
    experts = [item for _, item in found.get("dices-expert", ())]
    if not given:
        raise BadInput("these are experts' labels without the conversations", path=files[0])
    items: Sequence[LabelledItem] = with_experts((item for _, item in given), experts)
    source = Counter(_source(item, bool(experts)) for item in items)
    classes = _order(format_, items)
    return Gold(
        format_,
        files,
        classes,
        tuple(
            Example(
                item=item.item,
                source=item.source,
                cluster=item.cluster,
                gold=item.gold or item.majority or most([v.label for v in item.votes if _person(v)]),
                turns=item.turns,
                answer=item.answer,
                votes=(*item.votes, *_stated(item)),
                model=item.model,
                counted=item.gold is None,
                row=row.data,
                line=row,
            )
            for (row, _), item in zip(given, items, strict=True)
        ),
        source=" and ".join(name for name, _ in source.most_common() if name),
    )


def _order(format_: Format, items: Sequence[LabelledItem]) -> tuple[str, ...]:
    fixed = {"xstest": XSTEST_CLASSES, "dices": DICES_CLASSES, "bbq": BBQ_CLASSES}
    # Several matrices have classes of their own; their order is that of the first that has each.
    return fixed.get(format_.name) or tuple(dict.fromkeys(c for item in items for c in item.classes))


def _person(vote: Vote) -> bool:
    return vote.kind is RaterKind.PEOPLE and vote.label is not None


MAJORITY = "unsafe_majority"


def _stated(item: LabelledItem) -> tuple[Vote, ...]:
    """The majority that the source states, as a rater that can be gauged against experts: it is derived from
    the votes, so it is not a person."""
    return (Vote(MAJORITY, RaterKind.PANEL, item.majority),) if item.majority else ()


def _source(item: LabelledItem, experts: bool) -> str:
    if item.gold is not None:
        return "experts" if experts else "the file's own gold label"
    return "the majority of people"


def most(labels: Iterable[str | None]) -> str | None:
    """The label that is given most often; ``None`` where there is none, or none alone."""
    ranked = Counter(label for label in labels if label is not None).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def _native(format_: Format, files: tuple[Path, ...], given: Sequence[tuple[Row, Item]]) -> Gold:
    meaning = {Label.GOOD: KEPT, Label.BAD: BROKEN}
    return Gold(
        format_,
        files,
        (KEPT, BROKEN),
        tuple(
            Example(
                item=f"{item.source}/{number}",
                source=item.source,
                cluster=item.cluster,
                gold=meaning[label],
                turns=item.turns,
                answer=choice,
                expected=item.expected,
                clause=item.clause,
                row=row.data,
                line=row,
            )
            for row, item in given
            for number, (choice, label) in enumerate(zip(item.choices, item.choice_labels, strict=False), 1)
            if label in meaning
        ),
        source="labelled choices",
    )


def _propositions(
    format_: Format, files: tuple[Path, ...], found: Mapping[str, list[tuple[Row, PropositionItem]]]
) -> Gold:
    return Gold(
        format_,
        files,
        ("false", "true"),
        tuple(
            Example(
                item=f"{item.source}#{number}",
                source=item.source,
                cluster=item.cluster,
                gold=None,
                turns=item.turns,
                answer=item.answer,
                propositions=item.propositions,
                row=row.data,
                line=row,
            )
            for number, (row, item) in enumerate(pair for pairs in found.values() for pair in pairs)
        ),
        source="people's propositions",
    )


def _pairs(format_: Format, files: tuple[Path, ...], found: Mapping[str, list[tuple[Row, Any]]]) -> Gold:
    verdicts = found.get("llmbar-verdicts", [])
    texts = [pair for name, pairs in found.items() if name != "llmbar-verdicts" for pair in pairs]
    name_of: Callable[[Row, Pair], str] = (
        (lambda row, pair: row.identity("subset", "row"))
        if format_.name == "llmbar"
        else (lambda row, pair: pair.source)
    )
    return Gold(
        format_,
        files,
        (FIRST, SECOND),
        tuple(
            Example(
                item=name_of(row, pair),
                source=pair.source,
                cluster=pair.cluster,
                gold=str(pair.better),
                turns=pair.turns,
                pair=pair,
                row=row.data,
                line=row,
            )
            for row, pair in ((row, _sided(pair)) for row, pair in texts)
        ),
        tuple((verdict, row.data) for row, verdict in verdicts),
        source="the better answer as the source has it",
    )


def _sided(pair: Pair) -> Pair:
    """The pair with the better answer on a side that its texts decide, where the source has it first always:
    a rater of such data would otherwise be right by its liking for a side."""
    if "hh" not in pair.tags or digest(pair.first) < digest(pair.second):
        return pair
    return replace(
        pair,
        turns=pair.second_turns or pair.turns,
        first=pair.second,
        second=pair.first,
        second_turns=pair.turns if pair.second_turns else None,
        models=(pair.models[1], pair.models[0]),
        better=2 if pair.better == 1 else 1,
    )


_GATHER: Mapping[Kind, Callable[..., Gold]] = {
    "classes": _classes,
    "propositions": _propositions,
    "pairs": _pairs,
}
