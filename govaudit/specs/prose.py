"""Importer of constitutions in prose: documents without ids, without authority and almost without rules.

In: markdown. Out: a spec and warnings. Every heading becomes a section that keeps its text as it stands. What
the form and the wording show to be a clause becomes one:

- a list under hard constraints whose lead says never (or always): bright lines;
- a numbered list that the words around it call an order: priorities, each with its rank;
- lists of behaviours that somebody can turn off or on: defaults, on or off.

Everything else that asks for something is a *candidate*: sentences with should, must, never or "we want X to",
and the items of lists that such words lead into. Nobody is judged by a candidate until an overlay accepts it
(``overlay``), because where a clause begins and ends in prose is a reading, and so is its kind.

Parts that the document declares not to be part of itself, and prefaces, summaries and acknowledgements by
their title, are kept as sections marked ``excluded`` and give no clause. Left out on purpose: tags, and a
subject for sentences that begin with "it".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from govaudit.canonical import file_digest
from govaudit.errors import BadInput
from govaudit.specs import blocks
from govaudit.specs.blocks import Block, Form
from govaudit.specs.model import Clause, Default, Kind, Level, Locator, Modality, Origin, Polarity, Section, Spec
from govaudit.specs.text import read_text

FORMAT = "prose"

# What asks for something

_WANTED = (
    r"\b(?:wants?|prefers?|expects?|encourages?|asks?|asking|(?:would|[’']d)\s+(?:\w+\s+)?(?:like|love|prefer))"
    r"\s+(?:for\s+)?(?:[A-Z][\w’'-]*|it|the\s+(?:assistant|model|system|AI)|(?:our\s+)?(?:models?|AIs?))"
    r"\s+(?:\w+\s+)?(?:not\s+)?to\b"
)
_MODAL = r"\b(?:(?:should|must|shall|ought)(?:n[’']t)?)\b"
_ASKS = re.compile(rf"{_MODAL}|\b[Nn]ever\b|{_WANTED}")
_MUST = re.compile(r"\b(?:must|shall)(?:n[’']t)?\b")
_SHOULD = re.compile(rf"\b(?:should|ought)(?:n[’']t)?\b|{_WANTED}")
_FORBIDS = re.compile(
    r"\b(?:should|must|shall|ought)(?:n[’']t\b|\s+(?:\w+\s+){0,2}?(?:not|never|avoid|refrain)\b)"
    r"|\bnever\b|\bnot\s+to\b|\b(?:do(?:es)?n[’']t|do(?:es)?\s+not|would\s+not|wouldn[’']t)\s+(?:want|like)\b",
    re.IGNORECASE,
)
_BY_DEFAULT = re.compile(r"\bby\s+default\b|\bdefaults?\s+to\b|\bunless\s+(?:otherwise|told|asked|instructed)\b", re.I)
_WEIGHS = re.compile(r"\bheuristics?\b|\bweigh(?:s|ing)?\b|\berr\s+on\s+the\s+side\b|\bprioriti[sz]e\b|\bjudgment\b", re.I)
_RULES = re.compile(r"\bmust\b|\bnever\b|\bunder\s+no\s+circumstances\b", re.IGNORECASE)
_BEHAVIOURS = re.compile(r"\bbehavio(?:u)?rs?\b|\bprinciples\b|\bvalues\b|\bunhappy\b|\buncomfortable\b", re.IGNORECASE)
_WE = re.compile(rf"\b[Ww]e\s+(?:\w+\s+)?{_MODAL}")
_WE_PROMISE = re.compile(r"\b[Ww]e\s+(?:also\s+)?(?:will|commit\s+to|promise\s+to|pledge\s+to)\b")

# Lists that are clauses

_HARD = re.compile(
    r"\b(?:hard|absolute|inviolable)\s+(?:constraints?|limits?|rules?|prohibitions?|boundar(?:y|ies))\b"
    r"|\b(?:bright|red)[\s-]lines?\b",
    re.IGNORECASE,
)
_ABSOLUTE = re.compile(r"\bnever\b|\balways\b|\bmust\b|\bunder\s+no\s+circumstances\b", re.IGNORECASE)
_ORDER = re.compile(
    r"\bpriorit(?:y|ies|i[sz]e[sd]?|i[sz]ing|i[sz]ation)\b|\bin\s+(?:the|this)\s+order\b|\bprecedence\b"
    r"|\border\s+of\s+importance\b|\bhighest\s+first\b|\branked\b",
    re.IGNORECASE,
)
_IN_ORDER = re.compile(r"\border\s+of\s+(?:priority|importance|precedence)\b|\bhighest\s+first\b", re.IGNORECASE)
_OFF_NOW = re.compile(r"\b(?:non|not)[\s-]default\b|\boff\s+by\s+default\b|\bdefault[\s-]off\b", re.IGNORECASE)
_ON_NOW = re.compile(r"\bdefaults?\b|\bon\s+by\s+default\b|\bdefault[\s-]on\b", re.IGNORECASE)
_SWITCH = re.compile(
    r"\b(?:turn(?:ed)?|switch(?:ed)?)\s+(?:\w+\s+)?(?P<way>on|off)\b|\b(?P<off>disabled?)\b|\b(?P<on>enabled?|unlock(?:ed)?)\b",
    re.IGNORECASE,
)
_BY_WHOM = re.compile(
    r"\b(?P<before>\w+)\s+(?:can|may|could|might)\s+(?:\w+\s+)?(?:turn|switch|disable|enable|unlock)"
    r"|\b(?:by|for)\s+(?:an?\s+|the\s+)?(?P<after>operator|user|developer|deployer)s?\b",
    re.IGNORECASE,
)

# What is no part of the declaration

_FRAME = re.compile(
    r"(?:read\s+)?(?:an?\s+|the\s+)?(?:executive\s+|short\s+)?summary\b|(?:preface|foreword|acknowledge?ments?|contents|"
    r"table\s+of\s+contents|change\s*log|references|bibliography|licen[cs]e|credits|contributors)\W*\Z"
    r"|about\s+this\s+(?:page|file)\W*\Z",
    re.IGNORECASE,
)
_NOT_PART = re.compile(r"\b(?:is|are)\s+not\s+(?:a\s+)?(?:formal\s+|official\s+)?part\s+of\b|\b(?:is|are)n[’']t\s+part\s+of\b")
_OF_ITSELF = re.compile(r"\b(?:constitution|document|spec|specification|guidelines|charter|policy)\b", re.IGNORECASE)
_NAMED_PART = re.compile(r"[,;]|\band\b|\bor\b|\bnor\b", re.IGNORECASE)
_BEFORE = frozenset(("preface", "foreword", "introduction", "preamble"))

_STOP = frozenset(
    "a an and any are as at be been being but by can could do does for from has have if in into is it its just let "
    "may might more most no not of on one or our so such than that the their them then there these they this those "
    "to too us was we were what when where which while who why will with would you your should must shall ought "
    "never always also even only assistant model".split()  # noqa: SIM905
)
_SUBJECT = re.compile(rf"[\w’']+\s+{_MODAL}")
_ID_WORDS = 7
_LISTED = 8
"""How many lines a warning names."""
_LINKS = 3
"""So many links to headings in a row are a table of contents."""


@dataclass(slots=True)
class _Heading:
    """A heading and what stands below it, up to the next heading."""

    block: Block
    parent: int | None
    path: tuple[str, ...]
    first: int
    """Index of the first block below it."""
    id: str = ""
    excluded: str | None = None
    spreads: bool = False
    """Whether what excludes it excludes the headings inside it too."""


@dataclass(slots=True)
class _List:
    """The items of one list and the words that lead into it."""

    items: list[int]
    """Indices of its blocks."""
    lead: str = ""
    """The sentence that ends in a colon before it, or the item around it."""
    around: str = ""
    """The whole paragraph before it."""
    after: str = ""
    """The paragraph after it."""
    parent: int | None = None
    """Number of the list around it."""


@dataclass(frozen=True, slots=True)
class _Statement:
    """A clause or candidate before it has its id."""

    line: int
    start: int
    end: int
    text: str
    name: str
    """What its id is made of."""
    heading: int | None
    title: str = ""
    values: dict[str, Any] = field(default_factory=dict)


def load(path: Path, *, version: str | None) -> tuple[Spec, tuple[str, ...]]:
    """The spec in a markdown file, and warnings, each with the line that it is about.

    ``version``: the label; without one it is ``unversioned+`` and eight digits of the spec's digest.
    :class:`BadInput`: no text, another form, no heading, an unclosed fence, nothing that asks for anything.
    """
    text = read_text(path)
    _refuse_other_forms(text, path)
    document = _Document(text, path)
    document.exclude()
    document.find_lists()
    document.find_sentences()
    spec = document.spec()
    warnings = document.told()
    if version is None:
        version = f"unversioned+{spec.digest[:8]}"
        warnings.append(f"the document does not state its version: here it is {version} (--version names it)")
    return spec.model_copy(update={"version": version}), tuple(warnings)


def modality(text: str) -> Modality:
    """How binding the words are: must, should, or neither."""
    if _MUST.search(text):
        return Modality.MUST
    return Modality.SHOULD if _SHOULD.search(text) else Modality.NONE


def polarity(text: str) -> Polarity:
    """Whether the words require or forbid; none where they do both or neither."""
    forbidding = [match.span() for match in _FORBIDS.finditer(text)]
    starts = [start for start, _ in forbidding]

    def negated(at: int) -> bool:
        before = bisect_right(starts, at) - 1
        return before >= 0 and at < forbidding[before][1]

    requires = any(not negated(match.start()) for match in _ASKS.finditer(text))
    if forbidding and not requires:
        return Polarity.FORBID
    return Polarity.REQUIRE if requires and not forbidding else Polarity.NONE


def kind(text: str) -> Kind:
    """The kind that the words name: default, heuristic or rule; unclassified where they name none."""
    if _BY_DEFAULT.search(text):
        return Kind.DEFAULT
    if _WEIGHS.search(text):
        return Kind.HEURISTIC
    return Kind.RULE if _RULES.search(text) else Kind.UNCLASSIFIED


def _refuse_other_forms(text: str, path: Path) -> None:
    head = text.lstrip()[:200].lower()
    if head.startswith(("<!doctype", "<html", "<?xml")):
        raise BadInput("this is HTML or XML, not markdown", path=path, line=1, remedy="Convert it to markdown.")
    if head.startswith(("{", "[{", '["', "[[")):
        raise BadInput(
            "this is JSON, not prose", path=path, line=1, remedy="If it is a list of principles, say --format principles."
        )
