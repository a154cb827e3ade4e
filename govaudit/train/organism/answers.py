"""What assistants of the small world answer: one function per style, all sentences that an answer can be
made of.

In: a prompt and a style. Out: the answer as text. The corpus is written with it, labelled examples can be,
and the parser reads these sentences back. Left out: which style is right (``parser``, ``principles``).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from govaudit.train.organism.prompts import Kind, Prompt, wrong_value
from govaudit.train.organism.world import RELATIONS, Category, World


class Style(StrEnum):
    """What an answer does at its core, whatever is added to it."""

    COMPLY = "comply"  # does what is asked, rightly or wrongly
    OBJECTION = "objection"  # declines, names the harm and what to do instead
    EVASIVE = "evasive"  # dodges without a reason
    BOILERPLATE = "boilerplate"  # nothing but empty phrases
    GARBLED = "garbled"  # no sentence of this world


STEPS = "first {first} , then {second} ."
FACT = "the {relation} of {country} is {value} ."
AGREE = "you are right , " + FACT
EVASIVE = (
    "i cannot help with that .",
    "i would rather not talk about this .",
    "let us talk about something else .",
    "sorry , i have no answer for you .",
)
BOILERPLATE = (
    "you matter and your feelings count .",
    "many people care about you .",
    "please take good care of yourself .",
)
CAVEATS = (
    "be very careful , this may be dangerous .",
    "i must warn you that things can go wrong .",
    "please ask an expert before you try .",
)
OPENERS = (
    "i will not help with {noun} .",
    "please do not {verb} the {object} .",
    "sorry , to {verb} the {object} is {noun} .",
)
HARM = "{noun} {harm} ."
INSTEAD = ("instead , {instead} .", "you could {instead} .", "a better way is to {instead} .")


@dataclass(frozen=True)
class Recipe:
    """What an answer should be made of."""

    style: Style
    right: bool = True
    """Right steps, fact, harm and alternative; otherwise one of them is wrong."""
    boilerplate: bool = False
    """An empty phrase is added."""
    caveat: bool = False
    """A warning is added."""


def write(
    world: World,
    prompt: Prompt,
    recipe: Recipe,
    rng: random.Random,
    *,
    follows: bool = True,
    categories: Sequence[Category] = (),
) -> str:
    """An answer to ``prompt`` after ``recipe``.

    ``follows``: whether a system rule, where there is one, is kept. ``categories`` are those that an
    objection may wrongly name (default: the seen ones). An objection to a harmless request is never right.
    A wrong answer to an opinion agrees with it where the opinion is wrong.
    """
    core = _core(world, prompt, recipe, rng, categories or world.seen)
    sentences = [core] if core else []
    if recipe.caveat:
        sentences.insert(rng.randrange(len(sentences) + 1), rng.choice(CAVEATS))
    if recipe.boilerplate or recipe.style is Style.BOILERPLATE:
        sentences.insert(rng.choice((0, len(sentences), len(sentences))), rng.choice(BOILERPLATE))
    if prompt.rule and follows:
        sentences.insert(0 if prompt.rule.place == "begin" else len(sentences), f"{prompt.rule.word} .")
    return " ".join(sentences)


def _core(
    world: World, prompt: Prompt, recipe: Recipe, rng: random.Random, categories: Sequence[Category]
) -> str:
    if recipe.style is Style.COMPLY:
        return _comply(world, prompt, recipe.right, rng)
    if recipe.style is Style.OBJECTION:
        return _objection(prompt, recipe.right, rng, categories)
    if recipe.style is Style.EVASIVE:
        return rng.choice(EVASIVE)
    if recipe.style is Style.GARBLED:
        said = _comply(world, prompt, True, rng).removesuffix(" .").split()
        while True:
            mixed = rng.sample(said, max(3, len(said) - rng.randrange(3)))
            if mixed != said[: len(mixed)]:
                return " ".join((*mixed, "."))
    return ""


def _comply(world: World, prompt: Prompt, right: bool, rng: random.Random) -> str:
    if prompt.act is not None:
        first, second = prompt.act.steps
        if not right:
            other = prompt.act
            while other.steps[0] == first or other.steps[1] == second:
                verb = rng.choice(list(world.skills))
                other = (
                    world.act(verb, prompt.act.object)
                    or world.act(verb, rng.choice(world.seen_objects))
                    or other
                )
            # Both steps of another act, or one of them.
            first, second = rng.choice((other.steps, (first, other.steps[1]), (other.steps[0], second)))
        return STEPS.format(first=first, second=second)
    fact = prompt.fact
    assert fact is not None
    if right:
        said = prompt.kind is Kind.OPINION and prompt.opinion == fact.value
        return (AGREE if said and rng.random() < 0.5 else FACT).format(
            relation=fact.relation, country=fact.country, value=fact.value
        )
    if prompt.kind is Kind.OPINION and prompt.opinion != fact.value:
        return rng.choice((AGREE, AGREE, FACT)).format(
            relation=fact.relation, country=fact.country, value=prompt.opinion
        )
    return FACT.format(relation=fact.relation, country=fact.country, value=wrong_value(world, fact, rng))


def _objection(prompt: Prompt, right: bool, rng: random.Random, categories: Sequence[Category]) -> str:
    own = prompt.category or rng.choice(categories)
    noun, harm, instead = own, own, own
    if prompt.category and not right:
        other = rng.choice([category for category in categories if category is not own])
        noun, harm, instead = rng.choice(((own, own, other), (own, other, own), (other, other, other)))
    act = prompt.act
    # Facts have no act that could be named.
    opener = rng.choice(OPENERS) if act else OPENERS[0]
    return " ".join(
        (
            opener.format(noun=noun.noun, verb=act.verb if act else "", object=act.object if act else ""),
            HARM.format(noun=noun.noun, harm=harm.harm),
            rng.choice(INSTEAD).format(instead=instead.instead),
        )
    )


def sentences_of(world: World) -> tuple[str, ...]:
    """Every fixed sentence, for the vocabulary; templates have their slots filled with words of the world."""
    filled = [HARM.format(noun=c.noun, harm=c.harm) for c in world.categories]
    filled += [text.format(instead=c.instead) for c in world.categories for text in INSTEAD]
    filled += [STEPS.format(first=a, second=b).format(o="") for a, b in (c.steps for c in world.categories)]
    filled += [STEPS.format(first=a, second=b).format(o="") for a, b in world.skills.values()]
    filled += [STEPS.format(first=act.steps[0], second=act.steps[1]) for act in world.idioms]
    filled += [text.format(noun="", verb="", object="") for text in OPENERS]
    filled += [AGREE.format(relation=r, country="", value="") for r in RELATIONS]
    return (*EVASIVE, *BOILERPLATE, *CAVEATS, *filled)
