"""A slope within strata: by hand, against least squares, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from govaudit.errors import StatisticsError
from govaudit.stats.slope import stratified_slope


def test_the_slope_is_that_of_least_squares_with_an_intercept_for_each_stratum() -> None:
    rng = np.random.default_rng(1)
    strata = rng.integers(0, 3, size=300)
    x = rng.normal(size=300) + strata
    y = 0.25 * x - 2.0 * strata + rng.normal(size=300)
    design = np.column_stack([x, strata == 0, strata == 1, strata == 2]).astype(float)
    expected = float(np.linalg.lstsq(design, y, rcond=None)[0][0])
    found = stratified_slope(y, x, strata.tolist(), seed=0, name="slope")
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.low is not None and found.high is not None
    assert found.low < 0.25 < found.high


def test_a_difference_between_strata_is_no_slope() -> None:
    strata = [0] * 50 + [1] * 50
    x = np.array([0.0, 1.0] * 25 + [10.0, 11.0] * 25)
    y = np.array([0.0] * 50 + [1.0] * 50)
    found = stratified_slope(y, x, strata, seed=0, name="slope")
    assert found.value == pytest.approx(0.0)
    assert found.undefined == "the outcome does not vary where the regressor does"


def test_an_offset_of_the_regressor_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    x, y, strata = rng.normal(size=80), rng.normal(size=80), ["a", "b"] * 40
    near = stratified_slope(y, x, strata, seed=0, name="slope")
    far = stratified_slope(y, x + 1e6, strata, seed=0, name="slope")
    assert far.value == pytest.approx(near.value, abs=1e-6)


def test_clusters_and_not_items_make_the_interval() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=60), rng.normal(size=60)
    alone = stratified_slope(y, x, [0] * 60, seed=0, name="slope")
    copies = stratified_slope(
        np.repeat(y, 4),
        np.repeat(x, 4),
        [0] * 240,
        seed=0,
        name="slope",
        clusters=np.repeat(np.arange(60), 4),
    )
    widths = [one.high - one.low for one in (alone, copies)]  # type: ignore[operator]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)


def test_what_does_not_vary_within_a_stratum_gives_no_slope() -> None:
    found = stratified_slope([0.0, 1.0], [1.0, 2.0], ["a", "b"], seed=0, name="slope")
    assert (found.value, found.undefined) == (
        None,
        "nothing varies within a stratum that the outcome could follow",
    )
    assert stratified_slope([], [], [], seed=0, name="slope").undefined == "there is no item"


@pytest.mark.parametrize(("y", "x", "strata"), [([0.0], [1.0, 2.0], [0]), ([np.nan], [1.0], [0])])
def test_unequal_lengths_and_infinities_are_errors(y: list[float], x: list[float], strata: list[int]) -> None:
    with pytest.raises(StatisticsError):
        stratified_slope(y, x, strata, seed=0, name="slope")
