"""What the command line prints on: two consoles, warnings, JSON, progress bars."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text


class Screen(Console):
    """A console on which no text hides, turns or commands: ids, clauses and answers are other people's."""

    def render_str(self, text: str, **options: Any) -> Text:
        if not text.replace("\n", "").isprintable():
            from govaudit.reports.words import visible

            text = visible(text)
        return super().render_str(text, **options)

    def plain(self, text: str) -> None:
        """A sentence or a path: as it stands, and the terminal breaks it where it likes."""
        self.print(text, markup=False, highlight=False, soft_wrap=True)


err = Screen(stderr=True)
out = Screen()


UNCUT = 1000
"""Columns of a terminal that is none."""


def warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        err.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True, style="yellow")


def print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, sort_keys=False))


_LONGEST = 32
"""Letters of a step's name that leave room for its numbers on a narrow terminal."""


def _cut(name: str) -> str:
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[: half - 1]}…{name[-half:]}"


@contextmanager
def progress(as_json: bool) -> Iterator[Any]:
    """Progress bars on stderr; --json keeps stdout for the object, so bars may stay."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, disable=as_json and not err.is_terminal) as bars:

        @contextmanager
        def step(name: str, total: int) -> Iterator[Callable[[], None]]:
            task = bars.add_task(escape(_cut(name)), total=total)
            yield lambda: bars.advance(task)
            # What an earlier, interrupted run had done already was not counted one by one.
            bars.update(task, completed=total)

        yield step


@contextmanager
def training_bars(as_json: bool) -> Iterator[Any]:
    """Progress bars whose line also holds a loop's latest numbers."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=6),  # with the longest name and numbers, 80 columns
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[numbers]}"),
    )
    with Progress(*columns, console=err, disable=as_json and not err.is_terminal) as bars:

        @contextmanager
        def progress(name: str, total: int) -> Iterator[Callable[[str], None]]:
            task = bars.add_task(escape(name), total=total, numbers="")
            yield lambda numbers: bars.update(task, advance=1, numbers=escape(numbers))
            bars.update(task, completed=total)

        yield progress
