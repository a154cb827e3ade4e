"""The prompt files of an OpenAI Model Spec: conversations without labelled answers, by footnote mark.

In: a JSONL file (one prompt a row: footnote, n, section_title, title, conversation), a folder of the
published ``<mark>.md`` files, or one of these. Out: for each mark its prompts and the heading that the file
says they belong to. Which sentence cites a mark is the document's business (``openai_model_spec``).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from govaudit.canonical import digest, file_digest
from govaudit.errors import BadInput
from govaudit.specs import transcript
from govaudit.specs.model import Locator, Message, Prompt
from govaudit.specs.text import read_text

_HEAD = re.compile(r"Examples for \[\^([^\]\[\s]+)\](?: in (.*))?")
_KEYS = {"footnote": str, "n": int, "section_title": str, "title": str, "conversation": str}


@dataclass(slots=True)
class PromptFile:
    """The prompts of one mark."""

    title: str | None
    """The heading that the file names."""
    place: str
    """Name of the file that they were read from."""
    prompts: list[Prompt] = field(default_factory=list)


@dataclass(slots=True)
class PromptFiles:
    """All that was read."""

    digest: str
    """SHA-256 of the file; of a folder, of the canonical map from file names to digests."""
    files: dict[str, PromptFile] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def load(path: Path) -> PromptFiles:
    """The prompts of a JSONL file, of a folder of ``.md`` files, or of one such file.

    :class:`BadInput`: nothing to read, a row that is not JSON or lacks a key, an unclosed fence (with line).
    """
    if path.is_dir():
        members = sorted(path.glob("*.md"))
        if not members:
            raise BadInput("the folder of prompts holds no .md file", path=path)
        found = PromptFiles(digest({member.name: file_digest(member) for member in members}))
        for member in members:
            _published(member, found)
        return found
    text = read_text(path)
    found = PromptFiles(file_digest(path))
    if path.suffix == ".md":
        _published(path, found)
    else:
        _rows(text, path, found)
    return found


def _prompt(text: str, title: str, source: Locator, found: PromptFiles, place: str) -> Prompt:
    read = transcript.read(text, labelled=False)
    turns, loose = read.turns, read.loose
    problems = [problem for _, problem in read.warnings]
    if not turns:
        turns, loose = (Message(role="user", content=text.strip("\n")),), ()
        problems = ["no message is tagged: it is read as one user message"]
    found.warnings += [f"{place}, line {source.line}: {problem}" for problem in problems]
    return Prompt(title=title, turns=turns, loose=loose, source=source)


def _rows(text: str, path: Path, found: PromptFiles) -> None:
    seen: Counter[tuple[str, int]] = Counter()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        row = _row(line, path, number)
        for key in sorted(row.keys() - _KEYS.keys()):
            found.warnings.append(f"{path.name}, line {number}: the unknown key {key!r} is left out")
        mark, heading = row["footnote"], row["section_title"]
        seen[mark, row["n"]] += 1
        if seen[mark, row["n"]] == 2:
            found.warnings.append(
                f"{path.name}, line {number}: number {row['n']} of [^{mark}] is given twice"
            )
        file = found.files.setdefault(mark, PromptFile(heading, path.name))
        source = Locator(path=(heading,), line=number)
        file.prompts.append(_prompt(row["conversation"], row["title"], source, found, path.name))


def _row(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"this line is not JSON ({error})", path=path, line=number) from None
    if not isinstance(row, dict):
        raise BadInput("this line is not a JSON object", path=path, line=number)
    for key, kind in _KEYS.items():
        value = row.get(key)
        blank = key in ("footnote", "conversation") and not str(value).strip()
        if not isinstance(value, kind) or isinstance(value, bool) or blank:
            raise BadInput(
                f"{key!r} is missing, empty or of the wrong type",
                path=path,
                line=number,
                remedy=f"A row of prompts holds {', '.join(_KEYS)}.",
            )
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadInput("an escape in this line is half a character", path=path, line=number) from None
    return row


def _published(path: Path, found: PromptFiles) -> None:
    """One published file: a head line with mark and heading, then captions and fences."""
    lines = read_text(path).split("\n")
    mark, heading, caption = path.stem, None, ""
    prompts: list[Prompt] = []
    i = 0
    while i < len(lines):
        line = lines[i]
        head, captioned = _HEAD.fullmatch(line), transcript.CAPTION.fullmatch(line)
        if head is not None:
            mark, heading = head[1], (head[2] or "").strip().removesuffix(":") or None
        elif captioned is not None:
            caption = captioned[1].strip()
        elif transcript.fence(line):
            end = transcript.fence_end(lines, i, path)
            source = Locator(path=(heading,) if heading else (), line=i + 1)
            text = "\n".join(lines[i + 1 : end])
            prompts.append(_prompt(text, caption, source, found, path.name))
            caption, i = "", end
        elif line.strip():
            found.warnings.append(
                f"{path.name}, line {i + 1}: outside every prompt, left out: {line.strip()}"
            )
        i += 1
    if heading is None:
        found.warnings.append(
            f"{path.name}: no line names its footnote, so the name of the file does: {mark}"
        )
    found.files.setdefault(mark, PromptFile(heading, path.name)).prompts.extend(prompts)
