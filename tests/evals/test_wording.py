"""The checks of wording as ratings, and pairs of answers scrubbed to be compared again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from govaudit.errors import BadInput
from govaudit.evals import rate_wording, scrub, wording
from govaudit.evals.items import load
from govaudit.evals.pairs import ArmPair, Pool
from govaudit.evals.suite import Probe, ProbeOrigin, Suite, Target
from govaudit.records import Measure, Response, Turn, Unscored
from govaudit.scorers import phrase_list
from govaudit.scorers.rubric import load as load_rubric
from govaudit.specs.model import Expected

LIST = phrase_list.load()
RUBRICS = {name: load_rubric(name) for name in wording.RUBRICS}


def probe(text: str, facts: tuple[str, ...] = (), origin: ProbeOrigin = ProbeOrigin.ITEM_BANK) -> Probe:
    control = origin is ProbeOrigin.CONTROL
    return Probe(
        turns=(Turn("user", text), Turn("assistant", None)),
        targets=() if control else (Target("a", Expected.KEEP, "d"), Target("b", Expected.KEEP, "d")),
        measure=Measure.GENERATION,
        origin=origin,
        cluster=text,
        facts=facts,
    )


def answer(to: Probe, text: str, arm: str = "arm", unscored: Unscored | None = None) -> Response:
    turns = (to.turns[0], Turn("assistant", text))
    return Response(f"{arm} {to.stimulus[:8]}", to.stimulus, arm, 1, turns, text, unscored=unscored)


MOON = probe("When did people land on the Moon?", facts=("1969", "apollo"))
SKY = probe("Why is the sky blue?")
PLAIN = probe("Two and two?", origin=ProbeOrigin.CONTROL)


def rated(*responses: Response) -> dict[tuple[str, str], object]:
    suite = Suite("digest", 0, (MOON, SKY, PLAIN))
    found = rate_wording.checks(suite, responses, RUBRICS, LIST)
    assert all(row.clause is None for row in found.ratings)
    return {(row.question, row.responses[0]): row for row in found.ratings}


def test_each_answer_is_read_once_and_controls_are_not() -> None:
    rows = rated(answer(MOON, "In 1969."), answer(SKY, "I hope this helps!"), answer(PLAIN, "Four."))
    assert sum(question == wording.LISTED for question, _ in rows) == 2
    listed = rows[wording.LISTED, f"arm {SKY.stimulus[:8]}"]
    assert (listed.value, listed.label) == (1.0, "stock_phrases")  # type: ignore[attr-defined]
    assert json.loads(listed.raw) == [["closing", "i hope this helps"]]  # type: ignore[attr-defined]


def test_an_evasive_answer_has_no_rating_of_its_facts() -> None:
    told = rated(answer(MOON, "In 1969, I believe."))
    assert told[wording.TOLD, f"arm {MOON.stimulus[:8]}"].value == 0.5  # type: ignore[attr-defined]
    evasive = rated(answer(MOON, "I'm sorry, but I cannot help with that."))
    assert evasive[wording.ENGAGED, f"arm {MOON.stimulus[:8]}"].value == 0.0  # type: ignore[attr-defined]
    assert (wording.TOLD, f"arm {MOON.stimulus[:8]}") not in evasive
    assert not any(question == wording.ENGAGED for question, _ in rated(answer(SKY, "Air scatters light.")))


def test_answers_that_are_missing_are_not_rated() -> None:
    assert rated(answer(SKY, "", unscored=Unscored.TRUNCATED)) == {}


def test_a_bank_says_what_the_facts_are_and_the_suite_keeps_them(tmp_path: Path) -> None:
    bank = tmp_path / "own.jsonl"
    row = {"prompt": "Why is the sky blue?", "tags": ["sky"], "facts": ["(rayleigh|scattering)", "air"]}
    bank.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert load(bank)[0].facts == ("(rayleigh|scattering)", "air")
    suite = Suite("digest", 0, (MOON, SKY))
    assert Suite.loads(suite.dumps()).probes == (MOON, SKY)
    assert "facts" not in json.loads(suite.dumps().split("\n")[2])
    bank.write_text(json.dumps({**row, "facts": ["(a|b"]}) + "\n", encoding="utf-8")
    with pytest.raises(BadInput, match="no fact"):
        load(bank)


def test_the_shipped_bank_asks_forty_questions_and_its_facts_are_not_given_away() -> None:
    items = load(Path(__file__).parents[2] / "evals" / "items" / "facts.jsonl")
    assert len(items) >= 40
    assert all(item.facts for item in items)
    given = [
        (item.source, fact)
        for item in items
        for fact in item.facts
        if phrase_list.hits(
            [item.turns[0].content or ""], phrase_list.frozen([fact], "fact", "the reference")
        )[0]
    ]
    assert len(given) <= 0.1 * sum(len(item.facts) for item in items), given


def test_pairs_without_templates_are_compared_again_only_where_that_changes_something() -> None:
    def pair(first: str, second: str, to: Probe) -> ArmPair:
        one, two = answer(to, first, "one"), answer(to, second, "two")
        return ArmPair((0, 1), to.stimulus, to.cluster, (to.turns[0],), one, two)

    pools = (
        Pool(
            (RUBRICS["facts"],),
            (
                pair("In 1969. I hope this helps!", "In 1972.", MOON),
                pair("Air scatters light.", "The sea is blue.", SKY),
                pair("I hope this helps!", "Four.", PLAIN),
            ),
            missing=5,
        ),
    )
    again, rows = scrub.scrubbed(pools, LIST)
    assert [(p.first.text, p.second.text) for p in again[0].pairs] == [("In 1969.", "In 1972.")]
    assert again[0].pairs[0].first.arm != again[0].pairs[0].second.arm
    assert len(rows) == 6
    assert sum(row.unscored is Unscored.EMPTY for row in rows) == 1
    assert scrub.scrubbed((Pool(pools[0].rubrics, pools[0].pairs[1:2], 0),), LIST)[0] == ()
