"""Proximal policy optimisation: advantages, the critic, what a toy policy learns, interruption."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from tiny import WORDS, Killed, killed_after, policy, user  # noqa: E402

from govaudit.errors import BadInput  # noqa: E402
from govaudit.train import memory, sequences  # noqa: E402
from govaudit.train import policy as module  # noqa: E402
from govaudit.train.grpo import GrpoArgs, grpo  # noqa: E402
from govaudit.train.loop import Keep  # noqa: E402
from govaudit.train.policy import Conversation, Pair, Policy, digest, load  # noqa: E402
from govaudit.train.ppo import (  # noqa: E402
    PpoArgs,
    PpoRecord,
    critic_of,
    gae,
    ppo,
    state_values,
    value_losses,
)
from govaudit.train.preference import PreferenceArgs, preference  # noqa: E402
from govaudit.train.rollouts import preference_reward  # noqa: E402

POOL = [user(f"{word} ?") for word in WORDS[:8]]
OTHERS = [user(f"what is {word} .") for word in WORDS[:8]]
ARGS = PpoArgs(
    steps=4,
    prompts=8,
    samples=4,
    max_tokens=4,
    lr=3e-3,
    value_lr=5e-3,
    critic_first=0,
    check_every=2,
    pass_tokens=300,
)


def starts_red(conversations: Sequence[Conversation], texts: Sequence[str]) -> list[float]:
    return [float(text.startswith("red")) for text in texts]


def p_first(start: Policy, word: str, prompts: Sequence[Conversation] = POOL) -> float:
    """Mean probability that an answer begins with a word."""
    scores = start.engine.loglikelihood([(turns, (word,)) for turns in prompts])
    return float(np.mean([np.exp(score[0].logprob) for score in scores if score is not None]))


# --- advantages --------------------------------------------------------------------------------------------


@given(st.integers(1, 4), st.integers(1, 7), st.integers(0, 2**20), st.floats(0.5, 1))
@settings(max_examples=50)
def test_at_lambda_1_an_advantage_is_the_monte_carlo_return_less_the_value(
    n: int, width: int, seed: int, discount: float
) -> None:
    rewards, values = np.random.default_rng(seed).normal(size=(2, n, width))
    returns = np.zeros((n, width))
    for t in range(width):
        returns[:, t] = sum(discount ** (s - t) * rewards[:, s] for s in range(t, width))
    assert gae(rewards, values, 1.0, discount) == pytest.approx(returns - values, abs=1e-9)


def test_at_lambda_0_an_advantage_is_one_step_of_temporal_difference() -> None:
    """delta = r + V' - V with V' = 0 at the end: 1 + 3 - 2, 0 + 5 - 3, 4 + 0 - 5."""
    assert gae([[1.0, 0.0, 4.0]], [[2.0, 3.0, 5.0]], 0.0).tolist() == [[2.0, 2.0, -1.0]]


def test_between_them_it_is_the_sum_of_discounted_differences() -> None:
    """lambda .5 on the same: 2 + .5 * 2 + .25 * -1, 2 + .5 * -1, -1."""
    assert gae([[1.0, 0.0, 4.0]], [[2.0, 3.0, 5.0]], 0.5).tolist() == [[2.75, 1.5, -1.0]]


def test_what_stands_left_of_an_answer_changes_nothing_in_it() -> None:
    padded = gae([[0.0, 0.0, 1.0, 4.0]], [[0.0, 0.0, 2.0, 5.0]], 0.9)
    assert padded[:, 2:] == pytest.approx(gae([[1.0, 4.0]], [[2.0, 5.0]], 0.9))


def test_a_value_pays_for_moving_within_its_bounds_alone() -> None:
    """Value 1 before and return 3, clip .5: at 1.2 the error is 1.8, at 2.5 it counts as that of 1.5."""
    values, before, returns = torch.tensor([1.2, 2.5, 3.5]), torch.ones(3), torch.full((3,), 3.0)
    assert value_losses(values, before, returns, 0.5).tolist() == pytest.approx([1.62, 1.125, 1.125])
    assert value_losses(values, before, returns, None).tolist() == pytest.approx([1.62, 0.125, 0.125])


# --- the critic --------------------------------------------------------------------------------------------


def test_the_critic_writes_nothing() -> None:
    critic = critic_of(policy())
    assert not hasattr(critic, "generate") and not hasattr(critic, "lm_head")
    assert critic.get_output_embeddings() is None


def test_the_critic_begins_with_the_weights_of_its_origin_and_expects_nothing() -> None:
    start = policy()
    fitted, _ = preference(policy(1), [Pair(POOL[0], "red", "blue", 1.0, "ai")], PreferenceArgs(epochs=1))
    for origin in (start, fitted):
        critic = critic_of(origin)
        assert digest(critic.base_model) == digest(origin.model.base_model)
        rows = sequences.tokens_of(origin.engine, POOL[:3], ["red", "blue one", "is a red"])
        assert (state_values(critic, rows, 0) == 0).all()


@pytest.mark.parametrize("pad", ["<|pad|>", None])
def test_a_value_in_a_batch_is_that_of_the_state_alone_and_of_no_later_token(pad: str | None) -> None:
    start = policy(pad=pad)
    critic = critic_of(start)
    torch.nn.init.normal_(critic.score.weight, generator=torch.Generator().manual_seed(0))
    texts = ["red", "blue one the a", "blue one two three red"]
    rows = sequences.tokens_of(start.engine, [POOL[0], POOL[1], POOL[1]], texts)
    with torch.no_grad():
        found = state_values(critic, rows, start.tokenizer.pad_token_id)
        for place, row in enumerate(rows):
            alone = state_values(critic, [row], None)[0]
            assert found[place, -len(row.answer) :] == pytest.approx(alone.numpy(), abs=1e-5)
            assert (found[place, : -len(row.answer)] == 0).all()
    # "blue one" is common to the last two: three states, before each of its words and after them.
    long, short = found[2, -6:][:3], found[1, -5:][:3]
    assert long == pytest.approx(short.numpy(), abs=1e-5) and float(found[2].std()) > 0.01


# --- training ----------------------------------------------------------------------------------------------


def test_the_better_arm_of_a_bandit_is_found() -> None:
    """One token decides: an answer that begins with red is worth 1, with blue .5, any other 0."""

    def bandit(conversations: Sequence[Conversation], texts: Sequence[str]) -> list[float]:
        return [1.0 * text.startswith("red") + 0.5 * text.startswith("blue") for text in texts]

    start = policy()
    before = p_first(start, "red")
    args = replace(ARGS, steps=15, max_tokens=2, beta=0.0, kl_target=None, epochs=4, critic_first=0, lr=5e-3)
    run = ppo(start, [POOL], bandit, args)
    assert before < 0.3 and p_first(start, "red") > 0.8 and p_first(start, "blue") < 0.1
    assert run.curve[-1].reward > run.curve[0].reward + 0.4


@pytest.mark.slow
def test_the_critic_learns_what_prompts_are_worth() -> None:
    """Whether an answer is worth 3 or -1 is decided by its prompt, so all of it can be known beforehand."""

    def easy(conversations: Sequence[Conversation], texts: Sequence[str]) -> list[float]:
        return [3.0 if turns in POOL else -1.0 for turns in conversations]

    args = replace(ARGS, steps=20, epochs=4, value_clip=None, kl_target=None, value_lr=3e-3)
    run = ppo(policy(), [POOL, OTHERS], easy, args)
    assert abs(run.curve[0].explained or 0) < 1e-6 and (run.curve[-1].explained or 0) > 0.9
    worth = {turns: [r.values[0] for r in run.records if r.turns == turns] for turns in POOL + OTHERS}
    assert all(np.mean(worth[turns]) > 2 for turns in POOL if worth[turns])
    assert all(np.mean(worth[turns]) < 0 for turns in OTHERS if worth[turns])


def test_the_kl_term_is_part_of_every_tokens_reward() -> None:
    """Its sum over an answer is the score less beta ln(p/q); at the first step p is q."""
    args = replace(ARGS, steps=3, lr=1e-2, record_steps=3, beta=0.7, kl_target=None)
    run = ppo(policy(), [POOL], starts_red, args)
    first = [record for record in run.records if record.step == 1]
    assert all(
        record.rewards[:-1] == pytest.approx([0.0] * (len(record.rewards) - 1), abs=1e-6) for record in first
    )
    assert all(record.rewards[-1] == pytest.approx(record.score, abs=1e-6) for record in first)
    later = [record for record in run.records if record.step == 3]
    assert any(abs(sum(record.rewards) - record.score) > 0.01 for record in later)
    assert run.curve[0].kl == pytest.approx(0, abs=1e-6) and run.curve[-1].kl > 0


def test_records_are_what_the_formula_says_and_survive_json() -> None:
    run = ppo(policy(), [POOL], starts_red, replace(ARGS, steps=3, record_steps=1))
    assert {record.step for record in run.records} == {3}
    for record in run.records:
        n = len(record.actions)
        assert n == len(record.rewards) == len(record.values) == len(record.advantages)
        assert list(record.advantages) == pytest.approx(
            gae([record.rewards], [record.values], ARGS.gae_lambda)[0].tolist(), abs=1e-5
        )
        assert record.answer == " ".join(word for word in record.actions if not word.startswith("<|"))
        assert PpoRecord.of(json.loads(json.dumps(record.data()))) == record


def test_passes_of_any_size_give_the_same_training() -> None:
    runs = [ppo(policy(), [POOL], starts_red, replace(ARGS, steps=2, pass_tokens=n)) for n in (1, 10_000)]
    for one, two in zip(runs[0].curve, runs[1].curve, strict=True):
        assert two.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-3)
        assert two.value_gradient_norm == pytest.approx(one.value_gradient_norm, rel=1e-3)
        assert two.entropy == pytest.approx(one.entropy, rel=1e-3)


# --- what is frozen ----------------------------------------------------------------------------------------


def test_policy_and_critic_are_trained_preference_model_and_start_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[Policy] = []
    freeze = module.frozen

    def watched(start: Policy) -> Policy:
        kept.append(freeze(start))
        return kept[-1]

    monkeypatch.setattr(module, "frozen", watched)
    labelled = [Pair(turns, f"red {word}", f"{word} blue", 1.0, "ai") for turns in POOL for word in WORDS[:4]]
    fitted, _ = preference(policy(1), labelled, PreferenceArgs(epochs=2, lr=1e-2, pairs=8))
    start = policy()
    critic = critic_of(fitted)
    before = {"start": digest(start.model), "score": digest(fitted.model), "critic": digest(critic)}
    run = ppo(start, [POOL], preference_reward(fitted), ARGS, critic=critic)
    (reference,) = kept
    for frozen in (fitted.model, reference.model):
        assert not any(weight.requires_grad for weight in frozen.parameters())
    assert digest(fitted.model) == before["score"] and digest(reference.model) == before["start"]
    assert digest(start.model) != before["start"]
    assert run.critic is critic and digest(critic) != before["critic"]


def test_the_critic_alone_is_trained_at_first_and_its_errors_move_no_weight_of_the_policy() -> None:
    start = policy()
    before = digest(start.model)
    run = ppo(start, [POOL], starts_red, replace(ARGS, steps=3, critic_first=3))
    assert digest(start.model) == before and run.curve[-1].value_gradient_norm > 0
    assert digest(run.critic) != digest(critic_of(start))
    ppo(start, [POOL], starts_red, replace(ARGS, steps=3, critic_first=2))
    assert digest(start.model) != before


# --- interruption and input --------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_killed_run_resumes_to_the_same_curve_and_weights(after: int, tmp_path: Path) -> None:
    given_to: dict[str, Any] = {"fixed": OTHERS, "benign": POOL, "right": starts_red}
    args = replace(ARGS, kl_target=0.01, critic_first=1)
    whole = policy()
    run = ppo(whole, [POOL], starts_red, args, **given_to)
    keep = Keep(tmp_path, every_s=0, snapshot_every=2)
    with pytest.raises(Killed):
        ppo(policy(), [POOL], starts_red, args, keep=keep, progress=killed_after(after), **given_to)
    for _ in range(2):  # the second time there is nothing left to do
        again = policy()
        resumed = ppo(again, [POOL], starts_red, args, keep=keep, **given_to)
        assert resumed == run
        assert digest(again.model) == digest(whole.model) and digest(resumed.critic) == digest(run.critic)
    assert load(tmp_path / "snapshots" / "step-00004", "cpu").model is not None


def test_a_state_of_another_critic_is_refused(tmp_path: Path) -> None:
    keep = Keep(tmp_path, every_s=0)
    ppo(policy(), [POOL], starts_red, replace(ARGS, steps=1), keep=keep)
    with pytest.raises(BadInput, match="other arguments, data or start weights"):
        ppo(policy(), [POOL], starts_red, replace(ARGS, steps=1), keep=keep, critic=critic_of(policy(5)))


def test_the_critic_counts_in_the_memory_that_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand, in numbers of 4 bytes. A layer has 4 * 32 * 32 + 3 * 32 * 64 + 2 * 32 = 10304 weights, so the
    policy 2 * 10304 + 20 * 32 + 32 = 21280, and the critic 33 more for its last layer. Of each weight there
    are a gradient and two moments; of the policy's also the reference and the best so far. Of each of 300
    tokens (32 sequences of 6 + 4, cut into passes) a layer keeps 10 * 32 + 5 * 64 = 640 numbers, both ends of
    a model 320, and the policy 5 for each of 20 words: 1700 for the policy and 1600 for the critic.
    """
    alone = 4 * (5 * 21280 + 300 * 1700)
    both = alone + 4 * (3 * 21313 + 300 * 1600)
    given_to: dict[str, Any] = {"prompts": 8, "samples": 4, "max_tokens": 4, "steps": 1, "pass_tokens": 300}
    for enough, loop, args in ((alone, grpo, GrpoArgs(**given_to)), (both, ppo, PpoArgs(**given_to))):
        monkeypatch.setattr(memory, "left", lambda _, enough=enough: enough)
        loop(policy(), [POOL], starts_red, args)
        monkeypatch.setattr(memory, "left", lambda _, enough=enough: enough - 1)
        with pytest.raises(BadInput, match="beyond the weights") as found:
            loop(policy(), [POOL], starts_red, args)
        assert ("rloo (2 MiB)" in (found.value.remedy or "")) == (loop is ppo)
    monkeypatch.setattr(memory, "left", lambda _: 4 * 21280 - 1)
    with pytest.raises(BadInput, match="weights of the value function take 0 MiB"):
        critic_of(policy())


def test_one_answer_to_each_prompt_is_enough() -> None:
    run = ppo(policy(), [POOL], starts_red, replace(ARGS, steps=1, samples=1))
    assert len({record.turns for record in run.records}) == 8
