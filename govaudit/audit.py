"""One audit, from a request to a report, resumable at every step.

The steps are those of the run folder: what is asked (request, spec, suite, plan) is fixed and written before
the first call; then arms answer, raters judge, and findings are computed from the tables alone. Calling
:func:`audit` again with the same request resumes; :func:`rate` judges stored answers again; :func:`report`
recomputes the findings.
"""

from __future__ import annotations

import difflib
import fcntl
import json
import platform
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from inspect_ai.model import Model

from govaudit import __version__, library
from govaudit import request as requests
from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.evals import items as item_banks
from govaudit.evals import rate as rating
from govaudit.evals import run as running
from govaudit.evals.compile import compile_spec, controls, coverage
from govaudit.evals.rate import Rated
from govaudit.evals.run import Step, silent
from govaudit.evals.suite import Suite
from govaudit.evals.tasks import Stimulus
from govaudit.models.arms import ENGINE, RECORDED, Arm, arm_digest, distinct, prompted
from govaudit.models.fingerprint import fingerprint
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
from govaudit.reports import html
from govaudit.reports.document import GaugePart, Report
from govaudit.reports.findings import Decider, Plan, PlannedArm, build, plan_from_json, plan_to_json
from govaudit.request import JudgeRequest, RatingsRequest, Request
from govaudit.scorers import control, people
from govaudit.scorers.gauge import GoldItem
from govaudit.scorers.rubric import Rubric
from govaudit.scorers.rubric import load as load_rubric
from govaudit.specs import native
from govaudit.specs.load import load_spec
from govaudit.specs.model import Expected, Label, Level, Spec


@dataclass(frozen=True)
class Prepared:
    """Everything that is fixed before the first call."""

    request: Request
    spec: Spec
    suite: Suite
    arms: tuple[Arm, ...]
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """Default name of the run folder: the same request gives the same name, and so resumes."""
        label = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{self.spec.id}-{self.spec.version}").strip("-")
        return f"{label}-{digest([self.request.digest, self.suite.digest])[:8]}"


def prepare(request: Request) -> Prepared:
    """Load the spec, compile the suite, fill in the arms; :class:`BadInput` for anything unusable."""
    loaded = load_spec(
        library.find_spec(request.spec),
        format=request.format,
        version=request.version,
        prompts=Path(request.prompts) if request.prompts else None,
    )
    spec = loaded.spec
    banks = [item for name in request.items for item in item_banks.load(Path(name))]
    known_clauses(spec, request.clauses)
    chosen = spec
    if request.clauses:
        chosen = spec.model_copy(
            update={"clauses": tuple(c for c in spec.clauses if c.id in request.clauses)}
        )
    suite = compile_spec(chosen, items=banks, seed=request.seed, limit=request.limit)
    suite = replace(
        suite,
        spec_digest=spec.digest,
        partial=suite.partial or bool(request.clauses),
        probes=suite.probes + controls(spec, control.builtin()),
    )
    arms = tuple(requests.arms(request))
    if request.system_spec:
        text = as_system_text(spec)
        arms += tuple(prompted(arm, text, f"{arm.name}+spec") for arm in arms)
    warnings = tuple(f"import: {warning}" for warning in loaded.warnings)
    return Prepared(request, spec, suite, distinct(arms), warnings)


def known_clauses(spec: Spec, wanted: Sequence[str]) -> None:
    """:class:`BadInput` for an id that the spec does not have, with near ones."""
    ids = [clause.id for clause in spec.clauses]
    for name in wanted:
        if name not in ids:
            near = difflib.get_close_matches(name, ids, 3)
            raise BadInput(
                f"the spec has no clause {name!r}",
                remedy=f"Did you mean {', '.join(near)}?" if near else "`govaudit spec show` lists them.",
            )


def as_system_text(spec: Spec) -> str:
    """The spec as a system prompt: titles and texts of the clauses that a model can keep, in order."""
    parts = [
        f"{clause.title}\n{clause.text}" if clause.title else clause.text
        for clause in spec.clauses
        if clause.level is Level.MODEL
    ]
    return "\n\n".join(parts)


def identify(prepared: Prepared) -> tuple[PlannedArm, ...]:
    """Every arm with its identity, and the raters that cannot apply to it. Reads weights, calls nothing."""
    likelihood = any(p.measure is Measure.LIKELIHOOD for p in prepared.suite.probes)
    planned = []
    for arm in prepared.arms:
        found = fingerprint(arm)
        aside = []
        if arm.provider == RECORDED and likelihood:
            aside.append("likelihood does not apply: recorded answers carry no log-probabilities")
        warnings = []
        if arm.trust_remote_code:
            warnings.append(f"arm {arm.name} ran Python code that lies in its checkpoint folder")
        if arm.system and arm.context is None and arm.provider not in (ENGINE, RECORDED):
            warnings.append(
                f"arm {arm.name}: its context is not given, so whether its system text fits was not checked"
            )
        planned.append(
            PlannedArm(
                name=arm.name,
                digest=arm_digest(arm, found),
                model=arm.model,
                settings=arm.data(),
                fingerprint=found,
                system_digest=digest(arm.system) if arm.system else None,
                not_applicable=tuple(aside),
                warnings=tuple(warnings),
            )
        )
    return tuple(planned)


def plan(prepared: Prepared, planned: tuple[PlannedArm, ...]) -> Plan:
    """Fix, before the first call, which measure and rater decide each clause."""
    request = prepared.request
    return Plan(
        arms=planned,
        deciding=_deciding(prepared.suite, prepared.spec, request.judges, request.ratings),
        tolerance=request.tolerance.default,
        bright_line=request.tolerance.bright_line,
        seed=request.seed,
        epochs=request.epochs,
        request=request.model_dump(mode="json"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        warnings=prepared.warnings,
    )


def _deciding(
    suite: Suite, spec: Spec, judges: Sequence[JudgeRequest], imported: Sequence[RatingsRequest]
) -> dict[str, Decider]:
    """Per clause the last rater, in the order of kinds, that has a gauge; without any, the last of all.

    Generation comes before likelihood: what an arm finds probable decides only where nobody reads what it
    writes. A gauge is to be had where the spec labels good and bad answers, or people rate the same answers.
    """
    labels: dict[str, set[Label]] = defaultdict(set)
    for answer in suite.gold:
        labels[answer.clause].add(answer.label)
    expected: dict[str, set[Expected]] = defaultdict(set)
    measures: dict[str, set[Measure]] = defaultdict(set)
    for probe in suite.probes:
        for target in probe.targets:
            measures[target.clause].add(probe.measure)
            if probe.measure is Measure.GENERATION:
                expected[target.clause].add(target.expected)
    kinds = list(RaterKind)
    persons = sorted({c for entry in imported for c, kind in entry.columns.items() if kind == "people"})
    table: dict[str, Decider] = {}
    for clause in spec.clauses:
        labelled = {Label.GOOD, Label.BAD} <= labels[clause.id]
        sided = bool(expected[clause.id] - {Expected.KEEP})
        candidates: list[tuple[bool, int, int, str]] = []

        def add(kind: RaterKind, rater: str, gauged: bool) -> None:
            candidates.append((gauged, kinds.index(kind), -len(candidates), rater))  # noqa: B023

        if sided:
            add(RaterKind.CHECK, "check:refusal", labelled or bool(persons))
        for judge in judges:
            if expected[clause.id] & set(load_rubric(judge.rubric).applies_to):
                add(RaterKind.JUDGE, judge_id(judge), labelled or bool(persons))
        for entry in imported:
            if expected[clause.id] & set(load_rubric(entry.rubric).applies_to):
                for column, kind in entry.columns.items():
                    if kind != "people":
                        add(RaterKind(kind), f"{kind}:{column}", bool(persons))
        if persons and any(expected[clause.id] & set(load_rubric(e.rubric).applies_to) for e in imported):
            rater = "people" if len(persons) > 1 else person_id(persons[0])
            add(RaterKind.PEOPLE, rater, len(persons) > 1)
        if candidates:
            table[clause.id] = Decider(Measure.GENERATION, max(candidates)[3])
        elif Measure.LIKELIHOOD in measures[clause.id]:
            table[clause.id] = Decider(Measure.LIKELIHOOD, "likelihood:sum")
    return table


def judge_id(judge: JudgeRequest) -> str:
    """Id of a judge: its model, and its rubric where that is not the usual one."""
    return f"judge:{judge.model}" + ("" if judge.rubric == "compliance" else f":{judge.rubric}")


def judge_arm(judge: JudgeRequest) -> Arm:
    """A judge's model with its settings."""
    return Arm(
        name="judge",
        model=judge.model,
        base_url=judge.base_url,
        temperature=judge.temperature,
        max_tokens=judge.max_tokens,
    )


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
        for was, now in zip(kept.arms, planned, strict=True):
            if was.digest != now.digest:
                raise BadInput(
                    f"arm {was.name!r} has changed since this run began (weights, template or settings)",
                    path=folder.path,
                    remedy="Name another folder with -o.",
                )
        return kept
    fresh = plan(prepared, planned)
    folder.request.write_text(requests.dumps(prepared.request), encoding="utf-8")
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
    models = open_arms(prepared)
    with claimed(folder):
        kept = begin(prepared, folder)
        answers = collect(prepared, models, kept, folder, step=step)
        _store(folder, kept, rate_all(prepared, kept, folder, answers, step=step), answers)
        return _report(folder)


def run(prepared: Prepared, path: Path, *, step: Step = silent) -> tuple[Response, ...]:
    """Only collect the answers; :func:`rate` and :func:`report` may follow at any time."""
    folder = RunFolder(path)
    models = open_arms(prepared)
    with claimed(folder):
        return collect(prepared, models, begin(prepared, folder), folder, step=step)


def open_arms(prepared: Prepared) -> list[Model]:
    """The models of all arms and judges, opened and checked before the first call: a wrong name or a missing
    key must not cost the answers of the arms before it."""
    models = [running.open_model(arm) for arm in prepared.arms]
    for arm, model in zip(prepared.arms, models, strict=True):
        running.check_context(arm, model)
    for judge in prepared.request.judges:
        running.open_model(judge_arm(judge))
    return models


def collect(
    prepared: Prepared, models: Sequence[Model], kept: Plan, folder: RunFolder, *, step: Step = silent
) -> tuple[Response, ...]:
    """Every arm answers the suite; the table is written after each arm."""
    request = prepared.request
    answers: list[Response] = []
    for arm, planned, model in zip(prepared.arms, kept.arms, models, strict=True):
        stimuli = {
            probe.stimulus: Stimulus(probe.stimulus, probe.turns, probe.choices)
            for probe in prepared.suite.probes
            if not (probe.measure is Measure.LIKELIHOOD and arm.provider == RECORDED)
        }
        answers += running.ask(
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
        write_responses(folder.responses, answers)
    return tuple(answers)


def rate_all(
    prepared: Prepared,
    kept: Plan,
    folder: RunFolder,
    answers: Sequence[Response],
    *,
    step: Step = silent,
) -> Rated:
    """Checks, likelihood, judges and imported ratings of the request."""
    suite, request = prepared.suite, prepared.request
    rated = rating.refusal_check(suite, answers, _rubric(folder, "refusal"))
    rated += rating.likelihood(
        suite,
        answers,
        {name: _rubric(folder, name) for name in ("likelihood_sum", "likelihood_per_token", "letters")},
    )
    for judge in request.judges:
        rated += judged(prepared.spec, suite, answers, judge, folder, request.max_connections, step=step)
    for entry in request.ratings:
        rated += imported(prepared.spec, suite, kept, answers, entry, _rubric(folder, entry.rubric))
    return rated


def judged(
    spec: Spec,
    suite: Suite,
    answers: Sequence[Response],
    judge: JudgeRequest,
    folder: RunFolder,
    connections: int | None,
    *,
    step: Step = silent,
) -> Rated:
    """One LLM judge on the stored answers and on the spec's labelled answers."""
    name = judge_id(judge)
    return rating.judged(
        spec,
        suite,
        answers,
        _rubric(folder, judge.rubric),
        running.open_model(judge_arm(judge)),
        name,
        logs=folder.logs / "judgements" / re.sub(r"[^A-Za-z0-9._-]+", "-", name),
        connections=connections,
        step=step,
    )


def imported(
    spec: Spec, suite: Suite, kept: Plan, answers: Sequence[Response], entry: RatingsRequest, rubric: Rubric
) -> Rated:
    """Ratings that somebody made elsewhere, matched to one arm's answers."""
    items = rating_items(spec, suite, kept, answers)
    names = {arm.name for arm in kept.arms}
    if entry.arm not in names:
        raise BadInput(
            f"ratings are given for arm {entry.arm!r}, which this audit does not have",
            path=entry.file,
            remedy=f"Arms: {', '.join(sorted(names))}.",
        )
    columns = [
        people.Column(column, person_id(column) if kind == "people" else f"{kind}:{column}", RaterKind(kind))
        for column, kind in entry.columns.items()
    ]
    mine = [item for item in items if item.arm == entry.arm]
    found = people.import_ratings(Path(entry.file), columns, rubric, mine)
    return Rated(found.ratings, found.raters, warnings=found.warnings)


def person_id(name: str) -> str:
    """Id of one person as a rater."""
    return f"person:{name}"


def rating_items(
    spec: Spec, suite: Suite, kept: Plan, answers: Sequence[Response]
) -> list[people.RatingItem]:
    """What people could rate: every usable answer under every clause that it is looked at for."""
    names = {arm.digest: arm.name for arm in kept.arms}
    return [
        people.RatingItem(
            response=pair.response.response,
            clause=pair.target.clause,
            expected=pair.target.expected,
            cluster=pair.probe.cluster,
            arm=names[pair.response.arm],
            turns=(pair.response.turns or pair.probe.turns)[:-1],
            answer=pair.response.text,
            clause_title=spec.clause(pair.target.clause).title,
            clause_text=spec.clause(pair.target.clause).text,
        )
        for pair in rating.pairs(suite, answers, Measure.GENERATION)
        if pair.response.unscored is None and pair.response.arm in names
    ]


def sheet(path: Path, out: Path, *, rubric: str, sample: int | None, seed: int) -> int:
    """Write a blind sheet of the run's answers; its key stays in the run folder. Returns its rows."""
    folder = RunFolder.open(path)
    with claimed(folder):
        spec, suite, kept, answers = _stored(folder)
        items = rating_items(spec, suite, kept, answers)
        key = people.write_sheet(out, items, _rubric(folder, rubric), sample=sample, seed=seed)
        keys = folder.path / "sheets"
        keys.mkdir(exist_ok=True)
        # Sheets of one run may differ in sample and rubric: each keeps its own key, named by what is on it.
        _replace(keys / f"{digest(sorted(row.item for row in key.rows))[:12]}.json", key.dumps())
        return len(key.rows)


def sheet_ratings(folder: RunFolder, person: str, filled: Path) -> Rated:
    """A filled sheet as the ratings of one person."""
    problems = []
    for path in sorted((folder.path / "sheets").glob("*.json")):
        key = people.Key.loads(path.read_text(encoding="utf-8"), path)
        try:
            found = people.read_sheet(filled, key, _rubric(folder, key.rubric), person_id(person))
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


def with_majority(rated: Rated, folder: RunFolder) -> Rated:
    """The same, with the majority of several persons as a rater of its own."""
    persons = {rater.id: rater for rater in rated.raters if rater.kind is RaterKind.PEOPLE}
    theirs = [row for row in rated.ratings if row.rater in persons]
    for name in sorted({rater.rubric for rater in persons.values()}):
        found = people.majority(theirs, _rubric(folder, name))
        rated += Rated(found.ratings, found.raters)
    return rated


def _rubric(folder: RunFolder, name: str) -> Rubric:
    """The rubric as this run keeps it: a copy is made at first use, so that it cannot change under a run."""
    kept = folder.rubrics / f"{name}.md"
    if not kept.is_file():
        folder.rubrics.mkdir(exist_ok=True)
        _replace(kept, library.read("scorers", f"{name}.md"))
    return load_rubric(name, folder.rubrics)


def _store(folder: RunFolder, kept: Plan, rated: Rated, answers: Sequence[Response]) -> list[GaugePart]:
    """Tables and gauges of everything that was rated, with the majority of people as a rater of its own."""
    whole = with_majority(rated, folder)
    write_ratings(folder.ratings, whole.ratings)
    write_raters(folder.raters, whole.raters)
    folder.gauges.mkdir(exist_ok=True)
    for name, rows in whole.gold.items():
        lines = [json.dumps(asdict(row), sort_keys=True, ensure_ascii=False) for row in rows]
        _replace(_gold_file(folder, name), "".join(f"{line}\n" for line in lines))
    names = {arm.digest: arm.name for arm in kept.arms}
    parts = [
        *gauging.from_gold(_gold(folder, whole.raters), whole.raters, kept.seed),
        *gauging.from_people(whole.ratings, whole.raters, answers, names, kept.seed),
    ]
    _replace(
        folder.gauges / "gauges.json",
        json.dumps([part.model_dump(mode="json") for part in parts], indent=1, sort_keys=True) + "\n",
    )
    _replace(folder.path / "notes.json", json.dumps({"warnings": list(whole.warnings)}, indent=1) + "\n")
    return parts


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
    parts = [
        GaugePart.model_validate(row) for row in _json(folder.gauges / "gauges.json", "Run `govaudit rate`.")
    ]
    notes = _json(folder.path / "notes.json", "Run `govaudit rate`.")
    document = build(
        spec,
        suite,
        replace(kept, warnings=(*kept.warnings, *notes["warnings"])),
        answers,
        read_ratings(folder.ratings),
        read_raters(folder.raters),
        parts,
        run=folder.path.name,
        rubric_texts={p.stem: p.read_text(encoding="utf-8") for p in sorted(folder.rubrics.glob("*.md"))},
    )
    html.save(document, folder.path)
    return document


def rate(
    path: Path,
    *,
    judges: Sequence[JudgeRequest] = (),
    sheets: Sequence[tuple[str, Path]] = (),
    connections: int | None = None,
    step: Step = silent,
) -> Report:
    """Rate the stored answers of a run again: checks, more judges, people's sheets (person, file).

    Rows of raters that are not named stay as they are. A rater that comes now may decide clauses that
    nobody with a gauge decided; the report says that this was fixed after the answers were known.
    """
    folder = RunFolder.open(path)
    with claimed(folder):
        spec, suite, kept, answers = _stored(folder)
        before = Rated()
        if folder.ratings.is_file():
            before = Rated(
                tuple(row for row in read_ratings(folder.ratings) if not row.derived_from),
                tuple(rater for rater in read_raters(folder.raters) if rater.id != "people"),
                warnings=tuple(_json(folder.path / "notes.json", "")["warnings"]),
            )
        # What the request named is rated already; only what comes now is asked for.
        now = requests.stored(folder.request).model_copy(update={"judges": tuple(judges), "ratings": ()})
        if connections:
            now = now.model_copy(update={"max_connections": connections})
        rated = before + rate_all(Prepared(now, spec, suite, (), ()), kept, folder, answers, step=step)
        for person, filled in sheets:
            rated += sheet_ratings(folder, person, filled)
        parts = _store(folder, kept, rated, answers)
        _replace(folder.manifest, plan_to_json(_amended(kept, spec, rated.raters, parts)))
        return _report(folder)


def _amended(kept: Plan, spec: Spec, raters: Sequence[Rater], parts: Sequence[GaugePart]) -> Plan:
    """The plan with a decider for clauses that had none with a gauge, and a warning that says so.

    A decider that was fixed before the first call and has a gauge stays: choosing among gauged raters
    after the answers are known would be choosing a verdict.
    """
    kinds = list(RaterKind)
    covered = {(part.rater, clause) for part in parts for clause in part.covers}
    deciding = dict(kept.deciding)
    changed = []
    for clause in spec.clauses:
        if (decider := deciding.get(clause.id)) and (decider.rater, clause.id) in covered:
            continue
        able = [rater for rater in raters if (rater.id, clause.id) in covered]
        if able:
            best = max(able, key=lambda rater: (kinds.index(rater.kind), rater.id == "people", rater.id))
            deciding[clause.id] = Decider(Measure.GENERATION, best.id)
            changed.append(clause.id)
    if not changed:
        return kept
    note = (
        f"for {len(changed)} clause(s) the deciding rater was fixed after the answers had been collected: "
        + ", ".join(changed)
    )
    return replace(kept, deciding=deciding, warnings=(*kept.warnings, note))


def _json(path: Path, remedy: str) -> Any:
    if not path.is_file():
        raise BadInput("this file of the run is missing", path=path, remedy=remedy or None)
    return json.loads(path.read_text(encoding="utf-8"))


def _replace(path: Path, text: str) -> None:
    """Write beside and rename: a run that is killed here keeps the old file whole."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def coverage_json(prepared: Prepared) -> dict[str, Any]:
    """What would be asked, as JSON: per clause its coverage, per arm its calls."""
    suite = prepared.suite
    return {
        "spec": {
            "id": prepared.spec.id,
            "version": prepared.spec.version,
            "digest": prepared.spec.digest,
        },
        "suite": {
            "digest": suite.digest,
            "probes": len(suite.probes),
            "gold_answers": len(suite.gold),
            "partial": suite.partial,
            "notes": list(suite.notes),
        },
        "clauses": [asdict(row) for row in coverage(prepared.spec, suite)],
        "stimuli": len({probe.stimulus for probe in suite.probes}),
        "arms": [arm.data() for arm in prepared.arms],
        "warnings": list(prepared.warnings),
    }


_FINDING = ("arm", "clause", "measure", "rater", "n", "clusters", "rate", "low", "high", "unscored")


def findings_json(report: Report) -> list[dict[str, Any]]:
    """The findings of a report, one flat object each."""
    return [
        {name: getattr(finding, name) for name in (*_FINDING, "verdict", "reason")}
        for finding in report.findings
    ]
