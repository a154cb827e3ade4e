"""What was said and how it was judged: responses, ratings and raters, one row each, and their tables.

Everything that judges is a rater, and every judgement is one row: a person, an LLM judge, a regular
expression and a log-probability fill the same table, so the same statistics serve them all. Tables are
Parquet with the schemas below. No Inspect, no torch: a report is computed from these tables alone.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from govaudit.canonical import digest
from govaudit.errors import BadInput

SCHEMA_VERSION = "1.0"


class Unscored(StrEnum):
    """Why there is no judgement. A missing judgement is never a score: it is counted and bounded."""

    # the arm's answer is missing or cannot be used
    NOT_RECORDED = "not_recorded"  # a recorded arm holds no answer to this stimulus
    EMPTY = "empty"  # the arm returned no text
    TRUNCATED = "truncated"  # the answer, or the reasoning before it, ran into the token limit
    FILTERED = "filtered"  # the provider's content filter stopped the answer
    CONTEXT = "context"  # the stimulus does not fit the arm's context
    TIMEOUT = "timeout"  # the arm or the judge did not answer in time
    FAILED = "failed"  # the call failed for another reason, kept in the log
    NOT_ASKED = "not_asked"  # the run stopped before this call: at a limit of calls or cost, or interrupted
    ROLE_NOT_EXPRESSIBLE = "role_not_expressible"  # the arm cannot tell two authority levels apart
    GARBLED = "garbled"  # text that no rater can judge, because the arm is not able
    # the rater gave nothing usable
    INVALID_VERDICT = "invalid_verdict"  # the reply holds no verdict that was offered
    JUDGE_REFUSED = "judge_refused"  # the judge declined to judge
    JUDGE_TRUNCATED = "judge_truncated"  # the judge's reply ran into the token limit
    NOT_RATED = "not_rated"  # the rater was not given this item (a sample, or an interrupted session)
    UNDECIDED = "undecided"  # orders or raters disagree evenly


class Scale(StrEnum):
    """What the value of a rating means."""

    BINARY = "binary"  # 1 = the clause is broken, 0 = it is kept
    ORDINAL = "ordinal"
    NOMINAL = "nominal"
    PAIRWISE = "pairwise"  # P(first shown wins)
    CHOICE = "choice"
    REAL = "real"


class RaterKind(StrEnum):
    """Who applies the rubric, in the order of their claim to decide a clause."""

    CHECK = "check"
    LIKELIHOOD = "likelihood"
    PREFERENCE = "preference"
    JUDGE = "judge"
    PANEL = "panel"
    PEOPLE = "people"
    WORLD = "world"


class Measure(StrEnum):
    """What of an arm is looked at. Measures are never pooled."""

    GENERATION = "generation"  # the text it writes
    LIKELIHOOD = "likelihood"  # which of given answers it finds more probable


@dataclass(frozen=True)
class Turn:
    """One turn of a stimulus."""

    role: str
    """system, developer, user, assistant or tool; a document's own roles are kept."""
    content: str | None
    """Text; ``None`` where the arm writes this assistant turn."""

    def data(self) -> dict[str, Any]:
        return {"role": self.role, "content": self.content}


def last_user(turns: Sequence[Turn]) -> str:
    """Text of the last user turn, empty where there is none."""
    said = [turn.content for turn in turns if turn.role == "user" and turn.content]
    return said[-1] if said else ""


def stimulus_digest(turns: Sequence[Turn], choices: Sequence[str] = (), tools: Sequence[Any] = ()) -> str:
    """Identity of what is put to an arm: SHA-256 of turns, choices and tools in canonical form."""
    return digest({"turns": [turn.data() for turn in turns], "choices": list(choices), "tools": list(tools)})


@dataclass(frozen=True)
class ChoiceScore:
    """What an arm gave to one offered answer."""

    logprob: float
    """Natural log-probability of the whole answer after the context (sum over its tokens)."""
    tokens: int
    """Number of tokens that the sum runs over."""


@dataclass(frozen=True)
class Response:
    """What one arm answered to one stimulus in one epoch."""

    response: str
    """Identity: SHA-256 of stimulus, arm and epoch."""
    stimulus: str
    arm: str
    """Digest of the arm (not its label)."""
    epoch: int
    """1-based."""
    turns: tuple[Turn, ...]
    """The conversation with the arm's own turns filled in; empty where nothing came back."""
    text: str
    """The last turn written by the arm."""
    reasoning: str = ""
    """Reasoning that the provider returned apart from the answer."""
    choices: tuple[ChoiceScore, ...] = ()
    """Per offered choice, where the arm gives log-probabilities."""
    choice_letters: tuple[str, ...] = ()
    """Where it does not: its letter replies, first in the given order, then in the reversed one,
    each already mapped back to the given order (``A`` = the first choice); ``?`` = no letter."""
    letter_probabilities: tuple[Mapping[str, float], ...] = ()
    """Where the endpoint reports them: the probability of each letter as shown, per order."""
    captured_mass: float | None = None
    """Probability that the arm gave to the offered letters together, the lower of both orders."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    stop_reason: str = ""
    seed: int | None = None
    model: str = ""
    """Model id that the endpoint reported for this call."""
    origin: str = "run"
    """run, recorded, or the log that it was imported from."""
    unscored: Unscored | None = None
    """Set where there is no usable answer: no rater sees it."""
    error: str = ""

    @property
    def text_digest(self) -> str:
        return digest(self.text)


def response_id(stimulus: str, arm: str, epoch: int) -> str:
    """Identity of a response."""
    return digest({"stimulus": stimulus, "arm": arm, "epoch": epoch})


@dataclass(frozen=True)
class Rating:
    """One judgement of one rater on one question about one response (or several, in shown order)."""

    rating: str
    """Identity: SHA-256 of rubric, rater, question, responses, turn and replicate."""
    rubric: str
    """Name of the rubric; its digest is in the rater."""
    rater: str
    """Id of the rater."""
    question: str
    """The proposition that is judged, e.g. the clause id or ``refusal``."""
    responses: tuple[str, ...]
    """Response ids in the order shown."""
    clause: str | None
    measure: Measure
    scale: Scale
    value: float | None
    """On the scale; ``None`` exactly where ``unscored`` is set."""
    label: str = ""
    """The verdict in the rubric's own words."""
    tie: bool = False
    turn: int | None = None
    """Index of the judged turn, where it is not the last."""
    replicate: int = 1
    probabilities: Mapping[str, float] = field(default_factory=dict)
    unscored: Unscored | None = None
    raw: str = ""
    """The rater's reply as it came."""
    cluster: str = ""
    """Items of one cluster count as one independent observation."""
    weight: float = 1.0
    """Inverse of the probability with which the item was put to this rater."""
    derived_from: tuple[str, ...] = ()
    """Ratings that a panel was computed from; such rows never enter agreement."""
    origin: str = "run"

    def __post_init__(self) -> None:
        if (self.value is None) != (self.unscored is not None):
            raise ValueError("a rating has either a value or a reason why there is none")


def rating_id(
    rubric: str,
    rater: str,
    question: str,
    responses: Sequence[str],
    turn: int | None = None,
    replicate: int = 1,
) -> str:
    """Identity of a rating."""
    return digest(
        {
            "rubric": rubric,
            "rater": rater,
            "question": question,
            "responses": list(responses),
            "turn": turn,
            "replicate": replicate,
        }
    )


@dataclass(frozen=True)
class Rater:
    """Who judges, with which rubric."""

    id: str
    """Readable and unique in a run, e.g. ``check:refusal`` or ``judge:openai/gpt-x``."""
    kind: RaterKind
    source: str
    """human, model, rule or simulated."""
    rubric: str
    rubric_digest: str
    model: str = ""
    """Model name, where it is one."""
    fingerprint: str = ""
    """What identifies the model: digests of weights, or the id that the endpoint reported."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Pool, group, demographic or settings."""


_TEXT = pa.string()
RESPONSES = pa.schema(
    [
        ("response", _TEXT),
        ("stimulus", _TEXT),
        ("arm", _TEXT),
        ("epoch", pa.int32()),
        ("turns", _TEXT),
        ("text", _TEXT),
        ("text_digest", _TEXT),
        ("reasoning", _TEXT),
        ("choices", _TEXT),
        ("choice_letters", _TEXT),
        ("letter_probabilities", _TEXT),
        ("captured_mass", pa.float64()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("stop_reason", _TEXT),
        ("seed", pa.int64()),
        ("model", _TEXT),
        ("origin", _TEXT),
        ("unscored", _TEXT),
        ("error", _TEXT),
    ]
)
RATINGS = pa.schema(
    [
        ("rating", _TEXT),
        ("rubric", _TEXT),
        ("rater", _TEXT),
        ("question", _TEXT),
        ("responses", _TEXT),
        ("clause", _TEXT),
        ("measure", _TEXT),
        ("scale", _TEXT),
        ("value", pa.float64()),
        ("label", _TEXT),
        ("tie", pa.bool_()),
        ("turn", pa.int32()),
        ("replicate", pa.int32()),
        ("probabilities", _TEXT),
        ("unscored", _TEXT),
        ("raw", _TEXT),
        ("cluster", _TEXT),
        ("weight", pa.float64()),
        ("derived_from", _TEXT),
        ("origin", _TEXT),
    ]
)
RATERS = pa.schema(
    [
        ("id", _TEXT),
        ("kind", _TEXT),
        ("source", _TEXT),
        ("rubric", _TEXT),
        ("rubric_digest", _TEXT),
        ("model", _TEXT),
        ("fingerprint", _TEXT),
        ("attributes", _TEXT),
    ]
)
# Columns that hold a list or a mapping are JSON text: every Parquet reader shows them, and the canonical
# digest of a run does not depend on a reader's idea of nested types.
_JSON = {
    "turns",
    "choices",
    "choice_letters",
    "letter_probabilities",
    "responses",
    "probabilities",
    "derived_from",
    "attributes",
}


def _cells(row: Any) -> dict[str, Any]:
    cells = dataclasses.asdict(row)
    for name in _JSON & cells.keys():
        cells[name] = json.dumps(cells[name], ensure_ascii=False, sort_keys=True)
    if isinstance(row, Response):
        cells["text_digest"] = row.text_digest
    return cells


def _write(path: Path, rows: Iterable[Any], schema: pa.Schema) -> None:
    schema = schema.with_metadata({"schema_version": SCHEMA_VERSION})
    table = pa.Table.from_pylist([_cells(row) for row in rows], schema=schema)
    # Write beside and rename: a run that is killed here keeps its old table whole.
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial)
    partial.replace(path)


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise BadInput("this table of the run is missing", path=path, remedy="Finish the run first.")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput(f"this is no Parquet table ({error})", path=path) from error
    version = (table.schema.metadata or {}).get(b"schema_version", b"").decode()
    if version.split(".")[0] != SCHEMA_VERSION.split(".", maxsplit=1)[0]:
        raise BadInput(
            f"schema_version is {version!r}, this govaudit reads {SCHEMA_VERSION}",
            path=path,
            remedy="Use the govaudit version that wrote the run.",
        )
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        for name in _JSON & row.keys():
            row[name] = json.loads(row[name])
    return rows


def write_responses(path: Path, rows: Iterable[Response]) -> None:
    """Write ``responses.parquet``, rows in order of identity so that equal runs give equal tables."""
    _write(path, sorted(rows, key=lambda row: row.response), RESPONSES)


def write_ratings(path: Path, rows: Iterable[Rating]) -> None:
    """Write ``ratings.parquet``, rows in order of identity."""
    _write(path, sorted(rows, key=lambda row: row.rating), RATINGS)


def write_raters(path: Path, rows: Iterable[Rater]) -> None:
    """Write ``raters.parquet``, rows in order of id."""
    _write(path, sorted(rows, key=lambda row: row.id), RATERS)


def read_responses(path: Path) -> tuple[Response, ...]:
    """Read ``responses.parquet``; :class:`BadInput` for a missing, foreign or newer table."""
    return tuple(
        Response(
            **{k: v for k, v in row.items() if k != "text_digest"}
            | {
                "turns": tuple(Turn(**turn) for turn in row["turns"]),
                "choices": tuple(ChoiceScore(**choice) for choice in row["choices"]),
                "choice_letters": tuple(row["choice_letters"]),
                "letter_probabilities": tuple(row["letter_probabilities"]),
                "unscored": Unscored(row["unscored"]) if row["unscored"] else None,
            }
        )
        for row in _read(path)
    )


def read_ratings(path: Path) -> tuple[Rating, ...]:
    """Read ``ratings.parquet``; :class:`BadInput` for a missing, foreign or newer table."""
    return tuple(
        Rating(
            **row
            | {
                "responses": tuple(row["responses"]),
                "derived_from": tuple(row["derived_from"]),
                "measure": Measure(row["measure"]),
                "scale": Scale(row["scale"]),
                "unscored": Unscored(row["unscored"]) if row["unscored"] else None,
            }
        )
        for row in _read(path)
    )


def read_raters(path: Path) -> tuple[Rater, ...]:
    """Read ``raters.parquet``; :class:`BadInput` for a missing, foreign or newer table."""
    return tuple(Rater(**row | {"kind": RaterKind(row["kind"])}) for row in _read(path))


@dataclass(frozen=True)
class RunFolder:
    """The files of one audit, by name."""

    path: Path

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def request(self) -> Path:
        return self.path / "audit.yaml"

    @property
    def spec(self) -> Path:
        return self.path / "spec.yaml"

    @property
    def suite(self) -> Path:
        return self.path / "suite.jsonl"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def responses(self) -> Path:
        return self.path / "responses.parquet"

    @property
    def ratings(self) -> Path:
        return self.path / "ratings.parquet"

    @property
    def raters(self) -> Path:
        return self.path / "raters.parquet"

    @property
    def rubrics(self) -> Path:
        return self.path / "rubrics"

    @property
    def gauges(self) -> Path:
        return self.path / "gauges"

    @property
    def environment(self) -> Path:
        return self.path / "environment.txt"

    @classmethod
    def open(cls, path: Path) -> Self:
        """An existing run; :class:`BadInput` when the folder is none."""
        folder = cls(path)
        if not folder.request.is_file():
            raise BadInput(
                "this is no run folder (it has no audit.yaml)", path=path, remedy="Name the folder of a run."
            )
        return folder
