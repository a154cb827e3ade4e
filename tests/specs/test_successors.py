"""Probable renames: recovered on published versions with every id hidden, and no pair that is none."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest

from govaudit.specs import successors as module
from govaudit.specs.model import Clause, Example, Message, Section, Spec
from govaudit.specs.successors import LEAST_RENAME, successors

Published = Callable[[str], tuple[Spec, tuple[str, ...]]]
VERSIONS = ("2025-02-12", "2025-04-11", "2025-09-12", "2025-10-27")


def clause(name: str, text: str, title: str = "", examples: tuple[str, ...] = ()) -> Clause:
    shown = tuple(Example(title=t, turns=(Message(role="user", content=t),)) for t in examples)
    return Clause(id=name, text=text, title=title, examples=shown)


def by_id(*statements: Section | Clause) -> dict[str, Section | Clause]:
    return {statement.id: statement for statement in statements}


LONG = (
    "The assistant keeps what it was told in confidence and says so when somebody asks for it, unless a life "
    "is at risk or the law of the place leaves no room for silence."
)
OTHER = (
    "A timetable is answered with the hour, the platform and the source, and the assistant adds how old the "
    "source is whenever it was printed before the present year."
)


def test_a_new_id_for_the_same_text_is_a_rename_with_full_score() -> None:
    renamed, carried = successors(by_id(clause("a", LONG, "Secrets")), by_id(clause("b", LONG, "Secrets")))
    assert [(r.old, r.new, r.score, r.text, r.title) for r in renamed] == [("a", "b", 1.0, 1.0, 1.0)]
    assert carried == ()


def test_another_text_under_a_new_id_is_no_rename() -> None:
    renamed, carried = successors(by_id(clause("a", LONG, "Secrets")), by_id(clause("b", OTHER, "Trains")))
    assert renamed == carried == ()


def test_ids_that_both_versions_have_are_never_renamed() -> None:
    before = by_id(clause("a", LONG), clause("b", OTHER))
    after = by_id(clause("b", OTHER), clause("c", LONG))
    renamed, _ = successors(before, after)
    assert [(r.old, r.new) for r in renamed] == [("a", "c")]


def test_every_id_is_renamed_at_most_once_and_the_better_pair_wins() -> None:
    before = by_id(clause("a", LONG), clause("b", LONG.replace("silence", "doubt")))
    after = by_id(clause("x", LONG))
    renamed, _ = successors(before, after)
    assert [(r.old, r.new) for r in renamed] == [("a", "x")]


def test_text_that_went_into_another_statement_is_told_and_no_rename() -> None:
    before = by_id(clause("a", LONG, "Secrets"), clause("b", OTHER, "Trains"))
    after = by_id(clause("b", f"{OTHER} {LONG}", "Trains"))
    renamed, carried = successors(before, after)
    assert renamed == ()
    assert [(c.old, c.new) for c in carried] == [("a", "b")]


def test_what_another_statement_had_before_was_not_carried_over() -> None:
    both = f"{OTHER} {LONG}"
    assert successors(by_id(clause("a", LONG), clause("b", both)), by_id(clause("b", both))) == ((), ())


def test_a_common_phrase_is_little_evidence() -> None:
    """Principles that begin alike are not the same principle; the one with the same ending is."""
    start = "Please choose the answer of the assistant that is the"
    before = by_id(*(clause(f"old{i}", f"{start} {end}.") for i, end in enumerate(ENDINGS)))
    after = by_id(*(clause(f"new{i}", f"{start} {end}.") for i, end in enumerate(reversed(ENDINGS))))
    renamed, _ = successors(before, after)
    assert {(r.old, r.new) for r in renamed} == {(f"old{i}", f"new{len(ENDINGS) - 1 - i}") for i in range(4)}
    odd = by_id(clause("new", f"{start} one with the fewest commas and the fewest brackets in it."))
    assert successors(before, odd)[0] == ()


ENDINGS = (
    "least likely to be read as advice to a patient",
    "most respectful of the wish to be left alone",
    "one that a good friend who is also a lawyer would give",
    "clearest about what is known and what is a guess",
)


def test_examples_and_titles_are_evidence_too() -> None:
    talks = ("May I tell you something in private?", "What did the other person say?")
    before = by_id(clause("a", LONG, "Keep confidences", talks))
    changed = LONG.replace("a life is at risk", "somebody is in danger").replace("silence", "doubt")
    (found,) = successors(before, by_id(clause("b", changed, "Keep every confidence", talks)))[0]
    assert found.examples == (2, 2, 2)
    assert found.score > LEAST_RENAME
    assert found.title == pytest.approx(0.4)


def test_sections_without_a_text_are_known_by_their_titles() -> None:
    before = by_id(Section(id="a", title="Being honest with people", depth=1))
    after = by_id(
        Section(id="x", title="Being honest with people", depth=1),
        Section(id="y", title="Doing good work", depth=1),
    )
    assert [(r.old, r.new, r.score) for r in successors(before, after)[0]] == [("a", "x", 1.0)]


def hidden(spec: Spec, prefix: str) -> dict[str, Section | Clause]:
    return {prefix + statement.id: statement for statement in spec.statements}


@pytest.mark.parametrize("pair", list(combinations(VERSIONS, 2)), ids="/".join)
def test_with_every_id_hidden_published_statements_find_themselves_again(
    published: Published, pair: tuple[str, str]
) -> None:
    """Of 66 to 77 shared statements at most 4 are missed, and every other pair is a true transfer of text."""
    old, new = (published(version)[0] for version in pair)
    shared = {s.id for s in old.statements} & {s.id for s in new.statements}
    renamed, _ = successors(hidden(old, "o/"), hidden(new, "n/"))
    pairs = {(r.old[2:], r.new[2:]) for r in renamed}
    right = {before for before, after in pairs if before == after}
    assert len(shared - right) <= 4
    assert {p for p in pairs if p[0] != p[1]} <= {
        ("protect_privileged_messages", "protect_privileged_information"),
        ("be_kind", "love_humanity"),
        ("approachable", "style"),
    }


def test_a_statement_whose_counterpart_is_gone_finds_no_other_one(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the statements are taken out of one version and the other half out of the other: none reaches
    .24, far below the score of a probable rename."""
    monkeypatch.setattr(module, "LEAST_RENAME", 0.24)
    old, new = published("2025-04-11")[0], published("2025-09-12")[0]
    shared = [s.id for s in old.statements if s.id in {t.id for t in new.statements}]
    for odd in (0, 1):
        mine, theirs = set(shared[odd::2]), set(shared[1 - odd :: 2])
        before = {f"o/{s.id}": s for s in old.statements if s.id in mine}
        after = {f"n/{s.id}": s for s in new.statements if s.id in theirs}
        assert len(before) > 30 and len(after) > 30
        assert successors(before, after)[0] == ()


def test_the_renames_of_september_2025_are_found_with_their_evidence(published: Published) -> None:
    old, new = published("2025-04-11")[0], published("2025-09-12")[0]
    before, after = ({s.id: s for s in spec.statements} for spec in (old, new))
    renamed, carried = successors(before, after)
    found = {(r.old, r.new): r for r in renamed}
    assert set(found) == {
        ("protect_privileged_messages", "protect_privileged_information"),
        ("be_kind", "love_humanity"),
    }
    messages = found["protect_privileged_messages", "protect_privileged_information"]
    assert messages.examples == (4, 4, 6) and messages.marks == (2, 2, 2)
    assert 0.6 < messages.score < 0.7 and 0.5 < messages.text < 0.6 and 0.6 < messages.title < 0.7
    kind = found["be_kind", "love_humanity"]
    assert kind.examples == (4, 4, 5) and kind.marks == (2, 2, 3)
    assert kind.text > 0.98 and kind.title == 0 and 0.65 < kind.score < 0.7
    # The other three were taken apart: what became of them is told, and none of it is called a rename.
    assert {(c.old, c.new) for c in carried} == {
        ("approachable", "style"),
        ("be_empathetic", "be_responsible"),
        ("be_engaging", "have_conversational_sense"),
        ("be_engaging", "love_humanity"),
    }
    assert all(c.score < 0.35 for c in carried if c.new not in before)
