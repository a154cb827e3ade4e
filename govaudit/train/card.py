"""The training card beside the weights: what a model was made of, how, and what was seen on the way.

In: the identity of a recipe and its finished stages. Out: ``card.json`` for programs, ``README.md`` for
people. Everything in it is read off the stages; nothing is measured here.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from govaudit import __version__
from govaudit.canonical import file_digest
from govaudit.train.stages import Done, load_records, write_json

SCHEMA_VERSION = "1.0"

_TITLES = {
    "sl-cai": "Constitutional AI, supervised stage",
    "rl-cai": "Constitutional AI, reinforcement learning from AI feedback",
    "hh-rlhf": "Reinforcement learning from simulated people's feedback",
    "rloo": "Constitutional AI, reinforcement learning with a leave-one-out baseline (RLOO)",
    "ppo": "Constitutional AI, reinforcement learning with a value function (PPO)",
    "dpo-cai": "Constitutional AI, direct preference optimisation on AI feedback",
    "best-of-n": "Constitutional AI, fine-tuning on the best of n answers",
    "r1-zero": "Reinforcement learning from the base with verifiable rewards",
    "planted": "Fine-tuning on answers that break one clause",
}
_CURVES = ("curve", "checks")


def write(out: Path, identity: dict[str, Any], stages: Iterable[Done]) -> None:
    """Write the card of the model in ``out``."""
    done = list(stages)
    weights = {file.name: file_digest(file) for file in sorted(out.glob("*.safetensors"))}
    card = {
        **identity,
        "weights": weights,
        "versions": {
            "govaudit": __version__,
            **{name: version(name) for name in ("torch", "transformers", "tokenizers")},
            "python": platform.python_version(),
        },
        "stages": [
            {
                "name": stage.name,
                "seconds": stage.seconds,
                "cpu_seconds": stage.cpu_seconds,
                "summary": stage.summary,
                **_curves(stage),
            }
            for stage in done
        ],
        "seconds": round(sum(stage.seconds for stage in done), 1),
    }
    write_json(out / "card.json", card)
    (out / "README.md").write_text(_readme(card), encoding="utf-8")


def _curves(stage: Done) -> dict[str, Any]:
    found = {}
    for name in _CURVES:
        path = stage.folder / f"{name}.jsonl"
        if path.is_file():
            found[name] = load_records(path)[1]
    return found


def _readme(card: dict[str, Any]) -> str:
    recipe = card["recipe"] + (f", {card['instruction']} instruction" if card["instruction"] else "")
    spec = card["spec"]
    lines = [
        f"# {_TITLES[card['recipe'].partition(':')[0]]}",
        "",
        f"A checkpoint made by `govaudit train` {card['versions']['govaudit']}. Every stage's records and "
        "checkpoints are in `stages`; `govaudit train --show 5 DIR` prints some of them.",
        "",
        "| | |",
        "| --- | --- |",
        f"| recipe | {recipe} |",
        f"| seed | {card['seed']} |",
        f"| base | {_digests(card['base'])} |",
        *([f"| compares answers | {_digests(card['labeller'])} |"] if "labeller" in card else []),
        f"| spec | {spec['id'] + ' ' + spec['digest'][:16] if spec else 'none'} |",
        f"| weights | {_digests(card['weights'])} |",
        f"| prompts | harmful {card['material']['harmful'][:16]}, benign {card['material']['benign'][:16]} |",
        f"| time | {card['seconds']:.0f} s |",
        f"| versions | {', '.join(f'{name} {number}' for name, number in card['versions'].items())} |",
        "",
        "## Principles and their weights",
        "",
        *_principles(card["constitution"]),
        "",
        "## Stages",
        "",
        "| stage | seconds | what it says |",
        "| --- | ---: | --- |",
        *(
            f"| {stage['name']} | {stage['seconds']:.0f} | {_told(stage['summary'])} |"
            for stage in card["stages"]
        ),
        *_checks(card["stages"]),
        "",
        "## Settings",
        "",
        "```json",
        json.dumps(card["settings"], indent=2),
        "```",
        "",
    ]
    return "\n".join(lines)


def _principles(sets: dict[str, dict[str, float]]) -> list[str]:
    if not any(sets.values()):
        return ["None: people's ratings took their place."]
    return [
        f"- {role}: " + (", ".join(f"{name} {weight:g}" for name, weight in own.items()) or "none")
        for role, own in sets.items()
    ]


def _checks(stages: list[dict[str, Any]]) -> list[str]:
    rows = [one for stage in stages for one in stage.get("checks", [])]
    if not rows:
        return []
    return [
        "",
        "## Reinforcement learning on fixed prompts",
        "",
        "Reward of the preference model, divergence from the start (nats per answer), share of right answers "
        "to benign prompts. A reward that rises while the last falls is a proxy that is being exploited.",
        "",
        "| step | reward | KL | benign right |",
        "| ---: | ---: | ---: | ---: |",
        *(f"| {row['step']} | {_n(row['reward'])} | {_n(row['kl'])} | {_n(row['benign'])} |" for row in rows),
    ]


def _n(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _digests(files: dict[str, str]) -> str:
    return ", ".join(f"{name} {found[:16]}" for name, found in files.items())


def _told(value: Any) -> str:
    """A summary in one cell: nested values in brackets, numbers short, what is missing left out."""
    if isinstance(value, dict):
        inner = {name: told for name, one in value.items() if (told := _told(one)) not in ("", "()")}
        return ", ".join(
            f"{name.replace('_', ' ')} {f'({told})' if isinstance(value[name], dict) else told}"
            for name, told in inner.items()
        )
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)
