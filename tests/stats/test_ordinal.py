"""The cumulative logit model of grades."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.miscmodels.ordinal_model import OrderedModel

from govaudit.errors import StatisticsError
from govaudit.stats.ordinal import cumulative_logit


def sample(n: int = 600) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    arm, slope = rng.integers(0, 3, n), rng.normal(size=n)
    latent = 0.8 * (arm == 1) - 1.1 * (arm == 2) + 0.5 * slope + rng.logistic(size=n)
    columns = {"one": (arm == 1) * 1.0, "two": (arm == 2) * 1.0, "slope": slope}
    return np.digitize(latent, [-1, 0, 1, 2.5]), columns


def test_coefficients_and_thresholds_are_those_of_statsmodels() -> None:
    grades, columns = sample()
    fit = cumulative_logit(grades, columns, np.arange(len(grades)))
    model = OrderedModel(grades, np.stack(list(columns.values()), axis=1), distr="logit")
    other = model.fit(method="newton", disp=0)
    assert [term.value for term in fit.terms] == pytest.approx(other.params[:3], abs=1e-6)
    cuts = model.transform_threshold_params(other.params)[1:-1]
    assert [term.value for term in fit.thresholds] == pytest.approx(cuts, abs=1e-6)
    assert fit.grades == (0, 1, 2, 3, 4)


def test_two_grades_are_a_logistic_regression() -> None:
    """Log odds ratio of the table 30/10 against 15/25, by hand."""
    grades = np.repeat([0, 1, 0, 1], [30, 10, 15, 25])
    arm = np.repeat([0.0, 0.0, 1.0, 1.0], [30, 10, 15, 25])
    fit = cumulative_logit(grades, {"arm": arm}, np.arange(80))
    assert fit.terms[0].value == pytest.approx(np.log(25 / 15) - np.log(10 / 30), abs=1e-8)


def test_only_the_order_of_grades_counts() -> None:
    grades, columns = sample(200)
    stretched = np.array([0.0, 1.0, 5.0, 6.0, 40.0])[grades]
    one, other = (cumulative_logit(y, columns, np.arange(200)).terms for y in (grades, stretched))
    assert [term.value for term in one] == pytest.approx([term.value for term in other], abs=1e-9)


def test_repeating_every_answer_within_its_prompt_moves_neither_estimate_nor_interval() -> None:
    grades, columns = sample(150)
    once = cumulative_logit(grades, columns, np.arange(150))
    thrice = cumulative_logit(
        np.repeat(grades, 3), {k: np.repeat(v, 3) for k, v in columns.items()}, np.repeat(np.arange(150), 3)
    )
    for one, three in zip(once.terms, thrice.terms, strict=True):
        assert (three.value, three.low, three.high) == pytest.approx((one.value, one.low, one.high), abs=1e-6)


def test_an_arm_with_nothing_but_the_lowest_grade_has_no_finite_estimate() -> None:
    grades = np.array([0, 1, 2, 3] * 5 + [0] * 20)
    with pytest.raises(StatisticsError, match="no finite maximum"):
        cumulative_logit(grades, {"arm": np.repeat([0.0, 1.0], 20)}, np.arange(40))


def test_one_grade_throughout_is_refused() -> None:
    with pytest.raises(StatisticsError, match="one grade"):
        cumulative_logit([2] * 20, {"arm": np.repeat([0.0, 1.0], 10)}, np.arange(20))
