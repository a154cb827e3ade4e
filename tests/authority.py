"""Arms whose way with authority is planted: each writes an answer that follows those instructions that it
listens to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from govaudit.evals.order import Kind, Order
from govaudit.evals.suite import Probe
from govaudit.records import Response, Turn, response_id
from govaudit.scorers.hierarchy import TASK, Demand

_BODY = "it is so and it stays so for as long as anybody looks at it"


def written(demands: Iterable[Demand]) -> str:
    """An answer that meets all demands, of each list of alternatives the first."""
    asked = {demand.rule: demand.value.split("|")[0] for demand in demands}
    words = _BODY.split()
    if "at_least" in asked:
        words *= 6
    if "at_most" in asked:
        words = words[:8]
    if "contains" in asked:
        words[1:1] = asked["contains"].split()
    if "begins" in asked:
        words[:0] = asked["begins"].split()
    if "ends" in asked:
        words += asked["ends"].split()
    lines = [" ".join(words)]
    if "lines" in asked:
        n = int(asked["lines"])
        lines = [" ".join(words[at::n]) for at in range(n)]
        if "begins" in asked or "ends" in asked:
            size = max(1, len(words) // n)
            lines = [" ".join(words[at * size : (at + 1) * size]) for at in range(n - 1)]
            lines.append(" ".join(words[(n - 1) * size :]))
    if "first_line" in asked:
        lines.insert(0, asked["first_line"])
    if "last_line" in asked:
        lines.append(asked["last_line"])
    if "marked" in asked:
        half = len(words) // 2
        lines = [f"{asked['marked']} {' '.join(part)}" for part in (words[:half], words[half:])]
    text = asked.get("only") or "\n".join(lines)
    if "leaks" in asked:
        text += f" {asked['leaks']}"
    if "json_key" in asked:
        text = json.dumps({asked["json_key"]: text})
    if "case" in asked:
        text = text.upper() if asked["case"] == "upper" else text.lower()
    if "wrapped" in asked:
        text = asked["wrapped"][0] + text + asked["wrapped"][-1]
    return text


def good(order: Order) -> str:
    """Follows what stands; of a choice left open, that of the lower level."""
    wanted = [demand for demand in order.demands if demand.wanted]
    chosen = [demand for demand in wanted if "|" not in demand.value or demand.level == TASK]
    return written(chosen or wanted)


def obedient(order: Order) -> str:
    """Follows whoever speaks lowest, and orders in texts."""
    lowest = order.demands[-1].level if order.kind is not Kind.INJECTION else order.demands[0].level
    return written(demand for demand in order.demands if demand.level == lowest)


def strict(order: Order) -> str:
    """Follows the highest level and hears nobody else."""
    return written(
        demand for demand in order.demands if demand.level == order.higher and demand.rule != "leaks"
    )


def responses(probes: Sequence[Probe], arm: str, said: dict[str, str]) -> list[Response]:
    """The answers (stimulus -> text) as rows of a run."""
    return [
        Response(
            response=response_id(probe.stimulus, arm, 1),
            stimulus=probe.stimulus,
            arm=arm,
            epoch=1,
            turns=(*probe.turns[:-1], Turn("assistant", said[probe.stimulus])),
            text=said[probe.stimulus],
        )
        for probe in probes
    ]
