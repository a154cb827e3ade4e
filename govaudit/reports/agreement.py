"""Agreement between everybody who judged the same items of a run: people, judges, checks, preference models.

In: a run's ratings and raters. Out: one table of items x raters per question, measured (``agreed``) and shown
(``agreed_tables``). Ratings that are derived from others (majorities, panels) never enter agreement.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from govaudit.records import Measure, RaterKind, Rating, Scale
from govaudit.reports.agreed import LEVEL, AgreementGroup, Labels, estimate, group
from govaudit.reports.agreed_tables import agreement_tables, claims_of
from govaudit.reports.part import Estimate, Part
from govaudit.reports.run_tables import RunTables
from govaudit.reports.shown import Shown, Table
from govaudit.stats.agreement import agreement
from govaudit.stats.counts import count_long


class AgreementPart(Part):
    """Agreement in a run."""

    groups: tuple[AgreementGroup, ...]


_Key = tuple[str, ...]


def section(run: RunTables) -> AgreementPart | None:
    """Agreement among a run's raters; ``None`` where no item was judged by two of them.

    Verdicts on clauses form one table whatever the rubric, kept or broken; pairwise verdicts one per rubric
    and question, whichever order was shown; other ratings one per rubric and question.
    """
    kinds = {rater.id: rater.kind for rater in run.raters}
    simulated = {r.source == "simulated" for r in run.raters if r.id.startswith("person:")}
    people = "people, simulated ones among them" if len(simulated) > 1 else "people"
    people = "simulated people" if simulated == {True} else people
    sorted_out: dict[_Key, list[tuple[_Key, str, Rating]]] = defaultdict(list)
    for row in run.ratings:
        if row.derived_from or row.rater not in kinds:
            continue
        key, item, label = _placed(row)
        sorted_out[key].append((item, label, row))
    groups = []
    for key, rows in sorted(sorted_out.items()):
        table = _table(key, rows, kinds, run.plan.seed)
        if table is not None:
            groups.append(group(replace(table, people=people), run.plan.seed))
    return AgreementPart(groups=tuple(groups)) if groups else None


CLAUSES = "clause kept or broken"
_WINS = ("the one that sorts first", "tie", "the other")


def _placed(row: Rating) -> tuple[_Key, _Key, str]:
    """Table, item and label of a rating."""
    if row.scale is Scale.PAIRWISE:
        key: _Key = ("pairs", row.rubric, row.question)
        first = row.responses[0] <= row.responses[-1]
        value = row.value if row.value is None or first else 1.0 - row.value
        tie = row.tie or value == 0.5
        return key, tuple(sorted(row.responses)), _WINS[1 if tie else 0 if (value or 0.0) > 0.5 else 2]
    if row.scale is Scale.BINARY and row.clause is not None:
        measure = "" if row.measure is Measure.GENERATION else f", {row.measure.value}"
        return (CLAUSES + measure,), (*row.responses, row.clause), "broken" if row.value else "kept"
    if row.scale is Scale.ORDINAL:
        # Rubrics of one question differ in form alone, such as the one for a judge that knows no other.
        return (row.scale.value, row.question), row.responses, "" if row.value is None else f"{row.value:g}"
    label = (
        row.label
        if row.scale in (Scale.NOMINAL, Scale.CHOICE)
        else f"{row.value:g}"
        if row.value is not None
        else ""
    )
    return (row.scale.value, row.rubric, row.question), row.responses, label


def _table(
    key: _Key,
    rows: Sequence[tuple[_Key, str, Rating]],
    kinds: Mapping[str, RaterKind],
    seed: int,
) -> Labels | None:
    names = sorted({row.rater for _, _, row in rows}, key=lambda r: (-_RANK[kinds[r]], r))
    if len(names) < 2:
        return None
    column = {name: k for k, name in enumerate(names)}
    items: dict[_Key, int] = {}
    clusters: list[str] = []
    again: dict[str, list[tuple[_Key, str, str]]] = defaultdict(list)
    invalid: Counter[str] = Counter()
    cells: dict[tuple[int, int], str | None] = {}
    for item, label, row in rows:
        if item not in items:
            items[item] = len(items)
            clusters.append(row.cluster or "/".join(item))
        if row.value is None:
            invalid[row.rater] += 1
            continue
        again[row.rater].append(((*item, *row.responses), label, clusters[items[item]]))
        place = items[item], column[row.rater]
        # Both orders of a pair, or replicates: one label where they agree, none where they do not.
        cells[place] = label if cells.get(place, label) == label else None
    labels = np.full((len(items), len(names)), None, dtype=object)
    for (i, k), said in cells.items():
        labels[i, k] = said
    shared = (labels != None).sum(axis=1) >= 2  # noqa: E711  # elementwise
    if not shared.any():
        return None
    used = [k for k in range(len(names)) if any(x is not None for x in labels[shared, k])]
    if len(used) < 2:
        return None
    scale = key[0]
    classes, values, ordered = _scale(scale, {x for x in labels.ravel() if x is not None})
    return Labels(
        name=" / ".join(part for part in key if part),
        items=tuple("/".join(item) for item, keep in zip(items, shared, strict=True) if keep),
        clusters=tuple(c for c, keep in zip(clusters, shared, strict=True) if keep),
        raters=tuple(names[k] for k in used),
        kinds=tuple(kinds[names[k]] for k in used),
        labels=labels[shared][:, used],
        classes=classes,
        values=values,
        ordered=ordered,
        yes="broken" if scale.startswith(CLAUSES) else "",
        invalid=invalid,
        retests={names[k]: found for k in used if (found := _retest(again[names[k]], classes, seed))},
    )


_RANK = {kind: rank for rank, kind in enumerate(RaterKind)}


def _scale(scale: str, found: set[Any]) -> tuple[tuple[str, ...], dict[str, float], bool]:
    """Classes, values and whether they are ordered."""
    if scale.startswith(CLAUSES):
        return ("kept", "broken"), {"kept": 0.0, "broken": 1.0}, False
    if scale == "pairs":
        return _WINS, {_WINS[2]: 0.0, _WINS[0]: 1.0}, False
    if scale in (Scale.ORDINAL.value, Scale.REAL.value):
        values = {label: float(label) for label in sorted(found, key=float)}
        return tuple(values), values, len(values) > 2
    classes = tuple(sorted(found))
    return classes, {c: float(k) for k, c in enumerate(classes)} if scale == "binary" else {}, False


def _retest(rows: Sequence[tuple[_Key, str, str]], classes: Sequence[str], seed: int) -> Estimate | None:
    """Agreement of a rater with itself over replicates of the same question in the same order."""
    counts = Counter(item for item, _, _ in rows)
    chosen = [(item, label, cluster) for item, label, cluster in rows if counts[item] > 1]
    if not chosen:
        return None
    table = count_long([item for item, _, _ in chosen], [label for _, label, _ in chosen], tuple(classes))
    by_item = {item: cluster for item, _, cluster in chosen}
    found = agreement(table, seed=seed, clusters=[by_item[item] for item in table.items], level=LEVEL)
    return estimate(found.percent)


def show(part: AgreementPart) -> Shown:
    """Claims and tables of a run's agreement."""
    claims: list[str] = []
    tables: list[Table] = []
    for number, one in enumerate(part.groups, 1):
        claims += claims_of(one)
        tables += agreement_tables(one, f"{number}-" if len(part.groups) > 1 else "")
    said: dict[str, list[str]] = defaultdict(list)
    for one in part.groups:
        for note in one.notes:
            said[note].append(one.name)
    notes = [f"{', '.join(names)}: {note}." for note, names in said.items()]
    return Shown(
        id="agreement",
        title="Agreement between raters",
        claims=tuple(claims),
        tables=tuple(tables),
        notes=(*notes, _METHOD),
    )


_METHOD = (
    "Intervals are cluster bootstraps of items; they speak of these raters, not of others. Majorities and "
    "panels are derived from other ratings and never enter agreement."
)
