"""Arms against each other, statement by statement, and the ranks that these differences allow.

In: the layout of a comparison. Out: differences of rates with intervals and Holm-adjusted p-values, and
rankings with rank sets. Arms that answered the same stimuli are compared pair by pair; where their stimuli
differ the samples are compared, and the part says so. Two clauses are compared with each other only where
both ask the same of an answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from govaudit.reports.compare.document import DifferencePart, RankingOfArms, RankPart
from govaudit.reports.compare.matrix import Layout
from govaudit.reports.findings import Cell
from govaudit.reports.part import Estimate
from govaudit.specs.alignment import Place
from govaudit.stats.intervals import clustered_rate, paired_rate_difference, rate_difference
from govaudit.stats.multiplicity import holm
from govaudit.stats.paired import sign_flip_p, unpaired_p

LEVEL = 0.05
"""Chance of any false difference over the whole comparison."""
LEAST_SHARED = 0.5
"""Share of an arm's judged answers that the other must have too for a paired comparison; below, the two
samples are compared."""

Key = tuple[str, int]
"""Stimulus and epoch."""
Judged = Mapping[Key, tuple[float, str]]
"""What was judged -> 1 where it broke the clause, and its cluster."""


@dataclass(frozen=True)
class Sample:
    """The scored answers of one arm under one clause, as the deciding rater saw them."""

    arm: str
    place: Place
    measure: str
    rater: str
    judged: Judged


def samples(layout: Layout) -> dict[str, list[Sample]]:
    """Statement -> what was judged of each arm under each clause that declares it."""
    deciding: dict[tuple[int, str], list[tuple[str, Cell]]] = defaultdict(list)
    for index, run in enumerate(layout.runs):
        for cell in run.cells:
            if cell.deciding and cell.scored:
                label = layout.labels[index][cell.arm.name]
                deciding[layout.spec_of[index], cell.clause.id].append((label, cell))
    return {
        row.id: [
            Sample(label, place, cell.measure.value, cell.rater.id, _judged(cell))
            for place in row.places
            for label, cell in deciding.get((place.spec, place.clause.id), ())
        ]
        for row in layout.statements
    }


def _judged(cell: Cell) -> Judged:
    found: dict[Key, tuple[float, str]] = {}
    for item in cell.scored:
        assert item.value is not None
        found[item.probe.stimulus, item.response.epoch] = (item.value, item.probe.cluster)
    return found


def differences(found: Mapping[str, Sequence[Sample]]) -> tuple[DifferencePart, ...]:
    """All pairs of arms that one statement allows to compare, adjusted over the whole comparison."""
    parts = [
        part
        for statement, mine in found.items()
        for one, other in combinations(mine, 2)
        if (part := difference(statement, one, other)) is not None
    ]
    return adjusted(parts)


def comparable(one: Sample, other: Sample) -> bool:
    """Whether two samples answer one question: two arms, one measure, one rater, and clauses that ask the
    same.

    Under a narrower, broader or reworded clause a rate says something else: it is shown and not compared.
    """
    same_clause = (one.place.spec, one.place.clause.id) == (other.place.spec, other.place.clause.id)
    same_demand = one.place.relation == other.place.relation == "same"
    return (
        one.arm != other.arm
        and (one.measure, one.rater) == (other.measure, other.rater)
        and (same_clause or same_demand)
    )


def difference(statement: str, one: Sample, other: Sample) -> DifferencePart | None:
    """One arm against another; ``None`` where they cannot be compared. The p-value is not adjusted yet."""
    if not comparable(one, other):
        return None
    common = sorted(one.judged.keys() & other.judged.keys())
    paired = len(common) >= LEAST_SHARED * max(len(one.judged), len(other.judged))
    first = [one.judged[key] for key in (common if paired else sorted(one.judged))]
    second = [other.judged[key] for key in (common if paired else sorted(other.judged))]
    x, y = _values(first), _values(second)
    mine, theirs = _clusters(first), _clusters(second)
    if paired:
        gap = paired_rate_difference(x, y, mine)
        p = sign_flip_p(x, y, mine)
    else:
        gap = rate_difference(clustered_rate(x, mine), clustered_rate(y, theirs))
        p = unpaired_p(x, mine, y, theirs)
    return DifferencePart(
        statement=statement,
        first=one.arm,
        second=other.arm,
        first_clause=one.place.clause.id,
        second_clause=other.place.clause.id,
        measure=one.measure,
        rater=one.rater,
        paired=paired,
        n=min(len(x), len(y)),
        clusters=len(set(mine)) if paired else min(len(set(mine)), len(set(theirs))),
        first_only=int((x > y).sum()) if paired else None,
        second_only=int((y > x).sum()) if paired else None,
        first_rate=_estimate(x, mine),
        second_rate=_estimate(y, theirs),
        difference=Estimate(value=gap.value, low=gap.low, high=gap.high),
        p=p,
        adjusted=None,
        worse=None,
    )


def adjusted(parts: Iterable[DifferencePart]) -> tuple[DifferencePart, ...]:
    """The same with Holm-adjusted p-values over all of them, and which arm is worse by these."""
    kept = tuple(parts)
    if not kept:
        return ()
    corrected = holm([part.p if part.p is not None else 1.0 for part in kept], LEVEL)
    return tuple(
        part.model_copy(
            update={
                "adjusted": float(p),
                "worse": (part.first if (part.difference.value or 0.0) > 0 else part.second)
                if rejected
                else None,
            }
        )
        for part, p, rejected in zip(kept, corrected.adjusted, corrected.rejected, strict=True)
    )


def rankings(found: Mapping[str, Sequence[Sample]]) -> tuple[RankingOfArms, ...]:
    """Over all statements and for each one: the arms by share of broken answers, with rank sets.

    On the stimuli that all arms answered under one clause, for each measure and rater. Rank sets: an arm
    ranks below those that are better by Holm-adjusted exact tests of all pairs of this ranking (Mogstad,
    Romano, Shaikh & Wilhelm 2024, Review of Economic Studies 91:476), so that all sets hold jointly with 95
    % confidence. A worst rank that is K says: nothing excludes that it is the last.
    """
    pools: dict[tuple[str, str, str], dict[str, dict[str, tuple[float, str]]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for statement, mine in found.items():
        by_clause: dict[tuple[int, str, str, str], list[Sample]] = defaultdict(list)
        for sample in mine:
            key = (sample.place.spec, sample.place.clause.id, sample.measure, sample.rater)
            by_clause[key].append(sample)
        for (spec, clause, measure, rater), group in by_clause.items():
            for sample in group:
                rows = {
                    f"{spec}/{clause}/{stimulus}/{epoch}": row
                    for (stimulus, epoch), row in sample.judged.items()
                }
                pools["all", measure, rater][sample.arm] |= rows
                pools[statement, measure, rater][sample.arm] |= rows
    ranked = [_ranking(scope, measure, rater, by_arm) for (scope, measure, rater), by_arm in pools.items()]
    order = {"all": 0}
    return tuple(sorted((r for r in ranked if r is not None), key=lambda r: order.get(r.scope, 1)))


def _ranking(
    scope: str, measure: str, rater: str, by_arm: Mapping[str, Mapping[str, tuple[float, str]]]
) -> RankingOfArms | None:
    arms = list(by_arm)
    common = sorted(set.intersection(*(set(rows) for rows in by_arm.values())))
    if len(arms) < 2 or not common:
        return None
    clusters = [by_arm[arms[0]][key][1] for key in common]
    if len(set(clusters)) < 2:
        return None
    values = {arm: np.array([by_arm[arm][key][0] for key in common]) for arm in arms}
    pairs = list(combinations(arms, 2))
    tests = holm([sign_flip_p(values[a], values[b], clusters) for a, b in pairs], LEVEL)
    better: dict[str, int] = dict.fromkeys(arms, 0)
    worse: dict[str, int] = dict.fromkeys(arms, 0)
    for (a, b), rejected in zip(pairs, tests.rejected, strict=True):
        if rejected:
            low, high = (a, b) if values[a].mean() < values[b].mean() else (b, a)
            better[high] += 1
            worse[low] += 1
    rates = {arm: float(values[arm].mean()) for arm in arms}
    order = sorted(arms, key=lambda arm: rates[arm])
    return RankingOfArms(
        scope=scope,
        measure=measure,
        rater=rater,
        n=len(common),
        clusters=len(set(clusters)),
        arms=tuple(
            RankPart(
                arm=arm,
                rate=_estimate(values[arm], clusters),
                rank=1 + sum(rates[other] < rates[arm] for other in arms),
                low=1 + better[arm],
                high=len(arms) - worse[arm],
            )
            for arm in order
        ),
    )


def _values(rows: Sequence[tuple[float, str]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([value for value, _ in rows], dtype=np.float64)


def _clusters(rows: Sequence[tuple[float, str]]) -> list[str]:
    return [cluster for _, cluster in rows]


def _estimate(values: np.ndarray[tuple[int], np.dtype[np.float64]], clusters: Sequence[str]) -> Estimate:
    rate = clustered_rate(values, list(clusters))
    return Estimate(n=rate.n, value=rate.rate, low=rate.low, high=rate.high)
