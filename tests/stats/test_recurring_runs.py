"""Runs of tokens that recur across clusters, and where given phrases occur, against slow obvious versions."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from govaudit.errors import StatisticsError
from govaudit.stats.phrases import encode_documents, find_phrases, recurring_runs


def babble(seed: int, documents: int = 60, words: int = 6) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [[f"w{w}" for w in rng.integers(0, words, rng.integers(0, 30))] for _ in range(documents)]


def clusters_of(documents: list[list[str]], prompts: list[int], longest: int) -> dict[tuple[str, ...], int]:
    found: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for prompt, said in zip(prompts, documents, strict=True):
        for n in range(2, longest + 1):
            for at in range(len(said) - n + 1):
                found[tuple(said[at : at + n])].add(prompt)
    return {gram: len(where) for gram, where in found.items()}


@pytest.mark.parametrize("seed", range(4))
def test_runs_and_coverage_are_those_of_a_slow_count(seed: int) -> None:
    documents = babble(seed)
    prompts = [number // 2 for number in range(len(documents))]
    least, longest = 6, 5
    coded = encode_documents(documents)
    found = recurring_runs(coded, shortest=2, longest=longest, min_documents=least, clusters=prompts)
    frequent = {g: n for g, n in clusters_of(documents, prompts, longest).items() if n >= least}
    expected = set()
    for gram, n in frequent.items():
        longer = [m for g, m in frequent.items() if len(g) == len(gram) + 1 and gram in (g[1:], g[:-1])]
        if 2 * max(longer, default=0) <= n:
            expected.add((gram, n))
    names = coded.vocabulary
    assert {(tuple(str(names[t]) for t in r.tokens), r.documents) for r in found.runs} == expected
    covered = []
    for said in documents:
        marks = [False] * len(said)
        for at in range(len(said) - 1):
            if tuple(said[at : at + 2]) in frequent:
                marks[at] = marks[at + 1] = True
        covered += marks
    assert found.covered.tolist() == covered


def test_a_long_run_is_told_once_and_not_by_its_pieces() -> None:
    template = ["let", "me", "know", "if", "you", "have", "any", "other", "questions"]
    documents = [[f"own{k}", f"word{k}", *template, f"end{k}"] for k in range(9)]
    found = recurring_runs(encode_documents(documents), shortest=4, longest=12, min_documents=3)
    assert len(found.runs) == 1
    assert (len(found.runs[0].tokens), found.runs[0].documents) == (9, 9)


def test_repetition_under_one_prompt_is_no_recurrence() -> None:
    documents = [["the", "same", "four", "words"]] * 20
    found = recurring_runs(
        encode_documents(documents), shortest=4, min_documents=2, clusters=["one prompt"] * 20
    )
    assert found.runs == ()
    assert not found.covered.any()


@pytest.mark.parametrize("seed", range(3))
def test_phrases_are_found_where_a_slow_search_finds_them(seed: int) -> None:
    documents = babble(seed)
    phrases = [("w1", "w2"), ("w1",), ("w1", "w2", "w3"), ("w0", "w0", "w0"), ("w1", "absent")]
    at, which = find_phrases(encode_documents(documents), phrases)
    expected, start = set(), 0
    for said in documents:
        for number, phrase in enumerate(phrases):
            for place in range(len(said) - len(phrase) + 1):
                if tuple(said[place : place + len(phrase)]) == phrase:
                    expected.add((start + place, number))
        start += len(said)
    assert set(zip(at.tolist(), which.tolist(), strict=True)) == expected


def test_no_phrases_and_unknown_words_find_nothing() -> None:
    coded = encode_documents([["a", "b"]])
    assert find_phrases(coded, [])[0].tolist() == []
    assert find_phrases(coded, [("c",)])[0].tolist() == []


@pytest.mark.parametrize(("shortest", "longest"), [(1, 3), (4, 3)])
def test_impossible_lengths_are_refused(shortest: int, longest: int) -> None:
    with pytest.raises(StatisticsError, match="shortest"):
        recurring_runs(encode_documents([["a"]]), shortest=shortest, longest=longest, min_documents=1)


def test_a_phrase_without_words_is_refused() -> None:
    with pytest.raises(StatisticsError, match="no words"):
        find_phrases(encode_documents([["a"]]), [()])
