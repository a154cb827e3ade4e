"""Figures over two axes: places follow the numbers, intervals are always drawn, labels can be read."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import combinations
from types import ModuleType

import pytest

from govaudit.reports import charts
from govaudit.reports.part import Estimate
from govaudit.reports.shown import Curves, Line, Plane, Point


def about(value: float, reach: float) -> Estimate:
    return Estimate(value=value, low=value - reach, high=value + reach)


def drawn(figure: Plane | Curves) -> ET.Element:
    return ET.fromstring(str(charts.plane(figure) if isinstance(figure, Plane) else charts.curves(figure)))


def plane(*points: Point, path: tuple[str, ...] = ()) -> Plane:
    return Plane("p", "caption", "x", "y", points, path, x_scale="share", y_scale="share")


def of(svg: ET.Element, tag: str, look: str) -> list[ET.Element]:
    return [node for node in svg.iter(tag) if look in (node.get("class") or "").split()]


def test_both_intervals_of_a_point_run_from_limit_to_limit() -> None:
    svg = drawn(plane(Point("a", about(0.5, 0.25), about(0.25, 0.25))))
    across, up = of(svg, "line", "iv")
    assert (across.get("x1"), across.get("x2"), across.get("y1")) == ("25%", "75%", "50%")
    assert (up.get("y1"), up.get("y2"), up.get("x1")) == ("0%", "100%", "50%") or (
        up.get("y1"),
        up.get("y2"),
    ) == ("100%", "0%")


def test_a_point_without_interval_is_hollow_and_one_without_value_absent() -> None:
    bare = Estimate(value=0.3, undefined="one cluster")
    none = Estimate(value=None, undefined="nothing scored")
    svg = drawn(plane(Point("a", about(0.5, 0.1), bare), Point("b", none, about(0.5, 0.1))))
    assert Counter(node.get("class") for node in svg.iter("circle")) == {"pt-o": 1}
    assert len(of(svg, "line", "iv")) == 1


def test_shares_on_planes_beside_each_other_have_one_axis() -> None:
    low, high = (
        plane(Point("a", about(0.05, 0.01), about(0.9, 0.05))),
        plane(Point("a", about(0.4, 0.05), about(0.9, 0.05))),
    )
    ends = [
        re.findall(r">(\d+)<", str(charts.plane(one, beside)))
        for one, beside in ((low, [high]), (high, [low]), (low, []))
    ]
    assert ends[0] == ends[1] != ends[2]


def test_a_path_joins_its_points_in_the_order_given() -> None:
    points = [Point(name, about(x, 0.0), about(0.5, 0.0)) for name, x in (("a", 0.0), ("b", 1.0), ("c", 0.5))]
    (way,) = of(drawn(plane(*points, path=("c", "a", "b"))), "polyline", "jn")
    assert [float(place.split(",")[0]) for place in str(way.get("points")).split()] == [50, 0, 100]


def test_a_path_goes_on_behind_a_point_without_value() -> None:
    none = Estimate(value=None, undefined="x")
    points = [Point("a", about(0.0, 0.1), about(0.5, 0.1)), Point("b", none, none)]
    points.append(Point("c", about(1.0, 0.0), about(0.5, 0.1)))
    (way,) = of(drawn(plane(*points, path=("a", "b", "c"))), "polyline", "jn")
    assert len(str(way.get("points")).split()) == 2


def test_labels_of_24_snapshots_do_not_cover_each_other_or_points_where_the_box_is_wide(
    sample: ModuleType,
) -> None:
    figure = next(f for shown in sample.suites() for f in shown.figures if f.id == "snapshots")
    svg = drawn(figure)
    (group,) = [g for g in svg.iter("g") if g.get("class") == "labels-wide"]
    boxes = []
    for place in group:
        (text,) = place.iter("text")
        left = float(str(place.get("x")).rstrip("%")) / 100 * 560 + float(str(text.get("x")))
        wide = len(str(text.text)) * 7
        left -= {"start": 0, "middle": wide / 2, "end": wide}[str(text.get("text-anchor"))]
        bottom = float(str(place.get("y")).rstrip("%")) / 100 * charts.HEIGHT + float(str(text.get("y")))
        boxes.append((left, bottom - 9, left + wide, bottom))
    assert len(boxes) == 24
    over = [
        (a, b)
        for a, b in combinations(boxes, 2)
        if min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1
    ]
    assert not over


def test_few_points_are_named_and_on_a_phone_numbered(sample: ModuleType) -> None:
    figure = next(f for shown in sample.suites() for f in shown.figures if f.id == "elo")
    groups = {g.get("class"): [t.text for t in g.iter("text")] for g in drawn(figure).iter("g")}
    assert groups["labels-wide"] == ["base", "prompted", "supervised", "rlaif", "harm-only"]
    assert groups["labels-narrow"] == ["1", "2", "3", "4", "5"]


def test_names_that_would_cover_each_other_become_numbers() -> None:
    points = [Point(f"a long name, number {i}", about(0.0, 0.0), about(1.0, 0.0)) for i in range(8)]
    (group,) = [g for g in drawn(plane(*points)).iter("g") if g.get("class") == "labels-wide"]
    assert sorted(str(text.text) for text in group.iter("text")) == [str(n) for n in range(1, 9)]


def test_a_long_name_is_cut_in_sight() -> None:
    svg = drawn(plane(Point("n" * 60, about(0.2, 0.1), about(0.5, 0.1))))
    assert "n" * 23 + "…" in [text.text for text in svg.iter("text")]


def line(name: str, ys: list[Estimate]) -> Line:
    return Line(name, tuple(float(i) for i in range(len(ys))), tuple(ys))


def test_a_short_line_has_bars_and_a_long_one_a_band() -> None:
    few = drawn(Curves("c", "caption", "x", "y", (line("a", [about(0.5, 0.1)] * 4),)))
    assert len(of(few, "line", "br")) == 4 and not of(few, "polygon", "bd")
    many = drawn(Curves("c", "caption", "x", "y", (line("a", [about(0.5, 0.1)] * 24),)))
    (band,) = of(many, "polygon", "bd")
    assert len(str(band.get("points")).split()) == 48 and not of(many, "line", "br")


def test_a_place_without_value_interrupts_its_line() -> None:
    ys = [about(0.5, 0.1)] * 3 + [Estimate(value=None, undefined="x")] + [about(0.5, 0.1)] * 2
    svg = drawn(Curves("c", "caption", "x", "y", (line("a", ys),)))
    assert [len(str(run.get("points")).split()) for run in of(svg, "polyline", "ln")] == [3, 2]


def test_no_two_of_the_first_twelve_lines_look_alike() -> None:
    assert len({charts.look(index) for index in range(12)}) == 12


def test_zero_is_marked_where_an_axis_crosses_it() -> None:
    svg = drawn(Plane("p", "c", "x", "y", (Point("a", about(0.0, 2.0), about(5.0, 1.0)),)))
    (zero,) = of(svg, "line", "zl")
    assert zero.get("x1") == zero.get("x2")


@pytest.mark.parametrize("points", [(), (Point("a", Estimate(value=None), Estimate(value=None)),)])
def test_a_plane_without_points_is_an_empty_frame(points: tuple[Point, ...]) -> None:
    svg = drawn(plane(*points))
    assert not list(svg.iter("circle")) and not of(svg, "line", "iv")


def test_words_are_text_and_nothing_needs_style_or_script(sample: ModuleType) -> None:
    for shown in sample.hostile_suites():
        for figure in shown.figures:
            text = str(charts.plane(figure) if isinstance(figure, Plane) else charts.curves(figure))
            svg = ET.fromstring(text)
            assert figure.caption[:10] in str(svg.findtext("title"))
            assert {node.tag for node in svg.iter()} <= {
                "svg", "title", "line", "text", "g", "circle", "polyline", "polygon",
            }  # fmt: skip
            assert not any(
                name.startswith(("on", "style", "href")) for node in svg.iter() for name in node.attrib
            )


def test_every_look_is_in_the_style_sheet(sample: ModuleType) -> None:
    from govaudit import library

    css = library.read("reports", "style.css")
    used = set()
    for shown in sample.suites():
        for figure in shown.figures:
            text = str(charts.plane(figure) if isinstance(figure, Plane) else charts.curves(figure))
            used |= {look for looks in re.findall(r'class="([^"]+)"', text) for look in looks.split()}
    used |= {look for index in range(12) for look in charts.look(index).split()} - {"d1"}
    assert [look for look in sorted(used - {"d1"}) if f".{look}" not in css] == []
