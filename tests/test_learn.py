"""The commands of `docs/learn.md` run, in their order, with few prompts and steps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "learn.md").read_text(encoding="utf-8")


KEPT = "{steps: 2, keep_best: false}"
"""Of so short a run the best step may be none, and two arms would be one model."""


def shortened(command: str) -> str:
    """The command with a fraction of its prompts and steps; `--show` and plain shell commands as they are."""
    if command.startswith("govaudit train ") and "--show" not in command:
        own = "" if "--settings" in command else " --settings kept.yaml"
        # Of so few pairs both instructions say the same, and two arms would be one model.
        own += " --seed 1" if "--instruction new" in command else ""
        return f"{command} --size 24{own}"
    if command.startswith("govaudit audit "):
        return f"{command} --limit 24"
    return re.sub(r"steps: \d+", "steps: 2", command)


@pytest.mark.slow
def test_the_commands_of_the_page_run_one_after_the_other(tmp_path: Path) -> None:
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    commands = [
        line for line in blocks.replace("\\\n", " ").splitlines() if line and "pip install" not in line
    ]
    assert len(commands) > 15
    (tmp_path / "kept.yaml").write_text(f"rl: {KEPT}\nppo: {KEPT}\n", encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", shortened(command)],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    assert (tmp_path / "learn" / "5-audit" / "report.html").is_file()
