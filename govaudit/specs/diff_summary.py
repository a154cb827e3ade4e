"""A diff of two specs as plain lines of text: what needs to be read first comes first.

In: a :class:`govaudit.specs.diff.Diff`. Out: text. Long passages are cut here and whole in the JSON.
Characters that nobody sees are written as their code points, so that no text of a spec can steer a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from govaudit.specs.diff import Changed, Diff, Examples, Prompts, Staleness, Statement
from govaudit.specs.successors import Successor
from govaudit.specs.turns import Sign
from govaudit.specs.wording import Nature

_LONGEST = 300
"""Characters of a passage."""


def summary(found: Diff) -> str:
    """The diff in plain lines, what needs to be read first; without any control character of the texts."""
    old, new = found.old, found.new
    lines = [f"{old.id} {old.version} ({old.digest[:12]}) -> {new.id} {new.version} ({new.digest[:12]})"]
    if found.empty:
        same = "one and the same text" if old.digest == new.digest else "the same statements"
        lines.append(f"No change: {same}.")
    elif (old.id, old.version) == (new.id, new.version):
        lines.append("Two texts under one version: cite them by their digests.")
    lines += [f"Note: {note}." for note in found.notes]
    for title, rows in _sections(found):
        if rows:
            lines += ["", title, *(f"  {row}" for row in rows)]
    return _printable("\n".join(lines))


def _sections(found: Diff) -> Iterator[tuple[str, list[str]]]:
    by_id = {change.id: change for change in found.changed}
    yield (
        "Read these: the meaning may have turned round under one id",
        [line for change in found.turned for line in _turn_lines(change, binding=False)],
    )
    binding = [c for c in found.changed if any(turn.sign is Sign.BINDING for turn in c.turns)]
    yield (
        "Read these: a word that binds or limits came or went",
        [line for change in binding for line in _turn_lines(change, binding=True)],
    )
    yield f"Added ({len(found.added)})", [_stated_line(statement) for statement in found.added]
    yield f"Removed ({len(found.removed)})", [_stated_line(statement) for statement in found.removed]
    yield (
        f"Probably renamed ({len(found.renamed)}): no id says so; they stand under added and removed as well",
        [f"{pair.old} -> {pair.new} (score {pair.score:.2f}): {_reasons(pair)}" for pair in found.renamed],
    )
    yield (
        "Parts of removed statements that stand elsewhere now",
        [f"{pair.old} -> {pair.new}: {_parts(pair)}" for pair in found.carried],
    )
    yield "Authority", _authority_lines(found)
    yield (
        f"Retitled ({len(found.retitled)})",
        [f"{c.id}: {c.retitled.before!r} -> {c.retitled.after!r}" for c in found.retitled if c.retitled],
    )
    yield (
        f"Reworded ({len(found.reworded)})",
        [
            f"{c.id}: {c.text.kept:.0%} of the old text kept; {_many(len(c.text.gone), 'sentence')} went, "
            f"{len(c.text.come)} came"
            for c in found.reworded
            if c.text
        ],
    )
    for nature, what in (
        (Nature.TYPOGRAPHIC, "Other typography only"),
        (Nature.REFERENCES, "Other footnotes or links only"),
    ):
        rows = [c.id for c in found.changed if c.text and c.text.nature is nature]
        yield f"{what} ({len(rows)})", rows
    yield (
        "Moved",
        [
            f"{c.id}: {c.moved.before or 'no section'} -> {c.moved.after or 'no section'}"
            + ("" if c.moved.depth_before == c.moved.depth_after else ", another depth")
            for c in found.changed
            if c.moved
        ],
    )
    yield (
        "No longer the same sort of statement",
        [f"{c.id}: {c.was} -> {c.form}" for c in found.changed if c.was != c.form],
    )
    yield (
        "Declared otherwise",
        [
            f"{c.id}: {d.name} {_value(d.before)} -> {_value(d.after)}"
            for c in found.changed
            for d in c.declared
        ],
    )
    yield "Examples", [f"{c.id}: {_examples_line(c.examples)}" for c in found.changed if c.examples]
    yield "Footnotes and prompts", [f"{c.id}: {_prompts_line(c.prompts)}" for c in found.changed if c.prompts]
    yield (
        "Commentary",
        [
            f"{c.id}: {'typography' if c.commentary is Nature.TYPOGRAPHIC else c.commentary.value}"
            for c in found.changed
            if c.commentary
        ],
    )
    yield (
        "The document as a whole",
        [f"{d.name}: {_value(d.before)} -> {_value(d.after)}" for d in found.document],
    )
    if found.stale is not None:
        yield f"Stale probes ({found.stale.stale} of {found.stale.probes})", _stale_lines(found.stale, by_id)


def _stated_line(statement: Statement) -> str:
    level = f" [{statement.authority}]" if statement.authority else ""
    return f"{statement.form} {statement.id}{level}" + (f": {statement.title}" if statement.title else "")


def _reasons(pair: Successor) -> str:
    """Why a removed and an added statement are probably one: the parts of the score, in words."""
    shared = f"{pair.text:.0%} of the shorter text stands in the other"
    said = [shared if pair.text else "no text in common"]
    if pair.title == 1:
        said.append("the same title")
    elif pair.title is not None:
        said.append(f"titles {pair.title:.0%} alike" if pair.title else "titles without a common word")
    for (both, old, new), what in ((pair.examples, "example"), (pair.marks, "footnote")):
        if old or new:
            more = f", {new - both} new" if new > both else ""
            said.append(f"{both} of {_many(old, what)} went along{more}")
    return "; ".join(said)


def _parts(pair: Successor) -> str:
    """What of a removed statement another one has now."""
    said = [f"{pair.text:.0%} of the shorter text"]
    for (both, old, _), what in ((pair.examples, "example"), (pair.marks, "footnote")):
        if old:
            said.append(f"{both} of {_many(old, what)}")
    return ", ".join(said)


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _authority_lines(found: Diff) -> list[str]:
    lines = []
    if found.old.authority != found.new.authority:
        scales = (" > ".join(side.authority) or "none" for side in (found.old, found.new))
        lines.append("scale " + " -> ".join(scales))
    for level in found.levels:
        went = " + ".join(f"{after or 'none'} ({n})" for after, n in level.after)
        lines.append(f"{level.before or 'none'} -> {went}" + (": the level is gone" if level.gone else ""))
        usual = level.after[0][0] if level.gone else level.before
        for change in found.reranked:
            rank = change.reranked
            if rank and rank.before == level.before and rank.after != usual:
                moved = {True: ", raised", False: ", lowered", None: ""}[rank.raised]
                lines.append(f"  {change.id}: {rank.before or 'none'} -> {rank.after or 'none'}{moved}")
    return lines


def _turn_lines(change: Changed, *, binding: bool) -> Iterator[str]:
    for turn in change.turns:
        if (turn.sign is Sign.BINDING) is binding:
            yield f"{change.id}: {turn.sign.value} ({turn.about}), strength {turn.strength:.2f}"
            if turn.before != turn.after:
                yield f"  before: {_cut(turn.before)}"
                yield f"  after:  {_cut(turn.after)}"
            else:
                yield f"  answer: {_cut(turn.before)}"


def _examples_line(examples: Examples) -> str:
    said = [
        f"{len(titles)} {what} ({'; '.join(map(_cut, titles))})"
        for what, titles in (
            ("added", examples.added),
            ("removed", examples.removed),
            ("changed", examples.changed),
        )
        if titles
    ]
    if examples.typographic:
        said.append(f"{len(examples.typographic)} in typography only")
    said += [
        f"an answer {r.before.value} -> {r.after.value} in {_cut(r.example)}" for r in examples.relabelled
    ]
    return ", ".join(said)


def _prompts_line(prompts: Prompts) -> str:
    said = [
        f"{what} {', '.join(f'[^{mark}]' for mark in marks)}"
        for what, marks in (
            ("added", prompts.added),
            ("removed", prompts.removed),
            ("other prompts behind", prompts.changed),
        )
        if marks
    ]
    if prompts.own_added:
        said.append(f"{prompts.own_added} own probes added")
    if prompts.own_removed:
        said.append(f"{prompts.own_removed} own probes removed")
    return ", ".join(said)


def _stale_lines(stale: Staleness, by_id: Mapping[str, Changed]) -> list[str]:
    lines = [stale.note] if stale.note else []
    for row in stale.by_clause:
        origins = ", ".join(f"{origin} {n}" for origin, n in row.by_origin.items())
        why = f"renamed to {row.successor}" if row.why == "renamed" else row.why
        change = by_id.get(row.clause)
        if row.why == "reworded" and change is not None and change.turned:
            why += ", and its meaning may have turned round"
        lines.append(f"{row.clause}: {len(row.probes)} ({why}; {origins})")
    if stale.unprobed:
        lines.append(f"no fresh probe tests {', '.join(stale.unprobed)}")
    return lines


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return _cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 2] + " …"


def _printable(text: str) -> str:
    """Text in which every character that nobody sees, line feeds aside, is written as its code point."""
    return "".join(c if c.isprintable() or c == "\n" else f"⟨U+{ord(c):04X}⟩" for c in text)
