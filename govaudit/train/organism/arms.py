"""The organism's models: the base, and what recipes made of it, shipped as differences from the base.

    python -m govaudit.train.organism.arms NAME=DIR ...    packs what `govaudit train` wrote into DIR

In: a name, such as ``rl-cai``. Out: an ordinary checkpoint folder with 16-bit weights, unpacked where it is
needed. A request may name such a model ``organism/NAME`` wherever it may name ``govaudit/FOLDER``. Each
weight's difference is kept in 8 bits with one scale per row of its matrix, so that three trained models
are not larger than the base twice; what was lost is in the tests. Left out: how they are trained (``train``).
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from govaudit.canonical import file_digest
from govaudit.errors import BadInput
from govaudit.request import Request

if TYPE_CHECKING:
    from govaudit.train.recipes import Plan

PROVIDER = "organism"
SHIPPED = Path(__file__).parent / "arms"
BASE = Path(__file__).parent / "base"
WEIGHTS = "model.safetensors"
RECIPE = "recipe.json"
UNPACKED = Path("runs") / "models"
"""Where models are unpacked, from the folder in which a command runs."""


@dataclass(frozen=True)
class Made:
    """How a model was made of the base: what ``govaudit train`` is told besides the defaults."""

    recipe: str
    instruction: str = "old"
    """What people are asked to prefer (``hh-rlhf``)."""

    @property
    def command(self) -> str:
        """In words."""
        asked = f" --instruction {self.instruction}" if self.recipe == "hh-rlhf" else ""
        return f"govaudit train {self.recipe}{asked}"

    def plan(self, out: Path) -> Plan:
        """The plan of the recipe."""
        from govaudit.train import recipes

        return recipes.plan(self.recipe, out, instruction=self.instruction)


MODELS: Mapping[str, Made] = {
    "sl-cai": Made("sl-cai"),
    "rl-cai": Made("rl-cai"),
    "hh-rlhf": Made("hh-rlhf", "old"),
}


def placed(model: str, under: Path = UNPACKED) -> str:
    """A model name for an audit: ``organism/NAME`` becomes the folder where it was unpacked."""
    provider, _, name = model.partition("/")
    return f"govaudit/{unpack(name, under)}" if provider == PROVIDER else model


def with_models(request: Request, under: Path = UNPACKED) -> Request:
    """The request with every model of the organism unpacked and named by its folder."""
    arms = {
        name: entry.model_copy(update={"model": placed(entry.model, under)})
        for name, entry in request.arms.items()
    }
    judges = tuple(judge.model_copy(update={"model": placed(judge.model, under)}) for judge in request.judges)
    asked = request.comparisons
    if asked is not None:
        comparing = tuple(j.model_copy(update={"model": placed(j.model, under)}) for j in asked.judges)
        asked = asked.model_copy(update={"judges": comparing})
    return request.model_copy(update={"arms": arms, "judges": judges, "comparisons": asked})


def unpack(name: str, under: Path = UNPACKED) -> Path:
    """The checkpoint folder of a model below ``under``, made if it is not there.

    Its name ends in the digest of its weights. :class:`BadInput` for an unknown name, and where the
    difference belongs to another base.
    """
    if name == "base":
        digest = file_digest(BASE / WEIGHTS)
    elif name in MODELS and _difference(name).is_file():
        digest = _about(_difference(name))["weights"]
    else:
        raise BadInput(f"the organism has no model {name!r}", remedy=f"There are: {', '.join(names())}.")
    folder = under / f"{name}-{digest[:8]}"
    if (folder / WEIGHTS).is_file() and file_digest(folder / WEIGHTS) == digest:
        return folder
    under.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=under, prefix=f".{name}.") as partial:
        made = Path(partial) / "model"
        shutil.copytree(BASE, made)
        if name != "base":
            _unpack_weights(_difference(name), made / WEIGHTS)
            (made / "README.md").write_text(_readme(name), encoding="utf-8")
            (made / RECIPE).write_text(json.dumps(recipe(name), indent=2) + "\n", encoding="utf-8")
        if file_digest(made / WEIGHTS) != digest:
            raise BadInput("the weights that came out are not those that were packed", path=_difference(name))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            made.rename(folder)
        except OSError:
            if not (folder / WEIGHTS).is_file():  # another process may have been faster
                raise
    return folder


def names() -> tuple[str, ...]:
    """Models that there are."""
    return ("base", *(name for name in MODELS if _difference(name).is_file()))


def pack(name: str, trained: Path, into: Path = SHIPPED) -> Path:
    """Write the difference between a trained checkpoint and the base.

    :class:`BadInput` for a folder that another recipe, or this one from another base, has written.
    """
    if name not in MODELS:
        raise BadInput(f"no model of the organism is called {name!r}", remedy=f"Known: {', '.join(MODELS)}.")
    if other := differing(_recipe_of(trained), MODELS[name]):
        raise BadInput(
            f"this is not what {MODELS[name].command!r} makes now (different: {', '.join(other)})",
            path=trained,
        )
    return write(name, trained, into)


def differing(had: Mapping[str, Any], made: Made) -> list[str]:
    """In what a noted recipe is not what ``made`` asks for now.

    Settings that a newer program has added do not count: their defaults are how it was before.
    """
    now = json.loads(json.dumps(made.plan(Path()).data()))

    def compare(one: Mapping[str, Any], other: Mapping[str, Any], within: str = "") -> list[str]:
        found = []
        for key, value in one.items():
            if isinstance(value, dict) and isinstance(other.get(key), dict):
                found += compare(value, other[key], f"{within}{key}.")
            elif other.get(key) != value:
                found.append(f"{within}{key}")
        return found

    return sorted({*compare(had, now), *(now.keys() - had.keys())})


def write(name: str, trained: Path, into: Path) -> Path:
    """Write the difference of any checkpoint of the base's shape under a name, whoever made it."""
    base, weights = load_file(BASE / WEIGHTS), load_file(trained / WEIGHTS)
    if base.keys() != weights.keys():
        raise BadInput("base and trained model have other weights", path=trained)
    packed: dict[str, NDArray[Any]] = {}
    for key, weight in weights.items():
        packed |= _packed(key, weight.astype(np.float32) - base[key].astype(np.float32))
    into.mkdir(exist_ok=True)
    path = into / f"{name}.safetensors"
    about = {"base": file_digest(BASE / WEIGHTS), "recipe": json.dumps(_recipe_of(trained))}
    with tempfile.TemporaryDirectory() as scratch:
        # The digest of what comes out is part of what is packed.
        save_file(packed, path, about)
        _unpack_weights(path, Path(scratch) / WEIGHTS)
        digest = file_digest(Path(scratch) / WEIGHTS)
    save_file(packed, path, {**about, "weights": digest})
    return path


def recipe(name: str) -> dict[str, Any]:
    """What a shipped model was made of: recipe, digests, settings and seed, as ``govaudit train`` noted them.

    Empty where the packed checkpoint was none of its own.
    """
    found: dict[str, Any] = json.loads(_about(_difference(name)).get("recipe", "{}"))
    return found


def _recipe_of(trained: Path) -> dict[str, Any]:
    mark = trained / RECIPE
    found: dict[str, Any] = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else {}
    return found


def _packed(key: str, difference: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    if difference.ndim < 2:
        return {key: difference}
    scale = np.maximum(np.abs(difference).max(axis=1, keepdims=True) / 127, np.finfo(np.float32).tiny)
    return {key: np.rint(difference / scale).astype(np.int8), f"{key}.scale": scale.astype(np.float32)}


def _unpack_weights(difference: Path, out: Path) -> None:
    if _about(difference)["base"] != file_digest(BASE / WEIGHTS):
        raise BadInput("this difference was taken from another base", path=difference)
    packed = load_file(difference)
    weights = {}
    for key, base in load_file(BASE / WEIGHTS).items():
        change = packed[key].astype(np.float32)
        if packed[key].dtype == np.int8:
            change *= packed[f"{key}.scale"]
        weights[key] = (base.astype(np.float32) + change).astype(np.float16)
    save_file(weights, out, {"format": "pt"})


def _about(difference: Path) -> dict[str, str]:
    with safe_open(difference, "np") as file:
        return dict(file.metadata() or {})


def _difference(name: str) -> Path:
    return SHIPPED / f"{name}.safetensors"


def _readme(name: str) -> str:
    return (
        f"# The organism after {name}\n\n"
        f"Made of the organism's base by `{MODELS[name].command} -o DIR` ({RECIPE} has settings, seed and "
        "digests), and unpacked from the difference that comes with the package. It talks about a made-up "
        "world, and nothing that is seen of it is evidence about real language models.\n"
    )


def main(argv: list[str]) -> None:
    for text in argv:
        name, _, folder = text.partition("=")
        path = pack(name, Path(folder))
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
