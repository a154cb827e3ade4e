"""What all tests share: where the public data lie, one thread for torch, examples that are drawn by seed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# The same examples in every run, and no verdict on a test because a machine was slow.
settings.register_profile(
    "seeded", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("seeded")

CHECKOUT = Path(__file__).resolve().parent.parent
DATA_SKIP = "GOVAUDIT_DATA is absent"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of public data that some tests read; the test is skipped where there is none."""
    folder = Path(os.environ.get("GOVAUDIT_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"{DATA_SKIP}: set it to the folder of public data to run this test")
    return folder


def pytest_configure(config: pytest.Config) -> None:
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped for want of data: a silent skip reads like a pass."""
    skipped = terminalreporter.stats.get("skipped", [])
    n = sum(DATA_SKIP in str(report.longrepr) for report in skipped)
    terminalreporter.write_line(f"data tests skipped for want of GOVAUDIT_DATA: {n}")
