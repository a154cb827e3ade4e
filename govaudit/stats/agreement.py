"""Agreement between raters: any number of them on counts, or two side by side.

In: counts of ratings (``counts``) or two label sequences, with missing ratings and unequal numbers of
raters; the cluster (prompt) of each item. Out: percent agreement, Cohen, Fleiss, Krippendorff, Gwet and
Brennan-Prediger coefficients and the agreement specific to each category, each with a cluster-bootstrap
interval. Where a coefficient is not defined (one category was used, no item has two ratings) it says
why; nothing is nan, and one category alone never counts as perfect agreement.

No single coefficient is enough for rare labels: on the table 118/5/2/0 two raters agree on 94 % of the
items, kappa is -.02 and AC1 .94. All are given, with positive agreement beside them.

Left out: raters as a random sample (intervals speak of these raters; ``raters`` leaves each one out),
and reals (``icc``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import (
    BoolArray,
    FloatArray,
    IntArray,
    Resamples,
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
    zero_event_upper,
)
from govaudit.stats.counts import (
    Counts,
    Engine,
    collapse,
    corrected_for_chance,
    gwet_chance,
    linearised_error,
    ordinal_distance,
)
from govaudit.stats.intervals import clustered_rate

NO_PAIRS = "no item has two ratings"
ONE_CATEGORY = "only one category was used: agreement by chance is complete"


@dataclass(frozen=True)
class Agreement:
    """Coefficients of one table of counts; ``gwet`` is AC1 with identity weights and AC2 with others.

    ``by_category`` has the specific agreement of each category (positive agreement is that of the
    positive one). ``shares`` is the mean share of each category over items. ``n_paired`` items have at
    least two ratings.
    """

    categories: tuple[Any, ...]
    shares: tuple[float, ...]
    n_items: int
    n_paired: int
    n_ratings: int
    n_clusters: int
    percent: Coefficient
    fleiss: Coefficient
    alpha: Coefficient
    gwet: Coefficient
    brennan_prediger: Coefficient
    by_category: tuple[Coefficient, ...]


@dataclass(frozen=True)
class TwoRater:
    """Agreement of rater a (rows of ``table``) with rater b (columns), such as a judge with gold labels.

    ``n_items`` have both labels; ``n_missing`` lack one and enter nothing. ``kappa`` is Cohen's, and
    weighted when weights are given; ``ac`` is AC1, or AC2 when they are. ``positive`` is the specific
    agreement on the positive category, ``negative`` that on all others taken together; both are None
    when no category was named positive and there are not exactly two.
    """

    categories: tuple[Any, ...]
    table: tuple[tuple[int, ...], ...]
    n_items: int
    n_missing: int
    n_clusters: int
    percent: Coefficient
    kappa: Coefficient
    ac: Coefficient
    scott: Coefficient
    brennan_prediger: Coefficient
    positive: Coefficient | None
    negative: Coefficient | None
    by_category: tuple[Coefficient, ...]


def agreement(
    table: Counts,
    *,
    seed: int | np.random.Generator,
    weights: Weights = "identity",
    metric: Metric = "nominal",
    clusters: Labels | None = None,
    level: float = 0.95,
    rounds: int = 1000,
) -> Agreement:
    """All coefficients of a table of counts.

    ``weights`` serve percent, Fleiss, AC and Brennan-Prediger; ``metric`` serves alpha. ``clusters``
    (N,) groups items that belong together. Sources: Fleiss (1971, Psychological Bulletin 76:378) with
    Gwet's treatment of missing ratings; Krippendorff (2011, Computing Krippendorff's Alpha-Reliability);
    Gwet (2008, BJMSP 61:29; 2014, Handbook of Inter-Rater Reliability, ch. 5) for AC1 and AC2; Brennan &
    Prediger (1981, EPM 41:687); specific agreement: Cicchetti & Feinstein (1990, J Clin Epidemiol
    43:551), o_kk / n_k on Krippendorff's coincidences. Items with one rating enter the category shares
    of Fleiss and AC, nothing else. ``error`` is Gwet's linearised one, given when every item is its own
    cluster.
    """
    check_level(level)
    engine = Engine(table.categories, agreement_weights(weights, table.categories), metric)
    sums, repeats = _sums(engine, table, clusters)
    drawn = resample(sums, repeats, rounds, np.random.default_rng(seed))
    n_items, n_paired = int(drawn.total[0]), int(drawn.total[1])
    reason = NO_PAIRS if n_paired == 0 else ONE_CATEGORY
    worst = zero_event_upper(_clusters_with(sums[:, 1], repeats), level)
    independent = drawn.n_clusters == len(table.counts)

    def corrected(name: str, chance: Callable[[FloatArray], FloatArray]) -> Coefficient:
        with np.errstate(invalid="ignore", divide="ignore"):
            p_a, p_e = float(engine.percent(drawn.total)), float(chance(drawn.total))
        return estimate(
            name,
            engine.above(chance),
            drawn,
            level=level,
            n_items=n_paired,
            reason=reason,
            fixed=_unanimous(p_a, p_e, worst, engine.weights),
            error=linearised_error(engine, chance, sums, repeats) if independent else None,
        )

    gwet = "Gwet AC1" if weights == "identity" else f"Gwet AC2, {weights}"
    return Agreement(
        categories=table.categories,
        shares=tuple(float(x) for x in engine.shares(drawn.total)) if n_items else (),
        n_items=n_items,
        n_paired=n_paired,
        n_ratings=int(table.counts.sum()),
        n_clusters=drawn.n_clusters,
        percent=_share(
            "percent agreement",
            engine.percent,
            drawn,
            worst=worst,
            level=level,
            n_items=n_paired,
            reason=NO_PAIRS,
        ),
        fleiss=corrected("Fleiss kappa", engine.chance_fleiss),
        alpha=_alpha(engine, drawn, worst=worst, level=level, n_paired=n_paired, reason=reason),
        gwet=corrected(gwet, engine.chance_gwet),
        brennan_prediger=corrected("Brennan-Prediger", engine.chance_brennan_prediger),
        by_category=tuple(
            _share(
                f"agreement on {category!r}",
                engine.specific(k),
                drawn,
                worst=zero_event_upper(_clusters_with(sums[:, 4 + engine.q + k], repeats), level),
                level=level,
                n_items=n_paired,
                reason=f"nobody gave {category!r} to an item with two ratings",
            )
            for k, category in enumerate(table.categories)
        ),
    )


def alpha(
    table: Counts,
    metric: Metric = "nominal",
    *,
    seed: int | np.random.Generator,
    clusters: Labels | None = None,
    level: float = 0.95,
    rounds: int = 1000,
) -> Coefficient:
    """Krippendorff's alpha alone (Krippendorff 2011), with the interval of ``agreement``.

    alpha = 1 - sum(O d) / sum(E d) over items with at least two ratings, O the coincidences, E theirs by
    chance. Resampling clusters moves O and E together; holding E fixed (the KALPHA scheme) makes the
    interval too short. ``rounds=0`` gives the value alone, for callers that resample around it.
    """
    check_level(level)
    engine = Engine(table.categories, agreement_weights("identity", table.categories), metric)
    sums, repeats = _sums(engine, table, clusters)
    drawn = resample(sums, repeats, rounds, np.random.default_rng(seed))
    n_paired = int(drawn.total[1])
    worst = zero_event_upper(_clusters_with(sums[:, 1], repeats), level)
    reason = NO_PAIRS if n_paired == 0 else ONE_CATEGORY
    return _alpha(engine, drawn, worst=worst, level=level, n_paired=n_paired, reason=reason)


def two_rater(
    labels_a: Labels,
    labels_b: Labels,
    *,
    seed: int | np.random.Generator,
    clusters: Labels | None = None,
    categories: Sequence[Any] | None = None,
    positive: Any = None,
    weights: Weights = "identity",
    level: float = 0.95,
    rounds: int = 1000,
) -> TwoRater:
    """Agreement of two raters on the same items (n,), such as a judge and gold labels.

    ``categories`` are all labels that the rubric offers; the observed ones without it. ``positive``
    names the category of positive agreement (the second of two without it). Sources: Cohen (1960, EPM
    20:37; 1968, Psychological Bulletin 70:213 for weights), its error Fleiss, Cohen & Everitt (1969,
    Psychological Bulletin 72:323) over independent items; Scott (1955, POQ 19:321); Gwet
    (2008) and Brennan & Prediger (1981) as in ``agreement``. A rater who gave one category only has
    kappa 0 or none and no interval, and ``undefined`` says so.
    """
    check_level(level)
    if len(labels_a) != len(labels_b):
        raise StatisticsError(f"{len(labels_a)} labels of one rater but {len(labels_b)} of the other")
    if categories is None:
        categories = observed_categories([*as_labels(labels_a).tolist(), *as_labels(labels_b).tolist()])
    pair = _Pair(tuple(categories), agreement_weights(weights, categories))
    if positive is None and pair.q == 2:
        positive = pair.categories[1]
    elif positive is not None and positive not in pair.categories:
        raise StatisticsError(f"positive category {positive!r} is not among {list(pair.categories)}")
    found = _compared(pair, labels_a, labels_b, clusters, np.random.default_rng(seed), rounds, level)
    is_positive = [category == positive for category in pair.categories]
    simple = weights == "identity"
    return TwoRater(
        categories=pair.categories,
        table=tuple(tuple(int(x) for x in row) for row in found.table),
        n_items=found.n,
        n_missing=len(labels_a) - found.n,
        n_clusters=found.n_clusters,
        percent=found.plain_percent() if simple and found.n else found.percent(),
        kappa=found.corrected("Cohen kappa" if simple else f"Cohen kappa, {weights}", pair.cohen),
        ac=found.corrected("Gwet AC1" if simple else f"Gwet AC2, {weights}", pair.gwet),
        scott=found.corrected("Scott pi", pair.scott),
        brennan_prediger=found.corrected("Brennan-Prediger", pair.brennan_prediger),
        positive=found.specific(repr(positive), is_positive) if any(is_positive) else None,
        negative=found.specific(f"not {positive!r}", [not x for x in is_positive])
        if any(is_positive)
        else None,
        by_category=tuple(
            found.specific(repr(category), [k == other for other in range(pair.q)])
            for k, category in enumerate(pair.categories)
        ),
    )


@dataclass(frozen=True)
class _Pair:
    """Coefficients of two raters as functions of flattened tables t (..., q * q)."""

    categories: tuple[Any, ...]
    weights: FloatArray

    @property
    def q(self) -> int:
        return len(self.categories)

    def shares(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Category shares (..., q) of rater a and of rater b."""
        square = t.reshape(*t.shape[:-1], self.q, self.q)
        n = t.sum(axis=-1)[..., None]
        return square.sum(axis=-1) / n, square.sum(axis=-2) / n

    def percent(self, t: FloatArray) -> FloatArray:
        return np.asarray(t @ self.weights.ravel() / t.sum(axis=-1))

    def cohen(self, t: FloatArray) -> FloatArray:
        a, b = self.shares(t)
        return np.asarray(np.sum((a @ self.weights) * b, axis=-1))

    def scott(self, t: FloatArray) -> FloatArray:
        a, b = self.shares(t)
        pi = (a + b) / 2.0
        return np.asarray(np.sum((pi @ self.weights) * pi, axis=-1))

    def gwet(self, t: FloatArray) -> FloatArray:
        a, b = self.shares(t)
        return gwet_chance((a + b) / 2.0, self.weights)

    def brennan_prediger(self, t: FloatArray) -> FloatArray:
        return np.where(np.isnan(self.gwet(t)), np.nan, self.weights.mean() if self.q else np.nan)

    def above(self, chance: Callable[[FloatArray], FloatArray]) -> Callable[[FloatArray], FloatArray]:
        return lambda t: corrected_for_chance(self.percent(t), chance(t))

    def specific_sums(
        self, members: BoolArray
    ) -> tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]:
        """Functions of t: ratings in ``members`` that the other rater shares, and all ratings in it."""
        inside = np.outer(members, members).ravel() * 2.0
        touched = (members[:, None].astype(np.float64) + members).ravel()
        return lambda t: t @ inside, lambda t: t @ touched

    def cohen_error(self, t: FloatArray) -> float | None:
        """Fleiss, Cohen & Everitt (1969), for independent items."""
        with np.errstate(invalid="ignore", divide="ignore"):
            p_e, kappa = float(self.cohen(t)), float(self.above(self.cohen)(t))
        if not np.isfinite(kappa):
            return None
        n = float(t.sum())
        p = t.reshape(self.q, self.q) / n
        a, b = self.shares(t)
        mean = (self.weights @ b)[:, None] + (a @ self.weights)
        square = float(np.sum(p * (self.weights - mean * (1.0 - kappa)) ** 2))
        variance = (square - (kappa - p_e * (1.0 - kappa)) ** 2) / (n * (1.0 - p_e) ** 2)
        return float(np.sqrt(max(variance, 0.0)))


@dataclass(frozen=True)
class _Compared:
    """The items that both raters labelled, and resamples of their clusters."""

    pair: _Pair
    agreed: BoolArray
    """(n,)"""
    codes: IntArray
    """(n,): the cluster of each."""
    cells: FloatArray
    """(U, q * q): tables of the clusters."""
    repeats: FloatArray | None
    """(U,): how many clusters each of these stands for; ``None`` = one."""
    drawn: Resamples
    n_clusters: int
    level: float

    @property
    def n(self) -> int:
        return len(self.agreed)

    @property
    def table(self) -> FloatArray:
        """(q, q)"""
        return self.drawn.total.reshape(self.pair.q, self.pair.q)

    @property
    def worst(self) -> float:
        """Largest share of clusters with an event that none of them had."""
        return zero_event_upper(self.n_clusters, self.level)

    def plain_percent(self) -> Coefficient:
        """Percent agreement as a plain rate, so its interval is that of rates."""
        rate = clustered_rate(self.agreed, self.codes, self.level)
        return Coefficient(
            "percent agreement",
            rate.rate,
            rate.low,
            rate.high,
            self.level,
            rate.n,
            rate.clusters,
            rate.method,
        )

    def percent(self) -> Coefficient:
        """Percent agreement with partial credit."""
        return self._share("percent agreement", self.pair.percent, self.worst, NO_PAIRS)

    def specific(self, name: str, members: Sequence[bool]) -> Coefficient:
        """Agreement on the categories that are ``members`` (q,)."""
        agreed, used = self.pair.specific_sums(np.array(members))
        worst = zero_event_upper(_clusters_with(used(self.cells), self.repeats), self.level)
        return self._share(
            f"agreement on {name}", lambda t: agreed(t) / used(t), worst, f"nobody gave {name}"
        )

    def corrected(self, name: str, chance: Callable[[FloatArray], FloatArray]) -> Coefficient:
        """Agreement above chance, over what is possible."""
        pair, total = self.pair, self.drawn.total
        constant = self.n > 0 and max(self.table.sum(axis=0).max(), self.table.sum(axis=1).max()) == self.n
        with np.errstate(invalid="ignore", divide="ignore"):
            p_a, p_e = float(pair.percent(total)), float(chance(total))
        return estimate(
            name,
            pair.above(chance),
            self.drawn,
            level=self.level,
            n_items=self.n,
            reason=NO_PAIRS if self.n == 0 else ONE_CATEGORY,
            fixed=_unanimous(p_a, p_e, self.worst, pair.weights),
            still="a rater gave one category only: the coefficient cannot move" if constant else None,
            error=pair.cohen_error(total) if chance == pair.cohen and self.n_clusters == self.n else None,
        )

    def _share(
        self, name: str, statistic: Callable[[FloatArray], FloatArray], worst: float, reason: str
    ) -> Coefficient:
        return _share(
            name, statistic, self.drawn, worst=worst, level=self.level, n_items=self.n, reason=reason
        )


def _compared(
    pair: _Pair,
    labels_a: Labels,
    labels_b: Labels,
    clusters: Labels | None,
    generator: np.random.Generator,
    rounds: int,
    level: float,
) -> _Compared:
    a, b = encode(labels_a, pair.categories), encode(labels_b, pair.categories)
    both = (a >= 0) & (b >= 0)
    a, b, n_cells = a[both], b[both], pair.q**2
    codes, n_clusters = cluster_codes(cluster_codes(clusters, len(both))[0][both], len(a))
    cells, repeats = _cells_by_cluster(a * pair.q + b, codes, n_clusters, n_cells)
    drawn = resample(cells, repeats, rounds, generator)
    return _Compared(pair, a == b, codes, cells, repeats, drawn, n_clusters, level)


def _cells_by_cluster(
    cell: IntArray, codes: IntArray, n_clusters: int, n_cells: int
) -> tuple[FloatArray, FloatArray | None]:
    """Tables of the clusters (U, cells), with their numbers when each item is its own cluster."""
    if n_clusters == len(cell):
        return np.eye(n_cells), np.bincount(cell, minlength=n_cells).astype(np.float64)
    flat = np.bincount(codes * n_cells + cell, minlength=n_clusters * n_cells)
    return flat.reshape(n_clusters, n_cells).astype(np.float64), None


def _sums(engine: Engine, table: Counts, clusters: Labels | None) -> tuple[FloatArray, FloatArray]:
    """Moments summed by cluster (U, p), and how many clusters each row stands for."""
    codes, n_clusters = cluster_codes(clusters, len(table.counts))
    if n_clusters == len(table.counts):
        rows, repeats = collapse(table.counts)
        return engine.moments(rows), repeats
    return sums_by_cluster(engine.moments(table.counts), codes, n_clusters), np.ones(n_clusters)


def _clusters_with(column: FloatArray, repeats: FloatArray | None) -> int:
    """How many clusters have a positive entry in ``column``."""
    return int(np.sum((column > 0) * (1.0 if repeats is None else repeats)))


def _unanimous(p_a: float, p_e: float, worst: float, weights: FloatArray) -> tuple[float, float] | None:
    """Limits where nobody disagreed: at most ``worst`` of the clusters would, chance agreement held."""
    if not p_a > 1.0 - 1e-12 or not p_e < 1.0 - 1e-12:
        return None
    return max(-1.0, 1.0 - worst * (1.0 - float(weights.min())) / (1.0 - p_e)), 1.0


def _alpha(
    engine: Engine, drawn: Resamples, *, worst: float, level: float, n_paired: int, reason: str
) -> Coefficient:
    fixed = None
    if n_paired:
        observed, expected = (float(x) for x in engine.disagreements(drawn.total))
        if observed == 0.0 and expected > 0.0:
            n_k = drawn.total[4 + engine.q : 4 + 2 * engine.q]
            d = engine.distance()
            largest = float((ordinal_distance(n_k) if d is None else d).max())
            fixed = max(-1.0, 1.0 - worst * largest * float(n_k.sum()) / expected), 1.0
    return estimate(
        f"Krippendorff alpha, {engine.metric}",
        engine.alpha,
        drawn,
        level=level,
        n_items=n_paired,
        reason=reason,
        fixed=fixed,
    )


def _share(
    name: str,
    statistic: Callable[[FloatArray], FloatArray],
    drawn: Resamples,
    *,
    worst: float,
    level: float,
    n_items: int,
    reason: str,
) -> Coefficient:
    """A share of agreement; where it is 0 or 1 throughout, its limit is that of a rate without events."""
    fixed = None
    if n_items:
        with np.errstate(invalid="ignore", divide="ignore"):
            value = round(float(statistic(drawn.total)), 12)
        fixed = {0.0: (0.0, worst), 1.0: (1.0 - worst, 1.0)}.get(value)
    return estimate(name, statistic, drawn, level=level, n_items=n_items, reason=reason, fixed=fixed)
