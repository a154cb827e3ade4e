"""The example in `reports/example/` is what an audit of recorded organism answers gives, file by file.

`GOVAUDIT_EXAMPLE=write pytest tests/test_example.py` writes it anew.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from govaudit import audit
from govaudit import request as requests
from govaudit.plan import prepare
from govaudit.reports import saving, wording
from govaudit.reports.html import dumps
from govaudit.reports.suites import suites_of

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
EXAMPLE = ROOT / "reports" / "example"
FORMS = ("report.html", "report.md", "findings.csv", "junit.xml")


def test_golden_data_and_example_are_small_and_are_answers_of_the_organism() -> None:
    files = [path for folder in (GOLDEN, EXAMPLE) for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 2_000_000
    assert {path.name for path in files if path.parent == EXAMPLE} == set(FORMS)
    request = requests.load(GOLDEN / "audit.yaml")
    assert request.spec == "micro-world"
    assert request.items == ("micro-world",)
    assert {arm.model for arm in request.arms.values()} == {
        f"recorded/{path}" for path in GOLDEN.glob("*.jsonl")
    }
    for path in GOLDEN.glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert all(row.keys() == {"stimulus", "completion"} for row in rows)


@pytest.mark.slow
def test_the_example_is_what_the_recorded_answers_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(GOLDEN, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    made = audit.audit(prepare(requests.load(Path("audit.yaml"))), Path("example"))
    # The only thing in it that is not observed.
    report = made.model_copy(update={"created": "2026-01-01T00:00:00+00:00"})
    assert not wording.slips(report, wording.sentences(report, suites_of(report)))
    assert str(tmp_path) not in dumps(report), "a report names no folder of the machine that made it"
    saving.save(report, tmp_path / "out")
    for form in FORMS:
        new = (tmp_path / "out" / form).read_text(encoding="utf-8")
        if os.environ.get("GOVAUDIT_EXAMPLE") == "write":
            EXAMPLE.mkdir(exist_ok=True)
            (EXAMPLE / form).write_text(new, encoding="utf-8", newline="\n")
        assert (EXAMPLE / form).read_text(encoding="utf-8") == new, "GOVAUDIT_EXAMPLE=write makes it anew"
