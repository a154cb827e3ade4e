"""Mean grades of several arms on the same prompts, their differences and trend, by bootstrap of prompts.

In: grades per arm with the prompt of each. Out: means, differences to the first arm, and their change over
steps of a training run, all from the same resamples of whole prompts, so that what arms share by answering
the same prompts is in the interval. As a regression this is least squares on the arms (the L2 model). Left
out: what grades mean between the steps of their scale (``ordinal``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, Limits, Resamples, Statistic, resample, sums_by_cluster
from govaudit.stats.intervals import clopper_pearson

ROUNDS = 2000
FEWEST = 6
"""Prompts that must move an estimate before a bootstrap of them is believed: of five that all point one way a
sign test says no more than .06."""


@dataclass(frozen=True)
class Graded:
    """The grades of one arm: ``values`` (n,) and ``clusters`` (n,), the prompt of each."""

    values: tuple[float, ...]
    clusters: tuple[str, ...]


@dataclass(frozen=True)
class Value:
    """An estimate and its limits; they are None together, and then ``undefined`` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    undefined: str | None = None


@dataclass(frozen=True)
class Means:
    """Per arm, in the order of the input: the mean, and the difference to the first arm."""

    means: tuple[Value, ...]
    differences: tuple[Value, ...]
    """Of every arm but the first."""


def mean_grades(
    arms: Mapping[str, Graded], highest: float, *, seed: int, level: float = 0.95, rounds: int = ROUNDS
) -> Means:
    """Means and differences to the first arm, with limits of a cluster bootstrap (BCa).

    Grades are whole numbers from 0 to ``highest``. Where fewer than :data:`FEWEST` prompts have a grade above
    0, a bootstrap would claim too much: the limits of a mean are then those of the share of such prompts
    (Clopper-Pearson), times 1 below and ``highest`` above. A difference that fewer prompts make has none.
    Raises StatisticsError for an arm without grades.
    """
    drawn = _drawn(arms, seed, rounds)
    count = len(arms)

    def mean_of(at: int) -> Statistic:
        return lambda sums: _mean(sums, at, count)

    means = []
    for at, graded in enumerate(arms.values()):
        value = float(mean_of(at)(drawn.total))
        by_prompt = _by_prompt(graded)
        moving = sum(any(values) for values in by_prompt.values())
        if moving < FEWEST:
            share = clopper_pearson(moving, len(by_prompt), level)
            least = min((float(np.mean(values)) for values in by_prompt.values() if any(values)), default=1.0)
            low, high = min(value, least * share.low), max(value, min(highest, highest * share.high))
            means.append(Value(value, low, high))
        else:
            means.append(_value(value, drawn.limits(mean_of(at), level)))
    differences = []
    first = _by_prompt(next(iter(arms.values())))
    for at, graded in enumerate(arms.values()):
        if not at:
            continue

        def gap(sums: FloatArray, at: int = at) -> FloatArray:
            return _mean(sums, at, count) - _mean(sums, 0, count)

        value, moving = float(gap(drawn.total)), _differing(first, _by_prompt(graded))
        if moving < FEWEST:
            said = f"prompts that differ: {moving}, and {FEWEST} are needed"
            differences.append(Value(value, undefined=said))
        else:
            differences.append(_value(value, drawn.limits(gap, level)))
    return Means(tuple(means), tuple(differences))


def trend(
    arms: Mapping[str, Graded],
    steps: Sequence[float],
    *,
    seed: int,
    level: float = 0.95,
    rounds: int = ROUNDS,
) -> Value:
    """Change of the mean grade from the first to the last step on the least-squares line through the arms'
    means, one arm per step. A trend that fewer than :data:`FEWEST` prompts make has no limits. Raises
    StatisticsError for fewer than two distinct steps."""
    x = np.asarray(steps, dtype=np.float64)
    if len(x) != len(arms) or len(set(steps)) < 2:
        raise StatisticsError(f"{len(arms)} arms and {len(set(steps))} distinct steps: no trend")
    weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2) * (x.max() - x.min())
    drawn = _drawn(arms, seed, rounds)

    def change(sums: FloatArray) -> FloatArray:
        return np.asarray(sum(w * _mean(sums, at, len(x)) for at, w in enumerate(weights)))

    value, first, *others = float(change(drawn.total)), *map(_by_prompt, arms.values())
    moving = max(_differing(first, other) for other in others)
    if moving < FEWEST:
        return Value(value, undefined=f"prompts that change: {moving}, and {FEWEST} are needed")
    return _value(value, drawn.limits(change, level))


def _by_prompt(graded: Graded) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for cluster, value in zip(graded.clusters, graded.values, strict=True):
        found.setdefault(cluster, []).append(value)
    return found


def _differing(one: Mapping[str, Sequence[float]], other: Mapping[str, Sequence[float]]) -> int:
    """Prompts on which the mean grades differ, or that one of the two has alone."""
    alone = len(one.keys() ^ other.keys())
    both = one.keys() & other.keys()
    return alone + len([name for name in both if np.mean(one[name]) != np.mean(other[name])])


def _drawn(arms: Mapping[str, Graded], seed: int, rounds: int) -> Resamples:
    """Resamples of the prompts; per arm the sum of the grades, then per arm their number."""
    if missing := [name for name, graded in arms.items() if not graded.values]:
        raise StatisticsError(f"no grade of {missing[0]}")
    names: dict[Any, int] = {}
    for graded in arms.values():
        for cluster in graded.clusters:
            names.setdefault(cluster, len(names))
    moments, codes = [], []
    for at, graded in enumerate(arms.values()):
        rows = np.zeros((len(graded.values), 2 * len(arms)))
        rows[:, at] = graded.values
        rows[:, len(arms) + at] = 1.0
        moments.append(rows)
        codes.append(np.array([names[cluster] for cluster in graded.clusters], dtype=np.int64))
    sums = sums_by_cluster(np.concatenate(moments), np.concatenate(codes), len(names))
    return resample(sums, None, rounds, np.random.default_rng(seed))


def _mean(sums: FloatArray, at: int, count: int) -> FloatArray:
    number = sums[..., count + at]
    whole = np.where(number > 0, number, 1.0)
    return np.asarray(np.where(number > 0, sums[..., at] / whole, np.nan))


def _value(value: float, limits: Limits) -> Value:
    return Value(value, limits.low, limits.high, limits.reason if limits.low is None else None)


def discordant(one: Sequence[float], other: Sequence[float]) -> tuple[tuple[int, int], ...]:
    """Pairs (i, j), i < j, that two series put in opposite orders; a tie contradicts nothing."""
    return tuple(
        (i, j)
        for i in range(len(one))
        for j in range(i + 1, len(one))
        if (one[i] - one[j]) * (other[i] - other[j]) < 0
    )
