"""govaudit's training loops beside TRL's: seconds per step of the same training, and do the losses agree?

    python benchmarks/train.py             SFT, DPO and GRPO, medians and ratios
    python benchmarks/train.py --json      the same, and as its last line {"ratios": {...}}
    python benchmarks/train.py --rounds 5  more repetitions

Both sides train the same checkpoint (a Llama of 1.0 million random weights) on the same texts: same batch,
steps, optimiser (AdamW), clipping and precision (32 bits), one thread, on a CPU. All sequences of a task are
of one length, so neither side pads. Sides take turns, each in a process of its own, and the first steps are
not counted. What is compared is the time of the processor, which says more than the clock on a machine that
does other work as well; a ratio is TRL's over ours in one round. Finished rounds are kept in ``--work``, so a
killed run goes on. TRL is installed into an environment of its own (``--peers``); without it ratios are null.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).resolve().parent
PEERS = ("trl==1.16.0", *(f"{name}=={version(name).split('+')[0]}" for name in ("torch", "transformers")))

STEPS, WARM = 8, 2
"""Steps of the optimiser in all, and how many of them are not counted."""
TASKS: dict[str, dict[str, int]] = {
    "sft": {"batch": 32, "prompt": 64, "answer": 192},
    "dpo": {"batch": 32, "prompt": 64, "answer": 64},
    "grpo": {"batch": 4, "samples": 8, "prompt": 32, "answer": 64},
}
END = "<|end|>"
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def write_inputs(folder: Path) -> None:
    """Checkpoint and texts for both sides. Every word is one token, so lengths are exact."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = [f"w{i}" for i in range(1995)]
    names = ["<|unk|>", END, "<|user|>", "<|assistant|>", "<|pad|>", *words]
    spelling = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<|unk|>"))
    spelling.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=spelling,
        unk_token="<|unk|>",
        eos_token=END,
        pad_token="<|pad|>",
        additional_special_tokens=["<|user|>", "<|assistant|>"],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(names),
            hidden_size=128,
            intermediate_size=320,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    rng = random.Random(0)

    def text(tokens: int) -> str:
        return " ".join(rng.choices(words, k=tokens))

    for name, task in TASKS.items():
        # Three tokens of the template stand around a prompt, one after an answer.
        rows = [
            {
                "prompt": text(task["prompt"] - 3),
                **{key: text(task["answer"] - 1) for key in ("first", "second")},
            }
            for _ in range(STEPS * task["batch"])
        ]
        (folder / f"{name}.json").write_text(json.dumps(rows))


# --- our side ----------------------------------------------------------------------------------------------


def ours(folder: Path, name: str) -> dict[str, Any]:
    """Seconds per step and the losses of one run of ours."""
    import torch

    from govaudit.records import Turn
    from govaudit.train import policy
    from govaudit.train.dpo import DpoArgs, dpo
    from govaudit.train.grpo import GrpoArgs, grpo
    from govaudit.train.policy import Example, Pair
    from govaudit.train.sft import SftArgs, sft

    torch.set_num_threads(1)
    rows, task = json.loads((folder / f"{name}.json").read_text()), TASKS[name]
    start, asked = policy.load(folder / "model", "cpu"), [(Turn("user", row["prompt"]),) for row in rows]
    times: list[tuple[float, float]] = []

    @contextmanager
    def clock(_: str, total: int) -> Iterator[Callable[[str], None]]:
        assert total == STEPS
        yield lambda numbers: times.append((time.process_time(), time.perf_counter()))

    common: dict[str, Any] = {"lr": 1e-4, "clip": 1.0}
    if name == "sft":
        examples = [Example(turns, row["first"]) for turns, row in zip(asked, rows, strict=True)]
        tokens = task["batch"] * (task["prompt"] + task["answer"])
        curve: Any = sft(start, examples, SftArgs(epochs=1, batch_tokens=tokens, **common), progress=clock)
    elif name == "dpo":
        pairs = [
            Pair(turns, row["first"], row["second"], 1.0, "made up")
            for turns, row in zip(asked, rows, strict=True)
        ]
        curve = dpo(start, pairs, DpoArgs(epochs=1, pairs=task["batch"], **common), progress=clock)
    else:
        args = GrpoArgs(
            steps=STEPS,
            prompts=task["batch"],
            samples=task["samples"],
            max_tokens=task["answer"],
            beta=0.04,
            kl_target=None,
            **common,
        )
        curve = grpo(
            start, [asked], lambda _, texts: [rewarded(text) for text in texts], args, progress=clock
        ).curve
    return {"seconds": per_step(times), "losses": [step.loss for step in curve]}


def rewarded(text: str) -> float:
    """The share of words with a 7, a reward that costs nothing."""
    words = text.split()
    return sum("7" in word for word in words) / max(1, len(words))


def per_step(times: list[tuple[float, float]]) -> dict[str, float]:
    """Seconds of processor and of wall per counted step, from the marks at the end of each step."""
    (cpu, wall), (cpu_end, wall_end) = times[WARM - 1], times[-1]
    return {"cpu": (cpu_end - cpu) / (STEPS - WARM), "wall": (wall_end - wall) / (STEPS - WARM)}


# --- both --------------------------------------------------------------------------------------------------


def peers_python(folder: Path) -> Path | None:
    """The peers' own interpreter, built on the first call; None where it cannot be."""
    python = folder / "bin" / "python"
    if python.is_file():
        return python
    try:
        subprocess.run(
            [sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True, text=True
        )
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS]
        subprocess.run(install, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        print(f"TRL cannot be installed: {(error.stderr or '').strip()[-300:]}", file=sys.stderr)
        return None
    return python


def measured(command: list[str]) -> dict[str, Any]:
    """One run of one side in a process of its own."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def agree(name: str, ours: list[float], theirs: list[float]) -> bool:
    """Whether the losses of both sides are those of the same training.

    Batches are shuffled differently, so they agree in level: at the start within 2 % for SFT and DPO. Rewards
    of samples are noise: the first loss of GRPO is near 0 on both sides.
    """
    if name == "grpo":
        return abs(ours[0]) < 0.05 and abs(theirs[0]) < 0.05
    return abs(ours[0] - theirs[0]) < 0.02 * abs(ours[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    place = Path(tempfile.gettempdir())
    parser.add_argument("--peers", type=Path, default=place / "govaudit-train-peers")
    parser.add_argument("--work", type=Path, default=place / "govaudit-train-bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--ours", choices=TASKS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ours:
        print(json.dumps(ours(given.work, given.ours)))
        return
    given.work.mkdir(parents=True, exist_ok=True)
    if not (given.work / "grpo.json").is_file():
        write_inputs(given.work)
    python = None if given.no_peers else peers_python(given.peers)
    kept = given.work / "rounds.jsonl"
    rounds = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    for name in given.tasks:
        for number in range(sum(one["task"] == name for one in rounds), given.rounds):
            one: dict[str, Any] = {"task": name, "round": number, "steps": STEPS - WARM}
            one["ours"] = measured([sys.executable, __file__, "--work", str(given.work), "--ours", name])
            if python is not None:
                task = json.dumps(TASKS[name] | {"steps": STEPS, "warm": WARM})
                one["trl"] = measured([str(python), str(HERE / "train_trl.py"), str(given.work), name, task])
                if not agree(name, one["ours"]["losses"], one["trl"]["losses"]):
                    sys.exit(
                        f"{name}: the losses do not agree: {one['ours']['losses']}, {one['trl']['losses']}"
                    )
            rounds.append(one)
            with kept.open("a") as stream:
                stream.write(json.dumps(one) + "\n")
    ratios: dict[str, Any] = {}
    for name in given.tasks:
        own = [one for one in rounds if one["task"] == name][: given.rounds]
        both = [one for one in own if "trl" in one]
        mine = median(one["ours"]["seconds"]["cpu"] for one in own)
        line = f"{name:5} {mine * 1000:7.0f} ms a step"
        ratios[name] = None
        if both:
            found = sorted(one["trl"]["seconds"]["cpu"] / one["ours"]["seconds"]["cpu"] for one in both)
            ratios[name] = round(median(found), 2)
            theirs = median(one["trl"]["seconds"]["cpu"] for one in both)
            line += f", TRL {theirs * 1000:7.0f} ms: ratio {ratios[name]} ({found[0]:.2f} to {found[-1]:.2f})"
        print(line)
    if given.json:
        print(json.dumps({"ratios": ratios}))


if __name__ == "__main__":
    main()
