"""The wheel, installed where nothing else is: one top-level name, and the README's commands run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


def run(*args: object, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        list(map(str, args)),
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **extra},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it needs, without the checkout on its path."""
    folder = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    # The torch of this environment, so that no other build is fetched.
    torch = run(sys.executable, "-c", "import torch; print(torch.__version__)", cwd=folder).stdout.strip()
    run(python, "-m", "pip", "install", "--quiet", f"torch=={torch}", f"{wheel}[hf]", cwd=folder)
    return folder


def test_the_wheel_installs_one_top_level_name(wheel: Path) -> None:
    """Our content folders have generic names: OpenAI's distribution ``evals`` must survive beside us."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"govaudit"}
    for content in (
        "specs/house-rules.yaml",
        "evals/clauses.py",
        "scorers/compliance.md",
        "reports/audit.html.j2",
    ):
        assert f"govaudit/_library/{content}" in names
    assert not [name for name in names if name.endswith("__init__.py") and "_library" in name]


def test_the_commands_of_the_readme_run_from_the_wheel(installed: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    session = readme.split("## A session")[1].split("\n## ")[0]
    commands = re.findall(r"^\$ govaudit (.+?)$", session, re.MULTILINE)
    assert len(commands) >= 3
    govaudit = installed / "venv" / "bin" / "govaudit"
    for command in commands:
        run("sh", "-c", f"{govaudit} {command}", cwd=installed)


def test_the_built_in_audit_runs_from_the_wheel(installed: Path) -> None:
    govaudit = installed / "venv" / "bin" / "govaudit"
    done = run(govaudit, "audit", "--limit", 10, "-o", "small", "--json", cwd=installed)
    assert json.loads(done.stdout)["findings"]
    assert (installed / "small" / "report.html").is_file()


def test_inspect_finds_the_task_of_the_wheel(installed: Path) -> None:
    python = installed / "venv" / "bin" / "python"
    code = (
        "from inspect_ai import eval; from govaudit.models import untrained; from pathlib import Path; "
        "untrained.build(Path('tiny')); "
        "log, = eval('govaudit/clauses', model='govaudit/tiny', task_args={'limit': 3}, display='none', "
        "score_display=False, max_tokens=8, log_dir='inspect-logs'); "
        "print(log.status, log.eval.task_registry_name)"
    )
    assert run(python, "-c", code, cwd=installed).stdout.split()[-2:] == ["success", "govaudit/clauses"]
