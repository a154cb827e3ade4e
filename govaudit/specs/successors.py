"""What became of the statements that a new version of a spec lacks: probable renames, and text that moved.

In: the statements of two versions by id. Out: pairs of a removed and a new statement with the evidence for
them. No id says any of this: it is inferred from texts, titles and examples, and reported as probable.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from govaudit.specs import wording
from govaudit.specs.model import Clause, Example, Section

LEAST_RENAME = 0.4
"""A removed and an added statement with this score or more are probably one and the same.

Measured on the six pairs of published Model Specs from February to October 2025 with every id hidden: of the
66 to 77 statements that both versions have, all but at most 4 reach it with their own counterpart, and none
exceeds .24 with any other statement."""

LEAST_CARRIED = 0.15
"""Share of a removed statement's text that must stand in another one to be worth a line."""

_WEIGHTS = {"text": 0.5, "title": 0.3, "examples": 0.2}

_SHORT = 12
"""A text of fewer runs of words is compared as a whole: that it stands in a longer one proves little."""

_SMALL_WORDS = frozenset(
    """
    a an and any are as at be by do don't for from if in into is it its not of on or that the this to when
    with
    """.split()  # noqa: SIM905
)

Run = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Successor:
    """What a removed statement and one of the new spec have in common."""

    old: str
    new: str
    score: float
    """0..1: mean of text, title and examples, weighted .5, .3 and .2, as far as the statements have them."""
    text: float
    """Share of the shorter text, by weighted runs of three words, that stands in the other one; the Dice
    coefficient where one of them is very short."""
    title: float | None
    """Dice coefficient of the words of the titles, where both have one."""
    examples: tuple[int, int, int]
    """Conversations in both, in the old one, in the new one."""
    marks: tuple[int, int, int]
    """Footnote marks in both, in the old one, in the new one. Not in the score: few documents have any."""


def conversation(example: Example) -> str:
    """The turns of an example without typography: what an example is recognised by."""
    return "\n".join(f"{turn.role}: {wording.folded(turn.content or '')}" for turn in example.turns)


@dataclass(slots=True)
class _Features:
    """What a statement is recognised by."""

    runs: Counter[Run]
    title: Counter[str]
    conversations: frozenset[str]
    marks: frozenset[str]
    size: float = 0.0
    """Weight of all its runs."""

    @classmethod
    def of(cls, stated: Section | Clause) -> _Features:
        title = Counter(wording.words(stated.title))
        telling = Counter({word: n for word, n in title.items() if word not in _SMALL_WORDS})
        return cls(
            wording.runs(stated.text),
            telling or title,
            frozenset(text for example in stated.examples if (text := conversation(example))),
            frozenset(footnote.mark for footnote in stated.footnotes),
        )


def successors(
    before: Mapping[str, Section | Clause], after: Mapping[str, Section | Clause]
) -> tuple[tuple[Successor, ...], tuple[Successor, ...]]:
    """Probable renames, and where else the text or the examples of removed statements stand now.

    A rename joins a removed and an added id, each at most once, the best pairs first. The second list names
    every other statement that a removed one left a part in (and that did not have it before).
    """
    removed = [i for i in before if i not in after]
    if not removed:
        return (), ()
    old = {i: _Features.of(before[i]) for i in removed}
    new = {i: _Features.of(stated) for i, stated in after.items()}
    weight = _weights([*old.values(), *new.values()])
    places: dict[Run, list[str]] = defaultdict(list)
    for i, features in new.items():
        for run in features.runs:
            places[run].append(i)
    likely, elsewhere = [], []
    for i, mine in old.items():
        shared: dict[str, float] = defaultdict(float)
        for run, n in mine.runs.items():
            for j in places.get(run, ()):
                shared[j] += weight[run] * min(n, new[j].runs[run])
        for j, other in new.items():
            found = _compared(i, mine, j, other, shared.get(j, 0.0))
            if j not in before and found.score >= LEAST_RENAME:
                likely.append(found)
            carried = mine.size and shared.get(j, 0.0) >= LEAST_CARRIED * mine.size
            if (carried or found.examples[0]) and not _shared_before(mine, before.get(j), weight):
                elsewhere.append(found)
    renamed = _matched(likely)
    carried_over = [found for found in elsewhere if renamed.get(found.old) is not found]
    carried_over.sort(key=lambda found: (removed.index(found.old), -found.score))
    return tuple(renamed[i] for i in removed if i in renamed), tuple(carried_over)


def _weights(found: Sequence[_Features]) -> dict[Run, float]:
    """Weights of runs, and each statement's sum of them.

    A run that stands in many statements ("the assistant should") says little about any two of them.
    """
    times = Counter(run for features in found for run in features.runs)
    weight = {run: math.log(1 + len(found) / n) for run, n in times.items()}
    for features in found:
        features.size = sum(weight[run] * n for run, n in features.runs.items())
    return weight


def _matched(likely: Sequence[Successor]) -> dict[str, Successor]:
    """Each removed and each added id at most once, the best pairs first."""
    chosen: dict[str, Successor] = {}
    taken: set[str] = set()
    for found in sorted(likely, key=lambda found: (-found.score, found.old, found.new)):
        if found.old not in chosen and found.new not in taken:
            chosen[found.old] = found
            taken.add(found.new)
    return chosen


def _shared_before(mine: _Features, other: Section | Clause | None, weight: Mapping[Run, float]) -> bool:
    """Whether the other statement had the text or an example in the old version already."""
    if other is None:
        return False
    had = _Features.of(other)
    both = sum(weight.get(run, 0.0) * n for run, n in (mine.runs & had.runs).items())
    return both >= LEAST_CARRIED * mine.size or bool(mine.conversations & had.conversations)


def _compared(i: str, old: _Features, j: str, new: _Features, shared: float) -> Successor:
    """The evidence that two statements are one; what neither of them has is no evidence."""
    text = 0.0
    if old.size and new.size:
        short = min(old.runs.total(), new.runs.total()) < _SHORT
        text = 2 * shared / (old.size + new.size) if short else shared / min(old.size, new.size)
    title = None
    if old.title and new.title:
        title = _dice((old.title & new.title).total(), old.title.total(), new.title.total())
    examples = _counted(old.conversations, new.conversations)
    evidence = {}
    if old.size or new.size:
        evidence["text"] = text
    if title is not None:
        evidence["title"] = title
    if old.conversations or new.conversations:
        evidence["examples"] = _dice(*examples)
    total = sum(_WEIGHTS[name] for name in evidence)
    score = sum(_WEIGHTS[name] * value for name, value in evidence.items()) / total if total else 0.0
    return Successor(
        i,
        j,
        round(score, 4),
        round(text, 4),
        None if title is None else round(title, 4),
        examples,
        _counted(old.marks, new.marks),
    )


def _counted(old: frozenset[str], new: frozenset[str]) -> tuple[int, int, int]:
    return len(old & new), len(old), len(new)


def _dice(both: int, one: int, other: int) -> float:
    return 2 * both / (one + other) if one + other else 0.0
