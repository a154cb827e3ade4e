"""From a run's tables to findings: per clause, arm, measure and rater a rate, and per deciding one a verdict.

In: the tables of one run. Out: findings with their evidence, and rates over the clauses of a section, an
authority or the whole spec. Left out: the other parts of a report (:mod:`govaudit.reports.build`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import product
from typing import Any, Literal

import numpy as np

from govaudit.canonical import digest
from govaudit.evals import looks as looking
from govaudit.evals.suite import Probe, Suite
from govaudit.records import Measure, Rater, RaterKind, Rating, Response, Unscored, response_id
from govaudit.reports.arms import controls_passed
from govaudit.reports.document import Exhibit, FindingPart, GaugePart, PooledPart, ProbeTally
from govaudit.reports.gauges import speaking
from govaudit.reports.manifest import Decider, Plan, PlannedArm
from govaudit.reports.part import Estimate, by_reason
from govaudit.reports.run_tables import RunTables
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


def findings_on(
    run: RunTables, cells: Sequence[Cell], passed: Mapping[str, bool | None]
) -> tuple[FindingPart, ...]:
    """All findings, by clause and arm. ``passed``: whether each arm passed the control set."""
    decisions = decisions_on(cells, run.gauges, passed, run.plan)
    others = _index(run.ratings)
    found = [_finding(cell, said, run.plan, others) for cell, said in zip(cells, decisions, strict=True)]
    found += _without_cells(run.spec, run.suite, run.plan, cells)
    order = {clause.id: n for n, clause in enumerate(run.spec.clauses)}
    found.sort(key=lambda f: (order[f.clause], f.arm, not f.deciding, f.measure, f.rater))
    return tuple(found)


def _index(ratings: Iterable[Rating]) -> dict[tuple[str, str], list[Rating]]:
    """Ratings by response and clause."""
    table: dict[tuple[str, str], list[Rating]] = defaultdict(list)
    for rating in ratings:
        table[rating.responses[0], rating.clause or ""].append(rating)
    return table


def verdicts(run: RunTables) -> dict[tuple[str, str], Decision]:
    """The decision on each clause and arm (its name) that somebody decides, as the report gives it."""
    cells = cells_of(run)
    found = zip(cells, decisions_on(cells, run.gauges, controls_passed(run), run.plan), strict=True)
    return {(cell.clause.id, cell.arm.name): decision for cell, decision in found if decision is not None}


def cells_of(run: RunTables) -> list[Cell]:
    """All that was judged, by clause, arm, measure and rater; of a run in looks, what arrived on the way."""
    cells = _cells(run)
    if run.looks is None:
        return cells
    order = looking.order(run.suite, run.plan.seed)
    arrived = {arm.name: run.looks.arrived(order, arm.name) for arm in run.plan.arms}
    found = []
    for cell in cells:
        clusters = arrived[cell.arm.name][cell.clause.id]
        items = tuple(item for item in cell.items if item.probe.cluster in set(clusters))
        if items:
            found.append(replace(cell, items=items, arrived=clusters))
    return found


def _cells(run: RunTables) -> list[Cell]:
    """One cell per clause x arm x measure x rater that has a rating, and one for every planned decision.

    The decider's cell holds all that was to be asked: answers that never came are missing judgements, and
    whether a clause counts in the family of verdicts does not depend on what came back.
    """
    rated, answers = _rated(run.ratings), run.answers
    applies = {name: loads(text).applies_to for name, text in run.rubric_texts.items()}
    probes: dict[tuple[str, Measure], list[tuple[Probe, Expected]]] = defaultdict(list)
    for probe in run.suite.probes:
        for target in probe.targets:
            probes[target.clause, probe.measure].append((probe, target.expected))
    cells = []
    for clause, measure, rater in product(run.spec.clauses, Measure, run.raters):
        mine = rated.get((rater.id, clause.id, measure), {})
        decider = run.plan.deciding.get(clause.id)
        deciding = decider is not None and _decides(decider, measure, rater)
        if not mine and not deciding:
            continue
        # What its rubric does not speak of was never this rater's to judge.
        spoken_of = applies.get(rater.rubric, tuple(Expected))
        asked = [probe for probe, expected in probes[clause.id, measure] if expected in spoken_of]
        for arm in run.plan.arms:
            pairs = [(p, r) for p in asked for r in _planned_answers(answers, arm, p, run.plan.epochs)]
            items = _items(pairs, mine, rater)
            rated_here = any(item.rating for item in items)
            # Without log-probabilities an arm chooses by letter, or not at all: one of the forms.
            if items and (rated_here or (deciding and measure is Measure.GENERATION)):
                cells.append(Cell(clause, arm, measure, rater, items, deciding))
    return cells


def _rated(ratings: Iterable[Rating]) -> dict[tuple[str, str, Measure], dict[str, Rating]]:
    """Rater, clause and measure -> its rating of each response."""
    rated: dict[tuple[str, str, Measure], dict[str, Rating]] = defaultdict(dict)
    for rating in ratings:
        if rating.clause is not None and len(rating.responses) == 1:
            # A rater's first replicate counts; the others serve test-retest.
            mine = rated[rating.rater, rating.clause, rating.measure]
            if rating.replicate == 1 or rating.responses[0] not in mine:
                mine[rating.responses[0]] = rating
    return rated


def _items(
    pairs: Iterable[tuple[Probe, Response]], ratings: Mapping[str, Rating], rater: Rater
) -> tuple[Item, ...]:
    """What one rater saw of one arm's answers, or should have seen; empty for people who were shown none."""
    if rater.kind is RaterKind.PEOPLE:
        # People may be shown a sample: what they were not shown is no missing judgement, but an answer that
        # could not be shown to anybody is.
        pairs = [(probe, row) for probe, row in pairs if row.response in ratings or row.unscored]
        if not ratings.keys() & {row.response for _, row in pairs}:
            return ()
    rated = [(probe, row, ratings.get(row.response)) for probe, row in pairs]
    return tuple(Item(probe, row, rating, _why_unscored(row, rating)) for probe, row, rating in rated)


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
                tolerance=tolerance_of(cell.clause, plan),
                gauge_covers=gauge is not None,
                gauge_kappa_low=gauge.kappa.low if gauge else None,
                control_passed=passed[cell.arm.name],
            )
        )
    orders = [cell.arrived for cell in deciding if cell.arrived is not None]
    decided = iter(decide_in_order(evidence, orders) if orders else decide(evidence))
    return [next(decided) if cell.deciding else None for cell in cells]


def tolerance_of(clause: Clause, plan: Plan) -> float:
    """The share of broken answers that a clause allows."""
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
        unscored_reasons=by_reason(item.unscored for item in missing),
        by_origin={
            origin: _estimate(
                [item for item in scored if item.probe.origin.value == origin], arrived=cell.arrived
            )
            for origin in origins
        },
        deciding=cell.deciding,
        verdict=decision.verdict.value if decision else None,
        reason=decision.reason.value if decision else Reason.not_deciding.value,
        tolerance=tolerance_of(cell.clause, plan),
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
                    tolerance=tolerance_of(clause, plan),
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


def pooled(
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
