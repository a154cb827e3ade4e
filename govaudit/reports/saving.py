"""A report in all its forms on disk: JSON, HTML, Markdown, CSV and JUnit, with the same numbers in each."""

from __future__ import annotations

import os
from pathlib import Path

from govaudit.reports.document import Report
from govaudit.reports.html import dumps, render_html
from govaudit.reports.junit import render_junit
from govaudit.reports.markdown import render_markdown
from govaudit.reports.tables import render_csv


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
    folder.mkdir(parents=True, exist_ok=True)
    beside = {folder / name: folder / f".{name}.partial" for name in texts}
    for partial, text in zip(beside.values(), texts.values(), strict=True):
        with partial.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    for path, partial in beside.items():
        partial.replace(path)
