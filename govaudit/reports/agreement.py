"""Agreement between everybody who judged the same items: people, judges, checks, preference models.

In: a table of items x raters (:class:`Labels`), from a run's ratings (:func:`section`) or from a file of
labelled data. Out: a typed part with coefficients, each rater against the others, pairs, severities, machines
as one more rater, the alternative annotator test, and raters whose labels seem turned round. Ratings that are
derived from others (majorities, panels) never enter agreement. Left out: how right anybody is, which takes
gold labels (``gauged``, ``gauges``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from govaudit.errors import StatisticsError
from govaudit.records import Measure, Rater, RaterKind, Rating, Scale
from govaudit.reports.part import Estimate, Part
from govaudit.reports.shown import Column, Shown, Table
from govaudit.stats.agreement import agreement, two_rater
from govaudit.stats.alternative_annotator import MIN_PEOPLE, alternative_annotator_test
from govaudit.stats.binarisation import binarisation_sweep
from govaudit.stats.bootstrap import cluster_codes, sums_by_cluster
from govaudit.stats.coefficient import Coefficient
from govaudit.stats.counts import count_long, count_ratings
from govaudit.stats.icc import icc
from govaudit.stats.intervals import clustered_mean, clustered_rate
from govaudit.stats.raters import leave_one_out, severity

LEVEL = 0.95
EPSILON = 0.1
"""Margin of the alternative annotator test: its authors' for crowd workers, the strictest of theirs."""
MOST_PAIRS = 12
"""So many raters are compared pair by pair; more are compared with the others taken together."""
_MOST_CLASSES = 12
"""Of an ordered scale; more distinct numbers are measurements."""
_PERSONS = frozenset((RaterKind.PEOPLE,))
_DERIVED = frozenset((RaterKind.PANEL,))


@dataclass(frozen=True)
class Labels:
    """Who said what of which item."""

    name: str
    """What was judged, in words."""
    items: tuple[str, ...]
    clusters: tuple[str, ...]
    """(N,) items of one cluster count as one independent observation."""
    raters: tuple[str, ...]
    kinds: tuple[RaterKind, ...]
    labels: NDArray[np.object_]
    """(N, R) of labels, ``None`` where there is none."""
    classes: tuple[str, ...]
    values: Mapping[str, float] = field(default_factory=dict)
    """Labels as numbers, where they are some; labels that are not in it mean neither more nor less."""
    ordered: bool = False
    """Are the values of an ordered scale of more than two steps?"""
    yes: str = ""
    """What the value 1 of a binary scale means."""
    invalid: Mapping[str, int] = field(default_factory=dict)
    """Per rater: verdicts that were none."""
    reference: tuple[str | None, ...] | None = None
    """(N,) labels that the source holds right, where it has some."""
    reference_name: str = ""
    retests: Mapping[str, Estimate] = field(default_factory=dict)
    """Per rater: agreement with itself when asked again."""
    simulated: bool = False
    """Are the people simulated ones?"""


class RaterLine(Part):
    """One rater among the others."""

    rater: str
    kind: str
    n: int
    invalid: int = 0
    constant: bool
    """Gave one label throughout."""
    rate: Estimate | None = None
    """Share of yes, or mean rating."""
    severity: Estimate | None = None
    """How much higher than the raters' average on the same items."""
    kappa_others: Estimate
    """With the label of most others: of people where there are some, else of all."""
    retest: Estimate | None = None


class PairLine(Part):
    """Two raters."""

    first: str
    second: str
    n: int
    agreement: Estimate
    kappa: Estimate
    ac1: Estimate


class Coefficients(Part):
    """Several raters at once."""

    raters: int
    items: int
    """With at least two ratings."""
    ratings: int
    agreement: Estimate
    fleiss: Estimate
    alpha: Estimate
    ac: Estimate
    weights: str
    """``nominal`` (AC1), or those of an ordered scale (AC2)."""


class Cut(Part):
    """An ordered scale cut in two."""

    at: str
    """This label or above."""
    share: float
    fleiss: Estimate
    positive_agreement: Estimate


class Correlations(Part):
    """Intraclass correlations of single ratings on a complete table (McGraw & Wong 1996)."""

    items: int
    raters: int
    agreement: Estimate
    consistency: Estimate


class OneMore(Part):
    """A machine as one more rater beside the people."""

    rater: str
    alpha_people: Estimate
    alpha_change: Estimate
    """Alpha with the machine minus alpha of people alone."""
    may_replace: bool | None
    """Alternative annotator test (Calderon, Reichart & Dror 2025); ``None`` where it was not made."""
    epsilon: float
    winning_rate: float | None = None
    """Share of people whom it matches."""
    people_tested: int = 0
    advantage: Estimate | None = None
    why_not: str = ""


class Reversed(Part):
    """A rater whose labels seem turned round."""

    rater: str
    against: str
    kappa: Estimate
    kappa_flipped: Estimate | None = None
    """Were its labels turned round."""


class AgreementGroup(Part):
    """Everybody who judged the same items on one question."""

    name: str
    classes: tuple[str, ...]
    items: int
    clusters: int
    raters: tuple[RaterLine, ...]
    all: Coefficients | None
    """Of all raters but derived ones and world truth."""
    decided: Coefficients | None = None
    """The same with labels that mean neither taken as missing."""
    people: Coefficients | None = None
    """Of people alone, where machines rated too."""
    called: str = "raters"
    """Who agrees, in the claim: ``people``, ``simulated people`` or ``raters``."""
    pairs: tuple[PairLine, ...] = ()
    correlations: Correlations | None = None
    cuts: tuple[Cut, ...] = ()
    one_more: tuple[OneMore, ...] = ()
    reversed: tuple[Reversed, ...] = ()
    notes: tuple[str, ...] = ()


class AgreementPart(Part):
    """Agreement in a run."""

    groups: tuple[AgreementGroup, ...]


# -------------------------------------------------------------------------------------------- one table


def group(table: Labels, seed: int) -> AgreementGroup:
    """All that is said of one table of at least two raters."""
    notes: list[str] = []
    numbers = _numbers(table)
    own = [k for k, kind in enumerate(table.kinds) if kind not in (*_DERIVED, RaterKind.WORLD)]
    people = [k for k in own if table.kinds[k] in _PERSONS]
    machines = [k for k in own if k not in people]
    used = {label for label in table.labels[:, own].ravel() if label is not None}
    undecided = bool(table.values) and not used <= table.values.keys()
    every = _coefficients(table, own, seed)
    mixed = len(people) > 1 and bool(machines)
    lines = _lines(table, numbers, seed, notes)
    return AgreementGroup(
        name=table.name,
        classes=table.classes,
        items=len(table.items),
        clusters=len(set(table.clusters)),
        raters=lines,
        all=every,
        decided=_coefficients(_decided(table), own, seed) if undecided else None,
        people=_coefficients(table, people, seed) if mixed else None,
        called="raters" if machines and not mixed else "simulated people" if table.simulated else "people",
        pairs=_pairs(table, seed, notes),
        correlations=_correlations(table, own, numbers, notes) if table.ordered else None,
        cuts=_cuts(table, own, seed) if table.ordered and len(table.classes) <= _MOST_CLASSES else (),
        one_more=tuple(_one_more(table, people, k, seed) for k in machines) if len(people) > 1 else (),
        reversed=_reversed(table, lines, seed, notes),
        notes=tuple(notes),
    )


def _numbers(table: Labels) -> NDArray[np.float64]:
    """(N, R) of the labels' values, nan where there is none."""
    if not table.values:
        return np.full(table.labels.shape, np.nan)
    found = [
        [table.values.get(label, np.nan) if label is not None else np.nan for label in row]
        for row in table.labels
    ]
    return np.array(found, dtype=np.float64).reshape(table.labels.shape)


def _decided(table: Labels) -> Labels:
    """The same with labels that mean neither taken as missing."""
    kept = table.labels.copy()
    kept[~np.isin(kept.astype(str), list(table.values))] = None
    return replace(table, labels=kept, classes=tuple(c for c in table.classes if c in table.values))


def _coefficients(table: Labels, columns: Sequence[int], seed: int) -> Coefficients | None:
    if len(columns) < 2:
        return None
    labels = table.labels[:, list(columns)]
    ordered = table.ordered and all(label in table.values for label in table.classes)
    few = len(table.classes) <= _MOST_CLASSES
    classes: Sequence[Any] = table.classes
    if ordered:
        classes = [table.values[label] for label in table.classes]
        labels = np.array(
            [[None if x is None else table.values[x] for x in row] for row in labels], dtype=object
        )
    found = agreement(
        count_ratings(labels, classes),
        seed=seed,
        weights="identity" if not ordered else "ordinal" if few else "quadratic",
        metric="nominal" if not ordered else "ordinal" if few else "interval",
        clusters=table.clusters,
        level=LEVEL,
    )
    return Coefficients(
        raters=len(columns),
        items=found.n_paired,
        ratings=found.n_ratings,
        agreement=_estimate(found.percent),
        fleiss=_estimate(found.fleiss),
        alpha=_estimate(found.alpha),
        ac=_estimate(found.gwet),
        weights="nominal" if not ordered else "ordinal" if few else "interval",
    )


def _lines(table: Labels, numbers: NDArray[np.float64], seed: int, notes: list[str]) -> tuple[RaterLine, ...]:
    severities: dict[int, Estimate] = {}
    live = [k for k in range(len(table.raters)) if not np.isnan(numbers[:, k]).all()]
    if len(live) > 1:
        try:
            found = severity(numbers[:, live], clusters=table.clusters, raters=live, level=LEVEL)
            severities = {
                one.rater: Estimate(
                    n=one.n,
                    value=one.severity,
                    low=one.low,
                    high=one.high,
                    undefined=None if one.low is not None else "nothing varies",
                )
                for one in found
            }
        except StatisticsError as error:
            notes.append(f"severities are not comparable: {error}")
    lines = []
    for k, rater in enumerate(table.raters):
        given = [label for label in table.labels[:, k] if label is not None]
        lines.append(
            RaterLine(
                rater=rater,
                kind=table.kinds[k].value,
                n=len(given),
                invalid=table.invalid.get(rater, 0),
                constant=len(set(given)) == 1,
                rate=_rate(numbers[:, k], table) if k in live else None,
                severity=severities.get(k),
                kappa_others=_estimate(_kappa(table, table.labels[:, k], _most_others(table, k), seed)),
                retest=table.retests.get(rater),
            )
        )
    return tuple(lines)


def _rate(numbers: NDArray[np.float64], table: Labels) -> Estimate:
    there = ~np.isnan(numbers)
    clusters = [c for c, given in zip(table.clusters, there, strict=True) if given]
    if not table.ordered:
        rate = clustered_rate(numbers[there], clusters, LEVEL)
        return Estimate(n=rate.n, value=rate.rate, low=rate.low, high=rate.high)
    try:
        mean = clustered_mean(numbers[there], clusters, LEVEL)
    except StatisticsError as error:
        return Estimate(n=int(there.sum()), value=float(numbers[there].mean()), undefined=str(error))
    return Estimate(n=mean.n, value=mean.value, low=mean.low, high=mean.high)


def _most_others(table: Labels, column: int) -> list[str | None]:
    """Per item the label of world truth, else the one that most other people gave, else most others."""
    rest = [k for k in range(len(table.raters)) if k != column and table.kinds[k] not in _DERIVED]
    world = [k for k in rest if table.kinds[k] is RaterKind.WORLD]
    people = [k for k in rest if table.kinds[k] in _PERSONS]
    return [_most(row) for row in table.labels[:, world or people or rest]]


def _most(labels: Iterable[str | None]) -> str | None:
    ranked = Counter(label for label in labels if label is not None).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def _kappa(table: Labels, one: Iterable[str | None], other: Iterable[str | None], seed: int) -> Coefficient:
    """Cohen's kappa, on yes and no where labels mean that, quadratic weights on an ordered scale."""
    first, second, classes = _comparable(table, one), _comparable(table, other), table.classes
    kept = tuple(c for c in classes if c in table.values) if table.values else classes
    scale: Sequence[Any] = [table.values[c] for c in kept] if table.ordered else kept
    return two_rater(
        first,
        second,
        seed=seed,
        clusters=table.clusters,
        categories=scale,
        weights="quadratic" if table.ordered else "identity",
        level=LEVEL,
    ).kappa


def _comparable(table: Labels, labels: Iterable[str | None]) -> list[Any]:
    if not table.values:
        return list(labels)
    kept = [label if label in table.values else None for label in labels]
    return [None if x is None else table.values[x] for x in kept] if table.ordered else list(kept)


def _pairs(table: Labels, seed: int, notes: list[str]) -> tuple[PairLine, ...]:
    if len(table.raters) > MOST_PAIRS:
        notes.append(
            f"{len(table.raters)} raters: each is compared with most of the others, not with each of them"
        )
        return ()
    lines = []
    for a, b in combinations(range(len(table.raters)), 2):
        one, two = table.labels[:, a], table.labels[:, b]
        shared = int(sum(x is not None and y is not None for x, y in zip(one, two, strict=True)))
        if not shared:
            continue
        found = two_rater(
            list(one), list(two), seed=seed, clusters=table.clusters, categories=table.classes, level=LEVEL
        )
        lines.append(
            PairLine(
                first=table.raters[a],
                second=table.raters[b],
                n=shared,
                agreement=_estimate(found.percent),
                kappa=_estimate(_kappa(table, one, two, seed) if table.ordered else found.kappa),
                ac1=_estimate(found.ac),
            )
        )
    return tuple(lines)


def _correlations(
    table: Labels, columns: Sequence[int], numbers: NDArray[np.float64], notes: list[str]
) -> Correlations | None:
    codes, n_clusters = cluster_codes(table.clusters, len(table.items))
    chosen = numbers[:, list(columns)]
    if np.isnan(chosen).any():
        notes.append("no intraclass correlation: it needs a rating of every rater on every item")
        return None
    sizes = np.bincount(codes, minlength=n_clusters)[:, None]
    try:
        # Items of one prompt are not independent, and the F intervals take them to be: means by cluster.
        found = icc(sums_by_cluster(chosen, codes, n_clusters) / sizes, level=LEVEL)
    except StatisticsError as error:
        notes.append(f"no intraclass correlation: {error}")
        return None
    return Correlations(
        items=found.n_items,
        raters=found.n_raters,
        agreement=_estimate(found.agreement),
        consistency=_estimate(found.consistency),
    )


def _cuts(table: Labels, columns: Sequence[int], seed: int) -> tuple[Cut, ...]:
    labels = table.labels[:, list(columns)]
    if len(columns) < 2 or len(table.classes) < 3 or not any(x is not None for x in labels.ravel()):
        return ()
    ordered = sorted((c for c in table.classes if c in table.values), key=lambda c: table.values[c])
    swept = binarisation_sweep(
        count_ratings(labels, ordered), seed=seed, clusters=table.clusters, level=LEVEL
    )
    return tuple(
        Cut(
            at=str(one.cut),
            share=one.share,
            fleiss=_estimate(one.agreement.fleiss),
            positive_agreement=_estimate(one.agreement.by_category[1]),
        )
        for one in swept
    )


def _one_more(table: Labels, people: Sequence[int], machine: int, seed: int) -> OneMore:
    name = table.raters[machine]
    labels = table.labels[:, [*people, machine]]
    left = leave_one_out(
        labels,
        seed=seed,
        categories=table.classes,
        clusters=table.clusters,
        raters=[table.raters[k] for k in (*people, machine)],
        level=LEVEL,
    )[-1]
    found = OneMore(
        rater=name,
        alpha_people=_estimate(left.without),
        alpha_change=_estimate(left.change),
        may_replace=None,
        epsilon=EPSILON,
    )
    if len(people) < MIN_PEOPLE:
        why = f"{len(people)} people: the alternative annotator test needs {MIN_PEOPLE}"
        return found.model_copy(update={"why_not": why})
    try:
        test = alternative_annotator_test(
            labels[:, :-1],
            labels[:, -1],
            epsilon=EPSILON,
            seed=seed,
            clusters=table.clusters,
            names=[table.raters[k] for k in people],
            level=LEVEL,
        )
    except StatisticsError as error:
        return found.model_copy(update={"why_not": str(error)})
    return found.model_copy(
        update={
            "may_replace": test.passed,
            "winning_rate": test.winning_rate,
            "people_tested": len(test.people),
            "advantage": _estimate(test.advantage),
        }
    )


def _reversed(table: Labels, lines: Sequence[RaterLine], seed: int, notes: list[str]) -> tuple[Reversed, ...]:
    """Raters who lie below chance beyond doubt, and people together where the source contradicts them.

    The upper limit of kappa, at one-sided .05 shared among all raters (Bonferroni), must be below 0: among
    many raters some that guess lie below chance in a plain interval.
    """
    found = []
    tests = len(lines) + 1
    for k, line in enumerate(lines):
        if table.kinds[k] is not RaterKind.WORLD and _below(line.kappa_others, tests):
            flipped = _flipped(table, table.labels[:, k])
            kappa = (
                None if flipped is None else _estimate(_kappa(table, flipped, _most_others(table, k), seed))
            )
            found.append(
                Reversed(rater=line.rater, against="the others", kappa=line.kappa_others, kappa_flipped=kappa)
            )
    people = [k for k, kind in enumerate(table.kinds) if kind in _PERSONS]
    if table.reference is not None and people:
        most = [_most(row) for row in table.labels[:, people]]
        together = _estimate(_kappa(table, most, table.reference, seed))
        if _below(together, tests):
            flipped = _flipped(table, most)
            kappa = None if flipped is None else _estimate(_kappa(table, flipped, table.reference, seed))
            found.append(
                Reversed(
                    rater="most of the people",
                    against=table.reference_name,
                    kappa=together,
                    kappa_flipped=kappa,
                )
            )
    elif len(people) > 1 and RaterKind.WORLD not in table.kinds:
        notes.append("without gold labels a direction that all raters have wrong cannot be seen")
    return tuple(found)


def _below(kappa: Estimate, tests: int) -> bool:
    if kappa.value is None or kappa.high is None:
        return False
    error = (kappa.high - kappa.value) / float(ndtri((1 + LEVEL) / 2))
    return kappa.value + float(ndtri(1 - 0.05 / tests)) * error < 0


def _flipped(table: Labels, labels: Iterable[str | None]) -> list[str | None] | None:
    """The labels in the other direction: yes for no, high for low; ``None`` where there is no direction."""
    if table.values:
        by_value = sorted(table.values, key=lambda c: table.values[c])
        turned = dict(zip(by_value, reversed(by_value), strict=True))
        return [turned.get(label, label) if label is not None else None for label in labels]
    if len(table.classes) == 2:
        first, second = table.classes
        return [{first: second, second: first}.get(label or "") for label in labels]
    return None


def _estimate(one: Coefficient) -> Estimate:
    return Estimate(n=one.n_items, value=one.value, low=one.low, high=one.high, undefined=one.undefined)


# ------------------------------------------------------------------------------------------- of one run

_Key = tuple[str, ...]


def section(ratings: Sequence[Rating], raters: Sequence[Rater], seed: int) -> AgreementPart | None:
    """Agreement among a run's raters; ``None`` where no item was judged by two of them.

    Verdicts on clauses form one table whatever the rubric, kept or broken; pairwise verdicts one per rubric
    and question, whichever order was shown; other ratings one per rubric and question.
    """
    kinds = {rater.id: rater.kind for rater in raters}
    simulated = any(r.source == "simulated" for r in raters if r.kind is RaterKind.PEOPLE)
    sorted_out: dict[_Key, list[tuple[_Key, str, Rating]]] = defaultdict(list)
    for row in ratings:
        if row.derived_from or row.rater not in kinds:
            continue
        key, item, label = _placed(row)
        sorted_out[key].append((item, label, row))
    groups = []
    for key, rows in sorted(sorted_out.items()):
        table = _table(key, rows, kinds, seed)
        if table is not None:
            groups.append(group(replace(table, simulated=simulated), seed))
    return AgreementPart(groups=tuple(groups)) if groups else None


CLAUSES = "clause kept or broken"
_WINS = ("the one that sorts first", "tie", "the other")


def _placed(row: Rating) -> tuple[_Key, _Key, str]:
    """Table, item and label of a rating."""
    if row.scale is Scale.PAIRWISE:
        key: _Key = ("pairs", row.rubric, row.question)
        first = row.responses[0] <= row.responses[-1]
        value = row.value if row.value is None or first else 1.0 - row.value
        tie = row.tie or value == 0.5
        return key, tuple(sorted(row.responses)), _WINS[1 if tie else 0 if (value or 0.0) > 0.5 else 2]
    if row.scale is Scale.BINARY and row.clause is not None:
        measure = "" if row.measure is Measure.GENERATION else f", {row.measure.value}"
        return (CLAUSES + measure,), (*row.responses, row.clause), "broken" if row.value else "kept"
    label = (
        row.label
        if row.scale in (Scale.NOMINAL, Scale.CHOICE)
        else f"{row.value:g}"
        if row.value is not None
        else ""
    )
    return (row.scale.value, row.rubric, row.question), row.responses, label


def _table(
    key: _Key,
    rows: Sequence[tuple[_Key, str, Rating]],
    kinds: Mapping[str, RaterKind],
    seed: int,
) -> Labels | None:
    names = sorted({row.rater for _, _, row in rows}, key=lambda r: (-_RANK[kinds[r]], r))
    if len(names) < 2:
        return None
    column = {name: k for k, name in enumerate(names)}
    items: dict[_Key, int] = {}
    clusters: list[str] = []
    again: dict[str, list[tuple[_Key, str, str]]] = defaultdict(list)
    invalid: Counter[str] = Counter()
    cells: dict[tuple[int, int], str | None] = {}
    for item, label, row in rows:
        if item not in items:
            items[item] = len(items)
            clusters.append(row.cluster or "/".join(item))
        if row.value is None:
            invalid[row.rater] += 1
            continue
        again[row.rater].append(((*item, *row.responses), label, clusters[items[item]]))
        place = items[item], column[row.rater]
        # Both orders of a pair, or replicates: one label where they agree, none where they do not.
        cells[place] = label if cells.get(place, label) == label else None
    labels = np.full((len(items), len(names)), None, dtype=object)
    for (i, k), said in cells.items():
        labels[i, k] = said
    shared = (labels != None).sum(axis=1) >= 2  # noqa: E711  # elementwise
    if not shared.any():
        return None
    used = [k for k in range(len(names)) if any(x is not None for x in labels[shared, k])]
    if len(used) < 2:
        return None
    scale = key[0]
    classes, values, ordered = _scale(scale, {x for x in labels.ravel() if x is not None})
    return Labels(
        name=" / ".join(part for part in key if part),
        items=tuple("/".join(item) for item, keep in zip(items, shared, strict=True) if keep),
        clusters=tuple(c for c, keep in zip(clusters, shared, strict=True) if keep),
        raters=tuple(names[k] for k in used),
        kinds=tuple(kinds[names[k]] for k in used),
        labels=labels[shared][:, used],
        classes=classes,
        values=values,
        ordered=ordered,
        yes="broken" if scale.startswith(CLAUSES) else "",
        invalid=invalid,
        retests={names[k]: found for k in used if (found := _retest(again[names[k]], classes, seed))},
    )


_RANK = {kind: rank for rank, kind in enumerate(RaterKind)}


def _scale(scale: str, found: set[Any]) -> tuple[tuple[str, ...], dict[str, float], bool]:
    """Classes, values and whether they are ordered."""
    if scale.startswith(CLAUSES):
        return ("kept", "broken"), {"kept": 0.0, "broken": 1.0}, False
    if scale == "pairs":
        return _WINS, {_WINS[2]: 0.0, _WINS[0]: 1.0}, False
    if scale in (Scale.ORDINAL.value, Scale.REAL.value):
        values = {label: float(label) for label in sorted(found, key=float)}
        return tuple(values), values, len(values) > 2
    classes = tuple(sorted(found))
    return classes, {c: float(k) for k, c in enumerate(classes)} if scale == "binary" else {}, False


def _retest(rows: Sequence[tuple[_Key, str, str]], classes: Sequence[str], seed: int) -> Estimate | None:
    """Agreement of a rater with itself over replicates of the same question in the same order."""
    counts = Counter(item for item, _, _ in rows)
    chosen = [(item, label, cluster) for item, label, cluster in rows if counts[item] > 1]
    if not chosen:
        return None
    table = count_long([item for item, _, _ in chosen], [label for _, label, _ in chosen], tuple(classes))
    by_item = {item: cluster for item, _, cluster in chosen}
    found = agreement(table, seed=seed, clusters=[by_item[item] for item in table.items], level=LEVEL)
    return _estimate(found.percent)


# ------------------------------------------------------------------------------------------- for people


def show(part: AgreementPart) -> Shown:
    """Claims and tables of a run's agreement."""
    claims: list[str] = []
    tables: list[Table] = []
    for number, one in enumerate(part.groups, 1):
        claims += claims_of(one)
        tables += agreement_tables(one, f"{number}-" if len(part.groups) > 1 else "")
    said: dict[str, list[str]] = defaultdict(list)
    for one in part.groups:
        for note in one.notes:
            said[note].append(one.name)
    notes = [f"{', '.join(names)}: {note}." for note, names in said.items()]
    return Shown(
        id="agreement",
        title="Agreement between raters",
        claims=tuple(claims),
        tables=tuple(tables),
        notes=(*notes, _METHOD),
    )


_METHOD = (
    "Intervals are cluster bootstraps of items; they speak of these raters, not of others. Majorities and "
    "panels are derived from other ratings and never enter agreement."
)


def claims_of(one: AgreementGroup) -> list[str]:
    """What the numbers of a group allow to say; warnings come first."""
    said = [
        f"{found.rater} seems to have its labels turned round: kappa with {found.against} "
        f"{_words(found.kappa)}"
        + (f", turned {_words(found.kappa_flipped)}" if found.kappa_flipped else "")
        + "."
        for found in one.reversed
    ]
    shown = one.people or one.all
    if shown is not None:
        who = f"{shown.raters} {one.called}"
        said.append(
            f"{one.name}: {who} on {shown.items:,} items, alpha {_words(shown.alpha)}, agreement "
            f"{_words(shown.agreement)}."
        )
    for more in one.one_more:
        change = more.alpha_change
        if change.high is not None and change.high < 0:
            said.append(f"{more.rater} as one more rater lowers alpha by {_words(_minus(change))}.")
        if more.may_replace is not None:
            may = "passes" if more.may_replace else "does not pass"
            said.append(
                f"{more.rater} {may} the alternative annotator test at a margin of {more.epsilon:g}: it "
                f"matches {more.winning_rate:.0%} of {more.people_tested} people."
            )
    return said


def _minus(one: Estimate) -> Estimate:
    def turn(x: float | None) -> float | None:
        return None if x is None else -x

    return Estimate(n=one.n, value=turn(one.value), low=turn(one.high), high=turn(one.low))


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")


def _words(one: Estimate | None) -> str:
    if one is None or one.value is None:
        return f"not defined ({one.undefined})" if one else "not defined"
    if one.low is None or one.high is None:
        return f"{_two(one.value)} (no interval: {one.undefined})"
    return f"{_two(one.value)} ({_two(one.low)} to {_two(one.high)})"


_MOST_LINES = 16


def agreement_tables(one: AgreementGroup, prefix: str = "") -> list[Table]:
    """The tables of a group; of many raters only those at both ends, all of them are in the document."""
    tables = [_coefficient_table(one, prefix), _rater_table(one, prefix)]
    if one.pairs:
        tables.append(
            Table(
                f"{prefix}pairs",
                f"Pairs of raters: {one.name}",
                (
                    Column("pair"),
                    Column("n"),
                    Column("agreement", "share"),
                    Column("kappa", "coefficient", plot=True),
                    Column("AC1", "coefficient"),
                ),
                tuple(
                    (f"{pair.first} - {pair.second}", pair.n, pair.agreement, pair.kappa, pair.ac1)
                    for pair in one.pairs
                ),
            )
        )
    if one.cuts:
        tables.append(
            Table(
                f"{prefix}cuts",
                f"Cut in two: {one.name}",
                (
                    Column("at or above"),
                    Column("Fleiss kappa", "coefficient", plot=True),
                    Column("positive agreement", "coefficient"),
                ),
                tuple((cut.at, cut.fleiss, cut.positive_agreement) for cut in one.cuts),
            )
        )
    if one.one_more:
        tables.append(
            Table(
                f"{prefix}one-more",
                f"Machines beside people: {one.name}",
                (
                    Column("rater"),
                    Column("alpha of people", "coefficient"),
                    Column("change with it", "coefficient", plot=True),
                    Column("may replace a person"),
                ),
                tuple(
                    (
                        more.rater,
                        more.alpha_people,
                        more.alpha_change,
                        {True: "yes", False: "no", None: "not tested"}[more.may_replace],
                    )
                    for more in one.one_more
                ),
            )
        )
    return [replace(table, rows=tuple(map(_bare, table.rows))) for table in tables]


Cells = tuple[str | int | Estimate | None, ...]


def _bare(row: Cells) -> Cells:
    """Cells whose estimates do not repeat the number of items, which has a column of its own."""
    return tuple(c.model_copy(update={"n": None}) if isinstance(c, Estimate) else c for c in row)


def _coefficient_table(one: AgreementGroup, prefix: str) -> Table:
    found: list[tuple[str, Coefficients | None]] = [
        ("all raters", one.all),
        ("all, undecided left out", one.decided),
        ("people alone", one.people),
    ]
    rows: list[tuple[str | int | Estimate | None, ...]] = [
        (name, x.raters, x.items, x.agreement, x.fleiss, x.alpha, x.ac) for name, x in found if x is not None
    ]
    if one.correlations is not None:
        c = one.correlations
        rows.append(("ICC(A,1)", c.raters, c.items, None, None, c.agreement, None))
        rows.append(("ICC(C,1)", c.raters, c.items, None, None, c.consistency, None))
    ac = "AC1" if one.all is None or one.all.weights == "nominal" else "AC2"
    return Table(
        f"{prefix}coefficients",
        f"Agreement: {one.name}",
        (
            Column(""),
            Column("raters"),
            Column("items"),
            Column("agreement", "share"),
            Column("Fleiss", "coefficient"),
            Column("alpha" if one.correlations is None else "alpha, ICC", "coefficient", plot=True),
            Column(ac, "coefficient"),
        ),
        tuple(rows),
    )


def _rater_table(one: AgreementGroup, prefix: str) -> Table:
    lines: Sequence[RaterLine] = one.raters
    caption = f"Raters: {one.name}"
    if len(lines) > _MOST_LINES:
        ends: Callable[[RaterLine], float] = lambda line: (  # noqa: E731
            (line.rate.value if line.rate else line.kappa_others.value) or 0.0
        )
        half = _MOST_LINES // 2
        named = {found.rater for found in one.reversed}
        ranked = sorted(lines, key=ends)
        middle = [line for line in ranked[half:-half] if line.rater in named]
        lines = [*ranked[:half], *middle, *ranked[-half:]]
        caption += f" (both ends of {len(one.raters)})"
    retested = any(line.retest for line in lines)
    rated = any(line.rate for line in lines)
    share = "share" if not _many_values(one) else "number"
    return Table(
        f"{prefix}raters",
        caption,
        (
            Column("rater"),
            Column("n"),
            Column("invalid"),
            *((Column("rate", "share" if share == "share" else "number"),) if rated else ()),
            *((Column("severity", "coefficient", plot=True),) if rated else ()),
            Column("kappa with others", "coefficient"),
            *((Column("test-retest", "share"),) if retested else ()),
        ),
        tuple(
            (
                line.rater,
                line.n,
                line.invalid,
                *((line.rate, line.severity) if rated else ()),
                line.kappa_others,
                *((line.retest,) if retested else ()),
            )
            for line in lines
        ),
    )


def _many_values(one: AgreementGroup) -> bool:
    return (
        bool(one.cuts)
        or one.correlations is not None
        or (one.all is not None and one.all.weights != "nominal")
    )
