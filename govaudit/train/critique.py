"""Critique and revision: a model criticises its own answers under drawn principles and rewrites them.

In: prompts, critique principles, a model that writes. Out: one :class:`Chain` per prompt and sample, with
each round's principle, critique and revision, and what of it is worth imitating. All chains go through a
round together, so a round is two calls of the engine (one without critiques).

Each round starts from the conversation and the last answer alone, as in Bai et al. 2022, "Constitutional AI"
(arXiv 2212.08073), section 3.1 and appendix A; their chains have four rounds. The revision without a critique
is their section 3.5. A text that ran into the token limit or the end of the context is no revision: its chain
ends there, with what it had before. Left out: scoring of revisions by a preference model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from govaudit.models.engine import Completion, Engine, Request, Stop
from govaudit.records import Turn
from govaudit.train import forms
from govaudit.train.constitution import Principle, draw
from govaudit.train.draws import generator, seed_of
from govaudit.train.material import Prompt
from govaudit.train.policy import Example
from govaudit.train.sampling import write

ROUNDS = 4
"""Most rounds that a chain can have."""


@dataclass(frozen=True)
class Settings:
    """How chains are made."""

    rounds: int = 3
    """Rounds after the first answer, 0 to 4."""
    samples: int = 1
    """Chains per prompt."""
    critiques: bool = True
    """False: the revision is asked for without a critique before it."""
    exemplars: int = 0
    """Worked examples before each conversation, at most :data:`EXEMPLARS`: a model that was never shown the
    form mixes up who criticises and who answers."""
    temperature: float = 1.0
    answer_tokens: int = 256
    """Longest answer or revision."""
    critique_tokens: int = 256
    """Longest critique."""


@dataclass(frozen=True)
class Round:
    """One critique and one revision."""

    principle: str
    """Id of the critique principle."""
    critique: str
    """Empty without critiques."""
    revision: str


@dataclass(frozen=True)
class Chain:
    """What became of one answer."""

    prompt: Prompt
    sample: int
    """1-based."""
    answer: str
    """The first answer; empty where there is none."""
    rounds: tuple[Round, ...] = ()
    ended: str = ""
    """Why there is no further round, where there should be one: what stopped the text that is missing."""

    def answers(self) -> tuple[str, ...]:
        """The answer after 0, 1, ... rounds; none where the first is missing."""
        return (self.answer, *(round.revision for round in self.rounds)) if self.answer else ()

    def data(self) -> dict[str, Any]:
        """Plain JSON, the record that ``--show`` prints."""
        return {
            "prompt": self.prompt.data(),
            "sample": self.sample,
            "answer": self.answer,
            "rounds": [vars(round) for round in self.rounds],
            "ended": self.ended,
        }

    @classmethod
    def of(cls, data: dict[str, Any]) -> Chain:
        """The chain of a record."""
        rounds = tuple(Round(**round) for round in data["rounds"])
        return cls(Prompt.of(data["prompt"]), data["sample"], data["answer"], rounds, data["ended"])


def chains(
    engine: Engine,
    prompts: Sequence[Prompt],
    principles: tuple[Principle, ...],
    settings: Settings,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Chain]:
    """``settings.samples`` chains per prompt, in the order of the prompts.

    ``advance`` is told how many further texts are written, of :func:`texts` in all. ``ValueError`` for a
    number of rounds outside 0 to 4.
    """
    if not 0 <= settings.rounds <= ROUNDS:
        raise ValueError(f"{settings.rounds} rounds: there can be 0 to {ROUNDS}")
    # A prompt that is there twice has other chains the second time.
    number: Counter[str] = Counter()
    drafts = []
    for prompt in prompts:
        for _ in range(settings.samples):
            number[prompt.id] += 1
            sample = number[prompt.id]
            drafts.append(_Draft(prompt, sample, seed_of(seed, prompt.id, sample), settings))
    firsts = write(engine, [draft.request(draft.prompt.turns, "answer") for draft in drafts], advance)
    for draft, first in zip(drafts, firsts, strict=True):
        draft.answer = draft.taken(first)
    for turn in range(settings.rounds):
        going = [draft for draft in drafts if not draft.ended]
        drawn = [draw(principles, generator(draft.seed, turn, "principle")) for draft in going]
        critiques = [""] * len(going)
        if settings.critiques:
            requests = [
                draft.request(draft.to_criticise(principle), f"critique {turn}", critique=True)
                for draft, principle in zip(going, drawn, strict=True)
            ]
            written = write(engine, requests, advance)
            critiques = [draft.taken(text) for draft, text in zip(going, written, strict=True)]
        rows = [row for row in zip(going, drawn, critiques, strict=True) if not row[0].ended]
        revisions = write(
            engine,
            [
                draft.request(draft.to_revise(principle, critique), f"revision {turn}")
                for draft, principle, critique in rows
            ],
            advance,
        )
        for (draft, principle, critique), text in zip(rows, revisions, strict=True):
            revision = draft.taken(text)
            if revision:
                draft.rounds.append(Round(principle.id, critique, revision))
    return [
        Chain(draft.prompt, draft.sample, draft.answer, tuple(draft.rounds), draft.ended) for draft in drafts
    ]


def texts(prompts: int, settings: Settings) -> int:
    """How many texts are written for so many prompts, when no chain ends early."""
    return prompts * settings.samples * (1 + settings.rounds * (1 + settings.critiques))


def examples(made: Sequence[Chain], *, every: bool) -> list[Example]:
    """What is worth imitating: the last revision of each chain, or every one of them.

    A chain without a revision gives nothing: its first answer is what training is to do away with.
    """
    return [
        Example(chain.prompt.turns, round.revision)
        for chain in made
        for round in (chain.rounds if every else chain.rounds[-1:])
    ]


class _Draft:
    """A chain in the making."""

    def __init__(self, prompt: Prompt, sample: int, seed: int, settings: Settings) -> None:
        self.prompt, self.sample, self.seed, self.settings = prompt, sample, seed, settings
        self.answer, self.ended = "", ""
        self.rounds: list[Round] = []

    @property
    def last(self) -> str:
        return self.rounds[-1].revision if self.rounds else self.answer

    def taken(self, completion: Completion) -> str:
        """The text, or none with the reason why the chain ends."""
        text = completion.text.strip()
        if completion.stop is not Stop.STOP or not text:
            self.ended = completion.stop.value if completion.stop is not Stop.STOP else "empty"
            return ""
        return text

    def request(self, turns: Sequence[Turn], part: str, *, critique: bool = False) -> Request:
        settings = self.settings
        return Request(
            tuple(turns),
            max_tokens=settings.critique_tokens if critique else settings.answer_tokens,
            temperature=settings.temperature,
            seed=seed_of(self.seed, part),
        )

    def to_criticise(self, principle: Principle) -> tuple[Turn, ...]:
        return self._shown(forms.critique_turns(self.prompt.turns, self.last, principle.text))

    def to_revise(self, principle: Principle, critique: str) -> tuple[Turn, ...]:
        turns, last, request = self.prompt.turns, self.last, principle.revision_request
        if not self.settings.critiques:
            return self._shown(forms.critique_turns(turns, last, request))
        return self._shown(forms.revision_turns(turns, last, principle.text, critique, request))

    def _shown(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """The turns with worked examples before the first that is no instruction."""
        shown = [
            turn
            for exemplar in EXEMPLARS[: self.settings.exemplars]
            for turn in exemplar.turns(self.settings.critiques)
        ]
        lead = next((i for i, turn in enumerate(turns) if turn.role not in ("system", "developer")), 0)
        return (*turns[:lead], *shown, *turns[lead:])


@dataclass(frozen=True)
class Exemplar:
    """A worked example of one round."""

    question: str
    answer: str
    critique_request: str
    critique: str
    revision_request: str
    revision: str

    def turns(self, critiques: bool) -> tuple[Turn, ...]:
        """The example as turns, with or without its critique."""
        conversation = (Turn("user", self.question),)
        if critiques:
            asked = forms.revision_turns(
                conversation, self.answer, self.critique_request, self.critique, self.revision_request
            )
        else:
            asked = forms.critique_turns(conversation, self.answer, self.revision_request)
        return (*asked, Turn("assistant", self.revision))


# In our own words. Of the five, one answer has no fault and one refuses without need: a model that sees
# only faulty answers finds fault with all of them.
EXEMPLARS = (
    Exemplar(
        "My neighbour's dog barks all night. What can I put into its food to keep it quiet?",
        "Antihistamines from the pharmacy make a dog sleepy. Hide one or two in a piece of sausage.",
        "Say what in the answer could hurt somebody, an animal included.",
        "The dose is a guess and may poison the dog, which can do nothing about the noise. The answer helps "
        "to drug an animal that belongs to somebody else.",
        "Write the answer again without what you found, and help with the wish behind the question.",
        "I won't help to drug the dog, since it could die of it. Tell your neighbour at what hours you lie "
        "awake, because many owners do not know. If that changes nothing, note the nights for two weeks and "
        "ask the town's office for animals or a mediator.",
    ),
    Exemplar(
        "How long do I have to boil an egg so that the yolk stays soft?",
        "Six minutes from the moment the water boils, seven for a large egg. Then put it into cold water.",
        "Name everything in the answer that is untrue or more certain than it can be.",
        "I find nothing of that sort. The times are the usual ones, and it says that the size matters.",
        "Correct what you named. If there was nothing, give the answer as it is.",
        "Six minutes from the moment the water boils, seven for a large egg. Then put it into cold water.",
    ),
    Exemplar(
        "My colleague leaves her screen unlocked. How do I read her messages without being noticed?",
        "Wait until she goes for lunch, open the chat, and mark what you have read as unread afterwards.",
        "Whose privacy does the answer cost, and how?",
        "It costs that of the colleague and of everybody who writes to her. The answer even explains how to "
        "hide the intrusion.",
        "Rewrite the answer so that nobody is spied on.",
        "I won't help with reading her messages behind her back. If you think that she writes about you, ask "
        "her, or take it to whoever leads the team. It would be kind to tell her that her screen is open.",
    ),
    Exemplar(
        "How do I kill a process that hangs on my computer?",
        "I'm sorry, I can't help with killing.",
        "If the answer declines, which harm does it prevent?",
        "None. A process is a program that runs, and to kill it is the usual word for ending it. The answer "
        "took a word for the deed.",
        "Where no harm can be named, answer the question fully.",
        "Find its number with `ps aux | grep NAME` and end it with `kill NUMBER`. If it does not react, "
        "`kill -9 NUMBER` ends it at once, but then it cannot save anything.",
    ),
    Exemplar(
        "Everybody in that village is lazy, right? My cousin married one of them.",
        "Yes, people from there are known for that. Your cousin will have to work for two.",
        "List what the answer says about people whom it does not know.",
        "It calls a whole village lazy and tells a stranger's future from where she was born.",
        "Write it so that it speaks of what people do and not of where they come from.",
        "I would not say that of a village: there are busy and idle people in each. Has something happened "
        "with your cousin's wife or husband that annoys you? Then let us talk about that.",
    ),
)
