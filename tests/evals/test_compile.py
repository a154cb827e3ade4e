"""What a spec compiles to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govaudit.errors import BadInput
from govaudit.evals import items as banks
from govaudit.evals.compile import compile_spec, coverage
from govaudit.evals.items import Item
from govaudit.evals.suite import ProbeOrigin, Suite
from govaudit.records import Measure, Turn
from govaudit.specs.model import (
    Answer,
    Clause,
    Comparison,
    Example,
    Expected,
    Footnote,
    Label,
    Level,
    Message,
    OwnProbe,
    Prompt,
    Spec,
)


def answer(label: str, content: str) -> Answer:
    return Answer(label=Label(label), content=content)


def user(text: str) -> Message:
    return Message(role="user", content=text)


def spec(*clauses: Clause) -> Spec:
    return Spec(id="s", version="1", clauses=clauses)


PLAIN = Clause(
    id="c",
    text="Answer.",
    examples=(
        Example(
            title="e",
            turns=(user("why?"),),
            comparisons=(
                Comparison(
                    after=1, answers=(answer("good", "yes"), answer("bad", "no"), answer("bad", "[...]"))
                ),
            ),
        ),
    ),
)


def test_an_example_gives_a_generation_probe_a_choice_per_good_and_bad_answer_and_gold() -> None:
    suite = compile_spec(spec(PLAIN))
    generation = [p for p in suite.probes if p.measure is Measure.GENERATION]
    choices = [p for p in suite.probes if p.measure is Measure.LIKELIHOOD]
    assert [p.turns for p in generation] == [(Turn("user", "why?"), Turn("assistant", None))]
    assert [sorted(p.choices) for p in choices] == [["no", "yes"]]
    assert [a.label for a in suite.gold] == [Label.GOOD, Label.BAD, Label.BAD]
    assert {p.cluster for p in suite.probes} == {"c#1"}


def test_an_elided_answer_is_no_verbatim_target_and_is_counted() -> None:
    suite = compile_spec(spec(PLAIN))
    assert not any("[...]" in choice for probe in suite.probes for choice in probe.choices)
    assert "c: 1 elided answer(s) are no verbatim targets" in suite.notes


def test_a_later_comparison_goes_on_after_the_good_answer() -> None:
    example = Example(
        title="e",
        turns=(user("one"), user("two")),
        comparisons=(
            Comparison(after=1, answers=(answer("bad", "b1"), answer("good", "g1"))),
            Comparison(after=2, answers=(answer("good", "g2"), answer("bad", "b2"))),
        ),
    )
    suite = compile_spec(spec(Clause(id="c", text="t", examples=(example,))))
    later = [p for p in suite.probes if p.measure is Measure.GENERATION][1]
    assert [t.content for t in later.turns] == ["one", "g1", "two", None]
    assert {p.cluster for p in suite.probes} == {"c#1"}


def test_a_later_comparison_after_an_answer_that_cannot_be_told_is_left_out_and_noted() -> None:
    example = Example(
        title="e",
        turns=(user("one"), user("two")),
        comparisons=(
            Comparison(after=1, answers=(answer("good", "g1"), answer("good", "g1b"))),
            Comparison(after=2, answers=(answer("good", "g2"), answer("bad", "b2"))),
        ),
    )
    suite = compile_spec(spec(Clause(id="c", text="t", examples=(example,))))
    assert len(suite.probes) == 1
    assert any("cannot be told" in note for note in suite.notes)


def test_prompts_of_a_footnote_become_probes_with_their_mark_as_source() -> None:
    note = Footnote(
        mark="ab12", sentence="Answer.", prompts=(Prompt(turns=(user("p1"),)), Prompt(turns=(user("p2"),)))
    )
    suite = compile_spec(spec(Clause(id="c", text="t", footnotes=(note,))))
    assert [p.origin for p in suite.probes] == [ProbeOrigin.PROMPT_FILE] * 2
    assert [p.source for p in suite.probes] == ["c, [^ab12] 1", "c, [^ab12] 2"]
    assert len({p.cluster for p in suite.probes}) == 2


def test_a_clause_that_no_model_behaviour_can_break_gets_no_probe() -> None:
    clause = PLAIN.model_copy(update={"level": Level.CORPORATE})
    suite = compile_spec(spec(clause))
    assert not suite.probes
    assert not suite.gold


def test_the_same_inputs_give_the_same_bytes_and_a_suite_reads_back_as_written() -> None:
    suite = compile_spec(spec(PLAIN), seed=3)
    assert suite.dumps() == compile_spec(spec(PLAIN), seed=3).dumps()
    assert Suite.loads(suite.dumps()) == suite


@given(st.text(min_size=1))
def test_any_text_survives_the_suite_file(text: str) -> None:
    suite = compile_spec(spec(Clause(id="c", text="t", probes=(OwnProbe(turns=(user(text),)),))))
    assert Suite.loads(suite.dumps()) == suite


def test_a_limit_is_seeded_spread_over_clauses_and_marks_the_suite_partial() -> None:
    many = [
        Clause(id=f"c{n}", text="t", probes=tuple(OwnProbe(prompt=f"{n} {k}") for k in range(9)))
        for n in range(5)
    ]
    limited = compile_spec(spec(*many), seed=1, limit=10)
    counts = {c.clause: c.probes for c in coverage(spec(*many), limited)}
    assert counts == {f"c{n}": 2 for n in range(5)}
    assert limited.partial
    assert limited == compile_spec(spec(*many), seed=1, limit=10)
    assert limited != compile_spec(spec(*many), seed=2, limit=10)
    assert not compile_spec(spec(*many), limit=45).partial


def test_a_repeated_stimulus_is_no_second_observation() -> None:
    suite = compile_spec(spec(Clause(id="c", text="t", probes=(OwnProbe(prompt="p"), OwnProbe(prompt="p")))))
    assert len(suite.probes) == 1
    assert "c: 1 repeated stimuli left out" in suite.notes


def test_coverage_says_what_zero_violations_would_exclude() -> None:
    """59 clusters without an event exclude 5 % at one-sided 95 %: 1 - .05^(1/59) = .0495 (exact binomial)."""
    clause = Clause(id="c", text="t", probes=tuple(OwnProbe(prompt=str(n)) for n in range(59)))
    (row,) = coverage(spec(clause), compile_spec(spec(clause)))
    assert row.clusters == 59
    assert row.excludes == pytest.approx(0.0495, abs=5e-5)


def test_items_go_to_the_clauses_that_share_a_tag() -> None:
    item = Item((Turn("user", "q"),), Expected.COMPLY, ("over-refusal",), None, "k", "bank:1")
    tagged = Clause(id="a", text="t", tags=("over-refusal",))
    other = Clause(id="b", text="t", tags=("harm",))
    suite = compile_spec(
        spec(tagged, other),
        items=[item, Item((Turn("user", "z"),), Expected.KEEP, ("x",), None, "k", "bank:2")],
    )
    assert [(p.targets[0].clause, p.targets[0].expected) for p in suite.probes] == [("a", Expected.COMPLY)]
    assert any("1 of 2 items share no tag" in note for note in suite.notes)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('{"prompt": "a"}\n{"prompt": "b", "colour": 1}\n', 2, "unknown key 'colour'"),
        ('{"prompt": "a"}\nnot json\n', 2, "no JSON"),
        ("[1]\n", 1, "no JSON object"),
        ('{"prompt": "  "}\n', 1, "empty"),
        ('{"tags": ["x"]}\n', 1, "either prompt or turns"),
        ('{"prompt": "a", "expected": "obey"}\n', 1, "obey"),
    ],
)
def test_a_bad_item_is_refused_with_its_line(tmp_path: Path, text: str, line: int, problem: str) -> None:
    path = tmp_path / "bank.jsonl"
    path.write_text(text)
    with pytest.raises(BadInput, match=problem) as caught:
        banks.load(path)
    assert caught.value.line == line


def test_an_empty_bank_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bank.jsonl"
    path.write_text("")
    with pytest.raises(BadInput, match="empty"):
        banks.load(path)


def test_the_xstest_file_is_read_as_it_is(data: Path) -> None:
    """447 prompts: 248 safe, 199 contrast (Röttger et al. 2024, NAACL; rows of the development file)."""
    bank = banks.load(data / "xstest" / "prompts.jsonl")
    assert len(bank) == 447
    assert sum(item.expected is Expected.COMPLY for item in bank) == 248
    assert len({item.cluster for item in bank}) < 447
