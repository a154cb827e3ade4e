"""`govaudit items`: what is in item banks, and what of it gives answers away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from govaudit.cli import screen
from govaudit.cli.options import Json


def items_command(
    banks: Annotated[
        list[Path], typer.Argument(metavar="BANK...", help="Item banks: files, or names of built-in ones.")
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where there is a finding.")] = False,
    as_json: Json = False,
) -> None:
    """Say of item banks how they were made, and what the longest or the first answer would reach."""
    from govaudit.evals.bank_lint import lint
    from govaudit.library import find_bank

    found = [lint(find_bank(str(name))) for name in banks]
    if as_json:
        screen.print_json({"banks": [bank.data() for bank in found]})
    else:
        _print(found)
    if strict and any(bank.findings for bank in found):
        raise typer.Exit(1)


def _print(found: list[Any]) -> None:
    table = Table(box=None)
    table.add_column("Bank", overflow="fold")
    for name in ("Items", "Clusters", "Choices", "Longest is right", "First is right", "Any answer"):
        table.add_column(name, justify="right", no_wrap=True)
    for bank in found:
        chance = "" if bank.chance is None else f"{bank.chance:.1%}"
        table.add_row(
            escape(bank.name),
            f"{bank.items:,}",
            f"{bank.clusters:,}",
            f"{bank.choices:,}",
            _share(bank.longest),
            _share(bank.first),
            chance,
        )
    sheet = screen.out if screen.out.is_terminal else screen.Screen(width=120)
    sheet.print(table)
    for bank in found:
        for finding in bank.findings:
            screen.out.plain(f"{bank.name}: {finding.rule} ({finding.count}): {finding.message}")


def _share(of: Any) -> str:
    if of is None:
        return ""
    return f"{of.value:.1%}" + ("" if of.low is None else f" [{of.low:.1%}, {of.high:.1%}]")
