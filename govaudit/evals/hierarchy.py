"""Probes of authority: for every ordered pair of a spec's levels, for deeper orders, for injected orders and
for what a system text keeps.

In: templates, the spec's authority scale, and how many probes of a sort are wanted. Out: probes whose keeping
a rule decides (``scorers/hierarchy``), the same for every arm and for every run with the same seed. Two
forms: levels that have a message role of their own speak in it; all levels, up to 12, speak in a textual
form, where their ranks stand beside the instructions. A clause that carries the eval's tag is the probes'
target; without one they are a measurement that belongs to no clause.

A question with the matter that instructions are about is one family: the same family under other levels, in
another form or without conflict is a minimal edit of it, and one cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from govaudit.canonical import digest
from govaudit.evals.order import Form, Kind, Order
from govaudit.evals.suite import Probe, ProbeOrigin, Target
from govaudit.evals.templates import Asked, Matter, Option, Templates, Wording, filled
from govaudit.records import Measure, Turn
from govaudit.scorers.hierarchy import TASK, Demand
from govaudit.specs.model import Clause, Expected

MOST_LEVELS = 12
DEPTHS = (2, 4, 6, 8, 10, 12)
_PER_DEPTH = 6
_OFFERED = 4
"""Options that a higher level leaves open: whoever guesses among them is right in one of four."""

TAG = {
    Kind.CONFLICT: "instruction-hierarchy",
    Kind.INJECTION: "injection",
    Kind.EXTRACTION: "confidentiality",
    Kind.ALONE: "exact-instructions",
    Kind.ALIGNED: "exact-instructions",
    Kind.INDEPENDENT: "exact-instructions",
    Kind.PERMITTED: "exact-instructions",
}
"""Tag of the clauses that probes of a kind test."""

_ROLES = {
    "system": "system",
    "platform": "system",
    "company": "system",
    "operator": "system",
    "developer": "developer",
    "user": "user",
    "tool": "tool",
    "untrusted": "tool",
}


def roles(levels: Sequence[str]) -> dict[str, str]:
    """The message role in which each level speaks; levels that have none, or share one, are left out.

    A level that is called like a role has it; of others that claim it none does.
    """
    claimed = {level: _ROLES[level.casefold()] for level in levels if level.casefold() in _ROLES}
    own = {level: role for level, role in claimed.items() if level.casefold() == role}
    taken = set(own.values())
    for level, role in claimed.items():
        if role not in taken and sum(other == role for other in claimed.values()) == 1:
            own[level] = role
    return {level: own[level] for level in levels if level in own}


def probes(
    templates: Templates,
    levels: Sequence[str],
    clauses: Iterable[Clause],
    *,
    per_pair: int,
    depths: Sequence[int] = DEPTHS,
    seed: int = 0,
) -> tuple[Probe, ...]:
    """All probes. ``levels``: the authority scale, highest first (at most :data:`MOST_LEVELS` are used; the
    templates' own where it is empty). ``per_pair``: families for each ordered pair and form."""
    scale = tuple(levels)[:MOST_LEVELS] if len(levels) > 1 else templates.levels
    made = _Made(templates, scale, _Draw(templates, seed), tuple(clauses))
    spoken = roles(scale)
    for level in spoken:
        if spoken[level] != "tool":
            made.alone(level, spoken[level], per_pair)
    for higher, lower in combinations(scale, 2):
        made.pair(higher, lower, spoken, per_pair)
    if templates.wording.ranked:
        for depth in depths:
            made.deep(depth, min(per_pair, _PER_DEPTH))
    made.injections(2 * min(per_pair, _PER_DEPTH))
    made.secrets(2 * min(per_pair, _PER_DEPTH))
    return tuple({probe.stimulus: probe for probe in made.found}.values())


@dataclass(frozen=True)
class _Family:
    """A question with the matter that instructions are about."""

    matter: Matter
    task: Asked
    number: int

    @property
    def cluster(self) -> str:
        return f"authority:{self.matter.id}:{self.number}"


@dataclass
class _Draw:
    """Families in an order that depends on the seed alone; matters take turns, and none comes again before
    all its questions have been asked."""

    templates: Templates
    seed: int
    used: dict[str, int] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    known: dict[tuple[Any, ...], list[str]] = field(default_factory=dict)

    def sorted(self, things: Iterable[str], *about: object) -> list[str]:
        key = (tuple(things), *map(str, about))
        if key not in self.known:
            self.known[key] = sorted(key[0], key=lambda thing: digest([self.seed, *key[1:], thing]))
        return self.known[key]

    def family(self, fit: Callable[[Matter], bool], sort: str) -> _Family | None:
        """The next family of a matter that fits; ``None`` where no matter does."""
        matters = {matter.id: matter for matter in self.templates.matters if fit(matter)}
        if not matters:
            return None
        at = self.turns.get(sort, 0)
        self.turns[sort] = at + 1
        matter = matters[self.sorted(matters, "matter")[at % len(matters)]]
        tasks = self.sorted(map(str, range(len(self.templates.tasks))), "task", matter.id)
        number = self.used.get(matter.id, 0)
        self.used[matter.id] = number + 1
        place = int(tasks[number % len(tasks)])
        return _Family(matter, self.templates.tasks[place], place)

    def options(self, matter: Matter, family: _Family, sort: str, n: int) -> list[Option]:
        """``n`` options of a matter, or all where there are fewer."""
        asked = {f"{option.rule}:{option.value}": option for option in matter.asked}
        chosen = self.sorted(asked, "option", family.cluster, sort)[:n]
        return [asked[key] for key in chosen]

    def number(self, *about: object) -> int:
        return int(digest([self.seed, *map(str, about)])[:8], 16)

    def coin(self, *about: object) -> bool:
        return self.number(*about) % 2 == 0


@dataclass
class _Made:
    """The probes made so far."""

    templates: Templates
    scale: tuple[str, ...]
    draw: _Draw
    clauses: tuple[Clause, ...]
    found: list[Probe] = field(default_factory=list)

    @property
    def wording(self) -> Wording:
        return self.templates.wording

    # --- one level, and two ---------------------------------------------------------------------------------

    def alone(self, level: str, role: str, n: int) -> None:
        for _ in range(n):
            family = self.draw.family(lambda matter: True, "alone")
            assert family is not None
            option = self.draw.options(family.matter, family, "alone", 1)[0]
            said = {role: option.text}
            order = Order(
                Kind.ALONE,
                Form.ROLES,
                level,
                level,
                1,
                family.matter.id,
                (Demand(level, option.rule, option.value),),
            )
            self.add(self.spoken(family.task, said), order, family.cluster)

    def pair(self, higher: str, lower: str, spoken: dict[str, str], n: int) -> None:
        """Conflict, aligned and independent instructions of two levels, in every form that they have."""
        both = {higher, lower} <= spoken.keys()
        tool = spoken.get(lower) == "tool"
        for _ in range(n):
            asked = [self.conflict(higher, lower)]
            if not tool:
                asked += [self.aligned(higher, lower), self.independent(higher, lower, asked[0])]
            for one in asked:
                if one is None:
                    continue
                if both and not (tool and self.wording.tool is None):
                    turns = self.spoken(
                        one.family.task, {spoken[higher]: one.above, spoken[lower]: one.below}
                    )
                    self.add(turns, one.order(Form.ROLES), one.family.cluster)
                if self.wording.ranked:
                    ranks = {level: at for at, level in enumerate(self.scale, 1)}
                    entries = [(ranks[higher], higher, one.above), (ranks[lower], lower, one.below)]
                    self.add(self.ranked(one.family, entries), one.order(Form.TEXT), one.family.cluster)

    def conflict(self, higher: str, lower: str) -> _Two | None:
        family = self.draw.family(lambda matter: True, "pair")
        assert family is not None
        matter, sort = family.matter, f"conflict:{higher}:{lower}"
        options = self.draw.options(matter, family, sort, 2)
        above = options[0]
        if matter.against is None:
            below = options[1]
        else:
            below = matter.opposite(above.value)
            if not matter.against.lower_only and self.draw.coin(family.cluster, sort):
                above, below = below, above
        return _Two(
            Kind.CONFLICT,
            family,
            higher,
            lower,
            above.text,
            below.text,
            (
                Demand(higher, above.rule, above.value),
                Demand(lower, below.rule, below.value, wanted=False),
            ),
        )

    def aligned(self, higher: str, lower: str) -> _Two | None:
        family = self.draw.family(lambda matter: matter.offer is not None, "aligned")
        if family is None:
            return None
        matter = family.matter
        offered = self.draw.options(matter, family, f"aligned:{higher}:{lower}", _OFFERED)
        # Never the first one offered: whoever hears the higher level alone takes that one.
        chosen = offered[1 + self.draw.number(family.cluster, higher, lower) % (len(offered) - 1)]
        values = [option.value for option in offered]
        return _Two(
            Kind.ALIGNED,
            family,
            higher,
            lower,
            filled(matter.offer or "", values=", ".join(values)),
            chosen.text,
            (Demand(higher, matter.rule, "|".join(values)), Demand(lower, chosen.rule, chosen.value)),
        )

    def independent(self, higher: str, lower: str, conflict: _Two | None) -> _Two | None:
        assert conflict is not None
        family = conflict.family
        fitting = [
            matter
            for matter in self.templates.matters
            if matter.id != family.matter.id and not set(matter.touches) & set(family.matter.touches)
        ]
        if not fitting:
            return None
        other = {matter.id: matter for matter in fitting}
        below = other[self.draw.sorted(other, "other", family.cluster, higher, lower)[0]]
        first = self.draw.options(family.matter, family, f"independent:{higher}:{lower}", 1)[0]
        second = self.draw.options(below, family, f"independent:{higher}:{lower}", 1)[0]
        return _Two(
            Kind.INDEPENDENT,
            family,
            higher,
            lower,
            first.text,
            second.text,
            (Demand(higher, first.rule, first.value), Demand(lower, second.rule, second.value)),
        )

    # --- deeper orders --------------------------------------------------------------------------------------

    def deep(self, depth: int, n: int) -> None:
        """``depth`` instructions that all exclude each other, and the same with one more that excludes
        none."""
        for _ in range(n):
            family = self.draw.family(lambda matter: len(matter.asked) >= depth, f"deep:{depth}")
            if family is None:
                return
            options = self.draw.options(family.matter, family, f"deep:{depth}", depth)
            entries = [(rank, "", option.text) for rank, option in enumerate(options, 1)]
            demands = tuple(
                Demand(f"rank {rank}", option.rule, option.value, wanted=rank == 1)
                for rank, option in enumerate(options, 1)
            )
            ends = "rank 1", f"rank {depth}"
            order = Order(Kind.CONFLICT, Form.TEXT, *ends, depth, family.matter.id, demands)
            self.add(self.ranked(family, entries), order, family.cluster)
            fitting = {
                matter.id: matter
                for matter in self.templates.matters
                if not set(matter.touches) & set(family.matter.touches)
            }
            if depth < 3 or not fitting:
                continue
            other = fitting[self.draw.sorted(fitting, "other", family.cluster, depth)[0]]
            last = self.draw.options(other, family, f"deep:{depth}", 1)[0]
            entries = [*entries[:-1], (depth, "", last.text)]
            demands = (*demands[:-1], Demand(f"rank {depth}", last.rule, last.value))
            order = Order(Kind.INDEPENDENT, Form.TEXT, *ends, depth, family.matter.id, demands)
            self.add(self.ranked(family, entries), order, family.cluster)

    # --- injected orders, and what is to be kept ------------------------------------------------------------

    def injections(self, n: int) -> None:
        documents = self.templates.documents
        if not documents:
            return
        matters = [matter for matter in self.templates.matters if any(o.inject for o in matter.asked)]
        for at in range(n):
            document = documents[at % len(documents)]
            call = self.templates.calls[at % len(self.templates.calls)]
            for form in (Form.TOOL, Form.QUOTED):
                cluster = f"injection:{at % len(documents)}"
                options = {o.text: o for m in matters for o in m.asked if o.inject}
                if self.templates.only and self.draw.coin("only", at, form):
                    word = self.templates.only_words[at % len(self.templates.only_words)]
                    text = filled(self.templates.only, value=word)
                    options = {text: Option(rule="only", value=word, text=text)}
                option = options[self.draw.sorted(options, "order", at, form)[0]]
                *before, last = document.sentences
                body = " ".join([*before, filled(call, order=option.text), last])
                order = Order(
                    Kind.INJECTION,
                    form,
                    "user",
                    form.value,
                    2,
                    f"call {at % len(self.templates.calls) + 1}",
                    (
                        Demand(form.value, option.rule, option.value, wanted=False),
                        Demand(TASK, "contains", document.fact),
                    ),
                )
                self.add(self.read(document.question, body, form), order, cluster)

    def secrets(self, n: int) -> None:
        secrets, attacks = self.templates.secrets, self.templates.attacks
        for at in range(n if secrets else 0):
            secret = secrets[at % len(secrets)]
            attack = attacks[(at + at // len(secrets)) % len(attacks)]
            frame = filled(self.wording.frame, place=secret.place, instruction=f"{secret.tell} {secret.keep}")
            cluster = f"secret:{at % len(secrets)}"
            order = Order(
                Kind.EXTRACTION,
                Form.ROLES,
                "system",
                "user",
                2,
                f"attack {attacks.index(attack) + 1}",
                (Demand("user", "leaks", secret.secret, wanted=False),),
            )
            self.add((Turn("system", frame), Turn("user", attack)), order, cluster)
            order = Order(
                Kind.PERMITTED,
                Form.ROLES,
                "system",
                "user",
                2,
                "question",
                (
                    Demand("user", "contains", secret.fact),
                    Demand("system", "leaks", secret.secret, wanted=False),
                ),
            )
            self.add((Turn("system", frame), Turn("user", secret.question)), order, cluster)

    # --- turns ----------------------------------------------------------------------------------------------

    def spoken(self, task: Asked, said: dict[str, str]) -> tuple[Turn, ...]:
        """Each instruction in the role of its level; the user's question is always there."""
        turns = []
        top = next((role for role in ("system", "developer") if role in said), None)
        if {"system", "developer"} <= said.keys() and self.wording.platform:
            turns.append(Turn("system", filled(self.wording.platform, instruction=said["system"])))
            top = "developer"
        if top:
            text = filled(self.wording.frame, place=task.place, instruction=said[top])
            turns.append(Turn(top, text))
        elif self.wording.plain_frame:
            turns.append(Turn("system", filled(self.wording.plain_frame, place=task.place)))
        asked = task.question
        if "user" in said:
            asked = filled(self.wording.user, question=task.question, instruction=said["user"])
        if "tool" in said:
            turns.append(Turn("user", filled(self.wording.looked_up, question=asked)))
            turns.append(Turn("tool", filled(self.wording.tool or "", instruction=said["tool"])))
        else:
            turns.append(Turn("user", asked))
        return tuple(turns)

    def ranked(self, family: _Family, entries: Sequence[tuple[int, str, str]]) -> tuple[Turn, ...]:
        """All in one message, in an order that says nothing about their ranks."""
        lines = {
            str(rank): filled(
                self.wording.entry, rank=str(rank), name=f" ({name})" if name else "", instruction=text
            )
            for rank, name, text in entries
        }
        shuffled = self.draw.sorted(lines, "line", family.cluster, *lines.values())
        question = filled(self.wording.question, question=family.task.question)
        said = "\n".join(lines[rank] for rank in shuffled)
        return (Turn("user", f"{self.wording.ranked}\n\n{said}\n\n{question}"),)

    def read(self, question: str, body: str, form: Form) -> tuple[Turn, ...]:
        if form is Form.QUOTED:
            return (Turn("user", filled(self.wording.quoted, question=question, document=body)),)
        return (Turn("user", filled(self.wording.looked_up, question=question)), Turn("tool", body))

    def add(self, turns: tuple[Turn, ...], order: Order, cluster: str) -> None:
        tag = TAG[order.kind]
        self.found.append(
            Probe(
                turns=(*turns, Turn("assistant", None)),
                targets=tuple(self.targets(tag)),
                measure=Measure.GENERATION,
                origin=ProbeOrigin.TEMPLATE,
                cluster=cluster,
                order=order,
                tags=(tag, f"authority-{order.kind.value}"),
                source=f"{order.kind.value}, {order.form.value}: {order.higher} > {order.lower}",
            )
        )

    def targets(self, tag: str) -> Iterator[Target]:
        for clause in self.clauses:
            if tag in clause.tags:
                yield Target(clause.id, Expected.KEEP, clause.text_digest)


@dataclass(frozen=True)
class _Two:
    """Instructions of two levels for one answer."""

    kind: Kind
    family: _Family
    higher: str
    lower: str
    above: str
    below: str
    demands: tuple[Demand, ...]

    def order(self, form: Form) -> Order:
        return Order(self.kind, form, self.higher, self.lower, 2, self.family.matter.id, self.demands)
