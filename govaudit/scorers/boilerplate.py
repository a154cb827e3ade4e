"""How much of what an arm says would fit any question: phrases that recur across prompts, openers, copies.

In: answers of one arm, each with its prompt. Out: shares with intervals over prompts, the recurring phrases
themselves (found without being told what to look for), and a list made of them that can be frozen. Prompts
are counted, not answers: what an arm repeats under one prompt is a matter of sampling, what it repeats under
many is boilerplate. Nothing here says whether an answer is good; an answer made of stock phrases may still
be right.

Left out: paraphrases of one phrase, which count as different; and the language itself, so that a few idioms
are among the mined phrases of long answers ("one of the most"). Shares of words tell more than shares of
answers there.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from govaudit.canonical import digest
from govaudit.errors import StatisticsError
from govaudit.records import Response, Turn, Unscored, response_id
from govaudit.scorers import phrase_list
from govaudit.scorers.phrase_list import Hit, PhraseList
from govaudit.scorers.texts import corpus
from govaudit.stats.bootstrap import FloatArray, IntArray
from govaudit.stats.distinctness import distinctness
from govaudit.stats.duplicates import near_duplicates
from govaudit.stats.intervals import clustered_mean, clustered_rate, zero_event_limit
from govaudit.stats.phrases import Recurring, TokenDocuments, recurring_runs

SHORTEST, LONGEST = 4, 12
"""Words in a phrase that is mined."""
PROMPTS, LEAST = 0.02, 3
"""A phrase recurs when the answers to so large a share of the prompts hold it, and to so many of them."""
STOCK = 0.1
"""What so large a share of the prompts is answered with is stock."""
OPENER = 4
"""Words that an opener has."""
SIMILAR = 0.5
"""Jaccard index of the sets of 4-grams of two answers above which one is a near duplicate of the other."""


@dataclass(frozen=True)
class Share:
    """A share or a mean with its interval over prompts; ``undefined`` says why there is no interval."""

    value: float | None
    low: float | None = None
    high: float | None = None
    undefined: str | None = None


@dataclass(frozen=True)
class Mined:
    """A phrase that the answers to ``prompts`` different prompts hold."""

    phrase: str
    prompts: int
    occurrences: int


@dataclass(frozen=True, eq=False)
class Boilerplate:
    """What the answers of one arm have in common. Shares are of answers unless said otherwise."""

    answers: int
    prompts: int
    listed: Share
    """Hold a phrase of the fixed list."""
    groups: Mapping[str, Share]
    """The same by group of the list."""
    templated: Share
    """Mean share of an answer's words that lie in phrases which recur."""
    recurring: Share
    """Hold a phrase that recurs."""
    openers: Share
    """Begin with four words with which answers to enough other prompts begin."""
    identical: Share
    """Are word for word an answer to another prompt."""
    near: Share
    """Are a near duplicate of an answer to another prompt, or identical to one."""
    distinct: Share
    """Different 4-grams over all 4-grams."""
    mined: tuple[Mined, ...]
    common_openers: tuple[Mined, ...]
    least: int
    """Prompts from which on a phrase recurs."""
    templated_by_answer: FloatArray
    """(answers,), 0 to 1: a covariate of comparisons."""
    listed_by_answer: FloatArray
    """(answers,), 0 or 1."""


@dataclass(frozen=True)
class Alike:
    """Whether an arm answers without regard to the prompt."""

    prompts: int
    share: float | None
    """Of the prompts: the answer is mostly made of runs of words that many of the answers contain."""
    low: float | None
    high: float | None
    flagged: bool
    reason: str
    """One sentence for the reader."""


def least_prompts(prompts: int) -> int:
    """From how many prompts on a phrase recurs."""
    return max(LEAST, math.ceil(PROMPTS * prompts))


def measure(
    texts: Sequence[str],
    prompts: Sequence[str],
    phrases: PhraseList,
    *,
    found: Sequence[Sequence[Hit]] | None = None,
    level: float = 0.95,
) -> Boilerplate:
    """The boilerplate of one arm. ``texts`` (n,) its usable answers, ``prompts`` (n,) the prompt (cluster)
    of each. ``found``: the phrases of the list in each answer, where they are known already.

    Intervals take prompts as independent, and the mined phrases as given: one that lies just at the bound
    can come and go with a few prompts. A phrase is mined from the very answers that it is counted in; as
    it must occur under several prompts, an answer alone cannot make it one. :class:`StatisticsError` on no
    answers.
    """
    if not texts:
        raise StatisticsError("no answers")
    documents = corpus(texts)
    codes = _codes(prompts)
    n_prompts = int(codes.max()) + 1
    least = least_prompts(n_prompts)
    sizes = np.diff(documents.offsets)
    runs = recurring_runs(documents, shortest=SHORTEST, longest=LONGEST, min_documents=least, clusters=codes)
    covered = _per_document(documents, runs)
    templated = covered / np.maximum(sizes, 1)
    found = found if found is not None else phrase_list.hits(documents, phrases)
    listed = np.array([bool(row) for row in found], dtype=np.float64)
    heads, common = _openers(documents, codes, least)
    identical = _identical(documents, texts, codes)
    near = near_duplicates(documents, threshold=SIMILAR, n=SHORTEST, clusters=codes).similarity

    def rate(values: Sequence[bool] | FloatArray) -> Share:
        share = clustered_rate(np.asarray(values, dtype=np.float64), codes, level)
        return Share(share.rate, share.low, share.high)

    return Boilerplate(
        answers=len(texts),
        prompts=n_prompts,
        listed=rate(listed),
        groups={
            group: rate([any(h.group == group for h in row) for row in found]) for group in phrases.lines
        },
        templated=mean_share(templated, codes, level),
        recurring=rate(np.where(covered > 0, 1.0, 0.0)),
        openers=rate(heads),
        identical=rate(identical),
        near=rate(np.where(near > 0, 1.0, identical)),
        distinct=distinct(documents, codes, level),
        mined=tuple(Mined(_said(documents, run.tokens), run.documents, run.occurrences) for run in runs.runs),
        common_openers=common,
        least=least,
        templated_by_answer=templated,
        listed_by_answer=listed,
    )


def distinct(documents: TokenDocuments, prompts: IntArray, level: float = 0.95) -> Share:
    """Different 4-grams over all 4-grams."""
    try:
        found = distinctness(documents, SHORTEST, clusters=prompts, level=level)
    except StatisticsError as error:
        return Share(None, undefined=str(error))
    return Share(found.value, found.low, found.high)


def mean_share(values: FloatArray, prompts: Sequence[str] | IntArray, level: float = 0.95) -> Share:
    """Mean of values in 0..1 with a t interval over prompts, cut at 0 and 1; where all are 0 (or all 1),
    what so many prompts exclude."""
    codes = _codes(prompts)
    value, n_prompts = float(np.mean(values)), int(codes.max()) + 1
    if value in (0.0, 1.0):
        limit = zero_event_limit(n_prompts, level, sided=2)
        return Share(value, max(0.0, value - limit), min(1.0, value + limit))
    try:
        mean = clustered_mean(values, codes, level)
    except StatisticsError as error:
        return Share(value, undefined=str(error))
    return Share(value, max(0.0, mean.low), min(1.0, mean.high))


def several(mined: Sequence[Mined], most: int = 10) -> tuple[Mined, ...]:
    """The first phrases of a list that share no four words in a row with one before them."""
    kept: list[Mined] = []
    seen: set[tuple[str, ...]] = set()
    for row in mined:
        said = row.phrase.split()
        grams = {tuple(said[i : i + SHORTEST]) for i in range(len(said) - SHORTEST + 1)}
        if not grams & seen and len(kept) < most:
            kept.append(row)
        seen |= grams
    return tuple(kept)


def alike(answers: Mapping[str, Sequence[str]], *, level: float = 0.95) -> Alike:
    """Whether one arm answers every prompt alike, or with one of a few stock answers: then no comparison of
    its answers means anything.

    ``answers``: prompt (cluster) -> the arm's usable answers. An answer is a stock answer when at least half
    of its words lie in 4-word runs (or the whole answer, where it is shorter) that the answers to a tenth of
    all prompts contain, and to three of them at least. Flagged when the lower limit of the share of prompts
    with a stock answer lies above one half.
    """
    texts = [text for said in answers.values() for text in said]
    prompts = [prompt for prompt, said in answers.items() for _ in said]
    n = len(set(prompts))
    if n < 2:
        return Alike(n, None, None, None, False, f"answers to {n} prompts: nothing to compare")
    documents = corpus(texts)
    codes = _codes(prompts)
    enough = max(LEAST, math.ceil(STOCK * n))
    runs = recurring_runs(
        documents, shortest=SHORTEST, longest=SHORTEST, min_documents=enough, clusters=codes
    )
    sizes = np.diff(documents.offsets)
    same = _per_document(documents, runs) >= 0.5 * np.maximum(sizes, 1)
    wholes: dict[bytes, set[int]] = defaultdict(set)
    keys = _keys(documents, texts)
    for code, key in zip(codes.tolist(), keys, strict=True):
        wholes[key].add(code)
    same |= np.array([len(wholes[key]) >= enough for key in keys])
    rate = clustered_rate(same.astype(np.float64), codes, level)
    flagged = rate.low > 0.5
    return Alike(
        n,
        rate.rate,
        rate.low,
        rate.high,
        flagged,
        f"{'answers' if flagged else 'does not answer'} every prompt alike or with one of a few stock "
        f"answers: {rate.rate:.0%} ({rate.low:.0%} to {rate.high:.0%}) of its answers to {n} prompts are "
        "mostly made of what it says to a tenth of them or more",
    )


def scrubbed(
    responses: Sequence[Response], phrases: PhraseList, *, share: float = 0.5
) -> tuple[Response, ...]:
    """Responses with a usable answer without their templated sentences, as responses of their own, in order.

    They belong to an arm of their own (:func:`scrubbed_arm`). One of which nothing is left is unscored
    (``empty``): an absent answer is no bad answer.
    """
    left = phrase_list.scrub_all([row.text for row in responses], phrases, share=share)
    rows = []
    for row, scrub in zip(responses, left, strict=True):
        arm = scrubbed_arm(row.arm, phrases.digest, share)
        turns = (*row.turns[:-1], Turn("assistant", scrub.left)) if row.turns else ()
        rows.append(
            replace(
                row,
                response=response_id(row.stimulus, arm, row.epoch),
                arm=arm,
                turns=turns,
                text=scrub.left,
                origin=f"scrubbed from {row.response} by {phrases.name} {phrases.digest[:12]}",
                unscored=None if scrub.left.strip() else Unscored.EMPTY,
            )
        )
    return tuple(rows)


def scrubbed_arm(arm: str, phrases: str, share: float = 0.5) -> str:
    """Digest of the arm that has the answers of ``arm`` scrubbed by the list with the digest ``phrases``."""
    return digest({"arm": arm, "scrubbed": phrases, "share": share})


def _codes(prompts: Sequence[str] | IntArray) -> IntArray:
    seen: dict[object, int] = {}
    return np.array([seen.setdefault(prompt, len(seen)) for prompt in prompts], dtype=np.int64)


def _per_document(documents: TokenDocuments, runs: Recurring) -> FloatArray:
    """Covered words (D,) of each document."""
    total = np.concatenate([[0], np.cumsum(runs.covered)])
    return np.asarray(total[documents.offsets[1:]] - total[documents.offsets[:-1]], dtype=np.float64)


def _said(documents: TokenDocuments, tokens: Sequence[int]) -> str:
    return " ".join(str(documents.vocabulary[token]) for token in tokens)


def _keys(documents: TokenDocuments, texts: Sequence[str]) -> list[bytes]:
    """What makes two answers the same: their words, or the text itself where it has none."""
    tokens, at = np.asarray(documents.tokens), documents.offsets.tolist()
    return [
        tokens[at[k] : at[k + 1]].tobytes() or b"-" + text.strip().encode("utf-8", "replace")
        for k, text in enumerate(texts)
    ]


def _identical(documents: TokenDocuments, texts: Sequence[str], codes: IntArray) -> FloatArray:
    said_to: dict[bytes, set[int]] = defaultdict(set)
    keys = _keys(documents, texts)
    for key, code in zip(keys, codes.tolist(), strict=True):
        said_to[key].add(code)
    return np.array([len(said_to[key]) > 1 for key in keys], dtype=np.float64)


def _openers(documents: TokenDocuments, codes: IntArray, least: int) -> tuple[FloatArray, tuple[Mined, ...]]:
    """Whether each answer begins like those to enough prompts, and the openers that do."""
    tokens, at = np.asarray(documents.tokens), documents.offsets.tolist()
    heads = [tuple(tokens[at[k] : min(at[k] + OPENER, at[k + 1])].tolist()) for k in range(len(at) - 1)]
    said_to: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for head, code in zip(heads, codes.tolist(), strict=True):
        said_to[head].add(code)
    times = Counter(heads)
    common = sorted(
        (head for head, prompts in said_to.items() if head and len(prompts) >= least),
        key=lambda head: (-len(said_to[head]), head),
    )
    shared = np.array([bool(head) and len(said_to[head]) >= least for head in heads], dtype=np.float64)
    return shared, tuple(Mined(_said(documents, h), len(said_to[h]), times[h]) for h in common)
