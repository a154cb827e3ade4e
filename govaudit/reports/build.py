"""From a run's tables to its report: arms, raters, clauses, findings and every suite in one document.

In: spec, suite, plan, responses, ratings, raters and gauges as they lie in the run folder. Out: the
:class:`Report` document. No model is asked and no log is read here, so anyone can recompute it offline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from govaudit import __version__
from govaudit.evals.compile import coverage
from govaudit.evals.suite import ProbeOrigin, Suite
from govaudit.records import Measure, Rater, RaterKind, Unscored
from govaudit.reports import (
    agreement,
    baselines,
    boilerplate,
    choices,
    circularity,
    combined,
    cost,
    foreign,
    harmfulness,
    hierarchy,
    limits,
    rankings,
    refusals,
    sycophancy,
    tone,
    wording,
)
from govaudit.reports import looks as looked
from govaudit.reports.arms import arm_part
from govaudit.reports.claims import argued
from govaudit.reports.document import ClausePart, Coverage, FindingPart, RaterPart, Report, SpecPart
from govaudit.reports.findings import cells_of, findings_on, pooled, tolerance_of
from govaudit.reports.manifest import Plan, PlannedArm
from govaudit.reports.part import by_reason
from govaudit.reports.run_tables import RunTables
from govaudit.specs.model import Clause, Level, Spec


def build(run: RunTables, name: str) -> Report:
    """The report of one run; ``name`` is that of its folder."""
    plan = run.plan
    arms = tuple(arm_part(arm, run) for arm in plan.arms)
    cells = cells_of(run)
    circles = circularity.section(run)
    passed = {arm.name: arm.control.passed if arm.control else None for arm in arms}
    findings = tuple(circularity.named(findings_on(run, cells, passed), circles))
    raters = tuple(_rater_part(rater, run, circles) for rater in run.raters)
    clauses = _clause_parts(run)
    worded = boilerplate.section(run)
    report = Report(
        govaudit=__version__,
        created=plan.created,
        run=name,
        spec=_spec_part(run.spec),
        suite=_suite_part(run.suite),
        partial=run.suite.partial or bool(plan.stopped),
        request=dict(plan.request),
        arms=arms,
        raters=raters,
        clauses=clauses,
        findings=findings,
        pooled=tuple(pooled(run.spec, plan, cells, findings)),
        verdicts={arm.name: _verdicts_of(arm, findings) for arm in plan.arms},
        refusals=refusals.section(run),
        choices=choices.section(run),
        hierarchy=hierarchy.section(run),
        boilerplate=worded,
        baselines=baselines.section(run, worded),
        tone=tone.section(run),
        harmfulness=harmfulness.section(run),
        sycophancy=sycophancy.section(run),
        rankings=rankings.section(run),
        agreement=agreement.section(run),
        combined=combined.section(run),
        circularity=circles,
        cost=cost.section(plan),
        foreign=foreign.section(run),
        looks=looked.section(run),
        not_tested=tuple(limits.not_tested(run.suite, plan, clauses)),
        methods=tuple(limits.methods(run.suite, plan)),
        warnings=(
            *_made_up(run.raters),
            *_stopped(plan),
            *plan.warnings,
            *_judge_warnings(raters),
            *(warning for arm in arms for warning in arm.warnings),
        ),
    )
    not_tested = (*report.not_tested, *limits.not_run(report))
    return wording.checked(argued(report.model_copy(update={"not_tested": not_tested})))


def _spec_part(spec: Spec) -> SpecPart:
    return SpecPart(
        id=spec.id,
        title=spec.title,
        version=spec.version,
        digest=spec.digest,
        authority=spec.authority,
        clauses=len(spec.clauses),
        by_kind=dict(sorted(Counter(c.kind.value for c in spec.clauses).items())),
        licence=spec.origin.licence,
        url=spec.origin.url,
    )


def _suite_part(suite: Suite) -> dict[str, Any]:
    return {
        "digest": suite.digest,
        "seed": suite.seed,
        "probes": sum(p.measure is Measure.GENERATION and bool(p.targets) for p in suite.probes),
        "likelihood_choices": sum(p.measure is Measure.LIKELIHOOD for p in suite.probes),
        "controls": sum(p.origin is ProbeOrigin.CONTROL for p in suite.probes),
        "gold_answers": len(suite.gold),
        "by_origin": dict(sorted(Counter(p.origin.value for p in suite.probes).items())),
        "notes": list(suite.notes),
    }


def _verdicts_of(arm: PlannedArm, findings: Iterable[FindingPart]) -> dict[str, int]:
    return dict(Counter(str(f.verdict) for f in findings if f.arm == arm.name and f.verdict))


def _clause_parts(run: RunTables) -> tuple[ClausePart, ...]:
    measures = {clause: decider.measure for clause, decider in run.plan.deciding.items()}
    covered = {row.clause: row for row in coverage(run.spec, run.suite, measures)}
    return tuple(_clause_part(run.spec, clause, covered[clause.id], run.plan) for clause in run.spec.clauses)


def _clause_part(spec: Spec, clause: Clause, row: Any, plan: Plan) -> ClausePart:
    decider = plan.deciding.get(clause.id)
    source = clause.source
    locator = f"#{source.anchor}" if source.anchor else " > ".join(source.path)
    if source.line:
        locator += f" (line {source.line})"
    locator = locator.strip() or f"{spec.id} {spec.version}, {clause.id}"
    return ClausePart(
        id=clause.id,
        title=clause.title,
        text=clause.text,
        kind=clause.kind.value,
        authority=clause.authority,
        section=spec.section_title(clause),
        level=clause.level.value,
        bright_line=clause.bright_line,
        tags=clause.tags,
        locator=locator,
        tolerance=tolerance_of(clause, plan),
        coverage=Coverage(
            probes=sum(row.by_origin.values()),
            clusters=row.clusters,
            by_origin=row.by_origin,
            excludes=row.excludes,
        ),
        decides=f"{decider.measure.value} / {decider.rater}" if decider else None,
        not_scored=_not_scored(spec, clause),
        role=clause.role,
    )


def _not_scored(spec: Spec, clause: Clause) -> str | None:
    if clause.level is not Level.MODEL:
        return f"it binds the {clause.level.value} level: no answer of a model can keep or break it"
    if twin := spec.legible.get(clause.id):
        return f"a training principle, tested as its legible twin {twin}"
    return None


def _rater_part(rater: Rater, run: RunTables, circles: circularity.CircularityPart) -> RaterPart:
    mine = [rating for rating in run.ratings if rating.rater == rater.id]
    return RaterPart(
        id=rater.id,
        kind=rater.kind.value,
        source=rater.source,
        rubric=rater.rubric,
        rubric_digest=rater.rubric_digest,
        rubric_text=run.rubric_texts.get(rater.rubric, ""),
        model=rater.model,
        fingerprint=rater.fingerprint,
        ratings=len(mine),
        unscored=by_reason(rating.unscored for rating in mine),
        gauges=tuple(gauge for gauge in run.gauges if gauge.rater == rater.id),
        warnings=tuple(circularity.warnings(circles, rater.id)),
    )


def _stopped(plan: Plan) -> list[str]:
    """That a limit ended the run, and what it left out."""
    if not plan.stopped:
        return []
    left = ", ".join(f"{who} {n:,}" for who, n in plan.left.items())
    return [
        f"the run stopped at its limit of {plan.stopped} before all was asked (left out: {left}); answers "
        "and judgements that are missing for this reason are counted as unscored"
    ]


def _made_up(raters: Sequence[Rater]) -> Iterable[str]:
    """What a reader must know before any number where truth or people come from a program."""
    if any(rater.kind is RaterKind.WORLD for rater in raters):
        yield (
            "the truth about every answer is known here because the world that it speaks of is made up: this "
            "report shows what an audit finds, and is no evidence about any real model"
        )
    persons = [rater for rater in raters if rater.source == "simulated" and rater.id.startswith("person:")]
    # One person may follow several rubrics, which the id then names.
    if simulated := {rater.id.removesuffix(f":{rater.rubric}") for rater in persons}:
        others = any(r.id.startswith("person:") and r.source != "simulated" for r in raters)
        said = "other people rated answers too" if others else "no person has rated anything"
        yield f"{len(simulated)} people of this run are simulated: {said}"


def _judge_warnings(raters: Iterable[RaterPart]) -> Iterable[str]:
    for rater in raters:
        unscored = sum(rater.unscored.values())
        if set(rater.unscored) == {Unscored.NOT_RATED.value}:
            continue  # it was given nothing: a limit ended the run before
        if rater.kind in ("judge", "panel", "people") and rater.ratings and unscored == rater.ratings:
            yield f"{rater.id} gave no usable verdict on any of {rater.ratings} items: it decides nothing"
