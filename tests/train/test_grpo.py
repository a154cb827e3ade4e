"""Group-relative policy optimisation: advantages, divergence, leashes, what a toy policy learns, interruption."""

from __future__ import annotations

import itertools
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
from govaudit.models.engine import Completion  # noqa: E402
from govaudit.train import policy as module  # noqa: E402
from govaudit.train import sequences  # noqa: E402
from govaudit.train.grpo import GrpoArgs, GrpoRecord, advantages, grpo, leave_one_out  # noqa: E402
from govaudit.train.loop import Keep  # noqa: E402
from govaudit.train.policy import Conversation, Pair, Policy, answers, digest, load  # noqa: E402
from govaudit.train.preference import PreferenceArgs, preference  # noqa: E402
from govaudit.train.rollouts import (  # noqa: E402
    adapted,
    k3,
    preference_reward,
    surrogate,
    verifiable,
)

POOL = [user(f"{word} ?") for word in WORDS[:8]]
OTHERS = [user(f"what is {word} .") for word in WORDS[:8]]
ARGS = GrpoArgs(steps=6, prompts=4, samples=6, max_tokens=4, lr=5e-3, check_every=2, pass_tokens=100)


def starts_red(conversations: Sequence[Conversation], texts: Sequence[str]) -> list[float]:
    return [float(text.startswith("red")) for text in texts]


def never(conversations: Sequence[Conversation], texts: Sequence[str]) -> list[float]:
    return [0.0 for _ in texts]


def p_red(start: Policy, prompts: Sequence[Conversation] = POOL) -> float:
    """Mean probability that an answer begins with red."""
    items = [(turns, ("red",)) for turns in prompts]
    scores = start.engine.loglikelihood(items)
    return float(np.mean([np.exp(score[0].logprob) for score in scores if score is not None]))


# --- formulas ----------------------------------------------------------------------------------------------


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(st.lists(st.floats(-1e3, 1e3), min_size=n, max_size=n), min_size=1, max_size=4)
    ),
    st.floats(0.001, 1),
)
@settings(max_examples=60)
def test_the_advantages_of_a_group_sum_to_0(rewards: list[list[float]], floor: float) -> None:
    found = advantages(rewards, floor)
    assert np.abs(found.sum(axis=1)).max() < 1e-9 * max(1.0, np.abs(rewards).max() / floor)


def test_advantages_are_standardised_by_group_above_a_floor() -> None:
    """Mean 2, standard deviation 1 and 2 (of 1, 3 and of 0, 4): (r - 2) / (s + .05); no spread, no advantage."""
    found = advantages([[1, 3], [0, 4], [7, 7]], 0.05)
    assert found == pytest.approx(np.array([[-1 / 1.05, 1 / 1.05], [-2 / 2.05, 2 / 2.05], [0, 0]]))


def test_the_divergence_estimate_is_never_negative_and_its_mean_is_the_divergence() -> None:
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(7, generator=generator).double().log_softmax(0) for _ in range(2))
    estimates = k3(p, q)
    assert (estimates >= 0).all()
    assert float((p.exp() * estimates).sum()) == pytest.approx(float((p.exp() * (p - q)).sum()), abs=1e-12)
    assert (k3(p, p) == 0).all()


def test_the_clipped_ratio_no_longer_pays_beyond_its_bounds() -> None:
    """min(rho A, clip(rho, .8, 1.2) A): gains end at 1.2, losses do not; below .8 the other way round."""
    rho = torch.tensor([0.5, 0.9, 1.1, 1.5])
    assert surrogate(rho.log(), torch.tensor(2.0), 0.2).tolist() == pytest.approx([1.0, 1.8, 2.2, 2.4])
    assert surrogate(rho.log(), torch.tensor(-2.0), 0.2).tolist() == pytest.approx([-1.6, -1.8, -2.2, -3.0])


def test_the_weight_of_the_kl_term_rises_above_the_target_and_returns_to_its_floor() -> None:
    args = GrpoArgs(beta=0.1, kl_target=0.8)
    assert adapted(0.1, 0.2, args) == 0.1
    assert adapted(0.1, 0.8, args) == pytest.approx(0.1)
    assert adapted(0.1, 1.2, args) == pytest.approx(0.11)
    assert adapted(0.1, 80.0, args) == pytest.approx(0.12)
    assert adapted(0.2, 0.4, args) == pytest.approx(0.18)
    assert adapted(0.1, 80.0, replace(args, kl_target=None)) == 0.1


# --- training ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_rewarded_word_becomes_probable(epochs: int) -> None:
    start = policy()
    before = p_red(start)
    run = grpo(start, [POOL], starts_red, replace(ARGS, steps=30, beta=0.01, kl_target=None, epochs=epochs))
    assert before < 0.3 and p_red(start) > 0.8
    assert run.curve[-1].reward > run.curve[0].reward + 0.4
    assert run.kept_step == 30 and not run.checks and not run.stopped_early


def test_the_divergence_is_0_at_the_start_and_never_negative() -> None:
    run = grpo(policy(), [POOL], starts_red, ARGS, fixed=OTHERS)
    assert run.curve[0].kl == pytest.approx(0, abs=1e-9) and run.checks[0].kl == pytest.approx(0, abs=1e-9)
    assert run.curve[-1].kl > 0.001
    assert all(row.kl >= 0 for row in (*run.curve, *run.checks) if row.kl is not None)
    assert all(kl >= 0 for record in run.records for kl in record.kl)


def test_without_rewards_that_differ_nothing_is_learnt() -> None:
    start = policy()
    before = p_red(start)
    run = grpo(start, [POOL], never, ARGS)
    assert run.curve[-1].kl == pytest.approx(0, abs=1e-6)
    assert p_red(start) == pytest.approx(before, abs=1e-5)


def test_the_kl_term_holds_the_policy_near_its_start() -> None:
    loose, held = (
        grpo(policy(), [POOL], starts_red, replace(ARGS, steps=16, beta=beta, kl_target=None)).curve[-1].kl
        for beta in (0.0, 3.0)
    )
    assert held < 0.3 * loose


def test_a_policy_above_the_target_is_drawn_back_by_a_growing_weight() -> None:
    run = grpo(policy(), [POOL], starts_red, replace(ARGS, steps=24, lr=1e-2, kl_target=0.05))
    betas = [row.beta for row in run.curve]
    assert betas[0] == 0.1 and max(betas) > 0.5
    for row, following in zip(run.curve, run.curve[1:], strict=False):
        assert following.beta == pytest.approx(adapted(row.beta, row.kl, replace(ARGS, kl_target=0.05)))


def test_one_step_is_the_policy_gradient_with_its_own_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a KL term the gradient is that of -A ln p over the answers' tokens, each answer by itself."""
    written: list[list[Completion]] = []

    def watched(*args: Any, **options: Any) -> list[list[Completion]]:
        written.extend(answers(*args, **options))
        return written

    monkeypatch.setattr(module, "answers", watched)
    args = replace(ARGS, steps=1, beta=0.0, kl_target=None, clip=1e9, lr=0.0)
    run = grpo(policy(), [POOL], starts_red, args)
    fresh = policy()
    total, tokens = torch.tensor(0.0), 0
    for record, group in zip(run.records, written, strict=True):
        prompt = tuple(fresh.engine.tokens(record.turns))
        for one, gain in zip(group, record.advantages, strict=True):
            row = sequences.Tokens(prompt, one.tokens)
            total = total - gain * sequences.answer_logprobs(fresh.model, [row], None)[0].sum()
            tokens += len(one.tokens)
    (total / tokens).backward()
    norm = torch.nn.utils.clip_grad_norm_(fresh.model.parameters(), 1e9)
    assert run.curve[0].gradient_norm == pytest.approx(float(norm), rel=1e-4)
    assert run.curve[0].length == pytest.approx(tokens / (ARGS.prompts * ARGS.samples))
    assert run.curve[0].distinct < 1  # so that some answers went through the model once for several


@pytest.mark.parametrize("change", [{"pass_tokens": 1}, {"pass_tokens": 10_000}])
def test_passes_of_any_size_give_the_same_training(change: dict[str, Any]) -> None:
    whole = grpo(policy(), [POOL], starts_red, replace(ARGS, steps=2))
    other = grpo(policy(), [POOL], starts_red, replace(ARGS, steps=2, **change))
    for one, two in zip(whole.curve, other.curve, strict=True):
        assert two.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-3)
        assert two.entropy == pytest.approx(one.entropy, rel=1e-3)


def test_each_pool_gives_its_share_of_every_batch_and_is_gone_through() -> None:
    seen: list[Conversation] = []

    def reward(conversations: Sequence[Conversation], texts: Sequence[str]) -> list[float]:
        seen.extend(conversations)
        return never(conversations, texts)

    grpo(policy(), [POOL, OTHERS[:3]], reward, replace(ARGS, steps=4, prompts=5))
    prompts = seen[:: ARGS.samples]
    assert [sum(turns in POOL for turns in prompts[i : i + 5]) for i in range(0, 20, 5)] == [3, 3, 3, 3]
    first, second = ([turns for turns in prompts if turns in pool] for pool in (POOL, OTHERS[:3]))
    assert set(first[:8]) == set(POOL) and set(second[:3]) == set(second[3:6]) == set(OTHERS[:3])


# --- frozen models -----------------------------------------------------------------------------------------


def test_a_preference_model_as_reward_keeps_its_weights_and_raises_what_it_prefers() -> None:
    labelled = [Pair(turns, f"red {word}", f"{word} blue", 1.0, "ai") for turns in POOL for word in WORDS[:6]]
    fitted, _ = preference(policy(1), labelled, PreferenceArgs(epochs=4, lr=1e-2, pairs=8))
    before = digest(fitted.model)
    start = policy()
    p_before = p_red(start)
    run = grpo(start, [POOL], preference_reward(fitted), replace(ARGS, steps=20, beta=0.01, kl_target=None))
    assert digest(fitted.model) == before
    assert run.curve[-1].reward > run.curve[0].reward and p_red(start) > p_before


def test_the_reference_is_the_start_whatever_training_does(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Policy] = []
    freeze = module.frozen

    def watched(start: Policy) -> Policy:
        kept.append(freeze(start))
        return kept[-1]

    monkeypatch.setattr(module, "frozen", watched)
    start = policy()
    before = digest(start.model)
    grpo(start, [POOL], starts_red, ARGS)
    (reference,) = kept
    assert digest(reference.model) == before != digest(start.model)


# --- checks on fixed prompts -------------------------------------------------------------------------------


def test_checks_come_at_the_start_every_so_many_steps_and_at_the_end() -> None:
    run = grpo(
        policy(), [POOL], starts_red, replace(ARGS, steps=5), fixed=OTHERS, benign=POOL, right=starts_red
    )
    assert [check.step for check in run.checks] == [0, 2, 4, 5]
    assert all(check.reward is not None and check.benign is not None for check in run.checks)


def test_training_stops_when_benign_answers_get_worse_and_ends_with_the_best_weights() -> None:
    """Benign answers are right unless they begin with red, which is what the reward wants everywhere."""

    def not_red(conversations: Sequence[Conversation], texts: Sequence[str]) -> list[float]:
        return [1 - one for one in starts_red(conversations, texts)]

    start, fixed, benign = policy(), OTHERS * 4, POOL * 4
    args = replace(ARGS, steps=60, lr=1e-2, beta=0.0, kl_target=None, check_every=1, benign_loss=0.1)
    run = grpo(start, [POOL], starts_red, args, fixed=fixed, benign=benign, right=not_red)
    assert run.stopped_early and len(run.curve) < 60
    limit = (run.checks[0].benign or 0) - 0.1
    assert [(check.benign or 0) < limit for check in run.checks[-2:]] == [True, True]
    kept = next(check for check in run.checks if check.step == run.kept_step)
    allowed = [check for check in run.checks if (check.benign or 0) >= limit]
    assert kept in allowed and kept.reward == max(check.reward or 0 for check in allowed)
    again = grpo(
        start, [POOL], starts_red, replace(args, steps=1, lr=0.0), fixed=fixed, benign=benign, right=not_red
    )
    assert again.checks[0].reward == kept.reward and again.checks[0].benign == kept.benign


def test_the_last_weights_are_kept_where_told_so() -> None:
    start = policy()
    run = grpo(start, [POOL], never, replace(ARGS, keep_best=False), fixed=OTHERS)
    assert run.kept_step == ARGS.steps


# --- records and interruption ------------------------------------------------------------------------------


def test_records_of_the_last_steps_hold_every_answer_and_survive_json() -> None:
    run = grpo(policy(), [POOL], starts_red, replace(ARGS, record_steps=2))
    assert [record.step for record in run.records] == [5] * 4 + [6] * 4
    for record in run.records:
        assert len(record.answers) == len(record.rewards) == len(record.advantages) == len(record.kl) == 6
        assert list(record.rewards) == starts_red([], record.answers)
        assert list(record.advantages) == pytest.approx(advantages([record.rewards], ARGS.std_floor)[0])
        assert GrpoRecord.of(json.loads(json.dumps(record.data()))) == record
    mean = np.mean([kl for record in run.records[-4:] for kl in record.kl])
    assert run.curve[-1].kl == pytest.approx(float(mean))


@pytest.mark.parametrize("after", [1, 3, 4])
def test_a_killed_run_resumes_to_the_same_curve_and_weights(after: int, tmp_path: Path) -> None:
    given_to = {"fixed": OTHERS, "benign": POOL, "right": starts_red}
    args = replace(ARGS, kl_target=0.01)
    whole = policy()
    run = grpo(whole, [POOL], starts_red, args, **given_to)
    keep = Keep(tmp_path, every_s=0, snapshot_every=3)
    with pytest.raises(Killed):
        grpo(policy(), [POOL], starts_red, args, keep=keep, progress=killed_after(after), **given_to)
    again = policy()
    assert grpo(again, [POOL], starts_red, args, keep=keep, **given_to) == run
    assert digest(again.model) == digest(whole.model)
    done = policy()
    assert grpo(done, [POOL], starts_red, args, keep=keep, **given_to) == run
    assert digest(done.model) == digest(whole.model)
    assert load(tmp_path / "snapshots" / "step-00006", "cpu").model is not None


def test_a_run_killed_before_its_first_state_starts_again(tmp_path: Path) -> None:
    run = grpo(policy(), [POOL], starts_red, ARGS)
    keep = Keep(tmp_path, every_s=3600)
    with pytest.raises(Killed):
        grpo(policy(), [POOL], starts_red, ARGS, keep=keep, progress=killed_after(2))
    assert not (tmp_path / "state.pt").exists()
    assert grpo(policy(), [POOL], starts_red, ARGS, keep=keep) == run


# --- input -------------------------------------------------------------------------------------------------


def test_prompts_without_room_for_an_answer_are_refused_before_the_first_step() -> None:
    with pytest.raises(BadInput, match="a prompt of 56 tokens leaves no room for an answer of 8") as found:
        grpo(policy(), [POOL, [user("how " * 52)]], never, replace(ARGS, max_tokens=8))
    assert found.value.remedy


@pytest.mark.parametrize(
    ("pools", "change", "problem"),
    [
        ([], {}, "no prompt"),
        ([POOL, []], {}, "a pool of prompts is empty"),
        ([POOL], {"samples": 1}, "too small"),
        ([POOL, OTHERS], {"prompts": 1}, "too small"),
    ],
)
def test_batches_that_cannot_be_made_are_refused(pools: Any, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        grpo(policy(), pools, never, replace(ARGS, **change))


def test_a_reward_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="finite number"):
        grpo(policy(), [POOL], lambda _, texts: [float("nan") for _ in texts], ARGS)


def test_answers_are_sampled_as_in_an_audit_whatever_the_training_mode() -> None:
    start = policy()
    first = answers(start, POOL, max_tokens=4)
    start.model.train()
    assert answers(start, POOL, max_tokens=4) == first and not start.model.training


# --- leave-one-out, and rules instead of models ------------------------------------------------------------


def test_a_leave_one_out_advantage_is_the_reward_less_the_mean_of_the_others() -> None:
    """1 - (3 + 8)/2, 3 - (1 + 8)/2, 8 - (1 + 3)/2; no standard deviation, and the group sums to 0."""
    found = leave_one_out([[1.0, 3.0, 8.0], [2.0, 2.0, 2.0]])
    assert found.tolist() == [[-4.5, -1.5, 6.0], [0.0, 0.0, 0.0]]


def test_the_leave_one_out_gradient_is_unbiased_and_that_of_the_group_is_not() -> None:
    """Three arms, p = softmax(0, 0, 1), rewards 0, 1, 5: all 27 groups of three, weighted by their probability.
    The gradient of the expected reward is p (r - p r); the group's mean shrinks it by 2/3."""
    p = np.exp([0.0, 0.0, 1.0]) / np.exp([0.0, 0.0, 1.0]).sum()
    r = np.array([0.0, 1.0, 5.0])
    score = np.eye(3) - p  # gradient of ln p of each arm
    exact, leave, group, whole = p * (r - p @ r), np.zeros(3), np.zeros(3), np.zeros(3)
    for drawn in itertools.product(range(3), repeat=3):
        chance, got = p[list(drawn)].prod(), r[list(drawn)][None]
        for gradient, gains in (
            (leave, leave_one_out(got)),
            (group, got - got.mean()),
            (whole, advantages(got, 0.0 if got.std() else 1.0)),
        ):
            gradient += chance * (gains[0] @ score[list(drawn)]) / 3
    assert leave == pytest.approx(exact, abs=1e-12)
    assert group == pytest.approx(exact * 2 / 3, abs=1e-12)
    assert np.abs(whole / exact - whole[0] / exact[0]).max() > 0.01  # not even in its direction


def test_one_step_with_leave_one_out_treats_an_answer_as_one_action(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient is that of -A ln p(answer), ln p the sum over its tokens, mean over answers."""
    written: list[list[Completion]] = []

    def watched(*args: Any, **options: Any) -> list[list[Completion]]:
        written.extend(answers(*args, **options))
        return written

    monkeypatch.setattr(module, "answers", watched)
    args = replace(ARGS, steps=1, baseline="leave-one-out", kl_target=None, clip=1e9, lr=0.0)
    run = grpo(policy(), [POOL], starts_red, args)
    fresh = policy()
    total, n = torch.tensor(0.0), ARGS.prompts * ARGS.samples
    for record, group in zip(run.records, written, strict=True):
        assert list(record.advantages) == pytest.approx(leave_one_out([record.rewards])[0].tolist(), abs=1e-6)
        prompt = tuple(fresh.engine.tokens(record.turns))
        for one, gain in zip(group, record.advantages, strict=True):
            row = sequences.Tokens(prompt, one.tokens)
            total = total - gain * sequences.answer_logprobs(fresh.model, [row], None)[0].sum() / n
    total.backward()
    norm = torch.nn.utils.clip_grad_norm_(fresh.model.parameters(), 1e9)
    assert run.curve[0].gradient_norm == pytest.approx(float(norm), rel=1e-4)


def test_a_rewarded_word_becomes_probable_with_leave_one_out() -> None:
    start = policy()
    args = replace(ARGS, steps=15, beta=0.01, kl_target=None, epochs=2, baseline="leave-one-out")
    grpo(start, [POOL], starts_red, args)
    assert p_red(start) > 0.8


def test_with_leave_one_out_the_kl_term_is_part_of_the_reward() -> None:
    args = replace(ARGS, steps=12, lr=1e-2, kl_target=None, baseline="leave-one-out")
    loose, held = (grpo(policy(), [POOL], starts_red, replace(args, beta=b)).curve[-1].kl for b in (0.0, 2.0))
    assert held < 0.5 * loose


def test_a_verifiable_reward_is_1_or_0_and_nothing_between() -> None:
    assert list(verifiable(starts_red)(POOL[:2], ["red", "blue"])) == [1.0, 0.0]
    assert list(verifiable(starts_red, lost=-1.0)(POOL[:2], ["red", "blue"])) == [1.0, -1.0]
    with pytest.raises(ValueError, match="1 for a right answer and 0"):
        verifiable(lambda _, texts: [0.5 for _ in texts])(POOL[:1], ["red"])


def test_a_policy_learns_from_a_rule_without_any_model() -> None:
    start = policy()
    before = p_red(start)
    grpo(start, [POOL], verifiable(starts_red), replace(ARGS, steps=12, beta=0.01, kl_target=None))
    assert p_red(start) > before + 0.2
