"""The manifest of a run: what was fixed before the first call, as the run folder keeps it.

Arms with their identity, who decides which clause, tolerances, seed, the whole request, and what the run is
expected to take. Findings are computed from it and the tables. Nothing in it was learnt from an answer, but
for what the run took in fact, which is entered beside the estimate when it ends or stops.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from govaudit import __version__
from govaudit.errors import BadInput
from govaudit.records import Measure

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True)
class PlannedArm:
    """An arm as it was identified before its first call."""

    name: str
    digest: str
    model: str
    settings: Mapping[str, Any]
    fingerprint: Mapping[str, Any]
    system_digest: str | None = None
    not_applicable: tuple[str, ...] = ()
    """Raters that cannot apply, as ``rater: reason``."""
    warnings: tuple[str, ...] = ()
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """What the checkpoint was made of, as its trainer noted it (``models.lineage``)."""


@dataclass(frozen=True)
class Decider:
    """The measure and the rater that decide a clause, fixed before the first call."""

    measure: Measure
    rater: str


@dataclass(frozen=True)
class Amount:
    """A number of tokens, minutes or units of money that is expected, and how that is known."""

    value: float | None
    """``None``: not known, or known by its ends alone."""
    low: float | None = None
    high: float | None = None
    how: str = ""


@dataclass(frozen=True)
class Outlay:
    """What one arm or rater is expected to take."""

    who: str
    model: str
    calls: int
    input_tokens: Amount
    output_tokens: Amount
    cost: Amount
    minutes: Amount


@dataclass(frozen=True)
class Spent:
    """What one arm or rater took."""

    who: str
    model: str
    calls: int
    failed: int
    """Of the calls."""
    input_tokens: int | None
    """``None`` where a call that did not fail reported none."""
    output_tokens: int | None
    cost: float | None
    """``None`` where the price, or a number of tokens, is not known."""
    minutes: float
    """In which a call was under way."""


@dataclass(frozen=True)
class Plan:
    """What was fixed before the first call: the run's manifest."""

    arms: tuple[PlannedArm, ...]
    deciding: Mapping[str, Decider]
    """Clause -> who decides it; a clause that nobody can rate is absent."""
    tolerance: float
    bright_line: float
    seed: int
    epochs: int
    request: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    warnings: tuple[str, ...] = ()
    amended: tuple[str, ...] = ()
    """Clauses whose decider was named after the answers had been collected (``govaudit rate``)."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every file of ratings that the request names."""
    estimate: tuple[Outlay, ...] = ()
    """What the whole run was expected to take."""
    spent: tuple[Spent, ...] = ()
    """What it took so far, entered when it ended or stopped."""
    currency: str = ""
    stopped: str = ""
    """The limit that ended the run before all was asked, in words; empty for a whole run."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Who was not asked for want of room -> how many items."""
    selections: tuple[Mapping[str, Any], ...] = ()
    """How the prompts of each measurement were chosen, as ``govaudit.evals.measured`` records it."""

    @property
    def names(self) -> dict[str, str]:
        """Name of each arm by its digest."""
        return {arm.digest: arm.name for arm in self.arms}


def plan_to_json(plan: Plan) -> str:
    """The manifest as it is written into the run folder."""
    data = {"schema_version": SCHEMA_VERSION, "govaudit": __version__, **asdict(plan)}
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def plan_from_json(text: str) -> Plan:
    """Read what :func:`plan_to_json` wrote; :class:`BadInput` for another major version."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadInput(f"the manifest of the run is damaged ({error})") from error
    version = str(data.pop("schema_version", ""))
    if version.split(".", maxsplit=1)[0] != SCHEMA_VERSION.split(".", maxsplit=1)[0]:
        raise BadInput(f"the manifest has schema_version {version!r}, this govaudit reads {SCHEMA_VERSION}")
    data.pop("govaudit", None)
    return Plan(
        **data
        | {
            "arms": tuple(
                PlannedArm(
                    **arm
                    | {
                        "not_applicable": tuple(arm["not_applicable"]),
                        "warnings": tuple(arm["warnings"]),
                    }
                )
                for arm in data["arms"]
            ),
            "deciding": {
                clause: Decider(Measure(entry["measure"]), entry["rater"])
                for clause, entry in data["deciding"].items()
            },
            "warnings": tuple(data["warnings"]),
            "amended": tuple(data["amended"]),
            "estimate": tuple(_outlay(row) for row in data.get("estimate", ())),
            "spent": tuple(Spent(**row) for row in data.get("spent", ())),
            "selections": tuple(data.get("selections", ())),
        }
    )


def _outlay(row: Mapping[str, Any]) -> Outlay:
    amounts = ("input_tokens", "output_tokens", "cost", "minutes")
    return Outlay(**{**row, **{name: Amount(**row[name]) for name in amounts}})
