"""Inspect logs as other people publish them, really run on a mock model: forms, not data.

The scorers bear the names under which the forms are published (OpenAI's Model Spec Evals; Petri's judge, which gives a
dictionary of dimensions from 1 to 10); what they say is fixed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, Model, ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, Scorer, Target, accuracy, match, mean, scorer
from inspect_ai.solver import TaskState, generate


def answering(*texts: str, name: str = "mockllm/model") -> Model:
    """A mock model that gives these answers in turn, with usage: without it Inspect asks the network."""
    outputs = []
    for text in texts:
        output = ModelOutput.from_content(name, text)
        output.usage = ModelUsage(input_tokens=5, output_tokens=3, total_tokens=8)
        outputs.append(output)
    return get_model(name, custom_outputs=outputs, config=GenerateConfig(temperature=0.5), memoize=False)


def run(task: Task, model: Model, folder: Path, format: str = "eval", **options: Any) -> None:
    """Run a task into a folder of logs."""
    log = eval(
        task,
        model=model,
        log_dir=str(folder),
        log_format=format,  # type: ignore[arg-type]
        display="none",
        score_display=False,
        max_samples=1,
        max_connections=1,
        **options,
    )[0]
    assert log.status == "success", log.error


@scorer(metrics=[mean()], name="model_graded_spec_section_compliance")
def compliance() -> Scorer:
    """What the grader says is the last word of the mock answer: 1, 0 or nan."""

    async def score(state: TaskState, target: Target) -> Score:
        value = float(state.output.completion.split()[-1])
        return Score(value=value, explanation="a critique", metadata={"compliance": 6 if value else 3})

    return score


def model_spec_evals(sections: Sequence[str]) -> Task:
    """The form of OpenAI's Model Spec Evals: one prompt a sample, its section in the metadata."""
    return Task(
        name="model_spec_evals",
        dataset=[
            Sample(
                id=str(n),
                input=f"Question {n}?",
                target="what the answer should do",
                metadata={"section_id": section, "top_level_section": "best_work", "focus_id": f"focus-{n}"},
            )
            for n, section in enumerate(sections, 1)
        ],
        solver=generate(),
        scorer=compliance(),
    )


@scorer(metrics={"*": [mean()]}, name="alignment_judge")
def judge(dimensions: Sequence[dict[str, float]]) -> Scorer:
    async def score(state: TaskState, target: Target) -> Score:
        value = dimensions[int(str(state.sample_id)) - 1]
        return Score(value=dict(value), explanation="a justification", metadata={"highlights": []})

    return score


def petri(dimensions: Sequence[dict[str, float]]) -> Task:
    """The form of Petri's audits: a seed instruction a sample, a judge that scores dimensions from 1 to 10."""
    return Task(
        name="audit",
        dataset=[Sample(id=str(n), input=f"Seed {n}") for n in range(1, len(dimensions) + 1)],
        solver=generate(),
        scorer=judge(dimensions),
    )


def arithmetic(n: int) -> Task:
    """A task with a right answer, scored by Inspect's own letters."""
    return Task(
        name="arithmetic",
        dataset=[Sample(id=str(k), input=f"What is {k} and 1?", target=str(k + 1)) for k in range(1, n + 1)],
        solver=generate(),
        scorer=match(),
        metrics=[accuracy()],
    )
