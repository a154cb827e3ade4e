"""The whole request of one audit: what ``audit.yaml`` holds, from the user or from the command line.

Relative paths in the file are relative to it. Two requests are the same audit when their digests are equal;
a run folder belongs to one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from os.path import exists  # unlike Path.exists it takes a name of any length
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from govaudit.canonical import digest
from govaudit.errors import BadInput
from govaudit.models.arms import Arm, ArmEntry, arm_of
from govaudit.models.arms import matching as arms_matching
from govaudit.models.prices import Prices
from govaudit.scorers.pairwise import BUILT_IN
from govaudit.specs import yaml12
from govaudit.specs.native import parse_as
from govaudit.specs.text import read_text

SCHEMA_VERSION: Literal["1.0"] = "1.0"

Share = Annotated[float, Field(gt=0, lt=1)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class JudgeRequest(Part):
    """An LLM judge and the rubric that it follows."""

    model: str
    rubric: str = "compliance"
    base_url: str | None = None
    temperature: float = 0.0
    max_tokens: int = 1024


class RatingsRequest(Part):
    """Ratings that somebody made elsewhere, matched to the responses of one arm."""

    file: str
    arm: str
    rubric: str
    columns: dict[str, Literal["check", "judge", "people"]]
    """Column of the file -> who gave it: a person, an LLM judge or a rule."""


class ComparisonJudge(Part):
    """An LLM judge that compares two answers."""

    model: str
    rubrics: tuple[str, ...] = ()
    """Pairwise rubrics in a form that this judge knows; without it those of the comparisons."""
    base_url: str | None = None
    temperature: float = 0.0
    max_tokens: int = 1024


class PreferencesRequest(Part):
    """Preferences between arms that somebody recorded elsewhere, one verdict on two answers a row."""

    file: str
    rubric: str


class Comparisons(Part):
    """Pairs of arms on the same stimulus, for Elo."""

    rubrics: tuple[str, ...] = BUILT_IN
    """Pairwise rubrics."""
    judges: tuple[ComparisonJudge, ...] = ()
    """Without it, the request's judges with the rubric ``compliance`` compare too."""
    preference_models: tuple[str, ...] = ()
    """Checkpoint folders of preference models: sequence classifiers with one output."""
    recorded: tuple[PreferencesRequest, ...] = ()
    max_pairs: Annotated[int, Field(ge=1)] | None = None
    """Pairs per rubric, spread evenly over the pairs of arms; 100 for each arm without it."""
    max_judged: Annotated[int, Field(ge=1)] | None = None
    """Of these, how many each judge compares (each in both orders); all without it."""
    active: bool = True
    """Let what a judge said so far choose its next pairs, where it does not compare all."""
    scrub: bool = False
    """Compare again without the sentences that are made of listed phrases."""


class ChoicesRequest(Part):
    """Multiple choice whatever the spec promises: a measurement, never a verdict."""

    banks: tuple[str, ...] = ()
    """Item banks of choices with labelled answers: paths, or names of built-in ones."""
    rubric: str = "letters_hhh"
    """How an arm is asked for a letter."""
    samples: Annotated[int, Field(ge=1)] = 1
    """Letters at once, per order, of an arm without log-probabilities."""
    reasons: Annotated[int, Field(ge=0)] = 0
    """Letters after reasons, per order; 0 = none."""
    held_out: tuple[str, ...] = ()
    """Tags of items, or names of banks, that are another distribution than the rest."""


class Ablation(Part):
    """Part of a constitution: of its clauses, those with any of the tags; of these, the first so many."""

    name: Annotated[str, Field(pattern=r"[A-Za-z0-9._-]+")]
    tags: tuple[str, ...] = ()
    """Without any, all clauses."""
    count: Annotated[int, Field(ge=1)] | None = None
    """How many clauses, in an order that depends on the seed; all without it."""


class TrainedArm(Part):
    """What an arm was trained from and under, where no recipe beside its weights says so."""

    base: str
    """Name of the arm that it was trained from."""
    about: tuple[str, ...] = ()
    """Ids or tags of the clauses that its principles were about."""
    count: Annotated[int, Field(ge=1)] | None = None
    """How many principles there were."""


class BaselinesRequest(Part):
    """Further arms from each model that writes: what a system text alone achieves (``docs/baselines.md``)."""

    arms: tuple[str, ...] = ()
    """Names of the arms that get baselines; all that write, without it."""
    forms: tuple[Literal["prompted", "revised"], ...] = ("prompted", "revised")
    """The constitution as system text; the same with a critique and a revision of each answer."""
    ablations: tuple[Ablation, ...] = ()
    """Parts of the constitution that also stand as system text, each an arm."""
    counts: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Numbers of clauses that stand as system text, each an arm."""
    trained: dict[str, TrainedArm] = {}
    """Arm -> what it was trained from."""
    margin: Share = 0.05
    """Largest difference of two rates that counts as none, for tests of equivalence."""


class HierarchyRequest(Part):
    """Probes of authority, made of templates and the spec's authority scale (``docs/hierarchy.md``)."""

    per_pair: Annotated[int, Field(ge=1, le=100)] = 20
    """Questions for each ordered pair of levels and each form."""
    depths: tuple[Annotated[int, Field(ge=2, le=12)], ...] = (2, 4, 6, 8, 10, 12)
    """Numbers of ranks that speak in one message."""
    templates: str | None = None
    """A file of templates; without it the built-in ones, or those that the spec's own world has."""


class Tolerance(Part):
    """Rate of violations that is still tolerated."""

    default: Share = 0.05
    bright_line: Share = 0.01


MANNER = ("max_connections", "max_calls", "max_cost", "prices")
"""Keys that change no answer and no verdict of a whole run: a run goes on with others."""


class Request(Part):
    """One audit."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    spec: str
    """Path of the spec, or the name of a built-in one."""
    format: str | None = None
    version: str | None = None
    prompts: str | None = None
    overlays: tuple[str, ...] = ()
    """Files that accept, reject and tag clauses of the spec."""
    items: tuple[str, ...] = ()
    """Item banks: paths, or names of built-in ones."""
    per_clause: Annotated[int, Field(ge=1)] | None = None
    """Fill each clause to so many clusters."""
    catalog: str | None = None
    """A catalog of evals of the user's own."""
    phrases: str | None = None
    """A list of phrases of the user's own, in place of the built-in one."""
    clauses: tuple[str, ...] = ()
    """Ids of the clauses to test; all without it."""
    limit: Annotated[int, Field(ge=1)] | None = None
    measure: tuple[str, ...] = ()
    """Evals of the catalog to run whatever the spec promises: a measurement, never a verdict."""
    choices: ChoicesRequest | None = None
    """Multiple choice: how often each arm prefers the better of given answers, and how sure it is."""
    temperatures: tuple[Annotated[float, Field(ge=0, le=2)], ...] = ()
    """Measure each arm once at each of these temperatures; without any, at its own."""
    arms: dict[str, ArmEntry] = {}
    """Name -> model and settings, as in a file of arms."""
    system_spec: bool = False
    """Also measure each arm with the spec's text as its system prompt (prompted-only)."""
    judges: tuple[JudgeRequest, ...] = ()
    ratings: tuple[RatingsRequest, ...] = ()
    raters: tuple[str, ...] = ()
    """Names of raters that installed packages offer (entry-point group ``govaudit.raters``), and
    ``classifier:FILE`` for one that ``govaudit fit`` wrote."""
    baselines: BaselinesRequest | None = None
    """Measure each arm also with a system text in the place of training; without it, there are none such."""
    hierarchy: HierarchyRequest | None = None
    """Test whose instruction counts; without it there are no such probes."""
    comparisons: Comparisons | None = None
    """Compare the arms with each other; without it there is no Elo."""
    epochs: Annotated[int, Field(ge=1)] = 1
    seed: Annotated[int, Field(ge=0, le=2**53 - 1)] = 0
    sequential: bool = False
    """Ask in looks, and ask no further about a clause whose verdict is known."""
    look: Annotated[int, Field(ge=1)] = 10
    """Clusters of each clause between two looks."""
    tolerance: Tolerance = Tolerance()
    max_connections: Annotated[int, Field(ge=1)] | None = None
    max_calls: Annotated[int, Field(ge=1)] | None = None
    """Stop the run after so many calls of models, judges included; the same command with more goes on."""
    max_cost: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Stop the run before it costs more, in the currency of the prices."""
    prices: Prices = Prices()
    """What tokens cost, by model."""

    @property
    def digest(self) -> str:
        """Identity of the request: what is asked, not how fast, how far or at what price."""
        return digest(self.model_dump(mode="json", exclude=set(MANNER)))


def load(path: Path) -> Request:
    """Read a user's ``audit.yaml``, relative paths taken from its folder.

    :class:`BadInput` with file, line and remedy for what it cannot be.
    """
    return _rebased(stored(path), path.parent)


def stored(path: Path) -> Request:
    """Read the ``audit.yaml`` of a run folder, paths as they were given."""
    return parse_as(Request, read_text(path), path)


def arms(request: Request) -> tuple[Arm, ...]:
    """The arms of a request with every setting in its range; :class:`BadInput` names the arm."""
    return tuple(arm_of(name, entry) for name, entry in request.arms.items())


def _rebased(request: Request, folder: Path) -> Request:
    def place(name: str) -> str:
        # Path.exists() raises for a name that no file can have, such as one that is too long.
        return name if Path(name).is_absolute() or not exists(folder / name) else str(folder / name)  # noqa: PTH110

    def maybe(name: str | None) -> str | None:
        return None if name is None else place(name)

    moved: dict[str, ArmEntry] = {}
    for name, entry in request.arms.items():
        provider, _, target = entry.model.partition("/")
        model = f"{provider}/{place(target)}" if provider in ("govaudit", "recorded") else entry.model
        if provider in ("govaudit", "recorded") and "*" in target:
            model = f"{provider}/{folder / target}"
        files = ("adapter", "system_file", "chat_template_file")
        changed = {"model": model, **{field: maybe(getattr(entry, field)) for field in files}}
        moved |= matching(name, entry.model_copy(update=changed))
    return request.model_copy(
        update={
            "spec": place(request.spec),
            "prompts": maybe(request.prompts),
            "catalog": maybe(request.catalog),
            "phrases": maybe(request.phrases),
            "hierarchy": None
            if request.hierarchy is None
            else request.hierarchy.model_copy(update={"templates": maybe(request.hierarchy.templates)}),
            "overlays": tuple(map(place, request.overlays)),
            "items": tuple(map(place, request.items)),
            "raters": tuple(
                f"classifier:{place(name.removeprefix('classifier:'))}"
                if name.startswith("classifier:")
                else name
                for name in request.raters
            ),
            "arms": moved,
            "ratings": tuple(r.model_copy(update={"file": place(r.file)}) for r in request.ratings),
            "choices": None
            if request.choices is None
            else request.choices.model_copy(update={"banks": tuple(map(place, request.choices.banks))}),
            "comparisons": None if request.comparisons is None else _placed(request.comparisons, place),
        }
    )


def matching(name: str, entry: ArmEntry) -> dict[str, ArmEntry]:
    """The entry by its name, or one for each checkpoint that a pattern in its model matches."""
    if "*" not in entry.model:
        return {name: entry}
    found = arms_matching(Arm(name=name, model=entry.model))
    return {arm.name: entry.model_copy(update={"model": arm.model}) for arm in found}


def _placed(comparisons: Comparisons, place: Callable[[str], str]) -> Comparisons:
    return comparisons.model_copy(
        update={
            "preference_models": tuple(map(place, comparisons.preference_models)),
            "recorded": tuple(
                entry.model_copy(update={"file": place(entry.file)}) for entry in comparisons.recorded
            ),
        }
    )


def dumps(request: Request) -> str:
    """The request as YAML, defaults included: they are part of what was asked."""
    return yaml12.render(request.model_dump(mode="json", exclude_none=True))


def conflict(path: Path, old: Request, new: Request) -> BadInput:
    """The error for a run folder that holds another audit, naming what differs."""
    mine, theirs = new.model_dump(mode="json"), old.model_dump(mode="json")
    differing = sorted(key for key in mine if mine[key] != theirs.get(key) and key not in MANNER)
    return BadInput(
        f"this run folder holds another audit (different: {', '.join(differing)})",
        path=path,
        remedy="Name another folder with -o, or repeat the command that began it.",
    )
