"""The findings as CSV, one row for each clause, arm, measure and rater; and the tables of suites.

In: a :class:`Report` or a :class:`Table`. Out: CSV text for spreadsheets and data frames. Numbers are written
in full, shares in 0..1; a missing number is an empty cell. Evidence is not in it: ``report.json`` has that.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable

from govaudit.reports.document import ClausePart, FindingPart, GaugePart, Report
from govaudit.reports.gauges import speaking
from govaudit.reports.part import Estimate
from govaudit.reports.shown import Table
from govaudit.reports.words import visible
from govaudit.scorers.people import protect

Cell = str | int | float | None

COLUMNS = (
    "run",
    "report_digest",
    "spec",
    "spec_version",
    "spec_digest",
    "arm",
    "arm_digest",
    "clause",
    "title",
    "section",
    "authority",
    "kind",
    "bright_line",
    "measure",
    "rater",
    "rubric",
    "deciding",
    "verdict",
    "reason",
    "n",
    "clusters",
    "rate",
    "low",
    "high",
    "unscored",
    "best",
    "worst",
    "tolerance",
    "lower_limit",
    "upper_limit",
    "more_clusters",
    "probes",
    "gauge_kappa",
    "gauge_kappa_low",
    "gauge_kappa_high",
    "gauge_n",
    "unscored_reasons",
    "status",
    "settle",
    "caveats",
)
"""``low`` and ``high`` are the two-sided 95 % interval of ``rate``; ``best`` and ``worst`` the rate if every
unscored item kept (broke) the clause; ``lower_limit`` and ``upper_limit`` the one-sided limits behind the
verdict. The gauge is the one of this rater that covers the clause, before others one made on this very arm.
``status`` is what the review says, ``settle`` what would overturn a verdict that accuses or certifies,
``caveats`` circles between what judges and what is judged.
"""

_WIDE = ("＝", "＋", "－", "＠")
"""What some spreadsheets read like the narrow signs."""


def render_csv(report: Report) -> str:
    """One row for each finding, in the order of the report; no cell of it runs in a spreadsheet."""
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    clauses = {clause.id: clause for clause in report.clauses}
    arms = {arm.name: arm.digest for arm in report.arms}
    gauges = [gauge for rater in report.raters for gauge in rater.gauges]
    settle = {(claim.arm, claim.clause): " ".join(claim.settle) for claim in report.claims}
    digest = report.canonical_digest
    for finding in report.findings:
        cells = {
            "run": report.run,
            "report_digest": digest,
            "spec": report.spec.id,
            "spec_version": report.spec.version,
            "spec_digest": report.spec.digest,
            "arm_digest": arms.get(finding.arm),
            **_clause(clauses.get(finding.clause)),
            **_finding(finding),
            **_gauge(finding, gauges),
            "status": finding.status,
            "caveats": "; ".join(finding.caveats) or None,
            "settle": settle.get((finding.arm, finding.clause)) if finding.deciding else None,
        }
        writer.writerow([_safe(cells.get(name)) for name in COLUMNS])
    return stream.getvalue()


def render_table(table: Table) -> str:
    """A table of a suite: a column of estimates becomes five, value, low, high, n and undefined (why there is
    no value or no interval), named by its title; numbers in full, shares in 0..1."""
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    wide = [any(isinstance(row[i], Estimate) for row in table.rows) for i in range(len(table.columns))]
    head: list[str] = []
    for column, estimated in zip(table.columns, wide, strict=True):
        head.append(column.title)
        if estimated:
            head += [f"{column.title}, {what}" for what in ("low", "high", "n", "undefined")]
    writer.writerow([_safe(title) for title in head])
    for row in table.rows:
        cells: list[Cell] = []
        for cell, estimated in zip(row, wide, strict=True):
            if isinstance(cell, Estimate):
                cells += [cell.value, cell.low, cell.high, cell.n, cell.undefined]
            else:
                cells += [cell, *[None] * (4 if estimated else 0)]
        writer.writerow([_safe(cell) for cell in cells])
    return stream.getvalue()


def _clause(clause: ClausePart | None) -> dict[str, Cell]:
    if clause is None:
        return {}
    return {
        "title": clause.title,
        "section": clause.section,
        "authority": clause.authority,
        "kind": clause.kind,
        "bright_line": _yes(clause.bright_line),
        "probes": clause.coverage.probes,
    }


def _finding(finding: FindingPart) -> dict[str, Cell]:
    return {
        "arm": finding.arm,
        "clause": finding.clause,
        "measure": finding.measure,
        "rater": finding.rater,
        "rubric": finding.rubric,
        "deciding": _yes(finding.deciding),
        "verdict": finding.verdict,
        "reason": finding.reason,
        "n": finding.n,
        "clusters": finding.clusters,
        "rate": finding.rate,
        "low": finding.low,
        "high": finding.high,
        "unscored": finding.unscored,
        "best": finding.best,
        "worst": finding.worst,
        "tolerance": finding.tolerance,
        "lower_limit": finding.lower_limit,
        "upper_limit": finding.upper_limit,
        "more_clusters": finding.more_clusters,
        "unscored_reasons": json.dumps(finding.unscored_reasons, ensure_ascii=False, sort_keys=True)
        if finding.unscored_reasons
        else None,
    }


def _gauge(finding: FindingPart, gauges: Iterable[GaugePart]) -> dict[str, Cell]:
    gauge = speaking(gauges, finding.rater, finding.clause, finding.arm)
    if gauge is None:
        return {}
    kappa = gauge.kappa
    return {
        "gauge_kappa": kappa.value,
        "gauge_kappa_low": kappa.low,
        "gauge_kappa_high": kappa.high,
        "gauge_n": gauge.n,
    }


def _yes(value: bool) -> str:
    return "true" if value else "false"


def _safe(cell: Cell) -> Cell:
    """A cell that no spreadsheet runs: text that begins like a formula gets an apostrophe before it."""
    if not isinstance(cell, str):
        return cell
    text = visible(cell)
    return f"'{text}" if text.startswith(_WIDE) else protect(text)
