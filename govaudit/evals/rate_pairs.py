"""Rate pairs of answers: raters from outside, LLM judges, preference models, preferences recorded elsewhere.

In: pools of pairs (``pairs``), rubrics. Out: ratings on the scale ``pairwise``, whose value is the
probability that the answer shown first wins, and the raters. Judges and preference models see every pair in
both orders; each person sees a pair once, one half of them in either order. Two answers in the same words are
a tie that no judge is asked about. Only judges call a model, through ``run``, batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from inspect_ai.model import Model
from numpy.typing import NDArray
from scipy.special import expit

from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.evals import run
from govaudit.evals.forms import table
from govaudit.evals.forms.pairs import PairVerdict
from govaudit.evals.outside import OutsidePairs
from govaudit.evals.pairs import ArmPair, Pool, actively, compared, even
from govaudit.evals.rate import Rated, rater_id
from govaudit.evals.tasks import JudgeItem
from govaudit.models import numbered
from govaudit.records import (
    Measure,
    Rater,
    RaterKind,
    Rating,
    Response,
    Scale,
    Turn,
    Unscored,
    last_user,
    rating_id,
)
from govaudit.scorers import pairwise
from govaudit.scorers.rubric import Rubric
from govaudit.stats.comparisons import Comparisons

Scores = Callable[[Sequence[tuple[Turn, ...]], Sequence[str]], NDArray[np.float64]]
"""Conversations and answers -> one score each; differences are log-odds."""


def limited(pools: Sequence[Pool], n: int, seed: int) -> tuple[Pool, ...]:
    """The pools with at most ``n`` pairs each, spread evenly over arms and prompts."""
    return tuple(Pool(pool.rubrics, even(pool.pairs, n, seed), pool.missing) for pool in pools)


def by_outside(pools: Sequence[Pool], given: OutsidePairs) -> Rated:
    """A rater from outside on every pair under the rubrics that it follows."""
    ratings, raters = [], []
    once = given.kind is RaterKind.PEOPLE
    for pool in pools:
        for rubric in pool.rubrics:
            if rubric.name not in given.pairwise:
                continue
            mine = [
                _rater(rater_id(name, rubric.name), given.kind, given.source, rubric, given.fingerprint)
                for name in given.ids
            ]
            raters += mine
            for pair in pool.pairs:
                half = int(pair.key[0], 16) % 2
                for place, (name, rater) in enumerate(zip(given.ids, mine, strict=True)):
                    # Of a panel one half sees a pair in either order.
                    for turned in [(place + half) % 2 == 1] if once else [False, True]:
                        one, two = pair.shown(turned=turned)
                        said = given.p_first(name, rubric.name, pair.turns, one.text, two.text, pair.key)
                        ratings.append(_rating(rater, rubric, pair, (one, two), said))
    return Rated(tuple(ratings), tuple(raters))


def by_scores(
    pools: Sequence[Pool],
    name: str,
    fingerprint: str,
    scores: Scores,
    model: str,
    advance: Callable[[], None],
) -> Rated:
    """A preference model on every pair: P(first wins) = sigmoid(score of first - score of second).

    It reads no rubric: under each it says what it was trained to say. ``advance`` is called per pool.
    """
    ratings, raters = [], []
    for pool in pools:
        both = [pair.turns for pair in pool.pairs] * 2
        found = scores(both, [p.first.text for p in pool.pairs] + [p.second.text for p in pool.pairs])
        advance()
        first, second = np.split(np.asarray(found, dtype=np.float64), 2)
        for rubric in pool.rubrics:
            rater = _rater(
                rater_id(name, rubric.name), RaterKind.PREFERENCE, "model", rubric, fingerprint, model
            )
            raters.append(rater)
            for pair, p in zip(pool.pairs, expit(first - second).tolist(), strict=True):
                for turned in (False, True):
                    said = 1.0 - p if turned else p
                    ratings.append(_rating(rater, rubric, pair, pair.shown(turned=turned), said))
    return Rated(tuple(ratings), tuple(raters))


def by_judge(
    pools: Sequence[Pool],
    n_arms: int,
    rubrics: Mapping[str, Rubric],
    model: Model,
    name: str,
    *,
    logs: Path,
    settings: Mapping[str, Any],
    max_judged: int | None = None,
    active: bool = True,
    seed: int = 0,
    connections: int | None = None,
    step: run.Step = run.silent,
) -> Rated:
    """An LLM judge on pairs of every pool in both orders, under the judge's ``rubrics`` (by question).

    ``max_judged`` pairs of each pool, chosen batch by batch where they tell most (``active``), or evenly. At
    temperature 0 a question that several pairs raise alike is put once.
    """
    ratings: list[Rating] = []
    raters: dict[str, Rater] = {}
    for pool in pools:
        asked = [rubrics[q] for q in map(pairwise.question, pool.rubrics) if q in rubrics]
        if not asked or not pool.pairs:
            continue
        judge = _Judge(asked, model, name, logs, settings, connections, step)
        n = min(max_judged or len(pool.pairs), len(pool.pairs))
        if active and n < len(pool.pairs):
            actively(pool.pairs, n_arms, n, seed, judge.ask)
        else:
            judge.ask(even(pool.pairs, n, seed))
        ratings += judge.rows
        raters |= {rater.id: rater for rater in judge.raters()}
    return Rated(tuple(ratings), tuple(raters.values()))


class _Judge:
    """One judge on one pool: what it said so far."""

    def __init__(
        self,
        rubrics: Sequence[Rubric],
        model: Model,
        name: str,
        logs: Path,
        settings: Mapping[str, Any],
        connections: int | None,
        step: run.Step,
    ) -> None:
        self.rubrics, self.model, self.name, self.logs = rubrics, model, name, logs
        self.settings, self.connections, self.step = settings, connections, step
        self.rows: list[Rating] = []
        self.place: dict[str, str] = {}
        self.reported: set[str] = set()

    def raters(self, fingerprint: str = "") -> list[Rater]:
        seen = fingerprint or ", ".join(sorted(self.reported))
        model = str(self.model)
        return [
            _rater(rater_id(self.name, r.name), RaterKind.JUDGE, "model", r, seen, model, dict(self.settings))
            for r in self.rubrics
        ]

    def ask(self, batch: Sequence[ArmPair]) -> list[Comparisons]:
        """Put the batch under every rubric; all comparisons so far, players named by their places."""
        items: dict[str, JudgeItem] = {}
        wanted: list[tuple[str, Rubric, ArmPair, bool]] = []
        for rubric in self.rubrics:
            for pair in batch:
                self.place[pair.first.response] = str(pair.arms[0])
                self.place[pair.second.response] = str(pair.arms[1])
                for turned in (False, True):
                    one, two = pair.shown(turned=turned)
                    text = pairwise.prompt(rubric, pair.turns, one.text, two.text)
                    about = {} if self.settings.get("temperature") == 0 else {"pair": pair.key}
                    key = "" if pair.identical else digest({"rubric": rubric.digest, "prompt": text, **about})
                    if key:
                        items[key] = JudgeItem(key, text)
                    wanted.append((key, rubric, pair, turned))
        replies = run.judge(
            self.model,
            f"{self.name} pairs",
            items.values(),
            logs=self.logs,
            connections=self.connections,
            step=self.step,
        )
        self.reported |= {reply.model for reply in replies.values() if reply.model}
        raters = dict(zip((rubric.name for rubric in self.rubrics), self.raters(), strict=True))
        for key, rubric, pair, turned in wanted:
            shown = pair.shown(turned=turned)
            if not key:
                row = _rating(raters[rubric.name], rubric, pair, shown, 0.5, origin="identical")
            else:
                said, raw = _read(rubric, replies[key], items[key].prompt), replies[key].text
                row = _rating(raters[rubric.name], rubric, pair, shown, said, raw=raw)
            self.rows.append(row)
        found = []
        for rubric in self.rubrics:
            asked = pairwise.question(rubric)
            data = compared([row for row in self.rows if row.question == asked], self.place)
            found += [] if data is None else [data]
        return found


def _read(rubric: Rubric, reply: run.Reply, prompt: str) -> float | Unscored:
    if reply.failure is not None:
        return reply.failure
    label, unscored = pairwise.parse(rubric, reply.text, reply.stop_reason, prompt)
    return pairwise.p_first(label) if label is not None else unscored or Unscored.INVALID_VERDICT


def recorded(
    path: Path,
    rubric: Rubric,
    responses: Sequence[Response],
    arms: Mapping[str, str],
    clusters: Mapping[str, str],
) -> Rated:
    """Preferences that somebody recorded elsewhere, matched to the responses by arm and prompt.

    ``path``: verdicts on pairs in a public form, the two answers named by their models. ``arms``: digest ->
    name; verdicts on others are passed over and counted. ``clusters``: stimulus -> cluster. A verdict is
    matched by the text of its prompt (a number stands for a text in the file of prompts beside it) and speaks
    of the first epoch. :class:`BadInput` where no verdict is about two of the arms.
    """
    verdicts = table.read_verdicts(path)
    texts = _texts(path, verdicts)
    by_text = {
        (arms[row.arm], last_user(row.turns or ()).strip()): row
        for row in responses
        if row.arm in arms and row.epoch == 1 and row.unscored is None
    }
    names = set(arms.values())
    about = [verdict for verdict in verdicts if {verdict.first, verdict.second} <= names]
    if not about:
        raise BadInput(
            "no verdict in this file is about two arms of the run",
            path=path,
            remedy=f"Arms: {', '.join(sorted(names))}; the file names "
            f"{', '.join(sorted({v.first for v in verdicts} | {v.second for v in verdicts})[:8])}.",
        )
    ratings, raters, unmatched = [], {}, 0
    for verdict in about:
        rater = _rater(
            rater_id(f"judge:{verdict.judge}", rubric.name),
            RaterKind.JUDGE,
            "model",
            rubric,
            "",
            verdict.judge,
        )
        raters[rater.id] = rater
        text = texts.get(verdict.item, verdict.item).strip()
        one, two = by_text.get((verdict.first, text)), by_text.get((verdict.second, text))
        if one is None or two is None:
            unmatched += 1
            continue
        ratings.append(_recorded(rater, rubric, verdict, one, two, clusters[one.stimulus], path))
    warnings = []
    if aside := len(verdicts) - len(about):
        warnings.append(f"{path.name}: {aside} of {len(verdicts)} verdicts are about other models; not used")
    if unmatched:
        warnings.append(
            f"{path.name}: {unmatched} of {len(about)} verdicts are about answers that are not here"
        )
    return Rated(tuple(ratings), tuple(raters.values()), warnings=tuple(warnings))


def _texts(path: Path, verdicts: Sequence[PairVerdict]) -> dict[str, str]:
    if not all(verdict.item.isdigit() for verdict in verdicts):
        return {}
    return {str(number): text for number, text in numbered.beside(path).texts.items()}


def _recorded(
    rater: Rater, rubric: Rubric, verdict: PairVerdict, one: Response, two: Response, cluster: str, path: Path
) -> Rating:
    p, shown = verdict.first_wins, (one, two)
    if verdict.swapped:
        p, shown = None if p is None else 1.0 - p, (two, one)
    responses = tuple(row.response for row in shown)
    asked = pairwise.question(rubric)
    return Rating(
        rating=rating_id(rubric.name, rater.id, asked, responses),
        rubric=rubric.name,
        rater=rater.id,
        question=asked,
        responses=responses,
        clause=None,
        measure=Measure.GENERATION,
        scale=Scale.PAIRWISE,
        value=p,
        label=_label(p),
        tie=verdict.tie,
        unscored=verdict.unscored,
        raw=verdict.raw,
        cluster=cluster,
        origin=f"imported:{path.name}",
    )


def _rater(
    id: str,
    kind: RaterKind,
    source: str,
    rubric: Rubric,
    fingerprint: str,
    model: str = "",
    attributes: Mapping[str, Any] = {},
) -> Rater:
    return Rater(id, kind, source, rubric.name, rubric.digest, model, fingerprint, attributes)


def _rating(
    rater: Rater,
    rubric: Rubric,
    pair: ArmPair,
    shown: tuple[Response, Response],
    said: float | Unscored,
    *,
    raw: str = "",
    origin: str = "run",
) -> Rating:
    responses = tuple(response.response for response in shown)
    asked = pairwise.question(rubric)
    value = None if isinstance(said, Unscored) else said
    return Rating(
        rating=rating_id(rubric.name, rater.id, asked, responses),
        rubric=rubric.name,
        rater=rater.id,
        question=asked,
        responses=responses,
        clause=None,
        measure=Measure.GENERATION,
        scale=Scale.PAIRWISE,
        value=value,
        label=_label(value),
        tie=value == 0.5,
        unscored=said if isinstance(said, Unscored) else None,
        raw=raw,
        cluster=pair.cluster,
        origin=origin,
    )


def _label(p: float | None) -> str:
    """The verdict in words; a probability between them has none."""
    words = {1.0: pairwise.FIRST, 0.0: pairwise.SECOND, 0.5: pairwise.TIE}
    return "" if p is None else words.get(p, "")
