"""What a recipe trains on: prompts with their kind, pairs of answers to them, and who knows what is right.

In: the user's prompts from a file, or another source such as the organism's world. Out: :class:`Material`.
Left out: answers, which the models write themselves.

A file is JSON Lines, one object per prompt: ``prompt`` (text of a user message) or ``turns`` (a list of
objects with ``role`` and ``content``), ``kind`` (``harmful`` or ``benign``), and if wanted ``id`` and
``tags``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.records import Turn, stimulus_digest
from govaudit.train.draws import generator

ROLES = ("system", "developer", "user", "assistant")
_KEYS = {"id", "prompt", "turns", "kind", "tags"}


class Kind(StrEnum):
    """What a prompt is for."""

    HARMFUL = "harmful"  # asks for something harmful: chains, comparisons of harmlessness
    BENIGN = "benign"  # asks for something that is to be done: keeps the model able


@dataclass(frozen=True)
class Prompt:
    """A conversation that the model is to answer."""

    id: str
    turns: tuple[Turn, ...]
    kind: Kind
    tags: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "turns": [turn.data() for turn in self.turns],
            "kind": self.kind.value,
            "tags": list(self.tags),
        }

    @classmethod
    def of(cls, data: dict[str, Any]) -> Prompt:
        """The prompt of a record."""
        turns = tuple(Turn(**turn) for turn in data["turns"])
        return cls(data["id"], turns, Kind(data["kind"]), tuple(data["tags"]))


def of_turns(turns: Iterable[Turn], kind: Kind, tags: Iterable[str] = ()) -> Prompt:
    """A prompt that is called by its digest."""
    given = tuple(turns)
    return Prompt(stimulus_digest(given)[:16], given, kind, tuple(tags))


def asked(text: str, kind: Kind, tags: Iterable[str] = ()) -> Prompt:
    """A prompt of one user message."""
    return of_turns((Turn("user", text),), kind, tags)


@dataclass(frozen=True)
class Candidates:
    """Two answers to one prompt."""

    prompt: Prompt
    first: str
    second: str
    writers: tuple[str, str] = ("", "")
    """Who wrote them: the name of a stage."""

    def data(self) -> dict[str, Any]:
        return {
            "prompt": self.prompt.data(),
            "first": self.first,
            "second": self.second,
            "writers": list(self.writers),
        }

    @classmethod
    def of(cls, data: dict[str, Any]) -> Candidates:
        """The candidates of a record."""
        one, two = data["writers"]
        return cls(Prompt.of(data["prompt"]), data["first"], data["second"], (one, two))


@dataclass(frozen=True)
class Rated:
    """What people say about a pair."""

    candidates: Candidates
    instruction: str
    votes: tuple[dict[str, str], ...]
    """Per person: ``rater``, ``group`` and ``prefers`` (``first`` or ``second``)."""
    p_first: float
    """Share of the votes for the first answer."""

    def data(self) -> dict[str, Any]:
        """Plain JSON, the record that ``--show`` prints."""
        return {
            **self.candidates.data(),
            "instruction": self.instruction,
            "votes": list(self.votes),
            "p_first": self.p_first,
            "source": "people",
        }

    @classmethod
    def of(cls, data: dict[str, Any]) -> Rated:
        """The rating of a record."""
        return cls(Candidates.of(data), data["instruction"], tuple(data["votes"]), data["p_first"])


Right = Callable[[Sequence[tuple[Turn, ...]], Sequence[str]], Sequence[float]]
"""1 for each answer to a benign prompt that is right, else 0."""


Rate = Callable[[Sequence[Candidates], str], list[Rated]]
"""What people prefer under an instruction."""


@dataclass(frozen=True)
class Planted:
    """An answer that somebody who knows what is right has written."""

    prompt: Prompt
    answer: str
    clause: str
    """The clause that it breaks, and no other; empty = none."""

    def data(self) -> dict[str, Any]:
        """Plain JSON, the record that ``--show`` prints."""
        return {"prompt": self.prompt.data(), "answer": self.answer, "clause": self.clause}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Planted:
        """The answer of a record."""
        return cls(Prompt.of(data["prompt"]), data["answer"], data["clause"])


Plant = Callable[[Sequence[Prompt], str, float, float, int], list[Planted]]
"""Answers to prompts that break a clause in a share of those that leave room for it. Another share of the
prompts is asked again under a rule of the system, which the answers keep; last a seed."""


@dataclass(frozen=True)
class Material:
    """Everything that a recipe needs besides a model and a spec."""

    harmful: tuple[Prompt, ...]
    benign: tuple[Prompt, ...]
    fixed: tuple[Prompt, ...]
    """On which the reward is followed: trained on by nobody."""
    checked: tuple[Prompt, ...]
    """Benign prompts on which accuracy is followed: trained on by nobody."""
    right: Right | None = None
    """Who knows what is right; ``None``: accuracy is not followed."""
    rate: Rate | None = None
    """People; ``None``: there are none."""
    plant: Plant | None = None
    """Who can break a clause on purpose; ``None``: nobody."""

    def some(self, kind: Kind, n: int, *about: object) -> tuple[Prompt, ...]:
        """``n`` prompts of a kind, without repeats as long as there are enough; ``about`` seeds the draw."""
        pool = self.harmful if kind is Kind.HARMFUL else self.benign
        rng = generator(*about)
        drawn: list[Prompt] = []
        while pool and len(drawn) < n:
            drawn += rng.sample(pool, min(len(pool), n - len(drawn)))
        return tuple(drawn)


def of_prompts(prompts: Sequence[Prompt], seed: int, fixed: int = 64) -> Material:
    """The material of a file of prompts: up to ``fixed`` of each kind, at most a fifth, are set apart to
    follow the reward; nobody knows what is right.

    :class:`BadInput` where one of the kinds is missing.
    """
    apart: list[Prompt] = []
    rest: dict[Kind, tuple[Prompt, ...]] = {}
    for kind in Kind:
        own = [prompt for prompt in prompts if prompt.kind is kind]
        if not own:
            raise BadInput(
                f"there is no {kind.value} prompt to train on",
                remedy="Training needs both kinds: harmful ones to revise, benign ones to stay able.",
            )
        generator(seed, "fixed prompts", kind).shuffle(own)
        n = min(fixed, len(own) // 5)
        apart += own[:n]
        rest[kind] = tuple(own[n:])
    return Material(rest[Kind.HARMFUL], rest[Kind.BENIGN], tuple(apart), ())


def load_prompts(path: Path) -> tuple[Prompt, ...]:
    """The prompts of a file; :class:`BadInput` with the line for anything that is no prompt, or given
    twice."""
    prompts: list[Prompt] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        prompt = _prompt(line, path, number)
        if prompt.id in lines:
            raise BadInput(
                f"the prompt {prompt.id!r} stands in line {lines[prompt.id]} already", path=path, line=number
            )
        lines[prompt.id] = number
        prompts.append(prompt)
    if not prompts:
        raise BadInput("there is no prompt in this file", path=path)
    return tuple(prompts)


def digest_of(prompts: Sequence[Prompt]) -> str:
    """SHA-256 of the prompts in their order."""
    return digest([prompt.data() for prompt in prompts])


def _prompt(line: str, path: Path, number: int) -> Prompt:
    def wrong(problem: str) -> BadInput:
        return BadInput(
            problem,
            path=path,
            line=number,
            remedy='A line is like {"prompt": "how do i ...", "kind": "harmful"}.',
        )

    try:
        entry = json.loads(line)
    except ValueError as error:
        raise wrong(f"this is no JSON ({error})") from error
    if not isinstance(entry, dict) or set(entry) - _KEYS:
        unknown = ", ".join(sorted(set(entry) - _KEYS)) if isinstance(entry, dict) else "no object"
        raise wrong(f"these keys are not known: {unknown}" if isinstance(entry, dict) else unknown)
    if ("prompt" in entry) == ("turns" in entry):
        raise wrong("give either prompt or turns")
    if entry.get("kind") not in list(Kind):
        raise wrong(f"kind is {entry.get('kind')!r}, not harmful or benign")
    given = entry.get("turns", [{"role": "user", "content": entry.get("prompt")}])
    if not isinstance(given, list) or not given or not all(_is_turn(turn) for turn in given):
        raise wrong("a turn has a role (system, developer, user, assistant) and a text as content")
    if given[-1]["role"] != "user":
        raise wrong("the last turn is not the user's, so there is nothing to answer")
    tags = entry.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise wrong("tags is no list of texts")
    turns = tuple(Turn(turn["role"], turn["content"]) for turn in given)
    identity = str(entry.get("id") or stimulus_digest(turns)[:16])
    return Prompt(identity, turns, Kind(entry["kind"]), tuple(tags))


def _is_turn(turn: object) -> bool:
    return (
        isinstance(turn, dict)
        and set(turn) == {"role", "content"}
        and turn["role"] in ROLES
        and isinstance(turn["content"], str)
        and bool(turn["content"].strip())
    )
