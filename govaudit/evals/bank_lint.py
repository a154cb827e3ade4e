"""What can be said of an item bank before any model is asked: how it was made, and what gives an answer away.

In: a bank of any form. Out: counts, what naming the longest or the first answer would reach, and findings.
Left out: whether an item is right or fair, which people have to say.

Gebru et al. 2021 (Datasheets for Datasets, CACM 64(12)) for what a record of construction is for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from govaudit.canonical import digest
from govaudit.errors import StatisticsError
from govaudit.evals import choices
from govaudit.evals import items as banks
from govaudit.evals.fill import unfit
from govaudit.evals.forms.native import KEYS
from govaudit.evals.item import Item
from govaudit.specs.model import Label
from govaudit.stats.intervals import clustered_mean

RECORD = ("author", "method", "adjudicated", "saw_outputs")
"""What a record of construction says: who made the item and how, whether somebody else decided that it is
right, and whether answers of models to it were seen."""


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval; ``low`` and ``high`` are ``None`` where there is none."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Finding:
    """Something that a reader of results should know."""

    rule: str
    count: int
    message: str


@dataclass(frozen=True)
class Bank:
    """A bank as it is."""

    name: str
    items: int
    clusters: int
    choices: int
    """Items with answers to choose between of which some are good and some bad."""
    subsets: Mapping[str, int]
    longest: Share | None
    """Choices that naming the longest answer (characters) gets right, ties shared out."""
    first: Share | None
    """Choices of which the answer listed first is right."""
    chance: float | None
    """What naming any answer gets right."""
    saw_outputs: Mapping[str, int]
    """``yes``, ``no`` or ``not said`` -> items."""
    adjudicated: int
    findings: tuple[Finding, ...]

    def data(self) -> dict[str, Any]:
        """Plain JSON."""
        shares = {
            name: None if of is None else vars(of)
            for name, of in (("longest", self.longest), ("first", self.first))
        }
        return {**vars(self), **shares, "findings": [vars(finding) for finding in self.findings]}


def lint(path: Path) -> Bank:
    """The bank in a file. :class:`BadInput` for what is none."""
    items = banks.load(path)
    fit = [item for item in items if item.choices and item.choice_labels and unfit(item) is None]
    records = _records(path)
    longest = _share([choices.longest_right(item) for item in fit], fit)
    first = _share([float(item.choice_labels[0] is not Label.BAD) for item in fit], fit)
    good = [sum(label is not Label.BAD for label in item.choice_labels) / len(item.choices) for item in fit]
    chance = sum(good) / len(good) if good else None
    said = {True: "yes", False: "no", None: "not said"}
    return Bank(
        name=path.name,
        items=len(items),
        clusters=len({item.cluster for item in items}),
        choices=len(fit),
        subsets=dict(sorted(Counter(s for item in fit if (s := choices.subset_of(item))).items())),
        longest=longest,
        first=first,
        chance=chance,
        saw_outputs=dict(Counter(said[item.saw_outputs] for item in items)),
        adjudicated=sum(record.get("adjudicated") is True for record in records),
        findings=tuple(_findings(items, records, longest, first, chance)),
    )


def _records(path: Path) -> list[Mapping[str, Any]]:
    """The records of construction of a bank of our own form; none for a public one."""
    rows = [row for _, row in banks.rows(path)] if path.suffix != ".json" else []
    if any(set(row) - set(KEYS) for row in rows):
        return []
    found = [row.get("construction") for row in rows]
    return [record if isinstance(record, dict) else {} for record in found]


def _share(values: Sequence[float], items: Sequence[Item]) -> Share | None:
    if not values:
        return None
    try:
        mean = clustered_mean(values, [item.cluster for item in items])
    except StatisticsError:
        return Share(sum(values) / len(values), None, None, len(values))
    return Share(mean.value, max(0.0, mean.low), min(1.0, mean.high), mean.n)


def _findings(
    items: Sequence[Item],
    records: Sequence[Mapping[str, Any]],
    longest: Share | None,
    first: Share | None,
    chance: float | None,
) -> Iterator[Finding]:
    if not records:
        yield Finding("no-record", len(items), "no item says how it was made (construction)")
    for key in RECORD:
        if missing := sum(key not in record for record in records):
            yield Finding(f"no-{key.replace('_', '-')}", missing, f"construction does not say {key}")
    if alone := sum(record.get("adjudicated") is False for record in records):
        yield Finding("not-adjudicated", alone, "nobody but the author has said that the item is right")
    if seen := sum(item.saw_outputs is True for item in items):
        yield Finding("saw-outputs", seen, "the author had seen answers of models: report these apart")
    for name, share, what in (
        ("length", longest, "the longest answer"),
        ("order", first, "the first answer"),
    ):
        if share is None or share.low is None or share.high is None or chance is None:
            continue
        if not share.low <= chance <= share.high:
            yield Finding(
                f"{name}-tells",
                share.n,
                f"naming {what} gets {share.value:.1%} [{share.low:.1%}, {share.high:.1%}] right, any answer "
                f"{chance:.1%}",
            )
    if repeated := _repeated(items):
        yield Finding("repeated", repeated, "the same question stands in another cluster")


def _repeated(items: Sequence[Item]) -> int:
    """Items whose conversation stands in another cluster too: they are no independent observations."""
    where: dict[str, set[str]] = defaultdict(set)
    keys = [digest([turn.data() for turn in item.turns]) for item in items]
    for key, item in zip(keys, items, strict=True):
        where[key].add(item.cluster)
    return sum(len(where[key]) > 1 for key in keys)
