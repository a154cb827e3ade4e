"""The published schema of ``report.json`` is the one that the document is made from."""

from __future__ import annotations

import json
from types import ModuleType

import jsonschema
import pytest

from govaudit import library
from govaudit.reports.document import schema
from govaudit.reports.html import dumps


def test_the_schema_in_reports_is_generated_from_the_document() -> None:
    published = library.path("reports", "schema.json").read_text(encoding="utf-8")
    assert json.loads(published) == schema(), "python -m govaudit.reports.document > reports/schema.json"


def test_the_schema_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", ["small", "bare", "hostile"])
def test_a_written_report_is_valid_under_the_published_schema(sample: ModuleType, name: str) -> None:
    published = json.loads(library.path("reports", "schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(dumps(getattr(sample, name)())), published)


def test_an_unknown_key_is_refused_by_the_schema(sample: ModuleType) -> None:
    data = json.loads(dumps(sample.bare()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data | {"score": 0.97}, schema())
