"""The request that the options of a command describe, with the organism's models unpacked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from govaudit.errors import BadInput

_REQUEST_ONLY = (
    "arm",
    "arms",
    "judge",
    "rater",
    "compare",
    "max_pairs",
    "scrub",
    "format",
    "version",
    "prompts",
    "overlay",
    "items",
    "per_clause",
    "catalog",
    "phrases",
    "clause",
    "limit",
    "measure",
    "temperature",
    "hierarchy",
    "baselines",
    "choices",
    "letters",
    "reasons",
    "held_out",
)


def request(options: dict[str, Any]) -> Any:
    """The request that the options describe, or the one in the named ``audit.yaml``."""
    from govaudit import request as requests
    from govaudit.library import find_spec
    from govaudit.models.arms import entry_of, load_arms, matching, parse_arm
    from govaudit.request import (
        BaselinesRequest,
        ChoicesRequest,
        Comparisons,
        HierarchyRequest,
        JudgeRequest,
        Request,
    )

    spec = options["spec"]
    if spec is not None and _is_request(Path(spec)):
        given = [name for name in _REQUEST_ONLY if options[name]]
        given += [name for name in ("seed", "system_spec") if options[name]]
        given += ["epochs"] if options["epochs"] != 1 else []
        given += ["sequential"] if options.get("sequential") else []
        if given:
            raise BadInput(
                f"--{given[0].replace('_', '-')} cannot be given beside a whole request",
                path=spec,
                remedy="Write it into the file.",
            )
        request = requests.load(Path(spec))
        return _with_models(request.model_copy(update=_manner(options)))
    named = [parse_arm(text) for text in options["arm"] or ()]
    if options["arms"] is not None:
        named += load_arms(options["arms"])
    arms = [arm for pattern in named for arm in matching(pattern)]
    if spec is None and not arms:
        return _built_in(options)
    if spec is not None and not find_spec(spec).is_file():
        raise BadInput("no such file", path=find_spec(spec))
    if not arms and not options["dry_run"]:
        raise BadInput(
            "no arm is named: nothing would be measured",
            remedy="Add --arm NAME=MODEL, for example --arm base=govaudit/path/to/checkpoint.",
        )
    if options["scrub"] and not options["compare"]:
        raise BadInput("--scrub compares again, and nothing is compared", remedy="Add --compare RUBRIC.")
    for name in ("letters", "reasons", "held_out"):
        if options[name] and not options["choices"]:
            raise BadInput(
                f"--{name.replace('_', '-')} is about multiple choice, and no bank is named",
                remedy="Add --choices hhh, or a file.",
            )
    names = [arm.name for arm in arms]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"two arms are called {name!r}", remedy="Write NAME=MODEL with another name.")
    request = Request(
        spec=spec or "house-rules",
        format=options["format"],
        version=options["version"],
        prompts=str(options["prompts"]) if options["prompts"] else None,
        overlays=tuple(map(str, options["overlay"] or ())),
        items=tuple(map(str, options["items"] or ())),
        per_clause=options["per_clause"],
        catalog=str(options["catalog"]) if options["catalog"] else None,
        phrases=str(options["phrases"]) if options["phrases"] else None,
        clauses=tuple(options["clause"] or ()),
        limit=options["limit"],
        measure=tuple(options["measure"] or ()),
        temperatures=tuple(options["temperature"] or ()),
        arms={arm.name: entry_of(arm) for arm in arms},
        judges=tuple(JudgeRequest(model=model) for model in options["judge"] or ()),
        raters=tuple(options["rater"] or ()),
        comparisons=Comparisons(
            rubrics=tuple(options["compare"]), max_pairs=options["max_pairs"], scrub=options["scrub"]
        )
        if options["compare"]
        else None,
        epochs=options["epochs"],
        seed=options["seed"],
        sequential=options.get("sequential", False),
        system_spec=options["system_spec"],
        hierarchy=HierarchyRequest(per_pair=options["hierarchy"]) if options["hierarchy"] else None,
        baselines=BaselinesRequest() if options["baselines"] else None,
        choices=ChoicesRequest(
            banks=tuple(map(str, options["choices"])),
            rubric=options["letters"] or ChoicesRequest().rubric,
            reasons=options["reasons"] or 0,
            held_out=tuple(options["held_out"] or ()),
        )
        if options["choices"]
        else None,
    )
    return _with_models(request.model_copy(update=_manner(options)))


def _manner(options: dict[str, Any]) -> dict[str, Any]:
    """What may be said beside any request: how fast, how far, at what price."""
    from govaudit.models.prices import load

    given = {name: options.get(name) for name in ("max_connections", "max_calls", "max_cost")}
    given["prices"] = load(options["prices"]) if options.get("prices") is not None else None
    if given["max_cost"] is not None and given["max_cost"] <= 0:
        raise BadInput("--max-cost must be above 0")
    return {name: value for name, value in given.items() if value is not None}


def _is_request(path: Path) -> bool:
    """A YAML file whose top level names a spec is a request, not a spec."""
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as stream:
        return any(line.startswith("spec:") for line in stream)


_NARROWING = ("clause", "limit")
"""What may be said beside the built-in request, besides a seed and a number of epochs."""


def _built_in(options: dict[str, Any]) -> Any:
    """The request of an audit that is told nothing: the organism's arms, fewer clauses or probes if asked."""
    from govaudit import library
    from govaudit import request as requests

    given = [name for name in (*_REQUEST_ONLY, "system_spec") if options[name] and name not in _NARROWING]
    if given:
        raise BadInput(
            f"--{given[0].replace('_', '-')} needs a spec, and none is named",
            remedy="Name one, or copy evals/micro-world.audit.yaml and write it into the copy.",
        )
    update = {name: options[name] for name in ("limit", "epochs", "seed")} | _manner(options)
    update["sequential"] = options.get("sequential", False)
    update["clauses"] = tuple(options["clause"] or ())
    request = requests.load(library.path("evals", "micro-world.audit.yaml"))
    return _with_models(request.model_copy(update=update))


def _with_models(request: Any) -> Any:
    """The request with models of the organism (``organism/NAME``) unpacked."""
    comparing = request.comparisons.judges if request.comparisons else ()
    named = [entry.model for entry in (*request.arms.values(), *request.judges, *comparing)]
    return organism().with_models(request) if any(map(is_organism, named)) else request


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
