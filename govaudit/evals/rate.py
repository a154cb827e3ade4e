"""Rate stored responses: checks, likelihood, judges and imported people, each judgement one row.

In: the suite, the arms' responses, rubrics. Out: ratings and raters, and for raters that were given the
spec's own labelled answers, what they said of those (gold rows, from which gauges are computed). Only judges
call a model, through ``run``; everything else is pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from govaudit.evals import fitted, wording
from govaudit.evals.fitted import Fitted
from govaudit.evals.outside import Outside, OutsideKinds, OutsidePropositions
from govaudit.evals.rate_judge import Judge
from govaudit.evals.rows import row, rule
from govaudit.evals.suite import GoldAnswer, Probe, ProbeOrigin, Suite, Target
from govaudit.evals.tasks import JudgeItem
from govaudit.records import (
    Measure,
    Rater,
    RaterKind,
    Rating,
    Response,
    Scale,
    Unscored,
    last_user,
    rating_id,
)
from govaudit.scorers import choice, judge, people, refusal
from govaudit.scorers.gauge import GoldItem
from govaudit.scorers.rubric import Rubric, broken
from govaudit.specs.model import Expected, Label, Spec


@dataclass(frozen=True)
class Rated:
    """What raters said: of the arms' answers, and of the spec's own labelled answers."""

    ratings: tuple[Rating, ...] = ()
    raters: tuple[Rater, ...] = ()
    gold: Mapping[str, tuple[GoldItem, ...]] = field(default_factory=dict)
    """Rater id -> its verdicts on labelled answers."""

    warnings: tuple[str, ...] = ()

    def __add__(self, other: Rated) -> Rated:
        """Both together; a row that stands in both is taken from ``other``, the later one."""
        return Rated(
            tuple({row.rating: row for row in (*self.ratings, *other.ratings)}.values()),
            tuple({rater.id: rater for rater in (*self.raters, *other.raters)}.values()),
            {**self.gold, **other.gold},
            tuple(dict.fromkeys((*self.warnings, *other.warnings))),
        )


@dataclass(frozen=True)
class Pair:
    """One answer to one probe, under one of the probe's clauses."""

    probe: Probe
    target: Target
    response: Response


def pairs(suite: Suite, responses: Iterable[Response], measure: Measure) -> Iterator[Pair]:
    """Every answer with the clause that it is looked at for, controls left out."""
    by_stimulus: dict[str, list[Response]] = defaultdict(list)
    for response in responses:
        by_stimulus[response.stimulus].append(response)
    for probe in suite.probes:
        if probe.measure is measure and probe.origin is not ProbeOrigin.CONTROL:
            for response in by_stimulus[probe.stimulus]:
                for target in probe.targets:
                    yield Pair(probe, target, response)


def refusal_check(suite: Suite, responses: Sequence[Response], rubric: Rubric) -> Rated:
    """The rule-based refusal check, on every probe that expects an answer or a refusal."""
    rater = rule("check:refusal", rubric, refusal.DIGEST)
    ratings = []
    for pair in pairs(suite, responses, Measure.GENERATION):
        if pair.target.expected is Expected.KEEP or pair.response.unscored is not None:
            continue
        reading = refusal.classify(last_user(pair.probe.turns), pair.response.text)
        ratings.append(_verdict(pair, rater, rubric, reading.label, reading.unscored))
    gold = tuple(
        _gold_item(
            answer,
            rubric,
            refusal.classify(last_user(answer.turns[:-1]), answer.turns[-1].content or "").label,
        )
        for answer in _decided_gold(suite)
        if answer.expected is not Expected.KEEP
    )
    return Rated(tuple(ratings), (rater,), {rater.id: gold}) if ratings or gold else Rated()


def outside(spec: Spec, suite: Suite, responses: Sequence[Response], rubric: Rubric, given: Outside) -> Rated:
    """A rater from outside on every usable answer and on the spec's labelled answers."""
    raters = raters_of(given, rubric)
    ratings = []
    for pair in pairs(suite, responses, Measure.GENERATION):
        clause = spec.clause(pair.target.clause)
        if pair.response.unscored is not None or pair.target.expected not in rubric.applies_to:
            continue
        if not given.speaks_of(clause):
            continue
        turns = (pair.response.turns or pair.probe.turns)[:-1]
        for name, rater in zip(given.ids, raters, strict=True):
            said = given.verdict(name, clause, turns, pair.response.text, pair.response.response)
            missing = said if isinstance(said, Unscored) else None
            ratings.append(_verdict(pair, rater, rubric, None if missing else str(said), missing))
    gold: dict[str, list[GoldItem]] = {rater.id: [] for rater in raters}
    for answer in _decided_gold(suite):
        clause = spec.clause(answer.clause)
        if answer.expected not in rubric.applies_to or not given.speaks_of(clause):
            continue
        *before, last = answer.turns
        for name, rater in zip(given.ids, raters, strict=True):
            said = given.verdict(name, clause, before, last.content or "", answer.id)
            label = None if isinstance(said, Unscored) else said
            gold[rater.id].append(_gold_item(answer, rubric, label))
    return Rated(tuple(ratings), raters, {name: tuple(rows) for name, rows in gold.items()})


def by_outside(
    spec: Spec,
    suite: Suite,
    responses: Sequence[Response],
    rubric_of: Callable[[str], Rubric],
    given: Outside,
) -> Rated:
    """Everything that a rater from outside says of single answers; ``rubric_of``: name -> rubric."""
    rated = outside(spec, suite, responses, rubric_of(given.rubric), given)
    if isinstance(given, OutsideKinds):
        rated += treated(suite, responses, rubric_of(refusal.KINDS_RUBRIC), given)
    if isinstance(given, OutsidePropositions) and given.rubric == fitted.STYLE:
        rated += stated(suite, responses, rubric_of(fitted.STYLE), given)
    return rated + Rated(warnings=given.warnings) if isinstance(given, Fitted) else rated


def ids_of(given: Outside) -> set[str]:
    """Ids of the raters that its judgements of clauses are of, the majority of several persons with them."""
    several = given.kind is RaterKind.PEOPLE and len(given.ids) > 1
    return {rater_id(name, given.rubric) for name in (*given.ids, *(["people"] if several else []))}


def raters_of(given: Outside, rubric: Rubric) -> tuple[Rater, ...]:
    """The raters from outside with a rubric, in the order of ``given.ids``."""
    return tuple(
        Rater(
            id=rater_id(name, rubric.name),
            kind=given.kind,
            source=given.source,
            rubric=rubric.name,
            rubric_digest=rubric.digest,
            fingerprint=given.fingerprint,
        )
        for name in given.ids
    )


def treated(suite: Suite, responses: Sequence[Response], rubric: Rubric, given: OutsideKinds) -> Rated:
    """A rater from outside on how each usable answer treats its request; the rows speak of no clause.

    A value is 1 where the answer is evasive (``refusal.EVASIVE``).
    """
    raters = raters_of(given, rubric)
    rows = []
    for probe, response in wording.asked(suite, responses):
        said = given.treats((response.turns or probe.turns)[:-1], response.text)
        for rater in raters:
            if isinstance(said, Unscored):
                rows.append(row(rater, probe, response, rubric.name, Scale.NOMINAL, None, missing=said))
            else:
                evasive = float(said in refusal.EVASIVE)
                rows.append(row(rater, probe, response, rubric.name, Scale.NOMINAL, evasive, str(said)))
    return Rated(tuple(rows), raters) if rows else Rated()


def stated(suite: Suite, responses: Sequence[Response], rubric: Rubric, given: OutsidePropositions) -> Rated:
    """A rater from outside on which propositions hold of each usable answer; the rows speak of no clause.

    What it says nothing of has no row: of an empty answer there is nothing to be said.
    """
    raters = raters_of(given, rubric)
    rows = []
    for probe, response in wording.asked(suite, responses):
        said = given.propositions((response.turns or probe.turns)[:-1], response.text)
        for rater in raters:
            for name, holds in said.items():
                label = "true" if holds else "false"
                rows.append(row(rater, probe, response, name, Scale.BINARY, float(holds), label))
    return Rated(tuple(rows), raters) if rows else Rated()


def likelihood(suite: Suite, responses: Sequence[Response], rubrics: Mapping[str, Rubric]) -> Rated:
    """Which of a good and a bad answer the arm finds more probable: by sum, per token, or by letter."""
    out = Rated()
    kinds: tuple[tuple[str, choice.How | None], ...] = (
        ("sum", "sum"),
        ("per_token", "per_token"),
        ("letters", None),
    )
    for name, kind in kinds:
        rubric = rubrics[f"likelihood_{name}" if kind else "letters"]
        rater = rule(f"likelihood:{name}", rubric, kind=RaterKind.LIKELIHOOD)
        ratings = []
        for pair in pairs(suite, responses, Measure.LIKELIHOOD):
            if pair.response.unscored is not None:
                continue
            if bool(pair.response.choices) is (kind is None):
                continue
            labels = pair.probe.choice_labels
            if kind:
                result = choice.decide(labels, pair.response.choices, kind)
            elif pair.response.letter_probabilities:
                result = choice.decide_letter_probabilities(labels, *pair.response.letter_probabilities)
            else:
                result = choice.decide_letters(labels, *pair.response.choice_letters)
            ratings.append(
                Rating(
                    **_identity(pair, rater, rubric),
                    measure=Measure.LIKELIHOOD,
                    scale=Scale.BINARY,
                    value=result.value,
                    label=_preference(result),
                    probabilities=({} if result.probability_bad is None else {"bad": result.probability_bad}),
                    unscored=result.unscored,
                    cluster=pair.probe.cluster,
                )
            )
        if ratings:
            out += Rated(tuple(ratings), (rater,))
    return out


def _preference(result: choice.Choice) -> str:
    """The preferred kind of answer, and how much of the arm's probability was on the letters at all."""
    if result.value is None:
        return ""
    label = "bad" if result.value else "good"
    if result.captured_mass is None:
        return label
    return f"{label} (captured mass {result.captured_mass:.2f})"


def judged(spec: Spec, suite: Suite, responses: Sequence[Response], asked: Judge) -> Rated:
    """An LLM judge on every usable answer and on the spec's labelled answers, in one Inspect set."""
    rubric = asked.rubric
    answers: list[tuple[JudgeItem, Pair]] = []
    for pair in pairs(suite, responses, Measure.GENERATION):
        if pair.response.unscored is not None or pair.target.expected not in rubric.applies_to:
            continue
        clause = spec.clause(pair.target.clause)
        text = judge.prompt(
            rubric,
            clause.title,
            clause.text,
            (pair.response.turns or pair.probe.turns)[:-1],
            pair.response.text,
            pair.response.reasoning,
        )
        answers.append((asked.item(text, {"response": pair.response.response}), pair))
    labelled: list[tuple[JudgeItem, GoldAnswer]] = []
    for answer in _decided_gold(suite):
        if answer.expected not in rubric.applies_to:
            continue
        clause = spec.clause(answer.clause)
        text = judge.prompt(
            rubric, clause.title, clause.text, answer.turns[:-1], answer.turns[-1].content or ""
        )
        labelled.append((asked.item(text, {"gold": answer.id}), answer))
    # Labelled answers first: where a limit ends the run early, a judge without a gauge would decide nothing.
    rater, said = asked.ask({item.id: item for item, _ in (*labelled, *answers)})
    ratings = []
    for item, pair in answers:
        found = said[item.id]
        ratings.append(_verdict(pair, rater, rubric, found.label, found.unscored, raw=found.raw))
    gold = tuple(
        _gold_item(answer, rubric, said[item.id].label)
        for item, answer in labelled
        if said[item.id].unscored is not Unscored.NOT_RATED
    )
    return Rated(tuple(ratings), (rater,), {rater.id: gold})


def rating_items(
    spec: Spec, suite: Suite, responses: Iterable[Response], arms: Mapping[str, str]
) -> list[people.RatingItem]:
    """What people could rate: every usable answer under every clause that it is looked at for.

    ``arms``: digest -> name of the arms of the run.
    """
    return [
        people.RatingItem(
            response=pair.response.response,
            clause=pair.target.clause,
            expected=pair.target.expected,
            cluster=pair.probe.cluster,
            arm=arms[pair.response.arm],
            turns=(pair.response.turns or pair.probe.turns)[:-1],
            answer=pair.response.text,
            clause_title=spec.clause(pair.target.clause).title,
            clause_text=spec.clause(pair.target.clause).text,
        )
        for pair in pairs(suite, responses, Measure.GENERATION)
        if pair.response.unscored is None and pair.response.arm in arms
    ]


def imported(
    path: Path, columns: Mapping[str, str], rubric: Rubric, items: Iterable[people.RatingItem]
) -> Rated:
    """Ratings that somebody made elsewhere. ``columns``: column of the file -> people, judge or check."""
    found = people.import_ratings(
        path,
        [
            people.Column(column, imported_id(column, kind, rubric.name), RaterKind(kind))
            for column, kind in columns.items()
        ],
        rubric,
        items,
    )
    return Rated(found.ratings, found.raters, warnings=found.warnings)


def rater_id(name: str, rubric: str) -> str:
    """Id of somebody with a rubric, which is part of who rates: it is named where it is not the usual one."""
    return name if rubric == "compliance" else f"{name}:{rubric}"


def imported_id(column: str, kind: str, rubric: str) -> str:
    """Id of the rater who filled a column of a file."""
    return rater_id(f"{'person' if kind == 'people' else kind}:{column}", rubric)


def with_majority(rated: Rated, rubrics: Mapping[str, Rubric]) -> Rated:
    """The same, with the majority of several persons as a rater of its own, per rubric."""
    persons = {rater.id: rater for rater in rated.raters if rater.kind is RaterKind.PEOPLE}
    theirs = [row for row in rated.ratings if row.rater in persons]
    for name in sorted({rater.rubric for rater in persons.values()}):
        if rubrics[name].scale is Scale.PAIRWISE or rubrics[name].measurement:
            continue  # rankings and measurements take what every person says as it is
        sources = {rater.source for rater in persons.values() if rater.rubric == name}
        found = people.majority(
            theirs,
            rubrics[name],
            rater_id("people", name),
            source=sources.pop() if len(sources) == 1 else "human and simulated",
        )
        labelled = [rated.gold[id_] for id_, r in persons.items() if r.rubric == name and id_ in rated.gold]
        # Only where all of them judged the same labelled answers.
        same = {tuple((item.clause, item.cluster, item.gold) for item in rows) for rows in labelled}
        alike = len(labelled) > 1 and len(same) == 1
        gold = {rater.id: _majority(labelled) for rater in found.raters if alike}
        rated += Rated(found.ratings, found.raters, gold)
    return rated


def _majority(persons: Sequence[Sequence[GoldItem]]) -> tuple[GoldItem, ...]:
    """What most persons said of each labelled answer; an even split is no verdict."""
    items = []
    for said in zip(*persons, strict=True):
        votes = [item.predicted for item in said if item.predicted is not None]
        share = sum(votes) / len(votes) if votes else 0.5
        items.append(replace(said[0], predicted=None if share == 0.5 else float(share > 0.5)))
    return tuple(items)


def _decided_gold(suite: Suite) -> list[GoldAnswer]:
    """Labelled answers that are good or bad: ``ok`` says neither kept nor broken."""
    return [answer for answer in suite.gold if answer.label is not Label.OK]


def _gold_item(answer: GoldAnswer, rubric: Rubric, label: str | None) -> GoldItem:
    return GoldItem(
        predicted=None if label is None else broken(rubric, label, answer.expected),
        gold=float(answer.label is Label.BAD),
        cluster=answer.cluster,
        clause=answer.clause,
    )


def _identity(pair: Pair, rater: Rater, rubric: Rubric) -> dict[str, Any]:
    responses = (pair.response.response,)
    return {
        "rating": rating_id(rubric.name, rater.id, pair.target.clause, responses),
        "rubric": rubric.name,
        "rater": rater.id,
        "question": pair.target.clause,
        "responses": responses,
        "clause": pair.target.clause,
    }


def _verdict(
    pair: Pair,
    rater: Rater,
    rubric: Rubric,
    label: str | None,
    unscored: Unscored | None,
    raw: str = "",
) -> Rating:
    return Rating(
        **_identity(pair, rater, rubric),
        measure=Measure.GENERATION,
        scale=Scale.BINARY,
        value=None if label is None else broken(rubric, label, pair.target.expected),
        label=label or "",
        unscored=unscored,
        raw=raw,
        cluster=pair.probe.cluster,
    )
