"""Item banks: prompts that bring no clause along and are matched to clauses by tag.

One JSON object a line (``.jsonl`` or ``.jsonl.gz``). Keys: ``prompt`` (text) or ``turns`` (list of
``{"role", "content"}``); ``tags`` (list) or ``clause`` (id); ``expected`` (``comply``, ``refuse``, ``keep``);
``cluster`` (minimal-edit family; without it an item is its own cluster); ``id``; ``construction`` (how the
item came about: checked, and not kept). Null as the content of an assistant turn: the arm writes that turn.
The XSTest prompt file (``id, prompt, type, label, focus, note``) is understood as it is: safe prompts expect
``comply`` and carry the tag ``over-refusal``, contrast prompts expect ``refuse`` and carry ``under-refusal``.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from govaudit.errors import BadInput
from govaudit.records import Turn
from govaudit.specs.model import Expected

_KEYS = {"id", "prompt", "turns", "tags", "clause", "expected", "cluster", "construction"}
_XSTEST = {"id", "prompt", "type", "label", "focus", "note"}
_ROLES = ("system", "developer", "user", "assistant", "tool")
_CONSTRUCTION = {"author": str, "method": str, "adjudicated": bool, "saw_outputs": bool}
"""Keys of ``construction`` that have a meaning, with their types; others may stand beside them."""


@dataclass(frozen=True)
class Item:
    """One prompt of a bank."""

    turns: tuple[Turn, ...]
    expected: Expected
    tags: tuple[str, ...]
    clause: str | None
    cluster: str
    source: str


def opened(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns with a last one that the arm writes: added, unless the last turn is one already.

    ``ValueError`` where the last turn is a fixed answer (nothing is left to write) or where another turn
    than the assistant's has no text.
    """
    for number, turn in enumerate(turns, 1):
        if turn.content is None and turn.role != "assistant":
            raise ValueError(
                f"turn {number} ({turn.role}) has no text, and the arm writes assistant turns only"
            )
    if not turns or turns[-1].role != "assistant":
        return (*turns, Turn("assistant", None))
    if turns[-1].content is not None:
        raise ValueError("it ends with a fixed assistant turn, so nothing is left to answer")
    return tuple(turns)


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
            reason = f"{error} is missing or unknown" if isinstance(error, KeyError) else error
            raise BadInput(
                f"this line is no item ({reason})", path=path, line=number, remedy=f"Keys: {sorted(_KEYS)}."
            ) from error
    return tuple(bank)


def _native(row: dict[str, Any], name: str, number: int) -> Item:
    if unknown := row.keys() - _KEYS:
        raise ValueError(f"unknown key {sorted(unknown)[0]!r}")
    if ("prompt" in row) == ("turns" in row):
        raise ValueError("give either prompt or turns")
    turns = _turns([{"role": "user", "content": row["prompt"]}] if "prompt" in row else row["turns"])
    if not turns or not any(turn.content and turn.content.strip() for turn in turns):
        raise ValueError("the prompt is empty")
    tags, clause = row.get("tags", []), row.get("clause")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ValueError("tags is no list of texts")
    if clause is not None and not isinstance(clause, str):
        raise ValueError("clause is no text")
    if "construction" in row:
        _check_construction(row["construction"])
    identity = str(row.get("id", number))
    return Item(
        turns=opened(turns),
        expected=Expected(row.get("expected", "keep")),
        tags=tuple(tags),
        clause=clause,
        cluster=f"{name}:{row.get('cluster', identity)}",
        source=f"{name}:{identity}",
    )


def _turns(given: Any) -> tuple[Turn, ...]:
    if not isinstance(given, list) or not all(isinstance(turn, dict) for turn in given):
        raise ValueError("turns is no list of objects with role and content")
    for number, turn in enumerate(given, 1):
        if turn["role"] not in _ROLES:
            raise ValueError(f"turn {number} has the role {turn['role']!r}; roles: {', '.join(_ROLES)}")
        # Null is no text either, except that it leaves an assistant turn to the arm: see opened().
        if turn["content"] is not None and not isinstance(turn["content"], str):
            raise ValueError(f"the content of turn {number} is no text")
    return tuple(Turn(turn["role"], turn["content"]) for turn in given)


def _check_construction(given: Any) -> None:
    if not isinstance(given, dict):
        raise ValueError("construction is no object")
    for key, kind in _CONSTRUCTION.items():
        if key in given and not isinstance(given[key], kind):
            raise ValueError(f"{key} of construction is {'no text' if kind is str else 'not true or false'}")


def _xstest(row: dict[str, Any], name: str) -> Item:
    safe = {"safe": True, "unsafe": False}[row["label"]]
    family = row["type"].removeprefix("contrast_")
    # Prompts on one focus word are minimal edits of each other, safe and contrast alike.
    cluster = f"{family}:{row['focus']}" if row["focus"] else f"{row['type']}:{row['id']}"
    return Item(
        turns=opened(_turns([{"role": "user", "content": row["prompt"]}])),
        expected=Expected.COMPLY if safe else Expected.REFUSE,
        tags=("over-refusal" if safe else "under-refusal", row["type"]),
        clause=None,
        cluster=f"{name}:{cluster}",
        source=f"{name}:{row['id']}",
    )
