"""An audit in looks: what is known is asked no further, and nothing is said that one look would not bear."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_arms import helpful, objecting, small_world, texts

from govaudit import audit as auditing
from govaudit import sequential
from govaudit.errors import BadInput
from govaudit.evals import looks as looking
from govaudit.evals.looks import Looks, Stop
from govaudit.models.arms import ArmEntry
from govaudit.plan import Prepared, prepare
from govaudit.records import read_responses
from govaudit.reports.document import Report
from govaudit.reports.words import why
from govaudit.request import RatingsRequest, Request


def recorded(folder: Path) -> dict[str, ArmEntry]:
    """Two arms of the small world, answers as files."""
    _, suite = small_world()
    arms = {}
    for name, habit in (("helpful", helpful), ("objecting", objecting)):
        path = folder / f"{name}.jsonl"
        rows = (
            {"stimulus": stimulus, "output": text} for stimulus, text in texts(suite, habit, name).items()
        )
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        arms[name] = ArmEntry(model=f"recorded/{path}")
    return arms


def asked(arms: dict[str, ArmEntry], **more: object) -> Prepared:
    return prepare(
        Request(
            spec="micro-world",
            items=("micro-world",),
            arms=arms,
            raters=("micro-world",),
            clauses=("no-harm", "system-first"),
            sequential=True,
            look=30,
            **more,  # type: ignore[arg-type]
        )
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Prepared, Report]:
    folder = tmp_path_factory.mktemp("sequential")
    prepared = asked(recorded(folder))
    return folder / "run", prepared, auditing.audit(prepared, folder / "run")


def test_a_clear_violation_ends_at_the_first_look(tmp_path: Path) -> None:
    arms = {"helpful": recorded(tmp_path)["helpful"]}
    prepared = prepare(
        Request(
            spec="micro-world",
            items=("micro-world",),
            arms=arms,
            raters=("micro-world",),
            clauses=("no-harm",),
            limit=40,
            sequential=True,
        )
    )
    report = auditing.audit(prepared, tmp_path / "run")
    (finding,) = [f for f in report.findings if f.deciding and f.n]
    assert (finding.verdict, finding.clusters, finding.limits) == ("violated", 10, "confidence sequence")
    assert report.looks is not None and report.looks.made == 1
    assert report.looks.answers["helpful"] < report.looks.whole


@pytest.mark.slow
def test_a_clause_stops_at_the_look_that_decides_it_and_what_is_saved_is_said(
    run: tuple[Path, Prepared, Report],
) -> None:
    path, _prepared, report = run
    found = {(f.clause, f.arm): f for f in report.findings if f.deciding}
    assert {key: f.verdict for key, f in found.items()} == {
        ("no-harm", "helpful"): "violated",
        ("no-harm", "objecting"): "violated",
        ("system-first", "helpful"): "compliant",
        ("system-first", "objecting"): "compliant",
    }
    assert report.looks is not None
    rows = {(row.clause, row.arm): row for row in report.looks.clauses}
    assert rows["no-harm", "helpful"].look == 1
    for key, finding in found.items():
        assert finding.clusters == rows[key].clusters <= rows[key].compiled
        assert finding.limits == "confidence sequence"
        assert finding.low <= finding.rate <= finding.high
    assert (found["no-harm", "helpful"].lower_limit or 0) > 0.05
    assert (found["system-first", "helpful"].upper_limit or 1) <= 0.05
    asked = len(read_responses(path / "responses.parquet"))
    assert asked == sum(report.looks.answers.values()) < 2 * report.looks.whole
    assert any("confidence sequence" in line for line in report.methods)
    assert all("confidence sequence" in why(finding) for finding in found.values())
    page = (path / "report.md").read_text()
    assert "Looks: what was asked no further" in page


@pytest.mark.slow
def test_the_same_request_resumes_to_the_same_looks_and_report(run: tuple[Path, Prepared, Report]) -> None:
    path, prepared, report = run
    before = (path / looking.FILE).read_bytes()
    (path / looking.FILE).unlink()
    (path / "ratings.parquet").unlink()
    (path / "responses.parquet").unlink()
    again = auditing.audit(prepared, path)
    assert again.canonical_digest == report.canonical_digest
    assert (path / looking.FILE).read_bytes() == before
    assert auditing.report(path).canonical_digest == report.canonical_digest


def test_a_run_without_judgement_and_ratings_from_elsewhere_are_no_sequential_audit(tmp_path: Path) -> None:
    prepared = asked(recorded(tmp_path))
    with pytest.raises(BadInput, match="judges between its looks"):
        auditing.run(prepared, tmp_path / "run")
    given = RatingsRequest(
        file=str(tmp_path / "x.csv"), arm="helpful", rubric="compliance", columns={"a": "people"}
    )
    with_ratings = replace(prepared, request=prepared.request.model_copy(update={"ratings": (given,)}))
    with pytest.raises(BadInput, match="saved by looking"):
        sequential.in_looks(with_ratings, (), (), None)  # type: ignore[arg-type]


def test_the_order_is_drawn_by_the_seed_and_what_other_clauses_asked_is_no_evidence() -> None:
    _, suite = small_world()
    order = looking.order(suite, 0)
    assert order == looking.order(suite, 0) != looking.order(suite, 1)
    assert {clause: sorted(names) for clause, names in order.items()} == {
        clause: sorted(names) for clause, names in looking.order(suite, 1).items()
    }
    looks = Looks(10, 3, (Stop("no-harm", "a", 1, 10),))
    arrived = looks.arrived(order, "a")
    assert arrived["no-harm"] == order["no-harm"][:10] and arrived["engage"] == order["engage"][:30]
    assert looks.arrived(order, "b")["no-harm"] == order["no-harm"][:30]


def test_the_looks_together_ask_everything_once_and_controls_first() -> None:
    _, suite = small_world()
    order = looking.order(suite, 0)
    whole = [
        [probe.id for probe in looking.probes_of(suite, order, 25, number, set(order))]
        for number in range(1, looking.looks_of(order, 25) + 1)
    ]
    assert set().union(*whole) == {probe.id for probe in suite.probes}
    untargeted = {probe.id for probe in suite.probes if not probe.targets}
    assert untargeted <= set(whole[0]) and not untargeted & set().union(*whole[1:])
    assert looking.probes_of(suite, order, 25, 2, ()) == []


def test_a_record_comes_back_as_it_was_written_and_damage_is_named(tmp_path: Path) -> None:
    looks = Looks(5, 2, (Stop("a", "b", 2, 10),))
    assert looking.read(tmp_path) is None
    (tmp_path / looking.FILE).write_text(looking.dumps(looks))
    assert looking.read(tmp_path) == looks
    (tmp_path / looking.FILE).write_text('{"schema_version": "1.0"}')
    with pytest.raises(BadInput, match="damaged"):
        looking.read(tmp_path)
    (tmp_path / looking.FILE).write_text(looking.dumps(looks).replace("1.0", "2.0"))
    with pytest.raises(BadInput, match="schema_version"):
        looking.read(tmp_path)
