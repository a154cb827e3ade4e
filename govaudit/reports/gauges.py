"""Gauges of one run: how well each rater agrees with the spec's labelled answers and with people.

Three kinds of gold. The spec's own labelled answers gauge whoever was given them (checks, judges, people),
pooled over clauses because there are few of each. Imported human ratings gauge every other rater arm by arm
and clause by clause, on the answers that both rated: a judge that reads one model or one clause well may fail
on another. People gauge each other. Where the truth is known, it takes the place of people, who are gauged
like everybody else, by arm and by clause. Sources are never pooled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from govaudit.records import Rater, RaterKind, Rating, Response
from govaudit.reports.document import GaugePart
from govaudit.reports.part import Estimate
from govaudit.scorers.gauge import SPEC_GOLD, Gauge, GoldItem, gauge
from govaudit.stats.coefficient import Coefficient
from govaudit.stats.verdict import LOWEST_GAUGE_KAPPA


def from_gold(gold: Mapping[str, Sequence[GoldItem]], raters: Iterable[Rater], seed: int) -> list[GaugePart]:
    """Gauges on the spec's labelled answers, one per rater that was given some."""
    return [
        _part(gauge(rater.id, rater.rubric, SPEC_GOLD, gold[rater.id], seed), None)
        for rater in raters
        if gold.get(rater.id)
    ]


def from_people(
    ratings: Sequence[Rating],
    raters: Sequence[Rater],
    responses: Sequence[Response],
    arms: Mapping[str, str],
    seed: int,
) -> list[GaugePart]:
    """Gauges against the people of this run, per arm and clause. ``arms``: digest -> name.

    The gold of a check, a judge or a likelihood is the majority of people; the gold of one person is the
    majority of the others; the gauge of ``people`` together is their agreement with each other (the first
    person against the majority of the others), a lower bound of how well a majority can be trusted. People
    whose rubric world truth applies too are no gold: see :func:`from_world`.
    """
    arm_of = {row.response: arms[row.arm] for row in responses if row.arm in arms}
    by_rater = _by_rater(ratings)
    known = {rater.rubric for rater in raters if rater.kind is RaterKind.WORLD}
    persons = [
        rater
        for rater in raters
        if rater.kind is RaterKind.PEOPLE
        and rater.id.partition(":")[0] == "person"
        and rater.rubric not in known
    ]
    if not persons:
        return []
    parts = []
    for rater in raters:
        # Gold is what people said under the same rubric: answers to another question are no gold.
        peers = [person for person in persons if person.rubric == rater.rubric] or persons
        if rater.id.partition(":")[0] == "people":
            if len(peers) < 2:
                continue
            gold, mine = _majority(by_rater, peers[1:]), by_rater[peers[0].id]
            named = f"{peers[0].id} against {_names(peers[1:])}"
        else:
            others = [person for person in peers if person.id != rater.id]
            if not others:
                continue
            gold, mine = _majority(by_rater, others), by_rater[rater.id]
            named = f"people of this run ({_names(others)})"
        items: dict[tuple[str, str], list[GoldItem]] = defaultdict(list)
        for (response, clause), value in gold.items():
            said = mine.get((response, clause))
            if said is not None and response in arm_of:
                items[arm_of[response], clause].append(
                    GoldItem(predicted=said.value, gold=value, cluster=said.cluster, clause=clause)
                )
        parts += [
            _part(
                gauge(rater.id, rater.rubric, f"{named}, arm {arm}, {clause}", items[arm, clause], seed),
                arm,
                clause,
            )
            for arm, clause in sorted(items)
        ]
    return parts


def from_world(
    ratings: Sequence[Rating],
    raters: Sequence[Rater],
    responses: Sequence[Response],
    arms: Mapping[str, str],
    seed: int,
) -> list[GaugePart]:
    """Gauges against world truth of every other rater of clauses, whatever its rubric, by arm over all
    clauses, and by clause over all arms. ``arms``: digest -> name."""
    arm_of = {row.response: arms[row.arm] for row in responses if row.arm in arms}
    by_rater = _by_rater(ratings)
    parts = []
    for truth in raters:
        for rater in raters:
            if truth.kind is not RaterKind.WORLD or rater.kind is RaterKind.WORLD:
                continue
            items: dict[tuple[str | None, str], list[GoldItem]] = defaultdict(list)
            for (response, clause), right in by_rater[truth.id].items():
                said = by_rater[rater.id].get((response, clause))
                if said is None or right.value is None or response not in arm_of:
                    continue
                item = GoldItem(said.value, right.value, said.cluster, clause)
                items[arm_of[response], f"arm {arm_of[response]}"].append(item)
                items[None, clause].append(item)
            order = [
                *((name, f"arm {name}") for name in arms.values()),
                *sorted(k for k in items if not k[0]),
            ]
            parts += [
                _part(
                    gauge(rater.id, rater.rubric, f"{truth.id} of this run, {name}", items[arm, name], seed),
                    arm,
                    None if arm else name,
                )
                for arm, name in order
                if (arm, name) in items
            ]
    return parts


def _by_rater(ratings: Sequence[Rating]) -> dict[str, dict[tuple[str, str], Rating]]:
    """Ratings of single answers by rater, response and clause."""
    table: dict[str, dict[tuple[str, str], Rating]] = defaultdict(dict)
    for rating in ratings:
        if len(rating.responses) == 1 and rating.clause is not None:
            table[rating.rater][rating.responses[0], rating.clause] = rating
    return table


def _names(persons: Sequence[Rater]) -> str:
    return ", ".join(person.id for person in persons)


def _majority(
    by_rater: Mapping[str, Mapping[tuple[str, str], Rating]], persons: Sequence[Rater]
) -> dict[tuple[str, str], float]:
    """Value that most persons gave; a tie is no gold."""
    votes: dict[tuple[str, str], list[float]] = defaultdict(list)
    for person in persons:
        for key, rating in by_rater[person.id].items():
            if rating.value is not None:
                votes[key].append(rating.value)
    shares = {key: sum(values) / len(values) for key, values in votes.items()}
    return {key: float(share > 0.5) for key, share in shares.items() if share != 0.5}


def speaking(gauges: Iterable[GaugePart], rater: str, clause: str, arm: str) -> GaugePart | None:
    """The gauge on which a rater's verdict on a clause of an arm rests; ``None`` = none covers it.

    Of those that cover the clause one made on this very arm goes before a general one, then the one with the
    most items: a judge that is good on other arms may fail on this one. And a judge that is good on other
    clauses may fail on this one: where it was measured on the clause itself and its kappa, with the whole
    interval, lies below what a certificate needs, no gauge that is pooled over clauses makes up for that.
    """
    mine = [gauge for gauge in gauges if gauge.rater == rater and gauge.arm in (None, arm)]
    if any(
        gauge.clause == clause and gauge.kappa.high is not None and gauge.kappa.high < LOWEST_GAUGE_KAPPA
        for gauge in mine
    ):
        return None
    covering = [gauge for gauge in mine if clause in gauge.covers]
    return max(covering, key=lambda gauge: (gauge.arm is not None, gauge.n, gauge.gold), default=None)


def _part(result: Gauge, arm: str | None, clause: str | None = None) -> GaugePart:
    return GaugePart(
        rater=result.rater,
        rubric=result.rubric,
        gold=result.gold,
        arm=arm,
        clause=clause,
        n=result.n,
        clusters=result.clusters,
        invalid=result.invalid,
        agreement=_estimate(result.agreement),
        kappa=_estimate(result.kappa),
        ac1=_estimate(result.ac1),
        positive_agreement=_estimate(result.positive_agreement),
        precision=_estimate(result.precision),
        recall=_estimate(result.recall),
        covers=result.covers,
        note=result.note,
    )


def _estimate(coefficient: Coefficient) -> Estimate:
    return Estimate(
        value=coefficient.value,
        low=coefficient.low,
        high=coefficient.high,
        undefined=coefficient.undefined,
    )
