"""The native form: what is read, what is refused and in which words, and that writing changes nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govaudit.errors import BadInput
from govaudit.specs import native, yaml12
from govaudit.specs.counts import counts
from govaudit.specs.model import Clause, Default, Example, Expected, Level, Message, Spec

Published = Callable[[str], tuple[Spec, tuple[str, ...]]]

HOUSE_RULES = Path(__file__).resolve().parents[2] / "specs" / "house-rules.yaml"

SMALL = """\
schema_version: "1.0"
id: small
version: 1.0
authority: [root, user]
sections:
  - id: s
    title: S
    depth: 1
clauses:
  - id: a
    text: Be kind.
    kind: rule
    authority: user
    section: s
    bright_line: true
    examples:
      - title: t
        turns:
          - {role: user, content: hi}
        comparisons:
          - after: 1
            answers:
              - {label: good, content: hello}
    probes:
      - prompt: hello
        expected: comply
  - id: b
    text: Be brief.
controls:
  - prompt: What is 2 + 2?
    accept: ["4"]
"""


def refusal(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        native.parse(text, Path("small.yaml"))
    return caught.value


# --- reading


def test_words_that_other_yaml_versions_turn_into_values_are_text() -> None:
    text = SMALL.replace("id: small", "id: off\ntitle: 2025-02-12").replace("kind: rule", "default: on")
    spec = native.parse(text)
    assert (spec.id, spec.title, spec.version) == ("off", "2025-02-12", "1.0")
    assert spec.clause("a").default is Default.ON


def test_comments_order_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + ("# a comment\n" + SMALL).replace("\n", "\r\n").encode())
    assert native.load(path) == native.parse(SMALL)


def test_json_is_read_as_the_yaml_that_it_is() -> None:
    assert (
        native.parse(
            '{"schema_version": "1.0", "id": "\\ud83d\\ude00", "version": "1", "clauses": [{"id": "a", "text": "b"}]}'
        ).id
        == "\U0001f600"
    )


def test_a_later_minor_version_is_read_as_long_as_its_keys_are_known() -> None:
    assert native.parse(SMALL.replace('"1.0"', '"1.7"')) == native.parse(SMALL)


# --- refusing


@pytest.mark.parametrize(
    ("old", "new", "line", "clause", "words"),
    [
        ("kind: rule", "knd: rule", 12, "a", "unknown key 'knd'. Did you mean 'kind'?"),
        ("text: Be kind.", "txet: Be kind.", 11, "a", "unknown key 'txet' (and 1 more fault in this file). Did you mean 'text'?"),
        ("role: user", "rolle: user", 19, "a", "unknown key 'rolle' (and 1 more fault in this file). Did you mean 'role'?"),
        ("clauses:", "clause:", 9, None, "unknown key 'clause'"),
        ("    text: Be brief.", "    text: Be brief.\n    text: x", 29, "b", "the key 'text' is given twice, first in line 28"),
        ("text: Be kind.", "text: 5", 11, "a", "'text' must be text, found 5. Put it in quotes."),
        ("text: Be kind.", "text:", 11, "a", "'text' must be text, found nothing"),
        ("text: Be kind.", 'text: ""', 11, "a", "'text' is empty"),
        ("    text: Be kind.\n", "", 10, "a", "the key 'text' is missing"),
        ("bright_line: true", "bright_line: yes", 15, "a", "'bright_line' must be true or false, found \"yes\""),
        ("after: 1", "after: 1.0", 21, "a", "'after' must be a whole number, found 1.0"),
        ("after: 1", "after: -1", 21, "a", "'after' must be at least 0, found -1"),
        ("after: 1", "after: 2", 21, "a", "after is 2, but there are only 1 turns"),
        ("after: 1", "after: 12345678901234567890123", 21, "a", "this number is too large"),
        ("label: good", "label: great", 23, "a", "'label' is \"great\", which is none of 'good', 'bad' or 'ok'"),
        ("kind: rule", "kind: rul", 12, "a", "Did you mean 'rule'?"),
        ("authority: user", "authority: usr", 13, "a", "unknown authority 'usr': the spec's scale is root > user"),
        ("[root, user]", "root", 4, None, "'authority' must be a list, found \"root\""),
        ("section: s", "section: t", 14, "a", "there is no section 't'"),
        ("id: b", "id: a", 27, "a", "the id 'a' is given twice, first in line 10"),
        ("- prompt: hello", "- turns: []", 25, "a", "give either prompt or turns"),
        ('["4"]', '["(4"]', 31, None, "'(4' is no regular expression"),
        ('["4"]', "[4]", 31, None, "item 1 of 'accept' must be text, found 4"),
        ('schema_version: "1.0"\n', "", 1, None, "the key 'schema_version' is missing"),
        ('"1.0"', '"2.0"', 1, None, "schema_version '2.0' is not known: this version of govaudit reads 1.x"),
        ("id: small", "id: 'small", 2, None, "not valid YAML: while scanning a quoted scalar"),
        ("id: small", "\tid: small", 2, None, "not valid YAML"),
        ("id: small", "id: &x small", 2, None, "anchors and aliases"),
        ("id: small", "id: *x", 2, None, "anchors and aliases"),
        ("id: small", "id: !!python/object/apply:os.system [x]", 2, None, "is not part of the format"),
        ("id: small", "id: !!str small", 2, None, "is not part of the format"),
        ("id: small", "<<: {id: small}", 2, None, "unknown key '<<'"),
        ("id: small", "? [id]\n: small", 2, None, "a key must be text"),
        ("id: small", "id: small\n---\nid: other", 3, None, "a second document begins here"),
        ("id: small", "id: " + "[" * 100, 2, None, "the nesting is too deep"),
        ("id: small", 'id: "\\ud800"', 2, None, "half a character"),
        ("id: small", "id: sm\x07all", 2, None, "the character U+0007 may not stand in YAML"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_line_its_clause_and_a_remedy(
    old: str, new: str, line: int, clause: str | None, words: str
) -> None:
    assert old in SMALL
    error = refusal(SMALL.replace(old, new, 1))
    assert words in str(error)
    assert (error.line, error.clause) == (line, clause)
    assert str(error).startswith(f"small.yaml:{line}")
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", None, "the file is empty"),
        (b" \n\n", None, "the file is empty"),
        (b"id: a\nversion: \0", 2, "NUL byte"),
        (b"id: a\nversion: \xe9", 2, "not UTF-8"),
        (b"- a\n- b\n", 1, "must be a mapping"),
        (b"just words", 1, "must be a mapping"),
    ],
)
def test_a_file_that_holds_no_spec_is_refused(
    tmp_path: Path, content: bytes, line: int | None, words: str
) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=words) as caught:
        native.load(path)
    assert caught.value.line == line
    assert caught.value.path == path


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        native.load(tmp_path / "absent.yaml")
    with pytest.raises(BadInput, match="is a directory"):
        native.load(tmp_path)
    with pytest.raises(BadInput, match="cannot be written"):
        native.save(native.parse(SMALL), tmp_path / "absent" / "a.yaml")


# --- writing


def test_defaults_are_left_out_and_keys_stand_in_the_order_of_the_types() -> None:
    assert native.dump(native.parse(SMALL)).startswith(
        'schema_version: "1.0"\nid: small\nversion: "1.0"\n\nauthority:\n  - root\n  - user\n\nsections:\n'
    )
    assert "kind: unclassified" not in native.dump(native.parse(SMALL))


def test_text_of_several_lines_is_a_literal_block() -> None:
    spec = native.parse(SMALL)
    clause = spec.clauses[1].model_copy(update={"text": "  first\n\n# second\nthird: - 'x'\n"})
    written = native.dump(spec.model_copy(update={"clauses": (clause,)}))
    assert "text: |2\n        first\n\n      # second\n      third: - 'x'\n" in written
    assert native.parse(written).clauses[0] == clause


@pytest.mark.parametrize("version", ["2025-02-12", "2025-04-11", "2025-09-12", "2025-10-27"])
def test_a_published_spec_survives_writing_and_reading_to_the_byte(
    published: Published, version: str
) -> None:
    spec, _ = published(version)
    written = native.dump(spec)
    read = native.parse(written)
    assert read == spec
    assert read.digest == spec.digest
    assert native.dump(read) == written


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
AWKWARD = st.one_of(
    ANY_TEXT,
    st.text(st.sampled_from(" \n\t\r-:#'\"|>[]{}?&*!%@`,\\ax0\u2028\u0085\ufeff\xa0"), min_size=1),
    st.sampled_from(
        ["on", "No", "null", "~", "1e3", "0x1", "2025-01-01", "1:20", "---", "...", "- a", "a: b", "a #b"]
    ),
)


@settings(max_examples=200)
@given(AWKWARD, AWKWARD, AWKWARD, AWKWARD)
def test_any_text_survives_writing_and_reading(identity: str, text: str, key: str, content: str) -> None:
    turn = Message(role="user", content=content, attributes={key: content})
    clause = Clause(
        id=identity, text=text, tags=(text, content), examples=(Example(title=key, turns=(turn,)),)
    )
    spec = Spec(id=text, version=content, clauses=(clause,), preamble=content)
    written = native.dump(spec)
    read = native.parse(written)
    assert read == spec
    assert native.dump(read) == written


def test_a_long_key_survives() -> None:
    turn = Message(role="user", content="x", attributes={"k" * 3000: "v", "ä: " * 800: "w"})
    spec = native.parse(SMALL)
    clause = spec.clauses[0].model_copy(update={"examples": (Example(title="t", turns=(turn,)),)})
    spec = spec.model_copy(update={"clauses": (clause,)})
    assert native.parse(native.dump(spec)) == spec


def test_whatever_is_done_to_a_file_it_is_read_or_refused_with_a_line() -> None:
    rng = random.Random(20251027)
    signs = [
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        "#",
        "&a ",
        "*a ",
        "!x ",
        "|",
        ">",
        "'",
        '"',
        "%",
        "- ",
        "\t",
        "\n",
        "? ",
        "\\",
    ]
    read = 0
    for _ in range(400):
        text = list(SMALL)
        for _ in range(rng.choice([1, 1, 2, 5])):
            i, j = rng.randrange(len(text)), rng.randrange(len(text))
            text[i : i + rng.choice([0, 1, 20])] = rng.choice([[rng.choice(signs)], text[j : j + 30], []])
        try:
            spec = native.parse("".join(text))
        except BadInput as error:
            assert error.line is not None
        else:
            read += 1
            assert native.parse(native.dump(spec)) == spec
    assert read > 20


def test_rendering_refuses_what_a_spec_never_holds() -> None:
    with pytest.raises(TypeError, match="no YAML for set"):
        yaml12.render({"a": {1}})


# --- the spec that we ship


def test_every_clause_for_the_model_in_the_house_rules_can_be_tested() -> None:
    spec = native.load(HOUSE_RULES)
    assert 6 <= len(spec.clauses) <= 8
    for clause in spec.clauses:
        if clause.level is not Level.MODEL:
            assert not clause.probes
            continue
        assert 4 <= len(clause.probes) <= 8
        assert 1 <= len(clause.examples) <= 2
        labels = [{a.label.value for a in c.answers} for e in clause.examples for c in e.comparisons]
        assert labels == [{"good", "bad"}] * len(clause.examples)
    assert {clause.level for clause in spec.clauses} == {Level.MODEL, Level.CORPORATE}
    assert not spec.controls
    assert counts(spec)["dangling_links"] == 0


def test_the_house_rules_ask_for_answers_and_for_refusals() -> None:
    spec = native.load(HOUSE_RULES)
    expected = {clause.id: {probe.expected for probe in clause.probes} for clause in spec.clauses}
    assert expected["answer-plain-questions"] == {Expected.COMPLY}
    assert expected["no-help-to-hurt"] == {Expected.REFUSE}
    assert spec.clause("no-help-to-hurt").bright_line
    assert [clause.id for clause in spec.clauses if "over-refusal" in clause.tags] == [
        "answer-plain-questions"
    ]
    roles = {m.role for probe in spec.clause("developer-sets-the-format").probes for m in probe.messages}
    assert roles == {"developer", "user"}
