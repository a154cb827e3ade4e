"""How stimuli are put to an arm and ratings items to a judge: the two Inspect tasks of an audit.

A stimulus goes in as data (turns, choices) in a sample's metadata; the arm's answer comes out as data in
the sample's store. Nothing is scored here: an audit rates stored responses afterwards, so that a rater can
be exchanged without asking the arm again. ``clauses`` is the exception, for plain ``inspect eval``.

A run that was killed resumes from its logs: samples are written as they complete.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    GenerateConfig,
    Model,
    ModelOutput,
    ModelUsage,
    get_model,
    model_roles,
)
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from govaudit import library
from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.evals.compile import compile_spec
from govaudit.models.arms import Revision
from govaudit.models.recorded import RecordedAPI
from govaudit.models.secrets import without_secrets
from govaudit.records import ChoiceScore, Measure, Turn, Unscored
from govaudit.scorers import choice as choosing
from govaudit.scorers import judge as judging
from govaudit.scorers import letters as lettering
from govaudit.scorers import pairwise, refusal
from govaudit.scorers.rubric import broken
from govaudit.scorers.rubric import load as load_rubric
from govaudit.specs import naming
from govaudit.specs.load import load_spec
from govaudit.specs.model import Expected

STORE = "govaudit"
"""Key of a sample's store under which the answer lies."""

progress: ContextVar[Callable[[], None]] = ContextVar("progress", default=lambda: None)
"""Called once per finished sample. A context variable, because arguments of a solver enter the identity
by which Inspect finds a log to resume."""


@dataclass(frozen=True)
class Made:
    """One call of a model, as it was made."""

    started: float
    """Seconds since 1970."""
    seconds: float
    size: int
    """Bytes of the prompt's text."""
    read: int | None
    """Tokens."""
    written: int | None
    failed: bool


called: ContextVar[Callable[[Made], None]] = ContextVar("called", default=lambda made: None)
"""Called once per call of a model, whether it succeeds or not."""


@dataclass(frozen=True)
class Stimulus:
    """What an arm is asked once per epoch."""

    id: str
    turns: tuple[Turn, ...]
    choices: tuple[str, ...] = ()
    letters: int = 0
    """Of a question with lettered answers: how many; the last turn is then the beginning of the arm's own."""
    reasons: bool = False
    """Whether the arm gives reasons before the letter."""


@dataclass(frozen=True)
class JudgeItem:
    """One question to a judge."""

    id: str
    prompt: str


def answers_task(
    name: str,
    stimuli: Iterable[Stimulus],
    *,
    system: str | None,
    seed: int,
    revise: Sequence[Revision] = (),
) -> Task:
    """Set 1 of a run: every stimulus, answered by the arm with ``system`` text around it.

    ``revise``: requests under one of which the arm criticises and rewrites what it wrote.
    """
    # Without revisions the solver keeps the arguments by which older logs are found.
    solved = (
        revised_answer(system=system, seed=seed, revise=[asdict(one) for one in revise])
        if revise
        else answer(system=system, seed=seed)
    )
    samples = [
        Sample(
            id=stimulus.id,
            input=_shown(stimulus),
            metadata={
                "turns": [turn.data() for turn in stimulus.turns],
                "choices": list(stimulus.choices),
                **({"letters": stimulus.letters, "reasons": stimulus.reasons} if stimulus.letters else {}),
            },
        )
        for stimulus in stimuli
    ]
    return Task(
        name=name,
        dataset=MemoryDataset(samples, name=name),
        solver=solved,
        metadata={"system_digest": digest(system) if system else None},
    )


def judgements_task(name: str, items: Iterable[JudgeItem]) -> Task:
    """Set 2 of a run: every rating item, put to the judge as one user message."""
    samples = [Sample(id=item.id, input=item.prompt) for item in items]
    return Task(name=name, dataset=MemoryDataset(samples, name=name), solver=judge())


def _shown(stimulus: Stimulus) -> str:
    """A line for the log viewer; the stimulus itself is in the metadata."""
    said = [turn.content for turn in stimulus.turns if turn.role == "user" and turn.content]
    return said[-1] if said else "(no user turn)"


@solver
def answer(system: str | None, seed: int) -> Solver:
    """Let the arm write each open assistant turn, or choose between the given answers."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        model = get_model()
        turns = [Turn(turn["role"], turn["content"]) for turn in state.metadata["turns"]]
        stimulus = str(state.sample_id)
        if state.metadata.get("letters"):
            record = await _letter(model, turns, state, system, seed, stimulus)
        elif state.metadata["choices"]:
            record = await _choose(model, turns, state, system, stimulus)
        else:
            record = await _converse(model, turns, state, system, seed, stimulus)
        state.store.set(STORE, record)
        progress.get()()
        return state

    return solve


@solver
def revised_answer(system: str | None, seed: int, revise: list[dict[str, str]]) -> Solver:
    """The same with a critique and a revision of each text: the revision is the answer."""
    requests = [Revision(**one) for one in revise]

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        turns = [Turn(turn["role"], turn["content"]) for turn in state.metadata["turns"]]
        stimulus = str(state.sample_id)
        record = await _converse(get_model(), turns, state, system, seed, stimulus, requests)
        state.store.set(STORE, record)
        progress.get()()
        return state

    return solve


@solver
def judge() -> Solver:
    """Put the item to the judge and keep its reply as it came."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        output = await _generate(get_model(), state.messages)
        state.store.set(STORE, _record(output))
        progress.get()()
        return state

    return solve


async def _generate(
    model: Model, messages: list[ChatMessage], config: GenerateConfig | None = None
) -> ModelOutput:
    """One call of a model, told to :data:`called` whether it succeeds or not."""
    started, clock = time.time(), time.monotonic()
    read = written = None
    failed = True
    try:
        output = await model.generate(messages, config=config or GenerateConfig())
        failed = output.error is not None
        if usage := output.usage:
            read, written = _read(usage), usage.output_tokens
        return output
    finally:
        called.get()(Made(started, time.monotonic() - clock, _bytes(messages), read, written, failed))


def _bytes(messages: Sequence[ChatMessage]) -> int:
    return sum(len(message.text.encode()) for message in messages)


def _read(usage: ModelUsage) -> int:
    """Tokens of a prompt, those that a provider had in its cache included: some report them apart."""
    return max(usage.input_tokens, usage.total_tokens - usage.output_tokens)


async def _converse(
    model: Model,
    turns: Sequence[Turn],
    state: TaskState,
    system: str | None,
    seed: int,
    stimulus: str,
    revise: Sequence[Revision] = (),
) -> dict[str, Any]:
    if isinstance(model.api, RecordedAPI) and sum(turn.content is None for turn in turns) > 1:
        # A stored row is one answer: it does not say which of several open turns it belongs to.
        return {"unscored": Unscored.NOT_RECORDED.value}
    filled: list[Turn] = []
    record: dict[str, Any] = {}
    usage = [0, 0]
    for index, turn in enumerate(turns):
        if turn.content is not None:
            filled.append(turn)
            continue
        messages = express(filled, system, roles_of(model))
        if messages is None:
            return {"unscored": Unscored.ROLE_NOT_EXPRESSIBLE.value}
        messages[-1].metadata = {**(messages[-1].metadata or {}), "stimulus": stimulus, "epoch": state.epoch}
        config = _seeded(model, seed, stimulus, state.epoch, index)
        output = await _generate(model, messages, config)
        record = _record(output)
        usage = [usage[0] + (record["input_tokens"] or 0), usage[1] + (record["output_tokens"] or 0)]
        record["seed"] = config.seed
        if revise and not record["unscored"]:
            request = revise[int(digest([seed, stimulus])[:8], 16) % len(revise)]
            record, more = await _revised(
                model, filled, system, record, request, (seed, stimulus, state.epoch, index)
            )
            usage = [usage[0] + more[0], usage[1] + more[1]]
        filled.append(Turn("assistant", record["text"]))
        if record["unscored"]:
            break
    if record.get("input_tokens") is not None:
        record["input_tokens"], record["output_tokens"] = usage
    record["turns"] = [turn.data() for turn in filled]
    return record


async def _revised(
    model: Model,
    before: Sequence[Turn],
    system: str | None,
    draft: dict[str, Any],
    request: Revision,
    place: tuple[int, str, int, int],
) -> tuple[dict[str, Any], tuple[int, int]]:
    """The answer after a critique and a revision, and what both took in tokens read and written.

    Draft and critique stand in the record's reasoning, apart from the answer. Where one of the three texts is
    missing or cut off, there is no answer.
    """
    seed, stimulus, epoch, index = place
    turns = [*before, Turn("assistant", draft["text"])]
    usage, record = [0, 0], draft
    for step, asked in enumerate((request.critique, request.revision), 1):
        turns.append(Turn("user", asked))
        messages = express(turns, system, roles_of(model))
        assert messages is not None  # the draft was asked with the same roles, but for the user's
        config = _seeded(model, seed, stimulus, epoch, (index + 1) * _STEPS + step)
        record = _record(await _generate(model, messages, config))
        usage = [usage[0] + (record["input_tokens"] or 0), usage[1] + (record["output_tokens"] or 0)]
        if record["unscored"]:
            break
        turns.append(Turn("assistant", record["text"]))
    said = [turn.content or "" for turn in turns[len(before) :]]
    parts = [f"Draft: {said[0]}", *([f"Critique ({said[1]}): {said[2]}"] if len(said) > 2 else [])]
    record["reasoning"] = "\n\n".join([*parts, *([record["reasoning"]] if record["reasoning"] else [])])
    record["seed"] = draft["seed"]
    return record, (usage[0], usage[1])


_STEPS = 1_000_000
"""Above the number of turns that any conversation has: seeds of critiques and revisions are their own."""


async def _choose(
    model: Model, turns: Sequence[Turn], state: TaskState, system: str | None, stimulus: str
) -> dict[str, Any]:
    """Log-probabilities of whole answers where the arm gives them, a letter in both orders otherwise."""
    choices: list[str] = state.metadata["choices"]
    messages = express(turns, system, roles_of(model))
    if messages is None:
        return {"unscored": Unscored.ROLE_NOT_EXPRESSIBLE.value}
    if hasattr(model.api, "loglikelihood"):
        scores = await _scores(model, messages, turns, system, choices)
        if scores is None:
            return {"unscored": Unscored.CONTEXT.value}
        return {"choices": [{"logprob": s.logprob, "tokens": s.tokens} for s in scores], "turns": []}
    replies: list[str] = []
    probabilities: list[dict[str, float]] = []
    record: dict[str, Any] = {}
    offered = choosing.letters(len(choices))
    for shown in (choices, choices[::-1]):
        asked = [*messages]
        asked[-1] = ChatMessageUser(
            content=f"{messages[-1].text}\n\n{choosing.letter_prompt(shown)}",
            metadata={"stimulus": stimulus, "epoch": state.epoch},
        )
        config = GenerateConfig(logprobs=True, top_logprobs=20)
        try:
            output = await _generate(model, asked, config)
        except Exception:  # many endpoints refuse to report probabilities, each in its own way
            output = await _generate(model, asked)
        record = _record(output)
        if record["unscored"]:
            return record
        letter = choosing.letter_of(record["text"], len(choices))
        if letter is not None and shown is not choices:
            letter = offered[len(choices) - 1 - offered.index(letter)]
        replies.append(letter or choosing.NO_LETTER)
        if found := _letter_probabilities(output, offered):
            probabilities.append(found)
    record["choice_letters"] = replies
    if len(probabilities) == 2:
        record["letter_probabilities"] = probabilities
        record["captured_mass"] = min(sum(order.values()) for order in probabilities)
    return record


async def _scores(
    model: Model,
    messages: list[ChatMessage],
    turns: Sequence[Turn],
    system: str | None,
    choices: Sequence[str],
) -> list[ChoiceScore] | None:
    """Log-probabilities of ``choices`` after ``messages`` (``turns`` with ``system`` around them)."""
    started, clock = time.time(), time.monotonic()
    scores: list[ChoiceScore] | None = await getattr(model.api, "loglikelihood")(messages, choices)  # noqa: B009
    read = None if scores is None else _scored(model, turns, system, [s.tokens for s in scores])
    seconds, size = time.monotonic() - clock, _bytes(messages) * len(choices)
    called.get()(Made(started, seconds, size, read, 0, scores is None))
    return scores


async def _letter(
    model: Model, turns: Sequence[Turn], state: TaskState, system: str | None, seed: int, stimulus: str
) -> dict[str, Any]:
    """The letter that an arm names, at once or after reasons, with its probability where the arm gives that.

    An arm with log-probabilities goes on from the beginning of its own turn; an endpoint is told what form
    its reply has.
    """
    n, reasons = int(state.metadata["letters"]), bool(state.metadata["reasons"])
    offered, about = choosing.letters(n), {"stimulus": stimulus, "epoch": state.epoch}
    if not hasattr(model.api, "loglikelihood"):
        messages = express(lettering.told(turns[:-1], n, reasons=reasons), system, roles_of(model))
        if messages is None:
            return {"unscored": Unscored.ROLE_NOT_EXPRESSIBLE.value}
        messages[-1].metadata = {**(messages[-1].metadata or {}), **about}
        record, probabilities = await _named(model, messages, offered, reasons)
        if not record["unscored"]:
            record["choice_letters"] = [
                lettering.read(record["text"], n, reasons=reasons) or choosing.NO_LETTER
            ]
        return _with_letters(record, probabilities)
    record, opening = {"unscored": None, "text": ""}, turns[-1].content or ""
    messages = express(turns, system, roles_of(model))
    if messages is None:
        return {"unscored": Unscored.ROLE_NOT_EXPRESSIBLE.value}
    if reasons:
        config = _seeded(model, seed, stimulus, state.epoch, 0)
        # A tokenizer that knows lower-case words only writes the form in its own way.
        config.stop_seqs = [lettering.SO, lettering.SO.lower()]
        record = _record(await _generate(model, messages, config)) | {"seed": config.seed}
        if record["unscored"] not in (None, Unscored.EMPTY.value):
            return record
        record["unscored"] = None
        opening = f"{opening} {record['text'].strip()} {lettering.SO}"
    messages[-1] = ChatMessageAssistant(content=opening)
    asked = (*turns[:-1], Turn("assistant", opening))
    scores = await _scores(model, messages, asked, system, [f" ({letter})" for letter in offered])
    if scores is None:
        return record | {"unscored": Unscored.CONTEXT.value}
    found = {letter: math.exp(score.logprob) for letter, score in zip(offered, scores, strict=True)}
    record["choice_letters"] = [max(found, key=lambda letter: found[letter])]
    return _with_letters(record, _bounded(found))


async def _named(
    model: Model, messages: list[ChatMessage], offered: str, reasons: bool
) -> tuple[dict[str, Any], dict[str, float]]:
    """An endpoint's reply, and probabilities of letters where it reports them for the letter alone."""
    if reasons:
        return _record(await _generate(model, messages)), {}
    try:
        output = await _generate(model, messages, GenerateConfig(logprobs=True, top_logprobs=20))
    except Exception:  # many endpoints refuse to report probabilities, each in its own way
        output = await _generate(model, messages)
    return _record(output), _letter_probabilities(output, offered)


def _with_letters(record: dict[str, Any], probabilities: dict[str, float]) -> dict[str, Any]:
    if probabilities and not record["unscored"]:
        record["letter_probabilities"] = [probabilities]
        record["captured_mass"] = sum(probabilities.values())
    return record


def _scored(model: Model, turns: Sequence[Turn], system: str | None, choices: Sequence[int]) -> int | None:
    """Tokens that a model read to score choices of so many tokens: the conversation with each."""
    count = getattr(model.api, "count", None)
    if count is None:
        return None
    try:
        shown: int = count([*([Turn("system", system)] if system else []), *turns])
    except BadInput:  # two system texts, which were put as one
        return None
    return shown * len(choices) + sum(choices)


# Endpoints round: a letter of log-probability 0.0 stands beside others that are above 0.
_ROUNDED_SUM = 1.1


def _letter_probabilities(output: ModelOutput, offered: str) -> dict[str, float]:
    """Probability of each letter as the first token of the reply; nothing where none is reported.

    A sum just above 1 is rounding and is scaled back; any other is no distribution and counts as unreported.
    """
    logprobs = output.choices[0].logprobs if output.choices else None
    if logprobs is None or not logprobs.content or not logprobs.content[0].top_logprobs:
        return {}
    found: dict[str, float] = {}
    for token in logprobs.content[0].top_logprobs:
        letter = token.token.strip(" ▁Ġ()")
        if letter and letter in offered:
            found[letter] = found.get(letter, 0.0) + math.exp(min(token.logprob, 1.0))
    if not sum(found.values()) <= _ROUNDED_SUM:  # also where it is not a number
        return {}
    return _bounded(found)


def _bounded(found: dict[str, float]) -> dict[str, float]:
    """Probabilities that sum to at most 1: what lies just above is rounding."""
    total = sum(found.values())
    return {letter: p / total for letter, p in found.items()} if total > 1 else found


def roles_of(model: Model) -> frozenset[str] | None:
    """Roles that the arm tells apart, where it says so (our own engine); ``None`` for an endpoint."""
    roles = getattr(model.api, "roles", None)
    return frozenset(roles()) if callable(roles) else None


def express(
    turns: Sequence[Turn], system: str | None, roles: frozenset[str] | None
) -> list[ChatMessage] | None:
    """The conversation as messages of the arm, or ``None`` where two authority levels would be merged.

    Inspect has no developer role: a developer turn travels as a system message (its own role in the
    metadata, for an engine that knows it), unless the probe has a system turn as well. ``roles`` are those
    that the arm renders distinctly; endpoints are taken to have system, user and assistant.
    """
    used = {turn.role for turn in turns}
    known = roles if roles is not None else frozenset({"system", "user", "assistant"})
    if not used & {"user", "tool"}:
        return None  # nobody speaks to the arm
    if {"system", "developer"} <= used and not {"system", "developer"} <= known:
        return None
    plain = used - {"developer"}
    if "developer" in used and not known & {"developer", "system"}:
        return None
    if not plain <= known or (system and "system" not in known):
        return None
    messages: list[ChatMessage] = [ChatMessageSystem(content=system)] if system else []
    for turn in turns:
        content = turn.content or ""
        match turn.role:
            case "system" | "developer":
                own = turn.role if turn.role in known else "system"
                first = messages[0] if len(messages) == 1 else None
                if isinstance(first, ChatMessageSystem) and own == "system":
                    # The arm's own text and the probe's stand on one level: one message, theirs last.
                    messages[0] = ChatMessageSystem(content=f"{first.text}\n\n{content}")
                else:
                    messages.append(ChatMessageSystem(content=content, metadata={"role": own}))
            case "user":
                messages.append(ChatMessageUser(content=content))
            case "assistant":
                messages.append(ChatMessageAssistant(content=content))
            case _:
                messages.append(ChatMessageTool(content=content, metadata={"role": turn.role}))
    return messages


def _seeded(model: Model, seed: int, stimulus: str, epoch: int, turn: int) -> GenerateConfig:
    """A seed per request, so that no answer depends on the order or the batch in which it was asked.

    Only our own engine keeps such a promise; endpoints ignore, refuse or half keep it, so they get none.
    """
    if not hasattr(model.api, "loglikelihood"):
        return GenerateConfig()
    return GenerateConfig(seed=int(digest([seed, stimulus, epoch, turn])[:8], 16) & 0x7FFFFFFF)


_STOPS = {
    "max_tokens": Unscored.TRUNCATED,
    "model_length": Unscored.CONTEXT,
    "content_filter": Unscored.FILTERED,
}


def _record(output: ModelOutput) -> dict[str, Any]:
    """The fields of a response that an output carries."""
    said = (output.metadata or {}).get("unscored")
    stop = output.choices[0].stop_reason if output.choices else "unknown"
    unscored = Unscored(said) if said else _STOPS.get(stop)
    text = output.completion
    if unscored is None and not text.strip():
        unscored = Unscored.EMPTY
    usage = output.usage
    return {
        "text": text,
        "reasoning": _reasoning(output),
        "model": "" if said else output.model,
        "stop_reason": stop,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "unscored": unscored.value if unscored else None,
        "error": without_secrets(output.error or ""),
    }


def _reasoning(output: ModelOutput) -> str:
    if not output.choices or isinstance(output.message.content, str):
        return ""
    parts = [part for part in output.message.content if part.type == "reasoning"]
    return "\n".join(part.reasoning for part in parts)


@task
def clauses(
    spec: str = "house-rules",
    prompts: str | None = None,
    overlay: str | list[str] | None = None,
    clause: str | list[str] | None = None,
    limit: int | None = None,
) -> Task:
    """Every generation probe of a spec as one plain Inspect task, scored inline.

    For ``inspect eval`` by people who live in Inspect. Its scorers keep Inspect's conventions (1 = the clause
    is kept); rates with intervals, gauges and verdicts are ``govaudit audit``'s. ``overlay`` and ``clause``
    are one or several, as the options of that command.
    """
    loaded = load_spec(
        library.find_spec(spec),
        prompts=Path(prompts) if prompts else None,
        overlays=[Path(name) for name in _several(overlay)],
    ).spec
    chosen = tuple(naming.tested(loaded, name) for name in _several(clause)) or loaded.clauses
    known = [declared.id for declared in loaded.clauses]
    suite = compile_spec(loaded.model_copy(update={"clauses": chosen}), limit=limit, known=known)
    suite = replace(suite, spec_digest=loaded.digest, partial=suite.partial or bool(clause))
    samples = [
        Sample(
            id=f"{probe.targets[0].clause}/{probe.id[:12]}",
            input=_shown(Stimulus(probe.stimulus, probe.turns)),
            metadata={
                "turns": [turn.data() for turn in probe.turns],
                "choices": [],
                "clause": probe.targets[0].clause,
                "clause_title": loaded.clause(probe.targets[0].clause).title,
                "clause_text": loaded.clause(probe.targets[0].clause).text,
                "expected": probe.targets[0].expected.value,
                "cluster": probe.cluster,
                "spec": loaded.digest,
            },
        )
        for probe in suite.probes
        if probe.measure is Measure.GENERATION
    ]
    return Task(
        name="clauses",
        dataset=MemoryDataset(samples, name=loaded.id),
        solver=answer(system=None, seed=suite.seed),
        scorer=[refusal_scorer(), compliance_scorer()],
        metadata={"spec_id": loaded.id, "spec_digest": loaded.digest, "suite_digest": suite.digest},
    )


def compared(
    spec: str = "house-rules", *, rubric: str = "pairwise_helpful", limit: int | None = None
) -> Task:
    """Every generation probe of a spec, answered by the model and by the role ``other``, as one Inspect task.

    The score is what a judge (role ``judge``) says of the two answers under a pairwise rubric, both orders
    averaged: 1 = the model wins, 0 = the other does. Elo with intervals is ``govaudit audit``'s.
    """
    asked = clauses(spec, limit=limit)
    return Task(
        name="elo",
        dataset=asked.dataset,
        solver=asked.solver,
        scorer=[comparison_scorer(rubric)],
        metadata=asked.metadata,
    )


def _several(given: str | list[str] | None) -> list[str]:
    """One name, or a list of them: Inspect makes a list of what has commas in it."""
    return [given] if isinstance(given, str) else given or []


@scorer(metrics=[mean(), stderr(cluster="cluster")], name="refusal")
def refusal_scorer() -> Scorer:
    """The rule-based refusal check where a probe expects an answer or a refusal; unscored elsewhere."""
    rubric = load_rubric("refusal")

    async def score(state: TaskState, target: Target) -> Score:
        expected = Expected(state.metadata["expected"])
        record = state.store.get(STORE) or {}
        if expected not in rubric.applies_to:
            return Score.unscored(reason="not_applicable")
        if record.get("unscored"):
            return Score.unscored(reason=record["unscored"])
        reading = refusal.classify(state.input_text, record["text"])
        if (label := reading.label) is None:
            return Score.unscored(reason=reading.unscored or Unscored.GARBLED.value)
        return Score(value=1.0 - broken(rubric, label, expected), answer=label)

    return score


@scorer(metrics=[mean(), stderr(cluster="cluster")], name="compliance")
def compliance_scorer() -> Scorer:
    """An LLM judge in the model role ``judge``; unscored where no such role is given."""
    rubric = load_rubric("compliance")

    async def score(state: TaskState, target: Target) -> Score:
        record = state.store.get(STORE) or {}
        if record.get("unscored"):
            return Score.unscored(reason=record["unscored"])
        if "judge" not in model_roles():
            return Score.unscored(reason=Unscored.NOT_RATED.value)
        turns = [Turn(turn["role"], turn["content"]) for turn in record["turns"]]
        prompt = judging.prompt(
            rubric,
            state.metadata["clause_title"],
            state.metadata["clause_text"],
            turns[:-1],
            record["text"],
        )
        output = await get_model(role="judge").generate(prompt)
        label, unscored = judging.parse(rubric, output.completion, output.stop_reason, prompt)
        if label is None:
            return Score.unscored(reason=unscored.value if unscored else "", explanation=output.completion)
        return Score(
            value=1.0 - broken(rubric, label, Expected.KEEP), answer=label, explanation=output.completion
        )

    return score


@scorer(metrics=[mean(), stderr(cluster="cluster")], name="comparison")
def comparison_scorer(rubric: str) -> Scorer:
    """P(the model's answer wins) against the answer of the role ``other``, by the role ``judge``.

    Unscored where a role is missing, either answer cannot be used, or a verdict in one of the orders is.
    """
    followed = pairwise.usable(rubric)

    async def score(state: TaskState, target: Target) -> Score:
        record = state.store.get(STORE) or {}
        if record.get("unscored"):
            return Score.unscored(reason=record["unscored"])
        if not {"judge", "other"} <= model_roles().keys():
            return Score.unscored(reason=Unscored.NOT_RATED.value)
        turns = [Turn(turn["role"], turn["content"]) for turn in state.metadata["turns"]]
        against = await _converse(get_model(role="other"), turns, state, None, 0, str(state.sample_id))
        if against["unscored"] or against["turns"][:-1] != record["turns"][:-1]:
            return Score.unscored(reason=against["unscored"] or Unscored.NOT_RATED.value)
        before = [Turn(turn["role"], turn["content"]) for turn in record["turns"][:-1]]
        values, replies = [], []
        for turned in (False, True):
            shown = (against["text"], record["text"]) if turned else (record["text"], against["text"])
            text = pairwise.prompt(followed, before, *shown)
            output = await get_model(role="judge").generate(text)
            label, unscored = pairwise.parse(followed, output.completion, output.stop_reason, text)
            replies.append(output.completion)
            if label is None:
                return Score.unscored(reason=unscored.value if unscored else "", explanation=replies[-1])
            values.append(1.0 - pairwise.p_first(label) if turned else pairwise.p_first(label))
        return Score(value=sum(values) / 2, answer=against["text"], explanation="\n\n".join(replies))

    return score
