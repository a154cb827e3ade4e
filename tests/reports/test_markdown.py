"""The Markdown rendering, parsed by a parser of its own: same numbers, and no text becomes markup."""

from __future__ import annotations

import html
import re
from collections import Counter
from types import ModuleType

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from govaudit.reports.document import Report
from govaudit.reports.html import Page, render_html
from govaudit.reports.markdown import LONGEST_TEXT, WORST, fenced, inline, prose, render_markdown
from govaudit.reports.words import UNSEEN, VERDICTS, bound, percent, visible, words

EVERY = pytest.mark.parametrize("name", ["full", "small", "bare", "hostile"])
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.fixture(scope="module")
def reports(sample: ModuleType) -> dict[str, Report]:
    return {name: getattr(sample, name)() for name in ("full", "small", "bare", "hostile")}


@pytest.fixture(scope="module")
def texts(reports: dict[str, Report]) -> dict[str, str]:
    return {name: render_markdown(report) for name, report in reports.items()}


def flat(tokens: list[Token]) -> list[Token]:
    return [part for token in tokens for part in (token, *(token.children or ()))]


def shape(text: str) -> Counter[str]:
    """How many elements of each sort there are; texts and code are left out."""
    return Counter(
        token.type
        for token in flat(PARSER.parse(text))
        if token.type not in ("text", "code_inline", "softbreak")
    )


@EVERY
def test_the_same_report_gives_the_same_text(
    reports: dict[str, Report], texts: dict[str, str], name: str
) -> None:
    assert render_markdown(reports[name]) == texts[name]


def test_hostile_text_makes_no_element_that_tame_text_does_not_make(texts: dict[str, str]) -> None:
    tame, hostile = shape(texts["small"]), shape(texts["hostile"])
    assert not set(hostile) - set(tame)
    for element in (
        "table_open",
        "heading_open",
        "link_open",
        "image",
        "html_inline",
        "strong_open",
        "em_open",
    ):
        assert hostile[element] == tame[element], element
    assert hostile["link_open"] == hostile["image"] == hostile["html_inline"] == 0
    blocks = {t.content.strip() for t in PARSER.parse(texts["hostile"]) if t.type == "html_block"}
    assert blocks == {"<details><summary>One of the worst answers</summary>", "</details>"}


@EVERY
def test_rows_of_a_table_have_the_width_of_its_head(texts: dict[str, str], name: str) -> None:
    """A parser fills short rows and cuts long ones, so the lines themselves are counted."""
    width = 0
    for line in re.sub(r"(?ms)^(`{3,})text$.*?^\1$", "", texts[name]).splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        cells = line.count("|")
        width = width or cells
        assert cells == width


ATTACKS = [
    "*a* _b_ **c** ~~d~~ `e` ``f``",
    "[a](javascript:alert(1)) ![b](http://x.example/y.png) <http://x.example> [^1] [d]: http://x",
    "<script>alert(1)</script> <!-- --> </details> <a href=x>",
    "| a | b |\n| --- | --- |\n| c | d |",
    "\\| a \\\\| b |",
    "# title",
    "- item",
    "+ item",
    "1. item",
    "12) item",
    "> quote",
    "---",
    "===",
    "```\nfence\n```",
    "~~~\nfence\n~~~",
    "    code",
    "a\n\n# b\n\n- c",
    "&lt;b&gt; &#42;a&#42; &copy;",
    "a  \nb\\\nc",
    "$x$ $$y$$",
    "\u2028# x\x0b# y\x85# z\r# w",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_text_in_a_line_is_shown_as_it_is_and_makes_nothing(attack: str) -> None:
    for before, after in (("", ""), ("- ", ""), ("Says ", " and so on."), ("### ", ""), ("> - ", "")):
        text = f"{before}{inline(attack)}{after}"
        tame = f"{before}x{after}"
        assert shape(text) == shape(tame), text
        assert "\n" not in text
        said = "".join(t.content for t in flat(PARSER.parse(text)) if t.type in ("text", "code_inline"))
        assert " ".join(visible(attack).split()) in said
    table = f"| a | b |\n| --- | --- |\n| {inline(attack)} | x |\n"
    cells = [t.content for t in PARSER.parse(table) if t.type == "inline"]
    assert len(cells) == 4 and cells[3] == "x"
    assert shape(table) == shape("| a | b |\n| --- | --- |\n| y | x |\n")


@pytest.mark.parametrize(
    "text", ["https://x.example/a", "HTTP://X.example", "www.x.example", "me@x.example", "@team", "#12"]
)
def test_what_renderers_link_without_being_asked_is_broken_by_code(text: str) -> None:
    found = [t for t in flat(PARSER.parse(f"see {inline(text)} now")) if t.type == "text"]
    plain = "\0".join(token.content for token in found)
    assert not re.search(r"://|www\.|@|#\d", plain, re.IGNORECASE)


@pytest.mark.parametrize("attack", [*ATTACKS, "`a``b`", "`a|b`", "`@team`", "`x` | `y`", "` a `b`"])
def test_a_sentence_of_ours_makes_code_of_commands_and_of_nothing_else(attack: str) -> None:
    for before, after in (("", ""), ("- ", ""), ("Says ", " and so on."), ("> - ", "")):
        text = f"{before}{prose(attack)}{after}"
        assert shape(text) == shape(f"{before}x{after}"), text
    table = f"| a | b |\n| --- | --- |\n| {prose(attack)} | x |\n"
    assert shape(table) == shape("| a | b |\n| --- | --- |\n| y | x |\n")


def test_commands_limits_and_differences_stay_readable() -> None:
    assert (
        prose("see `govaudit gauge refusal`, `--scores FILE`")
        == "see `govaudit gauge refusal`, `--scores FILE`"
    )
    assert inline("kappa 1.00 [0.88, 1.00] on 120") == "kappa 1.00 [0.88, 1.00] on 120"
    assert inline("[1, 2](http)") != "[1, 2](http)"


def test_clauses_without_a_verdict_are_said_once_with_their_ids(
    reports: dict[str, Report], texts: dict[str, str]
) -> None:
    page = Page(reports["full"])
    aside = [clause for clause in page.clauses if clause.not_scored]
    said = [
        line
        for line in texts["full"].splitlines()
        if line.startswith("- ") and "no answer of a model" in line
    ]
    assert aside and all(sum(f"({clause.id})" in line for line in said) == 1 for clause in aside)


def test_ids_stay_readable() -> None:
    assert inline("do_not_lie") == "do_not_lie"
    assert inline("judge:lab/model-2.5 (v1)") == "judge:lab/model-2.5 (v1)"
    assert inline("_a_ b_") == "&#95;a&#95; b&#95;"


@pytest.mark.parametrize(
    "text", ["a", "```\nx\n```", "`````", "```text\n# x", "\n\n", "a\r\nb\x1b\u202e", "~~~"]
)
def test_a_fence_holds_any_text_as_it_is(text: str) -> None:
    (block,) = PARSER.parse(fenced(text))
    assert (block.type, block.info) == ("fence", "text")
    assert block.content == visible(text) + "\n"


def test_a_long_text_is_cut_in_sight() -> None:
    cut = fenced("a" * 5000 + "b" * 5000)
    assert f"[{10_000 - LONGEST_TEXT:,} characters left out; all are in report.json]" in cut
    assert len(cut) < LONGEST_TEXT + 100


def test_characters_that_hide_or_turn_text_are_code_points(texts: dict[str, str]) -> None:
    assert not UNSEEN.search(texts["hostile"])
    assert "⟨U+202E⟩" in texts["hostile"]


def table(text: str, first: str) -> list[list[str]]:
    """Rows of the tables whose head begins so, as plain text."""
    rows = []
    inside = False
    for line in text.splitlines():
        cells = (
            [html.unescape(cell.strip()) for cell in line.strip("|").split("|")]
            if line.startswith("|")
            else []
        )
        if not cells:
            inside = False
        elif cells[0] == first:
            inside = True
        elif inside and not cells[0].startswith("---"):
            rows.append(cells)
    return rows


@pytest.mark.parametrize("name", ["full", "small"])
def test_every_clause_and_arm_has_the_verdict_and_the_numbers_of_the_page(
    reports: dict[str, Report], texts: dict[str, str], name: str
) -> None:
    page = Page(reports[name])
    rows = table(texts[name], "Clause")
    expected = [row for clause in page.clauses if not clause.not_scored for row in page.rows[clause.id]]
    assert len(rows) == len(expected)
    for cells, row in zip(rows, expected, strict=True):
        assert f"({row.clause.id})" in cells[0]
        assert (cells[1], cells[2].split(" (")[0].strip("*")) == (row.arm, words(row.verdict, VERDICTS))
        finding = row.finding
        if finding is not None and finding.rate is not None:
            assert cells[4] == f"{percent(finding.rate)} [{percent(finding.low)}, {percent(finding.high)}]"
            assert cells[5:] == [
                bound(finding.tolerance),
                f"{finding.n:,}",
                f"{finding.clusters:,}",
                f"{finding.unscored:,}",
            ]


@pytest.mark.parametrize("name", ["full", "small", "bare"])
def test_every_interval_in_it_is_on_the_html_page_too(
    reports: dict[str, Report], texts: dict[str, str], name: str
) -> None:
    page = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", render_html(reports[name]))))
    shown = re.findall(r"[−<>\d.]+ \[[−<>\d.]+, [−<>\d.]+\]", html.unescape(texts[name]))
    assert shown or name == "bare"
    for number in shown:
        assert number in page, number


def test_no_rate_stands_without_an_interval_or_the_reason_for_having_none(texts: dict[str, str]) -> None:
    for name in ("full", "small"):
        for cells in (*table(texts[name], "Clause"), *table(texts[name], "Group")):
            rate = cells[4] if len(cells) == 9 else cells[3]
            assert rate == "–" or re.search(r"\[.+, .+\]|no interval: .|undefined: .", rate), rate


def test_counts_of_verdicts_are_those_of_the_page(reports: dict[str, Report], texts: dict[str, str]) -> None:
    page = Page(reports["full"])
    rows = table(texts["full"], "Arm")[: len(page.arms)]
    for arm, cells in zip(page.arms, rows, strict=True):
        assert cells[0] == arm
        assert [int(cell) for cell in cells[2:]] == [page.counts[arm].get(v, 0) for v in page.verdicts]


def test_the_clearest_violations_lead_with_evidence_and_the_rest_is_counted(
    reports: dict[str, Report], texts: dict[str, str]
) -> None:
    page, text = Page(reports["full"]), texts["full"]
    assert len(page.worst) > WORST
    part = text.split("## Where the evidence")[1].split("\n## ")[0]
    assert part.count("\n### ") == WORST
    for finding in page.worst[:WORST]:
        assert finding.worst_responses[0].answer.splitlines()[0] in part
    assert f"{len(page.worst) - WORST} further violations" in part
    assert "Where the evidence" not in texts["bare"]


def test_warnings_and_partial_runs_stand_before_any_verdict(texts: dict[str, str]) -> None:
    text = texts["small"]
    assert text.index("Only a part of the suite was run") < text.index("| Arm |")
    assert text.index("two model ids") < text.index("| Arm |")
    assert "Before you read on" not in texts["full"]


def test_a_rater_without_a_gauge_is_named_aloud(texts: dict[str, str]) -> None:
    rows = {cells[0]: cells[1] for cells in table(texts["full"], "Rater")}
    assert rows["likelihood:choice"] == "**no gauge**"


def test_58_clauses_and_3_arms_fit_into_a_comment_on_a_pull_request(
    reports: dict[str, Report], texts: dict[str, str]
) -> None:
    assert (len(reports["full"].clauses), len(reports["full"].arms)) == (58, 3)
    assert len(texts["full"]) < 65_536
