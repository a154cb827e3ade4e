"""When two arms are as good as alike, whether a difference lies where it should, and a slope over arms.

In: paired 0/1 outcomes with clusters; effects of arms on clauses with what each arm aimed at; values of arms
with their standard errors. Out: frozen results with intervals or exact p-values. A difference that is not
shown is not the same as none: equivalence has a margin that is stated beforehand, and a test of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from govaudit.errors import StatisticsError
from govaudit.stats.intervals import Clusters, Difference, Interval, paired_rate_difference

_MOST_ARMS = 8
"""All orders of so many arms are counted through; more are not."""


@dataclass(frozen=True)
class Equivalence:
    """A difference with the interval that its two one-sided tests invert."""

    difference: Difference
    """Level 1 - 2 alpha: the tests reject exactly where it lies inside the margin."""
    margin: float
    equivalent: bool


@dataclass(frozen=True)
class Dominance:
    """How much more arms do where they aim than elsewhere."""

    value: float
    """Mean over arms of the mean effect on aimed-at clauses minus that on the others."""
    p: float
    """Share of the ways to deal the aims to the arms that give at least as much, the true one included."""
    least_p: float
    """The smallest p that so few arms can give."""


def equivalence(
    first: ArrayLike, second: ArrayLike, clusters: Clusters, margin: float, alpha: float = 0.05
) -> Equivalence:
    """Two one-sided tests of |rate(first) - rate(second)| < ``margin`` on the same items (Schuirmann 1987,
    Journal of Pharmacokinetics and Biopharmaceutics 15:657).

    ``first``, ``second``: (n,) of 0/1; ``clusters``: (n,) ids. StatisticsError for a margin outside (0, 1).
    """
    if not 0 < margin < 1:
        raise StatisticsError(f"the margin is {margin}, must lie in (0, 1)")
    found = paired_rate_difference(first, second, clusters, 1 - 2 * alpha)
    return Equivalence(found, margin, -margin < found.low and found.high < margin)


def dominance(effects: ArrayLike, aims: ArrayLike) -> Dominance:
    """Is the effect of each arm larger where it aims? Exact permutation test over the aims of the arms.

    ``effects``: (A, C), how much arm a changed clause c; ``aims``: (A, C) of 0/1. Arms exchange their aims as
    a whole, so that a clause that everything changes, and an arm that changes everything, prove nothing.
    StatisticsError for fewer than two arms, more than eight, an arm that aims at all clauses or at none, and
    arms that all aim alike.
    """
    effect, aim = np.asarray(effects, dtype=np.float64), np.asarray(aims, dtype=bool)
    if effect.shape != aim.shape or effect.ndim != 2:
        raise StatisticsError(f"effects {effect.shape} and aims {aim.shape} do not match")
    arms = len(effect)
    if not 2 <= arms <= _MOST_ARMS:
        raise StatisticsError(f"{arms} arms: from 2 to {_MOST_ARMS} can be dealt in all ways")
    if bool((aim.all(axis=1) | ~aim.any(axis=1)).any()):
        raise StatisticsError("an arm aims at all clauses, or at none: nothing is left to compare")
    if len({tuple(row) for row in aim.tolist()}) < 2:
        raise StatisticsError("all arms aim at the same clauses")

    def statistic(dealt: Sequence[int]) -> float:
        rows = aim[list(dealt)]
        return float(np.mean([e[a].mean() - e[~a].mean() for e, a in zip(effect, rows, strict=True)]))

    ways = [tuple(order) for order in permutations(range(arms))]
    values = np.array([statistic(order) for order in ways])
    # Orders that exchange equal aims give the same deal: counting all of them weighs every deal alike.
    same = sum(bool((aim[list(order)] == aim).all()) for order in ways)
    value = statistic(range(arms))
    return Dominance(value, float((values >= value - 1e-12).mean()), same / len(ways))


def slope(x: ArrayLike, y: ArrayLike, errors: ArrayLike, level: float = 0.95) -> tuple[float, Interval]:
    """Least squares slope of values with known, independent standard errors, and its normal interval.

    All (k,), k >= 2. The errors enter the interval, not the weights. StatisticsError where x does not vary.
    """
    at, value, error = (np.asarray(v, dtype=np.float64) for v in (x, y, errors))
    if not (at.shape == value.shape == error.shape) or at.ndim != 1:
        raise StatisticsError("x, y and errors differ in length")
    centred = at - at.mean() if len(at) else at
    spread = float((centred**2).sum())
    if spread == 0:
        raise StatisticsError("x does not vary: there is no slope")
    weights = centred / spread
    found = float((weights * value).sum())
    half = float(ndtri((1 + level) / 2)) * math.sqrt(float((weights**2 * error**2).sum()))
    return found, Interval(found - half, found + half, level, "least squares, known errors")
