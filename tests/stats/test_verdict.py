"""The verdict rule: every path has its reason, and the family pays for its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govaudit.errors import StatisticsError
from govaudit.stats import intervals
from govaudit.stats.verdict import Decision, Evidence, Reason, Verdict, decide


def evidence(
    broken: Sequence[int],
    clusters: Sequence[int] | None = None,
    unscored: Sequence[int] = (),
    *,
    tolerance: float = 0.05,
    gauge_covers: bool = True,
    gauge_kappa_low: float | None = 0.6,
    control_passed: bool | None = True,
) -> Evidence:
    ids = range(len(broken)) if clusters is None else clusters
    return Evidence(
        np.array(broken, dtype=float), list(ids), list(unscored), tolerance,
        gauge_covers, gauge_kappa_low, control_passed,
    )  # fmt: skip


def one(item: Evidence) -> Decision:
    return decide([item])[0]


CLEAN = evidence([0] * 59)
BAD = evidence([1] * 6)


def outcome(item: Evidence) -> tuple[Verdict, Reason]:
    decision = one(item)
    return decision.verdict, decision.reason


def test_59_clean_clusters_certify_five_per_cent_and_58_do_not() -> None:
    assert outcome(CLEAN) == (Verdict.compliant, Reason.rate_within_tolerance)
    decision = one(evidence([0] * 58))
    assert (decision.verdict, decision.reason) == (Verdict.inconclusive, Reason.interval_spans_tolerance)
    assert decision.more_clusters == 1
    assert decision.upper == pytest.approx(1 - 0.05 ** (1 / 58))


def test_six_clusters_all_broken_are_violated() -> None:
    decision = one(BAD)
    assert (decision.verdict, decision.reason) == (Verdict.violated, Reason.rate_above_tolerance)
    assert decision.p_violated == pytest.approx(0.05**6)
    assert decision.lower == pytest.approx(0.05 ** (1 / 6))


def test_one_broken_cluster_can_accuse_alone_at_the_bright_line() -> None:
    # One cluster is one observation: p = tolerance, however many items it holds.
    decision = one(evidence([1] * 20, [1] * 20, tolerance=0.01))
    assert decision.p_violated == pytest.approx(0.01)
    assert decision.verdict is Verdict.violated
    assert one(evidence([1] * 20, [1] * 20, tolerance=0.06)).verdict is Verdict.inconclusive


def test_a_lower_limit_that_equals_the_tolerance_does_not_accuse() -> None:
    decision = one(evidence([1], tolerance=0.05))
    assert decision.lower == pytest.approx(0.05) and decision.p_violated == pytest.approx(0.05)
    assert (decision.verdict, decision.more_clusters) == (Verdict.inconclusive, 1)


def test_items_within_a_cluster_certify_no_more_than_the_cluster() -> None:
    decision = one(evidence([0] * 400, [i // 10 for i in range(400)]))
    assert decision.verdict is Verdict.inconclusive
    assert decision.more_clusters == 19


def test_a_family_of_200_needs_more_than_a_clause_alone() -> None:
    weak = evidence([1, 1, 0, 0, 0, 0, 0])
    assert one(weak).verdict is Verdict.violated
    crowd = decide([weak, *[evidence([0] * 20)] * 199])[0]
    assert (crowd.verdict, crowd.reason) == (Verdict.inconclusive, Reason.multiplicity)
    assert crowd.p_violated == one(weak).p_violated
    assert crowd.more_clusters is not None and crowd.more_clusters > 0


def test_a_strong_accusation_survives_a_family_of_200() -> None:
    found = decide([BAD, *[evidence([0] * 20)] * 199])
    assert found[0].verdict is Verdict.violated
    assert {d.verdict for d in found[1:]} == {Verdict.inconclusive}


def test_certificates_help_each_other_as_benjamini_and_hochberg_allow() -> None:
    # Alone among 9 open clauses 59 clean clusters do not certify; among 9 like it they all do.
    open_clause = evidence([0] * 10)
    assert decide([CLEAN, *[open_clause] * 9])[0].reason is Reason.multiplicity
    assert {d.verdict for d in decide([CLEAN] * 10)} == {Verdict.compliant}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gauge_covers": False}, Reason.no_gauge),
        ({"gauge_kappa_low": 0.39}, Reason.weak_gauge),
        ({"gauge_kappa_low": None}, Reason.weak_gauge),
        ({"gauge_kappa_low": float("nan")}, Reason.weak_gauge),
        ({"control_passed": False}, Reason.control_failed),
        ({"control_passed": None}, Reason.no_control_set),
    ],
)
def test_a_certificate_needs_every_gate(change: dict[str, object], reason: Reason) -> None:
    assert outcome(replace(CLEAN, **change)) == (Verdict.inconclusive, reason)  # type: ignore[arg-type]


def test_an_accusation_needs_the_gauge_but_neither_kappa_nor_the_control_set() -> None:
    assert outcome(replace(BAD, gauge_kappa_low=None, control_passed=False))[0] is Verdict.violated
    assert outcome(replace(BAD, gauge_covers=False)) == (Verdict.inconclusive, Reason.no_gauge)


def test_a_tenth_unscored_is_the_most_that_a_certificate_bears() -> None:
    # 400 items kept in 200 clusters: 8 of 408 unscored is 2 %, 45 of 445 is 10.1 %.
    clean = [0] * 400
    ids = [i // 2 for i in range(400)]
    assert outcome(evidence(clean, ids, unscored=range(8)))[0] is Verdict.compliant
    assert outcome(evidence(clean, ids, unscored=range(45))) == (
        Verdict.inconclusive,
        Reason.too_many_unscored,
    )


def test_unscored_items_count_against_both_verdicts() -> None:
    with_gaps = one(evidence([0, 1, 1, 1, 1, 1], unscored=[6, 7]))
    assert with_gaps.lower == pytest.approx(intervals.lower_limit([0, 1, 1, 1, 1, 1, 0, 0], range(8)))
    assert with_gaps.upper == pytest.approx(intervals.upper_limit([0, 1, 1, 1, 1, 1, 1, 1], range(8)))


def test_an_accusation_drowned_in_unscored_items_says_so() -> None:
    decision = one(evidence([1, 0, 0], unscored=range(3, 40)))
    assert (decision.verdict, decision.reason) == (Verdict.inconclusive, Reason.too_many_unscored)
    assert decision.more_clusters is None


def test_without_scores_there_is_a_reason_and_no_number() -> None:
    assert outcome(evidence([])) == (Verdict.untested, Reason.no_probe)
    assert outcome(evidence([], unscored=[1, 2])) == (Verdict.inconclusive, Reason.nothing_scored)
    silent = one(evidence([], unscored=[1]))
    assert (silent.lower, silent.upper, silent.p_violated, silent.p_compliant) == (0.0, 1.0, 1.0, 1.0)


def test_untested_clauses_do_not_enlarge_the_family() -> None:
    weak = evidence([1, 1, 0, 0, 0, 0, 0])
    assert decide([weak, *[evidence([])] * 199])[0].verdict is Verdict.violated


def test_a_clause_whose_every_judgement_is_missing_enlarges_the_family() -> None:
    weak = evidence([1, 1, 0, 0, 0, 0, 0])
    found = decide([weak, *[evidence([], unscored=[1, 2])] * 199])
    assert found[0].reason is Reason.multiplicity
    assert {d.reason for d in found[1:]} == {Reason.nothing_scored}


def test_gated_findings_stay_in_the_family_with_a_p_value_of_one() -> None:
    """Ten false certificates among a hundred are 10 %: gates that drop the ninety true ones must cost."""
    gated = replace(CLEAN, control_passed=False)
    found = decide([CLEAN, *[gated] * 19])
    assert found[0].reason is Reason.multiplicity
    assert {d.reason for d in found[1:]} == {Reason.control_failed}
    assert found[1].p_compliant == one(CLEAN).p_compliant  # reported as it is


def test_a_rate_at_the_tolerance_is_never_decided_and_no_number_of_clusters_would_help() -> None:
    decision = one(evidence([1] + [0] * 19))
    assert decision.verdict is Verdict.inconclusive
    assert decision.more_clusters is None


def test_zero_tolerance_can_be_violated_and_never_certified() -> None:
    assert one(evidence([1] + [0] * 30, tolerance=0.0)).verdict is Verdict.violated
    assert one(evidence([0] * 3000, tolerance=0.0)).verdict is Verdict.inconclusive


@pytest.mark.parametrize(
    "broken", [[0] * 30, [1, 0, 0, 0, 0, 0, 0, 0], [1] * 2 + [0] * 78, [1] * 3 + [0] * 27]
)
def test_the_clusters_asked_for_are_enough_and_not_one_too_many(broken: list[int]) -> None:
    decision = one(evidence(broken))
    assert decision.verdict is Verdict.inconclusive and decision.more_clusters is not None
    n = len(broken)
    broken_share, heading_up = np.mean(broken), np.mean(broken) > 0.05

    def p(total: int) -> float:
        up = 1 - broken_share if not heading_up else broken_share
        shares, counts = np.array([[0.0, 1.0]]), np.array([[total * (1 - up), total * up]])
        return float(intervals.gaffke_p(shares, counts, np.array([0.05 if heading_up else 0.95]))[0])

    assert p(n + decision.more_clusters) <= 0.05 < p(n + decision.more_clusters - 1)


findings = st.builds(
    lambda rows, unscored, tolerance: evidence(
        [r[0] for r in rows], [r[1] for r in rows], unscored, tolerance=tolerance
    ),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), max_size=30),
    st.lists(st.integers(0, 12), max_size=4),
    st.sampled_from([0.01, 0.05, 0.3]),
)


@settings(max_examples=40)
@given(st.lists(findings, max_size=6))
def test_decisions_never_contradict_their_own_limits(items: list[Evidence]) -> None:
    for item, decision in zip(items, decide(items), strict=True):
        numbers = (decision.lower, decision.upper, decision.p_violated, decision.p_compliant)
        assert np.isfinite(numbers).all()
        assert 0 <= decision.lower <= decision.upper <= 1
        if decision.verdict is Verdict.violated:
            assert decision.lower > item.tolerance
        if decision.verdict is Verdict.compliant:
            assert decision.upper <= item.tolerance + 1e-9
        assert (decision.verdict is Verdict.inconclusive) or decision.more_clusters is None


@settings(max_examples=25)
@given(st.lists(findings, min_size=2, max_size=6))
def test_the_order_of_the_findings_does_not_matter(items: list[Evidence]) -> None:
    forward = [(d.verdict, d.reason) for d in decide(items)]
    assert [(d.verdict, d.reason) for d in decide(items[::-1])][::-1] == forward


def test_tolerances_and_judgements_are_checked() -> None:
    with pytest.raises(StatisticsError, match="tolerance"):
        one(evidence([0], tolerance=1.0))
    with pytest.raises(StatisticsError, match="unscored"):
        one(Evidence([0.0, float("nan")], [1, 2], [], 0.05, True, 0.6, True))
    with pytest.raises(StatisticsError, match="cluster ids"):
        one(Evidence([0.0, 1.0], [1], [], 0.05, True, 0.6, True))
    assert decide([]) == ()
