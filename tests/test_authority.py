"""The whole way of an audit with probes of authority and with baselines: an endpoint that follows whoever speaks
last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from endpoint import endpoint

from govaudit.audit import audit
from govaudit.models.arms import Arm, entry_of
from govaudit.plan import prepare
from govaudit.request import BaselinesRequest, HierarchyRequest, Request


@pytest.mark.slow
def test_an_audit_reports_whose_instruction_an_endpoint_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_API_KEY", "none")

    def answer(messages: list[dict[str, Any]], number: int) -> str:
        return "It is so and it stays so."

    with endpoint(answer) as seen:
        arm = Arm("a", "openai-api/local/x", base_url=seen.url, context=32_000)
        request = Request(
            spec="house-rules",
            limit=2,
            arms={"a": entry_of(arm)},
            hierarchy=HierarchyRequest(per_pair=1, depths=(2, 12)),
            baselines=BaselinesRequest(forms=("revised",)),
        )
        report = audit(prepare(request), tmp_path / "run")
    part = report.hierarchy
    assert part is not None
    assert {row.arm for row in part.kinds} == {"a", "a+spec+revise"}
    # An endpoint is taken to have system, user and assistant: company > developer cannot be put to it.
    merged = [
        row for row in part.levels if (row.higher, row.lower, row.form) == ("company", "developer", "roles")
    ]
    assert all(set(row.unscored) == {"role_not_expressible"} for row in merged)
    assert len(merged) == 2
    tool = [row for row in part.kinds if row.form == "tool"]
    assert all(row.standing == "untested" for row in tool)
    markdown = (tmp_path / "run" / "report.md").read_text()
    assert "Whose instruction counts" in markdown
    assert (tmp_path / "run" / "measurements" / "hierarchy-kinds.csv").is_file()
