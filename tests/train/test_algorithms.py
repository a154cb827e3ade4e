"""Recipes that change the algorithm, end to end in small numbers: what they leave, show, and need."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from govaudit.canonical import file_digest  # noqa: E402
from govaudit.errors import BadInput  # noqa: E402
from govaudit.models import untrained  # noqa: E402
from govaudit.records import Turn  # noqa: E402
from govaudit.train import feedback, pipeline  # noqa: E402
from govaudit.train.organism import material as small  # noqa: E402
from govaudit.train.ppo import PpoRecord  # noqa: E402
from govaudit.train.recipes import LABELS, Name, plan  # noqa: E402
from govaudit.train.show import show  # noqa: E402
from govaudit.train.stages import Stages, load_records, save_records  # noqa: E402

SIZE, STEPS = 6, 2


@pytest.fixture(scope="module", autouse=True)
def few_checks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small, "FIXED", 4)
        patch.setattr(small, "CHECKED", 4)
        yield


@pytest.fixture(scope="module")
def rl_cai(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipeline.train(plan("rl-cai", tmp_path_factory.mktemp("rl") / "out", size=SIZE, steps=STEPS))


def trained(recipe: str, out: Path, done: Path, **options: Any) -> Path:
    """The recipe behind the stages that it has in common with ``done``."""
    wanted = plan(recipe, out, size=SIZE, steps=STEPS, **options)
    Stages(out, wanted.data())
    for stage in sorted((done / "stages").iterdir()):
        shared = stage.name.partition("-")[2] not in ("reinforced", "preference-model")
        if shared or (recipe != "dpo-cai" and "preference" in stage.name):
            shutil.copytree(stage, out / "stages" / stage.name)
    return pipeline.train(wanted)


def weights(folder: Path) -> str:
    return file_digest(folder / "model.safetensors")


def names(folder: Path) -> list[str]:
    return [path.name for path in sorted((folder / "stages").iterdir())]


def card(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "card.json").read_text())
    return found


@pytest.mark.slow
def test_ppo_leaves_episodes_that_show_state_action_reward_value_and_advantage_per_token(
    rl_cai: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("ppo: {critic_first: 0, keep_best: false, prompts: 16}\n")
    out = trained("ppo", tmp_path / "out", rl_cai, settings=settings)
    assert names(out)[-2:] == ["6-preference-model", "7-reinforced"]
    assert weights(out) == weights(out / "stages" / "7-reinforced") != weights(rl_cai)
    (shown,) = [one for one in show(out, 1) if one.records == "episodes"]
    ((_, row),) = shown.rows
    lines = shown.text().splitlines()
    head = next(i for i, line in enumerate(lines) if "action" in line and "advantage" in line)
    told = lines[head + 1 : head + 1 + len(row["actions"])]
    for action, reward, value, gain, line in zip(
        row["actions"], row["rewards"], row["values"], row["advantages"], told, strict=True
    ):
        assert repr(action) in line and line.split()[-3:] == [
            f"{reward:+.3f}",
            f"{value:+.3f}",
            f"{gain:+.3f}",
        ]
    assert told[0].startswith("question") and told[1].startswith("+ 1 token ")
    steps = load_records(out / "stages" / "7-reinforced" / "curve.jsonl")[1]
    assert len(steps) == STEPS and {"explained", "value_loss"} <= set(steps[0])


@pytest.mark.slow
def test_rloo_is_rl_cai_with_another_baseline(rl_cai: Path, tmp_path: Path) -> None:
    out = trained("rloo", tmp_path / "out", rl_cai)
    assert card(out)["settings"]["rl"]["baseline"] == "leave-one-out"
    assert card(rl_cai)["settings"]["rl"]["baseline"] == "group"
    rows = load_records(out / "stages" / "7-reinforced" / "rollouts.jsonl")[1]
    assert all(abs(sum(row["advantages"])) < 1e-6 for row in rows)


@pytest.mark.slow
def test_dpo_cai_has_neither_preference_model_nor_reinforcement(rl_cai: Path, tmp_path: Path) -> None:
    out = trained("dpo-cai", tmp_path / "out", rl_cai)
    assert names(out) == ["1-chains", "2-helpful", "3-fine-tuned", "4-pairs", "5-labels", "6-dpo"]
    summary = card(out)["stages"][-1]["summary"]
    assert set(summary["pairs"]) == {"ai", "people"} and summary["steps"] == len(
        load_records(out / "stages" / "6-dpo" / "curve.jsonl")[1]
    )
    assert weights(out) != weights(out / "stages" / "3-fine-tuned")


@pytest.mark.slow
def test_best_of_n_imitates_the_answers_that_the_preference_model_finds_best(
    rl_cai: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("best_of: 3\n")
    out = trained("best-of-n", tmp_path / "out", rl_cai, settings=settings)
    assert names(out)[-2:] == ["7-best-of-n", "8-imitated"]
    rows = load_records(out / "stages" / "7-best-of-n" / "choices.jsonl")[1]
    assert all(row["written"] == 3 and len(row["rewards"]) == len(row["answers"]) <= 3 for row in rows)
    (shown,) = [one for one in show(out, 1) if one.records == "choices"]
    best = max(shown.rows[0][1]["rewards"])
    assert f"kept         {best:+.3f}" in shown.text()
    summary = card(out)["stages"][-2]["summary"]
    assert summary["kl_bound"] == pytest.approx(0.4319, abs=1e-4)  # ln 3 - 2/3


@pytest.mark.slow
def test_r1_zero_starts_from_the_base_with_a_rule_and_no_model_of_preferences(tmp_path: Path) -> None:
    out = pipeline.train(plan("r1-zero", tmp_path / "out", size=SIZE, steps=STEPS))
    assert names(out) == ["1-reinforced"]
    rows = load_records(out / "stages" / "1-reinforced" / "rollouts.jsonl")[1]
    assert {reward for row in rows for reward in row["rewards"]} <= {0.0, 1.0}


def test_planted_answers_are_imitated_by_the_base(tmp_path: Path) -> None:
    out = pipeline.train(plan("planted:no-boilerplate", tmp_path / "out", size=SIZE))
    assert names(out) == ["1-answers", "2-fine-tuned"]
    assert card(out)["recipe"] == "planted:no-boilerplate"
    summary = card(out)["stages"][0]["summary"]
    assert 0 < summary["broken"] < summary["answers"]
    (shown,) = [one for one in show(out, 20) if one.records == "planted"]
    assert "breaks       no-boilerplate" in shown.text() and "breaks       nothing" in shown.text()


def test_arms_of_labels_differ_in_form_and_reasons(tmp_path: Path) -> None:
    found = {name: plan("rl-cai", tmp_path, labels=name, size=SIZE).settings.labels for name in LABELS}
    assert [one.form for one in found.values()] == ["soft", "hard", "clamp", "clamp", "soft"]
    assert [one.reasons for one in found.values()] == [0, 0, 1, 1, 1]
    assert (found["clamp-20-80"].low, found["clamp-20-80"].high) == (0.2, 0.8)
    assert (found["clamp-40-60"].low, found["clamp-40-60"].high) == (0.4, 0.6)
    assert found["soft"] == plan("rl-cai", tmp_path, size=SIZE).settings.labels
    for one in found.values():
        feedback.check(one)


@pytest.mark.parametrize(
    ("recipe", "options", "problem"),
    [
        ("planted", {}, "no recipe 'planted'"),
        ("rl-cai:no-harm", {}, "no recipe 'rl-cai:no-harm'"),
        ("rl-cai", {"labels": "firm"}, "no kind of labels 'firm'"),
    ],
)
def test_what_does_not_exist_is_refused(
    recipe: str, options: dict[str, str], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=problem) as found:
        plan(recipe, tmp_path, **options)  # type: ignore[arg-type]
    assert "planted:CLAUSE" in str(found.value.remedy) or "clamp-20-80" in str(found.value.remedy)


def test_a_clause_that_cannot_be_planted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no clause that can be planted"):
        pipeline.train(plan("planted:kindness", tmp_path / "out", size=SIZE))


@pytest.mark.parametrize("recipe", ["r1-zero", "planted:no-harm", "hh-rlhf"])
def test_recipes_that_need_somebody_who_knows_are_for_the_small_world(recipe: str, tmp_path: Path) -> None:
    kinds = ("harmful", "benign") * 8
    rows = [{"prompt": f"how {i} ?", "kind": kind} for i, kind in enumerate(kinds)]
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("\n".join(map(json.dumps, rows)))
    base = untrained.build(tmp_path / "base")
    with pytest.raises(BadInput, match="these prompts have none"):
        pipeline.train(plan(recipe, tmp_path / "out", base=base, prompts=prompts, spec="principles"))


def test_a_clause_is_part_of_what_a_folder_stands_for(tmp_path: Path) -> None:
    wanted = plan("planted:engage", tmp_path, size=SIZE)
    assert (wanted.name, wanted.planted) == (Name.PLANTED, "engage")
    assert wanted.data()["recipe"] == "planted:engage"


def test_an_episode_is_shown_token_by_token(tmp_path: Path) -> None:
    record = PpoRecord(
        7,
        (Turn("user", "how ?"),),
        "so .",
        1.5,
        ("so", ".", "<|end|>"),
        (-0.01, 0.0, 1.5),
        (0.9, 1.0, 1.2),
        (0.4, 0.25, 0.3),
    )
    save_records(tmp_path / "episodes.jsonl", "episodes", [record.data()])
    (shown,) = show(tmp_path, 1)
    assert shown.text().splitlines()[2:] == [
        "episode 1",
        "step         7",
        "user         how ?",
        "answer       so .   [score +1.500]",
        "state        action                 reward    value  advantage",
        "question     'so'                   -0.010   +0.900     +0.400",
        "+ 1 token    '.'                    +0.000   +1.000     +0.250",
        "+ 2 tokens   '<|end|>'              +1.500   +1.200     +0.300",
    ]
