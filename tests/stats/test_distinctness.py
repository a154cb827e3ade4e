"""Distinct-n: by hand, its interval by simulation, and what it is not defined on."""

from __future__ import annotations

import numpy as np
import pytest

from govaudit.errors import StatisticsError
from govaudit.stats.distinctness import cut, distinctness
from govaudit.stats.phrases import encode_documents


def test_two_texts_by_hand() -> None:
    # Bigrams: ab bc cd / ab bx: 5 in all, 4 different.
    found = distinctness(encode_documents([list("abcd"), list("abx")]), 2)
    assert found.value == pytest.approx(4 / 5)
    assert (found.n, found.clusters) == (5, 2)


def test_the_interval_holds_the_mean_of_as_large_samples() -> None:
    """Texts of words with Zipf's law: 95 % intervals held the expected share in at least 88 % of 100 samples."""
    rng = np.random.default_rng(0)
    chance = 1 / np.arange(1, 400)
    chance /= chance.sum()

    def sample() -> list[list[int]]:
        return [rng.choice(399, 12, p=chance).tolist() for _ in range(80)]

    found = [distinctness(encode_documents(sample()), 2) for _ in range(100)]
    truth = float(np.mean([one.value for one in found]))
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.88


def test_the_same_amount_of_text_is_compared() -> None:
    documents = encode_documents([list("abcdef"), list("ab"), []])
    shorter = cut(documents, np.array([3, 5, 2]))
    said = [shorter.vocabulary[t] for t in shorter.tokens.tolist()]
    assert "".join(map(str, said)) == "abcab"
    assert shorter.offsets.tolist() == [0, 3, 5, 5]


def test_too_little_text_is_undefined() -> None:
    with pytest.raises(StatisticsError, match="two prompts"):
        distinctness(encode_documents([list("abcd")] * 3), 2, clusters=["a"] * 3)
    with pytest.raises(StatisticsError, match="two n-grams"):
        distinctness(encode_documents([["a"], ["b"]]), 4)
    with pytest.raises(StatisticsError, match="one group"):
        distinctness(encode_documents([list("abcdef"), ["b"]]), 4)
