"""`govaudit goodhart`: how far a finished recipe of the organism can be optimised."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from govaudit.cli import screen
from govaudit.cli.options import Json, Seed
from govaudit.errors import BadInput


def goodhart_command(
    run: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `govaudit train rl-cai` wrote for the organism.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder of the lab.")],
    base: Annotated[
        Path | None,
        typer.Option("--base", metavar="DIR", help="What the recipe trained (default: the organism)."),
    ] = None,
    prompts: Annotated[int, typer.Option("--prompts", min=20, help="Prompts that are followed.")] = 160,
    samples: Annotated[
        int, typer.Option("--samples", min=4, help="Answers to each, of which the best of n are taken.")
    ] = 64,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Steps of the reinforcement learning without a leash.")
    ] = 80,
    every: Annotated[int, typer.Option("--every", min=1, help="Steps between two that are followed.")] = 8,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Optimise against half of a recipe's labels and follow the truth. The same command resumes."""
    try:
        from govaudit.train.organism import goodhart, goodhart_shown
    except ImportError as error:
        raise BadInput(
            f"the lab needs {error.name}, which is not installed",
            remedy='Run: pip install "govaudit[train]".',
        ) from error
    args = goodhart.arguments(prompts=prompts, samples=samples, steps=steps, every=every, seed=seed)
    with screen.training_bars(as_json) as progress:
        found = goodhart.lab(run, out, args, progress, base=base)
    if as_json:
        screen.print_json(found)
        return
    for way in found["ways"]:
        screen.out.plain(goodhart_shown.TITLES[way["form"]])
        for line in goodhart_shown.summary(way):
            screen.out.plain(line)
    screen.out.plain(f"Tables and figure: {out}")
