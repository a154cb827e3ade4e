"""Critique and revision chains: what the model is asked, in which order, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted import Scripted

from govaudit.library import find_spec
from govaudit.models import untrained
from govaudit.models.engine import Engine, Request, Stop
from govaudit.records import Turn
from govaudit.specs.load import load_spec
from govaudit.train import constitution, critique
from govaudit.train.constitution import Principle
from govaudit.train.critique import EXEMPLARS, Chain, Settings, chains, examples, texts
from govaudit.train.material import Kind, asked

HARM = Principle("harm", "say what is harmful .", "write it without that .")
DODGE = Principle("dodge", "does it dodge ?", "write it openly .")
PROMPTS = tuple(asked(f"how do i steal bike number {i} ?", Kind.HARMFUL) for i in range(40))


def role_player(request: Request) -> str:
    """Says which part it plays, and how many answers came before."""
    last = request.turns[-1].content or ""
    if last in (HARM.text, DODGE.text):
        return "critique of " + (request.turns[-2].content or "")
    if last in (HARM.revision_request, DODGE.revision_request):
        answer = next(turn.content for turn in request.turns if turn.role == "assistant")
        return f"{answer} '"
    return "answer"


def test_a_chain_of_no_rounds_is_the_bare_answer() -> None:
    (chain,) = chains(Scripted(role_player), PROMPTS[:1], (HARM,), Settings(rounds=0), seed=0)
    assert chain.answers() == ("answer",) and chain.rounds == () and not chain.ended


def test_each_round_criticises_and_revises_the_answer_of_the_round_before() -> None:
    (chain,) = chains(Scripted(role_player), PROMPTS[:1], (HARM,), Settings(rounds=4), seed=0)
    assert chain.answers() == ("answer", "answer '", "answer ' '", "answer ' ' '", "answer ' ' ' '")
    assert [round.critique for round in chain.rounds][-1] == "critique of answer ' ' '"


def test_a_round_starts_from_the_conversation_and_the_last_answer_alone() -> None:
    model = Scripted(role_player)
    chains(model, PROMPTS[:1], (HARM,), Settings(rounds=2), seed=0)
    second_critique, second_revision = model.asked[-2:]
    assert [turn.role for turn in second_critique.turns] == ["user", "assistant", "user"]
    assert [turn.content for turn in second_revision.turns] == [
        "how do i steal bike number 0 ?",
        "answer '",
        HARM.text,
        "critique of answer '",
        HARM.revision_request,
    ]


def test_without_critiques_the_revision_is_asked_for_at_once() -> None:
    model = Scripted(role_player)
    (chain,) = chains(model, PROMPTS[:1], (HARM,), Settings(rounds=1, critiques=False), seed=0)
    assert chain.rounds[0].critique == "" and chain.answers() == ("answer", "answer '")
    assert [turn.content for turn in model.asked[1].turns][1:] == ["answer", HARM.revision_request]


def test_principles_are_drawn_anew_in_every_round_by_weight() -> None:
    heavy = Principle("heavy", HARM.text, HARM.revision_request, weight=3)
    made = chains(Scripted(role_player), PROMPTS, (heavy, DODGE), Settings(rounds=4), seed=0)
    drawn = [round.principle for chain in made for round in chain.rounds]
    assert len(drawn) == 160
    assert 0.65 < drawn.count("heavy") / len(drawn) < 0.85
    assert len({tuple(round.principle for round in chain.rounds) for chain in made}) > 4


def test_the_same_seed_draws_the_same_whatever_else_is_in_the_batch() -> None:
    def principles(prompts: tuple[critique.Prompt, ...], seed: int) -> dict[str, list[str]]:
        made = chains(Scripted(role_player), prompts, (HARM, DODGE), Settings(rounds=4), seed)
        return {chain.prompt.id: [round.principle for round in chain.rounds] for chain in made}

    everything, alone = principles(PROMPTS, 0), principles(PROMPTS[3:4], 0)
    assert alone[PROMPTS[3].id] == everything[PROMPTS[3].id]
    assert principles(PROMPTS, 1) != everything


def test_samples_of_one_prompt_have_seeds_of_their_own() -> None:
    model = Scripted(role_player)
    made = chains(model, PROMPTS[:2], (HARM,), Settings(rounds=1, samples=3), seed=0)
    assert [(chain.prompt.id, chain.sample) for chain in made] == [
        (prompt.id, sample) for prompt in PROMPTS[:2] for sample in (1, 2, 3)
    ]
    assert len({request.seed for request in model.asked}) == len(model.asked) == texts(2, Settings(1, 3))


@pytest.mark.parametrize("stop", [Stop.MAX_TOKENS, Stop.CONTEXT, Stop.TEMPLATE])
def test_a_text_that_did_not_end_is_no_revision_and_ends_its_chain(stop: Stop) -> None:
    def say(request: Request) -> str | tuple[str, Stop]:
        said = role_player(request)
        return (said, stop) if said == "answer ' '" else said

    (chain,) = chains(Scripted(say), PROMPTS[:1], (HARM,), Settings(rounds=4), seed=0)
    assert chain.answers() == ("answer", "answer '") and chain.ended == stop.value


def test_a_chain_without_a_first_answer_has_nothing_to_imitate() -> None:
    (chain,) = chains(
        Scripted(lambda _: ("", Stop.MAX_TOKENS)), PROMPTS[:1], (HARM,), Settings(rounds=2), seed=0
    )
    assert chain.answers() == () and chain.ended == "max_tokens"
    assert examples([chain], every=False) == examples([chain], every=True) == []


def test_imitated_is_the_last_revision_or_every_one_but_never_the_first_answer() -> None:
    made = chains(Scripted(role_player), PROMPTS[:1], (HARM,), Settings(rounds=3), seed=0)
    assert [example.answer for example in examples(made, every=False)] == ["answer ' ' '"]
    assert [example.answer for example in examples(made, every=True)] == [
        "answer '",
        "answer ' '",
        "answer ' ' '",
    ]
    assert examples(made, every=False)[0].turns == PROMPTS[0].turns


def test_a_chain_survives_its_record() -> None:
    made = chains(Scripted(role_player), PROMPTS[:2], (HARM, DODGE), Settings(rounds=3), seed=0)
    assert [Chain.of(chain.data()) for chain in made] == made


def test_worked_examples_stand_between_instructions_and_conversation() -> None:
    model = Scripted(role_player)
    prompt = critique.Prompt("p", (Turn("system", "be kind ."), *PROMPTS[0].turns), Kind.HARMFUL)
    chains(model, [prompt], (HARM,), Settings(rounds=1, exemplars=2), seed=0)
    answer, criticised, revised = model.asked
    assert len(answer.turns) == 2
    assert [turn.role for turn in criticised.turns] == ["system"] + ["user", "assistant"] * 7 + ["user"]
    assert criticised.turns[1].content == EXEMPLARS[0].question
    assert revised.turns[12].content == EXEMPLARS[1].revision


def test_worked_examples_of_the_direct_form_hold_no_critique() -> None:
    model = Scripted(role_player)
    chains(model, PROMPTS[:1], (HARM,), Settings(rounds=1, critiques=False, exemplars=5), seed=0)
    said = [turn.content for turn in model.asked[1].turns]
    assert not {exemplar.critique for exemplar in EXEMPLARS} & set(said)
    assert all(exemplar.revision in said for exemplar in EXEMPLARS)


def test_one_worked_answer_in_five_is_right_as_it_is() -> None:
    assert [exemplar.answer == exemplar.revision for exemplar in EXEMPLARS].count(True) == 1


@pytest.mark.parametrize("rounds", [-1, 5])
def test_there_are_no_chains_of_other_lengths(rounds: int) -> None:
    with pytest.raises(ValueError, match="0 to 4"):
        chains(Scripted(), PROMPTS[:1], (HARM,), Settings(rounds=rounds), seed=0)


def test_a_real_spec_and_a_real_checkpoint_go_through_the_same_code(tmp_path: Path) -> None:
    principles = constitution.of_spec(load_spec(find_spec("principles")).spec).critique
    assert len(principles) == 16
    engine = Engine.load(untrained.build(tmp_path))
    settings = Settings(rounds=1, exemplars=5, answer_tokens=8, critique_tokens=8)
    made = chains(engine, PROMPTS[:3], principles, settings, seed=0)
    # Random weights hardly ever end a turn within eight tokens.
    assert {chain.ended for chain in made} == {"max_tokens"}
