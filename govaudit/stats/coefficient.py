"""What every measure of agreement shares: its result, its labels and its weights.

In: labels of any hashable type with None or nan where a rating is missing. Out: integer codes against
a declared list of categories, weight and distance matrices, and ``Coefficient``. The coefficients
themselves are in ``agreement``, ``icc`` and ``raters``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import UNMOVED, FloatArray, IntArray, Limits, Resamples, Statistic
from govaudit.stats.intervals import wilson

Labels = Sequence[Any] | NDArray[Any]
Weights = Literal["identity", "linear", "quadratic", "ordinal"]
Metric = Literal["nominal", "ordinal", "interval", "ratio"]

MAX_CATEGORIES = 256
"""Above this many distinct labels they are measurements, not categories, and a q x q table is refused."""


@dataclass(frozen=True)
class Coefficient:
    """One statistic with its uncertainty; nothing in it is ever nan.

    ``value`` is None where the statistic is not defined, ``low`` and ``high`` where no interval exists;
    ``undefined`` then says why. ``error`` is the linearised standard error where the literature gives
    one (independent items only), else None. ``method`` names how the interval was made.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    level: float
    n_items: int
    n_clusters: int
    method: str
    error: float | None = None
    undefined: str | None = None


def undefined_coefficient(
    name: str, reason: str, *, level: float, n_items: int, n_clusters: int
) -> Coefficient:
    """A coefficient without value, carrying the reason."""
    return Coefficient(name, None, None, None, level, n_items, n_clusters, "none", None, reason)


def estimate(
    name: str,
    statistic: Statistic,
    resamples: Resamples,
    *,
    level: float,
    n_items: int,
    reason: str,
    fixed: tuple[float, float] | None = None,
    still: str | None = None,
    error: float | None = None,
) -> Coefficient:
    """``statistic`` of the sums with limits from their resamples.

    ``reason`` is told where the statistic is nan. ``fixed`` are the limits to use when no resample moves
    the estimate, as with raters who never disagree: a bootstrap would return an interval of width 0
    there, which is a claim that the data do not support. Without ``fixed`` such an interval is refused,
    and ``still`` says why the estimate cannot move.
    """
    n_clusters = resamples.n_clusters
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(resamples.total)) if n_items else np.nan
        if not np.isfinite(value):
            return undefined_coefficient(name, reason, level=level, n_items=n_items, n_clusters=n_clusters)
        limits = resamples.limits(statistic, level)
    if limits.reason == UNMOVED and fixed is not None:
        limits = Limits(*fixed, "zero-event limit on clusters")
    elif limits.reason == UNMOVED and still is not None:
        limits = Limits(None, None, "none", still)
    return Coefficient(
        name,
        value,
        limits.low,
        limits.high,
        level,
        n_items,
        n_clusters,
        limits.method,
        error or None,
        limits.reason,
    )


def zero_event_upper(n_clusters: int, level: float) -> float:
    """Two-sided Wilson limit of a rate of which ``n_clusters`` clusters show no case; 1 without clusters."""
    return wilson(0, n_clusters, level).high if n_clusters else 1.0


def check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise StatisticsError(f"level is {level}, must lie between 0 and 1")


def is_missing(label: Any) -> bool:
    return label is None or (isinstance(label, float) and math.isnan(label))


def as_labels(labels: Labels) -> NDArray[Any]:
    """An array of numbers as it is, anything else as objects (numpy would turn ["a", nan] into text)."""
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iubf":
        return labels
    return np.asarray(labels, dtype=object)


def observed_categories(labels: Labels) -> tuple[Any, ...]:
    """The distinct labels in order (by value where they compare, else by their text)."""
    array = as_labels(labels)
    if array.dtype.kind != "O":
        return tuple(_distinct_numbers(array[~np.isnan(array)]).tolist())
    distinct = {label for label in array.ravel().tolist() if not is_missing(label)}
    try:
        return tuple(sorted(distinct))
    except TypeError:
        return tuple(sorted(distinct, key=repr))


def _distinct_numbers(numbers: NDArray[Any]) -> NDArray[Any]:
    """Sorted distinct numbers; scales of a few whole numbers are counted, at a third of the price."""
    if numbers.size == 0 or float(np.ptp(numbers)) > 1024.0:
        return np.unique(numbers)
    low = int(numbers.min())
    steps = (numbers - low).astype(np.int64)
    if not bool((steps + low == numbers).all()):
        return np.unique(numbers)
    return (np.flatnonzero(np.bincount(steps)) + low).astype(numbers.dtype)


def encode(labels: Labels, categories: Sequence[Any]) -> IntArray:
    """Position of each label in ``categories``, -1 where it is missing; same shape as ``labels``.

    Raises StatisticsError for a label that was not declared, and for duplicate categories.
    """
    if len(set(categories)) != len(categories):
        raise StatisticsError(f"categories repeat: {list(categories)}")
    if len(categories) > MAX_CATEGORIES:
        raise StatisticsError(
            f"{len(categories)} distinct labels: too many for categories; round them, or use icc for reals"
        )
    array = as_labels(labels)
    values = category_values(categories)
    if array.dtype.kind != "O" and values is not None and len(values):
        return _encode_numbers(array.astype(np.float64, copy=False), values)
    positions = {category: code for code, category in enumerate(categories)}
    codes = np.full(array.size, -1, dtype=np.int64)
    for row, label in enumerate(array.ravel().tolist()):
        if is_missing(label):
            continue
        if label not in positions:
            raise StatisticsError(f"label {label!r} is not among the categories {list(categories)}")
        codes[row] = positions[label]
    return codes.reshape(array.shape)


def _encode_numbers(numbers: FloatArray, values: FloatArray) -> IntArray:
    order = np.argsort(values)
    place = np.minimum(np.searchsorted(values[order], numbers), len(values) - 1)
    codes: IntArray = order[place]
    strange = values[codes] != numbers
    missing = np.isnan(numbers)
    if bool((strange & ~missing).any()):
        label = float(numbers[strange & ~missing][0])
        raise StatisticsError(f"label {label!r} is not among the categories {values.tolist()}")
    return np.where(missing, -1, codes)


def category_values(categories: Sequence[Any]) -> FloatArray | None:
    """The categories as numbers, or None when one of them is not a number."""
    if not all(isinstance(c, (bool, int, float, np.number, np.bool_)) for c in categories):
        return None
    return np.asarray(categories, dtype=np.float64)


def agreement_weights(kind: Weights, categories: Sequence[Any]) -> FloatArray:
    """Agreement weights (q, q), 1 on the diagonal.

    identity: 1 if equal, else 0. linear: 1 - |a - b| / range (Cicchetti & Allison 1971). quadratic:
    1 - (a - b)^2 / range^2 (Fleiss & Cohen 1973). Both use the categories' values when they are
    numbers, else their ranks. ordinal: 1 - C(|a - b| + 1, 2) / C(q, 2) on ranks (Gwet 2014); this is
    not the ordinal metric of Krippendorff's alpha.
    """
    q = len(categories)
    rank = np.arange(q, dtype=np.float64)
    numbers = category_values(categories)
    values = rank if numbers is None or kind == "ordinal" else numbers
    apart: FloatArray = np.abs(values[:, None] - values)
    if kind == "identity" or q < 2:
        return np.eye(q)
    if kind == "ordinal":
        return np.asarray(1.0 - apart * (apart + 1.0) / (q * (q - 1)))
    if kind == "linear":
        return np.asarray(1.0 - apart / apart.max())
    if kind == "quadratic":
        return np.asarray(1.0 - (apart / apart.max()) ** 2)
    raise StatisticsError(f"weights {kind!r} are not known: identity, linear, quadratic or ordinal")
