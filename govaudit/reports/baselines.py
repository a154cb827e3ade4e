"""Baselines and ablations in the report: what training did beyond a system text, and which principles did it.

In: spec, suite, plan, responses and ratings of one run, and the part on wording. Out: a part of the document,
and how it is shown. Arms are told apart by what the manifest says of them: their system text, their
revisions, and the recipe that a trained checkpoint carries; of an arm whose recipe nobody wrote the request
can say it. Rates are those of the rater that decides a clause, on the answers that both arms gave to the same
stimulus.

"Training was needed" is said only where the interval of the gap to every prompted baseline of that model
excludes 0. Null results stand there like any other.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from govaudit.errors import StatisticsError
from govaudit.evals.catalog import tested
from govaudit.models.lineage import is_model
from govaudit.records import Measure
from govaudit.reports.boilerplate import BoilerplatePart
from govaudit.reports.estimates import share
from govaudit.reports.manifest import Plan, PlannedArm
from govaudit.reports.part import Estimate, Part
from govaudit.reports.run_tables import RunTables
from govaudit.reports.shown import Column, Plane, Point, Shown, Table
from govaudit.specs.model import Spec
from govaudit.stats.equivalence import dominance, equivalence, slope
from govaudit.stats.intervals import paired_rate_difference

Form = Literal["plain", "prompted", "revised", "trained"]
ALL = "all clauses"
_Z95 = 1.959963984540054
_Key = tuple[str, str, int]
"""Clause, stimulus, epoch."""


class ArmBaselinePart(Part):
    """What an arm is among its kind."""

    arm: str
    form: Form
    model: str
    """The plain arm of the same model, or the one that it was trained from."""
    recipe: str = ""
    aims: tuple[str, ...] = ()
    """Clauses that its principles or its system text are about."""
    principles: int | None = None
    """How many principles it was trained under, or clauses its system text says."""
    rates: dict[str, Estimate]
    """Share of answers that break a clause, by clause, and over all of them."""


class GapPart(Part):
    """An arm against one that it is to be held against, on the same answers."""

    arm: str
    baseline: str
    baseline_form: Form
    clause: str
    """A clause, or all of them together."""
    pairs: int
    unpaired: int
    """Answers of which one of the two has no judgement."""
    gap: Estimate
    """Rate of the baseline minus that of the arm: above 0, the arm breaks less."""


class NeedPart(Part):
    """Whether training did more than a system text."""

    arm: str
    reading: Literal["needed", "not shown", "worse", "no baseline"]
    baselines: tuple[str, ...] = ()
    """Prompted arms that the gap was taken to."""
    fewer: tuple[str, ...] = ()
    """Clauses that it breaks less often than every one of them, intervals adjusted for the number of
    clauses."""
    more: tuple[str, ...] = ()
    """Clauses that it breaks more often than at least one of them, adjusted alike."""


class ContentPart(Part):
    """Ablations by content: do arms change what their principles are about?"""

    form: Form
    model: str
    arms: tuple[str, ...]
    statistic: float | None
    """Mean effect on aimed-at clauses minus mean effect on the others."""
    p: float | None
    least_p: float | None
    undefined: str | None = None


class CountPart(Part):
    """Ablations by number of principles, each adding to the one before."""

    form: Form
    model: str
    arms: tuple[str, ...]
    counts: tuple[int, ...]
    margin: float
    differences: tuple[Estimate, ...]
    """Of each arm but the last: its rate over all clauses minus that of the last, 90 % interval."""
    equivalent: tuple[bool, ...]
    diversity: tuple[Estimate, ...] = ()
    """Different word sequences over all, on equal amounts of text."""
    slope: Estimate | None = None
    """Change of that diversity with each doubling of the number."""


class BaselinesPart(Part):
    """Trained, prompted and ablated arms."""

    arms: tuple[ArmBaselinePart, ...]
    gaps: tuple[GapPart, ...]
    needs: tuple[NeedPart, ...]
    content: tuple[ContentPart, ...] = ()
    counts: tuple[CountPart, ...] = ()


@dataclass(frozen=True)
class _Arm:
    """An arm with its place and its judged answers."""

    planned: PlannedArm
    form: Form
    model: str
    recipe: str
    aims: frozenset[str]
    principles: int | None
    values: Mapping[_Key, tuple[float, str]] = field(repr=False)
    """Broken or kept, and the cluster."""

    @property
    def name(self) -> str:
        return self.planned.name


def section(run: RunTables, wording: BoilerplatePart | None = None) -> BaselinesPart | None:
    """The part of one run; ``None`` where no arm is the baseline of another."""
    arms = _placed(run.spec, run.plan, _values(run))
    groups: dict[str, list[_Arm]] = defaultdict(list)
    for arm in arms:
        groups[arm.model].append(arm)
    arms = [arm for mine in groups.values() if len(mine) > 1 for arm in mine]
    if not arms:
        return None
    clauses = [
        clause.id for clause in run.spec.clauses if any(key[0] == clause.id for a in arms for key in a.values)
    ]
    asked = run.plan.request.get("baselines") or {}
    margin = float(asked.get("margin", 0.05))
    gaps = tuple(gap for mine in groups.values() for gap in _gaps(mine, clauses))
    return BaselinesPart(
        arms=tuple(_arm_part(arm, clauses) for arm in arms),
        gaps=gaps,
        needs=tuple(_need(arm, groups[arm.model], gaps, clauses) for arm in arms if arm.form == "trained"),
        content=tuple(found for mine in groups.values() for found in _content(mine, clauses)),
        counts=tuple(found for mine in groups.values() for found in _counts(mine, margin, wording)),
    )


def _values(run: RunTables) -> dict[str, dict[_Key, tuple[float, str]]]:
    """Arm -> its judged answers, by the rater that decides the clause, generation alone."""
    names = run.plan.names
    said = {row.response: row for row in run.responses if row.arm in names}
    found: dict[str, dict[_Key, tuple[float, str]]] = defaultdict(dict)
    for row in run.ratings:
        decider = run.plan.deciding.get(row.clause or "")
        if decider is None or row.value is None or row.rater != decider.rater or len(row.responses) != 1:
            continue
        response = said.get(row.responses[0])
        if decider.measure is Measure.GENERATION and response is not None and row.clause is not None:
            key = (row.clause, response.stimulus, response.epoch)
            found[names[response.arm]].setdefault(key, (row.value, row.cluster))
    return found


def _placed(spec: Spec, plan: Plan, values: Mapping[str, Mapping[_Key, tuple[float, str]]]) -> list[_Arm]:
    """Every arm that has a place: plain ones, those with a system text or trained from one of them."""
    stated = (plan.request.get("baselines") or {}).get("trained") or {}
    plain = [arm for arm in plan.arms if not arm.system_digest and not arm.lineage and arm.name not in stated]
    placed = []
    for arm in plan.arms:
        mine = values.get(arm.name, {})
        told = tuple(arm.settings.get("constitution") or ())
        if arm in plain:
            placed.append(_Arm(arm, "plain", arm.name, "", frozenset(), None, mine))
        elif arm.system_digest:
            base = next((other for other in plain if _same_model(other, arm)), None)
            if base is not None:
                form: Form = "revised" if arm.settings.get("revise") else "prompted"
                aims, count = frozenset(told), len(told) or None
                placed.append(_Arm(arm, form, base.name, "", aims, count, mine))
        else:
            found = _trained(spec, arm, plain, stated.get(arm.name) or {})
            if found is not None:
                model, recipe, aims, count = found
                placed.append(_Arm(arm, "trained", model, recipe, aims, count, mine))
    return placed


def _same_model(one: PlannedArm, other: PlannedArm) -> bool:
    heat = one.settings.get("temperature") == other.settings.get("temperature")
    return heat and one.fingerprint == other.fingerprint


def _trained(
    spec: Spec, arm: PlannedArm, plain: Sequence[PlannedArm], stated: Mapping[str, object]
) -> tuple[str, str, frozenset[str], int | None] | None:
    """Model, recipe, clauses that it aims at and number of principles; ``None`` where the model is no arm."""
    made = arm.lineage
    base = next((other for other in plain if is_model(made.get("base") or {}, other.fingerprint)), None)
    name = str(stated.get("base") or "") or (base.name if base else "")
    if name not in {other.name for other in plain}:
        return None
    sets = made.get("constitution") or {}
    ids = {principle for own in sets.values() for principle in own}
    known = {clause.id for clause in tested(spec)}
    aims = frozenset(spec.legible[one] for one in ids if one in spec.legible) | (ids & known)
    if about := stated.get("about"):
        wanted = {str(tag) for tag in about} if isinstance(about, list | tuple) else {str(about)}
        aims = frozenset(clause.id for clause in tested(spec) if wanted & {clause.id, *clause.tags})
    count = max((len(own) for own in sets.values()), default=0) or None
    given = stated.get("count")
    said = ", ".join(filter(None, (str(made.get("recipe") or ""), str(made.get("instruction") or ""))))
    # A preference of people has no principles, whatever its recipe file says of the spec.
    if made.get("instruction"):
        aims, count = frozenset(), None
    return name, said, aims, int(str(given)) if given is not None else count


def _arm_part(arm: _Arm, clauses: Sequence[str]) -> ArmBaselinePart:
    rates = {}
    for clause in (*clauses, ALL):
        rows = [row for key, row in arm.values.items() if clause in (key[0], ALL)]
        rates[clause] = share([value for value, _ in rows], [cluster for _, cluster in rows])
    return ArmBaselinePart(
        arm=arm.name,
        form=arm.form,
        model=arm.model,
        recipe=arm.recipe,
        aims=tuple(clause for clause in clauses if clause in arm.aims),
        principles=arm.principles,
        rates=rates,
    )


# --- gaps ---------------------------------------------------------------------------------------------------

_HELD_AGAINST: Mapping[Form, tuple[Form, ...]] = {
    "plain": (),
    "prompted": ("plain",),
    "revised": ("plain", "prompted"),
    "trained": ("plain", "prompted", "revised"),
}


def _gaps(mine: Sequence[_Arm], clauses: Sequence[str]) -> Iterable[GapPart]:
    """Each arm against those of its model that did less. Parts of a constitution are nobody's baseline."""
    whole = max((len(arm.aims) for arm in mine if arm.form in ("prompted", "revised")), default=0)
    for arm in mine:
        for other in mine:
            part = other.form in ("prompted", "revised") and 0 < len(other.aims) < whole
            if other.form not in _HELD_AGAINST[arm.form] or part:
                continue
            for clause in (*clauses, ALL):
                yield _gap(arm, other, clause)


def _paired(arm: _Arm, other: _Arm, clause: str) -> tuple[list[float], list[float], list[str], int]:
    """Values of both on the answers that both have, clusters, and how many only one has."""
    one = {key: row for key, row in arm.values.items() if clause in (key[0], ALL)}
    two = {key: row for key, row in other.values.items() if clause in (key[0], ALL)}
    both = [key for key in one if key in two]
    return (
        [one[key][0] for key in both],
        [two[key][0] for key in both],
        [one[key][1] for key in both],
        len(one.keys() ^ two.keys()),
    )


def _gap(arm: _Arm, other: _Arm, clause: str) -> GapPart:
    first, second, clusters, unpaired = _paired(arm, other, clause)
    if first:
        found = paired_rate_difference(second, first, clusters)
        gap = Estimate(value=found.value, low=found.low, high=found.high)
    else:
        gap = Estimate(value=None, undefined="no answer is judged in both arms")
    return GapPart(
        arm=arm.name,
        baseline=other.name,
        baseline_form=other.form,
        clause=clause,
        pairs=len(first),
        unpaired=unpaired,
        gap=gap,
    )


def _need(arm: _Arm, others: Sequence[_Arm], gaps: Iterable[GapPart], clauses: Sequence[str]) -> NeedPart:
    """Needed only where every prompted baseline is beaten beyond its interval."""
    mine = [
        row
        for row in gaps
        if row.arm == arm.name and row.clause == ALL and row.baseline_form in ("prompted", "revised")
    ]
    names = tuple(row.baseline for row in mine)
    known = [(row.gap.low, row.gap.high) for row in mine if row.gap.low is not None]
    if not mine or len(known) < len(mine):
        return NeedPart(arm=arm.name, reading="no baseline", baselines=names)
    better = all(low is not None and low > 0 for low, _ in known)
    worse = any(high is not None and high < 0 for _, high in known)
    fewer, more = [], []
    for clause in clauses:
        ends = [_adjusted(arm, other, clause, len(clauses)) for other in others if other.name in names]
        if all(low > 0 for low, _ in ends):
            fewer.append(clause)
        elif any(high < 0 for _, high in ends):
            more.append(clause)
    return NeedPart(
        arm=arm.name,
        reading="needed" if better else "worse" if worse else "not shown",
        baselines=names,
        fewer=tuple(fewer),
        more=tuple(more),
    )


def _adjusted(arm: _Arm, other: _Arm, clause: str, clauses: int) -> tuple[float, float]:
    """Ends of the gap on one of so many clauses (Bonferroni); everything is possible where nothing is
    paired."""
    first, second, clusters, _ = _paired(arm, other, clause)
    if not first:
        return -1.0, 1.0
    found = paired_rate_difference(second, first, clusters, 1 - 0.05 / clauses)
    return found.low, found.high


# --- ablations ----------------------------------------------------------------------------------------------


def _content(mine: Sequence[_Arm], clauses: Sequence[str]) -> Iterable[ContentPart]:
    """Arms of one form that aim at different clauses, each against the plain arm."""
    base = next((arm for arm in mine if arm.form == "plain"), None)
    forms: tuple[Form, ...] = ("prompted", "trained")
    for form in forms:
        part = [arm for arm in mine if arm.form == form and 0 < len(arm.aims & set(clauses)) < len(clauses)]
        # An arm whose aims hold another's adds to it: that is an ablation by count.
        arms = [arm for arm in part if not any(other.aims < arm.aims for other in part)]
        if base is None or len({arm.aims for arm in arms}) < 2:
            continue
        effects = [[_effect(arm, base, clause) for clause in clauses] for arm in arms]
        aims = [[clause in arm.aims for clause in clauses] for arm in arms]
        statistic = p = least = undefined = None
        try:
            if any(math.isnan(effect) for row in effects for effect in row):
                raise StatisticsError("a clause has no answer that is judged in both arms")
            found = dominance(effects, aims)
            statistic, p, least = found.value, found.p, found.least_p
        except StatisticsError as error:
            undefined = str(error)
        yield ContentPart(
            form=form,
            model=base.name,
            arms=tuple(arm.name for arm in arms),
            statistic=statistic,
            p=p,
            least_p=least,
            undefined=undefined,
        )


def _effect(arm: _Arm, base: _Arm, clause: str) -> float:
    first, second, _, _ = _paired(arm, base, clause)
    return sum(second) / len(second) - sum(first) / len(first) if first else math.nan


def _counts(mine: Sequence[_Arm], margin: float, wording: BoilerplatePart | None) -> Iterable[CountPart]:
    """Arms of one form whose principles add to each other, the most of them last."""
    forms: tuple[Form, ...] = ("prompted", "trained")
    for form in forms:
        chain = _nested([arm for arm in mine if arm.form == form and arm.principles])
        if len(chain) < 2:
            continue
        tests = []
        for arm in chain[:-1]:
            first, second, clusters, _ = _paired(arm, chain[-1], ALL)
            tests.append(equivalence(first, second, clusters, margin) if first else None)
        distinct = {row.arm: row.distinct for row in wording.arms} if wording else {}
        diversity = [distinct[arm.name] for arm in chain if arm.name in distinct]
        counts = [arm.principles or 0 for arm in chain]
        yield CountPart(
            form=form,
            model=mine[0].model,
            arms=tuple(arm.name for arm in chain),
            counts=tuple(counts),
            margin=margin,
            differences=tuple(
                Estimate(value=None, undefined="no answer is judged in both arms")
                if test is None
                else Estimate(value=test.difference.value, low=test.difference.low, high=test.difference.high)
                for test in tests
            ),
            equivalent=tuple(test is not None and test.equivalent for test in tests),
            diversity=tuple(diversity) if len(diversity) == len(chain) else (),
            slope=_slope(counts, diversity) if len(diversity) == len(chain) else None,
        )


def _nested(arms: Iterable[_Arm]) -> list[_Arm]:
    """The longest way up from the largest constitution down, each part of the one above it."""
    chain: list[_Arm] = []
    for arm in sorted(arms, key=lambda one: (-(one.principles or 0), one.name)):
        last = chain[-1] if chain else None
        if last is None or (
            (arm.principles or 0) < (last.principles or 0) and arm.aims < last.aims and arm.aims
        ):
            chain.append(arm)
    return chain[::-1]


def _slope(counts: Sequence[int], diversity: Sequence[Estimate]) -> Estimate | None:
    if any(row.value is None or row.low is None or row.high is None for row in diversity):
        return None
    values = [row.value or 0.0 for row in diversity]
    errors = [((row.high or 0.0) - (row.low or 0.0)) / (2 * _Z95) for row in diversity]
    value, interval = slope([math.log2(count) for count in counts], values, errors)
    return Estimate(n=len(values), value=value, low=interval.low, high=interval.high)


# --- how it is shown ----------------------------------------------------------------------------------------

_FORMS: Mapping[Form, str] = {
    "plain": "as it is",
    "prompted": "prompted",
    "revised": "prompted, revises",
    "trained": "trained",
}


def show(part: BaselinesPart) -> Shown:
    """Claims, tables and the plane of what each arm aims at and what it does elsewhere."""
    return Shown(
        id="baselines",
        title="Baselines and ablations",
        claims=(*_needed(part), *_content_claims(part), *_count_claims(part)),
        tables=tuple(_tables(part)),
        figures=tuple(_planes(part)),
        notes=(
            "Rates are shares of answers that break a clause, by the rater that decides it. Gaps are taken "
            "on the same stimuli, the baseline's rate minus the arm's; 95 % intervals count a cluster of "
            "probes as one observation and are not adjusted for the number of gaps.",
            "Training was needed: the interval of the gap to every prompted baseline of that model, over all "
            "clauses, lies above 0. A gap whose interval holds 0 shows neither that nor the opposite.",
            "Equivalent: the 90 % interval of the difference lies within the margin (two one-sided tests); "
            "the margin is fixed with the request.",
        ),
    )


def _signed(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return f"unknown ({estimate.undefined})"
    return f"{100 * estimate.value:+.1f} points ({100 * estimate.low:+.1f} to {100 * estimate.high:+.1f})"


def _needed(part: BaselinesPart) -> Iterable[str]:
    for need in part.needs:
        also = "".join(
            f" It breaks {word}: {', '.join(named)}."
            for word, named in (("less", need.fewer), ("more", need.more))
            if named
        )
        gaps = {row.baseline: row.gap for row in part.gaps if row.arm == need.arm and row.clause == ALL}
        said = "; ".join(f"to {name} {_signed(gaps[name])}" for name in need.baselines)
        if need.reading == "needed":
            yield (
                f"Training was needed: {need.arm} breaks clauses less often than its model does with a "
                f"system text. Gap {said}.{also}"
            )
        elif need.reading == "worse":
            yield (
                f"{need.arm} breaks clauses more often than its model does with a system text alone. "
                f"Gap {said}.{also}"
            )
        elif need.reading == "not shown":
            yield (
                f"{need.arm}: no gap to every prompted baseline is shown, so nothing says that training was "
                f"needed. Gap {said}.{also}"
            )
        else:
            yield f"{need.arm}: there is no prompted baseline of its model in this run (`--baselines`)."


def _content_claims(part: BaselinesPart) -> Iterable[str]:
    for row in part.content:
        who = f"{_FORMS[row.form].capitalize()} on parts of the constitution ({', '.join(row.arms)})"
        if row.statistic is None or row.p is None:
            yield f"{who}: not tested ({row.undefined})."
            continue
        verb = "is" if row.p <= 0.05 else "is not"
        yield (
            f"{who}: the change is {100 * row.statistic:+.1f} points larger on clauses that they aim at than "
            f"on others; this {verb} shown to follow the principles (permutation p = {row.p:.2f}, with so "
            f"few arms at least {row.least_p:.2f})."
        )


def _count_claims(part: BaselinesPart) -> Iterable[str]:
    for row in part.counts:
        for arm, count, difference, same in zip(
            row.arms, row.counts, row.differences, row.equivalent, strict=False
        ):
            verdict = "equivalent" if same else "not shown to be equivalent"
            yield (
                f"{arm} ({_principles(count)}) and {row.arms[-1]} ({row.counts[-1]}) are {verdict} within "
                f"{row.margin:.0%}: difference {_signed(difference)}, 90 %."
            )
        if row.slope is not None and row.slope.low is not None and row.slope.high is not None:
            flat = row.slope.low <= 0 <= row.slope.high
            yield (
                f"Diversity changes by {_signed(row.slope)} with each doubling of the number of principles"
                f"{': no trend is shown' if flat else ''}."
            )


def _principles(count: int) -> str:
    return "1 principle" if count == 1 else f"{count} principles"


def _tables(part: BaselinesPart) -> Iterable[Table]:
    clauses = list(part.arms[0].rates) if part.arms else []
    yield Table(
        id="rates",
        caption="Share of answers that break a clause",
        columns=(
            Column("arm"),
            Column("it is"),
            Column("of"),
            Column("principles"),
            *(Column(clause, "share", plot=clause == ALL) for clause in clauses),
        ),
        rows=tuple(
            (
                row.arm,
                _FORMS[row.form] + (f" ({row.recipe})" if row.recipe else ""),
                row.model,
                row.principles,
                *(row.rates[clause] for clause in clauses),
            )
            for row in part.arms
        ),
    )
    if part.gaps:
        yield _gaps_table(part)
    if part.counts:
        yield _counts_table(part)


def _gaps_table(part: BaselinesPart) -> Table:
    return Table(
        id="gaps",
        caption="Gap to a baseline: above 0, the arm breaks less",
        columns=(
            Column("arm"),
            Column("baseline"),
            Column("it is"),
            Column("clause"),
            Column("pairs"),
            Column("unpaired"),
            Column("gap", "share", plot=True, mark=0.0),
        ),
        rows=tuple(
            (
                row.arm,
                row.baseline,
                _FORMS[row.baseline_form],
                row.clause,
                row.pairs,
                row.unpaired,
                row.gap,
            )
            for row in sorted(part.gaps, key=lambda row: row.clause != ALL)
        ),
    )


def _counts_table(part: BaselinesPart) -> Table:
    return Table(
        id="counts",
        caption="By number of principles",
        columns=(
            Column("arm"),
            Column("it is"),
            Column("principles"),
            Column("difference to the most", "share"),
            Column("equivalent"),
            Column("diversity", "share"),
        ),
        rows=tuple(
            (
                arm,
                _FORMS[row.form],
                row.counts[at],
                row.differences[at] if at < len(row.differences) else None,
                ("yes" if row.equivalent[at] else "not shown") if at < len(row.differences) else None,
                row.diversity[at] if row.diversity else None,
            )
            for row in part.counts
            for at, arm in enumerate(row.arms)
        ),
    )


def _planes(part: BaselinesPart) -> Iterable[Plane]:
    """What was aimed at and what was not, for every arm that aims at a part."""
    points = []
    for row in part.arms:
        others = [clause for clause in row.rates if clause not in (*row.aims, ALL)]
        if len(row.aims) == 1 and others:
            hardest = max(others, key=lambda clause: row.rates[clause].value or 0.0)
            points.append(Point(row.arm, row.rates[row.aims[0]], row.rates[hardest]))
    if points:
        yield Plane(
            id="aims",
            caption="Arms with one principle: the clause that it is about, and the one broken most besides",
            x="broken, clause aimed at",
            y="broken, another clause",
            points=tuple(points),
            x_scale="share",
            y_scale="share",
        )
