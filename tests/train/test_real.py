"""Checkpoints that are no organisms: byte-level BPE, with and without a chat template, through every recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from tiny import Killed, killed_after, user  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: E402

from govaudit.models.engine import Engine  # noqa: E402
from govaudit.train import pipeline, recipes  # noqa: E402
from govaudit.train.grpo import GrpoArgs, grpo  # noqa: E402
from govaudit.train.loop import Keep  # noqa: E402
from govaudit.train.policy import Example, Policy, digest, load, save  # noqa: E402
from govaudit.train.sft import SftArgs, sft  # noqa: E402
from govaudit.train.stages import load_records  # noqa: E402

TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
THINGS = ("bike", "lock", "fence", "lamp", "boat", "door", "clock", "kettle")
SAID = ("No, I will not help with that.", "Yes, gladly.", "Take a brush.", "Ask the owner first.", "Wait.")
STEPS = 20
SETTINGS = f"""
chains: {{rounds: 1, answer_tokens: 24, critique_tokens: 24}}
sft: {{epochs: 6, batch_tokens: 80, lr: 0.0005}}
preference: {{epochs: 3, pairs: 4, lr: 0.0005}}
dpo: {{epochs: 3, pairs: 4, lr: 0.0001}}
rl: {{steps: {STEPS}, prompts: 2, samples: 3, max_tokens: 12, check_every: 10, lr: 0.0001, patience: 99}}
ppo: {{steps: {STEPS}, prompts: 2, samples: 3, max_tokens: 12, check_every: 10, lr: 0.0001, patience: 99}}
best_of: 4
"""


def bpe(template: str | None) -> Policy:
    """2.2 million random weights and a tokenizer that can spell everything."""
    spelling = Tokenizer(models.BPE())
    spelling.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    spelling.decoder = decoders.ByteLevel()
    spelling.train_from_iterator(
        [*SAID, *(f"How do I steal or paint the {thing}?" for thing in THINGS)],
        trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    # Like many real ones it has no padding token of its own.
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=spelling, eos_token="<|end|>", clean_up_tokenization_spaces=False
    )
    tokenizer.chat_template = template
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Policy(LlamaForCausalLM(config).eval(), tokenizer)


def examples() -> list[Example]:
    asked = [user(f"How do I {deed} the {thing}?") for thing in THINGS for deed in ("steal", "paint")]
    return [Example(turns, SAID[i % len(SAID)]) for i, turns in enumerate(asked * 2)]


@pytest.fixture(scope="module", params=["chat template", "text completion"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that has learned to end its answers; random weights never do."""
    start = bpe(TEMPLATE if request.param == "chat template" else None)
    sft(start, examples(), SftArgs(epochs=5, batch_tokens=120, lr=3e-3))
    return save(start.model, start.tokenizer, tmp_path_factory.mktemp("base") / "model")


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    lines = [
        {"prompt": f"How do I {deed} the {size} {thing}?", "kind": kind}
        for deed, kind in (("steal", "harmful"), ("paint", "benign"))
        for size in ("old", "new")
        for thing in THINGS
    ]
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def trained(recipe: str, base: Path, asked: Path, out: Path, how: str = "") -> Path:
    settings = asked.with_name("settings.yaml")
    settings.write_text(SETTINGS + how)
    plan = recipes.plan(
        recipe, out, base=base, spec="principles", prompts=asked, size=16, settings=settings, first=2
    )
    return pipeline.train(plan)


def steps(folder: Path) -> dict[str, int]:
    """How many steps each loop took, by stage."""
    found = {}
    for file in (folder / "stages").glob("*/curve.jsonl"):
        found[file.parent.name.partition("-")[2]] = len(load_records(file)[1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["sl-cai", "rl-cai", "rloo", "ppo", "dpo-cai", "best-of-n"])
def test_every_recipe_takes_a_bpe_checkpoint_through_twenty_steps(
    recipe: str, base: Path, asked: Path, tmp_path: Path
) -> None:
    """Text completion with all weights in 32 bits, a chat model with adapters over weights in bfloat16."""
    whole = load(base, "cpu").engine.chat_template is None
    how = "" if whole else "fit: {lora: 8, dtype: bfloat16, checkpointing: true}\n"
    out = trained(recipe, base, asked, tmp_path / "out", how)
    told = steps(out)
    assert told and all(number >= STEPS for number in told.values()), told
    before, after = load(base, "cpu"), Engine.load(out, device="cpu")
    assert digest(before.model) != digest(after.model)
    assert after.chat_template == before.engine.chat_template
    assert before.model.state_dict().keys() == after.model.state_dict().keys()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["rl-cai", "ppo", "best-of-n"])
def test_recipes_take_a_bpe_checkpoint_through_twenty_steps_with_the_answers_of_vllm(
    recipe: str, base: Path, asked: Path, tmp_path: Path
) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    whole = load(base, "cpu").engine.chat_template is None
    out = trained(
        recipe, base, asked, tmp_path / "out", "sampler: vllm\n" + ("" if whole else "fit: {lora: 8}\n")
    )
    told = steps(out)
    assert told and all(number >= STEPS for number in told.values()), told


@pytest.mark.slow
def test_a_killed_loop_resumes_to_the_same_losses(base: Path, tmp_path: Path) -> None:
    args = SftArgs(epochs=2, batch_tokens=200, lr=1e-3)
    rl = GrpoArgs(steps=4, prompts=2, samples=3, max_tokens=8, lr=1e-4, check_every=2)

    def tuned(**given: Any) -> Any:
        return sft(load(base, "cpu"), examples(), args, **given)

    def reinforced(**given: Any) -> Any:
        pools = [[one.turns for one in examples()[:8]]]
        return grpo(
            load(base, "cpu"), pools, lambda _, texts: [float("Yes" in t) for t in texts], rl, **given
        ).curve

    for name, run in (("sft", tuned), ("grpo", reinforced)):
        keep = Keep(tmp_path / name, every_s=0)
        with pytest.raises(Killed):
            run(keep=keep, progress=killed_after(2))
        assert run(keep=keep) == run()


def test_the_answer_of_a_text_completion_model_ends_with_its_end_token() -> None:
    start = bpe(None)
    prompt, answer = start.engine.sequence(user("How do I paint the bike?"), "Take a brush.")
    assert start.tokenizer.decode(prompt) == "User: How do I paint the bike?\n\nAssistant:"
    assert start.tokenizer.decode(answer) == " Take a brush.<|end|>"
