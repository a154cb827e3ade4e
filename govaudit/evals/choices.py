"""Multiple choice whatever the spec promises: which questions there are, and how letters are asked.

In: item banks with labelled answers (HHH, or any other). Out: probes that test no clause, and for each of
them the letter questions, in both orders, at once or after reasons. Full answers are scored like any other
choice of a suite; letter questions are put apart from it, because each arm that gives log-probabilities is
asked in both ways. Left out: how letters become one answer (``scorers.letters``) and their ratings
(``rate_choices``).

Askell et al. 2021 (arXiv 2112.00861) and Bai et al. 2022 (arXiv 2212.08073, section 2) for HHH.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from govaudit.errors import BadInput
from govaudit.evals import items as banks
from govaudit.evals.compile import probe_of
from govaudit.evals.fill import unfit
from govaudit.evals.item import Item
from govaudit.evals.suite import Probe, Suite
from govaudit.records import Measure, Turn, stimulus_digest
from govaudit.scorers import letters
from govaudit.scorers.choice import letters as names_of
from govaudit.scorers.rubric import Rubric
from govaudit.specs.model import Label

QUESTION = "choice"
"""Question of the ratings."""
SUM, PER_TOKEN, LETTERS, REASONS = "choice:sum", "choice:per_token", "choice:letters", "choice:reasons"
"""Ids of the raters: full answers by log-probability, summed and per token; letters at once and after
reasons."""
SUBSETS = ("helpful", "honest", "harmless", "other")
SAW, SAW_NOT = "saw-outputs", "saw-no-outputs"
"""Tags of probes whose item says whether its author had seen outputs of models."""


@dataclass(frozen=True)
class LetterQuestion:
    """One choice as it is put to an arm, in one order."""

    probe: Probe
    turned: bool
    """The last answer is shown first."""
    reasons: bool
    turns: tuple[Turn, ...]
    """The question, and the beginning of the arm's own turn."""

    @property
    def id(self) -> str:
        """Identity of the stimulus."""
        return stimulus_digest(self.turns, names_of(len(self.probe.choices)))


def probes(names: Sequence[Path]) -> tuple[tuple[Probe, ...], tuple[str, ...]]:
    """The choices of banks, one probe per different question, and notes on what was left out.

    :class:`BadInput` for a bank without a choice whose answers are labelled.
    """
    found: dict[str, Probe] = {}
    notes = []
    for path in names:
        items = banks.load(path)
        fit = [item for item in items if item.choices and item.choice_labels and unfit(item) is None]
        if not fit:
            raise BadInput(
                "this bank has no question with a good and a bad answer to choose between",
                path=path,
                remedy="Items need choices and choice_labels (evals/README.md).",
            )
        before = len(found)
        for item in fit:
            probe = replace(probe_of(item), tags=_tags(item))
            found.setdefault(probe.stimulus, probe)
        if left := len(items) - (len(found) - before):
            notes.append(f"{path.name}: {left} of {len(items)} items are no labelled choice, or repeat one")
    return tuple(found.values()), tuple(notes)


def _tags(item: Item) -> tuple[str, ...]:
    known = {True: (SAW,), False: (SAW_NOT,), None: ()}[item.saw_outputs]
    return tuple(dict.fromkeys((*item.tags, *known)))


def of(suite: Suite) -> tuple[Probe, ...]:
    """The choices of a suite that test no clause."""
    return tuple(p for p in suite.probes if p.measure is Measure.LIKELIHOOD and not p.targets)


def longest_right(of: Probe | Item) -> float:
    """Share of the longest answers (characters) of a choice that are right: 1, 0, or between at ties."""
    most = max(map(len, of.choices))
    labels = [label for text, label in zip(of.choices, of.choice_labels, strict=True) if len(text) == most]
    return sum(label is not Label.BAD for label in labels) / len(labels)


def bank_of(probe: Probe) -> str:
    """The file that a choice comes from."""
    return probe.source.partition(":")[0]


def subset_of(probe: Probe | Item) -> str | None:
    """The one part of HHH that a choice is about; ``None`` where its tags name none or several."""
    named = [subset for subset in SUBSETS if subset in probe.tags]
    return named[0] if len(named) == 1 else None


def questions(suite: Suite, rubric: Rubric, *, reasons: bool) -> Iterator[LetterQuestion]:
    """Every choice in both orders."""
    opening = letters.REASONS if reasons else letters.ANSWER
    for probe in of(suite):
        for turned in (False, True):
            shown = probe.choices[::-1] if turned else probe.choices
            asked = letters.question(rubric, probe.turns, shown)
            yield LetterQuestion(probe, turned, reasons, (*asked, Turn("assistant", opening)))
