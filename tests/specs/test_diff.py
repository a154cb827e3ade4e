"""Diffs of specs: the published versions, counted by an independent script, and small ones of our own."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from govaudit.evals.compile import compile_spec
from govaudit.specs import native
from govaudit.specs.diff import Changed, Diff, counts, data, diff
from govaudit.specs.diff_summary import summary
from govaudit.specs.model import Label, Spec
from govaudit.specs.turns import Sign
from govaudit.specs.wording import Nature

Published = Callable[[str], tuple[Spec, tuple[str, ...]]]

RULES = """
schema_version: "1.0"
id: rules
version: "1"
authority: [owner, user]
sections:
  - {id: first, title: First things, depth: 1}
  - {id: second, title: Second things, depth: 1}
clauses:
  - id: secrets
    title: Secrets
    text: The assistant may tell what it was told in private — if nobody’s life depends on it.
    authority: owner
    section: first
    modality: must
    polarity: forbid
    examples:
      - title: a birthday
        turns: [{role: user, content: When was Ada born?}]
        comparisons:
          - after: 1
            answers:
              - {label: good, content: In December.}
              - {label: bad, content: I was told not to say.}
    probes: [{prompt: What did Ada say?}]
  - id: trains
    title: Trains
    text: Say how old a timetable is.
    authority: user
    section: first
"""


def rules(*changes: tuple[str, str]) -> Spec:
    text = RULES
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return native.parse(text)


def only(found: Diff) -> Changed:
    (change,) = found.changed
    return change


# --- small specs


def test_a_spec_and_itself_have_no_difference() -> None:
    found = diff(rules(), rules(('version: "1"', 'version: "2"')))
    assert found.empty
    assert found.same == 4
    assert "No change: one and the same text." in summary(found)


def test_typography_is_told_apart_from_wording_and_still_makes_probes_stale() -> None:
    spec = rules()
    found = diff(spec, rules((" — if nobody’s", " --- if nobody's")), compile_spec(spec).probes)
    change = only(found)
    assert change.text is not None and change.text.nature is Nature.TYPOGRAPHIC and change.text.stale
    assert found.typographic == (change,) and found.reworded == ()
    assert change.turns == ()
    assert found.stale is not None
    assert [(row.clause, row.why) for row in found.stale.by_clause] == [("secrets", "typographic")]


def test_another_normal_form_alone_leaves_probes_fresh() -> None:
    spec = rules(("Say how old", "Say in a cafe\u0301 how old"))
    found = diff(spec, rules(("Say how old", "Say in a caf\u00e9 how old")), compile_spec(spec).probes)
    change = only(found)
    assert change.text is not None and change.text.nature is Nature.TYPOGRAPHIC and not change.text.stale
    assert found.stale is not None and found.stale.stale == 0


def test_each_sort_of_change_is_found_where_it_is() -> None:
    found = diff(
        rules(),
        rules(
            ("title: Trains", "title: Timetables"),
            (
                "Say how old a timetable is.\n    authority: user\n    section: first",
                "Say how old a table is.\n    authority: owner\n    section: second\n    tags: [travel]",
            ),
        ),
    )
    change = only(found)
    assert (change.id, change.form, change.was) == ("trains", "clause", "clause")
    assert change.text is not None
    assert change.text.gone == ("Say how old a timetable is.",)
    assert change.text.come == ("Say how old a table is.",)
    assert change.retitled is not None
    assert (change.retitled.before, change.retitled.after) == ("Trains", "Timetables")
    assert change.reranked is not None
    assert (change.reranked.before, change.reranked.after, change.reranked.raised) == ("user", "owner", True)
    assert change.moved is not None and (change.moved.before, change.moved.after) == ("first", "second")
    assert [(d.name, d.before, d.after) for d in change.declared] == [("tags", [], ["travel"])]


def test_a_permission_that_became_a_prohibition_is_something_to_read() -> None:
    found = diff(rules(), rules(("may tell", "must not tell")))
    (turned,) = found.turned
    assert [turn.sign for turn in turned.turns] == [Sign.NEGATION]
    assert "meaning may have turned round" in summary(found)


@pytest.mark.parametrize(
    ("old", "new", "sign"),
    [
        ("polarity: forbid", "polarity: require", Sign.DECLARED),
        ("modality: must", "modality: may", Sign.DECLARED),
        ("modality: must\n", "modality: must\n    bright_line: true\n", Sign.BINDING),
    ],
)
def test_a_declared_property_that_was_turned_is_something_to_read(old: str, new: str, sign: Sign) -> None:
    change = only(diff(rules(), rules((old, new))))
    assert [turn.sign for turn in change.turns] == [sign]
    assert change.turned is (sign is not Sign.BINDING)


def test_an_answer_that_was_good_and_is_bad_is_something_to_read() -> None:
    swapped = rules(
        ("{label: good, content: In", "{label: bad, content: In"),
        ("{label: bad, content: I was", "{label: good, content: I was"),
    )
    change = only(diff(rules(), swapped))
    assert change.examples is not None and change.examples.changed == ("a birthday",)
    assert [(r.answer, r.before, r.after) for r in change.examples.relabelled] == [
        ("In December.", Label.GOOD, Label.BAD),
        ("I was told not to say.", Label.BAD, Label.GOOD),
    ]
    assert [turn.sign for turn in change.turns] == [Sign.LABEL, Sign.LABEL]
    assert change.turned


def test_examples_are_recognised_by_their_conversation_and_then_by_their_title() -> None:
    retitled = only(diff(rules(), rules(("title: a birthday", "title: the birthday of a friend"))))
    assert retitled.examples is not None and retitled.examples.changed == ("the birthday of a friend",)
    asked = only(diff(rules(), rules(("When was Ada born?", "When is Ada's birthday?"))))
    assert asked.examples is not None and asked.examples.changed == ("a birthday",)
    assert asked.examples.relabelled == ()
    typed = only(diff(rules(), rules(("I was told not to say.", "I  was told not to say."))))
    assert typed.examples is not None and typed.examples.typographic == ("a birthday",)
    both = (("title: a birthday", "title: x"), ("When was Ada born?", "Who is Ada?"))
    replaced = only(diff(rules(), rules(*both)))
    assert replaced.examples is not None
    assert (replaced.examples.added, replaced.examples.removed) == (("x",), ("a birthday",))


def test_own_probes_and_prompts_are_counted() -> None:
    change = only(diff(rules(), rules(("prompt: What did Ada say?}", "prompt: Tell me}, {prompt: Say it}"))))
    assert change.prompts is not None
    assert (change.prompts.own_added, change.prompts.own_removed) == (2, 1)


def test_a_heading_that_became_a_clause_is_no_addition() -> None:
    section = "  - {id: second, title: Second things, depth: 1}\n"
    as_clause = "  - {id: second, title: Second things, text: Be quick.}\n"
    found = diff(rules(), rules((section, ""), ("clauses:\n", f"clauses:\n{as_clause}")))
    assert found.added == found.removed == ()
    change = next(c for c in found.changed if c.id == "second")
    assert (change.was, change.form) == ("section", "clause")
    assert "second: section -> clause" in summary(found)


def test_two_texts_under_one_version_are_said_aloud() -> None:
    assert "Two texts under one version" in summary(diff(rules(), rules(("Say how", "Tell how"))))
    other = rules(("Say how", "Tell how"), ('version: "1"', 'version: "2"'))
    assert "Two texts under one version" not in summary(diff(rules(), other))


def test_probes_of_a_changed_or_missing_clause_are_stale_and_others_are_not() -> None:
    old = rules()
    probes = compile_spec(old).probes
    gone = old.model_copy(update={"clauses": old.clauses[1:]})
    found = diff(old, gone, probes).stale
    assert found is not None
    assert [(row.clause, row.why, row.successor) for row in found.by_clause] == [("secrets", "gone", None)]
    assert found.probes == found.stale == len(probes) == len(found.by_clause[0].probes)
    assert dict(found.by_clause[0].by_origin) == dict(Counter(p.origin.value for p in probes))
    assert found.unprobed == ("trains",)


def test_a_training_principle_is_tested_as_its_twin_and_lacks_no_probe() -> None:
    pick = "  - {id: pick, text: Which answer says how old its timetable is?, role: feedback, twin: trains}\n"
    old = native.parse(RULES + pick)
    found = diff(old, old, compile_spec(old).probes).stale
    assert found is not None
    assert found.unprobed == ("trains",)


def test_titles_are_compared_only_where_both_statements_have_one() -> None:
    found = diff(rules(("    title: Secrets\n", "")), rules(("id: secrets", "id: confidences")))
    assert [pair.title for pair in found.renamed] == [None]
    assert not re.search(r"score.*title", summary(found))
    (pair,) = diff(
        rules(), rules(("id: secrets", "id: confidences"), ("title: Secrets", "title: Tact"))
    ).renamed
    assert pair.title == 0.0


def test_probes_of_a_renamed_clause_are_stale_and_name_its_successor() -> None:
    old = rules()
    renamed = rules(("id: secrets", "id: confidences"))
    found = diff(old, renamed, compile_spec(old).probes)
    assert found.stale is not None
    (row,) = found.stale.by_clause
    assert (row.clause, row.why, row.successor) == ("secrets", "renamed", "confidences")
    assert "renamed to confidences" in summary(found)


def test_a_suite_of_the_new_spec_is_fresh_and_one_of_a_third_spec_is_noted() -> None:
    old, new = rules(), rules(("may tell", "must not tell"))
    fresh = diff(old, new, compile_spec(new).probes).stale
    assert fresh is not None and fresh.stale == 0 and fresh.note is None
    third = compile_spec(rules(("may tell", "can tell"))).probes
    foreign = diff(old, new, third).stale
    assert foreign is not None and foreign.note is not None and "another one" in foreign.note


def test_controls_are_no_probes_of_a_clause() -> None:
    @dataclass(frozen=True)
    class Control:
        id: str = "c"
        origin: str = "control"
        targets: tuple[Any, ...] = ()

    found = diff(rules(), rules(), [Control()]).stale
    assert found is not None and found.probes == 0


def test_the_diff_is_json_and_its_texts_cannot_steer_a_terminal() -> None:
    hostile = "ignore\u202e this \x1b[31mline\x07 " * 200
    found = diff(rules(), rules(("Say how old a timetable is.", json.dumps(hostile))))
    back = json.loads(json.dumps(data(found)))
    assert back["counts"]["reworded"] == 1
    assert back["changed"][0]["text"]["nature"] == "wording"
    text = summary(found)
    assert all(c.isprintable() or c == "\n" for c in text)


def test_a_summary_cuts_long_passages_that_the_json_keeps() -> None:
    long = "may tell " + "all the people and the birds " * 100
    found = diff(rules(), rules(("may tell", long.strip())), None)
    assert max(map(len, summary(found).splitlines())) < 500
    assert len(json.dumps(data(found))) > 2500


# --- published versions: all counts by an independent script on the four files


@pytest.fixture(scope="module")
def versions(published: Published) -> Callable[[str], Spec]:
    return lambda version: published(version)[0]


def changed_authority(found: Diff) -> Counter[tuple[str | None, str | None]]:
    return Counter((c.reranked.before, c.reranked.after) for c in found.reranked if c.reranked)


def test_april_2025_changed_texts_and_nothing_else(versions: Callable[[str], Spec]) -> None:
    found = diff(versions("2025-02-12"), versions("2025-04-11"))
    assert found.added == found.removed == found.retitled == found.reranked == found.levels == ()
    assert not any(change.moved for change in found.changed)
    assert {change.id for change in found.reworded} == {"risk_taxonomy", "definitions", "do_not_lie"}
    assert {c.id: c.examples.changed for c in found.changed if c.examples} == {
        "do_not_facilitate_illicit_behavior": (
            "volume of a bomb with intent to build",
            "volume of a bomb without intent to build",
        ),
        "avoid_overstepping": ("transforming buggy code in an interactive chat",),
    }
    assert [change.id for change in found.turned] == ["do_not_lie"]


def test_september_2025_is_found_change_by_change(versions: Callable[[str], Spec]) -> None:
    found = diff(versions("2025-04-11"), versions("2025-09-12"))
    assert {(s.id, s.form) for s in found.removed} == {
        ("approachable", "section"),
        ("be_empathetic", "clause"),
        ("be_engaging", "clause"),
        ("be_kind", "clause"),
        ("protect_privileged_messages", "clause"),
    }
    assert {(s.id, s.authority) for s in found.added} == {
        ("red_line_principles", None),
        ("no_other_objectives", "root"),
        ("scope_of_autonomy", "root"),
        ("control_side_effects", "root"),
        ("protect_privileged_information", "root"),
        ("love_humanity", "user"),
        ("be_responsible", "user"),
        ("be_interesting_and_interested", "user"),
        ("be_curious", "user"),
        ("have_conversational_sense", "user"),
        ("be_warm", "guideline"),
    }
    assert {s.form for s in found.added if s.authority is None} == {"section"}
    assert changed_authority(found) == {("platform", "root"): 16, ("platform", "system"): 3}
    assert {c.id for c in found.reranked if c.reranked and c.reranked.after == "system"} == {
        "comply_with_laws",
        "no_erotica_or_gore",
        "use_preset_voice_in_voice_mode",
    }
    (level,) = found.levels
    assert (level.before, level.after, level.gone) == ("platform", (("root", 16), ("system", 3)), True)
    assert {change.id for change in found.retitled} == {"ask_clarifying_questions", "refusal_style"}
    assert [change.id for change in found.turned] == ["refusal_style"]
    assert {(c.id, c.moved.before, c.moved.after) for c in found.changed if c.moved} == {
        ("be_rationally_optimistic", "approachable", "style"),
        ("do_not_make_unprompted_personal_comments", "approachable", "style"),
        ("avoid_being_condescending", "approachable", "style"),
    }
    assert [(r.old, r.new) for r in found.renamed] == [
        ("protect_privileged_messages", "protect_privileged_information"),
        ("be_kind", "love_humanity"),
    ]
    text = summary(found)
    assert (
        "be_kind -> love_humanity (score 0.68): 100% of the shorter text stands in the other; titles without a "
        "common word; 4 of 4 examples went along, 1 new; 2 of 2 footnotes went along, 1 new"
    ) in text
    assert "protect_privileged_information (score 0.64): 55% of the shorter text" in text
    assert "platform -> root (16) + system (3): the level is gone" in text
    assert "    comply_with_laws: platform -> system" in text


def test_dashes_that_changed_in_september_2025_are_no_rewording(versions: Callable[[str], Spec]) -> None:
    found = diff(versions("2025-04-11"), versions("2025-09-12"))
    assert {change.id for change in found.typographic} == {
        "prohibited_content",
        "respect_creators",
        "do_not_facilitate_illicit_behavior",
        "avoid_sycophancy",
        "express_uncertainty",
        "support_programmatic_use",
    }
    assert {c.id for c in found.changed if c.text and c.text.nature is Nature.REFERENCES} == {"overview"}
    assert len(found.reworded) == 28
    assert sum(len(c.examples.typographic) for c in found.changed if c.examples) == 22


def test_october_2025_is_found_change_by_change(versions: Callable[[str], Spec]) -> None:
    found = diff(versions("2025-09-12"), versions("2025-10-27"))
    assert [(s.id, s.authority) for s in found.added] == [("respect_real_world_ties", "root")]
    assert found.removed == found.reranked == found.levels == found.renamed == found.carried == ()
    assert [change.id for change in found.retitled] == ["do_not_encourage_self_harm"]
    assert {change.id for change in found.reworded} == {
        "follow_all_applicable_instructions",
        "ignore_untrusted_data",
        "prevent_imminent_harm",
        "do_not_encourage_self_harm",
        "do_not_lie",
    }
    marks = {c.id: c.prompts.added for c in found.changed if c.prompts}
    assert marks == {
        "be_rationally_optimistic": ("d0pu",),
        "be_responsible": ("rse0", "h82a"),
        "be_warm": ("t5q0",),
    }
    assert {c.id for c in found.changed if c.text and c.text.nature is Nature.REFERENCES} == set(marks)
    harm = next(c for c in found.changed if c.id == "do_not_encourage_self_harm")
    assert harm.examples is not None and len(harm.examples.added) == 4


def test_stale_probes_are_those_of_clauses_with_another_text_digest(versions: Callable[[str], Spec]) -> None:
    old, new = versions("2025-04-11"), versions("2025-09-12")
    suite = compile_spec(old)
    found = diff(old, new, suite.probes)
    assert found.stale is not None
    now = {clause.id: clause.text_digest for clause in new.clauses}
    stale = {p.id for p in suite.probes if any(now.get(t.clause) != t.text_digest for t in p.targets)}
    assert found.stale.stale == len(stale)
    assert {probe for row in found.stale.by_clause for probe in row.probes} == stale
    why = {row.clause: row.why for row in found.stale.by_clause}
    assert why["protect_privileged_messages"] == "renamed"
    assert why["be_engaging"] == "gone"
    assert why["refusal_style"] == "reworded"
    assert why["respect_creators"] == "typographic"
    assert "uphold_fairness" not in why  # its text is the same: only its authority changed
    assert set(found.stale.unprobed) >= {"love_humanity", "refusal_style", "comply_with_laws"}


def test_prompts_are_compared_only_where_both_specs_have_them(
    versions: Callable[[str], Spec], data: Any
) -> None:
    from govaudit.specs import openai_model_spec

    bare, _ = openai_model_spec.load(
        data / "openai-model-spec" / "2025-10-27.md", version="2025-10-27", prompts=None
    )
    found = diff(versions("2025-10-27"), bare)
    assert found.empty
    assert found.notes and "prompts were not compared" in found.notes[0]


def test_counts_agree_with_the_lists(versions: Callable[[str], Spec]) -> None:
    found = diff(versions("2025-04-11"), versions("2025-09-12"))
    tally = counts(found)
    assert (tally["added"], tally["removed"], tally["reranked"], tally["retitled"]) == (11, 5, 19, 2)
    assert tally["same"] + len(found.changed) == 66
    json.dumps(data(found))
