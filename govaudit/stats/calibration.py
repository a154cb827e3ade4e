"""Whether a judge's probabilities mean what they say, and how to mend them.

In: probabilities p (n,) in [0, 1] that an item is broken (or that the answer shown first wins) and what
people said, y (n,) of 0/1. Out: scores with their decomposition, a null for every miscalibration measure that
is not 0 by itself in small samples, and recalibrated probabilities that no item had a hand in itself.

Binned reliability diagrams are left out: their picture depends on the bins. MCB of `corp` is the measure to
quote; `expected_calibration_error` is here because others print it, and never without its null.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import cluster_codes
from govaudit.stats.intervals import Clusters, Floats

# Logits are taken of probabilities at least this far from 0 and 1: a judge that says 0 means "very unlikely".
EDGE = 1e-6
Seed = int | np.random.Generator


@dataclass(frozen=True, eq=False)
class Corp:
    """Brier score = miscalibration - discrimination + uncertainty, each at least 0."""

    brier: float
    miscalibration: float
    discrimination: float
    uncertainty: float
    recalibrated: Floats  # (n,) isotonic fit of y on p, in the order given


@dataclass(frozen=True)
class CalibrationError:
    """ECE with what a perfectly calibrated judge with the same probabilities would show."""

    value: float
    null_mean: float
    null_high: float  # quantile of the null at ``level``; a value above it is evidence of miscalibration
    p: float  # chance under the null of a value at least as large, add-one estimate
    level: float
    bins: int
    draws: int


@dataclass(frozen=True)
class Miscalibration:
    """MCB or ECE, with limits and with what a calibrated judge with the same probabilities would show."""

    value: float
    low: float
    high: float
    null_mean: float
    null_high: float  # quantile of the null at ``level``
    p: float  # chance under the null of a value at least as large, add-one estimate
    level: float


@dataclass(frozen=True, eq=False)
class Reliability:
    """The CORP reliability curve and the band in which a calibrated judge would stay pointwise."""

    probability: Floats  # (k,) distinct probabilities, ascending
    recalibrated: Floats  # (k,) isotonic estimate of the share broken at each
    count: Floats  # (k,) items at each
    low: Floats  # (k,) pointwise consistency band around the diagonal
    high: Floats
    level: float


@dataclass(frozen=True)
class Scaling:
    """A recalibration on the logit scale: logit(p') = slope logit(p) + intercept."""

    slope: float
    intercept: float
    method: str

    def __call__(self, p: ArrayLike) -> Floats:
        return np.asarray(special.expit(self.slope * _logit(p) + self.intercept), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """Recalibrated probabilities (n,), each by a fit to the other folds' clusters."""

    recalibrated: Floats
    fold: np.ndarray[tuple[int], np.dtype[np.int64]]  # (n,) which fold each item was left out with
    fits: tuple[Scaling, ...]  # one per fold
    method: str


def brier(p: ArrayLike, y: ArrayLike) -> float:
    """Mean squared error of probabilities, in [0, 1] (Brier 1950)."""
    prob, truth = _pairs(p, y)
    return float(np.mean((prob - truth) ** 2))


def corp(p: ArrayLike, y: ArrayLike) -> Corp:
    """Brier score decomposed by isotonic recalibration (Dimitriadis, Gneiting & Jordan 2021, PNAS 118(8)).

    With S the Brier score of p, of the isotonic fit and of the constant mean(y): MCB = S(p) - S(fit),
    DSC = S(mean) - S(fit), UNC = S(mean). No bins and no tuning.
    """
    prob, truth = _pairs(p, y)
    _, inverse, counts = np.unique(prob, return_inverse=True, return_counts=True)
    fit = _isotonic(np.bincount(inverse, truth) / counts, counts.astype(np.float64))[inverse]
    score, recalibrated = float(np.mean((prob - truth) ** 2)), float(np.mean((fit - truth) ** 2))
    uncertainty = float(np.mean((truth.mean() - truth) ** 2))
    return Corp(score, score - recalibrated, uncertainty - recalibrated, uncertainty, fit)


def expected_calibration_error(
    p: ArrayLike, y: ArrayLike, *, bins: int = 15, draws: int = 200, level: float = 0.95, seed: Seed = 0
) -> CalibrationError:
    """ECE over equal-width bins, with its null by redrawing y from p (consistency resampling).

    sum_b n_b/n |mean y_b - mean p_b| (Guo et al. 2017, arXiv 1706.04599, eq. 3); the null as in Bröcker &
    Smith 2007 (Weather Forecast. 22:651), items independent given p. The ECE of a perfect judge is .12 at
    n = 100 and .03 at n = 2000, so the value alone says nothing.
    """
    prob, truth = _pairs(p, y)
    if bins < 1 or draws < 20 or not 0 < level < 1:
        raise StatisticsError("ECE needs at least one bin, 20 draws and a level strictly between 0 and 1")
    rng = np.random.default_rng(seed)
    code = np.minimum((prob * bins).astype(np.int64), bins - 1)
    drawn = rng.random((draws, len(prob))) < prob
    gaps = np.zeros((draws + 1, bins))
    for b in np.unique(code):
        chosen = code == b
        gaps[0, b] = (truth[chosen] - prob[chosen]).sum()
        gaps[1:, b] = drawn[:, chosen].sum(axis=1) - prob[chosen].sum()
    errors = np.abs(gaps).sum(axis=1) / len(prob)
    value, null = float(errors[0]), errors[1:]
    return CalibrationError(
        value,
        float(null.mean()),
        float(np.quantile(null, level)),
        float((1 + (null >= value - 1e-12).sum()) / (draws + 1)),
        level,
        bins,
        draws,
    )


def miscalibration(
    p: ArrayLike,
    y: ArrayLike,
    clusters: Clusters,
    *,
    measure: Literal["mcb", "ece"] = "mcb",
    draws: int = 200,
    level: float = 0.95,
    seed: Seed = 0,
) -> Miscalibration:
    """MCB of `corp`, or ECE over 15 bins, with limits and with its null. All arrays (n,).

    Both are biased upwards, and resampling adds the same bias once more: percentile limits of a bootstrap
    miss the truth most of the time. So the limits of MCB are reflected (basic) ones over resampled clusters
    (Davison & Hinkley 1997, eq. 5.6), and 0 is the lower one where the null, drawn as in
    `expected_calibration_error`, does not exclude calibration. ECE has the percentile limit above, which is
    wide: reflected limits held the truth in 78 to 92 % of simulated samples of 100 and 300 items.
    """
    prob, truth = _pairs(p, y)
    if measure not in ("mcb", "ece") or draws < 20 or not 0 < level < 1:
        raise StatisticsError(
            "limits need the measure mcb or ece, at least 20 draws and a level within 0 to 1"
        )
    codes, n_clusters = cluster_codes(list(clusters), len(prob))
    found = _mcb if measure == "mcb" else _ece
    rng = np.random.default_rng(seed)
    value = found(prob, truth)
    null = np.array([found(prob, (rng.random(len(prob)) < prob).astype(np.float64)) for _ in range(draws)])
    items = [np.flatnonzero(codes == c) for c in range(n_clusters)]
    again = np.empty(draws)
    for k in range(draws):
        drawn = np.concatenate([items[c] for c in rng.integers(0, n_clusters, n_clusters)])
        again[k] = found(prob[drawn], truth[drawn])
    tail = (1 - level) / 2
    bottom, top = np.quantile(again, [tail, 1 - tail])
    calibrated = value <= float(np.quantile(null, 1 - tail))
    low = 0.0 if calibrated else max(0.0, min(value, 2 * value - float(top)))
    high = max(value, 2 * value - float(bottom) if measure == "mcb" else float(top))
    return Miscalibration(
        value,
        low,
        high,
        float(null.mean()),
        float(np.quantile(null, level)),
        float((1 + (null >= value - 1e-12).sum()) / (draws + 1)),
        level,
    )


def _mcb(prob: Floats, truth: Floats) -> float:
    return corp(prob, truth).miscalibration


def _ece(prob: Floats, truth: Floats, bins: int = 15) -> float:
    code = np.minimum((prob * bins).astype(np.int64), bins - 1)
    return float(np.abs(np.bincount(code, truth - prob, minlength=bins)).sum() / len(prob))


def reliability(
    p: ArrayLike, y: ArrayLike, *, level: float = 0.95, draws: int = 200, seed: Seed = 0
) -> Reliability:
    """CORP reliability curve with pointwise consistency bands (Dimitriadis, Gneiting & Jordan 2021, Fig. 3).

    The bands hold the isotonic curve of a calibrated judge with the same probabilities at ``level`` for each
    probability, items independent given p.
    """
    prob, truth = _pairs(p, y)
    if draws < 20 or not 0 < level < 1:
        raise StatisticsError("bands need at least 20 draws and a level strictly between 0 and 1")
    rng = np.random.default_rng(seed)
    values, inverse, counts = np.unique(prob, return_inverse=True, return_counts=True)
    weight = counts.astype(np.float64)
    fit = _isotonic(np.bincount(inverse, truth) / weight, weight)
    null = np.stack([_isotonic(rng.binomial(counts, values) / weight, weight) for _ in range(draws)])
    low, high = np.quantile(null, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Reliability(values, fit, weight, np.minimum(low, values), np.maximum(high, values), level)


def clamp(p: ArrayLike, low: float = 0.4, high: float = 0.6) -> Floats:
    """Probabilities confined to [low, high]: a device for training labels, 40-60 % in Bai et al. 2022.

    arXiv 2212.08073, section 4.1. It cures over-confident labels and makes a sharp, calibrated judge
    under-confident: score both, keep the raw ones, and name the clamp as part of the judge.
    """
    if not 0 <= low <= high <= 1:
        raise StatisticsError(f"not an interval of probabilities: {low} to {high}")
    return np.clip(_probabilities(p), low, high)


def average_orders(first_shown: ArrayLike, second_shown: ArrayLike) -> Floats:
    """One probability that A beats B from both orders of showing, by the mean of logits: (n,).

    ``first_shown``: P(A wins) when A is shown first; ``second_shown``: P(A wins) when A is shown second. A
    constant bias towards one position cancels on this scale.
    """
    return np.asarray(special.expit((_logit(first_shown) + _logit(second_shown)) / 2), dtype=np.float64)


def temperature(p: ArrayLike, y: ArrayLike) -> Scaling:
    """One-parameter scaling logit(p)/T by maximum likelihood (Guo et al. 2017, section 4.2), T > 0.

    Raises StatisticsError when the likelihood has its maximum at T = 0 (every item on its right side) or when
    it grows towards T = infinity or beyond (the judge is no better than chance, or worse).
    """
    prob, truth = _pairs(p, y)
    logits = _logit(prob)
    sides = np.where(truth == 1, 1.0, -1.0) * logits
    if float(((truth - 0.5) * logits).sum()) <= 0:
        raise StatisticsError("the judge is no better than chance on these items: no temperature helps")
    if (sides >= 0).all():
        raise StatisticsError("every item is on its right side: no finite temperature is best")

    def slope(inverse: float) -> float:
        return float((logits * (truth - special.expit(inverse * logits))).sum())

    top = 1.0
    while slope(top) > 0:
        top *= 2
    return Scaling(float(optimize.brentq(slope, 0.0, top, xtol=1e-12)), 0.0, "temperature")


def platt(p: ArrayLike, y: ArrayLike) -> Scaling:
    """Two-parameter scaling a logit(p) + b by penalised maximum likelihood (Platt 1999, eqs. 7 to 9).

    The targets are (N1 + 1)/(N1 + 2) and 1/(N0 + 2) instead of 1 and 0, so that separated data have a finite
    fit. Raises StatisticsError when only one outcome occurs or all probabilities are alike.
    """
    prob, truth = _pairs(p, y)
    logits = _logit(prob)
    broken = int(truth.sum())
    kept = len(truth) - broken
    if min(broken, kept) == 0:
        raise StatisticsError("only one outcome among the labels: a scaling cannot be fitted")
    if float(np.ptp(logits)) == 0:
        raise StatisticsError("all probabilities are alike: a slope cannot be fitted")
    target = np.where(truth == 1, (broken + 1) / (broken + 2), 1 / (kept + 2))
    scale = float(np.abs(logits).max())  # unit columns keep Newton's matrix well conditioned
    design = np.column_stack([logits / scale, np.ones(len(logits))])
    beta = np.array([0.0, math.log((broken + 1) / (kept + 1))])
    for _ in range(100):
        fitted = special.expit(design @ beta)
        step = np.linalg.solve((design.T * (fitted * (1 - fitted))) @ design, design.T @ (target - fitted))
        # Newton overshoots where the curve is flat; a bounded step reaches the basin all the same.
        step *= min(1.0, 5.0 / float(np.abs(step).max() + 1e-300))
        beta = beta + step
        if float(np.abs(step).max()) < 1e-10:
            return Scaling(float(beta[0] / scale), float(beta[1]), "Platt")
    raise StatisticsError("Platt scaling did not converge")


def cross_fit(
    p: ArrayLike,
    y: ArrayLike,
    clusters: Clusters,
    *,
    method: Literal["temperature", "platt"] = "temperature",
    folds: int = 5,
    seed: Seed = 0,
) -> CrossFitted:
    """Recalibrate each cluster's items by a fit to the clusters of the other folds.

    All arrays (n,). Clusters are dealt to folds at random and never split, so that no prompt helps to
    calibrate its own siblings. Raises StatisticsError with fewer clusters than folds, and where a fold's fit
    is not defined.
    """
    prob, truth = _pairs(p, y)
    seen: dict[object, int] = {}
    code = np.array([seen.setdefault(key, len(seen)) for key in clusters], dtype=np.int64)
    if len(code) != len(prob):
        raise StatisticsError(f"{len(prob)} probabilities but {len(code)} cluster ids")
    if not 2 <= folds <= len(seen):
        raise StatisticsError(f"{len(seen)} clusters cannot be dealt to {folds} folds of at least one each")
    dealt = np.random.default_rng(seed).permutation(len(seen)) % folds
    fold = dealt[code]
    fit = temperature if method == "temperature" else platt
    fits = tuple(fit(prob[fold != k], truth[fold != k]) for k in range(folds))
    recalibrated = np.empty(len(prob))
    for k, scaling in enumerate(fits):
        recalibrated[fold == k] = scaling(prob[fold == k])
    return CrossFitted(recalibrated, fold, fits, f"{method}, {folds} folds by cluster")


def _isotonic(values: Floats, weights: Floats) -> Floats:
    return np.asarray(optimize.isotonic_regression(values, weights=weights).x, dtype=np.float64)


def _logit(p: ArrayLike) -> Floats:
    return np.asarray(special.logit(np.clip(_probabilities(p), EDGE, 1 - EDGE)), dtype=np.float64)


def _probabilities(p: ArrayLike) -> Floats:
    prob = np.asarray(p, dtype=np.float64)
    if prob.ndim != 1 or prob.size == 0:
        raise StatisticsError("probabilities come as one row with at least one item")
    if not ((prob >= 0) & (prob <= 1)).all():
        raise StatisticsError("a probability lies in [0, 1]; a missing one is unscored, not a value")
    return prob


def _pairs(p: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    prob, truth = _probabilities(p), np.asarray(y, dtype=np.float64)
    if prob.shape != truth.shape:
        raise StatisticsError(f"{len(prob)} probabilities but labels of shape {truth.shape}")
    if not np.isin(truth, (0.0, 1.0)).all():
        raise StatisticsError("labels are 0 or 1; a missing one is left out, not a value")
    return prob, truth
