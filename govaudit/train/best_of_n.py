"""Best of n: write n answers and keep the one that a reward finds best, the baseline of all that is trained.

In: a policy, conversations, a reward. Out: per conversation all answers with their rewards and the best one.
No weight changes, so whatever an algorithm gains it has to gain against this: best-of-n is close to the best
reward that its divergence from the policy can buy (Gao, Schulman and Hilton 2023, arXiv:2210.10760, use it as
a yardstick). How far it goes from the policy is known without measuring: at most log n - (n - 1)/n nats
(Stiennon et al. 2020, arXiv:2009.01325; a bound and no more where answers repeat, as those of a
small model do: Beirami et al. 2024, arXiv:2401.01879).

Left out: what the same answers say about every smaller n and about another reward
(:mod:`govaudit.stats.overoptimisation`), and training on the best answers (any of them is an ``Example``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from govaudit.errors import BadInput
from govaudit.models.engine import Stop
from govaudit.records import Turn
from govaudit.stats.overoptimisation import kl_best_of_n
from govaudit.train import policy, rollouts
from govaudit.train.draws import seed_of
from govaudit.train.policy import Conversation, Example, Policy
from govaudit.train.rollouts import Reward

_PIECE = 64  # conversations between two movements of a bar


@dataclass(frozen=True)
class Best:
    """The answers to one conversation."""

    turns: Conversation
    answers: tuple[str, ...]
    """As many as came to their end within the longest answer."""
    rewards: tuple[float, ...]
    written: int
    """How many were asked for."""

    @property
    def best(self) -> int | None:
        """Place of the answer with the highest reward, of equals the first; ``None`` where none ended."""
        return int(np.argmax(self.rewards)) if self.rewards else None

    @property
    def example(self) -> Example | None:
        """The best answer as something to imitate."""
        return None if self.best is None else Example(self.turns, self.answers[self.best])

    def data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Best:
        """The record of :meth:`data`."""
        turns = tuple(Turn(**turn) for turn in data["turns"])
        return cls(turns, tuple(data["answers"]), tuple(data["rewards"]), data["written"])


def best_of_n(
    writer: Policy,
    conversations: Sequence[Conversation],
    reward: Reward,
    n: int,
    *,
    max_tokens: int = 96,
    temperature: float = 1.0,
    seed: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Best]:
    """``n`` answers to each conversation and their rewards; ``advance`` is told of conversations done.

    An answer that was cut at ``max_tokens`` is none of them. :class:`BadInput` where ``n`` is below 1.
    """
    if n < 1:
        raise BadInput(f"best of {n} is nothing", remedy="Give 1 or more.")
    found = []
    for start in range(0, len(conversations), _PIECE):
        piece = conversations[start : start + _PIECE]
        done = policy.answers(
            writer,
            piece,
            samples=n,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed_of(seed, "best of n", start),
        )
        texts = [tuple(one.text for one in group if one.stop is Stop.STOP) for group in done]
        flat = [(turns, text) for turns, group in zip(piece, texts, strict=True) for text in group]
        given = iter(rollouts.rewards(reward, [turns for turns, _ in flat], [text for _, text in flat]))
        for turns, group in zip(piece, texts, strict=True):
            found.append(Best(turns, group, tuple(float(next(given)) for _ in group), n))
        advance(len(piece))
    return found


def kl_bound(n: int) -> float:
    """Nats from the policy that best-of-n has at most: log n - (n - 1)/n."""
    return float(kl_best_of_n(n))
