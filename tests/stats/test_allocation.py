"""Choosing pairs by what they tell: what is gained, and that nothing is lost where nothing can be gained."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from govaudit.errors import StatisticsError
from govaudit.stats.allocation import next_pairs, pairs_of, saving
from govaudit.stats.comparisons import Comparisons, comparisons
from govaudit.stats.ranking import rank

Outcome = Callable[[int, int], int]


def voting(theta: NDArray[np.float64], seed: int, nu: float = 0.3) -> Outcome:
    rng = np.random.default_rng(seed)

    def vote(i: int, j: int) -> int:
        weights = np.array([math.exp((theta[i] - theta[j]) / 2), nu, math.exp(-(theta[i] - theta[j]) / 2)])
        return 1 - int(rng.choice(3, p=weights / weights.sum()))

    return vote


def made(k: int, counts: NDArray[np.int64], vote: Outcome, start: int = 0) -> list[tuple[str, str, int, int]]:
    rows: list[tuple[str, str, int, int]] = []
    for a, b, n in zip(*pairs_of(k), counts, strict=True):
        for number in range(int(n)):
            i, j = (a, b) if number % 2 else (b, a)
            rows.append((str(i), str(j), vote(int(i), int(j)), start + len(rows)))
    return rows


def data_of(rows: list[tuple[str, str, int, int]]) -> Comparisons:
    first, second, outcome, cluster = zip(*rows, strict=True)
    return comparisons(list(first), list(second), list(outcome), clusters=list(cluster))


def adaptive(k: int, n: int, vote: Outcome, batches: int = 6) -> Comparisons:
    even = np.full(k * (k - 1) // 2, max(2, n // batches // (k * (k - 1) // 2)), dtype=np.int64)
    rows = made(k, even, vote)
    while len(rows) < n:
        left = np.full(len(even), n, dtype=np.int64)
        given = next_pairs(k, [data_of(rows)], left, min(n // batches, n - len(rows)))
        rows += made(k, given, vote, start=len(rows))
    return data_of(rows)


def test_equal_players_are_compared_evenly() -> None:
    k = 5
    data = data_of(made(k, np.full(10, 40, dtype=np.int64), voting(np.zeros(k), 0)))
    given = next_pairs(k, [data], np.full(10, 1000, dtype=np.int64), 200)
    assert given.sum() == 200
    assert given.min() >= 15
    assert given.max() <= 25


def test_what_is_left_bounds_what_is_given() -> None:
    data = data_of(made(3, np.array([5, 5, 5]), voting(np.zeros(3), 1)))
    assert next_pairs(3, [data], np.array([2, 0, 1]), 50).tolist() == [2, 0, 1]


def test_a_pair_that_was_hardly_compared_comes_first() -> None:
    data = data_of(made(3, np.array([60, 60, 1]), voting(np.array([1.0, 0.0, 0.0]), 2)))
    given = next_pairs(3, [data], np.array([99, 99, 99]), 30)
    assert given[2] > given[0]
    assert given[2] > given[1]


def test_gains_under_two_questions_are_added() -> None:
    """What is known under one question and not under the other is still asked."""
    known = data_of(made(3, np.array([80, 80, 80]), voting(np.zeros(3), 3)))
    lacking = data_of(made(3, np.array([80, 5, 80]), voting(np.zeros(3), 4)))
    assert int(np.argmax(next_pairs(3, [known, lacking], np.array([99, 99, 99]), 20))) == 1


def test_nothing_but_ties_so_far_leaves_an_even_choice() -> None:
    data = data_of(made(3, np.array([4, 4, 4]), lambda i, j: 0))
    given = next_pairs(3, [data], np.array([50, 50, 50]), 30)
    assert given.tolist() == [10, 10, 10]


def test_wrong_numbers_of_pairs_and_no_question_are_named() -> None:
    with pytest.raises(StatisticsError, match="have 3 pairs"):
        next_pairs(3, [], np.array([1]), 1)
    with pytest.raises(StatisticsError, match="no question"):
        next_pairs(3, [], np.array([1, 1, 1]), 1)


def test_an_even_spread_saves_nothing() -> None:
    data = data_of(made(4, np.full(6, 60, dtype=np.int64), voting(np.array([1.0, 0.5, -0.5, -1.0]), 5)))
    found = saving(rank(data), data, seed=0)
    assert found.n == 360
    assert found.share == pytest.approx(0.0, abs=1e-9)
    assert found.even == pytest.approx(360)


def test_choosing_among_players_far_apart_saves_what_it_says() -> None:
    """Eight players two logits apart: pairs far apart tell little. The saving that is reported from the fitted
    model is that of the true information, up to what is known of the ratings."""
    theta = np.linspace(-7.0, 7.0, 8)
    data = adaptive(8, 900, voting(theta, 6))
    found = saving(rank(data, prior=1.0), data, seed=0)
    assert found.low > 0.15
    assert found.low < found.share < found.high
    apart = [
        abs(int(data.players[i]) - int(data.players[j])) for i, j in zip(data.first, data.second, strict=True)
    ]
    assert np.mean(np.array(apart) > 5) < 0.05  # an even spread has 3 of 28


@pytest.mark.slow
def test_an_active_choice_reaches_the_width_of_an_even_one_with_fewer_comparisons() -> None:
    """Mean standard error of all differences by the clusters themselves, over simulations."""
    theta = np.linspace(-4.0, 4.0, 8)

    def width(data: Comparisons) -> float:
        v = rank(data, prior=1.0).rating_covariance()
        i, j = pairs_of(len(v))
        return float(np.sqrt(np.diag(v)[i] + np.diag(v)[j] - 2 * v[i, j]).mean())

    active = np.mean([width(adaptive(8, 560, voting(theta, seed))) for seed in range(40)])
    evenly = np.mean(
        [
            width(data_of(made(8, np.full(28, 20, dtype=np.int64), voting(theta, 100 + seed))))
            for seed in range(40)
        ]
    )
    # Errors fall with the square root of n: this is the share of comparisons saved at equal width.
    assert 1 - (active / evenly) ** 2 > 0.1


@pytest.mark.slow
def test_ratings_from_an_active_choice_are_not_biased_and_their_intervals_hold() -> None:
    theta = np.linspace(-1.5, 1.5, 5)
    inside, errors = 0, []
    for seed in range(200):
        ranking = rank(adaptive(5, 400, voting(theta, seed)))
        gap = ranking.contrast("4", "0")
        inside += gap.low <= 3.0 <= gap.high
        errors.append(gap.value - 3.0)
    assert inside >= 0.92 * 200
    assert abs(float(np.mean(errors))) < 0.1
