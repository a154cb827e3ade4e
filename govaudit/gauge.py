"""``govaudit gauge``: one rater measured on labelled data.

In: the name of a rater (a check, ``model:NAME``, ``classifier:FILE``, ``recorded:...``, ``people``) and files
of one format. Out: the document of ``reports.gauged``. Only ``model:`` calls a model; its calls are logged,
so that the same command resumes and repeats nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from govaudit.canonical import digest, file_digest
from govaudit.errors import BadInput
from govaudit.evals import golds, voices
from govaudit.evals import run as running
from govaudit.evals.golds import FIRST, SECOND, TIE, Example, Gold
from govaudit.evals.run import Step, silent
from govaudit.evals.tasks import JudgeItem
from govaudit.evals.voices import PEOPLE, Verdict, Voice
from govaudit.library import find_spec
from govaudit.plan import judge_arm
from govaudit.records import RaterKind, Unscored
from govaudit.reports import gauged
from govaudit.reports.agreed import AgreementGroup, Labels, group
from govaudit.reports.gauged import GaugeDocument, Measured, Reading
from govaudit.request import JudgeRequest
from govaudit.scorers import judge, pairwise, style
from govaudit.scorers.rubric import Rubric, load
from govaudit.scorers.traits import NO, YES, Said
from govaudit.specs.load import load_spec
from govaudit.specs.model import Expected, Spec


def gauge(
    rater: str,
    files: Sequence[Path],
    format_: str,
    *,
    split: str | None = None,
    rubric: str | None = None,
    spec: str | None = None,
    replicates: int = 1,
    logs: Path | None = None,
    seed: int = 0,
    connections: int | None = None,
    step: Step = silent,
) -> GaugeDocument:
    """Gauge a rater.

    ``split``: a column; its values are measured apart beside the whole. ``rubric``, ``spec`` (texts of the
    clauses that native items name), ``replicates`` (times that the same is asked), ``logs`` and
    ``connections`` are of ``model:``. :class:`BadInput` for an unknown rater, data that it cannot judge, and
    whatever ``golds.read`` refuses.
    """
    gold = golds.read(files, format_)
    asking = _Asking(rubric, spec, replicates, logs, connections, step)
    kind, _, model = rater.partition(":")
    if kind == "model" and model:
        voice = _model(model, gold, asking)
    else:
        asking.check_unused()
        voice = voices.voice(rater, gold)
    parts = gold.where(split) if split else {}
    apart = {value: measure(voice, part, seed) for value, part in parts.items()}
    whole = measure(voice, gold, seed)
    return GaugeDocument(
        **{name: getattr(whole, name) for name in Measured.model_fields},
        rater=voice.name,
        kind=voice.kind.value,
        fingerprint=voice.fingerprint,
        rubric=voice.rubric,
        format=format_,
        files=tuple(path.name for path in files),
        gold=voices.OTHERS if rater == PEOPLE else gold.source,
        without_gold=sum(e.gold is None and not e.propositions for e in gold.examples),
        ties=sum(one.label == TIE for one in voice.hear(gold))
        if gold.format.kind == "pairs" and voice.hear
        else 0,
        splits={value: found for value, found in apart.items() if found.items},
        agreement=_together(gold, seed) if rater == PEOPLE else None,
        notes=(*voice.notes, *_left_out(rater, voice, gold)),
    )


def _left_out(rater: str, voice: Voice, gold: Gold) -> list[str]:
    """How many items with a gold label the rater was not heard on."""
    if voice.hear is None or rater == PEOPLE or gold.verdicts:
        return []
    missing = {e.item for e in voices.with_gold(gold)} - {one.item for one in voice.hear(gold)}
    why = "no verdict of this rater stands in the file, or its rubric does not apply to them"
    return [f"{len(missing):,} items with a gold label are not in these numbers: {why}."] if missing else []


def measure(voice: Voice, gold: Gold, seed: int) -> Measured:
    """All numbers of one rater on (a part of) the gold data."""
    if voice.propositions is not None:
        said = voice.propositions(gold)
        there = sorted({name for example in gold.examples for name in example.propositions})
        missing = [name for name in there if name not in said]
        return gauged.of_propositions(said, missing, seed, voice.why)
    assert voice.hear is not None
    halves = gold.halves
    reading = Reading(
        gold.classes,
        halves.labels if halves else frozenset(),
        halves.undecided if halves else frozenset(),
        (halves.positive, halves.negative) if halves else (YES, NO),
        pairs=gold.format.kind == "pairs",
    )
    found = gauged.measured(voice.hear(gold), reading, seed, voice.why)
    if voice.name == PEOPLE:
        found = found.model_copy(update={"items": sum(len(e.people) > 1 for e in gold.examples)})
    return found


# ---------------------------------------------------------------------------------------------- LLM judges


@dataclass(frozen=True)
class _Asking:
    """How a model is asked."""

    rubric: str | None
    spec: str | None
    replicates: int
    logs: Path | None
    connections: int | None
    step: Step

    def check_unused(self) -> None:
        given = {
            "--rubric": self.rubric,
            "--spec": self.spec,
            "--replicates": self.replicates > 1,
            "--logs": self.logs,
        }
        for option, value in given.items():
            if value:
                raise BadInput(f"{option} is for model:NAME, and this rater calls no model")


@dataclass(frozen=True)
class _Question:
    """One call: the example, what is asked, and how the reply is to be read."""

    example: Example
    text: str
    swapped: bool | None = None
    replicate: int = 1
    proposition: str = ""


def _model(name: str, gold: Gold, asking: _Asking) -> Voice:
    """An LLM judge on every example; pairs are asked in both orders, propositions one by one."""
    if not gold.examples:
        raise BadInput(
            "the file holds verdicts and no texts, so a model cannot be asked",
            path=gold.files[0],
            remedy="Name the file of pairs with --gold.",
        )
    if not (wanted := asking.rubric or gold.format.rubric):
        raise BadInput(
            f"no built-in rubric fits the format {gold.format.name}",
            remedy="Name one with --rubric that offers its classes as verdicts or aliases: "
            f"{', '.join(gold.classes)}.",
        )
    kind = gold.format.kind
    rubric = pairwise.usable(wanted) if kind == "pairs" else load(wanted)
    if kind == "classes":
        voices.check_fits(f"model:{name}", rubric, gold)
    once = _QUESTIONS[kind](gold, rubric, asking.spec)
    if not once:
        raise BadInput(f"the rubric {rubric.name!r} applies to no item of the files", path=gold.files[0])
    questions = [replace(q, replicate=k) for q in once for k in range(1, asking.replicates + 1)]
    verdicts, reported = _asked(name, rubric, questions, asking, asking.logs or _logs(name, gold))
    heard = list(zip(questions, verdicts, strict=True))
    why = {} if asking.replicates > 1 else {"test_retest": "each question was asked once (--replicates 2)"}
    voice = Voice(f"model:{name}", RaterKind.JUDGE, fingerprint=reported, rubric=rubric.name, why=why)
    if kind == "propositions":
        truths = {(q.example.item, q.proposition): _TRUTHS.get(v[0] or "") for q, v in heard}
        names = [key for key in style.PROPOSITIONS if any(q.proposition == key for q in once)]
        return replace(
            voice,
            propositions=lambda part: voices.by_proposition(
                part, names, lambda e: {key: truths.get((e.item, key)) for key in names}
            ),
        )
    said = [
        (q.example.item, _of_pair(q, v, name) if kind == "pairs" else _of_one(q, v, name, rubric, gold))
        for q, v in heard
    ]

    def hear(part: Gold) -> list[Said]:
        there = {example.item for example in part.examples}
        return [one for item, one in said if item in there]

    return replace(voice, hear=hear)


_TRUTHS = {"true": True, "false": False}


def _asked(
    name: str, rubric: Rubric, questions: Sequence[_Question], asking: _Asking, logs: Path
) -> tuple[list[Verdict], str]:
    """The model's verdict on each question, and what the endpoint says that it is."""
    ids = [_id(rubric, question) for question in questions]
    replies = running.judge(
        running.open_model(judge_arm(JudgeRequest(model=name, rubric=rubric.name))),
        f"judge:{name}",
        {id_: JudgeItem(id_, q.text) for id_, q in zip(ids, questions, strict=True)}.values(),
        logs=logs,
        connections=asking.connections,
        step=asking.step,
    )
    verdicts: list[Verdict] = []
    for id_, question in zip(ids, questions, strict=True):
        reply = replies[id_]
        if reply.failure is not None:
            verdicts.append((None, reply.failure))
        else:
            verdicts.append(judge.parse(rubric, reply.text, reply.stop_reason, question.text))
    return verdicts, running.reported(replies)


def _of_one(question: _Question, verdict: Verdict, name: str, rubric: Rubric, gold: Gold) -> Said:
    found = voices.in_classes(rubric, *verdict, question.example, gold)
    return voices.said(question.example, found, name, question.replicate)


def _of_pair(question: _Question, verdict: Verdict, name: str) -> Said:
    return voices.said_of_pair(
        question.example,
        _side(verdict[0], bool(question.swapped)),
        verdict[1],
        swapped=question.swapped,
        judge_model=name,
        replicate=question.replicate,
    )


def _side(shown: str | None, swapped: bool) -> str | None:
    """A verdict on answers as shown as one on the sides of the pair."""
    if shown is None or shown == pairwise.TIE:
        return None if shown is None else TIE
    return FIRST if (shown == pairwise.FIRST) is not swapped else SECOND


def _pair_questions(gold: Gold, rubric: Rubric, spec: str | None) -> list[_Question]:
    if spec:
        raise BadInput("--spec is for native items, and these are pairs")
    out = []
    for example in voices.with_gold(gold):
        pair = example.pair
        # Two answers to different conversations are no comparison that a judge can make.
        if pair is not None and pair.same_context:
            for swapped in (False, True):
                shown = (pair.second, pair.first) if swapped else (pair.first, pair.second)
                out.append(_Question(example, pairwise.prompt(rubric, pair.turns, *shown), swapped))
    return out


def _answer_questions(gold: Gold, rubric: Rubric, spec: str | None) -> list[_Question]:
    document = load_spec(find_spec(spec)).spec if spec else None
    out = []
    for example in voices.with_gold(gold):
        if example.answer is not None and voices.applies(rubric, example):
            clause = _clause(example, rubric, document)
            turns = tuple(turn for turn in example.turns if turn.content is not None)
            out.append(_Question(example, judge.prompt(rubric, *clause, turns, example.answer)))
    return out


def _proposition_questions(gold: Gold, rubric: Rubric, spec: str | None) -> list[_Question]:
    if spec or set(rubric.labels) != _TRUTHS.keys():
        raise BadInput(
            "--spec is for native items"
            if spec
            else f"the rubric {rubric.name!r} does not offer the verdicts true and false"
        )
    return [
        _Question(
            example,
            judge.prompt(rubric, name, style.STATEMENTS[name], example.turns, example.answer or ""),
            proposition=name,
        )
        for example in gold.examples
        for name in style.PROPOSITIONS
        if name in example.propositions
    ]


_QUESTIONS: Mapping[golds.Kind, Callable[[Gold, Rubric, str | None], list[_Question]]] = {
    "classes": _answer_questions,
    "propositions": _proposition_questions,
    "pairs": _pair_questions,
}


def _clause(example: Example, rubric: Rubric, spec: Spec | None) -> tuple[str, str]:
    """Title and text of the clause that an item names, where the rubric speaks of one."""
    if spec is not None and example.clause is not None:
        for clause in spec.clauses:
            if clause.id == example.clause:
                return clause.title, clause.text
        raise BadInput(f"{example.source} names the clause {example.clause!r}, which the spec does not have")
    if Expected.KEEP in rubric.applies_to and example.expected is not None:
        raise BadInput(
            f"the rubric {rubric.name!r} asks about a clause, and {example.source} has no text of one",
            remedy="Name the spec with --spec, and the clause of each item.",
        )
    return "", ""


def _id(rubric: Rubric, question: _Question) -> str:
    again = {"replicate": question.replicate} if question.replicate > 1 else {}
    return digest({"rubric": rubric.digest, "prompt": question.text, **again})


def _logs(name: str, gold: Gold) -> Path:
    data = digest([file_digest(path) for path in gold.files])[:12]
    return Path("runs") / "gauges" / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}-{data}"


# ----------------------------------------------------------------------------------------------- agreement


def _together(gold: Gold, seed: int) -> AgreementGroup:
    """Everybody who labelled the items of the files, beside each other."""
    examples = [example for example in gold.examples if len(example.votes) > 0]
    kinds = {v.rater: v.kind for e in examples for v in e.votes if v.kind is not RaterKind.PANEL}
    raters = sorted(kinds, key=lambda name: (kinds[name] is not RaterKind.PEOPLE, _natural(name)))
    column = {name: k for k, name in enumerate(raters)}
    table = np.full((len(examples), len(raters)), None, dtype=object)
    missing = dict.fromkeys(raters, 0)
    for row, example in enumerate(examples):
        for vote in example.votes:
            if vote.rater in column:
                table[row, column[vote.rater]] = vote.label
                missing[vote.rater] += vote.unscored is Unscored.INVALID_VERDICT
    halves, values = gold.halves, gold.values
    if halves is not None:
        numbers = {c: float(c in halves.labels) for c in gold.classes if c not in halves.undecided}
    else:
        numbers = values or {}
    stated = _reference(examples)
    return group(
        Labels(
            name=", ".join(path.name for path in gold.files),
            items=tuple(example.item for example in examples),
            clusters=tuple(example.cluster for example in examples),
            raters=tuple(raters),
            kinds=tuple(kinds[name] for name in raters),
            labels=table,
            classes=gold.classes,
            values=numbers,
            ordered=values is not None and halves is None,
            yes=halves.positive if halves else "",
            invalid=missing,
            reference=stated[0] if stated else None,
            reference_name=stated[1] if stated else "",
        ),
        seed,
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """Names in the order of the numbers in them."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _reference(examples: Sequence[Example]) -> tuple[tuple[str | None, ...], str] | None:
    """Labels that the source holds right, or the majority that it states."""
    if any(not example.counted and example.gold for example in examples):
        return tuple(None if e.counted else e.gold for e in examples), "the gold labels"
    stated = [next((v.label for v in e.votes if v.kind is RaterKind.PANEL), None) for e in examples]
    return (tuple(stated), f"the file's {golds.MAJORITY}") if any(stated) else None
