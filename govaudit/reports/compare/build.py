"""From runs to a comparison: every part of the document, and what could not be compared, in words.

In: runs, a mapping, and what the user said about versions and labs. Out: the :class:`Comparison`. It is
computed from tables alone, so anyone can make it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from govaudit import __version__
from govaudit.reports.compare import differences, drift, matrix, profile, stale, three_way
from govaudit.reports.compare.document import Comparison, DifferencePart, StatementPart, ThreeWayPart
from govaudit.reports.compare.matrix import Layout
from govaudit.reports.compare.runs import OURS, Run
from govaudit.reports.compare.three_way import Labs, Share
from govaudit.specs import alignment
from govaudit.specs.alignment import Mapping


def build(
    runs: Sequence[Run],
    mapping: Mapping,
    *,
    versions: Sequence[tuple[str, str]] = (),
    labs: Labs | None = None,
) -> Comparison:
    """The comparison of runs.

    ``versions``: labels of arms that are an earlier and a later version of one model. ``labs``: lab ->
    names of its specs, arms and judges. :class:`BadInput` where there is nothing to compare.
    """
    layout = matrix.lay_out(runs, mapping)
    between = stale.versions(layout)
    found = differences.samples(layout)
    tests = differences.differences(found)
    statements = matrix.statement_parts(layout, stale.reasons(between))
    return Comparison(
        govaudit=__version__,
        created=max(run.report.created for run in runs),
        runs=matrix.run_parts(layout),
        specs=matrix.spec_parts(layout),
        mapping_digest=layout.mapping.digest if layout.mapping else None,
        arms=matrix.arm_columns(layout),
        statements=statements,
        differences=tests,
        rankings=differences.rankings(found),
        profiles=profile.profiles(layout),
        drift=drift.parts(layout, found, versions),
        three_way=three_way.from_runs(layout, labs or {}),
        stale=stale.parts(layout, between),
        not_compared=tuple(_not_compared(layout, statements, tests)),
        methods=tuple(_methods(layout, tests)),
        warnings=tuple(dict.fromkeys(_warnings(layout))),
    )


def of_shares(shares: Sequence[Share], labs: Labs) -> Comparison:
    """A comparison that holds nothing but a table of shares that somebody measured elsewhere."""
    return Comparison(
        govaudit=__version__,
        created="",
        runs=(),
        specs=(),
        mapping_digest=None,
        arms=(),
        statements=(),
        differences=(),
        rankings=(),
        three_way=three_way.from_shares(shares, labs),
        not_compared=("Clauses: a table of shares holds none.",),
        methods=_CUBE,
    )


def with_shares(comparison: Comparison, part: ThreeWayPart) -> Comparison:
    """The same with a table of shares in place of the runs' own cube, which must hold none."""
    return comparison.model_copy(update={"three_way": part, "methods": (*comparison.methods, *_CUBE)})


_CUBE = (
    "Spec x model x judge: the share of judged answers that keep the spec. A mean over judges weighs "
    "every judge "
    "alike. The effect of an own judge is what it gives its lab's model beyond the mean of the other "
    "judges, minus "
    "the same for the other models, on answers that all of them judged.",
)


def _not_compared(
    layout: Layout, statements: Sequence[StatementPart], tests: Sequence[DifferencePart]
) -> Iterable[str]:
    if len(layout.specs) > 1:
        for index, spec in enumerate(layout.specs):
            alone = [row for row in statements if {d.spec for d in row.declared} == {index}]
            if alone:
                yield (
                    f"{len(alone)} statements are declared by {spec.id} {spec.version} alone: they are "
                    "shown, and no "
                    "arm is scored by a clause that its own spec does not have."
                )
        unlike = [
            row.id
            for row in statements
            if row.shared and any(declared.relation != "same" for declared in row.declared)
        ]
        if unlike:
            yield (
                f"{len(unlike)} statements are declared in different breadth or other words: their rates "
                "stand side "
                f"by side, and are tested only between clauses that ask the same: {', '.join(unlike)}."
            )
    untested = [
        row.id for row in statements if row.observed and all(o.verdict == "untested" for o in row.observed)
    ]
    if untested:
        yield f"{len(untested)} statements were tested by no prompt of these runs: {', '.join(untested)}."
    left = [sum(1 for clause in spec.clauses) - len(alignment.testable(spec)) for spec in layout.specs]
    for spec, n in zip(layout.specs, left, strict=True):
        if n:
            yield (
                f"{n} clauses of {spec.id} {spec.version} are training principles, or bind a deployment "
                "or a company: "
                "no answer of a model keeps or breaks them."
            )
    unpaired = sum(not part.paired for part in tests)
    if unpaired:
        yield (
            f"{unpaired} differences are between arms that answered different prompts: they hold the "
            "chance of the "
            "prompts as well, and a prompt that is harder than another counts as a difference of arms."
        )
    yield "Rates by two measures or raters: where another run rates a clause by another one."


def _methods(layout: Layout, tests: Sequence[DifferencePart]) -> Iterable[str]:
    yield (
        "Rates and verdicts are those of each run's own report: a verdict is protected within its run, "
        "and is not "
        "decided anew here."
    )
    if layout.mapping is not None:
        yield (
            f"Clauses of different specs are aligned by the mapping {layout.mapping.digest[:12]}, a "
            "reading made by "
            "hand; those of versions of one spec by their id."
        )
    yield (
        "A difference is the rate of the first arm minus that of the second. On the same prompts it is "
        "paired "
        "(interval: Tango's score interval on effective pairs; p: exact test of all sign patterns of the "
        "clusters); "
        "on different prompts it is that of two samples (interval by squaring and adding Wilson limits; "
        "p: where that "
        f"interval begins to hold 0). p-values are Holm-adjusted over all {len(tests)} differences: the "
        "chance of "
        f"naming any arm wrongly is at most {differences.LEVEL:.0%}. Intervals are each for its own place."
    )
    yield (
        "Ranks: arms are ranked by their share of broken answers on prompts that all of them answered. A "
        "rank set "
        "holds the ranks that tests of all pairs do not exclude, jointly for all arms of one ranking. "
        "Where sets "
        "overlap, the order may be chance."
    )
    yield "No interval holds the errors of a rater, which its gauge measures; two arms may share them or not."
    yield from _CUBE


def _warnings(layout: Layout) -> Iterable[str]:
    for part in matrix.run_parts(layout):
        if part.partial:
            yield f"Run {part.name} is partial: it was limited, or stopped before all was asked."
        if part.origin != OURS:
            yield (
                f"Run {part.name} is imported ({part.origin}): its scores are those of a rater that was "
                "never "
                "compared with people here, and carry no verdict."
            )
    suites = {
        (index, run.tables.suite.digest) for index, run in zip(layout.spec_of, layout.runs, strict=True)
    }
    for index, spec in enumerate(layout.specs):
        if sum(1 for one, _ in suites if one == index) > 1:
            yield f"Runs of {spec.id} {spec.version} put different suites: see which differences are paired."
    for run, labels in zip(layout.runs, layout.labels, strict=True):
        for arm in run.report.arms:
            if len(arm.reported_models) > 1:
                yield f"{labels[arm.name]}: the endpoint reported {len(arm.reported_models)} model ids."
            if arm.control is not None and not arm.control.passed:
                yield (
                    f"{labels[arm.name]} failed the control set: few broken answers may mean that it is not "
                    "able."
                )
