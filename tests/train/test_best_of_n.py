"""Best of n: what is kept, how far it goes, what is refused."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence

import pytest

torch = pytest.importorskip("torch")

from tiny import WORDS, policy, user  # noqa: E402

from govaudit.errors import BadInput  # noqa: E402
from govaudit.train.best_of_n import Best, best_of_n, kl_bound  # noqa: E402
from govaudit.train.policy import Conversation, Example, answers, digest  # noqa: E402

POOL = [user(f"{word} ?") for word in WORDS[:8]]


def reds(conversations: Sequence[Conversation], texts: Sequence[str]) -> list[float]:
    return [float(text.split().count("red")) for text in texts]


def test_the_best_answer_is_the_one_with_the_highest_reward_of_equals_the_first() -> None:
    start = policy()
    before = digest(start.model)
    for one in best_of_n(start, POOL, reds, 6, max_tokens=24):
        assert len(one.answers) == len(one.rewards) <= one.written == 6
        assert list(one.rewards) == reds([one.turns] * 6, one.answers)
        if one.best is not None:
            assert one.rewards[one.best] == max(one.rewards) and one.best == one.rewards.index(
                max(one.rewards)
            )
            assert one.example == Example(one.turns, one.answers[one.best])
        assert Best.of(json.loads(json.dumps(one.data()))) == one
    assert digest(start.model) == before


def test_an_answer_without_an_end_is_none_and_best_of_none_is_nothing() -> None:
    found = best_of_n(policy(), POOL, reds, 3, max_tokens=1)
    assert any(one.best is None and one.example is None for one in found)
    assert all(len(one.answers) < 3 for one in found if one.best is None)


def test_more_answers_find_more_and_the_gain_grows_with_n() -> None:
    def mean(n: int) -> float:
        found = best_of_n(policy(), POOL * 4, reds, n, max_tokens=16)
        return sum(max(one.rewards, default=0.0) for one in found) / len(found)

    assert mean(1) < mean(4) < mean(16)


def test_the_divergence_is_at_most_its_bound_and_reaches_it_where_no_answer_repeats() -> None:
    """Best of n of k equally likely answers of different reward: answer j is the best with probability
    (j/k)^n - ((j-1)/k)^n, and KL = sum p ln(k p)."""
    for n in (1, 2, 4, 16):
        for k in (2, 10, 100_000):
            p = [(j / k) ** n - ((j - 1) / k) ** n for j in range(1, k + 1)]
            exact = sum(one * math.log(k * one) for one in p if one > 0)
            assert exact <= kl_bound(n) + 1e-9
        assert exact == pytest.approx(kl_bound(n), abs=1e-3)
    assert kl_bound(1) == 0 and kl_bound(16) == pytest.approx(1.8351, abs=1e-4)


def test_best_of_one_is_the_policy() -> None:
    found = best_of_n(policy(), POOL, reds, 1, max_tokens=16, seed=3)
    again = best_of_n(policy(), POOL, reds, 1, max_tokens=16, seed=3)
    assert found == again
    several = best_of_n(policy(), POOL[:1] * 40, reds, 1, max_tokens=16)
    drawn = [one.text for (one,) in answers(policy(), POOL[:1] * 40, max_tokens=16, seed=9)]
    assert len({one.answers for one in several}) > 5 and len(Counter(drawn)) > 5


def test_best_of_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="best of 0"):
        best_of_n(policy(), POOL, reds, 0)
