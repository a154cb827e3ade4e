"""Boilerplate as a plain Inspect task: stock phrases by answer, recurring phrases over all of them.

inspect eval evals/boilerplate.py --model openai/gpt-5 inspect eval evals/boilerplate.py -T
items=my-prompts.jsonl -T phrases=mined.yaml --model openai/gpt-5

Single prompts without earlier answers are asked. Intervals over prompts, near duplicates and differences
between arms are ``govaudit audit``'s.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, mean, metric, scorer, stderr
from inspect_ai.solver import TaskState, generate

from govaudit.evals import items as banks
from govaudit.library import find_bank
from govaudit.scorers import boilerplate as measuring
from govaudit.scorers import phrase_list


@task
def boilerplate(items: str = "facts", phrases: str | None = None, limit: int | None = None) -> Task:
    """Prompts of an item bank, scored by a fixed list of phrases and by what recurs across them."""
    found = banks.load(find_bank(_given(items)))
    samples = [
        Sample(id=item.source, input=item.turns[0].content or "", metadata={"cluster": item.cluster})
        for item in found
        if [turn.role for turn in item.turns] == ["user", "assistant"] and not item.choices
    ]
    return Task(
        name="boilerplate",
        dataset=MemoryDataset(samples[:limit], name=Path(items).stem),
        solver=generate(),
        scorer=stock_phrases(_given(phrases) if phrases else None),
    )


@metric
def in_recurring_phrases() -> Metric:
    """Mean share of an answer's words that lie in phrases which recur across prompts."""

    def measured(scores: list[SampleScore]) -> float:
        said = [(row.score.answer or "", str(row.sample_id)) for row in scores if row.score.answer]
        if not said:
            return float("nan")
        texts, prompts = zip(*said, strict=True)
        return measuring.measure(texts, prompts, phrase_list.load()).templated.value or 0.0

    return measured


@scorer(metrics=[mean(), stderr(cluster="cluster"), in_recurring_phrases()])
def stock_phrases(phrases: str | None = None) -> Scorer:
    """1 where the answer holds a phrase of the list."""
    listed = phrase_list.read(Path(phrases)) if phrases else phrase_list.load()

    async def score(state: TaskState, target: Target) -> Score:
        found = phrase_list.hits([state.output.completion], listed)[0]
        return Score(
            value=float(bool(found)),
            answer=state.output.completion,
            explanation=json.dumps([[hit.group, hit.phrase] for hit in found]),
            metadata={"phrases": listed.digest},
        )

    return score


def _given(name: str) -> str:
    """A file as the user names it: Inspect changes into the folder of this file before it makes a task."""
    place = Path(os.environ.get("PWD", "")) / name
    return str(place) if place.exists() else name
