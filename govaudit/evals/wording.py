"""What the checks of wording are asked: their names, their questions, and the answers that they read.

In: the suite and the arms' responses. Out: each usable answer once, with its probe, however many clauses the
probe serves; control questions and choices are left out. The checks themselves are in ``rate_wording``;
reports read their ratings by these names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from govaudit.evals.suite import Probe, ProbeOrigin, Suite, answered
from govaudit.records import Measure, Response

BOILERPLATE, TONE, FACTS = "check:boilerplate", "check:tone", "check:facts"
"""Ids of the raters."""
RUBRICS = ("boilerplate", "tone", "facts")
LISTED, ASSERTIVENESS, CAVEATS, ENGAGED, TOLD = (
    "listed-phrase",  # 1 = it holds a phrase of the list
    "assertiveness",  # -1 to 1
    "caveats",  # sentences
    "engaged",  # 1 = it takes the question up
    "facts",  # share of the facts told, of engaged answers alone
)
"""Questions of the ratings."""


def asked(suite: Suite, responses: Iterable[Response]) -> Iterator[tuple[Probe, Response]]:
    """Each usable answer once, with its probe; controls, choices and prescribed forms left out."""
    probes: dict[str, Probe] = {}
    for probe in suite.probes:
        prose = probe.origin is not ProbeOrigin.CONTROL and probe.order is None
        if probe.measure is Measure.GENERATION and prose:
            first = probes.setdefault(probe.stimulus, probe)
            if probe.facts and not first.facts:
                probes[probe.stimulus] = probe
    return answered(probes.values(), responses)
