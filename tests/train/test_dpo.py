"""Direct preference optimisation: its loss, what it recovers, where it stays, interruption."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tiny import WORDS, Killed, killed_after, policy, user  # noqa: E402

from govaudit.errors import BadInput  # noqa: E402
from govaudit.train import sequences  # noqa: E402
from govaudit.train.dpo import DpoArgs, dpo, start_logprobs  # noqa: E402
from govaudit.train.loop import Keep  # noqa: E402
from govaudit.train.policy import Pair, Policy, digest, load  # noqa: E402

ARGS = DpoArgs(epochs=2, pairs=8, lr=5e-3, pass_tokens=200)
STRENGTH = {"red": 1.5, "green": 0.5, "blue": -0.5, "one": -1.5}
"""Log-odds of the planted model: P(red before blue) = sigmoid(1.5 + .5)."""


def planted(prompts: int = 8) -> list[Pair]:
    """All pairs of the words, with the probability of Bradley and Terry as label."""
    return [
        Pair(user(f"{word} ?"), a, b, 1 / (1 + math.exp(STRENGTH[b] - STRENGTH[a])), "ai")
        for word in WORDS[:prompts]
        for a, b in combinations(STRENGTH, 2)
    ]


def log_ratios(now: Policy, start: Policy, text: str = "red ?") -> dict[str, float]:
    """ln p(answer) under the policy less that under its start, end token included."""
    rows = sequences.tokens_of(start.engine, [user(text)] * len(STRENGTH), list(STRENGTH))
    found = start_logprobs(now, [(row, row) for row in rows]) - start_logprobs(
        start, [(row, row) for row in rows]
    )
    return dict(zip(STRENGTH, found[:, 0].tolist(), strict=True))


def test_the_loss_is_the_formula() -> None:
    """-p ln s(beta d) - (1 - p) ln s(-beta d), d the difference of log-ratios to the start; at the start it is
    ln 2, and one step later what the weights then say."""
    pairs = planted(1)
    trained, start = policy(), policy()
    curve = dpo(trained, pairs, replace(ARGS, epochs=2, pairs=len(pairs), lr=1e-2, beta=0.7, warmup=0.0))
    assert curve[0].loss == pytest.approx(math.log(2), abs=1e-6)
    assert curve[0].better == pytest.approx(0, abs=1e-5) and curve[0].worse == pytest.approx(0, abs=1e-5)
    once = policy()
    dpo(once, pairs, replace(ARGS, epochs=1, pairs=len(pairs), lr=1e-2, beta=0.7, warmup=0.0))
    rows = [
        tuple(sequences.tokens_of(start.engine, [pair.turns] * 2, [pair.first, pair.second]))
        for pair in pairs
    ]
    ratios = (start_logprobs(once, rows) - start_logprobs(start, rows)).double().numpy()  # type: ignore[arg-type]
    by_hand = np.mean(
        [
            pair.p_first * math.log1p(math.exp(-0.7 * d)) + (1 - pair.p_first) * math.log1p(math.exp(0.7 * d))
            for pair, d in zip(pairs, ratios[:, 0] - ratios[:, 1], strict=True)
        ]
    )
    assert curve[1].loss == pytest.approx(float(by_hand), abs=1e-5)
    assert curve[1].better > curve[1].worse and curve[1].accuracy == 1


def test_a_planted_order_is_recovered_with_its_strengths() -> None:
    """Beta times the log-ratios are the planted log-odds, up to a constant (Rafailov et al. 2023, eq. 5)."""
    trained = policy()
    dpo(trained, planted(2), replace(ARGS, epochs=40, lr=1e-2, pairs=12, beta=1.0))
    found = log_ratios(trained, policy())
    assert sorted(found, key=found.__getitem__, reverse=True) == list(STRENGTH)
    centred = np.array(list(found.values())) - np.mean(list(found.values()))
    assert centred == pytest.approx(np.array(list(STRENGTH.values())), abs=0.25)


def test_the_policy_stays_at_its_start_as_beta_grows() -> None:
    """The log-ratios that the labels ask for are their log-odds over beta."""
    moved = []
    for beta in (1.0, 4.0, 16.0):
        trained = policy()
        dpo(trained, planted(2), replace(ARGS, epochs=40, pairs=12, beta=beta))
        found = list(log_ratios(trained, policy()).values())
        moved.append(max(found) - min(found))
    assert moved == pytest.approx([3.0, 3.0 / 4, 3.0 / 16], rel=0.25)


def test_labels_of_one_half_ask_for_nothing() -> None:
    pairs = [replace(pair, p_first=0.5) for pair in planted(2)]
    curve = dpo(policy(), pairs, replace(ARGS, lr=0.0))
    assert curve[0].gradient_norm == pytest.approx(0, abs=1e-6) and curve[0].accuracy is None


def test_passes_of_any_size_give_the_same_training() -> None:
    curves = [dpo(policy(), planted(3), replace(ARGS, pass_tokens=size)) for size in (1, 10_000)]
    for one, two in zip(*curves, strict=True):
        assert two.loss == pytest.approx(one.loss, abs=1e-5)
        assert two.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-3)


@pytest.mark.parametrize("after", [1, 4])
def test_a_killed_run_resumes_to_the_same_losses_and_weights(after: int, tmp_path: Path) -> None:
    whole = policy()
    curve = dpo(whole, planted(2), ARGS)
    keep = Keep(tmp_path, every_s=0, snapshot_every=3)
    with pytest.raises(Killed):
        dpo(policy(), planted(2), ARGS, keep=keep, progress=killed_after(after))
    again = policy()
    assert dpo(again, planted(2), ARGS, keep=keep) == curve
    assert digest(again.model) == digest(whole.model)
    assert load(tmp_path / "snapshots" / "step-00003", "cpu").model is not None
    with pytest.raises(BadInput, match="other arguments, data or start weights"):
        dpo(policy(), planted(3), ARGS, keep=keep)


@pytest.mark.parametrize(
    ("pairs", "beta", "problem"),
    [
        ([], 0.1, "no pair"),
        ([Pair(user("how"), "red", "blue", 1.5, "ai")], 0.1, "label of pair 0 is 1.5"),
        ([Pair(user("how"), "red", "blue", 1.0, "ai")], 0.0, "beta is 0"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(pairs: list[Pair], beta: float, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        dpo(policy(), pairs, replace(ARGS, beta=beta))
