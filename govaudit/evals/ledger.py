"""What a run calls and what that costs: every call is a line of a ledger, and limits end a run between calls.

In: calls as they return. Out: totals, and how many of the next calls the limits leave room for. The ledger is
a file of the run folder (``calls.jsonl``), so that limits are of the run, not of a command. Recorded answers
are no calls. Prices are the user's own; a call without a price, or without token counts, has no known cost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path

from govaudit.models.prices import Prices

FILE = "calls.jsonl"


@dataclass(frozen=True)
class Call:
    """One request to a model. A provider's own retries are inside it."""

    who: str
    """Name of the arm, or id of the rater."""
    model: str
    input_tokens: int | None
    output_tokens: int | None
    started: float
    """Seconds since 1970."""
    seconds: float
    failed: bool = False
    size: int | None = None
    """Bytes of the prompt's text, from which tokens of other prompts are estimated."""


@dataclass(frozen=True)
class Need:
    """What the next item would take at most."""

    calls: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Limits:
    """Where a run stops. Neither changes what is asked, only how much of it."""

    calls: int | None = None
    cost: float | None = None
    """In the currency of the prices."""


@dataclass
class Ledger:
    """The calls of a run, those of earlier sessions included."""

    prices: Prices = field(default_factory=Prices)
    limits: Limits = field(default_factory=Limits)
    calls: list[Call] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    """Who was not asked for want of room -> items left out in this session."""
    reached: str = ""
    """The limit that ended this session, in words."""
    path: Path | None = None

    def note(self, call: Call) -> None:
        """Enter a call; it is in the file before the next one starts."""
        self.calls.append(call)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(call), sort_keys=True) + "\n")

    @property
    def cost(self) -> float | None:
        """What the calls cost so far; ``None`` where a price or a token count is missing."""
        return cost(self.calls, self.prices)

    def room(self, model: str, needs: Sequence[Need]) -> int:
        """How many of the next items certainly keep within the limits, in order.

        Cost is bounded by the longest answer that each may get, so a limit of cost is never passed but by
        what a provider adds to a prompt.
        """
        calls = 0 if self.limits.calls is None else self.limits.calls - len(self.calls)
        price = self.prices.of(model)
        money = 0.0
        if self.limits.cost is not None:
            spent = self.cost
            # Without a price nothing is known to fit; the audit refuses to begin so.
            money = -1.0 if spent is None or price is None else self.limits.cost - spent
        for place, need in enumerate(needs):
            calls -= need.calls
            money -= price.of(need.input_tokens, need.output_tokens) if price is not None else 0.0
            if self.limits.calls is not None and calls < 0:
                self.reached = f"{self.limits.calls:,} calls"
                return place
            if self.limits.cost is not None and money < -1e-12:
                self.reached = f"{self.limits.cost:g} {self.prices.currency}"
                return place
        return len(needs)

    def leave(self, who: str, items: int) -> None:
        """Enter that so many items of ``who`` are not asked."""
        self.left[who] = self.left.get(who, 0) + items

    @property
    def limited(self) -> bool:
        return self.limits != Limits()


current: ContextVar[Ledger | None] = ContextVar("ledger", default=None)
"""The ledger of the run that is going on; ``None`` where calls are nobody's (a gauge, a writer)."""


def cost(calls: Sequence[Call], prices: Prices) -> float | None:
    """What calls cost; a failed one without token counts is taken as free of charge, as providers have it."""
    total = 0.0
    for call in calls:
        if call.failed and call.input_tokens is None:
            continue
        price = prices.of(call.model)
        if price is None or call.input_tokens is None or call.output_tokens is None:
            return None
        total += price.of(call.input_tokens, call.output_tokens)
    return total


def read(folder: Path) -> list[Call]:
    """The calls that a run folder tells of; a last line that a kill left torn is passed over."""
    path = folder / FILE
    if not path.is_file():
        return []
    calls = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            calls.append(Call(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return calls


@contextmanager
def kept(folder: Path, prices: Prices | None = None, limits: Limits | None = None) -> Iterator[Ledger]:
    """While it is open, every call is entered into the ledger of this run folder."""
    path = folder / FILE
    ledger = Ledger(prices or Prices(), limits or Limits(), read(folder), path=path)
    if path.is_file() and not path.read_bytes().endswith(b"\n"):
        with path.open("a", encoding="utf-8") as stream:
            stream.write("\n")  # a kill tore the last line: the next begins anew
    token = current.set(ledger)
    try:
        yield ledger
    finally:
        current.reset(token)
