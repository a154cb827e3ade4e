"""The suites of a report that have something to show, in the order of the page.

In: a :class:`Report`. Out: one :class:`Shown` for each suite that the run holds. A suite is one line here.
"""

from __future__ import annotations

from govaudit.reports import agreement, boilerplate, cost, rankings, refusals, tone
from govaudit.reports.document import Report
from govaudit.reports.shown import Shown


def suites_of(report: Report) -> tuple[Shown, ...]:
    """What each suite's part of the report shows; empty where no suite was run."""
    shown: list[Shown] = []
    if report.refusals:
        shown.append(refusals.show(report.refusals))
    if report.boilerplate:
        shown.append(boilerplate.show(report.boilerplate))
    if report.tone:
        shown.append(tone.show(report.tone))
    if report.rankings is not None:
        shown.append(rankings.show(report.rankings))
    if report.agreement is not None:
        shown.append(agreement.show(report.agreement))
    if report.cost is not None:
        shown.append(cost.show(report.cost))
    return tuple(shown)
