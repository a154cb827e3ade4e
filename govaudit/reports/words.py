"""Plain words for what a report holds: codes as sentences, numbers as people write them, unseen characters.

In: values of :mod:`govaudit.reports.document`. Out: plain text for any rendering, never markup. A code that
this version of govaudit has no words for is shown as it is. No statistics are computed here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from govaudit.reports.document import FindingPart
from govaudit.stats.verdict import LARGEST_SHARE_UNSCORED, LOWEST_GAUGE_KAPPA

VERDICTS = {
    "violated": "violated",
    "inconclusive": "inconclusive",
    "compliant": "compliant",
    "untested": "untested",
    "not_scored": "not scored",
}
"""In the order of columns and bars: what needs attention first, what says nothing last."""

STATUSES = {
    "open": "not reviewed",
    "confirmed": "confirmed",
    "disputed": "disputed",
    "withdrawn": "withdrawn",
}
"""Members of :data:`govaudit.reports.document.Status`."""

REASONS = {
    "rate_above_tolerance": "The lower limit of the rate lies above the tolerance, even if every unscored "
    "item is counted as kept.",
    "rate_within_tolerance": "The upper limit of the rate lies at or below the tolerance, even if every "
    "unscored item is counted as broken.",
    "interval_spans_tolerance": "The limits leave both sides of the tolerance open: there are too few "
    "clusters to tell.",
    "multiplicity": "The limit passes when the clause is looked at alone, but not among so many clauses "
    "and arms.",
    "no_gauge": "No gauge of the rater covers the clause: it was not compared there with people or labelled "
    "answers, kept and broken, or agreed with them hardly more than by chance.",
    "weak_gauge": "The rater was compared with people or labelled answers, but the lower limit of its kappa "
    f"is below {LOWEST_GAUGE_KAPPA:.2f} or undefined.",
    "control_failed": "The arm failed the control set: few broken answers may only mean that it is not able.",
    "no_control_set": "The arm was never put to a control set: few broken answers may only mean that it is "
    "not able.",
    "too_many_unscored": f"More than {100 * LARGEST_SHARE_UNSCORED:g} % of the items have no judgement.",
    "nothing_scored": "The clause was probed, but not one item has a judgement.",
    "no_rater": "The clause was probed, but no rater was named to decide it.",
    "no_probe": "The suite has no probe for the clause.",
    "not_model_level": "The clause binds a deployment or a company; no answer of a model can keep or "
    "break it.",
    "tested_as_twin": "A training principle, which asks something of a grader: its legible twin is tested.",
    "not_deciding": "Another measure or rater was named to decide before the first call.",
}
"""Members of :class:`govaudit.stats.verdict.Reason`."""

UNSCORED = {
    "not_recorded": "no recorded answer",
    "empty": "empty answer",
    "truncated": "cut off at the token limit",
    "filtered": "stopped by the provider's filter",
    "context": "longer than the arm's context",
    "timeout": "no answer in time",
    "failed": "failed call",
    "not_asked": "not asked, the run stopped before",
    "role_not_expressible": "role not expressible",
    "garbled": "garbled, the arm is not able",
    "invalid_verdict": "no valid verdict in the rater's reply",
    "judge_refused": "the judge declined to judge",
    "judge_truncated": "the judge's reply was cut off",
    "not_rated": "not given to the rater",
    "undecided": "orders or raters evenly split",
}
"""Members of :class:`govaudit.records.Unscored`."""

ORIGINS = {
    "spec_example": "spec example",
    "prompt_file": "prompt file",
    "own": "own probe",
    "item_bank": "item bank",
    "template": "template",
    "generated": "generated",
    "control": "control",
}
"""Members of :class:`govaudit.evals.suite.ProbeOrigin`, in the order of columns."""

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

# Controls but tab and line feed; format characters that hide or turn text (Unicode TR 36 and UAX 9), the
# zero-width joiners of emoji and of Indic and Arabic script excepted; line separators that are no line
# feed; tag characters, which carry text that nobody sees; noncharacters and lone surrogates.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0e"
    "\ufeff\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\ufdd0-\ufdef\U000e0000-\U000e0fff]"
)


COMMAND = re.compile(r"`((?:--)?[A-Za-z0-9][A-Za-z0-9_./= -]*)`")
"""A command, an option or a file between back-ticks in a sentence of ours: no sign in it means anything."""


def visible(text: str) -> str:
    """Text in which every character that hides or turns text is written as its code point, ``⟨U+202E⟩``."""
    return UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


def percent(share: float | None) -> str:
    """A share in 0..1, or a difference of shares, as per cent with one decimal and a true minus sign; what is
    not exactly 0 or 100 is never rounded to it."""
    if share is None or not math.isfinite(share):
        return "–"
    if share < 0:
        size = percent(-share)
        turned = {"<": ">−", ">": "<−"}.get(size[0], "−")
        return size if size == "0.0" else turned + size.lstrip("<>")
    text = f"{100 * share:.1f}"
    # 1e-9 keeps the rounding of a formula that ends at exactly 0 or 1 from looking like a difference.
    if text == "0.0" and share > 1e-9:
        return "<0.1"
    if text == "100.0" and share < 1 - 1e-9:
        return ">99.9"
    return text


def bound(share: float) -> str:
    """A share that somebody set (a tolerance, the end of an axis) as per cent, without idle decimals."""
    return f"{100 * share:.6g}"


def coefficient(value: float | None) -> str:
    """A coefficient in -1..1 with two decimals and a true minus sign."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")


def words(code: str, table: Mapping[str, str]) -> str:
    """The plain words for a code, or the code itself where this version of govaudit has none."""
    return table.get(code, code.replace("_", " "))


def why(finding: FindingPart) -> str:
    """Reason of a finding as a sentence, with the clusters that a verdict would still need."""
    sentence = words(finding.reason, REASONS)
    if finding.more_clusters:
        some = f"{finding.more_clusters:,} more clusters" if finding.more_clusters > 1 else "one more cluster"
        sentence += f" At the observed rate a verdict would need about {some}."
    if finding.reason == "interval_spans_tolerance" and _apart(finding):
        sentence += (
            " The rate beside it counts items and lies apart from the tolerance; a verdict counts each "
            "family of probes once, and here few families hold most of what was broken."
        )
    if finding.limits == "confidence sequence":
        sentence += " The limits are those of a confidence sequence, which holds at every look of this run."
    return sentence


def _apart(finding: FindingPart) -> bool:
    """Does the plain interval of the rate leave the tolerance on one side?"""
    above = finding.low is not None and finding.low > finding.tolerance
    return above or (finding.high is not None and finding.high < finding.tolerance)


def listed(items: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *head, last = list(items) or [""]
    return f"{', '.join(head)} and {last}" if head else last


def counted(n: int, one: str, many: str | None = None) -> str:
    """``1 clause``, ``58 clauses``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def spelled(n: int) -> str:
    """A number at the start of a sentence: in words up to ten."""
    return _NUMBERS[n] if n < len(_NUMBERS) else f"{n:,}"


def when(created: str) -> str:
    """An ISO 8601 time as people write it; text of another form is left as it is."""
    try:
        at = datetime.fromisoformat(created)
    except ValueError:
        return created
    zone = " UTC" if at.utcoffset() is not None and not at.utcoffset() else ""
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M}{zone}"


def setting(value: Any) -> str:
    """A setting as text: strings as they are, nothing as ``not set``, everything else as JSON."""
    if value is None:
        return "not set"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def web(url: str | None) -> str | None:
    """The address if a reader may follow it (http or https and nothing odd in it), else ``None``."""
    safe = url and re.fullmatch(r"https?://[!-~]+", url) and not re.search(r"[\"'<>`\\]", url)
    return url if safe else None
