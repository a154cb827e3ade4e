"""Several processes as one: each computes a share of the passes, and sums make them agree.

``accelerate launch -m govaudit train ...`` starts them, on one machine or on several with a common folder.
All run the same code with the same seeds over the same batches; they differ in which passes of a batch they
compute (``sequences.passes`` deals them out) and which answers they sample. Gradients are sums over the
batch and are summed over processes, and so is every number that is told, so all take the same decisions and
come to what one process comes to, but for rounding. Only the first writes files.

Where accelerate is configured for FSDP, each process holds a slice of the trained model (torch's
``fully_shard``; Zhao et al. 2023, arXiv:2304.11277). The whole model is then put together while it samples,
so it has to fit on one device without optimiser and activations. Left out: DeepSpeed, FSDP version 1 and
offloading, tensor and pipeline parallelism, processes that come and go.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar, overload

import torch
from torch import distributed

from govaudit.errors import BadInput

T = TypeVar("T")

_PATIENCE = timedelta(hours=6)  # one process may sample long answers while the others wait


def start() -> None:
    """Join the processes that a launcher started; alone it does nothing.

    :class:`BadInput` where the launcher was told to use what is left out here.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized():
        return
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true":
        raise BadInput("DeepSpeed is not supported", remedy="Choose FSDP (version 2) in `accelerate config`.")
    if sharded() and os.environ.get("FSDP_VERSION") != "2":
        raise BadInput("FSDP is supported in its version 2 alone", remedy="Add --fsdp_version 2.")
    if sharded() and os.environ.get("FSDP_OFFLOAD_PARAMS", "").lower() == "true":
        raise BadInput("weights are not offloaded to the CPU", remedy="Add --fsdp_offload_params false.")
    # The launcher's default leaves every process but the first without weights, for FSDP to fill in. Here
    # each loads the model, and keeps its slice.
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    from accelerate import PartialState  # type: ignore[import-untyped]

    PartialState(timeout=_PATIENCE)


def count() -> int:
    """How many processes there are; 1 = this one alone."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def first() -> bool:
    """Whether this is the process that writes files and shows bars."""
    return rank() == 0


def wait() -> None:
    """Go on when all processes are here."""
    if count() > 1:
        distributed.barrier()


def agreed(said: bool) -> bool:
    """What the first process says, in every process."""
    return bool(summed(float(said and first())))


def share(items: Sequence[T]) -> list[T]:
    """What this process does of ``items``; :func:`gathered` is the way back."""
    return list(items[rank() :: count()])


def gathered(own: Sequence[T]) -> list[T]:
    """What all processes made of their shares, in the order of the items, in every process."""
    shares = _shares(own)
    return [shares[i % len(shares)][i // len(shares)] for i in range(sum(map(len, shares)))]


def joined(own: Sequence[T]) -> list[T]:
    """The lists of all processes one after the other, in every process."""
    return [one for share in _shares(own) for one in share]


def _shares(own: Sequence[T]) -> list[list[T]]:
    if count() == 1:
        return [list(own)]
    shares: list[Any] = [None] * count()
    distributed.all_gather_object(shares, list(own))
    return shares


@overload
def summed(value: float) -> float: ...
@overload
def summed(value: torch.Tensor) -> torch.Tensor: ...


def summed(value: float | torch.Tensor) -> float | torch.Tensor:
    """The sum over the processes, the same in each of them."""
    if count() == 1:
        return value
    if not isinstance(value, torch.Tensor):
        return float(summed(torch.tensor(value, dtype=torch.float64)))
    total = value.detach().to(_device(value), copy=True)
    distributed.all_reduce(total)
    return total.to(value.device)


def sum_gradients(weights: Iterable[torch.nn.Parameter]) -> None:
    """Replace gradients by their sums over the processes; those of slices were summed when they were made."""
    if count() == 1:
        return
    waiting = [
        distributed.all_reduce(weight.grad, async_op=True)
        for weight in weights
        if weight.grad is not None and not _is_slice(weight.grad)
    ]
    for work in waiting:
        work.wait()


def clip_gradients(weights: Sequence[torch.nn.Parameter], longest: float) -> float:
    """Scale the gradients so that their norm is at most ``longest``; returns the norm before."""
    if not any(map(_is_slice, weights)):
        return float(torch.nn.utils.clip_grad_norm_(weights, longest))
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    norm = math.hypot(*(float(full(gradient.norm())) for gradient in gradients))
    for gradient in gradients if norm > longest else ():
        gradient.mul_(longest / norm)
    return norm


# --- slices of a model


def shard(model: Any) -> None:
    """Leave this process a slice of each weight, in place, where accelerate is configured for FSDP."""
    if count() == 1 or not sharded() or _sliced_modules(model):
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(model.device.type, (count(),))
    blocks = set(model._no_split_modules or ())
    for module in list(model.modules()):
        if type(module).__name__ in blocks:
            fully_shard(module, mesh=mesh)
    # The score of a preference model is computed outside of its forward pass, so each process has all of it.
    fully_shard(model.base_model if hasattr(model, "score") else model, mesh=mesh)
    for module in _sliced_modules(model):
        # The loss of a process is a part of the batch's: gradients are added up, not averaged.
        module.set_gradient_divide_factor(1.0)
        module.set_force_sum_reduction_for_comms(True)


@contextmanager
def whole(model: Any) -> Iterator[None]:
    """All weights in every process while it lasts: a pass needs no other process then."""
    parts = _sliced_modules(model)
    for module in parts:
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()
    try:
        yield
    finally:
        for module in parts:
            module.reshard()
            module.set_reshard_after_forward(True, recurse=False)


def full(weight: torch.Tensor) -> torch.Tensor:
    """The whole of a weight of which every process has a slice; all processes have to ask for it."""
    return weight.full_tensor() if _is_slice(weight) else weight  # type: ignore[attr-defined,no-any-return]


def mixed(weights: Iterable[torch.Tensor]) -> bool:
    """Whether some are slices and some are not."""
    return len({_is_slice(weight) for weight in weights}) > 1


def slice_of(weight: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The part of a whole weight that belongs where ``like`` is."""
    if not _is_slice(like) or _is_slice(weight):
        return weight
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(weight.to(like.device), like.device_mesh, like.placements)


def sharded() -> bool:
    """Whether a launcher was configured for FSDP, so that weights that are trained are sliced."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"


def _sliced_modules(model: Any) -> list[Any]:
    if count() == 1:
        return []
    from torch.distributed.fsdp import FSDPModule

    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def _is_slice(weight: torch.Tensor) -> bool:
    if count() == 1:
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(weight, DTensor)


def _device(value: torch.Tensor) -> torch.device:
    """Where sums are made: NCCL alone knows no tensors on the CPU."""
    here = value.device.type != "cpu" or "cpu:" in distributed.get_backend_config()
    return value.device if here else torch.device("cuda")
