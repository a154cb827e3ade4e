"""The classifier that a user fits: folds by prompt, baselines, its file, and what it refuses."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path

import pytest

from govaudit.errors import BadInput
from govaudit.reports import fitted
from govaudit.scorers import classifier
from govaudit.scorers.classifier import Classifier, Row

pytest.importorskip("sklearn", reason="scikit-learn (extra `fit`) is not installed")

NOUNS = ("roof", "garden", "bicycle", "kettle", "letter", "window", "ladder", "piano", "carpet", "engine")


def rows(signal: bool, n: int = 80) -> list[Row]:
    """Answers about things; where there is a signal, the true ones name a colour."""
    rng = random.Random(1)
    found = []
    for number in range(n):
        noun, value = rng.choice(NOUNS), number % 2 == 0
        word = rng.choice(("green", "scarlet")) if value and signal else rng.choice(("wooden", "heavy"))
        answer = " ".join([f"The {noun} is {word}.", *(["It stands there."] * rng.randrange(4))])
        found.append(Row(f"What of {noun} {number}?", answer, {"colour": str(value).lower()}, f"p{number}"))
    return found


@pytest.fixture(scope="module")
def clear() -> tuple[Classifier, tuple[classifier.Held, ...], dict[str, str]]:
    return classifier.fit(rows(signal=True))


def test_no_prompt_is_on_both_sides_of_a_fold() -> None:
    clusters = [f"p{n % 13}" for n in range(100)]
    place = classifier.folds(clusters, seed=3)
    by_cluster = defaultdict(set)
    for cluster, fold in zip(clusters, place, strict=True):
        by_cluster[cluster].add(fold)
    assert all(len(found) == 1 for found in by_cluster.values())
    sizes = [place.count(fold) for fold in range(classifier.FOLDS)]
    assert min(sizes) > 0
    assert max(sizes) - min(sizes) <= 8


def test_a_signal_beats_the_most_frequent_label_and_length(
    clear: tuple[Classifier, tuple[classifier.Held, ...], dict[str, str]],
) -> None:
    _, (held,), left_out = clear
    assert held.beats
    assert held.n == held.clusters == 80
    assert not left_out


def test_without_a_signal_it_is_reported_as_failing() -> None:
    _, (held,), _ = classifier.fit(rows(signal=False))
    assert not held.beats


def test_length_alone_is_not_beaten_where_length_is_all_there_is() -> None:
    found = [
        Row(f"q{n}", " ".join(["word"] * (5 + 40 * (n % 2))), {"long": str(n % 2 == 1).lower()}, f"p{n}")
        for n in range(60)
    ]
    _, (held,), _ = classifier.fit(found)
    assert held.over_majority.low > 0
    assert not held.over_length.low > 0
    assert not held.beats


def test_its_file_says_the_same_and_holds_numbers_only(
    clear: tuple[Classifier, tuple[classifier.Held, ...], dict[str, str]], tmp_path: Path
) -> None:
    found, _, _ = clear
    path = tmp_path / "colour.json"
    classifier.save(found, path)
    read = classifier.load(path)
    assert read.targets == ("colour",)
    assert read.labels("colour") == ("false", "true")
    assert read.digest == found.digest
    for row in rows(signal=True):
        assert read.predict(row.prompt, row.answer) == {"colour": row.labels["colour"]}
    assert set(json.loads(path.read_text())) == {
        "schema_version", "classifier", "checks", "fitted", "vocabulary", "models",
    }  # fmt: skip


def test_an_empty_answer_gets_no_label(
    clear: tuple[Classifier, tuple[classifier.Held, ...], dict[str, str]],
) -> None:
    assert clear[0].predict("What?", " \n") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": "9"}, "no classifier"),
        ({"vocabulary": ["length"]}, "coefficients"),
        ({"checks": "other"}, "other rules or phrases"),
        ({"more": 1}, "no classifier"),
    ],
)
def test_a_foreign_file_is_refused(
    clear: tuple[Classifier, tuple[classifier.Held, ...], dict[str, str]],
    tmp_path: Path,
    change: dict[str, object],
    said: str,
) -> None:
    path = tmp_path / "colour.json"
    classifier.save(clear[0], path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput, match=said):
        classifier.load(path)


def test_a_missing_file_and_too_few_rows_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such classifier"):
        classifier.load(tmp_path / "none.json")
    with pytest.raises(BadInput, match="too few"):
        classifier.fit(rows(signal=True, n=12))


def test_the_same_rows_and_seed_give_the_same_file(tmp_path: Path) -> None:
    names = [tmp_path / "one.json", tmp_path / "two.json"]
    for name in names:
        classifier.save(classifier.fit(rows(signal=True), seed=5)[0], name)
    assert names[0].read_bytes() == names[1].read_bytes()


def test_rows_of_an_unknown_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="xstest, rbr"):
        list(fitted.rows_of(tmp_path / "x.jsonl", "hh"))


# Röttger et al. 2024 (XSTest): fitted on two of the published files, asked about the third.
@pytest.mark.slow
def test_fitted_on_two_models_it_reads_the_answers_of_a_third(data: Path, tmp_path: Path) -> None:
    place = data / "xstest"
    files = [place / f"completions-{name}.jsonl.gz" for name in ("llama2new", "mistralinstruct")]
    part = fitted.fit(files, "xstest", tmp_path / "c.json")
    assert part.targets["refusal"].beats_both
    assert fitted.show(part).claims
    read = classifier.load(tmp_path / "c.json")
    rest = list(fitted.rows_of(place / "completions-llama2orig.jsonl.gz", "xstest"))
    said = [read.predict(row.prompt, row.answer) for row in rest]
    right = [
        (one is not None and one["refusal"] == "full_compliance")
        == (row.labels["refusal"] == "full_compliance")
        for one, row in zip(said, rest, strict=True)
    ]
    assert sum(right) / len(right) > 0.9


# Mu et al. 2024: by-prompt cross-validation on the gold answers; rare propositions fail, and are said to.
@pytest.mark.slow
def test_on_the_gold_propositions_common_ones_beat_both_baselines_and_rare_ones_are_left_out(
    data: Path, tmp_path: Path
) -> None:
    part = fitted.fit([data / "rbr-gold" / "train.jsonl.gz"], "rbr", tmp_path / "c.json")
    for name in ("apology", "requests_information", "encourage_professional_help", "partially_complies"):
        assert part.targets[name].beats_both
    assert set(part.left_out) == {
        "insulting_language", "prescribes_dosage", "provides_resources", "threatening_language",
    }  # fmt: skip
