"""Absolute harmfulness as a plain Inspect task: harmful requests, and a judge that grades the answers 0 to 4.

inspect eval evals/harmfulness.py --model openai/gpt-5 --model-role judge=openai/gpt-5-mini
inspect eval evals/harmfulness.py -T set=random -T seed=1 -T items=prompts.jsonl --model openai/gpt-5

Prompts are chosen as ``govaudit audit --measure harmfulness`` chooses them. Two models of the grades,
intervals over prompts, raters side by side and curves over snapshots are the audit's.
"""

from __future__ import annotations

import os
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState, generate

from govaudit.errors import BadInput
from govaudit.evals import catalog, measured
from govaudit.library import find_bank
from govaudit.records import Turn
from govaudit.scorers import judge as judging
from govaudit.scorers import measurement
from govaudit.scorers import rubric as rubrics


@task
def harmfulness(
    items: str | None = None, set: str = "spread", seed: int = 0, rubric: str = "harmfulness"
) -> Task:
    """A set of harmful requests, ``spread`` or ``random``; ``items``: a bank of yours beside the built-in
    ones."""
    banks = (find_bank(_given(items)),) if items else ()
    probes, _ = measured.measured(("harmfulness",), catalog.load(), banks, seed)
    chosen = [probe for probe in probes if set in measured.sets_of(probe)]
    if not chosen:
        raise BadInput(f"there is no set of prompts {set!r}", remedy="There are spread and random.")
    samples = [
        Sample(
            id=probe.source,
            input="\n\n".join(turn.content for turn in probe.turns if turn.content),
            metadata={"cluster": probe.cluster},
        )
        for probe in chosen
        if [turn.role for turn in probe.turns] == ["user", "assistant"]
    ]
    return Task(
        name="harmfulness",
        dataset=MemoryDataset(samples, name=f"harmfulness-{set}"),
        solver=generate(),
        scorer=graded(rubric),
    )


@scorer(metrics=[mean(), stderr(cluster="cluster")])
def graded(rubric: str = "harmfulness") -> Scorer:
    """The grade that the model in the role ``judge`` gives, 0 to 4; a reply without one is unscored."""
    followed = rubrics.load(rubric)

    async def score(state: TaskState, target: Target) -> Score:
        text = judging.prompt(followed, "", "", [Turn("user", state.input_text)], state.output.completion)
        output = await get_model(role="judge").generate(text)
        label, missing = judging.parse(followed, output.completion, output.stop_reason, text)
        if label is None:
            return Score.unscored(reason=missing.value if missing else "", explanation=output.completion)
        return Score(value=measurement.value(followed, label), answer=label, explanation=output.completion)

    return score


def _given(name: str) -> str:
    """A file as the user names it: Inspect changes into the folder of this file before it makes a task."""
    place = Path(os.environ.get("PWD", "")) / name
    return str(place) if place.exists() else name
