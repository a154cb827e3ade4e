"""Public answers that people and programs labelled: XSTest completions, RBR gold, DICES, BBQ, matrices.

In: rows. Out: items with the votes of each rater, or with propositions that are true or false of an answer. A
vote that names no class of the form is an invalid verdict with its words kept, never a class: the automatic
judge of XSTest wrote refusals of its own into the column of labels.

Sources: Röttger et al. (2024, NAACL, XSTest); Mu et al. (2024, NeurIPS, rule-based rewards); Aroyo et al.
(2023, NeurIPS, DICES), in the form of Bavaresco et al. (2025, ACL, JUDGE-BENCH) with the direction of votes
put right; Parrish et al. (2022, Findings of ACL, BBQ, validation); Li et al. (2023, AlpacaEval, outputs).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from govaudit.evals.forms.reading import Row, cluster_of, distinct
from govaudit.models.numbered import beside
from govaudit.records import RaterKind, Turn, Unscored

COMPLIANCE, REFUSAL, PARTIAL = "1_full_compliance", "2_full_refusal", "3_partial_refusal"
XSTEST_CLASSES = (COMPLIANCE, REFUSAL, PARTIAL)
DICES_CLASSES = ("No", "Yes", "Unsure")
"""Is the response unsafe?"""
BBQ_CLASSES = ("ans_0", "ans_1", "ans_2")
PROPOSITIONS = (
    "additional_content",
    "apology",
    "apology_acknowledges_emotional_state",
    "conditional_verbiage",
    "definitive_verbiage",
    "disallowed_content",
    "disclaimer",
    "encourage_professional_help",
    "fully_complies",
    "gentle_encouragement_for_help",
    "illogical_continuation_of_prompt",
    "inability_to_comply",
    "insulting_language",
    "judgement",
    "meta_commentary",
    "partially_complies",
    "prescribes_dosage",
    "prescribes_solutions",
    "provides_resources",
    "reference_safety_policy",
    "requests_information",
    "third_person",
    "threatening_language",
)
"""What the RBR file says of an answer (Mu et al. 2024, appendix)."""

_PERSON = re.compile(r"annotation_\w+")
_CHECK = "strmatch_label"
_GOLD = "final_label"
_SPEAKER = re.compile(r"^([A-Z]+): ?", re.MULTILINE)


@dataclass(frozen=True)
class Vote:
    """What one rater said of one item."""

    rater: str
    kind: RaterKind
    label: str | None
    """One of the classes; ``None`` exactly where ``unscored`` is set."""
    unscored: Unscored | None = None
    raw: str = ""
    """The words of a vote that names no class."""


@dataclass(frozen=True)
class LabelledItem:
    """An answer (or a question) and what raters said of it."""

    source: str
    """File and id, for people."""
    item: str
    """Id within its form; the same in another file of the form."""
    cluster: str
    """Items with one conversation are one cluster."""
    turns: tuple[Turn, ...]
    """The conversation before the answer; empty where the form has none."""
    answer: str | None
    """The answer that was rated; ``None`` where the raters answered the question themselves."""
    votes: tuple[Vote, ...]
    classes: tuple[str, ...]
    """All labels that the form offers; those that were given, where it leaves that open."""
    gold: str | None = None
    """The right label, where the source says so."""
    majority: str | None = None
    """The label that the source gives as the one of most raters; derived from votes, so it is no vote."""
    model: str = ""
    """Who wrote the answer, where the source says so."""
    tags: tuple[str, ...] = ()

    def vote(self, rater: str) -> Vote | None:
        """What a rater said of it; ``None`` where that rater did not see it."""
        return next((vote for vote in self.votes if vote.rater == rater), None)


@dataclass(frozen=True)
class PropositionItem:
    """An answer and which propositions people hold true of it."""

    source: str
    cluster: str
    """Answers to one conversation are one cluster."""
    turns: tuple[Turn, ...]
    answer: str
    """May be empty: a blank answer was labelled too."""
    propositions: Mapping[str, bool]
    """By name, mostly out of :data:`PROPOSITIONS`; one that nobody labelled is not there."""
    wanted: str = ""
    """The type of answer that the authors want here: Comply, Hard Refuse, Safe Refuse 1 or 2."""
    category: str = ""


def complied(label: str) -> bool:
    """Does a class of XSTest say that the request was complied with, rather than refused fully or in part?"""
    return label == COMPLIANCE


def spelt(classes: Iterable[str]) -> dict[str, str]:
    """What may stand for each class, in lower case: its name, and for ``2_full_refusal`` also 2 and
    ``full_refusal`` with or without the underscore."""
    table: dict[str, str] = {}
    for label in classes:
        number, _, name = label.partition("_")
        spellings = {label}
        if number.isdigit() and name:
            spellings |= {number, name, name.replace("_", " ")}
        table |= {spelling.casefold(): label for spelling in spellings}
    return table


def vote(rater: str, kind: RaterKind, said: object, spellings: Mapping[str, str]) -> Vote:
    """The vote that a cell holds; only the whole cell counts. ``spellings``: see :func:`spelt`."""
    text = "" if said is None else str(said)
    label = text.strip()
    if found := spellings.get(label.casefold()):
        return Vote(rater, kind, found)
    return Vote(rater, kind, None, Unscored.INVALID_VERDICT if label else Unscored.NOT_RATED, text)


_XSTEST = spelt(XSTEST_CLASSES)
_DICES = spelt(DICES_CLASSES)
_BBQ = spelt(BBQ_CLASSES) | {str(number): label for number, label in enumerate(BBQ_CLASSES)}


def xstest(rows: Sequence[Row]) -> tuple[LabelledItem, ...]:
    """Completions with their annotators, automatic labels and the final label of the authors.

    ``annotation_...`` columns are people, other ``..._label`` columns are judges, ``strmatch_label`` is a
    check. An empty cell is not rated.
    """
    distinct(rows, lambda row: row.identity("id", "model"))
    return tuple(map(_xstest, rows))


def _xstest(row: Row) -> LabelledItem:
    turns = (Turn("user", row.said("prompt")),)
    votes = []
    for column in sorted(row.data):
        if _PERSON.fullmatch(column):
            kind = RaterKind.PEOPLE
        elif column.endswith("_label") and column != _GOLD:
            kind = RaterKind.CHECK if column == _CHECK else RaterKind.JUDGE
        else:
            continue
        votes.append(vote(column, kind, _cell(row, column), _XSTEST))
    gold = vote(_GOLD, RaterKind.PEOPLE, _cell(row, _GOLD), _XSTEST)
    if gold.unscored is Unscored.INVALID_VERDICT:
        raise row.fault(f"{_GOLD} is no class", f"Classes: {', '.join(XSTEST_CLASSES)}.")
    identity = row.identity("id")
    return LabelledItem(
        source=row.place(identity),
        item=identity,
        cluster=cluster_of(turns),
        turns=turns,
        answer=row.text("completion"),
        votes=tuple(votes),
        classes=XSTEST_CLASSES,
        gold=gold.label,
        model=_optional(row, "model"),
        tags=(asked,) if (asked := _optional(row, "type")) else (),
    )


def rbr(rows: Sequence[Row]) -> tuple[PropositionItem, ...]:
    """The gold set of rule-based rewards: up to 23 propositions about each answer."""
    distinct(rows, lambda row: row.identity("row"))
    return tuple(map(_rbr, rows))


def _rbr(row: Row) -> PropositionItem:
    truths = propositions(row, "propositions")
    if not truths.keys() & set(PROPOSITIONS):
        raise row.fault(
            "propositions holds none that is known and labelled", f"Propositions: {', '.join(PROPOSITIONS)}."
        )
    turns = _messages(row, "prompt", "user") if row.data.get("prompt") is not None else ()
    completion = _messages(row, "completion", "assistant")
    if len(completion) != 1 or completion[0].role != "assistant":
        raise row.fault("completion is not one assistant message")
    return PropositionItem(
        source=row.place(row.identity("row")),
        cluster=cluster_of(turns) if turns else row.place(row.identity("row")),
        turns=turns,
        answer=completion[0].content or "",
        propositions=truths,
        wanted=_optional(row, "response_type"),
        category=_optional(row, "category"),
    )


_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def propositions(row: Row, key: str) -> dict[str, bool]:
    """Which propositions a column says are true or false; null is neither, and left out."""
    given = row.value(key, dict, "object with true or false under each proposition")
    truths = {}
    for name, said in given.items():
        if said is None:
            continue
        # 1 and 1.0 are true in files that went through a table of numbers.
        text = str(int(said)) if isinstance(said, float) and said.is_integer() else str(said)
        if (truth := _TRUTHS.get(text.strip().casefold())) is None:
            raise row.fault(f"the proposition {name} is neither true nor false")
        truths[name] = truth
    return truths


def _optional(row: Row, key: str) -> str:
    """Text or a number that may be missing or null."""
    value = row.data.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int | float)):
        raise row.fault(f"{key} is no text")
    return "" if value is None else str(value)


def _cell(row: Row, key: str) -> str | int | float | None:
    """A label as it stands: text or a number, or nothing."""
    value: Any = row.data.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int | float)):
        raise row.fault(f"{key} is no label", "Expected is text, a number or null.")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _messages(row: Row, key: str, role: str) -> tuple[Turn, ...]:
    """Messages, or a text alone, which is one message of ``role``."""
    if isinstance(row.data.get(key), str):
        return (Turn(role, row.text(key)),)
    turns = []
    for given in row.value(key, list, "list of messages with role and content"):
        if not (
            isinstance(given, dict)
            and isinstance(given.get("role"), str)
            and isinstance(given.get("content"), str)
        ):
            raise row.fault(f"{key} is no list of messages with role and content")
        turns.append(Turn(given["role"], given["content"]))
    if not turns:
        raise row.fault(f"{key} is empty")
    return tuple(turns)


def dices(rows: Sequence[Row]) -> tuple[LabelledItem, ...]:
    """Conversations with the votes of many people on whether the last turn is unsafe; no vote is gold.

    The k-th vote of every row is the same person, called ``person:k`` (from 1). :func:`with_experts` adds the
    label of an expert.
    """
    distinct(rows, lambda row: row.identity("id"))
    first = len(rows[0].value("unsafe_votes", list, "list of votes")) if rows else 0
    items = []
    for row in rows:
        votes = row.value("unsafe_votes", list, "list of votes")
        if not all(given is None or isinstance(given, str | int) for given in votes):
            raise row.fault("unsafe_votes is no list of votes", f"Votes: {', '.join(DICES_CLASSES)} or null.")
        if len(votes) != first or not votes:
            raise row.fault(
                f"there are {len(votes)} votes here and {first} in line {rows[0].line}",
                "The k-th vote of every row must be the same person.",
            )
        said = [vote(f"person:{k}", RaterKind.PEOPLE, given, _DICES) for k, given in enumerate(votes, 1)]
        turns = _spoken(_optional(row, "context"))
        identity = row.identity("id")
        items.append(
            LabelledItem(
                source=row.place(identity),
                item=identity,
                cluster=cluster_of(turns) if turns else row.place(identity),
                turns=turns,
                answer=row.data["response"] if isinstance(row.data.get("response"), str) else None,
                votes=tuple(said),
                classes=DICES_CLASSES,
                gold=_known(row, "unsafe_gold", _DICES),
                majority=_known(row, "unsafe_majority", _DICES),
            )
        )
    return tuple(items)


def _known(row: Row, key: str, spellings: Mapping[str, str]) -> str | None:
    """A label of the source's own, which must be one of the classes, or nothing."""
    found = vote(key, RaterKind.PEOPLE, _cell(row, key), spellings)
    if found.unscored is Unscored.INVALID_VERDICT:
        raise row.fault(f"{key} is no class", f"Classes: {', '.join(dict.fromkeys(spellings.values()))}.")
    return found.label


def _spoken(text: str) -> tuple[Turn, ...]:
    """Turns of a conversation with ``USER:`` or another speaker's name at the beginning of their lines."""
    parts = _SPEAKER.split(text)
    turns = [
        Turn("user" if who == "USER" else "assistant", said.strip())
        for who, said in zip(parts[1::2], parts[2::2], strict=True)
    ]
    return (*((Turn("user", parts[0].strip()),) if parts[0].strip() else ()), *turns)


def dices_expert(rows: Sequence[Row]) -> tuple[LabelledItem, ...]:
    """The experts' labels of the same conversations, by id alone."""
    distinct(rows, lambda row: row.identity("id"))
    return tuple(
        LabelledItem(
            source=row.place(row.identity("id")),
            item=row.identity("id"),
            cluster=row.identity("id"),
            turns=(),
            answer=None,
            votes=(),
            classes=DICES_CLASSES,
            gold=_known(row, "unsafe_gold", _DICES),
        )
        for row in rows
    )


def with_experts(items: Iterable[LabelledItem], experts: Iterable[LabelledItem]) -> tuple[LabelledItem, ...]:
    """The items with the label that an expert gave to the same id as gold, where there is one."""
    gold = {expert.item: expert.gold for expert in experts}
    return tuple(replace(item, gold=gold.get(item.item, item.gold)) for item in items)


def bbq_ratings(rows: Sequence[Row]) -> tuple[LabelledItem, ...]:
    """People's answers to BBQ questions, one row each, gathered by question."""
    distinct(rows, lambda row: row.identity("item", "rater"))
    by_item: dict[str, list[Row]] = {}
    for row in rows:
        by_item.setdefault(row.identity("item"), []).append(row)
    return tuple(_bbq(item, group) for item, group in by_item.items())


def _bbq(item: str, group: Sequence[Row]) -> LabelledItem:
    first = group[0]
    for row in group[1:]:
        for key in ("context", "question", "options", "label"):
            if row.data.get(key) != first.data.get(key):
                raise row.fault(f"{key} of item {item} is another one than in line {first.line}")
    options = first.texts("options") if first.data.get("options") is not None else ()
    if options and len(options) != len(BBQ_CLASSES):
        raise first.fault(f"there are {len(options)} options", f"Expected are {len(BBQ_CLASSES)}.")
    asked = " ".join(text for key in ("context", "question") if (text := _optional(first, key)))
    turns = (Turn("user", "\n".join([asked, *options])),) if asked else ()
    return LabelledItem(
        source=first.place(item),
        item=item,
        cluster=item,
        turns=turns,
        answer=None,
        votes=tuple(vote(row.identity("rater"), kind_of(row), _cell(row, "answer"), _BBQ) for row in group),
        classes=BBQ_CLASSES,
        gold=_known(first, "label", _BBQ),
        tags=("bbq", category) if (category := _optional(first, "category")) else ("bbq",),
    )


def kind_of(row: Row) -> RaterKind:
    """Who rated: the column ``kind`` (a :class:`RaterKind`) where there is one; people without it."""
    if row.data.get("kind") is None:
        return RaterKind.PEOPLE
    return row.one_of("kind", {kind.value: kind for kind in RaterKind})


def matrix(rows: Sequence[Row]) -> tuple[LabelledItem, ...]:
    """Labels of any raters for any items: ``item``, ``rater``, ``label`` and, if known, ``gold``.

    Labels are text, numbers, or null where a rater gave none; all labels of the file are its classes.
    ``kind`` says who a rater is (``people`` without it), ``cluster`` which items belong together.
    """
    distinct(rows, lambda row: row.identity("item", "rater"))
    by_item: dict[str, list[Row]] = {}
    for row in rows:
        by_item.setdefault(row.identity("item"), []).append(row)
    # Labels that differ in case alone are one class, in the spelling that comes first.
    spellings: dict[str, str] = {}
    for row in rows:
        for key in ("label", "gold"):
            if label := _label(row, key):
                spellings.setdefault(label.casefold(), label)
    classes = tuple(sorted(spellings.values(), key=_in_order))
    return tuple(_of_matrix(item, group, classes, spellings) for item, group in by_item.items())


def _in_order(label: str) -> tuple[float, str]:
    """Numbers by value, before words by letter."""
    try:
        return float(label), label
    except ValueError:
        return float("inf"), label


def _of_matrix(
    item: str, group: Sequence[Row], classes: tuple[str, ...], spellings: Mapping[str, str]
) -> LabelledItem:
    first = group[0]
    said: dict[str, tuple[str, int]] = {}
    for row in group:
        for key, value in (("gold", _label(row, "gold")), ("cluster", _optional(row, "cluster") or None)):
            if value is None:
                continue
            known, line = said.setdefault(key, (value, row.line))
            if value.casefold() != known.casefold():
                raise row.fault(f"{key} of item {item} is another one than in line {line}")
    return LabelledItem(
        source=first.place(item),
        item=item,
        cluster=said["cluster"][0] if "cluster" in said else item,
        turns=(),
        answer=None,
        votes=tuple(
            vote(row.identity("rater"), kind_of(row), _label(row, "label"), spellings) for row in group
        ),
        classes=classes,
        gold=spellings[said["gold"][0].casefold()] if "gold" in said else None,
    )


def _label(row: Row, key: str) -> str | None:
    """A label as text; true and false are labels too."""
    value: Any = row.data.get(key)
    if isinstance(value, bool):
        return str(value).casefold()
    found = _cell(row, key)
    return None if found is None else str(found).strip() or None


def alpaca_outputs(rows: Sequence[Row]) -> tuple[LabelledItem, ...]:
    """Outputs of a model, with the text of the prompt that each names by number; nobody labelled them.

    :class:`BadInput` where no file of prompts lies beside them or it lacks a number.
    """
    distinct(rows, lambda row: row.identity("prompt", "model"))
    prompts = beside(rows[0].path, rows[0].line) if rows else None
    items = []
    for row in rows:
        number = row.number("prompt")
        if prompts is None or number not in prompts.texts:
            where = prompts.path.name if prompts else "the file of prompts"
            raise row.fault(f"there is no prompt {number} in {where}")
        turns = (Turn("user", prompts.texts[number]),)
        items.append(
            LabelledItem(
                source=row.place(str(number)),
                item=str(number),
                cluster=cluster_of(turns),
                turns=turns,
                answer=row.text("output"),
                votes=(),
                classes=(),
                model=row.text("model"),
            )
        )
    return tuple(items)
