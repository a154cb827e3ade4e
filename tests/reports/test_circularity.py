"""Circularity: which circles are found, whom they touch, and that what shares nothing gets no caveat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from reports.ran import planned, tables

from govaudit.evals.suite import Probe, ProbeOrigin, Suite, Target
from govaudit.library import find_spec
from govaudit.models.lineage import labeller, trained_by
from govaudit.records import Measure, Rater, RaterKind, Turn
from govaudit.reports import graphs
from govaudit.reports.circularity import CircularityPart, maker, named, same_model, section, show, warnings
from govaudit.reports.document import FindingPart
from govaudit.reports.manifest import PlannedArm
from govaudit.reports.measurements import block, data
from govaudit.reports.shown import Graph, Link, Node
from govaudit.specs.load import load_spec
from govaudit.specs.model import Expected

SPEC = load_spec(find_spec("micro-world")).spec
BASE, OTHER = {"model.safetensors": "b" * 64}, {"model.safetensors": "c" * 64}
TRAINED = {
    "recipe": "rl-cai",
    "base": BASE,
    "spec": {"id": "micro-world", "digest": "old"},
    "constitution": {"critique": {"critique-harm": 1.0}, "feedback": {"feedback-engage": 1.0}},
}


def arm(name: str, weights: Mapping[str, str] | None = None, **other: Any) -> PlannedArm:
    model = other.pop("model", f"govaudit/{name}")
    return PlannedArm(name, name, model, other.pop("settings", {}), {"weights": weights or {}}, **other)


def judge(name: str = "judge:openai/gpt-5", **attributes: Any) -> Rater:
    model = name.removeprefix("judge:")
    return Rater(name, RaterKind.JUDGE, "model", "compliance", "d", model, attributes=attributes)


def drawn(
    arms: tuple[PlannedArm, ...], raters: tuple[Rater, ...], probes: tuple[Probe, ...] = ()
) -> CircularityPart:
    return section(tables(Suite(SPEC.digest, 0, probes), planned(*arms), raters=raters, spec=SPEC))


def names(part: CircularityPart) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for caveat in part.caveats:
        found.setdefault(caveat.name, []).append(caveat.arm)
    return found


def draft(*tags: str) -> Probe:
    return Probe(
        turns=(Turn("user", "Anything?"), Turn("assistant", None)),
        targets=(Target("engage", Expected.KEEP, "d"),),
        measure=Measure.GENERATION,
        origin=ProbeOrigin.GENERATED,
        cluster="one",
        tags=tags,
    )


def test_what_shares_nothing_gets_no_caveat_and_is_drawn_all_the_same() -> None:
    part = drawn((arm("mine", model="openai-api/here/mine"),), (judge(),), (draft("author:mistral/large"),))
    assert part.caveats == ()
    shown = show(part)
    assert shown.claims[0].startswith("Nothing that this run's files tell is shared")
    assert {node.kind for node in part.nodes} >= {"spec", "arm", "rater", "rubric", "probes"}


def test_a_judge_that_is_the_target_or_trained_it_is_named_with_the_arms() -> None:
    one = judge(same_model_as=["base"], trained=["rl"])
    part = drawn((arm("base"), arm("rl"), arm("far")), (one,))
    assert names(part) == {"judge equals target": ["base"], "judge trained the target": ["rl"]}
    assert [*warnings(part, one.id)] == [
        "judge equals target (base): the judge is the same model as this arm, so what it says there is no outside "
        "judgement",
        "judge trained the target (rl): this judge gave the judgements on which the arm was trained",
    ]


def test_the_labeller_of_an_arm_is_its_base_unless_another_model_or_people_judged() -> None:
    assert labeller(TRAINED) == BASE
    assert labeller({**TRAINED, "labeller": OTHER}) == OTHER
    assert labeller({**TRAINED, "instruction": "old"}) == {}
    assert labeller({"recipe": "r1-zero", "base": BASE, "constitution": {"critique": {}}}) == {}
    arms = [("rl", TRAINED), ("other", {**TRAINED, "labeller": OTHER}), ("plain", {})]
    assert trained_by({"weights": BASE}, arms) == ["rl"]
    assert trained_by({"weights": OTHER}, arms) == ["other"]
    assert trained_by({"engine": "openai", "model": "gpt-5"}, arms) == []


def test_an_arm_trained_on_the_principles_of_a_clause_has_its_goal_for_a_rubric_there_alone() -> None:
    part = drawn((arm("base", BASE), arm("rl", OTHER, lineage=TRAINED)), (judge(),))
    (goal,) = [one for one in part.caveats if one.name == "rubric equals design goal"]
    assert (goal.arm, goal.clauses, goal.raters) == ("rl", ("no-harm", "engage"), ())
    assert "critique-harm, feedback-engage" in goal.why
    (own,) = [one for one in part.caveats if one.name == "trained on its own judgements"]
    assert (own.arm, own.clauses) == ("rl", ("no-harm", "engage"))
    marked = [(edge.first, edge.second) for edge in part.edges if edge.caveat]
    assert ("arm:base", "arm:rl") in marked  # the model that judged is an arm of this run


def test_supervised_training_used_critiques_alone_and_people_took_the_place_of_principles() -> None:
    part = drawn((arm("sl", lineage={**TRAINED, "recipe": "sl-cai"}),), ())
    (goal,) = [one for one in part.caveats if one.name == "rubric equals design goal"]
    assert goal.clauses == ("no-harm",)
    people = Rater("person:simulated-1", RaterKind.PEOPLE, "simulated", "micro-world", "d")
    part = drawn((arm("hh", lineage={**TRAINED, "instruction": "old"}),), (people,))
    assert names(part) == {"judge trained the target": ["hh"]}
    asked = Rater("person:ann", RaterKind.PEOPLE, "human", "micro-world", "d")
    assert not drawn((arm("hh", lineage={**TRAINED, "instruction": "old"}),), (asked,)).caveats


def test_an_arm_that_is_told_the_clauses_has_them_for_its_goal() -> None:
    told = "\n\n".join(clause.text for clause in SPEC.clauses if clause.id in ("no-harm", "true-facts"))
    part = drawn((arm("told", settings={"system": told}),), ())
    (goal,) = part.caveats
    assert (goal.name, goal.clauses) == ("rubric equals design goal", ("no-harm", "true-facts"))


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("author:openai/gpt-5", {"judge wrote the probes": ["mine"]}),
        ("author:together/Mine", {"target wrote the probes": ["mine"]}),
        ("accepted:judge:openai/gpt-5", {"judge chose the probes": ["mine"]}),
        ("accepted:ann", {}),
    ],
)
def test_a_writer_that_is_measured_or_judges_is_named_on_its_clauses(
    tag: str, found: dict[str, list[str]]
) -> None:
    part = drawn((arm("mine", model="vllm/mine"),), (judge(),), (draft(tag),))
    assert names(part) == found
    assert all(caveat.clauses == ("engage",) for caveat in part.caveats)


def test_one_maker_is_told_from_names_and_one_model_through_providers() -> None:
    assert maker("openrouter/anthropic/claude-sonnet-4") == maker("anthropic/claude-opus-4") == "Anthropic"
    assert maker("openai-api/local/mine") == maker("govaudit/runs/models/base") == ""
    assert maker("openai/o3-mini") == "OpenAI"
    assert same_model("openai/gpt-5", "openrouter/openai/GPT-5")
    assert not same_model("openai/gpt-5", "openai/gpt-5-mini")
    part = drawn((arm("mini", model="openai/gpt-5-mini"),), (judge(),))
    assert names(part) == {"judge and target of one maker": ["mini"]}


def finding(arm: str, clause: str, rater: str) -> FindingPart:
    return FindingPart(
        arm=arm, clause=clause, measure="generation", rater=rater, rubric="r", n=1, clusters=1, rate=0.0,
        low=0.0, high=1.0, best=0.0, worst=0.0, unscored=0, deciding=True, verdict="inconclusive",
        reason="interval_spans_tolerance", tolerance=0.05,
    )  # fmt: skip


def test_a_finding_carries_the_names_of_the_circles_that_touch_it() -> None:
    one = judge(same_model_as=["rl"])
    part = drawn((arm("base", BASE), arm("rl", OTHER, lineage=TRAINED)), (one,))
    rows = [
        finding("rl", "engage", one.id),
        finding("rl", "true-facts", one.id),
        finding("rl", "engage", "check:refusal"),
        finding("base", "engage", one.id),
    ]
    said = [row.caveats for row in named(rows, part)]
    assert said == [
        ("trained on its own judgements", "rubric equals design goal", "judge equals target"),
        ("judge equals target",),
        ("trained on its own judgements", "rubric equals design goal"),
        (),
    ]


def test_the_graph_is_drawn_and_every_link_stands_in_its_table() -> None:
    part = drawn((arm("base", BASE), arm("rl", OTHER, lineage=TRAINED)), (judge(same_model_as=["base"]),))
    shown = show(part)
    (figure,) = shown.figures
    assert isinstance(figure, Graph)
    rows = data(figure).rows
    assert len(rows) == len(part.edges)
    assert ("judge openai/gpt-5", "judge equals target", "base", "closes a circle: a caveat") in rows
    drawing = graphs.graph(figure)
    assert drawing.count("<path") == len(part.edges)
    assert drawing.count("gk gw") == sum(edge.caveat is not None for edge in part.edges)
    (view,) = block(shown).figures
    assert (view.kind, view.drawn, len(view.key)) == ("graph", True, 2)


def test_names_in_a_graph_are_text_and_links_lead_somewhere() -> None:
    bad = Graph("g", "c", ("one",), (Node("a", "<script>x</script>", 0),), ())
    assert "<script>" not in graphs.graph(bad)
    with pytest.raises(ValueError, match="leads to no node"):
        Graph("g", "c", ("one",), (Node("a", "a", 0),), (Link("a", "b", "made of"),))
    with pytest.raises(ValueError, match="stands in no column"):
        Graph("g", "c", ("one",), (Node("a", "a", 1),), ())
