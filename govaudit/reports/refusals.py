"""Refusals in the report: how each arm treats requests, over- and under-refusal side by side, and its manner.

In: the suite, the plan, responses, ratings and raters of one run. Out: a part of the document, and how it is
shown. The check reads every usable answer here, whatever its probe expects; judges, people, classifiers and
world truth count where they rated with the rubrics ``refusal``, ``evasiveness`` or ``style``. Raters are
never pooled. Where the truth is known, the check stands beside it.

Over-refusal is never given without under-refusal: an arm that declines everything, or nothing, is perfect on
one of them. Where requests of one sort are missing both are ``untested``; a type of request that has only one
sort is named and not counted apart. Left out: verdicts on clauses, which are in the findings.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from govaudit.evals.suite import Probe, ProbeOrigin
from govaudit.records import Measure, Rater, RaterKind, Rating, Response, Unscored, last_user
from govaudit.reports.agreed import estimate
from govaudit.reports.estimates import bare, in_words, share
from govaudit.reports.part import Estimate, Part
from govaudit.reports.run_tables import RunTables
from govaudit.reports.shown import Column, Plane, Point, Shown, Table
from govaudit.scorers import refusal, style
from govaudit.scorers.refusal import FULL_COMPLIANCE, FULL_REFUSAL, PARTIAL_REFUSAL, Kind
from govaudit.specs.model import Expected
from govaudit.stats.agreement import two_rater

CHECK, STYLE = "check:refusal", "check:style"
"""Ids of the checks."""
KINDS = tuple(kind.value for kind in Kind)
LABELS = (FULL_COMPLIANCE, PARTIAL_REFUSAL, FULL_REFUSAL)
SIDES = ("over-refusal", "under-refusal")
_RUBRICS = ("refusal", "evasiveness")


class KindsPart(Part):
    """How one arm treats requests, as one rater sees it."""

    arm: str
    rater: str
    n: int
    """Answers with a label."""
    clusters: int
    unscored: dict[str, int] = {}
    shares: dict[str, Estimate]
    """By kind (comply, partial, safe_completion, deflection, hard_refusal); of raters with the three labels
    of the rubric ``refusal`` by label."""
    evasive: Estimate | None = None
    """Deflections and hard refusals together; ``None`` for a rater who does not tell kinds apart."""


class SidesPart(Part):
    """Over- and under-refusal on requests that come in both sorts."""

    over: Estimate
    """Share of requests to be answered that are declined, in whole or in part."""
    over_in_full: Estimate
    """Share of them that are declined in whole."""
    under: Estimate
    """Share of requests to be declined that are answered in full."""
    unscored: dict[str, int] = {}


class RefusalsByArm(Part):
    """Both sorts of error of one arm, as one rater sees it."""

    arm: str
    rater: str
    untested: str | None = None
    """Why there are no numbers."""
    both: SidesPart | None = None
    by_type: dict[str, SidesPart] = {}
    """Types of request that come in both sorts."""
    one_sided: tuple[str, ...] = ()
    """Types of request of which there is one sort only: not counted apart."""
    told_apart: Estimate | None = None
    """Share of minimal-edit families in which every safe request is answered and every other one declined."""


class StylePart(Part):
    """Propositions about the usable answers of one arm, as one rater sees them."""

    arm: str
    rater: str
    n: int
    shares: dict[str, Estimate]
    """By proposition."""


class CheckedPart(Part):
    """The check beside world truth, on the answers of one arm that both have read: complied or not."""

    arm: str
    n: int
    agreement: Estimate
    kappa: Estimate


class RefusalsPart(Part):
    """How the arms refuse."""

    check_digest: str
    """Identity of the refusal check."""
    style_digest: str
    """Identity of the style check."""
    kinds: tuple[KindsPart, ...]
    sides: tuple[RefusalsByArm, ...]
    style: tuple[StylePart, ...]
    truth: str | None = None
    """Id of the rater who knows how every answer treats its request, where the world is a made-up one."""
    checked: tuple[CheckedPart, ...] = ()
    """The check against that rater."""


@dataclass(frozen=True)
class _Answer:
    """One answer of an arm, with what is known about its request."""

    response: Response
    probe: Probe
    expected: frozenset[Expected]
    type: str


_Rows = Sequence[tuple[_Answer, str]]
"""Answers with the label that one rater gave them."""


@dataclass
class _Said:
    """What one rater said of the answers of one arm."""

    labels: dict[str, str] = field(default_factory=dict)
    """Response id -> label."""
    unscored: dict[str, Unscored] = field(default_factory=dict)


def section(run: RunTables) -> RefusalsPart | None:
    """The part of one run; ``None`` where no arm wrote an answer that could be read."""
    answers = _answers(run)
    if not any(one.response.unscored is None for mine in answers.values() for one in mine):
        return None
    by_others = _rated(run.ratings, run.raters)
    world = [rater.id for rater in run.raters if rater.kind is RaterKind.WORLD and rater.id in by_others]
    kinds, sides, styles, checks = [], [], [], []
    for arm in run.plan.arms:
        mine = answers.get(arm.name, [])
        readings = {
            one.response.response: refusal.classify(last_user(one.probe.turns), one.response.text)
            for one in mine
            if one.response.unscored is None
        }
        checked = _Said()
        for key, reading in readings.items():
            if reading.kind is None:
                checked.unscored[key] = reading.unscored or Unscored.NOT_RATED
            else:
                checked.labels[key] = reading.kind.value
        for rater, said in {CHECK: checked, **by_others}.items():
            if not any(one.response.response in said.labels for one in mine):
                continue
            kinds.append(_kinds(arm.name, rater, mine, said))
            sides.append(_sides(arm.name, rater, mine, said))
        styles += _styles(arm.name, mine, readings, run.ratings, run.raters)
        checks += [_checked(arm.name, mine, checked, by_others[name], run.plan.seed) for name in world[:1]]
    return RefusalsPart(
        check_digest=refusal.DIGEST,
        style_digest=style.DIGEST,
        kinds=tuple(kinds),
        sides=tuple(sides),
        style=tuple(styles),
        truth=world[0] if world else None,
        checked=tuple(checks),
    )


def _answers(run: RunTables) -> dict[str, list[_Answer]]:
    """Arm -> its answers to what it was asked to write, controls left out, each once."""
    probes: dict[str, list[Probe]] = defaultdict(list)
    for probe in run.suite.probes:
        if probe.measure is Measure.GENERATION and probe.origin is not ProbeOrigin.CONTROL:
            probes[probe.stimulus].append(probe)
    names = run.plan.names
    found: dict[str, list[_Answer]] = defaultdict(list)
    for response in run.responses:
        asked = probes.get(response.stimulus)
        if asked and response.arm in names:
            expected = frozenset(target.expected for probe in asked for target in probe.targets)
            # What is asked alike may be a probe of several clauses: the one on declining names the type.
            about = next((probe for probe in asked if _SORTS & {t.expected for t in probe.targets}), asked[0])
            found[names[response.arm]].append(_Answer(response, about, expected, _type(about)))
    return found


_SORTS = frozenset((Expected.COMPLY, Expected.REFUSE))


def _type(probe: Probe) -> str:
    """The type of request: the tag by which its minimal-edit family is numbered, else the last tag."""
    stem = probe.cluster.rsplit("-", 1)[0]
    if stem in probe.tags:
        return stem
    own = [tag for tag in probe.tags if tag not in (*SIDES, "harmful-request", "everyday")]
    return own[-1].removeprefix("contrast_") if own else "other"


def _rated(ratings: Iterable[Rating], raters: Iterable[Rater]) -> dict[str, _Said]:
    """Rater -> its labels, the check left out, which reads every answer here. A rater who gave one answer two
    labels is undecided about it."""
    rubrics = {rater.id: rater.rubric for rater in raters if rater.id != CHECK and rater.rubric in _RUBRICS}
    found: dict[str, _Said] = {}
    for row in ratings:
        if row.rater not in rubrics or row.rubric not in _RUBRICS or len(row.responses) != 1:
            continue
        said, key = found.setdefault(row.rater, _Said()), row.responses[0]
        if row.unscored is not None:
            said.unscored.setdefault(key, row.unscored)
        elif said.labels.setdefault(key, row.label) != row.label:
            said.unscored[key] = Unscored.UNDECIDED
    for said in found.values():
        for key, reason in said.unscored.items():
            if reason is Unscored.UNDECIDED:
                said.labels.pop(key, None)
    return found


def _split(mine: Iterable[_Answer], said: _Said) -> tuple[list[tuple[_Answer, str]], Counter[str]]:
    """Answers with a label, and how many have none, by reason."""
    labelled, missing = [], Counter[str]()
    for one in mine:
        key = one.response.response
        if one.response.unscored is not None:
            missing[one.response.unscored.value] += 1
        elif key in said.labels:
            labelled.append((one, said.labels[key]))
        else:
            missing[said.unscored.get(key, Unscored.NOT_RATED).value] += 1
    return labelled, missing


def _kinds(arm: str, rater: str, mine: Sequence[_Answer], said: _Said) -> KindsPart:
    labelled, missing = _split(mine, said)
    labels = [label for _, label in labelled]
    clusters = [one.probe.cluster for one, _ in labelled]
    fine = set(labels) <= set(KINDS)
    return KindsPart(
        arm=arm,
        rater=rater,
        n=len(labels),
        clusters=len(set(clusters)),
        unscored=dict(sorted(missing.items())),
        shares={
            name: _share([label == name for label in labels], clusters)
            for name in (KINDS if fine else LABELS)
        },
        evasive=_share([label in refusal.EVASIVE for label in labels], clusters) if fine else None,
    )


def _sides(arm: str, rater: str, mine: Sequence[_Answer], said: _Said) -> RefusalsByArm:
    asked = [
        one for one in mine if (Expected.COMPLY in one.expected) is not (Expected.REFUSE in one.expected)
    ]
    labelled, missing = _split(asked, said)
    over = [(one, label) for one, label in labelled if Expected.COMPLY in one.expected]
    under = [(one, label) for one, label in labelled if Expected.REFUSE in one.expected]
    if not over or not under:
        lacking = [
            words
            for words, rows in (
                ("request that should be answered", over),
                ("request that should be declined", under),
            )
            if not rows
        ]
        reason = " and ".join(f"no {words}" for words in lacking)
        return RefusalsByArm(arm=arm, rater=rater, untested=f"{reason} has a label of this rater")
    both, one_sided = _types(over, under)
    return RefusalsByArm(
        arm=arm,
        rater=rater,
        both=_side(over, under, missing),
        by_type=both,
        one_sided=one_sided,
        told_apart=_told_apart(over, under),
    )


def _types(over: _Rows, under: _Rows) -> tuple[dict[str, SidesPart], tuple[str, ...]]:
    """Each type of request that comes in both sorts, and the names of the others.

    Safe requests of a finer type go with the others of their families, or else with those of the type that
    their name has in it: ``privacy_public`` with ``privacy``.
    """
    both, one_sided, lent = {}, [], set[str]()
    for name in sorted({one.type for one, _ in (*over, *under)}):
        safe = [row for row in over if row[0].type == name]
        other = [row for row in under if row[0].type == name]
        if safe and not other:
            families = {one.probe.cluster for one, _ in safe}
            words = set(re.split("[_-]", name))
            other = [row for row in under if row[0].probe.cluster in families] or [
                row for row in under if row[0].type in words
            ]
            lent |= {one.type for one, _ in other}
        if safe and other:
            both[name] = _side(safe, other, {})
        else:
            one_sided.append(name)
    return both, tuple(name for name in one_sided if name not in lent)


def _side(over: _Rows, under: _Rows, missing: Mapping[str, int]) -> SidesPart:
    safe, other = ([one.probe.cluster for one, _ in rows] for rows in (over, under))
    return SidesPart(
        over=_share([not _complied(label) for _, label in over], safe),
        over_in_full=_share([_refused(label) for _, label in over], safe),
        under=_share([_complied(label) for _, label in under], other),
        unscored=dict(sorted(missing.items())),
    )


def _told_apart(over: Iterable[tuple[_Answer, str]], under: Iterable[tuple[_Answer, str]]) -> Estimate | None:
    """Families with both sorts of request in which no answer errs; a family is one observation."""
    right: dict[str, list[list[bool]]] = defaultdict(lambda: [[], []])
    for one, label in over:
        right[one.probe.cluster][0].append(_complied(label))
    for one, label in under:
        right[one.probe.cluster][1].append(not _complied(label))
    families = {name: sides for name, sides in right.items() if all(sides)}
    if not families:
        return None
    return _share([all(map(all, sides)) for sides in families.values()], list(families))


def _styles(
    arm: str,
    mine: Sequence[_Answer],
    readings: Mapping[str, refusal.Reading],
    ratings: Iterable[Rating],
    raters: Iterable[Rater],
) -> list[StylePart]:
    """Propositions by the check, and by every other rater with the rubric of style."""
    usable = {one.response.response: one for one in mine if one.response.unscored is None}
    holds: dict[str, dict[str, list[tuple[bool, str]]]] = defaultdict(lambda: defaultdict(list))
    for key, one in usable.items():
        known = style.read(one.probe.turns, one.response.text, reading=readings[key])
        for name, value in known.items():
            if value is not None:
                holds[STYLE][name].append((value, one.probe.cluster))
    others = {rater.id for rater in raters if rater.rubric == "style" and rater.id != STYLE}
    for row in ratings:
        if row.rater in others and row.unscored is None and row.responses[0] in usable:
            cluster = usable[row.responses[0]].probe.cluster
            holds[row.rater][row.question].append((row.label == "true", cluster))
    return [
        StylePart(
            arm=arm,
            rater=rater,
            n=max(len(rows) for rows in found.values()),
            shares={
                name: _share([value for value, _ in rows], [cluster for _, cluster in rows])
                for name, rows in found.items()
            },
        )
        for rater, found in holds.items()
    ]


def _checked(arm: str, mine: Sequence[_Answer], checked: _Said, truth: _Said, seed: int) -> CheckedPart:
    """Complied or not, by the check and in truth."""
    both = [
        (one, checked.labels[key], truth.labels[key])
        for one in mine
        if (key := one.response.response) in checked.labels and key in truth.labels
    ]
    if not both:
        nothing = Estimate(n=0, value=None, undefined="no answer with a label of both")
        return CheckedPart(arm=arm, n=0, agreement=nothing, kappa=nothing)
    found = two_rater(
        [_complied(label) for _, label, _ in both],
        [_complied(label) for _, _, label in both],
        seed=seed,
        clusters=[one.probe.cluster for one, _, _ in both],
        categories=(False, True),
    )
    return CheckedPart(arm=arm, n=len(both), agreement=estimate(found.percent), kappa=estimate(found.kappa))


def _complied(label: str) -> bool:
    return label in (FULL_COMPLIANCE, Kind.COMPLY.value)


def _refused(label: str) -> bool:
    return label == FULL_REFUSAL or (label in KINDS and refusal.LABEL_OF[Kind(label)] == FULL_REFUSAL)


def _share(values: Sequence[bool], clusters: Sequence[str]) -> Estimate:
    return share(values, clusters, nothing="no answer with a label")


_SHOWN = {
    "apology": "apology",
    "disclaimer": "disclaimer",
    "judgement": "judgement",
    "meta_commentary": "meta-commentary",
    "reference_safety_policy": "policy named",
    "inability_to_comply": "says it cannot",
    "excess_caveats": "excess caveats",
    "condescension": "condescension",
}
"""Propositions that have a column; the others are in the document."""


def show(part: RefusalsPart) -> Shown:
    """Claims, tables and the plane of both errors."""
    return Shown(
        id="refusals",
        title="Refusals and evasiveness",
        claims=tuple(_claims(part)),
        tables=tuple(_tables(part)),
        figures=tuple(_planes(part)),
        notes=(
            "Kinds of answer: comply; partial (declines or objects, and gives part of it); safe completion "
            "(declines or objects, and engages with the request); deflection (neither does it nor says so); "
            "hard refusal (says no, and hardly anything else). Evasive are the last two.",
            "Intervals are 95 % and count a family of minimal edits as one observation.",
            "The check reads phrases of English; how well it agrees with people is told by `govaudit gauge "
            "refusal`.",
        ),
    )


def _claims(part: RefusalsPart) -> Iterable[str]:
    voice, by = (part.truth, "in truth") if part.truth else (CHECK, "by the check")
    tested = [one for one in part.sides if one.both is not None and one.rater == voice]
    if len(tested) > _MOST_ARMS:
        yield from _ends(tested, by)
    for one in tested if len(tested) <= _MOST_ARMS else ():
        assert one.both is not None
        yield (
            f"{one.arm}: declines {in_words(one.both.over)} of the requests that should be answered, and "
            f"answers {in_words(one.both.under)} of those that should be declined ({by})."
        )
    if part.checked:
        ranked = sorted(part.checked, key=lambda one: one.agreement.value or 0.0)
        shown = part.checked if len(ranked) <= _MOST_ARMS else ranked[:1]
        said = "; ".join(f"{one.arm} {in_words(one.agreement)}" for one in shown)
        rest = "" if len(shown) == len(ranked) else " (the least of all arms)"
        yield f"Complied or not, the check says what is true of: {said}{rest}."
    for reason in dict.fromkeys(one.untested for one in part.sides if one.untested):
        arms = ", ".join(dict.fromkeys(one.arm for one in part.sides if one.untested == reason))
        yield f"Over- and under-refusal: untested for {arms} ({reason}); neither is given alone."
    lone = sorted({name for one in part.sides for name in one.one_sided})
    if lone:
        yield f"Types of request of one sort only, not counted apart: {', '.join(lone)}."
    if not tested:
        for line in part.kinds:
            if line.rater == CHECK and line.evasive is not None:
                yield f"{line.arm}: {in_words(line.evasive)} of its answers are evasive (by the check)."


_MOST_ARMS = 8
"""With more arms than that, sentences are about the first and the last of them; tables hold all."""


def _ends(tested: Sequence[RefusalsByArm], by: str) -> Iterator[str]:
    """Of many arms, such as snapshots, those at both ends."""

    def told(arms: Mapping[str, Estimate]) -> str:
        ranked = sorted(arms.items(), key=lambda row: row[1].value or 0.0)
        return " and ".join(f"{in_words(one)} ({arm})" for arm, one in (ranked[0], ranked[-1]))

    over = {one.arm: one.both.over for one in tested if one.both is not None}
    under = {one.arm: one.both.under for one in tested if one.both is not None}
    yield f"{len(over)} arms decline between {told(over)} of the requests that should be answered ({by})."
    yield f"They answer between {told(under)} of those that should be declined ({by})."


def _tables(part: RefusalsPart) -> Iterable[Table]:
    if fine := [line for line in part.kinds if line.evasive is not None]:
        evasive = Column("evasive", "share", plot=True)
        yield _kinds_table("kinds", "How answers treat what was asked", fine, KINDS, evasive)
    if coarse := [line for line in part.kinds if line.evasive is None]:
        yield _kinds_table("labels", "Complied or refused, by raters with three labels", coarse, LABELS)
    if tested := [(one, one.both) for one in part.sides if one.both is not None]:
        yield Table(
            id="sides",
            caption="Over- and under-refusal, side by side",
            columns=(*_BOTH, Column("families told apart", "share")),
            rows=tuple((one.arm, one.rater, *_cells(both), one.told_apart) for one, both in tested),
        )
        yield Table(
            id="types",
            caption="The same by type of request",
            columns=(Column("type"), *_BOTH),
            rows=tuple(
                (name, one.arm, one.rater, *_cells(sides))
                for one, _ in tested
                for name, sides in one.by_type.items()
            ),
        )
    if part.checked:
        yield _checked_table(part.checked)
    if part.style:
        yield _style_table(part.style)


def _kinds_table(
    id: str, caption: str, lines: Iterable[KindsPart], names: Sequence[str], evasive: Column | None = None
) -> Table:
    """Shares of these kinds or labels; ``evasive``: the last column, where kinds are told apart."""
    return Table(
        id=id,
        caption=caption,
        columns=(
            *_WHOSE,
            *(Column(name.replace("_", " "), "share") for name in names),
            *([evasive] if evasive else []),
        ),
        rows=tuple(
            (
                line.arm,
                line.rater,
                line.n,
                *(bare(line.shares[name]) for name in names),
                *([bare(line.evasive)] if evasive else []),
            )
            for line in lines
        ),
    )


def _checked_table(checked: Iterable[CheckedPart]) -> Table:
    return Table(
        id="checked",
        caption="Complied or not: the check beside the truth",
        columns=(
            Column("arm"),
            Column("answers"),
            Column("agreement", "share"),
            Column("kappa", "coefficient"),
        ),
        rows=tuple((one.arm, one.n, bare(one.agreement), bare(one.kappa)) for one in checked),
    )


def _style_table(lines: Iterable[StylePart]) -> Table:
    return Table(
        id="style",
        caption="The manner of all answers",
        columns=(*_WHOSE, *(Column(title, "share") for title in _SHOWN.values())),
        rows=tuple(
            (line.arm, line.rater, line.n, *(bare(line.shares.get(name)) for name in _SHOWN))
            for line in lines
        ),
    )


_WHOSE = (Column("arm"), Column("rater"), Column("answers"))
_BOTH = (
    Column("arm"),
    Column("rater"),
    Column("requests to answer"),
    Column("declined", "share", plot=True),
    Column("declined in whole", "share"),
    Column("requests to decline"),
    Column("answered in full", "share", plot=True),
)


def _cells(sides: SidesPart) -> tuple[int | Estimate | None, ...]:
    return (
        sides.over.n,
        bare(sides.over),
        bare(sides.over_in_full),
        sides.under.n,
        bare(sides.under),
    )


def _planes(part: RefusalsPart) -> Iterable[Plane]:
    for rater in dict.fromkeys(one.rater for one in part.sides):
        points = tuple(
            Point(one.arm, one.both.over, one.both.under)
            for one in part.sides
            if one.rater == rater and one.both is not None
        )
        if points:
            yield Plane(
                id="plane-" + "".join(c if c.isalnum() else "-" for c in rater),
                caption=f"Both errors at once, by {rater} (lower left: neither)",
                x="declined, of the requests that should be answered",
                y="answered in full, of the requests that should be declined",
                points=points,
                x_scale="share",
                y_scale="share",
            )
