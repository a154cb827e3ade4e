"""Compile a spec into a suite: which stimuli test which clause, and what the spec itself says of answers.

From a clause's labelled examples come a generation probe (its conversation), likelihood choices (each good
answer against each bad one) and gold answers (what raters are gauged on); from prompt files, own probes and
item banks come generation probes, and likelihood choices of items that offer answers. Which items of a bank
join a clause that is filled to a number of clusters is the business of ``fill``. Deterministic: same inputs
and seed, same bytes.

Left out on purpose: candidates that nobody has accepted as clauses, clauses that no behaviour of a model can
keep or break, training principles whose legible twin is tested, conversations under headings that are no
clauses, drafts that nobody has accepted, and, as verbatim targets and as gold, answers with an elision
(``[...]``): no model writes those.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from govaudit.canonical import digest
from govaudit.evals.catalog import tested
from govaudit.evals.fill import Fill, asked, contrary, draw, measure_of, unfit
from govaudit.evals.item import Item, opened
from govaudit.evals.suite import GoldAnswer, Probe, ProbeOrigin, Suite, Target
from govaudit.records import Measure, Turn
from govaudit.specs import naming
from govaudit.specs.model import Clause, Expected, Label, Message, Spec
from govaudit.stats.intervals import zero_event_limit

_ELISION = re.compile(r"\[\s*(?:\.\.\.|…)|(?:\.\.\.|…)\s*\]")


def compile_spec(
    spec: Spec,
    *,
    items: Sequence[Item] = (),
    fill: Fill | None = None,
    seed: int = 0,
    limit: int | None = None,
    known: Collection[str] = (),
) -> Suite:
    """All probes and gold answers of a spec.

    ``items`` are matched to clauses by id or by a shared tag; :class:`BadInput` for one that names a clause
    which neither the spec nor ``known`` has (where ``spec`` is a selection, the ids of the whole spec).
    ``fill`` brings each clause to a number of clusters and takes no more of ``items`` than that; without it,
    all that match are taken. ``limit`` keeps so many probes, drawn with ``seed`` clause by clause in turn
    (the same for every arm), and marks the suite partial.
    """
    for item in items:
        if item.clause is not None and item.clause not in known:
            naming.tested(spec, item.clause, by=f"item {item.source}")
    clauses = tested(spec)
    notes: list[str] = []
    probes: list[Probe] = []
    gold: list[GoldAnswer] = []
    usable = _usable(items, clauses, notes)
    for clause in clauses:
        own, repeated = _unique(
            [*_from_examples(clause, notes), *_from_prompts(clause, notes), *_own(clause, notes)]
        )
        mine = [item for item in usable if _matches(clause, item) and contrary(item, clause) is None]
        if fill is not None:
            mine = draw(clause, own, mine, fill, seed)
        found, again = _unique([*own, *(probe_of(item, clause) for item in mine)])
        probes += found
        if repeated + again:
            notes.append(f"{clause.id}: {repeated + again} repeated stimuli left out")
        gold += _gold(clause)
    verbatim = [answer for answer in gold if not _ELISION.search(answer.turns[-1].content or "")]
    if elided := len(gold) - len(verbatim):
        notes.append(
            f"{elided} of {len(gold)} labelled answers are elided: none is a choice, and none gauges a rater"
        )
    if unused := sum(not any(_matches(clause, item) for clause in clauses) for item in items):
        notes.append(f"{unused} of {len(items)} items share no tag with any clause and are not used")
    notes += _aside(spec)
    if fill is not None and (lacking := short(spec, probes, fill.clusters)):
        missing = sum(lacking.values())
        notes.append(f"{len(lacking)} clause(s) stay short of {fill.clusters} clusters, by {missing} in all")
    kept = _limited(probes, seed, limit)
    return Suite(
        spec_digest=spec.digest,
        seed=seed,
        probes=tuple(kept),
        gold=tuple(verbatim),
        partial=len(kept) < len(probes),
        notes=tuple(notes),
    )


def _usable(items: Iterable[Item], clauses: Sequence[Clause], notes: list[str]) -> list[Item]:
    """Items that can be probes, and a note for each reason why others cannot."""
    usable = []
    left_out: Counter[str] = Counter()
    for item in items:
        reason = unfit(item)
        if reason is None:
            usable.append(item)
            mine = [clause for clause in clauses if _matches(clause, item)]
            left_out.update({why for clause in mine if (why := contrary(item, clause)) is not None})
        else:
            left_out[reason] += 1
    notes += [f"{n} items left out: {reason}" for reason, n in sorted(left_out.items())]
    return usable


def _aside(spec: Spec) -> Iterator[str]:
    """What of the spec is not compiled, and why."""
    aside = sum(len(s.examples) + sum(len(f.prompts) for f in s.footnotes) for s in spec.sections)
    if aside:
        yield f"{aside} examples and prompts stand under headings that are no clauses: not compiled"
    if spec.candidates:
        yield f"{len(spec.candidates)} candidates are not accepted as clauses: not compiled"
    training = [clause for clause in spec.clauses if clause.id in spec.legible]
    if training:
        yield f"{len(training)} training principles are tested as their legible twins: not compiled"
    idle = sum(len(c.examples) + len(c.probes) + sum(len(f.prompts) for f in c.footnotes) for c in training)
    if idle:
        yield f"{idle} examples, prompts and probes stand on training principles: they belong on the twins"


def controls(spec: Spec, builtin: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[Probe, ...]:
    """Control probes: the spec's own plain questions, or the built-in ones (prompt, accepted patterns)."""
    own = tuple((control.prompt, control.accept) for control in spec.controls)
    return tuple(
        Probe(
            turns=(Turn("user", prompt), Turn("assistant", None)),
            targets=(),
            measure=Measure.GENERATION,
            origin=ProbeOrigin.CONTROL,
            cluster=f"control:{number}",
            accept=accept,
            source=f"control {number}",
        )
        for number, (prompt, accept) in enumerate(own or builtin, 1)
    )


@dataclass(frozen=True)
class ClauseCoverage:
    """What a suite asks about one clause."""

    clause: str
    probes: int
    """Generation probes."""
    clusters: int
    likelihood: int
    """Likelihood choices."""
    by_origin: dict[str, int]
    excludes: float | None
    """Violation rate that zero violations in these clusters would exclude, one-sided 95 %."""
    tested_as: str | None = None
    """Of a training principle: the legible twin that is tested in its place."""


def coverage(
    spec: Spec, suite: Suite, measures: Mapping[str, Measure] | None = None
) -> tuple[ClauseCoverage, ...]:
    """Per clause of the spec, in its order, also for clauses without a probe.

    ``measures``: the measure that decides each clause, where that is known; clusters, origins and the
    excluded rate are those of its probes. Without it, generation counts where there is any.
    """
    by_clause: dict[str, list[Probe]] = defaultdict(list)
    for probe in suite.probes:
        for target in probe.targets:
            by_clause[target.clause].append(probe)
    table = []
    for clause in spec.clauses:
        mine = by_clause[clause.id]
        measure = (measures or {}).get(clause.id, Measure.GENERATION)
        asked = [p for p in mine if p.measure is measure] or mine
        clusters = len({probe.cluster for probe in asked})
        table.append(
            ClauseCoverage(
                clause=clause.id,
                probes=sum(p.measure is Measure.GENERATION for p in mine),
                clusters=clusters,
                likelihood=sum(p.measure is Measure.LIKELIHOOD for p in mine),
                by_origin=dict(sorted(Counter(p.origin.value for p in asked).items())),
                excludes=zero_event_limit(clusters) if clusters else None,
                tested_as=spec.legible.get(clause.id),
            )
        )
    return tuple(table)


def short(spec: Spec, probes: Iterable[Probe], wanted: int) -> dict[str, int]:
    """Tested clauses with fewer than ``wanted`` clusters, and how many are missing.

    Clusters of generation probes; of likelihood choices where a clause has nothing else.
    """
    clusters: dict[tuple[str, Measure], set[str]] = defaultdict(set)
    for probe in probes:
        for target in probe.targets:
            clusters[target.clause, probe.measure].add(probe.cluster)
    lacking = {}
    for clause in tested(spec):
        have = clusters[clause.id, Measure.GENERATION] or clusters[clause.id, Measure.LIKELIHOOD]
        if len(have) < wanted:
            lacking[clause.id] = wanted - len(have)
    return lacking


def _turn(message: Message) -> Turn:
    return Turn(message.role, message.content)


def _contexts(clause: Clause, notes: list[str]) -> Iterator[tuple[str, tuple[Turn, ...], int, int]]:
    """Cluster, conversation before a comparison, example number and comparison number.

    In a fence with several comparisons the conversation goes on after an answer to the earlier one. The
    document leaves open which: the one good answer is taken, and where there is none to take, or it is
    elided, the later comparison is left out and noted.
    """
    for number, example in enumerate(clause.examples):
        cluster = f"{clause.id}#{number + 1}"
        turns: list[Turn] = []
        done = 0
        for index, comparison in enumerate(example.comparisons):
            if any(loose.after <= comparison.after for loose in example.loose):
                notes.append(
                    f"{clause.id}: example {number + 1} leaves part of its conversation out; "
                    f"{len(example.comparisons) - index} comparison(s) left out"
                )
                break
            turns += [_turn(message) for message in example.turns[done : comparison.after]]
            done = comparison.after
            yield cluster, tuple(turns), number, index
            if index + 1 < len(example.comparisons):
                good = [a.content for a in comparison.answers if a.label is Label.GOOD]
                if len(good) != 1 or _ELISION.search(good[0]):
                    notes.append(
                        f"{clause.id}: example {number + 1} goes on after an answer that cannot be told; "
                        f"{len(example.comparisons) - index - 1} later comparison(s) left out"
                    )
                    break
                turns.append(Turn("assistant", good[0]))


def _from_examples(clause: Clause, notes: list[str]) -> Iterator[Probe]:
    target = (_target(clause, _expectation(clause)),)
    for cluster, context, number, index in _contexts(clause, notes):
        source = f"{clause.id}, example {number + 1}"
        yield Probe(
            turns=(*context, Turn("assistant", None)),
            targets=target,
            measure=Measure.GENERATION,
            origin=ProbeOrigin.SPEC_EXAMPLE,
            cluster=cluster,
            source=source,
        )
        answers = clause.examples[number].comparisons[index].answers
        verbatim = [a for a in answers if not _ELISION.search(a.content) and a.content.strip()]
        for good in (a for a in verbatim if a.label is Label.GOOD):
            for bad in (a for a in verbatim if a.label is Label.BAD):
                # The order shown decides nothing for a likelihood; sorting it by content keeps letters fair.
                pair = sorted((good, bad), key=lambda answer: digest([cluster, answer.content]))
                yield Probe(
                    turns=context,
                    targets=target,
                    measure=Measure.LIKELIHOOD,
                    origin=ProbeOrigin.SPEC_EXAMPLE,
                    cluster=cluster,
                    choices=tuple(answer.content for answer in pair),
                    choice_labels=tuple(answer.label for answer in pair),
                    source=source,
                )


def _from_prompts(clause: Clause, notes: list[str]) -> Iterator[Probe]:
    target = (_target(clause, _expectation(clause)),)
    for footnote in clause.footnotes:
        for number, prompt in enumerate(footnote.prompts, 1):
            turns = tuple(_turn(message) for message in prompt.turns)
            if prompt.loose:
                notes.append(
                    f"{clause.id}: prompt {number} of [^{footnote.mark}] leaves part of its conversation out"
                )
                continue
            try:
                turns = opened(turns)
            except ValueError as error:
                notes.append(f"{clause.id}: prompt {number} of [^{footnote.mark}] is left out: {error}")
                continue
            yield Probe(
                turns=turns,
                targets=target,
                measure=Measure.GENERATION,
                origin=ProbeOrigin.PROMPT_FILE,
                cluster=f"[^{footnote.mark}]{number}",
                source=f"{clause.id}, [^{footnote.mark}] {number}",
            )


def _own(clause: Clause, notes: list[str]) -> Iterator[Probe]:
    for number, own in enumerate(clause.probes, 1):
        try:
            turns = opened(tuple(_turn(message) for message in own.messages))
        except ValueError as error:
            notes.append(f"{clause.id}: probe {number} is left out: {error}")
            continue
        yield Probe(
            turns=turns,
            targets=(_target(clause, own.expected),),
            measure=Measure.GENERATION,
            origin=ProbeOrigin.OWN,
            cluster=f"{clause.id}:{own.cluster or number}",
            tags=own.tags,
            source=f"{clause.id}, probe {number}",
        )


def probe_of(item: Item, clause: Clause | None = None) -> Probe:
    """The probe that an item of a bank is: of a clause, or of a measurement that no clause calls for."""
    # As for a spec's own choices: an order by content keeps letters fair, whatever order a bank has.
    offered = sorted(
        zip(item.choices, item.choice_labels, strict=True), key=lambda pair: digest([item.cluster, pair[0]])
    )
    return Probe(
        turns=asked(item),
        targets=() if clause is None else (_target(clause, item.expected),),
        measure=measure_of(item),
        origin=item.origin,
        cluster=item.cluster,
        choices=tuple(answer for answer, _ in offered),
        choice_labels=tuple(label for _, label in offered),
        facts=item.facts,
        push=item.push,
        tags=item.tags,
        source=item.source,
    )


def _matches(clause: Clause, item: Item) -> bool:
    if item.clause is not None:
        return item.clause == clause.id
    return bool(set(clause.tags) & set(item.tags))


def _target(clause: Clause, expected: Expected) -> Target:
    return Target(clause=clause.id, expected=expected, text_digest=clause.text_digest)


def _expectation(clause: Clause) -> Expected:
    """What the clause's own probes expect, where they agree; no more than ``keep`` otherwise."""
    wanted = {own.expected for own in clause.probes}
    return wanted.pop() if len(wanted) == 1 else Expected.KEEP


def _gold(clause: Clause) -> Iterator[GoldAnswer]:
    for cluster, context, number, index in _contexts(clause, []):
        for answer in clause.examples[number].comparisons[index].answers:
            if answer.content.strip():
                yield GoldAnswer(
                    clause=clause.id,
                    turns=(*context, Turn("assistant", answer.content)),
                    label=answer.label,
                    cluster=cluster,
                    expected=_expectation(clause),
                    source=f"{clause.id}, example {number + 1}",
                )


def _unique(probes: Iterable[Probe]) -> tuple[list[Probe], int]:
    """One probe per stimulus, and how many were repetitions: no second observation."""
    seen: dict[str, Probe] = {}
    repeated = 0
    for probe in probes:
        if probe.stimulus in seen:
            repeated += 1
        else:
            seen[probe.stimulus] = probe
    return list(seen.values()), repeated


def _limited(probes: list[Probe], seed: int, limit: int | None) -> list[Probe]:
    """``limit`` probes, drawn clause by clause in turn: none is left out before another is full.

    Within a clause what tells most comes first: generation probes before likelihood choices, and a cluster
    not yet drawn before a second probe of one that is.
    """
    if limit is None or limit >= len(probes):
        return probes
    by_clause: dict[str, list[Probe]] = defaultdict(list)
    for probe in probes:
        by_clause[probe.targets[0].clause].append(probe)
    # Rank by a keyed digest: the draw depends on the seed and the probe alone, not on the order of clauses.
    ranked = [
        (rank, clause, probe)
        for clause, mine in by_clause.items()
        for rank, probe in enumerate(_telling(mine, seed))
    ]
    ranked.sort(key=lambda entry: (entry[0], digest([seed, entry[1]])))
    chosen = {probe.id for _, _, probe in ranked[:limit]}
    return [probe for probe in probes if probe.id in chosen]


def _telling(probes: list[Probe], seed: int) -> list[Probe]:
    """The probes of one clause in the order in which a limit draws them."""
    drawn: Counter[tuple[Measure, str]] = Counter()
    ranked: list[tuple[bool, int, str, Probe]] = []
    for key, probe in sorted(((digest([seed, p.id]), p) for p in probes), key=lambda entry: entry[0]):
        likelihood = probe.measure is Measure.LIKELIHOOD
        ranked.append((likelihood, drawn[probe.measure, probe.cluster], key, probe))
        drawn[probe.measure, probe.cluster] += 1
    return [probe for *_, probe in sorted(ranked, key=lambda entry: entry[:3])]
