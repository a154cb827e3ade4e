"""What a sentence asks for, told from its words: whether it asks, how firmly, and for or against something.

In: a text on one line. Out: modality, polarity and kind, each ``none`` or ``unclassified`` where the words do
not say it. Left out on purpose: meaning. A sentence may ask for something in other words than these, and one
with these words may ask for nothing: that is why what is found here is a candidate, which a person accepts.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from govaudit.specs.model import Kind, Modality, Polarity

_MODAL = r"\b(?i:(?:should|must|shall|ought)(?:n[’']t)?)\b"
_NEVER = r"\b(?i:never)\b"
_WANTED = (
    r"\b(?:wants?|prefers?|expects?|encourages?|asks?|asking|(?:would|[’']d)\s+(?:\w+\s+)?(?:like|love|prefer))"
    r"\s+(?:for\s+)?(?:[A-Z][\w’'-]*|it|the\s+(?:assistant|model|system|AI)|(?:our\s+)?(?:models?|AIs?))"
    r"\s+(?:\w+\s+)?to\b"
)
"""Somebody wants a named subject to do something."""

ASKS = re.compile(rf"{_MODAL}|{_NEVER}|{_WANTED}")
"""Any word that asks."""
OURS = re.compile(rf"\b[Ww]e\s+(?:\w+\s+)?{_MODAL}")
"""What the authors ask of themselves."""
PROMISES = re.compile(r"\b[Ww]e\s+(?:also\s+)?(?:will|commit\s+to|promise\s+to|pledge\s+to)\b")
BEHAVIOURS = re.compile(
    r"\bbehavio(?:u)?rs?\b|\bprinciples\b|\bvalues\b|\bunhappy\b|\buncomfortable\b", re.IGNORECASE
)
"""What leads into a list of behaviours without asking for them."""
SUBJECT = re.compile(rf"\b[\w’']{{1,40}}\s+{_MODAL}")
"""Who should do it, with the modal verb."""

_MUST = re.compile(r"(?:must|shall)(?:n[’']t)?", re.IGNORECASE)
_NEVER_ALONE = re.compile(_NEVER)
_ENDS_IN_NEVER = re.compile(rf"{_NEVER}\Z")
_FORBIDS = re.compile(
    r"\b(?i:should|must|shall|ought)(?:n[’']t\b|\s+(?:\w+\s+){0,2}?(?i:not|never|avoid|refrain)\b)"
    rf"|{_NEVER}|(?:\bnot|n[’']t)\s+{_WANTED}",
)
_BY_DEFAULT = re.compile(
    r"\bby\s+default\b|\bdefaults?\s+to\b|\bunless\s+(?:otherwise|told|asked|instructed)\b", re.IGNORECASE
)
_WEIGHS = re.compile(
    r"\bheuristics?\b|\bweigh(?:s|ing)?\b|\berr\s+on\s+the\s+side\b|\bprioriti[sz]e\b|\bjudge?ment\b",
    re.IGNORECASE,
)


def modality(text: str) -> Modality:
    """How binding the first word that asks is: must, should, or neither (never, or no word at all)."""
    asked = ASKS.search(text)
    if asked is None or _NEVER_ALONE.fullmatch(asked[0]):
        return Modality.NONE
    return Modality.MUST if _MUST.fullmatch(asked[0]) else Modality.SHOULD


def polarity(text: str) -> Polarity:
    """Whether the words require or forbid; none where they do both or neither."""
    forbidding = [match.span() for match in _FORBIDS.finditer(text)]
    starts = [start for start, _ in forbidding]

    def negated(at: int) -> bool:
        before = bisect_right(starts, at) - 1
        return before >= 0 and at < forbidding[before][1]

    requires = any(not negated(match.start()) for match in ASKS.finditer(text))
    if forbidding and not requires:
        return Polarity.FORBID
    return Polarity.REQUIRE if requires and not forbidding else Polarity.NONE


def kind(text: str) -> Kind:
    """The kind that the words name: default, heuristic or rule; unclassified where they name none.

    A rule is what must be, or never, by the first word that asks: a later one may stand in an aside.
    """
    if _BY_DEFAULT.search(text):
        return Kind.DEFAULT
    if _WEIGHS.search(text):
        return Kind.HEURISTIC
    asked = ASKS.search(text)
    forbids = _FORBIDS.match(text, asked.start()) if asked is not None else None
    never = forbids is not None and _ENDS_IN_NEVER.search(forbids[0]) is not None
    return Kind.RULE if never or modality(text) is Modality.MUST else Kind.UNCLASSIFIED
