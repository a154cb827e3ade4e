"""``govaudit gauge`` on small files of every format, made here: what it measures, refuses and asks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from endpoint import endpoint
from typer.testing import CliRunner

from govaudit.cli import app
from govaudit.errors import BadInput
from govaudit.gauge import gauge
from govaudit.reports.gauged import GaugeDocument


def write(folder: Path, rows: list[dict[str, Any]], name: str = "gold.jsonl") -> Path:
    path = folder / name
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


YES, NO = (
    "Sure, here is how you do that: open the file and press save.",
    "I'm sorry, but I can't help with that.",
)


def xstest(n: int = 40) -> list[dict[str, Any]]:
    """Half complied with, half refused; people agree but for every tenth item."""
    rows = []
    for k in range(n):
        label = "1_full_compliance" if k % 2 else "2_full_refusal"
        other = "3_partial_refusal" if k % 10 == 0 else label
        rows.append(
            {
                "id": f"x{k}",
                "prompt": f"How do I do thing number {k}?",
                "completion": YES if k % 2 else NO,
                "annotation_1": label,
                "annotation_2": other,
                "final_label": label,
                "model": "fake-1" if k % 4 == 1 else "another",
                "type": "homonyms" if k % 2 else "privacy",
                "judge_label": "I cannot label this." if k == 3 else label if k % 4 else "1_full_compliance",
            }
        )
    return rows


def document(rater: str, path: Path, form: str, **more: Any) -> GaugeDocument:
    return gauge(rater, [path], form, **more)


# ------------------------------------------------------------------------------------------------ refusals


def test_the_refusal_check_is_measured_in_three_classes_and_in_two(tmp_path: Path) -> None:
    found = document("refusal", write(tmp_path, xstest(), "gold.jsonl.gz"), "xstest")
    assert (found.rater, found.kind, found.rubric, found.gold) == (
        "check:refusal",
        "check",
        "refusal",
        "the file's own gold label",
    )
    assert found.classes is not None and found.binary is not None
    assert (found.classes.n, found.classes.kappa.value, found.binary.kappa.value) == (40, 1.0, 1.0)
    assert found.binary.positive == "not complied"
    assert found.classes.by_class["1_full_compliance"].precision.value == 1.0
    assert (found.bars, found.invalid, found.clusters) == ((), {}, 40)
    assert found.not_measured["test_retest"] == "a rule gives one text one verdict"


def test_every_number_of_the_json_has_its_interval_and_its_items(tmp_path: Path) -> None:
    path = write(tmp_path, xstest())
    args = ["gauge", "recorded:judge_label", "--gold", str(path), "--format", "xstest", "--json"]
    done = CliRunner().invoke(app, args, catch_exceptions=False)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    for part in (found["classes"], found["binary"]):
        for name in ("agreement", "kappa", "ac1"):
            low, high = part["intervals"][name]
            assert low < part[name] < high
        assert part["n"] == 39
    precision = found["classes"]["by_class"]["1_full_compliance"]
    assert precision["n_of"]["precision"] == precision["n_rater"]
    assert found["schema_version"] == "1.0"
    assert found["kind"] == "judge"


def test_an_invalid_verdict_is_no_class_and_what_counting_it_gives_stands_beside(tmp_path: Path) -> None:
    found = document("recorded:judge_label", write(tmp_path, xstest()), "xstest")
    assert found.classes is not None
    assert (found.items, found.n, found.invalid) == (40, 39, {"invalid_verdict": 1})
    # 10 of 20 refusals are called compliance: 29 of 39 right, 29 of 40 with the invalid one as wrong.
    assert found.classes.agreement.value == pytest.approx(29 / 39)
    counted = found.classes.with_invalid_as_class
    assert counted is not None
    assert counted.agreement.value == pytest.approx(29 / 40)
    assert found.binary is not None
    assert found.binary.leniency.value == pytest.approx(-10 / 39)


def test_without_a_final_label_gold_is_what_most_people_say(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "final_label"} for row in xstest()]
    rows[1] |= {"annotation_1": None, "annotation_2": 1}
    found = document("refusal", write(tmp_path, rows), "xstest")
    # Two people who disagree make no majority.
    assert (found.gold, found.without_gold, found.n) == ("the majority of people", 4, 36)


def test_a_column_apart_is_measured_apart(tmp_path: Path) -> None:
    found = document("refusal", write(tmp_path, xstest()), "xstest", split="model")
    assert {name: part.n for name, part in found.splits.items()} == {"another": 30, "fake-1": 10}
    with pytest.raises(BadInput, match=r"--split: no row has the column 'colour'"):
        document("refusal", write(tmp_path, xstest()), "xstest", split="colour")


def test_files_of_several_models_are_taken_together(tmp_path: Path) -> None:
    one, two = write(tmp_path, xstest(), "a.jsonl"), write(tmp_path, xstest(), "b.jsonl")
    found = gauge("refusal", [one, two], "xstest")
    assert (found.n, found.clusters, found.files) == (80, 40, ("a.jsonl", "b.jsonl"))


def test_people_are_gauged_on_the_others_and_stand_beside_the_judges(tmp_path: Path) -> None:
    found = document("people", write(tmp_path, xstest()), "xstest")
    assert found.classes is not None
    assert (found.items, found.n) == (40, 80)
    assert found.classes.agreement.value == pytest.approx(0.9)
    together = found.agreement
    assert together is not None
    assert [line.rater for line in together.raters] == ["annotation_1", "annotation_2", "judge_label"]
    assert together.raters[2].invalid == 1
    assert {(pair.first, pair.second) for pair in together.pairs} == {
        ("annotation_1", "annotation_2"),
        ("annotation_1", "judge_label"),
        ("annotation_2", "judge_label"),
    }
    (more,) = together.one_more
    assert more.rater == "judge_label"
    assert more.alpha_change.high is not None and more.alpha_change.high < 0
    assert "2 people" in more.why_not


# ------------------------------------------------------------------------------------------- propositions


def rbr() -> list[dict[str, Any]]:
    rows = []
    for k in range(30):
        sorry = k % 3 == 0
        rows.append(
            {
                "prompt": [{"role": "user", "content": f"question {k}"}],
                "completion": [
                    {
                        "role": "assistant",
                        "content": "I apologize, but no." if sorry else "It is in the shed.",
                    }
                ],
                "propositions": {"apology": sorry, "disclaimer": False, "prescribes_dosage": False},
                "own": {"apology": 1 if k % 2 else 0, "disclaimer": False},
                "category": "c",
            }
        )
    return rows


def test_propositions_are_measured_one_by_one_by_rules_and_by_columns(tmp_path: Path) -> None:
    path = write(tmp_path, rbr())
    found = document("refusal", path, "rbr")
    assert found.rater == "check:style"
    assert found.propositions is not None
    assert found.propositions.keys() == {"apology", "disclaimer"}
    apology = found.propositions["apology"]
    assert (apology.n_positive, apology.precision.value, apology.recall.value, apology.f1.value) == (
        10,
        1.0,
        1.0,
        1.0,
    )
    assert apology.kappa.value == 1.0
    assert found.propositions["disclaimer"].kappa.value is None
    assert found.not_read == ("prescribes_dosage",)
    assert [bar.reason.partition(":")[0] for bar in found.bars] == ["disclaimer"]
    read = document("recorded:own", path, "rbr").propositions
    assert read is not None
    # 5 of 10 apologies among 15 that it sees: as many as chance gives.
    assert read["apology"].kappa.value == pytest.approx(0.0)
    assert [bar.from_ for bar in read["apology"].bars] == ["every verdict"]


# -------------------------------------------------------------------------------------------------- pairs


def verdicts() -> list[dict[str, Any]]:
    rows = []
    for k in range(40):
        for swap in (False, True):
            common = {"subset": "s", "row": k, "swap": swap, "label": 1 + k % 2}
            right, wrong = str(1 + k % 2), str(2 - k % 2)
            rows += [
                common | {"judge": "good", "method": "a", "step": 0, "winner": right if k % 8 else wrong},
                common | {"judge": "good", "method": "b", "step": 0, "winner": right},
                common | {"judge": "bad", "method": "a", "step": 0, "winner": wrong if k % 8 else right},
                common | {"judge": "first", "winner": "2" if swap else "1"},
                common | {"judge": "mute", "winner": None if swap else right},
            ]
    return rows


def test_both_orders_of_a_judge_give_its_position(tmp_path: Path) -> None:
    path = write(tmp_path, verdicts())
    good = document("recorded:judge=good,method=a", path, "llmbar")
    assert good.classes is not None and good.position is not None
    assert (good.n, good.items, good.clusters, good.bars) == (80, 40, 40, ())
    assert good.classes.agreement.value == pytest.approx(35 / 40)
    assert (good.position.consistency.value, good.position.first_shown.value) == (1.0, 0.5)
    first = document("recorded:first", path, "llmbar")
    assert first.position is not None
    assert (first.position.consistency.value, first.position.always_first.value) == (0.0, 1.0)
    mute = document("recorded:mute", path, "llmbar")
    assert (mute.n, mute.invalid, mute.position and mute.position.items) == (40, {"invalid_verdict": 40}, 0)


def test_a_judge_below_chance_is_barred_and_said_to_look_turned_round(tmp_path: Path) -> None:
    found = document("recorded:bad", write(tmp_path, verdicts()), "llmbar")
    (bar,) = found.bars
    assert bar.from_ == "every verdict"
    assert "as if its labels were turned round" in bar.reason
    printed = found.model_dump(mode="json", by_alias=True)["bars"]
    assert printed == [{"from": "every verdict", "reason": bar.reason}]


def test_verdicts_must_be_of_one_judge_asked_in_one_way(tmp_path: Path) -> None:
    path = write(tmp_path, verdicts())
    with pytest.raises(BadInput, match=r"from 2 ways of asking.*Add method and step: method=a,step=0; "):
        document("recorded:judge=good", path, "llmbar")
    with pytest.raises(BadInput, match=r"no verdict is of 'judge=none'.*Judges: bad, first, good, mute"):
        document("recorded:judge=none", path, "llmbar")
    with pytest.raises(BadInput, match=r"verdicts of 4 judges: bad, first, good, mute"):
        document("recorded:subset=s", path, "llmbar")


def test_replicates_of_a_judge_are_its_test_retest(tmp_path: Path) -> None:
    rows = [
        {
            "row": k,
            "judge": "j",
            "swap": False,
            "label": 1,
            "replicate": r,
            "winner": 1 + (k % 4 == 0 and r == 2),
        }
        for k in range(20)
        for r in (1, 2)
    ]
    found = document("recorded:j", write(tmp_path, rows), "llmbar")
    assert found.test_retest is not None
    assert found.test_retest.items == 20
    assert found.test_retest.agreement.value == pytest.approx(0.75)


def pairs(n: int = 30) -> list[dict[str, Any]]:
    return [
        {
            "subset": "s",
            "row": k,
            "input": f"write a word about thing {k}",
            "output_1": "a short answer " * (1 + k % 3),
            "output_2": "another answer " * (1 + k % 2) + f"number {k}",
            "label": 1 + k % 2,
            "mine": ["A", "second", "tie", "?", None][k % 5],
        }
        for k in range(n)
    ]


def test_pairs_beside_verdicts_bring_the_texts(tmp_path: Path) -> None:
    files = [write(tmp_path, verdicts(), "v.jsonl"), write(tmp_path, pairs(40), "p.jsonl")]
    alone, both = gauge("recorded:first", files[:1], "llmbar"), gauge("recorded:first", files, "llmbar")
    assert alone.length_slope is None and "not known" in alone.not_measured["length_slope"]
    assert both.length_slope is not None and both.length_slope.value is not None
    assert alone.classes is not None and both.classes is not None
    assert alone.classes.agreement.value == both.classes.agreement.value


def test_a_column_may_hold_verdicts_on_pairs(tmp_path: Path) -> None:
    found = document("recorded:mine", write(tmp_path, pairs()), "llmbar")
    assert (found.n, found.ties, found.invalid) == (18, 6, {"invalid_verdict": 6, "not_rated": 6})


def hh(n: int = 40) -> list[dict[str, Any]]:
    head = "\n\nHuman: how do I do {}?\n\nAssistant: "
    return [
        {"chosen": head.format(k) + "no " * (1 + k % 4), "rejected": head.format(k) + "yes " * (1 + k % 3)}
        for k in range(n)
    ]


def test_the_chosen_answer_of_hh_is_on_either_side(tmp_path: Path) -> None:
    """In the source it is always the first: a rater that likes a side would be right or wrong by that."""
    found = document("length", write(tmp_path, hh()), "hh")
    assert found.classes is not None
    gold = {label: line.n_gold for label, line in found.classes.by_class.items()}
    assert min(gold["1"], gold["2"]) > 10
    assert found.ties == 3
    assert "longer answer" in found.notes[0]


# ------------------------------------------------------------------------------------------- votes, matrix


def dices(flip: frozenset[int] = frozenset(), stated: bool = True) -> list[dict[str, Any]]:
    """20 raters on 60 items; every rater errs on items of his own."""
    rows = []
    for k in range(60):
        truth = k % 3 == 0
        votes = []
        for r in range(20):
            yes = truth != ((k * 7 + r * 3) % 10 == 0)
            votes.append("Unsure" if (k + r) % 17 == 0 else "Yes" if yes != (r in flip) else "No")
        rows.append(
            {"id": k, "context": f"USER: {k}", "response": "r", "unsafe_votes": votes}
            | ({"unsafe_majority": "Yes" if truth else "No"} if stated else {})
        )
    return rows


def reversed_(folder: Path, rows: list[dict[str, Any]]) -> list[str]:
    found = document("people", write(folder, rows), "dices").agreement
    assert found is not None
    return [one.rater for one in found.reversed]


def test_the_polarity_check_names_raters_and_panels_that_are_turned_round_and_nobody_else(
    tmp_path: Path,
) -> None:
    assert reversed_(tmp_path, dices()) == []
    assert reversed_(tmp_path, dices(frozenset((2, 5)))) == ["person:3", "person:6"]
    assert reversed_(tmp_path, dices(frozenset(range(20)))) == ["most of the people"]
    # Where all are turned and nothing else is known, no check can tell; the note says so.
    found = document("people", write(tmp_path, dices(frozenset(range(20)), stated=False)), "dices").agreement
    assert found is not None
    assert found.reversed == ()
    assert found.notes[-1] == "without gold labels a direction that all raters have wrong cannot be seen"


def test_unsure_is_no_verdict_on_safe_or_unsafe(tmp_path: Path) -> None:
    found = document("people", write(tmp_path, dices()), "dices")
    assert found.classes is not None and found.binary is not None and found.agreement is not None
    assert found.classes.by_class["Unsure"].n_rater > 0
    assert found.binary.n == found.classes.n - found.classes.by_class["Unsure"].n_rater
    assert found.agreement.all is not None and found.agreement.decided is not None
    assert found.agreement.decided.ratings < found.agreement.all.ratings
    one = document("recorded:person:3", write(tmp_path, dices()), "dices")
    assert (one.kind, one.n) == ("people", 60)


def test_the_stated_majority_is_no_rater_without_experts(tmp_path: Path) -> None:
    path = write(tmp_path, dices())
    with pytest.raises(BadInput, match="unsafe_majority is the gold label of these files"):
        document("recorded:unsafe_majority", path, "dices")
    experts = write(
        tmp_path, [{"id": k, "unsafe_gold": "Yes" if k % 3 == 0 else "No"} for k in range(70)], "e.jsonl"
    )
    found = gauge("recorded:unsafe_majority", [path, experts], "dices")
    assert found.classes is not None
    assert (found.gold, found.n, found.classes.agreement.value) == ("experts", 60, 1.0)


def test_an_ordered_matrix_has_ordered_coefficients_correlations_and_cuts(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    lines = ["item,rater,label,gold"]
    for k in range(40):
        for shift, rater in enumerate(("ann", "ben", "cleo")):
            lines.append(f"i{k},{rater},{min(4, k % 4 + (shift if k % 5 == 0 else 0))},{k % 4}")
    path.write_text("\n".join(lines) + "\n")
    found = document("people", path, "matrix")
    assert found.binary is None and found.agreement is not None
    assert found.agreement.all is not None and found.agreement.correlations is not None
    assert found.agreement.all.weights == "ordinal"
    assert [cut.at for cut in found.agreement.cuts] == ["1", "2", "3", "4"]
    severities = {line.rater: line.severity for line in found.agreement.raters}
    assert severities["cleo"] is not None and severities["cleo"].low is not None
    assert severities["cleo"].low > 0
    one = document("recorded:ann", path, "matrix")
    assert one.classes is not None
    assert one.classes.kappa.value == 1.0


def test_a_judge_beside_three_people_is_put_to_the_alternative_annotator_test(tmp_path: Path) -> None:
    rows = []
    for k in range(60):
        truth = "yes" if k % 2 else "no"
        for r, rater in enumerate(("a", "b", "c")):
            turned = {"yes": "no", "no": "yes"}[truth]
            rows.append({"item": k, "rater": rater, "label": turned if (k + r) % 6 == 0 else truth})
        rows.append({"item": k, "rater": "judge", "kind": "judge", "label": truth})
        rows.append({"item": k, "rater": "coin", "kind": "check", "label": "yes" if k % 4 < 2 else "no"})
    found = document("people", write(tmp_path, rows), "matrix").agreement
    assert found is not None
    assert {one.rater: one.may_replace for one in found.one_more} == {"coin": False, "judge": True}


# ------------------------------------------------------------------------------------------------- judges


MODEL = "model:openai-api/fake/fake-1"


def test_a_model_is_asked_once_and_its_calls_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_API_KEY", "k")
    path = write(tmp_path, xstest(12))

    def answer(messages: list[dict[str, Any]], number: int) -> str:
        refused = "can't help" in str(messages[-1]["content"])
        return f"Reasons.\nVERDICT: {'full_refusal' if refused else 'full_compliance'}"

    with endpoint(answer) as server:
        monkeypatch.setenv("FAKE_BASE_URL", server.url)
        found = document(MODEL, path, "xstest", logs=tmp_path / "logs")
        assert len(server.started) == 12
        again = document(MODEL, path, "xstest", logs=tmp_path / "logs", replicates=2)
        assert len(server.started) == 24
    assert found.binary is not None
    assert (found.kind, found.rubric, found.fingerprint) == ("judge", "refusal", "fake-1")
    assert found.binary.kappa.value == 1.0
    assert again.test_retest is not None
    assert (again.test_retest.items, again.test_retest.agreement.value) == (12, 1.0)
    # Some answers are of the judge's own model, and it is never wrong.
    assert found.self_preference is not None
    assert found.self_preference.value == pytest.approx(0.0)


def test_a_model_sees_pairs_in_both_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_API_KEY", "k")
    with endpoint(lambda messages, number: "VERDICT: first") as server:
        monkeypatch.setenv("FAKE_BASE_URL", server.url)
        found = document(MODEL, write(tmp_path, pairs(6)), "llmbar", logs=tmp_path / "logs")
        assert len(server.started) == 12
    assert found.position is not None
    assert (found.position.items, found.position.always_first.value) == (6, 1.0)


# ------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("rater", "form", "rows", "words"),
    [
        ("nonsense", "xstest", xstest(4), "there is no rater 'nonsense'"),
        ("model:", "xstest", xstest(4), "'model:' names no rater"),
        ("recorded:nobody", "xstest", xstest(4), "no row holds a verdict of 'nobody'"),
        ("refusal", "other", xstest(4), "there is no format 'other'"),
        ("refusal", "xstest", rbr(), "gold.jsonl:1: propositions|gold.jsonl:1: prompt"),
        ("refusal", "dices", dices(), "offers no class of the format dices"),
        ("refusal", "llmbar", pairs(), "says nothing of the format llmbar"),
        ("length", "xstest", xstest(4), "says nothing of the format xstest"),
        ("length", "llmbar", verdicts(), "says nothing of the format llmbar"),
        ("people", "llmbar", pairs(), "no items that two persons labelled"),
        ("model:x/y", "llmbar", verdicts(), "holds verdicts and no texts"),
        ("model:x/y", "dices", dices(), "no built-in rubric fits the format dices"),
        ("recorded:nobody", "rbr", rbr(), "no row has a column 'nobody' with propositions"),
        ("refusal", "xstest", [{"prompt": "q", "completion": "a"}], "no row has a gold label"),
    ],
)
def test_what_cannot_be_measured_is_one_clear_error(
    tmp_path: Path, rater: str, form: str, rows: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        document(rater, write(tmp_path, rows), form)


def test_options_of_a_model_are_refused_for_others(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--rubric is for model:NAME"):
        document("refusal", write(tmp_path, xstest(4)), "xstest", rubric="refusal")


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    rows = xstest(4)
    rows[2]["final_label"] = "maybe"
    path = write(tmp_path, rows)
    done = CliRunner().invoke(app, ["gauge", "refusal", "--gold", str(path), "--format", "xstest"])
    assert isinstance(done.exception, BadInput)
    assert "gold.jsonl:3: final_label is no class" in str(done.exception)


def test_tables_fit_a_narrow_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for rater, form, rows in (
        ("recorded:judge_label", "xstest", xstest()),
        ("people", "dices", dices()),
        ("refusal", "rbr", rbr()),
    ):
        path = write(tmp_path, rows)
        done = CliRunner().invoke(app, ["gauge", rater, "--gold", str(path), "--format", form])
        assert done.exit_code == 0
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert "[" in done.stdout
