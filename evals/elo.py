"""Two models answer a spec's prompts, and a judge compares the answers in both orders: plain `inspect eval`.

inspect eval evals/elo.py -T spec=house-rules --model openai/gpt-5 \\
    --model-role other=openai/gpt-5-mini --model-role judge=openai/gpt-5

The score is the share of wins of the model against the other, ties half. Elo of several arms with intervals,
both instructions and the plane: `govaudit audit --compare pairwise_old --compare pairwise_new`.
"""

from __future__ import annotations

import os
from pathlib import Path

from inspect_ai import Task, task

from govaudit.evals import tasks


@task
def elo(spec: str = "house-rules", rubric: str = "pairwise_helpful", limit: int | None = None) -> Task:
    """Every generation probe of a spec: the answers of the model and of `other`, compared by the judge."""
    # A file as the user names it: Inspect changes into the folder of this file before it makes a task.
    place = Path(os.environ.get("PWD", "")) / spec
    return tasks.compared(str(place) if place.exists() else spec, rubric=rubric, limit=limit)
