"""What a suite, a gauge or a comparison shows, on a terminal: claims, tables that fit its width, notes.

In: :class:`Shown`, or one of its tables. Out: lines on a console of rich. An interval stands beside its
number, or below it where the table would be too wide; :func:`print_wide` prints a table that is too wide even
so in parts. Figures are left to the report.
"""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as Grid
from rich.text import Text

from govaudit.reports import shown as showing
from govaudit.reports.part import Estimate
from govaudit.reports.shown import Shown, Table
from govaudit.reports.words import percent, visible

_NAME = 16
"""Columns that words keep in a table that is too wide."""
_WIDE = 1000
"""Columns of a terminal on which everything fits."""


def print_shown(shown: Shown, console: Console) -> None:
    """Print a :class:`Shown`; words are text, never markup."""
    console.print(Text(visible(shown.title), style="bold"))
    for claim in shown.claims:
        console.print(Text(visible(claim)))
    for table in shown.tables:
        console.print()
        console.print(Text(visible(table.caption), style="bold"))
        reasons = _undefined(table)
        console.print(_fitting(table, reasons, console))
        _print_reasons(reasons, console)
    if shown.notes:
        console.print()
    for note in shown.notes:
        console.print(Text(visible(note), style="dim"))


def print_wide(table: Table, console: Console, kept: int = 1) -> None:
    """Print a table of which each part fits: columns in order, behind the first ``kept`` ones again.

    Its caption names the unit of all numbers.
    """
    console.print(Text(visible(table.caption), style="bold"))
    reasons = _undefined(table)
    rest = list(range(kept, len(table.columns)))
    while rest:
        taken = rest[:1]
        for more in rest[1:]:
            wider = _grid(_part(table, [*range(kept), *taken, more]), reasons, tight=True, units=False)
            if _width(wider, console) > console.width:
                break
            taken.append(more)
        console.print(_fitting(_part(table, [*range(kept), *taken]), reasons, console, units=False))
        rest = rest[len(taken) :]
        if rest:
            console.print()
    _print_reasons(reasons, console)


def _part(table: Table, columns: list[int]) -> Table:
    """The table with some of its columns."""
    return replace(
        table,
        columns=tuple(table.columns[k] for k in columns),
        rows=tuple(tuple(row[k] for k in columns) for row in table.rows),
    )


def _fitting(table: Table, reasons: list[str], console: Console, *, units: bool = True) -> Grid:
    grid = _grid(table, reasons, tight=False, units=units)
    return grid if _width(grid, console) <= console.width else _grid(table, reasons, tight=True, units=units)


def _width(grid: Grid, console: Console) -> int:
    """Columns that a table takes where nothing is folded."""
    return Measurement.get(console, console.options.update(width=_WIDE), grid).maximum


def _print_reasons(reasons: list[str], console: Console) -> None:
    for number, reason in enumerate(reasons, 1):
        console.print(Text(f"{number}) {visible(reason)}", style="dim"))


def _grid(table: Table, reasons: list[str], *, tight: bool, units: bool) -> Grid:
    """``tight``: intervals below their numbers, and words folded. ``reasons``: what numbers with a bracket
    stand for."""
    grid = Grid(box=None, padding=(0, 1 if tight else 2, 0, 0), pad_edge=False)
    for k, column in enumerate(table.columns):
        number = k > 0 and not any(isinstance(row[k], str) for row in table.rows)
        unit = ", %" if units and column.scale == "share" else ""
        grid.add_column(
            Text(visible(column.title) + unit),
            justify="right" if number else "left",
            overflow="fold",
            min_width=None
            if number
            else min(_NAME, max((len(str(row[k])) for row in table.rows), default=1)),
            # Numbers stay whole: of a table that is too wide the words are folded.
            no_wrap=number,
        )
    for row in table.rows:
        grid.add_row(
            *(
                Text(_cell(cell, column.scale, "\n" if tight else " ", reasons))
                for cell, column in zip(row, table.columns, strict=True)
            )
        )
    return grid


def _undefined(table: Table) -> list[str]:
    """Why numbers or intervals of a table are missing, each reason once."""
    reasons = [
        cell.undefined
        for row in table.rows
        for cell in row
        if isinstance(cell, Estimate) and cell.undefined and (cell.value is None or cell.low is None)
    ]
    return list(dict.fromkeys(reasons))


def _cell(cell: str | int | Estimate | None, scale: showing.Scale, gap: str, reasons: list[str]) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Estimate):
        mark = f"{reasons.index(cell.undefined) + 1})" if cell.undefined in reasons else ""
        if cell.value is None:
            return f"–{mark}"
        if cell.low is None or cell.high is None:
            return f"{_number(cell.value, scale)}{mark}"
        limits = f"[{_number(cell.low, scale)}, {_number(cell.high, scale)}]"
        return f"{_number(cell.value, scale)}{gap}{limits}"
    return f"{cell:,}" if isinstance(cell, int) else visible(cell)


def _number(value: float, scale: showing.Scale) -> str:
    if scale == "share":
        return percent(value)
    if scale == "elo":
        return f"{value:.0f}".replace("-", "−")
    # A zero before the point is the same everywhere in a column of coefficients.
    text = f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")
    return text.replace("0.", ".", 1) if text.lstrip("−").startswith("0.") else text
