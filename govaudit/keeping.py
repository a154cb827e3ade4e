"""The folder of a run, kept: begun once, held by one process, read again.

In: what is prepared, and a folder. Out: what is asked and planned as files, written before the first call and
checked when the same audit goes on; the rubrics and phrases as the run keeps them; the ledger of its calls;
its tables and notes, read. What raters said is written by :mod:`govaudit.judging`, the report by
:mod:`govaudit.reports.saving`.
"""

from __future__ import annotations

import fcntl
import json
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from govaudit import __version__, library
from govaudit import costs as costing
from govaudit import request as requests
from govaudit.canonical import file_digest
from govaudit.errors import BadInput
from govaudit.evals import ledger as ledgers
from govaudit.evals import looks
from govaudit.evals.ledger import Ledger, Limits
from govaudit.evals.rate import Rated
from govaudit.evals.suite import Suite
from govaudit.plan import Prepared, identify, plan
from govaudit.records import Response, RunFolder, read_raters, read_ratings, read_responses
from govaudit.reports.document import GaugePart
from govaudit.reports.manifest import Plan, plan_from_json, plan_to_json
from govaudit.reports.run_tables import RunTables
from govaudit.request import Request
from govaudit.scorers import phrase_list
from govaudit.scorers.phrase_list import PhraseList
from govaudit.scorers.rubric import Rubric
from govaudit.scorers.rubric import load as load_rubric
from govaudit.specs import native
from govaudit.specs.model import Spec


@contextmanager
def claimed(folder: RunFolder) -> Iterator[None]:
    """Hold a run folder for one process: two writers would each lose what the other computed."""
    folder.path.mkdir(parents=True, exist_ok=True)
    with (folder.path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                "another process works on this run folder",
                path=folder.path,
                remedy="Wait for it, or name another folder with -o.",
            ) from None
        yield


def begin(prepared: Prepared, folder: RunFolder) -> Plan:
    """Write what is asked and planned, or check that the folder holds this very audit already."""
    planned = identify(prepared)
    if folder.request.is_file():
        old = requests.stored(folder.request)
        if old.digest != prepared.request.digest:
            raise requests.conflict(folder.path, old, prepared.request)
    elif any(p.name != ".lock" for p in folder.path.iterdir()):
        raise BadInput(
            "this folder is not empty and holds no run", path=folder.path, remedy="Name a new one with -o."
        )
    if folder.manifest.is_file():
        kept = plan_from_json(folder.manifest.read_text(encoding="utf-8"))
        stored = Suite.loads(folder.suite.read_text(encoding="utf-8"), folder.suite)
        if stored.dumps() != prepared.suite.dumps():
            raise BadInput(
                "the spec or an item bank has changed since this run began",
                path=folder.path,
                remedy="Name another folder with -o: answers to two texts are never mixed.",
            )
        for file, was_digest in kept.inputs.items():
            if file_digest(Path(file)) != was_digest:
                raise BadInput(
                    "this file of ratings has changed since the run began",
                    path=file,
                    remedy="Name another run folder with -o.",
                )
        for was, now in zip(kept.arms, planned, strict=True):
            if was.digest != now.digest:
                raise BadInput(
                    f"arm {was.name!r} has changed since this run began (weights, template or settings)",
                    path=folder.path,
                    remedy="Name another folder with -o.",
                )
        return kept
    prices = prepared.request.prices
    fresh = replace(
        plan(prepared, planned),
        estimate=costing.costs(prepared, costing.Known(prices, {})).outlays(),
        currency=prices.currency,
    )
    replace_file(folder.request, requests.dumps(prepared.request))
    native.save(prepared.spec, folder.spec)
    folder.suite.write_text(prepared.suite.dumps(), encoding="utf-8")
    folder.environment.write_text(environment(), encoding="utf-8")
    replace_file(folder.manifest, plan_to_json(fresh))
    return fresh


def environment() -> str:
    """Interpreter, machine and installed packages, one a line."""
    packages = sorted({f"{d.metadata['Name']}=={d.version}" for d in metadata.distributions()}, key=str.lower)
    lines = [
        f"govaudit {__version__}",
        f"python {platform.python_version()}",
        f"platform {platform.system()} {platform.machine()}",
        *packages,
    ]
    return "\n".join(lines) + "\n"


def called(request: Request, folder: RunFolder) -> AbstractContextManager[Ledger]:
    """While it is open, calls are entered into the run's ledger, and its limits hold."""
    prices = request.prices if request.prices.models else requests.stored(folder.request).prices
    return ledgers.kept(folder.path, prices, Limits(request.max_calls, request.max_cost))


def entered(kept: Plan, book: Ledger, folder: RunFolder) -> Plan:
    """The manifest with what the run took so far, and whether a limit ended it."""
    now = replace(
        kept,
        spent=costing.spent(book.calls, book.prices),
        currency=book.prices.currency,
        stopped=book.reached if book.left else "",
        left=dict(book.left),
    )
    replace_file(folder.manifest, plan_to_json(now))
    return now


def stored(folder: RunFolder) -> tuple[Spec, Suite, Plan, tuple[Response, ...]]:
    """What a run asked, planned and was answered; :class:`BadInput` for one without a manifest."""
    if not folder.manifest.is_file():
        raise BadInput(
            "this run has no manifest: it stopped before its first call",
            path=folder.path,
            remedy="Repeat the command that began it.",
        )
    return (
        native.load(folder.spec),
        Suite.loads(folder.suite.read_text(encoding="utf-8"), folder.suite),
        plan_from_json(folder.manifest.read_text(encoding="utf-8")),
        read_responses(folder.responses),
    )


def tables(folder: RunFolder) -> RunTables:
    """All that the report of a rated run is made from; :class:`BadInput` for a run that was not rated."""
    spec, suite, kept, answers = stored(folder)
    notes = read_json(folder.path / "notes.json", "Run `govaudit rate`.")
    scrubbed = folder.path / "scrubbed.parquet"
    return RunTables(
        spec,
        suite,
        replace(kept, warnings=(*kept.warnings, *notes["warnings"])),
        answers,
        read_ratings(folder.ratings),
        read_raters(folder.raters),
        stored_gauges(folder),
        rubric_texts(folder),
        read_responses(scrubbed) if scrubbed.is_file() else (),
        looks.read(folder.path),
    )


def rated(folder: RunFolder) -> Rated:
    """What the run holds of ratings, without panels, which are derived anew; nothing where it holds none."""
    if not folder.ratings.is_file():
        return Rated()
    raters = tuple(r for r in read_raters(folder.raters) if r.id.partition(":")[0] != "people")
    return Rated(
        tuple(row for row in read_ratings(folder.ratings) if not row.derived_from),
        raters,
        warnings=tuple(read_json(folder.path / "notes.json", "")["warnings"]),
    )


def rubric(folder: RunFolder, name: str) -> Rubric:
    """The rubric as this run keeps it: a copy is made at first use, so that it cannot change under a run."""
    kept = folder.rubrics / f"{name}.md"
    if not kept.is_file():
        load_rubric(name)  # refuse what is no rubric before it is copied
        folder.rubrics.mkdir(exist_ok=True)
        replace_file(kept, library.read("scorers", f"{name}.md"))
    return load_rubric(name, folder.rubrics)


def rubric_texts(folder: RunFolder) -> dict[str, str]:
    """The rubrics of a run by name."""
    return {p.stem: p.read_text(encoding="utf-8") for p in sorted(folder.rubrics.glob("*.md"))}


def phrases(folder: RunFolder, name: str | None) -> PhraseList:
    """The list of phrases as this run keeps it: fixed at first use, like a rubric."""
    kept = folder.path / "phrases.yaml"
    if not kept.is_file():
        replace_file(kept, phrase_list.dumps(phrase_list.read(Path(name)) if name else phrase_list.load()))
    return phrase_list.read(kept)


def stored_gauges(folder: RunFolder) -> list[GaugePart]:
    """The gauges of a run's raters; :class:`BadInput` for a run that was not rated."""
    rows = read_json(folder.gauges / "gauges.json", "Run `govaudit rate`.")
    return [GaugePart.model_validate(row) for row in rows]


LETTERS = "choices.parquet"
"""Answers to letter questions, which are stimuli of no probe."""


def read_json(path: Path, remedy: str) -> Any:
    """A file of the run, parsed; :class:`BadInput` where it is missing, with that remedy, or damaged."""
    if not path.is_file():
        raise BadInput("this file of the run is missing", path=path, remedy=remedy or None)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"this file of the run is damaged ({error})", path=path) from error


def replace_file(path: Path, text: str) -> None:
    """Write beside and rename: a run that is killed here keeps the old file whole."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
