"""Checkpoints in this process: batched generation, and log-probabilities of given answers. Torch, no Inspect.

In: conversations as turns. Out: texts with true token counts, or one :class:`ChoiceScore` per given answer.

Three promises that ordinary batched generation does not keep:

* A sample depends on its prompt, its seed and its settings alone, not on what else is in the batch. Each
  token is drawn by the Gumbel-max trick with noise that is a function of (seed, prompt, step, token), and
  where the draw is so close that rounding in a batch could turn it, it is decided by a forward pass of that
  row alone. This holds for 32-bit weights on one machine with one number of threads; in 16 bits rounding is
  larger than such gaps, and a text may depend on its batch.
* A prompt that does not fit the context is reported, never cut.
* What stands in a turn is text: a control token spelt out in it cannot open or end a turn (with a version of
  transformers that can encode control tokens as text).

The generation settings that a checkpoint brings along (top-k, repetition penalty) are not used: temperature 1
without ``top_p`` is the model's own distribution. Left out: images, tool calls, beam search.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import torch
from jinja2.exceptions import TemplateError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.utils import logging as transformers_logging

from govaudit.errors import BadInput
from govaudit.models import fingerprint
from govaudit.records import ChoiceScore, Turn

ROLES = ("system", "developer", "user", "assistant", "tool")
BATCH = 64
"""Requests that are decoded together; beyond it a CPU gains little."""

_DTYPES = ("auto", "float32", "bfloat16", "float16", "float64")
_NOISE = 1e-4  # largest difference between logits of one row in two batches, in 32 bits, with a wide margin
_TOKENS = 2**17  # tokens in the key-value cache of a batch
_ROOM = 32  # tokens for which room is made at a time
# When answers are scored: tokens that go through the model at a time (on a CPU, few enough for its cache),
# and logits that are held at a time.
_PASS = {"cpu": 2**10, "cuda": 2**16}
_LOGITS = 2**27
_STEP = 0x9E3779B97F4A7C15
_ANSWER = "govaudit_answer"
# Where a turn of a role belongs: at the start, after a user's turn, after the assistant's.
_PLACES = {"user": 2, "assistant": 1, "system": 0, "developer": 0, "tool": 2}

# A template is a program: besides refusing a conversation it can break down on it.
_FAULTS = (TemplateError, TypeError, ValueError, LookupError)

T = TypeVar("T")


@contextmanager
def without_bars() -> Iterator[None]:
    """While it is open, transformers draws no progress bars of its own."""
    drawn = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if drawn:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


class Stop(StrEnum):
    """Why an answer ended."""

    STOP = "stop"  # the model ended its turn, or wrote a stop text
    MAX_TOKENS = "max_tokens"  # the longest answer that was asked for
    CONTEXT = "context"  # prompt and answer fill the context; without any token the prompt itself is too long
    TEMPLATE = "template"  # the chat template refuses the conversation or does not tell its roles apart


@dataclass(frozen=True)
class Request:
    """One answer to be written."""

    turns: tuple[Turn, ...]
    """The conversation so far. A last assistant turn is continued; otherwise the model starts its turn."""
    max_tokens: int = 1024
    temperature: float = 1.0
    """0 = always the most probable token."""
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    """Texts that end the answer; they are not part of it."""
    top_logprobs: int | None = None
    """How many alternatives to report with each token; 0 = only the token's own log-probability."""
    reasoning_effort: str | None = None
    """Handed to the chat template; ``none`` as ``enable_thinking=False``."""


@dataclass(frozen=True)
class TokenLogprob:
    """A written token with the model's own log-probability (temperature 1, before ``top_p``)."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()
    """The most probable tokens at this place, best first."""


@dataclass(frozen=True)
class Completion:
    """What the model wrote."""

    text: str
    stop: Stop
    input_tokens: int
    output_tokens: int
    """Tokens that were generated, the one that ended the turn included."""
    reasoning: str = ""
    """What stood between ``<think>`` and ``</think>`` before the text."""
    logprobs: tuple[TokenLogprob, ...] = ()
    error: str = ""
    """What the template says, where it refuses."""
    tokens: tuple[int, ...] = ()
    """The tokens that were generated, as they were drawn; a stop text and reasoning are still in them."""


@dataclass(frozen=True)
class Draw:
    """One answer to be drawn, in tokens."""

    prompt: tuple[int, ...]
    limit: int
    """Most tokens of the answer."""
    stops: tuple[str, ...]
    """Texts that end the answer."""
    temperature: float
    top_p: float
    seed: int
    """64 bits, made of the request's seed and the prompt: samples that share a seed are independent."""


class Sampler(Protocol):
    """Draws tokens in place of the engine's own loop (``train.vllm``)."""

    def __call__(self, model: Any, draws: Sequence[Draw], ends: Collection[int]) -> list[tuple[int, ...]]:
        """The tokens of each answer, in order: to its first of ``ends``, or as many as it may have.

        Where an answer ends at a stop text, tokens behind it do no harm.
        """


@dataclass
class _Row:
    """A request while it is decoded."""

    index: int
    request: Request
    prompt: list[int]
    limit: int
    stops: tuple[str, ...]
    stop: Stop | None = None
    tokens: list[int] = field(default_factory=list)
    ended: bool = False
    logprobs: list[TokenLogprob] = field(default_factory=list)

    @cached_property
    def key(self) -> int:
        """Where the row's noise starts. The prompt is in it: stimuli that share a seed are independent."""
        return int.from_bytes(hashlib.sha256(repr((self.request.seed, self.prompt)).encode()).digest()[:8])

    @property
    def draw(self) -> Draw:
        asked = self.request
        return Draw(tuple(self.prompt), self.limit, self.stops, asked.temperature, asked.top_p, self.key)

    def restart(self) -> None:
        self.stop, self.ended = None, False
        self.tokens.clear()
        self.logprobs.clear()


class _Roomy(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of one layer with room for the next tokens, so that appending one copies no others."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._rooms = (key_states[..., :0, :], value_states[..., :0, :])
            self._given: Any = None
        seen: int = self.get_seq_length()
        new = slice(seen, seen + key_states.shape[-2])
        # Keys that are not those given last were exchanged (rows dropped), and the room with them.
        if self.keys is not self._given or new.stop > self._rooms[0].shape[-2]:
            self._rooms = (
                self._moved(self.keys, key_states, new.stop),
                self._moved(self.values, value_states, new.stop),
            )
        keys, values = self._rooms
        keys[..., new, :], values[..., new, :] = key_states, value_states
        self.keys = self._given = keys[..., : new.stop, :]
        self.values = values[..., : new.stop, :]
        return self.keys, self.values

    @staticmethod
    def _moved(old: Any, like: torch.Tensor, length: int) -> torch.Tensor:
        room = like.new_empty(*like.shape[:-2], length + _ROOM, like.shape[-1])
        if old.numel():
            room[..., : old.shape[-2], :] = old
        return room


class Engine:
    """A causal language model with its tokenizer, ready to write and to score."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        chat_template: str | None = None,
        context: int | None = None,
        batch_size: int = BATCH,
        sampler: Sampler | None = None,
    ) -> None:
        """``chat_template`` and ``context`` replace what tokenizer and model say (a longer context than the
        model's own is not given). ``sampler`` draws the tokens of answers; ``None`` = this engine does, which
        alone keeps the first promise above."""
        self.model, self.tokenizer, self.batch_size = model.eval(), tokenizer, batch_size
        self._sampler = sampler
        self.device: torch.device = model.device
        self.chat_template: str | None = chat_template or _default_template(tokenizer)
        limits = [
            context,
            getattr(model.config.get_text_config(), "max_position_embeddings", None),
            tokenizer.model_max_length if tokenizer.model_max_length < 1e9 else None,
        ]
        self.context: int | None = min((limit for limit in limits if limit), default=None)
        """Longest prompt and answer together, in tokens; ``None`` where nothing says so."""
        self._noise = _NOISE if model.dtype in (torch.float32, torch.float64) else 0.0
        self._pass = _PASS.get(self.device.type, 2**10)
        self._takes = inspect.signature(model.forward).parameters
        if "past_key_values" not in self._takes:
            raise BadInput(
                f"the architecture {type(model).__name__} has no key-value cache, which this engine needs",
                remedy="Serve it behind an endpoint, or use Inspect's hf/ provider.",
            )
        pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
        self._pad = pad if pad is not None else end if end is not None else 0

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        adapter: Path | None = None,
        chat_template: str | None = None,
        context: int | None = None,
        trust_remote_code: bool = False,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = BATCH,
    ) -> Self:
        """Load a Hugging Face checkpoint folder; nothing is fetched.

        ``device``: ``auto`` = cuda where there is one, else cpu. ``dtype``: ``auto`` = 32 bits on a CPU, the
        checkpoint's own on a GPU; else float32, bfloat16, float16 or float64. ``adapter``: folder of a LoRA
        adapter that is merged into the weights. :class:`BadInput` when files are missing, pickled, or not
        what the model's code expects.
        """
        files = fingerprint.checkpoint(folder)
        if adapter is not None:
            fingerprint.adapter(adapter)
        if dtype not in _DTYPES:
            raise BadInput(f"dtype {dtype!r} is not known", remedy=f"Known: {', '.join(_DTYPES)}.")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if dtype == "auto" and device == "cpu":
            dtype = "float32"
        common: dict[str, Any] = {"local_files_only": True, "trust_remote_code": trust_remote_code}
        own: Any = AutoModelForCausalLM
        try:
            with without_bars():
                tokenizer = AutoTokenizer.from_pretrained(files.folder, **common)
                model, found = own.from_pretrained(
                    files.folder,
                    dtype=dtype if dtype == "auto" else getattr(torch, dtype),
                    use_safetensors=True,
                    output_loading_info=True,
                    **common,
                )
                if found["missing_keys"]:
                    # transformers fills them with random numbers and goes on.
                    raise ValueError(f"weights are missing, for example {min(found['missing_keys'])}")
                model = model.to(device)
                if adapter is not None:
                    from peft import PeftModel

                    model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        except Exception as error:
            problem = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
            raise BadInput(f"the checkpoint cannot be loaded ({problem})", path=folder) from error
        return cls(model, tokenizer, chat_template=chat_template, context=context, batch_size=batch_size)

    # --- conversations as tokens ---------------------------------------------------------------------------

    @classmethod
    def reader(
        cls, folder: Path, *, chat_template: str | None = None, trust_remote_code: bool = False
    ) -> Self:
        """An engine without weights: it counts tokens and tells roles, and can neither write nor score.

        :class:`BadInput` when files are missing or not what the model's code expects.
        """
        files = fingerprint.checkpoint(folder)
        common: dict[str, Any] = {"local_files_only": True, "trust_remote_code": trust_remote_code}
        own: Any = AutoModelForCausalLM
        try:
            tokenizer = AutoTokenizer.from_pretrained(files.folder, **common)
            config = AutoConfig.from_pretrained(files.folder, **common)
            with torch.device("meta"):
                model = own.from_config(config, trust_remote_code=trust_remote_code)
        except Exception as error:
            problem = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
            raise BadInput(f"the checkpoint cannot be read ({problem})", path=folder) from error
        return cls(model, tokenizer, chat_template=chat_template)

    def tokens(self, turns: Sequence[Turn], answer: str = "", effort: str | None = None) -> list[int]:
        """The conversation as the model sees it, up to the start of its own turn and then ``answer``.

        Prompt and answer are tokenised together, so that the boundary looks as in the model's own text. A
        model without chat template gets ``Role: text`` paragraphs and an open ``Assistant:``.
        Raises jinja2's ``TemplateError`` where the template refuses the conversation, or has a role in it
        that it does not tell apart (:meth:`roles`).
        """
        merged = sorted({turn.role for turn in turns} - set(self.roles()))
        if merged or not turns:
            raise TemplateError(
                f"the role {merged[0]} is not told apart from others" if merged else "nobody has spoken"
            )
        if turns[-1].role == "assistant":
            turns, answer = turns[:-1], (turns[-1].content or "") + answer
        if self.chat_template is None:
            said = "".join(f"{turn.role.capitalize()}: {turn.content}\n\n" for turn in turns)
            space = " " if answer and not answer[0].isspace() else ""
            return self._opening + self._encode(f"{said}Assistant:{space}{answer}")
        # The answer enters through the template, because only so are its control tokens read as text. Jinja
        # drops one newline at the very end of a template, which would no longer stand at the end.
        template = self.chat_template.removesuffix("\n") + "{{ " + _ANSWER + " }}"
        try:
            ids: list[int] = self.tokenizer.apply_chat_template(
                [{"role": turn.role, "content": turn.content} for turn in turns],
                chat_template=template,
                add_generation_prompt=True,
                sanitize_control_tokens=True,
                return_dict=False,
                **{_ANSWER: answer},
                **_effort(effort),
            )
        except _FAULTS as error:
            raise TemplateError(str(error)) from error
        return ids

    def sequence(self, turns: Sequence[Turn], answer: str) -> tuple[list[int], list[int]]:
        """Tokens of a prompt and of ``answer`` as the model would have to write it, to its end token.

        Where a tokenizer merges across the boundary, the merged token counts with the answer. Raises as
        :meth:`tokens`.
        """
        prompt, whole = self.tokens(turns), self.tokens(turns, answer)
        start = _common(prompt, whole)
        end = self._closing if self._closing is not None else self.tokenizer.eos_token_id
        return whole[:start], whole[start:] + ([] if end is None else [end])

    def roles(self) -> tuple[str, ...]:
        """The roles that the model can tell apart, out of :data:`ROLES`.

        A role is left out when the chat template refuses it where it belongs or drops its text, or when it
        renders like another role (system text put bare before the user's, developer shown as system): of
        such a pair the first in the order user, assistant, system, developer, tool is kept.
        """
        return self._roles

    @cached_property
    def _roles(self) -> tuple[str, ...]:
        if self.chat_template is None:
            return ROLES
        joined = {self._text((Turn("user", f"MARK{gap}QUESTION"),)) for gap in ("", " ", "\n", "\n\n")}
        kept: dict[str, tuple[str | None, ...]] = {}
        for role, place in _PLACES.items():
            shown = self._shown(role)
            merged = any(_alike(shown, other) for other in kept.values())
            merged |= role != "user" and shown[0] in joined
            if shown[place] is not None and not merged:
                kept[role] = shown
        return tuple(role for role in ROLES if role in kept)

    def _shown(self, role: str) -> tuple[str | None, ...]:
        """How a turn of this role looks at the start, after a user and after an assistant turn."""
        mark, user, assistant = Turn(role, "MARK"), Turn("user", "QUESTION"), Turn("assistant", "ANSWER")
        texts = [self._text(turns) for turns in ((mark, user), (user, mark), (user, assistant, mark))]
        return tuple(text if text is not None and "MARK" in text else None for text in texts)

    def _text(self, turns: Sequence[Turn]) -> str | None:
        try:
            text: str = self.tokenizer.apply_chat_template(
                [{"role": turn.role, "content": turn.content} for turn in turns],
                chat_template=self.chat_template,
                tokenize=False,
            )
        except _FAULTS:
            return None
        return text

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        return ids

    @cached_property
    def _opening(self) -> list[int]:
        """What the tokenizer puts before a text (a BOS token, or nothing)."""
        bare = self._encode("a")
        full: list[int] = self.tokenizer.encode("a")
        starts = (i for i in range(len(full)) if full[i : i + len(bare)] == bare)
        return full[: next(starts, 0)]

    @cached_property
    def _ends(self) -> set[int]:
        """Tokens that end the model's turn: the end-of-text tokens, and whatever the template puts after it.

        The second because fine-tuned checkpoints often keep the end token of their base, and would then go
        on to write the user's next turn.
        """
        ends: set[int] = set()
        for source in (self.model.generation_config, self.model.config, self.tokenizer):
            found = getattr(source, "eos_token_id", None)
            ends.update(found if isinstance(found, list) else [found] if found is not None else [])
        return ends | ({self._closing} if self._closing is not None else set())

    @cached_property
    def _closing(self) -> int | None:
        """The control token that the template puts after an answer."""
        text = (
            self._text((Turn("user", "QUESTION"), Turn("assistant", "MARK"))) if self.chat_template else None
        )
        after = self.tokenizer.encode(text.rpartition("MARK")[2], add_special_tokens=False) if text else []
        added = self.tokenizer.added_tokens_decoder
        return after[0] if after and after[0] in added and not added[after[0]].content.isspace() else None

    # --- generation ----------------------------------------------------------------------------------------

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion per request, in order. Requests of any number and length: they are batched here."""
        done: dict[int, Completion] = {}
        rows: list[_Row] = []
        prompts: dict[tuple[tuple[Turn, ...], str | None], list[int]] = {}
        for index, request in enumerate(requests):
            asked = request.turns, request.reasoning_effort
            try:
                prompt = prompts.get(asked) or self.tokens(request.turns, effort=request.reasoning_effort)
                prompts[asked] = prompt
            except TemplateError as error:
                done[index] = Completion("", Stop.TEMPLATE, 0, 0, error=str(error))
                continue
            room = math.inf if self.context is None else self.context - len(prompt)
            if room < 1:
                done[index] = Completion("", Stop.CONTEXT, len(prompt), 0)
                continue
            stops = request.stop
            if self.chat_template is None:
                stops += tuple(f"\n\n{role.capitalize()}:" for role in ROLES)
            rows.append(_Row(index, request, prompt, int(min(request.max_tokens, room)), stops))
        rows.sort(key=lambda row: len(row.prompt))
        lengths = [len(row.prompt) + row.limit for row in rows]
        # A sampler makes its own batches.
        for batch in [rows] if self._sampler else _batches(rows, lengths, self.batch_size, _TOKENS):
            self._decode(batch)
            done |= {row.index: self._completion(row) for row in batch}
        return [done[index] for index in range(len(requests))]

    def _take(self, rows: list[_Row], sampler: Sampler) -> None:
        """Tokens from elsewhere, as if they had been drawn here."""
        drawn = sampler(self.model, [row.draw for row in rows], self._ends)
        for row, tokens in zip(rows, drawn, strict=True):
            if row.request.top_logprobs is not None:
                raise ValueError("log-probabilities are of this engine's own draws")
            for token in tokens:
                row.tokens.append(token)
                row.stop = self._ended(row, token)
                if row.stop is not None:
                    break

    def _decode(self, rows: list[_Row]) -> None:
        if self._sampler is not None:
            return self._take(rows, self._sampler)
        try:
            self._decode_together(rows)
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                raise
            for row in rows:
                row.restart()
            half = len(rows) // 2
            self._decode(rows[:half])
            self._decode(rows[half:])

    @torch.inference_mode()
    def _decode_together(self, rows: list[_Row]) -> None:
        width = max(len(row.prompt) for row in rows)
        prompts = dict.fromkeys(tuple(row.prompt) for row in rows)
        places = {prompt: place for place, prompt in enumerate(prompts)}
        ids, mask = self._padded([list(prompt) for prompt in places], width, left=True)
        cache: Any = DynamicCache(config=self.model.config)
        roomy: Any = _Roomy
        cache.layers = [roomy() if type(layer) is DynamicLayer else layer for layer in cache.layers]
        logits = self._forward(ids, mask, _positions(mask), cache=cache, keep=1).logits[:, -1]
        if len(places) < len(rows):  # samples of one prompt share its pass
            owner = torch.tensor([places[tuple(row.prompt)] for row in rows], device=self.device)
            cache.reorder_cache(owner)
            logits, mask = logits[owner], mask[owner]
        mask = torch.nn.functional.pad(mask, (0, max(row.limit for row in rows)), value=1)
        while True:
            chosen = self._choose(logits, rows)
            going = [i for i, row in enumerate(rows) if row.stop is None]
            if not going:
                return
            if 2 * len(going) <= len(rows):  # rows that are done no longer slow the others down
                keep = torch.tensor(going, device=self.device)
                cache.reorder_cache(keep)
                rows, mask, chosen = [rows[i] for i in going], mask[keep], chosen[keep]
            width += 1
            last = [[len(row.prompt) + len(row.tokens) - 1] for row in rows]
            where = torch.tensor(last, device=self.device)
            logits = self._forward(chosen[:, None], mask[:, :width], where, cache=cache, keep=1).logits[:, -1]

    def _choose(self, logits: torch.Tensor, rows: list[_Row]) -> torch.Tensor:
        """The next token of each row (shape rows), added to the rows that still go on."""
        temperature = torch.tensor([row.request.temperature for row in rows], device=self.device)
        top_p = torch.tensor([row.request.top_p for row in rows], device=self.device)
        keys = [row.key + len(row.tokens) * _STEP for row in rows]
        chosen, sure = pick(logits, temperature, top_p, keys, self._noise)
        for i in (~sure).nonzero().flatten().tolist() if self._noise else []:
            if rows[i].stop is None:
                ids = torch.tensor([rows[i].prompt + rows[i].tokens], device=self.device)
                alone = self._forward(ids, keep=1).logits[:, -1]
                one = slice(i, i + 1)
                chosen[i] = pick(alone, temperature[one], top_p[one], keys[one], 0.0)[0][0]
        wanted = [
            i for i, row in enumerate(rows) if row.stop is None and row.request.top_logprobs is not None
        ]
        for i in wanted:
            self._report(logits[i], int(chosen[i]), rows[i])
        for row, token in zip(rows, chosen.tolist(), strict=True):
            if row.stop is None:
                row.tokens.append(token)
                row.stop = self._ended(row, token)
        return chosen

    def _report(self, logits: torch.Tensor, token: int, row: _Row) -> None:
        logprobs = logits.float().log_softmax(-1)
        k = min(row.request.top_logprobs or 0, len(logprobs))
        best = logprobs.topk(k)
        top = [
            (self.tokenizer.decode([i]), value)
            for i, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]
        row.logprobs.append(TokenLogprob(self.tokenizer.decode([token]), float(logprobs[token]), tuple(top)))

    def _ended(self, row: _Row, token: int) -> Stop | None:
        if token in self._ends:
            row.ended = True
            return Stop.STOP
        if row.stops:
            # A token holds at least a byte, so the stop text lies within this many tokens.
            tail = self.tokenizer.decode(row.tokens[-1 - max(len(stop.encode()) for stop in row.stops) :])
            if any(stop in tail for stop in row.stops):
                return Stop.STOP
        if len(row.tokens) < row.limit:
            return None
        return Stop.MAX_TOKENS if row.limit == row.request.max_tokens else Stop.CONTEXT

    def _completion(self, row: _Row) -> Completion:
        assert row.stop is not None
        written = row.tokens[:-1] if row.ended else row.tokens
        text: str = self.tokenizer.decode(written, skip_special_tokens=True)
        for stop in row.stops:
            text = text.partition(stop)[0]
        if self.chat_template is None:
            text = text.removeprefix(" ")
        # Some templates open the reasoning themselves, so the answer starts inside it.
        opened = self.tokenizer.decode(row.prompt[-8:]).rstrip().endswith("<think>")
        reasoning, text = _apart(text, opened)
        return Completion(
            text,
            row.stop,
            len(row.prompt),
            len(row.tokens),
            reasoning,
            tuple(row.logprobs),
            tokens=tuple(row.tokens),
        )

    # --- likelihood of given answers -----------------------------------------------------------------------

    @torch.inference_mode()
    def loglikelihood(
        self, items: Sequence[tuple[Sequence[Turn], Sequence[str]]]
    ) -> list[list[ChoiceScore] | None]:
        """Per conversation, the log-probability of each choice as the model's answer; ``None`` where a choice
        does not fit the context (or the template refuses the conversation).

        Each choice is tokenised together with its conversation, without the token that ends the turn, and the
        sum runs over the tokens after the longest beginning that the conversation and all of its choices
        share. So where a tokenizer merges across the boundary, the merged rest of the conversation is counted
        in every choice, and sums stay comparable within a conversation. The shared beginning is computed once
        for all choices. Templates that can are asked to leave reasoning out.
        """
        scores: list[list[ChoiceScore] | None] = [None] * len(items)
        rows: list[tuple[int, list[int], list[list[int]]]] = []
        for index, (turns, choices) in enumerate(items):
            try:
                shared = self.tokens(turns, effort="none")
                wholes = [self.tokens(turns, choice, effort="none") for choice in choices]
            except TemplateError:
                continue
            for whole in wholes:
                shared = shared[: _common(shared, whole)]
            rests = [whole[len(shared) :] for whole in wholes]
            if not shared or not all(rests):
                raise ValueError("a choice is empty")
            if self.context is None or max(map(len, wholes)) <= self.context:
                rows.append((index, shared, rests))
        rows.sort(key=lambda row: len(row[1]))
        for batch in _batches(rows, [len(row[1]) for row in rows], self.batch_size, self._pass):
            sums = self._score([row[1] for row in batch], [row[2] for row in batch])
            for (index, _, rests), values in zip(batch, sums, strict=True):
                scores[index] = [
                    ChoiceScore(value, len(rest)) for value, rest in zip(values, rests, strict=True)
                ]
        return scores

    def _score(self, shared: list[list[int]], rests: list[list[list[int]]]) -> list[list[float]]:
        """Sum of log-probabilities for each of the ``rests`` of each ``shared`` beginning."""
        width = max(map(len, shared))
        ids, mask = self._padded(shared, width, left=True)
        output = self._forward(ids, mask, _positions(mask), keep=1)
        first = output.logits[:, -1].float().log_softmax(-1)
        sums = [[float(first[i, rest[0]]) for rest in group] for i, group in enumerate(rests)]
        # The first token of a choice is read off above; the others need the choice itself as input.
        more = [(i, j) for i, group in enumerate(rests) for j, rest in enumerate(group) if len(rest) > 1]
        more.sort(key=lambda at: len(rests[at[0]][at[1]]))
        longest = max((len(rests[i][j]) for i, j in more), default=0)
        per_pass = min(
            self._pass // max(1, longest),
            _LOGITS // max(1, longest * first.shape[1]),
            _TOKENS // (width + longest),
        )
        per_pass = max(1, per_pass)
        for start in range(0, len(more), per_pass):
            part = more[start : start + per_pass]
            tokens = [rests[i][j] for i, j in part]
            ids, seen = self._padded(tokens, max(map(len, tokens)), left=False)
            owner = torch.tensor([i for i, _ in part], device=self.device)
            before = mask[owner]
            steps = torch.arange(ids.shape[1] - 1, device=self.device)
            logits = self._forward(
                ids[:, :-1],
                torch.cat([before, seen[:, :-1]], dim=1),
                before.sum(1, keepdim=True) + steps,
                cache=_rows_of(output.past_key_values, owner),
            ).logits.float()
            given = logits.gather(2, ids[:, 1:, None])[:, :, 0] - logits.logsumexp(2)
            totals = given.double().masked_fill(seen[:, 1:] == 0, 0.0).sum(1)
            for (i, j), total in zip(part, totals.tolist(), strict=True):
                sums[i][j] += total
        return sums

    # --- tensors -------------------------------------------------------------------------------------------

    def _padded(self, rows: list[list[int]], width: int, *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and mask (1 = token, 0 = padding), both of shape (rows, width)."""
        ids = torch.full((len(rows), width), self._pad)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for i, row in enumerate(rows):
            place = slice(width - len(row), width) if left else slice(len(row))
            ids[i, place], mask[i, place] = torch.tensor(row), 1
        return ids.to(self.device), mask.to(self.device)

    def _forward(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
        *,
        cache: Any = None,
        keep: int = 0,
    ) -> Any:
        """One pass of the model; ``keep`` last positions get logits (0 = all)."""
        given = {"position_ids": positions, "logits_to_keep": keep}
        # Not every architecture has these: those that lack them derive positions from the mask themselves.
        given = {name: value for name, value in given.items() if name in self._takes and value is not None}
        return self.model(
            input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=mask is not None, **given
        )


def pick(
    logits: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor, keys: Sequence[int], noise: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The next token of each row, and whether rounding could not have changed it.

    ``logits`` (rows, vocabulary); ``temperature`` and ``top_p`` (rows); ``keys``: one 64-bit number per row,
    another one at each step. A token is drawn from softmax(logits / temperature), cut to the most probable
    tokens whose mass reaches ``top_p`` (nucleus sampling, Holtzman et al. 2020, arXiv:1904.09751), as the
    largest of logit / temperature plus Gumbel noise (Gumbel-max trick; Maddison, Tarlow and Minka 2014,
    arXiv:1411.0030). Temperature 0: the largest logit. A choice is sure when errors in the logits of up to
    half of ``noise`` leave it as it is.
    """
    warm = temperature > 0
    sampled = bool(warm.any())
    scale = torch.where(warm, temperature, 1.0).double()
    scores = logits.double() / scale[:, None] if sampled else logits.float()
    slack = noise / scale
    allowed, doubtful = torch.ones_like(scores, dtype=torch.bool), torch.zeros_like(scores, dtype=torch.bool)
    if sampled and bool((top_p < 1).any()):
        allowed, doubtful = _nucleus(scores, top_p, slack)
    if sampled:
        scores = scores + torch.where(warm[:, None], _gumbel(keys, scores), 0.0)
    best = scores.masked_fill(~allowed, -math.inf).topk(2, dim=1)
    sure = best.values[:, 0] - best.values[:, 1] > slack
    chosen = best.indices[:, :1]
    return chosen[:, 0], sure & ~doubtful.gather(1, chosen)[:, 0]


def _nucleus(
    scores: torch.Tensor, top_p: torch.Tensor, slack: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens in the nucleus, widened by those that rounding could bring in; and the ones in doubt."""
    ranked = scores.sort(dim=1, descending=True).values
    p = ranked.softmax(dim=1)
    before = p.cumsum(dim=1) - p
    inside = (before < top_p[:, None]).sum(dim=1, keepdim=True)
    last = ranked.gather(1, inside - 1)
    following = ranked.gather(1, inside.clamp(max=ranked.shape[1] - 1))
    slack = slack[:, None]
    close = (last - following < slack) | ((before - top_p[:, None]).abs().amin(1, keepdim=True) < slack)
    close &= inside < ranked.shape[1]
    doubtful = close & (scores >= following - slack) & (scores <= last + slack)
    return (scores >= last) | doubtful, doubtful


def _gumbel(keys: Sequence[int], like: torch.Tensor) -> torch.Tensor:
    """Standard Gumbel noise as a function of key and column (splitmix64; Steele, Lea and Flood 2014)."""
    row = torch.tensor([_signed(key) for key in keys], device=like.device)
    column = torch.arange(like.shape[1], device=like.device)
    bits = _mix(_mix(row)[:, None] + column * _signed(_STEP))
    uniform = (_shift(bits, 12).double() + 0.5) * 2.0**-52  # with 53 bits the largest would round to 1
    return -torch.log(-torch.log(uniform))


def _mix(x: torch.Tensor) -> torch.Tensor:
    x = (x ^ _shift(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shift(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shift(x, 31)


def _shift(x: torch.Tensor, by: int) -> torch.Tensor:
    """Shift to the right without the sign, which torch's integers have and the algorithm does not."""
    return (x >> by) & ((1 << (64 - by)) - 1)


def _signed(x: int) -> int:
    x %= 2**64
    return x - 2**64 if x >= 2**63 else x


def _positions(mask: torch.Tensor) -> torch.Tensor:
    return (mask.cumsum(1) - 1).clamp(min=0)


def _rows_of(cache: Any, rows: torch.Tensor) -> Any:
    """A copy of some rows of a key-value cache, repeated where asked; the cache itself stays as it is."""
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    twin.reorder_cache(rows)
    return twin


def _batches(rows: list[T], lengths: Sequence[int], size: int, tokens: int) -> Iterator[list[T]]:
    """Runs of at most ``size`` rows that hold, padded to the longest, at most ``tokens`` (or one row)."""
    start = 0
    for end in range(1, len(rows) + 1):
        longest = max(lengths[start : end + 1])
        if end == len(rows) or end - start == size or (end + 1 - start) * longest > tokens:
            yield rows[start:end]
            start = end


def _alike(one: Sequence[str | None], other: Sequence[str | None]) -> bool:
    """Whether two roles look the same wherever both can stand."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    return bool(pairs) and all(a == b for a, b in pairs)


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _apart(text: str, opened: bool) -> tuple[str, str]:
    """Reasoning and answer of a text that starts in (``opened``) or with a block of reasoning."""
    start = text.lstrip()
    if not opened and not start.startswith("<think>"):
        return "", text
    reasoning, closed, answer = start.removeprefix("<think>").partition("</think>")
    return reasoning.strip(), answer.lstrip() if closed else ""


def _effort(effort: str | None) -> dict[str, Any]:
    if effort is None:
        return {}
    # Templates know their own efforts, and "none" is none of them: it is the switch that some have.
    return {"enable_thinking": False} if effort == "none" else {"reasoning_effort": effort}


def _default_template(tokenizer: Any) -> str | None:
    template = getattr(tokenizer, "chat_template", None)
    return template.get("default") if isinstance(template, dict) else template
