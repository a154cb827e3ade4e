"""Which phrases recur across documents: n-grams of tokens by document frequency.

In: documents as one flat array of token ids with offsets, and the cluster (prompt) of each document. Out:
the n-grams that at least so many distinct clusters contain, with exact counts, the longest of them with the
tokens that they cover, and where given phrases occur. Documents are counted, not occurrences: a phrase that
one answer repeats is not boilerplate, one that many answers share is.

Token ids are hashed by a rolling 64-bit polynomial. A first pass counts hashes in a table of buckets; a
second keeps the positions in buckets that are full enough, sorts their hashes, and confirms every hit on the
tokens, so that a hash collision can neither join nor split phrases. Left out: what a token is (the caller
normalises and splits), gaps inside phrases, and near duplicates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import BoolArray, IntArray, cluster_codes

HashArray = NDArray[np.uint64]

_MULTIPLIER = 0x9E3779B97F4A7C15
_WORD = 1 << 64
_MAX_BUCKET_BITS = 24
_BLOCK = 1 << 18


@dataclass(frozen=True, eq=False)
class TokenDocuments:
    """D documents: ``tokens`` (T,) of ids >= 0 one after the other; document d is
    ``tokens[offsets[d] : offsets[d + 1]]``, ``offsets`` (D + 1,). ``vocabulary`` lists what ids stand for."""

    tokens: IntArray
    offsets: IntArray
    vocabulary: tuple[Hashable, ...] = ()


@dataclass(frozen=True, eq=False)
class Phrases:
    """m n-grams, most frequent first: ``ngrams`` (m, n) token ids; ``documents`` (m,) how many distinct
    clusters of documents contain each; ``occurrences`` (m,) how often; ``n_clusters`` clusters in all."""

    n: int
    ngrams: IntArray
    documents: IntArray
    occurrences: IntArray
    n_clusters: int


def encode_documents(documents: Iterable[Sequence[Hashable]]) -> TokenDocuments:
    """Token ids in order of first appearance, from documents that are split into tokens already."""
    ids: defaultdict[Hashable, int] = defaultdict()
    ids.default_factory = ids.__len__
    lengths: list[int] = [0]

    def measured(document: Sequence[Hashable]) -> Sequence[Hashable]:
        lengths.append(len(document))
        return document

    # No token passes through Python code here: this loop is most of the time from words to phrases.
    every = chain.from_iterable(map(measured, documents))
    tokens = np.fromiter(map(ids.__getitem__, every), dtype=np.int64)
    return TokenDocuments(tokens, np.cumsum(lengths, dtype=np.int64), tuple(ids))


def frequent_ngrams(
    documents: TokenDocuments,
    n: int,
    *,
    min_documents: int,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    max_positions: int = 1 << 23,
) -> Phrases:
    """All n-grams that at least ``min_documents`` distinct clusters contain, with exact counts.

    ``clusters`` (D,): documents that answer one prompt share its cluster and count once. N-grams do not
    cross documents. Memory beyond the documents: about 60 bytes for each of ``max_positions`` positions
    that pass the first count, and at most 200 MiB; more positions are taken in slices of the hash range.
    """
    tokens, offsets = _checked(documents)
    group, n_clusters = cluster_codes(clusters, len(offsets) - 1)
    empty = np.empty(0, dtype=np.int64)
    starts, frequency, occurrences = [empty], [empty], [empty]
    for found in _frequent(tokens, offsets, n, min_documents, group, max_positions):
        starts.append(found.first)
        frequency.append(found.documents)
        occurrences.append(found.occurrences)
    first, df, times = np.concatenate(starts), np.concatenate(frequency), np.concatenate(occurrences)
    order = np.lexsort((first, -times, -df))
    ngrams = tokens[first[order][:, None] + np.arange(n, dtype=np.int64)]
    return Phrases(n, ngrams, df[order], times[order], n_clusters)


@dataclass(frozen=True)
class Run:
    """A recurring run: ``tokens`` (ids), ``documents`` distinct clusters that contain it, ``occurrences``."""

    tokens: tuple[int, ...]
    documents: int
    occurrences: int


@dataclass(frozen=True, eq=False)
class Recurring:
    """The longest recurring runs, most tokens explained first (documents x length); ``covered`` (T,) says of
    each token whether it lies in a run of the shortest length that is frequent; ``n_clusters`` in all."""

    runs: tuple[Run, ...]
    covered: BoolArray
    n_clusters: int


def recurring_runs(
    documents: TokenDocuments,
    *,
    shortest: int,
    min_documents: int,
    longest: int = 12,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    max_positions: int = 1 << 23,
) -> Recurring:
    """Runs of ``shortest`` to ``longest`` tokens that ``min_documents`` clusters contain and that no longer
    run explains: a run is left out where one token more, on either side, keeps over half of its clusters.

    A run of n + 1 tokens is the pair of the n-grams at its two first positions, so that each step counts
    pairs of labels and nothing needs hashing anew.
    """
    if not 2 <= shortest <= longest:
        raise StatisticsError(f"runs of {shortest} to {longest} tokens: the shortest must be 2 or more")
    tokens, offsets = _checked(documents)
    group, n_clusters = cluster_codes(clusters, len(offsets) - 1)
    empty = np.empty(0, dtype=np.int64)
    at, label, df, times = empty, empty, empty, empty
    for found in _frequent(tokens, offsets, shortest, min_documents, group, max_positions):
        at, label = np.concatenate([at, found.at]), np.concatenate([label, found.label + len(df)])
        df, times = np.concatenate([df, found.documents]), np.concatenate([times, found.occurrences])
    order = np.argsort(at)
    at, label = at[order], label[order]
    size = len(tokens) + 1
    covered = np.bincount(at, minlength=size) - np.bincount(at + shortest, minlength=size)
    runs: list[Run] = []
    for n in range(shortest, longest + 1):
        if not len(at):
            break
        follows = np.flatnonzero(np.diff(at) == 1) if n < longest else empty
        left, right = label[follows], label[follows + 1]
        _, following, df_longer, times_longer = _kept(
            np.unique(left * len(df) + right, return_inverse=True)[1],
            at[follows],
            group[_document_of(offsets, at[follows])],
            min_documents,
        )
        # The most clusters that one token more keeps.
        most = np.zeros(len(df), dtype=np.int64)
        inside = following >= 0
        np.maximum.at(most, left[inside], df_longer[following[inside]])
        np.maximum.at(most, right[inside], df_longer[following[inside]])
        first = np.full(len(df), len(tokens))
        np.minimum.at(first, label, at)
        runs += [
            Run(tuple(tokens[first[k] : first[k] + n].tolist()), int(df[k]), int(times[k]))
            for k in np.flatnonzero(2 * most <= df).tolist()
        ]
        at, label, df, times = at[follows][inside], following[inside], df_longer, times_longer
    runs.sort(key=lambda run: (-run.documents * len(run.tokens), -run.occurrences, run.tokens))
    return Recurring(tuple(runs), np.cumsum(covered[:-1]) > 0, n_clusters)


def find_phrases(
    documents: TokenDocuments, phrases: Sequence[Sequence[Hashable]]
) -> tuple[IntArray, IntArray]:
    """First positions (m,) of all occurrences of ``phrases`` (in words of the vocabulary), and which phrase
    (m,) each is. Occurrences may overlap; they do not cross documents.

    A tree of the phrases is walked for all positions at once, one token deeper at a time, so that the price
    is about that of the positions at which any phrase begins.
    """
    tokens, offsets = _checked(documents)
    ids = {word: number for number, word in enumerate(documents.vocabulary)}
    nodes: dict[tuple[int, int], int] = {}
    ends: dict[int, list[int]] = defaultdict(list)
    for number, phrase in enumerate(phrases):
        if not phrase:
            raise StatisticsError(f"phrase {number} has no words")
        coded = [ids.get(word) for word in phrase]
        if None in coded:
            continue
        node = 0
        for token in coded:
            node = nodes.setdefault((node, token or 0), len(nodes) + 1)
        ends[node].append(number)
    width = len(ids)
    keys = np.array([node * width + token for node, token in nodes], dtype=np.int64)
    order = np.argsort(keys)
    keys, targets = keys[order], np.array(list(nodes.values()), dtype=np.int64)[order]
    root = np.zeros(width + 1, dtype=np.int64)
    root[keys[keys < width]] = targets[keys < width]
    at = np.flatnonzero(root[tokens]) if len(keys) else np.empty(0, dtype=np.int64)
    node_at = root[tokens[at]]
    stop = offsets[1:][_document_of(offsets, at)]
    found_at, found = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    depth = 1
    while len(at):
        for node, numbers in ends.items():
            here = at[node_at == node]
            for number in numbers if len(here) else ():
                found_at.append(here)
                found.append(np.full(len(here), number, dtype=np.int64))
        room = at + depth < stop
        at, stop, node_at = at[room], stop[room], node_at[room]
        wanted = node_at * width + tokens[at + depth]
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        hit = keys[place] == wanted
        at, stop, node_at = at[hit], stop[hit], targets[place[hit]]
        depth += 1
    positions, which = np.concatenate(found_at), np.concatenate(found)
    order = np.lexsort((which, positions))
    return positions[order], which[order]


@dataclass(frozen=True, eq=False)
class _Found:
    """Frequent n-grams of one slice: where they occur (``at``, ``label``), and per label its first position,
    documents and occurrences."""

    at: IntArray
    label: IntArray
    first: IntArray
    documents: IntArray
    occurrences: IntArray


def _frequent(
    tokens: IntArray, offsets: IntArray, n: int, min_documents: int, group: IntArray, max_positions: int
) -> Iterator[_Found]:
    """The frequent n-grams, slice by slice of the hash range."""
    if n < 1:
        raise StatisticsError(f"n is {n}, must be 1 or more")
    if min_documents < 1:
        raise StatisticsError(f"min_documents is {min_documents}, must be 1 or more")
    full, n_passing = _full_buckets(tokens, offsets, n, min_documents)
    slices = max(1, -(-n_passing // max_positions))
    for part in range(slices):
        at, hashes = _passing(tokens, offsets, n, full, part=part, slices=slices)
        at, hashes = _thinned(at, hashes, min_documents)
        label = _confirmed(tokens, n, at, hashes)
        first, kept, df, times = _kept(label, at, group[_document_of(offsets, at)], min_documents)
        yield _Found(at[kept >= 0], kept[kept >= 0], first, df, times)


def _kept(
    label: IntArray, at: IntArray, group: IntArray, min_documents: int
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """First position of each label that enough groups have; the labels renumbered to those, -1 elsewhere;
    documents and occurrences of each."""
    start, documents, occurrences = _count(label, at, group)
    enough = documents >= min_documents
    number = np.where(enough, np.cumsum(enough) - 1, -1)
    return start[enough], number[label], documents[enough], occurrences[enough]


def _checked(documents: TokenDocuments) -> tuple[IntArray, IntArray]:
    tokens = np.asarray(documents.tokens)
    offsets = np.asarray(documents.offsets, dtype=np.int64)
    if tokens.ndim != 1 or (len(tokens) and tokens.dtype.kind not in "iu"):
        raise StatisticsError("tokens must be one row of whole numbers")
    if len(offsets) < 2:
        raise StatisticsError("no documents")
    if offsets[0] != 0 or offsets[-1] != len(tokens) or bool((np.diff(offsets) < 0).any()):
        raise StatisticsError(f"offsets must rise from 0 to {len(tokens)}, the number of tokens")
    return tokens, offsets


def _hashes(tokens: IntArray, n: int) -> HashArray:
    """Hashes (len - n + 1,) of all n-grams: mixed ids as the digits of a polynomial modulo 2^64.

    The polynomial of 2m tokens is put together from two of m tokens, so that n costs log2(n) passes.
    """
    mixed = tokens.astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0x94D049BB133111EB)
    value, length = mixed, 1
    for bit in bin(n)[3:]:
        left = len(value) - length
        power = np.uint64(pow(_MULTIPLIER, length, _WORD))
        value, length = value[:left] * power + value[length:], 2 * length
        if bit == "1":
            value = value[:-1] * np.uint64(_MULTIPLIER) + mixed[length:]
            length += 1
    return value ^ (value >> np.uint64(32))


def _windows(tokens: IntArray, offsets: IntArray, n: int) -> Iterator[tuple[int, HashArray, BoolArray]]:
    """Blocks of n-grams: first position, hashes, and which of them lie inside one document.

    Blocks fit the processor's cache; hashing all tokens at once takes several times as long.
    """
    n_windows = len(tokens) - n + 1
    for begin in range(0, n_windows, _BLOCK):
        end = min(begin + _BLOCK, n_windows)
        inside = np.ones(end - begin, dtype=np.bool_)
        low, high = np.searchsorted(offsets, [begin, end + n])
        for back in range(1, n):
            crossing = offsets[low:high] - back - begin
            inside[crossing[(crossing >= 0) & (crossing < len(inside))]] = False
        yield begin, _hashes(tokens[begin : end + n - 1], n), inside


def _bucket_bits(n_windows: int, min_documents: int) -> int:
    """Bits of a table in which n-grams that occur once fill a bucket to at most a quarter of the bar."""
    return min(_MAX_BUCKET_BITS, max(12, (4 * n_windows // min_documents).bit_length()))


def _full_buckets(tokens: IntArray, offsets: IntArray, n: int, min_documents: int) -> tuple[BoolArray, int]:
    """Which buckets (of the top bits of the hash) hold enough n-grams to matter, and how many they hold."""
    bits = _bucket_bits(len(tokens), min_documents)
    counts = np.zeros(1 << bits, dtype=np.int64)
    pending: list[HashArray] = []
    held = 0
    for _, hashes, inside in _windows(tokens, offsets, n):
        pending.append(hashes[inside] >> np.uint64(64 - bits))
        held += len(pending[-1])
        # Adding a whole table costs as much as its length, so blocks are gathered up to that length.
        if held >= len(counts):
            counts += np.bincount(np.concatenate(pending).view(np.int64), minlength=len(counts))
            pending, held = [], 0
    if pending:
        counts += np.bincount(np.concatenate(pending).view(np.int64), minlength=len(counts))
    full = counts >= min_documents
    return full, int(counts[full].sum())


def _passing(
    tokens: IntArray, offsets: IntArray, n: int, full: BoolArray, *, part: int, slices: int
) -> tuple[IntArray, HashArray]:
    """Positions and hashes, in slice ``part`` of ``slices``, of the n-grams in full buckets."""
    shift = np.uint64(64 - (len(full).bit_length() - 1))
    at: list[IntArray] = [np.empty(0, dtype=np.int64)]
    kept: list[HashArray] = [np.empty(0, dtype=np.uint64)]
    for begin, hashes, inside in _windows(tokens, offsets, n):
        passing = inside & full[(hashes >> shift).view(np.int64)]
        if slices > 1:
            passing &= hashes % np.uint64(slices) == part
        place = np.flatnonzero(passing)
        at.append(place + begin)
        kept.append(hashes[place])
    return np.concatenate(at), np.concatenate(kept)


def _thinned(at: IntArray, hashes: HashArray, min_documents: int) -> tuple[IntArray, HashArray]:
    """Without the n-grams whose hash, mixed anew, falls into a bucket that too few share: a chance
    companion of the first count is rarely one again, and sorting costs more than counting."""
    for multiplier in (0xD6E8FEB86659FD93, 0xA0761D6478BD642F):
        if min_documents == 1 or len(at) < 1 << 16:
            break
        bits = _bucket_bits(len(at), min_documents)
        bucket = ((hashes * np.uint64(multiplier)) >> np.uint64(64 - bits)).view(np.int64)
        kept = (np.bincount(bucket, minlength=1 << bits) >= min_documents)[bucket]
        at, hashes = at[kept], hashes[kept]
    return at, hashes


def _confirmed(tokens: IntArray, n: int, at: IntArray, hashes: HashArray) -> IntArray:
    """A label for each position, equal exactly where the n tokens are equal."""
    _, first, label = np.unique(hashes, return_index=True, return_inverse=True)
    same = np.ones(len(at), dtype=np.bool_)
    model = at[first][label]
    for k in range(n):
        same &= tokens[at + k] == tokens[model + k]
    if bool(same.all()):
        return label
    mixed = np.zeros(len(first), dtype=np.bool_)
    mixed[label[~same]] = True
    rows = np.flatnonzero(mixed[label])
    grams = tokens[at[rows][:, None] + np.arange(n, dtype=np.int64)]
    label[rows] = len(first) + np.unique(grams, axis=0, return_inverse=True)[1].ravel()
    return np.unique(label, return_inverse=True)[1]


def _document_of(offsets: IntArray, at: IntArray) -> IntArray:
    return np.searchsorted(offsets, at, side="right") - 1


def _count(label: IntArray, at: IntArray, group: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """First position, number of distinct groups and number of occurrences of each label."""
    if not len(label):
        return label, label, label
    occurrences = np.bincount(label)
    order = np.lexsort((at, group, label))
    new_label = np.diff(label[order], prepend=-1) != 0
    new_pair = new_label | (np.diff(group[order], prepend=-1) != 0)
    documents = np.bincount(label[order][new_pair])
    start = np.full(len(occurrences), np.iinfo(np.int64).max)
    np.minimum.at(start, label, at)
    return start, documents, occurrences


def gram_hashes(documents: TokenDocuments, n: int) -> tuple[HashArray, IntArray]:
    """Hashes (m,) of all n-grams inside documents, and the document (m,) of each."""
    tokens, offsets = _checked(documents)
    if n < 1:
        raise StatisticsError(f"n is {n}, must be 1 or more")
    kept, at = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.int64)]
    for begin, hashes, inside in _windows(tokens, offsets, n):
        place = np.flatnonzero(inside)
        kept.append(hashes[place])
        at.append(place + begin)
    return np.concatenate(kept), _document_of(offsets, np.concatenate(at))
