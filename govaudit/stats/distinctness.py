"""How varied texts are: the share of different n-grams among all n-grams, with an interval over prompts.

In: documents as token ids (``phrases.TokenDocuments``) and the prompt of each. Out: distinct-n (Li et al.
2016, arXiv 1510.03055) with a delete-a-group jackknife interval. The share falls with the amount of text, so
only amounts of equal size can be compared: ``cut`` shortens documents to given lengths. Left out: the
bootstrap, which draws prompts twice and so makes every text look less varied than it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import IntArray, cluster_codes
from govaudit.stats.intervals import Mean
from govaudit.stats.phrases import TokenDocuments, gram_hashes

GROUPS = 20
"""Groups of prompts that are left out in turn."""
_GROUP_BITS = np.uint64(31)


def cut(documents: TokenDocuments, lengths: IntArray) -> TokenDocuments:
    """The first ``lengths`` (D,) tokens of each document, or all of it where it is shorter."""
    sizes = np.minimum(np.diff(documents.offsets), lengths)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    within = np.arange(int(offsets[-1])) - np.repeat(offsets[:-1], sizes)
    tokens = np.asarray(documents.tokens)[np.repeat(documents.offsets[:-1], sizes) + within]
    return TokenDocuments(tokens, offsets, documents.vocabulary)


def distinctness(
    documents: TokenDocuments,
    n: int,
    *,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    level: float = 0.95,
) -> Mean:
    """Different n-grams over all n-grams, 0 to 1.

    ``clusters`` (D,): the prompt of each document. Interval: t on g - 1 degrees of freedom with the
    delete-a-group jackknife variance (g-1)/g sum_j (D_(-j) - mean)^2 (Kott 2001, Journal of Official
    Statistics 17:521) over g = min(20, prompts) groups, dealt by order of first appearance. N-grams are told
    apart by 59 bits of a hash. Raises StatisticsError where there are fewer than two prompts or n-grams.
    """
    hashes, document = gram_hashes(documents, n)
    codes, n_clusters = cluster_codes(clusters, len(documents.offsets) - 1)
    groups = min(GROUPS, n_clusters)
    if groups < 2 or len(hashes) < 2:
        raise StatisticsError("distinctness needs two prompts and two n-grams")
    group = codes[document] % groups
    # The group in the last bits of the hash: sorting numbers is much faster than sorting their places.
    key = np.sort((hashes & ~_GROUP_BITS) | group.astype(np.uint64))
    new = np.concatenate([[True], np.diff(key >> np.uint64(5)) != 0])
    starts = np.flatnonzero(new)
    low = (key[starts] & _GROUP_BITS).astype(np.int64)
    high = (key[np.append(starts[1:], len(key)) - 1] & _GROUP_BITS).astype(np.int64)
    # What only one group says is gone when that group is left out.
    alone = np.bincount(low[low == high], minlength=groups)
    total = np.bincount(group, minlength=groups)
    if bool((total == len(hashes)).any()):
        raise StatisticsError("all n-grams come from one group of prompts")
    left_out = (len(starts) - alone) / (len(hashes) - total)
    error = float(np.sqrt((groups - 1) / groups * np.sum((left_out - left_out.mean()) ** 2)))
    value = len(starts) / len(hashes)
    half = float(stdtrit(groups - 1, (1 + level) / 2)) * error
    return Mean(
        value,
        max(0.0, value - half),
        min(1.0, value + half),
        level,
        error,
        len(hashes),
        n_clusters,
        f"delete-a-group jackknife, {groups} groups",
    )
