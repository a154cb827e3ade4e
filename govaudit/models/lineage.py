"""What a checkpoint was made of: base, principles, and whose judgements it was trained on.

In: an arm. Out: plain JSON from the ``recipe.json`` that ``govaudit train`` leaves beside the weights (any
other trainer may write one), for the run's manifest; empty where there is none. Of a snapshot the recipe lies
with the training folder. Left out: whether it is true; and endpoints, of which nobody can see what they were
made of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from govaudit.models.arms import ENGINE, Arm

RECIPE = "recipe.json"
_KEPT = ("recipe", "base", "spec", "constitution", "labeller", "instruction")
"""Keys of a recipe that tell what a model shares with those who judge it."""


def lineage(arm: Arm) -> dict[str, Any]:
    """What the arm's checkpoint was made of; empty for an endpoint, a recording, or where nobody noted it."""
    if arm.provider != ENGINE:
        return {}
    for folder in (Path(arm.target), *Path(arm.target).parents[:2]):
        found = _recipe(folder / RECIPE)
        if found:
            return {key: found[key] for key in _KEPT if found.get(key)}
    return {}


def _recipe(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # a file of that name which is none of ours says nothing about the weights
    return found if isinstance(found, dict) and "recipe" in found else {}


def labeller(made: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the model on whose judgements an arm was trained, by file: another model, or else the base
    itself, which criticised, revised or compared its own answers; empty where no model judged."""
    if made.get("labeller"):
        return dict(made["labeller"])
    principles = any((made.get("constitution") or {}).values())
    return dict(made.get("base") or {}) if principles and not made.get("instruction") else {}


def is_model(files: Mapping[str, str], fingerprint: Mapping[str, Any]) -> bool:
    """Are these the weights of that model? ``files``: digests by file name, as a recipe notes them."""
    weights: Mapping[str, str] = fingerprint.get("weights") or {}
    return bool(weights) and set(weights.values()) <= set(files.values())


def trained_by(fingerprint: Mapping[str, Any], arms: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Arms (name, lineage) that were trained on judgements of the model of that fingerprint."""
    return [name for name, made in arms if is_model(labeller(made), fingerprint)]
