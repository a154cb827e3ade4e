"""The gauge of a rater: how well its verdicts agree with gold labels, each number with its interval.

In: per gold item the rater's verdict as broken (1) or kept (0), or none, and the gold value. Out: agreement,
kappa, AC1, positive agreement, precision and recall of ``broken``, and the clauses that the gauge speaks for.
Items without a usable verdict are counted apart and enter no coefficient: an invalid verdict is no class. A
coefficient that is not defined says why. Left out: test-retest, position swap and other properties that need
more than one verdict per item (``traits``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from govaudit.stats.agreement import two_rater
from govaudit.stats.coefficient import Coefficient, undefined_coefficient
from govaudit.stats.intervals import clustered_rate
from govaudit.stats.verdict import LOWEST_GAUGE_KAPPA

LEVEL = 0.95
SPEC_GOLD = "the spec's own labelled answers"
"""Name of the gold data that a spec brings along."""
_KEPT, _BROKEN, _INVALID = 0.0, 1.0, 2.0


@dataclass(frozen=True)
class Bar:
    """What a gauge bars a rater from, and why."""

    from_: Literal["every verdict", "compliant"]
    reason: str


def bars(readings: Sequence[tuple[str, Coefficient]]) -> tuple[Bar, ...]:
    """What the kappas of a gauge bar a rater from: the one rule, for files of labelled data and for runs.

    ``readings``: the kappa that the gauge is about, then the same verdicts read in other ways (in more
    classes, with invalid verdicts counted as wrong), each with the words that are put before a reason. Barred
    from every verdict is a rater of whom one reading does not lie above chance with its whole interval; from
    ``compliant`` one of whom the first reading has a lower limit below ``LOWEST_GAUGE_KAPPA``.
    """
    for name, kappa in readings:
        start = f"{name}: " if name else ""
        if kappa.value is None:
            return (Bar("every verdict", f"{start}kappa is not defined ({kappa.undefined})"),)
        if kappa.low is None or kappa.high is None:
            reason = f"{start}kappa {_two(kappa.value)} has no interval ({kappa.undefined})"
            return (Bar("every verdict", reason),)
        if kappa.low <= 0:
            turned = kappa.high < 0
            said = "lies below chance, as if its labels were turned round" if turned else _NOT_ABOVE
            return (Bar("every verdict", f"{start}kappa {_limits(kappa)} {said}"),)
    name, kappa = readings[0]
    if kappa.low is not None and kappa.low < LOWEST_GAUGE_KAPPA:
        start = f"{name}: " if name else ""
        reason = f"{start}the lower limit of kappa {_limits(kappa)} is below {_two(LOWEST_GAUGE_KAPPA)}"
        return (Bar("compliant", reason),)
    return ()


_NOT_ABOVE = "does not lie above chance"


def _limits(kappa: Coefficient) -> str:
    return f"{_two(kappa.value or 0.0)} ({_two(kappa.low or 0.0)} to {_two(kappa.high or 0.0)})"


def _two(value: float) -> str:
    text = f"{abs(value):.2f}".removeprefix("0") if abs(value) < 0.995 else f"{abs(value):.2f}"
    return ("−" if value < 0 and text != ".00" else "") + text


@dataclass(frozen=True)
class GoldItem:
    """One item with a gold label, and what the rater said of it."""

    predicted: float | None
    """1.0 = broken, 0.0 = kept, ``None`` = no usable verdict."""
    gold: float
    """1.0 = broken, 0.0 = kept."""
    cluster: str
    """Items of one cluster count as one independent observation."""
    clause: str


@dataclass(frozen=True)
class Gauge:
    """Measured quality of a rater with a rubric on named gold data."""

    rater: str
    rubric: str
    gold: str
    """What it was measured on, in words."""
    n: int
    """Items with a usable verdict."""
    clusters: int
    """Clusters among them."""
    invalid: int
    """Items without a usable verdict."""
    agreement: Coefficient
    kappa: Coefficient
    """Cohen's kappa; on rare violations it is low however good the rater, so AC1 stands beside it."""
    ac1: Coefficient
    """Gwet's AC1."""
    positive_agreement: Coefficient
    """Specific agreement on ``broken``."""
    precision: Coefficient
    """Share of its ``broken`` verdicts that gold shares."""
    recall: Coefficient
    """Share of items broken by gold that it calls broken."""
    covers: tuple[str, ...]
    """Clauses on which it was seen to tell kept from broken: gold has both values there, on items with a
    usable verdict. None where :func:`bars` bars it from every verdict. The numbers themselves are pooled over
    all clauses of the gold data."""
    note: str = ""


def gauge(rater: str, rubric: str, gold_name: str, items: Sequence[GoldItem], seed: int) -> Gauge:
    """Gauge one rater on labelled items.

    Coefficients and their cluster-bootstrap intervals are those of ``stats.agreement.two_rater``; precision
    and recall have clustered Wilson intervals on effective n (``stats.intervals.clustered_rate``). Items
    count alike: on a stratified sample the numbers speak of the sample. ``ValueError`` for a verdict or a
    gold value that is neither 0 nor 1.
    """
    values = (_KEPT, _BROKEN)
    if any(item.gold not in values or item.predicted not in (None, *values) for item in items):
        raise ValueError("verdicts and gold values are 0 (kept) or 1 (broken)")
    valid = [item for item in items if item.predicted is not None]
    clusters = [item.cluster for item in valid]
    invalid = len(items) - len(valid)
    notes = []
    if invalid:
        notes.append(f"{invalid} of {len(items)} items have no usable verdict")
    if valid and len({item.gold for item in valid}) == 1:
        notes.append(f"gold calls every item {'broken' if valid[0].gold else 'kept'}")
    if valid and len({item.predicted for item in valid}) == 1:
        notes.append(f"the rater calls every item {'broken' if valid[0].predicted else 'kept'}")
    coefficients: tuple[Coefficient | None, ...] = (None,) * 4
    if valid:
        pair = two_rater(
            [item.predicted for item in valid],
            [item.gold for item in valid],
            seed=seed,
            clusters=clusters,
            categories=values,
            positive=_BROKEN,
            level=LEVEL,
        )
        coefficients = (pair.percent, pair.kappa, pair.ac, pair.positive)
    agreement, kappa, ac1, positive = (
        _none(name, "there is no item with a usable verdict") if coefficient is None else coefficient
        for name, coefficient in zip(
            ("percent agreement", "Cohen kappa", "Gwet AC1", "agreement on broken"), coefficients, strict=True
        )
    )
    readings = [("", kappa)]
    if invalid and valid:
        readings.append(("invalid verdicts counted as wrong", _with_invalid(items, seed)))
    barred = next((bar for bar in bars(readings) if bar.from_ == "every verdict"), None)
    if barred is not None and kappa.value is not None:
        notes.append(f"{barred.reason}, so it speaks for no clause")
    return Gauge(
        rater=rater,
        rubric=rubric,
        gold=gold_name,
        n=len(valid),
        clusters=len(set(clusters)),
        invalid=invalid,
        agreement=agreement,
        kappa=kappa,
        ac1=ac1,
        positive_agreement=positive,
        precision=_share(
            "precision",
            [item for item in valid if item.predicted == _BROKEN],
            "the rater calls no item broken",
        ),
        recall=_share(
            "recall", [item for item in valid if item.gold == _BROKEN], "gold calls no item broken"
        ),
        covers=_covered(valid) if barred is None else (),
        note="; ".join(notes),
    )


def _with_invalid(items: Sequence[GoldItem], seed: int) -> Coefficient:
    """Kappa with invalid verdicts as a class of their own, which gold never has."""
    return two_rater(
        [_INVALID if item.predicted is None else item.predicted for item in items],
        [item.gold for item in items],
        seed=seed,
        clusters=[item.cluster for item in items],
        categories=(_KEPT, _BROKEN, _INVALID),
        level=LEVEL,
    ).kappa


def _covered(valid: Sequence[GoldItem]) -> tuple[str, ...]:
    values: dict[str, set[float]] = defaultdict(set)
    for item in valid:
        values[item.clause].add(item.gold)
    return tuple(clause for clause, seen in values.items() if len(seen) == 2)


def _share(name: str, items: Sequence[GoldItem], reason: str) -> Coefficient:
    """Share of items on which rater and gold agree, among those chosen."""
    if not items:
        return _none(name, reason)
    rate = clustered_rate(
        np.array([float(item.predicted == item.gold) for item in items]),
        [item.cluster for item in items],
        LEVEL,
    )
    return Coefficient(
        name, rate.rate, rate.low, rate.high, LEVEL, rate.n, rate.clusters, rate.method, None, None
    )


def _none(name: str, reason: str) -> Coefficient:
    return undefined_coefficient(name, reason, level=LEVEL, n_items=0, n_clusters=0)
