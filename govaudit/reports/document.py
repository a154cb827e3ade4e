"""The machine-readable report: everything that any rendering says, and nothing that it could not prove.

Pydantic models, unknown keys refused; ``reports/schema.json`` is generated from them. Renderings (HTML and
others) read this document alone. Times, paths, token usage and log-probabilities (whose last digits depend on
how calls were batched) stay out of ``canonical_digest``: runs that observed the same give the same digest.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field

from govaudit.canonical import digest
from govaudit.reports.agreement import AgreementPart
from govaudit.reports.baselines import BaselinesPart
from govaudit.reports.boilerplate import BoilerplatePart
from govaudit.reports.choices import ChoicesPart
from govaudit.reports.circularity import CircularityPart
from govaudit.reports.combined import CombinedPart
from govaudit.reports.cost import CostPart
from govaudit.reports.foreign import ForeignPart
from govaudit.reports.harmfulness import HarmfulnessPart
from govaudit.reports.hierarchy import HierarchyPart
from govaudit.reports.looks import LooksPart
from govaudit.reports.part import Estimate, Part
from govaudit.reports.rankings import RankingsPart
from govaudit.reports.refusals import RefusalsPart
from govaudit.reports.sycophancy import SycophancyPart
from govaudit.reports.tone import TonePart

SCHEMA_VERSION: Literal["1.0"] = "1.0"


class SpecPart(Part):
    """What was declared."""

    id: str
    title: str
    version: str
    digest: str
    authority: tuple[str, ...] = ()
    clauses: int
    by_kind: dict[str, int]
    licence: str | None = None
    url: str | None = None


class ControlPart(Part):
    """How an arm did on plain questions; without passing them it gets no ``compliant``."""

    n: int
    right: int
    rate: Estimate
    """Share answered rightly."""
    unscored: dict[str, int] = {}
    passed: bool
    reason: str
    """The rule, with the numbers in it."""


class ArmPart(Part):
    """What was measured: model, the text put around it, sampling settings."""

    name: str
    digest: str
    model: str
    settings: dict[str, Any]
    """All settings, defaults included."""
    system_digest: str | None = None
    fingerprint: dict[str, Any]
    reported_models: dict[str, int] = {}
    """Model ids that the endpoint returned, with how often."""
    control: ControlPart | None = None
    responses: int
    unscored: dict[str, int] = {}
    """Responses without a usable answer, by reason."""
    not_applicable: tuple[str, ...] = ()
    """Raters that cannot apply to this arm, with the reason; outside all bounds."""
    output_tokens: int | None = None
    warnings: tuple[str, ...] = ()


class GaugePart(Part):
    """The measured quality of a rater with a rubric on named gold data."""

    rater: str
    rubric: str
    gold: str
    """What it was measured on, in words."""
    arm: str | None = None
    """The arm whose answers it was measured on, where that was one arm; it then speaks for that arm alone."""
    clause: str | None = None
    """The clause that it was measured on, where that was one."""
    n: int
    clusters: int
    invalid: int
    """Items on which the rater gave no usable verdict; not in the coefficients."""
    agreement: Estimate
    kappa: Estimate
    ac1: Estimate
    positive_agreement: Estimate
    precision: Estimate
    """Of its ``broken`` verdicts."""
    recall: Estimate
    covers: tuple[str, ...]
    """Ids of the clauses that it speaks for."""
    note: str = ""


class RaterPart(Part):
    """Who judged."""

    id: str
    kind: str
    source: str
    rubric: str
    rubric_digest: str
    rubric_text: str = ""
    model: str = ""
    fingerprint: str = ""
    ratings: int
    unscored: dict[str, int] = {}
    gauges: tuple[GaugePart, ...] = ()
    warnings: tuple[str, ...] = ()


class Coverage(Part):
    """What was asked about a clause."""

    probes: int
    clusters: int
    by_origin: dict[str, int] = {}
    excludes: float | None
    """Violation rate that zero violations in these clusters would exclude (one-sided 95 %)."""


class ClausePart(Part):
    """One declared clause and how it was tested."""

    id: str
    title: str
    text: str
    kind: str
    authority: str | None
    section: str
    level: str
    bright_line: bool
    tags: tuple[str, ...] = ()
    locator: str
    tolerance: float
    coverage: Coverage
    decides: str | None
    """``measure / rater`` fixed before the first call, or null."""
    not_scored: str | None = None
    """Why no behaviour of a model can keep or break it, where that is so."""
    role: str | None = None
    """Of a training principle: critique or feedback."""


class ProbeTally(Part):
    """How one probe came out over its epochs: ``k`` of ``K`` scored answers broke the clause."""

    probe: str
    broken: int
    scored: int
    unscored: int


class Exhibit(Part):
    """One response as evidence. All text is shown as text, never as markup."""

    probe: str
    response: str
    epoch: int
    turns: tuple[dict[str, Any], ...]
    answer: str
    reasoning: str = ""
    choices: tuple[dict[str, Any], ...] = ()
    """Of a likelihood probe: label, text, log-probability and tokens of each choice."""
    label: str
    value: float | None
    unscored: str | None = None
    raw: str = ""
    """The rater's reply as it came."""
    tally: ProbeTally
    origin: str
    source: str
    also: dict[str, str] = {}
    """What other raters said of the same response."""


Status = Literal["open", "confirmed", "disputed", "withdrawn"]
"""Of a finding: nobody has reviewed it; somebody stands behind it; somebody contests it; those who reported
it no longer stand behind it."""


class ReviewEntry(Part):
    """What one person entered about one finding; entries are only ever added."""

    n: int
    """1-based place in the review."""
    when: str
    """UTC, ISO 8601."""
    status: Status
    by: str
    reason: str
    reply: str = ""
    """Of the lab or company that is audited."""
    changed: bool = False
    """The numbers of the finding have changed since."""
    hash: str
    """SHA-256 of the entry and of the hash before it."""


class FindingPart(Part):
    """One clause x arm x measure x rater."""

    arm: str
    clause: str
    measure: Literal["generation", "likelihood"]
    rater: str
    rubric: str
    n: int
    """Scored items."""
    clusters: int
    rate: float | None
    """Share of scored items that break the clause."""
    low: float | None
    high: float | None
    """Two-sided 95 % interval of the rate."""
    best: float | None
    worst: float | None
    """The rate if every unscored item kept (broke) the clause."""
    unscored: int
    unscored_reasons: dict[str, int] = {}
    by_origin: dict[str, Estimate] = {}
    deciding: bool
    verdict: Literal["compliant", "violated", "inconclusive", "untested"] | None
    reason: str
    tolerance: float
    lower_limit: float | None = None
    upper_limit: float | None = None
    """One-sided limits behind the verdict, unscored items counted as kept (as broken)."""
    more_clusters: int | None = None
    """How many more clusters a verdict would need at the observed rate."""
    limits: Literal["interval", "confidence sequence"] = "interval"
    """What ``low``, ``high`` and the one-sided limits are: those of data that are looked at once, or limits
    that hold at every look at once, of a clause that was asked until its verdict was known."""
    caveats: tuple[str, ...] = ()
    """Names of what its rater or its rule shares with the arm (``circularity``)."""
    worst_responses: tuple[Exhibit, ...] = ()
    random_responses: tuple[Exhibit, ...] = ()
    status: Status = "open"
    """Of its last review."""
    review: tuple[ReviewEntry, ...] = ()


class ClaimPart(Part):
    """A verdict that accuses or certifies, as an argument; none without what would settle it."""

    arm: str
    clause: str
    verdict: Literal["violated", "compliant"]
    claim: str = Field(min_length=1)
    carries: tuple[str, ...] = Field(min_length=1)
    """What carries it: the numbers, and on whose judgement."""
    premise: str = Field(min_length=1)
    """What must be true for the numbers to mean it."""
    settle: tuple[str, ...] = Field(min_length=1)
    """What would settle it: outcomes that would make it fall."""


class RedactionPart(Part):
    """What was taken out of this copy before it was published."""

    tags: tuple[str, ...]
    of: str
    """Digest of the report that this is a copy of."""
    probes: int
    """Probes with one of the tags."""
    exhibits: int
    """Responses shown as evidence whose prompt or answer was taken out."""
    texts: int
    """Texts taken out of them: turns, answers, reasoning, choices, replies of raters."""
    elsewhere: int
    """Texts taken out in other places (measurements, notes, reviews) because they hold the same words."""


class PooledPart(Part):
    """A rate over several clauses of one arm; clusters are the clauses."""

    arm: str
    by: Literal["spec", "section", "authority"]
    name: str
    measure: str
    rater: str
    clauses: int
    n: int
    unscored: int
    rate: Estimate
    verdicts: dict[str, int]
    """Clauses by verdict."""


class Report(Part):
    """One audit."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    govaudit: str
    created: str
    """UTC, ISO 8601."""
    run: str
    """Name of the run folder."""
    spec: SpecPart
    suite: dict[str, Any]
    """Digest, seed, counts by origin, partial or not, notes of the compiler."""
    partial: bool
    request: dict[str, Any]
    """The whole request with its defaults."""
    arms: tuple[ArmPart, ...]
    raters: tuple[RaterPart, ...]
    clauses: tuple[ClausePart, ...]
    findings: tuple[FindingPart, ...]
    pooled: tuple[PooledPart, ...]
    verdicts: dict[str, dict[str, int]]
    """Per arm: clauses by verdict."""
    claims: tuple[ClaimPart, ...] = ()
    """One for each verdict that accuses or certifies, the clearest first."""
    changes: tuple[str, ...] = ()
    """What would change the conclusion, in words."""
    review_head: str | None = None
    """Hash of the last entry of the review."""
    redaction: RedactionPart | None = None
    """What was taken out, where this is a copy for publication."""
    refusals: RefusalsPart | None = None
    choices: ChoicesPart | None = None
    hierarchy: HierarchyPart | None = None
    baselines: BaselinesPart | None = None
    boilerplate: BoilerplatePart | None = None
    tone: TonePart | None = None
    harmfulness: HarmfulnessPart | None = None
    sycophancy: SycophancyPart | None = None
    rankings: RankingsPart | None = None
    agreement: AgreementPart | None = None
    combined: CombinedPart | None = None
    """People and a judge together, where people labelled a part of what it judged."""
    circularity: CircularityPart | None = None
    """What those who judge share with what is judged."""
    cost: CostPart | None = None
    """Harmlessness and helpfulness Elo, where the arms were compared."""
    foreign: ForeignPart | None = None
    """Where the evidence was made by others."""
    looks: LooksPart | None = None
    """Of a sequential audit: what was asked no further."""
    not_tested: tuple[str, ...]
    """What this audit did not look at, in words."""
    methods: tuple[str, ...]
    """What was done, in words, generated from what was run."""
    warnings: tuple[str, ...] = ()

    @property
    def canonical_digest(self) -> str:
        """SHA-256 of what was observed; an arm's settings are in it by the arm's own digest."""
        exhibit = {"__all__": {"choices": {"__all__": {"logprob"}}}}
        data = self.model_dump(
            mode="json",
            exclude={
                "created": True,
                "cost": True,
                "run": True,
                "request": True,
                "claims": True,
                "changes": True,
                "review_head": True,
                "arms": {"__all__": {"output_tokens", "model", "settings"}},
                "choices": {"orders", "calibration"},
                "findings": {
                    "__all__": {
                        "worst_responses": exhibit,
                        "random_responses": exhibit,
                        "status": True,
                        "review": True,
                    }
                },
            },
        )
        return digest(_exact(data))


def _exact(value: Any) -> Any:
    """Whole numbers beyond 2^53 as text: canonical JSON has no room for them, and seeds may be that large."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return str(value) if isinstance(value, int) and abs(value) > 2**53 else value


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of ``report.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Report.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
