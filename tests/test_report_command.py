"""`govaudit report` and `review` on a small run of recorded answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from govaudit import audit
from govaudit import request as requests
from govaudit.cli import app
from govaudit.errors import BadInput
from govaudit.plan import prepare

GOLDEN = Path(__file__).resolve().parent / "golden"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reported")
    shutil.copytree(GOLDEN, folder, dirs_exist_ok=True)
    request = requests.load(folder / "audit.yaml")
    arms = {"base": request.arms["base"].model_copy(update={"model": f"recorded/{folder}/base.jsonl"})}
    small = request.model_copy(
        update={"limit": 12, "arms": arms, "raters": ("micro-world",), "comparisons": None}
    )
    audit.audit(prepare(small), folder / "run")
    return folder / "run"


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_referee_lists_thirteen_demands_and_what_would_meet_the_unmet(run: Path) -> None:
    demands = json.loads(call("report", run, "--referee", "--json").stdout)["demands"]
    assert len(demands) == 13
    assert {d["id"]: d["state"] for d in demands}["M5"] == "unmet"
    assert "To meet it:" in call("report", run, "--referee").stdout


def test_a_review_is_entered_shown_and_refused_when_its_chain_is_broken(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    opinion = ("--status", "disputed", "--by", "Lab", "--reason", "Not ours.", "--reply", "See our note.")
    said = json.loads(call("review", folder, "base/no-harm", *opinion, "--json").stdout)
    assert said["findings"][0]["status"] == "disputed"
    assert "See our note." in (folder / "report.html").read_text(encoding="utf-8")
    assert f"Last entry: {said['head']}" in call("review", folder).stdout
    log = folder / "review.jsonl"
    log.write_text(log.read_text().replace("Not ours.", "Ours."))
    broken = call("report", folder).exception
    assert isinstance(broken, BadInput) and broken.line == 1 and broken.path == log


def test_a_redacted_copy_leaves_the_report_of_the_run_alone(run: Path, tmp_path: Path) -> None:
    cut = json.loads(call("report", run, "--redact", "micro-harm", "-o", tmp_path, "--json").stdout)
    assert cut["redaction"]["texts"] > 0
    assert "[redacted: micro-harm]" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "[redacted" not in (run / "report.html").read_text(encoding="utf-8")
    assert not list(tmp_path.glob("*.parquet"))


@pytest.mark.parametrize(
    "words", [("--redact", "micro-harm"), ("-o", "copy"), ("--redact", "nothing", "-o", "copy")]
)
def test_tags_and_folder_of_a_copy_belong_together_and_tags_must_exist(
    run: Path, words: tuple[str, ...]
) -> None:
    assert isinstance(call("report", run, *words).exception, BadInput)


@pytest.mark.parametrize("words", [("base/no-harm",), ("--by", "A"), ("no-harm", "--status", "open")])
def test_an_entry_needs_a_finding_and_a_status(run: Path, words: tuple[str, ...]) -> None:
    assert isinstance(call("review", run, *words).exception, BadInput)
