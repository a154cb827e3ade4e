"""Options that several commands share; a command's own options stand in its signature.

Those that describe an audit are fields of :class:`Asked` and :class:`Manner`, which a command takes whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Format = Annotated[
    str | None,
    typer.Option("--format", help="native, openai-model-spec, principles or prose; recognised without it."),
]
Overlays = Annotated[
    list[Path] | None,
    typer.Option("--overlay", help="File that accepts, rejects and tags clauses (repeatable)."),
]
Version = Annotated[
    str | None, typer.Option("--version", help="Version label; the documents themselves carry none.")
]
Prompts = Annotated[
    Path | None, typer.Option("--prompts", help="Prompt files that the document's footnotes cite.")
]
SpecPath = Annotated[str, typer.Argument(metavar="SPEC", help="A spec file, or the name of a built-in spec.")]
Items = Annotated[
    list[Path] | None, typer.Option("--items", help="Item bank (JSON Lines), matched to clauses by tag.")
]
PerClause = Annotated[
    int | None,
    typer.Option("--per-clause", min=1, help="Fill each clause to N clusters from the banks of its evals."),
]
CatalogFile = Annotated[
    Path | None, typer.Option("--catalog", help="Evals of your own, added to the built-in ones.")
]
Clauses = Annotated[list[str] | None, typer.Option("--clause", help="Test this clause only (repeatable).")]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Draw so many probes, clause by clause; partial report.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**53 - 1, help="Seed of every random choice.")]
JudgeOption = Annotated[
    list[str] | None,
    typer.Option("--judge", metavar="MODEL", help="LLM judge for the compliance rubric (repeatable)."),
]
RaterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rater",
        metavar="NAME",
        help="Rater that an installed package offers, or classifier:FILE (repeatable).",
    ),
]
Connections = Annotated[int | None, typer.Option("--max-connections", min=1, help="Calls side by side.")]
PricesFile = Annotated[
    Path | None,
    typer.Option("--prices", help="YAML file of prices per million tokens, by model (docs/plan.md)."),
]
RunOut = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="RUN", help="Run folder (default: runs/<spec and digest>)."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print coverage and who decides, call nothing.")]
SheetOption = Annotated[
    Path | None,
    typer.Option("--sheet", metavar="OUT.csv", help="Write a blind, shuffled sheet for a person to fill in."),
]
RatingsOption = Annotated[
    list[str] | None,
    typer.Option("--ratings", metavar="PERSON=SHEET.csv", help="Read a filled sheet back (repeatable)."),
]


@dataclass(frozen=True)
class Asked:
    """What describes an audit beside its spec, in the order of `--help`."""

    arm: Annotated[
        list[str] | None,
        typer.Option(
            "--arm",
            metavar="NAME=MODEL",
            help="What to measure (repeatable): any Inspect model name, govaudit/<checkpoint folder>, "
            "or recorded/<file.jsonl[.gz]>.",
        ),
    ] = None
    arms: Annotated[
        Path | None, typer.Option("--arms", help="YAML file of arms with their settings (docs/models.md).")
    ] = None
    judge: JudgeOption = None
    rater: RaterOption = None
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--compare",
            metavar="RUBRIC",
            help="Compare the arms in pairs (repeatable): pairwise_old, pairwise_new, pairwise_helpful.",
        ),
    ] = None
    max_pairs: Annotated[
        int | None, typer.Option("--max-pairs", min=1, help="Pairs per rubric (default: 100 for each arm).")
    ] = None
    scrub: Annotated[
        bool, typer.Option("--scrub", help="Compare again without sentences that are made of stock phrases.")
    ] = False
    format: Format = None
    version: Version = None
    prompts: Prompts = None
    overlay: Overlays = None
    items: Items = None
    per_clause: PerClause = None
    catalog: CatalogFile = None
    phrases: Annotated[
        Path | None, typer.Option("--phrases", help="List of stock phrases in place of the built-in one.")
    ] = None
    clause: Clauses = None
    limit: Limit = None
    measure: Annotated[
        list[str] | None,
        typer.Option(
            "--measure",
            metavar="EVAL",
            help="Also run this eval of the catalog, whatever the spec promises (repeatable).",
        ),
    ] = None
    temperature: Annotated[
        list[float] | None,
        typer.Option(
            "--temperature", min=0, max=2, help="Measure each arm at this temperature (repeatable)."
        ),
    ] = None
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Answers per stimulus and arm.")] = 1
    seed: Seed = 0
    system_spec: Annotated[
        bool,
        typer.Option("--system-spec", help="Measure each arm also with the spec as its system prompt."),
    ] = False
    sequential: Annotated[
        bool,
        typer.Option("--sequential", help="Ask in looks; stop a clause when its verdict is known."),
    ] = False
    hierarchy: Annotated[
        int | None,
        typer.Option(
            "--hierarchy",
            min=1,
            max=100,
            metavar="N",
            help="Test whose instruction counts: N questions for each pair of the spec's levels "
            "(20 is usual).",
        ),
    ] = None
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines",
            help="Measure each arm also with the spec as its system prompt, and with that and a revision.",
        ),
    ] = False
    choices: Annotated[
        list[Path] | None,
        typer.Option(
            "--choices",
            metavar="BANK",
            help="Multiple choice from this bank, such as hhh, whatever the spec promises (repeatable).",
        ),
    ] = None
    letters: Annotated[
        str | None,
        typer.Option("--letters", metavar="RUBRIC", help="With --choices: how letters are asked for."),
    ] = None
    reasons: Annotated[
        int | None,
        typer.Option(
            "--reasons", min=1, metavar="K", help="With --choices: also letters after K reasonings."
        ),
    ] = None
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            "--held-out",
            metavar="NAME",
            help="With --choices: tag or bank of another distribution (repeatable).",
        ),
    ] = None


@dataclass(frozen=True)
class Manner:
    """How fast, how far and at what price a request is carried out, whatever it asks."""

    max_connections: Connections = None
    max_calls: Annotated[
        int | None,
        typer.Option(
            "--max-calls", min=1, help="Stop the run after N calls, judges included; partial report."
        ),
    ] = None
    max_cost: Annotated[
        float | None,
        typer.Option("--max-cost", min=0, help="Stop the run before it costs more than X; needs prices."),
    ] = None
    prices: PricesFile = None


COMPILED = (
    "format",
    "version",
    "prompts",
    "overlay",
    "items",
    "per_clause",
    "catalog",
    "clause",
    "limit",
    "seed",
)
"""Fields of :class:`Asked` that decide which probes there are."""


def spread(
    only: Collection[str] | None = None, *, without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command take :class:`Asked` or :class:`Manner` whole: the fields are options where it stands.

    Typer makes the options of what ``inspect.signature`` says of a command, so that says the fields.
    ``only`` and ``without``: which fields the command offers; the others keep their defaults.
    """

    def offered(group: Any) -> list[Parameter]:
        types = get_type_hints(group, include_extras=True)
        return [
            Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=types[field.name])
            for field in fields(group)
            if field.name not in without and (only is None or field.name in only)
        ]

    def spreading(command: Callable[..., None]) -> Callable[..., None]:
        own = signature(command, eval_str=True).parameters
        groups: dict[str, tuple[Any, list[Parameter]]] = {
            name: (parameter.annotation, offered(parameter.annotation))
            for name, parameter in own.items()
            if is_dataclass(parameter.annotation)
        }

        @wraps(command)
        def called(**given: Any) -> None:
            for name, (group, options) in groups.items():
                given[name] = group(**{option.name: given.pop(option.name) for option in options})
            command(**given)

        parameters = []
        for name, parameter in own.items():
            parameters += (
                groups[name][1] if name in groups else [parameter.replace(kind=Parameter.KEYWORD_ONLY)]
            )
        called.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        return called

    return spreading
