"""Everybody who judged the same items beside each other: the numbers of one table of items x raters.

In: :class:`Labels`, from a run's ratings (``agreement``) or from a file of labelled data. Out: a typed part
with coefficients, each rater against the others, pairs, severities, machines as one more rater, the
alternative annotator test, and raters whose labels seem turned round. Left out: words and tables
(``agreed_tables``), and how right anybody is, which takes gold labels (``gauged``, ``gauges``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from govaudit.errors import StatisticsError
from govaudit.records import RaterKind
from govaudit.reports.part import Estimate, Part
from govaudit.stats.agreement import agreement, two_rater
from govaudit.stats.alternative_annotator import MIN_PEOPLE, alternative_annotator_test
from govaudit.stats.binarisation import binarisation_sweep
from govaudit.stats.bootstrap import cluster_codes, sums_by_cluster
from govaudit.stats.coefficient import Coefficient
from govaudit.stats.counts import count_ratings
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
    people: str = "people"
    """What to call the people: ``simulated people`` where they are."""


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
        called="raters" if machines and not mixed else table.people,
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
        agreement=estimate(found.percent),
        fleiss=estimate(found.fleiss),
        alpha=estimate(found.alpha),
        ac=estimate(found.gwet),
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
                kappa_others=estimate(_kappa(table, table.labels[:, k], _most_others(table, k), seed)),
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
                agreement=estimate(found.percent),
                kappa=estimate(_kappa(table, one, two, seed) if table.ordered else found.kappa),
                ac1=estimate(found.ac),
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
        agreement=estimate(found.agreement),
        consistency=estimate(found.consistency),
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
            fleiss=estimate(one.agreement.fleiss),
            positive_agreement=estimate(one.agreement.by_category[1]),
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
        alpha_people=estimate(left.without),
        alpha_change=estimate(left.change),
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
            "advantage": estimate(test.advantage),
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
                None if flipped is None else estimate(_kappa(table, flipped, _most_others(table, k), seed))
            )
            found.append(
                Reversed(rater=line.rater, against="the others", kappa=line.kappa_others, kappa_flipped=kappa)
            )
    people = [k for k, kind in enumerate(table.kinds) if kind in _PERSONS]
    if table.reference is not None and people:
        most = [_most(row) for row in table.labels[:, people]]
        together = estimate(_kappa(table, most, table.reference, seed))
        if _below(together, tests):
            flipped = _flipped(table, most)
            kappa = None if flipped is None else estimate(_kappa(table, flipped, table.reference, seed))
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


def estimate(one: Coefficient) -> Estimate:
    """A coefficient as it stands in documents."""
    return Estimate(n=one.n_items, value=one.value, low=one.low, high=one.high, undefined=one.undefined)
