"""Direct preference optimisation: a policy learns from pairs without a preference model and without sampling.

In: a policy and pairs with soft labels. Out: the same policy with other weights, and a curve. The policy is
its own preference model: how much more likely it makes an answer than the policy at the start did, times
beta, is the answer's reward, and the loss is that of a preference model on these rewards (Rafailov et al.
2023, arXiv:2305.18290, eq. 7). With a soft label p it is p times the loss of the one order and 1 - p times
that of the other (Mitchell 2023, "A note on DPO with noisy preferences"), so labels of an AI between 0 and 1
can be learned from as they are; it is least where beta times the difference of log-ratios is the log-odds of
p. The start's log-probabilities are computed once, before the first step: after that it takes no memory.

Left out: a term that holds the likelihood of preferred answers up (it may fall, and the curve says so), new
pairs on the way, checks on fixed prompts (nothing is sampled while it trains).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

from govaudit.errors import BadInput
from govaudit.train import loop, memory, processes, sequences
from govaudit.train.loop import Keep, Progress, State, silent
from govaudit.train.policy import Pair, Policy
from govaudit.train.preference import pair_losses
from govaudit.train.sequences import Tokens


@dataclass(frozen=True)
class DpoArgs:
    """How the policy is trained."""

    beta: float = 0.3
    """Strength of the KL term to the start: a large one holds the policy there."""
    epochs: int = 1
    """Times that each pair is seen. There is no leash but beta: three times over the small world's pairs,
    with a beta of .1 and twice the rate, leave a model that garbles one answer in ten and refuses a quarter
    of what only sounds harmful."""
    lr: float = 1e-4
    """Highest learning rate; a model of billions of weights wants 5e-7 or so."""
    pairs: int = 32
    """Pairs of a batch: one step of the optimiser."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises; it then falls to 0 on a line."""
    weight_decay: float = 0.0
    """Decoupled, as a share of the weights per unit of learning rate."""
    clip: float = 1.0
    """Longest gradient."""
    seed: int = 0
    """Of the order of the pairs, and of dropout where the model has it."""
    pass_tokens: int | None = None
    """Tokens that go through the model at a time, with padding; ``None`` = what suits the device. A batch is
    several passes, so this bounds memory and changes no gradient."""


@dataclass(frozen=True)
class DpoStep:
    """One step of the optimiser, before it."""

    step: int
    """1-based."""
    loss: float
    """Nats per pair; ln 2 at the start."""
    accuracy: float | None
    """Share of the batch's pairs whose label leans to a side and is met by the rewards; ``None`` where no
    label leans."""
    better: float
    """Log-ratio to the start of the answers that the labels prefer, nats per answer, mean; of a label of 1/2
    the first."""
    worse: float
    """Of the others."""
    gradient_norm: float
    """Before clipping."""
    lr: float


def dpo(
    start: Policy,
    pairs: Sequence[Pair],
    args: DpoArgs = DpoArgs(),
    *,
    keep: Keep | None = None,
    progress: Progress = silent,
    name: str = "dpo",
) -> tuple[DpoStep, ...]:
    """Train ``start`` in place and return the curve; with ``keep`` an interrupted call can be repeated.

    :class:`BadInput` when there is no pair, a label is no probability, a sequence does not fit the context,
    beta is not above 0, or training diverges.
    """
    _check(pairs, args)
    model, pad = start.model, start.tokenizer.pad_token_id
    rows = _tokens(start, pairs)
    # Both answers of a pair are in one pass.
    lengths = [2 * max(len(first), len(second)) for first, second in rows]
    batches = sequences.batches(len(rows), args.pairs, args.epochs, args.seed, "dpo")
    of_start = start_logprobs(start, rows, args.pass_tokens)
    memory.check(model, lengths, sequences.pass_size(args.pass_tokens, model.device))
    optimiser = loop.adamw(model, args.weight_decay)
    state = State(
        keep, "dpo", args, model, [(pair.p_first, *row) for pair, row in zip(pairs, rows, strict=True)]
    )
    with loop.training(model, args.seed), progress(name, len(batches)) as advance:
        values, _ = state.resume(model, optimiser)
        curve = [DpoStep(**row) for row in values.get("curve", [])]
        for row in curve:
            advance(_numbers(row))
        for step, batch in enumerate(batches[len(curve) :], start=len(curve)):
            sums = torch.zeros(3)
            told = torch.zeros(2)
            for part in sequences.passes(batch, lengths, args.pass_tokens, start.device):
                given = [rows[i][0] for i in part] + [rows[i][1] for i in part]
                logprobs, _ = sequences.answer_logprobs(model, given, pad)
                ratios = torch.stack(logprobs.sum(1).chunk(2), 1) - of_start[part].to(start.device)
                p_first = torch.tensor([pairs[i].p_first for i in part], device=start.device)
                rewards = args.beta * (ratios[:, 0] - ratios[:, 1])
                loss = pair_losses(rewards, p_first).sum() / len(batch)
                loop.backward(loss)
                sums += torch.stack((loss.detach(), *_sides(ratios.detach(), p_first) / len(batch))).cpu()
                lean = p_first - 0.5
                told += torch.stack(((rewards.detach() * lean > 0).sum(), (lean != 0).sum())).cpu()
            loss_, better, worse = processes.summed(sums).tolist()
            right, leaning = processes.summed(told).tolist()
            rate = args.lr * loop.warm_then_linear(step, len(batches), args.warmup)
            norm = loop.update(model, optimiser, rate, args.clip)
            accuracy = right / leaning if leaning else None
            curve.append(DpoStep(step + 1, loss_, accuracy, better, worse, norm, rate))
            state.snapshot(step + 1, model, start.tokenizer)
            if state.due(step + 1 == len(batches)):
                state.keep(model, optimiser, {"curve": [asdict(row) for row in curve]})
            advance(_numbers(curve[-1]))
    return tuple(curve)


@torch.no_grad()
def start_logprobs(
    start: Policy, rows: Sequence[tuple[Tokens, Tokens]], pass_tokens: int | None = None
) -> torch.Tensor:
    """Log-probabilities of both answers of each pair, of shape (pairs, 2), nats."""
    start.model.eval()
    flat = [one for row in rows for one in row]
    found, pad = torch.zeros(len(flat)), start.tokenizer.pad_token_id
    for part in sequences.passes(range(len(flat)), [len(one) for one in flat], pass_tokens, start.device):
        found[part] = sequences.answer_logprobs(start.model, [flat[i] for i in part], pad)[0].sum(1).cpu()
    return processes.summed(found).reshape(-1, 2)


def _sides(ratios: torch.Tensor, p_first: torch.Tensor) -> torch.Tensor:
    """Sums of the log-ratios (pairs, 2) of the answers that are preferred, and of the others."""
    turned = (p_first < 0.5)[:, None]
    return torch.where(turned, ratios.flip(1), ratios).sum(0)


def _tokens(start: Policy, pairs: Sequence[Pair]) -> list[tuple[Tokens, Tokens]]:
    turns = [pair.turns for pair in pairs]
    first = sequences.tokens_of(start.engine, turns, [pair.first for pair in pairs])
    second = sequences.tokens_of(start.engine, turns, [pair.second for pair in pairs])
    return list(zip(first, second, strict=True))


def _check(pairs: Sequence[Pair], args: DpoArgs) -> None:
    if not pairs:
        raise BadInput("there is no pair to learn from")
    if args.beta <= 0:
        raise BadInput(f"beta is {args.beta}", remedy="Give a number above 0: without it no start holds.")
    for place, pair in enumerate(pairs):
        if not 0 <= pair.p_first <= 1:
            raise BadInput(f"the label of pair {place} is {pair.p_first}, no probability")


def _numbers(row: DpoStep) -> str:
    return f"loss {row.loss:.3f}" + (f" right {row.accuracy:.2f}" if row.accuracy is not None else "")
