"""Quantiles with intervals from order statistics."""

from __future__ import annotations

import numpy as np
import pytest

from govaudit.errors import StatisticsError
from govaudit.stats.quantiles import quantile


def test_the_median_of_ten_lies_between_the_second_and_the_ninth() -> None:
    """Conover 1999, example of 3.2: with n = 10 the order statistics 2 and 9 hold the median with .979."""
    value, interval = quantile(range(1, 11), 0.5)
    assert value == 5.5
    assert interval is not None
    assert (interval.low, interval.high) == (2, 9)


def test_too_few_values_have_a_quantile_and_no_interval() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == (2.0, None)


def test_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        _, interval = quantile(rng.exponential(size=60), 0.9)
        assert interval is not None
        held += interval.low <= np.log(10) <= interval.high
    assert held / 300 >= 0.93


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([float("nan")], 0.5)])
def test_faults_are_refused(values: list[float], share: float) -> None:
    with pytest.raises(StatisticsError):
        quantile(values, share)
