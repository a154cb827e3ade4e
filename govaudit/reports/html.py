"""The report as one HTML file that needs nothing else: no network, no script, no font, no second file.

In: a :class:`Report`. Out: HTML text, or ``report.json`` and ``report.html`` in a folder. Layout and words of
the page are in ``reports/audit.html.j2`` and ``reports/style.css``; this module prepares what they show: the
order of clauses, the finding that speaks for a clause and an arm, numbers with their intervals. It computes
no statistics.

Texts of models, documents and people are hostile. Jinja escapes all of them; characters that hide or turn
text are written as their code points, in every place, by the ``finalize`` hook.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from govaudit import library
from govaudit.canonical import digest
from govaudit.reports import figures, limits, measurements, referee, words
from govaudit.reports.document import (
    ArmPart,
    ClausePart,
    Exhibit,
    FindingPart,
    GaugePart,
    PooledPart,
    RaterPart,
    Report,
)
from govaudit.reports.part import Estimate
from govaudit.reports.suites import suites_of
from govaudit.reports.tables import render_csv
from govaudit.reports.words import ORIGINS, REASONS, UNSCORED, VERDICTS, coefficient, percent, visible
from govaudit.stats.verdict import LARGEST_SHARE_UNSCORED, LOWEST_GAUGE_KAPPA

LONGEST_TEXT = 8_000
"""Longer texts are cut in the middle, in sight; the whole text is in report.json."""


def shown(text: str) -> Markup:
    """Text of a model or person for the body of the page: escaped, unseen characters as marked code points,
    the middle cut out beyond :data:`LONGEST_TEXT` characters."""
    if len(text) <= LONGEST_TEXT:
        return _marked(text)
    head, tail = text[: LONGEST_TEXT * 3 // 4], text[-LONGEST_TEXT // 4 :]
    left = len(text) - len(head) - len(tail)
    cut = Markup('\n<span class="left-out">[{:,} characters left out; all are in report.json]</span>\n')
    return _marked(head) + cut.format(left) + _marked(tail)


def prose(text: str) -> Markup:
    """A sentence of ours: escaped, with commands between back-ticks as code."""
    return Markup(words.COMMAND.sub(r"<code>\1</code>", str(escape(visible(text)))))


def _marked(text: str) -> Markup:
    text = text.replace("\r\n", "\n")
    parts: list[str] = []
    end = 0
    for found in words.UNSEEN.finditer(text):
        parts += [escape(text[end : found.start()]), f'<span class="u">U+{ord(found[0]):04X}</span>']
        end = found.end()
    return Markup("".join([*parts, escape(text[end:])]))


def _finalize(value: Any) -> Any:
    """Last gate of every expression in the template, attributes included: plain text, never markup."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _number(
    value: float | None, low: float | None, high: float | None, why: str | None, form: Callable[[float], str]
) -> Markup:
    if value is None or not math.isfinite(value):
        return Markup('<span class="undefined">undefined: {}</span>').format(visible(why or "no scored item"))
    number = Markup('<span class="num">{}</span> ').format(form(value))
    if low is None or high is None:
        return number + Markup('<span class="undefined">no interval: {}</span>').format(
            visible(why or "not given")
        )
    return number + Markup('<span class="ci">[{}, {}]</span>').format(form(low), form(high))


def rate(estimate: Estimate) -> Markup:
    """A share in per cent with its interval, or why it has none."""
    return _number(estimate.value, estimate.low, estimate.high, estimate.undefined, percent)


def agreement(estimate: Estimate) -> Markup:
    """A coefficient with its interval, or why it has none."""
    return _number(estimate.value, estimate.low, estimate.high, estimate.undefined, coefficient)


def finding_rate(finding: FindingPart) -> Markup:
    """The rate of a finding in per cent with its 95 % interval."""
    return _number(finding.rate, finding.low, finding.high, None, percent)


@dataclass(frozen=True)
class Row:
    """A clause and an arm in the clause table."""

    clause: ClausePart
    arm: str
    finding: FindingPart | None
    """The finding that carries the verdict, if there is one."""
    verdict: str
    """One of :data:`VERDICTS`."""


@dataclass(frozen=True)
class Evidence:
    """One exhibit in its place."""

    exhibit: Exhibit
    kind: str
    """worst or random."""
    number: int
    anchor: str
    first: str | None
    """Anchor of the place where the same response is already shown, if it is."""


class Page:
    """What the template asks for, looked up once: order, anchors, rows, axes."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.arms = [arm.name for arm in report.arms]
        self.sections: dict[str, list[ClausePart]] = {}
        for clause in report.clauses:
            self.sections.setdefault(clause.section, []).append(clause)
        self.clauses = [clause for members in self.sections.values() for clause in members]
        self.clause = {clause.id: clause for clause in self.clauses}
        self.number = {clause.id: index for index, clause in enumerate(self.clauses, 1)}
        self.findings: dict[str, list[FindingPart]] = {clause.id: [] for clause in self.clauses}
        for finding in sorted(report.findings, key=self._place):
            if finding.clause in self.findings:
                self.findings[finding.clause].append(finding)
        self.rows = {clause.id: [self._row(clause, arm) for arm in self.arms] for clause in self.clauses}
        self.headline = [row.finding for rows in self.rows.values() for row in rows if row.finding]
        self.axis = figures.rate_axis(
            value
            for finding in report.findings
            for value in (finding.rate, finding.high, finding.worst if finding.unscored else None)
        )
        self.pooled_axis = figures.rate_axis(
            value for pooled in report.pooled for value in (pooled.rate.value, pooled.rate.high)
        )
        self.kappa_axis = figures.coefficient_axis(
            value
            for rater in report.raters
            for gauge in rater.gauges
            for value in (gauge.kappa.value, gauge.kappa.low)
        )
        self.claims = {(claim.arm, claim.clause): claim for claim in report.claims}
        self.anchor = self._anchors("clause", [clause.id for clause in self.clauses])
        self.arm_anchor = self._anchors("arm", self.arms)
        self.rater_anchor = self._anchors("rater", [rater.id for rater in report.raters])

    @staticmethod
    def _anchors(room: str, names: list[str]) -> dict[str, str]:
        """Readable ids; a name that is no plain word gets a digest, so that no two names share one."""
        return {
            name: f"{room}-{name}"
            if re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", name)
            else f"{room}-{re.sub('[^A-Za-z0-9]+', '-', name)[:40].strip('-')}-{digest(name)[:8]}"
            for name in names
        }

    def _place(self, finding: FindingPart) -> tuple[bool, str, str, int]:
        place = self.arms.index(finding.arm) if finding.arm in self.arms else len(self.arms)
        return (not finding.deciding, finding.measure, finding.rater, place)

    def _row(self, clause: ClausePart, arm: str) -> Row:
        own = [finding for finding in self.findings[clause.id] if finding.arm == arm]
        spoken = [finding for finding in own if finding.verdict is not None]
        finding = next(iter([f for f in own if f.deciding] + spoken), None)
        if finding is not None and finding.verdict is not None:
            return Row(clause, arm, finding, finding.verdict)
        if clause.not_scored is not None or clause.coverage.probes:
            return Row(clause, arm, finding, "not_scored")
        return Row(clause, arm, finding, "untested")

    @cached_property
    def suite(self) -> dict[str, Any]:
        """What the suite is, without the compiler's notes, which stand with the methods."""
        return {name: value for name, value in self.report.suite.items() if name != "notes"}

    @cached_property
    def measurements(self) -> tuple[measurements.Block, ...]:
        """What the suites of the run show, ready for the page."""
        return measurements.blocks(suites_of(self.report))

    @cached_property
    def worst(self) -> list[FindingPart]:
        """Findings of a violation that nobody has withdrawn, the clearest first: the lower limit farthest
        above the tolerance."""
        found = [f for f in self.headline if f.verdict == "violated" and f.status != "withdrawn"]
        return sorted(found, key=lambda f: f.tolerance - (f.lower_limit or f.low or 0.0))

    @cached_property
    def obstacles(self) -> dict[str, int]:
        """What keeps verdicts inconclusive: sentences with counts, the most frequent first."""
        reasons = Counter(finding.reason for finding in self.headline if finding.verdict == "inconclusive")
        return {words.words(code, REASONS): n for code, n in reasons.most_common()}

    @cached_property
    def gauges(self) -> dict[str, tuple[GaugePart, ...]]:
        """Gauges by rater."""
        return {rater.id: rater.gauges for rater in self.report.raters}

    @cached_property
    def judges(self) -> dict[str, int]:
        """Raters that carry verdicts, with the number of clauses."""
        clauses: dict[str, set[str]] = {}
        for finding in self.headline:
            if not finding.deciding or finding.n + finding.unscored == 0:
                continue
            clauses.setdefault(finding.rater, set()).add(finding.clause)
        return {rater: len(ids) for rater, ids in clauses.items()}

    @cached_property
    def origins(self) -> list[str]:
        """Probe origins in the order of :data:`ORIGINS`, unknown ones last."""
        found = {origin for clause in self.clauses for origin in clause.coverage.by_origin}
        return [origin for origin in ORIGINS if origin in found] + sorted(found - set(ORIGINS))

    @cached_property
    def counts(self) -> dict[str, dict[str, int]]:
        """Clauses by verdict for each arm; clauses that the document gives no verdict are not scored."""
        out: dict[str, dict[str, int]] = {}
        for arm in self.arms:
            counts = dict.fromkeys(VERDICTS, 0) | self.report.verdicts.get(arm, {})
            counts["not_scored"] += max(0, len(self.clauses) - sum(counts.values()))
            out[arm] = counts
        return out

    @cached_property
    def verdicts(self) -> list[str]:
        """Verdicts to count: all of :data:`VERDICTS`, and whatever else the document counts."""
        other = {name for counts in self.counts.values() for name in counts} - set(VERDICTS)
        return [*VERDICTS, *sorted(other)]

    @cached_property
    def findings_link(self) -> Markup | None:
        """``findings.csv`` inside the page, unless it is too large."""
        return measurements.embedded(render_csv(self.report))

    @cached_property
    def gaps(self) -> tuple[str, ...]:
        """What was not tested, in short."""
        return limits.gaps(self.report)

    @cached_property
    def demands(self) -> tuple[referee.Demand, ...]:
        """What a referee would ask, the unmet demands first."""
        order = ("unmet", "met", "does not arise")
        return tuple(sorted(referee.referee(self.report), key=lambda demand: order.index(demand.state)))

    @cached_property
    def reviewed(self) -> list[FindingPart]:
        """Findings with an entry in the review, those that decide first."""
        found = [finding for finding in self.report.findings if finding.review]
        return sorted(found, key=lambda finding: not finding.deciding)

    @cached_property
    def statuses(self) -> dict[str, int]:
        """Verdicts that accuse or certify, by what their review says."""
        said = Counter[str](f.status for f in self.headline if f.verdict in ("violated", "compliant"))
        return {name: said[name] for name in words.STATUSES if said[name]}

    @cached_property
    def warnings(self) -> list[str]:
        """Every warning of the report, its arms and its raters, once."""
        said: dict[str, list[str]] = {}
        for rater in self.report.raters:
            for text in rater.warnings:
                said.setdefault(text, []).append(rater.id)
        found = [
            *self.report.warnings,
            *(f"Arm {arm.name}: {text}" for arm in self.report.arms for text in arm.warnings),
            *(f"{words.listed(_without_rubrics(raters))}: {text}" for text, raters in said.items()),
        ]
        kept: list[str] = []
        for text in found:
            # The report's own list usually repeats an arm's warning behind the arm's name.
            if not any(text.lower().endswith(other.lower()) or text in other for other in kept):
                kept.append(text)
        return kept

    def pooled(self, by: str) -> dict[str, list[PooledPart]]:
        """Pooled rates of one kind by name, in the document's order of arms."""
        groups: dict[str, list[PooledPart]] = {}
        order = {"section": list(self.sections), "authority": list(self.report.spec.authority)}.get(by, [])
        rows = [pooled for pooled in self.report.pooled if pooled.by == by]
        rows.sort(key=lambda row: order.index(row.name) if row.name in order else len(order))
        for row in rows:
            groups.setdefault(row.name, []).append(row)
        return groups

    def spoken(self, clause: ClausePart) -> list[list[FindingPart]]:
        """Findings of a clause by measure and rater, the deciding ones first; untested clauses have none.

        Persons whose majority is a rater of its own are left to :meth:`persons`.
        """
        return [group for group in self._groups(clause) if not self._in_majority(group[0])]

    def persons(self, clause: ClausePart) -> list[list[FindingPart]]:
        """Findings of the persons whose majority stands among the raters."""
        return [group for group in self._groups(clause) if self._in_majority(group[0])]

    def _groups(self, clause: ClausePart) -> list[list[FindingPart]]:
        groups: dict[tuple[bool, str, str], list[FindingPart]] = {}
        for finding in self.findings[clause.id]:
            if finding.rater:
                groups.setdefault((not finding.deciding, finding.measure, finding.rater), []).append(finding)
        return list(groups.values())

    def _in_majority(self, finding: FindingPart) -> bool:
        person = finding.rater.startswith("person:") and not finding.deciding
        return person and self._rubric.get(finding.rater) in self._majorities

    @cached_property
    def _rubric(self) -> dict[str, str]:
        return {rater.id: rater.rubric for rater in self.report.raters}

    @cached_property
    def _majorities(self) -> set[str]:
        """Rubrics that a majority of people followed."""
        return {rater.rubric for rater in self.report.raters if rater.id.partition(":")[0] == "people"}

    @cached_property
    def side_by_side(self) -> list[tuple[RaterPart, GaugePart]]:
        """Raters with the gauge that most of them share and that is of no single arm."""
        shared = Counter(g.gold for rater in self.report.raters for g in rater.gauges if g.arm is None)
        gold = max(shared, key=lambda name: shared[name], default=None)
        found = [(rater, g) for rater in self.report.raters for g in rater.gauges if g.gold == gold]
        return sorted(found, key=lambda pair: -(pair[1].kappa.value or 0.0))

    @staticmethod
    def asked(exhibit: Exhibit) -> list[tuple[str, str]]:
        """What the arm was told and asked: the rules that stood above the user, and the last question."""
        turns = [
            (str(turn.get("role", "")), str(turn["content"])) for turn in exhibit.turns if turn.get("content")
        ]
        above = [("Told", text) for role, text in turns if role in ("system", "developer")]
        questions = [text for role, text in turns if role not in ("system", "developer", "assistant")]
        return [*above, *(("Asked", text) for text in questions[-1:])]

    def evidence(
        self, clause: ClausePart
    ) -> tuple[list[tuple[FindingPart, list[Evidence]]], list[tuple[FindingPart, list[Evidence]]]]:
        """Exhibits of a clause by finding: of the deciding rater, and of all others. A response that several
        findings show stands in full once."""
        seen: dict[str, str] = {}
        deciding: list[tuple[FindingPart, list[Evidence]]] = []
        others: list[tuple[FindingPart, list[Evidence]]] = []
        for index, finding in enumerate(self.findings[clause.id], 1):
            items: list[Evidence] = []
            for kind, exhibits in (("worst", finding.worst_responses), ("random", finding.random_responses)):
                for number, exhibit in enumerate(exhibits, 1):
                    anchor = f"{self.anchor[clause.id]}-{index}{kind[0]}{number}"
                    items.append(Evidence(exhibit, kind, number, anchor, seen.get(exhibit.response)))
                    seen.setdefault(exhibit.response, anchor)
            if items:
                (deciding if finding.deciding else others).append((finding, items))
        return deciding, others

    def row_figure(self, finding: FindingPart, shape: str, who: str) -> Markup:
        """The finding on the shared axis, with its tolerance and what its unscored items leave open."""
        label = f"{who}: {percent(finding.rate)} %"
        if finding.low is not None and finding.high is not None:
            label += f", 95 % interval {percent(finding.low)} to {percent(finding.high)} %"
        label += f"; tolerance {words.bound(finding.tolerance)} %"
        return figures.interval(
            self.axis,
            finding.rate,
            finding.low,
            finding.high,
            label=visible(label if finding.rate is not None else f"{who}: no scored item"),
            mark=finding.tolerance,
            best=finding.best if finding.unscored else None,
            worst=finding.worst if finding.unscored else None,
            shape=shape if shape in VERDICTS else "inconclusive",
        )

    def rate_figure(self, estimate: Estimate, who: str) -> Markup:
        """A pooled rate on the axis of the pooled tables."""
        return _plain(self.pooled_axis, estimate, who, percent, None)

    def kappa_figure(self, estimate: Estimate) -> Markup:
        """A kappa on the axis of the gauges, with the least that its lower limit may be."""
        return _plain(self.kappa_axis, estimate, "kappa", coefficient, LOWEST_GAUGE_KAPPA)

    def counts_figure(self, arm: ArmPart) -> Markup:
        """Clauses of one arm by verdict, as a bar."""
        counts = {name: self.counts[arm.name][name] for name in VERDICTS}
        label = f"{arm.name}: " + ", ".join(f"{n} {VERDICTS[name]}" for name, n in counts.items())
        return figures.bar(counts, label=visible(label))


def _plain(
    axis: figures.Axis, estimate: Estimate, who: str, form: Callable[[float], str], mark: float | None
) -> Markup:
    text = "no value" if estimate.value is None else form(estimate.value)
    if estimate.low is not None and estimate.high is not None:
        text += f", 95 % interval {form(estimate.low)} to {form(estimate.high)}"
    return figures.interval(
        axis,
        estimate.value,
        estimate.low,
        estimate.high,
        label=visible(f"{who}: {text}"),
        mark=mark,
        shape="plain",
    )


def render_html(report: Report, folder: Path | None = None) -> str:
    """The whole report as one self-contained HTML document.

    ``folder`` may hold the reader's own ``audit.html.j2`` and ``style.css``; what it lacks is taken from the
    content room ``reports``. Same report, same text.
    """
    style, hashed = page_style(folder, "style.css")
    return (
        environment(folder)
        .get_template("audit.html.j2")
        .render(
            report=report,
            page=Page(report),
            style=Markup(style),
            style_hash=Markup(hashed),
            UNSCORED=UNSCORED,
            ORIGINS=ORIGINS,
            VERDICTS=VERDICTS,
            STATUSES=words.STATUSES,
            LARGEST_SHARE_UNSCORED=LARGEST_SHARE_UNSCORED,
            LOWEST_GAUGE_KAPPA=LOWEST_GAUGE_KAPPA,
        )
    )


def page_style(folder: Path | None, *names: str) -> tuple[str, str]:
    """The style sheets of a page joined in order, and what its content policy calls them.

    The policy names them by their hash, so that markup which got past the escaping could still neither
    style, nor run, nor load anything.
    """
    style = "\n".join(library.read("reports", name, folder) for name in names)
    return style, f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"


def environment(folder: Path | None = None) -> jinja2.Environment:
    """Jinja as every page of this project uses it: all text escaped, nothing undefined, with the filters that
    write numbers and foreign text. Templates come from ``folder``, else from the content room ``reports``."""
    made = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: library.read("reports", name, folder)),
    )
    made.filters.update(
        agreement=agreement,
        bound=words.bound,
        coefficient=coefficient,
        counted=words.counted,
        finding_rate=finding_rate,
        listed=words.listed,
        percent=percent,
        prose=prose,
        rate=rate,
        setting=words.setting,
        shown=shown,
        spelled=words.spelled,
        web=words.web,
        when=words.when,
        why=words.why,
        words=words.words,
    )
    return made


def dumps(report: Report) -> str:
    """``report.json``: indented, keys sorted, UTF-8; same report, same bytes."""
    data = report.model_dump(mode="json")
    return json.dumps(data, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _without_rubrics(raters: Sequence[str]) -> list[str]:
    """Who they are, each once whatever they follow; a panel of people by its size."""
    names = list(dict.fromkeys(rater.rpartition(":")[0] for rater in raters))
    people = [name for name in names if name.startswith("person:")]
    if len(people) < 3:
        return names
    return [*(name for name in names if name not in (*people, "people")), f"{len(people)} people"]
