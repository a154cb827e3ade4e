"""Agreement coefficients against published values, slow obvious versions, and their ways to fail."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from govaudit.errors import StatisticsError
from govaudit.stats.agreement import Agreement, TwoRater, agreement, alpha, two_rater
from govaudit.stats.binarisation import binarisation_sweep
from govaudit.stats.bootstrap import draw_counts
from govaudit.stats.coefficient import Coefficient, Metric, Weights, agreement_weights
from govaudit.stats.counts import Counts, count_long, count_ratings

NONE = math.nan

# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: 4 observers, 12 units.
CANONICAL = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
        [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
    ]
).T

# Three coders, 15 units: the worked example of the article on Krippendorff's alpha in Wikipedia.
THREE_CODERS = np.array(
    [
        [NONE, NONE, NONE, NONE, NONE, 3, 4, 1, 2, 1, 1, 3, 3, NONE, 3],
        [1, NONE, 2, 1, 3, 3, 4, 3, NONE, NONE, NONE, NONE, NONE, NONE, NONE],
        [NONE, NONE, 2, 1, 3, 4, 4, NONE, 2, 1, 1, 3, 3, NONE, 4],
    ]
).T

# Fleiss (1971), Psychological Bulletin 76:378, table 1: 30 patients, 6 psychiatrists, 5 diagnoses.
FLEISS_1971 = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""

# The worked example of the article on Fleiss' kappa in Wikipedia: 10 subjects, 14 raters, 5 categories.
FOURTEEN_RATERS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]

# Agresti, Categorical Data Analysis: two pathologists on 118 slides of carcinoma.
PATHOLOGISTS = [[22, 2, 2, 0], [5, 7, 14, 0], [0, 2, 36, 0], [0, 1, 17, 10]]


def counts_of(rows: list[list[int]]) -> Counts:
    table = np.array(rows, dtype=np.int64)
    return Counts(table, tuple(range(table.shape[1])), tuple(range(len(table))))


def labels_of(table: list[list[int]]) -> tuple[list[int], list[int]]:
    """The two label sequences behind a table of rater a (rows) by rater b (columns)."""
    pairs = [(i, j) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]
    return [i for i, _ in pairs], [j for _, j in pairs]


def pair_of(table: list[list[int]], **options: Any) -> TwoRater:
    a, b = labels_of(table)
    return two_rater(a, b, seed=0, categories=range(len(table)), **{"rounds": 0, **options})


def value(coefficient: Coefficient) -> float:
    assert coefficient.value is not None, coefficient.undefined
    return coefficient.value


def parts(result: Agreement | TwoRater) -> list[Coefficient]:
    found = [x for x in vars(result).values() if isinstance(x, Coefficient)]
    return found + list(result.by_category)


def assert_nothing_is_nan(coefficients: list[Coefficient]) -> None:
    for one in coefficients:
        assert all(x is None or math.isfinite(x) for x in (one.value, one.low, one.high, one.error)), one
        if one.value is None or one.low is None:
            assert one.undefined, one
        if one.low is not None and one.high is not None and one.value is not None:
            assert one.low <= one.value <= one.high, one
            assert one.low < one.high, one


# --- published values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("nominal", 904 / 1216), ("ordinal", 0.815388), ("interval", 0.849107), ("ratio", 0.797403)],
)
def test_alpha_of_krippendorff_2011(metric: Metric, expected: float) -> None:
    assert value(alpha(count_ratings(CANONICAL), metric, seed=0)) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(("metric", "expected"), [("nominal", 0.69136), ("interval", 0.81084)])
def test_alpha_of_three_coders(metric: Metric, expected: float) -> None:
    assert value(alpha(count_ratings(THREE_CODERS), metric, seed=0)) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(
    ("weights", "expected", "error"),
    [
        ("identity", 0.77544, 0.14295),
        ("linear", 0.85874, 0.11733),
        ("quadratic", 0.91400, 0.10396),
        ("ordinal", 0.89894, 0.10690),
    ],
)
def test_gwet_ac_of_gwet_2014(weights: Weights, expected: float, error: float) -> None:
    found = agreement(count_ratings(CANONICAL), seed=0, weights=weights, rounds=0).gwet
    assert value(found) == pytest.approx(expected, abs=5e-6)
    assert found.error == pytest.approx(error, abs=5e-6)


def test_fleiss_brennan_prediger_and_percent_of_gwet_2014() -> None:
    found = agreement(count_ratings(CANONICAL), seed=0, rounds=0)
    assert value(found.percent) == pytest.approx(0.81818, abs=5e-6)
    assert value(found.fleiss) == pytest.approx(0.76117, abs=5e-6)
    assert found.fleiss.error == pytest.approx(0.15302, abs=5e-6)
    assert value(found.brennan_prediger) == pytest.approx(0.77273, abs=5e-6)
    assert found.brennan_prediger.error == pytest.approx(0.14472, abs=5e-6)
    assert (value(found.percent) - value(found.gwet)) / (1 - value(found.gwet)) == pytest.approx(
        0.19032, abs=5e-6
    )


def test_fleiss_kappa_of_fleiss_1971() -> None:
    table = counts_of([[int(c) for c in row] for row in FLEISS_1971.split()])
    assert value(agreement(table, seed=0, rounds=0).fleiss) == pytest.approx(0.43024, abs=5e-6)


def test_fleiss_and_free_marginal_kappa_of_fourteen_raters() -> None:
    """The free-marginal kappa of Randolph (2005) is Brennan-Prediger."""
    found = agreement(counts_of(FOURTEEN_RATERS), seed=0, rounds=0)
    assert value(found.fleiss) == pytest.approx(0.20993, abs=5e-6)
    assert value(found.brennan_prediger) == pytest.approx(0.22253, abs=5e-6)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([[20, 5], [10, 15]], 0.4),
        ([[45, 15], [25, 15]], 0.13043),
        ([[25, 35], [5, 35]], 0.25926),
    ],
)
def test_cohen_kappa_of_cohen_1960(table: list[list[int]], expected: float) -> None:
    assert value(pair_of(table).kappa) == pytest.approx(expected, abs=5e-6)


def test_error_of_kappa_of_fleiss_cohen_everitt_1969() -> None:
    assert pair_of([[20, 5], [10, 15]]).kappa.error == pytest.approx(0.12700, abs=5e-6)


@pytest.mark.parametrize(
    ("weights", "expected", "error"),
    [("identity", 0.49301, 0.05674), ("linear", 0.64881, None), ("quadratic", 0.78382, 0.03867)],
)
def test_weighted_kappa_of_agresti_pathologists(
    weights: Weights, expected: float, error: float | None
) -> None:
    kappa = pair_of(PATHOLOGISTS, weights=weights).kappa
    assert value(kappa) == pytest.approx(expected, abs=5e-6)
    if error is not None:
        assert kappa.error == pytest.approx(error, abs=5e-6)


def test_rare_labels_give_four_different_answers() -> None:
    """The prevalence paradox of Feinstein & Cicchetti (1990), J Clin Epidemiol 43:543."""
    found = pair_of([[118, 5], [2, 0]])
    assert value(found.percent) == pytest.approx(0.944, abs=5e-4)
    assert value(found.kappa) == pytest.approx(-0.023, abs=5e-4)
    assert value(found.scott) == pytest.approx(-0.029, abs=5e-4)
    assert value(found.ac) == pytest.approx(0.941, abs=5e-4)
    assert found.positive is not None
    assert value(found.positive) == 0.0


def test_positive_and_negative_agreement_of_cicchetti_feinstein_1990() -> None:
    """2a / (2a + b + c) and 2d / (2d + b + c)."""
    found = pair_of([[80, 10], [5, 5]])
    assert found.positive is not None
    assert found.negative is not None
    assert value(found.positive) == pytest.approx(2 * 5 / (2 * 5 + 10 + 5))
    assert value(found.negative) == pytest.approx(2 * 80 / (2 * 80 + 10 + 5))


# --- slow, obvious versions -----------------------------------------------------------------------


def slow_alpha(ratings: NDArray[np.float64], metric: Metric) -> float:
    """Mean squared difference within units over that among all pairable values."""
    units = [[x for x in row if not math.isnan(x)] for row in ratings]
    units = [u for u in units if len(u) >= 2]
    pool = [x for u in units for x in u]

    def difference(x: float, y: float) -> float:
        if metric == "nominal":
            return float(x != y)
        if metric == "interval":
            return (x - y) ** 2
        if metric == "ratio":
            return ((x - y) / (x + y)) ** 2
        low, high = min(x, y), max(x, y)
        between = sum(1 for z in pool if low <= z <= high)
        return (between - (pool.count(low) + pool.count(high)) / 2) ** 2 if low != high else 0.0

    observed = sum(difference(x, y) / (len(u) - 1) for u in units for x, y in itertools.permutations(u, 2))
    expected = sum(difference(x, y) for x, y in itertools.permutations(pool, 2)) / (len(pool) - 1)
    return 1 - observed / expected


ratings_tables = st.integers(2, 5).flatmap(
    lambda raters: st.lists(
        st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0, NONE]), min_size=raters, max_size=raters),
        min_size=2,
        max_size=12,
    )
)


@given(ratings_tables)
@settings(max_examples=60)
def test_alpha_equals_the_definition_by_pairs(rows: list[list[float]]) -> None:
    table = np.array(rows)
    for metric in ("nominal", "ordinal", "interval", "ratio"):
        found = alpha(count_ratings(table, [1.0, 2.0, 3.0, 4.0]), metric, seed=0, rounds=0)
        if found.value is not None:
            assert found.value == pytest.approx(slow_alpha(table, metric), abs=1e-9)


@given(ratings_tables, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_relabelling_raters_and_reordering_items_changes_nothing(
    rows: list[list[float]], random: Any
) -> None:
    table = np.array(rows)
    shuffled = table[:, random.sample(range(table.shape[1]), table.shape[1])]
    shuffled = shuffled[random.sample(range(len(table)), len(table))]
    for one, two in zip(
        parts(agreement(count_ratings(table, [1, 2, 3, 4]), seed=0, rounds=0)),
        parts(agreement(count_ratings(shuffled, [1, 2, 3, 4]), seed=0, rounds=0)),
        strict=True,
    ):
        assert (one.value is None) == (two.value is None)
        if one.value is not None:
            assert one.value == pytest.approx(two.value, abs=1e-12)


binary_pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=4, max_size=40)


@given(binary_pairs)
@settings(max_examples=40)
def test_swapping_the_two_raters_keeps_every_coefficient(pairs: list[tuple[bool, bool]]) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    one = two_rater(a, b, seed=0, categories=[False, True], rounds=0)
    two = two_rater(b, a, seed=0, categories=[False, True], rounds=0)
    for x, y in zip(parts(one), parts(two), strict=True):
        assert (x.value is None) == (y.value is None)
        assert x.value is None or x.value == pytest.approx(y.value, abs=1e-12)


@given(binary_pairs)
@settings(max_examples=40)
def test_duplicating_rows_within_clusters_moves_no_estimate_and_no_interval(
    pairs: list[tuple[bool, bool]],
) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    clusters = [i // 2 for i in range(len(pairs))]
    options: dict[str, Any] = {"seed": 3, "categories": [False, True], "rounds": 200}
    one = two_rater(a, b, clusters=clusters, **options)
    two = two_rater(a + a, b + b, clusters=clusters + clusters, **options)
    for x, y in ((one.kappa, two.kappa), (one.ac, two.ac)):
        for left, right in ((x.value, y.value), (x.low, y.low), (x.high, y.high)):
            assert (left is None) == (right is None)
            assert left is None or left == pytest.approx(right, abs=1e-9)


@given(binary_pairs, st.data())
@settings(max_examples=40)
def test_mending_a_disagreement_raises_percent_agreement(pairs: list[tuple[bool, bool]], draw: Any) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    split = [i for i, (x, y) in enumerate(pairs) if x != y]
    if not split:
        return
    at = draw.draw(st.sampled_from(split))
    mended = [*a[:at], b[at], *a[at + 1 :]]
    options: dict[str, Any] = {"seed": 0, "categories": [False, True], "rounds": 0}
    assert value(two_rater(mended, b, **options).percent) > value(two_rater(a, b, **options).percent)


@given(binary_pairs)
@settings(max_examples=60)
def test_two_raters_never_yield_nan_or_an_interval_of_width_zero(pairs: list[tuple[bool, bool]]) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    result = two_rater(a, b, seed=1, categories=[False, True], rounds=100)
    bounded = [x for x in parts(result) if "percentile" not in x.method and "BCa" not in x.method]
    assert_nothing_is_nan(bounded)
    for x in parts(result):
        assert x.low is None or (x.high is not None and x.low < x.high)


@given(ratings_tables, st.booleans())
@settings(max_examples=40)
def test_several_raters_never_yield_nan_or_an_interval_of_width_zero(
    rows: list[list[float]], pairs: bool
) -> None:
    clusters = [at // 2 for at in range(len(rows))] if pairs else None
    result = agreement(
        count_ratings(rows, [1, 2, 3, 4]), seed=1, metric="ordinal", clusters=clusters, rounds=100
    )
    for one in parts(result):
        assert all(x is None or math.isfinite(x) for x in (one.value, one.low, one.high, one.error)), one
        assert (one.value is not None and one.low is not None) or one.undefined, one
        assert one.low is None or (one.high is not None and one.low < one.high), one


def test_counts_from_long_rows_equal_counts_from_a_table() -> None:
    rows = [(i, x) for i, row in enumerate(CANONICAL) for x in row]
    long = count_long([i for i, _ in rows], [x for _, x in rows])
    wide = count_ratings(CANONICAL)
    assert np.array_equal(long.counts, wide.counts)
    assert long.categories == wide.categories


def test_labels_may_be_of_any_type_and_missing_ones_are_none_or_nan() -> None:
    table = [["kept", "broken", None], ["kept", math.nan, "kept"], ["broken", "broken", "broken"]]
    found = count_ratings(table, ["kept", "broken"])
    assert found.counts.tolist() == [[1, 1], [2, 0], [0, 3]]


def test_gwet_counts_categories_that_nobody_used() -> None:
    few = agreement(count_ratings(CANONICAL), seed=0, rounds=0)
    more = agreement(count_ratings(CANONICAL, range(1, 11)), seed=0, rounds=0)
    assert value(more.gwet) > value(few.gwet)
    assert value(more.alpha) == value(few.alpha)


def test_linear_and_quadratic_weights_fall_from_one_to_zero() -> None:
    assert agreement_weights("linear", [0, 1, 2])[0].tolist() == [1.0, 0.5, 0.0]
    assert agreement_weights("quadratic", [0, 1, 2])[0].tolist() == [1.0, 0.75, 0.0]
    assert agreement_weights("ordinal", [0, 1, 2])[0].tolist() == [1.0, 1 - 1 / 3, 0.0]


def test_specific_agreement_of_two_raters_is_the_same_by_counts_and_by_pairs() -> None:
    a, b = labels_of([[80, 10], [5, 5]])
    by_counts = agreement(count_ratings(np.array([a, b]).T), seed=0, rounds=0).by_category
    by_pairs = two_rater(a, b, seed=0, rounds=0).by_category
    assert [value(x) for x in by_counts] == pytest.approx([value(x) for x in by_pairs])


def test_the_same_seed_gives_the_same_interval() -> None:
    table = count_ratings(CANONICAL)
    assert alpha(table, seed=7) == alpha(table, seed=7)
    assert alpha(table, seed=7) != alpha(table, seed=8)


def test_clusters_widen_the_interval_when_their_items_repeat_each_other() -> None:
    rng = np.random.default_rng(0)
    gold = np.repeat(rng.integers(0, 2, 60), 5)
    judge = np.where(np.repeat(rng.random(60) < 0.2, 5), 1 - gold, gold)
    loose = two_rater(judge, gold, seed=0).kappa
    tight = two_rater(judge, gold, seed=0, clusters=np.repeat(np.arange(60), 5)).kappa
    assert tight.n_clusters == 60
    assert tight.low is not None and tight.high is not None
    assert loose.low is not None and loose.high is not None
    assert tight.high - tight.low > 1.8 * (loose.high - loose.low)


def test_the_binarisation_sweep_cuts_at_every_category() -> None:
    sweep = binarisation_sweep(count_ratings(CANONICAL), seed=0)
    assert [one.cut for one in sweep] == [2, 3, 4, 5]
    assert [one.share for one in sweep] == pytest.approx([32 / 41, 19 / 41, 8 / 41, 3 / 41])
    for one in sweep:
        binary = np.where(np.isnan(CANONICAL), NONE, one.cut <= CANONICAL)
        assert value(one.agreement.alpha) == pytest.approx(slow_alpha(binary, "nominal"))


# --- failures -------------------------------------------------------------------------------------


def test_one_category_is_undefined_and_never_perfect() -> None:
    result = pair_of([[30, 0], [0, 0]], rounds=200)
    for one in (result.kappa, result.ac, result.scott, result.brennan_prediger):
        assert one.value is None
        assert one.undefined is not None and "one category" in one.undefined
    assert result.percent.value == 1.0
    assert result.percent.low is not None and result.percent.low < 0.9
    several = agreement(count_ratings(np.ones((20, 3)), [0, 1]), seed=0)
    for one in (several.fleiss, several.alpha, several.gwet, several.brennan_prediger):
        assert one.value is None
        assert one.undefined is not None and "one category" in one.undefined


def test_a_declared_scale_of_one_category_is_undefined() -> None:
    assert_nothing_is_nan(parts(two_rater([1, 1, 1], [1, 1, 1], seed=0, categories=[1])))
    assert two_rater([1, 1, 1], [1, 1, 1], seed=0, categories=[1]).ac.value is None


def test_a_constant_judge_has_kappa_zero_without_interval_and_with_the_reason() -> None:
    kappa = pair_of([[30, 10], [0, 0]], rounds=200).kappa
    assert kappa.value == 0.0
    assert kappa.low is None
    assert kappa.undefined is not None and "one category only" in kappa.undefined


def test_raters_who_never_disagree_get_the_limit_of_a_rate_without_events() -> None:
    result = pair_of([[30, 0], [0, 10]], rounds=200)
    assert result.kappa.value == 1.0
    assert result.kappa.low is not None and 0.6 < result.kappa.low < 0.95
    assert result.kappa.method == "zero-event limit on clusters"
    assert_nothing_is_nan(parts(result))


def test_too_few_rare_labels_give_no_interval() -> None:
    kappa = pair_of([[97, 1], [1, 1]], rounds=500).kappa
    assert kappa.value is not None
    assert kappa.low is None
    assert kappa.undefined is not None and "rarer" in kappa.undefined


def test_no_items_and_no_pairs_are_undefined() -> None:
    empty = two_rater([], [], seed=0, categories=["a", "b"])
    assert all(x.value is None and x.undefined for x in parts(empty))
    lonely = agreement(count_ratings([["a", None], [None, "b"]]), seed=0)
    assert all(x.value is None and x.undefined for x in parts(lonely))
    assert agreement(count_ratings(np.empty((0, 2)), [0, 1]), seed=0).alpha.undefined is not None


def test_missing_labels_are_counted_and_enter_nothing() -> None:
    result = two_rater(["a", "b", None, "a"], ["a", "b", "b", math.nan], seed=0)
    assert (result.n_items, result.n_missing) == (2, 2)
    assert result.table == ((1, 0), (0, 1))


def test_one_cluster_has_a_value_but_no_interval() -> None:
    a, b = labels_of([[20, 5], [10, 15]])
    kappa = two_rater(a, b, seed=0, clusters=[0] * 50).kappa
    assert kappa.value == pytest.approx(0.4)
    assert kappa.low is None
    assert kappa.undefined is not None and "one cluster" in kappa.undefined
    table = count_ratings(CANONICAL)
    assert alpha(table, seed=0, clusters=["p"] * 12).undefined is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels_a": ["a"], "labels_b": ["a", "b"]}, "1 labels of one rater but 2"),
        ({"labels_a": ["a", "c"], "labels_b": ["a", "b"], "categories": ["a", "b"]}, "'c' is not among"),
        ({"labels_a": ["a"], "labels_b": ["b"], "positive": "z"}, "'z' is not among"),
        ({"labels_a": ["a"], "labels_b": ["b"], "categories": ["a", "a", "b"]}, "categories repeat"),
        ({"labels_a": ["a"], "labels_b": ["b"], "level": 1.0}, "level"),
        ({"labels_a": ["a"], "labels_b": ["b"], "clusters": [None]}, "no cluster"),
        ({"labels_a": ["a"], "labels_b": ["b"], "clusters": [1, 2]}, "clusters of shape"),
        ({"labels_a": ["a"], "labels_b": ["b"], "weights": "cubic"}, "not known"),
        ({"labels_a": ["a"], "labels_b": ["b"], "rounds": -1}, "rounds"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        two_rater(**arguments, seed=0)


@pytest.mark.parametrize(
    ("metric", "labels", "message"),
    [
        ("interval", [["a", "b"], ["a", "a"]], "needs numbers"),
        ("ratio", [[-1.0, 2.0], [1.0, 1.0]], "0 or more"),
        ("cubic", [[1.0, 2.0], [1.0, 1.0]], "not known"),
    ],
)
def test_a_metric_that_does_not_fit_the_labels_is_named(metric: Any, labels: Any, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        alpha(count_ratings(labels), metric, seed=0)


def test_reals_are_not_categories() -> None:
    with pytest.raises(StatisticsError, match="too many for categories"):
        count_ratings(np.random.default_rng(0).normal(size=(200, 2)))


def test_a_sweep_needs_a_scale_and_ratings() -> None:
    with pytest.raises(StatisticsError, match="nothing to cut"):
        binarisation_sweep(count_ratings([[1, 1]]), seed=0)
    with pytest.raises(StatisticsError, match="no ratings"):
        binarisation_sweep(count_ratings(np.full((3, 2), NONE), [0, 1]), seed=0)


# --- coverage -------------------------------------------------------------------------------------

# P(gold positive), sensitivity, specificity, prompts, samples per prompt, share of judge errors that a
# whole prompt shares.
SETTINGS = [(0.5, 0.9, 0.9, 120, 1, 0.0), (0.2, 0.7, 0.93, 150, 1, 0.0), (0.3, 0.85, 0.9, 60, 4, 0.5)]


def coverage_of(setting: tuple[float, float, float, int, int, float], runs: int) -> dict[str, float]:
    """Share of intervals that hold the value of the population, by coefficient."""
    share, se, sp, prompts, samples, alike = setting
    gold_1, judge_1 = share, share * se + (1 - share) * (1 - sp)
    p_a = share * se + (1 - share) * sp
    p_e = gold_1 * judge_1 + (1 - gold_1) * (1 - judge_1)
    pi = (gold_1 + judge_1) / 2
    truth = {
        "percent": p_a,
        "kappa": (p_a - p_e) / (1 - p_e),
        "ac": (p_a - 2 * pi * (1 - pi)) / (1 - 2 * pi * (1 - pi)),
        "positive": share * se / pi,
    }
    rng = np.random.default_rng(11)
    held = dict.fromkeys(truth, 0)
    for run in range(runs):
        common = rng.random((prompts, 1)) < alike
        gold = np.where(common, rng.random((prompts, 1)), rng.random((prompts, samples))) < share
        noise = np.where(common, rng.random((prompts, 1)), rng.random((prompts, samples)))
        judge = np.where(gold, noise < se, noise < 1 - sp)
        clusters = np.repeat(np.arange(prompts), samples)
        found = two_rater(judge.ravel(), gold.ravel(), seed=run, clusters=clusters, rounds=600)
        for name, true in truth.items():
            one = getattr(found, name)
            held[name] += one.low is not None and one.low <= true <= one.high
    return {name: n / runs for name, n in held.items()}


@pytest.mark.parametrize("setting", SETTINGS)
def test_intervals_hold_the_truth(setting: tuple[float, float, float, int, int, float]) -> None:
    assert min(coverage_of(setting, 200).values()) >= 0.92


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_intervals_hold_the_truth_in_the_long_run(
    setting: tuple[float, float, float, int, int, float],
) -> None:
    assert min(coverage_of(setting, 2000).values()) >= 0.935


def test_a_few_items_are_drawn_from_those_that_there_are() -> None:
    """Fewer items than cells of the table: a cell that nobody used is never drawn."""
    labels = ["a", "a", "b", "c", "b", "c"]
    found = two_rater(labels, labels, seed=0, categories=("a", "b", "c"))
    assert found.kappa.value == 1.0
    assert found.kappa.high == 1.0
    draws = draw_counts(np.array([2.0, 0.0, 1.0, 0.0, 0.0]), 50, np.random.default_rng(0))
    assert (draws.sum(axis=1) == 3).all()
    assert (draws[:, [1, 3, 4]] == 0).all()
