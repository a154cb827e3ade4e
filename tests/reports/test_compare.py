"""Comparisons: what may be scored against what, tests that hold together, and no number without its interval."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from reports.compared import run, spec
from rich.console import Console

from govaudit.errors import BadInput
from govaudit.reports.compare import build, saving, three_way
from govaudit.reports.compare.document import Comparison, schema
from govaudit.reports.compare.html import Page, render_html
from govaudit.reports.compare.markdown import render_markdown
from govaudit.reports.compare.terminal import print_comparison
from govaudit.reports.compare.three_way import Share
from govaudit.reports.words import percent
from govaudit.specs import alignment
from govaudit.specs.alignment import Group, Mapping, Member
from govaudit.specs.model import Level

NONE = Mapping(schema_version="1.0", groups=())


def mapped(*relations: str) -> Mapping:
    """Clause ``kind`` of the spec charter, and ``warm`` of the spec oath, in one group."""
    members = [("charter", "kind"), ("oath", "warm")]
    return Mapping(
        schema_version="1.0",
        groups=(
            Group(
                id="kindness",
                statement="Is kind.",
                members=tuple(
                    Member(spec=name, version="1", clause=clause, relation=relation)  # type: ignore[arg-type]
                    for (name, clause), relation in zip(members, relations, strict=True)
                ),
            ),
        ),
    )


def of_arms(comparison: Comparison, first: str, second: str) -> list[tuple[str, float | None, bool]]:
    return [
        (part.statement, part.difference.value, part.paired)
        for part in comparison.differences
        if {part.first, part.second} == {first, second}
    ]


@pytest.fixture(scope="module")
def three() -> Comparison:
    """One run of three arms on two clauses: ``bad`` breaks one of them nearly always."""
    said = {
        "good": {"kind": [0] * 60, "true": [0] * 40},
        "bad": {"kind": [1] * 55 + [0] * 5, "true": [0] * 39 + [1]},
        "middling": {"kind": [0] * 59 + [1], "true": [0] * 40},
    }
    return build.build([run(spec("kind", "true", "unprobed"), said, right={"good": 12, "bad": 12})], NONE)


# The matrix


def test_an_arm_of_two_runs_is_one_column_and_a_repeated_one_two() -> None:
    one, other = spec("kind"), spec("kind", "true")
    first = run(one, {"a": {"kind": [0, 1]}}, name="x", digests={"a": "d"})
    second = run(other, {"a": {"kind": [0, 1]}}, name="y", digests={"a": "d"})
    third = run(other, {"a": {"kind": [0, 1]}}, name="z", digests={"a": "d"})
    assert [arm.label for arm in build.build([first, run(other, {"b": {"true": [0]}})], NONE).arms] == [
        "a",
        "b",
    ]
    assert [arm.label for arm in build.build([second, third], NONE).arms] == ["a (y)", "a (z)"]


def test_what_only_one_spec_declares_is_shown_and_scored_against_nobody() -> None:
    ours = run(spec("kind", "true"), {"a": {"kind": [0] * 30, "true": [1] * 30}}, name="ours")
    theirs = run(
        spec("warm", "brief", id="oath"), {"b": {"warm": [1] * 30, "brief": [0] * 30}}, name="theirs"
    )
    found = build.build([ours, theirs], mapped("same", "same"))
    shared = {row.id: row for row in found.statements}
    assert shared["kindness"].shared and not shared["charter/true"].shared
    assert {cell.arm for cell in shared["charter/true"].observed} == {"a"}
    assert {part.statement for part in found.differences} == {"kindness"}
    assert any("declared by charter 1 alone" in text for text in found.not_compared)
    page = render_html(found)
    assert "Declared by charter alone" in page and "Declared by oath alone" in page


def test_clauses_that_ask_less_or_more_stand_side_by_side_and_are_not_tested() -> None:
    ours = run(spec("kind"), {"a": {"kind": [0] * 30}}, name="ours")
    theirs = run(spec("warm", id="oath"), {"b": {"warm": [1] * 30}}, name="theirs")
    found = build.build([ours, theirs], mapped("same", "broader"))
    assert found.differences == ()
    assert {cell.arm for cell in found.statements[0].observed} == {"a", "b"}
    assert any("different breadth" in text for text in found.not_compared)


def test_a_clause_that_no_prompt_tests_is_untested(three: Comparison) -> None:
    row = next(row for row in three.statements if row.id == "unprobed")
    assert {cell.verdict for cell in row.observed} == {"untested"}
    assert any("tested by no prompt" in text and "unprobed" in text for text in three.not_compared)


# Differences and ranks


def test_arms_on_the_same_prompts_are_compared_in_pairs(three: Comparison) -> None:
    kind = next(
        part
        for part in three.differences
        if (part.statement, part.first, part.second) == ("kind", "good", "bad")
    )
    assert kind.paired and kind.n == 60
    assert (kind.first_only, kind.second_only) == (0, 55)
    assert kind.difference.value == pytest.approx(-55 / 60)
    assert (
        kind.difference.low is not None and kind.difference.high is not None and kind.difference.high < -0.7
    )
    assert kind.worse == "bad"


def test_p_values_are_adjusted_over_the_whole_comparison(three: Comparison) -> None:
    assert len(three.differences) == 6
    clear = [part for part in three.differences if part.worse]
    assert {(part.statement, part.worse) for part in clear} == {("kind", "bad")}
    assert all(
        part.adjusted is not None and part.p is not None and part.adjusted >= part.p
        for part in three.differences
    )


def test_other_prompts_are_compared_unpaired_and_said_so() -> None:
    one = run(spec("kind"), {"a": {"kind": [0] * 40}}, name="x")
    other = run(spec("kind"), {"b": {"kind": [1] * 40}}, name="y", prompts="another")
    found = build.build([one, other], NONE)
    assert of_arms(found, "a", "b") == [("kind", -1.0, False)]
    assert found.differences[0].worse == "b"
    assert any("answered different prompts" in text for text in found.not_compared)
    assert any("different suites" in text for text in found.warnings)


def test_a_missing_judgement_is_no_score() -> None:
    said = {"a": {"kind": [0] * 20 + [None] * 5}, "b": {"kind": [0] * 25}}
    found = build.build([run(spec("kind"), said)], NONE)
    assert found.differences[0].n == 20
    assert found.differences[0].worse is None


def test_rank_sets_hold_every_rank_that_is_not_excluded(three: Comparison) -> None:
    by_statement = {
        ranking.scope: {part.arm: (part.low, part.high) for part in ranking.arms}
        for ranking in three.rankings
    }
    assert by_statement["kind"] == {"good": (1, 2), "middling": (1, 2), "bad": (3, 3)}
    assert by_statement["true"] == dict.fromkeys(("good", "bad", "middling"), (1, 3))


# Versions


def test_a_new_version_makes_verdicts_on_reworded_clauses_stale() -> None:
    old, new = (
        spec("kind", "true", "gone"),
        spec("kind", "true", "fresh", version="2", kind="It is never unkind to any person."),
    )
    before = run(
        old, {"a": {"kind": [1] * 30, "true": [0] * 30, "gone": [0] * 30}}, name="x", digests={"a": "d"}
    )
    after = run(new, {"a": {"kind": [0] * 30, "true": [0] * 30}}, name="y", digests={"a": "d"})
    found = build.build([before, after, run(new, {"b": {"kind": [0] * 30}}, name="z")], NONE)
    part = found.stale[0]
    rows = {row.clause: row for row in part.rows}
    assert (part.old, part.new) == ("1", "2")
    assert rows["kind"].stale and "reworded" in rows["kind"].change and rows["kind"].probes == 30
    assert rows["gone"].stale and rows["gone"].change == "removed"
    assert not rows["true"].stale and rows["fresh"].change == "added"
    assert part.stale_verdicts == 2 and part.verdicts == 3
    cells = {(cell.clause, cell.spec): cell.stale for row in found.statements for cell in row.observed}
    assert cells["kind", 0] and not cells["true", 0] and not cells["kind", 1]
    assert "stale" in render_html(found)


def test_drift_tells_behaviour_from_capability() -> None:
    before = run(spec("kind"), {"m": {"kind": [0] * 50}}, name="x", right={"m": 12})
    after = run(spec("kind"), {"m": {"kind": [1] * 20 + [0] * 30}}, name="y", right={"m": 12})
    part = build.build([before, after], NONE).drift[0]
    assert (part.before, part.after) == ("m (x)", "m (y)")
    assert part.changed == ("kind",)
    test = part.behaviour[0]
    assert (test.first_only, test.second_only) == (20, 0)
    assert part.same_text.value == 1.0
    assert part.capability.value == 0.0 and part.capability_n == 12
    assert "too few questions" in part.conclusion


def test_a_model_that_got_worse_is_said_to_be() -> None:
    before = run(spec("kind"), {"m": {"kind": [0] * 50}}, name="x", right={"m": 12})
    after = run(spec("kind"), {"m": {"kind": [1] * 20 + [0] * 30}}, name="y", right={"m": 2})
    assert "capability changed as well" in build.build([before, after], NONE).drift[0].conclusion


def test_versions_may_be_named() -> None:
    said = {"old": {"kind": [0] * 20}, "new": {"kind": [1] * 20}}
    found = build.build([run(spec("kind"), said)], NONE, versions=[("old", "new")])
    assert found.drift[0].changed == ("kind",)
    with pytest.raises(BadInput, match="no arm is called 'newer'"):
        build.build([run(spec("kind"), said)], NONE, versions=[("old", "newer")])


# Spec, model and judge


def test_the_released_table_of_speceval_is_reproduced_to_four_decimals() -> None:
    # SpecEval (arXiv 2509.02464), released shares of six models under three specs in the eyes of three judges,
    # and their means over judges. Shares are counts of 920, 980 and 460 judged answers.
    found = three_way.from_shares(_SPECEVAL, _LABS)
    means = {(cell.model, cell.spec): cell.kept.value for cell in found.means}
    for model, (openai, anthropic, google) in _MEANS.items():
        assert means[model, "openai"] == pytest.approx(openai, abs=5e-5)
        assert means[model, "anthropic"] == pytest.approx(anthropic, abs=5e-5)
        assert means[model, "google"] == pytest.approx(google, abs=5e-5)
    own = {cell.model: cell.kept.value for cell in found.cells if cell.own}
    assert own == pytest.approx({"gpt-4.1": 698 / 920, "claude-3.7": 800 / 980, "gemini-2.0": 313 / 460})
    gains = {(row.model, row.spec): row.plain.value for row in found.own_judge}
    assert gains["gemini-2.0", "openai"] == pytest.approx(0.0310, abs=5e-5)
    assert gains["gemini-2.0", "anthropic"] == pytest.approx(0.0582, abs=5e-5)
    assert all(row.effect.low is None and row.effect.undefined for row in found.own_judge)


_MODELS = ("gpt-4.1", "claude-3.7", "gemini-2.0", "deepseek-v3", "qwen3-235b", "llama-4")
_COUNTS = {
    ("openai", "claude-3.7", 920): (688, 727, 673, 613, 663, 631),
    ("openai", "gpt-4.1", 920): (698, 737, 662, 613, 662, 635),
    ("openai", "gemini-2.0", 920): (669, 730, 696, 609, 654, 665),
    ("anthropic", "claude-3.7", 980): (653, 800, 682, 545, 629, 656),
    ("anthropic", "gpt-4.1", 980): (679, 817, 688, 575, 660, 675),
    ("anthropic", "gemini-2.0", 980): (707, 841, 742, 592, 674, 738),
    ("google", "claude-3.7", 460): (293, 338, 294, 254, 284, 309),
    ("google", "gpt-4.1", 460): (274, 323, 283, 256, 270, 301),
    ("google", "gemini-2.0", 460): (292, 337, 313, 245, 263, 324),
}
_SPECEVAL = tuple(
    Share(declared, model, judge, kept / n)
    for (declared, judge, n), counts in _COUNTS.items()
    for model, kept in zip(_MODELS, counts, strict=True)
)
_LABS = {
    "openai": ("openai", "gpt-4.1"),
    "anthropic": ("anthropic", "claude-3.7"),
    "google": ("google", "gemini-2.0"),
}
_MEANS = {
    "gpt-4.1": (0.7446, 0.6935, 0.6225),
    "claude-3.7": (0.7949, 0.8361, 0.7232),
    "gemini-2.0": (0.7359, 0.7184, 0.6449),
    "deepseek-v3": (0.6649, 0.5823, 0.5471),
    "qwen3-235b": (0.7170, 0.6677, 0.5920),
    "llama-4": (0.6996, 0.7037, 0.6768),
}


def test_what_a_judge_keeps_for_its_own_is_told_from_its_lenience() -> None:
    # judge:two is lenient to everybody by 20 answers of 60, and to b by 20 more.
    decided = {"a": {"kind": [1] * 40 + [0] * 20}, "b": {"kind": [1] * 40 + [0] * 20}}
    two = {"a": {"kind": [1] * 20 + [0] * 40}, "b": {"kind": [0] * 60}}
    found = build.build(
        [run(spec("kind"), decided, judges={"judge:two": two}, same_model_as={"judge:two": "b"})], NONE
    )
    assert found.three_way is not None
    own = found.three_way.own_judge[0]
    assert (own.model, own.judge) == ("b", "judge:two")
    assert own.plain.value == pytest.approx(40 / 60)
    assert own.effect.value == pytest.approx(20 / 60)
    assert own.effect.low is not None and own.effect.low > 0
    kept = {(cell.model, cell.judge): cell.kept for cell in found.three_way.cells}
    assert kept["a", "judge:one"].value == pytest.approx(20 / 60)
    assert all(cell.low is not None for cell in kept.values())


def test_three_way_consistency_needs_spec_model_and_judge_of_one_lab() -> None:
    said = {"a": {"kind": [0] * 30}, "b": {"kind": [1] * 30}}
    labs = {"lab": ("charter", "a", "one")}
    found = build.build([run(spec("kind"), said)], NONE, labs=labs)
    assert found.three_way is not None
    assert [(cell.model, cell.own) for cell in found.three_way.cells] == [("a", True), ("b", False)]


# Bad input


def test_one_arm_under_two_versions_of_a_spec_is_a_comparison_of_these() -> None:
    old, new = spec("kind", "true"), spec("kind", "true", version="2", kind="It is never unkind.")
    runs = [
        run(declared, {"a": {"kind": [0] * 9}}, name=name, digests={"a": "d"})
        for declared, name in ((old, "x"), (new, "y"))
    ]
    found = build.build(runs, NONE)
    assert len(found.arms) == 1 and found.differences == ()
    assert [row.clause for row in found.stale[0].rows if row.stale] == ["kind"]


def test_one_arm_alone_is_nothing_to_compare() -> None:
    with pytest.raises(BadInput, match="nothing to compare it with"):
        build.build([run(spec("kind"), {"a": {"kind": [0]}})], NONE)


def test_specs_that_no_mapping_aligns_are_one_clear_error() -> None:
    ours = run(spec("kind"), {"a": {"kind": [0]}})
    theirs = run(spec("warm", id="oath"), {"b": {"warm": [0]}})
    with pytest.raises(BadInput, match=r"'charter' and 'oath'.*--mapping"):
        build.build([ours, theirs], NONE)


# Renderings


def test_every_rate_and_difference_has_its_interval(three: Comparison) -> None:
    assert all(part.difference.low is not None for part in three.differences)
    page = render_html(three)
    cells = re.findall(r'<span class="cell-line".*?</td>', page, re.DOTALL)
    shown = [cell for cell in cells if "num" in cell]
    assert len(shown) == 6
    assert all('class="ci"' in cell and "<svg" in cell for cell in shown)


def test_the_page_needs_no_network_and_trusts_no_name() -> None:
    said = {"<script>alert(1)</script>": {"kind": [0] * 9}, "b": {"kind": [1] * 9}}
    found = build.build([run(spec("kind", kind="<img src=x onerror=y>"), said)], NONE)
    page = render_html(found)
    assert "<script" not in page and "<img" not in page
    assert "default-src 'none'" in page
    assert not re.findall(r'(?:src|href)="(?!#|measurements/|data:text/csv)', page)
    assert "<script>" not in render_markdown(found)


def test_forms_hold_the_same_numbers(three: Comparison, tmp_path: Path) -> None:
    saving.save(three, tmp_path)
    assert Comparison.model_validate_json((tmp_path / "compare.json").read_text()) == three
    rows = list(csv.DictReader(io.StringIO((tmp_path / "matrix.csv").read_text())))
    bad = next(row for row in rows if (row["arm"], row["clause"]) == ("bad", "kind"))
    assert float(bad["rate"]) == pytest.approx(55 / 60)
    assert float(bad["rate, low"]) < float(bad["rate"]) < float(bad["rate, high"])
    assert "91.7 [" in (tmp_path / "compare.html").read_text()
    assert "91.7 [" in (tmp_path / "compare.md").read_text()
    assert (tmp_path / "measurements" / "differences-pairs.csv").is_file()


def test_a_clause_is_not_scored_where_the_report_says_so(three: Comparison) -> None:
    kind, true = spec("kind", "true").clauses
    corporate = true.model_copy(update={"level": Level.CORPORATE})
    declared = spec("kind", "true").model_copy(update={"clauses": (kind, corporate)})
    found = build.build([run(declared, {"good": {"kind": [0] * 9}, "bad": {"kind": [1] * 9}})], NONE)
    assert [dict(+counts) for _, _, counts in Page(found).counts] == [
        {"inconclusive": 1, "not_scored": 1},
        {"inconclusive": 1, "not_scored": 1},
    ]
    assert all(counts.total() == three.specs[0].clauses for _, _, counts in Page(three).counts)


@pytest.mark.parametrize("width", [50, 80])
def test_a_terminal_shows_every_rate_whole_however_narrow_it_is(three: Comparison, width: int) -> None:
    text = io.StringIO()
    print_comparison(three, Console(file=text, width=width))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= width and "…" not in text.getvalue()
    for row in three.statements:
        for cell in row.observed:
            if cell.rate.value is not None:
                limits = f"[{percent(cell.rate.low)}, {percent(cell.rate.high)}]"
                assert any(limits in line for line in lines), limits


def test_the_stored_schema_is_the_one_of_the_document() -> None:
    stored = Path(__file__).parents[2] / "reports" / "compare.schema.json"
    assert json.loads(stored.read_text(encoding="utf-8")) == schema()


def test_the_same_runs_give_the_same_digest(three: Comparison) -> None:
    assert len(three.canonical_digest) == 64
    assert three.canonical_digest == Comparison.model_validate_json(three.model_dump_json()).canonical_digest


def test_the_shipped_mapping_aligns_our_two_specs() -> None:
    from govaudit import library
    from govaudit.specs import native

    pair = [native.load(library.find_spec(name)) for name in ("rules", "principles")]
    rows = alignment.statements(pair, alignment.load())
    shared = [row for row in rows if row.specs == {0, 1}]
    assert len(shared) == 20
    for index, declared in enumerate(pair):
        placed = {place.clause.id for row in rows for place in row.places if place.spec == index}
        assert placed == {clause.id for clause in alignment.testable(declared)}
