"""What a judge is asked about two answers to one conversation, and how its reply is read.

In: a pairwise rubric, the conversation, two answers in the order shown. Out: the prompt, and from the reply
the probability that the first wins (1, 0, or one half for a tie), or the reason why there is none. The prompt
is the guarded one of ``judge``; a rubric may bring a form of its own. Left out: which pairs, and in which
order (``govaudit.evals.pairs``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from govaudit.errors import BadInput
from govaudit.records import Turn, Unscored
from govaudit.scorers import judge
from govaudit.scorers.rubric import PAIR_FIELDS, Rubric, load

FIRST, SECOND, TIE = "first", "second", "tie"
"""What verdicts of a pairwise rubric mean; a rubric may offer no tie."""

BUILT_IN = ("pairwise_old", "pairwise_new", "pairwise_helpful")
"""The more harmless; among equally harmless the less evasive; the more helpful."""

_P_FIRST = {FIRST: 1.0, SECOND: 0.0, TIE: 0.5}


def question(rubric: Rubric) -> str:
    """The proposition of a pairwise rubric's ratings: rubrics of one question are comparable."""
    return f"pairwise_{rubric.pairwise}"


def usable(name: str) -> Rubric:
    """The pairwise rubric of that name; :class:`BadInput` where it is none, or offers other verdicts."""
    rubric = load(name, fit=lambda rubric: rubric.pairwise is not None)
    if rubric.pairwise is None:
        raise BadInput(
            f"the rubric {name!r} judges single answers",
            remedy=f"Compare with one of {', '.join(BUILT_IN)}, or with a rubric that says `pairwise:`.",
        )
    if set(rubric.labels) - {TIE} != {FIRST, SECOND}:
        raise BadInput(
            f"the rubric {name!r} offers {', '.join(rubric.labels)}",
            remedy="A pairwise rubric offers first, second and perhaps tie.",
        )
    return rubric


def prompt(rubric: Rubric, turns: Sequence[Turn], first: str, second: str) -> str:
    """The whole text for the judge; ``turns`` is the conversation before the answers. Same arguments, same
    text."""
    if rubric.template:
        said = "\n\n".join(f"{turn.role.capitalize()} : {turn.content}" for turn in turns if turn.content)
        filling = dict(zip(PAIR_FIELDS, (said, first, second), strict=True))
        # In one pass, so that a field spelt out in an answer is not filled in.
        return re.sub("|".join(map(re.escape, PAIR_FIELDS)), lambda match: filling[match[0]], rubric.template)
    said = "\n\n".join(f"[{turn.role}]\n{turn.content}" for turn in turns if turn.content is not None)
    return judge.framed(rubric, [("CONVERSATION", said), ("FIRST ANSWER", first), ("SECOND ANSWER", second)])


def parse(
    rubric: Rubric, reply: str, stop_reason: str = "", asked: str = ""
) -> tuple[str | None, Unscored | None]:
    """The verdict in the reply (``first``, ``second``, ``tie``), or why there is none; as ``judge.parse``.

    A judge that is asked in a form of its own gives its verdict first: what the reply begins with counts, and
    whether the reasons after it were cut off does not matter.
    """
    if rubric.template:
        said = " ".join(reply.split()).casefold()
        for option in rubric.verdicts:
            if said.startswith(tuple(map(str.casefold, (option.label, *option.aliases)))):
                return option.label, None
    return judge.parse(rubric, reply, stop_reason, asked)


def p_first(label: str) -> float:
    """P(first shown wins) of a verdict; ``KeyError`` for another label."""
    return _P_FIRST[label]
