from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    ContentImage,
    ContentText,
    GenerateConfig,
    ModelOutput,
    get_model,
)
from inspect_ai.solver import generate
from inspect_ai.tool import ToolInfo

from govaudit.errors import BadInput
from govaudit.models.engine import Completion, Engine, Request, Stop
from govaudit.models.provider import CheckpointAPI
from govaudit.records import ChoiceScore, Turn


def api(checkpoint: Path, **settings: Any) -> CheckpointAPI:
    return CheckpointAPI(str(checkpoint), device="cpu", **settings)


def write(of: CheckpointAPI, *messages: Any, **config: Any) -> ModelOutput:
    given = GenerateConfig(**({"max_tokens": 8, "seed": 1} | config))
    return asyncio.run(of.generate(list(messages), [], "none", given))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Number of requests in each call of the engine."""
    sizes: list[int] = []
    plain = Engine.generate

    def counted(self: Engine, requests: Sequence[Request]) -> list[Completion]:
        sizes.append(len(requests))
        return plain(self, requests)

    monkeypatch.setattr(Engine, "generate", counted)
    return sizes


def test_importing_the_providers_does_not_import_torch() -> None:
    code = (
        "import sys, govaudit.models.provider, govaudit.models.recorded;"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_answer_is_the_engines_with_true_counts_and_its_seed(checkpoint: Path, engine: Engine) -> None:
    output = write(api(checkpoint), ChatMessageUser(content="Why?"), temperature=0.8, top_p=0.9)
    turns = (Turn("user", "Why?"),)
    expected = engine.generate([Request(turns, max_tokens=8, temperature=0.8, top_p=0.9, seed=1)])[0]
    assert output.completion == expected.text
    assert output.usage is not None
    counts = (output.usage.input_tokens, output.usage.output_tokens, output.usage.total_tokens)
    assert counts == (len(engine.tokens(turns)), expected.output_tokens, counts[0] + counts[1])
    assert (output.stop_reason, output.metadata) == ("max_tokens", {"seed": 1})
    assert output.model == checkpoint.name


def test_without_a_seed_each_answer_has_one_of_its_own_that_repeats_it(checkpoint: Path) -> None:
    one = api(checkpoint)
    first, second = (write(one, ChatMessageUser(content="Why?"), seed=None) for _ in range(2))
    assert first.completion != second.completion
    assert first.metadata is not None
    again = write(one, ChatMessageUser(content="Why?"), seed=first.metadata["seed"])
    assert again.completion == first.completion


def test_requests_that_wait_together_are_one_batch(
    checkpoint: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("govaudit.models.provider._QUIET", 60)  # only full batches start
    monkeypatch.setattr("govaudit.models.provider._LONGEST", 60)
    one = api(checkpoint, batch_size=16)
    one.roles()  # loads the engine

    async def ask() -> list[ModelOutput]:
        messages = [[ChatMessageUser(content=f"Number {i}?")] for i in range(48)]
        config = GenerateConfig(max_tokens=4, seed=1)
        return await asyncio.gather(*(one.generate(list(m), [], "none", config) for m in messages))

    outputs = asyncio.run(ask())
    assert calls == [16, 16, 16]
    monkeypatch.setattr("govaudit.models.provider._QUIET", 0.001)
    alone = write(one, ChatMessageUser(content="Number 17?"), max_tokens=4)
    assert outputs[17].completion == alone.completion
    assert one.max_connections() == 32


def test_a_request_that_is_given_up_does_not_hold_up_the_others(checkpoint: Path) -> None:
    one = api(checkpoint)

    async def ask() -> str:
        config = GenerateConfig(max_tokens=4, seed=1)
        given_up = asyncio.create_task(one.generate([ChatMessageUser(content="a")], [], "none", config))
        await asyncio.sleep(0)
        given_up.cancel()
        return (await one.generate([ChatMessageUser(content="b")], [], "none", config)).completion

    assert asyncio.run(ask()) == write(one, ChatMessageUser(content="b"), max_tokens=4).completion


def test_choices_are_scored_as_the_engine_does(checkpoint: Path, engine: Engine) -> None:
    one = api(checkpoint)
    messages = [ChatMessageSystem(content="Be kind."), ChatMessageUser(content="Is it?")]

    async def ask() -> list[list[ChoiceScore] | None]:
        return await asyncio.gather(*(one.loglikelihood(messages, ["yes", "no, never"]) for _ in range(3)))

    expected = engine.loglikelihood(
        [((Turn("system", "Be kind."), Turn("user", "Is it?")), ["yes", "no, never"])]
    )
    for scores in asyncio.run(ask()):
        assert scores is not None and expected[0] is not None
        assert [s.logprob for s in scores] == pytest.approx([s.logprob for s in expected[0]], abs=1e-4)
        assert [s.tokens for s in scores] == [s.tokens for s in expected[0]]
    with pytest.raises(BadInput, match="empty"):
        asyncio.run(one.loglikelihood(messages, ["yes", ""]))


def test_letters_can_be_scored_by_their_first_token(checkpoint: Path) -> None:
    output = write(
        api(checkpoint), ChatMessageUser(content="A or B?"), max_tokens=1, logprobs=True, top_logprobs=512
    )
    logprobs = output.choices[0].logprobs
    assert logprobs is not None and logprobs.content[0].top_logprobs is not None
    assert {"A", "B"} <= {item.token for item in logprobs.content[0].top_logprobs}


def test_an_original_role_in_the_metadata_reaches_the_template(checkpoint: Path, engine: Engine) -> None:
    output = write(
        api(checkpoint),
        ChatMessageSystem(content="Be kind.", metadata={"role": "developer"}),
        ChatMessageUser(content="Why?"),
    )
    turns = (Turn("developer", "Be kind."), Turn("user", "Why?"))
    assert output.completion == engine.generate([Request(turns, max_tokens=8, seed=1)])[0].text
    assert output.usage is not None and output.usage.input_tokens == len(engine.tokens(turns))


def test_what_cannot_be_answered_is_unscored_with_its_reason(checkpoint: Path) -> None:
    merged = "{% for m in messages %}<{{ 'system' if m.role == 'developer' else m.role }}>{{ m.content }}{% endfor %}"
    one = api(checkpoint, chat_template=merged, context=30)
    assert "developer" not in one.roles() and one.context == 30
    developer = ChatMessageSystem(content="Be kind.", metadata={"role": "developer"})
    cases = [
        ([developer, ChatMessageUser(content="Why?")], "role_not_expressible", "unknown"),
        ([ChatMessageUser(content="a " * 100)], "context", "model_length"),
        ([ChatMessageUser(content="Why?")], "truncated", "model_length"),
    ]
    for messages, reason, stop in cases:
        output = write(one, *messages, max_tokens=100)
        assert (output.metadata or {})["unscored"] == reason and output.stop_reason == stop
        assert bool(output.completion) == (reason == "truncated")
    assert asyncio.run(one.loglikelihood(cases[1][0], ["a"])) is None


@pytest.mark.parametrize(
    "config", [{"top_k": 5}, {"num_choices": 2}, {"frequency_penalty": 0.5}, {"prompt_logprobs": 3}]
)
def test_settings_that_the_engine_does_not_have_are_refused(checkpoint: Path, config: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(config))):
        write(api(checkpoint), ChatMessageUser(content="Why?"), **config)


def test_tools_and_images_are_refused(checkpoint: Path) -> None:
    one = api(checkpoint)
    tool = ToolInfo(name="search", description="")
    with pytest.raises(BadInput, match="tools"):
        asyncio.run(one.generate([ChatMessageUser(content="a")], [tool], "auto", GenerateConfig()))
    with pytest.raises(BadInput, match="image"):
        write(one, ChatMessageUser(content=[ContentText(text="a"), ContentImage(image="x.png")]))


def test_reasoning_is_returned_apart(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = Completion("Yes.", Stop.STOP, 3, 9, reasoning="hm")
    monkeypatch.setattr(Engine, "generate", lambda self, requests: [done])
    output = write(api(checkpoint), ChatMessageUser(content="Why?"))
    assert output.completion == "Yes."
    assert [part.type for part in output.message.content if not isinstance(part, str)] == [
        "reasoning",
        "text",
    ]


def test_arms_on_one_checkpoint_share_its_weights_and_the_last_one_frees_them(checkpoint: Path) -> None:
    one, two, other = api(checkpoint), api(checkpoint), api(checkpoint, context=99)
    for arm in (one, two, other):
        arm.roles()
    assert one._worker is two._worker is not other._worker
    engine = weakref.ref(one._worker.engine)
    one.close()
    gc.collect()
    assert engine() is not None
    two.close()
    for _ in range(1000):
        gc.collect()
        if engine() is None:
            break
        threading.Event().wait(0.02)
    assert engine() is None
    assert write(one, ChatMessageUser(content="Why?")).completion  # loads them again


def test_a_checkpoint_that_cannot_be_used_is_refused_when_the_model_is_made(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such checkpoint"):
        CheckpointAPI(str(tmp_path / "none"))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadInput, match="no weights"):
        CheckpointAPI(str(tmp_path))


def test_a_checkpoint_that_fails_to_load_is_an_error_of_each_request(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Engine:
        raise BadInput("the checkpoint cannot be loaded")

    monkeypatch.setattr(Engine, "load", fail)
    one = api(checkpoint, context=77)
    for _ in range(2):
        with pytest.raises(BadInput, match="cannot be loaded"):
            write(one, ChatMessageUser(content="Why?"))


def test_a_conversation_is_counted_as_the_model_sees_it(checkpoint: Path, engine: Engine) -> None:
    one = api(checkpoint)
    turns = (Turn("system", "Be kind."), Turn("user", "Why?"))
    assert one.count(turns) == len(engine.tokens(turns))
    with pytest.raises(BadInput, match="refuses"):
        one.count((Turn("narrator", "Once."),))


def test_inspect_runs_a_checkpoint_offline_and_a_prefill_is_continued(
    checkpoint: Path, engine: Engine, tmp_path: Path
) -> None:
    prefilled = [ChatMessageUser(content="Why?"), ChatMessageAssistant(content="Because")]
    samples = [Sample(id=1, input="Why?"), Sample(id=2, input=prefilled)]
    model = get_model(f"govaudit/{checkpoint}", config=GenerateConfig(max_tokens=6, seed=5), memoize=False)
    log = eval(
        Task(dataset=samples, solver=generate()),
        model=model,
        log_dir=str(tmp_path),
        display="none",
        score_display=False,
        log_realtime=False,
    )[0]
    assert log.status == "success" and log.samples is not None
    turns = ((Turn("user", "Why?"),), (Turn("user", "Why?"), Turn("assistant", "Because")))
    expected = engine.generate([Request(turn, max_tokens=6, seed=5) for turn in turns])
    assert [sample.output.completion for sample in log.samples] == [done.text for done in expected]
