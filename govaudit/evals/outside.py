"""Raters from outside: objects that the entry-point group ``govaudit.raters`` names.

Whoever knows the truth about answers in a world of his own, or simulates people, gives it to an audit this
way: the audit asks for labels of a rubric and makes rows of them, like of every other rater's. A user's own
classifier comes by the same door. In: a name. Out: an object that follows :class:`Outside`. Left out: the
rows (``rate``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from govaudit.errors import BadInput
from govaudit.evals import fitted
from govaudit.records import RaterKind, Turn, Unscored
from govaudit.specs.model import Clause

GROUP = "govaudit.raters"


@runtime_checkable
class Outside(Protocol):
    """A rater, or several persons who rate alike."""

    @property
    def ids(self) -> Sequence[str]:
        """Ids of the raters in it: one, or one per person."""
        ...

    @property
    def kind(self) -> RaterKind: ...

    @property
    def source(self) -> str:
        """human, model, rule or simulated."""
        ...

    @property
    def rubric(self) -> str:
        """Name of the rubric whose labels it gives."""
        ...

    @property
    def fingerprint(self) -> str:
        """What identifies it: a digest of its rules or data, with its version."""
        ...

    def speaks_of(self, clause: Clause) -> bool:
        """Does it know what keeping this clause means?"""
        ...

    def verdict(
        self, rater: str, clause: Clause, turns: Sequence[Turn], answer: str, key: str
    ) -> str | Unscored:
        """The label that ``rater`` gives the answer, or why there is none.

        ``key`` tells answers apart that read alike: whoever simulates chance draws it from there, so that a
        repeated audit gives the same rows.
        """
        ...


@runtime_checkable
class OutsidePairs(Outside, Protocol):
    """One that also compares two answers, under pairwise rubrics."""

    @property
    def pairwise(self) -> Sequence[str]:
        """Names of the pairwise rubrics that it follows."""
        ...

    def p_first(
        self, rater: str, rubric: str, turns: Sequence[Turn], first: str, second: str, key: str
    ) -> float | Unscored:
        """Probability that ``rater`` prefers the first answer shown, one half for a tie, or why none.

        ``key`` names the pair, whatever the order it is shown in; see :meth:`verdict`.
        """
        ...


@runtime_checkable
class OutsideGrades(Outside, Protocol):
    """One that also measures answers by rubrics that speak of no clause."""

    @property
    def graded(self) -> Sequence[str]:
        """Names of these rubrics."""
        ...

    def grade(self, rater: str, rubric: str, turns: Sequence[Turn], answer: str, key: str) -> str | Unscored:
        """The label that ``rater`` gives the answer; see :meth:`verdict`."""
        ...


@runtime_checkable
class OutsidePropositions(Outside, Protocol):
    """One that says which propositions of the rubric ``style`` are true of an answer."""

    def propositions(self, turns: Sequence[Turn], answer: str) -> Mapping[str, bool]:
        """Proposition -> whether it holds; ``turns`` end before the answer."""
        ...


@runtime_checkable
class OutsideKinds(Outside, Protocol):
    """One that also says how an answer treats its request, whatever the clause."""

    def treats(self, turns: Sequence[Turn], answer: str) -> str | Unscored:
        """A verdict of the rubric ``evasiveness`` (``refusal.Kind``), or why there is none."""
        ...


def find(name: str) -> Outside:
    """The rater that an installed package offers under ``name``, or the classifier in the file of
    ``classifier:FILE``; :class:`BadInput` names those that exist."""
    if name.startswith(fitted.PREFIX):
        return fitted.read(name)
    offered = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in offered:
        raise BadInput(
            f"no installed package offers a rater {name!r}",
            remedy=f"There are: {', '.join(sorted(offered))}." if offered else f"Install one ({GROUP}).",
        )
    found = offered[name].load()
    if not isinstance(found, Outside):
        raise BadInput(f"what is offered as rater {name!r} by {offered[name].value} is none")
    return found


def distinct(names: Sequence[str]) -> None:
    """:class:`BadInput` for a name that there is not, and for two whose ratings would be one rater's."""
    known: dict[str, str] = {}
    for name in dict.fromkeys(names):
        for id_ in find(name).ids:
            if id_ in known:
                raise BadInput(
                    f"{known[id_]} and {name} would be one rater, {id_}", remedy="Name one of the files anew."
                )
            known[id_] = name
