"""What suites show, made ready for the page: cells written, axes chosen, figures drawn with their data.

In: :class:`Shown` objects. Out: :class:`Block` objects, which the template only has to put in order. Words
are escaped here or by the template, never trusted. The tables behind the figures are made here too, so that
every rendering has the same.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

from govaudit.reports import charts, figures, graphs, scales
from govaudit.reports.figures import Axis
from govaudit.reports.part import Estimate
from govaudit.reports.shown import Column, Curves, Figure, Graph, Plane, Scale, Shown, Table
from govaudit.reports.tables import render_table
from govaudit.reports.words import visible

Cell = str | int | Estimate | None
Writing = Callable[[float], str]

FOLDER = "measurements"
"""Where the CSV files are, from the run folder."""

LARGEST = 300_000
"""Characters of a CSV file that the page holds; a larger one is beside it only."""

FOLDED = 12
"""Data of a figure with more rows than that are folded on the page."""


@dataclass(frozen=True)
class Head:
    """The head of one column of the page."""

    title: str
    kind: Literal["word", "count", "estimate", "plot"]
    ticks: tuple[str, ...] = ()
    """What stands at the grid lines of a plotted column."""
    unit: str = ""

    @property
    def steps(self) -> int:
        return len(self.ticks) - 1


@dataclass(frozen=True)
class TableView:
    """A table as the page shows it."""

    id: str
    caption: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Markup, ...], ...]
    file: str
    """Where the same rows are as CSV, from the run folder."""
    link: Markup | None
    """The same file inside the page, unless it is too large."""


@dataclass(frozen=True)
class FigureView:
    """A figure as the page shows it, with its data."""

    id: str
    caption: str
    kind: Literal["plane", "curves", "graph"]
    x: str
    y: str
    drawing: Markup
    key: tuple[tuple[Markup, str], ...]
    """Swatch and name of each line."""
    data: TableView
    folded: bool
    drawn: bool
    """Whether there is anything to draw."""
    joined: bool
    missing: tuple[str, ...]
    """Names of points that are not drawn because they have no value."""


@dataclass(frozen=True)
class Block:
    """One suite on the page."""

    shown: Shown
    anchor: str
    tables: tuple[TableView, ...]
    figures: tuple[FigureView, ...]


def block(shown: Shown) -> Block:
    """A suite made ready for the page."""
    return Block(
        shown,
        f"suite-{shown.id}",
        tuple(_table(table, shown.id) for table in shown.tables),
        tuple(_figure(figure, shown) for figure in shown.figures),
    )


def file(suite: str, table: str) -> str:
    """Name of the CSV file of a table or figure, from the run folder."""
    return f"{FOLDER}/{suite}-{table}.csv"


def data(figure: Figure) -> Table:
    """What a figure draws, as a table."""
    if isinstance(figure, Graph):
        names = {node.id: node.name for node in figure.nodes}
        links = sorted(figure.links, key=lambda link: not link.marked)
        drawn = tuple(
            (names[link.first], link.what, names[link.second], figure.key[link.marked]) for link in links
        )
        heads = (Column("From"), Column("Link"), Column("To"), Column("Sort"))
        return Table(figure.id, figure.caption, heads, drawn)
    if isinstance(figure, Curves):
        rows = tuple(
            (line.name, f"{x:g}", y) for line in figure.lines for x, y in zip(line.x, line.y, strict=True)
        )
        columns = (Column("Line"), Column(figure.x), Column(figure.y, figure.y_scale))
        return Table(figure.id, figure.caption, columns, rows)
    return Table(
        figure.id,
        figure.caption,
        (Column("No"), Column("Point"), Column(figure.x, figure.x_scale), Column(figure.y, figure.y_scale)),
        tuple((n, point.name, point.x, point.y) for n, point in enumerate(figure.points, 1)),
    )


def tables(shown: Shown) -> list[Table]:
    """All tables of a suite, those behind its figures included."""
    return [*shown.tables, *(data(figure) for figure in shown.figures)]


def estimates(table: Table, index: int) -> list[Estimate]:
    """The estimates in one column."""
    return [cell for row in table.rows if isinstance(cell := row[index], Estimate)]


def writings(table: Table) -> list[Writing]:
    """For each column, how its estimates are written."""
    return [scales.form(column.scale, estimates(table, i)) for i, column in enumerate(table.columns)]


def heading(table: Table, index: int) -> str:
    """Title of a column, with the unit of its estimates."""
    column = table.columns[index]
    unit = scales.UNITS[column.scale] if estimates(table, index) else ""
    return column.title if not unit or unit in column.title else f"{column.title}, {unit}"


def _figure(figure: Figure, shown: Shown) -> FigureView:
    rows = _table(data(figure), shown.id)
    key: tuple[tuple[Markup, str], ...] = ()
    if isinstance(figure, Graph):
        return FigureView(
            id=figure.id,
            caption=figure.caption,
            kind="graph",
            x="",
            y="",
            drawing=graphs.graph(figure),
            key=tuple(
                (graphs.swatch(marked=marked), figure.key[marked])
                for marked in (False, True)
                if any(link.marked is marked for link in figure.links)
            ),
            data=rows,
            folded=True,
            drawn=bool(figure.nodes),
            joined=False,
            missing=(),
        )
    if isinstance(figure, Plane):
        gone = tuple(
            point.name
            for point in figure.points
            if not (charts.drawable(point.x) and charts.drawable(point.y))
        )
        drawn = len(gone) < len(figure.points)
        drawing = charts.plane(figure, [other for other in shown.figures if isinstance(other, Plane)])
    else:
        gone = tuple(line.name for line in figure.lines if not any(map(charts.drawable, line.y)))
        drawn = len(gone) < len(figure.lines)
        drawing = charts.curves(figure)
        key = tuple((charts.swatch(i), line.name) for i, line in enumerate(figure.lines))
    return FigureView(
        id=figure.id,
        caption=figure.caption,
        kind="plane" if isinstance(figure, Plane) else "curves",
        x=_titled(figure.x, figure.x_scale if isinstance(figure, Plane) else "number"),
        y=_titled(figure.y, figure.y_scale),
        drawing=drawing,
        key=key,
        data=rows,
        folded=isinstance(figure, Curves) or len(rows.rows) > FOLDED,
        drawn=drawn,
        joined=isinstance(figure, Plane) and len(figure.path) > 1,
        missing=gone,
    )


def _titled(title: str, scale: Scale) -> str:
    unit = scales.UNITS[scale]
    return title if not unit or unit in title else f"{title}, {unit}"


def _table(table: Table, suite: str) -> TableView:
    written = writings(table)
    axes = _axes(table)
    heads: list[Head] = []
    for i, column in enumerate(table.columns):
        kind = _kind(table, i)
        heads.append(Head(heading(table, i), kind, unit=scales.UNITS[column.scale]))
        if i in axes:
            ticks = tuple(scales.tick(column.scale, value) for value in axes[i].ticks)
            heads.append(Head(column.title, "plot", ticks, scales.UNITS[column.scale]))
    rows = []
    for row in table.rows:
        cells: list[Markup] = []
        for i, cell in enumerate(row):
            cells.append(_cell(cell, written[i], _width(table, i, written[i])))
            if i in axes:
                cells.append(_plotted(cell, axes[i], table.columns[i], str(row[0]), written[i]))
        rows.append(tuple(cells))
    link = embedded(render_table(table))
    return TableView(table.id, table.caption, tuple(heads), tuple(rows), file(suite, table.id), link)


def embedded(text: str) -> Markup | None:
    """CSV text as an address that holds it, for a link that saves it without network; ``None`` beyond
    :data:`LARGEST` characters."""
    if len(text) > LARGEST:
        return None
    coded = base64.b64encode(text.encode()).decode()
    return Markup("data:text/csv;charset=utf-8;base64,") + Markup(coded)


def _kind(table: Table, index: int) -> Literal["word", "count", "estimate"]:
    cells = [row[index] for row in table.rows if row[index] is not None]
    if any(isinstance(cell, Estimate) for cell in cells):
        return "estimate"
    return "count" if cells and all(isinstance(cell, int) for cell in cells) else "word"


def _axes(table: Table) -> dict[int, Axis]:
    """The axis of each plotted column that has estimates; alike ones share one, but for numbers, whose units
    may differ."""
    plotted = [i for i, column in enumerate(table.columns) if column.plot and estimates(table, i)]
    axes = {}
    for i in plotted:
        scale = table.columns[i].scale
        peers = (
            [i] if scale == "number" else [j for j in plotted if _alike(table.columns[i], table.columns[j])]
        )
        marks = [mark for j in peers if (mark := table.columns[j].mark) is not None]
        axes[i] = scales.axis(
            scale, [*marks, *(end for j in peers for end in scales.ends(estimates(table, j)))]
        )
    return axes


def _alike(one: Column, other: Column) -> bool:
    """Whether two columns mean the same sort of number: differences do not share an axis with rates."""
    return (one.scale, one.mark) == (other.scale, other.mark)


def _width(table: Table, index: int, write: Writing) -> int:
    """Letters of the longest number in a column, so that numbers stand under each other."""
    return max(
        (len(write(e.value)) for e in estimates(table, index) if charts.drawable(e) and e.value is not None),
        default=0,
    )


def _cell(cell: Cell, write: Writing, width: int) -> Markup:
    if cell is None:
        return Markup('<span class="none">–</span>')
    if isinstance(cell, Estimate):
        return number(cell, write, width)
    return escape(f"{cell:,}" if isinstance(cell, int) else visible(cell))


def number(estimate: Estimate, write: Writing, width: int = 0) -> Markup:
    """A number with its interval and what it was measured on, or why it has none."""
    if not charts.drawable(estimate) or estimate.value is None:
        return Markup('<span class="undefined">undefined: {}</span>').format(
            visible(estimate.undefined or "no reason given")
        )
    text = Markup('<span class="num w{}">{}</span> ').format(min(max(width, 1), 12), write(estimate.value))
    if estimate.low is None or estimate.high is None:
        text += Markup('<span class="undefined">no interval: {}</span>').format(
            visible(estimate.undefined or "not given")
        )
    else:
        text += Markup('<span class="ci">[{}, {}]</span>').format(write(estimate.low), write(estimate.high))
    if estimate.n is not None:
        text += Markup(' <span class="ci">of {:,}</span>').format(estimate.n)
    return text


def _plotted(cell: Cell, axis: Axis, column: Column, who: str, write: Writing) -> Markup:
    if not isinstance(cell, Estimate):
        return Markup("")
    label = f"{who}, {column.title}: "
    label += "no value" if not charts.drawable(cell) or cell.value is None else write(cell.value)
    if cell.low is not None and cell.high is not None:
        label += f", 95 % interval {write(cell.low)} to {write(cell.high)}"
    mark = column.mark if column.mark is not None else 0.0 if axis.low < 0 else None
    return figures.interval(
        axis, cell.value, cell.low, cell.high, label=visible(label), mark=mark, shape="plain"
    )


def blocks(shown: Iterable[Shown]) -> tuple[Block, ...]:
    """All suites made ready for the page."""
    return tuple(block(one) for one in shown)
