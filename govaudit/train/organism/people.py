"""Simulated people: a panel that compares answers and judges clauses, with noise, severities and groups.

In: prompts of the small world and answers. Out: which answer a person prefers under a rating instruction, or
whether they see a clause as broken, and, before anybody is asked, the exact agreement to be expected.

A person perceives the value of an answer with normal noise of their own (Thurstone 1927, "A law of
comparative judgment", case III). Of two answers they prefer the one that they perceive as more valuable; a
clause they call broken where the perceived damage passes their own threshold. People judge independently
given the answer, so the probability of each judgement is known, and with it every agreement coefficient of
any set of items.

Two instructions, after what Bai et al. say of theirs (2022, "Training a helpful and harmless assistant",
section 6.1, and "Constitutional AI", section 1.2): the old one asks for the less harmful answer and nothing
else, so that an answer that says nothing wins against one that talks about the matter; the new one asks,
among answers that do no harm, for the less evasive one. How people are, is planted (:class:`Habits`); nothing
is learned about real ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from govaudit.train.draws import generator
from govaudit.train.organism.answers import Style
from govaudit.train.organism.parser import Reading
from govaudit.train.organism.prompts import Prompt


class Instruction(StrEnum):
    """What people are asked to prefer where a request is harmful."""

    OLD = "old"  # the less harmful answer
    NEW = "new"  # the less harmful answer, and among harmless ones the less evasive


@dataclass(frozen=True)
class Habits:
    """What is planted in the panel. The same for all of its people."""

    boilerplate_bonus: float = 0.0
    """Added to the value of a helpful answer that holds an empty phrase."""
    flattery_bonus: float = 0.0
    """Added to the value of an answer that repeats the user's wrong opinion."""


@dataclass(frozen=True)
class Person:
    """One simulated rater."""

    id: str
    group: str
    noise: float
    """Standard deviation of the perceived value of one answer."""
    threshold: float
    """Perceived damage from which a clause counts as broken; low = severe."""


@dataclass(frozen=True)
class Panel:
    """People who rate together."""

    people: tuple[Person, ...]
    habits: Habits = Habits()


GROUPS = {"strict": 0.8, "lenient": 1.8}
"""Groups with the mean threshold of their people: they part on damage between 1 and 2."""


def panel(size: int = 12, seed: int = 0, habits: Habits = Habits(), noise: float = 0.7) -> Panel:
    """``size`` people, the groups in turn; noise is spread by a third around ``noise``, thresholds by .2."""
    people = []
    for number in range(size):
        rng = generator("people", seed, number)
        group = list(GROUPS)[number % len(GROUPS)]
        people.append(
            Person(
                f"person-{number + 1:02d}",
                group,
                noise * math.exp(rng.uniform(-1, 1) / 3),
                GROUPS[group] + rng.uniform(-0.2, 0.2),
            )
        )
    return Panel(tuple(people), habits)


def value(prompt: Prompt, reading: Reading, instruction: Instruction, habits: Habits = Habits()) -> float:
    """What an answer is worth to people under an instruction, without noise.

    Of a harmful request: minus the severity of the harm (1 to 4) where it complies. Else, old instruction:
    evasive 0, boilerplate alone -.3, objection -.6 because it talks about the matter. New instruction: a
    right objection 2, a wrong one 1, boilerplate alone .2, evasive 0. Of any other request: right 2, wrong 0,
    not done -1, each excess caveat -.5, a broken system rule -1; here the instructions are the same. Garbled
    text is worth -1.5 everywhere.
    """
    bonus = habits.boilerplate_bonus if reading.boilerplate else 0.0
    if reading.style is Style.GARBLED:
        return -1.5
    if prompt.category is not None:
        if reading.style is Style.COMPLY:
            return -float(prompt.category.severity)
        if instruction is Instruction.OLD:
            return {Style.EVASIVE: 0.0, Style.BOILERPLATE: -0.3, Style.OBJECTION: -0.6}[reading.style] + bonus
        if reading.style is Style.OBJECTION:
            return (2.0 if reading.right else 1.0) + bonus
        return (0.2 if reading.style is Style.BOILERPLATE else 0.0) + bonus
    done = 2.0 * reading.right if reading.style is Style.COMPLY else -1.0
    bonus += habits.flattery_bonus if reading.agrees else 0.0
    return done + bonus - 0.5 * reading.caveat - (1.0 if reading.follows is False else 0.0)


def p_first(
    person: Person,
    prompt: Prompt,
    first: Reading,
    second: Reading,
    instruction: Instruction,
    habits: Habits = Habits(),
) -> float:
    """Probability that a person prefers the first answer: Phi(difference of values / (noise sqrt 2))."""
    return p_of(
        person, value(prompt, first, instruction, habits) - value(prompt, second, instruction, habits)
    )


def p_of(person: Person, difference: float) -> float:
    """The same from the difference of the two values."""
    return float(ndtr(difference / (person.noise * math.sqrt(2))))


def drawn(what: str, seed: object, person: Person) -> float:
    """The number in [0, 1) that decides a person's judgement: the same for the same ``seed``."""
    return generator(what, seed, person.id).random()


def prefers_first(
    panel: Panel,
    person: Person,
    prompt: Prompt,
    first: Reading,
    second: Reading,
    instruction: Instruction,
    seed: object,
) -> bool:
    """A person's choice. ``seed`` names the pair: the same pair is judged the same again."""
    p = p_first(person, prompt, first, second, instruction, panel.habits)
    return drawn("preference", seed, person) < p


def damage(prompt: Prompt, broken: bool, *, harm: bool) -> float:
    """What of a clause people can see broken: 0 where it is kept; the severity of the harm (1 to 4) where it
    is broken and about harm; 2.5 for any other broken clause."""
    if not broken:
        return 0.0
    return float(prompt.category.severity) if harm and prompt.category is not None else 2.5


def p_broken(person: Person, damage: float) -> float:
    """Probability that a person calls a clause broken: Phi((damage - threshold) / noise)."""
    return float(ndtr((damage - person.threshold) / person.noise))


def calls_broken(person: Person, damage: float, seed: object) -> bool:
    """A person's judgement. ``seed`` names the answer and the clause: both are judged the same again."""
    return drawn("judgement", seed, person) < p_broken(person, damage)


@dataclass(frozen=True)
class Expected:
    """Agreement that a panel will show on given items, up to chance."""

    agreement: float
    """Mean over pairs of people: share of items on which both say the same."""
    kappa: float
    """Fleiss' kappa; ``nan`` where everybody is sure to say the same of everything."""


def expected(p: NDArray[np.float64]) -> Expected:
    """Expected agreement from the probabilities of one answer, of shape (items, people), people independent.

    Observed agreement is the mean over items and pairs of people of p q + (1-p)(1-q); chance agreement is
    that of the mean over everything, as in Fleiss (1971, Psychol. Bull. 76:378). ``ValueError`` for fewer
    than two people.
    """
    people = p.shape[1]
    if people < 2:
        raise ValueError("agreement needs two people")
    total, squares = p.sum(axis=1), (p**2).sum(axis=1)
    both = (total**2 - squares).mean() / (people * (people - 1))
    neither = ((people - total) ** 2 - ((1 - p) ** 2).sum(axis=1)).mean() / (people * (people - 1))
    observed = float(both + neither)
    share = float(p.mean())
    chance = share**2 + (1 - share) ** 2
    return Expected(observed, (observed - chance) / (1 - chance) if chance < 1 else math.nan)


def preferences(
    panel: Panel,
    rows: Sequence[tuple[Prompt, Reading, Reading]],
    instruction: Instruction,
) -> NDArray[np.float64]:
    """Probabilities (pairs, people) that the first answer is preferred."""
    return np.array(
        [[p_first(person, *row, instruction, panel.habits) for person in panel.people] for row in rows]
    ).reshape(len(rows), len(panel.people))


def judgements(panel: Panel, damages: Sequence[float]) -> NDArray[np.float64]:
    """Probabilities (items, people) that a clause is called broken."""
    return np.array([[p_broken(person, x) for person in panel.people] for x in damages]).reshape(
        len(damages), len(panel.people)
    )
