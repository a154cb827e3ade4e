"""Things in columns and the links between them, as SVG without style.

In: a :class:`Graph`. Out: SVG text that is safe to put into HTML. Places across are per cent of the box,
places down are pixels, and letters have their own size. A link leaves its node on the side where the other
one stands; two nodes of one column are joined by an arc. What is drawn is also in the table beside it.
"""

from __future__ import annotations

from collections import defaultdict

from markupsafe import Markup, escape

from govaudit.reports.shown import Graph, Link, Node
from govaudit.reports.words import visible

_ROW, _HEAD, _FOOT = 30, 34, 10
"""Height of a node's row, of the titles and below the last row, in pixels."""
_LONGEST = 24
"""Letters of a name; a longer one is cut, and whole in the table."""
_NAME = 0.74
"""Share of a column's width that a name may take before the next column's nodes begin."""


def graph(figure: Graph) -> Markup:
    """The drawing; marked links are drawn last, above the others."""
    by_column: dict[int, list[Node]] = defaultdict(list)
    for node in figure.nodes:
        by_column[node.column].append(node)
    rows = max((len(nodes) for nodes in by_column.values()), default=0)
    height = _HEAD + rows * _ROW + _FOOT
    width = 100 / len(figure.columns)
    place = {
        node.id: (column * width, _HEAD + (row + 0.5 + (rows - len(nodes)) / 2) * _ROW)
        for column, nodes in by_column.items()
        for row, node in enumerate(nodes)
    }
    parts = [
        f'<svg class="graph" role="img" width="100%" height="{height}">'
        f"<title>{escape(visible(figure.caption))}</title>"
    ]
    for number, title in enumerate(figure.columns):
        parts.append(f'<text class="gt" x="{_pct(number * width)}" y="16">{escape(visible(title))}</text>')
    ordered = sorted(figure.links, key=lambda link: link.marked)
    lines = "".join(_line(link, place, width, height) for link in ordered)
    parts.append(
        f'<svg viewBox="0 0 100 {height}" preserveAspectRatio="none" width="100%" height="{height}" '
        f'aria-hidden="true">{lines}</svg>'
    )
    marked = {end for link in figure.links if link.marked for end in (link.first, link.second)}
    parts += [_node(node, *place[node.id], node.id in marked) for node in figure.nodes]
    return Markup("".join(parts) + "</svg>")


def swatch(*, marked: bool) -> Markup:
    """How a link looks, for the key."""
    return Markup(
        '<svg class="sw" aria-hidden="true" width="34" height="12">'
        f'<line class="{_look(marked)}" x1="1" x2="33" y1="6" y2="6"/></svg>'
    )


def _look(marked: bool) -> str:
    return "gk gw" if marked else "gk"


def _pct(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") + "%"


def _node(node: Node, left: float, top: float, marked: bool) -> str:
    name = visible(" ".join(node.name.split()))
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    look = "gn gm" if marked else "gn"
    return (
        f'<svg x="{_pct(left)}" y="{top:.0f}" overflow="visible"><circle class="{look}" cx="5" r="4"/>'
        f'<text class="lb" x="14" y="4">{escape(short)}</text></svg>'
    )


def _line(link: Link, place: dict[str, tuple[float, float]], width: float, height: float) -> str:
    """A curve from node to node; it starts behind the name where it leads to the right."""
    (x1, y1), (x2, y2) = place[link.first], place[link.second]
    if x1 == x2:
        if y1 == y2:
            return ""
        bow = x1 - 0.12 * width if x1 else x1 + _NAME * width
        start = x1 if x1 else x1 + _NAME * width
        path = f"M{start:.2f},{y1:.1f} C{bow:.2f},{y1:.1f} {bow:.2f},{y2:.1f} {start:.2f},{y2:.1f}"
    else:
        (xa, ya), (xb, yb) = ((x1, y1), (x2, y2)) if x1 < x2 else ((x2, y2), (x1, y1))
        xa += _NAME * width
        middle = (xa + xb) / 2
        path = f"M{xa:.2f},{ya:.1f} C{middle:.2f},{ya:.1f} {middle:.2f},{yb:.1f} {xb:.2f},{yb:.1f}"
    return f'<path class="{_look(link.marked)}" vector-effect="non-scaling-stroke" d="{path}"/>'
