"""The one door: the form of a file is told from the file, or named, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from govaudit.errors import BadInput
from govaudit.specs.load import detect, load_spec

NATIVE = 'schema_version: "1.0"\nid: a\nversion: v\nclauses:\n  - {id: c, text: t}\n'
MARKDOWN = "# A {#a authority=user}\n\nBe kind.\n"


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("a.yaml", NATIVE, "native"),
        ("a.YML", "# A {#a}\n" + NATIVE, "native"),
        ("a.txt", NATIVE, "native"),
        ("a.json", '{"schema_version": "1.0", "clauses": []}', "openai-model-spec"),
        ("a.md", MARKDOWN, "openai-model-spec"),
        ("b.json", '{"schema_version": "1.0", "id": "a", "clauses": []}', "native"),
        ("c.json", '{"a": {"prompt": "b c", "edit request": "d e"}}', "principles"),
        ("d.json", '["Choose the kinder answer."]', "principles"),
        ("b.md", "# Kindness\n\n1. Choose the kinder answer.\n2. Pick the calmer reply.\n", "principles"),
        ("b.txt", "Choose the kinder answer.\nPick the calmer reply.\n", "principles"),
        ("c.md", "# A {#a}\n\nThe bird should sing, and it does.\n", "prose"),
        ("e.md", "# A\n\nThe bird should sing. It hops.\n\nIt must never bite.\n", "prose"),
        ("f.md", "# A\n\n## Song\n\nThe bird should sing.\n\n## Teeth\n\nIt must not bite.\n", "prose"),
        (
            "g.md",
            "# A\n\nThe bird lives in a tree by the lake. It must:\n\n- always sing\n- never bite\n",
            "prose",
        ),
        ("h.md", "# A\n\n- The bird should sing.\n- The bird must not bite.\n", "principles"),
        ("c.txt", "The bird should sing.\nThe bird must not bite.\n", "principles"),
        ("d.md", "Charter\n=======\n\nThe bird should sing.\n\n- a twig\n- a nest\n", "prose"),
    ],
)
def test_the_form_is_told_from_the_file(tmp_path: Path, name: str, text: str, form: str) -> None:
    if name == "a.json":
        text, form = text.replace('"clauses"', '\n"clauses"'), "native"
    assert detect(written(tmp_path, name, text)) == form


def test_an_unknown_form_is_refused_with_what_is_known(tmp_path: Path) -> None:
    path = written(tmp_path, "a.md", "A constitution.\n\nProse.\n")
    with pytest.raises(BadInput, match=r"neither YAML .* Supported are native, openai-model-spec") as caught:
        load_spec(path)
    assert caught.value.path == path


def test_paragraphs_without_a_heading_are_refused_with_the_option_that_names_their_form(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, "a.txt", "The bird should sing. It hops.\n\nIt must never bite.\n")
    with pytest.raises(
        BadInput, match=r"headings.*Mark the headings .* with #, or name the form with --format"
    ):
        load_spec(path)
    assert load_spec(path, format="principles").spec.origin.format == "principles"


def test_every_form_goes_through_the_one_door(tmp_path: Path) -> None:
    listed = load_spec(written(tmp_path, "a.json", '["Choose the kinder answer."]'), version="v")
    assert (listed.spec.origin.format, listed.spec.version, len(listed.spec.clauses)) == (
        "principles",
        "v",
        1,
    )
    prose = load_spec(written(tmp_path, "b.md", "# A\n\nThe bird should sing.\n"))
    assert (prose.spec.origin.format, len(prose.spec.clauses), len(prose.spec.candidates)) == ("prose", 0, 1)
    assert any("does not state its version" in warning for warning in prose.warnings)


@pytest.mark.parametrize("form", ["principles", "prose"])
def test_only_the_model_spec_has_prompt_files(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, "a.md", MARKDOWN)
    with pytest.raises(BadInput, match=f"{form} has no prompt files"):
        load_spec(path, format=form, prompts=path)


def test_overlays_are_applied_and_their_warnings_name_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "a.yaml", NATIVE)
    text = 'schema_version: "1.0"\nspec: a\nclauses:\n  - id: c\n    decision: open\n    tags: [x]\n    text_digest: "DIGEST"\n'
    digest = load_spec(path).spec.clauses[0].text_digest
    open_ = written(tmp_path, "open.yaml", text.replace("DIGEST", digest))
    accept = written(tmp_path, "accept.yaml", text.replace("DIGEST", digest).replace("open", "accept"))
    loaded = load_spec(path, overlays=[open_, accept])
    assert loaded.spec.clauses[0].tags == ("x",)
    assert [warning.split(":")[0] for warning in loaded.warnings] == ["open.yaml"]


def test_a_form_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no format 'xml'"):
        load_spec(written(tmp_path, "a.yaml", NATIVE), format="xml")


def test_the_named_form_wins_over_the_look_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no heading carries an"):
        load_spec(written(tmp_path, "a.yaml", NATIVE), format="openai-model-spec")
    with pytest.raises(BadInput, match="mapping"):
        load_spec(written(tmp_path, "a.md", MARKDOWN), format="native")


def test_a_native_spec_may_be_called_another_version_but_brings_its_own_prompts(tmp_path: Path) -> None:
    path = written(tmp_path, "a.yaml", NATIVE)
    assert load_spec(path).warnings == load_spec(path, version="v").warnings == ()
    loaded = load_spec(path, version="w")
    assert loaded.spec.version == "w"
    assert loaded.spec.digest == load_spec(path).spec.digest
    assert len(loaded.warnings) == 1
    with pytest.raises(BadInput, match="brings its prompts along"):
        load_spec(path, prompts=path)


def test_a_document_is_imported_with_its_version(tmp_path: Path) -> None:
    loaded = load_spec(written(tmp_path, "a.md", MARKDOWN), version="2099-01-01")
    assert (loaded.spec.version, loaded.warnings) == ("2099-01-01", ())


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        load_spec(tmp_path / name)
