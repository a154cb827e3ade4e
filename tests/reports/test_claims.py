"""Every verdict is an argument, and what would overturn it is what the verdict rule says."""

from __future__ import annotations

from types import ModuleType

import pytest
from pydantic import ValidationError

from govaudit.reports.claims import argued, fewest_to_lose, most_to_lose
from govaudit.reports.document import ClaimPart, Report
from govaudit.reports.limits import gaps, not_run
from govaudit.stats.intervals import clusters_to_exclude, lower_limit, upper_limit


@pytest.fixture(scope="module")
def report(sample: ModuleType) -> Report:
    made: Report = sample.full()
    return made


def test_each_verdict_that_accuses_or_certifies_has_one_claim_with_its_falsifier(report: Report) -> None:
    found = {
        (f.arm, f.clause) for f in report.findings if f.deciding and f.verdict in ("violated", "compliant")
    }
    assert {(claim.arm, claim.clause) for claim in report.claims} == found
    assert len(report.claims) == len(found) > 10
    assert all(claim.settle and claim.carries and claim.premise for claim in report.claims)


def test_a_claim_without_what_would_settle_it_is_refused() -> None:
    with pytest.raises(ValidationError, match="settle"):
        ClaimPart(
            arm="a", clause="c", verdict="violated", claim="It does.", carries=("n",), premise="p", settle=()
        )


@pytest.mark.parametrize(("n", "tolerance"), [(20, 0.05), (59, 0.05), (138, 0.05), (300, 0.01)])
def test_as_many_as_would_overturn_an_accusation_do_so_and_one_more_does_not(
    n: int, tolerance: float
) -> None:
    k = most_to_lose(n, tolerance)
    clusters = list(range(n))
    assert lower_limit([1.0] * k + [0.0] * (n - k), clusters) <= tolerance
    assert lower_limit([1.0] * (k + 1) + [0.0] * (n - k - 1), clusters) > tolerance


@pytest.mark.parametrize(("n", "tolerance"), [(59, 0.05), (138, 0.05), (400, 0.01)])
def test_as_many_as_would_overturn_a_certificate_do_so_and_one_fewer_does_not(
    n: int, tolerance: float
) -> None:
    k = fewest_to_lose(n, tolerance)
    clusters = list(range(n))
    assert n >= clusters_to_exclude(tolerance)
    assert upper_limit([1.0] * k + [0.0] * (n - k), clusters) > tolerance
    assert upper_limit([1.0] * (k - 1) + [0.0] * (n - k + 1), clusters) <= tolerance


def test_the_clearest_violation_leads(report: Report) -> None:
    limits = {(f.arm, f.clause): (f.lower_limit or 0.0) - f.tolerance for f in report.findings if f.deciding}
    margins = [limits[claim.arm, claim.clause] for claim in report.claims if claim.verdict == "violated"]
    assert margins == sorted(margins, reverse=True)


def test_what_would_change_the_conclusion_names_tolerance_probes_and_reviews(
    report: Report, sample: ModuleType
) -> None:
    said = " ".join(report.changes)
    assert "A tolerance twice as large" in said
    assert "More probes" in said
    assert "disputed" not in said
    assert "1 finding is disputed" in " ".join(sample.small().changes)


def test_arguing_twice_changes_nothing(report: Report) -> None:
    assert argued(report) == report


def test_limits_name_what_was_not_run(report: Report) -> None:
    said = " ".join(not_run(report))
    assert "no answer was judged by two" in said
    assert "system text" not in said, "an arm of this report has one"
    assert "comparisons of answers (Elo)" in said
    assert gaps(report)[0].startswith(f"Of {len(report.clauses)} clauses: ")
