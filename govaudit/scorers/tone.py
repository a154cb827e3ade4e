"""How an answer sounds: how long it is, how sure it sounds, how much it warns.

In: answers. Out: per answer its words, its sentences with a sign of certainty, with a hedge and with a
caveat, by the phrases in ``scorers/lexicons/tone.yaml``. Assertiveness is sentences that claim more
certainty than the bare statement minus sentences that claim less, over all sentences: -1 to 1, and 0 for
plain statements. Whether an answer *may* sound sure depends on whether it is right, which is not read here
(``stats.tone_slope``).

Left out: certainty without a sign of it, irony, and languages other than English.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from govaudit.canonical import digest
from govaudit.scorers import phrase_list
from govaudit.scorers.phrase_list import PhraseList
from govaudit.scorers.texts import sentences, words

LEXICON = "tone"
GROUPS = ("certain", "hedged", "caveat")


@dataclass(frozen=True)
class Tone:
    """One answer. Sentences with a sign of each sort, of ``sentences`` in all."""

    words: int
    sentences: int
    certain: int
    hedged: int
    caveats: int

    @property
    def assertiveness(self) -> float | None:
        """-1 (every sentence hedged) to 1 (every sentence emphatic); ``None`` without a sentence."""
        return (self.certain - self.hedged) / self.sentences if self.sentences else None


def read(texts: Sequence[str], phrases: PhraseList | None = None) -> list[Tone]:
    """The tone of each answer."""
    phrases = phrases or phrase_list.load(LEXICON)
    pieces = [[text[s.start : s.end] for s in sentences(text)] for text in texts]
    found = iter(phrase_list.hits([piece for row in pieces for piece in row], phrases))
    tones = []
    for text, row in zip(texts, pieces, strict=True):
        signs = [{hit.group for hit in next(found)} for _ in row]
        certain, hedged, caveats = (sum(group in sign for sign in signs) for group in GROUPS)
        tones.append(Tone(len(words(text)), len(row), certain, hedged, caveats))
    return tones


def rules(phrases: PhraseList | None = None) -> str:
    """Identity of the reading: its rules and its phrases."""
    return digest({"rules": "1", "phrases": (phrases or phrase_list.load(LEXICON)).digest})
