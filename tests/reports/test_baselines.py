"""Gaps of trained arms to prompted ones, and ablations, on runs whose rates are planted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from govaudit import library
from govaudit.records import Measure, Rating, Response, Scale, response_id
from govaudit.reports import baselines
from govaudit.reports.baselines import ALL, BaselinesPart
from govaudit.reports.manifest import Decider, PlannedArm
from govaudit.specs.load import load_spec
from reports import ran

SPEC = load_spec(library.find_spec("micro-world")).spec
CLAUSES = ("no-harm", "engage", "no-boilerplate")
BASE = {"weights": {"model.safetensors": "b" * 64}}


def planned(
    name: str,
    *,
    told: tuple[str, ...] = (),
    revise: bool = False,
    critique: tuple[str, ...] = (),
    instruction: str | None = None,
) -> PlannedArm:
    """An arm of the base: plain, prompted with clauses, or trained under critique principles."""
    trained = bool(critique or instruction)
    lineage = {
        "recipe": "rl-cai",
        "base": {"model.safetensors": "b" * 64},
        "constitution": {"critique": dict.fromkeys(critique, 1.0)},
        **({"instruction": instruction} if instruction else {}),
    }
    return PlannedArm(
        name=name,
        digest=name,
        model=f"govaudit/{name}",
        settings={
            "temperature": 1.0,
            "constitution": list(told),
            "revise": [{"critique": "?", "revision": "!"}] if revise else [],
        },
        fingerprint={"weights": {"model.safetensors": name[0] * 64}} if trained else BASE,
        system_digest="s" if told else None,
        lineage=lineage if trained else {},
    )


def made(
    arms: Mapping[PlannedArm, Mapping[str, float]] | list[tuple[PlannedArm, Mapping[str, float]]],
    n: int = 200,
    seed: int = 0,
    request: dict[str, object] | None = None,
) -> BaselinesPart | None:
    """A run in which each arm breaks each clause with its own probability, item by item."""
    rows = list(arms.items()) if isinstance(arms, Mapping) else arms
    plan = ran.planned(
        *(arm for arm, _ in rows),
        deciding={clause: Decider(Measure.GENERATION, "world:x") for clause in CLAUSES},
        request=request or {},
    )
    rng = np.random.default_rng(seed)
    responses, ratings = [], []
    for clause in CLAUSES:
        luck = rng.random(n)
        for arm, rates in rows:
            for item in range(n):
                stimulus = f"{clause}-{item}"
                identity = response_id(stimulus, arm.digest, 1)
                responses.append(Response(identity, stimulus, arm.digest, 1, (), "so"))
                ratings.append(
                    Rating(
                        rating=f"{identity}-{clause}",
                        rubric="micro-world",
                        rater="world:x",
                        question=clause,
                        responses=(identity,),
                        clause=clause,
                        measure=Measure.GENERATION,
                        scale=Scale.BINARY,
                        value=float(luck[item] < rates.get(clause, 0.05)),
                        cluster=stimulus,
                    )
                )
    return baselines.section(ran.tables(None, plan, responses, ratings, spec=SPEC))


PLAIN = planned("base")
PROMPTED = planned("base+spec", told=CLAUSES)
REVISED = planned("base+spec+revise", told=CLAUSES, revise=True)
TRAINED = planned("trained", critique=("critique-harm", "critique-evasion", "critique-boilerplate"))


def found(rows: list[tuple[PlannedArm, Mapping[str, float]]], **more: object) -> BaselinesPart:
    part = made(rows, **more)  # type: ignore[arg-type]
    assert part is not None
    return part


def test_training_was_needed_where_the_gap_to_every_prompted_baseline_excludes_zero() -> None:
    part = found(
        [(PLAIN, {"no-harm": 0.95}), (PROMPTED, {"no-harm": 0.7}), (REVISED, {"no-harm": 0.6}), (TRAINED, {})]
    )
    (need,) = part.needs
    assert need.reading == "needed"
    assert set(need.baselines) == {"base+spec", "base+spec+revise"}
    (claim,) = (c for c in baselines.show(part).claims if "needed" in c)
    assert claim.startswith("Training was needed")


def test_one_prompted_baseline_that_does_as_well_is_enough_not_to_say_so() -> None:
    part = found([(PLAIN, {"no-harm": 0.9}), (PROMPTED, {"no-harm": 0.7}), (REVISED, {}), (TRAINED, {})])
    assert [need.reading for need in part.needs] == ["not shown"]
    claims = baselines.show(part).claims
    assert not any(claim.startswith("Training was needed") for claim in claims)
    assert any("no gap to every prompted baseline is shown" in claim for claim in claims)


def test_an_arm_that_training_made_worse_is_said_to_be() -> None:
    part = found([(PLAIN, {}), (PROMPTED, {}), (TRAINED, {"engage": 0.9})])
    assert [need.reading for need in part.needs] == ["worse"]


def test_without_a_prompted_arm_nothing_is_said_of_need() -> None:
    part = found([(PLAIN, {"no-harm": 0.9}), (TRAINED, {})])
    assert [need.reading for need in part.needs] == ["no baseline"]


def test_gaps_are_paired_and_have_their_planted_size() -> None:
    part = found([(PLAIN, {"no-harm": 0.95}), (PROMPTED, {"no-harm": 0.6}), (TRAINED, {"no-harm": 0.05})])
    (gap,) = (g for g in part.gaps if (g.arm, g.baseline, g.clause) == ("trained", "base+spec", "no-harm"))
    assert gap.pairs == 200
    assert gap.gap.low is not None and gap.gap.high is not None
    assert gap.gap.low < 0.55 < gap.gap.high


def test_false_claims_of_need_stay_within_five_per_cent() -> None:
    claimed = 0
    for seed in range(60):
        part = found([(PLAIN, {}), (PROMPTED, {}), (TRAINED, {})], n=40, seed=seed)
        claimed += part.needs[0].reading == "needed"
    assert claimed == 0  # equal luck on equal rates: no discordant pair


def test_principles_that_are_followed_dominate_where_they_aim() -> None:
    harm = planned("harm-only", critique=("critique-harm",))
    evasion = planned("evasion-only", critique=("critique-evasion",))
    wording = planned("wording-only", critique=("critique-boilerplate",))
    base = dict.fromkeys(CLAUSES, 0.8)
    part = found(
        [
            (PLAIN, base),
            (harm, base | {"no-harm": 0.1}),
            (evasion, base | {"engage": 0.1}),
            (wording, base | {"no-boilerplate": 0.1}),
        ]
    )
    (content,) = part.content
    assert content.statistic == pytest.approx(0.7, abs=0.07)
    assert content.p == pytest.approx(1 / 6)
    spilled = base | dict.fromkeys(CLAUSES, 0.1)
    part = found([(PLAIN, base), (harm, spilled), (evasion, spilled), (wording, spilled)])
    assert part.content[0].p == 1.0
    assert any("is not shown to follow the principles" in c for c in baselines.show(part).claims)


def test_counts_whose_principles_add_to_each_other_are_tested_for_equivalence() -> None:
    one = planned("one", critique=("critique-harm",))
    two = planned("two", critique=("critique-harm", "critique-evasion"))
    rows: list[tuple[PlannedArm, Mapping[str, float]]] = [(PLAIN, {}), (one, {}), (two, {}), (TRAINED, {})]
    (count,) = found(rows, n=400).counts
    assert (count.arms, count.counts) == (("one", "two", "trained"), (1, 2, 3))
    assert count.equivalent == (True, True)
    rows[1] = (one, {"no-boilerplate": 0.9})
    (count,) = found(rows, n=400).counts
    assert count.equivalent == (False, True)


def test_clauses_that_training_mended_and_those_that_it_harmed_are_both_named() -> None:
    part = found(
        [
            (PLAIN, {"no-harm": 0.9}),
            (PROMPTED, {"no-harm": 0.6}),
            (TRAINED, {"no-harm": 0.0, "no-boilerplate": 0.8}),
        ]
    )
    (need,) = part.needs
    assert (need.fewer, need.more) == (("no-harm",), ("no-boilerplate",))
    (claim,) = (c for c in baselines.show(part).claims if c.startswith("trained"))
    assert claim.endswith("It breaks less: no-harm. It breaks more: no-boilerplate.")


def test_a_constitution_that_holds_another_is_no_ablation_by_content() -> None:
    one = planned("one", critique=("critique-harm",))
    two = planned("two", critique=("critique-harm", "critique-evasion"))
    assert found([(PLAIN, {}), (one, {}), (two, {})]).content == ()


def test_people_without_principles_aim_at_nothing() -> None:
    people = planned("people", critique=("critique-harm",), instruction="old")
    part = found([(PLAIN, {}), (people, {})])
    (row,) = (arm for arm in part.arms if arm.arm == "people")
    assert (row.aims, row.principles, row.recipe) == ((), None, "rl-cai, old")


def test_an_arm_whose_recipe_nobody_wrote_is_placed_by_the_request() -> None:
    other = PlannedArm("remote", "remote", "openai/x", {"temperature": 1.0}, {"model": "x"})
    stated = {"baselines": {"trained": {"remote": {"base": "base", "about": ["micro-harm"], "count": 4}}}}
    part = found([(PLAIN, {"no-harm": 0.9}), (PROMPTED, {"no-harm": 0.9}), (other, {})], request=stated)
    (row,) = (arm for arm in part.arms if arm.arm == "remote")
    assert (row.form, row.model, row.aims, row.principles) == ("trained", "base", ("no-harm",), 4)
    assert part.needs[0].reading == "needed"


def test_arms_of_different_models_are_nobodys_baselines() -> None:
    assert made([(PLAIN, {})]) is None


def test_every_gap_has_an_interval_or_a_reason() -> None:
    part = found([(PLAIN, {"no-harm": 0.9}), (PROMPTED, {}), (REVISED, {}), (TRAINED, {})])
    for row in part.gaps:
        assert (row.gap.low is not None and row.gap.high is not None) or row.gap.undefined
    assert {row.clause for row in part.gaps} == {*CLAUSES, ALL}
