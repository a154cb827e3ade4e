"""People and a judge together: rates of broken answers where people labelled a part and a judge labelled all.

In: the suite, the plan, responses, ratings and raters of one run. Out: a part of the document with, per
clause and arm, what the judge says alone, what people say alone, and both combined, each with its interval;
and how it is shown. Combined is the post-stratified estimate of ``stats.combine``: how often people call
broken what the judge flags and what it does not, weighted by how often it flags. An answer without a verdict
of the judge stands with those that it flags, so that none is lost. Left out: verdicts. A finding has one
deciding rater, fixed before the first call; this estimate stands beside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from govaudit.errors import StatisticsError
from govaudit.records import Measure, Rater, RaterKind, Rating
from govaudit.reports.part import Estimate, Part
from govaudit.reports.run_tables import RunTables
from govaudit.reports.shown import Column, Shown, Table
from govaudit.stats.combine import Combined, post_stratified
from govaudit.stats.intervals import clustered_rate

LEVEL = 0.95
JUDGES = (RaterKind.CHECK, RaterKind.JUDGE, RaterKind.PANEL)
"""Kinds of rater that can label all answers where people label some."""


class CombinedLine(Part):
    """One clause and arm."""

    clause: str
    arm: str
    judge: str
    people: str
    n_people: int
    """Answers that people labelled."""
    n_judged: int
    """Answers that were put to the judge."""
    blank: int = 0
    """Answers that people were shown and gave no label."""
    without_verdict: int = 0
    """Answers of which the judge gave no verdict; they stand with those that it flags."""
    sampled: Literal["at random", "not known"]
    """How the answers for people were chosen: drawn for a sheet of this run, or by whoever made a file."""
    judge_alone: Estimate
    people_alone: Estimate
    together: Estimate
    saved: int | None = None
    """Labels that people alone would have needed more for an interval of this width; ``None``: none."""


class CombinedPart(Part):
    """Estimates from people and judges together."""

    lines: tuple[CombinedLine, ...]
    assumption: str
    method: str


@dataclass
class _Cell:
    """What was said of the answers of one arm under one clause, by response."""

    said: dict[str, dict[str, Rating]] = field(default_factory=lambda: defaultdict(dict))
    """Rater -> response -> rating."""


def section(run: RunTables) -> CombinedPart | None:
    """The part of one run; ``None`` where people labelled nothing, or all that a judge labelled."""
    arms = run.plan.names
    arm_of = {row.response: arms[row.arm] for row in run.responses if row.arm in arms}
    cells: dict[tuple[str, str], _Cell] = defaultdict(_Cell)
    for row in run.ratings:
        single = len(row.responses) == 1 and row.replicate == 1 and row.measure is Measure.GENERATION
        if row.clause is not None and single and row.responses[0] in arm_of:
            cells[row.clause, arm_of[row.responses[0]]].said[row.rater][row.responses[0]] = row
    clauses = dict.fromkeys(target.clause for probe in run.suite.probes for target in probe.targets)
    lines: list[CombinedLine] = []
    found: Combined | None = None
    for clause in clauses:
        for arm in arms.values():
            for line, combined in _lines(clause, arm, cells[clause, arm], run.raters):
                lines.append(line)
                found = combined or found
    if found is None:
        return None
    return CombinedPart(lines=tuple(lines), assumption=found.assumption.value, method=found.method)


def _lines(
    clause: str, arm: str, cell: _Cell, raters: Sequence[Rater]
) -> Iterator[tuple[CombinedLine, Combined | None]]:
    people = _people(cell, raters)
    judges = [rater for rater in raters if rater.kind in JUDGES and rater.id in cell.said]
    for crowd in people:
        shown = cell.said[crowd.id]
        labels = {key: row.value for key, row in shown.items() if row.value is not None}
        for judge in judges:
            verdicts = cell.said[judge.id]
            mine = {key: value for key, value in labels.items() if key in verdicts}
            # What people were shown and gave no label is no reason to ask a judge in their place.
            if mine and verdicts.keys() - shown.keys():
                blank = sum(key in verdicts for key in shown) - len(mine)
                yield _line(clause, arm, crowd, judge, mine, verdicts, blank, _drawn(cell, crowd, raters))


def _people(cell: _Cell, raters: Iterable[Rater]) -> list[Rater]:
    """Per rubric the majority of people where there are several, else the one person."""
    found: dict[str, Rater] = {}
    for rater in raters:
        if rater.kind is RaterKind.PEOPLE and rater.id in cell.said:
            known = found.get(rater.rubric)
            if known is None or rater.id.partition(":")[0] == "people":
                found[rater.rubric] = rater
    return list(found.values())


def _drawn(cell: _Cell, crowd: Rater, raters: Iterable[Rater]) -> bool:
    """Were all labels given on sheets, for which this program drew the answers at random?"""
    persons = [
        rater.id
        for rater in raters
        if rater.kind is RaterKind.PEOPLE
        and rater.rubric == crowd.rubric
        and rater.id.partition(":")[0] == "person"
    ]
    rows = [row for person in persons for row in cell.said.get(person, {}).values()]
    return bool(rows) and all(row.origin.startswith("sheet:") for row in rows)


def _line(
    clause: str,
    arm: str,
    crowd: Rater,
    judge: Rater,
    labels: Mapping[str, float],
    verdicts: Mapping[str, Rating],
    blank: int,
    drawn: bool,
) -> tuple[CombinedLine, Combined | None]:
    scored = [row for row in verdicts.values() if row.value is not None]
    flags = {key: 1.0 if row.value is None else float(row.value) for key, row in verdicts.items()}
    clusters = {key: row.cluster or key for key, row in verdicts.items()}
    people = _rate(list(labels.values()), [clusters[key] for key in labels])
    combined: Combined | None = None
    try:
        combined = post_stratified(
            list(labels.values()),
            [flags[key] for key in labels],
            list(flags.values()),
            clusters_labelled=[clusters[key] for key in labels],
            clusters_all=list(clusters.values()),
            level=LEVEL,
        )
        together = Estimate(value=combined.rate, low=combined.low, high=combined.high)
    except StatisticsError as error:
        together = Estimate(value=None, undefined=str(error))
    return (
        CombinedLine(
            clause=clause,
            arm=arm,
            judge=judge.id,
            people=crowd.id,
            n_people=len(labels),
            n_judged=len(verdicts),
            blank=blank,
            without_verdict=len(verdicts) - len(scored),
            sampled="at random" if drawn else "not known",
            judge_alone=_rate(
                [row.value or 0.0 for row in scored], [row.cluster or row.responses[0] for row in scored]
            ),
            people_alone=people,
            together=together,
            saved=_saved(len(labels), people, together),
        ),
        combined,
    )


def _rate(values: Sequence[float], clusters: Sequence[str]) -> Estimate:
    if not values:
        return Estimate(value=None, undefined="no verdict")
    rate = clustered_rate(values, clusters, LEVEL)
    return Estimate(value=rate.rate, low=rate.low, high=rate.high)


def _saved(n: int, people: Estimate, together: Estimate) -> int | None:
    """Widths go with the root of the number of labels."""
    if None in (people.low, people.high, together.low, together.high):
        return None
    alone = (people.high or 0.0) - (people.low or 0.0)
    both = (together.high or 0.0) - (together.low or 0.0)
    more = round(n * (alone / both) ** 2) - n if both > 0 else 0
    return more if more > 0 else None


# ------------------------------------------------------------------------------------------- for people


def show(part: CombinedPart) -> Shown:
    """Claims and the table."""
    return Shown(
        id="combined",
        title="People and judge together",
        claims=tuple(_claims(part)),
        tables=(
            Table(
                id="combined",
                caption="Share of answers that break the clause",
                columns=(
                    Column("clause"),
                    Column("arm"),
                    Column("judge"),
                    Column("judged"),
                    Column("judge alone", "share", plot=True),
                    Column("labels"),
                    Column("people alone", "share", plot=True),
                    Column("together", "share", plot=True),
                    Column("labels saved"),
                    Column("chosen"),
                ),
                rows=tuple(
                    (
                        line.clause,
                        line.arm,
                        line.judge,
                        line.n_judged,
                        line.judge_alone,
                        line.n_people,
                        line.people_alone,
                        line.together,
                        line.saved,
                        line.sampled,
                    )
                    for line in part.lines
                ),
            ),
        ),
        notes=(
            f"Together: {part.method}. It holds if {part.assumption}. A sheet with --sample is drawn "
            "so; of a file nobody knows, and answers that were picked because they looked "
            "bad make it wrong.",
            "Labels saved: how many more labels people alone would have needed for an interval of this "
            "width. A judge of low specificity saves nothing where violations are rare.",
            "No verdict rests on these numbers: each clause has one deciding rater, fixed before the first "
            "call.",
        ),
    )


def _claims(part: CombinedPart) -> Iterator[str]:
    held = [line for line in part.lines if line.together.value is not None]
    labels = {(line.clause, line.arm, line.people): line.n_people for line in part.lines}
    helped = [line.saved for line in held if line.saved is not None]
    yield (
        f"People labelled {sum(labels.values()):,} answers of {len(labels)} clauses and arms, of which "
        f"judges labelled all: {len(helped)} of {len(held)} estimates from both are narrower than people "
        f"alone, by as much as {sum(helped):,} more labels."
    )
    for line in held:
        alone, both = line.judge_alone, line.together
        if alone.value is None or both.low is None or both.high is None:
            continue
        if not both.low <= alone.value <= both.high:
            yield (
                f"{line.judge} alone misjudges {line.clause} of {line.arm}: it says {_words(alone)}, with "
                f"people it is {_words(both)}."
            )
    if assumed := sum(line.sampled == "not known" for line in part.lines):
        yield (
            f"How the answers for people were chosen is not known on {assumed} of {len(part.lines)} clauses "
            "and arms: the numbers hold only if they were drawn at random."
        )
    for line in part.lines:
        if line.together.value is None:
            yield f"{line.clause} of {line.arm}, {line.judge}: not combined ({line.together.undefined})."


def _words(one: Estimate) -> str:
    return f"{one.value or 0:.0%} ({one.low or 0:.0%} to {one.high or 0:.0%})"
