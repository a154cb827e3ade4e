"""Multiple choice on the organism: a strong and a weak judge told apart, an over-confident one caught where it
does not know."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from reports.ran import tables
from safetensors.torch import load_file, save_file

from govaudit import audit, judging
from govaudit.evals import choices as asking
from govaudit.models.arms import ArmEntry
from govaudit.plan import prepare
from govaudit.records import RunFolder, read_responses
from govaudit.reports import choices
from govaudit.reports.choices import ChoiceCalibrationPart, ChoicesPart
from govaudit.reports.manifest import plan_from_json
from govaudit.request import ChoicesRequest, Request

BASE = Path(audit.__file__).parent / "train" / "organism" / "base"


def changed(folder: Path, noise: float = 0.0, sharpened: float = 1.0) -> Path:
    """The organism's base with noise on its weights, as a share of each tensor's own spread (seed 0), or with
    all its logits multiplied: then its answers are the same and its probabilities more extreme."""
    shutil.copytree(BASE, folder)
    weights = load_file(folder / "model.safetensors")
    source = torch.Generator().manual_seed(0)
    for name, tensor in sorted(weights.items()):
        wide = tensor.float()
        if noise and wide.dim() > 1:
            wide = wide + noise * wide.std() * torch.randn(wide.shape, generator=source)
        weights[name] = (wide * sharpened if name.endswith("model.norm.weight") else wide).to(tensor.dtype)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> ChoicesPart:
    place = tmp_path_factory.mktemp("choices")
    arms = {
        "base": BASE,
        "sure": changed(place / "sure", sharpened=3.0),
        "weak": changed(place / "weak", noise=0.7),
    }
    request = Request(
        spec="wording",
        arms={name: ArmEntry(model=f"govaudit/{folder}", max_tokens=64) for name, folder in arms.items()},
        choices=ChoicesRequest(
            banks=("micro-world-hhh",), rubric="micro-world_letters", held_out=("held-out",)
        ),
    )
    prepared = prepare(request)
    audit.run(prepared, place / "run")
    folder = RunFolder(place / "run")
    rated = judging.choices_of(request, prepared.suite, folder, read_responses(folder.responses))
    kept = plan_from_json(folder.manifest.read_text(encoding="utf-8"))
    found = choices.section(tables(prepared.suite, kept, (), rated.ratings, rated.raters))
    assert found is not None
    return found


def row(part: ChoicesPart, arm: str, where: str) -> ChoiceCalibrationPart:
    letters = choices.WAYS[asking.LETTERS]
    (found,) = [
        r for r in part.calibration if (r.arm, r.set, r.asked, r.labels) == (arm, where, letters, "as given")
    ]
    return found


@pytest.mark.slow
def test_the_sharpened_judge_is_caught_on_held_out_harms_and_nowhere_else(part: ChoicesPart) -> None:
    assert not row(part, "base", "not held out").caught
    assert not row(part, "base", "held out").caught
    assert not row(part, "sure", "not held out").caught
    assert row(part, "sure", "held out").caught
    # It gives the same answers: only its probabilities are wrong.
    rates = {(r.arm, r.set, r.asked): r.accuracy.value for r in part.rates}
    letters = choices.WAYS[asking.LETTERS]
    assert rates["sure", "all", letters] == rates["base", "all", letters]


@pytest.mark.slow
def test_the_weak_judge_has_worse_probabilities_than_the_strong_one(part: ChoicesPart) -> None:
    for where in ("not held out", "held out"):
        gap = row(part, "weak", where).brier_gap
        assert gap is not None and gap.low is not None and gap.low > 0


@pytest.mark.slow
def test_letters_of_the_judge_do_not_depend_on_their_order(part: ChoicesPart) -> None:
    (order,) = [o for o in part.orders if o.arm == "base"]
    assert order.consistent.low is not None and order.consistent.low > 0.75
    assert order.first_shown.value == pytest.approx(0.5, abs=0.05)
    assert order.mass is not None and order.mass.value is not None and order.mass.value > 0.99
