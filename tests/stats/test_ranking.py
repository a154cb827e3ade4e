"""Davidson ratings against published fits, slow versions, properties, and graphs that cannot be ranked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from govaudit.errors import StatisticsError
from govaudit.stats.comparisons import Comparisons, comparisons
from govaudit.stats.pairing import pair_probabilities, sample_pairs
from govaudit.stats.ranking import Ranking, difference, one_step_bootstrap, rank, refit_bootstrap
from govaudit.stats.standing import elo, expected_scores, standings

# Agresti, Categorical Data Analysis: American League 1987, wins of the row's team over the column's.
BASEBALL_TEAMS = ["Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore"]
BASEBALL = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]

# Stigler (1994), Statistical Science 9:94: citations, the row's journal cited by the column's.
JOURNALS = ["Biometrika", "Comm. Statist.", "JASA", "JRSS-B"]
CITATIONS = [[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]]

# Davidson (1970), JASA 65:317, table 3: six brands of pudding.
PUDDING_PAIRS = ["12", "13", "23", "14", "24", "34", "15", "25", "35", "45", "16", "26", "36", "46", "56"]
PUDDING_WINS = [19, 16, 19, 18, 23, 19, 13, 16, 16, 17, 18, 22, 13, 14, 11]
PUDDING_LOSSES = [22, 19, 19, 23, 19, 20, 19, 20, 15, 14, 21, 20, 18, 19, 21]
PUDDING_TIES = [16, 12, 10, 13, 9, 15, 18, 12, 17, 16, 12, 12, 10, 18, 12]


def from_wins(wins: list[list[int]], names: list[str]) -> Comparisons:
    pairs = [(i, j) for i, row in enumerate(wins) for j, n in enumerate(row) for _ in range(n)]
    return comparisons(
        [names[i] for i, _ in pairs], [names[j] for _, j in pairs], [1] * len(pairs), players=names
    )


def pudding() -> Comparisons:
    rows: list[tuple[int, int, int]] = []
    for pair, win, loss, tie in zip(PUDDING_PAIRS, PUDDING_WINS, PUDDING_LOSSES, PUDDING_TIES, strict=True):
        i, j = int(pair[0]), int(pair[1])
        rows += [(i, j, 1)] * win + [(i, j, -1)] * loss + [(i, j, 0)] * tie
    return comparisons(*(list(column) for column in zip(*rows, strict=True)))


def model_errors(ranking: Ranking, reference: int) -> list[float]:
    """Standard errors of ratings against one player from the inverse information alone."""
    v = ranking.inverse
    return [
        float(np.sqrt(v[i, i] + v[reference, reference] - 2 * v[i, reference]))
        for i in range(len(ranking.players))
        if i != reference
    ]


def simulate(
    theta: NDArray[np.float64],
    n_clusters: int,
    per_cluster: int,
    *,
    seed: int,
    nu: float = 0.7,
    delta: float = 0.0,
    spread: float = 0.0,
    beta: float = 0.0,
) -> dict[str, NDArray[Any]]:
    """Comparisons of random pairs, with prompt-by-player effects of standard deviation ``spread``."""
    rng = np.random.default_rng(seed)
    k, n = len(theta), n_clusters * per_cluster
    cluster = np.repeat(np.arange(n_clusters), per_cluster)
    first = rng.integers(0, k, n)
    second = (first + rng.integers(1, k, n)) % k
    effect = rng.normal(size=(n_clusters, k)) * spread
    x = rng.normal(size=n)
    s = theta[first] - theta[second] + delta + beta * x
    s = s + effect[cluster, first] - effect[cluster, second]
    p = np.stack([np.exp(s / 2), np.full(n, nu), np.exp(-s / 2)], axis=1)
    p /= p.sum(axis=1, keepdims=True)
    u = rng.random(n)
    outcome = np.where(u < p[:, 0], 1, np.where(u < p[:, 0] + p[:, 1], 0, -1))
    return {"first": first, "second": second, "outcome": outcome, "clusters": cluster, "x": x}


def compared(rows: dict[str, NDArray[Any]], **options: Any) -> Comparisons:
    return comparisons(rows["first"], rows["second"], rows["outcome"], clusters=rows["clusters"], **options)


# --- published values -----------------------------------------------------------------------------


def test_baseball_of_agresti() -> None:
    fit = rank(from_wins(BASEBALL, BASEBALL_TEAMS), position=False)
    expected = [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839]
    assert (fit.ratings - fit.ratings[6])[:6] == pytest.approx(expected, abs=5e-5)
    assert model_errors(fit, 6) == pytest.approx([0.3433, 0.3396, 0.3367, 0.3359, 0.3339, 0.3319], abs=5e-5)
    assert fit.tie_model == "Bradley-Terry, no ties"


def test_citations_of_stigler_1994() -> None:
    fit = rank(from_wins(CITATIONS, JOURNALS), position=False)
    assert fit.ratings - fit.ratings[0] == pytest.approx([0, -2.94907, -0.47957, 0.26895], abs=5e-6)
    assert model_errors(fit, 0) == pytest.approx([0.10255, 0.06059, 0.07083], abs=5e-6)


def test_pudding_of_davidson_1970() -> None:
    """The paper stops after seven iterations, so its own digits agree to three decimals."""
    fit = rank(pudding(), position=False)
    strengths = np.exp(fit.ratings)
    expected = [0.1388034, 0.1730015, 0.1617474, 0.1653730, 0.1586854, 0.2023893]
    assert strengths / strengths.sum() == pytest.approx(expected, abs=5e-7)
    assert np.exp(fit.term("log nu").value) == pytest.approx(0.746823, abs=5e-7)
    assert (fit.ratings - fit.ratings[0])[1:] == pytest.approx(
        [0.22024, 0.15298, 0.17514, 0.13387, 0.37713], abs=6e-6
    )
    assert fit.log_likelihood == pytest.approx(-809.70951, abs=5e-6)
    assert model_errors(fit, 0) == pytest.approx([0.18722, 0.19352, 0.18821, 0.1927, 0.19241], abs=6e-6)
    assert float(np.sqrt(fit.inverse[6, 6])) == pytest.approx(0.0825, abs=5e-6)


def test_fit_of_the_pudding_model_of_davidson_1970() -> None:
    fit = rank(pudding(), position=False)
    x2 = g2 = 0.0
    for pair, *counts in zip(PUDDING_PAIRS, PUDDING_WINS, PUDDING_TIES, PUDDING_LOSSES, strict=True):
        p = np.array(fit.outcome_probabilities(int(pair[0]), int(pair[1])))
        observed = np.array(counts)
        expected = observed.sum() * p
        x2 += float(np.sum((observed - expected) ** 2 / expected))
        g2 += 2 * float(np.sum(observed * np.log(observed / expected)))
    assert x2 == pytest.approx(15.809, abs=5e-4)
    assert g2 == pytest.approx(15.770, abs=5e-4)


# --- slow, obvious versions -----------------------------------------------------------------------


def slow_fit(rows: dict[str, NDArray[Any]], k: int) -> NDArray[np.float64]:
    """Maximum likelihood by a general optimiser: ratings (first fixed at 0), delta, eta, beta."""
    kind = 1 - rows["outcome"]

    def minus(parameters: NDArray[np.float64]) -> float:
        theta = np.concatenate([[0.0], parameters[: k - 1]])
        delta, eta, beta = parameters[k - 1 :]
        s = theta[rows["first"]] - theta[rows["second"]] + delta + beta * rows["x"]
        logits = np.stack([s / 2, np.full(len(s), eta), -s / 2], axis=1)
        return float(np.sum(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(s)), kind]))

    return np.asarray(minimize(minus, np.zeros(k + 2), method="BFGS", options={"gtol": 1e-7}).x)


def test_all_terms_equal_a_general_optimiser() -> None:
    rows = simulate(np.array([0.8, 0.1, -0.3, -0.6]), 200, 3, seed=5, delta=0.3, beta=0.5)
    fit = rank(compared(rows, covariates={"length": rows["x"]}))
    slow = slow_fit(rows, 4)
    assert (fit.ratings - fit.ratings[0])[1:] == pytest.approx(slow[:3], abs=1e-5)
    found = [fit.term(name).value for name in ("first position", "log nu", "length")]
    assert found == pytest.approx(slow[3:], abs=1e-5)


def test_cluster_covariance_equals_the_sandwich_by_rows() -> None:
    rows = simulate(np.array([0.5, 0.0, -0.5]), 40, 4, seed=6, delta=0.2)
    fit = rank(compared(rows))
    parameters = fit.parameters

    def row_score(at: int) -> NDArray[np.float64]:
        i, j, y = rows["first"][at], rows["second"][at], rows["outcome"][at]
        s = parameters[i] - parameters[j] + parameters[3]
        p = np.array([np.exp(s / 2), np.exp(parameters[4]), np.exp(-s / 2)])
        p /= p.sum()
        u = 0.5 * (y - (p[0] - p[2]))
        z = np.zeros(5)
        z[i], z[j], z[3], z[4] = u, -u, u, float(y == 0) - p[1]
        return z

    u = np.zeros((40, 5))
    for at, g in enumerate(rows["clusters"].tolist()):
        u[g] += row_score(at)
    expected = 40 / 39 * fit.inverse @ u.T @ u @ fit.inverse
    assert fit.covariance == pytest.approx(expected, abs=1e-10)


def test_duplicated_clusters_and_independent_rows_agree_with_single_rows() -> None:
    rows = simulate(np.array([0.5, 0.0, -0.5]), 300, 1, seed=7)
    by_cells = rank(comparisons(rows["first"], rows["second"], rows["outcome"]))
    by_rows = rank(compared(rows))
    assert by_cells.ratings == pytest.approx(by_rows.ratings)
    assert by_cells.covariance == pytest.approx(by_rows.covariance)
    assert "rows taken as independent" in by_cells.flags


def test_one_step_bootstrap_agrees_with_refits_and_with_the_sandwich() -> None:
    rows = simulate(np.array([0.6, 0.2, -0.2, -0.6]), 150, 4, seed=8, spread=0.5)
    data = compared(rows)
    fit = rank(data)
    quick = one_step_bootstrap(fit, seed=0, rounds=1500).parameters
    full = refit_bootstrap(data, fit, seed=0, rounds=300)
    assert full.failed == 0
    expected = np.sqrt(np.diag(fit.covariance))
    assert quick.std(axis=0) == pytest.approx(expected, rel=0.08)
    assert full.parameters.std(axis=0) == pytest.approx(expected, rel=0.2)
    assert full.parameters.mean(axis=0) == pytest.approx(fit.parameters, abs=0.05)


def test_refits_of_independent_rows_agree_too() -> None:
    rows = simulate(np.array([0.5, 0.0, -0.5]), 600, 1, seed=9)
    data = comparisons(rows["first"], rows["second"], rows["outcome"])
    fit = rank(data)
    full = refit_bootstrap(data, fit, seed=0, rounds=200).parameters
    assert full.std(axis=0) == pytest.approx(np.sqrt(np.diag(fit.covariance)), rel=0.2)


# --- properties -----------------------------------------------------------------------------------

results = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from([1, 0, -1])), min_size=30, max_size=80
)


def connected(rows: list[tuple[int, int, int]]) -> tuple[list[int], list[int], list[int]]:
    """Random comparisons of 4 players with a circle of wins in both directions, so that a fit exists."""
    circle = [(i, (i + 1) % 4, y) for i in range(4) for y in (1, -1, 0)]
    whole = [(i, (i + step) % 4, y) for i, step, y in rows] + circle
    return [a for a, _, _ in whole], [b for _, b, _ in whole], [y for _, _, y in whole]


@given(results)
@settings(max_examples=30)
def test_swapping_players_and_outcome_turns_only_the_position_term(rows: list[tuple[int, int, int]]) -> None:
    first, second, outcome = connected(rows)
    one = rank(comparisons(first, second, outcome))
    two = rank(comparisons(second, first, [-y for y in outcome]))
    assert one.ratings == pytest.approx(two.ratings, abs=1e-7)
    assert one.term("first position").value == pytest.approx(-two.term("first position").value, abs=1e-7)
    assert one.log_likelihood == pytest.approx(two.log_likelihood)


@given(results)
@settings(max_examples=30)
def test_swapping_without_a_position_term_changes_nothing(rows: list[tuple[int, int, int]]) -> None:
    first, second, outcome = connected(rows)
    one = rank(comparisons(first, second, outcome), position=False)
    two = rank(comparisons(second, first, [-y for y in outcome]), position=False)
    assert one.parameters == pytest.approx(two.parameters, abs=1e-7)
    assert one.covariance == pytest.approx(two.covariance, abs=1e-7)


@given(results)
@settings(max_examples=30)
def test_duplicating_rows_within_clusters_changes_neither_ratings_nor_errors(
    rows: list[tuple[int, int, int]],
) -> None:
    first, second, outcome = connected(rows)
    clusters = [at // 3 for at in range(len(first))]
    one = rank(comparisons(first, second, outcome, clusters=clusters))
    two = rank(comparisons(first * 2, second * 2, outcome * 2, clusters=clusters * 2))
    assert one.parameters == pytest.approx(two.parameters, abs=1e-7)
    assert one.covariance == pytest.approx(two.covariance, abs=1e-7)


@given(results)
@settings(max_examples=30)
def test_weights_are_repetitions(rows: list[tuple[int, int, int]]) -> None:
    first, second, outcome = connected(rows)
    clusters = list(range(len(first)))
    weights = [2.0 if at % 2 else 1.0 for at in clusters]
    odd = [at for at in clusters if at % 2]
    one = rank(comparisons(first, second, outcome, clusters=clusters, weights=weights))
    two = rank(
        comparisons(
            first + [first[at] for at in odd],
            second + [second[at] for at in odd],
            outcome + [outcome[at] for at in odd],
            clusters=clusters + odd,
        )
    )
    assert one.parameters == pytest.approx(two.parameters, abs=1e-7)
    assert one.covariance == pytest.approx(two.covariance, abs=1e-7)


@given(results, st.data())
@settings(max_examples=30)
def test_a_loss_turned_into_a_win_raises_the_winner(rows: list[tuple[int, int, int]], draw: Any) -> None:
    first, second, outcome = connected(rows)
    at = draw.draw(st.sampled_from([at for at, y in enumerate(outcome) if y == -1 and at < len(rows)] or [0]))
    if outcome[at] != -1:
        return
    turned = [*outcome[:at], 1, *outcome[at + 1 :]]
    a, b = first[at], second[at]
    before = rank(comparisons(first, second, outcome), position=False).contrast(a, b).value
    after = rank(comparisons(first, second, turned), position=False).contrast(a, b).value
    assert after > before


def test_the_order_of_rows_does_not_matter() -> None:
    rows = simulate(np.array([0.5, 0.0, -0.5]), 60, 3, seed=10)
    order = np.random.default_rng(0).permutation(180)
    shuffled = {name: column[order] for name, column in rows.items()}
    assert rank(compared(rows)).covariance == pytest.approx(rank(compared(shuffled)).covariance)


def test_covariates_are_not_centred() -> None:
    """A constant difference is an advantage of the side shown first, so it cannot be told from it."""
    rows = simulate(np.array([0.5, 0.0, -0.5]), 100, 3, seed=11, delta=0.4)
    ones = np.ones(300)
    fit = rank(compared(rows, covariates={"constant": ones}), position=False)
    assert fit.term("constant").value == pytest.approx(rank(compared(rows)).term("first position").value)
    with pytest.raises(StatisticsError, match="cannot tell these apart"):
        rank(compared(rows, covariates={"constant": ones}))


def test_the_unit_of_a_covariate_changes_only_its_coefficient() -> None:
    rows = simulate(np.array([0.5, 0.0, -0.5]), 100, 3, seed=12, beta=0.5)
    one = rank(compared(rows, covariates={"words": rows["x"]}))
    two = rank(compared(rows, covariates={"words": rows["x"] * 1000}))
    assert one.ratings == pytest.approx(two.ratings)
    assert one.term("words").value == pytest.approx(1000 * two.term("words").value)
    assert one.term("words").standard_error == pytest.approx(1000 * two.term("words").standard_error)


# --- standings ------------------------------------------------------------------------------------


def test_bands_are_wider_than_intervals_and_rank_sets_hold_the_rank() -> None:
    rows = simulate(np.array([1.5, 0.4, 0.3, -0.6, -1.6]), 200, 5, seed=13)
    found = standings(rank(compared(rows)), seed=0)
    assert next(one.player for one in found) == 0
    for one in found:
        assert one.band_low < one.low < one.rating < one.high < one.band_high
        assert one.rank_low <= one.rank <= one.rank_high
    assert (found[0].rank_low, found[0].rank_high) == (1, 1)
    assert found[1].rank_high >= 3


def test_arms_that_cannot_be_told_apart_share_all_ranks() -> None:
    found = standings(rank(compared(simulate(np.zeros(4), 30, 3, seed=14))), seed=0)
    assert all((one.rank_low, one.rank_high) == (1, 4) for one in found)


def test_elo_states_its_tie_model_and_is_a_linear_scale() -> None:
    fit = rank(pudding(), position=False)
    found = elo(fit, seed=0)
    assert found.tie_model.startswith("Davidson, nu = 0.747")
    for one in found.standings:
        rating = fit.ratings[fit.players.index(one.player)]
        assert one.rating == pytest.approx(1000 + 400 / np.log(10) * rating)
    assert np.mean([one.rating for one in found.standings]) == pytest.approx(1000)


def test_expected_scores_count_a_tie_as_half_and_average_the_orders() -> None:
    rows = simulate(np.array([0.7, 0.0, -0.7]), 200, 4, seed=15, delta=0.5)
    fit = rank(compared(rows))
    scores = expected_scores(fit)
    assert np.mean([one.score for one in scores]) == pytest.approx(0.5)
    against = {one.player: one for one in expected_scores(fit, against=2)}
    assert set(against) == {0, 1}
    win, tie, _ = fit.outcome_probabilities(0, 2)
    loss_back, tie_back, win_back = fit.outcome_probabilities(2, 0)
    assert against[0].score == pytest.approx((win + tie / 2 + win_back + tie_back / 2) / 2)
    assert win + tie / 2 > against[0].score > win_back + tie_back / 2
    assert loss_back < 0.5


def test_the_error_of_an_expected_score_is_that_of_its_numerical_gradient() -> None:
    rows = simulate(np.array([0.7, 0.0, -0.7]), 100, 4, seed=16, delta=0.5)
    fit = rank(compared(rows))
    one = expected_scores(fit)[0]
    draws = one_step_bootstrap(fit, seed=0, rounds=3000).parameters

    def score(p: NDArray[np.float64]) -> float:
        total = 0.0
        for other in (1, 2):
            for sign in (1, -1):
                s = p[0] - p[other] + sign * p[3]
                z = np.exp(s / 2) + np.exp(p[4]) + np.exp(-s / 2)
                total += (np.exp(s / 2) + np.exp(p[4]) / 2) / z / 4
        return total

    spread = float(np.std([score(p) for p in draws]))
    assert (one.high - one.low) / (2 * 1.98) == pytest.approx(spread, rel=0.08)


# --- differences ----------------------------------------------------------------------------------


def test_a_ranking_differs_from_itself_by_nothing_and_with_half_the_error_of_two_apart() -> None:
    rows = simulate(np.array([0.5, 0.0, -0.5]), 150, 4, seed=17, spread=0.8)
    fit = rank(compared(rows))
    same = difference(fit, fit)
    assert same.flags == ()
    assert [one.value for one in same.differences] == pytest.approx([0, 0, 0])
    assert [one.standard_error for one in same.differences] == pytest.approx([0, 0, 0], abs=1e-9)


def test_two_instructions_on_the_same_prompts_differ_with_the_error_of_the_bootstrap() -> None:
    """Both instructions see the same prompts and the same noise in half of the rows."""
    rng = np.random.default_rng(18)
    old = simulate(np.array([0.8, 0.0, -0.8]), 150, 4, seed=18, spread=0.7)
    new = {name: column.copy() for name, column in old.items()}
    changed = rng.random(600) < 0.5
    new["outcome"][changed] = simulate(np.array([0.2, 0.0, -0.2]), 150, 4, seed=19)["outcome"][changed]
    a, b = rank(compared(old)), rank(compared(new))
    gap = difference(a, b)
    pick = np.random.default_rng(0)
    draws = []
    for _ in range(300):
        chosen = pick.integers(0, 150, 150)
        at = (chosen[:, None] * 4 + np.arange(4)).ravel()
        one = rank(comparisons(old["first"][at], old["second"][at], old["outcome"][at])).ratings
        two = rank(comparisons(new["first"][at], new["second"][at], new["outcome"][at])).ratings
        draws.append(one - two)
    spread = np.std(draws, axis=0)
    assert [one.standard_error for one in gap.differences] == pytest.approx(spread.tolist(), rel=0.15)
    apart = np.sqrt(np.diag(a.rating_covariance()) + np.diag(b.rating_covariance()))
    assert all(one.standard_error < 0.85 * s for one, s in zip(gap.differences, apart, strict=True))
    d = gap.contrast(0, 2)
    assert d.value == pytest.approx(a.contrast(0, 2).value - b.contrast(0, 2).value)
    assert d.low > 0


def test_a_subset_is_compared_with_the_whole_by_joint_influence() -> None:
    rows = simulate(np.array([0.6, 0.0, -0.6]), 200, 5, seed=20, spread=0.6)
    data = compared(rows)
    engaged = np.random.default_rng(1).random(len(data)) < 0.7
    whole, part = rank(data), rank(data.subset(engaged))
    gap = difference(whole, part)
    draws = []
    pick = np.random.default_rng(2)
    for _ in range(300):
        chosen = pick.integers(0, 200, 200)
        at = (chosen[:, None] * 5 + np.arange(5)).ravel()
        kept = at[engaged[at]]
        one = rank(comparisons(rows["first"][at], rows["second"][at], rows["outcome"][at])).ratings
        two = rank(comparisons(rows["first"][kept], rows["second"][kept], rows["outcome"][kept])).ratings
        draws.append(one - two)
    assert [one.standard_error for one in gap.differences] == pytest.approx(
        np.std(draws, axis=0).tolist(), rel=0.15
    )


def test_rankings_are_matched_by_name_whatever_the_order() -> None:
    rows = simulate(np.array([0.6, 0.0, -0.6]), 80, 4, seed=21)
    names = np.array(["a", "b", "c"])
    one = rank(
        comparisons(names[rows["first"]], names[rows["second"]], rows["outcome"], clusters=rows["clusters"])
    )
    two = rank(
        comparisons(
            names[rows["first"]],
            names[rows["second"]],
            rows["outcome"],
            clusters=rows["clusters"],
            players=["c", "a", "b"],
        )
    )
    gap = difference(one, two)
    assert [x.value for x in gap.differences] == pytest.approx([0, 0, 0], abs=1e-9)
    assert [x.standard_error for x in gap.differences] == pytest.approx([0, 0, 0], abs=1e-8)


def test_only_paired_rankings_of_the_same_arms_are_compared() -> None:
    rows = simulate(np.zeros(3), 40, 4, seed=22)
    fit = rank(compared(rows))
    independent = rank(comparisons(rows["first"], rows["second"], rows["outcome"]))
    elsewhere = rank(compared({**rows, "clusters": rows["clusters"] + 1000}))
    others = rank(compared({**rows, "first": rows["first"] + 1, "second": rows["second"] + 1}))
    for ranking, message in (
        (independent, "independent"),
        (elsewhere, "share no cluster"),
        (others, "different players"),
    ):
        with pytest.raises(StatisticsError, match=message):
            difference(fit, ranking)


# --- pair selection -------------------------------------------------------------------------------


def test_pairs_that_tell_more_are_drawn_more_often() -> None:
    first = np.array([0] * 400 + [0] * 20)
    second = np.array([1] * 400 + [2] * 20)
    outcome = np.array([1, -1] * 210)
    chances = pair_probabilities(3, first, second, outcome)
    assert chances.probability.sum() == pytest.approx(1.0)
    seen_often, seen_some, unseen = chances.probability
    assert seen_often < seen_some < unseen
    assert chances.probability.min() >= 0.1 / 3


def test_pair_chances_equal_the_formula_of_chiang_2024() -> None:
    first, second = np.array([0, 0, 1, 2]), np.array([1, 1, 0, 0])
    outcome = np.array([1, 0, 1, -1])
    found = pair_probabilities(3, first, second, outcome, floor=1e-12).probability
    gain = []
    for scores in ([1, 0.5, 0, 1, 0], [1, 1, 0], [1, 0]):
        n, s = len(scores), np.var(scores)
        gain.append(np.sqrt(s / n) - np.sqrt(s / (n + 1)))
    assert found == pytest.approx(np.array(gain) / np.sum(gain), rel=1e-6)


def test_inverse_probability_weights_undo_the_selection_of_pairs() -> None:
    """Three players that beat each other in a circle of unequal strength: no ratings fit all pairs, so
    the fit depends on how often each pair is seen, unless weights give all pairs an equal say."""
    p_win = {(0, 1): 0.9, (1, 2): 0.8, (0, 2): 0.3}
    chances = pair_probabilities(3, np.array([0] * 300), np.array([1] * 300), np.array([1, 0, -1] * 100))

    def played(sample_first: Any, sample_second: Any, seed: int) -> list[int]:
        rng = np.random.default_rng(seed)
        outcomes = []
        for a, b in zip(sample_first.tolist(), sample_second.tolist(), strict=True):
            p = p_win[min(a, b), max(a, b)]
            outcomes.append(
                (1 if rng.random() < (p if a < b else 1 - p) else -1) if rng.random() < 0.8 else 0
            )
        return outcomes

    sample = sample_pairs(chances, 20000, seed=0)
    outcome = played(sample.first, sample.second, 1)
    even = np.tile([0, 0, 1], 7000), np.tile([1, 2, 2], 7000)
    target = rank(comparisons(*even, played(*even, 2)), position=False).ratings
    weighted = rank(comparisons(sample.first, sample.second, outcome, weights=sample.weight), position=False)
    plain = rank(comparisons(sample.first, sample.second, outcome), position=False)
    assert weighted.ratings == pytest.approx(target, abs=0.08)
    assert np.abs(plain.ratings - target).max() > 0.2
    assert sample.weight.max() <= 10.0 + 1e-9


@pytest.mark.parametrize(
    ("arguments", "message"), [((1,), "no pairs"), ((3, 0.0), "floor"), ((3, 1.5), "floor")]
)
def test_pair_selection_refuses_what_it_cannot_use(arguments: tuple[Any, ...], message: str) -> None:
    none = np.empty(0, dtype=np.int64)
    with pytest.raises(StatisticsError, match=message):
        pair_probabilities(arguments[0], none, none, none, floor=arguments[1] if len(arguments) > 1 else 0.1)


# --- failures -------------------------------------------------------------------------------------


def circle(names: str) -> list[tuple[str, str, int]]:
    return [(a, b, y) for a, b in zip(names, names[1:] + names[0], strict=True) for y in (1, 0, -1)]


def of(rows: list[tuple[Any, Any, int]], **options: Any) -> Comparisons:
    return comparisons([a for a, _, _ in rows], [b for _, b, _ in rows], [y for _, _, y in rows], **options)


def test_two_islands_are_refused_by_name() -> None:
    with pytest.raises(StatisticsError, match="2 groups that were never compared: a, b, c; d, e, f"):
        rank(of(circle("abc") + circle("def")))


def test_an_undefeated_arm_is_refused_by_name() -> None:
    with pytest.raises(
        StatisticsError, match=r"never beaten or tied by anyone else: best.*anyone else: a, b, c"
    ):
        rank(of([*circle("abc"), ("best", "a", 1), ("b", "best", -1)]))


def test_an_arm_that_never_won_is_refused_by_name() -> None:
    with pytest.raises(StatisticsError, match="never beat or tied anyone else: worst"):
        rank(of([*circle("abc"), ("worst", "a", -1)]))


def test_a_weak_prior_ranks_them_and_is_flagged() -> None:
    rows = [*circle("abc") * 5, ("best", "a", 1), ("b", "best", -1)]
    fit = rank(of(rows), prior=1.0)
    assert fit.flags[0].startswith("weak prior of 1 phantom comparisons per player: never beaten")
    assert fit.players[int(np.argmax(fit.ratings))] == "best"
    assert np.isfinite(fit.covariance).all()
    assert fit.ratings.sum() == pytest.approx(0)
    islands = rank(of(circle("abc") * 5 + circle("def") * 5), prior=1.0)
    assert "never compared" in islands.flags[0]


def test_a_prior_fades_with_data() -> None:
    fit, held = rank(pudding(), position=False), rank(pudding(), position=False, prior=1.0)
    assert held.ratings == pytest.approx(fit.ratings, abs=0.01)
    assert np.abs(held.ratings).max() < np.abs(fit.ratings).max()


def test_nothing_but_ties_is_refused() -> None:
    with pytest.raises(StatisticsError, match="every comparison is a tie"):
        rank(of([("a", "b", 0)] * 20))


def test_a_win_and_ties_alone_have_no_maximum_although_the_graph_is_connected() -> None:
    """Ratings and the tie parameter run off together: Ford's condition is not enough with ties."""
    with pytest.raises(StatisticsError, match="no finite maximum"):
        rank(of([("a", "b", 1)] * 5 + [("a", "b", 0)] * 5), position=False)


def test_a_judge_that_always_prefers_the_first_is_refused() -> None:
    with pytest.raises(StatisticsError, match=r"no finite maximum.*first position"):
        rank(of([(a, b, 1) for a in "abc" for b in "abc" if a != b] * 5))


def test_a_position_term_needs_both_orders() -> None:
    with pytest.raises(StatisticsError, match=r"cannot tell these apart.*first position"):
        rank(of([("a", "b", y) for y in (1, 1, 0, -1)] * 5))
    assert rank(of([("a", "b", y) for y in (1, 1, 0, -1)] * 5), position=False).n == 20


def test_one_cluster_has_no_measurable_error() -> None:
    with pytest.raises(StatisticsError, match="one cluster"):
        rank(of(circle("abc"), clusters=["p"] * 9))


def test_clusters_that_all_agree_have_no_measurable_error() -> None:
    rows = circle("abc") * 12
    with pytest.raises(StatisticsError, match="all clusters agree"):
        rank(of(rows, clusters=np.repeat(np.arange(12), 9)))


def test_fewer_clusters_than_parameters_are_flagged_and_leave_no_contrast_without_error() -> None:
    """The robust covariance of 4 clusters has rank 3."""
    rows = simulate(np.array([1.0, 0.5, 0.0, -0.5, -1.0]), 4, 60, seed=23, spread=0.5)
    fit = rank(compared(rows))
    assert any("4 clusters for 6 free parameters" in flag for flag in fit.flags)
    values = np.linalg.eigvalsh(fit.covariance)
    assert (values > 1e-4).sum() == 6
    assert fit.contrast(0, 4).low < fit.contrast(0, 4).value < fit.contrast(0, 4).high
    assert "4 clusters for 5 players" in difference(fit, fit).flags[0]


def test_a_consistent_judge_has_no_position_effect_and_the_width_is_flagged() -> None:
    rng = np.random.default_rng(3)
    pairs = [(a, b, int(y)) for a, b in ("ab", "bc", "ca") for y in rng.integers(-1, 2, 20)]
    rows = pairs + [(b, a, -y) for a, b, y in pairs]
    fit = rank(of(rows, clusters=list(range(60)) * 2))
    assert fit.term("first position").value == pytest.approx(0)
    assert any("first position" in flag for flag in fit.flags)


def test_without_ties_the_tie_parameter_is_left_out_and_flagged() -> None:
    fit = rank(from_wins(BASEBALL, BASEBALL_TEAMS), position=False)
    assert "no ties: Bradley-Terry" in fit.flags
    with pytest.raises(StatisticsError, match="no term 'log nu'"):
        fit.term("log nu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], []), "no comparisons"),
        ((["a"], ["b"], [0.5]), "must be 1, 0 or -1"),
        ((["a"], ["b"], [float("nan")]), "leave comparisons without verdict out"),
        ((["a"], ["a"], [1]), "with itself"),
        ((["a"], ["b", "c"], [1]), "1 first, 2 second"),
    ],
)
def test_comparisons_that_mean_nothing_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        comparisons(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"players": ["a"]}, "'b' is not among the players"),
        ({"players": ["a", "b", "c"]}, r"players without comparisons: \['c'\]"),
        ({"players": ["a", "b", "b"]}, "players repeat"),
        ({"weights": [0.0]}, "weights"),
        ({"weights": [float("inf")]}, "weights"),
        ({"covariates": {"length": [float("nan")]}}, "'length'"),
        ({"clusters": [None]}, "no cluster"),
    ],
)
def test_bad_options_of_comparisons_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        comparisons(["a"], ["b"], [1], **options)


few_rows = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from([1, 0, -1]), st.integers(0, 5)),
    min_size=1,
    max_size=25,
)


@given(few_rows, st.booleans(), st.sampled_from([0.0, 1.0]))
@settings(max_examples=300)
def test_any_few_comparisons_are_ranked_with_finite_errors_or_refused_by_name(
    rows: list[tuple[int, int, int, int]], position: bool, prior: float
) -> None:
    try:
        fit = rank(
            comparisons(
                [a for a, _, _, _ in rows],
                [(a + step) % 4 for a, step, _, _ in rows],
                [y for _, _, y, _ in rows],
                clusters=[g for _, _, _, g in rows],
            ),
            position=position,
            prior=prior,
        )
    except StatisticsError as error:
        assert str(error)
        return
    assert np.isfinite(fit.parameters).all() and np.isfinite(fit.covariance).all()
    assert np.abs(fit.parameters).max() < 25
    assert all(one.low < one.rating < one.high for one in standings(fit, seed=0, rounds=100))
    assert all(0 <= one.low < one.score < one.high <= 1 for one in expected_scores(fit))


def test_unknown_players_and_levels_are_named() -> None:
    fit = rank(pudding(), position=False)
    with pytest.raises(StatisticsError, match="9 is not ranked"):
        fit.contrast(9, 1)
    with pytest.raises(StatisticsError, match="9 is not ranked"):
        expected_scores(fit, against=9)
    with pytest.raises(StatisticsError, match="level"):
        rank(pudding(), level=0.0)
    with pytest.raises(StatisticsError, match="prior"):
        rank(pudding(), prior=-1.0)
