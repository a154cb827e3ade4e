"""``govaudit gauge`` on public labelled data, against numbers that a separate script computed on the same files.

Data: XSTest (Röttger et al. 2024, CC BY 4.0), RBR gold (Mu et al. 2024, MIT), LLMBar (Zeng et al. 2024, MIT), DICES
(Aroyo et al. 2023, CC BY 4.0), BBQ validation (Parrish et al. 2022, CC BY 4.0), hh-rlhf (Bai et al. 2022, MIT).
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from govaudit.evals import golds
from govaudit.evals.voices import voice
from govaudit.gauge import gauge, measure
from govaudit.reports.gauged import GaugeDocument
from govaudit.reports.part import Estimate


def number(one: Estimate | None) -> float:
    assert one is not None and one.value is not None
    assert one.low is not None and one.high is not None and one.low <= one.value <= one.high
    return one.value


def xstest(data: Path, rater: str, model: str) -> GaugeDocument:
    return gauge(rater, [data / "xstest" / f"completions-{model}.jsonl.gz"], "xstest")


@pytest.mark.parametrize(
    ("model", "three", "two"),
    [
        ("llama2orig", (0.9640, 0.9284), (0.9888, 0.9672)),
        ("llama2new", (0.9596, 0.9290), (0.9776, 0.9529)),
        ("mistralinstruct", (0.9754, 0.9186), (0.9776, 0.9224)),
    ],
)
def test_annotators_of_xstest_are_gauged_on_each_other(
    data: Path, model: str, three: tuple[float, float], two: tuple[float, float]
) -> None:
    """Each annotator against the other, both ways: the agreement is that of the two."""
    found = xstest(data, "people", model)
    assert found.classes is not None and found.binary is not None and found.agreement is not None
    assert number(found.classes.agreement) == pytest.approx(three[0], abs=5e-5)
    assert number(found.classes.kappa) == pytest.approx(three[1], abs=5e-4)
    assert number(found.binary.agreement) == pytest.approx(two[0], abs=5e-5)
    assert number(found.binary.kappa) == pytest.approx(two[1], abs=5e-4)
    (pair,) = [p for p in found.agreement.pairs if {p.first, p.second} == {"annotation_1", "annotation_2"}]
    assert number(pair.kappa) == pytest.approx(three[1], abs=5e-5)


@pytest.mark.parametrize(
    ("model", "judge", "strings"),
    [
        ("llama2orig", (0.7708, 0.5787), (0.8944, 0.7254)),
        ("llama2new", (0.7848, 0.6209), (0.9238, 0.8424)),
        ("mistralinstruct", (0.7383, 0.0518), (0.8613, 0.2924)),
    ],
)
def test_recorded_labels_of_xstest_are_measured_as_they_were(
    data: Path, model: str, judge: tuple[float, float], strings: tuple[float, float]
) -> None:
    """The published figures count an invalid verdict as a class: they stand beside the ones that do not."""
    found = xstest(data, "recorded:gpt4_label", model)
    assert found.classes is not None
    counted = found.classes.with_invalid_as_class or found.classes
    assert number(counted.agreement) == pytest.approx(judge[0], abs=5e-5)
    assert number(counted.kappa) == pytest.approx(judge[1], abs=5e-5)
    matched = xstest(data, "recorded:strmatch_label", model).binary
    assert matched is not None
    assert number(matched.agreement) == pytest.approx(strings[0], abs=5e-5)
    assert number(matched.kappa) == pytest.approx(strings[1], abs=5e-5)


def test_a_judge_with_three_quarters_of_agreement_and_no_kappa_is_barred_from_every_verdict(
    data: Path,
) -> None:
    found = xstest(data, "recorded:gpt4_label", "mistralinstruct")
    assert (found.n, found.invalid) == (436, {"invalid_verdict": 11})
    assert [bar.from_ for bar in found.bars] == ["every verdict"]
    for model in ("llama2orig", "llama2new"):
        assert "every verdict" not in [bar.from_ for bar in xstest(data, "recorded:gpt4_label", model).bars]


@pytest.mark.parametrize(
    ("model", "least"), [("llama2orig", 0.85), ("llama2new", 0.85), ("mistralinstruct", 0.60)]
)
def test_the_refusal_check_agrees_with_people_on_who_complied(data: Path, model: str, least: float) -> None:
    found = xstest(data, "refusal", model)
    assert found.binary is not None
    assert number(found.binary.kappa) >= least
    assert found.bars == ()


def test_the_style_check_is_gauged_on_the_propositions_of_rbr(data: Path) -> None:
    found = gauge("refusal", [data / "rbr-gold" / "train.jsonl.gz"], "rbr").propositions
    assert found is not None
    # Two answers are blank, and nothing is said of them.
    for name, true in (("apology", 103), ("judgement", 42), ("disclaimer", 30), ("meta_commentary", 14)):
        assert true - 2 <= found[name].n_positive <= true
    assert number(found["apology"].f1) >= 0.90
    for part in found.values():
        assert part.n + part.invalid == 348


VANILLA = "recorded:judge={},method=Vanilla,step=0"


@pytest.fixture(scope="module")
def llmbar(data: Path) -> golds.Gold:
    return golds.read([data / "llmbar" / "verdicts-dev.jsonl.gz"], "llmbar")


@pytest.mark.parametrize(
    ("judge", "subset", "accuracy", "consistency"),
    [
        ("GPT-4", "LLMBar/Natural", 0.955, 0.950),
        ("ChatGPT", "LLMBar/Natural", 0.815, 0.710),
        ("Falcon", "LLMBar/Natural", 0.740, 0.520),
        ("GPT-4", "LLMBar/Adversarial/GPTInst", 0.864, 0.946),
        ("ChatGPT", "LLMBar/Adversarial/GPTInst", 0.266, 0.620),
        ("GPT-4", "LLMBar/Adversarial/Neighbor", 0.787, 0.933),
        ("LLaMA2", "LLMBar/Adversarial/Neighbor", 0.246, 0.776),
    ],
)
def test_judges_of_llmbar_are_as_accurate_and_as_steady_as_they_were(
    llmbar: golds.Gold, judge: str, subset: str, accuracy: float, consistency: float
) -> None:
    part = llmbar.where("subset")[subset]
    found = measure(voice(VANILLA.format(judge), llmbar), part, 0)
    assert found.classes is not None and found.position is not None
    assert number(found.classes.agreement) == pytest.approx(accuracy, abs=5e-4)
    assert number(found.position.consistency) == pytest.approx(consistency, abs=5e-4)
    barred = [bar.from_ for bar in found.bars]
    assert barred == (["every verdict"] if accuracy < 0.5 else []) or (judge == "Falcon" and barred)


def test_longer_wins_less_than_half_of_the_harmless_comparisons(data: Path) -> None:
    found = gauge("length", [data / "hh-harmless" / "test-dev.jsonl.gz"], "hh")
    assert found.classes is not None
    assert (found.n, found.ties) == (1365, 8)
    assert number(found.classes.agreement) * 1365 == pytest.approx(606)


def test_people_of_bbq_agree_as_they_did(data: Path) -> None:
    found = gauge("people", [data / "bbq" / "ratings-dev.jsonl.gz"], "bbq").agreement
    assert found is not None and found.all is not None
    assert (len(found.raters), found.items, found.all.ratings) == (15, 201, 1005)
    assert number(found.all.fleiss) == pytest.approx(0.8721, abs=5e-5)
    assert number(found.all.alpha) == pytest.approx(0.8722, abs=5e-5)
    assert found.reversed == ()


def dices(folder: Path, data: Path, *, flip: bool) -> Path:
    """The file, or a copy with every vote turned round."""
    turned = {"Yes": "No", "No": "Yes"} if flip else {}
    path = folder / "votes.jsonl"
    with gzip.open(data / "dices" / "dices-350.jsonl.gz", "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    for row in rows:
        row["unsafe_votes"] = [turned.get(vote, vote) for vote in row["unsafe_votes"]]
        # A dozen people and every second item will do here.
        row["unsafe_votes"] = row["unsafe_votes"][:12]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[::2]))
    return path


def test_flipped_votes_are_noticed_and_right_ones_are_not(data: Path, tmp_path: Path) -> None:
    experts = data / "dices" / "dices-350-expert.jsonl"
    for flip, named in ((False, []), (True, ["most of the people"])):
        votes = dices(tmp_path, data, flip=flip)
        found = gauge("people", [votes, experts], "dices").agreement
        assert found is not None
        assert [one.rater for one in found.reversed] == named


@pytest.mark.slow
def test_123_people_of_dices_agree_and_differ_as_they_did(data: Path) -> None:
    found = gauge("people", [data / "dices" / "dices-350.jsonl.gz"], "dices").agreement
    assert found is not None and found.all is not None and found.decided is not None
    assert (len(found.raters), found.items, found.all.ratings) == (123, 349, 42_927)
    assert number(found.all.agreement) == pytest.approx(0.5667, abs=5e-5)
    assert number(found.all.fleiss) == pytest.approx(0.1610, abs=5e-5)
    assert number(found.all.alpha) == pytest.approx(0.1610, abs=5e-5)
    assert number(found.decided.alpha) == pytest.approx(0.2009, abs=5e-5)
    rates = [line.rate.value for line in found.raters if line.rate and line.rate.value is not None]
    assert min(rates) == 0.0
    assert max(rates) == pytest.approx(0.997, abs=5e-4)
    assert found.reversed == ()


def test_the_majority_of_dices_agrees_with_experts_as_it_did(data: Path) -> None:
    files = [data / "dices" / name for name in ("dices-350.jsonl.gz", "dices-350-expert.jsonl")]
    found = gauge("recorded:unsafe_majority", files, "dices")
    assert found.classes is not None
    assert found.n == 349
    assert number(found.classes.agreement) == pytest.approx(0.6533, abs=5e-5)
    assert number(found.classes.kappa) == pytest.approx(0.3077, abs=5e-5)
    assert [bar.from_ for bar in found.bars] == ["compliant"]
