"""What every training loop shares: a bar that tells numbers, a state that survives a kill, a learning rate.

A loop writes its state (trained weights, optimiser, random numbers, its own curve) every few seconds; the
same call after a kill goes on behind the last state and comes to the same losses. A state belongs to one run:
to its start weights, data and arguments. It does not belong to a number of processes: with another number the
run goes on as well, with the same losses but for rounding (and dropout, where a model has it).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from govaudit.errors import BadInput
from govaudit.train import policy, processes

Progress = Callable[[str, int], AbstractContextManager[Callable[[str], None]]]
"""Opens a bar for a loop of so many steps; yields what is called once per finished step with its numbers."""


@contextmanager
def silent(name: str, total: int) -> Iterator[Callable[[str], None]]:
    """A :data:`Progress` that shows nothing."""
    yield lambda numbers: None


@dataclass(frozen=True)
class Keep:
    """Where a loop keeps its state, and how often."""

    folder: Path
    """Of this one run; holds ``state.pt`` and ``snapshots/step-00010``. May go once the result is saved."""
    every_s: float = 30.0
    """Seconds between two states; 0 = after every step. A state is always kept at the end."""
    snapshot_every: int | None = None
    """Steps between two checkpoints on the way."""
    run: str = ""
    """What else tells this run from others: say the digest of a reward, which a loop cannot see."""

    @property
    def state(self) -> Path:
        return self.folder / "state.pt"


class Optimiser(Protocol):
    """What a state keeps of an optimiser, or of several as one."""

    param_groups: list[dict[str, Any]]

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


class State:
    """The state of one loop on disk; without ``keep`` nothing is written."""

    def __init__(self, keep: Keep | None, loop: str, args: Any, start: Any, data: Any) -> None:
        """``args``: the loop's dataclass; ``start``: the model before it; ``data``: anything whose ``repr``
        differs from that of other data."""
        self._keep = keep
        self._run = ""
        if keep is not None:
            run = repr((loop, keep.run, args, policy.digest(start), data))
            self._run = hashlib.sha256(run.encode()).hexdigest()
        self._kept = time.monotonic()

    def resume(self, model: Any, optimiser: Optimiser) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Put weights, optimiser and random numbers back; return the loop's own values and tensors.

        Both are empty where no state was kept. :class:`BadInput` for the state of another run.
        """
        if self._keep is None or not self._keep.state.is_file():
            return {}, {}
        path = self._keep.state
        try:
            state = torch.load(path, map_location=model.device, weights_only=True)
        except Exception as error:
            raise BadInput(
                f"the state of the interrupted run cannot be read ({type(error).__name__})",
                path=path,
                remedy="Delete it: the run then starts again.",
            ) from error
        if state["run"] != self._run:
            raise BadInput(
                "this is the state of a run with other arguments, data or start weights",
                path=path,
                remedy="Delete it, or name another folder.",
            )
        put(model, state["weights"])
        _put_moments(optimiser, state["optimiser"])
        random = state["random"][processes.rank() % len(state["random"])]
        torch.set_rng_state(random["cpu"].cpu())
        if model.device.type == "cuda":
            torch.cuda.set_rng_state(random["cuda"].cpu(), model.device)
        return json.loads(state["values"]), state["tensors"]

    def due(self, last: bool) -> bool:
        """Whether it is time to keep the state; it always is at the ``last`` step."""
        if self._keep is None or last:
            return self._keep is not None
        return processes.agreed(time.monotonic() - self._kept >= self._keep.every_s)

    def keep(
        self,
        model: Any,
        optimiser: Optimiser,
        values: dict[str, Any],
        tensors: dict[str, torch.Tensor] | None = None,
    ) -> None:
        """Write the state; ``values`` are JSON values. Of several processes all have to call it."""
        assert self._keep is not None
        cuda = model.device.type == "cuda"
        random = {
            "cpu": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(model.device) if cuda else None,
        }
        state = {
            "run": self._run,
            "weights": _whole(trained(model)),
            "optimiser": _whole(optimiser.state_dict()),
            "random": processes.gathered([random]),
            "values": json.dumps(values),
            "tensors": _whole(tensors or {}),
        }
        self._kept = time.monotonic()
        if not processes.first():
            return
        self._keep.folder.mkdir(parents=True, exist_ok=True)
        partial = self._keep.state.with_suffix(".partial")
        with partial.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self._keep.state)

    def snapshot(self, step: int, model: Any, tokenizer: Any) -> None:
        """Write a checkpoint if one is due after so many steps."""
        every = self._keep.snapshot_every if self._keep is not None else None
        if self._keep is not None and every and step % every == 0:
            policy.save(model, tokenizer, self._keep.folder / "snapshots" / f"step-{step:05d}")


def trained(model: Any) -> dict[str, torch.Tensor]:
    """The weights that training changes, by name (not copied)."""
    return {name: weight.detach() for name, weight in model.named_parameters() if weight.requires_grad}


def copied(model: Any) -> dict[str, torch.Tensor]:
    """A copy of :func:`trained`."""
    return {name: weight.clone() for name, weight in trained(model).items()}


def put(model: Any, weights: dict[str, torch.Tensor]) -> None:
    """Put weights of :func:`trained` back in place."""
    own = trained(model)
    for name, weight in weights.items():
        own[name].copy_(processes.slice_of(weight, own[name]))


def _whole(state: Any) -> Any:
    """A tree of tensors in which slices of several processes are put together."""
    if isinstance(state, dict):
        return {name: _whole(part) for name, part in state.items()}
    return processes.full(state) if isinstance(state, torch.Tensor) else state


def _put_moments(optimiser: Optimiser, state: dict[str, Any]) -> None:
    """Put the state of an optimiser back, each process its slices."""
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    for at, moments in state["state"].items():
        for name, moment in moments.items():
            if moment.shape == weights[at].shape:
                moments[name] = processes.slice_of(moment, weights[at])
    optimiser.load_state_dict(state)


def adamw(model: Any, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) on what is trained; each step sets the rate.

    Where several processes share the weights between them, it is here that each keeps its slices.
    """
    processes.shard(model)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    # Torch fuses its steps over weights of one kind only.
    fused = not processes.mixed(weights)
    return torch.optim.AdamW(weights, lr=0.0, weight_decay=weight_decay, fused=fused, foreach=False)


def backward(loss: torch.Tensor) -> None:
    """Add the gradient of one pass's part of a batch's loss, in which the parts are added up."""
    loss.backward()  # type: ignore[no-untyped-call]


def update(model: Any, optimiser: torch.optim.Optimizer, rate: float, clip: float) -> float:
    """One step of the optimiser with the norm of the gradient clipped; returns the norm before that.

    The gradients of all processes are added up first. :class:`BadInput` when the sum is not finite: the
    weights are then as they were.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    processes.sum_gradients(weights)
    norm = processes.clip_gradients(weights, clip)
    if not math.isfinite(norm):
        raise BadInput("the gradient is not finite", remedy="Lower the learning rate.")
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return norm


def warm_then_linear(step: int, steps: int, warmup: float) -> float:
    """Factor of the learning rate at ``step`` (0-based): up in a share ``warmup`` of the steps, then down."""
    warm = round(warmup * steps)
    return (step + 1) / warm if step < warm else (steps - step) / (steps - warm)


@contextmanager
def training(model: Any, seed: int) -> Iterator[None]:
    """Dropout on, from a random state of its own; evaluation mode and the caller's random state after it."""
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed + processes.rank())
        model.train()
        try:
            yield
        finally:
            model.eval()
