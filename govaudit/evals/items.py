"""Item banks: prompts that bring no clause along and are matched to clauses by tag.

One JSON object a line (``.jsonl`` or ``.jsonl.gz``). Keys: ``prompt`` (text) or ``turns`` (list of
``{"role", "content"}``); ``tags`` (list) or ``clause`` (id); ``expected`` (``comply``, ``refuse``, ``keep``);
``cluster`` (minimal-edit family; without it an item is its own cluster); ``id``.
The XSTest prompt file (``id, prompt, type, label, focus, note``) is understood as it is: safe prompts expect
``comply`` and carry the tag ``over-refusal``, contrast prompts expect ``refuse`` and carry ``under-refusal``.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from govaudit.errors import BadInput
from govaudit.records import Turn
from govaudit.specs.model import Expected

_KEYS = {"id", "prompt", "turns", "tags", "clause", "expected", "cluster"}
_XSTEST = {"id", "prompt", "type", "label", "focus", "note"}


@dataclass(frozen=True)
class Item:
    """One prompt of a bank."""

    turns: tuple[Turn, ...]
    expected: Expected
    tags: tuple[str, ...]
    clause: str | None
    cluster: str
    source: str


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of each line of a JSON Lines file, gzipped or not.

    :class:`BadInput` for a missing or empty file, a broken line, or a line that holds no object.
    """
    if not path.is_file():
        raise BadInput("no such file", path=path)
    opener = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opener(path, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise BadInput("this line holds no JSON object", path=path, line=number)
                yield number, row
    except json.JSONDecodeError as error:
        raise BadInput(f"this line is no JSON ({error.msg})", path=path, line=number) from error
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise BadInput(f"this file cannot be read ({error})", path=path, line=number + 1) from error
    if not number:
        raise BadInput("this file is empty", path=path)


def load(path: Path) -> tuple[Item, ...]:
    """Read an item bank; :class:`BadInput` names the line that cannot be used."""
    bank = []
    for number, row in rows(path):
        try:
            if "type" in row and "focus" in row and row.keys() <= _XSTEST:
                bank.append(_xstest(row, path.name))
            else:
                bank.append(_native(row, path.name, number))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise BadInput(
                f"this line is no item ({error})", path=path, line=number, remedy=f"Keys: {sorted(_KEYS)}."
            ) from error
    return tuple(bank)


def _native(row: dict[str, Any], name: str, number: int) -> Item:
    if unknown := row.keys() - _KEYS:
        raise ValueError(f"unknown key {sorted(unknown)[0]!r}")
    if ("prompt" in row) == ("turns" in row):
        raise ValueError("give either prompt or turns")
    turns = (
        (Turn("user", str(row["prompt"])),)
        if "prompt" in row
        else tuple(Turn(turn["role"], turn["content"]) for turn in row["turns"])
    )
    if not turns or not any(turn.content and turn.content.strip() for turn in turns):
        raise ValueError("the prompt is empty")
    identity = str(row.get("id", number))
    return Item(
        turns=turns,
        expected=Expected(row.get("expected", "keep")),
        tags=tuple(str(tag) for tag in row.get("tags", ())),
        clause=row.get("clause"),
        cluster=f"{name}:{row.get('cluster', identity)}",
        source=f"{name}:{identity}",
    )


def _xstest(row: dict[str, Any], name: str) -> Item:
    safe = {"safe": True, "unsafe": False}[row["label"]]
    family = row["type"].removeprefix("contrast_")
    # Prompts on one focus word are minimal edits of each other, safe and contrast alike.
    cluster = f"{family}:{row['focus']}" if row["focus"] else f"{row['type']}:{row['id']}"
    return Item(
        turns=(Turn("user", row["prompt"]),),
        expected=Expected.COMPLY if safe else Expected.REFUSE,
        tags=("over-refusal" if safe else "under-refusal", row["type"]),
        clause=None,
        cluster=f"{name}:{cluster}",
        source=f"{name}:{row['id']}",
    )
