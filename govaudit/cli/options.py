"""Options that several commands share; a command's own options stand in its signature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
PhrasesFile = Annotated[
    Path | None, typer.Option("--phrases", help="List of stock phrases in place of the built-in one.")
]
Clauses = Annotated[list[str] | None, typer.Option("--clause", help="Test this clause only (repeatable).")]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Draw so many probes, clause by clause; partial report.")
]
Measure = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        metavar="EVAL",
        help="Also run this eval of the catalog, whatever the spec promises (repeatable).",
    ),
]
Temperatures = Annotated[
    list[float] | None,
    typer.Option("--temperature", min=0, max=2, help="Measure each arm at this temperature (repeatable)."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**53 - 1, help="Seed of every random choice.")]
ArmOption = Annotated[
    list[str] | None,
    typer.Option(
        "--arm",
        metavar="NAME=MODEL",
        help="What to measure (repeatable): any Inspect model name, govaudit/<checkpoint folder>, "
        "or recorded/<file.jsonl[.gz]>.",
    ),
]
ArmsFile = Annotated[
    Path | None, typer.Option("--arms", help="YAML file of arms with their settings (docs/models.md).")
]
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
CompareOption = Annotated[
    list[str] | None,
    typer.Option(
        "--compare",
        metavar="RUBRIC",
        help="Compare the arms in pairs (repeatable): pairwise_old, pairwise_new, pairwise_helpful.",
    ),
]
MaxPairs = Annotated[
    int | None, typer.Option("--max-pairs", min=1, help="Pairs per rubric (default: 100 for each arm).")
]
Scrub = Annotated[
    bool, typer.Option("--scrub", help="Compare again without sentences that are made of stock phrases.")
]
Sequential = Annotated[
    bool,
    typer.Option("--sequential", help="Ask in looks; stop a clause when its verdict is known."),
]
InstrumentCheck = Annotated[
    bool,
    typer.Option(
        "--instrument-check",
        help="Audit organisms that break one clause or none, and say how often the audit is wrong (slow).",
    ),
]
SystemSpec = Annotated[
    bool,
    typer.Option("--system-spec", help="Measure each arm also with the spec as its system prompt."),
]
BaselinesOption = Annotated[
    bool,
    typer.Option(
        "--baselines",
        help="Measure each arm also with the spec as its system prompt, and with that and a revision.",
    ),
]
HierarchyOption = Annotated[
    int | None,
    typer.Option(
        "--hierarchy",
        min=1,
        max=100,
        metavar="N",
        help="Test whose instruction counts: N questions for each pair of the spec's levels (20 is usual).",
    ),
]
ChoicesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--choices",
        metavar="BANK",
        help="Multiple choice from this bank, such as hhh, whatever the spec promises (repeatable).",
    ),
]
LettersOption = Annotated[
    str | None,
    typer.Option("--letters", metavar="RUBRIC", help="With --choices: how letters are asked for."),
]
ReasonsOption = Annotated[
    int | None,
    typer.Option("--reasons", min=1, metavar="K", help="With --choices: also letters after K reasonings."),
]
HeldOut = Annotated[
    list[str] | None,
    typer.Option(
        "--held-out",
        metavar="NAME",
        help="With --choices: tag or bank of another distribution (repeatable).",
    ),
]
Epochs = Annotated[int, typer.Option("--epochs", min=1, help="Answers per stimulus and arm.")]
Connections = Annotated[int | None, typer.Option("--max-connections", min=1, help="Calls side by side.")]
MaxCalls = Annotated[
    int | None,
    typer.Option("--max-calls", min=1, help="Stop the run after N calls, judges included; partial report."),
]
MaxCost = Annotated[
    float | None,
    typer.Option("--max-cost", min=0, help="Stop the run before it costs more than X; needs prices."),
]
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
