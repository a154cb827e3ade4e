"""How the estimates of a column or axis are written, and the axis that holds them.

In: a scale of :mod:`govaudit.reports.shown` and the estimates that stand together. Out: a function from a
number to text, and an :class:`Axis`. Nothing is computed but the number of digits and the ends of an axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from govaudit.reports import figures
from govaudit.reports.figures import Axis
from govaudit.reports.part import Estimate
from govaudit.reports.shown import Scale
from govaudit.reports.words import coefficient, percent

UNITS: dict[Scale, str] = {"share": "%", "coefficient": "", "elo": "", "number": ""}
"""What a heading adds to say how the numbers below it are written."""

_MOST_DECIMALS = 4


def form(scale: Scale, estimates: Iterable[Estimate]) -> Callable[[float], str]:
    """How the estimates that stand together are written: all with as many decimals."""
    if scale == "share":
        return percent
    if scale == "coefficient":
        return coefficient
    decimals = 0 if scale == "elo" else _decimals(list(estimates))
    return lambda value: signed(value, decimals)


def signed(value: float, decimals: int) -> str:
    """A number with so many decimals, groups of thousands and a true minus sign; never a negative zero."""
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", "−")


def _decimals(estimates: Sequence[Estimate]) -> int:
    """So many that the shortest interval shows two digits of its width, or, without intervals, the largest
    number three digits."""
    widths = [e.high - e.low for e in estimates if e.high is not None and e.low is not None]
    widths = [width for width in widths if math.isfinite(width) and width > 0]
    sizes = [abs(e.value) for e in estimates if e.value and math.isfinite(e.value)]
    if widths:
        wanted = 1 - math.floor(math.log10(min(widths)))
    elif sizes:
        wanted = 2 - math.floor(math.log10(max(sizes)))
    else:
        wanted = 0
    return min(_MOST_DECIMALS, max(0, wanted))


def ends(estimates: Iterable[Estimate]) -> list[float]:
    """Values and limits of estimates that have them."""
    found = [end for e in estimates if e.value is not None for end in (e.value, e.low, e.high)]
    return [end for end in found if end is not None and math.isfinite(end)]


def axis(scale: Scale, values: Iterable[float]) -> Axis:
    """The axis that holds all values: shares from 0 to 10, 25, 50 or 100 %, coefficients from 0 or -1 to 1;
    differences of them, Elo and numbers between round ends."""
    found = list(values)
    if scale == "share" and all(0 <= value <= 1 for value in found):
        return figures.rate_axis(found)
    if scale == "coefficient" and all(-1 <= value <= 1 for value in found):
        return figures.coefficient_axis(found)
    return round_axis(found)


def round_axis(values: Iterable[float]) -> Axis:
    """The shortest axis of four or five steps, each 1, 2, 2.5 or 5 times a power of ten, that holds all."""
    found = list(values) or [0.0, 1.0]
    low, high = min(found), max(found)
    if high - low <= 1e-12 * max(1.0, abs(high)):
        reach = max(abs(high) / 2, 1e-6)
        low, high = low - reach, high + reach
    power = math.floor(math.log10((high - low) / 5))
    for size in (m * 10.0**p for p in range(power, power + 3) for m in (1.0, 2.0, 2.5, 5.0)):
        start = math.floor(low / size + 1e-9) * size
        for steps in (4, 5):
            if start + steps * size >= high - 1e-9 * size:
                return Axis(start, start + steps * size, steps)
    raise AssertionError("ten times the range holds every value")


def tick(scale: Scale, value: float) -> str:
    """A value at a grid line, without idle decimals."""
    shown = round(100 * value if scale == "share" else value, 10) + 0.0  # no rest of a sum, no negative zero
    return f"{shown:.6g}".replace("-", "−")
