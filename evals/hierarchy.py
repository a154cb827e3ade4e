"""Whose instruction counts, as a plain Inspect task: conflicts, aligned instructions, injected orders.

inspect eval evals/hierarchy.py --model openai/gpt-5
inspect eval evals/hierarchy.py -T levels=system,user -T kinds=conflict,aligned --model openai/gpt-5

Conflicts are never asked without what should be followed, unless you name the kinds. A rule reads each
answer; what the model's messages cannot tell apart is unscored. Intervals, pairs of levels and depth are
``govaudit audit --hierarchy``'s.
"""

from __future__ import annotations

import os
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from govaudit.errors import BadInput
from govaudit.evals import hierarchy as making
from govaudit.evals import templates
from govaudit.evals.order import Kind, Order
from govaudit.evals.suite import Probe
from govaudit.evals.tasks import express, roles_of
from govaudit.records import Turn, Unscored
from govaudit.scorers import hierarchy as reading


@task
def hierarchy(
    levels: str | list[str] | None = None,
    per_pair: int = 5,
    kinds: str | list[str] | None = None,
    file: str | None = None,
) -> Task:
    """Probes for every ordered pair of ``levels``, highest first; ``file``: templates of your own."""
    found = templates.load(templates.find(_given(file) if file else None, ""))
    wanted = {_kind(name) for name in _several(kinds)} or set(Kind)
    probes = making.probes(found, _several(levels), (), per_pair=per_pair)
    samples = [_sample(probe) for probe in probes if probe.order and probe.order.kind in wanted]
    return Task(
        name="hierarchy",
        dataset=MemoryDataset(samples, name="hierarchy"),
        solver=told(),
        scorer=kept(),
    )


def _sample(probe: Probe) -> Sample:
    assert probe.order is not None
    return Sample(
        id=f"{probe.order.kind.value}/{probe.id[:12]}",
        input=next(turn.content or "" for turn in reversed(probe.turns) if turn.role == "user"),
        metadata={
            "turns": [turn.data() for turn in probe.turns[:-1]],
            "order": probe.order.data(),
            "kind": probe.order.kind.value,
            "cluster": probe.cluster,
        },
    )


@solver
def told() -> Solver:
    """Put each level's instruction in the message of its role, where the model tells these apart."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        turns = [Turn(turn["role"], turn["content"]) for turn in state.metadata["turns"]]
        messages = express(turns, None, roles_of(get_model()))
        if messages is None:
            state.completed = True
            state.metadata["unscored"] = Unscored.ROLE_NOT_EXPRESSIBLE.value
            return state
        state.messages = messages
        return await generate(state)

    return solve


@scorer(metrics=[mean(), stderr(cluster="cluster")])
def kept() -> Scorer:
    """1 where the answer follows all that stands and nothing that a higher level excludes."""

    async def score(state: TaskState, target: Target) -> Score:
        if reason := state.metadata.get("unscored"):
            return Score.unscored(reason=reason)
        answer = state.output.completion
        if not answer.strip():
            return Score.unscored(reason=Unscored.EMPTY.value)
        demands = Order.read(state.metadata["order"]).demands
        label = reading.verdict(demands, answer)
        return Score(value=float(label == reading.KEPT), answer=label, metadata={"check": reading.DIGEST})

    return score


def _several(given: str | list[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else given or []


def _kind(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError:
        raise BadInput(
            f"there are no probes of the kind {name!r}", remedy=f"There are: {', '.join(Kind)}."
        ) from None


def _given(name: str) -> str:
    """A file as the user names it: Inspect changes into the folder of this file before it makes a task."""
    place = Path(os.environ.get("PWD", "")) / name
    return str(place) if place.exists() else name
