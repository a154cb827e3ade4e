"""Stages of a recipe as folders: a stage that is done is there as a whole, and is not done again.

``OUT/recipe.json`` says what the folder is for; ``OUT/stages/2-labels`` holds what the second stage wrote:
records, a checkpoint if there is one, and as the last file ``stage.json``, its summary and its seconds. A
stage writes into a hidden folder that is renamed at its end, so whoever kills it finds either all of it or
nothing. Loops inside a stage keep their state in another hidden folder, and go on where they were.

Records say line by line what a stage did, so that nobody has to take a model on trust: JSON Lines of plain
objects, the first of which says what the others are (``chains``, ``labels``, ``ratings``, ``rollouts``,
``curve``) and in which version of the format.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from govaudit.errors import BadInput

if TYPE_CHECKING:
    from govaudit.train.loop import Keep

SCHEMA_VERSION = "1.0"

Summary = dict[str, Any]
"""What a stage says about itself on the training card: plain JSON."""


@dataclass(frozen=True)
class Done:
    """A finished stage."""

    name: str
    folder: Path
    summary: Summary
    seconds: float
    """Wall time of the call that finished it; what an interrupted call did before is not in it."""
    cpu_seconds: float | None = None
    """CPU time of the same, all threads of the first process; ``None`` in folders of older versions."""

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The records of ``name.jsonl``."""
        return load_records(self.folder / f"{name}.jsonl")[1]


class Stages:
    """The stages of one output folder, in their order."""

    def __init__(self, out: Path, identity: dict[str, Any]) -> None:
        """``identity``: plain JSON that says what is trained from what, and how.

        :class:`BadInput` when the folder holds something else.
        """
        from govaudit.train import processes  # brings torch, which readers of records do without

        self.out = out
        self.done: list[Done] = []
        if processes.first():
            self._claim(identity)
        processes.wait()

    def _claim(self, identity: dict[str, Any]) -> None:
        out, mark = self.out, self.out / "recipe.json"
        if mark.is_file():
            had = json.loads(mark.read_text(encoding="utf-8"))
            differ = sorted(
                name for name in had.keys() | identity.keys() if had.get(name) != _plain(identity.get(name))
            )
            if differ:
                raise BadInput(
                    f"this folder holds another recipe (other: {', '.join(differ)})",
                    path=out,
                    remedy="Name another folder, or delete this one.",
                )
        elif out.exists() and any(out.iterdir()):
            raise BadInput(
                "this folder holds something else", path=out, remedy="Name a new or an empty folder."
            )
        else:
            out.mkdir(parents=True, exist_ok=True)
            write_json(mark, identity)

    def run(self, name: str, make: Callable[[Path, Keep], Summary]) -> Done:
        """The stage ``name``, made if it is not there yet.

        ``make`` writes into the folder that it is given, keeps the state of its loop as it is told, and
        returns what there is to say. Of several processes each makes it, in a folder of its own; what the
        first wrote is kept.
        """
        from govaudit.train import processes
        from govaudit.train.loop import Keep

        number = len(self.done) + 1
        folder = self.out / "stages" / f"{number}-{name}"
        if processes.agreed(not (folder / "stage.json").is_file()):
            own = "" if processes.first() else f"-{processes.rank()}"
            partial = folder.with_name(f".{folder.name}.partial{own}")
            keep = Keep(folder.with_name(f".{folder.name}.state"))
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            start, cpu = time.monotonic(), time.process_time()
            summary = make(partial, keep)
            write_json(
                partial / "stage.json",
                {
                    "schema_version": SCHEMA_VERSION,
                    "summary": summary,
                    "seconds": round(time.monotonic() - start, 1),
                    "cpu_seconds": round(time.process_time() - cpu, 1),
                },
            )
            if processes.first():
                shutil.rmtree(folder, ignore_errors=True)
                partial.rename(folder)
                shutil.rmtree(keep.folder, ignore_errors=True)
            else:
                shutil.rmtree(partial)
            processes.wait()
        told = json.loads((folder / "stage.json").read_text(encoding="utf-8"))
        done = Done(name, folder, told["summary"], told["seconds"], told.get("cpu_seconds"))
        self.done.append(done)
        return done

    def __iter__(self) -> Iterator[Done]:
        return iter(self.done)


def save_records(path: Path, records: str, rows: Iterable[dict[str, Any]]) -> int:
    """Write the rows of one kind of record and say how many there are."""
    partial = path.with_suffix(".partial")
    lines = 0
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(_line({"schema_version": SCHEMA_VERSION, "records": records}))
        for row in rows:
            stream.write(_line(row))
            lines += 1
    partial.replace(path)
    return lines


def load_records(path: Path) -> tuple[str, list[dict[str, Any]]]:
    """Which records these are, and the rows; :class:`BadInput` for another file or a newer version."""
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        head, *rows = [json.loads(line) for line in lines]
        records, version = head["records"], str(head["schema_version"])
    except (ValueError, LookupError, TypeError) as error:
        raise BadInput("this is no file of training records", path=path, line=1) from error
    if version.split(".", maxsplit=1)[0] != SCHEMA_VERSION.split(".", maxsplit=1)[0]:
        raise BadInput(
            f"schema_version is {version!r}, this govaudit reads {SCHEMA_VERSION}",
            path=path,
            line=1,
            remedy="Use the govaudit version that wrote it.",
        )
    return records, rows


def record_files(folder: Path) -> list[Path]:
    """The record files of an output folder or of one of its stages, stage by stage.

    :class:`BadInput` where there is none.
    """
    found = sorted(folder.rglob("*.jsonl"))
    if not found:
        raise BadInput(
            "there are no training records in this folder",
            path=folder,
            remedy="Name the folder that `govaudit train -o` wrote, or a stage in it.",
        )
    return found


def flatten(folder: Path) -> None:
    """Move the checkpoint in ``folder/model`` beside the records of its stage."""
    for file in (folder / "model").iterdir():
        file.rename(folder / file.name)
    (folder / "model").rmdir()


def write_json(path: Path, value: Any) -> None:
    """Write plain JSON, beside and renamed."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    """A value as it comes back from a file."""
    return json.loads(json.dumps(value))
