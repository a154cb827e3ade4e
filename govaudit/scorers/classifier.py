"""A small classifier of answers that a user fits on labelled rows, and reads from a file of plain numbers.

In: answers with labels, and the prompt that each replies to. Out: a :class:`Classifier` (logistic regression
on words, pairs of words, the cues of the refusal and style checks, and length), its cross-validated quality,
and a JSON file with its vocabulary and coefficients: reading it runs no code. Fitting needs scikit-learn
(extra ``fit``); predicting needs nothing.

Cross-validation leaves out whole prompts, and everything that is learnt, the vocabulary too, is learnt anew
in each fold. A classifier is worth having only where it beats saying the most frequent label and judging by
length alone; :class:`Held` says so with the interval of the paired difference, or that it does not.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.records import Turn
from govaudit.scorers import refusal, style
from govaudit.scorers.sentences import plain
from govaudit.stats.agreement import two_rater
from govaudit.stats.coefficient import Coefficient
from govaudit.stats.intervals import Difference, paired_rate_difference

SCHEMA_VERSION: Literal["1.0"] = "1.0"
FOLDS = 5
LEAST = 10
"""A target needs so many rows, and so many prompts, with each of two labels."""
_VOCABULARY = 2000
_RARE = 3
"""Words and pairs of words in fewer answers than this are not learnt."""
_PENALTY = 1.0
"""Inverse strength of the quadratic penalty of the coefficients, fixed and not tuned."""
_DIGITS = 6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One labelled answer."""

    prompt: str
    """Last user turn."""
    answer: str
    labels: Mapping[str, str]
    """Target -> label; what is not labelled is left out."""
    cluster: str
    """Rows with one prompt are one cluster, and are never on both sides of a fold."""


@dataclass(frozen=True)
class Held:
    """What a classifier said of rows that it was not fitted on, and what two simpler rules said of them."""

    target: str
    n: int
    clusters: int
    counts: Mapping[str, int]
    """Gold labels."""
    agreement: Coefficient
    kappa: Coefficient
    by_label: Mapping[str, Coefficient]
    """Specific agreement on each label: for two labels that is F1."""
    over_majority: Difference
    """Share of right labels, less that of always saying the label most frequent in the other folds."""
    over_length: Difference
    """The same against a classifier that sees the length of the answer and nothing else."""

    @property
    def beats(self) -> bool:
        """Whether it is better than both, with an interval of the difference above 0."""
        return self.over_majority.low > 0 and self.over_length.low > 0


@dataclass(frozen=True)
class _Model:
    """Coefficients of one target: one row per label, of two labels one row for the second."""

    labels: tuple[str, ...]
    coefficients: Floats
    intercepts: Floats


@dataclass(frozen=True)
class Classifier:
    """A fitted classifier."""

    vocabulary: tuple[str, ...]
    """Features, in the order of the coefficients."""
    models: Mapping[str, _Model]
    fitted: Mapping[str, Any] = field(default_factory=dict)
    """What it was fitted on and how well it did on rows left out, for the record."""

    @property
    def targets(self) -> tuple[str, ...]:
        """What it says of an answer: names of propositions, or ``refusal``."""
        return tuple(self.models)

    def labels(self, target: str) -> tuple[str, ...]:
        """The labels that it may give."""
        return self.models[target].labels

    def predict(self, prompt: str, answer: str) -> dict[str, str] | None:
        """Target -> label; ``None`` where the answer is empty: there is nothing to go by."""
        if not answer.strip():
            return None
        given = _vector(features(prompt, answer), self._places)
        return {target: _said(model, given[None, :])[0] for target, model in self.models.items()}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: n for n, name in enumerate(self.vocabulary)}

    @property
    def digest(self) -> str:
        """SHA-256 of what it says, whatever it was fitted on."""
        return digest(_numbers(self))


_WORD = re.compile(r"[a-z']+|[0-9]+")
_LONGEST = 20_000
"""Characters of an answer that are read for words."""


def features(prompt: str, answer: str) -> dict[str, float]:
    """Name -> value of what a classifier sees: words and pairs with weights of length 1, cues, length."""
    words = _WORD.findall(plain(answer[:_LONGEST]).lower())
    grams = {*words, *(f"{a} {b}" for a, b in pairwise(words))}
    weight = 1 / math.sqrt(len(grams)) if grams else 0.0
    found = {f"word:{gram}": weight for gram in grams}
    reading = refusal.classify(prompt, answer)
    found |= {f"cue:{span.cue}": 1.0 for span in reading.spans}
    if reading.kind is not None:
        found[f"kind:{reading.kind.value}"] = 1.0
        found["substance"] = reading.substance
    shown = style.read((Turn("user", prompt),), answer)
    found |= {f"style:{name}": 1.0 for name, holds in shown.items() if holds}
    found["length"] = _length(answer)
    return found


def _length(answer: str) -> float:
    return math.log1p(len(answer.split())) / 5


def fit(rows: Sequence[Row], seed: int = 0) -> tuple[Classifier, tuple[Held, ...], dict[str, str]]:
    """A classifier of every target with enough rows, its quality on rows left out, and what was left out.

    Empty answers are not used. The third value: target -> why there is no classifier of it. :class:`BadInput`
    without scikit-learn, and where no target has enough rows.
    """
    _sklearn()
    rows = [row for row in rows if row.answer.strip()]
    targets = tuple(dict.fromkeys(target for row in rows for target in row.labels))
    seen = [features(row.prompt, row.answer) for row in rows]
    usable, left_out = [], {}
    for target in targets:
        reason = _too_few(target, rows)
        if reason is None:
            usable.append(target)
        else:
            left_out[target] = reason
    if not usable:
        raise BadInput(
            "these rows are too few to fit a classifier",
            remedy="; ".join(f"{target}: {reason}" for target, reason in left_out.items()) + ".",
        )
    held = _cross_validated(usable, rows, seen, seed)
    vocabulary = _vocabulary(seen)
    matrix = _matrix(seen, vocabulary)
    models = {}
    for target in usable:
        mine = [n for n, row in enumerate(rows) if target in row.labels]
        models[target] = _fitted(matrix[mine], [rows[n].labels[target] for n in mine])
    about = {
        "rows": len(rows),
        "clusters": len({row.cluster for row in rows}),
        "gold": digest([[row.prompt, row.answer, dict(row.labels)] for row in rows]),
        "held_out": {one.target: _record(one) for one in held},
    }
    return Classifier(vocabulary, models, about), held, left_out


def save(classifier: Classifier, path: Path) -> None:
    """Write the classifier as JSON."""
    data = {
        "schema_version": SCHEMA_VERSION,
        "classifier": "logistic regression",
        "checks": _CHECKS,
        "fitted": dict(classifier.fitted),
        **_numbers(classifier),
    }
    path.write_text(json.dumps(data, ensure_ascii=False) + "\n", encoding="utf-8")


def load(path: Path) -> Classifier:
    """Read a classifier; :class:`BadInput` for a missing or foreign file.

    So it is for one that was fitted with other phrases of the checks than those that would now be read.
    """
    try:
        data = _File.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput(
            "there is no such classifier", path=path, remedy="Fit one with `govaudit fit`."
        ) from error
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise BadInput(
            f"this is no classifier ({problem})", path=path, remedy="Fit one with `govaudit fit`."
        ) from error
    if data.checks != _CHECKS:
        raise BadInput(
            "this classifier was fitted with other rules or phrases of the checks that it reads",
            path=path,
            remedy="Fit it again with `govaudit fit`.",
        )
    models = {}
    for target, part in data.models.items():
        numbers = np.array(part.coefficients, dtype=np.float64)
        rows = 1 if len(part.labels) == 2 else len(part.labels)
        if numbers.shape != (rows, len(data.vocabulary)) or len(part.intercepts) != rows:
            raise BadInput(
                f"this classifier has not the right number of coefficients for {target!r}", path=path
            )
        models[target] = _Model(part.labels, numbers, np.array(part.intercepts, dtype=np.float64))
    return Classifier(data.vocabulary, models, data.fitted)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Target(_Part):
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    intercepts: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]


class _File(_Part):
    schema_version: Literal["1.0"]
    classifier: Literal["logistic regression"]
    checks: str
    fitted: dict[str, Any]
    vocabulary: tuple[str, ...]
    models: Annotated[dict[str, _Target], Field(min_length=1)]


_CHECKS = digest({"refusal": refusal.DIGEST, "style": style.DIGEST})


def _numbers(classifier: Classifier) -> dict[str, Any]:
    return {
        "vocabulary": list(classifier.vocabulary),
        "models": {
            target: {
                "labels": list(model.labels),
                "intercepts": model.intercepts.round(_DIGITS).tolist(),
                "coefficients": model.coefficients.round(_DIGITS).tolist(),
            }
            for target, model in classifier.models.items()
        },
    }


def _sklearn() -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise BadInput(
            "a classifier is fitted with scikit-learn, which is not installed",
            remedy="pip install 'govaudit[fit]'",
        ) from error
    return LogisticRegression


def _too_few(target: str, rows: Sequence[Row]) -> str | None:
    """Why a target cannot be learnt: labels that fewer than two have in enough rows of enough prompts."""
    counts = Counter(row.labels[target] for row in rows if target in row.labels)
    prompts = {
        label: len({row.cluster for row in rows if row.labels.get(target) == label}) for label in counts
    }
    enough = [label for label, n in counts.items() if n >= LEAST and prompts[label] >= LEAST]
    if len(enough) >= 2:
        return None
    found = ", ".join(f"{n} {label}" for label, n in sorted(counts.items()))
    return f"two labels need {LEAST} rows of {LEAST} prompts each, there are {found}"


def _vocabulary(seen: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """Everything that is no word, and the words in most answers."""
    counts = Counter(name for one in seen for name in one)
    words = [name for name, n in counts.items() if name.startswith("word:") and n >= _RARE]
    words.sort(key=lambda name: (-counts[name], name))
    others = sorted(name for name in counts if not name.startswith("word:"))
    return (*others, *words[:_VOCABULARY])


def _vector(found: Mapping[str, float], places: Mapping[str, int]) -> Floats:
    """(F,) values in the order of the vocabulary."""
    vector = np.zeros(len(places))
    for name, value in found.items():
        if name in places:
            vector[places[name]] = value
    return vector


def _matrix(seen: Sequence[Mapping[str, float]], vocabulary: Sequence[str]) -> Floats:
    """(n, F) values."""
    places = {name: n for n, name in enumerate(vocabulary)}
    return np.stack([_vector(one, places) for one in seen])


def _fitted(matrix: Floats, labels: Sequence[str]) -> _Model:
    """Logistic regression with a quadratic penalty; where there is one label only, that label."""
    names = tuple(sorted(set(labels)))
    if len(names) == 1:
        return _Model((names[0], names[0]), np.zeros((1, matrix.shape[1])), np.zeros(1))
    model = _sklearn()(C=_PENALTY, max_iter=2000).fit(matrix, labels)
    return _Model(names, np.asarray(model.coef_), np.asarray(model.intercept_))


def _said(model: _Model, matrix: Floats) -> list[str]:
    """The most probable label of each row of (n, F)."""
    scores = matrix @ model.coefficients.T + model.intercepts
    best = (scores[:, 0] > 0).astype(int) if len(model.labels) == 2 else scores.argmax(axis=1)
    return [model.labels[n] for n in best]


def folds(clusters: Sequence[str], seed: int, n: int = FOLDS) -> list[int]:
    """The fold of each row: whole clusters, drawn with ``seed``, as many rows a fold as that allows."""
    sizes = Counter(clusters)
    names = sorted(sizes)
    np.random.default_rng(seed).shuffle(names)
    filled = [0] * n
    place = {}
    for name in sorted(names, key=lambda name: -sizes[name]):
        place[name] = filled.index(min(filled))
        filled[place[name]] += sizes[name]
    return [place[cluster] for cluster in clusters]


def _cross_validated(
    targets: Sequence[str], rows: Sequence[Row], seen: Sequence[Mapping[str, float]], seed: int
) -> tuple[Held, ...]:
    """Every target on rows whose prompts were left out of the fit."""
    lengths = np.array([[_length(row.answer)] for row in rows])
    place = folds([row.cluster for row in rows], seed)
    said: dict[str, dict[int, tuple[str, str, str]]] = {target: {} for target in targets}
    for fold in range(FOLDS):
        vocabulary = _vocabulary([one for one, at in zip(seen, place, strict=True) if at != fold])
        matrix = _matrix(seen, vocabulary)
        for target in targets:
            inside = [n for n, row in enumerate(rows) if place[n] != fold and target in row.labels]
            outside = [n for n, row in enumerate(rows) if place[n] == fold and target in row.labels]
            if not outside:
                continue
            known = [rows[n].labels[target] for n in inside]
            common = max(sorted(set(known)), key=known.count)
            learnt = _said(_fitted(matrix[inside], known), matrix[outside])
            by_length = _said(_fitted(lengths[inside], known), lengths[outside])
            for n, one, other in zip(outside, learnt, by_length, strict=True):
                said[target][n] = one, common, other
    return tuple(_compared(target, rows, said[target], seed) for target in targets)


def _compared(target: str, rows: Sequence[Row], said: Mapping[int, tuple[str, str, str]], seed: int) -> Held:
    """``said``: row -> label of the classifier, most frequent label, label by length alone."""
    gold = [rows[n].labels[target] for n in said]
    clusters = [rows[n].cluster for n in said]
    pair = two_rater(
        [one for one, _, _ in said.values()],
        gold,
        seed=seed,
        clusters=clusters,
        categories=sorted(set(gold)),
    )
    right, common, by_length = (
        [int(labels[k] == truth) for labels, truth in zip(said.values(), gold, strict=True)] for k in range(3)
    )
    return Held(
        target=target,
        n=len(gold),
        clusters=len(set(clusters)),
        counts=dict(sorted(Counter(gold).items())),
        agreement=pair.percent,
        kappa=pair.kappa,
        by_label=dict(zip(pair.categories, pair.by_category, strict=True)),
        over_majority=paired_rate_difference(right, common, clusters),
        over_length=paired_rate_difference(right, by_length, clusters),
    )


def _record(held: Held) -> dict[str, Any]:
    return {
        "n": held.n,
        "clusters": held.clusters,
        "counts": dict(held.counts),
        "kappa": [held.kappa.value, held.kappa.low, held.kappa.high],
        "over_majority": asdict(held.over_majority),
        "over_length": asdict(held.over_length),
        "beats_both": held.beats,
    }
