"""Sample sizes against published values; where a printed value was rounded or searched coarsely, it is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from govaudit.errors import StatisticsError
from govaudit.stats import power
from govaudit.stats.power import (
    design_effect,
    exact_power,
    exact_sample_size,
    items_for_mean_difference,
    items_per_arm,
    pairs_needed,
    working_level,
)


@pytest.mark.parametrize(
    ("null", "alternative", "alpha", "in_fives", "smallest"),
    [(0.01, 0.03, 0.05, 305, 301), (0.01, 0.03, 0.005, 495, 491), (0.01, 0.05, 0.005, 180, 180), (0.05, 0.10, 0.005, 300, 300)],
)  # fmt: skip
def test_exact_one_sided_samples_per_clause(
    null: float, alternative: float, alpha: float, in_fives: int, smallest: int
) -> None:
    """A search in steps of five gives 305 and 495; the smallest numbers are 301 and 491."""
    fives = range(5, 1000, 5)
    assert next(n for n in fives if exact_power(n, null, alternative, alpha).power >= 0.8) == in_fives
    found = exact_sample_size(null, alternative, alpha)
    assert found.n == smallest
    assert found.power >= 0.8 > exact_power(smallest - 1, null, alternative, alpha).power
    assert found.size <= alpha


def test_the_saw_tooth_is_reported() -> None:
    found = exact_sample_size(0.01, 0.03, 0.05)
    assert found.sustained == 340
    assert exact_power(339, 0.01, 0.03).power < 0.8
    assert min(exact_power(n, 0.01, 0.03).power for n in range(340, 700)) >= 0.8


def test_a_certificate_by_silence_needs_the_zero_event_clusters() -> None:
    found = exact_sample_size(0.05, 0.0)
    assert (found.n, found.critical, found.power) == (59, 0, 1.0)
    assert power.clusters_to_exclude(0.05) == 59
    assert power.zero_event_limit(59) == pytest.approx(1 - 0.05 ** (1 / 59))


def test_certificates_for_arms_that_break_sometimes() -> None:
    found = exact_sample_size(0.05, 0.02)
    assert (
        stats.binom.cdf(found.critical, found.n, 0.05)
        <= 0.05
        < stats.binom.cdf(found.critical + 1, found.n, 0.05)
    )
    assert found.n == 234


def test_two_rates_five_and_eight_per_cent() -> None:
    # 1046.3 by arcsines (Cohen 1988) and 1058.9 by variances (Fleiss 2003): items come whole.
    assert items_per_arm(0.05, 0.08, form="arcsine") == 1047
    assert items_per_arm(0.05, 0.08) == 1059
    assert items_per_arm(0.08, 0.05) == 1059


@pytest.mark.parametrize(("first", "second", "printed"), [(0.08, 0.05, 1131), (0.2, 0.1, 233)])
def test_connor_1987_pairs(first: float, second: float, printed: int) -> None:
    """Connor 1987, Biometrics 43:207: 1131.4 and 233.1, which a plan rounds up."""
    assert pairs_needed(first, second) == printed + 1
    assert pairs_needed(second, first) == printed + 1


def test_miller_2024_questions() -> None:
    """arXiv 2411.00640, section 5: omega^2 = 1/9, a difference of .03, 80 % power."""
    assert items_for_mean_difference(0.03, 1 / 9) == 969
    assert items_for_mean_difference(0.03, 1 / 9, variance_first=1 / 6, variance_second=1 / 6) == 3876
    ten = items_for_mean_difference(
        0.03, 1 / 9, variance_first=1 / 6, variance_second=1 / 6, samples_first=10, samples_second=10
    )
    assert ten == 1260


def test_planning_factors() -> None:
    assert design_effect(10, 0.2) == pytest.approx(2.8)
    assert design_effect(1, 0.7) == 1.0
    assert working_level(0.05, 300, 30) == pytest.approx(0.005)
    assert working_level(0.05, 300, 0) == pytest.approx(0.05 / 300)


@settings(max_examples=10)
@given(st.sampled_from([0.01, 0.05, 0.2]), st.floats(0.04, 0.2), st.sampled_from([0.05, 0.005]))
def test_a_larger_gap_never_needs_more_items(null: float, gap: float, alpha: float) -> None:
    near, far = exact_sample_size(null, null + gap, alpha), exact_sample_size(null, null + gap + 0.05, alpha)
    assert far.n <= near.n <= near.sustained
    assert pairs_needed(gap + 0.05, 0.01) <= pairs_needed(gap, 0.01)


def test_what_cannot_be_planned_is_refused() -> None:
    with pytest.raises(StatisticsError, match="two different rates"):
        exact_sample_size(0.05, 0.05)
    with pytest.raises(StatisticsError, match="more than 500 items"):
        exact_sample_size(0.05, 0.051, most=500)
    with pytest.raises(StatisticsError, match="at least one item"):
        exact_power(0, 0.05, 0.1)
    with pytest.raises(StatisticsError, match="alpha"):
        exact_power(10, 0.05, 0.1, alpha=0)
    with pytest.raises(StatisticsError, match="power"):
        pairs_needed(0.2, 0.1, power=1.0)
    with pytest.raises(StatisticsError, match="different shares"):
        pairs_needed(0.1, 0.1)
    with pytest.raises(StatisticsError, match="difference other than 0"):
        items_for_mean_difference(0.0, 0.1)
    with pytest.raises(StatisticsError, match="at least once"):
        items_for_mean_difference(0.1, 0.1, samples_first=0)
    with pytest.raises(StatisticsError, match="cluster size"):
        design_effect(0.5, 0.1)
    with pytest.raises(StatisticsError, match="rejections"):
        working_level(0.05, 3, 4)


def test_a_half_width_is_reached_by_the_number_found_and_by_no_smaller_one() -> None:
    for width, rate in ((0.05, 0.5), (0.1, 0.5), (0.05, 0.05), (0.02, 0.0)):
        n = power.items_for_half_width(width, rate)
        assert power.half_width(n, rate) <= width < power.half_width(n - 1, rate)
    assert power.items_for_half_width(0.05) == 381


def test_the_sum_of_further_values_lies_in_its_prediction_interval_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(600):
        values = rng.normal(10, 3, 25)
        found = power.predicted_total(values, 40)
        held += found.low <= rng.normal(10, 3, 40).sum() <= found.high
    assert 0.93 <= held / 600 <= 0.97


def test_a_prediction_needs_two_values() -> None:
    with pytest.raises(StatisticsError):
        power.predicted_total([1.0], 5)


def test_values_on_a_line_give_the_sum_on_that_line() -> None:
    sizes = [10.0, 20.0, 40.0, 70.0]
    value, found = power.predicted_total_by_size([3 + 2 * size for size in sizes], sizes, 5, 300.0)
    assert value == pytest.approx(5 * 3 + 2 * 300)
    assert found.high - found.low == pytest.approx(0, abs=1e-6)
    with pytest.raises(StatisticsError):
        power.predicted_total_by_size([1.0, 2.0, 3.0], [5.0, 5.0, 5.0], 5, 25.0)
