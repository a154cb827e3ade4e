"""The suites of a report that have something to show, in the order of the page.

In: a :class:`Report`. Out: one :class:`Shown` for each suite that the run holds. A suite is one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

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
from govaudit.reports.part import Part
from govaudit.reports.shown import Shown


def suites_of(report: Report) -> tuple[Shown, ...]:
    """What each suite's part of the report shows; empty where no suite was run."""
    shown = (
        _shown(report.refusals, refusals.show),
        _shown(report.choices, choices.show),
        _shown(report.hierarchy, hierarchy.show),
        _shown(report.baselines, baselines.show),
        _shown(report.boilerplate, boilerplate.show),
        _shown(report.tone, tone.show),
        _shown(report.harmfulness, harmfulness.show),
        _shown(report.sycophancy, sycophancy.show),
        _shown(report.rankings, rankings.show),
        _shown(report.agreement, agreement.show),
        _shown(report.combined, combined.show),
        _shown(report.circularity, circularity.show),
        _shown(report.cost, cost.show),
        _shown(report.foreign, foreign.show),
        _shown(report.looks, looks.show),
    )
    return tuple(wording.said(one, report) for one in shown if one is not None)


_AnyPart = TypeVar("_AnyPart", bound=Part)


def _shown(part: _AnyPart | None, show: Callable[[_AnyPart], Shown]) -> Shown | None:
    return None if part is None else show(part)
