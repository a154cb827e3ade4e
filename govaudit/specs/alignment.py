"""Which clauses of several specs speak of the same thing: the mapping read, and statements made of it.

In: specs, and a mapping file (``specs/mapping.yaml`` or the user's). Out: statements, each with the clauses
that declare it and how a clause stands to it. Clauses of two versions of one spec are aligned by id, those
of different specs by the mapping alone: nothing is aligned by likeness of wording. A clause without a
partner becomes a statement of its own, which one side alone declares.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from govaudit import library
from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.specs import wording
from govaudit.specs.model import Clause, Level, Spec
from govaudit.specs.native import parse_as
from govaudit.specs.text import read_text

Relation = Literal["same", "narrower", "broader", "opposed", "reworded"]
"""``reworded``: another version of the clause says it in other words, and nobody has read whether it asks the
same. The others are those of the mapping."""


_LONGEST = 140
"""Characters of a clause without a title that stand for it in a table."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Document(_Entry):
    """A document whose clauses the mapping names."""

    spec: str
    version: str
    file: str | None = None
    url: str | None = None


class Member(_Entry):
    """One clause of a group, and how it stands to the group's statement."""

    spec: str
    version: str
    clause: str | None = None
    """Id or anchor; of a document without ids ``path`` in its place."""
    path: tuple[str, ...] | None = None
    """Headings from the outermost one on: all clauses below."""
    relation: Literal["same", "narrower", "broader", "opposed"]
    note: str = ""


class Group(_Entry):
    """Clauses that speak of one thing."""

    id: str
    statement: str
    members: tuple[Member, ...]


class Mapping(_Entry):
    """A mapping file."""

    schema_version: Literal["1.0"]
    documents: tuple[Document, ...] = ()
    groups: tuple[Group, ...]

    @property
    def digest(self) -> str:
        """Identity of the alignment that a comparison used."""
        return digest(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Place:
    """Where a statement is declared."""

    spec: int
    """Index of the spec."""
    clause: Clause
    relation: Relation
    note: str = ""


@dataclass(frozen=True)
class Statement:
    """What one or several clauses declare."""

    id: str
    text: str
    places: tuple[Place, ...]

    @property
    def specs(self) -> frozenset[int]:
        """The specs that declare it."""
        return frozenset(place.spec for place in self.places)


def load(path: Path | None = None) -> Mapping:
    """The user's mapping, or the one that ships; :class:`BadInput` names the line that it cannot be."""
    place = library.path("specs", "mapping.yaml") if path is None else path
    found = parse_as(Mapping, read_text(place), place)
    names = [group.id for group in found.groups]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"two groups have the id {twice[0]!r}", path=place)
    for group in found.groups:
        for member in group.members:
            if (member.clause is None) == (member.path is None):
                problem = f"a member of group {group.id!r} names a clause or a path, and not both"
                raise BadInput(problem, path=place)
    return found


def statements(specs: Sequence[Spec], mapping: Mapping) -> tuple[Statement, ...]:
    """All statements of the specs, shared ones first, each clause that a model can keep or break at least
    once.

    A group counts where it names clauses of two specs with different ids. Training principles with a legible
    twin and clauses of a deployment or company are left out: no answer keeps or breaks them.
    """
    found: list[Statement] = []
    taken: set[tuple[str, str]] = set()
    for group in mapping.groups:
        places = [place for index, spec in enumerate(specs) for place in _members(group, index, spec)]
        if len({specs[place.spec].id for place in places}) > 1:
            found.append(Statement(group.id, group.statement, tuple(places)))
            taken |= {(specs[place.spec].id, place.clause.id) for place in places}
    chains: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for index, spec in enumerate(specs):
        for clause in testable(spec):
            key = (spec.id, clause.id)
            if key in taken:
                continue
            first = chains[key][0].clause if chains[key] else clause
            alike = wording.normal(first.text) == wording.normal(clause.text)
            chains[key].append(Place(index, clause, "same" if alike else "reworded"))
    several = len({spec.id for spec in specs}) > 1
    alone = [
        Statement(f"{spec}/{clause}" if several else clause, _title(places[-1].clause), tuple(places))
        for (spec, clause), places in chains.items()
    ]
    alone.sort(key=lambda statement: len(statement.specs) < min(2, len(specs)))
    return (*found, *alone)


def testable(spec: Spec) -> tuple[Clause, ...]:
    """The clauses that an answer of a model can keep or break."""
    return tuple(c for c in spec.clauses if c.level is Level.MODEL and c.id not in spec.legible)


def _title(clause: Clause) -> str:
    if clause.title:
        return clause.title
    text = " ".join(clause.text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rsplit(' ', 1)[0]} …"


def _members(group: Group, index: int, spec: Spec) -> list[Place]:
    own = [member for member in group.members if member.spec == spec.id]
    exact = [member for member in own if member.version == spec.version]
    places: dict[str, Place] = {}
    for member in exact or own:
        note = member.note
        if not exact:
            note = "; ".join(filter(None, [note, f"aligned on version {member.version}"]))
        for clause in testable(spec):
            if _is(member, clause):
                places.setdefault(clause.id, Place(index, clause, member.relation, note))
    return list(places.values())


def _is(member: Member, clause: Clause) -> bool:
    if member.clause is not None:
        return member.clause in (clause.id, clause.source.anchor)
    path = member.path or ()
    return clause.source.path[: len(path)] == path
