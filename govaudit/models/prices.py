"""What tokens cost: prices that the user states, by model. None ship with govaudit.

Providers change prices without notice, by region, tier and contract; a list in a package would be wrong soon
and nobody would see it. So a price is a line in a file of the user's own, which the run keeps, and a model
without such a line has an unknown price, which is never 0.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from govaudit.specs.native import parse_as
from govaudit.specs.text import read_text

PER = 1_000_000
"""Tokens that a stated price is for."""

Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(BaseModel):
    """Of one model, for a million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    input: Money
    """Tokens that the model reads."""
    output: Money
    """Tokens that it writes, reasoning included."""

    def of(self, read: float, written: float) -> float:
        """What so many tokens cost."""
        return (self.input * read + self.output * written) / PER


class Prices(BaseModel):
    """Prices by model name, as a request holds them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    currency: str = "USD"
    models: dict[str, Price] = {}
    """Model name as arms and judges write it, or a pattern such as ``govaudit/*``; the longest that fits
    counts."""

    def of(self, model: str) -> Price | None:
        """The price of a model; ``None`` where nobody stated it."""
        fitting = [name for name in self.models if name == model or fnmatchcase(model, name)]
        return self.models[max(fitting, key=lambda name: (name == model, len(name)))] if fitting else None


class _File(Prices):
    schema_version: str = "1.0"
    models: dict[str, Price]


def load(path: Path) -> Prices:
    """Prices from a YAML file; :class:`govaudit.errors.BadInput` with the line for what is none."""
    file = parse_as(_File, read_text(path), path)
    return Prices(currency=file.currency, models=file.models)
