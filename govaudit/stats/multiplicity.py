"""Deciding many hypotheses together: which of m may be rejected, and at what price.

In: p-values (m,) in [0, 1], or e-values (m,) >= 0. Out: ``Rejections``. Holm protects the chance of any
false rejection (accusations), Benjamini-Hochberg the expected share of false ones (certificates), both here
with the adjusted p-value that can be compared with any level. P-values from a run that was stopped by looking
at it are invalid: use e-values and `e_bh`. Resampling-based adjustments are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from govaudit.errors import StatisticsError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rejections:
    """Which of m hypotheses are rejected at ``level``; ``adjusted`` p-values (m,), in the order given."""

    rejected: NDArray[np.bool_]
    adjusted: Floats
    level: float
    method: str


def holm(p: ArrayLike, level: float = 0.05) -> Rejections:
    """Family-wise error control under any dependence (Holm 1979, Scand. J. Statist. 6:65)."""
    values = _p_values(p, level)
    order = np.argsort(values, kind="stable")
    left = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * left))
    return Rejections(adjusted <= level, adjusted, level, "Holm")


def benjamini_hochberg(p: ArrayLike, level: float = 0.05) -> Rejections:
    """False discovery control for independent or positively dependent p-values.

    Benjamini & Hochberg 1995 (J. R. Statist. Soc. B 57:289); positive dependence: Benjamini & Yekutieli 2001.
    """
    return _false_discovery(p, level, "bh", "Benjamini-Hochberg")


def benjamini_yekutieli(p: ArrayLike, level: float = 0.05) -> Rejections:
    """False discovery control under any dependence (Benjamini & Yekutieli 2001, Ann. Statist. 29:1165)."""
    return _false_discovery(p, level, "by", "Benjamini-Yekutieli")


def e_bh(e: ArrayLike, level: float = 0.05) -> Rejections:
    """False discovery control with e-values, under any dependence and any stopping (Wang & Ramdas 2022).

    J. R. Statist. Soc. B 84:822, base e-BH: reject the k largest for the largest k with k e_(k) >= m / level.
    ``adjusted`` is the smallest level at which each would be rejected, at most 1.
    """
    values = np.asarray(e, dtype=np.float64)
    _check_family(values, level)
    if np.isnan(values).any() or (values < 0).any():
        raise StatisticsError("an e-value is a number of at least 0")
    m = len(values)
    order = np.argsort(-values, kind="stable")
    with np.errstate(divide="ignore", over="ignore"):
        needed = m / (np.arange(1, m + 1) * values[order])
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(needed[::-1])[::-1])
    return Rejections(adjusted <= level, adjusted, level, "e-BH")


def _false_discovery(p: ArrayLike, level: float, method: str, name: str) -> Rejections:
    values = _p_values(p, level)
    if not len(values):
        return Rejections(np.zeros(0, dtype=np.bool_), values, level, name)
    adjusted = np.asarray(
        stats.false_discovery_control(values, method="bh" if method == "bh" else "by"), dtype=np.float64
    )
    return Rejections(adjusted <= level, adjusted, level, name)


def _p_values(p: ArrayLike, level: float) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    _check_family(values, level)
    if not ((values >= 0) & (values <= 1)).all():
        raise StatisticsError("a p-value lies between 0 and 1")
    return values


def _check_family(values: Floats, level: float) -> None:
    if values.ndim != 1:
        raise StatisticsError(f"a family is one row of values, not an array of shape {values.shape}")
    if not 0 < level < 1:
        raise StatisticsError(f"a level lies strictly between 0 and 1, not {level}")
