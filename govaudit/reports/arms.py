"""The arms of a report: what they are, what the endpoint reported, and whether they passed the control set.

In: the tables of one run. Out: one :class:`ArmPart` each. Left out: what the arms keep and break.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from govaudit.evals.suite import ProbeOrigin
from govaudit.records import Unscored
from govaudit.reports.document import ArmPart, ControlPart
from govaudit.reports.manifest import PlannedArm
from govaudit.reports.part import Estimate, by_reason
from govaudit.reports.run_tables import RunTables
from govaudit.scorers import control
from govaudit.stats.intervals import clustered_rate


def arm_part(arm: PlannedArm, run: RunTables) -> ArmPart:
    """What is known of one arm."""
    stimuli = {probe.stimulus for probe in run.suite.probes}
    mine = [row for stimulus in stimuli for row in run.answers.get((arm.digest, stimulus), ())]
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
        control=_control(arm, run),
        responses=len(mine),
        unscored=by_reason(row.unscored for row in mine),
        not_applicable=arm.not_applicable,
        output_tokens=sum(tokens) if tokens else None,
        warnings=tuple(warnings),
    )


def controls_passed(run: RunTables) -> dict[str, bool | None]:
    """Name of each arm -> whether it passed the control set; ``None`` where it was put to none."""
    parts = {arm.name: _control(arm, run) for arm in run.plan.arms}
    return {name: part.passed if part else None for name, part in parts.items()}


def _control(arm: PlannedArm, run: RunTables) -> ControlPart | None:
    probes = [probe for probe in run.suite.probes if probe.origin is ProbeOrigin.CONTROL]
    if not probes:
        return None
    right: list[bool] = []
    missing: list[Unscored | None] = []
    for probe in probes:
        # A question is one observation however often it was asked: most of its answers must be right.
        epochs = run.answers.get((arm.digest, probe.stimulus), ())
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
        unscored=by_reason(missing),
        passed=result.passed,
        reason=result.reason,
    )
