"""The document that ``govaudit gauge`` prints: one rater measured on labelled data.

In: what the rater said of items with gold labels. Out: a strict document (JSON) with an interval at every
number, and the same as claims and tables for people. Left out: where gold and verdicts come from
(``govaudit.gauge``) and the gauges of a run (``gauges``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import Field

from govaudit.reports.agreed import AgreementGroup, estimate
from govaudit.reports.agreed_tables import agreement_tables, claims_of
from govaudit.reports.part import Estimate, Part
from govaudit.reports.shown import Column, Shown, Table
from govaudit.reports.words import UNSCORED, words
from govaudit.scorers import traits
from govaudit.scorers.gauge import LEVEL, bars
from govaudit.scorers.traits import NO, YES, Said
from govaudit.stats.agreement import TwoRater
from govaudit.stats.coefficient import Coefficient
from govaudit.stats.verdict import LOWEST_GAUGE_KAPPA

SCHEMA_VERSION: Literal["1.0"] = "1.0"
TIE = "tie"


class BarPart(Part):
    """What the gauge bars the rater from."""

    from_: Literal["every verdict", "compliant"] = Field(serialization_alias="from")
    reason: str


class ClassLine(Part):
    """One class."""

    n_gold: int
    n_rater: int
    precision: Estimate
    recall: Estimate
    f1: Estimate


class CountedAsClass(Part):
    """The same with invalid verdicts as a class of their own, as some published figures count them."""

    agreement: Estimate
    kappa: Estimate


class ClassesPart(Part):
    """The rater's labels against gold labels; invalid verdicts enter nothing."""

    labels: tuple[str, ...]
    n: int
    clusters: int
    agreement: Estimate
    kappa: Estimate
    """Cohen's."""
    ac1: Estimate
    """Gwet's."""
    by_class: dict[str, ClassLine]
    table: tuple[tuple[int, ...], ...]
    """Rows: the rater's label; columns: gold; in the order of ``labels``."""
    with_invalid_as_class: CountedAsClass | None = None


class BinaryPart(Part):
    """The same labels as yes or no."""

    positive: str
    """What yes means."""
    negative: str
    n: int
    clusters: int
    n_positive: int
    """By gold, among usable verdicts."""
    n_rater_positive: int
    invalid: int
    agreement: Estimate
    kappa: Estimate
    ac1: Estimate
    precision: Estimate
    """Of yes; so are recall and f1."""
    recall: Estimate
    f1: Estimate
    """Equal to the specific agreement on yes."""
    leniency: Estimate
    """Share of yes of the rater minus that of gold, on the same items."""


class PropositionPart(BinaryPart):
    """One proposition: is it true of the answer?"""

    bars: tuple[BarPart, ...] = ()


P = TypeVar("P", bound=BinaryPart)


class PositionPart(Part):
    """How verdicts on pairs depend on the order shown."""

    items: int
    consistency: Estimate
    first_shown: Estimate
    always_first: Estimate
    always_second: Estimate
    right_where_consistent: Estimate


class RetestPart(Part):
    """Agreement of the rater with itself."""

    items: int
    agreement: Estimate
    alpha: Estimate


class Measured(Part):
    """The numbers of one rater on one body of gold data."""

    items: int
    """Items with a gold label that were put to the rater."""
    n: int
    """Usable verdicts."""
    clusters: int
    invalid: dict[str, int] = {}
    """Verdicts that are none, by kind. They are no class and enter no coefficient."""
    classes: ClassesPart | None = None
    binary: BinaryPart | None = None
    propositions: dict[str, PropositionPart] | None = None
    not_read: tuple[str, ...] = ()
    """Propositions of the file that the rater says nothing of."""
    position: PositionPart | None = None
    test_retest: RetestPart | None = None
    length_slope: Estimate | None = None
    """Change of the share of yes (of a pair: of wins of the first answer) per doubling of length (of the
    ratio of lengths) at equal gold label."""
    self_preference: Estimate | None = None
    leniency: Estimate | None = None
    not_measured: dict[str, str] = {}
    """What could not be measured, and why."""
    bars: tuple[BarPart, ...] = ()


class GaugeDocument(Measured):
    """What ``govaudit gauge`` found."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    rater: str
    kind: str
    fingerprint: str = ""
    rubric: str = ""
    format: str
    files: tuple[str, ...]
    gold: str
    """Where the gold labels come from."""
    without_gold: int = 0
    """Items without one; they were not used."""
    ties: int = 0
    """Verdicts on pairs that are ties: usable, and never what gold says."""
    splits: dict[str, Measured] = {}
    agreement: AgreementGroup | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How the classes of the gold data are read."""

    classes: tuple[str, ...]
    positive: frozenset[str] = frozenset()
    undecided: frozenset[str] = frozenset()
    words: tuple[str, str] = (YES, NO)
    """What yes and no mean."""
    pairs: bool = False


def plain(document: GaugeDocument) -> dict[str, Any]:
    """The document for programs: each estimate as a plain number under its name, null where it is undefined.

    Beside it in the same object stand ``intervals`` (name -> [low, high]), ``n_of`` (name -> items behind it,
    where they are not the ``n`` of the object) and ``undefined`` (name -> reason).
    """
    out: dict[str, Any] = _plain(document.model_dump(mode="json", by_alias=True))
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    out: dict[str, Any] = {}
    beside: dict[str, dict[str, Any]] = {"intervals": {}, "n_of": {}, "undefined": {}}
    for key, item in value.items():
        if not (isinstance(item, dict) and item.keys() == Estimate.model_fields.keys()):
            out[key] = _plain(item)
            continue
        out[key] = item["value"]
        if item["low"] is not None or item["high"] is not None:
            beside["intervals"][key] = [item["low"], item["high"]]
        if item["n"] not in (None, value.get("n")):
            beside["n_of"][key] = item["n"]
        if item["undefined"]:
            beside["undefined"][key] = item["undefined"]
    return out | {name: found for name, found in beside.items() if found}


def measured(said: Sequence[Said], reading: Reading, seed: int, why: Mapping[str, str]) -> Measured:
    """All numbers of a rater whose verdicts are classes. ``why``: what cannot be measured, with reasons."""
    used = traits.usable(said)
    classes = _classes(said, reading, seed)
    halves = traits.binary(said, reading.positive, reading.undecided) if reading.positive else []
    binary = _binary(BinaryPart, halves, reading.words, seed) if reading.positive else None
    reasons = dict(why)
    # Slopes: of the first answer of a pair, else of yes; without halves there is no direction to follow.
    leaning, yes = (said, reading.classes[0]) if reading.pairs else (halves, YES)
    if leaning:
        slope = estimate(traits.length_slope(leaning, yes, seed, TIE))
        own = estimate(traits.self_preference(leaning, yes, seed, TIE))
    else:
        slope = own = Estimate(value=None, undefined="the classes have no direction")
    position = traits.position(said, TIE) if reading.pairs else "one answer is shown at a time"
    retest = traits.retest(said, reading.classes, seed)
    for name, found in (("length_slope", slope), ("self_preference", own)):
        if found.value is None:
            reasons.setdefault(name, found.undefined or "")
    for name, missing in (("position", position), ("test_retest", retest)):
        if isinstance(missing, str):
            reasons.setdefault(name, missing)
    if binary is None:
        reasons.setdefault("leniency", "no side of a pair is the lenient one" if reading.pairs else _NO_YES)
    return Measured(
        items=len({one.item for one in said}),
        n=len(used),
        clusters=len({one.cluster for one in used}),
        invalid=traits.invalid(said),
        classes=classes,
        binary=binary,
        position=None if isinstance(position, str) else _position(position),
        test_retest=None if isinstance(retest, str) else _retest(retest),
        length_slope=None if slope.value is None else slope,
        self_preference=None if own.value is None else own,
        leniency=None if binary is None else binary.leniency,
        not_measured=reasons,
        bars=_barred(classes, binary),
    )


def _barred(classes: ClassesPart, binary: BinaryPart | None) -> tuple[BarPart, ...]:
    """Bars by yes and no, where the classes mean that: verdicts on clauses do. All classes, and invalid
    verdicts counted as wrong, are other readings of the same verdicts."""
    readings = [("", classes.kappa if binary is None else binary.kappa)]
    readings.append((f"{len(classes.labels)} classes", classes.kappa))
    if counted := classes.with_invalid_as_class:
        readings.append((f"{len(classes.labels)} classes, invalid verdicts counted as wrong", counted.kappa))
    return _bars(readings)


_NO_YES = "the classes have no yes and no"


def of_propositions(
    said: Mapping[str, Sequence[Said]], not_read: Sequence[str], seed: int, why: Mapping[str, str]
) -> Measured:
    """All numbers of a rater that says which propositions are true; ``said`` by proposition, in words
    ``yes`` and ``no``."""
    parts = {}
    for name, rows in said.items():
        part = _binary(PropositionPart, rows, ("true", "false"), seed)
        parts[name] = part.model_copy(update={"bars": _bars([(name, part.kappa)])})
    every = [one for rows in said.values() for one in rows]
    kinds = traits.invalid(every)
    return Measured(
        items=len({one.item for one in every}),
        n=len(traits.usable(every)),
        clusters=len({one.cluster for one in traits.usable(every)}),
        invalid=kinds,
        propositions=parts,
        not_read=tuple(not_read),
        not_measured=dict(why),
        bars=tuple(bar for part in parts.values() for bar in part.bars),
    )


def _classes(said: Sequence[Said], reading: Reading, seed: int) -> ClassesPart:
    labels = (*reading.classes, TIE) if reading.pairs else reading.classes
    two = traits.compared(said, labels, seed)
    missing = len(traits.usable(said)) < len(said)
    counted = traits.compared(said, labels, seed, with_invalid=True) if missing and two else None
    used = traits.usable(said)
    return ClassesPart(
        labels=labels,
        n=len(used),
        clusters=len({one.cluster for one in used}),
        agreement=_of(two, "percent"),
        kappa=_of(two, "kappa"),
        ac1=_of(two, "ac"),
        by_class={
            label: ClassLine(
                n_gold=sum(one.gold == label for one in used),
                n_rater=sum(one.label == label for one in used),
                precision=estimate(traits.precision(said, label)),
                recall=estimate(traits.recall(said, label)),
                f1=estimate(two.by_category[k]) if two else _NOTHING,
            )
            for k, label in enumerate(labels)
        },
        table=two.table if two else (),
        with_invalid_as_class=(
            CountedAsClass(agreement=_of(counted, "percent"), kappa=_of(counted, "kappa"))
            if counted
            else None
        ),
    )


_NOTHING = Estimate(n=0, value=None, undefined="there is no usable verdict")


def _of(two: TwoRater | None, name: Literal["percent", "kappa", "ac"]) -> Estimate:
    return _NOTHING if two is None else estimate(getattr(two, name))


def _binary(kind: type[P], said: Sequence[Said], meaning: tuple[str, str], seed: int) -> P:
    used = traits.usable(said)
    two = traits.compared(said, (NO, YES), seed)
    return kind(
        positive=meaning[0],
        negative=meaning[1],
        n=len(used),
        clusters=len({one.cluster for one in used}),
        n_positive=sum(one.gold == YES for one in used),
        n_rater_positive=sum(one.label == YES for one in used),
        invalid=len(said) - len(used),
        agreement=_of(two, "percent"),
        kappa=_of(two, "kappa"),
        ac1=_of(two, "ac"),
        precision=estimate(traits.precision(said, YES)),
        recall=estimate(traits.recall(said, YES)),
        f1=estimate(two.by_category[1]) if two else _NOTHING,
        leniency=estimate(traits.leniency(said)),
    )


def _position(found: traits.Position) -> PositionPart:
    return PositionPart(
        items=found.items,
        consistency=estimate(found.consistency),
        first_shown=estimate(found.first_shown),
        always_first=estimate(found.always_first),
        always_second=estimate(found.always_second),
        right_where_consistent=estimate(found.decided),
    )


def _retest(found: traits.Retest) -> RetestPart:
    return RetestPart(items=found.items, agreement=estimate(found.agreement), alpha=estimate(found.alpha))


def _coefficient(one: Estimate) -> Coefficient:
    return Coefficient("kappa", one.value, one.low, one.high, LEVEL, one.n or 0, 0, "", None, one.undefined)


def _bars(readings: Sequence[tuple[str, Estimate]]) -> tuple[BarPart, ...]:
    found = bars([(name, _coefficient(kappa)) for name, kappa in readings])
    return tuple(BarPart(from_=bar.from_, reason=bar.reason) for bar in found)


# ------------------------------------------------------------------------------------------- for people


def shown(document: GaugeDocument) -> Shown:
    """The document as claims and tables."""
    tables: list[Table] = []
    if document.propositions is not None:
        tables.append(_proposition_table(document.propositions))
    if document.classes is not None:
        tables += [_agreement_table(document, document.classes), _class_table(document.classes)]
    if (traits_ := _trait_table(document)) is not None:
        tables.append(traits_)
    if document.splits:
        tables.append(_split_table(document.splits))
    if document.agreement is not None:
        tables += agreement_tables(document.agreement)
    return Shown(
        id="gauge",
        title=f"{document.rater} on {document.format}",
        claims=tuple(_claims(document)),
        tables=tuple(tables),
        notes=tuple(_notes(document)),
    )


def _claims(document: GaugeDocument) -> list[str]:
    n, items = document.n, document.items
    said = [
        f"{n:,} usable verdicts on {items:,} items in {document.clusters:,} clusters "
        f"({', '.join(document.files)}); gold: {document.gold}."
    ]
    if document.invalid:
        kinds = ", ".join(f"{count:,} {words(kind, UNSCORED)}" for kind, count in document.invalid.items())
        said.append(f"No verdict, counted apart and never a class: {kinds}.")
    if document.without_gold:
        said.append(f"{document.without_gold:,} items have no gold label and were left out.")
    barred = [bar for bar in document.bars if bar.from_ == "every verdict"]
    weak = [bar for bar in document.bars if bar.from_ == "compliant"]
    many = document.propositions is not None
    if barred and not many:
        said.append(f"BARRED from every verdict: {barred[0].reason}.")
    if weak and not many:
        said.append(f"Barred from `compliant`: {weak[0].reason}.")
    if many:
        for bar, named in (("every verdict", barred), ("`compliant`", weak)):
            names = ", ".join(one.reason.partition(":")[0] for one in named)
            said += [f"Barred by kappa from {bar}: {names}."] if names else []
    if not document.bars:
        said.append(f"Not barred: the lower limit of kappa is at least {LOWEST_GAUGE_KAPPA:.2f}.")
    if document.ties:
        said.append(f"{document.ties:,} verdicts are ties, which gold never is.")
    if document.agreement is not None:
        said += claims_of(document.agreement)
    return said


def _notes(document: GaugeDocument) -> list[str]:
    notes = list(document.notes)
    if document.agreement is not None:
        notes += [f"{note}." for note in document.agreement.notes]
    if document.not_read:
        notes.append(f"Not read by this rater: {', '.join(document.not_read)}.")
    if document.not_measured:
        missing = "; ".join(
            f"{name.replace('_', '-')} ({why})" for name, why in document.not_measured.items()
        )
        notes.append(f"Not measured: {missing}.")
    return notes


def _agreement_table(document: GaugeDocument, classes: ClassesPart) -> Table:
    rows: list[tuple[str | int | Estimate | None, ...]] = [
        (
            f"{len(classes.labels) - bool(TIE in classes.labels)} classes",
            classes.n,
            classes.agreement,
            classes.kappa,
            classes.ac1,
        )
    ]
    if counted := classes.with_invalid_as_class:
        total = classes.n + sum(document.invalid.values())
        rows.append(("  invalid as a class", total, counted.agreement, counted.kappa, None))
    if binary := document.binary:
        rows.append((binary.positive, binary.n, binary.agreement, binary.kappa, binary.ac1))
    return Table(
        "agreement",
        "Agreement with gold",
        (
            Column(""),
            Column("n"),
            Column("agreement", "share"),
            Column("kappa", "coefficient", plot=True),
            Column("AC1", "coefficient"),
        ),
        tuple(rows),
    )


def _class_table(classes: ClassesPart) -> Table:
    return Table(
        "classes",
        "By class",
        (
            Column("class"),
            Column("gold"),
            Column("rater"),
            Column("precision", "coefficient"),
            Column("recall", "coefficient"),
            Column("F1", "coefficient"),
        ),
        tuple(
            (label, line.n_gold, line.n_rater, line.precision, line.recall, line.f1)
            for label, line in classes.by_class.items()
            if line.n_gold or (line.n_rater and label != TIE)
        ),
    )


def _proposition_table(parts: Mapping[str, PropositionPart]) -> Table:
    return Table(
        "propositions",
        "By proposition",
        (
            Column("proposition"),
            Column("true"),
            Column("precision", "coefficient"),
            Column("recall", "coefficient"),
            Column("F1", "coefficient"),
            Column("kappa", "coefficient", plot=True),
        ),
        tuple(
            (name, part.n_positive, part.precision, part.recall, part.f1, part.kappa)
            for name, part in parts.items()
        ),
    )


def _trait_table(document: GaugeDocument) -> Table | None:
    rows: list[tuple[str | int | Estimate | None, ...]] = []
    if found := document.position:
        rows += [
            ("same verdict in both orders", found.consistency),
            ("verdicts for the answer shown first", found.first_shown),
            ("always the answer shown first", found.always_first),
            ("always the answer shown second", found.always_second),
            ("right, where both orders agree", found.right_where_consistent),
        ]
    if again := document.test_retest:
        rows.append(("test-retest: same verdict", again.agreement))
    yes = document.binary.positive if document.binary else "first wins"
    if document.length_slope:
        rows.append((f"length: change of {yes} per doubling", document.length_slope))
    if document.self_preference:
        rows.append((f"own model: change of {yes}", document.self_preference))
    if document.leniency:
        rows.append((f"{yes}: rater minus gold", document.leniency))
    if not rows:
        return None
    return Table(
        "traits",
        "What the verdicts depend on",
        (Column(""), Column("n"), Column("share", "share")),
        tuple((str(row[0]), row[1].n if isinstance(row[1], Estimate) else None, row[1]) for row in rows),
    )


def _split_table(splits: Mapping[str, Measured]) -> Table:
    if any(part.propositions for part in splits.values()):
        return Table(
            "splits",
            "Parts",
            (Column("part"), Column("items"), Column("n")),
            tuple((name, part.items, part.n) for name, part in splits.items()),
        )
    rows: list[tuple[str | int | Estimate | None, ...]] = []
    for name, part in splits.items():
        numbers = part.binary if part.binary and not part.position else part.classes
        same = part.position.consistency if part.position else None
        barred = ", ".join(bar.from_ for bar in part.bars)
        if numbers is not None:
            rows.append((name, part.n, numbers.agreement, numbers.kappa, same, barred))
    columns = [
        Column("part"),
        Column("n"),
        Column("agreement", "share"),
        Column("kappa", "coefficient", plot=True),
        Column("both orders", "share"),
        Column("barred from"),
    ]
    if all(row[4] is None for row in rows):
        columns.pop(4)
        rows = [(*row[:4], row[5]) for row in rows]
    return Table("splits", "Parts", tuple(columns), tuple(rows))
