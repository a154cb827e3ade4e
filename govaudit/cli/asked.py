"""The request that the options of a command describe, with the organism's models unpacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from govaudit.cli.options import Asked, Manner
from govaudit.errors import BadInput

if TYPE_CHECKING:
    from govaudit.models.arms import Arm
    from govaudit.request import Request


def request(spec: str | None, given: Asked, manner: Manner, *, without_arms: bool = False) -> Request:
    """The request that the options describe, or the one in the named ``audit.yaml``.

    ``without_arms``: nothing is measured, so that none need be named.
    """
    if spec is not None and _is_request(Path(spec)):
        asked = _written(spec, given)
    else:
        arms = _arms(given)
        if spec is None and not arms:
            asked = _built_in(given)
        else:
            _check(spec, given, arms, without_arms)
            asked = described(spec or "house-rules", given, arms)
    asked = asked.model_copy(update=_said(manner))
    comparing = asked.comparisons.judges if asked.comparisons else ()
    models = [arm.model for arm in asked.arms.values()]
    models += [judge.model for judge in asked.judges] + [judge.model for judge in comparing]
    return organism().with_models(asked) if any(map(is_organism, models)) else asked


def described(spec: str, given: Asked, arms: Sequence[Arm] = ()) -> Request:
    """The request that options write out in full."""
    from govaudit.models.arms import entry_of
    from govaudit.request import (
        BaselinesRequest,
        ChoicesRequest,
        Comparisons,
        HierarchyRequest,
        JudgeRequest,
        Request,
    )

    comparisons = choices = None
    if given.compare:
        comparisons = Comparisons(rubrics=tuple(given.compare), max_pairs=given.max_pairs, scrub=given.scrub)
    if given.choices:
        choices = ChoicesRequest(
            banks=tuple(map(str, given.choices)),
            rubric=given.letters or ChoicesRequest().rubric,
            reasons=given.reasons or 0,
            held_out=tuple(given.held_out or ()),
        )
    return Request(
        spec=spec,
        format=given.format,
        version=given.version,
        prompts=str(given.prompts) if given.prompts else None,
        overlays=tuple(map(str, given.overlay or ())),
        items=tuple(map(str, given.items or ())),
        per_clause=given.per_clause,
        catalog=str(given.catalog) if given.catalog else None,
        phrases=str(given.phrases) if given.phrases else None,
        clauses=tuple(given.clause or ()),
        limit=given.limit,
        measure=tuple(given.measure or ()),
        choices=choices,
        temperatures=tuple(given.temperature or ()),
        arms={arm.name: entry_of(arm) for arm in arms},
        system_spec=given.system_spec,
        judges=tuple(JudgeRequest(model=model) for model in given.judge or ()),
        raters=tuple(given.rater or ()),
        baselines=BaselinesRequest() if given.baselines else None,
        hierarchy=HierarchyRequest(per_pair=given.hierarchy) if given.hierarchy else None,
        comparisons=comparisons,
        epochs=given.epochs,
        seed=given.seed,
        sequential=given.sequential,
    )


def _written(spec: str, given: Asked) -> Request:
    """The request in a file, which says all but the manner."""
    from govaudit.request import load

    if named := _named(given):
        raise BadInput(
            f"{named[0]} cannot be given beside a whole request", path=spec, remedy="Write it into the file."
        )
    return load(Path(spec))


def _built_in(given: Asked) -> Request:
    """The request of an audit that is told nothing: the organism's arms, fewer clauses or probes if asked."""
    from govaudit import library
    from govaudit.request import load

    if named := _named(given, besides=("clause", "limit", "epochs", "seed", "sequential")):
        raise BadInput(
            f"{named[0]} needs a spec, and none is named",
            remedy="Name one, or copy evals/micro-world.audit.yaml and write it into the copy.",
        )
    return load(library.path("evals", "micro-world.audit.yaml")).model_copy(
        update={
            "clauses": tuple(given.clause or ()),
            "limit": given.limit,
            "epochs": given.epochs,
            "seed": given.seed,
            "sequential": given.sequential,
        }
    )


def _arms(given: Asked) -> list[Arm]:
    from govaudit.models.arms import load_arms, matching, parse_arm

    named = [parse_arm(text) for text in given.arm or ()]
    if given.arms is not None:
        named += load_arms(given.arms)
    return [arm for pattern in named for arm in matching(pattern)]


def _check(spec: str | None, given: Asked, arms: Sequence[Arm], without_arms: bool) -> None:
    """Refuse options that do not fit together."""
    from govaudit.library import find_spec

    if spec is not None and not find_spec(spec).is_file():
        raise BadInput("no such file", path=find_spec(spec))
    if not arms and not without_arms:
        raise BadInput(
            "no arm is named: nothing would be measured",
            remedy="Add --arm NAME=MODEL, for example --arm base=govaudit/path/to/checkpoint.",
        )
    if given.scrub and not given.compare:
        raise BadInput("--scrub compares again, and nothing is compared", remedy="Add --compare RUBRIC.")
    for flag, value in (("letters", given.letters), ("reasons", given.reasons), ("held-out", given.held_out)):
        if value and not given.choices:
            raise BadInput(
                f"--{flag} is about multiple choice, and no bank is named",
                remedy="Add --choices hhh, or a file.",
            )
    names = [arm.name for arm in arms]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"two arms are called {name!r}", remedy="Write NAME=MODEL with another name.")


def _named(given: Asked, besides: Sequence[str] = ()) -> list[str]:
    """Flags of the options that say something else than their defaults."""
    said = [
        field.name
        for field in fields(given)
        if field.name not in besides
        if (value := getattr(given, field.name)) and value != field.default
    ]
    return [f"--{name.replace('_', '-')}" for name in said]


def _said(manner: Manner) -> dict[str, Any]:
    """What is said of the manner, whatever the request says of it."""
    from govaudit.models.prices import load

    if manner.max_cost is not None and manner.max_cost <= 0:
        raise BadInput("--max-cost must be above 0")
    prices = load(manner.prices) if manner.prices is not None else None
    given = vars(manner) | {"prices": prices}
    return {name: value for name, value in given.items() if value is not None}


def _is_request(path: Path) -> bool:
    """A YAML file whose top level names a spec is a request, not a spec."""
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as stream:
        return any(line.startswith("spec:") for line in stream)


def is_organism(model: str) -> bool:
    return model.startswith("organism/")


def organism() -> Any:
    try:
        from govaudit.train.organism import arms
    except ImportError as error:
        raise BadInput(
            f"the organism needs {error.name}, which is not installed",
            remedy='Run: pip install "govaudit[hf]".',
        ) from error
    return arms
