"""Whether training will fit: what it takes beyond the weights, against what the device has left.

In: a model in memory and the lengths of what it is to learn from. Out: nothing, or :class:`BadInput` with the
remedies that would do, before the first step. Estimates are on the safe side by up to a factor of two.
Left out: fragmentation, attention that keeps its weights (``eager``), experts of which only some are used.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import torch

from govaudit.errors import BadInput
from govaudit.models import fingerprint
from govaudit.train import fit, processes

_GIB = 2**30
# 32-bit numbers that a layer keeps for the backward pass, per token: of the width of the residual stream, and
# of that of the feed-forward part. Counted on Llama, Qwen2 and GPT-2 layers; a test counts again.
_STREAM, _FEED = 10, 5
_LOGITS = 5  # per token and entry of the vocabulary: logits, their copy, their softmax, two gradients
_LORA = 16  # rank of the adapters that are recommended
_NO_CRITIC = "take other answers as the baseline, which needs no second model: rl-cai or rloo"
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8}


@dataclass(frozen=True)
class Need:
    """Bytes on one device beyond the weights."""

    gradients: int
    optimiser: int
    """Two moments of each weight (AdamW), and other copies of what is trained."""
    activations: int
    """What one pass keeps for the way back, logits included."""

    @property
    def total(self) -> int:
        return self.gradients + self.optimiser + self.activations

    def __add__(self, other: Need) -> Need:
        """Of two models that learn from the same passes, both kept until the way back."""
        return Need(
            self.gradients + other.gradients,
            self.optimiser + other.optimiser,
            self.activations + other.activations,
        )


def need(model: Any, tokens: int, trained: int, *, checkpointing: bool, copies: int = 0) -> Need:
    """What training takes with passes of so many ``tokens``.

    ``trained``: weights with a gradient. ``copies``: how often a loop keeps them besides (the best so far).
    """
    config = model.config.get_text_config()
    stream, layers = config.hidden_size, config.num_hidden_layers
    feed = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or 4 * stream
    kept = _STREAM * stream + _FEED * feed
    # With checkpointing a layer keeps its input, and one layer at a time the rest.
    numbers = layers * stream + kept if checkpointing else layers * kept
    numbers += _STREAM * stream  # first and last layer
    if model.get_output_embeddings() is not None:
        numbers += _LOGITS * config.vocab_size
    own = -(-trained // processes.count()) if processes.sharded() else trained
    return Need(4 * own, 4 * (2 + copies) * own, 4 * tokens * numbers)


def check(model: Any, lengths: Sequence[int], size: int, *, copies: int = 0, critic: Any = None) -> None:
    """:class:`BadInput` where training ``model`` on sequences of these lengths takes more than there is.

    ``size``: of a pass, in tokens. ``copies``: how often a loop keeps what is trained besides. ``critic``: a
    second model, in memory too, that is trained on the same passes and not kept besides.
    """
    longest = max(lengths)
    tokens = max(longest, min(size, sum(lengths)))
    takes = _both(model, critic, tokens, copies)
    free = left(model.device)
    if takes.total <= free:
        return
    remedies = []
    if not fit.adapters(model):
        less = _both(model, critic, tokens, copies, adapters=True)
        remedies.append(f"train adapters with --lora {_LORA} ({_gib(less.total)})")
    if not _checkpoints(model) and model.supports_gradient_checkpointing:
        less = _both(model, critic, tokens, copies, checkpointing=True)
        remedies.append(f"set fit: {{checkpointing: true}} ({_gib(less.total)})")
    if longest < tokens:
        fewer = max(longest, tokens // 4)
        less = _both(model, critic, fewer, copies)
        remedies.append(f"set pass_tokens: {fewer} ({_gib(less.total)})")
    if critic is not None:
        less = _both(model, None, tokens, copies)
        remedies.append(f"{_NO_CRITIC} ({_gib(less.total)})")
    remedies.append("share the weights between several devices (docs/train.md)")
    raise BadInput(
        f"training takes {_gib(takes.total)} beyond the weights (gradients {_gib(takes.gradients)}, "
        f"optimiser {_gib(takes.optimiser)}, activations of {tokens} tokens {_gib(takes.activations)}), "
        f"and {model.device} has {_gib(free)} left",
        remedy=f"One or several of: {'; '.join(remedies)}.",
    )


def check_critic(model: Any) -> None:
    """:class:`BadInput` where a value function with the weights of ``model`` is more than there is left."""
    takes, free = sum(weight.nbytes for weight in model.base_model.parameters()), left(model.device)
    if takes > free:
        raise BadInput(
            f"the weights of the value function take {_gib(takes)}, and {model.device} has {_gib(free)} left",
            remedy=f"Use a smaller model or a larger device, or {_NO_CRITIC}.",
        )


def check_weights(folder: Path, dtype: str, device: str) -> None:
    """:class:`BadInput` where the weights of a checkpoint folder alone are more than the device has left."""
    files = [file for file in fingerprint.checkpoint(folder).weights if file.suffix == ".safetensors"]
    takes, free = _BYTES[dtype] * sum(map(_numbers, files)), left(torch.device(device))
    if takes > free:
        raise BadInput(
            f"the weights take {_gib(takes)} in {dtype}, and {device} has {_gib(free)} left",
            path=folder,
            remedy="Use a smaller model or a larger device"
            + ("." if dtype == "bfloat16" else ", or keep them in bfloat16 under adapters (--lora 16)."),
        )


def left(device: torch.device) -> int:
    """Bytes that can still be had on a device; of a CPU, what the whole machine has left."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(psutil.virtual_memory().available)


def _both(
    model: Any, critic: Any, tokens: int, copies: int, *, adapters: bool = False, checkpointing: bool = False
) -> Need:
    """What a model and its critic, if it has one, take, as they are or with ``adapters`` and so on."""
    found = Need(0, 0, 0)
    for one, kept in ((model, copies), (critic, 0)):
        if one is not None:
            own = sum(weight.numel() for weight in one.parameters() if weight.requires_grad)
            trained = _adapters(one) if adapters else own
            found += need(one, tokens, trained, checkpointing=checkpointing or _checkpoints(one), copies=kept)
    return found


def _checkpoints(model: Any) -> bool:
    return any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def _adapters(model: Any) -> int:
    """How many numbers adapters would have on every layer of weights but first and last."""
    shapes = [weight.shape for name, weight in model.named_parameters() if weight.dim() == 2]
    vocabulary = model.config.get_text_config().vocab_size
    return _LORA * sum(sum(shape) for shape in shapes if vocabulary not in shape)


def _numbers(file: Path) -> int:
    """How many numbers a safetensors file holds, read from its header."""
    with file.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    return int(sum(torch.Size(shape).numel() for shape in shapes))


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB" if size > _GIB / 2 else f"{size / 2**20:.0f} MiB"
