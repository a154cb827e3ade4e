"""The command line: parsing, one call each, and printing. Everything printed can be had as JSON.

One file a group of commands; `options` holds what several share, `screen` what they print on.

Exit codes: 0 done, 1 failed check, 2 bad input, 3 unfinished (the same command resumes).
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from govaudit import __version__
from govaudit.cli import (
    audit,
    compare,
    compile,
    goodhart,
    importing,
    items,
    rate,
    report,
    screen,
    spec,
    train,
)
from govaudit.errors import BadInput, GovauditError, Unfinished

app = typer.Typer(
    help="Audit a model against its published spec: what was declared, what was observed, how sure that is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(spec.spec_app, name="spec")
app.command("compile")(compile.compile_command)
app.command("audit")(audit.audit_command)
app.command("plan")(audit.plan_command)
app.command("run")(audit.run_command)
app.command("rate")(rate.rate_command)
app.command("gauge")(rate.gauge_command)
app.command("fit")(rate.fit_command)
app.command("accept")(compile.accept_command)
app.command("items")(items.items_command)
app.command("report")(report.report_command)
app.command("import")(importing.import_command)
app.command("compare")(compare.compare_command)
app.command("review")(report.review_command)
app.command("train")(train.train_command)
app.command("goodhart")(goodhart.goodhart_command)


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
    screen.err.plain(f"govaudit: {error}")
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
