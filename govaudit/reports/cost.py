"""What a run took against what it was expected to take: calls, tokens, money, time.

In: the manifest, which holds both. Out: :class:`CostPart`, and how it is shown. A price that nobody stated
and a token count that nobody reported are unknown, never 0.
"""

from __future__ import annotations

from govaudit.reports.manifest import Amount, Outlay, Plan, Spent
from govaudit.reports.part import Estimate, Part
from govaudit.reports.shown import Column, Shown, Table


class Taken(Part):
    """What an arm or rater took, or all of them together."""

    calls: int
    failed: int
    input_tokens: int | None
    """``None`` where a call that did not fail reported no tokens."""
    output_tokens: int | None
    cost: float | None
    """``None`` where a price or a number of tokens is not known."""
    minutes: float
    """In which a call was under way."""


class Party(Part):
    """An arm or rater: what it was expected to take for the whole run, and what it took."""

    who: str
    model: str
    expected_calls: int | None
    """``None`` for a rater that came after the run began."""
    expected_input_tokens: Estimate
    expected_output_tokens: Estimate
    expected_cost: Estimate
    expected_minutes: Estimate
    taken: Taken | None
    """``None`` for what was never called."""
    left: int = 0
    """Items that a limit of the run left out."""


class CostPart(Part):
    """Estimate and fact."""

    currency: str
    parties: tuple[Party, ...]
    stopped: str = ""
    """The limit that ended the run before all was asked; empty for a whole run."""
    left: int = 0


_NO_ESTIMATE = Estimate(value=None, undefined="not in the estimate: it came later")


def section(plan: Plan) -> CostPart | None:
    """The part of a run; ``None`` where no model was called and none was to be."""
    expected = {outlay.who: outlay for outlay in plan.estimate}
    taken = {spent.who: spent for spent in plan.spent}
    if not expected and not taken:
        return None
    return CostPart(
        currency=plan.currency,
        parties=tuple(
            _party(who, expected.get(who), taken.get(who), plan.left.get(who, 0))
            for who in dict.fromkeys((*expected, *taken))
        ),
        stopped=plan.stopped,
        left=sum(plan.left.values()),
    )


def _party(who: str, expected: Outlay | None, taken: Spent | None, left: int) -> Party:
    model = expected.model if expected else taken.model if taken else ""
    return Party(
        who=who,
        model=model,
        expected_calls=expected.calls if expected else None,
        expected_input_tokens=estimate(expected.input_tokens) if expected else _NO_ESTIMATE,
        expected_output_tokens=estimate(expected.output_tokens) if expected else _NO_ESTIMATE,
        expected_cost=estimate(expected.cost) if expected else _NO_ESTIMATE,
        expected_minutes=estimate(expected.minutes) if expected else _NO_ESTIMATE,
        taken=Taken(
            calls=taken.calls,
            failed=taken.failed,
            input_tokens=taken.input_tokens,
            output_tokens=taken.output_tokens,
            cost=taken.cost,
            minutes=taken.minutes,
        )
        if taken
        else None,
        left=left,
    )


def estimate(amount: Amount) -> Estimate:
    """An expected amount as a number with its ends, or why it has none."""
    if amount.value is None and amount.high is not None:
        return Estimate(value=None, undefined=f"at most {amount.high:,.6g} ({amount.how})")
    return Estimate(value=amount.value, low=amount.low, high=amount.high, undefined=amount.how or None)


def show(part: CostPart) -> Shown:
    """Claims and one table for each quantity."""
    calls = sum(party.taken.calls for party in part.parties if party.taken)
    expected = [party.expected_calls for party in part.parties]
    known = None if None in expected else sum(n for n in expected if n is not None)
    claims = [_claim(part, calls, known)]
    if money := _money(part):
        claims.append(money)
    notes = [
        "An estimate is for the whole run, made before its first call; the same question is put to a judge "
        "once, however many answers raise it, so fewer calls than expected are usual.",
        "Calls are requests as they were sent; what a provider repeats by itself is inside one. Calls that a "
        "kill cut off are not counted.",
        "Minutes are those in which at least one call was under way, all sessions of the run together.",
    ]
    return Shown("cost", "Cost of this run", claims, (_calls(part), _tokens(part), _prices(part)), (), notes)


def _claim(part: CostPart, calls: int, known: int | None) -> str:
    said = f"The run made {calls:,} calls of models"
    if known is not None:
        said += f"; up to {known:,} were expected for the whole of it"
    if part.stopped:
        said += f". It stopped at its limit of {part.stopped}, with {part.left:,} items not asked"
    return said + "."


def _money(part: CostPart) -> str:
    called = [party.taken for party in part.parties if party.taken]
    if not called:
        return ""
    costs = [taken.cost for taken in called]
    if None in costs:
        return "What it cost is not known: a price, or a number of tokens, is missing."
    return f"It cost {sum(cost for cost in costs if cost is not None):,.4g} {part.currency}."


def _calls(part: CostPart) -> Table:
    rows = tuple(
        (
            party.who,
            party.model,
            party.expected_calls,
            party.taken.calls if party.taken else 0,
            party.taken.failed if party.taken else 0,
            party.left,
            party.expected_minutes,
            f"{party.taken.minutes:.1f}" if party.taken else None,
        )
        for party in part.parties
    )
    titles = ("Who", "Model", "Calls expected", "Made", "Failed", "Not asked", "Minutes expected", "Taken")
    return Table("calls", "Calls and time, expected and taken", tuple(map(Column, titles)), rows)


def _tokens(part: CostPart) -> Table:
    rows = tuple(
        (
            party.who,
            party.expected_input_tokens,
            _count(party.taken, party.taken.input_tokens if party.taken else None),
            party.expected_output_tokens,
            _count(party.taken, party.taken.output_tokens if party.taken else None),
        )
        for party in part.parties
    )
    titles = ("Who", "Read, expected", "Read", "Written, expected", "Written")
    return Table("tokens", "Tokens, expected and taken", tuple(map(Column, titles)), rows)


def _prices(part: CostPart) -> Table:
    rows = tuple(
        (party.who, party.expected_cost, _cost(party.taken, part.currency)) for party in part.parties
    )
    titles = ("Who", f"Expected, {part.currency}", "Taken")
    return Table("money", "Money, expected and taken", tuple(map(Column, titles)), rows)


def _count(taken: Taken | None, tokens: int | None) -> int | str | None:
    return None if taken is None else "unknown" if tokens is None else tokens


def _cost(taken: Taken | None, currency: str) -> str | None:
    if taken is None:
        return None
    return "unknown" if taken.cost is None else f"{taken.cost:,.4g} {currency}"
