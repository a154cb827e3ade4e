"""The machine-readable comparison: everything that any rendering of it says.

Pydantic models, unknown keys refused; ``reports/compare.schema.json`` is generated from them (``python -m
govaudit.reports.compare.document > reports/compare.schema.json``). Rates are shares of judged answers that
*break* a clause; differences are first minus second.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from govaudit.canonical import digest
from govaudit.reports.document import SpecPart
from govaudit.reports.part import Estimate, Part
from govaudit.specs.alignment import Relation

SCHEMA_VERSION: Literal["1.0"] = "1.0"


class RunPart(Part):
    """One run that was compared."""

    name: str
    origin: str
    """``govaudit``, or what imported logs were made by."""
    created: str
    spec: int
    """Index into the specs of the comparison."""
    suite_digest: str
    report_digest: str
    arms: tuple[str, ...]
    """Labels."""
    partial: bool
    warnings: tuple[str, ...] = ()


class ArmColumn(Part):
    """One arm: a column of the matrix."""

    label: str
    """Its name, with the run where two arms have one name."""
    digest: str
    model: str
    reported_models: dict[str, int] = {}
    runs: tuple[str, ...]
    control: Estimate | None = None
    """Share of plain questions answered rightly."""
    control_passed: bool | None = None
    warnings: tuple[str, ...] = ()


class DeclaredPart(Part):
    """A clause that declares a statement."""

    spec: int
    clause: str
    title: str
    text: str
    authority: str | None
    bright_line: bool
    locator: str
    relation: Relation
    note: str = ""


class ObservedPart(Part):
    """What was observed of one arm under one declared clause: the finding that decides there."""

    spec: int
    clause: str
    arm: str
    run: str
    verdict: Literal["compliant", "violated", "inconclusive", "untested"] | None
    reason: str
    measure: str
    rater: str
    gauge_kappa: Estimate | None = None
    """Of the rater on this clause; ``None``: it was never compared with people or labelled answers here."""
    rate: Estimate
    clusters: int
    unscored: int
    best: float | None
    worst: float | None
    tolerance: float
    status: str = "open"
    """Of the finding's review in its run."""
    stale: str | None = None
    """Why the verdict no longer speaks of the clause as it now is."""


class StatementPart(Part):
    """A row of the matrix: what is declared, by whom, and what was observed."""

    id: str
    text: str
    declared: tuple[DeclaredPart, ...]
    observed: tuple[ObservedPart, ...]
    shared: bool
    """Whether every spec of the comparison, or at least two of them, declares it."""


class DifferencePart(Part):
    """Two arms under one statement, same measure, same rater."""

    statement: str
    first: str
    second: str
    first_clause: str
    second_clause: str
    measure: str
    rater: str
    paired: bool
    """Whether both answered the same stimuli; if not, the intervals are those of two samples."""
    n: int
    """Pairs; where unpaired the smaller number of answers."""
    clusters: int
    first_only: int | None = None
    """Pairs in which the first alone broke the clause."""
    second_only: int | None = None
    first_rate: Estimate
    second_rate: Estimate
    difference: Estimate
    p: float | None
    """Two-sided."""
    adjusted: float | None
    """Holm, over all differences of the comparison."""
    worse: str | None
    """The arm that breaks it more often by the adjusted p-value; ``None``: not told apart."""


class RankPart(Part):
    """One arm in a ranking."""

    arm: str
    rate: Estimate
    rank: int
    low: int
    """Best rank that is not excluded, jointly for all arms."""
    high: int


class RankingOfArms(Part):
    """Arms by share of broken answers on stimuli that all of them answered."""

    scope: str
    """``all`` or the id of a statement."""
    measure: str
    rater: str
    n: int
    clusters: int
    arms: tuple[RankPart, ...]


class ProfilePart(Part):
    """How one arm refuses and speaks, as one rater sees it."""

    arm: str
    run: str
    rater: str
    measures: dict[str, Estimate]
    untested: str | None = None
    """Why over- and under-refusal have no numbers."""


class DriftPart(Part):
    """Two versions of a model, prompt by prompt."""

    before: str
    after: str
    stimuli: int
    """That both answered."""
    same_text: Estimate
    """Share of answers that are the same in every character."""
    capability: Estimate
    """Right answers to plain questions and facts, after minus before, paired by question."""
    capability_n: int
    behaviour: tuple[DifferencePart, ...]
    """Per statement, the later version first."""
    changed: tuple[str, ...]
    """Statements that one version breaks more often, by the adjusted p-value."""
    conclusion: str


class CubeCell(Part):
    """Share of judged answers that keep the spec, by spec, model and judge."""

    spec: str
    model: str
    judge: str
    kept: Estimate
    own: bool = False
    """Whether spec, model and judge are of one lab."""


class OwnJudgePart(Part):
    """What a judge gives its own lab's model beyond what it gives others."""

    spec: str
    model: str
    judge: str
    plain: Estimate
    """Own judge minus the mean of the others, on this model."""
    effect: Estimate
    """The same minus what this judge gives other models: the lenience that is kept for its own."""


class ThreeWayPart(Part):
    """Spec x model x judge."""

    cells: tuple[CubeCell, ...]
    means: tuple[CubeCell, ...]
    """Over judges; ``judge`` is empty."""
    own_judge: tuple[OwnJudgePart, ...] = ()
    labs: dict[str, tuple[str, ...]] = {}
    note: str = ""


class StaleRow(Part):
    """What a new version of a spec did to a clause and its verdicts."""

    clause: str
    change: str
    """reworded, removed, renamed, added, re-ranked, unchanged, in words."""
    stale: bool
    probes: int
    """Probes of the older run on it that are stale."""
    before: dict[str, str] = {}
    """Arm -> verdict under the older version."""
    after: dict[str, str] = {}
    now: str | None = None
    """Id in the newer version, where it is another one."""


class StalePart(Part):
    """Two versions of one spec."""

    spec: str
    old: str
    new: str
    probes: int
    stale_probes: int
    stale_verdicts: int
    """Verdicts of the older run (clause x arm, untested left out) that no longer speak of the clause."""
    verdicts: int
    rows: tuple[StaleRow, ...]


class Comparison(Part):
    """Several runs compared."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    govaudit: str
    created: str
    """Of the latest run: the comparison itself has no time, so that it can be made again."""
    runs: tuple[RunPart, ...]
    specs: tuple[SpecPart, ...]
    mapping_digest: str | None
    """Of the alignment, where specs with different ids were compared."""
    arms: tuple[ArmColumn, ...]
    statements: tuple[StatementPart, ...]
    differences: tuple[DifferencePart, ...]
    rankings: tuple[RankingOfArms, ...]
    profiles: tuple[ProfilePart, ...] = ()
    drift: tuple[DriftPart, ...] = ()
    three_way: ThreeWayPart | None = None
    stale: tuple[StalePart, ...] = ()
    not_compared: tuple[str, ...]
    """In words."""
    methods: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def canonical_digest(self) -> str:
        """SHA-256 of what was compared and found."""
        return digest(self.model_dump(mode="json", exclude={"created"}))


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of ``compare.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Comparison.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
