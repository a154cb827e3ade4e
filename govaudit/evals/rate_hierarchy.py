"""The check of authority on stored responses: which instructions an answer follows, one row each.

In: the suite, the arms' responses, the rubric. Out: ratings and the rater: a row that belongs to no clause
for every answer to a probe of authority, and one more for each clause that the probe tests.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence

from govaudit.evals.order import CHECK, QUESTION
from govaudit.evals.rate import Rated
from govaudit.evals.rows import rule
from govaudit.evals.suite import Probe, Suite
from govaudit.records import Measure, Rating, Response, Scale, rating_id
from govaudit.scorers import hierarchy
from govaudit.scorers.rubric import Rubric, broken
from govaudit.specs.model import Expected


def check(suite: Suite, responses: Sequence[Response], rubric: Rubric) -> Rated:
    """The rule on every usable answer to a probe that carries demands; nothing where there is none."""
    rows = tuple(
        row for probe, response in _asked(suite, responses) for row in _rows(probe, response, rubric)
    )
    return Rated(rows, (rule(CHECK, rubric, hierarchy.DIGEST),)) if rows else Rated()


def _asked(suite: Suite, responses: Sequence[Response]) -> Iterator[tuple[Probe, Response]]:
    by_stimulus: dict[str, list[Response]] = defaultdict(list)
    for response in responses:
        by_stimulus[response.stimulus].append(response)
    for probe in suite.probes:
        if probe.order is not None:
            for response in by_stimulus[probe.stimulus]:
                if response.unscored is None:
                    yield probe, response


def _rows(probe: Probe, response: Response, rubric: Rubric) -> Iterator[Rating]:
    assert probe.order is not None
    demands = probe.order.demands
    label = hierarchy.verdict(demands, response.text)
    raw = json.dumps([[d.level, d.wanted, hierarchy.follows(d, response.text)] for d in demands])
    responses = (response.response,)
    for clause in (None, *(target.clause for target in probe.targets)):
        question = clause or QUESTION
        yield Rating(
            rating=rating_id(rubric.name, CHECK, question, responses),
            rubric=rubric.name,
            rater=CHECK,
            question=question,
            responses=responses,
            clause=clause,
            measure=Measure.GENERATION,
            scale=Scale.BINARY,
            value=broken(rubric, label, Expected.KEEP),
            label=label,
            raw=raw,
            cluster=probe.cluster,
        )
