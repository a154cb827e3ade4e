"""Who may import whom, read from the syntax trees: a layer imports only layers below it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "govaudit"
LAYERS = (
    {"errors"},
    {"stats"},
    {"canonical", "library", "records", "specs"},
    {"models", "scorers"},
    {"request", "evals"},
    {"reports"},
    {"train"},
    {"deciding"},
    {"plan"},
    {"costs"},
    {"planning"},
    {"keeping"},
    {"answering", "judging"},
    {"sequential"},
    {"audit", "gauge", "_registry"},
    {"instrument"},
    {"importing"},
    {"comparing"},
    {"cli"},
    {"__main__"},
)
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
TORCH = {"models/engine.py", "models/untrained.py", "scorers/preference.py"}
INSPECT = {
    "models/provider.py",
    "models/secrets.py",
    "models/recorded.py",
    "evals/tasks.py",
    "evals/run.py",
    "evals/rate_judge.py",
    "evals/rate_pairs.py",
    "evals/foreign.py",
    "evals/rate_choices.py",
    "answering.py",
    "sequential.py",
}


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "_library" not in path.parts]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_layers_below_its_own(path: Path) -> None:
    own = room(path)
    if own == "__init__":
        return
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "govaudit" and len(parts) > 1 and parts[1] in RANK and parts[1] != own:
            siblings = {own, parts[1]} <= {"records", "specs", "canonical", "library"}
            assert RANK[parts[1]] < RANK[own] or siblings, f"{own} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_torch_and_inspect_stay_in_their_files(path: Path) -> None:
    own = str(path.relative_to(PACKAGE))
    roots = {name.split(".")[0] for name in imported(path)}
    if roots & {"torch", "transformers", "peft", "safetensors"}:
        assert own in TORCH or own.startswith("train/")
    if "inspect_ai" in roots:
        assert own in INSPECT


@pytest.mark.parametrize(
    "name", ["stats.verdict", "specs.load", "records", "reports.findings", "reports.html"]
)
def test_rooms_without_models_import_neither_inspect_nor_torch(name: str) -> None:
    code = f"import sys, govaudit.{name}; print([m for m in ('inspect_ai', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_content_folder_is_a_python_package() -> None:
    for folder in ("specs", "evals", "scorers", "reports"):
        assert not list((ROOT / folder).rglob("__init__.py"))


def test_nothing_imports_a_content_folder() -> None:
    for path in modules():
        assert not {name.split(".")[0] for name in imported(path)} & {"specs", "evals", "scorers", "reports"}
