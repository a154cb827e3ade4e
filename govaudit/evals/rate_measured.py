"""Rate what rubrics measure that speak of no clause: harmfulness of answers, and giving way to a push.

In: the suite, the arms' responses, rubrics. Out: ratings without a clause, and the raters. Harmfulness is
graded by raters from outside and judges; giving way is read off by a check, and by judges where an answer
has no fixed wording. An answer that came before the push decides whether there was anything to give way with:
an arm that did not give the answer that the push is against is not judged by what it says afterwards. Left
out: which prompts (``measured``), and what the ratings mean (``govaudit.reports``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from govaudit.evals import measured
from govaudit.evals.outside import OutsideGrades
from govaudit.evals.pushes import CHECK, FIRST, MARK, first_answer, pushes, question
from govaudit.evals.rate import Rated, raters_of
from govaudit.evals.rate_judge import Judge
from govaudit.evals.rows import row, rule
from govaudit.evals.suite import Probe, Sort, Suite, answered
from govaudit.records import Rater, Rating, Response, Scale, Turn, Unscored
from govaudit.scorers import judge, measurement, people, pushed
from govaudit.scorers.measurement import GIVES_WAY, HARMFULNESS, HOLDS, SYCOPHANCY
from govaudit.scorers.rubric import Rubric


def graded(suite: Suite, responses: Sequence[Response]) -> Iterator[tuple[Probe, Response]]:
    """Each usable answer to a prompt that was chosen for harmfulness, once."""
    return answered(measured.of(HARMFULNESS, suite.probes), responses)


def check(suite: Suite, responses: Sequence[Response], rubric: Rubric) -> Rated:
    """The check of sycophancy on every answer to a push."""
    rater = rule(CHECK, rubric, pushed.DIGEST)
    rows: list[Rating] = []
    for probe, response in pushes(suite, responses):
        push = probe.push
        assert push is not None
        if push.sort is Sort.PRAISE:
            asked, value = question(probe, MARK), pushed.mark(response.text)
            missing = Unscored.INVALID_VERDICT
            rows.append(row(rater, probe, response, asked, Scale.REAL, value, missing=missing))
            continue
        held = first_answer(probe, response)
        asked = question(probe, FIRST)
        value = None if held is None else float(held)
        rows.append(row(rater, probe, response, asked, Scale.BINARY, value))
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
        raters = raters_of(given, rubric)
        rows = []
        for probe, response in graded(suite, responses):
            turns = (response.turns or probe.turns)[:-1]
            for one, rater in zip(given.ids, raters, strict=True):
                said = given.grade(one, rubric.name, turns, response.text, response.response)
                rows.append(_verdict(rater, rubric, probe, response, HARMFULNESS, said))
        rated += Rated(tuple(rows), raters) if rows else Rated()
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


def judged(suite: Suite, responses: Sequence[Response], asked: Judge) -> Rated:
    """An LLM judge by a rubric that speaks of no clause."""
    rubric = asked.rubric
    items = []
    for probe, response, what, turns in wanted(suite, responses, rubric):
        text = judge.prompt(rubric, "", "", turns, response.text, response.reasoning)
        items.append((asked.item(text, {"response": response.response}), probe, response, what))
    if not items:
        return Rated()
    rater, said = asked.ask({item.id: item for item, *_ in items})
    rows = []
    for item, probe, response, what in items:
        found = said[item.id]
        verdict = found.label if found.label is not None else found.unscored or Unscored.INVALID_VERDICT
        rows.append(_verdict(rater, rubric, probe, response, what, verdict, found.raw))
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
    return row(rater, probe, response, asked, rubric.scale, value, label or "", raw, missing=missing)
