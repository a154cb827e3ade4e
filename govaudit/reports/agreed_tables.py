"""What the numbers of one table of raters allow to say: claims and tables, of a run or of a file.

In: an :class:`AgreementGroup`. Out: sentences, warnings first, and tables for a :class:`Shown`. Left out: the
numbers (``agreed``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from govaudit.reports.agreed import AgreementGroup, Coefficients, RaterLine
from govaudit.reports.part import Estimate
from govaudit.reports.shown import Column, Table


def claims_of(one: AgreementGroup) -> list[str]:
    """What the numbers of a group allow to say; warnings come first."""
    said = [
        f"{found.rater} seems to have its labels turned round: kappa with {found.against} "
        f"{_words(found.kappa)}"
        + (f", turned {_words(found.kappa_flipped)}" if found.kappa_flipped else "")
        + "."
        for found in one.reversed
    ]
    shown = one.people or one.all
    if shown is not None:
        who = f"{shown.raters} {one.called}"
        said.append(
            f"{one.name}: {who} on {shown.items:,} items, alpha {_words(shown.alpha)}, agreement "
            f"{_words(shown.agreement)}."
        )
    for more in one.one_more:
        change = more.alpha_change
        if change.high is not None and change.high < 0:
            said.append(f"{more.rater} as one more rater lowers alpha by {_words(_minus(change))}.")
        if more.may_replace is not None:
            may = "passes" if more.may_replace else "does not pass"
            said.append(
                f"{more.rater} {may} the alternative annotator test at a margin of {more.epsilon:g}: it "
                f"matches {more.winning_rate:.0%} of {more.people_tested} people."
            )
    return said


def _minus(one: Estimate) -> Estimate:
    def turn(x: float | None) -> float | None:
        return None if x is None else -x

    return Estimate(n=one.n, value=turn(one.value), low=turn(one.high), high=turn(one.low))


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")


def _words(one: Estimate | None) -> str:
    if one is None or one.value is None:
        return f"not defined ({one.undefined})" if one else "not defined"
    if one.low is None or one.high is None:
        return f"{_two(one.value)} (no interval: {one.undefined})"
    return f"{_two(one.value)} ({_two(one.low)} to {_two(one.high)})"


_MOST_LINES = 16


def agreement_tables(one: AgreementGroup, prefix: str = "") -> list[Table]:
    """The tables of a group; of many raters only those at both ends, all of them are in the document."""
    tables = [_coefficient_table(one, prefix), _rater_table(one, prefix)]
    if one.pairs:
        tables.append(
            Table(
                f"{prefix}pairs",
                f"Pairs of raters: {one.name}",
                (
                    Column("pair"),
                    Column("n"),
                    Column("agreement", "share"),
                    Column("kappa", "coefficient", plot=True),
                    Column("AC1", "coefficient"),
                ),
                tuple(
                    (f"{pair.first} - {pair.second}", pair.n, pair.agreement, pair.kappa, pair.ac1)
                    for pair in one.pairs
                ),
            )
        )
    if one.cuts:
        tables.append(
            Table(
                f"{prefix}cuts",
                f"Cut in two: {one.name}",
                (
                    Column("at or above"),
                    Column("Fleiss kappa", "coefficient", plot=True),
                    Column("positive agreement", "coefficient"),
                ),
                tuple((cut.at, cut.fleiss, cut.positive_agreement) for cut in one.cuts),
            )
        )
    if one.one_more:
        tables.append(
            Table(
                f"{prefix}one-more",
                f"Machines beside people: {one.name}",
                (
                    Column("rater"),
                    Column("alpha of people", "coefficient"),
                    Column("change with it", "coefficient", plot=True),
                    Column("may replace a person"),
                ),
                tuple(
                    (
                        more.rater,
                        more.alpha_people,
                        more.alpha_change,
                        {True: "yes", False: "no", None: "not tested"}[more.may_replace],
                    )
                    for more in one.one_more
                ),
            )
        )
    return [replace(table, rows=tuple(map(_bare, table.rows))) for table in tables]


Cells = tuple[str | int | Estimate | None, ...]


def _bare(row: Cells) -> Cells:
    """Cells whose estimates do not repeat the number of items, which has a column of its own."""
    return tuple(c.model_copy(update={"n": None}) if isinstance(c, Estimate) else c for c in row)


def _coefficient_table(one: AgreementGroup, prefix: str) -> Table:
    found: list[tuple[str, Coefficients | None]] = [
        ("all raters", one.all),
        ("all, undecided left out", one.decided),
        ("people alone", one.people),
    ]
    rows: list[tuple[str | int | Estimate | None, ...]] = [
        (name, x.raters, x.items, x.agreement, x.fleiss, x.alpha, x.ac) for name, x in found if x is not None
    ]
    if one.correlations is not None:
        c = one.correlations
        rows.append(("ICC(A,1)", c.raters, c.items, None, None, c.agreement, None))
        rows.append(("ICC(C,1)", c.raters, c.items, None, None, c.consistency, None))
    ac = "AC1" if one.all is None or one.all.weights == "nominal" else "AC2"
    return Table(
        f"{prefix}coefficients",
        f"Agreement: {one.name}",
        (
            Column(""),
            Column("raters"),
            Column("items"),
            Column("agreement", "share"),
            Column("Fleiss", "coefficient"),
            Column("alpha" if one.correlations is None else "alpha, ICC", "coefficient", plot=True),
            Column(ac, "coefficient"),
        ),
        tuple(rows),
    )


def _rater_table(one: AgreementGroup, prefix: str) -> Table:
    lines: Sequence[RaterLine] = one.raters
    caption = f"Raters: {one.name}"
    if len(lines) > _MOST_LINES:
        ends: Callable[[RaterLine], float] = lambda line: (  # noqa: E731
            (line.rate.value if line.rate else line.kappa_others.value) or 0.0
        )
        half = _MOST_LINES // 2
        named = {found.rater for found in one.reversed}
        ranked = sorted(lines, key=ends)
        middle = [line for line in ranked[half:-half] if line.rater in named]
        lines = [*ranked[:half], *middle, *ranked[-half:]]
        caption += f" (both ends of {len(one.raters)})"
    retested = any(line.retest for line in lines)
    rated = any(line.rate for line in lines)
    share = "share" if not _many_values(one) else "number"
    return Table(
        f"{prefix}raters",
        caption,
        (
            Column("rater"),
            Column("n"),
            Column("invalid"),
            *((Column("rate", "share" if share == "share" else "number"),) if rated else ()),
            *((Column("severity", "coefficient", plot=True),) if rated else ()),
            Column("kappa with others", "coefficient"),
            *((Column("test-retest", "share"),) if retested else ()),
        ),
        tuple(
            (
                line.rater,
                line.n,
                line.invalid,
                *((line.rate, line.severity) if rated else ()),
                line.kappa_others,
                *((line.retest,) if retested else ()),
            )
            for line in lines
        ),
    )


def _many_values(one: AgreementGroup) -> bool:
    return (
        bool(one.cuts)
        or one.correlations is not None
        or (one.all is not None and one.all.weights != "nominal")
    )
