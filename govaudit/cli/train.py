"""`govaudit train`: a recipe, or what one recorded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from govaudit.cli import screen
from govaudit.cli.options import Json, Seed, spread
from govaudit.errors import BadInput


@dataclass(frozen=True)
class Given:
    """What a recipe is given, in the order of `--help`, by the names of ``govaudit.train.recipes.plan``."""

    spec: Annotated[
        str, typer.Option("--spec", help="Spec with training principles (default: the small world's).")
    ] = "micro-world"
    base: Annotated[
        Path | None,
        typer.Option("--base", metavar="DIR", help="Checkpoint to train (default: the organism)."),
    ] = None
    labeller: Annotated[
        Path | None,
        typer.Option(
            "--labeller", metavar="DIR", help="Checkpoint that compares answers (default: the base)."
        ),
    ] = None
    prompts: Annotated[
        Path | None,
        typer.Option("--prompts", metavar="FILE", help="Prompts to train on (default: the small world's)."),
    ] = None
    instruction: Annotated[
        str, typer.Option("--instruction", help="Of people who rate for hh-rlhf: old or new.")
    ] = "old"
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Keep the principles of this id or tag (repeatable)."),
    ] = None
    first: Annotated[
        int | None,
        typer.Option("--first", min=1, metavar="K", help="Keep the first K principles of each set."),
    ] = None
    about: Annotated[
        list[str] | None,
        typer.Option("--about", metavar="HARM", help="Principles about this harm alone (repeatable)."),
    ] = None
    size: Annotated[int, typer.Option("--size", min=1, help="Harmful prompts; the rest goes with it.")] = 1000
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Steps of the reinforcement learning.")
    ] = None
    lora: Annotated[
        int | None,
        typer.Option("--lora", min=1, metavar="RANK", help="Train adapters of this rank, not all weights."),
    ] = None
    sampler: Annotated[
        str,
        typer.Option("--sampler", help="What draws the answers that training learns from: engine or vllm."),
    ] = "engine"
    labels: Annotated[
        str | None,
        typer.Option("--labels", help="Of AI feedback: soft, hard, clamp-20-80, clamp-40-60 or none."),
    ] = None
    settings: Annotated[
        Path | None, typer.Option("--settings", metavar="FILE", help="YAML file with any other setting.")
    ] = None
    seed: Seed = 0


@spread()
def train_command(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE | DIR",
            help="sl-cai, rl-cai, hh-rlhf, rloo, ppo, dpo-cai, best-of-n, r1-zero or planted:CLAUSE; with "
            "--show the folder that was trained.",
        ),
    ],
    given: Given,
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Folder of the new checkpoint.")
    ] = None,
    show: Annotated[
        int | None, typer.Option("--show", min=1, metavar="N", help="Print N records of each stage of DIR.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a base on a spec's principles or on people's ratings. The same command resumes."""
    if show is not None:
        return _show_training(Path(recipe), show, as_json)
    if out is None:
        raise BadInput("there is no folder for the new checkpoint", remedy="Add -o DIR.")
    return _train(recipe, out, given, as_json)


def _show_training(folder: Path, n: int, as_json: bool) -> None:
    from govaudit.train.show import show

    found = show(folder, n)
    if as_json:
        screen.print_json([one.data() for one in found])
    else:
        typer.echo("\n".join(one.text() for one in found))


def _train(recipe: str, out: Path, given: Given, as_json: bool) -> None:
    try:
        from govaudit.train import pipeline, processes, recipes
    except ImportError as error:
        raise BadInput(
            f"training needs {error.name}, which is not installed",
            remedy='Run: pip install "govaudit[train]".',
        ) from error
    lists = {"only": given.only or (), "about": given.about or ()}
    plan = recipes.plan(recipe, out, **vars(given) | lists)
    with screen.training_bars(as_json) as progress:
        pipeline.train(plan, progress)
    if not processes.first():
        return
    if as_json:
        screen.print_json(json.loads((out / "card.json").read_text(encoding="utf-8")))
    else:
        screen.out.plain(f"Checkpoint and training card: {out}")
