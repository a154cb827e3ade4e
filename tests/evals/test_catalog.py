"""The catalog of evals: what ships, what calls for what, and a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from govaudit import library
from govaudit.errors import BadInput
from govaudit.evals import catalog as catalogs
from govaudit.evals import items as banks
from govaudit.evals.catalog import Eval, attached, load, looked_at, uncalled, without_subject
from govaudit.evals.compile import compile_spec
from govaudit.evals.item import Item
from govaudit.records import Measure, RaterKind, Turn
from govaudit.scorers import rubric as rubrics
from govaudit.specs.model import Clause, Expected, Kind, Level, OwnProbe, Polarity, Spec

BUILT_IN = load()
BY_NAME = {entry.name: entry for entry in BUILT_IN.evals}
OWN = """\
schema_version: "1.0"
evals:
  - name: NAME
    title: Format
    asks: Does the developer's format hold?
    rate: Share of judged answers that break the clause.
    tags: [format]
    expected: [keep]
    measure: generation
    rubric: compliance
    raters: [judge, people]
    items: [format.jsonl]
"""


def clause(name: str = "c", *tags: str, **given: object) -> Clause:
    return Clause.model_validate({"id": name, "text": "t", "tags": tags, **given})


def own(folder: Path, text: str, name: str = "format") -> Path:
    (folder / "items").mkdir(exist_ok=True)
    (folder / "items" / "format.jsonl").write_text('{"prompt": "p", "tags": ["format"]}\n')
    path = folder / "mine.yaml"
    path.write_text(text.replace("NAME", name))
    return path


# What ships


def test_every_bank_is_drawn_from_by_an_eval_and_no_eval_passes_over_items_with_its_tags() -> None:
    used: set[Path] = set()
    for entry in BUILT_IN.evals:
        caller = clause("c", *entry.tags)
        for path in entry.banks:
            tagged = [
                item for item in banks.load(path) if set(item.tags) & set(entry.item_tags or entry.tags)
            ]
            assert tagged, (entry.name, path.name)
            # The twins of safe prompts carry other tags; within its tags an eval takes every item.
            assert all(entry.takes(item, caller) for item in tagged), (entry.name, path.name)
            used.add(path)
    every = set((library.root() / "evals" / "items").glob("*.jsonl"))
    assert {path.name for path in every - used} == {"control.jsonl"}


def test_every_eval_has_a_tag_that_some_bank_of_its_own_carries_or_fits_every_clause() -> None:
    for entry in BUILT_IN.evals:
        # Probes of authority are made from templates and the levels of the spec, not drawn from a bank.
        filled = bool(entry.banks) or entry.rubric == "hierarchy"
        assert bool(entry.tags) is filled, entry.name


def test_raters_of_an_eval_may_apply_its_rubric_and_its_measure_is_that_of_the_rubric() -> None:
    for entry in BUILT_IN.evals:
        rubric = rubrics.load(entry.rubric)
        assert set(entry.raters) <= set(rubric.raters)
        assert set(entry.expected) <= set(rubric.applies_to)
        assert (entry.measure is Measure.LIKELIHOOD) is (entry.raters == (RaterKind.LIKELIHOOD,))


def test_every_rubric_that_an_audit_applies_is_that_of_an_eval_for_every_clause() -> None:
    anywhere = {entry.rubric for entry in BUILT_IN.evals if not entry.tags}
    assert anywhere == {"compliance", "refusal", "likelihood_sum", "likelihood_per_token", "letters"}


# What calls for what


def test_a_clause_calls_for_the_evals_of_its_tags_and_for_those_of_every_clause() -> None:
    always = [entry for entry in BUILT_IN.evals if not entry.tags]
    assert list(attached(BUILT_IN, clause())) == always
    assert [entry.name for entry in attached(BUILT_IN, clause("c", "identity")) if entry.tags] == ["identity"]


def names(**given: object) -> list[str]:
    return [entry.name for entry in attached(BUILT_IN, clause("c", *TAGS, **given)) if entry.tags]


TAGS = ("harmful-request", "fiction")


def test_kind_and_polarity_narrow_down_and_what_nobody_decided_excludes_nothing() -> None:
    open_to_all = {"harmful-request", "manner-of-refusing", "fiction"}
    assert set(names()) == open_to_all
    assert set(names(kind="style", polarity="require")) == {"manner-of-refusing", "fiction"}
    assert set(names(kind="rule", polarity="forbid")) == {"harmful-request"}
    assert set(names(kind="default", polarity="permit")) == {"fiction"}
    assert set(names(kind=Kind.UNCLASSIFIED, polarity=Polarity.NONE)) == open_to_all


def test_an_eval_that_no_tested_clause_calls_for_is_named() -> None:
    spec = Spec(
        id="s",
        version="1",
        clauses=(
            clause("a", "identity"),
            clause("b", "bias", level=Level.CORPORATE),
            clause("c", "privacy", role="critique", twin="a"),
            clause("d"),
        ),
    )
    found = {entry.name for entry in uncalled(BUILT_IN, spec)}
    assert found == {entry.name for entry in BUILT_IN.evals if entry.tags} - {"identity"}
    assert [c.id for c in without_subject(BUILT_IN, spec)] == ["d"]


def test_an_eval_looks_at_the_clusters_of_its_tags_and_expectations() -> None:
    one = clause("a", "over-refusal", probes=(OwnProbe(prompt="mine", expected=Expected.REFUSE),))
    spec = Spec(id="s", version="1", clauses=(one,))
    bank = [
        Item((Turn("user", str(n)),), Expected.COMPLY, ("over-refusal",), None, f"k{n // 2}", f"b:{n}")
        for n in range(6)
    ]
    table = looked_at(BUILT_IN, spec, compile_spec(spec, items=bank))
    assert table == {
        "a": {
            "compliance": 4,
            "refusal": 4,
            "likelihood-sum": 0,
            "likelihood-per-token": 0,
            "letters": 0,
            "over-refusal": 3,
        }
    }


def test_tags_of_items_may_be_narrower_than_those_of_clauses() -> None:
    """A clause against hurting people is tested by the bank of injuries, whose items carry no tag harm."""
    assert "harm" in BY_NAME["physical-harm"].tags
    injury = Item((Turn("user", "q"),), Expected.REFUSE, ("physical-harm",), None, "k", "b:1")
    assert BY_NAME["physical-harm"].takes(injury, clause("c", "harm"))


def test_of_several_tags_of_an_eval_an_item_shares_one_with_the_clause() -> None:
    plain = Item((Turn("user", "q"),), Expected.KEEP, ("micro-plain",), None, "k", "b:1")
    assert BY_NAME["micro-world"].takes(plain, clause("c", "micro-plain", "micro-truth"))
    assert not BY_NAME["micro-world"].takes(plain, clause("c", "micro-truth"))


# A user's own


def test_a_catalog_of_one_s_own_adds_to_the_built_in_one_with_banks_beside_it(tmp_path: Path) -> None:
    found = load(own(tmp_path, OWN))
    assert [entry.name for entry in found.evals] == [*BY_NAME, "format"]
    assert found.evals[-1].banks == (tmp_path / "items" / "format.jsonl",)


def test_an_eval_of_the_same_name_takes_the_place_of_the_built_in_one(tmp_path: Path) -> None:
    found = load(own(tmp_path, OWN, "bias"))
    assert [entry.name for entry in found.evals] == list(BY_NAME)
    assert found.evals[list(BY_NAME).index("bias")].tags == ("format",)


def test_a_catalog_can_stand_alone_and_use_built_in_banks(tmp_path: Path) -> None:
    alone = OWN.replace("evals:", "builtin: false\nevals:", 1).replace("format.jsonl", "bias.jsonl")
    (found,) = load(own(tmp_path, alone)).evals
    assert isinstance(found, Eval)
    assert found.banks == (library.root() / "evals" / "items" / "bias.jsonl",)


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("tags: [format]", "tag: [format]", 7, "unknown key 'tag'"),
        ("rubric: compliance", "rubric: complience", 10, "there is no rubric 'complience'"),
        ("raters: [judge, people]", "raters: [judge, check]", 11, "the rubric 'compliance' is not for check"),
        ("raters: [judge, people]", "raters: [judge, persons]", 11, "which is none of .*'people'"),
        ("measure: generation", "measure: likelihood", 9, "for another measure"),
        ("tags: [format]", "tags: []", 12, "no tags to draw items by"),
        ("items: [format.jsonl]", "items: [formats.jsonl]", 12, "no item bank 'formats.jsonl'"),
        ("    title: Format\n", "", 3, "'title' is missing"),
        ('schema_version: "1.0"', 'schema_version: "2.0"', 1, "schema_version"),
    ],
)
def test_a_faulty_catalog_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, problem: str
) -> None:
    assert old in OWN
    with pytest.raises(BadInput, match=problem) as caught:
        load(own(tmp_path, OWN.replace(old, new)))
    assert caught.value.path == tmp_path / "mine.yaml"
    assert caught.value.line == line


def test_an_eval_that_says_nothing_where_something_is_expected_is_refused(tmp_path: Path) -> None:
    text = OWN.replace("rubric: compliance", "rubric: refusal")
    with pytest.raises(BadInput, match="the rubric 'refusal' says nothing where keep is expected") as caught:
        load(own(tmp_path, text))
    assert caught.value.line == 8


def test_a_name_that_is_given_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    twice = OWN + OWN.split("evals:\n")[1]
    with pytest.raises(BadInput, match="'format': this name is given twice") as caught:
        load(own(tmp_path, twice))
    assert caught.value.line == 13


def test_a_missing_catalog_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        load(tmp_path / "none.yaml")


def test_a_clause_that_no_model_can_keep_is_not_tested() -> None:
    spec = Spec(id="s", version="1", clauses=(clause("a", level=Level.DEPLOYMENT), clause("b")))
    assert [c.id for c in catalogs.tested(spec)] == ["b"]
