"""Ratings of arms from pairwise comparisons, with ties, order, covariates and prompt clusters.

In: ``Comparisons``. Out: a ``Ranking``: Davidson ratings with a covariance that is robust to clusters,
from which intervals, contrasts and the differences between two rankings on the same clusters are read
(``standing`` has simultaneous bands, rank sets, Elo and expected scores). A graph that admits no finite
ratings is refused by name, or held by a weak prior that the result is marked with.

Left out: online Elo updates (they depend on the order of the rows), ties as half a win (they shrink the
scale by the share of ties, so that two conditions cannot be compared), and latent classes of judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.special import stdtrit

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, IntArray, draw_counts
from govaudit.stats.coefficient import check_level
from govaudit.stats.comparisons import Cells, Comparisons, aggregate, why_not_rankable
from govaudit.stats.davidson import Maximum, Shape, maximise, probabilities, residuals


@dataclass(frozen=True)
class Term:
    """An estimate on the logit scale with a t interval on clusters - 1 degrees of freedom."""

    name: str
    value: float
    low: float
    high: float
    level: float
    standard_error: float


@dataclass(frozen=True, eq=False)
class Ranking:
    """A fitted Davidson model.

    ``ratings`` (K,) sum to 0; P(first wins) / P(second wins) = exp(difference) where nothing else acts.
    ``parameters`` (P,) are the ratings, then those of ``terms``; ``covariance`` (P, P) is theirs, robust
    to clusters, and ``inverse`` the inverse information. ``terms``: the first-position effect, the log of
    the tie parameter nu, the covariates. ``scores`` (U, P) are score contributions of clusters, of which
    ``repeats`` (U,) are alike; ``scores @ inverse`` are their influences. ``cluster_names`` (U,), or None
    when rows are independent. ``flags`` say what a reader must know.
    """

    players: tuple[Any, ...]
    ratings: FloatArray
    terms: tuple[Term, ...]
    parameters: FloatArray
    covariance: FloatArray
    inverse: FloatArray
    log_likelihood: float
    n: int
    n_ties: int
    n_clusters: int
    level: float
    tie_model: str
    flags: tuple[str, ...]
    shape: Shape
    scores: csr_matrix
    repeats: FloatArray
    cluster_names: NDArray[Any] | None

    def term(self, name: str) -> Term:
        """The term of that name: ``first position``, ``log nu`` or a covariate."""
        found = [term for term in self.terms if term.name == name]
        if not found:
            raise StatisticsError(f"no term {name!r}; there are {[term.name for term in self.terms]}")
        return found[0]

    def rating_covariance(self) -> FloatArray:
        """Covariance (K, K) of the ratings, which sum to 0."""
        k = len(self.players)
        return self.covariance[:k, :k]

    def contrast(self, first: Any, second: Any, level: float | None = None) -> Term:
        """The rating of one player minus that of another."""
        i, j = self._place(first), self._place(second)
        v = self.covariance
        variance = float(v[i, i] + v[j, j] - 2.0 * v[i, j])
        return _term(
            f"{first} - {second}",
            float(self.ratings[i] - self.ratings[j]),
            variance,
            self.n_clusters,
            self.level if level is None else level,
        )

    def outcome_probabilities(
        self, first: Any, second: Any, covariates: Sequence[float] | None = None
    ) -> tuple[float, float, float]:
        """P(first wins), P(tie), P(second wins) when ``first`` is shown first."""
        x = np.zeros((1, self.shape.covariates)) if covariates is None else np.array([covariates], float)
        places = np.array([self._place(first)]), np.array([self._place(second)])
        win, tie, loss = probabilities(self.parameters, self.shape, *places, x)[0]
        return float(win), float(tie), float(loss)

    def _place(self, player: Any) -> int:
        if player not in self.players:
            raise StatisticsError(f"player {player!r} is not ranked; there are {list(self.players)}")
        return self.players.index(player)


def rank(data: Comparisons, *, position: bool = True, prior: float = 0.0, level: float = 0.95) -> Ranking:
    """Fit Davidson's model (``davidson``) with a cluster-robust covariance.

    ``position`` adds the advantage of being shown first. Covariates act through beta' x, uncentred, so a
    rating is the strength at x = 0. ``prior`` > 0 adds that many phantom comparisons per player, half won
    and half lost against an opponent of rating 0, and is flagged; without it a graph that admits no
    finite ratings raises StatisticsError with the players concerned.

    Covariance: J^-1 (G/(G-1) sum_g U_g U_g') J^-1 with U_g the summed scores of cluster g (Liang & Zeger
    1986, Biometrika 73:13). Rows of one prompt are one cluster: errors by row miss the effect of the
    prompt (with such effects their 95 % intervals held the truth in 90 % of simulations, these in 95 %).
    Fewer clusters than parameters make this singular; one mean design effect is used then, and flagged.
    Raises StatisticsError on one cluster, on nothing but ties, and on separation.
    """
    check_level(level)
    if prior < 0:
        raise StatisticsError(f"prior is {prior}, must be 0 or more")
    k = len(data.players)
    if k < 2:
        raise StatisticsError(f"{k} players: nothing to rank")
    cells = aggregate(data)
    n_ties = int((data.outcome == 0).sum())
    if n_ties == len(data):
        raise StatisticsError("every comparison is a tie: no ratings, and the tie parameter is infinite")
    flags = _flags(data, cells, n_ties, prior)
    shape = Shape(k, position, n_ties > 0, data.covariates.shape[1])
    names = _parameter_names(data, shape)
    cells, scale = _scaled(cells)
    maximum = _unscaled(maximise(cells, shape, names, prior), shape, scale)
    cells = Cells(cells.first, cells.second, cells.covariates * scale, cells.counts, cells.of_row)
    scores, repeats = _scores(data, cells, shape, maximum)
    n_clusters = round(float(repeats.sum()))
    if n_clusters < 2:
        raise StatisticsError("one cluster: its ratings have no measurable error")
    covariance = _sandwich(scores, repeats, maximum.inverse, n_clusters)
    free = shape.size if prior else shape.size - 1
    if n_clusters <= free:
        covariance = _scaled_information(covariance, maximum.inverse, free)
        flags += (
            f"{n_clusters} clusters for {free} free parameters: errors from one mean design effect, "
            "as a robust covariance would be singular",
        )
    if prior:
        centre = np.eye(shape.size)
        centre[:k, :k] -= 1.0 / k
        covariance = centre @ covariance @ centre
    unmoved = [name for name, variance in zip(names, np.diag(covariance), strict=True) if variance <= 1e-16]
    if any(name in names[:k] for name in unmoved):
        raise StatisticsError(f"all clusters agree on the {unmoved[0]}: its error cannot be measured")
    flags += tuple(f"no cluster moves {name}: its interval has width 0" for name in unmoved)
    terms = tuple(
        _term(names[at], float(maximum.parameters[at]), float(covariance[at, at]), n_clusters, level)
        for at in range(k, shape.size)
    )
    return Ranking(
        players=data.players,
        ratings=maximum.parameters[:k],
        terms=terms,
        parameters=maximum.parameters,
        covariance=covariance,
        inverse=maximum.inverse,
        log_likelihood=maximum.log_likelihood,
        n=len(data),
        n_ties=n_ties,
        n_clusters=n_clusters,
        level=level,
        tie_model=_tie_model(maximum, shape, n_ties, len(data)),
        flags=flags,
        shape=shape,
        scores=scores,
        repeats=repeats,
        cluster_names=None if data.clusters is None else data.cluster_names,
    )


def _flags(data: Comparisons, cells: Cells, n_ties: int, prior: float) -> tuple[str, ...]:
    flags = []
    trouble = why_not_rankable(data.players, cells)
    if trouble is not None and not prior:
        raise StatisticsError(f"no finite ratings exist: {trouble}")
    if prior:
        flags.append(
            f"weak prior of {prior:g} phantom comparisons per player" + (f": {trouble}" if trouble else "")
        )
    if not n_ties:
        flags.append("no ties: Bradley-Terry")
    if data.clusters is None:
        flags.append("rows taken as independent")
    return tuple(flags)


def _tie_model(maximum: Maximum, shape: Shape, n_ties: int, n: int) -> str:
    if not shape.ties:
        return "Bradley-Terry, no ties"
    nu = float(np.exp(maximum.parameters[shape.tie_column]))
    return f"Davidson, nu = {nu:.3g}, {n_ties / n:.1%} ties"


def _parameter_names(data: Comparisons, shape: Shape) -> tuple[str, ...]:
    return (
        *(f"rating of {player}" for player in data.players),
        *(("first position",) if shape.position else ()),
        *(("log nu",) if shape.ties else ()),
        *data.covariate_names,
    )


def _scaled(cells: Cells) -> tuple[Cells, FloatArray]:
    """Covariates over their root mean square, which Newton's method needs; not centred, which would
    smuggle in a first-position effect."""
    if not cells.covariates.shape[1]:
        return cells, np.empty(0)
    scale = np.sqrt(np.mean(cells.covariates**2, axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    return Cells(cells.first, cells.second, cells.covariates / scale, cells.counts, cells.of_row), scale


def _unscaled(maximum: Maximum, shape: Shape, scale: FloatArray) -> Maximum:
    factor = np.ones(shape.size)
    if len(scale):
        factor[-len(scale) :] = 1.0 / scale
    return Maximum(
        maximum.parameters * factor, maximum.inverse * np.outer(factor, factor), maximum.log_likelihood
    )


def _scores(data: Comparisons, cells: Cells, shape: Shape, maximum: Maximum) -> tuple[csr_matrix, FloatArray]:
    """Score contributions (U, P) by cluster and how many clusters each row stands for."""
    p = probabilities(maximum.parameters, shape, cells.first, cells.second, cells.covariates)
    independent = data.clusters is None
    if independent and not shape.covariates and bool((data.weights == 1.0).all()):
        # Rows alike in players, order and outcome have equal scores: 3 kinds a cell instead of n rows.
        of_row = np.repeat(np.arange(len(p)), 3)
        outcome = np.tile([1, 0, -1], len(p))
        repeats = cells.counts.ravel()
        kept = repeats > 0
        of_row, outcome, repeats = of_row[kept], outcome[kept], repeats[kept]
        weights, covariates = np.ones(len(of_row)), np.empty((len(of_row), 0))
        group = np.arange(len(of_row))
    else:
        of_row, outcome, weights, covariates = cells.of_row, data.outcome, data.weights, data.covariates
        group = np.arange(len(data)) if data.clusters is None else data.clusters
        # A subset keeps the codes of all clusters; those without rows do not count.
        present = (
            np.bincount(group, minlength=0 if data.cluster_names is None else len(data.cluster_names)) > 0
        )
        repeats = present.astype(np.float64)
    counts = np.zeros((len(of_row), 3))
    counts[np.arange(len(of_row)), 1 - outcome] = weights
    u_s, u_eta = residuals(p[of_row], counts)
    first, second = cells.first[of_row], cells.second[of_row]
    rows, columns, values = [group, group], [first, second], [u_s, -u_s]

    def add(column: int, value: FloatArray) -> None:
        rows.append(group)
        columns.append(np.full(len(group), column))
        values.append(value)

    if shape.position:
        add(shape.players, u_s)
    if shape.ties:
        add(shape.tie_column, u_eta)
    for m in range(shape.covariates):
        add(shape.size - shape.covariates + m, u_s * covariates[:, m])
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return coo_matrix(entries, shape=(len(repeats), shape.size)).tocsr(), repeats


def _sandwich(scores: csr_matrix, repeats: FloatArray, inverse: FloatArray, n_clusters: int) -> FloatArray:
    mean = (repeats @ scores) / n_clusters
    meat = np.asarray((scores.T @ scores.multiply(repeats[:, None])).todense()) - n_clusters * np.outer(
        mean, mean
    )
    return np.asarray(n_clusters / (n_clusters - 1) * inverse @ meat @ inverse)


def _scaled_information(sandwich: FloatArray, inverse: FloatArray, free: int) -> FloatArray:
    """The inverse information times the mean design effect of all directions, at least 1.

    A sandwich of G clusters has rank G - 1: with fewer clusters than parameters some contrasts would get
    an error of 0. One factor for all is what so few clusters can tell (quasi-likelihood; McCullagh &
    Nelder 1989, Generalized Linear Models, ch. 9).
    """
    design_effect = float(np.trace(np.linalg.pinv(inverse, hermitian=True) @ sandwich)) / free
    return max(1.0, design_effect) * inverse


def _term(name: str, value: float, variance: float, n_clusters: int, level: float) -> Term:
    error = float(np.sqrt(max(variance, 0.0)))
    half = float(stdtrit(n_clusters - 1, (1 + level) / 2)) * error
    return Term(name, value, value - half, value + half, level, error)


# --- two rankings on the same clusters ------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RankingDifference:
    """Ratings of the first ranking minus those of the second, player by player.

    ``differences`` (one Term per player), ``covariance`` (K, K) of them, and ``joint`` (2K, 2K) of the
    first's and the second's ratings, for ratios and other functions of both. ``flags`` say what a reader
    must know.
    """

    players: tuple[Any, ...]
    differences: tuple[Term, ...]
    covariance: FloatArray
    joint: FloatArray
    n_clusters: int
    level: float
    flags: tuple[str, ...]

    def contrast(self, first: Any, second: Any) -> Term:
        """By how much the gap first - second is larger in the first ranking than in the second."""
        i, j = self.players.index(first), self.players.index(second)
        v = self.covariance
        value = self.differences[i].value - self.differences[j].value
        variance = float(v[i, i] + v[j, j] - 2.0 * v[i, j])
        return _term(f"{first} - {second}", value, variance, self.n_clusters, self.level)


def difference(a: Ranking, b: Ranking, level: float = 0.95) -> RankingDifference:
    """Differences of ratings under two rating instructions, or of the full set and a subset of it.

    The influence of cluster g on the difference is its influence on a minus that on b (0 where it has no
    rows), so that pairing and nesting are kept: Var = G/(G-1) sum_g (psi_a,g - psi_b,g)^2. Both rankings
    need the same players and clusters from one set of names. Their tie parameters are fitted apart,
    without which different tie rates would change the scale between the two.
    """
    check_level(level)
    if set(a.players) != set(b.players):
        raise StatisticsError(f"different players: {list(a.players)} and {list(b.players)}")
    if a.cluster_names is None or b.cluster_names is None:
        raise StatisticsError("rows taken as independent cannot be matched: give both rankings clusters")
    k = len(a.players)
    psi_a, psi_b = _influences(a, a.players), _influences(b, a.players)
    names_a = {name: g for g, name in enumerate(a.cluster_names.tolist()) if a.repeats[g]}
    names_b = {name: g for g, name in enumerate(b.cluster_names.tolist()) if b.repeats[g]}
    union = list(dict.fromkeys([*names_a, *names_b]))
    if not set(names_a) & set(names_b):
        raise StatisticsError("the two rankings share no cluster: they are not paired")
    g = len(union)
    both = np.zeros((g, 2 * k))
    for names, psi, columns in ((names_a, psi_a, slice(0, k)), (names_b, psi_b, slice(k, 2 * k))):
        at = [row for row, name in enumerate(union) if name in names]
        both[at, columns] = psi[[names[union[row]] for row in at]]
    both -= both.mean(axis=0)
    joint = g / (g - 1) * both.T @ both
    covariance = joint[:k, :k] - joint[:k, k:] - joint[k:, :k] + joint[k:, k:]
    order = [b.players.index(player) for player in a.players]
    gaps = a.ratings - b.ratings[order]
    return RankingDifference(
        players=a.players,
        differences=tuple(
            _term(str(player), float(gaps[at]), float(covariance[at, at]), g, level)
            for at, player in enumerate(a.players)
        ),
        covariance=covariance,
        joint=joint,
        n_clusters=g,
        level=level,
        flags=(f"{g} clusters for {k} players: errors are too small in some directions",) if g <= k else (),
    )


def _influences(ranking: Ranking, players: tuple[Any, ...]) -> FloatArray:
    """Influences (U, K) of the clusters on the ratings, in the order of ``players``, rows summing to 0."""
    columns = [ranking.players.index(player) for player in players]
    psi = np.asarray(ranking.scores @ ranking.inverse)[:, columns]
    return np.asarray(psi - psi.mean(axis=1, keepdims=True))


# --- bootstrap ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RankingDraws:
    """Resampled parameters (rounds, P) in the order of ``Ranking.parameters``; ``failed`` resamples had
    no finite ratings and are not among them."""

    parameters: FloatArray
    failed: int
    method: str

    def limits(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Percentile limits (P,) and (P,)."""
        low, high = np.quantile(self.parameters, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return low, high


def one_step_bootstrap(
    ranking: Ranking, *, seed: int | np.random.Generator, rounds: int = 200
) -> RankingDraws:
    """Cluster bootstrap by one Newton step from the estimate: theta + J^-1 sum_g (m_g - 1) U_g.

    m are multinomial counts of resampled clusters. The order of error is that of the full bootstrap
    (Davison & Hinkley 1997, Bootstrap Methods and their Application, ch. 2), at a fraction of its price.
    """
    rng = np.random.default_rng(seed)
    moves = np.empty((rounds, ranking.shape.size))
    kinds = ranking.scores[ranking.repeats > 0]
    repeats = ranking.repeats[ranking.repeats > 0]
    block = max(1, (1 << 23) // len(repeats))
    for start in range(0, rounds, block):
        size = min(block, rounds - start)
        moves[start : start + size] = (draw_counts(repeats, size, rng) - repeats) @ kinds
    drawn = ranking.parameters + moves @ ranking.inverse
    k = len(ranking.players)
    drawn[:, :k] -= drawn[:, :k].mean(axis=1, keepdims=True)
    return RankingDraws(drawn, 0, "one-step cluster bootstrap")


def refit_bootstrap(
    data: Comparisons,
    ranking: Ranking,
    *,
    seed: int | np.random.Generator,
    rounds: int = 200,
) -> RankingDraws:
    """Cluster bootstrap with a full fit each time: what ``one_step_bootstrap`` approximates.

    ``data`` without covariates, as given to ``rank`` without a prior. Rows count as clusters when they
    are independent.
    """
    if ranking.shape.covariates:
        raise StatisticsError("refits are for rankings without covariates; use one_step_bootstrap")
    rng = np.random.default_rng(seed)
    cells = aggregate(data)
    names = _parameter_names(data, ranking.shape)
    place = cells.of_row * 3 + (1 - data.outcome)
    fits: list[FloatArray] = []
    for _ in range(rounds):
        if data.clusters is None:
            counts = _draw_rows(data, cells, place, rng)
        else:
            picked = draw_counts(ranking.repeats[ranking.repeats > 0], 1, rng)[0]
            by_cluster = np.zeros(len(ranking.repeats))
            by_cluster[ranking.repeats > 0] = picked
            counts = np.asarray(
                np.bincount(place, data.weights * by_cluster[data.clusters], cells.counts.size)
            )
        resampled = counts.reshape(-1, 3)
        drawn = Cells(cells.first, cells.second, cells.covariates, resampled, cells.of_row)
        try:
            fits.append(maximise(drawn, ranking.shape, names, start=ranking.parameters).parameters)
        except StatisticsError:
            continue
    if not fits:
        raise StatisticsError("no resample has finite ratings")
    return RankingDraws(np.stack(fits), rounds - len(fits), "cluster bootstrap, refitted")


def _draw_rows(data: Comparisons, cells: Cells, place: IntArray, rng: np.random.Generator) -> FloatArray:
    if bool((data.weights == 1.0).all()):
        kinds = cells.counts.ravel()
        return rng.multinomial(len(data), kinds / kinds.sum()).astype(np.float64)
    picked = rng.integers(0, len(data), size=len(data))
    return np.asarray(np.bincount(place[picked], data.weights[picked], cells.counts.size))
