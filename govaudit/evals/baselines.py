"""Baselines: what a system text, and a second thought at inference, achieve without any training.

In: the spec, the arms that a request names, and the forms that are wanted. Out: further arms of the same
models: prompted-only (the spec as system text), the same with a critique and a revision of each answer, and
parts of the spec as system text (content and count ablations). Left out: arms that were trained, which the
request names by their folders; and what comes of them all, which ``reports/baselines`` says.

Requests to criticise and revise are those of the spec's own critique principles (Bai et al. 2022, arXiv
2212.08073, section 3.1), or those of ``evals/revise.yaml``; no worked example stands before them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from govaudit import library
from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.evals.catalog import tested
from govaudit.models.arms import RECORDED, Arm, Revision, RevisionEntry, prompted
from govaudit.specs.model import Clause, Spec
from govaudit.specs.native import parse_as

FILE = "revise.yaml"


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1.0"] = "1.0"
    revise: Annotated[tuple[RevisionEntry, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Ablation:
    """Part of a constitution: of its clauses, those with any of the tags; of these, the first so many."""

    name: str
    tags: tuple[str, ...] = ()
    count: int | None = None


def arms(
    spec: Spec,
    named: Sequence[Arm],
    text_of: Callable[[Spec], str],
    *,
    only: Sequence[str] = (),
    forms: Collection[str] = ("prompted", "revised"),
    ablations: Sequence[Ablation] = (),
    seed: int = 0,
) -> tuple[Arm, ...]:
    """The baselines of the ``named`` arms, or of those among them that ``only`` names.

    ``text_of``: how a spec is said as a system text. :class:`BadInput` for a name that no arm has, an arm
    whose answers are recorded, and an ablation that leaves no clause.
    """
    found: list[Arm] = []
    there = {arm.name for arm in named}
    for arm in _chosen(only, named):
        for name, part, revise in _forms(forms, ablations, spec, seed):
            if f"{arm.name}+{name}" in there:
                continue
            made = prompted(arm, text_of(part), f"{arm.name}+{name}", told(part))
            found.append(replace(made, revise=revise))
    return tuple(found)


def told(spec: Spec) -> tuple[str, ...]:
    """Ids of the clauses that the spec's system text says."""
    return tuple(clause.id for clause in tested(spec))


def _chosen(only: Sequence[str], named: Sequence[Arm]) -> list[Arm]:
    by_name = {arm.name: arm for arm in named}
    for name in only:
        if name not in by_name:
            raise BadInput(f"baselines are asked for arm {name!r}, which there is not")
    chosen = [by_name[name] for name in only] or [
        arm for arm in named if arm.provider != RECORDED and not arm.constitution
    ]
    if not chosen:
        raise BadInput(
            "there is no arm that baselines could be made of",
            remedy="Name a model: recorded answers cannot be given a system text any more.",
        )
    return chosen


def _forms(
    wanted: Collection[str], ablations: Sequence[Ablation], spec: Spec, seed: int
) -> list[tuple[str, Spec, tuple[Revision, ...]]]:
    """Name, constitution and revisions of each form."""
    forms: list[tuple[str, Spec, tuple[Revision, ...]]] = []
    if "prompted" in wanted:
        forms.append(("spec", spec, ()))
    if "revised" in wanted:
        forms.append(("spec+revise", spec, revisions(spec)))
    return forms + [(ablation.name, _part(spec, ablation, seed), ()) for ablation in ablations]


def _part(spec: Spec, ablation: Ablation, seed: int) -> Spec:
    """The clauses that an ablation keeps, and nothing that stands under headings."""
    fitting = [c for c in tested(spec) if not ablation.tags or set(ablation.tags) & set(c.tags)]
    if not fitting or (ablation.count or 0) > len(fitting):
        known = ", ".join(sorted({tag for clause in tested(spec) for tag in clause.tags}))
        raise BadInput(
            f"ablation {ablation.name!r} asks for {ablation.count or 'some'} of {len(fitting)} clauses",
            remedy=f"Tags of the spec are: {known}." if ablation.tags else "Ask for fewer.",
        )
    # A larger count adds to a smaller one, so that counts differ by what they add alone.
    order = sorted(fitting, key=lambda clause: digest([seed, clause.id]))[: ablation.count]
    kept = {clause.id for clause in order}
    return spec.model_copy(update={"clauses": tuple(c for c in tested(spec) if c.id in kept), "sections": ()})


def revisions(spec: Spec) -> tuple[Revision, ...]:
    """What an arm is asked to criticise and rewrite its answers by."""
    own = [clause for clause in spec.clauses if _asks(clause)]
    if own:
        return tuple(Revision(clause.text, clause.revision_request or "") for clause in own)
    file = library.path("evals", FILE)
    entries = parse_as(_File, file.read_text(encoding="utf-8"), file).revise
    return tuple(Revision(entry.critique, entry.revision) for entry in entries)


def _asks(clause: Clause) -> bool:
    return clause.role == "critique" and clause.revision_request is not None
