"""The stored answers, rated and compared by everything that a request names, and every rater gauged.

In: answers, the spec and suite of a run, and its folder, which keeps rubrics and logs. Out: ratings with
their raters, and the tables and gauges that a run keeps of them. How one rater works is in
:mod:`govaudit.evals`; verdicts are computed from the tables, by :mod:`govaudit.reports`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from govaudit import keeping
from govaudit import request as requests
from govaudit.canonical import file_digest
from govaudit.deciding import judge_id
from govaudit.errors import BadInput
from govaudit.evals import choices as choosing
from govaudit.evals import items as item_banks
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
from govaudit.evals.pairs import Pool
from govaudit.evals.rate import Rated
from govaudit.evals.rate_judge import Judge
from govaudit.evals.run import Step, silent
from govaudit.evals.suite import Suite
from govaudit.models.arms import Arm
from govaudit.models.fingerprint import fingerprint
from govaudit.models.lineage import trained_by
from govaudit.plan import Prepared, comparing, comparing_arm, judge_arm, measuring
from govaudit.records import (
    Rater,
    Response,
    RunFolder,
    read_responses,
    write_raters,
    write_ratings,
    write_responses,
)
from govaudit.reports import gauges as gauging
from govaudit.reports.document import GaugePart
from govaudit.reports.manifest import Plan
from govaudit.request import ComparisonJudge, JudgeRequest, Request
from govaudit.scorers import pairwise, people
from govaudit.scorers.gauge import GoldItem
from govaudit.scorers.measurement import HARMFULNESS, SYCOPHANCY
from govaudit.scorers.rubric import Rubric
from govaudit.specs.model import Spec


def rate_all(
    prepared: Prepared,
    kept: Plan,
    folder: RunFolder,
    answers: Sequence[Response],
    *,
    there: Collection[str] = (),
    step: Step = silent,
) -> Rated:
    """Checks, likelihood, judges and imported ratings of the request, and its comparisons.

    ``there``: raters that have compared already, of which no judge is opened.
    """
    rated = rate_each(prepared, kept, folder, answers, step=step)
    return rated + compare_all(prepared, kept, folder, answers, there=there, step=step)


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
    rated = rating.refusal_check(suite, answers, keeping.rubric(folder, "refusal"))
    rubrics = {name: keeping.rubric(folder, name) for name in wording.RUBRICS}
    rated += rate_wording.checks(suite, answers, rubrics, keeping.phrases(folder, request.phrases))
    if any(probe.push for probe in suite.probes):
        rated += rate_measured.check(suite, answers, keeping.rubric(folder, SYCOPHANCY))
    rated += rating.likelihood(
        suite,
        answers,
        {
            name: keeping.rubric(folder, name)
            for name in ("likelihood_sum", "likelihood_per_token", "letters")
        },
    )
    for name in request.raters:
        given = outside.find(name)
        with step(f"{name} rates", 1):
            rated += rating.by_outside(
                prepared.spec, suite, answers, lambda rubric: keeping.rubric(folder, rubric), given
            )
            if isinstance(given, outside.OutsideGrades) and measured.of(HARMFULNESS, suite.probes):
                graded = {rubric: keeping.rubric(folder, rubric) for rubric in given.graded}
                rated += rate_measured.by_outside(suite, answers, given, graded)
    for judge in (*request.judges, *measuring(request, suite)):
        rated += judged(
            prepared.spec, suite, answers, judge, kept, folder, request.max_connections, step=step
        )
    if any(probe.order for probe in suite.probes):
        rated += rate_hierarchy.check(suite, answers, keeping.rubric(folder, "hierarchy"))
    for entry in request.ratings:
        items = rating_items(prepared.spec, suite, answers, kept.names, keeping.rubric(folder, entry.rubric))
        rated += rating.imported(
            Path(entry.file),
            entry.columns,
            keeping.rubric(folder, entry.rubric),
            [item for item in items if item.arm == entry.arm],
        )
    return rated


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
    rubric, model = keeping.rubric(folder, judge.rubric), running.open_model(judge_arm(judge))
    logs = folder.logs / "judgements" / re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    settings = judge.model_dump(mode="json", exclude={"model", "rubric"})
    settings |= _shared(judge_arm(judge), kept)
    asked = Judge(name, model, rubric, logs, settings, connections, step)
    if rubric.measurement:
        return rate_measured.judged(suite, answers, asked)
    return rating.judged(spec, suite, answers, asked)


def rating_items(
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
            found = people.read_sheet(filled, key, keeping.rubric(folder, key.rubric), name)
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


def choices_of(request: Request, suite: Suite, folder: RunFolder, answers: Sequence[Response]) -> Rated:
    """The choices that test no clause, from the tables."""
    table = folder.path / keeping.LETTERS
    if not choosing.of(suite):
        return Rated()
    return rate_choices.ratings(
        suite,
        answers,
        read_responses(table) if table.is_file() else (),
        {name: keeping.rubric(folder, name) for name in rate_choices.RUBRICS},
        keeping.rubric(folder, (request.choices or requests.ChoicesRequest()).rubric),
    )


def compare_all(
    prepared: Prepared,
    kept: Plan,
    folder: RunFolder,
    answers: Sequence[Response],
    *,
    there: Collection[str] = (),
    step: Step = silent,
) -> Rated:
    """The arms compared with each other, by every rater that can; nothing where the request does not ask.

    ``there``: raters that have compared already, of which no judge is opened.
    """
    request, asked = prepared.request, prepared.request.comparisons
    if asked is None or len(kept.arms) < 2:
        return Rated()
    judges = [
        judge
        for judge in comparing(request)
        if not {rating.rater_id(f"judge:{judge.model}", r) for r in judge.rubrics or asked.rubrics}
        <= set(there)
    ]
    if not (judges or request.raters or asked.preference_models or asked.recorded):
        return Rated()
    arms = [arm.digest for arm in kept.arms]
    rubrics = [keeping.rubric(folder, name) for name in asked.rubrics]
    whole = pairs.pools(prepared.spec, prepared.suite, answers, arms, rubrics)
    pools = rate_pairs.limited(whole, asked.max_pairs or pairs.PER_ARM * len(arms), request.seed)
    if asked.scrub:
        again, rows = scrub.scrubbed(pools, keeping.phrases(folder, request.phrases))
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
    for judge in judges:
        rated += compared_by(judge, request, pools, kept, folder, step=step)
    clusters = {probe.stimulus: probe.cluster for probe in prepared.suite.probes}
    for entry in asked.recorded:
        rubric = keeping.rubric(folder, entry.rubric)
        rated += rate_pairs.recorded(Path(entry.file), rubric, answers, kept.names, clusters)
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
    own = [keeping.rubric(folder, rubric) for rubric in judge.rubrics or asked.rubrics]
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


def _shared(judge: Arm, kept: Plan) -> dict[str, list[str]]:
    """Arms that a judge's model is, and arms that were trained on its judgements; nothing where there are
    none."""
    known = fingerprint(judge)
    itself = [arm.name for arm in kept.arms if dict(arm.fingerprint) == known]
    trained = trained_by(known, [(arm.name, arm.lineage) for arm in kept.arms])
    return {name: arms for name, arms in (("same_model_as", itself), ("trained", trained)) if arms}


def store(folder: RunFolder, kept: Plan, rated: Rated, answers: Sequence[Response]) -> list[GaugePart]:
    """Tables and gauges of everything that was rated, with the majority of people as a rater of its own."""
    rubrics = {rater.rubric: keeping.rubric(folder, rater.rubric) for rater in rated.raters}
    whole = rating.with_majority(rated, rubrics)
    folder.gauges.mkdir(exist_ok=True)
    for name, rows in whole.gold.items():
        lines = [json.dumps(asdict(row), sort_keys=True, ensure_ascii=False) for row in rows]
        keeping.replace_file(_gold_file(folder, name), "".join(f"{line}\n" for line in lines))
    parts = gauges(kept, whole, _gold(folder, whole.raters), answers)
    keeping.replace_file(
        folder.gauges / "gauges.json",
        json.dumps([part.model_dump(mode="json") for part in parts], indent=1, sort_keys=True) + "\n",
    )
    keeping.replace_file(
        folder.path / "notes.json", json.dumps({"warnings": list(whole.warnings)}, indent=1) + "\n"
    )
    write_raters(folder.raters, whole.raters)
    # Last: where this table is, everything else is too.
    write_ratings(folder.ratings, whole.ratings)
    return parts


def gauges(
    kept: Plan, whole: Rated, gold: Mapping[str, Sequence[GoldItem]], answers: Sequence[Response]
) -> list[GaugePart]:
    """Every rater measured by labelled answers, by people and by what is known of the world."""
    return [
        *gauging.from_gold(gold, whole.raters, kept.seed),
        *gauging.from_people(whole.ratings, whole.raters, answers, kept.names, kept.seed),
        *gauging.from_world(whole.ratings, whole.raters, answers, kept.names, kept.seed),
    ]


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
