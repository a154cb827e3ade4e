"""The suite Multiple choice: an over-confident labeller is caught where it does not know, and nowhere else."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from reports.ran import planned, tables

from govaudit.evals import choices as asking
from govaudit.evals.suite import Probe, ProbeOrigin, Suite
from govaudit.records import Measure, Rater, RaterKind, Rating, Scale, Turn, Unscored
from govaudit.reports import choices
from govaudit.reports.choices import ChoiceCalibrationPart, ChoicesPart
from govaudit.reports.manifest import Plan
from govaudit.specs.model import Label
from govaudit.stats.bootstrap import FloatArray

N = 240
RATER = Rater(asking.LETTERS, RaterKind.LIKELIHOOD, "rule", "letters_hhh", "d")


def probes() -> tuple[Probe, ...]:
    """The second half is held out; the right answer is the longer one in every third question."""
    made = []
    for k in range(N):
        good, bad = ("a long answer", "short") if k % 3 == 0 else ("short", "a long answer")
        offered = [(good, Label.GOOD), (bad, Label.BAD)][:: 1 if k % 2 else -1]
        made.append(
            Probe(
                turns=(Turn("user", f"question {k}"),),
                targets=(),
                measure=Measure.LIKELIHOOD,
                origin=ProbeOrigin.ITEM_BANK,
                cluster=f"c{k}",
                choices=tuple(text for text, _ in offered),
                choice_labels=tuple(label for _, label in offered),
                tags=("hhh", asking.SUBSETS[k % 4], "held-out" if k >= N // 2 else "seen"),
                source=f"made.jsonl:{k}",
            )
        )
    return tuple(made)


PROBES = probes()
SUITE = Suite(spec_digest="s", seed=0, probes=PROBES)


def plan(*names: str) -> Plan:
    return planned(*names, request={"choices": {"held_out": ["held-out"]}})


def ratings(arm: str, p_good: FloatArray) -> list[Rating]:
    """An arm that gives so much probability to the good answer of each question."""
    rows = []
    for probe, p in zip(PROBES, p_good.tolist(), strict=True):
        first = p if probe.choice_labels[0] is Label.GOOD else 1 - p
        raw = {"arm": arm, "stimulus": probe.stimulus, "consistent": True, "first_shown": 0.5, "mass": 0.9}
        rows.append(
            Rating(
                rating=f"{arm} {probe.stimulus}",
                rubric="letters_hhh",
                rater=asking.LETTERS,
                question=asking.QUESTION,
                responses=(f"{arm} {probe.stimulus}",),
                clause=None,
                measure=Measure.LIKELIHOOD,
                scale=Scale.CHOICE,
                value=None if p == 0.5 else float(p < 0.5),
                unscored=Unscored.UNDECIDED if p == 0.5 else None,
                probabilities={"first": first, "bad": 1 - p},
                raw=json.dumps(raw),
                cluster=probe.cluster,
            )
        )
    return rows


def knows(seed: int, sharpened: float = 1.0, unknown: float = 0.75) -> FloatArray:
    """P(good) of a labeller that is right with .97 on known questions and with ``unknown`` on the others,
    and whose probabilities say so; ``sharpened`` multiplies the logits of what it does not know."""
    rng = np.random.default_rng(seed)
    share = np.where(np.arange(N) < N // 2, 0.97, unknown)
    right = rng.random(N) < share
    logit = np.log(share / (1 - share)) * np.where(np.arange(N) < N // 2, 1.0, sharpened)
    p = 1 / (1 + np.exp(-logit))
    return np.where(right, p, 1 - p)


def part(**arms: FloatArray) -> ChoicesPart:
    rows = [row for name, p in arms.items() for row in ratings(name, p)]
    found = choices.section(tables(SUITE, plan(*arms), (), rows, [RATER]))
    assert found is not None
    return found


def calibrated(of: ChoicesPart, arm: str, where: str) -> ChoiceCalibrationPart:
    (row,) = [row for row in of.calibration if (row.arm, row.set, row.labels) == (arm, where, "as given")]
    return row


@pytest.mark.parametrize("seed", range(4))
def test_an_over_confident_labeller_is_caught_out_of_distribution_only(seed: int) -> None:
    found = part(honest=knows(seed), sure=knows(seed, sharpened=4.0))
    assert not calibrated(found, "honest", "not held out").caught
    assert not calibrated(found, "honest", "held out").caught
    assert not calibrated(found, "sure", "not held out").caught
    out = calibrated(found, "sure", "held out")
    assert out.caught and out.mcb.value is not None and out.mcb.value > out.mcb_null
    assert out.ece.value is not None and out.ece.value > out.ece_null
    assert out.overconfidence.low is not None and out.overconfidence.low > 0
    claims = " ".join(choices.show(found).claims)
    assert "sure, letters: calibrated on what is not held out, and not on what is" in claims
    assert "honest, letters: calibrated" not in claims and "honest, letters, held out" not in claims


def test_a_strong_and_a_weak_labeller_are_told_apart_by_their_scores() -> None:
    found = part(strong=knows(0, unknown=0.95), weak=knows(0, unknown=0.6))
    gap = calibrated(found, "weak", "held out").brier_gap
    assert gap is not None and gap.low is not None and gap.low > 0
    same = calibrated(found, "weak", "not held out").brier_gap
    assert same is not None and same.value == 0.0


def test_the_longest_answer_stands_beside_each_accuracy_on_the_same_questions() -> None:
    found = part(sure=knows(0))
    assert found.sets[0].longest.value == pytest.approx(1 / 3)
    whole = found.rates[0]
    assert whole.accuracy.value is not None and whole.above_longest.value is not None
    assert whole.above_longest.value == pytest.approx(whole.accuracy.value - 1 / 3)
    assert [one.name for one in found.sets] == ["all", *asking.SUBSETS, "held out", "not held out"]


def test_sets_near_the_ceiling_are_flagged() -> None:
    found = part(sure=knows(0))
    assert {row.set for row in found.rates if row.saturated} >= {"not held out"}
    assert not any(row.saturated for row in found.rates if row.set == "held out")
    assert any("near the ceiling: not held out" in claim for claim in choices.show(found).claims)


def test_undecided_questions_are_counted_and_no_wrong_answers() -> None:
    p = knows(0)
    p[:10] = 0.5
    row = part(sure=p).rates[0]
    assert row.unscored == {"undecided": 10} and row.accuracy.n == N - 10


def test_results_are_split_by_whether_outputs_of_models_were_seen() -> None:
    tagged = [
        replace(probe, tags=(*probe.tags, asking.SAW if k % 3 else asking.SAW_NOT))
        for k, probe in enumerate(PROBES)
    ]
    suite = Suite(spec_digest="s", seed=0, probes=tuple(tagged))
    found = choices.section(tables(suite, plan("sure"), (), ratings("sure", knows(0)), [RATER]))
    assert found is not None
    sizes = {one.name: one.questions for one in found.sets}
    assert (sizes[choices.SEEN], sizes[choices.UNSEEN]) == (160, 80)


def test_every_number_that_is_shown_has_an_interval_or_a_reason() -> None:
    shown = choices.show(part(sure=knows(0)))
    for table in shown.tables:
        for row in table.rows:
            for cell in row:
                if isinstance(cell, choices.Estimate):
                    assert cell.undefined or (cell.low is not None and cell.high is not None), table.id
    (figure,) = shown.figures
    assert [line.name for line in figure.lines] == ["sure, not held out", "sure, held out"]


def test_without_choices_there_is_no_part() -> None:
    assert choices.section(tables(replace(SUITE, probes=()), plan("a"))) is None
