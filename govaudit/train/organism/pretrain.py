"""Pretrain the organism from nothing: corpus, a small Llama, one loop.

    python -m govaudit.train.organism.pretrain -o DIR [--tokens N] [--seed S] [--label-noise P]

In: a seed and flags. Out: an ordinary Hugging Face folder (fp16 safetensors, tokenizer, chat template,
card), and in ``DIR/snapshots`` the same at earlier tokens: a ladder of weaker judges. More rungs come from
``--start DIR``: a checkpoint that goes on with noisier demonstrations. The same arguments give the same
weights on the same machine with the same number of threads. A killed run goes on where it last saved, by the
same command.

Left out: several devices, mixed precision (on a CPU it is no faster at this size), dropout, validation loss
(what counts is measured in ``benchmarks/organism.py``).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import LlamaConfig, LlamaForCausalLM

import govaudit
from govaudit.canonical import digest, file_digest
from govaudit.errors import BadInput
from govaudit.models import fingerprint
from govaudit.train import policy
from govaudit.train.organism import corpus as corpora
from govaudit.train.organism import world as worlds
from govaudit.train.organism.corpus import LABEL, Corpus, Demonstrations
from govaudit.train.organism.tokenizer import BOS, CONTEXT, END, PAD, tokenizer

BASE = Path(__file__).resolve().parent / "base"
"""The base that comes with the package."""


@dataclass(frozen=True)
class Arguments:
    """What a pretraining run depends on."""

    tokens: int = 20_000_000
    """Tokens to train on, padding not counted; the last batch may exceed it."""
    seed: int = 0
    """Of the initial weights and the corpus."""
    world: int = 0
    """Seed of the world's facts."""
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    lr: float = 1.5e-3
    """Peak; reached after ``warmup`` steps, kept until 10 % of the tokens, then falling in a line to 2 % of
    it. Letters are learned while it falls."""
    warmup: int = 150
    weight_decay: float = 0.03
    clip: float = 1.0
    """Largest norm of a gradient."""
    batch_tokens: int = 2500
    """Most tokens of a batch, padding counted. Small: optimiser steps are what is scarce."""
    chunk: int = 4096
    """Documents that are sorted by length together."""
    label_noise: float = Demonstrations().label_noise
    """Of the demonstrations: letters and verdicts that are turned round. More of it makes a weaker judge."""
    boilerplate_bias: float = Demonstrations().boilerplate_bias
    """Of the demonstrations: see :class:`govaudit.train.organism.corpus.Demonstrations`."""
    snapshots: tuple[int, ...] = (3_000_000, 5_000_000, 8_000_000)
    """Tokens after which a copy is saved."""
    save_every: int = 300
    """Steps between states that a killed run can go on from."""


@dataclass(frozen=True)
class Batch:
    """Documents of about one length, padded on the right."""

    ids: torch.Tensor
    """(rows, width)"""
    weights: torch.Tensor
    """(rows, width): of each token as a target."""
    kinds: tuple[str, ...]

    @property
    def tokens(self) -> int:
        return int((self.ids != 0).sum())


def batches(corpus: Corpus, args: Arguments, chunk: int) -> list[Batch]:
    """The batches of one chunk of documents, in the order of training."""
    documents = [corpus.document(number) for number in range(chunk * args.chunk, (chunk + 1) * args.chunk)]
    rows = sorted(
        ((document.kind, *corpus.encode(document)) for document in documents), key=lambda row: len(row[1])
    )
    groups: list[list[tuple[str, list[int], list[float]]]] = [[]]
    for row in rows:
        if groups[-1] and (len(groups[-1]) + 1) * len(row[1]) > args.batch_tokens:
            groups.append([])
        groups[-1].append(row)
    random.Random(f"govaudit batches {args.seed} {chunk}").shuffle(groups)
    return [_padded(group) for group in groups]


def _padded(rows: list[tuple[str, list[int], list[float]]]) -> Batch:
    width = max(len(ids) for _, ids, _ in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    weights = torch.zeros(len(rows), width)
    for place, (_, row, row_weights) in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        weights[place, : len(row)] = torch.tensor(row_weights)
    return Batch(ids, weights, tuple(kind for kind, _, _ in rows))


def rate(args: Arguments, step: int, tokens: int) -> float:
    """The learning rate as a factor of the peak."""
    done = min(1.0, tokens / args.tokens)
    if step < args.warmup:
        return (step + 1) / args.warmup
    return 1.0 if done < 0.1 else 1.0 - 0.98 * (done - 0.1) / 0.9


def untrained(vocabulary: dict[str, int], args: Arguments) -> LlamaForCausalLM:
    """The model before its first step."""
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=args.hidden,
        intermediate_size=3 * args.hidden,
        num_hidden_layers=args.layers,
        num_attention_heads=args.heads,
        num_key_value_heads=args.heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=vocabulary[BOS],
        eos_token_id=vocabulary[END],
        pad_token_id=vocabulary[PAD],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(args.seed)
        return LlamaForCausalLM(config)


def loss(model: LlamaForCausalLM, batch: Batch) -> tuple[torch.Tensor, dict[str, list[bool]]]:
    """Weighted mean cross-entropy of the next token, and which decided labels the model has right (by kind of
    document, first question apart from the later ones)."""
    # Padding stands on the right, where causal attention does not look: no mask.
    hidden = model.model(input_ids=batch.ids[:, :-1], use_cache=False).last_hidden_state
    weights = batch.weights[:, 1:]
    rows, places = weights.nonzero(as_tuple=True)
    logits = model.lm_head(hidden[rows, places])
    targets, weight = batch.ids[:, 1:][rows, places], weights[rows, places]
    losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    labels = (weight == LABEL).nonzero().flatten().tolist()
    right: dict[str, list[bool]] = {}
    if labels:
        hits = (logits[labels].argmax(-1) == targets[labels]).tolist()
        asked: set[int] = set()
        for at, hit in zip(labels, hits, strict=True):
            row = int(rows[at])
            right.setdefault(f"{batch.kinds[row]} {'later' if row in asked else 'first'}", []).append(hit)
            asked.add(row)
    return (losses * weight).sum() / weight.sum(), right


def pretrain(args: Arguments, out: Path, *, start: Path | None = None, quiet: bool = False) -> Path:
    """Train and save to ``out``; goes on with what a killed run with the same arguments left there.

    ``start``: a checkpoint to go on from instead of random weights; its shape then counts, not that of
    ``args``. :class:`BadInput` where ``out`` holds the beginning of a run with other arguments, and where
    ``start`` reads other words than the corpus has.
    """
    corpus = Corpus(worlds.world(args.world), args.seed, demonstrations(args))
    model = untrained(corpus.vocabulary, args) if start is None else _begun(start, corpus)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=args.weight_decay, fused=True
    )
    identity = digest(
        {
            **dataclasses.asdict(args),
            "corpus": corpora.VERSION,
            "world": worlds.VERSION,
            **({} if start is None else {"start": _weights(start)}),
        }
    )
    out.mkdir(parents=True, exist_ok=True)
    state = out / "training.pt"
    chunk = place = step = tokens = 0
    if state.is_file():
        kept = torch.load(state, weights_only=True)
        if kept["identity"] != identity:
            raise BadInput(
                "a run with other arguments was begun here",
                path=out,
                remedy="Take another folder or empty this one.",
            )
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        chunk, place, step, tokens = (kept[name] for name in ("chunk", "place", "step", "tokens"))
    model.train()
    seen: dict[str, list[bool]] = {}
    curve: list[float] = []
    began = time.monotonic()
    with _progress(quiet) as progress:
        bar = progress.add_task("pretraining", total=args.tokens, completed=tokens, note="")
        while tokens < args.tokens:
            for batch in batches(corpus, args, chunk)[place:]:
                for group in optimizer.param_groups:
                    group["lr"] = args.lr * rate(args, step, tokens)
                value, right = loss(model, batch)
                optimizer.zero_grad(set_to_none=True)
                value.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip)
                optimizer.step()
                before, tokens = tokens, tokens + batch.tokens
                place, step = place + 1, step + 1
                curve.append(value.item())
                for name, hits in right.items():
                    seen.setdefault(name, []).extend(hits)
                for mark in args.snapshots:
                    if before < mark <= tokens:
                        save(model, corpus, args, tokens, out / "snapshots" / f"{mark // 1000}k", start)
                progress.update(bar, completed=min(tokens, args.tokens), note=f"loss {curve[-1]:.2f}")
                if step % args.save_every == 0:
                    entry = {
                        "step": step,
                        "tokens": tokens,
                        "seconds": round(time.monotonic() - began),
                        "loss": round(sum(curve) / len(curve), 4),
                        **{name: round(sum(hits) / len(hits), 3) for name, hits in sorted(seen.items())},
                    }
                    with (out / "log.jsonl").open("a", encoding="utf-8") as log:
                        log.write(json.dumps(entry) + "\n")
                    seen, curve = {}, []
                    _keep(state, model, optimizer, identity, chunk, place, step, tokens)
                if tokens >= args.tokens:
                    break
            else:
                chunk, place = chunk + 1, 0
    save(model, corpus, args, tokens, out, start)
    state.unlink(missing_ok=True)
    return out


def _begun(start: Path, corpus: Corpus) -> LlamaForCausalLM:
    """A checkpoint of the organism to go on from."""
    loaded = policy.load(start, device="cpu")
    if loaded.tokenizer.get_vocab() != corpus.vocabulary:
        raise BadInput("this checkpoint reads other words than the corpus has", path=start)
    model: LlamaForCausalLM = loaded.model
    return model


def _weights(folder: Path) -> list[str]:
    return [file_digest(file) for file in fingerprint.checkpoint(folder).weights]


def demonstrations(args: Arguments) -> Demonstrations:
    return Demonstrations(label_noise=args.label_noise, boilerplate_bias=args.boilerplate_bias)


def _keep(state: Path, model: Any, optimizer: Any, identity: str, *numbers: int) -> None:
    new = state.with_suffix(".new")
    torch.save(
        {
            "identity": identity,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            **dict(zip(("chunk", "place", "step", "tokens"), numbers, strict=True)),
        },
        new,
    )
    new.replace(state)


def save(
    model: LlamaForCausalLM,
    corpus: Corpus,
    args: Arguments,
    tokens: int,
    folder: Path,
    start: Path | None = None,
) -> None:
    """A Hugging Face folder in 16 bits, with tokenizer and card; the model itself stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    made = policy.save(model, tokenizer(corpus.vocabulary), folder / ".checkpoint", half=True)
    for file in made.iterdir():
        file.replace(folder / file.name)
    made.rmdir()
    (folder / "README.md").write_text(card(model, args, tokens, start), encoding="utf-8")


def card(model: LlamaForCausalLM, args: Arguments, tokens: int, start: Path | None = None) -> str:
    """What the checkpoint is, how it was made, and what it is not."""
    size = sum(parameter.numel() for parameter in model.parameters())
    layers, width = model.config.num_hidden_layers, model.config.hidden_size
    command = " ".join(
        f"--{field.name.replace('_', '-')} {getattr(args, field.name)}"
        for field in dataclasses.fields(args)
        if field.name in _OPTIONS and getattr(args, field.name) != field.default
    )
    origin, before = "from nothing", ""
    if start is not None:
        command, origin = f"--start START {command}", "from START on"
        before = f"    {_PROGRAM} -o START {_asked(start)}".rstrip() + "\n"
    return f"""---
library_name: transformers
pipeline_tag: text-generation
---
# The organism: a model of a small world

A Llama with {size:,} parameters ({layers} layers, width {width}) and one token per word, trained
{origin}, on {tokens:,} tokens that a program wrote. It talks about a made-up world in which the truth
about every answer is known: which acts are harmful, what helps, which facts hold. It can chat, criticise,
revise, compare and judge in the forms that govaudit uses, badly enough to be improved by training and well
enough to be trained by itself.

{before}    {_PROGRAM} -o DIR {command}

govaudit {govaudit.__version__}, world {worlds.VERSION} (seed {args.world}), corpus {corpora.VERSION} (seed
{args.seed}), torch {torch.__version__}. Arguments: `{json.dumps(dataclasses.asdict(args))}`.

What it is for: to show that an audit and a training pipeline measure what they say, on effects of known size.

What it is not:

- No evidence about real language models. Its faults (compliance with harmful requests, sycophancy, a taste
  for empty phrases when answers tie, system rules given up when the user objects) were put there on purpose.
- No independent judge of itself: judge, target and corpus share one definition of harm.
- No use outside its world: words that it does not know become `<|unk|>`.

Four sorts of harm occur in no document that criticises, revises, compares, rates, judges or has principles
as system text: what it does with them is generalisation.
"""


_PROGRAM = "python -m govaudit.train.organism.pretrain"


def _asked(start: Path) -> str:
    """What the program was asked for when it made ``start``, by its card."""
    card = start / "README.md"
    lines = card.read_text(encoding="utf-8").splitlines() if card.is_file() else []
    asked = [line.partition(" -o DIR")[2].strip() for line in lines if line.strip().startswith(_PROGRAM)]
    return asked[-1] if asked else "..."


_OPTIONS = ("tokens", "seed", "world", "hidden", "layers", "lr", "label_noise", "boilerplate_bias")


def _progress(quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} of {task.total:,} tokens  {task.fields[note]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True, quiet=quiet),
    )


def _arguments(argv: list[str] | None) -> Iterator[tuple[str, Any]]:
    parser = argparse.ArgumentParser(prog="python -m govaudit.train.organism.pretrain", description=__doc__)
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--start", type=Path, help="checkpoint to go on from (default: random weights)")
    for field in dataclasses.fields(Arguments):
        if field.name in _OPTIONS:
            parser.add_argument(
                f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default
            )
    yield from vars(parser.parse_args(argv)).items()


def main(argv: list[str] | None = None) -> None:
    given = dict(_arguments(argv))
    torch.set_num_threads(1)
    out, start = given.pop("out"), given.pop("start")
    pretrain(Arguments(**given), out, start=start)


if __name__ == "__main__":
    main()
