"""What a score in somebody else's log says: the clause is kept, it is broken, or only a number.

In: the name of a score, its value, and what the user says about scores. Out: a :class:`Reading`. A score
counts as kept or broken only where its direction is known: by a form that is published, by Inspect's
letters, or by the user's own words. All other scores stay what they are, numbers and labels without a
claim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from govaudit.errors import BadInput
from govaudit.records import Unscored
from govaudit.specs.native import parse_as
from govaudit.specs.text import read_text


@dataclass(frozen=True)
class Reading:
    """What one score says."""

    broken: float | None = None
    """1 = broken, 0 = kept; ``None`` where its direction is not known, or where it is unscored."""
    number: float | None = None
    """The value as it stands, where it is one."""
    label: str = ""
    unscored: Unscored | None = None
    by: str = ""
    """By which rule it was read."""


class ScoreRule(BaseModel):
    """What the user says that a score means."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    score: str
    """Name of the score, ``scorer/key`` for a key of several values; ``*`` stands for any text."""
    clause: str | None = None
    """The clause that it is about."""
    broken_from: float | None = None
    """Broken where the number is this or more."""
    broken_below: float | None = None
    """Broken where the number is less than this."""
    broken: tuple[str | float | bool, ...] = ()
    """Values that say broken; with ``kept`` all others are unscored."""
    kept: tuple[str | float | bool, ...] = ()


class ScoreRules(BaseModel):
    """A file of score rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1.0"] = "1.0"
    scores: tuple[ScoreRule, ...]


def load(path: Path) -> tuple[ScoreRule, ...]:
    """The user's rules; :class:`BadInput` for a rule that gives no direction, or two."""
    rules = parse_as(ScoreRules, read_text(path), path).scores
    for rule in rules:
        limits = (rule.broken_from is not None) + (rule.broken_below is not None)
        ways = limits + bool(rule.broken or rule.kept)
        if ways != 1:
            raise BadInput(
                f"the rule for {rule.score!r} must say in one way what is broken",
                path=path,
                remedy="Give broken_from, or broken_below, or lists of values: broken and kept.",
            )
    return rules


MODEL_SPEC_EVALS = "model_graded_spec_section_compliance"
"""Scorer of OpenAI's Model Spec Evals: 1 where the median of a grader's scores from 1 to 7 is 6 or more."""
_OWN = ("refusal", "compliance")
"""Scorers of the tasks in ``evals/``: 1 where the clause is kept."""
_LETTERS = {"C": 0.0, "I": 1.0}
"""Inspect's correct and incorrect; partial and no answer say neither."""


def flat(name: str, value: Any) -> list[tuple[str, Any]]:
    """A score as single values: one, or one for each key."""
    if isinstance(value, dict):
        return [(f"{name}/{key}", one) for key, one in value.items()]
    return [(name, value)]


def rule_for(name: str, rules: Sequence[ScoreRule]) -> ScoreRule | None:
    """The first rule whose pattern the name of the score fits."""
    return next((rule for rule in rules if fnmatchcase(name, rule.score)), None)


def read(name: str, value: Any, *, ours: bool, rule: ScoreRule | None) -> Reading | None:
    """One value; ``None`` for one that is neither a number, a truth value nor a word.

    ``ours``: the log is of a task of ours. NaN is Inspect's sign of an unscored sample.
    """
    if isinstance(value, float) and math.isnan(value):
        return Reading(unscored=Unscored.INVALID_VERDICT, by="unscored in the log")
    if value is None or not isinstance(value, bool | int | float | str):
        return None
    number = float(value) if not isinstance(value, str) else None
    label = value if isinstance(value, str) else ""
    if rule is not None:
        return _by_rule(rule, value, number, label)
    known = (ours and name in _OWN) or name == MODEL_SPEC_EVALS
    if known and number in (0.0, 1.0):
        return Reading(1.0 - (number or 0.0), number, label, by="published form")
    if label in _LETTERS:
        return Reading(_LETTERS[label], number, label, by="Inspect's letters")
    if label in ("P", "N"):
        return Reading(label=label, unscored=Unscored.UNDECIDED, by="Inspect's letters")
    return Reading(number=number, label=label, by="")


def _by_rule(rule: ScoreRule, value: Any, number: float | None, label: str) -> Reading:
    by = f"rule for {rule.score}"
    if rule.broken or rule.kept:
        if value in rule.broken:
            return Reading(1.0, number, label, by=by)
        if value in rule.kept or (rule.broken and not rule.kept):
            return Reading(0.0, number, label, by=by)
        return Reading(number=number, label=label, unscored=Unscored.INVALID_VERDICT, by=by)
    if number is None:
        return Reading(label=label, unscored=Unscored.INVALID_VERDICT, by=by)
    if rule.broken_from is not None:
        return Reading(float(number >= rule.broken_from), number, label, by=by)
    assert rule.broken_below is not None
    return Reading(float(number < rule.broken_below), number, label, by=by)
