"""AI feedback: a model says which of two answers is better under principles, as the probability of a letter.

In: pairs of answers, feedback principles, a model that gives log-probabilities. Out: one :class:`Label` per
pair with every question that was asked for it, and the pairs that a preference model is trained on. A
question is put in both orders; the probability of the first answer is the mean of both on the logit scale,
on which a constant taste for one letter cancels. With chain of thought the model writes its reasons first,
several times if wanted, and probabilities are averaged over the samples.

Bai et al. 2022, "Constitutional AI" (arXiv 2212.08073), section 4.1: normalised probabilities of the two
letters as soft labels, one principle drawn per pair, labels after reasons clamped to 40-60 %. A question
without an answer (the prompt does not fit the context, the reasons never end, no mass on the letters) is no
judgement: a pair that has none is counted and not trained on. Left out: few-shot exemplars.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from govaudit.errors import BadInput, StatisticsError
from govaudit.models.engine import Engine, Request
from govaudit.records import ChoiceScore, Turn
from govaudit.stats.calibration import average_orders, clamp
from govaudit.stats.intervals import Mean, clustered_mean
from govaudit.train import forms
from govaudit.train.constitution import Principle, draw
from govaudit.train.draws import generator, seed_of
from govaudit.train.material import Candidates
from govaudit.train.policy import Pair
from govaudit.train.sampling import score, write


class Form(StrEnum):
    """What becomes of a probability before it is trained on."""

    SOFT = "soft"  # as it is
    HARD = "hard"  # 0 or 1; an even one stays one half
    CLAMP = "clamp"  # confined to an interval


@dataclass(frozen=True)
class Settings:
    """How labels are made."""

    principles: int | None = 1
    """Principles drawn per pair, by weight; ``None`` = all of them, averaged by weight."""
    form: Form = Form.SOFT
    low: float = 0.4
    """Of ``clamp``: the least probability."""
    high: float = 0.6
    """Of ``clamp``: the greatest probability."""
    reasons: int = 0
    """Chains of thought per question and order; 0 = the letter at once."""
    reason_tokens: int = 256
    """Longest chain of thought."""
    temperature: float = 1.0
    """Of the chains of thought."""


@dataclass(frozen=True)
class Question:
    """One question about a pair: one principle, one order, one chain of thought or none."""

    principle: str
    weight: float
    turned: bool
    """True: the second answer was shown as (A)."""
    p_a: float | None
    """Probability of (A) among the two letters; ``None`` = no judgement."""
    mass: float | None
    """Probability of both letters together."""
    reasons: str = ""
    missing: str = ""
    """Why there is no judgement."""


@dataclass(frozen=True)
class Label:
    """What the model says about a pair."""

    candidates: Candidates
    questions: tuple[Question, ...]
    raw: float | None
    """Probability that the first answer is better; ``None`` = no judgement."""
    p_first: float | None
    """The same in the form that is trained on."""

    def data(self) -> dict[str, Any]:
        """Plain JSON, the record that ``--show`` prints."""
        return {
            **self.candidates.data(),
            "questions": [vars(question) for question in self.questions],
            "raw": self.raw,
            "p_first": self.p_first,
            "source": SOURCE,
        }

    @classmethod
    def of(cls, data: dict[str, Any]) -> Label:
        """The label of a record."""
        questions = tuple(Question(**question) for question in data["questions"])
        return cls(Candidates.of(data), questions, data["raw"], data["p_first"])


SOURCE = "ai"
"""What :class:`govaudit.train.policy.Pair` is told about where these labels come from."""


@dataclass(frozen=True)
class Quality:
    """How the model answered, over all pairs."""

    pairs: int
    labelled: int
    """Pairs with a label."""
    missing: dict[str, int]
    """Questions without a judgement, by reason."""
    mean_p_a: Mean | None
    """Mean probability of (A) over both orders of the same pairs, clusters = prompts: .5 = no taste for a
    letter; ``None`` where no interval can be given (fewer than two prompts, or no variation)."""
    mass: Mean | None
    """Mean probability of the two letters together."""
    turned_over: float | None
    """Share of questions whose more probable answer changes with the order."""


def conversation(candidates: Candidates, principle: str, *, turned: bool = False) -> tuple[Turn, ...]:
    """The question as one user's turn: conversation, principle, two lettered options, in this order."""
    first, second = candidates.first, candidates.second
    if turned:
        first, second = second, first
    return (Turn("user", forms.comparison(candidates.prompt.turns, principle, first, second)),)


def label(
    engine: Engine,
    pairs: Sequence[Candidates],
    principles: tuple[Principle, ...],
    settings: Settings,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Label]:
    """One label per pair, in order.

    ``advance`` is told how many further questions are answered, of :func:`questions` in all. ``ValueError``
    for an interval of ``clamp`` that is none.
    """
    rows = [
        _Row(at, principle, turned, sample)
        for at, pair in enumerate(pairs)
        for principle in _drawn(principles, settings, seed_of(seed, pair.prompt.id, pair.first, pair.second))
        for turned in (False, True)
        for sample in range(max(1, settings.reasons))
    ]
    asked = [conversation(pairs[row.pair], row.principle.text, turned=row.turned) for row in rows]
    prefixes = [forms.ANSWER] * len(rows)
    reasons, missing = [""] * len(rows), [""] * len(rows)
    if settings.reasons:
        requests = [
            Request(
                (*turns, Turn("assistant", forms.REASONS)),
                max_tokens=settings.reason_tokens,
                temperature=settings.temperature,
                seed=seed_of(seed, row.sample, row.turned, row.principle.id),
                # A tokenizer that knows lower-case words only writes the form in its own way.
                stop=(forms.SO, forms.SO.lower()),
            )
            for row, turns in zip(rows, asked, strict=True)
        ]
        for i, completion in enumerate(write(engine, requests, advance)):
            reasons[i] = completion.text.strip()
            prefixes[i] = f"{forms.REASONS} {reasons[i]} {forms.SO}"
            if completion.stop.value in ("max_tokens", "context", "template"):
                missing[i] = completion.stop.value
    items = [
        ((*turns, Turn("assistant", prefix)), forms.LETTERS)
        for turns, prefix in zip(asked, prefixes, strict=True)
    ]
    scored = score(engine, items, advance)
    found: list[list[Question]] = [[] for _ in pairs]
    for row, choices, thought, unended in zip(rows, scored, reasons, missing, strict=True):
        p_a, mass = _letters(choices)
        weight = row.principle.weight if settings.principles is None else 1.0
        fault = unended or ("context" if choices is None else "no letter" if p_a is None else "")
        found[row.pair].append(
            Question(row.principle.id, weight, row.turned, None if fault else p_a, mass, thought, fault)
        )
    return [_label(pair, tuple(own), settings) for pair, own in zip(pairs, found, strict=True)]


def questions(pairs: int, principles: tuple[Principle, ...], settings: Settings) -> int:
    """How many calls :func:`label` makes for so many pairs."""
    per_pair = len(principles) if settings.principles is None else settings.principles
    return pairs * per_pair * 2 * max(1, 2 * settings.reasons)


def shaped(p: float, settings: Settings) -> float:
    """A probability in the form that is trained on."""
    if settings.form is Form.HARD:
        return 0.5 if p == 0.5 else float(p > 0.5)
    if settings.form is Form.CLAMP:
        return float(clamp([p], settings.low, settings.high)[0])
    return p


def trained_on(labels: Sequence[Label]) -> list[Pair]:
    """The pairs that have a label."""
    return [
        Pair(one.candidates.prompt.turns, one.candidates.first, one.candidates.second, one.p_first, SOURCE)
        for one in labels
        if one.p_first is not None
    ]


def quality(labels: Sequence[Label]) -> Quality:
    """Missing judgements, taste for a letter, captured mass."""
    missing: dict[str, int] = {}
    p_a: list[float] = []
    masses: list[float] = []
    prompts: list[str] = []
    changed: list[bool] = []
    for one in labels:
        for question in one.questions:
            if question.missing:
                missing[question.missing] = missing.get(question.missing, 0) + 1
        for given, turned in _both_orders(one.questions):
            assert given.p_a is not None and turned.p_a is not None
            p_a.append((given.p_a + turned.p_a) / 2)
            masses.append(((given.mass or 0.0) + (turned.mass or 0.0)) / 2)
            prompts.append(one.candidates.prompt.id)
            changed.append((given.p_a > 0.5) == (turned.p_a > 0.5))
    return Quality(
        len(labels),
        sum(one.p_first is not None for one in labels),
        missing,
        _mean(p_a, prompts),
        _mean(masses, prompts),
        sum(changed) / len(changed) if changed else None,
    )


def _mean(values: Sequence[float], clusters: Sequence[str]) -> Mean | None:
    try:
        return clustered_mean(values, clusters)
    except StatisticsError:
        return None


@dataclass(frozen=True)
class _Row:
    """A question before it is answered."""

    pair: int
    principle: Principle
    turned: bool
    sample: int


def _drawn(principles: tuple[Principle, ...], settings: Settings, seed: int) -> list[Principle]:
    if settings.principles is None:
        return list(principles)
    rng = generator(seed, "principles")
    return [draw(principles, rng) for _ in range(settings.principles)]


def _letters(choices: Sequence[ChoiceScore] | None) -> tuple[float | None, float | None]:
    """Probability of (A) among the letters, and of both together."""
    if choices is None:
        return None, None
    a, b = (math.exp(choice.logprob) for choice in choices)
    mass = a + b
    if mass == 0.0:
        return None, 0.0
    # Rounding can carry the sum of two probabilities over 1.
    return a / mass, min(mass, 1.0)


def _both_orders(questions: Sequence[Question]) -> list[tuple[Question, Question]]:
    """The questions that were answered in either order, chain of thought by chain of thought."""
    answered: dict[tuple[str, bool], list[Question]] = {}
    for question in questions:
        if question.p_a is not None:
            answered.setdefault((question.principle, question.turned), []).append(question)
    return [
        (given, turned)
        for (principle, is_turned), row in answered.items()
        if not is_turned
        for given, turned in zip(row, answered.get((principle, True), []), strict=False)
    ]


def _label(candidates: Candidates, asked: tuple[Question, ...], settings: Settings) -> Label:
    """One probability per pair: mean over samples, then over orders on the logit scale, then by weight."""
    total = weights = 0.0
    for principle in dict.fromkeys(question.principle for question in asked):
        own = [question for question in asked if question.principle == principle]
        sides = [[q.p_a for q in own if q.turned is turned and q.p_a is not None] for turned in (False, True)]
        if not all(sides):
            continue
        given, turned = (sum(side) / len(side) for side in sides)
        # A principle that was drawn twice is there twice, and counts so.
        weight = sum(question.weight for question in own)
        total += weight * float(average_orders([given], [1 - turned])[0])
        weights += weight
    if not weights:
        return Label(candidates, asked, None, None)
    raw = total / weights
    return Label(candidates, asked, raw, shaped(raw, settings))


def reworked(labels: Sequence[Label], settings: Settings) -> list[Label]:
    """The same judgements in another form: soft, hard and clamped labels need the model once."""
    return [replace(one, p_first=None if one.raw is None else shaped(one.raw, settings)) for one in labels]


def check(settings: Settings) -> None:
    """:class:`BadInput` for settings that mean nothing."""
    if settings.form is Form.CLAMP and not 0 <= settings.low <= settings.high <= 1:
        raise BadInput(
            f"labels cannot be clamped to {settings.low:g} to {settings.high:g}",
            remedy="Give two probabilities, the lower first, for example 0.4 0.6.",
        )
