"""How a model is made to fit the machine: low-rank adapters, 16-bit weights, gradient checkpointing.

In: a model and a :class:`Fit`. Out: the same model, changed in place, of which training then changes what has
a gradient. Adapters are put into the model's own layers by peft, so its class, its ``forward`` and the names
of its other weights stay as they are, and every loop trains it like any other.

Precision. Weights that the optimiser changes are kept in 32 bits: its steps are small against them, and 16
bits round them away. Weights that stand still lose little in bfloat16 and take half the room. Passes are
computed in bfloat16 on a GPU, or where the weights are in it (``sequences.precision``). So weights in
bfloat16 go with adapters, and only with them. Left out: weights in 8 or 4 bits, adapters other than LoRA.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from govaudit.errors import BadInput

_ADAPTER = "default"  # peft's name of it


@dataclass(frozen=True)
class Fit:
    """What of a model is trained, and in what it is kept."""

    lora: int = 0
    """Rank of low-rank adapters on every linear layer but the last (Hu et al. 2021, arXiv:2106.09685), which
    are then trained instead of the weights; 0 = none, all weights are trained. They want a learning rate
    about ten times higher."""
    alpha: int = 32
    """The adapters' product is multiplied by this over the rank."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the weights that adapters leave as they are: ``auto`` = bfloat16 on a GPU, 32 bits elsewhere."""
    checkpointing: bool = False
    """Compute the layers' intermediate results anew in the backward pass instead of keeping them: a third
    more time for a fraction of the memory (Chen et al. 2016, arXiv:1604.06174)."""

    def frozen_dtype(self, device: str = "auto") -> str:
        """In what weights that stand still are loaded on ``device``, and all weights where they are trained.

        ``auto`` = cuda where there is one, else cpu. :class:`BadInput` where bfloat16 is asked for weights
        that are trained.
        """
        if not self.lora:
            if self.dtype == "bfloat16":
                raise BadInput(
                    "weights that are trained are kept in 32 bits: bfloat16 loses the optimiser's steps",
                    remedy="Train adapters (--lora 16), or leave dtype out: a GPU computes in bfloat16 so.",
                )
            return "float32"
        if self.dtype != "auto":
            return self.dtype
        on_gpu = torch.cuda.is_available() if device == "auto" else device != "cpu"
        return "bfloat16" if on_gpu else "float32"


PLAIN = Fit()
"""All weights are trained."""


def apply(model: Any, fit: Fit) -> None:
    """Make ``model`` ready for training as ``fit`` says; :class:`BadInput` where it cannot be."""
    if fit.checkpointing:
        if not model.supports_gradient_checkpointing:
            raise BadInput(
                f"{type(model).__name__} has no gradient checkpointing",
                remedy="Set checkpointing: false and lower pass_tokens instead.",
            )
        # transformers renamed it on the way through version 5.
        enable = (
            getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        )
        enable({"use_reentrant": False})
    if fit.lora:
        _adapt(model, fit)


def _adapt(model: Any, fit: Fit) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise BadInput(
            f"LoRA needs {error.name}, which is not installed", remedy='Run: pip install "govaudit[train]".'
        ) from error
    # The last layer of a preference model starts at 0 and is trained as a whole.
    apart = ["score"] if hasattr(model, "score") else None
    config = LoraConfig(r=fit.lora, lora_alpha=fit.alpha, target_modules="all-linear", exclude_modules=apart)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # peft tells that it takes a transposed layer as one
        inject_adapter_in_model(config, model)
        generator = torch.Generator().manual_seed(0)
        for name, weight in model.named_parameters():
            own = "lora_" in name or name == "score.weight"
            weight.requires_grad_(own)
            if own:
                weight.data = weight.data.float()
            if "lora_A" in name:  # peft's own distribution, but the same numbers on every device
                bound = weight.shape[1] ** -0.5
                drawn = torch.empty(weight.shape).uniform_(-bound, bound, generator=generator)
                weight.data.copy_(drawn)


def adapters(model: Any) -> list[tuple[str, Any]]:
    """The layers of ``model`` that have adapters, with their names."""
    return [(name, module) for name, module in model.named_modules() if hasattr(module, "lora_A")]


class Start:
    """A model with adapters as it was before they were trained: the same weights, adapters switched off.

    For passes without gradient; it takes no memory of its own.
    """

    def __init__(self, model: Any) -> None:
        """``ValueError`` when the adapters have been trained already: there is no way back to that model."""
        if any(bool(module.lora_B[_ADAPTER].weight.any()) for _, module in adapters(model)):
            raise ValueError("the adapters have been trained: load the model again")
        self._model = model
        self.forward = model.forward

    @torch.no_grad()
    def __call__(self, **given: Any) -> Any:
        with _off(self._model):
            return self._model(**given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


@contextmanager
def _off(model: Any) -> Iterator[None]:
    layers = [module for _, module in adapters(model)]
    for module in layers:
        module._disable_adapters = True  # enable_adapters() would take the gradient from the adapters as well
    try:
        yield
    finally:
        for module in layers:
            module._disable_adapters = False


def merged(model: Any, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of a model without adapters that computes the same, from all weights of one with them.

    ``state``: as of ``state_dict``. The names are those of the model before it had adapters.
    """
    layers = dict(adapters(model))
    found = {}
    for name, weight in state.items():
        layer, _, rest = name.partition(".base_layer.")
        if ".lora_" in name:
            continue
        if rest == "weight":
            module = layers[layer]
            low, high = (state[f"{layer}.lora_{which}.{_ADAPTER}.weight"].float() for which in "AB")
            change = module.scaling[_ADAPTER] * (high @ low)
            change = change.T if module.fan_in_fan_out else change
            found[f"{layer}.weight"] = (weight.float() + change).to(weight.dtype)
        else:
            found[f"{layer}.{rest}" if rest else name] = weight
    return found


def save_adapter(model: Any, state: dict[str, torch.Tensor], folder: Path) -> None:
    """Write the adapters alone, as peft does: they belong on the checkpoint that training began with."""
    from safetensors.torch import save_file

    weights = {
        f"base_model.model.{name.replace(f'.{_ADAPTER}.', '.')}": weight.contiguous()
        for name, weight in state.items()
        if ".lora_" in name
    }
    folder.mkdir(parents=True)
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    model.peft_config[_ADAPTER].save_pretrained(folder)
