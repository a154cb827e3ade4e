"""One door for every spec file: names or recognises its form and calls that form's module.

In: a path and, where the user knows better, the form. Out: the spec and what its importer could not place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from govaudit.errors import BadInput
from govaudit.specs import native, openai_model_spec
from govaudit.specs.model import Spec
from govaudit.specs.text import read_text

NATIVE = "native"
FORMATS = (NATIVE, openai_model_spec.FORMAT)
LATER = ("principles", "prose")

_YAML = frozenset((".yaml", ".yml"))
_CLAUSES = re.compile(r"""^[ \t]*["']?clauses["']?[ \t]*:""", re.MULTILINE)
_ANCHOR = re.compile(r"^#{1,6}[ \t].*\{#", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A spec, and one sentence for each thing in its file that has no place in it or leads nowhere."""

    spec: Spec
    warnings: tuple[str, ...] = ()


def load_spec(
    path: Path, *, format: str | None = None, version: str | None = None, prompts: Path | None = None
) -> Loaded:
    """The spec in a file, native or imported.

    ``format`` is one of :data:`FORMATS`; without it the form is told from the file. ``version`` names the
    version, ``prompts`` the prompt files, both only of documents that do not bring them along.
    :class:`BadInput` for an unknown form, and for whatever the form's module refuses.
    """
    if format is None:
        format = detect(path)
    elif format in LATER:
        raise BadInput(f"the format {format} is not supported in this version of govaudit", remedy=_known())
    elif format not in FORMATS:
        raise BadInput(f"there is no format {format!r}", remedy=_known())
    if format == openai_model_spec.FORMAT:
        return Loaded(*openai_model_spec.load(path, version=version, prompts=prompts))
    if prompts is not None:
        raise BadInput(
            "a native spec brings its prompts along",
            path=path,
            remedy="Leave --prompts out, or import the document that the prompts belong to.",
        )
    spec = native.load(path)
    if version is None or version == spec.version:
        return Loaded(spec)
    told = f"the file calls itself version {spec.version}: here it is {version}"
    return Loaded(spec.model_copy(update={"version": version}), (told,))


def detect(path: Path) -> str:
    """The form of a file: YAML or JSON with ``clauses``, or markdown whose headings have anchors.

    :class:`BadInput` if it is neither.
    """
    text = read_text(path)
    if path.suffix.lower() in _YAML:
        return NATIVE
    if _ANCHOR.search(text):
        return openai_model_spec.FORMAT
    if _CLAUSES.search(text):
        return NATIVE
    raise BadInput(
        "the form of this file is not known: neither YAML with clauses nor headings that carry {#anchor}",
        path=path,
        remedy=_known(),
    )


def _known() -> str:
    return f"Supported are {', '.join(FORMATS)}; {' and '.join(LATER)} are not yet."
