"""What the ``inspect_ai`` entry point exposes: our model providers and the task behind ``inspect eval``.

Inspect imports this at every start and only logs a failure, so it stays light: torch comes on first use.
"""

from __future__ import annotations

from govaudit.evals.tasks import clauses
from govaudit.models.provider import govaudit
from govaudit.models.recorded import recorded

__all__ = ["clauses", "govaudit", "recorded"]
