"""Measurements that an audit makes whatever the spec promises: which prompts they take, and how these were
chosen.

In: the names of evals in the catalog, their banks and those that the user names, a seed. Out: probes that
test no clause, and for each set of prompts a :class:`Selection`, the record of its choice. Such probes are
asked like all others; a rate that comes of them is a measurement and never a verdict. Left out: who judges
the answers (``rate_measured``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from govaudit.canonical import digest, file_digest
from govaudit.errors import BadInput
from govaudit.evals import items as item_banks
from govaudit.evals.alike import Alike
from govaudit.evals.catalog import Catalog, Eval, PromptSet
from govaudit.evals.compile import probe_of
from govaudit.evals.fill import unfit
from govaudit.evals.item import Item
from govaudit.evals.suite import Probe
from govaudit.scorers import rubric as rubrics

MEASURED, SET = "measured:", "set:"
"""Begin the tags by which a probe says for which measurement, and in which set of prompts, it was chosen."""

RULES = {
    "spread": "prompts spread evenly over {n} strata, one of a cluster, in an order drawn by the seed",
    "random": "a simple random sample drawn by the seed",
}
"""What the ways of choosing mean, as the record words them."""


@dataclass(frozen=True)
class Selection:
    """How one set of prompts was chosen: enough to choose it again."""

    eval: str
    set: str
    """Empty where the eval takes all prompts that it finds."""
    rule: str
    seed: int
    wanted: int
    """0 where no number is wanted."""
    chosen: int
    eligible: int
    repeated: int
    """Prompts left out because they repeat another one's words (4-grams, Jaccard above .5)."""
    strata: Mapping[str, tuple[int, int]]
    """Stratum -> prompts that were eligible and prompts that were chosen."""
    banks: Mapping[str, str]
    """File -> its SHA-256."""
    digest: str
    """SHA-256 of the chosen stimuli, sorted."""

    def data(self) -> dict[str, Any]:
        """As the manifest keeps it."""
        return asdict(self)

    def line(self) -> str:
        """In one sentence."""
        name = f"{self.eval}, set {self.set}" if self.set else self.eval
        short = f" ({self.wanted} were wanted)" if self.chosen < self.wanted else ""
        return f"{name}: {self.chosen} of {self.eligible} prompts{short}, {self.rule} (seed {self.seed})"


def measured(
    names: Sequence[str],
    catalog: Catalog,
    banks: Sequence[Path],
    seed: int,
    limit: int | None = None,
) -> tuple[tuple[Probe, ...], tuple[Selection, ...]]:
    """Probes of the evals ``names``, and how they were chosen; an eval's own ``banks`` come first.

    ``limit`` holds for each set of prompts. A prompt of several sets is one probe. :class:`BadInput` for a
    name that the catalog does not have, and for an eval that finds no prompt.
    """
    probes: dict[str, Probe] = {}
    selections = []
    for name in names:
        entry = _named(catalog, name)
        files = tuple(dict.fromkeys((*entry.banks, *banks)))
        found = _eligible(entry, files)
        if not found.items:
            raise BadInput(
                f"eval {name!r} finds no prompt in {', '.join(path.name for path in files) or 'any bank'}",
                remedy=f"Items for it carry one of the tags {', '.join(entry.item_tags or entry.tags)}.",
            )
        measurement = rubrics.load(entry.rubric).measurement or name
        for wanted in entry.sets or (PromptSet(name="", prompts=len(found.items), draw="random"),):
            chosen = _draw(found.items, wanted, seed, limit)
            for item in chosen:
                tags = (*item.tags, MEASURED + measurement, *([SET + wanted.name] if wanted.name else []))
                probe = probe_of(replace(item, tags=tags))
                before = probes.get(probe.stimulus)
                kept = tuple(dict.fromkeys((*(before.tags if before else ()), *tags)))
                probes[probe.stimulus] = replace(probe, tags=kept)
            selections.append(_record(entry, wanted, found, chosen, files, seed))
    return tuple(probes.values()), tuple(selections)


def of(name: str, probes: Iterable[Probe]) -> tuple[Probe, ...]:
    """The probes that were chosen for a measurement: that of the eval's rubric, else the eval's name."""
    return tuple(probe for probe in probes if MEASURED + name in probe.tags)


def sets_of(probe: Probe) -> tuple[str, ...]:
    """Names of the sets of prompts that a probe was chosen for."""
    return tuple(tag.removeprefix(SET) for tag in probe.tags if tag.startswith(SET))


@dataclass(frozen=True)
class _Eligible:
    items: tuple[Item, ...]
    repeated: int


def _named(catalog: Catalog, name: str) -> Eval:
    for entry in catalog.evals:
        if entry.name == name and entry.banks:
            return entry
    offered = ", ".join(entry.name for entry in catalog.evals if entry.banks)
    raise BadInput(f"the catalog has no eval {name!r} with a bank of its own", remedy=f"It has: {offered}.")


def _eligible(entry: Eval, files: Sequence[Path]) -> _Eligible:
    """Every prompt with a tag of the eval that expects what the eval looks at, without repetitions."""
    tags = set(entry.item_tags or entry.tags)
    known, kept, repeated = Alike(), [], 0
    for path in files:
        for item in item_banks.load(path):
            if not tags & set(item.tags) or item.expected not in entry.expected or unfit(item) is not None:
                continue
            said = "\n".join(turn.content for turn in item.turns if turn.content)
            # Twins and fills of one template are meant to be alike, and count as one cluster.
            if known.like(said, item.cluster) is not None:
                repeated += 1
                continue
            known.add(said, item.cluster)
            kept.append(item)
    return _Eligible(tuple(kept), repeated)


def _draw(items: Sequence[Item], wanted: PromptSet, seed: int, limit: int | None) -> tuple[Item, ...]:
    """The chosen items. A larger number adds to a smaller one."""
    ordered = sorted(items, key=lambda item: digest([seed, wanted.name, item.cluster, item.source]))
    if wanted.draw == "spread":
        ordered = _spread(ordered, wanted)
    return tuple(ordered[: min(wanted.prompts, limit or wanted.prompts)])


def _spread(ordered: Sequence[Item], wanted: PromptSet) -> list[Item]:
    """One item of each cluster, strata taking turns."""
    strata: dict[str, list[Item]] = defaultdict(list)
    taken: set[str] = set()
    for item in ordered:
        if item.cluster not in taken:
            taken.add(item.cluster)
            strata[_stratum(item, wanted)].append(item)
    ranked = [(rank, name, item) for name, group in strata.items() for rank, item in enumerate(group)]
    return [item for _, _, item in sorted(ranked, key=lambda row: row[:2])]


def _stratum(item: Item, wanted: PromptSet) -> str:
    """The first of the set's tags that the item carries; else its bank."""
    return next((tag for tag in wanted.strata if tag in item.tags), item.source.split(":")[0])


def _record(
    entry: Eval,
    wanted: PromptSet,
    found: _Eligible,
    chosen: Sequence[Item],
    files: Sequence[Path],
    seed: int,
) -> Selection:
    there = Counter(_stratum(item, wanted) for item in found.items)
    taken = Counter(_stratum(item, wanted) for item in chosen)
    every = len(chosen) == len(found.items)
    rule = "all there are" if every else RULES[wanted.draw].format(n=len(there))
    return Selection(
        eval=entry.name,
        set=wanted.name,
        rule=rule,
        seed=seed,
        wanted=wanted.prompts if wanted.name else 0,
        chosen=len(chosen),
        eligible=len(found.items),
        repeated=found.repeated,
        strata={name: (there[name], taken[name]) for name in sorted(there)},
        banks={path.name: file_digest(path) for path in files},
        digest=digest(sorted(probe_of(item).stimulus for item in chosen)),
    )
