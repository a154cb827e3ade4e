"""Blocks of a text: what is read as what, that no line is lost or counted twice, and that nothing is slow."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govaudit.errors import BadInput
from govaudit.specs import blocks
from govaudit.specs.blocks import Block, Form

SMALL = """\
---
author: somebody
---
Before the first heading.

# Title ##\x20\x20
One paragraph
on two lines.
Underlined
----------

Chapter
=======

* first\x20\x20
  goes on
  * inside
    1. deeper

  more of first
* second
- - -
1. one
2) two

## Named {#here level=2}
**Wholly bold**
"""


def split(text: str) -> list[Block]:
    return blocks.split(text, Path("a.md"))


def test_headings_paragraphs_items_and_the_rest_are_told_apart() -> None:
    found = [(block.form.value, block.level, block.words) for block in split(SMALL)]
    assert found == [
        ("other", 0, "--- author: somebody ---"),
        ("paragraph", 0, "Before the first heading."),
        ("heading", 1, "Title"),
        ("paragraph", 0, "One paragraph on two lines. Underlined"),
        ("other", 0, "----------"),
        ("heading", 1, "Chapter"),
        ("item", 0, "first goes on"),
        ("item", 1, "inside"),
        ("item", 2, "deeper"),
        ("paragraph", 0, "more of first"),
        ("item", 0, "second"),
        ("other", 0, "- - -"),
        ("item", 0, "one"),
        ("item", 0, "two"),
        ("heading", 2, "Named"),
        ("paragraph", 0, "**Wholly bold**"),
    ]


def test_items_know_their_list_their_number_and_the_item_around_them() -> None:
    found = split(SMALL)
    items = {block.words: block for block in found if block.form is Form.ITEM}
    assert items["first goes on"].group == items["second"].group
    assert items["one"].group == items["two"].group != items["second"].group
    assert (items["one"].number, items["two"].number, items["second"].number) == (1, 2, None)
    inside = items["inside"].inside
    assert inside is not None and found[inside] is items["first goes on"]
    more = next(block for block in found if block.words == "more of first")
    assert more.inside == inside


def test_a_heading_keeps_its_anchor_apart() -> None:
    named = next(block for block in split(SMALL) if block.text == "Named")
    assert (named.anchor, SMALL[named.start : named.end]) == ("here", "Named")


def test_a_wrapped_line_that_begins_with_a_number_is_no_list() -> None:
    assert [block.form for block in split("It was in\n1986. A good year.\n")] == [Form.PARAGRAPH]
    assert [block.form for block in split("Now:\n1. a\n2. b\n")] == [Form.PARAGRAPH, Form.ITEM, Form.ITEM]


def test_a_fence_is_one_block_and_must_be_closed() -> None:
    assert [block.form for block in split("~~~\n# no heading\n~~~\n")] == [Form.OTHER]
    with pytest.raises(BadInput, match="not closed") as caught:
        split("a\n\n```\nb\n")
    assert caught.value.line == 3


def test_sentences_end_where_a_reader_ends_them() -> None:
    text = 'Be kind, e.g. to Ann. "Always?" he asked. Never lie (i.e. deceive). It costs 3.5 coins. End'
    assert [text[start:end] for start, end in blocks.sentences(text)] == [
        "Be kind, e.g. to Ann.",
        '"Always?" he asked.',
        "Never lie (i.e. deceive).",
        "It costs 3.5 coins.",
        "End",
    ]


@pytest.mark.parametrize(
    ("text", "lead", "rest"),
    [
        ("**Kind**: be it", "Kind", "be it"),
        ("**Kind.** Be it", "Kind", "Be it"),
        ("__Kind__", "Kind", ""),
        ("be **kind**", "", "be **kind**"),
        ("** not bold **", "", "** not bold **"),
    ],
)
def test_words_in_bold_at_the_beginning_are_told_from_the_rest(text: str, lead: str, rest: str) -> None:
    assert blocks.bold_lead(text) == (lead, rest)


def test_only_a_line_wholly_in_bold_is_a_pseudo_heading() -> None:
    found = [
        blocks.pseudo_heading(b) for b in split("**One**\n\n**Two** words\n\n**Three**\nmore\n\n- **Four**\n")
    ]
    assert found == ["One", None, None, None]


def test_an_id_does_not_depend_on_typography() -> None:
    assert (
        blocks.slug("The model’s *own* voice!")
        == blocks.slug("The model's own voice")
        == "the-models-own-voice"
    )
    assert blocks.slug("…") == ""
    assert len(blocks.slug("word " * 100)) <= 60


def test_an_id_is_given_once() -> None:
    ids = blocks.Ids()
    assert [ids.give("a"), ids.give("a-2"), ids.give("a"), ids.give("a")] == ["a", "a-2", "a-3", "a-4"]


LINES = st.lists(
    st.sampled_from(
        [
            "",
            " ",
            "# H",
            "## H {#h}",
            "###",
            "text",
            "more text.",
            "- item",
            "  - inner",
            "   lazy",
            "1. one",
            "2) two",
            "===",
            "---",
            "***",
            "> quote",
            "**bold**",
            "\tindented",
            "• dot",
            "* ",
            "```",
            "~~~",
            "\x0b",
            "\u2028x",
        ]
    ),
    max_size=30,
)


@settings(max_examples=300)
@given(LINES)
def test_every_line_belongs_to_one_block_and_every_place_holds_its_words(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        found = split(text)
    except BadInput:
        return  # a fence that is not closed
    numbers = Counter(number for block in found for number, _ in block.lines)
    assert set(numbers) >= {i for i, line in enumerate(text.split("\n"), 1) if line.strip()}
    assert not numbers or max(numbers.values()) == 1
    assert [block.line for block in found] == sorted(block.line for block in found)
    for i, block in enumerate(found):
        assert text[block.start : block.end].split() == block.words.split() or block.form is Form.HEADING
        assert block.inside is None or block.inside < i


@pytest.mark.parametrize(
    "text",
    [
        "#" * 100_000,
        "# " + "{#" * 50_000,
        "# " + "{#" + "a" * 100_000,
        "**" + "a" * 100_000,
        "**" * 50_000,
        "- " * 50_000,
        ". " * 50_000 + "a",
        "." + "'" * 100_000,
        "[" * 100_000,
        "a'" * 50_000,
        "\n".join("- a" for _ in range(20_000)),
        "\n".join(" " * (2 * i) + "- a" for i in range(400)),
        "a\n" * 50_000,
        " " * 100_000 + "a",
    ],
    ids=range(14),
)
def test_long_lines_and_long_lists_are_no_trap(text: str) -> None:
    """No clock is read: a quadratic step would keep this test from ending."""
    for block in split(text):
        list(blocks.sentences(block.text))
        blocks.bold_lead(block.text)
        blocks.pseudo_heading(block)
        blocks.link_to_heading(block)
        blocks.slug(block.text)
