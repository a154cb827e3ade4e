"""How a suite's part of the report is shown: claims, tables and figures, the same in HTML, Markdown and CSV.

In: numbers and words. A suite turns its part of the document into one :class:`Shown`; the renderings
know this form alone, so that a new suite brings no template of its own. Words are text, never markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from govaudit.reports.part import Estimate

Scale = Literal["share", "coefficient", "elo", "number"]
"""How an estimate is written: a share in 0..1 as per cent, a coefficient with two decimals, Elo as a whole
number, other numbers with the digits that their intervals bear."""


def _check_ids(ids: Iterable[str]) -> None:
    """Raises ``ValueError`` for an id that is no anchor and file name, and for one that is given twice."""
    seen: set[str] = set()
    for name in ids:
        if not re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", name):
            raise ValueError(f"an id is letters, digits and single hyphens, not {name!r}")
        if name in seen:
            raise ValueError(f"two tables or figures have the id {name!r}")
        seen.add(name)


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    scale: Scale = "number"
    """Of the estimates in it."""
    plot: bool = False
    """Draw the estimates of this column with their intervals on one common axis; other plotted columns of
    the same scale and mark share it, but for numbers, whose units may differ."""
    mark: float | None = None
    """A value to compare with, such as 0 for a difference; a dashed line where the column is drawn."""


@dataclass(frozen=True)
class Table:
    """Rows of words, whole numbers and estimates; ``None`` is an empty cell."""

    id: str
    """Names the CSV file: letters, digits and hyphens."""
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | int | Estimate | None, ...], ...]
    """Each as wide as ``columns``; the first cell names the row."""

    def __post_init__(self) -> None:
        _check_ids([self.id])
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of table {self.id!r} has not {len(self.columns)} cells")


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
    x_scale: Scale = "number"
    y_scale: Scale = "number"

    def __post_init__(self) -> None:
        _check_ids([self.id])


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
    y_scale: Scale = "number"

    def __post_init__(self) -> None:
        _check_ids([self.id])
        if any(len(line.x) != len(line.y) for line in self.lines):
            raise ValueError(f"a line of figure {self.id!r} has not as many values as places")


@dataclass(frozen=True)
class Node:
    """Something in a graph."""

    id: str
    name: str
    column: int
    """In which column of the figure it stands, from 0."""


@dataclass(frozen=True)
class Link:
    """One thing in a graph comes from, or has to do with, another."""

    first: str
    second: str
    what: str
    marked: bool = False
    """Drawn in the colour of a warning."""


@dataclass(frozen=True)
class Graph:
    """A figure of things in columns and links between them."""

    id: str
    caption: str
    columns: tuple[str, ...]
    """Titles, from left to right."""
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    key: tuple[str, str] = ("link", "marked link")
    """What the two sorts of link are."""

    def __post_init__(self) -> None:
        _check_ids([self.id])
        there = {node.id for node in self.nodes}
        if any(not {link.first, link.second} <= there for link in self.links):
            raise ValueError(f"a link of figure {self.id!r} leads to no node")
        if any(not 0 <= node.column < len(self.columns) for node in self.nodes):
            raise ValueError(f"a node of figure {self.id!r} stands in no column")


Figure = Plane | Curves | Graph


@dataclass(frozen=True)
class Shown:
    """One suite in the report."""

    id: str
    """Anchor in the HTML: letters, digits and hyphens."""
    title: str
    claims: Sequence[str]
    """What the numbers allow to say, in whole sentences; the first is the most important."""
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()
    """Methods, limits, what is missing."""

    def __post_init__(self) -> None:
        _check_ids([self.id])
        _check_ids([*(table.id for table in self.tables), *(figure.id for figure in self.figures)])
