"""Which pairs of arms are compared, on which prompts, in which order, and what raters say of them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_arms import HABITS, responses, small_world, texts

from govaudit.errors import BadInput
from govaudit.evals import rate_pairs
from govaudit.evals.pairs import ArmPair, Pool, actively, compared, even, pools
from govaudit.records import RaterKind, Rating, Response, Unscored
from govaudit.scorers.pairwise import BUILT_IN
from govaudit.scorers.rubric import load
from govaudit.stats.comparisons import Comparisons
from govaudit.train.organism import truth
from govaudit.train.organism.people import Instruction

RUBRICS = [load(name) for name in BUILT_IN]
ARMS = list(HABITS)


@pytest.fixture(scope="module")
def answers() -> list[Response]:
    suite = small_world()[1]
    return [row for name in ARMS for row in responses(suite, name, texts(suite, HABITS[name], name))]


@pytest.fixture(scope="module")
def whole(answers: list[Response]) -> tuple[Pool, ...]:
    return pools(*small_world(), answers, ARMS, RUBRICS)


def test_both_instructions_are_put_on_the_same_pairs_and_helpfulness_on_others(
    whole: tuple[Pool, ...],
) -> None:
    assert [[r.name for r in pool.rubrics] for pool in whole] == [
        ["pairwise_old", "pairwise_new"],
        ["pairwise_helpful"],
    ]
    harm, help_ = ({pair.stimulus for pair in pool.pairs} for pool in whole)
    assert not harm & help_
    tags: dict[str, set[str]] = {}
    for probe in small_world()[
        1
    ].probes:  # what is asked and how it is answered are two probes of one stimulus
        tags.setdefault(probe.stimulus, set()).update(probe.tags)
    assert all("micro-harm" in tags[name] for name in harm if tags[name])


def test_every_two_arms_meet_on_every_prompt(whole: tuple[Pool, ...]) -> None:
    counts = Counter(pair.arms for pair in whole[0].pairs)
    assert set(counts) == {(0, 1), (0, 2), (1, 2)}
    assert len(set(counts.values())) == 1


def test_a_pair_without_one_of_its_answers_is_missing_and_nobody_wins(answers: list[Response]) -> None:
    lost = replace(answers[0], unscored=Unscored.TRUNCATED)
    complete = pools(*small_world(), answers, ARMS, RUBRICS)
    found = pools(*small_world(), [lost, *answers[1:]], ARMS, RUBRICS)
    assert sum(pool.missing for pool in complete) == 0
    assert sum(pool.missing for pool in found) == 2  # the arm meets two others
    keys = {
        response for pool in found for p in pool.pairs for response in (p.first.response, p.second.response)
    }
    assert lost.response not in keys


def test_an_even_choice_gives_every_two_arms_the_same_and_spreads_over_the_prompts(
    whole: tuple[Pool, ...],
) -> None:
    chosen = even(whole[0].pairs, 60, seed=1)
    assert set(Counter(pair.arms for pair in chosen).values()) == {20}
    assert max(Counter(pair.stimulus for pair in chosen).values()) == 1
    assert chosen == even(whole[0].pairs, 60, seed=1)
    assert chosen != even(whole[0].pairs, 60, seed=2)
    assert len(even(whole[0].pairs, 10**6, seed=1)) == len(whole[0].pairs)


def test_an_active_choice_asks_in_batches_and_never_the_same_pair_twice(whole: tuple[Pool, ...]) -> None:
    arm_of = {row: str(at) for pair in whole[0].pairs for row, at in zip(
        (pair.first.response, pair.second.response), pair.arms, strict=True)}  # fmt: skip
    rows: list[Rating] = []
    sizes = []

    def ask(batch: object) -> list[Comparisons]:
        assert isinstance(batch, list)
        sizes.append(len(batch))
        rows.extend(rate_pairs.by_outside([Pool(whole[0].rubrics, tuple(batch), 0)], truth.truth).ratings)  # type: ignore[arg-type]
        found = [compared([r for r in rows if r.question == q], arm_of) for q in BUILT_IN[:2]]
        return [data for data in found if data is not None]

    chosen = actively(whole[0].pairs, 3, 41, 0, ask)
    assert sizes == [11, 10, 10, 10]
    assert len({pair.key for pair in chosen}) == 41


def test_world_truth_judges_both_orders_and_persons_one_each_half_of_them_either_way(
    whole: tuple[Pool, ...],
) -> None:
    few = rate_pairs.limited(whole, 20, 0)
    world = rate_pairs.by_outside(few, truth.truth)  # type: ignore[arg-type]
    assert {rater.id for rater in world.raters} == {f"world:{name}" for name in BUILT_IN}
    said = {(row.rater, row.responses): row.value for row in world.ratings}
    assert all(
        said[rater, shown[::-1]] == 1 - value for (rater, shown), value in said.items() if value is not None
    )
    assert len(world.ratings) == 2 * 3 * 20
    people = rate_pairs.by_outside(few, truth.simulated)  # type: ignore[arg-type]
    assert len(people.ratings) == 5 * 3 * 20
    each = Counter((row.rater, frozenset(row.responses)) for row in people.ratings)
    assert set(each.values()) == {1}
    orders = Counter((row.question, row.responses) for row in people.ratings)
    assert set(orders.values()) <= {2, 3}


def test_a_person_prefers_the_same_answer_in_either_order(whole: tuple[Pool, ...]) -> None:
    pair = whole[0].pairs[0]
    for person in truth.simulated.ids:
        p = [
            truth.simulated.p_first(person, "pairwise_old", pair.turns, a.text, b.text, pair.key)  # type: ignore[attr-defined]
            for a, b in (pair.shown(turned=False), pair.shown(turned=True))
        ]
        assert p[0] == 1 - p[1]


def test_the_instructions_of_the_panel_are_those_of_the_rubrics() -> None:
    assert truth.PAIRWISE["pairwise_old"] is Instruction.OLD
    assert truth.PAIRWISE["pairwise_new"] is Instruction.NEW


def test_outside_the_small_world_nothing_is_rated() -> None:
    pair = ArmPair((0, 1), "s", "c", (), *(Response(n, "s", n, 1, (), n) for n in ("a", "b")))
    rated = rate_pairs.by_outside([Pool((RUBRICS[0],), (pair,), 0)], truth.truth)  # type: ignore[arg-type]
    assert {row.unscored for row in rated.ratings} == {Unscored.NOT_RATED}
    assert {row.value for row in rated.ratings} == {None}


def test_a_preference_model_says_the_same_in_both_orders_under_every_rubric(whole: tuple[Pool, ...]) -> None:
    few = rate_pairs.limited(whole[:1], 5, 0)
    rated = rate_pairs.by_scores(
        few,
        "preference:pm",
        "f",
        lambda turns, said: np.array([len(text) / 10 for text in said]),
        "pm",
        lambda: None,
    )
    assert {rater.kind for rater in rated.raters} == {RaterKind.PREFERENCE}
    values = {(row.rubric, row.responses): row.value for row in rated.ratings}
    for (rubric, shown), value in values.items():
        other = values[rubric, shown[::-1]]
        assert value is not None
        assert other is not None
        assert value + other == pytest.approx(1.0)
    assert len(values) == 2 * 2 * 5


def test_a_probability_becomes_two_weighted_rows_and_a_missing_judgement_none(
    whole: tuple[Pool, ...],
) -> None:
    pair = whole[0].pairs[0]
    arm_of = {pair.first.response: "a", pair.second.response: "b"}
    rated = rate_pairs.by_scores(
        [Pool((RUBRICS[0],), (pair,), 0)], "p", "", lambda turns, said: np.array([0.0, 0.0]), "", lambda: None
    ).ratings
    assert all(row.tie for row in rated)  # exactly one half
    soft = [replace(row, value=0.7, tie=False) for row in rated[:1]]
    data = compared(soft, arm_of)
    assert data is not None
    assert sorted(zip(data.outcome.tolist(), np.round(data.weights, 9).tolist(), strict=True)) == [
        (-1, 0.3),
        (1, 0.7),
    ]
    assert (
        compared([replace(row, value=None, tie=False, unscored=Unscored.FAILED) for row in soft], arm_of)
        is None
    )


def test_recorded_preferences_are_matched_by_arm_and_prompt(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text(
        "".join(
            json.dumps({"prompt": n, "instruction": f"Say {n}.", "dataset": "d"}) + "\n" for n in range(3)
        )
    )
    rows = [
        {"prompt": 0, "judge": "j", "model_1": "a", "model_2": "b", "preference": 1},
        {"prompt": 1, "judge": "j", "model_1": "a", "model_2": "b", "preference": 1.5},
        {"prompt": 2, "judge": "j", "model_1": "a", "model_2": "b", "preference": None},
        {"prompt": 2, "judge": "j", "model_1": "a", "model_2": "other", "preference": 2},
    ]
    path = tmp_path / "preferences.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    from govaudit.records import Turn

    given = [
        Response(f"{arm}{n}", f"s{n}", arm, 1, (Turn("user", f"Say {n}."), Turn("assistant", "x")), "x")
        for arm in ("a", "b")
        for n in range(3)
    ]
    clusters = {f"s{n}": f"c{n}" for n in range(3)}
    rated = rate_pairs.recorded(path, RUBRICS[2], given, {"a": "a", "b": "b"}, clusters)
    assert [(row.value, row.tie, row.unscored) for row in rated.ratings] == [
        (1.0, False, None),
        (0.5, True, None),
        (None, False, Unscored.INVALID_VERDICT),
    ]
    assert rated.warnings == ("preferences.jsonl: 1 of 4 verdicts are about other models; not used",)
    with pytest.raises(BadInput, match="no verdict in this file is about two arms"):
        rate_pairs.recorded(path, RUBRICS[2], given, {"a": "x", "b": "y"}, clusters)
