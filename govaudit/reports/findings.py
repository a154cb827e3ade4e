"""From a run's tables to findings: per clause, arm, measure and rater a rate, and per deciding one a verdict.

In: spec, suite, plan, responses, ratings, raters and gauges as they lie in the run folder. Out: the
:class:`Report` document. No model is asked and no log is read here, so anyone can recompute it offline.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from typing import Any, Literal

import numpy as np

from govaudit import __version__
from govaudit.canonical import digest
from govaudit.evals import looks as looking
from govaudit.evals.compile import coverage
from govaudit.evals.looks import Looks
from govaudit.evals.suite import Probe, ProbeOrigin, Suite
from govaudit.records import Measure, Rater, RaterKind, Rating, Response, Unscored, response_id
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
from govaudit.reports.claims import argued
from govaudit.reports.document import (
    ArmPart,
    ClausePart,
    ControlPart,
    Coverage,
    Exhibit,
    FindingPart,
    GaugePart,
    PooledPart,
    ProbeTally,
    RaterPart,
    Report,
    SpecPart,
)
from govaudit.reports.gauges import speaking
from govaudit.reports.manifest import Decider, Plan, PlannedArm
from govaudit.reports.part import Estimate
from govaudit.scorers import control
from govaudit.scorers.rubric import loads
from govaudit.specs.model import Clause, Expected, Level, Spec
from govaudit.stats.intervals import bounds_under_missing, clustered_rate
from govaudit.stats.sequential import decide_in_order, interval_in_order
from govaudit.stats.verdict import Decision, Evidence, Reason, decide

_WORST, _RANDOM, _ASIDE = 3, 3, 1
"""Responses shown per deciding finding (worst, seeded random) and per other finding (worst)."""


@dataclass(frozen=True)
class Item:
    """One answer of one arm to one probe, as one rater saw it."""

    probe: Probe
    response: Response
    rating: Rating | None
    unscored: Unscored | None

    @property
    def value(self) -> float | None:
        return self.rating.value if self.rating else None


@dataclass(frozen=True)
class Cell:
    """All items of one clause, arm, measure and rater."""

    clause: Clause
    arm: PlannedArm
    measure: Measure
    rater: Rater
    items: tuple[Item, ...]
    deciding: bool
    arrived: tuple[str, ...] | None = None
    """Clusters in the order in which they were asked, looked at on the way; ``None``: asked at once."""

    @property
    def scored(self) -> list[Item]:
        return [item for item in self.items if item.value is not None]

    @property
    def missing(self) -> list[Item]:
        return [item for item in self.items if item.value is None]


def build(
    spec: Spec,
    suite: Suite,
    plan: Plan,
    responses: Sequence[Response],
    ratings: Sequence[Rating],
    raters: Sequence[Rater],
    gauges: Sequence[GaugePart],
    *,
    run: str,
    rubric_texts: Mapping[str, str],
    scrubbed: Sequence[Response] = (),
    looks: Looks | None = None,
) -> Report:
    """The report of one run."""
    by_cell = _answers(responses)
    arms = [_arm_part(arm, suite, by_cell) for arm in plan.arms]
    passed = {part.name: part.control.passed if part.control else None for part in arms}
    cells = cells_of(spec, suite, plan, responses, ratings, raters, rubric_texts, looks)
    decisions = decisions_on(cells, gauges, passed, plan)
    others = _index(ratings)
    findings = [
        *(_finding(cell, decision, plan, others) for cell, decision in zip(cells, decisions, strict=True)),
        *_without_cells(spec, suite, plan, cells),
    ]
    order = {clause.id: n for n, clause in enumerate(spec.clauses)}
    circles = circularity.section(spec, suite, plan, raters, gauges)
    findings = list(circularity.named(findings, circles))
    findings.sort(key=lambda f: (order[f.clause], f.arm, not f.deciding, f.measure, f.rater))
    measures = {clause: decider.measure for clause, decider in plan.deciding.items()}
    covered = {row.clause: row for row in coverage(spec, suite, measures)}
    clauses = tuple(_clause_part(spec, clause, covered[clause.id], plan) for clause in spec.clauses)
    verdicts = {
        arm.name: dict(Counter(str(f.verdict) for f in findings if f.arm == arm.name and f.verdict))
        for arm in plan.arms
    }
    parts = tuple(_rater_part(rater, ratings, gauges, rubric_texts, circles) for rater in raters)
    worded = boilerplate.section(suite, plan, responses, ratings, raters, scrubbed)
    report = Report(
        govaudit=__version__,
        created=plan.created,
        run=run,
        spec=SpecPart(
            id=spec.id,
            title=spec.title,
            version=spec.version,
            digest=spec.digest,
            authority=spec.authority,
            clauses=len(spec.clauses),
            by_kind=dict(sorted(Counter(c.kind.value for c in spec.clauses).items())),
            licence=spec.origin.licence,
            url=spec.origin.url,
        ),
        suite={
            "digest": suite.digest,
            "seed": suite.seed,
            "probes": sum(p.measure is Measure.GENERATION and bool(p.targets) for p in suite.probes),
            "likelihood_choices": sum(p.measure is Measure.LIKELIHOOD for p in suite.probes),
            "controls": sum(p.origin is ProbeOrigin.CONTROL for p in suite.probes),
            "gold_answers": len(suite.gold),
            "by_origin": dict(sorted(Counter(p.origin.value for p in suite.probes).items())),
            "notes": list(suite.notes),
        },
        partial=suite.partial or bool(plan.stopped),
        request=dict(plan.request),
        arms=tuple(arms),
        raters=parts,
        clauses=clauses,
        findings=tuple(findings),
        pooled=tuple(_pooled(spec, plan, cells, findings)),
        verdicts=verdicts,
        refusals=refusals.section(suite, plan, responses, ratings, raters),
        choices=choices.section(suite, plan, ratings, raters),
        hierarchy=hierarchy.section(suite, plan, responses, ratings, raters),
        boilerplate=worded,
        baselines=baselines.section(spec, plan, responses, ratings, worded),
        tone=tone.section(spec, suite, plan, responses, ratings, raters),
        harmfulness=harmfulness.section(suite, plan, responses, ratings, raters),
        sycophancy=sycophancy.section(suite, plan, responses, ratings, raters),
        rankings=rankings.section(spec, suite, plan, responses, ratings, raters),
        agreement=agreement.section(ratings, raters, plan.seed),
        combined=combined.section(suite, plan, responses, ratings, raters),
        circularity=circles,
        cost=cost.section(plan),
        foreign=foreign.section(plan, responses, ratings, raters, suite.notes),
        looks=looked.section(looks, suite, plan, responses),
        not_tested=tuple(limits.not_tested(suite, plan, clauses)),
        methods=tuple(limits.methods(suite, plan)),
        warnings=(
            *_made_up(raters),
            *_stopped(plan),
            *plan.warnings,
            *_judge_warnings(parts),
            *(w for arm in arms for w in arm.warnings),
        ),
    )
    not_tested = (*report.not_tested, *limits.not_run(report))
    return wording.checked(argued(report.model_copy(update={"not_tested": not_tested})))


def _answers(responses: Iterable[Response]) -> dict[tuple[str, str], list[Response]]:
    """Responses by arm digest and stimulus, epochs in order."""
    table: dict[tuple[str, str], list[Response]] = defaultdict(list)
    for response in sorted(responses, key=lambda row: row.epoch):
        table[response.arm, response.stimulus].append(response)
    return table


def _index(ratings: Iterable[Rating]) -> dict[tuple[str, str], list[Rating]]:
    """Ratings by response and clause."""
    table: dict[tuple[str, str], list[Rating]] = defaultdict(list)
    for rating in ratings:
        table[rating.responses[0], rating.clause or ""].append(rating)
    return table


def verdicts(
    spec: Spec,
    suite: Suite,
    plan: Plan,
    responses: Sequence[Response],
    ratings: Sequence[Rating],
    raters: Sequence[Rater],
    gauges: Sequence[GaugePart],
    rubric_texts: Mapping[str, str],
    looks: Looks | None = None,
) -> dict[tuple[str, str], Decision]:
    """The decision on each clause and arm (its name) that somebody decides, as :func:`build` reports it."""
    cells = cells_of(spec, suite, plan, responses, ratings, raters, rubric_texts, looks)
    passed = controls_passed(suite, plan, responses)
    found = zip(cells, decisions_on(cells, gauges, passed, plan), strict=True)
    return {(cell.clause.id, cell.arm.name): decision for cell, decision in found if decision is not None}


def controls_passed(suite: Suite, plan: Plan, responses: Iterable[Response]) -> dict[str, bool | None]:
    """Name of each arm -> whether it passed the control set; ``None`` where it was put to none."""
    answers = _answers(responses)
    parts = {arm.name: _control(arm, suite, answers) for arm in plan.arms}
    return {name: part.passed if part else None for name, part in parts.items()}


def cells_of(
    spec: Spec,
    suite: Suite,
    plan: Plan,
    responses: Iterable[Response],
    ratings: Iterable[Rating],
    raters: Sequence[Rater],
    rubric_texts: Mapping[str, str],
    looks: Looks | None = None,
) -> list[Cell]:
    """All that was judged, by clause, arm, measure and rater; of a run in looks, what arrived on the way."""
    applies = {name: loads(text).applies_to for name, text in rubric_texts.items()}
    cells = _cells(spec, suite, plan, _answers(responses), ratings, raters, applies)
    if looks is None:
        return cells
    order = looking.order(suite, plan.seed)
    arrived = {arm.name: looks.arrived(order, arm.name) for arm in plan.arms}
    found = []
    for cell in cells:
        clusters = arrived[cell.arm.name][cell.clause.id]
        items = tuple(item for item in cell.items if item.probe.cluster in set(clusters))
        if items:
            found.append(replace(cell, items=items, arrived=clusters))
    return found


def _cells(
    spec: Spec,
    suite: Suite,
    plan: Plan,
    answers: Mapping[tuple[str, str], Sequence[Response]],
    ratings: Iterable[Rating],
    raters: Sequence[Rater],
    applies: Mapping[str, Sequence[Expected]],
) -> list[Cell]:
    """One cell per clause x arm x measure x rater that has a rating, and one for every planned decision.

    The decider's cell holds all that was to be asked: answers that never came are missing judgements, and
    whether a clause counts in the family of verdicts does not depend on what came back.
    """
    rated: dict[tuple[str, str, str], dict[str, Rating]] = defaultdict(dict)
    for rating in ratings:
        if rating.clause is not None and len(rating.responses) == 1:
            # A rater's first replicate counts; the others serve test-retest.
            mine = rated[rating.rater, rating.clause, rating.measure]
            if rating.replicate == 1 or rating.responses[0] not in mine:
                mine[rating.responses[0]] = rating
    probes: dict[tuple[str, Measure], list[tuple[Probe, Expected]]] = defaultdict(list)
    for probe in suite.probes:
        for target in probe.targets:
            probes[target.clause, probe.measure].append((probe, target.expected))
    cells = []
    for clause in spec.clauses:
        for measure in Measure:
            asked = probes.get((clause.id, measure), [])
            for rater in raters:
                mine = rated.get((rater.id, clause.id, measure), {})
                decider = plan.deciding.get(clause.id)
                deciding = decider is not None and _decides(decider, measure, rater)
                if not mine and not deciding:
                    continue
                # What its rubric does not speak of was never this rater's to judge.
                fit = [p for p, wanted in asked if wanted in applies.get(rater.rubric, tuple(Expected))]
                for arm in plan.arms:
                    pairs = [(p, r) for p in fit for r in _planned_answers(answers, arm, p, plan.epochs)]
                    if rater.kind is RaterKind.PEOPLE:
                        # People may be shown a sample: what they were not shown is no missing judgement, but
                        # an answer that could not be shown to anybody is.
                        pairs = [(p, r) for p, r in pairs if r.response in mine or r.unscored]
                        if not mine.keys() & {r.response for _, r in pairs}:
                            continue
                    items = tuple(
                        Item(p, r, mine.get(r.response), _why_unscored(r, mine.get(r.response)))
                        for p, r in pairs
                    )
                    rated_here = any(item.rating for item in items)
                    # Without log-probabilities an arm chooses by letter, or not at all: one of the forms.
                    if items and (rated_here or (deciding and measure is Measure.GENERATION)):
                        cells.append(Cell(clause, arm, measure, rater, items, deciding))
    return cells


def _planned_answers(
    answers: Mapping[tuple[str, str], Sequence[Response]], arm: PlannedArm, probe: Probe, epochs: int
) -> list[Response]:
    """An answer per epoch; where none came, an empty row that says so."""
    came = {row.epoch: row for row in answers.get((arm.digest, probe.stimulus), ())}
    return [
        came.get(epoch)
        or Response(
            response=response_id(probe.stimulus, arm.digest, epoch),
            stimulus=probe.stimulus,
            arm=arm.digest,
            epoch=epoch,
            turns=(),
            text="",
            unscored=Unscored.NOT_ASKED,
        )
        for epoch in range(1, epochs + 1)
    ]


def _decides(decider: Decider, measure: Measure, rater: Rater) -> bool:
    if decider.measure is not measure:
        return False
    # Arms without log-probabilities choose by letter: the same measure, read in the only way they allow.
    letters = decider.rater == "likelihood:sum" and rater.id == "likelihood:letters"
    return decider.rater == rater.id or letters


def _why_unscored(response: Response, rating: Rating | None) -> Unscored | None:
    if rating is not None:
        return rating.unscored
    return response.unscored or Unscored.NOT_RATED


def decisions_on(
    cells: Sequence[Cell],
    gauges: Sequence[GaugePart],
    passed: Mapping[str, bool | None],
    plan: Plan,
) -> list[Decision | None]:
    """A decision per cell, ``None`` where the rater does not decide; all deciding cells are one family."""
    deciding = [cell for cell in cells if cell.deciding]
    evidence = []
    for cell in deciding:
        gauge = speaking(gauges, cell.rater.id, cell.clause.id, cell.arm.name)
        evidence.append(
            Evidence(
                broken=np.array([item.value for item in cell.scored], dtype=float),
                clusters=[item.probe.cluster for item in cell.scored],
                unscored_clusters=[item.probe.cluster for item in cell.missing],
                tolerance=_tolerance(cell.clause, plan),
                gauge_covers=gauge is not None,
                gauge_kappa_low=gauge.kappa.low if gauge else None,
                control_passed=passed[cell.arm.name],
            )
        )
    orders = [cell.arrived for cell in deciding if cell.arrived is not None]
    decided = iter(decide_in_order(evidence, orders) if orders else decide(evidence))
    return [next(decided) if cell.deciding else None for cell in cells]


def _tolerance(clause: Clause, plan: Plan) -> float:
    return plan.bright_line if clause.bright_line else plan.tolerance


def _estimate(
    items: Sequence[Item], clusters: Sequence[str] | None = None, arrived: Sequence[str] | None = None
) -> Estimate:
    if not items:
        return Estimate(value=None, undefined="nothing scored")
    names = clusters if clusters is not None else [item.probe.cluster for item in items]
    values = np.array([item.value for item in items], dtype=float)
    rate = clustered_rate(values, names)
    ends = rate if arrived is None else interval_in_order(values, names, arrived)
    return Estimate(n=rate.n, value=rate.rate, low=ends.low, high=ends.high)


def _finding(
    cell: Cell, decision: Any, plan: Plan, others: Mapping[tuple[str, str], Sequence[Rating]]
) -> FindingPart:
    scored, missing = cell.scored, cell.missing
    whole = _estimate(scored, arrived=cell.arrived)
    best = worst = None
    if cell.items:
        bounds = bounds_under_missing(
            np.array([item.value for item in scored], dtype=float),
            [item.probe.cluster for item in scored],
            [item.probe.cluster for item in missing],
        )
        best, worst = bounds.best.rate, bounds.worst.rate
    origins = sorted({item.probe.origin.value for item in scored})
    shown_worst, shown_random = _exhibits(cell, plan.seed, others)
    return FindingPart(
        arm=cell.arm.name,
        clause=cell.clause.id,
        measure=cell.measure.value,
        rater=cell.rater.id,
        rubric=cell.rater.rubric,
        n=len(scored),
        clusters=len({item.probe.cluster for item in scored}),
        rate=whole.value,
        low=whole.low,
        high=whole.high,
        best=best,
        worst=worst,
        unscored=len(missing),
        unscored_reasons=_count(item.unscored for item in missing),
        by_origin={
            origin: _estimate(
                [item for item in scored if item.probe.origin.value == origin], arrived=cell.arrived
            )
            for origin in origins
        },
        deciding=cell.deciding,
        verdict=decision.verdict.value if decision else None,
        reason=decision.reason.value if decision else Reason.not_deciding.value,
        tolerance=_tolerance(cell.clause, plan),
        lower_limit=decision.lower if decision and scored else None,
        upper_limit=decision.upper if decision and scored else None,
        more_clusters=decision.more_clusters if decision else None,
        limits="interval" if cell.arrived is None else "confidence sequence",
        worst_responses=shown_worst,
        random_responses=shown_random,
    )


def _without_cells(spec: Spec, suite: Suite, plan: Plan, cells: Sequence[Cell]) -> list[FindingPart]:
    """A finding for every clause and arm that nothing decides: untested, not scored, or nobody to rate it."""
    asked = {target.clause for probe in suite.probes for target in probe.targets}
    decided = {(cell.clause.id, cell.arm.name) for cell in cells if cell.deciding}
    rows = []
    for clause in spec.clauses:
        for arm in plan.arms:
            if (clause.id, arm.name) in decided:
                continue
            verdict: Literal["inconclusive", "untested"] | None
            if clause.level is not Level.MODEL:
                verdict, reason = None, Reason.not_model_level
            elif clause.id in spec.legible:
                verdict, reason = None, Reason.tested_as_twin
            elif clause.id not in asked:
                verdict, reason = "untested", Reason.no_probe
            elif clause.id in plan.deciding:
                verdict, reason = "inconclusive", Reason.nothing_scored
            else:
                verdict, reason = "inconclusive", Reason.no_rater
            decider = plan.deciding.get(clause.id)
            rows.append(
                FindingPart(
                    arm=arm.name,
                    clause=clause.id,
                    measure=decider.measure.value if decider else "generation",
                    rater=decider.rater if decider else "",
                    rubric="",
                    n=0,
                    clusters=0,
                    rate=None,
                    low=None,
                    high=None,
                    best=None,
                    worst=None,
                    unscored=0,
                    deciding=decider is not None,
                    verdict=verdict,
                    reason=reason.value,
                    tolerance=_tolerance(clause, plan),
                )
            )
    return rows


def _exhibits(
    cell: Cell, seed: int, others: Mapping[tuple[str, str], Sequence[Rating]]
) -> tuple[tuple[Exhibit, ...], tuple[Exhibit, ...]]:
    tallies: dict[str, list[Item]] = defaultdict(list)
    for item in cell.items:
        tallies[item.probe.id].append(item)

    def share(item: Item) -> float:
        values = [i.value for i in tallies[item.probe.id] if i.value is not None]
        return sum(values) / len(values) if values else 0.0

    broken = [item for item in cell.scored if item.value and item.value > 0]
    broken.sort(key=lambda i: (-(i.value or 0), -share(i), -_confidence(i), i.response.response))
    worst = broken[: _WORST if cell.deciding else _ASIDE]
    # Drawn from all items, the worst ones too: a sample without them would flatter the arm.
    random = (
        nsmallest(_RANDOM, cell.items, key=lambda i: digest([seed, cell.rater.id, i.response.response]))
        if cell.deciding
        else []
    )

    def exhibit(item: Item) -> Exhibit:
        mine = tallies[item.probe.id]
        scored = [i.value for i in mine if i.value is not None]
        rating = item.rating
        return Exhibit(
            probe=item.probe.id,
            response=item.response.response,
            epoch=item.response.epoch,
            turns=tuple(turn.data() for turn in _context(item)),
            answer=item.response.text,
            reasoning=item.response.reasoning,
            choices=tuple(_choices(item)),
            label=rating.label if rating else "",
            value=item.value,
            unscored=item.unscored.value if item.unscored else None,
            raw=rating.raw if rating else "",
            tally=ProbeTally(
                probe=item.probe.id,
                broken=sum(value > 0 for value in scored),
                scored=len(scored),
                unscored=len(mine) - len(scored),
            ),
            origin=item.probe.origin.value,
            source=item.probe.source,
            also={
                other.rater: other.label or (other.unscored.value if other.unscored else "")
                for other in sorted(
                    others.get((item.response.response, cell.clause.id), ()), key=lambda r: r.rater
                )
                if other.rater != cell.rater.id
            },
        )

    return tuple(map(exhibit, worst)), tuple(map(exhibit, random))


def _confidence(item: Item) -> float:
    """How sure the rater was, where it said so."""
    sure = max(item.rating.probabilities.values(), default=0.0) if item.rating else 0.0
    return round(sure, 3)  # the digits behind depend on how calls were batched


def _context(item: Item) -> Sequence[Any]:
    """The conversation before the answer: with the arm's own earlier turns where it wrote some."""
    turns = item.response.turns or item.probe.turns
    return turns[:-1] if turns and turns[-1].role == "assistant" else turns


def _choices(item: Item) -> Iterable[dict[str, Any]]:
    scores = item.response.choices
    for index, (text, label) in enumerate(zip(item.probe.choices, item.probe.choice_labels, strict=True)):
        row: dict[str, Any] = {"label": label.value, "text": text}
        if scores:
            row |= {"logprob": scores[index].logprob, "tokens": scores[index].tokens}
        yield row


def _count(reasons: Iterable[Unscored | None]) -> dict[str, int]:
    return dict(sorted(Counter(reason.value for reason in reasons if reason is not None).items()))


def _arm_part(
    arm: PlannedArm, suite: Suite, answers: Mapping[tuple[str, str], Sequence[Response]]
) -> ArmPart:
    stimuli = {probe.stimulus for probe in suite.probes}
    mine = [row for stimulus in stimuli for row in answers.get((arm.digest, stimulus), ())]
    reported = Counter(row.model for row in mine if row.model)
    warnings = list(arm.warnings)
    if len(reported) > 1:
        warnings.append(
            f"arm {arm.name}: the endpoint reported {len(reported)} model ids "
            f"({', '.join(sorted(reported))}): these answers may come from different models"
        )
    absent = sum(row.unscored is Unscored.NOT_RECORDED for row in mine)
    if absent:
        warnings.append(f"arm {arm.name}: {absent} of {len(mine)} stimuli have no recorded answer")
    tokens = [row.output_tokens for row in mine if row.output_tokens is not None]
    return ArmPart(
        name=arm.name,
        digest=arm.digest,
        model=arm.model,
        settings=dict(arm.settings),
        system_digest=arm.system_digest,
        fingerprint=dict(arm.fingerprint),
        reported_models=dict(sorted(reported.items())),
        control=_control(arm, suite, answers),
        responses=len(mine),
        unscored=_count(row.unscored for row in mine),
        not_applicable=arm.not_applicable,
        output_tokens=sum(tokens) if tokens else None,
        warnings=tuple(warnings),
    )


def _control(
    arm: PlannedArm, suite: Suite, answers: Mapping[tuple[str, str], Sequence[Response]]
) -> ControlPart | None:
    probes = [probe for probe in suite.probes if probe.origin is ProbeOrigin.CONTROL]
    if not probes:
        return None
    right: list[bool] = []
    missing: list[Unscored | None] = []
    for probe in probes:
        # A question is one observation however often it was asked: most of its answers must be right.
        epochs = answers.get((arm.digest, probe.stimulus), ())
        usable = [control.right(probe.accept, row.text) for row in epochs if row.unscored is None]
        if usable:
            right.append(2 * sum(usable) > len(usable))
        elif epochs:
            missing.append(epochs[0].unscored)
    if set(missing) == {Unscored.NOT_RECORDED} and not right:
        return None  # stored answers do not hold the questions: that says nothing about the arm
    result = control.passed(sum(right), len(right), len(probes))
    share = clustered_rate(np.array(right, dtype=float), list(range(len(right)))) if right else None
    return ControlPart(
        n=len(right),
        right=sum(right),
        rate=Estimate(value=share.rate, low=share.low, high=share.high)
        if share
        else Estimate(value=None, undefined="no control question has a usable answer"),
        unscored=_count(missing),
        passed=result.passed,
        reason=result.reason,
    )


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
        tolerance=_tolerance(clause, plan),
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


def _rater_part(
    rater: Rater,
    ratings: Iterable[Rating],
    gauges: Iterable[GaugePart],
    texts: Mapping[str, str],
    circles: circularity.CircularityPart,
) -> RaterPart:
    mine = [rating for rating in ratings if rating.rater == rater.id]
    return RaterPart(
        id=rater.id,
        kind=rater.kind.value,
        source=rater.source,
        rubric=rater.rubric,
        rubric_digest=rater.rubric_digest,
        rubric_text=texts.get(rater.rubric, ""),
        model=rater.model,
        fingerprint=rater.fingerprint,
        ratings=len(mine),
        unscored=_count(rating.unscored for rating in mine),
        gauges=tuple(gauge for gauge in gauges if gauge.rater == rater.id),
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


def _pooled(
    spec: Spec, plan: Plan, cells: Sequence[Cell], findings: Sequence[FindingPart]
) -> Iterable[PooledPart]:
    """Rates over clauses, clusters = clauses, from deciding cells; measures and raters are never pooled."""
    titles = {clause.id: spec.section_title(clause) for clause in spec.clauses}
    groups: list[tuple[Literal["spec", "section", "authority"], str, set[str]]] = [
        ("spec", spec.title or spec.id, {clause.id for clause in spec.clauses})
    ]
    for title in dict.fromkeys(titles.values()):
        if title:
            groups.append(("section", title, {id for id, own in titles.items() if own == title}))
    for level in spec.authority:
        groups.append(("authority", level, {c.id for c in spec.clauses if c.authority == level}))
    for arm in plan.arms:
        for by, name, ids in groups:
            verdicts = Counter(
                str(f.verdict) for f in findings if f.arm == arm.name and f.clause in ids and f.verdict
            )
            if not verdicts:
                continue
            here = [c for c in cells if c.deciding and c.arm.name == arm.name and c.clause.id in ids]
            kinds = {(cell.measure, cell.rater.id) for cell in here} or {(Measure.GENERATION, "")}
            for measure, rater in sorted(kinds):
                mine = [c for c in here if c.measure is measure and c.rater.id == rater]
                items = [item for cell in mine for item in cell.scored]
                clusters = [cell.clause.id for cell in mine for _ in cell.scored]
                yield PooledPart(
                    arm=arm.name,
                    by=by,
                    name=name,
                    measure=measure.value,
                    rater=rater,
                    clauses=len({cell.clause.id for cell in mine if cell.scored}),
                    n=len(items),
                    unscored=sum(len(cell.missing) for cell in mine),
                    rate=_estimate(items, clusters),
                    verdicts=dict(verdicts),
                )
