"""An answer cut into sentences and list items, as the checks read it.

In: the text of an answer. Out: its sentences with where they stand, in lower case, without Markdown marks and
with straight quotes, so that a pattern need not know of curly ones or of ``**bold**``. Whether the text is
English is told from common words. Left out: what a sentence means (``refusal``, ``style``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LONGEST = 600
"""Longest piece in characters: patterns are not run over text of unbounded length."""


@dataclass(frozen=True)
class Sentence:
    """A sentence or list item, or a piece of a very long one."""

    start: int
    end: int
    """Characters ``answer[start:end]``."""
    words: int
    text: str
    """Lower case, quotes straight, blanks single, without Markdown marks. "cant" is "can't", and punctuation
    is not set off."""
    item: bool
    """True for a list item."""


_ITEM = re.compile(r"\s*(?:>\s{0,3})?(?:\*\*)?(?:\d{1,2}[.)]|[a-h][.)]|[-*•–])(?:\*\*)?\s+")
_END = re.compile(r"(?<=[.!?])[\"')*_]*\s+(?=[\"'(A-Z*_])|(?<= [.!?])\s+(?=\S)")
_BLANKS = re.compile(r"[ \t]+")
_MARKS = re.compile(r"[*_`#]+|^>+|\[(?=[^\]]{1,80}\]\()|\]\([^)]{0,200}\)")
_APART = re.compile(r" (?=[.,!?;:](?: |$))")
_BARE = re.compile(r"\b(can|won|don|doesn|didn|isn|aren|couldn|wouldn|shouldn)t\b")
_QUOTES = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "´": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " "}
)


def plain(text: str) -> str:
    """Straight quotes and plain blanks, without moving a character."""
    return text.translate(_QUOTES)


def split(answer: str) -> Iterator[Sentence]:
    """The sentences of an answer in their order; none is empty."""
    at = 0
    for line in plain(answer).split("\n"):
        bullet = _ITEM.match(line)
        for start, end in _pieces(line, bullet.end() if bullet else 0):
            text = _BLANKS.sub(" ", _MARKS.sub("", line[start:end])).strip().lower()
            if text:
                text = _APART.sub("", _BARE.sub(r"\1't", text))
                yield Sentence(at + start, at + end, len(text.split()), text, bullet is not None)
        at += len(line) + 1


def _pieces(line: str, start: int) -> Iterator[tuple[int, int]]:
    ends: Iterable[tuple[int, int]] = [
        *((match.start(), match.end()) for match in _END.finditer(line, start)),
        (len(line), len(line)),
    ]
    for end, following in ends:
        while end - start > LONGEST:
            cut = line.rfind(" ", start + 1, start + LONGEST)
            cut = cut if cut > start else start + LONGEST
            yield start, cut
            start = cut
        yield start, end
        start = following


_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+")


def in_english(answer: str, english: frozenset[str], other: frozenset[str]) -> bool:
    """False where most letters are not Latin, or words of other languages prevail over English ones.

    ``english`` and ``other`` are common words in lower case. Code, links and addresses are in no language.
    """
    tokens = [
        token
        for token in _CODE.sub(" ", answer).split()
        if not ("/" in token or "@" in token or "." in token[:-1])
    ]
    text = " ".join(tokens)
    if not text.isascii():
        letters = [character for character in text if character.isalpha()]
        # Latin letters, accented ones included, lie below U+0250.
        if letters and sum(character < "\u0250" for character in letters) < 0.5 * len(letters):
            return False
    words = _WORD.findall(text.lower())
    foreign = sum(word in other for word in words)
    return foreign < 3 or foreign <= sum(word in english for word in words)
