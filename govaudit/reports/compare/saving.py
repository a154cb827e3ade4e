"""A comparison in all its forms on disk: JSON, HTML, Markdown and CSV, with the same numbers in each."""

from __future__ import annotations

import json
import os
from pathlib import Path

from govaudit.reports.compare.document import Comparison
from govaudit.reports.compare.html import Page, render_html
from govaudit.reports.compare.markdown import render_markdown
from govaudit.reports.compare.show import shown
from govaudit.reports.measurements import FOLDER, file, tables
from govaudit.reports.part import Estimate
from govaudit.reports.shown import Column, Table
from govaudit.reports.tables import render_table


def save(comparison: Comparison, folder: Path) -> None:
    """Write ``compare.json``, ``compare.html``, ``compare.md``, ``matrix.csv`` and a CSV file for each table.

    The folder is made if it is missing. All is rendered before anything is written, written beside and
    renamed.
    """
    texts = {
        "compare.json": dumps(comparison),
        "compare.html": render_html(comparison),
        "compare.md": render_markdown(comparison),
        "matrix.csv": render_table(matrix(comparison)),
    }
    for one in shown(comparison):
        texts |= {file(one.id, table.id): render_table(table) for table in tables(one)}
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    beside = {folder / name: folder / f"{name}.partial" for name in texts}
    for partial, text in zip(beside.values(), texts.values(), strict=True):
        with partial.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    for path, partial in beside.items():
        partial.replace(path)
    for old in (folder / FOLDER).glob("*.csv"):
        if old not in beside:
            old.unlink()


def dumps(comparison: Comparison) -> str:
    """``compare.json``: indented, keys sorted, UTF-8; same comparison, same bytes."""
    data = comparison.model_dump(mode="json")
    return json.dumps(data, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False) + "\n"


def matrix(comparison: Comparison) -> Table:
    """The matrix as one row for each statement, declared clause and arm."""
    page = Page(comparison)
    rows: list[tuple[str | int | Estimate | None, ...]] = []
    for row in comparison.statements:
        for declared in row.declared:
            rows += [
                (
                    row.id,
                    row.text,
                    "yes" if row.shared else "no",
                    page.spec_names[declared.spec],
                    declared.clause,
                    declared.relation,
                    cell.arm,
                    cell.run,
                    cell.verdict or "not scored",
                    cell.reason,
                    cell.stale or "",
                    cell.measure,
                    cell.rater,
                    cell.rate,
                    cell.clusters,
                    cell.unscored,
                )
                for cell in row.observed
                if (cell.spec, cell.clause) == (declared.spec, declared.clause)
            ]
    names = (
        *("statement", "text", "shared", "spec", "clause", "relation", "arm", "run", "verdict", "reason"),
        *("stale", "measure", "rater", "rate", "clusters", "unscored"),
    )
    return Table("matrix", "Declared and observed", tuple(map(Column, names)), tuple(rows))
