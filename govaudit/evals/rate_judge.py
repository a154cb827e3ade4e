"""An LLM judge with one rubric, and what it says of the questions that are put to it.

In: an open model, a rubric, questions. Out: the judge as a rater, and its verdicts. Left out: what is asked
of which answer (``rate``, ``rate_measured``), and comparisons (``rate_pairs``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspect_ai.model import Model

from govaudit.canonical import digest
from govaudit.evals import run
from govaudit.evals.tasks import JudgeItem
from govaudit.records import Rater, RaterKind, Unscored
from govaudit.scorers import judge
from govaudit.scorers.rubric import Rubric


@dataclass(frozen=True)
class Said:
    """The verdict on one question, or why there is none, and the whole reply."""

    label: str | None
    unscored: Unscored | None
    raw: str


@dataclass(frozen=True)
class Judge:
    """A judge that can be asked, and where its calls are kept."""

    name: str
    """Id of the rater."""
    model: Model
    rubric: Rubric
    logs: Path
    settings: Mapping[str, Any]
    """What the rater's row says of it, such as its temperature."""
    connections: int | None = None
    step: run.Step = run.silent

    def item(self, text: str, about: Mapping[str, str]) -> JudgeItem:
        """A question about an answer. At temperature 0 one that several answers raise alike is put once: they
        get the same reply."""
        own = {} if self.settings.get("temperature") == 0 else about
        return JudgeItem(digest({"rubric": self.rubric.digest, "prompt": text, **own}), text)

    def ask(self, items: Mapping[str, JudgeItem]) -> tuple[Rater, dict[str, Said]]:
        """Put the questions (id -> question), in one resumable Inspect set; verdicts by the same ids."""
        replies = run.judge(
            self.model,
            self.name,
            items.values(),
            logs=self.logs,
            connections=self.connections,
            step=self.step,
        )
        said = {}
        for key, item in items.items():
            reply = replies[key]
            if reply.failure is not None:
                said[key] = Said(None, reply.failure, reply.text)
                continue
            verdict = judge.parse(self.rubric, reply.text, reply.stop_reason, item.prompt)
            said[key] = Said(*verdict, reply.text)
        rater = Rater(
            id=self.name,
            kind=RaterKind.JUDGE,
            source="model",
            rubric=self.rubric.name,
            rubric_digest=self.rubric.digest,
            model=str(self.model),
            fingerprint=run.reported(replies),
            attributes=dict(self.settings),
        )
        return rater, said
