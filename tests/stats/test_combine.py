"""Human labels with judge verdicts: published values, and what happens where others stay silent."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govaudit.errors import StatisticsError
from govaudit.stats.combine import Assumption, Combined, post_stratified, ppi_plus_plus, rogan_gladen
from govaudit.stats.intervals import clustered_rate


def corrected(flagged: int, judged: int, kept: tuple[int, int], broken: tuple[int, int]) -> Combined:
    return rogan_gladen(
        flagged,
        judged,
        kept_right=kept[0],
        kept_checked=kept[1],
        broken_right=broken[0],
        broken_checked=broken[1],
    )


def test_lee_2025_corrected_rate() -> None:
    """arXiv 2511.21140: p = .4 of 1000, specificity .7 and sensitivity .9 on 200 items each."""
    found = corrected(400, 1000, (140, 200), (180, 200))
    assert (found.rate, found.low, found.high) == pytest.approx((0.16667, 0.05635, 0.26273), abs=5.1e-6)
    assert found.assumption is Assumption.error_rates_carry_over


def test_post_stratified_by_hand() -> None:
    labels = [1] * 15 + [0] * 5 + [1] * 2 + [0] * 78
    judged = [1] * 20 + [0] * 80
    every = [1] * 100 + [0] * 900
    found = post_stratified(labels, judged, every)
    assert found.rate == pytest.approx(0.1 * 15 / 20 + 0.9 * 2 / 80)
    flagged, unflagged = (
        clustered_rate([1] * 15 + [0] * 5, range(20)),
        clustered_rate([1] * 2 + [0] * 78, range(80)),
    )
    share = clustered_rate(every, range(1000))
    down = math.sqrt(
        ((0.75 - 0.025) * (0.1 - share.low)) ** 2
        + (0.1 * (0.75 - flagged.low)) ** 2
        + (0.9 * (0.025 - unflagged.low)) ** 2
    )
    assert found.low == pytest.approx(found.rate - down)
    assert found.assumption is Assumption.random_within_strata
    assert (found.n_labelled, found.n_judged) == (100, 1000)


def test_a_perfect_judge_leaves_the_uncertainty_of_its_own_share() -> None:
    every = [1] * 300 + [0] * 700
    found = post_stratified([1] * 30 + [0] * 70, [1] * 30 + [0] * 70, every)
    plain = clustered_rate([1] * 30 + [0] * 70, range(100))
    assert found.rate == pytest.approx(0.3)
    assert found.high - found.low < plain.high - plain.low


def test_a_useless_judge_narrows_nothing() -> None:
    rng = np.random.default_rng(1)
    labels, judged = rng.random(200) < 0.3, rng.random(200) < 0.5
    every = np.concatenate([judged, rng.random(5000) < 0.5])
    found, plain = post_stratified(labels, judged, every), clustered_rate(labels, range(200))
    assert found.high - found.low > 0.95 * (plain.high - plain.low)


def test_a_constant_judge_leaves_the_human_labels_alone() -> None:
    for flag in (0, 1):
        found = post_stratified([1, 0, 0, 0], [flag] * 4, [flag] * 50)
        plain = clustered_rate([1, 0, 0, 0], range(4))
        assert (found.rate, found.low, found.high) == (plain.rate, plain.low, plain.high)
        assert "human labels alone" in found.method


def test_an_unlabelled_stratum_is_named() -> None:
    with pytest.raises(StatisticsError, match="no human label among the flagged"):
        post_stratified([0, 0, 1], [0, 0, 0], [1, 0, 0, 0])
    with pytest.raises(StatisticsError, match="no human label among the unflagged"):
        post_stratified([0, 1], [1, 1], [1, 1, 0])


def test_no_event_among_the_labels_still_has_an_interval() -> None:
    found = post_stratified([0] * 40, [1] * 10 + [0] * 30, [1] * 10 + [0] * 90)
    assert found.rate == 0.0
    assert 0 == found.low < found.high < 0.3


def test_ppi_plus_plus_is_refused_below_twenty_of_each() -> None:
    labels = [1] * 19 + [0] * 181
    with pytest.raises(StatisticsError, match="19 and 181: use post_stratified"):
        ppi_plus_plus(labels, labels, [0] * 1000)


def test_ppi_plus_plus_by_its_formula() -> None:
    rng = np.random.default_rng(2)
    truth = (rng.random(400) < 0.3).astype(float)
    scores = np.abs(truth - (rng.random(400) < 0.15))
    rest = np.abs((rng.random(4000) < 0.3) - (rng.random(4000) < 0.15).astype(float))
    found = ppi_plus_plus(truth, scores, rest)
    pooled = np.concatenate([scores, rest])
    lam = np.cov(truth, scores, ddof=0)[0, 1] / (1.1 * pooled.var())
    assert 0 < lam < 1
    assert found.rate == pytest.approx(lam * rest.mean() + (truth - lam * scores).mean())
    error = math.sqrt(lam**2 * rest.var(ddof=1) / 4000 + (truth - lam * scores).var(ddof=1) / 400)
    assert found.high - found.low == pytest.approx(2 * 1.96593 * error, rel=1e-4)  # t with 399 df
    assert found.assumption is Assumption.random_sample


def test_a_constant_judge_gives_ppi_the_weight_zero() -> None:
    truth = [1] * 30 + [0] * 70
    found = ppi_plus_plus(truth, [0.5] * 100, [0.5] * 1000)
    assert found.rate == pytest.approx(0.3)
    assert "weight 0.000" in found.method


def test_copied_rows_within_clusters_do_not_narrow() -> None:
    rng = np.random.default_rng(4)
    truth = (rng.random(150) < 0.4).astype(float)
    scores, rest = 0.5 * truth + 0.5 * rng.random(150), rng.random(900) * 0.7
    once = ppi_plus_plus(truth, scores, rest)
    ids, far = np.repeat(np.arange(150), 3), np.repeat(np.arange(900), 3)
    often = ppi_plus_plus(
        np.repeat(truth, 3),
        np.repeat(scores, 3),
        np.repeat(rest, 3),
        clusters_labelled=ids,
        clusters_unlabelled=far,
    )
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    single = post_stratified(truth, scores > 0.5, np.concatenate([scores > 0.5, rest > 0.5]))
    both = np.concatenate([scores > 0.5, rest > 0.5])
    copied = post_stratified(
        np.repeat(truth, 3),
        np.repeat(scores > 0.5, 3),
        np.repeat(both, 3),
        clusters_labelled=ids,
        clusters_all=np.repeat(np.arange(1050), 3),
    )
    # The copies cost Student's t, for now their likeness is estimated.
    assert 1 <= (copied.high - copied.low) / (single.high - single.low) < 1.03


@settings(max_examples=60)
@given(st.integers(120, 180), st.integers(61, 100), st.integers(61, 100))
def test_corrected_rates_stay_in_range(flagged: int, kept_right: int, broken_right: int) -> None:
    found = corrected(flagged, 300, (kept_right, 100), (broken_right, 100))
    assert 0 <= found.low <= found.rate <= found.high <= 1
    assert found.low < found.high


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30))
def test_swapping_kept_and_broken_mirrors_the_combination(rows: list[tuple[int, int]]) -> None:
    labels, judged = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    every = np.tile(judged, 3)
    one, two = post_stratified(labels, judged, every), post_stratified(1 - labels, 1 - judged, 1 - every)
    assert (two.rate, two.low, two.high) == pytest.approx((1 - one.rate, 1 - one.high, 1 - one.low))


def test_what_cannot_be_combined_is_refused() -> None:
    with pytest.raises(StatisticsError, match="cannot be corrected"):
        corrected(50, 100, (50, 100), (55, 100))
    with pytest.raises(StatisticsError, match="do not carry over"):
        corrected(0, 300, (61, 100), (90, 100))
    with pytest.raises(StatisticsError, match="do not carry over"):
        corrected(300, 300, (90, 100), (61, 100))
    with pytest.raises(StatisticsError, match="not a count"):
        corrected(5, 100, (0, 0), (9, 10))
    with pytest.raises(StatisticsError, match="verdicts on the same items"):
        post_stratified([1, 0], [1], [1, 0])
    with pytest.raises(StatisticsError, match="must include"):
        post_stratified([1, 0], [1, 1], [1, 0])
    with pytest.raises(StatisticsError, match="unscored"):
        post_stratified([1, float("nan")], [1, 0], [1, 0])
    with pytest.raises(StatisticsError, match="at least one item"):
        post_stratified([], [], [])
    with pytest.raises(StatisticsError, match="no unlabelled"):
        ppi_plus_plus([1, 0], [1, 0], [])
    with pytest.raises(StatisticsError, match="in \\[0, 1\\]"):
        ppi_plus_plus([1, 0], [1, 2], [0])
    with pytest.raises(StatisticsError, match="cluster ids"):
        post_stratified([1, 0], [1, 0], [1, 0], clusters_labelled=[1])
