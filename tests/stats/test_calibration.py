"""Calibration measures against published decompositions, their nulls, and planted miscalibration."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from govaudit.errors import StatisticsError
from govaudit.stats.calibration import (
    average_orders,
    brier,
    clamp,
    corp,
    cross_fit,
    expected_calibration_error,
    miscalibration,
    platt,
    reliability,
    temperature,
)

pairs = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=40)


def test_corp_decomposition_by_hand() -> None:
    """Dimitriadis, Gneiting & Jordan 2021: Brier .1785 = MCB .0785 - DSC .1400 + UNC .2400.

    Sorted p .1 .35 .4 .6 .8 has y 0 0 1 0 1; pooling the violators .4 and .6 gives 0 0 1/2 1/2 1.
    """
    found = corp([0.1, 0.4, 0.35, 0.8, 0.6], [0, 1, 0, 1, 0])
    assert found.brier == pytest.approx(0.1785, abs=1e-12)
    assert found.miscalibration == pytest.approx(0.0785, abs=1e-12)
    assert found.discrimination == pytest.approx(0.1400, abs=1e-12)
    assert found.uncertainty == pytest.approx(0.2400, abs=1e-12)
    assert found.recalibrated.tolist() == [0.0, 0.5, 0.0, 1.0, 0.5]


@settings(max_examples=40)
@given(pairs)
def test_the_parts_add_up_and_are_not_negative(rows: list[tuple[float, int]]) -> None:
    p, y = [row[0] for row in rows], [row[1] for row in rows]
    found = corp(p, y)
    assert found.brier == pytest.approx(brier(p, y))
    assert found.brier == pytest.approx(found.miscalibration - found.discrimination + found.uncertainty)
    assert min(found.miscalibration, found.discrimination, found.uncertainty) >= -1e-12
    assert found.uncertainty == pytest.approx(np.mean(y) * (1 - np.mean(y)))


@settings(max_examples=40)
@given(pairs, st.floats(0.2, 5))
def test_discrimination_sees_only_the_order_of_the_probabilities(
    rows: list[tuple[float, int]], power: float
) -> None:
    p, y = np.array([round(row[0], 3) for row in rows]), [row[1] for row in rows]
    assert corp(p**power, y).discrimination == pytest.approx(corp(p, y).discrimination, abs=1e-9)


def test_a_constant_judge_discriminates_nothing() -> None:
    found = corp([0.3] * 10, [1] * 4 + [0] * 6)
    assert found.discrimination == pytest.approx(0.0)
    assert found.miscalibration == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("n", "mean", "high"),
    [(100, 0.123, 0.169), (200, 0.089, 0.118), (500, 0.058, 0.083), (2000, 0.028, 0.039), (10_000, 0.013, 0.018)],
)  # fmt: skip
def test_the_ece_of_a_perfect_judge_is_not_zero(n: int, mean: float, high: float) -> None:
    """Simulated null at 15 bins with Beta(2, 2) probabilities (consistency resampling, 200 draws)."""
    rng = np.random.default_rng(11)
    p = rng.beta(2, 2, n)
    found = expected_calibration_error(p, rng.random(n) < p, seed=rng)
    assert found.null_mean == pytest.approx(mean, rel=0.10)
    assert found.null_high == pytest.approx(high, rel=0.15)
    assert found.p > 0.01


def test_ece_by_hand() -> None:
    # Two bins: |0 + 1 - .1 - .4| and |1 + 0 - .6 - .8| over four items.
    found = expected_calibration_error([0.1, 0.4, 0.6, 0.8], [0, 1, 1, 0], bins=2)
    assert found.value == pytest.approx((0.5 + 0.4) / 4)


def test_overconfidence_stands_out_from_the_null() -> None:
    rng = np.random.default_rng(2)
    p = rng.beta(0.5, 0.5, 1000)
    y = rng.random(1000) < special.expit(special.logit(p) / 3)
    found = expected_calibration_error(p, y, seed=1)
    assert found.value > found.null_high and found.p == pytest.approx(1 / 201)
    assert corp(p, y).miscalibration > 0.02


def test_bands_hold_a_calibrated_judge_and_not_a_bad_one() -> None:
    rng = np.random.default_rng(5)
    p = np.round(rng.beta(2, 2, 800), 2)
    good = reliability(p, rng.random(800) < p, seed=0)
    assert np.mean((good.low <= good.recalibrated) & (good.recalibrated <= good.high)) > 0.9
    assert (good.low <= good.probability).all() and (good.probability <= good.high).all()
    bad = reliability(p, rng.random(800) < p**4, seed=0)
    assert np.mean((bad.low <= bad.recalibrated) & (bad.recalibrated <= bad.high)) < 0.5
    assert bad.count.sum() == 800


def test_planted_temperature_and_bias_are_recovered() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, 20_000)
    p = special.expit(logits)
    y = rng.random(20_000) < special.expit(logits / 2)
    assert temperature(p, y).slope == pytest.approx(0.5, abs=0.02)
    biased = rng.random(20_000) < special.expit(0.7 * logits - 1)
    found = platt(p, biased)
    assert (found.slope, found.intercept) == pytest.approx((0.7, -1.0), abs=0.06)


def test_platt_equals_the_gradient_condition_of_its_penalised_likelihood() -> None:
    rng = np.random.default_rng(9)
    p, y = rng.beta(2, 3, 60), (rng.random(60) < 0.4).astype(float)
    found = platt(p, y)
    ones, zeros = y.sum(), 60 - y.sum()
    target = np.where(y == 1, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    residual = target - found(p)
    assert residual.sum() == pytest.approx(0, abs=1e-8)
    assert (residual * special.logit(p)).sum() == pytest.approx(0, abs=1e-7)


def test_separated_labels_have_a_finite_platt_fit_and_no_temperature() -> None:
    p, y = [0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]
    assert 0 < platt(p, y).slope < 10
    with pytest.raises(StatisticsError, match="right side"):
        temperature(p, y)


def test_cross_fitting_never_lets_a_cluster_calibrate_itself() -> None:
    rng = np.random.default_rng(6)
    ids = np.repeat(np.arange(40), 5)
    logits = rng.normal(0, 2, 200)
    p, y = special.expit(logits), (rng.random(200) < special.expit(logits / 2)).astype(float)
    found = cross_fit(p, y, list(ids), method="platt", folds=4, seed=1)
    assert all(len(set(found.fold[ids == g])) == 1 for g in range(40))
    assert sorted(np.bincount(found.fold) // 5) == [10, 10, 10, 10]
    flipped = y.copy()
    flipped[ids == 7] = 1 - flipped[ids == 7]
    again = cross_fit(p, flipped, list(ids), method="platt", folds=4, seed=1)
    assert (again.recalibrated[ids == 7] == found.recalibrated[ids == 7]).all()
    assert (again.recalibrated != found.recalibrated).any()


def test_cross_fitted_scaling_mends_an_overconfident_judge() -> None:
    rng = np.random.default_rng(10)
    ids = np.repeat(np.arange(300), 3)
    logits = rng.normal(0, 1, 900)
    p, y = special.expit(3 * logits), rng.random(900) < special.expit(logits)
    for method in ("temperature", "platt"):
        mended = cross_fit(p, y, ids, method=method).recalibrated  # type: ignore[arg-type]
        assert corp(mended, y).miscalibration < corp(p, y).miscalibration / 3


def test_clamping_makes_a_sharp_calibrated_judge_worse() -> None:
    """Bai et al. 2022 clamp training labels to 40-60 %; as probabilities such labels are under-confident."""
    rng = np.random.default_rng(12)
    p = rng.beta(0.3, 0.3, 2000)
    y = rng.random(2000) < p
    clamped = clamp(p)
    assert (clamped.min(), clamped.max()) == (0.4, 0.6)
    assert corp(clamped, y).miscalibration > corp(p, y).miscalibration + 0.05


@settings(max_examples=40)
@given(st.floats(0.01, 0.99), st.floats(-3, 3))
def test_a_position_bias_cancels_in_the_mean_of_logits(p: float, bias: float) -> None:
    first, second = special.expit(special.logit(p) + bias), special.expit(special.logit(p) - bias)
    assert average_orders([first], [second])[0] == pytest.approx(p, abs=1e-9)


def test_certain_probabilities_stay_finite() -> None:
    assert np.isfinite(platt([0.0, 1.0, 0.5, 1.0], [0, 1, 1, 0])([0.0, 1.0])).all()
    assert average_orders([1.0], [0.0])[0] == pytest.approx(0.5)


def test_undefined_calibration_is_a_named_error() -> None:
    with pytest.raises(StatisticsError, match="at least one item"):
        corp([], [])
    with pytest.raises(StatisticsError, match="probability lies"):
        brier([1.2], [1])
    with pytest.raises(StatisticsError, match="probability lies"):
        brier([float("nan")], [1])
    with pytest.raises(StatisticsError, match="labels are 0 or 1"):
        brier([0.5], [0.5])
    with pytest.raises(StatisticsError, match="labels of shape"):
        brier([0.5, 0.6], [1])
    with pytest.raises(StatisticsError, match="one outcome"):
        platt([0.2, 0.3], [1, 1])
    with pytest.raises(StatisticsError, match="alike"):
        platt([0.3, 0.3], [0, 1])
    with pytest.raises(StatisticsError, match="chance"):
        temperature([0.5, 0.5], [0, 1])
    with pytest.raises(StatisticsError, match="chance"):
        temperature([0.9, 0.2], [0, 1])
    with pytest.raises(StatisticsError, match="cannot be dealt"):
        cross_fit([0.1, 0.9], [0, 1], ["a", "a"])
    with pytest.raises(StatisticsError, match="one bin"):
        expected_calibration_error([0.1], [0], bins=0)
    with pytest.raises(StatisticsError, match="bands"):
        reliability([0.1], [0], draws=1)
    with pytest.raises(StatisticsError, match="interval"):
        clamp([0.5], 0.6, 0.4)


def test_the_null_of_mcb_says_what_a_calibrated_judge_shows_and_catches_a_sharpened_one() -> None:
    rng = np.random.default_rng(7)
    share = rng.beta(2, 2, 300)
    y = (rng.random(300) < share).astype(float)
    sharpened = 1 / (1 + ((1 - share) / share) ** 3)
    clusters = list(range(300))
    measures: tuple[Literal["mcb", "ece"], ...] = ("mcb", "ece")
    for measure in measures:
        fine = miscalibration(share, y, clusters, measure=measure, draws=100)
        assert fine.value > 0 and fine.p > 0.05 and fine.value < fine.null_high and fine.low == 0.0
        caught = miscalibration(sharpened, y, clusters, measure=measure, draws=100)
        assert caught.p < 0.05 and caught.value > caught.null_high
        assert 0 < caught.low < caught.value <= caught.high
    assert caught.value == pytest.approx(expected_calibration_error(sharpened, y, draws=20).value)


@pytest.mark.slow
def test_limits_of_mcb_hold_the_truth_where_percentile_limits_would_not() -> None:
    """The truth is the mean squared distance of the sharpened from the true probability."""
    rng = np.random.default_rng(0)
    big = rng.beta(2, 2, 200_000)
    truth = float(np.mean((1 / (1 + ((1 - big) / big) ** 2) - big) ** 2))
    held = 0
    for seed in range(60):
        share = rng.beta(2, 2, 200)
        y = (rng.random(200) < share).astype(float)
        p = 1 / (1 + ((1 - share) / share) ** 2)
        found = miscalibration(p, y, list(range(200)), draws=100, seed=seed)
        held += found.low <= truth <= found.high
    assert held / 60 >= 0.85


def test_limits_take_whole_clusters() -> None:
    rng = np.random.default_rng(3)
    share = rng.beta(2, 2, 40)
    y = (rng.random(40) < share).astype(float)
    alone = miscalibration(share**3, y, list(range(40)), draws=100)
    five = miscalibration(
        np.repeat(share**3, 5), np.repeat(y, 5), np.repeat(np.arange(40), 5).tolist(), draws=100
    )
    assert five.value == pytest.approx(alone.value)
    assert five.high - five.value > 0.5 * (alone.high - alone.value)
