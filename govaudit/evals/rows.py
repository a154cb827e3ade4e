"""Raters that are rules, and ratings that belong to no clause: what several ways of rating write alike.

In: a rubric, and what was said of one answer. Out: rows of the tables. Left out: who says what of which
answer (``rate`` and the files beside it).
"""

from __future__ import annotations

from collections.abc import Mapping

from govaudit.evals.suite import Probe
from govaudit.records import Measure, Rater, RaterKind, Rating, Response, Scale, Unscored, rating_id
from govaudit.scorers.rubric import Rubric


def rule(
    name: str,
    rubric: Rubric,
    fingerprint: str = "",
    *,
    kind: RaterKind = RaterKind.CHECK,
    attributes: Mapping[str, str] | None = None,
) -> Rater:
    """A rater that is a rule; ``fingerprint``: digest of the rule."""
    return Rater(
        id=name,
        kind=kind,
        source="rule",
        rubric=rubric.name,
        rubric_digest=rubric.digest,
        fingerprint=fingerprint,
        attributes=attributes or {},
    )


def row(
    rater: Rater,
    probe: Probe,
    response: Response,
    question: str,
    scale: Scale,
    value: float | None,
    label: str = "",
    raw: str = "",
    *,
    missing: Unscored = Unscored.UNDECIDED,
) -> Rating:
    """A rating of one answer that belongs to no clause; ``missing``: why there is no value, if so."""
    responses = (response.response,)
    return Rating(
        rating=rating_id(rater.rubric, rater.id, question, responses),
        rubric=rater.rubric,
        rater=rater.id,
        question=question,
        responses=responses,
        clause=None,
        measure=Measure.GENERATION,
        scale=scale,
        value=value,
        label=label,
        unscored=missing if value is None else None,
        raw=raw,
        cluster=probe.cluster,
    )
