"""Which pairs of players to compare next, by what a comparison tells, and what that choice saved.

In: comparisons so far and how many of each pair could still be made. Out: how many of each pair to make next,
so that the mean standard error of all differences of ratings falls most; afterwards, how many comparisons
spread evenly over the pairs would have given intervals of the same width. The choice looks at the model's
information alone, so the fit needs no weights where Davidson's model holds; ``pairing`` has the choice by
chance with weights, which asks less of the model. Left out: when to stop (``sequential``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, IntArray
from govaudit.stats.comparisons import Comparisons
from govaudit.stats.davidson import Shape, probabilities
from govaudit.stats.ranking import Ranking, one_step_bootstrap, rank

_START = 1e-2
"""Information along every difference before the first comparison: no pair is infinitely worth asking."""


@dataclass(frozen=True)
class Saving:
    """What choosing pairs saved, at equal mean width of the intervals of all differences.

    ``n`` comparisons were made; spread evenly, ``even`` would have been needed. ``share`` = 1 - n / even with
    its limits; below 0 where an even spread would have been better.
    """

    n: int
    even: float
    share: float
    low: float
    high: float
    level: float


def pairs_of(k: int) -> tuple[IntArray, IntArray]:
    """All pairs i < j of ``k`` players, (M,) and (M,)."""
    low, high = np.triu_indices(k, 1)
    return low.astype(np.int64), high.astype(np.int64)


def next_pairs(k: int, so_far: Sequence[Comparisons], left: IntArray, n: int) -> IntArray:
    """How many of the next ``n`` comparisons each pair of ``k`` players should get, (M,).

    ``so_far``: one set of comparisons per question that every pair is put under (such as two instructions),
    its players ``0..k-1``; their relative gains are added. ``left`` (M,): comparisons of each pair that could
    still be made. Greedy: each comparison goes where the mean standard error of all M differences falls most,
    to first order, by the information of Davidson's model at the ratings so far (a weak prior holds those
    that nothing holds yet).
    """
    first, second = pairs_of(k)
    if left.shape != first.shape:
        raise StatisticsError(f"{k} players have {len(first)} pairs, {left.shape} numbers were given")
    states = [_State.of(k, data) for data in so_far]
    if not states:
        raise StatisticsError("no question: nothing to gain")
    given = np.zeros(len(first), dtype=np.int64)
    for _ in range(min(n, int(left.sum()))):
        gain = np.sum([state.gains(first, second) for state in states], axis=0)
        gain[given >= left] = -np.inf
        at = int(np.argmax(gain))
        given[at] += 1
        for state in states:
            state.add(int(first[at]), int(second[at]))
    return given


def saving(
    ranking: Ranking, data: Comparisons, *, seed: int, level: float = 0.95, rounds: int = 200
) -> Saving:
    """How many comparisons, spread evenly over all pairs, would tell as much as those in ``data``.

    Mean standard error of all differences of ratings by the model's information, for the counts in ``data``
    and for equal ones; errors fall with the square root of n. Design effects are taken as equal and cancel.
    Limits: over the ratings of a cluster bootstrap, since both errors depend on them.
    """
    k = len(data.players)
    first, second = pairs_of(k)
    counts = np.zeros((k, k))
    np.add.at(counts, (data.first, data.second), data.weights)
    counts = (counts + counts.T)[first, second]
    drawn = one_step_bootstrap(ranking, seed=seed, rounds=rounds).parameters
    even_counts = np.full(len(first), counts.mean())

    def ratio(parameters: FloatArray) -> float:
        information = _pair_information(parameters, ranking.shape, first, second)
        made, even = (_mean_error(k, first, second, information * c) for c in (counts, even_counts))
        return (even / made) ** 2

    ratios = np.array([ratio(row) for row in drawn])
    low, high = np.quantile(1.0 - 1.0 / ratios, [(1 - level) / 2, (1 + level) / 2])
    best = ratio(ranking.parameters)
    n = round(float(counts.sum()))
    return Saving(n, n * best, 1.0 - 1.0 / best, float(low), float(high), level)


def _pair_information(parameters: FloatArray, shape: Shape, first: IntArray, second: IntArray) -> FloatArray:
    """Information (M,) on the difference of two ratings of one comparison, mean of both orders."""
    x = np.zeros((len(first), shape.covariates))
    total = np.zeros(len(first))
    for one, two in ((first, second), (second, first)):
        p = probabilities(parameters, shape, one, two, x)
        total += (p[:, 0] + p[:, 2] - (p[:, 0] - p[:, 2]) ** 2) / 8.0
    return total


def _mean_error(k: int, first: IntArray, second: IntArray, weight: FloatArray) -> float:
    """Mean standard error of all differences; ``weight`` (M,) is the information on each pair."""
    covariance = np.linalg.pinv(_laplacian(k, first, second, weight), hermitian=True)
    variance = np.diag(covariance)
    apart = variance[first] + variance[second] - 2.0 * covariance[first, second]
    return float(np.sqrt(np.maximum(apart, 0.0)).mean())


def _laplacian(k: int, first: IntArray, second: IntArray, weight: FloatArray) -> FloatArray:
    matrix = np.zeros((k, k))
    np.add.at(matrix, (first, second), -weight)
    np.add.at(matrix, (second, first), -weight)
    matrix[np.arange(k), np.arange(k)] -= matrix.sum(axis=1)
    return matrix


class _State:
    """Information of one question's comparisons, and what one more would add to it."""

    def __init__(self, covariance: FloatArray, information: FloatArray) -> None:
        self.covariance = covariance
        self.information = information
        """Of one comparison of each pair, (k, k)."""

    @classmethod
    def of(cls, k: int, data: Comparisons) -> _State:
        first, second = pairs_of(k)
        parameters, shape = np.zeros(k), Shape(k, position=False, ties=False, covariates=0)
        try:
            ranking = rank(data, prior=1.0)
        except StatisticsError:
            pass  # nothing but ties, or one cluster: all pairs tell the same as yet
        else:
            # Players that nobody compared yet stand in the middle.
            known = len(ranking.players)
            parameters = np.zeros(k + ranking.shape.size - known)
            parameters[[int(player) for player in ranking.players]] = ranking.ratings
            parameters[k:] = ranking.parameters[known:]
            shape = Shape(k, ranking.shape.position, ranking.shape.ties, 0)
        each = _pair_information(parameters, shape, first, second)
        table, counts = np.zeros((k, k)), np.zeros((k, k))
        table[first, second] = table[second, first] = each
        names = np.array([int(player) for player in data.players])
        np.add.at(counts, (names[data.first], names[data.second]), data.weights)
        weight = (counts + counts.T)[first, second] * each
        start = _START * (np.eye(k) - 1.0 / k)
        information = _laplacian(k, first, second, weight) + start
        return cls(np.asarray(np.linalg.pinv(information, hermitian=True), dtype=np.float64), table)

    def gains(self, first: IntArray, second: IntArray) -> FloatArray:
        """Relative fall of the mean error of all differences by one more comparison of each pair, (M,).

        The variance of difference c falls by w C_ca^2 / (1 + w C_aa) (Sherman & Morrison 1950), its error by
        that over twice the error.
        """
        moved = self.covariance[:, first] - self.covariance[:, second]
        between = moved[first] - moved[second]
        variance = np.diag(between)
        error = np.sqrt(np.maximum(variance, 1e-12))
        weight = self.information[first, second]
        falls = (between**2 / (2.0 * error[:, None])).sum(axis=0)
        return np.asarray(weight * falls / (1.0 + weight * variance) / error.sum())

    def add(self, i: int, j: int) -> None:
        moved = self.covariance[:, i] - self.covariance[:, j]
        weight = self.information[i, j]
        self.covariance = self.covariance - weight / (1.0 + weight * (moved[i] - moved[j])) * np.outer(
            moved, moved
        )
