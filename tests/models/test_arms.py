from __future__ import annotations

from pathlib import Path

import pytest

from govaudit.errors import BadInput
from govaudit.models.arms import (
    Arm,
    ArmEntry,
    arm_digest,
    arm_of,
    distinct,
    entry_of,
    load_arms,
    parse_arm,
    prompted,
)

KEY = "sk-live-0123456789abcdef"


def write(folder: Path, text: str) -> Path:
    path = folder / "arms.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "name", "model"),
    [
        ("base=openai/gpt-x", "base", "openai/gpt-x"),
        ("openai/gpt-x", "gpt-x", "openai/gpt-x"),
        ("govaudit/runs/a b/", "a-b", "govaudit/runs/a b/"),
        ("recorded/data/model.one.jsonl.gz", "model.one", "recorded/data/model.one.jsonl.gz"),
        ("recorded/seed=3/answers.jsonl", "answers", "recorded/seed=3/answers.jsonl"),
        ("x=recorded/seed=3/answers.jsonl", "x", "recorded/seed=3/answers.jsonl"),
    ],
)
def test_an_arm_is_named_or_called_after_its_model(text: str, name: str, model: str) -> None:
    arm = parse_arm(text)
    assert (arm.name, arm.model) == (name, model)


@pytest.mark.parametrize(
    "text", ["base=", "=openai/x", "gpt-x", "a b=openai/x", "base=openai/", "ä=openai/x", ""]
)
def test_what_names_no_arm_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_arm(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"max_tokens": 0},
        {"context": 0},
        {"reasoning_effort": "very"},
        {"adapter": "somewhere"},
        {"trust_remote_code": True},
        {"base_url": f"https://user:{KEY}@host/v1"},
        {"base_url": f"https://host/v1?key={KEY}"},
        {"base_url": "host:8000"},
        {"args": {"api_key": KEY}},
        {"args": {"headers": [{"Authorization": KEY}]}},
        {"args": {"hub_token": KEY}},
    ],
)
def test_values_out_of_range_and_secrets_are_refused_without_being_quoted(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput) as error:
        Arm(name="x", model="openai/gpt-x", **wrong)  # type: ignore[arg-type]
    assert KEY not in str(error.value)


def test_arguments_that_the_engine_does_not_know_are_refused() -> None:
    with pytest.raises(BadInput, match="quantize"):
        Arm(name="x", model="govaudit/folder", args={"quantize": True})


def test_a_file_of_arms_sets_everything_and_keeps_its_order(tmp_path: Path) -> None:
    (tmp_path / "rules.txt").write_text("Be kind.", encoding="utf-8")
    (tmp_path / "own.jinja").write_text("{{ messages }}", encoding="utf-8")
    path = write(
        tmp_path,
        """\
schema_version: "1.0"
arms:
  z-base:
    model: govaudit/checkpoints/base
    args: {device: cpu, batch_size: 8}
    adapter: adapters/one
    system_file: rules.txt
    chat_template_file: own.jinja
    temperature: 0
    context: 2048
    trust_remote_code: true
  a-endpoint:
    model: openai/gpt-x
    base_url: http://localhost:8000/v1
    system: Answer briefly.
    top_p: 0.9
    max_tokens: 200
    reasoning_effort: low
""",
    )
    base, endpoint = load_arms(path)
    assert base == Arm(
        name="z-base",
        model=f"govaudit/{tmp_path}/checkpoints/base",
        args={"device": "cpu", "batch_size": 8},
        adapter=f"{tmp_path}/adapters/one",
        system="Be kind.",
        chat_template="{{ messages }}",
        temperature=0,
        context=2048,
        trust_remote_code=True,
    )
    assert base.model_args["device"] == "cpu" and base.model_args["trust_remote_code"] is True
    assert endpoint.name == "a-endpoint"
    assert endpoint.temperature == Arm.temperature == 1.0
    assert endpoint.model_args == {}
    assert arm_of("z-base", entry_of(base)) == base


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("arms:\n  a:\n    model: openai/x\n    tempreature: 1\n", 4, "tempreature"),
        ("arms:\n  a:\n    model: openai/x\n    temperature: warm\n", 4, "temperature"),
        ("arms:\n  a:\n    model: openai/x\n    trust_remote_code: off\n", 4, "trust_remote_code"),
        ("arms:\n  a:\n    temperature: 1\n", 2, "model"),
        ("arms:\n  a:\n    model: openai/x\n  a:\n    model: openai/y\n", 4, "twice"),
        ("arms:\n  a:\n    model: openai/x\n    top_p: 3\n", 2, "top_p"),
        ("arms:\n  a b:\n    model: openai/x\n", 2, "a b"),
        ("arms:\n  a:\n    model: [unclosed\n", 4, "YAML"),
        ("arms:\n  a:\n    model: openai/x\nextra: 1\n", 4, "extra"),
        ("schema_version: '9.0'\narms:\n  a:\n    model: openai/x\n", 1, "schema_version"),
        (f"arms:\n  a:\n    model: openai/x\n    api_key: {KEY}\n", 4, "environment"),
        (f"arms:\n  a:\n    model: openai/x\n    args:\n      password: {KEY}\n", 2, "environment"),
        (f"arms:\n  a:\n    model: openai/x\n    base_url: https://u:{KEY}@h/\n", 2, "environment"),
        (f"arms:\n  a:\n    model: openai/x\n    temperature: {KEY}\n", 4, "temperature"),
        ("arms:\n  a:\n    model: openai/x\n    system: a\n    system_file: b\n", 2, "both"),
    ],
)
def test_a_fault_in_a_file_of_arms_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadInput, match=says) as error:
        load_arms(path)
    assert (error.value.path, error.value.line) == (path, line)
    assert KEY not in str(error.value)


@pytest.mark.parametrize("text", ["", "arms: {}\n", "- a\n", "models: 1\n"])
def test_a_file_without_arms_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput):
        load_arms(write(tmp_path, text))


def test_a_missing_file_of_arms_or_of_system_text_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        load_arms(tmp_path / "none.yaml")
    with pytest.raises(BadInput, match=r"gone\.txt"):
        load_arms(write(tmp_path, "arms:\n  a:\n    model: openai/x\n    system_file: gone.txt\n"))


def test_two_arms_of_one_name_are_refused() -> None:
    with pytest.raises(BadInput, match="two arms"):
        distinct((parse_arm("a=openai/x"), parse_arm("a=openai/y")))


def test_the_identity_of_an_arm_is_what_it_answers_with_not_its_label() -> None:
    found = {"engine": "openai", "model": "gpt-x"}
    arm = Arm(name="a", model="openai/gpt-x")
    same = Arm(name="b", model="openai/gpt-x")
    assert arm_digest(arm, found) == arm_digest(same, found)
    others = [
        Arm(name="a", model="openai/gpt-x", system="Be kind."),
        Arm(name="a", model="openai/gpt-x", temperature=0),
        Arm(name="a", model="openai/gpt-x", top_p=0.5),
        Arm(name="a", model="openai/gpt-x", max_tokens=5),
        Arm(name="a", model="openai/gpt-x", reasoning_effort="low"),
    ]
    digests = {arm_digest(other, found) for other in others} | {arm_digest(arm, {**found, "model": "y"})}
    assert len(digests) == 6 and arm_digest(arm, found) not in digests


def test_a_prompted_arm_has_the_spec_before_its_own_system_text() -> None:
    arm = Arm(name="a", model="openai/gpt-x", system="Be brief.")
    assert prompted(arm, "The spec.", "a+spec").system == "The spec.\n\nBe brief."
    assert prompted(Arm(name="a", model="openai/gpt-x"), "The spec.", "p").system == "The spec."
    with pytest.raises(BadInput, match="recorded"):
        prompted(Arm(name="a", model="recorded/x.jsonl"), "The spec.", "p")


def test_the_file_of_arms_in_the_docs_can_be_read(tmp_path: Path) -> None:
    docs = Path(__file__).parents[2] / "docs" / "models.md"
    text = docs.read_text(encoding="utf-8")
    arms = load_arms(write(tmp_path, text.split("```yaml\n")[1].split("```")[0]))
    assert [arm.name for arm in arms] == ["base", "tuned", "endpoint"]
    for key in ArmEntry.model_fields:
        assert f"`{key}`" in text
