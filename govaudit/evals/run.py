"""Ask arms and judges, resumably: stimuli in, :class:`Response` rows out; rating items in, replies out.

Each arm and each judge has a log folder of its own; in it lies one Inspect eval set per generation setting
and set of samples. Samples are written as they complete, so after a kill the same call asks again only what
was in flight; after failed calls, those; after a change of the set, what no log answers yet. All imports of
Inspect's runner are in this file and ``tasks``.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspect_ai import Task, eval_set
from inspect_ai.log import EvalSample, read_eval_log
from inspect_ai.model import GenerateConfig, Model, get_model

from govaudit.canonical import digest as canonical_digest
from govaudit.errors import BadInput, Unfinished
from govaudit.evals import ledger as ledgers
from govaudit.evals import tasks
from govaudit.evals.ledger import Call, Ledger, Need
from govaudit.evals.tasks import JudgeItem, Made, Stimulus
from govaudit.models.arms import Arm, Revision
from govaudit.models.provider import CheckpointAPI
from govaudit.models.recorded import RecordedAPI
from govaudit.models.secrets import seal, without_secrets
from govaudit.records import ChoiceScore, Response, Turn, Unscored, response_id

# A provider that never answers must not hold an audit for ever: Inspect itself retries without end.
_MAX_RETRIES = 3
_TIMEOUT_S = 600

_RESUMES = "What is done is kept; the same command resumes"
_ASKS_AGAIN = "What is done is kept; the same command asks again"

Step = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Opens a progress bar for a step of so many parts; yields what is called once per finished part."""


@contextmanager
def silent(name: str, total: int) -> Iterator[Callable[[], None]]:
    """A :data:`Step` that shows nothing."""
    yield lambda: None


@dataclass(frozen=True)
class Reply:
    """What a judge said about one item."""

    item: str
    text: str
    model: str
    stop_reason: str
    unscored: Unscored | None
    output_tokens: int | None
    error: str = ""

    @property
    def failure(self) -> Unscored | None:
        """Why no verdict can be read off; a judge whose own reply was filtered declined to judge."""
        failures = (Unscored.FAILED, Unscored.TIMEOUT, Unscored.CONTEXT, Unscored.NOT_RATED)
        return self.unscored if self.unscored in failures else None


def reported(replies: Mapping[str, Reply]) -> str:
    """What an endpoint said in its replies that it is."""
    return ", ".join(sorted({reply.model for reply in replies.values() if reply.model}))


def open_model(arm: Arm) -> Model:
    """The Inspect model of an arm; :class:`BadInput` when it cannot be had (no key, folder or package)."""
    config = GenerateConfig(
        temperature=arm.temperature,
        top_p=arm.top_p,
        max_tokens=arm.max_tokens,
        reasoning_effort=arm.reasoning_effort,  # type: ignore[arg-type]  # checked where arms are read
        max_retries=_MAX_RETRIES,
        timeout=_TIMEOUT_S,
    )
    try:
        model = get_model(arm.model, base_url=arm.base_url, config=config, memoize=False, **arm.model_args)
    except BadInput:
        raise
    except Exception as error:
        # Inspect raises its own prerequisite errors, providers raise whatever their client raises.
        problem = without_secrets(str(error)).strip().replace("\n", " ")
        raise BadInput(
            f"the model of arm {arm.name!r} ({arm.model}) cannot be opened: {problem}",
            remedy="Check the name; keys are read from the environment.",
        ) from None
    seal(model.api)
    return model


# No tokenizer packs more letters into a token on average than this; so a text that is too long by this
# measure is too long by any.
_LETTERS_PER_TOKEN = 8


def check_context(arm: Arm, model: Model) -> None:
    """Refuse a system text that cannot fit the arm's context, before anything is asked.

    Our own engine counts its tokens; for an endpoint whose ``context`` is given, a bound that no tokenizer
    beats is used. :class:`BadInput` names both numbers.
    """
    if arm.system is None:
        return
    if isinstance(model.api, CheckpointAPI):
        needed = model.api.count([Turn("system", arm.system), Turn("user", "?")])
        context = model.api.context
    else:
        needed, context = len(arm.system) // _LETTERS_PER_TOKEN, arm.context
    if context is not None and needed >= context:
        raise BadInput(
            f"the system text of arm {arm.name!r} takes {needed} tokens, its context holds {context}",
            remedy="Use a shorter spec or an arm with a longer context, or leave --system-spec out.",
        )


def ask(
    arm: Arm,
    digest: str,
    stimuli: Sequence[Stimulus],
    *,
    logs: Path,
    seed: int,
    epochs: int = 1,
    connections: int | None = None,
    step: Step = silent,
    model: Model | None = None,
) -> tuple[Response, ...]:
    """Every stimulus answered ``epochs`` times by the arm whose identity is ``digest``.

    ``logs`` is a folder for this arm alone. A failed call is a response with a reason, and the same call asks
    it again. Where a limit of the run leaves no room for a stimulus, it has no response.
    :class:`Unfinished` when every call failed (nothing was learnt) or the run was interrupted.
    """
    model = model or open_model(arm)
    by_id = {stimulus.id: stimulus for stimulus in stimuli}

    def task(ids: Sequence[str]) -> Task:
        asked = [by_id[id_] for id_ in ids]
        return tasks.answers_task(
            f"answers_{arm.name}", asked, system=arm.system, seed=seed, revise=arm.revise
        )

    settings: list[object] = [digest, arm.system, str(seed), epochs, _settings(model)]
    with step(f"{arm.name} answers", len(stimuli) * epochs) as done:
        found = _collect(
            task,
            list(by_id),
            model,
            logs,
            settings,
            epochs,
            connections,
            done,
            arm.name,
            lambda id_: _stimulus_need(by_id[id_], arm.system, model, epochs, arm.revise),
        )
    rows = [
        _response(found[stimulus.id, epoch], stimulus.id, digest, epoch)
        for stimulus in stimuli
        for epoch in range(1, epochs + 1)
        if (stimulus.id, epoch) in found
    ]
    failed = [row for row in rows if row.unscored is Unscored.FAILED]
    if rows and len(failed) == len(rows):
        raise Unfinished(
            f"all {len(rows)} calls to arm {arm.name!r} ({arm.model}) failed: {failed[0].error}. "
            f"{_ASKS_AGAIN}"
        )
    return tuple(rows)


def judge(
    model: Model,
    name: str,
    items: Iterable[JudgeItem],
    *,
    logs: Path,
    connections: int | None = None,
    step: Step = silent,
) -> dict[str, Reply]:
    """The judge's reply to every item, by item id.

    A failed call is a reply with a reason, and the same call asks it again. An item for which a limit of the
    run leaves no room is ``NOT_RATED``. :class:`Unfinished` when every call failed or the run was stopped.
    """
    replies = _replies(model, name, items, f"{name} judges", logs, connections, step)
    failed = [reply for reply in replies.values() if reply.unscored is Unscored.FAILED]
    if replies and len(failed) == len(replies):
        raise Unfinished(
            f"all {len(replies)} calls to judge {name!r} ({model}) failed: {failed[0].error}. {_ASKS_AGAIN}"
        )
    return replies


def write(
    model: Model,
    name: str,
    items: Iterable[JudgeItem],
    *,
    logs: Path,
    connections: int | None = None,
    step: Step = silent,
) -> dict[str, Reply]:
    """The writer's reply to every item, by item id.

    What is made of the replies depends on all of them, so :class:`Unfinished` when any call failed or the run
    was interrupted; the same call asks the failed ones again.
    """
    replies = _replies(model, name, items, f"{name} writes", logs, connections, step)
    failed = [reply for reply in replies.values() if reply.unscored is Unscored.FAILED]
    if failed:
        raise Unfinished(
            f"{len(failed)} of {len(replies)} calls to the writer {model} failed: {failed[0].error}. "
            f"{_ASKS_AGAIN}"
        )
    return replies


def _replies(
    model: Model,
    name: str,
    items: Iterable[JudgeItem],
    label: str,
    logs: Path,
    connections: int | None,
    step: Step,
) -> dict[str, Reply]:
    by_id = {item.id: item for item in items}
    if not by_id:
        return {}

    def task(ids: Sequence[str]) -> Task:
        return tasks.judgements_task(name, [by_id[id_] for id_ in ids])

    with step(label, len(by_id)) as done:
        found = _collect(
            task,
            list(by_id),
            model,
            logs,
            [_settings(model)],
            1,
            connections,
            done,
            name,
            lambda id_: _prompt_need(by_id[id_].prompt, model),
        )
    return {id_: _reply(id_, found.get((id_, 1))) for id_ in by_id}


_AROUND_TURN = 16
"""Tokens that a chat template puts around a turn, at most."""


def _stimulus_need(
    stimulus: Stimulus, system: str | None, model: Model, epochs: int, revise: Sequence[Revision] = ()
) -> Need:
    """What asking a stimulus may take: no token is shorter than one byte of UTF-8."""
    longest = _longest(model)
    if stimulus.letters:
        said = len((system or "").encode()) + 200
        said += sum(len((turn.content or "").encode()) + _AROUND_TURN for turn in stimulus.turns)
        if not hasattr(model.api, "loglikelihood"):
            return Need(epochs, epochs * said, epochs * longest)
        calls, thought = (2, longest) if stimulus.reasons else (1, 0)
        read = (calls - 1) * said + stimulus.letters * (said + thought)
        return Need(epochs * calls, epochs * read, epochs * thought)
    written = [len((turn.content or "").encode()) + _AROUND_TURN for turn in stimulus.turns]
    said = len((system or "").encode()) + _AROUND_TURN
    if stimulus.choices:
        offered = sum(len(choice.encode()) + _AROUND_TURN for choice in stimulus.choices)
        if hasattr(model.api, "loglikelihood"):
            return Need(epochs, epochs * ((said + sum(written)) * len(stimulus.choices) + offered), 0)
        asked = said + sum(written) + 2 * offered + 200
        return Need(2 * epochs, 2 * epochs * asked, 2 * epochs * longest)
    calls = read = 0
    for turn, size in zip(stimulus.turns, written, strict=True):
        if turn.content is None:
            calls, read = calls + 1, read + said
            if revise:
                asked = max(len((one.critique + one.revision).encode()) for one in revise)
                calls, read = calls + 2, read + 2 * (said + 2 * longest + asked + 4 * _AROUND_TURN)
            said += longest
        said += size
    return Need(epochs * calls, epochs * read, epochs * calls * longest)


def _prompt_need(prompt: str, model: Model) -> Need:
    return Need(1, len(prompt.encode()) + _AROUND_TURN, _longest(model))


def _longest(model: Model) -> int:
    return model.config.max_tokens or model.api.max_tokens() or Arm.max_tokens


def _settings(model: Model) -> list[object]:
    """What decides the answers of a model, besides what it is asked."""
    config = model.config.model_dump(
        mode="json", exclude_none=True, exclude={"max_retries", "timeout", "max_connections"}
    )
    return [str(model), config]


def _collect(
    task: Callable[[Sequence[str]], Task],
    ids: Sequence[str],
    model: Model,
    logs: Path,
    settings: list[object],
    epochs: int,
    connections: int | None,
    on_done: Callable[[], None],
    who: str,
    need: Callable[[str], Need],
) -> dict[tuple[str, int], EvalSample]:
    """A sample, answered or failed, for every id and epoch that the limits of the run leave room for.

    Inspect takes a log of as many samples as a complete one, whatever their ids: so every set of ids has a
    folder of its own, named by its digest. A set that was begun is resumed there; one that is new asks only
    what no other log of the same settings answers in all epochs.
    """
    under = logs / canonical_digest(settings)[:12]

    def folder(asked: Sequence[str]) -> Path:
        return under / canonical_digest(sorted(asked))[:12]

    # Recorded answers are no calls: nothing is entered for them, and no limit holds them back.
    ledger = None if isinstance(model.api, RecordedAPI) else ledgers.current.get()
    limited = ledger is not None and ledger.limited
    found = {} if folder(ids).exists() and not limited else _answered(under, set(ids), epochs)
    for _ in found:
        on_done()
    missing = [id_ for id_ in ids if (id_, 1) not in found]
    while missing:
        # A limit of cost is approached in steps: what the first answers cost is known before the next.
        n = len(missing) if ledger is None else ledger.room(str(model), [need(id_) for id_ in missing])
        if n == 0:
            break
        now, missing = missing[:n], missing[n:]
        samples = _run(
            task(now), model, folder(now), epochs, connections, on_done, _entry(ledger, who, model)
        )
        found |= {(str(sample.id), sample.epoch): sample for sample in samples}
    if missing and ledger is not None:
        ledger.leave(who, len(missing) * epochs)
    asked = set(ids) - set(missing)
    unseen = sum((id_, epoch) not in found for id_ in asked for epoch in range(1, epochs + 1))
    if unseen:
        raise Unfinished(f"{unseen} of {len(ids) * epochs} calls to {model} were not made. {_RESUMES}")
    return found


def _entry(ledger: Ledger | None, who: str, model: Model) -> Callable[[Made], None]:
    """Enters a call of ``who`` into the ledger; does nothing without one."""

    def enter(made: Made) -> None:
        if ledger is not None:
            ledger.note(
                Call(
                    who=who,
                    model=str(model),
                    input_tokens=made.read,
                    output_tokens=made.written,
                    started=round(made.started, 3),
                    seconds=round(made.seconds, 3),
                    failed=made.failed,
                    size=made.size,
                )
            )

    return enter


def _answered(under: Path, ids: set[str], epochs: int) -> dict[tuple[str, int], EvalSample]:
    """What the logs in a folder answer, of those ``ids`` that are answered in every epoch."""
    found: dict[tuple[str, int], EvalSample] = {}
    for path in sorted(under.rglob("*.eval")):
        try:
            log = read_eval_log(str(path), resolve_attachments="full")
        except Exception:  # a log that a kill left torn: each of Inspect's readers fails in its own way
            continue
        for sample in log.samples or []:
            if str(sample.id) in ids and sample.store.get(tasks.STORE):
                found[str(sample.id), sample.epoch] = sample
    whole = {id_ for id_ in ids if all((id_, epoch) in found for epoch in range(1, epochs + 1))}
    return {key: sample for key, sample in found.items() if key[0] in whole}


def _run(
    task: Task,
    model: Model,
    logs: Path,
    epochs: int,
    connections: int | None,
    on_done: Callable[[], None],
    on_call: Callable[[Made], None],
) -> list[EvalSample]:
    connections = connections or model.api.max_connections()
    logs.mkdir(parents=True, exist_ok=True)
    token, calls = tasks.progress.set(on_done), tasks.called.set(on_call)
    interrupted = Unfinished(f"{task.name} was interrupted. {_RESUMES}")
    quiet = logging.getLogger("inspect_ai")
    level = quiet.level
    try:
        # Inspect prints banners of hooks and retry notices to stdout, where --json must stand alone.
        with contextlib.redirect_stdout(io.StringIO()):
            quiet.setLevel(logging.ERROR)
            _, headers = eval_set(
                [task],
                log_dir=str(logs),
                model=model,
                epochs=epochs,
                retry_attempts=0,
                retry_wait=1,
                retry_on_error=1,
                # A log with a failed sample is not complete: the same call asks the failed ones again.
                fail_on_error=True,
                continue_on_fail=True,
                display="none",
                score=False,
                score_display=False,
                log_realtime=False,
                log_buffer=1,  # a completed sample is on disk before the next call of its slot starts
                log_format="eval",
                log_model_api=False,
                max_connections=connections,
                max_samples=connections,
                max_tasks=1,
                ctl_server=False,
            )
    except (KeyboardInterrupt, CancelledError):
        raise interrupted from None
    except Exception as error:
        # Not exported by Inspect; its text is in no argument, so that str() of it is empty.
        if type(error).__name__ != "PrerequisiteError":
            raise
        problem = without_secrets(str(getattr(error, "message", error)))
        problem = re.sub(r"\[/?[a-z ]+\]|\s+", " ", problem).strip().removeprefix("ERROR: ")
        raise BadInput(f"{task.name} cannot run with {model}: {problem}") from None
    finally:
        quiet.setLevel(level)
        tasks.progress.reset(token)
        tasks.called.reset(calls)
    samples: list[EvalSample] = []
    for header in headers:
        log = read_eval_log(header.location, resolve_attachments="full")
        if log.error is not None:
            raise Unfinished(f"{task.name} stopped: {without_secrets(log.error.message)}. {_RESUMES}")
        if log.status in ("cancelled", "started"):
            raise interrupted
        samples += log.samples or []
    if not headers:
        raise interrupted
    return samples


def _response(sample: EvalSample, stimulus: str, arm: str, epoch: int) -> Response:
    identity = response_id(stimulus, arm, epoch)
    record: dict[str, Any] = dict(sample.store.get(tasks.STORE) or {})
    if not record:
        message = sample.error.message if sample.error else "no answer came back"
        timed_out = "timeout" in message.lower()
        return Response(
            response=identity,
            stimulus=stimulus,
            arm=arm,
            epoch=epoch,
            turns=(),
            text="",
            unscored=Unscored.TIMEOUT if timed_out else Unscored.FAILED,
            error=without_secrets(message.strip().split("\n")[-1]),
        )
    return Response(
        response=identity,
        stimulus=stimulus,
        arm=arm,
        epoch=epoch,
        turns=tuple(Turn(**turn) for turn in record.get("turns", ())),
        text=record.get("text", ""),
        reasoning=record.get("reasoning", ""),
        choices=tuple(ChoiceScore(**choice) for choice in record.get("choices", ())),
        choice_letters=tuple(record.get("choice_letters", ())),
        letter_probabilities=tuple(record.get("letter_probabilities", ())),
        captured_mass=record.get("captured_mass"),
        input_tokens=record.get("input_tokens"),
        output_tokens=record.get("output_tokens"),
        stop_reason=record.get("stop_reason", ""),
        seed=record.get("seed"),
        model=record.get("model", ""),
        unscored=Unscored(record["unscored"]) if record.get("unscored") else None,
        error=record.get("error", ""),
    )


def _reply(item: str, sample: EvalSample | None) -> Reply:
    if sample is None:
        return Reply(item, "", "", "", Unscored.NOT_RATED, None)
    record = sample.store.get(tasks.STORE) or {}
    if not record:
        message = sample.error.message if sample.error else "no answer came back"
        return Reply(item, "", "", "", Unscored.FAILED, None, without_secrets(message))
    return Reply(
        item=item,
        text=record["text"],
        model=record["model"],
        stop_reason=record["stop_reason"],
        unscored=Unscored(record["unscored"]) if record["unscored"] else None,
        output_tokens=record["output_tokens"],
    )
