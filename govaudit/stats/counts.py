"""Counts of ratings by item and category, and the agreement coefficients as functions of their sums.

In: a table of items x raters, or long rows (item, label), with missing ratings and unequal numbers of
raters. Out: ``Counts``, and an ``Engine`` whose coefficients are functions of summed moments of items,
so that a bootstrap needs the sums of resampled clusters and nothing else. Where a coefficient is not
defined its function gives nan; ``agreement`` turns that into a reason. Left out: anything that needs to
know which rater said what (``two_rater`` in ``agreement``, ``raters``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, IntArray
from govaudit.stats.coefficient import (
    Labels,
    Metric,
    as_labels,
    category_values,
    encode,
    observed_categories,
)


@dataclass(frozen=True)
class Counts:
    """How many raters gave each item each category.

    ``counts`` (N, q) of whole numbers, ``categories`` (q) the declared labels in their order,
    ``items`` (N) their identifiers.
    """

    counts: IntArray
    categories: tuple[Any, ...]
    items: tuple[Any, ...]


def count_ratings(ratings: Labels, categories: Sequence[Any] | None = None) -> Counts:
    """Counts from a table (N items, R raters); None or nan is a missing rating.

    ``categories`` are all labels that the rubric offers: those that nobody used still count in AC and
    Brennan-Prediger. Without them the observed ones are taken.
    """
    array = as_labels(ratings)
    if array.ndim != 2:
        raise StatisticsError(f"ratings must be items x raters, got shape {array.shape}")
    declared = tuple(categories) if categories is not None else observed_categories(array)
    n, q = len(array), len(declared)
    values = category_values(declared)
    if array.dtype.kind != "O" and values is not None and q * array.shape[1] <= 64:
        counts = _count_numbers(array, values)
    else:
        codes = encode(array, declared)
        # One column more takes the missing ratings, so that no mask is needed.
        place = np.where(codes < 0, q, codes) + (q + 1) * np.arange(n, dtype=np.int64)[:, None]
        counts = np.bincount(place.ravel(), minlength=n * (q + 1)).reshape(n, q + 1)[:, :q]
    return Counts(counts, declared, tuple(range(n)))


def _count_numbers(ratings: NDArray[Any], values: FloatArray) -> IntArray:
    """Counts (N, q) by comparing column with category: three times as fast for a small table."""
    columns = np.ascontiguousarray(ratings.T)
    by_category = np.zeros((len(values), len(ratings)), dtype=np.int8)
    for k, value in enumerate(values):
        for column in columns:
            by_category[k] += column == value
    if int(by_category.sum()) != ratings.size - int(np.isnan(columns).sum()):
        encode(ratings, values.tolist())  # names the label that was not declared
    return by_category.T.astype(np.int64)


def count_long(items: Sequence[Any], labels: Labels, categories: Sequence[Any] | None = None) -> Counts:
    """Counts from long rows: one (item, label) per rating, in any order; items keep their first order."""
    if len(items) != len(labels):
        raise StatisticsError(f"{len(items)} items but {len(labels)} labels")
    declared = tuple(categories) if categories is not None else observed_categories(labels)
    codes = encode(labels, declared)
    rows: dict[Any, int] = {}
    row = np.array([rows.setdefault(item, len(rows)) for item in items], dtype=np.int64)
    q = len(declared)
    kept = codes >= 0
    counts = np.bincount(row[kept] * q + codes[kept], minlength=len(rows) * q).reshape(len(rows), q)
    return Counts(counts.astype(np.int64), declared, tuple(rows))


def collapse(counts: IntArray) -> tuple[IntArray, FloatArray]:
    """Distinct rows of ``counts`` and how often each occurs."""
    base = int(counts.max(initial=0)) + 1
    q = counts.shape[1]
    if q and base**q <= 1 << 20:
        key = counts @ (base ** np.arange(q, dtype=np.int64))
        repeats = np.bincount(key, minlength=1)
        kept = np.flatnonzero(repeats)
        rows = (kept[:, None] // base ** np.arange(q, dtype=np.int64)) % base
        return rows.astype(np.int64), repeats[kept].astype(np.float64)
    rows, repeats = np.unique(counts, axis=0, return_counts=True)
    return rows, repeats.astype(np.float64)


@dataclass(frozen=True)
class Engine:
    """The coefficients as functions of summed moments of items (columns laid out by ``moments``)."""

    categories: tuple[Any, ...]
    weights: FloatArray
    metric: Metric

    @property
    def q(self) -> int:
        return len(self.categories)

    def distance(self) -> FloatArray | None:
        """Squared differences d (q, q) of Krippendorff's alpha; None for ordinal, which needs the data."""
        if self.metric == "nominal":
            return 1.0 - np.eye(self.q)
        if self.metric == "ordinal":
            return None
        values = category_values(self.categories)
        if values is None:
            raise StatisticsError(f"the {self.metric} metric needs numbers as categories")
        apart = values[:, None] - values
        if self.metric == "interval":
            return np.asarray(apart**2)
        if self.metric != "ratio":
            raise StatisticsError(f"metric {self.metric!r} is not known: nominal, ordinal, interval or ratio")
        if bool((values < 0).any()):
            raise StatisticsError("the ratio metric needs categories of 0 or more")
        both = values[:, None] + values
        return np.divide(apart, both, out=np.zeros_like(apart), where=both > 0) ** 2

    def moments(self, counts: IntArray) -> FloatArray:
        """(N, 4 + 3q [+ q^2]): rated, paired, p_a, alpha's disagreement, o_kk, n_k, shares [, o_ck]."""
        c = counts.astype(np.float64)
        r = c.sum(axis=1)
        paired = r >= 2
        more = np.where(paired, r - 1.0, 1.0)
        p_a = np.where(paired, np.sum(c * (c @ self.weights - 1.0), axis=1) / (np.maximum(r, 1) * more), 0.0)
        d = self.distance()
        disagreement = (
            np.zeros(len(c)) if d is None else np.where(paired, np.sum(c * (c @ d), axis=1) / more, 0.0)
        )
        within = (paired / more)[:, None]
        columns = [
            (r >= 1).astype(np.float64)[:, None],
            paired.astype(np.float64)[:, None],
            p_a[:, None],
            disagreement[:, None],
            c * (c - 1.0) * within,
            c * paired[:, None],
            c / np.maximum(r, 1.0)[:, None],
        ]
        if d is None:
            pairs = c[:, :, None] * c[:, None, :]
            pairs[:, np.arange(self.q), np.arange(self.q)] -= c
            columns.append((pairs * within[:, :, None]).reshape(len(c), -1))
        return np.concatenate(columns, axis=1)

    def percent(self, t: FloatArray) -> FloatArray:
        return t[..., 2] / t[..., 1]

    def shares(self, t: FloatArray) -> FloatArray:
        start = 4 + 2 * self.q
        return np.asarray(t[..., start : start + self.q] / t[..., :1])

    def chance_fleiss(self, t: FloatArray) -> FloatArray:
        pi = self.shares(t)
        return np.asarray(np.einsum("...c,ck,...k->...", pi, self.weights, pi))

    def chance_gwet(self, t: FloatArray) -> FloatArray:
        return gwet_chance(self.shares(t), self.weights)

    def chance_brennan_prediger(self, t: FloatArray) -> FloatArray:
        return np.where(np.isnan(self.chance_gwet(t)), np.nan, self.weights.mean() if self.q else np.nan)

    def above(self, chance: Callable[[FloatArray], FloatArray]) -> Callable[[FloatArray], FloatArray]:
        return lambda t: corrected_for_chance(self.percent(t), chance(t))

    def disagreements(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Observed and expected disagreement of alpha, sum(O d) and sum(E d)."""
        q = self.q
        n_k = t[..., 4 + q : 4 + 2 * q]
        n = n_k.sum(axis=-1)
        d = self.distance()
        if d is not None:
            return t[..., 3], np.einsum("...c,ck,...k->...", n_k, d, n_k) / (n - 1.0)
        d = ordinal_distance(n_k)
        o = t[..., 4 + 3 * q :].reshape(*t.shape[:-1], q, q)
        expected = np.einsum("...c,...ck,...k->...", n_k, d, n_k) / (n - 1.0)
        return np.sum(o * d, axis=(-2, -1)), expected

    def alpha(self, t: FloatArray) -> FloatArray:
        observed, expected = self.disagreements(t)
        return np.where(expected > 1e-12, 1.0 - observed / expected, np.nan)

    def specific(self, k: int) -> Callable[[FloatArray], FloatArray]:
        return lambda t: t[..., 4 + k] / t[..., 4 + self.q + k]


def corrected_for_chance(p_a: FloatArray, p_e: FloatArray) -> FloatArray:
    """(p_a - p_e) / (1 - p_e); nan where chance agreement is complete."""
    return np.where(1.0 - p_e > 1e-12, (p_a - p_e) / (1.0 - p_e), np.nan)


def gwet_chance(pi: FloatArray, weights: FloatArray) -> FloatArray:
    """Chance agreement of AC1 and AC2 from category shares (..., q): sum(w) / (q (q - 1)) sum pi (1 - pi).

    nan when one category has all the ratings: the formula would call that perfect agreement, although
    the raters were given nothing to tell apart.
    """
    q = pi.shape[-1]
    spread = np.sum(pi * (1.0 - pi), axis=-1)
    return np.where(spread > 1e-12, weights.sum() / max(1, q * (q - 1)) * spread, np.nan)


def ordinal_distance(n_k: FloatArray) -> FloatArray:
    """Krippendorff's ordinal differences (..., q, q) from category totals (..., q).

    d_ck = (sum of n_g for g from c to k - (n_c + n_k) / 2)^2 (Krippendorff 2011, Computing
    Krippendorff's Alpha-Reliability).
    """
    middle = np.cumsum(n_k, axis=-1) - n_k / 2.0
    return np.asarray((middle[..., :, None] - middle[..., None, :]) ** 2)


def linearised_error(
    engine: Engine, chance: Callable[[FloatArray], FloatArray], moments: FloatArray, repeats: FloatArray
) -> float | None:
    """Standard error over independent items of a coefficient (p_a - p_e) / (1 - p_e) of ``engine``.

    ``moments`` (U, p) of distinct items and their numbers ``repeats`` (U,). Gwet (2008, BJMSP 61:29;
    2014, Handbook of Inter-Rater Reliability, chapter 5, with missing ratings). None where
    the coefficient is not defined.
    """
    t = repeats @ moments
    n, paired = t[0], t[1]
    q, w = engine.q, engine.weights
    with np.errstate(invalid="ignore", divide="ignore"):
        p_e = float(chance(t))
        value = float(engine.above(chance)(t))
    if n < 2 or not np.isfinite(value):
        return None
    share = moments[:, 4 + 2 * q : 4 + 3 * q]
    pi = engine.shares(t)
    if chance == engine.chance_gwet:
        item_chance = w.sum() / (q * (q - 1)) * (share @ (1.0 - pi))
    elif chance == engine.chance_fleiss:
        item_chance = share @ ((w + w.T) / 2.0 @ pi)
    else:
        item_chance = np.full(len(share), p_e)
    g = (n / paired) * (moments[:, 2] - p_e * moments[:, 1]) / (1.0 - p_e)
    g = g - 2.0 * (1.0 - value) * (item_chance - p_e) / (1.0 - p_e)
    return float(np.sqrt(np.sum(moments[:, 0] * repeats * (g - value) ** 2) / (n * (n - 1.0))))
