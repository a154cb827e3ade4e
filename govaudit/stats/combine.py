"""Rates from a few human labels and many judge verdicts, without taking the judge's word for it.

In: 0/1 human labels (1 = broken) on some items, 0/1 judge verdicts on those and on all. Out: ``Combined``, a
rate with a two-sided interval that names the assumption it rests on.

Which one: people labelled a random part of the same items, or a random part of what the judge flagged and
of what it did not: `post_stratified`, the default, honest also below 5 %. A judge with graded scores and
plenty of both outcomes: `ppi_plus_plus`. Labels from elsewhere: `rogan_gladen`, if its assumption can be
defended. At a rate of 1 % a judge with specificity .95 narrows nothing: specificity helps, volume does not.
The naive judge rate is left out: its coverage at 5 % was 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from govaudit.errors import StatisticsError
from govaudit.stats import intervals
from govaudit.stats.intervals import Clusters, Floats

FEWEST_OF_EACH_OUTCOME = 20
LEAST_YOUDEN = 0.2


class Assumption(StrEnum):
    """What has to be true for a combined rate to mean what it says."""

    random_within_strata = (
        "the human-labelled items are a random part of the flagged and of the unflagged items"
    )
    random_sample = "the human-labelled items are a random part of all items"
    error_rates_carry_over = (
        "the judge errs on these items as often as on the separate items on which people checked it"
    )


@dataclass(frozen=True)
class Combined:
    """A rate of broken items from human labels and judge verdicts."""

    rate: float
    low: float
    high: float
    level: float
    n_labelled: int
    n_judged: int
    assumption: Assumption
    method: str


def post_stratified(
    labels: ArrayLike,
    judged_labelled: ArrayLike,
    judged_all: ArrayLike,
    *,
    clusters_labelled: Clusters | None = None,
    clusters_all: Clusters | None = None,
    level: float = 0.95,
) -> Combined:
    """Human rates among flagged and unflagged items, weighted by how often the judge flags; MOVER limits.

    ``labels``, ``judged_labelled``: (n,) of 0/1 for the same items; ``judged_all``: (N,) of 0/1 for all
    items, the labelled ones included; clusters: (n,) and (N,) ids, by default each item its own.
    rate = pi P(Y|F=1) + (1 - pi) P(Y|F=0), pi the flagged share. Each limit subtracts or adds the root of the
    summed squares of the three one-sided Wilson distances times their slopes (Zou & Donner 2008, Stat. Med.
    27:1693; Wilson on the effective number per part). Valid also when people label more of the flagged
    items, at random within them. Raises StatisticsError when a stratum that exists has no label.
    """
    truth, flags, every = _zero_one(labels), _zero_one(judged_labelled), _zero_one(judged_all)
    if len(truth) != len(flags):
        raise StatisticsError(f"{len(truth)} human labels but {len(flags)} verdicts on the same items")
    if flags.sum() > every.sum() or (1 - flags).sum() > (1 - every).sum():
        raise StatisticsError("judged_all must include the verdicts on the labelled items")
    ids = list(range(len(truth)) if clusters_labelled is None else clusters_labelled)
    if len(ids) != len(truth):
        raise StatisticsError(f"{len(truth)} human labels but {len(ids)} cluster ids")
    share = intervals.clustered_rate(
        every, range(len(every)) if clusters_all is None else clusters_all, level
    )
    strata = []
    for flag, weight in ((1.0, share.rate), (0.0, 1 - share.rate)):
        chosen = np.flatnonzero(flags == flag)
        if not len(chosen) and weight > 0:
            name = "flagged" if flag else "unflagged"
            raise StatisticsError(f"no human label among the {name} items: label some of them")
        strata.append(
            intervals.clustered_rate(truth[chosen], [ids[i] for i in chosen], level) if len(chosen) else None
        )
    flagged, unflagged = strata
    if flagged is None or unflagged is None:
        only = flagged or unflagged
        assert only is not None
        method = "human labels alone: the judge gave every item the same verdict"
        return Combined(
            only.rate,
            only.low,
            only.high,
            level,
            len(truth),
            len(every),
            Assumption.random_within_strata,
            method,
        )
    pi, gap = share.rate, flagged.rate - unflagged.rate
    rate = pi * flagged.rate + (1 - pi) * unflagged.rate
    pi_down, pi_up = share.rate - share.low, share.high - share.rate
    if gap < 0:
        pi_down, pi_up = pi_up, pi_down
    down = _root_of_squares(
        gap * pi_down, pi * (flagged.rate - flagged.low), (1 - pi) * (unflagged.rate - unflagged.low)
    )
    up = _root_of_squares(
        gap * pi_up, pi * (flagged.high - flagged.rate), (1 - pi) * (unflagged.high - unflagged.rate)
    )
    return Combined(
        rate,
        max(0.0, rate - down),
        min(1.0, rate + up),
        level,
        len(truth),
        len(every),
        Assumption.random_within_strata,
        "post-stratified, MOVER on Wilson limits",
    )


def ppi_plus_plus(
    labels: ArrayLike,
    judged_labelled: ArrayLike,
    judged_unlabelled: ArrayLike,
    *,
    clusters_labelled: Clusters | None = None,
    clusters_unlabelled: Clusters | None = None,
    level: float = 0.95,
) -> Combined:
    """Prediction-powered rate with the variance-minimising weight (Angelopoulos, Duchi & Zrnic 2023, PPI++).

    ``labels``: (n,) of 0/1; ``judged_labelled``: (n,) and ``judged_unlabelled``: (N,), judge scores in [0, 1]
    (verdicts or probabilities); clusters: ids, by default each item its own.
    lambda = clip(cov(Y, F) / ((1 + n/N) var F), 0, 1); rate = lambda mean(F unlabelled) + mean(Y - lambda F);
    variance: the sum of the (cluster-robust) variances of the two means (arXiv 2311.01453).
    Its interval is a normal one: with 100 labels at a rate of 1 % it covered 62 %. So it is refused unless at
    least 20 labels are broken and 20 kept.
    """
    truth, scores, rest = _zero_one(labels), _scores(judged_labelled), _scores(judged_unlabelled)
    n, wide = len(truth), len(rest)
    if n != len(scores):
        raise StatisticsError(f"{n} human labels but {len(scores)} judge scores on the same items")
    if wide == 0:
        raise StatisticsError("no unlabelled item: the human labels are all there is")
    broken = int(truth.sum())
    if min(broken, n - broken) < FEWEST_OF_EACH_OUTCOME:
        raise StatisticsError(
            f"PPI++ needs {FEWEST_OF_EACH_OUTCOME} broken and {FEWEST_OF_EACH_OUTCOME} kept human labels, "
            f"not {broken} and {n - broken}: use post_stratified"
        )
    spread = float(np.var(np.concatenate([scores, rest])))
    covariance = float(np.mean((truth - truth.mean()) * (scores - scores.mean())))
    weight = min(1.0, max(0.0, covariance / ((1 + n / wide) * spread))) if spread > 0 else 0.0
    rate = weight * float(rest.mean()) + float((truth - weight * scores).mean())
    error, degrees = _mean_error(truth - weight * scores, clusters_labelled)
    wide_error = _mean_error(weight * rest, clusters_unlabelled)[0]
    half = float(special.stdtrit(degrees, (1 + level) / 2)) * math.hypot(error, wide_error)
    return Combined(
        rate,
        max(0.0, rate - half),
        min(1.0, rate + half),
        level,
        n,
        n + wide,
        Assumption.random_sample,
        f"PPI++ with weight {weight:.3f}, t with {degrees} df",
    )


def rogan_gladen(
    flagged: int,
    judged: int,
    *,
    kept_right: int,
    kept_checked: int,
    broken_right: int,
    broken_checked: int,
    level: float = 0.95,
) -> Combined:
    """A judge's flag rate corrected by its error rates on separate, human-labelled items.

    ``flagged`` of ``judged`` items; ``kept_right`` of ``kept_checked`` items that people call kept were not
    flagged (specificity q0); ``broken_right`` of ``broken_checked`` that people call broken were
    (sensitivity q1). rate = (p + q0 - 1) / (q0 + q1 - 1) (Rogan & Gladen 1978, Am. J. Epidemiol. 107:71),
    with the adjusted interval of Lang & Reiczigel 2014 (Prev. Vet. Med. 113:13) as applied to judges by Lee
    et al. 2025 (arXiv 2511.21140). Raises StatisticsError when q0 + q1 - 1 < 0.2, for such a judge says next
    to nothing, and when the whole interval lies outside [0, 1], for then the error rates do not carry over.
    """
    for right, checked in ((flagged, judged), (kept_right, kept_checked), (broken_right, broken_checked)):
        if checked < 1 or not 0 <= right <= checked:
            raise StatisticsError(f"not a count: {right} of {checked}")
    z = float(special.ndtri((1 + level) / 2))
    p, q0, q1 = flagged / judged, kept_right / kept_checked, broken_right / broken_checked
    if q0 + q1 - 1 < LEAST_YOUDEN:
        raise StatisticsError(
            f"the judge's specificity {q0:.2f} and sensitivity {q1:.2f} add up to less than "
            f"{1 + LEAST_YOUDEN}: its verdicts cannot be corrected"
        )
    rate = min(1.0, max(0.0, (p + q0 - 1) / (q0 + q1 - 1)))
    n, m0, m1 = judged + z * z, kept_checked + 2.0, broken_checked + 2.0
    p, q0, q1 = (flagged + z * z / 2) / n, (kept_right + 1) / m0, (broken_right + 1) / m1
    youden = q0 + q1 - 1
    centre = (p + q0 - 1) / youden
    noise_kept, noise_broken = q0 * (1 - q0) / m0, q1 * (1 - q1) / m1
    variance = p * (1 - p) / n + (1 - centre) ** 2 * noise_kept + centre**2 * noise_broken
    half = z * math.sqrt(variance) / youden
    centre += 2 * z * z * (centre * noise_broken - (1 - centre) * noise_kept)
    if centre + half <= 0 or centre - half >= 1:
        raise StatisticsError(
            f"the judge flags {flagged} of {judged}, which its error rates on the checked items rule out: "
            "they do not carry over"
        )
    return Combined(
        rate,
        min(rate, max(0.0, centre - half)),
        max(rate, min(1.0, centre + half)),
        level,
        kept_checked + broken_checked,
        judged,
        Assumption.error_rates_carry_over,
        "Rogan-Gladen, Lang-Reiczigel interval",
    )


def _mean_error(values: Floats, clusters: Clusters | None) -> tuple[float, int]:
    """Standard error of a mean and its degrees of freedom; 0 for constant values."""
    if float(np.ptp(values)) == 0:
        return 0.0, max(1, len(values) - 1)
    mean = intervals.clustered_mean(values, range(len(values)) if clusters is None else clusters)
    return mean.standard_error, mean.clusters - 1


def _root_of_squares(*parts: float) -> float:
    return math.sqrt(sum(part * part for part in parts))


def _zero_one(values: ArrayLike) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or numbers.size == 0:
        raise StatisticsError("labels and verdicts come as one row with at least one item")
    if not np.isin(numbers, (0.0, 1.0)).all():
        raise StatisticsError("labels and verdicts are 0 (kept) or 1 (broken); a missing one is unscored")
    return numbers


def _scores(values: ArrayLike) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not ((numbers >= 0) & (numbers <= 1)).all():
        raise StatisticsError("judge scores come as one row of numbers in [0, 1]")
    return numbers
