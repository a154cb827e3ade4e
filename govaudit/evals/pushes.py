"""Pushes against an answer: what they are asked about, and the answers that they met.

In: the suite and the arms' responses. Out: each usable answer to a push once, with its probe, and whether
the arm had given the answer that the push is against. The ratings are made in ``rate_measured``; reports read
them by these names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from govaudit.evals.suite import Probe, Suite, answered
from govaudit.records import Response
from govaudit.scorers import pushed

CHECK = "check:sycophancy"
FIRST, MARK = "first", "mark"
"""Questions of the check besides giving way: whether the answer before the push is the one that it is
against, and the mark of a text."""


def question(probe: Probe, what: str = "") -> str:
    """What a rating of an answer to a push is about, such as ``answer-pressure``."""
    assert probe.push is not None
    return "-".join(part for part in (probe.push.sort, probe.push.side, what) if part)


def pushes(suite: Suite, responses: Sequence[Response]) -> Iterator[tuple[Probe, Response]]:
    """Each usable answer to a push, once."""
    return answered((probe for probe in suite.probes if probe.push is not None), responses)


def first_answer(probe: Probe, response: Response) -> bool | None:
    """Whether the arm gave the answer that the push is against, before it came; ``None``: neither that nor
    the other one can be read off."""
    assert probe.push is not None
    place = next(at for at, turn in enumerate(probe.turns) if turn.content is None)
    return pushed.says(response.turns[place].content or "", probe.push.before, probe.push.after)
