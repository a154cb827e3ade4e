"""The preference model: it learns from pairs which of two answers is better, and scores single answers.

In: a base policy and pairs with soft labels, from AI and from people, mixed. Out: a sequence classifier with
one output per conversation and answer, whose differences are log-odds (Bradley and Terry 1952): P(first
better) = sigmoid(score of first - score of second). It is the base with an output layer that starts at 0, and
the score is read at the sequence's last token. Bai et al. 2022 (arXiv:2212.08073, section 4.1) mix people's
labels of helpfulness with AI labels of harmlessness; the loss on soft labels is theirs. A ranking of more
than two answers counts as much as one pair, and its answers go through the model once (Ouyang et al. 2022,
arXiv:2203.02155, eq. 1): as pairs in different batches they would be seen K - 1 times each and overfitted.

Two gauges: accuracy on held-out pairs, and split halves, two models on halves of the pairs: where they
disagree, the score is noise that a policy could learn to exploit.

Left out: likelihoods of whole orders (Plackett-Luce), margins by how much better an answer is.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from govaudit.errors import BadInput
from govaudit.models import fingerprint
from govaudit.models.engine import Engine, without_bars
from govaudit.stats.bootstrap import FloatArray, resample, sums_by_cluster
from govaudit.stats.coefficient import Coefficient, estimate
from govaudit.stats.intervals import Rate, clustered_rate
from govaudit.train import fit, loop, memory, processes, sequences
from govaudit.train.draws import generator
from govaudit.train.fit import PLAIN, Fit
from govaudit.train.loop import Keep, Progress, State, silent
from govaudit.train.policy import Conversation, Pair, Policy

_ROUNDS = 2000  # resamples of the bootstrap


@dataclass(frozen=True)
class PreferenceModel:
    """A sequence classifier with one output, and its tokenizer."""

    model: Any
    tokenizer: Any

    @cached_property
    def engine(self) -> Engine:
        """Renders conversations as tokens."""
        return Engine(self.model, self.tokenizer)


@dataclass(frozen=True)
class Ranking:
    """Several answers to one conversation in their order."""

    turns: Conversation
    answers: tuple[str, ...]
    places: tuple[int, ...]
    """Of each answer, 1 = best; equal places are a tie."""
    source: str

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Its C(K, 2) pairs; a tie has the label 1/2."""
        return tuple(
            Pair(self.turns, self.answers[i], self.answers[j], p, self.source) for i, j, p in _compared(self)
        )


@dataclass(frozen=True)
class PreferenceArgs:
    """How the preference model is trained."""

    epochs: int = 3
    """Times that each pair is seen; a preference model of billions of weights overfits after one."""
    lr: float = 1e-3
    """Highest learning rate; a model of billions of weights wants 1e-5 or so."""
    pairs: int = 32
    """Pairs or rankings of a batch: one step of the optimiser."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises; it then falls to 0 on a line."""
    weight_decay: float = 0.0
    """Decoupled, as a share of the weights per unit of learning rate."""
    clip: float = 1.0
    """Longest gradient."""
    seed: int = 0
    """Of the order of the pairs, of the halves, and of dropout where the model has it."""
    pass_tokens: int | None = None
    """Tokens that go through the model at a time, with padding; ``None`` = what suits the device. A batch is
    several passes, so this bounds memory and changes no gradient."""


@dataclass(frozen=True)
class PreferenceStep:
    """One step of the optimiser."""

    step: int
    """1-based."""
    loss: float
    """Nats per pair, before the step, a ranking counted once; ln 2 = nothing known."""
    accuracy: float | None
    """Share of the batch's pairs whose label leans to a side and is met; ``None`` where no label leans."""
    gradient_norm: float
    """Before clipping."""
    lr: float
    loss_by_source: dict[str, float]
    """The same loss for each source of labels in the batch."""


@dataclass(frozen=True)
class Accuracy:
    """How often the preference model prefers the answer that the label prefers."""

    all: Rate
    """Share of pairs, clustered by conversation; equal scores count as wrong."""
    by_source: dict[str, Rate]
    ties: int
    """Pairs left out because their label is exactly 1/2."""


@dataclass(frozen=True)
class SplitHalf:
    """Two preference models from halves of the pairs, on pairs that neither saw."""

    agreement: Rate
    """Share of pairs on which both prefer the same answer, clustered by conversation."""
    correlation: Coefficient
    """Pearson's, of the two models' differences of scores; conversations are resampled."""
    accuracy: tuple[Accuracy, Accuracy]
    pairs: int
    """Held-out pairs."""
    models: tuple[PreferenceModel, PreferenceModel] = field(repr=False, compare=False)


def preference(
    base: Policy,
    given: Sequence[Pair | Ranking],
    args: PreferenceArgs = PreferenceArgs(),
    *,
    keep: Keep | None = None,
    progress: Progress = silent,
    name: str = "preference model",
    how: Fit = PLAIN,
) -> tuple[PreferenceModel, tuple[PreferenceStep, ...]]:
    """A preference model from ``base``, which stays as it is, and the curve of its training.

    ``how``: what of it is trained, and in what it is kept.
    :class:`BadInput` when there is nothing to learn from, a label is no probability, a ranking is none, a
    sequence does not fit the context, or the architecture has no sequence classifier.
    """
    _check(given)
    fitted = from_base(base, how)
    model, pad = fitted.model, fitted.tokenizer.pad_token_id
    rows, compared = _tokens(fitted, given), [_compared(one) for one in given]
    # All answers of a ranking are in one pass.
    lengths = [len(answers) * max(map(len, answers)) for answers in rows]
    memory.check(model, lengths, sequences.pass_size(args.pass_tokens, model.device))
    optimiser = loop.adamw(model, args.weight_decay)
    batches = sequences.batches(len(rows), args.pairs, args.epochs, args.seed, "preference")
    state = State(keep, "preference", args, model, (compared, [one.source for one in given], rows))
    with loop.training(model, args.seed), progress(name, len(batches)) as advance:
        values, _ = state.resume(model, optimiser)
        curve = [PreferenceStep(**row) for row in values.get("curve", [])]
        for row in curve:
            advance(_numbers(row))
        for step, batch in enumerate(batches[len(curve) :], start=len(curve)):
            seen: list[_Seen] = []
            for part in sequences.passes(batch, lengths, args.pass_tokens, model.device):
                ids, mask = sequences.padded([ids for i in part for ids in rows[i]], pad, model.device)
                scored = pooled_scores(model, ids, mask)
                laid = _laid([given[i] for i in part], [compared[i] for i in part])
                difference = scored[[one.first for one in laid]] - scored[[one.second for one in laid]]
                p_first = torch.tensor([one.p_first for one in laid], device=model.device)
                weight = torch.tensor([one.weight for one in laid], device=model.device)
                losses = pair_losses(difference, p_first)
                loop.backward((weight * losses).sum() / len(batch))
                right = (difference * (p_first - 0.5) > 0).tolist()
                seen += map(_Seen, laid, losses.tolist(), right)
            seen = processes.joined(seen)
            rate = args.lr * loop.warm_then_linear(step, len(batches), args.warmup)
            norm = loop.update(model, optimiser, rate, args.clip)
            curve.append(_step(step + 1, seen, norm, rate))
            state.snapshot(step + 1, model, fitted.tokenizer)
            if state.due(step + 1 == len(batches)):
                state.keep(model, optimiser, {"curve": [asdict(row) for row in curve]})
            advance(_numbers(curve[-1]))
    return fitted, tuple(curve)


def pair_losses(difference: torch.Tensor, p_first: torch.Tensor) -> torch.Tensor:
    """-p ln s(d) - (1 - p) ln s(-d) for each pair: cross-entropy of s = sigmoid against the soft label p."""
    return functional.binary_cross_entropy_with_logits(
        difference, p_first.to(difference.dtype), reduction="none"
    )


def pooled_scores(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The score of each row (rows,), read at its last token, wherever ids (rows, width) are padded.

    Of no rows: a pass all the same, since other processes may wait for it, and no scores.
    The classifier's own ``forward`` finds the last token by the id of the padding, which tokenizers of real
    checkpoints lack or share with the end token; here the mask says it.
    """
    if not len(ids):
        one = torch.zeros((1, 1), dtype=torch.long, device=ids.device)
        return pooled_scores(model, one, one + 1)[:0]
    with sequences.precision(model):
        given = sequences.accepted(model.base_model, position_ids=sequences.positions(mask))
        hidden = model.base_model(
            input_ids=ids, attention_mask=mask, use_cache=False, **given
        ).last_hidden_state
    last = (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).argmax(1)
    rows = torch.arange(len(ids), device=ids.device)
    # Outside of lower precision: a difference of scores is small against the scores.
    scores: torch.Tensor = model.score(hidden[rows, last].to(model.score.weight.dtype))[:, 0]
    return scores.float()


@dataclass(frozen=True)
class _Laid:
    """One pair of answers in a pass."""

    first: int
    """Row of the pass."""
    second: int
    p_first: float
    weight: float
    """1 over the pairs of its ranking."""
    source: str


@dataclass(frozen=True)
class _Seen:
    """What training saw of a pair."""

    pair: _Laid
    loss: float
    right: bool


def _laid(given: Sequence[Pair | Ranking], compared: Sequence[Sequence[_Compared]]) -> list[_Laid]:
    """All pairs of a pass, whose rows are the answers of ``given`` one after the other."""
    found, row = [], 0
    for one, pairs in zip(given, compared, strict=True):
        found += [_Laid(row + i, row + j, p, 1 / len(pairs), one.source) for i, j, p in pairs]
        row += len(_answers(one))
    return found


@torch.no_grad()
def scores(
    model: Any, tokenizer: Any, conversations: Sequence[Conversation], answers: Sequence[str]
) -> NDArray[np.float64]:
    """One score per conversation and answer, shape (n,): higher is better, differences are log-odds."""
    return _scores(PreferenceModel(model, tokenizer), conversations, answers)


def from_base(base: Policy, how: Fit = PLAIN) -> PreferenceModel:
    """A preference model with the weights of ``base`` that finds all answers equal (its last layer is 0)."""
    dtype = getattr(torch, how.frozen_dtype(base.device.type))
    config = copy.deepcopy(base.model.config)
    config.num_labels = 1
    # transformers' own forward pools before the first padding id, so an end token must not be one.
    pad, end = base.tokenizer.pad_token_id, base.tokenizer.eos_token_id
    config.pad_token_id = pad if pad != end else None
    auto: Any = AutoModelForSequenceClassification
    with torch.random.fork_rng(devices=[]):
        try:
            model = auto.from_config(config, dtype=dtype)
        except ValueError as error:
            raise BadInput(
                f"transformers has no sequence classifier for {type(base.model).__name__}",
                remedy="Use another checkpoint as the base of the preference model.",
            ) from error
    if not isinstance(getattr(model, "score", None), torch.nn.Linear):
        raise BadInput(f"{type(model).__name__} does not read its score at the last token")
    model.base_model.load_state_dict(base.model.base_model.state_dict())
    torch.nn.init.zeros_(model.score.weight)
    fit.apply(model, how)
    return PreferenceModel(model.to(base.device).eval(), base.tokenizer)


def load_preference(folder: Path, device: str = "auto") -> PreferenceModel:
    """The preference model in a checkpoint folder; :class:`BadInput` when it cannot be loaded as one."""
    files = fingerprint.checkpoint(folder)
    auto: Any = AutoModelForSequenceClassification
    device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        with without_bars():
            tokenizer = AutoTokenizer.from_pretrained(files.folder, local_files_only=True)
            model, found = auto.from_pretrained(
                files.folder,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as error:
        problem = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
        raise BadInput(f"the preference model cannot be loaded ({problem})", path=folder) from error
    # transformers fills missing weights with random numbers and goes on.
    if found["missing_keys"] or model.config.num_labels != 1:
        raise BadInput(
            "this checkpoint is no preference model", path=folder, remedy="Name the folder of a trained one."
        )
    return PreferenceModel(model.to(device).eval(), tokenizer)


def gauge(fitted: PreferenceModel, pairs: Sequence[Pair], level: float = 0.95) -> Accuracy:
    """The accuracy on ``pairs`` that training did not see, of all and of each source.

    Raises StatisticsError when no label leans to a side.
    """
    return _accuracy(_differences(fitted, pairs), pairs, level)


def split_half(
    base: Policy,
    pairs: Sequence[Pair],
    heldout: Sequence[Pair],
    args: PreferenceArgs = PreferenceArgs(),
    *,
    keep: Keep | None = None,
    progress: Progress = silent,
    level: float = 0.95,
) -> SplitHalf:
    """Train two preference models on halves of ``pairs`` (whole conversations), compare them on ``heldout``.

    :class:`BadInput` when there are fewer than two conversations; StatisticsError when ``heldout`` is empty.
    """
    names = list(dict.fromkeys(pair.turns for pair in pairs))
    if len(names) < 2:
        raise BadInput("halves of the pairs need at least two conversations")
    generator(args.seed, "halves").shuffle(names)
    in_first = set(names[: len(names) // 2])
    models, differences = [], []
    for half, number in ((True, 1), (False, 2)):
        part = [pair for pair in pairs if (pair.turns in in_first) is half]
        kept = replace(keep, folder=keep.folder / f"half-{number}") if keep is not None else None
        name = f"preference model, half {number}"
        fitted, _ = preference(base, part, args, keep=kept, progress=progress, name=name)
        models.append(fitted)
        differences.append(_differences(fitted, heldout))
    first, second = differences
    conversations = [pair.turns for pair in heldout]
    return SplitHalf(
        clustered_rate(np.sign(first) == np.sign(second), conversations, level),
        _correlation(first, second, conversations, args.seed, level),
        (_accuracy(first, heldout, level), _accuracy(second, heldout, level)),
        len(heldout),
        (models[0], models[1]),
    )


def _correlation(
    first: FloatArray, second: FloatArray, conversations: Sequence[Conversation], seed: int, level: float
) -> Coefficient:
    def pearson(sums: FloatArray) -> FloatArray:
        n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
        spread = (n * xx - x * x) * (n * yy - y * y)
        return np.where(spread > 0, (n * xy - x * y) / np.sqrt(np.maximum(spread, 1e-300)), np.nan)

    # Centred and scaled first, which changes no correlation and keeps the sums exact.
    x, y = ((one - one.mean()) / (one.std() or 1.0) for one in (first, second))
    moments = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    names: dict[Conversation, int] = {}
    codes = np.array([names.setdefault(turns, len(names)) for turns in conversations])
    sums = sums_by_cluster(moments, codes, len(names))
    return estimate(
        "Pearson correlation",
        pearson,
        resample(sums, None, _ROUNDS, np.random.default_rng(seed)),
        level=level,
        n_items=len(x),
        reason="one of the models finds all answers equally better",
        still="every resample gives the same correlation",
    )


def _accuracy(differences: FloatArray, pairs: Sequence[Pair], level: float) -> Accuracy:
    lean = np.array([pair.p_first - 0.5 for pair in pairs])
    told = lean != 0
    right = differences * lean > 0

    def rate(chosen: NDArray[np.bool_]) -> Rate:
        return clustered_rate(right[chosen], [pairs[i].turns for i in np.flatnonzero(chosen).tolist()], level)

    sources = np.array([pair.source for pair in pairs])
    by_source = {str(source): rate(told & (sources == source)) for source in np.unique(sources[told])}
    return Accuracy(rate(told), by_source, int((~told).sum()))


@torch.no_grad()
def _differences(fitted: PreferenceModel, pairs: Sequence[Pair]) -> FloatArray:
    conversations = [pair.turns for pair in pairs]
    given = [pair.first for pair in pairs] + [pair.second for pair in pairs]
    first, second = np.split(_scores(fitted, conversations * 2, given), 2)
    return first - second


def _scores(
    fitted: PreferenceModel, conversations: Sequence[Conversation], answers: Sequence[str]
) -> NDArray[np.float64]:
    model = fitted.model.eval()
    # A policy often writes the same answer twice.
    places: dict[tuple[Conversation, str], int] = {}
    owner = [places.setdefault(one, len(places)) for one in zip(conversations, answers, strict=True)]
    rows = [
        row.ids
        for row in sequences.tokens_of(fitted.engine, [one for one, _ in places], [two for _, two in places])
    ]
    found = np.zeros(len(rows))
    for part in sequences.passes(range(len(rows)), [len(row) for row in rows], None, model.device):
        ids, mask = sequences.padded([rows[i] for i in part], fitted.tokenizer.pad_token_id, model.device)
        found[part] = pooled_scores(model, ids, mask).double().cpu().numpy()
    return processes.summed(torch.from_numpy(found)).numpy()[owner]


_Compared = tuple[int, int, float]
"""Places of two answers of an item, and the probability that the first of them is better."""


def _compared(one: Pair | Ranking) -> list[_Compared]:
    if isinstance(one, Pair):
        return [(0, 1, one.p_first)]
    found = []
    for i, j in itertools.combinations(range(len(one.answers)), 2):
        better = one.places[j] - one.places[i]
        found.append((i, j, 0.5 if better == 0 else float(better > 0)))
    return found


def _answers(one: Pair | Ranking) -> tuple[str, ...]:
    return (one.first, one.second) if isinstance(one, Pair) else one.answers


def _check(given: Sequence[Pair | Ranking]) -> None:
    if not given:
        raise BadInput("there is no pair to learn from")
    for place, one in enumerate(given):
        if isinstance(one, Pair) and not 0 <= one.p_first <= 1:
            raise BadInput(f"the label of pair {place} is {one.p_first}, no probability")
        if isinstance(one, Ranking) and not 2 <= len(one.answers) == len(one.places):
            raise BadInput(
                f"ranking {place} has {len(one.answers)} answers and {len(one.places)} places",
                remedy="A ranking gives a place to each of at least two answers.",
            )


def _tokens(fitted: PreferenceModel, given: Sequence[Pair | Ranking]) -> list[tuple[tuple[int, ...], ...]]:
    """Per item, the token ids of its answers, each with the conversation before it."""
    flat = [(one.turns, answer) for one in given for answer in _answers(one)]
    rows = iter(sequences.tokens_of(fitted.engine, [turns for turns, _ in flat], [text for _, text in flat]))
    return [tuple(next(rows).ids for _ in _answers(one)) for one in given]


def _step(step: int, seen: Sequence[_Seen], norm: float, rate: float) -> PreferenceStep:
    def mean(chosen: Sequence[_Seen], of: Callable[[_Seen], float]) -> float:
        return float(np.average([of(one) for one in chosen], weights=[one.pair.weight for one in chosen]))

    leaning = [one for one in seen if one.pair.p_first != 0.5]
    by_source = {
        source: mean([one for one in seen if one.pair.source == source], lambda one: one.loss)
        for source in sorted({one.pair.source for one in seen})
    }
    return PreferenceStep(
        step,
        mean(seen, lambda one: one.loss),
        mean(leaning, lambda one: one.right) if leaning else None,
        norm,
        rate,
        by_source,
    )


def _numbers(row: PreferenceStep) -> str:
    return f"loss {row.loss:.3f}" + (f" right {row.accuracy:.2f}" if row.accuracy is not None else "")
