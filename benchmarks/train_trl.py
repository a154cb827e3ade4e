"""TRL's side of ``train.py``: run by the peers' own Python on the checkpoint and texts that it wrote.

Usage: python train_trl.py FOLDER sft|dpo|grpo TASK. TASK is the JSON object of sizes. Prints one JSON object:
``seconds`` per counted step, ``losses`` and ``version``. Imports nothing of govaudit.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback


class Clock(TrainerCallback):  # type: ignore[misc]
    """Processor and wall time at the end of each step."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.append((time.process_time(), time.perf_counter()))


def spoken(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def rewarded(completions: list[Any], **_: Any) -> list[float]:
    """The share of words with a 7."""
    found = []
    for completion in completions:
        words = completion[0]["content"].split()
        found.append(sum("7" in word for word in words) / max(1, len(words)))
    return found


def trainer(folder: Path, name: str, task: dict[str, int], out: str, clock: Clock) -> Any:
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    rows = json.loads((folder / f"{name}.json").read_text())
    common: dict[str, Any] = {
        "output_dir": out,
        "max_steps": task["steps"],
        "learning_rate": 1e-4,
        "max_grad_norm": 1.0,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
    given: dict[str, Any] = {"model": model, "processing_class": tokenizer, "callbacks": [clock]}
    if name == "sft":
        from trl import SFTConfig, SFTTrainer

        data = [
            {"prompt": spoken("user", row["prompt"]), "completion": spoken("assistant", row["first"])}
            for row in rows
        ]
        # The plain loss, which on a small vocabulary is faster than the one in chunks.
        args = SFTConfig(per_device_train_batch_size=task["batch"], loss_type="nll", **common)
        return SFTTrainer(args=args, train_dataset=Dataset.from_list(data), **given)
    if name == "dpo":
        from trl import DPOConfig, DPOTrainer

        data = [
            {
                "prompt": spoken("user", row["prompt"]),
                "chosen": spoken("assistant", row["first"]),
                "rejected": spoken("assistant", row["second"]),
            }
            for row in rows
        ]
        # As in ours, the reference's log-probabilities are computed before the first step and not counted.
        args = DPOConfig(
            per_device_train_batch_size=task["batch"], beta=0.1, precompute_ref_log_probs=True, **common
        )
        return DPOTrainer(args=args, train_dataset=Dataset.from_list(data), **given)
    from trl import GRPOConfig, GRPOTrainer

    data = [{"prompt": spoken("user", row["prompt"])} for row in rows]
    args = GRPOConfig(
        per_device_train_batch_size=task["batch"] * task["samples"],
        num_generations=task["samples"],
        max_completion_length=task["answer"],
        temperature=1.0,
        beta=0.04,
        loss_type="bnpo",
        **common,
    )
    return GRPOTrainer(args=args, train_dataset=Dataset.from_list(data), reward_funcs=rewarded, **given)


def main() -> None:
    torch.set_num_threads(1)
    folder, name, task = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    clock = Clock()
    with tempfile.TemporaryDirectory() as out:
        running = trainer(folder, name, task, out, clock)
        running.train()
    (cpu, wall), (cpu_end, wall_end) = clock.times[task["warm"] - 1], clock.times[-1]
    steps = task["steps"] - task["warm"]
    losses = [entry["loss"] for entry in running.state.log_history if "loss" in entry]
    seconds = {"cpu": (cpu_end - cpu) / steps, "wall": (wall_end - wall) / steps}
    print(json.dumps({"seconds": seconds, "losses": losses, "version": version("trl")}))


if __name__ == "__main__":
    main()
