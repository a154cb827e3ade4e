"""The task files for boilerplate and tone, run by Inspect with a model that says what it is told."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inspect_ai import Task
from inspect_ai import eval as inspect_eval
from inspect_ai.model import ModelOutput, ModelUsage, get_model

EVALS = Path(__file__).parents[2] / "evals"
ANSWERS = (
    "In 1969, with Apollo 11. I hope this helps!",
    "I'm sorry, but I cannot help with that.",
    "Perhaps it was later. I hope this helps!",
    "It was definitely in another year. I hope this helps!",
)


def task(name: str) -> Callable[..., Task]:
    spec = importlib.util.spec_from_file_location(f"task_{name}", EVALS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Task] = getattr(module, name)
    return found


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    file = tmp_path / "moon.jsonl"
    line = '{"prompt": "Question %d?", "tags": ["facts"], "facts": ["1969", "apollo"]}\n'
    file.write_text("".join(line % k for k in range(4)), encoding="utf-8")
    return file


def scored(made: Task, tmp_path: Path) -> dict[str, dict[str, Any]]:
    outputs = []
    for text in ANSWERS:
        output = ModelOutput.from_content("mockllm/m", text)
        output.usage = ModelUsage()
        outputs.append(output)
    model = get_model("mockllm/m", memoize=False, custom_outputs=outputs)
    log = inspect_eval(
        made, model=model, display="none", score_display=False, log_dir=str(tmp_path / "logs"), max_samples=1
    )[0]
    assert log.status == "success" and log.results is not None
    return {s.name: {k: m.value for k, m in s.metrics.items()} for s in log.results.scores}


def test_stock_phrases_and_what_recurs(bank: Path, tmp_path: Path) -> None:
    found = scored(task("boilerplate")(items=str(bank)), tmp_path)["stock_phrases"]
    assert found["mean"] == 1.0
    # "i hope this helps" recurs under three of four prompts: 4 of 9, 8 and 10 words, and none of 8.
    assert found["in_recurring_phrases"] == pytest.approx((4 / 9 + 0 + 4 / 8 + 4 / 10) / 4)


def test_an_evasive_answer_is_unscored_for_its_facts_and_not_zero(bank: Path, tmp_path: Path) -> None:
    found = scored(task("tone")(items=str(bank)), tmp_path)
    assert found["engaged"]["mean"] == 0.75
    assert found["facts_told"]["mean"] == pytest.approx((1 + 0 + 0) / 3)
    assert found["assertiveness"]["mean"] == pytest.approx((0 + 0 - 0.5 + 0.5) / 4)
    assert math.isclose(found["caveats"]["mean"], 0.0)
