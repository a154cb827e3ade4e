"""The comparison as Markdown, for a pull request: the matrix with its intervals, and what it says beside it.

In: a :class:`Comparison`. Out: GitHub-flavoured Markdown with the numbers of the HTML page. It computes no
statistics.
"""

from __future__ import annotations

from collections.abc import Iterator

from govaudit.reports.compare.document import Comparison, ObservedPart
from govaudit.reports.compare.html import Page
from govaudit.reports.compare.show import observed, shown
from govaudit.reports.markdown import inline, prose, suite
from govaudit.reports.words import VERDICTS, listed, words


def render_markdown(comparison: Comparison) -> str:
    """The comparison as Markdown; same comparison, same text."""
    page = Page(comparison)
    blocks = [*_head(comparison, page)]
    if comparison.statements:
        blocks += _matrix(comparison, page)
    for one in shown(comparison):
        blocks += suite(one)
    blocks += ["## What was not compared", _points(comparison.not_compared)]
    blocks += ["## Methods", _points(comparison.methods)]
    return "\n\n".join(blocks) + "\n"


def _head(comparison: Comparison, page: Page) -> Iterator[str]:
    yield "# Declared and observed" if comparison.arms else "# Spec, model and judge"
    if comparison.arms:
        arms = ", ".join(inline(label) for label in page.labels)
        yield f"{arms}, against {inline(page.against)}."
    if comparison.warnings:
        yield "**Before you read on**\n\n" + _points(comparison.warnings)


def _matrix(comparison: Comparison, page: Page) -> Iterator[str]:
    yield (
        "Share of judged answers that break each clause, in per cent, with the 95 % interval; the "
        "verdict is that of "
        "each run's own report."
    )
    for block in page.blocks:
        if block.title:
            yield f"### {inline(block.title)}\n\n{inline(block.explained)}"
        head = [
            "Statement",
            *(["Declared by"] if page.several else []),
            *(inline(name) for name in page.labels),
        ]
        lines = [head, ["---"] * len(head)]
        for row, members in block.rows:
            for number, line in enumerate(members):
                by = page.spec_names[line.declared.spec]
                unlike = "" if line.declared.relation == "same" else f" ({line.declared.relation})"
                declared = [inline(f"{by}: {line.declared.clause}{unlike}")] if page.several else []
                lines.append([inline(row.text) if number == 0 else "", *declared, *map(_cell, line.cells)])
        yield "\n".join(f"| {' | '.join(line)} |" for line in lines)
        apart = [f"{row.id}: {listed(page.apart(row))}." for row, _ in block.rows if page.apart(row)]
        if apart:
            yield _points(apart)


def _cell(cell: ObservedPart | None) -> str:
    if cell is None:
        return "not measured"
    if cell.rate.value is None:
        return observed(cell)
    verdict = words(cell.verdict or "not_scored", VERDICTS)
    return f"{observed(cell)} {verdict}{', stale' if cell.stale else ''}"


def _points(texts: tuple[str, ...] | list[str]) -> str:
    return "\n".join(f"- {prose(text)}" for text in texts)
