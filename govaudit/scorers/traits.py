"""What is measured of a rater on gold labels besides plain agreement: who is favoured, and how steadily.

In: what a rater said of items with a gold label, in words of the gold's classes, perhaps several times and in
both orders. Out: coefficients with intervals over clusters: agreement by class, position, repetition, length,
self-preference, leniency. An invalid verdict is no class and enters none of them. Left out: what a gauge bars
a rater from (``gauge``), reading files and asking judges (``govaudit.gauge``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from govaudit.records import Unscored
from govaudit.scorers.gauge import LEVEL
from govaudit.stats.agreement import TwoRater, agreement, two_rater
from govaudit.stats.coefficient import Coefficient, undefined_coefficient
from govaudit.stats.counts import count_long
from govaudit.stats.intervals import clustered_rate, paired_rate_difference
from govaudit.stats.slope import stratified_slope

INVALID = "invalid"
"""The class that invalid verdicts form where somebody counts them as one."""


@dataclass(frozen=True)
class Said:
    """What a rater said once of one item that has a gold label."""

    item: str
    cluster: str
    """Items of one cluster count as one independent observation."""
    gold: str
    label: str | None
    """A class; ``None`` exactly where ``unscored`` is set."""
    unscored: Unscored | None = None
    swapped: bool | None = None
    """Of a pair: was the second answer shown first? The label is mapped back. ``None``: not known."""
    replicate: int = 1
    length: float | None = None
    """Binary logarithm of the answer's words; of a pair, that of first over second."""
    own: float | None = None
    """1 where the answer is of the judge's own model, else 0; of a pair -1 where the second is. ``None``: not
    known."""


def usable(said: Iterable[Said]) -> list[Said]:
    return [one for one in said if one.label is not None]


def invalid(said: Iterable[Said]) -> dict[str, int]:
    """How many verdicts are none, by kind, the most frequent first."""
    kinds: dict[str, int] = defaultdict(int)
    for one in said:
        if one.unscored is not None:
            kinds[one.unscored.value] += 1
    return dict(sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0])))


def binary(said: Iterable[Said], positive: frozenset[str], undecided: frozenset[str]) -> list[Said]:
    """The same in two classes, ``yes`` and ``no``; an undecided gold label is none, an undecided verdict is
    unscored."""
    out = []
    for one in said:
        if one.gold in undecided:
            continue
        label, unscored = one.label, one.unscored
        if label in undecided:
            label, unscored = None, Unscored.UNDECIDED
        out.append(
            Said(
                one.item,
                one.cluster,
                YES if one.gold in positive else NO,
                None if label is None else YES if label in positive else NO,
                unscored,
                one.swapped,
                one.replicate,
                one.length,
                one.own,
            )
        )
    return out


YES, NO = "yes", "no"


def compared(
    said: Sequence[Said], classes: Sequence[str], seed: int, *, with_invalid: bool = False
) -> TwoRater | None:
    """The rater's labels (rows) against gold (columns), ``None`` where no verdict is usable.

    ``with_invalid``: invalid verdicts form a class of their own, with which gold never agrees. Some published
    figures count so; it is no measure of the rater's judgement.
    """
    used = list(said) if with_invalid else usable(said)
    if not usable(said):
        return None
    return two_rater(
        [one.label or INVALID for one in used],
        [one.gold for one in used],
        seed=seed,
        clusters=[one.cluster for one in used],
        categories=(*classes, INVALID) if with_invalid else tuple(classes),
        level=LEVEL,
    )


def precision(said: Sequence[Said], label: str) -> Coefficient:
    """Share of the rater's ``label`` verdicts that gold shares; clustered Wilson."""
    chosen = [one for one in usable(said) if one.label == label]
    return _share("precision", chosen, lambda one: one.gold == label, f"the rater never says {label!r}")


def recall(said: Sequence[Said], label: str) -> Coefficient:
    """Share of the items that are ``label`` by gold of which the rater says so; clustered Wilson."""
    chosen = [one for one in usable(said) if one.gold == label]
    return _share("recall", chosen, lambda one: one.label == label, f"gold has no {label!r}")


def leniency(said: Sequence[Said]) -> Coefficient:
    """Share of ``yes`` of the rater minus that of gold, on the same items (Tango 1998 on effective pairs)."""
    name, used = "rate of the rater minus rate of gold", usable(said)
    if not used:
        return _none(name, "there is no usable verdict")
    clusters = [one.cluster for one in used]
    found = paired_rate_difference(
        [float(one.label == YES) for one in used], [float(one.gold == YES) for one in used], clusters, LEVEL
    )
    return Coefficient(
        name, found.value, found.low, found.high, LEVEL, len(used), len(set(clusters)), found.method
    )


@dataclass(frozen=True)
class Position:
    """How verdicts on pairs depend on which answer is shown first. Shares with intervals over clusters."""

    items: int
    """Pairs with a usable verdict in both orders."""
    consistency: Coefficient
    """Share of these with the same verdict in both orders."""
    first_shown: Coefficient
    """Share of all verdicts, ties apart, for the answer shown first; one half without bias."""
    always_first: Coefficient
    """Share of pairs in which the answer shown first wins in both orders."""
    always_second: Coefficient
    decided: Coefficient
    """Of the pairs with one verdict in both orders: share that gold shares."""


def position(said: Sequence[Said], tie: str) -> Position | str:
    """Position of a rater of pairs, or why it cannot be said."""
    used = [one for one in usable(said) if one.swapped is not None]
    if not used:
        return "in which order the answers were shown is not known"
    orders: dict[tuple[str, int], dict[bool, Said]] = defaultdict(dict)
    for one in used:
        orders[one.item, one.replicate][bool(one.swapped)] = one
    both = [(found[False], found[True]) for found in orders.values() if len(found) == 2]

    def shown_first(one: Said) -> bool:
        return one.label == ("2" if one.swapped else "1")

    def shown_second(one: Said) -> bool:
        return one.label == ("1" if one.swapped else "2")

    apart = [one for one in used if one.label != tie]
    why = "no pair has a usable verdict in both orders"

    def of_pairs(name: str, holds: Sequence[bool], chosen: Sequence[tuple[Said, Said]]) -> Coefficient:
        return _rate(name, holds, [one.cluster for one, _ in chosen], why)

    same = [(one, two) for one, two in both if one.label == two.label]
    decided = [(one, two) for one, two in same if one.label != tie]
    return Position(
        len(both),
        of_pairs("consistency", [one.label == two.label for one, two in both], both),
        _share("shown first", apart, shown_first, "every verdict is a tie"),
        of_pairs("always first", [shown_first(o) and shown_first(t) for o, t in both], both),
        of_pairs("always second", [shown_second(o) and shown_second(t) for o, t in both], both),
        of_pairs("right where both orders agree", [one.label == one.gold for one, _ in decided], decided),
    )


@dataclass(frozen=True)
class Retest:
    """How a rater agrees with itself when asked the same again."""

    items: int
    """Items that were asked more than once, in one order."""
    agreement: Coefficient
    alpha: Coefficient
    """Krippendorff's alpha, nominal."""


def retest(said: Sequence[Said], classes: Sequence[str], seed: int) -> Retest | str:
    """Agreement over replicates of one item in one order, or why it cannot be said."""
    groups: dict[tuple[str, bool | None], list[Said]] = defaultdict(list)
    for one in usable(said):
        groups[one.item, one.swapped].append(one)
    again = {key: found for key, found in groups.items() if len(found) > 1}
    if not again:
        return "no item was judged more than once in one order"
    rows = [(key, one) for key, found in again.items() for one in found]
    table = count_long([key for key, _ in rows], [one.label for _, one in rows], tuple(classes))
    clusters = [again[key][0].cluster for key in table.items]
    found = agreement(table, seed=seed, clusters=clusters, level=LEVEL)
    return Retest(len(again), found.percent, found.alpha)


def length_slope(said: Sequence[Said], yes: str, seed: int, tie: str = "") -> Coefficient:
    """Change of P(verdict ``yes``) per doubling of the answer's length (of a pair: of the ratio of lengths),
    among items with the same gold label."""
    used = [one for one in usable(said) if one.length is not None]
    return _follows(
        "verdict per doubling of length", used, [one.length or 0.0 for one in used], yes, seed, tie
    )


def self_preference(said: Sequence[Said], yes: str, seed: int, tie: str = "") -> Coefficient:
    """Change of P(verdict ``yes``) where the answer is of the judge's own model, among items with the same
    gold label (of a pair: where the first answer is, rather than neither or the second)."""
    name = "verdict on answers of the judge's own model"
    used = [one for one in usable(said) if one.own is not None]
    if not used:
        return _none(name, "it is not known which answers are of the judge's own model")
    if not any(one.own for one in used):
        return _none(name, "no answer is of the judge's own model")
    return _follows(name, used, [one.own or 0.0 for one in used], yes, seed, tie)


def _follows(
    name: str, used: Sequence[Said], regressor: Sequence[float], yes: str, seed: int, tie: str
) -> Coefficient:
    if not used:
        return _none(name, "the texts of the answers are not known")
    return stratified_slope(
        [0.5 if one.label == tie else float(one.label == yes) for one in used],
        regressor,
        [one.gold for one in used],
        seed=seed,
        name=name,
        clusters=[one.cluster for one in used],
        level=LEVEL,
    )


def _share(name: str, chosen: Sequence[Said], holds: Callable[[Said], bool], reason: str) -> Coefficient:
    return _rate(name, [holds(one) for one in chosen], [one.cluster for one in chosen], reason)


def _rate(name: str, holds: Sequence[bool], clusters: Sequence[str], reason: str) -> Coefficient:
    if not holds:
        return _none(name, reason)
    rate = clustered_rate(np.array(holds, dtype=np.float64), clusters, LEVEL)
    return Coefficient(name, rate.rate, rate.low, rate.high, LEVEL, rate.n, rate.clusters, rate.method)


def _none(name: str, reason: str) -> Coefficient:
    return undefined_coefficient(name, reason, level=LEVEL, n_items=0, n_clusters=0)
