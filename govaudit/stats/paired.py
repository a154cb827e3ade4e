"""Whether one of two arms breaks more often: p-values for paired judgements and for unpaired ones.

In: judgements 0 (kept) or 1 (broken) of two arms with their clusters. Out: two-sided p-values, to be adjusted
for their number by ``multiplicity``. The intervals of the same differences are in ``intervals``. Left out:
real-valued scores.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from govaudit.errors import StatisticsError
from govaudit.stats.intervals import Rate, clustered_rate, rate_difference

_NARROWEST, _WIDEST = 1e-9, 1.0 - 1e-9


def sign_flip_p(first: ArrayLike, second: ArrayLike, clusters: Sequence[Hashable]) -> float:
    """Exact two-sided p that two arms judged on the same items differ only by chance.

    All arguments (n,). If neither arm is worse, the sum of first - second in a cluster is as likely to have
    the other sign: all 2^G sign patterns are weighed (Fisher 1935; with one pair a cluster this is the exact
    test of McNemar 1947, Psychometrika 12:153). Integer sums make the distribution exact, in time G times the
    sum of their sizes. 1.0 where no item tells the arms apart.
    """
    one, two = _judgements(first), _judgements(second)
    if len(one) != len(two) or len(one) != len(clusters):
        raise StatisticsError(f"not pairs: {len(one)} and {len(two)} judgements in {len(clusters)} clusters")
    sums: dict[Hashable, int] = {}
    for gap, cluster in zip((one - two).astype(int).tolist(), clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0) + gap
    sizes = [abs(total) for total in sums.values() if total]
    if not sizes:
        return 1.0
    span = sum(sizes)
    chances = np.zeros(2 * span + 1)
    chances[span] = 1.0
    for size in sizes:
        chances = 0.5 * (np.roll(chances, size) + np.roll(chances, -size))
    observed = abs(sum(sums.values()))
    far = np.abs(np.arange(-span, span + 1)) >= observed
    return float(min(1.0, chances[far].sum()))


def unpaired_p(
    first: ArrayLike,
    first_clusters: Sequence[Hashable],
    second: ArrayLike,
    second_clusters: Sequence[Hashable],
) -> float:
    """Two-sided p that two arms judged on different items have one rate: the largest level error at which the
    interval of :func:`govaudit.stats.intervals.rate_difference` still holds 0, found by bisection to 1e-9.

    Judgements and clusters of each arm have one length; the clusters of the two are separate.
    """

    def excluded(level: float) -> bool:
        gap = rate_difference(
            _rate(first, first_clusters, level),
            _rate(second, second_clusters, level),
        )
        return gap.low > 0 or gap.high < 0

    if not excluded(_NARROWEST):
        return 1.0
    if excluded(_WIDEST):
        return 1.0 - _WIDEST
    low, high = _NARROWEST, _WIDEST
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if excluded(middle) else (low, middle)
    return 1.0 - low


def _rate(values: ArrayLike, clusters: Sequence[Hashable], level: float) -> Rate:
    return clustered_rate(values, list(clusters), level)


def _judgements(values: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isin(numbers, (0.0, 1.0)).all():
        raise StatisticsError("judgements are one row of 0 (kept) and 1 (broken)")
    return numbers
