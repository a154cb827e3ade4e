"""Words and sentences of answers, as the measures of wording see them.

In: the text of an answer. Out: its words (lower case, straight apostrophes, no punctuation), many answers as
one corpus of token ids, and its sentences as spans. A word is a run of letters and digits of any script;
scripts that are written without blanks give long words, so that phrases are found in them less often than
they occur.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from govaudit.stats.phrases import TokenDocuments, encode_documents

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_QUOTE = re.compile(r"'(?:(?![^\W_])|(?<![^\W_]'))")
"""An apostrophe that does not stand inside a word."""
_BLANKS = {code: " " for code in range(128) if not (chr(code).isalnum() or chr(code) == "'")}
_END = re.compile(r"[.!?…]+[\"'\]*_]*(?=\s|$)|\n+")


@dataclass(frozen=True)
class Sentence:
    """``text[start:end]`` of an answer, without the blanks around it; ``words`` in it."""

    start: int
    end: int
    words: int


def words(text: str) -> list[str]:
    """The words of a text."""
    plain = text.replace("’", "'").lower()
    if plain.isascii():
        # The same words as the pattern finds, in a third of the time.
        return (_QUOTE.sub(" ", plain) if "'" in plain else plain).translate(_BLANKS).split()
    return _WORD.findall(plain)


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the words of :func:`words` stand in the text."""
    plain = text.replace("’", "'")
    low = plain.lower()
    # Lower case may be longer than the text (İ); then the text as it is gives the places.
    return [match.span() for match in _WORD.finditer(low if len(low) == len(plain) else plain)]


def corpus(texts: Iterable[str]) -> TokenDocuments:
    """The words of many texts as token ids."""
    return encode_documents(words(text) for text in texts)


def sentences(text: str) -> Iterator[Sentence]:
    """Sentences, list items and headlines, in order; what holds no word is left out."""
    start = 0
    for stop in [*(match.end() for match in _END.finditer(text)), len(text)]:
        piece = text[start:stop]
        inner = piece.strip()
        if inner and (count := len(words(inner))):
            begin = start + piece.index(inner)
            yield Sentence(begin, begin + len(inner), count)
        start = stop
