"""Ratings by people, and any ratings made elsewhere: blind sheets out, filled sheets in, imported columns.

In: rating items (an answer under a clause), a rubric; a CSV or JSON Lines file that people or other programs
filled in. Out: ratings and raters as of anybody else who judges, with the weight that undoes the sampling,
and warnings that say how many rows could not be used and why. A cell that is empty, unknown or contradicted
is unscored with its reason, never a class. Left out: agreement between people (``gauge``, ``stats``).

A sheet is blind: it names no arm, no other verdict and no expected behaviour, and is shuffled. What ties it
to the run is the :class:`Key`, which stays with the run.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.records import Measure, Rater, RaterKind, Rating, Scale, Turn, Unscored, rating_id
from govaudit.scorers import measurement
from govaudit.scorers.rubric import Rubric, broken, normalise
from govaudit.specs.model import Expected

SCHEMA_VERSION = "1.0"

CELL = 32_000
"""Characters of a cell; spreadsheets cut longer ones off without a word."""
_CUT = "\n[... cut here for the spreadsheet]"


@dataclass(frozen=True)
class RatingItem:
    """One answer under one clause: what a person rates."""

    response: str
    """Response id."""
    clause: str
    """Id of the clause; what is measured, where the rubric speaks of no clause."""
    expected: Expected
    cluster: str
    arm: str
    """Name or digest; strata of the sample are clause x arm. Never on the sheet."""
    turns: tuple[Turn, ...]
    """The conversation before the answer."""
    answer: str
    clause_title: str = ""
    clause_text: str = ""

    @property
    def prompt(self) -> str:
        """Text of the last user turn."""
        said = [turn.content for turn in self.turns if turn.role == "user" and turn.content]
        return said[-1] if said else ""


@dataclass(frozen=True)
class KeyRow:
    """What one row of a sheet stands for."""

    item: str
    """The id on the sheet, which tells nothing."""
    response: str
    clause: str
    expected: Expected
    cluster: str
    arm: str
    probability: float
    """Probability with which the item came onto the sheet; its inverse is the rating's weight."""
    text: str
    """Digest of the clause and the answer as shown."""


@dataclass(frozen=True)
class Key:
    """What ties a sheet to its run; kept in the run folder and not given to those who rate."""

    rubric: str
    rubric_digest: str
    seed: int
    rows: tuple[KeyRow, ...]

    def dumps(self) -> str:
        """JSON text."""
        data = {
            "schema_version": SCHEMA_VERSION,
            "rubric": self.rubric,
            "rubric_digest": self.rubric_digest,
            "seed": self.seed,
            "rows": [asdict(row) for row in self.rows],
        }
        return json.dumps(data, ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def loads(cls, text: str, path: Path | None = None) -> Key:
        """Read what :meth:`dumps` wrote; :class:`BadInput` for anything else."""
        try:
            data = json.loads(text)
            if str(data["schema_version"]).split(".")[0] != SCHEMA_VERSION.partition(".")[0]:
                raise BadInput(
                    f"schema_version is {data['schema_version']!r}, this govaudit reads {SCHEMA_VERSION}",
                    path=path,
                )
            return cls(
                rubric=data["rubric"],
                rubric_digest=data["rubric_digest"],
                seed=data["seed"],
                rows=tuple(KeyRow(**row | {"expected": Expected(row["expected"])}) for row in data["rows"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"this is no key of a sheet ({error})", path=path) from error


@dataclass(frozen=True)
class Column:
    """A column of a file of ratings, and who filled it."""

    column: str
    rater_id: str
    kind: RaterKind
    """people, judge or check."""


@dataclass(frozen=True)
class Imported:
    """Ratings from a file."""

    ratings: tuple[Rating, ...]
    raters: tuple[Rater, ...]
    warnings: tuple[str, ...] = ()


def write_sheet(
    path: Path, items: Sequence[RatingItem], rubric: Rubric, *, sample: int | None = None, seed: int = 0
) -> Key:
    """Write a CSV file for a spreadsheet, in shuffled order, and return its key.

    Items whose expected behaviour the rubric does not speak of are left out. ``sample`` draws so many items,
    spread as evenly over clause x arm as their numbers allow; each item's probability of being drawn is in
    the key. Same arguments, same bytes. Cells that a spreadsheet would take for a formula get a leading
    apostrophe, which :func:`read_sheet` takes away. :class:`BadInput` where nothing is left to rate.
    """
    once = {(item.clause, item.response): item for item in items if item.expected in rubric.applies_to}
    wanted = sorted(once.values(), key=lambda item: (item.clause, item.arm, item.response))
    if not wanted:
        raise BadInput(f"there is no answer that the rubric {rubric.name!r} applies to")
    rng = np.random.default_rng(seed)
    drawn = _draw(wanted, len(wanted) if sample is None else sample, rng)
    order = rng.permutation(len(drawn))
    rows, cells = [], []
    taken: set[str] = set()
    for at in order:
        item, probability = drawn[int(at)]
        # Another rubric or another sample is another sheet: its items must not be taken for this one's.
        name = digest(
            {
                "seed": seed,
                "rubric": rubric.digest,
                "sample": sample,
                "response": item.response,
                "clause": item.clause,
            }
        )
        length = 10
        while name[:length] in taken:
            length += 1
        taken.add(name[:length])
        clause, answer = _cell(f"{item.clause_title}\n\n{item.clause_text}".strip()), _cell(item.answer)
        rows.append(
            KeyRow(
                item=name[:length],
                response=item.response,
                clause=item.clause,
                expected=item.expected,
                cluster=item.cluster,
                arm=item.arm,
                probability=probability,
                text=_fingerprint(clause, answer),
            )
        )
        said = "\n\n".join(f"[{turn.role}] {turn.content}" for turn in item.turns if turn.content is not None)
        cells.append([name[:length], rubric.question, clause, _cell(said), answer, "", ""])
    header = ["item", "question", "clause", "conversation", "answer"]
    header += [f"label ({' | '.join(rubric.labels)})", "comment"]
    # The byte order mark is what makes a spreadsheet read the file as UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
        writer.writerow(header)
        writer.writerows([protect(cell) for cell in row] for row in cells)
    return Key(rubric=rubric.name, rubric_digest=rubric.digest, seed=seed, rows=tuple(rows))


def read_sheet(path: Path, key: Key, rubric: Rubric, rater_id: str) -> Imported:
    """Read a filled sheet back as the ratings of one person.

    Comma, semicolon and tab, UTF-8, UTF-16 and Windows-1252 are understood, rows and columns in any order.
    An empty label, a missing row, and a row whose clause or answer is not what was written (the person read
    another text) are not rated; a label that the rubric does not offer is an invalid verdict; two labels for
    one item are undecided. :class:`BadInput` for another rubric, a missing column, an id that the key does
    not know (with its line).
    """
    if key.rubric_digest != rubric.digest:
        raise BadInput(
            f"the sheet was written for another wording of the rubric {key.rubric!r}",
            path=path,
            remedy="Rate with the rubric that the run keeps.",
        )
    known = {row.item: row for row in key.rows}
    table = table_of(path)
    names = table.names
    label_column = next((name for name in names if name.split("(")[0].strip().casefold() == "label"), None)
    missing = [name for name in ("item", "clause", "answer") if name not in names]
    if missing or label_column is None:
        raise BadInput(
            f"the sheet has no column {missing[0] if missing else 'label'!r}",
            path=path,
            line=1,
            remedy="Keep the first row of the sheet as it was.",
        )
    said: dict[str, list[str]] = defaultdict(list)
    comments: dict[str, str] = {}
    edited = 0
    for line, row in table.rows:
        item = unprotect(row["item"].strip())
        if item not in known:
            if not any(cell.strip() for cell in row.values()):
                continue
            raise BadInput(
                f"the item {item!r} is not on this run's sheet",
                path=path,
                line=line,
                remedy="Use the sheet and the key of one and the same run.",
            )
        if _fingerprint(unprotect(row["clause"]), unprotect(row["answer"])) != known[item].text:
            edited += 1
            continue
        said[item].append(unprotect(row[label_column]))
        comments[item] = unprotect(row.get("comment", "")).strip() or comments.get(item, "")
    rater = _rater(Column(label_column, rater_id, RaterKind.PEOPLE), rubric, path)
    ratings = [
        _rating(
            rater,
            rubric,
            _Slot(row.response, row.clause, row.expected, row.cluster),
            said[row.item],
            origin=f"sheet:{path.name}",
            weight=1 / row.probability,
            comment=comments.get(row.item, ""),
        )
        for row in key.rows
    ]
    warnings = list(_complaints(path, ratings))
    if edited:
        warnings.append(
            f"{path.name}: {edited} rows show another clause or answer than was written; not used"
        )
    return Imported(tuple(ratings), (rater,), tuple(warnings))


def import_ratings(
    path: Path, columns: Sequence[Column], rubric: Rubric, items: Iterable[RatingItem]
) -> Imported:
    """Ratings that somebody made elsewhere, from CSV or JSON Lines (``.gz`` too), for the answers of one arm.

    A row is matched by ``response`` (id), else by the text of the question (``prompt`` or ``instruction``)
    and, where the row has it, of the answer (``completion`` or ``output``): labels of another text are not
    used.
    With ``clause`` a row speaks for that clause; without, for every clause of the answer that the rubric
    applies to, or for the only one where the rubric judges a clause by its wording. Labels are read by the
    rubric; anything that it does not offer is an invalid verdict. :class:`BadInput` for a file that cannot be
    read, a column that no row has, a kind of rater that the rubric does not admit.
    """
    table = table_of(path)
    absent = [column.column for column in columns if column.column not in table.names]
    if absent:
        raise BadInput(
            f"no column {absent[0]!r}", path=path, remedy=f"There are: {', '.join(sorted(table.names))}."
        )
    index = _Index(items, rubric)
    if not table.names & {"response", *_QUESTION}:
        raise BadInput(
            "no column says which answer a row is about",
            path=path,
            remedy=f"Needed is response, or one of {', '.join(_QUESTION)}.",
        )
    raters = {column: _rater(column, rubric, path) for column in columns}
    said: dict[tuple[Column, _Slot], list[str]] = defaultdict(list)
    unused: Counter[str] = Counter()
    for _, row in table.rows:
        slots, problem = index.find(row)
        if problem:
            unused[problem] += 1
        for slot in slots:
            for column in columns:
                said[column, slot].append(row.get(column.column, ""))
    ratings = [
        _rating(raters[column], rubric, slot, cells, origin=f"imported:{path.name}")
        for (column, slot), cells in said.items()
    ]
    warnings = [
        f"{path.name}: {n} of {len(table.rows)} rows are not used: {why}" for why, n in unused.items()
    ]
    if without := len(index.slots) - len({slot for _, slot in said}):
        warnings.append(f"{path.name}: {without} of {len(index.slots)} rated items of the arm have no row")
    for column in columns:
        mine = [rating for rating in ratings if rating.rater == column.rater_id]
        warnings += _complaints(path, mine, column.column)
    return Imported(tuple(ratings), tuple(raters.values()), tuple(warnings))


def majority(
    ratings: Iterable[Rating], rubric: Rubric, rater_id: str = "people", source: str = "human"
) -> Imported:
    """What most persons said of each item: a panel of people, derived from their ratings.

    ``ratings`` are those of persons; derived ones and other rubrics are passed over. The value that more than
    half of the valid votes have counts, an even split is undecided. Such ratings name what they come from and
    enter no agreement. Empty where fewer than two persons rated.
    """
    votes: dict[tuple[tuple[str, ...], str, int | None], list[Rating]] = defaultdict(list)
    for rating in ratings:
        if rating.rubric == rubric.name and not rating.derived_from:
            votes[rating.responses, rating.question, rating.turn].append(rating)
    persons = {rating.rater for group in votes.values() for rating in group}
    if len(persons) < 2:
        return Imported((), ())
    rater = Rater(
        id=rater_id,
        kind=RaterKind.PEOPLE,
        source=source,
        rubric=rubric.name,
        rubric_digest=rubric.digest,
        attributes={"majority_of": sorted(persons)},
    )
    return Imported(tuple(_panel(rater, group) for group in votes.values()), (rater,))


def protect(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; :func:`unprotect` undoes it.

    Cells that begin with = + - @, a tab or a line end are what spreadsheets run (OWASP, CSV Injection); those
    that begin with an apostrophe get one too, so that undoing is exact.
    """
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "'")) else cell


def unprotect(cell: str) -> str:
    """The cell before :func:`protect`."""
    return cell[1:] if cell.startswith("'") else cell


# ------------------------------------------------------------------------------------------------- sampling


def _draw(
    items: Sequence[RatingItem], sample: int, rng: np.random.Generator
) -> list[tuple[RatingItem, float]]:
    """A stratified sample with each item's inclusion probability.

    Every stratum gives the same number of items, or all it has; what is left over goes to strata drawn at
    random among those that have more. Within a stratum the draw is simple random, so an item's probability is
    its stratum's expected number over its size.
    """
    strata: dict[tuple[str, str], list[RatingItem]] = defaultdict(list)
    for item in items:
        strata[item.clause, item.arm].append(item)
    groups = list(strata.values())
    sample = min(sample, len(items))
    level = 0
    while sum(min(len(group), level + 1) for group in groups) <= sample and level < max(map(len, groups)):
        level += 1
    base = [min(len(group), level) for group in groups]
    more = [at for at, group in enumerate(groups) if len(group) > level]
    left = sample - sum(base)
    extra = {int(at) for at in rng.choice(more, size=left, replace=False)} if left else set()
    drawn = []
    for at, group in enumerate(groups):
        expected = base[at] + (left / len(more) if at in more and left else 0)
        chosen = rng.choice(len(group), size=base[at] + (at in extra), replace=False)
        drawn += [(group[int(n)], expected / len(group)) for n in sorted(chosen)]
    return drawn


def _cell(text: str) -> str:
    return text if len(text) <= CELL else text[:CELL] + _CUT


def _fingerprint(clause: str, answer: str) -> str:
    """Digest of letters and digits only: spreadsheets change line ends, blanks and signs that they lack."""
    return digest([re.sub(r"[^A-Za-z0-9]+", "", text) for text in (clause, answer)])


# ------------------------------------------------------------------------------------------- files of ratings

_QUESTION = ("prompt", "instruction")
_ANSWER = ("completion", "output")


@dataclass(frozen=True)
class Table:
    """A file of ratings as it was read."""

    names: frozenset[str]
    rows: tuple[tuple[int, dict[str, str]], ...]
    """Line and cells of each row."""


def table_of(path: Path) -> Table:
    """Columns and rows of a CSV or JSON Lines file (``.gz`` too); :class:`BadInput` if it is neither."""
    text = _text(path)
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix in (".jsonl", ".ndjson") or (suffix != ".csv" and text.lstrip()[:1] == "{"):
        rows = tuple(_json_rows(text, path))
        names = frozenset(name for _, row in rows for name in row)
    else:
        names, rows = _csv_rows(text, path)
    if not rows:
        raise BadInput("this file holds no ratings", path=path)
    return Table(names, rows)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(f"this is no whole gzip file ({error})", path=path) from error
    except OSError as error:
        raise BadInput(f"the ratings cannot be read ({error.strerror})", path=path) from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # What spreadsheets write as "CSV" on Windows in western Europe and America.
        return raw.decode("cp1252", errors="replace")


def _json_rows(text: str, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    # Not splitlines(): a text may hold U+2028, which JSON leaves as it is.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
        except ValueError as error:
            raise BadInput(f"this line is no JSON ({error})", path=path, line=number) from error
        if not isinstance(row, dict):
            raise BadInput("this line is no JSON object", path=path, line=number)
        yield number, {name: "" if cell is None else str(cell) for name, cell in row.items()}


def _csv_rows(text: str, path: Path) -> tuple[frozenset[str], tuple[tuple[int, dict[str, str]], ...]]:
    first = text.lstrip("\r\n").split("\n", 1)[0]
    # The separator is the one that occurs most often in the first line; ties go to the comma.
    separator = max(",;\t", key=lambda sign: (first.count(sign), sign == ","))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    header: list[str] | None = None
    rows = []
    begun = 1
    try:
        for cells in reader:
            line, begun = begun, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [name.strip() for name in cells]
                if len(set(header)) < len(header):
                    raise BadInput("a column stands there twice", path=path, line=line)
                continue
            if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
                raise BadInput(
                    f"this row has {len(cells)} cells, the first row {len(header)}", path=path, line=line
                )
            filled = [*cells, *[""] * (len(header) - len(cells))]
            rows.append((line, dict(zip(header, filled, strict=False))))
    except csv.Error as error:
        raise BadInput(f"this is no CSV ({error})", path=path, line=reader.line_num) from error
    return frozenset(header or ()), tuple(rows)


@dataclass(frozen=True)
class _Slot:
    """What one rating is about."""

    response: str
    clause: str
    expected: Expected
    cluster: str


class _Index:
    """Items of one arm by response id and by text."""

    def __init__(self, items: Iterable[RatingItem], rubric: Rubric) -> None:
        self.by_response: dict[str, list[_Slot]] = defaultdict(list)
        self.by_prompt: dict[str, dict[str, str]] = defaultdict(dict)
        # A rubric that applies whatever a clause expects judges the clause by its wording.
        self.by_wording = Expected.KEEP in rubric.applies_to
        for item in items:
            if item.expected in rubric.applies_to:
                slot = _Slot(item.response, item.clause, item.expected, item.cluster)
                self.by_response[item.response].append(slot)
                self.by_prompt[_same(item.prompt)][item.response] = _same(item.answer)
        self.slots = {slot for slots in self.by_response.values() for slot in slots}

    def find(self, row: Mapping[str, str]) -> tuple[list[_Slot], str]:
        """The slots that a row speaks for, and why there are none."""
        responses, problem = self._responses(row)
        slots = [slot for response in responses for slot in self.by_response[response]]
        clauses = {slot.clause for slot in slots}
        if clause := row.get("clause", "").strip():
            if slots and clause not in clauses:
                return [], "the answer was not asked for under that clause"
            slots = [slot for slot in slots if slot.clause == clause]
        elif self.by_wording and len(clauses) > 1:
            return [], "the answer belongs to several clauses, and the row names none"
        return slots, problem

    def _responses(self, row: Mapping[str, str]) -> tuple[list[str], str]:
        if given := row.get("response", "").strip():
            return ([given], "") if given in self.by_response else ([], "no such response in this arm")
        question = next((row[name] for name in _QUESTION if row.get(name, "").strip()), None)
        if question is None:
            return [], "the row does not say which answer it is about"
        found = self.by_prompt.get(_same(question), {})
        if not found:
            return [], "no answer of this arm to that question"
        answer = next((row[name] for name in _ANSWER if row.get(name, "").strip()), None)
        if answer is not None:
            found = {response: text for response, text in found.items() if text == _same(answer)}
            if not found:
                return [], "the arm gave another answer to that question"
        if len(set(found.values())) > 1:
            return [], "several answers of this arm to that question, and the row does not say which"
        return list(found), ""


def _same(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip()


# -------------------------------------------------------------------------------------------------- ratings

_SOURCE = {RaterKind.PEOPLE: "human", RaterKind.JUDGE: "model", RaterKind.CHECK: "rule"}


def _rater(column: Column, rubric: Rubric, path: Path) -> Rater:
    if column.kind not in rubric.raters or column.kind not in _SOURCE:
        admitted = [kind.value for kind in rubric.raters if kind in _SOURCE]
        raise BadInput(
            f"column {column.column!r}: rubric {rubric.name!r} is not for raters of kind {column.kind.value}",
            path=path,
            remedy=f"It is for: {', '.join(admitted)}.",
        )
    return Rater(
        id=column.rater_id,
        kind=column.kind,
        source=_SOURCE[column.kind],
        rubric=rubric.name,
        rubric_digest=rubric.digest,
        attributes={"file": path.name, "column": column.column},
    )


def _rating(
    rater: Rater,
    rubric: Rubric,
    slot: _Slot,
    cells: Sequence[str],
    *,
    origin: str,
    weight: float = 1.0,
    comment: str = "",
) -> Rating:
    given = [cell for cell in cells if cell.strip()]
    labels = {normalise(rubric, cell) for cell in given}
    label = labels.pop() if len(labels) == 1 else None
    unscored: Unscored | None = None
    if not given:
        unscored = Unscored.NOT_RATED
    elif labels:
        unscored = Unscored.UNDECIDED
    elif label is None:
        unscored = Unscored.INVALID_VERDICT
    raw = "\n".join(dict.fromkeys(cell.strip() for cell in given))
    value = None
    if not unscored and label is not None:
        measured = rubric.measurement is not None
        value = measurement.value(rubric, label) if measured else broken(rubric, label, slot.expected)
    return Rating(
        rating=rating_id(rubric.name, rater.id, slot.clause, (slot.response,)),
        rubric=rubric.name,
        rater=rater.id,
        question=slot.clause,
        responses=(slot.response,),
        clause=None if rubric.measurement else slot.clause,
        measure=Measure.GENERATION,
        scale=rubric.scale if rubric.measurement else Scale.BINARY,
        value=value,
        label="" if unscored else label or "",
        unscored=unscored,
        raw=f"{raw}\n{comment}".strip() if comment else raw,
        cluster=slot.cluster,
        weight=weight,
        origin=origin,
    )


def _complaints(path: Path, ratings: Sequence[Rating], column: str = "") -> Iterator[str]:
    where = f"{path.name}, column {column!r}" if column else path.name
    words = {
        Unscored.INVALID_VERDICT: "hold no verdict that the rubric offers",
        Unscored.UNDECIDED: "have contradicting labels",
        Unscored.NOT_RATED: "are not rated",
    }
    for reason, n in Counter(rating.unscored for rating in ratings).items():
        if reason is not None:
            yield f"{where}: {n} of {len(ratings)} items {words[reason]}"


def _panel(rater: Rater, group: Sequence[Rating]) -> Rating:
    first = group[0]
    valid = [rating for rating in group if rating.value is not None]
    share = sum(rating.value or 0.0 for rating in valid) / len(valid) if valid else None
    value = None if share is None or share == 0.5 else float(share > 0.5)
    labels = Counter(rating.label for rating in valid if rating.value == value).most_common(2)
    clear = len(labels) == 1 or (len(labels) == 2 and labels[0][1] > labels[1][1])
    reasons = Counter(rating.unscored for rating in group if rating.unscored).most_common(1)
    return Rating(
        rating=rating_id(rater.rubric, rater.id, first.question, first.responses, first.turn),
        rubric=rater.rubric,
        rater=rater.id,
        question=first.question,
        responses=first.responses,
        clause=first.clause,
        measure=first.measure,
        scale=first.scale,
        value=value,
        label=labels[0][0] if value is not None and clear else "",
        turn=first.turn,
        unscored=None if value is not None else (Unscored.UNDECIDED if valid else reasons[0][0]),
        cluster=first.cluster,
        weight=sum(rating.weight for rating in group) / len(group),
        derived_from=tuple(sorted(rating.rating for rating in group)),
        origin="derived",
    )
