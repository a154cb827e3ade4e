"""The report as Markdown, to be read in a pull request: conclusion, verdicts, the clearest violations.

In: a :class:`Report`. Out: GitHub-flavoured Markdown with the numbers of the HTML page. For the findings of
other raters, random responses and whole conversations see that page and ``report.json``. It computes no
statistics.

Texts of models, documents and people are hostile. In a line every sign that could begin markup, a link, a
mention or a table cell is written as an entity or as code; limits in brackets, as in ``[0.1, 2.0]``, begin
none. Longer texts stand in fences that are longer than any run of back-ticks in them. Characters that hide or
turn text are written as their code points.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from govaudit.reports.document import ClaimPart, ClausePart, Exhibit, FindingPart, Report
from govaudit.reports.html import Page, Row
from govaudit.reports.measurements import Cell, Writing, file, heading, tables, writings
from govaudit.reports.part import Estimate
from govaudit.reports.shown import Shown, Table
from govaudit.reports.suites import suites_of
from govaudit.reports.words import (
    COMMAND,
    ORIGINS,
    STATUSES,
    UNSCORED,
    VERDICTS,
    bound,
    coefficient,
    counted,
    listed,
    percent,
    spelled,
    visible,
    when,
    why,
    words,
)

WORST = 5
"""Violations that are shown with evidence."""

LONGEST_TEXT = 1_500
"""Longer texts are cut in the middle, in sight; a comment on a pull request holds 65,536 characters."""

MOST_ROWS = 30
"""Rows of a table of a suite; more of them are counted, and in the CSV file."""

_ENTITIES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    **{sign: f"&#{ord(sign)};" for sign in "\\`*_[]|~$"},
}
# A mention, a reference to an issue, an address: what a renderer turns into a link without being asked.
_LINKS = re.compile(r"(?:@|#(?=\w)|://|\bwww\.)+", re.IGNORECASE)
# Two numbers in brackets are no link, unless an address, a name or a definition follows.
_LIMITS = re.compile(r"\[[−+-]?[<>]?[\d.,]+%?, [−+-]?[<>]?[\d.,]+%?\](?![\[(:])")
# An underscore inside a word is none of these: clause ids stay readable.
_SIGNS = re.compile(
    rf"{_LIMITS.pattern}|{_LINKS.pattern}|"
    rf"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|[{re.escape(''.join(_ENTITIES.keys() - {'_'}))}]",
    re.IGNORECASE,
)
_COMMANDS_AND_SIGNS = re.compile(f"{COMMAND.pattern}|{_SIGNS.pattern}", re.IGNORECASE)
_BLOCK_START = re.compile(r"(\d{1,9})([.)])(?=\s|$)|([#+=-])")
_FENCE = re.compile(r"`{3,}")


def inline(text: str) -> str:
    """Text in one line, in which nothing is markup: for sentences, list items and table cells."""
    return _tame(_within(text))


def prose(text: str) -> str:
    """A sentence of ours in one line: as :func:`inline`, with commands between back-ticks as code."""
    return _tame(_COMMANDS_AND_SIGNS.sub(_escaped, _line(text)))


def _within(text: str) -> str:
    """As :func:`inline`, where no block can begin: in a table."""
    return _SIGNS.sub(_escaped, _line(text))


def _line(text: str) -> str:
    return " ".join(visible(text).split())


def _tame(escaped: str) -> str:
    """The same without a sign at its start that begins a list, a title or a rule."""
    start = _BLOCK_START.match(escaped)
    if start is not None:
        mark = start[2] or start[3]
        escaped = f"{start[1] or ''}&#{ord(mark)};{escaped[start.end() :]}"
    return escaped


def _escaped(found: re.Match[str]) -> str:
    if COMMAND.fullmatch(found[0]):
        return found[0]
    if _LIMITS.fullmatch(found[0]):
        return found[0].replace("<", "&lt;").replace(">", "&gt;")
    return _ENTITIES.get(found[0]) or f"`{found[0]}`"


def fenced(text: str) -> str:
    """Text as a code block: as it is, but for unseen characters and a middle that is too long."""
    shown = visible(text)
    if len(shown) > LONGEST_TEXT:
        head, tail = shown[: LONGEST_TEXT * 3 // 4], shown[-LONGEST_TEXT // 4 :]
        left = len(shown) - len(head) - len(tail)
        shown = f"{head}\n[{left:,} characters left out; all are in report.json]\n{tail}"
    fence = "`" * max(3, 1 + max((len(run) for run in _FENCE.findall(shown)), default=2))
    return f"{fence}text\n{shown}\n{fence}"


def render_markdown(report: Report) -> str:
    """The report as Markdown; same report, same text."""
    page = Page(report)
    parts = [
        _head(report),
        _warnings(page),
        _conclusion(page),
        _counts(page),
        _worst(page),
        _obstacles(page),
        _bullets("What was not tested, in short", page.gaps),
        _bullets("What would change this conclusion", report.changes),
        _clauses(page),
        _pooled(page),
        _measurements(report),
        _gauges(page),
        _arms(page),
        _review(page),
        _bullets("What was not tested", report.not_tested),
        _bullets("Methods", report.methods),
        _digests(report),
    ]
    return "\n\n".join(block for part in parts for block in part) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """A table; the last ``numbers`` columns are aligned to the right."""
    plain = len(head) - numbers
    lines = [head, [*["---"] * plain, *["---:"] * numbers], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(
    value: float | None,
    low: float | None,
    high: float | None,
    undefined: str | None,
    form: Callable[[float], str],
) -> str:
    if value is None:
        return f"undefined: {inline(undefined or 'no scored item')}"
    if low is None or high is None:
        return f"{form(value)} (no interval: {inline(undefined or 'not given')})"
    return f"{form(value)} [{form(low)}, {form(high)}]"


def _rate(estimate: Estimate) -> str:
    return _number(estimate.value, estimate.low, estimate.high, estimate.undefined, percent)


def _coefficient(estimate: Estimate) -> str:
    return _number(estimate.value, estimate.low, estimate.high, estimate.undefined, coefficient)


def _finding_rate(finding: FindingPart) -> str:
    return _number(finding.rate, finding.low, finding.high, None, percent)


def _name(report: Report) -> str:
    return inline(report.spec.title or report.spec.id)


def _title(clause: ClausePart) -> str:
    return inline(clause.title or clause.id)


def _verdict(verdict: str) -> str:
    shown = inline(words(verdict, VERDICTS))
    return f"**{shown}**" if verdict == "violated" else shown


def _head(report: Report) -> Iterator[str]:
    partial = " (partial run)" if report.partial else ""
    yield f"# Audit of {_name(report)}, {inline(report.spec.version)}{partial}"
    yield (
        f"{inline(when(report.created))}, run {inline(report.run)}, govaudit {inline(report.govaudit)}. "
        "A rate is the share of scored items that **break** a clause, in per cent with its 95 % interval."
    )


def _warnings(page: Page) -> Iterator[str]:
    found = [prose(text) for text in page.warnings]
    if (cut := page.report.redaction) is not None:
        found.insert(
            0,
            f"A copy for publication: prompts and answers of {counted(cut.probes, 'probe')} with the tag "
            f"{inline(listed(cut.tags))} were taken out ({counted(cut.texts, 'text')} of "
            f"{counted(cut.exhibits, 'response')}, and {counted(cut.elsewhere, 'text')} elsewhere). Numbers "
            f"are those of the whole report, {cut.of[:12]}.",
        )
    if page.report.partial:
        found.insert(0, "Only a part of the suite was run: the rates are those of that part.")
    if found:
        yield "> **Before you read on**\n>\n" + "\n".join(f"> - {text}" for text in found)


def _conclusion(page: Page) -> Iterator[str]:
    report, spec = page.report, page.report.spec
    n = len(report.arms)
    yield "## Conclusion"
    said = (
        f"{spelled(n).capitalize()} {'arm' if n == 1 else 'arms'} answered probes made from {_name(report)} "
        f"({inline(spec.id)}, version {inline(spec.version)}, {inline(spec.digest[:12])}). It declares "
        f"{counted(spec.clauses, 'clause')}. "
    )
    judges = []
    for rater, clauses in page.judges.items():
        gauges = page.gauges.get(rater, ())
        how = "**no gauge**"
        if gauges:
            how = f"kappa {_coefficient(gauges[0].kappa)} on {counted(gauges[0].n, 'item')}"
            if len(gauges) > 1:
                how += f", and {counted(len(gauges) - 1, 'further gauge')}"
        judges.append(f"{inline(rater) or 'no rater'} ({counted(clauses, 'clause')}; {how})")
    yield said + (f"Verdicts rest on {listed(judges)}." if judges else "No rater carries a verdict.")
    if judges and not page.worst:
        yield (
            "No clause is found violated. That alone says nothing in favour of the arms: see how many "
            "verdicts are inconclusive."
        )


def _counts(page: Page) -> Iterator[str]:
    def control(arm: Any) -> str:
        if arm.control is None:
            return "not put"
        return f"{'passed' if arm.control.passed else 'failed'}, {arm.control.right} of {arm.control.n}"

    yield _table(
        ["Arm", "Control set", *(inline(words(name, VERDICTS)) for name in page.verdicts)],
        (
            [
                inline(arm.name),
                control(arm),
                *(str(page.counts[arm.name].get(name, 0)) for name in page.verdicts),
            ]
            for arm in page.report.arms
        ),
        numbers=len(page.verdicts),
    )


def _worst(page: Page) -> Iterator[str]:
    if not page.worst:
        return
    yield "## Where the evidence of a violation is clearest"
    for finding in page.worst[:WORST]:
        clause = page.clause[finding.clause]
        yield f"### {_title(clause)}: {inline(finding.arm)}{_status(finding)}"
        yield (
            f"{_finding_rate(finding)} % of {counted(finding.n, 'scored item')} in "
            f"{counted(finding.clusters, 'cluster')} break {inline(clause.id)}; tolerance "
            f"{bound(finding.tolerance)} %. By {inline(finding.measure)} / {inline(finding.rater)}. "
            f"{inline(why(finding))}"
        )
        yield fenced(clause.text)
        if finding.worst_responses:
            yield from _exhibit(finding.worst_responses[0])
        if claim := page.claims.get((finding.arm, finding.clause)):
            yield from _argument(claim)
    if len(page.worst) > WORST:
        yield f"{counted(len(page.worst) - WORST, 'further violation')} in the table of clauses."


def _argument(claim: ClaimPart) -> Iterator[str]:
    """The claim, what carries it, its premise, and what would settle it."""
    rows = (
        ("Claim", (claim.claim,)),
        ("Carried by", claim.carries),
        ("Premise", (claim.premise,)),
        ("What would settle it", claim.settle),
    )
    yield "\n".join(f"- **{name}.** {prose(' '.join(texts))}" for name, texts in rows)


def _status(finding: FindingPart) -> str:
    said = [] if finding.status == "open" else [words(finding.status, STATUSES)]
    said += [f"caveat: {inline(listed(finding.caveats))}"] if finding.caveats else []
    return f" ({'; '.join(said)})" if said else ""


def _review(page: Page) -> Iterator[str]:
    if not page.reviewed:
        return
    yield "## Review"
    yield f"Entries are only ever added; the last has the hash {inline(page.report.review_head or '')}."
    for finding in page.reviewed:
        clause = page.clause[finding.clause]
        yield f"### {_title(clause)}: {inline(finding.arm)}{_status(finding)}"
        for entry in finding.review:
            changed = " The numbers have changed since this entry." if entry.changed else ""
            yield (
                f"{entry.n}. **{words(entry.status, STATUSES)}** by {inline(entry.by)}, "
                f"{inline(when(entry.when))}.{changed}"
            )
            yield fenced(entry.reason)
            if entry.reply:
                yield "Reply of those audited:"
                yield fenced(entry.reply)


def _exhibit(exhibit: Exhibit) -> Iterator[str]:
    """The answer that broke the clause, with the turn before it, folded."""
    tally = exhibit.tally
    said = f"{tally.broken} of {counted(tally.scored, 'scored answer')} to this probe broke the clause"
    label = words(exhibit.unscored, UNSCORED) if exhibit.unscored else exhibit.label
    source = f", {inline(exhibit.source)}" if exhibit.source else ""
    yield "<details><summary>One of the worst answers</summary>"
    yield (
        f"{inline(label) or 'no label'}: {said}. Probe {inline(exhibit.probe[:12])}, response "
        f"{inline(exhibit.response[:12])}, {inline(words(exhibit.origin, ORIGINS))}{source}."
    )
    asked = [t for t in exhibit.turns if t.get("role") != "assistant" and t.get("content")]
    if asked:
        yield f"Last turn, {inline(str(asked[-1].get('role')))}:"
        yield fenced(str(asked[-1]["content"]))
    if exhibit.choices:
        yield "Choices with their log-probabilities:"
        yield fenced(
            "\n".join(
                f"{choice.get('label', '–')} {_log_probability(choice.get('logprob'))}: {choice.get('text')}"
                for choice in exhibit.choices
            )
        )
    else:
        yield "Answer:"
        yield fenced(exhibit.answer or "(empty)")
    yield "</details>"


def _log_probability(value: Any) -> str:
    return coefficient(value) if isinstance(value, int | float) else "–"


def _obstacles(page: Page) -> Iterator[str]:
    if page.obstacles:
        yield f"## What keeps {counted(sum(page.obstacles.values()), 'verdict')} inconclusive"
        yield "\n".join(f"- {n}: {inline(sentence)}" for sentence, n in page.obstacles.items())


def _clauses(page: Page) -> Iterator[str]:
    yield "## Clauses"
    yield (
        "The finding of the measure and rater that were named to decide before the first call. Its verdict "
        "uses one-sided limits, allows for unscored items and for the number of clauses and arms looked at."
    )
    for section, clauses in page.sections.items():
        yield f"### {inline(section) or 'Without a section'}"
        rows = [_row(row) for clause in clauses if not clause.not_scored for row in page.rows[clause.id]]
        aside = [clause for clause in clauses if clause.not_scored]
        if rows:
            yield _table(
                [
                    "Clause",
                    "Arm",
                    "Verdict",
                    "Why",
                    "Rate, % [95 %]",
                    "Tolerance, %",
                    "n",
                    "Clusters",
                    "Unscored",
                ],
                rows,
                numbers=5,
            )
        if aside:
            yield "Not scored, whatever the arm:"
            yield "\n".join(_aside(aside))


def _aside(clauses: Sequence[ClausePart]) -> Iterator[str]:
    """Clauses without a verdict, those with one reason in one line."""
    reasons: dict[str, list[str]] = {}
    for clause in clauses:
        reasons.setdefault(clause.not_scored or "", []).append(_clause(clause))
    for reason, names in reasons.items():
        yield f"- {listed(names)}: {inline(reason)}"


def _clause(clause: ClausePart) -> str:
    return f"{_title(clause)} ({inline(clause.id)})" if clause.title else inline(clause.id)


def _row(row: Row) -> list[str]:
    clause, finding = row.clause, row.finding
    name = _clause(clause)
    if clause.bright_line:
        name += ", bright line"
    cells = [name, inline(row.arm), _verdict(row.verdict) + (_status(finding) if finding else "")]
    if finding is None:
        return [*cells, "", "–", bound(clause.tolerance), "–", "–", "–"]
    cells.append(inline(words(finding.reason, {})))
    if finding.n == 0 and not finding.unscored:
        return [*cells, "–", bound(finding.tolerance), "–", "–", "–"]
    return [
        *cells,
        _finding_rate(finding),
        bound(finding.tolerance),
        f"{finding.n:,}",
        f"{finding.clusters:,}",
        f"{finding.unscored:,}",
    ]


def _pooled(page: Page) -> Iterator[str]:
    rows = [
        [
            inline(name),
            inline(row.arm),
            f"{inline(row.measure)} / {inline(row.rater) or 'no rater'}",
            _rate(row.rate),
            f"{row.clauses:,}",
            f"{row.n:,}",
            f"{row.unscored:,}",
        ]
        for by in ("spec", "authority", "section")
        for name, found in page.pooled(by).items()
        for row in found
    ]
    if rows:
        yield "## Whole spec, authority and section"
        yield "Means over the clauses of a group, with the clauses as clusters; no two raters are pooled."
        head = ["Group", "Arm", "Measure / rater", "Rate, % [95 %]", "Clauses", "n", "Unscored"]
        yield _table(head, rows, numbers=4)


def _measurements(report: Report) -> Iterator[str]:
    """What each suite says, with its tables and the data of its figures."""
    suites = suites_of(report)
    if not suites:
        return
    yield "## Measurements"
    yield (
        "What was measured across clauses; none of it is a verdict on a clause. Every number stands with its "
        "95 % interval. Figures are on the HTML page, their numbers here."
    )
    for shown in suites:
        yield from suite(shown)


def suite(shown: Shown) -> Iterator[str]:
    """The blocks of one suite: its title, claims, tables (those behind its figures too) and notes."""
    yield f"### {inline(shown.title)}"
    yield from _points(shown.claims)
    for table in tables(shown):
        yield from _measured(table, file(shown.id, table.id))
    yield from _points(shown.notes)


def _points(texts: Sequence[str]) -> Iterator[str]:
    if texts:
        yield "\n".join(f"- {prose(text)}" for text in texts)


def _measured(table: Table, path: str) -> Iterator[str]:
    yield f"{inline(table.caption)} ([95 %] stands behind each number; in full: {inline(path)})"
    if not table.rows:
        yield "Nothing to list."
        return
    written = writings(table)
    aligned = [all(isinstance(row[i], int) for row in table.rows) for i in range(len(table.columns))]
    lines = [
        [inline(heading(table, i)) for i in range(len(table.columns))],
        ["---:" if right else "---" for right in aligned],
        *(
            [_cell(cell, write) for cell, write in zip(row, written, strict=True)]
            for row in table.rows[:MOST_ROWS]
        ),
    ]
    left = len(table.rows) - MOST_ROWS
    yield "\n".join(f"| {' | '.join(line)} |" for line in lines)
    if left > 0:
        yield f"{counted(left, 'further row')} in {inline(path)}."


def _cell(cell: Cell, write: Writing) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, Estimate):
        text = _number(cell.value, cell.low, cell.high, cell.undefined or "no reason given", write)
        return text if cell.n is None or cell.value is None else f"{text} of {cell.n:,}"
    return f"{cell:,}" if isinstance(cell, int) else _within(cell)


def _gauges(page: Page) -> Iterator[str]:
    yield "## Raters and gauges"
    yield "How well each rater agrees with people or labelled answers; without a gauge it carries no verdict."
    rows = []
    for rater in page.report.raters:
        for gauge in rater.gauges:
            rows.append(
                [
                    inline(rater.id),
                    inline(gauge.gold),
                    _coefficient(gauge.kappa),
                    _coefficient(gauge.ac1),
                    _rate(gauge.agreement),
                    _rate(gauge.precision),
                    _rate(gauge.recall),
                    f"{gauge.n:,}",
                    f"{gauge.invalid:,}",
                    str(len(gauge.covers)),
                ]
            )
        if not rater.gauges:
            rows.append([inline(rater.id), "**no gauge**", *["–"] * 8])
    head = ["Rater", "Measured on", "Kappa", "AC1", "Agreement, %", "Precision, %", "Recall, %"]
    yield _table([*head, "n", "Invalid", "Clauses covered"], rows, numbers=8) if rows else "Nobody judged."


def _arms(page: Page) -> Iterator[str]:
    yield "## Arms"
    yield _table(
        ["Arm", "Model", "Digest", "Responses", "Unscored"],
        (
            [
                inline(arm.name),
                inline(arm.model),
                inline(arm.digest[:12]),
                f"{arm.responses:,}",
                ", ".join(f"{n:,} {inline(words(code, UNSCORED))}" for code, n in arm.unscored.items())
                or "none",
            ]
            for arm in page.report.arms
        ),
    )


def _bullets(title: str, texts: Sequence[str]) -> Iterator[str]:
    if texts:
        yield f"## {title}"
        yield from _points(texts)


def _digests(report: Report) -> Iterator[str]:
    yield "## Digests"
    spec = report.spec
    yield _table(
        ["What", "SHA-256"],
        [
            ["report", inline(report.canonical_digest)],
            [f"spec {inline(spec.id)} {inline(spec.version)}", inline(spec.digest)],
            *([f"arm {inline(arm.name)}", inline(arm.digest)] for arm in report.arms),
            *([f"rubric {inline(rater.rubric)}", inline(rater.rubric_digest)] for rater in report.raters),
        ],
    )
    yield "`report.json` beside this file holds every finding, rating and response that is counted here."
