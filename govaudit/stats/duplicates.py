"""Near duplicates: which documents say almost the same as a document of another prompt.

In: documents as token ids (``phrases.TokenDocuments``) and the prompt of each. Out: for each document the
highest similarity found to one of another prompt, and which one that is. Similarity is the Jaccard index of
the sets of n-grams. Candidates come from one-permutation MinHash (Li, Owen & Zhang 2012, NeurIPS) with
optimal densification (Shrivastava 2017, ICML) in bands (Broder 1997); each candidate is then compared
exactly, so that sampling can miss a pair but never make one.

Left out: all pairs of a large family of duplicates, whose number grows with its square; each document is
held against the first and the last of other prompts that share a band with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, IntArray, cluster_codes
from govaudit.stats.phrases import HashArray, TokenDocuments, gram_hashes

BINS, ROWS = 64, 2
"""Values in a signature, and how many of them make a band: 32 bands of 2 find a pair of similarity .5 with
probability 1 - (1 - .5^2)^32 = .9999, one of .3 with .95."""
_BANDS = BINS // ROWS
_MOST = 4
"""Candidates of one document that are compared exactly: those whose signatures agree most."""
_MARGIN = 0.2
"""Candidates whose signatures agree by so much less than asked for are not compared: over three standard
errors of 64 values."""
_EMPTY = np.uint64(2**64 - 1)


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """Per document (D,): ``similarity`` to the most similar document of another prompt that was found, 0
    where none lies above the threshold, and ``like`` its index, -1 where there is none."""

    similarity: FloatArray
    like: IntArray


def near_duplicates(
    documents: TokenDocuments,
    *,
    threshold: float = 0.5,
    n: int = 4,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
) -> NearDuplicates:
    """Documents of different prompts whose sets of n-grams have a Jaccard index above ``threshold`` (0 to
    1).

    ``clusters`` (D,): the prompt of each document. A document of fewer than ``n`` tokens has no n-grams and
    so no duplicates.
    """
    if not 0 < threshold < 1:
        raise StatisticsError(f"a threshold lies strictly between 0 and 1, not {threshold}")
    size = len(documents.offsets) - 1
    group, _ = cluster_codes(clusters, size)
    hashes, document = gram_hashes(documents, n)
    signature = _signatures(hashes, document, size)
    first, second = _candidates(signature, group, threshold)
    similarity, like = np.zeros(size), np.full(size, -1, dtype=np.int64)
    if len(first):
        exact = _jaccard(hashes, document, size, first, second)
        kept = exact > threshold
        for one, two in ((first[kept], second[kept]), (second[kept], first[kept])):
            order = np.argsort(exact[kept], kind="stable")
            better = exact[kept][order] > similarity[one[order]]
            # The last assignment of an index counts, and that is the most similar one.
            similarity[one[order][better]] = exact[kept][order][better]
            like[one[order][better]] = two[order][better]
    return NearDuplicates(similarity, like)


def _signatures(hashes: HashArray, document: IntArray, size: int) -> HashArray:
    """(D, BINS): of the hashes that fall into each bin the smallest; empty bins borrow from others."""
    mixed = hashes * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    place = document * BINS + (mixed >> np.uint64(58)).view(np.int64)
    least = np.full(size * BINS, _EMPTY)
    np.minimum.at(least, place, mixed << np.uint64(6))
    table = least.reshape(size, BINS)
    signature = table.copy()
    rng = np.random.default_rng(0)
    row, column = np.nonzero((table == _EMPTY) & (table != _EMPTY).any(axis=1)[:, None])
    while len(row):
        lent = table[row, rng.integers(0, BINS, BINS)[column]]
        signature[row, column] = lent
        row, column = row[lent == _EMPTY], column[lent == _EMPTY]
    return signature


def _candidates(signature: HashArray, group: IntArray, threshold: float) -> tuple[IntArray, IntArray]:
    """Pairs that share a band and whose signatures agree nearly enough, at most a few for each document."""
    usable = np.flatnonzero((signature != _EMPTY).all(axis=1))
    # By prompt: the first and the last of a band then belong to different prompts if any two do.
    usable = usable[np.argsort(group[usable], kind="stable")]
    found, agreement = [np.empty(0, dtype=np.int64)], [np.empty(0)]
    width = len(signature)
    for band in range(_BANDS if len(usable) else 0):
        key = np.zeros(len(usable), dtype=np.uint64)
        for column in range(ROWS):
            key = key * np.uint64(0xD6E8FEB86659FD93) + signature[usable, band * ROWS + column]
            key ^= key >> np.uint64(32)
        order = np.argsort(key, kind="stable")
        docs, ordered = usable[order], key[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        lengths = np.diff(np.append(starts, len(docs)))
        for other in (np.repeat(docs[starts], lengths), np.repeat(docs[starts + lengths - 1], lengths)):
            apart = group[docs] != group[other]
            one, two = docs[apart], other[apart]
            agree = (signature[one] == signature[two]).mean(axis=1)
            near = agree > threshold - _MARGIN
            found.append((np.minimum(one, two) * width + np.maximum(one, two))[near])
            agreement.append(agree[near])
    both, at = np.unique(np.concatenate(found), return_index=True)
    first, second, agree = both // width, both % width, np.concatenate(agreement)[at]
    chosen = np.zeros(len(first), dtype=np.bool_)
    for side in (first, second):
        order = np.lexsort((-agree, side))
        starts = np.concatenate([[True], side[order][1:] != side[order][:-1]])
        rank = np.arange(len(order)) - np.flatnonzero(starts)[np.cumsum(starts) - 1]
        chosen[order[rank < _MOST]] = True
    return first[chosen], second[chosen]


def _jaccard(
    hashes: HashArray, document: IntArray, size: int, first: IntArray, second: IntArray
) -> FloatArray:
    """Jaccard index (m,) of the sets of n-grams of pairs of documents."""
    needed = np.zeros(size, dtype=np.bool_)
    needed[first] = needed[second] = True
    mine = needed[document]
    column = np.unique(hashes[mine], return_inverse=True)[1]
    ones = np.ones(len(column), dtype=np.int64)
    table = csr_matrix((ones, (document[mine], column)), shape=(size, int(column.max()) + 1))
    table.data[:] = 1
    own = np.diff(table.indptr)
    shared = np.empty(len(first))
    for start in range(0, len(first), 1 << 14):
        part = slice(start, start + (1 << 14))
        shared[part] = np.asarray(table[first[part]].multiply(table[second[part]]).sum(axis=1)).ravel()
    return np.asarray(shared / (own[first] + own[second] - shared))
