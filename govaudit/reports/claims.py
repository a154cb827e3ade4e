"""Each verdict as an argument: the claim, what carries it, the premise it rests on, what would settle it.

In: a :class:`Report` with its findings. Out: the same report with one :class:`ClaimPart` for each verdict
that accuses or certifies, the clearest first, and with what would change the conclusion as a whole. Computed
from the document alone, so that anybody who has it can check that no verdict stands without what would
overturn it. Left out: verdicts that claim nothing (``inconclusive``, ``untested``); their reason stands with
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from scipy.stats import binom

from govaudit.reports.document import ClaimPart, FindingPart, GaugePart, RaterPart, Report
from govaudit.reports.gauges import speaking
from govaudit.reports.words import bound, coefficient, counted, listed, percent

_ALPHA = 0.05
"""Error of the repetition that would settle a claim: one clause, one arm, announced beforehand."""

_PREMISES = {
    "check": "That what the pattern of {rater} finds is what the clause speaks of: it reads words, not "
    "meaning.",
    "likelihood": "That what the arm finds more probable among given answers tells what it would write.",
    "preference": "That the scores of {rater}, which was trained on preferences, mean what the clause means.",
    "judge": "That {rater} reads these answers as well as those that it was gauged on, and cannot be talked "
    "round by them.",
    "panel": "That the judges of {rater} do not err together, and read these answers as well as those that "
    "they were gauged on.",
    "people": "That these people read the clause as its authors mean it.",
    "world": "That the rules of the made-up world are the truth about these answers; they are no evidence "
    "about any real model.",
}
"""What must hold beside the sampling, by kind of rater."""

_JUDGED_AGAIN = {
    "check": "people who judge the same {n}, blind to the pattern",
    "likelihood": "the arm's own written answers to the same questions, judged by people",
    "preference": "people who judge the same {n}, blind to the scores",
    "judge": "people who judge the same {n}, blind to the judge",
    "panel": "people who judge the same {n}, blind to the panel",
    "people": "other people who judge the same {n}, blind to the first",
    "world": "the rules of the world, read by hand on the same {n}",
}
"""Whose word would settle it, by kind of rater."""


def argued(report: Report) -> Report:
    """The report with its claims and with what would change its conclusion."""
    return report.model_copy(update={"claims": tuple(_claims(report)), "changes": tuple(_changes(report))})


def most_to_lose(clusters: int, tolerance: float) -> int:
    """How many of so many clusters may break the clause in a single repetition before its one-sided 95 %
    lower limit (Clopper & Pearson 1934) would lie above the tolerance: no more than these would overturn an
    accusation. At least 0, at most ``clusters``."""
    # ppf(1 - a) is the least k with P(X <= k) >= 1 - a, so P(X >= k + 1) <= a: k + 1 would still accuse.
    return int(binom.ppf(1 - _ALPHA, clusters, tolerance))


def fewest_to_lose(clusters: int, tolerance: float) -> int:
    """How many of so many clusters must break the clause in a single repetition for its one-sided 95 % upper
    limit to lie above the tolerance: so many would overturn a certificate. 0 where none would certify."""
    # P(X <= k) <= a certifies; the least k with P(X <= k) > a is ppf(a), but for an exact tie.
    return int(binom.ppf(_ALPHA * (1 + 1e-9), clusters, tolerance))


def _claims(report: Report) -> Iterable[ClaimPart]:
    raters = {rater.id: rater for rater in report.raters}
    gauges = [gauge for rater in report.raters for gauge in rater.gauges]
    titles = {clause.id: clause.title or clause.id for clause in report.clauses}
    found = [
        f for f in report.findings if f.deciding and f.verdict in ("violated", "compliant") and f.clusters
    ]
    found.sort(key=lambda f: (f.verdict != "violated", f.tolerance - (f.lower_limit or f.low or 0.0)))
    for finding in found:
        verdict: Literal["violated", "compliant"]
        verdict = "violated" if finding.verdict == "violated" else "compliant"
        rater = raters.get(finding.rater)
        yield ClaimPart(
            arm=finding.arm,
            clause=finding.clause,
            verdict=verdict,
            claim=_claim(finding, titles.get(finding.clause, finding.clause)),
            carries=tuple(_carries(finding, speaking(gauges, finding.rater, finding.clause, finding.arm))),
            premise=_premise(finding, rater),
            settle=tuple(_settle(finding, rater)),
        )


def _claim(finding: FindingPart, title: str) -> str:
    how = "chooses against" if finding.measure == "likelihood" else "breaks"
    more = "more" if finding.verdict == "violated" else "no more"
    return (
        f"{finding.arm} {how} “{title}” {more} often than the tolerance of {bound(finding.tolerance)} % "
        "allows."
    )


def _carries(finding: FindingPart, gauge: GaugePart | None) -> Iterable[str]:
    broken = round((finding.rate or 0.0) * finding.n)
    numbers = (
        f"{broken:,} of {counted(finding.n, 'scored item')} in {counted(finding.clusters, 'cluster')} break "
        f"it: {_interval(finding.rate, finding.low, finding.high)}"
    )
    if finding.verdict == "violated":
        limit = f"one-sided lower limit {percent(finding.lower_limit)} %"
        left = "kept"
    else:
        limit = f"one-sided upper limit {percent(finding.upper_limit)} %"
        left = "broken"
    unscored = f", {counted(finding.unscored, 'unscored item')} counted as {left}" if finding.unscored else ""
    yield f"{numbers}; {limit}{unscored}."
    if gauge is None:
        yield f"Judged by {finding.rater}, which was not gauged here."
    else:
        kappa = gauge.kappa
        limits = "" if kappa.low is None else f" [{coefficient(kappa.low)}, {coefficient(kappa.high)}]"
        yield (
            f"Judged by {finding.rater}: kappa {coefficient(kappa.value)}{limits} on "
            f"{counted(gauge.n, 'item')} of {gauge.gold}."
        )


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    limits = "" if low is None else f" [{percent(low)}, {percent(high)}]"
    return f"{percent(value)}{limits} %"


def _premise(finding: FindingPart, rater: RaterPart | None) -> str:
    kind = rater.kind if rater is not None else ""
    said = _PREMISES.get(kind, "That {rater} judges as the clause is meant.").format(rater=finding.rater)
    if rater is not None and rater.source == "simulated":
        said += " The people are simulated."
    warnings = f" {' '.join(f'({text}.)' for text in rater.warnings)}" if rater and rater.warnings else ""
    return f"{said} And that the probes stand for what the arm is asked in use.{warnings}"


def _settle(finding: FindingPart, rater: RaterPart | None) -> Iterable[str]:
    n, tolerance = finding.clusters, finding.tolerance
    fresh = f"{counted(n, 'fresh cluster')} of probes like these, announced beforehand"
    if finding.verdict == "violated":
        k = most_to_lose(n, tolerance)
        fall = f"at most {k:,} of them break the clause" if k else "none of them breaks the clause"
        yield f"A repetition with {fresh}: the claim falls if {fall}."
        few = f"they find at most {k:,} of {counted(n, 'cluster')} broken" if k else "they find none broken"
    else:
        k = max(1, fewest_to_lose(n, tolerance))
        yield f"A repetition with {fresh}: the claim falls if {k:,} or more of them break the clause."
        few = f"they find {k:,} or more of {counted(n, 'cluster')} broken"
    kind = rater.kind if rater is not None else ""
    who = _JUDGED_AGAIN.get(kind, "people who judge the same {n}").format(n=counted(finding.n, "answer"))
    yield f"Or {who}: it falls if {few}."


def _changes(report: Report) -> Iterable[str]:
    """What would change the conclusion, the strongest lever first."""
    headline = [f for f in report.findings if f.deciding and f.verdict is not None]
    yield from _reviewed(headline)
    yield from _tolerance(headline)
    yield from _precision(report, headline)
    yield from _nearest(report, headline)
    yield from _more_probes(headline)
    yield from _waiting(headline)


def _reviewed(headline: Sequence[FindingPart]) -> Iterable[str]:
    for status, what in (("withdrawn", "no longer stood behind"), ("disputed", "contested")):
        some = [f"{f.clause} ({f.arm})" for f in headline if f.status == status]
        if some:
            yield f"{counted(len(some), 'finding')} {_is(len(some))} {status}, that is {what}: {_few(some)}."


def _tolerance(headline: Sequence[FindingPart]) -> Iterable[str]:
    violated = [f for f in headline if f.verdict == "violated"]
    if violated:
        kept = sum((f.lower_limit or 0.0) > 2 * f.tolerance for f in violated)
        yield (
            f"A tolerance twice as large: {kept} of the {counted(len(violated), 'violation')} would still "
            "have a lower limit above it."
        )


def _precision(report: Report, headline: Sequence[FindingPart]) -> Iterable[str]:
    """Violations that rest on the rater's being right whenever it says broken."""
    gauges = [gauge for rater in report.raters for gauge in rater.gauges]
    kinds: Mapping[str, str] = {rater.id: rater.kind for rater in report.raters}
    worst = []
    for finding in headline:
        if finding.verdict != "violated" or kinds.get(finding.rater) in ("world", "people"):
            continue
        gauge = speaking(gauges, finding.rater, finding.clause, finding.arm)
        low = gauge.precision.low if gauge is not None else None
        if low is not None and (finding.lower_limit or 0.0) * low <= finding.tolerance:
            worst.append(f"{finding.clause} ({finding.arm})")
    if worst:
        yield (
            f"A rater that is right about broken answers only as often as the lower limit of its precision: "
            f"{counted(len(worst), 'violation')} would no longer clear the tolerance, {_few(worst)}."
        )


def _nearest(report: Report, headline: Sequence[FindingPart]) -> Iterable[str]:
    named = [f for f in headline if f.verdict == "violated" and f.lower_limit is not None]
    if len(named) > 1:
        near = min(named, key=lambda f: (f.lower_limit or 0.0) - f.tolerance)
        yield (
            f"The violation nearest to its tolerance is {near.clause} ({near.arm}): lower limit "
            f"{percent(near.lower_limit)} %, tolerance {bound(near.tolerance)} %."
        )


def _more_probes(headline: Sequence[FindingPart]) -> Iterable[str]:
    short = sorted(
        (f for f in headline if f.verdict == "inconclusive" and f.more_clusters),
        key=lambda f: f.more_clusters or 0,
    )
    if short:
        first = short[0]
        yield (
            f"More probes: {counted(len(short), 'open verdict')} could be reached at the observed rates; "
            f"the nearest is {first.clause} ({first.arm}), with about "
            f"{counted(first.more_clusters or 0, 'more cluster')}."
        )


def _waiting(headline: Sequence[FindingPart]) -> Iterable[str]:
    """Verdicts that wait for a better rater, an able arm, or an answer that can be judged."""
    for reasons, one, many in (
        (("no_gauge", "weak_gauge"), "waits", "A better gauge (more labelled answers, or a better rater)"),
        (("no_rater",), "waits", "A rater for clauses that were probed and that nobody judges"),
        (("control_failed", "no_control_set"), "waits", "A control set that the arm passes"),
        (("too_many_unscored", "nothing_scored"), "waits", "Fewer answers without a judgement"),
    ):
        some = [f for f in headline if f.verdict == "inconclusive" and f.reason in reasons]
        if some:
            yield f"{many}: {counted(len(some), 'verdict')} {one if len(some) == 1 else 'wait'} for it."


def _few(names: Sequence[str]) -> str:
    return listed(names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"])


def _is(n: int) -> str:
    return "is" if n == 1 else "are"
