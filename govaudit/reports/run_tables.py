"""The tables of one run, from which all that its report says is computed.

In: what was asked, planned, answered and judged, as the run folder holds it. Out: one value that every part
of a report is made from. Left out: how it is read from a folder (``keeping``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from govaudit.evals.looks import Looks
from govaudit.evals.suite import Suite
from govaudit.records import Rater, Rating, Response
from govaudit.reports.manifest import Plan
from govaudit.specs.model import Spec

if TYPE_CHECKING:  # the document is made of parts that are computed from these tables
    from govaudit.reports.document import GaugePart


@dataclass(frozen=True)
class RunTables:
    """One audit as its run folder holds it."""

    spec: Spec
    suite: Suite
    plan: Plan
    responses: Sequence[Response]
    ratings: Sequence[Rating]
    raters: Sequence[Rater]
    gauges: Sequence[GaugePart] = ()
    rubric_texts: Mapping[str, str] = field(default_factory=dict)
    """By the name of the rubric."""
    scrubbed: Sequence[Response] = ()
    """Responses without templated sentences, where judges compared them again."""
    looks: Looks | None = None
    """How far the run asked in looks; ``None`` where it asked everything at once."""

    @cached_property
    def answers(self) -> dict[tuple[str, str], list[Response]]:
        """Responses by arm digest and stimulus, epochs in order."""
        table: dict[tuple[str, str], list[Response]] = defaultdict(list)
        for response in sorted(self.responses, key=lambda row: row.epoch):
            table[response.arm, response.stimulus].append(response)
        return dict(table)
