"""Runs for tests of comparisons, made in memory: what each arm answered is given, the rest follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.ran import planned, tables

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
from govaudit.reports.build import build
from govaudit.reports.compare.runs import OURS, Run
from govaudit.reports.manifest import Decider, PlannedArm
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
    probes = _probes(declared, arms, prompts)
    controls = [_control(n) for n in range(CONTROLS if right else 0)]
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
    ratings = [
        _rating(judge, probes[clause, n], ids[arm], clause, value)
        for judge, said in table.items()
        for arm, mine in said.items()
        for clause, values in mine.items()
        for n, value in enumerate(values)
    ]
    held = tables(
        Suite(declared.digest, 0, (*probes.values(), *controls)),
        planned(
            *(PlannedArm(arm, ids[arm], f"mock/{arm}", {}, {"model": arm}) for arm in arms),
            deciding={clause: Decider(Measure.GENERATION, "judge:one") for clause, _ in probes},
            created="2026-01-01T00:00:00+00:00",
        ),
        tuple(responses),
        tuple(ratings),
        tuple(_judge(judge, (same_model_as or {}).get(judge)) for judge in table),
        spec=declared,
    )
    return Run(
        name=name,
        origin=OURS,
        report=build(held, name),
        tables=held,
    )


def _probes(
    declared: Spec, arms: Mapping[str, Mapping[str, Said]], prompts: str
) -> dict[tuple[str, int], Probe]:
    """Clause and number -> probe: as many of a clause as any arm has judgements on it."""
    return {
        (clause, n): Probe(
            turns=(Turn("user", f"{prompts} {n} on {clause}"),),
            targets=(Target(clause, Expected.KEEP, declared.clause(clause).text_digest),),
            measure=Measure.GENERATION,
            origin=ProbeOrigin.OWN,
            cluster=f"{prompts}-{clause}-{n}",
        )
        for clause in dict.fromkeys(clause for mine in arms.values() for clause in mine)
        for n in range(max(len(mine[clause]) for mine in arms.values() if clause in mine))
    }


def _control(n: int) -> Probe:
    return Probe(
        turns=(Turn("user", f"plain {n}"),),
        targets=(),
        measure=Measure.GENERATION,
        origin=ProbeOrigin.CONTROL,
        cluster=f"c{n}",
        accept=("yes",),
    )


def _judge(name: str, same_model_as: str | None) -> Rater:
    attributes = {"same_model_as": [same_model_as]} if same_model_as else {}
    return Rater(name, RaterKind.JUDGE, "model", "compliance", "0", attributes=attributes)


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
