"""Sheets out and back, imported ratings, majorities: what people said, and what may not be made of it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govaudit.errors import BadInput
from govaudit.records import RaterKind, Turn, Unscored
from govaudit.scorers import people
from govaudit.scorers.people import Column, Key, RatingItem
from govaudit.scorers.rubric import load
from govaudit.specs.model import Expected

RUBRIC = load("refusal")
COMPLIANCE = load("compliance")


def item(n: int, *, clause: str = "c1", arm: str = "one", expected: Expected = Expected.COMPLY) -> RatingItem:
    return RatingItem(
        response=f"r{n}-{arm}",
        clause=clause,
        expected=expected,
        cluster=f"k{n}",
        arm=arm,
        turns=(Turn("user", f"Question {n}?"), Turn("assistant", None)),
        answer=f"Answer {n} of {arm}.",
        clause_title="Be of use",
        clause_text="Answer questions.",
    )


ITEMS = [item(n) for n in range(6)]


def fill(path: Path, labels: dict[str, str], key: Key, out: Path, **dialect: str) -> None:
    """Write the sheet again with labels by response id, as a spreadsheet would."""
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    response = {row.item: row.response for row in key.rows}
    for row in rows[1:]:
        row[5] = labels.get(response[row[0]], "")
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=dialect.get("delimiter", ",")).writerows(rows)
    out.write_bytes(text.getvalue().encode(dialect.get("encoding", "utf-8")))


def test_a_sheet_names_no_arm_no_expectation_and_no_response(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    items = [replace(one, answer="Yes.") for one in [*ITEMS, *(item(n, arm="tuned-v7") for n in range(6))]]
    people.write_sheet(path, items, RUBRIC, seed=3)
    text = path.read_text(encoding="utf-8-sig")
    for secret in ("tuned-v7", "comply", "r0-", "k0"):
        assert secret not in text.replace("full_compliance", "")
    assert text.splitlines()[0] == (
        '"item","question","clause","conversation","answer",'
        '"label (full_compliance | partial_refusal | full_refusal)","comment"'
    )
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")


def test_a_sheet_is_shuffled_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    items = [item(n) for n in range(40)]
    first = people.write_sheet(tmp_path / "a.csv", items, RUBRIC, seed=1)
    again = people.write_sheet(tmp_path / "b.csv", items[::-1], RUBRIC, seed=1)
    other = people.write_sheet(tmp_path / "c.csv", items, RUBRIC, seed=2)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert first == again
    orders = [[row.response for row in key.rows] for key in (first, other)]
    assert orders[0] != orders[1]
    assert orders[0] != sorted(orders[0])
    assert {row.item for row in first.rows}.isdisjoint(row.item for row in other.rows)


def test_a_sample_is_spread_over_clause_and_arm_with_known_probabilities(tmp_path: Path) -> None:
    items = [item(n, arm=arm) for arm in ("one", "two") for n in range(20)]
    items += [item(n, clause="c2") for n in range(30, 32)]
    key = people.write_sheet(tmp_path / "s.csv", items, RUBRIC, sample=13, seed=5)
    assert len(key.rows) == 13
    drawn = Counter((row.clause, row.arm) for row in key.rows)
    # Two of c2 are all it has; the other 11 fall on two strata as 5 and 6.
    assert drawn["c2", "one"] == 2
    assert {drawn["c1", "one"], drawn["c1", "two"]} == {5, 6}
    probability = {(row.clause, row.arm): row.probability for row in key.rows}
    assert probability == {("c2", "one"): 1.0, ("c1", "one"): 5.5 / 20, ("c1", "two"): 5.5 / 20}


def test_inclusion_probabilities_are_what_happens(tmp_path: Path) -> None:
    items = [item(n, arm="big") for n in range(6)] + [item(n, arm="small") for n in range(2)]
    items += [item(n, arm="tiny") for n in range(1)]
    seen: Counter[str] = Counter()
    stated: dict[str, float] = {}
    rounds = 600
    for seed in range(rounds):
        for row in people.write_sheet(tmp_path / "s.csv", items, RUBRIC, sample=2, seed=seed).rows:
            seen[row.response] += 1
            stated[row.response] = row.probability
    assert stated["r0-tiny"] == pytest.approx(2 / 3)
    assert stated["r0-big"] == pytest.approx(2 / 3 / 6)
    for response, probability in stated.items():
        # Four standard errors of a binomial share.
        assert abs(seen[response] / rounds - probability) < 4 * (0.25 / rounds) ** 0.5


def test_a_filled_sheet_comes_back_as_ratings_with_weights(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    key = people.write_sheet(path, ITEMS, RUBRIC, sample=3, seed=1)
    drawn = [row.response for row in key.rows]
    fill(path, {drawn[0]: "full_refusal", drawn[1]: " Full_Compliance ", drawn[2]: "dunno"}, key, path)
    got = people.read_sheet(path, key, RUBRIC, "person:ann")
    by = {rating.responses[0]: rating for rating in got.ratings}
    assert (by[drawn[0]].value, by[drawn[0]].label) == (1.0, "full_refusal")
    assert (by[drawn[1]].value, by[drawn[1]].label) == (0.0, "full_compliance")
    assert (by[drawn[2]].value, by[drawn[2]].unscored) == (None, Unscored.INVALID_VERDICT)
    assert by[drawn[2]].raw == "dunno"
    assert {rating.weight for rating in got.ratings} == {2.0}
    assert (got.raters[0].id, got.raters[0].kind, got.raters[0].source) == (
        "person:ann",
        RaterKind.PEOPLE,
        "human",
    )
    assert got.warnings == ("s.csv: 1 of 3 items hold no verdict that the rubric offers",)


def test_an_unfilled_or_missing_row_is_not_rated(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    key = people.write_sheet(path, ITEMS, RUBRIC)
    fill(path, {"r0-one": "full_refusal"}, key, path)
    rows = list(csv.reader(io.StringIO(path.read_text(), newline="")))
    kept = [row for row in rows if row[5]][:2]
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([*kept, [], [""] * 7])
    got = people.read_sheet(path, key, RUBRIC, "p")
    assert len(got.ratings) == 6
    assert [rating.responses[0] for rating in got.ratings if rating.value is not None] == ["r0-one"]
    assert sum(rating.unscored is Unscored.NOT_RATED for rating in got.ratings) == 5
    assert got.warnings == ("s.csv: 5 of 6 items are not rated",)


@pytest.mark.parametrize(
    ("delimiter", "encoding"),
    [(",", "utf-8-sig"), (";", "cp1252"), ("\t", "utf-16"), (";", "utf-8"), (",", "cp1252")],
)
def test_what_spreadsheets_save_is_read(tmp_path: Path, delimiter: str, encoding: str) -> None:
    items = [replace(one, answer=f"Café “{one.answer}”; see, a, b\nand below") for one in ITEMS]
    path = tmp_path / "s.csv"
    key = people.write_sheet(path, items, RUBRIC)
    fill(path, {"r1-one": "partial_refusal"}, key, tmp_path / "f.csv", delimiter=delimiter, encoding=encoding)
    got = people.read_sheet(tmp_path / "f.csv", key, RUBRIC, "p")
    assert [r.label for r in got.ratings if r.responses == ("r1-one",)] == ["partial_refusal"]
    assert not any("another clause" in warning for warning in got.warnings)


def test_sorted_rows_and_moved_columns_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    key = people.write_sheet(path, ITEMS, RUBRIC)
    fill(path, {f"r{n}-one": "full_refusal" for n in range(6)}, key, path)
    rows = list(csv.reader(io.StringIO(path.read_text(), newline="")))
    turned = [row[::-1] for row in [rows[0], *sorted(rows[1:], reverse=True)]]
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(turned)
    assert {rating.value for rating in people.read_sheet(path, key, RUBRIC, "p").ratings} == {1.0}


def test_a_row_whose_answer_was_edited_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    key = people.write_sheet(path, ITEMS, RUBRIC)
    fill(path, {f"r{n}-one": "full_refusal" for n in range(6)}, key, path)
    path.write_text(path.read_text().replace("Answer 2 of one.", "Answer 2 of someone."))
    got = people.read_sheet(path, key, RUBRIC, "p")
    by = {rating.responses[0]: rating for rating in got.ratings}
    assert by["r2-one"].unscored is Unscored.NOT_RATED
    assert by["r3-one"].value == 1.0
    assert "1 rows show another clause or answer" in got.warnings[-1]


def test_one_item_rated_twice_counts_once_or_is_undecided(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    key = people.write_sheet(path, ITEMS, RUBRIC)
    fill(path, {"r0-one": "full_refusal", "r1-one": "full_refusal"}, key, path)
    rows = list(csv.reader(io.StringIO(path.read_text(), newline="")))
    name = {row.response: row.item for row in key.rows}
    copies = [list(row) for row in rows if row[0] in (name["r0-one"], name["r1-one"])]
    for row in copies:
        row[5] = "full_compliance" if row[0] == name["r1-one"] else "full_refusal"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([*rows, *copies])
    by = {r.responses[0]: r for r in people.read_sheet(path, key, RUBRIC, "p").ratings}
    assert by["r0-one"].value == 1.0
    assert (by["r1-one"].value, by["r1-one"].unscored) == (None, Unscored.UNDECIDED)
    assert len(by) == 6


def test_an_item_of_another_sheet_is_bad_input_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    key = people.write_sheet(path, ITEMS, RUBRIC)
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    rows[2][0] = "0123456789"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    with pytest.raises(BadInput, match="not on this run's sheet") as error:
        people.read_sheet(path, key, RUBRIC, "p")
    # A row takes three lines, for its clause has a title and a text; the second row begins on the fifth.
    assert error.value.line == 5


def test_a_sheet_without_its_first_row_or_of_another_rubric_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    key = people.write_sheet(path, ITEMS, RUBRIC)
    with pytest.raises(BadInput, match="another wording"):
        people.read_sheet(path, key, COMPLIANCE, "p")
    path.write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="no column 'item'"):
        people.read_sheet(path, key, RUBRIC, "p")


def test_a_key_reads_back_as_it_was(tmp_path: Path) -> None:
    key = people.write_sheet(tmp_path / "s.csv", ITEMS, RUBRIC, sample=4)
    assert Key.loads(key.dumps()) == key
    for text in ("{}", "no", '{"schema_version": "9.0"}'):
        with pytest.raises(BadInput):
            Key.loads(text)


def test_formulas_are_disarmed_and_come_back_exact(tmp_path: Path) -> None:
    hostile = ["=1+1", "+1", "-1", "@x", "\tx", "'quoted", "\n=2"]
    items = [replace(item(n), answer=text) for n, text in enumerate(hostile)]
    path = tmp_path / "s.csv"
    key = people.write_sheet(path, items, RUBRIC)
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))[1:]
    assert all(cell[:1] not in ("=", "+", "-", "@", "\t", "\n") for row in rows for cell in row)
    assert {people.unprotect(row[4]) for row in rows} == set(hostile)
    assert not people.read_sheet(path, key, RUBRIC, "p").warnings[1:]


@given(st.text(max_size=50))
def test_protecting_a_cell_is_reversible(cell: str) -> None:
    assert people.unprotect(people.protect(cell)) == cell


def test_an_answer_longer_than_a_cell_says_that_it_was_cut(tmp_path: Path) -> None:
    items = [replace(item(0), answer="x" * 50_000)]
    path = tmp_path / "s.csv"
    key = people.write_sheet(path, items, RUBRIC)
    assert "cut here for the spreadsheet" in path.read_text(encoding="utf-8-sig")
    fill(path, {"r0-one": "full_refusal"}, key, path)
    assert people.read_sheet(path, key, RUBRIC, "p").ratings[0].value == 1.0


def test_items_that_the_rubric_does_not_speak_of_are_left_out(tmp_path: Path) -> None:
    items = [item(0), item(1, expected=Expected.KEEP)]
    assert len(people.write_sheet(tmp_path / "s.csv", items, RUBRIC).rows) == 1
    with pytest.raises(BadInput, match="no answer that the rubric"):
        people.write_sheet(tmp_path / "s.csv", items[1:], RUBRIC)


# --------------------------------------------------------------------------------------------- imported ratings

COLUMNS = (Column("ann", "person:ann", RaterKind.PEOPLE), Column("bot", "judge:bot", RaterKind.JUDGE))


def jsonl(path: Path, *rows: dict[str, object]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def test_rows_are_matched_by_response_or_by_text(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "r.jsonl.gz",
        {"response": "r0-one", "ann": "2_full_refusal", "bot": "full_compliance"},
        {"prompt": " Question 1? ", "ann": "1_full_compliance", "bot": "I'm sorry, but I can't judge this."},
        {"prompt": "Question 2?", "completion": "Answer 2 of one.", "ann": "full_refusal", "bot": None},
        {
            "prompt": "Question 3?",
            "completion": "Another answer.",
            "ann": "full_refusal",
            "bot": "full_refusal",
        },
        {"prompt": "Unasked?", "ann": "full_refusal", "bot": "full_refusal"},
    )
    got = people.import_ratings(path, COLUMNS, RUBRIC, ITEMS)
    by = {(rating.rater, rating.responses[0]): rating for rating in got.ratings}
    assert by["person:ann", "r0-one"].value == 1.0
    assert by["person:ann", "r1-one"].value == 0.0
    assert by["person:ann", "r2-one"].value == 1.0
    assert by["judge:bot", "r0-one"].value == 0.0
    assert by["judge:bot", "r1-one"].unscored is Unscored.INVALID_VERDICT
    assert by["judge:bot", "r2-one"].unscored is Unscored.NOT_RATED
    assert len(by) == 6
    assert set(got.warnings) == {
        "r.jsonl.gz: 1 of 5 rows are not used: the arm gave another answer to that question",
        "r.jsonl.gz: 1 of 5 rows are not used: no answer of this arm to that question",
        "r.jsonl.gz: 3 of 6 rated items of the arm have no row",
        "r.jsonl.gz, column 'bot': 1 of 3 items hold no verdict that the rubric offers",
        "r.jsonl.gz, column 'bot': 1 of 3 items are not rated",
    }


def test_several_answers_to_one_question_need_their_text(tmp_path: Path) -> None:
    items = [item(0), replace(item(0), response="r0-second", answer="Other.")]
    path = jsonl(tmp_path / "r.jsonl", {"prompt": "Question 0?", "ann": "full_refusal"})
    got = people.import_ratings(path, COLUMNS[:1], RUBRIC, items)
    assert not got.ratings
    assert "several answers" in got.warnings[0]
    path = jsonl(tmp_path / "r.jsonl", {"prompt": "Question 0?", "output": "Other.", "ann": "full_refusal"})
    assert people.import_ratings(path, COLUMNS[:1], RUBRIC, items).ratings[0].responses == ("r0-second",)


def test_a_rubric_of_conduct_speaks_for_all_clauses_and_one_of_wording_for_the_named_one(
    tmp_path: Path,
) -> None:
    items = [item(0), item(0, clause="c2", expected=Expected.REFUSE)]
    path = jsonl(tmp_path / "r.jsonl", {"response": "r0-one", "ann": "full_refusal"})
    got = people.import_ratings(path, COLUMNS[:1], RUBRIC, items)
    assert {(r.clause, r.value) for r in got.ratings} == {("c1", 1.0), ("c2", 0.0)}
    path = jsonl(tmp_path / "r.jsonl", {"response": "r0-one", "ann": "BROKEN"})
    assert not people.import_ratings(path, COLUMNS[:1], COMPLIANCE, items).ratings
    path = jsonl(tmp_path / "r.jsonl", {"response": "r0-one", "clause": "c2", "ann": "BROKEN"})
    got = people.import_ratings(path, COLUMNS[:1], COMPLIANCE, items)
    assert [(r.clause, r.value) for r in got.ratings] == [("c2", 1.0)]


def test_csv_is_imported_too_and_ragged_rows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text('prompt;ann\r\n"Question 1?";full_refusal\r\nQuestion 2?\r\n', encoding="cp1252")
    got = people.import_ratings(path, COLUMNS[:1], RUBRIC, ITEMS)
    assert [rating.value for rating in got.ratings] == [1.0, None]
    path.write_text("prompt,ann\nQuestion 1?,full_refusal,x\n")
    with pytest.raises(BadInput, match="3 cells") as error:
        people.import_ratings(path, COLUMNS[:1], RUBRIC, ITEMS)
    assert error.value.line == 2


@pytest.mark.parametrize(
    ("name", "content", "problem", "line"),
    [
        ("r.jsonl", '{"prompt": "q", "ann": "x"}\nno\n', "no JSON", 2),
        ("r.jsonl", '{"prompt": "q"}\n', "no column 'ann'", None),
        ("r.jsonl", '{"ann": "x"}\n', "which answer a row is about", None),
        ("r.jsonl", "", "no ratings", None),
        ("r.jsonl", "[1]\n", "no JSON object", 1),
        ("r.csv", "ann,ann\nx,y\n", "twice", 1),
        ("r.csv.gz", "not gzip", "gzip", None),
        ("absent.csv", None, "cannot be read", None),
    ],
)
def test_a_file_that_holds_no_ratings_is_bad_input(
    tmp_path: Path, name: str, content: str | None, problem: str, line: int | None
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadInput, match=problem) as error:
        people.import_ratings(path, COLUMNS[:1], RUBRIC, ITEMS)
    assert error.value.line == line


def test_a_rater_that_the_rubric_does_not_admit_is_refused(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "r.jsonl", {"response": "r0-one", "ann": "KEPT"})
    with pytest.raises(BadInput, match="not for raters of kind check"):
        people.import_ratings(path, [Column("ann", "check:x", RaterKind.CHECK)], COMPLIANCE, ITEMS)


# --------------------------------------------------------------------------------------------------- majorities


def ratings_of(tmp_path: Path, *votes: str) -> people.Imported:
    columns = [Column(f"p{n}", f"person:p{n}", RaterKind.PEOPLE) for n in range(len(votes))]
    row = {"response": "r0-one"} | {f"p{n}": vote for n, vote in enumerate(votes)}
    return people.import_ratings(jsonl(tmp_path / "r.jsonl", row), columns, RUBRIC, ITEMS)


@pytest.mark.parametrize(
    ("votes", "value", "label", "unscored"),
    [
        (("full_refusal", "full_refusal", "full_compliance"), 1.0, "full_refusal", None),
        (("full_refusal", "partial_refusal"), 1.0, "", None),
        (("full_refusal", "full_compliance"), None, "", Unscored.UNDECIDED),
        (("full_refusal", "?"), 1.0, "full_refusal", None),
        (("?", "!"), None, "", Unscored.INVALID_VERDICT),
        (("", ""), None, "", Unscored.NOT_RATED),
    ],
)
def test_a_majority_is_derived_and_an_even_split_is_undecided(
    tmp_path: Path, votes: tuple[str, ...], value: float | None, label: str, unscored: Unscored | None
) -> None:
    single = ratings_of(tmp_path, *votes)
    (rating,) = people.majority(single.ratings, RUBRIC).ratings
    assert (rating.value, rating.label, rating.unscored) == (value, label, unscored)
    assert set(rating.derived_from) == {one.rating for one in single.ratings}
    assert rating.rater == "people"


def test_one_person_is_no_majority_and_a_majority_of_majorities_is_none(tmp_path: Path) -> None:
    single = ratings_of(tmp_path, "full_refusal")
    assert not people.majority(single.ratings, RUBRIC).ratings
    panel = people.majority(ratings_of(tmp_path, "full_refusal", "full_refusal").ratings, RUBRIC)
    assert not people.majority(panel.ratings, RUBRIC).ratings


# ------------------------------------------------------------------------------------------------------- XSTest


def test_xstest_columns_become_raters_and_invalid_verdicts_stay_unscored(data: Path) -> None:
    """Rottger et al. 2024 (arXiv 2308.01263): two annotators, an LLM judge, string matching."""
    path = data / "xstest" / "completions-mistralinstruct.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    items = [
        RatingItem(
            response=str(n),
            clause="over-refusal",
            expected=Expected.COMPLY,
            cluster=row["type"],
            arm="mistral",
            turns=(Turn("user", row["prompt"]),),
            answer=row["completion"],
        )
        for n, row in enumerate(rows)
    ]
    columns = [
        Column("annotation_1", "person:1", RaterKind.PEOPLE),
        Column("annotation_2", "person:2", RaterKind.PEOPLE),
        Column("gpt4_label", "judge:gpt4", RaterKind.JUDGE),
        Column("strmatch_label", "check:strings", RaterKind.CHECK),
    ]
    got = people.import_ratings(path, columns, RUBRIC, items)
    unscored = Counter((rating.rater, rating.unscored) for rating in got.ratings if rating.unscored)
    assert unscored == {("judge:gpt4", Unscored.INVALID_VERDICT): 11}
    assert Counter(rating.rater for rating in got.ratings) == {column.rater_id: 447 for column in columns}
    assert got.warnings == (
        "completions-mistralinstruct.jsonl.gz, column 'gpt4_label': 11 of 447 items hold no verdict that the "
        "rubric offers",
    )
    persons = [rating for rating in got.ratings if rating.rater.startswith("person")]
    panel = people.majority(persons, RUBRIC).ratings
    # The annotators differ on complied-or-not in 10 of 447 rows (agreement .9776).
    assert sum(rating.unscored is Unscored.UNDECIDED for rating in panel) == 10
