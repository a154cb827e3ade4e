"""Runs, and evidence that others made, compared: from paths to a comparison.

In: run folders and folders of Inspect logs, and what the user says about versions, labs and alignment. Out:
the comparison. Nothing is written here, and no model is asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from govaudit import importing, keeping
from govaudit.errors import BadInput
from govaudit.evals import foreign
from govaudit.records import RunFolder
from govaudit.reports.compare import build, three_way
from govaudit.reports.compare.document import Comparison
from govaudit.reports.compare.runs import OURS, Run
from govaudit.reports.document import Report
from govaudit.specs import alignment
from govaudit.specs.native import parse_as
from govaudit.specs.text import read_text


class _Labs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1.0"]
    labs: dict[str, tuple[str, ...]]


def compare(
    paths: Sequence[Path],
    *,
    mapping: Path | None = None,
    versions: Sequence[str] = (),
    labs: Path | None = None,
    shares: Path | None = None,
    spec: Path | None = None,
    scores: Path | None = None,
) -> Comparison:
    """The comparison of runs; without any, of a table of shares alone.

    ``versions``: ``before=after`` by the labels of arms. ``labs``: a YAML file with one key ``labs``: lab
    -> names of its specs, arms and judges. ``shares``: a CSV table of spec, model, judge, compliance.
    :class:`BadInput` for what cannot be read or compared.
    """
    named = parse_as(_Labs, read_text(labs), labs).labs if labs else {}
    table = three_way.read_shares(shares) if shares else ()
    if not paths:
        if not table:
            raise BadInput(
                "there is nothing to compare", remedy="Name run folders, or a table with --shares."
            )
        return build.of_shares(table, named)
    found = build.build(
        [run for path in paths for run in read(path, spec=spec, scores=scores)],
        alignment.load(mapping),
        versions=[_pair(text) for text in versions],
        labs=named,
    )
    if not table:
        return found
    if found.three_way is not None:
        raise BadInput(
            "these runs hold judgements of their own, which a table of shares would hide",
            path=shares,
            remedy="Compare the table by itself: leave the runs out.",
        )
    return build.with_shares(found, three_way.from_shares(table, named))


def read(path: Path, *, spec: Path | None = None, scores: Path | None = None) -> tuple[Run, ...]:
    """A run folder as a comparison reads it, or a folder of Inspect logs as the runs that it holds.

    ``spec`` and ``scores`` are for logs: what their scores are held against, and what these mean.
    """
    if RunFolder(path).request.is_file() or not foreign.is_logs(path):
        return (_finished(path),)
    return importing.runs(path, spec=spec, scores=scores)


def _finished(path: Path) -> Run:
    """A run folder whose report is written; :class:`BadInput` for one that is not finished or newer."""
    folder = RunFolder.open(path)
    report = path / "report.json"
    for needed in (folder.manifest, folder.ratings, report):
        if not needed.is_file():
            raise BadInput(
                f"this run is not finished (it has no {needed.name})",
                path=path,
                remedy="Repeat the command that began it, or write its report with `govaudit report`.",
            )
    try:
        document = Report.model_validate(json.loads(report.read_text(encoding="utf-8")))
    except ValueError as error:
        raise BadInput(
            "its report is of another version of govaudit, or damaged",
            path=report,
            remedy=f"Write it anew with `govaudit report {path}`.",
        ) from error
    return Run(path.resolve().name, OURS, document, keeping.tables(folder))


def _pair(text: str) -> tuple[str, str]:
    before, sign, after = text.partition("=")
    if not (before and sign and after):
        raise BadInput(f"--drift takes before=after, not {text!r}", remedy="Name the labels of two arms.")
    return before, after
