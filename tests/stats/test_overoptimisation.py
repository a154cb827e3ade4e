"""Best-of-n by enumeration, published divergences, and curves with a known peak."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from govaudit.errors import StatisticsError
from govaudit.stats.overoptimisation import best_of_n, best_of_n_curve, fit_gao, kl_best_of_n


def enumerated(proxy: list[float], gold: list[float], n: int) -> float:
    """Mean over all subsets of size n of the gold reward of the best, ties shared evenly."""
    values = []
    for subset in itertools.combinations(range(len(proxy)), n):
        top = max(proxy[k] for k in subset)
        values.append(np.mean([gold[k] for k in subset if proxy[k] == top]))
    return float(np.mean(values))


def test_best_of_two_from_four() -> None:
    """Of the six pairs, the proxy picks 20, 30, 30, 0, 0 and 0: 40/3 after the rule of Nakano et al. 2021."""
    assert float(best_of_n([1, 2, 3, 4], [10, 20, 30, 0], 2)) == pytest.approx(40 / 3)


def test_divergences_of_stiennon_2020() -> None:
    expected = [0.1931, 0.6363, 1.8351, 3.1745, 4.5491, 5.9088]
    assert kl_best_of_n([2, 4, 16, 64, 256, 1000]) == pytest.approx(expected, abs=5e-5)
    assert float(kl_best_of_n(1)) == 0.0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), min_size=1, max_size=7), st.data())
@settings(max_examples=60)
def test_best_of_n_equals_enumeration_with_ties_without_order(
    rewards: list[tuple[int, int]], draw: Any
) -> None:
    n = draw.draw(st.integers(1, len(rewards)))
    proxy, gold = [float(p) for p, _ in rewards], [float(g) for _, g in rewards]
    if len(set(proxy)) == len(proxy) or n == 1:
        assert float(best_of_n(proxy, gold, n)) == pytest.approx(enumerated(proxy, gold, n))
    orders = []
    for noise in itertools.permutations(range(len(proxy))):
        orders.append(enumerated([p + 1e-3 * e for p, e in zip(proxy, noise, strict=True)], gold, n))
        if len(orders) == 720:
            break
    if len(proxy) <= 6:
        assert float(best_of_n(proxy, gold, n)) == pytest.approx(np.mean(orders), abs=1e-9)


def test_best_of_one_is_the_mean_and_best_of_all_is_the_top() -> None:
    rng = np.random.default_rng(0)
    proxy, gold = rng.normal(size=(20, 50)), rng.normal(size=(20, 50))
    assert best_of_n(proxy, gold, 1) == pytest.approx(gold.mean(axis=1))
    assert best_of_n(proxy, gold, 50) == pytest.approx(gold[np.arange(20), proxy.argmax(axis=1)])


def test_a_proxy_that_is_the_gold_reward_never_falls() -> None:
    gold = np.random.default_rng(1).normal(size=(10, 40))
    curve = [float(best_of_n(gold, gold, n).mean()) for n in range(1, 41)]
    assert np.all(np.diff(curve) > 0)


def test_best_of_n_is_exact_for_many_samples() -> None:
    """The expected maximum of n uniform ranks of N is n (N + 1) / (n + 1)."""
    ranks = np.arange(1.0, 60_001.0)
    assert float(best_of_n(ranks, ranks, 6000)) == pytest.approx(6000 * 60_001 / 6001, rel=1e-9)


def hacked_rewards(seed: int, prompts: int = 120) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A proxy with heavy-tailed error: its best samples are mostly errors, so the gold reward turns."""
    rng = np.random.default_rng(seed)
    gold = rng.normal(size=(prompts, 128)) + rng.normal(size=(prompts, 1))
    return gold + rng.standard_t(2, size=gold.shape), gold


def test_the_curve_turns_when_the_proxy_is_hacked() -> None:
    curve = best_of_n_curve(*hacked_rewards(2), [1, 2, 4, 8, 16, 32, 64, 128], seed=0)
    gains = [point.gain.value or 0.0 for point in curve]
    assert max(range(8), key=gains.__getitem__) in (3, 4, 5)
    assert curve[3].distance == pytest.approx(np.sqrt(np.log(8) - 7 / 8))
    assert curve[7].gain.high is not None and curve[4].gain.low is not None
    assert curve[7].gain.high < curve[4].gain.low
    for point in curve[1:]:
        assert point.gain.low is not None and point.gain.high is not None
        assert point.gold.low is not None and point.gold.high is not None
        # Prompts differ in their mean reward, which a gain takes out.
        assert point.gain.high - point.gain.low < point.gold.high - point.gold.low


def test_intervals_of_the_curve_hold_the_truth() -> None:
    truth = float(np.mean(best_of_n(*hacked_rewards(999, prompts=6000), 16)))
    truth -= float(hacked_rewards(999, prompts=6000)[1].mean())
    held = 0
    for seed in range(200):
        (point,) = best_of_n_curve(*hacked_rewards(seed, prompts=40), [16], seed=seed, rounds=400)
        held += (
            point.gain.low is not None
            and point.gain.high is not None
            and point.gain.low <= truth <= point.gain.high
        )
    assert held / 200 >= 0.92


DISTANCE = np.linspace(0.3, 6.0, 10)


def noisy_gains(form: str, a: float, b: float, seed: int, prompts: int = 60) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    bend = DISTANCE if form == "best-of-n" else np.log(DISTANCE)
    by_prompt = a + rng.normal(size=(prompts, 1)) * 0.1
    return np.asarray(DISTANCE * (by_prompt - b * bend) + rng.normal(size=(prompts, 10)) * 0.3)


@pytest.mark.parametrize(
    ("form", "a", "b", "peak", "height"),
    [("best-of-n", 1.0, 0.15, 1 / 0.3, 1 / 0.6), ("rl", 1.0, 0.5, np.exp(1.0), 0.5 * np.exp(1.0))],
)
def test_intervals_of_the_forms_of_gao_2023_hold_the_truth(
    form: Any, a: float, b: float, peak: float, height: float
) -> None:
    held = np.zeros(4)
    for seed in range(200):
        fit = fit_gao(form, DISTANCE, noisy_gains(form, a, b, seed), seed=seed, rounds=400)
        assert fit.no_peak is None and not fit.extrapolated
        for at, (one, true) in enumerate(
            ((fit.a, a), (fit.b, b), (fit.peak_distance, peak), (fit.peak_gain, height))
        ):
            assert one is not None and one.low is not None and one.high is not None
            held[at] += one.low <= true <= one.high
    assert (held / 200 >= 0.92).all(), held / 200


def test_no_peak_is_reported_when_b_may_be_zero() -> None:
    fit = fit_gao("best-of-n", DISTANCE, noisy_gains("best-of-n", 1.0, 0.0, 3, prompts=15), seed=0)
    assert fit.peak_distance is None and fit.peak_gain is None
    assert fit.no_peak is not None and "does not lie above 0" in fit.no_peak


def test_a_reward_that_falls_from_the_start_has_no_peak() -> None:
    fit = fit_gao("best-of-n", DISTANCE, noisy_gains("best-of-n", -0.5, 0.2, 4), seed=0)
    assert fit.no_peak is not None and "falls from the start" in fit.no_peak


def test_a_peak_beyond_the_data_is_marked() -> None:
    fit = fit_gao("best-of-n", DISTANCE, noisy_gains("best-of-n", 1.0, 0.06, 5), seed=0)
    assert fit.peak_distance is not None and fit.extrapolated


def test_a_form_that_does_not_fit_shows_its_misfit() -> None:
    gains = noisy_gains("best-of-n", 1.0, 0.15, 6) + np.sin(3 * DISTANCE)
    good = fit_gao("best-of-n", DISTANCE, noisy_gains("best-of-n", 1.0, 0.15, 6), seed=0)
    assert fit_gao("best-of-n", DISTANCE, gains, seed=0).misfit > 5 * good.misfit


def test_clusters_of_prompts_widen_the_intervals() -> None:
    gains = np.repeat(noisy_gains("best-of-n", 1.0, 0.15, 7, prompts=30), 4, axis=0)
    loose = fit_gao("best-of-n", DISTANCE, gains, seed=0).b
    tight = fit_gao("best-of-n", DISTANCE, gains, seed=0, clusters=np.repeat(np.arange(30), 4)).b
    assert (
        loose.low is not None and loose.high is not None and tight.low is not None and tight.high is not None
    )
    assert tight.high - tight.low > 1.7 * (loose.high - loose.low)


def test_one_prompt_gives_values_without_intervals_and_no_peak() -> None:
    fit = fit_gao("best-of-n", DISTANCE, noisy_gains("best-of-n", 1.0, 0.15, 8, prompts=1), seed=0)
    assert fit.b.value is not None and fit.b.low is None
    assert fit.no_peak is not None and "one cluster" in fit.no_peak


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: best_of_n([1.0, 2.0], [1.0, 2.0], 3), "best of 3 from 2"),
        (lambda: best_of_n([1.0, 2.0], [1.0, 2.0], 0), "best of 0 from 2"),
        (lambda: best_of_n([], [], 1), "shape"),
        (lambda: best_of_n([1.0], [1.0, 2.0], 1), "shape"),
        (lambda: best_of_n([1.0, float("nan")], [1.0, 2.0], 1), "reward is missing"),
        (lambda: kl_best_of_n([0]), "n of 1 or more"),
        (lambda: best_of_n_curve([1.0, 2.0], [1.0, 2.0], [1], seed=0), "prompts x samples"),
        (lambda: fit_gao("best-of-n", [1.0, 2.0], np.ones((5, 2)), seed=0), "at least 3 different"),
        (lambda: fit_gao("best-of-n", [1.0, 2.0, -3.0], np.ones((5, 3)), seed=0), "0 or more"),
        (lambda: fit_gao("best-of-n", [1.0, 2.0], np.ones((5, 3)), seed=0), "prompts x distances"),
        (lambda: fit_gao("ppo", [1.0, 2.0, 3.0], np.ones((5, 3)), seed=0), "not known"),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_defined_is_named(call: Any, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        call()
