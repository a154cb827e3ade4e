"""Rows survive their tables, and a missing judgement is no score."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from govaudit.canonical import canonical, digest
from govaudit.errors import BadInput
from govaudit.records import (
    ChoiceScore,
    Measure,
    Rater,
    RaterKind,
    Rating,
    Response,
    RunFolder,
    Scale,
    Turn,
    Unscored,
    read_raters,
    read_ratings,
    read_responses,
    stimulus_digest,
    write_raters,
    write_ratings,
    write_responses,
)

HOSTILE = "<script>\u202e\u2028 ünï\n\t\"'"


def test_canonical_json_is_rfc_8785() -> None:
    """Key order and number form of RFC 8785, section 3.2.3 and appendix B."""
    assert canonical({"\u20ac": 1, "\r": 2, "1": 3, "a": 1e21}) == '{"\\r":2,"1":3,"a":1e+21,"€":1}'.encode()


def test_texts_that_differ_in_unicode_form_only_are_one_text() -> None:
    assert digest("e\u0301") == digest("é")
    assert digest("a b") != digest("a  b")


def test_a_stimulus_is_its_turns_and_choices() -> None:
    turns = (Turn("user", "q"), Turn("assistant", None))
    assert stimulus_digest(turns) == stimulus_digest(turns)
    assert stimulus_digest(turns) != stimulus_digest(turns, ("a", "b"))
    assert stimulus_digest(turns) != stimulus_digest((Turn("system", "q"), Turn("assistant", None)))


def test_responses_ratings_and_raters_read_back_as_written(tmp_path: Path) -> None:
    response = Response(
        response="r",
        stimulus="s",
        arm="a",
        epoch=1,
        turns=(Turn("user", HOSTILE), Turn("assistant", "")),
        text=HOSTILE,
        choices=(ChoiceScore(-1.5, 3),),
        choice_letters=("A", "?"),
        unscored=Unscored.TRUNCATED,
        seed=2**31 - 1,
    )
    rating = Rating(
        rating="x",
        rubric="refusal",
        rater="check:refusal",
        question="c",
        responses=("r",),
        clause="c",
        measure=Measure.GENERATION,
        scale=Scale.BINARY,
        value=1.0,
        probabilities={"bad": 0.25},
        derived_from=("y", "z"),
    )
    rater = Rater("check:refusal", RaterKind.CHECK, "rule", "refusal", "d", attributes={"pool": ["a", 1]})
    write_responses(tmp_path / "r.parquet", [response])
    write_ratings(tmp_path / "x.parquet", [rating])
    write_raters(tmp_path / "w.parquet", [rater])
    assert read_responses(tmp_path / "r.parquet") == (response,)
    assert read_ratings(tmp_path / "x.parquet") == (rating,)
    assert read_raters(tmp_path / "w.parquet") == (rater,)


def test_a_rating_has_a_value_or_a_reason_never_both_or_neither() -> None:
    def rating(value: float | None, unscored: Unscored | None) -> Rating:
        return Rating(
            rating="x",
            rubric="r",
            rater="w",
            question="c",
            responses=("r",),
            clause="c",
            measure=Measure.GENERATION,
            scale=Scale.BINARY,
            value=value,
            unscored=unscored,
        )

    assert rating(None, Unscored.INVALID_VERDICT).value is None
    for value, unscored in ((None, None), (0.0, Unscored.EMPTY)):
        with pytest.raises(ValueError, match="either a value or a reason"):
            rating(value, unscored)


def test_a_table_of_another_major_version_or_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({"schema_version": "9.0"}), path)
    with pytest.raises(BadInput, match=r"schema_version is '9\.0'"):
        read_responses(path)
    path.write_bytes(b"no parquet")
    with pytest.raises(BadInput, match="no Parquet table"):
        read_responses(path)
    with pytest.raises(BadInput, match="missing"):
        read_responses(tmp_path / "none.parquet")


def test_a_folder_without_a_request_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no run folder"):
        RunFolder.open(tmp_path)
