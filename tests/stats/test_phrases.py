"""N-gram document frequency against counting by dictionary, under collisions, slices and small blocks."""

from __future__ import annotations

import tracemalloc
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from govaudit.errors import StatisticsError
from govaudit.stats import phrases
from govaudit.stats.phrases import Phrases, TokenDocuments, encode_documents, frequent_ngrams


def slow_count(
    documents: list[list[str]], n: int, at_least: int, clusters: list[int]
) -> dict[tuple[str, ...], tuple[int, int]]:
    """Distinct clusters and occurrences of each n-gram, by dictionary."""
    where: dict[tuple[str, ...], set[int]] = defaultdict(set)
    times: dict[tuple[str, ...], int] = defaultdict(int)
    for document, cluster in zip(documents, clusters, strict=True):
        for start in range(len(document) - n + 1):
            gram = tuple(document[start : start + n])
            where[gram].add(cluster)
            times[gram] += 1
    return {gram: (len(found), times[gram]) for gram, found in where.items() if len(found) >= at_least}


def as_dictionary(found: Phrases, vocabulary: tuple[Any, ...]) -> dict[tuple[str, ...], tuple[int, int]]:
    return {
        tuple(vocabulary[token] for token in gram): (int(documents), int(times))
        for gram, documents, times in zip(found.ngrams, found.documents, found.occurrences, strict=True)
    }


corpora = st.lists(
    st.tuples(st.text(alphabet="abc", max_size=14), st.integers(0, 4)), min_size=1, max_size=10
)


@given(corpora, st.integers(1, 7), st.integers(1, 3))
@settings(max_examples=80)
def test_counts_equal_a_dictionary(corpus: list[tuple[str, int]], n: int, at_least: int) -> None:
    documents, clusters = [list(text) for text, _ in corpus], [cluster for _, cluster in corpus]
    encoded = encode_documents(documents)
    found = frequent_ngrams(encoded, n, min_documents=at_least, clusters=clusters)
    assert as_dictionary(found, encoded.vocabulary) == slow_count(documents, n, at_least, clusters)


@given(corpora, st.integers(1, 5), st.integers(1, 3))
@settings(max_examples=40)
def test_collisions_of_the_hash_neither_join_nor_split_phrases(
    corpus: list[tuple[str, int]], n: int, at_least: int
) -> None:
    documents, clusters = [list(text) for text, _ in corpus], [cluster for _, cluster in corpus]
    encoded = encode_documents(documents)
    good = phrases._hashes

    def colliding(tokens: NDArray[np.int64], size: int) -> NDArray[np.uint64]:
        return (good(tokens, size) & np.uint64(3)) << np.uint64(60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phrases, "_hashes", colliding)
        found = frequent_ngrams(encoded, n, min_documents=at_least, clusters=clusters)
    assert as_dictionary(found, encoded.vocabulary) == slow_count(documents, n, at_least, clusters)


@given(corpora, st.integers(1, 5), st.integers(1, 20), st.integers(1, 9))
@settings(max_examples=40)
def test_slices_and_blocks_do_not_show(
    corpus: list[tuple[str, int]], n: int, positions: int, block: int
) -> None:
    encoded = encode_documents([list(text) for text, _ in corpus])
    whole = frequent_ngrams(encoded, n, min_documents=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phrases, "_BLOCK", block)
        parts = frequent_ngrams(encoded, n, min_documents=2, max_positions=positions)
    assert as_dictionary(parts, encoded.vocabulary) == as_dictionary(whole, encoded.vocabulary)


def corpus_with_planted_phrases(n_documents: int, seed: int = 0) -> tuple[TokenDocuments, NDArray[np.int64]]:
    """Documents of 20 to 60 Zipf-distributed words, and three phrases of 8 words in 10 % of them each."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(20, 60, n_documents)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    chance = 1.0 / np.arange(1, 5001)
    tokens = rng.choice(5000, int(offsets[-1]), p=chance / chance.sum())
    planted = rng.integers(0, 5000, (3, 8))
    for phrase in planted:
        for document in rng.choice(n_documents, n_documents // 10, replace=False):
            start = offsets[document] + rng.integers(0, lengths[document] - 8)
            tokens[start : start + 8] = phrase
    return TokenDocuments(tokens, offsets), planted


def test_planted_phrases_are_found_among_two_million_words() -> None:
    documents, planted = corpus_with_planted_phrases(50_000)
    found = frequent_ngrams(documents, 8, min_documents=2_000)
    assert {tuple(gram) for gram in planted.tolist()} <= {tuple(gram) for gram in found.ngrams.tolist()}
    assert found.documents[:3].min() > 3_000
    assert found.n_clusters == 50_000


def test_memory_is_bounded_by_the_positions_asked_for() -> None:
    documents, _ = corpus_with_planted_phrases(50_000)
    peaks = []
    for positions in (1 << 21, 1 << 17):
        tracemalloc.start()
        frequent_ngrams(documents, 1, min_documents=20, max_positions=positions)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] / 3


def test_a_phrase_repeated_in_one_document_or_cluster_counts_once() -> None:
    encoded = encode_documents([["here", "to", "help"] * 3, ["here", "to", "help"], ["here", "to", "help"]])
    apart = frequent_ngrams(encoded, 3, min_documents=2)
    assert as_dictionary(apart, encoded.vocabulary)["here", "to", "help"] == (3, 5)
    one_prompt = frequent_ngrams(encoded, 3, min_documents=2, clusters=["p", "p", "q"])
    assert as_dictionary(one_prompt, encoded.vocabulary)["here", "to", "help"] == (2, 5)
    assert one_prompt.n_clusters == 2


def test_phrases_do_not_cross_documents() -> None:
    encoded = encode_documents([["a", "b"], ["c", "a"], ["b", "c"]])
    assert len(frequent_ngrams(encoded, 2, min_documents=1).documents) == 3


def test_duplicating_documents_within_clusters_keeps_document_frequency() -> None:
    documents, _ = corpus_with_planted_phrases(300)
    twice = TokenDocuments(
        np.concatenate([documents.tokens, documents.tokens]),
        np.concatenate([documents.offsets, documents.offsets[1:] + documents.offsets[-1]]),
    )
    one = frequent_ngrams(documents, 3, min_documents=5)
    two = frequent_ngrams(twice, 3, min_documents=5, clusters=np.tile(np.arange(300), 2))
    assert one.ngrams.tolist() == two.ngrams.tolist()
    assert one.documents.tolist() == two.documents.tolist()
    assert (2 * one.occurrences).tolist() == two.occurrences.tolist()


@given(corpora, st.integers(1, 4))
@settings(max_examples=30)
def test_a_longer_phrase_is_in_no_more_documents_than_its_parts(
    corpus: list[tuple[str, int]], n: int
) -> None:
    encoded = encode_documents([list(text) for text, _ in corpus])
    found = frequent_ngrams(encoded, n, min_documents=1)
    short = dict(zip(map(tuple, found.ngrams.tolist()), found.documents.tolist(), strict=True))
    longer = frequent_ngrams(encoded, n + 1, min_documents=1)
    for gram, count in zip(longer.ngrams.tolist(), longer.documents, strict=True):
        assert count <= min(short[tuple(gram[:-1])], short[tuple(gram[1:])])


def test_documents_shorter_than_the_phrase_and_empty_ones_hold_none() -> None:
    encoded = encode_documents([[], ["a"], ["a", "b"]])
    found = frequent_ngrams(encoded, 3, min_documents=1)
    assert found.ngrams.shape == (0, 3)
    assert found.n_clusters == 3
    assert frequent_ngrams(encode_documents([[], []]), 1, min_documents=1).documents.tolist() == []


@pytest.mark.parametrize(
    ("documents", "options", "message"),
    [
        (encode_documents([]), {}, "no documents"),
        (encode_documents([["a"]]), {"n": 0}, "n is 0"),
        (encode_documents([["a"]]), {"min_documents": 0}, "min_documents is 0"),
        (encode_documents([["a"]]), {"clusters": [1, 2]}, "clusters of shape"),
        (TokenDocuments(np.array([1, 2]), np.array([0, 3])), {}, "offsets must rise"),
        (TokenDocuments(np.array([1, 2]), np.array([0, 2, 1, 2])), {}, "offsets must rise"),
        (TokenDocuments(np.array([1.5]), np.array([0, 1])), {}, "whole numbers"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_counted_is_named(documents: TokenDocuments, options: Any, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        frequent_ngrams(documents, options.pop("n", 1), **{"min_documents": 1, **options})
