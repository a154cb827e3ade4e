"""What is fixed before the first call: the spec, the suite, the arms, and who decides which clause.

In: a request. Out: :class:`Prepared`, and from it the :class:`Plan` that a run keeps as its manifest. Weights
and files are read here; nothing is asked of any model.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from govaudit import library
from govaudit import request as requests
from govaudit.canonical import digest, file_digest
from govaudit.deciding import deciding, judge_id
from govaudit.errors import BadInput
from govaudit.evals import baselines, hierarchy, measured, outside, run, templates, writer
from govaudit.evals import catalog as catalogs
from govaudit.evals import choices as choosing
from govaudit.evals import items as item_banks
from govaudit.evals.catalog import Catalog
from govaudit.evals.compile import compile_spec, controls, coverage, short
from govaudit.evals.fill import fill_to
from govaudit.evals.forms import table
from govaudit.evals.measured import Selection
from govaudit.evals.suite import Probe, ProbeOrigin, Suite
from govaudit.models.arms import ENGINE, RECORDED, Arm, arm_digest, at_temperatures, distinct, prompted
from govaudit.models.fingerprint import fingerprint
from govaudit.models.lineage import lineage
from govaudit.records import Measure, RaterKind
from govaudit.reports.manifest import Decider, Plan, PlannedArm
from govaudit.request import ComparisonJudge, JudgeRequest, RatingsRequest, Request
from govaudit.scorers import control, letters, pairwise, people
from govaudit.scorers.measurement import HARMFULNESS, SYCOPHANCY
from govaudit.scorers.rubric import Rubric, of_clauses
from govaudit.specs import naming, prose
from govaudit.specs.load import load_spec
from govaudit.specs.model import Clause, Level, Section, Spec


@dataclass(frozen=True)
class Prepared:
    """Everything that is fixed before the first call."""

    request: Request
    spec: Spec
    suite: Suite
    arms: tuple[Arm, ...]
    warnings: tuple[str, ...]
    catalog: Catalog = field(default_factory=Catalog)
    selections: tuple[Selection, ...] = ()
    """How the prompts of each measurement were chosen."""

    @property
    def name(self) -> str:
        """Default name of the run folder: the same request gives the same name, and so resumes."""
        label = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{self.spec.id}-{self.spec.version}").strip("-")
        return f"{label}-{digest([self.request.digest, self.suite.digest])[:8]}"

    @property
    def chosen(self) -> Spec:
        """The spec with those clauses that the request names, or with all."""
        return selection(self.spec, self.request.clauses)

    @property
    def lacking(self) -> dict[str, int]:
        """Clauses that ``per_clause`` leaves short, and by how many clusters; none where there is a limit."""
        if self.request.per_clause is None or self.request.limit is not None:
            return {}
        return short(self.chosen, self.suite.probes, self.request.per_clause)


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
    banks = [item for name in request.items for item in item_banks.load(library.find_bank(name))]
    for clause_id in request.clauses:
        naming.tested(spec, clause_id)
    for item in banks:
        if item.clause is not None:
            naming.tested(spec, item.clause, by=f"item {item.source}")
    chosen = selection(spec, request.clauses)
    catalog = catalogs.load(Path(request.catalog) if request.catalog else None)
    suite = compile_spec(
        chosen,
        items=banks,
        fill=None if request.per_clause is None else fill_to(request.per_clause, catalog, chosen),
        seed=request.seed,
        limit=request.limit,
        known=[clause.id for clause in spec.clauses],
    )
    extra, selections = measured.measured(
        request.measure, catalog, list(map(library.find_bank, request.items)), request.seed, request.limit
    )
    offered, left_out = _choices(request, {probe.stimulus for probe in extra})
    suite = replace(
        suite,
        spec_digest=spec.digest,
        partial=suite.partial or bool(request.clauses),
        probes=suite.probes
        + extra
        + offered
        + _authority(request, spec, chosen)
        + controls(spec, control.builtin()),
        notes=(*suite.notes, *(selection.line() for selection in selections), *left_out),
    )
    arms = tuple(requests.arms(request))
    if request.system_spec:
        text = as_system_text(spec)
        arms += tuple(prompted(arm, text, f"{arm.name}+spec", baselines.told(spec)) for arm in arms)
    arms += _baselines(request, spec, arms)
    arms = tuple(warmed for arm in arms for warmed in at_temperatures(arm, request.temperatures))
    distinct(arms)
    judges = [judge_id(judge) for judge in request.judges]
    for judge in request.judges:
        of_clauses(judge.rubric, RaterKind.JUDGE)
    for name in judges:
        if judges.count(name) > 1:
            raise BadInput(f"two judges are {name!r}", remedy="Keep one of them: they would be one rater.")
    outside.distinct(request.raters)
    for entry in request.ratings:
        _usable(entry, [arm.name for arm in arms])
    _comparable(request)
    warnings = tuple(f"import: {warning}" for warning in loaded.warnings)
    prepared = Prepared(request, spec, suite, arms, warnings, catalog, selections)
    return replace(prepared, warnings=(*warnings, *_unspoken(prepared)))


def _unspoken(prepared: Prepared) -> Iterator[str]:
    """Named raters that leave out clauses that are tested, such as one that knows clauses by their text."""
    tested = {target.clause for probe in prepared.suite.probes for target in probe.targets}
    clauses = [clause for clause in prepared.chosen.clauses if clause.id in tested]
    for name in prepared.request.raters:
        given = outside.find(name)
        silent = [clause.id for clause in clauses if not given.speaks_of(clause)]
        if silent and len(silent) < len(clauses):
            table = deciders(prepared)
            who = {clause: table[clause].rater if clause in table else "nobody" for clause in silent}
            told = ", ".join(f"{clause} (decided by {rater})" for clause, rater in who.items())
            yield f"rater {name} does not speak of {told}"


def _choices(request: Request, there: Collection[str]) -> tuple[tuple[Probe, ...], tuple[str, ...]]:
    """The choices that a request asks whatever the spec promises, and notes; ``there``: asked already.

    ``limit`` keeps so many, drawn by the seed.
    """
    if request.choices is None:
        return (), ()
    letters.usable(request.choices.rubric)
    found, notes = choosing.probes([library.find_bank(name) for name in request.choices.banks])
    known = {choosing.bank_of(probe) for probe in found} | {tag for probe in found for tag in probe.tags}
    for name in request.choices.held_out:
        if name not in known:
            raise BadInput(
                f"no choice is held out by {name!r}",
                remedy=f"Name a tag of the items or a bank: {', '.join(sorted(known))}.",
            )
    fresh = [probe for probe in found if probe.stimulus not in there]
    drawn = sorted(fresh, key=lambda probe: digest([request.seed, probe.stimulus]))[: request.limit]
    kept = {probe.stimulus for probe in drawn}
    return tuple(probe for probe in fresh if probe.stimulus in kept), notes


def _baselines(request: Request, spec: Spec, named: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """Further arms of the same models, where the request asks for them."""
    asked = request.baselines
    if asked is None:
        return ()
    there = {arm.name for arm in named}
    for name, known in asked.trained.items():
        if unknown := {name, known.base} - there:
            raise BadInput(f"baselines.trained names arm {min(unknown)!r}, which there is not")
    parts = [baselines.Ablation(part.name, part.tags, part.count) for part in asked.ablations]
    parts += [baselines.Ablation(f"{count}-clauses", (), count) for count in dict.fromkeys(asked.counts)]
    return baselines.arms(
        spec,
        named,
        as_system_text,
        only=asked.arms,
        forms=asked.forms,
        ablations=parts,
        seed=request.seed,
    )


def _authority(request: Request, spec: Spec, chosen: Spec) -> tuple[Probe, ...]:
    """Probes of authority, where the request asks for them."""
    asked = request.hierarchy
    if asked is None:
        return ()
    return hierarchy.probes(
        templates.load(templates.find(asked.templates, spec.id)),
        spec.authority,
        catalogs.tested(chosen),
        per_pair=asked.per_pair,
        depths=asked.depths,
        seed=request.seed,
    )


def selection(spec: Spec, wanted: Sequence[str]) -> Spec:
    """The spec with the clauses of these ids alone; the whole spec where none is named."""
    if not wanted:
        return spec
    return spec.model_copy(update={"clauses": tuple(c for c in spec.clauses if c.id in wanted)})


def _usable(entry: RatingsRequest, arms: Sequence[str]) -> None:
    """:class:`BadInput` for a file of ratings that could not be read in once the answers are there."""
    if entry.arm not in arms:
        raise BadInput(
            f"ratings are given for arm {entry.arm!r}, which this audit does not have",
            path=entry.file,
            remedy=f"Arms: {', '.join(arms)}.",
        )
    names = people.table_of(Path(entry.file)).names
    for column, kind in entry.columns.items():
        if column not in names:
            raise BadInput(
                f"no column {column!r}", path=entry.file, remedy=f"There are: {', '.join(sorted(names))}."
            )
        of_clauses(entry.rubric, RaterKind(kind))


def _comparable(request: Request) -> None:
    """:class:`BadInput` for comparisons that could not be made once the answers are there."""
    asked = request.comparisons
    if asked is None:
        return
    given = [pairwise.usable(name) for name in asked.rubrics]
    _distinct_questions(given, "the comparisons")
    for judge in comparing(request):
        _distinct_questions([pairwise.usable(name) for name in judge.rubrics], f"judge {judge.model}")
    for folder in map(Path, asked.preference_models):
        if not (folder / "config.json").is_file():
            raise BadInput(
                "this is no checkpoint folder", path=folder, remedy="Name the folder of a preference model."
            )
    for entry in asked.recorded:
        pairwise.usable(entry.rubric)
        table.read_verdicts(Path(entry.file))


def _distinct_questions(rubrics: Sequence[Rubric], who: str) -> None:
    questions = [pairwise.question(rubric) for rubric in rubrics]
    for question in questions:
        if questions.count(question) > 1:
            raise BadInput(f"two rubrics of {who} ask {question}", remedy="Keep one of them.")


def comparing(request: Request) -> tuple[ComparisonJudge, ...]:
    """The judges that compare answers: those named for it, else those that judge compliance."""
    if request.comparisons is None:
        return ()
    return request.comparisons.judges or tuple(
        ComparisonJudge(
            model=judge.model,
            base_url=judge.base_url,
            temperature=judge.temperature,
            max_tokens=judge.max_tokens,
        )
        for judge in request.judges
        if judge.rubric == JudgeRequest.model_fields["rubric"].default
    )


def measuring(request: Request, suite: Suite) -> tuple[JudgeRequest, ...]:
    """What the request's judges measure besides clauses: those with the rubric ``compliance`` also follow the
    rubrics of the measurements that the suite has prompts for, unless they are named with such a rubric."""
    rubrics = [HARMFULNESS] if measured.of(HARMFULNESS, suite.probes) else []
    rubrics += [SYCOPHANCY] if any(probe.push for probe in suite.probes) else []
    named = {judge_id(judge) for judge in request.judges}
    also = [
        judge.model_copy(update={"rubric": rubric})
        for judge in request.judges
        if judge.rubric == JudgeRequest.model_fields["rubric"].default
        for rubric in rubrics
    ]
    return tuple(judge for judge in also if judge_id(judge) not in named)


def comparing_arm(judge: ComparisonJudge) -> Arm:
    """The model of a judge that compares, with its settings."""
    return judge_arm(
        JudgeRequest(
            model=judge.model,
            base_url=judge.base_url,
            temperature=judge.temperature,
            max_tokens=judge.max_tokens,
        )
    )


def as_system_text(spec: Spec) -> str:
    """The spec as a system prompt: titles and texts of the clauses that a model can keep, in order.

    A training text with a legible twin is left out: the twin says it. Where more of the spec stands under
    headings that are no clauses than in clauses, the texts of these headings are part of it, excluded ones
    aside. In prose they hold the words of the clauses too, so that no overlay changes the text.
    """
    prosaic = spec.origin.format == prose.FORMAT
    told = {section.id: section for section in spec.sections if section.text and not section.excluded}
    clauses = [
        clause
        for clause in spec.clauses
        if clause.level is Level.MODEL
        and clause.id not in spec.legible
        and not (prosaic and clause.source.start is not None and clause.section in told)
    ]
    stated: list[Section | Clause] = [*clauses]
    if sum(len(section.text) for section in told.values()) > sum(len(clause.text) for clause in clauses):
        place = {section.id: n for n, section in enumerate(spec.sections, 1)}
        stated = [*told.values(), *clauses]
        if all(statement.source.line for statement in stated):
            stated.sort(key=lambda s: s.source.line or 0)
        else:
            stated.sort(key=lambda s: place.get(s.id if isinstance(s, Section) else s.section or "", 0))
    return "\n\n".join(f"{s.title}\n{s.text}" if s.title else s.text for s in stated)


def identify(prepared: Prepared) -> tuple[PlannedArm, ...]:
    """Every arm with its identity, and the raters that cannot apply to it. Reads weights, calls nothing."""
    likelihood = any(p.measure is Measure.LIKELIHOOD for p in prepared.suite.probes)
    planned = []
    for arm in prepared.arms:
        found = fingerprint(arm)
        aside = []
        if arm.provider == RECORDED and likelihood:
            aside.append("likelihood does not apply: recorded answers carry no log-probabilities")
        elif arm.revise and likelihood:
            aside.append("likelihood does not apply: a given answer is not what a revision would make of it")
        elif arm.provider != ENGINE and choosing.of(prepared.suite):
            aside.append(
                "choices by full answers do not apply: the arm gives no log-probabilities of a given text"
            )
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
                lineage=lineage(arm),
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
        deciding=deciders(prepared),
        tolerance=request.tolerance.default,
        bright_line=request.tolerance.bright_line,
        seed=request.seed,
        epochs=request.epochs,
        request=request.model_dump(mode="json"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        warnings=prepared.warnings,
        inputs={entry.file: file_digest(Path(entry.file)) for entry in request.ratings},
        selections=tuple(selection.data() for selection in prepared.selections),
    )


def deciders(prepared: Prepared) -> dict[str, Decider]:
    """Who decides each clause, with the raters that the request names."""
    request = prepared.request
    others = [outside.find(name) for name in request.raters]
    return deciding(prepared.suite, prepared.spec, request.judges, request.ratings, others)


def judge_arm(judge: JudgeRequest) -> Arm:
    """A judge's model with its settings."""
    return Arm(
        name="judge",
        model=judge.model,
        base_url=judge.base_url,
        temperature=judge.temperature,
        max_tokens=judge.max_tokens,
    )


def expand(prepared: Prepared, model: str, drafts: Path, *, step: run.Step = run.silent) -> writer.Expansion:
    """Let a model write drafts for the clauses that stay short; they are no probes until they are accepted.

    What a clause has from elsewhere is counted without drafts, accepted or not: those in the bank ``drafts``
    are counted there.
    """
    number = prepared.request.per_clause
    if number is None or prepared.request.limit is not None:
        raise BadInput(
            "a writer fills clauses that are short, and how many clusters they want is not said",
            remedy="Give --per-clause N, and no --limit.",
        )
    probes = [probe for probe in prepared.suite.probes if probe.origin is not ProbeOrigin.GENERATED]
    return writer.write(
        prepared.spec,
        short(prepared.chosen, probes, number),
        writer.writer_arm(model),
        drafts,
        probes=probes,
        seed=prepared.request.seed,
        connections=prepared.request.max_connections,
        step=step,
    )


def coverage_json(prepared: Prepared) -> dict[str, Any]:
    """What would be asked, as JSON: coverage by clause and eval, stimuli, the arms with their settings."""
    suite, catalog, chosen = prepared.suite, prepared.catalog, prepared.chosen
    by_clause = catalogs.looked_at(catalog, chosen, suite)
    lacking = prepared.lacking
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
        "per_clause": prepared.request.per_clause,
        "clauses": [
            {
                **asdict(row),
                "level": clause.level.value,
                "evals": by_clause.get(row.clause, {}),
                "short": lacking.get(row.clause, 0),
            }
            for clause, row in zip(chosen.clauses, coverage(chosen, suite), strict=True)
        ],
        "evals": [
            {
                "name": entry.name,
                "title": entry.title,
                "asks": entry.asks,
                "rate": entry.rate,
                "measure": entry.measure.value,
                "rubric": entry.rubric,
                "raters": [kind.value for kind in entry.raters],
                "clauses": sum(entry.name in row for row in by_clause.values()),
                "clusters": sum(row.get(entry.name, 0) for row in by_clause.values()),
            }
            for entry in catalog.evals
        ],
        "uncalled": [entry.name for entry in catalogs.uncalled(catalog, chosen)],
        "without_subject": [clause.id for clause in catalogs.without_subject(catalog, chosen)],
        "stimuli": len({probe.stimulus for probe in suite.probes}),
        "arms": [arm.data() for arm in prepared.arms],
        "warnings": list(prepared.warnings),
    }
