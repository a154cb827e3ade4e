"""Cluster-robust regression against statsmodels, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from govaudit.errors import StatisticsError
from govaudit.stats.regression import fractional_logit, least_squares

sm = pytest.importorskip("statsmodels.api")


def data(seed: int = 0, n: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 40, n)
    x = rng.normal(size=n) + rng.normal(size=40)[clusters]
    y = 0.4 * x + rng.normal(size=40)[clusters] + rng.normal(size=n)
    return y, x, clusters


def test_least_squares_is_that_of_statsmodels() -> None:
    y, x, clusters = data()
    ours = least_squares(y, {"level": np.ones(len(y)), "x": x}, clusters)
    theirs = sm.OLS(y, sm.add_constant(x)).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    # Theirs has the factor (n - 1) / (n - k) besides G / (G - 1).
    factor = np.sqrt((len(y) - 1) / (len(y) - 2))
    for term, value, error in zip(ours.terms, theirs.params, theirs.bse, strict=True):
        assert term.value == pytest.approx(value)
        assert term.standard_error * factor == pytest.approx(error)


def test_fractional_logit_is_that_of_statsmodels_ties_included() -> None:
    y, x, clusters = data(1)
    share = np.select([y > 0.5, y < -0.5], [1.0, 0.0], 0.5)
    ours = fractional_logit(share, {"level": np.ones(len(y)), "x": x}, clusters)
    theirs = sm.GLM(share, sm.add_constant(x), family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}
    )
    for term, value, error in zip(ours.terms, theirs.params, theirs.bse, strict=True):
        assert term.value == pytest.approx(value, abs=1e-6)
        assert term.standard_error == pytest.approx(error, rel=0.01)


def test_influences_sum_to_nothing_and_make_the_covariance() -> None:
    y, x, clusters = data(2)
    fit = least_squares(y, {"level": np.ones(len(y)), "x": x}, clusters)
    np.testing.assert_allclose(fit.influences.sum(axis=0), 0, atol=1e-10)
    g = fit.clusters
    np.testing.assert_allclose(g / (g - 1) * fit.influences.T @ fit.influences, fit.covariance)


@pytest.mark.parametrize(
    ("outcome", "columns", "clusters", "said"),
    [
        ([], {"a": []}, [], "at least one"),
        ([1.0, 2, 3, 4], {"a": [1, 1, 1, 1], "b": [2, 2, 2, 2]}, "abcd", "cannot tell these apart"),
        ([1.0, 2, 3], {"a": [0, 0, 0]}, "abc", "nothing about: a"),
        ([1.0, 2, 3], {"a": [1, 1, 1], "b": [1, 2, 3]}, "aab", "too few"),
        ([1.0, 1, 1], {"a": [1, 1, 1]}, "abc", "no cluster moves"),
        ([1.0, 2, 3], {"a": [1, 1, np.nan]}, "abc", "finite number"),
    ],
)
def test_what_cannot_be_fitted_is_refused_by_name(
    outcome: list[float], columns: dict[str, list[float]], clusters: str, said: str
) -> None:
    with pytest.raises(StatisticsError, match=said):
        least_squares(outcome, columns, list(clusters)).term("a")


def test_separation_is_refused() -> None:
    x = np.linspace(-1, 1, 20)
    with pytest.raises(StatisticsError, match="separation"):
        fractional_logit((x > 0).astype(float), {"level": np.ones(20), "x": x}, range(20))
    with pytest.raises(StatisticsError, match="between 0 and 1"):
        fractional_logit([2.0, 1, 0], {"level": [1, 1, 1]}, range(3))
