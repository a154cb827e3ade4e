"""How far a proxy reward may be optimised before the gold reward falls.

In: proxy and gold rewards of N samples per prompt, or gold gains of policies at known distances. Out: the
exact expected gold reward of best-of-n for every n up to N, its KL divergence, and the curves of Gao,
Schulman & Hilton (2023, arXiv 2210.10760) with intervals on their coefficients and, where the data show
that the curve turns, on its peak. Left out: extrapolation beyond N, and the rewards themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, Statistic, cluster_codes, resample, sums_by_cluster
from govaudit.stats.coefficient import Coefficient, Labels, check_level, estimate

Form = Literal["best-of-n", "rl"]


@dataclass(frozen=True)
class CurvePoint:
    """Best of n: ``kl`` in nats, ``distance`` its square root, ``gold`` the mean gold reward of the sample
    that the proxy picks, ``gain`` that minus the mean gold reward at n = 1."""

    n: int
    kl: float
    distance: float
    gold: Coefficient
    gain: Coefficient


@dataclass(frozen=True)
class GaoFit:
    """gain(d) = d (a - b d) for best-of-n, d (a - b log d) for RL; d the square root of the KL divergence.

    ``peak_distance`` and ``peak_gain`` are None unless the interval of b lies above 0, and ``no_peak``
    then says so. ``extrapolated``: the peak lies beyond the largest measured distance. ``misfit`` is the
    root mean square of the mean curve minus the fit, in units of the reward.
    """

    form: Form
    a: Coefficient
    b: Coefficient
    peak_distance: Coefficient | None
    peak_gain: Coefficient | None
    no_peak: str | None
    extrapolated: bool
    misfit: float


def kl_best_of_n(n: ArrayLike) -> FloatArray:
    """KL divergence of best-of-n from one sample, in nats: log n - (n - 1) / n (Stiennon et al. 2020,
    arXiv 2009.01325). An upper bound where outputs repeat (Beirami et al. 2024, arXiv
    2401.01879)."""
    number = np.asarray(n, dtype=np.float64)
    if not bool((number >= 1).all()):
        raise StatisticsError("best of n needs n of 1 or more")
    return np.asarray(np.log(number) - (number - 1.0) / number)


def best_of_n(proxy: ArrayLike, gold: ArrayLike, n: int) -> FloatArray:
    """Expected gold reward of the sample with the highest proxy among n drawn from N without replacement.

    ``proxy``, ``gold`` (M prompts, N samples) or (N,). Returns (M,) (or a scalar array). Exact, with the
    samples sorted by proxy: sum_k C(k - 1, n - 1) / C(N, n) gold_(k) (Nakano et al. 2021, arXiv
    2112.09332); samples of equal proxy share their weight, the mean over tie orders. Raises
    StatisticsError where n exceeds N.
    """
    p, g = _rewards(proxy, gold)
    size = p.shape[-1]
    if not 1 <= n <= size:
        raise StatisticsError(f"best of {n} from {size} samples is not defined")
    k = np.arange(n, size + 1)
    log_choose = gammaln(k) - gammaln(n) - gammaln(k - n + 1)
    log_all = gammaln(size + 1) - gammaln(n + 1) - gammaln(size - n + 1)
    weight = np.zeros(size)
    weight[n - 1 :] = np.exp(log_choose - log_all)
    cumulative = np.concatenate([[0.0], np.cumsum(weight / weight.sum())])
    ordered = np.sort(p, axis=-1)
    # The weight of a tie group is a difference of cumulative weights at its two ends.
    values = [
        _tied_mean(row, rewards, line, cumulative)
        for row, rewards, line in zip(
            p.reshape(-1, size), g.reshape(-1, size), ordered.reshape(-1, size), strict=True
        )
    ]
    return np.array(values).reshape(p.shape[:-1])


def _tied_mean(proxy: FloatArray, gold: FloatArray, ordered: FloatArray, cumulative: FloatArray) -> float:
    below = np.searchsorted(ordered, proxy, side="left")
    upto = np.searchsorted(ordered, proxy, side="right")
    return float(np.sum(gold * (cumulative[upto] - cumulative[below]) / (upto - below)))


def best_of_n_curve(
    proxy: ArrayLike,
    gold: ArrayLike,
    ns: Sequence[int],
    *,
    seed: int | np.random.Generator,
    clusters: Labels | None = None,
    level: float = 0.95,
    rounds: int = 1000,
) -> tuple[CurvePoint, ...]:
    """Mean gold reward over prompts for each n, with intervals from resampled prompts (or ``clusters``).

    ``proxy``, ``gold`` (M, N). All points are resampled together, so gains keep their correlation.
    """
    check_level(level)
    p, g = _rewards(proxy, gold)
    if p.ndim != 2:
        raise StatisticsError(f"a curve needs prompts x samples, got shape {p.shape}")
    curves = np.stack([best_of_n(p, g, n) for n in ns], axis=1)
    m = len(p)
    moments = np.concatenate([np.ones((m, 1)), g.mean(axis=1, keepdims=True), curves], axis=1)
    codes, n_clusters = cluster_codes(clusters, m)
    drawn = resample(sums_by_cluster(moments, codes, n_clusters), None, rounds, np.random.default_rng(seed))
    kl = kl_best_of_n(ns)

    def gold_at(column: int) -> Coefficient:
        return estimate(
            f"gold reward, best of {ns[column]}",
            lambda t: t[..., 2 + column] / t[..., 0],
            drawn,
            level=level,
            n_items=m,
            reason="no prompts",
        )

    def gain_at(column: int) -> Coefficient:
        return estimate(
            f"gain, best of {ns[column]}",
            lambda t: (t[..., 2 + column] - t[..., 1]) / t[..., 0],
            drawn,
            level=level,
            n_items=m,
            reason="no prompts",
        )

    return tuple(
        CurvePoint(n, float(kl[at]), float(np.sqrt(max(0.0, kl[at]))), gold_at(at), gain_at(at))
        for at, n in enumerate(ns)
    )


def fit_gao(
    form: Form,
    distance: ArrayLike,
    gains: ArrayLike,
    *,
    seed: int | np.random.Generator,
    clusters: Labels | None = None,
    level: float = 0.95,
    rounds: int = 1000,
) -> GaoFit:
    """Fit a curve of Gao, Schulman & Hilton (2023) by least squares.

    ``distance`` (P,) square roots of KL divergences in nats, at least 3 of them above 0; ``gains``
    (M prompts, P) of gold reward over the starting policy. Both forms are linear in a and b. Intervals:
    prompts (or ``clusters``) are resampled and the curve refitted. Peak: a / 2b with gain a^2 / 4b, and
    exp(a / b - 1) with gain b exp(a / b - 1) for RL.
    """
    check_level(level)
    d, y = np.asarray(distance, dtype=np.float64), np.asarray(gains, dtype=np.float64)
    if y.ndim != 2 or d.shape != y.shape[1:]:
        raise StatisticsError(f"gains must be prompts x distances, got {y.shape} for {d.shape} distances")
    if not bool(np.isfinite(y).all() and np.isfinite(d).all() and (d >= 0).all()):
        raise StatisticsError("distances must be 0 or more and gains finite")
    if len(np.unique(d[d > 0])) < 3:
        raise StatisticsError("two coefficients need at least 3 different distances above 0")
    if form not in ("best-of-n", "rl"):
        raise StatisticsError(f"form {form!r} is not known: best-of-n or rl")
    bend = d**2 if form == "best-of-n" else d * np.log(np.where(d > 0, d, 1.0))
    design = np.stack([d, -bend], axis=1)
    solver = np.linalg.pinv(design)
    m = len(y)
    codes, n_clusters = cluster_codes(clusters, m)
    moments = np.concatenate([np.ones((m, 1)), y @ solver.T], axis=1)
    drawn = resample(sums_by_cluster(moments, codes, n_clusters), None, rounds, np.random.default_rng(seed))

    def a_of(t: FloatArray) -> FloatArray:
        return np.asarray(t[..., 1] / t[..., 0])

    def b_of(t: FloatArray) -> FloatArray:
        return np.asarray(t[..., 2] / t[..., 0])

    def peak_of(t: FloatArray) -> FloatArray:
        a, b = a_of(t), b_of(t)
        at = a / (2.0 * b) if form == "best-of-n" else np.exp(np.minimum(a / b - 1.0, 700.0))
        return np.where((b > 0) & (at > 0), at, np.nan)

    def height_of(t: FloatArray) -> FloatArray:
        peak = peak_of(t)
        return np.asarray(peak * a_of(t) / 2.0 if form == "best-of-n" else b_of(t) * peak)

    def part(name: str, statistic: Statistic, reason: str = "no prompts") -> Coefficient:
        return estimate(name, statistic, drawn, level=level, n_items=m, reason=reason)

    a, b = part("a", a_of), part("b", b_of)
    no_peak = None
    if b.low is None:
        no_peak = f"b has no interval: {b.undefined}"
    elif b.low <= 0.0:
        no_peak = f"the interval of b, {b.low:.4g} to {b.high:.4g}, does not lie above 0"
    elif not np.isfinite(peak_of(drawn.total)):
        no_peak = "a is not above 0: the gold reward falls from the start"
    fitted = design @ np.array([a_of(drawn.total), b_of(drawn.total)])
    peak = None if no_peak else part("distance of the peak", peak_of)
    return GaoFit(
        form=form,
        a=a,
        b=b,
        peak_distance=peak,
        peak_gain=None if no_peak else part("gain at the peak", height_of),
        no_peak=no_peak,
        extrapolated=peak is not None and peak.value is not None and peak.value > float(d.max()),
        misfit=float(np.sqrt(np.mean((y.mean(axis=0) - fitted) ** 2))),
    )


def _rewards(proxy: ArrayLike, gold: ArrayLike) -> tuple[FloatArray, FloatArray]:
    p, g = np.asarray(proxy, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    if p.shape != g.shape or p.ndim not in (1, 2) or p.size == 0:
        raise StatisticsError(f"proxy of shape {p.shape} and gold of shape {g.shape}")
    if not bool(np.isfinite(p).all() and np.isfinite(g).all()):
        raise StatisticsError("a reward is missing: leave samples without reward out for both")
    return p, g
