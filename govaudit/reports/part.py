"""What the parts of a report document have in common: strict models, numbers that carry their interval."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Estimate(Part):
    """A number with its interval, or the reason why there is none."""

    n: int | None = None
    """Items behind it, where the place around it does not say."""
    value: float | None
    low: float | None = None
    high: float | None = None
    undefined: str | None = None
