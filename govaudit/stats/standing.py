"""What may be said of ranked arms: bands, rank sets, expected scores, Elo.

In: a ``Ranking``. Out: intervals that hold for all arms at once, the set of ranks that each arm may have,
scores in [0, 1] and the Elo scale with the tie model that it stands on. Left out: "better" and "Pareto":
a caller may say so only where these intervals allow it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, logit, stdtrit

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, IntArray
from govaudit.stats.coefficient import check_level
from govaudit.stats.davidson import probabilities
from govaudit.stats.ranking import Ranking

ELO_PER_LOGIT = 400.0 / np.log(10.0)


@dataclass(frozen=True)
class Standing:
    """One player: the rating with its own interval and with the band that holds for all players at once,
    and the ranks (1 is best) that cannot be excluded for it, jointly for all players."""

    player: Any
    rating: float
    low: float
    high: float
    band_low: float
    band_high: float
    rank: int
    rank_low: int
    rank_high: int
    level: float


def standings(
    ranking: Ranking, *, seed: int | np.random.Generator, level: float = 0.95, rounds: int = 4000
) -> tuple[Standing, ...]:
    """Ratings relative to the mean player, best first.

    Bands: rating +- c SE with c the ``level`` quantile of max_k |Z_k| / SE_k (max-t). Rank sets: player k
    ranks below those who are above it, and above those below it, by simultaneous intervals of all
    pairwise differences (Klein, Wright & Wieczorek 2020, JRSS-C 69:589; Mogstad, Romano, Shaikh &
    Wilhelm 2024, Review of Economic Studies 91:476). Z is drawn ``rounds`` times from the multivariate t
    with the cluster covariance and G - 1 degrees of freedom.
    """
    check_level(level)
    theta, v = ranking.ratings, ranking.rating_covariance()
    k, df = len(theta), ranking.n_clusters - 1
    error = np.sqrt(np.maximum(np.diag(v), 0.0))
    if not bool((error > 0.0).all()):
        raise StatisticsError("a rating has no measurable error: all clusters agree on it")
    z = _draws(v, df, rounds, np.random.default_rng(seed))
    band = float(np.quantile((np.abs(z) / error).max(axis=1), level)) * error
    half = float(stdtrit(df, (1 + level) / 2)) * error
    apart = _pairwise_errors(v)
    above = theta[:, None] - theta > float(np.quantile(_furthest(z, apart), level)) * apart
    order = np.argsort(-theta, kind="stable")
    place = np.empty(k, dtype=np.int64)
    place[order] = np.arange(1, k + 1)
    return tuple(
        Standing(
            player=ranking.players[i],
            rating=float(theta[i]),
            low=float(theta[i] - half[i]),
            high=float(theta[i] + half[i]),
            band_low=float(theta[i] - band[i]),
            band_high=float(theta[i] + band[i]),
            rank=int(place[i]),
            rank_low=1 + int(above[:, i].sum()),
            rank_high=k - int(above[i].sum()),
            level=level,
        )
        for i in order
    )


def _draws(v: FloatArray, df: int, rounds: int, rng: np.random.Generator) -> FloatArray:
    """Multivariate t draws (rounds, K) with scale ``v``, which is singular."""
    values, vectors = np.linalg.eigh(v)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    z = rng.standard_normal((rounds, len(v))) @ root.T
    return np.asarray(z * np.sqrt(df / rng.chisquare(df, size=(rounds, 1))))


def _pairwise_errors(v: FloatArray) -> FloatArray:
    variance = np.diag(v)
    return np.sqrt(np.maximum(variance[:, None] + variance - 2.0 * v, 0.0))


@dataclass(frozen=True)
class Contrast:
    """The rating of one player minus that of another: its own interval, and the band that holds for all
    differences at once. Only a band that excludes 0 says that one player is better."""

    first: Any
    second: Any
    value: float
    low: float
    high: float
    band_low: float
    band_high: float
    level: float

    @property
    def better(self) -> Any | None:
        """The player that is better by the band; ``None``: not distinguishable."""
        return self.first if self.band_low > 0 else self.second if self.band_high < 0 else None


def contrasts(
    ranking: Ranking, *, seed: int | np.random.Generator, level: float = 0.95, rounds: int = 4000
) -> tuple[Contrast, ...]:
    """All differences of ratings, on the logit scale, in the order of the players.

    Bands as those behind the rank sets of :func:`standings` (max-t over all differences); with its seed they
    say the same.
    """
    check_level(level)
    theta, v = ranking.ratings, ranking.rating_covariance()
    k, df = len(theta), ranking.n_clusters - 1
    z = _draws(v, df, rounds, np.random.default_rng(seed))
    apart = _pairwise_errors(v)
    wide = float(np.quantile(_furthest(z, apart), level))
    narrow = float(stdtrit(df, (1 + level) / 2))
    found = []
    for i in range(k - 1):
        for j in range(i + 1, k):
            value, error = float(theta[i] - theta[j]), float(apart[i, j])
            half, band = narrow * error, wide * error
            found.append(
                Contrast(
                    ranking.players[i],
                    ranking.players[j],
                    value,
                    value - half,
                    value + half,
                    value - band,
                    value + band,
                    level,
                )
            )
    return tuple(found)


def _furthest(z: FloatArray, apart: FloatArray) -> FloatArray:
    """max |Z_i - Z_j| / SE_ij (rounds,) over all pairs whose difference has an error."""
    furthest = np.zeros(len(z))
    for i in range(z.shape[1] - 1):
        gaps = np.abs(z[:, i + 1 :] - z[:, i : i + 1])
        noise = apart[i, i + 1 :]
        ratio = np.divide(gaps, noise, out=np.zeros_like(gaps), where=noise > 0.0)
        np.maximum(furthest, ratio.max(axis=1), out=furthest)
    return furthest


@dataclass(frozen=True)
class ExpectedScore:
    """P(win) + P(tie) / 2, in [0, 1], with neither shown first and all covariates at 0."""

    player: Any
    score: float
    low: float
    high: float
    level: float


def expected_scores(
    ranking: Ranking, *, against: Any = None, level: float = 0.95
) -> tuple[ExpectedScore, ...]:
    """Expected score of every player against ``against``, or against the mean of all others.

    The mean over both orders; with a covariate of length this is the win rate at equal length (the
    estimand of Dubois et al. 2024, arXiv 2404.04475, with the error of the coefficients counted). Limits
    by the delta method on the logit scale, t on G - 1 degrees of freedom.
    """
    check_level(level)
    opponents = range(len(ranking.players))
    if against is not None and against not in ranking.players:
        raise StatisticsError(f"player {against!r} is not ranked; there are {list(ranking.players)}")
    if against is not None:
        opponents = range(ranking.players.index(against), ranking.players.index(against) + 1)
    quantile = float(stdtrit(ranking.n_clusters - 1, (1 + level) / 2))
    results = []
    for i, player in enumerate(ranking.players):
        others = np.array([j for j in opponents if j != i])
        if not len(others):
            continue
        value, gradient = _score(ranking, i, others)
        error = float(np.sqrt(max(0.0, float(gradient @ ranking.covariance @ gradient))))
        middle, half = float(logit(value)), quantile * error / (value * (1.0 - value))
        results.append(
            ExpectedScore(player, value, float(expit(middle - half)), float(expit(middle + half)), level)
        )
    return tuple(results)


def _score(ranking: Ranking, i: int, others: IntArray) -> tuple[float, FloatArray]:
    """Mean expected score of player i against ``others``, and its gradient by the parameters (P,)."""
    shape, m = ranking.shape, len(others)
    me, x = np.full(m, i), np.zeros((m, shape.covariates))
    score, gradient = 0.0, np.zeros(shape.size)
    for first, second, sign in ((me, others, 1.0), (others, me, -1.0)):
        p = probabilities(ranking.parameters, shape, first, second, x)
        apart = p[:, 0] - p[:, 2]
        score += float(np.sum(1.0 + sign * apart)) / (4.0 * m)
        slope = sign * (p[:, 0] + p[:, 2] - apart**2) / (8.0 * m)
        np.add.at(gradient, first, slope)
        np.add.at(gradient, second, -slope)
        if shape.position:
            gradient[shape.players] += slope.sum()
        if shape.ties:
            gradient[shape.tie_column] -= sign * float(np.sum(p[:, 1] * apart)) / (4.0 * m)
    return score, gradient


@dataclass(frozen=True)
class Elo:
    """Ratings on the Elo scale, best first, and the tie model without which they mean nothing.

    400 points are odds of 10 to 1 between P(win) and P(loss); a tie is neither. Elo values of two tie
    models, or of two tie parameters, are on different scales.
    """

    tie_model: str
    reference: str
    standings: tuple[Standing, ...]


def elo(
    ranking: Ranking,
    *,
    seed: int | np.random.Generator,
    origin: float = 1000.0,
    level: float = 0.95,
    rounds: int = 4000,
) -> Elo:
    """``standings`` as origin + 400 / ln 10 times the rating; the mean player has ``origin``."""

    def scaled(one: Standing) -> Standing:
        rating, low, high, band_low, band_high = (
            float(origin + ELO_PER_LOGIT * x)
            for x in (one.rating, one.low, one.high, one.band_low, one.band_high)
        )
        return replace(one, rating=rating, low=low, high=high, band_low=band_low, band_high=band_high)

    found = standings(ranking, seed=seed, level=level, rounds=rounds)
    return Elo(
        tie_model=ranking.tie_model,
        reference=f"the mean of {len(ranking.players)} players is {origin:g}",
        standings=tuple(scaled(one) for one in found),
    )
