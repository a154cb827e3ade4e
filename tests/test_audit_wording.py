"""An audit of recorded arms with a list of phrases of one's own, from the command line's options to the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from govaudit import audit
from govaudit.cli import app
from govaudit.errors import BadInput
from govaudit.evals import items
from govaudit.plan import prepare
from govaudit.records import read_ratings
from govaudit.request import Request
from govaudit.scorers import phrase_list

CHECKOUT = Path(__file__).resolve().parent.parent
OWN = """schema_version: "1.0"
name: own
version: "1"
groups:
  ours:
    meaning: what we do not want to read
    phrases: [at your service]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wording")
    (folder / "own.yaml").write_text(OWN, encoding="utf-8")
    arms = {}
    for name in ("constant", "plain"):
        lines = []
        for number, item in enumerate(items.load(CHECKOUT / "evals" / "items" / "facts.jsonl")):
            told = " and ".join(phrase_list.expand(fact)[0][0] for fact in item.facts)
            text = "Always at your service, whatever you ask." if name == "constant" else f"{number} {told}"
            lines.append(json.dumps({"prompt": item.turns[0].content, "completion": text}))
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        arms[name] = {"model": f"recorded/{folder}/{name}.jsonl"}
    request = Request.model_validate(
        {
            "spec": "wording",
            "items": ("facts",),
            "clauses": ("takes-up-the-question",),
            "phrases": str(folder / "own.yaml"),
            "arms": arms,
            "limit": 30,
        }
    )
    audit.audit(prepare(request), folder / "run")
    return folder / "run"


def test_the_constant_arm_is_named_first_and_counted_by_the_list_given(run: Path) -> None:
    report = audit.report(run)
    assert report.boilerplate is not None and report.tone is not None
    constant, plain = report.boilerplate.arms
    assert (constant.answers_alike, plain.answers_alike) == (True, False)
    assert (constant.listed.value, plain.listed.value) == (1.0, 0.0)
    assert report.boilerplate.phrases == "own 1"
    text = (run / "report.md").read_text(encoding="utf-8")
    assert "constant answers every prompt alike" in text


def test_facts_are_counted_where_a_question_is_taken_up(run: Path) -> None:
    report = audit.report(run)
    assert report.tone is not None
    _, plain = report.tone.arms
    assert plain.engaged is not None and plain.engaged.value == 1.0
    assert plain.facts is not None and plain.facts.value is not None and plain.facts.value > 0.5
    told = [row for row in read_ratings(run / "ratings.parquet") if row.rater == "check:facts"]
    assert all(row.clause is None for row in told)


def test_the_list_is_kept_and_what_was_mined_can_be_given_to_another_run(run: Path) -> None:
    assert phrase_list.read(run / "phrases.yaml").name == "own"
    mined = phrase_list.read(run / "mined" / "constant.yaml")
    assert any("at your service" in line for line in mined.lines["mined"])
    assert "arm constant" in mined.made_from


def test_scrub_without_a_comparison_is_refused() -> None:
    done = CliRunner().invoke(app, ["audit", "wording", "--arm", "a=recorded/none.jsonl", "--scrub"])
    assert isinstance(done.exception, BadInput)
    assert "--compare" in str(done.exception)
