from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from govaudit.errors import BadInput
from govaudit.models.engine import Engine, Request
from govaudit.models.untrained import CONTEXT, build
from govaudit.records import Turn


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_weights(
    checkpoint: Path, tmp_path: Path
) -> None:
    code = f"from pathlib import Path; from govaudit.models.untrained import build; build(Path({str(tmp_path / 'again')!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""
    assert contents(tmp_path / "again") == contents(checkpoint)
    other = contents(build(tmp_path / "other", seed=1))
    differing = {name for name, data in contents(checkpoint).items() if other[name] != data}
    assert differing == {"model.safetensors"}


def test_it_is_small_holds_long_prompts_and_tells_five_roles_apart(checkpoint: Path, engine: Engine) -> None:
    assert sum(map(len, contents(checkpoint).values())) < 1_000_000
    assert engine.context == CONTEXT >= 4096
    assert set(engine.roles()) == {"system", "developer", "user", "assistant", "tool"}


def test_it_can_spell_any_text(engine: Engine) -> None:
    text = "Zürich → 東京 🙂\u0000\n\tx"
    assert engine.tokenizer.decode(engine.tokenizer.encode(text)) == text


def test_it_answers_at_any_temperature(engine: Engine) -> None:
    for temperature in (0.0, 1.0):
        request = Request((Turn("user", "Why?"),), max_tokens=50, temperature=temperature, seed=1)
        assert engine.generate([request])[0].text.strip()


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="written"):
        build(tmp_path / "file" / "folder")
