"""What the parts of a report document have in common: strict models, numbers that carry their interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict

from govaudit.records import Unscored


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


def sides(gaps: Mapping[str, Estimate | None], neutral: float) -> tuple[list[str], list[str], list[str]]:
    """Names whose whole interval lies above ``neutral``, those below it, and those of which neither can be
    said."""
    above: list[str] = []
    below: list[str] = []
    open_: list[str] = []
    for name, gap in gaps.items():
        if gap is None or gap.low is None or gap.high is None or gap.low <= neutral <= gap.high:
            open_.append(name)
        else:
            (above if gap.low > neutral else below).append(name)
    return above, below, open_


def by_reason(reasons: Iterable[Unscored | None]) -> dict[str, int]:
    """How many judgements are missing, by reason; ``None`` is a judgement that is there."""
    return dict(sorted(Counter(reason.value for reason in reasons if reason is not None).items()))
