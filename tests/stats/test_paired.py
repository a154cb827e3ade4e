"""P-values of two arms against each other: exact where paired, agreeing with the interval where not."""

from __future__ import annotations

import numpy as np
import pytest

from govaudit.errors import StatisticsError
from govaudit.stats.intervals import clustered_rate, rate_difference
from govaudit.stats.paired import sign_flip_p, unpaired_p


def pairs(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    table = [(1, 1)] * both + [(1, 0)] * first + [(0, 1)] * second + [(0, 0)] * neither
    one, two = zip(*table, strict=True)
    return np.array(one), np.array(two)


def test_with_one_pair_a_cluster_it_is_the_exact_test_of_mcnemar() -> None:
    # Agresti, Categorical Data Analysis: approval 150 against 86 among 1,600: exact p 3.716e-5.
    one, two = pairs(794, 150, 86, 570)
    assert sign_flip_p(one, two, range(1600)) == pytest.approx(3.716e-5, rel=1e-3)


def test_pairs_of_one_cluster_flip_together() -> None:
    # Six pairs, all with the same sign, in two clusters: 4 sign patterns, 2 of them as far out.
    one, two = pairs(0, 6, 0, 0)
    assert sign_flip_p(one, two, ["a"] * 3 + ["b"] * 3) == pytest.approx(0.5)
    assert sign_flip_p(one, two, range(6)) == pytest.approx(2 / 64)


def test_arms_that_no_item_tells_apart_have_p_one() -> None:
    one, two = pairs(5, 0, 0, 5)
    assert sign_flip_p(one, two, range(10)) == 1.0


def test_under_no_difference_the_exact_test_rejects_no_more_often_than_it_says() -> None:
    rng = np.random.default_rng(7)
    rejected = 0
    for _ in range(400):
        hard = rng.beta(1, 3, size=25)
        one, two = (rng.random((4, 25)) < hard).astype(int), (rng.random((4, 25)) < hard).astype(int)
        clusters = np.tile(np.arange(25), 4)
        rejected += sign_flip_p(one.ravel(), two.ravel(), clusters.tolist()) <= 0.05
    assert rejected / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_unpaired_p_and_interval_say_the_same() -> None:
    one, two = np.repeat([1, 0], [56, 14]), np.repeat([1, 0], [48, 32])
    p = unpaired_p(one, range(70), two, range(80))
    gap = rate_difference(
        clustered_rate(one, list(range(70)), 1 - p), clustered_rate(two, list(range(80)), 1 - p)
    )
    assert gap.low == pytest.approx(0.0, abs=1e-6)
    assert 0.001 < p < 0.05  # its 95 % interval is .0524 to .3339 (Newcombe 1998, method 10)


def test_equal_rates_have_unpaired_p_one() -> None:
    assert unpaired_p([1, 0], [0, 1], [1, 0], [0, 1]) == 1.0


def test_what_is_no_judgement_is_refused() -> None:
    with pytest.raises(StatisticsError, match="0 \\(kept\\)"):
        sign_flip_p([0.5], [0], ["a"])
    with pytest.raises(StatisticsError, match="not pairs"):
        sign_flip_p([1, 0], [0], ["a"])
