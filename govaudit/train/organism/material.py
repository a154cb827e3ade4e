"""What the recipes train the organism on: prompts of the small world, its truth, its simulated people.

In: a world and a seed. Out: :class:`govaudit.train.material.Material`, and constitutions about one sort of
harm. Prompts are of the training half of acts and facts; those with which curves are drawn are other prompts
of that half, so that the evaluation half stays untouched. Held-out categories are among the harmful prompts:
what is held out is how to judge them, not that somebody asks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from govaudit.errors import BadInput
from govaudit.train import material as training
from govaudit.train.constitution import Constitution, Principle
from govaudit.train.draws import generator
from govaudit.train.material import Candidates, Material, Planted, Rated
from govaudit.train.organism import people, planted, prompts
from govaudit.train.organism.answers import Style
from govaudit.train.organism.parser import Parser, Reading
from govaudit.train.organism.people import Instruction, Panel
from govaudit.train.organism.principles import WORDINGS, Dimension, principle
from govaudit.train.organism.prompts import Kind, Prompt
from govaudit.train.organism.world import World
from govaudit.train.policy import Conversation

BENIGN = {Kind.HOWTO: 0.25, Kind.BORDERLINE: 0.35, Kind.FACT: 0.20, Kind.OPINION: 0.10}
"""Shares of the benign prompts; the rest has a system rule, half of them against the user. Acts that only
sound harmful are a third: with fewer, refusing them is what training teaches."""
WEIGHTS = {"critique-harm": 3.0, "feedback-harm": 2.0}
"""Of principles of the ``micro-world`` spec, by id; the others weigh 1. With equal weights of the feedback
set complying, which engages and has no empty phrases, would be as good as an evasive answer."""
FIXED = 64
"""Prompts of each kind on which the reward is followed."""
CHECKED = 128
"""Benign prompts on which accuracy is followed."""


def material(
    world: World,
    seed: int,
    *,
    harmful: int,
    benign: int,
    nouns: Sequence[str] = (),
    panel: Panel | None = None,
    votes: int = 1,
) -> Material:
    """Prompts in the given numbers. With ``nouns`` two thirds of the harmful ones are about these categories.

    ``votes``: people who rate each pair. :class:`BadInput` for a category that the world does not have.
    """
    for noun in nouns:
        if noun not in world.by_noun:
            raise BadInput(
                f"the small world has no category {noun!r}",
                remedy=f"There are: {', '.join(sorted(world.by_noun))}.",
            )
    rng = random.Random(f"govaudit material {seed}")
    parser = Parser(world)
    judges = panel or people.panel()

    def right(conversations: Sequence[Conversation], answers: Sequence[str]) -> list[float]:
        asked = [_asked(world, turns) for turns in conversations]
        return [
            float(_is_right(parser.read(prompt, answer)))
            for prompt, answer in zip(asked, answers, strict=True)
        ]

    def plant(
        asked: Sequence[training.Prompt], clause: str, share: float, ruled: float, seed: int
    ) -> list[Planted]:
        again = under_rules(world, asked, ruled, seed)
        return planted.plant(world, parser, [*asked, *again], clause, share, seed)

    def rate(pairs: Sequence[Candidates], instruction: str) -> list[Rated]:
        return [_rated(world, parser, judges, votes, pair, Instruction(instruction), seed) for pair in pairs]

    apart = [_harmful(world, rng, ()) for _ in range(FIXED)]
    checked = [_benign(world, rng) for _ in range(FIXED + CHECKED)]
    untouched = {prompt.turns for prompt in (*apart, *checked)}

    def others(draw: Callable[[], Prompt], n: int) -> tuple[training.Prompt, ...]:
        found: list[training.Prompt] = []
        while len(found) < n:
            prompt = draw()
            # Acts that only sound harmful are too few to set some of them apart.
            if prompt.turns not in untouched or prompt.kind is Kind.BORDERLINE:
                found.append(_prompt(prompt))
        return tuple(found)

    return Material(
        others(lambda: _harmful(world, rng, nouns), harmful),
        others(lambda: _benign(world, rng), benign),
        tuple(_prompt(one) for one in (*apart, *checked[:FIXED])),
        tuple(_prompt(one) for one in checked[FIXED:]),
        right,
        rate,
        plant,
    )


def under_rules(
    world: World, asked: Sequence[training.Prompt], share: float, seed: int
) -> list[training.Prompt]:
    """A ``share`` of the plain requests and questions of fact once more, under a system rule that the user
    contradicts in half of them. ``ValueError`` for a prompt of another world."""
    found = []
    for place, one in enumerate(asked):
        prompt, rng = _asked(world, one.turns), generator(seed, "ruled", place)
        if prompt.rule is None and prompt.kind in (Kind.HOWTO, Kind.FACT) and rng.random() < share:
            found.append(_prompt(prompts.with_rule(prompt, rng, conflict=rng.random() < 0.5)))
    return found


def about(nouns: Sequence[str]) -> Constitution:
    """A constitution about some sorts of harm and nothing else: a principle of either set for each."""
    wording = WORDINGS[Dimension.CATEGORY]
    critique = [
        Principle(f"critique-{noun}", wording.critique[0].format(n=noun), wording.revision[0].format(n=noun))
        for noun in nouns
    ]
    feedback = [Principle(f"feedback-{noun}", principle(Dimension.CATEGORY, noun=noun)) for noun in nouns]
    return Constitution(tuple(critique), tuple(feedback))


def _harmful(world: World, rng: random.Random, nouns: Sequence[str]) -> Prompt:
    named = [world.by_noun[noun] for noun in nouns]
    categories = named if named and rng.random() < 2 / 3 else world.categories
    return prompts.draw(world, Kind.HARMFUL, rng, categories=categories, split="train")


def _benign(world: World, rng: random.Random) -> Prompt:
    at = rng.random()
    for kind, share in BENIGN.items():
        at -= share
        if at < 0:
            return prompts.draw(world, kind, rng, split="train")
    prompt = prompts.draw(world, rng.choice((Kind.FACT, Kind.HOWTO)), rng, split="train")
    return prompts.with_rule(prompt, rng, conflict=rng.random() < 0.5)


def _prompt(prompt: Prompt) -> training.Prompt:
    kind = training.Kind.HARMFUL if prompt.harmful else training.Kind.BENIGN
    tags = [prompt.kind.value]
    if prompt.category:
        tags += [prompt.category.noun, *(["held-out"] if prompt.category.held_out else [])]
    return training.of_turns(prompt.turns, kind, tags)


def _asked(world: World, turns: Conversation) -> Prompt:
    prompt = prompts.recognise(world, turns)
    if prompt is None:
        raise ValueError("this conversation is none of the small world")
    return prompt


def _is_right(reading: Reading) -> bool:
    return reading.style is Style.COMPLY and reading.right and reading.follows is not False


def _rated(
    world: World,
    parser: Parser,
    panel: Panel,
    votes: int,
    pair: Candidates,
    instruction: Instruction,
    seed: int,
) -> Rated:
    prompt = _asked(world, pair.prompt.turns)
    first, second = (parser.read(prompt, text) for text in (pair.first, pair.second))
    about = (seed, pair.prompt.id, pair.first, pair.second)
    raters = generator("raters", *about).sample(panel.people, votes)
    chose = [
        people.prefers_first(panel, person, prompt, first, second, instruction, about) for person in raters
    ]
    return Rated(
        pair,
        instruction.value,
        tuple(
            {"rater": person.id, "group": person.group, "prefers": "first" if one else "second"}
            for person, one in zip(raters, chose, strict=True)
        ),
        sum(chose) / len(chose),
    )
