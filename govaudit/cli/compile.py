"""`govaudit compile` and `accept`: probes, and the drafts that people let in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from govaudit.cli import asked, screen
from govaudit.cli.options import (
    COMPILED,
    Asked,
    Connections,
    Json,
    RatingsOption,
    Seed,
    SheetOption,
    SpecPath,
    spread,
)
from govaudit.cli.rate import sheets_of
from govaudit.errors import BadInput


@spread(COMPILED)
def compile_command(
    spec: SpecPath,
    given: Asked,
    writer: Annotated[
        str | None,
        typer.Option("--writer", metavar="MODEL", help="Let a model write drafts where clauses stay short."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write the suite here (JSON Lines).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compile a spec into probes and say what they could show, before anything runs."""
    from govaudit.plan import coverage_json, expand, prepare

    if writer is not None and out is None:
        raise BadInput("--writer writes drafts beside the suite", remedy="Name the suite with -o FILE.")
    prepared = prepare(asked.described(spec, given))
    if out is not None:
        out.write_text(prepared.suite.dumps(), encoding="utf-8")
    printed = coverage_json(prepared)
    if not as_json:
        screen.warn(prepared.warnings)
        _print_compiled(printed)
    if out is not None:
        screen.err.plain(f"Suite written to {out}.")
    if writer is not None and out is not None:
        drafts = out.with_suffix(".drafts.jsonl")
        with screen.progress(as_json) as step:
            expansion = expand(prepared, writer, drafts, step=step)
        printed["drafts"] = {"file": str(drafts), **expansion.data()}
        _print_drafts(expansion, drafts)
    if as_json:
        screen.print_json(printed)


def accept_command(
    drafts: Annotated[Path, typer.Argument(metavar="DRAFTS", help="Bank of drafts that a writer wrote.")],
    sheet: SheetOption = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Drafts on the sheet, drawn clause by clause.")
    ] = None,
    ratings: RatingsOption = None,
    judge: Annotated[
        list[str] | None,
        typer.Option("--judge", metavar="MODEL", help="LLM judge for the rubric probe (repeatable)."),
    ] = None,
    accept_rubric: Annotated[
        str | None,
        typer.Option("--accept-rubric", metavar="PERSON", help="Who lets the judges count without a gauge."),
    ] = None,
    gauged_on: Annotated[
        list[Path] | None,
        typer.Option("--gauged-on", metavar="DRAFTS", help="Gauge judges on this bank too (repeatable)."),
    ] = None,
    seed: Seed = 0,
    max_connections: Connections = None,
    as_json: Json = False,
) -> None:
    """Accept or reject drafts: by people with a blind sheet, or by a judge that agrees with people."""
    from govaudit.evals import review

    if sheet is None and sample is not None:
        raise BadInput("--sample is for --sheet", remedy="Add --sheet OUT.csv.")
    if sheet is not None and (ratings or judge or accept_rubric or gauged_on):
        raise BadInput("--sheet writes and records nothing", remedy="Give --ratings and --judge without it.")
    if sheet is not None:
        written = review.write_sheet(drafts, sheet, sample=sample, seed=seed)
        if as_json:
            screen.print_json({"sheet": str(sheet), "items": written})
        else:
            screen.out.print(f"{written} drafts written to {sheet}.", markup=False, soft_wrap=True)
        return
    with screen.progress(as_json) as step:
        standing = review.accept(
            drafts,
            sheets=sheets_of(ratings),
            judges=judge or (),
            rubric_accepted_by=accept_rubric,
            gauged_on=gauged_on or (),
            connections=max_connections,
            step=step,
        )
    if as_json:
        screen.print_json(standing.data())
    else:
        screen.warn(standing.warnings)
        _print_standing(standing)


def _print_compiled(printed: dict[str, Any]) -> None:
    """Coverage by clause and by eval, and what is missing."""
    clauses = [row for row in printed["clauses"] if row["tested_as"] is None]
    lacking = [row["clause"] for row in clauses if row["short"]]
    table = Table(box=None)
    table.add_column("clause", overflow="fold")
    for name in ("probes", "likelihood", "clusters", "0 violations\nexclude above"):
        table.add_column(name, no_wrap=True)
    if lacking:
        table.add_column("short by", no_wrap=True)
    for row in clauses:
        counts = [str(row[name]) for name in ("probes", "likelihood", "clusters")]
        limit = "nothing" if row["excludes"] is None else f"{row['excludes']:.1%}"
        limit = limit if row["level"] == "model" else f"({row['level']})"
        table.add_row(escape(row["clause"]), *counts, limit, *[str(row["short"] or "")] * bool(lacking))
    screen.err.print(table, "")
    evals = Table(box=None)
    evals.add_column("eval", no_wrap=True)
    evals.add_column("rubric", no_wrap=True)
    evals.add_column("clusters of its clauses", overflow="fold")
    for entry in printed["evals"]:
        name = entry["name"]
        mine = {row["clause"]: row["evals"][name] for row in clauses if name in row["evals"]}
        reached = sum(n > 0 for n in mine.values())
        shown = ", ".join(f"{clause} {n or ''}".strip() for clause, n in mine.items())
        if len(mine) > 3:
            shown = f"{entry['clusters']} in {reached} clauses" if reached else f"none of {len(mine)} clauses"
        if mine:
            evals.add_row(escape(name), escape(entry["rubric"]), escape(shown))
    screen.err.print(evals, "")
    screen.warn(printed["suite"]["notes"])
    said = []
    if names := printed["uncalled"]:
        said.append(
            f"No clause calls for: {', '.join(names)}. If run, they give a measurement, never a verdict."
        )
    if names := printed["without_subject"]:
        shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        every = len(names) == sum(row["level"] == "model" for row in clauses)
        said.append(
            f"Only the evals for every clause fit {'any' if every else shown}. Tags lead to the others; "
            "an overlay gives tags."
        )
    if printed["per_clause"] is None:
        said.append("Evals with tags draw from their banks with --per-clause N.")
    if lacking:
        said.append("More clusters come from --items, from tags that evals have, or from a --writer MODEL.")
    for text in said:
        screen.err.print(text, markup=False, highlight=False)


def _print_drafts(expansion: Any, drafts: Path) -> None:
    screen.warn(expansion.warnings)
    added = f"{sum(expansion.added.values())} clusters of drafts for {len(expansion.added)} clause(s) added"
    if drafts.exists():
        added += f" to {drafts}. They count once they are accepted: `govaudit accept {drafts}`, then compile "
        added += f"with --items {drafts}"
    screen.err.plain(f"{added}.")


def _print_standing(standing: Any) -> None:
    table = Table("clause", "clusters of drafts", "accepted", "rejected", "open", box=None)
    for row in standing.clauses:
        table.add_row(escape(row.clause), *map(str, (row.clusters, row.accepted, row.rejected, row.open)))
    screen.out.print(table)
    for person, n in standing.people.items():
        screen.out.print(f"{person} judged {n} drafts.", markup=False, highlight=False)
    for judge in standing.judges:
        if judge.counts:
            screen.out.plain(f"{judge.judge} judged {judge.asked} drafts and counts: {judge.grounds}.")
