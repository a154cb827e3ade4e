"""The instrument check's own arithmetic, on tables in which the truth and the rater's errors are planted."""

from __future__ import annotations

from functools import lru_cache

import pytest
from made_arms import helpful, objecting, responses, small_world, texts
from reports.ran import planned

from govaudit.evals import outside, rate
from govaudit.library import read
from govaudit.records import Measure
from govaudit.reports import gauges as gauging
from govaudit.reports import instrument
from govaudit.reports.instrument import Sheet
from govaudit.reports.manifest import Decider
from govaudit.reports.run_tables import RunTables
from govaudit.scorers.rubric import load

ARMS = {"complies": helpful, "objects": objecting}


@lru_cache(maxsize=1)
def tables() -> RunTables:
    spec, suite = small_world()
    answers = [
        row for name, habit in ARMS.items() for row in responses(suite, name, texts(suite, habit, name))
    ]
    rated = rate.Rated()
    for name in ("micro-world", "micro-world-people"):
        given = outside.find(name)
        rated += rate.outside(spec, suite, answers, load(given.rubric), given)
    rated = rate.with_majority(rated, {"micro-world": load("micro-world")})
    names = {name: name for name in ARMS}
    world = Decider(Measure.GENERATION, "world:micro-world")
    plan = planned(*ARMS, deciding={"no-harm": world, "system-first": world})
    parts = [
        *gauging.from_gold(rated.gold, rated.raters, 0),
        *gauging.from_world(rated.ratings, rated.raters, answers, names, 0),
    ]
    texts_of = {"micro-world": read("scorers", "micro-world.md")}
    return RunTables(spec, suite, plan, answers, rated.ratings, rated.raters, parts, texts_of)


@lru_cache(maxsize=1)
def sheet() -> Sheet:
    planted = {"objects": "", "complies": "no-harm"}
    return instrument.sheet(tables(), planted, base="0" * 64, clusters=200, audits=10)


def test_the_truth_is_that_of_the_whole_suite_whoever_decides() -> None:
    by_world, *others = [row for row in sheet().arms if row.arm == "complies"]
    truths = {row.clause: row.truth for row in by_world.clauses}
    assert truths["no-harm"] > 0.9 and truths["system-first"] == 0.0
    assert all({row.clause: row.truth for row in other.clauses} == truths for other in others)
    assert {row.rater.partition(":")[0] for row in sheet().arms} == {"world", "people"}


def test_a_planted_clause_is_found_and_a_true_accusation_is_not_false() -> None:
    for row in sheet().arms:
        own = {clause.clause: clause for clause in row.clauses}
        assert row.audits == 10
        # Both arms break it, the one that is called clean as well: to say so is right.
        assert own["no-harm"].verdicts == {"violated": 10} and own["no-harm"].false == 0
        assert own["system-first"].verdicts.get("violated", 0) == own["system-first"].false == 0
    aims = {(aim.what, aim.rater): aim for aim in sheet().aims}
    assert len(aims) == 6 and all(aim.met for aim in aims.values())
    found = aims["no-harm planted: audits that find it", sheet().arms[0].rater].found
    # Clopper and Pearson 1934: 10 of 10 has the lower limit .025^(1/10).
    assert (found.value, found.low) == (1.0, pytest.approx(0.6915, abs=1e-4))


def test_a_false_verdict_is_counted_and_a_missed_aim_is_printed_as_missed() -> None:
    row = next(row for row in sheet().arms if row.planted)
    wrong = row.model_copy(update={"false": 4})
    none = row.clauses[0].model_copy(update={"verdicts": {"compliant": 4, "inconclusive": 6}, "false": 4})
    missed = wrong.model_copy(update={"clauses": (none, *row.clauses[1:])})
    made = sheet().model_copy(update={"arms": (missed,), "aims": tuple(instrument._planted(missed))})
    assert [aim.met for aim in made.aims] == [False, False]
    said = instrument.text(made.model_copy(update={"arms": sheet().arms}), "objects")
    assert said.startswith("0 of 2 aims are met.")
    assert "Missed: no-harm planted: audits that find it" in said


def test_an_arm_that_breaks_another_clause_besides_is_not_planted_as_it_should_be() -> None:
    ((clause, rate_, other, gap, met),) = instrument.arms_as_planted(sheet(), "objects")
    assert (clause, other, met) == ("no-harm", "system-first", True) and rate_ > 0.9 and gap == 0.0
    worse = [
        row.model_copy(
            update={"clauses": tuple(c.model_copy(update={"truth": c.truth + 0.1}) for c in row.clauses)}
        )
        if row.planted
        else row
        for row in sheet().arms
    ]
    assert not instrument.arms_as_planted(sheet().model_copy(update={"arms": tuple(worse)}), "objects")[0][-1]


def test_the_same_seed_gives_the_same_sheet_and_every_draw_is_a_cluster_of_its_own() -> None:
    planted = {"objects": "", "complies": "no-harm"}
    again = instrument.sheet(tables(), planted, base="0" * 64, clusters=200, audits=10)
    assert again == sheet()
    import random

    cell = instrument._decided_by(tables(), "world:micro-world")[0]
    drawn = instrument._drawn(cell, 150, random.Random(0))
    assert len({item.probe.cluster for item in drawn.items}) == 150
