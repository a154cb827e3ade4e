"""The benchmark of the statistics runs, and says null for a peer that is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "stats.py"


def test_without_peers_the_ratios_are_null() -> None:
    command = [sys.executable, str(SCRIPT), "--json", "--no-peers", "--scale", "0.005"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=SCRIPT.parents[1])
    assert json.loads(run.stdout.splitlines()[-1]) == {
        "ratios": {"davidson_vs_evalica": None, "alpha_vs_krippendorff": None, "ngrams_vs_sklearn": None}
    }
