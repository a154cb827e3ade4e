"""vLLM as the sampler of a model that is trained: it is handed the weights before every batch of answers.

In: a checkpoint folder, whose architecture is all that is taken from it; then a model in memory and what is
to be drawn. Out: tokens. vLLM runs in this process, on the same device, and every policy of a run that has
the architecture uses the one sampler.

vLLM computes with kernels of its own, in bfloat16 on a GPU, so what it draws from is not quite what is
trained. How far the two are apart is measured on some answers of every batch, and training ends where it is
more than rounding. vLLM starts with random weights: weights that do not reach it are such a case, and never
go unnoticed.

A sample depends on its prompt, its seed and its settings, but for rounding: vLLM's batches turn close draws,
so runs are repeated in distribution and not in every letter. Of several processes each has a vLLM for its
share of the answers. Left out: several GPUs for one model in vLLM, vLLM as a server, a correction for what it
draws off-policy.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from govaudit.errors import BadInput
from govaudit.models.engine import Draw
from govaudit.train import fit, processes, sequences
from govaudit.train.sequences import Tokens

GAP = 0.1
"""Largest mean distance between vLLM's and the model's log-probability of a token that vLLM drew, nats. Of
random weights it is about ln(vocabulary); of bfloat16 against 32 bits a hundredth."""
_MEMORY = 0.3  # vLLM's share of the device: weights in 16 bits and the cache; training needs the rest
_REMEDY = "Sample with the engine: --sampler engine."
_CHECKED = 4  # answers of a batch that the model scores itself


@dataclass(frozen=True)
class Vllm:
    """A :class:`~govaudit.models.engine.Sampler`."""

    llm: Any

    def __call__(self, model: Any, draws: Sequence[Draw], ends: Collection[int]) -> list[tuple[int, ...]]:
        """:class:`BadInput` where vLLM draws from something else than ``model``."""
        from vllm import SamplingParams

        if not draws:
            return []
        room, longest = self.llm.model_config.max_model_len, max(len(d.prompt) + d.limit for d in draws)
        if longest > room:
            raise BadInput(
                f"a prompt and its answer may take {longest} tokens, and vLLM has memory for {room}",
                remedy="Ask for shorter answers, or sample with the engine: --sampler engine.",
            )
        self._hand_over(model)
        asked = [
            SamplingParams(
                temperature=draw.temperature,
                top_p=draw.top_p,
                seed=draw.seed % 2**63,
                max_tokens=draw.limit,
                stop_token_ids=sorted(ends),
                ignore_eos=True,
                stop=list(draw.stops),
                detokenize=bool(draw.stops),
                logprobs=0,
            )
            for draw in draws
        ]
        prompts = [{"prompt_token_ids": list(draw.prompt)} for draw in draws]
        drawn = [done.outputs[0] for done in self.llm.generate(prompts, asked, use_tqdm=False)]
        tokens = [tuple(one.token_ids) for one in drawn]
        said = [
            [at[token].logprob for at, token in zip(one.logprobs, own, strict=True)]
            for one, own in zip(drawn, tokens, strict=True)
        ]
        check(model, [Tokens(draw.prompt, own) for draw, own in zip(draws, tokens, strict=True)], said)
        return tokens

    def _hand_over(self, model: Any) -> None:
        weights = fit.merged(model, _weights(model))
        try:
            self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights.items())})
        except Exception as error:
            raise BadInput(
                f"vLLM does not take the weights of {type(model).__name__} ({error})", remedy=_REMEDY
            ) from error
        self.llm.reset_prefix_cache()


def _weights(model: Any) -> dict[str, torch.Tensor]:
    """All weights by name, tied ones by each of their names: vLLM takes them for missing otherwise. Not by
    ``state_dict``: under FSDP that slices anew what was put together for sampling."""
    found = dict(model.named_parameters(remove_duplicate=False))
    for place, module in model.named_modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name not in module._non_persistent_buffers_set:
                found[f"{place}.{name}".lstrip(".")] = buffer
    return found


@cache
def start(folder: Path) -> Vllm:
    """vLLM with the architecture of a checkpoint folder; its context is the model's, or what memory holds.

    It keeps its memory until the process ends, so it is the same one whenever it is asked for again. On a CPU
    it takes 1 GiB for its cache, or what ``VLLM_CPU_KVCACHE_SPACE`` says. :class:`BadInput` where vLLM is not
    installed, does not know the architecture, or cannot run here.
    """
    # Weights are handed over within a process.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    try:
        from vllm import LLM
    except ImportError as error:
        raise BadInput(
            f"sampling with vLLM needs {error.name}, which is not installed",
            remedy='Run: pip install "govaudit[train,vllm]", or leave --sampler out.',
        ) from error
    on_gpu = torch.cuda.is_available()
    try:
        llm = LLM(
            model=str(folder),
            dtype="bfloat16" if on_gpu else "float32",
            max_model_len=-1,
            gpu_memory_utilization=_MEMORY,
            # Of several processes each is on a device of its own, which only so vLLM asks the launcher for.
            distributed_executor_backend="external_launcher" if processes.count() > 1 else None,
            enforce_eager=not on_gpu,
            # On a CPU its generators cannot be turned back, as it does where a prompt is read in pieces.
            enable_chunked_prefill=None if on_gpu else False,
            load_format="dummy",
            generation_config="vllm",
            disable_log_stats=True,
        )
    except Exception as error:
        problem = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
        raise BadInput(
            f"vLLM cannot run this checkpoint ({problem})",
            path=folder,
            remedy=_REMEDY,
        ) from error
    return Vllm(llm)


@torch.no_grad()
def check(model: Any, drawn: Sequence[Tokens], said: Sequence[Sequence[float]]) -> None:
    """:class:`BadInput` where the model finds tokens much less or more probable than their sampler did.

    ``said``: the sampler's log-probability of each token of the answers. The shortest are looked at.
    """
    shortest = sorted(range(len(drawn)), key=lambda i: len(drawn[i]))[:_CHECKED]
    own, mask = sequences.answer_logprobs(model, [drawn[i] for i in shortest], None)
    theirs = torch.tensor([value for i in shortest for value in said[i]], device=own.device)
    gap = float((own[mask] - theirs).abs().mean())
    if not gap <= GAP:
        raise BadInput(
            f"vLLM does not draw from the model that is trained: the log-probabilities of its tokens are off "
            f"by {gap:.2g} nats on average",
            remedy=_REMEDY,
        )
