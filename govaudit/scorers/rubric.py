"""A rubric is a written rating protocol: what is asked, which verdicts are offered, what each of them means.

In: a Markdown file of ``scorers/`` (or of the user's own folder) whose front matter is YAML and whose text is
the instruction that a judge or a person reads. Out: a frozen :class:`Rubric` with a digest, the reading of a
verdict in words (:func:`normalise`), and what it says about a clause (:func:`broken`). Left out: how a judge
is asked (``judge``) and how people are (``people``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from govaudit import library
from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.records import RaterKind, Scale
from govaudit.specs.model import Expected

FIELDS: tuple[str, ...] = ("{clause}", "{conversation}", "{answer}")
"""What a template must have in it, each once; nothing else in it is filled in."""
PAIR_FIELDS = ("{conversation}", "{first}", "{second}")
"""The same for a rubric that compares two answers."""
CHOICE_FIELDS = ("{conversation}", "{options}")
"""The same for a rubric by which an arm chooses between lettered answers."""
BARE_FIELDS: tuple[str, ...] = ("{conversation}", "{answer}")
"""The same for a rubric that speaks of no clause."""

Measurement = Literal["harmfulness", "sycophancy"]
"""What a rubric measures whatever a clause says."""

Pairwise = Literal["old", "new", "helpful"]
"""What a comparison is about: harmlessness under the old or the new instruction, or helpfulness."""

_FENCE = "---"


@dataclass(frozen=True)
class Option:
    """One verdict that a rubric offers."""

    label: str
    meaning: str
    broken_if: tuple[Expected, ...] = ()
    """Expected behaviours under which this verdict says that the clause is broken."""
    aliases: tuple[str, ...] = ()
    """Other spellings of the same verdict, as labelled data use them."""


@dataclass(frozen=True)
class Rubric:
    """A rating protocol."""

    name: str
    version: str
    question: str
    """The proposition, in one sentence."""
    scale: Scale
    """Of the verdicts as offered. What a verdict says about a clause is binary: see :func:`broken`."""
    verdicts: tuple[Option, ...]
    instruction: str
    """Markdown that a judge or a person reads."""
    applies_to: tuple[Expected, ...]
    """Expected behaviours for which its verdicts say something about the clause."""
    raters: tuple[RaterKind, ...]
    """Kinds of rater that may apply it."""
    sees_reasoning: bool = False
    """True where a judge also reads the reasoning that came with the answer."""
    template: str = ""
    """What a judge is asked, with :data:`FIELDS` in it, in place of the guarded default. For judges that
    know one form only."""
    pairwise: Pairwise | None = None
    """What two answers are compared for; ``None`` where single answers are judged."""
    prompts: tuple[str, ...] = ()
    """Of a rubric that compares: tags of the prompts that it is for, besides those that ``applies_to`` tells
    by what they expect."""
    measurement: Measurement | None = None
    """What its verdicts measure, where they speak of no clause; rubrics of one measurement ask one question.
    ``None`` where a verdict is about a clause."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical content: another wording is another rubric."""
        # Rubrics without a template keep the digest that they had before there were templates.
        own: dict[str, Any] = {"template": self.template} if self.template else {}
        if self.pairwise:
            own |= {"pairwise": self.pairwise, "prompts": list(self.prompts)}
        if self.measurement:
            own |= {"measurement": self.measurement}
        return digest(
            {
                "name": self.name,
                "version": self.version,
                "question": self.question,
                "scale": self.scale,
                "verdicts": [
                    {
                        "label": option.label,
                        "meaning": option.meaning,
                        "broken_if": list(option.broken_if),
                        "aliases": list(option.aliases),
                    }
                    for option in self.verdicts
                ],
                "instruction": self.instruction,
                "applies_to": list(self.applies_to),
                "raters": list(self.raters),
                "sees_reasoning": self.sees_reasoning,
                **own,
            }
        )

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(option.label for option in self.verdicts)

    @property
    def judges_clauses(self) -> bool:
        """Can one of its verdicts say that a clause is broken? Propositions and comparisons cannot."""
        return any(option.broken_if for option in self.verdicts)

    @cached_property
    def _spellings(self) -> dict[str, str]:
        return {
            spelling.casefold(): option.label
            for option in self.verdicts
            for spelling in (option.label, *option.aliases)
        }


def normalise(rubric: Rubric, text: str) -> str | None:
    """The offered label that ``text`` names, or ``None``: an invalid verdict, which is never a class.

    Only the whole text counts, stripped and without regard to case. A label somewhere in a sentence is no
    verdict: judges that refuse to judge mention labels too.
    """
    return rubric._spellings.get(text.strip().casefold())


def broken(rubric: Rubric, label: str, expected: Expected) -> float:
    """1.0 where the verdict says that the clause is broken, 0.0 where it says that it is kept.

    ``ValueError`` where the rubric does not apply to that expected behaviour or never offered the label.
    """
    if expected not in rubric.applies_to:
        raise ValueError(f"rubric {rubric.name!r} says nothing where the clause expects {expected.value!r}")
    for option in rubric.verdicts:
        if option.label == label:
            return float(expected in option.broken_if)
    raise ValueError(f"rubric {rubric.name!r} offers no verdict {label!r}")


def load(name: str, folder: Path | None = None, *, fit: Callable[[Rubric], bool] = lambda _: True) -> Rubric:
    """The rubric in ``<name>.md``; ``folder`` is a folder of the user's own that is looked into first.

    :class:`BadInput` with file and line for broken YAML, an unknown or missing key, a verdict that is offered
    twice, and for a missing file, with the names of the built-in rubrics that would ``fit``.
    """
    try:
        path = library.path("scorers", f"{name}.md", folder)
    except BadInput:
        raise BadInput(
            f"there is no rubric {name!r}", remedy=f"Built in are: {', '.join(names(fit))}."
        ) from None
    return loads(path.read_text(encoding="utf-8"), path)


def names(fit: Callable[[Rubric], bool] = lambda _: True) -> list[str]:
    """Names of the built-in rubrics that ``fit``."""
    files = sorted((library.root() / "scorers").glob("*.md"))
    return [path.stem for path in files if path.stem != "README" and fit(load(path.stem))]


def of_clauses(name: str, kind: RaterKind) -> Rubric:
    """The rubric of that name, for a rater of that kind who judges clauses, or measures answers, by it.

    :class:`BadInput` for one whose verdicts do neither, and for one that is not for such raters.
    """

    def fits(rubric: Rubric) -> bool:
        return (rubric.judges_clauses or rubric.measurement is not None) and kind in rubric.raters

    rubric = load(name, fit=fits)
    if fits(rubric):
        return rubric
    if rubric.pairwise is not None:
        problem = "compares two answers, and here clauses are judged"
    elif not rubric.judges_clauses and rubric.measurement is None:
        problem = "asks about the manner of an answer: none of its verdicts breaks a clause"
    else:
        problem = f"is for {', '.join(rubric.raters)}, and here a rater of the kind {kind.value} is to judge"
    raise BadInput(
        f"the rubric {name!r} {problem}", remedy=f"Clauses are judged by: {', '.join(names(fits))}."
    )


def loads(text: str, path: Path | None = None) -> Rubric:
    """The rubric that a Markdown text holds; errors as for :func:`load`."""
    lines = text.replace("\r\n", "\n").split("\n")
    ends = [number for number, line in enumerate(lines) if line.rstrip() == _FENCE]
    if len(ends) < 2 or ends[0] != 0:
        raise BadInput(
            "this rubric has no front matter", path=path, line=1, remedy="Begin it with YAML between two ---."
        )
    front = _front_matter("\n".join(lines[1 : ends[1]]), path)
    instruction = "\n".join(lines[ends[1] + 1 :]).strip()
    if not instruction:
        raise BadInput("this rubric has no instruction", path=path, line=ends[1] + 1)
    return Rubric(
        name=front.name,
        version=front.version,
        question=front.question,
        scale=front.scale,
        verdicts=tuple(
            Option(option.label, option.meaning, option.broken_if, option.aliases)
            for option in front.verdicts
        ),
        instruction=instruction,
        applies_to=front.applies_to,
        raters=front.raters,
        sees_reasoning=front.sees_reasoning,
        template=front.template,
        pairwise=front.pairwise,
        prompts=front.prompts,
        measurement=front.measurement,
    )


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Verdict(_Part):
    label: Annotated[str, Field(min_length=1)]
    meaning: Annotated[str, Field(min_length=1)]
    broken_if: tuple[Expected, ...] = ()
    aliases: tuple[str, ...] = ()


class _FrontMatter(_Part):
    schema_version: Literal["1.0"]
    name: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]
    question: Annotated[str, Field(min_length=1)]
    scale: Scale
    applies_to: Annotated[tuple[Expected, ...], Field(min_length=1)]
    raters: Annotated[tuple[RaterKind, ...], Field(min_length=1)]
    sees_reasoning: bool = False
    template: str = ""
    pairwise: Pairwise | None = None
    prompts: tuple[str, ...] = ()
    measurement: Measurement | None = None
    verdicts: Annotated[tuple[_Verdict, ...], Field(min_length=2)]


def _front_matter(text: str, path: Path | None) -> _FrontMatter:
    try:
        data = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise BadInput(f"this YAML cannot be read ({error.problem})", path=path, line=line) from error
    try:
        front = _FrontMatter.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"{place}: {first['msg']}" if place else first["msg"],
            path=path,
            line=_line(data, first["loc"]),
            remedy="scorers/README.md names the keys of a rubric.",
        ) from error
    if (front.pairwise is not None) is not (front.scale is Scale.PAIRWISE):
        raise BadInput(
            "`pairwise: old, new or helpful` and `scale: pairwise` go together",
            path=path,
            line=_line(data, ("scale",)),
        )
    if front.scale is Scale.ORDINAL and not all(option.label.isdigit() for option in front.verdicts):
        raise BadInput(
            "the labels of an ordinal scale are whole numbers, in quotes",
            path=path,
            line=_line(data, ("verdicts",)),
        )
    fields = PAIR_FIELDS if front.pairwise else BARE_FIELDS if front.measurement else FIELDS
    if front.scale is Scale.CHOICE:
        fields = CHOICE_FIELDS
    if front.template and (missing := [name for name in fields if front.template.count(name) != 1]):
        raise BadInput(
            f"the template must have {' and '.join(missing)} in it, each once",
            path=path,
            line=_line(data, ("template",)),
            remedy="Or leave out `template`: the judge is then asked in the guarded default form.",
        )
    if front.template and front.sees_reasoning:
        raise BadInput(
            "a template has no place for reasoning",
            path=path,
            line=_line(data, ("sees_reasoning",)),
            remedy="Leave out `sees_reasoning` or `template`.",
        )
    taken: set[str] = set()
    for number, option in enumerate(front.verdicts):
        spellings = {spelling.strip().casefold() for spelling in (option.label, *option.aliases)}
        if again := spellings & taken:
            raise BadInput(
                f"the verdict {min(again)!r} is offered twice",
                path=path,
                line=_line(data, ("verdicts", number, "label")),
            )
        taken |= spellings
    return front


def _line(data: Any, place: tuple[str | int, ...]) -> int:
    """1-based line, in the whole file, of the deepest part of ``place`` that the YAML has."""
    row = 0
    for part in place:
        marks = getattr(data, "lc", None)
        if marks is None or marks.data is None or part not in marks.data:
            break
        row = marks.data[part][0]
        data = data[part]
    # One line for the opening fence, one because lines are counted from 1.
    return row + 2
