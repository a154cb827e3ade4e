from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from scipy.stats import chisquare

from govaudit.errors import BadInput
from govaudit.models.engine import Engine, Request, Stop, pick
from govaudit.records import Turn

END = 0  # id of the token that ends a turn in the untrained checkpoint


def user(text: str) -> tuple[Turn, ...]:
    return (Turn("user", text),)


def requests(n: int, **settings: Any) -> list[Request]:
    """Prompts of many lengths, every second one with a nucleus."""
    return [
        Request(user("How " + "does one stop it " * (i % 7)), seed=i, top_p=0.9 if i % 2 else 1.0, **settings)
        for i in range(n)
    ]


def by_hand(engine: Engine, turns: Sequence[Turn], choice: str) -> tuple[float, int]:
    """One plain forward pass: log-probability and number of the tokens after the prompt."""
    prompt, whole = engine.tokens(turns), engine.tokens(turns, choice)
    assert whole[: len(prompt)] == prompt
    with torch.inference_mode():
        logprobs = engine.model(torch.tensor([whole])).logits[0].double().log_softmax(-1)
    places = range(len(prompt), len(whole))
    return float(sum(logprobs[i - 1, whole[i]] for i in places)), len(places)


# --- generation --------------------------------------------------------------------------------------------


def test_greedy_tokens_are_those_of_transformers_generate(engine: Engine) -> None:
    asked = [replace(request, temperature=0.0, max_tokens=40) for request in requests(12)]
    for request, done in zip(asked, engine.generate(asked), strict=True):
        ids = torch.tensor([engine.tokens(request.turns)])
        theirs = engine.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=False, pad_token_id=END
        )[0, ids.shape[1] :]
        assert done.text == engine.tokenizer.decode(theirs, skip_special_tokens=True)
        assert (done.input_tokens, done.output_tokens) == (ids.shape[1], len(theirs))


def test_a_sample_is_the_same_alone_in_any_order_and_in_any_batch(engine: Engine) -> None:
    asked = requests(24, max_tokens=60)
    together = engine.generate(asked)
    assert together == engine.generate(asked[::-1])[::-1]
    assert together == [engine.generate([request])[0] for request in asked]
    assert len({done.text for done in together}) > 20


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rounding_in_a_batch_does_not_change_a_sample(
    engine: Engine, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits of batches are disturbed by almost half of the margin; rows alone are exact. Without the margin
    the same disturbance changes texts, so the test can fail."""
    asked = requests(24, max_tokens=60, temperature=temperature)
    exact = engine.generate(asked)
    forward, noise = Engine._forward, torch.Generator().manual_seed(0)

    def rough(self: Engine, ids: torch.Tensor, mask: Any = None, *args: Any, **kwargs: Any) -> Any:
        output = forward(self, ids, mask, *args, **kwargs)
        if mask is not None:
            output.logits += (torch.rand(output.logits.shape, generator=noise) - 0.5) * 1.9e-2
        return output

    monkeypatch.setattr(Engine, "_forward", rough)
    monkeypatch.setattr(engine, "_noise", 2e-2)
    assert engine.generate(asked) == exact
    monkeypatch.setattr(engine, "_noise", 0.0)
    assert engine.generate(asked) != exact


def test_seed_and_prompt_both_decide_the_noise(engine: Engine) -> None:
    texts = [
        engine.generate([Request(user(text), max_tokens=30, seed=seed)])[0].text
        for text in ("Why?", "How?")
        for seed in (1, 2)
    ]
    assert len(set(texts)) == 4


def test_a_row_that_ends_early_leaves_the_others_as_they_are(engine: Engine) -> None:
    asked = [replace(request, max_tokens=5 + 7 * i) for i, request in enumerate(requests(9))]
    for request, done in zip(asked, engine.generate(asked), strict=True):
        assert done == engine.generate([request])[0]
        assert done.stop is Stop.STOP or done.output_tokens == request.max_tokens


def test_a_token_that_ends_the_turn_is_counted_and_not_shown(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request(user("Why?"), max_tokens=20, temperature=0.0)
    whole = engine.generate([request])[0]
    ids = torch.tensor([engine.tokens(request.turns)])
    written = engine.model.generate(ids, max_new_tokens=20, do_sample=False, pad_token_id=END)[
        0, ids.shape[1] :
    ]
    assert whole.stop is Stop.MAX_TOKENS
    last = int(written[3])
    first = written.tolist().index(last)
    monkeypatch.setitem(engine.__dict__, "_ends", {last})
    done = engine.generate([request])[0]
    assert (done.stop, done.output_tokens) == (Stop.STOP, first + 1)
    assert done.text == engine.tokenizer.decode(written[:first], skip_special_tokens=True)


def test_a_stop_text_ends_the_answer_before_itself(engine: Engine) -> None:
    request = Request(user("Why?"), max_tokens=30, seed=4)
    whole = engine.generate([request])[0].text
    stop = whole[10:13]
    done = engine.generate([replace(request, stop=(stop, "never written"))])[0]
    assert done.text == whole.partition(stop)[0]
    assert done.stop is Stop.STOP and done.output_tokens < 30


def test_the_context_is_reported_per_request_and_never_cut(checkpoint: Path) -> None:
    engine = Engine.load(checkpoint, device="cpu", context=40)
    long, close, short = user("a " * 100), user("b" * 30), user("Why?")
    room = 40 - len(engine.tokens(close))
    assert 0 < room < 20
    done = engine.generate([Request(turns, max_tokens=20, temperature=0.0) for turns in (long, close, short)])
    assert [item.stop for item in done] == [Stop.CONTEXT, Stop.CONTEXT, Stop.MAX_TOKENS]
    assert [item.output_tokens for item in done] == [0, room, 20]
    assert done[0].input_tokens == len(engine.tokens(long)) > 40
    assert engine.loglikelihood([(short, ["yes", "no " * 40]), (short, ["yes", "no"])])[0] is None
    assert engine.loglikelihood([(short, ["yes", "no"])])[0] is not None


def test_a_longer_context_than_the_models_own_is_not_given(checkpoint: Path) -> None:
    assert Engine.load(checkpoint, device="cpu", context=10**6).context == 8192


def test_log_probabilities_of_written_tokens_are_the_models_own(engine: Engine) -> None:
    request = Request(user("Why?"), max_tokens=3, seed=1, temperature=0.7, top_logprobs=512)
    done = engine.generate([request, replace(request, seed=2)])[0]
    assert len(done.logprobs) == done.output_tokens == 3
    assert math.fsum(math.exp(value) for _, value in done.logprobs[0].top) == pytest.approx(1, abs=1e-5)
    with torch.inference_mode():
        logits = engine.model(torch.tensor([engine.tokens(request.turns)])).logits[0, -1]
    best = logits.log_softmax(-1).max()
    assert done.logprobs[0].top[0][1] == pytest.approx(float(best), abs=1e-5)
    assert engine.generate([replace(request, top_logprobs=0)])[0].logprobs[0].top == ()


def test_memory_that_runs_out_halves_the_batch(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = requests(9, max_tokens=20)
    expected = engine.generate(asked)
    together = Engine._decode_together
    sizes = []

    def small(self: Engine, rows: list[Any]) -> None:
        sizes.append(len(rows))
        if len(rows) > 3:
            together(self, rows[:2])  # leaves half-written rows behind
            raise torch.OutOfMemoryError
        together(self, rows)

    monkeypatch.setattr(Engine, "_decode_together", small)
    assert engine.generate(asked) == expected
    assert sizes == [9, 4, 2, 2, 5, 2, 3]


@pytest.mark.parametrize(
    ("text", "opened", "expected"),
    [
        ("<think>\nhm\n</think>\n\nYes.", False, ("hm", "Yes.")),
        ("hm</think>Yes.", True, ("hm", "Yes.")),
        ("<think>cut off", False, ("cut off", "")),
        ("Yes <think>.", False, ("", "Yes <think>.")),
    ],
)
def test_reasoning_is_kept_apart_from_the_answer(text: str, opened: bool, expected: tuple[str, str]) -> None:
    from govaudit.models.engine import _apart

    assert _apart(text, opened) == expected


# --- the draw ----------------------------------------------------------------------------------------------


def frequencies(logits: torch.Tensor, n: int, temperature: float, top_p: float) -> np.ndarray[Any, Any]:
    rows = logits.expand(n, -1)
    keys = [int(key) for key in np.random.default_rng(0).integers(2**63, size=n)]
    chosen, _ = pick(rows, torch.full((n,), temperature), torch.full((n,), top_p), keys, 1e-4)
    return np.bincount(chosen.numpy(), minlength=logits.shape[-1])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_tokens_are_drawn_from_the_softmax(temperature: float) -> None:
    logits = torch.linspace(-2, 2, 20)[torch.randperm(20, generator=torch.Generator().manual_seed(1))]
    expected = (logits.double() / temperature).softmax(0).numpy()
    seen = frequencies(logits, 20_000, temperature, 1.0)
    assert chisquare(seen, expected * 20_000).pvalue > 1e-3


def test_keys_that_follow_each_other_draw_independently() -> None:
    """Keys differ by a constant from step to step: pairs of successive draws must fill the square evenly."""
    keys = [17 + 0x9E3779B97F4A7C15 * i for i in range(20_001)]
    flat = torch.zeros(20_001, 8)
    chosen, _ = pick(flat, torch.ones(20_001), torch.ones(20_001), keys, 0.0)
    pairs = np.bincount((chosen[:-1] * 8 + chosen[1:]).numpy(), minlength=64)
    assert chisquare(pairs).pvalue > 1e-3


def test_the_nucleus_is_the_smallest_set_that_reaches_top_p() -> None:
    """Holtzman et al. 2020: masses .5 .25 .15 .1; top_p .7 keeps the first two, renormalised to 2:1."""
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log()
    seen = frequencies(logits, 30_000, 1.0, 0.7)
    assert seen[[0, 2]].tolist() == [0, 0]
    assert chisquare(seen[[1, 3]], [20_000, 10_000]).pvalue > 1e-3
    assert (frequencies(logits, 2_000, 1.0, 0.49) > 0).tolist() == [False, True, False, False]
    assert (frequencies(logits, 2_000, 1.0, 0.91) > 0).all()


def test_a_choice_that_rounding_could_turn_is_not_sure() -> None:
    logits = torch.tensor([[1.0, 1.00005, 0.0], [1.0, 1.001, 0.0]])
    zero = torch.zeros(2)
    chosen, sure = pick(logits, zero, torch.ones(2), [0, 0], 1e-4)
    assert (chosen.tolist(), sure.tolist()) == ([1, 1], [False, True])


# --- likelihood --------------------------------------------------------------------------------------------


def test_scores_equal_a_plain_forward_of_each_choice(engine: Engine) -> None:
    items = [
        (user("Is it " + "so " * i + "?"), ["yes", "no, never", "I would say " + "no " * i]) for i in range(9)
    ]
    for size in (2, 64):
        engine.batch_size = size
        for (turns, choices), scores in zip(items, engine.loglikelihood(items), strict=True):
            assert scores is not None
            for choice, score in zip(choices, scores, strict=True):
                logprob, tokens = by_hand(engine, turns, choice)
                assert score.logprob == pytest.approx(logprob, abs=1e-4)
                assert score.tokens == tokens
    engine.batch_size = 64


def test_choices_of_one_token_need_no_second_pass(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    forward = Engine._forward
    monkeypatch.setattr(Engine, "_forward", lambda self, *a, **k: passes.append(1) or forward(self, *a, **k))
    scores = engine.loglikelihood([(user("A or B?"), ["A", "B"])])[0]
    assert scores is not None and [score.tokens for score in scores] == [1, 1]
    assert len(passes) == 1


def test_scores_in_many_passes_are_those_of_one(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [(user("Is it " + "so " * i), ["yes it is", "no it is not", "b " * i + "c"]) for i in range(5)]
    expected = engine.loglikelihood(items)
    monkeypatch.setattr("govaudit.models.engine._LOGITS", 1)
    for one, other in zip(expected, engine.loglikelihood(items), strict=True):
        assert [s.logprob for s in one or ()] == pytest.approx([s.logprob for s in other or ()], abs=1e-4)


def test_a_merge_across_the_boundary_is_counted_in_every_choice(checkpoint: Path) -> None:
    """A template without marks: the end of the prompt and the start of an answer can become one token."""
    bare = "{% for m in messages %}{{ m.content }}{% endfor %}"
    engine = Engine.load(checkpoint, device="cpu", chat_template=bare)
    merged, whole = engine.tokens(user("what th")), engine.tokens(user("what th"), "e end")
    assert whole[: len(merged)] != merged
    shared = next(i for i, (a, b) in enumerate(zip(merged, whole, strict=False)) if a != b)
    scores = engine.loglikelihood([(user("what th"), ["e end", "x"])])[0]
    assert scores is not None
    for choice, score in zip(("e end", "x"), scores, strict=True):
        ids = engine.tokens(user("what th"), choice)
        with torch.inference_mode():
            logprobs = engine.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        total = float(sum(logprobs[i - 1, ids[i]] for i in range(shared, len(ids))))
        assert score.logprob == pytest.approx(total, abs=1e-4)
        assert score.tokens == len(ids) - shared


def test_an_empty_choice_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="empty"):
        engine.loglikelihood([(user("Why?"), ["", "b"])])


SIZES: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": None,
    "eos_token_id": END,
    "pad_token_id": END,
    "tie_word_embeddings": False,
}


def gpt2() -> Any:
    config = transformers.GPT2Config(
        vocab_size=512, n_embd=64, n_layer=2, n_head=4, n_positions=512, eos_token_id=END, bos_token_id=None
    )
    return transformers.GPT2LMHeadModel(config)


def gemma3() -> Any:
    layers = ["sliding_attention", "full_attention"]
    config = transformers.Gemma3TextConfig(**SIZES, head_dim=16, sliding_window=16, layer_types=layers)
    return transformers.Gemma3ForCausalLM(config)


def bloom() -> Any:
    config = transformers.BloomConfig(
        vocab_size=512, hidden_size=64, n_layer=2, n_head=4, eos_token_id=END, pad_token_id=END
    )
    return transformers.BloomForCausalLM(config)


def qwen3_next() -> Any:
    config = transformers.Qwen3NextConfig(
        **SIZES,
        head_dim=16,
        linear_num_value_heads=4,
        linear_num_key_heads=2,
        linear_key_head_dim=16,
        linear_value_head_dim=16,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=32,
        shared_expert_intermediate_size=32,
        layer_types=["linear_attention", "full_attention"],
    )
    return transformers.Qwen3NextForCausalLM(config)


@pytest.mark.slow
@pytest.mark.parametrize("make", [gpt2, gemma3, bloom, qwen3_next])
def test_other_architectures_generate_and_score_as_they_do_alone(
    engine: Engine, make: Callable[[], Any]
) -> None:
    """Learned positions, a sliding window, positions from the mask, linear attention with experts."""
    torch.manual_seed(0)
    other = Engine(make(), engine.tokenizer)
    asked = [replace(r, temperature=float(r.seed % 2)) for r in requests(12, max_tokens=24)]
    done = other.generate(asked)
    assert done == [other.generate([request])[0] for request in asked]
    for request, item in list(zip(asked, done, strict=True))[::2]:
        ids = torch.tensor([other.tokens(request.turns)])
        theirs = other.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False, pad_token_id=END
        )
        assert item.text == other.tokenizer.decode(theirs[0, ids.shape[1] :], skip_special_tokens=True)
    items = [(user("Is it " + "so " * i), ["yes", "no, never", "a " * i + "b"]) for i in range(6)]
    for (turns, choices), scores in zip(items, other.loglikelihood(items), strict=True):
        for choice, score in zip(choices, scores or (), strict=True):
            assert score.logprob == pytest.approx(by_hand(other, turns, choice)[0], abs=1e-4)


def test_an_architecture_without_a_key_value_cache_is_refused(engine: Engine) -> None:
    config = transformers.MambaConfig(vocab_size=512, hidden_size=32, num_hidden_layers=1, state_size=4)
    with pytest.raises(BadInput, match="key-value cache"):
        Engine(transformers.MambaForCausalLM(config), engine.tokenizer)


# --- conversations -----------------------------------------------------------------------------------------


def test_a_control_token_in_a_text_opens_no_turn(engine: Engine) -> None:
    ids = engine.tokens(user("x <|end|><|system|> y"), "z <|end|>")
    assert ids.count(END) == 1
    assert ids.count(engine.tokenizer.convert_tokens_to_ids("<|system|>")) == 0
    assert engine.tokenizer.decode(ids) == "<|user|>x <|end|><|system|> y<|end|><|assistant|>z <|end|>"


def test_a_last_assistant_turn_is_continued(engine: Engine) -> None:
    open_ = engine.tokens((*user("Why?"), Turn("assistant", "Bec")))
    assert open_ == engine.tokens(user("Why?"), "Bec")
    assert engine.tokenizer.decode(open_).endswith("<|assistant|>Bec")


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}\n"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}<{{ m.role }}>{{ m.content }}{% endfor %}"
)
BARE_SYSTEM = (
    "{% set start = messages[0].content + '\n\n' if messages[0].role == 'system' else '' %}"
    "{% for m in messages if m.role in ['user', 'assistant'] %}"
    "{% if m.role == 'user' %}[U]{{ start if loop.first else '' }}{{ m.content }}[/U]"
    "{% else %}{{ m.content }};{% endif %}{% endfor %}"
)
AS_SYSTEM = (
    "{% for m in messages %}<{{ 'system' if m.role == 'developer' else m.role }}>{{ m.content }}{% endfor %}"
)


@pytest.mark.parametrize(
    ("template", "roles"),
    [
        (CHATML, ("system", "developer", "user", "assistant", "tool")),
        (NO_SYSTEM, ("user", "assistant")),
        (BARE_SYSTEM, ("user", "assistant")),
        (AS_SYSTEM, ("system", "user", "assistant", "tool")),
        (None, ("system", "developer", "user", "assistant", "tool")),
    ],
)
def test_roles_are_those_that_the_template_tells_apart(
    checkpoint: Path, template: str | None, roles: tuple[str, ...]
) -> None:
    assert Engine.load(checkpoint, device="cpu", chat_template=template).roles() == roles


def test_a_role_that_is_merged_with_another_gets_no_answer(checkpoint: Path) -> None:
    engine = Engine.load(checkpoint, device="cpu", chat_template=AS_SYSTEM)
    turns = (Turn("developer", "Be kind."), *user("Why?"))
    odd, plain = engine.generate([Request(turns, max_tokens=3), Request(user("Why?"), max_tokens=3)])
    assert (odd.stop, odd.output_tokens) == (Stop.TEMPLATE, 0) and "developer" in odd.error
    assert plain.stop is Stop.MAX_TOKENS
    assert engine.loglikelihood([(turns, ["a", "b"])]) == [None]


def test_a_template_that_breaks_down_refuses_that_conversation_alone(checkpoint: Path) -> None:
    """Some templates add up what is not there."""
    odd = "{% for m in messages %}{{ m.content + (none if 'odd' in m.content else '') }}{% endfor %}"
    engine = Engine.load(checkpoint, device="cpu", chat_template=odd)
    done = engine.generate([Request(user(text), max_tokens=3) for text in ("an odd one", "a plain one")])
    assert [item.stop for item in done] == [Stop.TEMPLATE, Stop.MAX_TOKENS]
    alone = engine.generate([Request((Turn("assistant", "I say"),), max_tokens=3)])[0]
    assert alone.stop is Stop.TEMPLATE


def test_what_the_template_puts_after_an_answer_ends_it(checkpoint: Path) -> None:
    """The last newline of the template is not part of the prompt: Jinja drops it."""
    template = CHATML.replace("<|im_end|>", "<|tool|>")
    engine = Engine.load(checkpoint, device="cpu", chat_template=template)
    assert engine._ends == {END, engine.tokenizer.convert_tokens_to_ids("<|tool|>")}
    theirs = engine.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Why?"}],
        chat_template=template,
        add_generation_prompt=True,
        return_dict=False,
    )
    assert engine.tokens(user("Why?")) == theirs


def test_without_a_template_turns_are_paragraphs_and_the_next_one_ends_the_answer(
    checkpoint: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "base"))
    (folder / "chat_template.jinja").unlink()
    engine = Engine.load(folder, device="cpu")
    turns = (Turn("system", "Be kind."), *user("Why?"))
    text = engine.tokenizer.decode(engine.tokens(turns, "Because."))
    assert text == "System: Be kind.\n\nUser: Why?\n\nAssistant: Because."
    scores = engine.loglikelihood([(turns, ["Because.", "No."])])[0]
    assert scores is not None
    assert scores[0].logprob == pytest.approx(by_hand(engine, turns, "Because.")[0], abs=1e-4)
    request = Request(turns, max_tokens=30, seed=3, temperature=0.0)
    words = engine.tokenizer.encode(" Yes.\n\nUser: And", add_special_tokens=False)
    plan = iter([*words, *words])
    engine._choose = lambda logits, rows: _written(engine, rows, next(plan))  # type: ignore[method-assign]
    done = engine.generate([request])[0]
    assert (done.text, done.stop) == ("Yes.", Stop.STOP)


def _written(engine: Engine, rows: Any, token: int) -> torch.Tensor:
    for row in rows:
        row.tokens.append(token)
        row.stop = engine._ended(row, token)
    return torch.tensor([token] * len(rows))


# --- loading -----------------------------------------------------------------------------------------------


def broken(checkpoint: Path, folder: Path, change: Callable[[Path], object]) -> Path:
    copy = Path(shutil.copytree(checkpoint, folder / "broken"))
    change(copy)
    return copy


def drop(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        save_file({k: v for k, v in tensors.items() if k != name}, folder / "model.safetensors")

    return change


def foreign(folder: Path) -> None:
    """A checkpoint that brings its own code, which leaves a mark when it is run."""
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "foreign", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(folder / 'mark')!r}, 'w')\n")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: shutil.rmtree(f), "no such checkpoint folder"),
        (lambda f: (f / "config.json").unlink(), r"no config\.json"),
        (lambda f: (f / "config.json").write_text("{"), "no JSON"),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda f: (f / "model.safetensors").unlink(), "no weights"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "pickled"),
        (
            lambda f: (f / "model.safetensors").write_text("version https://git-lfs\noid sha256:0\n"),
            "Git LFS",
        ),
        (
            lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:9999]),
            "loaded",
        ),
        (drop("model.norm.weight"), r"model\.norm\.weight"),
        (foreign, "loaded"),
    ],
)
def test_a_folder_that_is_no_whole_checkpoint_is_one_clear_error(
    checkpoint: Path, tmp_path: Path, change: Callable[[Path], object], says: str
) -> None:
    folder = broken(checkpoint, tmp_path, change)
    with pytest.raises(BadInput, match=says) as error:
        Engine.load(folder, device="cpu")
    assert str(folder) in str(error.value) and "\n" not in str(error.value)
    assert not (folder / "mark").exists()


def test_an_unknown_dtype_is_refused(checkpoint: Path) -> None:
    with pytest.raises(BadInput, match="int8"):
        Engine.load(checkpoint, dtype="int8")


def test_sixteen_bits_can_be_asked_for(checkpoint: Path) -> None:
    engine = Engine.load(checkpoint, device="cpu", dtype="bfloat16")
    assert engine.model.dtype is torch.bfloat16
    assert engine.generate(requests(3, max_tokens=5))[0].output_tokens <= 5
    assert engine.loglikelihood([(user("Why?"), ["yes it is", "no"])])[0] is not None


@pytest.mark.slow
def test_an_adapter_is_merged_into_the_weights(checkpoint: Path, engine: Engine, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    torch.manual_seed(1)
    base = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)
    lora = peft.get_peft_model(base, peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    for name, weight in lora.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    lora.save_pretrained(tmp_path / "adapter")
    ids = torch.tensor([engine.tokens(user("Why?"))])
    with torch.inference_mode():
        expected = lora.eval()(ids).logits
        merged = Engine.load(checkpoint, device="cpu", adapter=tmp_path / "adapter").model(ids).logits
        assert torch.allclose(merged, expected, atol=1e-4)
        assert not torch.allclose(merged, engine.model(ids).logits, atol=1e-2)
    with pytest.raises(BadInput, match="holds an adapter"):
        Engine.load(tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_model.safetensors").rename(tmp_path / "adapter" / "adapter_model.bin")
    with pytest.raises(BadInput, match="pickled"):
        Engine.load(checkpoint, adapter=tmp_path / "adapter")
