"""What suites show: checked when it is made, and the same numbers in every rendering and file."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType

import pytest
from markdown_it import MarkdownIt

from govaudit.reports import measurements
from govaudit.reports.html import render_html
from govaudit.reports.markdown import MOST_ROWS, render_markdown
from govaudit.reports.part import Estimate
from govaudit.reports.saving import save
from govaudit.reports.shown import Column, Curves, Line, Plane, Shown, Table
from govaudit.reports.suites import suites_of
from govaudit.reports.tables import render_table
from govaudit.reports.words import UNSEEN

Showing = Callable[[tuple[Shown, ...]], AbstractContextManager[None]]


def test_a_report_without_suites_shows_none(sample: ModuleType) -> None:
    assert suites_of(sample.bare()) == ()
    assert "## Measurements" not in render_markdown(sample.bare())


@pytest.mark.parametrize("name", ["", "../x", "a b", "a--b", "-a", "a/b", "ä"])
def test_an_id_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        Table(name, "caption", (), ())
    with pytest.raises(ValueError, match="letters, digits"):
        Shown(name, "title", ())


def test_two_tables_or_figures_of_one_name_are_refused() -> None:
    table = Table("a", "caption", (Column("x"),), ())
    with pytest.raises(ValueError, match="two tables or figures have the id 'a'"):
        Shown("s", "title", (), (table,), (Plane("a", "caption", "x", "y", ()),))


def test_rows_and_lines_of_the_wrong_length_are_refused() -> None:
    with pytest.raises(ValueError, match="has not 1 cells"):
        Table("a", "caption", (Column("x"),), (("1", "2"),))
    with pytest.raises(ValueError, match="not as many values"):
        Curves("a", "caption", "x", "y", (Line("l", (1.0,), ()),))


def test_markdown_has_claims_tables_and_the_numbers_of_the_page(sample: ModuleType, showing: Showing) -> None:
    with showing(sample.suites()):
        text, page = render_markdown(sample.small()), render_html(sample.small())
    for shown in sample.suites():
        assert f"### {shown.title}" in text
        for said in (*shown.claims, *shown.notes):
            assert f"- {said}" in text
    assert "| base | homonyms | 1,260 | 10.0 [5.0, 20.0] of 1,260 | 5.0 [−5.0, 15.0] |" in text
    assert "undefined: one class only" in text and "no interval: one cluster" in text
    for interval in ("[15.0, 30.0]", "[995, 1,085]", "[−8.0, 12.0]"):
        assert interval in text and interval in page


def test_hostile_words_of_suites_make_no_element_in_markdown_but_code(
    sample: ModuleType, showing: Showing
) -> None:
    with showing(sample.hostile_suites()):
        text = render_markdown(sample.hostile())
    assert not UNSEEN.search(text)
    with showing(sample.suites()):
        tame = render_markdown(sample.hostile())

    def shape(text: str) -> Counter[str]:
        tokens = MarkdownIt("gfm-like").parse(text)
        return Counter(
            t.type for token in tokens for t in (token, *(token.children or ())) if t.type != "text"
        )

    assert shape(text) - shape(tame) == Counter(
        {"code_inline": shape(text)["code_inline"] - shape(tame)["code_inline"]}
    )


def test_a_long_table_is_cut_in_markdown_and_whole_in_its_file(
    sample: ModuleType, showing: Showing, tmp_path: Path
) -> None:
    rows = tuple((f"phrase {i}", i) for i in range(MOST_ROWS + 7))
    table = Table("long", "Phrases", (Column("Phrase"), Column("Documents")), rows)
    with showing((Shown("s", "Suite", (), (table,)),)):
        save(sample.bare(), tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "7 further rows in measurements/s-long.csv." in text and "phrase 36 " not in text
    kept = (tmp_path / "measurements" / "s-long.csv").read_text(encoding="utf-8")
    assert len(kept.splitlines()) == MOST_ROWS + 8


def test_a_column_of_estimates_becomes_five_in_csv_with_numbers_in_full() -> None:
    third = Estimate(value=1 / 3, low=0.1, high=2 / 3, n=12)
    none = Estimate(value=None, undefined="=1+1")
    table = Table(
        "t", "c", (Column("Arm"), Column("Rate", "share"), Column("n")), (("a", third, 3), ("b", none, None))
    )
    head, first, second = csv.reader(io.StringIO(render_table(table), newline=""))
    assert head == ["Arm", "Rate", "Rate, low", "Rate, high", "Rate, n", "Rate, undefined", "n"]
    assert float(first[1]) == 1 / 3 and float(first[3]) == 2 / 3
    assert first[4:] == ["12", "", "3"]
    assert second == ["b", "", "", "", "", "'=1+1", ""]


def test_the_numbers_behind_every_figure_are_a_file(
    sample: ModuleType, showing: Showing, tmp_path: Path
) -> None:
    with showing(sample.suites()):
        save(sample.small(), tmp_path)
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
    files = sorted(path.name for path in (tmp_path / "measurements").iterdir())
    assert files == sorted(
        f"{shown.id}-{table.id}.csv" for shown in sample.suites() for table in measurements.tables(shown)
    )
    assert "elo-snapshots.csv" in files
    held = re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]*)" download="([^"]*)"', page)
    inside = {name: base64.b64decode(text) for text, name in held}
    beside = {name: (tmp_path / "measurements" / name).read_bytes() for name in files}
    assert inside == beside | {"findings.csv": (tmp_path / "findings.csv").read_bytes()}
    with (tmp_path / "measurements" / "elo-snapshots.csv").open(encoding="utf-8", newline="") as stream:
        assert len(list(csv.reader(stream))) == 25


def test_files_of_suites_that_a_report_no_longer_has_are_removed(
    sample: ModuleType, showing: Showing, tmp_path: Path
) -> None:
    with showing(sample.suites()):
        save(sample.bare(), tmp_path)
    with showing(sample.suites()[:1]):
        save(sample.bare(), tmp_path)
    assert {path.name.partition("-")[0] for path in (tmp_path / "measurements").iterdir()} == {"refusals"}
    with showing(()):
        save(sample.bare(), tmp_path / "fresh")
    assert not (tmp_path / "fresh" / "measurements").exists()
