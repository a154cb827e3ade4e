"""Intervals and limits against published values, closed forms, slower versions and an adversary."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from scipy.interpolate import BSpline

from govaudit.errors import StatisticsError
from govaudit.stats.intervals import (
    Clusters,
    bounds_under_missing,
    clopper_pearson,
    cluster_sums,
    clustered_mean,
    clustered_rate,
    clusters_to_exclude,
    gaffke_lower,
    gaffke_p,
    korn_graubard,
    lower_limit,
    newcombe_paired,
    newcombe_unpaired,
    p_compliant,
    p_violated,
    paired_difference,
    paired_rate_difference,
    rate_difference,
    tango,
    upper_limit,
    wilson,
    zero_event_limit,
)

clustered = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 7)), min_size=1, max_size=40)


# Newcombe 1998, Statistics in Medicine 17:857, table I, methods 3 (Wilson) and 5 (Clopper-Pearson).
@pytest.mark.parametrize(
    ("broken", "n", "score", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_newcombe_1998_single_rates(
    broken: int, n: int, score: tuple[float, float], exact: tuple[float, float]
) -> None:
    by_score, by_tail = wilson(broken, n), clopper_pearson(broken, n)
    assert (by_score.low, by_score.high) == pytest.approx(score, abs=5.1e-5)
    assert (by_tail.low, by_tail.high) == pytest.approx(exact, abs=5.1e-5)


def test_newcombe_1998_unpaired_difference_56_of_70_minus_48_of_80() -> None:
    # Statistics in Medicine 17:873, table II, contrast (a), method 10.
    found = newcombe_unpaired(56, 70, 48, 80)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5.1e-5)


def test_newcombe_1998_paired_difference_36_12_2_0() -> None:
    # Statistics in Medicine 17:2635, table III, method 10.
    found = newcombe_paired(36, 12, 2, 0)
    assert (found.low, found.high) == pytest.approx((0.0569, 0.3404), abs=5.1e-5)


def test_tango_1998_score_limits_36_12_2_0() -> None:
    found = tango(50, 12, 2)
    assert (found.low, found.high) == pytest.approx((0.0611, 0.3447), abs=5.1e-5)


@pytest.mark.parametrize(
    ("rate", "one_sided", "two_sided"), [(0.05, 59, 72), (0.01, 299, 368), (0.001, 2995, 3688)]
)
def test_clusters_that_zero_violations_need(rate: float, one_sided: int, two_sided: int) -> None:
    assert clusters_to_exclude(rate, sided=1) == one_sided
    assert clusters_to_exclude(rate, sided=2) == two_sided
    assert zero_event_limit(one_sided) <= rate < zero_event_limit(one_sided - 1)


@pytest.mark.parametrize(("rate", "n"), [(0.05, 73), (0.01, 381), (0.001, 3838)])
def test_wilson_needs_a_few_more_items_at_zero_events(rate: float, n: int) -> None:
    assert wilson(0, n).high < rate <= wilson(0, n - 1).high


# ------------------------------------------------------------------------------------ clustered rates


def test_effective_items_by_hand() -> None:
    # Clusters (0,1), (1,0), (0,0): residual sums 1/3, 1/3, -2/3; V = 3/2 (6/9)/36 = 1/36; deff = 27/36, taken
    # as 1, and with two clusters of three telling (2/4 + 2 x 1)/(1/4 + 2) = 10/9.
    found = clustered_rate([0, 1, 1, 0, 0, 0], ["a", "a", "b", "b", "c", "c"])
    z, t = 1.959963984540054, 4.302652729911275
    assert found.design_effect == pytest.approx(10 / 9)
    assert found.n_effective == pytest.approx(6 * 9 / 10 * (z / t) ** 2)
    expected = wilson(2 / 6 * found.n_effective, found.n_effective)
    assert (found.low, found.high) == (expected.low, expected.high)


def test_the_cluster_variance_is_that_of_statsmodels() -> None:
    linear = pytest.importorskip("statsmodels.regression.linear_model", reason="statsmodels is a test extra")
    rng = np.random.default_rng(4)
    ids = rng.integers(0, 12, 90)
    values = rng.normal(size=90) + rng.normal(size=12)[ids]
    fit = linear.OLS(values, np.ones(90)).fit(cov_type="cluster", cov_kwds={"groups": ids})
    found = clustered_mean(values, ids)
    # statsmodels multiplies by G/(G-1) and by (n-1)/(n-k), which is 1 for a constant.
    assert found.standard_error == pytest.approx(float(fit.bse[0]), rel=1e-9)


def test_zero_events_count_clusters_and_not_items() -> None:
    found = clustered_rate([0] * 60, [i // 6 for i in range(60)])
    assert found.n_effective == 10
    assert found.high == pytest.approx(wilson(0, 10).high)
    everything = clustered_rate([1] * 60, [i // 6 for i in range(60)])
    assert (everything.low, everything.high) == pytest.approx((1 - found.high, 1.0))


def test_one_cluster_is_one_observation_and_says_so() -> None:
    found = clustered_rate([0, 1, 1, 0], ["only"] * 4)
    assert found.n_effective == 1
    assert "one cluster" in found.method
    assert (found.low, found.high) == pytest.approx((wilson(0.5, 1).low, wilson(0.5, 1).high))


def test_one_item_per_cluster_is_plain_wilson() -> None:
    found, plain = clustered_rate([1] * 5 + [0] * 95, range(100)), wilson(5, 100)
    assert (found.low, found.high) == (plain.low, plain.high)
    exact = korn_graubard([1] * 5 + [0] * 95, range(100))
    assert (exact.low, exact.high) == (clopper_pearson(5, 100).low, clopper_pearson(5, 100).high)


@settings(max_examples=40)
@given(clustered)
def test_intervals_hold_their_rate_and_are_never_nan(rows: list[tuple[int, int]]) -> None:
    broken, ids = [row[0] for row in rows], [row[1] for row in rows]
    found, exact = clustered_rate(broken, ids), korn_graubard(broken, ids)
    assert 0 <= found.low <= found.rate <= found.high <= 1
    assert found.low < found.high
    assert found.n_effective > 0
    assert exact.low <= found.rate + 1e-12 and exact.high >= found.rate - 1e-12


@settings(max_examples=40)
@given(clustered, st.integers(2, 4))
def test_copies_within_clusters_add_no_information(rows: list[tuple[int, int]], times: int) -> None:
    broken, ids = [row[0] for row in rows], [row[1] for row in rows]
    once, often = clustered_rate(broken, ids), clustered_rate(broken * times, ids * times)
    sizes, sums = cluster_sums(broken, ids)
    n, rate, groups = len(broken), np.mean(broken), len(sizes)
    if groups == n:
        assert often.n_effective <= once.n_effective * (1 + 1e-9)
    elif (
        rate in (0, 1)
        or groups == 1
        or (groups / (groups - 1) * ((sums - rate * sizes) ** 2).sum() >= n * rate * (1 - rate))
    ):
        assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-9)
    else:
        # Clusters more even than chance makes them are taken for even by chance, so that copies still count.
        assert once.n_effective * (1 - 1e-9) <= often.n_effective <= times * once.n_effective
    assert upper_limit(broken * times, ids * times) == pytest.approx(upper_limit(broken, ids), abs=1e-9)


@settings(max_examples=40)
@given(clustered)
def test_swapping_kept_and_broken_mirrors_everything(rows: list[tuple[int, int]]) -> None:
    broken, ids = np.array([row[0] for row in rows]), [row[1] for row in rows]
    found, mirror = clustered_rate(broken, ids), clustered_rate(1 - broken, ids)
    assert (mirror.low, mirror.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-9)
    assert upper_limit(1 - broken, ids) == pytest.approx(1 - lower_limit(broken, ids), abs=1e-9)


def test_missing_judgements_widen_to_best_and_worst() -> None:
    bounds = bounds_under_missing([0, 0, 1, 0], [1, 1, 2, 2], [3, 3])
    assert (bounds.best.rate, bounds.worst.rate) == pytest.approx((1 / 6, 3 / 6))
    assert (bounds.unscored, bounds.unscored_share) == (2, pytest.approx(1 / 3))
    assert bounds.best.clusters == bounds.worst.clusters == 3
    nothing = bounds_under_missing([], [], ["a", "b"])
    assert (nothing.best.rate, nothing.worst.rate) == (0.0, 1.0)


# ------------------------------------------------------------------------------------ limits for verdicts


@pytest.mark.parametrize(("x", "n"), [(1, 1), (1, 30), (7, 40), (40, 80), (6, 6), (3, 400)])
@pytest.mark.parametrize("alpha", [0.3, 0.05, 0.05 / 200, 1e-9])
def test_limits_of_whole_clusters_are_clopper_pearson(x: int, n: int, alpha: float) -> None:
    broken = [1] * x + [0] * (n - x)
    assert lower_limit(broken, range(n), alpha) == pytest.approx(
        special.betaincinv(x, n - x + 1, alpha), rel=1e-7
    )
    # The same clusters with several items each: nothing is gained by asking the same thing five times.
    repeated = lower_limit(np.repeat(broken, 5), np.repeat(np.arange(n), 5), alpha)
    assert repeated == pytest.approx(lower_limit(broken, range(n), alpha), rel=1e-9)


def test_zero_and_all_events_have_closed_forms() -> None:
    assert upper_limit([0] * 59, range(59)) == pytest.approx(1 - 0.05 ** (1 / 59), rel=1e-9)
    assert upper_limit([0] * 59, range(59)) == pytest.approx(zero_event_limit(59), rel=1e-9)
    assert lower_limit([1] * 6, range(6)) == pytest.approx(0.05 ** (1 / 6), rel=1e-9)
    assert p_violated([1] * 6, range(6), 0.05) == pytest.approx(0.05**6, rel=1e-9)
    assert p_compliant([0] * 59, range(59), 0.05) == pytest.approx(0.95**59, rel=1e-9)
    assert lower_limit([0] * 9, range(9)) == 0.0
    assert upper_limit([1] * 9, range(9)) == 1.0


def test_clusters_with_one_common_share_follow_markov() -> None:
    # Every cluster at 2/5: E[share] <= b allows shares of at least 2/5 with chance at most 5b/2, in all of six.
    broken, ids = np.tile([1, 1, 0, 0, 0], 6), np.repeat(np.arange(6), 5)
    assert p_violated(broken, ids, 0.05) == pytest.approx((0.05 / 0.4) ** 6, rel=1e-9)
    assert lower_limit(broken, ids, 0.01) == pytest.approx(0.4 * 0.01 ** (1 / 6), rel=1e-9)


def test_p_values_equal_the_integral_of_a_b_spline() -> None:
    """The mean of values under uniform simplex weights has a B-spline density (Curry & Schoenberg 1966)."""
    shares = np.array([0.05, 0.21, 0.3, 0.48, 0.9])
    knots = np.concatenate([[0.0], shares])
    density = BSpline.basis_element(knots, extrapolate=False)
    bounds = np.array([0.02, 0.1, 0.25, 0.45, 0.7])
    expected = []
    for bound in bounds:
        pieces = np.unique(np.concatenate([knots[knots < bound], [bound]]))
        x, w = np.polynomial.legendre.leggauss(12)
        value = sum(
            (b - a) / 2 * float(w @ density((a + b) / 2 + (b - a) / 2 * x))
            for a, b in itertools.pairwise(pieces)
        )
        expected.append(value * (len(knots) - 1) / (knots[-1] - knots[0]))
    found = gaffke_p(np.tile(shares, (5, 1)), np.ones((5, 5)), bounds)
    assert found == pytest.approx(expected, rel=1e-10)


def test_p_values_keep_their_relative_accuracy_far_out() -> None:
    for n, x, bound in [(80, 80, 0.05), (400, 3, 0.0001), (3000, 20, 0.001), (5000, 1, 1e-7)]:
        found = gaffke_p(np.array([[0.0, 1.0]]), np.array([[n - x, float(x)]]), np.array([bound]))
        assert found[0] == pytest.approx(special.betainc(x, n - x + 1, bound), rel=1e-6)


@settings(max_examples=40)
@given(clustered, st.floats(0.01, 0.6), st.floats(1e-6, 0.4))
def test_a_limit_passes_the_tolerance_exactly_when_its_p_value_passes_alpha(
    rows: list[tuple[int, int]], tolerance: float, alpha: float
) -> None:
    broken, ids = [row[0] for row in rows], [row[1] for row in rows]
    low, p = lower_limit(broken, ids, alpha), p_violated(broken, ids, tolerance)
    if abs(p - alpha) > 1e-9:
        assert (low > tolerance) == (p < alpha)
    high, p = upper_limit(broken, ids, alpha), p_compliant(broken, ids, tolerance)
    if abs(p - alpha) > 1e-9:
        assert (high <= tolerance) == (p < alpha)


@settings(max_examples=40)
@given(clustered, st.data())
def test_one_more_broken_item_never_helps_the_arm(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    broken, ids = np.array([row[0] for row in rows]), [row[1] for row in rows]
    worse = broken.copy()
    worse[data.draw(st.integers(0, len(rows) - 1))] = 1
    assert lower_limit(worse, ids) >= lower_limit(broken, ids) - 1e-10
    assert upper_limit(worse, ids) >= upper_limit(broken, ids) - 1e-10


def test_beta_quantiles_on_effective_items_would_reward_the_first_violation() -> None:
    """Why verdicts do not use them: 0 of 150 in 30 clusters gives no certificate, 1 of 150 would."""
    ids = np.repeat(np.arange(30), 5)
    clean, one = np.zeros(150), np.zeros(150)
    one[0] = 1
    assert korn_graubard(clean, ids, 0.9).high > 0.05 >= korn_graubard(one, ids, 0.9).high
    assert 0.05 < upper_limit(clean, ids) < upper_limit(one, ids)


def _profiles(clusters: int, values: int) -> np.ndarray:
    rows = itertools.product(range(clusters + 1), repeat=values - 1)
    kept = np.array([row for row in rows if sum(row) <= clusters])
    return np.column_stack([kept, clusters - kept.sum(axis=1)]).astype(float)


def _worst_ratio(p: np.ndarray, chance: np.ndarray) -> float:
    """Largest P(p <= a) / a over the attained a: at most 1 for a valid p-value."""
    order = np.argsort(p)
    attained, cumulative = p[order], np.cumsum(chance[order])
    last = np.append(attained[1:] > attained[:-1] * (1 + 1e-9), True) & (attained > 1e-12)
    return float((cumulative[last] / attained[last]).max())


def _adversary(trials: int, seed: int) -> float:
    """The worst ratio over random distributions of cluster shares on three or four values, enumerated."""
    rng, worst = np.random.default_rng(seed), 0.0
    for trial in range(trials):
        clusters, values = [(2, 3), (3, 4), (5, 3), (8, 3), (6, 4)][trial % 5]
        counts = _profiles(clusters, values)
        share = np.sort(rng.beta(0.4, 0.4, values))
        share[0] *= trial % 2
        weight = rng.dirichlet(np.full(values, rng.choice([0.2, 0.5, 1.0])))
        chance = np.exp(
            special.gammaln(clusters + 1)
            - special.gammaln(counts + 1).sum(axis=1)
            + special.xlogy(counts, weight).sum(axis=1)
        )
        mean = np.full(len(counts), float(weight @ share))
        worst = max(worst, _worst_ratio(gaffke_p(np.tile(share, (len(counts), 1)), counts, mean), chance))
    return worst


def test_no_distribution_of_cluster_shares_breaks_the_p_values() -> None:
    assert _adversary(150, seed=1) <= 1 + 1e-9


@pytest.mark.slow
def test_no_distribution_of_cluster_shares_breaks_the_p_values_in_many_trials() -> None:
    assert _adversary(6000, seed=2) <= 1 + 1e-9


def test_clusters_of_unlike_sizes_do_not_break_the_p_values() -> None:
    """Independent clusters of fixed, different sizes with one rate: shares are not identically distributed."""
    rng, worst = np.random.default_rng(7), 0.0
    for _ in range(60):
        sizes, rate = rng.integers(1, 6, rng.integers(2, 6)), rng.choice([0.01, 0.05, 0.3, 0.95, 0.99])
        outcomes = np.array(list(itertools.product(*(range(size + 1) for size in sizes))))
        chance = np.prod(
            special.binom(sizes, outcomes) * rate**outcomes * (1 - rate) ** (sizes - outcomes), axis=1
        )
        p = gaffke_p(outcomes / sizes, np.ones(outcomes.shape), np.full(len(outcomes), rate))
        worst = max(worst, _worst_ratio(p, chance))
    assert worst <= 1 + 1e-9


def test_limits_never_exclude_the_observed_share_of_items() -> None:
    # 200 single kept items and one cluster of 50 broken ones: 0.5 % of clusters, but 20 % of items.
    broken, ids = [0] * 200 + [1] * 50, [*range(200)] + [200] * 50
    assert upper_limit(broken, ids) == pytest.approx(0.2)
    assert p_compliant(broken, ids, 0.05) == 1.0
    assert p_violated(broken, ids, 0.05) > 0.05


# ------------------------------------------------------------------------------------ differences, means


@settings(max_examples=40)
@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30), st.integers(1, 30))
def test_swapping_the_arms_mirrors_the_difference(x1: int, n1: int, x2: int, n2: int) -> None:
    one = newcombe_unpaired(min(x1, n1), n1, min(x2, n2), n2)
    two = newcombe_unpaired(min(x2, n2), n2, min(x1, n1), n1)
    assert (two.low, two.high) == pytest.approx((-one.high, -one.low))


@settings(max_examples=40)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_paired_intervals_hold_their_value_and_mirror(a: int, b: int, c: int, d: int) -> None:
    if a + b + c + d == 0:
        return
    for one, two in (
        (newcombe_paired(a, b, c, d), newcombe_paired(a, c, b, d)),
        (tango(a + b + c + d, b, c), tango(a + b + c + d, c, b)),
    ):
        assert -1 <= one.low <= one.value + 1e-9 and one.value - 1e-9 <= one.high <= 1
        assert one.low < one.high
        assert (two.low, two.high) == pytest.approx((-one.high, -one.low), abs=1e-9)


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 40))
def test_tango_limits_solve_the_score_equation(n: int, b: int, c: int) -> None:
    """Slower version: the restricted likelihood is maximised on a grid."""
    n += b + c
    found = tango(n, b, c)
    for limit in (found.low, found.high):
        if abs(limit) > 1 - 1e-6:
            continue
        q = np.linspace(max(0.0, -limit) + 1e-9, (1 - limit) / 2 - 1e-9, 200_001)  # P(second only)
        fit = special.xlogy(b, q + limit) + special.xlogy(c, q) + special.xlogy(n - b - c, 1 - 2 * q - limit)
        best = float(q[np.argmax(fit)])
        variance = n * (2 * best + limit * (1 - limit))
        assert (b - c - n * limit) ** 2 == pytest.approx(1.959963984540054**2 * variance, rel=2e-3, abs=2e-3)


def test_unpaired_difference_of_clustered_rates_uses_their_limits() -> None:
    rng = np.random.default_rng(3)
    ids = np.repeat(np.arange(20), 5)
    first, second = clustered_rate(rng.random(100) < 0.4, ids), clustered_rate(rng.random(100) < 0.2, ids)
    found = rate_difference(first, second)
    assert found.low == pytest.approx(
        found.value - math.hypot(first.rate - first.low, second.high - second.rate)
    )
    with pytest.raises(StatisticsError, match="levels"):
        rate_difference(first, clustered_rate([0, 1], [1, 2], 0.9))


def test_paired_clusters_of_one_are_tango() -> None:
    first = [1] * 48 + [0] * 2
    second = [1] * 36 + [0] * 12 + [1] * 2
    found, plain = paired_rate_difference(first, second, range(50)), tango(50, 12, 2)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


def test_pairs_without_discordance_rest_on_clusters() -> None:
    found = paired_rate_difference([1, 1, 0, 0] * 5, [1, 1, 0, 0] * 5, np.repeat(np.arange(10), 2))
    expected = tango(10, 0, 0)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.low < 0 < found.high


def test_paired_difference_is_the_mean_of_differences() -> None:
    rng = np.random.default_rng(8)
    first, second, ids = rng.random(40), rng.random(40), np.repeat(np.arange(10), 4)
    assert paired_difference(first, second, ids) == clustered_mean(first - second, ids)


# ------------------------------------------------------------------------------------ failures


@pytest.mark.parametrize("function", [clustered_rate, korn_graubard, lower_limit, upper_limit])
def test_nothing_scored_is_a_named_error(function: object) -> None:
    assert callable(function)
    with pytest.raises(StatisticsError, match="nothing was scored"):
        function([], [])


@pytest.mark.parametrize("bad", [[0, 1, float("nan")], [0, 1, 2], [0.5, 1, 0]])
def test_a_missing_judgement_is_not_a_value(bad: list[float]) -> None:
    with pytest.raises(StatisticsError, match="unscored"):
        clustered_rate(bad, [1, 2, 3])


def test_wrong_shapes_and_levels_are_named() -> None:
    with pytest.raises(StatisticsError, match="cluster ids"):
        clustered_rate([0, 1], [1])
    with pytest.raises(StatisticsError, match="one row"):
        clustered_rate([[0, 1]], [1])
    with pytest.raises(StatisticsError, match="level"):
        wilson(1, 2, 1.0)
    with pytest.raises(StatisticsError, match="alpha"):
        lower_limit([1], [1], 0.0)
    with pytest.raises(StatisticsError, match="broken items"):
        wilson(3, 2)
    with pytest.raises(StatisticsError, match="no items"):
        clopper_pearson(0, 0)
    with pytest.raises(StatisticsError, match="no clusters"):
        zero_event_limit(0)
    with pytest.raises(StatisticsError, match="sided"):
        zero_event_limit(10, sided=3)
    with pytest.raises(StatisticsError, match="strictly between"):
        clusters_to_exclude(0.0)
    with pytest.raises(StatisticsError, match="pairs"):
        tango(3, 2, 2)
    with pytest.raises(StatisticsError, match="pairs"):
        newcombe_paired(0, 0, 0, 0)
    with pytest.raises(StatisticsError, match="nothing was scored"):
        bounds_under_missing([], [], [])


def test_a_mean_without_variation_between_clusters_has_no_interval() -> None:
    with pytest.raises(StatisticsError, match="no variation"):
        clustered_mean([0.5] * 6, [1, 1, 2, 2, 3, 3])
    with pytest.raises(StatisticsError, match="one cluster"):
        clustered_mean([0.1, 0.2], [1, 1])
    with pytest.raises(StatisticsError, match="finite"):
        clustered_mean([0.1, float("nan")], [1, 2])


@pytest.mark.parametrize(
    "ids", [[3, 3, 9], ["a", "a", "b"], [("s", 1), ("s", 1), ("s", 2)], np.array(["x", "x", "y"])]
)
def test_clusters_may_be_named_by_anything(ids: Clusters) -> None:
    found = clustered_rate([0, 1, 1], ids)
    assert found.clusters == 2
    assert found == clustered_rate([0, 1, 1], [0, 0, 1])


@settings(max_examples=25)
@given(st.floats(1e-9, 0.9), st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_the_inverse_inverts(alpha: float, shares: list[float]) -> None:
    row, counts = np.array([shares]), np.ones((1, len(shares)))
    limit = gaffke_lower(row, counts, alpha)
    if max(shares) > 1e-6:
        assert gaffke_p(row, counts, limit)[0] == pytest.approx(alpha, rel=1e-4)
