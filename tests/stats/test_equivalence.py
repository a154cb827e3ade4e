"""Equivalence, dominance and slopes against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from govaudit.errors import StatisticsError
from govaudit.stats.equivalence import dominance, equivalence, slope
from govaudit.stats.intervals import tango


def test_equal_arms_are_equivalent_only_once_there_are_enough_items() -> None:
    few, many = np.zeros(20), np.zeros(400)
    assert not equivalence(few, few, range(20), 0.05).equivalent
    assert equivalence(many, many, range(400), 0.05).equivalent


def test_the_interval_is_that_of_two_one_sided_tests() -> None:
    # 12 items only the first breaks, 8 only the second, 180 alike: Tango (1998) at 90 %.
    first = np.array([1.0] * 12 + [0.0] * 8 + [0.0] * 180)
    second = np.array([0.0] * 12 + [1.0] * 8 + [0.0] * 180)
    found = equivalence(first, second, range(200), 0.05).difference
    expected = tango(200, 12, 8, 0.90)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert found.value == pytest.approx(0.02)


def test_a_true_difference_beyond_the_margin_is_seldom_called_equivalent() -> None:
    rng = np.random.default_rng(5)
    called = 0
    for _ in range(300):
        second = (rng.random(200) < 0.2).astype(float)
        first = np.where(rng.random(200) < 0.0625, 1.0, second)  # .2 + .8 x .0625 = .25: at the margin
        called += equivalence(first, second, range(200), 0.05).equivalent
    assert called / 300 <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5


def test_effects_on_the_diagonal_dominate_and_three_arms_can_show_it_at_one_in_six() -> None:
    found = dominance([[0.8, 0.1, 0.1], [0.0, 0.7, 0.1], [0.1, 0.0, 0.9]], np.eye(3))
    assert found.value == pytest.approx((0.7 + 0.65 + 0.85) / 3)
    assert (found.p, found.least_p) == (pytest.approx(1 / 6), pytest.approx(1 / 6))


def test_an_effect_on_everything_is_no_dominance() -> None:
    assert dominance([[0.8, 0.8], [0.8, 0.8]], np.eye(2)).p == 1.0
    assert dominance([[0.9, 0.1], [0.9, 0.1]], np.eye(2)).p == 1.0


@pytest.mark.parametrize("aims", [[[1, 1], [0, 1]], [[1, 0], [1, 0]], [[0, 0], [0, 1]]])
def test_aims_that_leave_nothing_to_compare_are_refused(aims: list[list[int]]) -> None:
    with pytest.raises(StatisticsError):
        dominance([[0.1, 0.2], [0.3, 0.4]], aims)


def test_a_slope_with_known_errors_is_what_the_formula_says() -> None:
    # x = 0, 1, 2; weights -1/2, 0, 1/2; half width 1.959964 * sqrt(.1^2/4 + .2^2/4).
    value, interval = slope([0, 1, 2], [1.0, 5.0, 2.0], [0.1, 9.0, 0.2])
    assert value == pytest.approx(0.5)
    assert interval.high - value == pytest.approx(1.959964 * 0.05**0.5 / 2, abs=1e-6)
    with pytest.raises(StatisticsError):
        slope([1, 1], [0.0, 1.0], [0.1, 0.1])
