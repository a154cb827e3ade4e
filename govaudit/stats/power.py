"""How many items, clusters or pairs a claim needs before anything is run.

In: rates, levels and wanted power as plain numbers. Out: whole numbers of units, rounded up, with what they
deliver. Exact binomial search for one clause; closed forms for differences. The unit is an independent one:
multiply items by `design_effect` when they come in clusters, and plan at `working_level`, not at the nominal
one, when many clauses are decided together. Post-hoc "observed power" is left out: it restates the p-value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from govaudit.errors import StatisticsError
from govaudit.stats.intervals import Floats, Interval, Ints, clusters_to_exclude, wilson, zero_event_limit

__all__ = [
    "SampleSize",
    "clusters_to_exclude",
    "design_effect",
    "exact_power",
    "exact_sample_size",
    "half_width",
    "items_for_half_width",
    "items_for_mean_difference",
    "items_per_arm",
    "pairs_needed",
    "predicted_total",
    "predicted_total_by_size",
    "working_level",
    "zero_event_limit",
]


@dataclass(frozen=True)
class SampleSize:
    """The smallest exact test with the wanted power, and the number from which every larger one has it."""

    n: int  # smallest number of independent items
    critical: int  # reject at this many broken items or more (null below the alternative), else or fewer
    size: float  # chance to reject at the null rate, at most alpha
    power: float  # chance to reject at the alternative
    sustained: int  # smallest n above which power never falls back below the wanted one (binomial saw-tooth)


def exact_power(n: int, null: float, alternative: float, alpha: float = 0.05) -> SampleSize:
    """The exact one-sided binomial test of ``null`` against ``alternative`` on ``n`` independent items.

    An alternative above the null is an accusation (reject when many are broken), one below a certificate; the
    verdict rule is this test with clusters for items when the items of a cluster are alike.
    ``sustained`` is ``n`` itself here. ``critical`` is n + 1 or -1 where no outcome rejects.
    """
    _check_rates(null, alternative)
    _check_open("alpha", alpha)
    if n < 1:
        raise StatisticsError(f"a test needs at least one item, not {n}")
    critical, size, power = _binomial(np.array([n]), null, alternative, alpha)
    return SampleSize(n, int(critical[0]), float(size[0]), float(power[0]), n)


def exact_sample_size(
    null: float, alternative: float, alpha: float = 0.05, power: float = 0.8, most: int = 100_000
) -> SampleSize:
    """Independent items for one clause: the smallest n whose exact binomial test has ``power``.

    Power is a saw-tooth in n, so a larger n can have less; ``sustained`` is safe from there on. Raises
    StatisticsError when ``most`` items do not suffice.
    """
    _check_rates(null, alternative)
    _check_open("alpha", alpha)
    _check_open("power", power)
    top = 256
    while True:
        n = np.arange(1, top + 1)
        critical, size, reached = _binomial(n, null, alternative, alpha)
        enough = reached >= power
        # The saw-tooth's amplitude falls with n: twice the first safe n has left it behind.
        short = np.flatnonzero(~enough)
        sustained = int(short[-1]) + 2 if len(short) else 1
        if enough.any() and 2 * sustained <= top:
            first = int(np.argmax(enough))
            return SampleSize(
                int(n[first]), int(critical[first]), float(size[first]), float(reached[first]), sustained
            )
        if top > most:
            raise StatisticsError(f"more than {most} items tell {alternative} from {null}")
        top *= 2


def half_width(n: int, rate: float, level: float = 0.95) -> float:
    """Half the width of Wilson's interval on ``n`` independent items, the share ``rate`` of them broken."""
    found = wilson(rate * n, n, level)
    return (found.high - found.low) / 2


def items_for_half_width(width: float, rate: float = 0.5, level: float = 0.95) -> int:
    """Independent items until Wilson's interval is at most ``width`` to either side, at this rate.

    The widest interval is at .5, so that serves every rate (Newcombe 1998, method 3, solved for n).
    """
    _check_open("the half width", width)
    if not 0 <= rate <= 1:
        raise StatisticsError(f"a rate lies in [0, 1], not {rate}")
    enough = 1
    while half_width(enough, rate, level) > width:
        enough *= 2
    below = enough // 2
    while enough - below > 1:
        middle = (below + enough) // 2
        below, enough = (middle, enough) if half_width(middle, rate, level) > width else (below, middle)
    return enough


def predicted_total(values: ArrayLike, more: int, level: float = 0.95) -> Interval:
    """Where the sum of ``more`` further values like these will lie: m mean -+ t s sqrt(m + m^2 / n).

    The prediction interval of a sum (Hahn & Meeker 1991, section 4.3, for a mean, times m); ``values``: (n,)
    independent numbers from the same source. Raises StatisticsError for fewer than two values.
    """
    numbers = np.asarray(values, dtype=np.float64)
    n = numbers.size
    if n < 2 or more < 0:
        raise StatisticsError("a prediction needs at least two values and a number of further ones")
    middle = more * float(numbers.mean())
    spread = float(numbers.std(ddof=1)) * math.sqrt(more + more**2 / n)
    reach = float(stats.t.isf((1 - level) / 2, n - 1)) * spread
    return Interval(middle - reach, middle + reach, level, f"prediction of a sum, t, {n - 1} df")


def predicted_total_by_size(
    values: ArrayLike, sizes: ArrayLike, more: int, total_size: float, level: float = 0.95
) -> tuple[float, Interval]:
    """The sum of ``more`` further values whose sizes add up to ``total_size``, by a straight line on size.

    ``values``, ``sizes``: (n,). Sum m a + b S with variance s^2 (m + m^2/n + (S - m mean size)^2 / Sxx) and
    n - 2 degrees of freedom (Draper & Smith 1998, section 3.1, for a sum). Raises StatisticsError for fewer
    than three values or sizes that are all alike.
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    n = y.size
    if n < 3 or x.size != n or not (sxx := float(((x - x.mean()) ** 2).sum())) > 0:
        raise StatisticsError("a line needs three values of different sizes")
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / sxx
    rests = y - y.mean() - slope * (x - x.mean())
    away = total_size - more * float(x.mean())
    value = more * float(y.mean()) + slope * away
    spread = math.sqrt(float((rests**2).sum()) / (n - 2) * (more + more**2 / n + away**2 / sxx))
    reach = float(stats.t.isf((1 - level) / 2, n - 2)) * spread
    return value, Interval(value - reach, value + reach, level, f"prediction of a sum, line, t, {n - 2} df")


def items_per_arm(
    first: float,
    second: float,
    alpha: float = 0.05,
    power: float = 0.8,
    form: Literal["variance", "arcsine"] = "variance",
) -> int:
    """Items per arm to tell two independent rates apart, two-sided.

    ``form``: "variance" (Fleiss, Levin & Paik 2003, eq. 4.14 without continuity correction) or "arcsine"
    (Cohen 1988, eq. 6.4.1).
    """
    _check_rates(first, second)
    z_a, z_b = _quantiles(alpha, power, 2)
    if form == "arcsine":
        gap = 2 * (math.asin(math.sqrt(first)) - math.asin(math.sqrt(second)))
        return math.ceil(2 * ((z_a + z_b) / gap) ** 2)
    mean = (first + second) / 2
    root = z_a * math.sqrt(2 * mean * (1 - mean))
    root += z_b * math.sqrt(first * (1 - first) + second * (1 - second))
    return math.ceil((root / (first - second)) ** 2)


def pairs_needed(first_only: float, second_only: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Pairs to tell two rates on the same items apart, two-sided (Connor 1987, Biometrics 43:207, eq. 3).

    ``first_only``, ``second_only``: shares of discordant pairs. With pd their sum and d their difference,
    n = (z_a sqrt(pd) + z_b sqrt(pd - d^2))^2 / d^2.
    """
    discordant, gap = first_only + second_only, first_only - second_only
    if min(first_only, second_only) < 0 or discordant > 1 or gap == 0:
        raise StatisticsError(f"not two different shares of pairs: {first_only} and {second_only}")
    z_a, z_b = _quantiles(alpha, power, 2)
    return math.ceil(((z_a * math.sqrt(discordant) + z_b * math.sqrt(discordant - gap**2)) / gap) ** 2)


def items_for_mean_difference(
    difference: float,
    variance_of_means: float,
    *,
    variance_first: float = 0.0,
    variance_second: float = 0.0,
    samples_first: int = 1,
    samples_second: int = 1,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int:
    """Questions for a paired difference of mean scores (Miller 2024, arXiv 2411.00640, eq. 9).

    n = (z_a + z_b)^2 (omega^2 + s_A^2/K_A + s_B^2/K_B) / d^2: omega^2 is the variance over questions of the
    difference of expected scores, s^2 the mean variance within a question, K the samples per question.
    """
    if difference == 0 or min(variance_of_means, variance_first, variance_second) < 0:
        raise StatisticsError("a difference other than 0 and variances of at least 0 are needed")
    if min(samples_first, samples_second) < 1:
        raise StatisticsError("each question is sampled at least once")
    z_a, z_b = _quantiles(alpha, power, 2)
    spread = variance_of_means + variance_first / samples_first + variance_second / samples_second
    return max(1, math.ceil((z_a + z_b) ** 2 * spread / difference**2 - 1e-9))


def design_effect(items_per_cluster: float, icc: float) -> float:
    """Items needed in clusters per independent item, 1 + (m - 1) ICC (Kish 1965); ``icc`` in [0, 1]."""
    if items_per_cluster < 1 or not 0 <= icc <= 1:
        raise StatisticsError(
            f"not a cluster size and an intracluster correlation: {items_per_cluster}, {icc}"
        )
    return 1 + (items_per_cluster - 1) * icc


def working_level(level: float, tests: int, expected_rejected: int) -> float:
    """The threshold that Benjamini-Hochberg will apply if ``expected_rejected`` of ``tests`` are rejected.

    level * max(1, expected) / tests; with 0 or 1 expected it is Bonferroni's, which also serves for Holm.
    """
    _check_open("level", level)
    if tests < 1 or not 0 <= expected_rejected <= tests:
        raise StatisticsError(f"{expected_rejected} rejections of {tests} tests")
    return level * max(1, expected_rejected) / tests


def _binomial(n: Ints, null: float, alternative: float, alpha: float) -> tuple[Floats, Floats, Floats]:
    """Critical number, size and power of the exact tests on ``n`` items, all (k,)."""
    if alternative > null:
        critical = np.asarray(stats.binom.isf(alpha, n, null) + 1, dtype=np.float64)
        size, power = stats.binom.sf(critical - 1, n, null), stats.binom.sf(critical - 1, n, alternative)
    else:
        critical = np.asarray(stats.binom.ppf(alpha, n, null), dtype=np.float64)
        critical = np.where(stats.binom.cdf(critical, n, null) <= alpha, critical, critical - 1)
        size, power = stats.binom.cdf(critical, n, null), stats.binom.cdf(critical, n, alternative)
    return critical, np.asarray(size, dtype=np.float64), np.asarray(power, dtype=np.float64)


def _quantiles(alpha: float, power: float, sided: int) -> tuple[float, float]:
    _check_open("alpha", alpha)
    _check_open("power", power)
    return float(special.ndtri(1 - alpha / sided)), float(special.ndtri(power))


def _check_rates(null: float, alternative: float) -> None:
    if not (0 <= null <= 1 and 0 <= alternative <= 1) or null == alternative:
        raise StatisticsError(f"two different rates in [0, 1] are needed, not {null} and {alternative}")


def _check_open(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise StatisticsError(f"{name} lies strictly between 0 and 1, not {value}")
