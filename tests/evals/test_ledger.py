"""Every call is a line; limits are of the run and leave room only for what certainly fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from govaudit.errors import BadInput
from govaudit.evals import ledger
from govaudit.evals.ledger import Call, Ledger, Limits, Need
from govaudit.models.prices import Price, Prices, load

PRICES = Prices(models={"m/a": Price(input=1.0, output=10.0)})


def call(
    read: int | None = 100, written: int | None = 10, *, model: str = "m/a", failed: bool = False
) -> Call:
    return Call("a", model, read, written, 0.0, 1.0, failed)


def test_calls_are_kept_over_sessions_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    with ledger.kept(tmp_path) as book:
        book.note(call())
    with (tmp_path / ledger.FILE).open("a") as stream:
        stream.write('{"who": "a", "mod')
    with ledger.kept(tmp_path) as book:
        book.note(call(7, 7))
    assert [(c.input_tokens, c.output_tokens) for c in ledger.read(tmp_path)] == [(100, 10), (7, 7)]


def test_the_ledger_is_that_of_its_run_only_while_it_is_open(tmp_path: Path) -> None:
    assert ledger.current.get() is None
    with ledger.kept(tmp_path) as book:
        assert ledger.current.get() is book
    assert ledger.current.get() is None


def test_a_run_without_calls_leaves_no_file(tmp_path: Path) -> None:
    with ledger.kept(tmp_path):
        pass
    assert not (tmp_path / ledger.FILE).exists()


def test_calls_fill_the_room_exactly_those_of_earlier_sessions_included() -> None:
    book = Ledger(limits=Limits(calls=5), calls=[call(), call()])
    assert book.room("m/b", [Need(1, 0, 0)] * 4) == 3
    assert book.reached == "5 calls"
    assert Ledger(limits=Limits(calls=5)).room("m/b", [Need(2, 0, 0)] * 4) == 2
    assert Ledger(limits=Limits(calls=5)).room("m/b", [Need(1, 0, 0)] * 5) == 5


def test_room_for_cost_is_what_the_longest_answers_leave() -> None:
    # 100 tokens at 1 and 10 at 10 a million: 0.0002 a call.
    assert PRICES.models["m/a"].of(100, 10) == pytest.approx(0.0002)
    book = Ledger(PRICES, Limits(cost=0.001), [call()])
    assert book.room("m/a", [Need(1, 100, 10)] * 10) == 4
    assert book.reached == "0.001 USD"


def test_an_unknown_price_or_token_count_is_an_unknown_cost_and_never_none() -> None:
    assert ledger.cost([call(model="m/b")], PRICES) is None
    assert ledger.cost([call(read=None)], PRICES) is None
    assert ledger.cost([call(), call(None, None, failed=True)], PRICES) == pytest.approx(0.0002)
    assert ledger.cost([], PRICES) == 0.0
    assert Ledger(PRICES, Limits(cost=1.0)).room("m/b", [Need(1, 1, 1)]) == 0


def test_the_longest_name_that_fits_gives_the_price(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(
        'schema_version: "1.0"\ncurrency: EUR\nmodels:\n  "m/*": {input: 1, output: 1}\n'
        "  m/big-*: {input: 5, output: 5}\n  m/big-1: {input: 9, output: 9}\n"
    )
    prices = load(file)
    assert prices.currency == "EUR"
    found = {name: prices.of(name) for name in ("m/x", "m/big-2", "m/big-1", "n/x")}
    assert [price and price.input for price in found.values()] == [1, 5, 9, None]


@pytest.mark.parametrize(
    "text",
    [
        "models: {m: {input: -1, output: 1}}",
        "models: {m: {input: 1}}",
        "[]",
        "models: {m: {input: .nan, output: 1}}",
    ],
)
def test_what_is_no_price_is_bad_input(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(f'schema_version: "1.0"\n{text}\n' if text != "[]" else text)
    with pytest.raises(BadInput):
        load(file)
