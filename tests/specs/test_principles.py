"""The importer of lists of principles. All texts here are made up for the tests."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from govaudit.errors import BadInput
from govaudit.specs import native, principles
from govaudit.specs.counts import counts
from govaudit.specs.model import Kind, Modality, Polarity, Spec

Import = Callable[..., tuple[Spec, tuple[str, ...]]]

CRITIQUE = "Point out where the assistant's last answer is rude about topic {n}."
REVISION = "Rewrite the answer so that nothing in it is rude about topic {n}."
CHOICE = "Which of these answers is kinder about topic {n}? Pick the kinder one."


def pairs(n: int, critique: str = "prompt", revision: str = "edit request") -> dict[str, dict[str, str]]:
    return {f"harmful{i}": {critique: CRITIQUE.format(n=i), revision: REVISION.format(n=i)} for i in range(n)}


@pytest.fixture
def imported(tmp_path: Path) -> Import:
    def run(content: Any, name: str = "list.json") -> tuple[Spec, tuple[str, ...]]:
        path = tmp_path / name
        path.write_text(
            content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8"
        )
        spec, warnings = principles.load(path, version="test")
        assert native.parse(native.dump(spec)) == spec
        return spec, warnings

    return run


def roles(spec: Spec) -> dict[str, int]:
    return dict(counts(spec)["by_role"])


def says(warnings: tuple[str, ...], *words: str) -> bool:
    return any(all(word in warning for word in words) for warning in warnings)


# --- JSON


def test_sixteen_pairs_by_key_are_sixteen_critique_principles(imported: Import) -> None:
    """The form of the critique and revision instructions published with Bai et al. 2022 (arXiv 2212.08073)."""
    spec, warnings = imported(pairs(16))
    assert warnings == ()
    assert roles(spec) == {"critique": 16}
    assert [clause.id for clause in spec.clauses] == [f"harmful{i}" for i in range(16)]
    third = spec.clauses[3]
    assert (third.text, third.revision_request) == (CRITIQUE.format(n=3), REVISION.format(n=3))
    assert (third.kind, third.modality, third.polarity) == (Kind.PRINCIPLE, Modality.NONE, Polarity.NONE)
    assert (third.source.anchor, third.source.line) == ("harmful3", 14)


def test_sixteen_texts_that_compare_are_sixteen_feedback_principles(imported: Import) -> None:
    spec, warnings = imported([CHOICE.format(n=i) for i in range(16)])
    assert warnings == ()
    assert roles(spec) == {"feedback": 16}
    assert {clause.kind for clause in spec.clauses} == {Kind.PRINCIPLE}
    assert [clause.id for clause in spec.clauses][:2] == ["principle-1", "principle-2"]
    assert [clause.source.line for clause in spec.clauses][:2] == [2, 3]


@pytest.mark.parametrize(
    ("critique", "revision"),
    [
        ("prompt", "edit request"),
        ("critique", "revision"),
        ("critique_request", "revision_request"),
        ("CritiqueRequest", "RevisionRequest"),
        ("critic", "revision"),
        ("principle", "edit"),
    ],
)
def test_names_of_the_two_keys_vary(imported: Import, critique: str, revision: str) -> None:
    by_key, _ = imported(pairs(3, critique, revision))
    listed, _ = imported(list(pairs(3, critique, revision).values()))
    for spec in (by_key, listed):
        assert roles(spec) == {"critique": 3}
        assert [clause.revision_request for clause in spec.clauses] == [
            REVISION.format(n=i) for i in range(3)
        ]


def test_two_element_lists_are_pairs(imported: Import) -> None:
    texts = [[CRITIQUE.format(n=i), REVISION.format(n=i)] for i in range(3)]
    spec, _ = imported(texts)
    assert roles(spec) == {"critique": 3}
    assert spec.clauses[1].revision_request == REVISION.format(n=1)
    assert [clause.source.line for clause in spec.clauses] == [2, 6, 10]


def test_lists_under_keys_are_groups_with_words_beside_them(imported: Import) -> None:
    spec, warnings = imported(
        {
            "name": "Made up",
            "licence": "ours",
            "critique": list(pairs(2).values()),
            "feedback": [CHOICE.format(n=1), CHOICE.format(n=2), CHOICE.format(n=3)],
        }
    )
    assert (spec.title, spec.preamble) == ("Made up", "licence: ours")
    assert roles(spec) == {"critique": 2, "feedback": 3}
    assert counts(spec)["by_section"] == {"critique": 2, "feedback": 3}
    assert [clause.id for clause in spec.clauses] == [
        "critique-1",
        "critique-2",
        "feedback-1",
        "feedback-2",
        "feedback-3",
    ]
    assert says(warnings, "line 3", "1 words beside the lists", "kept as preamble")


def test_a_wrapper_is_no_group_and_what_else_it_wraps_is_named(imported: Import) -> None:
    chat = [[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]]
    spec, warnings = imported(
        {"constitutions": list(pairs(2, "critic", "revision").values()), "system_chat": chat}
    )
    assert (roles(spec), spec.sections) == ({"critique": 2}, ())
    assert says(warnings, "1 lists hold no principles and are left out: 'system_chat'")


def test_an_object_says_more_about_its_principle(imported: Import) -> None:
    spec, warnings = imported(
        [
            {
                "id": "kind",
                "principle": "Be kind to those who are not.",
                "role": "feedback",
                "source": "a vote",
                "tags": ["tone"],
                "title": "Kindness",
                "weight": 3,
            }
        ]
    )
    clause = spec.clauses[0]
    assert (clause.id, clause.title, clause.role, clause.provenance) == (
        "kind",
        "Kindness",
        "feedback",
        "a vote",
    )
    assert (clause.tags, clause.attributes) == (("tone",), {"weight": "3"})
    assert says(warnings, "the key 'weight' of 1 entries is kept without a meaning")


def test_what_does_not_say_its_use_has_no_role_and_a_warning(imported: Import) -> None:
    spec, warnings = imported(["Be kind to people.", "Do not mock people.", CHOICE.format(n=1)])
    assert [clause.role for clause in spec.clauses] == [None, None, "feedback"]
    assert [clause.kind for clause in spec.clauses] == [Kind.PRINCIPLE] * 3
    assert says(warnings, "line 2", "2 do not say whether they criticise or compare", "lines 2, 3")


def test_a_few_that_do_not_say_it_follow_all_the_others(imported: Import) -> None:
    spec, warnings = imported([*(CHOICE.format(n=i) for i in range(4)), "The kinder, the better."])
    assert roles(spec) == {"feedback": 5}
    assert says(warnings, "line 6", "all the others are for feedback")


def test_what_is_no_statement_is_unclassified(imported: Import) -> None:
    spec, warnings = imported(["Be kind to people.", "Sources", "https://example.org/a list"])
    assert [clause.kind for clause in spec.clauses] == [Kind.PRINCIPLE, Kind.UNCLASSIFIED, Kind.UNCLASSIFIED]
    assert says(warnings, "2 entries do not read as a statement")


def test_the_same_words_twice_are_named(imported: Import) -> None:
    spec, warnings = imported([CHOICE, CHOICE])
    assert len({clause.id for clause in spec.clauses}) == 2
    assert says(warnings, "line 3", "words of an earlier one")


def test_doubts_are_bounded_in_number(imported: Import) -> None:
    entries = [{"critique": f"Say what is rude about {i}.", f"k{i}{{n}}" + "x" * 99: 1} for i in range(300)]
    _, warnings = imported(entries)
    assert len(warnings) < 15
    assert all(len(warning) < 300 for warning in warnings)
    assert says(warnings, "300 critique requests have no revision request")
    assert says(warnings, "292 more keys are kept without a meaning")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{"a": {"critique": "x y",\n "revision" "z"}}', 2, "this is not JSON"),
        ('{"a": "b c",\n "a": "d e"}', 2, "'a' is given twice, first in line 1"),
        ('{"a": {"prompt": "b",\n "prompt": "c"}}', 1, "'prompt' is given twice"),
        ('["a b"\n "c d"]', 2, "a comma or the closing bracket is missing"),
        ('["a b",\n]', 2, "a comma stands before the closing bracket"),
        ('["a b"]\n["c d"]', 2, "something follows the end"),
        ('["a b",\n"c', 2, "this is not JSON"),
        ('{"a": ["x y", "z"],\n', 2, "this is not JSON"),
        ('{"a" "b"}', 1, "a key in quotes and a colon"),
        ("[]", 1, "holds no principle"),
        ("{}", 1, "holds no principle"),
        ('["a b",\n 5]', 2, "entry 2 is 5, which is no principle"),
        ('["a b",\n ["c", "d", "e"]]', 2, "entry 2 is a list, but not one of two texts"),
        ('["a b",\n ""]', 2, "entry 2 is empty"),
        ('[{"critique": "a", "revision": 5}]', 1, "entry 1 is empty or holds no text"),
        (
            '[{"revision": "a"}]',
            1,
            "entry 1 holds no critique or principle; its keys: none besides the revision",
        ),
        ('[{"colour": "red"}]', 1, "entry 1 holds no critique or principle; its keys: colour"),
        ('{"k": {"critique": " ", "revision": "a"}}', 1, "the entry 'k' is empty"),
        ('["a \\ud800 b"]', 1, "half a character"),
        ('["a b", NaN]', 1, "NaN is no number"),
        ("[" * 100_000, 1, "too deep"),
        ('{"a": 1' + "0" * 5000 + "}", 1, "cannot be read"),
    ],
)
def test_json_that_is_no_list_of_principles_is_refused_with_the_line(
    imported: Import, text: str, line: int, words: str
) -> None:
    with pytest.raises(BadInput) as caught:
        imported(text)
    assert words in caught.value.problem
    assert caught.value.line == line


def test_two_comparisons_are_no_pair(imported: Import) -> None:
    with pytest.raises(BadInput, match=r"two comparisons of answers.*entry of its own"):
        imported([[CHOICE.format(n=1), CHOICE.format(n=2)]])


# --- markdown and plain text


GROUPED = """\
# Made-up principles

Some words before the lists.

## Kindness

1. Choose the answer that is kinder.
2. Choose the answer that mocks nobody,
   not even in jest.

A word between.

- Please pick the response that listens.

## Honesty ##

* Which reply is more truthful? Choose it.
  * also in small things
* Criticise the assistant's answer for what it hides.

Other
-----

**Oddities**

- Small matters:
  - Choose the shorter answer.
  - Choose the calmer answer.
- Choose the plainer answer.
"""


def test_grouped_lists_are_clauses_of_the_nearest_heading(imported: Import) -> None:
    spec, warnings = imported(GROUPED, "list.md")
    assert counts(spec)["by_section"] == {"Kindness": 3, "Honesty": 2, "Small matters": 2, "Oddities": 1}
    assert roles(spec) == {"feedback": 7, "critique": 1}
    assert [clause.id for clause in spec.clauses] == [
        "kindness-1",
        "kindness-2",
        "kindness-3",
        "honesty-1",
        "honesty-2",
        "small-matters-1",
        "small-matters-2",
        "oddities-1",
    ]
    assert spec.clauses[1].text == "Choose the answer that mocks nobody, not even in jest."
    assert spec.clauses[3].text == "Which reply is more truthful? Choose it.\n- also in small things"
    assert spec.clauses[5].source.path == ("Made-up principles", "Other", "Oddities", "Small matters")
    assert spec.clauses[0].provenance == "Kindness"
    assert (spec.title, spec.id) == ("Made-up principles", "made-up-principles")
    assert spec.sections[0].text == "Some words before the lists."
    assert spec.sections[1].text == "A word between."
    assert warnings == ("line 24: 1 lines wholly in bold are read as headings",)


def test_every_principle_says_where_it_stands(imported: Import) -> None:
    spec, _ = imported(GROUPED, "list.md")
    for clause in spec.clauses:
        assert clause.source.start is not None and clause.source.end is not None
        words = GROUPED[clause.source.start : clause.source.end].replace("*", "-").split()
        assert words == clause.text.split()
        assert GROUPED.count("\n", 0, clause.source.start) + 1 == clause.source.line


def test_fifty_eight_principles_in_six_groups(imported: Import) -> None:
    """The shape of the list of May 2023: 58 comparisons in 6 groups."""
    sizes = [20, 4, 11, 3, 10, 10]
    text = "\n\n".join(
        f"### Group {g}\n" + "\n".join(f"{i + 1}. {CHOICE.format(n=100 * g + i)}" for i in range(size))
        for g, size in enumerate(sizes)
    )
    spec, warnings = imported(text, "list.md")
    assert warnings == ()
    assert counts(spec)["by_section"] == {f"Group {g}": size for g, size in enumerate(sizes)}
    assert roles(spec) == {"feedback": 58}


@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_plain_lines_are_principles(imported: Import, gap: str) -> None:
    spec, warnings = imported(gap.join(CHOICE.format(n=i) for i in range(16)) + "\n", "list.txt")
    assert warnings == ()
    assert roles(spec) == {"feedback": 16}
    assert [clause.id for clause in spec.clauses][-1] == "principle-16"
    assert counts(spec)["by_section"] == {"": 16}


def test_a_wrapped_paragraph_is_one_principle(imported: Import) -> None:
    spec, _ = imported(
        "Choose the answer\nthat is kinder.\n\nChoose the answer\nthat is calmer.\n", "list.txt"
    )
    assert [clause.text for clause in spec.clauses] == [
        "Choose the answer that is kinder.",
        "Choose the answer that is calmer.",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "CritiqueRequest: Say what is rude.\n\nRevisionRequest: Make it\nkind.\n",
        "- Critique request: Say what is rude.\n- Revision request: Make it kind.\n",
        "1. **Rudeness**\n   - Critique: Say what is rude.\n   - Revision: Make it kind.\n",
        "## Rudeness\n\n**Critique**: Say what is rude.\n**Revision**: Make it kind.\n",
    ],
)
def test_labels_make_pairs(imported: Import, text: str) -> None:
    spec, _ = imported(text, "list.md")
    assert [(c.role, c.text, c.revision_request) for c in spec.clauses] == [
        ("critique", "Say what is rude.", "Make it kind.")
    ]


def test_a_revision_without_its_critique_is_refused(imported: Import) -> None:
    with pytest.raises(BadInput, match="without its critique") as caught:
        imported("- Critique: a b\n- Revision: c d\n- Revision: e f\n", "list.md")
    assert caught.value.line == 3


def test_headings_tell_the_role_where_the_wording_does_not(imported: Import) -> None:
    spec, warnings = imported("# Critique\n- Never be rude.\n# Comparison\n- Never be cruel.\n", "list.md")
    assert ([c.role for c in spec.clauses], warnings) == (["critique", "feedback"], ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# A constitution\n\nWe hope that it goes well.\n", "0 of 1 lines read as a principle"),
        (
            "# Things\n\n" + "Prose goes on and on. " * 20 + "\n\n- one\n- two\n",
            "0 of 2 items read as a principle, and 100",
        ),
        ("# Only a heading\n", "there is no list"),
    ],
)
def test_prose_is_refused_with_the_reason(imported: Import, text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        imported(text, "list.md")


def test_the_constitution_in_prose_is_no_list(data: Path) -> None:
    path = data / "anthropic-constitution-2026" / "claude-constitution.md"
    assert not principles.is_list(path.read_text(encoding="utf-8"))
    with pytest.raises(BadInput, match="--format prose"):
        principles.load(path, version="x")


def test_without_a_version_the_digest_names_it(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(CHOICE + "\n" + CHOICE.format(n=2))
    spec, warnings = principles.load(path, version=None)
    assert spec.version == f"unversioned+{spec.digest[:8]}"
    assert says(warnings, "does not state its version")
    assert (spec.origin.format, len(spec.origin.digest or "")) == ("principles", 64)


# --- nothing is lost, nothing is slow


def kept_words(spec: Spec) -> str:
    parts = [spec.preamble, spec.title]
    for section in spec.sections:
        parts += [section.title, section.text]
    for clause in spec.clauses:
        parts += [clause.title, clause.text, clause.revision_request or "", *clause.attributes.values()]
    return " ".join(" ".join(parts).split())


def test_no_line_of_a_list_is_lost(imported: Import) -> None:
    spec, _ = imported(GROUPED, "list.md")
    kept = kept_words(spec)
    for line in GROUPED.split("\n"):
        words = line.strip(" #*-").removesuffix(":").split(". ", 1)[-1] if line.strip(" -") else ""
        assert words in kept, line


PIECES = [
    "[",
    "]",
    "{",
    "}",
    '"',
    ":",
    ",",
    "null",
    "1",
    "\n",
    " ",
    '"critique"',
    '"revision"',
    '"prompt"',
    '"a b"',
    "\\u",
    "# ",
    "- ",
    "1. ",
    "  - ",
    "**",
    "Critique: ",
    "Revision request: ",
    "Choose the answer.",
    "```",
    "| ",
    "\ud7ff",
    "should",
    "\u200f",
    "א",
    "{#a}",
    "---",
    "===",
    "a" * 300,
]


def test_whatever_is_thrown_at_it_is_read_or_refused(tmp_path: Path) -> None:
    """Seeded: pieces of all the forms in random order."""
    random_ = random.Random(4)
    path = tmp_path / "a.txt"
    read = 0
    for _ in range(400):
        path.write_text("".join(random_.choices(PIECES, k=random_.randint(1, 40))) + "x", encoding="utf-8")
        try:
            spec, _ = principles.load(path, version=None)
        except BadInput:
            continue
        read += 1
        assert native.parse(native.dump(spec)) == spec
    assert read > 10


@pytest.mark.parametrize(
    "text",
    [
        "[" + ",".join(['"choose the answer"'] * 5_000) + "]",
        "{" + ",".join(f'"k{i}": []' for i in range(20_000)) + "}",
        "\n" * 100_000 + '["a b"',
        "Choose " * 50_000 + "the answer.",
        "- which " * 20_000,
        "- Choose the answer.\n" * 5_000,
        "Critique: a\nRevision: b\n" * 2_000,
    ],
    ids=range(7),
)
def test_large_files_are_no_trap(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    try:
        principles.load(path, version=None)
    except BadInput as error:
        assert len(str(error)) < 1000
