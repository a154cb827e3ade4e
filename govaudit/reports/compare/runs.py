"""A finished run as a comparison reads it: its report, and the tables that paired tests are made of.

In: a run folder. Out: a :class:`Run`, or one clear error for a folder that is none or is not finished.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from govaudit.errors import BadInput
from govaudit.evals.suite import Suite
from govaudit.records import (
    Rater,
    Rating,
    Response,
    RunFolder,
    read_raters,
    read_ratings,
    read_responses,
)
from govaudit.reports.document import Report
from govaudit.reports.findings import Cell, cells_of
from govaudit.reports.manifest import Plan, plan_from_json
from govaudit.reports.run_tables import RunTables
from govaudit.specs import native
from govaudit.specs.model import Spec

OURS = "govaudit"
"""Origin of a run that is not imported."""


@dataclass(frozen=True, eq=False)
class Run:
    """One audit, read."""

    name: str
    origin: str
    """:data:`OURS`, or where imported evidence comes from."""
    report: Report
    spec: Spec
    suite: Suite
    plan: Plan
    responses: tuple[Response, ...]
    ratings: tuple[Rating, ...]
    raters: tuple[Rater, ...]
    rubric_texts: dict[str, str]

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All that was judged, by clause, arm, measure and rater."""
        return tuple(
            cells_of(
                RunTables(
                    self.spec,
                    self.suite,
                    self.plan,
                    self.responses,
                    self.ratings,
                    self.raters,
                    rubric_texts=self.rubric_texts,
                )
            )
        )


def read(path: Path) -> Run:
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
    except (ValueError, ValidationError) as error:
        raise BadInput(
            "its report is of another version of govaudit, or damaged",
            path=report,
            remedy=f"Write it anew with `govaudit report {path}`.",
        ) from error
    return Run(
        name=path.resolve().name,
        origin=OURS,
        report=document,
        spec=native.load(folder.spec),
        suite=Suite.loads(folder.suite.read_text(encoding="utf-8"), folder.suite),
        plan=plan_from_json(folder.manifest.read_text(encoding="utf-8")),
        responses=read_responses(folder.responses),
        ratings=read_ratings(folder.ratings),
        raters=read_raters(folder.raters),
        rubric_texts={
            place.stem: place.read_text(encoding="utf-8") for place in sorted(folder.rubrics.glob("*.md"))
        },
    )
