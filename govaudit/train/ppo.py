"""Proximal policy optimisation: a policy learns from a reward with a value function as its baseline.

In: a policy, pools of prompts, a reward, and a critic (:func:`critic_of` makes one). Out: the same policy
with other weights, its curve, its checks on fixed prompts, and per token of the last steps what was done and
what came of it. The words (Schulman et al. 2017, arXiv:1707.06347; for language models Ouyang et al. 2022,
arXiv:2203.02155, appendix C.4):

* policy: the language model. state: the conversation and the answer so far. action: the next token.
* reward: minus beta ln(p/q) at each token, p of the policy and q of its start, and at the last token the
  score of the answer besides.
* value: what the critic expects of a state, the sum of the rewards still to come.
* advantage: how much better an action turned out than the state's value had said, by generalised advantage
  estimation (Schulman et al. 2016, arXiv:1506.02438, eq. 16).

Two networks are trained, policy and critic; two are not, the start (for the KL term) and whatever gives the
score. **The critic is no second writer.** It is a token classifier with one output: it reads states, has no
output over the vocabulary and no ``generate``, and no answer of its own is compared with anything. Comparing
with other answers is what ``baseline: leave-one-out`` of :mod:`~govaudit.train.grpo` does. It is a network of
its own, not a head on the policy, because errors of values are large at first and would move the weights that
write; that costs the memory of a second trained model.

Left out: a discount (answers are short), early ends of an epoch by divergence, one network for policy and
value, rewards of parts of an answer.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from transformers import AutoModelForTokenClassification

from govaudit.errors import BadInput
from govaudit.records import Turn
from govaudit.train import fit, loop, memory, policy, processes, rollouts, sequences
from govaudit.train.fit import PLAIN, Fit
from govaudit.train.loop import Keep, Progress, State, silent
from govaudit.train.policy import Conversation, Policy
from govaudit.train.preference import PreferenceModel
from govaudit.train.rollouts import (
    Batch,
    Check,
    Course,
    Prompts,
    Reward,
    RolloutArgs,
    k3,
    logprobs,
    surrogate,
)
from govaudit.train.sequences import Tokens


@dataclass(frozen=True)
class PpoArgs(RolloutArgs):
    """How policy and critic are trained."""

    prompts: int = 96
    """Prompts of a batch, equally many from each pool."""
    samples: int = 1
    """Answers to each prompt: the critic is the baseline, so no siblings are needed."""
    lr: float = 1e-4
    """Learning rate of the policy, which makes several steps on a batch; a model of billions of weights wants
    1e-6 or so."""
    epochs: int = 2
    """Times that a batch is gone through."""
    minibatches: int = 2
    """Steps of both optimisers each time."""
    critic_first: int = 4
    """Batches at the start in which the critic alone is trained: while it expects nothing of anything, the
    advantages say which prompts are easy and not which tokens are good."""
    value_lr: float = 1e-3
    """Learning rate of the critic; one of billions of weights wants 1e-5 or so."""
    value_clip: float | None = 0.5
    """How far a value may move from what it was for the batch and still pay, in units of the reward
    (Schulman et al. 2017 as in their code; Huang et al. 2024, arXiv:2403.17031); ``None`` = as far as it
    likes."""
    gae_lambda: float = 0.95
    """0: an advantage is the next value's word against this one's; 1: what was really got, less the value."""


@dataclass(frozen=True)
class PpoStep:
    """One batch of samples, before its steps of the optimisers."""

    step: int
    """1-based."""
    reward: float
    """Mean score over the batch, without the KL term. Prompts differ from batch to batch: the checks tell
    progress, not this."""
    kl: float
    """From the policy at the start, nats per answer."""
    beta: float
    """Weight of the KL term in this step."""
    entropy: float
    """Nats per token."""
    length: float
    """Tokens per answer."""
    explained: float | None
    """1 - Var(return - value) / Var(return) over tokens: 1 = the critic knows all, 0 = it knows no more than
    a constant, below 0 = it misleads; ``None`` where all returns are equal."""
    clipped: float
    """Share of tokens, over all steps of the optimiser, whose ratio is beyond its bounds."""
    gradient_norm: float
    """Of the policy before clipping, mean over the batch's steps."""
    value_gradient_norm: float
    loss: float
    """Of the policy, mean over the batch's steps."""
    value_loss: float
    """Of the critic, half the squared error of a token, mean over the batch's steps."""


@dataclass(frozen=True)
class PpoRecord:
    """One answer, token by token. The state of a token is the conversation and the tokens before it."""

    step: int
    turns: Conversation
    answer: str
    score: float
    """Of the whole answer."""
    actions: tuple[str, ...]
    """The tokens as text."""
    rewards: tuple[float, ...]
    """KL term and, at the last, the score."""
    values: tuple[float, ...]
    """What the critic expected of each state."""
    advantages: tuple[float, ...]
    """Before they are standardised over the batch."""

    def data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, data: dict[str, Any]) -> PpoRecord:
        """The record of :meth:`data`."""
        turns = tuple(Turn(**turn) for turn in data["turns"])
        rest = {name: tuple(data[name]) for name in ("actions", "rewards", "values", "advantages")}
        return cls(data["step"], turns, data["answer"], data["score"], **rest)


@dataclass(frozen=True)
class PpoRun:
    """What training told on its way."""

    curve: tuple[PpoStep, ...]
    checks: tuple[Check, ...]
    """At the start, every so many steps, and at the end; empty without fixed and benign prompts."""
    records: tuple[PpoRecord, ...]
    """Every distinct answer of the last steps."""
    kept_step: int
    """After how many steps the weights of the result were reached."""
    stopped_early: bool
    """Whether the benign prompts ended it."""
    critic: Any = field(repr=False, compare=False)
    """The critic as it is after the last step."""


def ppo(
    start: Policy,
    pools: Sequence[Sequence[Conversation]],
    reward: Reward,
    args: PpoArgs = PpoArgs(),
    *,
    critic: Any = None,
    fixed: Sequence[Conversation] = (),
    benign: Sequence[Conversation] = (),
    right: Reward | None = None,
    keep: Keep | None = None,
    progress: Progress = silent,
    name: str = "ppo",
) -> PpoRun:
    """Train the policy ``start`` and its critic in place; with ``keep`` an interrupted call can be repeated.

    ``critic``: of :func:`critic_of`; ``None`` = one with the weights of ``start``. The rest as in
    :func:`govaudit.train.grpo.grpo`.
    """
    asked = Prompts(pools, fixed, benign, right)
    critic = critic_of(start) if critic is None else critic
    rollouts.check(start, asked, args, least=1, critic=critic)
    model, reference = start.model, policy.frozen(start)
    own = _Both(model, critic)
    steps = _Steps(own)
    state = State(keep, "ppo", args, own, (pools, fixed, benign))
    look = rollouts.looking(start, reference, reward, asked, args)
    course: Course[PpoStep, PpoRecord] = Course(args, start, look, args.beta)
    with loop.training(own, args.seed), progress(name, args.steps) as advance:
        values, tensors = state.resume(own, steps)
        if values:
            course.put(values, tensors, PpoStep, PpoRecord.of)
        else:
            course.begin()
        for row in course.curve:
            advance(course.numbers(row))
        for step in range(len(course.curve), 0 if course.stopped else args.steps):
            batch = rollouts.drawn(start, pools, reward, step, args)
            seen = _seen(start, reference, own.critic, batch, course.beta, args)
            learned = _learned(own, steps, batch, seen, start.tokenizer.pad_token_id, step, args)
            told = PpoStep(
                step=step + 1,
                reward=float(batch.rewards.mean()),
                kl=seen.kl(batch),
                beta=course.beta,
                entropy=learned.entropy,
                length=batch.tokens / batch.rewards.size,
                explained=seen.explained(batch),
                clipped=learned.clipped,
                gradient_norm=learned.norm,
                value_gradient_norm=learned.value_norm,
                loss=learned.loss,
                value_loss=learned.value_loss,
            )
            last = course.tell(told, _records(step + 1, start.tokenizer, batch, seen))
            state.snapshot(step + 1, model, start.tokenizer)
            if state.due(last):
                state.keep(own, steps, course.values(), course.best)
            advance(course.numbers(told))
            if last:
                break
    kept_step = course.end()
    recorded = tuple(record for rows in course.records for record in rows)
    return PpoRun(
        tuple(course.curve), tuple(course.checks), recorded, kept_step, course.stopped, own.critic.eval()
    )


# --- the critic --------------------------------------------------------------------------------------------


def critic_of(origin: Policy | PreferenceModel, how: Fit = PLAIN) -> Any:
    """A value function with the weights of ``origin`` that expects 0 of every state (its last layer is 0).

    Ouyang et al. 2022 take those of the preference model, which has learned to tell good answers from bad
    ones. :class:`BadInput` when the architecture has no token classifier, or the device no room for one.
    """
    memory.check_critic(origin.model)
    config = copy.deepcopy(origin.model.config)
    config.num_labels = 1
    # Of this class alone; with dropout a value would not be that of the state.
    config.classifier_dropout = 0.0
    auto: Any = AutoModelForTokenClassification
    with torch.random.fork_rng(devices=[]):
        try:
            model = auto.from_config(config, dtype=origin.model.dtype)
        except ValueError as error:
            raise BadInput(
                f"transformers has no token classifier for {type(origin.model).__name__}, so it can have no "
                "value function",
                remedy="Train with the baseline of other answers instead: rl-cai or rloo.",
            ) from error
    prefix = f"{origin.model.base_model_prefix}."
    weights = fit.merged(origin.model, origin.model.state_dict())
    trunk = {name.removeprefix(prefix): one for name, one in weights.items() if name.startswith(prefix)}
    model.base_model.load_state_dict(trunk)
    (head,) = (module for module in model.children() if isinstance(module, torch.nn.Linear))
    model = model.to(origin.model.device)
    fit.apply(model, how)
    for weight in head.parameters():
        torch.nn.init.zeros_(weight)
        weight.requires_grad_(True)
    return model.eval()


def state_values(critic: Any, rows: Sequence[Tokens], pad: int | None) -> torch.Tensor:
    """The value of the state before each token of the answers, in 32 bits; 0 where there is no token.

    Of shape (rows, longest answer), with the answers at the right edge.
    """
    if not rows:  # other processes may wait for a pass
        return state_values(critic, [Tokens((0,), (0,))], pad)[:0]
    device: torch.device = critic.device
    width = max(len(row.answer) for row in rows)
    ids, mask = sequences.padded([row.ids for row in rows], pad, device)
    given = sequences.accepted(critic, position_ids=sequences.positions(mask)[:, :-1])
    with sequences.precision(critic):
        output = critic(input_ids=ids[:, :-1], attention_mask=mask[:, :-1], use_cache=False, **given)
    starts = torch.tensor([width - len(row.answer) for row in rows], device=device)
    written = torch.arange(width, device=device) >= starts[:, None]
    found: torch.Tensor = output.logits[:, -width:, 0].float()
    return found * written


def gae(rewards: ArrayLike, values: ArrayLike, lam: float, discount: float = 1.0) -> NDArray[np.float64]:
    """Generalised advantage estimates: A_t = sum over l of (discount lam)^l delta_(t+l), with delta_t = r_t +
    discount V_(t+1) - V_t and nothing after the last token (Schulman et al. 2016, eq. 16).

    ``rewards`` and ``values`` (answers, tokens), answers at the right edge; so is the result, which means
    nothing left of an answer.
    """
    r, v = np.asarray(rewards, dtype=np.float64), np.asarray(values, dtype=np.float64)
    found = np.zeros_like(r)
    after, advantage = np.zeros(len(r)), np.zeros(len(r))
    for t in range(r.shape[1] - 1, -1, -1):
        advantage = r[:, t] + discount * after - v[:, t] + discount * lam * advantage
        found[:, t], after = advantage, v[:, t]
    return found


def value_losses(
    values: torch.Tensor, before: torch.Tensor, returns: torch.Tensor, clip: float | None
) -> torch.Tensor:
    """Half the squared error of each value; the larger of it and that of the value moved at most ``clip``."""
    losses = (values - returns) ** 2
    if clip is not None:
        near = before + (values - before).clamp(-clip, clip)
        losses = torch.maximum(losses, (near - returns) ** 2)
    return losses / 2


# --- one batch ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    """What is fixed while a batch is gone through, per row and token: all of shape (rows, longest answer)."""

    mask: torch.Tensor
    """1 = token."""
    logprobs: torch.Tensor
    distance: torch.Tensor
    """Estimated divergence from the start."""
    rewards: torch.Tensor
    values: torch.Tensor
    advantages: torch.Tensor

    @property
    def returns(self) -> torch.Tensor:
        """What the critic should have said."""
        return self.advantages + self.values

    def standardised(self, batch: Batch) -> torch.Tensor:
        """The advantages with mean 0 and standard deviation 1 over the tokens of all answers."""
        weight = self._weight(batch)
        mean = (weight * self.advantages).sum()
        spread = (weight * (self.advantages - mean) ** 2).sum().sqrt()
        return (self.advantages - mean) / (spread + 1e-8) * self.mask

    def kl(self, batch: Batch) -> float:
        """Nats per answer."""
        return float((self._weight(batch) * self.distance).sum()) * batch.tokens / batch.rewards.size

    def explained(self, batch: Batch) -> float | None:
        """Share of the returns' variance that the values explain."""
        weight, returns = self._weight(batch), self.returns

        def variance(x: torch.Tensor) -> float:
            return float((weight * (x - (weight * x).sum()) ** 2).sum())

        total = variance(returns)
        return 1 - variance(self.advantages) / total if total > 0 else None

    def _weight(self, batch: Batch) -> torch.Tensor:
        """Of each token, its answer counted as often as it was written; sums to 1."""
        return self.mask * torch.from_numpy(batch.number)[:, None] / batch.tokens


@torch.no_grad()
def _seen(now: Policy, reference: Policy, critic: Any, batch: Batch, beta: float, args: PpoArgs) -> _Seen:
    """Rewards, values and advantages of a batch, under the networks as they are before it."""
    rows, pad, heat = batch.rows, now.tokenizer.pad_token_id, args.temperature
    critic.eval()
    width = max(len(row.answer) for row in rows)
    own, theirs, values = (torch.zeros(len(rows), width) for _ in range(3))
    lengths = [len(row) for row in rows]
    for part in sequences.passes(range(len(rows)), lengths, args.pass_tokens, now.device):
        found = logprobs(now.model, rows, part, pad, heat)
        place = slice(width - found.shape[1], width)
        own[part, place] = found.cpu()
        theirs[part, place] = logprobs(reference.model, rows, part, pad, heat).cpu()
        values[part, place] = state_values(critic, [rows[i] for i in part], pad).cpu()
    own, theirs, values = (processes.summed(one) for one in (own, theirs, values))
    starts = torch.tensor([width - len(row.answer) for row in rows])
    mask = (torch.arange(width) >= starts[:, None]).float()
    rewards = -beta * (own - theirs)
    score = torch.zeros(len(rows))
    score[batch.row_of.ravel()] = torch.from_numpy(batch.rewards.ravel()).float()
    rewards[:, -1] += score
    gains = torch.from_numpy(gae(rewards.numpy(), values.numpy(), args.gae_lambda)).float()
    return _Seen(mask, own, k3(own, theirs), rewards, values, gains * mask)


@dataclass(frozen=True)
class _Learned:
    """What the steps of the optimisers on one batch gave."""

    entropy: float
    clipped: float
    norm: float
    value_norm: float
    loss: float
    value_loss: float


def _learned(
    own: _Both, steps: _Steps, batch: Batch, seen: _Seen, pad: int | None, step: int, args: PpoArgs
) -> _Learned:
    """Go through a batch in minibatches, several times."""
    rows, lengths, device = batch.rows, [len(row) for row in batch.rows], own.device
    gains, returns, number = seen.standardised(batch), seen.returns, torch.from_numpy(batch.number).float()
    told = []
    own.train()
    size = len(rows) / args.minibatches
    for chosen in sequences.batches(len(rows), size, args.epochs, args.seed, "ppo", step):
        tokens = float(sum(batch.number[i] * len(rows[i].answer) for i in chosen))
        sums = torch.zeros(4)
        for part in sequences.passes(chosen, lengths, args.pass_tokens, device):
            logp, mask, spread = sequences.answer_logprobs_and_entropy(
                own.policy, [rows[i] for i in part], pad, temperature=args.temperature
            )
            values = state_values(own.critic, [rows[i] for i in part], pad)
            width = logp.shape[1]
            old, gain, before, after = (
                one[part][:, one.shape[1] - width :].to(device)
                for one in (seen.logprobs, gains, seen.values, returns)
            )
            weight = number[part].to(device)[:, None] * mask / tokens
            loss = -(weight * surrogate(logp - old, gain, args.ratio_clip)).sum()
            value_loss = (weight * value_losses(values, before, after, args.value_clip)).sum()
            loop.backward(loss + value_loss)
            beyond = ((logp - old).exp() - 1).abs() > args.ratio_clip
            with torch.no_grad():
                counted = (loss, value_loss, (weight * spread).sum(), (weight * beyond).sum())
                sums += torch.stack(counted).cpu()
        rate = args.lr if step >= args.critic_first else 0.0
        norm = loop.update(own.policy, steps.policy, rate, args.clip)
        value_norm = loop.update(own.critic, steps.critic, args.value_lr, args.clip)
        told.append((*processes.summed(sums).tolist(), norm, value_norm))
    loss_, value_loss_, entropy, clipped, norm, value_norm = np.mean(told, axis=0).tolist()
    return _Learned(entropy, clipped, norm, value_norm, loss_, value_loss_)


class _Both(torch.nn.Module):
    """Policy and critic as what is trained and kept together."""

    def __init__(self, own: Any, critic: Any) -> None:
        super().__init__()
        self.policy, self.critic = own, critic

    @property
    def device(self) -> torch.device:
        device: torch.device = self.policy.device
        return device


class _Steps:
    """Their two optimisers, each with a rate and a longest gradient of its own, kept as one."""

    def __init__(self, own: _Both) -> None:
        self.policy, self.critic = loop.adamw(own.policy, 0.0), loop.adamw(own.critic, 0.0)
        self.param_groups = [*self.policy.param_groups, *self.critic.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """As of one optimiser with the policy's weights first."""
        first, second = self.policy.state_dict(), self.critic.state_dict()
        moments = first["state"] | {self._first + at: one for at, one in second["state"].items()}
        return {"state": moments, "param_groups": [first["param_groups"], second["param_groups"]]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what :meth:`state_dict` gave."""
        groups, n = state["param_groups"], self._first
        own = {at: one for at, one in state["state"].items() if at < n}
        critics = {at - n: one for at, one in state["state"].items() if at >= n}
        self.policy.load_state_dict({"state": own, "param_groups": groups[0]})
        self.critic.load_state_dict({"state": critics, "param_groups": groups[1]})

    @property
    def _first(self) -> int:
        """How many weights of the policy are trained."""
        return sum(len(group["params"]) for group in self.policy.param_groups)


def _records(step: int, tokenizer: Any, batch: Batch, seen: _Seen) -> tuple[PpoRecord, ...]:
    found: dict[int, PpoRecord] = {}
    for (place, sample), row in np.ndenumerate(batch.row_of):
        if row in found:
            continue
        tokens = batch.rows[row].answer
        told = (seen.rewards, seen.values, seen.advantages)
        rewards, values, gains = (tuple(one[row, -len(tokens) :].tolist()) for one in told)
        found[int(row)] = PpoRecord(
            step,
            batch.prompts[place],
            batch.texts[place][sample],
            float(batch.rewards[place, sample]),
            tuple(tokenizer.decode([token]) for token in tokens),
            rewards,
            values,
            gains,
        )
    return tuple(found.values())
