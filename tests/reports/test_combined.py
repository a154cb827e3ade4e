"""People and a judge together: the estimate, what it saves, whom it corrects, and when it is not to be had."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from reports.ran import planned, tables

from govaudit import audit
from govaudit import request as requests
from govaudit.evals.suite import Probe, ProbeOrigin, Suite, Target
from govaudit.plan import prepare
from govaudit.records import Measure, Rater, RaterKind, Rating, Response, Scale, Turn, Unscored, rating_id
from govaudit.reports import combined
from govaudit.reports.combined import CombinedLine, CombinedPart
from govaudit.specs.model import Expected
from govaudit.stats.combine import Assumption, post_stratified

JUDGE = Rater("judge:m", RaterKind.JUDGE, "model", "compliance", "d")
ANN = Rater("person:ann", RaterKind.PEOPLE, "human", "compliance", "d")


def row(rater: Rater, number: int, value: float | None, origin: str = "run") -> Rating:
    name = f"r{number}"
    return Rating(
        rating=rating_id("compliance", rater.id, "c", (name,)),
        rubric="compliance",
        rater=rater.id,
        question="c",
        responses=(name,),
        clause="c",
        measure=Measure.GENERATION,
        scale=Scale.BINARY,
        value=value,
        unscored=Unscored.NOT_RATED if value is None else None,
        cluster=f"k{number}",
        origin=origin,
    )


def run_of(
    judged: Sequence[float | None], labelled: Sequence[tuple[int, float | None]], origin: str = "sheet:s.csv"
) -> CombinedPart | None:
    probe = Probe(
        turns=(Turn("user", "?"), Turn("assistant", None)),
        targets=(Target("c", Expected.KEEP, "d"),),
        measure=Measure.GENERATION,
        origin=ProbeOrigin.OWN,
        cluster="k",
    )
    responses = [Response(f"r{n}", "s", "a", 1, (), "x") for n in range(len(judged))]
    rows = [row(JUDGE, n, value) for n, value in enumerate(judged)]
    rows += [row(ANN, n, value, origin) for n, value in labelled]
    return combined.section(tables(Suite("d", 0, (probe,)), planned("a"), responses, rows, (JUDGE, ANN)))


def line(part: CombinedPart | None) -> CombinedLine:
    assert part is not None
    (found,) = part.lines
    return found


def drawn(
    seed: int, n: int = 400, labels: int = 100, rate: float = 0.3
) -> tuple[list[float | None], list[tuple[int, float | None]]]:
    """A judge of sensitivity .9 and specificity .8, and labels on a random part."""
    rng = random.Random(seed)
    truth = [float(rng.random() < rate) for _ in range(n)]
    judged = [float(rng.random() < (0.9 if broken else 0.2)) for broken in truth]
    return list(judged), [(k, truth[k]) for k in sorted(rng.sample(range(n), labels))]


def test_the_estimate_is_the_post_stratified_one_and_says_what_it_rests_on() -> None:
    judged, labelled = drawn(1)
    found = line(part := run_of(judged, labelled))
    expected = post_stratified(
        [value for _, value in labelled], [judged[k] for k, _ in labelled], judged, level=0.95
    )
    assert (found.together.value, found.together.low, found.together.high) == pytest.approx(
        (expected.rate, expected.low, expected.high)
    )
    assert (found.n_people, found.n_judged, found.sampled) == (100, 400, "at random")
    assert part is not None and part.assumption == Assumption.random_within_strata.value
    assert "no verdict rests" in " ".join(combined.show(part).notes).lower()


def test_a_judge_that_over_flags_is_corrected_and_people_alone_are_narrowed() -> None:
    """At a rate of 30 % such a judge alone says .9 * .3 + .2 * .7 = .41."""
    covered = narrowed = 0
    for seed in range(40):
        found = line(run_of(*drawn(seed)))
        low, high = found.together.low or 0.0, found.together.high or 1.0
        covered += low <= 0.3 <= high
        narrowed += found.saved is not None
    assert covered >= 36
    assert narrowed >= 36
    said = combined.show(run_of(*drawn(3)) or pytest.fail()).claims
    assert any(claim.startswith("judge:m alone misjudges c of a: it says 39%") for claim in said)


def test_answers_without_a_verdict_of_the_judge_stand_with_those_that_it_flags() -> None:
    judged, labelled = drawn(2)
    broken = [None if value == 1.0 and n % 2 else value for n, value in enumerate(judged)]
    found = line(run_of(broken, labelled))
    assert found.without_verdict == sum(value is None for value in broken) > 0
    assert found.n_judged == 400
    assert found.together == line(run_of(judged, labelled)).together


def test_labels_of_a_file_are_said_to_be_drawn_nobody_knows_how() -> None:
    part = run_of(*drawn(4), origin="imported:labels.csv")
    assert line(part).sampled == "not known"
    assert part is not None
    assert any("is not known on 1 of 1 clauses" in claim for claim in combined.show(part).claims)


def test_without_labels_or_with_labels_on_everything_there_is_nothing_to_combine() -> None:
    judged, labelled = drawn(5, n=60, labels=60)
    assert run_of(judged, labelled) is None
    assert run_of(judged, [(k, None) for k, _ in labelled[:20]]) is None
    blank = [(k, None if k % 3 else value) for k, value in labelled]
    assert run_of(judged, blank) is None  # people were shown everything


def test_a_judge_whose_flagged_answers_nobody_labelled_is_not_combined() -> None:
    judged = [1.0] * 5 + [0.0] * 95
    part = run_of(judged, [(k, 0.0) for k in range(50, 80)] + [(k, None) for k in range(40, 50)])
    assert part is None
    both = run_of(judged, [(k, 0.0) for k in range(3, 80)])
    assert line(both).together.value is not None


SPEC = """\
schema_version: "1.0"
id: tiny
version: "1"
clauses:
  - id: answer
    text: Answer harmless questions.
    probes:
PROBES
"""


def test_a_sheet_on_a_part_and_a_judge_on_all_meet_in_the_report(tmp_path: Path) -> None:
    numbers = range(60)
    probes = "\n".join(f"      - {{prompt: Question {n}?, expected: comply}}" for n in numbers)
    (tmp_path / "tiny.yaml").write_text(SPEC.replace("PROBES", probes))
    rows = [
        {"prompt": f"Question {n}?", "completion": f"Answer {n}.", "gpt": "broken" if n % 3 == 0 else "kept"}
        for n in numbers
    ]
    (tmp_path / "arm.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    (tmp_path / "audit.yaml").write_text(
        'schema_version: "1.0"\nspec: tiny.yaml\narms: {a: {model: recorded/arm.jsonl}}\n'
        "ratings: [{file: arm.jsonl, arm: a, rubric: compliance, columns: {gpt: judge}}]\n"
    )
    audit.audit(prepare(requests.load(tmp_path / "audit.yaml")), tmp_path / "run")
    assert audit.report(tmp_path / "run").combined is None
    sheet = tmp_path / "sheet.csv"
    assert audit.sheet(tmp_path / "run", sheet, rubric="compliance", sample=30, seed=1) == 30
    with sheet.open(encoding="utf-8-sig", newline="") as stream:
        table = list(csv.reader(stream))
    head = next(k for k, cells in enumerate(table) if "item" in cells)
    label = next(k for k, name in enumerate(table[head]) if name.startswith("label"))
    answer = table[head].index("answer")
    for cells in table[head + 1 :]:
        number = int(cells[answer].removeprefix("Answer ").removesuffix("."))
        cells[label] = "broken" if number % 6 == 0 else "kept"
    with sheet.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream).writerows(table)
    report = audit.rate(tmp_path / "run", sheets=[("ann", sheet)])
    assert report.combined is not None
    (found,) = [one for one in report.combined.lines if one.judge == "judge:gpt"]
    assert found.people == "person:ann"
    assert (found.n_people, found.n_judged, found.sampled) == (30, 60, "at random")
    assert found.judge_alone.value == pytest.approx(1 / 3)
    assert found.together.low is not None and found.together.high is not None
    assert found.together.low < 1 / 6 < found.together.high
    assert "People and judge together" in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
