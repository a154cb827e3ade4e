"""Made-up reports for the tests of renderings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType

import pytest

from govaudit.reports import html, markdown, saving
from govaudit.reports.shown import Shown
from reports import sample as made_up


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """The module ``sample.py`` beside this file."""
    return made_up


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
