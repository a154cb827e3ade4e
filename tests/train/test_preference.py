"""The preference model: its loss, where it reads its score, padding, sources of labels, gauges."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tiny import WORDS, Killed, killed_after, policy, user  # noqa: E402

from govaudit.errors import BadInput, StatisticsError  # noqa: E402
from govaudit.models import untrained  # noqa: E402
from govaudit.train import sequences  # noqa: E402
from govaudit.train.loop import Keep  # noqa: E402
from govaudit.train.policy import Pair, Policy, digest, frozen, load, save  # noqa: E402
from govaudit.train.preference import (  # noqa: E402
    PreferenceArgs,
    PreferenceModel,
    Ranking,
    from_base,
    gauge,
    load_preference,
    pair_losses,
    pooled_scores,
    preference,
    scores,
    split_half,
)

ARGS = PreferenceArgs(epochs=2, pairs=8, lr=1e-2, pass_tokens=200)


def pairs(n: int, seed: int = 0, source: str = "ai") -> list[Pair]:
    """The answer with "red" in it is better with probability .9; otherwise alike."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        other = " ".join(rng.choice(WORDS[3:], rng.integers(1, 6)))
        prompt = user(" ".join(rng.choice(WORDS, rng.integers(1, 8))))
        with_red = f"{other} red"
        if rng.random() < 0.5:
            found.append(Pair(prompt, with_red, other, 0.9, source))
        else:
            found.append(Pair(prompt, other, with_red, 0.1, source))
    return found


def scattered(base: Policy | None = None) -> PreferenceModel:
    """A preference model whose last layer is random: scores lie within about 1 of 0."""
    fitted = from_base(base or policy())
    torch.nn.init.normal_(fitted.model.score.weight, std=0.05, generator=torch.Generator().manual_seed(1))
    return fitted


def test_the_loss_on_soft_labels_is_the_formula() -> None:
    """-(.8 ln s(.5) + .2 ln s(-.5)) and so on, s(x) = 1 / (1 + e^-x), worked out by hand."""
    losses = pair_losses(torch.tensor([0.5, -2.0, 0.0, 3.0]), torch.tensor([0.8, 0.3, 0.5, 1.0]))
    by_hand = [0.8 * 0.474077 + 0.2 * 0.974077, 0.3 * 2.126928 + 0.7 * 0.126928, math.log(2), 0.048587]
    assert losses.tolist() == pytest.approx(by_hand, abs=1e-6)


def test_the_loss_is_least_where_the_difference_is_the_label_s_log_odds() -> None:
    difference = torch.linspace(-6, 6, 2401)
    for p in (0.1, 0.5, 0.8):
        losses = pair_losses(difference, torch.full_like(difference, p))
        assert float(difference[losses.argmin()]) == pytest.approx(math.log(p / (1 - p)), abs=0.01)


def test_a_preference_model_starts_with_its_base_and_finds_all_answers_equal() -> None:
    base = policy()
    before = digest(base.model)
    fitted = from_base(base)
    assert digest(fitted.model.base_model) == digest(base.model.base_model)
    assert (scores(fitted.model, fitted.tokenizer, [user("how")] * 2, ["red", "blue blue"]) == 0).all()
    _, curve = preference(base, pairs(16), ARGS)
    assert curve[0].loss == pytest.approx(math.log(2), abs=1e-6)
    assert digest(base.model) == before


@pytest.mark.parametrize(("bits", "error"), [(32, 1e-6), (64, 1e-12)])
@pytest.mark.parametrize("pad", ["<|pad|>", None])
@pytest.mark.parametrize("left", [True, False])
def test_a_score_in_a_batch_is_the_score_alone_on_either_side_of_padding(
    left: bool, pad: str | None, bits: int, error: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = scattered(policy(pad=pad))
    if bits == 64:
        fitted.model.double()
        monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    given = pairs(30)
    rows = sequences.tokens_of(fitted.engine, [pair.turns for pair in given], [pair.first for pair in given])
    assert len({len(row) for row in rows}) > 5
    device = torch.device("cpu")
    with torch.no_grad():
        ids, mask = sequences.padded(
            [row.ids for row in rows], fitted.tokenizer.pad_token_id, device, left=left
        )
        together = pooled_scores(fitted.model, ids, mask)
        alone = torch.cat(
            [pooled_scores(fitted.model, *sequences.padded([row.ids], None, device)) for row in rows]
        )
    assert float(alone.std()) > 0.1
    assert torch.allclose(together, alone, atol=error, rtol=0)


def test_the_score_is_read_at_the_token_that_ends_the_answer() -> None:
    fitted = scattered()
    (row,) = sequences.tokens_of(fitted.engine, [user("how ?")], ["red"])
    with torch.no_grad():
        hidden = fitted.model.base_model(torch.tensor([row.ids])).last_hidden_state
        expected = float(fitted.model.score(hidden)[0, -1, 0])
    (score,) = scores(fitted.model, fitted.tokenizer, [user("how ?")], ["red"])
    assert row.ids[-1] == fitted.tokenizer.eos_token_id
    assert score == pytest.approx(expected, abs=1e-6)


def test_transformers_reads_the_same_score_where_padding_is_told_apart() -> None:
    fitted = scattered()
    turns, answers = [user("how ?"), user("what is the red ?")], ["red", "a blue one"]
    rows = [row.ids for row in sequences.tokens_of(fitted.engine, turns, answers)]
    ids, mask = sequences.padded(rows, fitted.tokenizer.pad_token_id, torch.device("cpu"), left=False)
    with torch.no_grad():
        theirs = fitted.model(input_ids=ids, attention_mask=mask).logits[:, 0]
    assert scores(fitted.model, fitted.tokenizer, turns, answers) == pytest.approx(theirs.numpy(), abs=1e-6)


def test_scores_work_where_the_end_token_is_the_padding(tmp_path: Path) -> None:
    """As in many real checkpoints; here of byte-level pairs, without a padding token of its own."""
    base = load(untrained.build(tmp_path), "cpu")
    assert base.tokenizer.pad_token_id == base.tokenizer.eos_token_id
    fitted = scattered(base)
    turns = [user("How do I learn it?"), user("Why?"), user("Why?")]
    answers = ["With time, and with help.", "So.", "So!"]
    together = scores(fitted.model, fitted.tokenizer, turns, answers)
    alone = [scores(fitted.model, fitted.tokenizer, [t], [a])[0] for t, a in zip(turns, answers, strict=True)]
    assert together == pytest.approx(alone, abs=1e-6) and len(set(together.round(5))) == 3


def test_scores_follow_the_order_of_what_is_asked_and_equal_answers_are_equal() -> None:
    fitted = scattered()
    turns = [user("how ?"), user("what ?"), user("how ?"), user("how ?")]
    found = scores(fitted.model, fitted.tokenizer, turns, ["red", "red", "blue", "red"])
    assert found.shape == (4,) and found[0] == found[3] and len(set(found[:3])) == 3
    back = scores(fitted.model, fitted.tokenizer, turns[::-1], ["red", "blue", "red", "red"])
    assert back[::-1] == pytest.approx(found, abs=1e-6)


def test_a_preference_model_learns_what_labels_say_and_how_sure_they_are() -> None:
    fitted, curve = preference(policy(), pairs(200), replace(ARGS, epochs=6))
    held_out = pairs(100, seed=1)
    found = gauge(fitted, held_out)
    assert found.all.low > 0.85 and found.ties == 0
    turns = [pair.turns for pair in held_out]
    first = scores(fitted.model, fitted.tokenizer, turns, [pair.first for pair in held_out])
    second = scores(fitted.model, fitted.tokenizer, turns, [pair.second for pair in held_out])
    sure = np.median(np.abs(first - second))
    assert 1.2 < sure < 3.5  # ln(.9 / .1) = 2.2
    assert curve[-1].accuracy == 1.0 and curve[-1].loss < 0.45


def test_each_source_of_labels_has_its_own_loss_and_gauge() -> None:
    given = pairs(40, source="ai") + pairs(20, seed=2, source="people")
    fitted, curve = preference(policy(), given, ARGS)
    assert {source for row in curve for source in row.loss_by_source} == {"ai", "people"}
    for row in curve:
        assert min(row.loss_by_source.values()) <= row.loss <= max(row.loss_by_source.values())
    tie = Pair(user("how"), "red", "blue", 0.5, "ai")
    found = gauge(fitted, [*given, tie])
    assert found.ties == 1 and found.all.n == 60
    assert {source: rate.n for source, rate in found.by_source.items()} == {"ai": 40, "people": 20}
    with pytest.raises(StatisticsError):
        gauge(fitted, [tie])


def test_equal_scores_count_as_wrong() -> None:
    assert gauge(from_base(policy()), pairs(20)).all.rate == 0


def test_passes_of_any_size_give_the_same_training() -> None:
    given = pairs(24)
    losses = [
        [row.loss for row in preference(policy(), given, replace(ARGS, pass_tokens=size))[1]]
        for size in (1, 100, 100_000)
    ]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4) and losses[2] == pytest.approx(losses[0], abs=1e-4)


def test_a_killed_run_resumes_to_the_same_losses_and_weights(tmp_path: Path) -> None:
    given, keep = pairs(40), Keep(tmp_path, every_s=0)
    whole, curve = preference(policy(), given, ARGS)
    with pytest.raises(Killed):
        preference(policy(), given, ARGS, keep=keep, progress=killed_after(4))
    again, resumed = preference(policy(), given, ARGS, keep=keep)
    assert resumed == curve and digest(again.model) == digest(whole.model)
    turned = [replace(given[0], p_first=1 - given[0].p_first), *given[1:]]
    with pytest.raises(BadInput, match="other arguments"):
        preference(policy(), turned, ARGS, keep=keep)


def test_split_halves_agree_where_labels_can_be_learnt(tmp_path: Path) -> None:
    given, held_out = pairs(120), pairs(60, seed=1)
    args, keep = replace(ARGS, epochs=5), Keep(tmp_path)
    base = policy()
    found = split_half(base, given, held_out, args, keep=keep)
    assert found.agreement.low > 0.8 and found.pairs == 60
    assert found.correlation.value is not None and found.correlation.low is not None
    assert found.correlation.low > 0.7 and found.correlation.low < found.correlation.value <= 1
    assert all(one.all.rate > 0.9 for one in found.accuracy)
    assert digest(found.models[0].model) != digest(found.models[1].model)
    assert split_half(base, given, held_out, args, keep=keep) == found


def test_split_halves_of_noise_do_not_agree() -> None:
    rng = np.random.default_rng(5)
    noise = [replace(pair, p_first=float(rng.integers(2))) for pair in pairs(120)]
    found = split_half(policy(), noise, pairs(100, seed=1), replace(ARGS, epochs=4, lr=3e-3))
    assert found.accuracy[0].all.rate < 0.85 and found.accuracy[1].all.rate < 0.85
    assert found.correlation.value is not None and found.correlation.value < 0.8


def test_the_correlation_is_pearsons() -> None:
    given = pairs(60)
    found = split_half(policy(), given, pairs(30, seed=1), ARGS)
    held_out = pairs(30, seed=1)
    differences = []
    for fitted in found.models:
        turns = [pair.turns for pair in held_out]
        first = scores(fitted.model, fitted.tokenizer, turns, [pair.first for pair in held_out])
        second = scores(fitted.model, fitted.tokenizer, turns, [pair.second for pair in held_out])
        differences.append(first - second)
    assert found.correlation.value == pytest.approx(float(np.corrcoef(*differences)[0, 1]), abs=1e-6)


def test_halves_split_whole_conversations() -> None:
    one = [replace(pair, turns=user("how ?")) for pair in pairs(6)]
    with pytest.raises(BadInput, match="two conversations"):
        split_half(policy(), one, one, ARGS)


def test_a_saved_preference_model_loads_and_scores_the_same(tmp_path: Path) -> None:
    fitted, _ = preference(policy(), pairs(16), ARGS)
    loaded = load_preference(save(fitted.model, fitted.tokenizer, tmp_path / "pm"), "cpu")
    given = pairs(10, seed=3)
    asked: tuple[Any, Any] = ([pair.turns for pair in given], [pair.first for pair in given])
    assert (
        scores(loaded.model, loaded.tokenizer, *asked) == scores(fitted.model, fitted.tokenizer, *asked)
    ).all()


def test_a_policy_is_not_taken_for_a_preference_model(tmp_path: Path) -> None:
    start = policy()
    folder = save(start.model, start.tokenizer, tmp_path / "policy")
    with pytest.raises(BadInput, match="no preference model"):
        load_preference(folder, "cpu")


def test_labels_outside_0_and_1_and_no_labels_are_refused() -> None:
    with pytest.raises(BadInput, match=r"label of pair 1 is 1\.5"):
        preference(policy(), [pairs(1)[0], replace(pairs(1)[0], p_first=1.5)])
    with pytest.raises(BadInput, match="no pair"):
        preference(policy(), [])


def test_scoring_changes_no_weight() -> None:
    fitted = scattered()
    before = digest(fitted.model)
    gauge(fitted, pairs(10))
    assert digest(fitted.model) == before and not fitted.model.training
    assert digest(frozen(policy()).model) == digest(policy().model)


# --- rankings ----------------------------------------------------------------------------------------------


def ranking(answers: tuple[str, ...], places: tuple[int, ...], text: str = "how") -> Ranking:
    return Ranking(user(text), answers, places, "ai")


def test_a_ranking_is_its_pairs_and_a_tie_is_one_half() -> None:
    pairs = ranking(("red", "blue", "one two"), (2, 1, 2)).pairs
    assert [(pair.first, pair.second, pair.p_first) for pair in pairs] == [
        ("red", "blue", 0.0),
        ("red", "one two", 0.5),
        ("blue", "one two", 1.0),
    ]


@pytest.mark.parametrize("k", [2, 4, 7])
def test_the_loss_of_a_ranking_is_the_sum_of_its_pairs_over_their_number(k: int) -> None:
    """Ouyang et al. 2022, eq. 1: -1/C(K,2) sum of ln s(r_better - r_worse), with the gradient of that."""
    one = ranking(tuple(f"{word} {WORDS[-i]}" for i, word in enumerate(WORDS[:k])), tuple(range(1, k + 1)))
    args = replace(ARGS, epochs=6, pairs=1)
    _, curve = preference(policy(), [one], args)
    _, of_pairs = preference(policy(), one.pairs, replace(args, pairs=math.comb(k, 2)))
    assert len(curve) == len(of_pairs) == 6 and curve[-1].loss < 0.9 * math.log(2)
    for step, pairwise in zip(curve, of_pairs, strict=True):
        assert pairwise.loss == pytest.approx(step.loss, abs=1e-5)
        assert pairwise.gradient_norm == pytest.approx(step.gradient_norm, rel=1e-3)
        assert pairwise.accuracy == pytest.approx(step.accuracy)


def test_a_ranking_counts_as_much_as_a_pair_whatever_its_length() -> None:
    long = ranking(("red", "blue", "one", "two", "three"), (1, 2, 3, 4, 5))
    pair = Pair(user("what"), "green", "a", 0.7, "people")
    _, curve = preference(policy(), [long, pair], replace(ARGS, epochs=3, pairs=2))
    for step in curve:
        assert step.loss == pytest.approx(np.mean(list(step.loss_by_source.values())))


def test_a_ranking_is_learnt_in_its_order() -> None:
    words = ("red", "blue", "one", "two")
    given = [ranking(words, (1, 2, 3, 4), text) for text in WORDS]
    fitted, curve = preference(policy(), given, replace(ARGS, epochs=8))
    found = scores(fitted.model, fitted.tokenizer, [user("how")] * 4, words)
    assert list(np.argsort(-found)) == [0, 1, 2, 3] and curve[-1].accuracy == 1


@pytest.mark.parametrize("places", [(1,), (1, 2, 3)])
def test_rankings_without_a_place_for_each_answer_are_refused(places: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="ranking 0 has 2 answers"):
        preference(policy(), [ranking(("red", "blue"), places)], ARGS)
