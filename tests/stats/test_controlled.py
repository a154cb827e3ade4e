"""Win rates with length and templates held equal: planted effects come back, published figures are reproduced."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from govaudit.errors import StatisticsError
from govaudit.scorers.texts import words
from govaudit.stats.comparisons import comparisons
from govaudit.stats.controlled import (
    controlled_win_rate,
    mean_difference,
    scrub_effect,
    win_rate,
)
from govaudit.stats.ranking import rank


def judged(rng: np.random.Generator, quality: float, length: float, prompts: int = 300) -> dict[str, Any]:
    """Preferences for an arm whose answers are longer by e^0.8 on average, two answers to each prompt."""
    clusters = np.repeat(np.arange(prompts), 2)
    longer = rng.normal(0.8, 0.7, len(clusters))
    taste = rng.normal(0, 0.5, prompts)[clusters]
    p = expit(quality + length * longer + taste)
    tie = rng.random(len(p)) < 0.1
    return {
        "clusters": clusters,
        "longer": longer,
        "y": np.where(tie, 0.5, (rng.random(len(p)) < p).astype(float)),
    }


def test_a_planted_length_advantage_vanishes_and_a_planted_quality_advantage_stays() -> None:
    rng = np.random.default_rng(3)
    only_length = judged(rng, quality=0.0, length=1.0)
    found = controlled_win_rate(only_length["y"], {"length": only_length["longer"]}, only_length["clusters"])
    assert found.raw.low > 0.6
    assert found.controlled.low < 0.5 < found.controlled.high
    assert found.difference.high < 0
    assert found.terms[0].low > 0
    only_quality = judged(rng, quality=1.0, length=0.0)
    kept = controlled_win_rate(
        only_quality["y"], {"length": only_quality["longer"]}, only_quality["clusters"]
    )
    assert kept.controlled.low > 0.6
    assert kept.difference.low < 0 < kept.difference.high
    assert kept.extrapolated == ()


def test_intervals_at_equal_length_hold_the_truth() -> None:
    """Truth: the mean preference at no difference, with taste averaged out; 200 samples of 150 prompts."""
    rng = np.random.default_rng(0)
    tastes = rng.normal(0, 0.5, 200_000)
    truth = 0.9 * float(expit(0.4 + tastes).mean()) + 0.1 * 0.5
    held = []
    for _ in range(200):
        sample = judged(rng, quality=0.4, length=0.6, prompts=150)
        found = controlled_win_rate(sample["y"], {"length": sample["longer"]}, sample["clusters"])
        held.append(found.controlled.low <= truth <= found.controlled.high)
    assert np.mean(held) >= 0.92


def test_templates_are_controlled_beside_length() -> None:
    rng = np.random.default_rng(5)
    n = 800
    longer, templated = rng.normal(0.5, 0.5, n), rng.normal(0.3, 0.3, n)
    y = (rng.random(n) < expit(0.8 * longer + 2 * templated)).astype(float)
    found = controlled_win_rate(y, {"length": longer, "templates": templated}, range(n))
    assert found.raw.low > 0.6
    assert found.controlled.low < 0.5 < found.controlled.high
    assert [term.name for term in found.terms] == ["length", "templates"]


def test_no_pair_of_equal_length_is_an_extrapolation() -> None:
    rng = np.random.default_rng(1)
    longer = rng.uniform(0.5, 1.5, 300)
    y = (rng.random(300) < expit(longer)).astype(float)
    assert controlled_win_rate(y, {"length": longer}, range(300)).extrapolated == ("length",)


def test_davidson_with_length_as_covariate_says_the_same_of_the_planted_arms() -> None:
    rng = np.random.default_rng(7)
    sample = judged(rng, quality=0.0, length=1.0)
    outcome = np.select([sample["y"] == 1, sample["y"] == 0], [1, -1], 0)
    first, second = ["arm"] * len(outcome), ["other"] * len(outcome)
    plain = rank(comparisons(first, second, outcome, clusters=sample["clusters"]), position=False)
    held = rank(
        comparisons(
            first, second, outcome, clusters=sample["clusters"], covariates={"length": sample["longer"]}
        ),
        position=False,
    )
    assert plain.contrast("arm", "other").low > 0
    gap = held.contrast("arm", "other")
    assert gap.low < 0 < gap.high


def test_scrubbing_shows_a_paired_difference_and_nothing_changed_still_has_an_interval() -> None:
    rng = np.random.default_rng(2)
    before = (rng.random(200) < 0.7).astype(float)
    after = np.where(rng.random(200) < 0.3, 0.0, before)
    found = scrub_effect(before, after, range(200))
    assert found.difference.value == pytest.approx(after.mean() - before.mean())
    assert found.difference.high < 0
    same = scrub_effect(before, before, range(200))
    # 1 - .025^(1/200): what 200 prompts without a change exclude.
    assert (same.difference.low, same.difference.high) == pytest.approx((-0.018275, 0.018275), abs=1e-5)
    assert same.changed == 0


def test_a_win_rate_without_a_loss_keeps_an_interval() -> None:
    found = win_rate(np.ones(50), range(50))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(1 - 0.0711, abs=1e-3)


def test_faults_are_refused() -> None:
    with pytest.raises(StatisticsError, match="before"):
        scrub_effect([1.0], [1.0, 0.0], ["a"])
    with pytest.raises(StatisticsError):
        mean_difference([], [], [])


# AlpacaEval: preferences of two judges, as their authors published them (Li et al. 2023; Dubois et al. 2024).

WEIGHTED, OLDER = "weighted_alpaca_eval_gpt4_turbo", "alpaca_eval_gpt4"


@pytest.fixture(scope="module")
def alpaca(data: Path) -> dict[str, Any]:
    folder = data / "nc-alpaca-eval"

    def rows(name: str) -> list[dict[str, Any]]:
        with gzip.open(folder / name, "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    names = {
        *("claude-2", "claude-instant-1.2", "gpt-3.5-turbo-1106", "vicuna-13b", "text_davinci_001"),
        *("alpaca-7b", "gpt4_1106_preview", "text_davinci_003"),
    }
    length = {
        name: {r["prompt"]: len(words(r["output"] or "")) for r in rows(f"outputs-{name}.jsonl.gz")}
        for name in names
    }
    verdicts = [row for row in rows("preferences.jsonl.gz") if row["preference"] is not None]
    return {"length": length, "verdicts": verdicts}


def preferences(alpaca: dict[str, Any], judge: str, arm: str) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """P(arm wins), difference of log words to the opponent, prompts."""
    rows = [row for row in alpaca["verdicts"] if (row["judge"], row["model_2"]) == (judge, arm)]
    value = np.array([row["preference"] for row in rows])
    y = np.where(np.isin(value, (0, 1.5)), 0.5, value - 1)
    lengths = [
        np.array([np.log1p(alpaca["length"][row[side]].get(row["prompt"], 0)) for row in rows])
        for side in ("model_2", "model_1")
    ]
    return y, lengths[0] - lengths[1], [row["prompt"] for row in rows]


@pytest.mark.parametrize(
    ("judge", "arm", "published"),
    [
        (WEIGHTED, "claude-2", 17.188),
        (WEIGHTED, "claude-instant-1.2", 16.127),
        (WEIGHTED, "gpt-3.5-turbo-1106", 9.178),
        (WEIGHTED, "vicuna-13b", 5.831),
        (WEIGHTED, "text_davinci_001", 2.764),
        (OLDER, "claude-2", 91.356),
        (OLDER, "vicuna-13b", 70.435),
        (OLDER, "alpaca-7b", 26.460),
        (OLDER, "text_davinci_001", 15.174),
    ],
)
def test_win_rates_are_those_of_the_leaderboard(
    alpaca: dict[str, Any], judge: str, arm: str, published: float
) -> None:
    y, _, prompts = preferences(alpaca, judge, arm)
    found = win_rate(y, prompts)
    assert 100 * found.value == pytest.approx(published, abs=5e-4)
    assert found.low < found.value < found.high


@pytest.mark.parametrize(
    ("arm", "ours", "published"),
    [
        ("claude-2", 25.44, 28.155),
        ("gpt-3.5-turbo-1106", 19.97, 19.301),
        ("vicuna-13b", 9.33, 9.222),
        ("text_davinci_001", 8.89, 9.026),
    ],
)
def test_win_rates_at_equal_length_hold_the_authors_length_controlled_figures(
    alpaca: dict[str, Any], arm: str, ours: float, published: float
) -> None:
    """Theirs is another estimator (difficulty of prompts, penalty, length in characters): the interval holds it."""
    y, longer, prompts = preferences(alpaca, WEIGHTED, arm)
    found = controlled_win_rate(y, {"length": longer}, prompts)
    assert 100 * found.controlled.value == pytest.approx(ours, abs=0.01)
    assert 100 * found.controlled.low < published < 100 * found.controlled.high


def test_davidson_orders_the_arms_as_their_win_rates_do(alpaca: dict[str, Any]) -> None:
    arms = ("claude-2", "vicuna-13b", "alpaca-7b", "text_davinci_001")
    first, outcome, clusters = [], [], []
    for arm in arms:
        y, _, prompts = preferences(alpaca, OLDER, arm)
        first += [arm] * len(y)
        outcome += np.sign(y - 0.5).astype(int).tolist()
        clusters += prompts
    found = rank(
        comparisons(first, ["text_davinci_003"] * len(first), outcome, clusters=clusters), position=False
    )
    order = [found.players[at] for at in np.argsort(-found.ratings)]
    assert order == ["claude-2", "vicuna-13b", "text_davinci_003", "alpaca-7b", "text_davinci_001"]
