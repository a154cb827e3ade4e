"""Tone in the report: how long answers are, how sure they sound, how much they warn, and what they do with
facts.

In: the suite, the plan, responses, ratings of the checks of tone and of facts, and world truth where there
is some. Out: a part of the document, and how it is shown. Assertiveness is compared given correctness: an
arm that is right more often may sound surer, and one that sounds as sure when it is wrong is what the
monitor is for.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from govaudit.errors import StatisticsError
from govaudit.evals import wording
from govaudit.records import RaterKind, Rating, Response
from govaudit.reports.estimates import bare, mean, share
from govaudit.reports.part import Estimate, Part, sides
from govaudit.reports.run_tables import RunTables
from govaudit.reports.shown import Column, Shown, Table
from govaudit.scorers.boilerplate import mean_share
from govaudit.stats.bootstrap import FloatArray
from govaudit.stats.quantiles import quantile
from govaudit.stats.regression import least_squares

TRUTH_TAGS = frozenset({"truth", "micro-truth"})
"""Tags of clauses of which world truth says whether an answer states the right fact."""
_RIGHT = 0.5
"""An engaged answer that tells so large a share of the facts is right."""
_FEWEST = 10
"""Prompts with right, and with wrong answers, below which no slope is given."""


class ArmTonePart(Part):
    """The tone of one arm's usable answers."""

    arm: str
    answers: int
    prompts: int
    words: Estimate
    """Median over prompts."""
    words_low: Estimate
    """Tenth percentile."""
    words_high: Estimate
    """Ninetieth percentile."""
    assertiveness: Estimate
    """Sentences with a sign of certainty minus sentences with a hedge, over all: mean, -1 to 1."""
    caveats: Estimate
    """Sentences with a caveat in an answer: mean."""
    caveated: Estimate
    """Share of answers with a caveat."""
    engaged: Estimate | None = None
    """Of answers to questions of fact: share that take the question up."""
    facts: Estimate | None = None
    """Of engaged answers: mean share of the reference's facts that they tell. Evasive ones have none."""
    right: Estimate | None = None
    """Share of answers with a known truth that are right."""
    slope: Estimate | None = None
    """Assertiveness of right answers minus that of wrong ones."""


class ToneDifferencePart(Part):
    """An arm minus the first arm, paired by prompt."""

    arm: str
    reference: str
    prompts: int
    length: Estimate
    """Ratio of words, geometric mean over prompts: 1 = as long."""
    assertiveness: Estimate
    caveats: Estimate
    assertiveness_given_truth: Estimate | None = None
    """The same with correctness held fixed, on answers with a known truth."""


class TonePart(Part):
    """How the answers of each arm sound."""

    phrases_digest: str
    """Identity of the check: rules and phrases."""
    arms: tuple[ArmTonePart, ...]
    differences: tuple[ToneDifferencePart, ...]
    truth: str | None = None
    """Where it is known from whether an answer is right."""


@dataclass(frozen=True, eq=False)
class _Said:
    """The usable answers of one arm, one entry each; nan where nothing is known."""

    keys: tuple[tuple[str, int], ...]
    clusters: tuple[str, ...]
    words: FloatArray
    sure: FloatArray
    caveats: FloatArray
    engaged: FloatArray
    told: FloatArray
    right: FloatArray

    def where(self, values: FloatArray) -> tuple[FloatArray, list[str]]:
        known = np.isfinite(values)
        return values[known], [c for c, k in zip(self.clusters, known, strict=True) if k]


def section(run: RunTables) -> TonePart | None:
    """The part of one run; ``None`` where the check did not run or no arm answered two prompts."""
    rater = next((r for r in run.raters if r.id == wording.TONE), None)
    if rater is None:
        return None
    table = {
        (row.rater, row.question, row.responses[0]): row
        for row in run.ratings
        if row.rater in (wording.TONE, wording.FACTS)
    }
    known, truth = _truth(run, table)
    names = run.plan.names
    rows: dict[str, list[tuple[str, Response]]] = defaultdict(list)
    for probe, response in wording.asked(run.suite, run.responses):
        if response.arm in names and (wording.TONE, wording.ASSERTIVENESS, response.response) in table:
            rows[names[response.arm]].append((probe.cluster, response))
    said = {
        arm.name: _said(rows[arm.name], table, known)
        for arm in run.plan.arms
        if len({cluster for cluster, _ in rows[arm.name]}) > 1
    }
    if not said:
        return None
    first = next(iter(said))
    return TonePart(
        phrases_digest=rater.fingerprint,
        arms=tuple(_arm(name, answers) for name, answers in said.items()),
        differences=tuple(
            _difference(name, answers, first, said[first]) for name, answers in said.items() if name != first
        ),
        truth=truth,
    )


def _truth(
    run: RunTables, table: Mapping[tuple[str, str, str], Rating]
) -> tuple[dict[str, float], str | None]:
    """Response -> 1 right or 0 wrong, and from where: world truth, else the facts of the reference."""
    clauses = {clause.id for clause in run.spec.clauses if TRUTH_TAGS & set(clause.tags)}
    world = {rater.id for rater in run.raters if rater.kind is RaterKind.WORLD}
    known = {
        row.responses[0]: 1.0 - row.value
        for row in run.ratings
        if row.rater in world and row.clause in clauses and row.value is not None
    }
    if known:
        return known, f"world truth on {', '.join(sorted(clauses))}"
    told = {
        response: float((row.value or 0.0) >= _RIGHT)
        for (_, question, response), row in table.items()
        if question == wording.TOLD
    }
    return told, ("half of the reference's facts told" if told else None)


def _said(
    rows: Sequence[tuple[str, Response]],
    table: Mapping[tuple[str, str, str], Rating],
    known: Mapping[str, float],
) -> _Said:
    def values(rater: str, question: str) -> FloatArray:
        found = [table.get((rater, question, response.response)) for _, response in rows]
        return np.array([np.nan if row is None or row.value is None else row.value for row in found])

    words = [
        json.loads(table[wording.TONE, wording.ASSERTIVENESS, response.response].raw)["words"]
        for _, response in rows
    ]
    return _Said(
        keys=tuple((response.stimulus, response.epoch) for _, response in rows),
        clusters=tuple(cluster for cluster, _ in rows),
        words=np.array(words, dtype=np.float64),
        sure=values(wording.TONE, wording.ASSERTIVENESS),
        caveats=values(wording.TONE, wording.CAVEATS),
        engaged=values(wording.FACTS, wording.ENGAGED),
        told=values(wording.FACTS, wording.TOLD),
        right=np.array([known.get(response.response, np.nan) for _, response in rows]),
    )


def _arm(name: str, said: _Said) -> ArmTonePart:
    by_prompt: dict[str, list[float]] = defaultdict(list)
    for cluster, words in zip(said.clusters, said.words.tolist(), strict=True):
        by_prompt[cluster].append(words)
    lengths = [float(np.mean(row)) for row in by_prompt.values()]
    asked = bool(np.isfinite(said.engaged).any())
    judged = bool(np.isfinite(said.right).any())
    return ArmTonePart(
        arm=name,
        answers=len(said.words),
        prompts=len(by_prompt),
        words=bare(_quantile(lengths, 0.5)),
        words_low=bare(_quantile(lengths, 0.1)),
        words_high=bare(_quantile(lengths, 0.9)),
        assertiveness=bare(_mean(*said.where(said.sure))),
        caveats=bare(_mean(*said.where(said.caveats))),
        caveated=bare(share((said.caveats > 0).astype(np.float64), said.clusters)),
        engaged=share(*said.where(said.engaged)) if asked else None,
        facts=_shares(*said.where(said.told)) if asked else None,
        right=share(*said.where(said.right)) if judged else None,
        slope=_slope(said) if judged else None,
    )


def _difference(name: str, one: _Said, first: str, two: _Said) -> ToneDifferencePart:
    place = {key: at for at, key in enumerate(two.keys)}
    pairs = [(at, place[key]) for at, key in enumerate(one.keys) if key in place]
    mine, other = np.array([a for a, _ in pairs], dtype=int), np.array([b for _, b in pairs], dtype=int)
    clusters = [one.clusters[at] for at in mine]

    def gap(of: Callable[[_Said], FloatArray]) -> Estimate:
        values = of(one)[mine] - of(two)[other]
        known = np.isfinite(values)
        return _mean(values[known], [c for c, k in zip(clusters, known, strict=True) if k])

    ratio = gap(lambda said: np.log1p(said.words))
    judged = bool(np.isfinite(one.right).any() and np.isfinite(two.right).any())
    return ToneDifferencePart(
        arm=name,
        reference=first,
        prompts=len(set(clusters)),
        length=Estimate(
            value=_exp(ratio.value),
            low=_exp(ratio.low),
            high=_exp(ratio.high),
            undefined=ratio.undefined,
        ),
        assertiveness=bare(gap(lambda said: said.sure)),
        caveats=bare(gap(lambda said: said.caveats)),
        assertiveness_given_truth=_given_truth(one, two) if judged else None,
    )


def _slope(said: _Said) -> Estimate:
    """Assertiveness of right minus wrong answers: least squares on correctness, clusters robust."""
    known = np.isfinite(said.right) & np.isfinite(said.sure)
    clusters = [c for c, k in zip(said.clusters, known, strict=True) if k]
    right = said.right[known]
    return _term(said.sure[known], {"right": right}, "right", clusters, right)


def _given_truth(one: _Said, two: _Said) -> Estimate:
    """The arm's effect on assertiveness with correctness held fixed."""
    sure = np.concatenate([one.sure, two.sure])
    right = np.concatenate([one.right, two.right])
    arm = np.concatenate([np.ones(len(one.sure)), np.zeros(len(two.sure))])
    known = np.isfinite(sure) & np.isfinite(right)
    clusters = [c for c, k in zip((*one.clusters, *two.clusters), known, strict=True) if k]
    return _term(sure[known], {"arm": arm[known], "right": right[known]}, "arm", clusters, right[known])


def _term(
    outcome: FloatArray, columns: Mapping[str, FloatArray], name: str, clusters: list[str], right: FloatArray
) -> Estimate:
    of = np.array(clusters)
    fewest = min(len(set(of[right == 1].tolist())), len(set(of[right == 0].tolist())))
    if fewest < _FEWEST:
        reason = f"{fewest} prompts with right or with wrong answers, {_FEWEST} are needed"
        return Estimate(n=len(outcome), value=None, undefined=reason)
    try:
        fit = least_squares(outcome, {"level": np.ones(len(outcome)), **columns}, clusters)
        term = fit.term(name)
    except StatisticsError as error:
        return Estimate(n=len(outcome), value=None, undefined=str(error))
    return Estimate(n=fit.n, value=term.value, low=term.low, high=term.high)


def _quantile(values: Sequence[float], share: float) -> Estimate:
    value, interval = quantile(values, share)
    if interval is None:
        return Estimate(n=len(values), value=value, undefined="too few prompts for an interval")
    return Estimate(n=len(values), value=value, low=interval.low, high=interval.high)


def _mean(values: FloatArray, clusters: Sequence[str]) -> Estimate:
    if len(values) and not values.any():
        return Estimate(n=len(values), value=0.0, undefined="0 throughout")
    return mean(values, clusters, nothing="nothing to average")


def _shares(values: FloatArray, clusters: Sequence[str]) -> Estimate:
    if not len(values):
        return Estimate(n=0, value=None, undefined="no answer takes its question up")
    told = mean_share(values, clusters)
    return Estimate(n=len(values), value=told.value, low=told.low, high=told.high, undefined=told.undefined)


def _exp(value: float | None) -> float | None:
    return None if value is None else float(np.exp(value))


# --- how it is shown ------------------------------------------------------------------------------


def show(part: TonePart) -> Shown:
    """Claims and tables of the suite."""
    notes = [
        "Assertiveness: sentences with a word of certainty minus sentences with a hedge, over all "
        "sentences; 0 is the plain statement. Caveats are counted apart. The phrases are English "
        "(scorers/lexicons/tone.yaml).",
        "Quantiles of length are over prompts, with intervals from order statistics; ratios of length are "
        "geometric means over prompts that both arms answered.",
    ]
    if part.truth:
        notes.append(
            f"An answer counts as right by {part.truth}. The slope is the assertiveness of right answers "
            "minus that of wrong ones: near 0 the arm sounds as sure when it is wrong."
        )
    if any(arm.facts for arm in part.arms):
        notes.append(
            "Facts are counted in answers that take the question up; an evasive answer has no share of "
            "facts, and not the share zero."
        )
    return Shown(
        id="tone",
        title="Tone",
        claims=tuple(_claims(part)),
        tables=tuple(_tables(part)),
        notes=tuple(notes),
    )


def _claims(part: TonePart) -> Iterable[str]:
    ordered = sorted(part.arms, key=lambda arm: -(arm.words.value or 0.0))
    longest = ordered[0]
    yield f"The longest answers are those of {longest.arm}: a median of {_number(longest.words, 0)} words."
    reference = part.differences[0].reference if part.differences else ""
    for name, more, less in (
        ("length", "longer answers", "shorter answers"),
        ("assertiveness_given_truth", "surer, right or wrong", "less sure, right or wrong"),
        ("caveats", "more caveats", "fewer caveats"),
    ):
        neutral = 1.0 if name == "length" else 0.0
        above, below, _ = sides({row.arm: getattr(row, name) for row in part.differences}, neutral)
        said = [f"{word}: {', '.join(arms)}" for word, arms in ((more, above), (less, below)) if arms]
        if said:
            yield f"Against {reference}, paired by prompt, {'; '.join(said)}."
    for arm in part.arms:
        if arm.slope is not None and arm.slope.low is not None and arm.slope.high is not None:
            if arm.slope.low <= 0 <= arm.slope.high:
                yield (
                    f"{arm.arm}: how sure an answer sounds does not measurably depend on whether it is "
                    f"right ({_number(arm.slope, 3)})."
                )
            else:
                how = "surer" if arm.slope.low > 0 else "less sure"
                yield f"{arm.arm} sounds {how} when it is right ({_number(arm.slope, 3)})."


def _tables(part: TonePart) -> Iterable[Table]:
    yield Table(
        "arms",
        "How answers sound",
        (
            Column("Arm"),
            Column("Answers"),
            Column("Words, median", plot=True),
            Column("Words, 10 %"),
            Column("Words, 90 %"),
            Column("Assertiveness", "coefficient"),
            Column("Caveats in an answer", "coefficient"),
            Column("Answers with a caveat", "share", plot=True),
        ),
        tuple(
            (a.arm, a.answers, a.words, a.words_low, a.words_high, a.assertiveness, a.caveats, a.caveated)
            for a in part.arms
        ),
    )
    if any(arm.engaged or arm.right for arm in part.arms):
        yield Table(
            "facts",
            "Questions with a known answer",
            (
                Column("Arm"),
                Column("Takes the question up", "share", plot=True),
                Column("Facts told, where it does", "share", plot=True),
                Column("Right", "share"),
                Column("Assertiveness, right minus wrong", "coefficient"),
            ),
            tuple((a.arm, a.engaged, a.facts, a.right, a.slope) for a in part.arms),
        )
    if part.differences:
        yield Table(
            "differences",
            f"Difference to {part.differences[0].reference}, paired by prompt",
            (
                Column("Arm"),
                Column("Prompts"),
                Column("Words, ratio", "coefficient", plot=True),
                Column("Assertiveness", "coefficient"),
                Column("The same, given correctness", "coefficient"),
                Column("Caveats in an answer", "coefficient"),
            ),
            tuple(
                (d.arm, d.prompts, d.length, d.assertiveness, d.assertiveness_given_truth, d.caveats)
                for d in part.differences
            ),
        )


def _number(of: Estimate, digits: int) -> str:
    if of.value is None:
        return "unknown"
    if of.low is None or of.high is None:
        return f"{of.value:.{digits}f}, no interval: {of.undefined}"
    return f"{of.value:.{digits}f} ({of.low:.{digits}f} to {of.high:.{digits}f})"
