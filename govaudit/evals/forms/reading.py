"""Rows of a file that somebody else published: JSON Lines or CSV, gzipped or not, or one JSON object with
examples.

In: a path. Out: rows that know their file and line, and that say of a wrong value where it stands and what
was expected. What the keys mean is for the forms (``prompts``, ``choices``, ``pairs``, ``labels``). Whole
arrays are refused: a line then no longer tells where something stands.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.records import Turn

T = TypeVar("T")

EXAMPLES = "examples"
"""Key of a JSON object that holds a whole task (BIG-bench)."""
TASK = "task"
"""Key under which an example of such a task keeps the task's name."""

_GZIP = b"\x1f\x8b"
_ARRAY = "this is a JSON array and no JSON object"
_ONE_A_LINE = "JSON Lines has one object a line, without brackets around them and commas between them."
_BLANK = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True)
class Row:
    """One line of a file. Its methods raise :class:`BadInput` with file and line."""

    path: Path
    line: int
    data: Mapping[str, Any]
    form: str = ""
    """Name of the form that the file is read as."""

    def fault(self, problem: str, remedy: str | None = None) -> BadInput:
        """The error for this line."""
        said = f"{problem} (read as {self.form})" if self.form else problem
        return BadInput(said, path=self.path, line=self.line, remedy=remedy)

    def value(self, key: str, kind: type[T], what: str) -> T:
        """The value of a key that must be there and of one type."""
        if key not in self.data:
            raise self.fault(f"{key} is missing (needed is: {what})")
        found = self.data[key]
        # bool is an int for Python, and for nobody else.
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            raise self.fault(f"{key} is no {what} but {_shown(found)}")
        return found

    def text(self, key: str) -> str:
        """Text, perhaps empty."""
        return self.value(key, str, "text")

    def said(self, key: str) -> str:
        """Text that can be put to an arm: not blank, and without NUL, which few of them can be sent."""
        return self.sayable(self.text(key), key)

    def sayable(self, text: str, what: str) -> str:
        """The text, if it can be put to an arm; ``what`` names it in the error."""
        if not text.strip():
            raise self.fault(f"{what} is empty")
        if "\0" in text:
            raise self.fault(
                f"{what} holds a NUL character (U+0000)", "Take it out: no endpoint passes it on."
            )
        return text

    def number(self, key: str) -> int:
        """A whole number."""
        return self.value(key, int, "whole number")

    def flag(self, key: str) -> bool:
        """True or false."""
        return self.value(key, bool, "truth value")

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        found = self.value(key, list, "list of texts")
        if not all(isinstance(text, str) for text in found):
            raise self.fault(f"{key} is no list of texts")
        return tuple(found)

    def one_of(self, key: str, table: Mapping[Any, T]) -> T:
        """What a closed set of values stands for."""
        found = self.data.get(key)
        if not isinstance(found, Hashable) or found not in table or isinstance(found, bool):
            raise self.fault(
                f"{key} is {_shown(found)}" if key in self.data else f"{key} is missing",
                f"Expected is {' or '.join(map(str, table))}.",
            )
        return table[found]

    def identity(self, *keys: str) -> str:
        """The values of ``keys`` (text or whole numbers), or the line where none of them is there."""
        there = [self.data[key] for key in keys if self.data.get(key) is not None]
        if not there:
            return str(self.line)
        if not all(isinstance(value, str | int) for value in there):
            raise self.fault(f"{' and '.join(keys)} must be text or whole numbers")
        return "/".join(map(str, there))

    def place(self, identity: str) -> str:
        """File and identity, for people."""
        return f"{self.path.name}:{identity}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def rows(path: Path) -> tuple[Row, ...]:
    """All rows of a file; :class:`BadInput` for everything that :func:`lines` refuses."""
    found = tuple(Row(path, number, data) for number, data in lines(path))
    if not found:
        raise BadInput("this file holds no rows", path=path)
    return found


def distinct(given: Iterable[Row], identity: Callable[[Row], str]) -> None:
    """:class:`BadInput` for a row that has the identity of an earlier one."""
    seen: dict[str, int] = {}
    for row in given:
        name = identity(row)
        if name in seen:
            raise row.fault(f"the id {name} stands in line {seen[name]} already", "Keep one of them.")
        seen[name] = row.line


def cluster_of(turns: Iterable[Turn]) -> str:
    """Answers to one conversation are one cluster, whatever file they stand in: 16 hexadecimal digits."""
    return digest([turn.data() for turn in turns])[:16]


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number (from 1) and object of each line; of a JSON object with ``examples`` each of these; of a
    CSV file its rows under the names of its columns.

    A gzip file is told by its first bytes. :class:`BadInput` for a missing, empty, unreadable or truncated
    file, one that is not UTF-8, NUL bytes, an array, a line that is no JSON object, a key that stands twice
    in an object, and half a surrogate pair.
    """
    if _suffix(path) == ".csv":
        yield from _table(path)
        return
    number = 0
    for number, text in _whole(path) if _suffix(path) == ".json" else _lines(path):
        row = _parsed(text, path, number)
        if isinstance(row.get(EXAMPLES), list):
            yield from _examples(row, text, path, number)
        else:
            yield number, row
    if not number:
        raise BadInput("this file is empty", path=path)


def _suffix(path: Path) -> str:
    """What the name says of the form, whether gzipped or not."""
    return (Path(path.stem).suffix if path.suffix == ".gz" else path.suffix).casefold()


def _table(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a CSV file with a header; empty cells are null. Comma, semicolon or tab, told by the header."""
    said = list(_lines(path))
    if not said:
        raise BadInput("this file is empty", path=path)
    header = said[0][1]
    separator = max(",;\t", key=header.count)
    numbers = [number for number, _ in said]
    reader = csv.reader((text for _, text in said), delimiter=separator, strict=True)
    try:
        names = [name.strip() for name in next(reader)]
        if len(set(names)) < len(names):
            raise BadInput("two columns have one name", path=path, line=numbers[0])
        start = reader.line_num
        for cells in reader:
            line, start = numbers[start], reader.line_num
            if len(cells) != len(names):
                raise BadInput(
                    f"this row has {len(cells)} cells and the header {len(names)}", path=path, line=line
                )
            yield line, {n: cell if cell.strip() else None for n, cell in zip(names, cells, strict=True)}
    except csv.Error as error:
        at = numbers[min(reader.line_num, len(numbers)) - 1]
        raise BadInput(f"this is no CSV row ({error})", path=path, line=at) from None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers."""
    for number, raw in enumerate(_bytes(path), 1):
        if not raw.strip():
            continue
        try:
            # Only the first line may begin with a byte order mark.
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise BadInput(
                f"this file is not UTF-8 (byte {raw[error.start]:#04x})",
                path=path,
                line=number,
                remedy="Save it as UTF-8.",
            ) from None
        if "\0" in text:
            raise BadInput("this line holds a NUL byte, so it is no text", path=path, line=number)
        yield number, text


def _whole(path: Path) -> Iterator[tuple[int, str]]:
    """One JSON value over all lines, or JSON Lines under the name of a JSON file."""
    found = list(_lines(path))
    if not found:
        return
    try:
        json.loads(found[0][1])
    except (ValueError, RecursionError):
        text = dict(found)
        # Blank lines come back, so that a place in the text still tells its line.
        lines_ = range(found[0][0], found[-1][0] + 1)
        yield found[0][0], "".join(text.get(number, "\n") for number in lines_)
    else:
        yield from found


def _bytes(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        raise BadInput("no such file", path=path)
    number = 0
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == _GZIP
            plain.seek(0)
            stream = gzip.GzipFile(fileobj=plain) if packed else plain
            for number, line in enumerate(stream, 1):  # noqa: B007  # the error names it
                yield line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(
            f"this is no whole gzip file ({error})",
            path=path,
            line=number + 1,
            remedy="Fetch the file again.",
        ) from None
    except OSError as error:
        raise BadInput(f"this file cannot be read ({error.strerror or error})", path=path) from None


def _parsed(text: str, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        if "\\u" in text:
            json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadInput("an escape in this line is half a character", path=path, line=number) from None
    except json.JSONDecodeError as error:
        if text.lstrip()[:1] == "[":
            raise BadInput(_ARRAY, path=path, line=number, remedy=_ONE_A_LINE) from None
        raise BadInput(
            f"this line is no JSON ({error.msg}, column {error.colno})",
            path=path,
            line=number + error.lineno - 1,
            remedy=_ONE_A_LINE,
        ) from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"this line cannot be read ({error})", path=path, line=number) from None
    if isinstance(row, list):
        raise BadInput(_ARRAY, path=path, line=number, remedy=_ONE_A_LINE)
    if not isinstance(row, dict):
        raise BadInput("this line holds no JSON object", path=path, line=number, remedy=_ONE_A_LINE)
    return row


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands there twice")
    return row


def _examples(
    task: Mapping[str, Any], text: str, path: Path, number: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each example of a task, with the line on which it begins and the task's name."""
    name = task.get("name")
    for at, example in zip(_starts(text), task[EXAMPLES], strict=True):
        line = number + text.count("\n", 0, at)
        if not isinstance(example, dict):
            raise BadInput("this example is no JSON object", path=path, line=line)
        yield line, example | ({TASK: name} if isinstance(name, str) else {})


def _starts(text: str) -> Iterator[int]:
    """Where each element of ``examples`` begins, in the text of an object that is known to parse."""
    decoder = json.JSONDecoder()

    def skip(at: int) -> int:
        found = _BLANK.match(text, at)
        return found.end() if found else at

    at = skip(skip(0) + 1)
    while text[at] != "}":
        key, at = decoder.raw_decode(text, at)
        at = skip(skip(at) + 1)
        if key == EXAMPLES:
            at = skip(at + 1)
            while text[at] != "]":
                yield at
                at = skip(decoder.raw_decode(text, at)[1])
                at = skip(at + 1) if text[at] == "," else at
            return
        at = skip(decoder.raw_decode(text, at)[1])
        at = skip(at + 1) if text[at] == "," else at
