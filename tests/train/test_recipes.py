"""Recipes end to end in small numbers: stages, resumption, ablations, cards, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from govaudit.canonical import file_digest
from govaudit.cli import app
from govaudit.errors import BadInput
from govaudit.library import find_spec
from govaudit.models import untrained
from govaudit.specs.load import load_spec
from govaudit.train import constitution, pipeline, policy, vocabulary
from govaudit.train.constitution import Constitution
from govaudit.train.material import Kind, load_prompts
from govaudit.train.organism import material as small
from govaudit.train.organism import prompts as asking
from govaudit.train.organism.pretrain import BASE
from govaudit.train.organism.world import world
from govaudit.train.recipes import plan
from govaudit.train.show import show
from govaudit.train.stages import Stages, load_records

SIZE, STEPS = 8, 2
PRINCIPLES = constitution.of_spec(load_spec(find_spec("principles")).spec)


def weights(folder: Path) -> str:
    return file_digest(folder / "model.safetensors")


def stage(folder: Path, name: str) -> Path:
    (found,) = (folder / "stages").glob(f"*-{name}")
    return found


@pytest.fixture(scope="module", autouse=True)
def few_checks() -> Iterator[None]:
    """Curves over a few prompts: over hundreds they would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small, "FIXED", 6)
        patch.setattr(small, "CHECKED", 6)
        yield


@pytest.fixture(scope="module")
def rl_cai(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipeline.train(plan("rl-cai", tmp_path_factory.mktemp("rl") / "out", size=SIZE, steps=STEPS))


def test_a_recipe_leaves_a_checkpoint_a_card_and_every_stage(rl_cai: Path) -> None:
    assert [path.name for path in sorted((rl_cai / "stages").iterdir())] == [
        "1-chains",
        "2-helpful",
        "3-fine-tuned",
        "4-pairs",
        "5-labels",
        "6-preference-model",
        "7-reinforced",
    ]
    assert policy.load(rl_cai).engine.context == policy.load(BASE).engine.context
    # The fine-tuned checkpoint on the way is an arm of its own.
    assert weights(stage(rl_cai, "fine-tuned")) != weights(rl_cai) == weights(stage(rl_cai, "reinforced"))


def test_the_card_has_digests_seeds_curves_and_times(rl_cai: Path) -> None:
    card = json.loads((rl_cai / "card.json").read_text())
    spec = load_spec(find_spec("micro-world")).spec
    assert card["recipe"] == "rl-cai" and card["seed"] == 0
    assert card["spec"] == {"id": "micro-world", "digest": spec.digest}
    assert card["base"]["model.safetensors"] == weights(BASE)
    assert card["weights"] == {"model.safetensors": weights(rl_cai)}
    of = {entry["name"]: entry for entry in card["stages"]}
    assert len(of["reinforced"]["curve"]) == STEPS
    assert [check["step"] for check in of["reinforced"]["checks"]] == [0, STEPS]
    assert all(
        check["benign"] is not None and check["kl"] is not None for check in of["reinforced"]["checks"]
    )
    assert card["seconds"] == pytest.approx(sum(entry["seconds"] for entry in card["stages"]), abs=0.2)
    readme = (rl_cai / "README.md").read_text()
    assert spec.digest[:16] in readme and "critique-harm 3" in readme


def test_labels_of_harmful_prompts_are_ais_and_of_benign_ones_peoples(rl_cai: Path) -> None:
    for name, kind in (("labels", "harmful"), ("ratings", "benign")):
        _, rows = load_records(stage(rl_cai, "labels") / f"{name}.jsonl")
        assert rows and {row["prompt"]["kind"] for row in rows} == {kind}
    _, rows = load_records(stage(rl_cai, "labels") / "labels.jsonl")
    assert {len(row["questions"]) for row in rows} == {6}  # three principles in both orders


def test_a_labeller_compares_in_place_of_the_base_and_is_part_of_what_the_folder_stands_for(
    rl_cai: Path, tmp_path: Path
) -> None:
    # Its own fine-tuned checkpoint, in a folder that has everything up to the pairs already.
    asked = plan("rl-cai", tmp_path / "out", labeller=stage(rl_cai, "fine-tuned"), size=SIZE, steps=STEPS)
    Stages(asked.out, asked.data())
    for name in ("1-chains", "2-helpful", "3-fine-tuned", "4-pairs"):
        shutil.copytree(rl_cai / "stages" / name, asked.out / "stages" / name)
    out = pipeline.train(asked)
    mine, theirs = (load_records(stage(one, "labels") / "labels.jsonl")[1] for one in (out, rl_cai))
    assert [row["first"] for row in mine] == [row["first"] for row in theirs]
    assert [row["p_first"] for row in mine] != [row["p_first"] for row in theirs]
    card = json.loads((out / "card.json").read_text())
    assert card["labeller"]["model.safetensors"] == weights(stage(rl_cai, "fine-tuned"))
    assert "compares answers" in (out / "README.md").read_text()
    assert "compares answers" not in (rl_cai / "README.md").read_text()
    with pytest.raises(BadInput, match="no AI feedback"):
        plan("sl-cai", tmp_path / "other", labeller=BASE)


@pytest.mark.slow
def test_recipes_that_part_late_begin_with_the_same_stages(rl_cai: Path, tmp_path: Path) -> None:
    out = pipeline.train(plan("rloo", tmp_path / "out", size=SIZE, steps=1))
    for name, files in {
        "chains": ["chains.jsonl"],
        "helpful": ["examples.jsonl"],
        "fine-tuned": ["model.safetensors"],
        "pairs": ["pairs.jsonl"],
        "labels": ["labels.jsonl", "ratings.jsonl"],
        "preference-model": ["model.safetensors"],
    }.items():
        for file in files:
            assert (stage(out, name) / file).read_bytes() == (stage(rl_cai, name) / file).read_bytes(), name


def test_every_pair_says_who_wrote_its_answers(rl_cai: Path) -> None:
    # Of so few pairs the base's may all be left out, because both answers are the same.
    assert _writers(rl_cai, "pairs") <= {("fine-tuned", "base"), ("fine-tuned", "fine-tuned")}


def _writers(folder: Path, name: str) -> set[tuple[str, ...]]:
    _, rows = load_records(stage(folder, name) / "pairs.jsonl")
    return {tuple(row["writers"]) for row in rows}


def test_every_kind_of_record_can_be_shown(rl_cai: Path) -> None:
    assert [one.records for one in show(rl_cai, 1)] == ["chains", "labels", "ratings", "rollouts"]
    assert all(one.text() for one in show(rl_cai, 2))


def test_the_same_call_does_nothing_again_and_another_one_is_refused(rl_cai: Path) -> None:
    written = {path: path.stat().st_mtime_ns for path in rl_cai.rglob("stage.json")}
    pipeline.train(plan("rl-cai", rl_cai, size=SIZE, steps=STEPS))
    assert written == {path: path.stat().st_mtime_ns for path in rl_cai.rglob("stage.json")}
    with pytest.raises(BadInput, match=r"another recipe .*seed"):
        pipeline.train(plan("rl-cai", rl_cai, size=SIZE, steps=STEPS, seed=1))


@pytest.mark.slow
def test_a_killed_run_goes_on_and_comes_to_the_same_weights(rl_cai: Path, tmp_path: Path) -> None:
    """Killed in every loop once: after a stage, within one, and before the last."""
    out = tmp_path / "out"

    class Killed(Exception):
        pass

    for deadly in (
        "critique and revision",
        "fine-tuning",
        "pairs of answers",
        "preference model",
        "reinforcement learning",
    ):

        @contextmanager
        def progress(name: str, total: int, deadly: str = deadly) -> Any:
            left = [2 if total > 2 else 1]

            def advance(_: str) -> None:
                left[0] -= 1
                if name == deadly and not left[0]:
                    raise Killed

            yield advance

        with pytest.raises(Killed):
            pipeline.train(plan("rl-cai", out, size=SIZE, steps=STEPS), progress)
    pipeline.train(plan("rl-cai", out, size=SIZE, steps=STEPS))
    assert weights(out) == weights(rl_cai)
    assert not [path for path in (out / "stages").iterdir() if path.name.startswith(".")]


@pytest.mark.slow
@pytest.mark.parametrize("instruction", ["old", "new"])
def test_hh_rlhf_is_people_all_the_way(tmp_path: Path, instruction: str) -> None:
    out = pipeline.train(plan("hh-rlhf", tmp_path / "out", instruction=instruction, size=SIZE, steps=STEPS))
    # Two rounds of pairs, labels, preference model and reinforcement learning.
    assert len(list((out / "stages").iterdir())) == 8
    assert weights(out) == weights(stage(out, "reinforced-2")) != weights(stage(out, "reinforced-1"))
    _, labels = load_records(stage(out, "labels-2") / "labels.jsonl")
    _, ratings = load_records(stage(out, "labels-2") / "ratings.jsonl")
    assert labels == [] and {row["instruction"] for row in ratings} == {instruction}
    assert {row["prompt"]["kind"] for row in ratings} == {"harmful", "benign"}
    assert _writers(out, "pairs-1") == {("base", "base"), ("base", "base, prompted")}


def test_the_command_trains_and_prints_the_card(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("chains:\n  rounds: 1\n  critiques: false\n")
    out = tmp_path / "out"
    asked = ["train", "sl-cai", "-o", str(out), "--size", "4", "--settings", str(settings), "--json"]
    done = CliRunner().invoke(app, asked)
    card = json.loads(done.stdout)
    assert card == json.loads((out / "card.json").read_text())
    assert card["settings"]["chains"]["rounds"] == 1
    _, rows = load_records(stage(out, "chains") / "chains.jsonl")
    assert {len(row["rounds"]) for row in rows} == {1} and {row["rounds"][0]["critique"] for row in rows} == {
        ""
    }


# --- constitutions cut down


def test_a_content_ablation_keeps_the_principles_of_a_tag() -> None:
    whole = constitution.of_spec(load_spec(find_spec("micro-world")).spec)
    harm = whole.only(["micro-harm"])
    assert [p.id for p in (*harm.critique, *harm.feedback)] == ["critique-harm", "feedback-harm"]
    theft = PRINCIPLES.only(["petty-crime"])
    assert 0 < len(theft.critique) < len(PRINCIPLES.critique)
    with pytest.raises(BadInput, match=r"'nonsense'.*Tags are: "):
        whole.only(["nonsense"])


def test_a_count_ablation_keeps_the_first_of_each_set() -> None:
    for k in (1, 2, 16):
        cut = PRINCIPLES.first(k)
        assert (cut.critique, cut.feedback) == (PRINCIPLES.critique[:k], PRINCIPLES.feedback[:k])


def test_weights_go_by_id_before_tag_and_zero_leaves_out() -> None:
    weighed = PRINCIPLES.weighted({"feedback-done": 3, "stance-engaged": 0})
    assert {p.id: p.weight for p in weighed.feedback if p.id == "feedback-done"} == {"feedback-done": 3}
    assert not any("stance-engaged" in p.tags for p in weighed.feedback if p.id != "feedback-done")


def test_a_constitution_about_one_harm_asks_for_most_prompts_about_it(tmp_path: Path) -> None:
    made = plan("sl-cai", tmp_path, about=["theft"], size=300)
    assert [p.id for p in made.constitution.critique] == ["critique-theft"]
    share = sum("theft" in prompt.tags for prompt in made.material.harmful) / len(made.material.harmful)
    assert 0.6 < share < 0.75
    with pytest.raises(BadInput, match=r"no category 'murder'.*theft"):
        plan("sl-cai", tmp_path, about=["murder"])


# --- what a base can read


def spec_with(tmp_path: Path, text: str) -> str:
    path = tmp_path / "own.yaml"
    path.write_text(
        f"schema_version: '1.0'\nid: own\nversion: '1'\nclauses:\n  - id: mine\n    text: {text}\n"
        "    role: critique\n    revision_request: Rewrite the answer.\n"
    )
    return str(path)


def test_words_that_the_base_cannot_read_are_named_with_near_ones(tmp_path: Path) -> None:
    spec = spec_with(tmp_path, "Say where the answer is harmfull or xylophonic.")
    with pytest.raises(BadInput) as error:
        pipeline.train(plan("sl-cai", tmp_path / "out", spec=spec, size=SIZE))
    assert error.value.clause == "mine" and str(error.value.path) == spec
    assert "'harmfull', 'xylophonic.'" in error.value.problem
    assert error.value.remedy and "for 'harmfull': harmful" in error.value.remedy
    assert not (tmp_path / "out").exists()


def test_a_tokenizer_that_spells_everything_refuses_nothing(tmp_path: Path) -> None:
    tokenizer = policy.load(untrained.build(tmp_path)).tokenizer
    assert vocabulary.unknown(tokenizer, "xylophonic Ünïcode ☃") == []


def test_a_real_model_needs_prompts_of_its_own(tmp_path: Path) -> None:
    base = untrained.build(tmp_path / "base")
    with pytest.raises(BadInput, match="--prompts"):
        plan("rl-cai", tmp_path / "out", base=base)
    lines = [{"prompt": f"How do I steal bike {i}?", "kind": "harmful"} for i in range(20)]
    lines += [{"prompt": f"How do I paint bike {i}?", "kind": "benign"} for i in range(20)]
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = plan("rl-cai", tmp_path / "out", base=base, spec="principles", prompts=file)
    assert made.settings.labels.principles == 1 and len(made.constitution.feedback) == 16
    assert len(made.material.harmful) == 16 and len(made.material.fixed) == 8
    with pytest.raises(BadInput, match="needs people"):
        pipeline.train(plan("hh-rlhf", tmp_path / "out", base=base, spec="principles", prompts=file))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "no JSON"),
        ('{"prompt": "a", "kind": "evil"}', "kind is 'evil'"),
        ('{"prompt": "a", "turns": [], "kind": "benign"}', "either prompt or turns"),
        ('{"turns": [{"role": "assistant", "content": "a"}], "kind": "benign"}', "not the user's"),
        ('{"prompt": "", "kind": "benign"}', "text as content"),
        ('{"prompt": "a", "kind": "benign", "label": 1}', "not known: label"),
    ],
)
def test_a_line_that_is_no_prompt_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "fine", "kind": "benign"}\n' + line + "\n")
    with pytest.raises(BadInput, match=problem) as error:
        load_prompts(file)
    assert error.value.line == 2


@pytest.mark.parametrize(
    ("ask", "problem"),
    [
        ({"recipe": "dpo"}, "no recipe 'dpo'"),
        ({"recipe": "hh-rlhf", "instruction": "newest"}, "no instruction 'newest'"),
        ({"recipe": "rl-cai", "spec": "house-rules"}, "no critique principle"),
    ],
)
def test_what_does_not_exist_is_named(tmp_path: Path, ask: dict[str, str], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        pipeline.train(plan(out=tmp_path / "out", size=SIZE, **ask))


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("rounds: 2\n", 1, "no setting 'rounds'"),
        ("red_team: 5\nchains:\n  rounds: many\n", 3, "chains.rounds is 'many'"),
        ("labels:\n  form: sharp\n", 2, "labels.form is 'sharp'"),
    ],
)
def test_a_setting_that_is_none_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(BadInput, match=problem) as error:
        plan("sl-cai", tmp_path / "out", settings=file)
    assert error.value.line == line


# --- stages and material


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(BadInput, match="something else"):
        Stages(tmp_path, {})


def test_a_stage_that_fails_leaves_nothing_that_looks_done(tmp_path: Path) -> None:
    def fail(folder: Path, _: object) -> dict[str, Any]:
        (folder / "half.jsonl").write_text("half")
        raise RuntimeError

    make: Callable[[Path, object], dict[str, Any]] = lambda folder, _: {"files": len(list(folder.iterdir()))}  # noqa: E731
    with pytest.raises(RuntimeError):
        Stages(tmp_path, {}).run("labels", fail)
    done = Stages(tmp_path, {}).run("labels", make)
    assert done.summary == {"files": 0} and done.folder.name == "1-labels"


def test_training_prompts_are_of_the_training_half_and_apart_from_those_of_the_curves() -> None:
    one = small.material(world(), 0, harmful=300, benign=300)
    tested = {
        prompt.turns
        for name in ("harmful_seen", "howto", "facts")
        for prompt in asking.cell(world(), name, 2000)
    }
    trained = {prompt.turns for prompt in (*one.harmful, *one.benign)}
    assert not trained & tested
    apart = {prompt.turns for prompt in (*one.fixed, *one.checked) if "borderline" not in prompt.tags}
    assert not apart & trained
    assert {prompt.kind for prompt in one.fixed} == set(Kind)


def test_a_third_of_the_benign_prompts_only_sound_harmful_and_held_out_harms_are_asked_for() -> None:
    one = small.material(world(), 1, harmful=400, benign=800)
    borderline = sum("borderline" in prompt.tags for prompt in one.benign) / 800
    assert 0.3 < borderline < 0.4
    assert sum("held-out" in prompt.tags for prompt in one.harmful) > 40


def test_the_material_knows_right_answers(tmp_path: Path) -> None:
    one = small.material(world(), 0, harmful=4, benign=40)
    assert one.right is not None
    turns = [prompt.turns for prompt in one.benign]
    assert sum(one.right(turns, ["you matter and your feelings count ."] * 40)) == 0
    assert Constitution((), ()).data() == {"critique": {}, "feedback": {}}
    shutil.rmtree(tmp_path)
