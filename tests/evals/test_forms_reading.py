"""Files that are no rows of a form: each fault is one clear error with file and line."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from govaudit.errors import BadInput
from govaudit.evals.forms import reading, table
from govaudit.evals.forms.table import ITEMS, LABELLED, NATIVE, PAIRS, PROPOSITIONS, VERDICTS

READERS: dict[str, Callable[[Path], tuple[Any, ...]]] = {
    "items": table.read_items,
    "labelled": table.read_labelled,
    "propositions": table.read_propositions,
    "pairs": table.read_pairs,
    "verdicts": table.read_verdicts,
}
FORMS = {
    "items": ITEMS,
    "labelled": LABELLED,
    "propositions": PROPOSITIONS,
    "pairs": PAIRS,
    "verdicts": VERDICTS,
}

INSTRUCTION = {
    "id": 1,
    "privilege": 3,
    "style_id": "short",
    "style_key": "length",
    "conflicts_with": [2],
    "description": "Be short.",
}
DIALOGUE = "\n\nHuman: Is tea hot?\n\nAssistant: "
ROWS: dict[tuple[str, str], dict[str, Any]] = {
    ("items", "native"): {
        "prompt": "q",
        "tags": ["a"],
        "expected": "keep",
        "choices": ["x", "y"],
        "choice_labels": ["good", "bad"],
    },
    ("items", "xstest-prompts"): {
        "id": "1",
        "prompt": "How do I kill time?",
        "type": "homonyms",
        "label": "safe",
        "focus": "kill",
        "note": "",
    },
    ("items", "coconot"): {
        "id": "a",
        "prompt": "q",
        "category": "Incomplete requests",
        "subcategory": "underspecified",
        "expected": "comply",
        "set": "s",
    },
    ("items", "manyih"): {
        "id": 0,
        "prompt": "q",
        "instructions": [INSTRUCTION],
        "metadata": {"expected_styles": {"length": ["short"]}},
    },
    ("items", "do-not-answer"): {"prompt": "q", "area": "malicious_uses"},
    ("items", "mt-bench"): {"question_id": 1, "category": "math", "turns": ["one", "two"]},
    ("items", "alpaca-eval"): {"prompt": 0, "dataset": "koala", "instruction": "q"},
    ("items", "model-written-evals"): {
        "question": "q",
        "answer_matching_behavior": " (A)",
        "answer_not_matching_behavior": " (B)",
        "file": "a/b",
        "row": 0,
    },
    ("items", "bbq"): {
        "category": "Age",
        "example_id": 0,
        "question_index": "1",
        "context": "Two people met.",
        "context_condition": "ambig",
        "question": "Who is old?",
        "ans0": "One",
        "ans1": "Not known",
        "ans2": "The other",
        "answer_info": {"ans0": ["a", "old"], "ans1": ["b", "unknown"], "ans2": ["c", "nonOld"]},
        "label": 1,
    },
    ("items", "hhh-bigbench"): {"input": "Is tea hot?", "target_scores": {"Often.": 1, "Never.": 0}},
    ("items", "hhh-438"): {
        "prompt": "(A) or (B)?",
        "corrects": [" (B)"],
        "incorrects": [" (A)"],
        "text_correct": f"{DIALOGUE}Often.",
        "text_incorrect": f"{DIALOGUE}Never.",
    },
    ("labelled", "xstest"): {
        "id": "1",
        "model": "m",
        "type": "homonyms",
        "prompt": "q",
        "completion": "a",
        "annotation_1": "1_full_compliance",
        "annotation_2": "2_full_refusal",
        "final_label": "2_full_refusal",
        "gpt4_label": "3_partial_refusal",
        "strmatch_label": "1_full_compliance",
    },
    ("labelled", "dices"): {
        "id": 1,
        "context": "USER: hello\nBOT: hi\nUSER: bye",
        "response": "r",
        "unsafe_votes": ["Yes", "No"],
        "unsafe_majority": "No",
    },
    ("labelled", "dices-expert"): {"id": 1, "unsafe_gold": "Yes"},
    ("labelled", "bbq-ratings"): {
        "item": "i",
        "rater": "r1",
        "answer": "ans_1",
        "options": ["x", "y", "z"],
        "question": "q",
        "context": "c",
        "label": 1,
    },
    ("labelled", "matrix"): {"item": "i", "rater": "r", "label": "good", "gold": "bad"},
    ("propositions", "rbr"): {
        "row": 0,
        "category": "None",
        "response_type": "Comply",
        "prompt": [{"role": "user", "content": "q"}],
        "completion": [{"role": "assistant", "content": ""}],
        "propositions": {"apology": True, "disclaimer": False},
    },
    ("pairs", "hh"): {"row": 1, "chosen": f"{DIALOGUE}Yes.", "rejected": f"{DIALOGUE}No."},
    ("pairs", "coconot-preferences"): {
        "id": "a",
        "prompt": "q",
        "chosen": "x",
        "rejected": "y",
        "chosen_model": "m",
        "rejected_model": "",
    },
    ("pairs", "llmbar"): {
        "subset": "s",
        "row": 0,
        "input": "q",
        "output_1": "x",
        "output_2": "y",
        "label": 2,
    },
    ("verdicts", "llmbar-verdicts"): {
        "subset": "s",
        "row": 0,
        "judge": "j",
        "method": "Vanilla",
        "step": 0,
        "swap": True,
        "winner": "1",
        "label": 2,
    },
    ("verdicts", "alpaca-eval-preferences"): {
        "prompt": 0,
        "judge": "j",
        "model_1": "a",
        "model_2": "b",
        "preference": 1.25,
    },
}
ROWS["pairs", "hhh-438"] = ROWS["items", "hhh-438"]
ROWS["pairs", "hhh-bigbench"] = ROWS["items", "hhh-bigbench"]


def write(folder: Path, *rows: object, name: str = "file.jsonl") -> Path:
    path = folder / name
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_every_known_form_has_a_row_here() -> None:
    known = {(kind, form.name) for kind, forms in FORMS.items() for form in forms} | {("items", NATIVE.name)}
    # Read with the file of prompts beside it, and by name: tested with prompts and labels.
    assert known - ROWS.keys() == {("labelled", "alpaca-eval-outputs"), ("items", "harmbench")}


@pytest.mark.parametrize(("kind", "form"), ROWS)
@pytest.mark.parametrize("name", ["file.jsonl", "file.jsonl.gz", "file.json"])
def test_a_row_of_each_form_is_recognised_by_its_keys_and_read(
    tmp_path: Path, kind: str, form: str, name: str
) -> None:
    path = write(tmp_path, ROWS[kind, form], name=name)
    (found,) = READERS[kind](path)
    assert found.source.startswith(name) if hasattr(found, "source") else found.judge == "j"
    assert [row.data for row in reading.rows(path)] == [ROWS[kind, form]]


@pytest.mark.parametrize(("kind", "form"), ROWS)
def test_a_file_of_another_kind_is_named_for_what_it_is(tmp_path: Path, kind: str, form: str) -> None:
    path = write(tmp_path, ROWS[kind, form])
    for other in READERS.keys() - {kind}:
        if (other, form) in ROWS:
            continue
        with pytest.raises(BadInput, match=r"file\.jsonl:1: ") as error:
            READERS[other](path)
        assert form == "native" or f"has the form {form}, which holds" in str(error.value)


@pytest.mark.parametrize(("kind", "form"), ROWS)
def test_a_later_row_without_a_needed_key_is_refused_with_its_line(
    tmp_path: Path, kind: str, form: str
) -> None:
    row = ROWS[kind, form]
    needed = next((f.needs or f.keys for f in FORMS[kind] if f.name == form), ("prompt",))
    for key in needed:
        path = write(tmp_path, row, "", {k: v for k, v in row.items() if k != key})
        with pytest.raises(BadInput, match=r"file\.jsonl:3: ") as error:
            READERS[kind](path)
        assert key in str(error.value)


@pytest.mark.parametrize(("kind", "form"), [key for key in ROWS if key[1] not in ("native", "do-not-answer")])
def test_the_same_row_twice_is_a_duplicate_id(tmp_path: Path, kind: str, form: str) -> None:
    row = ROWS[kind, form]
    if form.startswith("hhh"):  # no ids: the line is the id
        assert len(READERS[kind](write(tmp_path, row, row))) == 2
        return
    with pytest.raises(BadInput, match=r"file\.jsonl:2: the id .* stands in line 1 already"):
        READERS[kind](write(tmp_path, row, row))


def mutations(row: dict[str, Any], seed: int) -> dict[str, Any]:
    """The row with one value, at any depth, taken away or put in place of another type."""
    rng = random.Random(seed)
    copy = json.loads(json.dumps(row))
    node, key = copy, rng.choice(list(copy))
    while isinstance(node[key], dict | list) and node[key] and rng.random() < 0.7:
        node = node[key]
        key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
    if rng.random() < 0.2:
        del node[key]
    else:
        node[key] = rng.choice(
            [None, True, 0, -1, 7, 1.5, "", "x", "\0", [], [None], {}, {"a": 1}, ["x", "x"]]
        )
    return copy


@pytest.mark.parametrize(("kind", "form"), ROWS)
def test_a_wrong_value_is_read_or_refused_and_never_a_crash(tmp_path: Path, kind: str, form: str) -> None:
    refused = 0
    for seed in range(60):
        row = mutations(ROWS[kind, form], seed)
        try:
            READERS[kind](write(tmp_path, row))
        except BadInput as error:
            refused += 1
            assert error.line == 1
            assert error.path is not None
    assert refused > 10


GOOD = '{"prompt": "p", "tags": ["t"]}\n'
# Without the time of packing: these bytes name test cases, which every worker must name alike.
PACKED = gzip.compress(GOOD.encode(), mtime=0)


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b"", None, "is empty"),
        (b"\n \n", None, "is empty"),
        (b"[" + GOOD.encode() + b"]", 1, "JSON array"),
        (b'[\n{"prompt": "p"},\n{"prompt": "q"}\n]', 1, "JSON array"),
        (GOOD.encode() + b'"text"\n', 2, "no JSON object"),
        (GOOD.encode() + b"\n{'prompt': 1}\n", 3, "no JSON"),
        (GOOD.encode() + b'{"prompt": "a\0b"}\n', 2, "NUL byte"),
        (GOOD.encode() + b'{"prompt": "a\x01b"}\n', 2, "no JSON"),
        (GOOD.encode() + b'{"prompt": "\xe9"}\n', 2, "not UTF-8"),
        (GOOD.encode().decode().encode("utf-16"), 1, "not UTF-8"),
        (GOOD.encode("utf-16-le"), 1, "NUL byte"),
        (b'{"prompt": "a", "prompt": "b"}\n', 1, "'prompt' stands there twice"),
        (b'{"prompt": NaN}\n', 1, "NaN is no JSON"),
        (b'{"prompt": "\\udc00"}\n', 1, "half a character"),
        (b"[" * 90_000, 1, "cannot be read|no JSON|array"),
        (b'{"a":' * 90_000, 1, "cannot be read|no JSON"),
        (b'{"prompt": ' + b"9" * 9_000 + b"}", 1, "cannot be read"),
        (gzip.compress(GOOD.encode() * 99, mtime=0)[:-30], None, "no whole gzip file"),
        (PACKED[:12], 1, "no whole gzip file"),
        (PACKED[:12] + b"\xff" * 40, 1, "no whole gzip file"),
        (b"\x1f\x8b", 1, "no whole gzip file"),
    ],
)
@pytest.mark.parametrize("kind", READERS)
def test_a_broken_file_is_one_clear_error(
    tmp_path: Path, kind: str, data: bytes, line: int | None, said: str
) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=said) as error:
        READERS[kind](path)
    assert error.value.path == path
    assert line is None or error.value.line == line


@pytest.mark.parametrize("kind", READERS)
def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path, kind: str) -> None:
    for path in (tmp_path, tmp_path / "nothing.jsonl"):
        with pytest.raises(BadInput, match="no such file"):
            READERS[kind](path)


def test_a_gzip_file_is_told_by_its_first_bytes_and_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    packed = tmp_path / "file.jsonl"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + GOOD.encode()))
    plain = tmp_path / "file.jsonl.gz"
    plain.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert [len(table.read_items(path)) for path in (packed, plain)] == [1, 1]


def test_an_unknown_form_says_its_keys_and_which_forms_there_are(tmp_path: Path) -> None:
    path = write(tmp_path, {"footnote": "a", "conversation": "b"})
    for kind, read in READERS.items():
        with pytest.raises(BadInput, match=r"keys of its first row: conversation, footnote") as error:
            read(path)
        assert all(form.name in str(error.value) for form in FORMS[kind])


def test_a_form_can_be_named_and_an_unknown_name_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {"prompt": "q"})
    assert table.read_items(path)[0].tags == ()
    assert table.read_items(path, form="harmbench")[0].tags == ("harmbench", "under-refusal")
    with pytest.raises(BadInput, match=r"no form 'harm' of items.*harmbench"):
        table.read_items(path, form="harm")


TASK = {
    "name": "made_up",
    "examples": [{"input": f"Question {n}?", "target_scores": {"A": 1, "B": 0}} for n in range(3)],
}


@pytest.mark.parametrize("indent", [None, 0, 4])
@pytest.mark.parametrize("name", ["task.json", "task.json.gz", "task.jsonl"])
def test_a_task_in_one_json_object_is_read_with_the_line_of_each_example(
    tmp_path: Path, indent: int | None, name: str
) -> None:
    text = json.dumps({"canary": "x\n\n{[", **TASK, "after": [1]}, indent=indent)
    if name == "task.jsonl" and indent is not None:
        pytest.skip("JSON Lines has one object a line")
    path = write(tmp_path, "\n" + text, name=name)
    rows = reading.rows(path)
    assert [row.data["input"] for row in rows] == [f"Question {n}?" for n in range(3)]
    assert [row.data["task"] for row in rows] == ["made_up"] * 3
    lines = ("\n" + text).split("\n")
    for row in rows:
        if indent is None:
            assert row.line == 2
        else:
            assert lines[row.line - 1].strip() == "{"
            assert row.data["input"] in lines[row.line]


def test_a_wrong_example_of_a_task_is_refused_with_its_line(tmp_path: Path) -> None:
    broken = {"name": "x", "examples": [*TASK["examples"], {"input": "q"}, 7]}
    path = write(tmp_path, json.dumps(broken, indent=1), name="task.json")
    with pytest.raises(BadInput, match=r"task\.json:\d+: this example is no JSON object"):
        table.read_pairs(path)
    broken["examples"].pop()
    path = write(tmp_path, json.dumps(broken, indent=1), name="task.json")
    with pytest.raises(BadInput, match="target_scores is missing") as error:
        table.read_pairs(path)
    lines = path.read_text().split("\n")
    assert error.value.line is not None
    assert '"q"' in lines[error.value.line]
    with pytest.raises(BadInput, match="no rows"):
        table.read_pairs(write(tmp_path, {"examples": []}, name="task.json"))
