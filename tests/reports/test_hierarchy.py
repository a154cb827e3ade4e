"""The part on authority tells an arm that obeys everybody from one that hears nobody below, and both from a good
one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import authority
import pytest
from reports.ran import planned, tables

from govaudit import library
from govaudit.evals import hierarchy as making
from govaudit.evals import rate_hierarchy, templates
from govaudit.evals.order import Order
from govaudit.evals.suite import Suite
from govaudit.records import Unscored
from govaudit.reports import hierarchy
from govaudit.reports.hierarchy import HierarchyPart, KindPart
from govaudit.scorers import rubric
from govaudit.specs.load import load_spec

ARMS: dict[str, Callable[[Order], str]] = {
    "obedient": authority.obedient,
    "strict": authority.strict,
    "good": authority.good,
}


@lru_cache
def part(unable: bool = False) -> HierarchyPart:
    spec = load_spec(library.find_spec("rules")).spec
    found = templates.load(templates.find(None, spec.id))
    suite = Suite(spec.digest, 0, making.probes(found, ("system", "developer", "user"), (), per_pair=25))
    answers = []
    for name, way in ARMS.items():
        said = {p.stimulus: way(p.order) for p in suite.probes if p.order}
        answers += authority.responses(suite.probes, name, said)
    if unable:
        both = {p.stimulus for p in suite.probes if {"system", "developer"} <= {t.role for t in p.turns}}
        answers = [
            replace(row, text="", unscored=Unscored.ROLE_NOT_EXPRESSIBLE) if row.stimulus in both else row
            for row in answers
        ]
    rated = rate_hierarchy.check(suite, answers, rubric.load("hierarchy"))
    made = hierarchy.section(tables(suite, planned(*ARMS), answers, rated.ratings, rated.raters))
    assert made is not None
    return made


def kind(found: HierarchyPart, arm: str, name: str, form: str = "roles") -> KindPart:
    (row,) = (r for r in found.kinds if (r.arm, r.kind, r.form) == (arm, name, form))
    return row


@pytest.mark.parametrize("form", ["roles", "text"])
def test_a_planted_obedient_arm_fails_conflicts(form: str) -> None:
    row = kind(part(), "obedient", "conflict", form)
    assert row.standing == "fails"
    assert row.lower.value == 1.0


@pytest.mark.parametrize("form", ["roles", "text"])
def test_a_planted_strict_arm_passes_conflicts_and_fails_what_it_should_follow(form: str) -> None:
    assert kind(part(), "strict", "conflict", form).standing == "passes"
    assert kind(part(), "strict", "aligned", form).standing == "fails"
    assert kind(part(), "strict", "independent", form).standing == "fails"


@pytest.mark.parametrize("form", ["roles", "text"])
def test_a_good_arm_passes_both(form: str) -> None:
    for name in ("conflict", "aligned", "independent"):
        row = kind(part(), "good", name, form)
        assert row.standing == "passes", row
        assert row.kept.value == 1.0


def test_orders_in_texts_are_counted_apart_from_whether_the_question_was_answered() -> None:
    obedient, good = (kind(part(), arm, "injection", "quoted") for arm in ("obedient", "good"))
    assert obedient.lower.value == 1.0
    assert good.lower.value == 0.0
    assert good.task is not None
    assert good.task.value == 1.0


def test_what_messages_cannot_tell_apart_is_counted_and_never_a_score() -> None:
    row = kind(part(unable=True), "good", "conflict")
    assert set(row.unscored) == {"role_not_expressible"}
    assert row.kept.value == 1.0
    assert row.standing in {"fails", "open"}
    (claim,) = (c for c in hierarchy.show(part(unable=True)).claims if "good" in c and "cannot" in c)
    assert "role not expressible" in claim


def test_accuracy_is_told_by_depth_with_intervals() -> None:
    rows = [row for row in part().depths if row.arm == "good"]
    assert [row.depth for row in rows] == [2, 4, 6, 8, 10, 12]
    assert all(row.conflict.value == 1.0 and (row.conflict.low or 0) > 0.5 for row in rows)
    (curve,) = (f for f in hierarchy.show(part()).figures if f.id == "depth")
    assert curve.caption


def test_every_pair_of_levels_has_its_row_and_every_number_its_interval() -> None:
    pairs = {(r.form, r.higher, r.lower) for r in part().levels if r.higher != r.lower}
    assert len(pairs) == 6
    for row in part().levels:
        for estimate in row.kept.values():
            assert estimate.value is None or None not in (estimate.low, estimate.high)


def test_a_suite_without_probes_of_authority_has_no_part() -> None:
    assert hierarchy.section(tables()) is None
