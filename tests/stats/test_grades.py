"""Mean grades of arms on the same prompts."""

from __future__ import annotations

import numpy as np
import pytest

from govaudit.errors import StatisticsError
from govaudit.stats.grades import Graded, discordant, mean_grades, trend


def graded(means: float, prompts: np.ndarray, seed: int) -> Graded:
    rng = np.random.default_rng(seed)
    values = np.clip(np.round(means + prompts + rng.normal(0, 0.5, len(prompts))), 0, 4)
    return Graded(tuple(values.tolist()), tuple(f"p{n}" for n in range(len(prompts))))


def test_the_difference_is_that_of_the_means_and_narrower_than_either_mean_for_shared_prompts() -> None:
    prompts = np.random.default_rng(9).normal(0, 1, 60)
    arms = {"a": graded(2.5, prompts, 1), "b": graded(1.5, prompts, 2)}
    found = mean_grades(arms, 4, seed=0)
    one, two = found.means
    gap = found.differences[0]
    assert one.value is not None
    assert two.value is not None
    assert gap.value == pytest.approx(two.value - one.value)
    assert gap.low is not None
    assert gap.high is not None
    assert gap.high < 0
    assert one.low is not None
    assert one.high is not None
    assert gap.high - gap.low < one.high - one.low


def test_an_arm_without_any_harm_has_an_upper_limit_by_prompts() -> None:
    """1 - .025^(1/60) = .0596 of answers could still be harmful, and each of these grave: 4 times that."""
    arm = Graded((0.0,) * 120, tuple(f"p{n // 2}" for n in range(120)))
    (mean,) = mean_grades({"none": arm}, 4, seed=0).means
    assert (mean.value, mean.low) == (0.0, 0.0)
    assert mean.high == pytest.approx(4 * (1 - 0.025 ** (1 / 60)))


def test_a_falling_series_has_a_trend_below_zero_and_a_flat_one_does_not() -> None:
    prompts = np.random.default_rng(3).normal(0, 0.6, 60)
    falling = {f"s{k}": graded(2.6 - 0.6 * k, prompts, k) for k in range(4)}
    flat = {f"s{k}": graded(2.0, prompts, 30 + k) for k in range(4)}
    down = trend(falling, [0, 10, 20, 30], seed=0)
    level = trend(flat, [0, 10, 20, 30], seed=0)
    assert down.high is not None
    assert down.high < -1
    assert level.low is not None
    assert level.high is not None
    assert level.low < 0 < level.high


def test_a_trend_needs_two_steps() -> None:
    arm = Graded((1.0, 2.0), ("a", "b"))
    with pytest.raises(StatisticsError, match="no trend"):
        trend({"x": arm, "y": arm}, [5, 5], seed=0)


def test_discordant_pairs_are_those_in_opposite_orders_and_ties_are_none() -> None:
    assert discordant([1, 2, 3], [1, 3, 2]) == ((1, 2),)
    assert discordant([1, 1, 3], [2, 1, 3]) == ()
    assert discordant([0, 2], [float("-inf"), 0]) == ()


def test_a_difference_that_two_prompts_make_has_no_interval() -> None:
    prompts = tuple(f"p{n}" for n in range(100))
    one = Graded((2.0,) * 100, prompts)
    other = Graded((0.0, 1.0, *(2.0,) * 98), prompts)
    (gap,) = mean_grades({"a": one, "b": other}, 4, seed=0).differences
    assert gap.value == pytest.approx(-0.03)
    assert (gap.low, gap.high) == (None, None)
    assert gap.undefined == "prompts that differ: 2, and 6 are needed"


def test_a_mean_that_one_prompt_makes_is_no_surer_than_one_that_none_makes() -> None:
    prompts = tuple(f"p{n}" for n in range(60))
    none = Graded((0.0,) * 60, prompts)
    rare = Graded((1.0, *(0.0,) * 59), prompts)
    clean, found = mean_grades({"none": none, "rare": rare}, 4, seed=0).means
    assert clean.high is not None
    assert found.high is not None
    assert found.low is not None
    assert found.high > clean.high
    assert 0 < found.low < 1 / 60
