"""Turns of meaning: mechanical ones are all found, and few false ones on the published versions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations

import pytest

from govaudit.specs.model import Spec
from govaudit.specs.turns import Sign, Turn, rarity, turns
from govaudit.specs.wording import Nature, nature

Published = Callable[[str], tuple[Spec, tuple[str, ...]]]
VERSIONS = ("2025-02-12", "2025-04-11", "2025-09-12", "2025-10-27")


def signs(old: str, new: str, old_title: str = "", new_title: str = "") -> list[tuple[str, str]]:
    found = turns(old, new, rarity([old, new]), old_title=old_title, new_title=new_title)
    return [(turn.sign.value, turn.about) for turn in found]


@pytest.mark.parametrize(
    ("old", "new", "sign"),
    [
        ("The assistant may name the author.", "The assistant must not name the author.", "negation"),
        ("It never shares addresses.", "It shares addresses.", "negation"),
        ("It refuses to rate people.", "It rates people.", "negation"),
        ("Jokes about kings are allowed.", "Jokes about kings are prohibited.", "opposite"),
        (
            "The assistant always tells the reader which of the sources it used for the answer.",
            "The assistant never tells the reader which of the sources it used for the answer.",
            "negation",
        ),
        (
            "The assistant should encourage people to check every number in a long answer.",
            "The assistant should discourage people to check every number in a long answer.",
            "opposite",
        ),
        (
            "The assistant should be helpful to people who ask about the timetable of trains.",
            "The assistant should be unhelpful to people who ask about the timetable of trains.",
            "opposite",
        ),
        (
            "The assistant must say which of the sources it used for the answer.",
            "The assistant should say which of the sources it used for the answer.",
            "binding",
        ),
        (
            "Rules may be set aside by the explicit wish of the person who wrote them.",
            "Rules may be set aside by the wish of the person who wrote them.",
            "binding",
        ),
    ],
)
def test_a_turned_sentence_is_found(old: str, new: str, sign: str) -> None:
    assert [name for name, _ in signs(old, new)] == [sign]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("It never shares addresses.", "It does not share addresses."),
        ("It should not mock people.", "It should avoid mocking people."),
        ("Be kind to people.", "Be kind to people and animals."),
        ("It answers questions on trains.", "It refuses to sell medicine."),
        ("", "Anything at all."),
        ("The assistant should answer briefly.", "The assistant should answer briefly and in good order."),
        ("No rule yields to a user.", "No basic rule yields to the system, a developer or a user."),
    ],
)
def test_other_words_for_the_same_are_no_turn(old: str, new: str) -> None:
    assert signs(old, new) == []


def test_a_negation_added_behind_a_sentence_binds_and_turns_nothing_round() -> None:
    old = "Note that a user may set this principle aside by an explicit wish at the start of the talk."
    new = old[:-1] + ", but never by a mere hint."
    assert [name for name, _ in signs(old, new)] == ["binding"]


def test_a_text_that_leans_the_other_way_is_found_only_if_it_was_much_reworded() -> None:
    old = "Refusals are short. To refuse, say that you decline, and never explain a refusal or a denial."
    new = (
        "When it cannot do all of it, the assistant will help with what is allowed, provide sources, support the "
        "person, and assist with the rest; it may refuse a part."
    )
    assert ("stance", "granting or withholding") in signs(old, new, "Refuse briefly", "Help when refusing")
    assert not [name for name, _ in signs(old, f"{old} {new}") if name == "stance"]


def test_a_turn_carries_both_passages_and_a_strength() -> None:
    old, new = "Plans for harm are allowed here. Be kind.", "Plans for harm are not allowed here. Be kind."
    (turn,) = turns(old, new, rarity([old, new]))
    assert turn == Turn(
        Sign.NEGATION,
        "gained not",
        "Plans for harm are allowed here.",
        "Plans for harm are not allowed here.",
        turn.strength,
    )
    assert 0 < turn.strength <= 1


def mutations(text: str) -> Iterator[tuple[str, str]]:
    """The text with one sentence turned, and how."""
    for modal in re.finditer(r"\b(?:should|must|may|can|will)\b(?! not|n't|\s*\*?never)", text):
        yield "a not put in", text[: modal.end()] + " not" + text[modal.end() :]
    for denied in re.finditer(r"\b(should|must|may|can|will|does|do|is|are) (?:not|never)\b", text):
        yield "a not left out", text[: denied.end(1)] + text[denied.end() :]
    for old, new in (
        ("must", "may"),
        ("must", "should"),
        ("always", "never"),
        ("never", "always"),
        ("allowed", "prohibited"),
        ("encourage", "discourage"),
        ("explicit", "implicit"),
        ("include", "exclude"),
        ("follow", "ignore"),
        ("reveal", "conceal"),
        ("provide", "withhold"),
    ):
        for found in re.finditer(rf"\b{old}\b(?! not)", text):
            yield f"{old} -> {new}", text[: found.start()] + new + text[found.end() :]


def test_every_sentence_that_was_turned_by_one_word_is_found(published: Published) -> None:
    """One word in one sentence of a published rule: 400 turns of the last version, not one missed."""
    spec = published("2025-10-27")[0]
    weights = rarity(f"{s.title}. {s.text}" for s in spec.statements)
    tried: Counter[str] = Counter()
    missed = []
    for clause in spec.clauses:
        for how, text in mutations(clause.text):
            tried[how] += 1
            if not turns(clause.text, text, weights, old_title=clause.title, new_title=clause.title):
                missed.append((clause.id, how))
    assert tried["a not put in"] > 200 and tried["a not left out"] > 50
    assert tried.total() > 400
    assert missed == []


FOUND = {
    ("2025-02-12", "2025-04-11"): {("do_not_lie", "negation"), ("do_not_lie", "binding")},
    ("2025-04-11", "2025-09-12"): {("refusal_style", "stance")},
    ("2025-09-12", "2025-10-27"): {
        ("follow_all_applicable_instructions", "binding"),
        ("ignore_untrusted_data", "binding"),
    },
    ("2025-02-12", "2025-09-12"): {("do_not_lie", "negation"), ("refusal_style", "stance")},
    ("2025-02-12", "2025-10-27"): {
        ("do_not_lie", "negation"),
        ("refusal_style", "stance"),
        ("follow_all_applicable_instructions", "binding"),
        ("ignore_untrusted_data", "binding"),
    },
    ("2025-04-11", "2025-10-27"): {
        ("refusal_style", "stance"),
        ("follow_all_applicable_instructions", "binding"),
        ("ignore_untrusted_data", "binding"),
    },
}
"""Read one by one: an exception that became a prohibition, an added limit, a refusal style that became its
opposite, and twice a delegation that no longer needs to be explicit. No pair of versions has a false one."""


@pytest.mark.parametrize("pair", list(combinations(VERSIONS, 2)), ids="/".join)
def test_signs_between_published_versions_are_the_ones_that_a_reader_confirmed(
    published: Published, pair: tuple[str, str]
) -> None:
    old, new = (published(version)[0] for version in pair)
    weights = rarity(f"{s.title}. {s.text}" for spec in (old, new) for s in spec.statements)
    after = {statement.id: statement for statement in new.statements}
    found = set()
    for before in old.statements:
        now = after.get(before.id)
        if now is not None and nature(before.text, now.text) is Nature.WORDING:
            for turn in turns(before.text, now.text, weights, old_title=before.title, new_title=now.title):
                found.add((before.id, turn.sign.value))
    assert found == FOUND[pair]
