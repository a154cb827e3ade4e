"""The suites of a report that have something to show, in the order of the page.

In: a :class:`Report`. Out: one :class:`Shown` for each suite that the run holds. A suite is one line here.
"""

from __future__ import annotations

from govaudit.reports import (
    agreement,
    baselines,
    boilerplate,
    choices,
    circularity,
    combined,
    cost,
    foreign,
    harmfulness,
    hierarchy,
    looks,
    rankings,
    refusals,
    sycophancy,
    tone,
    wording,
)
from govaudit.reports.document import Report
from govaudit.reports.shown import Shown


def suites_of(report: Report) -> tuple[Shown, ...]:
    """What each suite's part of the report shows; empty where no suite was run."""
    shown: list[Shown] = []
    if report.refusals:
        shown.append(refusals.show(report.refusals))
    if report.choices is not None:
        shown.append(choices.show(report.choices))
    if report.hierarchy is not None:
        shown.append(hierarchy.show(report.hierarchy))
    if report.baselines is not None:
        shown.append(baselines.show(report.baselines))
    if report.boilerplate:
        shown.append(boilerplate.show(report.boilerplate))
    if report.tone:
        shown.append(tone.show(report.tone))
    if report.harmfulness is not None:
        shown.append(harmfulness.show(report.harmfulness))
    if report.sycophancy is not None:
        shown.append(sycophancy.show(report.sycophancy))
    if report.rankings is not None:
        shown.append(rankings.show(report.rankings))
    if report.agreement is not None:
        shown.append(agreement.show(report.agreement))
    if report.combined is not None:
        shown.append(combined.show(report.combined))
    if report.circularity is not None:
        shown.append(circularity.show(report.circularity))
    if report.cost is not None:
        shown.append(cost.show(report.cost))
    if report.foreign is not None:
        shown.append(foreign.show(report.foreign))
    if report.looks is not None:
        shown.append(looks.show(report.looks))
    return tuple(wording.said(one, report) for one in shown)
