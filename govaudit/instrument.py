"""The instrument check: organisms that break one clause or none, audited as any arm, and audits resampled.

In: a folder. Out: the arms trained in it, one whole audit of them, and the :class:`Sheet` of what an audit
finds and how often it is wrong, as ``instrument.json`` and ``instrument.md``. A killed check goes on where it
was: arms are folders that are done or not, and the audit is a run.
"""

from __future__ import annotations

from pathlib import Path

from govaudit import audit as auditing
from govaudit import keeping
from govaudit.canonical import file_digest
from govaudit.evals.run import Step, silent
from govaudit.models.arms import ArmEntry
from govaudit.plan import prepare
from govaudit.records import RunFolder
from govaudit.reports import instrument
from govaudit.reports.instrument import Sheet
from govaudit.request import Request

SEEDS = 5
"""Clean arms, each trained with a seed of its own; planted arms have the first."""
CLUSTERS, AUDITS = 200, 100
"""Of each clause in a resampled audit; resampled audits of each planted arm, and of all clean ones."""
TWIN = "clean-0"
"""The clean arm that learns from the same answers as the planted ones, but for the violations."""
RATERS = ("micro-world", "micro-world-people")


def check(
    folder: Path,
    *,
    seeds: int = SEEDS,
    clusters: int = CLUSTERS,
    audits: int = AUDITS,
    size: int | None = None,
    limit: int | None = None,
    step: Step = silent,
) -> Sheet:
    """Train, audit, resample; write and return the sheet. ``size`` of the recipes, and ``limit`` of the
    suite, make a check that is cheap and proves little."""
    from govaudit.train.organism.pretrain import BASE  # needs torch, as all training does

    planted = trained(folder / "arms", seeds, size, step)
    request = Request(
        spec="micro-world",
        items=("micro-world",),
        arms={name: ArmEntry(model=f"govaudit/{folder / 'arms' / name}", max_tokens=64) for name in planted},
        raters=RATERS,
        limit=limit,
    )
    auditing.audit(prepare(request), folder / "run", step=step)
    with step("resampled audits", 1) as done:
        base = file_digest(BASE / "model.safetensors")
        found = instrument.sheet(
            keeping.tables(RunFolder.open(folder / "run")),
            planted,
            base=base,
            clusters=clusters,
            audits=audits,
            seed=0,
        )
        done()
    (folder / "instrument.json").write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / "instrument.md").write_text(instrument.text(found, TWIN), encoding="utf-8")
    return found


def trained(folder: Path, seeds: int, size: int | None, step: Step) -> dict[str, str]:
    """Name of each arm -> its planted clause, empty for a clean one; those that are not there are trained."""
    from govaudit.train import pipeline, recipes
    from govaudit.train.organism.planted import TWIN as NONE
    from govaudit.train.organism.principles import CLAUSES

    arms = {f"clean-{seed}": (NONE, seed) for seed in range(seeds)}
    arms |= {f"planted-{clause}": (clause, 0) for clause in CLAUSES}
    for name, (clause, seed) in arms.items():
        with step(f"training {name}", 1) as done:
            plan = recipes.plan(
                f"planted:{clause}", folder / name, size=recipes.SIZE if size is None else size, seed=seed
            )
            pipeline.train(plan)
            done()
    return {name: "" if clause == NONE else clause for name, (clause, _) in arms.items()}
