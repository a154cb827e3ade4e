"""Importer of lists of principles: the texts by which a model is trained to criticise, revise or compare.

In: JSON, markdown or plain text. Out: a spec and warnings. The forms:

- JSON pairs, as published for Constitutional AI (Bai et al. 2022, arXiv 2212.08073): an object whose values
  hold a critique request and a revision request, a list of such objects, or a list of two-element lists.
- JSON lists of single principles, most of them comparisons of answers.
- JSON objects of such lists, each a group, and what else an author wraps around them.
- Markdown: numbered or bulleted lists, grouped by headings, by lines in bold or by the item above them.
- Plain text: one principle a line or a paragraph; critique and revision requests in turn, with labels.

Every principle is a clause. A pair is one clause: its text asks for the critique, ``revision_request`` for
the revision. What a principle is used for (``critique``, ``feedback``) is told from the form, then from its
wording, then from the heading above it. Left out on purpose: modality, polarity and tags.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from govaudit.canonical import file_digest
from govaudit.errors import BadInput
from govaudit.specs import blocks
from govaudit.specs.blocks import Block, Form
from govaudit.specs.model import Clause, Kind, Locator, Origin, Section, Spec
from govaudit.specs.text import read_text

FORMAT = "principles"

Role = Literal["critique", "feedback"]

_ANSWER = r"(?:responses?|answers?|repl(?:y|ies)|outputs?|options?|completions?|messages?"
_CHOICE = re.compile(
    rf"\b(?:choos(?:e|ing)|select|pick|prefer)\b[^.!?]{{0,120}}?\b{_ANSWER}|one)\b"
    rf"|(?:\A|[.!?:]\s)(?:which|compare|rank)\b[^.!?]{{0,120}}?\b{_ANSWER})\b",
    re.IGNORECASE,
)
_CRITIQUE = re.compile(
    r"\A(?:(?:please|briefly|carefully)\s+){0,3}(?:identify|critique|critici[sz]e|point\s+out|list|discuss|explain"
    r"|describe|evaluate|assess|find|note|highlight|think|does|do|did|is|are|was|were|has|what|how|in\s+what)\b",
    re.IGNORECASE,
)
_CRITICISED = re.compile(rf"\b(?:{_ANSWER})|assistant|model|AI|chatbot)\b", re.IGNORECASE)
_NORMATIVE = re.compile(
    r"\b(?:should|must|shall|ought|never|always|avoid|refrain|do\s+not|don['’]t|please)\b", re.IGNORECASE
)
_LABEL = re.compile(
    r"(?:\*\*|__)?(critique|revision)[ _-]?(?:requests?|principles?|prompts?|instructions?)?"
    r"(?:\*\*|__)?[ \t]*:(?:\*\*|__)?[ \t]*",
    re.IGNORECASE,
)
_CRITIQUE_HEADING = re.compile(r"critiqu|critic|revis", re.IGNORECASE)
_FEEDBACK_HEADING = re.compile(r"feedback|compar|preference|choos|choice", re.IGNORECASE)
_NAME = re.compile(r"[\w.:-]{1,60}")
_LINE_IS_WHOLE = re.compile(r"""[.!?:;]["'”’)]{0,3}""")

_WRAPPERS = frozenset(("constitution", "constitutions", "principles", "items", "rules", "clauses"))
_CRITIQUES = ("critiquerequest", "critique", "critic", "critiqueprompt", "critiqueinstruction")
_REVISIONS = (
    "revisionrequest",
    "revision",
    "revise",
    "revisionprompt",
    "revisioninstruction",
    "editrequest",
    "edit",
    "rewriterequest",
    "rewrite",
)
_COMPARISONS = ("comparison", "comparisonprinciple", "feedback", "preference", "choice")
_TEXTS = ("principle", "text", "instruction", "request", "statement", "clause", "rule", "prompt")
_SHAPE = (
    "A principle is a text, an object with the keys critique and revision (or principle), "
    "or a list of a critique and a revision request."
)

_MOST_KEYS = 8
"""How many keys without a meaning are named."""

Member = tuple[str | None, int, int, Any]
"""A member of a JSON object or list: key, line, offset, value."""


@dataclass(slots=True)
class _Principle:
    """One principle on its way to a clause."""

    text: str
    line: int
    start: int | None = None
    end: int | None = None
    revision: str | None = None
    role: Role | None = None
    key: str | None = None
    title: str = ""
    provenance: str | None = None
    tags: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    group: int | None = None
    """Index of the group that it stands in."""


@dataclass(slots=True)
class _Group:
    """A heading, or a key that holds several principles."""

    title: str
    line: int
    depth: int = 1
    parent: int | None = None
    anchor: str | None = None
    lines: list[str] = field(default_factory=list)
    """What stands below it and is no principle."""


@dataclass(slots=True)
class _Found:
    """All that one file holds."""

    path: Path
    title: str = ""
    preamble: list[str] = field(default_factory=list)
    groups: list[_Group] = field(default_factory=list)
    principles: list[_Principle] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)

    def warn(self, line: int, problem: str) -> None:
        self.warnings.append((line, problem))

    def warn_of(self, lines: Sequence[int], problem: str) -> None:
        """One warning about several lines; ``{n}`` in it is how many."""
        if lines:
            where = f" (lines {blocks.listed(lines)})" if len(lines) > 1 else ""
            self.warn(lines[0], problem.replace("{n}", str(len(lines))) + where)

    def fault(self, problem: str, line: int, remedy: str | None = None) -> BadInput:
        return BadInput(problem, path=self.path, line=line, remedy=remedy)


def load(path: Path, *, version: str | None) -> tuple[Spec, tuple[str, ...]]:
    """The spec in a file of principles, and warnings, each with the line that it is about.

    ``version``: the label; such a file does not state it, so without one it is ``unversioned+`` and eight
    digits of the spec's digest. :class:`BadInput`, with line: no text, broken JSON, an entry that is no
    principle, an empty one, a revision request without a critique, prose.
    """
    text = read_text(path)
    found = _Found(path)
    if is_json(text):
        _Json(text, found).read()
    else:
        _Markdown(text, found).read()
    return _spec(found, version)


def is_json(text: str) -> bool:
    """Whether a text begins as a JSON object or list does; a markdown link begins with a bracket too."""
    return re.match(r"\s*(?:\{|\[\s*(?:[\[{\"\]]|\Z))", text) is not None


def is_list(text: str) -> bool:
    """Whether a text that is not JSON is a list, most of whose items read as principles.

    Where most of them neither criticise nor compare answers, prose reads alike: they are a list if they are
    items and hold most of the words, or sentences, one a line, under no heading.
    """
    found = _Found(Path())
    try:
        document = _Markdown(text, found)
        document.read()
    except BadInput:
        return False
    texts = [principle.text for principle in found.principles]
    if not 2 * sum(map(_reads_as_principle, texts)) >= len(texts) > 1:
        return False
    _assign_roles(found)
    if 2 * sum(principle.role is not None for principle in found.principles) >= len(texts):
        return True
    if document.listed:
        return document.beside <= sum(len(text.split()) for text in texts)
    return not found.groups and all(len(list(blocks.sentences(text))) == 1 for text in texts)


def role_of(text: str) -> Role | None:
    """What the wording of a principle is for: a comparison of answers, the critique of one, or neither."""
    if _CHOICE.search(text):
        return "feedback"
    if _CRITIQUE.match(text) and _CRITICISED.search(text):
        return "critique"
    return None


def _reads_as_principle(text: str) -> bool:
    return role_of(text) is not None or _NORMATIVE.search(text) is not None


# From principles to a spec


def _spec(found: _Found, version: str | None) -> tuple[Spec, tuple[str, ...]]:
    _assign_roles(found)
    title = found.title or found.path.stem
    ids = blocks.Ids()
    sections = _sections(found, ids)
    spec = Spec(
        id=blocks.slug(title) or FORMAT,
        title=title,
        version="unversioned",
        origin=Origin(format=FORMAT, digest=file_digest(found.path)),
        preamble="\n".join(found.preamble).strip("\n"),
        sections=sections,
        clauses=_clauses(found, sections, ids),
    )
    warnings = [f"line {line}: {problem}" for line, problem in sorted(found.warnings, key=lambda w: w[0])]
    if version is None:
        version = f"unversioned+{spec.digest[:8]}"
        warnings.append(f"the file does not state its version: here it is {version} (--version names it)")
    return spec.model_copy(update={"version": version}), tuple(warnings)


def _assign_roles(found: _Found) -> None:
    """From the wording, else from the heading, else from all the other principles of the file."""
    for principle in found.principles:
        title = found.groups[principle.group].title if principle.group is not None else ""
        principle.role = principle.role or role_of(principle.text)
        if principle.role is None and _FEEDBACK_HEADING.search(title):
            principle.role = "feedback"
        elif principle.role is None and _CRITIQUE_HEADING.search(title):
            principle.role = "critique"
    untold = [principle for principle in found.principles if principle.role is None]
    lines = [principle.line for principle in untold]
    roles = {principle.role for principle in found.principles if principle.role is not None}
    if len(roles) == 1 and 4 * len(untold) <= len(found.principles):
        (role,) = roles
        for principle in untold:
            principle.role = role
        found.warn_of(lines, f"{{n}} do not say what they are for; all the others are for {role}: so read")
    else:
        found.warn_of(lines, "{n} do not say whether they criticise or compare answers: no role")


def _sections(found: _Found, ids: blocks.Ids) -> tuple[Section, ...]:
    sections: list[Section] = []
    for group in found.groups:
        around = sections[group.parent] if group.parent is not None else None
        sections.append(
            Section(
                id=ids.give(group.anchor or blocks.slug(group.title) or "group"),
                title=group.title,
                depth=group.depth,
                parent=around.id if around else None,
                text="\n".join(group.lines).strip("\n"),
                source=Locator(
                    anchor=group.anchor,
                    path=(*(around.source.path if around else ()), group.title),
                    line=group.line,
                ),
            )
        )
    return tuple(sections)


def _clauses(found: _Found, sections: tuple[Section, ...], ids: blocks.Ids) -> tuple[Clause, ...]:
    number: Counter[int | None] = Counter()
    first: dict[str, int] = {}
    doubtful: list[int] = []
    repeated: list[int] = []
    clauses: list[Clause] = []
    for principle in found.principles:
        section = sections[principle.group] if principle.group is not None else None
        number[principle.group] += 1
        ordinal = f"{section.id if section else 'principle'}-{number[principle.group]}"
        key = principle.key
        named = key if key is not None and _NAME.fullmatch(key) else blocks.slug(key or "")
        kind = Kind.PRINCIPLE if _can_be_kept(principle) else Kind.UNCLASSIFIED
        if kind is Kind.UNCLASSIFIED:
            doubtful.append(principle.line)
        if first.setdefault(" ".join(principle.text.split()), principle.line) != principle.line:
            repeated.append(principle.line)
        clauses.append(
            Clause(
                id=ids.give(named or ordinal),
                title=principle.title,
                text=principle.text,
                kind=kind,
                role=principle.role,
                revision_request=principle.revision,
                provenance=principle.provenance or (section.title if section else None) or None,
                tags=principle.tags,
                section=section.id if section else None,
                attributes=principle.attributes,
                source=Locator(
                    anchor=key or None,
                    path=section.source.path if section else (),
                    line=principle.line,
                    start=principle.start,
                    end=principle.end,
                ),
            )
        )
    found.warn_of(doubtful, "{n} entries do not read as a statement: unclassified")
    found.warn_of(repeated, "{n} principles have the words of an earlier one")
    return tuple(clauses)


def _can_be_kept(principle: _Principle) -> bool:
    """A link, a label or a single word asks for nothing."""
    text = principle.text
    if principle.role is not None or principle.revision is not None:
        return True
    return len(text.split()) > 1 and not text.endswith(":") and not text.startswith(("http:", "https:", "["))


# JSON


_BLANK = re.compile(r"[ \t\n\r]*")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {_brief(key)} is given twice")
        found[key] = value
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number)


def _brief(key: str | None) -> str:
    """A key as a message names it."""
    return repr(key) if key is None or len(key) <= 60 else repr(key[:60] + "…")


def _unrevised(found: _Found) -> list[int]:
    """Lines of critique requests without the revision request that belongs to them."""
    return [p.line for p in found.principles if p.role == "critique" and p.revision is None]


def _plain(key: str | None) -> str:
    """A key without case and punctuation: authors write ``edit request`` and ``edit_request``."""
    return re.sub(r"[\W_]+", "", key or "").lower()


class _Json:
    """Reads the outermost values by hand, because the decoder does not say in which line a value stands."""

    def __init__(self, text: str, found: _Found) -> None:
        self.text, self.found = text, found
        self.ends = [match.start() for match in re.finditer("\n", text)]
        self.unread: dict[str, list[int]] = {}
        """Keys that have no meaning here, with the lines of their entries."""
        self.beside: list[int] = []
        """Lines of words beside the lists."""
        self.left_out: list[tuple[int, str]] = []
        """Lines and keys of lists beside those of a wrapper that hold no principles."""

    def read(self) -> None:
        members, end = self.members(self.blank(0))
        if self.text[end:].strip():
            raise self.found.fault(
                "something follows the end of the JSON value",
                self.line(self.blank(end)),
                "Put all entries into one list.",
            )
        if self.text.lstrip().startswith("["):
            self.several(members, None)
        else:
            self.mapping(members)
        if not self.found.principles:
            raise self.found.fault("the JSON holds no principle", 1, _SHAPE)
        self.found.warn_of(self.beside, "{n} words beside the lists belong to no principle: kept as preamble")
        names = ", ".join(name for _, name in self.left_out[:_MOST_KEYS])
        self.found.warn_of(
            [line for line, _ in self.left_out], f"{{n}} lists hold no principles and are left out: {names}"
        )
        for key, lines in list(self.unread.items())[:_MOST_KEYS]:
            self.found.warn_of(lines, f"the key {_brief(key)} of {{n}} entries is kept without a meaning")
        if len(self.unread) > _MOST_KEYS:
            self.found.warn(1, f"{len(self.unread) - _MOST_KEYS} more keys are kept without a meaning")
        self.found.warn_of(_unrevised(self.found), "{n} critique requests have no revision request")

    def line(self, at: int) -> int:
        return bisect_left(self.ends, at) + 1

    def blank(self, at: int) -> int:
        match = _BLANK.match(self.text, at)
        return match.end() if match else at

    def members(self, at: int) -> tuple[list[Member], int]:
        """Members of the object or list that begins at an offset, and where it ends."""
        text, found = self.text, self.found
        close = "]" if text[at] == "[" else "}"
        members: list[Member] = []
        seen: dict[str, int] = {}
        i = self.blank(at + 1)
        while text[i : i + 1] != close:
            key = None
            if close == "}":
                key, after = self.value(i)
                after = self.blank(after)
                if not isinstance(key, str) or text[after : after + 1] != ":":
                    raise found.fault("a key in quotes and a colon must stand here", self.line(i))
                i = self.blank(after + 1)
            value, after = self.value(i)
            line = self.line(i)
            if key is not None and key in seen:
                raise found.fault(f"the key {_brief(key)} is given twice, first in line {seen[key]}", line)
            if key is not None:
                seen[key] = line
            members.append((key, line, i, value))
            i = self.blank(after)
            if text[i : i + 1] == ",":
                i = self.blank(i + 1)
                if text[i : i + 1] == close:
                    raise found.fault("a comma stands before the closing bracket", self.line(i))
            elif text[i : i + 1] != close:
                raise found.fault("a comma or the closing bracket is missing here", self.line(i))
        return members, i + 1

    def value(self, at: int) -> tuple[Any, int]:
        try:
            value, end = _DECODER.raw_decode(self.text, at)
            json.dumps(value, ensure_ascii=False).encode()
        except json.JSONDecodeError as error:
            raise self.found.fault(f"this is not JSON: {error.msg}", error.lineno) from None
        except UnicodeEncodeError:
            raise self.found.fault("an escape in this entry is half a character", self.line(at)) from None
        except RecursionError:
            raise self.found.fault("the nesting is too deep", self.line(at)) from None
        except ValueError as error:
            raise self.found.fault(f"this JSON cannot be read: {error}", self.line(at)) from None
        return value, end

    def mapping(self, members: list[Member]) -> None:
        """The outermost object: one principle a key, or lists of them and words about them."""
        several = [_holds_several(value) for _, _, _, value in members]
        wrapped = any(_plain(m[0]) in _WRAPPERS and group for m, group in zip(members, several, strict=True))
        for (key, line, at, value), group in zip(members, several, strict=True):
            if not isinstance(value, list | dict) and any(several):
                self.about(key or "", value, line)
            elif not group:
                self.entry(key, line, value, None)
            elif _plain(key) in _WRAPPERS:
                self.several(self.members(at)[0], None)
            elif wrapped and not _all_principles(value):
                self.left_out.append((line, _brief(key)))
            else:
                self.found.groups.append(_Group(key or "", line))
                self.several(self.members(at)[0], len(self.found.groups) - 1)

    def about(self, key: str, value: Any, line: int) -> None:
        """A word beside the lists: the title, or something to keep."""
        if (
            _plain(key) in ("title", "name")
            and isinstance(value, str)
            and value.strip()
            and not self.found.title
        ):
            self.found.title = " ".join(value.split())
            return
        shown = value if isinstance(value, str) else json.dumps(value)
        self.found.preamble.append(f"{key}: {shown}")
        self.beside.append(line)

    def several(self, members: list[Member], group: int | None) -> None:
        for key, line, _, value in members:
            self.entry(key, line, value, group)

    def entry(self, key: str | None, line: int, value: Any, group: int | None) -> None:
        """One text, pair or object."""
        name = f"the entry {_brief(key)}" if key is not None else f"entry {len(self.found.principles) + 1}"
        if isinstance(value, str):
            principle = _Principle(self.words(value, name, line), line)
        elif isinstance(value, list):
            principle = self.pair(value, name, line)
        elif isinstance(value, dict):
            principle = self.keyed(dict(value), name, line)
        else:
            raise self.found.fault(f"{name} is {json.dumps(value)[:40]}, which is no principle", line, _SHAPE)
        principle.key = key if principle.key is None else principle.key
        principle.group = group
        self.found.principles.append(principle)

    def words(self, value: Any, name: str, line: int) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.found.fault(f"{name} is empty or holds no text", line, _SHAPE)
        return value.strip()

    def pair(self, value: list[Any], name: str, line: int) -> _Principle:
        if len(value) != 2 or not all(isinstance(item, str) for item in value):
            raise self.found.fault(f"{name} is a list, but not one of two texts", line, _SHAPE)
        if all(_CHOICE.search(item) for item in value):
            raise self.found.fault(
                f"{name} holds two comparisons of answers, which are no critique and revision",
                line,
                "Make each an entry of its own.",
            )
        text, revision = (self.words(item, name, line) for item in value)
        return _Principle(text, line, role="critique", revision=revision)

    def keyed(self, entry: dict[str, Any], name: str, line: int) -> _Principle:
        written: dict[str, str] = {}
        for key in entry:
            written.setdefault(_plain(key), key)

        def take(*keys: str) -> Any:
            given = next((written[key] for key in keys if written.get(key) in entry), None)
            return entry.pop(given) if given is not None else None

        revision = take(*_REVISIONS)
        role: Role | None = "critique" if revision is not None else None
        text = take(*_CRITIQUES)
        if text is not None:
            role = "critique"
        elif revision is None and (text := take(*_COMPARISONS)) is not None:
            role = "feedback"
        else:
            text = take(*_TEXTS)
        if text is None:
            shown = ", ".join(entry)[:120] or "none besides the revision"
            raise self.found.fault(f"{name} holds no critique or principle; its keys: {shown}", line, _SHAPE)
        principle = _Principle(self.words(text, name, line), line, role=role)
        principle.revision = self.words(revision, name, line) if revision is not None else None
        self.details(principle, entry, written)
        return principle

    def details(self, principle: _Principle, entry: dict[str, Any], written: dict[str, str]) -> None:
        """What an object says of its principle beside the texts; the rest is kept without a meaning."""
        for key, value in entry.items():
            plain = _plain(key) if written.get(_plain(key)) == key else ""
            text = value.strip() if isinstance(value, str) else ""
            if plain == "role" and value in ("critique", "feedback"):
                principle.role = value
            elif plain in ("id", "key", "name") and text and principle.key is None:
                principle.key = text
            elif plain == "title" and text:
                principle.title = text
            elif plain in ("provenance", "source", "origin") and text and principle.provenance is None:
                principle.provenance = text
            elif plain == "tags" and isinstance(value, list) and all(isinstance(tag, str) for tag in value):
                principle.tags = tuple(value)
            else:
                kept = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                principle.attributes[key] = kept
                self.unread.setdefault(key, []).append(principle.line)


def _holds_several(value: Any) -> bool:
    """Whether a value in the outermost object holds several principles rather than one."""
    if isinstance(value, dict):
        return not {*_CRITIQUES, *_REVISIONS, *_COMPARISONS, *_TEXTS} & {_plain(key) for key in value}
    if isinstance(value, list):
        pair = len(value) == 2 and all(isinstance(item, str) for item in value)
        return not pair or all(_CHOICE.search(item) for item in value)
    return False


def _all_principles(value: Any) -> bool:
    """Whether every member of a list or an object could be a principle."""
    members = list(value.values()) if isinstance(value, dict) else value
    return all(isinstance(m, str) or (isinstance(m, dict | list) and not _holds_several(m)) for m in members)


# Markdown and plain text


_BOLD_RANK, _LABEL_RANK = 10, 20
"""What groups by a line in bold stands below every heading; what groups by an item, below both."""


@dataclass(slots=True)
class _Unit:
    """The lines of one item, paragraph or line of text: one principle, or part of a labelled pair."""

    lines: list[tuple[int, str]]
    start: int
    end: int
    group: int | None


class _Markdown:
    def __init__(self, text: str, found: _Found) -> None:
        self.found = found
        self.blocks = blocks.split(text, found.path)
        self.around: list[tuple[int, int]] = []
        """Rank and index of the groups that the next block stands in, outermost first."""
        self.units: list[_Unit] = []
        self.beside = 0
        """Words in paragraphs that are no principles."""
        self.bold: list[int] = []
        """Lines wholly in bold."""
        self.listed = any(block.form is Form.ITEM for block in self.blocks)
        """Whether principles are items of lists; without any, they are paragraphs or their lines."""

    def read(self) -> None:
        parents = {block.inside for block in self.blocks if block.form is Form.ITEM}
        i = 0
        while i < len(self.blocks):
            block, after = self.blocks[i], i + 1
            bold = blocks.pseudo_heading(block) if block.inside is None else None
            if block.form is Form.HEADING:
                self.group(block, block.text, block.level, block.anchor)
            elif bold is not None:
                self.group(block, bold, _BOLD_RANK)
                self.bold.append(block.line)
            elif block.form is Form.ITEM and i in parents and _is_label(block.words):
                label = blocks.bold_lead(block.words)[0] or block.words
                self.group(block, label.rstrip(":"), _LABEL_RANK + block.level)
            elif block.form is Form.ITEM:
                self.leave(_LABEL_RANK + block.level)
                after = self.item(i)
            elif block.form is Form.PARAGRAPH and (not self.listed or _LABEL.match(block.text)):
                self.units += self.paragraph(block)
            else:
                self.keep(block)
            i = after
        outermost = [group.title for group in self.found.groups if group.depth == 1]
        self.found.title = outermost[0] if len(outermost) == 1 else ""
        self.judge()
        self.pair()
        self.found.warn_of(self.bold, "{n} lines wholly in bold are read as headings")

    def leave(self, rank: int) -> None:
        while self.around and self.around[-1][0] >= rank:
            self.around.pop()

    def group(self, block: Block, title: str, rank: int, anchor: str | None = None) -> None:
        self.leave(rank)
        parent = self.around[-1][1] if self.around else None
        groups = self.found.groups
        depth = rank if rank < _BOLD_RANK else (groups[parent].depth if parent is not None else 0) + 1
        groups.append(_Group(title, block.line, depth, parent, anchor))
        self.around.append((rank, len(groups) - 1))

    def keep(self, block: Block) -> None:
        lines = [line for _, line in block.lines]
        if block.form is Form.PARAGRAPH:
            self.beside += len(block.text.split())
        kept = self.found.groups[self.around[-1][1]].lines if self.around else self.found.preamble
        kept += [*lines, ""]

    @property
    def here(self) -> int | None:
        return self.around[-1][1] if self.around else None

    def item(self, i: int) -> int:
        """One item and all that stands in it; returns the index after it."""
        first, inside, after = self.blocks[i], {i}, i + 1
        lines = _lines(first)
        while after < len(self.blocks) and self.blocks[after].inside in inside:
            inside.add(after)
            lines += _lines(self.blocks[after], "- ")
            after += 1
        self.units.append(_Unit(lines, first.start, self.blocks[after - 1].end, self.here))
        return after

    def paragraph(self, block: Block) -> Iterator[_Unit]:
        """A paragraph as one unit, or each of its lines where every line is a sentence of its own."""
        lines = _lines(block)
        whole = all(_LINE_IS_WHOLE.search(line[-4:]) or _LABEL.match(line) for _, line in lines)
        if not whole or any(_LABEL.match(line) for _, line in lines):
            yield _Unit(lines, block.start, block.end, self.here)
            return
        at = block.start
        for (number, line), raw in zip(lines, block.text.split("\n"), strict=True):
            start = at + len(raw) - len(raw.lstrip())
            yield _Unit([(number, line)], start, start + len(line), self.here)
            at += len(raw) + 1

    def judge(self) -> None:
        """Refuse prose: it has few lists, or what its lists and paragraphs say asks for nothing."""
        found = self.found
        if not self.units:
            raise found.fault(
                "there is no list and no line that could be a principle", 1, "Name another --format."
            )
        texts = [" ".join(line for _, line in unit.lines) for unit in self.units]
        asking = sum(_reads_as_principle(text) or _LABEL.match(text) is not None for text in texts)
        words = sum(len(text.split()) for text in texts)
        what = f"{asking} of {len(texts)} {'items' if self.listed else 'lines'} read as a principle"
        if 2 * asking < len(texts) and (not self.listed or self.beside > words):
            beside = f", and {self.beside} words stand outside its lists" if self.listed else ""
            raise found.fault(
                f"this is no list of principles: {what}{beside}",
                self.units[0].lines[0][0],
                "For a constitution in prose say --format prose.",
            )

    def pair(self) -> None:
        """Units as principles; a labelled revision request joins the critique request before it."""
        found = self.found
        waiting: _Principle | None = None
        for unit in self.units:
            parts = _parts(unit.lines)
            title = ""
            if len(parts) > 1 and parts[0][0] is None:
                title = (blocks.bold_lead(parts[0][2])[0] or parts[0][2]).rstrip(":")
                parts = parts[1:]
            for label, line, text in parts:
                if label == "revision":
                    if waiting is None or waiting.revision is not None:
                        raise found.fault("a revision request stands here without its critique request", line)
                    waiting.revision, waiting.end = text, unit.end
                    continue
                principle = _Principle(text, line, unit.start, unit.end, title=title, group=unit.group)
                principle.role = "critique" if label == "critique" else None
                waiting = principle if label == "critique" else None
                found.principles.append(principle)
        found.warn_of(_unrevised(found), "{n} critique requests have no revision request")


def _is_label(words: str) -> bool:
    """Whether an item with items inside it is their heading rather than a principle with details."""
    return words.endswith(":") or not blocks.bold_lead(words)[1]


def _lines(block: Block, mark: str = "") -> list[tuple[int, str]]:
    """The words of an item or a paragraph by line; ``mark`` stands before an item inside another."""
    texts = block.text.split("\n")
    lines = [(number, text.strip()) for (number, _), text in zip(block.lines, texts, strict=True)]
    number, text = lines[0]
    if mark and block.form is Form.ITEM and not _LABEL.match(text):
        lines[0] = (number, mark + text)
    return lines


def _parts(lines: list[tuple[int, str]]) -> list[tuple[str | None, int, str]]:
    """Label (critique, revision or none), line and text of what a unit consists of."""
    parts: list[tuple[str | None, int, list[str]]] = []
    for number, line in lines:
        label = _LABEL.match(line)
        if label is not None and line[label.end() :].strip():
            parts.append((label[1].lower(), number, [line[label.end() :]]))
        elif not parts:
            parts.append((None, number, [line]))
        else:
            parts[-1][2].append(line)
    return [(label, number, _joined(texts)) for label, number, texts in parts]


def _joined(lines: list[str]) -> str:
    """Wrapped lines as one; an item inside begins a line."""
    return re.sub(
        r" (?=\n)|(?<=\n) ", "", " ".join(f"\n{line}" if line.startswith("- ") else line for line in lines)
    )
