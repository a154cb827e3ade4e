"""What can go wrong, as one small tree.

GovauditError
├── BadInput          the user's file, clause or option cannot be used   -> exit code 2
├── Unfinished        work was interrupted; the same command resumes     -> exit code 3
└── StatisticsError   a statistic is not defined on these data (also a ValueError)

A failed check is an outcome, not an error: commands return exit code 1 for it.
A bad *sample* (a model that refused, a judge that babbled) is never an error either: it is recorded
as unscored with a reason. Only input that makes the whole request meaningless stops a run.
"""

from __future__ import annotations

from pathlib import Path


class GovauditError(Exception):
    """Base of everything that the command line prints as one line without a traceback."""


class BadInput(GovauditError):
    """Input that cannot be used: says where, what is wrong, and what to do about it.

    ``path`` and ``line`` (1-based) locate the fault in a file, ``clause`` in a spec.
    """

    def __init__(
        self,
        problem: str,
        *,
        path: str | Path | None = None,
        line: int | None = None,
        clause: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.problem, self.path, self.line, self.clause, self.remedy = (
            problem,
            path,
            line,
            clause,
            remedy,
        )
        place = str(path) if path is not None else ""
        if line is not None:
            place += f":{line}"
        if clause is not None:
            place += f" [clause {clause}]"
        text = f"{place.strip()}: {problem}" if place else problem
        super().__init__(f"{text}. {remedy}" if remedy else text)


class Unfinished(GovauditError):
    """Work stopped before its end; everything done so far is kept and the same command resumes."""


class StatisticsError(GovauditError, ValueError):
    """A statistic is not defined on these data (no clusters, one category, a disconnected graph)."""
