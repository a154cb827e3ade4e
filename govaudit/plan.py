"""What is fixed before the first call: the spec, the suite, the arms, and who decides which clause.

In: a request. Out: :class:`Prepared`, and from it the :class:`Plan` that a run keeps as its manifest. Weights
and files are read here; nothing is asked of any model.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from govaudit import library
from govaudit import request as requests
from govaudit.canonical import digest, file_digest
from govaudit.errors import BadInput
from govaudit.evals import items as item_banks
from govaudit.evals.compile import compile_spec, controls, coverage
from govaudit.evals.rate import imported_id, last_user, rater_id
from govaudit.evals.suite import Suite
from govaudit.models.arms import ENGINE, RECORDED, Arm, arm_digest, distinct, prompted
from govaudit.models.fingerprint import fingerprint
from govaudit.records import Measure, Rater, RaterKind
from govaudit.reports.document import GaugePart
from govaudit.reports.manifest import Decider, Plan, PlannedArm
from govaudit.request import JudgeRequest, RatingsRequest, Request
from govaudit.scorers import control, people
from govaudit.scorers.rubric import Rubric
from govaudit.scorers.rubric import load as load_rubric
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
        overlays=[Path(name) for name in request.overlays],
    )
    spec = loaded.spec
    banks = [item for name in request.items for item in item_banks.load(Path(name))]
    known_clauses(spec, request.clauses)
    chosen = spec
    if request.clauses:
        chosen = spec.model_copy(
            update={"clauses": tuple(c for c in spec.clauses if c.id in request.clauses)}
        )
    suite = compile_spec(
        chosen,
        items=banks,
        seed=request.seed,
        limit=request.limit,
        known=[clause.id for clause in spec.clauses],
    )
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
    distinct(arms)
    judges = [judge_id(judge) for judge in request.judges]
    for name in judges:
        if judges.count(name) > 1:
            raise BadInput(f"two judges are {name!r}", remedy="Keep one of them: they would be one rater.")
    for entry in request.ratings:
        _usable(entry, [arm.name for arm in arms])
    warnings = tuple(f"import: {warning}" for warning in loaded.warnings)
    return Prepared(request, spec, suite, arms, warnings)


def _usable(entry: RatingsRequest, arms: Sequence[str]) -> None:
    """:class:`BadInput` for a file of ratings that could not be read in once the answers are there."""
    if entry.arm not in arms:
        raise BadInput(
            f"ratings are given for arm {entry.arm!r}, which this audit does not have",
            path=entry.file,
            remedy=f"Arms: {', '.join(arms)}.",
        )
    names = people.table_of(Path(entry.file)).names
    rubric = load_rubric(entry.rubric)
    for column, kind in entry.columns.items():
        if column not in names:
            raise BadInput(
                f"no column {column!r}", path=entry.file, remedy=f"There are: {', '.join(sorted(names))}."
            )
        if RaterKind(kind) not in rubric.raters:
            raise BadInput(
                f"column {column!r} is given as {kind}, who may not apply the rubric {rubric.name!r}",
                path=entry.file,
                remedy=f"The rubric is for: {', '.join(rubric.raters)}.",
            )


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
                settings={"model": arm.model, "system": arm.system}
                if arm.provider == RECORDED
                else arm.data(),
                fingerprint=found,
                system_digest=digest(arm.system) if arm.system else None,
                not_applicable=tuple(aside),
                warnings=tuple(warnings),
            )
        )
    first: dict[str, str] = {}
    for known in planned:
        if known.digest in first:
            raise BadInput(
                f"the arms {first[known.digest]!r} and {known.name!r} are one (same model, settings, text)",
                remedy="Leave one out, or use --epochs for several answers.",
            )
        first[known.digest] = known.name
    return tuple(planned)


def plan(prepared: Prepared, planned: tuple[PlannedArm, ...]) -> Plan:
    """Fix, before the first call, which measure and rater decide each clause."""
    request = prepared.request
    return Plan(
        arms=planned,
        deciding=deciding(prepared.suite, prepared.spec, request.judges, request.ratings),
        tolerance=request.tolerance.default,
        bright_line=request.tolerance.bright_line,
        seed=request.seed,
        epochs=request.epochs,
        request=request.model_dump(mode="json"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        warnings=prepared.warnings,
        inputs={entry.file: file_digest(Path(entry.file)) for entry in request.ratings},
    )


def deciding(
    suite: Suite, spec: Spec, judges: Sequence[JudgeRequest], imported: Sequence[RatingsRequest]
) -> dict[str, Decider]:
    """Per clause the last rater, in the order of kinds, that has a gauge; without any, the last of all.

    Generation comes before likelihood: what an arm finds probable decides only where nobody reads what it
    writes. A gauge is to be had where the spec labels good and bad answers that the rubric applies to, or
    where people rate the same answers. Imported ratings may decide a clause only if they come with at least
    half of its probes, for every arm that they are given for.
    """
    labels: dict[tuple[str, Expected], set[Label]] = defaultdict(set)
    for answer in suite.gold:
        labels[answer.clause, answer.expected].add(answer.label)
    expected: dict[str, set[Expected]] = defaultdict(set)
    measures: dict[str, set[Measure]] = defaultdict(set)
    for probe in suite.probes:
        for target in probe.targets:
            measures[target.clause].add(probe.measure)
            if probe.measure is Measure.GENERATION:
                expected[target.clause].add(target.expected)
    rows = _imported_rows(suite, imported)
    table: dict[str, Decider] = {}
    for clause in spec.clauses:
        candidates: list[tuple[bool, int, int, str]] = []

        def add(kind: RaterKind, rater: str, gauged: bool) -> None:
            candidates.append((gauged, _KINDS.index(kind), -len(candidates), rater))  # noqa: B023

        def labelled(rubric: Rubric) -> bool:
            return any({Label.GOOD, Label.BAD} <= labels[clause.id, e] for e in rubric.applies_to)  # noqa: B023

        persons = {
            rubric: {column for entry, column, kind in given if kind == "people"}
            for rubric, given in _by_rubric(imported).items()
            if (clause.id, rubric) in rows
        }
        refusal = load_rubric("refusal")
        if expected[clause.id] & set(refusal.applies_to):
            add(RaterKind.CHECK, "check:refusal", labelled(refusal) or bool(persons.get("refusal")))
        for judge in judges:
            rubric = load_rubric(judge.rubric)
            if expected[clause.id] & set(rubric.applies_to):
                add(RaterKind.JUDGE, judge_id(judge), labelled(rubric) or bool(persons.get(judge.rubric)))
        for name, given in _by_rubric(imported).items():
            if (clause.id, name) not in rows:
                continue
            for _, column, kind in given:
                if kind != "people":
                    add(RaterKind(kind), imported_id(column, kind, name), bool(persons[name]))
            if len(persons[name]) > 1:
                add(RaterKind.PEOPLE, rater_id("people", name), True)
            elif persons[name]:
                add(RaterKind.PEOPLE, imported_id(min(persons[name]), "people", name), False)
        if candidates:
            table[clause.id] = Decider(Measure.GENERATION, max(candidates)[3])
        elif Measure.LIKELIHOOD in measures[clause.id]:
            table[clause.id] = Decider(Measure.LIKELIHOOD, "likelihood:sum")
    return table


_KINDS = list(RaterKind)


def _by_rubric(
    imported: Sequence[RatingsRequest],
) -> dict[str, list[tuple[RatingsRequest, str, str]]]:
    """Files, columns and who filled them, by rubric."""
    table: dict[str, list[tuple[RatingsRequest, str, str]]] = defaultdict(list)
    for entry in imported:
        table[entry.rubric] += [(entry, column, kind) for column, kind in entry.columns.items()]
    return table


def _imported_rows(suite: Suite, imported: Sequence[RatingsRequest]) -> set[tuple[str, str]]:
    """Clauses and rubrics for which imported ratings come with enough rows, in each of their files."""
    asked: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in imported:
        applies = load_rubric(entry.rubric).applies_to
        for probe in suite.probes:
            for target in probe.targets:
                if probe.measure is Measure.GENERATION and target.expected in applies:
                    asked[target.clause, entry.rubric].add(last_user(probe.turns).strip())
    enough = set(asked)
    for entry in imported:
        rows = people.table_of(Path(entry.file)).rows
        by_id = any("response" in row for _, row in rows)
        told = {(row.get("prompt") or row.get("instruction") or "").strip() for _, row in rows}
        for clause, rubric in list(enough):
            if rubric == entry.rubric and not by_id:
                prompts = asked[clause, rubric]
                if 2 * len(prompts & told) < len(prompts):
                    enough.discard((clause, rubric))
    return enough


def judge_id(judge: JudgeRequest) -> str:
    """Id of a judge: its model, and its rubric where that is not the usual one."""
    return rater_id(f"judge:{judge.model}", judge.rubric)


def judge_arm(judge: JudgeRequest) -> Arm:
    """A judge's model with its settings."""
    return Arm(
        name="judge",
        model=judge.model,
        base_url=judge.base_url,
        temperature=judge.temperature,
        max_tokens=judge.max_tokens,
    )


def amended(kept: Plan, spec: Spec, came: Sequence[Rater], parts: Sequence[GaugePart]) -> Plan:
    """The plan with raters that came later as deciders of clauses whose decider has no gauge.

    ``came``: raters who were named after the answers had been collected. A decider that was fixed before the
    first call and has a gauge stays: choosing among gauged raters once the answers are known would be
    choosing a verdict. The plan keeps which clauses were changed.
    """
    covered = {(part.rater, clause) for part in parts for clause in part.covers}
    deciding = dict(kept.deciding)
    changed = []
    for clause in spec.clauses:
        if (decider := deciding.get(clause.id)) and (decider.rater, clause.id) in covered:
            continue
        able = [rater for rater in came if (rater.id, clause.id) in covered]
        if able:
            best = max(able, key=lambda r: (_KINDS.index(r.kind), r.id.startswith("people"), r.id))
            deciding[clause.id] = Decider(Measure.GENERATION, best.id)
            changed.append(clause.id)
    if not changed:
        return kept
    note = (
        f"for {len(changed)} clause(s) the deciding rater was named after the answers had been collected: "
        + ", ".join(changed)
    )
    return replace(
        kept,
        deciding=deciding,
        amended=tuple(dict.fromkeys((*kept.amended, *changed))),
        warnings=(*kept.warnings, note),
    )


def coverage_json(prepared: Prepared) -> dict[str, Any]:
    """What would be asked, as JSON: coverage per clause, stimuli, and the arms with all their settings."""
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
