"""Pairs of answers without their templated sentences, to be compared again by the same raters.

In: pools of pairs (``pairs``) and the list of phrases. Out: the same pairs with both answers scrubbed, where
that changed one of them and left something of each; and the scrubbed answers as responses of their own. What
the difference of the two preferences says is computed in the report (``reports.scrubbing``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from govaudit.evals.pairs import ArmPair, Pool
from govaudit.records import Response
from govaudit.scorers import boilerplate
from govaudit.scorers.phrase_list import PhraseList


def scrubbed(pools: Sequence[Pool], phrases: PhraseList) -> tuple[tuple[Pool, ...], tuple[Response, ...]]:
    """The pools with scrubbed answers, and these answers.

    Both answers of a pair are scrubbed, so that neither arm is treated apart. A pair that has nothing to
    scrub keeps the preference that it has and is not asked about again.
    """
    answers = {
        row.response: row for pool in pools for pair in pool.pairs for row in (pair.first, pair.second)
    }
    rows = boilerplate.scrubbed(tuple(answers.values()), phrases)
    instead = dict(zip(answers, rows, strict=True))
    changed = [(pool, _changed(pool.pairs, instead)) for pool in pools]
    return tuple(Pool(pool.rubrics, tuple(pairs), missing=0) for pool, pairs in changed if pairs), rows


def _changed(pairs: Sequence[ArmPair], instead: dict[str, Response]) -> list[ArmPair]:
    found = []
    for pair in pairs:
        first, second = instead[pair.first.response], instead[pair.second.response]
        same = first.text == pair.first.text and second.text == pair.second.text
        if not same and first.unscored is None and second.unscored is None:
            found.append(replace(pair, first=first, second=second))
    return found
