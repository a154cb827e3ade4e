"""`govaudit spec`: import, show, lint, diff."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from govaudit.cli import screen
from govaudit.cli.options import Format, Json, Overlays, Prompts, SpecPath, Version
from govaudit.errors import BadInput

spec_app = typer.Typer(
    help="Read published specs: import a document, show what is in it.", no_args_is_help=True
)


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
        screen.err.plain(f"Candidate clauses are accepted or rejected in {first}.")
    if out is not None and not as_json:
        screen.out.plain(f"Written to {out}.")


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
        screen.print_json(chosen.model_dump(mode="json"))
        return
    name = f"{chosen.title} ({chosen.id})" if chosen.title else chosen.id
    screen.out.print(name, markup=False, highlight=False, style="bold")
    facts = ["candidate"] if waiting else []
    facts += [f"kind {chosen.kind.value}", f"authority {chosen.authority or 'none'}"]
    facts += [f"{len(chosen.examples)} examples", f"{sum(len(f.prompts) for f in chosen.footnotes)} prompts"]
    facts += [f"line {chosen.source.line}"] if chosen.source.line else []
    screen.out.print(", ".join(facts), markup=False)
    screen.out.print(f"\n{chosen.text}", markup=False, highlight=False)
    if chosen.revision_request:
        screen.out.print(f"\n{chosen.revision_request}", markup=False, highlight=False)
    if chosen.id in (twins := loaded.spec.legible):
        screen.err.print(
            f"A {chosen.role} principle, tested as its legible twin {twins[chosen.id]}.", markup=False
        )
    if waiting:
        screen.err.print(
            f"Nobody has accepted this candidate as a clause. {ACCEPT}", markup=False, highlight=False
        )


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
        screen.print_json(data(linted))
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
        screen.print_json(data(compared))
    else:
        typer.echo(summary(compared))


def _print_spec(loaded: Any, as_json: bool) -> None:
    from govaudit.specs.counts import counts

    spec = loaded.spec
    numbers = counts(spec)
    if as_json:
        screen.print_json(
            {
                "spec": {"id": spec.id, "version": spec.version, "digest": spec.digest},
                "counts": numbers,
                "warnings": list(loaded.warnings),
            }
        )
        return
    screen.warn(loaded.warnings)
    screen.out.print(f"{spec.title or spec.id}, version {spec.version}", markup=False, style="bold")
    screen.out.print(f"digest {spec.digest}", markup=False, highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in numbers.items():
        shown = ", ".join(f"{key} {n}" for key, n in value.items()) if isinstance(value, dict) else value
        if shown not in ("", None):
            table.add_row(name.replace("_", " "), escape(str(shown)))
    screen.out.print(table)


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
    if screen.out.is_terminal and columns[-1][0] == "title":
        room = max(screen.out.width - sum(2 + max(map(len, column)) for column in columns[:-1]) - 2, 0)
        columns[-1] = tuple(title if len(title) <= room else title[: room - 1] + "…" for title in columns[-1])
        columns = columns if room > len("title") else columns[:-1]
    table = Table(box=None)
    for column in columns:
        table.add_column(column[0], no_wrap=True)
    for row in zip(*(column[1:] for column in columns), strict=True):
        table.add_row(*map(escape, row))
    (screen.out if screen.out.is_terminal else screen.Screen(width=screen.UNCUT)).print(table)
