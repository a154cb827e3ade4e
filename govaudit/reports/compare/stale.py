"""Two versions of one spec: which verdicts of the older run no longer speak of what the newer one declares.

In: the layout of a comparison. Out: a part for each spec with several versions, and for each clause whose
verdicts are stale the reason in words. A verdict is stale where the wording of its clause changed, where
the clause is gone, and where it moved on the scale of authority. Other typography, links and titles leave a
verdict as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from govaudit.evals.suite import Probe
from govaudit.reports.compare.document import StalePart, StaleRow
from govaudit.reports.compare.matrix import Layout
from govaudit.specs import alignment
from govaudit.specs.diff import Changed, Diff, diff
from govaudit.specs.wording import Nature


@dataclass(frozen=True)
class Versions:
    """An older and a newer version of one spec, by index into the layout's specs, and what changed."""

    old: int
    new: int
    found: Diff


def versions(layout: Layout) -> tuple[Versions, ...]:
    """Neighbouring versions of every spec that the runs hold several of, in the order of the runs."""
    order: dict[str, list[int]] = {}
    for index, spec in enumerate(layout.specs):
        order.setdefault(spec.id, []).append(index)
    return tuple(
        Versions(old, new, diff(layout.specs[old], layout.specs[new], _probes(layout, old)))
        for several in order.values()
        for old, new in pairwise(several)
    )


def _probes(layout: Layout, spec: int) -> tuple[Probe, ...]:
    found: dict[str, Probe] = {}
    for index, run in enumerate(layout.runs):
        if layout.spec_of[index] == spec:
            found |= {probe.id: probe for probe in run.tables.suite.probes}
    return tuple(found.values())


def reasons(between: tuple[Versions, ...]) -> dict[tuple[int, str], str]:
    """(Spec, clause) -> why verdicts on the clause under that older version are stale."""
    return {
        (pair.old, clause): change
        for pair in between
        for clause, (change, stale, _) in _changes(pair.found).items()
        if stale
    }


def parts(layout: Layout, between: tuple[Versions, ...]) -> tuple[StalePart, ...]:
    """What each new version did to the verdicts of the runs before it."""
    return tuple(_part(layout, pair) for pair in between)


def _part(layout: Layout, pair: Versions) -> StalePart:
    changes = _changes(pair.found)
    lost = {row.clause: len(row.probes) for row in pair.found.stale.by_clause} if pair.found.stale else {}
    before, after = _verdicts(layout, pair.old), _verdicts(layout, pair.new)
    rows = []
    for clause in alignment.testable(layout.specs[pair.old]):
        change, stale, now = changes.get(clause.id, ("unchanged", False, None))
        rows.append(
            StaleRow(
                clause=clause.id,
                change=change,
                stale=stale,
                probes=lost.get(clause.id, 0),
                before=before.get(clause.id, {}),
                after=after.get(now or clause.id, {}),
                now=now,
            )
        )
    renamed = {row.now for row in rows if row.now}
    known = {clause.id for clause in layout.specs[pair.old].clauses}
    for clause in alignment.testable(layout.specs[pair.new]):
        if clause.id not in known | renamed:
            rows.append(
                StaleRow(
                    clause=clause.id, change="added", stale=False, probes=0, after=after.get(clause.id, {})
                )
            )
    given = [
        (row.stale, verdict)
        for row in rows
        for verdict in row.before.values()
        if verdict not in ("untested", "not scored")
    ]
    return StalePart(
        spec=layout.specs[pair.old].id,
        old=layout.specs[pair.old].version,
        new=layout.specs[pair.new].version,
        probes=pair.found.stale.probes if pair.found.stale else 0,
        stale_probes=pair.found.stale.stale if pair.found.stale else 0,
        stale_verdicts=sum(stale for stale, _ in given),
        verdicts=len(given),
        rows=tuple(rows),
    )


def _verdicts(layout: Layout, spec: int) -> dict[str, dict[str, str]]:
    """Clause -> arm -> verdict under one version."""
    found: dict[str, dict[str, str]] = {}
    for index, run in enumerate(layout.runs):
        if layout.spec_of[index] != spec:
            continue
        for finding in run.report.findings:
            if finding.verdict is not None:
                label = layout.labels[index][finding.arm]
                found.setdefault(finding.clause, {})[label] = finding.verdict
    return found


def _changes(found: Diff) -> dict[str, tuple[str, bool, str | None]]:
    """Clause of the old version -> what became of it in words, whether verdicts are stale, its new id."""
    successor = {passage.old: passage.new for passage in found.renamed}
    table: dict[str, tuple[str, bool, str | None]] = {}
    for gone in found.removed:
        now = successor.get(gone.id)
        table[gone.id] = (f"probably renamed to {now}" if now else "removed", True, now)
    for change in found.changed:
        said = _said(change)
        if said is not None:
            table[change.id] = (*said, None)
    return table


def _said(change: Changed) -> tuple[str, bool] | None:
    """What changed about a clause that both versions have; ``None`` where nothing that is declared did."""
    said: list[tuple[str, bool]] = []
    if change.was != change.form:
        said.append((f"now a {change.form}", True))
    if change.text is not None:
        words: Mapping[Nature, str] = {
            Nature.WORDING: f"reworded, {change.text.kept:.0%} of the old text kept",
            Nature.TYPOGRAPHIC: "other typography",
        }
        said.append((words.get(change.text.nature, "other links"), change.text.nature is Nature.WORDING))
    if change.reranked is not None:
        moved = change.reranked.raised is not None
        name = f"authority {change.reranked.before or 'none'} to {change.reranked.after or 'none'}"
        said.append((name, moved))
    if change.turned:
        said.append(("its meaning may have turned round", True))
    if not said:
        return None
    return "; ".join(text for text, _ in said), any(stale for _, stale in said)
