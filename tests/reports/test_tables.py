"""The findings as CSV: every number in full, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from types import ModuleType

import pandas as pd
import pytest

from govaudit.reports.document import Report
from govaudit.reports.part import Estimate
from govaudit.reports.tables import COLUMNS, render_csv
from govaudit.reports.words import UNSEEN

EVERY = pytest.mark.parametrize("name", ["full", "small", "bare", "hostile"])


@pytest.fixture(scope="module")
def reports(sample: ModuleType) -> dict[str, Report]:
    return {name: getattr(sample, name)() for name in ("full", "small", "bare", "hostile")}


def rows(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_csv(report), newline="")))


@EVERY
def test_one_row_for_each_finding_in_its_order(reports: dict[str, Report], name: str) -> None:
    report = reports[name]
    text = render_csv(report)
    assert text == render_csv(report)
    (head, *body) = list(csv.reader(io.StringIO(text, newline="")))
    assert tuple(head) == COLUMNS
    assert len(body) == len(report.findings)
    assert {len(row) for row in body} <= {len(COLUMNS)}


def test_every_number_reads_back_exactly(reports: dict[str, Report]) -> None:
    report = reports["full"]
    digest = report.canonical_digest
    for row, finding in zip(rows(report), report.findings, strict=True):
        assert (row["arm"], row["clause"], row["rater"]) == (finding.arm, finding.clause, finding.rater)
        for name in (
            "n", "clusters", "rate", "low", "high", "unscored", "best", "worst", "tolerance", "lower_limit",
            "upper_limit", "more_clusters",
        ):  # fmt: skip
            value = getattr(finding, name)
            assert (float(row[name]) if row[name] else None) == value, name
        assert row["verdict"] == (finding.verdict or "")
        assert row["deciding"] == str(finding.deciding).lower()
        assert row["report_digest"] == digest


def test_a_data_frame_of_it_has_numbers_and_gaps(reports: dict[str, Report]) -> None:
    frame = pd.read_csv(io.StringIO(render_csv(reports["full"])))
    assert frame["rate"].dtype == float and frame["n"].dtype == int
    assert frame["rate"].isna().any()
    scored = frame[frame["rate"].notna()]
    least = 1e-9  # an interval's formula may end a rounding error short of a rate of 0 or 1
    assert (scored["low"] <= scored["rate"] + least).all()
    assert (scored["rate"] <= scored["high"] + least).all()


def test_no_rate_stands_without_its_interval(reports: dict[str, Report]) -> None:
    for row in rows(reports["full"]):
        assert bool(row["rate"]) == bool(row["low"]) == bool(row["high"])


def test_the_gauge_of_a_finding_is_the_one_that_its_verdict_rests_on(reports: dict[str, Report]) -> None:
    report = reports["full"]
    judge = report.raters[0]
    own = judge.gauges[0].model_copy(
        update={"arm": "base", "n": 7, "kappa": Estimate(value=0.5, low=0.25, high=0.75)}
    )
    report = report.model_copy(
        update={"raters": (judge.model_copy(update={"gauges": (*judge.gauges, own)}), *report.raters[1:])}
    )
    for row in rows(report):
        if row["rater"] == judge.id and row["n"] != "0":
            expected = "7" if row["arm"] == "base" else str(judge.gauges[0].n)
            assert row["gauge_n"] == expected
        if row["rater"] == "likelihood:choice":
            assert row["gauge_n"] == row["gauge_kappa"] == ""


@pytest.mark.parametrize(
    "attack", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＠SUM(A1)", "'=1"]
)
def test_no_cell_runs_in_a_spreadsheet(reports: dict[str, Report], attack: str) -> None:
    report = reports["bare"]
    full = reports["full"]
    clause = full.clauses[0].model_copy(update={"title": attack, "section": attack, "id": attack})
    finding = full.findings[0].model_copy(update={"clause": attack, "rater": attack, "arm": attack})
    report = full.model_copy(update={"clauses": (clause,), "findings": (finding,), "run": attack})
    (row,) = rows(report)
    for name in ("run", "arm", "clause", "title", "section", "rater"):
        assert not row[name].startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠")), name
        assert row[name].startswith(("'", "⟨"))


def test_negative_numbers_stay_numbers(reports: dict[str, Report]) -> None:
    full = reports["full"]
    gauge = full.raters[0].gauges[0].model_copy(update={"kappa": Estimate(value=-0.1, low=-0.3, high=0.1)})
    raters = (full.raters[0].model_copy(update={"gauges": (gauge,)}), *full.raters[1:])
    found = {row["gauge_kappa"] for row in rows(full.model_copy(update={"raters": raters}))}
    assert "-0.1" in found


def test_hostile_text_stays_in_its_cell(reports: dict[str, Report]) -> None:
    text = render_csv(reports["hostile"])
    assert not UNSEEN.search(text.replace("\r\n", ""))
    assert {row["arm"][:4] for row in rows(reports["hostile"])} == {"base", "prom"}
