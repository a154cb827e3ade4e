"""Many requests to a model with a bar that moves: the engine's two calls, piece by piece.

Where several processes train together, each takes its share of a piece.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from govaudit.models.engine import Completion, Engine, Request, Stop
from govaudit.records import ChoiceScore, Turn
from govaudit.train import processes

PIECE = 256
"""Requests between two movements of the bar."""

Advance = Callable[[int], None]
"""Told how many more requests are done."""


def write(engine: Engine, requests: Sequence[Request], advance: Advance = lambda _: None) -> list[Completion]:
    """One completion per request, in order."""
    done: list[Completion] = []
    # The engine decodes requests of similar length together: pieces are cut from the sorted list.
    order = sorted(range(len(requests)), key=lambda i: sum(len(t.content or "") for t in requests[i].turns))
    for start in range(0, len(order), PIECE * processes.count()):
        piece = [requests[i] for i in order[start : start + PIECE * processes.count()]]
        done += processes.gathered(engine.generate(processes.share(piece)))
        advance(len(piece))
    place = {index: position for position, index in enumerate(order)}
    return [done[place[i]] for i in range(len(requests))]


def score(
    engine: Engine,
    items: Sequence[tuple[Sequence[Turn], Sequence[str]]],
    advance: Advance = lambda _: None,
) -> list[list[ChoiceScore] | None]:
    """Log-probabilities of the choices of each item, in order; ``None`` where one does not fit."""
    done: list[list[ChoiceScore] | None] = []
    for start in range(0, len(items), PIECE * processes.count()):
        piece = items[start : start + PIECE * processes.count()]
        done += processes.gathered(engine.loglikelihood(processes.share(piece)))
        advance(len(piece))
    return done


def answer_texts(
    engine: Engine,
    conversations: Sequence[tuple[Turn, ...]],
    tokens: int,
    temperature: float,
    seeds: Sequence[int],
    advance: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """One answer per conversation, each with a seed of its own; empty where none came to its end."""
    requests = [
        Request(turns, max_tokens=tokens, temperature=temperature, seed=seed)
        for turns, seed in zip(conversations, seeds, strict=True)
    ]
    written = write(engine, requests, advance)
    return [one.text.strip() if one.stop is Stop.STOP else "" for one in written]


def by_one(advance: Callable[[str], None]) -> Advance:
    """A loop's bar, which is told of one step at a time, moved by a number of requests."""

    def more(n: int) -> None:
        for _ in range(n):
            advance("")

    return more
