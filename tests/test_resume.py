"""What is asked again, and what never: after failed calls, an interrupt, a changed set, a kill."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from endpoint import endpoint
from inspect_ai.model import (
    ChatMessage,
    GenerateConfig,
    Model,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    TopLogprob,
    get_model,
)

from govaudit.errors import BadInput, Unfinished
from govaudit.evals import run, tasks
from govaudit.evals.tasks import JudgeItem, Stimulus
from govaudit.models import secrets
from govaudit.models.arms import Arm
from govaudit.models.secrets import seal, without_secrets
from govaudit.records import Turn, Unscored
from govaudit.reports.document import Report
from govaudit.scorers import choice
from govaudit.specs.model import Label

ARM = Arm(name="a", model="mockllm/m")


def mock(answer: Callable[[str], str], calls: list[str], **config: Any) -> Model:
    """A model in process that answers by the last message and notes each call."""

    def outputs(messages: list[ChatMessage], *rest: object) -> ModelOutput:
        calls.append(messages[-1].text)
        output = ModelOutput.from_content("mockllm/m", answer(messages[-1].text))
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    return get_model("mockllm/m", memoize=False, custom_outputs=outputs, config=GenerateConfig(**config))


def stimuli(*names: str) -> list[Stimulus]:
    return [Stimulus(name, (Turn("user", name), Turn("assistant", None))) for name in names]


def items(*names: str) -> list[JudgeItem]:
    return [JudgeItem(name, f"rate {name}") for name in names]


def test_a_failed_call_is_a_failed_response_and_the_same_call_asks_only_it_again(tmp_path: Path) -> None:
    broken = {"q1"}

    def answer(text: str) -> str:
        if text in broken:
            raise RuntimeError("out of order")
        return f"re {text}"

    calls: list[str] = []
    model = mock(answer, calls)
    rows = run.ask(ARM, "d", stimuli("q0", "q1", "q2"), logs=tmp_path, seed=0, epochs=2, model=model)
    assert [row.unscored for row in rows] == [None, None, Unscored.FAILED, Unscored.FAILED, None, None]
    assert "out of order" in rows[2].error
    assert [row.text for row in rows[:2]] == ["re q0", "re q0"]
    broken.clear()
    calls.clear()
    rows = run.ask(ARM, "d", stimuli("q0", "q1", "q2"), logs=tmp_path, seed=0, epochs=2, model=model)
    assert calls == ["q1", "q1"]
    assert [row.text for row in rows] == ["re q0", "re q0", "re q1", "re q1", "re q2", "re q2"]
    calls.clear()
    assert run.ask(ARM, "d", stimuli("q0", "q1", "q2"), logs=tmp_path, seed=0, epochs=2, model=model) == rows
    assert not calls


def test_a_judge_whose_every_call_fails_is_unfinished_and_is_asked_again(tmp_path: Path) -> None:
    down = [True]

    def answer(text: str) -> str:
        if down[0]:
            raise RuntimeError("down today")
        return "VERDICT: KEPT"

    model = mock(answer, [])
    with pytest.raises(Unfinished, match=r"all 2 calls to judge 'j'.*down today.*same command asks again"):
        run.judge(model, "j", items("x", "y"), logs=tmp_path)
    down[0] = False
    replies = run.judge(model, "j", items("x", "y"), logs=tmp_path)
    assert {id_: reply.text for id_, reply in replies.items()} == dict.fromkeys("xy", "VERDICT: KEPT")


def test_a_changed_set_of_items_asks_what_no_log_answers(tmp_path: Path) -> None:
    calls: list[str] = []
    model = mock(lambda text: f"re {text}", calls)
    run.judge(model, "j", items("x", "y"), logs=tmp_path)
    calls.clear()
    # As many items as before: by their number alone the old log would pass for a complete one.
    replies = run.judge(model, "j", items("y", "z"), logs=tmp_path)
    assert calls == ["rate z"]
    assert {id_: reply.text for id_, reply in replies.items()} == {"y": "re rate y", "z": "re rate z"}
    calls.clear()
    assert run.judge(model, "j", items("y", "z"), logs=tmp_path) == replies
    assert set(run.judge(model, "j", items("x"), logs=tmp_path)) == {"x"}
    assert not calls


def test_a_judge_at_another_temperature_does_not_take_the_replies_of_the_first(tmp_path: Path) -> None:
    calls: list[str] = []
    for temperature in (0.0, 1.0, 0.0):
        model = mock(lambda text: "said", calls, temperature=temperature)
        assert run.judge(model, "j", items("x"), logs=tmp_path)["x"].text == "said"
    assert len(calls) == 2


def test_a_torn_log_is_asked_anew(tmp_path: Path) -> None:
    calls: list[str] = []
    model = mock(lambda text: "said", calls)
    run.judge(model, "j", items("x"), logs=tmp_path)
    (log,) = tmp_path.rglob("*.eval")
    log.write_bytes(log.read_bytes()[:100])
    assert set(run.judge(model, "j", items("x", "y"), logs=tmp_path)) == {"x", "y"}
    assert calls == ["rate x", "rate x", "rate y"]


@pytest.mark.parametrize("outcome", ["interrupt", "no log", "cancelled"])
def test_an_interrupted_set_is_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    def stopped(*args: object, **kwargs: object) -> tuple[bool, list[Any]]:
        if outcome == "interrupt":
            raise KeyboardInterrupt
        return False, [] if outcome == "no log" else [SimpleNamespace(location="log")]

    cancelled = SimpleNamespace(status="cancelled", error=None, samples=[])
    monkeypatch.setattr(run, "eval_set", stopped)
    monkeypatch.setattr(run, "read_eval_log", lambda *args, **kwargs: cancelled)
    with pytest.raises(Unfinished, match=r"interrupted.*What is done is kept; the same command resumes"):
        run.judge(mock(str, []), "j", items("x"), logs=tmp_path)


def test_an_id_that_comes_back_without_a_sample_is_unfinished_never_a_rating(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "eval_set", lambda *a, **k: (True, [SimpleNamespace(location="log")]))
    empty = SimpleNamespace(status="success", error=None, samples=[])
    monkeypatch.setattr(run, "read_eval_log", lambda *args, **kwargs: empty)
    with pytest.raises(Unfinished, match="2 of 2 calls"):
        run.judge(mock(str, []), "j", items("x", "y"), logs=tmp_path)


def test_what_inspect_refuses_beforehand_is_bad_input_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log of another set in the folder is such a case; the error is Inspect's own."""
    model = mock(str, [])
    run.judge(model, "j", items("x"), logs=tmp_path)
    folder = next(tmp_path.rglob("*.eval")).parent
    monkeypatch.setattr(run, "canonical_digest", lambda value: folder.name)
    folder.rename(tmp_path / "kept")
    (tmp_path / folder.name).mkdir()
    (tmp_path / "kept").rename(tmp_path / folder.name / folder.name)
    with pytest.raises(BadInput) as raised:
        run.judge(mock(str, [], temperature=1.0), "other", items("x"), logs=tmp_path)
    told = str(raised.value)
    assert "\n" not in told
    assert "[bold]" not in told
    assert "log" in told


def test_several_open_turns_are_answered_in_turn_and_the_last_is_the_answer(tmp_path: Path) -> None:
    calls: list[str] = []
    turns = (Turn("user", "one"), Turn("assistant", None), Turn("user", "two"), Turn("assistant", None))
    model = mock(lambda text: f"re {text}", calls)
    (row,) = run.ask(ARM, "d", [Stimulus("s", turns)], logs=tmp_path, seed=0, model=model)
    assert calls == ["one", "two"]
    assert row.text == "re two"
    assert [turn.content for turn in row.turns] == ["one", "re one", "two", "re two"]
    assert (row.input_tokens, row.output_tokens) == (2, 2)


def letters(*logprobs: float) -> ModelOutput:
    output = ModelOutput.from_content("m", "A")
    top = [
        TopLogprob(token=letter, logprob=p, bytes=None) for letter, p in zip("ABC", logprobs, strict=False)
    ]
    content = [{"token": "A", "logprob": logprobs[0], "top_logprobs": [t.model_dump() for t in top]}]
    data = output.model_dump()
    data["choices"][0]["logprobs"] = {"content": content}
    return ModelOutput.model_validate(data)


def test_rounded_letter_probabilities_are_scaled_back_and_impossible_ones_are_dropped() -> None:
    rounded = tasks._letter_probabilities(letters(0.0, -5.0), "AB")
    # 1 / (1 + e^-5) and its complement.
    assert rounded == pytest.approx({"A": 0.993307149, "B": 0.006692851})
    decided = choice.decide_letter_probabilities([Label.GOOD, Label.BAD], rounded, rounded)
    assert decided.captured_mass == pytest.approx(1.0)
    assert tasks._letter_probabilities(letters(-1.0, -2.0), "AB") == pytest.approx(
        {"A": 0.367879441, "B": 0.135335283}
    )
    for impossible in ((0.0, 0.0), (900.0, -1.0), (float("nan"), -1.0)):
        assert tasks._letter_probabilities(letters(*impossible), "AB") == {}


ODD_KEY = 'sk-"quo\\ted"-0123456789'


@pytest.mark.parametrize("form", [ODD_KEY, json.dumps({"key": ODD_KEY}), repr({"key": ODD_KEY})])
def test_a_key_with_quotes_and_backslashes_is_blotted_in_every_form(
    monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("ODD_API_KEY", ODD_KEY)
    monkeypatch.setenv("LONG_API_KEY", ODD_KEY + "-and-more")
    assert "0123456789" not in without_secrets(form)
    assert without_secrets(ODD_KEY + "-and-more") == "[LONG_API_KEY]"

    class Echo(ModelAPI):
        async def generate(self, *args: Any, **kwargs: Any) -> ModelOutput:
            return ModelOutput.from_content("m", f"your key is {form}")

    api = Echo("m")
    seal(api)
    import asyncio

    output = asyncio.run(api.generate([], [], "none", GenerateConfig()))
    assert isinstance(output, ModelOutput)
    assert output.completion.startswith("your key is ")
    assert "0123456789" not in output.model_dump_json()
    assert secrets._blotted(["x", 1, None, {"k": 2.5}], secrets._forms()) == ["x", 1, None, {"k": 2.5}]


SPEC = """\
schema_version: "1.0"
id: tiny
version: "1"
clauses:
  - id: answer
    text: Answer harmless questions.
    tags: [over-refusal]
    probes:
"""


def start(folder: Path, *args: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "govaudit", *map(str, args)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("at", ["arm", "judge"])
def test_ctrl_c_ends_with_exit_code_3_and_the_same_command_resumes(tmp_path: Path, at: str) -> None:
    rows = "".join(f"      - {{prompt: Question {n}?, expected: comply}}\n" for n in range(40))
    (tmp_path / "tiny.yaml").write_text(SPEC + rows)

    def answer(messages: list[dict[str, Any]], number: int) -> str:
        return "VERDICT: KEPT" if "VERDICT" in str(messages[-1]["content"]) else "Here is a plain answer."

    command = ("audit", "tiny.yaml", "--arm", "a=openai-api/fake/m", "--judge", "openai-api/fake/j",
               "-o", "run", "--max-connections", 4, "--json")  # fmt: skip
    with endpoint(answer, delay_s=0.1) as server:
        reach = {"FAKE_API_KEY": "sk-not-a-real-key", "FAKE_BASE_URL": server.url}
        process = start(tmp_path, *command, **reach)
        while sum(("VERDICT" in text) == (at == "judge") for text in server.finished) < 12:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=600)
        assert process.returncode == 3, err
        assert "interrupted" in err
        assert "the same command resumes" in err
        assert not out
        assert not (tmp_path / "run" / "report.json").exists()
        calls = len(server.started)
        again = start(tmp_path, *command, **reach)
        out, err = again.communicate(timeout=600)
        assert again.returncode == 0, err
    assert all(not row["unscored"] for row in json.loads(out)["findings"])
    # Repeated are only the calls in flight at the interrupt.
    assert len(server.started) - len(set(server.started)) <= 4
    assert len(server.started) > calls


@pytest.mark.slow
def test_an_audit_of_a_checkpoint_that_is_killed_ends_with_the_report_of_an_unbroken_one(
    tmp_path: Path,
) -> None:
    pytest.importorskip("torch")
    from govaudit.models import untrained

    untrained.build(tmp_path / "tiny")
    command = ("audit", "house-rules", "--limit", 12, "--arm", "tiny=govaudit/tiny", "--json")
    begun = time.monotonic()
    whole = start(tmp_path, *command, "-o", "whole")
    _, err = whole.communicate()
    assert whole.returncode == 0, err
    took = time.monotonic() - begun
    rng = random.Random(3)
    kills = []
    for _ in range(3):
        process = start(tmp_path, *command, "-o", "broken")
        while not list((tmp_path / "broken").rglob("*.eval")) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, took / 8))
        process.kill()
        process.communicate()
        kills.append(process.returncode)
    assert kills == [-signal.SIGKILL] * 3
    last = start(tmp_path, *command, "-o", "broken")
    _, err = last.communicate()
    assert last.returncode == 0, err
    one, other = (
        Report.model_validate_json((tmp_path / name / "report.json").read_text()).canonical_digest
        for name in ("whole", "broken")
    )
    assert one == other
