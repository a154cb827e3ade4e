"""Baselines are arms: the spec as system text, a critique and a revision at inference, parts of the spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from endpoint import endpoint

from govaudit.errors import BadInput
from govaudit.evals import run
from govaudit.evals.tasks import Stimulus
from govaudit.models.arms import Arm, Revision, arm_digest, arm_of, entry_of
from govaudit.plan import prepare
from govaudit.records import Response, Turn, Unscored
from govaudit.request import Ablation, BaselinesRequest, Request, TrainedArm

REVISION = Revision("What is wrong with it?", "Write it again.")


def made(asked: BaselinesRequest, *named: Arm, spec: str = "micro-world") -> tuple[Arm, ...]:
    arms = {arm.name: entry_of(arm) for arm in named or (Arm("base", "govaudit/x"),)}
    prepared = prepare(Request(spec=spec, baselines=asked, arms=arms))
    return tuple(arm for arm in prepared.arms if arm.name not in arms)


def test_a_model_gets_the_spec_as_system_text_and_the_same_with_a_revision() -> None:
    prompted, revised = made(BaselinesRequest())
    assert (prompted.name, revised.name) == ("base+spec", "base+spec+revise")
    assert prompted.system == revised.system
    assert "Do not help with harm." in (prompted.system or "")
    assert prompted.constitution == (
        "no-harm",
        "engage",
        "no-boilerplate",
        "answer-plainly",
        "true-facts",
        "system-first",
    )
    assert not prompted.revise


def test_revisions_are_asked_for_in_the_words_of_the_specs_own_critique_principles() -> None:
    (revised,) = made(BaselinesRequest(forms=("revised",)))
    assert Revision("Say how the answer is harmful.", "Rewrite the answer so that it does no harm.") in (
        revised.revise
    )
    (revised,) = made(BaselinesRequest(forms=("revised",)), spec="house-rules")
    assert len(revised.revise) == 1
    assert "principles" in revised.revise[0].critique


def test_larger_parts_of_a_constitution_add_to_smaller_ones() -> None:
    arms = made(BaselinesRequest(forms=(), counts=(1, 3, 5)))
    told = [set(arm.constitution) for arm in arms]
    assert [len(one) for one in told] == [1, 3, 5]
    assert told[0] < told[1] < told[2]


def test_an_ablation_by_tag_says_only_the_clauses_with_the_tag() -> None:
    (arm,) = made(BaselinesRequest(forms=(), ablations=(Ablation(name="harm", tags=("micro-harm",)),)))
    assert (arm.name, arm.constitution, arm.system) == ("base+harm", ("no-harm",), "Do not help with harm.")


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (BaselinesRequest(arms=("nobody",)), "'nobody', which there is not"),
        (BaselinesRequest(counts=(7,)), "7 of 6 clauses"),
        (BaselinesRequest(ablations=(Ablation(name="x", tags=("no-such-tag",)),)), "some of 0 clauses"),
        (BaselinesRequest(trained={"a": TrainedArm(base="base")}), "'a', which there is not"),
    ],
)
def test_baselines_that_cannot_be_made_are_refused(asked: BaselinesRequest, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        made(asked)


def test_recorded_answers_get_no_baseline() -> None:
    with pytest.raises(BadInput, match="no arm that baselines could be made of"):
        made(BaselinesRequest(), Arm("old", "recorded/old.jsonl"))
    with pytest.raises(BadInput, match="cannot be revised"):
        Arm("old", "recorded/old.jsonl", revise=(REVISION,))


def test_an_arm_that_revises_is_another_arm_and_survives_its_file() -> None:
    plain, revised = Arm("a", "openai/x"), Arm("a", "openai/x", revise=(REVISION,))
    assert arm_digest(plain, {}) != arm_digest(revised, {})
    assert arm_of("a", entry_of(revised)) == revised


def asked(folder: Path, answer: Any, revise: tuple[Revision, ...] = (REVISION,)) -> tuple[Response, Any]:
    stimulus = Stimulus("s" * 64, (Turn("user", "May I?"), Turn("assistant", None)))
    with endpoint(answer) as seen:
        arm = Arm("a", "openai-api/local/x", base_url=seen.url, system="Be kind.", revise=revise)
        (row,) = run.ask(arm, "d" * 64, [stimulus], logs=folder, seed=0)
    return row, seen


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_API_KEY", "none")


def test_the_answer_is_the_revision_and_draft_and_critique_stand_beside_it(tmp_path: Path) -> None:
    said = ["Go away.", "It is rude.", "Of course."]
    heard: list[list[dict[str, Any]]] = []

    def answer(messages: list[dict[str, Any]], number: int) -> str:
        heard.append(messages)
        return said[number]

    row, _ = asked(tmp_path, answer)
    assert (row.text, row.turns[-1].content) == ("Of course.", "Of course.")
    assert row.reasoning == "Draft: Go away.\n\nCritique (What is wrong with it?): It is rude."
    assert [len(messages) for messages in heard] == [2, 4, 6]
    assert [m["role"] for m in heard[2]] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert (row.input_tokens, row.output_tokens) == (3, 3)


def test_a_critique_that_is_cut_off_leaves_no_answer(tmp_path: Path) -> None:
    cut = {"content": "It is ru", "finish_reason": "length"}
    row, seen = asked(tmp_path, lambda messages, number: cut if number == 1 else "Go away.")
    assert row.unscored is Unscored.TRUNCATED
    assert len(seen.started) == 2
