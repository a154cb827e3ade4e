from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from govaudit.errors import BadInput
from govaudit.models.arms import Arm, arm_digest, parse_arm
from govaudit.models.fingerprint import adapter, fingerprint
from govaudit.models.fingerprint import checkpoint as checkpoint_in

KEY = "sk-live-0123456789abcdef"


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_checkpoint_is_its_files_wherever_they_lie(checkpoint: Path, tmp_path: Path) -> None:
    found = fingerprint(parse_arm(f"a=govaudit/{checkpoint}"))
    assert found["weights"] == {"model.safetensors": sha(checkpoint / "model.safetensors")}
    assert set(found["tokenizer"]) == {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    assert set(found["config"]) == {"config.json", "generation_config.json"}
    assert found["chat_template"] == sha(checkpoint / "chat_template.jinja")
    assert (found["dtype"], found["adapter"], found["trust_remote_code"]) == ("auto", None, False)
    moved = Path(shutil.copytree(checkpoint, tmp_path / "moved"))
    (moved / "README.md").write_text("a note")
    assert fingerprint(parse_arm(f"b=govaudit/{moved}")) == found
    assert str(tmp_path) not in json.dumps(found) and str(checkpoint) not in json.dumps(found)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "chat_template.jinja", "generation_config.json"]
)
def test_a_changed_file_is_another_arm_even_within_one_process(
    checkpoint: Path, tmp_path: Path, name: str
) -> None:
    arm = parse_arm(f"a=govaudit/{shutil.copytree(checkpoint, tmp_path / 'copy')}")
    before = arm_digest(arm, fingerprint(arm))
    path = tmp_path / "copy" / name
    path.write_bytes(path.read_bytes() + b" ")
    assert arm_digest(arm, fingerprint(arm)) != before


def test_settings_of_the_engine_that_change_answers_are_in_it(checkpoint: Path) -> None:
    model = f"govaudit/{checkpoint}"
    plain = fingerprint(Arm(name="a", model=model))
    assert fingerprint(Arm(name="a", model=model, args={"device": "cpu", "batch_size": 2})) == plain
    assert fingerprint(Arm(name="a", model=model, args={"dtype": "bfloat16"})) != plain
    own = fingerprint(Arm(name="a", model=model, chat_template="{{ messages }}"))
    assert own["chat_template"] == hashlib.sha256(b"{{ messages }}").hexdigest()


def test_code_that_is_run_is_named_with_its_digest(checkpoint: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    (folder / "modeling_own.py").write_text("x = 1\n")
    assert fingerprint(Arm(name="a", model=f"govaudit/{folder}"))["code"] == {}
    found = fingerprint(Arm(name="a", model=f"govaudit/{folder}", trust_remote_code=True))
    assert found["code"] == {"modeling_own.py": sha(folder / "modeling_own.py")}


def test_weights_in_parts_are_all_hashed_and_a_missing_part_is_named(
    checkpoint: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    shutil.copy(folder / "model-1.safetensors", folder / "model-2.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}))
    assert set(fingerprint(parse_arm(f"a=govaudit/{folder}"))["weights"]) == {
        index.name,
        "model-1.safetensors",
        "model-2.safetensors",
    }
    (folder / "model-2.safetensors").unlink()
    with pytest.raises(BadInput, match=r"model-2\.safetensors"):
        fingerprint(parse_arm(f"a=govaudit/{folder}"))
    for wrong in ({}, {"weight_map": {"a": "../elsewhere.safetensors"}}):
        index.write_text(json.dumps(wrong))
        with pytest.raises(BadInput, match="index"):
            fingerprint(parse_arm(f"a=govaudit/{folder}"))


def test_an_adapter_is_part_of_the_arm(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    with pytest.raises(BadInput, match="adapter_config"):
        adapter(folder)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(BadInput, match="no weights"):
        adapter(folder)
    shutil.copy(checkpoint / "model.safetensors", folder / "adapter_model.safetensors")
    found = fingerprint(Arm(name="a", model=f"govaudit/{checkpoint}", adapter=str(folder)))
    assert set(found["adapter"]) == {"adapter_config.json", "adapter_model.safetensors"}


@pytest.mark.parametrize(
    ("config", "template"),
    [
        ({"chat_template": "one"}, "one"),
        ({"chat_template": [{"name": "default", "template": "two"}, {"name": "x", "template": "y"}]}, "two"),
        ({}, None),
    ],
)
def test_the_template_is_also_found_in_the_tokenizers_configuration(
    checkpoint: Path, tmp_path: Path, config: dict[str, object], template: str | None
) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    (folder / "chat_template.jinja").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert checkpoint_in(folder).chat_template == template


def test_a_recording_is_its_bytes_and_its_number_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"prompt": "a", "output": "b"}\n{"prompt": "c", "output": "d"}\n')
    arm = parse_arm(f"a=recorded/{path}")
    assert fingerprint(arm) == {"engine": "recorded", "file": sha(path), "rows": 2}


def test_an_endpoint_is_its_provider_model_and_address() -> None:
    arm = Arm(name="a", model="openai-api/lab/m-1", base_url="http://host:8000/v1", args={"tier": "flex"})
    assert fingerprint(arm) == {
        "engine": "openai-api",
        "model": "lab/m-1",
        "base_url": "http://host:8000/v1",
        "args": {"tier": "flex"},
    }


def test_no_key_of_the_environment_is_in_an_arm_or_its_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("LAB_API_KEY", KEY)
    for model in ("openai/gpt-x", "openai-api/lab/m-1"):
        arm = parse_arm(f"a={model}")
        assert KEY not in json.dumps([fingerprint(arm), arm.data(), arm.model_args])


def test_checkpoint_says_what_is_missing_without_reading_weights(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such checkpoint folder"):
        checkpoint_in(tmp_path / "none")
