"""Training records as text: a chain with its critiques, a pair with its label, a group with its rewards.

In: the folder that ``govaudit train`` wrote, or one stage of it. Out: for each kind of record a few of them,
spread over the stage from its first to its last. Neither torch nor a model: what is shown is what was written
down when it happened.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from govaudit.train.stages import load_records, record_files

WIDTH = 100
_INDENT = 13

Row = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """Some records of one file."""

    stage: str
    """The file, seen from the named folder."""
    records: str
    total: int
    rows: tuple[tuple[int, Row], ...]
    """With the 1-based number of each."""

    def data(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "stage": self.stage,
            "records": self.records,
            "total": self.total,
            "rows": [{"number": number, **row} for number, row in self.rows],
        }

    def text(self) -> str:
        """The records for people."""
        head = f"{self.stage}: {self.records}, {len(self.rows)} of {self.total}"
        parts = [head, "=" * len(head)]
        for number, row in self.rows:
            parts.append(f"{self.records.removesuffix('s')} {number}")
            parts.extend(_FORMS[self.records](row))
            parts.append("")
        return "\n".join(parts)


def show(folder: Path, n: int) -> list[Shown]:
    """``n`` records of every kind that people can read, each kind from its first to its last.

    :class:`BadInput` for a folder without records and for a file that is none.
    """
    found = []
    for path in record_files(folder):
        kind, rows = load_records(path)
        if kind in _FORMS:
            numbers = _spread(len(rows), n)
            chosen = tuple((i + 1, rows[i]) for i in numbers)
            found.append(Shown(str(path.relative_to(folder)), kind, len(rows), chosen))
    return found


def _spread(total: int, n: int) -> list[int]:
    if total <= n:
        return list(range(total))
    if n == 1:
        return [0]
    return [round(i * (total - 1) / (n - 1)) for i in range(n)]


def _chain(row: Row) -> Iterator[str]:
    yield from _turns(row["prompt"]["turns"])
    yield _entry("answer", row["answer"] or "(none)")
    for number, round in enumerate(row["rounds"], start=1):
        yield _entry(f"round {number}", f"principle {round['principle']}")
        if round["critique"]:
            yield _entry("  critique", round["critique"])
        yield _entry("  revision", round["revision"])
    if row["ended"]:
        yield _entry("ended", f"the next text is missing: {row['ended']}")


def _label(row: Row) -> Iterator[str]:
    yield from _pair(row)
    for question in row["questions"]:
        shown = "second shown as (A)" if question["turned"] else "first shown as (A)"
        if question["missing"]:
            said = f"no judgement: {question['missing']}"
        else:
            said = f"P(A) {question['p_a']:.3f}, letters' mass {question['mass']:.3f}"
        yield _entry("principle", f"{question['principle']}, {shown}: {said}")
        if question["reasons"]:
            yield _entry("  reasons", question["reasons"])
    if row["p_first"] is None:
        yield _entry("label", "none: this pair is not trained on")
    else:
        yield _entry("label", f"P(first is better) {row['raw']:.3f}, trained on as {row['p_first']:.3f}")


def _rating(row: Row) -> Iterator[str]:
    yield from _pair(row)
    yield _entry("instruction", row["instruction"])
    for vote in row["votes"]:
        yield _entry("rater", f"{vote['rater']} ({vote['group']}) prefers the {vote['prefers']}")
    yield _entry("label", f"P(first is better) {row['p_first']:.3f}")


def _pair(row: Row) -> Iterator[str]:
    yield from _turns(row["prompt"]["turns"])
    for name, writer in zip(("first", "second"), row["writers"], strict=True):
        yield _entry(name, f"{row[name]}" + (f"   [{writer}]" if writer else ""))


def _rollout(row: Row) -> Iterator[str]:
    yield _entry("step", f"{row['step']}; no value function: each token has its answer's advantage")
    yield from _turns(row["turns"])
    for answer, reward, advantage in zip(row["answers"], row["rewards"], row["advantages"], strict=True):
        yield _entry("answer", answer or "(none)")
        yield _entry("", f"reward {reward:+.3f}, advantage {advantage:+.3f}")


def _episode(row: Row) -> Iterator[str]:
    """Each token with what reinforcement learning saw of it; its state is all that stands above."""
    yield _entry("step", f"{row['step']}")
    yield from _turns(row["turns"])
    yield _entry("answer", f"{row['answer'] or '(none)'}   [score {row['score']:+.3f}]")
    yield _entry("state", f"{'action':<20}{'reward':>9}{'value':>9}{'advantage':>11}")
    told = zip(row["actions"], row["rewards"], row["values"], row["advantages"], strict=True)
    for number, (action, reward, value, advantage) in enumerate(told):
        state = "question" if number == 0 else f"+ {number} token" + "s" * (number > 1)
        yield f"{state:<{_INDENT}}{action!r:<20}{reward:>+9.3f}{value:>+9.3f}{advantage:>+11.3f}"


def _choice(row: Row) -> Iterator[str]:
    yield from _turns(row["turns"])
    ranked = sorted(zip(row["rewards"], row["answers"], strict=True), key=lambda one: -one[0])
    for number, (reward, answer) in enumerate(ranked):
        yield _entry("kept" if number == 0 else "", f"{reward:+.3f} {answer}")
    if row["written"] > len(ranked):
        yield _entry("", f"{row['written'] - len(ranked)} more did not end")


def _planted(row: Row) -> Iterator[str]:
    yield from _turns(row["prompt"]["turns"])
    yield _entry("answer", row["answer"])
    yield _entry("breaks", row["clause"] or "nothing")


def _turns(turns: Sequence[Row]) -> Iterator[str]:
    for turn in turns:
        yield _entry(turn["role"], turn["content"])


def _entry(name: str, text: str) -> str:
    lines: list[str] = []
    for line in str(text).splitlines() or [""]:
        lines += textwrap.wrap(line, WIDTH - _INDENT) or [""]
    rest = [" " * _INDENT + line for line in lines[1:]]
    return "\n".join([f"{name:<{_INDENT - 1}} {lines[0]}".rstrip(), *rest])


_FORMS: dict[str, Callable[[Row], Iterator[str]]] = {
    "chains": _chain,
    "labels": _label,
    "ratings": _rating,
    "rollouts": _rollout,
    "episodes": _episode,
    "choices": _choice,
    "planted": _planted,
}
