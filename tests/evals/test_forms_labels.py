"""Public labels, against reference numbers computed by a separate script on the same files.

Data: XSTest (Röttger et al. 2024, CC BY 4.0), RBR gold (Mu et al. 2024, MIT), DICES (Aroyo et al. 2023, CC BY 4.0, as
JUDGE-BENCH has it, direction of the votes put right), BBQ validation (Parrish et al. 2022, CC BY 4.0).
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from govaudit.errors import BadInput
from govaudit.evals.forms import table
from govaudit.evals.forms.labels import (
    BBQ_CLASSES,
    DICES_CLASSES,
    PROPOSITIONS,
    XSTEST_CLASSES,
    LabelledItem,
    complied,
    with_experts,
)
from govaudit.models import recorded
from govaudit.models.arms import Arm
from govaudit.models.fingerprint import fingerprint
from govaudit.records import RaterKind, Unscored
from govaudit.stats.agreement import agreement, two_rater
from govaudit.stats.counts import count_long


def write(folder: Path, *rows: object, name: str = "file.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def labels(items: tuple[LabelledItem, ...], rater: str) -> list[str | None]:
    return [vote.label for item in items if (vote := item.vote(rater))]


def binary(given: list[str | None]) -> list[bool | None]:
    return [None if label is None else complied(label) for label in given]


@pytest.mark.parametrize(
    ("model", "n", "three", "two", "judge", "strings"),
    [
        ("llama2orig", 445, (0.9640, 0.9284), (0.9888, 0.9672), (0.7708, 0.5787), (0.8944, 0.7254)),
        ("llama2new", 446, (0.9596, 0.9290), (0.9776, 0.9529), (0.7848, 0.6209), (0.9238, 0.8424)),
        ("mistralinstruct", 447, (0.9754, 0.9186), (0.9776, 0.9224), (0.7383, 0.0518), (0.8613, 0.2924)),
    ],
)
def test_xstest_annotators_and_automatic_labels_agree_as_they_did(
    data: Path,
    model: str,
    n: int,
    three: tuple[float, float],
    two: tuple[float, float],
    judge: tuple[float, float],
    strings: tuple[float, float],
) -> None:
    """The reference counts an invalid verdict of the judge as a fourth class, so as a disagreement."""
    items = table.read_labelled(data / "xstest" / f"completions-{model}.jsonl.gz")
    assert len(items) == n == len({item.item for item in items})
    people = [labels(items, "annotation_1"), labels(items, "annotation_2")]
    gold: list[str | None] = [item.gold for item in items]
    said = [label or "invalid" for label in labels(items, "gpt4_label")]
    matched = binary(labels(items, "strmatch_label"))
    for found, (percent, kappa) in (
        (two_rater(*people, seed=0, rounds=0, categories=XSTEST_CLASSES), three),
        (two_rater(*map(binary, people), seed=0, rounds=0, categories=(False, True)), two),
        (two_rater(said, gold, seed=0, rounds=0, categories=(*XSTEST_CLASSES, "invalid")), judge),
        (two_rater(matched, binary(gold), seed=0, rounds=0, categories=(False, True)), strings),
    ):
        assert found.percent.value == pytest.approx(percent, abs=5e-5)
        assert found.kappa.value == pytest.approx(kappa, abs=5e-5)


def test_the_refusals_that_a_judge_wrote_for_labels_are_invalid_verdicts(data: Path) -> None:
    items = table.read_labelled(data / "xstest" / "completions-mistralinstruct.jsonl.gz")
    votes = [vote for item in items if (vote := item.vote("gpt4_label"))]
    invalid = [vote for vote in votes if vote.label is None]
    assert len(invalid) == 11
    assert {vote.unscored for vote in invalid} == {Unscored.INVALID_VERDICT}
    assert all(vote.raw and vote.raw not in XSTEST_CLASSES for vote in invalid)
    assert {vote.kind for vote in votes} == {RaterKind.JUDGE}


def test_answers_of_three_models_to_one_prompt_are_one_cluster(data: Path) -> None:
    clusters = [
        {item.turns: item.cluster for item in table.read_labelled(path)}
        for path in sorted((data / "xstest").glob("completions-*.jsonl.gz"))
    ]
    assert len(clusters) == 3
    shared = clusters[0].keys() & clusters[1].keys() & clusters[2].keys()
    assert len(shared) > 440
    assert all(clusters[0][turns] == clusters[1][turns] == clusters[2][turns] for turns in shared)


def test_rbr_gold_has_its_propositions(data: Path) -> None:
    items = table.read_propositions(data / "rbr-gold" / "train.jsonl.gz")
    assert len(items) == 348
    assert sum(len(item.propositions) for item in items) == 348 * 23 == 8004
    assert len(PROPOSITIONS) == 23 == len(set(PROPOSITIONS))
    true = Counter(name for item in items for name, value in item.propositions.items() if value)
    assert {name: true[name] for name in ("prescribes_dosage", *REFERENCE)} == {
        "prescribes_dosage": 0,
        **REFERENCE,
    }
    assert Counter(item.wanted for item in items) == {
        "Comply": 196,
        "Hard Refuse": 85,
        "Safe Refuse 2": 58,
        "Safe Refuse 1": 9,
    }
    assert len({item.cluster for item in items}) == 347


REFERENCE = {
    "partially_complies": 202,
    "encourage_professional_help": 182,
    "additional_content": 131,
    "fully_complies": 122,
    "requests_information": 109,
    "apology": 103,
    "judgement": 42,
    "disclaimer": 30,
    "disallowed_content": 17,
    "meta_commentary": 14,
    "inability_to_comply": 13,
}


@pytest.fixture(scope="module")
def dices(data: Path) -> tuple[LabelledItem, ...]:
    experts = table.read_labelled(data / "dices" / "dices-350-expert.jsonl")
    assert len(experts) == 350
    return with_experts(table.read_labelled(data / "dices" / "dices-350.jsonl.gz"), experts)


def test_dices_votes_agree_as_they_did(dices: tuple[LabelledItem, ...]) -> None:
    votes = [(item.item, vote.label) for item in dices for vote in item.votes]
    assert len(votes) == 42_927
    assert Counter(label for _, label in votes) == {"No": 26_202, "Yes": 14_045, "Unsure": 2_680}
    items = [item for item, _ in votes]
    all_votes = agreement(count_long(items, [label for _, label in votes], DICES_CLASSES), seed=0, rounds=0)
    assert all_votes.percent.value == pytest.approx(0.5667, abs=5e-5)
    assert all_votes.fleiss.value == pytest.approx(0.1610, abs=5e-5)
    assert all_votes.alpha.value == pytest.approx(0.1610, abs=5e-5)
    sure = [None if label == "Unsure" else label for _, label in votes]
    assert agreement(count_long(items, sure, ("No", "Yes")), seed=0, rounds=0).alpha.value == pytest.approx(
        0.2009, abs=5e-5
    )


def test_the_majority_of_dices_agrees_with_experts_as_it_did(dices: tuple[LabelledItem, ...]) -> None:
    found = two_rater([item.majority for item in dices], [item.gold for item in dices], seed=0, rounds=0)
    assert found.n_items == 349
    assert found.percent.value == pytest.approx(0.6533, abs=5e-5)
    assert found.kappa.value == pytest.approx(0.3077, abs=5e-5)


def test_a_vote_of_dices_belongs_to_one_person(dices: tuple[LabelledItem, ...]) -> None:
    """Some raters always answer alike: rates of Yes run from 0 to 99.7 %, median 31 %."""
    yes = sorted(
        sum(item.votes[k].label == "Yes" for item in dices) / len(dices) for k in range(len(dices[0].votes))
    )
    assert len(yes) == 123
    assert yes[0] == 0
    assert yes[-1] == pytest.approx(0.997, abs=5e-4)
    assert yes[61] == pytest.approx(0.31, abs=5e-3)
    assert {vote.rater for vote in dices[0].votes} == {f"person:{k}" for k in range(1, 124)}
    assert {item.turns[-1].role for item in dices} == {"user"}


def test_votes_that_cannot_be_told_apart_by_person_are_refused(tmp_path: Path) -> None:
    row = {"id": 1, "context": "USER: a", "response": "b", "unsafe_votes": ["Yes", "No"]}
    with pytest.raises(BadInput, match=r"file\.jsonl:2: there are 1 votes here and 2 in line 1"):
        table.read_labelled(write(tmp_path, row, row | {"id": 2, "unsafe_votes": ["Yes"]}))


def test_bbq_raters_agree_as_they_did(data: Path) -> None:
    items = table.read_labelled(data / "bbq" / "ratings-dev.jsonl.gz")
    votes = [(item.item, vote) for item in items for vote in item.votes]
    assert (len(items), len(votes), len({vote.rater for _, vote in votes})) == (201, 1005, 15)
    found = agreement(
        count_long([item for item, _ in votes], [vote.label for _, vote in votes], BBQ_CLASSES),
        seed=0,
        rounds=0,
    )
    assert found.fleiss.value == pytest.approx(0.8721, abs=5e-5)
    assert found.alpha.value == pytest.approx(0.8722, abs=5e-5)
    right = [vote.label == item.gold for item in items for vote in item.votes]
    assert sum(right) / len(right) == pytest.approx(0.9522, abs=5e-5)
    most = [Counter(v.label for v in item.votes).most_common(1)[0][0] == item.gold for item in items]
    assert sum(most) / len(most) == pytest.approx(0.9950, abs=5e-5)


def test_ratings_of_one_item_must_show_one_question(tmp_path: Path) -> None:
    row = {
        "item": "i",
        "rater": "a",
        "answer": "ans_0",
        "options": ["x", "y", "z"],
        "question": "q",
        "label": 0,
    }
    row |= {"context": "c"}
    with pytest.raises(BadInput, match=r"file\.jsonl:2: question of item i is another one than in line 1"):
        table.read_labelled(write(tmp_path, row, row | {"rater": "b", "question": "r"}))


XSTEST = {
    "id": "1",
    "prompt": "q",
    "completion": "a",
    "annotation_1": "1_full_compliance",
    "annotation_2": None,
}


@pytest.mark.parametrize(
    ("said", "label", "unscored"),
    [
        ("2_full_refusal", "2_full_refusal", None),
        (" 2_full_refusal\n", "2_full_refusal", None),
        ("full_refusal", "2_full_refusal", None),
        ("Full refusal", "2_full_refusal", None),
        (2, "2_full_refusal", None),
        (2.0, "2_full_refusal", None),
        (4, None, Unscored.INVALID_VERDICT),
        ("2_full_refusal or 1_full_compliance", None, Unscored.INVALID_VERDICT),
        ("I'm sorry, but I can't label that.", None, Unscored.INVALID_VERDICT),
        ("", None, Unscored.NOT_RATED),
        (None, None, Unscored.NOT_RATED),
    ],
)
def test_a_label_is_one_of_the_classes_or_none_at_all(
    tmp_path: Path, said: str | float | None, label: str | None, unscored: Unscored | None
) -> None:
    (item,) = table.read_labelled(write(tmp_path, XSTEST | {"other_label": said}))
    vote = item.vote("other_label")
    assert vote is not None
    assert (vote.label, vote.unscored) == (label, unscored)
    assert item.vote("nobody") is None


def test_a_matrix_takes_its_classes_from_its_labels(tmp_path: Path) -> None:
    rows = [
        {"item": "a", "rater": "r1", "label": "x", "gold": "y"},
        {"item": 2, "rater": "r1", "label": 7},
        {"item": "a", "rater": "r2", "label": None, "gold": "y"},
    ]
    first, second = table.read_labelled(write(tmp_path, *rows))
    assert first.classes == second.classes == ("7", "x", "y")
    assert (first.item, first.gold, second.item, second.gold) == ("a", "y", "2", None)
    assert [(v.rater, v.label, v.unscored) for v in first.votes] == [
        ("r1", "x", None),
        ("r2", None, Unscored.NOT_RATED),
    ]
    with pytest.raises(BadInput, match=r"file\.jsonl:2: gold of item a"):
        table.read_labelled(write(tmp_path, rows[0], rows[2] | {"gold": "x"}))


def test_a_matrix_may_be_a_table_say_who_rates_and_which_items_belong_together(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(
        '\ufeffitem;rater;label;gold;kind;cluster\n"a;1";ann;2;;;p\na;j;10;10;judge;p\na;ann;;;;\n'
    )
    first, second = table.read_labelled(path)
    assert (first.item, second.item) == ("a;1", "a")
    assert first.classes == ("2", "10")
    assert (first.cluster, second.cluster, second.gold) == ("p", "p", "10")
    assert [(v.rater, v.kind, v.label) for v in second.votes] == [
        ("j", RaterKind.JUDGE, "10"),
        ("ann", RaterKind.PEOPLE, None),
    ]
    path.write_text("item,rater,label\na,ann,x\n\nb,ann\n")
    with pytest.raises(BadInput, match=r"m\.csv:4: this row has 2 cells and the header 3"):
        table.read_labelled(path)
    path.write_text("item,rater,label,kind\na,ann,x,robot\n")
    with pytest.raises(BadInput, match=r'm\.csv:2: kind is "robot"'):
        table.read_labelled(path)


@pytest.mark.parametrize(
    "propositions", [{}, {"apology": 2}, {"apology": None}, {"apologies": True}, [True], "apology"]
)
def test_propositions_are_known_ones_and_true_or_false(tmp_path: Path, propositions: object) -> None:
    row = {
        "prompt": [{"role": "user", "content": "q"}],
        "completion": [{"role": "assistant", "content": "a"}],
        "propositions": propositions,
    }
    with pytest.raises(BadInput, match=r"file\.jsonl:1: .*proposition"):
        table.read_propositions(write(tmp_path, row))


def test_propositions_may_be_numbers_or_words_and_others_may_stand_beside(tmp_path: Path) -> None:
    given = {"apology": 1, "judgement": "False", "disclaimer": None, "sarcasm": True}
    row = {"prompt": "q", "completion": "a", "propositions": given, "note": [1]}
    (item,) = table.read_propositions(write(tmp_path, row))
    assert item.propositions == {"apology": True, "judgement": False, "sarcasm": True}
    assert ([turn.role for turn in item.turns], item.answer) == (["user"], "a")


def test_outputs_by_number_need_the_file_of_prompts(tmp_path: Path) -> None:
    path = write(tmp_path, {"prompt": 3, "model": "m", "output": "o"}, name="outputs.jsonl")
    for read in (table.read_labelled, recorded.read):
        with pytest.raises(BadInput, match=r"outputs\.jsonl:1: .*no file of prompts beside"):
            read(path)
    write(tmp_path, {"prompt": 4, "instruction": "q"}, name="prompts.jsonl")
    for read in (table.read_labelled, recorded.read):
        with pytest.raises(BadInput, match=r"outputs\.jsonl:1: there is no prompt 3 in prompts\.jsonl"):
            read(path)
    write(
        tmp_path, {"prompt": 3, "instruction": " q "}, {"prompt": 3, "instruction": "r"}, name="prompts.jsonl"
    )
    with pytest.raises(BadInput, match=r"prompts\.jsonl:2: prompt 3 stands there twice"):
        recorded.read(path)
    write(tmp_path, {"prompt": 3, "instruction": " q "}, name="prompts.jsonl")
    found = recorded.read(path).answer(stimulus=None, prompt="q")
    assert found is not None
    assert found.text == "o"
    assert table.read_labelled(path)[0].turns[0].content == " q "


def test_the_prompts_that_numbers_stand_for_belong_to_the_identity_of_an_arm(tmp_path: Path) -> None:
    arm = Arm(
        name="a", model=f"recorded/{write(tmp_path, {'prompt': 3, 'output': 'o'}, name='outputs.jsonl')}"
    )
    prints = []
    for text in ("q", "r"):
        write(tmp_path, {"prompt": 3, "instruction": text}, name="prompts.jsonl")
        prints.append(fingerprint(arm))
    assert prints[0] != prints[1]
    assert prints[0]["file"] == prints[1]["file"]
    named = Arm(name="a", model=f"recorded/{write(tmp_path, {'prompt': 'q', 'output': 'o'}, name='x.jsonl')}")
    assert "prompts" not in fingerprint(named)
