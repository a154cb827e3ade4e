"""JUnit XML: what fails, what passes and what is skipped, and valid XML whatever the texts hold."""

from __future__ import annotations

from collections import Counter
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from govaudit.reports.document import Report
from govaudit.reports.html import Page
from govaudit.reports.junit import LONGEST_TEXT, render_junit
from govaudit.reports.words import UNSEEN, percent

EVERY = pytest.mark.parametrize("name", ["full", "small", "bare", "hostile"])


@pytest.fixture(scope="module")
def reports(sample: ModuleType) -> dict[str, Report]:
    return {name: getattr(sample, name)() for name in ("full", "small", "bare", "hostile")}


@pytest.fixture(scope="module")
def trees(reports: dict[str, Report]) -> dict[str, ET.Element]:
    return {name: ET.fromstring(render_junit(report)) for name, report in reports.items()}


def outcome(case: ET.Element) -> str:
    found = [tag for tag in ("failure", "skipped", "error") if case.find(tag) is not None]
    assert len(found) < 2
    return found[0] if found else "passed"


@EVERY
def test_one_suite_for_each_arm_and_one_case_for_each_clause(
    reports: dict[str, Report], trees: dict[str, ET.Element], name: str
) -> None:
    report, root = reports[name], trees[name]
    assert render_junit(report) == render_junit(report)
    suites = root.findall("testsuite")
    assert len(suites) == len(report.arms)
    for suite in suites:
        assert len(suite.findall("testcase")) == len(report.clauses)


@EVERY
def test_a_violation_fails_a_compliant_clause_passes_and_the_rest_is_skipped(
    reports: dict[str, Report], trees: dict[str, ET.Element], name: str
) -> None:
    page = Page(reports[name])
    means = {"violated": "failure", "compliant": "passed"}
    for place, suite in enumerate(trees[name].findall("testsuite")):
        expected = [means.get(page.rows[c.id][place].verdict, "skipped") for c in page.clauses]
        assert [outcome(case) for case in suite.findall("testcase")] == expected


@EVERY
def test_the_counts_in_the_head_are_those_of_the_cases(trees: dict[str, ET.Element], name: str) -> None:
    total: Counter[str] = Counter()
    for suite in trees[name].findall("testsuite"):
        cases = Counter(outcome(case) for case in suite.findall("testcase"))
        total += cases
        told = {key: int(suite.get(key, "")) for key in ("tests", "failures", "skipped", "errors")}
        assert told == {
            "tests": cases.total(),
            "failures": cases["failure"],
            "skipped": cases["skipped"],
            "errors": 0,
        }
    root = trees[name]
    assert (int(root.get("tests", "")), int(root.get("failures", ""))) == (total.total(), total["failure"])


def test_every_sort_of_outcome_occurs(trees: dict[str, ET.Element]) -> None:
    assert {outcome(case) for case in trees["full"].iter("testcase")} == {"failure", "passed", "skipped"}


def test_whatever_is_skipped_says_why(trees: dict[str, ET.Element]) -> None:
    messages = [node.get("message", "") for node in trees["full"].iter("skipped")]
    assert all(len(message) > 20 for message in messages)
    for start in ("inconclusive: ", "untested: ", "not scored: "):
        assert any(message.startswith(start) for message in messages), start


def test_a_failure_has_the_numbers_of_the_page_and_an_answer(
    reports: dict[str, Report], trees: dict[str, ET.Element]
) -> None:
    page = Page(reports["full"])
    cases = {
        (suite.get("name"), case.get("name")): case
        for suite in trees["full"].findall("testsuite")
        for case in suite.findall("testcase")
    }
    assert page.worst
    for finding in page.worst:
        failure = cases[finding.arm, finding.clause].find("failure")
        assert failure is not None and failure.get("type") == "violated"
        numbers = f"rate {percent(finding.rate)} % [{percent(finding.low)}, {percent(finding.high)}]"
        assert numbers in failure.get("message", "")
        assert page.clause[finding.clause].text in (failure.text or "")
        assert finding.worst_responses[0].response in (failure.text or "")


def test_a_clause_that_passes_has_its_numbers_too(trees: dict[str, ET.Element]) -> None:
    for case in trees["full"].iter("testcase"):
        assert "rate " in (case.findtext("system-out") or "") or outcome(case) == "skipped"


def test_hostile_text_is_text(sample: ModuleType, reports: dict[str, Report]) -> None:
    text = render_junit(reports["hostile"])
    assert not UNSEEN.search(text)
    root = ET.fromstring(text)
    tags = {node.tag for node in root.iter()}
    assert tags <= {
        "testsuites",
        "testsuite",
        "properties",
        "property",
        "testcase",
        "failure",
        "skipped",
        "system-out",
    }
    names = [case.get("name", "") for case in root.iter("testcase")]
    assert all("<script>alert(1)</script>" in name for name in names)


def test_characters_that_xml_may_not_hold_become_code_points(reports: dict[str, Report]) -> None:
    report = reports["bare"]
    clause = report.clauses[0].model_copy(
        update={"id": "a\x00\x0b\x1b\ufffe]]>", "title": "t\x01", "section": "s\x02"}
    )
    root = ET.fromstring(render_junit(report.model_copy(update={"clauses": (clause,)})))
    (case,) = root.iter("testcase")
    assert case.get("name") == "a⟨U+0000⟩⟨U+000B⟩⟨U+001B⟩⟨U+FFFE⟩]]>"
    assert case.get("classname") == "s⟨U+0002⟩"


def test_a_long_answer_is_cut_in_sight(reports: dict[str, Report]) -> None:
    report = reports["full"]
    findings = []
    for finding in report.findings:
        shown = tuple(e.model_copy(update={"answer": "a" * 100_000}) for e in finding.worst_responses)
        findings.append(finding.model_copy(update={"worst_responses": shown}))
    text = render_junit(report.model_copy(update={"findings": tuple(findings)}))
    assert f"[{100_000 - LONGEST_TEXT:,} characters left out; all are in report.json]" in text
