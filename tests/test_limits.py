"""Limits of calls and cost: a run stops between calls, loses nothing, and goes on with a higher limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from endpoint import Endpoint, endpoint
from inspect_ai.model import ChatMessage, GenerateConfig, Model, ModelOutput, ModelUsage, get_model

from govaudit import request as requests
from govaudit.evals import ledger, run
from govaudit.evals.ledger import Ledger, Limits
from govaudit.evals.tasks import JudgeItem, Stimulus
from govaudit.models.arms import Arm
from govaudit.models.prices import Price, Prices
from govaudit.records import Turn, Unscored

ARM = Arm(name="a", model="mockllm/m", max_tokens=50)
PRICES = Prices(models={"mockllm/m": Price(input=1_000.0, output=1_000.0)})


def mock(calls: list[str]) -> Model:
    def outputs(messages: list[ChatMessage], *rest: object) -> ModelOutput:
        calls.append(messages[-1].text)
        output = ModelOutput.from_content("mockllm/m", f"re {messages[-1].text}")
        output.usage = ModelUsage(input_tokens=10, output_tokens=10, total_tokens=20)
        return output

    return get_model("mockllm/m", memoize=False, custom_outputs=outputs, config=GenerateConfig(max_tokens=50))


def stimuli(n: int) -> list[Stimulus]:
    return [Stimulus(f"q{i}", (Turn("user", f"q{i}"), Turn("assistant", None))) for i in range(n)]


@contextmanager
def limited(folder: Path, **limits: Any) -> Iterator[Ledger]:
    with ledger.kept(folder, PRICES, Limits(**limits)) as book:
        yield book


def ask(folder: Path, n: int, calls: list[str]) -> list[str]:
    rows = run.ask(ARM, "d", stimuli(n), logs=folder / "logs", seed=0, model=mock(calls))
    return [row.stimulus for row in rows]


def test_a_limit_of_calls_stops_exactly_there_and_a_higher_one_asks_only_the_rest(tmp_path: Path) -> None:
    calls: list[str] = []
    with limited(tmp_path, calls=3) as book:
        assert ask(tmp_path, 5, calls) == ["q0", "q1", "q2"]
    assert (len(calls), book.reached, book.left) == (3, "3 calls", {"a": 2})
    with limited(tmp_path, calls=3):
        assert ask(tmp_path, 5, calls) == ["q0", "q1", "q2"]
    assert len(calls) == 3
    with limited(tmp_path, calls=9) as book:
        assert ask(tmp_path, 5, calls) == [f"q{i}" for i in range(5)]
    assert sorted(calls) == [f"q{i}" for i in range(5)] and book.left == {}
    assert len(ledger.read(tmp_path)) == 5


def test_without_a_limit_the_same_folder_goes_on(tmp_path: Path) -> None:
    calls: list[str] = []
    with limited(tmp_path, calls=2):
        ask(tmp_path, 4, calls)
    with ledger.kept(tmp_path, PRICES):
        assert len(ask(tmp_path, 4, calls)) == 4
    assert sorted(calls) == [f"q{i}" for i in range(4)]


def test_a_limit_of_cost_is_approached_and_not_passed(tmp_path: Path) -> None:
    calls: list[str] = []
    with limited(tmp_path, cost=0.3) as book:  # a call takes 0.02, at most about 0.08
        ask(tmp_path, 40, calls)
    assert book.cost is not None
    assert 0.3 - 0.09 < book.cost <= 0.3
    assert book.left == {"a": 40 - len(calls)} and book.reached == "0.3 USD"


def test_a_judge_says_not_rated_of_what_the_limit_leaves_out(tmp_path: Path) -> None:
    items = [JudgeItem(f"i{i}", f"rate {i}") for i in range(4)]
    with limited(tmp_path, calls=1):
        replies = run.judge(mock([]), "judge:m", items, logs=tmp_path / "logs")
    assert [reply.unscored for reply in replies.values()] == [None, *[Unscored.NOT_RATED] * 3]


def test_calls_of_a_conversation_are_its_open_turns(tmp_path: Path) -> None:
    turns = (Turn("user", "q"), Turn("assistant", None), Turn("user", "r"), Turn("assistant", None))
    with limited(tmp_path, calls=3) as book:
        rows = run.ask(
            ARM,
            "d",
            [Stimulus("x", turns), Stimulus("y", turns)],
            logs=tmp_path / "l",
            seed=0,
            model=mock([]),
        )
    assert [row.stimulus for row in rows] == ["x"]
    assert len(book.calls) == 2


def test_limits_and_prices_are_no_part_of_what_is_asked() -> None:
    plain = requests.Request(spec="house-rules")
    other = plain.model_copy(update={"max_calls": 3, "max_cost": 1.0, "prices": PRICES})
    assert plain.digest == other.digest


SPEC = """\
schema_version: "1.0"
id: tiny
version: "1"
clauses:
  - id: answer
    text: Answer harmless questions.
    examples:
      - title: tea
        turns: [{role: user, content: How do I make tea?}]
        comparisons:
          - after: 1
            answers:
              - {label: good, content: Pour boiling water over the leaves.}
              - {label: bad, content: Tea is none of your business.}
    probes:
"""


def govaudit(folder: Path, server: Endpoint, *args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "govaudit", *map(str, args)],
        cwd=folder,
        env={
            **os.environ,
            "FAKE_API_KEY": "sk-not-a-real-key",
            "FAKE_BASE_URL": server.url,
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_an_audit_that_stops_at_a_limit_reports_a_part_and_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(
        SPEC + "".join(f"      - {{prompt: Question {n}?}}\n" for n in range(6))
    )
    (tmp_path / "prices.yaml").write_text(
        'schema_version: "1.0"\nmodels:\n  openai-api/fake/m: {input: 1000000, output: 0}\n'
    )

    def answer(messages: list[dict[str, Any]], number: int) -> str:
        return "VERDICT: KEPT" if "VERDICT" in str(messages[-1]["content"]) else "Here is a plain answer."

    command = (
        "audit",
        "tiny.yaml",
        "--arm",
        "a=openai-api/fake/m",
        "--judge",
        "openai-api/fake/j",
        "-o",
        "run",
    )
    with endpoint(answer) as server:
        refused = govaudit(tmp_path, server, *command, "--max-cost", 1, "--prices", "prices.yaml")
        assert refused.returncode == 2 and "no price is stated for openai-api/fake/j" in refused.stderr
        assert not server.started
        part = govaudit(tmp_path, server, *command, "--max-calls", 10, "--prices", "prices.yaml", "--json")
        assert part.returncode == 3, part.stderr
        assert len(server.started) == 10
        assert "the run stopped at its limit of 10 calls" in part.stderr
        assert "Go on with: govaudit audit tiny.yaml" in part.stderr
        assert json.loads(part.stdout)["findings"]
        report = json.loads((tmp_path / "run" / "report.json").read_text())
        assert report["partial"] and report["cost"]["stopped"] == "10 calls"
        assert "stopped at its limit of 10 calls" in (tmp_path / "run" / "report.html").read_text()
        whole = govaudit(tmp_path, server, *command, "--json")
        assert whole.returncode == 0, whole.stderr
        assert len(server.started) == len(set(server.started))  # nothing was asked twice
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert not report["partial"] and report["cost"]["stopped"] == ""
    (arm,) = [party for party in report["cost"]["parties"] if party["who"] == "a"]
    calls = sum("VERDICT" not in text for text in server.started)
    assert arm["expected_calls"] == arm["taken"]["calls"] == calls
    assert arm["taken"]["cost"] == pytest.approx(calls)  # one token a call, a million a million tokens
    (judge,) = [party for party in report["cost"]["parties"] if party["who"].startswith("judge")]
    assert judge["taken"]["cost"] is None
    assert judge["expected_calls"] >= judge["taken"]["calls"]
