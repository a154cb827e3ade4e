"""Whom a rater's verdicts favour, on data in which that was planted."""

from __future__ import annotations

import random

import pytest

from govaudit.records import Unscored
from govaudit.scorers.traits import (
    NO,
    YES,
    Said,
    binary,
    compared,
    invalid,
    length_slope,
    leniency,
    position,
    precision,
    recall,
    retest,
    self_preference,
)


def said(n: int, gold: str, label: str | None, **more: object) -> Said:
    missing = Unscored.INVALID_VERDICT if label is None else None
    return Said(f"i{n}", f"i{n}", gold, label, missing, **more)  # type: ignore[arg-type]


def test_an_invalid_verdict_is_counted_apart_and_a_class_only_where_asked() -> None:
    rows = [said(n, "a", "a") for n in range(8)] + [said(8, "b", "b"), said(9, "b", None)]
    assert invalid(rows) == {"invalid_verdict": 1}
    two = compared(rows, ("a", "b"), 0)
    assert two is not None
    assert (two.n_items, two.percent.value) == (9, 1.0)
    counted = compared(rows, ("a", "b"), 0, with_invalid=True)
    assert counted is not None
    assert counted.n_items == 10
    assert counted.percent.value == pytest.approx(0.9)
    assert compared([said(0, "a", None)], ("a", "b"), 0) is None


def test_precision_and_recall_are_those_of_a_class() -> None:
    rows = [said(n, g, s) for n, (g, s) in enumerate([("a", "a")] * 6 + [("b", "a")] * 2 + [("a", "b")] * 4)]
    assert precision(rows, "a").value == pytest.approx(6 / 8)
    assert recall(rows, "a").value == pytest.approx(6 / 10)
    assert precision(rows, "c").undefined == "the rater never says 'c'"
    assert recall(rows, "c").undefined == "gold has no 'c'"


def test_an_undecided_label_is_no_gold_and_no_verdict() -> None:
    rows = [said(0, "Yes", "No"), said(1, "Unsure", "Yes"), said(2, "No", "Unsure"), said(3, "No", None)]
    found = binary(rows, frozenset(("Yes",)), frozenset(("Unsure",)))
    assert [(one.gold, one.label, one.unscored) for one in found] == [
        (YES, NO, None),
        (NO, None, Unscored.UNDECIDED),
        (NO, None, Unscored.INVALID_VERDICT),
    ]


def test_leniency_is_the_rate_of_the_rater_minus_that_of_gold() -> None:
    rows = [said(n, YES if n < 40 else NO, YES if n < 20 else NO) for n in range(100)]
    found = leniency(rows)
    assert found.value == pytest.approx(-0.2)
    assert found.low is not None and found.high is not None
    assert found.low < -0.2 < found.high < 0
    assert leniency([said(0, YES, None)]).undefined == "there is no usable verdict"


def orders(n: int, gold: str, given: str | None, swapped: str | None) -> list[Said]:
    return [said(n, gold, given, swapped=False), said(n, gold, swapped, swapped=True)]


def test_a_judge_that_always_takes_the_first_answer_is_seen_to() -> None:
    rows = [one for n in range(40) for one in orders(n, "1" if n % 2 else "2", "1", "2")]
    found = position(rows, "tie")
    assert not isinstance(found, str)
    assert (found.items, found.consistency.value, found.first_shown.value) == (40, 0.0, 1.0)
    assert (found.always_first.value, found.always_second.value) == (1.0, 0.0)
    assert found.decided.value is None


def test_ties_are_consistent_and_favour_no_side() -> None:
    rows = orders(0, "1", "tie", "tie") + orders(1, "1", "1", "1") + orders(2, "1", "1", None)
    found = position(rows, "tie")
    assert not isinstance(found, str)
    # The third pair has no verdict in one order: it is in no share of pairs.
    assert (found.items, found.consistency.value) == (2, 1.0)
    assert (found.always_first.value, found.always_second.value) == (0.0, 0.0)
    assert found.first_shown.value == pytest.approx(2 / 3)
    assert (found.decided.value, found.decided.n_items) == (1.0, 1)


def test_position_needs_to_know_the_order() -> None:
    assert position([said(0, "1", "1")], "tie") == "in which order the answers were shown is not known"


def test_repetition_compares_like_with_like() -> None:
    rows = [said(n, "a", label, replicate=k) for n in range(20) for k, label in enumerate("aab", 1)]
    found = retest(rows, ("a", "b"), 0)
    assert not isinstance(found, str)
    assert found.items == 20
    assert found.agreement.value == pytest.approx(1 / 3)
    assert retest(orders(0, "1", "1", "2"), ("1", "2"), 0) == "no item was judged more than once in one order"


def test_a_verdict_that_follows_length_beyond_the_gold_is_seen() -> None:
    draw = random.Random(4)
    fair, led = [], []
    for n in range(400):
        gold = draw.choice("12")
        length = draw.gauss(1.0 if gold == "1" else -1.0, 1.0)
        wrong = draw.random() < 0.2
        fair.append(said(n, gold, ("2" if gold == "1" else "1") if wrong else gold, length=length))
        led.append(said(n, gold, "1" if length > 0 else "2", length=length))
    one, two = length_slope(fair, "1", 0), length_slope(led, "1", 0)
    assert one.low is not None and one.high is not None and one.low < 0 < one.high
    assert two.low is not None and two.low > 0.1
    assert length_slope([said(0, "1", "1")], "1", 0).undefined == "the texts of the answers are not known"


def test_a_liking_for_its_own_answers_is_seen() -> None:
    draw = random.Random(1)
    rows = []
    for n in range(400):
        gold, own = draw.choice("12"), draw.choice((-1.0, 1.0))
        likes = draw.random() < 0.3
        rows.append(said(n, gold, ("1" if own > 0 else "2") if likes else gold, own=own))
    found = self_preference(rows, "1", 0)
    # Two of own's three values are drawn: half of .3 goes to the first answer for each step.
    assert found.low is not None and found.high is not None and found.low < 0.15 < found.high
    assert found.low > 0
    unknown = self_preference([said(0, "1", "1")], "1", 0)
    assert unknown.undefined == "it is not known which answers are of the judge's own model"
    others = self_preference([said(0, "1", "1", own=0.0)], "1", 0)
    assert others.undefined == "no answer is of the judge's own model"
