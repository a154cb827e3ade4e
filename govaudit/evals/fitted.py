"""A classifier that a user fitted (``govaudit fit``), as a rater of an audit: ``classifier:FILE``.

In: the file. Out: a rater from outside (``outside``) whose labels are those of the rubric ``refusal``; of a
classifier that was fitted on propositions one that says which of them are true of an answer. It is asked and
gauged like any other rater. Left out: fitting (``scorers.classifier``), and a gauge on data of one's own
(``govaudit gauge``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from govaudit.records import RaterKind, Turn, Unscored, last_user
from govaudit.scorers import classifier
from govaudit.scorers.classifier import Classifier
from govaudit.scorers.rubric import load, normalise
from govaudit.specs.model import Clause

PREFIX = "classifier:"
REFUSAL, STYLE = "refusal", "style"
"""Rubrics that a classifier can follow; the first is also the name of its target."""
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class Fitted:
    """A classifier in a file."""

    ids: tuple[str, ...]
    rubric: str
    model: Classifier
    kind: RaterKind = RaterKind.CHECK
    source: str = "model"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what it says."""
        return self.model.digest

    @property
    def warnings(self) -> tuple[str, ...]:
        """Targets for which it failed when it was fitted."""
        held = self.model.fitted.get("held_out", {})
        failing = [name for name in self.model.targets if not held.get(name, {}).get("beats_both", True)]
        if not failing:
            return ()
        said = "is not better than saying the most frequent label and judging by length alone"
        return (f"{self.ids[0]} {said}: {', '.join(failing)}",)

    def speaks_of(self, clause: Clause) -> bool:
        """Of any clause: whether it was asked to decline is for the probe to say. Of none, where it was
        fitted on propositions."""
        return self.rubric == REFUSAL

    def verdict(
        self, rater: str, clause: Clause, turns: Sequence[Turn], answer: str, key: str
    ) -> str | Unscored:
        """Its label for the answer; ``empty`` where there is nothing to go by."""
        said = self.model.predict(last_user(tuple(turns)), answer)
        label = None if said is None else normalise(load(REFUSAL), said[REFUSAL])
        return label or Unscored.EMPTY

    def propositions(self, turns: Sequence[Turn], answer: str) -> Mapping[str, bool]:
        """Which statements are true of the answer; nothing of an empty one."""
        said = self.model.predict(last_user(tuple(turns)), answer) or {}
        return {name: _TRUTHS[label] for name, label in said.items() if label in _TRUTHS}


def read(name: str) -> Fitted:
    """The rater of the name ``classifier:FILE``; :class:`BadInput` as :func:`classifier.load`."""
    path = Path(name.removeprefix(PREFIX))
    model = classifier.load(path)
    return Fitted((PREFIX + path.name,), REFUSAL if REFUSAL in model.targets else STYLE, model)
