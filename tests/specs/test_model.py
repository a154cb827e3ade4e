"""The types of a spec: what they refuse, and what identifies a text."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from govaudit.specs import native
from govaudit.specs.model import Clause, Comparison, Control, Example, OwnProbe, Section, Spec, schema

SPECS = Path(__file__).resolve().parents[2] / "specs"


def spec(**changes: object) -> Spec:
    return Spec.model_validate(
        {"id": "x", "version": "1", "clauses": [{"id": "a", "text": "Be kind."}], **changes}
    )


def test_the_schema_file_is_the_schema_of_the_types() -> None:
    assert json.loads((SPECS / "schema.json").read_text(encoding="utf-8")) == schema()


def test_the_shipped_specs_hold_to_the_schema() -> None:
    validator = jsonschema.Draft202012Validator(schema())
    for path in sorted({*SPECS.glob("*.yaml")} - {SPECS / "mapping.yaml"}):
        data = native.load(path).model_dump(mode="json", exclude_defaults=True)
        assert not list(validator.iter_errors({"schema_version": "1.0", **data})), path.name


def test_the_version_label_does_not_identify_a_text() -> None:
    assert spec(version="1").digest == spec(version="2").digest
    assert spec().digest != spec(clauses=[{"id": "a", "text": "Be kind"}]).digest


def test_a_reworded_clause_has_another_text_digest_and_a_retitled_one_has_not() -> None:
    clause = Clause(id="a", text="Be kind.")
    assert clause.text_digest == Clause(id="a", text="Be kind.", title="Kindness").text_digest
    assert clause.text_digest != Clause(id="a", text="Be kind!").text_digest


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"clauses": []}, "'clauses' is empty"),
        ({"clauses": [{"id": "a", "text": "x"}, {"id": "a", "text": "y"}]}, "'a' is given twice"),
        ({"sections": [{"id": "a", "title": "A", "depth": 1}]}, "'a' is given twice"),
        ({"clauses": [{"id": "a", "text": "x", "authority": "root"}]}, "unknown authority 'root'"),
        ({"authority": ["root", "user", "root"]}, "names 'root' twice"),
        ({"clauses": [{"id": "a", "text": "x", "section": "s"}]}, "no section 's'"),
        ({"sections": [{"id": "s", "title": "S", "depth": 1, "parent": "t"}]}, "no section 't'"),
        ({"sections": [{"id": "s", "title": "S", "depth": 1, "parent": "s"}]}, "stands in itself"),
        ({"titel": "x"}, "Extra inputs"),
        ({"schema_version": "2.0"}, "Input should be '1.0'"),
    ],
)
def test_a_spec_whose_references_do_not_hold_is_refused(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        spec(**changes)


def test_sections_that_stand_in_one_another_are_refused() -> None:
    ring = [Section(id=i, title=i, depth=1, parent=p) for i, p in (("a1", "b1"), ("b1", "c1"), ("c1", "a1"))]
    with pytest.raises(ValidationError, match="stands in itself"):
        spec(sections=[section.model_dump() for section in ring])


def test_a_comparison_stands_after_turns_that_exist() -> None:
    comparison = Comparison.model_validate({"after": 1, "answers": [{"label": "good", "content": "x"}]})
    with pytest.raises(ValidationError, match="only 0 turns"):
        Example(title="t", comparisons=(comparison,))


def test_a_probe_is_given_in_one_form() -> None:
    assert OwnProbe(prompt="hello").messages[0].content == "hello"
    for broken in ({}, {"prompt": "x", "turns": [{"role": "user", "content": "x"}]}):
        with pytest.raises(ValidationError, match="either prompt or turns"):
            OwnProbe.model_validate(broken)


def test_a_control_needs_patterns_that_can_be_searched() -> None:
    assert Control(prompt="2 + 2?", accept=(r"\b4\b",))
    with pytest.raises(ValidationError, match="no regular expression"):
        Control(prompt="2 + 2?", accept=("(4",))
    with pytest.raises(ValidationError):
        Control(prompt="2 + 2?", accept=())


def test_a_clause_is_found_by_id_and_knows_its_section() -> None:
    found = spec(
        sections=[{"id": "s", "title": "Being kind", "depth": 1}],
        clauses=[{"id": "a", "text": "x", "section": "s"}, {"id": "b", "text": "y"}],
    )
    assert found.section_title(found.clause("a")) == "Being kind"
    assert found.section_title(found.clause("b")) == ""
    with pytest.raises(KeyError):
        found.clause("c")
