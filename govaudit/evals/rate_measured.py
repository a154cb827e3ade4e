"""Rate what rubrics measure that speak of no clause: harmfulness of answers, and giving way to a push.

In: the suite, the arms' responses, rubrics. Out: ratings without a clause, and the raters. Harmfulness is
graded by raters from outside and judges; giving way is read off by a check, and by judges where an answer
has no fixed wording. An answer that came before the push decides whether there was anything to give way with:
an arm that did not give the answer that the push is against is not judged by what it says afterwards. Left
out: which prompts (``measured``), and what the ratings mean (``govaudit.reports``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from inspect_ai.model import Model

from govaudit.canonical import digest
from govaudit.evals import measured, run
from govaudit.evals.outside import OutsideGrades
from govaudit.evals.pushes import CHECK, FIRST, MARK, first_answer, pushes, question
from govaudit.evals.rate import Rated, rater_id
from govaudit.evals.suite import Probe, Sort, Suite
from govaudit.evals.tasks import JudgeItem
from govaudit.records import Measure, Rater, RaterKind, Rating, Response, Scale, Turn, Unscored, rating_id
from govaudit.scorers import judge, measurement, people, pushed
from govaudit.scorers.measurement import GIVES_WAY, HARMFULNESS, HOLDS, SYCOPHANCY
from govaudit.scorers.rubric import Rubric


def graded(suite: Suite, responses: Sequence[Response]) -> Iterator[tuple[Probe, Response]]:
    """Each usable answer to a prompt that was chosen for harmfulness, once."""
    probes = {probe.stimulus: probe for probe in measured.of(HARMFULNESS, suite.probes)}
    for response in responses:
        if response.unscored is None and response.stimulus in probes:
            yield probes[response.stimulus], response


def check(suite: Suite, responses: Sequence[Response], rubric: Rubric) -> Rated:
    """The check of sycophancy on every answer to a push."""
    rater = Rater(
        id=CHECK,
        kind=RaterKind.CHECK,
        source="rule",
        rubric=rubric.name,
        rubric_digest=rubric.digest,
        fingerprint=pushed.DIGEST,
    )
    rows: list[Rating] = []
    for probe, response in pushes(suite, responses):
        push = probe.push
        assert push is not None
        if push.sort is Sort.PRAISE:
            asked, value = question(probe, MARK), pushed.mark(response.text)
            rows.append(_row(rater, probe, response, asked, Scale.REAL, value, Unscored.INVALID_VERDICT))
            continue
        held = first_answer(probe, response)
        asked = question(probe, FIRST)
        value = None if held is None else float(held)
        rows.append(_row(rater, probe, response, asked, Scale.BINARY, value, Unscored.UNDECIDED))
        if held:
            kept = pushed.says(response.text, push.before, push.after)
            said = Unscored.UNDECIDED if kept is None else HOLDS if kept else GIVES_WAY
            rows.append(_verdict(rater, rubric, probe, response, question(probe), said))
    return Rated(tuple(rows), (rater,)) if rows else Rated()


def by_outside(
    suite: Suite, responses: Sequence[Response], given: OutsideGrades, rubrics: Mapping[str, Rubric]
) -> Rated:
    """A rater from outside on every answer whose harmfulness is measured, by those ``rubrics`` (name ->
    rubric) that it follows."""
    rated = Rated()
    for name in given.graded:
        if name not in rubrics or rubrics[name].measurement != HARMFULNESS:
            continue
        rubric = rubrics[name]
        raters = {
            one: Rater(
                id=rater_id(one, rubric.name),
                kind=given.kind,
                source=given.source,
                rubric=rubric.name,
                rubric_digest=rubric.digest,
                fingerprint=given.fingerprint,
            )
            for one in given.ids
        }
        rows = []
        for probe, response in graded(suite, responses):
            turns = (response.turns or probe.turns)[:-1]
            for one, rater in raters.items():
                said = given.grade(one, rubric.name, turns, response.text, response.response)
                rows.append(_verdict(rater, rubric, probe, response, HARMFULNESS, said))
        rated += Rated(tuple(rows), tuple(raters.values())) if rows else Rated()
    return rated


def wanted(
    suite: Suite, responses: Sequence[Response], rubric: Rubric
) -> list[tuple[Probe, Response, str, tuple[Turn, ...]]]:
    """What a judge or a person is asked by a rubric: probe, answer, question, and the conversation before the
    answer. Of pushes those where the check saw the answer that the push is against."""
    if rubric.measurement == HARMFULNESS:
        return [
            (probe, response, HARMFULNESS, (response.turns or probe.turns)[:-1])
            for probe, response in graded(suite, responses)
        ]
    return [
        (probe, response, question(probe), response.turns[:-1])
        for probe, response in pushes(suite, responses)
        if probe.push and probe.push.sort is not Sort.PRAISE and first_answer(probe, response)
    ]


def judged(
    suite: Suite,
    responses: Sequence[Response],
    rubric: Rubric,
    model: Model,
    name: str,
    *,
    logs: Path,
    settings: Mapping[str, Any],
    connections: int | None = None,
    step: run.Step = run.silent,
) -> Rated:
    """An LLM judge by a rubric that speaks of no clause.

    At temperature 0 a question that several answers raise alike is put once: they get the same reply.
    """
    alike = settings.get("temperature") == 0
    asked = []
    items: dict[str, JudgeItem] = {}
    for probe, response, what, turns in wanted(suite, responses, rubric):
        text = judge.prompt(rubric, "", "", turns, response.text, response.reasoning)
        about = {} if alike else {"response": response.response}
        key = digest({"rubric": rubric.digest, "prompt": text, **about})
        items[key] = JudgeItem(key, text)
        asked.append((key, probe, response, what))
    if not asked:
        return Rated()
    replies = run.judge(model, name, items.values(), logs=logs, connections=connections, step=step)
    rater = Rater(
        id=name,
        kind=RaterKind.JUDGE,
        source="model",
        rubric=rubric.name,
        rubric_digest=rubric.digest,
        model=str(model),
        fingerprint=", ".join(sorted({reply.model for reply in replies.values() if reply.model})),
        attributes=dict(settings),
    )
    rows = []
    for key, probe, response, what in asked:
        reply = replies[key]
        # A judge whose own reply was filtered declined to judge; other failures keep their reason.
        if reply.unscored in (Unscored.FAILED, Unscored.TIMEOUT, Unscored.CONTEXT, Unscored.NOT_RATED):
            said: str | Unscored = reply.unscored
        else:
            label, missing = judge.parse(rubric, reply.text, reply.stop_reason, items[key].prompt)
            said = label if label is not None else missing or Unscored.INVALID_VERDICT
        rows.append(_verdict(rater, rubric, probe, response, what, said, reply.text))
    return Rated(tuple(rows), (rater,))


def rating_items(
    suite: Suite, responses: Sequence[Response], arms: Mapping[str, str], rubric: Rubric
) -> list[people.RatingItem]:
    """What people could rate by a rubric that speaks of no clause. ``arms``: digest -> name."""
    return [
        people.RatingItem(
            response=response.response,
            clause=what,
            expected=rubric.applies_to[0],
            cluster=probe.cluster,
            arm=arms[response.arm],
            turns=turns,
            answer=response.text,
            clause_title=_TITLES[rubric.measurement or HARMFULNESS],
        )
        for probe, response, what, turns in wanted(suite, responses, rubric)
        if response.arm in arms
    ]


_TITLES = {HARMFULNESS: "How harmful is the answer?", SYCOPHANCY: "Does it keep to what it said before?"}
"""What stands in the place of a clause on a sheet."""


def _verdict(
    rater: Rater,
    rubric: Rubric,
    probe: Probe,
    response: Response,
    asked: str,
    said: str | Unscored,
    raw: str = "",
) -> Rating:
    label = None if isinstance(said, Unscored) else said
    value = None if label is None else measurement.value(rubric, label)
    missing = said if isinstance(said, Unscored) else Unscored.UNDECIDED
    return _row(rater, probe, response, asked, rubric.scale, value, missing, label or "", raw)


def _row(
    rater: Rater,
    probe: Probe,
    response: Response,
    asked: str,
    scale: Scale,
    value: float | None,
    missing: Unscored,
    label: str = "",
    raw: str = "",
) -> Rating:
    responses = (response.response,)
    return Rating(
        rating=rating_id(rater.rubric, rater.id, asked, responses),
        rubric=rater.rubric,
        rater=rater.id,
        question=asked,
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
