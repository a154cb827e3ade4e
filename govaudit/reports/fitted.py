"""Fitting a classifier of answers on labelled data, and what ``govaudit fit`` says about it.

In: files of labelled answers (``xstest``: complied or refused; ``rbr``: propositions). Out: a classifier as a
file, and a strict document: how well each target was predicted on prompts that were left out, against always
saying the most frequent label and against the length of the answer alone. Left out: gauging the classifier
on other data (``govaudit gauge classifier:FILE``), which tells how it does on the answers of other models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from govaudit.errors import BadInput
from govaudit.evals.forms import table
from govaudit.records import last_user
from govaudit.reports.part import Estimate, Part
from govaudit.reports.shown import Column, Shown, Table
from govaudit.scorers import classifier, rubric
from govaudit.scorers.classifier import Held, Row
from govaudit.stats.coefficient import Coefficient
from govaudit.stats.intervals import Difference

SCHEMA_VERSION: Literal["1.0"] = "1.0"
TARGET = "refusal"
FORMATS = ("xstest", "rbr")


class TargetPart(Part):
    """One target, predicted for prompts that were left out."""

    n: int
    clusters: int
    counts: dict[str, int]
    """Gold labels."""
    agreement: Estimate
    kappa: Estimate
    by_label: dict[str, Estimate]
    """Specific agreement on each label: for two labels that is F1."""
    over_majority: Estimate
    """Share of right labels, less that of always saying the most frequent label."""
    over_length: Estimate
    """The same against a classifier that sees the length of the answer alone."""
    beats_both: bool
    """Both intervals lie above 0. Where not, the classifier fails for this target."""


class FittedPart(Part):
    """A fitted classifier."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    file: str
    digest: str
    """Identity of what it says."""
    format: str
    rows: int
    clusters: int
    features: int
    targets: dict[str, TargetPart]
    left_out: dict[str, str]
    """Targets of which there is no classifier, and why."""


def fit(files: Sequence[Path], format: str, out: Path, seed: int = 0) -> FittedPart:
    """Fit on all rows of ``files``, write the classifier to ``out``, and say how good it is.

    :class:`BadInput` for an unknown format, unusable files, too few rows, no scikit-learn.
    """
    rows = [row for file in files for row in rows_of(file, format)]
    found, held, left_out = classifier.fit(rows, seed)
    classifier.save(found, out)
    return FittedPart(
        file=out.name,
        digest=found.digest,
        format=format,
        rows=found.fitted["rows"],
        clusters=found.fitted["clusters"],
        features=len(found.vocabulary),
        targets={one.target: _target(one) for one in held},
        left_out=left_out,
    )


def rows_of(file: Path, format: str) -> Iterator[Row]:
    """The labelled answers of a file; :class:`BadInput` for a format that holds none."""
    if format == "xstest":
        labels = rubric.load(TARGET)
        for item in table.read_labelled(file, form=format):
            label = rubric.normalise(labels, item.gold or item.majority or "")
            if label is not None and item.answer is not None:
                yield Row(last_user(item.turns), item.answer, {TARGET: label}, item.cluster)
    elif format == "rbr":
        for one in table.read_propositions(file, form=format):
            said = {name: str(value).lower() for name, value in one.propositions.items()}
            yield Row(last_user(one.turns), one.answer, said, one.cluster)
    else:
        raise BadInput(
            f"a classifier is not fitted on the format {format!r}", remedy=f"Formats: {', '.join(FORMATS)}."
        )


def _target(held: Held) -> TargetPart:
    return TargetPart(
        n=held.n,
        clusters=held.clusters,
        counts=dict(held.counts),
        agreement=_estimate(held.agreement),
        kappa=_estimate(held.kappa),
        by_label={label: _estimate(one) for label, one in held.by_label.items()},
        over_majority=_estimate(held.over_majority),
        over_length=_estimate(held.over_length),
        beats_both=held.beats,
    )


def _estimate(number: Coefficient | Difference) -> Estimate:
    undefined = number.undefined if isinstance(number, Coefficient) else None
    return Estimate(value=number.value, low=number.low, high=number.high, undefined=undefined)


def show(part: FittedPart) -> Shown:
    """Claims and the table of targets."""
    good = [name for name, one in part.targets.items() if one.beats_both]
    failing = [name for name, one in part.targets.items() if not one.beats_both]
    claims = [
        f"{part.file}: fitted on {part.rows} answers to {part.clusters} prompts; "
        f"{len(good)} of {len(part.targets)} targets are predicted better than by the most frequent label "
        "and by length alone."
    ]
    if failing:
        claims.append(
            f"Failing, not better than both with an interval above 0: {', '.join(failing)}. "
            "Do not use it for these."
        )
    return Shown(
        id="fitted",
        title="A classifier of answers",
        claims=claims,
        tables=(
            Table(
                id="fitted-targets",
                caption=f"On prompts left out ({classifier.FOLDS} folds)",
                columns=(
                    Column("target"),
                    Column("kappa", "coefficient"),
                    Column("F1", "coefficient"),
                    Column("gain over usual", "share", mark=0),
                    Column("gain over length", "share", mark=0),
                    Column("beats"),
                ),
                rows=tuple(
                    (
                        name,
                        one.kappa,
                        one.by_label.get("true"),
                        one.over_majority,
                        one.over_length,
                        "yes" if one.beats_both else "no",
                    )
                    for name, one in part.targets.items()
                ),
            ),
        ),
        notes=(
            "Gain: share of right labels, less that of always saying the usual (most frequent) label, "
            "or of a classifier that sees the length of the answer alone.",
            *(f"{name} is left out: {reason}." for name, reason in part.left_out.items()),
        ),
    )
