"""Figures: honest axes, positions that follow the numbers, nothing drawn that was not measured."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govaudit.reports import figures
from govaudit.reports.figures import Axis, bar, coefficient_axis, interval, rate_axis

shares = st.floats(0, 1, allow_nan=False)


@given(st.lists(st.one_of(st.none(), shares), max_size=20))
def test_the_rate_axis_starts_at_zero_and_holds_every_value(values: list[float | None]) -> None:
    axis = rate_axis(values)
    assert axis.low == 0
    assert all(axis.holds(value) for value in values if value is not None)


@pytest.mark.parametrize(
    ("top", "end"), [(0.03, 0.1), (0.1, 0.1), (0.11, 0.25), (0.26, 0.5), (0.51, 1.0), (1.0, 1.0)]
)
def test_the_rate_axis_is_the_shortest_that_holds_all(top: float, end: float) -> None:
    assert rate_axis([0.0, top, None]).high == end


def test_without_values_the_rate_axis_is_the_whole_range() -> None:
    assert rate_axis([]).high == 1.0
    assert rate_axis([None, float("nan")]).high == 1.0


def test_ticks_include_both_ends_at_equal_distances() -> None:
    assert rate_axis([0.2]).ticks == pytest.approx((0, 0.05, 0.1, 0.15, 0.2, 0.25))
    assert rate_axis([0.9]).ticks == pytest.approx((0, 0.25, 0.5, 0.75, 1))


def test_the_coefficient_axis_shows_negative_values_where_there_are_some() -> None:
    assert (coefficient_axis([0.3, 0.9, None]).low, coefficient_axis([0.3, -0.01]).low) == (0.0, -1.0)


@given(a=shares, b=shares)
def test_positions_keep_the_order_of_values(a: float, b: float) -> None:
    axis = rate_axis([1.0])
    assert (axis.at(a) <= axis.at(b)) == (a <= b) or axis.at(a) == pytest.approx(axis.at(b))


def drawing(**numbers: object) -> ET.Element:
    settings: dict[str, object] = {"value": 0.2, "low": 0.1, "high": 0.4, "label": "x"} | numbers
    axis = settings.pop("axis", Axis(0.0, 0.5, 5))
    text = interval(axis, settings.pop("value"), settings.pop("low"), settings.pop("high"), **settings)  # type: ignore[arg-type]
    return ET.fromstring(str(text))


def test_an_interval_is_drawn_from_its_lower_to_its_upper_limit() -> None:
    line = drawing().find("line[@class='fi s-inconclusive']")
    assert line is not None
    assert (line.get("x1"), line.get("x2")) == ("20%", "80%")


def test_the_tolerance_is_marked_where_the_axis_holds_it() -> None:
    mark = drawing(mark=0.05).find("line[@class='fm']")
    assert mark is not None and mark.get("x1") == "10%"
    assert drawing(mark=0.9).find("line[@class='fm']") is None


def test_a_rate_without_value_draws_no_point_and_without_interval_no_line() -> None:
    empty = drawing(value=None, low=None, high=None, best=0.0, worst=0.5)
    assert empty.find("use") is None and empty.find("line") is None
    band = empty.find("rect[@class='fb']")
    assert band is not None and float(str(band.get("width")).rstrip("%")) == 100


def test_what_is_no_number_is_not_drawn() -> None:
    nan = float("nan")
    empty = drawing(value=nan, low=0.1, high=nan, best=nan, worst=0.5, mark=nan)
    assert [node.tag for node in empty] == ["title"]


def test_bounds_that_meet_draw_no_band() -> None:
    assert drawing(best=0.2, worst=0.2).find("rect") is None


def test_a_label_is_text_and_never_markup() -> None:
    svg = drawing(label="</title><script>alert(1)</script>")
    assert svg.findtext("title") == "</title><script>alert(1)</script>"
    assert svg.find("script") is None


def test_the_parts_of_a_bar_fill_its_width_in_proportion() -> None:
    svg = ET.fromstring(str(bar({"violated": 1, "compliant": 0, "untested": 3}, label="x")))
    rects = svg.findall("rect")
    assert [rect.get("class") for rect in rects] == ["b-violated", "b-untested"]
    assert [float(str(rect.get("width")).rstrip("%")) for rect in rects] == [25, 75]


def test_a_bar_of_nothing_is_empty() -> None:
    assert ET.fromstring(str(bar({"violated": 0}, label="none"))).find("rect") is None


def test_figures_use_no_style_that_the_content_policy_would_refuse() -> None:
    text = str(interval(Axis(0.0, 1.0, 4), 0.5, 0.4, 0.6, label="x")) + str(bar({"violated": 1}, label="x"))
    assert not re.search(r"style=|<script|on\w+=", text)
    assert figures.HEIGHT % 2 == 0
