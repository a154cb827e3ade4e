"""Raters from outside: found by name, named when missing, one row per answer and person; equal questions once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from govaudit.cli import main
from govaudit.errors import BadInput
from govaudit.evals import outside, rate, run
from govaudit.evals.compile import compile_spec
from govaudit.evals.rate_judge import Judge
from govaudit.evals.run import Reply
from govaudit.evals.tasks import JudgeItem
from govaudit.library import find_spec
from govaudit.plan import deciders, prepare
from govaudit.records import RaterKind, Response, Turn, Unscored, response_id
from govaudit.request import Request
from govaudit.scorers import rubric
from govaudit.specs.load import load_spec
from govaudit.specs.model import Clause

SPEC = load_spec(find_spec("micro-world")).spec
RUBRIC = rubric.load("micro-world")
SUITE = compile_spec(SPEC)


class Shouting:
    """Knows one clause, and takes answers that shout for broken."""

    ids = ("person:one", "person:two")
    kind = RaterKind.PEOPLE
    source = "human"
    rubric = "micro-world"
    fingerprint = "1"

    def speaks_of(self, clause: Clause) -> bool:
        return clause.id == "engage"

    def verdict(
        self, rater: str, clause: Clause, turns: Sequence[Turn], answer: str, key: str
    ) -> str | Unscored:
        if rater == "person:two" and not answer.isupper():
            return Unscored.UNDECIDED
        return "broken" if answer.isupper() else "kept"


def answers(text: str, epochs: int = 1) -> list[Response]:
    rows = []
    for probe in SUITE.probes:
        for epoch in range(1, epochs + 1):
            if not probe.choices:
                turns = (*probe.turns[:-1], Turn("assistant", text))
                identity = response_id(probe.stimulus, "arm", epoch)
                rows.append(Response(identity, probe.stimulus, "arm", epoch, turns, text))
    return rows


def test_an_unknown_name_is_bad_input_that_names_those_that_exist() -> None:
    with pytest.raises(BadInput) as fault:
        outside.find("nobody")
    assert "'nobody'" in fault.value.problem
    assert "micro-world, micro-world-people" in (fault.value.remedy or "")


def test_the_command_line_refuses_an_unknown_rater_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arm = "mine=openai-api/nobody/at-home"
    monkeypatch.setattr("sys.argv", ["govaudit", "audit", "micro-world", "--arm", arm, "--rater", "nobody"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "no installed package offers a rater 'nobody'" in said
    assert "micro-world-people" in said
    assert list(tmp_path.iterdir()) == []


def test_what_is_offered_must_be_a_rater(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        name, value = "odd", "somewhere:odd"

        def load(self) -> object:
            return object()

    monkeypatch.setattr(outside, "entry_points", lambda group: [Entry()])
    with pytest.raises(BadInput, match="is none"):
        outside.find("odd")


def test_world_truth_decides_before_people_and_people_before_a_judge() -> None:
    def decides(*raters: str) -> set[str]:
        request = Request(spec="micro-world", raters=raters)
        return {decider.rater for decider in deciders(prepare(request)).values()}

    assert decides("micro-world-people", "micro-world") == {"world:micro-world"}
    assert decides("micro-world-people") == {"people:micro-world"}


def test_each_person_rates_every_answer_of_the_clauses_that_they_know() -> None:
    given = Shouting()
    assert isinstance(given, outside.Outside)
    responses = answers("NO .")
    rated = rate.outside(SPEC, SUITE, responses, RUBRIC, given)
    mine = [p for p in SUITE.probes if not p.choices and p.targets[0].clause == "engage"]
    assert {row.clause for row in rated.ratings} == {"engage"}
    assert len(rated.ratings) == 2 * len(mine)
    assert {row.value for row in rated.ratings} == {1.0}
    assert [rater.id for rater in rated.raters] == ["person:one:micro-world", "person:two:micro-world"]
    assert len({row.rating for row in rated.ratings}) == len(rated.ratings)


def test_what_a_rater_cannot_judge_is_unscored_in_rows_and_invalid_in_gold() -> None:
    rated = rate.outside(SPEC, SUITE, answers("no ."), RUBRIC, Shouting())
    two = [row for row in rated.ratings if row.rater.startswith("person:two")]
    assert {(row.value, row.unscored) for row in two} == {(None, Unscored.UNDECIDED)}
    assert all(item.predicted is None for item in rated.gold["person:two:micro-world"])
    assert all(item.clause == "engage" for item in rated.gold["person:one:micro-world"])
    assert len(rated.gold["person:one:micro-world"]) == 20


def test_a_majority_has_a_gauge_only_where_all_judged_the_same_labelled_answers() -> None:
    rated = rate.outside(SPEC, SUITE, answers("NO ."), RUBRIC, Shouting())
    whole = rate.with_majority(rated, {RUBRIC.name: RUBRIC})
    assert len(whole.gold["people:micro-world"]) == 20
    cut = {**rated.gold, "person:two:micro-world": rated.gold["person:two:micro-world"][:5]}
    partly = rate.with_majority(rate.Rated(rated.ratings, rated.raters, cut), {RUBRIC.name: RUBRIC})
    assert "people:micro-world" not in partly.gold


@pytest.mark.parametrize(("temperature", "times"), [(0.0, 1), (1.0, 3)])
def test_a_judge_without_chance_is_asked_an_equal_question_once(
    temperature: float, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[JudgeItem] = []

    def judge(model: object, name: str, items: Any, **_: object) -> dict[str, Reply]:
        asked.extend(items)
        return {item.id: Reply(item.id, "kept", "m", "stop", None, 1) for item in asked}

    monkeypatch.setattr(run, "judge", judge)
    responses = answers("fine .", epochs=3)
    settings: Mapping[str, Any] = {"temperature": temperature}
    model: Any = object()
    rated = rate.judged(SPEC, SUITE, responses, Judge("judge:m", model, RUBRIC, Path(), settings))
    gold = 120
    assert len(asked) == times * len(responses) // 3 + gold
    assert len(rated.ratings) == len(responses)
    assert len({row.rating for row in rated.ratings}) == len(responses)
    assert len(rated.gold["judge:m"]) == gold
