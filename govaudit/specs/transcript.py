"""Example conversations in the notation of the OpenAI Model Spec: caption, fence, tagged messages.

In: the lines of a document, or the body of a fence, for instance ``<user>`` ... ``</user>`` followed by a
``<comparison>`` whose assistant answers carry their label as a comment. Out: turns, comparisons, and the text
that stands in no message. Nothing is dropped: what has no place becomes loose text with a warning.

The notation looks like XML and is read leniently, because later documents need not be well-formed: an unknown
tag is a role of that name, a message without its closing tag ends where the next message begins.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from govaudit.errors import BadInput
from govaudit.specs.model import Answer, Comparison, Label, Loose, Message

ROLES = ("system", "developer", "user", "assistant", "tool", "untrusted")
PARTS = ("untrusted", "settings")
"""Elements that stand inside a message and belong to its content."""

CAPTION = re.compile(r"\*\*Example(?:\*\*:|:\*\*|\*\*)[ \t]*(.*)")
HEADING = re.compile(r"(#{1,6})[ \t]+(.*)")

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_MESSAGES = frozenset((*ROLES, "comparison"))
_ATTRIBUTE = r"""([\w:.-]+)\s*=\s*("[^"]*"|'[^']*')"""
_TAG = re.compile(
    rf"<(?P<close>/?)(?P<name>[A-Za-z_][\w.-]*)(?P<attributes>(?:\s+{_ATTRIBUTE})*)\s*(?P<empty>/?)>"
)
_COMMENT = re.compile(r"\s*<!--(.*?)-->", re.DOTALL)
_LABEL = re.compile(
    r"\s*(?P<label>[A-Za-z]+)(?P<references>(?:\s*\[#[^\]]*\])*)\s*(?:[:,]\s*)?(?P<reason>.*)", re.DOTALL
)
_ENTITY = re.compile(r"&(amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


@dataclass(frozen=True, slots=True)
class Transcript:
    """What one conversation holds. Warnings are pairs of a 1-based line and a sentence."""

    turns: tuple[Message, ...]
    comparisons: tuple[Comparison, ...]
    loose: tuple[Loose, ...]
    warnings: tuple[tuple[int, str], ...]


def fence(line: str) -> tuple[str, str] | None:
    """Marker and info string of a line that opens or closes a fence, else None."""
    match = _FENCE.fullmatch(line)
    if match is None or (match[1][0] == "`" and "`" in match[2]):
        return None
    return match[1], match[2].strip()


def fence_end(lines: Sequence[str], start: int, path: Path) -> int:
    """Index of the line that closes the fence opened at index ``start``; :class:`BadInput` if none does.

    A fence that would swallow the next opening of its own kind, or a heading with an anchor, was not closed:
    read by the letter of markdown it would silently take whole clauses with it.
    """
    marker, info = fence(lines[start]) or ("", "")
    for i in range(start + 1, len(lines)):
        heading = HEADING.fullmatch(lines[i])
        if heading is not None and "{#" in heading[2]:
            break
        inner = fence(lines[i])
        if inner is not None and inner[0].startswith(marker):
            if not inner[1]:
                return i
            if inner[1] == info:
                break
    raise BadInput(
        "the fence opened here is not closed",
        path=path,
        line=start + 1,
        remedy=f"End it with a line {marker}.",
    )


def read(text: str, line: int = 1, *, labelled: bool = True) -> Transcript:
    """Turns, comparisons and loose text of one conversation.

    ``line`` is the 1-based line of the text's first line in its file, for the warnings. Where no labelled
    answers belong (``labelled`` is false: prompt files), a comparison is loose text. Raises on no text.
    """
    return _Reader(text, line, labelled).read()


def unescape(text: str) -> str:
    """The five XML entities and numeric references, once.

    The fences are well-formed XML and the published page shows ``&`` where they say ``&amp;``: the entity is
    notation, not part of what was said. A model audited on ``&lt;`` would be audited on the notation.
    """

    def character(match: re.Match[str]) -> str:
        name = match[1]
        if name in _NAMED:
            return _NAMED[name]
        code = int("0" + name[1:], 0) if name[1] == "x" else int(name[1:])
        if code in (0, 0xFFFE, 0xFFFF) or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
            return match[0]
        return chr(code)

    return _ENTITY.sub(character, text)


@dataclass(frozen=True, slots=True)
class _Element:
    name: str
    attributes: dict[str, str]
    content: str
    raw: str
    start: int
    inside: int
    """Where the content begins."""
    closed: bool


def _bare(content: str) -> str:
    """Content without the line ends next to its tags and a closing tag's indentation; the rest is content."""
    content = re.sub(r"\A[ \t]*\n", "", content)
    return re.sub(r"\n[ \t]*\Z", "", content)


def _pairs(tags: Sequence[re.Match[str]]) -> dict[int, re.Match[str]]:
    """Closing tag by the position of its opening tag; one pass, so that no input can make it slow."""
    pairs: dict[int, re.Match[str]] = {}
    waiting: dict[str, list[int]] = {}
    for tag in tags:
        stack = waiting.setdefault(tag["name"], [])
        if tag["empty"]:
            continue
        if not tag["close"]:
            stack.append(tag.start())
        elif stack:
            pairs[stack.pop()] = tag
    return pairs


def _elements(text: str) -> Iterator[_Element | tuple[int, str]]:
    """Top-level elements, and between them (position, text) where there is any text."""
    tags = list(_TAG.finditer(text))
    pairs = _pairs(tags)
    rest = 0
    for i, tag in enumerate(tags):
        if tag["close"] or tag.start() < rest:
            continue
        end = after = tag.end()
        closed = bool(tag["empty"]) or tag.start() in pairs
        if tag.start() in pairs:
            end, after = pairs[tag.start()].span()
        elif not closed and tag["name"] in _MESSAGES:
            following = (tags[k].start() for k in range(i + 1, len(tags)) if tags[k]["name"] in _MESSAGES)
            end = after = next(following, len(text))
        elif not closed:
            continue
        if text[rest : tag.start()].strip():
            yield rest, text[rest : tag.start()]
        yield _Element(
            name=tag["name"],
            attributes={m[1]: unescape(m[2][1:-1]) for m in re.finditer(_ATTRIBUTE, tag["attributes"])},
            content=text[tag.end() : end],
            raw=text[tag.start() : after],
            start=tag.start(),
            inside=tag.end(),
            closed=closed,
        )
        rest = after
    if text[rest:].strip():
        yield rest, text[rest:]


class _Reader:
    """One conversation being read. Positions are offsets into its text."""

    def __init__(self, text: str, line: int, labelled: bool) -> None:
        self.text, self.line, self.labelled = text, line, labelled
        self.ends = [match.start() for match in re.finditer("\n", text)]
        self.turns: list[Message] = []
        self.comparisons: list[Comparison] = []
        self.loose: list[Loose] = []
        self.warnings: list[tuple[int, str]] = []

    def read(self) -> Transcript:
        for element in _elements(self.text):
            if isinstance(element, tuple):
                self.keep(*element, "text outside every message")
                continue
            self.check(element)
            if element.name != "comparison":
                self.turns.append(self.message(element))
            elif self.labelled:
                self.comparison(element)
            else:
                self.keep(element.start, element.raw, "labelled answers have no place in a prompt")
        return Transcript(
            tuple(self.turns), tuple(self.comparisons), tuple(self.loose), tuple(sorted(self.warnings))
        )

    def warn(self, at: int, problem: str) -> None:
        self.warnings.append((self.line + bisect_left(self.ends, at), problem))

    def keep(self, at: int, text: str, why: str) -> None:
        at += len(text) - len(text.lstrip())
        shown = " ".join(text.split())
        shown = shown if len(shown) <= 40 else shown[:39] + "…"
        self.loose.append(Loose(after=len(self.turns), text=unescape(text.strip())))
        self.warn(at, f"{why}, kept as loose text: {shown}")

    def check(self, element: _Element, offset: int = 0) -> None:
        at = offset + element.start
        if not element.closed:
            self.warn(at, f"<{element.name}> is not closed: it is read up to the next message")
        if element.name not in _MESSAGES:
            self.warn(at, f"unknown tag <{element.name}>, kept as a message of that role")

    def content(self, element: _Element, text: str, offset: int) -> str:
        names = dict.fromkeys(tag["name"] for tag in _TAG.finditer(text) if not tag["close"])
        for name in names:
            if name not in PARTS:
                self.warn(offset + element.start, f"<{name}> inside <{element.name}> is kept as text")
        return unescape(_bare(text))

    def message(self, element: _Element) -> Message:
        attributes, text = element.attributes, element.content
        comment = _COMMENT.match(text)
        if comment is not None and "comment" not in attributes:
            # Left in the content it could show the arm under audit a label.
            attributes = {**attributes, "comment": unescape(comment[1].strip())}
            text = text[comment.end() :]
            self.warn(
                element.start, "a message outside every comparison has a comment, kept as its attribute"
            )
        return Message(role=element.name, content=self.content(element, text, 0), attributes=attributes)

    def comparison(self, comparison: _Element) -> None:
        answers: list[Answer] = []
        for element in _elements(comparison.content):
            if isinstance(element, tuple):
                self.keep(comparison.inside + element[0], element[1], "text outside every answer")
                continue
            answer = self.answer(element, comparison.inside)
            if answer is not None:
                answers.append(answer)
        if not answers:
            self.warn(comparison.start, "a comparison without any labelled answer")
            return
        self.comparisons.append(
            Comparison(after=len(self.turns), answers=tuple(answers), attributes=comparison.attributes)
        )

    def answer(self, element: _Element, offset: int) -> Answer | None:
        at = offset + element.start
        if element.name != "assistant":
            self.keep(at, element.raw, f"<{element.name}> inside a comparison is no answer")
            return None
        self.check(element, offset)
        comment = _COMMENT.match(element.content)
        label = _LABEL.match(comment[1]) if comment else None
        if comment is None or label is None or label["label"].upper() not in ("GOOD", "BAD", "OK"):
            self.keep(at, element.raw, "an answer without a label")
            return None
        return Answer(
            label=Label(label["label"].lower()),
            content=self.content(element, element.content[comment.end() :], offset),
            reason=unescape(label["reason"].strip()) or None,
            references=tuple(re.findall(r"#([^\s,#\]]+)", label["references"])),
            attributes=element.attributes,
        )
