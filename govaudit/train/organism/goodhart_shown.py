"""What the Goodhart lab found, for people: a page with tables and a figure.

In: what ``goodhart.json`` holds. Out: ``README.md`` and ``goodhart.svg`` in its folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TITLES = {"best-of-n": "Best of n", "rl": "Reinforcement learning without a leash"}
_AT = {"best-of-n": "n", "rl": "step"}
_SHARES = (
    "complies with harm",
    "right objections",
    "refuses harmless",
    "empty phrases",
    "garbled",
    "states flatly",
    "flatly false",
)


def write(out: Path, found: Mapping[str, Any]) -> None:
    """Write the page and the figure."""
    (out / "README.md").write_text(page(found), encoding="utf-8")
    figure(found, out / "goodhart.svg")


def page(found: Mapping[str, Any]) -> str:
    """The page in Markdown."""
    halves = found["halves"]
    agreement, accuracy = halves["agreement"], halves["accuracy"]
    lines = [
        f"# How far {found['run']} can be optimised",
        "",
        f"Proxy and witness are preference models from halves of {halves['pairs']} labelled pairs; on "
        f"{halves['pairs_apart']} others they prefer the same answer in {_rate(agreement)} of the cases and "
        f"agree with the labels in {_rate(accuracy[0])} and {_rate(accuracy[1])}. Gold is what answers are "
        f"worth in truth, on {found['prompts']} prompts. In brackets 95 % intervals over prompts.",
        "",
        "![gold, proxy and what answers become, over the square root of the divergence](goodhart.svg)",
        "",
    ]
    for way in found["ways"]:
        lines += [f"## {TITLES[way['form']]}", "", *summary(way), "", *_table(way), ""]
    lines += [
        "Proxy and witness are log-odds against an answer of reward 0; `states flatly` is a claim without a "
        "warning, `flatly false` one that is wrong as well. It is a model of a small world: nothing here is "
        "evidence about real ones.",
        "",
    ]
    return "\n".join(lines)


def summary(way: Mapping[str, Any]) -> list[str]:
    """What can be said of one way, a line each."""
    peak, fit, last = way["peak"], way["fit"], way["points"][-1]
    told = [
        f"- The gold reward is highest at {_AT[way['form']]} = {way['peak_at']}, a distance of {_n(peak)}; "
        f"from there to the end it falls by {_n(way['fall'])}.",
        f"- At the end the proxy has gained {_n(way['parts'])} standard deviations more than the witness "
        f"(distance {last['distance']:.2f}).",
    ]
    if fit is None:
        told.append("- Too few points for a curve.")
    elif fit["no_peak"]:
        told.append(f"- The curve of Gao et al. has no peak that the data bear out: {fit['no_peak']}.")
    else:
        beyond = ", beyond the largest distance measured" if fit["extrapolated"] else ""
        told.append(
            f"- The curve of Gao et al. peaks at a distance of {_n(fit['peak_distance'])}{beyond}, with a "
            f"gain of {_n(fit['peak_gain'])}; it misses the means by {fit['misfit']:.2f}."
        )
    return told


def _table(way: Mapping[str, Any]) -> list[str]:
    names = ("gold", "proxy", "witness", *_SHARES, "tokens")
    head = f"| {_AT[way['form']]} | distance | {' | '.join(names)} |"
    rows = [
        f"| {point['at']} | {point['distance']:.2f} | "
        + " | ".join(_cell(point["measures"][name], brackets=name == "gold") for name in names)
        + " |"
        for point in way["points"]
    ]
    return [head, "| ---: " * (len(names) + 2) + "|", *rows]


def _cell(value: Mapping[str, Any], *, brackets: bool) -> str:
    if value["value"] is None:
        return ""
    return _n(value) if brackets else f"{value['value']:.2f}"


def _n(value: Mapping[str, Any]) -> str:
    """A number with its interval."""
    if value["value"] is None:
        return f"(undefined: {value['undefined']})"
    told = f"{value['value']:.2f}"
    return told if value["low"] is None else f"{told} [{value['low']:.2f}, {value['high']:.2f}]"


def _rate(rate: Mapping[str, Any]) -> str:
    return f"{rate['rate']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}]"


def figure(found: Mapping[str, Any], path: Path) -> None:
    """The figure as SVG: one column a way; gold, both halves, and shares, over the distance."""
    os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())  # it wants to write a cache
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 9), layout="constrained")
    FigureCanvasSVG(drawing)
    grid: Any = drawing.subplots(3, len(found["ways"]), sharex="col", squeeze=False)
    for column, way in enumerate(found["ways"]):
        x = [point["distance"] for point in way["points"]]
        top, middle, bottom = grid[:, column]
        _line(top, x, way, "gold", "gold")
        _peak(top, way["peak"])
        top.set_title(TITLES[way["form"]])
        for name in ("proxy", "witness"):
            _line(middle, x, way, name, name)
        for name in _SHARES[:1] + _SHARES[2:]:
            bottom.plot(x, [_value(point, name) for point in way["points"]], marker=".", label=name)
        bottom.set_ylim(-0.03, 1.03)
        bottom.set_xlabel("square root of the divergence (nats per answer)")
    for row, told in zip(grid, ("worth in truth", "log-odds", "share of answers"), strict=True):
        row[0].set_ylabel(told)
        row[-1].legend(fontsize="small")
        for axes in row:
            axes.grid(alpha=0.3)
    drawing.savefig(path, format="svg", metadata={"Date": None})


def _line(axes: Any, x: Sequence[float], way: Mapping[str, Any], name: str, label: str) -> None:
    told = [point["measures"][name] for point in way["points"]]
    y = [one["value"] for one in told]
    below = [0.0 if one["low"] is None else one["value"] - one["low"] for one in told]
    above = [0.0 if one["high"] is None else one["high"] - one["value"] for one in told]
    axes.errorbar(x, y, yerr=[below, above], marker="o", markersize=3, capsize=2, label=label)


def _peak(axes: Any, peak: Mapping[str, Any]) -> None:
    if peak["low"] is not None:
        axes.axvspan(peak["low"], peak["high"], alpha=0.12, color="tab:orange", label="peak, 95 %")
    axes.axvline(peak["value"], linestyle=":", color="tab:orange")


def _value(point: Mapping[str, Any], name: str) -> float:
    value = point["measures"][name]["value"]
    return float("nan") if value is None else float(value)
