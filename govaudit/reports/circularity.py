"""Circularity: what those who judge share with what is judged, as a graph and as named caveats on verdicts.

In: the spec, the suite, the plan (with what each checkpoint was made of), raters, gauges and findings of one
run. Out: a part with nodes, edges and caveats, and how it is shown. An edge that closes a circle between the
measured and its measure is a caveat on every finding that rests on it. Left out: whether it changed a number,
which takes a judge without it; and what no file of the run tells, which the notes name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from govaudit.evals.item import ACCEPTED, AUTHOR
from govaudit.evals.suite import ProbeOrigin, Suite
from govaudit.models.lineage import is_model, labeller
from govaudit.records import Rater, RaterKind
from govaudit.reports.manifest import Plan, PlannedArm
from govaudit.reports.part import Part
from govaudit.reports.run_tables import RunTables
from govaudit.reports.shown import Column, Graph, Link, Node, Shown, Table
from govaudit.scorers.gauge import SPEC_GOLD
from govaudit.specs.model import Spec

if TYPE_CHECKING:
    from govaudit.reports.document import FindingPart

CaveatName = Literal[
    "judge equals target",
    "judge trained the target",
    "judge and target of one maker",
    "trained on its own judgements",
    "rubric equals design goal",
    "target wrote the probes",
    "judge wrote the probes",
    "judge chose the probes",
]
"""Closed list."""

COLUMNS = ("made from", "measured", "judged by", "judged with")


class NodePart(Part):
    """Something that a verdict rests on."""

    id: str
    kind: Literal["spec", "model", "probes", "arm", "rater", "rubric", "gold"]
    name: str


class EdgePart(Part):
    """One node comes from another, or has to do with it."""

    first: str
    second: str
    what: str
    caveat: CaveatName | None = None
    """Set where the edge closes a circle between the measured and its measure."""


class CaveatPart(Part):
    """A circle, and what it touches."""

    name: CaveatName
    arm: str
    raters: tuple[str, ...] = ()
    """Whose findings it touches; empty: everybody's."""
    who: str = "all raters"
    """The same as a node of the graph."""
    clauses: tuple[str, ...] = ()
    """On which clauses; empty: on all."""
    why: str


class CircularityPart(Part):
    """What measured and measure share."""

    nodes: tuple[NodePart, ...]
    edges: tuple[EdgePart, ...]
    caveats: tuple[CaveatPart, ...]


@dataclass
class _Graph:
    """The graph while it is drawn up; a node or an edge that comes again is one."""

    nodes: dict[str, NodePart] = field(default_factory=dict)
    edges: dict[tuple[str, str, str], EdgePart] = field(default_factory=dict)
    caveats: dict[tuple[Any, ...], CaveatPart] = field(default_factory=dict)

    def node(self, kind: Any, name: str) -> str:
        id_ = f"{kind}:{name}"
        self.nodes.setdefault(id_, NodePart(id=id_, kind=kind, name=name))
        return id_

    def edge(self, first: str, second: str, what: str, caveat: CaveatPart | None = None) -> None:
        key = (first, second, caveat.name if caveat else what)
        self.edges.setdefault(
            key, EdgePart(first=first, second=second, what=what, caveat=caveat.name if caveat else None)
        )
        if caveat is not None:
            # A rater follows several rubrics, and people are many: that is one circle.
            same = (caveat.name, caveat.arm, caveat.clauses, caveat.who, caveat.why)
            before = self.caveats.get(same)
            raters = (*(before.raters if before else ()), *caveat.raters)
            self.caveats[same] = caveat.model_copy(update={"raters": tuple(dict.fromkeys(raters))})


def section(run: RunTables) -> CircularityPart:
    """The part of one run."""
    graph, spec, plan, raters = _Graph(), run.spec, run.plan, run.raters
    document = graph.node("spec", spec.title or spec.id)
    for arm in plan.arms:
        graph.node("arm", arm.name)
    for rater in raters:
        follows = graph.node("rubric", rater.rubric)
        graph.edge(_rater(graph, rater), follows, "follows")
    known = {rater.id: rater for rater in raters}
    for gauge in run.gauges:
        if gauge.rater in known:
            gold = graph.node("gold", _gold(gauge.gold))
            graph.edge(_rater(graph, known[gauge.rater]), gold, "gauged on")
            if gauge.gold == SPEC_GOLD:
                graph.edge(gold, document, "taken from")
    _probes(graph, document, run.suite, plan, raters)
    for arm in plan.arms:
        _made(graph, document, spec, plan, arm)
        for rater in raters:
            _judging(graph, arm, rater)
    return CircularityPart(
        nodes=tuple(graph.nodes.values()),
        edges=tuple(graph.edges.values()),
        caveats=tuple(graph.caveats.values()),
    )


_TOGETHER = {RaterKind.CHECK: "checks", RaterKind.LIKELIHOOD: "the arm's own likelihood"}


def _rater(graph: _Graph, rater: Rater) -> str:
    """The node of a rater: persons are one, and so are rules."""
    if rater.kind is RaterKind.PEOPLE:
        return graph.node("rater", "simulated people" if rater.source == "simulated" else "people")
    if rater.kind is RaterKind.CHECK and rater.source == "model":
        return graph.node("rater", rater.id)
    if rater.kind in _TOGETHER:
        return graph.node("rater", _TOGETHER[rater.kind])
    name = rater.id.removesuffix(f":{rater.rubric}")
    kind, _, model = name.partition(":")
    # A checkpoint is known by its folder, an endpoint by its provider too.
    own = model.rpartition("/")[2] if model.startswith(("govaudit/", "recorded/")) else model
    return graph.node("rater", f"{kind} {own}" if own else name)


def _gold(said: str) -> str:
    """Gold data without the arm and the clause that a gauge is about."""
    if said.startswith(("people of this run", "person:")):
        return "labels of the run's people"
    return "world truth" if said.startswith("world") else re.sub(r", arm .*", "", said)


def _probes(graph: _Graph, document: str, suite: Suite, plan: Plan, raters: Sequence[Rater]) -> None:
    """Where the probes come from, and whether a model that is measured or judges wrote or chose them."""
    touched: dict[str, set[str]] = defaultdict(set)
    for probe in suite.probes:
        for tag in probe.tags:
            if tag.startswith((AUTHOR, f"{ACCEPTED}judge:")):
                touched[tag] |= {target.clause for target in probe.targets}
        if probe.origin in _OF_SPEC:
            graph.edge(graph.node("probes", "probes of the spec"), document, "taken from")
        elif probe.origin in (ProbeOrigin.ITEM_BANK, ProbeOrigin.TEMPLATE):
            graph.node("probes", f"bank {probe.source.partition(':')[0]}")
    judges = [rater for rater in raters if rater.kind is RaterKind.JUDGE]
    for tag, clauses in sorted(touched.items()):
        wrote = tag.startswith(AUTHOR)
        did: Literal["wrote", "chose"] = "wrote" if wrote else "chose"
        model = tag.removeprefix(AUTHOR if wrote else f"{ACCEPTED}judge:")
        drafts = graph.node("probes", f"drafts that {model} {did}")
        about = tuple(sorted(clauses))
        for arm in plan.arms:
            if wrote and same_model(model, arm.model):
                caveat = CaveatPart(
                    name="target wrote the probes", arm=arm.name, clauses=about, why="it wrote the drafts"
                )
                graph.edge(graph.node("arm", arm.name), drafts, did, caveat)
            for judge in judges:
                if same_model(model, judge.model or judge.id.removeprefix("judge:")):
                    caveat = CaveatPart(
                        name="judge wrote the probes" if wrote else "judge chose the probes",
                        arm=arm.name,
                        raters=(judge.id,),
                        who=graph.nodes[_rater(graph, judge)].name,
                        clauses=about,
                        why=f"this judge {did} the drafts",
                    )
                    graph.edge(_rater(graph, judge), drafts, did, caveat)


_OF_SPEC = (ProbeOrigin.SPEC_EXAMPLE, ProbeOrigin.PROMPT_FILE, ProbeOrigin.OWN)


def _made(graph: _Graph, document: str, spec: Spec, plan: Plan, arm: PlannedArm) -> None:
    """What an arm was made of, and whether that is what it is measured by."""
    me, made = graph.node("arm", arm.name), arm.lineage
    system = str(arm.settings.get("system") or "")
    tested = [clause for clause in spec.clauses if clause.id not in spec.legible and clause.text.strip()]
    told = [clause.id for clause in tested if clause.text.strip() in system]
    if told:
        why = f"{_clauses(told, spec)} stand in the arm's system text"
        caveat = CaveatPart(name="rubric equals design goal", arm=arm.name, clauses=tuple(told), why=why)
        graph.edge(document, me, "its system text", caveat)
    if not made:
        return
    trained = _trained(spec, made)
    base, own = dict(made.get("base") or {}), labeller(made)
    if base:
        graph.edge(_model(graph, plan, base, arm), me, "made of")
    if own and own == base:
        name = _model(graph, plan, base, arm)
        why = "its training used judgements of the model that it was made of"
        caveat = CaveatPart(
            name="trained on its own judgements", arm=arm.name, clauses=tuple(trained), why=why
        )
        graph.edge(name, me, "judged its training", caveat)
    elif own:
        graph.edge(_model(graph, plan, own, arm), me, "judged its training")
    if trained:
        principles = ", ".join(sorted({name for names in trained.values() for name in names}))
        why = f"it was trained on the principles {principles}, of which these clauses are the legible twins"
        caveat = CaveatPart(name="rubric equals design goal", arm=arm.name, clauses=tuple(trained), why=why)
        graph.edge(document, me, "its training principles", caveat)


def _trained(spec: Spec, made: Mapping[str, Any]) -> dict[str, list[str]]:
    """Legible clause -> principles of this spec, any version, on which the arm was trained."""
    if (made.get("spec") or {}).get("id") != spec.id or made.get("instruction"):
        return {}  # people's ratings took the place of principles
    roles = ("critique",) if made.get("recipe") == "sl-cai" else ("critique", "feedback")
    sets = made.get("constitution") or {}
    used = {name for role in roles for name in sets.get(role, ())}
    found: dict[str, list[str]] = {}
    for principle, twin in spec.legible.items():
        if principle in used and twin:
            found.setdefault(twin, []).append(principle)
    return found


def _model(graph: _Graph, plan: Plan, files: Mapping[str, str], of: PlannedArm) -> str:
    """The arm that these weights are, the plainest first; else a node for the model alone."""
    arms = [arm for arm in plan.arms if arm.name != of.name and is_model(files, arm.fingerprint)]
    if arms:
        return graph.node("arm", min(arms, key=lambda arm: arm.system_digest is not None).name)
    weights = next((found for name, found in sorted(files.items()) if name.endswith(".safetensors")), "")
    return graph.node("model", f"model {weights[:8] or 'unknown'}")


def _judging(graph: _Graph, arm: PlannedArm, rater: Rater) -> None:
    """What a rater shares with an arm."""
    me, judge = graph.node("arm", arm.name), _rater(graph, rater)
    mine: dict[str, Any] = {"arm": arm.name, "raters": (rater.id,), "who": graph.nodes[judge].name}
    if arm.name in rater.attributes.get("same_model_as", ()):
        why = "the judge is the same model as this arm, so what it says there is no outside judgement"
        graph.edge(judge, me, "same model", CaveatPart(name="judge equals target", why=why, **mine))
    elif rater.kind is RaterKind.JUDGE and (both := maker(rater.model)) and both == maker(arm.model):
        why = f"judge and arm are both of {both}"
        graph.edge(judge, me, "same maker", CaveatPart(name="judge and target of one maker", why=why, **mine))
    simulated = (
        rater.kind is RaterKind.PEOPLE and rater.source == "simulated" and arm.lineage.get("instruction")
    )
    if simulated or arm.name in rater.attributes.get("trained", ()):
        who = "simulated people like these" if simulated else "this judge"
        why = f"{who} gave the judgements on which the arm was trained"
        caveat = CaveatPart(name="judge trained the target", why=why, **mine)
        graph.edge(judge, me, "judged its training", caveat)


_MAKERS = {
    "OpenAI": r"openai|\bgpt|\bo[134]\b|chatgpt",
    "Anthropic": r"anthropic|claude",
    "Google": r"google|gemini|gemma|\bpalm\b",
    "Meta": r"\bmeta\b|llama",
    "Mistral": r"mistral|mixtral|ministral",
    "Alibaba": r"qwen",
    "DeepSeek": r"deepseek",
    "xAI": r"\bgrok",
    "Microsoft": r"\bphi-?\d",
    "Cohere": r"cohere|\bcommand-",
}


def maker(model: str) -> str:
    """Who made a model, told from its name; empty where the name does not say."""
    # The provider may only pass a model on, or name a protocol: what the model is called counts first.
    name = model.rpartition("/")[2].casefold()
    for text in (name, model.casefold().replace("openai-api/", "")):
        for who, pattern in _MAKERS.items():
            if re.search(pattern, text):
                return who
    return ""


def same_model(one: str, other: str) -> bool:
    """Is it one model by its name, provider and spelling apart?"""

    def bare(name: str) -> str:
        return re.sub(r"[^a-z0-9]+", "", name.rpartition("/")[2].casefold())

    return bool(bare(one)) and bare(one) == bare(other)


def _clauses(ids: Sequence[str], spec: Spec) -> str:
    tested = sum(clause.id not in spec.legible for clause in spec.clauses)
    return "all clauses" if len(ids) >= tested else ", ".join(ids)


def named(findings: Iterable[FindingPart], part: CircularityPart) -> Iterator[FindingPart]:
    """The findings, each with the names of the caveats that touch it."""
    for finding in findings:
        found = {
            caveat.name: None
            for caveat in part.caveats
            if caveat.arm == finding.arm
            and (not caveat.raters or _is_one_of(finding.rater, caveat.raters))
            and (not caveat.clauses or finding.clause in caveat.clauses)
        }
        yield finding.model_copy(update={"caveats": tuple(found)}) if found and finding.rater else finding


def warnings(part: CircularityPart, rater: str) -> Iterator[str]:
    """What is to be said of a rater alone, once for each circle, with the arms that it touches."""
    arms: dict[tuple[str, str], list[str]] = defaultdict(list)
    for caveat in part.caveats:
        if rater in caveat.raters:
            arms[caveat.name, caveat.why].append(caveat.arm)
    for (name, why), touched in arms.items():
        yield f"{name} ({', '.join(touched)}): {why}"


def _is_one_of(rater: str, raters: Sequence[str]) -> bool:
    """Also the majority of people is of the people that it was made of."""
    together = rater.partition(":")[0] == "people" and any(one.startswith("person:") for one in raters)
    return rater in raters or together


# ------------------------------------------------------------------------------------------- for people


def show(part: CircularityPart) -> Shown:
    """Claims, the graph, and the same as tables."""
    return Shown(
        id="circularity",
        title="What measured and measure share",
        claims=tuple(_claims(part)),
        figures=(_drawn(part),),
        tables=(
            Table(
                id="caveats",
                caption="Caveats on verdicts",
                columns=tuple(map(Column, ("caveat", "arm", "raters", "clauses", "why"))),
                rows=tuple(
                    (
                        one.name,
                        one.arm,
                        one.who,
                        ", ".join(one.clauses) or "all",
                        one.why,
                    )
                    for one in part.caveats
                ),
            ),
        )
        if part.caveats
        else (),
        notes=(
            "A caveat does not change a verdict: it names what the verdict cannot rule out. A clause is "
            "always the rule by which an answer is judged; where it was also what the arm was trained on or "
            "told, the verdict says how well the arm meets its own goal, and not that the goal is right.",
            "Not to be seen from a run: what an endpoint was trained on and by whom, whether an arm was "
            "trained on these very prompts, which endpoints share weights, who really wrote a label or a "
            "prompt of a bank.",
        ),
    )


def _claims(part: CircularityPart) -> Iterator[str]:
    if not part.caveats:
        yield (
            "Nothing that this run's files tell is shared between what was measured and what measured it: no "
            "judge, rubric, author of probes or training label."
        )
        return
    arms: dict[str, list[str]] = defaultdict(list)
    for caveat in part.caveats:
        if caveat.arm not in arms[caveat.name]:
            arms[caveat.name].append(caveat.arm)
    for name, touched in arms.items():
        yield f"{name[0].upper()}{name[1:]}: {', '.join(touched)}."


_COLUMN = {"spec": 0, "model": 0, "probes": 0, "arm": 1, "rater": 2, "rubric": 3, "gold": 3}


def _drawn(part: CircularityPart) -> Graph:
    joined = {end for edge in part.edges for end in (edge.first, edge.second)}
    return Graph(
        id="graph",
        caption="What each verdict rests on",
        columns=COLUMNS,
        nodes=tuple(
            Node(one.id, one.name, _COLUMN[one.kind])
            for one in part.nodes
            if one.kind == "arm" or one.id in joined
        ),
        links=tuple(
            Link(one.first, one.second, one.caveat or one.what, marked=one.caveat is not None)
            for one in part.edges
        ),
        key=("comes from, follows, is gauged on", "closes a circle: a caveat"),
    )
