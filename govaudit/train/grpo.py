"""Group-relative policy optimisation: a policy learns to write what a reward finds better than its siblings.

In: a policy, pools of prompts, and a reward, which is any function of conversation and answer: a preference
model (:func:`preference_reward`) or a rule that knows what is right (:func:`verifiable`). Out: the same
policy with other weights, its curve, its checks on fixed prompts, and records of the last steps. A step draws
prompts, samples a group of answers to each, and turns the rewards of a group into advantages, so that prompts
whose answers are all good do not drown those whose answers differ. There is no value function: the siblings
are the baseline. Two of them:

* ``group``: minus the group's mean, over its standard deviation and a floor (Shao et al. 2024,
  arXiv:2402.03300, section 4.1). Each token of a batch weighs the same; the KL term is in the loss.
* ``leave-one-out``: minus the mean of the others, and nothing else (RLOO: Kool et al. 2019; Ahmadian et al.
  2024, arXiv:2402.14740, section 4). An answer is one action: its log-probability is the sum over its tokens,
  and the KL term is in its reward. The baseline does not depend on the answer it is subtracted from, so the
  gradient is unbiased; that of ``group`` is not.

Left out: a value function and token-wise advantages (:mod:`~govaudit.train.ppo`), rewards of parts of an
answer, replay of old samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from govaudit.records import Turn
from govaudit.train import loop, policy, processes, rollouts, sequences
from govaudit.train.loop import Keep, Progress, State, silent
from govaudit.train.policy import Conversation, Policy
from govaudit.train.rollouts import (
    Batch,
    Check,
    Course,
    Prompts,
    Reward,
    RolloutArgs,
    k3,
    logprobs,
    preference_reward,
    surrogate,
    verifiable,
)

__all__ = ["GrpoArgs", "GrpoRun", "grpo", "preference_reward", "verifiable"]


@dataclass(frozen=True)
class GrpoArgs(RolloutArgs):
    """How the policy is trained."""

    baseline: Literal["group", "leave-one-out"] = "group"
    """What the rewards of a group are measured from."""
    std_floor: float = 0.05
    """Added to the standard deviation of a group's rewards: differences far below it are noise. Of ``group``
    alone."""


@dataclass(frozen=True)
class GrpoStep:
    """One batch of samples, before its step."""

    step: int
    """1-based."""
    reward: float
    """Mean over the batch. Prompts differ from batch to batch: the checks tell progress, not this."""
    kl: float
    """From the policy at the start, nats per answer."""
    beta: float
    """Weight of the KL term in this step."""
    entropy: float
    """Nats per token."""
    distinct: float
    """Distinct answers in a group, as a share of the group: 1 = all differ."""
    length: float
    """Tokens per answer."""
    gradient_norm: float
    """Before clipping, of the batch's last step of the optimiser."""
    loss: float
    """Of the batch's last step of the optimiser."""


@dataclass(frozen=True)
class GrpoRecord:
    """One group of answers."""

    step: int
    turns: Conversation
    answers: tuple[str, ...]
    rewards: tuple[float, ...]
    advantages: tuple[float, ...]
    """Of every token of the answer."""
    kl: tuple[float, ...]
    """From the policy at the start, nats, estimated on each answer; it is the mean that means something."""

    def data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, data: dict[str, Any]) -> GrpoRecord:
        """The record of :meth:`data`."""
        turns = tuple(Turn(**turn) for turn in data["turns"])
        rest = {name: tuple(data[name]) for name in ("answers", "rewards", "advantages", "kl")}
        return cls(data["step"], turns, **rest)


@dataclass(frozen=True)
class GrpoRun:
    """What training told on its way."""

    curve: tuple[GrpoStep, ...]
    checks: tuple[Check, ...]
    """At the start, every so many steps, and at the end; empty without fixed and benign prompts."""
    records: tuple[GrpoRecord, ...]
    """Every group of the last steps."""
    kept_step: int
    """After how many steps the weights of the result were reached."""
    stopped_early: bool
    """Whether the benign prompts ended it."""


def grpo(
    start: Policy,
    pools: Sequence[Sequence[Conversation]],
    reward: Reward,
    args: GrpoArgs = GrpoArgs(),
    *,
    fixed: Sequence[Conversation] = (),
    benign: Sequence[Conversation] = (),
    right: Reward | None = None,
    keep: Keep | None = None,
    progress: Progress = silent,
    name: str = "rl",
) -> GrpoRun:
    """Train the policy ``start`` in place; with ``keep`` an interrupted call can be repeated.

    ``pools``: prompts by kind, say harmful and benign. ``fixed``: prompts on which checks take the reward.
    ``benign``: prompts on which they take the share of right answers, of which ``right`` says 1 = right, 0 =
    not. :class:`BadInput` when a pool is empty, a prompt leaves no room for an answer, or training diverges.
    """
    asked = Prompts(pools, fixed, benign, right)
    rollouts.check(start, asked, args, least=2)
    model, reference = start.model, policy.frozen(start)
    optimiser = loop.adamw(model, 0.0)
    state = State(keep, "grpo", args, model, (pools, fixed, benign))
    look = rollouts.looking(start, reference, reward, asked, args)
    course: Course[GrpoStep, GrpoRecord] = Course(args, start, look, args.beta)
    with loop.training(model, args.seed), progress(name, args.steps) as advance:
        values, tensors = state.resume(model, optimiser)
        if values:
            course.put(values, tensors, GrpoStep, GrpoRecord.of)
        else:
            course.begin()
        for row in course.curve:
            advance(course.numbers(row))
        for step in range(len(course.curve), 0 if course.stopped else args.steps):
            batch = rollouts.drawn(start, pools, reward, step, args)
            learned = _learned(start, reference, optimiser, batch, course.beta, args)
            told = GrpoStep(
                step=step + 1,
                reward=float(batch.rewards.mean()),
                kl=float(learned.kl.mean()),
                beta=course.beta,
                entropy=learned.entropy,
                distinct=batch.distinct,
                length=batch.tokens / batch.rewards.size,
                gradient_norm=learned.norm,
                loss=learned.loss,
            )
            last = course.tell(told, _records(step + 1, batch, learned))
            state.snapshot(step + 1, model, start.tokenizer)
            if state.due(last):
                state.keep(model, optimiser, course.values(), course.best)
            advance(course.numbers(told))
            if last:
                break
    kept_step = course.end()
    recorded = tuple(record for rows in course.records for record in rows)
    return GrpoRun(tuple(course.curve), tuple(course.checks), recorded, kept_step, course.stopped)


@dataclass(frozen=True)
class _Learned:
    """What one batch gave."""

    advantages: NDArray[np.float64]
    """(prompts, samples)"""
    kl: NDArray[np.float64]
    """(prompts, samples), nats"""
    entropy: float
    norm: float
    loss: float


def _learned(
    now: Policy,
    reference: Policy,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    beta: float,
    args: GrpoArgs,
) -> _Learned:
    """The steps of the optimiser on one batch."""
    model, pad, heat, device = now.model, now.tokenizer.pad_token_id, args.temperature, now.device
    rows, number = batch.rows, torch.from_numpy(batch.number).float()
    whole = args.baseline == "leave-one-out"
    parts = list(sequences.passes(range(len(rows)), [len(row) for row in rows], args.pass_tokens, device))
    with torch.no_grad():
        of_start = [logprobs(reference.model, rows, part, pad, heat) for part in parts]
        before = [logprobs(model, rows, part, pad, heat) for part in parts if whole or args.epochs > 1]
    if whole:
        apart = torch.zeros(len(rows))
        for part, own, theirs in zip(parts, before, of_start, strict=True):
            apart[part] = (own - theirs).sum(1).cpu()
        apart = processes.summed(apart)
        gains = leave_one_out(batch.rewards - beta * apart.double().numpy()[batch.row_of])
    else:
        gains = advantages(batch.rewards, args.std_floor)
    gain = torch.zeros(len(rows))
    gain[batch.row_of.ravel()] = torch.from_numpy(gains.ravel()).float()

    kl, entropy, loss, norm = torch.zeros(len(rows)), 0.0, 0.0, 0.0
    model.train()
    for epoch in range(args.epochs):
        loss = 0.0
        for at, part in enumerate(parts):
            own, mask, spread = sequences.answer_logprobs_and_entropy(
                model, [rows[i] for i in part], pad, temperature=heat
            )
            times, pays = number[part].to(device)[:, None], gain[part].to(device)[:, None]
            old = before[at] if before else own.detach()
            distance = k3(own, of_start[at])
            if whole:
                ratio = (own - old).sum(1, keepdim=True)
                part_loss = -(times * surrogate(ratio, pays, args.ratio_clip)).sum() / batch.rewards.size
            else:
                cost = beta * distance - surrogate(own - old, pays, args.ratio_clip)
                part_loss = (times * mask * cost).sum() / batch.tokens
            loop.backward(part_loss)
            loss += part_loss.item()
            if epoch == 0:
                kl[part] = distance.detach().sum(1).cpu()
                entropy += float((times * mask * spread).sum()) / batch.tokens
        norm = loop.update(model, optimiser, args.lr, args.clip)
    kl, entropy, loss = processes.summed(kl), processes.summed(entropy), processes.summed(loss)
    return _Learned(gains, kl.double().numpy()[batch.row_of], entropy, norm, loss)


def advantages(rewards: ArrayLike, floor: float) -> NDArray[np.float64]:
    """(r - mean of the group) / (standard deviation of the group + ``floor``).

    ``rewards`` (groups, samples); the result has the same shape, and each group sums to 0.
    """
    r = np.asarray(rewards, dtype=np.float64)
    centred = r - r.mean(axis=1, keepdims=True)
    return np.asarray(centred / (r.std(axis=1, keepdims=True) + floor))


def leave_one_out(rewards: ArrayLike) -> NDArray[np.float64]:
    """r minus the mean of the other rewards of its group (Ahmadian et al. 2024, section 4, "RLOO").

    ``rewards`` (groups, at least 2 samples); the result has the same shape, and each group sums to 0.
    """
    r = np.asarray(rewards, dtype=np.float64)
    others = (r.sum(axis=1, keepdims=True) - r) / (r.shape[1] - 1)
    return np.asarray(r - others)


def _records(step: int, batch: Batch, learned: _Learned) -> tuple[GrpoRecord, ...]:
    rows = zip(
        batch.prompts,
        batch.texts,
        batch.rewards.tolist(),
        learned.advantages.tolist(),
        learned.kl.tolist(),
        strict=True,
    )
    return tuple(GrpoRecord(step, turns, *map(tuple, rest)) for turns, *rest in rows)
