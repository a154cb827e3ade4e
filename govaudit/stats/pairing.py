"""Which pairs to compare next, and the weights that keep the ranking honest.

In: comparisons so far. Out: a probability for every pair, and a sample of pairs with inverse-probability
weights for ``comparisons``. Pairs are then compared more often where that tells more, and the weights
give every pair of players its equal say in the fit. Left out: when to stop (``sequential``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class PairProbabilities:
    """``first`` < ``second`` (M,) index the M = K (K - 1) / 2 pairs; ``probability`` (M,) sums to 1."""

    first: IntArray
    second: IntArray
    probability: FloatArray


@dataclass(frozen=True, eq=False)
class PairSample:
    """Pairs to compare, in the order to show them (m,), with their weights (m,): 1 under equal chances."""

    first: IntArray
    second: IntArray
    weight: FloatArray


def pair_probabilities(
    n_players: int, first: IntArray, second: IntArray, outcome: IntArray, *, floor: float = 0.1
) -> PairProbabilities:
    """Chances proportional to the fall of each pair's standard error by one more comparison.

    sqrt(S_a / n_a) - sqrt(S_a / (n_a + 1)) with S_a the variance of the outcomes (1, 1/2, 0) of pair a
    and n_a their number (Chiang et al. 2024, arXiv 2403.04132). One win and one loss are added
    to every pair, so that unseen pairs and pairs with one outcome keep a chance. ``floor`` is the share
    that is spread evenly: it bounds the weights by 1 / floor.
    """
    if n_players < 2:
        raise StatisticsError(f"{n_players} players: no pairs")
    if not 0.0 < floor <= 1.0:
        raise StatisticsError(f"floor is {floor}, must lie in (0, 1]: without it weights have no bound")
    low, high = np.triu_indices(n_players, 1)
    a, b = np.minimum(first, second), np.maximum(first, second)
    result = np.where(first < second, outcome, -outcome)
    pair = a * n_players + b
    size = n_players * n_players
    n = np.bincount(pair, minlength=size)[low * n_players + high] + 2.0
    total = np.bincount(pair, result, size)[low * n_players + high]
    square = np.bincount(pair, result**2, size)[low * n_players + high] + 2.0
    variance = (square / n - (total / n) ** 2) / 4.0
    gain = np.sqrt(variance / n) - np.sqrt(variance / (n + 1.0))
    probability = (1.0 - floor) * gain / gain.sum() + floor / len(low)
    return PairProbabilities(low.astype(np.int64), high.astype(np.int64), probability)


def sample_pairs(chances: PairProbabilities, n: int, *, seed: int | np.random.Generator) -> PairSample:
    """Draw ``n`` pairs with replacement, each shown in either order with equal chance.

    Weights are 1 / (M p): sums over the sample then estimate sums over all pairs alike (Horvitz &
    Thompson 1952, JASA 47:663). Comparisons of several batches keep the weight of their own batch.
    """
    rng = np.random.default_rng(seed)
    p = chances.probability
    at = rng.choice(len(p), size=n, p=p)
    swap = rng.random(n) < 0.5
    one, two = chances.first[at], chances.second[at]
    return PairSample(np.where(swap, two, one), np.where(swap, one, two), 1.0 / (len(p) * p[at]))
