"""A made-up run for tests of what a report says: plans that decide nothing, and tables with what they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from govaudit.evals.suite import Suite
from govaudit.records import Rater, Rating, Response
from govaudit.reports.manifest import Plan, PlannedArm
from govaudit.reports.run_tables import RunTables
from govaudit.specs.model import Clause, Spec

SPEC = Spec(id="s", title="s", version="1", clauses=(Clause(id="c", text="Answer.", tags=("t",)),))


def planned(*arms: str | PlannedArm, **changes: Any) -> Plan:
    """A plan of these arms, each by itself or by a name that is its digest too; nobody decides a clause."""
    made = tuple(arm if isinstance(arm, PlannedArm) else PlannedArm(arm, arm, arm, {}, {}) for arm in arms)
    return replace(Plan(made, {}, tolerance=0.05, bright_line=0.01, seed=0, epochs=1), **changes)


def tables(
    suite: Suite | None = None,
    plan: Plan | None = None,
    responses: Sequence[Response] = (),
    ratings: Sequence[Rating] = (),
    raters: Sequence[Rater] = (),
    *,
    spec: Spec = SPEC,
) -> RunTables:
    """The tables of a run; what a test does not name is empty."""
    return RunTables(spec, suite or Suite(spec.digest, 0, ()), plan or planned(), responses, ratings, raters)
