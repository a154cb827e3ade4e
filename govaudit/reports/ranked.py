"""One ranking of a run as numbers of the report: arms on the Elo scale, by one rater under one question.

In: pairwise ratings of one rater (or of all people together), the arm of each response. Out: typed parts with
intervals, or the reason why there is no ranking. The statistics are ``govaudit.stats``; here is what is put
into them and what may be said afterwards. Left out: what is shown (``rankings``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from govaudit.errors import StatisticsError
from govaudit.evals.pairs import compared
from govaudit.records import Rating
from govaudit.reports.part import Estimate, Part
from govaudit.stats.allocation import saving
from govaudit.stats.comparisons import Comparisons
from govaudit.stats.instruction import Gap, instruction_effects
from govaudit.stats.intervals import clustered_rate
from govaudit.stats.ranking import Ranking, Term, rank
from govaudit.stats.standing import ELO_PER_LOGIT, contrasts, elo, expected_scores

FEW_PAIRS, FEW_CLUSTERS = 100, 20
"""Below these a ranking is marked as resting on little: clustered errors need some clusters."""

Covariates = Mapping[str, Mapping[str, float]]
"""Name -> response -> value."""
_NOTHING: Covariates = {}


class StandingPart(Part):
    """One arm under one question, as one rater sees it."""

    arm: str
    elo: Estimate
    """400 points are odds of 10 to 1; the mean arm has 1000."""
    band_low: float
    band_high: float
    """Holds for all arms of the ranking at once."""
    rank_low: int
    rank_high: int
    """Ranks that cannot be excluded, jointly for all arms; 1 is best."""
    score: Estimate
    """Expected share of wins, ties half, against the mean of the other arms."""


class ContrastPart(Part):
    """The Elo of one arm minus that of another."""

    first: str
    second: str
    elo: Estimate
    band_low: float
    band_high: float
    """Holds for all differences of the ranking at once."""
    better: str | None
    """The arm that is better by the band; null: not distinguishable."""


class SavingPart(Part):
    """What choosing pairs by what they tell saved, at equal width of the intervals."""

    comparisons: int
    evenly: float
    """Comparisons that an even spread over the arms would have needed."""
    share: Estimate


class RankingPart(Part):
    """All arms under one question, as one rater sees them."""

    question: str
    rater: str
    kind: str
    source: str
    rubric: str
    control: str = ""
    """What is held equal: empty, ``engaged pairs``, ``evasiveness`` or ``length and templates``."""
    pairs: int
    """Pairs of answers with a verdict, in whatever order."""
    verdicts: int
    clusters: int
    ties: int
    unscored: dict[str, int] = {}
    standings: tuple[StandingPart, ...] = ()
    """Best first."""
    contrasts: tuple[ContrastPart, ...] = ()
    tie_model: str = ""
    position: Estimate | None = None
    """Elo points that being shown first is worth; null where no pair was seen in both orders."""
    consistent: Estimate | None = None
    """Share of pairs seen in both orders whose verdict did not change."""
    covariates: dict[str, Estimate] = {}
    """Elo points per unit of what is held equal."""
    saved: SavingPart | None = None
    missing_arms: tuple[str, ...] = ()
    """Arms without a comparison here."""
    undefined: str | None = None
    """Why there is no ranking."""
    flags: tuple[str, ...] = ()


class EffectPart(Part):
    """One pair of arms under the old and the new instruction, on the same pairs of answers, in Elo points."""

    rater: str
    first: str
    second: str
    old: Estimate
    new: Estimate
    difference: Estimate
    """Old minus new."""
    bands: tuple[tuple[float, float], ...]
    """Of old, new and difference: hold for all gaps of this rater at once."""
    share: Estimate
    """Of the old gap that is due to the instruction: (old - new) / old, by Fieller."""
    clusters: int


@dataclass(frozen=True)
class Judged:
    """The pairwise ratings of one rater, or of all people of one source together, under one question."""

    question: str
    rater: str
    kind: str
    source: str
    rubric: str
    rows: tuple[Rating, ...]


@dataclass(frozen=True)
class Fitted:
    """A part and the statistics behind it, where they could be had."""

    part: RankingPart
    ranking: Ranking | None = None
    data: Comparisons | None = None


def fit(
    judged: Judged,
    arms: Sequence[str],
    arm_of: Mapping[str, str],
    *,
    seed: int,
    control: str = "",
    covariates: Covariates = _NOTHING,
    active: bool = False,
) -> Fitted:
    """The ranking of ``arms`` by these ratings; ``arm_of``: response -> name of its arm.

    Where no finite ratings exist a weak prior holds them, and the part is flagged. ``active``: the pairs were
    chosen by what they tell, so say what that saved.
    """
    here = [row for row in judged.rows if all(one in arm_of for one in row.responses)]
    data = compared(here, arm_of, covariates)
    used = _used(here, covariates)
    part = RankingPart(
        question=judged.question,
        rater=judged.rater,
        kind=judged.kind,
        source=judged.source,
        rubric=judged.rubric,
        control=control,
        pairs=len({frozenset(row.responses) for row in used}),
        verdicts=len(used),
        clusters=len({row.cluster for row in used}),
        ties=sum(row.tie for row in used),
        unscored=dict(sorted(Counter(str(row.unscored) for row in here if row.unscored).items())),
        consistent=_consistent(used),
        missing_arms=tuple(arm for arm in arms if data is None or arm not in data.players),
    )
    if data is None:
        return Fitted(part.model_copy(update={"undefined": "no pair has a verdict"}))
    try:
        ranking = _ranked(data, position=_both_orders(used))
        found = _numbers(ranking, data, seed, active=active)
    except StatisticsError as error:
        return Fitted(part.model_copy(update={"undefined": str(error)}))
    # Who sees both orders alike by rule has no position effect: that is no warning.
    flags = [flag for flag in ranking.flags if not flag.startswith("no cluster moves first position")]
    return Fitted(part.model_copy(update=found | {"flags": (*_few(part), *flags)}), ranking, data)


def _used(rows: Sequence[Rating], covariates: Covariates) -> list[Rating]:
    return [
        row
        for row in rows
        if row.value is not None
        and not row.derived_from
        and all(one in values for values in covariates.values() for one in row.responses)
    ]


def _both_orders(rows: Sequence[Rating]) -> bool:
    """Was any pair of arms seen in both orders, so that the worth of the first place can be told?

    A pair of answers, or of arms by different raters: who stood first must not be the same arm always.
    """
    seen = {row.responses for row in rows}
    if any(row.responses[::-1] in seen for row in rows):
        return True
    return len({row.rater for row in rows}) > 1


def _ranked(data: Comparisons, *, position: bool) -> Ranking:
    try:
        return rank(data, position=position)
    except StatisticsError as error:
        if "finite" not in str(error):
            raise
        return rank(data, position=position, prior=1.0)


def _numbers(ranking: Ranking, data: Comparisons, seed: int, *, active: bool) -> dict[str, object]:
    scores = {row.player: row for row in expected_scores(ranking)}
    terms = {term.name: term for term in ranking.terms}
    return {
        "standings": tuple(
            StandingPart(
                arm=row.player,
                elo=Estimate(value=row.rating, low=row.low, high=row.high),
                band_low=row.band_low,
                band_high=row.band_high,
                rank_low=row.rank_low,
                rank_high=row.rank_high,
                score=Estimate(
                    value=scores[row.player].score, low=scores[row.player].low, high=scores[row.player].high
                ),
            )
            for row in elo(ranking, seed=seed).standings
        ),
        "contrasts": tuple(
            ContrastPart(
                first=row.first,
                second=row.second,
                elo=_points(row.value, row.low, row.high),
                band_low=row.band_low * ELO_PER_LOGIT,
                band_high=row.band_high * ELO_PER_LOGIT,
                better=row.better,
            )
            for row in contrasts(ranking, seed=seed)
        ),
        "tie_model": ranking.tie_model,
        "position": _term(terms["first position"]) if "first position" in terms else None,
        "covariates": {name: _term(terms[name]) for name in data.covariate_names},
        "saved": _saved(ranking, data, seed) if active else None,
    }


def _saved(ranking: Ranking, data: Comparisons, seed: int) -> SavingPart:
    found = saving(ranking, data, seed=seed)
    return SavingPart(
        comparisons=found.n,
        evenly=found.even,
        share=Estimate(value=found.share, low=found.low, high=found.high),
    )


def _points(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value * ELO_PER_LOGIT, low=low * ELO_PER_LOGIT, high=high * ELO_PER_LOGIT)


def _term(term: Term) -> Estimate:
    return _points(term.value, term.low, term.high)


def _few(part: RankingPart) -> list[str]:
    if part.pairs >= FEW_PAIRS and part.clusters >= FEW_CLUSTERS:
        return []
    return [f"rests on little: {part.pairs} pairs of answers on {part.clusters} prompts"]


def _consistent(rows: Sequence[Rating]) -> Estimate | None:
    """Share of pairs that one rater saw in both orders whose verdict is the same in both."""
    said = {(row.rater, row.responses): row for row in rows}
    same, clusters = [], []
    for (rater, shown), row in said.items():
        other = said.get((rater, shown[::-1]))
        if other is None or shown > shown[::-1] or row.value is None or other.value is None:
            continue
        if row.origin == "identical":
            continue  # nobody was asked
        same.append(float(_side(row.value) == -_side(other.value)))
        clusters.append(row.cluster)
    if not same:
        return None
    return _share(same, clusters)


def _share(hits: Sequence[float], clusters: Sequence[str]) -> Estimate:
    try:
        rate = clustered_rate(np.array(hits), clusters)
    except StatisticsError as error:
        return Estimate(n=len(hits), value=float(np.mean(hits)), undefined=str(error))
    return Estimate(n=rate.n, value=rate.rate, low=rate.low, high=rate.high)


def _side(value: float) -> int:
    return (value > 0.5) - (value < 0.5)


def agreement(mine: Judged, truth: Judged) -> Estimate | None:
    """Share of verdicts that take the side that ``truth`` takes, where both take one; a majority of people
    counts as their side. ``None`` where they share no pair."""
    wanted = _sides(truth)
    hits, clusters = [], []
    for row in mine.rows:
        if row.value is None or _side(row.value) == 0:
            continue
        side = wanted.get(row.responses) or -wanted.get(row.responses[::-1], 0)
        if side:
            hits.append(float(_side(row.value) == side))
            clusters.append(row.cluster)
    return _share(hits, clusters) if hits else None


def _sides(judged: Judged) -> dict[tuple[str, ...], int]:
    total: dict[tuple[str, ...], float] = defaultdict(float)
    for row in judged.rows:
        if row.value is not None:
            flipped = row.responses > row.responses[::-1]
            shown = row.responses[::-1] if flipped else row.responses
            total[shown] += (0.5 - row.value) if flipped else (row.value - 0.5)
    return {shown: (value > 0) - (value < 0) for shown, value in total.items()}


def effects(
    old: Fitted, new: Fitted, between: Sequence[tuple[str, str]], *, seed: int
) -> tuple[tuple[EffectPart, ...], str | None]:
    """What the instruction does to the gaps ``between`` arms, or why that cannot be said."""
    if old.ranking is None or new.ranking is None:
        return (), old.part.undefined or new.part.undefined
    try:
        found = instruction_effects(old.ranking, new.ranking, between, seed=seed)
    except StatisticsError as error:
        return (), str(error)
    return tuple(
        EffectPart(
            rater=old.part.rater,
            first=row.first,
            second=row.second,
            old=_gap(row.old),
            new=_gap(row.new),
            difference=_gap(row.difference),
            bands=tuple(
                (gap.band_low * ELO_PER_LOGIT, gap.band_high * ELO_PER_LOGIT)
                for gap in (row.old, row.new, row.difference)
            ),
            share=Estimate(
                value=row.share.value, low=row.share.low, high=row.share.high, undefined=row.share.undefined
            ),
            clusters=found.n_clusters,
        )
        for row in found.effects
    ), None


def _gap(gap: Gap) -> Estimate:
    return _points(gap.value, gap.low, gap.high)
