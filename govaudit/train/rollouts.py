"""What the algorithms share that learn from their own answers: a batch of them, a KL term, fixed prompts.

In: a policy, pools of prompts, a reward. Out: batches of answers with their rewards, and checks on prompts
that nobody trains on. A step draws prompts, samples answers to each, and has them rewarded; what is learned
from that is the algorithm's own business (:mod:`~govaudit.train.grpo`, :mod:`~govaudit.train.ppo`).

The reward is a proxy, and a policy that is pushed far enough finds what is wrong with it (Gao, Schulman and
Hilton 2023, arXiv:2210.10760). Three leashes are on by default: a KL term to the policy at the start; a
weight of it that rises while the divergence is above a target (after Ziegler et al. 2019, arXiv:1909.08593,
section 2.2, with a gain for tens of steps instead of thousands); and checks on fixed benign prompts, which
stop training when the policy forgets how to answer them. The weights of the best check are the result.

Left out: rewards of parts of an answer, replay of old samples.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from govaudit.errors import BadInput
from govaudit.models.engine import Completion
from govaudit.train import fit, loop, memory, policy, processes, sequences
from govaudit.train.draws import generator, seed_of
from govaudit.train.policy import Conversation, Policy
from govaudit.train.preference import PreferenceModel, scores
from govaudit.train.sequences import Tokens

Reward = Callable[[Sequence[Conversation], Sequence[str]], ArrayLike]
"""One number for each conversation and its answer, higher = better."""

_GAIN = 0.2  # largest change of the KL term's weight in a step, as a share


@dataclass(frozen=True)
class RolloutArgs:
    """How batches are drawn and how the policy is held, whatever it learns with."""

    steps: int = 40
    """Batches of samples."""
    prompts: int = 20
    """Prompts of a batch, equally many from each pool."""
    samples: int = 8
    """Answers to each prompt of a batch."""
    max_tokens: int = 96
    """Longest answer; a longer one is cut and judged as it is."""
    temperature: float = 1.0
    """Of the samples, and of the distribution that is trained."""
    lr: float = 2e-4
    """Learning rate; a model of billions of weights wants 1e-6 or so."""
    clip: float = 0.5
    """Longest gradient."""
    beta: float = 0.1
    """Weight of the KL term, and the least that it falls to where it adapts."""
    kl_target: float | None = 0.8
    """KL divergence from the start, nats per answer, above which the weight of the KL term rises, by at most
    20 % a step, and below which it returns to ``beta``; ``None`` = it stays."""
    epochs: int = 1
    """Times that a batch is gone through. Beyond the first step of the optimiser the samples are no longer
    the policy's own, and the ratio of probabilities is clipped."""
    ratio_clip: float = 0.2
    """The ratio's distance from 1 where it no longer pays (Schulman et al. 2017, arXiv:1707.06347, eq. 7)."""
    check_every: int = 4
    """Steps between two checks on the fixed prompts."""
    benign_loss: float = 0.05
    """Share of right answers to the benign prompts that may be lost against the start."""
    patience: int = 2
    """Checks in a row that lose more before training stops."""
    keep_best: bool = True
    """End with the weights of the check with the highest reward among those that lose no more than
    ``benign_loss``; otherwise with the last."""
    record_steps: int = 3
    """Last steps that are recorded."""
    seed: int = 0
    """Of the prompts' order and of the samples."""
    pass_tokens: int | None = None
    """Tokens that go through the model at a time, with padding; ``None`` = what suits the device. A batch is
    several passes, so this bounds memory and changes no gradient."""


@dataclass(frozen=True)
class Prompts:
    """What a run asks and how it is followed."""

    pools: Sequence[Sequence[Conversation]]
    """By kind, say harmful and benign: trained on."""
    fixed: Sequence[Conversation] = ()
    """On which checks take the reward."""
    benign: Sequence[Conversation] = ()
    """On which checks take the share of right answers."""
    right: Reward | None = None
    """Says which answers to the benign prompts are right: 1 = right, 0 = not."""


def check(start: Policy, asked: Prompts, args: RolloutArgs, *, least: int, critic: Any = None) -> None:
    """:class:`BadInput` where a pool is empty, a batch too small, a prompt leaves no room for an answer, or
    memory will not do.

    ``least``: answers to a prompt that the algorithm needs. ``critic``: what is trained beside the policy.
    """
    pools = asked.pools
    if not pools or not all(pools):
        raise BadInput("there is no prompt to learn from" if not pools else "a pool of prompts is empty")
    if args.prompts < len(pools) or args.samples < least:
        answers = f"{least} answers" if least > 1 else "1 answer"
        raise BadInput(
            f"a batch of {args.prompts} prompts with {args.samples} answers each is too small",
            remedy=f"At least {len(pools)} prompts, one from each pool, with {answers}.",
        )
    if asked.benign and asked.right is None:
        raise ValueError("benign prompts need a function that says what is right")
    context, longest = start.engine.context, 0
    for turns in (*(turns for pool in pools for turns in pool), *asked.fixed, *asked.benign):
        length = len(start.engine.tokens(turns))
        # One more: a reward may put an end token behind an answer that was cut.
        if context is not None and length + args.max_tokens + 1 > context:
            raise BadInput(
                f"a prompt of {length} tokens leaves no room for an answer of {args.max_tokens} in a context "
                f"of {context}",
                remedy="Leave the prompt out, or ask for shorter answers.",
            )
        longest = max(longest, length + args.max_tokens)
    # The best weights so far, and the reference where it does not share the weights.
    copies = 1 if fit.adapters(start.model) else 2
    size = sequences.pass_size(args.pass_tokens, start.device)
    lengths = [longest] * (args.prompts * args.samples)
    memory.check(start.model, lengths, size, copies=copies, critic=critic)


# --- a batch -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """Answers of one step, and what goes through the model for them.

    An answer that was written several times to one prompt of the batch goes through once, with its number.
    """

    prompts: tuple[Conversation, ...]
    texts: tuple[tuple[str, ...], ...]
    """Per prompt."""
    rewards: NDArray[np.float64]
    """(prompts, samples)"""
    rows: tuple[Tokens, ...]
    """Distinct sequences."""
    row_of: NDArray[np.int64]
    """(prompts, samples): the row of each answer."""
    number: NDArray[np.int64]
    """(rows,): how often each was written."""

    @property
    def tokens(self) -> int:
        """Of all answers, repeats included."""
        return int(sum(times * len(row.answer) for row, times in zip(self.rows, self.number, strict=True)))

    @property
    def distinct(self) -> float:
        """Distinct answers to a prompt, as a share of its answers, mean over prompts."""
        return float(np.mean([len(set(group)) / len(group) for group in self.texts]))


def drawn(
    now: Policy, pools: Sequence[Sequence[Conversation]], reward: Reward, step: int, args: RolloutArgs
) -> Batch:
    """The batch of a step (0-based): prompts, the policy's answers, and their rewards."""
    prompts = _prompts(pools, step, args)
    # The name is part of every published seed of GRPO runs.
    written = policy.answers(
        now,
        prompts,
        samples=args.samples,
        max_tokens=args.max_tokens,
        temperature=args.temperature,
        seed=seed_of(args.seed, "grpo", step),
    )
    texts = tuple(tuple(one.text for one in group) for group in written)
    asked = [turns for turns in prompts for _ in range(args.samples)]
    found = rewards(reward, asked, [text for group in texts for text in group])
    tokens = _tokens(now, prompts, written)
    sampled = [(at // args.samples, row) for at, row in enumerate(tokens)]
    number = Counter(sampled)
    place = {one: at for at, one in enumerate(number)}
    shape = (len(prompts), args.samples)
    return Batch(
        tuple(prompts),
        texts,
        found.reshape(shape),
        tuple(row for _, row in number),
        np.array([place[one] for one in sampled]).reshape(shape),
        np.array(list(number.values())),
    )


def rewards(
    reward: Reward, conversations: Sequence[Conversation], answers: Sequence[str]
) -> NDArray[np.float64]:
    """The rewards, of shape (answers,); ``ValueError`` for anything but one finite number per answer."""
    found = np.asarray(reward(conversations, answers), dtype=np.float64)
    if found.shape != (len(answers),) or not np.isfinite(found).all():
        raise ValueError(f"a reward is one finite number per answer, not an array of shape {found.shape}")
    return found


def preference_reward(fitted: PreferenceModel) -> Reward:
    """The scores of a preference model as a reward; from here on nothing changes its weights."""
    fitted.model.requires_grad_(False)
    return lambda conversations, answers: scores(fitted.model, fitted.tokenizer, conversations, answers)


def verifiable(right: Reward, lost: float = 0.0) -> Reward:
    """A reward from a rule that knows what is right, without any model: 1 = right, ``lost`` = not.

    DeepSeek-AI 2025 (arXiv:2501.12948, section 2.2.2) train R1-Zero so, from the base and with no fine-tuning
    before. ``right`` comes from outside and says 1 or 0; ``ValueError`` for anything else: a rule with
    shades is a proxy again.
    """

    def reward(conversations: Sequence[Conversation], answers: Sequence[str]) -> NDArray[np.float64]:
        said = rewards(right, conversations, answers)
        if not np.isin(said, (0.0, 1.0)).all():
            raise ValueError("a verifiable reward is 1 for a right answer and 0 for any other")
        return np.where(said == 1.0, 1.0, lost)

    return reward


def logprobs(
    model: Any, rows: Sequence[Tokens], part: Sequence[int], pad: int | None, temperature: float
) -> torch.Tensor:
    """Log-probabilities of the answers' tokens of some rows, as of ``sequences.answer_logprobs``."""
    return sequences.answer_logprobs(model, [rows[i] for i in part], pad, temperature=temperature)[0]


def _prompts(pools: Sequence[Sequence[Conversation]], step: int, args: RolloutArgs) -> list[Conversation]:
    """The prompts of a step: each pool is gone through in random order, again and again."""
    found = []
    for place, pool in enumerate(pools):
        share = args.prompts // len(pools) + (place < args.prompts % len(pools))
        for at in range(step * share, (step + 1) * share):
            order = list(range(len(pool)))
            generator(args.seed, "prompts", place, at // len(pool)).shuffle(order)
            found.append(pool[order[at % len(pool)]])
    return found


def _tokens(
    now: Policy, prompts: Sequence[Conversation], written: Sequence[Sequence[Completion]]
) -> list[Tokens]:
    found = []
    for turns, group in zip(prompts, written, strict=True):
        prompt = tuple(now.engine.tokens(turns))
        found += [Tokens(prompt, one.tokens) for one in group]
    return found


# --- the KL term and the clipped ratio ---------------------------------------------------------------------


def k3(own: torch.Tensor, of_start: torch.Tensor) -> torch.Tensor:
    """Estimate of KL(policy || start) at each token the policy drew: q/p - 1 - ln(q/p), never negative.

    Unbiased with less variance than ln(p/q) (Schulman 2020, "Approximating KL divergence"). Its gradient on
    samples is (1 - q/p) grad ln p, which draws towards the start as well.
    """
    ratio = of_start - own
    return torch.expm1(ratio) - ratio


def surrogate(log_ratio: torch.Tensor, advantage: torch.Tensor, clip: float) -> torch.Tensor:
    """min(ratio A, clip(ratio, 1 - c, 1 + c) A) at each token (Schulman et al. 2017, eq. 7)."""
    ratio = log_ratio.exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def adapted(beta: float, kl: float, args: RolloutArgs) -> float:
    """The weight of the KL term after a step whose divergence was ``kl``."""
    if args.kl_target is None:
        return beta
    return max(args.beta, beta * (1 + _GAIN * min(1.0, max(-1.0, kl / args.kl_target - 1))))


# --- checks on fixed prompts -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """The policy on fixed prompts; each answer is drawn with the same seed at every check."""

    step: int
    """Steps done; 0 = the policy at the start."""
    reward: float | None
    """Mean reward; ``None`` without fixed prompts."""
    kl: float | None
    """From the policy at the start, nats per answer; ``None`` without fixed prompts."""
    benign: float | None
    """Share of right answers to the benign prompts; ``None`` without them."""


@torch.no_grad()
def checked(
    step: int, now: Policy, reference: Policy, reward: Reward, asked: Prompts, args: RolloutArgs
) -> Check:
    """The check after so many steps."""
    settings: dict[str, Any] = {"max_tokens": args.max_tokens, "temperature": args.temperature}
    mean = kl = share = None
    if asked.fixed:
        written = policy.answers(now, asked.fixed, seed=seed_of(args.seed, "fixed"), **settings)
        mean = float(rewards(reward, asked.fixed, [one.text for (one,) in written]).mean())
        rows = _tokens(now, asked.fixed, written)
        kl = _divergence(now, reference, rows, args) / len(rows)
    if asked.benign:
        assert asked.right is not None
        written = policy.answers(now, asked.benign, seed=seed_of(args.seed, "benign"), **settings)
        share = float(rewards(asked.right, asked.benign, [one.text for (one,) in written]).mean())
    return Check(step, mean, kl, share)


def best(checks: Sequence[Check], args: RolloutArgs) -> Check:
    """The check with the highest reward (of equals the last) among those that lose no more than may be."""
    fit = [one for one in checks if not _loses(one, checks[0], args)]
    return max(fit, key=lambda one: (one.reward or 0.0, one.step))


def _divergence(now: Policy, reference: Policy, rows: Sequence[Tokens], args: RolloutArgs) -> float:
    """Sum over the sequences of the estimated KL divergence, nats."""
    total, pad = 0.0, now.tokenizer.pad_token_id
    for part in sequences.passes(range(len(rows)), [len(row) for row in rows], args.pass_tokens, now.device):
        own, theirs = (logprobs(one.model, rows, part, pad, args.temperature) for one in (now, reference))
        total += float(k3(own, theirs).sum())
    return processes.summed(total)


def _loses(one: Check, start: Check, args: RolloutArgs) -> bool:
    return one.benign is not None and one.benign < (start.benign or 0.0) - args.benign_loss


def _lost(checks: Sequence[Check], args: RolloutArgs) -> int:
    """Checks in a row, up to the last, that lose more than may be lost."""
    lost = 0
    for one in checks:
        lost = lost + 1 if _loses(one, checks[0], args) else 0
    return lost


# --- what a run has told so far ----------------------------------------------------------------------------


class Step(Protocol):
    """One batch of samples, before its step of the optimiser."""

    @property
    def step(self) -> int: ...

    @property
    def kl(self) -> float: ...


class Record(Protocol):
    """Answers of a step, written down."""

    def data(self) -> dict[str, Any]: ...


S = TypeVar("S", bound=Step)
R = TypeVar("R", bound=Record)


@dataclass
class Course(Generic[S, R]):
    """What a run has told so far and its best weights: with the weights and the optimiser, all that an
    interrupted one needs to go on."""

    args: RolloutArgs
    now: Policy
    look: Callable[[int], Check] | None
    """The check after so many steps; ``None`` without prompts for it."""
    beta: float
    curve: list[S] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    records: deque[tuple[R, ...]] = field(default_factory=deque)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    stopped: bool = False

    def __post_init__(self) -> None:
        self.records = deque(maxlen=self.args.record_steps)

    def begin(self) -> None:
        """Check the policy at the start, where there are prompts for it."""
        if self.look is not None:
            self.checks = [self.look(0)]
            self.best = loop.copied(self.now.model)

    def tell(self, told: S, records: tuple[R, ...]) -> bool:
        """Note a step and hold the policy: KL term, check, best weights. Whether it was the last step."""
        self.curve.append(told)
        self.records.append(records)
        self.beta = adapted(self.beta, told.kl, self.args)
        last = told.step == self.args.steps
        if self.look is not None and (last or told.step % self.args.check_every == 0):
            self.checks.append(self.look(told.step))
            if best(self.checks, self.args) is self.checks[-1]:
                self.best = loop.copied(self.now.model)
            self.stopped = _lost(self.checks, self.args) >= self.args.patience
        return last or self.stopped

    def end(self) -> int:
        """Put the best weights in place where they are wanted; after how many steps they were reached."""
        if self.args.keep_best and self.checks:
            loop.put(self.now.model, self.best)
            return best(self.checks, self.args).step
        return len(self.curve)

    def values(self) -> dict[str, Any]:
        """JSON values of all but the weights."""
        return {
            "curve": [asdict(row) for row in self.curve],  # type: ignore[call-overload]
            "checks": [asdict(row) for row in self.checks],
            "records": [[record.data() for record in rows] for rows in self.records],
            "beta": self.beta,
            "stopped": self.stopped,
        }

    def put(
        self,
        values: dict[str, Any],
        best: dict[str, torch.Tensor],
        step_of: Callable[..., S],
        record_of: Callable[[dict[str, Any]], R],
    ) -> None:
        """Put back what :meth:`values` gave."""
        self.curve = [step_of(**row) for row in values["curve"]]
        self.checks = [Check(**row) for row in values["checks"]]
        self.records.extend(tuple(map(record_of, rows)) for rows in values["records"])
        self.best, self.beta, self.stopped = best, values["beta"], values["stopped"]

    def numbers(self, row: S) -> str:
        """The line beside the bar."""
        done = [one for one in self.checks if one.step <= row.step]
        text = f"KL {row.kl:.2f}"
        if done and done[-1].reward is not None:
            text = f"reward {done[-1].reward:.2f} {text}"
        if done and done[-1].benign is not None:
            text += f" benign {done[-1].benign:.2f}"
        return text


def looking(
    now: Policy, reference: Policy, reward: Reward, asked: Prompts, args: RolloutArgs
) -> Callable[[int], Check] | None:
    """:func:`checked` as a function of the steps done; ``None`` where there is nothing to check with."""
    if not (asked.fixed or asked.benign):
        return None
    return lambda step: checked(step, now, reference, reward, asked, args)
