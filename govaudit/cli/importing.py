"""`govaudit import`: folders of Inspect logs as run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from govaudit.cli import screen
from govaudit.cli.compare import ScoresOfLogs, SpecOfLogs
from govaudit.cli.options import Json


def import_command(
    logs: Annotated[Path, typer.Argument(metavar="LOGS", help="A folder of Inspect logs (.eval or .json).")],
    spec: SpecOfLogs = None,
    scores: ScoresOfLogs = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder; of several tasks a folder for each in it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take in evidence that others made; their scores become those of a rater without a gauge."""
    from govaudit.importing import runs, write

    found = runs(logs, spec=spec, scores=scores)
    places = write(found, out or Path(f"{logs.resolve().name}-imported"))
    if as_json:
        rows = [
            {
                "run": str(place),
                "task": run.name,
                "arms": [arm.name for arm in run.tables.plan.arms],
                "responses": len(run.tables.responses),
                "ratings": len(run.tables.ratings),
                "not_placed": list(run.tables.suite.notes),
            }
            for run, place in zip(found, places, strict=True)
        ]
        screen.print_json({"runs": rows})
        return
    for run, place in zip(found, places, strict=True):
        screen.warn(run.tables.plan.warnings)
        screen.out.plain(
            f"{run.name}: {len(run.tables.responses):,} answers of {len(run.tables.plan.arms)} arms, "
            f"{len(run.tables.ratings):,} scores, {len(run.tables.plan.deciding)} clauses"
        )
        screen.out.plain(f"Run folder: {place}")
