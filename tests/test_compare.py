"""Arms compared by an LLM judge as a user runs it: both orders, a judge that sees only the order, resumption."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from endpoint import endpoint
from inspect_ai import eval as inspect_eval
from inspect_ai.model import ModelOutput, ModelUsage, get_model

from govaudit.errors import BadInput
from govaudit.evals import tasks
from govaudit.models.arms import matching, parse_arm
from govaudit.records import Scale, read_ratings
from govaudit.reports.document import Report

QUESTIONS = 8
TURNED = {("1", "one", "two"), ("4", "two", "three"), ("6", "three", "one")}
"""Question, first and second arm: where the judge takes the second answer, once for each arm."""
SPEC = """\
schema_version: "1.0"
id: tiny
version: "1"
clauses:
  - id: answer
    text: Answer harmless questions.
    tags: [over-refusal]
    probes:
"""


def written(folder: Path) -> Path:
    rows = "".join(f"      - {{prompt: Question {n}?, expected: comply}}\n" for n in range(QUESTIONS))
    (folder / "tiny.yaml").write_text(SPEC + rows)
    for arm in ("one", "two", "three"):
        answers = [
            {"prompt": f"Question {n}?", "completion": "Alike." if n == 0 else f"Answer {n} of {arm}."}
            for n in range(QUESTIONS)
        ]
        (folder / f"{arm}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    return folder


def audit(folder: Path, url: str, *args: str) -> subprocess.CompletedProcess[str]:
    arms = [word for arm in ("one", "two", "three") for word in ("--arm", f"{arm}=recorded/{arm}.jsonl")]
    return subprocess.run(
        [sys.executable, "-m", "govaudit", "audit", "tiny.yaml", *arms, "--judge", "openai-api/fake/j",
         "--compare", "pairwise_helpful", "-o", "run", "--json", *args],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "FAKE_API_KEY": "k", "FAKE_BASE_URL": url, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_a_judge_that_prefers_what_it_sees_first_gives_equal_elo_and_a_position_effect(
    tmp_path: Path,
) -> None:
    written(tmp_path)
    asked: list[str] = []

    def judge(messages: list[dict[str, Any]], call: int) -> str:
        text = str(messages[-1]["content"])
        if "FIRST ANSWER" not in text:
            return "VERDICT: KEPT"
        asked.append(text)
        (number, first), (_, second) = re.findall(r"Answer (\d) of (\w+)", text)
        return "VERDICT: second" if (number, first, second) in TURNED else "VERDICT: first"

    with endpoint(judge) as server:
        done = audit(tmp_path, server.url)
        assert done.returncode == 0, done.stderr
        calls = len(asked)
        assert audit(tmp_path, server.url).returncode == 0  # resumes: everything is in the logs
    assert len(asked) == calls
    # Three pairs of arms on each question in both orders; answers in the same words are a tie by themselves.
    assert calls == (QUESTIONS - 1) * 3 * 2
    assert len(set(asked)) == calls
    rows = [r for r in read_ratings(tmp_path / "run" / "ratings.parquet") if r.scale is Scale.PAIRWISE]
    assert len(rows) == QUESTIONS * 3 * 2
    assert sum(row.origin == "identical" and row.tie for row in rows) == 6
    report = Report.model_validate_json((tmp_path / "run" / "report.json").read_text())
    assert report.rankings is not None
    (plain,) = [row for row in report.rankings.rankings if not row.control]
    assert plain.position is not None
    assert (plain.position.low or 0.0) > 100
    assert plain.consistent is not None
    assert (plain.consistent.value or 0.0) < 0.5
    assert not [one for one in plain.contrasts if one.better]
    assert "harmlessness" in (tmp_path / "run" / "report.html").read_text().lower()


def test_what_cannot_compare_is_refused_before_the_first_call(tmp_path: Path) -> None:
    written(tmp_path)
    with endpoint(lambda messages, number: "VERDICT: KEPT") as server:
        done = audit(tmp_path, server.url, "--compare", "compliance")
        assert not server.started
    assert done.returncode == 2
    assert "the rubric 'compliance' judges single answers" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pattern_stands_for_the_checkpoints_of_a_run_in_the_order_of_their_steps(tmp_path: Path) -> None:
    for step in (10, 100, 20):
        folder = tmp_path / "snapshots" / f"step-{step}"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    (tmp_path / "snapshots" / "notes").mkdir()
    found = matching(parse_arm(f"ppo=govaudit/{tmp_path}/snapshots/*"))
    assert [arm.name for arm in found] == ["ppo-step-10", "ppo-step-20", "ppo-step-100"]
    assert found[0].model == f"govaudit/{tmp_path}/snapshots/step-10"
    with pytest.raises(BadInput, match="no checkpoint folder matches"):
        matching(parse_arm(f"ppo=govaudit/{tmp_path}/nothing/*"))


def test_two_models_are_compared_by_plain_inspect_with_the_order_averaged_out(tmp_path: Path) -> None:
    def said(text: str) -> list[ModelOutput]:
        output = ModelOutput.from_content("mockllm/model", text)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1)
        return [output] * 40

    written(tmp_path)
    (log,) = inspect_eval(
        tasks.compared(str(tmp_path / "tiny.yaml"), limit=3),
        model=get_model("mockllm/model", custom_outputs=said("Mine.")),
        model_roles={
            "other": get_model("mockllm/model", custom_outputs=said("Theirs.")),
            "judge": get_model("mockllm/model", custom_outputs=said("VERDICT: first")),
        },
        log_dir=str(tmp_path / "logs"),
        display="none",
    )
    assert log.status == "success"
    assert log.results is not None
    assert log.results.scores[0].name == "comparison"
    assert log.results.scores[0].metrics["mean"].value == 0.5
