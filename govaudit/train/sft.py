"""Supervised fine-tuning: a causal language model learns to write given answers to given conversations.

In: a policy and examples. Out: the same policy with other weights, and a curve. The loss is the mean over the
tokens of the answers, end token included; a prompt's tokens count exactly nothing. It is the first stage of
Constitutional AI on revisions (Bai et al. 2022, arXiv:2212.08073, section 3.2).

Left out: packing of sequences, weights per token, a held-out loss along the way (:func:`loss` measures one).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

from govaudit.errors import BadInput
from govaudit.train import loop, memory, processes, sequences
from govaudit.train.loop import Keep, Progress, State, silent
from govaudit.train.policy import Example, Policy


@dataclass(frozen=True)
class SftArgs:
    """How the policy is tuned."""

    epochs: int = 3
    """Times that each example is seen."""
    lr: float = 5e-4
    """Highest learning rate; a model of billions of weights wants 1e-5 or so."""
    batch_tokens: int = 4000
    """Tokens of a batch, prompts included, on average: one step of the optimiser."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises; it then falls to 0 on a line."""
    weight_decay: float = 0.0
    """Decoupled, as a share of the weights per unit of learning rate."""
    clip: float = 1.0
    """Longest gradient."""
    seed: int = 0
    """Of the order of the examples, and of dropout where the model has it."""
    pass_tokens: int | None = None
    """Tokens that go through the model at a time, with padding; ``None`` = what suits the device. A batch is
    several passes, so this bounds memory and changes no gradient."""


@dataclass(frozen=True)
class SftStep:
    """One step of the optimiser."""

    step: int
    """1-based."""
    loss: float
    """Nats per token of the batch's answers, before the step."""
    gradient_norm: float
    """Before clipping."""
    lr: float
    tokens: int
    """Tokens of answers in the batch."""


def sft(
    policy: Policy,
    examples: Sequence[Example],
    args: SftArgs = SftArgs(),
    *,
    keep: Keep | None = None,
    progress: Progress = silent,
) -> tuple[SftStep, ...]:
    """Tune ``policy`` in place and return its curve; with ``keep`` an interrupted call can be repeated.

    :class:`BadInput` when there is no example, one does not fit the context, or training diverges.
    """
    if not examples:
        raise BadInput("there is no example to learn from")
    model, pad = policy.model, policy.tokenizer.pad_token_id
    rows = _tokens(policy, examples)
    lengths = [len(row) for row in rows]
    memory.check(model, lengths, sequences.pass_size(args.pass_tokens, model.device))
    optimiser = loop.adamw(model, args.weight_decay)
    per_batch = args.batch_tokens / (sum(lengths) / len(lengths))
    batches = sequences.batches(len(rows), per_batch, args.epochs, args.seed, "sft")
    state = State(keep, "sft", args, model, rows)
    with loop.training(model, args.seed), progress("sft", len(batches)) as advance:
        values, _ = state.resume(model, optimiser)
        curve = [SftStep(**row) for row in values.get("curve", [])]
        for row in curve:
            advance(f"loss {row.loss:.3f}")
        for step, batch in enumerate(batches[len(curve) :], start=len(curve)):
            tokens = sum(len(rows[i].answer) for i in batch)
            total = 0.0
            for part in sequences.passes(batch, lengths, args.pass_tokens, policy.device):
                logprobs, _ = sequences.answer_logprobs(model, [rows[i] for i in part], pad)
                part_loss = -logprobs.sum() / tokens
                loop.backward(part_loss)
                total += part_loss.item()
            total = processes.summed(total)
            rate = args.lr * loop.warm_then_linear(step, len(batches), args.warmup)
            norm = loop.update(model, optimiser, rate, args.clip)
            curve.append(SftStep(step + 1, total, norm, rate, tokens))
            state.snapshot(step + 1, model, policy.tokenizer)
            if state.due(step + 1 == len(batches)):
                state.keep(model, optimiser, {"curve": [asdict(row) for row in curve]})
            advance(f"loss {total:.3f}")
    return tuple(curve)


@torch.no_grad()
def loss(policy: Policy, examples: Sequence[Example]) -> float:
    """Nats per token of the answers under the policy as it is."""
    policy.model.eval()
    rows = _tokens(policy, examples)
    lengths = [len(row) for row in rows]
    parts = sequences.passes(range(len(rows)), lengths, None, policy.device)
    sums = [
        sequences.answer_logprobs(policy.model, [rows[i] for i in part], policy.tokenizer.pad_token_id)[0]
        for part in parts
    ]
    total = processes.summed(math.fsum(float(one.double().sum()) for one in sums))
    return -total / sum(len(row.answer) for row in rows)


def _tokens(policy: Policy, examples: Sequence[Example]) -> list[sequences.Tokens]:
    conversations, answers = [one.turns for one in examples], [one.answer for one in examples]
    return sequences.tokens_of(policy.engine, conversations, answers)
