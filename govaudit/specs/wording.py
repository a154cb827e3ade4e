"""How two wordings differ: in typography alone, in references alone, or in what they say.

In: two texts, for instance one clause in two versions of a spec. Out: the nature of the difference, the
sentences that only one of them has, and how much of one stands in the other. Everything takes time in
proportion to the texts. Whether they say the contrary is the business of ``turns``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

RUN = 3
"""Words in a run: texts are compared by the runs of so many words that they share."""


class Nature(StrEnum):
    """What sort of difference there is between two texts."""

    TYPOGRAPHIC = "typographic"  # dashes, quotes, blanks, list marks, normal form: it says the same
    REFERENCES = "references"  # besides that, only footnote marks and the targets of links
    WORDING = "wording"  # words or emphasis


_QUOTES = str.maketrans(
    dict.fromkeys("‘’‚‛′`´", "'") | dict.fromkeys("“”„‟″«»", '"') | {"…": "...", "\u00ad": "", "\ufeff": ""}
)
_UNSEEN = re.compile("[\u200b\u2060]")
_SHORT_DASH = re.compile(r"[‐‑−]|(?<=\d)[‒–](?=\d)")
_LONG_DASH = re.compile(r" ?(?:[‒–—―]|(?<!-)-{2,3}(?!-)|(?<= )-(?= )) ?")
_LIST_MARK = re.compile(r"^([ \t]*)[*+](?=[ \t])", re.MULTILINE)
_MARK = re.compile(r"[ ]?\[\^[^\]\[\s]+\]")
_LINK = re.compile(r"\[([^\]\[]*)\]\(([^()\s]*)\)")
_WORD = re.compile(r"\w+(?:'\w+)*")
_ITEM = re.compile(r"\n(?=[ \t]*(?:[-*+]|\d+[.)])[ \t])")
_END = re.compile(
    r"""(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\bcf)(?<!\betc)[.!?]["')\]*_]*(?:[ ]?\[\^[^\]\[\s]+\])*\s+"""
    r"""(?=["'(\[*_]*[A-Z0-9])"""
)


def normal(text: str) -> str:
    """A text in Unicode NFC: texts that are equal in it have one digest."""
    return unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """A text without its typography: NFC, straight quotes, one sort of dash and of blank, no unseen signs."""
    text = _UNSEEN.sub("", normal(text).translate(_QUOTES))
    # Blanks are joined before dashes are looked for: the other way round takes a square of a run of blanks.
    text = " ".join(_LIST_MARK.sub(r"\1-", text).split())
    return " ".join(_LONG_DASH.sub(" - ", _SHORT_DASH.sub("-", text)).split())


def unmarked(text: str) -> str:
    """A text without footnote marks and without the targets of links, whose words stay."""
    return _LINK.sub(r"\1", _MARK.sub("", text))


def nature(old: str, new: str) -> Nature | None:
    """What sort of difference there is; ``None`` where the texts are equal in every character."""
    if old == new:
        return None
    if folded(old) == folded(new):
        return Nature.TYPOGRAPHIC
    if folded(unmarked(old)) == folded(unmarked(new)):
        return Nature.REFERENCES
    return Nature.WORDING


def words(text: str) -> list[str]:
    """The words of a text in lower case, without marks and targets of links."""
    return _WORD.findall(folded(unmarked(text)).lower())


def sentences(text: str) -> list[str]:
    """Sentences and list items, folded. Headlines and code are taken as they come."""
    found = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        for item in _ITEM.split(block):
            plain, start = folded(item), 0
            for end in _END.finditer(plain):
                found.append(plain[start : end.end()].strip())
                start = end.end()
            found.append(plain[start:])
    return [sentence for sentence in found if _WORD.search(sentence)]


def passages(old: str, new: str) -> tuple[list[str], list[str]]:
    """Sentences that stand in ``old`` alone and in ``new`` alone, marks and link targets aside."""
    before, after = sentences(old), sentences(new)
    kept = Counter(map(unmarked, before)) & Counter(map(unmarked, after))
    return _without(before, kept), _without(after, kept)


def _without(found: list[str], kept: Counter[str]) -> list[str]:
    left, rest = Counter(kept), []
    for sentence in found:
        plain = unmarked(sentence)
        if left[plain]:
            left[plain] -= 1
        else:
            rest.append(sentence)
    return rest


def runs(text: str) -> Counter[tuple[str, ...]]:
    """The runs of :data:`RUN` words in a text; a shorter text is one run."""
    found = words(text)
    if len(found) < RUN:
        return Counter({tuple(found): 1}) if found else Counter()
    return Counter(zip(*(found[i:] for i in range(RUN)), strict=False))


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of two texts is the same, by runs of :data:`RUN` words, each share in 0..1."""

    kept: float
    """Share of the old text that stands in the new one."""
    taken: float
    """Share of the new text that stands in the old one."""
    similarity: float
    """Dice coefficient of both: 1 for the same words in the same order."""


def overlap(old: str, new: str) -> Overlap:
    """How much of two texts is the same; two texts without a word have nothing in common."""
    before, after = runs(old), runs(new)
    both, n, m = (before & after).total(), before.total(), after.total()
    return Overlap(
        kept=both / n if n else 0.0,
        taken=both / m if m else 0.0,
        similarity=2 * both / (n + m) if n + m else 0.0,
    )
