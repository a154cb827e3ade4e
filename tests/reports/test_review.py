"""A review only grows, and a chain that was tampered with is named by its line."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from govaudit.errors import BadInput
from govaudit.reports import junit, review
from govaudit.reports.document import Report
from govaudit.reports.html import Page, render_html
from govaudit.reports.markdown import render_markdown
from govaudit.reports.tables import render_csv

WHEN = "2026-01-02T03:04:05+00:00"


@pytest.fixture(scope="module")
def report(sample: ModuleType) -> Report:
    made: Report = sample.full()
    return made


@pytest.fixture
def chain(report: Report, tmp_path: Path) -> Path:
    path = tmp_path / review.FILE
    violated = [f for f in report.findings if f.deciding and f.verdict == "violated"]
    entries: list[review.Entry] = []
    for finding, status in (
        (violated[0], "confirmed"),
        (violated[1], "disputed"),
        (violated[0], "withdrawn"),
    ):
        entry = review.added(
            entries, report, finding, status=status, by="A. Auditor", reason="Read all.", when=WHEN
        )
        review.append(path, entry)
        entries.append(entry)
    return path


def test_entries_read_back_and_the_last_one_is_the_status(report: Report, chain: Path) -> None:
    entries = review.read(chain, review.root(report))
    assert [entry.n for entry in entries] == [1, 2, 3]
    made = review.reviewed(report, entries)
    worst = [f for f in report.findings if f.deciding and f.verdict == "violated"]
    first = review.find(made, f"{worst[0].arm}/{worst[0].clause}")
    assert first.status == "withdrawn"
    assert [entry.status for entry in first.review] == ["confirmed", "withdrawn"]
    assert made.review_head == entries[-1].hash
    assert made.canonical_digest == report.canonical_digest, "opinions are no observation"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda rows: [rows[0] | {"reason": "Read some."}, *rows[1:]], 1),
        (lambda rows: [rows[0], rows[2]], 2),
        (lambda rows: rows[1:], 1),
        (lambda rows: [rows[0], rows[2], rows[1]], 2),
        (lambda rows: [*rows, rows[2]], 4),
        (lambda rows: [*rows[:2], rows[2] | {"status": "agreed"}], 3),
        (lambda rows: [*rows[:2], {"n": 3}], 3),
    ],
)
def test_a_broken_chain_is_bad_input_that_names_the_line(
    report: Report, chain: Path, change: object, line: int
) -> None:
    rows = [json.loads(text) for text in chain.read_text().splitlines()]
    chain.write_text("".join(json.dumps(row) + "\n" for row in change(rows)))  # type: ignore[operator]
    with pytest.raises(BadInput) as error:
        review.read(chain, review.root(report))
    assert error.value.line == line


def test_a_review_of_another_run_is_refused(report: Report, chain: Path) -> None:
    other = report.model_copy(update={"arms": report.arms[:1]})
    with pytest.raises(BadInput, match="another run"):
        review.read(chain, review.root(other))


def test_an_entry_says_when_the_numbers_have_changed_since(report: Report, chain: Path) -> None:
    entries = review.read(chain, review.root(report))
    changed = report.model_copy(
        update={"findings": tuple(f.model_copy(update={"n": f.n + 1}) for f in report.findings)}
    )
    made = review.reviewed(changed, entries)
    assert all(entry.changed for finding in made.findings for entry in finding.review)
    assert "The numbers have changed since this entry." in render_markdown(made)


def test_a_withdrawn_violation_leads_nothing_and_fails_no_build(report: Report, chain: Path) -> None:
    made = review.reviewed(report, review.read(chain, review.root(report)))
    gone = next(f for f in made.findings if f.status == "withdrawn")
    assert gone not in Page(made).worst
    before, after = (
        text.count("<failure ") for text in (junit.render_junit(report), junit.render_junit(made))
    )
    assert after == before - 1
    assert "withdrawn: rate" in junit.render_junit(made)
    assert '"withdrawn"' in render_csv(made)


def test_the_page_shows_person_reason_and_reply_as_text(report: Report) -> None:
    finding = next(f for f in report.findings if f.deciding and f.n)
    entry = review.added(
        (),
        report,
        finding,
        status="disputed",
        by="<b>Lab</b>",
        reason="<i>No.</i>",
        reply="<u>See</u>",
        when=WHEN,
    )
    page = render_html(review.reviewed(report, [entry]))
    for text in (
        "&lt;b&gt;Lab&lt;/b&gt;",
        "&lt;i&gt;No.&lt;/i&gt;",
        "&lt;u&gt;See&lt;/u&gt;",
        'href="#review"',
    ):
        assert text in page


@pytest.mark.parametrize(("field", "value"), [("status", "agreed"), ("by", " "), ("reason", "")])
def test_an_entry_needs_a_known_status_a_person_and_a_reason(report: Report, field: str, value: str) -> None:
    given = {"status": "open", "by": "A", "reason": "B"} | {field: value}
    with pytest.raises(BadInput):
        review.added((), report, report.findings[0], when=WHEN, **given)


def test_a_finding_is_named_by_arm_and_clause_and_others_by_their_rater(report: Report) -> None:
    finding = next(f for f in report.findings if f.deciding and f.n)
    name = f"{finding.arm}/{finding.clause}"
    assert review.find(report, name) == finding
    others = [f for f in report.findings if f"{f.arm}/{f.clause}" == name and not f.deciding]
    assert review.find(report, name, rater=others[0].rater, measure=others[0].measure) == others[0]
    with pytest.raises(BadInput, match="Name ARM/CLAUSE"):
        review.find(report, finding.clause)
    with pytest.raises(BadInput, match="no such finding"):
        review.find(report, name, rater="nobody")
