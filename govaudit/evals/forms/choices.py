"""Public questions with answers to choose between, as items: model-written evals, BBQ, HHH.

In: rows. Out: items with choices, labelled where the source says which answer is right. A model-written eval
says only which answer *matches the behaviour*, and the behaviour is unwanted in many of its files: such items
stay unlabelled until the caller gives the :func:`polarised` their meaning.

Sources: Perez et al. (2023, Findings of ACL, model-written evals); Parrish et al. (2022, Findings of ACL,
BBQ); Askell et al. (2021, arXiv:2112.00861, the HHH comparisons in BIG-bench); Bai et al. (2022,
arXiv:2212.08073, section 2, the 438 comparisons).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from govaudit.errors import BadInput
from govaudit.evals.forms.pairs import Pair, hhh_438, hhh_task
from govaudit.evals.forms.prompts import slug
from govaudit.evals.forms.reading import Row, distinct
from govaudit.evals.item import Item
from govaudit.records import Turn
from govaudit.specs.model import Expected, Label

_AMBIGUOUS = {"ambig": True, "disambig": False}
_RIGHT = {0: 0, 1: 1, 2: 2}
_OPPOSITE = {Label.GOOD: Label.BAD, Label.BAD: Label.GOOD}


def model_written(rows: Sequence[Row]) -> tuple[Item, ...]:
    """Questions about a behaviour. The first choice matches it, the second does not; neither is labelled."""
    distinct(rows, lambda row: row.identity("file", "row"))
    return tuple(map(_model_written, rows))


def _model_written(row: Row) -> Item:
    behaviour = slug(row.text("file").rpartition("/")[2]) if "file" in row.data else ""
    matching, other = row.said("answer_matching_behavior"), row.said("answer_not_matching_behavior")
    if matching == other:
        raise row.fault("both answers are the same")
    place = row.place(row.identity("file", "row"))
    return Item(
        turns=(Turn("user", row.said("question")),),
        expected=Expected.KEEP,
        tags=("model-written-evals", *((behaviour,) if behaviour else ())),
        clause=None,
        cluster=place,
        source=place,
        # With the blank that some answers begin with: it belongs to the token.
        choices=(matching, other),
    )


def polarised(items: Iterable[Item], polarity: Mapping[str, Label]) -> tuple[Item, ...]:
    """The same items, with labels where ``polarity`` has one of their tags.

    ``polarity`` says of the answer that matches a behaviour whether it is good or bad; the other answer is
    the opposite. Items that are labelled already stay as they are. :class:`BadInput` for an item of which
    two tags say different things; ``ValueError`` for the label ``ok``, which has no opposite.
    """
    if any(label not in _OPPOSITE for label in polarity.values()):
        raise ValueError("a matching answer is good or bad")
    out = []
    for item in items:
        said = {polarity[tag] for tag in item.tags if tag in polarity}
        if len(said) > 1:
            raise BadInput(f"the tags of item {item.source} say that the matching answer is good and bad")
        if said and len(item.choices) == 2 and not item.choice_labels:
            (matching,) = said
            item = replace(item, choice_labels=(matching, _OPPOSITE[matching]))  # noqa: PLW2901
        out.append(item)
    return tuple(out)


def bbq(rows: Sequence[Row]) -> tuple[Item, ...]:
    """Questions about two persons; under an ambiguous context the right answer is that it cannot be known.

    All questions from one template (``question_index`` of a category) form a cluster.
    """
    distinct(rows, lambda row: row.identity("category", "example_id"))
    return tuple(map(_bbq, rows))


def _bbq(row: Row) -> Item:
    ambiguous, right = row.one_of("context_condition", _AMBIGUOUS), row.one_of("label", _RIGHT)
    if "answer_info" in row.data:
        info = Row(row.path, row.line, row.value("answer_info", dict, "object"), row.form)
        if (info.texts(f"ans{right}")[-1:] == ("unknown",)) != ambiguous:
            raise row.fault(
                "the right answer is that it cannot be known exactly where the context is ambiguous"
                f" (label {right}, context_condition {row.text('context_condition')})"
            )
    choices = tuple(row.said(f"ans{number}") for number in range(3))
    if len(set(choices)) < 3:
        raise row.fault("two of the answers are the same")
    category = row.said("category")
    template = row.identity("category", "question_index") if "question_index" in row.data else None
    place = row.place(row.identity("category", "example_id"))
    return Item(
        turns=(Turn("user", f"{row.said('context')} {row.said('question')}"),),
        expected=Expected.KEEP,
        tags=("bbq", "bias", slug(category), "ambiguous" if ambiguous else "disambiguated"),
        clause=None,
        cluster=row.place(template) if template else place,
        source=place,
        choices=choices,
        choice_labels=tuple(Label.GOOD if n == right else Label.BAD for n in range(3)),
    )


def hhh_task_items(rows: Sequence[Row]) -> tuple[Item, ...]:
    """The HHH comparisons of BIG-bench, the better answer labelled."""
    return tuple(map(item_of, hhh_task(rows)))


def hhh_438_items(rows: Sequence[Row]) -> tuple[Item, ...]:
    """The 438 HHH comparisons, the better answer labelled."""
    return tuple(map(item_of, hhh_438(rows)))


def item_of(pair: Pair) -> Item:
    """A pair as a question with two answers. ``ValueError`` where the two have different conversations."""
    if pair.second_turns is not None:
        raise ValueError(f"the answers of {pair.source} have different conversations before them")
    return Item(
        turns=pair.turns,
        expected=Expected.KEEP,
        tags=pair.tags,
        clause=None,
        cluster=pair.cluster,  # several pairs of answers may belong to one conversation
        source=pair.source,
        choices=(pair.first, pair.second),
        choice_labels=tuple(Label.GOOD if pair.better == n else Label.BAD for n in (1, 2)),
    )
