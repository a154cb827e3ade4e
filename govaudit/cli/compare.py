"""`govaudit compare`: several arms, releases or labs beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from govaudit.cli import screen
from govaudit.cli.options import Json

SpecOfLogs = Annotated[
    Path | None, typer.Option("--spec", help="For Inspect logs: the spec that their scores are held against.")
]
ScoresOfLogs = Annotated[
    Path | None, typer.Option("--scores", help="For Inspect logs: YAML that says which scores mean broken.")
]


def compare_command(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUN...]", help="Run folders, or folders of Inspect logs."),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(help="Which clauses of different specs speak of the same thing (specs/mapping.yaml)."),
    ] = None,
    drift: Annotated[
        list[str] | None,
        typer.Option(metavar="BEFORE=AFTER", help="Two arms that are versions of one model; repeatable."),
    ] = None,
    labs: Annotated[
        Path | None,
        typer.Option(help="YAML: the specs, arms and judges of each lab, for three-way consistency."),
    ] = None,
    shares: Annotated[
        Path | None,
        typer.Option(help="CSV: spec, model, judge, compliance [, n], measured elsewhere."),
    ] = None,
    spec: SpecOfLogs = None,
    scores: ScoresOfLogs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the comparison.")] = Path("comparison"),
    as_json: Json = False,
) -> None:
    """Put what specs declare beside what arms were observed to do, with tests of every difference."""
    from govaudit.comparing import compare
    from govaudit.reports.compare.saving import save
    from govaudit.reports.compare.terminal import print_comparison

    found = compare(
        runs or [],
        mapping=mapping,
        versions=drift or [],
        labs=labs,
        shares=shares,
        spec=spec,
        scores=scores,
    )
    save(found, out)
    if as_json:
        screen.print_json(found.model_dump(mode="json"))
        return
    screen.warn(found.warnings)
    print_comparison(found, screen.out)
    screen.out.plain(f"Comparison: {out / 'compare.html'}")
