"""What the options of a command describe: a request, or an error that names the option and the remedy."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

import pytest

from govaudit.cli import asked
from govaudit.cli.options import Asked, Manner, spread
from govaudit.errors import BadInput

ARM = ["a=mockllm/x"]


@pytest.mark.parametrize(
    ("spec", "given", "said"),
    [
        ("house-rules", Asked(), "no arm is named"),
        ("gone.yaml", Asked(arm=ARM), "no such file"),
        ("house-rules", Asked(arm=["a=mockllm/x", "a=mockllm/y"]), "two arms are called 'a'"),
        ("house-rules", Asked(arm=ARM, scrub=True), "--scrub compares again"),
        ("house-rules", Asked(arm=ARM, letters="letters"), "--letters is about multiple choice"),
        ("house-rules", Asked(arm=ARM, held_out=["x"]), "--held-out is about multiple choice"),
        (None, Asked(judge=["m/x"]), "--judge needs a spec"),
        (None, Asked(limit=3, per_clause=3), "--per-clause needs a spec"),
        ("audit.yaml", Asked(limit=3), "--limit cannot be given beside a whole request"),
        ("audit.yaml", Asked(epochs=2), "--epochs cannot be given beside a whole request"),
    ],
)
def test_options_that_do_not_fit_are_refused_by_name(
    spec: str | None, given: Asked, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("audit.yaml").write_text('schema_version: "1.0"\nspec: house-rules\n', encoding="utf-8")
    with pytest.raises(BadInput, match=said):
        asked.request(spec, given, Manner())


def test_the_manner_may_stand_beside_a_whole_request(tmp_path: Path) -> None:
    written = tmp_path / "audit.yaml"
    written.write_text('schema_version: "1.0"\nspec: house-rules\nmax_calls: 3\nseed: 7\n', encoding="utf-8")
    request = asked.request(str(written), Asked(), Manner(max_calls=9))
    assert (request.spec, request.seed, request.max_calls, request.max_cost) == ("house-rules", 7, 9, None)


def test_a_command_offers_some_of_the_fields_and_the_others_keep_their_defaults() -> None:
    seen = []

    @spread(("limit", "seed"))
    def command(name: str, given: Asked, loud: bool = False) -> None:
        seen.append((name, given, loud))

    assert list(signature(command).parameters) == ["name", "limit", "seed", "loud"]
    command(name="x", limit=3, seed=1, loud=True)
    assert seen == [("x", Asked(limit=3, seed=1), True)]
