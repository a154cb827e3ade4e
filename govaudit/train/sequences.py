"""Token sequences of prompt and answer: padding, passes of bounded size, log-probabilities of the answers.

A batch is drawn at random and goes through the model in passes, sorted by length: little padding without
batches of equal lengths, and a gradient that does not depend on the size of a pass (gradient accumulation).
Logits are computed for the answers' positions only. Where several processes train together, the passes of a
batch are dealt out to them. Left out: packing of several sequences into a row.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jinja2.exceptions import TemplateError
from torch.nn import functional

from govaudit.errors import BadInput
from govaudit.models.engine import Engine
from govaudit.train import processes
from govaudit.train.draws import generator
from govaudit.train.policy import Conversation

# On a CPU, few enough for its cache; on a GPU, what logits of a large vocabulary leave room for.
_PASS = {"cpu": 2**10, "cuda": 2**14}


@dataclass(frozen=True)
class Tokens:
    """One sequence as token ids, neither part empty."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    """With the token that ends it, unless it was cut."""

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)

    @property
    def ids(self) -> tuple[int, ...]:
        return self.prompt + self.answer


def tokens_of(engine: Engine, conversations: Sequence[Conversation], answers: Sequence[str]) -> list[Tokens]:
    """The sequences of given answers; :class:`BadInput` for one that is longer than the context."""
    found = []
    for place, (turns, answer) in enumerate(zip(conversations, answers, strict=True)):
        try:
            prompt, rest = engine.sequence(turns, answer)
        except TemplateError as error:
            raise BadInput(f"the chat template refuses conversation {place} ({error})") from error
        if engine.context is not None and len(prompt) + len(rest) > engine.context:
            raise BadInput(
                f"conversation {place} with its answer takes {len(prompt) + len(rest)} tokens, the model's "
                f"context holds {engine.context}",
                remedy="Leave it out or shorten it: nothing is cut here.",
            )
        found.append(Tokens(tuple(prompt), tuple(rest)))
    return found


def batches(n: int, size: float, epochs: int, *seed: object) -> list[list[int]]:
    """Indices 0..n-1 in random order, once per epoch, in batches of about ``size`` (equal to within one)."""
    count = max(1, round(n / size))
    found = []
    for epoch in range(epochs):
        order = list(range(n))
        generator(*seed, epoch).shuffle(order)
        found += [order[i * n // count : (i + 1) * n // count] for i in range(count)]
    return found


def pass_size(tokens: int | None, device: torch.device) -> int:
    """Tokens that go through the model at a time; ``None``: as suits the device."""
    return tokens or _PASS.get(device.type, 2**10)


def passes(
    indices: Sequence[int], lengths: Sequence[int], tokens: int | None, device: torch.device
) -> list[list[int]]:
    """The indices sorted by their length, in runs that hold, padded, at most ``tokens`` (or one index).

    ``lengths``: of all items, by index. ``tokens=None``: a size that suits the device. Of several processes
    each is given its share, equally many runs, of which some may be empty: sum over a run, and then with
    ``processes.summed`` over the processes.
    """
    most = pass_size(tokens, device)
    runs: list[list[int]] = []
    for index in sorted(indices, key=lambda i: lengths[i]):
        if not runs or (len(runs[-1]) + 1) * lengths[index] > most:
            runs.append([])
        runs[-1].append(index)
    return runs if processes.count() == 1 else _dealt(runs, lengths)


def _dealt(runs: list[list[int]], lengths: Sequence[int]) -> list[list[int]]:
    """This process's share of the runs, after the largest were halved until there is one for everybody."""
    while len(runs) % processes.count() and any(len(run) > 1 for run in runs):
        largest = max((run for run in runs if len(run) > 1), key=lambda run: len(run) * lengths[run[-1]])
        at, half = runs.index(largest), len(largest) // 2
        runs[at : at + 1] = [largest[:half], largest[half:]]
    runs += [[] for _ in range(-len(runs) % processes.count())]
    return processes.share(runs)


def padded(
    rows: Sequence[Sequence[int]], pad: int | None, device: torch.device, *, left: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask (1 = token, 0 = padding), both of shape (rows, longest)."""
    width = max(map(len, rows), default=0)
    ids = torch.full((len(rows), width), pad or 0)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(len(row))
        ids[i, place], mask[i, place] = torch.tensor(row), 1
    return ids.to(device), mask.to(device)


def positions(mask: torch.Tensor) -> torch.Tensor:
    """Place of each token in its row, whatever padding stands before it; shape as ``mask``."""
    return (mask.cumsum(1) - 1).clamp(min=0)


def accepted(model: Any, **given: Any) -> dict[str, Any]:
    """Those of the arguments that ``model`` takes: one without positions reads them off the mask."""
    takes = inspect.signature(model.forward).parameters
    return {name: value for name, value in given.items() if name in takes}


def precision(model: Any) -> AbstractContextManager[Any]:
    """In what passes are computed: bfloat16 on a GPU and where the weights are, else in 32 bits."""
    low = model.device.type == "cuda" or model.dtype == torch.bfloat16
    return torch.autocast(model.device.type, torch.bfloat16) if low else nullcontext()


def answer_logprobs(
    model: Any, sequences: Sequence[Tokens], pad: int | None, *, temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of the answers' tokens, 0 where the mask is False; and the mask.

    Both of shape (sequences, longest answer), with the answers at the right edge. Of no sequences: a pass all
    the same, since other processes may wait for it, and no rows.
    """
    logits, targets, written = _answer_logits(model, sequences, pad)
    chosen = -functional.cross_entropy(logits / temperature, targets, reduction="none")
    return torch.zeros(written.shape, device=chosen.device).masked_scatter(written, chosen), written


def answer_logprobs_and_entropy(
    model: Any, sequences: Sequence[Tokens], pad: int | None, *, temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same with the entropy of the distribution (nats) at each of these tokens, without gradient."""
    logits, targets, written = _answer_logits(model, sequences, pad)
    log_p = (logits / temperature).log_softmax(-1)
    chosen = -functional.nll_loss(log_p, targets, reduction="none")
    known = log_p.detach()
    entropy = -(known.exp() * known).sum(-1)
    blank = torch.zeros(written.shape, device=chosen.device)
    return blank.masked_scatter(written, chosen), written, blank.masked_scatter(written, entropy)


def _answer_logits(
    model: Any, sequences: Sequence[Tokens], pad: int | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits (answer tokens, vocabulary) in 32 bits, the tokens themselves, and where they stand."""
    device: torch.device = model.device
    if not sequences:
        logits, targets, written = _answer_logits(model, [Tokens((0,), (0,))], pad)
        return logits[:0], targets[:0], written[:0]
    width = max(len(one.answer) for one in sequences)
    ids, mask = padded([one.ids for one in sequences], pad, device)
    given = accepted(model, position_ids=positions(mask)[:, :-1], logits_to_keep=width)
    with precision(model):
        output = model(input_ids=ids[:, :-1], attention_mask=mask[:, :-1], use_cache=False, **given)
    logits = output.logits[:, -width:]
    starts = torch.tensor([width - len(one.answer) for one in sequences], device=device)
    written = torch.arange(width, device=device) >= starts[:, None]
    if len({len(one.answer) for one in sequences}) == 1:  # nothing to pick out
        return logits.flatten(0, 1).float(), ids[:, -width:].flatten(), written
    return logits[written].float(), ids[:, -width:][written], written
