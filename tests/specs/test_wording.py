"""How two wordings differ, on sentences of our own."""

from __future__ import annotations

import pytest

from govaudit.specs import wording
from govaudit.specs.wording import Nature


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tea — or coffee", "tea --- or coffee"),
        ("tea—or coffee", "tea -- or coffee"),
        ("tea – or coffee", "tea - or coffee"),
        ("pages 3–5", "pages 3-5"),
        ("non\u2011public", "non-public"),
        ("It doesn’t “bite”…", 'It doesn\'t "bite"...'),
        ("one\u00a0two\n  three", "one two three"),
        ("* one\n* two", "- one\n- two"),
        ("cafe\u0301", "caf\u00e9"),
        ("soft\u00adhyphen\ufeff", "softhyphen"),
    ],
)
def test_dashes_quotes_blanks_list_marks_and_normal_form_are_typography(old: str, new: str) -> None:
    assert wording.nature(old, new) is Nature.TYPOGRAPHIC
    assert wording.folded(old) == wording.folded(new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Be kind.", "Be kind[^ab12]."),
        ("Be kind [^ab12].", "Be kind."),
        ("See [?](#one).", "See [?](#two)."),
        ("See [the *guide*](#one) — now", "See [the *guide*](https://x.example) --- now"),
    ],
)
def test_footnote_marks_and_targets_of_links_are_references(old: str, new: str) -> None:
    assert wording.nature(old, new) is Nature.REFERENCES


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Be kind.", "Be kind!"),
        ("Be kind", "be kind"),
        ("see [this](#a)", "see [that](#a)"),
        ("well-known", "well known"),
        ("-5 degrees", "5 degrees"),
        ("*never* lie", "never lie"),
        ("10²", "102"),
    ],
)
def test_words_signs_and_emphasis_are_wording(old: str, new: str) -> None:
    assert wording.nature(old, new) is Nature.WORDING


def test_the_same_text_has_no_nature_of_difference() -> None:
    assert wording.nature("a", "a") is None
    assert wording.nature("", "") is None


def test_overlap_of_texts_that_can_be_counted_by_hand() -> None:
    """Runs of three: old has abc bcd cde; new has abc bcd cdf; two are shared."""
    both = wording.overlap("a b c d e", "a b c d f")
    assert (both.kept, both.taken, both.similarity) == (2 / 3, 2 / 3, 2 / 3)
    grown = wording.overlap("a b c d", "x y a b c d z")
    assert grown.kept == 1.0
    assert grown.taken == pytest.approx(2 / 5)
    assert grown.similarity == pytest.approx(4 / 7)


def test_texts_without_words_have_nothing_in_common() -> None:
    assert wording.overlap("", "") == wording.overlap("...", "a b c") == wording.Overlap(0.0, 0.0, 0.0)
    assert wording.overlap("one", "one").similarity == 1.0


def test_passages_are_the_sentences_that_only_one_text_has() -> None:
    old = "Be kind. Be brief[^a], e.g. in chats. See [?](#x)."
    new = "See [?](#y). Be kind. Be long.\n\n- one item\n- another item"
    gone, come = wording.passages(old, new)
    assert gone == ["Be brief[^a], e.g. in chats."]
    assert come == ["Be long.", "- one item", "- another item"]


def test_a_sentence_that_stands_twice_and_once_is_gone_once() -> None:
    assert wording.passages("Go. Go. Stop.", "Go. Stop.") == (["Go."], [])


@pytest.mark.parametrize(
    "text",
    ["-" * 50_000, " " * 50_000 + "-", "[^" * 25_000, "[a](" * 15_000, "\n- " * 15_000, ". A" * 15_000],
)
def test_runs_of_one_sign_are_folded_in_time(text: str) -> None:
    assert wording.nature("q" + text, "r" + text) is Nature.WORDING
