"""One audit, from a request to a report, resumable at every step.

The steps are those of the run folder: what is asked (request, spec, suite, plan) is fixed and written before
the first call; then arms answer, raters judge, and findings are computed from the tables alone. Calling
:func:`audit` again with the same request resumes; :func:`rate` judges stored answers again; :func:`report`
recomputes the findings.
"""

from __future__ import annotations

import fcntl
import json
import platform
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from inspect_ai.model import Model

from govaudit import __version__, library
from govaudit import costs as costing
from govaudit import request as requests
from govaudit.canonical import digest, file_digest
from govaudit.errors import BadInput
from govaudit.evals import choices as choosing
from govaudit.evals import items as item_banks
from govaudit.evals import ledger as ledgers
from govaudit.evals import looks as looking
from govaudit.evals import (
    measured,
    outside,
    pairs,
    rate_choices,
    rate_hierarchy,
    rate_measured,
    rate_pairs,
    rate_wording,
    scrub,
    wording,
)
from govaudit.evals import rate as rating
from govaudit.evals import run as running
from govaudit.evals.ledger import Ledger, Limits
from govaudit.evals.looks import Looks, Stop
from govaudit.evals.pairs import Pool
from govaudit.evals.rate import Rated
from govaudit.evals.run import Step, silent
from govaudit.evals.suite import Probe, Suite
from govaudit.evals.tasks import Stimulus
from govaudit.models.arms import ENGINE, RECORDED, Arm
from govaudit.models.fingerprint import fingerprint
from govaudit.models.lineage import trained_by
from govaudit.plan import (
    Prepared,
    amended,
    comparing,
    comparing_arm,
    identify,
    judge_arm,
    judge_id,
    measuring,
    plan,
)
from govaudit.records import (
    Measure,
    Rater,
    RaterKind,
    Response,
    RunFolder,
    read_raters,
    read_ratings,
    read_responses,
    write_raters,
    write_ratings,
    write_responses,
)
from govaudit.reports import gauges as gauging
from govaudit.reports import redaction, saving
from govaudit.reports import review as reviewing
from govaudit.reports.document import GaugePart, Report
from govaudit.reports.findings import build, verdicts
from govaudit.reports.manifest import Plan, PlannedArm, plan_from_json, plan_to_json
from govaudit.request import ComparisonJudge, JudgeRequest, RatingsRequest, Request
from govaudit.scorers import pairwise, people, phrase_list
from govaudit.scorers.gauge import GoldItem
from govaudit.scorers.measurement import HARMFULNESS, SYCOPHANCY
from govaudit.scorers.phrase_list import PhraseList
from govaudit.scorers.rubric import Rubric, of_clauses
from govaudit.scorers.rubric import load as load_rubric
from govaudit.specs import native
from govaudit.specs.model import Spec
from govaudit.stats.verdict import Verdict


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
    _replace(folder.request, requests.dumps(prepared.request))
    native.save(prepared.spec, folder.spec)
    folder.suite.write_text(prepared.suite.dumps(), encoding="utf-8")
    folder.environment.write_text(environment(), encoding="utf-8")
    _replace(folder.manifest, plan_to_json(fresh))
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


def audit(prepared: Prepared, path: Path, *, step: Step = silent) -> Report:
    """Run, rate, find and report; with a folder of the same request, resume."""
    folder = RunFolder(path)
    models = open_arms(prepared, step=step)
    with claimed(folder):
        kept = begin(prepared, folder)
        with called(prepared.request, folder) as book:
            if prepared.request.sequential:
                answers, rated = in_looks(prepared, models, kept, folder, step=step)
            else:
                answers = collect(prepared, models, kept, folder, step=step)
                rated = rate_all(prepared, kept, folder, answers, step=step)
            lettered(prepared, models, kept, folder, step=step)
            # Raters that came by `rate` since stay; what the request names is computed anew.
            rated = _rated(folder) + rated + choices_of(prepared.request, prepared.suite, folder, answers)
        kept = entered(kept, book, folder)
        with step("gauges and report", 2) as done:
            _store(folder, kept, rated, answers)
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
    models = open_arms(prepared, step=step)
    with claimed(folder):
        kept = begin(prepared, folder)
        with called(prepared.request, folder) as book:
            answers = collect(prepared, models, kept, folder, step=step)
            lettered(prepared, models, kept, folder, step=step)
        entered(kept, book, folder)
        return answers


def called(request: Request, folder: RunFolder) -> AbstractContextManager[Ledger]:
    """While it is open, calls are entered into the run's ledger, and its limits hold."""
    prices = request.prices if request.prices.models else requests.stored(folder.request).prices
    return ledgers.kept(folder.path, prices, Limits(request.max_calls, request.max_cost))


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


def entered(kept: Plan, book: Ledger, folder: RunFolder) -> Plan:
    """The manifest with what the run took so far, and whether a limit ended it."""
    now = replace(
        kept,
        spent=costing.spent(book.calls, book.prices),
        currency=book.prices.currency,
        stopped=book.reached if book.left else "",
        left=dict(book.left),
    )
    _replace(folder.manifest, plan_to_json(now))
    return now


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
    rubric = _rubric(folder, asked.rubric)
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
        write_responses(folder.path / _LETTERS, rows)
        if arm.provider == ENGINE:
            model.api.close()


_LETTERS = "choices.parquet"
"""Answers to letter questions, which are stimuli of no probe."""


def choices_of(request: Request, suite: Suite, folder: RunFolder, answers: Sequence[Response]) -> Rated:
    """The choices that test no clause, from the tables."""
    table = folder.path / _LETTERS
    if not choosing.of(suite):
        return Rated()
    return rate_choices.ratings(
        suite,
        answers,
        read_responses(table) if table.is_file() else (),
        {name: _rubric(folder, name) for name in rate_choices.RUBRICS},
        _rubric(folder, (request.choices or requests.ChoicesRequest()).rubric),
    )


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
                said = answered(request, arm, planned, model, new, folder, step=step)
                answers[arm.name] += said
                came += said
            if arm.provider == ENGINE and len(models) > 1:
                model.api.close()
        looks = replace(looks, made=number)
        write_responses(folder.responses, [row for rows in answers.values() for row in rows])
        rated += rate_each(prepared, kept, folder, came, step=step)
        asked = tuple(row for rows in answers.values() for row in rows)
        looks = decided(prepared, kept, folder, asked, rated, looks, order)
        _replace(folder.path / looking.FILE, looking.dumps(looks))
        if not any(
            len(clusters) > number * looks.size and (clause, arm.name) not in looks.stopped()
            for clause, clusters in order.items()
            for arm in prepared.arms
        ) or (book is not None and book.left):
            break
    return asked, rated + compare_all(prepared, kept, folder, asked, step=step)


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
        rated, {rater.rubric: _rubric(folder, rater.rubric) for rater in rated.raters}
    )
    found = verdicts(
        prepared.spec,
        prepared.suite,
        kept,
        answers,
        whole.ratings,
        whole.raters,
        _gauges(kept, whole, whole.gold, answers),
        rubric_texts(folder),
        looks,
    )
    stops = [
        Stop(clause, arm, looks.made, min(len(order[clause]), looks.made * looks.size))
        for (clause, arm), decision in found.items()
        if decision.verdict in (Verdict.violated, Verdict.compliant) and (clause, arm) not in looks.stopped()
    ]
    return replace(looks, stops=(*looks.stops, *stops))


def rate_all(
    prepared: Prepared,
    kept: Plan,
    folder: RunFolder,
    answers: Sequence[Response],
    *,
    step: Step = silent,
) -> Rated:
    """Checks, likelihood, judges and imported ratings of the request, and its comparisons."""
    rated = rate_each(prepared, kept, folder, answers, step=step)
    return rated + compare_all(prepared, kept, folder, answers, step=step)


def rate_each(
    prepared: Prepared,
    kept: Plan,
    folder: RunFolder,
    answers: Sequence[Response],
    *,
    step: Step = silent,
) -> Rated:
    """Checks, likelihood, judges and imported ratings of the request, each answer by itself."""
    suite, request = prepared.suite, prepared.request
    rated = rating.refusal_check(suite, answers, _rubric(folder, "refusal"))
    rubrics = {name: _rubric(folder, name) for name in wording.RUBRICS}
    rated += rate_wording.checks(suite, answers, rubrics, _phrases(folder, request.phrases))
    if any(probe.push for probe in suite.probes):
        rated += rate_measured.check(suite, answers, _rubric(folder, SYCOPHANCY))
    rated += rating.likelihood(
        suite,
        answers,
        {name: _rubric(folder, name) for name in ("likelihood_sum", "likelihood_per_token", "letters")},
    )
    for name in request.raters:
        given = outside.find(name)
        with step(f"{name} rates", 1):
            rated += rating.by_outside(
                prepared.spec, suite, answers, lambda rubric: _rubric(folder, rubric), given
            )
            if isinstance(given, outside.OutsideGrades) and measured.of(HARMFULNESS, suite.probes):
                graded = {rubric: _rubric(folder, rubric) for rubric in given.graded}
                rated += rate_measured.by_outside(suite, answers, given, graded)
    for judge in (*request.judges, *measuring(request, suite)):
        rated += judged(
            prepared.spec, suite, answers, judge, kept, folder, request.max_connections, step=step
        )
    if any(probe.order for probe in suite.probes):
        rated += rate_hierarchy.check(suite, answers, _rubric(folder, "hierarchy"))
    for entry in request.ratings:
        items = _items(prepared.spec, suite, answers, _names(kept), _rubric(folder, entry.rubric))
        rated += rating.imported(
            Path(entry.file),
            entry.columns,
            _rubric(folder, entry.rubric),
            [item for item in items if item.arm == entry.arm],
        )
    return rated


def compare_all(
    prepared: Prepared, kept: Plan, folder: RunFolder, answers: Sequence[Response], *, step: Step = silent
) -> Rated:
    """The arms compared with each other, by every rater that can; nothing where the request does not ask."""
    request, asked = prepared.request, prepared.request.comparisons
    if asked is None or len(kept.arms) < 2:
        return Rated()
    arms = [arm.digest for arm in kept.arms]
    rubrics = [_rubric(folder, name) for name in asked.rubrics]
    whole = pairs.pools(prepared.spec, prepared.suite, answers, arms, rubrics)
    pools = rate_pairs.limited(whole, asked.max_pairs or pairs.PER_ARM * len(arms), request.seed)
    if asked.scrub:
        again, rows = scrub.scrubbed(pools, _phrases(folder, request.phrases))
        write_responses(folder.path / "scrubbed.parquet", rows)
        pools = (*pools, *again)
    rated = Rated()
    for name in request.raters:
        given = outside.find(name)
        if isinstance(given, outside.OutsidePairs):
            with step(f"{name} compares", 1):
                rated += rate_pairs.by_outside(pools, given)
    for place in asked.preference_models:
        rated += preferred(Path(place), pools, step=step)
    for judge in comparing(request):
        rated += compared_by(judge, request, pools, kept, folder, step=step)
    clusters = {probe.stimulus: probe.cluster for probe in prepared.suite.probes}
    for entry in asked.recorded:
        rubric = _rubric(folder, entry.rubric)
        rated += rate_pairs.recorded(Path(entry.file), rubric, answers, _names(kept), clusters)
    return rated


def compared_by(
    judge: ComparisonJudge,
    request: Request,
    pools: Sequence[Pool],
    kept: Plan,
    folder: RunFolder,
    *,
    step: Step = silent,
) -> Rated:
    """One LLM judge on pairs of answers."""
    asked = request.comparisons
    assert asked is not None
    name, arm = f"judge:{judge.model}", comparing_arm(judge)
    own = [_rubric(folder, rubric) for rubric in judge.rubrics or asked.rubrics]
    return rate_pairs.by_judge(
        pools,
        len(kept.arms),
        {pairwise.question(rubric): rubric for rubric in own},
        running.open_model(arm),
        name,
        logs=folder.logs / "comparisons" / re.sub(r"[^A-Za-z0-9._-]+", "-", name),
        settings=judge.model_dump(mode="json", exclude={"model", "rubrics"}) | _shared(arm, kept),
        max_judged=asked.max_judged,
        active=asked.active,
        seed=request.seed,
        connections=request.max_connections,
        step=step,
    )


def _shared(judge: Arm, kept: Plan) -> dict[str, list[str]]:
    """Arms that a judge's model is, and arms that were trained on its judgements; nothing where there are
    none."""
    known = fingerprint(judge)
    itself = [arm.name for arm in kept.arms if dict(arm.fingerprint) == known]
    trained = trained_by(known, [(arm.name, arm.lineage) for arm in kept.arms])
    return {name: arms for name, arms in (("same_model_as", itself), ("trained", trained)) if arms}


def preferred(place: Path, pools: Sequence[Pool], *, step: Step = silent) -> Rated:
    """A preference model on pairs of answers."""
    from govaudit.train import preference  # needs torch, which an audit of endpoints does without

    fitted = preference.load_preference(place)
    name = f"preference:{place.name}"
    with step(f"{name} compares", len(pools)) as done:
        return rate_pairs.by_scores(
            pools,
            name,
            file_digest(place / "model.safetensors"),
            lambda turns, said: preference.scores(fitted.model, fitted.tokenizer, turns, said),
            str(place),
            done,
        )


def judged(
    spec: Spec,
    suite: Suite,
    answers: Sequence[Response],
    judge: JudgeRequest,
    kept: Plan,
    folder: RunFolder,
    connections: int | None,
    *,
    step: Step = silent,
) -> Rated:
    """One LLM judge on the stored answers and on the spec's labelled answers."""
    name = judge_id(judge)
    rubric, model = _rubric(folder, judge.rubric), running.open_model(judge_arm(judge))
    logs = folder.logs / "judgements" / re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    settings = judge.model_dump(mode="json", exclude={"model", "rubric"})
    settings |= _shared(judge_arm(judge), kept)
    if rubric.measurement:
        return rate_measured.judged(
            suite,
            answers,
            rubric,
            model,
            name,
            logs=logs,
            settings=settings,
            connections=connections,
            step=step,
        )
    return rating.judged(
        spec,
        suite,
        answers,
        rubric,
        model,
        name,
        logs=logs,
        settings=settings,
        connections=connections,
        step=step,
    )


def sheet(path: Path, out: Path, *, rubric: str, sample: int | None, seed: int) -> int:
    """Write a blind sheet of the run's answers; its key stays in the run folder. Returns its rows."""
    folder = RunFolder.open(path)
    of_clauses(rubric, RaterKind.PEOPLE)
    if out.exists():
        raise BadInput("this file exists", path=out, remedy="Name another: it may hold somebody's labels.")
    with claimed(folder):
        spec, suite, kept, answers = _stored(folder)
        items = _items(spec, suite, answers, _names(kept), _rubric(folder, rubric))
        key = people.write_sheet(out, items, _rubric(folder, rubric), sample=sample, seed=seed)
        keys = folder.path / "sheets"
        keys.mkdir(exist_ok=True)
        # Sheets of one run may differ in sample and rubric: each keeps its own key, named by what is on it.
        _replace(keys / f"{digest(sorted(row.item for row in key.rows))[:12]}.json", key.dumps())
        return len(key.rows)


def _items(
    spec: Spec, suite: Suite, answers: Sequence[Response], arms: Mapping[str, str], rubric: Rubric
) -> list[people.RatingItem]:
    """What people could rate by that rubric. ``arms``: digest -> name."""
    if rubric.measurement:
        return rate_measured.rating_items(suite, answers, arms, rubric)
    return rating.rating_items(spec, suite, answers, arms)


def sheet_ratings(folder: RunFolder, person: str, filled: Path) -> Rated:
    """A filled sheet as the ratings of one person."""
    problems = []
    for path in sorted((folder.path / "sheets").glob("*.json")):
        key = people.Key.loads(path.read_text(encoding="utf-8"), path)
        try:
            name = rating.rater_id(f"person:{person}", key.rubric)
            found = people.read_sheet(filled, key, _rubric(folder, key.rubric), name)
        except BadInput as problem:
            problems.append(problem)
            continue
        return Rated(found.ratings, found.raters, warnings=found.warnings)
    if problems:
        raise problems[-1]
    raise BadInput(
        "this run has written no sheet",
        path=folder.path,
        remedy="Write one with `govaudit rate RUN --sheet`.",
    )


def _imported_ids(entry: RatingsRequest) -> set[str]:
    return {rating.imported_id(column, kind, entry.rubric) for column, kind in entry.columns.items()}


def _rated(folder: RunFolder) -> Rated:
    """What the run holds of ratings, without panels, which are derived anew; nothing where it holds none."""
    if not folder.ratings.is_file():
        return Rated()
    raters = tuple(r for r in read_raters(folder.raters) if r.id.partition(":")[0] != "people")
    return Rated(
        tuple(row for row in read_ratings(folder.ratings) if not row.derived_from),
        raters,
        warnings=tuple(_json(folder.path / "notes.json", "")["warnings"]),
    )


def _names(kept: Plan) -> dict[str, str]:
    """Name of each arm by its digest."""
    return {arm.digest: arm.name for arm in kept.arms}


def _rubric(folder: RunFolder, name: str) -> Rubric:
    """The rubric as this run keeps it: a copy is made at first use, so that it cannot change under a run."""
    kept = folder.rubrics / f"{name}.md"
    if not kept.is_file():
        load_rubric(name)  # refuse what is no rubric before it is copied
        folder.rubrics.mkdir(exist_ok=True)
        _replace(kept, library.read("scorers", f"{name}.md"))
    return load_rubric(name, folder.rubrics)


def _phrases(folder: RunFolder, name: str | None) -> PhraseList:
    """The list of phrases as this run keeps it: fixed at first use, like a rubric."""
    kept = folder.path / "phrases.yaml"
    if not kept.is_file():
        _replace(kept, phrase_list.dumps(phrase_list.read(Path(name)) if name else phrase_list.load()))
    return phrase_list.read(kept)


def _store(folder: RunFolder, kept: Plan, rated: Rated, answers: Sequence[Response]) -> list[GaugePart]:
    """Tables and gauges of everything that was rated, with the majority of people as a rater of its own."""
    rubrics = {rater.rubric: _rubric(folder, rater.rubric) for rater in rated.raters}
    whole = rating.with_majority(rated, rubrics)
    folder.gauges.mkdir(exist_ok=True)
    for name, rows in whole.gold.items():
        lines = [json.dumps(asdict(row), sort_keys=True, ensure_ascii=False) for row in rows]
        _replace(_gold_file(folder, name), "".join(f"{line}\n" for line in lines))
    parts = _gauges(kept, whole, _gold(folder, whole.raters), answers)
    _replace(
        folder.gauges / "gauges.json",
        json.dumps([part.model_dump(mode="json") for part in parts], indent=1, sort_keys=True) + "\n",
    )
    _replace(folder.path / "notes.json", json.dumps({"warnings": list(whole.warnings)}, indent=1) + "\n")
    write_raters(folder.raters, whole.raters)
    # Last: where this table is, everything else is too.
    write_ratings(folder.ratings, whole.ratings)
    return parts


def _gauges(
    kept: Plan, whole: Rated, gold: Mapping[str, Sequence[GoldItem]], answers: Sequence[Response]
) -> list[GaugePart]:
    return [
        *gauging.from_gold(gold, whole.raters, kept.seed),
        *gauging.from_people(whole.ratings, whole.raters, answers, _names(kept), kept.seed),
        *gauging.from_world(whole.ratings, whole.raters, answers, _names(kept), kept.seed),
    ]


def stored_gauges(folder: RunFolder) -> list[GaugePart]:
    """The gauges of a run's raters; :class:`BadInput` for a run that was not rated."""
    rows = _json(folder.gauges / "gauges.json", "Run `govaudit rate`.")
    return [GaugePart.model_validate(row) for row in rows]


def rubric_texts(folder: RunFolder) -> dict[str, str]:
    """The rubrics of a run by name."""
    return {p.stem: p.read_text(encoding="utf-8") for p in sorted(folder.rubrics.glob("*.md"))}


def _gold_file(folder: RunFolder, rater: str) -> Path:
    return folder.gauges / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', rater)}.gold.jsonl"


def _gold(folder: RunFolder, raters: Sequence[Rater]) -> dict[str, tuple[GoldItem, ...]]:
    """What raters said of labelled answers, as the run keeps it."""
    table = {}
    for rater in raters:
        path = _gold_file(folder, rater.id)
        if path.is_file() and path.stat().st_size:
            table[rater.id] = tuple(GoldItem(**row) for _, row in item_banks.rows(path))
    return table


def _stored(folder: RunFolder) -> tuple[Spec, Suite, Plan, tuple[Response, ...]]:
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


def report(path: Path) -> Report:
    """Recompute findings and report from the tables of a run; no model is called."""
    folder = RunFolder.open(path)
    with claimed(folder):
        return _report(folder)


def _report(folder: RunFolder) -> Report:
    spec, suite, kept, answers = _stored(folder)
    parts = stored_gauges(folder)
    notes = _json(folder.path / "notes.json", "Run `govaudit rate`.")
    scrubbed = folder.path / "scrubbed.parquet"
    document = build(
        spec,
        suite,
        replace(kept, warnings=(*kept.warnings, *notes["warnings"])),
        answers,
        read_ratings(folder.ratings),
        read_raters(folder.raters),
        parts,
        run=folder.path.name,
        scrubbed=read_responses(scrubbed) if scrubbed.is_file() else (),
        looks=looking.read(folder.path),
        rubric_texts=rubric_texts(folder),
    )
    document = reviewing.reviewed(
        document, reviewing.read(folder.path / reviewing.FILE, reviewing.root(document))
    )
    saving.save(document, folder.path)
    _keep_mined(document, folder)
    return document


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
    with claimed(folder):
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
    with claimed(folder):
        document = _report(folder)
        _, suite, _, answers = _stored(folder)
        copy = redaction.redacted(document, suite, answers, tags)
        saving.save(copy, out)
        return copy


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
            _replace(place / f"{arm.arm}.yaml", phrase_list.dumps(mined))


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

    Rows of raters that are not named stay as they are. A rater that comes now may decide clauses that
    nobody with a gauge decided; the report says that this was fixed after the answers were known.
    """
    folder = RunFolder.open(path)
    for judge in judges:
        of_clauses(judge.rubric, RaterKind.JUDGE)
    outside.distinct(raters)
    with claimed(folder):
        spec, suite, kept, answers = _stored(folder)
        before, planned = _rated(folder), requests.stored(folder.request)
        there = {rater.id for rater in before.raters}
        asked = {judge_id(judge): judge for judge in planned.judges}
        named = [asked.get(judge_id(judge), judge) for judge in judges]
        # What the request names and nobody has rated yet (after `run`, or a kill) is done now too.
        left = [judge for name, judge in asked.items() if name not in there]
        now = planned.model_copy(
            update={
                "judges": tuple(dict.fromkeys((*left, *named))),
                "raters": tuple(dict.fromkeys((*planned.raters, *raters))),
                "ratings": tuple(e for e in planned.ratings if not _imported_ids(e) <= there),
                "max_connections": connections or planned.max_connections,
            }
        )
        with ledgers.kept(folder.path, planned.prices) as book:
            rated = before + rate_all(Prepared(now, spec, suite, (), ()), kept, folder, answers, step=step)
            rated += choices_of(now, suite, folder, answers)
        kept = replace(kept, spent=costing.spent(book.calls, book.prices))
        came = {judge_id(judge) for judge in judges} - asked.keys()
        for name in set(raters) - set(planned.raters):
            came |= rating.ids_of(outside.find(name))
        for person, filled in sheets:
            found = sheet_ratings(folder, person, filled)
            rated += found
            came |= {rater.id for rater in found.raters}
            came |= {rating.rater_id("people", rater.rubric) for rater in found.raters}
        parts = _store(folder, kept, rated, answers)
        late = [rater for rater in read_raters(folder.raters) if rater.id in came]
        _replace(folder.manifest, plan_to_json(amended(kept, spec, late, parts)))
        return _report(folder)


def _json(path: Path, remedy: str) -> Any:
    if not path.is_file():
        raise BadInput("this file of the run is missing", path=path, remedy=remedy or None)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"this file of the run is damaged ({error})", path=path) from error


def _replace(path: Path, text: str) -> None:
    """Write beside and rename: a run that is killed here keeps the old file whole."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


_FINDING = ("arm", "clause", "measure", "rater", "n", "clusters", "rate", "low", "high", "unscored")


def findings_json(report: Report) -> list[dict[str, Any]]:
    """The findings of a report, one flat object each."""
    return [
        {name: getattr(finding, name) for name in (*_FINDING, "verdict", "reason")}
        for finding in report.findings
    ]
