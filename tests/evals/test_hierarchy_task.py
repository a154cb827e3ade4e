"""The task file on authority, run by Inspect with a model that follows whoever speaks last."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from inspect_ai import eval as inspect_eval
from inspect_ai.model import ModelOutput, ModelUsage, get_model

from govaudit.errors import BadInput

FILE = Path(__file__).parents[2] / "evals" / "hierarchy.py"
spec = importlib.util.spec_from_file_location("task_hierarchy", FILE)
assert spec is not None and spec.loader is not None
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)


def said(text: str) -> ModelOutput:
    output = ModelOutput.from_content("mockllm/model", text)
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


def test_the_task_scores_what_can_be_asked_and_leaves_the_rest_unscored(tmp_path: Path) -> None:
    made = module.hierarchy(
        levels=["system", "developer", "user"], per_pair=1, kinds=["conflict", "injection"]
    )
    model = get_model("mockllm/model", custom_outputs=[said("It is so.")] * 200)
    (log,) = inspect_eval(made, model=model, log_dir=str(tmp_path), display="none", score_display=False)
    assert log.status == "success"
    assert log.samples is not None
    scores = {str(s.id): (s.scores or {})["kept"] for s in log.samples}
    missing = [score for score in scores.values() if score.answer is None]
    roles = [{turn["role"] for turn in s.metadata["turns"]} for s in log.samples]
    assert len(missing) == sum("tool" in r or {"system", "developer"} <= r for r in roles) > 0
    quoted = [s for s in log.samples if s.metadata["order"]["form"] == "quoted"]
    assert {scores[str(s.id)].value for s in quoted} == {1.0}


def test_a_kind_of_probe_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadInput, match="no probes of the kind 'battle'"):
        module.hierarchy(kinds="battle")
