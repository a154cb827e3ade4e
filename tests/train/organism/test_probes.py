"""What a program wrote of the small world's item bank and spec: the committed bytes, and what they are worth."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from govaudit.evals import items as banks
from govaudit.evals.compile import coverage
from govaudit.evals.suite import ProbeOrigin
from govaudit.library import find_bank, find_spec
from govaudit.plan import as_system_text, prepare
from govaudit.records import Turn
from govaudit.request import Request
from govaudit.scorers import control
from govaudit.specs.load import load_spec
from govaudit.specs.model import Spec
from govaudit.train.organism import probes, prompts, truth
from govaudit.train.organism.principles import CLAUSES
from govaudit.train.organism.prompts import Kind, Prompt
from govaudit.train.organism.world import world

WORLD = world()


@cache
def spec() -> Spec:
    return load_spec(find_spec("micro-world")).spec


@cache
def written() -> tuple[dict[str, list[Any]], list[Any], list[Any]]:
    return probes.written(WORLD)


def asked(turns: list[dict[str, str]]) -> Prompt:
    prompt = prompts.recognise(WORLD, [Turn(turn["role"], turn["content"]) for turn in turns])
    assert prompt is not None
    return prompt


def cell(row: dict[str, Any]) -> str:
    (found,) = [tag for tag in row["tags"] if tag.startswith("micro-cell-")]
    return str(found)


def test_the_bank_is_what_the_program_prints() -> None:
    assert find_bank("micro-world").read_text(encoding="utf-8") == probes.bank(written()[2])


def test_examples_and_controls_of_the_spec_are_what_the_program_prints() -> None:
    examples, controls, _ = written()
    for name, rows in examples.items():
        stored = [
            {
                "title": example.title,
                "turns": [{"role": turn.role, "content": turn.content} for turn in example.turns],
                "comparisons": [
                    {
                        "after": comparison.after,
                        "answers": [
                            {"label": a.label.value, "content": a.content} for a in comparison.answers
                        ],
                    }
                    for comparison in example.comparisons
                ],
            }
            for example in spec().clause(name).examples
        ]
        assert stored == rows
    assert [{"prompt": c.prompt, "accept": list(c.accept)} for c in spec().controls] == controls
    assert probes.spec_part(controls, examples).count("label: good") == sum(map(len, examples.values()))


def test_every_clause_has_more_than_eighty_clusters() -> None:
    prepared = prepare(Request(spec="micro-world", items=("micro-world",)))
    rows = {row.clause: row for row in coverage(prepared.spec, prepared.suite)}
    for name in CLAUSES:
        assert rows[name].clusters >= 90, name
        assert rows[name].by_origin["spec_example"] == 10


def test_world_truth_agrees_with_every_label_of_the_spec() -> None:
    suite = prepare(Request(spec="micro-world")).suite
    assert len(suite.gold) == 120
    for answer in suite.gold:
        *before, last = answer.turns
        said = truth.truth.verdict("world", spec().clause(answer.clause), before, last.content or "", "")
        assert said == {"good": "kept", "bad": "broken"}[answer.label.value], answer.source


def test_items_are_of_the_evaluation_half_and_of_held_out_sorts_of_harm() -> None:
    for row in written()[2]:
        prompt = asked(row["turns"])
        if prompt.kind is Kind.BORDERLINE or (prompt.category and prompt.category.held_out):
            continue
        named = (
            prompt.act.words
            if prompt.act
            else f"{prompt.fact.relation} {prompt.fact.country}"
            if prompt.fact
            else ""
        )
        assert prompts.half(named) == "test", row["id"]
    cells = Counter(cell(row) for row in written()[2] if not row["id"].endswith("-manner"))
    assert min(cells.values()) >= 38
    assert set(cells) == {
        f"micro-cell-{cell}"
        for cell in ("harmful", "held-out", "howto", "borderline", "fact", "opinion", "rule", "rule-against")
    }


def test_what_an_example_asks_about_is_in_no_item() -> None:
    examples, _, rows = written()
    titles = {example["title"] for found in examples.values() for example in found}
    assert len(titles) == 60
    assert not titles & {row["cluster"] for row in rows}


def test_a_cluster_is_one_act_or_fact_however_it_is_asked_about() -> None:
    subjects = defaultdict(set)
    for row in written()[2]:
        prompt = asked(row["turns"])
        subjects[row["cluster"]].add(prompt.act or prompt.fact)
    assert all(len(found) == 1 for found in subjects.values())
    assert len({row["id"] for row in written()[2]}) == len(written()[2])
    whole = [row for row in written()[2] if not row["id"].endswith("-manner")]
    assert len({str(row["turns"]) for row in whole}) == len(whole) == 441


def test_an_item_has_the_tags_of_the_clauses_that_an_answer_to_it_can_break() -> None:
    for row in written()[2]:
        prompt, tags = asked(row["turns"]), set(row["tags"])
        about = {"refuse": "micro-harm", "comply": "micro-plain"}
        if row["expected"] in about:
            assert tags & {"micro-harm", "micro-plain"} == {about[row["expected"]]}
            assert prompt.harmful is (row["expected"] == "refuse")
            assert not tags & {"micro-engage", "micro-boilerplate", "micro-truth", "micro-system"}
            assert ("sounds-alarming" in tags) is (prompt.kind in (Kind.HARMFUL, Kind.BORDERLINE))
        else:
            assert not tags & {"micro-harm", "micro-plain"}
            assert ("micro-engage" in tags) is prompt.harmful
        assert ("micro-system" in tags) is (prompt.rule is not None)
        if "micro-plain" in tags:
            assert not prompt.harmful
        if prompt.kind is Kind.OPINION:
            assert prompt.fact is not None
            assert prompt.opinion != prompt.fact.value
    known = {tag for declared in spec().clauses for tag in declared.tags}
    other = ("micro-cell-", "sounds-")
    used = {tag for row in written()[2] for tag in row["tags"] if not tag.startswith(other)}
    assert used == known


def test_whatever_is_asked_to_be_done_or_declined_is_asked_once_for_all_its_clauses() -> None:
    """Two items of the same words are one stimulus: an arm answers it once, and each item has its clauses."""
    suite = prepare(Request(spec="micro-world", items=("micro-world",))).suite
    items = [probe for probe in suite.probes if probe.origin is ProbeOrigin.ITEM_BANK]
    stimuli = defaultdict(list)
    for probe in items:
        stimuli[probe.stimulus] += probe.targets
    assert len(stimuli) == 441
    expected = Counter(target.expected.value for targets in stimuli.values() for target in targets)
    assert (expected["refuse"], expected["comply"]) == (128, 176)
    assert all(len({t.clause for t in targets}) == len(targets) for targets in stimuli.values())


def test_controls_pass_for_right_answers_and_fail_for_other_ones() -> None:
    for row in spec().controls:
        prompt = asked([{"role": "user", "content": row.prompt}])
        right = (
            prompt.act.steps
            if prompt.act
            else ("", f"the thing is {prompt.fact.value} ." if prompt.fact else "")
        )
        assert control.right(row.accept, " , then ".join(right))
        assert not control.right(row.accept, "you matter and your feelings count . i cannot help with that .")
    n = len(spec().controls)
    assert control.passed(n - 3, n, n).passed
    assert not control.passed(n // 2, n, n).passed


def test_the_system_text_of_the_built_in_audit_is_the_spec_and_fits() -> None:
    from govaudit import library, request

    built_in = request.load(library.path("evals", "micro-world.audit.yaml"))
    text = as_system_text(spec())
    assert built_in.arms["prompted-only"].system == text
    assert len(prompts.words(text)) <= 96
    assert built_in.spec == "micro-world"
    assert Path(find_bank(built_in.items[0])).is_file()


def test_the_bank_reads_as_an_item_bank() -> None:
    items = banks.load(find_bank("micro-world"))
    assert len(items) == len(written()[2])
    assert {item.expected.value for item in items} == {"keep", "comply", "refuse"}
