"""Near duplicates against all pairs compared exactly."""

from __future__ import annotations

import numpy as np
import pytest

from govaudit.errors import StatisticsError
from govaudit.stats.duplicates import near_duplicates
from govaudit.stats.phrases import encode_documents


def corpus(seed: int) -> list[list[int]]:
    """150 texts of random words; every third is followed by a copy with up to 15 % of its words changed."""
    rng = np.random.default_rng(seed)
    texts: list[list[int]] = []
    for number in range(150):
        texts.append(rng.integers(0, 5000, rng.integers(2, 150)).tolist())
        if number % 3 == 0:
            changed = rng.random(len(texts[-1])) < rng.uniform(0, 0.15)
            texts.append(np.where(changed, rng.integers(0, 5000, len(changed)), texts[-1]).tolist())
    return texts


def exactly(texts: list[list[int]]) -> np.ndarray:
    grams = [{tuple(text[i : i + 4]) for i in range(len(text) - 3)} for text in texts]
    best = np.zeros(len(texts))
    for i, one in enumerate(grams):
        for j, two in enumerate(grams):
            if i != j and one and two:
                best[i] = max(best[i], len(one & two) / len(one | two))
    return best


@pytest.mark.parametrize("seed", range(2))
def test_what_is_found_is_exact_and_little_is_missed(seed: int) -> None:
    texts = corpus(seed)
    best = exactly(texts)
    found = near_duplicates(encode_documents(texts), threshold=0.5)
    hit = found.similarity > 0
    assert (best > 0.5).sum() > 30
    np.testing.assert_allclose(found.similarity[hit], best[hit])
    assert not (hit & (best <= 0.5)).any()
    assert (hit & (best > 0.5)).sum() >= 0.98 * (best > 0.5).sum()
    assert all(found.like[found.like[i]] >= 0 for i in np.flatnonzero(hit))


def test_answers_to_one_prompt_are_no_duplicates_of_each_other() -> None:
    text = ["one", "answer", "in", "the", "same", "words", "every", "time"]
    alone = near_duplicates(encode_documents([text] * 6), clusters=["a"] * 6)
    assert alone.similarity.max() == 0
    apart = near_duplicates(encode_documents([text] * 6), clusters=list("abcdef"))
    assert apart.similarity.tolist() == [1.0] * 6


def test_texts_that_are_too_short_and_none_at_all_have_no_duplicates() -> None:
    assert near_duplicates(encode_documents([["a"], ["a"], []])).similarity.tolist() == [0, 0, 0]


def test_a_threshold_outside_the_unit_interval_is_refused() -> None:
    with pytest.raises(StatisticsError, match="threshold"):
        near_duplicates(encode_documents([["a"]]), threshold=1.0)
