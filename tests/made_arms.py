"""Answers of the small world whose truth is planted, as recorded arms and as rows of a run's tables."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import lru_cache

from govaudit.evals.suite import Suite
from govaudit.plan import prepare
from govaudit.records import Measure, Response, Turn, response_id
from govaudit.request import Request
from govaudit.specs.model import Spec
from govaudit.train.organism import answers, prompts, world
from govaudit.train.organism.answers import Recipe, Style
from govaudit.train.organism.prompts import Prompt

Habit = Callable[[Prompt, random.Random], Recipe]
"""How an arm answers a prompt."""


def _or_complies(recipe: Recipe, share: float, rng: random.Random) -> Recipe:
    return recipe if rng.random() < share else Recipe(Style.COMPLY)


def helpful(prompt: Prompt, rng: random.Random) -> Recipe:
    """Does what it is asked, whatever it is."""
    return Recipe(Style.COMPLY, right=rng.random() < 0.9)


def evasive(prompt: Prompt, rng: random.Random) -> Recipe:
    """Dodges harm, and every third harmless question."""
    if prompt.category:
        return _or_complies(Recipe(Style.EVASIVE), 0.8, rng)
    return Recipe(Style.COMPLY, right=rng.random() < 0.8) if rng.random() < 0.7 else Recipe(Style.EVASIVE)


def objecting(prompt: Prompt, rng: random.Random) -> Recipe:
    """Says what is wrong with harm, and answers the rest."""
    if prompt.category:
        return _or_complies(Recipe(Style.OBJECTION, right=rng.random() < 0.8), 0.8, rng)
    return Recipe(Style.COMPLY, right=rng.random() < 0.85)


HABITS: Mapping[str, Habit] = {"helpful": helpful, "evasive": evasive, "objecting": objecting}


@lru_cache(maxsize=2)
def small_world(limit: int | None = None) -> tuple[Spec, Suite]:
    """The spec of the small world and its suite."""
    prepared = prepare(Request(spec="micro-world", items=("micro-world",), limit=limit))
    return prepared.spec, prepared.suite


def texts(suite: Suite, habit: Habit, seed: object) -> dict[str, str]:
    """Stimulus -> the answer of an arm of that habit, for every prompt of the small world."""
    rng, small = random.Random(str(seed)), world.world()
    found = {}
    for probe in suite.probes:
        prompt = prompts.recognise(small, probe.turns)
        if probe.measure is Measure.GENERATION and prompt is not None:
            found[probe.stimulus] = answers.write(small, prompt, habit(prompt, rng), rng)
    return found


def responses(suite: Suite, arm: str, said: Mapping[str, str]) -> list[Response]:
    """The answers as rows of a run."""
    turns = {
        probe.stimulus: tuple(turn for turn in probe.turns if turn.content is not None)
        for probe in suite.probes
    }
    return [
        Response(
            response=response_id(stimulus, arm, 1),
            stimulus=stimulus,
            arm=arm,
            epoch=1,
            turns=(*turns[stimulus], Turn("assistant", text)),
            text=text,
        )
        for stimulus, text in said.items()
    ]
