"""Pairwise comparisons as arrays, and whether they can be ranked at all.

In: rows (first shown, second shown, outcome) with weights, clusters and covariates. Out: validated
``Comparisons``, their aggregation into cells, and a refusal with the reason where no finite ratings
exist. Left out: soft outcomes; a judge's probability p enters as two rows of one cluster with weights p
and 1 - p.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, IntArray, named_clusters


@dataclass(frozen=True, eq=False)
class Comparisons:
    """n comparisons of K players; all arrays have n rows.

    ``first`` and ``second`` index ``players`` in the order shown; ``outcome`` is 1 when the first was
    preferred, 0 for a tie, -1 when the second was. ``covariates`` (n, p) are differences first - second
    (such as of length), named by ``covariate_names``. ``clusters`` are codes into ``cluster_names``; None
    means independent rows.
    """

    players: tuple[Any, ...]
    first: IntArray
    second: IntArray
    outcome: IntArray
    weights: FloatArray
    covariates: FloatArray
    covariate_names: tuple[str, ...]
    clusters: IntArray | None
    cluster_names: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.first)

    def subset(self, rows: NDArray[np.bool_]) -> Comparisons:
        """The comparisons where ``rows`` (n,) is true, with the same players and cluster codes."""
        return Comparisons(
            self.players,
            self.first[rows],
            self.second[rows],
            self.outcome[rows],
            self.weights[rows],
            self.covariates[rows],
            self.covariate_names,
            None if self.clusters is None else self.clusters[rows],
            self.cluster_names,
        )


@dataclass(frozen=True, eq=False)
class Cells:
    """Comparisons that share players, order and covariates, counted.

    ``first``, ``second`` (M,), ``covariates`` (M, p), ``counts`` (M, 3) summed weights of wins of the
    first, ties and losses; ``of_row`` (n,) the cell of each comparison.
    """

    first: IntArray
    second: IntArray
    covariates: FloatArray
    counts: FloatArray
    of_row: IntArray


def comparisons(
    first: Sequence[Any] | NDArray[Any],
    second: Sequence[Any] | NDArray[Any],
    outcome: ArrayLike,
    *,
    players: Sequence[Any] | None = None,
    weights: ArrayLike | None = None,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    covariates: Mapping[str, ArrayLike] | None = None,
) -> Comparisons:
    """Check and code comparisons.

    ``first``, ``second``: players by name (any hashable). ``outcome`` (n,): 1, 0 or -1 as in
    ``Comparisons``; a comparison without verdict is unscored and must be left out, not coded as a tie.
    ``weights`` (n,) positive. ``clusters`` (n,): the prompt; both orders of one pair belong to one
    cluster. ``players`` fixes the order and may not name anyone without comparisons.
    """
    result = np.asarray(outcome, dtype=np.float64)
    n = len(result)
    if n == 0:
        raise StatisticsError("no comparisons")
    if result.ndim != 1 or len(first) != n or len(second) != n:
        raise StatisticsError(f"{len(first)} first, {len(second)} second, outcomes of shape {result.shape}")
    strange = ~np.isin(result, (-1.0, 0.0, 1.0))
    if bool(strange.any()):
        raise StatisticsError(
            f"outcome {result[strange][0]} in row {int(np.flatnonzero(strange)[0])}: must be 1, 0 or -1; "
            "leave comparisons without verdict out"
        )
    i, j, names = _code_players(first, second, players)
    if bool((i == j).any()):
        row = int(np.flatnonzero(i == j)[0])
        raise StatisticsError(f"row {row} compares {names[i[row]]!r} with itself")
    w = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (n,) or not bool((np.isfinite(w) & (w > 0)).all()):
        raise StatisticsError("weights must be positive numbers, one for each comparison")
    named = dict(covariates or {})
    x = np.empty((n, len(named)))
    for column, (name, values) in enumerate(named.items()):
        numbers = np.asarray(values, dtype=np.float64)
        if numbers.shape != (n,) or not bool(np.isfinite(numbers).all()):
            raise StatisticsError(f"covariate {name!r} must be a finite number for each comparison")
        x[:, column] = numbers
    codes, cluster_names = named_clusters(clusters, n) if clusters is not None else (None, None)
    return Comparisons(names, i, j, result.astype(np.int64), w, x, tuple(named), codes, cluster_names)


def _code_players(
    first: Sequence[Any] | NDArray[Any], second: Sequence[Any] | NDArray[Any], players: Sequence[Any] | None
) -> tuple[IntArray, IntArray, tuple[Any, ...]]:
    if (
        isinstance(first, np.ndarray)
        and isinstance(second, np.ndarray)
        and first.dtype.kind in "iu"
        and second.dtype.kind in "iu"
        and players is None
    ):
        names, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
        return (
            codes[: len(first)].astype(np.int64),
            codes[len(first) :].astype(np.int64),
            tuple(names.tolist()),
        )
    a, b = np.asarray(first, dtype=object).tolist(), np.asarray(second, dtype=object).tolist()
    present = dict.fromkeys([*a, *b])
    names_seen = tuple(players) if players is not None else _sorted(present)
    place = {name: code for code, name in enumerate(names_seen)}
    if len(place) != len(names_seen):
        raise StatisticsError(f"players repeat: {list(names_seen)}")
    for name in present:
        if name not in place:
            raise StatisticsError(f"player {name!r} is not among the players {list(names_seen)}")
    absent = [name for name in names_seen if name not in present]
    if absent:
        raise StatisticsError(f"players without comparisons: {absent}")
    i = np.fromiter((place[name] for name in a), dtype=np.int64, count=len(a))
    j = np.fromiter((place[name] for name in b), dtype=np.int64, count=len(b))
    return i, j, names_seen


def _sorted(names: Mapping[Any, Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(names))
    except TypeError:
        return tuple(sorted(names, key=repr))


def aggregate(data: Comparisons) -> Cells:
    """Cells of ``data``: ordered pairs of players, or single rows where there are covariates."""
    n, k = len(data), len(data.players)
    kind = 1 - data.outcome
    if data.covariates.shape[1]:
        counts = np.zeros((n, 3))
        counts[np.arange(n), kind] = data.weights
        return Cells(data.first, data.second, data.covariates, counts, np.arange(n, dtype=np.int64))
    pair = data.first * k + data.second
    totals = np.asarray(np.bincount(pair * 3 + kind, data.weights, 3 * k * k), dtype=np.float64)
    totals = totals.reshape(k * k, 3)
    used = np.flatnonzero(totals.sum(axis=1) > 0)
    place = np.full(k * k, -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    return Cells(used // k, used % k, np.empty((len(used), 0)), totals[used], place[pair])


def why_not_rankable(players: tuple[Any, ...], cells: Cells) -> str | None:
    """Why finite ratings do not exist, or None.

    Ford (1957, American Mathematical Monthly 64:28): whichever way the players are split in two, someone
    on each side must have beaten (or tied) someone on the other: the directed graph of "beat or tied" is
    strongly connected.
    """
    k = len(players)
    won: NDArray[np.bool_] = cells.counts > 0
    win, tie, loss = won[:, 0], won[:, 1], won[:, 2]
    above = np.concatenate([cells.first[win | tie], cells.second[loss | tie]])
    below = np.concatenate([cells.second[win | tie], cells.first[loss | tie]])
    graph = coo_matrix((np.ones(len(above)), (above, below)), shape=(k, k)).tocsr()
    n_apart, apart = connected_components(graph, directed=True, connection="weak")
    if n_apart > 1:
        groups = [_named(players, apart == g) for g in range(n_apart)]
        return f"the players fall into {n_apart} groups that were never compared: {'; '.join(groups)}"
    n_strong, strong = connected_components(graph, directed=True, connection="strong")
    if n_strong == 1:
        return None
    crossing = strong[above] != strong[below]
    beaten, beating = set(strong[below[crossing]].tolist()), set(strong[above[crossing]].tolist())
    top = [_named(players, strong == g) for g in range(n_strong) if g not in beaten]
    bottom = [_named(players, strong == g) for g in range(n_strong) if g not in beating]
    return (
        f"never beaten or tied by anyone else: {'; '.join(top)}; "
        f"never beat or tied anyone else: {'; '.join(bottom)}"
    )


def _named(players: tuple[Any, ...], members: NDArray[np.bool_]) -> str:
    names = [str(name) for name, inside in zip(players, members, strict=True) if inside]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
