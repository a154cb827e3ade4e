"""Rankings of a run: what is claimed, what is withheld, and that what was planted is found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_arms import HABITS, responses, small_world, texts
from reports.ran import planned

from govaudit.evals import rate_pairs
from govaudit.evals.forms.table import read_verdicts
from govaudit.evals.pairs import ArmPair, Pool, pools
from govaudit.evals.rate import Rated
from govaudit.records import Measure, RaterKind, Rating, Response, Scale, Unscored
from govaudit.reports.manifest import Plan, PlannedArm
from govaudit.reports.ranked import Judged, RankingPart, effects, fit
from govaudit.reports.rankings import RankingsPart, section, show
from govaudit.reports.run_tables import RunTables
from govaudit.scorers.pairwise import BUILT_IN
from govaudit.scorers.rubric import load
from govaudit.train.organism import people, truth

RUBRICS = [load(name) for name in BUILT_IN]
ARMS = list(HABITS)
PANEL = people.panel(truth.PERSONS)


def plan_of(arms: Sequence[str], models: Sequence[str] = (), **request: object) -> Plan:
    named = models or [f"recorded/{name}.jsonl" for name in arms]
    made = (PlannedArm(a, a, m, {}, {}) for a, m in zip(arms, named, strict=True))
    return planned(*made, request=request)


def run_of(answers: Sequence[Response], rated: Rated, plan: Plan | None = None) -> RunTables:
    return RunTables(*small_world(), plan or plan_of(ARMS), answers, rated.ratings, rated.raters)


@pytest.fixture(scope="module")
def answers() -> list[Response]:
    suite = small_world()[1]
    return [row for name in ARMS for row in responses(suite, name, texts(suite, HABITS[name], name))]


@pytest.fixture(scope="module")
def whole(answers: list[Response]) -> tuple[Pool, ...]:
    return rate_pairs.limited(pools(*small_world(), answers, ARMS, RUBRICS), 300, 0)


@pytest.fixture(scope="module")
def rated(whole: tuple[Pool, ...]) -> Rated:
    found = rate_pairs.by_outside(whole, truth.truth)  # type: ignore[arg-type]
    return found + rate_pairs.by_outside(whole, truth.simulated)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def part(answers: list[Response], rated: Rated) -> RankingsPart:
    found = section(run_of(answers, rated, plan_of(ARMS, comparisons={})))
    assert found is not None
    return found


def ranking(part: RankingsPart, rater: str, question: str, control: str = "") -> RankingPart:
    return next(
        row for row in part.rankings if (row.rater, row.question, row.control) == (rater, question, control)
    )


def expected(pair: ArmPair, rubric: str) -> float:
    """P(first wins) for a person drawn from the panel: what very many judgements would come to."""
    one, two = (truth.worth(rubric, pair.turns, row.text) for row in (pair.first, pair.second))
    assert not isinstance(one, Unscored)
    assert not isinstance(two, Unscored)
    return float(np.mean([people.p_of(person, one - two) for person in PANEL.people]))


def known(whole: tuple[Pool, ...], rubric: str) -> Judged:
    """The panel's expected judgements of the same pairs, in both orders."""
    rows = []
    for pool in whole:
        for pair in pool.pairs if rubric in [r.name for r in pool.rubrics] else ():
            p = expected(pair, rubric)
            for turned in (False, True):
                shown = tuple(row.response for row in pair.shown(turned=turned))
                rows.append(
                    Rating(
                        f"{rubric}{shown}",
                        rubric,
                        "expected",
                        rubric,
                        shown,
                        None,
                        Measure.GENERATION,
                        Scale.PAIRWISE,
                        1 - p if turned else p,
                        cluster=pair.cluster,
                    )
                )
    return Judged(rubric, "expected", "people", "simulated", rubric, tuple(rows))


def test_elo_by_simulated_people_is_the_planted_one_within_its_bands(
    part: RankingsPart, whole: tuple[Pool, ...], answers: list[Response]
) -> None:
    arm_of = {row.response: row.arm for row in answers}
    for question in BUILT_IN:
        true = {
            row.arm: row.elo.value for row in fit(known(whole, question), ARMS, arm_of, seed=0).part.standings
        }
        found = ranking(part, "simulated people", question)
        assert found.undefined is None
        for row in found.standings:
            value = true[row.arm]
            assert value is not None
            assert row.band_low <= value <= row.band_high, (question, row.arm)


def test_ranks_by_people_do_not_exclude_those_of_the_truth(part: RankingsPart) -> None:
    for question in BUILT_IN:
        best = [row.arm for row in ranking(part, "world", question).standings]
        for row in ranking(part, "simulated people", question).standings:
            assert row.rank_low <= best.index(row.arm) + 1 <= row.rank_high


def test_the_planted_effect_of_the_instruction_and_its_share_are_recovered(
    part: RankingsPart, whole: tuple[Pool, ...], answers: list[Response]
) -> None:
    arm_of = {row.response: row.arm for row in answers}
    old, new = (fit(known(whole, q), ARMS, arm_of, seed=0) for q in ("pairwise_old", "pairwise_new"))
    true = {(row.first, row.second): row for row in effects(old, new, [("evasive", "objecting")], seed=0)[0]}
    found = [row for row in part.effects if row.rater == "simulated people"]
    assert len(found) == 3
    row = next(row for row in found if (row.first, row.second) == ("evasive", "objecting"))
    planted = true["evasive", "objecting"]
    low, high = row.bands[2]
    assert low <= (planted.difference.value or 0.0) <= high
    assert low > 0  # the new instruction takes points from evasion
    assert planted.share.value is not None
    assert row.share.low is not None
    assert row.share.high is not None
    assert row.share.low <= planted.share.value <= row.share.high


def test_holding_evasion_equal_takes_away_the_advantage_that_the_old_instruction_gives_it(
    part: RankingsPart,
) -> None:
    plain = ranking(part, "simulated people", "pairwise_old")
    equal = ranking(part, "simulated people", "pairwise_old", "evasiveness")
    elo = [{row.arm: row.elo.value or 0.0 for row in one.standings} for one in (plain, equal)]
    assert elo[0]["evasive"] > elo[0]["objecting"]
    assert elo[1]["evasive"] < elo[1]["objecting"] + 50
    assert (equal.covariates["evasive"].low or 0.0) > 0
    engaged = ranking(part, "simulated people", "pairwise_old", "engaged pairs")
    assert 0 < engaged.pairs < plain.pairs


def test_better_is_said_only_where_the_band_excludes_0(part: RankingsPart) -> None:
    for row in part.rankings:
        for one in row.contrasts:
            apart = one.band_low > 0 or one.band_high < 0
            assert (one.better is not None) is apart
            low, high = one.elo.low, one.elo.high
            assert low is not None
            assert high is not None
            assert one.band_low <= low <= high <= one.band_high


def test_one_arm_dominates_another_only_where_it_is_better_on_both_axes(part: RankingsPart) -> None:
    assert {plane.rater for plane in part.planes} == {"world", "simulated people"}
    for plane in part.planes:
        for better, worse in plane.dominates:
            for question in (plane.question, "pairwise_helpful"):
                rows = ranking(part, plane.rater, question).contrasts
                one = next(row for row in rows if {row.first, row.second} == {better, worse})
                assert one.better == better


def test_every_point_of_the_plane_has_its_intervals(part: RankingsPart) -> None:
    shown = show(part)
    assert len(shown.figures) == 4
    for figure in shown.figures:
        for point in figure.points:  # type: ignore[union-attr]
            for value in (point.x, point.y):
                assert value.low is not None
                assert value.high is not None
                assert value.low < value.high
    assert any(
        "better on both" in claim or "distinguishably better than another on both" in claim
        for claim in shown.claims
    )


def test_an_arm_that_answers_every_prompt_alike_is_named_before_any_elo(
    answers: list[Response], rated: Rated
) -> None:
    alike = [
        replace(row, text="i am here to listen and you are not alone in this", turns=row.turns)
        if row.arm == "evasive"
        else row
        for row in answers
    ]
    found = section(run_of(alike, rated))
    assert found is not None
    assert set(found.alike) == {"evasive"}
    shown = show(found)
    assert shown.claims[0] == found.alike["evasive"]
    assert any(row[0] == "evasive (answers alike)" for row in shown.tables[0].rows)


def test_one_arm_is_untested_and_nobody_asked_is_no_part(answers: list[Response], rated: Rated) -> None:
    alone = section(run_of(answers, Rated(), plan_of(ARMS[:1], comparisons={})))
    assert alone is not None
    assert alone.untested == "one arm: there is nothing to compare it with"
    assert show(alone).claims == ["Untested: one arm: there is nothing to compare it with."]
    assert not show(alone).figures
    assert section(run_of(answers, Rated((), rated.raters))) is None


def test_few_pairs_are_said_to_be_few(part: RankingsPart, answers: list[Response], rated: Rated) -> None:
    rows = [row for row in rated.ratings if row.rater == "world:pairwise_old"][:40]
    found = section(run_of(answers, Rated(tuple(rows), rated.raters)))
    assert found is not None
    assert any("rests on little" in flag for flag in ranking(found, "world", "pairwise_old").flags)


def test_an_arm_that_never_loses_is_held_by_a_weak_prior_and_flagged(
    answers: list[Response], rated: Rated
) -> None:
    arm_of = {row.response: row.arm for row in answers}
    rows = []
    for row in (row for row in rated.ratings if row.rater == "world:pairwise_old"):
        names = [arm_of[one] for one in row.responses]
        if "evasive" in names:
            row = replace(row, value=1.0 if names[0] == "evasive" else 0.0, tie=False)
        rows.append(row)
    one = fit(
        Judged("pairwise_old", "w", "world", "rule", "pairwise_old", tuple(rows)), ARMS, arm_of, seed=0
    ).part
    assert one.undefined is None
    assert one.standings[0].arm == "evasive"
    assert any("weak prior" in flag for flag in one.flags)


def test_snapshots_of_one_run_are_joined_in_the_order_of_their_steps(
    answers: list[Response], rated: Rated
) -> None:
    steps = [f"govaudit/runs/ppo/snapshots/step-{n:05d}" for n in (100, 20, 5)]
    found = section(run_of(answers, rated, plan_of(ARMS, steps)))
    assert found is not None
    assert {plane.path for plane in found.planes} == {tuple(reversed(ARMS))}
    apart = section(run_of(answers, rated))
    assert apart is not None
    assert {plane.path for plane in apart.planes} == {()}


# Win rates of the authors' leaderboard, per cent, ties half (Li et al. 2023, AlpacaEval; weighted judge).
WIN_RATES = {
    "claude-2": 17.188,
    "claude-instant-1.2": 16.127,
    "gpt-3.5-turbo-1106": 9.178,
    "vicuna-13b": 5.831,
    "text_davinci_001": 2.764,
}


def test_recorded_preferences_of_alpaca_eval_rank_as_the_published_win_rates(data: Path) -> None:
    verdicts = read_verdicts(data / "nc-alpaca-eval" / "preferences.jsonl.gz")
    groups = defaultdict(list)
    for row in verdicts:
        if row.second in WIN_RATES:
            groups[row.judge].append(row)
    judge = max(groups, key=lambda name: len({row.second for row in groups[name]}))
    arm_of: dict[str, str] = {}
    rows = []
    for row in groups[judge]:
        ids = tuple(f"{row.item}/{name}" for name in (row.first, row.second))
        arm_of |= dict(zip(ids, (row.first, row.second), strict=True))
        rows.append(
            Rating(
                f"{ids}",
                "pairwise_helpful",
                f"judge:{row.judge}",
                "pairwise_helpful",
                ids,
                None,
                Measure.GENERATION,
                Scale.PAIRWISE,
                row.first_wins,
                tie=row.tie,
                unscored=row.unscored,
                cluster=row.cluster,
            )
        )
    arms = sorted(set(arm_of.values()))
    found = fit(
        Judged("pairwise_helpful", judge, "judge", "model", "pairwise_helpful", tuple(rows)),
        arms,
        arm_of,
        seed=0,
    )
    assert found.part.undefined is None
    assert found.part.position is None  # the order in which they were shown is not in the file
    baseline = next(name for name in arms if name not in WIN_RATES)
    order = [row.arm for row in found.part.standings if row.arm != baseline]
    assert order == sorted(WIN_RATES, key=lambda name: -WIN_RATES[name])
    for standing in found.part.standings:
        assert standing.elo.low is not None
        assert standing.elo.high is not None
        assert standing.elo.low < (standing.elo.value or 0.0) < standing.elo.high
    # Each met the baseline alone, so the model's expected score against it is the win rate itself.
    assert found.ranking is not None
    for name, rate in WIN_RATES.items():
        win, tie, _ = found.ranking.outcome_probabilities(name, baseline)
        assert 100 * (win + tie / 2) == pytest.approx(rate, abs=0.15)


def test_people_of_one_source_are_ranked_together(part: RankingsPart) -> None:
    assert {row.rater for row in part.rankings} == {"world", "simulated people"}
    assert ranking(part, "simulated people", "pairwise_old").kind == RaterKind.PEOPLE
    assert set(part.agreement) == {f"simulated people / {question}" for question in BUILT_IN}
    assert all((share.low or 0.0) > 0.5 for share in part.agreement.values())
