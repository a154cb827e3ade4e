"""What a sequential audit saved: where each clause and arm stopped, and how much was not asked.

In: the record of looks, suite, plan and responses. Out: :class:`LooksPart`, and how it is shown. Verdicts
and rates themselves stand in the findings, with limits that hold at every look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from govaudit.evals import looks as looking
from govaudit.reports.part import Part
from govaudit.reports.run_tables import RunTables
from govaudit.reports.shown import Column, Shown, Table


class ClauseLooks(Part):
    """One clause and arm."""

    arm: str
    clause: str
    look: int | None
    """After which it was asked no further; ``None`` where it was asked to the end."""
    clusters: int
    """That were asked for its sake."""
    compiled: int
    """Clusters of the clause in the suite."""


class LooksPart(Part):
    """A run that asked no further about what was decided."""

    size: int
    """Clusters of each clause between two looks."""
    made: int
    """Looks."""
    clauses: tuple[ClauseLooks, ...]
    """That somebody decides."""
    answers: dict[str, int]
    """By arm: stimuli that were asked, with epochs."""
    whole: int
    """The same for an arm that is asked the whole suite."""


def section(run: RunTables) -> LooksPart | None:
    """What was asked and what was not; ``None`` where everything was asked at once."""
    looks, plan = run.looks, run.plan
    if looks is None:
        return None
    order = looking.order(run.suite, plan.seed)
    stopped = {(stop.clause, stop.arm): stop.look for stop in looks.stops}
    names = run.plan.names
    made = Counter(names[row.arm] for row in run.responses if row.arm in names)
    rows = []
    for arm in plan.arms:
        arrived = looks.arrived(order, arm.name)
        rows += [
            ClauseLooks(
                arm=arm.name,
                clause=clause,
                look=stopped.get((clause, arm.name)),
                clusters=len(arrived[clause]),
                compiled=len(order[clause]),
            )
            for clause in plan.deciding
            if clause in order
        ]
    return LooksPart(
        size=looks.size,
        made=looks.made,
        clauses=tuple(rows),
        answers={arm.name: made[arm.name] for arm in plan.arms},
        whole=len({probe.stimulus for probe in run.suite.probes}) * plan.epochs,
    )


def show(part: LooksPart) -> Shown:
    """As claims and tables."""
    return Shown(
        id="looks",
        title="Looks: what was asked no further",
        claims=tuple(_claims(part)),
        tables=tuple(_tables(part)),
        notes=(
            f"After every {part.size} clusters of each clause and arm the verdict rule was applied to all of "
            "them together. A clause with a verdict is asked no further of that arm. The order of clusters "
            "is drawn by the seed before the first call.",
            "Because data that decide when they end look more extreme than they are, every limit and "
            "interval of a clause is that of a confidence sequence, which holds at every look at once: "
            "violated by e-values (Holm over 1/e, 5 %), compliant by e-values (e-BH, 5 %), over all clauses "
            "and arms.",
            "Clusters that were asked for the sake of another clause are no evidence on a clause that had "
            "stopped. Rates by section, by authority and for the whole spec, and what is measured across "
            "clauses, rest on what was asked: fewer answers where the verdict came early.",
        ),
    )


def _claims(part: LooksPart) -> Iterable[str]:
    asked, whole = sum(part.answers.values()), part.whole * len(part.answers)
    early = sum(row.look is not None and row.clusters < row.compiled for row in part.clauses)
    yield (
        f"{asked:,} of {whole:,} answers were asked for, {whole - asked:,} were saved; "
        f"{early} of {len(part.clauses)} verdicts came before the suite was used up."
    )


def _tables(part: LooksPart) -> Iterable[Table]:
    yield Table(
        "asked",
        "Answers by arm",
        (Column("Arm"), Column("Asked for"), Column("Saved")),
        tuple((arm, n, part.whole - n) for arm, n in part.answers.items()),
    )
    yield Table(
        "stops",
        "Where each clause and arm stopped",
        (
            Column("Clause"),
            Column("Arm"),
            Column("Stopped at look"),
            Column("Clusters asked"),
            Column("Clusters compiled"),
            Column("Saved"),
        ),
        tuple(
            (row.clause, row.arm, row.look, row.clusters, row.compiled, row.compiled - row.clusters)
            for row in sorted(part.clauses, key=lambda row: (row.clause, row.arm))
        ),
    )
