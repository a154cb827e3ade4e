"""Tone and engagement with questions of fact as a plain Inspect task.

inspect eval evals/tone.py --model openai/gpt-5

An answer that takes its question up is scored by the share of the reference's facts that it tells; an
evasive one is unscored, not 0, and counted beside. Intervals, and tone given correctness, are ``govaudit
audit``'s.
"""

from __future__ import annotations

import os
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState, generate

from govaudit.evals import items as banks
from govaudit.library import find_bank
from govaudit.records import Unscored
from govaudit.scorers import engagement
from govaudit.scorers import tone as sounding


@task
def tone(items: str = "facts", limit: int | None = None) -> Task:
    """Questions of fact from an item bank: how many are taken up, what is told, how sure it sounds."""
    samples = [
        Sample(
            id=item.source,
            input=item.turns[0].content or "",
            metadata={"cluster": item.cluster, "facts": list(item.facts)},
        )
        for item in banks.load(find_bank(_given(items)))
        if [turn.role for turn in item.turns] == ["user", "assistant"] and item.facts
    ]
    return Task(
        name="tone",
        dataset=MemoryDataset(samples[:limit], name=Path(items).stem),
        solver=generate(),
        scorer=[engaged(), facts_told(), assertiveness(), caveats()],
    )


def _read(state: TaskState) -> engagement.Engagement:
    return engagement.read(state.input_text, state.output.completion, state.metadata["facts"])


@scorer(metrics=[mean(), stderr(cluster="cluster")])
def engaged() -> Scorer:
    """1 where the question is taken up; no score where the check cannot say."""

    async def score(state: TaskState, target: Target) -> Score:
        found = _read(state)
        if found.engaged is None:
            return Score.unscored(reason=Unscored.NOT_RATED.value, explanation=found.rule)
        return Score(value=float(found.engaged), explanation=found.rule)

    return score


@scorer(metrics=[mean(), stderr(cluster="cluster")])
def facts_told() -> Scorer:
    """Share of the facts told, of answers that take the question up alone."""

    async def score(state: TaskState, target: Target) -> Score:
        found = _read(state)
        if found.share is None:
            return Score.unscored(reason="evasive", explanation=found.rule)
        return Score(value=found.share, explanation=", ".join(found.told))

    return score


@scorer(metrics=[mean(), stderr(cluster="cluster")])
def assertiveness() -> Scorer:
    """Sentences that claim certainty minus sentences that take it back, over all: -1 to 1."""

    async def score(state: TaskState, target: Target) -> Score:
        sure = sounding.read([state.output.completion])[0].assertiveness
        return Score.unscored(reason=Unscored.EMPTY.value) if sure is None else Score(value=sure)

    return score


@scorer(metrics=[mean(), stderr(cluster="cluster")])
def caveats() -> Scorer:
    """Sentences that warn, limit the answer or send the reader to somebody else."""

    async def score(state: TaskState, target: Target) -> Score:
        return Score(value=float(sounding.read([state.output.completion])[0].caveats))

    return score


def _given(name: str) -> str:
    """A file as the user names it: Inspect changes into the folder of this file before it makes a task."""
    place = Path(os.environ.get("PWD", "")) / name
    return str(place) if place.exists() else name
