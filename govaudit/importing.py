"""Evidence that others made, taken in: folders of Inspect logs as runs, in memory or as run folders.

In: a folder of logs, a spec and rules for scores if the user has them. Out: runs with a report, one for
each task in the logs, and on request their run folders, on which `govaudit report`, `rate` and `compare`
work as on any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from govaudit import request as requests
from govaudit.errors import BadInput
from govaudit.evals import foreign, foreign_scores
from govaudit.evals.foreign import Imported
from govaudit.keeping import environment
from govaudit.models.arms import ArmEntry
from govaudit.records import Measure, RunFolder, write_raters, write_ratings, write_responses
from govaudit.reports import saving
from govaudit.reports.build import build
from govaudit.reports.compare.runs import Run
from govaudit.reports.manifest import Decider, Plan, PlannedArm, plan_to_json
from govaudit.reports.run_tables import RunTables
from govaudit.request import Request, Tolerance
from govaudit.specs import native
from govaudit.specs.load import load_spec


def runs(folder: Path, *, spec: Path | None = None, scores: Path | None = None) -> tuple[Run, ...]:
    """The logs of a folder as runs, one for each task; nothing is written.

    ``spec``: what the scores are held against. ``scores``: what scores mean. :class:`BadInput` for a folder
    without a log that holds samples.
    """
    declared = load_spec(spec).spec if spec else None
    rules = foreign_scores.load(scores) if scores else ()
    return tuple(_run(one) for one in foreign.read(folder, spec=declared, rules=rules))


def _run(one: Imported) -> Run:
    plan = _plan(one)
    name = _slug(one.task)
    tables = RunTables(
        one.spec,
        one.suite,
        plan,
        one.responses,
        one.ratings,
        one.raters,
        rubric_texts=dict(one.rubrics),
    )
    return Run(
        name=name,
        origin=one.origin,
        report=build(tables, name),
        tables=tables,
    )


def _plan(one: Imported) -> Plan:
    tolerance = Tolerance()
    request = _request(one)
    return Plan(
        arms=tuple(
            PlannedArm(arm.name, arm.digest, arm.model, dict(arm.settings), {"model": arm.model})
            for arm in one.arms
        ),
        deciding={clause: Decider(Measure.GENERATION, rater) for clause, rater in one.deciding.items()},
        tolerance=tolerance.default,
        bright_line=tolerance.bright_line,
        seed=0,
        epochs=one.epochs,
        request=request.model_dump(mode="json"),
        created=one.created,
        warnings=(
            f"Imported: {one.origin}. The scores are those of raters without a gauge, which carry no "
            "verdict.",
            *(f"Not placed: {text}." for text in one.left_out),
            *(f"Imported: {text}." for text in one.remarks),
        ),
    )


def _request(one: Imported) -> Request:
    return Request(
        spec="spec.yaml",
        arms={arm.name: ArmEntry(model=arm.model) for arm in one.arms},
        epochs=one.epochs,
    )


def as_run(path: Path) -> Path:
    """A run folder as it is; a folder of Inspect logs as the run folder that is made of it where one works.

    It is called like the folder of logs, with ``-imported``. :class:`BadInput` for logs of several tasks.
    """
    if RunFolder(path).request.is_file() or not foreign.is_logs(path):
        return path
    found = runs(path)
    if len(found) > 1:
        raise BadInput(
            f"these logs are of {len(found)} tasks ({', '.join(run.name for run in found)})",
            path=path,
            remedy="Make a run of each with `govaudit import`, and name one of them.",
        )
    return write(found, Path(f"{path.resolve().name}-imported"))[0]


def write(found: Sequence[Run], out: Path) -> tuple[Path, ...]:
    """Run folders of imported runs: ``out`` itself for one, a folder in it for each of several.

    :class:`BadInput` for a folder that holds something else than an earlier import of the same task.
    """
    places = [out if len(found) == 1 else out / run.name for run in found]
    for run, place in zip(found, places, strict=True):
        _write(run, RunFolder(place))
    return tuple(places)


def _write(run: Run, folder: RunFolder) -> None:
    held = run.tables
    request = requests.dumps(Request.model_validate(held.plan.request))
    mine = folder.request.is_file() and folder.request.read_text(encoding="utf-8") == request
    if folder.path.is_dir() and any(folder.path.iterdir()) and not mine:
        raise BadInput(
            "this folder is not empty and holds another run",
            path=folder.path,
            remedy="Name a new one with -o.",
        )
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.rubrics.mkdir(exist_ok=True)
    folder.gauges.mkdir(exist_ok=True)
    folder.request.write_text(request, encoding="utf-8")
    native.save(held.spec, folder.spec)
    folder.suite.write_text(held.suite.dumps(), encoding="utf-8")
    folder.environment.write_text(environment(), encoding="utf-8")
    folder.manifest.write_text(plan_to_json(held.plan), encoding="utf-8")
    for name, text in held.rubric_texts.items():
        (folder.rubrics / f"{name}.md").write_text(text, encoding="utf-8")
    (folder.gauges / "gauges.json").write_text("[]\n", encoding="utf-8")
    (folder.path / "notes.json").write_text(json.dumps({"warnings": []}) + "\n", encoding="utf-8")
    write_responses(folder.responses, held.responses)
    write_raters(folder.raters, held.raters)
    write_ratings(folder.ratings, held.ratings)
    saving.save(run.report.model_copy(update={"run": folder.path.name}), folder.path)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "imported"
