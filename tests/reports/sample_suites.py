"""What suites may show, with every sort of cell and figure: made up, for tests of renderings."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from govaudit.reports.part import Estimate
from govaudit.reports.shown import Column, Curves, Line, Plane, Point, Shown, Table

ARMS = ("base", "prompted", "supervised", "rlaif", "harm-only")
KINDS = ("homonyms", "fiction", "history", "figurative speech")
STEPS = 24
NO_VALUE = Estimate(value=None, undefined="no answer was scored")
NO_INTERVAL = Estimate(value=0.3, undefined="one cluster")


def suites(mark: str = "") -> tuple[Shown, ...]:
    """Two suites; ``mark`` is put behind every word."""
    rng = random.Random(3)
    arms = [name + mark for name in ARMS]
    return (
        Shown(
            "refusals",
            "Over- and under-refusal" + mark,
            (
                "Arm rlaif refuses more of the safe prompts than base." + mark,
                "No arm is better on both." + mark,
            ),
            (_by_type(arms, mark), _empty(mark)),
            (_both_errors(arms, mark), _rounds(arms, mark)),
            ("The prompts are made up." + mark,),
        ),
        Shown(
            "elo",
            "Elo" + mark,
            ("Five arms on one plane." + mark,),
            (),
            (_elo(arms, mark), _snapshots(mark, rng), _length(arms, mark, rng), *_sparse(arms)),
        ),
    )


def _about(value: float, reach: float, n: int | None = None) -> Estimate:
    return Estimate(value=value, low=value - reach, high=value + reach, n=n)


def _by_type(arms: Sequence[str], mark: str) -> Table:
    return Table(
        "by-type",
        "Refusals by type of prompt" + mark,
        (
            Column("Arm" + mark),
            Column("Type" + mark),
            Column("Prompts" + mark),
            Column("Refused" + mark, "share", plot=True),
            Column("Against base" + mark, "share", plot=True, mark=0.0),
            Column("Kappa" + mark, "coefficient"),
            Column("Remark" + mark),
        ),
        tuple(
            (
                arm,
                kind + mark,
                1_260,
                Estimate(value=0.1 + 0.1 * i, low=0.05 + 0.1 * i, high=0.2 + 0.1 * i, n=1_260),
                _about(0.05 - 0.03 * i, 0.1),
                Estimate(value=None, undefined="one class only" + mark) if i == 2 else _about(0.4, 0.2),
                "a remark" + mark if i else None,
            )
            for arm in arms[:3]
            for i, kind in enumerate(KINDS)
        ),
    )


def _empty(mark: str) -> Table:
    columns = (Column("Phrase"), Column("Share", "share", True))
    return Table("phrases", "Phrases that nobody used" + mark, columns, ())


def _both_errors(arms: Sequence[str], mark: str) -> Plane:
    return Plane(
        "plane",
        "Over- against under-refusal" + mark,
        "Refused though safe" + mark,
        "Answered though unsafe" + mark,
        (
            Point(arms[0], Estimate(value=0.02, low=0.005, high=0.06), _about(0.6, 0.1)),
            Point(arms[1], _about(0.2, 0.05), _about(0.1, 0.05)),
            Point(arms[2], NO_VALUE, _about(0.1, 0.05)),
            Point(arms[3], NO_INTERVAL, NO_INTERVAL),
        ),
        x_scale="share",
        y_scale="share",
    )


def _rounds(arms: Sequence[str], mark: str) -> Curves:
    return Curves(
        "rounds",
        "Refusals by round" + mark,
        "Round" + mark,
        "Refused" + mark,
        tuple(
            Line(
                arm,
                (1.0, 2.0, 3.0, 4.0),
                tuple(NO_VALUE if (k, i) == (1, 2) else _about(0.1 * k + 0.05 * i, 0.04) for i in range(4)),
            )
            for k, arm in enumerate(arms[:3], 1)
        ),
        y_scale="share",
    )


def _elo(arms: Sequence[str], mark: str) -> Plane:
    return Plane(
        "elo",
        "Five arms" + mark,
        "Helpfulness Elo" + mark,
        "Harmlessness Elo" + mark,
        tuple(
            Point(arm, _about(800 + 120 * i, 45), _about(900 + 60 * i - 20 * i * i, 35))
            for i, arm in enumerate(arms)
        ),
        x_scale="elo",
        y_scale="elo",
    )


def _snapshots(mark: str, rng: random.Random) -> Plane:
    steps = [f"step {100 * i}{mark}" for i in range(STEPS)]
    return Plane(
        "snapshots",
        "Snapshots of one training run" + mark,
        "Helpfulness Elo",
        "Harmlessness Elo",
        tuple(
            Point(
                step,
                _about(1000 + 6 * i - 0.35 * i * i + rng.gauss(0, 8), 18),
                _about(700 + 300 * (1 - math.exp(-i / 7)) + rng.gauss(0, 8), 22),
            )
            for i, step in enumerate(steps)
        ),
        path=tuple(steps),
        x_scale="elo",
        y_scale="elo",
    )


def _length(arms: Sequence[str], mark: str, rng: random.Random) -> Curves:
    return Curves(
        "length",
        "Length over training" + mark,
        "Step",
        "Words per answer",
        tuple(
            Line(
                arm,
                tuple(100.0 * i for i in range(STEPS)),
                tuple(_about(40 + i * (k + 1) + rng.gauss(0, 1), 4) for i in range(STEPS)),
            )
            for k, arm in enumerate(arms[3:])
        ),
    )


def _sparse(arms: Sequence[str]) -> tuple[Plane, Plane]:
    """A plane with one point, and one with none that has a value."""
    one, none = Point(arms[0], _about(3.2, 0.4), _about(0.001, 0.0005)), Point(arms[0], NO_VALUE, NO_VALUE)
    return (
        Plane("one", "One arm", "Words", "Characters", (one,)),
        Plane("none", "No arm has a value", "Words", "Characters", (none,)),
    )
