"""`govaudit rate`, `gauge` and `fit`: who judges, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from govaudit.cli import asked, screen
from govaudit.cli.audit import finish
from govaudit.cli.options import Connections, Json, JudgeOption, RaterOption, RatingsOption, Seed, SheetOption
from govaudit.errors import BadInput


def rate_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    judge: JudgeOption = None,
    rubric: Annotated[
        str, typer.Option("--rubric", help="Rubric of --judge or --sheet; a sheet knows its own.")
    ] = ("compliance"),
    rater: RaterOption = None,
    sheet: SheetOption = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Answers on the sheet, drawn by clause and arm.")
    ] = None,
    ratings: RatingsOption = None,
    seed: Seed = 0,
    max_connections: Connections = None,
    as_json: Json = False,
) -> None:
    """Rate stored answers again: rules, another judge, or people by way of a blind sheet."""
    from govaudit import audit
    from govaudit.request import JudgeRequest

    if sheet is None and sample is not None:
        raise BadInput("--sample is for --sheet", remedy="Add --sheet OUT.csv.")
    if sheet is not None and (judge or rater or ratings):
        raise BadInput(
            "--sheet writes and rates nothing", remedy="Give --judge, --rater and --ratings without it."
        )
    if sheet is not None:
        written = audit.sheet(run, sheet, rubric=rubric, sample=sample, seed=seed)
        if as_json:
            screen.print_json({"sheet": str(sheet), "items": written})
        else:
            screen.out.print(f"{written} answers written to {sheet}.", markup=False, soft_wrap=True)
        return
    with screen.progress(as_json) as step:
        report = audit.rate(
            run,
            judges=[
                JudgeRequest(
                    model=asked.organism().placed(model) if asked.is_organism(model) else model, rubric=rubric
                )
                for model in judge or ()
            ],
            raters=rater or (),
            sheets=sheets_of(ratings),
            connections=max_connections,
            step=step,
        )
    finish(report, run, as_json)


def gauge_command(
    rater: Annotated[
        str,
        typer.Argument(
            metavar="RATER",
            help="refusal, length, model:NAME, classifier:FILE, recorded:COLUMN, "
            "recorded:judge=NAME,method=...,step=..., or people.",
        ),
    ],
    gold: Annotated[
        list[Path],
        typer.Option("--gold", metavar="FILE", help="Labelled data, .jsonl or .jsonl.gz (repeatable)."),
    ],
    format: Annotated[
        str,
        typer.Option("--format", help="xstest, rbr, llmbar, dices, bbq, hh, hhh, matrix or native."),
    ],
    split: Annotated[
        str | None, typer.Option("--split", metavar="COLUMN", help="Measure each value of a column apart.")
    ] = None,
    rubric: Annotated[
        str | None, typer.Option("--rubric", help="Rubric of model:NAME (default: that of the format).")
    ] = None,
    spec: Annotated[
        str | None, typer.Option("--spec", help="Spec with the clauses that native items name.")
    ] = None,
    replicates: Annotated[
        int, typer.Option("--replicates", min=1, help="Ask model:NAME the same so often (test-retest).")
    ] = 1,
    logs: Annotated[
        Path | None,
        typer.Option("--logs", metavar="DIR", help="Where calls are kept (default: runs/gauges/...)."),
    ] = None,
    seed: Seed = 0,
    max_connections: Connections = None,
    as_json: Json = False,
) -> None:
    """Measure a rater against labelled data: agreement, and whom its verdicts favour."""
    from govaudit.gauge import gauge
    from govaudit.reports.gauged import plain, shown
    from govaudit.reports.terminal import print_shown

    kind, _, model = rater.partition(":")
    if kind == "model" and asked.is_organism(model):
        rater = f"model:{asked.organism().placed(model)}"
    with screen.progress(as_json) as step:
        document = gauge(
            rater,
            gold,
            format,
            split=split,
            rubric=rubric,
            spec=spec,
            replicates=replicates,
            logs=logs,
            seed=seed,
            connections=max_connections,
            step=step,
        )
    if as_json:
        screen.print_json(plain(document))
    else:
        print_shown(shown(document), screen.out)


def fit_command(
    gold: Annotated[
        list[Path],
        typer.Option("--gold", metavar="FILE", help="Labelled answers, .jsonl or .jsonl.gz (repeatable)."),
    ],
    format: Annotated[str, typer.Option("--format", help="xstest or rbr.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where the classifier goes.")],
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Fit a classifier of answers on labelled rows: the rater classifier:FILE."""
    from govaudit.reports.fitted import fit, show
    from govaudit.reports.terminal import print_shown

    part = fit(gold, format, out, seed)
    if as_json:
        screen.print_json(part.model_dump(mode="json"))
    else:
        print_shown(show(part), screen.out)


def sheets_of(ratings: Sequence[str] | None) -> list[tuple[str, Path]]:
    """Who filled which sheet, from ``PERSON=SHEET.csv``."""
    sheets = []
    for entry in ratings or ():
        person, sign, file = entry.partition("=")
        if not sign or not person or not file:
            raise BadInput(f"--ratings {entry!r} names no person", remedy="Write PERSON=SHEET.csv.")
        sheets.append((person, Path(file)))
    return sheets
