"""Figures over two axes: points on a plane with both intervals, curves with bands or bars. SVG without style.

In: a :class:`Plane` or :class:`Curves`. Out: SVG text that is safe to put into HTML. The drawing's box is the
area between the axes; titles of axes and keys are HTML around it. Positions are per cent of the box and
letters have their own size, so a figure is as wide as its place and its letters stay readable on a phone.
Where a label goes is computed for a wide and for a narrow box, and the style sheet shows one of the two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from govaudit.reports import scales
from govaudit.reports.figures import Axis
from govaudit.reports.part import Estimate
from govaudit.reports.shown import Curves, Line, Plane, Point, Scale
from govaudit.reports.words import visible

HEIGHT = 380
"""Of the area between the axes, in CSS pixels."""

_WIDE, _NARROW = 560, 250
"""Widths for which labels are placed; wherever the box is wider, they stand farther apart."""

_LETTER, _LINE = 6.8, 14
"""Width and height of a letter in a label, in CSS pixels."""

_MOST_NAMES, _LONGEST_NAME = 8, 24
"""With more points than that, numbers stand for the names; a longer name is cut."""

_MOST_BARS = 12
"""A line with more places than that has a band, not bars."""

COLOURS, DASHES = 6, 4
"""Classes ``c1`` to ``c6`` and ``d1`` to ``d4`` of the style sheet."""


def drawable(estimate: Estimate) -> bool:
    """Whether an estimate has a place on an axis."""
    return estimate.value is not None and math.isfinite(estimate.value)


def plane(figure: Plane, beside: Sequence[Plane] = ()) -> Markup:
    """Points with both intervals, numbered in the order given; joined where the figure has a path.

    A point whose interval has no limits is drawn hollow; one without a value on either axis is not drawn.
    Shares are drawn on the axes of the planes ``beside`` it that have the same titles: readers compare them.
    """
    placed = [(n, p) for n, p in enumerate(figure.points, 1) if drawable(p.x) and drawable(p.y)]
    alike = [
        other
        for other in beside
        if (other.x, other.y) == (figure.x, figure.y)
        and (other.x_scale, other.y_scale) == (figure.x_scale, figure.y_scale) == ("share", "share")
    ]
    every = [p for one in [figure, *alike] for p in one.points if drawable(p.x) and drawable(p.y)]
    x = scales.axis(figure.x_scale, scales.ends(point.x for point in every))
    y = scales.axis(figure.y_scale, scales.ends(point.y for point in every))
    thin = " thin" if len(placed) > _MOST_NAMES else ""
    parts = _frame(figure.caption, x, y, figure.x_scale, figure.y_scale)
    parts += [_cross(x, y, point, thin) for _, point in placed]
    named = {point.name: point for _, point in placed}
    way = [named[name] for name in figure.path if name in named]
    if len(way) > 1:
        parts.append(_stretched(_polyline("jn", [(_at(x, p.x), 100 - _at(y, p.y)) for p in way])))
    for _, point in placed:
        hollow = None in (point.x.low, point.x.high, point.y.low, point.y.high)
        mark = f'<circle class="{"pt-o" if hollow else "pt"}" r="4"/>'
        parts.append(_anchored(_at(x, point.x), 100 - _at(y, point.y), mark))
    parts += _labels(x, y, placed)
    return Markup("".join(parts) + "</svg>")


def curves(figure: Curves) -> Markup:
    """Lines with their intervals: bars where there are few places, bands where there are many.

    A place without a value interrupts its line.
    """
    values = [value for line in figure.lines for value in line.x if math.isfinite(value)]
    x = scales.round_axis(values)
    y = scales.axis(figure.y_scale, scales.ends(e for line in figure.lines for e in line.y))
    parts = _frame(figure.caption, x, y, "number", figure.y_scale)
    middle = (len(figure.lines) - 1) / 2
    for index, line in enumerate(figure.lines):
        if len(line.x) > _MOST_BARS:
            parts.append(_banded(x, y, line, index))
        else:
            parts.append(_barred(x, y, line, index, 4 * (index - middle)))
    return Markup("".join(parts) + "</svg>")


def swatch(index: int) -> Markup:
    """How the line of this index looks, for the key."""
    return Markup(
        '<svg class="sw" aria-hidden="true" width="34" height="12">'
        f'<line class="{look(index)}" x1="1" x2="33" y1="6" y2="6"/></svg>'
    )


def look(index: int) -> str:
    """Classes of the line of this index: no two of the first twelve look alike, in grey neither the first
    four."""
    return f"ln c{index % COLOURS + 1} d{index % DASHES + 1}"


def _at(axis: Axis, estimate: Estimate) -> float:
    return axis.at(estimate.value or 0.0)


def _pct(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") + "%"


def _frame(caption: str, x: Axis, y: Axis, x_scale: Scale, y_scale: Scale) -> list[str]:
    """The opened drawing with grid, zero lines and what stands at the grid lines."""
    title = escape(visible(caption))
    parts = [f'<svg class="plot" role="img" width="100%" height="{HEIGHT}"><title>{title}</title>']
    for value in x.ticks:
        at = _pct(x.at(value))
        parts.append(f'<line class="gl" x1="{at}" x2="{at}" y1="0" y2="100%"/>')
        text = escape(scales.tick(x_scale, value))
        parts.append(f'<text class="tk" x="{at}" y="100%" dy="18" text-anchor="middle">{text}</text>')
    for value in y.ticks:
        at = _pct(100 - y.at(value))
        parts.append(f'<line class="gl" x1="0" x2="100%" y1="{at}" y2="{at}"/>')
        text = escape(scales.tick(y_scale, value))
        parts.append(f'<text class="tk" x="0" y="{at}" dx="-8" dy="4" text-anchor="end">{text}</text>')
    if x.low < 0 < x.high:
        at = _pct(x.at(0.0))
        parts.append(f'<line class="zl" x1="{at}" x2="{at}" y1="0" y2="100%"/>')
    if y.low < 0 < y.high:
        at = _pct(100 - y.at(0.0))
        parts.append(f'<line class="zl" x1="0" x2="100%" y1="{at}" y2="{at}"/>')
    return parts


def _cross(x: Axis, y: Axis, point: Point, thin: str) -> str:
    """Both intervals of a point; what has no limits is not drawn."""
    across, up = _pct(_at(x, point.x)), _pct(100 - _at(y, point.y))
    parts = []
    if point.x.low is not None and point.x.high is not None:
        ends = f'x1="{_pct(x.at(point.x.low))}" x2="{_pct(x.at(point.x.high))}"'
        parts.append(f'<line class="iv{thin}" {ends} y1="{up}" y2="{up}"/>')
    if point.y.low is not None and point.y.high is not None:
        ends = f'y1="{_pct(100 - y.at(point.y.low))}" y2="{_pct(100 - y.at(point.y.high))}"'
        parts.append(f'<line class="iv{thin}" x1="{across}" x2="{across}" {ends}/>')
    return "".join(parts)


def _anchored(left: float, top: float, inside: str) -> str:
    """A drawing in pixels around a place that is given in per cent."""
    place = f'x="{_pct(left)}" y="{_pct(top)}"'
    return f'<svg {place} overflow="visible" aria-hidden="true">{inside}</svg>'


def _stretched(inside: str) -> str:
    """A drawing in per cent: lines keep their width, whatever the shape of the box."""
    box = 'viewBox="0 0 100 100" preserveAspectRatio="none"'
    return f'<svg {box} overflow="visible" aria-hidden="true">{inside}</svg>'


def _polyline(look: str, places: Sequence[tuple[float, float]]) -> str:
    points = " ".join(f"{left:.2f},{top:.2f}" for left, top in places)
    return f'<polyline class="{look}" vector-effect="non-scaling-stroke" points="{points}"/>'


def _runs(x: Axis, y: Axis, line: Line) -> list[list[tuple[float, Estimate]]]:
    """The parts of a line between places without a value, from left to right."""
    runs: list[list[tuple[float, Estimate]]] = [[]]
    for value, estimate in sorted(zip(line.x, line.y, strict=True), key=lambda place: place[0]):
        if drawable(estimate) and math.isfinite(value):
            runs[-1].append((x.at(value), estimate))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _banded(x: Axis, y: Axis, line: Line, index: int) -> str:
    parts = []
    for run in _runs(x, y, line):
        held = [(at, e) for at, e in run if e.low is not None and e.high is not None]
        over = [(at, 100 - y.at(e.high or 0.0)) for at, e in held]
        under = [(at, 100 - y.at(e.low or 0.0)) for at, e in reversed(held)]
        band = " ".join(f"{left:.2f},{top:.2f}" for left, top in over + under)
        parts.append(f'<polygon class="bd c{index % COLOURS + 1}" points="{band}"/>')
        parts.append(_polyline(look(index), [(at, 100 - _at(y, e)) for at, e in run]))
    return _stretched("".join(parts))


def _barred(x: Axis, y: Axis, line: Line, index: int, shift: float) -> str:
    """Bars of several lines at one place stand side by side."""
    colour, parts = f"c{index % COLOURS + 1}", []
    for run in _runs(x, y, line):
        parts.append(_stretched(_polyline(look(index), [(at, 100 - _at(y, e)) for at, e in run])))
        for at, e in run:
            left = _pct(at)
            if e.low is not None and e.high is not None:
                ends = f'y1="{_pct(100 - y.at(e.low))}" y2="{_pct(100 - y.at(e.high))}"'
                parts.append(f'<line class="br {colour}" x1="{left}" x2="{left}" {ends}/>')
            held = e.low is not None and e.high is not None
            mark = f"{'dot' if held else 'dot-o'} {colour}"
            parts.append(f'<circle class="{mark}" cx="{left}" cy="{_pct(100 - _at(y, e))}" r="3.5"/>')
    return f'<g transform="translate({shift:g} 0)">{"".join(parts)}</g>'


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: _Box) -> float:
        """Area in common."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)


@dataclass(frozen=True)
class _Label:
    dx: float
    dy: float
    anchor: str
    far: bool
    """Whether a thin line leads to it."""
    box: _Box
    clear: bool
    """Whether it covers no other label, no point and no edge."""


def _labels(x: Axis, y: Axis, placed: Sequence[tuple[int, Point]]) -> list[str]:
    """Names (or numbers) for a wide box and numbers for a narrow one."""
    numbers = [str(n) for n, _ in placed]
    names = [_short(point.name) for _, point in placed]
    wide = _place(x, y, placed, names, _WIDE) if len(placed) <= _MOST_NAMES else []
    texts = names
    if not wide or not all(label.clear for label in wide):
        wide, texts = _place(x, y, placed, numbers, _WIDE), numbers
    narrow = _place(x, y, placed, numbers, _NARROW)
    return [_written("wide", x, y, placed, wide, texts), _written("narrow", x, y, placed, narrow, numbers)]


def _short(name: str) -> str:
    name = visible(" ".join(name.split()))
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _written(
    where: str,
    x: Axis,
    y: Axis,
    placed: Sequence[tuple[int, Point]],
    labels: Sequence[_Label],
    texts: Sequence[str],
) -> str:
    parts = []
    for (_, point), label, text in zip(placed, labels, texts, strict=True):
        inside = ""
        if label.far:
            inside = f'<line class="ld" x2="{label.dx:.0f}" y2="{label.dy - 4:.0f}"/>'
        inside += (
            f'<text class="lb" x="{label.dx:.0f}" y="{label.dy:.0f}" text-anchor="{label.anchor}">'
            f"{escape(text)}</text>"
        )
        parts.append(_anchored(_at(x, point.x), 100 - _at(y, point.y), inside))
    return f'<g class="labels-{where}" aria-hidden="true">{"".join(parts)}</g>'


_DIRECTIONS = ((1, -1), (-1, -1), (1, 1), (-1, 1), (0, -1), (0, 1), (1, 0), (-1, 0))
_RINGS = (9.0, 20.0, 34.0)


def _place(
    x: Axis, y: Axis, placed: Sequence[tuple[int, Point]], texts: Sequence[str], width: int
) -> list[_Label]:
    """A place for each label beside its point, the crowded ones first, so that as little as can be is
    covered: first labels and points, then lines."""
    at = [(_at(x, point.x) * width / 100, (100 - _at(y, point.y)) * HEIGHT / 100) for _, point in placed]
    dots = [_Box(left - 5, top - 5, left + 5, top + 5) for left, top in at]
    lines = [box for _, point in placed for box in _strokes(x, y, point, width)]

    def crowd(index: int) -> float:
        return sum(1 / (1 + math.dist(at[index], other)) for other in at)

    done: dict[int, _Label] = {}
    for index in sorted(range(len(at)), key=lambda i: (-crowd(i), i)):
        others = [label.box for label in done.values()] + dots
        done[index] = min(
            (
                _weighed(at[index], direction, ring, texts[index], width, others, lines)
                for ring in range(len(_RINGS))
                for direction in _DIRECTIONS
            ),
            key=lambda found: found[0],
        )[1]
    return [done[index] for index in range(len(at))]


def _strokes(x: Axis, y: Axis, point: Point, width: int) -> list[_Box]:
    left, top = _at(x, point.x) * width / 100, (100 - _at(y, point.y)) * HEIGHT / 100
    boxes = []
    if point.x.low is not None and point.x.high is not None:
        boxes.append(
            _Box(x.at(point.x.low) * width / 100, top - 1, x.at(point.x.high) * width / 100, top + 1)
        )
    if point.y.low is not None and point.y.high is not None:
        upper, lower = (100 - y.at(end) for end in (point.y.high, point.y.low))
        boxes.append(_Box(left - 1, upper * HEIGHT / 100, left + 1, lower * HEIGHT / 100))
    return boxes


def _weighed(
    at: tuple[float, float],
    direction: tuple[int, int],
    ring: int,
    text: str,
    width: int,
    others: Sequence[_Box],
    lines: Sequence[_Box],
) -> tuple[float, _Label]:
    """A label in one place and how bad that place is."""
    across, up = direction
    reach = _RINGS[ring] * (0.75 if across and up else 1.0)
    dx, dy = across * reach, up * reach + (4.0 if up == 0 else 10.0 if up > 0 else -1.0)
    anchor = {1: "start", 0: "middle", -1: "end"}[across]
    wide = len(text) * _LETTER
    left = at[0] + dx - {1: 0.0, 0: wide / 2, -1: wide}[across]
    box = _Box(left, at[1] + dy - _LINE + 3, left + wide, at[1] + dy + 3)
    out = (
        max(0.0, -box.left) + max(0.0, box.right - width) + max(0.0, -box.top) + max(0.0, box.bottom - HEIGHT)
    )
    covered = sum(box.overlap(other) for other in others)
    crossed = sum(box.overlap(line) for line in lines)
    cost = 100 * covered + 40 * out + 1.5 * crossed + 25 * ring + _DIRECTIONS.index(direction)
    return cost, _Label(dx, dy, anchor, ring > 0, box, covered == 0 and out == 0)
