"""The HTML report: complete, self-contained, safe with hostile text, readable by everybody, stable."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from govaudit import library
from govaudit.evals.suite import ProbeOrigin
from govaudit.records import Unscored
from govaudit.reports import words
from govaudit.reports.document import Report
from govaudit.reports.html import LONGEST_TEXT, Page, agreement, dumps, prose, rate, render_html, shown
from govaudit.reports.part import Estimate
from govaudit.reports.saving import save
from govaudit.reports.shown import Shown
from govaudit.stats.verdict import Reason, Verdict

VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Node:
    """One element of a parsed page."""

    tag: str
    attributes: dict[str, str | None]
    children: list[Node | str] = field(default_factory=list)

    def all(self, *tags: str) -> list[Node]:
        found = []
        for child in self.children:
            if isinstance(child, Node):
                found += [child] if child.tag in tags or not tags else []
                found += child.all(*tags)
        return found

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def get(self, name: str) -> str:
        return self.attributes.get(name) or ""

    @property
    def classes(self) -> set[str]:
        return set(self.get("class").split())


class Reader(HTMLParser):
    """Builds the tree and fails on tags that do not balance."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("#", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute of {tag} is given twice"
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(text: str) -> Node:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert len(reader.open) == 1, f"{reader.open[-1].tag} is not closed"
    return reader.root


@pytest.fixture(scope="module")
def reports(sample: ModuleType) -> dict[str, Report]:
    return {name: getattr(sample, name)() for name in ("full", "small", "bare", "hostile")}


@pytest.fixture(scope="module")
def texts(
    reports: dict[str, Report],
    sample: ModuleType,
    showing: Callable[[tuple[Shown, ...]], AbstractContextManager[None]],
) -> dict[str, str]:
    found = {name: render_html(report) for name, report in reports.items()}
    with showing(sample.suites()):
        found["measured"] = render_html(reports["small"])
    with showing(sample.hostile_suites()):
        found["hostile-measured"] = render_html(reports["hostile"])
    return found


@pytest.fixture(scope="module")
def pages(texts: dict[str, str]) -> dict[str, Node]:
    return {name: read(text) for name, text in texts.items()}


EVERY = pytest.mark.parametrize("name", ["full", "small", "bare", "hostile"])
EVERY_PAGE = pytest.mark.parametrize(
    "name", ["full", "small", "bare", "hostile", "measured", "hostile-measured"]
)


@EVERY
def test_the_same_report_gives_the_same_page(
    reports: dict[str, Report], texts: dict[str, str], name: str
) -> None:
    assert render_html(reports[name]) == texts[name]


@EVERY_PAGE
def test_nothing_is_loaded_and_nothing_runs(pages: dict[str, Node], name: str) -> None:
    page = pages[name]
    for tag in (
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "audio",
        "video",
        "source",
    ):
        assert not page.all(tag), tag
    for node in page.all():
        assert not [a for a in node.attributes if a.startswith("on") or a in ("style", "src", "srcset")], (
            node.tag
        )
        if "href" in node.attributes and node.tag == "use":
            assert node.get("href").startswith("#")
        elif "href" in node.attributes:
            own = ("#", "https://fernhill.example/", "data:text/csv;charset=utf-8;base64,")
            assert node.get("href").startswith(own)
            assert ("download" in node.attributes) is node.get("href").startswith("data:")
    style = page.all("style")[0].text
    assert not re.search(r"@import|url\(|@font-face|expression\(", style)


@EVERY_PAGE
def test_the_content_policy_forbids_everything_but_the_one_style_sheet(
    pages: dict[str, Node], name: str
) -> None:
    (policy,) = [
        node.get("content")
        for node in pages[name].all("meta")
        if node.get("http-equiv") == "Content-Security-Policy"
    ]
    (style,) = pages[name].all("style")
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


@pytest.mark.parametrize("name", ["hostile", "hostile-measured"])
def test_hostile_text_is_shown_as_text_in_full(sample: ModuleType, pages: dict[str, Node], name: str) -> None:
    seen = pages[name].text
    for part in (
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(2)>",
        "<svg onload=alert(3)>",
        "[x](javascript:alert(5))",
        "{{ 7*7 }}",
        "&lt;b&gt;",
        "👩‍🚀🏳️‍🌈",
        "עברית",
    ):
        assert part in sample.ATTACK
        assert seen.count(part) > 100


def test_an_address_that_is_not_of_the_web_is_no_link(pages: dict[str, Node]) -> None:
    assert not [node for node in pages["hostile"].all() if "javascript:" in node.get("href")]
    assert "javascript:alert(6)" in pages["hostile"].text
    assert words.web("https://fernhill.example/a?b=c#d") is not None
    for address in (
        "javascript:alert(1)",
        "data:text/html,x",
        "https://a b",
        'https://a"b',
        " https://a",
        "//a",
        None,
    ):
        assert words.web(address) is None


def test_characters_that_hide_or_turn_text_appear_as_code_points_only(texts: dict[str, str]) -> None:
    assert not words.UNSEEN.search(texts["hostile"]) and not words.UNSEEN.search(texts["hostile-measured"])
    for code in ("0000", "0007", "001B", "0085", "202E", "2066", "200B", "2028", "E0041", "FFFE"):
        assert f"U+{code}" in texts["hostile"]


def test_marks_that_scripts_and_emoji_need_are_left_alone() -> None:
    for text in ("👩‍🚀", "❤️", "می‌خواهم", "क्‍ष", "tab\tand\nline"):
        assert words.visible(text) == text
    assert words.visible("a\r\nb") == "a\nb"
    assert words.visible("a\rb") == "a⟨U+000D⟩b"


def test_a_long_text_is_cut_in_sight_and_says_how_much_is_missing() -> None:
    text = "a" * LONGEST_TEXT + "b" * 12_345 + "c" * LONGEST_TEXT
    cut = str(shown(text))
    left = len(text) - LONGEST_TEXT
    assert f"[{left:,} characters left out; all are in report.json]" in cut
    assert cut.count("a") > LONGEST_TEXT // 2 and cut.endswith("c")
    assert str(shown("a" * LONGEST_TEXT)) == "a" * LONGEST_TEXT


@EVERY_PAGE
def test_ids_are_unique_and_every_inner_link_has_its_target(pages: dict[str, Node], name: str) -> None:
    nodes = pages[name].all()
    ids = Counter(node.get("id") for node in nodes if "id" in node.attributes)
    assert not [i for i, n in ids.items() if n > 1]
    assert not [i for i in ids if re.search(r"\s", i)]
    for node in nodes:
        if node.get("href").startswith("#"):
            assert node.get("href")[1:] in ids
        for target in node.get("aria-labelledby").split():
            assert target in ids


@EVERY_PAGE
def test_headings_go_down_one_level_at_a_time(pages: dict[str, Node], name: str) -> None:
    levels = [int(node.tag[1]) for node in pages[name].all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@EVERY_PAGE
def test_tables_have_captions_scoped_headers_and_rows_of_one_width(pages: dict[str, Node], name: str) -> None:
    for table in pages[name].all("table"):
        assert table.all("caption")[0].text.strip()
        assert all(node.get("scope") in ("col", "row", "rowgroup") for node in table.all("th"))
        open_rows: list[int] = []
        widths = set()
        for row in table.all("tr"):
            cells = [node for node in row.children if isinstance(node, Node)]
            own = sum(int(cell.get("colspan") or 1) for cell in cells)
            widths.add(own + sum(rows > 0 for rows in open_rows))
            open_rows = [rows - 1 for rows in open_rows if rows > 1]
            open_rows += [int(cell.get("rowspan")) - 1 for cell in cells if int(cell.get("rowspan") or 1) > 1]
        assert len(widths) == 1, table.all("caption")[0].text


@EVERY_PAGE
def test_figures_say_in_words_what_they_show_or_are_hidden_from_readers_of_words(
    pages: dict[str, Node], name: str
) -> None:
    for svg in pages[name].all("svg"):
        if svg.get("aria-hidden") != "true":
            assert svg.get("role") == "img"
            assert svg.all("title")[0].text.strip()


def test_the_page_can_be_used_with_the_keyboard(pages: dict[str, Node], texts: dict[str, str]) -> None:
    body = pages["full"].all("body")[0]
    first = next(node for node in body.all("a"))
    assert "skip" in first.classes and first.get("href") == "#summary"
    assert ":focus-visible" in texts["full"]
    for node in pages["full"].all("details"):
        assert isinstance(node.children[0], Node | str) and node.all("summary")
    for node in pages["full"].all("div"):
        if node.get("role") == "region":
            assert node.get("tabindex") == "0" and node.get("aria-label")


@EVERY
def test_every_clause_arm_and_rater_is_on_the_page(
    reports: dict[str, Report], pages: dict[str, Node], name: str
) -> None:
    report, page = reports[name], pages[name]
    seen = page.text
    for text in (
        *(clause.text for clause in report.clauses),
        *(clause.locator for clause in report.clauses),
        *(rater.id for rater in report.raters),
        *(arm.model for arm in report.arms),
        *report.not_tested,
        *report.methods,
        *report.warnings,
        report.spec.version,
        report.spec.digest,
        report.canonical_digest,
    ):
        # Marked code points stand between brackets in attributes and plain text, in a frame in bodies of text.
        plain = re.sub(r"[⟨⟩]", "", words.visible(text))
        assert plain in re.sub(r"[⟨⟩]", "", seen)


def test_the_clause_table_has_one_row_for_each_clause_and_arm_in_the_order_of_the_spec(
    reports: dict[str, Report], pages: dict[str, Node]
) -> None:
    report = reports["full"]
    (table,) = [t for t in pages["full"].all("table") if "forest" in t.classes]
    rows = [row for row in table.all("tr") if row.classes & {"first", "more"}]
    aside = [clause for clause in report.clauses if clause.not_scored is not None]
    assert aside
    # What cannot be scored is said once, not arm by arm.
    assert len(rows) == (len(report.clauses) - len(aside)) * len(report.arms) + len(aside)
    links = [link.get("href") for link in table.all("a")]
    assert links == [f"#clause-{clause.id}" for clause in report.clauses]


@pytest.mark.parametrize("name", ["full", "small"])
def test_verdicts_in_the_clause_table_add_up_to_the_counts_in_the_document(
    reports: dict[str, Report], name: str
) -> None:
    report = reports[name]
    page = Page(report)
    for place, arm in enumerate(page.arms):
        counted = Counter(rows[place].verdict for rows in page.rows.values())
        assert {verdict: n for verdict, n in page.counts[arm].items() if n} == dict(counted)
        assert sum(page.counts[arm].values()) == len(report.clauses)


@EVERY_PAGE
def test_no_rate_stands_without_its_interval_or_the_reason_for_having_none(
    pages: dict[str, Node], name: str
) -> None:
    for table in pages[name].all("table"):
        for cell in table.all("td"):
            if "c-rate" in cell.classes:
                text = cell.text.strip()
                assert text == "–" or re.search(r"\[.+, .+\]|no interval: .|undefined: .", text)


def test_a_number_without_interval_says_why() -> None:
    assert "no interval: one cluster" in rate(Estimate(value=0.5, undefined="one cluster"))
    assert "undefined: one class" in agreement(Estimate(value=None, undefined="one class"))
    assert "&lt;b&gt;" in rate(Estimate(value=None, undefined="<b>"))
    assert "undefined" in rate(Estimate(value=float("nan"), low=0.1, high=0.2))


@EVERY_PAGE
def test_the_word_compliant_is_only_ever_a_verdict(pages: dict[str, Node], name: str) -> None:
    def strip(node: Node) -> str:
        if "v" in node.classes or node.tag in ("style", "title"):
            return ""
        return "".join(child if isinstance(child, str) else strip(child) for child in node.children)

    outside = strip(pages[name])
    for text in (
        "compliant by false discovery rate",  # a sentence of the document itself, in its methods
    ):
        outside = outside.replace(text, "")
    assert not re.search(r"complian", outside, re.IGNORECASE)


def test_a_rater_without_gauge_is_named_aloud(pages: dict[str, Node]) -> None:
    loud = [node for node in pages["full"].all("p") if "loud" in node.classes]
    assert len(loud) == 1
    assert "was never compared with people" in loud[0].text


def test_partial_runs_and_warnings_stand_before_any_verdict(
    reports: dict[str, Report], texts: dict[str, str]
) -> None:
    text = texts["small"]
    assert text.index("Only a part of the suite was run") < text.index('class="arms-said"')
    for warning in reports["small"].warnings:
        assert text.index(warning) < text.index('class="arms-said"')
    assert 'class="banner"' not in texts["full"]


def test_a_warning_that_report_and_arm_both_give_is_shown_once(reports: dict[str, Report]) -> None:
    report = reports["bare"]
    text = "arm base: the endpoint reported 2 model ids"
    arm = report.arms[0].model_copy(update={"warnings": (text,)})
    both = report.model_copy(update={"arms": (arm,), "warnings": (text,)})
    assert Page(both).warnings == [text]
    assert Page(both.model_copy(update={"warnings": ()})).warnings == [f"Arm base: {text}"]


def test_a_failed_or_missing_control_set_is_said_with_the_verdicts(pages: dict[str, Node]) -> None:
    (said,) = [node for node in pages["full"].all("ul") if "arms-said" in node.classes]
    assert "Failed the control set, 17 of 20, so it gets no compliant" in said.text
    (said,) = [node for node in pages["small"].all("ul") if "arms-said" in node.classes]
    assert "Was not put to a control set, so it gets no compliant" in said.text


def test_a_response_that_two_lists_hold_is_shown_in_full_once(
    reports: dict[str, Report], pages: dict[str, Node]
) -> None:
    page = Page(reports["full"])
    shown = [entry for clause in page.clauses for half in page.evidence(clause) for entry in half]
    repeated = [item for _, items in shown for item in items if item.first]
    assert repeated
    again = [node for node in pages["full"].all("p") if "again" in node.classes]
    assert len(again) == len(repeated)


def test_persons_are_folded_where_their_majority_is_a_rater(reports: dict[str, Report]) -> None:
    report = reports["full"]
    person, people = (report.raters[0].model_copy(update={"id": name}) for name in ("person:ann", "people"))
    first = report.findings[0]
    theirs = [
        first.model_copy(update={"rater": name, "deciding": False}) for name in ("person:ann", "people")
    ]
    findings = (*report.findings, *theirs)
    alone = Page(report.model_copy(update={"raters": (*report.raters, person), "findings": findings}))
    beside = Page(
        report.model_copy(update={"raters": (*report.raters, person, people), "findings": findings})
    )
    clause = beside.clause[first.clause]
    assert [group[0].rater for group in beside.persons(clause)] == ["person:ann"]
    assert len(beside.spoken(clause)) == len(alone.spoken(clause)) - 1
    assert alone.persons(clause) == []


def test_raters_stand_side_by_side_on_what_most_of_them_were_gauged_on(reports: dict[str, Report]) -> None:
    report = reports["full"]
    page = Page(report)
    assert len({gauge.gold for _, gauge in page.side_by_side}) == 1
    assert all(gauge.arm is None for _, gauge in page.side_by_side)
    values = [gauge.kappa.value or 0.0 for _, gauge in page.side_by_side]
    assert values == sorted(values, reverse=True)


def test_the_worst_violations_lead_and_those_of_other_verdicts_are_not_among_them(
    reports: dict[str, Report],
) -> None:
    worst = Page(reports["full"]).worst
    assert worst and all(finding.verdict == "violated" for finding in worst)
    margins = [(finding.lower_limit or 0) - finding.tolerance for finding in worst]
    assert margins == sorted(margins, reverse=True)


def test_names_that_are_no_plain_words_get_anchors_that_differ(reports: dict[str, Report]) -> None:
    anchors = Page._anchors("clause", ["a b", "a-b", "a_b", "ä b", "", "<x>"])
    assert len(set(anchors.values())) == 6
    assert all(re.fullmatch(r"clause-[A-Za-z0-9_.-]+", anchor) for anchor in anchors.values())


def test_every_code_of_a_reason_has_a_sentence() -> None:
    assert set(words.REASONS) >= {reason.value for reason in Reason}


def test_every_code_of_a_missing_judgement_verdict_and_origin_has_words() -> None:
    assert set(words.UNSCORED) == {reason.value for reason in Unscored}
    assert set(words.ORIGINS) == {origin.value for origin in ProbeOrigin}
    assert set(words.VERDICTS) >= {verdict.value for verdict in Verdict}


def test_a_code_of_a_later_version_is_shown_as_it_is(pages: dict[str, Node]) -> None:
    assert "a code of tomorrow" in pages["small"].text
    assert "1 a reason of tomorrow" in pages["small"].text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0.0"),
        (0.0004, "<0.1"),
        (1e-17, "0.0"),
        (0.0123, "1.2"),
        (0.9996, ">99.9"),
        (1, "100.0"),
        (-0.031, "−3.1"),
        (-0.0004, ">−0.1"),
        (-1e-17, "0.0"),
        (None, "–"),
    ],
)
def test_only_what_is_nothing_or_all_is_rounded_to_it(share: float | None, text: str) -> None:
    assert words.percent(share) == text


def test_times_are_written_out_and_unreadable_ones_left_alone() -> None:
    assert words.when("2025-11-21T10:14:09Z") == "21 November 2025, 10:14 UTC"
    assert words.when("2025-11-21T10:14:09+02:00") == "21 November 2025, 10:14"
    assert words.when("yesterday") == "yesterday"


def test_measurements_stand_between_groups_and_coverage_and_in_the_contents(pages: dict[str, Node]) -> None:
    def sections(name: str) -> list[str]:
        return [node.get("id") for node in pages[name].all("section")]

    def contents(name: str) -> list[str]:
        (nav,) = pages[name].all("nav")
        return [link.get("href")[1:] for link in nav.all("a")]

    place = sections("measured").index("measurements")
    assert sections("measured")[place - 1 : place + 2] == ["groups", "measurements", "coverage"]
    for name in ("measured", "small"):
        assert contents(name) == sections(name)
        numbers = [h.all("span")[0].text for h in pages[name].all("h2")]
        assert numbers == [str(n) for n in range(1, len(sections(name)) + 1)]
    assert "measurements" not in sections("small")


def test_every_suite_says_its_claims_first_and_its_notes_last(
    sample: ModuleType, pages: dict[str, Node]
) -> None:
    blocks = [node for node in pages["measured"].all("article") if "suite" in node.classes]
    assert [block.all("h3")[0].text for block in blocks] == [shown.title for shown in sample.suites()]
    for block, suite in zip(blocks, sample.suites(), strict=True):
        texts = [
            *suite.claims,
            *(f.caption for f in suite.figures),
            *(t.caption for t in suite.tables),
            *suite.notes,
        ]
        places = [block.text.index(text) for text in texts]
        assert places == sorted(places)


def test_the_rows_of_a_suite_hold_the_numbers_with_intervals_and_what_is_missing_with_the_reason(
    pages: dict[str, Node],
) -> None:
    (table,) = [
        t for t in pages["measured"].all("table") if t.all("caption")[0].text == "Refusals by type of prompt"
    ]
    heads = [head.text for head in table.all("thead")[0].all("th")]
    assert heads[3] == "Refused, % [95 %]" and heads[4].startswith("Refused: interval on a common axis, %")
    first, third = (table.all("tbody")[0].all("tr")[i] for i in (0, 2))
    cells = [node.text for node in first.all("th", "td")]
    assert cells[:4] == ["base", "homonyms", "1,260", "10.0 [5.0, 20.0] of 1,260"]
    assert cells[5] == "5.0 [−5.0, 15.0]"
    assert "undefined: one class only" in third.text
    (drawn,) = first.all("td")[3].all("line")
    assert (drawn.get("x1"), drawn.get("x2")) == ("10%", "40%")  # 5 to 20 % on an axis to 50 %


def test_a_table_without_rows_says_so(pages: dict[str, Node]) -> None:
    (table,) = [
        t for t in pages["measured"].all("table") if t.all("caption")[0].text == "Phrases that nobody used"
    ]
    assert "nothing to list" in table.text


def test_a_point_without_a_value_is_named_and_not_drawn(pages: dict[str, Node]) -> None:
    (figure,) = [node for node in pages["measured"].all("figure") if node.get("id") == "suite-refusals-plane"]
    assert "Not drawn, for want of a value: supervised." in figure.text
    dots = figure.all("circle")
    assert Counter(node.get("class") for node in dots) == {"pt": 2, "pt-o": 1}
    (none,) = [node for node in pages["measured"].all("figure") if node.get("id") == "suite-elo-none"]
    assert "Nothing to draw" in none.text and not none.all("svg")


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    if len(colour) == 4:
        colour = "#" + "".join(2 * c for c in colour[1:])
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def themes() -> dict[str, dict[str, str]]:
    css = library.read("reports", "style.css")
    blocks = [
        dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{3,6})", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.S)
    ]
    light, dark, printed = [block for block in blocks if "paper" in block]
    return {"light": light, "dark": dark, "print": light | printed}


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_text_and_figures_have_the_contrast_that_wcag_asks_for(theme: str) -> None:
    colours = themes()[theme]
    for ink in (
        "ink",
        "soft",
        "link",
        "violated",
        "compliant",
        "inconclusive",
        "untested",
        "warn",
        "tolerance",
    ):
        assert contrast(colours[ink], colours["paper"]) >= 4.5, ink
    for ink in ("ink", "soft", "warn"):
        assert contrast(colours[ink], colours["panel"]) >= 4.5, ink
    for ink in ("ink", "warn"):
        assert contrast(colours[ink], colours["warn-panel"]) >= 4.5, ink


def test_colours_exist_in_every_theme_under_the_same_names() -> None:
    light, dark, printed = themes().values()
    assert set(light) == set(dark) == set(printed)


def test_a_report_of_58_clauses_and_3_arms_stays_below_3_megabytes(
    reports: dict[str, Report], texts: dict[str, str]
) -> None:
    assert (len(reports["full"].clauses), len(reports["full"].arms)) == (58, 3)
    assert len(texts["full"].encode()) < 3_000_000


def test_a_sentence_of_ours_has_its_commands_as_code_and_nothing_else_as_markup() -> None:
    assert prose("told by `govaudit gauge refusal`.") == "told by <code>govaudit gauge refusal</code>."
    assert prose("<b>`<i>`</b> `a|b`") == "&lt;b&gt;`&lt;i&gt;`&lt;/b&gt; `a|b`"
    assert prose("`a\u202eb`") == "`a⟨U+202E⟩b`"


def test_a_reader_may_bring_a_style_sheet_of_their_own(reports: dict[str, Report], tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("body { color: #123456 }\n", encoding="utf-8")
    assert "#123456" in render_html(reports["bare"], tmp_path)


def test_saving_writes_all_forms_and_nothing_else(reports: dict[str, Report], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    save(reports["small"], folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "findings.csv",
        "junit.xml",
        "report.html",
        "report.json",
        "report.md",
    ]
    assert (folder / "report.html").read_text(encoding="utf-8") == render_html(reports["small"])


@EVERY
def test_the_machine_readable_report_reads_back_as_the_same_report(
    reports: dict[str, Report], tmp_path: Path, name: str
) -> None:
    save(reports[name], tmp_path)
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    back = Report.model_validate_json(text)
    assert back == reports[name]
    assert back.canonical_digest == reports[name].canonical_digest
    assert dumps(back) == text
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_a_report_that_cannot_be_rendered_leaves_the_old_files_alone(
    reports: dict[str, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(reports["bare"], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(library, "read", lambda *_: "{{ no_such_name }}")
    with pytest.raises(Exception, match="no_such_name"):
        save(reports["small"], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_write_that_breaks_off_leaves_the_old_files_whole(
    reports: dict[str, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(reports["bare"], tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in ("report.json", "report.html")}

    def full_disk(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save(reports["small"], tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
