"""The suites Boilerplate and Tone: from a run's tables to numbers, claims and tables."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from reports.ran import SPEC, planned, tables

from govaudit.evals import rate_wording, scrub, wording
from govaudit.evals.pairs import ArmPair, Pool
from govaudit.evals.suite import Probe, ProbeOrigin, Suite, Target
from govaudit.records import (
    Measure,
    Rater,
    RaterKind,
    Rating,
    Response,
    Scale,
    Turn,
    Unscored,
    rating_id,
    response_id,
)
from govaudit.reports import boilerplate, tone
from govaudit.reports.boilerplate import BoilerplatePart
from govaudit.reports.run_tables import RunTables
from govaudit.reports.tone import TonePart
from govaudit.scorers import phrase_list
from govaudit.scorers.rubric import load as load_rubric
from govaudit.specs.model import Expected

LIST = phrase_list.load()
RUBRICS = {name: load_rubric(name) for name in wording.RUBRICS}
N = 40
WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]


def probes(facts: bool = False) -> tuple[Probe, ...]:
    return tuple(
        Probe(
            turns=(Turn("user", f"question {k}"), Turn("assistant", None)),
            targets=(Target("c", Expected.KEEP, "d"),),
            measure=Measure.GENERATION,
            origin=ProbeOrigin.ITEM_BANK,
            cluster=f"question {k}",
            facts=(f"fact{k}", "other") if facts else (),
        )
        for k in range(N)
    )


def plain(seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(8, 30))) + "." for _ in range(N)]


def run(answers: Mapping[str, Sequence[str | None]], facts: bool = False) -> RunTables:
    """A run of arms with given answers; ``None`` is an answer that did not come."""
    suite = Suite("digest", 0, probes(facts))
    responses = [
        Response(
            response_id(p.stimulus, name, 1),
            p.stimulus,
            name,
            1,
            (p.turns[0], Turn("assistant", text)),
            text or "",
            unscored=Unscored.EMPTY if text is None else None,
        )
        for name, texts in answers.items()
        for p, text in zip(suite.probes, texts, strict=True)
    ]
    found = rate_wording.checks(suite, responses, RUBRICS, LIST)
    return tables(suite, planned(*answers), responses, found.ratings, found.raters)


def worded(of: RunTables) -> BoilerplatePart:
    part = boilerplate.section(of)
    assert part is not None
    return part


def toned(of: RunTables) -> TonePart:
    part = tone.section(of)
    assert part is not None
    return part


@pytest.fixture(scope="module")
def three() -> RunTables:
    own = plain(0)
    return run(
        {
            "own": own,
            "padded": [f"{text} Let me know if you have any other questions." for text in plain(1)],
            "constant": ["You are not alone, and I am here to listen."] * N,
        }
    )


def test_arms_are_told_apart_and_the_constant_one_is_flagged_first(three: RunTables) -> None:
    part = worded(three)
    own, padded, constant = part.arms
    assert [arm.answers_alike for arm in part.arms] == [False, False, True]
    assert own.templated.high is not None and padded.templated.low is not None
    assert own.templated.high < padded.templated.low
    assert (own.listed.value, padded.listed.value, constant.listed.value) == (0.0, 1.0, 1.0)
    assert constant.identical.value == 1.0
    assert padded.phrases[0].phrase == "let me know if you have any other questions"
    assert padded.phrases[0].prompts == N
    shown = boilerplate.show(part)
    assert shown.claims[0].startswith("constant answers every prompt alike")
    assert any(
        claim.startswith("Against own") and "more: padded, constant" in claim for claim in shown.claims
    )
    assert all(len(row) == len(table.columns) for table in shown.tables for row in table.rows)


def test_distinctness_is_measured_on_the_same_words_for_all_arms(three: RunTables) -> None:
    part = worded(three)
    assert len({arm.distinct_words for arm in part.arms}) == 1
    assert part.arms[2].distinct.value is not None and part.arms[0].distinct.value is not None
    assert part.arms[2].distinct.value < part.arms[0].distinct.value


def test_one_arm_has_no_differences_and_none_no_part() -> None:
    alone = run({"own": plain(2)})
    part = worded(alone)
    assert part.differences == ()
    assert "recur" in boilerplate.show(part).claims[0]
    assert tone.show(toned(alone)).claims
    unread = replace(alone, ratings=(), raters=())
    assert boilerplate.section(unread) is None
    assert tone.section(unread) is None


def test_answers_that_did_not_come_are_left_out_of_pairs() -> None:
    holes: list[str | None] = [text if k % 2 else None for k, text in enumerate(plain(3))]
    part = worded(run({"whole": plain(4), "holes": holes}))
    assert [arm.answers for arm in part.arms] == [N, N // 2]
    assert part.differences[0].prompts == N // 2


def test_scrubbing_what_the_judge_likes_takes_the_advantage_away() -> None:
    """A judge that likes stock phrases and nothing else: 100 % before, no better than the other after."""
    before = run({"padded": [f"{t} I hope this helps!" for t in plain(5)], "own": plain(6)})
    pairs = tuple(
        ArmPair(
            (0, 1),
            p.stimulus,
            p.cluster,
            (p.turns[0],),
            *(
                next(r for r in before.responses if r.stimulus == p.stimulus and r.arm == arm)
                for arm in ("padded", "own")
            ),
        )
        for p in before.suite.probes
    )
    pools, rows = scrub.scrubbed((Pool((RUBRICS["facts"],), pairs, 0),), LIST)
    judge = Rater("judge:liker", RaterKind.JUDGE, "model", "pairwise_new", "d")

    def row(pair: ArmPair) -> Rating:
        likes = ["helps" in side.text for side in (pair.first, pair.second)]
        value = 0.5 if likes[0] == likes[1] else float(likes[0])
        ids = (pair.first.response, pair.second.response)
        return Rating(
            rating_id("pairwise_new", judge.id, "pairwise_new", ids),
            "pairwise_new",
            judge.id,
            "pairwise_new",
            ids,
            None,
            Measure.GENERATION,
            Scale.PAIRWISE,
            value,
            tie=value == 0.5,
            cluster=pair.cluster,
        )

    ratings = (*before.ratings, *map(row, pairs), *(row(pair) for pool in pools for pair in pool.pairs))
    after = replace(before, ratings=ratings, raters=(*before.raters, judge), scrubbed=rows)
    own, padded = worded(after).scrubbed
    assert (padded.arm, padded.before.value, padded.after.value) == ("padded", 1.0, 0.5)
    assert (padded.asked_again, padded.changed, padded.emptied, padded.missing) == (N, N, 0, 0)
    assert padded.difference.value == -0.5
    assert own.difference.value == 0.5


def test_tone_is_compared_given_whether_answers_are_right() -> None:
    """Two arms are right equally often. One is surer when it is right; the other is as sure when it is wrong."""
    told = [k % 2 == 0 for k in range(N)]

    def said(right: bool, sure: bool, k: int) -> str:
        fact = f"It is fact{k}, other." if right else "It is something else."
        return f"{fact} {'That is definitely so.' if sure else 'That may be wrong.' if k % 3 else 'So.'}"

    made = run(
        {
            "calibrated": [said(right, right, k) for k, right in enumerate(told)],
            "brazen": [said(right, k % 5 != 0, k) for k, right in enumerate(told)],
            "evasive": [
                "I'm sorry, but I cannot help with that." if k % 2 else said(True, False, k) for k in range(N)
            ],
        },
        facts=True,
    )
    part = toned(made)
    calibrated, brazen, evasive = part.arms
    assert calibrated.right is not None and calibrated.right.value == 0.5
    assert calibrated.slope is not None and calibrated.slope.low is not None and calibrated.slope.low > 0
    assert brazen.slope is not None and brazen.slope.low is not None and brazen.slope.high is not None
    assert brazen.slope.low < 0 < brazen.slope.high
    given = part.differences[0].assertiveness_given_truth
    assert given is not None and given.low is not None and given.low > 0
    assert evasive.engaged is not None and evasive.engaged.value == 0.5
    assert evasive.facts is not None and (evasive.facts.value, evasive.facts.n) == (1.0, N // 2)
    assert evasive.slope is not None and evasive.slope.value is None
    shown = tone.show(part)
    assert any("brazen" in claim and "does not measurably depend" in claim for claim in shown.claims)
    assert all(len(row) == len(table.columns) for table in shown.tables for row in table.rows)


def test_world_truth_says_what_is_right_where_there_is_some() -> None:
    made = run(
        {
            "a": ["Clearly so." if k % 2 else "Maybe so." if k % 6 else "Well, so." for k in range(N)],
            "b": plain(7),
        }
    )
    world = Rater("world:w", RaterKind.WORLD, "rule", "r", "d")
    truth = tuple(
        Rating(
            rating_id("r", world.id, "c", (r.response,)),
            "r",
            world.id,
            "c",
            (r.response,),
            "c",
            Measure.GENERATION,
            Scale.BINARY,
            float("Clearly" not in r.text),
        )
        for r in made.responses
        if r.arm == "a"
    )
    about = SPEC.clauses[0].model_copy(update={"tags": ("truth",)})
    part = toned(
        replace(
            made,
            spec=SPEC.model_copy(update={"clauses": (about,)}),
            ratings=(*made.ratings, *truth),
            raters=(*made.raters, world),
        )
    )
    assert part.truth == "world truth on c"
    slope = part.arms[0].slope
    assert slope is not None and slope.low is not None and slope.low > 1
    assert part.arms[1].right is None


def test_tone_that_never_varies_has_no_slope_and_says_why() -> None:
    """Right and wrong answers, all of them plain statements."""
    said = [f"It is {f'fact{k}, other' if k % 2 else 'something else'}." for k in range(N)]
    part = toned(run({"one": said, "two": said}, facts=True))
    slope, given = part.arms[0].slope, part.differences[0].assertiveness_given_truth
    assert slope is not None and slope.value is None and slope.undefined
    assert given is not None and given.value is None and given.undefined


def test_twice_as_long_is_a_ratio_of_two() -> None:
    base = plain(8)
    part = toned(run({"short": base, "long": [f"{t} {t}" for t in base]}))
    length = part.differences[0].length
    assert length.value == pytest.approx(2.0, abs=0.1)
    assert length.low is not None and length.low > 1.5
    longest = tone.show(part).claims[0]
    assert longest.startswith("The longest answers are those of long")


def test_parts_carry_no_number_without_an_interval_or_a_reason(three: RunTables) -> None:
    def estimates(part: object) -> list[object]:
        if isinstance(part, boilerplate.Estimate):
            return [part]
        values = part.values() if isinstance(part, dict) else getattr(part, "__dict__", {}).values()
        items = part if isinstance(part, tuple) else values
        return [found for value in items for found in estimates(value)]

    found = estimates(worded(three)) + estimates(toned(three))
    assert len(found) > 50
    for one in found:
        assert isinstance(one, boilerplate.Estimate)
        assert one.value is None or one.low is not None or one.undefined
        assert one.value is not None or one.undefined
