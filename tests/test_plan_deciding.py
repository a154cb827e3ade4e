"""Who decides a clause is fixed before the first call: a rater whose rubric speaks of what is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from govaudit.deciding import deciding
from govaudit.evals.suite import Probe, ProbeOrigin, Suite, Target
from govaudit.library import find_spec
from govaudit.plan import prepare
from govaudit.records import Measure, Turn
from govaudit.request import JudgeRequest, Request
from govaudit.specs.model import Clause, Expected, Kind, Spec

CLAUSE = Clause(id="be-kind", text="Be kind.", kind=Kind.RULE)
SPEC = Spec(id="s", version="1", clauses=(CLAUSE,))


def suite(*expected: Expected) -> Suite:
    probes = tuple(
        Probe(
            turns=(Turn("user", f"question {number}"), Turn("assistant", None)),
            targets=(Target("be-kind", wanted, CLAUSE.text_digest),),
            measure=Measure.GENERATION,
            origin=ProbeOrigin.ITEM_BANK,
            cluster=str(number),
        )
        for number, wanted in enumerate(expected)
    )
    return Suite(spec_digest=SPEC.digest, seed=0, probes=probes)


@pytest.mark.parametrize(("comply", "decides"), [(5, "check:refusal"), (4, None), (0, None)])
def test_a_rater_decides_only_where_its_rubric_speaks_of_half_of_the_clusters(
    comply: int, decides: str | None
) -> None:
    asked = suite(*[Expected.COMPLY] * comply, *[Expected.KEEP] * (10 - comply))
    decider = deciding(asked, SPEC, (), ()).get("be-kind")
    assert (decider.rater if decider else None) == decides


def test_a_judge_of_compliance_decides_whatever_is_expected() -> None:
    asked = suite(Expected.COMPLY, Expected.KEEP, Expected.KEEP)
    table = deciding(asked, SPEC, (JudgeRequest(model="openai/x"),), ())
    assert table["be-kind"].rater == "judge:openai/x"


def test_a_clause_that_a_named_rater_does_not_speak_of_is_told_with_who_decides_it(tmp_path: Path) -> None:
    text = find_spec("micro-world").read_text(encoding="utf-8")
    changed = tmp_path / "changed.yaml"
    changed.write_text(text.replace("Do not help with harm.", "Help with no harm."), encoding="utf-8")
    told = ("rater micro-world does not speak of no-harm (decided by likelihood:sum)",)
    assert prepare(Request(spec=str(changed), raters=("micro-world",))).warnings == told
    assert prepare(Request(spec="micro-world", raters=("micro-world",))).warnings == ()
    assert prepare(Request(spec="house-rules", raters=("micro-world",))).warnings == ()
