"""The matrix of a comparison: arms as columns, declared statements as rows, findings in the cells.

In: runs and a mapping. Out: the parts of the document that say what was compared, what is declared and what
was observed. An arm that several runs measured is one column; an arm that two runs of one spec measured is
two.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from govaudit.errors import BadInput
from govaudit.records import Unscored
from govaudit.reports.compare.document import (
    ArmColumn,
    DeclaredPart,
    ObservedPart,
    RunPart,
    StatementPart,
)
from govaudit.reports.compare.runs import OURS, Run
from govaudit.reports.document import ClausePart, FindingPart, GaugePart, SpecPart
from govaudit.reports.part import Estimate
from govaudit.specs import alignment
from govaudit.specs.alignment import Statement
from govaudit.specs.model import Spec

NEVER_PUT = "never_put"
"""Reason of a clause whose probes a recorded arm holds no answer to: nothing was tried."""
_NEVER_PUT = {Unscored.NOT_RECORDED.value}


@dataclass(frozen=True)
class Layout:
    """What the comparison is made of: specs without repetition, arms as columns, statements as rows."""

    runs: tuple[Run, ...]
    specs: tuple[Spec, ...]
    spec_of: tuple[int, ...]
    """Index of each run's spec."""
    labels: tuple[Mapping[str, str], ...]
    """For each run: name of an arm in it -> label of its column."""
    statements: tuple[Statement, ...]
    mapping: alignment.Mapping | None
    """The alignment, where specs with different ids are compared."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Labels of all arms, in the order of the runs."""
        return tuple(dict.fromkeys(label for labels in self.labels for label in labels.values()))


def lay_out(runs: Sequence[Run], mapping: alignment.Mapping) -> Layout:
    """Specs, columns and rows; :class:`BadInput` where the runs have nothing that could be compared."""
    if not runs:
        raise BadInput("there is nothing to compare", remedy="Name at least one run.")
    specs: dict[str, Spec] = {}
    for run in runs:
        specs.setdefault(run.tables.spec.digest, run.tables.spec)
    order = list(specs)
    labels = _labels(runs)
    if len({label for one in labels for label in one.values()}) < 2 and len(specs) < 2:
        raise BadInput(
            "there is one arm under one spec, and nothing to compare it with",
            remedy="Name a second run, or a run with several arms.",
        )
    kept = tuple(specs.values())
    several = len({spec.id for spec in kept}) > 1
    rows = alignment.statements(kept, mapping)
    # Logs of several tasks that others made lie in one folder and are compared task by task.
    ours = any(run.origin == OURS for run in runs)
    if len(kept) > 1 and ours and not any(len(row.specs) > 1 for row in rows):
        named = " and ".join(f"{spec.id!r}" for spec in kept)
        raise BadInput(
            f"the runs are of different specs ({named}), and no clause of one is aligned with one of another",
            remedy="Name the clauses that speak of the same thing in a file and give --mapping FILE "
            "(specs/mapping.yaml shows the form).",
        )
    return Layout(
        tuple(runs),
        kept,
        tuple(order.index(run.tables.spec.digest) for run in runs),
        labels,
        rows,
        mapping if several else None,
    )


def _labels(runs: Sequence[Run]) -> tuple[dict[str, str], ...]:
    """Column of each run's arms: one for each arm, but two where one spec measured it twice."""
    measured = Counter((run.tables.spec.digest, arm.digest) for run in runs for arm in run.tables.plan.arms)
    twice = {arm for (_, arm), n in measured.items() if n > 1}
    keys: dict[tuple[int, str], str] = {}
    for index, run in enumerate(runs):
        for arm in run.tables.plan.arms:
            keys[index, arm.name] = f"{arm.digest}/{index}" if arm.digest in twice else arm.digest
    names: dict[str, set[str]] = defaultdict(set)
    for (_, name), key in keys.items():
        names[name].add(key)
    shown: dict[str, str] = {}
    for (index, name), key in keys.items():
        plain = name if len(names[name]) == 1 else f"{name} ({_run_name(runs, index)})"
        shown.setdefault(key, plain)
    return tuple(
        {arm.name: shown[keys[index, arm.name]] for arm in run.tables.plan.arms}
        for index, run in enumerate(runs)
    )


def _run_name(runs: Sequence[Run], index: int) -> str:
    names = [run.name for run in runs]
    own = names[index]
    return own if names.count(own) == 1 else f"{own} {names[: index + 1].count(own)}"


def run_parts(layout: Layout) -> tuple[RunPart, ...]:
    """What was compared."""
    return tuple(
        RunPart(
            name=_run_name(layout.runs, index),
            origin=run.origin,
            created=run.report.created,
            spec=layout.spec_of[index],
            suite_digest=run.tables.suite.digest,
            report_digest=run.report.canonical_digest,
            arms=tuple(layout.labels[index].values()),
            partial=run.report.partial,
            warnings=run.report.warnings,
        )
        for index, run in enumerate(layout.runs)
    )


def spec_parts(layout: Layout) -> tuple[SpecPart, ...]:
    """The specs, each once."""
    return tuple(layout.runs[layout.spec_of.index(index)].report.spec for index in range(len(layout.specs)))


def arm_columns(layout: Layout) -> tuple[ArmColumn, ...]:
    """The arms, each once."""
    found: dict[str, ArmColumn] = {}
    for index, run in enumerate(layout.runs):
        for part in run.report.arms:
            label = layout.labels[index][part.name]
            name = _run_name(layout.runs, index)
            if label in found:
                found[label] = found[label].model_copy(update={"runs": (*found[label].runs, name)})
                continue
            found[label] = ArmColumn(
                label=label,
                digest=part.digest,
                model=part.model,
                reported_models=part.reported_models,
                runs=(name,),
                control=part.control.rate.model_copy(update={"n": part.control.n}) if part.control else None,
                control_passed=part.control.passed if part.control else None,
                warnings=part.warnings,
            )
    return tuple(found[label] for label in layout.columns)


def statement_parts(layout: Layout, stale: Mapping[tuple[int, str], str]) -> tuple[StatementPart, ...]:
    """All rows. ``stale``: (spec, clause) -> why verdicts under it no longer speak of the clause."""
    clauses = [
        {part.id: part for part in layout.runs[layout.spec_of.index(index)].report.clauses}
        for index in range(len(layout.specs))
    ]
    findings = [_deciding(run) for run in layout.runs]
    rows = []
    for row in layout.statements:
        declared = tuple(_declared(place, clauses[place.spec][place.clause.id]) for place in row.places)
        observed = [
            _observed(layout, index, finding, stale.get((place.spec, place.clause.id)))
            for place in row.places
            for index, run in enumerate(layout.runs)
            if layout.spec_of[index] == place.spec
            for arm in run.tables.plan.arms
            if (finding := findings[index].get((place.clause.id, arm.name))) is not None
        ]
        rows.append(
            StatementPart(
                id=row.id,
                text=row.text,
                declared=declared,
                observed=tuple(observed),
                shared=len(layout.specs) == 1 or len(row.specs) > 1,
            )
        )
    return tuple(rows)


def _deciding(run: Run) -> dict[tuple[str, str], FindingPart]:
    """The finding that carries the verdict, by clause and arm."""
    found: dict[tuple[str, str], FindingPart] = {}
    for finding in run.report.findings:
        if finding.deciding or finding.verdict is not None:
            found.setdefault((finding.clause, finding.arm), finding)
            if finding.deciding:
                found[finding.clause, finding.arm] = finding
    return found


def _declared(place: alignment.Place, part: ClausePart) -> DeclaredPart:
    return DeclaredPart(
        spec=place.spec,
        clause=part.id,
        title=part.title,
        text=part.text,
        authority=part.authority,
        bright_line=part.bright_line,
        locator=part.locator,
        relation=place.relation,
        note=place.note,
    )


def _observed(layout: Layout, index: int, finding: FindingPart, stale: str | None) -> ObservedPart:
    gauge = _gauge(layout.runs[index], finding)
    verdict, reason = finding.verdict, finding.reason
    if verdict == "inconclusive" and finding.n == 0 and set(finding.unscored_reasons) <= _NEVER_PUT:
        verdict, reason = "untested", NEVER_PUT
    return ObservedPart(
        spec=layout.spec_of[index],
        clause=finding.clause,
        arm=layout.labels[index][finding.arm],
        run=_run_name(layout.runs, index),
        verdict=verdict,
        reason=reason,
        measure=finding.measure,
        rater=finding.rater,
        gauge_kappa=gauge.kappa if gauge else None,
        rate=Estimate(
            n=finding.n,
            value=finding.rate,
            low=finding.low,
            high=finding.high,
            undefined=None if finding.rate is not None else "nothing scored",
        ),
        clusters=finding.clusters,
        unscored=finding.unscored,
        best=finding.best if finding.unscored else None,
        worst=finding.worst if finding.unscored else None,
        tolerance=finding.tolerance,
        stale=stale if verdict not in (None, "untested") else None,
        status=finding.status,
    )


def _gauge(run: Run, finding: FindingPart) -> GaugePart | None:
    """The gauge that speaks for a finding: one made on the arm itself before a general one."""
    mine = [
        gauge
        for rater in run.report.raters
        if rater.id == finding.rater
        for gauge in rater.gauges
        if finding.clause in gauge.covers and gauge.arm in (None, finding.arm)
    ]
    return max(mine, key=lambda gauge: (gauge.arm is not None, gauge.n, gauge.gold), default=None)
