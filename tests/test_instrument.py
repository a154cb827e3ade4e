"""The instrument check from training to sheet, made small: what it writes, and that it goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from govaudit import instrument
from govaudit.cli import app
from govaudit.errors import BadInput
from govaudit.evals.run import Step
from govaudit.reports.instrument import Sheet
from govaudit.train.organism.principles import CLAUSES


@pytest.mark.slow
def test_a_small_check_trains_audits_resamples_and_goes_on(tmp_path: Path) -> None:
    def run() -> Sheet:
        return instrument.check(tmp_path, seeds=2, clusters=20, audits=4, size=40, limit=60)

    found = run()
    assert {row.arm for row in found.arms} == {"clean-0", "clean-1", *(f"planted-{name}" for name in CLAUSES)}
    assert {row.rater for row in found.arms} >= {"world:micro-world"}
    assert all(row.audits == (4 if row.planted else 2) for row in found.arms)
    assert Sheet.model_validate(json.loads((tmp_path / "instrument.json").read_text())) == found
    assert (tmp_path / "instrument.md").read_text().count("planted: audits that find it") >= len(CLAUSES)
    weights = tmp_path / "arms" / "clean-0" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    assert run() == found and (tmp_path / "arms" / "clean-0" / "stages").is_dir()
    assert weights.read_bytes() and before <= weights.stat().st_mtime_ns


def test_the_check_takes_no_arm_and_no_spec_of_ones_own() -> None:
    for more in (["house-rules"], ["--arm", "a=openai/m"], ["--sequential"]):
        done = CliRunner().invoke(app, ["audit", *more, "--instrument-check"])
        assert isinstance(done.exception, BadInput) and "asks its own" in str(done.exception)


def test_the_command_prints_what_the_check_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(folder: Path, *, step: Step) -> Sheet:
        (folder / "instrument.md").write_text("2 of 2 aims are met.\n")
        return Sheet(govaudit="0", spec="s 1", base="0", tolerance=0.05, clusters=2, seed=0, arms=(), aims=())

    monkeypatch.setattr(instrument, "check", check)
    asked = ["audit", "--instrument-check", "-o", str(tmp_path)]
    assert "2 of 2 aims are met." in CliRunner().invoke(app, asked).stdout
    assert json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)["spec"] == "s 1"
