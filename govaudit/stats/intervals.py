"""Intervals and limits for rates, means and differences when items come in clusters.

In: 0/1 arrays (1 = the item breaks the clause) with cluster ids, or plain counts. Out: frozen results that
name their method; rates lie in [0, 1]. A cluster (prompt family, source example) is the independent unit;
items within one may be as alike as they please.

Two families live here. *Intervals* describe: two-sided, close to their nominal coverage (``clustered_rate``
is the default). *Limits* carry verdicts: one-sided, never above their nominal error for few clusters, rare
events or tiny alpha, because hundreds of clauses are judged together, far out in the tail (``lower_limit``,
``upper_limit`` and the p-values that they invert).

Left out on purpose: Wald intervals, which fail below a few hundred items (Bowyer, Aitchison & Ivanova 2025,
arXiv 2503.01747), and bootstrap percentiles, which have width 0 at zero events.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special
from scipy.optimize import elementwise

from govaudit.errors import StatisticsError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Clusters = Iterable[Hashable] | NDArray[np.generic]


@dataclass(frozen=True)
class Interval:
    """A two-sided interval: low <= truth <= high with confidence ``level``."""

    low: float
    high: float
    level: float
    method: str


@dataclass(frozen=True)
class Rate:
    """The share of scored items that are broken, its two-sided interval, and what the interval rests on."""

    rate: float
    low: float
    high: float
    level: float
    n: int  # scored items
    clusters: int
    n_effective: float  # independent items that would tell as much, after the t correction
    design_effect: float  # variance over that of n independent items as used, at least 1
    method: str


@dataclass(frozen=True)
class Difference:
    """A difference first - second of two rates, in [-1, 1], with its two-sided interval."""

    value: float
    low: float
    high: float
    level: float
    method: str


@dataclass(frozen=True)
class Mean:
    """A mean (or mean paired difference) in the units of its values, with its two-sided t interval."""

    value: float
    low: float
    high: float
    level: float
    standard_error: float
    n: int
    clusters: int
    method: str


@dataclass(frozen=True)
class MissingBounds:
    """What the unscored items could have made of a rate: all kept (``best``) or all broken (``worst``)."""

    best: Rate
    worst: Rate
    unscored: int
    unscored_share: float


# ---------------------------------------------------------------------------------- independent items


def wilson(broken: float, n: float, level: float = 0.95) -> Interval:
    """Score interval of a rate (Wilson 1927; Newcombe 1998, Stat. Med. 17:857, method 3).

    ``broken`` of ``n`` > 0 independent items; both may be fractional (effective numbers).
    """
    _check_count(broken, n)
    z = _z(level)
    share = broken / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if broken == 0 else max(0.0, centre - half)
    high = 1.0 if broken == n else min(1.0, centre + half)
    return Interval(low, high, level, "Wilson")


def clopper_pearson(broken: float, n: float, level: float = 0.95) -> Interval:
    """Exact interval of a rate (Clopper & Pearson 1934): beta quantiles, coverage never below ``level``.

    ``broken`` of ``n`` > 0 independent items; fractional numbers interpolate (Korn & Graubard 1998).
    """
    _check_count(broken, n)
    tail = _tail(level) / 2
    low = 0.0 if broken == 0 else float(special.betaincinv(broken, n - broken + 1, tail))
    high = 1.0 if broken == n else float(special.betaincinv(broken + 1, n - broken, 1 - tail))
    return Interval(low, high, level, "Clopper-Pearson")


def zero_event_limit(clusters: int, level: float = 0.95, sided: int = 1) -> float:
    """The rate that no violation in ``clusters`` independent clusters excludes, by clusters and not items.

    1 - tail^(1/clusters), tail = (1 - level) / sided; ``sided`` is 1 or 2. With fully alike items within
    clusters a violation-free cluster tells as much as one item, and zero events cannot show otherwise.
    """
    tail = _tail(level) / _sided(sided)
    if clusters < 1:
        raise StatisticsError("no clusters: zero violations exclude no rate")
    return float(-math.expm1(math.log(tail) / clusters))


def clusters_to_exclude(rate: float, level: float = 0.95, sided: int = 1) -> int:
    """Violation-free clusters needed before rates of ``rate`` and above are excluded (59 for 5 %)."""
    tail = _tail(level) / _sided(sided)
    if not 0 < rate < 1:
        raise StatisticsError(f"a rate to exclude lies strictly between 0 and 1, not {rate}")
    guess = max(1, math.ceil(math.log(tail) / math.log1p(-rate)))
    # The quotient can round across an integer: settle it by the rule itself.
    while guess > 1 and (1 - rate) ** (guess - 1) <= tail:
        guess -= 1
    while (1 - rate) ** guess > tail:
        guess += 1
    return guess


def cluster_sums(broken: ArrayLike, clusters: Clusters) -> tuple[Floats, Floats]:
    """Items and broken items per cluster, both (G,), for ``broken`` (n,) of 0/1 and ``clusters`` (n,).

    Raises StatisticsError when nothing was scored or a judgement is neither 0 nor 1.
    """
    scored = _broken(broken)
    if not len(scored):
        raise StatisticsError("nothing was scored: a rate of no items is not defined")
    codes = _codes(clusters, len(scored))
    return np.bincount(codes).astype(np.float64), np.bincount(codes, scored).astype(np.float64)


# ---------------------------------------------------------------------------------- clustered rates


def clustered_rate(broken: ArrayLike, clusters: Clusters, level: float = 0.95) -> Rate:
    """A rate with the Wilson interval on the effective number of items: the default interval.

    ``broken``: (n,) of 0/1; ``clusters``: (n,) ids. With p = x/n,
    V = G/(G-1) sum_g (sum of residuals in g)^2 / n^2 and deff = V / (p(1-p)/n), at least 1:
    n_eff = n/deff (z / t_{G-1})^2 (Korn & Graubard 1998, Survey Methodology 24:193), then Wilson at p n_eff
    of n_eff. No event, or nothing but events: n_eff is the number of clusters G.
    In between, deff is drawn towards its worst case n/G with the weight of a quarter of a cluster, against
    the number of clusters that hold the rarer outcome: a few events say little about how alike clusters are
    (coverage .89 at 5 % in 30 clusters of 5 with ICC .5 became .97, for 2 to 13 % more width). Families of
    prompts that always break and were not drawn are beyond such an interval: verdicts use `upper_limit`.
    With one item per cluster it is plain Wilson. One cluster counts as one observation and says so in
    ``method``. Raises StatisticsError when nothing was scored.
    """
    sizes, sums = cluster_sums(broken, clusters)
    n, x, groups = int(sizes.sum()), float(sums.sum()), len(sizes)
    n_eff, deff, method = _effective(sizes, sums, level)
    interval = wilson(x / n * n_eff, n_eff, level)
    return Rate(
        x / n, interval.low, interval.high, level, n, groups, n_eff, deff, f"clustered Wilson, {method}"
    )


def korn_graubard(broken: ArrayLike, clusters: Clusters, level: float = 0.95) -> Interval:
    """Clopper-Pearson on the effective number of items (Korn & Graubard 1998), n_eff as in `clustered_rate`.

    Wider than the Wilson version and safe at 95 % when clusters are many and alike. It is not used for
    verdicts: it trusts the estimated design effect, which says nothing about families that were not drawn
    (see `upper_limit`).
    """
    sizes, sums = cluster_sums(broken, clusters)
    n_eff, _, method = _effective(sizes, sums, level)
    interval = clopper_pearson(float(sums.sum() / sizes.sum()) * n_eff, n_eff, level)
    return Interval(interval.low, interval.high, level, f"Korn-Graubard, {method}")


def bounds_under_missing(
    broken: ArrayLike, clusters: Clusters, unscored_clusters: Clusters, level: float = 0.95
) -> MissingBounds:
    """Worst-case bounds of a rate when some judgements are missing (Manski 1990).

    ``unscored_clusters``: (u,) cluster ids of the unscored items, in the id space of ``clusters``.
    Raises StatisticsError when there is neither a scored nor an unscored item.
    """
    scored, ids = _broken(broken), list(clusters)
    _same_length(scored, ids)
    missing = list(unscored_clusters)
    every = ids + missing
    best = clustered_rate(np.concatenate([scored, np.zeros(len(missing))]), every, level)
    worst = clustered_rate(np.concatenate([scored, np.ones(len(missing))]), every, level)
    return MissingBounds(best, worst, len(missing), len(missing) / len(every))


# ---------------------------------------------------------------------------------- limits for verdicts


def lower_limit(broken: ArrayLike, clusters: Clusters, alpha: float = 0.05) -> float:
    """One-sided lower limit of a rate at error ``alpha``, for accusations: it inverts `p_violated`.

    The alpha quantile of sum_g D_g y_g, where y_g is the broken share of cluster g and (D_0, D_1, ..., D_G)
    is uniform on the simplex (Gaffke 2005; Learned-Miller & Thomas 2020, arXiv 1905.06208): a Bayesian
    bootstrap of the clusters to which one wholly kept phantom cluster is added. Clopper-Pearson when every
    cluster is wholly kept or wholly broken; alpha^(1/G) when all are broken; 0 when nothing is.

    Assumes nothing about the clusters but that they are independent with a common mean share. That its error
    never exceeds alpha is proved when the shares take two values, and otherwise a conjecture without a known
    counterexample. Clusters count alike; should sizes carry information, so that the share of items and the
    mean share of clusters differ, the limit is moved so as not to exclude the observed share of items.
    """
    sizes, sums = cluster_sums(broken, clusters)
    shares, counts = _profile(sums / sizes)
    limit = gaffke_lower(shares[None, :], counts[None, :], alpha)[0]
    return float(min(limit, sums.sum() / sizes.sum()))


def upper_limit(broken: ArrayLike, clusters: Clusters, alpha: float = 0.05) -> float:
    """One-sided upper limit of a rate at error ``alpha``, for certificates: it inverts `p_compliant`.

    The mirror image of `lower_limit`: the phantom cluster is wholly broken. Zero events give exactly
    1 - alpha^(1/G), and each further event raises the limit. Beta quantiles on an estimated effective number
    (Korn & Graubard) do neither: one event can certify where none would not, and when one prompt family in
    forty always breaks, they certify too often, for families that were not drawn leave no trace in the design
    effect.
    """
    sizes, sums = cluster_sums(broken, clusters)
    shares, counts = _profile(1 - sums / sizes)
    limit = 1 - gaffke_lower(shares[None, :], counts[None, :], alpha)[0]
    return float(max(limit, sums.sum() / sizes.sum()))


def p_violated(broken: ArrayLike, clusters: Clusters, tolerance: float) -> float:
    """P-value of "the rate is at most ``tolerance``": p < alpha exactly when `lower_limit` exceeds it."""
    sizes, sums = cluster_sums(broken, clusters)
    if sums.sum() / sizes.sum() <= tolerance:
        return 1.0
    shares, counts = _profile(sums / sizes)
    return float(gaffke_p(shares[None, :], counts[None, :], np.array([tolerance]))[0])


def p_compliant(broken: ArrayLike, clusters: Clusters, tolerance: float) -> float:
    """P-value of "the rate exceeds ``tolerance``": p <= alpha exactly when `upper_limit` is within it."""
    sizes, sums = cluster_sums(broken, clusters)
    if sums.sum() / sizes.sum() > tolerance:
        return 1.0
    shares, counts = _profile(1 - sums / sizes)
    return float(gaffke_p(shares[None, :], counts[None, :], np.array([1 - tolerance]))[0])


def gaffke_p(shares: Floats, counts: Floats, bound: Floats, step: float | None = None) -> Floats:
    """Gaffke's p-value of "the mean is at most ``bound``", for many samples at once.

    ``shares``: (b, k) distinct values in [0, 1]; ``counts``: (b, k) how often each occurs (0 pads; fractions
    are allowed, for planning); ``bound``: (b,) in [0, 1]; ``step``: spacing of the quadrature nodes, by
    default fine enough for a relative error of about 1e-8 however small the result (0.05 errs by up to 3 %
    beyond thousands of clusters). Returns (b,) in [0, 1]:
    P(sum_j E_j (y_j - bound) <= E_0 bound), E independent standard exponentials.

    The left side is a sum of gamma variables with cumulant function K(s) = -sum_j counts_j log(1 - s c_j).
    P = -1/(2 pi i) int exp(K(s))/s ds along the vertical line through the saddle point on the negative axis
    (Lugannani & Rice 1980), by the trapezoidal rule after y = a sinh(u): no term is larger than the answer.
    """
    bound = np.broadcast_to(np.asarray(bound, dtype=np.float64), (len(shares),))
    coefs = np.concatenate([shares - bound[:, None], -bound[:, None]], axis=1)
    weights: Floats = np.concatenate([counts, np.ones((len(shares), 1))], axis=1)
    weights = np.where(np.abs(coefs) < 1e-13, 0.0, weights)
    coefs = np.asarray(np.where(weights > 0, coefs, 0.0), dtype=np.float64)
    p = np.where((coefs < 0).any(axis=1), 1.0, 0.0)
    # Nothing above the bound: p = 1. Nothing below it, a bound of 0: p = 0 if anything was broken at all.
    p[~(coefs != 0).any(axis=1)] = 1.0
    open_rows = np.flatnonzero((coefs > 0).any(axis=1) & (coefs < 0).any(axis=1))
    if step is None:
        step = min(0.1, 1 / math.sqrt(float(weights.sum(axis=1).max(initial=1.0))))
    nodes: Floats = (np.arange(math.ceil(18 / step), dtype=np.float64) + 0.5) * step
    chunk = max(1, 2_000_000 // (len(nodes) * coefs.shape[1]))
    for start in range(0, len(open_rows), chunk):
        rows = open_rows[start : start + chunk]
        p[rows] = _gamma_sum_below_zero(coefs[rows], weights[rows], nodes, step)
    return p


def gaffke_lower(shares: Floats, counts: Floats, alpha: float) -> Floats:
    """Limits that invert `gaffke_p` at ``alpha``: (b,), within 1e-11, for (b, k) shares and counts."""
    _check_alpha(alpha)
    top = np.where(counts > 0, shares, 0.0).max(axis=1)
    low = np.zeros(len(top))
    rows = np.flatnonzero(top > 0)

    def gap(bound: Floats, *row: Any, **_: Any) -> Floats:
        return gaffke_p(shares[row[0]], counts[row[0]], bound) - alpha

    if len(rows):
        bracket = (np.zeros(len(rows)), top[rows])
        found = elementwise.find_root(gap, bracket, args=(rows,), tolerances={"xatol": 1e-12, "xrtol": 1e-11})
        low[rows] = found.x
    return low


def _gamma_sum_below_zero(coefs: Floats, weights: Floats, nodes: Floats, step: float) -> Floats:
    """P(sum_j Gamma(weights_j) coefs_j <= 0) for rows (b, k) with coefficients of both signs."""
    flip = (weights * coefs).sum(axis=1) < 0
    coefs = np.where(flip[:, None], -coefs, coefs)  # the tail away from the mean keeps its relative accuracy
    low, high = 1 / coefs.min(axis=1), np.zeros(len(coefs))
    for _ in range(40):
        s = (low + high) / 2
        slope = (weights * coefs / (1 - s[:, None] * coefs)).sum(axis=1) - 1 / s
        low, high = np.where(slope < 0, s, low), np.where(slope < 0, high, s)
    saddle = (low + high) / 2
    tilted = coefs / (1 - saddle[:, None] * coefs)
    scale = 1 / np.sqrt((weights * tilted**2).sum(axis=1) + 1 / saddle**2)
    s_line = saddle[:, None] + 1j * scale[:, None] * np.sinh(nodes)
    exponent = np.zeros(s_line.shape, dtype=np.complex128)
    for column, weight in zip(coefs.T, weights.T, strict=True):
        exponent -= weight[:, None] * np.log(1 - s_line * column[:, None])
    integrand = (np.exp(exponent) / s_line).real * np.cosh(nodes) * scale[:, None]
    tail: Floats = np.clip(-integrand.sum(axis=1) * step / math.pi, 0.0, 1.0)
    return np.asarray(np.where(flip, 1 - tail, tail), dtype=np.float64)


# ---------------------------------------------------------------------------------- differences of rates


def newcombe_unpaired(
    broken_first: float, n_first: float, broken_second: float, n_second: float, level: float = 0.95
) -> Difference:
    """Difference of two independent rates by squaring and adding Wilson limits.

    Newcombe 1998, Stat. Med. 17:873, method 10. Numbers may be effective ones.
    """
    first, second = wilson(broken_first, n_first, level), wilson(broken_second, n_second, level)
    return _mover(broken_first / n_first, first, broken_second / n_second, second, "Newcombe, unpaired")


def rate_difference(first: Rate, second: Rate) -> Difference:
    """Difference of two clustered rates from separate clusters, by MOVER on their Wilson limits.

    Donner & Zou 2012 (Stat. Methods Med. Res. 21:347); equals `newcombe_unpaired` on the effective numbers.
    """
    if first.level != second.level:
        raise StatisticsError(f"rates at different levels: {first.level} and {second.level}")
    one = Interval(first.low, first.high, first.level, first.method)
    two = Interval(second.low, second.high, second.level, second.method)
    return _mover(first.rate, one, second.rate, two, "MOVER on clustered Wilson, unpaired")


def newcombe_paired(
    both: float, first_only: float, second_only: float, neither: float, level: float = 0.95
) -> Difference:
    """Difference of two paired rates by squaring and adding Wilson limits with their correlation.

    Newcombe 1998, Stat. Med. 17:2635, method 10. Counts of pairs: both broken, only the first, only the
    second, neither.
    """
    n = _check_pairs(both, first_only, second_only, neither)
    p1, p2 = (both + first_only) / n, (both + second_only) / n
    one, two = wilson(both + first_only, n, level), wilson(both + second_only, n, level)
    margins = (both + first_only) * (second_only + neither) * (both + second_only) * (first_only + neither)
    cross = both * neither - first_only * second_only
    if cross > 0:
        cross = max(cross - n / 2, 0.0)
    phi = cross / math.sqrt(margins) if margins > 0 else 0.0
    low_1, high_1, low_2, high_2 = p1 - one.low, one.high - p1, p2 - two.low, two.high - p2
    down = math.sqrt(max(0.0, low_1**2 - 2 * phi * low_1 * high_2 + high_2**2))
    up = math.sqrt(max(0.0, high_1**2 - 2 * phi * high_1 * low_2 + low_2**2))
    difference = p1 - p2
    return Difference(
        difference, max(-1.0, difference - down), min(1.0, difference + up), level, "Newcombe, paired"
    )


def tango(n: float, first_only: float, second_only: float, level: float = 0.95) -> Difference:
    """Score interval of a difference of paired rates (Tango 1998, Stat. Med. 17:891); the default for pairs.

    ``n`` > 0 pairs, of which ``first_only`` and ``second_only`` are discordant; may be effective numbers.
    """
    z = _z(level)
    if min(n, first_only, second_only) < 0 or n == 0 or first_only + second_only > n * (1 + 1e-9):
        raise StatisticsError(f"not a table of pairs: n = {n}, discordant {first_only} and {second_only}")
    observed = (first_only - second_only) / n

    def score(delta: float) -> float:
        b = -first_only - second_only + (2 * n - first_only + second_only) * delta
        c = -second_only * delta * (1 - delta)
        q = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
        variance = n * (2 * q + delta * (1 - delta))
        gap = n * (observed - delta)
        if variance <= 0:
            return math.copysign(math.inf, gap) if gap else 0.0
        return gap / math.sqrt(variance)

    edge = 1 - 1e-12
    low, high = -1.0, 1.0
    if observed > -edge and score(-edge) > z:
        low = float(optimize.brentq(lambda delta: score(delta) - z, -edge, observed, xtol=1e-13))
    if observed < edge and score(edge) < -z:
        high = float(optimize.brentq(lambda delta: score(delta) + z, observed, edge, xtol=1e-13))
    return Difference(observed, low, high, level, "Tango")


def paired_rate_difference(
    first: ArrayLike, second: ArrayLike, clusters: Clusters, level: float = 0.95
) -> Difference:
    """Difference of two rates on the same items, in clusters: Tango on the effective number of pairs.

    ``first``, ``second``: (n,) of 0/1; ``clusters``: (n,) ids. n_eff as in `clustered_rate`, with the
    variance of the differences and the clusters that hold a discordant pair; no such pair or one cluster:
    n_eff is the number of clusters.
    """
    one, two = _broken(first), _broken(second)
    _same_length(one, two)
    codes = _codes(clusters, len(one))
    gaps = one - two
    n, groups = len(gaps), int(codes.max()) + 1
    only_first, only_second = float((gaps > 0).sum()), float((gaps < 0).sum())
    value = float(gaps.mean())
    simple = ((only_first + only_second) / n - value**2) / n
    n_eff = float(groups)
    if simple > 0 and 1 < groups < n:
        residuals = np.bincount(codes, gaps - value)
        deff = groups / (groups - 1) * float((residuals**2).sum()) / n**2 / simple
        deff = _shrunk(deff, n / groups, int((np.bincount(codes, np.abs(gaps)) > 0).sum()))
        n_eff = n / deff * (_z(level) / _t(level, groups - 1)) ** 2
    scale = n_eff / n
    result = tango(n_eff, only_first * scale, only_second * scale, level)
    return Difference(value, result.low, result.high, level, "Tango on effective pairs")


# ---------------------------------------------------------------------------------- clustered means


def clustered_mean(values: ArrayLike, clusters: Clusters, level: float = 0.95) -> Mean:
    """Mean of real values with a cluster-robust standard error and t with G - 1 degrees of freedom.

    Miller 2024 (arXiv 2411.00640, eq. 4) times the small-sample factor G/(G-1):
    se^2 = G/(G-1) sum_g (sum of residuals in g)^2 / n^2. ``values``, ``clusters``: (n,).
    Raises StatisticsError for fewer than two clusters and when no cluster differs from the mean, where a
    standard error of 0 would be a false certainty.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or numbers.size == 0 or not np.isfinite(numbers).all():
        raise StatisticsError("a mean needs a one-dimensional array of finite values, at least one")
    codes = _codes(clusters, len(numbers))
    n, groups = len(numbers), int(codes.max()) + 1
    if groups < 2:
        raise StatisticsError("one cluster: the variance between clusters cannot be estimated")
    value = float(numbers.mean())
    residuals = np.bincount(codes, numbers - value)
    error = math.sqrt(groups / (groups - 1) * float((residuals**2).sum())) / n
    if error <= 1e-14 * max(1.0, float(np.abs(numbers).max())):
        raise StatisticsError("no variation between clusters: a t interval would have width 0")
    half = _t(level, groups - 1) * error
    return Mean(value, value - half, value + half, level, error, n, groups, f"cluster t, {groups - 1} df")


def paired_difference(first: ArrayLike, second: ArrayLike, clusters: Clusters, level: float = 0.95) -> Mean:
    """Mean difference first - second of real values on the same items (Miller 2024, section 4.2).

    All arrays (n,). Errors as in `clustered_mean`; for 0/1 values use `paired_rate_difference`.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    _same_length(one, two)
    return clustered_mean(one - two, clusters, level)


# ---------------------------------------------------------------------------------- input


def _effective(sizes: Floats, sums: Floats, level: float) -> tuple[float, float, str]:
    """Effective number of items, design effect and a phrase for the method."""
    n, x, groups = float(sizes.sum()), float(sums.sum()), len(sizes)
    if groups == 1:
        return 1.0, n, "one cluster counted as one observation"
    if groups == n:
        return n, 1.0, "one item per cluster"
    if x in (0.0, n):
        return float(groups), n / groups, "n_eff = clusters (no contrast)"
    share = x / n
    variance = groups / (groups - 1) * float(((sums - share * sizes) ** 2).sum()) / n**2
    telling = min(int((sums > 0).sum()), int((sums < sizes).sum()))
    deff = _shrunk(variance / (share * (1 - share) / n), n / groups, telling)
    n_eff = n / deff * (_z(level) / _t(level, groups - 1)) ** 2
    return n_eff, deff, "n_eff by design effect, t"


def _shrunk(deff: float, worst: float, telling: int) -> float:
    """A design effect of at least 1, drawn towards ``worst`` as described in `clustered_rate`."""
    return (worst / 4 + telling * max(1.0, deff)) / (1 / 4 + telling)


def _mover(first: float, one: Interval, second: float, two: Interval, method: str) -> Difference:
    difference = first - second
    down = math.hypot(first - one.low, two.high - second)
    up = math.hypot(one.high - first, second - two.low)
    return Difference(difference, max(-1.0, difference - down), min(1.0, difference + up), one.level, method)


def _profile(shares: Floats) -> tuple[Floats, Floats]:
    values, counts = np.unique(shares, return_counts=True)
    return values, counts.astype(np.float64)


def _broken(broken: ArrayLike) -> Floats:
    scored = np.asarray(broken, dtype=np.float64)
    if scored.ndim != 1:
        raise StatisticsError(f"judgements come as one row, not as an array of shape {scored.shape}")
    if not np.isin(scored, (0.0, 1.0)).all():
        raise StatisticsError("judgements are 0 (kept) or 1 (broken); a missing one is unscored, not a value")
    return scored


def _codes(clusters: Clusters, n: int) -> Ints:
    """Cluster ids as 0..G-1, (n,)."""
    if isinstance(clusters, np.ndarray) and clusters.ndim == 1 and clusters.dtype.kind in "iuUS":
        codes = np.unique(clusters, return_inverse=True)[1]
    elif isinstance(clusters, range):
        codes = np.arange(len(clusters))
    else:
        seen: dict[Hashable, int] = {}
        codes = np.array([seen.setdefault(key, len(seen)) for key in clusters], dtype=np.int64)
    if len(codes) != n:
        raise StatisticsError(f"{n} values but {len(codes)} cluster ids")
    return codes.astype(np.int64)


def _same_length(first: Floats, second: Floats | list[Hashable]) -> None:
    if len(first) != len(second):
        raise StatisticsError(f"arrays of different length: {len(first)} and {len(second)}")


def _check_count(broken: float, n: float) -> None:
    if not n > 0:
        raise StatisticsError("a rate of no items is not defined")
    if not 0 <= broken <= n:
        raise StatisticsError(f"{broken} broken items of {n}")


def _check_pairs(*cells: float) -> float:
    if min(cells) < 0 or sum(cells) <= 0:
        raise StatisticsError(f"not a table of pairs: {cells}")
    return sum(cells)


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise StatisticsError(f"alpha lies strictly between 0 and 1, not {alpha}")


def _tail(level: float) -> float:
    if not 0 < level < 1:
        raise StatisticsError(f"a confidence level lies strictly between 0 and 1, not {level}")
    return 1 - level


def _sided(sided: int) -> int:
    if sided not in (1, 2):
        raise StatisticsError(f"sided is 1 or 2, not {sided}")
    return sided


def _z(level: float) -> float:
    return float(special.ndtri(1 - _tail(level) / 2))


def _t(level: float, degrees: int) -> float:
    return float(special.stdtrit(degrees, 1 - _tail(level) / 2))
