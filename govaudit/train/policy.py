"""Models in memory and what they are trained on: examples and pairs in, checkpoints out.

A :class:`Policy` is a causal language model that writes and is trained; its engine is the one that audits
use, so a sample in training is drawn as a sample in an audit. Where several processes train together
(``processes``), each samples its share of the answers, and the first one writes files.
"""

from __future__ import annotations

import copy
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from govaudit.errors import BadInput
from govaudit.models.engine import Completion, Engine, Request, Sampler, without_bars
from govaudit.records import Turn
from govaudit.train import fit, memory, processes
from govaudit.train.draws import seed_of
from govaudit.train.fit import PLAIN, Fit

Conversation = tuple[Turn, ...]


@dataclass(frozen=True)
class Example:
    """What the model is to write."""

    turns: Conversation
    """The conversation that is answered."""
    answer: str


@dataclass(frozen=True)
class Pair:
    """Two answers to one conversation and how they compare."""

    turns: Conversation
    first: str
    second: str
    p_first: float
    """Probability that the first is better, in [0, 1]; a hard label is 0 or 1."""
    source: str
    """Who says so, for example ``ai`` or ``people``."""


@dataclass(frozen=True)
class Policy:
    """A causal language model with its tokenizer. The weights behind it change when it is trained."""

    model: Any
    tokenizer: Any
    batch_size: int = 256
    """Answers that are written together: a tiny model on a CPU gains from more than an audit asks at once."""
    sampler: Sampler | None = None
    """Draws the tokens of its answers; ``None`` = the engine does."""

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

    @cached_property
    def engine(self) -> Engine:
        """Writes and scores with the weights as they are at each call."""
        return Engine(self.model, self.tokenizer, batch_size=self.batch_size, sampler=self.sampler)


def load(folder: Path, device: str = "auto", dtype: str = "float32") -> Policy:
    """The policy in a checkpoint folder, with 32-bit weights unless told otherwise.

    Optimisers add small steps to large weights, which 16 bits round away; on a GPU the passes themselves run
    in bfloat16. :class:`BadInput` as for :meth:`Engine.load`.
    """
    engine = Engine.load(folder, device=device, dtype=dtype)
    return Policy(engine.model, engine.tokenizer)


def load_to_train(folder: Path, how: Fit = PLAIN, device: str = "auto") -> Policy:
    """The policy in a checkpoint folder, ready to be trained as ``how`` says.

    :class:`BadInput` as for :meth:`Engine.load`, and where it cannot be trained so.
    """
    dtype = how.frozen_dtype(device)
    on = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    memory.check_weights(folder, dtype, on)
    loaded = load(folder, on, dtype)
    fit.apply(loaded.model, how)
    return loaded


def save(model: Any, tokenizer: Any, folder: Path, *, half: bool = False) -> Path:
    """Write a Hugging Face checkpoint into ``folder``, replacing what is there, and return it.

    ``half``: 16-bit weights. Adapters are merged into the weights, and kept apart in ``folder/adapter`` as
    well. Written beside and renamed, so that nobody sees half a checkpoint. Of several processes all have to
    call it; the first writes.
    """
    state = _whole_state(model)
    if processes.first():
        _write(model, tokenizer, state, folder, half)
    else:
        folder.mkdir(parents=True, exist_ok=True)
    processes.wait()
    return folder


def _whole_state(model: Any) -> dict[str, torch.Tensor]:
    """All weights, put together where each process has a slice; of processes but the first: nothing."""
    state = {}
    for name, weight in model.state_dict().items():
        found = processes.full(weight)
        if processes.first():
            state[name] = found.cpu() if processes.count() > 1 else found
    return state


def _write(model: Any, tokenizer: Any, state: dict[str, torch.Tensor], folder: Path, half: bool) -> None:
    weights = fit.merged(model, state)
    if half:
        weights = _halved(weights)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        with without_bars():
            model.save_pretrained(partial, state_dict=weights)
            tokenizer.save_pretrained(partial)
        if fit.adapters(model) and not hasattr(model, "score"):
            fit.save_adapter(model, state, partial / "adapter")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        raise BadInput(f"the checkpoint cannot be written ({error.strerror})", path=folder) from error


def _halved(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """In 16 bits. Weights that are tied stay tied, or they would be written twice."""
    by_place: dict[int, torch.Tensor] = {}
    return {
        name: by_place.setdefault(one.data_ptr(), one.half()) if one.is_floating_point() else one
        for name, one in weights.items()
    }


def frozen(policy: Policy) -> Policy:
    """A copy that no training changes; of a model with adapters, a view of it without them.

    ``ValueError`` where the adapters have been trained already.
    """
    if fit.adapters(policy.model):
        return Policy(fit.Start(policy.model), policy.tokenizer, policy.batch_size)
    model = copy.deepcopy(policy.model).eval().requires_grad_(False)
    return Policy(model, policy.tokenizer, policy.batch_size)


def digest(model: Any) -> str:
    """SHA-256 over names, types, shapes and bytes of the weights."""
    found = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        found.update(f"{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
        content = processes.full(weight).detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        found.update(content.numpy().data)
    return found.hexdigest()


def answers(
    policy: Policy,
    conversations: Sequence[Conversation],
    *,
    samples: int = 1,
    max_tokens: int = 96,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> list[list[Completion]]:
    """``samples`` answers to each conversation.

    An answer depends on the weights, its conversation, its number, the place of its conversation in the list,
    and the seed. The model is left in evaluation mode.
    """
    policy.model.eval()
    own = processes.share(list(enumerate(conversations)))
    requests = [
        Request(turns, max_tokens, temperature, top_p, seed=seed_of(seed, place, number))
        for place, turns in own
        for number in range(samples)
    ]
    with processes.whole(policy.model):
        done = policy.engine.generate(requests)
    return processes.gathered([done[start : start + samples] for start in range(0, len(done), samples)])
