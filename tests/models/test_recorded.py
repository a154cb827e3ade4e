from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, GenerateConfig, ModelOutput

from govaudit.errors import BadInput
from govaudit.models.recorded import Answer, RecordedAPI, read

STIMULUS = "ab" * 32


def write(folder: Path, *rows: object, name: str = "answers.jsonl") -> Path:
    path = folder / name
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def ask(path: Path, *messages: object, system: str | None = None) -> ModelOutput:
    api = RecordedAPI(str(path), system=system)
    return asyncio.run(api.generate(list(messages), [], "none", GenerateConfig()))  # type: ignore[arg-type]


@pytest.mark.parametrize("question", ["prompt", "instruction"])
@pytest.mark.parametrize("answer", ["completion", "output"])
@pytest.mark.parametrize("name", ["answers.jsonl", "answers.jsonl.gz"])
def test_a_prompt_finds_its_answer(tmp_path: Path, question: str, answer: str, name: str) -> None:
    path = write(tmp_path, {question: "Why? ", answer: "Because.", "label": 3}, name=name)
    output = ask(path, ChatMessageUser(content="Why?"))
    assert (output.completion, output.model, output.stop_reason) == ("Because.", name, "unknown")
    assert output.usage is not None and output.metadata == {}


def test_a_stimulus_finds_its_answer_in_its_epoch_with_the_recorded_model_id(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"stimulus": STIMULUS, "output": "one", "epoch": 1, "model": "m-1", "stop_reason": "length"},
        {"stimulus": STIMULUS, "output": "two", "epoch": 2, "model": "m-2"},
    )
    messages = [
        ChatMessageUser(content="a"),
        ChatMessageUser(content="b", metadata={"stimulus": STIMULUS, "epoch": 2}),
    ]
    assert ask(path, *messages).completion == "two"
    messages[1].metadata = {"stimulus": STIMULUS}
    first = ask(path, *messages)
    assert (first.completion, first.model, first.stop_reason) == ("one", "m-1", "max_tokens")
    messages[1].metadata = {"stimulus": STIMULUS, "epoch": 3}
    assert ask(path, *messages).metadata == {"unscored": "not_recorded"}


def test_what_is_not_recorded_is_unscored_and_an_empty_answer_is_an_answer(tmp_path: Path) -> None:
    path = write(tmp_path, {"prompt": "empty", "output": ""}, {"prompt": "null", "output": None})
    assert ask(path, ChatMessageUser(content="empty")).metadata == {}
    for text in ("null", "other"):
        output = ask(path, ChatMessageUser(content=text))
        assert (output.completion, output.metadata) == ("", {"unscored": "not_recorded"})


def test_only_the_arms_own_system_text_is_overlooked(tmp_path: Path) -> None:
    path = write(tmp_path, {"prompt": "Why?", "output": "Because."})
    user = ChatMessageUser(content="Why?")
    assert ask(path, ChatMessageSystem(content="Be kind."), user, system="Be kind.").completion == "Because."
    assert ask(path, ChatMessageSystem(content="Be rude."), user, system="Be kind.").completion == ""
    assert ask(path, ChatMessageUser(content="Hello."), user).completion == ""


def test_rows_of_one_prompt_are_its_epochs_in_order(tmp_path: Path) -> None:
    found = read(write(tmp_path, *({"prompt": "p", "output": text} for text in ("a", "b", "a"))))
    answers = [found.answer(stimulus=None, prompt="p", epoch=epoch) for epoch in (1, 2, 3, 4)]
    assert answers == [Answer(text, "answers.jsonl", "unknown") for text in "aba"] + [None]


def test_the_same_text_in_another_unicode_form_is_the_same_prompt(tmp_path: Path) -> None:
    found = read(write(tmp_path, {"prompt": "caf\u00e9\u2028x", "output": "a"}))
    assert found.answer(stimulus=None, prompt="cafe\u0301\u2028x") is not None


@pytest.mark.parametrize(
    ("rows", "line", "says"),
    [
        (['{"prompt": "a", "output": "b"}', "{broken"], 2, "no JSON"),
        (["[1]"], 1, "no JSON object"),
        ([{"question": "a", "output": "b"}], 1, "question"),
        ([{"prompt": "a", "answer": "b"}], 1, "answer"),
        ([{"prompt": 7, "output": "b"}], 1, "prompt"),
        ([{"prompt": " ", "output": "b"}], 1, "prompt"),
        ([{"prompt": "a", "output": ["b"]}], 1, "output"),
        ([{"prompt": "a", "output": "b", "epoch": 0}], 1, "epoch"),
        ([{"prompt": "a", "output": "b", "epoch": True}], 1, "epoch"),
        ([{"prompt": "a", "output": "b", "stop_reason": "tired"}], 1, "stop_reason"),
        ([{"prompt": "a", "output": "b", "stop_reason": ["stop"]}], 1, "stop_reason"),
        ([{"prompt": "a", "output": "b", "model": 3}], 1, "model"),
        (
            [{"prompt": "a", "output": "b", "epoch": 1}, {"prompt": "a", "output": "c", "epoch": 1}],
            2,
            "line 1",
        ),
        ([{"prompt": "a", "output": "b", "epoch": 1}, {"prompt": "a", "output": "c"}], 2, "epoch"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_line(
    tmp_path: Path, rows: list[object], line: int, says: str
) -> None:
    path = write(tmp_path, *rows)
    with pytest.raises(BadInput, match=says) as error:
        read(path)
    assert (error.value.path, error.value.line) == (path, line)


def test_files_that_are_empty_missing_or_in_the_wrong_form_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no responses"):
        read(write(tmp_path, ""))
    with pytest.raises(BadInput, match="cannot be read"):
        read(tmp_path / "none.jsonl")
    plain = write(tmp_path, {"prompt": "a", "output": "b"})
    named = plain.rename(tmp_path / "plain.jsonl.gz")
    with pytest.raises(BadInput, match="gzip"):
        read(named)
    packed = write(tmp_path, {"prompt": "a", "output": "b" * 500}, name="packed.jsonl.gz")
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(BadInput, match="gzip"):
        read(torn)
    with pytest.raises(BadInput, match="UTF-8"):
        read(packed.rename(tmp_path / "packed.jsonl"))


@pytest.mark.parametrize(
    ("name", "rows"), [("llama2orig", 445), ("llama2new", 446), ("mistralinstruct", 447)]
)
def test_the_published_completions_of_xstest_can_be_read(data: Path, name: str, rows: int) -> None:
    """Röttger et al. 2024, arXiv:2308.01263; counts of the development files."""
    found = read(data / "xstest" / f"completions-{name}.jsonl.gz")
    assert found.rows == rows == len(found.answers)
