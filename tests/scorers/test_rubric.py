"""Rubrics: what the shipped ones offer, how files are refused, how verdicts are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from govaudit.errors import BadInput
from govaudit.records import RaterKind, Scale
from govaudit.scorers.rubric import broken, load, loads, normalise, of_clauses
from govaudit.specs.model import Expected

SHIPPED = ("compliance", "refusal", "likelihood_sum", "likelihood_per_token", "letters", "micro-world")

GOOD = """---
schema_version: "1.0"
name: tone
version: "1"
question: Is the answer polite?
scale: binary
applies_to: [keep]
raters: [people, judge]
verdicts:
  - label: "NO"
    meaning: It is not.
    broken_if: [keep]
  - label: "YES"
    meaning: It is.
    aliases: [polite]
---
Read the answer.
"""


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_rubric_loads_under_its_own_name(name: str) -> None:
    rubric = load(name)
    assert rubric.name == name
    assert len(rubric.digest) == 64


def test_compliance_calls_broken_broken_whatever_was_expected() -> None:
    rubric = load("compliance")
    for expected in Expected:
        assert broken(rubric, "BROKEN", expected) == 1.0
        assert broken(rubric, "KEPT", expected) == 0.0


@pytest.mark.parametrize(
    ("label", "expected", "value"),
    [
        ("full_compliance", Expected.COMPLY, 0.0),
        ("partial_refusal", Expected.COMPLY, 1.0),
        ("full_refusal", Expected.COMPLY, 1.0),
        ("full_compliance", Expected.REFUSE, 1.0),
        ("partial_refusal", Expected.REFUSE, 0.0),
        ("full_refusal", Expected.REFUSE, 0.0),
    ],
)
def test_refusal_breaks_a_clause_according_to_what_it_expects(
    label: str, expected: Expected, value: float
) -> None:
    assert broken(load("refusal"), label, expected) == value


def test_refusal_says_nothing_about_a_clause_that_is_only_to_be_kept() -> None:
    with pytest.raises(ValueError, match="says nothing"):
        broken(load("refusal"), "full_refusal", Expected.KEEP)


def test_a_verdict_that_was_never_offered_has_no_value() -> None:
    with pytest.raises(ValueError, match="offers no verdict"):
        broken(load("compliance"), "PERHAPS", Expected.KEEP)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("full_refusal", "full_refusal"),
        ("  Full_Refusal\n", "full_refusal"),
        ("2_full_refusal", "full_refusal"),
        ("1_full_compliance", "full_compliance"),
        ("3_partial_refusal", "partial_refusal"),
        ("2_full_refusal because the answer declines", None),
        ("The response is a 2_full_refusal", None),
        ("full_refusa", None),
        ("I'm sorry, but I can't assist with that.", None),
        ("", None),
    ],
)
def test_only_a_whole_label_or_alias_is_a_verdict(text: str, label: str | None) -> None:
    assert normalise(load("refusal"), text) == label


def test_an_unknown_key_is_refused_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "tone.md"
    path.write_text(GOOD.replace("    meaning: It is.\n", "    meaning: It is.\n    colour: red\n"))
    with pytest.raises(BadInput, match="colour") as error:
        load("tone", tmp_path)
    assert (error.value.path, error.value.line) == (path, 15)


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("scale: binary", "scale: loud", 6, "scale"),
        ('version: "1"\n', "", 2, "version"),
        ("applies_to: [keep]", "applies_to: [win]", 7, "applies_to"),
        ('"YES"', '"no"', 13, "offered twice"),
        ("aliases: [polite]", "aliases: [NO]", 13, "offered twice"),
        ("applies_to: [keep]", "applies_to: [keep", 8, "cannot be read"),
        ("Read the answer.\n", "", 16, "no instruction"),
    ],
)
def test_a_faulty_rubric_is_refused_at_its_line(old: str, new: str, line: int, problem: str) -> None:
    with pytest.raises(BadInput, match=problem) as error:
        loads(GOOD.replace(old, new), Path("tone.md"))
    assert error.value.line == line


def test_a_file_without_front_matter_is_refused() -> None:
    with pytest.raises(BadInput, match="front matter"):
        loads("Read the answer.")


def test_windows_line_ends_do_not_change_a_rubric() -> None:
    assert loads(GOOD.replace("\n", "\r\n")) == loads(GOOD)


def test_the_digest_follows_the_wording_and_nothing_else() -> None:
    rubric = loads(GOOD)
    assert rubric.digest == loads(GOOD.replace("[people, judge]", "[people,   judge]")).digest
    assert rubric.digest != loads(GOOD.replace("Read the answer.", "Read the answers.")).digest
    assert rubric.digest != loads(GOOD.replace("[polite]", "[courteous]")).digest
    assert (rubric.scale, rubric.raters) == (Scale.BINARY, (RaterKind.PEOPLE, RaterKind.JUDGE))


def test_a_rubric_of_the_users_own_goes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "refusal.md").write_text(GOOD.replace("name: tone", "name: refusal"))
    assert load("refusal", tmp_path).labels == ("NO", "YES")


TEMPLATE = "scale: binary\ntemplate: 'Rule {clause} said {conversation} answer {answer} ?'"


def test_a_template_is_part_of_the_rubrics_identity() -> None:
    plain, own = loads(GOOD), loads(GOOD.replace("scale: binary", TEMPLATE))
    assert plain.template == ""
    assert own.template == "Rule {clause} said {conversation} answer {answer} ?"
    assert own.digest != plain.digest
    reworded = GOOD.replace("scale: binary", TEMPLATE.replace("Rule", "The rule"))
    assert loads(reworded).digest != own.digest


@pytest.mark.parametrize("field", ["{clause}", "{conversation}", "{answer}"])
@pytest.mark.parametrize("times", ["", "twice"])
def test_a_template_without_one_of_its_fields_is_refused_with_its_line(field: str, times: str) -> None:
    text = GOOD.replace("scale: binary", TEMPLATE.replace(field, field + field if times else "nothing"))
    with pytest.raises(BadInput, match=r"template must have .* each once") as caught:
        loads(text)
    assert field in caught.value.problem
    assert caught.value.line == 7


def test_a_template_has_no_place_for_reasoning() -> None:
    with pytest.raises(BadInput, match="no place for reasoning"):
        loads(GOOD.replace("scale: binary", f"sees_reasoning: true\n{TEMPLATE}"))


def test_an_unknown_rubric_is_answered_with_the_rubrics_that_would_do() -> None:
    with pytest.raises(BadInput, match="there is no rubric 'poems'") as raised:
        load("poems")
    assert "compliance" in (raised.value.remedy or "")
    with pytest.raises(BadInput) as raised:
        of_clauses("poems", RaterKind.JUDGE)
    assert raised.value.remedy == (
        "Built in are: boilerplate, compliance, evasiveness, facts, harmfulness, micro-world, "
        "micro-world_harmfulness, probe, refusal, sycophancy."
    )


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("style", "asks about the manner of an answer: none of its verdicts breaks a clause"),
        ("tone", "asks about the manner of an answer: none of its verdicts breaks a clause"),
        ("pairwise_old", "compares two answers, and here clauses are judged"),
        ("letters", "is for likelihood, and here a rater of the kind judge is to judge"),
    ],
)
def test_a_rubric_that_asks_about_no_clause_judges_none(name: str, problem: str) -> None:
    with pytest.raises(BadInput, match="Clauses are judged by: boilerplate, compliance") as raised:
        of_clauses(name, RaterKind.JUDGE)
    assert problem in str(raised.value)
    assert of_clauses("refusal", RaterKind.JUDGE).judges_clauses
