"""One audit as a comparison takes it: its report, and the tables that paired tests are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from govaudit.reports.document import Report
from govaudit.reports.findings import Cell, cells_of
from govaudit.reports.run_tables import RunTables

OURS = "govaudit"
"""Origin of a run that is not imported."""


@dataclass(frozen=True, eq=False)
class Run:
    """One audit, read."""

    name: str
    origin: str
    """:data:`OURS`, or where imported evidence comes from."""
    report: Report
    tables: RunTables

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All that was judged, by clause, arm, measure and rater."""
        return tuple(cells_of(self.tables))
