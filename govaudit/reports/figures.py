"""Small figures for one table row: an interval on a shared axis, a bar of counts. SVG without style.

In: plain numbers. Out: SVG text that is safe to put into HTML (numbers are formatted here, labels escaped).
Horizontal positions are per cent of the drawing, so a figure is as wide as its cell on any screen and paper;
colours come from the style sheet, so one drawing serves light, dark and print. Every figure names its numbers
in a title, and stands beside the cells that hold them. Figures over several axes are not drawn here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup, escape

HEIGHT = 18
"""Height of a row's drawing in CSS pixels; the middle carries the interval."""

_ENDS = ((0.1, 5), (0.25, 5), (0.5, 5), (1.0, 4))


@dataclass(frozen=True)
class Axis:
    """A linear scale that all rows of one table share."""

    low: float
    high: float
    steps: int
    """Number of equal steps between grid lines."""

    @property
    def ticks(self) -> tuple[float, ...]:
        """Values at the grid lines, both ends included."""
        width = self.high - self.low
        return tuple(self.low + width * step / self.steps for step in range(self.steps + 1))

    def at(self, value: float) -> float:
        """Position of a value in per cent of the width, 0 to 100; values outside sit on the edge."""
        return 100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def rate_axis(values: Iterable[float | None]) -> Axis:
    """The axis from 0 to the smallest of 10, 25, 50 and 100 % that holds every value.

    Values are shares in 0..1; ``None`` and non-finite ones are left out. The table must state the end.
    """
    top = max((value for value in values if value is not None and math.isfinite(value)), default=1.0)
    for high, steps in _ENDS:
        if top <= high:
            return Axis(0.0, high, steps)
    return Axis(0.0, 1.0, 4)


def coefficient_axis(values: Iterable[float | None]) -> Axis:
    """The axis of agreement coefficients: 0 to 1, or -1 to 1 where a value or limit is negative."""
    lowest = min((value for value in values if value is not None and math.isfinite(value)), default=0.0)
    return Axis(-1.0, 1.0, 4) if lowest < 0 else Axis(0.0, 1.0, 5)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _x(axis: Axis, value: float) -> str:
    return f"{axis.at(value):.2f}".rstrip("0").rstrip(".") + "%"


def interval(
    axis: Axis,
    value: float | None,
    low: float | None,
    high: float | None,
    *,
    label: str,
    mark: float | None = None,
    best: float | None = None,
    worst: float | None = None,
    shape: str = "inconclusive",
) -> Markup:
    """One row of a forest plot.

    A point of ``shape`` (the id ``p-<shape>`` of a symbol in the document) at ``value``, a line from ``low``
    to ``high``, a dashed line at ``mark`` (the tolerance), and a pale band from ``best`` to ``worst`` where
    unscored items leave room. ``label`` becomes the title. Whatever is ``None`` or not finite is not drawn.
    """
    value, low, high, mark, best, worst = map(_finite, (value, low, high, mark, best, worst))
    middle = HEIGHT // 2
    parts = [f'<svg class="f" role="img" width="100%" height="{HEIGHT}"><title>{escape(label)}</title>']
    if best is not None and worst is not None and worst > best:
        left, width = axis.at(best), axis.at(worst) - axis.at(best)
        parts.append(f'<rect class="fb" x="{left:.2f}%" y="{middle - 4}" width="{width:.2f}%" height="8"/>')
    if mark is not None and axis.holds(mark):
        x = _x(axis, mark)
        parts.append(f'<line class="fm" x1="{x}" x2="{x}" y1="0" y2="{HEIGHT}"/>')
    if low is not None and high is not None:
        ends = f'x1="{_x(axis, low)}" x2="{_x(axis, high)}"'
        parts.append(f'<line class="fi s-{shape}" {ends} y1="{middle}" y2="{middle}"/>')
    if value is not None:
        parts.append(f'<use class="s-{shape}" href="#p-{shape}" x="{_x(axis, value)}" y="{middle}"/>')
    return Markup("".join(parts) + "</svg>")


def bar(counts: Mapping[str, int], *, label: str) -> Markup:
    """A bar of counts that add up to its width, in the order given; each part has the class ``b-<name>``."""
    total = sum(counts.values())
    parts = [f'<svg class="bar" role="img" width="100%" height="{HEIGHT}"><title>{escape(label)}</title>']
    left = 0.0
    for name, count in counts.items():
        if count > 0:
            width = 100 * count / total
            parts.append(f'<rect class="b-{name}" x="{left:.2f}%" width="{width:.2f}%" height="{HEIGHT}"/>')
            left += width
    return Markup("".join(parts) + "</svg>")
