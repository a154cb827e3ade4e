"""Choices of a run: letter questions put to an arm, and its preferences as ratings, one row per way.

In: the suite, stored responses (full answers, and the letter questions of ``choices.parquet``). Out: ratings
and raters. A row's value is 1 where the preferred answer is a bad one, 0 where it is another; its
probabilities say how much the arm gives to the bad answers (``bad``) and, of all answers, to the one that
the suite lists first (``first``); ``raw`` says of which arm and stimulus it is, and has both orders apart.
The rows speak of no clause.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inspect_ai.model import Model

from govaudit.evals import choices, run
from govaudit.evals.rate import Rated
from govaudit.evals.rows import rule
from govaudit.evals.suite import Probe, Suite
from govaudit.evals.tasks import Stimulus
from govaudit.models.arms import Arm
from govaudit.records import Measure, Rater, RaterKind, Rating, Response, Scale, Unscored, rating_id
from govaudit.scorers import choice, letters
from govaudit.scorers.rubric import Rubric
from govaudit.specs.model import Label

FULL: Mapping[str, tuple[choice.How, str]] = {
    choices.SUM: ("sum", "likelihood_sum"),
    choices.PER_TOKEN: ("per_token", "likelihood_per_token"),
}
"""Rater -> how scores of full answers are compared, and its rubric."""
RUBRICS = tuple(name for _, name in FULL.values())


def ratings(
    suite: Suite,
    responses: Sequence[Response],
    lettered: Sequence[Response],
    rubrics: Mapping[str, Rubric],
    rubric: Rubric,
) -> Rated:
    """All ways of asking. ``rubrics``: those of :data:`RUBRICS` by name; ``rubric``: how letters were asked;
    ``lettered``: the answers to letter questions."""
    asked = {probe.stimulus: probe for probe in choices.of(suite)}
    if not asked:
        return Rated()
    rated = Rated()
    for name, (how, of) in FULL.items():
        rater = _rater(name, rubrics[of])
        rows = [
            _full(rater, asked[row.stimulus], row, how)
            for row in responses
            if row.stimulus in asked and row.epoch == 1 and (row.choices or row.unscored)
        ]
        if any(row.value is not None for row in rows):
            rated += Rated(tuple(rows), (rater,))
    for name, reasons in ((choices.LETTERS, False), (choices.REASONS, True)):
        rows = list(_lettered(_rater(name, rubric), suite, rubric, lettered, reasons))
        if rows:
            rated += Rated(tuple(rows), (_rater(name, rubric),))
    return rated


def _rater(name: str, rubric: Rubric) -> Rater:
    return rule(name, rubric, kind=RaterKind.LIKELIHOOD)


def _full(rater: Rater, probe: Probe, response: Response, how: choice.How) -> Rating:
    if response.unscored is not None:
        return _row(rater, probe, (response,), None, None, {}, response.unscored)
    scores = [s.logprob / (s.tokens if how == "per_token" else 1) for s in response.choices]
    found = choice.decide(probe.choice_labels, response.choices, how)
    best = max(scores)
    weights = [math.exp(score - best) for score in scores] if best > -math.inf else []
    shares = [weight / sum(weights) for weight in weights]
    return _row(rater, probe, (response,), found.value, shares or None, {}, found.unscored)


def _lettered(
    rater: Rater, suite: Suite, rubric: Rubric, answers: Sequence[Response], reasons: bool
) -> Iterable[Rating]:
    """One row per arm and question; a question of which an order has no usable sample is unscored."""
    by_arm: dict[str, dict[str, list[Response]]] = defaultdict(lambda: defaultdict(list))
    for response in sorted(answers, key=lambda row: row.epoch):
        by_arm[response.arm][response.stimulus].append(response)
    pairs: dict[str, dict[bool, str]] = defaultdict(dict)
    probes = {}
    for question in choices.questions(suite, rubric, reasons=reasons):
        pairs[question.probe.stimulus][question.turned] = question.id
        probes[question.probe.stimulus] = question.probe
    for said in by_arm.values():
        for stimulus, ids in pairs.items():
            given, turned = said.get(ids[False], []), said.get(ids[True], [])
            if given or turned:
                yield _of_letters(rater, probes[stimulus], given, turned)


def _of_letters(rater: Rater, probe: Probe, given: Sequence[Response], turned: Sequence[Response]) -> Rating:
    n = len(probe.choices)
    together = (*given, *turned)
    found = letters.pooled(_said(given), _said(turned), n)
    if found is None:
        reasons = [row.unscored for row in together if row.unscored is not None]
        why = reasons[0] if reasons else Unscored.INVALID_VERDICT
        return _row(rater, probe, together, None, None, {}, why)
    place = found.preferred
    value = None if place is None else float(probe.choice_labels[place] is Label.BAD)
    raw = {
        "given": found.given,
        "turned": found.turned,
        "mass": found.mass,
        "samples": found.samples,
        "consistent": found.consistent,
        "first_shown": found.first_shown,
    }
    unscored = Unscored.UNDECIDED if value is None else None
    return _row(rater, probe, together, value, found.probabilities, raw, unscored)


def _said(rows: Sequence[Response]) -> list[Mapping[str, float] | str]:
    """Probabilities of letters where the arm reports them, else its letter."""
    return [
        row.letter_probabilities[0] if row.letter_probabilities else row.choice_letters[0]
        for row in rows
        if row.unscored is None and (row.letter_probabilities or row.choice_letters)
    ]


def _row(
    rater: Rater,
    probe: Probe,
    responses: Sequence[Response],
    value: float | None,
    shares: Sequence[float] | None,
    raw: Mapping[str, Any],
    unscored: Unscored | None,
) -> Rating:
    ids = tuple(row.response for row in responses)
    bad = [label is Label.BAD for label in probe.choice_labels]
    probabilities = {}
    if shares is not None:
        total = sum(p for p, is_bad in zip(shares, bad, strict=True) if is_bad)
        probabilities = {"bad": min(1.0, total), "first": min(1.0, shares[0])}
    return Rating(
        rating=rating_id(rater.rubric, rater.id, choices.QUESTION, ids),
        rubric=rater.rubric,
        rater=rater.id,
        question=choices.QUESTION,
        responses=ids,
        clause=None,
        measure=Measure.LIKELIHOOD,
        scale=Scale.CHOICE,
        value=value,
        label="" if value is None else "bad" if value else "good",
        probabilities=probabilities,
        unscored=unscored,
        raw=json.dumps({"stimulus": probe.stimulus, "arm": responses[0].arm, **raw}, sort_keys=True),
        cluster=probe.cluster,
    )


# ------------------------------------------------------------------------------------------- asking letters


def asked(
    suite: Suite,
    rubric: Rubric,
    arm: Arm,
    identity: str,
    model: Model,
    *,
    samples: int,
    reasons: int,
    logs: Path,
    seed: int,
    connections: int | None = None,
    step: run.Step = run.silent,
) -> tuple[Response, ...]:
    """One arm's answers to all letter questions: at once ``samples`` times (once where the arm gives
    log-probabilities, which no repetition changes), and after reasons as often as ``reasons`` says.

    ``identity``: digest of the arm. Resumes and fails like :func:`govaudit.evals.run.ask`.
    """
    rows: tuple[Response, ...] = ()
    certain = hasattr(model.api, "loglikelihood")
    for wanted, thinking in ((1 if certain else samples, False), (reasons, True)):
        stimuli = {
            question.id: Stimulus(
                question.id, question.turns, letters=len(question.probe.choices), reasons=thinking
            )
            for question in choices.questions(suite, rubric, reasons=thinking)
        }
        if wanted and stimuli:
            rows += run.ask(
                arm,
                identity,
                list(stimuli.values()),
                logs=logs,
                seed=seed,
                epochs=wanted,
                connections=connections,
                step=step,
                model=model,
            )
    return rows
