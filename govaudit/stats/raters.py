"""The raters one by one: who is severe, who pulls agreement down, and Conger's kappa.

In: a table of items x raters with None or nan where a rating is missing, in which a column is always the
same rater; the cluster (prompt) of each item. Out: severities on the scale of the ratings, agreement
without each rater, and the kappa that keeps each rater's own category shares. Left out: latent classes
and models of raters' errors (Dawid & Skene), which need assumptions that an audit cannot check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.special import stdtrit

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import (
    FloatArray,
    IntArray,
    Resamples,
    Statistic,
    cluster_codes,
    resample,
    sums_by_cluster,
)
from govaudit.stats.coefficient import (
    Coefficient,
    Labels,
    Metric,
    Weights,
    agreement_weights,
    as_labels,
    check_level,
    encode,
    estimate,
    observed_categories,
)
from govaudit.stats.counts import Engine, corrected_for_chance


@dataclass(frozen=True)
class Severity:
    """How much higher a rater rates than the raters' average on the same items, in units of the scale.

    ``low`` and ``high`` are None where nothing varies. ``constant``: the rater gave one rating throughout.
    """

    rater: Any
    n: int
    mean: float
    severity: float
    low: float | None
    high: float | None
    level: float
    constant: bool


@dataclass(frozen=True)
class LeftOut:
    """Agreement without one rater. ``change`` is alpha with all raters minus ``without``: below 0 where
    the rater pulls agreement down. ``with_others`` is the percent agreement of this rater with each of
    the others, over the items that they share."""

    rater: Any
    n: int
    constant: bool
    without: Coefficient
    change: Coefficient
    with_others: Coefficient


def severity(
    ratings: FloatArray,
    *,
    clusters: Labels | None = None,
    raters: Sequence[Any] | None = None,
    level: float = 0.95,
) -> tuple[Severity, ...]:
    """Severities from the additive model rating_ij = item_i + severity_j, least squares, sum 0.

    ``ratings`` (N, R) of numbers (0/1 for a binary scale), nan where missing. Items rated by one rater
    tell nothing and are passed over. Errors are robust to clusters of items (Liang & Zeger 1986,
    Biometrika 73:13; factor G/(G-1)), limits t on G - 1 degrees of freedom. Raises StatisticsError when
    raters share no items, directly or through others, since then they cannot be compared.
    """
    check_level(level)
    y = np.asarray(ratings, dtype=np.float64)
    if y.ndim != 2:
        raise StatisticsError(f"ratings must be items x raters, got shape {y.shape}")
    names = _names(raters, y.shape[1])
    codes, _ = cluster_codes(clusters, len(y))
    shared = (~np.isnan(y)).sum(axis=1) >= 2
    y, codes = y[shared], codes[shared]
    codes, n_clusters = cluster_codes(codes, len(codes))
    if n_clusters < 2:
        raise StatisticsError(f"{n_clusters} clusters of items with two ratings: severities need at least 2")
    given = ~np.isnan(y)
    present = given.astype(np.float64)
    _check_connected(present, names)
    m = present.sum(axis=1)
    centred = np.where(given, y - np.nanmean(y, axis=1, keepdims=True), 0.0)
    information = np.diag(present.sum(axis=0)) - present.T @ (present / m[:, None])
    inverse = np.linalg.pinv(information, hermitian=True)
    s = inverse @ centred.sum(axis=0)
    s -= s.mean()
    fitted = np.where(given, s - ((present @ s) / m)[:, None], 0.0)
    influence = sums_by_cluster(centred - fitted, codes, n_clusters) @ inverse
    influence -= influence.mean(axis=1, keepdims=True)
    error = np.sqrt(n_clusters / (n_clusters - 1) * np.sum(influence**2, axis=0))
    half = float(stdtrit(n_clusters - 1, (1 + level) / 2)) * error
    moves = error > 1e-12
    return tuple(
        Severity(
            rater=name,
            n=int(given[:, j].sum()),
            mean=float(y[given[:, j], j].mean()),
            severity=float(s[j]),
            low=float(s[j] - half[j]) if moves[j] else None,
            high=float(s[j] + half[j]) if moves[j] else None,
            level=level,
            constant=bool(np.ptp(y[given[:, j], j]) == 0.0),
        )
        for j, name in enumerate(names)
    )


def leave_one_out(
    ratings: Labels,
    *,
    seed: int,
    categories: Sequence[Any] | None = None,
    metric: Metric = "nominal",
    clusters: Labels | None = None,
    raters: Sequence[Any] | None = None,
    level: float = 0.95,
    rounds: int = 1000,
) -> tuple[LeftOut, ...]:
    """Krippendorff's alpha without each rater in turn, and what the rater changes.

    ``ratings`` (N, R). With and without are computed on the same resampled clusters, so the interval of
    the change keeps their correlation.
    """
    check_level(level)
    codes, declared = _coded(ratings, categories)
    n, r = codes.shape
    if r < 3:
        raise StatisticsError(f"{r} raters: leaving one out needs at least 3")
    names = _names(raters, r)
    groups, n_clusters = cluster_codes(clusters, n)
    engine = Engine(declared, agreement_weights("identity", declared), metric)
    one_hot = np.stack([codes == k for k in range(engine.q)], axis=2).astype(np.int64)
    counts = one_hot.sum(axis=1)
    everyone = engine.moments(counts)
    width = everyone.shape[1]
    results = []
    for j, name in enumerate(names):
        rest = counts - one_hot[:, j]
        others = rest.sum(axis=1) * (codes[:, j] >= 0)
        same = np.sum(rest * one_hot[:, j], axis=1)
        shared = np.stack([same, others], axis=1) / np.maximum(others, 1)[:, None]
        moments = np.concatenate([everyone, engine.moments(rest), shared], axis=1)
        sums = sums_by_cluster(moments, groups, n_clusters)
        drawn = resample(sums, None, rounds, np.random.default_rng(seed))
        used = codes[codes[:, j] >= 0, j]

        def part(
            label: str, statistic: Statistic, reason: str, n_items: float, drawn: Resamples = drawn
        ) -> Coefficient:
            return estimate(label, statistic, drawn, level=level, n_items=int(n_items), reason=reason)

        results.append(
            LeftOut(
                rater=name,
                n=len(used),
                constant=len(np.unique(used)) == 1,
                without=part(
                    f"Krippendorff alpha, {metric}, without {name}",
                    lambda t: engine.alpha(t[..., width : 2 * width]),
                    "without this rater no item has two ratings in two categories",
                    drawn.total[width + 1],
                ),
                change=part(
                    f"alpha with minus without {name}",
                    lambda t: engine.alpha(t[..., :width]) - engine.alpha(t[..., width : 2 * width]),
                    "alpha is not defined with or without this rater",
                    drawn.total[1],
                ),
                with_others=part(
                    f"percent agreement of {name} with the others",
                    lambda t: t[..., -2] / t[..., -1],
                    "this rater shares no item with another",
                    drawn.total[-1],
                ),
            )
        )
    return tuple(results)


def conger(
    ratings: Labels,
    *,
    seed: int | np.random.Generator,
    categories: Sequence[Any] | None = None,
    weights: Weights = "identity",
    clusters: Labels | None = None,
    level: float = 0.95,
    rounds: int = 1000,
) -> Coefficient:
    """Conger's kappa (1980, Psychological Bulletin 88:322): Cohen's for more than two raters.

    Chance agreement is the mean over pairs of raters of sum w_kl p_gk p_hl, with each rater's own shares
    over the items that he or she rated (Gwet 2014, chapter 2, for missing ratings). ``ratings`` (N, R).
    """
    check_level(level)
    codes, declared = _coded(ratings, categories)
    n, r = codes.shape
    q = len(declared)
    w = agreement_weights(weights, declared)
    groups, n_clusters = cluster_codes(clusters, n)
    one_hot = np.stack([codes == k for k in range(q)], axis=2).astype(np.float64)
    base = Engine(declared, w, "nominal").moments(one_hot.sum(axis=1).astype(np.int64))[:, 1:3]
    moments = np.concatenate([base, one_hot.reshape(n, r * q)], axis=1)
    drawn = resample(sums_by_cluster(moments, groups, n_clusters), None, rounds, np.random.default_rng(seed))

    def kappa(t: FloatArray) -> FloatArray:
        by_rater = t[..., 2:].reshape(*t.shape[:-1], r, q)
        rated = by_rater.sum(axis=-1, keepdims=True)
        p = np.divide(by_rater, rated, out=np.zeros_like(by_rater), where=rated > 0)
        active = (rated[..., 0] > 0).sum(axis=-1)
        total = p.sum(axis=-2)
        own = np.sum((p @ w) * p, axis=(-2, -1))
        p_e = (np.sum((total @ w) * total, axis=-1) - own) / (active * (active - 1.0))
        return corrected_for_chance(t[..., 1] / t[..., 0], p_e)

    return estimate(
        "Conger kappa" if weights == "identity" else f"Conger kappa, {weights}",
        kappa,
        drawn,
        level=level,
        n_items=int(drawn.total[0]),
        reason="no item has two ratings, or one category was used",
    )


def _coded(ratings: Labels, categories: Sequence[Any] | None) -> tuple[IntArray, tuple[Any, ...]]:
    array = as_labels(ratings)
    if array.ndim != 2:
        raise StatisticsError(f"ratings must be items x raters, got shape {array.shape}")
    declared = tuple(categories) if categories is not None else observed_categories(array)
    return encode(array, declared), declared


def _names(raters: Sequence[Any] | None, r: int) -> tuple[Any, ...]:
    names = tuple(raters) if raters is not None else tuple(range(r))
    if len(names) != r:
        raise StatisticsError(f"{r} columns of ratings but {len(names)} raters")
    return names


def _check_connected(present: FloatArray, names: tuple[Any, ...]) -> None:
    together: NDArray[Any] = present.T @ present
    n_groups, group = connected_components(together, directed=False)
    if n_groups > 1:
        parts = [[name for name, g in zip(names, group, strict=True) if g == k] for k in range(n_groups)]
        raise StatisticsError(f"raters fall into {n_groups} groups that share no item: {parts}")
