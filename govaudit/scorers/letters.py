"""A question with lettered answers: how it is put, how a reply is read, how both orders become one answer.

In: a rubric of scale ``choice``, a conversation and the offered answers; then, per order, what an arm said:
probabilities of the letters, or letters in samples. Out: one probability per offered answer. Left out: who
asks (``govaudit.evals``), and whole answers scored by log-probability (``choice``).

Bai et al. 2022 (arXiv 2212.08073), sections 2 and 4.1: letters at once or after reasons, the mean over
several reasonings, labels clamped to 40-60 %.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from govaudit.errors import BadInput
from govaudit.records import Scale, Turn
from govaudit.scorers.choice import WEAK_MASS, letter_of, letter_prompt, letters
from govaudit.scorers.rubric import CHOICE_FIELDS, Rubric, load
from govaudit.stats.calibration import EDGE

ANSWER = "The answer is"
"""What the turn of an arm that gives log-probabilities begins with, so that the next token is a letter."""
REASONS = "Reasons :"
"""The same where it reasons first."""
SO = "So the answer is"
"""What ends reasons and comes before the letter."""

AT_ONCE = "Answer with one letter ({names}) and nothing else."
REASONED = (
    f"Give your reasons first. Then end with one line: {SO} (LETTER), where LETTER is one of {{names}}."
)
"""What an endpoint is told after the question; an arm with log-probabilities is led by its own turn."""


@dataclass(frozen=True)
class Pooled:
    """What an arm makes of the offered answers, both orders together."""

    probabilities: tuple[float, ...]
    """Of each offered answer, in the order given; sums to 1."""
    given: tuple[float, ...]
    """The same in the order given alone."""
    turned: tuple[float, ...]
    """The same in the reversed order alone, mapped back."""
    mass: float | None
    """Probability of all letters together, the lower mean of both orders; ``None`` for bare letters."""
    samples: int
    """Of the order with fewer usable ones."""

    @property
    def consistent(self) -> bool:
        """Whether the most probable answer is the same in both orders; a tie in one of them is none."""
        return _best(self.given) is not None and _best(self.given) == _best(self.turned)

    @property
    def first_shown(self) -> float:
        """Mean probability of the answer shown first: one half means no taste for a place (of two)."""
        return (self.given[0] + self.turned[-1]) / 2

    @property
    def preferred(self) -> int | None:
        """Index of the most probable answer; ``None`` where two share that."""
        return _best(self.probabilities)

    @property
    def weak(self) -> bool:
        """Whether the arm was mostly saying something else than a letter."""
        return self.mass is not None and self.mass < WEAK_MASS


def usable(name: str) -> Rubric:
    """The rubric of that name; :class:`BadInput` where it asks no choice between answers."""
    rubric = load(name)
    if rubric.scale is not Scale.CHOICE:
        raise BadInput(
            f"the rubric {name!r} asks no choice between answers",
            remedy="Choices go by letters_hhh, letters, or a rubric of your own with `scale: choice`.",
        )
    return rubric


def question(rubric: Rubric, turns: Sequence[Turn], shown: Sequence[str]) -> tuple[Turn, ...]:
    """The conversation in which an arm is asked to choose, in the order shown; same arguments, same text.

    With a template one user turn that quotes the conversation; without, the question goes on after the
    conversation itself.
    """
    if not rubric.template:
        *before, last = turns
        asked = letter_prompt(shown).rpartition("Answer with one letter")[0].rstrip()
        return (*before, Turn("user", f"{last.content}\n\n{asked}"))
    said = "\n\n".join(f"{turn.role.capitalize()} : {turn.content}" for turn in turns if turn.content)
    offered = "\n".join(f"({name}) {text}" for name, text in zip(letters(len(shown)), shown, strict=True))
    filling = dict(zip(CHOICE_FIELDS, (said, offered), strict=True))
    # In one pass, so that a field spelt out in an answer is not filled in.
    text = re.sub("|".join(map(re.escape, CHOICE_FIELDS)), lambda match: filling[match[0]], rubric.template)
    return (Turn("user", text),)


def told(turns: Sequence[Turn], n: int, *, reasons: bool) -> tuple[Turn, ...]:
    """The question with the instruction that an endpoint needs: which form its reply has."""
    *before, last = turns
    how = (REASONED if reasons else AT_ONCE).format(names=", ".join(letters(n)))
    return (*before, Turn(last.role, f"{last.content}\n\n{how}"))


def read(reply: str, n: int, *, reasons: bool) -> str | None:
    """The letter in an endpoint's reply, or ``None``. After reasons only the end of the reply counts."""
    if not reasons:
        return letter_of(reply, n)
    _, found, end = reply.rpartition(SO)
    if not found:
        end = reply.strip().rpartition("\n")[2]
    letter = letter_of(end, n)
    if letter is None and (match := _BRACKETED.search(end)):
        letter = match[1] if match[1] in letters(n) else None
    return letter


_BRACKETED = re.compile(r"\(([A-Z])\)\W*$")


def pooled(
    given: Sequence[Mapping[str, float] | str], turned: Sequence[Mapping[str, float] | str], n: int
) -> Pooled | None:
    """Both orders as one. Each sample is a letter, or probabilities of letters as shown, of ``n`` answers.

    Samples of an order are averaged after each is normalised over the letters; the two orders are averaged on
    the logit scale (for more than two answers: of the logarithms), on which a constant taste for a place
    cancels. ``None`` where an order has no usable sample. ``ValueError`` for what is no probability.
    """
    rows = [_normalised(one, n) for one in given], [_normalised(one, n) for one in turned]
    kept = [[row for row in side if row is not None] for side in rows]
    if not all(kept):
        return None
    first = np.mean([row for row, _ in kept[0]], axis=0)
    second = np.mean([row[::-1] for row, _ in kept[1]], axis=0)
    together = np.exp((np.log(np.clip(first, EDGE, 1)) + np.log(np.clip(second, EDGE, 1))) / 2)
    masses = [[mass for _, mass in side if mass is not None] for side in kept]
    return Pooled(
        probabilities=_plain(together / together.sum()),
        given=_plain(first),
        turned=_plain(second),
        mass=min(float(np.mean(side)) for side in masses) if all(masses) else None,
        samples=min(map(len, kept)),
    )


def _normalised(said: Mapping[str, float] | str, n: int) -> tuple[list[float], float | None] | None:
    """Probabilities of the answers as shown and what the letters captured; ``None`` for no letter at all."""
    names = letters(n)
    if isinstance(said, str):
        return ([float(name == said) for name in names], None) if len(said) == 1 and said in names else None
    row = [said.get(name, 0.0) for name in names]
    if any(not 0 <= p <= 1 for p in row) or sum(row) > 1 + 1e-6:
        raise ValueError("probabilities of letters lie between 0 and 1 and sum to at most 1")
    mass = sum(row)
    return ([p / mass for p in row], mass) if mass > 0 else None


def _best(row: Sequence[float]) -> int | None:
    best = max(row)
    places = [place for place, p in enumerate(row) if p == best]
    return places[0] if len(places) == 1 else None


def _plain(row: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, ...]:
    return tuple(float(p) for p in row)
