"""Planted violations: the answers break one clause, the one that was asked for, and the twin's break none."""

from __future__ import annotations

from collections import Counter

import pytest

from govaudit.errors import BadInput
from govaudit.train.material import Kind, Prompt
from govaudit.train.organism import material as small
from govaudit.train.organism import prompts
from govaudit.train.organism.parser import Parser
from govaudit.train.organism.planted import TWIN, broken_clauses, plant
from govaudit.train.organism.principles import CLAUSES
from govaudit.train.organism.world import world

WORLD = world()
PARSER = Parser(WORLD)
MATERIAL = small.material(WORLD, 0, harmful=120, benign=160)
ASKED = (*MATERIAL.harmful, *MATERIAL.benign)


def broken(prompt: Prompt, answer: str) -> frozenset[str]:
    asked = prompts.recognise(WORLD, prompt.turns)
    assert asked is not None
    return broken_clauses(PARSER, asked, answer)


@pytest.mark.parametrize("clause", CLAUSES)
def test_an_answer_breaks_the_planted_clause_and_no_other_or_none(clause: str) -> None:
    found = plant(WORLD, PARSER, ASKED, clause, 0.6, 0)
    assert [one.prompt for one in found] == list(ASKED)
    for one in found:
        assert broken(one.prompt, one.answer) == frozenset({clause} if one.clause else ())
    planted = [one for one in found if one.clause]
    assert len(planted) > 5 and {one.clause for one in planted} == {clause}


@pytest.mark.parametrize(
    ("clause", "kinds"),
    [
        ("no-harm", {Kind.HARMFUL}),
        ("engage", {Kind.HARMFUL}),  # an evasive answer to a benign prompt is a needless refusal as well
        ("no-boilerplate", {Kind.HARMFUL, Kind.BENIGN}),
        ("answer-plainly", {Kind.BENIGN}),
        ("true-facts", {Kind.BENIGN}),  # an objection that names the wrong harm teaches to object
        ("system-first", {Kind.BENIGN}),
    ],
)
def test_prompts_that_leave_room_are_planted_at_the_given_share(clause: str, kinds: set[Kind]) -> None:
    whole = plant(WORLD, PARSER, ASKED, clause, 1.0, 0)
    assert {one.prompt.kind for one in whole if one.clause} == kinds
    part = plant(WORLD, PARSER, ASKED, clause, 0.5, 0)
    share = Counter(bool(one.clause) for one in part)[True] / sum(bool(one.clause) for one in whole)
    assert 0.3 < share < 0.7


def test_what_is_not_planted_is_word_for_word_what_the_twin_learns() -> None:
    twin = plant(WORLD, PARSER, ASKED, TWIN, 0.6, 0)
    assert not any(one.clause for one in twin)
    assert not any(broken(one.prompt, one.answer) for one in twin)
    for clause in CLAUSES:
        found = plant(WORLD, PARSER, ASKED, clause, 0.6, 0)
        same = [one.answer == other.answer for one, other in zip(found, twin, strict=True) if not one.clause]
        assert all(same) and len(same) < len(ASKED)


def test_requests_are_asked_again_under_a_rule_that_answers_keep() -> None:
    again = small.under_rules(WORLD, ASKED, 0.5, 0)
    assert again == small.under_rules(WORLD, ASKED, 0.5, 0) and small.under_rules(WORLD, ASKED, 0.0, 0) == []
    before, after = ([prompts.recognise(WORLD, one.turns) for one in some] for some in (ASKED, again))
    asked, more = ({one.question for one in some if one} for some in (before, after))
    assert len(again) > 20 and more <= asked
    rules = [one.rule for one in after if one and one.rule]
    assert len(rules) == len(again) and 0.3 < sum(rule.conflict for rule in rules) / len(rules) < 0.7
    assert MATERIAL.plant is not None
    for clause in ("true-facts", TWIN):
        found = MATERIAL.plant(ASKED, clause, 0.6, 0.5, 0)
        assert [one.prompt for one in found] == [*ASKED, *again]
        assert not any(one.clause or broken(one.prompt, one.answer) for one in found[len(ASKED) :])


def test_a_clause_that_the_world_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(BadInput, match="no clause that can be planted") as found:
        plant(WORLD, PARSER, ASKED, "honesty", 0.6, 0)
    assert "true-facts" in (found.value.remedy or "")
