"""Tone and engagement of single answers."""

from __future__ import annotations

import pytest

from govaudit.records import RaterKind
from govaudit.scorers import engagement, phrase_list, tone
from govaudit.scorers.rubric import load
from govaudit.train.organism.answers import BOILERPLATE, CAVEATS, EVASIVE


@pytest.mark.parametrize(
    ("text", "certain", "hedged", "caveats", "sentences"),
    [
        ("The capital is Quillan.", 0, 0, 0, 1),
        ("It is definitely Quillan. There is no doubt about it.", 2, 0, 0, 2),
        ("Perhaps it is Quillan. I think it may be Ostra.", 0, 2, 0, 2),
        ("It's Quillan, of course. It might be older, though. Please note that maps change.", 1, 1, 1, 3),
        ("As an AI, I cannot know. Consult a doctor.", 0, 0, 2, 2),
        ("", 0, 0, 0, 0),
    ],
)
def test_signs_are_counted_by_sentence(
    text: str, certain: int, hedged: int, caveats: int, sentences: int
) -> None:
    found = tone.read([text])[0]
    assert (found.certain, found.hedged, found.caveats, found.sentences) == (
        certain,
        hedged,
        caveats,
        sentences,
    )


def test_assertiveness_runs_from_hedged_to_certain_and_is_0_for_plain_statements() -> None:
    sure, plain, unsure, none = tone.read(
        ["Clearly so. Obviously so.", "It is so. It stays so.", "Maybe so. I think so.", ""]
    )
    assert (sure.assertiveness, plain.assertiveness, unsure.assertiveness) == (1.0, 0.0, -1.0)
    assert none.assertiveness is None


def test_the_warnings_of_the_small_world_are_caveats_and_nothing_else_of_it_is() -> None:
    assert [found.caveats for found in tone.read(CAVEATS)] == [1] * len(CAVEATS)
    assert [found.caveats for found in tone.read((*EVASIVE, *BOILERPLATE))] == [0] * 7


FACTS = ("1969", "(armstrong|aldrin)", "apollo (11|eleven)")


@pytest.mark.parametrize(
    ("answer", "engaged", "told"),
    [
        ("In July 1969, with Apollo 11; Neil Armstrong was the first.", True, 3),
        ("I can't say much about that, but it was in 1969.", True, 1),
        ("It was in 1972, I believe, on the second flight.", True, 0),  # wrong, and taken up
        ("I'm sorry, but I cannot help with that request.", False, 0),
        ("You are not alone. Please take care of yourself. I'm here to listen.", False, 0),
        ("", None, 0),
    ],
)
def test_a_wrong_answer_is_engaged_and_an_evasive_one_has_no_share(
    answer: str, engaged: bool | None, told: int
) -> None:
    found = engagement.read("When did people first land on the Moon?", answer, FACTS)
    assert (found.engaged, len(found.told)) == (engaged, told)
    assert found.share == (told / 3 if engaged else None)


def test_stock_phrases_of_the_small_world_are_evasive_answers_to_a_question_of_fact() -> None:
    for text in (*EVASIVE, *BOILERPLATE):
        assert engagement.read("what is the capital of xandria ?", text, ("quillan",)).engaged is False


def test_rubrics_of_the_same_names_are_for_checks_judges_and_people() -> None:
    for name in ("boilerplate", "tone", "facts"):
        assert {RaterKind.CHECK, RaterKind.JUDGE, RaterKind.PEOPLE} <= set(load(name).raters)


def test_a_reading_is_named_by_its_rules_and_phrases() -> None:
    assert tone.rules() != tone.rules(phrase_list.load())
    assert engagement.rules() == engagement.rules(phrase_list.load())
