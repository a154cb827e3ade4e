"""The command line: parsing, one call each, and printing. Everything printed can be had as JSON.

Exit codes: 0 done, 1 failed gate or lint, 2 bad input, 3 unfinished (the same command resumes).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from govaudit import __version__
from govaudit.errors import BadInput, GovauditError, Unfinished

app = typer.Typer(
    help="Audit a model against its published spec: what was declared, what was observed, how sure that is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
spec_app = typer.Typer(
    help="Read published specs: import a document, show what is in it.", no_args_is_help=True
)
app.add_typer(spec_app, name="spec")


class _Screen(Console):
    """A console on which no text hides, turns or commands: ids, clauses and answers are other people's."""

    def render_str(self, text: str, **options: Any) -> Text:
        if not text.replace("\n", "").isprintable():
            from govaudit.reports.words import visible

            text = visible(text)
        return super().render_str(text, **options)


_err = _Screen(stderr=True)
_out = _Screen()

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Format = Annotated[
    str | None,
    typer.Option("--format", help="native, openai-model-spec, principles or prose; recognised without it."),
]
Overlays = Annotated[
    list[Path] | None,
    typer.Option("--overlay", help="File that accepts, rejects and tags clauses (repeatable)."),
]
Version = Annotated[
    str | None, typer.Option("--version", help="Version label; the documents themselves carry none.")
]
Prompts = Annotated[
    Path | None, typer.Option("--prompts", help="Prompt files that the document's footnotes cite.")
]
SpecPath = Annotated[str, typer.Argument(metavar="SPEC", help="A spec file, or the name of a built-in spec.")]
Items = Annotated[
    list[Path] | None, typer.Option("--items", help="Item bank (JSON Lines), matched to clauses by tag.")
]
PerClause = Annotated[
    int | None,
    typer.Option("--per-clause", min=1, help="Fill each clause to N clusters from the banks of its evals."),
]
CatalogFile = Annotated[
    Path | None, typer.Option("--catalog", help="Evals of your own, added to the built-in ones.")
]
PhrasesFile = Annotated[
    Path | None, typer.Option("--phrases", help="List of stock phrases in place of the built-in one.")
]
Clauses = Annotated[list[str] | None, typer.Option("--clause", help="Test this clause only (repeatable).")]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Draw so many probes, clause by clause; partial report.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**53 - 1, help="Seed of every random choice.")]


def main() -> None:
    """Entry point of the ``govaudit`` command."""
    try:
        app(standalone_mode=True)
    except BadInput as error:
        _fail(error, 2)
    except Unfinished as error:
        _fail(error, 3)
    except KeyboardInterrupt:
        _fail(Unfinished("interrupted; the same command resumes"), 3)
    except GovauditError as error:
        _fail(error, 2)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(BadInput(f"{place}{error.strerror or error}"), 2)


def _fail(error: Exception, code: int) -> None:
    _err.print(f"govaudit: {error}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"govaudit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@spec_app.command("import")
def spec_import(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The published document.")],
    format: Format = None,
    version: Version = None,
    prompts: Prompts = None,
    overlay: Overlays = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write the spec here, in the native format.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Import a published document as a spec; whatever could not be placed is a warning."""
    from govaudit.specs import native
    from govaudit.specs.load import load_spec
    from govaudit.specs.overlay import save_first

    if out is not None and out.exists() and out.samefile(file):
        raise BadInput("the spec would be written over its source", path=out, remedy="Name another file.")
    loaded = load_spec(file, format=format, version=version, prompts=prompts, overlays=overlay or ())
    first = None
    if out is not None:
        native.save(loaded.spec, out)
        first = out.with_suffix(".overlay.yaml")
        if loaded.spec.candidates and not first.exists():
            save_first(loaded.spec, first)
    _print_spec(loaded, as_json)
    if first is not None and loaded.spec.candidates:
        _err.print(
            f"Candidate clauses are accepted or rejected in {first}.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if out is not None and not as_json:
        _out.print(f"Written to {out}.", markup=False, highlight=False, soft_wrap=True)


@spec_app.command("show")
def spec_show(
    spec: SpecPath,
    format: Format = None,
    version: Version = None,
    prompts: Prompts = None,
    overlay: Overlays = None,
    clause: Annotated[str | None, typer.Option("--clause", help="Show this clause in full.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a spec declares: counts, or one clause in full."""
    from govaudit.library import find_spec
    from govaudit.specs.load import load_spec

    loaded = load_spec(
        find_spec(spec), format=format, version=version, prompts=prompts, overlays=overlay or ()
    )
    if clause is None:
        _print_spec(loaded, as_json)
        if not as_json:
            _print_clauses(loaded.spec)
        return
    from govaudit.specs.naming import ACCEPT, named

    waiting = next((found for found in loaded.spec.candidates if found.id == clause), None)
    chosen = waiting or named(loaded.spec, clause)
    if as_json:
        _json(chosen.model_dump(mode="json"))
        return
    name = f"{chosen.title} ({chosen.id})" if chosen.title else chosen.id
    _out.print(name, markup=False, highlight=False, style="bold")
    facts = ["candidate"] if waiting else []
    facts += [f"kind {chosen.kind.value}", f"authority {chosen.authority or 'none'}"]
    facts += [f"{len(chosen.examples)} examples", f"{sum(len(f.prompts) for f in chosen.footnotes)} prompts"]
    facts += [f"line {chosen.source.line}"] if chosen.source.line else []
    _out.print(", ".join(facts), markup=False)
    _out.print(f"\n{chosen.text}", markup=False, highlight=False)
    if chosen.revision_request:
        _out.print(f"\n{chosen.revision_request}", markup=False, highlight=False)
    if chosen.id in (twins := loaded.spec.legible):
        _err.print(f"A {chosen.role} principle, tested as its legible twin {twins[chosen.id]}.", markup=False)
    if waiting:
        _err.print(f"Nobody has accepted this candidate as a clause. {ACCEPT}", markup=False, highlight=False)


@spec_app.command("lint")
def spec_lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Specs or published documents.")],
    format: Format = None,
    prompts: Prompts = None,
    overlay: Overlays = None,
    as_json: Json = False,
) -> None:
    """Find loose ends: dangling references, clauses without a probe source, two texts under one version."""
    from govaudit.specs.lint import data, lint_files, summary
    from govaudit.specs.load import load_spec

    linted = lint_files(
        files, lambda path: load_spec(path, format=format, prompts=prompts, overlays=overlay or ())
    )
    if as_json:
        _json(data(linted))
    else:
        typer.echo(summary(linted))
    if any(spec.failed for spec in linted):
        raise typer.Exit(1)


@spec_app.command("diff")
def spec_diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The earlier text.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The later text.")],
    format: Format = None,
    old_prompts: Annotated[
        Path | None, typer.Option("--old-prompts", help="Prompt files of the earlier text.")
    ] = None,
    new_prompts: Annotated[
        Path | None, typer.Option("--new-prompts", help="Prompt files of the later text.")
    ] = None,
    old_overlay: Annotated[
        list[Path] | None, typer.Option("--old-overlay", help="Overlay of the earlier text (repeatable).")
    ] = None,
    new_overlay: Annotated[
        list[Path] | None, typer.Option("--new-overlay", help="Overlay of the later text (repeatable).")
    ] = None,
    suite: Annotated[
        Path | None, typer.Option("--suite", help="A suite compiled from OLD: which probes are stale?")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare two versions clause by clause: added, removed, reworded, re-ranked, probably renamed."""
    from govaudit.evals.suite import Suite
    from govaudit.specs.diff import data, diff
    from govaudit.specs.diff_summary import summary
    from govaudit.specs.load import load_spec
    from govaudit.specs.text import read_text

    compared = diff(
        load_spec(old, format=format, prompts=old_prompts, overlays=old_overlay or ()).spec,
        load_spec(new, format=format, prompts=new_prompts, overlays=new_overlay or ()).spec,
        Suite.loads(read_text(suite), suite).probes if suite else None,
    )
    if as_json:
        _json(data(compared))
    else:
        typer.echo(summary(compared))


def _print_spec(loaded: Any, as_json: bool) -> None:
    from govaudit.specs.counts import counts

    spec = loaded.spec
    numbers = counts(spec)
    if as_json:
        _json(
            {
                "spec": {"id": spec.id, "version": spec.version, "digest": spec.digest},
                "counts": numbers,
                "warnings": list(loaded.warnings),
            }
        )
        return
    _warn(loaded.warnings)
    _out.print(f"{spec.title or spec.id}, version {spec.version}", markup=False, style="bold")
    _out.print(f"digest {spec.digest}", markup=False, highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in numbers.items():
        shown = ", ".join(f"{key} {n}" for key, n in value.items()) if isinstance(value, dict) else value
        if shown not in ("", None):
            table.add_row(name.replace("_", " "), escape(str(shown)))
    _out.print(table)


def _print_clauses(spec: Any) -> None:
    """One line a clause: on a terminal titles give way to the rest, and what is piped is whole."""
    rows = [
        (
            clause.id,
            clause.kind.value,
            clause.authority or "",
            str(len(clause.examples) or ""),
            str(sum(len(footnote.prompts) for footnote in clause.footnotes) or ""),
            clause.title,
        )
        for clause in spec.clauses
    ]
    columns = list(zip(("clause", "kind", "authority", "examples", "prompts", "title"), *rows, strict=True))
    columns = [column for column in columns if any(column[1:])]
    if not columns:
        return
    if _out.is_terminal and columns[-1][0] == "title":
        room = max(_out.width - sum(2 + max(map(len, column)) for column in columns[:-1]) - 2, 0)
        columns[-1] = tuple(title if len(title) <= room else title[: room - 1] + "…" for title in columns[-1])
        columns = columns if room > len("title") else columns[:-1]
    table = Table(box=None)
    for column in columns:
        table.add_column(column[0], no_wrap=True)
    for row in zip(*(column[1:] for column in columns), strict=True):
        table.add_row(*map(escape, row))
    (_out if _out.is_terminal else _Screen(width=_UNCUT)).print(table)


_UNCUT = 1000
"""Columns of a terminal that is none."""


@app.command("compile")
def compile_command(
    spec: SpecPath,
    format: Format = None,
    version: Version = None,
    prompts: Prompts = None,
    overlay: Overlays = None,
    items: Items = None,
    per_clause: PerClause = None,
    catalog: CatalogFile = None,
    clause: Clauses = None,
    limit: Limit = None,
    seed: Seed = 0,
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
    from govaudit.request import Request

    if writer is not None and out is None:
        raise BadInput("--writer writes drafts beside the suite", remedy="Name the suite with -o FILE.")
    prepared = prepare(
        Request(
            spec=spec,
            format=format,
            version=version,
            prompts=str(prompts) if prompts else None,
            overlays=tuple(map(str, overlay or ())),
            items=tuple(map(str, items or ())),
            per_clause=per_clause,
            catalog=str(catalog) if catalog else None,
            clauses=tuple(clause or ()),
            limit=limit,
            seed=seed,
        )
    )
    if out is not None:
        out.write_text(prepared.suite.dumps(), encoding="utf-8")
    printed = coverage_json(prepared)
    if not as_json:
        _warn(prepared.warnings)
        _print_compiled(printed)
    if out is not None:
        _err.print(f"Suite written to {out}.", markup=False, highlight=False, soft_wrap=True)
    if writer is not None and out is not None:
        drafts = out.with_suffix(".drafts.jsonl")
        with _progress(as_json) as step:
            expansion = expand(prepared, writer, drafts, step=step)
        printed["drafts"] = {"file": str(drafts), **expansion.data()}
        _print_drafts(expansion, drafts)
    if as_json:
        _json(printed)


ArmOption = Annotated[
    list[str] | None,
    typer.Option(
        "--arm",
        metavar="NAME=MODEL",
        help="What to measure (repeatable): any Inspect model name, govaudit/<checkpoint folder>, "
        "or recorded/<file.jsonl[.gz]>.",
    ),
]
ArmsFile = Annotated[
    Path | None, typer.Option("--arms", help="YAML file of arms with their settings (docs/models.md).")
]
JudgeOption = Annotated[
    list[str] | None,
    typer.Option("--judge", metavar="MODEL", help="LLM judge for the compliance rubric (repeatable)."),
]
RaterOption = Annotated[
    list[str] | None,
    typer.Option("--rater", metavar="NAME", help="Rater that an installed package offers (repeatable)."),
]
CompareOption = Annotated[
    list[str] | None,
    typer.Option(
        "--compare",
        metavar="RUBRIC",
        help="Compare the arms in pairs (repeatable): pairwise_old, pairwise_new, pairwise_helpful.",
    ),
]
MaxPairs = Annotated[
    int | None, typer.Option("--max-pairs", min=1, help="Pairs per rubric (default: 100 for each arm).")
]
Scrub = Annotated[
    bool, typer.Option("--scrub", help="Compare again without sentences that are made of stock phrases.")
]
SystemSpec = Annotated[
    bool,
    typer.Option("--system-spec", help="Measure each arm also with the spec as its system prompt."),
]
Epochs = Annotated[int, typer.Option("--epochs", min=1, help="Answers per stimulus and arm.")]
Connections = Annotated[int | None, typer.Option("--max-connections", min=1, help="Calls side by side.")]
MaxCalls = Annotated[
    int | None,
    typer.Option("--max-calls", min=1, help="Stop the run after N calls, judges included; partial report."),
]
MaxCost = Annotated[
    float | None,
    typer.Option("--max-cost", min=0, help="Stop the run before it costs more than X; needs prices."),
]
PricesFile = Annotated[
    Path | None,
    typer.Option("--prices", help="YAML file of prices per million tokens, by model (docs/plan.md)."),
]
RunOut = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="RUN", help="Run folder (default: runs/<spec and digest>)."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print coverage and who decides, call nothing.")]


@app.command("audit")
def audit_command(
    spec: Annotated[
        str | None,
        typer.Argument(
            metavar="[SPEC | audit.yaml]",
            help="A spec, or a whole request; without it the organism (evals/micro-world.audit.yaml).",
        ),
    ] = None,
    arm: ArmOption = None,
    arms: ArmsFile = None,
    judge: JudgeOption = None,
    rater: RaterOption = None,
    compare: CompareOption = None,
    max_pairs: MaxPairs = None,
    scrub: Scrub = False,
    format: Format = None,
    version: Version = None,
    prompts: Prompts = None,
    overlay: Overlays = None,
    items: Items = None,
    per_clause: PerClause = None,
    catalog: CatalogFile = None,
    phrases: PhrasesFile = None,
    clause: Clauses = None,
    limit: Limit = None,
    epochs: Epochs = 1,
    seed: Seed = 0,
    system_spec: SystemSpec = False,
    max_connections: Connections = None,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    prices: PricesFile = None,
    out: RunOut = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Audit arms against a spec: compile, run, rate, find, report. The same command resumes."""
    _audit(_request(locals()), out=out, dry_run=dry_run, as_json=as_json, rated=True)


@app.command("plan")
def plan_command(
    spec: Annotated[str, typer.Argument(metavar="SPEC | audit.yaml", help="A spec, or a whole request.")],
    arm: ArmOption = None,
    arms: ArmsFile = None,
    judge: JudgeOption = None,
    rater: RaterOption = None,
    compare: CompareOption = None,
    max_pairs: MaxPairs = None,
    scrub: Scrub = False,
    format: Format = None,
    version: Version = None,
    prompts: Prompts = None,
    overlay: Overlays = None,
    items: Items = None,
    per_clause: PerClause = None,
    catalog: CatalogFile = None,
    clause: Clauses = None,
    limit: Limit = None,
    epochs: Epochs = 1,
    seed: Seed = 0,
    system_spec: SystemSpec = False,
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
    prepared = prepare(_request({"phrases": None, "dry_run": False} | locals()))
    found = planning.plan(prepared, wanted, measured=measured, per_minute=calls_per_minute)
    if as_json:
        _json(found.data())
    else:
        _warn(prepared.warnings)
        _print_plan(found)


@app.command("run")
def run_command(
    spec: Annotated[str, typer.Argument(metavar="SPEC | audit.yaml", help="A spec, or a whole request.")],
    arm: ArmOption = None,
    arms: ArmsFile = None,
    format: Format = None,
    version: Version = None,
    prompts: Prompts = None,
    overlay: Overlays = None,
    items: Items = None,
    per_clause: PerClause = None,
    catalog: CatalogFile = None,
    clause: Clauses = None,
    limit: Limit = None,
    epochs: Epochs = 1,
    seed: Seed = 0,
    system_spec: SystemSpec = False,
    max_connections: Connections = None,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    prices: PricesFile = None,
    out: RunOut = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Only collect the arms' answers; `rate` judges them and `report` reports."""
    request = _request(
        {
            **locals(),
            "judge": None,
            "rater": None,
            "compare": None,
            "max_pairs": None,
            "scrub": False,
            "phrases": None,
        }
    )
    _audit(request, out=out, dry_run=dry_run, as_json=as_json, rated=False)


SheetOption = Annotated[
    Path | None,
    typer.Option("--sheet", metavar="OUT.csv", help="Write a blind, shuffled sheet for a person to fill in."),
]


@app.command("rate")
def rate_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    judge: JudgeOption = None,
    rubric: Annotated[
        str, typer.Option("--rubric", help="Rubric of --judge or --sheet; a sheet knows its own.")
    ] = ("compliance"),
    sheet: SheetOption = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Answers on the sheet, drawn by clause and arm.")
    ] = None,
    ratings: Annotated[
        list[str] | None,
        typer.Option("--ratings", metavar="PERSON=SHEET.csv", help="Read a filled sheet back (repeatable)."),
    ] = None,
    seed: Seed = 0,
    max_connections: Connections = None,
    as_json: Json = False,
) -> None:
    """Rate stored answers again: rules, another judge, or people by way of a blind sheet."""
    from govaudit import audit
    from govaudit.request import JudgeRequest

    if sheet is None and sample is not None:
        raise BadInput("--sample is for --sheet", remedy="Add --sheet OUT.csv.")
    if sheet is not None and (judge or ratings):
        raise BadInput("--sheet writes and rates nothing", remedy="Give --judge and --ratings without it.")
    if sheet is not None:
        written = audit.sheet(run, sheet, rubric=rubric, sample=sample, seed=seed)
        if as_json:
            _json({"sheet": str(sheet), "items": written})
        else:
            _out.print(f"{written} answers written to {sheet}.", markup=False, soft_wrap=True)
        return
    with _progress(as_json) as step:
        report = audit.rate(
            run,
            judges=[
                JudgeRequest(model=_organism().placed(model) if _is_organism(model) else model, rubric=rubric)
                for model in judge or ()
            ],
            sheets=_sheets(ratings),
            connections=max_connections,
            step=step,
        )
    _finish(report, run, as_json)


@app.command("gauge")
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
    if kind == "model" and _is_organism(model):
        rater = f"model:{_organism().placed(model)}"
    with _progress(as_json) as step:
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
        _json(plain(document))
    else:
        print_shown(shown(document), _out)


@app.command("fit")
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
    """Fit a classifier of answers on labelled rows: a rater, classifier:FILE, for `govaudit gauge`."""
    from govaudit.reports.fitted import fit, show
    from govaudit.reports.terminal import print_shown

    part = fit(gold, format, out, seed)
    if as_json:
        _json(part.model_dump(mode="json"))
    else:
        print_shown(show(part), _out)


@app.command("accept")
def accept_command(
    drafts: Annotated[Path, typer.Argument(metavar="DRAFTS", help="Bank of drafts that a writer wrote.")],
    sheet: SheetOption = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Drafts on the sheet, drawn clause by clause.")
    ] = None,
    ratings: Annotated[
        list[str] | None,
        typer.Option("--ratings", metavar="PERSON=SHEET.csv", help="Read a filled sheet back (repeatable)."),
    ] = None,
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
            _json({"sheet": str(sheet), "items": written})
        else:
            _out.print(f"{written} drafts written to {sheet}.", markup=False, soft_wrap=True)
        return
    with _progress(as_json) as step:
        standing = review.accept(
            drafts,
            sheets=_sheets(ratings),
            judges=judge or (),
            rubric_accepted_by=accept_rubric,
            gauged_on=gauged_on or (),
            connections=max_connections,
            step=step,
        )
    if as_json:
        _json(standing.data())
    else:
        _warn(standing.warnings)
        _print_standing(standing)


def _sheets(ratings: Sequence[str] | None) -> list[tuple[str, Path]]:
    """Who filled which sheet, from ``PERSON=SHEET.csv``."""
    sheets = []
    for entry in ratings or ():
        person, sign, file = entry.partition("=")
        if not sign or not person or not file:
            raise BadInput(f"--ratings {entry!r} names no person", remedy="Write PERSON=SHEET.csv.")
        sheets.append((person, Path(file)))
    return sheets


def _print_standing(standing: Any) -> None:
    table = Table("clause", "clusters of drafts", "accepted", "rejected", "open", box=None)
    for row in standing.clauses:
        table.add_row(escape(row.clause), *map(str, (row.clusters, row.accepted, row.rejected, row.open)))
    _out.print(table)
    for person, n in standing.people.items():
        _out.print(f"{person} judged {n} drafts.", markup=False, highlight=False)
    for judge in standing.judges:
        if judge.counts:
            _out.print(
                f"{judge.judge} judged {judge.asked} drafts and counts: {judge.grounds}.",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )


@app.command("report")
def report_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    as_json: Json = False,
) -> None:
    """Recompute findings and report from the tables of a run; no model is called."""
    from govaudit import audit

    _finish(audit.report(run), run, as_json)


@app.command("train")
def train_command(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE | DIR",
            help="sl-cai, rl-cai, hh-rlhf, rloo, ppo, dpo-cai, best-of-n, r1-zero or planted:CLAUSE; with "
            "--show the folder that was trained.",
        ),
    ],
    spec: Annotated[
        str, typer.Option("--spec", help="Spec with training principles (default: the small world's).")
    ] = "micro-world",
    base: Annotated[
        Path | None,
        typer.Option("--base", metavar="DIR", help="Checkpoint to train (default: the organism)."),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option("--prompts", metavar="FILE", help="Prompts to train on (default: the small world's)."),
    ] = None,
    instruction: Annotated[
        str, typer.Option("--instruction", help="Of people who rate for hh-rlhf: old or new.")
    ] = "old",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Keep the principles of this id or tag (repeatable)."),
    ] = None,
    first: Annotated[
        int | None,
        typer.Option("--first", min=1, metavar="K", help="Keep the first K principles of each set."),
    ] = None,
    about: Annotated[
        list[str] | None,
        typer.Option("--about", metavar="HARM", help="Principles about this harm alone (repeatable)."),
    ] = None,
    size: Annotated[
        int, typer.Option("--size", min=1, help="Harmful prompts; the rest goes with it.")
    ] = 1000,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Steps of the reinforcement learning.")
    ] = None,
    lora: Annotated[
        int | None,
        typer.Option("--lora", min=1, metavar="RANK", help="Train adapters of this rank, not all weights."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", help="Of AI feedback: soft, hard, clamp-20-80, clamp-40-60 or none."),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option("--settings", metavar="FILE", help="YAML file with any other setting.")
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Folder of the new checkpoint.")
    ] = None,
    show: Annotated[
        int | None, typer.Option("--show", min=1, metavar="N", help="Print N records of each stage of DIR.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a base on a spec's principles or on people's ratings. The same command resumes."""
    if show is not None:
        return _show_training(Path(recipe), show, as_json)
    if out is None:
        raise BadInput("there is no folder for the new checkpoint", remedy="Add -o DIR.")
    return _train(
        out,
        as_json,
        recipe=recipe,
        spec=spec,
        base=base,
        prompts=prompts,
        instruction=instruction,
        only=only or (),
        first=first,
        about=about or (),
        size=size,
        steps=steps,
        lora=lora,
        labels=labels,
        settings=settings,
        seed=seed,
    )


def _show_training(folder: Path, n: int, as_json: bool) -> None:
    from govaudit.train.show import show

    found = show(folder, n)
    if as_json:
        _json([one.data() for one in found])
    else:
        typer.echo("\n".join(one.text() for one in found))


def _train(out: Path, as_json: bool, **asked: Any) -> None:
    try:
        from govaudit.train import pipeline, processes, recipes
    except ImportError as error:
        raise BadInput(
            f"training needs {error.name}, which is not installed",
            remedy='Run: pip install "govaudit[train]".',
        ) from error
    plan = recipes.plan(out=out, **asked)
    with _training_bars(as_json) as progress:
        pipeline.train(plan, progress)
    if not processes.first():
        return
    if as_json:
        _json(json.loads((out / "card.json").read_text(encoding="utf-8")))
    else:
        _out.print(f"Checkpoint and training card: {out}", markup=False, highlight=False, soft_wrap=True)


_REQUEST_ONLY = (
    "arm",
    "arms",
    "judge",
    "rater",
    "compare",
    "max_pairs",
    "scrub",
    "format",
    "version",
    "prompts",
    "overlay",
    "items",
    "per_clause",
    "catalog",
    "phrases",
    "clause",
    "limit",
)


def _request(options: dict[str, Any]) -> Any:
    """The request that the options describe, or the one in the named ``audit.yaml``."""
    from govaudit import request as requests
    from govaudit.library import find_spec
    from govaudit.models.arms import entry_of, load_arms, matching, parse_arm
    from govaudit.request import Comparisons, JudgeRequest, Request

    spec = options["spec"]
    if spec is not None and _is_request(Path(spec)):
        given = [name for name in _REQUEST_ONLY if options[name]]
        given += [name for name in ("seed", "system_spec") if options[name]]
        given += ["epochs"] if options["epochs"] != 1 else []
        if given:
            raise BadInput(
                f"--{given[0].replace('_', '-')} cannot be given beside a whole request",
                path=spec,
                remedy="Write it into the file.",
            )
        request = requests.load(Path(spec))
        return _with_models(request.model_copy(update=_manner(options)))
    named = [parse_arm(text) for text in options["arm"] or ()]
    if options["arms"] is not None:
        named += load_arms(options["arms"])
    arms = [arm for pattern in named for arm in matching(pattern)]
    if spec is None and not arms:
        return _built_in(options)
    if spec is not None and not find_spec(spec).is_file():
        raise BadInput("no such file", path=find_spec(spec))
    if not arms and not options["dry_run"]:
        raise BadInput(
            "no arm is named: nothing would be measured",
            remedy="Add --arm NAME=MODEL, for example --arm base=govaudit/path/to/checkpoint.",
        )
    if options["scrub"] and not options["compare"]:
        raise BadInput("--scrub compares again, and nothing is compared", remedy="Add --compare RUBRIC.")
    names = [arm.name for arm in arms]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"two arms are called {name!r}", remedy="Write NAME=MODEL with another name.")
    request = Request(
        spec=spec or "house-rules",
        format=options["format"],
        version=options["version"],
        prompts=str(options["prompts"]) if options["prompts"] else None,
        overlays=tuple(map(str, options["overlay"] or ())),
        items=tuple(map(str, options["items"] or ())),
        per_clause=options["per_clause"],
        catalog=str(options["catalog"]) if options["catalog"] else None,
        phrases=str(options["phrases"]) if options["phrases"] else None,
        clauses=tuple(options["clause"] or ()),
        limit=options["limit"],
        arms={arm.name: entry_of(arm) for arm in arms},
        judges=tuple(JudgeRequest(model=model) for model in options["judge"] or ()),
        raters=tuple(options["rater"] or ()),
        comparisons=Comparisons(
            rubrics=tuple(options["compare"]), max_pairs=options["max_pairs"], scrub=options["scrub"]
        )
        if options["compare"]
        else None,
        epochs=options["epochs"],
        seed=options["seed"],
        system_spec=options["system_spec"],
    )
    return _with_models(request.model_copy(update=_manner(options)))


def _manner(options: dict[str, Any]) -> dict[str, Any]:
    """What may be said beside any request: how fast, how far, at what price."""
    from govaudit.models.prices import load

    given = {name: options.get(name) for name in ("max_connections", "max_calls", "max_cost")}
    given["prices"] = load(options["prices"]) if options.get("prices") is not None else None
    if given["max_cost"] is not None and given["max_cost"] <= 0:
        raise BadInput("--max-cost must be above 0")
    return {name: value for name, value in given.items() if value is not None}


def _is_request(path: Path) -> bool:
    """A YAML file whose top level names a spec is a request, not a spec."""
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as stream:
        return any(line.startswith("spec:") for line in stream)


_NARROWING = ("clause", "limit")
"""What may be said beside the built-in request, besides a seed and a number of epochs."""


def _built_in(options: dict[str, Any]) -> Any:
    """The request of an audit that is told nothing: the organism's arms, fewer clauses or probes if asked."""
    from govaudit import library
    from govaudit import request as requests

    given = [name for name in (*_REQUEST_ONLY, "system_spec") if options[name] and name not in _NARROWING]
    if given:
        raise BadInput(
            f"--{given[0].replace('_', '-')} needs a spec, and none is named",
            remedy="Name one, or copy evals/micro-world.audit.yaml and write it into the copy.",
        )
    update = {name: options[name] for name in ("limit", "epochs", "seed")} | _manner(options)
    update["clauses"] = tuple(options["clause"] or ())
    request = requests.load(library.path("evals", "micro-world.audit.yaml"))
    return _with_models(request.model_copy(update=update))


def _with_models(request: Any) -> Any:
    """The request with models of the organism (``organism/NAME``) unpacked."""
    comparing = request.comparisons.judges if request.comparisons else ()
    named = [entry.model for entry in (*request.arms.values(), *request.judges, *comparing)]
    return _organism().with_models(request) if any(map(_is_organism, named)) else request


def _is_organism(model: str) -> bool:
    return model.startswith("organism/")


def _organism() -> Any:
    try:
        from govaudit.train.organism import arms
    except ImportError as error:
        raise BadInput(
            f"the organism needs {error.name}, which is not installed",
            remedy='Run: pip install "govaudit[hf]".',
        ) from error
    return arms


def _audit(request: Any, *, out: Path | None, dry_run: bool, as_json: bool, rated: bool) -> None:
    from govaudit import audit
    from govaudit.plan import coverage_json, prepare

    prepared = prepare(request)
    if dry_run:
        if as_json:
            _json(coverage_json(prepared))
        else:
            _warn(prepared.warnings)
            _print_coverage(prepared)
        return
    folder = out or Path("runs") / prepared.name
    _warn(prepared.warnings)
    if not as_json:
        _print_coverage(prepared)
        _print_arms(prepared)
        _err.print(f"Run folder: {folder}", markup=False, highlight=False, soft_wrap=True)
    with _progress(as_json) as step:
        if not rated:
            answers = audit.run(prepared, folder, step=step)
        else:
            report = audit.audit(prepared, folder, step=step)
    if rated:
        _finish(report, folder, as_json)
    elif as_json:
        _json({"run": str(folder), "responses": len(answers)})
    else:
        _out.print(f"{len(answers)} answers in {folder}.", markup=False, highlight=False, soft_wrap=True)
    if stopped := audit.stopped(folder, sys.argv[1:]):
        raise Unfinished(stopped)


def _finish(report: Any, folder: Path, as_json: bool) -> None:
    _warn(report.warnings)
    if as_json:
        from govaudit.audit import findings_json

        _json({"run": str(folder), "findings": findings_json(report)})
        return
    table = Table("arm", "violated", "compliant", "inconclusive", "untested", "control set", box=None)
    for arm in report.arms:
        counts = report.verdicts.get(arm.name, {})
        control = "none" if arm.control is None else ("passed" if arm.control.passed else "failed")
        numbers = [str(counts.get(name, 0)) for name in ("violated", "compliant", "inconclusive", "untested")]
        table.add_row(escape(arm.name), *numbers, control)
    _out.print(f"{report.spec.title or report.spec.id}, version {report.spec.version}", markup=False)
    _out.print(table)
    if report.partial:
        _out.print("Partial: a limit or a choice of clauses left a part of the suite out.")
    _out.print(f"Report: {folder / 'report.html'}", markup=False, highlight=False, soft_wrap=True)


def _print_coverage(prepared: Any) -> None:
    from govaudit.evals.compile import coverage
    from govaudit.plan import deciders

    decides = deciders(prepared)
    measures = {clause: decider.measure for clause, decider in decides.items()}
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
                "nothing" if row.excludes is None else f"{row.excludes:.1%}",
                escape(decider.rater) if decider else ("nobody" if row.clusters else ""),
            )
    _err.print(table)
    if nobody:
        _warn([f"nobody judges the answers of {nobody} clause(s): add --judge MODEL, or rate them by people"])
    if lacking := prepared.lacking:
        shown = ", ".join(f"{clause} (by {n})" for clause, n in lacking.items())
        _warn([f"short of {prepared.request.per_clause} clusters: {shown}"])


def _print_plan(found: Any) -> None:
    # Where nobody's window is the measure, such as in a file, ids get the width that they need.
    screen = _out if _out.is_terminal else _Screen(width=120)
    for title, head, rows in found.tables():
        table = Table(title=title, title_justify="left", box=None)
        table.add_column(head[0], overflow="fold")
        for name in head[1:]:
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*map(escape, row))
        screen.print(table)
        screen.print()
    for line in found.lines():
        screen.print(line, markup=False, highlight=False, soft_wrap=True)


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
    _err.print(table, "")
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
    _err.print(evals, "")
    _warn(printed["suite"]["notes"])
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
        _err.print(text, markup=False, highlight=False)


def _print_drafts(expansion: Any, drafts: Path) -> None:
    _warn(expansion.warnings)
    added = f"{sum(expansion.added.values())} clusters of drafts for {len(expansion.added)} clause(s) added"
    if drafts.exists():
        added += f" to {drafts}. They count once they are accepted: `govaudit accept {drafts}`, then compile "
        added += f"with --items {drafts}"
    _err.print(f"{added}.", markup=False, highlight=False, soft_wrap=True)


def _print_arms(prepared: Any) -> None:
    for arm in prepared.arms:
        settings = {
            k: v for k, v in arm.data().items() if k not in ("name", "model") and v not in (None, {}, False)
        }
        if "system" in settings:
            settings["system"] = f"{len(settings['system'])} characters"
        shown = ", ".join(f"{key} {value}" for key, value in settings.items())
        _err.print(f"arm {arm.name}: {arm.model} ({shown})", markup=False, highlight=False, soft_wrap=True)


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        _err.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True, style="yellow")


def _json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, sort_keys=False))


_LONGEST = 32
"""Letters of a step's name that leave room for its numbers on a narrow terminal."""


def _cut(name: str) -> str:
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[: half - 1]}…{name[-half:]}"


@contextmanager
def _progress(as_json: bool) -> Iterator[Any]:
    """Progress bars on stderr; --json keeps stdout for the object, so bars may stay."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_err, disable=as_json and not _err.is_terminal) as bars:

        @contextmanager
        def step(name: str, total: int) -> Iterator[Callable[[], None]]:
            task = bars.add_task(escape(_cut(name)), total=total)
            yield lambda: bars.advance(task)
            # What an earlier, interrupted run had done already was not counted one by one.
            bars.update(task, completed=total)

        yield step


@contextmanager
def _training_bars(as_json: bool) -> Iterator[Any]:
    """Progress bars whose line also holds a loop's latest numbers."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[numbers]}"),
    )
    with Progress(*columns, console=_err, disable=as_json and not _err.is_terminal) as bars:

        @contextmanager
        def progress(name: str, total: int) -> Iterator[Callable[[str], None]]:
            task = bars.add_task(escape(name), total=total, numbers="")
            yield lambda numbers: bars.update(task, advance=1, numbers=escape(numbers))
            bars.update(task, completed=total)

        yield progress
