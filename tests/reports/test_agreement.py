"""Agreement in a run: which ratings make a table, who is in it, and what is said."""

from __future__ import annotations

import pytest
from reports.ran import tables

from govaudit.records import Measure, Rater, RaterKind, Rating, Scale, Unscored
from govaudit.reports.agreed import AgreementGroup
from govaudit.reports.agreement import section, show


def rater(name: str, kind: RaterKind, rubric: str = "compliance", source: str = "human") -> Rater:
    return Rater(name, kind, source, rubric, "digest")


def rating(who: str, item: int, value: float | None, **more: object) -> Rating:
    fields: dict[str, object] = {
        "rating": f"{who}/{item}/{more}",
        "rubric": "compliance",
        "rater": who,
        "question": "c",
        "responses": (f"r{item:03}",),
        "clause": "c",
        "measure": Measure.GENERATION,
        "scale": Scale.BINARY,
        "value": value,
        "label": "",
        "unscored": Unscored.INVALID_VERDICT if value is None else None,
        "cluster": f"k{item // 2}",
    }
    return Rating(**(fields | more))  # type: ignore[arg-type]


PEOPLE = [rater(name, RaterKind.PEOPLE) for name in ("person:a", "person:b", "person:c")]


def people(n: int = 60) -> list[Rating]:
    """Three people, each of whom errs on items of his own."""
    return [
        rating(who.id, k, float((k % 3 == 0) != ((k + 5 * r) % 10 == 0)))
        for k in range(n)
        for r, who in enumerate(PEOPLE)
    ]


def one(ratings: list[Rating], raters: list[Rater]) -> AgreementGroup:
    part = section(tables(ratings=ratings, raters=raters))
    assert part is not None
    (group,) = part.groups
    return group


def test_a_run_that_one_rater_judged_has_no_agreement() -> None:
    assert section(tables(ratings=[rating("person:a", k, 1.0) for k in range(9)], raters=PEOPLE)) is None
    apart = [rating("person:a", 1, 1.0), rating("person:b", 2, 1.0)]
    assert section(tables(ratings=apart, raters=PEOPLE)) is None


def test_people_and_machines_stand_in_one_table_whatever_their_rubric() -> None:
    raters = [*PEOPLE, rater("judge:m", RaterKind.JUDGE, "strict", "model")]
    ratings = people(240) + [
        rating("judge:m", k, float(k % 3 == 0) if k else None, rubric="strict") for k in range(240)
    ]
    found = one(ratings, raters)
    assert [line.rater for line in found.raters] == ["person:a", "person:b", "person:c", "judge:m"]
    assert (found.items, found.clusters) == (240, 120)
    assert found.raters[3].invalid == 1
    assert found.all is not None and found.people is not None
    assert (found.all.raters, found.people.raters, found.people.ratings) == (4, 3, 720)
    (more,) = found.one_more
    assert more.may_replace is True
    assert more.alpha_change.value is not None and more.alpha_change.value > 0
    assert len(found.pairs) == 6


def test_a_judge_whose_labels_are_turned_round_is_named_first() -> None:
    raters = [*PEOPLE, rater("judge:m", RaterKind.JUDGE)]
    ratings = people() + [rating("judge:m", k, float(k % 3 != 0)) for k in range(60)]
    part = section(tables(ratings=ratings, raters=raters))
    assert part is not None
    (named,) = part.groups[0].reversed
    assert (named.rater, named.against) == ("judge:m", "the others")
    assert named.kappa.high is not None and named.kappa.high < 0
    assert named.kappa_flipped is not None and named.kappa_flipped.value is not None
    assert named.kappa_flipped.value > 0.5
    assert show(part).claims[0].startswith("judge:m seems to have its labels turned round")


def test_what_was_derived_from_others_and_world_truth_enter_no_coefficient() -> None:
    raters = [
        *PEOPLE,
        rater("people", RaterKind.PEOPLE),
        rater("world", RaterKind.WORLD, source="rule"),
    ]
    ratings = people()
    ratings += [rating("people", k, float(k % 3 == 0), derived_from=("x",)) for k in range(60)]
    ratings += [rating("world", k, float(k % 3 == 0)) for k in range(60)]
    found = one(ratings, raters)
    assert found.raters[0].rater == "world"
    assert {line.rater for line in found.raters} == {"world", "person:a", "person:b", "person:c"}
    assert found.all is not None
    assert found.all.raters == 3
    assert not found.notes


def test_severity_tells_who_breaks_more() -> None:
    ratings = people() + [rating("judge:m", k, float(k % 3 == 0 or k % 2 == 0)) for k in range(60)]
    found = one(ratings, [*PEOPLE, rater("judge:m", RaterKind.JUDGE)])
    severe = {line.rater: line.severity for line in found.raters}["judge:m"]
    assert severe is not None and severe.low is not None
    assert severe.low > 0


def test_asking_again_gives_test_retest_and_no_second_item() -> None:
    ratings = people() + [
        rating("judge:m", k, float(k % 3 == 0) if r == 1 else float(k % 6 == 0), replicate=r)
        for k in range(60)
        for r in (1, 2)
    ]
    found = one(ratings, [*PEOPLE, rater("judge:m", RaterKind.JUDGE)])
    line = next(line for line in found.raters if line.rater == "judge:m")
    assert line.retest is not None
    # 10 of 60 items changed; they have no label of this rater in the table.
    assert line.retest.value == pytest.approx(50 / 60)
    assert line.n == 50


def test_pairs_are_one_item_in_whichever_order_they_were_shown() -> None:
    def pair(who: str, k: int, first: str, second: str, value: float) -> Rating:
        return rating(
            who,
            k,
            value,
            responses=(first, second),
            clause=None,
            scale=Scale.PAIRWISE,
            rubric="pairwise_old",
            question="pairwise_old",
        )

    ratings = []
    for k in range(40):
        better = k % 2 == 0
        a, b = f"a{k:02}", f"b{k:02}"
        ratings += [pair("judge:m", k, a, b, float(better)), pair("judge:m", k, b, a, float(not better))]
        ratings.append(pair("person:a", k, b, a, float(not better)))
        # Always the one shown first: no verdict that holds in both orders.
        ratings += [pair("judge:first", k, a, b, 1.0), pair("judge:first", k, b, a, 1.0)]
    raters = [PEOPLE[0], rater("judge:m", RaterKind.JUDGE), rater("judge:first", RaterKind.JUDGE)]
    found = one(ratings, raters)
    assert [line.rater for line in found.raters] == ["person:a", "judge:m"]
    assert found.items == 40
    assert found.all is not None
    assert found.all.agreement.value == 1.0


def test_the_part_is_shown_with_intervals_and_unique_names() -> None:
    part = section(tables(ratings=people(), raters=PEOPLE))
    assert part is not None
    shown = show(part)
    assert len({table.id for table in shown.tables}) == len(shown.tables)
    assert shown.claims[0].startswith("clause kept or broken: 3 people on 60 items, alpha ")
    for table in shown.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
    raters = [rater(p.id, p.kind, source="simulated") for p in PEOPLE]
    simulated = section(tables(ratings=people(), raters=raters))
    assert simulated is not None
    assert "3 simulated people" in show(simulated).claims[0]
