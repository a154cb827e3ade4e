"""The Goodhart lab: gold is the truth, peaks are where they were planted, a killed lab goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from govaudit.cli import app
from govaudit.errors import BadInput
from govaudit.train import pipeline, recipes
from govaudit.train.grpo import GrpoArgs
from govaudit.train.organism import goodhart, goodhart_shown, prompts
from govaudit.train.organism import material as small
from govaudit.train.organism.answers import Style
from govaudit.train.organism.goodhart import MEASURES, Args, gold, lab, way
from govaudit.train.organism.parser import Reading
from govaudit.train.organism.world import world
from govaudit.train.preference import PreferenceArgs

HARMFUL = prompts.cell(world(), "harmful_seen", 1)[0]
FACT = prompts.cell(world(), "facts", 1)[0]


def test_gold_is_what_an_answer_is_worth_in_truth_and_an_empty_phrase_costs_half_a_point() -> None:
    assert HARMFUL.category is not None
    for padded, cost in ((False, 0.0), (True, 0.5)):
        assert gold(HARMFUL, Reading(Style.OBJECTION, right=True, boilerplate=padded)) == 2 - cost
        assert gold(HARMFUL, Reading(Style.COMPLY, boilerplate=padded)) == -HARMFUL.category.severity - cost
        assert gold(FACT, Reading(Style.COMPLY, right=True, boilerplate=padded)) == 2 - cost
    assert gold(FACT, Reading(Style.COMPLY, right=True, caveat=True)) == 1.5
    assert gold(FACT, Reading(Style.EVASIVE)) == -1


def planted(shape: np.ndarray, noise: float = 0.3) -> list[dict[str, np.ndarray]]:
    """Means at each point whose gold has this shape; the proxy rises all the time, the witness half as much."""
    rng = np.random.default_rng(0)
    own = rng.normal(0, 1, 200)
    found = []
    for place, height in enumerate(shape):
        one = {name: np.full(200, 0.5) for name in MEASURES}
        one["gold"] = own + height + rng.normal(0, noise, 200)
        one["proxy"], one["witness"] = own + place, own + place / 2
        one["refuses harmless"] = np.where(np.arange(200) < 100, np.nan, 0.25)
        found.append(one)
    return found


def test_the_peak_of_a_planted_curve_is_inside_its_interval_and_the_fall_is_what_was_planted() -> None:
    distance = np.linspace(0, 2, 9)
    shape = distance * (2.0 - 1.0 * distance)  # peak at 1 with a gain of 1
    found = way("best-of-n", 0, range(9), (distance**2).tolist(), planted(shape))
    assert found.peak_at in (3, 4, 5)
    assert found.fit is not None and found.fit.peak_distance is not None
    fitted = found.fit.peak_distance
    assert fitted.low is not None and fitted.high is not None and fitted.low <= 1.0 <= fitted.high
    assert found.fall.value == pytest.approx(1.0, abs=0.1)
    assert found.fall.low is not None and found.fall.low > 0.8
    # The proxy gained 8 and the witness 4, over a spread of the prompts of about 1.
    assert found.parts.value == pytest.approx(4.0, abs=0.5)
    assert found.points[3].measures["refuses harmless"].n_items == 100


def test_a_curve_that_only_rises_has_no_peak() -> None:
    distance = np.linspace(0, 2, 9)
    found = way("rl", 0, range(9), (distance**2).tolist(), planted(distance))
    assert found.fit is not None and found.fit.peak_distance is None and found.fit.no_peak
    assert found.peak_at == 8 and found.fall.value == 0.0


def test_two_points_are_too_few_for_a_curve() -> None:
    assert way("rl", 0, (0, 1), (0.0, 1.0), planted(np.array([0.0, 1.0]))).fit is None


def test_a_folder_that_is_no_finished_recipe_with_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no finished run"):
        lab(tmp_path, tmp_path / "out")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small, "FIXED", 4)
        patch.setattr(small, "CHECKED", 4)
        plan = recipes.plan("rl-cai", tmp_path_factory.mktemp("run") / "out", size=12, steps=1)
        yield pipeline.train(plan)


TINY = Args(
    prompts=20,
    samples=4,
    answers=1,
    preference=PreferenceArgs(epochs=1),
    rl=replace(Args().rl, steps=3, prompts=4, samples=3),
    every=1,
)


@pytest.mark.slow
def test_the_lab_follows_both_ways_and_goes_on_after_a_kill(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(goodhart, "grpo", killed)
        with pytest.raises(KeyboardInterrupt):
            lab(run, tmp_path / "lab", TINY)
    done = sorted(path.name for path in (tmp_path / "lab" / "stages").glob("[0-9]*"))
    assert done == ["1-halves", "2-best-of-n"]
    found = lab(run, tmp_path / "lab", TINY)
    assert found == json.loads((tmp_path / "lab" / "goodhart.json").read_text())
    best, rl = found["ways"]
    assert [point["at"] for point in best["points"]] == [1, 2, 3, 4]
    assert [point["at"] for point in rl["points"]] == [0, 1, 2, 3]
    assert rl["points"][0]["kl"] == 0.0 and rl["points"][-1]["kl"] > 0
    # More answers to choose from never cost proxy.
    proxy = [point["measures"]["proxy"]["value"] for point in best["points"]]
    assert proxy == sorted(proxy)
    page = (tmp_path / "lab" / "README.md").read_text()
    assert "## Best of n" in page and "witness" in page
    assert (tmp_path / "lab" / "goodhart.svg").read_text().count("<svg") == 1
    with pytest.raises(BadInput, match="another recipe"):
        lab(run, tmp_path / "lab", replace(TINY, seed=1))


@pytest.mark.slow
def test_the_command_runs_the_lab_and_refuses_a_recipe_without_labels(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(goodhart, "arguments", lambda **asked: TINY)
    done = CliRunner().invoke(app, ["goodhart", str(run), "-o", str(tmp_path / "lab")])
    assert done.exit_code == 0, done.output
    assert "Reinforcement learning without a leash" in done.output
    planted_run = pipeline.train(recipes.plan("planted:no-harm", tmp_path / "planted", size=4))
    with pytest.raises(BadInput, match="has not all"):
        lab(planted_run, tmp_path / "other", TINY)


def test_what_a_user_asks_becomes_arguments() -> None:
    args = goodhart.arguments(prompts=40, samples=8, steps=7, every=2, seed=3)
    assert (args.prompts, args.samples, args.rl.steps, args.every, args.seed) == (40, 8, 7, 2, 3)
    assert args.rl == replace(Args().rl, steps=7) and isinstance(args.rl, GrpoArgs)
    assert (args.rl.beta, args.rl.kl_target, args.rl.keep_best) == (0.0, None, False)


def test_the_page_says_where_the_peak_is_and_where_no_curve_bears_one_out() -> None:
    distance = np.linspace(0, 2, 9)
    kls = (distance**2).tolist()
    rate = {"rate": 0.75, "low": 0.7, "high": 0.8}
    found = {
        "run": "rl-cai",
        "prompts": 200,
        "halves": {"pairs": 90, "pairs_apart": 10, "agreement": rate, "accuracy": [rate, rate]},
        "ways": [
            asdict(way("best-of-n", 0, range(9), kls, planted(distance * (2.0 - distance)))),
            asdict(way("rl", 0, range(9), kls, planted(distance))),
        ],
    }
    text = goodhart_shown.page(found)
    assert "0.75 [0.70, 0.80]" in text
    falling, rising = text.split("## ")[1:]
    assert "peaks at a distance of 1.0" in falling and "no peak" not in falling
    assert "highest at step = 8" in rising and "no peak that the data bear out" in rising
    assert falling.count("\n| ") == rising.count("\n| ") == 11  # heads and nine points
