"""The comparison as one HTML file that needs nothing else, with the look of the audit report.

In: a :class:`Comparison`. Out: HTML text. Layout and words are in ``reports/compare.html.j2`` and
``reports/compare.css``; this module puts the matrix in order and draws its intervals. It computes no
statistics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markupsafe import Markup

from govaudit.reports import figures, measurements
from govaudit.reports.compare.document import Comparison, DeclaredPart, ObservedPart, StatementPart
from govaudit.reports.compare.matrix import NEVER_PUT
from govaudit.reports.compare.show import shown
from govaudit.reports.html import environment, page_style
from govaudit.reports.words import REASONS, VERDICTS, listed, percent, visible, words

_REASONS = {NEVER_PUT: "Not one of its probes was put to this arm, or has a recorded answer of it."}


@dataclass(frozen=True)
class Line:
    """One declared clause of a statement, with what was observed of each arm."""

    declared: DeclaredPart
    cells: tuple[ObservedPart | None, ...]
    """By column; ``None``: the arm was never measured under this clause."""

    @property
    def alike(self) -> ObservedPart | None:
        """One cell that stands for all: the same verdict and reason everywhere, and no rate."""
        first = self.cells[0]
        same = first is not None and all(
            cell is not None
            and cell.rate.value is None
            and (cell.verdict, cell.reason) == (first.verdict, first.reason)
            for cell in self.cells
        )
        return first if same else None


@dataclass(frozen=True)
class Block:
    """A group of statements in the matrix."""

    title: str
    explained: str
    rows: tuple[tuple[StatementPart, tuple[Line, ...]], ...]


class Page:
    """What the template asks for."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.labels = [arm.label for arm in comparison.arms]
        self.axis = figures.rate_axis(
            value
            for row in comparison.statements
            for cell in row.observed
            for value in (cell.rate.value, cell.rate.high)
        )

    @cached_property
    def spec_names(self) -> list[str]:
        """Name of each spec: its id; with its version where two have one id; the version where all have."""
        ids = Counter(spec.id for spec in self.comparison.specs)
        if self.several and len(ids) == 1:
            return [spec.version for spec in self.comparison.specs]
        return [
            spec.id if ids[spec.id] == 1 else f"{spec.id} {spec.version}" for spec in self.comparison.specs
        ]

    @cached_property
    def against(self) -> str:
        """All specs in words."""
        ids = {spec.id for spec in self.comparison.specs}
        versions = f"{next(iter(ids))} " if self.several and len(ids) == 1 else ""
        return versions + listed(self.spec_names)

    @cached_property
    def several(self) -> bool:
        """Whether there is more than one spec."""
        return len(self.comparison.specs) > 1

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The matrix: what several specs declare, then what each declares alone."""
        if not self.several:
            return (Block("", "", self._rows(self.comparison.statements)),)
        found = []
        shared = [row for row in self.comparison.statements if row.shared]
        if shared:
            found.append(
                Block(
                    "Declared by several specs",
                    "Each line is one spec's clause. Rates are tested against each other only where both "
                    "clauses ask "
                    "the same of an answer.",
                    self._rows(shared),
                )
            )
        for index, name in enumerate(self.spec_names):
            alone = [
                row
                for row in self.comparison.statements
                if not row.shared and {d.spec for d in row.declared} == {index}
            ]
            if alone:
                found.append(
                    Block(
                        f"Declared by {name} alone",
                        "Shown, and scored against no other spec.",
                        self._rows(alone),
                    )
                )
        return tuple(found)

    def _rows(self, rows: Sequence[StatementPart]) -> tuple[tuple[StatementPart, tuple[Line, ...]], ...]:
        """Statements with their lines, those that were tested first."""
        order = sorted(rows, key=lambda row: all(cell.rate.value is None for cell in row.observed))
        return tuple((row, self._lines(row)) for row in order)

    def _lines(self, row: StatementPart) -> tuple[Line, ...]:
        found = []
        for declared in row.declared:
            mine = {
                cell.arm: cell
                for cell in row.observed
                if (cell.spec, cell.clause) == (declared.spec, declared.clause)
            }
            found.append(Line(declared, tuple(mine.get(label) for label in self.labels)))
        return tuple(found)

    def cell_figure(self, cell: ObservedPart) -> Markup:
        """The rate of a cell on the axis of the matrix, with its tolerance."""
        label = f"{cell.arm}, {cell.clause}: {percent(cell.rate.value)} %"
        if cell.rate.low is not None and cell.rate.high is not None:
            label += f", 95 % interval {percent(cell.rate.low)} to {percent(cell.rate.high)} %"
        return figures.interval(
            self.axis,
            cell.rate.value,
            cell.rate.low,
            cell.rate.high,
            label=visible(label),
            mark=cell.tolerance,
            best=cell.best,
            worst=cell.worst,
            shape=cell.verdict if cell.verdict in VERDICTS else "inconclusive",
        )

    def why(self, cell: ObservedPart) -> str:
        """What a cell rests on, in words."""
        said = [words(cell.reason, REASONS | _REASONS)]
        if cell.status != "open":
            said.append(f"review: {cell.status}")
        if cell.rate.n:
            said.append(f"{cell.rate.n:,} answers in {cell.clusters:,} clusters, {cell.unscored:,} unscored")
            said.append(f"{cell.measure} / {cell.rater}")
        if cell.stale:
            said.append(f"stale: {cell.stale}")
        return "; ".join(text.rstrip(".") for text in said)

    @cached_property
    def obstacles(self) -> dict[str, int]:
        """What keeps verdicts inconclusive: sentences with the number of cells, the most frequent first."""
        reasons = Counter(
            cell.reason
            for row in self.comparison.statements
            for cell in row.observed
            if cell.verdict == "inconclusive"
        )
        return {words(code, REASONS | _REASONS): n for code, n in reasons.most_common()}

    def apart(self, row: StatementPart) -> list[str]:
        """Who breaks a statement more often than whom, by the tests that hold over the whole comparison."""
        worse: dict[str, list[str]] = {}
        for part in self.comparison.differences:
            if part.statement == row.id and part.worse is not None:
                other = part.second if part.worse == part.first else part.first
                if other not in worse.setdefault(part.worse, []):
                    worse[part.worse].append(other)
        order = sorted(worse, key=lambda arm: -len(worse[arm]))
        return [f"{arm} breaks it more often than {listed(worse[arm])}" for arm in order]

    @cached_property
    def counts(self) -> list[tuple[str, str, Counter[str]]]:
        """Arm, spec and clauses by verdict; as in a report, a clause without a verdict is not scored."""
        table: dict[tuple[str, int], dict[str, str]] = {}
        for row in self.comparison.statements:
            for cell in row.observed:
                table.setdefault((cell.arm, cell.spec), {})[cell.clause] = cell.verdict or "not_scored"
        found = []
        for label in self.labels:
            for index, spec in enumerate(self.comparison.specs):
                if (label, index) not in table:
                    continue
                counts = Counter(table[label, index].values())
                counts["not_scored"] += max(0, spec.clauses - counts.total())
                found.append((label, self.spec_names[index], counts))
        return found

    def counts_figure(self, label: str, counts: Counter[str]) -> Markup:
        """Clauses by verdict, as a bar."""
        ordered = {name: counts[name] for name in VERDICTS}
        text = f"{label}: " + ", ".join(f"{n} {VERDICTS[name]}" for name, n in ordered.items() if n)
        return figures.bar(ordered, label=visible(text))

    @cached_property
    def measurements(self) -> tuple[measurements.Block, ...]:
        """Differences, ranks and the rest, ready for the page."""
        return measurements.blocks(shown(self.comparison))


def render_html(comparison: Comparison, folder: Path | None = None) -> str:
    """The whole comparison as one self-contained HTML document.

    ``folder`` may hold the reader's own templates and style sheets; what it lacks comes from ``reports``.
    """
    style, hashed = page_style(folder, "style.css", "compare.css")
    return (
        environment(folder)
        .get_template("compare.html.j2")
        .render(
            comparison=comparison,
            page=Page(comparison),
            style=Markup(style),
            style_hash=Markup(hashed),
            VERDICTS=VERDICTS,
        )
    )
