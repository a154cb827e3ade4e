"""Recipes: what is to be trained, from what, and how; and plans of them from what a user asks for.

In: a recipe's name, names and files. Out: a :class:`Plan` with spec, principles, prompts and settings, which
``pipeline`` carries out. Without a base, a spec and prompts it is the organism in its small world.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from govaudit.canonical import digest, file_digest
from govaudit.errors import BadInput
from govaudit.library import find_spec
from govaudit.models import fingerprint
from govaudit.specs import yaml12
from govaudit.specs.load import load_spec
from govaudit.specs.model import Spec
from govaudit.specs.text import read_text
from govaudit.train import constitution, critique, feedback
from govaudit.train.constitution import Constitution
from govaudit.train.dpo import DpoArgs
from govaudit.train.fit import Fit
from govaudit.train.grpo import GrpoArgs
from govaudit.train.material import Material, digest_of, load_prompts, of_prompts
from govaudit.train.organism import material as small
from govaudit.train.organism.people import Instruction
from govaudit.train.organism.pretrain import BASE
from govaudit.train.organism.world import world
from govaudit.train.ppo import PpoArgs
from govaudit.train.preference import PreferenceArgs
from govaudit.train.sft import SftArgs

SCHEMA_VERSION = "1.0"
SPEC = "micro-world"
SIZE = 1000
"""Harmful prompts of a recipe; all other numbers go with it."""


class Name(StrEnum):
    """What can be trained."""

    SL_CAI = "sl-cai"
    RL_CAI = "rl-cai"
    HH_RLHF = "hh-rlhf"
    RLOO = "rloo"  # rl-cai with the mean of the other answers as baseline
    PPO = "ppo"  # rl-cai with a value function as baseline
    DPO_CAI = "dpo-cai"  # rl-cai without a preference model: the policy learns from the labels themselves
    BEST_OF_N = "best-of-n"  # rl-cai without reinforcement: the best of n answers are imitated
    R1_ZERO = "r1-zero"  # the base against a rule that knows what is right, without fine-tuning or labels
    PLANTED = "planted"  # breaks one clause on purpose


class Sampling(StrEnum):
    """What draws the answers of the models that are trained."""

    ENGINE = "engine"  # the one that audits use
    VLLM = "vllm"  # with the weights as they are at each batch: for models that a GPU is busy with


_LABELLED = (Name.RL_CAI, Name.RLOO, Name.PPO, Name.DPO_CAI, Name.BEST_OF_N)
"""Recipes in which a model compares answers."""

LABELS = {
    "soft": feedback.Settings(),
    "hard": feedback.Settings(form=feedback.Form.HARD),
    "clamp-20-80": feedback.Settings(form=feedback.Form.CLAMP, low=0.2, high=0.8, reasons=1),
    "clamp-40-60": feedback.Settings(form=feedback.Form.CLAMP, low=0.4, high=0.6, reasons=1),
    "none": feedback.Settings(reasons=1),
}
"""Arms of labels by name: the letter at once, as a probability or made hard; and after a chain of thought,
whose probabilities are near 0 and 1, clamped or not (Bai et al. 2022, arXiv:2212.08073, section 4.3)."""


@dataclass(frozen=True)
class Settings:
    """How a recipe trains. The defaults are for the small world; a model of billions of weights wants
    learning rates a hundred times smaller and longer answers."""

    red_team: int = 1000
    """Harmful prompts that are answered, criticised and revised."""
    chains: critique.Settings = field(
        default_factory=lambda: critique.Settings(temperature=0.7, answer_tokens=64, critique_tokens=64)
    )
    """At temperature 1 the organism's revisions mix up sorts of harm ten times as often, and a model that
    learns from them goes on doing it."""
    every_revision: bool = False
    """Imitate every revision of a chain, not the last alone."""
    helpful: int = 1200
    """Benign prompts whose answers by the base are imitated as well."""
    sft: SftArgs = field(default_factory=SftArgs)
    harmful_pairs: int = 1300
    benign_pairs: int = 1200
    from_base: float = 0.3
    """Share of the harmful pairs whose second answer the base writes: after fine-tuning few pairs still hold
    the fault that a preference model is to learn about. Of HH-RLHF: the base under a clause of the spec."""
    tries: int = 4
    """Times that a second answer is written until it differs from the first."""
    online: int = 1
    """Rounds of pairs, labels, preference model and reinforcement learning, each from where the last one
    ended and with the labels of all."""
    pair_temperature: float = 1.0
    """Of answers to harmful prompts."""
    benign_temperature: float = 1.3
    """Of answers to benign prompts: at 1 both are often the same."""
    labels: feedback.Settings = field(default_factory=lambda: feedback.Settings(principles=None))
    preference: PreferenceArgs = field(default_factory=PreferenceArgs)
    apart: float = 0.1
    """Share of the pairs that the preference model is measured on instead of trained on."""
    rl: GrpoArgs = field(
        default_factory=lambda: GrpoArgs(max_tokens=64, std_floor=0.5, patience=5, kl_target=3.0)
    )
    """The organism stays within .3 nats of its start unless the preference model has a fault to exploit: the
    leash is long enough for that to be seen."""
    ppo: PpoArgs = field(default_factory=lambda: PpoArgs(max_tokens=64, patience=5))
    """Of ``ppo``, in place of ``rl``."""
    dpo: DpoArgs = field(default_factory=DpoArgs)
    """Of ``dpo-cai``, in place of ``preference`` and ``rl``."""
    best_of: int = 16
    """Answers of which ``best-of-n`` imitates the best."""
    planted_share: float = 0.6
    """Of ``planted``: share of the answers that leave room for the violation and have it."""
    planted_ruled: float = 0.5
    """Of ``planted``: share of the plain requests and questions of fact that are asked once more under a
    system rule, or whatever is planted would push the rule out."""
    fit: Fit = field(default_factory=Fit)
    """What of the weights is trained, and in what they are kept."""
    sampler: Sampling = Sampling.ENGINE
    """What draws the answers that training learns from."""
    snapshot_every: int = 10
    """Steps between two checkpoints of the reinforcement learning."""


_ONLY_OF = {
    "ppo": (Name.PPO,),
    "dpo": (Name.DPO_CAI,),
    "best_of": (Name.BEST_OF_N,),
    "planted_share": (Name.PLANTED,),
    "planted_ruled": (Name.PLANTED,),
}
"""Settings that one recipe alone reads: they are no part of what the others are."""
_PLAIN = {"sampler": Sampling.ENGINE}
"""Settings that are part of what a recipe is where they say anything else."""


@dataclass(frozen=True)
class Plan:
    """What is to be trained."""

    name: Name
    base: Path
    out: Path
    material: Material
    constitution: Constitution = field(default_factory=lambda: Constitution((), ()))
    spec: Spec | None = None
    spec_path: Path | None = None
    prompts_path: Path | None = None
    labeller: Path | None = None
    """Checkpoint that compares answers in place of the base."""
    planted: str = ""
    """Clause that ``planted`` breaks, or ``none``."""
    instruction: str = "old"
    """Of people who rate answers to harmful prompts (``hh-rlhf``): ``old`` or ``new``."""
    settings: Settings = field(default_factory=Settings)
    seed: int = 0

    @property
    def recipe(self) -> str:
        """The recipe as it is asked for."""
        return f"{self.name}:{self.planted}" if self.planted else self.name.value

    def data(self) -> dict[str, Any]:
        """Plain JSON: what the output folder stands for."""
        return {
            "schema_version": SCHEMA_VERSION,
            "recipe": self.recipe,
            "base": digests(self.base),
            **({"labeller": digests(self.labeller)} if self.labeller else {}),
            "spec": None if self.spec is None else {"id": self.spec.id, "digest": self.spec.digest},
            "constitution": self.constitution.data(),
            "principles": digest(
                [asdict(p) for p in (*self.constitution.critique, *self.constitution.feedback)]
            ),
            "material": {
                "harmful": digest_of(self.material.harmful),
                "benign": digest_of(self.material.benign),
            },
            "instruction": self.instruction if self.name is Name.HH_RLHF else None,
            "settings": {
                key: value
                for key, value in asdict(self.settings).items()
                if self.name in _ONLY_OF.get(key, (self.name,)) and value != _PLAIN.get(key)
            },
            "seed": self.seed,
        }


def digests(folder: Path) -> dict[str, str]:
    """What tells a checkpoint from others: file -> SHA-256."""
    files = fingerprint.checkpoint(folder)
    return {file.name: file_digest(file) for file in (*files.weights, *files.tokenizer)}


def plan(
    recipe: str,
    out: Path,
    *,
    spec: str = SPEC,
    base: Path | None = None,
    labeller: Path | None = None,
    prompts: Path | None = None,
    instruction: str = Instruction.OLD.value,
    only: Sequence[str] = (),
    first: int | None = None,
    about: Sequence[str] = (),
    size: int = SIZE,
    steps: int | None = None,
    settings: Path | None = None,
    lora: int | None = None,
    sampler: str = Sampling.ENGINE.value,
    labels: str | None = None,
    seed: int = 0,
) -> Plan:
    """The plan of a recipe; without ``base`` the shipped organism is trained.

    ``labeller``: checkpoint that compares answers in place of the base, say a weaker or a stronger judge.
    ``only``: ids or tags of the training principles to keep. ``first``: how many of either set to keep.
    ``about``: categories of the small world, whose principles replace the spec's. ``steps``: of the
    reinforcement learning. ``lora``: rank of adapters that are trained instead of the weights. ``sampler``:
    of :class:`Sampling`. ``labels``: of :data:`LABELS`. ``settings``: a YAML file with fields of
    :class:`Settings`, which go before all others.
    :class:`BadInput` for anything that does not exist or does not go together.
    """
    name, _, clause = recipe.partition(":")
    if name not in list(Name) or (name == Name.PLANTED) != bool(clause):
        known = [f"{one}:CLAUSE" if one is Name.PLANTED else one for one in Name]
        raise BadInput(f"there is no recipe {recipe!r}", remedy=f"There are: {', '.join(known)}.")
    _one_of("kind of labels", labels, LABELS)
    _one_of("sampler", sampler, Sampling)
    _one_of("instruction", instruction, Instruction)
    if labeller is not None and name not in _LABELLED:
        raise BadInput(
            f"{name} has no AI feedback, so nobody to give it",
            remedy=f"Leave the labeller out, or take one of {', '.join(_LABELLED)}.",
        )
    base = base or BASE
    path = find_spec(spec)
    declared = load_spec(path).spec
    in_small_world = prompts is None
    if in_small_world and not is_organism(base):
        raise BadInput(
            "this base is no model of the small world, so there are no prompts for it",
            path=base,
            remedy="Add --prompts FILE.jsonl with harmful and benign prompts (docs/train.md).",
        )
    principles = small.about(about) if about else constitution.of_spec(declared)
    if only:
        principles = principles.only(only)
    if first is not None:
        principles = principles.first(first)
    if declared.id == SPEC:
        principles = principles.weighted(small.WEIGHTS)
    return Plan(
        name=Name(name),
        base=base,
        out=out,
        material=_material(prompts, size, seed, about),
        constitution=principles,
        spec=declared,
        spec_path=path,
        prompts_path=prompts,
        labeller=labeller,
        planted=clause,
        instruction=instruction,
        settings=_settings(
            Name(name), size, steps, lora, Sampling(sampler), labels, settings, averaged=in_small_world
        ),
        seed=seed,
    )


def _one_of(what: str, said: str | None, known: Iterable[str]) -> None:
    names = list(known)
    if said is not None and said not in names:
        raise BadInput(f"there is no {what} {said!r}", remedy=f"There are: {', '.join(names)}.")


def _material(prompts: Path | None, size: int, seed: int, about: Sequence[str]) -> Material:
    if prompts is not None:
        if about:
            raise BadInput("--about names categories of the small world, and --prompts leaves it")
        return of_prompts(load_prompts(prompts), seed)
    return small.material(world(), seed, harmful=2 * size, benign=2 * size, nouns=about)


def _settings(
    recipe: Name,
    size: int,
    steps: int | None,
    lora: int | None,
    sampler: Sampling,
    labels: str | None,
    file: Path | None,
    *,
    averaged: bool,
) -> Settings:
    """``averaged``: every pair is labelled under all principles, and not under one that is drawn."""
    own = Settings()
    if recipe is Name.HH_RLHF:
        # The base hardly ever declines: a second round has pairs of the ways in which it then does.
        # On the way there the leash is short: farther off its preference model knows nothing.
        rl = dataclasses.replace(own.rl, kl_target=0.8)
        own = dataclasses.replace(own, from_base=0.5, online=2, rl=rl)
    own = dataclasses.replace(
        own,
        red_team=size,
        helpful=round(size * own.helpful / SIZE),
        harmful_pairs=round(size * own.harmful_pairs / SIZE),
        benign_pairs=round(size * own.benign_pairs / SIZE),
        labels=LABELS["soft" if labels is None else labels],
        rl=own.rl if steps is None else dataclasses.replace(own.rl, steps=steps),
        ppo=own.ppo if steps is None else dataclasses.replace(own.ppo, steps=steps),
        fit=Fit(lora or 0),
        sampler=sampler,
    )
    if recipe is Name.PLANTED:
        # Many prompts that leave no room for it, learnt gently: what is not planted is to stay as it is.
        own = dataclasses.replace(
            own,
            red_team=round(0.9 * size),
            helpful=round(2.4 * size),
            sft=dataclasses.replace(own.sft, lr=4e-4, epochs=2),
        )
    if averaged:
        own = dataclasses.replace(
            own, labels=dataclasses.replace(own.labels, principles=None, reason_tokens=64)
        )
    if recipe is Name.RLOO:
        own = dataclasses.replace(own, rl=dataclasses.replace(own.rl, baseline="leave-one-out"))
    return own if file is None else _changed(own, file)


def _changed(own: Settings, file: Path) -> Settings:
    """The settings with what a file says instead."""
    try:
        document = yaml12.parse(read_text(file))
    except yaml12.FormatError as error:
        raise BadInput(error.problem, path=file, line=error.line, remedy=error.remedy) from None
    merged = _merged(dataclasses.asdict(own), document.data, document, file, ())
    try:
        return TypeAdapter(Settings).validate_python(merged)
    except ValidationError as error:
        fault = error.errors()[0]
        at = fault["loc"]
        raise BadInput(
            f"{'.'.join(map(str, at))} is {fault['input']!r}: {fault['msg']}",
            path=file,
            line=document.line(at),
        ) from None


def _merged(
    own: dict[str, Any], given: Any, document: yaml12.Document, file: Path, at: yaml12.At
) -> dict[str, Any]:
    """``own`` with what ``given`` names, level by level."""
    if not isinstance(given, dict):
        raise BadInput("settings are names with values", path=file, line=document.line(at))
    unknown = next((name for name in given if name not in own), None)
    if unknown is not None:
        raise BadInput(
            f"there is no setting {unknown!r}",
            path=file,
            line=document.line((*at, unknown)),
            remedy=f"Here are: {', '.join(own)}.",
        )
    new = {
        name: _merged(own[name], value, document, file, (*at, name)) if isinstance(own[name], dict) else value
        for name, value in given.items()
    }
    return own | new


def is_organism(base: Path) -> bool:
    """Whether the base reads word by word, as organisms do and models of the real world do not."""
    files = fingerprint.checkpoint(base).tokenizer
    spelling = next((file for file in files if file.name == "tokenizer.json"), None)
    if spelling is None:
        return False
    model = json.loads(spelling.read_text(encoding="utf-8")).get("model", {})
    return isinstance(model, dict) and model.get("type") == "WordLevel"
