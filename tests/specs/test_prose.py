"""The importer of constitutions in prose: on the one of January 2026, and on documents made up for the tests."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from govaudit.errors import BadInput
from govaudit.evals.compile import compile_spec
from govaudit.specs import native, prose
from govaudit.specs.asking import kind, modality, polarity
from govaudit.specs.counts import counts
from govaudit.specs.load import detect
from govaudit.specs.model import Default, Kind, Level, Modality, Polarity, Spec

Import = Callable[..., tuple[Spec, tuple[str, ...]]]

SMALL = """\
# The Robin charter

These words come before the charter. Robin must read them too.

*The acknowledgments and the preface are not part of this charter.*

## A summary of the charter

1. **Calm**: keeps its voice down;
2. **Kind**: hurts nobody.

Robin should follow these in the order given.

## What Robin is

Robin should sing at dawn. It never wakes the owls,
because they have worked all night! Should Robin sing at noon? Birds are many.

In short, Robin should be:

1. **Calm**: Keeping its voice down in the wood.
2. **Kind**: Hurting nobody, neither bird nor beast.
3. **Useful**: Bringing twigs.

Where they clash, Robin takes them in this order.

### What Robin may be told

Some behaviors can be turned on or off.

- **Default behaviors that keepers can turn off**
  - Singing before breakfast.
  - Sharing crumbs.
- **Non-default behaviors that visitors can turn on**
  - Dancing on the table.

By default, Robin should:

- Never bite a visitor.
- **Always say its name**, when asked. This should be loud.

We will:

- Feed Robin.

The tools are:

- a beak
- two wings, which should be dry

### Bright lines

Robin should never:

- Eat the cat.
  - Nor bite it.
- Burn the nest, whatever the reason.

**About eggs**

We should count the eggs. We want Robin to guard them.

## Acknowledgements

Robin should thank the worm. The worm should be thanked.

### Sponsors

Robin must thank the seed shop.
"""


@pytest.fixture
def imported(tmp_path: Path) -> Import:
    def run(text: str) -> tuple[Spec, tuple[str, ...]]:
        path = tmp_path / "charter.md"
        path.write_text(text, encoding="utf-8")
        spec, warnings = prose.load(path, version="test")
        assert native.parse(native.dump(spec)) == spec
        return spec, warnings

    return run


def says(warnings: tuple[str, ...], *words: str) -> bool:
    return any(all(word in warning for word in words) for warning in warnings)


def texts(spec: Spec) -> list[str]:
    return [candidate.text for candidate in spec.candidates]


# --- lists that are clauses


def test_a_list_under_bright_lines_is_hard_constraints_with_their_lead(imported: Import) -> None:
    spec, _ = imported(SMALL)
    hard = [clause for clause in spec.clauses if clause.bright_line]
    assert [clause.text for clause in hard] == [
        "Robin should never: Eat the cat.\n- Nor bite it.",
        "Robin should never: Burn the nest, whatever the reason.",
    ]
    assert {(c.kind, c.modality, c.polarity, c.level) for c in hard} == {
        (Kind.RULE, Modality.MUST, Polarity.FORBID, Level.MODEL)
    }
    assert [clause.id for clause in hard] == ["eat-cat", "burn-nest-whatever-reason"]


def test_a_numbered_order_is_priorities_with_ranks_counted_once(imported: Import) -> None:
    spec, warnings = imported(SMALL)
    order = [clause for clause in spec.clauses if clause.priority]
    assert [(clause.id, clause.title, clause.priority) for clause in order] == [
        ("calm", "Calm", 1),
        ("kind", "Kind", 2),
        ("useful", "Useful", 3),
    ]
    assert order[0].text == "In short, Robin should be: **Calm**: Keeping its voice down in the wood."
    assert {clause.kind for clause in order} == {Kind.HEURISTIC}
    assert says(warnings, "line 9", "repeats the one in line 21")


def test_lists_of_what_somebody_can_turn_are_defaults_on_or_off(imported: Import) -> None:
    spec, _ = imported(SMALL)
    found = [
        (c.text.split(": ", 1)[1][:7], c.default, c.polarity, c.attributes) for c in spec.clauses if c.scope
    ]
    assert found == [
        ("Singing", Default.ON, Polarity.REQUIRE, {"switched_by": "keeper"}),
        ("Sharing", Default.ON, Polarity.REQUIRE, {"switched_by": "keeper"}),
        ("Dancing", Default.OFF, Polarity.FORBID, {"switched_by": "visitor"}),
    ]
    assert {c.kind for c in spec.clauses if c.default is not Default.NONE} == {Kind.DEFAULT}
    assert spec.clause("sharing-crumbs").scope == "Default behaviors that keepers can turn off"


@pytest.mark.parametrize(
    ("lead", "default", "whom"),
    [
        ("Behaviours that are on by default, and that users may switch off:", Default.ON, "user"),
        ("Off by default unless enabled by the operator:", Default.OFF, "operator"),
        ("Default behaviors that developers can disable:", Default.ON, "developer"),
        ("Default behaviors that can be turned on or off:", None, ""),
        ("Default behaviors that guests can turn on:", None, ""),
    ],
)
def test_who_turns_what_is_told_from_the_lead(
    imported: Import, lead: str, default: Default | None, whom: str
) -> None:
    spec, _ = imported(f"# T\n\nThe bird must eat.\n\n{lead}\n\n- Singing aloud\n")
    found = [(c.default, c.attributes.get("switched_by", "")) for c in spec.clauses]
    assert found == ([] if default is None else [(default, whom)])


@pytest.mark.parametrize(
    "lead",
    [
        "**Default behaviors that guests can turn off**",
        "Default behaviors that guests can turn off",
        "### Default behaviors that guests can turn off",
        "### Default behaviors that guests can turn off\n\nSuch as:",
    ],
)
def test_what_leads_into_a_list_may_be_a_heading_or_a_line(imported: Import, lead: str) -> None:
    spec, _ = imported(f"# T\n\nThe bird must eat.\n\n{lead}\n\n- Singing aloud\n")
    (clause,) = spec.clauses
    assert (clause.default, clause.scope) == (Default.ON, "Default behaviors that guests can turn off")
    assert texts(spec) == ["The bird must eat."]


def test_a_sentence_before_a_list_is_lost_only_if_it_leads_into_it(imported: Import) -> None:
    spec, _ = imported("# Hard constraints\n\nThe bird must eat.\n\n- Never bite.\n- Never burn the nest.\n")
    assert [clause.text for clause in spec.clauses] == ["Never bite.", "Never burn the nest."]
    assert texts(spec) == ["The bird must eat."]


def test_items_beside_a_list_of_defaults_are_candidates_too(imported: Import) -> None:
    spec, _ = imported(
        "# T\n\nThe bird should:\n\n- **Defaults that users can turn off**\n  - Singing aloud\n- Listen well\n"
    )
    assert [clause.id for clause in spec.clauses] == ["singing-aloud"]
    assert texts(spec) == ["The bird should: Listen well"]


def test_constraints_are_hard_where_the_words_just_before_them_say_so(imported: Import) -> None:
    near = "These are its bright lines. Robin should never:\n\n- Bite.\n"
    far = "Bright lines are few. They come first. Apart from them, Robin should never:\n\n- Hum.\n"
    assert [c.bright_line for c in imported(f"# T\n\n{near}")[0].clauses] == [True]
    spec, _ = imported(f"# T\n\n{far}")
    assert (spec.clauses, texts(spec)) == ((), ["Apart from them, Robin should never: Hum."])


def test_an_order_that_stands_in_an_excluded_part_only_is_a_warning(imported: Import) -> None:
    order = "## Summary\n\nIn order of priority:\n\n1. Peace\n2. Bread\n\n## More\n\nThe bird must eat.\n"
    spec, warnings = imported("# T\n\n" + order)
    assert (spec.clauses, texts(spec)) == ((), ["The bird must eat."])
    assert says(warnings, "line 7: a list of priorities in an excluded part: no clauses")


def test_of_two_lists_that_say_the_same_the_fuller_one_stays(imported: Import) -> None:
    order = "\n\nOrder of priority:\n\n1. **Calm**: {0}\n2. **Kind**: {0}\n\n"
    text = "# T" + order.format("few") + "## Again" + order.format("many more words")
    spec, warnings = imported(text)
    assert [(clause.id, clause.source.line) for clause in spec.clauses] == [("calm", 12), ("kind", 13)]
    assert says(warnings, "line 5", "repeats the one in line 12")
    assert not spec.candidates


# --- candidates


def test_sentences_and_items_that_ask_are_candidates_with_their_place(imported: Import) -> None:
    spec, _ = imported(SMALL)
    assert texts(spec) == [
        "Robin should sing at dawn.",
        "It never wakes the owls, because they have worked all night!",
        "By default, Robin should: Never bite a visitor.",
        "By default, Robin should: **Always say its name**, when asked. This should be loud.",
        "We will: Feed Robin.",
        "two wings, which should be dry",
        "We should count the eggs.",
        "We want Robin to guard them.",
    ]
    for candidate in spec.candidates:
        start, end = candidate.source.start, candidate.source.end
        assert start is not None and end is not None
        assert candidate.text.endswith(" ".join(SMALL[start:end].split()))
        assert SMALL.count("\n", 0, start) + 1 == candidate.source.line


def test_a_candidate_says_no_more_than_its_words(imported: Import) -> None:
    spec, _ = imported(SMALL)
    read = [(c.kind, c.modality, c.polarity, c.level) for c in spec.candidates]
    assert read == [
        (Kind.UNCLASSIFIED, Modality.SHOULD, Polarity.REQUIRE, Level.MODEL),
        (Kind.RULE, Modality.NONE, Polarity.FORBID, Level.MODEL),
        (Kind.DEFAULT, Modality.SHOULD, Polarity.FORBID, Level.MODEL),
        (Kind.DEFAULT, Modality.SHOULD, Polarity.REQUIRE, Level.MODEL),
        (Kind.UNCLASSIFIED, Modality.NONE, Polarity.NONE, Level.CORPORATE),
        (Kind.UNCLASSIFIED, Modality.SHOULD, Polarity.REQUIRE, Level.MODEL),
        (Kind.UNCLASSIFIED, Modality.SHOULD, Polarity.REQUIRE, Level.CORPORATE),
        (Kind.UNCLASSIFIED, Modality.SHOULD, Polarity.REQUIRE, Level.MODEL),
    ]
    assert not any(c.tags or c.bright_line or c.priority for c in spec.candidates)


def test_candidates_are_neither_clauses_nor_compiled(imported: Import) -> None:
    spec, warnings = imported(SMALL)
    assert not {c.id for c in spec.candidates} & {c.id for c in spec.clauses}
    assert counts(spec)["clauses"] == len(spec.clauses) == 8
    assert compile_spec(spec).probes == ()
    assert says(warnings, "8 candidates begin here: none is scored until an overlay accepts it")


@pytest.mark.parametrize(
    ("words", "reading"),
    [
        ("The bird should not sing.", (Modality.SHOULD, Polarity.FORBID, Kind.UNCLASSIFIED)),
        ("The bird shouldn’t sing.", (Modality.SHOULD, Polarity.FORBID, Kind.UNCLASSIFIED)),
        ("The bird should generally avoid singing.", (Modality.SHOULD, Polarity.FORBID, Kind.UNCLASSIFIED)),
        ("The bird MUST NOT sing.", (Modality.MUST, Polarity.FORBID, Kind.RULE)),
        ("The bird should sing and must never bite.", (Modality.SHOULD, Polarity.NONE, Kind.UNCLASSIFIED)),
        ("The bird must sing, which it should do softly.", (Modality.MUST, Polarity.REQUIRE, Kind.RULE)),
        ("The bird should never bite.", (Modality.SHOULD, Polarity.FORBID, Kind.RULE)),
        ("Never bite.", (Modality.NONE, Polarity.FORBID, Kind.RULE)),
        ("We want the bird that can, Robin, to sing.", (Modality.NONE, Polarity.NONE, Kind.UNCLASSIFIED)),
        ("We want Robin to sing.", (Modality.SHOULD, Polarity.REQUIRE, Kind.UNCLASSIFIED)),
        ("We don’t want Robin to sing.", (Modality.SHOULD, Polarity.FORBID, Kind.UNCLASSIFIED)),
        ("We'd like it to sing.", (Modality.SHOULD, Polarity.REQUIRE, Kind.UNCLASSIFIED)),
        ("By default the bird should sing.", (Modality.SHOULD, Polarity.REQUIRE, Kind.DEFAULT)),
        ("The bird must weigh song against sleep.", (Modality.MUST, Polarity.REQUIRE, Kind.HEURISTIC)),
        ("Birds sing.", (Modality.NONE, Polarity.NONE, Kind.UNCLASSIFIED)),
    ],
)
def test_words_are_read_for_what_they_say(words: str, reading: tuple[Modality, Polarity, Kind]) -> None:
    assert (modality(words), polarity(words), kind(words)) == reading


def test_ids_keep_negations_and_do_not_shift(imported: Import) -> None:
    text = "# T\n\nRobin should not sing at noon. Robin should sing at dawn.\n"
    before = [c.id for c in imported(text)[0].candidates]
    after = [
        c.id for c in imported(text.replace("# T\n", "# T\n\nRobin must eat a worm first.\n"))[0].candidates
    ]
    assert before == ["not-sing-noon", "sing-dawn"]
    assert after == ["eat-worm-first", *before]


# --- what is no part, and what is doubtful


def test_what_the_document_or_its_title_puts_aside_gives_no_clause(imported: Import) -> None:
    spec, warnings = imported(SMALL)
    reasons = {section.title: section.excluded for section in spec.sections if section.excluded}
    assert reasons == {
        "The Robin charter": "line 5 declares it not to be part of the document",
        "A summary of the charter": "by its title it frames the document",
        "Acknowledgements": "line 5 declares it not to be part of the document",
        "Sponsors": "line 5 declares it not to be part of the document",
    }
    aside = {section.id for section in spec.sections if section.excluded}
    assert not aside & {clause.section for clause in (*spec.clauses, *spec.candidates)}
    assert says(warnings, "line 1:", "the text below 'The Robin charter' is excluded")
    assert says(warnings, "'Acknowledgements' is excluded")


def test_a_part_that_nobody_can_find_is_a_warning(imported: Import) -> None:
    _, warnings = imported("# T\n\nThe bird must eat. The appendix is not part of this document.\n")
    assert says(warnings, "line 3", "'appendix' is said not to be part of it: no heading has that name")


def test_doubts_are_named_with_their_lines(imported: Import) -> None:
    _, warnings = imported(SMALL)
    assert says(warnings, "line 59: 1 paragraphs wholly in bold may be headings")
    assert says(warnings, "line 17: 1 questions with should or must")
    assert says(warnings, "line 16: 1 candidates begin with a pronoun")
    assert says(warnings, "line 48: 1 lists are led into by no word that asks")


def test_doubts_are_bounded_in_number(imported: Import) -> None:
    text = (
        "# T\n\n"
        + "\n\n".join(f"Should it sing {i} times?\n\n**Bold {i}**" for i in range(300))
        + "\n\nIt must.\n"
    )
    _, warnings = imported(text)
    assert len(warnings) < 10
    assert all(len(warning) < 300 for warning in warnings)
    assert says(warnings, "300 questions", "and 292 more")


def test_even_a_warning_a_section_is_bounded(imported: Import) -> None:
    _, warnings = imported("# T\n\nIt must.\n\n" + "## Summary\n\n" * 300)
    assert len(warnings) < 30
    assert says(warnings, "line 45: from here on 280 more", "is excluded")


def test_the_same_sentence_twice_is_one_candidate(imported: Import) -> None:
    spec, warnings = imported("# T\n\nThe bird must eat. Twice said: no.\n\n## U\n\nThe bird must\neat.\n")
    assert texts(spec) == ["The bird must eat."]
    assert says(warnings, "line 7", "say again")


OFFICIAL = """\
# The Robin charter

[Overview](#overview)

[Robin’s “inner” voice](#robin’s-“inner”-voice)

[Lost chapter](#lost-chapter)

# Overview\x20\x20

Robin should sing.\x20\x20

## Robin’s “inner” voice\x20

Robin should:\x20\x20

* Sing softly\x20\x20
  * in winter\x20\x20
  * in spring\x20\x20
* Listen\x20\x20

#### Hard constraints\x20

Robin must never:

* Crow\x20\x20
"""


def test_the_official_form_has_a_table_of_contents_trailing_blanks_and_nested_stars(imported: Import) -> None:
    spec, warnings = imported(OFFICIAL)
    assert [section.title for section in spec.sections] == [
        "The Robin charter",
        "Overview",
        "Robin’s “inner” voice",
        "Hard constraints",
    ]
    assert spec.title == "The Robin charter"
    assert says(warnings, "line 3: 3 links to headings are a table of contents")
    assert says(warnings, "line 7: 1 entries of the table of contents name no heading")
    assert texts(spec) == [
        "Robin should sing.",
        "Robin should: Sing softly",
        "Robin should: Sing softly: in winter",
        "Robin should: Sing softly: in spring",
        "Robin should: Listen",
    ]
    assert [clause.text for clause in spec.clauses] == ["Robin must never: Crow"]
    assert spec.clauses[0].source.path == ("Overview", "Robin’s “inner” voice", "Hard constraints")


def test_headings_may_be_underlined_or_carry_an_anchor(imported: Import) -> None:
    spec, _ = imported("Charter\n=======\n\nIt must eat.\n\n## Named {#n}\n\nIt must drink.\n")
    assert [(s.id, s.title, s.depth) for s in spec.sections] == [("charter", "Charter", 1), ("n", "Named", 2)]
    assert [c.section for c in spec.candidates] == ["charter", "n"]


# --- nothing is lost


def lost(spec: Spec, source: str) -> list[tuple[int, str]]:
    """Lines that stand neither in a section's title or text nor in the preamble."""
    kept = "\n".join([spec.preamble, *(part for s in spec.sections for part in (s.title, s.text))])
    bare = [(number, line.strip().strip("#").strip()) for number, line in enumerate(source.split("\n"), 1)]
    return [(number, line) for number, line in bare if line not in kept]


@pytest.mark.parametrize("text", [SMALL, OFFICIAL], ids=["converted", "official"])
def test_no_line_is_lost(imported: Import, text: str) -> None:
    assert lost(imported(text)[0], text) == []


# --- the wrong form


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The bird must eat.\n", "no line of this text is a heading"),
        ("# T\n\nBirds sing.\n", "nothing in this text asks for anything"),
        ("# T\n\n## Summary\n\nThe bird must eat.\n", "nothing in this text asks for anything"),
        ("<!DOCTYPE html>\n<html>\n", "this is HTML"),
        ('[{"critique": "a"}]', "this is JSON, not prose"),
        ("# T {#t authority=root}\n\nIt must.\n", "headings declare an authority"),
        ("# T\n\n- Choose the kinder answer.\n- Choose the calmer answer.\n", "it is a list of principles"),
        ("# T\n\n```\nIt must.\n", "not closed"),
        ("", "the file is empty"),
        ("# T\n\nIt \0 must.\n", "NUL"),
    ],
)
def test_another_form_is_refused_with_the_reason(imported: Import, text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        imported(text)


def test_without_a_version_the_digest_names_it(tmp_path: Path) -> None:
    path = tmp_path / "charter.md"
    path.write_text(SMALL)
    spec, warnings = prose.load(path, version=None)
    assert spec.version == f"unversioned+{spec.digest[:8]}"
    assert says(warnings, "does not state its version")


# --- the published one


@pytest.fixture(scope="module")
def constitution(data: Path) -> tuple[Spec, tuple[str, ...], str]:
    path = data / "anthropic-constitution-2026" / "claude-constitution.md"
    spec, warnings = prose.load(path, version="2026-01-21")
    return spec, warnings, path.read_text(encoding="utf-8")


Published = tuple[Spec, tuple[str, ...], str]


def test_the_constitution_of_2026_has_seven_hard_constraints(constitution: Published) -> None:
    spec, _, _ = constitution
    hard = [clause for clause in spec.clauses if clause.bright_line]
    assert [clause.source.line for clause in hard] == list(range(427, 434))
    assert {(c.kind, c.modality, c.polarity, c.level) for c in hard} == {
        (Kind.RULE, Modality.MUST, Polarity.FORBID, Level.MODEL)
    }
    assert {c.source.path[-1] for c in hard} == {"Hard constraints"}


def test_the_constitution_of_2026_has_four_priorities_once(constitution: Published) -> None:
    spec, warnings, _ = constitution
    assert [(c.priority, c.source.line) for c in spec.clauses if c.priority] == [
        (1, 74),
        (2, 75),
        (3, 76),
        (4, 77),
    ]
    assert says(warnings, "line 29", "priorities repeats the one in line 74")


def test_the_constitution_of_2026_has_four_lists_of_instructable_behaviours(constitution: Published) -> None:
    spec, _, _ = constitution
    found = Counter(
        (c.default.value, c.attributes["switched_by"]) for c in spec.clauses if c.kind is Kind.DEFAULT
    )
    assert found == {("on", "operator"): 3, ("off", "operator"): 4, ("on", "user"): 3, ("off", "user"): 3}
    assert {c.section for c in spec.clauses if c.kind is Kind.DEFAULT} == {"instructable-behaviors"}
    assert len(spec.clauses) == 24


def test_preface_summary_and_acknowledgements_of_2026_are_excluded(constitution: Published) -> None:
    spec, warnings, _ = constitution
    excluded = [section.source.line for section in spec.sections if section.excluded]
    assert excluded == [1, 25, 722]
    assert sum("excluded" in warning for warning in warnings) == 3
    lines = [c.source.line or 0 for c in (*spec.clauses, *spec.candidates)]
    assert min(lines) > 46 and max(lines) < 722


def test_the_rest_of_2026_is_candidates_each_in_its_place(constitution: Published) -> None:
    spec, warnings, source = constitution
    assert 200 < len(spec.candidates) < 400
    assert (
        len({c.id for c in spec.candidates})
        == len({c.text_digest for c in spec.candidates})
        == len(spec.candidates)
    )
    assert not any(c.bright_line or c.priority or c.default is not Default.NONE for c in spec.candidates)
    for clause in (*spec.clauses, *spec.candidates):
        start, end = clause.source.start, clause.source.end
        assert start is not None and end is not None
        assert clause.text.endswith(" ".join(source[start:end].split()))
        assert source.count("\n", 0, start) + 1 == clause.source.line
    assert says(warnings, "2 paragraphs wholly in bold", "453, 480")


def test_headings_of_2026_are_the_counted_ones_and_no_line_is_lost(constitution: Published) -> None:
    spec, _, source = constitution
    assert counts(spec)["headings_by_level"] == {"1": 1, "2": 9, "3": 22, "4": 8}
    assert spec.origin.licence == "CC0-1.0"
    assert lost(spec, source) == []
    assert native.parse(native.dump(spec)) == spec


def test_forms_are_told_apart(data: Path) -> None:
    assert detect(data / "anthropic-constitution-2026" / "claude-constitution.md") == "prose"
    assert detect(data / "openai-model-spec" / "2025-10-27.md") == "openai-model-spec"


# --- whatever is thrown at it


PIECES = (
    *(
        "# ",
        "## ",
        "### Hard constraints\n",
        "\n",
        "\n\n",
        "- ",
        "* ",
        "  - ",
        "1. ",
        "2) ",
        "**",
        "**Bold**\n\n",
    ),
    *(
        "Robin should sing. ",
        "It must never bite",
        ": ",
        ". ",
        "? ",
        "Should it? ",
        "We want Robin to ",
        "by default ",
    ),
    *(
        "default behaviors that guests can turn off",
        "non-default ",
        "in the order of priority:",
        "bright lines",
    ),
    *(
        "The preface is not part of this document. ",
        "# Summary\n",
        "[a](#a)\n",
        "---\n",
        "===\n",
        "```\n",
        "{#a}",
    ),
    *("\u200f", "א", "\x0b", "\u2028", "<b>", "|", "x" * 200, "\t", "&amp;", "e.g. ", "’"),
)


def test_any_mix_of_pieces_is_read_or_refused(tmp_path: Path) -> None:
    """Seeded; whatever is read survives being written and read again, and loses no line."""
    random_ = random.Random(4)
    path = tmp_path / "a.md"
    read = 0
    for _ in range(300):
        text = "# T\n\n" + "".join(random_.choices(PIECES, k=random_.randint(1, 60)))
        path.write_text(text, encoding="utf-8", newline="")
        try:
            spec, _ = prose.load(path, version=None)
        except BadInput:
            continue
        read += 1
        assert native.parse(native.dump(spec)) == spec
        for clause in (*spec.clauses, *spec.candidates):
            assert clause.source.start is not None and text[clause.source.start : clause.source.end].strip()
    assert read > 50


@pytest.mark.parametrize(
    "piece",
    [
        "should ",
        "a'",
        "Robin should ",
        "We want " + "A" * 50,
        "- should\n",
        "1. never in order of priority:\n",
        "(",
        "**a** ",
        "should never\n\n",
        "# Summary\n",
        "is not part of this document, and ",
        "[a](#a)\n",
        "by a ",
        "should" + "a" * 20,
    ],
)
def test_a_hundred_kilobytes_of_anything_are_no_trap(tmp_path: Path, piece: str) -> None:
    path = tmp_path / "a.md"
    path.write_text("# T\n\n" + piece * (60_000 // len(piece)))
    try:
        prose.load(path, version=None)
    except BadInput as error:
        assert len(str(error)) < 1000
