"""What changed between two versions of a spec, and which compiled probes that makes stale.

In: two specs and, if wanted, the probes of a suite. Out: a frozen :class:`Diff`: what came and went, what was
reworded (typography and references told apart), retitled, re-ranked and moved under one id, which ids were
probably renamed, and clauses whose meaning may have turned round. ``data`` gives it as JSON values,
``diff_summary`` as lines of text.

Statements are matched by id. Whatever is inferred beyond that (a rename, a turn of meaning, a map between two
authority scales) stands apart from what is counted, with the evidence for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from govaudit.specs import wording
from govaudit.specs.model import (
    Clause,
    Default,
    Example,
    Footnote,
    Label,
    Level,
    Modality,
    Polarity,
    Section,
    Spec,
)
from govaudit.specs.successors import Successor, conversation, successors
from govaudit.specs.turns import Sign, Turn, rarity, turns
from govaudit.specs.wording import Nature

Form = Literal["clause", "section", "candidate"]


@dataclass(frozen=True, slots=True)
class Version:
    """One of the two specs."""

    id: str
    version: str
    digest: str
    authority: tuple[str, ...]
    clauses: int
    sections: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A clause, a section (a heading that is no clause) or a candidate that came or went."""

    id: str
    title: str
    form: Form
    authority: str | None


@dataclass(frozen=True, slots=True)
class Reworded:
    """A text that is not the same in every character."""

    nature: Nature
    kept: float
    """Share of the old text, by runs of three words, that stands in the new one."""
    similarity: float
    """Dice coefficient of the two texts by the same runs: 1 for the same words in the same order."""
    stale: bool
    """Whether the text has another digest, so that probes of the old one are stale."""
    gone: tuple[str, ...] = ()
    """Sentences of the old text alone, where the nature is wording."""
    come: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retitled:
    before: str
    after: str
    nature: Nature


@dataclass(frozen=True, slots=True)
class Reranked:
    """Another authority."""

    before: str | None
    after: str | None
    raised: bool | None
    """Whether it now stands higher on a scale that has both levels; ``None`` where neither scale has."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Another section around it (by id), or another depth of its own heading."""

    before: str | None
    after: str | None
    depth_before: int | None
    depth_after: int | None


@dataclass(frozen=True, slots=True)
class Declared:
    """Another value of a declared property (kind, modality, tags, ...), as JSON."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Relabelled:
    """An answer to one and the same conversation under another label."""

    example: str
    answer: str
    before: Label
    after: Label


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples of one statement, by their titles."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Other turns, answers, reasons or references."""
    typographic: tuple[str, ...] = ()
    relabelled: tuple[Relabelled, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompts:
    """Footnotes and their prompts, by mark; own probes by number."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Other prompts behind the same mark."""
    own_added: int = 0
    own_removed: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """Everything that is different about a statement that has the same id in both specs."""

    id: str
    title: str
    """The new one."""
    form: Form
    """The new one."""
    was: Form
    text: Reworded | None = None
    retitled: Retitled | None = None
    reranked: Reranked | None = None
    moved: Moved | None = None
    declared: tuple[Declared, ...] = ()
    examples: Examples | None = None
    prompts: Prompts | None = None
    commentary: Nature | None = None
    turns: tuple[Turn, ...] = ()
    """Signs that its meaning turned round: passages for a person to read."""

    @property
    def turned(self) -> bool:
        """Whether a sign says more than that a binding word came or went."""
        return any(turn.sign is not Sign.BINDING for turn in self.turns)


@dataclass(frozen=True, slots=True)
class LevelMap:
    """Where the clauses of one level of authority went that are in both specs."""

    before: str | None
    after: tuple[tuple[str | None, int], ...]
    """New level and number of clauses, the most frequent first."""
    gone: bool
    """Whether the new scale lacks the level, so that its clauses had to go somewhere."""


@dataclass(frozen=True, slots=True)
class Stale:
    """Compiled probes of one clause that no longer test what the new spec says."""

    clause: str
    why: Literal["reworded", "typographic", "references", "gone", "renamed", "no longer a clause"]
    successor: str | None
    """The id that the clause was probably renamed to."""
    probes: tuple[str, ...]
    by_origin: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Staleness:
    """What becomes of a suite."""

    probes: int
    """Probes that test a clause; controls are none."""
    stale: int
    """Probes with at least one target whose text has changed or is gone."""
    by_clause: tuple[Stale, ...]
    unprobed: tuple[str, ...]
    """Clauses of the new spec that a model can keep or break and that no fresh probe of the suite tests;
    training principles that are tested as their legible twins are not among them."""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Diff:
    """All changes from one spec to another."""

    old: Version
    new: Version
    same: int
    """Statements without any change."""
    added: tuple[Statement, ...]
    removed: tuple[Statement, ...]
    changed: tuple[Changed, ...]
    renamed: tuple[Successor, ...]
    """Probable renames: each removed and each added id at most once."""
    carried: tuple[Successor, ...]
    """Where else the text or the examples of removed statements stand now."""
    levels: tuple[LevelMap, ...]
    """Levels whose clauses changed level."""
    document: tuple[Declared, ...]
    """What changed about the spec as a whole: id, title, preamble, controls, licence."""
    stale: Staleness | None = None
    notes: tuple[str, ...] = ()
    """What was not compared, and why."""

    @property
    def empty(self) -> bool:
        """Whether the two specs say the same in every character."""
        return not (
            self.added
            or self.removed
            or self.changed
            or self.document
            or self.old.authority != self.new.authority
        )

    @property
    def reworded(self) -> tuple[Changed, ...]:
        """Statements that say something in other words; typography and references alone are no rewording."""
        return self._by_nature(Nature.WORDING)

    @property
    def typographic(self) -> tuple[Changed, ...]:
        return self._by_nature(Nature.TYPOGRAPHIC)

    @property
    def retitled(self) -> tuple[Changed, ...]:
        return tuple(
            c for c in self.changed if c.retitled is not None and c.retitled.nature is Nature.WORDING
        )

    @property
    def reranked(self) -> tuple[Changed, ...]:
        return tuple(change for change in self.changed if change.reranked is not None)

    @property
    def turned(self) -> tuple[Changed, ...]:
        """Statements whose meaning may have turned round under one id."""
        return tuple(change for change in self.changed if change.turned)

    def _by_nature(self, nature: Nature) -> tuple[Changed, ...]:
        return tuple(change for change in self.changed if change.text and change.text.nature is nature)


class Target(Protocol):
    """A clause that a probe tests, with the digest of the text that it had then."""

    @property
    def clause(self) -> str: ...
    @property
    def text_digest(self) -> str: ...


class Probe(Protocol):
    """What is read of a compiled probe."""

    @property
    def id(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def targets(self) -> Sequence[Target]: ...


def diff(old: Spec, new: Spec, probes: Sequence[Probe] | None = None) -> Diff:
    """All changes from ``old`` to ``new``; with the probes of a suite, which of them they make stale.

    Prompts are compared only where both specs came with theirs. Takes time in proportion to the texts, to the
    removed times the added statements, and in a reworded text to the sentences gone times those that came.
    """
    before, after = _statements(old), _statements(new)
    weights = rarity(f"{s.title}. {s.text}" for found in (before, after) for _, s in found.values())
    notes: list[str] = []
    prompted = (old.origin.prompts_digest is None) == (new.origin.prompts_digest is None)
    if not prompted:
        notes.append("only one of the two specs came with its prompt files, so prompts were not compared")
    scales = (old.authority, new.authority)
    changes = [_changed(*before[i], *after[i], weights, scales, prompted) for i in before if i in after]
    removed = [i for i in before if i not in after]
    added = [i for i in after if i not in before]
    renamed, carried = successors(
        {i: stated for i, (_, stated) in before.items()}, {i: stated for i, (_, stated) in after.items()}
    )
    found = tuple(change for change in changes if change is not None)
    return Diff(
        old=_version(old),
        new=_version(new),
        same=len(changes) - len(found),
        added=tuple(_statement(*after[i]) for i in added),
        removed=tuple(_statement(*before[i]) for i in removed),
        changed=found,
        renamed=renamed,
        carried=carried,
        levels=_levels(old, new, before, after),
        document=_document(old, new),
        stale=None if probes is None else _stale(probes, old, new, found, renamed),
        notes=tuple(notes),
    )


Stated = tuple[Form, Section | Clause]


def _statements(spec: Spec) -> dict[str, Stated]:
    found: dict[str, Stated] = {section.id: ("section", section) for section in spec.sections}
    found |= {clause.id: ("clause", clause) for clause in spec.clauses}
    return found | {clause.id: ("candidate", clause) for clause in spec.candidates}


def _version(spec: Spec) -> Version:
    return Version(spec.id, spec.version, spec.digest, spec.authority, len(spec.clauses), len(spec.sections))


def _authority(stated: Section | Clause) -> str | None:
    return stated.authority if isinstance(stated, Clause) else None


def _around(stated: Section | Clause) -> str | None:
    return stated.section if isinstance(stated, Clause) else stated.parent


def _statement(form: Form, stated: Section | Clause) -> Statement:
    return Statement(stated.id, stated.title, form, _authority(stated))


# One statement

_APART = frozenset(
    ("id", "title", "text", "authority", "section", "parent", "depth", "commentary", "footnotes", "examples")
) | {"probes", "source"}
"""Keys that are compared in a way of their own, or (the source) that say where and not what."""


def _changed(
    was: Form,
    old: Section | Clause,
    form: Form,
    new: Section | Clause,
    weights: Mapping[str, float],
    scales: tuple[tuple[str, ...], tuple[str, ...]],
    prompted: bool,
) -> Changed | None:
    """What is different about one statement; ``None`` for nothing."""
    text = _reworded(old.text, new.text)
    title = wording.nature(old.title, new.title)
    retitled = Retitled(old.title, new.title, title) if title else None
    reranked = _reranked(_authority(old), _authority(new), scales)
    moved = (
        Moved(_around(old), _around(new), old.depth, new.depth)
        if (_around(old), old.depth) != (_around(new), new.depth)
        else None
    )
    declared = _declared(old, new)
    examples = _examples(old.examples, new.examples)
    own = (old.probes, new.probes) if isinstance(old, Clause) and isinstance(new, Clause) else ((), ())
    prompts = _prompts(old.footnotes, new.footnotes, own, prompted)
    commentary = wording.nature("\n\n".join(old.commentary), "\n\n".join(new.commentary))
    signs: tuple[Turn, ...] = ()
    if (text and text.nature is Nature.WORDING) or title is Nature.WORDING:
        signs = turns(old.text, new.text, weights, old_title=old.title, new_title=new.title)
    signs = (*signs, *_turned(declared), *_turned_labels(examples))
    parts = (text, retitled, reranked, moved, declared, examples, prompts, commentary)
    if not any(parts) and was == form:
        return None
    return Changed(
        new.id, new.title, form, was, text, retitled, reranked, moved, declared, examples, prompts,
        commentary, signs,
    )  # fmt: skip


def _reworded(old: str, new: str) -> Reworded | None:
    nature = wording.nature(old, new)
    if nature is None:
        return None
    gone, come = wording.passages(old, new) if nature is Nature.WORDING else ((), ())
    both = wording.overlap(old, new)
    return Reworded(
        nature=nature,
        kept=round(both.kept, 4),
        similarity=round(both.similarity, 4),
        stale=wording.normal(old) != wording.normal(new),
        gone=tuple(gone),
        come=tuple(come),
    )


def _reranked(
    before: str | None, after: str | None, scales: tuple[tuple[str, ...], tuple[str, ...]]
) -> Reranked | None:
    if before == after:
        return None
    scale = next((scale for scale in reversed(scales) if before in scale and after in scale), None)
    raised = None
    if scale is not None and before is not None and after is not None:
        raised = scale.index(after) < scale.index(before)
    return Reranked(before, after, raised)


def _declared(old: Section | Clause, new: Section | Clause) -> tuple[Declared, ...]:
    if type(old) is not type(new):
        return ()
    found = []
    one, other = old.model_dump(mode="json"), new.model_dump(mode="json")
    for name in one:
        if name not in _APART and one[name] != other[name]:
            found.append(Declared(name, one[name], other[name]))
    return tuple(found)


_OPPOSED: dict[str, tuple[frozenset[Any], ...]] = {
    "polarity": (
        frozenset((Polarity.REQUIRE, Polarity.FORBID)),
        frozenset((Polarity.PERMIT, Polarity.FORBID)),
    ),
    "default": (frozenset((Default.ON, Default.OFF)),),
    "modality": (
        frozenset((Modality.MUST, Modality.MAY)),
        frozenset((Modality.SHOULD, Modality.MAY)),
    ),
}


def _turned(declared: Iterable[Declared]) -> Iterator[Turn]:
    """Declared properties that were turned, and a bright line that came or went."""
    for change in declared:
        before, after = str(change.before), str(change.after)
        if change.name == "bright_line":
            yield Turn(Sign.BINDING, "bright line", before, after, 1.0)
        elif frozenset((before, after)) in _OPPOSED.get(change.name, ()):
            yield Turn(Sign.DECLARED, change.name, before, after, 1.0)


def _turned_labels(examples: Examples | None) -> Iterator[Turn]:
    for answer in examples.relabelled if examples else ():
        if {answer.before, answer.after} == {Label.GOOD, Label.BAD}:
            yield Turn(
                Sign.LABEL,
                f"{answer.before.value} -> {answer.after.value}: {answer.example}",
                answer.answer,
                answer.answer,
                1.0,
            )


# Examples and prompts


def _said(example: Example) -> Any:
    """All that an example says, without typography."""
    return _plain(example.model_dump(mode="json", exclude={"source"}))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return wording.folded(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _pairs(
    old: Sequence[Example], new: Sequence[Example]
) -> tuple[list[tuple[Example, Example]], list[Example], list[Example]]:
    """Examples that belong together: by everything, by the conversation, by the title; and the rest."""
    pairs: list[tuple[Example, Example]] = []
    left, right = list(old), list(new)
    keys: tuple[Callable[[Example], Any], ...] = (
        lambda e: e.model_dump_json(exclude={"source"}),
        lambda e: (wording.folded(e.title), conversation(e)),
        conversation,
        lambda e: wording.folded(wording.unmarked(e.title)),
    )
    for key in keys:
        waiting: dict[Any, list[Example]] = defaultdict(list)
        for example in right:
            if name := key(example):
                waiting[name].append(example)
        rest = []
        for example in left:
            if waiting.get(key(example)):
                pairs.append((example, waiting[key(example)].pop(0)))
            else:
                rest.append(example)
        taken = {id(other) for _, other in pairs}
        left, right = rest, [example for example in right if id(example) not in taken]
    return pairs, left, right


def _examples(old: Sequence[Example], new: Sequence[Example]) -> Examples | None:
    if old == new:
        return None
    pairs, removed, added = _pairs(old, new)
    changed: list[str] = []
    typographic: list[str] = []
    relabelled: list[Relabelled] = []
    for one, other in pairs:
        if one.model_copy(update={"source": other.source}) == other:
            continue
        if _said(one) == _said(other):
            typographic.append(other.title)
            continue
        changed.append(other.title)
        relabelled += _relabelled(one, other)
    if not (added or removed or changed or typographic):
        return None
    return Examples(
        tuple(example.title for example in added),
        tuple(example.title for example in removed),
        tuple(changed),
        tuple(typographic),
        tuple(relabelled),
    )


def _relabelled(old: Example, new: Example) -> Iterator[Relabelled]:
    """Answers to the same conversation that stand under one label before and under another one after."""
    if conversation(old) != conversation(new):
        return
    labels: tuple[dict[tuple[int, str], set[Label]], ...] = (defaultdict(set), defaultdict(set))
    for found, example in zip(labels, (old, new), strict=True):
        for comparison in example.comparisons:
            for answer in comparison.answers:
                found[comparison.after, wording.folded(answer.content)].add(answer.label)
    before, after = labels
    for place, was in before.items():
        now = after.get(place)
        if now is not None and len(was) == len(now) == 1 and was != now:
            yield Relabelled(new.title, place[1], *was, *now)


def _prompts(
    old: Sequence[Footnote], new: Sequence[Footnote], own: tuple[Sequence[Any], Sequence[Any]], prompted: bool
) -> Prompts | None:
    before, after = ({footnote.mark: footnote for footnote in found} for found in (old, new))
    changed = [
        mark for mark in before if prompted and mark in after and _put(before[mark]) != _put(after[mark])
    ]
    one, other = (Counter(probe.model_dump_json() for probe in probes) for probes in own)
    prompts = Prompts(
        tuple(mark for mark in after if mark not in before),
        tuple(mark for mark in before if mark not in after),
        tuple(changed),
        (other - one).total(),
        (one - other).total(),
    )
    return None if prompts == Prompts() else prompts


def _put(footnote: Footnote) -> list[Any]:
    return [_plain(prompt.model_dump(mode="json", exclude={"source"})) for prompt in footnote.prompts]


# The spec as a whole


def _levels(
    old: Spec, new: Spec, before: Mapping[str, Stated], after: Mapping[str, Stated]
) -> tuple[LevelMap, ...]:
    """Where the clauses of each level went whose clauses did not all stay."""
    went: dict[str | None, Counter[str | None]] = defaultdict(Counter)
    for i, (_, stated) in before.items():
        if i in after and isinstance(stated, Clause) and isinstance(after[i][1], Clause):
            went[stated.authority][_authority(after[i][1])] += 1
    order: list[str | None] = [*old.authority, None]
    return tuple(
        LevelMap(level, tuple(went[level].most_common()), level is not None and level not in new.authority)
        for level in order
        if went[level].keys() - {level}
    )


def _document(old: Spec, new: Spec) -> tuple[Declared, ...]:
    one, other = (
        spec.model_dump(mode="json", include={"id", "title", "preamble", "controls"})
        | {"licence": spec.origin.licence, "unattached": [footnote.mark for footnote in spec.unattached]}
        for spec in (old, new)
    )
    return tuple(Declared(name, one[name], other[name]) for name in one if one[name] != other[name])


# Probes


def _stale(
    probes: Sequence[Probe], old: Spec, new: Spec, changed: Sequence[Changed], renamed: Sequence[Successor]
) -> Staleness:
    clauses = {clause.id: clause for clause in new.clauses}
    others = {section.id for section in new.sections} | {clause.id for clause in new.candidates}
    successor = {passage.old: passage.new for passage in renamed}
    nature = {change.id: change.text.nature for change in changed if change.text}
    lost: dict[str, list[Probe]] = defaultdict(list)
    fresh: set[str] = set()
    stale: set[str] = set()
    testing = [probe for probe in probes if probe.targets]
    for probe in testing:
        for target in probe.targets:
            now = clauses.get(target.clause)
            if now is not None and now.text_digest == target.text_digest:
                fresh.add(target.clause)
            else:
                lost[target.clause].append(probe)
                stale.add(probe.id)
    rows = []
    for clause in dict.fromkeys([*(c.id for c in old.clauses if c.id in lost), *lost]):
        mine = lost[clause]
        why: Any = "gone"
        if clause in clauses:
            found = nature.get(clause, Nature.WORDING)
            why = "reworded" if found is Nature.WORDING else found.value
        elif clause in others:
            why = "no longer a clause"
        elif clause in successor:
            why = "renamed"
        rows.append(
            Stale(
                clause,
                why,
                successor.get(clause),
                tuple(probe.id for probe in mine),
                dict(sorted(Counter(str(probe.origin) for probe in mine).items())),
            )
        )
    known = {clause.text_digest for clause in (*old.clauses, *new.clauses)}
    foreign = sum(all(t.text_digest not in known for t in probe.targets) for probe in testing)
    note = (
        f"{foreign} probes carry texts of neither spec: the suite was compiled from another one"
        if foreign
        else None
    )
    return Staleness(
        len({probe.id for probe in testing}),
        len(stale),
        tuple(rows),
        tuple(
            clause.id
            for clause in new.clauses
            if clause.id not in fresh and clause.level is Level.MODEL and clause.id not in new.legible
        ),
        note,
    )


def data(found: Diff) -> dict[str, Any]:
    """The whole diff as JSON values, and beside it how many changes there are of each sort."""
    return {"counts": counts(found), **asdict(found)}


def counts(found: Diff) -> dict[str, int]:
    """How many statements came, went or changed, by sort of change; one may be counted under several."""
    changed = found.changed
    return {
        "added": len(found.added),
        "removed": len(found.removed),
        "renamed": len(found.renamed),
        "reworded": len(found.reworded),
        "typographic": len(found.typographic),
        "references": sum(c.text is not None and c.text.nature is Nature.REFERENCES for c in changed),
        "retitled": len(found.retitled),
        "reranked": len(found.reranked),
        "moved": sum(c.moved is not None for c in changed),
        "declared": sum(bool(c.declared) for c in changed),
        "examples": sum(c.examples is not None for c in changed),
        "prompts": sum(c.prompts is not None for c in changed),
        "commentary": sum(c.commentary is not None for c in changed),
        "turned": len(found.turned),
        "same": found.same,
    }
