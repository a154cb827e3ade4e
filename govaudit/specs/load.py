"""One door for every spec file: names or recognises its form and calls that form's module.

In: a path and, where the user knows better, the form; overlays that decide about its clauses. Out: the spec
and what its importer could not place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from govaudit.errors import BadInput
from govaudit.specs import native, openai_model_spec, overlay, principles, prose
from govaudit.specs.model import Spec
from govaudit.specs.text import read_text

NATIVE = "native"
FORMATS = (NATIVE, openai_model_spec.FORMAT, principles.FORMAT, prose.FORMAT)

_YAML = frozenset((".yaml", ".yml"))
_CLAUSES = re.compile(r"""^[ \t]*["']?clauses["']?[ \t]*:""", re.MULTILINE)
_JSON_CLAUSES = re.compile(r"""\A\s*\{[^\[\]]{0,2000}?"clauses"\s*:\s*\[""")
_HEADING = re.compile(r"^(?: {0,3}#{1,6}[ \t]+\S| {0,3}\S.*\n {0,3}=+[ \t]*$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A spec, and one sentence for each thing in its file that has no place in it or leads nowhere."""

    spec: Spec
    warnings: tuple[str, ...] = ()


def load_spec(
    path: Path,
    *,
    format: str | None = None,
    version: str | None = None,
    prompts: Path | None = None,
    overlays: Sequence[Path] = (),
) -> Loaded:
    """The spec in a file, native or imported.

    ``format`` is one of :data:`FORMATS`; without it the form is told from the file. ``version`` names the
    version, ``prompts`` the prompt files, both only of documents that do not bring them along. ``overlays``
    are applied one after the other. :class:`BadInput` for an unknown form, for whatever the form's module
    refuses, and for an overlay that does not fit.
    """
    if format is None:
        format = detect(path)
    elif format not in FORMATS:
        raise BadInput(f"there is no format {format!r}", remedy=_known())
    if prompts is not None and format != openai_model_spec.FORMAT:
        whose = (
            "a native spec brings its prompts along" if format == NATIVE else f"{format} has no prompt files"
        )
        raise BadInput(
            whose,
            path=path,
            remedy="Leave --prompts out, or import the document that the prompts belong to.",
        )
    loaded = _read(path, format, version, prompts)
    for file in overlays:
        spec, told = overlay.apply(loaded.spec, overlay.load(file), path=file)
        loaded = Loaded(spec, (*loaded.warnings, *(f"{file.name}: {warning}" for warning in told)))
    return loaded


def _read(path: Path, format: str, version: str | None, prompts: Path | None) -> Loaded:
    if format == openai_model_spec.FORMAT:
        return Loaded(*openai_model_spec.load(path, version=version, prompts=prompts))
    if format == principles.FORMAT:
        return Loaded(*principles.load(path, version=version))
    if format == prose.FORMAT:
        return Loaded(*prose.load(path, version=version))
    spec = native.load(path)
    if version is None or version == spec.version:
        return Loaded(spec)
    told = f"the file calls itself version {spec.version}: here it is {version}"
    return Loaded(spec.model_copy(update={"version": version}), (told,))


def detect(path: Path) -> str:
    """The form of a file, told from its name and its first look.

    YAML or JSON with ``clauses`` is native, other JSON a list of principles; markdown whose headings
    declare an authority is the form of the OpenAI Model Spec; a list most of whose items or lines read as
    principles (:func:`principles.is_list`) is one of them; any other text with headings is prose.
    :class:`BadInput` if it is none.
    """
    text = read_text(path)
    if path.suffix.lower() in _YAML:
        return NATIVE
    if prose.declares_authority(text):
        return openai_model_spec.FORMAT
    if _CLAUSES.search(text) or _JSON_CLAUSES.match(text):
        return NATIVE
    if principles.is_json(text) or principles.is_list(text):
        return principles.FORMAT
    if _HEADING.search(text):
        return prose.FORMAT
    raise BadInput(
        "the form of this file is not known: neither YAML with clauses, nor a list of principles, nor a text "
        "with headings",
        path=path,
        remedy=f"Mark the headings of a text in prose with #, or name the form with --format. {_known()}",
    )


def _known() -> str:
    return f"Supported are {', '.join(FORMATS)}."
