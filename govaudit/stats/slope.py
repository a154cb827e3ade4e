"""Does an outcome follow something that it should not follow, among items that should be judged alike?

In: an outcome and a regressor per item, the stratum (gold label) and the cluster of each item. Out: one slope
common to all strata, each stratum with an intercept of its own. It is a function of sums over items, so its
interval is that of a cluster bootstrap; unlike a logistic slope it exists for raters that are never wrong.
Left out: several regressors at once (``ranking`` has covariates for comparisons).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, cluster_codes, resample, sums_by_cluster
from govaudit.stats.coefficient import (
    Coefficient,
    Labels,
    check_level,
    estimate,
    undefined_coefficient,
)


def stratified_slope(
    outcome: ArrayLike,
    regressor: ArrayLike,
    strata: Sequence[Any],
    *,
    seed: int | np.random.Generator,
    name: str,
    clusters: Labels | None = None,
    level: float = 0.95,
    rounds: int = 1000,
) -> Coefficient:
    """Change of ``outcome`` per unit of ``regressor`` within strata, by least squares.

    Analysis of covariance with a common slope: sum_g S_xy(g) / sum_g S_xx(g), S the sums of products around
    the means of stratum g (Cochran 1957, Biometrics 13:261). All inputs (n,); outcome and regressor finite.
    Undefined where the regressor does not vary within any stratum; without an interval where the outcome does
    not. Raises StatisticsError for unequal lengths and for values that are not finite.
    """
    check_level(level)
    y, x = np.asarray(outcome, dtype=np.float64), np.asarray(regressor, dtype=np.float64)
    if y.shape != x.shape or y.ndim != 1 or len(strata) != len(y):
        raise StatisticsError(f"outcome {y.shape}, regressor {x.shape} and {len(strata)} strata")
    if not bool(np.isfinite(y).all() and np.isfinite(x).all()):
        raise StatisticsError("outcome and regressor must be finite")
    codes, n_clusters = cluster_codes(clusters, len(y))
    kinds, k = cluster_codes(strata, len(y)) if len(y) else (np.zeros(0, dtype=np.int64), 0)
    # Around the overall mean, so that sums of squares do not lose their digits to large offsets.
    x = x - x.mean() if len(x) else x
    inside = (kinds[:, None] == np.arange(k)).astype(np.float64)
    each = np.stack([np.ones_like(x), x, y, x * x, x * y], axis=1)
    moments = (inside[:, :, None] * each[:, None, :]).reshape(len(y), 5 * k)

    def slope(t: FloatArray) -> FloatArray:
        n, sx, sy, sxx, sxy = np.moveaxis(t.reshape(*t.shape[:-1], k, 5), -1, 0)
        share = np.divide(1.0, n, out=np.zeros_like(n), where=n > 0)
        below = (sxx - sx * sx * share).sum(axis=-1)
        above = (sxy - sx * sy * share).sum(axis=-1)
        return np.where(below > 1e-9, above / np.where(below > 1e-9, below, 1.0), np.nan)

    if not len(y):
        return undefined_coefficient(name, "there is no item", level=level, n_items=0, n_clusters=0)
    drawn = resample(sums_by_cluster(moments, codes, n_clusters), None, rounds, np.random.default_rng(seed))
    return estimate(
        name,
        slope,
        drawn,
        level=level,
        n_items=len(y),
        reason="nothing varies within a stratum that the outcome could follow",
        still="the outcome does not vary where the regressor does",
    )
