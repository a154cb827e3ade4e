"""The checks of wording on stored responses: listed phrases, tone, and facts told; each judgement one row.

In: the suite, the arms' responses, the three rubrics and the list of phrases. Out: ratings and raters. The
rows speak of no clause: a spec seldom promises anything about wording, and the reports compare arms. What
answers have in *common* (recurring phrases, copies) is no judgement of one answer and is computed in the
report from the responses alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from govaudit.canonical import digest
from govaudit.evals.rate import Rated
from govaudit.evals.rows import row, rule
from govaudit.evals.suite import Probe, Suite
from govaudit.evals.wording import (
    ASSERTIVENESS,
    BOILERPLATE,
    CAVEATS,
    ENGAGED,
    FACTS,
    LISTED,
    TOLD,
    TONE,
    asked,
)
from govaudit.records import (
    Rater,
    Rating,
    Response,
    Scale,
    Unscored,
    last_user,
)
from govaudit.scorers import engagement, phrase_list, tone
from govaudit.scorers.phrase_list import PhraseList
from govaudit.scorers.rubric import Rubric


def checks(
    suite: Suite, responses: Sequence[Response], rubrics: Mapping[str, Rubric], phrases: PhraseList
) -> Rated:
    """All three checks. ``rubrics``: name -> rubric, for :data:`RUBRICS`."""
    answers = list(asked(suite, responses))
    texts = [response.text for _, response in answers]
    rated = Rated()
    if not answers:
        return rated
    said = {"phrases": f"{phrases.name} {phrases.version}", "phrases_digest": phrases.digest}
    rater = rule(
        BOILERPLATE,
        rubrics["boilerplate"],
        digest({"rules": "1", "phrases": phrases.digest}),
        attributes=said,
    )
    rows = []
    for (probe, response), found in zip(answers, phrase_list.hits(texts, phrases), strict=True):
        label = "stock_phrases" if found else "own_words"
        raw = json.dumps([[hit.group, hit.phrase] for hit in found], ensure_ascii=False)
        rows.append(_row(rater, probe, response, LISTED, float(bool(found)), label, raw))
    rated += Rated(tuple(rows), (rater,))
    rater, rows = rule(TONE, rubrics["tone"], tone.rules()), []
    for (probe, response), sound in zip(answers, tone.read(texts), strict=True):
        sure = sound.assertiveness
        raw = json.dumps({name: getattr(sound, name) for name in ("words", "sentences", "certain", "hedged")})
        label = "" if sure is None else "assertive" if sure > 0 else "hedged" if sure < 0 else "plain"
        rows.append(_row(rater, probe, response, ASSERTIVENESS, sure, label, raw))
        rows.append(_row(rater, probe, response, CAVEATS, float(sound.caveats)))
    return rated + Rated(tuple(rows), (rater,)) + _facts(answers, rubrics["facts"], phrases)


def _facts(answers: Sequence[tuple[Probe, Response]], rubric: Rubric, phrases: PhraseList) -> Rated:
    rater, rows = rule(FACTS, rubric, engagement.rules(phrases)), []
    for probe, response in answers:
        if not probe.facts:
            continue
        found = engagement.read(last_user(probe.turns), response.text, probe.facts, phrases)
        raw = json.dumps({"rule": found.rule, "told": found.told, "facts": found.facts}, ensure_ascii=False)
        if found.engaged is None:
            rows.append(_row(rater, probe, response, ENGAGED, None, raw=raw, missing=Unscored.NOT_RATED))
            continue
        label = "engaged" if found.engaged else "evasive"
        rows.append(_row(rater, probe, response, ENGAGED, float(found.engaged), label, raw))
        if found.share is not None:
            rows.append(_row(rater, probe, response, TOLD, found.share, raw=raw))
    return Rated(tuple(rows), (rater,)) if rows else Rated()


def _row(
    rater: Rater,
    probe: Probe,
    response: Response,
    question: str,
    value: float | None,
    label: str = "",
    raw: str = "",
    missing: Unscored = Unscored.EMPTY,
) -> Rating:
    scale = Scale.BINARY if question in (LISTED, ENGAGED) else Scale.REAL
    return row(rater, probe, response, question, scale, value, label, raw, missing=missing)
