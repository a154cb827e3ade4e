"""Families of hypotheses against published rejections and slower obvious versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from govaudit.errors import StatisticsError
from govaudit.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, e_bh, holm

# Benjamini & Hochberg 1995, section 3.2: 15 tests of thrombolysis in myocardial infarction.
THROMBOLYSIS = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
    0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000,
]  # fmt: skip

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_benjamini_hochberg_1995_rejects_four_where_familywise_control_rejects_three() -> None:
    found = benjamini_hochberg(THROMBOLYSIS, 0.05)
    assert found.rejected.sum() == 4
    assert holm(THROMBOLYSIS, 0.05).rejected.sum() == 3
    assert found.adjusted[:4] == pytest.approx([0.0015, 0.003, 0.0095, 0.035625], abs=1e-12)


def test_holm_adjusts_stepwise() -> None:
    # By hand: 4 x .01; then the running maximum of 3 x .013 and 4 x .01; 2 x .014; 1 x .5.
    found = holm([0.5, 0.01, 0.014, 0.013], 0.05)
    assert found.adjusted == pytest.approx([0.5, 0.04, 0.04, 0.04])
    assert found.rejected.tolist() == [False, True, True, True]


def test_yekutieli_is_hochberg_at_the_level_over_the_harmonic_sum() -> None:
    harmonic = sum(1 / k for k in range(1, 16))
    relaxed = benjamini_hochberg(THROMBOLYSIS, 0.05 / harmonic)
    assert benjamini_yekutieli(THROMBOLYSIS, 0.05).rejected.tolist() == relaxed.rejected.tolist()


def test_e_bh_rejects_four_of_ten() -> None:
    # Wang & Ramdas 2022, base procedure: k e_(k) >= 10 / .05 = 200 holds at 500, 2 x 120, 3 x 70, 4 x 60.
    found = e_bh([500, 120, 70, 60, 3, 1, 1, 1, 0.5, 0.2], 0.05)
    assert found.rejected.tolist() == [True] * 4 + [False] * 6


def test_an_infinite_e_value_is_rejected_and_a_zero_never() -> None:
    assert e_bh([np.inf, 0.0], 0.01).rejected.tolist() == [True, False]


@settings(max_examples=40)
@given(p_values, st.floats(0.001, 0.5))
def test_rejections_equal_the_step_definitions(p: list[float], level: float) -> None:
    ordered = sorted(p)
    m = len(p)
    # Which side of the threshold an exact tie falls on is a matter of the last digit.
    assume(
        not any(
            math.isclose(q * k, level) or math.isclose(q * m / k, level) for q in p for k in range(1, m + 1)
        )
    )
    down = 0
    while down < m and ordered[down] * (m - down) <= level:
        down += 1
    assert holm(p, level).rejected.sum() == down
    up = max((k for k in range(1, m + 1) if ordered[k - 1] * m / k <= level), default=0)
    assert benjamini_hochberg(p, level).rejected.sum() == up


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.floats(0.001, 0.5))
def test_e_bh_equals_its_definition(e: list[float], level: float) -> None:
    ordered = sorted(e, reverse=True)
    m = len(e)
    assume(not any(math.isclose(k * v * level, m) for v in e for k in range(1, m + 1)))
    best = max(
        (k for k in range(1, m + 1) if ordered[k - 1] > 0 and m / (k * ordered[k - 1]) <= level), default=0
    )
    assert e_bh(e, level).rejected.sum() == best


@settings(max_examples=40)
@given(p_values, st.data())
def test_lowering_one_p_value_never_loses_a_rejection(p: list[float], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(p) - 1))
    lower = [*p[:index], p[index] / 2, *p[index + 1 :]]
    for procedure in (holm, benjamini_hochberg, benjamini_yekutieli):
        assert (procedure(lower).rejected >= procedure(p).rejected).all()


@settings(max_examples=40)
@given(p_values)
def test_the_order_of_the_family_does_not_matter(p: list[float]) -> None:
    for procedure in (holm, benjamini_hochberg, benjamini_yekutieli):
        assert np.array_equal(procedure(p[::-1]).adjusted[::-1], procedure(p).adjusted)


def test_an_empty_family_rejects_nothing() -> None:
    for procedure in (holm, benjamini_hochberg, benjamini_yekutieli, e_bh):
        assert procedure([]).rejected.shape == (0,)


@pytest.mark.parametrize("p", [[float("nan")], [-0.1], [1.1], [[0.1, 0.2]]])
def test_what_is_no_p_value_is_refused(p: list[float]) -> None:
    for procedure in (holm, benjamini_hochberg, benjamini_yekutieli):
        with pytest.raises(StatisticsError):
            procedure(p)


@pytest.mark.parametrize("e", [[float("nan")], [-1.0], [[1.0]]])
def test_what_is_no_e_value_is_refused(e: list[float]) -> None:
    with pytest.raises(StatisticsError):
        e_bh(e)


def test_a_level_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(StatisticsError, match="level"):
        holm([0.1], 1.0)
