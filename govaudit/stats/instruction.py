"""What a rating instruction does to the gap between two arms, on the same pairs.

In: two rankings of the same players on the same clusters, under an old and a new instruction. Out: for each
pair of players the gap under either, their difference, with joint intervals, and the share of the old gap
that the new instruction takes away, by Fieller's theorem and only where the old gap excludes 0. Left out: why
the instruction does so (evasiveness is a covariate of the rankings), and players that are not in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray
from govaudit.stats.coefficient import check_level
from govaudit.stats.ranking import Ranking, difference


@dataclass(frozen=True)
class Gap:
    """A difference of two ratings on the logit scale: its own t interval, and the band that holds for all
    gaps of one call at once."""

    value: float
    low: float
    high: float
    band_low: float
    band_high: float
    standard_error: float


@dataclass(frozen=True)
class Share:
    """(D_old - D_new) / D_old with Fieller limits; all None where ``undefined`` says why.

    1: the gap is all due to the instruction; 0: none of it is; above 1: the new instruction turns it over.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    undefined: str | None = None


@dataclass(frozen=True)
class InstructionEffect:
    """One pair of players under two instructions."""

    first: Any
    second: Any
    old: Gap
    new: Gap
    difference: Gap
    """Old minus new."""
    share: Share


@dataclass(frozen=True)
class InstructionEffects:
    """All pairs that were asked for. ``flags`` say what a reader must know."""

    effects: tuple[InstructionEffect, ...]
    n_clusters: int
    level: float
    flags: tuple[str, ...]


def instruction_effects(
    old: Ranking,
    new: Ranking,
    pairs: Sequence[tuple[Any, Any]],
    *,
    seed: int | np.random.Generator,
    level: float = 0.95,
    rounds: int = 4000,
) -> InstructionEffects:
    """Gaps of ``pairs`` (first, second) under both instructions with their joint covariance.

    The covariance of the ratings under both instructions comes from the clusters' influences on either
    (``ranking.difference``), so that what a prompt does under both is counted. Bands: max-t over all three
    gaps of all pairs, drawn ``rounds`` times from the multivariate t with G - 1 degrees of freedom (Hothorn,
    Bretz & Westfall 2008, Biometrical Journal 50:346). StatisticsError for no pairs, other players, or
    rankings that share no cluster.
    """
    check_level(level)
    if not pairs:
        raise StatisticsError("no pair of players to compare")
    apart = difference(old, new, level)
    k, df = len(apart.players), apart.n_clusters - 1
    place = {player: at for at, player in enumerate(apart.players)}
    for player in (player for pair in pairs for player in pair):
        if player not in place:
            raise StatisticsError(f"player {player!r} is not ranked; there are {list(apart.players)}")
    rows = np.zeros((3 * len(pairs), 2 * k))
    for at, (first, second) in enumerate(pairs):
        for row, (on_old, on_new) in enumerate(((1.0, 0.0), (0.0, 1.0), (1.0, -1.0))):
            for player, sign in ((first, 1.0), (second, -1.0)):
                rows[3 * at + row, place[player]] += sign * on_old
                rows[3 * at + row, k + place[player]] += sign * on_new
    order = [new.players.index(player) for player in apart.players]
    values = rows @ np.concatenate([old.ratings, new.ratings[order]])
    covariance = rows @ apart.joint @ rows.T
    error = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    quantile = float(stdtrit(df, (1 + level) / 2))
    band = _band(covariance, error, df, level, rounds, np.random.default_rng(seed))
    gaps = [
        Gap(
            float(value),
            float(value - quantile * e),
            float(value + quantile * e),
            float(value - band * e),
            float(value + band * e),
            float(e),
        )
        for value, e in zip(values, error, strict=True)
    ]
    effects = []
    for at, (first, second) in enumerate(pairs):
        here = slice(3 * at, 3 * at + 2)
        one, two, both = gaps[3 * at : 3 * at + 3]
        share = _share(one, two, covariance[here, here], quantile, level)
        effects.append(InstructionEffect(first, second, one, two, both, share))
    return InstructionEffects(tuple(effects), apart.n_clusters, level, apart.flags)


_NOTHING = 1e-18
"""Square of a gap in logits that is 0 but for rounding: arms that never differ have no error either."""


def fieller(
    numerator: float, denominator: float, covariance: FloatArray, quantile: float
) -> tuple[float, float] | None:
    """Limits of numerator / denominator; None where the denominator does not exclude 0.

    ``covariance`` (2, 2) of (numerator, denominator), ``quantile`` of the t distribution. The roots r of
    (n - r d)^2 = q^2 (v_nn - 2 r v_nd + r^2 v_dd) (Fieller 1954, JRSS-B 16:175).
    """
    q2 = quantile**2
    # A variance of nothing comes out of the sandwich as a rounding error of either sign.
    a = denominator**2 - q2 * max(0.0, float(covariance[1, 1]))
    if a <= _NOTHING:
        return None
    b = numerator * denominator - q2 * covariance[0, 1]
    c = numerator**2 - q2 * covariance[0, 0]
    # Where a > 0 the discriminant is positive but for rounding (Cauchy-Schwarz).
    root = float(np.sqrt(max(0.0, b * b - a * c)))
    return float((b - root) / a), float((b + root) / a)


def _share(old: Gap, new: Gap, covariance: FloatArray, quantile: float, level: float) -> Share:
    limits = fieller(new.value, old.value, covariance[::-1, ::-1], quantile)
    if limits is None:
        return Share(
            None,
            undefined=f"the gap under the old instruction does not exclude 0 ({old.low:+.2f} to "
            f"{old.high:+.2f} logits, {level:.0%}): there is no gap to have shares of",
        )
    return Share(1.0 - new.value / old.value, 1.0 - limits[1], 1.0 - limits[0])


def _band(
    covariance: FloatArray, error: FloatArray, df: int, level: float, rounds: int, rng: np.random.Generator
) -> float:
    """The ``level`` quantile of max |Z| / SE; gaps without error do not take part."""
    moved = error > 0
    if not bool(moved.any()):
        return 0.0
    values, vectors = np.linalg.eigh(covariance[np.ix_(moved, moved)])
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    z = rng.standard_normal((rounds, int(moved.sum()))) @ root.T
    z *= np.sqrt(df / rng.chisquare(df, size=(rounds, 1)))
    return float(np.quantile((np.abs(z) / error[moved]).max(axis=1), level))
