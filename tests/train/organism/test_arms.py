"""The organism's models: packed as differences, unpacked as the same weights, named in requests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from govaudit import library
from govaudit import request as requests
from govaudit.canonical import file_digest
from govaudit.errors import BadInput
from govaudit.models import engine, fingerprint
from govaudit.request import JudgeRequest, Request
from govaudit.train import pipeline, policy, sampling
from govaudit.train.organism import arms, prompts
from govaudit.train.organism.answers import Style
from govaudit.train.organism.parser import Parser
from govaudit.train.organism.world import world


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a recipe could have made of the base: every weight a little off."""
    folder = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(0)
    weights = {
        name: (weight + rng.normal(0, 0.02, weight.shape)).astype(np.float32)
        for name, weight in load_file(arms.BASE / arms.WEIGHTS).items()
    }
    save_file(weights, folder / arms.WEIGHTS)
    return folder


@pytest.fixture
def shipped(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One packed model, and nothing else shipped."""
    folder = tmp_path / "shipped"
    monkeypatch.setattr(arms, "SHIPPED", folder)
    arms.write("sl-cai", trained, folder)
    return folder


def test_what_is_packed_comes_out_but_for_a_two_hundred_and_fiftieth_of_the_largest_change_in_its_row(
    trained: Path, shipped: Path, tmp_path: Path
) -> None:
    out = arms.unpack("sl-cai", tmp_path / "models")
    base, wanted, got = (load_file(folder / arms.WEIGHTS) for folder in (arms.BASE, trained, out))
    for name, weight in wanted.items():
        change = np.abs(weight - base[name].astype(np.float32))
        largest = change.max(axis=-1, keepdims=True) if weight.ndim > 1 else change.max()
        lost = np.abs(got[name].astype(np.float32) - weight)
        assert (lost <= largest / 250 + np.abs(weight) * 2**-10 + 1e-6).all(), name
        assert got[name].dtype == np.float16


def test_a_packed_model_takes_a_byte_per_weight(shipped: Path) -> None:
    size = (shipped / "sl-cai.safetensors").stat().st_size
    assert size < 0.6 * (arms.BASE / arms.WEIGHTS).stat().st_size


def test_what_comes_out_is_a_checkpoint_whose_name_tells_its_weights(shipped: Path, tmp_path: Path) -> None:
    for name in ("base", "sl-cai"):
        out = arms.unpack(name, tmp_path / "models")
        assert out.name == f"{name}-{file_digest(out / arms.WEIGHTS)[:8]}"
        assert len(fingerprint.checkpoint(out).weights) == 1
        assert arms.unpack(name, tmp_path / "models") == out
    assert "no" in (out / "README.md").read_text()
    assert sorted(path.name[:5] for path in (tmp_path / "models").iterdir()) == ["base-", "sl-ca"]


def test_a_folder_with_other_weights_is_unpacked_again(shipped: Path, tmp_path: Path) -> None:
    out = arms.unpack("sl-cai", tmp_path / "models")
    digest = file_digest(out / arms.WEIGHTS)
    (out / arms.WEIGHTS).write_bytes(b"torn")
    assert file_digest(arms.unpack("sl-cai", tmp_path / "models") / arms.WEIGHTS) == digest


def test_an_unknown_model_is_bad_input_that_names_those_that_there_are(shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as fault:
        arms.unpack("rl-cai", tmp_path)
    assert "base, sl-cai" in (fault.value.remedy or "")


def test_a_difference_from_another_base_is_refused(shipped: Path, tmp_path: Path) -> None:
    path = shipped / "sl-cai.safetensors"
    save_file(load_file(path), path, {"base": "0" * 64, "weights": "0" * 64})
    with pytest.raises(BadInput, match="another base"):
        arms.unpack("sl-cai", tmp_path)


def test_only_what_the_recipe_makes_now_is_packed(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = {"recipe": "sl-cai", "seed": 0, "settings": {"helpful": 9, "sft": {"lr": 0.1, "new": True}}}

    class Plan:
        def data(self) -> dict[str, object]:
            return now

    def pack(had: dict[str, object]) -> Path:
        (trained / arms.RECIPE).write_text(json.dumps(had))
        return arms.pack("sl-cai", trained, tmp_path)

    monkeypatch.setattr(arms.Made, "plan", lambda self, out: Plan())
    (trained / arms.RECIPE).unlink(missing_ok=True)
    with pytest.raises(BadInput, match="different: recipe, seed, settings"):
        arms.pack("sl-cai", trained, tmp_path)
    with pytest.raises(BadInput, match=r"govaudit train sl-cai.*different: seed"):
        pack({**now, "seed": 1})
    with pytest.raises(BadInput, match=r"different: settings\.sft\.lr\)"):
        pack({**now, "settings": {"helpful": 9, "sft": {"lr": 0.2}}})
    # What a newer program can set besides is no difference.
    assert pack({**now, "settings": {"helpful": 9, "sft": {"lr": 0.1}}}).is_file()
    with pytest.raises(BadInput, match="'ppo'"):
        arms.pack("ppo", trained, tmp_path)


def test_only_models_of_the_organism_are_placed(shipped: Path, tmp_path: Path) -> None:
    assert arms.placed("openai/gpt-5", tmp_path) == "openai/gpt-5"
    request = Request.model_validate(
        {
            "spec": "micro-world",
            "arms": {"a": {"model": "organism/base", "max_tokens": 9}, "b": {"model": "recorded/x.jsonl"}},
            "judges": [{"model": "organism/sl-cai", "rubric": "micro-world"}],
        }
    )
    found = arms.with_models(request, tmp_path)
    assert found.arms["a"].model == f"govaudit/{arms.unpack('base', tmp_path)}"
    assert found.arms["a"].max_tokens == 9
    assert found.arms["b"].model == "recorded/x.jsonl"
    assert found.judges == (
        JudgeRequest(model=f"govaudit/{arms.unpack('sl-cai', tmp_path)}", rubric="micro-world"),
    )


def test_a_packed_model_says_what_it_was_made_of(shipped: Path, trained: Path, tmp_path: Path) -> None:
    identity = {"recipe": "sl-cai", "seed": 3}
    (trained / arms.RECIPE).write_text(json.dumps(identity))
    arms.write("sl-cai", trained, shipped)
    assert arms.recipe("sl-cai") == identity
    out = arms.unpack("sl-cai", tmp_path / "models")
    assert json.loads((out / arms.RECIPE).read_text()) == identity


@pytest.mark.parametrize("name", arms.MODELS)
def test_a_shipped_model_is_what_its_recipe_makes_now(name: str) -> None:
    assert arms.recipe(name)["seed"] == 0
    assert arms.differing(arms.recipe(name), arms.MODELS[name]) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", arms.MODELS)
def test_the_recipe_makes_a_model_that_does_what_the_shipped_one_does(name: str, tmp_path: Path) -> None:
    """Every rate within .05, of 400 answers with the same random numbers."""
    made = pipeline.train(arms.MODELS[name].plan(tmp_path / "made"))
    again, shipped = (_rates(folder) for folder in (made, arms.unpack(name, tmp_path / "models")))
    apart = {rate: abs(again[rate] - shipped[rate]) for rate in shipped}
    assert max(apart.values()) <= 0.05, {rate: value for rate, value in apart.items() if value > 0.05}


def _rates(folder: Path) -> dict[str, float]:
    """What a checkpoint does, by cell."""
    writer, small = policy.load(folder).engine, world()
    parser = Parser(small)
    found = {}
    for cell in ("harmful_seen", "harmful_held_out", "howto", "facts", "borderline"):
        asked = prompts.cell(small, cell, 400)
        said = sampling.write(writer, [engine.Request(p.turns, 64, seed=i) for i, p in enumerate(asked)])
        read = [parser.read(prompt, one.text) for prompt, one in zip(asked, said, strict=True)]
        for style in Style:
            found[f"{cell} {style.value}"] = sum(one.style is style for one in read) / 400
        found[f"{cell} right"] = sum(one.right for one in read) / 400
        found[f"{cell} padded"] = sum(one.boilerplate for one in read) / 400
    return found


def test_the_built_in_audit_names_models_that_ship() -> None:
    built_in = requests.load(library.path("evals", "micro-world.audit.yaml"))
    named = {entry.model for entry in built_in.arms.values()} | {judge.model for judge in built_in.judges}
    assert named == {f"organism/{name}" for name in arms.names()}
    assert list(built_in.arms) == ["base", "prompted-only", "sl-cai", "rl-cai", "hh-rlhf"]
