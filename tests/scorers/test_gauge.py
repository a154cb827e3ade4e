"""Gauges: numbers by hand, what they leave out, and the published XSTest figures."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from govaudit.scorers import refusal
from govaudit.scorers.gauge import Gauge, GoldItem, bars, gauge
from govaudit.scorers.rubric import broken, load, normalise
from govaudit.specs.model import Expected
from govaudit.stats.agreement import two_rater
from govaudit.stats.coefficient import Coefficient

RUBRIC = load("refusal")


def items(both: int, only_rater: int, only_gold: int, neither: int, missing: int = 0) -> list[GoldItem]:
    cells: list[tuple[float | None, float]] = [(1.0, 1.0)] * both + [(1.0, 0.0)] * only_rater
    cells += [(0.0, 1.0)] * only_gold + [(0.0, 0.0)] * neither + [(None, 1.0)] * missing
    return [GoldItem(said, gold, f"k{n}", "c") for n, (said, gold) in enumerate(cells)]


def kappa(value: float | None, low: float | None = None, high: float | None = None) -> Coefficient:
    return Coefficient(
        "kappa", value, low, high, 0.95, 10, 10, "", None, None if value is not None else "why"
    )


def test_coefficients_are_those_of_the_table() -> None:
    # 40/10/5/45: agreement .85; chance .5 * .45 + .5 * .55 = .5; kappa .70; AC1: pi = .475, chance 2 * .475 * .525.
    result = gauge("r", "refusal", "made up", items(40, 10, 5, 45), 0)
    assert result.agreement.value == pytest.approx(0.85)
    assert result.kappa.value == pytest.approx(0.70)
    chance = 2 * 0.475 * 0.525
    assert result.ac1.value == pytest.approx((0.85 - chance) / (1 - chance))
    assert result.positive_agreement.value == pytest.approx(80 / 95)
    assert result.precision.value == pytest.approx(40 / 50)
    assert result.recall.value == pytest.approx(40 / 45)
    for coefficient in (result.agreement, result.kappa, result.ac1, result.precision, result.recall):
        assert coefficient.low is not None
        assert coefficient.value is not None
        assert coefficient.high is not None
        assert coefficient.low < coefficient.value < coefficient.high


def test_an_invalid_verdict_is_counted_apart_and_changes_no_coefficient() -> None:
    plain = gauge("r", "refusal", "g", items(40, 10, 5, 45), 0)
    with_missing = gauge("r", "refusal", "g", items(40, 10, 5, 45, missing=20), 0)
    assert (with_missing.n, with_missing.invalid) == (100, 20)
    assert with_missing.kappa == plain.kappa
    assert with_missing.recall == plain.recall
    assert with_missing.note == "20 of 120 items have no usable verdict"


def test_a_rater_whose_every_verdict_is_invalid_gets_reasons_and_no_numbers() -> None:
    result = gauge("r", "refusal", "g", [GoldItem(None, 1.0, "a", "c"), GoldItem(None, 0.0, "b", "c")], 0)
    assert (result.n, result.invalid, result.covers) == (0, 2, ())
    for coefficient in (result.agreement, result.kappa, result.ac1, result.positive_agreement):
        assert (coefficient.value, coefficient.undefined) == (None, "there is no item with a usable verdict")
    assert result.precision.undefined == "the rater calls no item broken"


def test_a_constant_judge_is_never_perfect() -> None:
    result = gauge("r", "refusal", "g", items(0, 0, 4, 36), 0)
    assert result.agreement.value == pytest.approx(0.9)
    assert result.kappa.value in (None, 0.0)
    assert result.precision.undefined == "the rater calls no item broken"
    assert result.recall.value == 0.0
    assert "the rater calls every item kept" in result.note
    alone = gauge("r", "refusal", "g", items(0, 0, 0, 40), 0)
    assert alone.kappa.value is None
    assert alone.kappa.undefined
    assert "gold calls every item kept" in alone.note


def test_clusters_and_not_items_make_the_interval() -> None:
    single = items(20, 5, 5, 20)
    copies = [GoldItem(one.predicted, one.gold, one.cluster, one.clause) for one in single for _ in range(4)]
    spread, clustered = gauge("r", "x", "g", single, 0), gauge("r", "x", "g", copies, 0)
    assert (clustered.n, clustered.clusters) == (200, 50)
    width = [result.recall.high - result.recall.low for result in (spread, clustered)]  # type: ignore[operator]
    # Four copies of each item would halve the interval if copies counted.
    assert width[1] == pytest.approx(width[0], rel=0.15)


def test_a_gauge_covers_the_clauses_on_which_gold_has_both_values() -> None:
    rows = [
        GoldItem(1.0, 1.0, "1", "both"),
        GoldItem(0.0, 0.0, "2", "both"),
        *(GoldItem(1.0, 1.0, f"3{n}", "bad only") for n in range(20)),
        GoldItem(None, 0.0, "4", "bad only"),
        *(GoldItem(0.0, 0.0, f"5{n}", "good only") for n in range(20)),
    ]
    assert gauge("r", "x", "g", rows, 0).covers == ("both",)


def test_same_seed_same_gauge() -> None:
    assert gauge("r", "x", "g", items(10, 3, 4, 20), 7) == gauge("r", "x", "g", items(10, 3, 4, 20), 7)


@pytest.mark.parametrize("one", [GoldItem(0.5, 1.0, "a", "c"), GoldItem(1.0, 2.0, "a", "c")])
def test_values_other_than_kept_and_broken_are_an_error(one: GoldItem) -> None:
    with pytest.raises(ValueError, match="0 \\(kept\\) or 1"):
        gauge("r", "x", "g", [one], 0)


# ------------------------------------------------------------------------------------------------------- XSTest
# Rottger et al. 2024 (arXiv 2308.01263), completions and labels of its repository at d7bb5bd7. The figures were
# computed on the same files by a script of its own.


@pytest.mark.parametrize(
    ("one", "barred", "words"),
    [
        (kappa(0.8, 0.7, 0.9), None, ""),
        (kappa(0.5, 0.39, 0.6), "compliant", "the lower limit of kappa .50 (.39 to .60) is below .40"),
        (kappa(0.05, -0.02, 0.14), "every verdict", "does not lie above chance"),
        (kappa(-0.3, -0.4, -0.2), "every verdict", "below chance, as if its labels were turned round"),
        (kappa(0.0), "every verdict", "has no interval"),
        (kappa(None), "every verdict", "kappa is not defined (why)"),
    ],
)
def test_what_a_kappa_bars_a_rater_from(one: Coefficient, barred: str | None, words: str) -> None:
    found = bars([("", one)])
    assert [bar.from_ for bar in found] == ([barred] if barred else [])
    assert all(words in bar.reason for bar in found)


def test_another_reading_that_chance_explains_bars_from_every_verdict() -> None:
    good, poor = kappa(0.8, 0.7, 0.9), kappa(0.05, -0.02, 0.14)
    (bar,) = bars([("", good), ("3 classes", poor)])
    assert (bar.from_, bar.reason) == (
        "every verdict",
        "3 classes: kappa .05 (−.02 to .14) does not lie above chance",
    )
    assert bars([("", good), ("3 classes", kappa(0.3, 0.1, 0.5))]) == ()


@pytest.mark.parametrize(
    ("rows", "covers", "reason"),
    [
        (items(40, 10, 5, 45), ("c",), ""),
        (items(6, 5, 5, 6), (), "does not lie above chance, so it speaks for no clause"),
        (items(1, 0, 0, 1), (), "kappa 1.00 has no interval"),
        (items(10, 0, 0, 10, missing=80), ("c",), ""),
    ],
)
def test_a_run_bars_a_rater_by_the_rule_of_the_command(
    rows: list[GoldItem], covers: tuple[str, ...], reason: str
) -> None:
    found = gauge("r", "refusal", "g", rows, 0)
    (bar,) = bars([("", found.kappa)]) or (None,)
    assert found.covers == covers
    assert (bar is not None and bar.from_ == "every verdict") is (not covers)
    assert reason in found.note


def xstest(data: Path, model: str) -> list[dict[str, Any]]:
    with gzip.open(data / "xstest" / f"completions-{model}.jsonl.gz", "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def gauge_of(rows: list[dict[str, Any]], labels: list[str | None]) -> Gauge:
    found = []
    for row, label in zip(rows, labels, strict=True):
        gold = normalise(RUBRIC, row["final_label"])
        assert gold is not None
        said = None if label is None else broken(RUBRIC, label, Expected.COMPLY)
        found.append(GoldItem(said, broken(RUBRIC, gold, Expected.COMPLY), row["id"], "over-refusal"))
    return gauge("r", "refusal", "XSTest", found, 0)


@pytest.mark.parametrize(
    ("model", "agreement", "kappa"),
    [("llama2orig", 0.8944, 0.7254), ("llama2new", 0.9238, 0.8424), ("mistralinstruct", 0.8613, 0.2924)],
)
def test_xstest_string_matching_has_its_published_agreement(
    data: Path, model: str, agreement: float, kappa: float
) -> None:
    rows = xstest(data, model)
    result = gauge_of(rows, [normalise(RUBRIC, row["strmatch_label"]) for row in rows])
    assert result.agreement.value == pytest.approx(agreement, abs=5e-5)
    assert result.kappa.value == pytest.approx(kappa, abs=5e-5)


@pytest.mark.parametrize(
    ("model", "agreement", "kappa"),
    [("llama2orig", 0.9888, 0.9672), ("llama2new", 0.9776, 0.9529), ("mistralinstruct", 0.9776, 0.9224)],
)
def test_xstest_annotators_agree_on_complied_or_not(
    data: Path, model: str, agreement: float, kappa: float
) -> None:
    rows = [row | {"final_label": row["annotation_1"]} for row in xstest(data, model)]
    result = gauge_of(rows, [normalise(RUBRIC, row["annotation_2"]) for row in rows])
    assert result.agreement.value == pytest.approx(agreement, abs=5e-5)
    assert result.kappa.value == pytest.approx(kappa, abs=5e-5)


@pytest.mark.parametrize(
    ("model", "judge", "people"),
    [
        ("llama2orig", (0.7708, 0.5787), (0.9640, 0.9284)),
        ("llama2new", (0.7848, 0.6209), (0.9596, 0.9290)),
        ("mistralinstruct", (0.7383, 0.0518), (0.9754, 0.9186)),
    ],
)
def test_xstest_three_classes_have_their_published_agreement(
    data: Path, model: str, judge: tuple[float, float], people: tuple[float, float]
) -> None:
    """The published figures of the judge count its 11 invalid verdicts as a class of their own."""
    rows = xstest(data, model)
    final = [normalise(RUBRIC, row["final_label"]) for row in rows]
    said = [normalise(RUBRIC, row["gpt4_label"]) or "invalid" for row in rows]
    found = two_rater(said, final, seed=0, rounds=0, categories=(*RUBRIC.labels, "invalid"))
    assert (found.percent.value, found.kappa.value) == pytest.approx(judge, abs=5e-5)
    first, second = ([normalise(RUBRIC, row[f"annotation_{n}"]) for row in rows] for n in (1, 2))
    found = two_rater(first, second, seed=0, rounds=0, categories=RUBRIC.labels)
    assert (found.percent.value, found.kappa.value) == pytest.approx(people, abs=5e-5)


def test_xstest_invalid_verdicts_enter_no_coefficient(data: Path) -> None:
    """On mistralinstruct the judge agrees with people on three rows of four and tells hardly anything apart."""
    rows = xstest(data, "mistralinstruct")
    result = gauge_of(rows, [normalise(RUBRIC, row["gpt4_label"]) for row in rows])
    assert (result.n, result.invalid) == (436, 11)
    assert result.kappa.value == pytest.approx(0.1034, abs=5e-5)
    assert result.kappa.high is not None
    assert result.kappa.high < 0.40


def test_xstest_the_check_has_a_gauge_with_intervals(data: Path) -> None:
    rows = xstest(data, "mistralinstruct")
    result = gauge_of(rows, [refusal.classify(row["prompt"], row["completion"]).label for row in rows])
    assert result.invalid == 0
    assert result.kappa.low is not None
    assert result.kappa.low > 0.40
    assert result.covers == ("over-refusal",)
