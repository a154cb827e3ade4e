"""What the intervals and the verdict rule deliver, by simulation with known truth.

Fast: 200 seeded runs per interval, coverage at least .92, and 100 audits. Slow: 2,000 runs, at least .935, and
1,000 audits of 200 clauses. Over-coverage above .985 is printed: it is width that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from govaudit.errors import StatisticsError
from govaudit.stats import intervals, sequential
from govaudit.stats.calibration import expected_calibration_error
from govaudit.stats.combine import post_stratified, ppi_plus_plus, rogan_gladen
from govaudit.stats.multiplicity import benjamini_hochberg, e_bh, holm
from govaudit.stats.verdict import Evidence, Verdict, decide

Array = NDArray[np.float64]
Limits = tuple[float, float, float]  # low, high, truth

FAST, SLOW = 200, 2000


def coverage(name: str, draw: Callable[[np.random.Generator], Limits], runs: int) -> tuple[float, float]:
    """Share of runs whose interval holds the truth, and the mean width."""
    rng = np.random.default_rng([sum(map(ord, name)), runs])
    found = np.array([draw(rng) for _ in range(runs)])
    low, high, truth = found.T
    share, width = float(np.mean((low <= truth) & (truth <= high))), float(np.mean(high - low))
    note = "  <- over-coverage" if share > 0.985 else ""
    print(f"{name}: coverage {share:.3f}, mean width {width:.4f}{note}")
    return share, width


def cluster_rates(rng: np.random.Generator, shape: tuple[int, ...], rate: float, icc: float) -> Array:
    """True rates of clusters with mean ``rate``: beta with the given ICC; icc < 0: families that always break.

    For icc < 0, the share -icc of all breaking comes from clusters that break whole, the rest is even.
    """
    if icc == 0 or rate == 0:
        return np.full(shape, rate)
    if icc < 0:
        always = -icc * rate
        return np.where(rng.random(shape) < always, 1.0, (rate - always) / (1 - always))
    scale = (1 - icc) / icc
    return rng.beta(rate * scale, (1 - rate) * scale, shape)


def clustered_items(
    rng: np.random.Generator, rate: float, clusters: int, size: int, icc: float
) -> tuple[Array, NDArray[np.int64]]:
    """0/1 items and cluster ids; ``size`` 0 draws sizes from 1 to 5."""
    sizes = np.full(clusters, size) if size else rng.integers(1, 6, clusters)
    rates = np.repeat(cluster_rates(rng, (clusters,), rate, icc), sizes)
    return (rng.random(len(rates)) < rates).astype(float), np.repeat(np.arange(clusters), sizes)


# ------------------------------------------------------------------------------------ intervals

SETTINGS = [
    (0.05, 50, 10, 0.2),
    (0.02, 100, 5, 0.2),
    (0.20, 20, 20, 0.1),
    (0.01, 100, 5, 0.1),
    (0.01, 40, 10, 0.5),
    (0.03, 60, 0, 0.4),
    (0.05, 30, 5, 0.5),
    (0.05, 40, 5, 0.0),
    (0.05, 12, 5, 0.2),
]


def plain_effective_wilson(broken: Array, ids: NDArray[np.int64]) -> float:
    """Width of Wilson on the effective number without drawing the design effect towards its worst case."""
    sizes, sums = np.bincount(ids), np.bincount(ids, broken)
    n, x, groups = len(broken), broken.sum(), len(sizes)
    n_eff = float(groups)
    if 0 < x < n:
        p = x / n
        deff = groups / (groups - 1) * ((sums - p * sizes) ** 2).sum() / n / (p * (1 - p))
        z, t = 1.959963984540054, intervals.special.stdtrit(groups - 1, 0.975)
        n_eff = n / max(1.0, deff) * (z / t) ** 2
    found = intervals.wilson(x / n * n_eff, n_eff)
    return found.high - found.low


def check_clustered_rates(runs: int, least: float) -> None:
    for rate, clusters, size, icc in SETTINGS:
        reference = []

        def draw(rng: np.random.Generator) -> Limits:
            broken, ids = clustered_items(rng, rate, clusters, size, icc)  # noqa: B023
            found = intervals.clustered_rate(broken, ids)
            reference.append(plain_effective_wilson(broken, ids))  # noqa: B023
            return found.low, found.high, rate  # noqa: B023

        share, width = coverage(
            f"clustered rate {rate:.0%}, {clusters}x{size or '1-5'}, ICC {icc}", draw, runs
        )
        assert share >= least
        assert width <= 1.15 * np.mean(reference)


def check_exact_and_differences(runs: int, least: float) -> None:
    def korn_graubard(rng: np.random.Generator) -> Limits:
        found = intervals.korn_graubard(*clustered_items(rng, 0.02, 100, 5, 0.2))
        return found.low, found.high, 0.02

    def wilson(rng: np.random.Generator) -> Limits:
        found = intervals.wilson(rng.binomial(150, 0.04), 150)
        return found.low, found.high, 0.04

    def unpaired(rng: np.random.Generator) -> Limits:
        first = intervals.clustered_rate(*clustered_items(rng, 0.15, 40, 5, 0.2))
        second = intervals.clustered_rate(*clustered_items(rng, 0.05, 30, 0, 0.2))
        found = intervals.rate_difference(first, second)
        return found.low, found.high, 0.10

    def newcombe(rng: np.random.Generator) -> Limits:
        found = intervals.newcombe_unpaired(rng.binomial(80, 0.1), 80, rng.binomial(60, 0.05), 60)
        return found.low, found.high, 0.05

    def paired(rng: np.random.Generator) -> Limits:
        rates = cluster_rates(rng, (40,), 0.1, 0.3)
        second = np.repeat(rates, 5)
        first = np.clip(second + 0.05, 0, 1)
        one, two = rng.random(200) < first, rng.random(200) < second
        found = intervals.paired_rate_difference(one, two, np.repeat(np.arange(40), 5))
        return found.low, found.high, float(np.mean(first - second))

    def tango(rng: np.random.Generator) -> Limits:
        _, only_first, only_second = rng.multinomial(100, [0.97, 0.02, 0.01])
        found = intervals.tango(100, only_first, only_second)
        return found.low, found.high, 0.01

    def mean(rng: np.random.Generator) -> Limits:
        ids = np.repeat(np.arange(15), rng.integers(2, 8, 15))
        found = intervals.clustered_mean(rng.normal(size=len(ids)) + rng.normal(size=15)[ids], ids)
        return found.low, found.high, 0.0

    for draw in (korn_graubard, wilson, unpaired, newcombe, paired, tango, mean):
        share, _ = coverage(draw.__name__, draw, runs)
        assert share >= least, draw.__name__


def check_combined(runs: int, least: float) -> None:
    """Judge with sensitivity .85 and specificity .95 on 10,000 items, people on a random part of them."""

    def judged(rng: np.random.Generator, rate: float, humans: int) -> tuple[Array, Array, Array]:
        truth = (rng.random(10_000) < rate).astype(float)
        flags = np.where(truth == 1, rng.random(10_000) < 0.85, rng.random(10_000) < 0.05).astype(float)
        return truth[:humans], flags[:humans], flags

    widths = {}
    for rate, humans in ((0.30, 100), (0.05, 100), (0.05, 200), (0.05, 500), (0.01, 500)):

        def stratified(rng: np.random.Generator) -> Limits:
            labels, flags, every = judged(rng, rate, humans)  # noqa: B023
            try:
                found = post_stratified(labels, flags, every)
            except StatisticsError:  # no flagged item was labelled: one has the labels alone
                plain = intervals.wilson(labels.sum(), humans)  # noqa: B023
                return plain.low, plain.high, rate  # noqa: B023
            return found.low, found.high, rate  # noqa: B023

        def alone(rng: np.random.Generator) -> Limits:
            found = intervals.wilson(rng.binomial(humans, rate), humans)  # noqa: B023
            return found.low, found.high, rate  # noqa: B023

        name = f"{rate:.0%}, {humans} labels"
        share, width = coverage(f"post-stratified {name}", stratified, runs)
        _, widths[rate, humans] = coverage(f"labels alone {name}", alone, runs)
        assert share >= least
        assert width <= 1.15 * widths[rate, humans]

    def with_clusters(rng: np.random.Generator) -> Limits:
        truth, ids = clustered_items(rng, 0.08, 400, 5, 0.3)
        flags = np.where(truth == 1, rng.random(2000) < 0.85, rng.random(2000) < 0.05).astype(float)
        part = np.isin(ids, rng.choice(400, 80, replace=False))
        found = post_stratified(
            truth[part], flags[part], flags, clusters_labelled=ids[part], clusters_all=ids
        )
        return found.low, found.high, 0.08

    def prediction_powered(rng: np.random.Generator) -> Limits:
        labels, flags, every = judged(rng, 0.30, 300)
        found = ppi_plus_plus(labels, flags, every[300:])
        return found.low, found.high, 0.30

    def corrected(rng: np.random.Generator) -> Limits:
        found = rogan_gladen(
            rng.binomial(1000, 0.05 * 0.85 + 0.95 * 0.05), 1000,
            kept_right=rng.binomial(200, 0.95), kept_checked=200,
            broken_right=rng.binomial(200, 0.85), broken_checked=200,
        )  # fmt: skip
        return found.low, found.high, 0.05

    for draw in (with_clusters, prediction_powered, corrected):
        share, _ = coverage(draw.__name__, draw, runs)
        assert share >= least, draw.__name__


def test_clustered_rates_cover() -> None:
    check_clustered_rates(FAST, 0.92)


def test_exact_rates_differences_and_means_cover() -> None:
    check_exact_and_differences(FAST, 0.92)


def test_combined_rates_cover() -> None:
    check_combined(FAST, 0.92)


@pytest.mark.slow
def test_clustered_rates_cover_in_many_runs() -> None:
    check_clustered_rates(SLOW, 0.935)


@pytest.mark.slow
def test_exact_rates_differences_and_means_cover_in_many_runs() -> None:
    check_exact_and_differences(SLOW, 0.935)


@pytest.mark.slow
def test_combined_rates_cover_in_many_runs() -> None:
    check_combined(SLOW, 0.935)


def test_ppi_plus_plus_would_fail_where_it_is_refused() -> None:
    """1 % with 100 labels: the formula's own coverage is far from 95 %, so the guard never lets it through."""
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(50):
        truth = (rng.random(3000) < 0.01).astype(float)
        flags = np.where(truth == 1, rng.random(3000) < 0.85, rng.random(3000) < 0.05).astype(float)
        with pytest.raises(StatisticsError, match="post_stratified"):
            ppi_plus_plus(truth[:100], flags[:100], flags[100:])
        refused += 1
    assert refused == 50


def test_the_null_of_ece_covers_a_calibrated_judge() -> None:
    rng = np.random.default_rng(6)
    above = 0
    for _ in range(FAST):
        p = rng.beta(2, 2, 150)
        found = expected_calibration_error(p, rng.random(150) < p, seed=rng)
        above += found.value > found.null_high
    assert above / FAST <= 0.08


# ------------------------------------------------------------------------------------ looking all the time


def ever_outside(runs: int, steps: int) -> None:
    rng = np.random.default_rng(runs)
    for rate in (0.01, 0.05, 0.3):
        counts = np.cumsum(rng.random((runs, steps)) < rate, axis=1)
        e = sequential.beta_binomial_e(counts, np.broadcast_to(np.arange(1, steps + 1), counts.shape), rate)
        share = float(np.mean((e >= 20).any(axis=1)))
        print(f"beta-binomial sequence, {rate:.0%}: ever outside in {share:.3f} of {runs} runs")
        assert share <= 0.05
    shares = rng.binomial(5, cluster_rates(rng, (min(runs, 400), 300), 0.05, 0.3)) / 5
    outside = 0
    for row in shares:
        found = sequential.betting_limits(row, grid=400)
        outside += bool(((found.low > 0.05) | (found.high < 0.05)).any())
    print(f"betting sequence on clusters: ever outside in {outside / len(shares):.3f} of {len(shares)} runs")
    assert outside / len(shares) <= 0.05


def test_sequences_hold_at_every_time() -> None:
    ever_outside(100, 1000)


@pytest.mark.slow
def test_sequences_hold_at_every_time_in_many_runs() -> None:
    ever_outside(2000, 3000)


# ------------------------------------------------------------------------------------ the verdict rule


@dataclass(frozen=True)
class Block:
    """Clauses of one shape: (audits x clauses x clusters) broken shares, and their true rate."""

    shares: Array
    rate: Array  # (clauses,)
    tolerance: float


def block(
    rng: np.random.Generator,
    audits: int,
    rates: Array,
    clusters: int,
    size: int,
    icc: float,
    tolerance: float,
) -> Block:
    shape = (audits, len(rates), clusters)
    truth = np.stack([cluster_rates(rng, (audits, clusters), rate, icc) for rate in rates], axis=1)
    sizes = np.full(shape, size) if size else rng.integers(1, 6, shape)
    return Block(rng.binomial(sizes, truth) / sizes, rates, tolerance)


def p_values(data: Block) -> tuple[Array, Array]:
    """p_violated and p_compliant of every clause, (audits, clauses): `intervals` on whole blocks at once."""
    audits, clauses, clusters = data.shares.shape
    values, code = np.unique(np.round(data.shares, 9), return_inverse=True)
    code = code.reshape(-1, clusters) + len(values) * np.arange(audits * clauses)[:, None]
    counts = np.bincount(code.ravel(), minlength=audits * clauses * len(values)).reshape(-1, len(values))
    profiles, inverse = np.unique(counts, axis=0, return_inverse=True)
    shares = np.broadcast_to(values, profiles.shape)
    weight = profiles.astype(float)
    violated = intervals.gaffke_p(shares, weight, np.full(len(profiles), data.tolerance))
    compliant = intervals.gaffke_p(1 - shares, weight, np.full(len(profiles), 1 - data.tolerance))
    where = inverse.ravel()
    return violated[where].reshape(audits, clauses), compliant[where].reshape(audits, clauses)


# Clusters, items per cluster (0: 1 to 5 at random), ICC (negative: families that always break), tolerance.
SHAPES = [
    (6, 1, 0.0, 0.05),
    (6, 5, 0.2, 0.05),
    (10, 3, 0.5, 0.01),
    (20, 5, 0.0, 0.05),
    (20, 0, 0.3, 0.05),
    (40, 3, 0.1, 0.05),
    (40, 5, -0.6, 0.05),
    (80, 1, 0.0, 0.05),
    (80, 5, 0.6, 0.05),
    (80, 0, 0.2, 0.01),
]


def any_wrong_accusation(audits: int) -> float:
    """Share of audits with a wrong `violated` when each of 200 clauses is at its tolerance."""
    rng = np.random.default_rng(audits)
    per_shape = [
        p_values(block(rng, audits, np.full(20, tolerance), clusters, size, icc, tolerance))[0]
        for clusters, size, icc, tolerance in SHAPES
    ]
    p = np.concatenate(per_shape, axis=1)
    assert p.shape == (audits, 200)
    wrong = np.array([holm(row, 0.05).rejected.any() for row in p])
    share = float(wrong.mean())
    print(f"all clauses at tolerance: a wrong `violated` in {share:.3f} of {audits} audits")
    return share


# Clauses enough to certify, on both sides of the tolerance; the bad ones sit close above it.
CERTIFIABLE = [(100, 1, 0.0), (100, 5, 0.3), (150, 3, 0.6), (200, 5, -0.6), (200, 0, 0.1)]


def wrong_among_compliant(audits: int) -> tuple[float, float, float]:
    """Mean share of wrong ones among `compliant`, mean share of good clauses certified, of bad ones accused."""
    rng = np.random.default_rng(audits + 1)
    rates = np.r_[np.linspace(0, 0.03, 16), np.linspace(0.0501, 0.15, 24)]
    found = [p_values(block(rng, audits, rates, *shape, 0.05)) for shape in CERTIFIABLE]
    violated = np.concatenate([one for one, _ in found], axis=1)
    compliant = np.concatenate([two for _, two in found], axis=1)
    bad = np.tile(rates > 0.05, len(CERTIFIABLE))
    certified = np.array([benjamini_hochberg(row, 0.05).rejected for row in compliant])
    accused = np.array([holm(row, 0.05).rejected for row in violated])
    assert not (accused & ~bad).any(axis=1).mean() > 0.05
    wrong = (certified & bad).sum(axis=1) / np.maximum(certified.sum(axis=1), 1)
    result = float(wrong.mean()), float(certified[:, ~bad].mean()), float(accused[:, bad].mean())
    print(
        f"both sides: wrong among `compliant` {result[0]:.4f}; good clauses certified {result[1]:.2f}, "
        f"bad ones accused {result[2]:.2f} ({audits} audits)"
    )
    return result


def sequential_audits(audits: int, null: bool, look_every: int = 10) -> tuple[float, float, float]:
    """The sequential rule looked at every few clusters; decided streams stand still.

    Returns the share of audits with a wrong `violated` (accusations looked at after every cluster), the mean
    share of wrong ones among `compliant`, and the share of good clauses certified.
    """
    rng = np.random.default_rng(audits + 2)
    steps, shapes = 200, [(1, 0.0), (5, 0.3), (3, 0.6), (5, -0.6), (0, 0.1)]
    rates = np.full(40, 0.05) if null else np.r_[np.linspace(0, 0.03, 16), np.linspace(0.0501, 0.15, 24)]
    bad = np.tile(rates > 0.05, len(shapes))
    accusations, wrong, certified = [], [], []
    for _ in range(audits):
        shares = np.concatenate(
            [block(rng, 1, rates, steps, size, icc, 0.05).shares[0] for size, icc in shapes]
        )
        high = sequential.e_violated(shares, 0.05).max(axis=1)
        accused = holm(1 / np.maximum(high, 1.0), 0.05).rejected
        accusations.append(bool((accused & ~bad).any()))
        running = sequential.e_compliant(shares, 0.05)
        held, decided = np.zeros(len(bad)), np.zeros(len(bad), dtype=bool)
        for look in range(look_every - 1, steps, look_every):
            held = np.where(decided, held, running[:, look])
            decided = e_bh(held, 0.05).rejected
        wrong.append((decided & bad).sum() / max(1, decided.sum()))
        certified.append(decided[~bad].mean() if (~bad).any() else 0.0)
    result = float(np.mean(accusations)), float(np.mean(wrong)), float(np.mean(certified))
    print(f"sequential ({'null' if null else 'both sides'}): {result} in {audits} audits")
    return result


def test_the_block_arithmetic_is_that_of_decide() -> None:
    rng = np.random.default_rng(3)
    data = [block(rng, 1, np.array([0.0, 0.02, 0.05, 0.4]), n, m, icc, 0.05) for n, m, icc in CERTIFIABLE[:3]]
    p = [p_values(one) for one in data]
    violated = holm(np.concatenate([one[0][0] for one in p])).rejected
    compliant = benjamini_hochberg(np.concatenate([two[0] for _, two in p])).rejected
    findings = []
    for one, (_, size, _) in zip(data, CERTIFIABLE, strict=False):
        for row in one.shares[0]:
            ids = np.repeat(np.arange(len(row)), size)
            broken = (np.tile(np.arange(size), len(row)) < np.repeat(np.round(row * size), size)).astype(
                float
            )
            findings.append(Evidence(broken, ids, [], 0.05, True, 0.6, True))
    decisions = decide(findings)
    assert [d.verdict is Verdict.violated for d in decisions] == violated.tolist()
    assert [d.verdict is Verdict.compliant for d in decisions] == compliant.tolist()
    assert violated.any() and compliant.any()


def test_100_audits_at_tolerance_make_few_wrong_accusations() -> None:
    assert any_wrong_accusation(100) <= 0.05


def test_100_audits_on_both_sides_make_few_wrong_certificates() -> None:
    wrong, certified, accused = wrong_among_compliant(40)
    assert wrong <= 0.05
    assert certified > 0.1 and accused > 0.1


def test_looking_often_makes_few_wrong_verdicts() -> None:
    assert sequential_audits(20, null=True)[0] <= 0.05
    accusations, wrong, certified = sequential_audits(20, null=False)
    assert accusations <= 0.05 and wrong <= 0.05 and certified > 0.1


@pytest.mark.slow
def test_1000_audits_at_tolerance_make_a_wrong_accusation_in_at_most_one_of_twenty() -> None:
    assert any_wrong_accusation(1000) <= 0.05


@pytest.mark.slow
def test_1000_audits_on_both_sides_certify_wrongly_in_at_most_one_of_twenty() -> None:
    wrong, certified, accused = wrong_among_compliant(1000)
    assert wrong <= 0.05
    assert certified > 0.1 and accused > 0.1


@pytest.mark.slow
def test_1000_audits_may_be_looked_at_all_the_time() -> None:
    assert sequential_audits(1000, null=True)[0] <= 0.05
    accusations, wrong, certified = sequential_audits(1000, null=False)
    assert accusations <= 0.05 and wrong <= 0.05 and certified > 0.1


def test_families_that_always_break_defeat_effective_items_and_not_the_limits() -> None:
    """At a rate of 5 %, one prompt family in forty always breaks: 13 % of samples of 80 clusters hold none."""
    rng = np.random.default_rng(5)
    ids = np.repeat(np.arange(80), 5)
    effective, exact = 0, 0
    for _ in range(400):
        rates = cluster_rates(rng, (80,), 0.05, -0.5)
        broken = (rng.random(400) < np.repeat(rates, 5)).astype(float)
        effective += intervals.korn_graubard(broken, ids, 0.9).high <= 0.05
        exact += intervals.p_compliant(broken, ids, 0.05) <= 0.05
    print(f"wrong certificates at .05: Korn-Graubard {effective / 400:.3f}, upper_limit {exact / 400:.3f}")
    assert effective / 400 > 0.08
    assert exact / 400 <= 0.05
