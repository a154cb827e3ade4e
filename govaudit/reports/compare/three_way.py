"""Spec x model x judge: how well each model keeps each spec in the eyes of each judge, its own lab's apart.

In: the judged cells of the runs, or a table of shares that somebody measured elsewhere. Out: the cube, its
means over judges, and the effect of a lab's own judge. Three-way consistency is a lab's own model under its
own spec and its own judge (SpecEval, arXiv 2509.02464); it is not the rate that a fixed judge gives, and
the two are never mixed. Left out: verdicts, which no such share can carry.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from govaudit.errors import BadInput, StatisticsError
from govaudit.records import Measure, RaterKind
from govaudit.reports.compare.document import CubeCell, OwnJudgePart, ThreeWayPart
from govaudit.reports.compare.matrix import Layout
from govaudit.reports.part import Estimate
from govaudit.specs.text import read_text
from govaudit.stats.intervals import clustered_mean, clustered_rate, wilson

Labs = Mapping[str, Sequence[str]]
"""Lab -> names of its specs, models and judges."""
Place = tuple[str, str, str]
"""Spec, model, judge."""
Item = tuple[str, str, int]
"""Clause, stimulus, epoch."""

_FEWEST = 2
"""Judges from which on their views can be compared."""
COLUMNS = ("spec", "model", "judge", "compliance")
_NOT_A_SHARE = "compliance is a share in 0..1 and n a whole number"
_NO_COUNTS = "the table gives a share without counts"


@dataclass(frozen=True)
class Share:
    """A share of kept items that somebody else measured."""

    spec: str
    model: str
    judge: str
    kept: float
    n: int | None = None


def read_shares(path: Path) -> tuple[Share, ...]:
    """A CSV table with the columns spec, model, judge, compliance (0..1) and, if known, n.

    :class:`BadInput` with the line for what is none.
    """
    rows = csv.DictReader(read_text(path).splitlines())
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise BadInput(
            f"this table has no column {', '.join(missing)}",
            path=path,
            line=1,
            remedy="It needs spec, model, judge and compliance; n, the number of judged answers, is "
            "optional.",
        )
    found: dict[Place, Share] = {}
    for number, row in enumerate(rows, 2):
        place = (row["spec"], row["model"], row["judge"])
        try:
            kept, n = float(row["compliance"]), int(row["n"]) if row.get("n") else None
        except (TypeError, ValueError) as error:
            raise BadInput(_NOT_A_SHARE, path=path, line=number) from error
        if not 0 <= kept <= 1 or (n is not None and n < 1):
            raise BadInput(_NOT_A_SHARE, path=path, line=number)
        if place in found:
            raise BadInput("a second line for the same spec, model and judge", path=path, line=number)
        found[place] = Share(*place, kept, n)
    if not found:
        raise BadInput("this table has no rows", path=path)
    return tuple(found.values())


def from_shares(shares: Sequence[Share], labs: Labs) -> ThreeWayPart:
    """The cube of a table; without counts nothing in it has an interval."""
    table = {(one.spec, one.model, one.judge): one for one in shares}
    cells = [
        CubeCell(spec=one.spec, model=one.model, judge=one.judge, kept=_share(one), own=_own(labs, *place))
        for place, one in table.items()
    ]
    specs, models, judges = _axes(table)
    means = []
    for spec, model in product(specs, models):
        mine = [table[spec, model, judge].kept for judge in judges if (spec, model, judge) in table]
        if mine:
            kept = Estimate(value=float(np.mean(mine)), undefined=_NO_COUNTS)
            means.append(CubeCell(spec=spec, model=model, judge="", kept=kept))
    own = []
    for spec, model, judge in table:
        if not _lab(labs, model, judge):
            continue
        gaps = {
            one: table[spec, one, judge].kept - float(np.mean(others))
            for one in models
            if (spec, one, judge) in table
            and (
                others := [table[spec, one, j].kept for j in judges if j != judge and (spec, one, j) in table]
            )
        }
        rest = [gap for one, gap in gaps.items() if not _lab(labs, one, judge)]
        if model in gaps and rest:
            own.append(
                OwnJudgePart(
                    spec=spec,
                    model=model,
                    judge=judge,
                    plain=Estimate(value=gaps[model], undefined=_NO_COUNTS),
                    effect=Estimate(value=gaps[model] - float(np.mean(rest)), undefined=_NO_COUNTS),
                )
            )
    return ThreeWayPart(
        cells=tuple(cells),
        means=tuple(means),
        own_judge=tuple(own),
        labs={lab: tuple(names) for lab, names in labs.items()},
        note="Shares as somebody else published them.",
    )


def from_runs(layout: Layout, labs: Labs) -> ThreeWayPart | None:
    """The cube of the runs' own judgements; ``None`` without judges, or with one where no labs are named."""
    said: dict[Place, dict[Item, tuple[float, str]]] = defaultdict(dict)
    same: set[tuple[str, str]] = set()
    for index, run in enumerate(layout.runs):
        spec = _name(layout, layout.spec_of[index])
        for cell in run.cells:
            if cell.rater.kind is not RaterKind.JUDGE or cell.measure is not Measure.GENERATION:
                continue
            label, judge = layout.labels[index][cell.arm.name], cell.rater.id
            if cell.arm.name in cell.rater.attributes.get("same_model_as", ()):
                same.add((label, judge))
            for item in cell.scored:
                key = (cell.clause.id, item.probe.stimulus, item.response.epoch)
                said[spec, label, judge][key] = (1.0 - float(item.value or 0.0), item.probe.cluster)
    if not said:
        return None
    specs, models, judges = _axes(said)
    if len(judges) < _FEWEST and not labs:
        return None
    own = [
        part
        for spec, model, judge in said
        if (model, judge) in same or _lab(labs, model, judge)
        if (part := _effect(said, spec, model, judge, models, judges, same, labs)) is not None
    ]
    return ThreeWayPart(
        cells=tuple(
            CubeCell(spec=place[0], model=place[1], judge=place[2], kept=_rate(rows), own=_own(labs, *place))
            for place, rows in said.items()
        ),
        means=tuple(
            CubeCell(spec=spec, model=model, judge="", kept=mean)
            for spec, model in product(specs, models)
            if (mean := _mean([said[spec, model, j] for j in judges if (spec, model, j) in said])) is not None
        ),
        own_judge=tuple(own),
        labs={lab: tuple(names) for lab, names in labs.items()},
    )


def _effect(
    said: Mapping[Place, Mapping[Item, tuple[float, str]]],
    spec: str,
    model: str,
    judge: str,
    models: Sequence[str],
    judges: Sequence[str],
    same: set[tuple[str, str]],
    labs: Labs,
) -> OwnJudgePart | None:
    """On answers that all judges judged: own judge minus the others, here and beyond other models."""

    def gaps(one: str) -> dict[Item, float]:
        others = [said[spec, one, j] for j in judges if j != judge and (spec, one, j) in said]
        mine = said.get((spec, one, judge))
        if mine is None or not others:
            return {}
        common = set(mine).intersection(*others)
        return {key: mine[key][0] - float(np.mean([other[key][0] for other in others])) for key in common}

    own = gaps(model)
    if not own:
        return None
    cluster = {key: row[1] for key, row in said[spec, model, judge].items()}
    foreign = [
        found
        for one in models
        if one != model and (one, judge) not in same and not _lab(labs, one, judge) and (found := gaps(one))
    ]
    both = sorted(set(own).intersection(*foreign)) if foreign else []
    beyond = [own[key] - float(np.mean([found[key] for found in foreign])) for key in both]
    keys = sorted(own)
    return OwnJudgePart(
        spec=spec,
        model=model,
        judge=judge,
        plain=_t([own[key] for key in keys], [cluster[key] for key in keys]),
        effect=_t(beyond, [cluster[key] for key in both])
        if both
        else Estimate(value=None, undefined="no other model was judged by it on the same prompts"),
    )


def _t(values: Sequence[float], clusters: Sequence[str]) -> Estimate:
    try:
        mean = clustered_mean(values, list(clusters))
    except StatisticsError as error:
        return Estimate(n=len(values), value=float(np.mean(values)), undefined=str(error))
    return Estimate(n=mean.n, value=mean.value, low=mean.low, high=mean.high)


def _rate(rows: Mapping[Item, tuple[float, str]]) -> Estimate:
    keys = sorted(rows)
    rate = clustered_rate([rows[key][0] for key in keys], [rows[key][1] for key in keys])
    return Estimate(n=rate.n, value=rate.rate, low=rate.low, high=rate.high)


def _mean(judged: Sequence[Mapping[Item, tuple[float, str]]]) -> Estimate | None:
    if not judged:
        return None
    common = sorted(set(judged[0]).intersection(*judged[1:]))
    if not common:
        return Estimate(value=None, undefined="no answer was judged by all")
    if len(judged) == 1:
        return _rate(judged[0])
    return _t(
        [float(np.mean([rows[key][0] for rows in judged])) for key in common],
        [judged[0][key][1] for key in common],
    )


def _share(one: Share) -> Estimate:
    if one.n is None:
        return Estimate(value=one.kept, undefined=_NO_COUNTS)
    limits = wilson(one.kept * one.n, one.n)
    return Estimate(n=one.n, value=one.kept, low=limits.low, high=limits.high)


def _axes(table: Iterable[Place]) -> tuple[list[str], list[str], list[str]]:
    specs, models, judges = zip(*table, strict=True)
    return list(dict.fromkeys(specs)), list(dict.fromkeys(models)), list(dict.fromkeys(judges))


def _name(layout: Layout, spec: int) -> str:
    own = layout.specs[spec]
    alike = [other for other in layout.specs if other.id == own.id]
    return own.id if len(alike) == 1 else f"{own.id} {own.version}"


def _lab(labs: Labs, *names: str) -> bool:
    """Whether one lab has all of these."""
    return any(all(_named(name, mine) for name in names) for mine in labs.values())


def _named(name: str, mine: Sequence[str]) -> bool:
    plain = name.removeprefix("judge:")
    # A judge's id ends in its rubric where that is not the usual one.
    return any(one in (name, plain) or plain.startswith(f"{one}:") for one in mine)


def _own(labs: Labs, spec: str, model: str, judge: str) -> bool:
    return _lab(labs, spec, model, judge)
