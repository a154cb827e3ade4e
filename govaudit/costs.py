"""What an audit will take, before any call: calls, tokens, money and time, by arm, by rater and by clause.

In: a prepared request, prices, and if there is one an earlier run of the same arms and judges (a pilot),
which measured what they write and how fast. Out: :class:`Costs`, from which ``govaudit plan`` prints and a
run fills the estimate of its manifest. What an arm will write is not known beforehand: without a pilot it is
bounded by its longest answer and not guessed. Tokens are counted with the arm's own tokenizer where that is
at hand; for an endpoint they are estimated from bytes, and said to be.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from govaudit.deciding import judge_id
from govaudit.errors import BadInput, StatisticsError
from govaudit.evals import choices, ledger, pairs, pushes, rate_measured, rate_pairs, tasks
from govaudit.evals import rate as rating
from govaudit.evals.ledger import Call
from govaudit.evals.suite import Probe, Sort
from govaudit.models.arms import ENGINE, RECORDED, Arm
from govaudit.models.prices import Prices
from govaudit.plan import Prepared, as_system_text, comparing, comparing_arm, judge_arm, measuring
from govaudit.records import Measure, Response, Turn, response_id
from govaudit.reports.manifest import Amount, Outlay, Spent
from govaudit.request import ChoicesRequest
from govaudit.scorers import choice as choosing
from govaudit.scorers import judge, letters, pairwise
from govaudit.scorers.measurement import HARMFULNESS
from govaudit.scorers.rubric import load as load_rubric
from govaudit.specs.model import Label
from govaudit.stats.power import predicted_total, predicted_total_by_size

BYTES_PER_TOKEN = 4.0
"""Of English text, by the rule of thumb that providers give; scripts of two or three bytes a letter take more
tokens a letter, which counting bytes allows for. Read such an estimate as right within a factor of two."""

Counting = Callable[[Sequence[Turn]], int]


@dataclass(frozen=True)
class Item:
    """What one party is asked at once."""

    who: str
    model: str
    clauses: tuple[str, ...]
    calls: int
    read: float
    """Tokens of the prompts, without what arms will have written by then."""
    counted: bool
    """By the model's tokenizer, not from bytes."""
    unknown: int
    """Tokens of arms' answers in the prompts, at most."""
    written: int
    """Tokens that the party writes, at most."""
    verdict: bool = False
    """A judge's, on an answer and a clause."""
    fixed: bool = False
    """About a labelled answer of the spec: more probes bring no more of these."""
    whole: float = 0.0
    """Of a verdict: what ``read`` would be with the whole spec in the place of the clause."""


@dataclass(frozen=True)
class Measured:
    """What earlier calls of one party took."""

    read: tuple[int, ...]
    """Tokens of each prompt."""
    written: tuple[int, ...]
    """Tokens of each answer."""
    per_minute: float | None
    sizes: tuple[int, ...] = ()
    """Bytes of each prompt; empty where one is not known."""


@dataclass(frozen=True)
class Known:
    """What is known about costs besides the request."""

    prices: Prices
    measured: dict[str, Measured]
    """By name of the arm or id of the rater."""
    per_minute: float | None = None
    """Calls a minute of every party, given by the user."""


@dataclass(frozen=True)
class Costs:
    """All that would be asked, and what is known of its price."""

    items: tuple[Item, ...]
    known: Known

    def outlays(self, clause: str | None = None, *, fixed: bool | None = None) -> tuple[Outlay, ...]:
        """What each party is expected to take, for all or for one clause; with ``fixed``, for items that are
        (that are not) the same however many probes there are."""
        grouped: dict[tuple[str, str], list[Item]] = defaultdict(list)
        for item in self.items:
            if (clause is None or clause in item.clauses) and fixed in (None, item.fixed):
                grouped[item.who, item.model].append(item)
        return tuple(outlay(who, model, mine, self.known) for (who, model), mine in grouped.items())

    @property
    def per_verdict(self) -> tuple[tuple[str, float, float], ...]:
        """Judge, tokens of its mean prompt, and what they would be with the whole spec in each."""
        rows = []
        for who in dict.fromkeys(item.who for item in self.items if item.verdict):
            mine = [item for item in self.items if item.who == who and item.verdict]
            calls = sum(item.calls for item in mine)
            rows.append(
                (who, sum(item.read for item in mine) / calls, sum(item.whole for item in mine) / calls)
            )
        return tuple(rows)


def pilot(folder: Path) -> dict[str, Measured]:
    """What the calls of an earlier run took, by who was called."""
    calls = ledger.read(folder)
    if not calls:
        raise BadInput(
            "this run tells of no calls",
            path=folder,
            remedy="Name a run that called models, such as one with --limit 20.",
        )
    grouped: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        grouped[call.who].append(call)
    found = {}
    for who, mine in grouped.items():
        busy = minutes(mine)
        told = [(c.input_tokens, c.size) for c in mine if c.input_tokens is not None]
        sizes = tuple(size for _, size in told if size is not None)
        found[who] = Measured(
            tuple(read for read, _ in told),
            tuple(c.output_tokens for c in mine if c.output_tokens is not None),
            len(mine) / busy if busy > 0 else None,
            sizes if len(sizes) == len(told) else (),
        )
    return found


def minutes(calls: Iterable[Call]) -> float:
    """Minutes in which at least one of the calls was under way."""
    total, until = 0.0, 0.0
    for start, end in sorted((call.started, call.started + call.seconds) for call in calls):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total / 60


def spent(calls: Sequence[Call], prices: Prices) -> tuple[Spent, ...]:
    """What each party took."""
    grouped: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in calls:
        grouped[call.who, call.model].append(call)
    return tuple(
        Spent(
            who=who,
            model=model,
            calls=len(mine),
            failed=sum(call.failed for call in mine),
            input_tokens=_sum(call.input_tokens for call in mine if not call.failed),
            output_tokens=_sum(call.output_tokens for call in mine if not call.failed),
            cost=ledger.cost(mine, prices),
            minutes=minutes(mine),
        )
        for (who, model), mine in grouped.items()
    )


def _sum(values: Iterable[int | None]) -> int | None:
    found = list(values)
    return None if None in found else sum(value for value in found if value is not None)


def costs(prepared: Prepared, known: Known) -> Costs:
    """Everything that the request would have asked; reads tokenizers, calls nothing."""
    request = prepared.request
    count = _Counters()
    items = [
        item
        for arm in prepared.arms
        for item in (*_of_arm(prepared, arm, count), *_of_letters(prepared, arm, count))
    ]
    planned = _unwritten(prepared, count)
    for entry in (*request.judges, *measuring(request, prepared.suite)):
        asks = _of_measured if load_rubric(entry.rubric).measurement else _of_judge
        items += asks(prepared, judge_id(entry), judge_arm(entry), entry.rubric, planned, count)
    items += _of_comparisons(prepared, planned, count)
    return Costs(tuple(items), known)


class _Counters:
    """Token counters of models, made once for models that count alike."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str | None], tuple[Counting, frozenset[str]]] = {}

    def of(self, arm: Arm) -> Counting | None:
        """Counts as the arm's tokenizer and template do; ``None`` for an endpoint."""
        found = self._of(arm)
        return found[0] if found else None

    def answers(self, arm: Arm, turns: Sequence[Turn]) -> bool:
        """Whether the arm can be put the conversation at all, its roles told apart."""
        found = self._of(arm)
        return tasks.express(turns, arm.system, found[1] if found else None) is not None

    def _of(self, arm: Arm) -> tuple[Counting, frozenset[str]] | None:
        if arm.provider != ENGINE:
            return None
        key = arm.target, arm.chat_template
        if key not in self._made:
            self._made[key] = _counter(arm)
        return self._made[key]


def _counter(arm: Arm) -> tuple[Counting, frozenset[str]]:
    try:
        from govaudit.models.engine import Engine
    except ImportError as error:
        raise BadInput(
            f"govaudit/ checkpoints need {error.name}, which is not installed",
            remedy='Run: pip install "govaudit[hf]".',
        ) from error
    from jinja2.exceptions import TemplateError

    reader = Engine.reader(
        Path(arm.target), chat_template=arm.chat_template, trust_remote_code=arm.trust_remote_code
    )

    @lru_cache(maxsize=200_000)
    def count(turns: tuple[Turn, ...]) -> int:
        try:
            return len(reader.tokens(turns))
        except TemplateError:  # a role that the arm cannot tell apart: no call is made
            return 0

    return lambda turns: count(tuple(turns)), frozenset(reader.roles())


def _size(turns: Sequence[Turn], count: Counting | None) -> float:
    if count is not None:
        return count(turns)
    return sum(len((turn.content or "").encode()) for turn in turns) / BYTES_PER_TOKEN


def _of_arm(prepared: Prepared, arm: Arm, counters: _Counters) -> list[Item]:
    """An item for each stimulus; none for recorded answers, which are no calls."""
    if arm.provider == RECORDED:
        return []
    count, epochs = counters.of(arm), prepared.request.epochs
    probes: dict[str, list[Probe]] = defaultdict(list)
    for probe in prepared.suite.probes:
        probes[probe.stimulus].append(probe)
    system = (Turn("system", arm.system),) if arm.system else ()
    items = []
    for group in probes.values():
        probe = group[0]
        clauses = tuple(dict.fromkeys(target.clause for one in group for target in one.targets))
        calls, read, unknown, written = 0, 0.0, 0, 0
        if not counters.answers(arm, _before(probe.turns)):
            continue
        if probe.choices and arm.provider == ENGINE:
            calls = 1
            read = len(probe.choices) * _size((*system, *probe.turns), count)
            read += sum(len(choice.encode()) for choice in probe.choices) / BYTES_PER_TOKEN
        elif probe.choices and not probe.targets:
            continue  # asked by letters alone
        elif probe.choices:
            calls, written = 2, 2 * arm.max_tokens
            letters = Turn("user", choosing.letter_prompt(list(probe.choices)))
            read = 2 * _size((*system, *probe.turns, letters), count)
        else:
            said: tuple[Turn, ...] = system
            for turn in probe.turns:
                if turn.content is None:
                    read += _size(said, count)
                    unknown += calls * arm.max_tokens
                    calls += 1
                    for step, request in enumerate(_requests(arm), 1):
                        read += _size((*said, *request), count)
                        unknown += (calls - 1 + step) * arm.max_tokens
                    calls += len(_requests(arm))
                    said = (*said, Turn("assistant", ""))
                else:
                    said = (*said, turn)
            written = calls * arm.max_tokens
        items.append(
            Item(
                who=arm.name,
                model=arm.model,
                clauses=clauses,
                calls=calls * epochs,
                read=read * epochs,
                counted=count is not None,
                unknown=unknown * epochs,
                written=written * epochs,
            )
        )
    return items


def _requests(arm: Arm) -> tuple[tuple[Turn, ...], ...]:
    """What an arm that revises is asked besides, after each of its texts: the first of its requests."""
    if not arm.revise:
        return ()
    critique, revision = Turn("user", arm.revise[0].critique), Turn("user", arm.revise[0].revision)
    return (critique,), (critique, revision)


def _of_letters(prepared: Prepared, arm: Arm, counters: _Counters) -> list[Item]:
    """An item for each letter question about a choice that tests no clause."""
    if arm.provider == RECORDED or not choices.of(prepared.suite):
        return []
    asked = prepared.request.choices or ChoicesRequest()
    rubric, count = letters.usable(asked.rubric), counters.of(arm)
    system = (Turn("system", arm.system),) if arm.system else ()
    scored = arm.provider == ENGINE
    items = []
    for reasons, times in ((False, 1 if scored else asked.samples), (True, asked.reasons)):
        for question in choices.questions(prepared.suite, rubric, reasons=reasons) if times else ():
            n = len(question.probe.choices)
            turns = question.turns if scored else letters.told(question.turns[:-1], n, reasons=reasons)
            writes = reasons or not scored
            once = _size((*system, *turns), count)
            items.append(
                Item(
                    who=arm.name,
                    model=arm.model,
                    clauses=(),
                    calls=times * (scored + writes),
                    read=times * once * (n * scored + writes),
                    counted=count is not None,
                    unknown=times * n * arm.max_tokens if scored and reasons else 0,
                    written=times * arm.max_tokens if writes else 0,
                )
            )
    return items


def _before(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """A conversation up to its last open turn, with something in the place of what arms write."""
    opened = max((place for place, turn in enumerate(turns) if turn.content is None), default=len(turns))
    return tuple(Turn(turn.role, turn.content or "") for turn in turns[:opened])


def _unwritten(prepared: Prepared, counters: _Counters) -> list[Response]:
    """A response in the place of each that is to come, so that what is asked about them is listed by the
    same code as in a run. Their texts differ, so that no two count as the same words."""
    rows = []
    stimuli = {
        probe.stimulus: probe.turns for probe in prepared.suite.probes if probe.measure is Measure.GENERATION
    }
    for arm in prepared.arms:
        for stimulus, turns in stimuli.items():
            if arm.provider != RECORDED and not counters.answers(arm, _before(turns)):
                continue
            filled = tuple(Turn(t.role, "" if t.content is None else t.content) for t in turns)
            for epoch in range(1, prepared.request.epochs + 1):
                name = response_id(stimulus, arm.name, epoch)
                rows.append(Response(name, stimulus, arm.name, epoch, filled, name))
    return rows


def _of_judge(
    prepared: Prepared,
    who: str,
    arm: Arm,
    rubric_name: str,
    planned: Sequence[Response],
    counters: _Counters,
) -> list[Item]:
    """An item for each answer under each clause that the rubric speaks of, and for each labelled answer."""
    rubric, spec, count = load_rubric(rubric_name), prepared.spec, counters.of(arm)
    longest = {one.name: one.max_tokens for one in prepared.arms}
    size = lru_cache(maxsize=None)(lambda text: _size((Turn("user", text),), count))
    spec_text = size(as_system_text(spec))
    own = {clause.id: size(f"{clause.title}\n\n{clause.text}".strip()) for clause in spec.clauses}

    def item(clause_id: str, turns: Sequence[Turn], answer: str, unknown: int, *, fixed: bool) -> Item:
        clause = spec.clause(clause_id)
        read = size(judge.prompt(rubric, clause.title, clause.text, turns, answer))
        return Item(
            who=who,
            model=arm.model,
            clauses=(clause_id,),
            calls=1,
            read=read,
            counted=count is not None,
            unknown=unknown,
            written=arm.max_tokens,
            verdict=True,
            fixed=fixed,
            whole=read - own[clause_id] + spec_text,
        )

    items = []
    for pair in rating.pairs(prepared.suite, planned, Measure.GENERATION):
        if pair.target.expected in rubric.applies_to:
            # Recorded answers have no longest one; they count like those that are to come.
            unknown = longest[pair.response.arm]
            items.append(item(pair.target.clause, pair.response.turns[:-1], "", unknown, fixed=False))
    for answer in prepared.suite.gold:
        if answer.label is not Label.OK and answer.expected in rubric.applies_to:
            said = answer.turns[-1].content or ""
            items.append(item(answer.clause, answer.turns[:-1], said, 0, fixed=True))
    return items


def _of_measured(
    prepared: Prepared,
    who: str,
    arm: Arm,
    rubric_name: str,
    planned: Sequence[Response],
    counters: _Counters,
) -> list[Item]:
    """An item for each answer that the judge would measure; of answers to pushes for every one, since which
    of them the arm will have held is not known."""
    rubric, count = load_rubric(rubric_name), counters.of(arm)
    longest = {one.name: one.max_tokens for one in prepared.arms}
    if rubric.measurement == HARMFULNESS:
        met = rate_measured.graded(prepared.suite, planned)
    else:
        met = pushes.pushes(prepared.suite, planned)
    return [
        Item(
            who=who,
            model=arm.model,
            clauses=(),
            calls=1,
            read=_size((Turn("user", judge.prompt(rubric, "", "", response.turns[:-1], "")),), count),
            counted=count is not None,
            unknown=longest[response.arm] * sum(turn.content is None for turn in probe.turns),
            written=arm.max_tokens,
        )
        for probe, response in met
        if probe.push is None or probe.push.sort is not Sort.PRAISE
    ]


def _of_comparisons(prepared: Prepared, planned: Sequence[Response], counters: _Counters) -> list[Item]:
    """An item for each pair of answers, rubric and order."""
    request, asked = prepared.request, prepared.request.comparisons
    if asked is None or len(prepared.arms) < 2:
        return []
    arms = [arm.name for arm in prepared.arms]
    longest = {arm.name: arm.max_tokens for arm in prepared.arms}
    rubrics = [load_rubric(name) for name in asked.rubrics]
    whole = pairs.pools(prepared.spec, prepared.suite, planned, arms, rubrics)
    pools = rate_pairs.limited(whole, asked.max_pairs or pairs.PER_ARM * len(arms), request.seed)
    items = []
    for entry in comparing(request):
        arm = comparing_arm(entry)
        count = counters.of(arm)
        own = {pairwise.question(load_rubric(name)): load_rubric(name) for name in entry.rubrics}
        for pool in pools:
            # Scrubbed answers are compared once more; how long they will be is not known either.
            for pair in pool.pairs[: asked.max_judged] * (2 if asked.scrub else 1):
                for rubric in pool.rubrics:
                    used = own.get(pairwise.question(rubric), None if own else rubric)
                    if used is None:
                        continue
                    text = pairwise.prompt(used, pair.turns, "", "")
                    answers = longest[pair.first.arm] + longest[pair.second.arm]
                    items.append(
                        Item(
                            who=f"judge:{entry.model} pairs",
                            model=arm.model,
                            clauses=(),
                            calls=2,
                            read=2 * _size((Turn("user", text),), count),
                            counted=count is not None,
                            unknown=2 * answers,
                            written=2 * arm.max_tokens,
                        )
                    )
    return items


def outlay(who: str, model: str, items: Sequence[Item], known: Known) -> Outlay:
    """What one party is expected to take for these items."""
    calls = sum(item.calls for item in items)
    measured = known.measured.get(who)
    read = _reading(items, calls, measured)
    written = _writing(items, calls, measured)
    per_minute = known.per_minute or (measured.per_minute if measured else None)
    how = "at the rate that was given" if known.per_minute else "at the measured rate"
    busy = (
        Amount(None, how="no rate is known: give --calls-per-minute or --measured RUN")
        if per_minute is None
        else Amount(calls / per_minute, how=how)
    )
    return Outlay(who, model, calls, read, written, _money(model, read, written, known.prices), busy)


def _reading(items: Sequence[Item], calls: int, measured: Measured | None) -> Amount:
    read = sum(item.read for item in items)
    unknown = sum(item.unknown for item in items)
    counted = all(item.counted for item in items)
    if counted and not unknown:
        return Amount(read, read, read, "counted with the tokenizer")
    if measured is not None:
        by_size = not counted and not unknown
        found = _by_size(measured, calls, read) if by_size else _predicted(measured.read, calls, None)
        if found is not None:
            return found
    how = "counted with the tokenizer" if counted else f"from bytes, {BYTES_PER_TOKEN:g} to a token"
    if not unknown:
        return Amount(read, how=how)
    return Amount(None, read, read + unknown, f"{how}; bounded by the longest answers of arms in it")


def _writing(items: Sequence[Item], calls: int, measured: Measured | None) -> Amount:
    most = sum(item.written for item in items)
    if most == 0:
        return Amount(0.0, 0.0, 0.0, "choices are scored, nothing is written")
    if measured is not None and (found := _predicted(measured.written, calls, most)) is not None:
        return found
    return Amount(None, 0.0, float(most), "bounded by the longest answers that are allowed")


def _by_size(measured: Measured, calls: int, read: float) -> Amount | None:
    """Tokens of prompts whose text is known, by a line through the measured ones: some for each call, some
    for each byte."""
    try:
        value, found = predicted_total_by_size(measured.read, measured.sizes, calls, BYTES_PER_TOKEN * read)
    except StatisticsError:
        return _predicted(measured.read, calls, None)
    how = f"measured by bytes on {len(measured.read):,} calls"
    return Amount(max(0.0, value), max(0.0, found.low), found.high, how)


def _predicted(values: Sequence[int], calls: int, most: int | None) -> Amount | None:
    """The sum over so many calls like the measured ones, with its 95 % prediction interval."""
    try:
        found = predicted_total(values, calls)
    except StatisticsError:
        return None
    high = found.high if most is None else min(found.high, float(most))
    value = calls * sum(values) / len(values)
    return Amount(
        value if most is None else min(value, float(most)),
        max(0.0, found.low),
        high,
        f"measured on {len(values):,} calls",
    )


def _money(model: str, read: Amount, written: Amount, prices: Prices) -> Amount:
    price = prices.of(model)
    if price is None:
        return Amount(None, how=f"no price is stated for {model}")
    value = None
    if read.value is not None and written.value is not None:
        value = price.of(read.value, written.value)
    low = price.of(_end(read.low, read.value), _end(written.low, written.value))
    high = price.of(_end(read.high, read.value), _end(written.high, written.value))
    return Amount(value, low, high, "at the stated price")


def _end(end: float | None, value: float | None) -> float:
    return end if end is not None else value or 0.0


def total(amounts: Sequence[Amount]) -> Amount:
    """Several parties together: unknown where one of them is, with ends where all have ends.

    Ends are added, which is right for ends that cannot be passed and wide for measured ones.
    """
    if not amounts:
        return Amount(0.0, 0.0, 0.0, "nothing is called")
    ends = [(_low(a), _high(a)) for a in amounts]
    low, high = ([pair[k] for pair in ends] for k in (0, 1))
    values = [amount.value for amount in amounts]
    return Amount(
        None if None in values else sum(v for v in values if v is not None),
        None if None in low else sum(v for v in low if v is not None),
        None if None in high else sum(v for v in high if v is not None),
        "; ".join(dict.fromkeys(amount.how for amount in amounts if amount.how)),
    )


def _low(amount: Amount) -> float | None:
    return amount.low if amount.low is not None else amount.value


def _high(amount: Amount) -> float | None:
    return amount.high if amount.high is not None else amount.value


def scaled(amount: Amount, by: float) -> Amount:
    """The amount for so many times the clusters."""
    return replace(
        amount,
        value=None if amount.value is None else amount.value * by,
        low=None if amount.low is None else amount.low * by,
        high=None if amount.high is None else amount.high * by,
    )


def unpriced(prepared: Prepared, prices: Prices) -> list[str]:
    """Models that would be called and have no price."""
    request = prepared.request
    called = Counter(arm.model for arm in prepared.arms if arm.provider != RECORDED)
    called.update(judge.model for judge in request.judges)
    called.update(judge.model for judge in comparing(request))
    return sorted(model for model in called if prices.of(model) is None)
