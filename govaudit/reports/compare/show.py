"""What a comparison shows beside its matrix: claims, tables and figures, the same in HTML, Markdown and CSV.

In: the :class:`Comparison`. Out: :class:`Shown` objects, which the renderings of the audit report know.
Words are text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from govaudit.reports.compare.document import (
    Comparison,
    CubeCell,
    DifferencePart,
    DriftPart,
    ObservedPart,
    ProfilePart,
    RankingOfArms,
    StalePart,
    ThreeWayPart,
)
from govaudit.reports.compare.profile import MEASURES, SHARES
from govaudit.reports.part import Estimate
from govaudit.reports.shown import Column, Plane, Point, Shown, Table
from govaudit.reports.words import VERDICTS, counted, listed, percent

_CLAIMED = 3
"""Differences that are said in words; all are in the table."""


def shown(comparison: Comparison) -> tuple[Shown, ...]:
    """All that there is to show, in the order of the page."""
    parts = [
        _differences(comparison),
        _rankings(comparison),
        *(_stale(part) for part in comparison.stale),
        *([_drift(comparison.drift)] if comparison.drift else []),
        *([_profiles(comparison.profiles)] if comparison.profiles else []),
        *([_three_way(comparison.three_way)] if comparison.three_way else []),
    ]
    return tuple(part for part in parts if part is not None)


def p_value(p: float | None) -> str:
    """A p-value as people write it."""
    if p is None:
        return "–"
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def observed(cell: ObservedPart | None) -> str:
    """A cell of the matrix in a line: rate in per cent with its interval, or the verdict without one."""
    if cell is None:
        return "-"
    if cell.rate.value is None:
        return VERDICTS.get(cell.verdict or "not_scored", "not scored")
    return f"{percent(cell.rate.value)} [{percent(cell.rate.low)}, {percent(cell.rate.high)}]"


# Differences


def told_apart(parts: Iterable[DifferencePart]) -> list[DifferencePart]:
    """Differences that hold over the whole comparison, the clearest first."""
    kept = [part for part in parts if part.worse is not None]
    return sorted(kept, key=lambda part: -abs(part.difference.value or 0.0))


def _differences(comparison: Comparison) -> Shown | None:
    parts = comparison.differences
    if not parts:
        return None
    apart = told_apart(parts)
    claims = [
        f"Of {counted(len(parts), 'difference')} between two arms, {len(apart)} hold when all are tested "
        "together "
        "(Holm, 5 %)."
    ]
    named: set[tuple[str, str | None, str]] = set()
    for part in apart:
        other = part.second if part.worse == part.first else part.first
        key = (part.statement, part.worse, other)
        if key in named or len(named) == _CLAIMED:
            continue
        named.add(key)
        claims.append(f"{part.worse} breaks “{part.statement}” more often than {other}: by {_size(part)}.")
    if not apart:
        claims.append("That none does is no proof that the arms are alike: see how wide the intervals are.")
    rows = tuple(
        (
            _judged_by(part),
            f"{part.first} − {part.second}",
            part.first_rate.model_copy(update={"n": None}),
            part.second_rate.model_copy(update={"n": None}),
            part.difference,
            f"{part.n:,} {'pairs' if part.paired else 'or more each, unpaired'}",
            p_value(part.adjusted),
            part.worse or "–",
        )
        for part in parts
    )
    columns = (
        Column("Statement"),
        Column("Arms"),
        Column("First, broken", "share"),
        Column("Second, broken", "share"),
        Column("Difference", "share", plot=True, mark=0.0),
        Column("On"),
        Column("p, Holm"),
        Column("More often"),
    )
    unpaired = sum(not part.paired for part in parts)
    notes = [
        "Intervals are two-sided 95 % and each for its own row; the p-values hold for all rows together."
    ]
    if unpaired:
        notes.append(f"{counted(unpaired, 'row')} compare arms that answered different prompts.")
    caption = "Every pair of arms under every statement that allows it: which one breaks it more often?"
    return Shown("differences", "Differences", claims, [Table("pairs", caption, columns, rows)], notes=notes)


def _judged_by(part: DifferencePart) -> str:
    """The statement, with the clauses behind it where they are called otherwise."""
    clauses = list(dict.fromkeys((part.first_clause, part.second_clause)))
    return part.statement if clauses == [part.statement] else f"{part.statement}: {' − '.join(clauses)}"


def _size(part: DifferencePart) -> str:
    value, low, high = (
        abs(x or 0.0) for x in (part.difference.value, part.difference.low, part.difference.high)
    )
    low, high = sorted((low, high))
    return f"{percent(value)} [{percent(low)}, {percent(high)}] percentage points"


# Rankings


def _rankings(comparison: Comparison) -> Shown | None:
    if not comparison.rankings:
        return None
    whole = [ranking for ranking in comparison.rankings if ranking.scope == "all"]
    by_statement = [ranking for ranking in comparison.rankings if ranking.scope != "all"]
    claims = [_ranked(ranking) for ranking in whole]
    tables = []
    if whole:
        tables.append(
            Table(
                "whole",
                "All judged answers to prompts that every arm answered: share that breaks a clause, and "
                "the ranks "
                "that are not excluded.",
                _RANK_COLUMNS,
                tuple(_rank_rows(whole, lambda ranking: f"{ranking.measure} / {ranking.rater}")),
            )
        )
    if by_statement:
        tables.append(
            Table(
                "statements",
                "The same for each statement.",
                _RANK_COLUMNS,
                tuple(_rank_rows(by_statement, lambda ranking: ranking.scope)),
            )
        )
    notes = (
        "Rank 1 breaks least. A rank set holds every rank that the tests of all pairs leave open, for "
        "all arms of one "
        "ranking at once: where sets overlap, the order of the rates may be chance.",
        "Clauses are pooled as they were probed: one with many prompts counts more, and none by its "
        "importance. A "
        "low share is no mark of quality.",
    )
    return Shown("ranks", "Ranks", claims, tables, notes=notes)


_RANK_COLUMNS = (
    Column("Ranked by"),
    Column("Arm"),
    Column("Broken", "share", plot=True),
    Column("Rank"),
    Column("Rank set"),
    Column("Judgements of each arm"),
)


def _rank_rows(
    rankings: Sequence[RankingOfArms], name: object
) -> Iterable[tuple[str | int | Estimate | None, ...]]:
    assert callable(name)
    for ranking in rankings:
        for part in ranking.arms:
            yield (name(ranking), part.arm, part.rate, part.rank, rank_set(part.low, part.high), ranking.n)


def rank_set(low: int, high: int) -> str:
    """Ranks that are not excluded, as people write them."""
    return str(low) if low == high else f"{low} to {high}"


def _ranked(ranking: RankingOfArms) -> str:
    first = [part.arm for part in ranking.arms if part.low == 1]
    last = [part.arm for part in ranking.arms if part.high == len(ranking.arms)]
    said = f"By {ranking.measure} / {ranking.rater}, on {counted(ranking.n, 'judgement')} of each arm: "
    if len(first) == len(ranking.arms):
        return said + "every arm may be first, so no order is shown."
    if all(part.low == part.high for part in ranking.arms):
        return said + f"the order, fewest broken first, is {listed(part.arm for part in ranking.arms)}."
    return said + f"first may be {listed(first)}; last may be {listed(last)}."


# Stale verdicts


def _stale(part: StalePart) -> Shown:
    rows = tuple(
        (
            row.clause,
            row.change,
            "stale" if row.stale else "–",
            row.probes or None,
            _verdicts(row.before) or "–",
            _verdicts(row.after) or "–",
        )
        for row in part.rows
        if row.stale or row.change != "unchanged"
    )
    claims = [
        f"{part.stale_verdicts} of {counted(part.verdicts, 'verdict')} on {part.spec} {part.old} no "
        "longer speak of "
        f"what version {part.new} declares.",
        f"{part.stale_probes} of {counted(part.probes, 'probe')} were made for a wording that is gone.",
    ]
    unchanged = sum(row.change == "unchanged" for row in part.rows)
    table = Table(
        f"versions-{_slug(part.old)}-{_slug(part.new)}",
        f"{part.spec}: what version {part.new} did to the clauses of {part.old}, and the verdicts under "
        "each.",
        (
            Column("Clause"),
            Column("Change"),
            Column("Verdicts"),
            Column("Stale probes"),
            Column(f"Under {part.old}"),
            Column(f"Under {part.new}"),
        ),
        rows,
    )
    notes = (
        f"{counted(unchanged, 'clause')} did not change, and {'its' if unchanged == 1 else 'their'} "
        "verdicts stand.",
        "A verdict is stale where the wording changed, where the clause is gone or got another id, and "
        "where it moved "
        "on the scale of authority. Whether the new wording asks for something else is for a person to read.",
    )
    name = f"stale-{_slug(part.spec)}-{_slug(part.old)}-{_slug(part.new)}"
    return Shown(name, f"What {part.new} made stale", claims, [table], notes=notes)


def _slug(text: str) -> str:
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text).split()) or "x"


def _verdicts(by_arm: dict[str, str]) -> str:
    said = Counter(by_arm.values())
    if len(by_arm) == 1:
        return VERDICTS.get(next(iter(by_arm.values())), next(iter(by_arm.values())))
    return ", ".join(f"{n} {VERDICTS.get(name, name)}" for name, n in said.most_common())


# Drift


def _drift(parts: Sequence[DriftPart]) -> Shown:
    claims = [f"{part.before} to {part.after}: {part.conclusion}" for part in parts]
    whole = Table(
        "versions",
        "Versions of one model on the prompts that both answered.",
        (
            Column("Before"),
            Column("After"),
            Column("Prompts"),
            Column("Same answer", "share"),
            Column("Right answers, after − before", "share", plot=True, mark=0.0),
            Column("Clauses changed"),
        ),
        tuple(
            (
                part.before,
                part.after,
                part.stimuli,
                part.same_text,
                part.capability,
                ", ".join(part.changed) or "none shown",
            )
            for part in parts
        ),
    )
    clauses = Table(
        "clauses",
        "Behaviour clause by clause: prompts that turned from kept to broken, and back.",
        (
            Column("Clause"),
            Column("After"),
            Column("Before"),
            Column("Kept, then broken"),
            Column("Broken, then kept"),
            Column("Pairs"),
            Column("After − before", "share", plot=True, mark=0.0),
            Column("p, Holm"),
        ),
        tuple(
            (
                test.statement,
                test.first,
                test.second,
                test.first_only,
                test.second_only,
                test.n,
                test.difference,
                p_value(test.adjusted),
            )
            for part in parts
            for test in part.behaviour
        ),
    )
    notes = (
        "p-values are adjusted over the clauses of one pair of versions. Capability: plain control "
        "questions and "
        "questions of fact with a known answer, paired by question; it counts as the same where the "
        "whole interval "
        "lies within ten percentage points.",
    )
    return Shown("drift", "Drift between versions", claims, [whole, clauses], notes=notes)


# Profiles


def _profiles(parts: Sequence[ProfilePart]) -> Shown:
    tables = []
    points = []
    raters = list(dict.fromkeys(part.rater for part in parts))
    for rater in raters:
        mine = [part for part in parts if part.rater == rater]
        names = [name for name in MEASURES if any(name in part.measures for part in mine)]
        several = len({part.run for part in mine}) > 1
        tables.append(
            Table(
                f"by-{_slug(rater)}",
                f"Refusal and manner of each arm, as {rater} sees them.",
                (
                    Column("Arm"),
                    *([Column("Run")] if several else []),
                    *(Column(MEASURES[name], "share" if name in SHARES else "number") for name in names),
                ),
                tuple(
                    (
                        part.arm,
                        *([part.run] if several else []),
                        *(part.measures.get(name) for name in names),
                    )
                    for part in mine
                ),
            )
        )
        points += [
            Point(
                _point_name(part, several, len(raters) > 1),
                part.measures["under"],
                part.measures["over"],
            )
            for part in mine
            if {"over", "under"} <= part.measures.keys()
        ]
    claims = _profile_claims(parts)
    figures = (
        [
            Plane(
                "refusal",
                "Both errors of each arm: answering what should be declined, declining what should be "
                "answered.",
                "Under-refusal",
                "Over-refusal",
                tuple(points),
                x_scale="share",
                y_scale="share",
            )
        ]
        if points
        else []
    )
    notes = [
        "Shares are of answers to the prompts of each run; arms of different runs may have answered "
        "different ones."
    ]
    reasons = dict.fromkeys(part.untested for part in parts if part.untested)
    notes += [f"Over- and under-refusal are untested: {reason}." for reason in reasons]
    return Shown("profiles", "Refusal and manner, arm by arm", claims, tables, figures, notes)


def _point_name(part: ProfilePart, by_run: bool, by_rater: bool) -> str:
    return ", ".join([part.arm, *([part.run] if by_run else []), *([part.rater] if by_rater else [])])


def _profile_claims(parts: Sequence[ProfilePart]) -> list[str]:
    """Which arm is alone at an end of a measure: its whole interval beyond all others'."""
    claims = []
    for name, verb in (
        ("evasive", "evades"),
        ("over", "declines what should be answered"),
        ("under", "answers what should be declined"),
    ):
        rows = {part.arm: part.measures[name] for part in parts if name in part.measures}
        bounded = {arm: e for arm, e in rows.items() if e.low is not None and e.high is not None}
        if len(bounded) < 2:
            continue
        most = max(bounded, key=lambda arm: bounded[arm].low or 0.0)
        if all((bounded[most].low or 0.0) > (e.high or 0.0) for arm, e in bounded.items() if arm != most):
            share = bounded[most]
            claims.append(
                f"{most} {verb} most often: {percent(share.value)} % [{percent(share.low)}, "
                f"{percent(share.high)}]."
            )
    return claims or ["No arm stands alone at either end of a measure of refusal: the intervals meet."]


# Spec x model x judge


def _three_way(part: ThreeWayPart) -> Shown:
    specs = list(dict.fromkeys(cell.spec for cell in part.cells))
    judges = list(dict.fromkeys(cell.judge for cell in part.cells))
    tables = [
        Table(
            "means",
            "Share of judged answers that keep the spec, mean over judges.",
            (Column("Model"), *(Column(spec, "share") for spec in specs)),
            tuple(
                (model, *(_cell(part.means, spec, model, "") for spec in specs))
                for model in dict.fromkeys(cell.model for cell in part.means)
            ),
        ),
        Table(
            "cube",
            "Share that keeps the spec, by judge. Own: spec, model and judge are of one lab.",
            (Column("Model"), Column("Spec"), *(Column(judge, "share") for judge in judges), Column("Own")),
            tuple(
                (
                    model,
                    spec,
                    *(_cell(part.cells, spec, model, judge) for judge in judges),
                    ", ".join(c.judge for c in part.cells if (c.spec, c.model) == (spec, model) and c.own)
                    or "–",
                )
                for spec in specs
                for model in dict.fromkeys(cell.model for cell in part.cells)
            ),
        ),
    ]
    own = [cell for cell in part.cells if cell.own]
    claims = [
        f"Three-way consistency of {cell.model} ({cell.spec}, judged by {cell.judge}): {_percent(cell.kept)}."
        for cell in own
    ] or ["No lab's own spec, own model and own judge are all here, so there is no three-way consistency."]
    if part.own_judge:
        tables.append(
            Table(
                "own-judge",
                "What a judge gives its own lab's model: beyond the other judges, and beyond what it "
                "gives others.",
                (
                    Column("Judge"),
                    Column("Model"),
                    Column("Spec"),
                    Column("Own − other judges", "share"),
                    Column("Of that, for its own alone", "share", plot=True, mark=0.0),
                ),
                tuple((row.judge, row.model, row.spec, row.plain, row.effect) for row in part.own_judge),
            )
        )
    notes = [
        "Three-way consistency is not a rate of violations: a lenient judge raises it. Levels differ "
        "between judges "
        "more than orders do; compare models under one judge.",
        *([part.note] if part.note else []),
    ]
    return Shown("three-way", "Spec, model and judge", claims, tables, notes=notes)


def _percent(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{percent(estimate.value)} %, no interval ({estimate.undefined})"
    return f"{percent(estimate.value)} % [{percent(estimate.low)}, {percent(estimate.high)}]"


def _cell(cells: Sequence[CubeCell], spec: str, model: str, judge: str) -> Estimate | None:
    return next((c.kept for c in cells if (c.spec, c.model, c.judge) == (spec, model, judge)), None)
