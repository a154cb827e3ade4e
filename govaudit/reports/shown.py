"""How a suite's part of the report is shown: claims, tables and figures, the same in HTML, Markdown and CSV.

In: nothing but numbers and words. A suite turns its part of the document into one :class:`Shown`; the renderings
know this form alone, so that a new suite brings no template of its own. Words are text, never markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from govaudit.reports.part import Estimate

Scale = Literal["share", "coefficient", "elo", "number"]
"""How an estimate is written: a share as per cent, a coefficient with two decimals, Elo and numbers as they
are."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    scale: Scale = "number"
    """Of the estimates in it."""
    plot: bool = False
    """Draw the estimates of this column with their intervals on one common axis."""


@dataclass(frozen=True)
class Table:
    """Rows of words, whole numbers and estimates; ``None`` is an empty cell."""

    id: str
    """Names the CSV file: letters, digits and hyphens."""
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | int | Estimate | None, ...], ...]


@dataclass(frozen=True)
class Point:
    """A point on a plane with its intervals, in the units of the axes."""

    name: str
    x: Estimate
    y: Estimate


@dataclass(frozen=True)
class Plane:
    """A figure of two dimensions, intervals always drawn."""

    id: str
    caption: str
    x: str
    y: str
    points: tuple[Point, ...]
    path: tuple[str, ...] = ()
    """Names of points that are joined in this order, such as the snapshots of one training run."""


@dataclass(frozen=True)
class Line:
    """A line over a common x axis."""

    name: str
    x: tuple[float, ...]
    y: tuple[Estimate, ...]


@dataclass(frozen=True)
class Curves:
    """A figure of lines with their intervals."""

    id: str
    caption: str
    x: str
    y: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Shown:
    """One suite in the report."""

    id: str
    """Anchor in the HTML: letters, digits and hyphens."""
    title: str
    claims: Sequence[str]
    """What the numbers allow to say, in whole sentences; the first is the most important."""
    tables: Sequence[Table] = ()
    figures: Sequence[Plane | Curves] = ()
    notes: Sequence[str] = ()
    """Methods, limits, what is missing."""
