"""Arms: a model with the text put around it and its sampling settings, as the user names them.

In: ``NAME=MODEL`` from the command line, or a YAML file of arms. Out: :class:`Arm` values with every default
filled in. Keys are never part of an arm: providers read them from the environment. Opening the model and
reading its weights are other files (``provider``, ``fingerprint``); this one needs neither Inspect nor torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.specs import yaml12
from govaudit.specs.text import read_text

SCHEMA_VERSION = "1.0"

ENGINE = "govaudit"
"""Provider of checkpoints that run in this process."""
RECORDED = "recorded"
"""Provider of stored responses."""

_ARGS = {ENGINE: ("batch_size", "device", "dtype"), RECORDED: ()}
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_NAME = re.compile(r"[A-Za-z0-9._+-]+")
_SECRET = re.compile(
    r"api[_-]?key|secret|passw|credential|authorization|bearer|(^|[_-])(key|token)$", re.IGNORECASE
)
_NO_SECRETS = "Keys come from the environment (for example OPENAI_API_KEY), never from a file or an option."


@dataclass(frozen=True)
class Revision:
    """Two requests to an arm about an answer that it has just written: criticise it, then write it again."""

    critique: str
    revision: str


@dataclass(frozen=True)
class Arm:
    """What is measured. :class:`BadInput` for a value out of its range; the message never holds a secret."""

    name: str
    """Label in tables and reports: letters, digits and ``. _ - +``. Not part of the arm's identity."""
    model: str
    """Inspect model name; ``govaudit/<checkpoint folder>`` or ``recorded/<file>`` for our own providers."""
    args: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the provider (``device``, ``dtype`` and ``batch_size`` for ``govaudit/``)."""
    adapter: str | None = None
    """Folder of a LoRA adapter that is merged into the checkpoint (``govaudit/`` only)."""
    base_url: str | None = None
    """Address of the endpoint, without user, password and query."""
    system: str | None = None
    """System text put before every stimulus; of a recorded arm it says what stood there at the time."""
    temperature: float = 1.0
    """0 = always the most probable token; 1 = the model's own distribution, which a rate is about."""
    top_p: float | None = None
    """Share of probability to sample from, in (0, 1]; ``None`` = all of it."""
    max_tokens: int = 1024
    """Longest answer in tokens, hidden reasoning included. An answer that is cut off is unscored."""
    reasoning_effort: str | None = None
    """none, minimal, low, medium, high, xhigh or max, where the model knows it; ``None`` = its default."""
    chat_template: str | None = None
    """Jinja text used instead of the checkpoint's own template (``govaudit/`` only)."""
    context: int | None = None
    """Longest prompt and answer together, in tokens; ``None`` = what the checkpoint says (an endpoint does
    not say)."""
    trust_remote_code: bool = False
    """Run Python code that lies in the checkpoint folder (``govaudit/`` only); named in the report."""
    revise: tuple[Revision, ...] = ()
    """Let the arm criticise and rewrite each answer before it counts, under one of these, drawn by stimulus;
    without any, the first answer counts."""
    constitution: tuple[str, ...] = ()
    """Ids of the clauses that the system text says, where it is made of a spec. A label: not part of the
    arm's identity."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadInput(
                f"{self.name!r} is no name of an arm",
                remedy="Use letters, digits and the marks . _ - + only.",
            )
        if not all(self.model.partition("/")):
            raise BadInput(
                f"{self.model!r} of arm {self.name} is no model",
                remedy="Write provider/model, for example openai/gpt-5 or govaudit/path/to/checkpoint.",
            )
        for name, ok, range_ in (
            ("temperature", 0 <= self.temperature <= 2, "from 0 to 2"),
            ("top_p", self.top_p is None or 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("max_tokens", self.max_tokens >= 1, "at least 1"),
            ("context", self.context is None or self.context >= 1, "at least 1"),
            ("reasoning_effort", self.reasoning_effort in (None, *_EFFORTS), f"one of {', '.join(_EFFORTS)}"),
        ):
            if not ok:
                raise BadInput(f"{name} of arm {self.name} is {getattr(self, name)!r}, it must be {range_}")
        if self.revise and self.provider == RECORDED:
            raise BadInput(
                f"arm {self.name} holds recorded answers: they cannot be revised any more",
                remedy="Leave revise out, or record the revisions as an arm of their own.",
            )
        for name in ("adapter", "chat_template", "trust_remote_code"):
            if getattr(self, name) and self.provider != ENGINE:
                raise BadInput(
                    f"{name} of arm {self.name} is for {ENGINE}/ checkpoints only", remedy="Leave it out."
                )
        if self.base_url is not None:
            try:
                url = urlsplit(self.base_url)
            except ValueError:
                url = urlsplit("")
            if not url.scheme or not url.netloc or url.query or url.fragment or "@" in url.netloc:
                raise BadInput(
                    f"base_url of arm {self.name} must be scheme://host[:port][/path], without user, "
                    "password and query",
                    remedy=_NO_SECRETS,
                )
        _refuse_secrets(self.args, f"args of arm {self.name}")
        unknown = sorted(set(self.args) - set(_ARGS[self.provider])) if self.provider in _ARGS else []
        if unknown:
            raise BadInput(
                f"args of arm {self.name}: {unknown[0]} is not known to {self.provider}/",
                remedy=f"Known: {', '.join(_ARGS[self.provider]) or 'none'}.",
            )

    @property
    def provider(self) -> str:
        """The part of the model name before the first slash."""
        return self.model.partition("/")[0]

    @property
    def target(self) -> str:
        """The part of the model name after the first slash: a folder, a file or the provider's own name."""
        return self.model.partition("/")[2]

    @property
    def model_args(self) -> dict[str, Any]:
        """What ``inspect_ai.model.get_model`` takes besides name, base URL and generation settings."""
        if self.provider == RECORDED:
            return {**self.args, "system": self.system}
        if self.provider != ENGINE:
            return dict(self.args)
        own = ("adapter", "chat_template", "context", "trust_remote_code")
        return {**self.args, **{name: getattr(self, name) for name in own}}

    def data(self) -> dict[str, Any]:
        """All settings, defaults included, as they are printed and kept in the run."""
        settings = {item.name: getattr(self, item.name) for item in fields(self)}
        return settings | {
            "args": dict(self.args),
            "revise": [asdict(revision) for revision in self.revise],
            "constitution": list(self.constitution),
        }


def parse_arm(text: str) -> Arm:
    """An arm from ``NAME=MODEL`` or ``MODEL``, with every setting at its default.

    Without a name the arm is called like the last part of its model, without file endings and with other
    marks than ``. _ - +`` replaced by ``-``.
    """
    label, sign, model = text.partition("=")
    if not sign or "/" in label:  # a path may hold "="
        label, model = _label(text), text
    if not model:
        raise BadInput(f"the arm {text!r} names no model", remedy="Write NAME=MODEL, e.g. base=openai/gpt-5.")
    return Arm(name=label, model=model)


def _label(model: str) -> str:
    last = model.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", re.sub(r"\.jsonl(\.gz)?$", "", last)).strip("-") or "arm"


def distinct(arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """The same arms; :class:`BadInput` where two share a name."""
    seen: set[str] = set()
    for arm in arms:
        if arm.name in seen:
            raise BadInput(f"two arms are called {arm.name!r}", remedy="Write NAME=MODEL with another name.")
        seen.add(arm.name)
    return arms


def matching(arm: Arm) -> tuple[Arm, ...]:
    """The arm itself, or one for each checkpoint folder or file of answers that its model's pattern matches.

    ``govaudit/DIR/snapshots/*`` stands for the folders below ``snapshots`` that hold a checkpoint,
    ``recorded/DIR/*.jsonl`` for files, in the order of the numbers in their names; each is called like the
    arm and its folder or file. :class:`BadInput` where there is none.
    """
    if arm.provider not in (ENGINE, RECORDED) or "*" not in arm.target:
        return (arm,)
    pattern = Path(arm.target)
    found = [
        place
        for place in Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
        if (place.is_file() if arm.provider == RECORDED else (place / "config.json").is_file())
    ]
    if not found:
        what = "file of answers" if arm.provider == RECORDED else "checkpoint folder"
        raise BadInput(
            f"no {what} matches {arm.target} of arm {arm.name}",
            remedy="Quote the pattern, so that the shell leaves it as it is.",
        )
    found.sort(key=lambda place: ([int(n) for n in re.findall(r"\d+", place.name)], place.name))
    return tuple(
        replace(arm, name=f"{arm.name}-{_label(place.name)}", model=f"{arm.provider}/{place}")
        for place in found
    )


def prompted(arm: Arm, text: str, name: str, clauses: Sequence[str] = ()) -> Arm:
    """The prompted-only arm: the same model with ``text`` (a spec) before the arm's own system text.

    ``clauses``: ids of the clauses that the text says.

    :class:`BadInput` for a recorded arm, whose answers were given without that text.
    """
    if arm.provider == RECORDED:
        raise BadInput(
            f"arm {arm.name} holds recorded answers: a system text cannot be put before them any more",
            remedy="Record the answers with that text and name the file as an arm of its own.",
        )
    return replace(
        arm,
        name=name,
        system=f"{text}\n\n{arm.system}" if arm.system else text,
        constitution=tuple(clauses),
    )


def at_temperatures(arm: Arm, temperatures: Sequence[float]) -> tuple[Arm, ...]:
    """The arm at each temperature, ``-T<temperature>`` added to its name; the arm itself where there is none.

    :class:`BadInput` for a recorded arm, whose answers were sampled as they were.
    """
    if temperatures and arm.provider == RECORDED:
        raise BadInput(
            f"arm {arm.name} holds recorded answers: they cannot be sampled at another temperature",
            remedy="Record the answers at that temperature and name the file as an arm of its own.",
        )
    return tuple(
        replace(arm, name=f"{arm.name}-T{temperature:g}", temperature=temperature)
        for temperature in temperatures
    ) or (arm,)


def arm_digest(arm: Arm, fingerprint: Mapping[str, Any]) -> str:
    """Identity of an arm: what :func:`govaudit.models.fingerprint.fingerprint` found (weights, tokenizer and
    chat template, or provider and model; the engine), the system text and the sampling settings. The name is
    a label and not in it, nor are device and batch size."""
    return digest(
        {
            "fingerprint": dict(fingerprint),
            "system": arm.system,
            "temperature": arm.temperature,
            "top_p": arm.top_p,
            "max_tokens": arm.max_tokens,
            "reasoning_effort": arm.reasoning_effort,
            "context": arm.context,
            **({"revise": [asdict(revision) for revision in arm.revise]} if arm.revise else {}),
        }
    )


class RevisionEntry(BaseModel):
    """Two requests, as they stand in a file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    critique: str
    revision: str


class ArmEntry(BaseModel):
    """One arm as it stands in a file; ranges are checked by :class:`Arm`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str
    args: dict[str, Any] = {}
    adapter: str | None = None
    base_url: str | None = None
    system: str | None = None
    system_file: str | None = None
    temperature: float = Arm.temperature
    top_p: float | None = None
    max_tokens: int = Arm.max_tokens
    reasoning_effort: str | None = None
    chat_template: str | None = None
    chat_template_file: str | None = None
    context: int | None = None
    trust_remote_code: bool = False
    revise: list[RevisionEntry] = []


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    schema_version: str = SCHEMA_VERSION
    arms: dict[str, ArmEntry]


def load_arms(path: Path) -> tuple[Arm, ...]:
    """Arms from a YAML 1.2 file, in its order; relative paths in it are relative to the file.

    ``arms:`` maps each name to the fields of :class:`Arm`; ``system_file`` and ``chat_template_file`` name a
    text file instead of holding the text. :class:`BadInput` with the line for unknown keys, wrong values,
    duplicate names and anything that would hold a secret; it never quotes a value.
    """
    try:
        document = yaml12.parse(read_text(path), as_text=(("schema_version",),))
    except yaml12.FormatError as error:
        raise BadInput(error.problem, path=path, line=error.line, remedy=error.remedy) from None
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("arms"), dict) or not data["arms"]:
        raise BadInput(
            "this file holds no arms", path=path, remedy="It needs arms: with a model: under a name."
        )
    version = str(data.get("schema_version", SCHEMA_VERSION))
    if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise BadInput(
            f"schema_version is {version!r}, this govaudit reads {SCHEMA_VERSION}",
            path=path,
            line=document.line(("schema_version",)),
        )
    for name, entry in data["arms"].items():
        for key in entry if isinstance(entry, dict) else ():
            if _SECRET.search(key):
                raise BadInput(
                    f"{key} of arm {name} would hold a secret",
                    path=path,
                    line=document.line(("arms", name, key)),
                    remedy=_NO_SECRETS,
                )
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = first["loc"]
        problem = {"extra_forbidden": "is no known key", "missing": "is missing"}.get(
            first["type"], first["msg"][:1].lower() + first["msg"][1:]
        )
        known = ", ".join((ArmEntry if len(place) > 1 else _File).model_fields)
        raise BadInput(
            f"{'.'.join(map(str, place))}: {problem}",
            path=path,
            line=document.line(place),
            remedy=f"Known keys: {known}." if first["type"] == "extra_forbidden" else None,
        ) from None
    return tuple(
        arm_of(name, entry, path.parent, path=path, line=document.line(("arms", name)))
        for name, entry in file.arms.items()
    )


def arm_of(
    name: str, entry: ArmEntry, folder: Path = Path(), *, path: Path | None = None, line: int | None = None
) -> Arm:
    """The arm that an entry describes, its relative paths taken from ``folder``.

    :class:`BadInput` for values out of their range; ``path`` and ``line`` are only named in it.
    """
    provider, _, target = entry.model.partition("/")
    given = entry.model_dump(exclude={"system_file", "chat_template_file"})
    try:
        for text in ("system", "chat_template"):
            file = getattr(entry, f"{text}_file")
            if file is not None and given[text] is not None:
                raise BadInput(f"arm {name} has both {text} and {text}_file", remedy="Keep one of them.")
            if file is not None:
                given[text] = read_text(folder / file)
        if provider in (ENGINE, RECORDED) and target:
            given["model"] = f"{provider}/{folder / target}"
        if entry.adapter is not None:
            given["adapter"] = str(folder / entry.adapter)
        given["revise"] = tuple(Revision(**revision) for revision in given["revise"])
        return Arm(name=name, **given)
    except BadInput as error:
        if error.path is not None:
            raise
        raise BadInput(error.problem, path=path, line=line, remedy=error.remedy) from None


def entry_of(arm: Arm) -> ArmEntry:
    """The entry that describes an arm; :func:`arm_of` undoes it."""
    given = {key: value for key, value in arm.data().items() if key not in ("name", "constitution")}
    return ArmEntry(**given)


def _refuse_secrets(node: Any, where: str) -> None:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if _SECRET.search(str(key)):
                raise BadInput(f"{where}: {key} would hold a secret", remedy=_NO_SECRETS)
            _refuse_secrets(value, where)
    elif isinstance(node, list | tuple):
        for value in node:
            _refuse_secrets(value, where)
