"""Evidence that others made: folders of Inspect logs as the tables of an audit, their origin kept.

In: a folder of logs (``.eval`` or Inspect's JSON), of our own tasks or of anybody's. Out: for each task an
:class:`Imported`: a spec, a suite, arms, responses, ratings and raters. Every score becomes a rating of a
foreign rater, which has no gauge. A spec is the user's, or the one that our own task names, or made of what
the log says it scored; the last declares nothing. What cannot be placed is named in ``left_out``: nothing
is dropped in silence.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspect_ai.log import EvalLog, EvalSample, read_eval_log
from inspect_ai.model import ChatMessage

from govaudit import library
from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.evals import foreign_scores as scores
from govaudit.evals.foreign_scores import Reading, ScoreRule
from govaudit.evals.suite import Probe, ProbeOrigin, Suite, Target
from govaudit.evals.tasks import STORE
from govaudit.records import (
    Measure,
    Rater,
    RaterKind,
    Rating,
    Response,
    Scale,
    Turn,
    Unscored,
    rating_id,
    response_id,
    stimulus_digest,
)
from govaudit.specs import native
from govaudit.specs.model import Clause, Expected, Spec

_ASIDE = ("eval-set.json", "logs.json", "listing.json")
"""Files that Inspect writes beside logs."""
_LIMITS = {"time": Unscored.TIMEOUT, "working": Unscored.TIMEOUT, "token": Unscored.TRUNCATED}
_STOPS = {
    "max_tokens": Unscored.TRUNCATED,
    "model_length": Unscored.CONTEXT,
    "content_filter": Unscored.FILTERED,
}


_ADAPTIVE = (
    "an auditor model wrote the prompts as it went along: two arms share a seed and not a conversation, and "
    "the answers that are shown are the last turns of what the log holds"
)


@dataclass(frozen=True)
class ForeignArm:
    """A model as the log describes it."""

    name: str
    digest: str
    model: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Imported:
    """All logs of one task."""

    task: str
    origin: str
    """What made the logs, in words."""
    created: str
    spec: Spec
    suite: Suite
    arms: tuple[ForeignArm, ...]
    deciding: Mapping[str, str]
    """Clause -> foreign rater whose scores stand for it; without a gauge they decide nothing."""
    epochs: int
    responses: tuple[Response, ...]
    ratings: tuple[Rating, ...]
    raters: tuple[Rater, ...]
    rubrics: Mapping[str, str]
    """Name -> what is known of how the scores were made, as a rubric file."""
    left_out: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    """What a reader must know of how the evidence was made."""


@dataclass
class _Prompt:
    """One stimulus, while logs are read."""

    turns: tuple[Turn, ...]
    cluster: str
    source: str
    targets: dict[str, Expected] = field(default_factory=dict)


@dataclass
class _Task:
    """One task, while its logs are read."""

    name: str
    spec: Spec | None
    declared: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Clause that a log names -> title and text."""
    prompts: dict[str, _Prompt] = field(default_factory=dict)
    arms: dict[str, ForeignArm] = field(default_factory=dict)
    responses: dict[str, Response] = field(default_factory=dict)
    ratings: dict[str, Rating] = field(default_factory=dict)
    raters: dict[str, Rater] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    made_by: set[str] = field(default_factory=set)
    created: str = ""
    unfinished: int = 0
    remarks: dict[str, None] = field(default_factory=dict)
    named: Mapping[str, Any] = field(default_factory=dict)
    """Metadata of a log of ours."""


def is_logs(folder: Path) -> bool:
    """Whether a folder holds files that may be Inspect logs."""
    return folder.is_dir() and bool(_files(folder))


def read(folder: Path, *, spec: Spec | None = None, rules: Sequence[ScoreRule] = ()) -> tuple[Imported, ...]:
    """The logs of a folder, one :class:`Imported` for each task in it, in the order of their names.

    ``spec``: what the scores are held against; their clauses must be in it. ``rules``: what scores mean whose
    direction no published form gives. :class:`BadInput` for a folder without a log that holds samples.
    """
    tasks: dict[str, _Task] = {}
    strange: list[str] = []
    for path in _files(folder):
        try:
            log = read_eval_log(str(path))
        except Exception as error:
            strange.append(f"{path.relative_to(folder)} is no Inspect log ({type(error).__name__})")
            continue
        if not log.samples:
            strange.append(f"{path.relative_to(folder)} holds no samples (status {log.status})")
            continue
        task = tasks.setdefault(log.eval.task, _Task(log.eval.task, spec))
        _add(task, log, path, rules)
    if not tasks:
        raise BadInput(
            "no log in this folder holds a sample" + (f": {strange[0]}" if strange else ""),
            path=folder,
            remedy="Name a run folder, or a folder of Inspect logs (.eval or .json).",
        )
    return tuple(_imported(task, strange) for _, task in sorted(tasks.items()))


def _files(folder: Path) -> list[Path]:
    found = [*folder.rglob("*.eval"), *folder.rglob("*.json")]
    return sorted(path for path in found if path.name not in _ASIDE and path.is_file())


# Logs


def _add(task: _Task, log: EvalLog, path: Path, rules: Sequence[ScoreRule]) -> None:
    arm = _arm(log)
    task.arms.setdefault(arm.digest, arm)
    task.created = max(task.created, str(log.eval.created))
    packages = log.eval.packages or {}
    maker = ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))
    task.made_by.add(maker or "unknown packages")
    task.unfinished += log.status != "success"
    ours = str(log.eval.task_registry_name or "").startswith("govaudit/") or "spec_digest" in (
        log.eval.metadata or {}
    )
    if "auditor" in (log.eval.model_roles or {}):
        task.remarks[_ADAPTIVE] = None
    if ours:
        task.named = log.eval.metadata or {}
    raters = _raters(task, log)
    origin = f"{path.name}: {log.eval.task}, {maker}"
    read = [(sample, _said(task, sample, ours, rules)) for sample in log.samples or ()]
    directed = {said.name for _, mine in read for said in mine if said.reading.broken is not None}
    for sample, mine in read:
        response = _response(task, arm, sample, origin)
        if response is None:
            continue
        for said in mine:
            scorer = said.name.partition("/")[0]
            rater = raters.get(scorer) or _rater(task, log, scorer, None)
            _rate(task, response, sample, rater, said, said.name in directed)


@dataclass(frozen=True)
class _Said:
    """One value of one score."""

    name: str
    """Of the score, with ``scorer/key`` for a key of several."""
    reading: Reading
    rule: ScoreRule | None
    label: str
    raw: str


def _said(task: _Task, sample: EvalSample, ours: bool, rules: Sequence[ScoreRule]) -> list[_Said]:
    found = []
    for scorer, score in (sample.scores or {}).items():
        for name, value in scores.flat(scorer, score.value):
            rule = scores.rule_for(name, rules)
            reading = scores.read(name, value, ours=ours, rule=rule)
            if reading is None:
                task.left_out[f"values of score {name} that are no number, truth value or word"] += 1
                continue
            label = score.answer or reading.label
            found.append(_Said(name, reading, rule, label, score.explanation or ""))
    return found


def _arm(log: EvalLog) -> ForeignArm:
    """The model that answered: the role ``target`` where the task has one, as auditors of models do."""
    target = (log.eval.model_roles or {}).get("target")
    if target is not None and not isinstance(target, list):
        model, config = target.model, target.config
    else:
        model, config = log.eval.model, log.eval.model_generate_config
    settings: dict[str, Any] = config.model_dump(mode="json", exclude_none=True)
    if log.eval.solver:
        settings |= {"solver": log.eval.solver, "solver_args": log.eval.solver_args or {}}
    identity = digest({"model": model, "settings": _plain(settings), "args": _plain(log.eval.model_args)})
    return ForeignArm(model, identity, model, settings)


def _plain(value: Any) -> Any:
    """Values that canonical JSON has room for."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _raters(task: _Task, log: EvalLog) -> dict[str, Rater]:
    return {one.name: _rater(task, log, one.name, one.options) for one in log.eval.scorers or ()}


def _rater(task: _Task, log: EvalLog, name: str, options: Mapping[str, Any] | None) -> Rater:
    """Who gave a score. Scorers of one name with other options, or another grader, are other raters."""
    roles = {
        role: entry.model
        for role, entry in (log.eval.model_roles or {}).items()
        if not isinstance(entry, list) and role in ("grader", "judge", "scorer")
    }
    given = options or {}
    asked = str(given.get("model") or given.get("grader") or next(iter(roles.values()), ""))
    judge = bool(asked) or any(word in name for word in ("model_graded", "judge", "grader"))
    identity = digest({"task": log.eval.task, "scorer": name, "options": _plain(given), "model": asked})
    alike = [rater for rater in task.raters.values() if rater.id.split("#")[0] == f"foreign:{name}"]
    same = next((rater for rater in alike if rater.rubric_digest == identity), None)
    if same is not None:
        return same
    rater = Rater(
        id=f"foreign:{name}" + (f"#{len(alike) + 1}" if alike else ""),
        kind=RaterKind.JUDGE if judge else RaterKind.CHECK,
        source="model" if judge else "rule",
        rubric=f"foreign-{_slug(name)}" + (f"-{len(alike) + 1}" if alike else ""),
        rubric_digest=identity,
        model=asked,
        attributes={"foreign": True, "task": log.eval.task, "options": _plain(given)},
    )
    task.raters[rater.id] = rater
    return rater


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "score"


# Samples


def _response(task: _Task, arm: ForeignArm, sample: EvalSample, origin: str) -> Response | None:
    """The answer of a sample; ``None`` where another sample of the same prompt and epoch came first."""
    metadata = sample.metadata or {}
    own = (sample.store or {}).get(STORE)
    if isinstance(metadata.get("turns"), list):
        turns = tuple(Turn(turn["role"], turn["content"]) for turn in metadata["turns"])
    else:
        turns = _turns(task, sample.input)
    if not turns:
        task.left_out["samples without a prompt"] += 1
        return None
    stimulus = stimulus_digest(turns)
    cluster = str(metadata.get("cluster") or metadata.get("focus_id") or sample.id)
    task.prompts.setdefault(stimulus, _Prompt(turns, cluster, f"{task.name}: {sample.id}"))
    key = response_id(stimulus, arm.digest, sample.epoch)
    if key in task.responses:
        task.left_out["samples that repeat a prompt which the same arm answered in the same epoch"] += 1
        return None
    if isinstance(own, dict):
        text = str(own.get("text") or "")
        whole = tuple(Turn(turn["role"], turn["content"]) for turn in own.get("turns") or ())
        told = own.get("unscored")
    else:
        text, told = sample.output.completion, None
        whole = _turns(task, sample.messages) or turns
    usage = sample.output.usage
    unscored = Unscored(told) if told in set(Unscored) else _unscored(sample, text)
    response = Response(
        response=key,
        stimulus=stimulus,
        arm=arm.digest,
        epoch=sample.epoch,
        turns=whole,
        text=text,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        stop_reason=str(sample.output.stop_reason) if sample.output.choices else "",
        model=sample.output.model,
        origin=origin,
        unscored=unscored,
        error=sample.error.message if sample.error else "",
    )
    task.responses[key] = response
    return response


def _turns(task: _Task, said: str | Sequence[ChatMessage]) -> tuple[Turn, ...]:
    if isinstance(said, str):
        return (Turn("user", said),) if said.strip() else ()
    if any(
        not isinstance(m.content, str) and any(c.type not in ("text", "reasoning") for c in m.content)
        for m in said
    ):
        task.left_out["samples with images, sound or files, of which the text alone was kept"] += 1
    return tuple(Turn(message.role, message.text) for message in said)


def _unscored(sample: EvalSample, text: str) -> Unscored | None:
    if sample.error is not None:
        return Unscored.FAILED
    if sample.limit is not None and sample.limit.type in _LIMITS:
        return _LIMITS[sample.limit.type]
    stopped = sample.output.stop_reason if sample.output.choices else None
    if stopped in _STOPS:
        return _STOPS[stopped]
    return None if text.strip() else Unscored.EMPTY


def _rate(
    task: _Task, response: Response, sample: EvalSample, rater: Rater, said: _Said, directed: bool
) -> None:
    """One value as a rating: of a clause where it says kept or broken, else of no clause.

    ``directed``: whether some value of this score in the log says kept or broken.
    """
    prompt, reading = task.prompts[response.stimulus], said.reading
    clause = _clause(task, sample, said.name, said.rule) if directed else None
    if clause is not None:
        expected = (sample.metadata or {}).get("expected")
        prompt.targets.setdefault(clause, Expected(expected) if expected in set(Expected) else Expected.KEEP)
    if response.unscored is not None:
        if reading.unscored is None:
            task.left_out["scores of answers that failed, were cut off, filtered or empty"] += 1
        return
    if clause is None and reading.unscored is not None:
        task.left_out[f"unscored values of {said.name}"] += 1
        return
    if clause is not None and reading.broken is None and reading.unscored is None:
        task.left_out[f"values of {said.name} that say neither kept nor broken"] += 1
        return
    value = reading.broken if clause is not None else reading.number or 0.0
    question = clause if clause is not None else said.name
    key = rating_id(rater.rubric, rater.id, question, [response.response])
    task.ratings.setdefault(
        key,
        Rating(
            rating=key,
            rubric=rater.rubric,
            rater=rater.id,
            question=question,
            responses=(response.response,),
            clause=clause,
            measure=Measure.GENERATION,
            scale=_scale(clause, reading),
            value=None if reading.unscored else value,
            label=said.label or ("" if clause is None or value is None else "broken" if value else "kept"),
            unscored=reading.unscored,
            raw=said.raw,
            cluster=prompt.cluster,
            origin=response.origin,
        ),
    )


def _scale(clause: str | None, reading: Reading) -> Scale:
    if clause is not None:
        return Scale.BINARY
    return Scale.NOMINAL if reading.number is None else Scale.REAL


def _clause(task: _Task, sample: EvalSample, name: str, rule: ScoreRule | None) -> str | None:
    """Id of the clause that a score is about; ``None`` where the given spec has none, which is counted."""
    metadata = sample.metadata or {}
    said = metadata.get("clause") or metadata.get("section_id") or metadata.get("top_level_section")
    wanted = str((rule.clause if rule else None) or said or name)
    if task.spec is not None:
        found = next((c.id for c in task.spec.clauses if wanted in (c.id, c.source.anchor)), None)
        if found is None:
            task.left_out[f"scores about {wanted!r}, which is no clause of {task.spec.id}"] += 1
        return found
    own = re.sub(r"[^A-Za-z0-9_.-]+", "-", wanted).strip("-") or "score"
    if own not in task.declared:
        text = metadata.get("clause_text") if wanted == metadata.get("clause") else None
        known = f"What {name} of {task.name} scores; the log does not hold the text that it declares."
        if said and not text:
            known = f"Section {wanted} of what {task.name} grades by; the log does not hold its text."
        title = str(metadata.get("clause_title") or wanted) if text else wanted
        task.declared[own] = (title, str(text or known))
    return own


# Together


def _imported(task: _Task, strange: Iterable[str]) -> Imported:
    spec = task.spec or _own_spec(task) or _made(task)
    probes = [
        Probe(
            turns=prompt.turns,
            targets=tuple(
                Target(clause, expected, spec.clause(clause).text_digest)
                for clause, expected in sorted(prompt.targets.items())
            ),
            measure=Measure.GENERATION,
            origin=ProbeOrigin.ITEM_BANK,
            cluster=prompt.cluster,
            source=prompt.source,
        )
        for _, prompt in sorted(task.prompts.items())
    ]
    scored: dict[str, Counter[str]] = defaultdict(Counter)
    for rating in task.ratings.values():
        if rating.clause is not None:
            scored[rating.clause][rating.rater] += rating.value is not None
    left = [f"{n:,} {what}" for what, n in sorted(task.left_out.items())]
    if task.unfinished:
        left.append(f"{task.unfinished} logs did not end in success: the samples that they hold are used")
    return Imported(
        task=task.name,
        origin=f"Inspect logs of {task.name}, made with {'; '.join(sorted(task.made_by))}",
        created=task.created,
        spec=spec,
        suite=Suite(
            spec_digest=spec.digest,
            seed=0,
            probes=tuple(probes),
            partial=bool(task.unfinished),
            notes=tuple(left),
        ),
        arms=_named(task.arms.values()),
        deciding={clause: by.most_common(1)[0][0] for clause, by in sorted(scored.items())},
        epochs=max((row.epoch for row in task.responses.values()), default=1),
        responses=tuple(task.responses.values()),
        ratings=tuple(task.ratings.values()),
        raters=tuple(task.raters.values()),
        rubrics={rater.rubric: _rubric(task, rater) for rater in task.raters.values()},
        left_out=(*left, *strange),
        remarks=tuple(task.remarks),
    )


def _named(arms: Iterable[ForeignArm]) -> tuple[ForeignArm, ...]:
    """Arms with a name each: the model's, numbered where one model ran under several settings."""
    # Not in the order of the logs' names: those of one second differ by chance.
    kept = sorted(arms, key=lambda arm: (arm.name, arm.digest))
    names = Counter(arm.name for arm in kept)
    seen: Counter[str] = Counter()
    found = []
    for arm in kept:
        seen[arm.name] += 1
        name = arm.name if names[arm.name] == 1 else f"{arm.name} #{seen[arm.name]}"
        found.append(ForeignArm(name, arm.digest, arm.model, arm.settings))
    return tuple(found)


def _own_spec(task: _Task) -> Spec | None:
    """The built-in spec that a task of ours says it ran on, if it still reads as it did."""
    name, wanted = task.named.get("spec_id"), task.named.get("spec_digest")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        return None
    try:
        found = native.load(library.find_spec(name))
    except BadInput:
        return None
    return found if found.digest == wanted else None


def _made(task: _Task) -> Spec:
    """A spec of what the log says that it scored: it holds no declared text that the log does not."""
    clauses = tuple(Clause(id=name, title=title, text=text) for name, (title, text) in task.declared.items())
    own = str(task.named.get("spec_id") or "")
    return Spec(
        id=_slug(own or f"scores-of-{task.name}"),
        title=own or f"What the scores of {task.name} say",
        version="as logged",
        clauses=clauses or (Clause(id="nothing", text="No score of these logs says kept or broken."),),
    )


def _rubric(task: _Task, rater: Rater) -> str:
    """A rubric file that says what is known: the name of a scorer, and that nobody here has read its text."""
    kind = "judge" if rater.kind is RaterKind.JUDGE else "check"
    name = rater.id.removeprefix("foreign:")
    return "\n".join(
        (
            "---",
            'schema_version: "1.0"',
            f"name: {rater.rubric}",
            'version: "as logged"',
            f"question: Did the scorer {_slug(name)} of the task {_slug(task.name)} say that the clause "
            "is kept?",
            "scale: binary",
            "applies_to: [keep, comply, refuse]",
            f"raters: [{kind}]",
            "verdicts:",
            "  - label: kept",
            "    meaning: The score says that the clause is kept.",
            "  - label: broken",
            "    meaning: The score says that the clause is broken.",
            "    broken_if: [keep, comply, refuse]",
            "---",
            f"These scores came with Inspect logs of the task {task.name}. How they were made is known by "
            "the name of "
            "the scorer and its options alone; nobody compared them with people here.",
            "",
        )
    )
