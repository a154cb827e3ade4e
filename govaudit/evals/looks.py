"""Looks of a sequential audit: in which order clusters are asked, what a look asks, where a clause stopped.

In: a suite, its seed, and what was decided so far. Out: the probes of the next look, and a record of looks
that is kept in the run folder (``looks.json``). The order is fixed by the seed before the first call; what
comes out decides only whether a clause is asked on. Left out: who decides (:mod:`govaudit.stats.sequential`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.evals.suite import Probe, Suite

SCHEMA_VERSION = "1.0"
FILE = "looks.json"

Order = Mapping[str, tuple[str, ...]]
"""Clause -> its clusters as they are asked."""


@dataclass(frozen=True)
class Stop:
    """A clause that an arm is asked about no further, because its verdict is known."""

    clause: str
    arm: str
    """Its name."""
    look: int
    """After which it stopped; the first is 1."""
    clusters: int
    """That were asked until then."""


@dataclass(frozen=True)
class Looks:
    """The looks of a run so far."""

    size: int
    """Clusters of each clause between two looks."""
    made: int = 0
    stops: tuple[Stop, ...] = ()

    def stopped(self) -> set[tuple[str, str]]:
        """Clauses and arms that are asked no further."""
        return {(stop.clause, stop.arm) for stop in self.stops}

    def arrived(self, order: Order, arm: str) -> dict[str, tuple[str, ...]]:
        """Clause -> clusters that an arm was asked for its sake; what was asked for others is no evidence on
        it, because whether that came depends on them."""
        mine = {stop.clause: stop.clusters for stop in self.stops if stop.arm == arm}
        return {
            clause: clusters[: mine.get(clause, self.made * self.size)] for clause, clusters in order.items()
        }


def order(suite: Suite, seed: int) -> dict[str, tuple[str, ...]]:
    """Clusters of each clause in the random order that ``seed`` gives; the same wherever a cluster serves
    several clauses."""
    clusters: dict[str, set[str]] = {}
    for probe in suite.probes:
        for target in probe.targets:
            clusters.setdefault(target.clause, set()).add(probe.cluster)
    place = {name: digest(["look", seed, name]) for name in set().union(*clusters.values())}
    return {clause: tuple(sorted(names, key=place.__getitem__)) for clause, names in clusters.items()}


def looks_of(order: Order, size: int) -> int:
    """Looks until everything is asked; at least one, for what no clause calls for."""
    return max(1, *(-(-len(clusters) // size) for clusters in order.values()), 1)


def probes_of(suite: Suite, order: Order, size: int, number: int, open_: Collection[str]) -> list[Probe]:
    """What look ``number`` (from 1) asks about the clauses that are open; the first look asks besides
    what belongs to no clause, control questions among it."""
    now = {
        (clause, cluster)
        for clause, clusters in order.items()
        if clause in open_
        for cluster in clusters[(number - 1) * size : number * size]
    }
    return [
        probe
        for probe in suite.probes
        if any((target.clause, probe.cluster) in now for target in probe.targets)
        or (number == 1 and not probe.targets)
    ]


def dumps(looks: Looks) -> str:
    """The record as it is written into the run folder."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(looks)}, indent=1) + "\n"


def read(folder: Path) -> Looks | None:
    """The record of a run folder; ``None`` where the run asked everything at once.

    :class:`BadInput` for a damaged file and for another major version.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = str(data.pop("schema_version", ""))
        found = Looks(data["size"], data["made"], tuple(Stop(**row) for row in data["stops"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"the record of looks is damaged ({error})", path=path) from None
    if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise BadInput(
            f"the record of looks has schema_version {version!r}, this govaudit reads {SCHEMA_VERSION}",
            path=path,
        )
    return found
