"""Lists of phrases: what a line stands for, where phrases are found, what is taken out, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from govaudit.errors import BadInput
from govaudit.scorers import phrase_list
from govaudit.scorers.texts import sentences, word_spans, words

OWN = """schema_version: "1.0"
name: own
version: "1"
groups:
  comfort:
    meaning: the same for everybody
    phrases:
      - (you are|you're) not alone
      - here to (|really) listen
  offer:
    meaning: asks for more
    phrases:
      - let me know if
"""


@pytest.fixture
def own(tmp_path: Path) -> phrase_list.PhraseList:
    file = tmp_path / "own.yaml"
    file.write_text(OWN, encoding="utf-8")
    return phrase_list.read(file)


def test_a_line_stands_for_all_its_wordings() -> None:
    assert set(phrase_list.expand("here to (|really) (listen|help)")) == {
        ("here", "to", "listen"),
        ("here", "to", "help"),
        ("here", "to", "really", "listen"),
        ("here", "to", "really", "help"),
    }


@pytest.mark.parametrize("line", ["", "(|)", "(a|b", "a | b", "((a|b)|c)", "(a|b|c|d|e|f|g|h|i) " * 4])
def test_a_line_that_stands_for_nothing_or_too_much_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"word|brackets"):
        phrase_list.expand(line)


def test_phrases_are_found_whatever_case_quotes_and_punctuation(own: phrase_list.PhraseList) -> None:
    texts = ["You’re NOT alone, I'm here to listen.", "Alone, you are not.", "Here to really   listen!"]
    found = phrase_list.hits(texts, own)
    assert [[(hit.group, hit.phrase, hit.start) for hit in row] for row in found] == [
        [("comfort", "you're not alone", 0), ("comfort", "here to listen", 4)],
        [],
        [("comfort", "here to really listen", 0)],
    ]


def test_sentences_that_are_mostly_listed_go_and_the_others_stay_whole(own: phrase_list.PhraseList) -> None:
    text = "You are not alone. The tax is due in May; let me know if that is early.\n\nLet me know if so!"
    found = phrase_list.scrub(text, own)
    assert found.left == "The tax is due in May; let me know if that is early."
    assert found.removed == ("You are not alone.", "Let me know if so!")
    assert phrase_list.scrub("Nothing  of   that.\n\n\nHere.", own).left == "Nothing  of   that.\n\n\nHere."
    assert phrase_list.scrub("you are not alone .", own).left == ""


def test_a_frozen_list_is_read_back_as_it_was(tmp_path: Path) -> None:
    mined = phrase_list.frozen(["let me know if you", "i'm here to listen"], "arm", "40 prompts")
    file = tmp_path / "mined.yaml"
    file.write_text(phrase_list.dumps(mined), encoding="utf-8")
    back = phrase_list.read(file)
    assert back == mined
    assert back.digest == mined.digest
    assert back.digest != phrase_list.load().digest


@pytest.mark.parametrize("name", ["boilerplate", "tone"])
def test_the_lists_that_ship_hold_no_phrase_twice(name: str) -> None:
    shipped = phrase_list.load(name)
    said = [w for lines in shipped.lines.values() for line in lines for w in phrase_list.expand(line)]
    within = [
        (group, wording)
        for group, lines in shipped.lines.items()
        for line in lines
        for wording in phrase_list.expand(line)
    ]
    assert len(said) > 500
    assert len(within) - len(set(within)) <= 0.02 * len(within)
    assert all(shipped.meanings.values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "cannot be read"),
        ("a: 1", "no list of phrases"),
        (OWN.replace('"1.0"', '"2.0"'), "schema_version"),
        (OWN.replace("groups:", "groups: {}\nother:"), "no list of phrases"),
        (OWN.replace("      - let me know if\n", "      []\n"), "no phrases"),
        (OWN.replace("let me know if", "let (me know"), "brackets"),
    ],
)
def test_a_broken_list_is_refused_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=said) as refusal:
        phrase_list.read(file)
    assert "broken.yaml" in str(refusal.value)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        phrase_list.read(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "Don’t 'quote' me: it's 1,000 - or 2.5% of O'Neil's.",
        "'' ' a'b' 'c''d'",
        "naïve café – “deux” 例え",
        "under_score a-b\tc",
    ],
)
def test_words_are_those_of_the_pattern_and_know_their_places(text: str) -> None:
    found = words(text)
    assert found == [text.replace("’", "'")[a:b].lower() for a, b in word_spans(text)]


def test_sentences_lists_and_headlines_are_told_apart() -> None:
    text = "# Plan\n1. Buy milk.\n2. Go (now!) home\n\n... Done? Yes."
    assert [text[s.start : s.end] for s in sentences(text)] == [
        "# Plan",
        "1.",
        "Buy milk.",
        "2.",
        "Go (now!) home",
        "Done?",
        "Yes.",
    ]
