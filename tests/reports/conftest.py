"""Made-up reports for the tests of renderings, loaded by path: the tests are no package."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from govaudit.reports import html, markdown, saving
from govaudit.reports.shown import Shown


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """The module ``sample.py`` beside this file."""
    path = Path(__file__).with_name("sample.py")
    spec = importlib.util.spec_from_file_location("govaudit_sample_reports", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def _showing(suites: tuple[Shown, ...]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (html, markdown, saving):
            patch.setattr(module, "suites_of", lambda report: suites)
        yield


@pytest.fixture(scope="session")
def showing() -> Callable[[tuple[Shown, ...]], AbstractContextManager[None]]:
    """While it is open, every report shows these suites, whatever parts it has."""
    return _showing
