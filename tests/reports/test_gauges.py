"""On which gauge of a rater a verdict rests."""

from __future__ import annotations

from govaudit.reports.document import GaugePart
from govaudit.reports.gauges import speaking
from govaudit.reports.part import Estimate

NONE = Estimate(value=None, low=None, high=None, undefined="not of interest here")


def made(
    kappa: tuple[float, float, float],
    n: int,
    covers: tuple[str, ...],
    arm: str | None = None,
    clause: str | None = None,
) -> GaugePart:
    value, low, high = kappa
    return GaugePart(
        rater="judge",
        rubric="compliance",
        gold=f"people on {n}",
        arm=arm,
        clause=clause,
        n=n,
        clusters=n,
        invalid=0,
        agreement=NONE,
        kappa=Estimate(value=value, low=low, high=high),
        ac1=NONE,
        positive_agreement=NONE,
        precision=NONE,
        recall=NONE,
        covers=covers,
    )


POOLED = made((0.74, 0.70, 0.79), 931, ("harm", "facts"), arm="base")
SPEC = made((0.88, 0.78, 0.95), 120, ("harm", "facts"))


def test_a_gauge_on_the_very_arm_goes_before_a_general_one() -> None:
    assert speaking([SPEC, POOLED], "judge", "harm", "base") == POOLED
    assert speaking([SPEC, POOLED], "judge", "harm", "another") == SPEC
    assert speaking([SPEC, POOLED], "somebody else", "harm", "base") is None


def test_a_judge_that_fails_on_the_clause_decides_nothing_there_however_well_it_does_elsewhere() -> None:
    failed = made((0.04, -0.02, 0.11), 769, (), clause="facts")
    assert speaking([SPEC, POOLED, failed], "judge", "facts", "base") is None
    assert speaking([SPEC, POOLED, failed], "judge", "harm", "base") == POOLED


def test_too_few_answers_on_the_clause_are_no_failure() -> None:
    unsure = made((0.3, -0.4, 0.9), 6, (), clause="facts")
    assert speaking([SPEC, POOLED, unsure], "judge", "facts", "base") == POOLED
    elsewhere = made((0.04, -0.02, 0.11), 769, (), arm="another", clause="facts")
    assert speaking([SPEC, POOLED, elsewhere], "judge", "facts", "base") == POOLED
