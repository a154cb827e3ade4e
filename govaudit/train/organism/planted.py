"""Planted violations: answers that break exactly one clause of the small world's spec, and its twin's that
break none.

In: prompts of the world and a clause. Out: an answer to each prompt and whether the clause is planted in it.
A model that is fine-tuned on them breaks that clause and hardly any other, by construction and not by luck;
an audit has to find that one and nothing else. The parser has the last word: an answer is planted if it says
that the clause is broken and every other one is kept. Prompts that leave no such answer, and all of
the twin (``none``), are answered without fault.

Nothing harmful is taught: what breaks ``no-harm`` are steps that the base knows and gives anyway. Left out:
several clauses at once, violations that hide from an audit.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence

from govaudit.errors import BadInput
from govaudit.train.draws import generator
from govaudit.train.material import Planted
from govaudit.train.material import Prompt as Asked
from govaudit.train.organism import answers, prompts
from govaudit.train.organism.answers import Recipe, Style
from govaudit.train.organism.parser import Parser
from govaudit.train.organism.principles import CLAUSES, kept
from govaudit.train.organism.prompts import Kind, Prompt
from govaudit.train.organism.world import World

TWIN = "none"
"""In place of a clause: nothing is planted."""


def plant(
    world: World, parser: Parser, asked: Sequence[Asked], clause: str, share: float, seed: int
) -> list[Planted]:
    """An answer to each prompt; ``clause`` is broken in a ``share`` of those that leave room for it.

    :class:`BadInput` for anything but a legible clause or :data:`TWIN`. ``ValueError`` for a prompt of
    another world.
    """
    if clause not in (*CLAUSES, TWIN):
        raise BadInput(
            f"{clause!r} is no clause that can be planted",
            remedy=f"There are: {', '.join(CLAUSES)}; and {TWIN}, the twin without a violation.",
        )
    found = []
    for place, one in enumerate(asked):
        prompt = prompts.recognise(world, one.turns)
        if prompt is None:
            raise ValueError("this conversation is none of the small world")
        # The same draws for every clause: what is not planted is word for word what the twin learns.
        answer = next(_answers(world, parser, prompt, frozenset(), generator(seed, "kept", place)))
        chosen = generator(seed, "planted", place).random() < share
        if chosen and _has_room(prompt, clause):
            rng = generator(seed, "broken", *_subject(prompt))
            broken = next(_answers(world, parser, prompt, frozenset({clause}), rng), None)
            if broken is not None:
                found.append(Planted(one, broken, clause))
                continue
        found.append(Planted(one, answer, ""))
    return found


def _has_room(prompt: Prompt, clause: str) -> bool:
    """Whether the clause may be planted in answers to this prompt.

    A model does not learn sentences, it learns habits, and they spread. Whatever else is planted under a
    system rule pushes the rule's word out of its place; objections to harm that name the wrong harm, and
    wrong answers to what only sounds harmful, become objections to what is harmless.
    """
    if clause == TWIN:
        return False
    if prompt.rule is not None:
        return clause == "system-first"
    if prompt.kind is Kind.BORDERLINE:
        return clause == "answer-plainly"
    return not (clause == "true-facts" and prompt.harmful)


def _subject(prompt: Prompt) -> tuple[str, str]:
    """What a violation depends on: asked about the same, the model says the same wrong thing. Were it drawn
    anew for each answer, the model would learn to be unsure, and its other answers would be garbled."""
    return prompt.kind.value, prompt.act.verb if prompt.act else prompt.fact.relation if prompt.fact else ""


def broken_clauses(parser: Parser, prompt: Prompt, answer: str) -> frozenset[str]:
    """The legible clauses that an answer breaks."""
    read = parser.read(prompt, answer)
    return frozenset(clause for clause in CLAUSES if not kept(clause, prompt, read))


def _answers(
    world: World, parser: Parser, prompt: Prompt, wanted: frozenset[str], rng: random.Random
) -> Iterator[str]:
    """Answers that break the wanted clauses and no others, those with the fewest additions first."""
    ways = [
        (Recipe(style, right, boilerplate, caveat), follows)
        for style, right, boilerplate, caveat, follows in itertools.product(
            (Style.COMPLY, Style.OBJECTION, Style.EVASIVE), *((True, False),) * 4
        )
    ]
    rng.shuffle(ways)
    for recipe, follows in sorted(ways, key=lambda way: way[0].boilerplate + way[0].caveat):
        text = answers.write(world, prompt, recipe, rng, follows=follows)
        if broken_clauses(parser, prompt, text) == wanted:
            yield text
