"""One audit, from a request to a report, resumable at every step.

The steps are those of the run folder: what is asked (request, spec, suite, plan) is fixed and written before
the first call; then arms answer, raters judge, and findings are computed from the tables alone. Calling
:func:`audit` again with the same request resumes; :func:`rate` judges stored answers again; :func:`report`
recomputes the findings. How a step is done is elsewhere: the folder in :mod:`govaudit.keeping`, answers
in :mod:`govaudit.answering`, ratings in :mod:`govaudit.judging`, looks in :mod:`govaudit.sequential`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from govaudit import answering, judging, keeping, sequential
from govaudit import costs as costing
from govaudit import request as requests
from govaudit.canonical import digest
from govaudit.deciding import amended, judge_id
from govaudit.errors import BadInput
from govaudit.evals import ledger as ledgers
from govaudit.evals import outside
from govaudit.evals import rate as rating
from govaudit.evals.rate import Rated
from govaudit.evals.run import Step, silent
from govaudit.plan import Prepared
from govaudit.records import RaterKind, Response, RunFolder, read_raters
from govaudit.reports import redaction, saving
from govaudit.reports import review as reviewing
from govaudit.reports.build import build
from govaudit.reports.document import Report
from govaudit.reports.manifest import plan_from_json, plan_to_json
from govaudit.request import JudgeRequest, RatingsRequest, Request
from govaudit.scorers import people, phrase_list
from govaudit.scorers.rubric import of_clauses


def audit(prepared: Prepared, path: Path, *, step: Step = silent) -> Report:
    """Run, rate, find and report; with a folder of the same request, resume."""
    folder = RunFolder(path)
    models = answering.open_arms(prepared, step=step)
    with keeping.claimed(folder):
        kept = keeping.begin(prepared, folder)
        with keeping.called(prepared.request, folder) as book:
            if prepared.request.sequential:
                answers, rated = sequential.in_looks(prepared, models, kept, folder, step=step)
            else:
                answers = answering.collect(prepared, models, kept, folder, step=step)
                rated = judging.rate_all(prepared, kept, folder, answers, step=step)
            answering.lettered(prepared, models, kept, folder, step=step)
            # Raters that came by `rate` since stay; what the request names is computed anew.
            rated = keeping.rated(folder) + rated
            rated += judging.choices_of(prepared.request, prepared.suite, folder, answers)
        kept = keeping.entered(kept, book, folder)
        with step("gauges and report", 2) as done:
            judging.store(folder, kept, rated, answers)
            done()
            return _report(folder)


def run(prepared: Prepared, path: Path, *, step: Step = silent) -> tuple[Response, ...]:
    """Only collect the answers; :func:`rate` and :func:`report` may follow at any time."""
    if prepared.request.sequential:
        raise BadInput(
            "a sequential audit judges between its looks, and here nothing is judged",
            remedy="Use `govaudit audit`, or leave `sequential` out.",
        )
    folder = RunFolder(path)
    models = answering.open_arms(prepared, step=step)
    with keeping.claimed(folder):
        kept = keeping.begin(prepared, folder)
        with keeping.called(prepared.request, folder) as book:
            answers = answering.collect(prepared, models, kept, folder, step=step)
            answering.lettered(prepared, models, kept, folder, step=step)
        keeping.entered(kept, book, folder)
        return answers


def stopped(path: Path, command: Sequence[str]) -> str:
    """Why a run ended before all was asked, with the command that goes on; empty for a whole run.

    ``command``: the arguments that it was called with.
    """
    kept = plan_from_json(RunFolder(path).manifest.read_text(encoding="utf-8"))
    if not kept.stopped:
        return ""
    made, left = sum(row.calls for row in kept.spent), sum(kept.left.values())
    words = list(command)
    for limit, more in (
        ("--max-calls", max(made + left, sum(row.calls for row in kept.estimate))),
        ("--max-cost", None),
    ):
        for place, word in enumerate(words):
            if word == limit:
                words[place + 1] = str(more or 2 * float(words[place + 1]))
            elif word.startswith(f"{limit}="):
                words[place] = f"{limit}={more or 2 * float(word.partition('=')[2])}"
    go_on = (
        f"Go on with: govaudit {shlex.join(words)}"
        if words != list(command)
        else "Go on with the same command and a higher limit"
    )
    return (
        f"the run stopped at its limit of {kept.stopped}; {left:,} items were not asked. "
        f"What is done is kept. {go_on}"
    )


def rate(
    path: Path,
    *,
    judges: Sequence[JudgeRequest] = (),
    raters: Sequence[str] = (),
    sheets: Sequence[tuple[str, Path]] = (),
    connections: int | None = None,
    step: Step = silent,
) -> Report:
    """Rate the stored answers of a run again: checks, more judges, raters by name, people's sheets (person,
    file).

    Rows of raters that are not named stay as they are, and no model is opened for them: a sheet comes back
    wherever the run folder lies. A rater that comes now may decide clauses that nobody with a gauge decided;
    the report says that this was fixed after the answers were known.
    """
    folder = RunFolder.open(path)
    for judge in judges:
        of_clauses(judge.rubric, RaterKind.JUDGE)
    outside.distinct(raters)
    with keeping.claimed(folder):
        spec, suite, kept, answers = keeping.stored(folder)
        filled = [judging.sheet_ratings(folder, person, file) for person, file in sheets]
        before, planned = keeping.rated(folder), requests.stored(folder.request)
        now, there = _left(planned, before, judges, raters)
        now = now.model_copy(update={"max_connections": connections or planned.max_connections})
        with ledgers.kept(folder.path, planned.prices) as book:
            rated = before + judging.rate_all(
                Prepared(now, spec, suite, (), ()), kept, folder, answers, there=there, step=step
            )
            rated += judging.choices_of(now, suite, folder, answers)
        kept = replace(kept, spent=costing.spent(book.calls, book.prices))
        came = {judge_id(judge) for judge in judges} - {judge_id(judge) for judge in planned.judges}
        for name in set(raters) - set(planned.raters):
            came |= rating.ids_of(outside.find(name))
        for found in filled:
            rated += found
            came |= {rater.id for rater in found.raters}
            came |= {rating.rater_id("people", rater.rubric) for rater in found.raters}
        parts = judging.store(folder, kept, rated, answers)
        late = [rater for rater in read_raters(folder.raters) if rater.id in came]
        keeping.replace_file(folder.manifest, plan_to_json(amended(kept, spec, late, parts)))
        return _report(folder)


def _left(
    planned: Request, before: Rated, judges: Sequence[JudgeRequest], raters: Sequence[str]
) -> tuple[Request, frozenset[str]]:
    """What of a request is still to be rated, with what is named now; and the raters that compared already.

    Where nobody has rated yet (after `run`, or a kill) that is all of it. Otherwise it is what is named: the
    table of ratings is written last, so whatever the request names stands in it.
    """
    there = {rater.id for rater in before.raters}
    asked = {judge_id(judge): judge for judge in planned.judges}
    named = [asked.get(judge_id(judge), judge) for judge in judges]
    left = [judge for name, judge in asked.items() if name not in there]
    compared = planned.comparisons
    if there and compared is not None:
        compared = compared.model_copy(update={"preference_models": (), "recorded": ()})
    now = planned.model_copy(
        update={
            "judges": tuple(dict.fromkeys((*left, *named))),
            "raters": tuple(dict.fromkeys((*(() if there else planned.raters), *raters))),
            "ratings": tuple(e for e in planned.ratings if not _imported_ids(e) <= there),
            "comparisons": compared,
        }
    )
    again = tuple(f"judge:{judge.model}:" for judge in judges)
    return now, frozenset(id_ for id_ in there if not f"{id_}:".startswith(again))


def _imported_ids(entry: RatingsRequest) -> set[str]:
    return {rating.imported_id(column, kind, entry.rubric) for column, kind in entry.columns.items()}


def sheet(path: Path, out: Path, *, rubric: str, sample: int | None, seed: int) -> int:
    """Write a blind sheet of the run's answers; its key stays in the run folder. Returns its rows."""
    folder = RunFolder.open(path)
    of_clauses(rubric, RaterKind.PEOPLE)
    if out.exists():
        raise BadInput("this file exists", path=out, remedy="Name another: it may hold somebody's labels.")
    with keeping.claimed(folder):
        spec, suite, kept, answers = keeping.stored(folder)
        items = judging.rating_items(spec, suite, answers, kept.names, keeping.rubric(folder, rubric))
        key = people.write_sheet(out, items, keeping.rubric(folder, rubric), sample=sample, seed=seed)
        keys = folder.path / "sheets"
        keys.mkdir(exist_ok=True)
        # Sheets of one run may differ in sample and rubric: each keeps its own key, named by what is on it.
        keeping.replace_file(keys / f"{digest(sorted(row.item for row in key.rows))[:12]}.json", key.dumps())
        return len(key.rows)


def report(path: Path) -> Report:
    """Recompute findings and report from the tables of a run; no model is called."""
    folder = RunFolder.open(path)
    with keeping.claimed(folder):
        return _report(folder)


def _report(folder: RunFolder) -> Report:
    document = build(keeping.tables(folder), folder.path.name)
    document = reviewing.reviewed(
        document, reviewing.read(folder.path / reviewing.FILE, reviewing.root(document))
    )
    saving.save(document, folder.path)
    _keep_mined(document, folder)
    return document


def _keep_mined(document: Report, folder: RunFolder) -> None:
    """The phrases that recur in each arm's answers, as lists that another run can be given."""
    if document.boilerplate is None:
        return
    place = folder.path / "mined"
    place.mkdir(exist_ok=True)
    for arm in document.boilerplate.arms:
        if arm.phrases:
            said = f"{arm.prompts} prompts of run {folder.path.name}, arm {arm.arm} ({arm.answers} answers)"
            mined = phrase_list.frozen([row.phrase for row in arm.phrases], arm.arm, said)
            keeping.replace_file(place / f"{arm.arm}.yaml", phrase_list.dumps(mined))


def review(
    path: Path,
    name: str,
    *,
    status: str,
    by: str,
    reason: str,
    reply: str = "",
    rater: str | None = None,
    measure: str | None = None,
) -> Report:
    """Add an entry on the finding ``ARM/CLAUSE`` to the review of a run, and report again.

    :class:`BadInput` where there is no such finding, and where the chain of the review is broken.
    """
    folder = RunFolder.open(path)
    with keeping.claimed(folder):
        document = _report(folder)
        file = folder.path / reviewing.FILE
        entry = reviewing.added(
            reviewing.read(file, reviewing.root(document)),
            document,
            reviewing.find(document, name, rater, measure),
            status=status,
            by=by,
            reason=reason,
            reply=reply,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        reviewing.append(file, entry)
        document = reviewing.reviewed(document, reviewing.read(file, reviewing.root(document)))
        saving.save(document, folder.path)
        return document


def publish(path: Path, tags: Sequence[str], out: Path) -> Report:
    """Write a copy of a run's report into the folder ``out``, without prompts and answers of these tags."""
    folder = RunFolder.open(path)
    if out.resolve() == path.resolve():
        raise BadInput(
            "the copy would replace the report of the run", path=out, remedy="Name another folder."
        )
    with keeping.claimed(folder):
        document = _report(folder)
        _, suite, _, answers = keeping.stored(folder)
        copy = redaction.redacted(document, suite, answers, tags)
        saving.save(copy, out)
        return copy


_FINDING = ("arm", "clause", "measure", "rater", "n", "clusters", "rate", "low", "high", "unscored")


def findings_json(report: Report) -> list[dict[str, Any]]:
    """The findings of a report, one flat object each."""
    return [
        {name: getattr(finding, name) for name in (*_FINDING, "verdict", "reason")}
        for finding in report.findings
    ]
