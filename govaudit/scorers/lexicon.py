"""Lexicons: files of named groups of regular expressions that the checks look for in a sentence.

In: a YAML file of ``scorers/lexicons/`` or of the user's own folder. Out: its data, and each group as one
compiled pattern. Left out: which groups a check needs, and what they come to (``refusal``, ``style``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from govaudit import library
from govaudit.errors import BadInput


@dataclass(frozen=True)
class Cue:
    """One group of patterns."""

    pattern: re.Pattern[str]
    needs: re.Pattern[str] | None = None
    """Cheap to search: a text without it does not show the cue."""

    def search(self, text: str) -> bool:
        """Whether a sentence, in lower case, shows the cue."""
        if self.needs is not None and self.needs.search(text) is None:
            return False
        return self.pattern.search(text) is not None


def read(name: str, keys: Collection[str], folder: Path | None = None) -> tuple[dict[str, Any], Path]:
    """The content of ``lexicons/<name>.yaml`` and where it lies; ``folder`` is looked into first.

    :class:`BadInput` with file and line for broken YAML, and for other keys than ``keys``.
    """
    path = library.path("scorers", f"lexicons/{name}.yaml", folder)
    try:
        data: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"this YAML cannot be read ({error.problem})", path=path, line=line) from error
    if not isinstance(data, dict) or data.keys() != set(keys):
        raise BadInput(f"this is no lexicon {name!r}", path=path, remedy=f"Keys: {sorted(keys)}.")
    return data, path


def compiled(groups: Mapping[str, Any], names: Collection[str], parts: Mapping[str, str]) -> dict[str, Cue]:
    """The cue of each group: its ``patterns``, and the words of which it ``needs`` one, if it names any.

    ``{part}`` in a pattern stands for a part. ``ValueError`` for other groups than ``names``, ``re.error``
    for what is no regular expression.
    """
    if groups.keys() != set(names):
        raise ValueError(f"expected {sorted(names)}, found {sorted(groups)}")
    found = {}
    for name, group in groups.items():
        text = "|".join(f"(?:{pattern})" for pattern in group["patterns"])
        for part, words in parts.items():
            text = text.replace(f"{{{part}}}", words)
        needs = group.get("needs")
        found[name] = Cue(
            re.compile(text), None if needs is None else re.compile(rf"\b(?:{alternatives(needs)})\b")
        )
    return found


def alternatives(words: str) -> str:
    """``a| b|c`` as it stands folded over lines in YAML, without the blanks."""
    return "|".join(word.strip() for word in words.split("|"))
