"""Intraclass correlations: agreement between raters whose ratings are real numbers.

In: a complete table of items x raters. Out: the three correlations of McGraw & Wong with their F
intervals, for one rater and for the mean of all. Left out: unbalanced tables. They need a mixed model;
dropping the incomplete items silently would change the question, so they are refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtri

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray
from govaudit.stats.coefficient import Coefficient, check_level, undefined_coefficient


@dataclass(frozen=True)
class IntraclassCorrelations:
    """``single``: one rater's rating; ``mean``: the mean of all k raters' ratings.

    ``one_way``: raters differ from item to item, ICC(1). ``agreement``: the same raters, their severities
    count as disagreement, ICC(A). ``consistency``: the same raters, severities taken out, ICC(C).
    """

    n_items: int
    n_raters: int
    one_way: Coefficient
    agreement: Coefficient
    consistency: Coefficient
    one_way_mean: Coefficient
    agreement_mean: Coefficient
    consistency_mean: Coefficient


def icc(ratings: ArrayLike, *, level: float = 0.95) -> IntraclassCorrelations:
    """ICC(1), ICC(A) and ICC(C), single and mean (McGraw & Wong 1996, Psychological Methods 1:30, tables
    4 and 7; Shrout & Fleiss 1979, Psychological Bulletin 86:420).

    ``ratings`` (n items, k raters) of finite numbers, n and k at least 2. Intervals assume independent
    items and normal effects; items from one prompt are not independent, so give prompt means then.
    Raises StatisticsError for a missing rating.
    """
    check_level(level)
    x = np.asarray(ratings, dtype=np.float64)
    if x.ndim != 2 or min(x.shape) < 2:
        raise StatisticsError(f"ICC needs at least 2 items x 2 raters, got shape {x.shape}")
    incomplete = int((~np.isfinite(x)).any(axis=1).sum())
    if incomplete:
        raise StatisticsError(
            f"{incomplete} of {len(x)} items lack a rating: ICC needs a complete table; "
            "use alpha, or drop items openly"
        )
    n, k = x.shape
    ms_items, ms_raters, ms_error, ms_within = mean_squares(x)
    tail = (1 + level) / 2

    def coefficient(name: str, noise: float, value: float, low: float, high: float) -> Coefficient:
        if ms_items + ms_within <= 0.0:
            return undefined_coefficient(
                name, "all ratings are equal: there is no variance", level=level, n_items=n, n_clusters=n
            )
        if noise <= 1e-14 * (ms_items + ms_within):
            reason = "the raters never differ: an F interval would have width 0"
            return Coefficient(name, value, None, None, level, n, n, "none", None, reason)
        return Coefficient(name, value, low, high, level, n, n, "F, McGraw-Wong")

    one = _from_f(ms_items, ms_within, n * (k - 1), n=n, k=k, tail=tail)
    agr = _agreement(ms_items, ms_raters, ms_error, n=n, k=k, tail=tail)
    con = _from_f(ms_items, ms_error, (n - 1) * (k - 1), n=n, k=k, tail=tail)
    return IntraclassCorrelations(
        n_items=n,
        n_raters=k,
        one_way=coefficient("ICC(1,1)", ms_within, *one),
        agreement=coefficient("ICC(A,1)", ms_within, *agr),
        consistency=coefficient("ICC(C,1)", ms_error, *con),
        one_way_mean=coefficient("ICC(1,k)", ms_within, *(_of_mean(v, k) for v in one)),
        agreement_mean=coefficient("ICC(A,k)", ms_within, *(_of_mean(v, k) for v in agr)),
        consistency_mean=coefficient("ICC(C,k)", ms_error, *(_of_mean(v, k) for v in con)),
    )


def _from_f(
    ms_items: float, ms_noise: float, df_noise: int, *, n: int, k: int, tail: float
) -> tuple[float, float, float]:
    """Value and limits of (F - 1) / (F + k - 1), F = items over noise, on n - 1 and ``df_noise``."""
    value = _ratio(ms_items - ms_noise, ms_items + (k - 1) * ms_noise)
    down = ms_items / float(fdtri(n - 1, df_noise, tail))
    up = ms_items * float(fdtri(df_noise, n - 1, tail))
    return (
        value,
        _ratio(down - ms_noise, down + (k - 1) * ms_noise),
        _ratio(up - ms_noise, up + (k - 1) * ms_noise),
    )


def _agreement(
    ms_items: float, ms_raters: float, ms_error: float, *, n: int, k: int, tail: float
) -> tuple[float, float, float]:
    """ICC(A,1) with Satterthwaite degrees of freedom (McGraw & Wong 1996, table 7, case 2A)."""
    value = _ratio(ms_items - ms_error, ms_items + (k - 1) * ms_error + k * (ms_raters - ms_error) / n)
    # a MSC + b MSE with a = k rho / (n (1 - rho)), b = 1 + a (n - 1), both multiplied by n (1 - rho).
    a, b = k * value, n * (1 - value) + k * value * (n - 1)
    spread = (a * ms_raters) ** 2 / (k - 1) + (b * ms_error) ** 2 / ((n - 1) * (k - 1))
    df = max(1e-6, _ratio((a * ms_raters + b * ms_error) ** 2, spread))
    noise = k * ms_raters + (k * n - k - n) * ms_error
    down, up = float(fdtri(n - 1, df, tail)), float(fdtri(df, n - 1, tail))
    return (
        value,
        _ratio(n * (ms_items - down * ms_error), down * noise + n * ms_items),
        _ratio(n * (up * ms_items - ms_error), noise + n * up * ms_items),
    )


def _of_mean(single: float, k: int) -> float:
    """Spearman-Brown: the correlation of the mean of k raters."""
    return _ratio(k * single, 1 + (k - 1) * single)


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below != 0.0 else 0.0


def mean_squares(x: FloatArray) -> tuple[float, float, float, float]:
    """Mean squares between items, between raters, of error and within items, of a table (n, k)."""
    n, k = x.shape
    grand = x.mean()
    items = k * float(np.sum((x.mean(axis=1) - grand) ** 2))
    raters = n * float(np.sum((x.mean(axis=0) - grand) ** 2))
    within = float(np.sum((x - x.mean(axis=1, keepdims=True)) ** 2))
    return (
        items / (n - 1),
        raters / (k - 1),
        max(0.0, within - raters) / ((n - 1) * (k - 1)),
        within / (n * (k - 1)),
    )
