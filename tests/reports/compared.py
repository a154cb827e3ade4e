"""Runs for tests of comparisons, made in memory: what each arm answered is given, the rest follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from govaudit.evals.suite import Probe, ProbeOrigin, Suite, Target
from govaudit.records import (
    Measure,
    Rater,
    RaterKind,
    Rating,
    Response,
    Scale,
    Turn,
    Unscored,
    rating_id,
    response_id,
)
from govaudit.reports.compare.runs import Run
from govaudit.reports.findings import build
from govaudit.reports.manifest import Decider, Plan, PlannedArm
from govaudit.specs.model import Clause, Expected, Spec

Said = Sequence[int | None]
"""Per prompt: 1 broken, 0 kept, None no judgement."""
CONTROLS = 12


def spec(*clauses: str, id: str = "charter", version: str = "1", **texts: str) -> Spec:
    """A spec of clauses with these ids; their texts are made of the ids, or as given."""
    return Spec(
        id=id,
        version=version,
        clauses=tuple(Clause(id=name, text=texts.get(name, f"It keeps {name}.")) for name in clauses),
    )


def run(
    declared: Spec,
    arms: Mapping[str, Mapping[str, Said]],
    *,
    name: str = "run",
    judges: Mapping[str, Mapping[str, Mapping[str, Said]]] | None = None,
    prompts: str = "prompt",
    right: Mapping[str, int] | None = None,
    same_model_as: Mapping[str, str] | None = None,
    digests: Mapping[str, str] | None = None,
) -> Run:
    """A run in which ``judge:one`` decides by ``arms`` (arm -> clause -> judgement of each prompt).

    ``judges``: further judges, with theirs. ``prompts``: prompts of another name are other prompts. ``right``: control
    questions that each arm answers rightly, of :data:`CONTROLS`. ``same_model_as``: judge -> arm.
    """
    table = {"judge:one": arms, **(judges or {})}
    probes: dict[tuple[str, int], Probe] = {}
    for clause in dict.fromkeys(c for mine in arms.values() for c in mine):
        longest = max(len(mine[clause]) for mine in arms.values() if clause in mine)
        for n in range(longest):
            probes[clause, n] = Probe(
                turns=(Turn("user", f"{prompts} {n} on {clause}"),),
                targets=(Target(clause, Expected.KEEP, declared.clause(clause).text_digest),),
                measure=Measure.GENERATION,
                origin=ProbeOrigin.OWN,
                cluster=f"{prompts}-{clause}-{n}",
            )
    controls = [
        Probe(
            (Turn("user", f"plain {n}"),),
            (),
            Measure.GENERATION,
            ProbeOrigin.CONTROL,
            f"c{n}",
            accept=("yes",),
        )
        for n in range(CONTROLS if right else 0)
    ]
    ids = {arm: (digests or {}).get(arm, f"arm-{name}-{arm}") for arm in arms}
    responses = [
        _response(probe, ids[arm], f"{arm} answers {probe.turns[0].content}")
        for arm in arms
        for probe in probes.values()
    ]
    responses += [
        _response(probe, ids[arm], "yes" if n < wanted else "no")
        for arm, wanted in (right or {}).items()
        for n, probe in enumerate(controls)
    ]
    raters = [
        Rater(
            id=judge,
            kind=RaterKind.JUDGE,
            source="model",
            rubric="compliance",
            rubric_digest="0",
            attributes={"same_model_as": [same_model_as[judge]]}
            if same_model_as and judge in same_model_as
            else {},
        )
        for judge in table
    ]
    ratings = [
        _rating(judge, probes[clause, n], ids[arm], clause, value)
        for judge, said in table.items()
        for arm, mine in said.items()
        for clause, values in mine.items()
        for n, value in enumerate(values)
    ]
    plan = Plan(
        arms=tuple(PlannedArm(arm, ids[arm], f"mock/{arm}", {}, {"model": arm}) for arm in arms),
        deciding={clause: Decider(Measure.GENERATION, "judge:one") for clause, _ in probes},
        tolerance=0.05,
        bright_line=0.01,
        seed=0,
        epochs=1,
        created="2026-01-01T00:00:00+00:00",
    )
    suite = Suite(declared.digest, 0, (*probes.values(), *controls))
    report = build(declared, suite, plan, responses, ratings, raters, (), run=name, rubric_texts={})
    return Run(
        name, "govaudit", report, declared, suite, plan, tuple(responses), tuple(ratings), tuple(raters), {}
    )


def _response(probe: Probe, arm: str, text: str) -> Response:
    turns = (*probe.turns, Turn("assistant", text))
    return Response(response_id(probe.stimulus, arm, 1), probe.stimulus, arm, 1, turns, text)


def _rating(judge: str, probe: Probe, arm: str, clause: str, value: int | None) -> Rating:
    answer = response_id(probe.stimulus, arm, 1)
    return Rating(
        rating=rating_id("compliance", judge, clause, [answer]),
        rubric="compliance",
        rater=judge,
        question=clause,
        responses=(answer,),
        clause=clause,
        measure=Measure.GENERATION,
        scale=Scale.BINARY,
        value=None if value is None else float(value),
        unscored=Unscored.INVALID_VERDICT if value is None else None,
        cluster=probe.cluster,
    )
