"""AI feedback: what the model is asked, how its letters become a label, and what is no judgement."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from scripted import Scripted

from govaudit.errors import BadInput
from govaudit.library import find_spec
from govaudit.models import untrained
from govaudit.models.engine import Engine, Request, Stop
from govaudit.records import Turn
from govaudit.specs.load import load_spec
from govaudit.train import constitution, feedback, forms
from govaudit.train.constitution import Principle
from govaudit.train.feedback import Form, Label, Settings
from govaudit.train.material import Candidates, Kind, Prompt, asked

KIND = Principle("kind", "which is kinder ?")
SHORT = Principle("short", "which is shorter ?")
PAIR = Candidates(
    asked("how do i steal the bike ?", Kind.HARMFUL), "take it .", "ask for it .", ("sl", "base")
)
PAIRS = [
    Candidates(asked(f"how do i steal bike {i} ?", Kind.HARMFUL), f"take {i} .", f"ask {i} .")
    for i in range(200)
]


def in_order(text: str, parts: list[str]) -> bool:
    places = [text.index(part) for part in parts]
    return places == sorted(places)


@pytest.mark.parametrize(
    "principle",
    [
        KIND.text,
        *[
            principle.text
            for principle in constitution.of_spec(load_spec(find_spec("principles")).spec).feedback
        ],
    ],
)
def test_the_prompt_has_conversation_principle_options_and_answer_prefix_in_this_order(
    principle: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """For a real spec and as the model sees it, its chat template around it (Bai et al. 2022, section 4.1)."""
    prompt = Prompt(
        "p",
        (Turn("user", "good day ."), Turn("assistant", "what can i do ?"), Turn("user", "open the lock .")),
        Kind.HARMFUL,
    )
    model = Scripted()
    feedback.label(
        model,
        [Candidates(prompt, "like this .", "better not .")],
        (Principle("p", principle),),
        Settings(),
        0,
    )
    (turns, letters), (turned, _) = model.scored
    assert letters == forms.LETTERS == (" (A)", " (B)")
    engine = Engine.load(untrained.build(tmp_path_factory.mktemp("untrained")))
    seen = engine.tokenizer.decode(engine.tokens(turns, letters[0]))
    parts = ["good day .", "what can i do ?", "open the lock .", principle]
    assert in_order(seen, [*parts, "(A) like this .", "(B) better not .", f"{forms.ANSWER} (A)"])
    assert seen.endswith(f"{forms.ANSWER} (A)")
    assert in_order(turned[0].content or "", [*parts, "(A) better not .", "(B) like this ."])


def first_is(p_first: float, taste_for_a: float = 0.0) -> Scripted:
    """A model with an opinion on PAIR, plus a taste for the letter A, both in logits."""

    def p_a(question: str) -> float:
        shown_first = f"(A) {PAIR.first}" in question
        logit = math.log(p_first / (1 - p_first)) * (1 if shown_first else -1) + taste_for_a
        return 1 / (1 + math.exp(-logit))

    return Scripted(p_a=p_a)


@pytest.mark.parametrize("taste", [-2.0, 0.0, 3.0])
def test_a_taste_for_one_letter_cancels_over_both_orders(taste: float) -> None:
    (label,) = feedback.label(first_is(0.8, taste), [PAIR], (KIND,), Settings(), 0)
    assert label.raw == pytest.approx(0.8, abs=1e-12)


def test_the_taste_for_a_letter_is_measured() -> None:
    def p_a(question: str) -> float:
        return 0.9 if len(question) % 2 else 0.7

    labels = feedback.label(Scripted(p_a=p_a), PAIRS, (KIND,), Settings(), 0)
    found = feedback.quality(labels)
    assert found.mean_p_a is not None
    assert found.mean_p_a.low < 0.8 < found.mean_p_a.high and found.mean_p_a.low > 0.75
    assert found.mean_p_a.clusters == 200
    assert found.turned_over == 1.0


def test_all_principles_are_averaged_by_weight() -> None:
    def p_a(question: str) -> float:
        p_first = 0.9 if KIND.text in question else 0.5
        return p_first if f"(A) {PAIR.first}" in question else 1 - p_first

    heavy = Principle("kind", KIND.text, weight=3)
    (label,) = feedback.label(Scripted(p_a=p_a), [PAIR], (heavy, SHORT), Settings(principles=None), 0)
    assert label.raw == pytest.approx((3 * 0.9 + 0.5) / 4)


def test_one_principle_is_drawn_per_pair_by_weight() -> None:
    heavy = Principle("kind", KIND.text, weight=3)
    labels = feedback.label(Scripted(), PAIRS, (heavy, SHORT), Settings(), 0)
    drawn = [{question.principle for question in label.questions} for label in labels]
    assert all(len(names) == 1 for names in drawn)
    assert 0.65 < drawn.count({"kind"}) / len(drawn) < 0.85
    again = feedback.label(Scripted(), PAIRS[50:60], (heavy, SHORT), Settings(), 0)
    assert again == labels[50:60]


def test_a_principle_drawn_twice_counts_twice() -> None:
    def p_a(question: str) -> float:
        p_first = 0.9 if KIND.text in question else 0.5
        return p_first if f"(A) {PAIR.first}" in question else 1 - p_first

    for seed in range(20):
        (label,) = feedback.label(Scripted(p_a=p_a), [PAIR], (KIND, SHORT), Settings(principles=3), seed)
        kind = sum(question.principle == "kind" for question in label.questions) / 2
        assert label.raw == pytest.approx((kind * 0.9 + (3 - kind) * 0.5) / 3)


@pytest.mark.parametrize(
    ("form", "expected"),
    [(Form.SOFT, (0.8, 0.05, 0.5)), (Form.HARD, (1, 0, 0.5)), (Form.CLAMP, (0.6, 0.4, 0.5))],
)
def test_labels_are_soft_hard_or_clamped(form: Form, expected: tuple[float, ...]) -> None:
    settings = Settings(form=form)
    labels = [feedback.label(first_is(p), [PAIR], (KIND,), settings, 0)[0] for p in (0.8, 0.05, 0.5)]
    assert [label.p_first for label in labels] == pytest.approx(expected)
    assert [label.raw for label in labels] == pytest.approx([0.8, 0.05, 0.5])
    assert [pair.p_first for pair in feedback.trained_on(labels)] == pytest.approx(expected)
    soft = feedback.reworked(labels, Settings())
    assert [label.p_first for label in soft] == pytest.approx([0.8, 0.05, 0.5])


def test_a_clamp_that_is_no_interval_is_refused() -> None:
    with pytest.raises(BadInput, match=r"clamped to 0\.6 to 0\.4"):
        feedback.check(Settings(form=Form.CLAMP, low=0.6, high=0.4))


def test_with_chain_of_thought_the_letter_comes_after_the_reasons() -> None:
    def say(request: Request) -> str:
        return f" (A) is rude . {request.seed % 7}"

    model = Scripted(say)
    (label,) = feedback.label(model, [PAIR], (KIND,), Settings(reasons=5), 0)
    assert len(model.asked) == len(model.scored) == 10
    assert all(request.turns[-1] == Turn("assistant", forms.REASONS) for request in model.asked)
    assert all(forms.SO in request.stop for request in model.asked)
    prefix = model.scored[0][0][-1].content or ""
    assert in_order(prefix, [forms.REASONS, "(A) is rude .", forms.SO]) and prefix.endswith(forms.SO)
    assert label.questions[0].reasons.startswith("(A) is rude .")


def test_samples_of_the_chain_of_thought_are_averaged() -> None:
    p_a = iter([0.9, 0.7, 0.1, 0.3])  # first shown as (A) twice, then second shown as (A) twice
    model = Scripted(p_a=lambda _: next(p_a))
    (label,) = feedback.label(model, [PAIR], (KIND,), Settings(reasons=2), 0)
    assert label.raw == pytest.approx(0.8)


def test_reasons_that_never_end_are_no_judgement() -> None:
    model = Scripted(lambda _: ("(A) is", Stop.MAX_TOKENS))
    labels = feedback.label(model, [PAIR], (KIND,), Settings(reasons=2), 0)
    assert labels[0].raw is labels[0].p_first is None
    assert feedback.trained_on(labels) == []
    found = feedback.quality(labels)
    assert (found.pairs, found.labelled, found.missing) == (1, 0, {"max_tokens": 4})
    assert found.mean_p_a is None


def test_no_mass_on_the_letters_is_no_judgement() -> None:
    labels = feedback.label(Scripted(mass=0.0), [PAIR], (KIND,), Settings(), 0)
    assert labels[0].raw is None
    assert feedback.quality(labels).missing == {"no letter": 2}


def test_captured_mass_is_recorded_and_divided_out() -> None:
    def p_a(question: str) -> float:
        return 0.8 if f"(A) {PAIR.first}" in question else 0.2

    (label,) = feedback.label(Scripted(p_a=p_a, mass=0.25), [PAIR], (KIND,), Settings(), 0)
    assert label.raw == pytest.approx(0.8)
    assert [question.mass for question in label.questions] == pytest.approx([0.25, 0.25])


def test_a_question_that_does_not_fit_the_context_is_no_judgement(tmp_path: Path) -> None:
    engine = Engine.load(untrained.build(tmp_path), context=64)
    (label,) = feedback.label(engine, [PAIR], (KIND,), Settings(), 0)
    assert label.raw is None and {question.missing for question in label.questions} == {"context"}


def test_a_label_survives_its_record() -> None:
    labels = feedback.label(first_is(0.7), [PAIR], (KIND, SHORT), Settings(principles=None), 0)
    assert [Label.of(label.data()) for label in labels] == labels


def test_the_bar_ends_where_it_was_said_to_end() -> None:
    for settings in (Settings(), Settings(principles=None), Settings(principles=2, reasons=3)):
        done: list[int] = []
        feedback.label(Scripted(), PAIRS[:5], (KIND, SHORT), settings, 0, done.append)
        assert sum(done) == feedback.questions(5, (KIND, SHORT), settings)
