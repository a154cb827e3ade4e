"""The manifest of a run: what was fixed before the first call, as the run folder keeps it.

Arms with their identity, who decides which clause, tolerances, seed, the whole request. Findings are computed
from it and the tables; nothing in it was learnt from an answer.
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


@dataclass(frozen=True)
class Decider:
    """The measure and the rater that decide a clause, fixed before the first call."""

    measure: Measure
    rater: str


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
        }
    )
