"""Our engine beside transformers' ``generate``, a padded forward, and Inspect's ``hf/`` provider, in one run.

    python benchmarks/engine.py            items per second and ratios
    python benchmarks/engine.py --json     the same, and as its last line {"ratios": {...}, "rates": {...}}

A Llama of 1.2 million random parameters on the CPU, 32 bits, one thread. The engine's rows are items per
second of CPU time, the providers' per second of wall time (waiting is what they differ in). Rounds alternate
between the sides and the fastest of each counts: other work on the machine only ever slows one down. Ratios
travel, absolute numbers do not; nothing here is about a GPU or a large model.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.solver import generate
from transformers import LlamaConfig, LlamaForCausalLM

import govaudit.models.provider  # noqa: F401  # registers govaudit/
from govaudit.models.engine import Engine, Request
from govaudit.models.untrained import build
from govaudit.records import Turn

BATCH = 64


def checkpoint(folder: Path) -> Path:
    """The untrained checkpoint with a larger model in it."""
    build(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=128,
        intermediate_size=320,
        num_hidden_layers=5,
        num_attention_heads=4,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def fastest(
    sides: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Seconds of the fastest round of each side, rounds alternating."""
    seconds = {name: float("inf") for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            start = clock()
            side()
            seconds[name] = min(seconds[name], clock() - start)
    return seconds


def prompts(n: int, shortest: int, longest: int) -> list[str]:
    rng = random.Random(0)
    return ["".join(rng.choices("abcdefgh ", k=rng.randint(shortest, longest))) for _ in range(n)]


def theirs(engine: Engine, texts: list[str], **settings: Any) -> int:
    """transformers' generate in batches of the same size, in the order given; returns the tokens written."""
    written = 0
    for start in range(0, len(texts), BATCH):
        rows = [engine.tokens((Turn("user", text),)) for text in texts[start : start + BATCH]]
        ids, mask = engine._padded(rows, max(map(len, rows)), left=True)
        out = engine.model.generate(ids, attention_mask=mask, pad_token_id=0, **settings)
        written += int((out[:, ids.shape[1] :] != 0).sum())
    return written


def generation(engine: Engine, rounds: int) -> dict[str, dict[str, float]]:
    results = {}
    for name, texts, length, temperature, ends in (
        ("equal prompts, 64 tokens, greedy", prompts(256, 24, 24), 64, 0.0, False),
        ("equal prompts, 64 tokens, sampled", prompts(256, 24, 24), 64, 1.0, False),
        ("equal prompts, 400 tokens, sampled", prompts(64, 24, 24), 400, 1.0, False),
        (
            "prompts of 10 to 400 letters, to the end of the turn or 256 tokens, sampled",
            prompts(256, 10, 400),
            256,
            1.0,
            True,
        ),
    ):
        engine.__dict__["_ends"] = {0} if ends else set()
        asked = [
            Request((Turn("user", text),), max_tokens=length, temperature=temperature, seed=i)
            for i, text in enumerate(texts)
        ]
        settings: dict[str, Any] = {"max_new_tokens": length, "do_sample": temperature > 0}
        settings |= {"top_k": 0} if temperature > 0 else {}
        settings |= {} if ends else {"min_new_tokens": length}
        seconds = fastest(
            {
                "govaudit": lambda asked=asked: engine.generate(asked),
                "transformers generate": lambda texts=texts, settings=settings: theirs(
                    engine, texts, **settings
                ),
            },
            rounds,
        )
        results[name] = {side: len(texts) / value for side, value in seconds.items()}
    del engine.__dict__["_ends"]
    return results


def likelihood(engine: Engine, rounds: int) -> dict[str, dict[str, float]]:
    rng = random.Random(1)
    results = {}
    for name, choices, shortest, longest in (
        ("250 prompts x 4 short choices", 4, 4, 16),
        ("250 prompts x 2 long answers", 2, 60, 200),
    ):
        items = [
            (
                (Turn("user", text),),
                ["".join(rng.choices("abcdefgh ", k=rng.randint(shortest, longest))) for _ in range(choices)],
            )
            for text in prompts(250, 40, 160)
        ]
        pairs = [
            (len(engine.tokens(turns)), engine.tokens(turns, choice))
            for turns, given in items
            for choice in given
        ]

        def alone(pairs: Any = pairs) -> list[float]:
            return [padded([pair], engine)[0] for pair in pairs]

        def batched(pairs: Any = pairs) -> list[float]:
            order = sorted(pairs, key=lambda pair: len(pair[1]))
            return [
                v for start in range(0, len(order), 32) for v in padded(order[start : start + 32], engine)
            ]

        seconds = fastest(
            {
                "govaudit": lambda items=items: engine.loglikelihood(items),
                "padded forward, batches of 32 by length": batched,
                "one forward per pair": alone,
            },
            rounds,
        )
        results[name] = {side: len(pairs) / value for side, value in seconds.items()}
    return results


@torch.inference_mode()
def padded(pairs: list[tuple[int, list[int]]], engine: Engine) -> list[float]:
    """Sum of log-probabilities after each prompt, the whole text of each pair in one padded batch."""
    rows = [whole for _, whole in pairs]
    ids, mask = engine._padded(rows, max(map(len, rows)), left=False)
    logprobs = engine.model(input_ids=ids, attention_mask=mask).logits.log_softmax(-1)
    return [
        float(logprobs[i, start - 1 : len(row) - 1].gather(1, ids[i, start : len(row), None]).sum())
        for i, (start, row) in enumerate(pairs)
    ]


def providers(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    dataset = [Sample(id=i, input=text) for i, text in enumerate(prompts(256, 10, 400))]
    config = GenerateConfig(max_tokens=64, temperature=1.0, seed=1)
    own = get_model(f"govaudit/{folder}", config=config, memoize=False, device="cpu")
    hf = get_model("hf/local", config=config, memoize=False, model_path=str(folder), device="cpu")

    def run(model: Any, connections: int | None) -> None:
        with tempfile.TemporaryDirectory() as logs:
            log = eval(
                Task(dataset=dataset, solver=generate()),
                model=model,
                log_dir=logs,
                display="none",
                score_display=False,
                log_realtime=False,
                max_connections=connections,
                max_samples=len(dataset),
            )[0]
        assert log.status == "success"

    seconds = fastest(
        {
            "govaudit/, 128 connections (its own number)": lambda: run(own, 128),
            "hf/, 32 connections (its own number)": lambda: run(hf, 32),
            "hf/, 64 connections": lambda: run(hf, 64),
        },
        rounds,
        time.perf_counter,
    )
    return {"256 samples of 64 tokens through inspect": {k: len(dataset) / v for k, v in seconds.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = checkpoint(Path(scratch) / "million")
        engine = Engine.load(folder, device="cpu", batch_size=BATCH)
        rates = {
            **generation(engine, options.rounds),
            **likelihood(engine, options.rounds),
            **providers(folder, options.rounds),
        }
    ratios: dict[str, dict[str, float]] = {}
    for workload, sides in rates.items():
        print(f"\n{workload}")
        ours, *others = sides
        ratios[workload] = {other: sides[ours] / sides[other] for other in others}
        print(f"  {sides[ours]:8.1f} /s            {ours}")
        for other, ratio in ratios[workload].items():
            print(f"  {sides[other]:8.1f} /s   {ratio:5.2f}x   {other}")
    if options.json:
        print(json.dumps({"ratios": ratios, "rates": rates}))


if __name__ == "__main__":
    main()
