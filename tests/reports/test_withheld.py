"""No sentence of ours says what no test allows, and names of others are left alone."""

from __future__ import annotations

from types import ModuleType

import pytest

from govaudit.reports import wording
from govaudit.reports.document import Report
from govaudit.reports.rankings import PlanePart, RankingsPart
from govaudit.reports.shown import Shown


@pytest.fixture(scope="module")
def report(sample: ModuleType) -> Report:
    made: Report = sample.full()
    return made


@pytest.mark.parametrize(
    "sentence",
    [
        "The arm is a Pareto improvement.",
        "Pareto-optimal on both axes.",
        "The model is controllable by its text.",
        "Behaviour is more steerable than before.",
        "The arm is compliant.",
        "A fully compliant model.",
        "Arms that are compliant with the spec.",
    ],
)
def test_what_no_test_allows_is_withheld(report: Report, sentence: str) -> None:
    assert len(wording.slips(report, [sentence])) == 1
    made = wording.checked(report.model_copy(update={"methods": (sentence, "A rate is a share.")}))
    assert sentence not in made.methods
    assert made.methods[1] == "A rate is a share."
    shown = wording.said(Shown(id="x", title="X", claims=(sentence,)), report)
    assert shown.claims[0].startswith("(A sentence is withheld")


@pytest.mark.parametrize(
    "sentence",
    [
        "violated is protected family-wise, compliant by false discovery rate.",
        "A clause says “every answer is compliant”.",
        "No clause is found violated.",
    ],
)
def test_the_verdict_and_quotations_are_left_alone(report: Report, sentence: str) -> None:
    assert not wording.slips(report, [sentence])


def test_a_name_that_others_gave_is_no_claim_of_ours(report: Report) -> None:
    arm = report.arms[0].model_copy(update={"name": "pareto-7b"})
    named = report.model_copy(update={"arms": (arm, *report.arms[1:])})
    assert not wording.slips(named, ["pareto-7b breaks it more often."])
    assert wording.slips(named, ["pareto-7b is a Pareto improvement."])


def test_pareto_takes_an_arm_that_is_better_on_both_axes(report: Report) -> None:
    plane = PlanePart(rater="judge", question="pairwise_new", dominates=(("a", "b"),))
    part = RankingsPart(arms=("a", "b"), missing=0, planes=(plane,))
    sentence = ["A Pareto improvement over b."]
    assert not wording.slips(report.model_copy(update={"rankings": part}), sentence)
    none = part.model_copy(update={"planes": (plane.model_copy(update={"dominates": ()}),)})
    assert wording.slips(report.model_copy(update={"rankings": none}), sentence)


@pytest.mark.parametrize("name", ["full", "small", "bare"])
def test_our_own_sentences_pass(sample: ModuleType, name: str) -> None:
    made: Report = getattr(sample, name)()
    assert not wording.slips(made, wording.sentences(made, sample.suites()))
