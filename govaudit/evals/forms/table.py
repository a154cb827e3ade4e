"""Which public form a file has, and reading it as that.

In: a path, perhaps the name of a form. Out: items, labelled items, propositions, pairs or verdicts on pairs.
A form is told by the keys that each of its rows has; where keys do not tell (a file of bare prompts), by the
file's name or by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from govaudit.errors import BadInput
from govaudit.evals.forms import choices, labels, native, pairs, prompts
from govaudit.evals.forms.labels import LabelledItem, PropositionItem
from govaudit.evals.forms.pairs import Pair, PairVerdict
from govaudit.evals.forms.prompts import Privileged
from govaudit.evals.forms.reading import Row
from govaudit.evals.forms.reading import rows as rows_of
from govaudit.evals.item import Item
from govaudit.specs.model import Label

T = TypeVar("T")


@dataclass(frozen=True)
class Form(Generic[T]):
    """A form in which somebody publishes data."""

    name: str
    keys: tuple[str, ...]
    """Keys that every row has."""
    read: Callable[[Sequence[Row]], tuple[T, ...]]
    named: str = ""
    """What the file's name must contain; such a form has no other keys than ``keys``."""
    needs: tuple[str, ...] | None = None
    """Keys that every row must have, where these are fewer than ``keys``: the others tell the form."""

    def fits(self, row: Row) -> bool:
        """Could this row, the first of its file, be of the form?"""
        if self.named:
            return self.named in row.path.name.casefold() and row.data.keys() == set(self.keys)
        return row.data.keys() >= set(self.keys)


NATIVE = Form("native", ("prompt or turns",), native.native)

# More keys come first: a form is the first one that fits.
ITEMS: tuple[Form[Item], ...] = (
    Form(
        "hhh-438",
        ("prompt", "corrects", "incorrects", "text_correct", "text_incorrect"),
        choices.hhh_438_items,
    ),
    Form("hhh-bigbench", ("input", "target_scores"), choices.hhh_task_items),
    Form("bbq", ("context", "question", "ans0", "ans1", "ans2", "label", "context_condition"), choices.bbq),
    Form(
        "model-written-evals",
        ("question", "answer_matching_behavior", "answer_not_matching_behavior"),
        choices.model_written,
    ),
    Form("xstest-prompts", ("prompt", "type", "label", "focus"), prompts.xstest),
    Form("coconot", ("prompt", "category", "subcategory", "expected"), prompts.coconot),
    Form("manyih", ("prompt", "instructions", "metadata"), prompts.manyih),
    Form("do-not-answer", ("prompt", "area"), prompts.do_not_answer),
    Form("mt-bench", ("question_id", "category", "turns"), prompts.mt_bench),
    Form("alpaca-eval", ("instruction", "dataset"), prompts.alpaca_eval),
    Form("harmbench", ("prompt",), prompts.harmbench, named="harmbench"),
)
LABELLED: tuple[Form[LabelledItem], ...] = (
    Form(
        "xstest",
        ("prompt", "completion", "annotation_1", "annotation_2"),
        labels.xstest,
        needs=("prompt", "completion"),
    ),
    Form("dices", ("id", "context", "response", "unsafe_votes"), labels.dices, needs=("id", "unsafe_votes")),
    Form("dices-expert", ("id", "unsafe_gold"), labels.dices_expert),
    Form(
        "bbq-ratings",
        ("item", "rater", "answer", "options", "question", "label"),
        labels.bbq_ratings,
        needs=("item", "rater", "answer"),
    ),
    Form("alpaca-eval-outputs", ("prompt", "model", "output"), labels.alpaca_outputs),
    Form("matrix", ("item", "rater", "label"), labels.matrix),
)
PROPOSITIONS: tuple[Form[PropositionItem], ...] = (
    Form(
        "rbr",
        ("prompt", "completion", "propositions"),
        labels.rbr,
        needs=("completion", "propositions"),
    ),
)
PAIRS: tuple[Form[Pair], ...] = (
    Form("hhh-438", ITEMS[0].keys, pairs.hhh_438),
    Form("hhh-bigbench", ITEMS[1].keys, pairs.hhh_task),
    Form("coconot-preferences", ("prompt", "chosen", "rejected", "chosen_model"), pairs.coconot),
    Form("llmbar", ("input", "output_1", "output_2", "label"), pairs.llmbar),
    Form("hh", ("chosen", "rejected"), pairs.hh),
)
VERDICTS: tuple[Form[PairVerdict], ...] = (
    Form(
        "llmbar-verdicts",
        ("judge", "winner", "swap", "row"),
        pairs.llmbar_verdicts,
        needs=("judge", "winner", "row"),
    ),
    Form("alpaca-eval-preferences", ("judge", "model_1", "model_2", "preference"), pairs.alpaca_eval),
)
_KINDS: Mapping[str, tuple[Form[Any], ...]] = {
    "items": ITEMS,
    "labelled answers": LABELLED,
    "answers with propositions": PROPOSITIONS,
    "pairs": PAIRS,
    "verdicts on pairs": VERDICTS,
}


def read_items(
    path: Path, *, form: str | None = None, polarity: Mapping[str, Label] | None = None
) -> tuple[Item, ...]:
    """Items of our own form or of a public one.

    ``form`` names it where its keys do not. ``polarity`` (tag -> ``good`` or ``bad``) labels the choices of
    model-written evals: see :func:`choices.polarised`. :class:`BadInput` with file and line, also for a file
    of a form that holds no items, and for an unknown one with its keys and the forms that there are.
    """
    rows = rows_of(path)
    return choices.polarised(_read(rows, (*ITEMS, NATIVE), "items", form), polarity or {})


def read_labelled(path: Path, *, form: str | None = None) -> tuple[LabelledItem, ...]:
    """Answers and what raters said of them; :class:`BadInput` as for :func:`read_items`."""
    return _read(rows_of(path), LABELLED, "labelled answers", form)


def read_propositions(path: Path, *, form: str | None = None) -> tuple[PropositionItem, ...]:
    """Answers and which propositions are true of them; :class:`BadInput` as for :func:`read_items`."""
    return _read(rows_of(path), PROPOSITIONS, "answers with propositions", form)


def read_pairs(path: Path, *, form: str | None = None) -> tuple[Pair, ...]:
    """Pairs of answers, the better one known; :class:`BadInput` as for :func:`read_items`."""
    return _read(rows_of(path), PAIRS, "pairs", form)


def read_verdicts(path: Path, *, form: str | None = None) -> tuple[PairVerdict, ...]:
    """Verdicts of judges on pairs; :class:`BadInput` as for :func:`read_items`."""
    return _read(rows_of(path), VERDICTS, "verdicts on pairs", form)


def read_privileged(path: Path) -> tuple[Privileged, ...]:
    """Prompts with instructions of several privileges (``manyih``); :class:`BadInput` as above."""
    forms = tuple(Form(form.name, form.keys, prompts.privileged) for form in ITEMS if form.name == "manyih")
    return _read(rows_of(path), forms, "prompts with privileges", None)


def _read(rows: Sequence[Row], forms: Sequence[Form[T]], what: str, name: str | None) -> tuple[T, ...]:
    form = _recognised(rows[0], forms, what) if name is None else _named(rows[0], forms, what, name)
    return form.read(_checked(rows, form))


def _checked(rows: Sequence[Row], form: Form[Any]) -> list[Row]:
    """The rows, which know their form now, if each has the keys that it must have."""
    if form is not NATIVE:
        needs = form.keys if form.needs is None else form.needs
        for row in rows:
            if missing := [key for key in needs if key not in row.data]:
                raise row.fault(
                    f"{missing[0]} is missing in a file of the form {form.name}",
                    f"Every row has {', '.join(needs)}.",
                )
    return [replace(row, form=form.name) for row in rows]


def read_as(path: Path, forms: Sequence[Form[T]]) -> tuple[Form[T], Sequence[Row], tuple[T, ...]]:
    """Rows and what they hold, read as the first of ``forms`` whose needed keys the first row has.

    For files whose form the caller names: keys that only help to tell a form may be missing.
    :class:`BadInput` as for :func:`read_items`.
    """
    rows = rows_of(path)
    form = next((f for f in forms if rows[0].data.keys() >= set(f.needs or f.keys)), forms[0])
    checked = _checked(rows, form)
    return form, checked, form.read(checked)


def _recognised(first: Row, forms: Sequence[Form[T]], what: str) -> Form[T]:
    """The first form that fits the first row; our own where a row speaks of a prompt in no public way."""
    for form in forms:
        if form is not NATIVE and form.fits(first):
            return form
    other = next(((k, f) for k, group in _KINDS.items() for f in group if f.fits(first)), None)
    if other is not None:
        raise first.fault(
            f"this file has the form {other[1].name}, which holds {other[0]}; needed are {what}",
            f"Forms of {what}: {', '.join(form.name for form in forms)}.",
        )
    unknown = first.data.keys() - set(native.KEYS)
    # One unknown key beside a prompt is a slip in an item of our own; more are another form.
    own = not unknown or (len(unknown) == 1 and first.data.keys() & {"prompt", "turns"})
    for form in forms:
        if form is NATIVE and own:
            return form
    keys = ", ".join(sorted(first.data)) or "none"
    raise first.fault(f"this file has no known form of {what} (keys of its first row: {keys})", _known(forms))


def _named(first: Row, forms: Sequence[Form[T]], what: str, name: str) -> Form[T]:
    for form in forms:
        if form.name == name:
            return form
    raise BadInput(f"there is no form {name!r} of {what}", path=first.path, remedy=_known(forms))


def _known(forms: Sequence[Form[Any]]) -> str:
    listed = "; ".join(f"{form.name} ({', '.join(form.keys)})" for form in forms)
    return f"Known forms: {listed}."
