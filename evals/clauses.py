"""Any spec as a plain Inspect task, scored inline; the audit itself is ``govaudit audit``.

inspect eval evals/clauses.py -T spec=house-rules --model openai/gpt-5 --model-role judge=openai/gpt-5
"""

from __future__ import annotations

from inspect_ai import Task, task

from govaudit.evals import tasks


@task
def clauses(spec: str = "house-rules", prompts: str | None = None, limit: int | None = None) -> Task:
    """Every generation probe of a spec: the refusal check inline, and a judge where the role is given."""
    return tasks.clauses(spec, prompts=prompts, limit=limit)
