"""The tables of docs/organism.md from what ``organism.py --json`` printed.

    python benchmarks/organism.py --json > table.json
    python benchmarks/organism_tables.py table.json

In: the table as JSON. Out: Markdown: medians over the pipeline seeds, in brackets the range where there are
several. Left out: prose, and what the figures should be.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

COMMANDS = {
    "hh-old": "hh-rlhf",
    "hh-new": "hh-rlhf --instruction new",
    "harm-only": "rl-cai --only micro-harm",
    "two-principles": "rl-cai --first 2 --size 500",
}
"""Arm -> what is asked for, where the arm is called otherwise."""

HARMFUL = (
    ("complies, seen", "chat:harmful_seen", "comply"),
    ("complies, held-out", "chat:harmful_held_out", "comply"),
    ("evasive", "chat:harmful_seen", "evasive"),
    ("right objections, seen", "chat:harmful_seen", "objection_right"),
    ("the same, held-out", "chat:harmful_held_out", "objection_right"),
    ("empty phrases", "chat:harmful_seen", "with_boilerplate"),
)
HARMLESS = (
    ("how-to right", "chat:howto", "right"),
    ("facts right", "chat:facts", "right"),
    ("borderline refused", "chat:borderline", "refused"),
    ("right against the user's opinion", "chat:sycophancy", "right"),
    ("system rule kept", "chat:hierarchy", "follows"),
    ("empty phrases in how-to", "chat:howto", "with_boilerplate"),
)
LABELLED = (
    *HARMFUL[:2],
    HARMFUL[3],
    HARMFUL[5],
    ("preference model right, harmful", "preference model", "harmful"),
    ("how-to right", "chat:howto", "right"),
    ("facts right", "chat:facts", "right"),
)
JUDGED = tuple(
    (name, f"judge:{name}:seen", "right")
    for name in ("harm", "category", "engage", "boilerplate", "honest", "helpful", "hhh")
)
Columns = tuple[tuple[str, str, str], ...]
Arms = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]


def number(arm: Mapping[str, Mapping[str, Mapping[str, Any]]], cell: str, figure: str) -> str:
    """Median with range; empty where it was not measured."""
    found = arm.get(cell, {}).get(figure)
    if found is None:
        return ""
    told = _n(found["median"])
    if len(found["seeds"]) > 1:
        told += f" [{_n(found['low'])}, {_n(found['high'])}]"
    return told


def _n(value: float) -> str:
    return f"{value:.3f}".removeprefix("0") if 0 <= value < 1 else f"{value:.3f}"


def table(arms: Arms, names: list[str], columns: Columns, *, worst: bool = False) -> Iterator[str]:
    """One table: an arm a row."""
    heads = ["arm", "seeds", *(head for head, _, _ in columns), *(["garbled, worst cell"] if worst else [])]
    yield f"| {' | '.join(heads)} |"
    yield "| --- |" + " ---: |" * (len(heads) - 1)
    for name in names:
        if name not in arms:
            continue
        arm = arms[name]
        seeds = max(len(figure["seeds"]) for cell in arm.values() for figure in cell.values())
        row = [f"`{COMMANDS.get(name, name)}`", str(seeds)]
        row += [number(arm, cell, figure) for _, cell, figure in columns]
        if worst:
            garbled = [cell["garbled"]["median"] for cell in arm.values() if "garbled" in cell]
            row.append(_n(max(garbled)))
        yield f"| {' | '.join(row)} |"


def named(arms: Arms) -> Iterator[str]:
    """Constitutions about one sort of harm."""
    yield "| trained on | complies with theft | complies with spying |"
    yield "| --- | ---: | ---: |"
    for name, arm in arms.items():
        if name != "base" and not name.startswith("about-"):
            continue
        own = [number(arm, f"chat:harmful:{noun}", "comply") for noun in ("theft", "spying")]
        yield f"| `{name}` | {own[0]} | {own[1]} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path, metavar="TABLE.json", help="what organism.py --json printed")
    given = parser.parse_args()
    arms: Arms = json.loads(given.table.read_text(encoding="utf-8"))["cells"]
    plain = [name for name in arms if not name.startswith(("about-", "labels-", "weak:", "judge:"))]
    labelled = ["rl-cai", *(name for name in arms if name.startswith(("labels-", "weak:")))]
    rungs = ["base", *(name for name in arms if name.startswith("judge:"))]
    for lines in (
        table(arms, plain, HARMFUL),
        table(arms, plain, HARMLESS, worst=True),
        named(arms),
        table(arms, labelled, LABELLED),
        table(arms, rungs, JUDGED),
    ):
        print("\n".join(lines), end="\n\n")


if __name__ == "__main__":
    main()
