"""What an audit would take and what it could show, clause by clause, before any call.

In: a prepared request, what is wanted of each clause (a half width, or a power at a rate), and what is known
of costs. Out: :class:`Outlook`, as data and as tables. A clause that no outcome of its compiled clusters
could decide is said so, by the verdict rule itself: every cluster kept, or every cluster broken, in all
clauses at once, is the best case for either verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from govaudit import costs as costing
from govaudit.costs import Costs, Known
from govaudit.errors import BadInput, StatisticsError
from govaudit.evals.compile import coverage
from govaudit.plan import Prepared, deciders
from govaudit.reports.manifest import Amount, Outlay
from govaudit.reports.words import counted
from govaudit.specs.model import Label
from govaudit.stats import intervals, multiplicity, power

LEVEL = 0.05
"""Of both protections of the verdict rule."""

MOST_CLUSTERS = 100_000

Can = Literal["either", "violated", "compliant", "neither"]
_CAN = {
    "either": "either",
    "violated": "violated",
    "compliant": "compliant",
    "neither": "nothing",
}


@dataclass(frozen=True)
class Wanted:
    """What each clause's finding should reach; :class:`BadInput` for what does not go together."""

    half_width: float | None = None
    """Of the two-sided 95 % interval of the rate."""
    power: float | None = None
    """Chance of a verdict at ``rate``: violated if that lies above the tolerance, compliant below."""
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.half_width is not None and self.power is not None:
            raise BadInput("--half-width and --power are two ways to say what is wanted", remedy="Give one.")
        if self.power is not None and self.rate is None:
            raise BadInput(
                "power is the chance of a verdict at a rate of violations, and no rate is given",
                remedy="Add --rate R, such as the rate that must not go unseen.",
            )
        for name, value in (("half-width", self.half_width), ("power", self.power)):
            if value is not None and not 0 < value < 1:
                raise BadInput(f"--{name} is {value:g}, it must lie between 0 and 1")
        if self.rate is not None and not 0 <= self.rate <= 1:
            raise BadInput(f"--rate is {self.rate:g}, it must lie in 0..1")


@dataclass(frozen=True)
class ClauseOutlook:
    """What one clause has, what it would take, and what it could show."""

    clause: str
    tolerance: float
    clusters: int
    decides: str | None
    can: Can
    """Verdicts that some outcome of these clusters would give."""
    short: int
    """Clusters that ``compliant`` wants besides these, if all are kept."""
    missing: tuple[str, ...]
    """What else stands between it and a verdict."""
    delivers: float | None
    """Half width, or power at the rate, of the compiled clusters."""
    wanted: int | None
    """Clusters for what is wanted; ``None`` where nothing is, or no number would do."""
    calls: int
    tokens: Amount
    cost: Amount
    minutes: Amount
    """For the wanted clusters, or for the compiled ones where nothing more is wanted."""


@dataclass(frozen=True)
class Outlook:
    """The whole plan."""

    wanted: Wanted
    currency: str
    parties: tuple[Outlay, ...]
    """For the compiled suite."""
    clauses: tuple[ClauseOutlook, ...]
    family: int
    """Verdicts that are protected together: clauses with a rater times arms."""
    per_verdict: tuple[tuple[str, float, float], ...]
    """Judge, tokens of its mean prompt, and those with the whole spec in each."""

    def data(self) -> dict[str, Any]:
        """All of it, as JSON."""
        return {
            "wanted": asdict(self.wanted),
            "currency": self.currency,
            "family": self.family,
            "level_for_one_verdict": LEVEL / max(1, self.family),
            "parties": [asdict(row) for row in self.parties],
            "total": {
                "calls": sum(row.calls for row in self.parties),
                **{name: asdict(amount) for name, amount in self._totals().items()},
            },
            "tokens_per_verdict": [
                {"judge": who, "with_the_clause": own, "with_the_whole_spec": whole}
                for who, own, whole in self.per_verdict
            ],
            "clauses": [asdict(row) for row in self.clauses],
        }

    def _totals(self) -> dict[str, Amount]:
        return {
            "input_tokens": costing.total([row.input_tokens for row in self.parties]),
            "output_tokens": costing.total([row.output_tokens for row in self.parties]),
            "cost": costing.total([row.cost for row in self.parties]),
            "minutes": costing.total([row.minutes for row in self.parties]),
        }

    def tables(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """Title, heads and rows of what is printed."""
        return [self._party_table(), self._clause_table()]

    def _party_table(self) -> tuple[str, list[str], list[list[str]]]:
        def row(who: str, calls: int, amounts: Sequence[Amount]) -> list[str]:
            texts = (_whole, _whole, _money, _minutes)
            return [who, f"{calls:,}", *(_amount(a, t) for a, t in zip(amounts, texts, strict=True))]

        rows = [
            row(o.who, o.calls, (o.input_tokens, o.output_tokens, o.cost, o.minutes)) for o in self.parties
        ]
        calls = sum(o.calls for o in self.parties)
        rows.append(row("all", calls, tuple(self._totals().values())))
        head = ["who", "calls", "tokens read", "tokens written", f"cost, {self.currency}", "minutes"]
        return "The compiled suite", head, rows

    def _clause_table(self) -> tuple[str, list[str], list[list[str]]]:
        aims = self.wanted.half_width is not None or self.wanted.power is not None
        goal = "half width" if self.wanted.half_width is not None else "power"
        head = ["clause", "clusters", *([goal, "wanted"] if aims else []), "calls", "tokens,\nthousands"]
        head += [f"cost,\n{self.currency}", "minutes", "could be\nfound", "short of\ncompliant by"]
        rows = []
        for c in self.clauses:
            aim = [
                "–" if c.delivers is None else f"{c.delivers:.2f}",
                "–" if c.wanted is None else f"{c.wanted:,}",
            ]
            rows.append(
                [
                    c.clause,
                    str(c.clusters),
                    *(aim if aims else []),
                    f"{c.calls:,}",
                    _plain(c.tokens, _thousands),
                    _plain(c.cost, _money),
                    _plain(c.minutes, _minutes),
                    _CAN[c.can],
                    f"{c.short:,}" if c.short else "–",
                ]
            )
        title = "Clause by clause" + (", for the wanted clusters" if aims else ", for the compiled clusters")
        return title, head, rows

    def lines(self) -> list[str]:
        """What the numbers mean, in sentences."""
        said = []
        for who, own, whole in self.per_verdict:
            said.append(
                f"{who} reads about {own:,.0f} tokens for a verdict, before the answer; with the whole spec "
                f"in each prompt it would be {whole:,.0f}."
            )
        counts = {can: sum(c.can == can for c in self.clauses) for can in _CAN}
        if counts["neither"]:
            said.append(f"{counts['neither']} of {len(self.clauses)} clauses can be decided by no outcome.")
        if counts["violated"]:
            said.append(
                f"{counts['violated']} of {len(self.clauses)} clauses could be found violated but never "
                "compliant: they have fewer clusters than that takes, even if every one is kept."
            )
        if counts["neither"] or counts["violated"]:
            said.append(
                "More clusters come from item banks (--per-clause N) or a writer; rates by section, by "
                "authority and for the whole spec pool clauses as they are."
            )
        why: dict[str, list[str]] = {}
        for c in self.clauses:
            for reason in c.missing:
                why.setdefault(reason, []).append(c.clause)
        said += [f"{counted(len(ids), 'clause')}: {reason}: {', '.join(ids)}." for reason, ids in why.items()]
        if self.wanted.power is not None:
            said.append(
                f"Power is that of one verdict at level {LEVEL:g}/{self.family}, as if it were the only one "
                "to come out: among several it is higher."
            )
        known = dict.fromkeys(
            amount.how
            for row in self.parties
            for amount in (row.input_tokens, row.output_tokens, row.cost, row.minutes)
        )
        said += ["How this is known: " + "; ".join(how for how in known if how) + "."]
        return said


def plan(
    prepared: Prepared,
    wanted: Wanted = Wanted(),
    *,
    measured: Path | None = None,
    per_minute: float | None = None,
) -> Outlook:
    """The outlook of an audit; reads tokenizers and an earlier run, calls nothing."""
    if per_minute is not None and not per_minute > 0:
        raise BadInput(f"--calls-per-minute is {per_minute:g}, it must be above 0")
    prices = prepared.request.prices
    known = Known(prices, costing.pilot(measured) if measured else {}, per_minute)
    costs = costing.costs(prepared, known)
    deciding = deciders(prepared)
    measures = {clause: decider.measure for clause, decider in deciding.items()}
    rows = [
        row
        for row in coverage(prepared.chosen, prepared.suite, measures)
        if row.tested_as is None and prepared.spec.clause(row.clause).level.value == "model"
    ]
    family = len(prepared.arms) * sum(row.clusters > 0 and row.clause in deciding for row in rows)
    tolerances = [_tolerance(prepared, row.clause) for row in rows]
    clusters = [row.clusters if row.clause in deciding else 0 for row in rows]
    cans = decidable(clusters, tolerances, max(1, len(prepared.arms)))
    out = []
    for row, tolerance, can in zip(rows, tolerances, cans, strict=True):
        decider = deciding.get(row.clause)
        delivers, needed = reach(row.clusters, tolerance, wanted, family)
        out.append(
            ClauseOutlook(
                clause=row.clause,
                tolerance=tolerance,
                clusters=row.clusters,
                decides=decider.rater if decider else None,
                can=can,
                short=max(0, power.clusters_to_exclude(tolerance) - row.clusters),
                missing=_missing(prepared, row.clause, row.clusters, decided=decider is not None),
                delivers=delivers,
                wanted=needed,
                **_taken(costs, row.clause, row.clusters, needed),
            )
        )
    return Outlook(wanted, prices.currency, costs.outlays(), tuple(out), family, costs.per_verdict)


def _tolerance(prepared: Prepared, clause: str) -> float:
    given = prepared.request.tolerance
    return given.bright_line if prepared.spec.clause(clause).bright_line else given.default


def decidable(clusters: Sequence[int], tolerances: Sequence[float], arms: int) -> list[Can]:
    """Per clause the verdicts that some outcome would give, by the rule of :mod:`govaudit.stats.verdict`.

    The best case for ``compliant`` is that every cluster of every clause and arm is kept, for ``violated``
    that every one is broken: both protections only get stricter when other findings come out less clear.
    ``clusters`` and ``tolerances``: (k,); a clause without clusters is in no family.
    """
    held = [i for i, n in enumerate(clusters) if n]
    cans: list[Can] = ["neither"] * len(clusters)
    if not held:
        return cans
    n = np.array([clusters[i] for i in held], dtype=np.float64)
    bound = np.array([tolerances[i] for i in held])
    ones = np.ones((len(held), 1))
    broken = np.repeat(intervals.gaffke_p(ones, n[:, None], bound), arms)
    kept = np.repeat(intervals.gaffke_p(ones, n[:, None], 1 - bound), arms)
    # As the rule has it: a limit that equals the tolerance certifies but does not accuse.
    accused = multiplicity.holm(np.minimum(broken * (1 + 1e-9), 1.0), LEVEL).rejected[::arms]
    certified = multiplicity.benjamini_hochberg(kept * (1 - 1e-9), LEVEL).rejected[::arms]
    for place, i in enumerate(held):
        if accused[place] and certified[place]:
            cans[i] = "either"
        elif accused[place]:
            cans[i] = "violated"
        elif certified[place]:
            cans[i] = "compliant"
    return cans


def reach(clusters: int, tolerance: float, wanted: Wanted, family: int) -> tuple[float | None, int | None]:
    """What so many clusters deliver of what is wanted, and how many clusters would deliver it.

    A half width is Wilson's at the supposed rate, or at .5, where it is widest. Power is that of the exact
    test that the verdict rule is for clusters of one item, at the level of one verdict among ``family``.
    """
    try:
        if wanted.half_width is not None:
            rate = 0.5 if wanted.rate is None else wanted.rate
            have = power.half_width(clusters, rate) if clusters else None
            return have, power.items_for_half_width(wanted.half_width, rate)
        if wanted.power is not None and wanted.rate is not None:
            level = power.working_level(LEVEL, max(1, family), 1)
            have = power.exact_power(clusters, tolerance, wanted.rate, level).power if clusters else None
            found = power.exact_sample_size(tolerance, wanted.rate, level, wanted.power, MOST_CLUSTERS)
            return have, found.sustained
    except StatisticsError:  # the rate is the tolerance: no number of clusters tells them apart
        return None, None
    return None, None


def _taken(costs: Costs, clause: str, clusters: int, wanted: int | None) -> dict[str, Any]:
    """Calls, tokens, money and minutes of a clause, in proportion to its clusters."""
    by = wanted / clusters if wanted is not None and clusters else 1.0
    parts = [(costs.outlays(clause, fixed=False), by), (costs.outlays(clause, fixed=True), 1.0)]

    def whole(name: str) -> Amount:
        return costing.total(
            [costing.scaled(getattr(row, name), times) for rows, times in parts for row in rows]
        )

    return {
        "calls": round(sum(row.calls * times for rows, times in parts for row in rows)),
        "tokens": costing.total([whole("input_tokens"), whole("output_tokens")]),
        "cost": whole("cost"),
        "minutes": whole("minutes"),
    }


def _missing(prepared: Prepared, clause: str, clusters: int, *, decided: bool) -> tuple[str, ...]:
    """What keeps a clause from a verdict besides a number of clusters."""
    if not clusters:
        return ("no probe",)
    if not decided:
        return ("nobody rates the answers (name a judge, or rate them by people)",)
    labels = {answer.label for answer in prepared.suite.gold if answer.clause == clause}
    if not {Label.GOOD, Label.BAD} <= labels:
        return ("no good and bad answer of its own on which to gauge a rater",)
    return ()


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _money(value: float) -> str:
    return f"{value:,.2f}" if value >= 10 else f"{value:.2g}" if value else "0"


def _minutes(value: float) -> str:
    return f"{value:,.1f}"


def _thousands(value: float) -> str:
    return f"{value / 1000:,.1f}" if value < 1e5 else f"{value / 1000:,.0f}"


def _amount(amount: Amount, text: Callable[[float], str]) -> str:
    """An amount with its ends, where it has them."""
    found = _plain(amount, text)
    if amount.value is None or amount.low is None or amount.high is None or amount.low == amount.high:
        return found
    return f"{found} [{text(amount.low)}, {text(amount.high)}]"


def _plain(amount: Amount, text: Callable[[float], str]) -> str:
    if amount.value is not None:
        return text(amount.value)
    return "unknown" if amount.high is None else f"≤ {text(amount.high)}"
