"""Win rates with what should not count held equal: length, templates, or any other difference of two
answers.

In: preferences for one arm over another (1 = it wins, 0 = it loses, in between a tie or a soft verdict),
differences of the two answers, and prompts. Out: the win rate as it is, and at equal answers, with intervals
and the difference of both. A regression, not a penalty: what counts is what the preferences themselves say
about the difference (Dubois et al. 2024, arXiv 2404.04475, whose estimand this is; not their estimator,
which shrinks coefficients by a penalty and reports an error that leaves out their uncertainty).

Left out: differences of tone or content that go along with length. Where no pair of answers is of about
equal length the result is an extrapolation, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, stdtrit

from govaudit.errors import StatisticsError
from govaudit.stats.intervals import Mean, clustered_mean, zero_event_limit
from govaudit.stats.ranking import Term
from govaudit.stats.regression import Fit, fractional_logit

ADVANTAGE = "advantage at equal answers"
_TAIL = 0.05
"""A difference of which 0 lies outside the middle nine tenths is extrapolated."""


@dataclass(frozen=True)
class WinRate:
    """A win rate, ties half, 0 to 1, with its two-sided interval."""

    value: float
    low: float
    high: float
    level: float


@dataclass(frozen=True)
class Controlled:
    """Win rates of one arm over another, as they are and with differences of the answers held at 0."""

    raw: WinRate
    controlled: WinRate
    difference: Mean
    """Controlled minus raw."""
    terms: tuple[Term, ...]
    """Effect of each difference on the logit scale, per unit."""
    n: int
    clusters: int
    extrapolated: tuple[str, ...]
    """Differences that hardly any pair has near 0: there the controlled rate is the model's guess."""


@dataclass(frozen=True)
class ScrubEffect:
    """Win rates on the same pairs, before and after something was taken out of the answers."""

    before: WinRate
    after: WinRate
    difference: Mean
    """After minus before."""
    changed: int
    """Pairs whose preference changed."""


def win_rate(preferences: ArrayLike, clusters: Sequence[Any] | NDArray[Any], level: float = 0.95) -> WinRate:
    """The mean preference with an interval on the logit scale, robust to clusters.

    ``preferences`` (n,): 1 win, 0 loss, .5 tie, in between a soft verdict. Where all are equal, the interval
    is what so many clusters exclude: that a larger share of them is otherwise.
    """
    y = np.asarray(preferences, dtype=np.float64)
    if len(y) and bool((y == y[0]).all()):
        limit, value = zero_event_limit(len(set(clusters)), level, sided=2), float(y[0])
        return WinRate(value, value - limit * value, value + limit * (1 - value), level)
    return _rate(fractional_logit(y, {ADVANTAGE: np.ones(len(y))}, clusters, level), level)


def controlled_win_rate(
    preferences: ArrayLike,
    differences: Mapping[str, ArrayLike],
    clusters: Sequence[Any] | NDArray[Any],
    level: float = 0.95,
) -> Controlled:
    """The win rate at equal answers: fractional logit of the preference on a constant and ``differences``.

    ``preferences`` (n,): 1 = the arm wins. ``differences``: name -> (n,) the arm's answer minus the other's,
    in any unit in which 0 means equal. ``clusters`` (n,): the prompt. Errors as of ``fractional_logit``.
    """
    y = np.asarray(preferences, dtype=np.float64)
    one = {ADVANTAGE: np.ones(len(y))}
    raw = fractional_logit(y, one, clusters, level)
    full = fractional_logit(y, {**one, **differences}, clusters, level)
    value, other = _rate(full, level), _rate(raw, level)
    # Both on the probability scale, by the delta method.
    moved = full.influences[:, 0] * value.value * (1 - value.value) - raw.influences[:, 0] * other.value * (
        1 - other.value
    )
    g = full.clusters
    error = float(np.sqrt(g / (g - 1) * np.sum((moved - moved.mean()) ** 2)))
    half = float(stdtrit(g - 1, (1 + level) / 2)) * error
    gap = value.value - other.value
    beyond = []
    for name, values in differences.items():
        low, high = np.quantile(np.asarray(values, dtype=np.float64), [_TAIL, 1 - _TAIL])
        if low > 0 or high < 0:
            beyond.append(name)
    return Controlled(
        raw=other,
        controlled=value,
        difference=Mean(gap, gap - half, gap + half, level, error, len(y), g, "delta method, cluster t"),
        terms=full.terms[1:],
        n=len(y),
        clusters=g,
        extrapolated=tuple(beyond),
    )


def scrub_effect(
    before: ArrayLike,
    after: ArrayLike,
    clusters: Sequence[Any] | NDArray[Any],
    level: float = 0.95,
) -> ScrubEffect:
    """What taking templates out of the answers does to the win rate, paired by prompt.

    ``before``, ``after`` (n,): preferences for the arm on the same pairs. Where no preference changed, the
    interval is what so many clusters exclude.
    """
    one, two = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if one.shape != two.shape:
        raise StatisticsError(f"{len(one)} preferences before and {len(two)} after")
    gap = mean_difference(two, one, clusters, level)
    return ScrubEffect(
        before=win_rate(one, clusters, level),
        after=win_rate(two, clusters, level),
        difference=gap,
        changed=int((one != two).sum()),
    )


def mean_difference(
    first: ArrayLike, second: ArrayLike, clusters: Sequence[Any] | NDArray[Any], level: float = 0.95
) -> Mean:
    """Mean of first - second, paired by row, of values in [0, 1]; where all rows differ by the same, what so
    many clusters exclude: that a larger share of them differs otherwise."""
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    gaps = one - two
    if len(gaps) and bool((gaps == gaps[0]).all()):
        groups, gap = len(set(clusters)), float(gaps[0])
        limit = zero_event_limit(groups, level, sided=2)
        low, high = gap - limit * (1 + gap), gap + limit * (1 - gap)
        return Mean(gap, low, high, level, 0.0, len(gaps), groups, "all rows differ by the same")
    return clustered_mean(gaps, clusters, level)


def _rate(fit: Fit, level: float) -> WinRate:
    term = fit.term(ADVANTAGE)
    return WinRate(float(expit(term.value)), float(expit(term.low)), float(expit(term.high)), level)
