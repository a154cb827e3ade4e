"""May the judge replace a human annotator? The alternative annotator test.

In: ratings of at least three people on the same items and the judge's ratings of those items. Out: the
share of people whom the judge matches (winning rate) and how often it does as well as they do
(advantage), with a verdict at a stated cost-benefit margin. Left out: the choice of the margin, which is
a judgement about what a person costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy.special import stdtr

from govaudit.errors import StatisticsError
from govaudit.stats.bootstrap import FloatArray, IntArray, cluster_codes, resample, sums_by_cluster
from govaudit.stats.coefficient import (
    Coefficient,
    Labels,
    as_labels,
    check_level,
    encode,
    estimate,
    observed_categories,
    zero_event_upper,
)
from govaudit.stats.multiplicity import benjamini_yekutieli

Alignment = Literal["match", "distance"]

MIN_PEOPLE = 3
MIN_ITEMS = 30


@dataclass(frozen=True)
class AgainstPerson:
    """The judge against one person, both compared with the remaining people.

    ``judge_wins`` and ``person_wins`` are shares of the items on which one does at least as well as the
    other (ties count for both). ``p`` tests that the person wins by ``epsilon`` or more; ``beaten``: that
    was rejected after correction over the people.
    """

    person: Any
    n_items: int
    n_clusters: int
    judge_wins: float
    person_wins: float
    p: float
    beaten: bool


@dataclass(frozen=True)
class AlternativeAnnotatorTest:
    """``passed`` when ``winning_rate``, the share of people beaten, is at least one half.

    ``advantage`` is the mean of ``judge_wins`` over people. ``skipped`` people shared fewer than
    ``MIN_ITEMS`` clusters of items with the judge and the others, and were not tested.
    """

    epsilon: float
    passed: bool
    winning_rate: float
    advantage: Coefficient
    people: tuple[AgainstPerson, ...]
    skipped: tuple[Any, ...]


def alternative_annotator_test(
    people: Labels,
    judge: Labels,
    *,
    epsilon: float,
    seed: int | np.random.Generator,
    alignment: Alignment = "match",
    clusters: Labels | None = None,
    names: Sequence[Any] | None = None,
    q: float = 0.05,
    level: float = 0.95,
    rounds: int = 1000,
) -> AlternativeAnnotatorTest:
    """Calderon, Reichart & Dror (ACL 2025, arXiv 2501.10970).

    ``people`` (N, R) with R >= 3 and ``judge`` (N,); None or nan is missing. For each person j, judge and
    j are scored on every item that both rated against the others who did: the share that gives the same
    label (``match``), or minus the root mean square distance (``distance``, for numbers). f = 1 when the
    judge scores at least as well, h = 1 when the person does. One-sided t test of H0 mean(h - f) >=
    epsilon (mean over items, errors robust to clusters), Benjamini-Yekutieli at ``q`` over people.
    ``epsilon``: .2 for experts, .15 for skilled, .1 for crowd annotators in the paper.

    Raises StatisticsError below ``MIN_PEOPLE`` people or where nobody has ``MIN_ITEMS`` items in as many
    clusters: the paper's t test needs them, and items of one prompt are not independent.
    """
    check_level(level)
    if not 0.0 <= epsilon < 1.0:
        raise StatisticsError(f"epsilon is {epsilon}, must lie in [0, 1)")
    human, machine = _comparable(people, judge, alignment)
    n, r = human.shape
    if r < MIN_PEOPLE:
        raise StatisticsError(f"{r} people: the alternative annotator test needs at least {MIN_PEOPLE}")
    labels = tuple(names) if names is not None else tuple(range(r))
    if len(labels) != r:
        raise StatisticsError(f"{r} columns of ratings but {len(labels)} names")
    codes, _ = cluster_codes(clusters, n)

    tested: list[AgainstPerson] = []
    skipped: list[Any] = []
    wins: list[FloatArray] = []
    for j, name in enumerate(labels):
        others = np.delete(human, j, axis=1)
        usable = ~np.isnan(machine) & ~np.isnan(human[:, j]) & (~np.isnan(others)).any(axis=1)
        groups, n_clusters = cluster_codes(codes[usable], int(usable.sum()))
        if n_clusters < MIN_ITEMS:
            skipped.append(name)
            continue
        score_judge = _alignment(machine[usable], others[usable], alignment)
        score_person = _alignment(human[usable, j], others[usable], alignment)
        f = (score_judge >= score_person).astype(np.float64)
        h = (score_person >= score_judge).astype(np.float64)
        p = _one_sided_p(h - f, groups, n_clusters, epsilon)
        tested.append(
            AgainstPerson(name, int(usable.sum()), n_clusters, float(f.mean()), float(h.mean()), p, False)
        )
        won = np.zeros((n, 2))
        won[usable] = np.stack([f, np.ones_like(f)], axis=1)
        wins.append(won)
    if not tested:
        raise StatisticsError(
            f"nobody shares {MIN_ITEMS} clusters of items with the judge and another person"
        )
    beaten = benjamini_yekutieli([person.p for person in tested], q).rejected
    against = tuple(replace(person, beaten=bool(b)) for person, b in zip(tested, beaten, strict=True))
    winning_rate = float(beaten.mean())
    return AlternativeAnnotatorTest(
        epsilon=epsilon,
        passed=winning_rate >= 0.5,
        winning_rate=winning_rate,
        advantage=_advantage(np.concatenate(wins, axis=1), clusters, level, rounds, seed),
        people=against,
        skipped=tuple(skipped),
    )


def _comparable(people: Labels, judge: Labels, alignment: Alignment) -> tuple[FloatArray, FloatArray]:
    """People (N, R) and judge (N,) as numbers with nan where missing: codes of labels, or the numbers."""
    human, machine = as_labels(people), as_labels(judge)
    if human.ndim != 2 or machine.shape != human.shape[:1]:
        raise StatisticsError(f"people of shape {human.shape} and a judge of shape {machine.shape}")
    if alignment == "distance":
        return human.astype(np.float64), machine.astype(np.float64)
    if alignment != "match":
        raise StatisticsError(f"alignment {alignment!r} is not known: match or distance")
    declared = observed_categories([*human.ravel().tolist(), *machine.tolist()])
    codes = encode(human, declared).astype(np.float64), encode(machine, declared).astype(np.float64)
    for one in codes:
        one[one < 0] = np.nan
    return codes


def _alignment(own: FloatArray, others: FloatArray, alignment: Alignment) -> FloatArray:
    """Score (n,) of ratings against those of the others (n, R - 1)."""
    if alignment == "match":
        same = np.where(np.isnan(others), np.nan, others == own[:, None])
        return np.asarray(np.nanmean(same, axis=1))
    return np.asarray(-np.sqrt(np.nanmean((others - own[:, None]) ** 2, axis=1)))


def _one_sided_p(d: FloatArray, groups: IntArray, n_clusters: int, epsilon: float) -> float:
    """P-value of mean(d) >= epsilon against less, d in [-1, 1], robust to clusters."""
    mean = float(d.mean())
    residual = sums_by_cluster((d - mean)[:, None], groups, n_clusters)
    error = float(np.sqrt(n_clusters / (n_clusters - 1) * np.sum(residual**2))) / len(d)
    if error > 1e-12:
        return float(stdtr(n_clusters - 1, (mean - epsilon) / error))
    # A t test is not defined without variance. Were the mean epsilon, at least this share of clusters
    # would have to lie above what all of them showed.
    above = max(0.0, (epsilon - mean) / (1.0 - mean)) if mean < 1.0 else 0.0
    return float((1.0 - above) ** n_clusters)


def _advantage(
    wins: FloatArray, clusters: Labels | None, level: float, rounds: int, seed: int | np.random.Generator
) -> Coefficient:
    codes, n_clusters = cluster_codes(clusters, len(wins))
    drawn = resample(sums_by_cluster(wins, codes, n_clusters), None, rounds, np.random.default_rng(seed))

    def advantage(t: FloatArray) -> FloatArray:
        return np.asarray(np.mean(t[..., ::2] / t[..., 1::2], axis=-1))

    value = float(advantage(drawn.total))
    worst = zero_event_upper(n_clusters, level)
    return estimate(
        "advantage of the judge",
        advantage,
        drawn,
        level=level,
        n_items=int((wins[:, 1::2].max(axis=1) > 0).sum()),
        reason="nobody was tested",
        fixed=(max(0.0, value - worst), min(1.0, value + worst)),
    )
