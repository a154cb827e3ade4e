"""The review of a run: who stands behind a finding, who contests it, and what those audited reply.

In and out: ``review.jsonl`` in the run folder, one entry a line, only ever added to. Each entry holds the
hash of the one before it, and the first one that of the run (its suite and its arms), so that an entry that
was changed, moved, taken out of the middle, or brought from another run breaks the chain, and the line is
named.
What a chain cannot show is an end that was cut off: keep the hash of the last entry elsewhere, as the report
does. Verdicts are computed and stay as they are: a review says what people think of them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.reports.claims import argued
from govaudit.reports.document import FindingPart, Report, ReviewEntry, Status

FILE = "review.jsonl"
"""Name of the file in the run folder."""

STATUSES: tuple[str, ...] = get_args(Status)


@dataclass(frozen=True)
class Entry:
    """One line of the review."""

    n: int
    """1-based."""
    when: str
    """UTC, ISO 8601."""
    arm: str
    clause: str
    measure: str
    rater: str
    status: str
    by: str
    reason: str
    reply: str
    numbers: str
    """Digest of the finding's numbers and verdict when the entry was made."""
    before: str
    """Hash of the entry before, or of the run."""
    hash: str = ""

    def sealed(self) -> Entry:
        """The entry with its hash: SHA-256 of all its other fields in canonical form."""
        data = asdict(self)
        del data["hash"]
        return replace(self, hash=digest(data))


def root(report: Report) -> str:
    """What the first entry's ``before`` is: the run, by its suite and its arms."""
    return digest(
        {"suite": str(report.suite.get("digest")), "arms": sorted(arm.digest for arm in report.arms)}
    )


def numbers(finding: FindingPart) -> str:
    """Digest of what a finding says: counts, rate, interval, verdict, reason."""
    names = ("n", "clusters", "rate", "low", "high", "unscored", "verdict", "reason", "tolerance")
    return digest({name: getattr(finding, name) for name in names})


def read(path: Path, start: str) -> tuple[Entry, ...]:
    """The entries of a review, whose first ``before`` must be ``start``; none where there is no file.
    :class:`BadInput` names the line where the chain is broken."""
    if not path.is_file():
        return ()
    entries: list[Entry] = []
    before = start
    for number, line in enumerate(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"), 1):
        entry = _entry(line, path, number)
        if entry.n != number or entry.before != before:
            what = (
                "an entry before it was taken out, added or moved" if number > 1 else "it is of another run"
            )
            raise BadInput(f"the chain of the review is broken here: {what}", path=path, line=number)
        if entry.sealed().hash != entry.hash:
            raise BadInput(
                "the chain of the review is broken here: the entry was changed after it was made",
                path=path,
                line=number,
                remedy="Restore the file; a new opinion is a new entry.",
            )
        before = entry.hash
        entries.append(entry)
    return tuple(entries)


def _entry(line: str, path: Path, number: int) -> Entry:
    try:
        data: Any = json.loads(line)
        if not isinstance(data, dict) or data.keys() != Entry.__dataclass_fields__.keys():
            raise ValueError("it has not the fields of an entry")
        if not isinstance(data["n"], int) or not all(isinstance(v, str) for k, v in data.items() if k != "n"):
            raise ValueError("a field is no text")
        if data["status"] not in STATUSES:
            raise ValueError(f"its status is {data['status']!r}")
    except ValueError as error:
        raise BadInput(f"this line is no entry of a review ({error})", path=path, line=number) from error
    return Entry(**data)


def find(report: Report, name: str, rater: str | None = None, measure: str | None = None) -> FindingPart:
    """The finding called ``ARM/CLAUSE``; of several raters or measures the one that decides, unless
    ``rater`` or ``measure`` names another. :class:`BadInput` where there is none, or more than one."""
    found = [finding for finding in report.findings if f"{finding.arm}/{finding.clause}" == name]
    if not found:
        some = sorted({f"{f.arm}/{f.clause}" for f in report.findings if f.deciding})
        arms = {arm.name for arm in report.arms}
        near = [one for one in some if one.partition("/")[2] == name or one.endswith(f"/{name}")]
        shown = ", ".join((near or some)[:8])
        hint = f" Arms: {', '.join(sorted(arms))}." if not near else ""
        raise BadInput(f"no finding is called {name!r}", remedy=f"Name ARM/CLAUSE, such as {shown}.{hint}")
    if rater is None and measure is None:
        found = [finding for finding in found if finding.deciding] or found
    else:
        found = [f for f in found if rater in (None, f.rater) and measure in (None, f.measure)]
    if len(found) != 1:
        there = ", ".join(
            f"{f.measure} / {f.rater}" for f in report.findings if f"{f.arm}/{f.clause}" == name
        )
        problem = "several findings are called" if found else "no such finding of"
        raise BadInput(f"{problem} {name!r}", remedy=f"Name --rater and --measure, of {there}.")
    return found[0]


def added(
    entries: Sequence[Entry],
    report: Report,
    finding: FindingPart,
    *,
    status: str,
    by: str,
    reason: str,
    reply: str = "",
    when: str,
) -> Entry:
    """The next entry of the review, sealed. :class:`BadInput` for an unknown status, or one that nobody signs
    or gives a reason for."""
    if status not in STATUSES:
        raise BadInput(f"{status!r} is no status", remedy=f"Take one of {', '.join(STATUSES)}.")
    for what, text in (("a person (--by)", by), ("a reason (--reason)", reason)):
        if not text.strip():
            raise BadInput(f"an entry needs {what}")
    return Entry(
        n=len(entries) + 1,
        when=when,
        arm=finding.arm,
        clause=finding.clause,
        measure=finding.measure,
        rater=finding.rater,
        status=status,
        by=by,
        reason=reason,
        reply=reply,
        numbers=numbers(finding),
        before=entries[-1].hash if entries else root(report),
    ).sealed()


def append(path: Path, entry: Entry) -> None:
    """Write an entry at the end of the file."""
    with path.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(json.dumps(asdict(entry), ensure_ascii=False, sort_keys=True) + "\n")


def reviewed(report: Report, entries: Iterable[Entry]) -> Report:
    """The report with the status and the entries of each finding."""
    by_finding: dict[tuple[str, str, str, str], list[Entry]] = defaultdict(list)
    last = None
    for entry in entries:
        by_finding[entry.arm, entry.clause, entry.measure, entry.rater].append(entry)
        last = entry.hash
    if last is None:
        return report
    findings = tuple(
        finding.model_copy(update={"status": mine[-1].status, "review": tuple(_shown(mine, finding))})
        if (mine := by_finding.get((finding.arm, finding.clause, finding.measure, finding.rater)))
        else finding
        for finding in report.findings
    )
    return argued(report.model_copy(update={"findings": findings, "review_head": last}))


def _shown(entries: Iterable[Entry], finding: FindingPart) -> Iterable[ReviewEntry]:
    now = numbers(finding)
    for entry in entries:
        yield ReviewEntry.model_validate(
            {
                "n": entry.n,
                "when": entry.when,
                "status": entry.status,
                "by": entry.by,
                "reason": entry.reason,
                "reply": entry.reply,
                "changed": entry.numbers != now,
                "hash": entry.hash,
            }
        )
