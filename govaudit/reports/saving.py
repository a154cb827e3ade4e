"""A report in all its forms on disk: JSON, HTML, Markdown, CSV and JUnit, with the same numbers in each.

Tables of suites are CSV files in the folder ``measurements`` beside the others; what an earlier report left
there is removed.
"""

from __future__ import annotations

import os
from pathlib import Path

from govaudit.reports.document import Report
from govaudit.reports.html import dumps, render_html
from govaudit.reports.junit import render_junit
from govaudit.reports.markdown import render_markdown
from govaudit.reports.measurements import FOLDER, file, tables
from govaudit.reports.suites import suites_of
from govaudit.reports.tables import render_csv, render_table


def save(report: Report, folder: Path) -> None:
    """Write the report in all its forms into a folder, which is made if it is missing.

    All are rendered before anything is written, written beside and renamed: a reader never sees half a file.
    """
    texts = {
        "report.json": dumps(report),
        "report.html": render_html(report),
        "report.md": render_markdown(report),
        "findings.csv": render_csv(report),
        "junit.xml": render_junit(report),
    }
    for shown in suites_of(report):
        texts |= {file(shown.id, table.id): render_table(table) for table in tables(shown)}
    paths = [folder / name for name in texts]
    beside = {path: path.with_name(f".{path.name}.partial") for path in paths}
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
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
