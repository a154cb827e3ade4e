"""Signs that a text under one id now says something contrary to what it said: passages for a person to read.

In: an old and a new text. Out: pairs of passages with what seems turned. Found by negation, by pairs of
opposed words, by binding words such as ``must`` or ``only``, and by the balance of opposed words in a text
that was much reworded; all of them English.

Left out on purpose: any reading of meaning beyond listed words. A turn that is put in other words, or in
another language, is not found, and a passage that is found is a reason to read it and no proof.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from govaudit.specs.wording import folded, overlap, passages, unmarked, words

_POLES: dict[str, tuple[str, str]] = {
    "granting or withholding": (
        r"help|assist|answer|compl(?:y|ies|ied|iance)$|fulfil|provid|allow|permi(?:t|ss)|accept|engag|support|enabl"
        r"|grant",
        r"refus|declin|withh[eo]|den(?:y|ies|ied|ying)$|reject|forbid|prohibit|disallow|ban(?:s|ned|ning)?$"
        r"|inabil|unable|abstain|restrict|block",
    ),
    "at length or briefly": (
        r"detail|thorough|comprehensiv|full|lengthy|elaborat|long(?:er)?$",
        r"brief|short|succinct|concis|terse|minimal",
    ),
    "open or hidden": (
        r"disclos|reveal|transparen|public",
        r"conceal|hid(?:e|es|den|ing)$|confidential|private|secret|privileg",
    ),
    "followed or set aside": (r"follow|obey|adher", r"ignor|overrid|disregard|violat|bypass"),
    "explicit or implicit": (r"explicit", r"implicit"),
    "encouraged or discouraged": (r"encourag|promot", r"discourag|dispref|deter(?:s|red)?$"),
    "included or left out": (r"includ", r"exclud|omit"),
    "always or never": (r"always$", r"never$"),
    "required or optional": (r"requir|mandat|oblig", r"optional|voluntar"),
    "neutral or partial": (r"neutral|objectiv|impartial", r"opinionat|persua|bias"),
    "trusted or not": (r"trust", r"distrust|mistrust|untrust"),
    "agreeing or opposing": (r"agree", r"disagree|oppos|contradict"),
    "more or less": (r"more$|increas|maximi", r"less$|fewer$|decreas|reduc|minimi[sz]"),
}
"""Pairs of opposed words by what they are about: how the words of either side begin."""

_SIDES = {about: (re.compile(one), re.compile(other)) for about, (one, other) in _POLES.items()}
_NEGATION = re.compile(
    r"(?:not|never|no|none|neither|nor|cannot|without|\w+n't|avoid(?:s|ed|ing)?|refrain(?:s|ed|ing)?|inability|unable"
    r"|refuse[sd]?|decline[sd]?|forbid(?:s|den)?|prohibit(?:s|ed)?)$"
)
_BINDING = re.compile(
    r"(?:must|shall|should|may|might|never|always|only|solely|unless|except|explicit(?:ly)?|implicit(?:ly)?)$"
)
_STOP = frozenset(
    """
    a about after all also an and any are as at be been before being both but by can could did do does
    doing each either else even every few for from had has have having he her here his how however i
    if in into is it its itself just like may me might more most must my of on one only or other our
    out over own rather s same shall she should since so some such t than that the their them then
    there these they this those through to too under until up upon us very was we were what when where
    whether which while who whom whose why will with would you your
    """.split()  # noqa: SIM905
)
_TOKEN = re.compile(r"\w+(?:'\w+)*|[.,;:!?()\[\]]")
_ENDINGS = ("ational", "ations", "ation", "ional", "ingly", "edly", "ing", "ed", "ies", "es", "ly", "al")
_SCOPE = 5
"""Words behind a negation that it is taken to reach."""


class Sign(StrEnum):
    """What speaks for a turn of meaning between two texts."""

    NEGATION = "negation"  # a sentence came back with, or without, a "not"
    OPPOSITE = "opposite"  # a sentence came back with the opposite of one of its words
    STANCE = "stance"  # the text, much reworded, leans the other way as a whole
    DECLARED = "declared"  # what is declared of it was turned: polarity, default, modality
    LABEL = "label"  # an answer to the same conversation was called good and is called bad, or the reverse
    BINDING = "binding"  # a sentence lost or gained no more than a word such as must, only or explicitly


@dataclass(frozen=True, slots=True)
class Turn:
    """A sign that a text now says something contrary, and the two passages to read."""

    sign: Sign
    about: str
    """What was turned: the words, or what the words are about."""
    before: str
    after: str
    strength: float
    """0..1. Of sentences, how alike they are but for the turn; of a whole text, how far it now leans over."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A text as signed words: 1 as it stands, -1 under a negation, 0 where it says a word both ways."""

    stems: Mapping[str, int]
    sides: Counter[tuple[str, int]]
    """How often a side (1 or -1) of the pairs in :data:`_POLES` is taken, negations counted."""

    def leaning(self, about: str) -> int:
        return self.sides[about, 1] - self.sides[about, -1]


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    """The beginning that the forms of a word share, roughly."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word.removesuffix("s").removesuffix("e") if len(word) > 3 else word


@lru_cache(maxsize=65536)
def _side(word: str) -> tuple[str, int] | None:
    for about, (one, other) in _SIDES.items():
        if other.match(word):
            return about, -1
        if one.match(word):
            return about, 1
    return None


def _read(text: str) -> _Reading:
    stems: dict[str, int] = {}
    sides: Counter[tuple[str, int]] = Counter()
    reaching: list[int] = []
    for token in _TOKEN.findall(folded(unmarked(text)).lower()):
        if not (token[0].isalnum() or token[0] == "_"):
            reaching = []
            continue
        sign = -1 if len(reaching) % 2 else 1
        side = _side(token)
        if side is not None:
            sides[side[0], side[1] * sign] += 1
        reaching = [left - 1 for left in reaching if left > 1]
        if _NEGATION.match(token):
            reaching.append(_SCOPE)
        elif token not in _STOP and not token.isdigit():
            stem = _stem(token)
            stems[stem] = sign if stems.get(stem, sign) == sign else 0
    return _Reading(stems, sides)


def rarity(texts: Iterable[str]) -> dict[str, float]:
    """How much it says that two sentences share a word: the rarer in these texts, the more."""
    found: Counter[str] = Counter()
    n = 0
    for n, text in enumerate(texts, 1):  # noqa: B007
        found.update(_read(text).stems.keys())
    return {stem: math.log(1 + n / times) for stem, times in found.items()}


LEAST_ALIKE = 0.4
"""Two sentences are about the same thing when their words, weighted by rarity, have this Dice coefficient."""

LEAST_SAME = 0.85
"""Two sentences are the same but for a word or two when their words have this Dice coefficient."""

MOST_KEPT = 0.5
"""A text is much reworded when its :class:`Overlap` has less similarity than this."""

LEAST_LEAN = 0.35
"""A text leans the other way when the share of its words on one side (0..1) moves by this much."""

_FEWEST = 3
"""So few words are exchanged where nothing but a negation was put in; so many opposed words a text must have
before it is said to lean."""


def turns(
    old: str, new: str, weights: Mapping[str, float], *, old_title: str = "", new_title: str = ""
) -> tuple[Turn, ...]:
    """Signs that ``new`` says something contrary to ``old``: passages for a person to read.

    ``weights`` is the :func:`rarity` of words in the documents around. The thresholds were set on the four
    versions of the OpenAI Model Spec from February to October 2025.
    """
    most = max(weights.values(), default=1.0)
    gone, come = (
        [_Sentence.of(text, weights, most) for text in dict.fromkeys(found)]
        for found in passages(f"{old_title}\n\n{old}", f"{new_title}\n\n{new}")
    )
    found = [turn for sentence in gone if (turn := _contrary(sentence, come, weights, most))]
    if overlap(old, new).similarity < MOST_KEPT:
        found += _leaning(old, new, old_title, new_title)
    return tuple(sorted(found, key=lambda turn: (list(Sign).index(turn.sign), -turn.strength)))


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    words: Counter[str]
    reading: _Reading
    weight: float
    """Of all its content words together."""

    @classmethod
    def of(cls, text: str, weights: Mapping[str, float], most: float) -> _Sentence:
        reading = _read(text)
        return cls(
            text, Counter(words(text)), reading, sum(weights.get(stem, most) for stem in reading.stems)
        )


def _contrary(
    old: _Sentence, come: Iterable[_Sentence], weights: Mapping[str, float], most: float
) -> Turn | None:
    """The clearest contradiction of a sentence that is gone among those that have come."""
    found: list[Turn] = []
    for new in come:
        before, after = old.reading.stems, new.reading.stems
        shared = before.keys() & after.keys()
        if not shared:
            continue
        same = 2 * (old.words & new.words).total() / (old.words.total() + new.words.total())
        against = sorted(stem for stem in shared if before[stem] * after[stem] < 0)
        if same >= LEAST_SAME:
            changed = _exchanged(old.words - new.words, new.words - old.words, bool(against))
            if changed:
                found.append(Turn(*changed, old.text, new.text, same))
                continue
        alike = 2 * sum(weights.get(stem, most) for stem in shared) / (old.weight + new.weight)
        if alike < LEAST_ALIKE:
            continue
        negated = sum(before[stem] == after[stem] == -1 for stem in shared)
        about = [p for p in _SIDES if old.reading.leaning(p) * new.reading.leaning(p) < 0]
        # A negation that still holds for other words of both sentences was not dropped.
        if len(against) > negated:
            found.append(Turn(Sign.NEGATION, ", ".join(against), old.text, new.text, alike))
        elif about:
            found.append(Turn(Sign.OPPOSITE, ", ".join(about), old.text, new.text, alike))
    return max(found, key=lambda turn: turn.strength, default=None)


def _exchanged(lost: Counter[str], gained: Counter[str], denied: bool) -> tuple[Sign, str] | None:
    """What the few words say by which two sentences differ that are else the same.

    ``denied``: one of them denies a word of the other. A negation that reaches none of these, among several
    new words, is an addition: it binds, and turns nothing round.
    """
    said = {"lost": sorted(lost), "gained": sorted(gained)}
    negations = {name: [word for word in found if _NEGATION.match(word)] for name, found in said.items()}
    if len(negations["lost"]) != len(negations["gained"]):
        turned = denied or lost.total() + gained.total() <= _FEWEST
        return (Sign.NEGATION if turned else Sign.BINDING), _listed(negations)
    for word in said["lost"]:
        for other in said["gained"]:
            one, two = _side(word), _side(other)
            opposed = one is not None and two is not None and one[0] == two[0] and one[1] != two[1]
            if opposed or _denied(word, other) or _denied(other, word):
                return Sign.OPPOSITE, f"{word} -> {other}"
    binding = {name: [word for word in found if _BINDING.match(word)] for name, found in said.items()}
    return (Sign.BINDING, _listed(binding)) if any(binding.values()) else None


def _denied(word: str, other: str) -> bool:
    """Whether a word is another one with a syllable that denies it."""
    return len(word) > 3 and other in (f"un{word}", f"in{word}", f"im{word}", f"dis{word}", f"non{word}")


def _listed(changes: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{name} {', '.join(found)}" for name, found in changes.items() if found)


def _leaning(old: str, new: str, old_title: str, new_title: str) -> list[Turn]:
    """Matters in which a whole text moved to the other side; a title counts twice."""
    before, after = (
        _read(f"{title}.\n{title}.\n{text}").sides for title, text in ((old_title, old), (new_title, new))
    )
    found = []
    for about in _SIDES:
        n, m = (sides[about, 1] + sides[about, -1] for sides in (before, after))
        if min(n, m) >= _FEWEST:
            moved = abs(after[about, 1] / m - before[about, 1] / n)
            if moved >= LEAST_LEAN:
                found.append(Turn(Sign.STANCE, about, old_title or old, new_title or new, moved))
    return found
