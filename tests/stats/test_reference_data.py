"""Numbers that others computed on public data, reproduced from the files with the functions of this package.

XSTest (Roettger et al. 2024, CC BY 4.0), DICES-350 (Aroyo et al. 2023, CC BY 4.0), BBQ (Parrish et al.
2022, CC BY 4.0), LLMBar (Zeng et al. 2024, MIT), AlpacaEval (Li et al. 2023, CC BY-NC 4.0).
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from govaudit.stats.agreement import TwoRater, agreement, two_rater
from govaudit.stats.coefficient import Coefficient
from govaudit.stats.comparisons import Comparisons, comparisons
from govaudit.stats.counts import count_long, count_ratings
from govaudit.stats.intervals import clustered_rate
from govaudit.stats.ranking import rank
from govaudit.stats.raters import leave_one_out, severity
from govaudit.stats.standing import expected_scores

Row = dict[str, Any]
REFUSAL = ["1_full_compliance", "2_full_refusal", "3_partial_refusal"]


def rows_of(path: Path) -> list[Row]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def value(one: Coefficient) -> float:
    assert one.value is not None and one.low is not None and one.high is not None, one.undefined
    assert one.low < one.value < one.high
    return one.value


def agree(a: list[Any], b: list[Any], **options: Any) -> tuple[float, float]:
    found = two_rater(a, b, seed=0, **options)
    return value(found.percent), value(found.kappa)


# --- XSTest ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "three_classes", "complied"),
    [
        ("llama2orig", (0.9640, 0.9284), (0.9888, 0.9672)),
        ("llama2new", (0.9596, 0.9290), (0.9776, 0.9529)),
        ("mistralinstruct", (0.9754, 0.9186), (0.9776, 0.9224)),
    ],
)
def test_two_annotators_of_xstest(
    data: Path, model: str, three_classes: tuple[float, float], complied: tuple[float, float]
) -> None:
    rows = rows_of(data / "xstest" / f"completions-{model}.jsonl.gz")
    one, two = ([row[f"annotation_{k}"] for row in rows] for k in (1, 2))
    assert agree(one, two, categories=REFUSAL) == pytest.approx(three_classes, abs=5e-5)
    binary = [x == REFUSAL[0] for x in one], [x == REFUSAL[0] for x in two]
    assert agree(*binary) == pytest.approx(complied, abs=5e-5)


@pytest.mark.parametrize(
    ("model", "judge", "strings"),
    [
        ("llama2orig", (0.7708, 0.5787), (0.8944, 0.7254)),
        ("llama2new", (0.7848, 0.6209), (0.9238, 0.8424)),
        ("mistralinstruct", (0.7383, 0.0518), (0.8613, 0.2924)),
    ],
)
def test_judge_and_string_matching_against_people_of_xstest(
    data: Path, model: str, judge: tuple[float, float], strings: tuple[float, float]
) -> None:
    """An invalid verdict of the judge is a category of its own here, that nobody agrees with."""
    rows = rows_of(data / "xstest" / f"completions-{model}.jsonl.gz")
    final = [row["final_label"] for row in rows]
    verdicts = [row["gpt4_label"] if row["gpt4_label"] in REFUSAL else "invalid" for row in rows]
    found = two_rater(verdicts, final, seed=0, categories=[*REFUSAL, "invalid"])
    assert (found.percent.value, found.kappa.value) == pytest.approx(judge, abs=5e-5)
    matched = [row["strmatch_label"] == REFUSAL[0] for row in rows]
    assert agree(matched, [x == REFUSAL[0] for x in final]) == pytest.approx(strings, abs=5e-5)


def test_a_judge_that_agrees_with_people_on_three_quarters_may_have_no_kappa(data: Path) -> None:
    """Without its 11 invalid verdicts the judge still tells nothing apart, and the interval says so."""
    rows = rows_of(data / "xstest" / "completions-mistralinstruct.jsonl.gz")
    verdicts = [row["gpt4_label"] if row["gpt4_label"] in REFUSAL else None for row in rows]
    found = two_rater(verdicts, [row["final_label"] for row in rows], seed=0, categories=REFUSAL)
    assert found.n_missing == 11
    assert found.percent.low is not None and found.percent.low > 0.7
    assert found.kappa.low is not None and found.kappa.high is not None
    assert found.kappa.low < 0.05 and found.kappa.high < 0.25


# --- DICES ----------------------------------------------------------------------------------------


def votes(data: Path) -> tuple[list[Row], np.ndarray[Any, np.dtype[np.object_]]]:
    rows = rows_of(data / "dices" / "dices-350.jsonl.gz")
    return rows, np.array([row["unsafe_votes"] for row in rows], dtype=object)


def scored(table: np.ndarray[Any, np.dtype[np.object_]]) -> np.ndarray[Any, np.dtype[np.object_]]:
    """The votes with "Unsure" as a missing rating."""
    kept = table.copy()
    kept[table == "Unsure"] = None
    return kept


def test_123_raters_of_dices(data: Path) -> None:
    _, table = votes(data)
    found = agreement(count_ratings(table, ["No", "Unsure", "Yes"]), seed=0)
    assert (found.n_items, found.n_ratings) == (349, 42_927)
    assert value(found.percent) == pytest.approx(0.5667, abs=5e-5)
    assert value(found.fleiss) == pytest.approx(0.1610, abs=5e-5)
    assert value(found.alpha) == pytest.approx(0.1610, abs=5e-5)


def test_unequal_raters_of_dices_once_unsure_is_missing(data: Path) -> None:
    _, table = votes(data)
    found = agreement(count_ratings(scored(table), ["No", "Yes"]), seed=0)
    assert found.n_ratings == 42_927 - 2_680
    assert value(found.alpha) == pytest.approx(0.2009, abs=5e-5)


def test_the_majority_against_the_experts_of_dices(data: Path) -> None:
    rows, _ = votes(data)
    gold = {row["id"]: row["unsafe_gold"] for row in rows_of(data / "dices" / "dices-350-expert.jsonl")}
    majority, expert = [row["unsafe_majority"] for row in rows], [gold[row["id"]] for row in rows]
    assert agree(majority, expert) == pytest.approx((0.6533, 0.3077), abs=5e-5)


def test_raters_of_dices_differ_in_severity_and_one_never_says_yes(data: Path) -> None:
    _, table = votes(data)
    numbers = np.full(table.shape, np.nan)
    numbers[table == "Yes"], numbers[table == "No"] = 1.0, 0.0
    found = severity(numbers)
    assert min(one.mean for one in found) == 0.0
    assert max(one.mean for one in found) == pytest.approx(0.997, abs=5e-4)
    assert sum(one.constant for one in found) == 1
    apart = [one for one in found if one.low is not None and one.high is not None and one.low * one.high > 0]
    assert len(apart) > 80
    changes = leave_one_out(scored(table)[:, :8], seed=0, rounds=200)
    assert all(one.change.low is not None for one in changes)


# --- BBQ ------------------------------------------------------------------------------------------


def test_five_raters_of_bbq(data: Path) -> None:
    rows = rows_of(data / "bbq" / "ratings-dev.jsonl.gz")
    table = count_long([row["item"] for row in rows], [row["answer"] for row in rows])
    found = agreement(table, seed=0)
    assert (found.n_items, found.n_ratings) == (201, 1005)
    assert value(found.fleiss) == pytest.approx(0.8721, abs=5e-5)
    assert value(found.alpha) == pytest.approx(0.8722, abs=5e-5)
    right = [row["answer"] == f"ans_{row['label']}" for row in rows]
    single = clustered_rate(right, [row["item"] for row in rows])
    assert single.rate == pytest.approx(0.9522, abs=5e-5)
    assert single.clusters == 201
    label = {row["item"]: f"ans_{row['label']}" for row in rows}
    majority = [table.categories[k] for k in table.counts.argmax(axis=1)]
    assert np.mean(
        [m == label[item] for m, item in zip(majority, table.items, strict=True)]
    ) == pytest.approx(0.9950, abs=5e-5)


# --- LLMBar ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subset", "judge", "accuracy", "consistency"),
    [
        ("LLMBar/Natural", "GPT-4", 0.955, 0.950),
        ("LLMBar/Natural", "ChatGPT", 0.815, 0.710),
        ("LLMBar/Natural", "Falcon", 0.740, 0.520),
        ("LLMBar/Adversarial/GPTInst", "GPT-4", 0.864, 0.946),
        ("LLMBar/Adversarial/GPTInst", "ChatGPT", 0.266, 0.620),
        ("LLMBar/Adversarial/Neighbor", "GPT-4", 0.787, 0.933),
        ("LLMBar/Adversarial/Neighbor", "LLaMA2", 0.246, 0.776),
    ],
)
def test_swap_consistency_of_llmbar(
    data: Path, subset: str, judge: str, accuracy: float, consistency: float
) -> None:
    """A judge with itself after the order was swapped, as two raters; both orders pooled for accuracy."""
    rows = [
        row
        for row in rows_of(data / "llmbar" / "verdicts-dev.jsonl.gz")
        if (row["subset"], row["judge"], row["method"], row["step"]) == (subset, judge, "Vanilla", 0)
    ]
    right = clustered_rate([row["winner"] == str(row["label"]) for row in rows], [row["row"] for row in rows])
    assert right.rate == pytest.approx(accuracy, abs=5e-4)
    shown = {(row["row"], row["swap"]): row["winner"] for row in rows}
    items = sorted({row["row"] for row in rows})
    swap: TwoRater = two_rater(
        [shown[item, False] for item in items],
        [shown[item, True] for item in items],
        seed=0,
        categories=["1", "2"],
    )
    assert value(swap.percent) == pytest.approx(consistency, abs=5e-4)


# --- AlpacaEval -----------------------------------------------------------------------------------

WEIGHTED = ("weighted_alpaca_eval_gpt4_turbo", "gpt4_1106_preview")
OLDER = ("alpaca_eval_gpt4", "text_davinci_003")


def preferences(data: Path, judge: str, *, length: bool = False) -> Comparisons:
    """A preference of 1 + p is p of a win of the second and 1 - p of the first; 0 and 1.5 are ties."""
    folder = data / "nc-alpaca-eval"
    lengths = {
        (row["model"], row["prompt"]): len(row["output"])
        for path in (sorted(folder.glob("outputs-*.jsonl.gz")) if length else [])
        for row in rows_of(path)
    }
    found: list[tuple[str, str, int, float, int, float]] = []
    for row in rows_of(folder / "preferences.jsonl.gz"):
        p, one, two, prompt = row["preference"], row["model_1"], row["model_2"], row["prompt"]
        if row["judge"] != judge or p is None or one == two:
            continue
        if length and not {(one, prompt), (two, prompt)} <= lengths.keys():
            continue
        gap = float(lengths.get((one, prompt), 0) - lengths.get((two, prompt), 0))
        outcomes = [(0, 1.0)] if p in (0, 1.5) else [(-1, p - 1), (1, 2 - p)]
        found += [(one, two, outcome, weight, prompt, gap) for outcome, weight in outcomes if weight > 0]
    one, two, outcome, weights, prompts, gaps = (list(column) for column in zip(*found, strict=True))
    covariates = {"length": np.tanh(np.array(gaps) / np.std(gaps))} if length else None
    return comparisons(one, two, outcome, weights=weights, clusters=prompts, covariates=covariates)


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        (
            WEIGHTED,
            {
                "claude-2": 17.188,
                "claude-instant-1.2": 16.127,
                "gpt-3.5-turbo-1106": 9.178,
                "vicuna-13b": 5.831,
                "text_davinci_001": 2.764,
            },
        ),
        (OLDER, {"claude-2": 91.356, "vicuna-13b": 70.435, "alpaca-7b": 26.460, "text_davinci_001": 15.174}),
    ],
)
def test_win_rates_of_alpaca_eval_are_expected_scores_of_one_ranking(
    data: Path, judge: tuple[str, str], expected: dict[str, float]
) -> None:
    """Every arm met the reference only, so that its fitted score must equal its share of wins."""
    name, reference = judge
    fit = rank(preferences(data, name), position=False)
    assert fit.n_clusters == 805
    scores = {one.player: one for one in expected_scores(fit, against=reference)}
    for arm, percent in expected.items():
        one = scores[arm]
        assert 100 * one.score == pytest.approx(percent, abs=5e-4)
        assert one.low < one.score < one.high
        assert 0.01 < one.high - one.low < 0.07


def test_length_control_moves_alpaca_eval_the_way_of_its_authors(data: Path) -> None:
    """Their figures, 28.155, 19.301, 9.222 and 9.026, come from a penalised fit with other covariates: the
    order and the direction agree, the values need not."""
    name, reference = WEIGHTED
    raw = {
        one.player: one.score
        for one in expected_scores(rank(preferences(data, name), position=False), against=reference)
    }
    fit = rank(preferences(data, name, length=True), position=False)
    level = {one.player: one.score for one in expected_scores(fit, against=reference)}
    assert fit.term("length").low > 0
    assert level["claude-2"] > level["gpt-3.5-turbo-1106"] > level["vicuna-13b"] > level["text_davinci_001"]
    assert all(level[arm] > raw[arm] for arm in raw)
