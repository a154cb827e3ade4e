"""The tiny untrained checkpoint, written once, and one engine on it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from govaudit.models.engine import Engine
from govaudit.models.untrained import build


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("models") / "untrained")


@pytest.fixture(scope="session")
def engine(checkpoint: Path) -> Engine:
    return Engine.load(checkpoint, device="cpu")
