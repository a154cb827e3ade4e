"""Raters one by one: ICC, Conger's kappa, severity, leaving one out, the alternative annotator test."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from govaudit.errors import StatisticsError
from govaudit.stats.agreement import alpha, two_rater
from govaudit.stats.alternative_annotator import alternative_annotator_test
from govaudit.stats.coefficient import Coefficient
from govaudit.stats.counts import count_ratings
from govaudit.stats.icc import icc
from govaudit.stats.raters import conger, leave_one_out, severity

NONE = math.nan

# Shrout & Fleiss (1979), Psychological Bulletin 86:420, table 2: 6 targets, 4 judges.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
)

# Krippendorff (2011): 4 observers, 12 units; in Gwet's copy the last rating is the third observer's.
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
        [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
    ]
).T


def numbers(one: Coefficient) -> tuple[float, float, float]:
    assert one.value is not None and one.low is not None and one.high is not None, one.undefined
    return one.value, one.low, one.high


# --- published values -----------------------------------------------------------------------------


def test_icc_of_shrout_fleiss_1979_with_limits_of_mcgraw_wong_1996() -> None:
    found = icc(SHROUT_FLEISS)
    assert numbers(found.one_way) == pytest.approx((0.16574, -0.13293, 0.72256), abs=5e-6)
    assert numbers(found.agreement) == pytest.approx((0.28976, 0.01879, 0.76108), abs=6e-6)
    assert numbers(found.consistency) == pytest.approx((0.71484, 0.34246, 0.94586), abs=6e-6)
    means = [found.one_way_mean.value, found.agreement_mean.value, found.consistency_mean.value]
    assert means == pytest.approx([0.4428, 0.6201, 0.9093], abs=5e-5)


def test_conger_kappa_of_gwet_2014() -> None:
    assert conger(OBSERVERS, seed=0, rounds=0).value == pytest.approx(0.76207, abs=5e-6)
    moved = OBSERVERS.copy()
    moved[11] = [NONE, NONE, 3, NONE]
    assert conger(moved, seed=0, rounds=0).value == pytest.approx(0.76282, abs=5e-6)


# --- properties -----------------------------------------------------------------------------------

tables = st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=4, max_size=15).map(
    lambda rows: np.array(rows, dtype=float)
)


@given(tables)
@settings(max_examples=40)
def test_conger_kappa_of_two_raters_is_cohen_kappa(table: Any) -> None:
    pair = table[:, :2]
    cohen = two_rater(pair[:, 0], pair[:, 1], seed=0, categories=range(5), rounds=0).kappa
    found = conger(pair, seed=0, categories=range(5), rounds=0)
    assert (found.value is None) == (cohen.value is None)
    assert found.value is None or found.value == pytest.approx(cohen.value, abs=1e-12)


@given(tables, st.floats(-5, 5), st.floats(0.1, 10))
@settings(max_examples=40)
def test_icc_does_not_depend_on_the_unit_of_the_scale(table: Any, shift: float, scale: float) -> None:
    one, two = icc(table), icc(table * scale + shift)
    for x, y in (
        (one.one_way, two.one_way),
        (one.agreement, two.agreement),
        (one.consistency, two.consistency),
    ):
        assert (x.value is None) == (y.value is None)
        assert x.value is None or x.value == pytest.approx(y.value, abs=1e-6)


@given(tables)
@settings(max_examples=40)
def test_severities_of_a_complete_table_are_differences_of_means(table: Any) -> None:
    found = severity(table)
    means = table.mean(axis=0)
    assert [one.severity for one in found] == pytest.approx((means - means.mean()).tolist(), abs=1e-9)


def test_severities_of_an_incomplete_table_equal_least_squares() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, 1)) + np.array([0.5, 0.0, -0.2, -0.3]) + rng.normal(size=(40, 4)) * 0.2
    table[rng.random(table.shape) < 0.4] = NONE
    rows, columns = np.nonzero(~np.isnan(table))
    design = np.zeros((len(rows), 44))
    design[np.arange(len(rows)), rows] = 1
    design[np.arange(len(rows)), 40 + columns] = 1
    effects = np.linalg.lstsq(design, table[rows, columns], rcond=None)[0][40:]
    found = severity(table, raters=["a", "b", "c", "d"])
    assert [one.severity for one in found] == pytest.approx((effects - effects.mean()).tolist(), abs=1e-9)
    assert [one.rater for one in found] == ["a", "b", "c", "d"]


def test_severity_intervals_hold_the_planted_severities() -> None:
    planted = np.array([0.3, 0.1, -0.1, -0.3])
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        prompt = rng.normal(size=(30, 1, 1)) + rng.normal(size=(30, 1, 4)) * 0.5
        table = (prompt + planted + rng.normal(size=(30, 3, 4))).reshape(90, 4)
        table[rng.random(table.shape) < 0.3] = NONE
        found = severity(table, clusters=np.repeat(np.arange(30), 3))
        held += sum(
            one.low is not None and one.high is not None and one.low <= true <= one.high
            for one, true in zip(found, planted, strict=True)
        )
    assert held / 800 >= 0.92


def test_leaving_a_rater_out_is_alpha_of_the_others() -> None:
    found = leave_one_out(OBSERVERS, seed=0, raters="ABCD")
    for j, one in enumerate(found):
        rest = alpha(count_ratings(np.delete(OBSERVERS, j, axis=1), range(1, 6)), seed=0, rounds=0)
        assert one.without.value == pytest.approx(rest.value)
        assert one.change.value == pytest.approx(904 / 1216 - (rest.value or 0.0))
    assert min(found, key=lambda one: one.change.value or 0.0).rater == "C"


def test_a_rater_who_guesses_is_seen_to_pull_agreement_down() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 150)
    table = np.stack([np.where(rng.random(150) < 0.1, 1 - truth, truth) for _ in range(4)], axis=1)
    table[:, 2] = rng.integers(0, 2, 150)
    changes = [one.change for one in leave_one_out(table, seed=0)]
    assert changes[2].high is not None and changes[2].high < 0
    assert all(one.value is not None and one.value > 0 for j, one in enumerate(changes) if j != 2)


# --- alternative annotator test -------------------------------------------------------------------


def people_and_judge(noise: float, n: int = 120, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)

    def rated(p: float) -> Any:
        return np.where(rng.random(n) < p, rng.integers(0, 3, n), truth).astype(float)

    return np.stack([rated(0.3) for _ in range(4)], axis=1), rated(noise)


def test_the_alternative_annotator_test_equals_the_definition_of_calderon_2025() -> None:
    people, judge = people_and_judge(0.25)
    epsilon = 0.1
    wins, p_values = [], []
    for j in range(4):
        f, h = [], []
        for i in range(len(judge)):
            others = [people[i, k] for k in range(4) if k != j]
            score_judge = sum(x == judge[i] for x in others) / 3
            score_person = sum(x == people[i, j] for x in others) / 3
            f.append(float(score_judge >= score_person))
            h.append(float(score_person >= score_judge))
        wins.append(np.mean(f))
        gaps = np.array(h) - np.array(f)
        p_values.append(stats.ttest_1samp(gaps, epsilon, alternative="less").pvalue)
    beaten = stats.false_discovery_control(p_values, method="by") <= 0.05
    found = alternative_annotator_test(people, judge, epsilon=epsilon, seed=0)
    assert [one.judge_wins for one in found.people] == pytest.approx(wins)
    assert [one.p for one in found.people] == pytest.approx(p_values)
    assert [one.beaten for one in found.people] == beaten.tolist()
    assert found.winning_rate == beaten.mean()
    assert found.advantage.value == pytest.approx(np.mean(wins))


def test_a_good_judge_passes_and_a_guessing_one_fails() -> None:
    people, judge = people_and_judge(0.2)
    assert alternative_annotator_test(people, judge, epsilon=0.1, seed=0).passed
    people, guesses = people_and_judge(1.0)
    failed = alternative_annotator_test(people, guesses, epsilon=0.1, seed=0)
    assert not failed.passed
    assert failed.advantage.high is not None and failed.advantage.high < 0.7


def test_distance_alignment_is_minus_the_root_mean_square() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=80)
    people = truth[:, None] + rng.normal(size=(80, 3))
    close = alternative_annotator_test(people, truth, epsilon=0.1, seed=0, alignment="distance")
    assert close.passed
    f = []
    for i in range(80):
        others = people[i, 1:]
        own = math.sqrt(np.mean((others - people[i, 0]) ** 2))
        f.append(math.sqrt(np.mean((others - truth[i]) ** 2)) <= own)
    assert close.people[0].judge_wins == pytest.approx(np.mean(f))


def test_clusters_take_away_certainty_that_repeats() -> None:
    people, judge = people_and_judge(0.25, n=40)
    once = alternative_annotator_test(people, judge, epsilon=0.2, seed=0)
    copied = alternative_annotator_test(
        np.repeat(people, 5, axis=0),
        np.repeat(judge, 5),
        epsilon=0.2,
        seed=0,
        clusters=np.repeat(np.arange(40), 5),
    )
    assert [one.p for one in copied.people] == pytest.approx([one.p for one in once.people])


def test_a_judge_that_ties_with_everyone_gets_an_exact_p_value() -> None:
    """No variance: a t test divides by zero there."""
    people = np.repeat(np.arange(3.0), 20)[:, None] * np.ones(3)
    found = alternative_annotator_test(people, people[:, 0], epsilon=0.2, seed=0)
    assert found.people[0].p == pytest.approx(0.8**60)
    assert found.advantage.value == 1.0
    assert found.advantage.low is not None and found.advantage.low < 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"people": np.zeros((50, 2))}, "at least 3"),
        ({"people": np.zeros((20, 3)), "judge": np.zeros(20)}, "30 clusters"),
        ({"clusters": np.zeros(50)}, "30 clusters"),
        ({"judge": np.zeros(49)}, "shape"),
        ({"epsilon": 1.0}, "epsilon"),
        ({"alignment": "taste"}, "not known"),
        ({"names": ["a"]}, "names"),
    ],
)
def test_what_the_alternative_annotator_test_cannot_use_is_named(
    change: dict[str, Any], message: str
) -> None:
    arguments: dict[str, Any] = {
        "people": np.zeros((50, 3)),
        "judge": np.zeros(50),
        "epsilon": 0.1,
        "seed": 0,
        **change,
    }
    with pytest.raises(StatisticsError, match=message):
        alternative_annotator_test(arguments.pop("people"), arguments.pop("judge"), **arguments)


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([[1.0, 2.0], [NONE, 3.0]], "1 of 2 items lack a rating"),
        ([[1.0], [2.0]], "at least 2 items x 2 raters"),
        ([[1.0, 2.0]], "at least 2 items x 2 raters"),
    ],
)
def test_icc_refuses_what_it_is_not_defined_for(table: Any, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        icc(table)


def test_icc_of_equal_ratings_is_undefined_and_of_unanimous_raters_has_no_f_interval() -> None:
    flat = icc(np.ones((5, 3)))
    assert flat.agreement.value is None
    assert flat.agreement.undefined is not None and "no variance" in flat.agreement.undefined
    same = icc(np.repeat(np.arange(5.0)[:, None], 3, axis=1))
    assert same.agreement.value == pytest.approx(1.0)
    assert same.agreement.low is None
    shifted = icc(np.arange(5.0)[:, None] + np.arange(3.0))
    assert shifted.consistency.value == pytest.approx(1.0)
    assert shifted.consistency.undefined is not None
    assert shifted.agreement.low is not None


def test_raters_who_share_no_items_cannot_be_compared() -> None:
    table = np.full((8, 4), NONE)
    table[:4, :2] = 1.0
    table[4:, 2:] = 0.0
    with pytest.raises(StatisticsError, match="2 groups that share no item"):
        severity(table, raters=["a", "b", "c", "d"])


def test_severity_without_variance_has_no_interval() -> None:
    found = severity(np.repeat(np.array([[1.0, 0.0]]), 6, axis=0))
    assert [one.severity for one in found] == pytest.approx([0.5, -0.5])
    assert all(one.low is None and one.constant for one in found)


def test_severity_needs_two_clusters() -> None:
    with pytest.raises(StatisticsError, match="clusters"):
        severity(np.ones((4, 2)), clusters=["p"] * 4)
    with pytest.raises(StatisticsError, match="clusters"):
        severity(np.array([[1.0, NONE], [NONE, 1.0]]))


def test_leaving_one_of_two_raters_out_is_refused() -> None:
    with pytest.raises(StatisticsError, match="at least 3"):
        leave_one_out([[0, 1], [1, 1]], seed=0)


def test_conger_of_one_category_is_undefined() -> None:
    found = conger(np.ones((6, 3)), seed=0, categories=[0, 1])
    assert found.value is None
    assert found.undefined is not None
