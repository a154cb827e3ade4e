"""Pairs of arms on the same stimulus: which there are, which are asked, and their ratings as comparisons.

In: the suite, the arms' responses, pairwise rubrics; later the ratings. Out: pairs (two answers to one
conversation), an even or an active choice among them, and :class:`Comparisons` for a ranking. Harmlessness is
compared on prompts that ask for harm and helpfulness on others, as far as the suite says which is which. A
pair with a missing answer is no pair: it is counted, and nobody wins. Left out: asking raters (``rate``) and
what the comparisons mean (``govaudit.reports.rankings``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from govaudit.canonical import digest
from govaudit.evals.suite import Probe, ProbeOrigin, Suite
from govaudit.records import Measure, Rating, Response, Scale, Turn
from govaudit.scorers.rubric import Rubric
from govaudit.specs.model import Spec
from govaudit.stats.allocation import next_pairs, pairs_of
from govaudit.stats.comparisons import Comparisons, comparisons

PER_ARM = 100
"""Pairs per rubric for each arm where the request does not say how many: each arm stands in twice as many."""

_BATCHES = 4
"""An active choice looks at what came back three times."""


@dataclass(frozen=True)
class ArmPair:
    """Two arms' answers to one conversation, in the order of the arms."""

    arms: tuple[int, int]
    """Places of the arms in the run, the lower first."""
    stimulus: str
    cluster: str
    turns: tuple[Turn, ...]
    """The conversation before the answers."""
    first: Response
    second: Response

    @property
    def key(self) -> str:
        """Tells pairs apart, whatever the order they are shown in."""
        return digest([self.first.response, self.second.response])

    @property
    def identical(self) -> bool:
        """Do both arms answer in the same words?"""
        return self.first.text == self.second.text

    def shown(self, *, turned: bool) -> tuple[Response, Response]:
        """The answers in one of the two orders."""
        return (self.second, self.first) if turned else (self.first, self.second)


@dataclass(frozen=True)
class Pool:
    """The pairs that rubrics of the same prompts share."""

    rubrics: tuple[Rubric, ...]
    pairs: tuple[ArmPair, ...]
    missing: int
    """Pairs that lack an answer of one of the arms, or whose conversations differ before it."""


def pools(
    spec: Spec, suite: Suite, responses: Iterable[Response], arms: Sequence[str], rubrics: Sequence[Rubric]
) -> tuple[Pool, ...]:
    """All pairs of ``arms`` (digests, in order), by the rubrics that they may be put under.

    A stimulus is for a rubric if one of its probes expects what the rubric is for, or it or one of its
    clauses carries one of the rubric's tags. Where the suite says so of no stimulus, every stimulus is for
    every rubric. Answers of the same epoch are paired.
    """
    probes: dict[str, list[Probe]] = defaultdict(list)
    for probe in suite.probes:
        if probe.measure is Measure.GENERATION and probe.origin is not ProbeOrigin.CONTROL:
            probes[probe.stimulus].append(probe)
    tags = {clause.id: set(clause.tags) for clause in spec.clauses}
    fit = {
        rubric.name: {name for name, group in probes.items() if any(_is_for(p, rubric, tags) for p in group)}
        for rubric in rubrics
    }
    if not any(fit.values()):
        fit = {rubric.name: set(probes) for rubric in rubrics}
    by_place: dict[str, dict[tuple[int, int], Response]] = defaultdict(dict)
    place = {arm: at for at, arm in enumerate(arms)}
    for response in responses:
        if response.arm in place:
            by_place[response.stimulus][place[response.arm], response.epoch] = response
    groups: dict[frozenset[str], list[Rubric]] = defaultdict(list)
    for rubric in rubrics:
        groups[frozenset(fit[rubric.name])].append(rubric)
    return tuple(
        _pool(tuple(group), {name: probes[name] for name in probes if name in stimuli}, by_place, len(arms))
        for stimuli, group in groups.items()
    )


def _is_for(probe: Probe, rubric: Rubric, tags: Mapping[str, set[str]]) -> bool:
    if any(target.expected in rubric.applies_to for target in probe.targets):
        return True
    carried = set(probe.tags)
    # A prompt with tags of its own says what it is; clauses speak for those without.
    if not carried:
        carried = set().union(*(tags.get(target.clause, set()) for target in probe.targets))
    return bool(carried & set(rubric.prompts))


def _pool(
    rubrics: tuple[Rubric, ...],
    probes: Mapping[str, Sequence[Probe]],
    answers: Mapping[str, Mapping[tuple[int, int], Response]],
    n_arms: int,
) -> Pool:
    pairs, missing = [], 0
    for stimulus, group in probes.items():
        here = answers.get(stimulus, {})
        for epoch in sorted({epoch for _, epoch in here}):
            for i, j in combinations(range(n_arms), 2):
                one, two = here.get((i, epoch)), here.get((j, epoch))
                if one is None or two is None or one.unscored or two.unscored:
                    missing += 1
                    continue
                before, others = _before(one, group[0]), _before(two, group[0])
                if before != others:
                    missing += 1
                    continue
                pairs.append(ArmPair((i, j), stimulus, group[0].cluster, before, one, two))
    return Pool(rubrics, tuple(pairs), missing)


def _before(response: Response, probe: Probe) -> tuple[Turn, ...]:
    if response.turns:
        return response.turns[:-1]
    *before, last = probe.turns
    return tuple(before) if last.content is None else probe.turns


@dataclass
class _Stock:
    """Pairs that are not chosen yet: for each pair of arms, the prompts that were used least come first."""

    left: dict[tuple[int, int], list[ArmPair]]
    order: Mapping[str, str]
    used: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, pairs: Iterable[ArmPair], seed: int) -> _Stock:
        left: dict[tuple[int, int], list[ArmPair]] = defaultdict(list)
        for pair in pairs:
            left[pair.arms].append(pair)
        stimuli = {pair.stimulus for group in left.values() for pair in group}
        return cls(dict(sorted(left.items())), {name: digest([seed, name]) for name in stimuli})

    def take(self, arms: tuple[int, int]) -> ArmPair:
        group = self.left[arms]
        at = min(range(len(group)), key=lambda n: (self.used[group[n].stimulus], self._rank(group[n])))
        pair = group.pop(at)
        self.used[pair.stimulus] += 1
        return pair

    def _rank(self, pair: ArmPair) -> tuple[str, int]:
        return self.order[pair.stimulus], pair.first.epoch


def even(pairs: Sequence[ArmPair], n: int, seed: int) -> tuple[ArmPair, ...]:
    """``n`` of the pairs, or all: as many of each pair of arms as there are, spread over the prompts."""
    return tuple(_even(_Stock.of(pairs, seed), n))


def _even(stock: _Stock, n: int) -> list[ArmPair]:
    chosen: list[ArmPair] = []
    while len(chosen) < n:
        before = len(chosen)
        for arms, group in stock.left.items():
            if group and len(chosen) < n:
                chosen.append(stock.take(arms))
        if len(chosen) == before:
            break
    return chosen


def actively(
    pairs: Sequence[ArmPair],
    n_arms: int,
    n: int,
    seed: int,
    ask: Callable[[Sequence[ArmPair]], Sequence[Comparisons]],
) -> tuple[ArmPair, ...]:
    """``n`` of the pairs in four batches, each after the first where it tells most; the pairs in their order.

    ``ask`` puts a batch to the rater and gives all comparisons so far, one set per question, players named by
    the places of the arms. The first batch is even.
    """
    stock = _Stock.of(pairs, seed)
    sizes = [len(part) for part in np.array_split(np.arange(min(n, len(pairs))), _BATCHES) if len(part)]
    chosen: list[ArmPair] = []
    so_far: Sequence[Comparisons] = ()
    for number, size in enumerate(sizes):
        if number == 0 or not so_far:
            batch = _even(stock, size)
        else:
            low, high = pairs_of(n_arms)
            arms = list(zip(low.tolist(), high.tolist(), strict=True))
            left = np.array([len(stock.left.get(one, ())) for one in arms], dtype=np.int64)
            given = next_pairs(n_arms, so_far, left, size)
            batch = [stock.take(one) for one, count in zip(arms, given, strict=True) for _ in range(count)]
        chosen += batch
        so_far = ask(batch)
    return tuple(chosen)


def compared(
    ratings: Iterable[Rating], arm_of: Mapping[str, str], covariates: Mapping[str, Mapping[str, float]] = {}
) -> Comparisons | None:
    """Pairwise ratings as comparisons of arms, clusters = prompts; ``None`` where nothing is scored.

    ``arm_of``: response -> name of its arm; ratings of others are passed over. A probability that is neither
    0, 1 nor a tie becomes two rows, one for each outcome, weighted by it. ``covariates``: name -> response ->
    value, entered as first minus second; pairs without one of them are left out.
    """
    first, second, outcome, weights, clusters = [], [], [], [], []
    x: dict[str, list[float]] = {name: [] for name in covariates}
    for row in ratings:
        if row.scale is not Scale.PAIRWISE or row.value is None or row.derived_from:
            continue
        one, two = row.responses
        if one not in arm_of or two not in arm_of or arm_of[one] == arm_of[two]:
            continue
        if any(one not in values or two not in values for values in covariates.values()):
            continue
        for result, share in _outcomes(row):
            first.append(arm_of[one])
            second.append(arm_of[two])
            outcome.append(result)
            weights.append(share * row.weight)
            clusters.append(row.cluster)
            for name, values in covariates.items():
                x[name].append(values[one] - values[two])
    if not first:
        return None
    return comparisons(first, second, outcome, weights=weights, clusters=clusters, covariates=x)


def _outcomes(row: Rating) -> list[tuple[int, float]]:
    assert row.value is not None
    if row.tie:
        return [(0, 1.0)]
    return [(result, p) for result, p in ((1, row.value), (-1, 1.0 - row.value)) if p > 0]
