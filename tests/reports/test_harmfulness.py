"""Absolute harmfulness: arms whose truth is planted, through selection, raters and the report's part."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

import pytest
from reports.ran import planned, tables

from govaudit.evals import measured, rate_measured
from govaudit.evals.outside import OutsideGrades
from govaudit.evals.rate import Rated
from govaudit.evals.suite import Suite
from govaudit.plan import prepare
from govaudit.records import RaterKind, Response, Turn, Unscored, response_id
from govaudit.reports import harmfulness
from govaudit.reports.harmfulness import HarmfulnessPart, snapshot_of
from govaudit.reports.manifest import Plan, PlannedArm
from govaudit.request import Request
from govaudit.scorers import rubric as rubrics
from govaudit.train.organism import answers, people, prompts, truth, world
from govaudit.train.organism.answers import Recipe, Style
from govaudit.train.organism.harmfulness import perceived

RUBRICS = {"harmfulness": rubrics.load("harmfulness")}


@cache
def suite() -> Suite:
    return prepare(Request(spec="micro-world", measure=("micro-harmfulness",), limit=48)).suite


def arm(name: str, model: str = "", temperature: float = 1.0) -> PlannedArm:
    return PlannedArm(name, name, model or f"govaudit/{name}", {"temperature": temperature}, {})


def plan(*arms: PlannedArm) -> Plan:
    prepared = prepare(Request(spec="micro-world", measure=("micro-harmfulness",), limit=48))
    return planned(*arms, selections=tuple(selection.data() for selection in prepared.selections))


def graded(arms: Sequence[PlannedArm], responses: list[Response], *given: object) -> HarmfulnessPart:
    found = rated(responses, *given)
    part = harmfulness.section(tables(suite(), plan(*arms), responses, found.ratings, found.raters))
    assert part is not None
    return part


def answered(name: str, comply: float, seed: int) -> list[Response]:
    """An arm that helps with so large a share of the harmful requests, and objects to the others."""
    small, rng, rows = world.world(), random.Random(f"{name} {seed}"), []
    for probe in measured.of("harmfulness", suite().probes):
        prompt = prompts.recognise(small, probe.turns)
        assert prompt is not None
        style = Style.COMPLY if rng.random() < comply else Style.OBJECTION
        text = answers.write(small, prompt, Recipe(style), rng)
        rows.append(
            Response(
                response=response_id(probe.stimulus, name, 1),
                stimulus=probe.stimulus,
                arm=name,
                epoch=1,
                turns=(*probe.turns[:-1], Turn("assistant", text)),
                text=text,
            )
        )
    return rows


def rated(responses: list[Response], *given: object) -> Rated:
    found = Rated()
    for one in given:
        assert isinstance(one, OutsideGrades)
        found += rate_measured.by_outside(suite(), responses, one, RUBRICS)
    return found


def test_world_truth_orders_planted_arms_and_both_models_agree() -> None:
    rows = [*answered("all", 1.0, 0), *answered("half", 0.5, 0), *answered("none", 0.0, 0)]
    part = graded([arm("all"), arm("half"), arm("none")], rows, truth.truth)
    for one in part.raters[0].sets:
        means = {line.arm: line.mean.value for line in one.arms}
        assert means["all"] > means["half"] > means["none"] == 0
        assert one.disagree == ()
        assert one.no_ordinal is None
        half, none = one.arms[1], one.arms[2]
        assert half.difference is not None
        assert half.difference.high is not None
        assert half.difference.high < 0
        assert half.log_odds is not None
        assert half.log_odds.high is not None
        assert half.log_odds.high < 0
        assert none.log_odds is not None
        assert none.log_odds.undefined == "every answer has the lowest grade"
        assert none.mean.high is not None
        assert 0 < none.mean.high < 0.4
    shown = harmfulness.show(part)
    assert any("order the 3 arms alike" in claim for claim in shown.claims)
    assert any(claim.startswith("Less harmful than all (random): half, none") for claim in shown.claims)


def test_grades_fall_over_the_snapshots_of_a_run_that_learns_and_rise_over_none_that_does_not() -> None:
    shares = {"learns": (0.9, 0.6, 0.3, 0.05), "idles": (0.5, 0.5, 0.5, 0.5)}
    arms = [
        (arm(f"{run}-step-{10 * k:05d}", f"govaudit/{run}/snapshots/step-{10 * k:05d}"), share)
        for run, series in shares.items()
        for k, share in enumerate(series)
    ]
    rows = [row for one, share in arms for row in answered(one.name, share, 1)]
    part = graded([one for one, _ in arms], rows, truth.truth)
    for one in part.raters[0].sets:
        trends = {line.run: line for line in one.trends}
        assert trends["learns"].steps == (0, 10, 20, 30)
        assert trends["learns"].change.high is not None
        assert trends["learns"].change.high < -1
        assert trends["idles"].change.low is not None
        assert trends["idles"].change.low < 0.3
    shown = harmfulness.show(part)
    assert any("snapshots of learns the mean grade falls" in claim for claim in shown.claims)
    assert not any("rises" in claim for claim in shown.claims)
    assert [figure.id for figure in shown.figures] == ["snapshots"]


def test_agreement_of_simulated_people_rises_when_the_scale_is_cut_at_three() -> None:
    """As published for red teamers: .32 on five grades, .49 cut at 3 (Ganguli et al. 2022)."""
    noisy = truth.SimulatedPeople(people.panel(5, noise=1.6))
    rows = [*answered("all", 1.0, 2), *answered("half", 0.5, 2)]
    part = graded([arm("all"), arm("half")], rows, noisy)
    assert part.agreement is not None
    kappas = {cut.at: cut.kappa.value for cut in part.agreement.cuts}
    whole, cut = kappas["0 to 4"], kappas["3 or above"]
    assert whole is not None
    assert cut is not None
    assert cut > whole
    assert [row.published for row in part.agreement.cuts] == [0.32, None, None, 0.49, None]
    assert part.raters[0].persons == 5


def test_garbled_and_missing_answers_are_counted_and_bounded_and_no_grade() -> None:
    rows = answered("all", 1.0, 3)
    rows[0] = Response(**{**vars(rows[0]), "text": "the the steps ."})
    rows[1] = Response(**{**vars(rows[1]), "text": "", "unscored": Unscored.EMPTY})
    assert sum(row.unscored is Unscored.GARBLED for row in rated(rows, truth.truth).ratings) == 1
    part = graded([arm("all")], rows, truth.truth)
    lines = [one.arms[0] for one in part.raters[0].sets]
    assert max(line.unscored for line in lines) >= 1
    for line in lines:
        assert line.mean.value is not None
        if line.unscored:
            assert line.mean_low < line.mean.value < line.mean_high


def test_the_record_of_the_prompts_says_how_they_were_chosen() -> None:
    part = graded([arm("all")], answered("all", 1.0, 0), truth.truth)
    sets = {one.name: one for one in part.selections}
    assert set(sets) == {"spread", "random"}
    spread = sets["spread"]
    assert (spread.chosen, spread.wanted, spread.seed) == (48, 64, 0)
    assert {took for _, took in spread.strata.values()} == {24}
    assert list(spread.banks) == ["micro-world.jsonl"]


def test_no_grade_no_part() -> None:
    assert harmfulness.section(tables(suite(), plan(arm("all")))) is None


def test_snapshots_are_told_by_their_folder_and_named_by_run_and_temperature() -> None:
    assert snapshot_of(arm("rl-step-00010-T0", "govaudit/x/snapshots/step-00010", 0.0)) == ("rl at T = 0", 10)
    assert snapshot_of(arm("pre-3000k", "govaudit/x/snapshots/3000k")) == ("pre", 3_000_000)
    assert snapshot_of(arm("base", "govaudit/base")) is None


@pytest.mark.parametrize("true", range(5))
def test_what_people_perceive_lies_around_the_truth(true: int) -> None:
    panel = people.panel(12)
    seen = [perceived(person, true, n) for person in panel.people for n in range(60)]
    assert set(seen) <= set(range(5))
    assert abs(sum(seen) / len(seen) - true) < 0.45
    assert all(perceived(panel.people[0], true, n) == perceived(panel.people[0], true, n) for n in range(9))


def test_the_kinds_of_rater_are_those_of_the_outside_object() -> None:
    found = rated(answered("all", 1.0, 0), truth.truth)
    (rater,) = found.raters
    assert (rater.kind, rater.id, rater.rubric) == (RaterKind.WORLD, "world:harmfulness", "harmfulness")
