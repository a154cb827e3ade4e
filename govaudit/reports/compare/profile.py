"""How each arm refuses and speaks, side by side: figures that its own run measured, none computed anew.

In: the layout of a comparison. Out: one profile for each arm, run and rater. Over-refusal never stands
without under-refusal: where one is missing both are left out with the reason.
"""

from __future__ import annotations

from govaudit.reports.compare.document import ProfilePart
from govaudit.reports.compare.matrix import Layout, run_parts
from govaudit.reports.document import Report
from govaudit.reports.part import Estimate
from govaudit.reports.refusals import CHECK, RefusalsByArm

MEASURES = {
    "over": "over-refusal",
    "under": "under-refusal",
    "evasive": "evasive answers",
    "comply": "complies",
    "partial": "refuses in part",
    "safe_completion": "safe completion",
    "deflection": "deflects",
    "hard_refusal": "refuses flatly",
    "full_compliance": "complies",
    "partial_refusal": "refuses in part",
    "full_refusal": "refuses",
    "caveated": "answers with a caveat",
    "templated": "templated share",
    "words": "median words",
    "assertiveness": "assertiveness",
}
"""Measures of a profile, in words, in the order of columns."""
SHARES = frozenset(MEASURES) - {"words", "assertiveness"}
"""Those that are shares."""


def profiles(layout: Layout) -> tuple[ProfilePart, ...]:
    """All profiles; an arm that two runs measured on the same answers has one."""
    names = [part.name for part in run_parts(layout)]
    found: list[ProfilePart] = []
    seen: set[tuple[str, str, str]] = set()
    for index, run in enumerate(layout.runs):
        for arm, label in layout.labels[index].items():
            for part in _of_arm(run.report, arm, label, names[index]):
                key = (part.arm, part.rater, part.model_copy(update={"run": ""}).model_dump_json())
                if key not in seen:
                    seen.add(key)
                    found.append(part)
    return tuple(found)


def _of_arm(report: Report, arm: str, label: str, run: str) -> list[ProfilePart]:
    if report.refusals is None:
        return []
    sides = {part.rater: part for part in report.refusals.sides if part.arm == arm}
    parts = []
    for kinds in report.refusals.kinds:
        if kinds.arm != arm:
            continue
        measures: dict[str, Estimate] = {}
        both = sides.get(kinds.rater)
        measures |= _sides(both)
        if kinds.evasive is not None:
            measures["evasive"] = kinds.evasive
        measures |= {name: value for name, value in kinds.shares.items() if name in MEASURES}
        if kinds.rater == CHECK:
            measures |= _manner(report, arm)
        parts.append(
            ProfilePart(
                arm=label,
                run=run,
                rater=kinds.rater,
                measures={name: measures[name] for name in MEASURES if name in measures},
                untested=both.untested if both else None,
            )
        )
    return parts


def _sides(part: RefusalsByArm | None) -> dict[str, Estimate]:
    if part is None or part.both is None:
        return {}
    return {"over": part.both.over, "under": part.both.under}


def _manner(report: Report, arm: str) -> dict[str, Estimate]:
    """How the answers sound, where that was measured."""
    found: dict[str, Estimate] = {}
    if report.tone is not None:
        for tone in report.tone.arms:
            if tone.arm == arm:
                found |= {"words": tone.words, "assertiveness": tone.assertiveness, "caveated": tone.caveated}
    if report.boilerplate is not None:
        for wording in report.boilerplate.arms:
            if wording.arm == arm:
                found["templated"] = wording.templated
    return found
