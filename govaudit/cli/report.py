"""`govaudit report` and `review`: what a run says, and what people say of its findings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from govaudit.cli import screen
from govaudit.cli.audit import finish
from govaudit.cli.options import Json
from govaudit.errors import BadInput

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or of Inspect logs.")]


def report_command(
    run: Run,
    referee: Annotated[
        bool, typer.Option("--referee", help="List what a referee would still ask of the run.")
    ] = False,
    redact: Annotated[
        list[str] | None,
        typer.Option(
            "--redact",
            metavar="TAG",
            help="Write a copy without the prompts and answers of this tag (repeatable; needs -o).",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the redacted copy.")] = None,
    as_json: Json = False,
) -> None:
    """Recompute findings and report from the tables of a run; no model is called."""
    from govaudit import audit
    from govaudit.importing import as_run

    if bool(redact) is not (out is not None):
        raise BadInput(
            "--redact and --out belong together",
            remedy="Name the tags to take out and a folder for the copy: --redact TAG -o FOLDER.",
        )
    run = as_run(run)
    document = audit.publish(run, redact, out) if redact and out else audit.report(run)
    if referee:
        _referee(document, as_json)
    elif document.redaction and out:
        _redacted(document, out, as_json)
    else:
        finish(document, run, as_json)


def _referee(document: Any, as_json: bool) -> None:
    from dataclasses import asdict

    from govaudit.reports import referee

    demands = referee.referee(document)
    if as_json:
        screen.print_json({"demands": [asdict(demand) for demand in demands]})
        return
    for state in ("unmet", "met", "does not arise"):
        mine = [demand for demand in demands if demand.state == state]
        if mine:
            screen.out.plain(f"{len(mine)} {state}")
        for demand in mine:
            screen.out.plain(f"  {demand.id} {demand.title}: {demand.why}")
            if demand.remedy:
                screen.out.plain(f"     To meet it: {demand.remedy}")


def _redacted(document: Any, out: Path, as_json: bool) -> None:
    cut = document.redaction
    if as_json:
        screen.print_json({"report": str(out), "redaction": cut.model_dump()})
        return
    screen.out.plain(
        f"Taken out: {cut.texts} texts of {cut.exhibits} responses shown as evidence, and {cut.elsewhere} "
        f"elsewhere; {cut.probes} probes have the tags."
    )
    screen.out.plain(f"Copy: {out / 'report.html'}")


def review_command(
    run: Run,
    finding: Annotated[
        str | None,
        typer.Argument(metavar="[ARM/CLAUSE]", help="The finding; without it the review is printed."),
    ] = None,
    status: Annotated[
        str | None, typer.Option("--status", help="open, confirmed, disputed or withdrawn.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who says so.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    reply: Annotated[str, typer.Option("--reply", help="What those audited reply.")] = "",
    rater: Annotated[
        str | None, typer.Option("--rater", help="The rater, where it is not the one that decides.")
    ] = None,
    measure: Annotated[
        str | None, typer.Option("--measure", help="generation or likelihood, where both were measured.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say whether a finding stands: one more entry in the review of a run, shown in its report."""
    from govaudit import audit

    if finding is None:
        if status or by or reason or reply:
            raise BadInput("an entry needs a finding", remedy="Name ARM/CLAUSE after the run.")
        document = audit.report(run)
    elif status is None:
        raise BadInput("an entry needs --status", remedy="Take open, confirmed, disputed or withdrawn.")
    else:
        document = audit.review(
            run, finding, status=status, by=by, reason=reason, reply=reply, rater=rater, measure=measure
        )
    _print_review(document, as_json)


def _print_review(document: Any, as_json: bool) -> None:
    reviewed = [row for row in document.findings if row.review]
    if as_json:
        rows = [
            {"arm": row.arm, "clause": row.clause, "measure": row.measure, "rater": row.rater}
            | {"status": row.status, "entries": [entry.model_dump() for entry in row.review]}
            for row in reviewed
        ]
        screen.print_json({"head": document.review_head, "findings": rows})
        return
    for row in reviewed:
        screen.out.plain(f"{row.arm}/{row.clause} ({row.measure} / {row.rater}): {row.status}")
        for entry in row.review:
            changed = "; the numbers have changed since" if entry.changed else ""
            screen.out.plain(f"  {entry.n}. {entry.when} {entry.by}: {entry.status}{changed}. {entry.reason}")
            if entry.reply:
                screen.out.plain(f"     Reply: {entry.reply}")
    head = f"Last entry: {document.review_head}" if document.review_head else "Nobody has reviewed a finding."
    screen.out.plain(head)
