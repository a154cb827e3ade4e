"""Do the intervals of ratings hold the truth when prompts have effects of their own?

The truth under prompt effects is not the planted rating: it is what the model converges to with ever more
prompts. It is computed exactly, by fitting the expected outcomes (Gauss-Hermite over the effects).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from govaudit.stats.comparisons import comparisons
from govaudit.stats.ranking import rank
from govaudit.stats.standing import expected_scores, standings

THETA = np.array([0.9, 0.3, 0.0, -0.4, -0.8])
NU, DELTA = 0.6, 0.25
K = len(THETA)


@dataclass(frozen=True)
class Setting:
    prompts: int
    battles: int
    spread: float


# The second row of the statistics that a small audit can afford: few prompts, strong effects.
SETTINGS = [Setting(120, 8, 1.0), Setting(40, 10, 0.7)]


def outcome_probabilities(s: NDArray[np.float64]) -> NDArray[np.float64]:
    z = np.stack([np.exp(s / 2), np.full_like(s, NU), np.exp(-s / 2)], axis=-1)
    return np.asarray(z / z.sum(axis=-1, keepdims=True))


def population(spread: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Parameters and expected scores to which the fit converges, all ordered pairs equally often."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    first, second = (side.ravel() for side in np.nonzero(~np.eye(K, dtype=bool)))
    s = (THETA[first] - THETA[second] + DELTA)[:, None] + np.sqrt(2.0) * spread * nodes
    p = np.einsum("mqo,q->mo", outcome_probabilities(s), weights / weights.sum())
    fit = rank(
        comparisons(
            np.repeat(first, 3),
            np.repeat(second, 3),
            np.tile([1, 0, -1], len(first)),
            weights=p.ravel(),
            clusters=np.arange(3 * len(first)),
        )
    )
    return fit.parameters, np.array([one.score for one in expected_scores(fit)])


@dataclass(frozen=True)
class Coverage:
    """Shares of intervals that hold the truth; ``width`` is relative to 2 x 1.96 true standard deviations."""

    ratings: float
    position: float
    tie: float
    contrast: float
    scores: float
    band: float
    rank_sets: float
    by_row: float
    width: float


def coverage(setting: Setting, runs: int) -> Coverage:
    truth, true_scores = population(setting.spread)
    true_rank = 1 + np.argsort(np.argsort(-truth[:K]))
    rng = np.random.default_rng(20)
    held = np.zeros(8)
    widths, estimates = [], []
    n = setting.prompts * setting.battles
    for run in range(runs):
        cluster = np.repeat(np.arange(setting.prompts), setting.battles)
        first = rng.integers(0, K, n)
        second = (first + rng.integers(1, K, n)) % K
        effect = rng.normal(size=(setting.prompts, K)) * setting.spread
        s = THETA[first] - THETA[second] + DELTA + effect[cluster, first] - effect[cluster, second]
        p = outcome_probabilities(s)
        u = rng.random(n)
        outcome = np.where(u < p[:, 0], 1, np.where(u < p[:, 0] + p[:, 1], 0, -1))
        fit = rank(comparisons(first, second, outcome, clusters=cluster))
        found = {one.player: one for one in standings(fit, seed=run, rounds=500)}
        inside = [found[k].low <= truth[k] <= found[k].high for k in range(K)]
        band = [found[k].band_low <= truth[k] <= found[k].band_high for k in range(K)]
        sets = [found[k].rank_low <= true_rank[k] <= found[k].rank_high for k in range(K)]
        gap = fit.contrast(0, 1)
        scores = [
            one.low <= true <= one.high for one, true in zip(expected_scores(fit), true_scores, strict=True)
        ]
        position, tie = fit.term("first position"), fit.term("log nu")
        rows = rank(comparisons(first, second, outcome))
        error = np.sqrt(np.diag(rows.covariance)[:K])
        held += [
            np.mean(inside),
            position.low <= truth[K] <= position.high,
            tie.low <= truth[K + 1] <= tie.high,
            gap.low <= truth[0] - truth[1] <= gap.high,
            np.mean(scores),
            all(band),
            all(sets),
            np.mean(np.abs(rows.ratings - truth[:K]) <= 1.96 * error),
        ]
        widths.append([found[k].high - found[k].low for k in range(K)])
        estimates.append(fit.ratings)
    ideal = 2 * 1.96 * np.std(estimates, axis=0)
    shares: list[float] = [*(held / runs).tolist(), float(np.mean(np.mean(widths, axis=0) / ideal))]
    return Coverage(*shares)


@pytest.mark.parametrize("setting", SETTINGS)
def test_intervals_hold_the_truth_under_prompt_effects(setting: Setting) -> None:
    found = coverage(setting, 200)
    for name in ("ratings", "position", "tie", "contrast", "scores", "band", "rank_sets"):
        assert getattr(found, name) >= 0.92, found
    assert found.width <= 1.15, found


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_intervals_hold_the_truth_in_the_long_run(setting: Setting) -> None:
    found = coverage(setting, 2000)
    for name in ("ratings", "position", "tie", "contrast", "scores", "band", "rank_sets"):
        assert getattr(found, name) >= 0.935, found
    assert found.width <= 1.15, found


@pytest.mark.slow
def test_errors_by_row_miss_the_prompt() -> None:
    """Why clusters are the default: rows of one prompt are not independent."""
    found = coverage(Setting(120, 8, 1.0), 1000)
    assert found.by_row < 0.925 < found.ratings
