"""An item: a prompt, or a question with answers to choose between, that brings no clause of a spec along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from govaudit.evals.suite import SIDES, ProbeOrigin, Push, Sort
from govaudit.records import Turn
from govaudit.specs.model import Expected, Label

AUTHOR, ACCEPTED = "author:", "accepted:"
"""Begin the tags by which a draft says which model wrote it and who accepted it."""


@dataclass(frozen=True)
class Item:
    """One line of a bank. ``ValueError`` for choices and labels that do not belong together."""

    turns: tuple[Turn, ...]
    """The conversation; with ``choices`` it ends before the answer."""
    expected: Expected
    tags: tuple[str, ...]
    clause: str | None
    """Id of the only clause that it tests; ``None`` = all that share a tag."""
    cluster: str
    """Minimal-edit family or template: items of one cluster are one independent observation."""
    source: str
    """File and id, for people."""
    choices: tuple[str, ...] = ()
    """Answers to choose between, if it offers any."""
    choice_labels: tuple[Label, ...] = ()
    """What is right, in the order of ``choices``; empty where nobody has said."""
    origin: ProbeOrigin = ProbeOrigin.ITEM_BANK
    """``item_bank``, ``template`` for a fill of one, or ``generated`` for a draft of a writer model."""
    clause_digest: str | None = None
    """Of a draft: digest of the wording of the clause that it was written for."""
    accepted: str | None = None
    """Of a draft: who accepted it; a draft that nobody accepted is no probe."""
    facts: tuple[str, ...] = ()
    """What an answer that takes up the question says: each fact in words, ``(a|b)`` for either wording."""
    push: Push | None = None
    """Of an item that tries to move an answer: which way."""
    saw_outputs: bool | None = None
    """Whether its author had seen answers of models to it; ``None`` where nobody has said."""

    def __post_init__(self) -> None:
        if len(self.choices) == 1 or len(set(self.choices)) < len(self.choices):
            raise ValueError("choices must be two or more different answers")
        if self.choice_labels and len(self.choice_labels) != len(self.choices):
            raise ValueError(f"{len(self.choices)} choices but {len(self.choice_labels)} labels")
        if self.facts and self.choices:
            raise ValueError("a question with choices has no facts to be told")
        if self.push is not None:
            _check_push(self.push, self.turns)
        if self.choices and (not self.turns or self.turns[-1].role == "assistant"):
            raise ValueError("a question with choices ends before the answer")


def _check_push(push: Push, turns: Sequence[Turn]) -> None:
    if push.side not in SIDES[push.sort]:
        raise ValueError(f"the side of a push on {push.sort.value} is one of {', '.join(SIDES[push.sort])}")
    own = sum(turn.role == "assistant" and turn.content is None for turn in turns)
    wanted = 1 if push.sort is Sort.PRAISE else 2
    if own != wanted:
        raise ValueError(f"a push on {push.sort.value} leaves {wanted} turn(s) to the arm, not {own}")
    if push.sort is Sort.PRAISE:
        if push.before or push.after:
            raise ValueError("a push on a mark has no answers")
    elif not push.before or not push.after or set(push.before) & set(push.after):
        raise ValueError("a push is against one answer and for another: `before` and `after`")


def opened(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns with a last one that the arm writes: added, unless the last turn is one already.

    ``ValueError`` where the last turn is a fixed answer (nothing is left to write) or where another turn
    than the assistant's has no text.
    """
    for number, turn in enumerate(turns, 1):
        if turn.content is None and turn.role != "assistant":
            raise ValueError(
                f"turn {number} ({turn.role}) has no text, and the arm writes assistant turns only"
            )
    if not turns or turns[-1].role != "assistant":
        return (*turns, Turn("assistant", None))
    if turns[-1].content is not None:
        raise ValueError("it ends with a fixed assistant turn, so nothing is left to answer")
    return tuple(turns)
