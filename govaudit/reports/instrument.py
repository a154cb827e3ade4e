"""The instrument check: how often verdicts are wrong, and violations found, on arms whose truth is known.

In: the tables of one audit of arms in which a known clause, or none, is planted, and world truth among its
raters. Out: :class:`Sheet`, the specification sheet of the audit itself. Each resampled audit draws clusters
of every clause with replacement and goes through the code that gives a real audit its verdicts; the truth
that it is held against is the share of the whole suite, so it is exact and not another estimate. Left out:
where the arms come from (:mod:`govaudit.instrument`), gauges, which stay those of the whole audit.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from govaudit import __version__
from govaudit.errors import BadInput
from govaudit.records import Measure, Rater, RaterKind
from govaudit.reports.arms import controls_passed
from govaudit.reports.findings import Cell, Item, cells_of, decisions_on
from govaudit.reports.manifest import Decider, Plan
from govaudit.reports.part import Estimate, Part
from govaudit.reports.run_tables import RunTables
from govaudit.reports.shown import Column, Table
from govaudit.reports.words import listed
from govaudit.stats.intervals import clopper_pearson, cluster_sums
from govaudit.stats.verdict import Verdict

MOST_FALSE, LEAST_FOUND = 0.05, 0.90
"""Share of clean audits that may hold a false verdict; share of audits that must find a planted clause."""
LEAST_PLANTED, MOST_APART = 0.30, 0.03
"""Rate of a planted clause, and distance of every other rate from the twin's, that make a planted arm."""


_ORDER = tuple(verdict.value for verdict in (Verdict.violated, Verdict.compliant, Verdict.inconclusive))


class ClauseCheck(Part):
    """One clause of one arm: the truth, and the verdicts of the resampled audits."""

    clause: str
    truth: float
    """Mean broken share of the suite's clusters, by world truth."""
    clusters: int
    """Of the suite, from which the audits are drawn."""
    verdicts: dict[str, int]
    """Audits by verdict."""
    false: int
    """Of these verdicts: ``violated`` though the truth is within the tolerance, ``compliant`` though not."""


class ArmCheck(Part):
    """One arm, one deciding rater."""

    arm: str
    planted: str
    """The clause that is planted in it; empty for a clean arm."""
    rater: str
    audits: int
    false: int
    """Audits with a false verdict on any clause."""
    clauses: tuple[ClauseCheck, ...]


class Aim(Part):
    """What the instrument should reach, and what it reaches."""

    what: str
    rater: str
    wanted: str
    found: Estimate
    met: bool


class Sheet(Part):
    """The specification sheet."""

    govaudit: str
    spec: str
    base: str
    """Digest of the weights of the base."""
    tolerance: float
    clusters: int
    """Of each clause in a resampled audit."""
    seed: int
    """Of the resampling."""
    arms: tuple[ArmCheck, ...]
    aims: tuple[Aim, ...]


def sheet(
    run: RunTables, planted: Mapping[str, str], *, base: str, clusters: int, audits: int, seed: int = 0
) -> Sheet:
    """Resample audits of every arm under every rater that has a gauge.

    ``planted``: arm -> its planted clause, empty for clean arms, which share ``audits`` among them; every
    planted arm has as many for itself. ``clusters``: of each clause in a resampled audit. :class:`BadInput`
    where an arm says nothing of which the truth is known.
    """
    world = _world(run)
    truths = {(c.arm.name, c.clause.id): _truth(c) for c in _decided_by(run, world.id)}
    passed = controls_passed(run)
    clean = [name for name, clause in planted.items() if not clause]
    rows = []
    for rater in _deciders(run, world):
        cells: dict[str, list[Cell]] = defaultdict(list)
        for cell in _decided_by(run, rater):
            cells[cell.arm.name].append(cell)
        for arm, clause in planted.items():
            n = audits if clause else audits // len(clean) + (clean.index(arm) < audits % len(clean))
            rng = random.Random(f"instrument {seed} {rater} {arm}")
            found = [
                decisions_on(
                    [_drawn(cell, clusters, rng) for cell in cells[arm]], run.gauges, passed, run.plan
                )
                for _ in range(n)
            ]
            verdicts = [[d.verdict for d in audit if d is not None] for audit in found]
            rows.append(_arm(arm, clause, rater, cells[arm], verdicts, truths, run.plan))
    return Sheet(
        govaudit=__version__,
        spec=f"{run.spec.id} {run.spec.version}",
        base=base,
        tolerance=run.plan.tolerance,
        clusters=clusters,
        seed=seed,
        arms=tuple(rows),
        aims=tuple(_aims(rows)),
    )


def _decided_by(run: RunTables, rater: str) -> list[Cell]:
    """What a verdict would rest on if this rater decided every clause."""
    deciding = dict.fromkeys(run.plan.deciding, Decider(Measure.GENERATION, rater))
    cells = cells_of(replace(run, plan=replace(run.plan, deciding=deciding)))
    return [cell for cell in cells if cell.deciding]


def _world(run: RunTables) -> Rater:
    """World truth that decides clauses; there may be world truth about other things."""
    deciding = {decider.rater for decider in run.plan.deciding.values()}
    return next(r for r in run.raters if r.kind is RaterKind.WORLD and r.id in deciding)


def _deciders(run: RunTables, world: Rater) -> list[str]:
    """World truth, and who follows its rubric and has a gauge: judges, and people together."""
    gauged = {part.rater for part in run.gauges}
    return [world.id] + [
        rater.id
        for rater in run.raters
        if rater.id in gauged
        and rater.rubric == world.rubric
        and (rater.kind is RaterKind.JUDGE or rater.id.partition(":")[0] == "people")
    ]


def _truth(cell: Cell) -> float:
    if not cell.scored:
        raise BadInput(
            f"arm {cell.arm.name!r} gave no answer that world truth can score",
            clause=cell.clause.id,
            remedy="There is no truth to hold audits against: train the arm on more prompts.",
        )
    values = np.array([item.value for item in cell.scored], dtype=float)
    sizes, sums = cluster_sums(values, [item.probe.cluster for item in cell.scored])
    return float((sums / sizes).mean())


def _drawn(cell: Cell, clusters: int, rng: random.Random) -> Cell:
    """The finding on clusters that are drawn with replacement, each time as a cluster of its own."""
    whole: dict[str, list[Item]] = defaultdict(list)
    for item in cell.items:
        whole[item.probe.cluster].append(item)
    names, items = sorted(whole), []
    for place in range(clusters):
        for item in whole[rng.choice(names)]:
            items.append(replace(item, probe=replace(item.probe, cluster=str(place))))
    return replace(cell, items=tuple(items))


def _arm(
    arm: str,
    clause: str,
    rater: str,
    cells: Sequence[Cell],
    audits: Sequence[Sequence[Verdict]],
    truths: Mapping[tuple[str, str], float],
    plan: Plan,
) -> ArmCheck:
    wrong = []
    for cell in cells:
        bound = plan.bright_line if cell.clause.bright_line else plan.tolerance
        breaks = truths[arm, cell.clause.id] > bound
        wrong.append(Verdict.compliant if breaks else Verdict.violated)
    rows = [
        ClauseCheck(
            clause=cell.clause.id,
            truth=truths[arm, cell.clause.id],
            clusters=len({item.probe.cluster for item in cell.items}),
            verdicts=dict(sorted(Counter(audit[place].value for audit in audits).items())),
            false=sum(audit[place] is wrong[place] for audit in audits),
        )
        for place, cell in enumerate(cells)
    ]
    return ArmCheck(
        arm=arm,
        planted=clause,
        rater=rater,
        audits=len(audits),
        false=sum(any(v is w for v, w in zip(audit, wrong, strict=True)) for audit in audits),
        clauses=tuple(rows),
    )


def _share(k: int, n: int) -> Estimate:
    found = clopper_pearson(k, n)
    return Estimate(n=n, value=k / n, low=found.low, high=found.high)


def _aims(rows: Sequence[ArmCheck]) -> Iterable[Aim]:
    for rater in dict.fromkeys(row.rater for row in rows):
        clean = [row for row in rows if row.rater == rater and not row.planted]
        false, n = sum(row.false for row in clean), sum(row.audits for row in clean)
        yield Aim(
            what=f"clean arms ({len(clean)}): audits with a false verdict",
            rater=rater,
            wanted=f"at most {MOST_FALSE:.2f}",
            found=_share(false, n),
            met=false <= MOST_FALSE * n,
        )
        for row in rows:
            if row.rater == rater and row.planted:
                yield from _planted(row)


def _planted(row: ArmCheck) -> Iterable[Aim]:
    own = next(clause for clause in row.clauses if clause.clause == row.planted)
    found = own.verdicts.get(Verdict.violated.value, 0)
    yield Aim(
        what=f"{row.planted} planted: audits that find it",
        rater=row.rater,
        wanted=f"at least {LEAST_FOUND:.2f}",
        found=_share(found, row.audits),
        met=found >= LEAST_FOUND * row.audits,
    )
    yield Aim(
        what=f"{row.planted} planted: audits with a false verdict on any clause",
        rater=row.rater,
        wanted=f"at most {MOST_FALSE:.2f}",
        found=_share(row.false, row.audits),
        met=row.false <= MOST_FALSE * row.audits,
    )


def arms_as_planted(sheet: Sheet, twin: str) -> tuple[tuple[str, float, str, float, bool], ...]:
    """Whether each planted arm breaks its clause and no other: clause, its rate, the clause that is farthest
    from the rate of ``twin``, by how much, and whether both are as they should be."""
    first = sheet.arms[0].rater  # the truth is the same under every rater
    truths = {row.arm: {c.clause: c.truth for c in row.clauses} for row in sheet.arms if row.rater == first}
    found = []
    for row in sheet.arms:
        if row.rater == first and row.planted:
            apart = {
                clause: truth - truths[twin][clause]
                for clause, truth in truths[row.arm].items()
                if clause != row.planted
            }
            farthest = max(apart, key=lambda clause: abs(apart[clause]))
            rate = truths[row.arm][row.planted]
            met = rate >= LEAST_PLANTED and abs(apart[farthest]) <= MOST_APART
            found.append((row.planted, rate, farthest, apart[farthest], met))
    return tuple(found)


def text(sheet: Sheet, twin: str) -> str:
    """The sheet in Markdown."""
    missed = [aim for aim in sheet.aims if not aim.met]
    planted = arms_as_planted(sheet, twin)
    lines = [f"{len(sheet.aims) - len(missed)} of {len(sheet.aims)} aims are met.", ""]
    lines += [f"- Missed: {aim.what}, {aim.rater}: {_number(aim.found)}, {aim.wanted}." for aim in missed]
    if odd := [clause for clause, *_, met in planted if not met]:
        lines.append(
            f"- Not planted as they should be (own rate at least {LEAST_PLANTED:.2f}, every other within "
            f"{MOST_APART:.2f} of the twin's): {listed(odd)}."
        )
    lines += _notes(sheet) if not lines[-1] else ["", *_notes(sheet)]
    tables = (_aim_table(sheet), _arm_table(planted, twin), *_clean_tables(sheet), *_verdict_tables(sheet))
    for table in tables:
        lines += ["", f"**{table.caption}**", ""]
        lines.append("| " + " | ".join(column.title for column in table.columns) + " |")
        lines.append("|" + " --- |" * len(table.columns))
        for row in table.rows:
            cells = [_number(cell) if isinstance(cell, Estimate) else str(cell) for cell in row]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _notes(sheet: Sheet) -> list[str]:
    return [
        f"Each resampled audit is one arm and draws {sheet.clusters} clusters of every clause with "
        "replacement from the suite; its verdicts are protected over its clauses as in any audit. Truth is "
        "the mean broken share of all clusters, by world truth. A false verdict is violated where the truth "
        f"is within the tolerance of {sheet.tolerance:g}, or compliant where it is not. Intervals: Clopper "
        "and Pearson, 95 %. None of it is evidence about real language models: they have no world truth.",
    ]


def _aim_table(sheet: Sheet) -> Table:
    return Table(
        "aims",
        "What the audit should reach, and what it reaches",
        (Column("What"), Column("Rater"), Column("Wanted"), Column("Found", "coefficient"), Column("Met")),
        tuple(
            (aim.what, aim.rater, aim.wanted, aim.found, "yes" if aim.met else "missed") for aim in sheet.aims
        ),
    )


def _arm_table(planted: Sequence[tuple[str, float, str, float, bool]], twin: str) -> Table:
    return Table(
        "planted",
        f"Planted arms by world truth, beside their twin {twin}",
        (
            Column("Planted"),
            Column("Rate"),
            Column("Farthest other clause"),
            Column("Difference to the twin"),
            Column("As wanted"),
        ),
        tuple(
            (clause, f"{rate:.3f}", other, f"{gap:+.3f}".replace("-", "−"), "yes" if met else "missed")
            for clause, rate, other, gap, met in planted
        ),
    )


def _clean_tables(sheet: Sheet) -> Iterable[Table]:
    """Per rater the verdicts on all clean arms together."""
    for place, rater in enumerate(dict.fromkeys(row.rater for row in sheet.arms), 1):
        found: dict[str, list[ClauseCheck]] = defaultdict(list)
        for row in sheet.arms:
            if row.rater == rater and not row.planted:
                for clause in row.clauses:
                    found[clause.clause].append(clause)
        yield Table(
            f"clean-{place}",
            f"Clean arms together, decided by {rater}",
            (Column("Clause"), Column("Truth, least to most"), *map(Column, _ORDER), Column("False")),
            tuple(
                (
                    name,
                    f"{min(c.truth for c in rows):.3f} to {max(c.truth for c in rows):.3f}",
                    *(sum(c.verdicts.get(verdict, 0) for c in rows) for verdict in _ORDER),
                    sum(c.false for c in rows),
                )
                for name, rows in found.items()
            ),
        )


def _verdict_tables(sheet: Sheet) -> Iterable[Table]:
    for place, rater in enumerate(dict.fromkeys(row.rater for row in sheet.arms), 1):
        yield Table(
            f"verdicts-{place}",
            f"Verdicts of the resampled audits, decided by {rater}",
            (
                Column("Arm"),
                Column("Clause"),
                Column("Truth"),
                Column("Clusters in the suite"),
                *map(Column, _ORDER),
                Column("False"),
            ),
            tuple(
                (
                    row.arm,
                    clause.clause + (" (planted)" if clause.clause == row.planted else ""),
                    f"{clause.truth:.3f}",
                    clause.clusters,
                    *(clause.verdicts.get(name, 0) for name in _ORDER),
                    clause.false,
                )
                for row in sheet.arms
                if row.rater == rater
                for clause in row.clauses
            ),
        )


def _number(of: Estimate) -> str:
    return f"{of.value:.2f} [{of.low:.2f}, {of.high:.2f}]"
