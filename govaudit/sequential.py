"""A sequential audit: asked and rated in looks, each arm only what its verdicts still wait for.

In: what is prepared, with the models open. Out: the answers, their ratings, and the looks as a file of the
run. The order of clusters and the file are in :mod:`govaudit.evals.looks`, the error that looking costs in
:mod:`govaudit.stats.sequential`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from inspect_ai.model import Model

from govaudit import answering, judging, keeping
from govaudit.errors import BadInput
from govaudit.evals import ledger as ledgers
from govaudit.evals import looks as looking
from govaudit.evals import rate as rating
from govaudit.evals.looks import Looks, Stop
from govaudit.evals.rate import Rated
from govaudit.evals.run import Step, silent
from govaudit.models.arms import ENGINE
from govaudit.plan import Prepared
from govaudit.records import Response, RunFolder, write_responses
from govaudit.reports.findings import verdicts
from govaudit.reports.manifest import Plan
from govaudit.reports.run_tables import RunTables
from govaudit.stats.verdict import Verdict


def in_looks(
    prepared: Prepared, models: Sequence[Model], kept: Plan, folder: RunFolder, *, step: Step = silent
) -> tuple[tuple[Response, ...], Rated]:
    """Ask and rate look by look, of each arm what its verdicts still wait for; the same again after a kill.

    A look goes to all arms before any verdict, because verdicts are protected together. Comparisons come
    last, on the stimuli that arms have in common.
    """
    request, suite = prepared.request, prepared.suite
    if request.ratings:
        raise BadInput(
            "ratings that were made elsewhere are all there: nothing is saved by looking at them one by one",
            remedy="Leave `sequential` or `ratings` out.",
        )
    order, looks = looking.order(suite, kept.seed), Looks(request.look)
    answers: dict[str, tuple[Response, ...]] = {arm.name: () for arm in prepared.arms}
    rated, book = Rated(), ledgers.current.get()
    for number in range(1, looking.looks_of(order, looks.size) + 1):
        came: list[Response] = []
        for arm, planned, model in zip(prepared.arms, kept.arms, models, strict=True):
            open_ = {clause for clause in order if (clause, arm.name) not in looks.stopped()}
            there = {row.stimulus for row in answers[arm.name]}
            wanted = looking.probes_of(suite, order, looks.size, number, open_)
            new = [probe for probe in wanted if probe.stimulus not in there]
            if new:
                said = answering.answered(request, arm, planned, model, new, folder, step=step)
                answers[arm.name] += said
                came += said
            if arm.provider == ENGINE and len(models) > 1:
                model.api.close()
        looks = replace(looks, made=number)
        write_responses(folder.responses, [row for rows in answers.values() for row in rows])
        rated += judging.rate_each(prepared, kept, folder, came, step=step)
        asked = tuple(row for rows in answers.values() for row in rows)
        looks = decided(prepared, kept, folder, asked, rated, looks, order)
        keeping.replace_file(folder.path / looking.FILE, looking.dumps(looks))
        if not any(
            len(clusters) > number * looks.size and (clause, arm.name) not in looks.stopped()
            for clause, clusters in order.items()
            for arm in prepared.arms
        ) or (book is not None and book.left):
            break
    return asked, rated + judging.compare_all(prepared, kept, folder, asked, step=step)


def decided(
    prepared: Prepared,
    kept: Plan,
    folder: RunFolder,
    answers: Sequence[Response],
    rated: Rated,
    looks: Looks,
    order: looking.Order,
) -> Looks:
    """The looks with a stop for every clause and arm whose verdict this look gives."""
    whole = rating.with_majority(
        rated, {rater.rubric: keeping.rubric(folder, rater.rubric) for rater in rated.raters}
    )
    found = verdicts(
        RunTables(
            prepared.spec,
            prepared.suite,
            kept,
            answers,
            whole.ratings,
            whole.raters,
            judging.gauges(kept, whole, whole.gold, answers),
            keeping.rubric_texts(folder),
            looks=looks,
        )
    )
    stops = [
        Stop(clause, arm, looks.made, min(len(order[clause]), looks.made * looks.size))
        for (clause, arm), decision in found.items()
        if decision.verdict in (Verdict.violated, Verdict.compliant) and (clause, arm) not in looks.stopped()
    ]
    return replace(looks, stops=(*looks.stops, *stops))
