"""The four published versions of the OpenAI Model Spec, each imported once, and where their lines went."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from govaudit.specs import openai_model_spec
from govaudit.specs.model import Spec

Published = Callable[[str], tuple[Spec, tuple[str, ...]]]
Lost = Callable[[Spec, str], list[tuple[int, str]]]


@pytest.fixture(scope="session")
def published(data: Path) -> Published:
    folder = data / "openai-model-spec"

    @cache
    def load(version: str) -> tuple[Spec, tuple[str, ...]]:
        return openai_model_spec.load(
            folder / f"{version}.md", version=version, prompts=folder / f"{version}.prompts.jsonl"
        )

    return load


COMMENTARY = re.compile(r"""!!!\s+meta\s+["']Commentary["']\s*""")
LABEL = re.compile(r"<!--\s*(?:GOOD|BAD|OK)((?:\s*\[#[^\]]*\])*)\s*[:,]?\s*")
TAG = re.compile(r"""</?([A-Za-z_][\w.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*/?>""")
ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _cut(text: str) -> list[str]:
    """The parts of a line that are content: without tags, labels and the signs of references."""
    text = LABEL.sub(lambda match: "\0" + re.sub(r"[\[\]#,]", "\0", match[1]) + "\0", text)
    text = re.sub("-->|<!--", "\0", text)
    values = re.compile(r"""([\w:.-]+)\s*=\s*["']([^"']*)["']""")
    return TAG.sub(lambda m: "\0" + "\0".join("\0".join(v) for v in values.findall(m[2])) + "\0", text).split(
        "\0"
    )


def _pieces(line: str) -> list[str]:
    if COMMENTARY.fullmatch(line) or re.fullmatch(r" {0,3}(~{3,}|`{3,}).*", line):
        return []
    caption = re.fullmatch(r"\*\*Example(?:\*\*:|:\*\*|\*\*)[ \t]*(.*)", line)
    if caption is not None:
        return _cut(caption[1])
    heading = re.fullmatch(r"#{1,6}[ \t]+(.*?)[ \t]*(?:\{([^{}]*)\}?)?[ \t]*", line)
    if heading is not None:
        words = re.split(r"""[\s="'#]+""", heading[2] or "")
        return [*_cut(heading[1]), *(word for word in words if word != "authority")]
    return _cut(line)


def _lost(spec: Spec, source: str) -> list[tuple[int, str]]:
    """Line number and text of every piece of the source that stands in no field of the spec."""
    kept = "\n".join(_strings(spec.model_dump(mode="json")))
    missing = []
    for number, line in enumerate(source.split("\n"), 1):
        for piece in map(str.strip, _pieces(line)):
            plain = piece
            for entity, character in ENTITIES.items():
                plain = plain.replace(entity, character)
            if piece not in kept and plain not in kept:
                missing.append((number, piece))
    return missing


@pytest.fixture(scope="session")
def lost() -> Lost:
    """Finds what of a source document stands in no field of the spec that was imported from it."""
    return _lost
