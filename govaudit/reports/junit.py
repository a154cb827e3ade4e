"""The report as JUnit XML, so that a build server shows clauses as it shows tests.

In: a :class:`Report`. Out: XML text, one test suite for each arm with one test case for each clause. What is
found violated is a failure, what is found compliant passes. Everything else (inconclusive, untested, not
scored, and findings that their reporters have withdrawn) is skipped with its reason: what was shown neither
way is neither a pass nor a failure.
"""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree as ET

from govaudit.reports.document import Exhibit, FindingPart, Report
from govaudit.reports.html import Page, Row
from govaudit.reports.words import REASONS, VERDICTS, bound, counted, percent, visible, why, words

LONGEST_TEXT = 4_000
"""Longer answers are cut; the whole text is in report.json."""


def render_junit(report: Report) -> str:
    """JUnit XML; same report, same text. It has no durations: answers are not timed one by one."""
    page = Page(report)
    digest = report.canonical_digest
    root = ET.Element("testsuites", name=_text(f"{report.spec.id} {report.spec.version}"))
    total: Counter[str] = Counter()
    for place, arm in enumerate(report.arms):
        rows = [page.rows[clause.id][place] for clause in page.clauses]
        tally = {
            "tests": len(rows),
            "failures": sum(_outcome(row) == "violated" for row in rows),
            "errors": 0,
            "skipped": sum(_outcome(row) not in ("violated", "compliant") for row in rows),
        }
        total.update(tally)
        suite = ET.SubElement(
            root,
            "testsuite",
            {"name": _text(arm.name), "id": str(place), **_counts(tally), "timestamp": _text(report.created)},
        )
        properties = ET.SubElement(suite, "properties")
        for name, value in (
            ("model", arm.model),
            ("arm digest", arm.digest),
            ("spec digest", report.spec.digest),
            ("report digest", digest),
            ("partial", str(report.partial).lower()),
        ):
            ET.SubElement(properties, "property", name=name, value=_text(value))
        for row in rows:
            _case(suite, row, report)
    for name, n in _counts(total).items():
        root.set(name, n)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _counts(tally: dict[str, int] | Counter[str]) -> dict[str, str]:
    return {name: str(tally[name]) for name in ("tests", "failures", "errors", "skipped")}


def _case(suite: ET.Element, row: Row, report: Report) -> None:
    clause, finding = row.clause, row.finding
    case = ET.SubElement(
        suite, "testcase", classname=_text(clause.section or report.spec.id), name=_text(clause.id)
    )
    said = _said(row)
    outcome = _outcome(row)
    if outcome == "violated":
        claims = [c for c in report.claims if (c.arm, c.clause) == (row.arm, clause.id)]
        settle = "".join(f"\nWhat would settle it: {' '.join(claim.settle)}\n" for claim in claims)
        failure = ET.SubElement(case, "failure", type="violated", message=_text(said))
        failure.text = _text(f"{_cut(clause.text)}\n{settle}{_evidence(finding)}")
    elif outcome != "compliant":
        shown = words(outcome, VERDICTS)
        ET.SubElement(case, "skipped", message=_text(f"{shown}: {said}"))
    out = ET.SubElement(case, "system-out")
    out.text = _text(f"{clause.title or clause.id}\n{said}")


def _outcome(row: Row) -> str:
    """The verdict, or that it was withdrawn."""
    return "withdrawn" if row.finding is not None and row.finding.status == "withdrawn" else row.verdict


def _said(row: Row) -> str:
    """Numbers and reason in one line."""
    clause, finding = row.clause, row.finding
    if finding is None:
        untested = REASONS["no_probe"] if row.verdict == "untested" else REASONS["no_rater"]
        return clause.not_scored or untested
    if finding.n == 0:
        return why(finding)
    numbers = f"{percent(finding.rate)} %"
    if finding.low is not None and finding.high is not None:
        numbers += f" [{percent(finding.low)}, {percent(finding.high)}]"
    return (
        f"rate {numbers}, tolerance {bound(finding.tolerance)} %, {finding.n:,} scored in "
        f"{counted(finding.clusters, 'cluster')}, {finding.unscored:,} unscored, {finding.measure} / "
        f"{finding.rater}. {why(finding)}"
    )


def _evidence(finding: FindingPart | None) -> str:
    shown: tuple[Exhibit, ...] = finding.worst_responses[:1] if finding else ()
    return "\n".join(
        f"\nprobe {exhibit.probe}\nresponse {exhibit.response}\n{_cut(exhibit.answer or exhibit.label)}"
        for exhibit in shown
    )


def _cut(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    return (
        f"{text[:LONGEST_TEXT]}\n[{len(text) - LONGEST_TEXT:,} characters left out; all are in report.json]"
    )


def _text(text: str) -> str:
    """Text that XML 1.0 may hold: characters that it may not hold, or that nobody sees, as code points."""
    return visible(text)
