"""Regression of grades on an ordered scale: the cumulative logit model, with errors robust to clusters.

In: a grade per row, named columns, and the cluster (prompt) of each row. Out: thresholds between the grades,
and per column the log odds of a higher grade, with t intervals on clusters - 1 degrees of freedom. Grades
that nobody gave are left out: they say nothing about where a threshold lies. Left out: random effects of
prompts (the coefficients are those of the population of answers, as in a comparison of means), and penalties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, IntArray
from govaudit.stats.ranking import Term
from govaudit.stats.regression import clustered_fit, inverse_of, rows_of

_STEPS = 100
_HALVINGS = 40
_FURTHEST = 15.0
"""A log odds ratio beyond which the maximum is taken for infinite."""
_SMALLEST = 1e-300


@dataclass(frozen=True, eq=False)
class OrdinalFit:
    """``thresholds`` between neighbouring ``grades`` in order, and ``terms`` of the columns in theirs."""

    grades: tuple[float, ...]
    thresholds: tuple[Term, ...]
    terms: tuple[Term, ...]
    covariance: FloatArray
    """(K - 1 + p, K - 1 + p): thresholds first."""
    n: int
    clusters: int


def cumulative_logit(
    grades: ArrayLike,
    columns: Mapping[str, ArrayLike],
    clusters: Sequence[Any] | NDArray[Any],
    level: float = 0.95,
) -> OrdinalFit:
    """Proportional odds: logit P(grade <= k | x) = threshold_k - x beta (McCullagh 1980, JRSS B 42:109,
    eq. 2.3), by maximum likelihood, with the covariance of Liang & Zeger (1986, Biometrika 73:13) times
    G/(G-1).

    ``grades`` (n,): numbers of which the order counts alone; ``columns`` name -> (n,), at least one, without
    a constant (the thresholds are it). A positive coefficient means higher grades. Raises StatisticsError for
    a single grade, columns that cannot be told apart, too few clusters, and where the likelihood has no
    finite maximum (a column whose rows all have the lowest or the highest grade).
    """
    y, X, codes, names = rows_of(grades, columns, clusters)
    if not X.shape[1]:
        raise StatisticsError("no column: nothing to compare")
    levels, place = np.unique(y, return_inverse=True)
    cuts = len(levels) - 1
    if cuts < 1:
        raise StatisticsError("one grade was given throughout")
    labels = (*(f"<= {level_:g}" for level_ in levels[:-1]), *columns)
    spread = np.sqrt(np.mean(X**2, axis=0))
    spread = np.where(spread > 0, spread, 1.0)
    upper, lower = _designs(place.astype(np.int64), X / spread, cuts)
    start = np.concatenate([_logit_of_shares(place, cuts), np.zeros(X.shape[1])])
    parameters = _maximum(start, upper, lower, cuts, labels)
    scores, information = _derivatives(parameters, upper, lower)
    scale = np.concatenate([np.ones(cuts), spread])
    inverse = inverse_of(-information, labels) / np.outer(scale, scale)
    fit = clustered_fit(labels, parameters / scale, scores * scale, inverse, codes, names, level)
    return OrdinalFit(
        grades=tuple(levels.tolist()),
        thresholds=fit.terms[:cuts],
        terms=fit.terms[cuts:],
        covariance=fit.covariance,
        n=len(y),
        clusters=len(names),
    )


@dataclass(frozen=True, eq=False)
class _Design:
    """Rows (n, K - 1 + p) that give a bound's logit, and where there is a bound at all (n,)."""

    rows: FloatArray
    there: NDArray[np.bool_]

    def shares(self, parameters: FloatArray, without: float) -> FloatArray:
        """P(grade <= bound), ``without`` where there is no bound."""
        return np.where(self.there, expit(self.rows @ parameters), without)


def _designs(place: IntArray, X: FloatArray, cuts: int) -> tuple[_Design, _Design]:
    """The bounds above and below each row's grade."""
    found = []
    for bound in (place, place - 1):
        there = (bound >= 0) & (bound < cuts)
        marks = (bound[:, None] == np.arange(cuts)).astype(np.float64)
        found.append(_Design(np.hstack([marks, -X]) * there[:, None], there))
    return found[0], found[1]


def _logit_of_shares(place: NDArray[Any], cuts: int) -> FloatArray:
    below = np.array([np.mean(place <= k) for k in range(cuts)])
    return np.asarray(np.log(below / (1 - below)))


def _likelihood(parameters: FloatArray, upper: _Design, lower: _Design) -> float:
    share = upper.shares(parameters, 1.0) - lower.shares(parameters, 0.0)
    return float(np.log(np.maximum(share, _SMALLEST)).sum()) if bool((share > 0).all()) else -np.inf


def _derivatives(parameters: FloatArray, upper: _Design, lower: _Design) -> tuple[FloatArray, FloatArray]:
    """Score of each row (n, q) and the sum of second derivatives (q, q) of the log-likelihood."""
    high, low = upper.shares(parameters, 1.0), lower.shares(parameters, 0.0)
    share = np.maximum(high - low, _SMALLEST)
    up, down = high * (1 - high) / share, low * (1 - low) / share
    scores = upper.rows * up[:, None] - lower.rows * down[:, None]
    both = upper.rows * (up * (1 - 2 * high))[:, None]
    second = upper.rows.T @ both - lower.rows.T @ (lower.rows * (down * (1 - 2 * low))[:, None])
    return scores, np.asarray(second - scores.T @ scores, dtype=np.float64)


def _maximum(
    start: FloatArray, upper: _Design, lower: _Design, cuts: int, labels: Sequence[str]
) -> FloatArray:
    """Newton's method; the log-likelihood is concave, so halving a step that overshoots is enough."""
    parameters: FloatArray = start
    best = there = _likelihood(start, upper, lower)
    for _ in range(_STEPS):
        scores, second = _derivatives(parameters, upper, lower)
        step: FloatArray = inverse_of(-second, labels) @ scores.sum(axis=0)
        for _ in range(_HALVINGS):
            there = _likelihood(parameters + step, upper, lower)
            if there >= best - 1e-12:
                break
            step = step / 2
        parameters, best = parameters + step, there
        if float(np.abs(parameters[cuts:]).max()) > _FURTHEST:
            raise StatisticsError("the likelihood has no finite maximum (separation)")
        if float(np.abs(step).max()) < 1e-9:
            return parameters
    raise StatisticsError("the likelihood has no finite maximum (separation)")
