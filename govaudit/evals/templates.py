"""The templates that probes of authority are made of: instructions that a rule can check, questions,
documents.

In: a YAML file such as ``evals/templates/hierarchy.yaml``, whose head explains its keys. Out: a frozen
:class:`Templates`. Left out: which of them go into a suite, and for which levels (``hierarchy``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from govaudit import library
from govaudit.errors import BadInput
from govaudit.scorers.hierarchy import RULES
from govaudit.specs import yaml12
from govaudit.specs.native import parse_as
from govaudit.specs.text import read_text

FOLDER, DEFAULT = "templates", "hierarchy"

Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Wording(_Part):
    """Sentences around instructions. ``None``: this file has no probes of that form."""

    frame: Text
    """System text of the highest speaker: ``{place}``, ``{instruction}``."""
    plain_frame: str = ""
    """The same without an instruction."""
    platform: str | None = None
    """System text above a developer's."""
    user: Text
    """``{question}``, ``{instruction}``."""
    tool: str | None = None
    ranked: str | None = None
    """How ranks count, before the instructions of the textual form."""
    entry: str = ""
    """One of them: ``{rank}``, ``{name}``, ``{instruction}``."""
    question: str = ""
    quoted: str = ""
    looked_up: str = ""


class Option(_Part):
    """One instruction of a matter."""

    rule: Text
    value: Text
    text: Text
    inject: bool = False


class Against(_Part):
    rule: Text
    text: Text
    lower_only: bool = False
    """Only the lower of two levels asks for it."""


class Matter(_Part):
    """What instructions are about: two options of one matter exclude each other."""

    id: Text
    touches: Annotated[tuple[Text, ...], Field(min_length=1)]
    rule: str = ""
    text: str = ""
    values: tuple[Text, ...] = ()
    offer: str | None = None
    against: Against | None = None
    inject: bool = False
    options: tuple[Option, ...] = ()

    @property
    def asked(self) -> tuple[Option, ...]:
        """All options; of a matter with an opposite, those that ask for something."""
        return self.options or tuple(self.option(value) for value in self.values)

    def option(self, value: str) -> Option:
        said = filled(self.text, value=value, first=value[0], last=value[-1])
        return Option(rule=self.rule, value=value, text=said, inject=self.inject)

    def opposite(self, value: str) -> Option:
        assert self.against is not None
        return Option(rule=self.against.rule, value=value, text=filled(self.against.text, value=value))


class Asked(_Part):
    """A plain question, and where it is asked."""

    question: Text
    place: str = ""


class Document(_Part):
    """A text with one fact."""

    question: Text
    fact: Text
    """What an answer says that has read it; alternatives separated by ``|``."""
    sentences: Annotated[tuple[Text, ...], Field(min_length=2)]


class Secret(_Part):
    """A system text with something to keep and something to tell."""

    place: Text
    keep: Text
    secret: Text
    tell: Text
    question: Text
    fact: Text


class Templates(_Part):
    """All of one file."""

    schema_version: Literal["1.0"] = "1.0"
    levels: Annotated[tuple[Text, ...], Field(min_length=2)]
    """The scale of a spec that states none, highest first."""
    wording: Wording
    matters: Annotated[tuple[Matter, ...], Field(min_length=1)]
    tasks: Annotated[tuple[Asked, ...], Field(min_length=1)]
    calls: tuple[Text, ...] = ()
    only: str | None = None
    only_words: tuple[Text, ...] = ()
    documents: tuple[Document, ...] = ()
    secrets: tuple[Secret, ...] = ()
    attacks: tuple[Text, ...] = ()


def filled(text: str, **values: str) -> str:
    """The text with each ``{name}`` replaced; other braces stay as they are."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def find(name: str | None, spec_id: str) -> Path:
    """The file that a user named, or the built-in one: that of the spec, where it has its own."""
    if name is not None:
        given = Path(name)
        built_in = not given.suffix and given.name == name
        return library.path("evals", f"{FOLDER}/{name}.yaml") if built_in else given
    try:
        return library.path("evals", f"{FOLDER}/{DEFAULT}-{spec_id}.yaml")
    except BadInput:
        return library.path("evals", f"{FOLDER}/{DEFAULT}.yaml")


def load(path: Path) -> Templates:
    """Read a file of templates; :class:`BadInput` with line for an unknown key, rule or a matter that cannot
    be asked."""
    text = read_text(path)
    found = parse_as(Templates, text, path)
    lines = yaml12.parse(text, as_text=(("schema_version",),))
    for number, matter in enumerate(found.matters):
        if (problem := _fault(matter, found.matters[:number])) is not None:
            raise BadInput(
                f"matter {matter.id!r}: {problem}", path=path, line=lines.line(("matters", number, "id"))
            )
    for key, others in _together(found).items():
        if others:
            raise BadInput(f"{key} go with {others}, which are missing", path=path)
    return found


def _fault(matter: Matter, before: tuple[Matter, ...]) -> str | None:
    if matter.id in {other.id for other in before}:
        return "this id is given twice"
    rules = {matter.rule} if not matter.options else {option.rule for option in matter.options}
    if matter.against:
        rules |= {matter.against.rule}
    if unknown := sorted(rules - RULES.keys()):
        return f"there is no rule {unknown[0]!r}; there are {', '.join(RULES)}"
    if bool(matter.options) is bool(matter.values):
        return "give either options, or text, rule and values"
    values = [(option.rule, option.value) for option in matter.asked]
    if len(set(values)) < len(values):
        return "two of its options are the same"
    if len(values) < 2 and matter.against is None:
        return "one option excludes nothing"
    if matter.options and (matter.offer or matter.against):
        return "offer and against are filled from values"
    return None


def _together(found: Templates) -> Mapping[str, str]:
    """Keys of a file that need others, with those that are missing."""
    quoted = found.wording.quoted or found.wording.looked_up
    return {
        "documents": "calls and wording.quoted" if found.documents and not (found.calls and quoted) else "",
        "secrets": "attacks" if found.secrets and not found.attacks else "",
        "wording.ranked": "wording.entry and wording.question"
        if found.wording.ranked and not (found.wording.entry and found.wording.question)
        else "",
    }
