"""Raters as ``govaudit gauge`` hears them: what each says of the items of a file of labelled data.

In: the name of a rater and gold data. Out: a :class:`Voice`, whose verdicts are in the classes of the gold
data: checks, fitted classifiers, people (each against the others), verdicts that the files record. Left out:
LLM judges, which take calls (``govaudit.gauge``), and what is made of the verdicts (``scorers.traits``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from govaudit.errors import BadInput
from govaudit.evals import golds
from govaudit.evals.forms import labels
from govaudit.evals.forms.pairs import PairVerdict
from govaudit.evals.golds import FIRST, SECOND, TIE, Example, Gold
from govaudit.records import RaterKind, Unscored, last_user
from govaudit.scorers import refusal, style
from govaudit.scorers.rubric import Rubric, broken, load, normalise
from govaudit.scorers.traits import NO, YES, Said

PEOPLE = "people"
OTHERS = "for each person, the label that most of the others gave"
_A_RULE = "a rule gives one text one verdict"

Verdict = tuple[str | None, Unscored | None]
"""A label, or why there is none."""


@dataclass(frozen=True)
class Voice:
    """A rater, ready to be heard on any part of the gold data."""

    name: str
    kind: RaterKind
    hear: Callable[[Gold], list[Said]] | None = None
    """Verdicts in classes; ``None`` for a rater of propositions."""
    propositions: Callable[[Gold], dict[str, list[Said]]] | None = None
    fingerprint: str = ""
    rubric: str = ""
    why: Mapping[str, str] = field(default_factory=dict)
    """What cannot be measured of such a rater."""
    notes: tuple[str, ...] = ()


def voice(rater: str, gold: Gold) -> Voice:
    """The rater of that name, for this gold data; :class:`BadInput` where it says nothing of such data.

    ``model:`` is not among them: it takes calls (``govaudit.gauge``).
    """
    kind, sign, rest = rater.partition(":")
    if rater == PEOPLE:
        return _people(gold)
    if sign and not rest:
        raise BadInput(f"{rater!r} names no rater", remedy=_RATERS)
    if kind == "recorded":
        return _recorded_pairs(rest, gold) if gold.verdicts else _recorded(rest, gold)
    if kind == "classifier":
        return _classifier(Path(rest), gold)
    check = _CHECKS.get(rest if kind == "check" else rater)
    if check is None:
        raise BadInput(f"there is no rater {rater!r}", remedy=_RATERS)
    return check(gold)


_RATERS = (
    "RATER is a check (refusal, length), model:NAME, classifier:FILE, recorded:COLUMN, "
    "recorded:judge=NAME,method=...,step=..., or people."
)


def _unfit(rater: str, gold: Gold, fits: str) -> BadInput:
    return BadInput(f"{rater} says nothing of the format {gold.format.name}", remedy=f"It rates {fits}.")


def said(example: Example, verdict: Verdict, judge_model: str = "", replicate: int = 1) -> Said:
    label, unscored = verdict
    own = float(same_model(judge_model, example.model)) if judge_model and example.model else None
    return Said(
        example.item,
        example.cluster,
        example.gold or "",
        label,
        None if label is not None else unscored or Unscored.NOT_RATED,
        replicate=replicate,
        length=None if example.answer is None else math.log2(max(1, len(example.answer.split()))),
        own=own,
    )


def same_model(judge_model: str, model: str) -> bool:
    """Is it one model, provider and spelling apart?"""

    def bare(name: str) -> str:
        return re.sub(r"[^a-z0-9]+", "", name.rpartition("/")[2].casefold())

    return bare(judge_model) == bare(model)


def with_gold(gold: Gold) -> list[Example]:
    return [example for example in gold.examples if example.gold is not None]


# ------------------------------------------------------------------------------------------------ checks


def _refusal(gold: Gold) -> Voice:
    if gold.format.kind == "propositions":
        return Voice(
            "check:style",
            RaterKind.CHECK,
            propositions=lambda part: by_proposition(
                part, style.PROPOSITIONS, lambda e: style.read(e.turns, e.answer or "")
            ),
            fingerprint=style.DIGEST,
            why={"test_retest": _A_RULE, "position": "one answer is shown at a time"},
        )
    rubric = load("refusal")

    def verdict(example: Example) -> Verdict:
        found = refusal.classify(last_user(example.turns), example.answer or "")
        return in_classes(rubric, found.label, found.unscored, example, gold)

    return _of_answers("check:refusal", RaterKind.CHECK, gold, verdict, rubric, fingerprint=refusal.DIGEST)


def _of_answers(
    name: str,
    kind: RaterKind,
    gold: Gold,
    verdict: Callable[[Example], Verdict],
    rubric: Rubric,
    *,
    fingerprint: str,
) -> Voice:
    """A rule or classifier that reads one answer at a time."""
    check_fits(name, rubric, gold)
    return Voice(
        name,
        kind,
        lambda part: [
            said(example, verdict(example)) for example in with_gold(part) if applies(rubric, example)
        ],
        fingerprint=fingerprint,
        rubric=rubric.name,
        why={
            "test_retest": _A_RULE,
            "self_preference": "it is no model that writes answers",
            "position": "one answer is shown at a time",
        },
    )


def check_fits(name: str, rubric: Rubric, gold: Gold) -> None:
    if gold.format.kind != "classes":
        raise _unfit(name, gold, "single answers")
    if not any(example.answer is not None for example in gold.examples):
        raise BadInput(f"{name} reads answers, and the file holds none", path=gold.files[0])
    if gold.format.name != "native" and not _classes_of(rubric, gold):
        offered = ", ".join(rubric.labels)
        raise BadInput(
            f"the rubric {rubric.name!r} ({offered}) offers no class of the format {gold.format.name}",
            remedy=f"Classes: {', '.join(gold.classes)}. A rubric names them as verdicts or aliases.",
        )


def _classes_of(rubric: Rubric, gold: Gold) -> dict[str, str]:
    """Verdict of a rubric -> class of the gold data."""
    named = {normalise(rubric, label): label for label in gold.classes}
    return {verdict: label for verdict, label in named.items() if verdict is not None}


def applies(rubric: Rubric, example: Example) -> bool:
    return example.expected is None or example.expected in rubric.applies_to


def in_classes(
    rubric: Rubric, label: str | None, unscored: Unscored | None, example: Example, gold: Gold
) -> Verdict:
    """A rubric's verdict as a class of the gold data."""
    if label is None:
        return None, unscored
    if example.expected is not None:
        return (golds.BROKEN if broken(rubric, label, example.expected) else golds.KEPT), None
    found = _classes_of(rubric, gold).get(label)
    return found, None if found else Unscored.INVALID_VERDICT


def by_proposition(
    gold: Gold, names: Sequence[str], read: Callable[[Example], Mapping[str, bool | None]]
) -> dict[str, list[Said]]:
    out: dict[str, list[Said]] = {name: [] for name in names}
    for example in gold.examples:
        found = read(example)
        for name in names:
            if name in example.propositions:
                truth = found.get(name)
                out[name].append(
                    Said(
                        example.item,
                        example.cluster,
                        YES if example.propositions[name] else NO,
                        None if truth is None else YES if truth else NO,
                        Unscored.NOT_RATED if truth is None else None,
                    )
                )
    return {name: rows for name, rows in out.items() if rows}


def _length(gold: Gold) -> Voice:
    """The baseline that holds the longer answer better."""
    if gold.format.kind != "pairs" or not gold.examples:
        raise _unfit("check:length", gold, "pairs of answers with their texts")

    def hear(part: Gold) -> list[Said]:
        out = []
        for example in with_gold(part):
            assert example.pair is not None
            first, second = len(example.pair.first), len(example.pair.second)
            label = TIE if first == second else FIRST if first > second else SECOND
            out.append(said_of_pair(example, label))
        return out

    return Voice(
        "check:length",
        RaterKind.CHECK,
        hear,
        why={
            "test_retest": _A_RULE,
            "position": "it does not see an order",
            "self_preference": "it is no model that writes answers",
        },
        notes=("The longer answer, in characters, is held better: a baseline that judges should beat.",),
    )


_CHECKS: Mapping[str, Callable[[Gold], Voice]] = {"refusal": _refusal, "style": _refusal, "length": _length}


def _classifier(path: Path, gold: Gold) -> Voice:
    from govaudit.scorers import classifier

    fitted = classifier.load(path)
    name = f"classifier:{path.name}"

    def labelled(example: Example) -> Mapping[str, str]:
        return fitted.predict(last_user(example.turns), example.answer or "") or {}

    if gold.format.kind == "propositions":
        truths = {"true": True, "false": False}
        names = [target for target in fitted.targets if target != _REFUSAL]
        if not names:
            raise _unfit(name, gold, "refusal, on xstest or native")
        return Voice(
            name,
            RaterKind.CHECK,
            propositions=lambda part: by_proposition(
                part, names, lambda e: {key: truths.get(label) for key, label in labelled(e).items()}
            ),
            fingerprint=fitted.digest,
            why={"test_retest": _A_RULE},
            notes=(_FLATTERED,),
        )
    if _REFUSAL not in fitted.targets:
        raise _unfit(name, gold, f"propositions ({', '.join(fitted.targets)}), on rbr")
    rubric = load("refusal")

    def verdict(example: Example) -> Verdict:
        label = normalise(rubric, labelled(example).get(_REFUSAL, ""))
        return in_classes(rubric, label, Unscored.EMPTY, example, gold)

    found = _of_answers(name, RaterKind.CHECK, gold, verdict, rubric, fingerprint=fitted.digest)
    return replace(found, notes=(_FLATTERED,))


_FLATTERED = (
    "A classifier looks better than it is on rows that it was fitted on: `govaudit fit` prints what it says "
    "of rows that it had not seen."
)


_REFUSAL = "refusal"
"""Target of classifiers that were fitted on refusals."""


# ------------------------------------------------------------------------------------ people and columns


def _people(gold: Gold) -> Voice:
    """Every person against most of the others."""
    if gold.format.kind != "classes" or not any(len(example.people) > 1 for example in gold.examples):
        raise BadInput(
            "the files hold no items that two persons labelled",
            path=gold.files[0],
            remedy="People are gauged on each other: xstest, dices, bbq or matrix.",
        )

    def hear(part: Gold) -> list[Said]:
        out = []
        for example in part.examples:
            for vote in example.votes:
                if vote.kind is RaterKind.PEOPLE and (gold_ := example.without(vote.rater)):
                    one = said(example, (vote.label, vote.unscored))
                    out.append(replace(one, item=f"{example.item}/{vote.rater}", gold=gold_, own=None))
        return out

    return Voice(
        PEOPLE,
        RaterKind.PEOPLE,
        hear,
        why={
            "test_retest": "nobody rated an item twice",
            "self_preference": "people write no answers here",
            "position": "one answer is shown at a time",
        },
    )


def _recorded(name: str, gold: Gold) -> Voice:
    """A column of the file, or a rater that it names."""
    if gold.format.kind == "propositions":
        return _recorded_propositions(name, gold)
    named = {vote.rater for example in gold.examples for vote in example.votes}
    column = not any(name in example.row for example in gold.examples)
    if name not in named and column:
        shown = sorted(named)
        raise BadInput(
            f"no row holds a verdict of {name!r}",
            path=gold.files[0],
            remedy=f"Raters of the files: {', '.join(shown[:12]) or 'none'}"
            + (f" and {len(shown) - 12} more." if len(shown) > 12 else "."),
        )
    if name == golds.MAJORITY and all(example.counted for example in gold.examples):
        raise BadInput(
            f"{name} is the gold label of these files",
            remedy="Add a file of experts' labels with a second --gold.",
        )
    if gold.format.kind == "pairs":
        return _recorded_column(name, gold)
    spellings = labels.spelt(gold.classes)
    kinds = {vote.kind for example in gold.examples for vote in example.votes if vote.rater == name}
    kind = next(iter(kinds)) if len(kinds) == 1 else RaterKind.JUDGE

    def hear(part: Gold) -> list[Said]:
        out = []
        for example in part.examples:
            vote = next((v for v in example.votes if v.rater == name), None)
            if vote is None:
                if name not in example.row:
                    continue
                vote = labels.vote(name, kind, example.row[name], spellings)
            # A person's own vote is part of what most people say.
            own = example.counted and kind is RaterKind.PEOPLE
            gold_ = example.without(name) if own else example.gold
            if gold_ is not None:
                out.append(replace(said(example, (vote.label, vote.unscored)), gold=gold_))
        return out

    return Voice(
        f"recorded:{name}",
        kind,
        hear,
        why={
            "test_retest": "the file holds one verdict per item",
            "position": "one answer is shown at a time",
            "self_preference": "the file does not say which model judged",
        },
    )


def _recorded_propositions(name: str, gold: Gold) -> Voice:
    if not any(isinstance(example.row.get(name), dict) for example in gold.examples):
        raise BadInput(
            f"no row has a column {name!r} with propositions",
            path=gold.files[0],
            remedy="Such a column holds an object with true or false under each proposition.",
        )
    names = sorted({key for e in gold.examples if isinstance(e.row.get(name), dict) for key in e.row[name]})

    def read(example: Example) -> Mapping[str, bool | None]:
        if example.line is None or not isinstance(example.row.get(name), dict):
            return {}
        return labels.propositions(example.line, name)

    return Voice(
        f"recorded:{name}",
        RaterKind.JUDGE,
        propositions=lambda part: by_proposition(part, names, read),
        why={"test_retest": "the file holds one verdict per item"},
    )


# ------------------------------------------------------------------------------------------------- pairs


def said_of_pair(
    example: Example,
    label: str | None,
    unscored: Unscored | None = None,
    *,
    swapped: bool | None = None,
    judge_model: str = "",
    replicate: int = 1,
) -> Said:
    pair = example.pair
    assert pair is not None
    words = [max(1, len(text.split())) for text in (pair.first, pair.second)]
    own = None
    if judge_model and any(pair.models):
        first, second = (same_model(judge_model, model) for model in pair.models)
        own = float(first) - float(second)
    return Said(
        example.item,
        example.cluster,
        example.gold or "",
        label,
        None if label is not None else unscored or Unscored.NOT_RATED,
        swapped,
        replicate,
        math.log2(words[0] / words[1]),
        own,
    )


_SIDES = {
    **dict.fromkeys(("1", "first", "a", "chosen", "output_1"), FIRST),
    **dict.fromkeys(("2", "second", "b", "rejected", "output_2"), SECOND),
    **dict.fromkeys(("tie", "both", "same"), TIE),
}


def _recorded_column(name: str, gold: Gold) -> Voice:
    def hear(part: Gold) -> list[Said]:
        out = []
        for example in with_gold(part):
            if name in example.row:
                raw = example.row[name]
                label = _SIDES.get(str(raw).strip().casefold())
                # What the file calls first, or chosen, may be the second side here.
                stands = example.pair is not None and example.line is not None and _turned(example)
                if stands and label in (FIRST, SECOND):
                    label = SECOND if label == FIRST else FIRST
                missing = Unscored.NOT_RATED if raw is None else Unscored.INVALID_VERDICT
                out.append(said_of_pair(example, label, None if label else missing))
        return out

    return Voice(
        f"recorded:{name}",
        RaterKind.JUDGE,
        hear,
        why={
            "test_retest": "the file holds one verdict per item",
            "self_preference": "the file does not say which model judged",
        },
    )


def _turned(example: Example) -> bool:
    """Did the texts decide that the answer that the source has first is the second here?"""
    return "chosen" in example.row and example.gold == SECOND


def _recorded_pairs(wanted: str, gold: Gold) -> Voice:
    """One judge among the verdicts of a file, chosen by what its rows say."""
    keys = _keys(wanted)

    def fits(row: Mapping[str, Any]) -> bool:
        return all(str(row.get(key)) == value for key, value in keys.items())

    chosen = [verdict for verdict, row in gold.verdicts if fits(row)]
    _check_one(wanted, keys, chosen, gold)
    texts = {example.item: example for example in gold.examples}
    name = chosen[0].judge

    def hear(part: Gold) -> list[Said]:
        out = []
        for verdict, row in part.verdicts:
            text = texts.get(verdict.item)
            gold_ = str(verdict.gold) if verdict.gold else text.gold if text else None
            if not fits(row) or gold_ is None:
                continue
            label = TIE if verdict.tie else None if verdict.winner is None else str(verdict.winner)
            about = said_of_pair(text, label, judge_model=name) if text else None
            out.append(
                Said(
                    verdict.item,
                    text.cluster if text else verdict.cluster,
                    gold_,
                    label,
                    verdict.unscored,
                    verdict.swapped,
                    verdict.replicate,
                    about.length if about else None,
                    about.own if about else None,
                )
            )
        return out

    notes = () if texts else ("The texts of the pairs come with their file as a second --gold.",)
    return Voice(f"recorded:{wanted}", RaterKind.JUDGE, hear, notes=notes)


def _keys(wanted: str) -> dict[str, str]:
    if "=" not in wanted:
        return {"judge": wanted}
    keys = {}
    for part in wanted.split(","):
        key, sign, value = part.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise BadInput(
                f"recorded:{wanted} does not say which verdicts",
                remedy="Write recorded:judge=NAME,method=...",
            )
        keys[key.strip()] = value.strip()
    return keys


def _check_one(wanted: str, keys: Mapping[str, str], chosen: Sequence[PairVerdict], gold: Gold) -> None:
    """The verdicts must be those of one judge, asked in one way."""
    if not chosen:
        shown = sorted({verdict.judge for verdict, _ in gold.verdicts})
        raise BadInput(
            f"no verdict is of {wanted!r}",
            path=gold.files[0],
            remedy=f"Judges: {', '.join(shown)}. Other columns narrow them: judge=NAME,method=...,step=...",
        )
    judges = {verdict.judge for verdict in chosen}
    if len(judges) > 1:
        raise BadInput(
            f"recorded:{wanted} are verdicts of {len(judges)} judges: {', '.join(sorted(judges))}",
            remedy="Add judge=NAME.",
        )
    ways = sorted({tuple(sorted(verdict.settings.items())) for verdict in chosen}, key=str)
    if len(ways) > 1:
        open_ = sorted({key for way in ways for key, _ in way} - keys.keys())
        some = "; ".join(",".join(f"{k}={v}" for k, v in way) for way in ways[:4])
        raise BadInput(
            f"recorded:{wanted} are verdicts from {len(ways)} ways of asking, and a gauge is of one",
            remedy=f"Add {' and '.join(open_)}: {some}{'; ...' if len(ways) > 4 else ''}.",
        )
