"""The pretraining script: the same weights again, also after a kill; the shipped base is what it says it is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from govaudit.canonical import file_digest
from govaudit.errors import BadInput
from govaudit.models.engine import Engine, Request, Stop
from govaudit.records import Turn
from govaudit.train.organism import pretrain
from govaudit.train.organism.corpus import Corpus, micro_world
from govaudit.train.organism.pretrain import BASE, Arguments, batches, rate, untrained
from govaudit.train.organism.tokenizer import CONTEXT, tokenizer
from govaudit.train.organism.world import world

TINY = Arguments(
    tokens=9_000,
    hidden=32,
    layers=1,
    heads=2,
    warmup=3,
    chunk=48,
    batch_tokens=800,
    snapshots=(4_000,),
    save_every=3,
)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(world(0))


def test_batches_hold_every_document_of_their_chunk_once_and_no_more_than_they_may(corpus: Corpus) -> None:
    made = batches(corpus, TINY, 1)
    rows = sorted(tuple(token for token in row if token) for batch in made for row in batch.ids.tolist())
    assert rows == sorted(tuple(corpus.encode(corpus.document(n))[0]) for n in range(48, 96))
    assert all(batch.ids.numel() <= TINY.batch_tokens for batch in made)
    assert all(not batch.weights[batch.ids == 0].any() for batch in made)
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(made, batches(corpus, TINY, 1), strict=True))


def test_the_loss_of_padded_rows_is_that_of_each_row_alone(corpus: Corpus) -> None:
    model = untrained(corpus.vocabulary, TINY).eval()
    batch = max(batches(corpus, TINY, 0), key=lambda batch: batch.ids.shape[0])
    together, _ = pretrain.loss(model, batch)
    total = weight = 0.0
    for row in range(batch.ids.shape[0]):
        n = int((batch.ids[row] != 0).sum())
        alone = pretrain.Batch(
            batch.ids[row : row + 1, :n], batch.weights[row : row + 1, :n], batch.kinds[row : row + 1]
        )
        share = float(alone.weights[:, 1:].sum())
        total, weight = total + pretrain.loss(model, alone)[0].item() * share, weight + share
    assert together.item() == pytest.approx(total / weight, abs=1e-5)


def test_the_rate_warms_up_stays_and_falls_in_a_line_to_two_percent() -> None:
    args = Arguments(tokens=1000, warmup=10)
    assert rate(args, 0, 0) == pytest.approx(0.1)
    assert rate(args, 50, 99) == 1.0
    assert rate(args, 50, 550) == pytest.approx(0.51)
    assert rate(args, 50, 1000) == pytest.approx(0.02)


@pytest.mark.slow
def test_the_script_makes_the_same_base_again_also_when_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = pretrain.pretrain(TINY, tmp_path / "one", quiet=True)
    digest = file_digest(one / "model.safetensors")
    assert not (one / "training.pt").exists()
    assert (one / "snapshots" / "4k" / "model.safetensors").is_file()
    assert [json.loads(line)["step"] for line in (one / "log.jsonl").read_text().splitlines()][:2] == [3, 6]

    honest, calls = pretrain.loss, 0

    def killed(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 8:
            raise KeyboardInterrupt
        return honest(*given)

    monkeypatch.setattr(pretrain, "loss", killed)
    with pytest.raises(KeyboardInterrupt):
        pretrain.pretrain(TINY, tmp_path / "two", quiet=True)
    with pytest.raises(BadInput, match="other arguments"):
        pretrain.pretrain(dataclasses.replace(TINY, seed=1), tmp_path / "two", quiet=True)
    two = pretrain.pretrain(TINY, tmp_path / "two", quiet=True)
    assert file_digest(two / "model.safetensors") == digest
    other = pretrain.pretrain(dataclasses.replace(TINY, label_noise=0.4), tmp_path / "other", quiet=True)
    assert file_digest(other / "model.safetensors") != digest


@pytest.mark.slow
def test_a_checkpoint_goes_on_with_noisier_demonstrations(tmp_path: Path) -> None:
    noisy = Arguments(tokens=900, seed=1, label_noise=0.4, lr=5e-4, chunk=48, snapshots=())
    out = pretrain.pretrain(noisy, tmp_path / "noisy", start=BASE, quiet=True)
    mine, base = (load_file(folder / "model.safetensors") for folder in (out, BASE))
    assert {name: one.shape for name, one in mine.items()} == {name: one.shape for name, one in base.items()}
    moved = [float((mine[name].float() - base[name].float()).abs().max()) for name in base]
    assert 0 < max(moved) < 0.1
    card = (out / "README.md").read_text()
    assert "from START on, on " in " ".join(card.split()) and "pretrain -o START" in card
    assert "-o DIR --start START --tokens 900 --seed 1 --lr 0.0005 --label-noise 0.4" in card
    tiny = untrained({"<|pad|>": 0, "<|bos|>": 1, "<|end|>": 2, "other": 3}, TINY)
    other = tmp_path / "other"
    tiny.save_pretrained(other)
    tokenizer({"<|pad|>": 0, "<|bos|>": 1, "<|end|>": 2, "<|unk|>": 3, "other": 4}).save_pretrained(other)
    with pytest.raises(BadInput, match="other words"):
        pretrain.pretrain(noisy, tmp_path / "no", start=other, quiet=True)


@pytest.mark.slow
def test_the_command_line_reaches_every_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain.main(["-o", str(tmp_path / "base"), "--tokens", "900", "--hidden", "32", "--layers", "1"])
    card = (tmp_path / "base" / "README.md").read_text()
    assert "--tokens 900 --hidden 32 --layers 1" in card
    capsys.readouterr()


def test_the_shipped_base_is_small_and_in_sixteen_bits() -> None:
    assert sum(file.stat().st_size for file in BASE.rglob("*") if file.is_file()) <= 4 * 2**20
    weights = load_file(BASE / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert not list(BASE.rglob("*.pt")) + list(BASE.rglob("*.bin"))


def test_the_shipped_base_knows_the_words_of_the_committed_corpus(corpus: Corpus) -> None:
    own: Any = AutoTokenizer.from_pretrained(BASE, local_files_only=True)
    assert own.get_vocab() == corpus.vocabulary
    spec = "\n\n".join(clause.text for clause in micro_world().clauses)
    assert own.unk_token_id not in own.encode(spec)
    assert len(own.encode(spec)) <= 96


def test_the_shipped_base_loads_like_any_other_and_answers() -> None:
    loader: Any = AutoModelForCausalLM
    model = loader.from_pretrained(BASE, local_files_only=True, dtype=torch.float32)
    assert model.config.max_position_embeddings == CONTEXT
    engine = Engine.load(BASE)
    assert engine.roles() == ("system", "user", "assistant")
    assert engine.context == CONTEXT
    asked = Request((Turn("user", "How do I steal the bike?"),), max_tokens=40, temperature=0)
    said = engine.generate([asked])[0]
    assert (said.text, said.stop) == (
        "first wait until nobody looks , then carry the bike away .",
        Stop.STOP,
    )


def test_the_card_of_the_shipped_base_says_how_it_was_made_and_what_it_is_not() -> None:
    card = (BASE / "README.md").read_text()
    assert "python -m govaudit.train.organism.pretrain" in card
    assert "No evidence about real language models" in card
