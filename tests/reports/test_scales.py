"""How numbers of a scale are written, and axes with round ends that hold them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govaudit.reports import scales
from govaudit.reports.part import Estimate
from govaudit.reports.shown import Scale

numbers = st.floats(-1e9, 1e9, allow_nan=False)


def about(value: float, reach: float) -> Estimate:
    return Estimate(value=value, low=value - reach, high=value + reach)


@pytest.mark.parametrize(
    ("scale", "value", "text"),
    [
        ("share", 0.123, "12.3"),
        ("coefficient", -0.456, "−0.46"),
        ("elo", 1_234.6, "1,235"),
        ("elo", -0.2, "0"),
    ],
)
def test_each_scale_has_its_way_of_writing(scale: Scale, value: float, text: str) -> None:
    assert scales.form(scale, [])(value) == text


def test_numbers_that_stand_together_have_as_many_decimals_as_the_shortest_interval_bears() -> None:
    write = scales.form("number", [about(3.2, 0.4), about(120.0, 15.0)])
    assert (write(3.2), write(120.0)) == ("3.20", "120.00")
    assert scales.form("number", [about(123_456.7, 5_000)])(123_456.7) == "123,457"
    assert scales.form("number", [Estimate(value=0.0123, undefined="x")])(0.0123) == "0.0123"
    assert scales.form("number", [])(7.0) == "7"


@given(st.lists(numbers, min_size=1, max_size=8))
def test_a_round_axis_holds_every_value_in_four_or_five_steps(values: list[float]) -> None:
    axis = scales.round_axis(values)
    slack = 1e-6 * (axis.high - axis.low)
    assert axis.steps in (4, 5)
    assert axis.low - slack <= min(values) and max(values) <= axis.high + slack


def test_a_round_axis_is_not_much_longer_than_its_values() -> None:
    axis = scales.round_axis([812.0, 1284.0])
    assert (axis.low, axis.high, axis.steps) == (800.0, 1300.0, 5) or axis.high - axis.low <= 1000


def test_zero_lies_on_a_grid_line_of_an_axis_that_crosses_it() -> None:
    assert any(abs(tick) < 1e-9 for tick in scales.round_axis([-0.13, 0.21]).ticks)


def test_differences_of_shares_and_coefficients_get_an_axis_that_holds_them() -> None:
    assert scales.axis("share", [-0.1, 0.2]).low < 0
    assert scales.axis("share", [0.1, 0.2]).high == 0.25
    assert scales.axis("coefficient", [0.2]).high == 1.0
    assert scales.axis("coefficient", [-1.4]).low <= -1.4


@pytest.mark.parametrize(
    ("value", "text"), [(5.551e-17, "0"), (-0.0, "0"), (-0.25, "−25"), (0.1 + 0.2, "30")]
)
def test_ticks_show_no_rest_of_a_sum_and_no_negative_zero(value: float, text: str) -> None:
    assert scales.tick("share", value) == text
