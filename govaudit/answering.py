"""The arms answer: models opened and checked, then asked, each answer kept as soon as its arm is done.

In: what is prepared, and the plan that the run keeps. Out: the table of answers, and that of the letters
named for choices. Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from inspect_ai.model import Model

from govaudit import costs as costing
from govaudit import keeping
from govaudit import request as requests
from govaudit.errors import BadInput
from govaudit.evals import choices as choosing
from govaudit.evals import rate_choices
from govaudit.evals import run as running
from govaudit.evals.run import Step, silent
from govaudit.evals.suite import Probe
from govaudit.evals.tasks import Stimulus
from govaudit.models.arms import ENGINE, RECORDED, Arm
from govaudit.plan import Prepared, comparing, comparing_arm, judge_arm
from govaudit.records import Measure, Response, RunFolder, write_responses
from govaudit.reports.manifest import Plan, PlannedArm
from govaudit.request import Request


def open_arms(prepared: Prepared, *, step: Step = silent) -> list[Model]:
    """The models of all arms and judges, opened and checked before the first call: a wrong name or a missing
    key must not cost the answers of the arms before it. A limit of cost needs every price."""
    request = prepared.request
    if request.max_cost is not None and (unpriced := costing.unpriced(prepared, request.prices)):
        raise BadInput(
            f"a limit of cost cannot be kept: no price is stated for {', '.join(unpriced)}",
            remedy="State it in a file and give --prices FILE, or limit the calls.",
        )
    judges = [
        *map(judge_arm, prepared.request.judges),
        *map(comparing_arm, comparing(prepared.request)),
    ]
    with step("opening models", 2 * len(prepared.arms) + len(judges)) as done:
        models = []
        for arm in prepared.arms:
            models.append(running.open_model(arm))
            done()
        for arm, model in zip(prepared.arms, models, strict=True):
            running.check_context(arm, model)
            done()
        for judge in judges:
            running.open_model(judge)
            done()
    return models


def collect(
    prepared: Prepared, models: Sequence[Model], kept: Plan, folder: RunFolder, *, step: Step = silent
) -> tuple[Response, ...]:
    """Every arm answers the suite; the table is written after each arm."""
    answers: list[Response] = []
    for arm, planned, model in zip(prepared.arms, kept.arms, models, strict=True):
        answers += answered(prepared.request, arm, planned, model, prepared.suite.probes, folder, step=step)
        write_responses(folder.responses, answers)
        if arm.provider == ENGINE:
            model.api.close()  # let go of the weights: the next arm needs the memory
    return tuple(answers)


def answered(
    request: Request,
    arm: Arm,
    planned: PlannedArm,
    model: Model,
    probes: Sequence[Probe],
    folder: RunFolder,
    *,
    step: Step = silent,
) -> tuple[Response, ...]:
    """One arm answers these probes, each stimulus once an epoch."""
    stimuli = {
        probe.stimulus: Stimulus(probe.stimulus, probe.turns, probe.choices)
        for probe in probes
        if probe.measure is not Measure.LIKELIHOOD
        # An arm without log-probabilities is asked for letters, about choices of no clause apart.
        or (_chooses(arm) and (probe.targets or hasattr(model.api, "loglikelihood")))
    }
    answers = running.ask(
        arm,
        planned.digest,
        list(stimuli.values()),
        logs=folder.logs / "answers" / arm.name,
        seed=request.seed,
        epochs=request.epochs,
        connections=request.max_connections,
        step=step,
        model=model,
    )
    if arm.provider == RECORDED:
        return tuple(replace(row, origin="recorded") for row in answers)
    return answers


def _chooses(arm: Arm) -> bool:
    """Whether a choice between given answers says something about the arm's own ones."""
    return arm.provider != RECORDED and not arm.revise


def lettered(
    prepared: Prepared, models: Sequence[Model], kept: Plan, folder: RunFolder, *, step: Step = silent
) -> None:
    """Every arm names letters for the choices that test no clause; the table is written after each arm."""
    if not choosing.of(prepared.suite):
        return
    request = prepared.request
    rows: list[Response] = []
    asked = request.choices or requests.ChoicesRequest()
    rubric = keeping.rubric(folder, asked.rubric)
    for arm, planned, model in zip(prepared.arms, kept.arms, models, strict=True):
        if arm.provider == RECORDED:
            continue
        rows += rate_choices.asked(
            prepared.suite,
            rubric,
            arm,
            planned.digest,
            model,
            samples=asked.samples,
            reasons=asked.reasons,
            logs=folder.logs / "letters" / arm.name,
            seed=request.seed,
            connections=request.max_connections,
            step=step,
        )
        write_responses(folder.path / keeping.LETTERS, rows)
        if arm.provider == ENGINE:
            model.api.close()
