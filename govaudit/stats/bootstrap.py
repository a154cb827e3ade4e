"""Resampling whole clusters, for statistics that are functions of sums over items.

In: per-item moments (n, p) whose sum determines a statistic, and the cluster of each item. Out: the
sums of resampled clusters, from which any number of statistics take their limits with the same draws.
Clusters are the unit that is drawn (a prompt with all its samples), because samples of one prompt
repeat each other. Left out: statistics that are not functions of sums (medians, isotonic fits).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from govaudit.errors import StatisticsError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Statistic = Callable[[FloatArray], FloatArray]

BCA_BELOW = 2000
"""BCa limits below this number of clusters, percentile limits from there on, where the two agree.

Percentile limits of kappa and AC1 held the truth in 89 to 93 % of simulated samples of 120 to 300 items,
BCa limits in 93 to 97 %.
"""

UNDEFINED_SHARE = 0.05
"""The largest share of resamples on which a statistic may be undefined before its interval is refused."""

UNMOVED = "no resample moves the estimate"

_CELLS = 1 << 23


def cluster_codes(clusters: Sequence[Any] | NDArray[Any] | None, n: int) -> tuple[IntArray, int]:
    """Codes 0..G-1 of the clusters of ``n`` items, and G; ``None`` makes every item its own cluster.

    Raises StatisticsError when the lengths differ or a cluster is missing (None or nan).
    """
    if clusters is None:
        return np.arange(n, dtype=np.int64), n
    codes, names = named_clusters(clusters, n)
    return codes, len(names)


def named_clusters(clusters: Sequence[Any] | NDArray[Any], n: int) -> tuple[IntArray, NDArray[Any]]:
    """Codes (n,) as in ``cluster_codes`` and the identifiers (G,) that they stand for."""
    keys = clusters if isinstance(clusters, np.ndarray) else np.asarray(clusters, dtype=object)
    if keys.shape != (n,):
        raise StatisticsError(f"{n} items but clusters of shape {keys.shape}")
    if keys.dtype.kind == "f" and bool(np.isnan(keys).any()):
        raise StatisticsError("an item has no cluster (nan)")
    if keys.dtype.kind != "O":
        names, inverse = np.unique(keys, return_inverse=True)
        return inverse.astype(np.int64), names
    seen: dict[Any, int] = {}
    codes = np.empty(n, dtype=np.int64)
    for row, key in enumerate(keys.tolist()):
        if key is None or (isinstance(key, float) and np.isnan(key)):
            raise StatisticsError(f"item {row} has no cluster ({key!r})")
        codes[row] = seen.setdefault(key, len(seen))
    found = np.empty(len(seen), dtype=object)
    found[:] = list(seen)
    return codes, found


def sums_by_cluster(moments: FloatArray, codes: IntArray, n_clusters: int) -> FloatArray:
    """Sums (G, p) of the rows of ``moments`` (n, p) by cluster."""
    if n_clusters == len(moments) and bool(np.array_equal(codes, np.arange(n_clusters))):
        return moments
    return np.stack(
        [np.bincount(codes, weights=column, minlength=n_clusters) for column in moments.T], axis=1
    )


@dataclass(frozen=True)
class Limits:
    """Limits of one statistic; ``low`` and ``high`` are None together, and then ``reason`` says why."""

    low: float | None
    high: float | None
    method: str
    reason: str | None = None


@dataclass(frozen=True)
class Resamples:
    """Sums of the data and of cluster resamples, shared by all statistics of one table.

    ``total`` (p,): the sums over all items. ``drawn`` (rounds, p): the sums of each resample.
    ``left_out`` (U, p) and ``repeats`` (U,): the sums without one cluster, and how many clusters are
    equal to it (empty from ``BCA_BELOW`` clusters on, where the jackknife is not needed).
    """

    total: FloatArray
    drawn: FloatArray
    left_out: FloatArray
    repeats: FloatArray
    n_clusters: int

    def limits(self, statistic: Statistic, level: float) -> Limits:
        """Two-sided limits of ``statistic`` (sums (..., p) -> values (...), nan where undefined).

        BCa (Efron 1987, JASA 82:171) below ``BCA_BELOW`` clusters, percentile
        limits from there on. Refused with a reason on one cluster, without rounds, when more than
        ``UNDEFINED_SHARE`` of the resamples leave the statistic undefined, and when no resample moves it.
        """
        if self.n_clusters < 2:
            return Limits(None, None, "none", "one cluster: nothing to resample")
        if not len(self.drawn):
            return Limits(None, None, "none", "no resamples were asked for")
        values = statistic(self.drawn)
        kept = values[np.isfinite(values)]
        lost = 1.0 - len(kept) / len(values)
        if lost > UNDEFINED_SHARE:
            return Limits(
                None,
                None,
                "none",
                f"undefined on {lost:.0%} of the resamples: too few clusters carry the rarer categories",
            )
        point = float(statistic(self.total))
        spread = 1e-12 * max(1.0, abs(point))
        if kept.max() - kept.min() <= spread:
            return Limits(None, None, "none", UNMOVED)
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        method = "cluster bootstrap, percentile"
        if self.n_clusters < BCA_BELOW:
            adjusted = self._bca_tails(statistic, kept, point, spread, tails)
            if adjusted is not None:
                tails, method = adjusted, "cluster bootstrap, BCa"
        low, high = np.quantile(kept, tails)
        return Limits(float(low), float(high), method)

    def _bca_tails(
        self, statistic: Statistic, kept: FloatArray, point: float, spread: float, tails: FloatArray
    ) -> FloatArray | None:
        """The percentiles that BCa reads off, or None where bias or acceleration is not defined."""
        below = float(np.mean(kept < point - spread))
        tied = float(np.mean(np.abs(kept - point) <= spread))
        middle = below + tied / 2
        leave_one = statistic(self.left_out)
        if not 0.0 < middle < 1.0 or not bool(np.isfinite(leave_one).all()):
            return None
        deviation = np.average(leave_one, weights=self.repeats) - leave_one
        square = float(np.sum(self.repeats * deviation**2))
        if square <= 0.0:
            return None
        acceleration = float(np.sum(self.repeats * deviation**3)) / (6.0 * square**1.5)
        shift = ndtri(middle)
        moved = shift + ndtri(tails)
        scale = 1.0 - acceleration * moved
        if bool((scale <= 0.0).any()):
            return None
        return np.asarray(ndtr(shift + moved / scale), dtype=np.float64)


def resample(
    sums: FloatArray, repeats: FloatArray | None, rounds: int, rng: np.random.Generator
) -> Resamples:
    """Draw ``rounds`` resamples of clusters with replacement.

    ``sums`` (U, p): the sums of the clusters, equal ones given once with their number in ``repeats``
    (U,), or all of them with ``repeats=None``. Drawing counts of equal clusters from a multinomial is
    the same bootstrap at the price of U instead of G. Memory is bounded by drawing in blocks.
    """
    if rounds < 0:
        raise StatisticsError(f"rounds is {rounds}, must be 0 or more")
    if repeats is None:
        if len(sums) > 4096:
            sums, counts = np.unique(sums, axis=0, return_counts=True)
            repeats = counts.astype(np.float64)
        else:
            repeats = np.ones(len(sums))
    n_clusters = round(float(repeats.sum()))
    total = repeats @ sums
    drawn = np.empty((rounds, sums.shape[1]))
    block = max(1, _CELLS // max(1, len(sums)))
    for start in range(0, rounds if n_clusters else 0, block):
        size = min(block, rounds - start)
        drawn[start : start + size] = draw_counts(repeats, size, rng) @ sums
    jackknife = 1 < n_clusters < BCA_BELOW
    left_out = total - sums if jackknife else np.empty((0, sums.shape[1]))
    return Resamples(total, drawn, left_out, repeats if jackknife else np.empty(0), n_clusters)


def draw_counts(repeats: FloatArray, size: int, rng: np.random.Generator) -> IntArray:
    """How often each kind of cluster is drawn (size, U), when ``repeats`` (U,) of each kind exist."""
    kinds = len(repeats)
    n_clusters = round(float(repeats.sum()))
    if n_clusters != kinds or bool((repeats != 1.0).any()):
        return rng.multinomial(n_clusters, repeats / n_clusters, size=size)
    # Picking clusters one by one is several times faster than a multinomial over as many cells.
    drawn = np.empty((size, kinds), dtype=np.int64)
    for row in range(size):
        drawn[row] = np.bincount(rng.integers(0, kinds, size=kinds), minlength=kinds)
    return drawn
