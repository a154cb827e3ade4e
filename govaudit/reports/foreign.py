"""Scores of other people's logs that say neither kept nor broken: what they are, with intervals, and no more.

In: the ratings and raters of one run. Out: a part of the document, and how it is shown; ``None`` where the
run holds no imported evidence. A mean of such scores is no rate of violations, and nothing is concluded
from it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from govaudit.records import Rater, Rating, Scale
from govaudit.reports.estimates import mean, share
from govaudit.reports.part import Estimate, Part
from govaudit.reports.run_tables import RunTables
from govaudit.reports.shown import Column, Shown, Table


class ForeignScorePart(Part):
    """One score of one arm."""

    arm: str
    rater: str
    score: str
    label: str
    """Of a score in words: the word; empty for numbers."""
    estimate: Estimate
    """Mean of the numbers, or share of the word."""


class ForeignPart(Part):
    """Imported evidence."""

    origins: tuple[str, ...]
    """Where the answers come from, with the number of answers."""
    raters: dict[str, str]
    """Foreign rater -> what is known of it."""
    scores: tuple[ForeignScorePart, ...]
    """Scores whose direction nobody stated."""
    left_out: tuple[str, ...]
    """What could not be placed."""


def section(run: RunTables) -> ForeignPart | None:
    """The part of one run; ``None`` without a foreign rater."""
    foreign = {rater.id: rater for rater in run.raters if rater.attributes.get("foreign")}
    if not foreign:
        return None
    names = run.plan.names
    arm_of = {row.response: names.get(row.arm, row.arm) for row in run.responses}
    groups: dict[tuple[str, str, str], list[Rating]] = defaultdict(list)
    for row in run.ratings:
        if row.rater in foreign and row.clause is None and row.value is not None:
            groups[arm_of.get(row.responses[0], ""), row.rater, row.question].append(row)
    parts = [
        part
        for (arm, rater, score), rows in sorted(groups.items())
        for part in _parts(arm, rater, score, rows)
    ]
    origins = Counter(row.origin for row in run.responses)
    return ForeignPart(
        origins=tuple(f"{origin}: {n:,} answers" for origin, n in sorted(origins.items())),
        raters={rater.id: _known(rater) for rater in foreign.values()},
        scores=tuple(parts),
        left_out=run.suite.notes,
    )


def _known(rater: Rater) -> str:
    kind = f"model {rater.model}" if rater.model else "a model" if rater.source == "model" else "a rule"
    return f"scorer of the task {rater.attributes.get('task', '')}, {kind}; never compared with people here"


def _parts(arm: str, rater: str, score: str, rows: Sequence[Rating]) -> list[ForeignScorePart]:
    clusters = [row.cluster for row in rows]
    if rows[0].scale is Scale.NOMINAL:
        labels = sorted({row.label for row in rows})
        shares = {label: share([row.label == label for row in rows], clusters) for label in labels}
        return [
            ForeignScorePart(arm=arm, rater=rater, score=score, label=label, estimate=found)
            for label, found in shares.items()
        ]
    average = mean([row.value or 0.0 for row in rows], clusters)
    return [ForeignScorePart(arm=arm, rater=rater, score=score, label="", estimate=average)]


def show(part: ForeignPart) -> Shown:
    """The part as the page shows it."""
    claims = [
        f"This evidence was made by others (logs: {len(part.origins)}) and scored by raters that nobody "
        "compared "
        f"with people here ({', '.join(part.raters)}). It carries no verdict."
    ]
    tables = [
        Table(
            "origins",
            "Where the answers come from.",
            (Column("Log, task and packages"),),
            tuple((origin,) for origin in part.origins),
        )
    ]
    if part.scores:
        claims.append("Scores that say neither kept nor broken stand below as they are.")
        tables.append(
            Table(
                "scores",
                "Scores without a stated direction: mean of the numbers, share of each word.",
                (
                    Column("Arm"),
                    Column("Rater"),
                    Column("Score"),
                    Column("Word"),
                    Column("Mean or share", "number"),
                ),
                tuple((row.arm, row.rater, row.score, row.label or "–", row.estimate) for row in part.scores),
            )
        )
    notes = [
        *(f"{name}: {known}." for name, known in part.raters.items()),
        *(f"Not placed: {text}." for text in part.left_out),
        "Say in a file what a score means (`--scores FILE`), or have the answers judged by raters with a "
        "gauge "
        "(`govaudit rate`).",
    ]
    return Shown("imported", "Imported evidence", claims, tables, notes=notes)
