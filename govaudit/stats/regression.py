"""Linear and fractional logistic regression with errors that are robust to clusters.

In: an outcome per row, named columns, and the cluster (prompt) of each row. Out: coefficients with t
intervals on clusters - 1 degrees of freedom, and the influence of each cluster on them, from which
differences between two regressions on the same clusters take their error. Left out: selection of columns,
penalties (they shrink what is to be reported) and weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, stdtrit

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, IntArray, named_clusters
from govaudit.stats.coefficient import check_level
from govaudit.stats.ranking import Term

_STEPS = 50
_FURTHEST = 15.0
"""A logit beyond which the maximum is taken for infinite."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients ``terms`` in the order of the columns, their ``covariance`` (p, p) and the ``influences``
    (G, p) of the clusters ``names`` (G,), which sum to 0."""

    terms: tuple[Term, ...]
    covariance: FloatArray
    influences: FloatArray
    names: tuple[Any, ...]
    n: int

    @property
    def clusters(self) -> int:
        return len(self.names)

    def term(self, name: str) -> Term:
        """The coefficient of that name; StatisticsError where it has no measurable error."""
        found = [term for term in self.terms if term.name == name]
        if not found:
            raise StatisticsError(f"no term {name!r}; there are {[term.name for term in self.terms]}")
        if found[0].standard_error <= 1e-12 * max(1.0, abs(found[0].value)):
            raise StatisticsError(f"no cluster moves {name}: an interval would have width 0")
        return found[0]


def least_squares(
    outcome: ArrayLike,
    columns: Mapping[str, ArrayLike],
    clusters: Sequence[Any] | NDArray[Any],
    level: float = 0.95,
) -> Fit:
    """Least squares with the covariance of Liang & Zeger (1986, Biometrika 73:13) times G/(G-1).

    ``outcome`` (n,), ``columns`` name -> (n,), the constant included if there is to be one. Raises
    StatisticsError where the columns cannot be told apart or there are too few clusters.
    """
    y, X, codes, names = rows_of(outcome, columns, clusters)
    inverse = inverse_of(X.T @ X, tuple(columns))
    beta = inverse @ (X.T @ y)
    return clustered_fit(columns, beta, X * (y - X @ beta)[:, None], inverse, codes, names, level)


def fractional_logit(
    outcome: ArrayLike,
    columns: Mapping[str, ArrayLike],
    clusters: Sequence[Any] | NDArray[Any],
    level: float = 0.95,
) -> Fit:
    """Logistic regression of outcomes in [0, 1], such as preferences with ties as one half (Papke &
    Wooldridge 1996, Journal of Applied Econometrics 11:619), with errors as in :func:`least_squares`.

    Consistent for the mean whatever the distribution of the outcome. Raises StatisticsError also on
    separation.
    """
    y, X, codes, names = rows_of(outcome, columns, clusters)
    if bool(((y < 0) | (y > 1)).any()):
        raise StatisticsError("outcomes of a logistic regression lie between 0 and 1")
    scale = np.sqrt(np.mean(X**2, axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    Z = X / scale
    beta = np.zeros(X.shape[1])
    for _ in range(_STEPS):
        p = expit(Z @ beta)
        inverse = inverse_of((Z * (p * (1 - p))[:, None]).T @ Z, tuple(columns))
        step = inverse @ (Z.T @ (y - p))
        # Damped, because a full step from a flat start can overshoot.
        beta = beta + step * min(1.0, 4.0 / max(1e-12, float(np.abs(step).max())))
        if float(np.abs(Z @ beta).max()) > _FURTHEST and float(np.abs(beta).max()) > _FURTHEST:
            raise StatisticsError("the likelihood has no finite maximum (separation)")
        if float(np.abs(step).max()) < 1e-10:
            break
    else:
        raise StatisticsError("the likelihood has no finite maximum (separation)")
    p = expit(Z @ beta)
    if float(np.mean(p * (1 - p))) < 1e-6:
        raise StatisticsError("the likelihood has no finite maximum (separation)")
    scores = X * (y - p)[:, None]
    return clustered_fit(columns, beta / scale, scores, inverse / np.outer(scale, scale), codes, names, level)


def rows_of(
    outcome: ArrayLike, columns: Mapping[str, ArrayLike], clusters: Sequence[Any] | NDArray[Any]
) -> tuple[FloatArray, FloatArray, IntArray, tuple[Any, ...]]:
    """Outcome (n,), columns (n, p), code of each row's cluster (n,) and the clusters' names, all checked."""
    y = np.asarray(outcome, dtype=np.float64)
    if y.ndim != 1 or not len(y) or not bool(np.isfinite(y).all()):
        raise StatisticsError("a regression needs a row of finite outcomes, at least one")
    table = []
    for name, values in columns.items():
        column = np.asarray(values, dtype=np.float64)
        if column.shape != y.shape or not bool(np.isfinite(column).all()):
            raise StatisticsError(f"column {name!r} must be a finite number for each outcome")
        table.append(column)
    codes, names = named_clusters(clusters, len(y))
    if len(names) <= len(table):
        raise StatisticsError(f"{len(names)} clusters for {len(table)} coefficients: too few")
    return y, np.stack(table, axis=1), codes, tuple(names.tolist())


def inverse_of(information: FloatArray, names: Sequence[str]) -> FloatArray:
    """Inverse of an information matrix (p, p); StatisticsError names what the data say nothing about."""
    scale = np.sqrt(np.diag(information))
    if flat := [name for name, size in zip(names, scale, strict=True) if not size > 0]:
        raise StatisticsError(f"the data say nothing about: {', '.join(flat)}")
    scaled = information / np.outer(scale, scale)
    if float(np.linalg.eigvalsh(scaled)[0]) < 1e-10:
        raise StatisticsError(f"the data cannot tell these apart: {', '.join(names)}")
    return np.asarray(np.linalg.inv(scaled) / np.outer(scale, scale))


def clustered_fit(
    columns: Iterable[str],
    beta: FloatArray,
    scores: FloatArray,
    inverse: FloatArray,
    codes: IntArray,
    names: tuple[Any, ...],
    level: float,
) -> Fit:
    """The fit of coefficients ``beta`` (p,) with the ``scores`` (n, p) of the rows and the ``inverse`` (p, p)
    of the information: the covariance of Liang & Zeger (1986) times G/(G-1)."""
    check_level(level)
    groups = len(names)
    sums = np.stack([np.bincount(codes, column, groups) for column in scores.T], axis=1)
    influences = sums @ inverse
    covariance = groups / (groups - 1) * influences.T @ influences
    t = float(stdtrit(groups - 1, (1 + level) / 2))
    terms = []
    for at, name in enumerate(columns):
        error = float(np.sqrt(covariance[at, at]))
        value = float(beta[at])
        terms.append(Term(name, value, value - t * error, value + t * error, level, error))
    return Fit(tuple(terms), covariance, influences, names, len(scores))
