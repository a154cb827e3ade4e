"""The likelihood of Davidson's model of comparisons with ties, and its maximum by Newton's method.

In: cells of comparisons (``comparisons.Cells``). Out: parameters, information and residuals. For players
i (shown first) and j with covariate difference x,

    s = theta_i - theta_j + delta + x'beta,   P(first) : P(tie) : P(second) = e^(s/2) : nu : e^(-s/2),

a concave multinomial logit in (theta, delta, eta = log nu, beta). Davidson (1970, JASA 65:317); Davidson
& Beaver (1977, Biometrics 33:693) for the order term; without ties it is Bradley & Terry (1952, Biometrika
39:324). Left out: what the maximum means (``ranking``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, IntArray
from govaudit.stats.comparisons import Cells

MAX_STEPS = 60


@dataclass(frozen=True)
class Shape:
    """Which parameters the model has, in this order: K ratings, position, log nu, p covariates."""

    players: int
    position: bool
    ties: bool
    covariates: int

    @property
    def size(self) -> int:
        return self.players + self.position + self.ties + self.covariates

    @property
    def tie_column(self) -> int:
        return self.players + self.position


@dataclass(frozen=True, eq=False)
class Maximum:
    """The maximum: ``parameters`` (P,) with ratings summing to 0, ``inverse`` (P, P) of the information.

    The information is singular along equal shifts of all ratings; ``inverse`` is the generalised inverse
    that keeps their sum at 0 (the plain inverse where a prior removes the singularity).
    """

    parameters: FloatArray
    inverse: FloatArray
    log_likelihood: float


def probabilities(
    parameters: FloatArray, shape: Shape, first: IntArray, second: IntArray, x: FloatArray
) -> FloatArray:
    """P(first wins), P(tie), P(second wins), (m, 3), for players by index and covariates x (m, p)."""
    theta = parameters[: shape.players]
    s = theta[first] - theta[second]
    if shape.position:
        s = s + parameters[shape.players]
    if shape.covariates:
        s = s + x @ parameters[-shape.covariates :]
    eta = parameters[shape.tie_column] if shape.ties else -np.inf
    logits = np.stack([s / 2, np.full(len(s), eta), -s / 2], axis=1)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def residuals(p: FloatArray, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Derivatives of the log-likelihood by s and by eta (m,), at counts (m, 3) and probabilities (m, 3)."""
    n = counts.sum(axis=1)
    u_s = ((counts[:, 0] - counts[:, 2]) - n * (p[:, 0] - p[:, 2])) / 2.0
    return u_s, counts[:, 1] - n * p[:, 1]


def maximise(
    cells: Cells, shape: Shape, names: tuple[str, ...], prior: float = 0.0, start: FloatArray | None = None
) -> Maximum:
    """Newton's method from ``start`` or 0, with step halving; 4 to 6 steps on ordinary data.

    ``prior`` is the number of phantom comparisons of each player, half won and half lost, against an
    opponent of rating 0. Raises StatisticsError, naming the parameters, when the data cannot tell them
    apart, or when the likelihood rises without bound (separation).
    """
    parameters = np.zeros(shape.size) if start is None else start
    p = probabilities(parameters, shape, *_design(cells))
    base = None
    if start is None:
        base = _information(p, cells, shape, prior, parameters)
        _check_identified(base, names)
    height = _log_likelihood(p, cells, parameters, shape, prior)
    total = float(cells.counts.sum())
    for _ in range(MAX_STEPS):
        gradient = _gradient(p, cells, parameters, shape, prior)
        information = _information(p, cells, shape, prior, parameters)
        try:
            factor = cho_factor(information)
        except np.linalg.LinAlgError:
            break
        step = cho_solve(factor, gradient)
        gain = float(gradient @ step)
        if gain <= 1e-13 * total:
            if base is not None and _flatness(information, base) < 1e-7:
                break
            inverse = cho_solve(factor, np.eye(shape.size))
            return Maximum(*_centred(parameters, inverse, shape, prior), height)
        size = 1.0
        while True:
            trial = parameters + size * step
            p = probabilities(trial, shape, *_design(cells))
            reached = _log_likelihood(p, cells, trial, shape, prior)
            if reached >= height or size < 1e-6:
                break
            size /= 2.0
        parameters, height = trial, reached
    runaway = [name for name, value in zip(names, parameters, strict=True) if abs(value) > 8.0]
    raise StatisticsError(
        "the likelihood has no finite maximum (separation)"
        + (f"; without bound: {', '.join(runaway[:6])}" if runaway else "")
        + "; a weak prior would bound the ratings and be marked in the result"
    )


def _flatness(information: FloatArray, base: FloatArray) -> float:
    """The smallest share of the information at 0 that is left in any direction."""
    return float(eigh(information, base, eigvals_only=True, subset_by_index=[0, 0])[0])


def _design(cells: Cells) -> tuple[IntArray, IntArray, FloatArray]:
    return cells.first, cells.second, cells.covariates


def _log_likelihood(p: FloatArray, cells: Cells, parameters: FloatArray, shape: Shape, prior: float) -> float:
    seen = cells.counts > 0
    with np.errstate(divide="ignore"):
        value = float(np.sum(cells.counts[seen] * np.log(p[seen])))
    if prior:
        theta = parameters[: shape.players]
        value -= prior / 2.0 * float(np.sum(np.logaddexp(0, theta) + np.logaddexp(0, -theta)))
    return value


def _gradient(p: FloatArray, cells: Cells, parameters: FloatArray, shape: Shape, prior: float) -> FloatArray:
    u_s, u_eta = residuals(p, cells.counts)
    k = shape.players
    gradient = np.empty(shape.size)
    gradient[:k] = np.bincount(cells.first, u_s, k) - np.bincount(cells.second, u_s, k)
    if shape.position:
        gradient[k] = u_s.sum()
    if shape.ties:
        gradient[shape.tie_column] = u_eta.sum()
    if shape.covariates:
        gradient[-shape.covariates :] = u_s @ cells.covariates
    if prior:
        gradient[:k] -= prior / 2.0 * np.tanh(parameters[:k] / 2.0)
    return gradient


def _information(
    p: FloatArray, cells: Cells, shape: Shape, prior: float, parameters: FloatArray
) -> FloatArray:
    """Minus the second derivatives (P, P), made definite along equal shifts of the ratings."""
    k, n = shape.players, cells.counts.sum(axis=1)
    apart = p[:, 0] - p[:, 2]
    v = n * (p[:, 0] + p[:, 2] - apart**2) / 4.0
    c = -n * apart * p[:, 1] / 2.0
    first, second, x = _design(cells)

    def by_player(weight: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(first, weight, k) - np.bincount(second, weight, k))

    information = np.zeros((shape.size, shape.size))
    cross = np.bincount(first * k + second, v, k * k).reshape(k, k)
    cross = cross + cross.T
    information[:k, :k] = np.diag(cross.sum(axis=1)) - cross
    columns: list[tuple[int, FloatArray]] = []
    if shape.position:
        columns.append((k, np.ones(len(n))))
    columns.extend((shape.size - shape.covariates + m, x[:, m]) for m in range(shape.covariates))
    for place, column in columns:
        weighted = v * column
        information[:k, place] = by_player(weighted)
        for other, second_column in columns:
            information[other, place] = weighted @ second_column
        if shape.ties:
            information[shape.tie_column, place] = information[place, shape.tie_column] = c @ column
    if shape.ties:
        information[:k, shape.tie_column] = by_player(c)
        information[shape.tie_column, shape.tie_column] = float(np.sum(n * p[:, 1] * (1.0 - p[:, 1])))
    information[k:, :k] = information[:k, k:].T
    if prior:
        information[np.arange(k), np.arange(k)] += prior / (4.0 * np.cosh(parameters[:k] / 2.0) ** 2)
    else:
        information[:k, :k] += np.trace(information[:k, :k]) / k**2
    return information


def _check_identified(information: FloatArray, names: tuple[str, ...]) -> None:
    scale = np.sqrt(np.diag(information))
    flat = [name for name, s in zip(names, scale, strict=True) if s <= 0.0]
    if flat:
        raise StatisticsError(f"the comparisons say nothing about: {', '.join(flat)}")
    values, vectors = eigh(information / np.outer(scale, scale), subset_by_index=[0, 0])
    if values[0] < 1e-9:
        tangled = [name for name, part in zip(names, vectors[:, 0], strict=True) if abs(part) > 0.05]
        raise StatisticsError(
            f"the comparisons cannot tell these apart: {', '.join(tangled[:6])}; "
            "a first-position term needs pairs in both orders, a covariate must vary within pairs"
        )


def _centred(
    parameters: FloatArray, inverse: FloatArray, shape: Shape, prior: float
) -> tuple[FloatArray, FloatArray]:
    k = shape.players
    centred = parameters.copy()
    centred[:k] -= centred[:k].mean()
    if not prior:
        # Takes out the direction that was added to make the information definite.
        inverse = inverse.copy()
        inverse[:k] -= inverse[:k].mean(axis=0, keepdims=True)
        inverse[:, :k] -= inverse[:, :k].mean(axis=1, keepdims=True)
    return centred, inverse
