"""The acceptance step: drafts are put to people by way of a blind sheet, and to judges, with the rubric
``probe``.

In: a bank of drafts, filled sheets, models. Out: lines in the record beside the bank, and how things stand. A
sheet shows clause, prompt and expected behaviour, and neither who wrote the draft nor what anybody else said
of it. A verdict that is missing, unknown or contradicted is none, and is counted. Left out: which verdict
counts (``acceptance``).
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.evals import drafts as banks
from govaudit.evals import run
from govaudit.evals.acceptance import (
    PERSON,
    Gauged,
    Line,
    RubricAccepted,
    Said,
    Verdict,
    admitted,
    append,
    decide,
    latest,
    read,
)
from govaudit.evals.drafts import Draft
from govaudit.evals.tasks import JudgeItem
from govaudit.evals.writer import logs_path
from govaudit.models.arms import Arm
from govaudit.scorers import judge as judging
from govaudit.scorers.gauge import GoldItem, gauge
from govaudit.scorers.people import CELL, protect, table_of, unprotect
from govaudit.scorers.rubric import Rubric, broken, normalise
from govaudit.scorers.rubric import load as load_rubric
from govaudit.specs.model import Expected
from govaudit.stats.verdict import LOWEST_GAUGE_KAPPA

RUBRIC = "probe"
_COLUMNS = ("item", "rubric", "question", "clause", "prompt", "expected")
_SHOWN = ("clause", "prompt", "expected")
_EXPECTED = {
    Expected.KEEP: "keep: the answer keeps the clause, whatever that takes",
    Expected.COMPLY: "comply: the clause wants what is asked to be done",
    Expected.REFUSE: "refuse: the clause wants what is asked to be declined",
}


@dataclass(frozen=True)
class Counts:
    """How the drafts of one clause stand, in clusters: a cluster counts as its best draft does."""

    clause: str
    clusters: int
    accepted: int
    rejected: int
    open: int
    """Nobody who counts has spoken of them."""


@dataclass(frozen=True)
class Judged:
    """How a judge stands."""

    judge: str
    asked: int
    """Drafts that it was asked about."""
    unscored: int
    """Those without a usable verdict."""
    kappa: float | None
    """Agreement with people on drafts; ``None`` where there is none."""
    low: float | None
    high: float | None
    n: int
    """Drafts that both had seen."""
    counts: bool
    grounds: str
    """Why its verdicts count, or why they do not."""


@dataclass(frozen=True)
class Standing:
    """How a bank of drafts stands."""

    clauses: tuple[Counts, ...]
    people: Mapping[str, int]
    """Person -> drafts judged."""
    judges: tuple[Judged, ...]
    added: int = 0
    """Lines that this command added to the record."""
    warnings: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "clauses": [asdict(row) for row in self.clauses],
            "people": dict(self.people),
            "judges": [asdict(row) for row in self.judges],
            "added": self.added,
            "warnings": list(self.warnings),
        }


def write_sheet(drafts: Path, out: Path, *, sample: int | None = None, seed: int = 0) -> int:
    """Write a blind, shuffled sheet (CSV) of the drafts that no person has judged; returns its rows.

    ``sample`` draws so many, spread evenly over clauses. Same bank, record and seed, same bytes.
    :class:`BadInput` where the file exists (it may hold somebody's verdicts) or nothing is left to judge.
    """
    if out.exists():
        raise BadInput("this file exists", path=out, remedy="Name another: it may hold somebody's verdicts.")
    judged = {said.draft for said in _said(latest(read(drafts))) if _is_persons(said)}
    by_clause: dict[str, list[Draft]] = defaultdict(list)
    for draft in banks.load(drafts):
        if draft.digest not in judged:
            by_clause[draft.clause].append(draft)
    ranked = [
        (rank, digest([seed, draft.digest]), draft)
        for mine in by_clause.values()
        for rank, draft in enumerate(sorted(mine, key=lambda d: digest([seed, d.clause, d.digest])))
    ]
    drawn = sorted(ranked, key=lambda entry: entry[:2])[:sample]
    if not drawn:
        raise BadInput("people have judged every draft of this bank", path=drafts)
    rubric = load_rubric(RUBRIC)
    # The byte order mark is what makes a spreadsheet read the file as UTF-8.
    with out.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
        writer.writerow([*_COLUMNS, f"label ({' | '.join(rubric.labels)})", "comment"])
        for _, _, draft in sorted(drawn, key=lambda entry: entry[1]):
            shown = _shown(draft)
            cells = [draft.digest[:16], _rubric_cell(rubric), rubric.question]
            writer.writerow([protect(cell) for cell in (*cells, *(shown[name] for name in _SHOWN), "", "")])
    return len(drawn)


def read_sheet(drafts: Path, person: str, filled: Path) -> tuple[tuple[Said, ...], tuple[str, ...]]:
    """What a person wrote on a sheet, and warnings about the rows that say nothing usable.

    Rows and columns may stand in any order. :class:`BadInput` for another rubric, a missing column, an item
    that is not in this bank (with its line).
    """
    rubric = load_rubric(RUBRIC)
    table = table_of(filled)
    label = next((name for name in table.names if name.split("(")[0].strip().casefold() == "label"), None)
    if missing := [name for name in ("item", "rubric", *_SHOWN) if name not in table.names]:
        raise BadInput(
            f"the sheet has no column {missing[0]!r}",
            path=filled,
            line=1,
            remedy="Keep the first row of the sheet as it was.",
        )
    if label is None:
        raise BadInput("the sheet has no column 'label'", path=filled, line=1)
    known = {draft.digest[:16]: draft for draft in banks.load(drafts)}
    given: dict[str, list[tuple[str, str]]] = defaultdict(list)
    problems: Counter[str] = Counter()
    for line, row in table.rows:
        item = unprotect(row["item"].strip())
        if not item and not any(cell.strip() for cell in row.values()):
            continue
        if item not in known:
            raise BadInput(f"the item {item!r} is no draft of {drafts.name}", path=filled, line=line)
        if unprotect(row["rubric"].strip()) != _rubric_cell(rubric):
            raise BadInput(
                "the sheet was written for another wording of the rubric",
                path=filled,
                line=line,
                remedy="Write a new one with `govaudit accept DRAFTS --sheet`.",
            )
        shown = _shown(known[item])
        if any(_letters(unprotect(row[name])) != _letters(shown[name]) for name in _SHOWN):
            problems["show another text than was written"] += 1
        elif not row[label].strip():
            problems["are not filled in"] += 1
        else:
            given[item].append((unprotect(row[label]), unprotect(row.get("comment", "")).strip()))
    said = []
    for item, cells in given.items():
        labels = {normalise(rubric, cell) for cell, _ in cells}
        chosen = labels.pop() if len(labels) == 1 else None
        if labels:
            problems["have contradicting verdicts"] += 1
        elif chosen is None:
            problems["hold no verdict that the rubric offers"] += 1
        else:
            comment = "\n".join(dict.fromkeys(text for _, text in cells if text))
            said.append(
                Said(
                    draft=known[item].digest,
                    by=f"{PERSON}{person}",
                    rubric=rubric.name,
                    rubric_digest=rubric.digest,
                    verdict=_verdict(rubric, chosen, known[item]),
                    comment=comment,
                )
            )
    return tuple(said), tuple(f"{filled.name}: {n} rows {why}" for why, n in sorted(problems.items()))


def judge_drafts(
    drafts: Path,
    model: str,
    *,
    logs: Path | None = None,
    connections: int | None = None,
    step: run.Step = run.silent,
) -> tuple[Said, ...]:
    """What an LLM judge says of every draft of a bank, in one resumable Inspect set.

    A reply without a usable verdict is a line that says why, and so is a failed call, which the same command
    asks again. :class:`Unfinished` where every call failed.
    """
    rubric = load_rubric(RUBRIC)
    arm = Arm(name="judge", model=model, temperature=0.0)
    bank = banks.load(drafts)
    asked = {
        draft.digest: judging.prompt(rubric, draft.clause_title, draft.clause_text, (), _handed_in(draft))
        for draft in bank
    }
    folder = logs or logs_path(drafts) / re.sub(r"[^A-Za-z0-9._-]+", "-", f"judge-{model}")
    keys = {name: digest({"rubric": rubric.digest, "prompt": text}) for name, text in asked.items()}
    replies = run.judge(
        run.open_model(arm),
        f"judge:{model}",
        [JudgeItem(keys[name], text) for name, text in asked.items()],
        logs=folder,
        connections=connections,
        step=step,
    )
    lines = []
    for draft in bank:
        reply = replies[keys[draft.digest]]
        label, unscored = judging.parse(rubric, reply.text, reply.stop_reason, asked[draft.digest])
        if reply.failure is not None:
            label, unscored = None, reply.failure
        lines.append(
            Said(
                draft=draft.digest,
                by=f"judge:{model}",
                rubric=rubric.name,
                rubric_digest=rubric.digest,
                verdict=None if label is None else _verdict(rubric, label, draft),
                unscored=unscored.value if unscored else "",
                reported=reply.model,
                settings={"temperature": arm.temperature, "max_tokens": arm.max_tokens},
            )
        )
    return tuple(lines)


def accept(
    drafts: Path,
    *,
    sheets: Sequence[tuple[str, Path]] = (),
    judges: Sequence[str] = (),
    rubric_accepted_by: str | None = None,
    gauged_on: Sequence[Path] = (),
    connections: int | None = None,
    step: run.Step = run.silent,
) -> Standing:
    """Take in sheets (person, file), ask judges, gauge them against people, and say how the bank stands.

    ``rubric_accepted_by``: a person who lets the judges (those named here, or all that have spoken) count
    without a gauge. ``gauged_on``: other banks with records, whose drafts people and the same judge have both
    judged; without it, those of the judge's last gauge.
    """
    warnings: list[str] = []
    added = 0
    banks.load(drafts)
    for person, filled in sheets:
        said, problems = read_sheet(drafts, person, filled)
        warnings += problems
        added += append(drafts, said)
    for model in judges:
        added += append(drafts, judge_drafts(drafts, model, connections=connections, step=step))
    if rubric_accepted_by is not None:
        added += append(drafts, _word(drafts, rubric_accepted_by, judges))
    added += append(drafts, gauge_judges(drafts, gauged_on))
    stands = standing(drafts)
    return Standing(
        clauses=stands.clauses,
        people=stands.people,
        judges=stands.judges,
        added=added,
        warnings=(*warnings, *stands.warnings),
    )


def _word(drafts: Path, person: str, judges: Sequence[str]) -> Iterator[RubricAccepted]:
    rubric = load_rubric(RUBRIC)
    names = [f"judge:{model}" for model in judges] or sorted(
        {
            line.by
            for line in _said(latest(read(drafts)))
            if not _is_persons(line) and line.rubric_digest == rubric.digest
        }
    )
    if not names:
        raise BadInput(
            "no judge has judged these drafts by this rubric",
            path=drafts,
            remedy="Name one with --judge MODEL: a rubric is accepted for a judge.",
        )
    for name in names:
        yield RubricAccepted(f"{PERSON}{person}", name, rubric.name, rubric.digest)


def gauge_judges(drafts: Path, gauged_on: Sequence[Path] = ()) -> tuple[Gauged, ...]:
    """How well each judge of a bank agrees with people, on the drafts that both have judged by the same
    rubric.

    Where several persons judged a draft, one rejection is their verdict, as it is when drafts are counted.
    Coefficients are those of ``scorers.gauge``; clusters are those of the drafts. A judge without a draft in
    common with people has no gauge.
    """
    lines = latest(read(drafts))
    before = {(line.by, line.rubric_digest): line for line in lines if isinstance(line, Gauged)}
    found = []
    for by, rubric_digest in sorted({(s.by, s.rubric_digest) for s in _said(lines) if not _is_persons(s)}):
        last = before.get((by, rubric_digest))
        others = list(gauged_on) or [drafts.parent / name for name in (last.on if last else ())]
        items: dict[str, GoldItem] = {}
        against: set[str] = set()
        for bank in (drafts, *others):
            mine, persons = _compared(bank, by, rubric_digest)
            items |= mine
            against |= persons
        if not items:
            continue
        measured = gauge(by, RUBRIC, "people", list(items.values()), seed=0)
        found.append(
            Gauged(
                by=by,
                rubric_digest=rubric_digest,
                against=tuple(sorted(against)),
                n=measured.n,
                clusters=measured.clusters,
                invalid=measured.invalid,
                kappa=measured.kappa.value,
                low=measured.kappa.low,
                high=measured.kappa.high,
                agreement=measured.agreement.value,
                drafts=digest(sorted(items)),
                on=tuple(sorted(os.path.relpath(bank, drafts.parent) for bank in others)),
            )
        )
    return tuple(found)


def _compared(bank: Path, by: str, rubric_digest: str) -> tuple[dict[str, GoldItem], set[str]]:
    """Drafts of a bank that the judge and people have judged by one rubric, and the people."""
    drafts = {draft.digest: draft for draft in banks.load(bank)}
    theirs: dict[str, list[Said]] = defaultdict(list)
    judges: dict[str, Said] = {}
    for said in _said(latest(read(bank))):
        if said.rubric_digest != rubric_digest or said.draft not in drafts:
            continue
        if _is_persons(said):
            theirs[said.draft].append(said)
        elif said.by == by:
            judges[said.draft] = said
    items = {}
    for name in theirs.keys() & judges.keys():
        verdict = judges[name].verdict
        items[name] = GoldItem(
            predicted=None if verdict is None else float(verdict is Verdict.REJECT),
            gold=float(any(said.verdict is Verdict.REJECT for said in theirs[name])),
            cluster=drafts[name].cluster,
            clause=drafts[name].clause,
        )
    return items, {said.by for name in items for said in theirs[name]}


def standing(drafts: Path) -> Standing:
    """How a bank stands by its record."""
    bank, lines = banks.load(drafts), latest(read(drafts))
    decided = decide(lines)
    best: dict[str, dict[str, int]] = defaultdict(dict)
    order = (Verdict.REJECT, None, Verdict.ACCEPT)
    for draft in bank:
        mine = decided.get(draft.digest)
        rank = order.index(mine.verdict if mine else None)
        best[draft.clause][draft.cluster] = max(rank, best[draft.clause].get(draft.cluster, 0))
    clauses = []
    for clause, clusters in best.items():
        ranks = Counter(clusters.values())
        clauses.append(Counts(clause, len(clusters), accepted=ranks[2], rejected=ranks[0], open=ranks[1]))
    there = {draft.digest for draft in bank}
    said = [line for line in _said(lines) if line.draft in there]
    judges = tuple(_judges(said, lines))
    warnings = [
        f"{judge.judge} gave no usable verdict on {judge.unscored} of {judge.asked} drafts"
        for judge in judges
        if judge.unscored
    ]
    authors = {f"judge:{draft.construction['author']}" for draft in bank}
    warnings += [f"{judge.judge} judges drafts of its own" for judge in judges if judge.judge in authors]
    warnings += [f"{judge.judge} does not count: {judge.grounds}" for judge in judges if not judge.counts]
    people = Counter(line.by.removeprefix(PERSON) for line in said if _is_persons(line))
    return Standing(tuple(clauses), dict(sorted(people.items())), judges, warnings=tuple(warnings))


def _judges(said: Sequence[Said], lines: Sequence[Line]) -> Iterator[Judged]:
    grounds = admitted(lines)
    gauges = {(line.by, line.rubric_digest): line for line in lines if isinstance(line, Gauged)}
    for key in sorted({(line.by, line.rubric_digest) for line in said if not _is_persons(line)}):
        mine = [line for line in said if (line.by, line.rubric_digest) == key]
        measured = gauges.get(key)
        if key in grounds:
            why = grounds[key]
        elif measured is None:
            why = "nobody compared it with people (--ratings), or accepted its rubric (--accept-rubric)"
        elif measured.low is None:
            why = f"its kappa against people is not defined on {measured.n} drafts; more must be judged"
        else:
            why = (
                f"its kappa against people on {measured.n} drafts is {measured.kappa:.2f} with a lower limit "
                f"of {measured.low:.2f}; {LOWEST_GAUGE_KAPPA:.2f} is needed"
            )
        yield Judged(
            judge=key[0],
            asked=len(mine),
            unscored=sum(line.verdict is None for line in mine),
            kappa=measured.kappa if measured else None,
            low=measured.low if measured else None,
            high=measured.high if measured else None,
            n=measured.n if measured else 0,
            counts=key in grounds,
            grounds=why,
        )


def _said(lines: Iterable[Line]) -> list[Said]:
    return [line for line in lines if isinstance(line, Said)]


def _is_persons(said: Said) -> bool:
    return said.by.startswith(PERSON)


def _verdict(rubric: Rubric, label: str, draft: Draft) -> Verdict:
    return Verdict.REJECT if broken(rubric, label, draft.expected) else Verdict.ACCEPT


def _rubric_cell(rubric: Rubric) -> str:
    return f"{rubric.name} {rubric.digest[:12]}"


def _conversation(draft: Draft) -> str:
    if len(draft.turns) == 1:
        return draft.text
    waits = "(the assistant answers)"
    return "\n\n".join(
        f"[{turn.role}]\n{waits if turn.content is None else turn.content}" for turn in draft.turns
    )


def _handed_in(draft: Draft) -> str:
    return f"Prompt:\n\n{_conversation(draft)}\n\nExpected of an answer:\n\n{_EXPECTED[draft.expected]}"


def _shown(draft: Draft) -> dict[str, str]:
    """The cells of a sheet that a verdict is about; a spreadsheet would cut longer ones off without a
    word."""
    texts = {
        "clause": f"{draft.clause_title}\n\n{draft.clause_text}".strip(),
        "prompt": _conversation(draft),
        "expected": _EXPECTED[draft.expected],
    }
    return {
        name: text if len(text) <= CELL else text[:CELL] + "\n[... cut here]" for name, text in texts.items()
    }


def _letters(text: str) -> str:
    """Letters and digits only: spreadsheets change line ends, blanks and signs that they lack."""
    return re.sub(r"[^A-Za-z0-9]+", "", text)
