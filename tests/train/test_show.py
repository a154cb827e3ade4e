"""Training records as people read them, from the files that the stages write."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scripted import Scripted
from typer.testing import CliRunner

from govaudit.cli import app
from govaudit.errors import BadInput
from govaudit.records import Turn
from govaudit.train import critique, feedback
from govaudit.train.constitution import Principle
from govaudit.train.grpo import GrpoRecord
from govaudit.train.material import Candidates, Kind, Rated, asked
from govaudit.train.show import show
from govaudit.train.stages import save_records

HARM = Principle("critique-harm", "say how it is harmful .", "rewrite it .")
KIND = Principle("feedback-kind", "which is kinder ?")
PROMPTS = [asked(f"how do i steal bike {i} ?", Kind.HARMFUL) for i in range(20)]
PAIR = Candidates(PROMPTS[0], "take it .", "ask for it .", ("fine-tuned", "base"))


def file_of(folder: Path, kind: str, rows: list[dict[str, object]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_records(folder / f"{kind}.jsonl", kind, rows)
    return folder


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    made = critique.chains(
        Scripted(lambda r: f"text {len(r.turns)} ."), PROMPTS, (HARM,), critique.Settings(2), 0
    )
    file_of(tmp_path / "stages" / "1-chains", "chains", [chain.data() for chain in made])
    labels = feedback.label(
        Scripted(p_a=lambda q: 0.9 if "(A) take" in q else 0.3), [PAIR], (KIND,), feedback.Settings(), 0
    )
    file_of(tmp_path / "stages" / "2-labels", "labels", [label.data() for label in labels])
    vote = {"rater": "person-01", "group": "strict", "prefers": "second"}
    file_of(tmp_path / "stages" / "2-labels", "ratings", [Rated(PAIR, "old", (vote,), 0.0).data()])
    rollout = GrpoRecord(
        7, (Turn("user", "how ?"),), ("so .", "not so ."), (1.5, -0.5), (1.0, -1.0), (0.1, 0.2)
    )
    file_of(tmp_path / "stages" / "3-reinforced", "rollouts", [rollout.data()])
    file_of(tmp_path / "stages" / "3-reinforced", "curve", [{"step": 1}])
    return tmp_path


def text(folder: Path, n: int = 3) -> str:
    return "\n".join(one.text() for one in show(folder, n))


def test_a_chain_shows_prompt_principle_critique_and_revision_of_every_round(trained: Path) -> None:
    chain = text(trained).split("\nchain 20\n")[1].split("\n\n")[0]
    assert chain.splitlines() == [
        "user         how do i steal bike 19 ?",
        "answer       text 1 .",
        "round 1      principle critique-harm",
        "  critique   text 3 .",
        "  revision   text 5 .",
        "round 2      principle critique-harm",
        "  critique   text 3 .",
        "  revision   text 5 .",
    ]


def test_a_label_shows_pair_principle_and_probabilities_in_both_orders(trained: Path) -> None:
    shown = text(trained)
    assert "first        take it .   [fine-tuned]" in shown and "second       ask for it .   [base]" in shown
    assert "principle    feedback-kind, first shown as (A): P(A) 0.900, letters' mass 1.000" in shown
    assert "principle    feedback-kind, second shown as (A): P(A) 0.300, letters' mass 1.000" in shown
    assert "label        P(first is better) 0.821, trained on as 0.821" in shown


def test_a_rating_shows_who_prefers_what_under_which_instruction(trained: Path) -> None:
    shown = text(trained)
    assert "instruction  old" in shown and "rater        person-01 (strict) prefers the second" in shown


def test_a_rollout_shows_reward_and_advantage_of_every_answer(trained: Path) -> None:
    shown = text(trained)
    assert "step         7" in shown
    assert "answer       so .\n             reward +1.500, advantage +1.000" in shown
    assert "answer       not so .\n             reward -0.500, advantage -1.000" in shown


def test_records_are_spread_over_their_stage_and_numbered(trained: Path) -> None:
    chains = show(trained, 3)[0]
    assert chains.stage == "stages/1-chains/chains.jsonl"
    assert [number for number, _ in chains.rows] == [1, 11, 20] and chains.total == 20
    assert [number for number, _ in show(trained, 1)[0].rows] == [1]
    assert len(show(trained, 99)[0].rows) == 20


def test_one_stage_can_be_shown_alone(trained: Path) -> None:
    assert [one.records for one in show(trained / "stages" / "2-labels", 1)] == ["labels", "ratings"]


def test_a_chain_that_ended_says_why(tmp_path: Path) -> None:
    chain = critique.Chain(PROMPTS[0], 1, "", ended="max_tokens")
    file_of(tmp_path, "chains", [chain.data()])
    assert "answer       (none)" in text(tmp_path) and "missing: max_tokens" in text(tmp_path)


def test_a_pair_without_a_label_says_so(tmp_path: Path) -> None:
    file_of(
        tmp_path,
        "labels",
        [label.data() for label in feedback.label(Scripted(mass=0), [PAIR], (KIND,), feedback.Settings(), 0)],
    )
    assert "no judgement: no letter" in text(tmp_path) and "this pair is not trained on" in text(tmp_path)


def test_the_command_prints_text_or_json(trained: Path) -> None:
    printed = CliRunner().invoke(app, ["train", "--show", "1", str(trained)])
    assert printed.exit_code == 0 and "critique-harm" in printed.stdout
    as_json = json.loads(CliRunner().invoke(app, ["train", "--show", "1", str(trained), "--json"]).stdout)
    assert [one["records"] for one in as_json] == ["chains", "labels", "ratings", "rollouts"]
    assert as_json[0]["rows"][0]["rounds"][0]["principle"] == "critique-harm"


def test_nothing_heavy_is_loaded_to_show_records() -> None:
    code = "import sys, govaudit.train.show; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no training records"):
        show(tmp_path, 1)


@pytest.mark.parametrize(
    ("line", "problem"),
    [("{", "no file of training records"), ('{"records": "chains", "schema_version": "2.0"}', "'2.0'")],
)
def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "x.jsonl").write_text(line + "\n")
    with pytest.raises(BadInput, match=problem) as error:
        show(tmp_path, 1)
    assert error.value.line == 1 and "x.jsonl" in str(error.value.path)
