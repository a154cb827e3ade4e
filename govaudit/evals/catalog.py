"""The catalog of evals: which clause calls for which measurement, and which bank can fill it.

In: ``evals/catalog.yaml``, or a user's own file that adds to it, and a spec. Out: the evals that each clause
calls for, the evals that no clause calls for (whoever runs one of them has a measurement, never a verdict),
and how many clusters of a suite each eval looks at. Left out: who decides a clause (``plan``), and drawing
items from the banks (``fill``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from govaudit import library
from govaudit.errors import BadInput
from govaudit.evals.item import Item
from govaudit.evals.suite import Probe, Suite
from govaudit.records import Measure, RaterKind
from govaudit.scorers import rubric as rubrics
from govaudit.specs import yaml12
from govaudit.specs.model import Clause, Expected, Kind, Level, Polarity, Spec
from govaudit.specs.native import parse_as
from govaudit.specs.text import read_text

FILE = "catalog.yaml"


@dataclass(frozen=True)
class PromptSet:
    """A set of prompts that a measurement draws from its banks."""

    name: str
    prompts: int
    """How many are wanted."""
    draw: Literal["spread", "random"]
    """Evenly over strata and one of a cluster, or a simple random sample; by the seed of the suite."""
    strata: tuple[str, ...] = ()
    """Tags that tell strata apart; an item without any belongs to its bank."""


@dataclass(frozen=True)
class Eval:
    """One measurement."""

    name: str
    title: str
    asks: str
    """What it measures, as a question."""
    rate: str
    """What its number is a share of."""
    measure: Measure
    rubric: str
    raters: tuple[RaterKind, ...]
    expected: tuple[Expected, ...]
    """What its probes expect of an answer; it looks at no others."""
    tags: tuple[str, ...] = ()
    """A clause calls for it by any of them; without tags, every clause does."""
    kinds: tuple[Kind, ...] = ()
    """Kinds of clause that it is for; without any, all."""
    polarity: tuple[Polarity, ...] = ()
    """Polarity of clauses that it is for; without any, all."""
    banks: tuple[Path, ...] = ()
    item_tags: tuple[str, ...] = ()
    """Tags of the items that it draws from its banks; without any, a tag of its own that the clause has."""
    sets: tuple[PromptSet, ...] = ()
    """Sets of prompts that it draws where it is run for itself (``--measure``); without any, all."""

    def fits(self, clause: Clause) -> bool:
        """Whether the clause calls for it. What nobody has decided of a clause excludes nothing."""
        if self.kinds and clause.kind not in (*self.kinds, Kind.UNCLASSIFIED):
            return False
        if self.polarity and clause.polarity not in (*self.polarity, Polarity.NONE):
            return False
        return not self.tags or bool(set(self.tags) & set(clause.tags))

    def takes(self, item: Item, clause: Clause) -> bool:
        """Whether an item of its banks is for that clause: by tag and by what it expects of an answer."""
        return item.expected in self.expected and bool(self._draws(clause) & set(item.tags))

    def looks_at(self, probe: Probe, clause: Clause) -> bool:
        """Whether it measures that probe of a clause that calls for it."""
        if probe.measure is not self.measure:
            return False
        if not any(t.clause == clause.id and t.expected in self.expected for t in probe.targets):
            return False
        return not self.tags or bool(self._draws(clause) & set(probe.tags))

    def _draws(self, clause: Clause) -> set[str]:
        return set(self.item_tags) or set(self.tags) & set(clause.tags)


@dataclass(frozen=True)
class Catalog:
    """All evals, in the order of the file."""

    evals: tuple[Eval, ...] = ()


def load(file: Path | None = None) -> Catalog:
    """The built-in catalog, or a user's own: an eval of the same name replaces the built-in one.

    The banks of a user's catalog are looked for in ``items/`` beside it, then among the built-in ones.
    :class:`BadInput` with file and line for an unknown key, a name that is given twice, a rubric or a bank
    that there is not, a rater who may not apply the rubric.
    """
    own = _read(file or library.path("evals", FILE))
    if file is None or not own.builtin:
        return Catalog(own.found)
    named = {entry.name: entry for entry in own.found}
    built_in = load().evals
    kept = tuple(named.pop(entry.name, entry) for entry in built_in)
    return Catalog((*kept, *named.values()))


def tested(spec: Spec) -> tuple[Clause, ...]:
    """The clauses that are put to a test: a model can keep them, and no legible twin is tested for them."""
    aside = spec.legible
    return tuple(c for c in spec.clauses if c.level is Level.MODEL and c.id not in aside)


def attached(catalog: Catalog, clause: Clause) -> tuple[Eval, ...]:
    """The evals that a clause calls for, in the order of the catalog."""
    return tuple(entry for entry in catalog.evals if entry.fits(clause))


def uncalled(catalog: Catalog, spec: Spec) -> tuple[Eval, ...]:
    """The evals that no tested clause of a spec calls for."""
    clauses = tested(spec)
    return tuple(entry for entry in catalog.evals if not any(entry.fits(clause) for clause in clauses))


def without_subject(catalog: Catalog, spec: Spec) -> tuple[Clause, ...]:
    """The tested clauses that call for no eval but those which fit every clause: no bank can fill them."""
    return tuple(c for c in tested(spec) if not any(entry.tags for entry in attached(catalog, c)))


def looked_at(catalog: Catalog, spec: Spec, suite: Suite) -> dict[str, dict[str, int]]:
    """Clause x eval: how many clusters of the suite each eval that a clause calls for looks at.

    Evals with tags count what carries their tags: the spec's own examples and prompts say of no eval that
    they are its own, and are counted by the evals that fit every clause.
    """
    by_clause: Mapping[str, list[Probe]] = defaultdict(list)
    for probe in suite.probes:
        for target in probe.targets:
            by_clause[target.clause].append(probe)
    return {
        clause.id: {
            entry.name: len({p.cluster for p in by_clause[clause.id] if entry.looks_at(p, clause)})
            for entry in attached(catalog, clause)
        }
        for clause in tested(spec)
    }


Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Set(_Part):
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    prompts: Annotated[int, Field(ge=1)]
    draw: Literal["spread", "random"]
    strata: tuple[Text, ...] = ()


class _Entry(_Part):
    name: Text
    title: Text
    asks: Text
    rate: Text
    measure: Measure
    rubric: Text
    raters: Annotated[tuple[RaterKind, ...], Field(min_length=1)]
    expected: Annotated[tuple[Expected, ...], Field(min_length=1)]
    tags: tuple[Text, ...] = ()
    kinds: tuple[Kind, ...] = ()
    polarity: tuple[Polarity, ...] = ()
    items: tuple[Text, ...] = ()
    item_tags: tuple[Text, ...] = ()
    sets: tuple[_Set, ...] = ()


class _File(_Part):
    schema_version: Literal["1.0"] = "1.0"
    builtin: bool = True
    evals: Annotated[tuple[_Entry, ...], Field(min_length=1)]


@dataclass(frozen=True)
class _Read:
    builtin: bool
    found: tuple[Eval, ...]


def _read(path: Path) -> _Read:
    text = read_text(path)
    parsed = parse_as(_File, text, path)
    lines = yaml12.parse(text, as_text=(("schema_version",),))
    found: dict[str, Eval] = {}
    for number, entry in enumerate(parsed.evals):
        if (fault := _fault(entry, found)) is not None:
            key, problem = fault
            line = lines.line(("evals", number, key))
            raise BadInput(f"eval {entry.name!r}: {problem}", path=path, line=line)
        banks = []
        for at, name in enumerate(entry.items):
            try:
                banks.append(library.path("evals", f"items/{name}", path.parent))
            except BadInput:
                raise BadInput(
                    f"eval {entry.name!r}: there is no item bank {name!r}",
                    path=path,
                    line=lines.line(("evals", number, "items", at)),
                    remedy="A bank lies in the folder items/ beside the catalog.",
                ) from None
        found[entry.name] = Eval(
            **entry.model_dump(exclude={"items", "sets"}),
            banks=tuple(banks),
            sets=tuple(PromptSet(**one.model_dump()) for one in entry.sets),
        )
    return _Read(parsed.builtin, tuple(found.values()))


def _fault(entry: _Entry, before: Collection[str]) -> tuple[str, str] | None:
    """The key that cannot stand as it is, and what is wrong with it."""
    if entry.name in before:
        return "name", "this name is given twice"
    try:
        rubric = rubrics.load(entry.rubric)
    except BadInput as error:
        return "rubric", str(error)
    if barred := [kind for kind in entry.raters if kind not in rubric.raters]:
        return "raters", f"the rubric {rubric.name!r} is not for {', '.join(barred)}"
    if silent := [value for value in entry.expected if value not in rubric.applies_to]:
        return "expected", f"the rubric {rubric.name!r} says nothing where {', '.join(silent)} is expected"
    if (entry.measure is Measure.LIKELIHOOD) is not (RaterKind.LIKELIHOOD in rubric.raters):
        return "measure", f"the rubric {rubric.name!r} is for another measure"
    if entry.items and not (entry.item_tags or entry.tags):
        return "items", "it has banks, and no tags to draw items by"
    if entry.sets and not entry.items:
        return "sets", "it draws sets of prompts, and has no banks"
    if len({one.name for one in entry.sets}) < len(entry.sets):
        return "sets", "two sets have one name"
    return None
