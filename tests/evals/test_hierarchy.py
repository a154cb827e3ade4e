"""Probes of authority are made from templates and a scale, and every one of them can be kept."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import authority
import pytest

from govaudit import library
from govaudit.errors import BadInput
from govaudit.evals import hierarchy, templates
from govaudit.evals.order import Form, Kind, Order
from govaudit.evals.suite import Probe, Suite
from govaudit.evals.tasks import express
from govaudit.scorers.hierarchy import KEPT, verdict
from govaudit.specs.load import load_spec

TWELVE = tuple(f"office {n}" for n in range(1, 13))


@lru_cache
def made(
    levels: tuple[str, ...], per_pair: int = 6, spec: str = "house-rules", seed: int = 0
) -> tuple[Probe, ...]:
    loaded = load_spec(library.find_spec(spec)).spec
    found = templates.load(templates.find(None, spec))
    return hierarchy.probes(found, levels, loaded.clauses, per_pair=per_pair, seed=seed)


def order_of(probe: Probe) -> Order:
    assert probe.order is not None
    return probe.order


def test_an_answer_that_follows_what_stands_keeps_every_probe() -> None:
    for levels in (("system", "developer", "user", "tool"), TWELVE):
        for probe in made(levels, 30 if len(levels) < 5 else 2):
            order = order_of(probe)
            assert verdict(order.demands, authority.good(order)) == KEPT, (order, authority.good(order))


def test_every_ordered_pair_of_up_to_twelve_levels_has_conflicts_and_aligned_instructions() -> None:
    found = Counter((order_of(p).kind, order_of(p).higher, order_of(p).lower) for p in made(TWELVE, 2))
    for higher, lower in combinations(TWELVE, 2):
        for kind in (Kind.CONFLICT, Kind.ALIGNED, Kind.INDEPENDENT):
            assert found[kind, higher, lower] == 2


def test_levels_beyond_the_twelfth_are_left_out() -> None:
    levels = {order_of(p).lower for p in made((*TWELVE, "office 13"), 1)}
    assert "office 12" in levels
    assert "office 13" not in levels


def test_the_same_seed_gives_the_same_probes_and_another_one_others() -> None:
    one, two, other = (made(("system", "user"), seed=seed) for seed in (0, 0, 1))
    assert [p.data() for p in one] == [p.data() for p in two]
    assert {p.id for p in one} != {p.id for p in other}


def test_levels_speak_in_the_messages_of_their_role() -> None:
    assert hierarchy.roles(("company", "developer", "user")) == {
        "company": "system",
        "developer": "developer",
        "user": "user",
    }


def test_a_level_that_no_message_speaks_for_has_the_textual_form_alone() -> None:
    assert set(hierarchy.roles(("root", "system", "developer", "user", "guideline"))) == {
        "system",
        "developer",
        "user",
    }
    forms = {
        order_of(p).form
        for p in made(("root", "system", "user"), 2)
        if "root" in (order_of(p).higher, order_of(p).lower)
    }
    assert forms == {Form.TEXT}


def test_two_levels_that_claim_one_role_have_none() -> None:
    assert hierarchy.roles(("platform", "company", "user")) == {"user": "user"}
    assert hierarchy.roles(("platform", "system", "user")) == {"system": "system", "user": "user"}


def test_where_an_arm_merges_two_levels_the_probe_cannot_be_put_to_it() -> None:
    probes = made(("system", "developer", "user"), 2)
    both = [p for p in probes if {"system", "developer"} <= {turn.role for turn in p.turns}]
    assert both
    assert all(express(p.turns[:-1], None, None) is None for p in both)
    known = frozenset({"system", "developer", "user", "assistant"})
    assert all(express(p.turns[:-1], None, known) is not None for p in both)


def test_what_a_higher_level_offers_begins_with_another_choice_than_the_lower_ones() -> None:
    aligned = [order_of(p) for p in made(("system", "user"), 20) if order_of(p).kind is Kind.ALIGNED]
    for order in aligned:
        offered, chosen = order.demands[0].value.split("|"), order.demands[1].value
        assert chosen in offered[1:]
    assert len({o.demands[0].value.split("|").index(o.demands[1].value) for o in aligned}) == 3


def test_deeper_orders_let_every_rank_speak_once() -> None:
    for probe in made(("system", "user"), 6):
        order = order_of(probe)
        if order.higher == "rank 1":
            said = probe.turns[0].content or ""
            assert [said.count(f"- Rank {rank}:") for rank in range(1, order.depth + 1)] == [1] * order.depth


def test_the_order_of_the_lines_does_not_give_the_ranks_away() -> None:
    first = Counter()
    for probe in made(TWELVE, 4):
        if order_of(probe).form is Form.TEXT and order_of(probe).higher == "office 1":
            said = probe.turns[0].content or ""
            first[said.index("(office 1)") < said.index(f"({order_of(probe).lower})")] += 1
    assert min(first.values()) > 0.3 * sum(first.values())


def test_clauses_that_carry_the_tag_are_tested_and_without_one_nothing_is_accused() -> None:
    rules = made(("system", "user"), 2, spec="rules")
    targets = {order_of(p).kind: {t.clause for t in p.targets} for p in rules}
    assert targets[Kind.CONFLICT] == {"higher-level-wins"}
    assert targets[Kind.INJECTION] == {"quoted-text-gives-no-orders"}
    assert all(not p.targets for p in made(("system", "user"), 2, spec="micro-world"))


def test_a_suite_with_probes_of_authority_is_read_as_it_was_written() -> None:
    suite = Suite("0" * 64, 0, made(("system", "user"), 2))
    assert Suite.loads(suite.dumps(), Path("suite.jsonl")).dumps() == suite.dumps()


def test_the_small_world_has_templates_in_its_own_words() -> None:
    found = made((), 4, spec="micro-world")
    assert {order_of(p).kind for p in found} == {Kind.ALONE, Kind.CONFLICT}
    assert templates.find(None, "micro-world").name == "hierarchy-micro-world.yaml"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("rule: begins", "rule: rhymes", "no rule 'rhymes'"),
        ("id: last-word", "id: first-word", "given twice"),
        ("levels: [system, developer, user]", "levels: [system]", "levels"),
        ("values: [bridge,", "options: []\n    values: [bridge, bridge,", "the same"),
    ],
)
def test_templates_that_cannot_be_asked_are_refused_with_their_line(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    text = library.read("evals", "templates/hierarchy.yaml")
    assert old in text
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput, match=problem) as caught:
        templates.load(file)
    assert caught.value.path == file
    assert caught.value.line is not None
