"""Documentation that cannot rot: every command has help and is in the docs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from govaudit.cli import app

ROOT = Path(__file__).resolve().parent.parent
DOCS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


# Typer brings its own copy of click or uses the installed one, by version: types are told by what they have.
def commands(group: Any, prefix: str = "govaudit") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name: str) -> None:
    assert COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_docs(name: str) -> None:
    assert f"## `{name}" in DOCS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_docs_of_its_command(name: str) -> None:
    section = DOCS.split(f"## `{name}")[1].split("\n## ")[0]
    for parameter in COMMANDS[name].params:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.name
            assert any(f"`{flag}" in section for flag in parameter.opts), parameter.opts


def test_every_relative_link_in_the_docs_leads_somewhere() -> None:
    import re

    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
