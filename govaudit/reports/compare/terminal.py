"""The comparison on a terminal: what was observed of each arm, and the first claim of every part.

In: a :class:`Comparison`. Out: lines on a console of rich, at any width. Verdicts, tests and declared texts
are left to the pages.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from govaudit.reports.compare.document import Comparison, ObservedPart
from govaudit.reports.compare.html import Page
from govaudit.reports.compare.show import shown
from govaudit.reports.part import Estimate
from govaudit.reports.shown import Column, Table
from govaudit.reports.terminal import print_wide
from govaudit.reports.words import VERDICTS, counted, visible, words


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print a comparison; words are text, never markup."""
    page = Page(comparison)
    rows = [(row, lines) for block in page.blocks for row, lines in block.rows]
    tried = [one for one in rows if any(cell.rate.value is not None for cell in one[0].observed)]
    if tried:
        named = [Column("statement"), *([Column("declared by")] if page.several else [])]
        table = Table(
            "observed",
            "Broken, % [95 %]",
            (*named, *(Column(label, "share") for label in page.labels)),
            tuple(
                (
                    row.id if number == 0 else "",
                    *([page.spec_names[line.declared.spec]] if page.several else []),
                    *map(_cell, line.cells),
                )
                for row, lines in tried
                for number, line in enumerate(lines)
            ),
        )
        print_wide(table, console, kept=len(named))
    if left := len(rows) - len(tried):
        console.print(Text(f"{counted(left, 'further statement')} without a rate: see compare.html."))
    for part in shown(comparison):
        console.print()
        console.print(Text(visible(part.title), style="bold"))
        console.print(Text(visible(part.claims[0])))


def _cell(cell: ObservedPart | None) -> Estimate:
    """The rate of a cell, or why it has none."""
    if cell is None:
        return Estimate(value=None, undefined="not measured")
    if cell.rate.value is None:
        return Estimate(value=None, undefined=words(cell.verdict or "not_scored", VERDICTS))
    return cell.rate
