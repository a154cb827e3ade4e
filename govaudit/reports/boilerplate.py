"""Boilerplate in the report: what the answers of each arm have in common, and how much of it fits any
question.

In: the suite, the plan, responses, and the ratings of the check of listed phrases. Out: a part of the
document, and how it is shown. Everything but the listed phrases is computed here from the responses alone:
what answers have in common is a fact about all of them, not a judgement of one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from govaudit.errors import StatisticsError
from govaudit.evals import wording
from govaudit.records import Response, Scale
from govaudit.reports.part import Estimate, Part, sides
from govaudit.reports.run_tables import RunTables
from govaudit.reports.shown import Column, Shown, Table
from govaudit.scorers import boilerplate
from govaudit.scorers.boilerplate import Boilerplate, Mined, Share
from govaudit.scorers.phrase_list import Hit, PhraseList
from govaudit.scorers.texts import corpus
from govaudit.stats.controlled import mean_difference, scrub_effect
from govaudit.stats.distinctness import cut
from govaudit.stats.intervals import Mean

_KEPT = 50
"""Mined phrases of an arm that the document keeps."""
_SHOWN = 5


class PhrasePart(Part):
    """A run of words and how many different prompts it answers."""

    phrase: str
    prompts: int
    occurrences: int


class ArmBoilerplatePart(Part):
    """The boilerplate of one arm. Shares are of its usable answers unless said otherwise."""

    arm: str
    answers: int
    prompts: int
    least: int
    """From how many prompts on a phrase recurs."""
    alike: Estimate
    """Share of prompts whose answer is mostly made of what the arm says to a tenth of them or more."""
    answers_alike: bool
    """Every prompt is answered alike, or with one of a few stock answers: no comparison of this arm's answers
    means anything."""
    listed: Estimate
    """Hold a phrase of the fixed list."""
    groups: dict[str, Estimate]
    templated: Estimate
    """Mean share of an answer's words that lie in recurring phrases."""
    recurring: Estimate
    """Hold a phrase that recurs."""
    openers: Estimate
    """Open with four words that open answers to enough other prompts."""
    identical: Estimate
    """Are word for word an answer to another prompt."""
    near: Estimate
    """Are identical or nearly so (Jaccard index of 4-grams above .5) to an answer to another prompt."""
    distinct: Estimate
    """Different 4-grams over all 4-grams, all arms cut to the same number of words under each prompt."""
    distinct_words: int
    """Words that the distinctness was measured on."""
    phrases: tuple[PhrasePart, ...]
    common_openers: tuple[PhrasePart, ...]


class BoilerplateDifferencePart(Part):
    """An arm minus the first arm, paired by prompt."""

    arm: str
    reference: str
    prompts: int
    templated: Estimate
    listed: Estimate


class ScrubPart(Part):
    """Preferences for an arm before and after the templated sentences of both answers were taken out."""

    arm: str
    question: str
    rater: str
    n: int
    """Preferences, each order of a pair by itself; scrubbing changed an answer in ``asked_again`` of them."""
    asked_again: int
    changed: int
    """Preferences that came out otherwise."""
    emptied: int
    """Left out: nothing was left of an answer."""
    missing: int
    """Left out: the rater gave no second verdict."""
    before: Estimate
    after: Estimate
    difference: Estimate
    """After minus before, paired by prompt."""


class BoilerplatePart(Part):
    """What the answers of each arm have in common."""

    phrases: str
    """Name and version of the fixed list."""
    phrases_digest: str
    arms: tuple[ArmBoilerplatePart, ...]
    differences: tuple[BoilerplateDifferencePart, ...]
    scrubbed: tuple[ScrubPart, ...] = ()


@dataclass(frozen=True)
class _Answers:
    """The usable answers of one arm."""

    texts: tuple[str, ...]
    clusters: tuple[str, ...]
    keys: tuple[tuple[str, int], ...]
    """Stimulus and epoch: what an answer of another arm is paired by."""
    found: tuple[tuple[Hit, ...], ...]


def section(run: RunTables) -> BoilerplatePart | None:
    """The part of one run; ``None`` where the check did not run or no arm answered two prompts."""
    rater = next((r for r in run.raters if r.id == wording.BOILERPLATE), None)
    if rater is None:
        return None
    raw = {
        row.responses[0]: row.raw
        for row in run.ratings
        if row.rater == wording.BOILERPLATE and row.question == wording.LISTED
    }
    names = run.plan.names
    by_arm: dict[str, list[tuple[str, Response]]] = defaultdict(list)
    for probe, response in wording.asked(run.suite, run.responses):
        if response.arm in names and response.response in raw:
            by_arm[names[response.arm]].append((probe.cluster, response))
    answered = {
        arm.name: _answers(by_arm[arm.name], raw)
        for arm in run.plan.arms
        if len({cluster for cluster, _ in by_arm[arm.name]}) > 1
    }
    if not answered:
        return None
    groups = sorted({hit.group for arm in answered.values() for row in arm.found for hit in row})
    # The list itself stays in the run folder: its groups are what the ratings found of it.
    phrases = PhraseList("", "", {}, dict.fromkeys(groups, ()))
    measured = {
        name: boilerplate.measure(arm.texts, arm.clusters, phrases, found=arm.found)
        for name, arm in answered.items()
    }
    distinct = _distinct(answered)
    first = next(iter(answered))
    return BoilerplatePart(
        phrases=str(rater.attributes.get("phrases", "")),
        phrases_digest=str(rater.attributes.get("phrases_digest", "")),
        arms=tuple(_arm(name, arm, measured[name], *distinct[name]) for name, arm in answered.items()),
        differences=tuple(_difference(name, first, answered, measured) for name in answered if name != first),
        scrubbed=tuple(_scrubbing(run, str(rater.attributes.get("phrases_digest", "")))),
    )


def _answers(rows: Sequence[tuple[str, Response]], raw: Mapping[str, str]) -> _Answers:
    return _Answers(
        texts=tuple(response.text for _, response in rows),
        clusters=tuple(cluster for cluster, _ in rows),
        keys=tuple((response.stimulus, response.epoch) for _, response in rows),
        found=tuple(
            tuple(Hit(group, phrase, 0, 0) for group, phrase in json.loads(raw[response.response]))
            for _, response in rows
        ),
    )


def _arm(name: str, said: _Answers, found: Boilerplate, distinct: Estimate, words: int) -> ArmBoilerplatePart:
    by_prompt: dict[str, list[str]] = defaultdict(list)
    for cluster, text in zip(said.clusters, said.texts, strict=True):
        by_prompt[cluster].append(text)
    same = boilerplate.alike(by_prompt)
    return ArmBoilerplatePart(
        arm=name,
        answers=found.answers,
        prompts=found.prompts,
        least=found.least,
        alike=Estimate(n=same.prompts, value=same.share, low=same.low, high=same.high),
        answers_alike=same.flagged,
        listed=_share(found.listed),
        groups={group: _share(share) for group, share in found.groups.items()},
        templated=_share(found.templated),
        recurring=_share(found.recurring),
        openers=_share(found.openers),
        identical=_share(found.identical),
        near=_share(found.near),
        distinct=distinct,
        distinct_words=words,
        phrases=tuple(map(_phrase, boilerplate.several(found.mined, _KEPT))),
        common_openers=tuple(map(_phrase, found.common_openers[:_KEPT])),
    )


def _distinct(answered: Mapping[str, _Answers]) -> dict[str, tuple[Estimate, int]]:
    """Distinctness of each arm on the same number of words under each prompt: that of the shortest answer."""
    documents = {name: corpus(arm.texts) for name, arm in answered.items()}
    sizes = {
        name: dict(zip(arm.keys, np.diff(documents[name].offsets).tolist(), strict=True))
        for name, arm in answered.items()
    }
    common = set.intersection(*(set(table) for table in sizes.values()))
    budget = {key: min(table[key] for table in sizes.values()) for key in common}
    out = {}
    for name, arm in answered.items():
        lengths = np.array([budget.get(key, 0) for key in arm.keys], dtype=np.int64)
        shortened = cut(documents[name], lengths)
        codes = np.unique(np.array(arm.clusters), return_inverse=True)[1]
        out[name] = _share(boilerplate.distinct(shortened, codes)), int(shortened.offsets[-1])
    return out


def _difference(
    name: str, first: str, answered: Mapping[str, _Answers], measured: Mapping[str, Boilerplate]
) -> BoilerplateDifferencePart:
    place = {key: at for at, key in enumerate(answered[first].keys)}
    pairs = [(at, place[key]) for at, key in enumerate(answered[name].keys) if key in place]
    mine, other = [at for at, _ in pairs], [at for _, at in pairs]
    clusters = [answered[name].clusters[at] for at in mine]

    def paired(kind: str) -> Estimate:
        one, two = (getattr(measured[arm], kind)[rows] for arm, rows in ((name, mine), (first, other)))
        try:
            return _mean(mean_difference(one, two, clusters))
        except StatisticsError as error:
            return Estimate(n=len(pairs), value=None, undefined=str(error))

    return BoilerplateDifferencePart(
        arm=name,
        reference=first,
        prompts=len(set(clusters)),
        templated=paired("templated_by_answer"),
        listed=paired("listed_by_answer"),
    )


def _scrubbing(run: RunTables, phrases: str) -> Iterable[ScrubPart]:
    """Every arm x question x rater that has preferences of scrubbed answers."""
    after = {(row.arm, row.stimulus, row.epoch): row for row in run.scrubbed}
    if not after:
        return
    names = run.plan.names
    instead = {}
    before = {row.response: row for row in run.responses if row.arm in names}
    for name, answer in before.items():
        scrub = after.get((boilerplate.scrubbed_arm(answer.arm, phrases), answer.stimulus, answer.epoch))
        if scrub is not None:
            instead[name] = scrub
    pairwise = [row for row in run.ratings if row.scale is Scale.PAIRWISE and not row.derived_from]
    again = {(row.rater, row.question, row.responses): row for row in pairwise}
    tally: dict[tuple[str, str, str], _Tally] = defaultdict(_Tally)
    for row in pairwise:
        one, two = row.responses
        if row.value is None or one not in instead or two not in instead:
            continue
        new = instead[one], instead[two]
        same = new[0].text == before[one].text and new[1].text == before[two].text
        second = row if same else again.get((row.rater, row.question, (new[0].response, new[1].response)))
        for place, response in enumerate(row.responses):
            of = tally[names[before[response].arm], row.question, row.rater]
            if not same and (new[0].unscored or new[1].unscored):
                of.emptied += 1
            elif second is None or second.value is None:
                of.missing += 1
            else:
                of.again += not same
                of.before.append(1.0 - row.value if place else row.value)
                of.after.append(1.0 - second.value if place else second.value)
                of.clusters.append(row.cluster)
    for (arm, question, rater), of in sorted(tally.items()):
        if of.again or of.emptied:
            yield _scrub_part(arm, question, rater, of)


@dataclass
class _Tally:
    """Preferences for one arm, before and after."""

    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    again: int = 0
    emptied: int = 0
    missing: int = 0


def _scrub_part(arm: str, question: str, rater: str, of: _Tally) -> ScrubPart:
    before = after = gap = Estimate(value=None, undefined="no pair is left")
    changed = sum(one != two for one, two in zip(of.before, of.after, strict=True))
    if of.before:
        effect = scrub_effect(of.before, of.after, of.clusters)
        before = Estimate(value=effect.before.value, low=effect.before.low, high=effect.before.high)
        after = Estimate(value=effect.after.value, low=effect.after.low, high=effect.after.high)
        gap = _mean(effect.difference)
    return ScrubPart(
        arm=arm,
        question=question,
        rater=rater,
        n=len(of.before),
        asked_again=of.again,
        changed=changed,
        emptied=of.emptied,
        missing=of.missing,
        before=before,
        after=after,
        difference=gap,
    )


def _share(share: Share) -> Estimate:
    return Estimate(value=share.value, low=share.low, high=share.high, undefined=share.undefined)


def _mean(mean: Mean) -> Estimate:
    return Estimate(value=mean.value, low=max(-1.0, mean.low), high=min(1.0, mean.high))


def _phrase(mined: Mined) -> PhrasePart:
    return PhrasePart(phrase=mined.phrase, prompts=mined.prompts, occurrences=mined.occurrences)


# --- how it is shown ------------------------------------------------------------------------------


def show(part: BoilerplatePart) -> Shown:
    """Claims and tables of the suite."""
    return Shown(
        id="boilerplate",
        title="Boilerplate",
        claims=tuple(_claims(part)),
        tables=tuple(_tables(part)),
        notes=(
            "A phrase recurs when the answers to at least 2 % of the prompts, and at least three of them, "
            "hold it (4 to 12 words). Nobody told the program which phrases to look for; in long answers a "
            "few of them are idioms, so compare shares of words rather than shares of answers.",
            f"The fixed list is {part.phrases} (SHA-256 {part.phrases_digest[:12]}); the run keeps it. A "
            "list that was mined from the same answers is not fixed before them.",
            "Distinctness falls with the amount of text: all arms are cut to the words of the shortest "
            "answer to each prompt. Its interval is a jackknife over groups of prompts.",
            "None of this says that an answer is bad: a sentence that fits any question can be right.",
        ),
    )


def _claims(part: BoilerplatePart) -> Iterable[str]:
    for arm in part.arms:
        if arm.answers_alike:
            yield (
                f"{arm.arm} answers every prompt alike or with one of a few stock answers: "
                f"{_percent(arm.alike)} of its answers to {arm.prompts} prompts are mostly made of what it "
                "says to a tenth of them or more. Comparisons of its answers with others mean nothing."
            )
    ordered = sorted(part.arms, key=lambda arm: -(arm.templated.value or 0.0))
    most, least = ordered[0], ordered[-1]
    if len(ordered) == 1:
        yield f"{_percent(most.templated)} of the words of {most.arm} lie in phrases that recur."
        return
    yield (
        f"Of the words of an answer, {_percent(most.templated)} lie in phrases that recur across prompts "
        f"for {most.arm}, the most of {len(ordered)} arms, and {_percent(least.templated)} for "
        f"{least.arm}, the least."
    )
    above, below, open_ = sides({row.arm: row.templated for row in part.differences}, 0.0)
    reference = part.differences[0].reference
    said = [
        f"{words} {', '.join(arms)}"
        for words, arms in (("more:", above), ("less:", below), ("not distinguishable:", open_))
        if arms
    ]
    yield f"Against {reference}, paired by prompt, words in recurring phrases are {'; '.join(said)}."


def _tables(part: BoilerplatePart) -> Iterable[Table]:
    yield _arms_table(part)
    groups = sorted({group for arm in part.arms for group in arm.groups})
    if groups:
        yield Table(
            "groups",
            "Answers with a listed phrase, by group",
            (Column("Arm"), *(Column(group, "share") for group in groups)),
            tuple((a.arm, *(a.groups.get(group) for group in groups)) for a in part.arms),
        )
    if part.differences:
        yield Table(
            "differences",
            f"Difference to {part.differences[0].reference}, paired by prompt",
            (
                Column("Arm"),
                Column("Prompts"),
                Column("Words in recurring phrases", "share", plot=True),
                Column("Answers with a listed phrase", "share", plot=True),
            ),
            tuple((d.arm, d.prompts, d.templated, d.listed) for d in part.differences),
        )
    if part.scrubbed:
        yield _scrubbed_table(part)
    rows = tuple(
        (arm.arm, row.phrase, row.prompts, arm.prompts) for arm in part.arms for row in arm.phrases[:_SHOWN]
    )
    if rows:
        yield Table(
            "phrases",
            f"Phrases that recur, found without a list (up to {_SHOWN} of each arm)",
            (Column("Arm"), Column("Phrase"), Column("Prompts"), Column("Of")),
            rows,
        )


def _arms_table(part: BoilerplatePart) -> Table:
    return Table(
        "arms",
        "What the answers of each arm have in common",
        (
            Column("Arm"),
            Column("Answers"),
            Column("Words in recurring phrases", "share", plot=True),
            Column("Answers with a listed phrase", "share", plot=True),
            Column("Templated opener", "share"),
            Column("Near duplicates", "share"),
            Column("Identical", "share"),
            Column("Distinct 4-grams", "share"),
        ),
        tuple(
            (a.arm, a.answers, a.templated, a.listed, a.openers, a.near, a.identical, a.distinct)
            for a in part.arms
        ),
    )


def _scrubbed_table(part: BoilerplatePart) -> Table:
    return Table(
        "scrubbed",
        "Preferences before and after sentences of listed phrases were taken out of both answers",
        (
            Column("Arm"),
            Column("Question"),
            Column("Rater"),
            Column("Preferences"),
            Column("Asked again"),
            Column("Emptied"),
            Column("Win rate before", "share"),
            Column("After", "share"),
            Column("Difference", "share", plot=True),
        ),
        tuple(
            (s.arm, s.question, s.rater, s.n, s.asked_again, s.emptied, s.before, s.after, s.difference)
            for s in part.scrubbed
        ),
    )


def _percent(share: Estimate) -> str:
    if share.value is None:
        return "an unknown share"
    if share.low is None or share.high is None:
        return f"{share.value:.1%} (no interval: {share.undefined})"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"
