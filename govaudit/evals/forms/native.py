"""Our own form of an item bank, and drafts of a writer model in the same form.

Keys of a row: ``prompt`` (text) or ``turns`` (list of ``{"role", "content"}``); ``tags`` (list) or
``clause`` (id); ``expected`` (``comply``, ``refuse``, ``keep``); ``cluster`` (minimal-edit family; without
it an item is its own cluster); ``id``; ``choices`` (answers to choose between) and ``choice_labels``
(``good``, ``bad`` or ``ok`` of each); ``facts`` (what an answer that takes up the question says, each as a
phrase with ``(a|b)`` for either wording); ``push`` (which way it tries to move an answer: ``sort``,
``side``, and the phrases ``before`` and ``after``); ``slots`` (makes a template of ``prompt``: text of each
``{slot}``, up to four fills, all one cluster); ``construction`` (how the item came about: checked;
``saw_outputs`` is kept); ``origin`` (``item_bank``, or ``generated``: a draft, which counts only once it is
accepted). Null as the content of an assistant turn: the arm writes that turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from govaudit.evals import acceptance
from govaudit.evals.forms.reading import Row, distinct
from govaudit.evals.item import ACCEPTED, AUTHOR, Item, opened
from govaudit.evals.suite import ProbeOrigin, Push, Sort
from govaudit.records import Turn
from govaudit.scorers import phrase_list
from govaudit.specs.model import Expected, Label

KEYS = (
    "id",
    "prompt",
    "turns",
    "tags",
    "clause",
    "expected",
    "cluster",
    "choices",
    "choice_labels",
    "slots",
    "facts",
    "push",
    "origin",
    "construction",
)
REMEDY = f"Keys of an item: {', '.join(KEYS)}."

_SLOT = re.compile(r"\{(\w+)\}")
_MOST_FILLS = 4
"""More fills of one template would tell little more: they are one cluster."""
_ROLES = ("system", "developer", "user", "assistant", "tool")
_CONSTRUCTION = {"author": str, "method": str, "adjudicated": bool, "saw_outputs": bool}
"""Keys of ``construction`` that have a meaning, with their types; others may stand beside them."""
_ORIGINS = {origin.value: origin for origin in (ProbeOrigin.ITEM_BANK, ProbeOrigin.GENERATED)}
_EXPECTED = {expected.value: expected for expected in Expected}
_SORTS = {sort.value: sort for sort in Sort}
_LABELS = {label.value: label for label in Label}


def native(rows: Sequence[Row]) -> tuple[Item, ...]:
    """Items of our own form. :class:`BadInput` names the line that is none."""
    drafts = any(row.data.get("origin") == ProbeOrigin.GENERATED for row in rows)
    accepted = acceptance.accepted(rows[0].path) if drafts else {}
    items = tuple(item for row in rows for item in _items(row, accepted))
    distinct(rows, _identity)
    return items


def _items(row: Row, accepted: Mapping[str, acceptance.Acceptance]) -> tuple[Item, ...]:
    """The item of a row, or one per fill of its template."""
    item = _item(row, accepted)
    if "slots" not in row.data:
        return (item,)
    if "prompt" not in row.data or "origin" in row.data:
        raise row.fault("slots belong to a prompt, and its origin is the template", REMEDY)
    prompt = row.data["prompt"]
    slots = row.value("slots", dict, "object of slot and texts")
    named = set(_SLOT.findall(prompt))
    if not slots or set(slots) != named:
        raise row.fault(
            f"the prompt has the slots {', '.join(sorted(named)) or 'none'}, and slots fills "
            f"{', '.join(sorted(slots)) or 'none'}"
        )
    fills = [values for values in slots.values() if isinstance(values, list)]
    if len(fills) < len(slots) or not all(isinstance(v, str) and v.strip() for f in fills for v in f):
        raise row.fault("each slot is filled by a list of texts")
    count = len(fills[0])
    if {len(values) for values in fills} != {count} or not 1 <= count <= _MOST_FILLS:
        raise row.fault(f"slots are filled side by side: lists of one length, 1 to {_MOST_FILLS} texts each")
    filled = []
    for number in range(count):
        values = {slot: row.sayable(texts[number], "a slot") for slot, texts in slots.items()}
        said = _SLOT.sub(lambda match, values=values: values[match[1]], prompt)  # type: ignore[misc]
        filled.append(
            replace(
                item,
                turns=opened((Turn("user", said),)),
                origin=ProbeOrigin.TEMPLATE,
                source=f"{item.source}/{number + 1}",
            )
        )
    return tuple(filled)


def _identity(row: Row) -> str:
    return row.identity("id")


def _item(row: Row, accepted: Mapping[str, acceptance.Acceptance]) -> Item:
    given = row.data
    if unknown := given.keys() - set(KEYS):
        raise row.fault(f"this line is no item: unknown key {sorted(unknown)[0]!r}", REMEDY)
    if ("prompt" in given) == ("turns" in given):
        raise row.fault("this line is no item: give either prompt or turns", REMEDY)
    tags, clause = row.texts("tags") if "tags" in given else (), given.get("clause")
    if clause is not None and not isinstance(clause, str):
        raise row.fault("clause is no text")
    if "construction" in given:
        _check_construction(row)
    identity = _identity(row)
    choices = tuple(row.sayable(c, "a choice") for c in row.texts("choices")) if "choices" in given else ()
    origin = row.one_of("origin", _ORIGINS) if "origin" in given else ProbeOrigin.ITEM_BANK
    found, wording = _acceptance(row, accepted) if origin is ProbeOrigin.GENERATED else (None, None)
    turns = _turns(row)
    try:
        return Item(
            turns=turns if choices else opened(turns),
            expected=row.one_of("expected", _EXPECTED) if "expected" in given else Expected.KEEP,
            tags=(*tags, *_written(row, found)) if origin is ProbeOrigin.GENERATED else tags,
            clause=clause,
            cluster=row.place(row.identity("cluster") if "cluster" in given else identity),
            source=row.place(identity),
            choices=choices,
            choice_labels=_labels(row),
            origin=origin,
            clause_digest=wording,
            accepted=found,
            facts=_facts(row),
            saw_outputs=row.data.get("construction", {}).get("saw_outputs"),
            push=_push(row),
        )
    except ValueError as error:
        raise row.fault(f"this line is no item: {error}", REMEDY) from None


def _written(row: Row, accepted: str | None) -> tuple[str, ...]:
    """Who wrote a draft and who accepted it, as tags: a report tells whom of them it also measures."""
    said = {AUTHOR: row.data.get("construction", {}).get("author"), ACCEPTED: accepted}
    return tuple(sign + str(name) for sign, name in said.items() if name)


def _turns(row: Row) -> tuple[Turn, ...]:
    said = [{"role": "user", "content": row.data["prompt"]}] if "prompt" in row.data else None
    turns = []
    for number, given in enumerate(said or row.value("turns", list, "list of {role, content}"), 1):
        if not isinstance(given, dict):
            raise row.fault(f"turn {number} is no object with role and content")
        if missing := [key for key in ("role", "content") if key not in given]:
            raise row.fault(f"{missing[0]!r} is missing in turn {number}")
        role, content = given["role"], given["content"]
        if role not in _ROLES:
            raise row.fault(f"turn {number} has the role {role!r}", f"Roles: {', '.join(_ROLES)}.")
        # Null leaves an assistant turn to the arm; opened() refuses it anywhere else.
        if content is not None and not isinstance(content, str):
            raise row.fault(f"the content of turn {number} is no text")
        if content is not None and "\0" in content:
            row.sayable(content, f"turn {number}")
        turns.append(Turn(role, content))
    if not any(turn.content and turn.content.strip() for turn in turns):
        raise row.fault("the prompt is empty")
    return tuple(turns)


def _facts(row: Row) -> tuple[str, ...]:
    given = row.texts("facts") if "facts" in row.data else ()
    for fact in given:
        try:
            phrase_list.expand(row.sayable(fact, "a fact"))
        except ValueError as error:
            raise row.fault(f"this is no fact: {error}") from None
    return given


def _push(row: Row) -> Push | None:
    if "push" not in row.data:
        return None
    given = row.value("push", dict, "object with sort, side, before and after")
    if unknown := given.keys() - {"sort", "side", "before", "after"}:
        raise row.fault(f"push has an unknown key {min(unknown)!r}")
    if given.get("sort") not in _SORTS:
        raise row.fault("push has no sort", f"Sorts: {', '.join(_SORTS)}.")
    texts = [given.get(key, []) for key in ("before", "after")]
    if not all(isinstance(group, list) and all(isinstance(t, str) for t in group) for group in texts):
        raise row.fault("before and after of push are lists of phrases")
    for text in (text for group in texts for text in group):
        try:
            phrase_list.expand(row.sayable(text, "a phrase of push"))
        except ValueError as error:
            raise row.fault(f"this is no phrase: {error}") from None
    before, after = (tuple(group) for group in texts)
    return Push(_SORTS[given["sort"]], str(given.get("side", "")), before, after)


def _labels(row: Row) -> tuple[Label, ...]:
    given = row.texts("choice_labels") if "choice_labels" in row.data else ()
    unknown = [label for label in given if label not in _LABELS]
    if unknown:
        raise row.fault(f"{unknown[0]!r} is no label of a choice", f"Labels: {', '.join(_LABELS)}.")
    return tuple(_LABELS[label] for label in given)


def _check_construction(row: Row) -> None:
    given = row.value("construction", dict, "object")
    for key, kind in _CONSTRUCTION.items():
        if key in given and not isinstance(given[key], kind):
            raise row.fault(f"{key} of construction is {'no text' if kind is str else 'not true or false'}")


def _acceptance(row: Row, accepted: Mapping[str, acceptance.Acceptance]) -> tuple[str | None, str]:
    """By whom a draft was accepted, if it was, and the wording of the clause that it was written for."""
    try:
        digest: Any = acceptance.draft_digest(row.data)
        wording: Any = row.data["construction"]["clause_digest"]
    except (KeyError, TypeError):
        digest = wording = None
    if not isinstance(wording, str):
        raise row.fault(
            "this line is no draft: it does not say for which clause and wording it was written",
            "A draft has clause, expected and construction with clause_digest, as a writer leaves them.",
        )
    found = accepted.get(digest)
    return (found.by if found else None), wording
