"""What an instruction does to gaps: Fieller's theorem, the joint covariance, and recovery of planted effects."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from govaudit.errors import StatisticsError
from govaudit.stats.comparisons import Comparisons, comparisons
from govaudit.stats.instruction import InstructionEffects, fieller, instruction_effects
from govaudit.stats.ranking import rank

ARMS = ("helpful", "evasive", "objecting")
OLD = np.array([-1.2, 0.9, 0.3])
NEW = np.array([-1.2, 0.1, 1.1])


def planted(
    rng: np.random.Generator,
    theta: NDArray[np.float64],
    rows: list[tuple[int, int, int]],
    prompt: NDArray[np.float64],
) -> Comparisons:
    """Davidson outcomes with nu = .5 and effects of the prompt; both orders are two rows of one cluster."""
    outcomes = []
    for i, j, cluster in rows:
        s = theta[i] - theta[j] + prompt[cluster, i] - prompt[cluster, j]
        weights = np.array([math.exp(s / 2), 0.5, math.exp(-s / 2)])
        outcomes.append(1 - int(rng.choice(3, p=weights / weights.sum())))
    return comparisons(
        [ARMS[i] for i, _, _ in rows], [ARMS[j] for _, j, _ in rows], outcomes,
        players=ARMS, clusters=[c for _, _, c in rows],
    )  # fmt: skip


def run(seed: int, clusters: int = 120) -> InstructionEffects:
    rng = np.random.default_rng(seed)
    pairs = [(0, 1), (0, 2), (1, 2)]
    rows = [(i, j, c) for c in range(clusters) for a, b in pairs for i, j in ((a, b), (b, a))]
    prompt = rng.normal(0, 0.3, size=(clusters, 3))
    old, new = planted(rng, OLD, rows, prompt), planted(rng, NEW, rows, prompt)
    return instruction_effects(
        rank(old), rank(new), [(ARMS[a], ARMS[b]) for a, b in pairs], seed=0, rounds=1000
    )


def test_fieller_solves_its_equation_and_has_no_limits_where_the_denominator_may_be_0() -> None:
    covariance = np.array([[0.04, 0.01], [0.01, 0.09]])
    limits = fieller(1.0, 2.0, covariance, 1.96)
    assert limits is not None
    for r in limits:
        v = 0.04 - 2 * r * 0.01 + r**2 * 0.09
        assert (1.0 - 2.0 * r) ** 2 == pytest.approx(1.96**2 * v)
    assert fieller(1.0, 0.5, covariance, 1.96) is None


def test_fieller_with_a_certain_denominator_is_the_plain_interval() -> None:
    limits = fieller(1.0, 4.0, np.array([[0.25, 0.0], [0.0, 0.0]]), 2.0)
    assert limits == pytest.approx((0.0, 0.5))


def test_the_difference_of_gaps_is_their_difference_and_pairing_narrows_it() -> None:
    for row in run(1).effects:
        assert row.difference.value == pytest.approx(row.old.value - row.new.value)
        apart = math.hypot(row.old.standard_error, row.new.standard_error)
        assert row.difference.standard_error < apart  # prompts act alike under both instructions


def test_bands_hold_for_all_gaps_at_once_and_so_are_wider() -> None:
    for row in run(2).effects:
        for gap in (row.old, row.new, row.difference):
            assert gap.band_low < gap.low < gap.value < gap.high < gap.band_high


def test_the_share_is_withheld_with_the_reason_where_the_old_gap_may_be_0() -> None:
    rng = np.random.default_rng(3)
    rows = [(i, j, c) for c in range(40) for i, j in ((0, 1), (1, 0), (1, 2), (2, 1))]
    flat = planted(rng, np.zeros(3), rows, np.zeros((40, 3)))
    moved = planted(rng, NEW, rows, np.zeros((40, 3)))
    effect = instruction_effects(rank(flat), rank(moved), [("helpful", "evasive")], seed=0).effects[0]
    assert effect.old.low < 0 < effect.old.high
    assert effect.share.value is None
    assert effect.share.undefined is not None
    assert "does not exclude 0" in effect.share.undefined


def test_no_pairs_and_unknown_players_are_named() -> None:
    rng = np.random.default_rng(4)
    rows = [(i, j, c) for c in range(30) for i, j in ((0, 1), (1, 0), (1, 2), (2, 1))]
    ranking = rank(planted(rng, OLD, rows, np.zeros((30, 3))))
    with pytest.raises(StatisticsError, match="no pair"):
        instruction_effects(ranking, ranking, [], seed=0)
    with pytest.raises(StatisticsError, match="'absent' is not ranked"):
        instruction_effects(ranking, ranking, [("helpful", "absent")], seed=0)


def test_a_planted_effect_and_its_share_are_recovered() -> None:
    """Mean over few runs; the coverage of the intervals is measured in the slow test."""
    found = [run(seed).effects[2] for seed in range(6)]
    # Logits of the marginal model: prompt effects pull them a little towards 0, alike under both.
    assert np.mean([row.share.value for row in found]) == pytest.approx(
        1 - (0.1 - 1.1) / (0.9 - 0.3), abs=0.35
    )
    assert all(row.difference.band_low > 0 for row in found)


@pytest.mark.slow
def test_intervals_of_the_effect_and_of_its_share_hold_the_truth_in_95_percent_of_simulations() -> None:
    def logit(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ratings of the marginal model, from very many prompts."""
        rng = np.random.default_rng(0)
        rows = [(i, j, c) for c in range(6000) for i, j in ((0, 1), (0, 2), (1, 2), (1, 0))]
        return rank(planted(rng, theta, rows, rng.normal(0, 0.3, size=(6000, 3)))).ratings

    old, new = logit(OLD), logit(NEW)
    effect = (old[1] - old[2]) - (new[1] - new[2])
    share = effect / (old[1] - old[2])
    hits, covered, shares = 0, 0, 0
    for seed in range(200):
        row = run(seed + 10).effects[2]
        hits += row.difference.low <= effect <= row.difference.high
        if row.share.value is not None:
            assert row.share.low is not None
            assert row.share.high is not None
            covered += row.share.low <= share <= row.share.high
            shares += 1
    assert hits >= 0.92 * 200
    assert shares > 150
    assert covered >= 0.92 * shares


def test_a_gap_of_nothing_with_no_error_has_no_share() -> None:
    assert fieller(0.0, 0.0, np.array([[0.0, 0.0], [0.0, -1e-17]]), 1.96) is None
