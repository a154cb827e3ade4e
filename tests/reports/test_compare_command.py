"""`govaudit compare` and `import` from the command line: files, JSON, exit codes; and real specs of two versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reports.compared import run
from typer.testing import CliRunner

from govaudit.cli import app
from govaudit.errors import BadInput
from govaudit.reports.compare import build
from govaudit.specs import alignment, openai_model_spec
from govaudit.specs.alignment import Mapping

NONE = Mapping(schema_version="1.0", groups=())
SHARES = "spec,model,judge,compliance,n\nours,a,one,0.9,100\nours,a,two,0.8,100\nours,b,one,0.5,\nours,b,two,0.5,\n"


def called(*arguments: str) -> tuple[int, str, BaseException | None]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout, done.exception


def test_a_table_of_shares_is_a_comparison_by_itself(tmp_path: Path) -> None:
    table, labs = tmp_path / "shares.csv", tmp_path / "labs.yaml"
    table.write_text(SHARES)
    labs.write_text("schema_version: '1.0'\nlabs:\n  lab: [ours, a, one]\n")
    code, printed, _ = called(
        "compare", "--shares", str(table), "--labs", str(labs), "-o", str(tmp_path / "out"), "--json"
    )
    assert code == 0
    found = json.loads(printed)["three_way"]
    assert [cell["kept"]["low"] is None for cell in found["cells"]] == [False, False, True, True]
    assert found["own_judge"][0]["plain"]["value"] == pytest.approx(0.1)
    assert found["own_judge"][0]["effect"]["value"] == pytest.approx(0.1)
    assert "no interval" in (tmp_path / "out" / "compare.html").read_text()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("spec,model,judge\na,b,c\n", "no column compliance"),
        ("spec,model,judge,compliance\na,b,c,1.5\n", "a share in 0..1"),
        ("spec,model,judge,compliance\na,b,c,x\n", "a share in 0..1"),
        ("spec,model,judge,compliance\na,b,c,1\na,b,c,1\n", "a second line"),
        ("spec,model,judge,compliance\n", "no rows"),
    ],
)
def test_a_table_that_is_none_is_bad_input(text: str, problem: str, tmp_path: Path) -> None:
    table = tmp_path / "shares.csv"
    table.write_text(text)
    _, _, error = called("compare", "--shares", str(table), "-o", str(tmp_path / "out"))
    assert isinstance(error, BadInput) and problem in str(error)
    assert not (tmp_path / "out").exists()


def test_nothing_to_compare_is_bad_input(tmp_path: Path) -> None:
    _, _, error = called("compare", "-o", str(tmp_path / "out"))
    assert isinstance(error, BadInput) and "nothing to compare" in str(error)
    _, _, error = called("compare", str(tmp_path), "-o", str(tmp_path / "out"))
    assert isinstance(error, BadInput) and "no run folder" in str(error)


def test_a_mapping_that_is_damaged_names_its_fault(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    member = "{spec: a, version: '1', relation: same}"
    path.write_text(f'schema_version: "1.0"\ngroups:\n  - {{id: g, statement: s, members: [{member}]}}\n')
    with pytest.raises(BadInput, match="names a clause or a path, and not both"):
        alignment.load(path)
    path.write_text('schema_version: "1.0"\ngroups:\n  - {id: g, statement: s, member: []}\n')
    with pytest.raises(BadInput, match=r"mapping\.yaml"):
        alignment.load(path)


def test_a_new_model_spec_makes_stale_what_it_reworded_and_not_what_it_renamed_a_level_of(data: Path) -> None:
    old, new = (
        openai_model_spec.load(data / "openai-model-spec" / f"{version}.md", version=version, prompts=None)[0]
        for version in ("2025-04-11", "2025-09-12")
    )
    said = ("letter_and_spirit", "sexual_content_involving_minors", "protect_privileged_messages", "be_kind")
    before = run(old, {"a": {clause: [0] * 6 for clause in said}}, name="before", digests={"a": "d"})
    after = run(new, {"a": {"letter_and_spirit": [0] * 6}}, name="after", digests={"a": "d"})
    found = build.build([before, after], NONE)
    rows = {row.clause: row for row in found.stale[0].rows}
    assert {clause for clause in said if rows[clause].stale} == set(said) - {
        "sexual_content_involving_minors"
    }
    assert rows["protect_privileged_messages"].now == "protect_privileged_information"
    assert rows["sexual_content_involving_minors"].change == "authority platform to root"
    assert (found.stale[0].stale_probes, found.stale[0].probes) == (18, 24)
    assert found.stale[0].stale_verdicts == 3
