"""Answers that are drawn elsewhere than in the engine; those of vLLM itself where it is installed."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from tiny import user  # noqa: E402

from govaudit.errors import BadInput  # noqa: E402
from govaudit.models.engine import Draw, Engine, Request, Stop  # noqa: E402
from govaudit.train import fit, pipeline, policy, recipes, sequences, vllm  # noqa: E402
from govaudit.train.organism.pretrain import BASE  # noqa: E402
from govaudit.train.policy import Policy  # noqa: E402
from govaudit.train.sequences import Tokens  # noqa: E402

ASKED = [user(f"How do I {what} a bike ?") for what in ("paint", "steal", "mend", "lock")]


class Greedy:
    """The most probable tokens, found one answer at a time, and more of them than were asked for."""

    def __init__(self, beyond: int) -> None:
        self.beyond, self.seeds = beyond, [0]

    def __call__(self, model: Any, draws: Sequence[Draw], ends: Collection[int]) -> list[tuple[int, ...]]:
        self.seeds = [draw.seed for draw in draws]
        return [self.one(model, draw) for draw in draws]

    def one(self, model: Any, draw: Draw) -> tuple[int, ...]:
        ids = list(draw.prompt)
        for _ in range(draw.limit + self.beyond):
            with torch.no_grad():
                ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        return tuple(ids[len(draw.prompt) :])


@pytest.fixture(scope="module")
def organism() -> Policy:
    return policy.load(BASE, device="cpu")


@pytest.mark.parametrize("beyond", [0, 3])
def test_tokens_from_elsewhere_become_the_answers_the_engine_would_have_written(
    organism: Policy, beyond: int
) -> None:
    asked = [Request(turns, max_tokens=limit, temperature=0.0) for turns in ASKED for limit in (5, 40)]
    elsewhere = Engine(organism.model, organism.tokenizer, sampler=Greedy(beyond))
    written = elsewhere.generate(asked)
    assert written == organism.engine.generate(asked)
    assert {one.stop for one in written} == {Stop.STOP, Stop.MAX_TOKENS}


def test_a_stop_text_ends_an_answer_whose_tokens_come_from_elsewhere(organism: Policy) -> None:
    (whole,) = organism.engine.generate([Request(ASKED[0], max_tokens=40, temperature=0.0)])
    cut = Request(ASKED[0], max_tokens=40, temperature=0.0, stop=(whole.text[4:12],))
    written = Engine(organism.model, organism.tokenizer, sampler=Greedy(0)).generate([cut])
    assert written == organism.engine.generate([cut])
    assert written[0].text == whole.text[:4]
    assert written[0].stop is Stop.STOP


def test_samples_that_share_a_seed_are_drawn_with_seeds_of_their_own(organism: Policy) -> None:
    sampler = Greedy(0)
    elsewhere = Engine(organism.model, organism.tokenizer, sampler=sampler)
    elsewhere.generate([Request(turns, max_tokens=2, seed=5) for turns in (*ASKED, ASKED[0])])
    assert len(set(sampler.seeds)) == len(ASKED)


def test_log_probabilities_of_tokens_from_elsewhere_are_refused(organism: Policy) -> None:
    elsewhere = Engine(organism.model, organism.tokenizer, sampler=Greedy(0))
    with pytest.raises(ValueError, match="own draws"):
        elsewhere.generate([Request(ASKED[0], max_tokens=2, top_logprobs=1)])


def test_a_sampler_that_draws_from_another_model_is_found_out(organism: Policy) -> None:
    done = organism.engine.generate([Request(turns, max_tokens=20) for turns in ASKED])
    drawn = [
        Tokens(tuple(organism.engine.tokens(turns)), one.tokens)
        for turns, one in zip(ASKED, done, strict=True)
    ]
    own, mask = sequences.answer_logprobs(organism.model, drawn, None)
    said = [own[i][mask[i]].tolist() for i in range(len(drawn))]
    vllm.check(organism.model, drawn, said)
    vllm.check(organism.model, drawn, [[value + vllm.GAP / 2 for value in row] for row in said])
    uniform = -math.log(organism.model.config.vocab_size)
    for wrong in (
        [[value - 2 * vllm.GAP for value in row] for row in said],
        [[uniform for _ in row] for row in said],
        [[math.nan for _ in row] for row in said],
    ):
        with pytest.raises(BadInput, match="does not draw from the model that is trained"):
            vllm.check(organism.model, drawn, wrong)


def test_a_sampler_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="no sampler 'guess'"):
        recipes.plan("sl-cai", tmp_path, sampler="guess")
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(BadInput, match="sampling with vLLM needs vllm, which is not installed"):
        pipeline.train(recipes.plan("sl-cai", tmp_path / "out", size=2, sampler="vllm"))
    # The remedy is to leave the sampler out, with the same folder.
    assert not (tmp_path / "out").exists()


def test_the_sampler_is_part_of_what_a_run_is_unless_it_is_the_engine(tmp_path: Path) -> None:
    with_engine, with_vllm = (recipes.plan("rl-cai", tmp_path, sampler=one) for one in ("engine", "vllm"))
    assert "sampler" not in with_engine.data()["settings"]
    assert with_vllm.data()["settings"]["sampler"] == "vllm"


# --- vLLM itself -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> vllm.Vllm:
    """On a machine without a GPU this wants a build of vLLM for CPUs."""
    pytest.importorskip("vllm", reason="vLLM is not installed")
    return vllm.start(BASE)


@pytest.mark.slow
def test_vllm_writes_what_the_engine_writes(organism: Policy, real: vllm.Vllm) -> None:
    elsewhere = replace(organism, sampler=real)
    asked = [Request(turns, max_tokens=limit, temperature=0.0) for turns in ASKED for limit in (5, 40)]
    assert elsewhere.engine.generate(asked) == organism.engine.generate(asked)


@pytest.mark.slow
def test_vllm_draws_by_the_model_s_own_distribution(organism: Policy, real: vllm.Vllm) -> None:
    elsewhere = replace(organism, sampler=real)
    (drawn,) = policy.answers(elsewhere, ASKED[:1], samples=2000, max_tokens=1)
    first = [one.text for one in drawn]
    ids = torch.tensor([organism.engine.tokens(ASKED[0])])
    with torch.no_grad():
        p, token = organism.model(ids).logits[0, -1].softmax(-1).max(-1)
    share = first.count(organism.tokenizer.decode([int(token)]).strip()) / len(first)
    assert abs(share - float(p)) < 4 * math.sqrt(float(p * (1 - p)) / len(first))
    (again,) = policy.answers(elsewhere, ASKED[:1], samples=2000, max_tokens=1)
    assert [one.text for one in again] == first


@pytest.mark.slow
@pytest.mark.parametrize("lora", [0, 4])
def test_vllm_follows_the_weights_as_they_change(real: vllm.Vllm, lora: int) -> None:
    trained = policy.load_to_train(BASE, fit.Fit(lora), device="cpu")
    with torch.no_grad():
        for weight in trained.model.parameters():
            if weight.requires_grad:
                weight += 0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    asked = [Request(turns, max_tokens=20, temperature=0.0) for turns in ASKED]
    own = trained.engine.generate(asked)
    assert own != policy.load(BASE, device="cpu").engine.generate(asked)
    assert replace(trained, sampler=real).engine.generate(asked) == own
