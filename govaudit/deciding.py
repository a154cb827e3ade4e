"""Who decides which clause: the last rater, in the order of kinds, that has a gauge.

In: the suite, the spec, and the raters that a request names, or that came after the answers. Out: the decider
of each clause, which a plan keeps. What a gauge says is in :mod:`govaudit.reports.gauges`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from govaudit.evals.outside import Outside
from govaudit.evals.rate import imported_id, rater_id
from govaudit.evals.suite import Suite
from govaudit.records import Measure, Rater, RaterKind, last_user
from govaudit.reports.document import GaugePart
from govaudit.reports.manifest import Decider, Plan
from govaudit.request import JudgeRequest, RatingsRequest
from govaudit.scorers import people
from govaudit.scorers.rubric import Rubric
from govaudit.scorers.rubric import load as load_rubric
from govaudit.specs.model import Expected, Label, Spec

_KINDS = list(RaterKind)


def deciding(
    suite: Suite,
    spec: Spec,
    judges: Sequence[JudgeRequest],
    imported: Sequence[RatingsRequest],
    others: Sequence[Outside] = (),
) -> dict[str, Decider]:
    """Per clause the last rater, in the order of kinds, that has a gauge; without any, the last of all.

    Generation comes before likelihood: what an arm finds probable decides only where nobody reads what it
    writes. A gauge is to be had where the spec labels good and bad answers that the rubric applies to, or
    where people rate the same answers. A rater may decide a clause only if its rubric speaks of at least half
    of the clusters that are asked about it; imported ratings only if they come with at least half of its
    probes, for every arm that they are given for.
    """
    labels: dict[tuple[str, Expected], set[Label]] = defaultdict(set)
    for answer in suite.gold:
        labels[answer.clause, answer.expected].add(answer.label)
    asked: dict[str, dict[str, set[Expected]]] = defaultdict(lambda: defaultdict(set))
    measures: dict[str, set[Measure]] = defaultdict(set)
    for probe in suite.probes:
        for target in probe.targets:
            measures[target.clause].add(probe.measure)
            if probe.measure is Measure.GENERATION:
                asked[target.clause][probe.cluster].add(target.expected)
    judges = [judge for judge in judges if load_rubric(judge.rubric).judges_clauses]
    imported = [entry for entry in imported if load_rubric(entry.rubric).judges_clauses]
    rows = _imported_rows(suite, imported)
    table: dict[str, Decider] = {}
    for clause in spec.clauses:
        candidates: list[tuple[bool, int, int, str]] = []

        def add(kind: RaterKind, rater: str, gauged: bool) -> None:
            candidates.append((gauged, _KINDS.index(kind), -len(candidates), rater))  # noqa: B023

        def labelled(rubric: Rubric) -> bool:
            return any({Label.GOOD, Label.BAD} <= labels[clause.id, e] for e in rubric.applies_to)  # noqa: B023

        def speaks(rubric: Rubric) -> bool:
            clusters = asked[clause.id].values()  # noqa: B023
            spoken = sum(bool(expected & set(rubric.applies_to)) for expected in clusters)
            return spoken > 0 and len(clusters) <= 2 * spoken

        persons = {
            rubric: {column for entry, column, kind in given if kind == "people"}
            for rubric, given in _by_rubric(imported).items()
            if (clause.id, rubric) in rows
        }
        refusal = load_rubric("refusal")
        if speaks(refusal):
            add(RaterKind.CHECK, "check:refusal", labelled(refusal) or bool(persons.get("refusal")))
        for judge in judges:
            rubric = load_rubric(judge.rubric)
            if speaks(rubric):
                add(RaterKind.JUDGE, judge_id(judge), labelled(rubric) or bool(persons.get(judge.rubric)))
        for other in others:
            rubric = load_rubric(other.rubric)
            if speaks(rubric) and other.speaks_of(clause):
                name = "people" if other.kind is RaterKind.PEOPLE and len(other.ids) > 1 else other.ids[0]
                add(other.kind, rater_id(name, rubric.name), labelled(rubric))
        for name, given in _by_rubric(imported).items():
            if (clause.id, name) not in rows:
                continue
            for _, column, kind in given:
                if kind != "people":
                    add(RaterKind(kind), imported_id(column, kind, name), bool(persons[name]))
            if len(persons[name]) > 1:
                add(RaterKind.PEOPLE, rater_id("people", name), True)
            elif persons[name]:
                add(RaterKind.PEOPLE, imported_id(min(persons[name]), "people", name), False)
        if candidates:
            table[clause.id] = Decider(Measure.GENERATION, max(candidates)[3])
        elif Measure.LIKELIHOOD in measures[clause.id]:
            table[clause.id] = Decider(Measure.LIKELIHOOD, "likelihood:sum")
    return table


def _by_rubric(
    imported: Sequence[RatingsRequest],
) -> dict[str, list[tuple[RatingsRequest, str, str]]]:
    """Files, columns and who filled them, by rubric."""
    table: dict[str, list[tuple[RatingsRequest, str, str]]] = defaultdict(list)
    for entry in imported:
        table[entry.rubric] += [(entry, column, kind) for column, kind in entry.columns.items()]
    return table


def _imported_rows(suite: Suite, imported: Sequence[RatingsRequest]) -> set[tuple[str, str]]:
    """Clauses and rubrics for which imported ratings come with enough rows, in each of their files."""
    asked: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in imported:
        applies = load_rubric(entry.rubric).applies_to
        for probe in suite.probes:
            for target in probe.targets:
                if probe.measure is Measure.GENERATION and target.expected in applies:
                    asked[target.clause, entry.rubric].add(last_user(probe.turns).strip())
    enough = set(asked)
    for entry in imported:
        rows = people.table_of(Path(entry.file)).rows
        by_id = any("response" in row for _, row in rows)
        told = {(row.get("prompt") or row.get("instruction") or "").strip() for _, row in rows}
        for clause, rubric in list(enough):
            if rubric == entry.rubric and not by_id:
                prompts = asked[clause, rubric]
                if 2 * len(prompts & told) < len(prompts):
                    enough.discard((clause, rubric))
    return enough


def amended(kept: Plan, spec: Spec, came: Sequence[Rater], parts: Sequence[GaugePart]) -> Plan:
    """The plan with raters that came later as deciders of clauses whose decider has no gauge.

    ``came``: raters who were named after the answers had been collected. A decider that was fixed before the
    first call and has a gauge stays: choosing among gauged raters once the answers are known would be
    choosing a verdict. The plan keeps which clauses were changed.
    """
    covered = {(part.rater, clause) for part in parts for clause in part.covers}
    deciding = dict(kept.deciding)
    changed = []
    for clause in spec.clauses:
        if (decider := deciding.get(clause.id)) and (decider.rater, clause.id) in covered:
            continue
        able = [rater for rater in came if (rater.id, clause.id) in covered]
        if able:
            best = max(able, key=lambda r: (_KINDS.index(r.kind), r.id.startswith("people"), r.id))
            deciding[clause.id] = Decider(Measure.GENERATION, best.id)
            changed.append(clause.id)
    if not changed:
        return kept
    note = (
        f"for {len(changed)} clause(s) the deciding rater was named after the answers had been collected: "
        + ", ".join(changed)
    )
    return replace(
        kept,
        deciding=deciding,
        amended=tuple(dict.fromkeys((*kept.amended, *changed))),
        warnings=(*kept.warnings, note),
    )


def judge_id(judge: JudgeRequest) -> str:
    """Id of a judge: its model, and its rubric where that is not the usual one."""
    return rater_id(f"judge:{judge.model}", judge.rubric)
