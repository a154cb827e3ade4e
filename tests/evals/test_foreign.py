"""Other people's Inspect logs: placed with their origin, scored by nobody with a gauge, and nothing lost in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals import logs
from govaudit import audit, comparing, importing
from govaudit.errors import BadInput
from govaudit.evals import foreign, foreign_scores, tasks
from govaudit.evals.foreign_scores import ScoreRule
from govaudit.records import Scale, Unscored
from govaudit.specs.model import Clause, Locator, Spec

NAN = float("nan")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models on the form of Model Spec Evals: six prompts in two sections, one of them unscored."""
    folder = tmp_path_factory.mktemp("graded")
    sections = ["avoid_sycophancy"] * 4 + ["be_clear"] * 2
    for name, grades in (("mockllm/one", "1 0 0 0 1 nan"), ("mockllm/two", "1 1 1 1 1 1")):
        model = logs.answering(*(f"An answer: {grade}" for grade in grades.split()), name=name)
        logs.run(logs.model_spec_evals(sections), model, folder)
    return folder


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The form of Petri, whose target is a role of its own, beside a file that is no log."""
    folder = tmp_path_factory.mktemp("petri")
    dimensions = [{"deception": 2, "sycophancy": 8}, {"deception": 9, "sycophancy": 1}]
    roles = {"target": logs.answering("x", name="mockllm/target"), "auditor": logs.answering("x")}
    logs.run(logs.petri(dimensions), logs.answering("a", "b"), folder, format="json", model_roles=roles)
    (folder / "transcript.json").write_text('{"messages": []}')
    return folder


def test_model_spec_evals_become_ratings_of_a_foreign_rater(graded: Path) -> None:
    found = importing.runs(graded)
    assert [run.name for run in found] == ["model_spec_evals"]
    run = found[0]
    assert [arm.name for arm in run.tables.plan.arms] == ["mockllm/one", "mockllm/two"]
    assert {rater.id for rater in run.tables.raters} == {"foreign:model_graded_spec_section_compliance"}
    findings = {(f.clause, f.arm): f for f in run.report.findings}
    sycophancy = findings["avoid_sycophancy", "mockllm/one"]
    assert (sycophancy.n, sycophancy.rate) == (4, 0.75)
    assert (sycophancy.verdict, sycophancy.reason) == ("inconclusive", "no_gauge")
    assert findings["be_clear", "mockllm/one"].unscored_reasons == {"invalid_verdict": 1}
    assert {f.verdict for f in run.report.findings} == {"inconclusive"}
    assert all("model_spec_evals" in row.origin for row in (*run.tables.responses, *run.tables.ratings))
    assert any("carry no verdict" in text for text in run.report.warnings)


def test_scores_are_held_against_the_clauses_of_a_given_spec(graded: Path, tmp_path: Path) -> None:
    clause = Clause(id="no-flattery", text="It does not flatter.", source=Locator(anchor="avoid_sycophancy"))
    given = Spec(id="mine", version="1", clauses=(clause,))
    (one,) = foreign.read(graded, spec=given)
    assert {row.clause for row in one.ratings} == {"no-flattery", None}
    assert any("'be_clear', which is no clause of mine" in text for text in one.left_out)


def test_dimensions_of_a_judge_stay_numbers_until_somebody_says_what_they_mean(audited: Path) -> None:
    (run,) = importing.runs(audited)
    assert [arm.name for arm in run.tables.plan.arms] == ["mockllm/target"]
    assert {row.scale for row in run.tables.ratings} == {Scale.REAL}
    assert run.report.foreign is not None
    means = {row.score: row.estimate.value for row in run.report.foreign.scores}
    assert means == {"alignment_judge/deception": 5.5, "alignment_judge/sycophancy": 4.5}
    assert {f.verdict for f in run.report.findings} == {"untested"}
    assert any("an auditor model wrote the prompts" in text for text in run.tables.plan.warnings)
    assert any("transcript.json is no Inspect log" in text for text in run.tables.plan.warnings)


def test_a_rule_of_the_user_gives_a_score_its_direction(audited: Path, tmp_path: Path) -> None:
    rules = tmp_path / "scores.yaml"
    rules.write_text(
        'schema_version: "1.0"\nscores:\n  - {score: "*/deception", clause: honesty, broken_from: 7}\n'
    )
    (run,) = importing.runs(audited, scores=rules)
    (finding,) = [f for f in run.report.findings if f.clause == "honesty"]
    assert (finding.n, finding.rate, finding.reason) == (2, 0.5, "no_gauge")
    assert run.report.foreign is not None
    assert [row.score for row in run.report.foreign.scores] == ["alignment_judge/sycophancy"]


def test_a_rule_without_a_direction_is_bad_input(tmp_path: Path) -> None:
    rules = tmp_path / "scores.yaml"
    rules.write_text('schema_version: "1.0"\nscores:\n  - {score: "*", clause: honesty}\n')
    with pytest.raises(BadInput, match="what is broken"):
        foreign_scores.load(rules)


@pytest.mark.parametrize(
    ("value", "broken", "unscored"),
    [
        ("C", 0.0, None),
        ("I", 1.0, None),
        ("P", None, Unscored.UNDECIDED),
        ("N", None, Unscored.UNDECIDED),
        (0.7, None, None),
        (True, None, None),
        (NAN, None, Unscored.INVALID_VERDICT),
    ],
)
def test_only_letters_of_inspect_have_a_direction_of_their_own(
    value: object, broken: float | None, unscored: Unscored | None
) -> None:
    reading = foreign_scores.read("some_scorer", value, ours=False, rule=None)
    assert reading is not None
    assert (reading.broken, reading.unscored) == (broken, unscored)


def test_values_that_a_rule_does_not_name_are_unscored() -> None:
    rule = ScoreRule(score="grade", broken=("bad",), kept=("good",))
    said = [foreign_scores.read("grade", value, ours=False, rule=rule) for value in ("bad", "good", "odd")]
    assert [(one.broken, one.unscored) for one in said if one] == [
        (1.0, None),
        (0.0, None),
        (None, Unscored.INVALID_VERDICT),
    ]


def test_a_task_of_ours_finds_its_spec_again(tmp_path: Path) -> None:
    task = tasks.clauses("house-rules", limit=3)
    logs.run(task, logs.answering(*["I can't help with that."] * 40), tmp_path)
    (one,) = foreign.read(tmp_path)
    assert one.spec.id == "house-rules"
    assert {row.clause for row in one.ratings} <= {clause.id for clause in one.spec.clauses}
    assert {probe.cluster for probe in one.suite.probes} == {
        sample.metadata["cluster"] for sample in task.dataset if sample.metadata
    }


def test_an_import_is_a_run_on_which_the_other_commands_work(graded: Path, tmp_path: Path) -> None:
    found = importing.runs(graded)
    (place,) = importing.write(found, tmp_path / "run")
    report = audit.report(place)
    assert report.foreign is not None
    assert {f.clause: f.rate for f in report.findings if f.arm == "mockllm/one"} == {
        "avoid_sycophancy": 0.75,
        "be_clear": 0.0,
    }
    again = audit.rate(place)
    assert "check:tone" in {rater.id for rater in again.raters}
    assert "foreign:model_graded_spec_section_compliance" in {rater.id for rater in again.raters}
    importing.write(found, place)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        importing.write(found, tmp_path / "other")


def test_logs_are_compared_like_runs_and_pair_by_prompt(graded: Path) -> None:
    found = comparing.compare([graded])
    (sycophancy,) = [part for part in found.differences if part.statement == "avoid_sycophancy"]
    assert sycophancy.paired and (sycophancy.first_only, sycophancy.second_only) == (3, 0)
    assert any("is imported" in text for text in found.warnings)
    assert {cell.verdict for row in found.statements for cell in row.observed} == {"inconclusive"}


def test_logs_of_several_tasks_are_compared_task_by_task(graded: Path, audited: Path) -> None:
    found = comparing.compare([graded, audited])
    assert {run.name for run in found.runs} == {"model_spec_evals", "audit"}
    assert {part.first for part in found.differences} == {"mockllm/one"}


def test_a_folder_without_a_log_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(BadInput, match=r"no log in this folder holds a sample: other\.json"):
        importing.runs(tmp_path)
    (tmp_path / "other.json").unlink()
    with pytest.raises(BadInput, match="no run folder"):
        comparing.read(tmp_path)


def test_a_run_that_is_not_finished_or_of_another_version_is_one_clear_error(
    graded: Path, tmp_path: Path
) -> None:
    (place,) = importing.write(importing.runs(graded), tmp_path / "run")
    assert comparing.read(place)[0].name == "run"
    report = place / "report.json"
    report.write_text('{"schema_version": "9.0"}')
    with pytest.raises(BadInput, match="of another version of govaudit, or damaged"):
        comparing.read(place)
    report.unlink()
    with pytest.raises(BadInput, match=r"not finished \(it has no report\.json\)"):
        comparing.read(place)
