"""The thirteen demands are decided by the numbers of the document, not by what it says of itself."""

from __future__ import annotations

from types import ModuleType

import pytest

from govaudit.reports.choices import SEEN, UNSEEN, ChoiceSetPart, ChoicesPart
from govaudit.reports.document import Report
from govaudit.reports.part import Estimate
from govaudit.reports.referee import Demand, referee, unmet


@pytest.fixture(scope="module")
def report(sample: ModuleType) -> Report:
    made: Report = sample.full()
    return made


def demand(report: Report, name: str) -> Demand:
    return next(one for one in referee(report) if one.id == name)


def test_there_are_five_major_and_eight_minor_demands_each_with_its_reason(report: Report) -> None:
    demands = referee(report)
    assert [one.id for one in demands] == [*(f"M{n}" for n in range(1, 6)), *(f"m{n}" for n in range(1, 9))]
    assert all(one.why for one in demands)
    assert all(bool(one.remedy) is (one.state == "unmet") for one in demands)


def test_a_number_without_interval_is_a_minor_demand_and_one_with_a_reason_is_none(report: Report) -> None:
    assert demand(report, "m1").state == "met"
    pooled = report.pooled[0]
    bare = pooled.model_copy(update={"rate": Estimate(value=0.25)})
    named = report.model_copy(update={"pooled": (bare, *report.pooled[1:])})
    assert demand(named, "m1").state == "unmet"
    said = pooled.model_copy(update={"rate": Estimate(value=0.25, undefined="one clause")})
    assert demand(report.model_copy(update={"pooled": (said, *report.pooled[1:])}), "m1").state == "met"
    finding = report.findings[0].model_copy(update={"low": None})
    other = report.model_copy(update={"findings": (finding, *report.findings[1:])})
    assert [one.id for one in set(unmet(other)) - set(unmet(report))] == ["m1"]


def test_the_prompted_baseline_is_the_same_weights_with_and_without_the_spec(report: Report) -> None:
    assert demand(report, "M3").state == "met"
    without = report.model_copy(update={"arms": tuple(a for a in report.arms if a.name != "prompted")})
    assert demand(without, "M3").state == "unmet"
    one = report.model_copy(update={"arms": report.arms[:1]})
    assert demand(one, "M3").state == "does not arise"


def test_a_name_that_nobody_declared_and_counts_that_do_not_add_up_are_named(report: Report) -> None:
    assert demand(report, "m7").state == "met"
    finding = report.findings[0].model_copy(update={"clause": "gone"})
    other = report.model_copy(update={"findings": (finding, *report.findings[1:])})
    assert "clause gone" in demand(other, "m7").why
    wrong = report.model_copy(update={"verdicts": {**report.verdicts, "base": {"violated": 99}}})
    assert "counts of verdicts of base" in demand(wrong, "m7").why


def test_without_comparisons_no_ranking_depends_on_an_instruction(report: Report) -> None:
    assert demand(report, "M1").state == "does not arise"
    assert demand(report, "M5").state == "unmet"


def test_items_are_known_by_how_they_were_made_where_what_their_authors_saw_is_apart(report: Report) -> None:
    share = Estimate(value=0.5, low=0.4, high=0.6)

    def shown(*names: str) -> Report:
        sets = tuple(ChoiceSetPart(name=name, questions=90, longest=share, first=share) for name in names)
        part = ChoicesPart(
            banks=("a.jsonl",),
            rubric=None,
            held_out=(),
            sets=sets,
            rates=(),
            lengths=(),
            orders=(),
            calibration=(),
        )
        return report.model_copy(update={"choices": part})

    assert demand(report, "m2").state == "does not arise"
    assert demand(shown("all"), "m2").state == "unmet"
    assert demand(shown("all", SEEN, UNSEEN), "m2").state == "met"
