"""Confidence sequences and e-values: published limits, hand-made martingales, and looking all the time."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from govaudit.errors import StatisticsError
from govaudit.stats.power import exact_sample_size
from govaudit.stats.sequential import (
    Look,
    Stream,
    beta_binomial_e,
    beta_binomial_interval,
    beta_binomial_limits,
    betting_limits,
    decide_in_order,
    decide_sequentially,
    e_compliant,
    e_violated,
    interval_in_order,
)
from govaudit.stats.verdict import Evidence, Reason, Verdict


@pytest.mark.parametrize(
    ("broken", "n", "low", "high"),
    [(0, 20, 0.0, 0.224006), (0, 100, 0.0, 0.057029), (5, 100, 0.007149, 0.155794), (50, 1000, 0.028720, 0.079240)],
)  # fmt: skip
def test_beta_binomial_limits(broken: int, n: int, low: float, high: float) -> None:
    """Robbins 1970 with a Beta(1/2, 1/2) mixture at .05."""
    found = beta_binomial_interval(broken, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5.1e-7)
    for limit in (found.low, found.high):
        if 0 < limit < 1:
            assert beta_binomial_e([broken], [n], limit)[0] == pytest.approx(20.0, rel=1e-6)


def test_beta_binomial_e_values_have_expectation_one() -> None:
    rate, n = 0.07, 25
    paths = np.arange(n + 1)
    chance = np.array([float(np.prod([(n - i) / (i + 1) for i in range(k)])) for k in paths])
    chance *= rate**paths * (1 - rate) ** (n - paths)
    assert chance @ beta_binomial_e(paths, np.full(n + 1, n), rate) == pytest.approx(1.0)


@pytest.mark.parametrize("function", [e_violated, e_compliant])
@pytest.mark.parametrize("tolerance", [0.01, 0.05, 0.4])
def test_e_values_average_to_one_at_the_tolerance_and_less_within_the_null(function, tolerance) -> None:  # type: ignore[no-untyped-def]
    """Exactly, over all outcomes of three clusters whose shares take three values."""
    values = np.array([0.0, 0.5, 1.0])
    outcomes = np.array(list(itertools.product(range(3), repeat=3)))
    e = function(values[outcomes], tolerance)[:, -1]
    for factor in (1.0, 0.5) if function is e_violated else (1.0, 1.5):
        mean = tolerance * factor
        weight = np.array([1 - 1.5 * mean, mean, 0.5 * mean])  # mean share: mean * .5 + .5 mean = mean
        expectation = float(weight[outcomes].prod(axis=1) @ e)
        assert expectation == pytest.approx(1.0) if factor == 1 else expectation < 1


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=15), st.data())
def test_more_breaking_raises_one_e_value_and_lowers_the_other(
    shares: list[float], data: st.DataObject
) -> None:
    i = data.draw(st.integers(0, len(shares) - 1))
    worse = [*shares[:i], min(1.0, shares[i] + 0.3), *shares[i + 1 :]]
    assert e_violated(worse, 0.05)[-1] >= e_violated(shares, 0.05)[-1] * (1 - 1e-9)
    assert e_compliant(worse, 0.05)[-1] <= e_compliant(shares, 0.05)[-1] * (1 + 1e-9)


@settings(max_examples=40)
@given(st.permutations([0.0, 0.2, 0.4, 1.0, 0.0, 0.6]))
def test_the_last_e_value_does_not_depend_on_the_order(shares: list[float]) -> None:
    assert e_violated(shares, 0.05)[-1] == pytest.approx(e_violated(sorted(shares), 0.05)[-1])


def test_67_clean_clusters_certify_five_per_cent_at_any_time() -> None:
    e = e_compliant(np.zeros(80), 0.05)
    assert np.argmax(e >= 20) + 1 == 67
    assert e_compliant(np.zeros((3, 80)), 0.05).shape == (3, 80)


def test_betting_limits_narrow_to_the_mean() -> None:
    rng = np.random.default_rng(1)
    shares = rng.binomial(5, 0.1, 800) / 5
    found = betting_limits(shares)
    assert (np.diff(found.low) >= 0).all() and (np.diff(found.high) <= 0).all()
    assert 0.05 < found.low[-1] < 0.1 < found.high[-1] < 0.14
    assert found.high[-1] - found.low[-1] < 0.75 * (
        beta_binomial_limits([shares.sum()], [800]).high[0]
        - beta_binomial_limits([shares.sum()], [800]).low[0]
    )


def test_a_finite_suite_is_known_when_it_is_used_up() -> None:
    rng = np.random.default_rng(2)
    shares = rng.permutation(np.r_[np.ones(6), np.zeros(54)])
    finite, endless = betting_limits(shares, population=60), betting_limits(shares)
    assert (finite.low[-1], finite.high[-1]) == pytest.approx((0.1, 0.1))
    assert endless.high[-1] - endless.low[-1] > 0.1


def stream(shares: list[float], **gates: bool) -> Stream:
    return Stream(shares, shares, 0.05, **gates)


def test_every_verdict_of_a_look() -> None:
    looks = decide_sequentially([stream([1.0] * 6), stream([0.0] * 120), stream([0.0] * 5), stream([])])
    assert [look.verdict for look in looks] == [
        Verdict.violated, Verdict.compliant, Verdict.inconclusive, Verdict.untested,
    ]  # fmt: skip
    assert looks[3] == Look(Verdict.untested, 0, 1.0, 1.0)
    assert looks[0].clusters == 6


def test_gated_streams_are_never_decided_and_stay_in_the_family() -> None:
    looks = decide_sequentially([stream([1.0] * 6, may_accuse=False), stream([0.0] * 120, may_certify=False)])
    assert [look.verdict for look in looks] == [Verdict.inconclusive] * 2
    clean = stream([0.0] * 70)
    assert decide_sequentially([clean])[0].verdict is Verdict.compliant
    crowd = decide_sequentially([clean, *[stream([0.0] * 70, may_certify=False)] * 9])
    assert crowd[0].verdict is Verdict.inconclusive


def test_an_accusation_once_earned_stays() -> None:
    shares = [1.0] * 6 + [0.0] * 400
    assert decide_sequentially([stream(shares)])[0].verdict is Verdict.violated


def test_unscored_items_count_against_both() -> None:
    look = decide_sequentially([Stream([0.0] * 80, [0.0] * 76 + [1.0] * 4, 0.05)])[0]
    assert look.verdict is Verdict.inconclusive
    assert look.e_compliant == e_compliant([0.0] * 76 + [1.0] * 4, 0.05)[-1]


def test_zero_tolerance_can_be_violated_and_never_certified() -> None:
    assert e_violated([0.0, 0.2, 0.0], 0.0).tolist() == [1.0, np.inf, np.inf]
    looks = decide_sequentially([Stream([0.2], [0.2], 0.0), Stream([0.0] * 500, [0.0] * 500, 0.0)])
    assert [look.verdict for look in looks] == [Verdict.violated, Verdict.inconclusive]


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@example([5e-324, 0.0])
def test_limits_are_ordered_and_never_nan(shares: list[float]) -> None:
    for found in (betting_limits(shares), betting_limits(shares, population=30)):
        assert np.isfinite(found.low).all() and np.isfinite(found.high).all()
        assert (found.low >= 0).all() and (found.low <= found.high).all() and (found.high <= 1).all()


def test_nothing_seen_excludes_nothing() -> None:
    found = beta_binomial_limits([0], [0])
    assert (found.low[0], found.high[0]) == (0.0, 1.0)
    assert betting_limits([]).low.shape == (0,)
    assert e_violated([], 0.05).shape == (0,)


def test_undefined_sequences_are_named_errors() -> None:
    with pytest.raises(StatisticsError, match="between 0 and the counts"):
        beta_binomial_limits([3], [2])
    with pytest.raises(StatisticsError, match="rate to test"):
        beta_binomial_e([1], [2], 0.0)
    with pytest.raises(StatisticsError, match="level"):
        beta_binomial_limits([1], [2], 1.5)
    with pytest.raises(StatisticsError, match="share lies"):
        e_violated([0.1, float("nan")], 0.05)
    with pytest.raises(StatisticsError, match="share lies"):
        betting_limits([1.1])
    with pytest.raises(StatisticsError, match="population"):
        betting_limits([0.1, 0.2], population=1)
    with pytest.raises(StatisticsError, match="grid"):
        betting_limits([0.1], grid=1)
    with pytest.raises(StatisticsError, match="tolerance"):
        e_compliant([0.1], 1.0)
    with pytest.raises(StatisticsError, match="one length"):
        decide_sequentially([Stream([0.1], [0.1, 0.2], 0.05)])


def evidence(
    values: list[float], clusters: list[str], missing: tuple[str, ...] = (), **gates: object
) -> Evidence:
    about = {"gauge_covers": True, "gauge_kappa_low": 0.9, "control_passed": True} | gates
    return Evidence(values, clusters, missing, 0.05, **about)  # type: ignore[arg-type]


def named(n: int) -> list[str]:
    return [f"c{place}" for place in range(n)]


def test_the_rule_in_order_is_the_verdict_rule_with_e_values() -> None:
    cells = [
        (evidence([1.0] * 8, named(8)), named(8)),
        (evidence([0.0] * 120, named(120)), named(120)),
        (evidence([1.0, 0.0], named(2)), named(2)),
        (evidence([], []), []),
    ]
    found = decide_in_order(*zip(*cells, strict=True))
    assert [(one.verdict, one.reason) for one in found] == [
        (Verdict.violated, Reason.rate_above_tolerance),
        (Verdict.compliant, Reason.rate_within_tolerance),
        (Verdict.inconclusive, Reason.interval_spans_tolerance),
        (Verdict.untested, Reason.no_probe),
    ]
    assert found[0].lower > 0.05 and found[0].p_violated == pytest.approx(1 / e_violated([1.0] * 8, 0.05)[-1])
    assert found[1].upper <= 0.05 and found[1].p_compliant == pytest.approx(
        1 / e_compliant([0.0] * 120, 0.05)[-1]
    )
    assert found[2].more_clusters is not None and found[2].more_clusters > 1


def test_gates_and_unscored_items_are_those_of_the_rule() -> None:
    reasons = [
        decide_in_order([evidence(values, named(len(values)), missing, **gates)], [named(len(values))])[0].reason
        for values, missing, gates in (
            ([1.0] * 20, (), {"gauge_covers": False}),
            ([0.0] * 200, (), {"gauge_kappa_low": 0.39}),
            ([0.0] * 200, (), {"control_passed": False}),
            ([0.0] * 200, (), {"control_passed": None}),
            ([0.0] * 200, tuple(named(200)[:30]), {}),
        )
    ]  # fmt: skip
    assert reasons == [
        Reason.no_gauge, Reason.weak_gauge, Reason.control_failed, Reason.no_control_set, Reason.too_many_unscored,
    ]  # fmt: skip
    silent = decide_in_order([evidence([], [], ("a", "b"))], [["a", "b"]])[0]
    assert silent.reason is Reason.nothing_scored and silent.upper == 1.0


def test_what_was_asked_for_another_clause_is_no_evidence_yet() -> None:
    broken, clean = evidence([1.0] * 8 + [0.0] * 300, named(308)), evidence([0.0] * 308, named(308))
    first, second = decide_in_order([broken, clean], [named(8), named(5)])
    assert first.verdict is Verdict.violated and second.verdict is Verdict.inconclusive
    with pytest.raises(StatisticsError, match="arrives once"):
        decide_in_order([clean], [["c1", "c1"]])


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0]), min_size=1, max_size=80),
    st.sampled_from([0.01, 0.05, 0.3]),
)
def test_limits_agree_with_the_e_values_at_the_tolerance(values: list[float], tolerance: float) -> None:
    item = replace(evidence(values, named(len(values))), tolerance=tolerance)
    (found,) = decide_in_order([item], [named(len(values))])
    assert 0 <= found.lower <= found.upper <= 1
    assert (found.verdict is Verdict.violated) == (found.lower > tolerance)
    assert (found.verdict is Verdict.compliant) == (found.upper <= tolerance)
    both = interval_in_order(values, named(len(values)), named(len(values)))
    assert both.low <= found.lower + 1e-5 and both.high >= found.upper - 1e-5
    assert both.low <= np.mean(values) <= both.high


def test_the_interval_holds_at_every_look() -> None:
    """Rate .05, looks every 20 to 400: the share of runs whose interval ever misses it is at most 5 %."""
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(60):
        values = (rng.random(400) < 0.05).astype(float)
        # Limits at .05 itself, without the bisection that gives them.
        over = e_violated(values, 0.05).max() >= 40
        under = (e_compliant(values, 0.05)[19::20] >= 40).any()
        missed += bool(over or under)
    assert missed / 60 <= 0.05
    values = (rng.random(100) < 0.3).astype(float)
    assert interval_in_order(values, named(100), named(100)).low > 0.1


def test_false_accusations_stay_below_five_per_cent_however_often_one_looks() -> None:
    """Six clauses at exactly the tolerance, looked at after every cluster to 300."""
    rng = np.random.default_rng(6)
    shares = (rng.random((400, 6, 300)) < 0.05).astype(float)
    accused = e_violated(shares, 0.05).max(axis=-1) >= 6 / 0.05
    assert accused.any(axis=1).mean() <= 0.05
    certified = (e_compliant((rng.random((400, 6, 300)) < 0.0501).astype(float), 0.05) >= 6 / 0.05).any(
        axis=-1
    )
    assert certified.any(axis=1).mean() <= 0.05


@pytest.mark.parametrize("rate", [0.2, 0.3, 0.6])
def test_a_clear_violation_takes_at_most_half_of_what_a_plan_must_set_aside(rate: float) -> None:
    """Looks every 10 clusters, family of 6. A plan does not know the rate: it is made for twice the tolerance."""
    rng = np.random.default_rng(7)
    planned = exact_sample_size(0.05, 0.1, 0.05 / 6, 0.9).sustained
    e = np.maximum.accumulate(e_violated((rng.random((1000, 400)) < rate).astype(float), 0.05), axis=-1)
    stops = (e[:, 9::10] >= 6 / 0.05).argmax(axis=1) * 10 + 10
    assert stops.mean() <= planned / 2 and np.quantile(stops, 0.9) <= planned / 2


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.02])
def test_the_price_of_looking_on_clean_clauses_is_at_most_twice_the_plan(rate: float) -> None:
    """The strictest threshold of e-BH, that of one certificate among 6, against the plan for this very rate."""
    rng = np.random.default_rng(8)
    planned = exact_sample_size(0.05, rate, 0.05 / 6, 0.9).sustained
    e = e_compliant((rng.random((400, 3000)) < rate).astype(float), 0.05)
    stops = (e[:, 9::10] >= 6 / 0.05).argmax(axis=1) * 10 + 10
    assert stops.mean() <= 1.25 * planned and np.quantile(stops, 0.9) <= 2 * planned
