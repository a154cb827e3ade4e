"""Public pairs of answers, and what people or judges said of them: hh-rlhf, HHH, CoCoNot, LLMBar, AlpacaEval.

In: rows. Out: pairs (a conversation, two answers, which one is better) and verdicts of judges on such pairs.
A verdict that a source does not hold, or that is none of those that it offers, is unscored with a reason and
never a class; a tie is a verdict.

Sources: Bai et al. (2022, arXiv:2204.05862, hh-rlhf); Askell et al. (2021, arXiv:2112.00861) and Bai et al.
(2022, arXiv:2212.08073) for HHH; Brahman et al. (2024, NeurIPS, CoCoNot); Zeng et al. (2024, ICLR, LLMBar);
Li et al. (2023, AlpacaEval).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from govaudit.canonical import digest
from govaudit.evals.forms.prompts import slug
from govaudit.evals.forms.reading import TASK, Row, cluster_of, distinct
from govaudit.records import Turn, Unscored

Side = Literal[1, 2]

_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
_ROLE = {"Human": "user", "Assistant": "assistant"}
_SIDES: dict[object, Side] = {1: 1, 2: 2, "1": 1, "2": 2}
_SUBSETS = ("harmless", "helpful", "honest", "other")


@dataclass(frozen=True)
class Pair:
    """Two answers to one conversation, and which one people (or the authors) hold better."""

    source: str
    """File and id, for people."""
    cluster: str
    """Pairs with one conversation are one cluster."""
    turns: tuple[Turn, ...]
    """The conversation before the answers."""
    first: str
    second: str
    better: Side
    second_turns: tuple[Turn, ...] | None = None
    """The conversation before the second answer where it is another one: the two cannot be compared alone."""
    models: tuple[str, str] = ("", "")
    """Who wrote the answers, where the source says so."""
    tags: tuple[str, ...] = ()
    asked: str = ""
    """The question to a judge as it was published, where it was."""

    @property
    def same_context(self) -> bool:
        """Do both answers reply to the same conversation?"""
        return self.second_turns is None


@dataclass(frozen=True)
class PairVerdict:
    """What one judge said of one pair in one order."""

    item: str
    """Id of the pair within its source."""
    cluster: str
    judge: str
    first: str
    """Name of the first answer, or of the model that wrote it."""
    second: str
    first_wins: float | None
    """Preference for the first answer in 0..1, one half = tie; ``None`` exactly where ``unscored`` is set."""
    swapped: bool | None = None
    """Was the second shown first? ``None`` where the source does not say. The verdict is mapped back."""
    tie: bool = False
    unscored: Unscored | None = None
    gold: Side | None = None
    """Which answer people hold better, where the source says so."""
    settings: Mapping[str, str | int] = field(default_factory=dict)
    """What else tells this verdict from others of the judge: prompting method, step."""
    replicate: int = 1
    """Which time the judge was asked the same."""
    raw: str = ""
    """The verdict as it stands in the file."""

    @property
    def winner(self) -> Side | None:
        """The preferred answer; ``None`` for a tie and for a missing verdict."""
        if self.first_wins is None or self.tie:
            return None
        return 1 if self.first_wins > 0.5 else 2


def dialogue(text: str) -> tuple[Turn, ...]:
    """The turns of a text with ``Human:`` and ``Assistant:`` at the beginning of its paragraphs.

    Text before the first of them, or all of it where there is none, is the user's. Blanks at the ends of a
    turn are dropped. Two turns of one speaker in a row stay two.
    """
    parts = _SPEAKER.split(text)
    turns = [Turn(_ROLE[who], said.strip()) for who, said in zip(parts[1::2], parts[2::2], strict=True)]
    if parts[0].strip():
        turns.insert(0, Turn("user", parts[0].strip()))
    return tuple(turns)


def hh(rows: Sequence[Row]) -> tuple[Pair, ...]:
    """hh-rlhf: whole dialogues, of which the last assistant turn is compared; the first is the chosen one."""
    distinct(rows, lambda row: row.identity("row"))
    return tuple(map(_hh, rows))


def _hh(row: Row) -> Pair:
    turns, first = _answered(row, "chosen")
    others, second = _answered(row, "rejected")
    return Pair(
        source=row.place(row.identity("row")),
        cluster=cluster_of(turns),
        turns=turns,
        first=first,
        second=second,
        better=1,
        second_turns=None if others == turns else others,
        tags=("hh",),
    )


def _answered(row: Row, key: str) -> tuple[tuple[Turn, ...], str]:
    """The conversation before the last assistant turn, and that turn."""
    *turns, last = dialogue(row.said(key)) or (Turn("user", ""),)
    if last.role != "assistant" or not turns:
        raise row.fault(
            f"{key} does not end with an answer",
            "Expected is a dialogue with Human: and Assistant: at the beginning of paragraphs.",
        )
    return tuple(turns), last.content or ""


def coconot(rows: Sequence[Row]) -> tuple[Pair, ...]:
    """CoCoNot: an answer that complies, rightly (chosen), against one that does not."""
    distinct(rows, lambda row: row.identity("id"))
    pairs = []
    for row in rows:
        turns = (Turn("user", row.said("prompt")),)
        pairs.append(
            Pair(
                source=row.place(row.identity("id")),
                cluster=cluster_of(turns),
                turns=turns,
                first=row.text("chosen"),
                second=row.text("rejected"),
                better=1,
                models=(row.text("chosen_model"), row.text("rejected_model")),
                tags=(
                    "coconot",
                    *(slug(row.said(k)) for k in ("category", "subcategory") if k in row.data),
                ),
            )
        )
    return tuple(pairs)


def hhh_task(rows: Sequence[Row]) -> tuple[Pair, ...]:
    """HHH as a BIG-bench task: ``input`` and ``target_scores`` with one answer of each score.

    Which of the two is first depends on their texts alone: in the file the better one often stands first. The
    subset (harmless, helpful, honest, other) is the one that the task, its file or its folder is named after.
    """
    return tuple(map(_hhh_task, rows))


def _hhh_task(row: Row) -> Pair:
    scores = row.value("target_scores", dict, "object that gives each answer its score")
    if len(scores) != 2 or any(
        isinstance(s, bool) or not isinstance(s, int | float) for s in scores.values()
    ):
        raise row.fault("target_scores is no comparison", "Expected are two answers, each with a number.")
    low, high = sorted(scores, key=lambda answer: float(scores[answer]))
    if scores[low] == scores[high]:
        raise row.fault("both answers have the same score, so none is better")
    turns = dialogue(row.said("input"))
    for answer in scores:
        row.sayable(answer, "an answer")
    # A dialogue may come with the name of who speaks next.
    if turns[-1] == Turn("assistant", ""):
        turns = turns[:-1]
    if not turns or turns[-1].role != "user":
        raise row.fault("input does not end with what the user says")
    first, second = sorted(scores, key=lambda answer: digest([row.text("input"), answer]))
    return Pair(
        source=row.place(str(row.line)),
        cluster=cluster_of(turns),
        turns=turns,
        first=first,
        second=second,
        better=1 if first == high else 2,
        tags=("hhh", *_subset(row)),
    )


def _subset(row: Row) -> tuple[str, ...]:
    names = (str(row.data.get(TASK, "")), row.path.name, row.path.parent.name)
    for name in names:
        found = [subset for subset in _SUBSETS if subset in re.split(r"[^a-z]+", name.casefold())]
        if len(found) == 1:
            return (found[0],)
    return ()


def hhh_438(rows: Sequence[Row]) -> tuple[Pair, ...]:
    """HHH as published with Constitutional AI: texts of both dialogues, and the question with letters.

    The answer that the question calls (A) is the first.
    """
    return tuple(map(_hhh_438, rows))


def _hhh_438(row: Row) -> Pair:
    turns, good = _answered(row, "text_correct")
    others, bad = _answered(row, "text_incorrect")
    if turns != others:
        raise row.fault("text_correct and text_incorrect differ before the last answer")
    right, wrong = _letter(row, "corrects"), _letter(row, "incorrects")
    if right == wrong:
        raise row.fault(f"both answers are called {right}")
    if good == bad:
        raise row.fault("both answers are the same")
    first_is_good = right < wrong
    return Pair(
        source=row.place(str(row.line)),
        cluster=cluster_of(turns),
        turns=turns,
        first=good if first_is_good else bad,
        second=bad if first_is_good else good,
        better=1 if first_is_good else 2,
        tags=("hhh",),
        asked=row.said("prompt"),
    )


def _letter(row: Row, key: str) -> str:
    given = row.texts(key)
    letter = given[0].strip(" ()") if len(given) == 1 else ""
    if letter not in ("A", "B"):
        raise row.fault(f"{key} is no letter", "Expected is a list of one, (A) or (B).")
    return letter


def llmbar(rows: Sequence[Row]) -> tuple[Pair, ...]:
    """LLMBar: an instruction, two outputs, and which one follows it."""
    distinct(rows, _llmbar_id)
    pairs = []
    for row in rows:
        turns = (Turn("user", row.said("input")),)
        pairs.append(
            Pair(
                source=row.place(_llmbar_id(row)),
                cluster=cluster_of(turns),
                turns=turns,
                first=row.text("output_1"),
                second=row.text("output_2"),
                better=row.one_of("label", _SIDES),
                tags=("llmbar", *((row.text("subset"),) if "subset" in row.data else ())),
            )
        )
    return tuple(pairs)


def _llmbar_id(row: Row) -> str:
    return row.identity("subset", "row")


def llmbar_verdicts(rows: Sequence[Row]) -> tuple[PairVerdict, ...]:
    """LLMBar: verdicts of judges in both orders, mapped back by the authors to the unswapped one."""
    distinct(
        rows,
        lambda row: (
            f"{row.identity('subset', 'row', 'judge', 'method', 'step', 'replicate')}/{row.data.get('swap')}"
        ),
    )
    return tuple(map(_llmbar_verdict, rows))


def _llmbar_verdict(row: Row) -> PairVerdict:
    if "winner" not in row.data:
        raise row.fault("winner is missing", "Expected is 1, 2 or null.")
    said = row.data["winner"]
    winner, tie = _SIDES.get(str(said).strip()), str(said).strip().casefold() == "tie"
    item = _llmbar_id(row)
    return PairVerdict(
        item=item,
        cluster=item,
        judge=row.text("judge"),
        first="output_1",
        second="output_2",
        first_wins=0.5 if tie else None if winner is None else float(winner == 1),
        swapped=row.flag("swap") if row.data.get("swap") is not None else None,
        tie=tie,
        unscored=None if tie or winner else Unscored.INVALID_VERDICT,
        gold=row.one_of("label", _SIDES) if row.data.get("label") is not None else None,
        settings={
            **({"method": row.text("method")} if row.data.get("method") is not None else {}),
            **({"step": row.number("step")} if row.data.get("step") is not None else {}),
        },
        replicate=row.number("replicate") if row.data.get("replicate") is not None else 1,
        raw="" if said is None else str(said),
    )


def alpaca_eval(rows: Sequence[Row]) -> tuple[PairVerdict, ...]:
    """AlpacaEval: 1 = the first model is better, 2 = the second, between them a weighted verdict.

    0 and 1.5 are ties; null is no verdict.
    """
    distinct(rows, lambda row: row.identity("prompt", "judge", "model_1", "model_2"))
    return tuple(map(_alpaca_eval, rows))


def _alpaca_eval(row: Row) -> PairVerdict:
    if "preference" not in row.data:
        raise row.fault("preference is missing", "Expected is a number from 1 to 2, 0 or null.")
    said = row.data["preference"]
    if said is not None and (
        isinstance(said, bool) or not isinstance(said, int | float) or not (said == 0 or 1 <= said <= 2)
    ):
        raise row.fault(f"preference is {said!r}", "Expected is a number from 1 to 2, 0 or null.")
    tie = said in (0, 1.5)
    item = row.identity("prompt")
    return PairVerdict(
        item=item,
        cluster=item,
        judge=row.text("judge"),
        first=row.text("model_1"),
        second=row.text("model_2"),
        first_wins=None if said is None else 0.5 if tie else 2.0 - said,
        tie=tie,
        unscored=Unscored.INVALID_VERDICT if said is None else None,
        raw="" if said is None else str(said),
    )
