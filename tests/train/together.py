"""Every loop on a tiny policy, as one of several processes or alone; run by the test of several processes.

``python together.py OUT.json`` writes what each loop told, from the first process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from tiny import WORDS, Killed, killed_after, policy, user

from govaudit.train import policy as policies
from govaudit.train import processes
from govaudit.train.dpo import DpoArgs, dpo
from govaudit.train.fit import Fit, apply
from govaudit.train.grpo import GrpoArgs, grpo
from govaudit.train.loop import Keep
from govaudit.train.policy import Conversation, Example, Pair, Policy
from govaudit.train.ppo import PpoArgs, PpoRun, critic_of, ppo
from govaudit.train.preference import PreferenceArgs, preference
from govaudit.train.sft import SftArgs, loss, sft

POOL = [user(f"{word} ?") for word in WORDS[:8]]
EXAMPLES = [
    Example(user(" ".join(WORDS[: 1 + i % 9]) + " ?"), " ".join(WORDS[i % 3 : 1 + i % 7 + i % 3]))
    for i in range(21)
]
PAIRS = [Pair(POOL[i % 8], WORDS[i % 5], WORDS[(i + 3) % 7], (0.9, 0.2, 1.0)[i % 3], "ai") for i in range(21)]
SAMPLED: dict[str, Any] = {"steps": 3, "prompts": 3, "samples": 3, "max_tokens": 4, "pass_tokens": 30}


def starts_red(conversations: Sequence[Conversation], texts: Sequence[str]) -> list[float]:
    return [float(text.startswith("red")) for text in texts]


def adapted() -> Policy:
    start = policy()
    apply(start.model, Fit(lora=2))
    return start


def valued_twice(adapters: bool, folder: Path) -> PpoRun:
    """PPO that died after its first step and went on; the same as one that did not, in one process."""
    args, keep = PpoArgs(lr=5e-3, value_lr=5e-3, critic_first=1, **SAMPLED), Keep(folder, every_s=0)

    def run(**more: Any) -> PpoRun:
        start = adapted() if adapters else policy()
        critic = critic_of(policy(), Fit(lora=2 if adapters else 0))
        return ppo(start, [POOL], starts_red, args, critic=critic, fixed=POOL[:3], keep=keep, **more)

    try:
        run(progress=killed_after(1))
    except Killed:
        return run()
    raise AssertionError("it was not killed")


def told(folder: Path) -> dict[str, Any]:
    """The curve of each loop, and digests of nothing: weights differ in their last bits."""
    short: dict[str, Any] = {"epochs": 1, "pass_tokens": 40}
    found: dict[str, Any] = {}
    start = policy()
    keep = Keep(folder / "state", every_s=0)
    found["sft"] = sft(start, EXAMPLES, SftArgs(batch_tokens=60, lr=1e-2, **short), keep=keep)
    found["loss"] = [loss(start, EXAMPLES)]
    policies.save(start.model, start.tokenizer, folder / "model")
    found["saved"] = [loss(policies.load(folder / "model", "cpu"), EXAMPLES)]
    found["sft with adapters"] = sft(adapted(), EXAMPLES, SftArgs(batch_tokens=60, lr=1e-2, **short))
    found["preference"] = preference(policy(), PAIRS, PreferenceArgs(pairs=6, lr=1e-2, **short))[1]
    found["dpo"] = dpo(policy(), PAIRS, DpoArgs(pairs=6, lr=1e-2, **short))
    found["dpo with adapters"] = dpo(adapted(), PAIRS, DpoArgs(pairs=6, lr=1e-2, **short))
    run = grpo(policy(), [POOL], starts_red, GrpoArgs(lr=5e-3, epochs=2, **SAMPLED), fixed=POOL[:3])
    found["grpo"] = [*run.curve, *run.checks]
    for name, values in (("ppo", False), ("ppo with adapters", True)):
        valued = valued_twice(values, folder / name)
        found[name] = [*valued.curve, *valued.checks]
    return {
        name: [asdict(row) if not isinstance(row, float) else row for row in rows]
        for name, rows in found.items()
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    processes.start()
    target = Path(sys.argv[1])
    result = told(target.parent)
    if processes.first():
        target.write_text(json.dumps(result | {"processes": processes.count()}))
