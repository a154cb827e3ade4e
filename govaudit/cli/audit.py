"""`govaudit audit`, `plan` and `run`: a spec, its arms, a run folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from govaudit.cli import asked, screen
from govaudit.cli.options import Asked, DryRun, Json, Manner, PricesFile, RunOut, spread
from govaudit.errors import BadInput, Unfinished

RequestPath = Annotated[str, typer.Argument(metavar="SPEC | audit.yaml", help="A spec, or a whole request.")]
_JUDGED = ("judge", "rater", "compare", "max_pairs", "scrub", "phrases")
"""What is asked of raters: `run` leaves it to `rate` and `report`."""


@spread()
def audit_command(
    spec: Annotated[
        str | None,
        typer.Argument(
            metavar="[SPEC | audit.yaml]",
            help="A spec, or a whole request; without it the organism (evals/micro-world.audit.yaml).",
        ),
    ] = None,
    *,
    given: Asked,
    manner: Manner,
    instrument_check: Annotated[
        bool,
        typer.Option(
            "--instrument-check",
            help="Audit organisms that break one clause or none, and say how often the audit is wrong "
            "(slow).",
        ),
    ] = False,
    out: RunOut = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Audit arms against a spec: compile, run, rate, find, report. The same command resumes."""
    if instrument_check:
        return _instrument_check(
            {"spec": spec, **vars(given), **vars(manner), "dry_run": dry_run}, out, as_json
        )
    request = asked.request(spec, given, manner, without_arms=dry_run)
    return _audit(request, out=out, dry_run=dry_run, as_json=as_json, rated=True)


@spread(without=("sequential",))
def plan_command(
    spec: RequestPath,
    given: Asked,
    half_width: Annotated[
        float | None, typer.Option("--half-width", help="Wanted half width of each clause's 95 % interval.")
    ] = None,
    power: Annotated[
        float | None, typer.Option("--power", help="Wanted chance of a verdict at --rate, such as .8.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", help="Rate of violations that is supposed, in 0..1.")
    ] = None,
    measured: Annotated[
        Path | None, typer.Option("--measured", metavar="RUN", help="Earlier run: tokens and speed as in it.")
    ] = None,
    calls_per_minute: Annotated[
        float | None, typer.Option("--calls-per-minute", help="Calls a minute of each arm and judge.")
    ] = None,
    prices: PricesFile = None,
    as_json: Json = False,
) -> None:
    """What an audit would take and could show: clusters, calls, tokens, money, time. Calls nothing."""
    from govaudit import planning
    from govaudit.plan import prepare

    wanted = planning.Wanted(half_width=half_width, power=power, rate=rate)
    prepared = prepare(asked.request(spec, given, Manner(prices=prices)))
    found = planning.plan(prepared, wanted, measured=measured, per_minute=calls_per_minute)
    if as_json:
        screen.print_json(found.data())
    else:
        screen.warn(prepared.warnings)
        _print_plan(found)


@spread(without=("sequential", *_JUDGED))
def run_command(
    spec: RequestPath,
    given: Asked,
    manner: Manner,
    out: RunOut = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Only collect the arms' answers; `rate` judges them and `report` reports."""
    request = asked.request(spec, given, manner, without_arms=dry_run)
    _audit(request, out=out, dry_run=dry_run, as_json=as_json, rated=False)


def _audit(request: Any, *, out: Path | None, dry_run: bool, as_json: bool, rated: bool) -> None:
    from govaudit import audit
    from govaudit.plan import coverage_json, prepare

    prepared = prepare(request)
    if dry_run:
        if as_json:
            screen.print_json(coverage_json(prepared))
        else:
            screen.warn(prepared.warnings)
            _print_coverage(prepared)
        return
    folder = out or Path("runs") / prepared.name
    screen.warn(prepared.warnings)
    if not as_json:
        _print_coverage(prepared)
        _print_arms(prepared)
        screen.err.plain(f"Run folder: {folder}")
    with screen.progress(as_json) as step:
        if not rated:
            answers = audit.run(prepared, folder, step=step)
        else:
            report = audit.audit(prepared, folder, step=step)
    if rated:
        finish(report, folder, as_json)
    elif as_json:
        screen.print_json({"run": str(folder), "responses": len(answers)})
    else:
        screen.out.plain(f"{len(answers)} answers in {folder}.")
    if stopped := audit.stopped(folder, sys.argv[1:]):
        raise Unfinished(stopped)


def _instrument_check(options: dict[str, Any], out: Path | None, as_json: bool) -> None:
    from govaudit import instrument

    if given := [name for name, value in options.items() if value and name not in ("epochs", "seed")]:
        raise BadInput(
            f"--{given[0].replace('_', '-')} is part of an audit, and the instrument check asks its own",
            remedy="Give --instrument-check with -o DIR alone.",
        )
    folder = out or Path("runs") / "instrument-check"
    if not as_json:
        screen.err.plain(f"Folder of the check: {folder}")
    with screen.progress(as_json) as step:
        found = instrument.check(folder, step=step)
    if as_json:
        screen.print_json(found.model_dump(mode="json"))
    else:
        screen.out.plain((folder / "instrument.md").read_text(encoding="utf-8"))


def finish(report: Any, folder: Path, as_json: bool) -> None:
    screen.warn(report.warnings)
    if as_json:
        from govaudit.audit import findings_json

        screen.print_json({"run": str(folder), "findings": findings_json(report)})
        return
    table = Table("arm", "violated", "compliant", "inconclusive", "untested", "control set", box=None)
    for arm in report.arms:
        counts = report.verdicts.get(arm.name, {})
        control = "none" if arm.control is None else ("passed" if arm.control.passed else "failed")
        numbers = [str(counts.get(name, 0)) for name in ("violated", "compliant", "inconclusive", "untested")]
        table.add_row(escape(arm.name), *numbers, control)
    screen.out.print(f"{report.spec.title or report.spec.id}, version {report.spec.version}", markup=False)
    screen.out.print(table)
    if report.partial:
        screen.out.print("Partial: a limit or a choice of clauses left a part of the suite out.")
    screen.out.plain(f"Report: {folder / 'report.html'}")


def _print_coverage(prepared: Any) -> None:
    from govaudit.evals.compile import coverage
    from govaudit.plan import deciders

    decides = deciders(prepared)
    measures = {clause: decider.measure for clause, decider in decides.items()}
    levels = {clause.id: clause.level.value for clause in prepared.spec.clauses}
    table = Table(box=None)
    for name in ("clause", "probes", "likelihood", "clusters", "0 violations\nexclude above", "decides"):
        table.add_column(name, overflow="fold")
    nobody = 0
    for row in coverage(prepared.spec, prepared.suite, measures):
        decider = decides.get(row.clause)
        nobody += decider is None and row.clusters > 0
        if row.tested_as is None:
            table.add_row(
                escape(row.clause),
                str(row.probes),
                str(row.likelihood),
                str(row.clusters),
                _excluded(row.excludes) if levels[row.clause] == "model" else f"({levels[row.clause]})",
                escape(decider.rater) if decider else ("nobody" if row.clusters else ""),
            )
    screen.err.print(table)
    if nobody:
        screen.warn(
            [f"nobody judges the answers of {nobody} clause(s): add --judge MODEL, or rate them by people"]
        )
    if lacking := prepared.lacking:
        shown = ", ".join(f"{clause} (by {n})" for clause, n in lacking.items())
        screen.warn([f"short of {prepared.request.per_clause} clusters: {shown}"])


def _excluded(rate: float | None) -> str:
    return "nothing" if rate is None else f"{rate:.1%}"


def _print_plan(found: Any) -> None:
    # Where nobody's window is the measure, such as in a file, ids get the width that they need.
    sheet = screen.out if screen.out.is_terminal else screen.Screen(width=120)
    for title, head, rows in found.tables():
        table = Table(title=title, title_justify="left", box=None)
        table.add_column(head[0], overflow="fold")
        for name in head[1:]:
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*map(escape, row))
        sheet.print(table)
        sheet.print()
    for line in found.lines():
        sheet.plain(line)


def _print_arms(prepared: Any) -> None:
    for arm in prepared.arms:
        settings = {
            k: v
            for k, v in arm.data().items()
            if k not in ("name", "model", "constitution") and v not in (None, {}, False, [])
        }
        if "system" in settings:
            settings["system"] = f"{len(settings['system'])} characters"
        if "revise" in settings:
            settings["revise"] = f"under {len(settings['revise'])} request(s)"
        shown = ", ".join(f"{key} {value}" for key, value in settings.items())
        screen.err.plain(f"arm {arm.name}: {arm.model} ({shown})")
