"""What agreement on an ordered scale becomes when the scale is cut in two.

In: counts of ratings on a scale whose categories are in order. Out: agreement at each cut. A report that
shows one cut chooses it; the sweep shows all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from govaudit.errors import StatisticsError
from govaudit.stats.agreement import Agreement, agreement
from govaudit.stats.coefficient import Labels
from govaudit.stats.counts import Counts


@dataclass(frozen=True)
class Binarised:
    """Agreement on "``cut`` or above" (category True) against below (False).

    ``share`` of the ratings lie at or above the cut; ``agreement.by_category[1]`` is positive agreement.
    """

    cut: Any
    share: float
    agreement: Agreement


def binarisation_sweep(
    table: Counts,
    *,
    seed: int,
    clusters: Labels | None = None,
    level: float = 0.95,
    rounds: int = 1000,
) -> tuple[Binarised, ...]:
    """Agreement at each of the q - 1 cuts of a scale; ``table.categories`` must be in its order.

    All cuts are resampled with the same seed. A cut that no rating, or every rating, passes has undefined
    coefficients that say so.
    """
    q = len(table.categories)
    if q < 2:
        raise StatisticsError(f"{q} categories: nothing to cut")
    n_ratings = int(table.counts.sum())
    if n_ratings == 0:
        raise StatisticsError("no ratings")
    results = []
    for k in range(1, q):
        above = table.counts[:, k:].sum(axis=1)
        binary = np.stack([table.counts[:, :k].sum(axis=1), above], axis=1)
        halves = Counts(binary, (False, True), table.items)
        found = agreement(halves, seed=seed, clusters=clusters, level=level, rounds=rounds)
        results.append(Binarised(table.categories[k], float(above.sum() / n_ratings), found))
    return tuple(results)
