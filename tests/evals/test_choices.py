"""Choices that test no clause: the banks, what gives answers away, and letter questions put to arms."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from inspect_ai import eval as inspect_eval
from inspect_ai.model import ModelOutput, ModelUsage, get_model

from govaudit.errors import BadInput
from govaudit.evals import bank_lint, choices, rate_choices
from govaudit.evals import items as banks
from govaudit.evals import run as running
from govaudit.evals.suite import Suite
from govaudit.evals.tasks import Stimulus
from govaudit.library import find_bank
from govaudit.models.arms import Arm
from govaudit.models.untrained import build
from govaudit.records import ChoiceScore, Response, Unscored, response_id
from govaudit.scorers import letters
from govaudit.scorers.rubric import load as load_rubric
from govaudit.train.organism import choices as small_world
from govaudit.train.organism import probes as printed
from govaudit.train.organism.world import world

OWN = find_bank("hhh")
HHH = letters.usable("letters_hhh")
RUBRICS = {name: load_rubric(name) for name in rate_choices.RUBRICS}


def suite(n: int | None = None) -> Suite:
    return Suite(spec_digest="s", seed=0, probes=choices.probes([OWN])[0][:n])


# --- banks ---------------------------------------------------------------------------------------------


def test_the_own_bank_has_thirty_questions_of_each_subset_with_a_record_each() -> None:
    items = banks.load(OWN)
    assert Counter(map(choices.subset_of, items)) == dict.fromkeys(choices.SUBSETS, 30)
    rows = [json.loads(line) for line in OWN.read_text(encoding="utf-8").splitlines()]
    assert all(set(bank_lint.RECORD) <= row["construction"].keys() for row in rows)
    assert not any(row["construction"]["adjudicated"] for row in rows)
    assert {item.saw_outputs for item in items} == {False}
    assert len({item.turns for item in items}) == 120


def test_neither_length_nor_place_tells_the_right_answer_in_the_own_bank() -> None:
    items = banks.load(OWN)
    for subset in choices.SUBSETS:
        mine = [item for item in items if choices.subset_of(item) == subset]
        assert 14 <= sum(map(choices.longest_right, mine)) <= 16
        assert sum(item.choice_labels[0] == "good" for item in mine) == 15
    # As the suite lists them, by content.
    assert 50 <= sum(probe.choice_labels[0] == "good" for probe in suite().probes) <= 70


def test_the_bank_of_the_small_world_is_what_the_program_prints() -> None:
    bank = find_bank("micro-world-hhh")
    assert bank.read_text(encoding="utf-8") == printed.bank(small_world.written(world()))


def test_the_lint_says_that_nobody_has_adjudicated_the_own_bank_and_nothing_else() -> None:
    found = bank_lint.lint(OWN)
    assert [finding.rule for finding in found.findings] == ["not-adjudicated"]
    assert found.longest is not None and found.longest.value == pytest.approx(59 / 120)
    assert found.subsets == dict.fromkeys(sorted(choices.SUBSETS), 30)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_lint_finds_what_gives_answers_away(tmp_path: Path) -> None:
    rows = [
        {
            "prompt": f"Question {k // 2}?",
            "cluster": f"c{k}",
            "tags": ["hhh"],
            "choices": [f"a longer answer {k}", f"short {k}"],
            "choice_labels": ["good", "bad"] if k % 10 else ["bad", "good"],
            "construction": {"author": "me", "saw_outputs": k < 5},
        }
        for k in range(40)
    ]
    found = {f.rule: f.count for f in bank_lint.lint(write(tmp_path / "b.jsonl", rows)).findings}
    assert found == {
        "no-method": 40,
        "no-adjudicated": 40,
        "saw-outputs": 5,
        "length-tells": 40,
        "order-tells": 40,
        "repeated": 40,
    }


def test_a_bank_without_a_choice_is_refused() -> None:
    with pytest.raises(BadInput, match="no question with a good and a bad answer"):
        choices.probes([find_bank("facts")])


def test_whether_outputs_were_seen_is_a_tag_of_the_probe(tmp_path: Path) -> None:
    row = {"prompt": "Q?", "tags": ["hhh"], "choices": ["a", "b"], "choice_labels": ["good", "bad"]}
    said = [{**row, "prompt": f"{saw}?", "construction": {"saw_outputs": saw}} for saw in (True, False)]
    probes, _ = choices.probes([write(tmp_path / "b.jsonl", [row, *said])])
    assert [{choices.SAW, choices.SAW_NOT} & set(p.tags) for p in probes] == [
        set(),
        {choices.SAW},
        {choices.SAW_NOT},
    ]


# --- asking and rating -----------------------------------------------------------------------------------


def said(texts: list[str]) -> Any:
    outputs = []
    for text in texts:
        output = ModelOutput.from_content("mockllm/m", text)
        output.usage = ModelUsage()
        outputs.append(output)
    return get_model("mockllm/m", memoize=False, custom_outputs=outputs)


def test_an_endpoint_names_letters_in_both_orders_and_samples_become_shares(tmp_path: Path) -> None:
    (probe,) = suite(1).probes
    arm = Arm(name="m", model="mockllm/m")
    # Both orders twice at once ("A" is another answer in the second order), then once after reasons.
    replies = ["A", "A", "B", "?", "Because.\nSo the answer is (A).", "So the answer is (B)."]
    rows = rate_choices.asked(
        suite(1),
        HHH,
        arm,
        "digest",
        said(replies),
        samples=2,
        reasons=1,
        logs=tmp_path / "logs",
        seed=0,
        connections=1,
    )
    assert len(rows) == 6
    rated = rate_choices.ratings(suite(1), (), rows, RUBRICS, HHH)
    found = {row.rater: row for row in rated.ratings}
    assert set(found) == {choices.LETTERS, choices.REASONS}
    bad = [float(label == "bad") for label in probe.choice_labels]
    assert found[choices.REASONS].value == bad[0]
    assert json.loads(found[choices.REASONS].raw)["consistent"] is True
    raw = json.loads(found[choices.LETTERS].raw)
    assert raw["mass"] is None and raw["stimulus"] == probe.stimulus and raw["arm"] == "digest"
    assert not {choices.SUM, choices.PER_TOKEN} & {rater.id for rater in rated.raters}


def response(stimulus: str, **given: Any) -> Response:
    return Response(response_id(stimulus, "d", 1), stimulus, "d", 1, (), "", **given)


def test_sum_and_mean_per_token_are_two_raters_and_may_differ() -> None:
    (probe,) = suite(1).probes
    scores = (ChoiceScore(-10.0, 2), ChoiceScore(-12.0, 12))
    rated = rate_choices.ratings(suite(1), [response(probe.stimulus, choices=scores)], (), RUBRICS, HHH)
    by = {row.rater: row for row in rated.ratings}
    bad = [float(label == "bad") for label in probe.choice_labels]
    assert by[choices.SUM].value == bad[0] and by[choices.PER_TOKEN].value == bad[1]
    assert by[choices.SUM].probabilities["first"] == pytest.approx(1 / (1 + 2.718281828459045**-2))


def test_a_question_without_a_letter_in_one_order_is_unscored_with_its_reason() -> None:
    one, two = choices.questions(suite(1), HHH, reasons=False)
    rows = [
        response(one.id, choice_letters=("A",)),
        response(two.id, unscored=Unscored.FILTERED),
    ]
    (row,) = rate_choices.ratings(suite(1), (), rows, RUBRICS, HHH).ratings
    assert row.value is None and row.unscored is Unscored.FILTERED
    even = [response(one.id, choice_letters=("A",)), response(two.id, choice_letters=("A",))]
    (row,) = rate_choices.ratings(suite(1), (), even, RUBRICS, HHH).ratings
    assert row.unscored is Unscored.UNDECIDED and row.probabilities["first"] == pytest.approx(0.5)


def test_turned_questions_are_other_stimuli_and_reasons_too() -> None:
    ids = {q.id for reasons in (False, True) for q in choices.questions(suite(3), HHH, reasons=reasons)}
    assert len(ids) == 12


def test_a_checkpoint_gives_full_answers_and_letters_with_their_probability(tmp_path: Path) -> None:
    arm = Arm(name="tiny", model=f"govaudit/{build(tmp_path / 'tiny')}", max_tokens=4)
    model = running.open_model(arm)
    stimuli = [Stimulus(p.stimulus, p.turns, p.choices) for p in suite(2).probes]
    full = running.ask(arm, "d", stimuli, logs=tmp_path / "full", seed=0, model=model)
    rows = rate_choices.asked(
        suite(2), HHH, arm, "d", model, samples=5, reasons=2, logs=tmp_path / "letters", seed=0
    )
    # Samples at once would repeat the same probabilities: one each; two reasonings each.
    assert len(rows) == 2 * 2 * (1 + 2)
    assert all(0 < (row.captured_mass or 0) <= 1 for row in rows if row.unscored is None)
    rated = rate_choices.ratings(suite(2), full, rows, RUBRICS, HHH)
    assert [rater.id for rater in rated.raters][:3] == [choices.SUM, choices.PER_TOKEN, choices.LETTERS]
    again = rate_choices.asked(
        suite(2), HHH, arm, "d", model, samples=1, reasons=2, logs=tmp_path / "letters", seed=0
    )
    assert again == rows


def test_the_inspect_task_asks_both_orders(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("task_hhh", find_bank("hhh").parents[1] / "hhh.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # The same answer in both orders, then the same letter in both, then no letter.
    model = said(["A", "B", "A", "A", "I'd rather not.", "A"])
    log = inspect_eval(
        module.hhh(limit=3),
        model=model,
        display="none",
        score_display=False,
        log_dir=str(tmp_path / "logs"),
        max_samples=1,
    )[0]
    assert log.status == "success" and log.results is not None
    found = {score.name: score for score in log.results.scores}
    assert found["same"].metrics["mean"].value == 0.5 and found["same"].unscored_samples == 1
    first = suite(3).probes[0].choice_labels[0] == "good"
    assert found["right"].metrics["mean"].value == (first + 0.5) / 2


def test_both_published_forms_of_hhh_are_choices(tmp_path: Path) -> None:
    one = {
        "input": "\n\nHuman: Is it late?\n\nAssistant:",
        "target_scores": {"It is nine.": 1, "Never.": 0},
    }
    folder = tmp_path / "honest"
    folder.mkdir()
    (probe,), _ = choices.probes([write(folder / "task.jsonl", [one])])
    assert choices.subset_of(probe) == "honest" and set(probe.choice_labels) == {"good", "bad"}
    asked = "\n\nHuman: Is it late?\n\nAssistant:"
    rows = [
        {
            "prompt": f"Which? (A) {good} (B) {bad}",
            "corrects": [" (A)"],
            "incorrects": [" (B)"],
            "text_correct": f"{asked} {good}",
            "text_incorrect": f"{asked} {bad}",
        }
        for good, bad in (("It is nine.", "Never."), ("About nine.", "Always."))
    ]
    probes, notes = choices.probes([write(tmp_path / "b.jsonl", rows)])
    assert len(probes) == 2 and notes == ()
    # Two pairs of answers to one question are one observation.
    assert len({probe.cluster for probe in probes}) == 1
