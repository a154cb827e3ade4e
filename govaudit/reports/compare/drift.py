"""Two versions of a model, prompt by prompt: did its behaviour change, and did its capability?

In: the layout and the judged samples of a comparison, and which arms are versions of one model. Out: a part
for each pair. Behaviour is tested clause by clause on prompts that both answered, adjusted over the clauses
of the pair. Capability is what both got right of the plain control questions, and of questions of fact that
both took up: a change of behaviour beside an unchanged capability is another thing than a model that got
worse. (The two were confused in readings of Chen, Zaharia & Zou 2023, arXiv 2307.09009.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from govaudit.errors import BadInput, StatisticsError
from govaudit.evals import wording
from govaudit.evals.suite import ProbeOrigin
from govaudit.records import Response
from govaudit.reports.compare.differences import Sample, adjusted, difference
from govaudit.reports.compare.document import DifferencePart, DriftPart
from govaudit.reports.compare.matrix import Layout
from govaudit.reports.compare.runs import Run
from govaudit.reports.part import Estimate
from govaudit.scorers import control
from govaudit.stats.intervals import clustered_rate, paired_rate_difference

MARGIN = 0.10
"""Capability counts as unchanged where the whole interval of the difference lies within this."""

Answered = Mapping[tuple[str, int], Response]
"""(Stimulus, epoch) -> what came back."""


def pairs(layout: Layout, named: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Versions to compare, before and after: as named, and arms that bear one name in several runs.

    :class:`BadInput` for a label that no column has.
    """
    known = layout.columns
    for label in (label for pair in named for label in pair):
        if label not in known:
            raise BadInput(f"no arm is called {label!r}", remedy=f"There are: {', '.join(known)}.")
    by_name: dict[str, list[str]] = {}
    for labels in layout.labels:
        for name, label in labels.items():
            by_name.setdefault(name, [])
            if label not in by_name[name]:
                by_name[name].append(label)
    alike = [(old, new) for labels in by_name.values() for old, new in pairwise(labels)]
    return tuple(dict.fromkeys((*named, *alike)))


def parts(
    layout: Layout, found: Mapping[str, Sequence[Sample]], named: Sequence[tuple[str, str]]
) -> tuple[DriftPart, ...]:
    """All pairs that have a stimulus in common."""
    kept = []
    for before, after in pairs(layout, named):
        part = _part(layout, found, before, after)
        if part is not None:
            kept.append(part)
    return tuple(kept)


def _part(layout: Layout, found: Mapping[str, Sequence[Sample]], before: str, after: str) -> DriftPart | None:
    old, new = _answers(layout, before), _answers(layout, after)
    common = sorted(key for key in old.keys() & new.keys() if _usable(old[key]) and _usable(new[key]))
    if not common:
        return None
    tests = [
        part
        for statement, mine in found.items()
        for one in mine
        for other in mine
        if (one.arm, other.arm) == (after, before)
        and (part := difference(statement, one, other)) is not None
        and part.paired
    ]
    behaviour = adjusted(tests)
    capability, n = _capability(layout, before, after)
    changed = tuple(dict.fromkeys(part.statement for part in behaviour if part.worse is not None))
    same = clustered_rate(
        [float(old[key].text == new[key].text) for key in common], [stimulus for stimulus, _ in common]
    )
    return DriftPart(
        before=before,
        after=after,
        stimuli=len({stimulus for stimulus, _ in common}),
        same_text=Estimate(n=same.n, value=same.rate, low=same.low, high=same.high),
        capability=capability,
        capability_n=n,
        behaviour=behaviour,
        changed=changed,
        conclusion=_conclusion(behaviour, changed, capability),
    )


def _usable(response: Response) -> bool:
    return response.unscored is None


def _answers(layout: Layout, label: str) -> dict[tuple[str, int], Response]:
    return {
        (row.stimulus, row.epoch): row
        for run, arm in _measured(layout, label)
        for row in run.tables.responses
        if row.arm == arm
    }


def _measured(layout: Layout, label: str) -> list[tuple[Run, str]]:
    """Runs that measured an arm, with its digest."""
    return [
        (run, arm.digest)
        for index, run in enumerate(layout.runs)
        for arm in run.tables.plan.arms
        if layout.labels[index][arm.name] == label
    ]


def _capability(layout: Layout, before: str, after: str) -> tuple[Estimate, int]:
    """Right answers, after minus before, on questions that both answered; and how many there are."""
    old, new = _right(layout, before), _right(layout, after)
    common = sorted(old.keys() & new.keys())
    if not common:
        return Estimate(value=None, undefined="no question with a known answer was put to both"), 0
    try:
        gap = paired_rate_difference(
            [new[key] for key in common], [old[key] for key in common], [stimulus for stimulus, _ in common]
        )
    except StatisticsError as error:
        return Estimate(value=None, undefined=str(error)), len(common)
    return Estimate(n=len(common), value=gap.value, low=gap.low, high=gap.high), len(common)


def _right(layout: Layout, label: str) -> dict[tuple[str, int], float]:
    """(Stimulus, epoch) -> 1 where the answer to a question with a known answer is right."""
    found: dict[tuple[str, int], float] = {}
    for run, arm in _measured(layout, label):
        accept = {p.stimulus: p.accept for p in run.tables.suite.probes if p.origin is ProbeOrigin.CONTROL}
        mine = {row.response: row for row in run.tables.responses if row.arm == arm and _usable(row)}
        for row in mine.values():
            if row.stimulus in accept:
                found[row.stimulus, row.epoch] = float(control.right(accept[row.stimulus], row.text))
        for rating in run.tables.ratings:
            answer = mine.get(rating.responses[0])
            told = rating.rater == wording.FACTS and rating.question == wording.TOLD
            if told and answer is not None and rating.value is not None:
                found[answer.stimulus, answer.epoch] = float(rating.value >= 0.5)
    return found


def _conclusion(behaviour: Sequence[DifferencePart], changed: Sequence[str], capability: Estimate) -> str:
    if not behaviour:
        first = "No clause was judged on prompts that both answered"
    elif changed:
        first = f"Behaviour changed on {len(changed)} of {len(behaviour)} tested clauses"
    else:
        first = f"No change of behaviour was shown on {len(behaviour)} tested clauses"
    if capability.value is None or capability.low is None or capability.high is None:
        return (
            f"{first}; capability was not measured, so a change of it cannot be told from one of behaviour."
        )
    if capability.low >= -MARGIN and capability.high <= MARGIN:
        return f"{first}; capability is the same to within {MARGIN:.0%}."
    if capability.low > 0 or capability.high < 0:
        return f"{first}; capability changed as well: a change of behaviour may be part of that."
    return f"{first}; too few questions show whether capability changed by {MARGIN:.0%} or more."
