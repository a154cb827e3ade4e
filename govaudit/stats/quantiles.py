"""Quantiles with intervals that assume nothing about the distribution.

In: one value per independent observation. Out: the quantile and the order statistics between which it lies.
Left out: several values per cluster; take their mean or median first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from govaudit.errors import StatisticsError
from govaudit.stats.coefficient import check_level
from govaudit.stats.intervals import Interval


def quantile(values: ArrayLike, share: float, level: float = 0.95) -> tuple[float, Interval | None]:
    """The ``share`` quantile (0 to 1, exclusive) of ``values`` (n,) and its interval from order statistics
    (Conover 1999, Practical Nonparametric Statistics, 3.2): at least ``level``, by the binomial
    distribution of how many values lie below. ``None`` where so few values hold no such interval."""
    check_level(level)
    if not 0 < share < 1:
        raise StatisticsError(f"a quantile lies strictly between 0 and 1, not {share}")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if not n or not bool(np.isfinite(ordered).all()):
        raise StatisticsError("a quantile needs finite values, at least one")
    value = float(np.quantile(ordered, share))
    tail = (1 - level) / 2
    # P(at most low - 1 values lie below) and P(at least high lie below) are each at most the tail.
    low = int(binom.ppf(tail, n, share))
    high = int(binom.ppf(1 - tail, n, share)) + 1
    if low < 1 or high > n:
        return value, None
    return value, Interval(float(ordered[low - 1]), float(ordered[high - 1]), level, "order statistics")
