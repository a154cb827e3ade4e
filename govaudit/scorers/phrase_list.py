"""A fixed list of phrases: read, frozen to a file, found in answers, and taken out of them.

In: ``scorers/lexicons/boilerplate.yaml``, or a list of the same form that a user wrote or that
``govaudit.scorers.boilerplate`` mined. Out: a :class:`PhraseList` with the digest by which every result
names it, the phrases that each answer holds, and answers without their templated sentences. A frozen list is
fixed before the answers that it is used on are seen; a mined list is not, unless it comes from other
answers. Left out: patterns. A phrase is plain words, so that anybody can read the list and dispute it.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from govaudit import library
from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.scorers.texts import corpus, sentences, word_spans, words
from govaudit.specs import yaml12
from govaudit.stats.phrases import TokenDocuments, find_phrases

SCHEMA_VERSION = "1.0"
BUILT_IN = "boilerplate"
_KEYS = {"schema_version", "name", "version", "groups"}
_CHOICE = re.compile(r"\(([^()]*)\)")
_MOST = 4096
"""Wordings that one line may stand for."""


@dataclass(frozen=True)
class PhraseList:
    """Named groups of phrases."""

    name: str
    version: str
    meanings: Mapping[str, str]
    """Group -> what its phrases do, in words."""
    lines: Mapping[str, tuple[str, ...]]
    """Group -> phrases as written, with ``(a|b)`` for either."""
    made_from: str = ""
    """What a mined list was mined from."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return digest(self.data())

    @cached_property
    def phrases(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Every wording as (group, words)."""
        found: dict[tuple[str, ...], str] = {}
        for group, lines in self.lines.items():
            for line in lines:
                for wording in expand(line):
                    found.setdefault(wording, group)
        return tuple((group, wording) for wording, group in found.items())

    def data(self) -> dict[str, Any]:
        made = {"made_from": self.made_from} if self.made_from else {}
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "version": self.version,
            **made,
            "groups": {
                group: {"meaning": self.meanings[group], "phrases": list(lines)}
                for group, lines in self.lines.items()
            },
        }


@dataclass(frozen=True)
class Hit:
    """A listed phrase in an answer: words ``start`` to ``end`` of it."""

    group: str
    phrase: str
    start: int
    end: int


@dataclass(frozen=True)
class Scrubbed:
    """An answer without its templated sentences: what is ``left``, and the sentences ``removed``."""

    left: str
    removed: tuple[str, ...]


def expand(line: str) -> tuple[tuple[str, ...], ...]:
    """The wordings that a line stands for, as words. ``ValueError`` for one that has no words or too many
    wordings, or whose brackets do not fit."""
    parts = _CHOICE.split(line)
    if any(sign in text for text in parts[::2] for sign in "()|"):
        raise ValueError(f"the brackets of {line!r} do not fit")
    options = [part.split("|") if number % 2 else [part] for number, part in enumerate(parts)]
    if np.prod([len(texts) for texts in options]) > _MOST:
        raise ValueError(f"{line!r} stands for more than {_MOST} wordings")
    wordings = tuple(dict.fromkeys(tuple(words("".join(texts))) for texts in itertools.product(*options)))
    if () in wordings:
        raise ValueError(f"{line!r} can be without a word")
    return wordings


def load(name: str = BUILT_IN, folder: Path | None = None) -> PhraseList:
    """A built-in list, by name; ``folder`` is a folder of the user's own that is looked into first."""
    return read(library.path("scorers", f"lexicons/{name}.yaml", folder))


def read(path: Path) -> PhraseList:
    """A list from a file. :class:`BadInput` names what is wrong with it."""
    try:
        return loads(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"this list of phrases cannot be read ({error})", path=path) from error


def loads(text: str, path: Path | None = None) -> PhraseList:
    """A list from its text; errors as of :func:`read`."""
    try:
        data: Any = YAML(typ="safe").load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        raise BadInput("this YAML cannot be read", path=path, line=line) from error
    remedy = f"Keys: {', '.join(sorted(_KEYS))}; in each group meaning and phrases."
    if not isinstance(data, dict) or not _KEYS <= data.keys() <= _KEYS | {"made_from"}:
        raise BadInput("this is no list of phrases", path=path, remedy=remedy)
    if str(data["schema_version"]).partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        problem = f"schema_version is {data['schema_version']!r}, this govaudit reads {SCHEMA_VERSION}"
        raise BadInput(problem, path=path)
    groups = data["groups"]
    if not isinstance(groups, dict) or not groups:
        raise BadInput("a list of phrases has groups", path=path, remedy=remedy)
    for name, group in groups.items():
        if (
            not isinstance(group, dict)
            or group.keys() != {"meaning", "phrases"}
            or not isinstance(group["phrases"], list)
            or not group["phrases"]
            or not all(isinstance(line, str) for line in group["phrases"])
        ):
            raise BadInput(f"group {name!r} has no meaning or no phrases", path=path, remedy=remedy)
        for line in group["phrases"]:
            try:
                expand(line)
            except ValueError as error:
                raise BadInput(f"group {name!r}: {error}", path=path) from error
    return PhraseList(
        name=str(data["name"]),
        version=str(data["version"]),
        meanings={str(name): str(group["meaning"]) for name, group in groups.items()},
        lines={str(name): tuple(group["phrases"]) for name, group in groups.items()},
        made_from=str(data.get("made_from", "")),
    )


def dumps(phrases: PhraseList) -> str:
    """The list as a file that :func:`read` takes: freeze it here, use it on answers that come later."""
    return yaml12.render(phrases.data())


def frozen(mined: Sequence[str], name: str, made_from: str) -> PhraseList:
    """Mined phrases as a fixed list, to be used on answers that come later. ``made_from`` says where they
    come from: on those same answers the list is not fixed before."""
    return PhraseList(
        name=name,
        version="1",
        meanings={"mined": "phrases that recur across prompts"},
        lines={"mined": tuple(mined)},
        made_from=made_from,
    )


def hits(texts: Sequence[str] | TokenDocuments, phrases: PhraseList) -> list[tuple[Hit, ...]]:
    """The listed phrases in each text, in order; of overlapping ones of one group the first and longest."""
    return [_longest(row) for row in _all(texts, phrases)]


def _all(texts: Sequence[str] | TokenDocuments, phrases: PhraseList) -> list[list[Hit]]:
    if not isinstance(texts, TokenDocuments) and not texts:
        return []
    documents = texts if isinstance(texts, TokenDocuments) else corpus(texts)
    wordings = phrases.phrases
    at, which = find_phrases(documents, [wording for _, wording in wordings])
    document = np.searchsorted(documents.offsets, at, side="right") - 1
    found: list[list[Hit]] = [[] for _ in range(len(documents.offsets) - 1)]
    starts = (at - documents.offsets[document]).tolist()
    for doc, start, number in zip(document.tolist(), starts, which.tolist(), strict=True):
        group, wording = wordings[number]
        found[doc].append(Hit(group, " ".join(wording), start, start + len(wording)))
    return found


def _longest(row: Sequence[Hit]) -> tuple[Hit, ...]:
    kept: list[Hit] = []
    reached: dict[str, int] = defaultdict(int)
    for hit in sorted(row, key=lambda h: (h.start, -h.end)):
        if hit.start >= reached[hit.group]:
            kept.append(hit)
            reached[hit.group] = hit.end
    return tuple(kept)


def scrub(text: str, phrases: PhraseList, *, share: float = 0.5) -> Scrubbed:
    """The text without sentences of which at least ``share`` of the words lie in listed phrases.

    Whole sentences go, never parts: a sentence with a hole in it would be judged for the hole. What stands
    between sentences stays, except that three line ends or more become two.
    """
    return scrub_all([text], phrases, share=share)[0]


def scrub_all(texts: Sequence[str], phrases: PhraseList, *, share: float = 0.5) -> list[Scrubbed]:
    """:func:`scrub` of many texts."""
    return [
        _without(text, row, share) if row else Scrubbed(text, ())
        for text, row in zip(texts, _all(texts, phrases), strict=True)
    ]


def _without(text: str, row: Sequence[Hit], share: float) -> Scrubbed:
    spans = word_spans(text)
    listed = {number for hit in row for number in range(hit.start, hit.end)}
    removed: list[tuple[int, int]] = []
    number = 0
    for sentence in sentences(text):
        first = number
        while number < len(spans) and spans[number][0] < sentence.end:
            number += 1
        if sum(n in listed for n in range(first, number)) >= share * (number - first):
            removed.append((sentence.start, sentence.end))
    left, at = [], 0
    for start, end in removed:
        left.append(text[at:start])
        at = end
    rest = re.sub(r"[ \t]{2,}", " ", "".join([*left, text[at:]])) if removed else text
    rest = re.sub(r"[ \t]*\n\s*\n\s*", "\n\n", rest).strip() if removed else rest
    return Scrubbed(rest, tuple(text[start:end] for start, end in removed))
