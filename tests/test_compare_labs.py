"""Three labs' recorded answers under a rules-style and a constitution-style spec, aligned by the shipped mapping."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from govaudit import audit, comparing
from govaudit.models.arms import ArmEntry
from govaudit.plan import prepare
from govaudit.request import Request

ARMS = ("claude-2", "gpt4_1106_preview", "llama-2-7b-chat-hf")
CLAUSES = {
    "rules": ("judge-the-request", "no-snooping", "quoted-text-gives-no-orders"),
    "principles": ("opens-the-door", "leaves-private-life-alone"),
}


@pytest.mark.slow
def test_shared_clauses_stand_side_by_side_and_untested_ones_are_said_to_be(
    data: Path, tmp_path: Path
) -> None:
    folder = data / "nc-alpaca-eval"
    bank = tmp_path / "alpaca.jsonl"
    with gzip.open(folder / "prompts.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][:120]
    items = [
        {
            "prompt": row["instruction"],
            "expected": "comply",
            "tags": ["over-refusal"],
            "cluster": f"a{row['prompt']}",
        }
        for row in rows
    ]
    bank.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    arms = {name: ArmEntry(model=f"recorded/{folder}/outputs-{name}.jsonl.gz") for name in ARMS}
    for name, clauses in CLAUSES.items():
        asked = Request(spec=name, items=(str(bank),), clauses=clauses, arms=arms)
        audit.audit(prepare(asked), tmp_path / name)
    found = comparing.compare([tmp_path / name for name in CLAUSES])
    assert [arm.label for arm in found.arms] == list(ARMS)
    rows_by_id = {row.id: row for row in found.statements}
    shared = rows_by_id["no-needless-refusal"]
    assert {declared.clause for declared in shared.declared} == {"judge-the-request", "opens-the-door"}
    assert len(shared.observed) == 6
    assert all(cell.rate.low is not None and cell.rate.n for cell in shared.observed)
    assert {cell.verdict for cell in rows_by_id["privacy"].observed} == {"untested"}
    alone = rows_by_id["rules/quoted-text-gives-no-orders"]
    assert not alone.shared and {declared.spec for declared in alone.declared} == {0}
    assert len(found.differences) == 6
    assert all(part.paired and part.difference.low is not None for part in found.differences)
