"""Shares and means as the parts of a report hold them, and as its tables and sentences give them.

In: what was seen of each answer, and its cluster. Out: an :class:`Estimate` with its 95 % interval, or with
the reason why there is none. Left out: differences, quantiles and coefficients, which belong to single parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from govaudit.errors import StatisticsError
from govaudit.reports.part import Estimate
from govaudit.stats.bootstrap import FloatArray
from govaudit.stats.intervals import clustered_mean, clustered_rate

NOTHING = "nothing scored"


def share(holds: Sequence[float] | FloatArray, clusters: Sequence[str], nothing: str = NOTHING) -> Estimate:
    """The share of what holds (1 or 0 each) with its clustered Wilson interval; ``nothing``: the reason why
    there is none where ``holds`` is empty."""
    if not len(holds):
        return Estimate(n=0, value=None, undefined=nothing)
    found = clustered_rate(np.asarray(holds, dtype=np.float64), clusters)
    return Estimate(n=found.n, value=found.rate, low=found.low, high=found.high)


def mean(values: Sequence[float] | FloatArray, clusters: Sequence[str], nothing: str = NOTHING) -> Estimate:
    """The mean with its clustered interval, or with the reason why too few clusters give none; ``nothing`` as
    for :func:`share`."""
    if not len(values):
        return Estimate(n=0, value=None, undefined=nothing)
    try:
        found = clustered_mean(values, clusters)
    except StatisticsError as error:
        return Estimate(n=len(values), value=float(np.mean(values)), undefined=str(error))
    return Estimate(n=found.n, value=found.value, low=found.low, high=found.high)


_Maybe = TypeVar("_Maybe", Estimate, Estimate | None)


def bare(of: _Maybe) -> _Maybe:
    """Without its n, which stands in a column of its own; ``None`` stays an empty cell."""
    return of if of is None else of.model_copy(update={"n": None})


def in_words(of: Estimate) -> str:
    """A share in a sentence: per cent, its interval and n."""
    if of.value is None or of.low is None or of.high is None:
        return f"an unknown share ({of.undefined})"
    return f"{of.value:.0%} ({of.low:.0%} to {of.high:.0%}, n = {of.n})"
