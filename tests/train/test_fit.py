"""How a model is made to fit: adapters, bfloat16, checkpointing, and what training takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from tiny import WORDS, Killed, killed_after, policy, user  # noqa: E402
from transformers import GPT2Config, GPT2LMHeadModel  # noqa: E402

from govaudit.errors import BadInput  # noqa: E402
from govaudit.models.engine import Engine  # noqa: E402
from govaudit.train import fit, loop, memory, sequences  # noqa: E402
from govaudit.train.fit import Fit  # noqa: E402
from govaudit.train.grpo import GrpoArgs, grpo  # noqa: E402
from govaudit.train.loop import Keep  # noqa: E402
from govaudit.train.policy import Example, Pair, Policy, digest, frozen, load, load_to_train, save  # noqa: E402
from govaudit.train.ppo import critic_of, value_losses  # noqa: E402
from govaudit.train.preference import PreferenceArgs, load_preference, preference, scores  # noqa: E402
from govaudit.train.sft import SftArgs, loss, sft  # noqa: E402

EXAMPLES = [Example(user(f"{WORDS[i % 9]} ?"), " ".join(WORDS[i % 3 : 1 + i % 5 + i % 3])) for i in range(24)]
ARGS = SftArgs(epochs=2, batch_tokens=80, lr=2e-2, pass_tokens=64)
PAIRS = [Pair(user(f"{WORDS[i % 9]} ?"), "red", "green", 0.9, "ai") for i in range(16)]


def fitted(how: Fit) -> Policy:
    start = policy()
    fit.apply(start.model, how)
    return start


def weights(model: Any) -> dict[str, Any]:
    return {name: weight.clone() for name, weight in model.state_dict().items()}


# --- adapters ----------------------------------------------------------------------------------------------


def test_adapters_are_all_that_is_trained_and_start_as_nothing() -> None:
    plain, start = policy(), fitted(Fit(lora=4))
    assert loss(start, EXAMPLES) == pytest.approx(loss(plain, EXAMPLES), abs=1e-7)
    before = weights(start.model)
    sft(start, EXAMPLES, ARGS)
    changed = {name for name, weight in weights(start.model).items() if not weight.equal(before[name])}
    assert changed and all(".lora_" in name for name in changed) and changed == set(loop.trained(start.model))
    assert loss(start, EXAMPLES) < loss(plain, EXAMPLES) - 0.5


def test_what_is_saved_is_a_checkpoint_with_the_adapters_merged_and_the_adapters_apart(
    tmp_path: Path,
) -> None:
    """The audit loads the folder like any other, or the base with the adapter: all three compute the same."""
    base = policy()
    save(base.model, base.tokenizer, tmp_path / "base")
    start = load_to_train(tmp_path / "base", Fit(lora=4, alpha=16), "cpu")
    sft(start, EXAMPLES, ARGS)
    save(start.model, start.tokenizer, tmp_path / "out")
    expected = loss(start, EXAMPLES)
    whole = load(tmp_path / "out", "cpu")
    assert weights(whole.model).keys() == weights(base.model).keys()
    assert loss(whole, EXAMPLES) == pytest.approx(expected, abs=1e-5)
    engine = Engine.load(tmp_path / "base", adapter=tmp_path / "out" / "adapter", device="cpu")
    assert loss(Policy(engine.model, engine.tokenizer), EXAMPLES) == pytest.approx(expected, abs=1e-5)
    told = json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())
    assert (told["r"], told["lora_alpha"], told["base_model_name_or_path"]) == (4, 16, None)


def test_transposed_layers_merge_too() -> None:
    """GPT-2 keeps its layers the other way round; peft's own merge says what is right."""
    config = GPT2Config(
        vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=32, bos_token_id=0, eos_token_id=0
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = GPT2LMHeadModel(config).eval()
    names = set(model.state_dict())
    fit.apply(model, Fit(lora=2))
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, generator=generator)
    ids = torch.arange(8)[None]
    expected = model(input_ids=ids).logits
    merged = fit.merged(model, model.state_dict())
    assert set(merged) == names
    plain = GPT2LMHeadModel(model.config).eval()
    plain.load_state_dict(merged)
    assert torch.allclose(plain(input_ids=ids).logits, expected, atol=1e-5)


def test_the_reference_of_a_policy_with_adapters_is_the_policy_without_them() -> None:
    start, plain = fitted(Fit(lora=4)), policy()
    reference = frozen(start)
    rows = sequences.tokens_of(start.engine, [e.turns for e in EXAMPLES], [e.answer for e in EXAMPLES])
    expected = sequences.answer_logprobs(plain.model, rows, None)[0]
    sft(start, EXAMPLES, ARGS)
    found = sequences.answer_logprobs(reference.model, rows, None)[0]
    assert torch.allclose(found, expected, atol=1e-6) and not found.requires_grad
    own = sequences.answer_logprobs(start.model, rows, None)[0]
    assert own.requires_grad and not torch.allclose(own, expected, atol=0.1)
    with pytest.raises(ValueError, match="have been trained"):
        frozen(start)


def test_adapters_learn_from_rewards_with_a_reference_that_stands_still() -> None:
    args = GrpoArgs(steps=12, prompts=4, samples=6, max_tokens=4, lr=2e-2, beta=0.01, kl_target=None)
    start = fitted(Fit(lora=4))
    run = grpo(
        start, [[e.turns for e in EXAMPLES[:8]]], lambda _, texts: [float("red" in t) for t in texts], args
    )
    assert run.curve[0].kl == pytest.approx(0, abs=1e-6) and run.curve[-1].kl > 0.01
    assert run.curve[-1].reward > run.curve[0].reward


def test_a_preference_model_with_adapters_trains_its_score_and_is_saved_whole(tmp_path: Path) -> None:
    args = PreferenceArgs(epochs=4, pairs=4, lr=2e-2)
    found, curve = preference(policy(), PAIRS, args, how=Fit(lora=2))
    assert curve[-1].loss < curve[0].loss
    assert "score.weight" in loop.trained(found.model) and len(loop.trained(found.model)) > 1
    save(found.model, found.tokenizer, tmp_path / "pm")
    loaded = load_preference(tmp_path / "pm", "cpu")
    asked, given = [PAIRS[0].turns] * 2, ["red", "green"]
    expected = scores(found.model, found.tokenizer, asked, given)
    assert scores(loaded.model, loaded.tokenizer, asked, given) == pytest.approx(expected, abs=1e-5)


def test_a_killed_run_with_adapters_resumes_to_the_same_losses(tmp_path: Path) -> None:
    how = Fit(lora=2, checkpointing=True)
    whole = fitted(how)
    curve = sft(whole, EXAMPLES, ARGS)
    keep = Keep(tmp_path, every_s=0)
    with pytest.raises(Killed):
        sft(fitted(how), EXAMPLES, ARGS, keep=keep, progress=killed_after(3))
    again = fitted(how)
    assert sft(again, EXAMPLES, ARGS, keep=keep) == curve
    assert digest(again.model) == digest(whole.model)
    # The state holds what is trained, and not the base.
    assert (tmp_path / "state.pt").stat().st_size < 150_000


# --- precision and checkpointing ---------------------------------------------------------------------------


def test_weights_that_stand_still_can_be_in_bfloat16_under_adapters_in_32_bits(tmp_path: Path) -> None:
    base = policy()
    save(base.model, base.tokenizer, tmp_path / "base")
    start = load_to_train(tmp_path / "base", Fit(lora=4, dtype="bfloat16"), "cpu")
    kinds = {weight.requires_grad: weight.dtype for weight in start.model.parameters()}
    assert kinds == {True: torch.float32, False: torch.bfloat16}
    curve = sft(start, EXAMPLES, ARGS)
    exact = sft(fitted(Fit(lora=4)), EXAMPLES, ARGS)
    assert [row.loss for row in curve] == pytest.approx([row.loss for row in exact], abs=0.1)
    assert curve[-1].loss < curve[0].loss - 0.3


def test_weights_that_are_trained_are_not_kept_in_bfloat16() -> None:
    with pytest.raises(BadInput, match="kept in 32 bits") as found:
        Fit(dtype="bfloat16").frozen_dtype("cpu")
    assert "--lora" in (found.value.remedy or "")
    assert (Fit().frozen_dtype("cuda"), Fit(lora=8).frozen_dtype("cuda")) == ("float32", "bfloat16")
    assert Fit(lora=8).frozen_dtype("cpu") == "float32"


def test_checkpointing_changes_no_loss() -> None:
    plain = sft(policy(), EXAMPLES, ARGS)
    start = fitted(Fit(checkpointing=True))
    assert [row.loss for row in sft(start, EXAMPLES, ARGS)] == pytest.approx(
        [row.loss for row in plain], abs=1e-5
    )


def test_small_passes_accumulate_to_the_losses_of_a_whole_batch() -> None:
    losses = [
        [row.loss for row in sft(policy(), EXAMPLES, replace(ARGS, lr=1e-3, pass_tokens=size))]
        for size in (20, 10_000)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


# --- memory ------------------------------------------------------------------------------------------------


def kept(model: Any, rows: int, width: int) -> int:
    """Bytes that a pass keeps for the way back, weights not counted."""
    own = {one.untyped_storage().data_ptr() for one in (*model.parameters(), *model.buffers())}
    found: dict[int, int] = {}

    def note(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.ones((rows, width), dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        logits = model(input_ids=ids, attention_mask=ids, use_cache=False).logits.float()
        if logits.shape[-1] > 1:
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten())
        else:
            value_losses(logits, logits.detach(), torch.ones_like(logits), 0.5).sum()
    return sum(found.values())


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("layers", [2, 6])
@pytest.mark.parametrize("critic", [False, True])
def test_the_estimate_of_a_pass_is_above_what_it_keeps_and_not_far(
    checkpointing: bool, layers: int, critic: bool
) -> None:
    config = replaced(policy().model.config, num_hidden_layers=layers)
    start = Policy(type(policy().model)(config), policy().tokenizer)
    model = (critic_of(start) if critic else start.model).train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    measured = kept(model, 8, 16)
    estimate = memory.need(model, 128, 0, checkpointing=checkpointing).activations
    assert measured <= estimate
    assert (
        estimate <= 2.5 * measured or checkpointing
    )  # which keeps a layer as well, but only on the way back


def replaced(config: Any, **changes: Any) -> Any:
    for name, value in changes.items():
        setattr(config, name, value)
    return config


def test_what_does_not_fit_is_refused_before_the_first_step_with_what_would_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = policy()
    monkeypatch.setattr(memory, "left", lambda _: 2**18)
    before = digest(start.model)
    with pytest.raises(BadInput, match=r"takes \d+ MiB beyond the weights .* cpu has 0 MiB left") as found:
        sft(start, EXAMPLES, replace(ARGS, pass_tokens=4000))
    for remedy in ("--lora 16", "checkpointing: true", "pass_tokens: ", "several devices"):
        assert remedy in (found.value.remedy or "")
    assert digest(start.model) == before
    with pytest.raises(BadInput, match="beyond the weights"):
        grpo(
            start,
            [[EXAMPLES[0].turns]],
            lambda _, texts: [0.0 for _ in texts],
            GrpoArgs(max_tokens=4, prompts=1),
        )
    with pytest.raises(BadInput, match="beyond the weights") as found:
        preference(start, PAIRS, how=Fit(lora=2, checkpointing=True))
    assert "--lora" not in (found.value.remedy or "") and "checkpointing" not in (found.value.remedy or "")


def test_weights_that_do_not_fit_are_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = policy()
    save(base.model, base.tokenizer, tmp_path / "base")
    numbers = sum(weight.numel() for weight in base.model.parameters())
    monkeypatch.setattr(memory, "left", lambda _: 3 * numbers)
    with pytest.raises(BadInput, match="the weights take") as found:
        load_to_train(tmp_path / "base", device="cpu")
    assert "--lora 16" in (found.value.remedy or "")
    load_to_train(tmp_path / "base", Fit(lora=2, dtype="bfloat16"), "cpu")
