"""``govaudit/<checkpoint folder>`` as an Inspect model: the requests of many samples become batches.

Requests are gathered until none has come for 10 ms (or the batch is full), run in one thread per engine, and
wake their samples when they are done. Arms on the same checkpoint share its weights. Token counts are true,
seeds are per request, and settings that the engine does not have are refused rather than ignored.

Importing this file imports Inspect but not torch: the checkpoint's files are checked when the model is made,
and loaded at the first request.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary, finalize

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    Logprob,
    Logprobs,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    StopReason,
    TopLogprob,
    modelapi,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from govaudit.errors import BadInput
from govaudit.models import fingerprint
from govaudit.models.arms import Arm
from govaudit.records import ChoiceScore, Turn, Unscored

if TYPE_CHECKING:
    from govaudit.models.engine import Completion, Engine, Request

_QUIET = 0.01
"""Seconds without a new request after which a batch starts."""
_LONGEST = 0.25
"""Seconds after which it starts in any case."""
_BATCH = 64
_UNKNOWN = (
    "best_of",
    "frequency_penalty",
    "logit_bias",
    "num_choices",
    "presence_penalty",
    "prompt_logprobs",
    "response_schema",
    "top_k",
)


@modelapi(name="govaudit")
def govaudit() -> type[ModelAPI]:
    """Checkpoints in this process."""
    return CheckpointAPI


class CheckpointAPI(ModelAPI):
    """A Hugging Face checkpoint folder, answering through :class:`govaudit.models.engine.Engine`."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008  # Inspect's own signature
        *,
        adapter: str | None = None,
        chat_template: str | None = None,
        context: int | None = None,
        trust_remote_code: bool = False,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = _BATCH,
    ) -> None:
        """:class:`BadInput` when weights, configuration or tokenizer are missing, or weights are pickled."""
        super().__init__(model_name, base_url, api_key, [], config)
        fingerprint.checkpoint(Path(model_name))
        if adapter is not None:
            fingerprint.adapter(Path(adapter))
        if batch_size < 1:
            raise BadInput(f"batch_size is {batch_size}, it must be at least 1")
        self._batch_size = batch_size
        self._settings = {
            "adapter": None if adapter is None else Path(adapter),
            "chat_template": chat_template,
            "context": context,
            "trust_remote_code": trust_remote_code,
            "device": device,
            "dtype": dtype,
            "batch_size": batch_size,
        }
        self._held: _Worker | None = None

    @property
    def _worker(self) -> _Worker:
        if self._held is None:
            self._held = _worker(Path(self.model_name), self._settings)
        return self._held

    # --- what the arm is able to ---------------------------------------------------------------------------

    def roles(self) -> tuple[str, ...]:
        """The roles that the chat template tells apart."""
        return self._worker.engine.roles()

    @property
    def context(self) -> int | None:
        """Longest prompt and answer together, in tokens."""
        return self._worker.engine.context

    def count(self, turns: Sequence[Turn]) -> int:
        """Tokens of a conversation as the model sees it; :class:`BadInput` where the template refuses it."""
        from jinja2.exceptions import TemplateError

        try:
            return len(self._worker.engine.tokens(turns))
        except TemplateError as error:
            raise BadInput(
                f"the chat template refuses this conversation ({error})", path=self.model_name
            ) from error

    # --- what Inspect asks ---------------------------------------------------------------------------------

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """The model's next turn. A role in a message's ``metadata["role"]`` goes before Inspect's own.

        Where there is no answer the output is empty and its ``metadata["unscored"]`` says why.
        """
        refused = [name for name in _UNKNOWN if getattr(config, name) not in (None, 0, 1)]
        if tools:
            refused.append("tools")
        if refused:
            raise BadInput(
                f"govaudit/ checkpoints do not have {refused[0]}",
                remedy="Leave it out, or use another provider.",
            )
        turns = _turns(input)
        seed = config.seed if config.seed is not None else secrets.randbits(31)
        done = await self._worker.write(_request(turns, config, seed))
        metadata: dict[str, Any] = {"seed": seed}
        if done.stop == "template":
            metadata |= {"unscored": Unscored.ROLE_NOT_EXPRESSIBLE.value, "problem": done.error}
        elif done.stop == "context":
            metadata["unscored"] = (Unscored.TRUNCATED if done.output_tokens else Unscored.CONTEXT).value
        stop: StopReason = _STOPS[done.stop]
        output = self._output(done.text, stop, done.input_tokens, done.output_tokens, metadata)
        if done.reasoning:
            output.message.content = [
                ContentReasoning(reasoning=done.reasoning),
                ContentText(text=done.text),
            ]
        if config.logprobs:
            output.choices[0].logprobs = _logprobs(done)
        return output

    async def loglikelihood(
        self, messages: Sequence[ChatMessage], choices: Sequence[str]
    ) -> list[ChoiceScore] | None:
        """Log-probability of each choice as the model's answer; ``None`` where one exceeds the context."""
        if not choices or not all(choices):
            raise BadInput("a choice is empty")
        return await self._worker.score(_turns(messages), choices)

    def max_connections(self) -> int:
        """Twice the batch: the next batch waits while one runs."""
        return 2 * self._batch_size

    def max_tokens(self) -> int | None:
        return Arm.max_tokens

    def connection_key(self) -> str:
        return self.model_name

    async def count_text_tokens(self, text: str) -> int:
        return len(self._worker.engine.tokenizer.encode(text, add_special_tokens=False))

    def close(self) -> None:
        """Let go of the weights, unless another arm uses them; a later request loads them again."""
        self._held = None

    def _output(
        self, text: str, stop: StopReason, read: int, written: int, metadata: dict[str, Any]
    ) -> ModelOutput:
        name = Path(self.model_name).name
        message = ChatMessageAssistant(content=text, model=name, source="generate")
        return ModelOutput(
            model=name,
            choices=[ChatCompletionChoice(message=message, stop_reason=stop)],
            usage=ModelUsage(input_tokens=read, output_tokens=written, total_tokens=read + written),
            metadata=metadata,
        )


_STOPS: dict[str, StopReason] = {
    "stop": "stop",
    "max_tokens": "max_tokens",
    "context": "model_length",
    "template": "unknown",
}


def _request(turns: tuple[Turn, ...], config: GenerateConfig, seed: int) -> Request:
    from govaudit.models.engine import Request

    given: dict[str, Any] = {
        "max_tokens": config.max_tokens,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "reasoning_effort": config.reasoning_effort,
        "stop": None if config.stop_seqs is None else tuple(config.stop_seqs),
        "top_logprobs": (config.top_logprobs or 0) if config.logprobs else None,
    }
    return Request(turns, seed=seed, **{name: value for name, value in given.items() if value is not None})


def _turns(messages: Sequence[ChatMessage]) -> tuple[Turn, ...]:
    turns = []
    for message in messages:
        if not isinstance(message.content, str):
            odd = {part.type for part in message.content} - {"text", "reasoning"}
            if odd:
                raise BadInput(f"govaudit/ checkpoints take text only, not {min(odd)}")
        turns.append(Turn((message.metadata or {}).get("role", message.role), message.text))
    if not turns:
        raise BadInput("there is no message to answer")
    return tuple(turns)


def _logprobs(done: Completion) -> Logprobs:
    return Logprobs(
        content=[
            Logprob(
                token=item.token,
                logprob=item.logprob,
                top_logprobs=[TopLogprob(token=token, logprob=value) for token, value in item.top] or None,
            )
            for item in done.logprobs
        ]
    )


# --- the thread behind it ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    request: Request | None
    """A turn to be written, or"""
    item: tuple[Sequence[Turn], Sequence[str]] | None
    """a conversation with choices to be scored."""
    done: Future[Any]


class _Worker:
    """One engine and the thread that feeds it. The engine is loaded at first use and goes with the worker."""

    def __init__(self, load: Callable[[], Engine], size: int) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._engine = _once(load)
        # The thread does not hold the worker: the last arm that lets go of it ends the thread.
        threading.Thread(target=_serve, args=(self._jobs, self._engine, size), daemon=True).start()
        finalize(self, self._jobs.put, None)

    @property
    def engine(self) -> Engine:
        return self._engine()

    async def write(self, request: Request) -> Completion:
        done: Completion = await self._ask(_Job(request, None, Future()))
        return done

    async def score(self, turns: Sequence[Turn], choices: Sequence[str]) -> list[ChoiceScore] | None:
        scores: list[ChoiceScore] | None = await self._ask(_Job(None, (turns, choices), Future()))
        return scores

    async def _ask(self, job: _Job) -> Any:
        self._jobs.put(job)
        return await asyncio.wrap_future(job.done)


_workers: WeakValueDictionary[Any, _Worker] = WeakValueDictionary()


def _worker(folder: Path, settings: dict[str, Any]) -> _Worker:
    """The worker for a checkpoint with these settings, shared by all arms that have the same."""
    key = (folder.resolve(), *settings.values())
    worker = _workers.get(key)
    if worker is None:

        def load() -> Engine:
            try:
                from govaudit.models.engine import Engine
            except ImportError as error:
                raise BadInput(
                    f"govaudit/ checkpoints need {error.name}, which is not installed",
                    remedy='Run: pip install "govaudit[hf]".',
                ) from error
            return Engine.load(folder, **settings)

        worker = _workers[key] = _Worker(load, settings["batch_size"])
    return worker


def _once(load: Callable[[], Engine]) -> Callable[[], Engine]:
    lock = threading.Lock()
    loaded: list[Engine] = []

    def engine() -> Engine:
        with lock:
            if not loaded:
                loaded.append(load())
            return loaded[0]

    return engine


def _serve(jobs: SimpleQueue[_Job | None], engine: Callable[[], Engine], size: int) -> None:
    """Run jobs batch by batch until ``None`` comes."""
    while (job := jobs.get()) is not None:
        batch = [job]
        latest = time.monotonic() + _LONGEST
        while len(batch) < size and time.monotonic() < latest:
            try:
                following = jobs.get(timeout=_QUIET)
            except Empty:
                break
            if following is None:
                return
            batch.append(following)
        batch = [job for job in batch if job.done.set_running_or_notify_cancel()]
        writing = [(job.done, job.request) for job in batch if job.request is not None]
        scoring = [(job.done, job.item) for job in batch if job.item is not None]
        _run(writing, lambda requests: engine().generate(requests))
        _run(scoring, lambda items: engine().loglikelihood(items))


def _run(jobs: Sequence[tuple[Future[Any], Any]], work: Callable[[list[Any]], Sequence[Any]]) -> None:
    if not jobs:
        return
    try:
        for (done, _), result in zip(jobs, work([what for _, what in jobs]), strict=True):
            done.set_result(result)
    except Exception as error:
        for done, _ in jobs:
            done.set_exception(error)
