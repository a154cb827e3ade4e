"""The boilerplate of 100,000 responses: time and memory, and recurring phrases beside scikit-learn's counts.

python benchmarks/text.py             both sides, on the same texts python benchmarks/text.py --json      the
same, and as its last line {"ours": {...}, "ratio": ...} python benchmarks/text.py --documents 10000

Texts are made from one seed: words with Zipf's law, 40 to 140 a text, two of five with a stock sentence.
Each side runs in a process of its own, so that its largest memory is its own. Ours does everything that a
report shows of an arm (words, listed and recurring phrases, openers, copies, near duplicates, distinctness);
the peer only counts 4-grams by document frequency, which is the part that both can do, on a fifth of the
texts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

DOCUMENTS, PEERS, SEED = 100_000, 20_000, 0
STOCK = (
    "I hope this helps! Let me know if you have any other questions.",
    "As an AI language model, I do not have personal opinions.",
    "You are not alone, and I am here to listen to you.",
    "It is important to note that every situation is different.",
)


def texts(n: int) -> list[str]:
    """The texts, the same for both sides."""
    rng = np.random.default_rng(SEED)
    chance = 1 / np.arange(1, 30_001)
    words = np.array([f"w{k}" for k in range(30_000)], dtype=object)
    lengths = rng.integers(40, 140, n)
    drawn = words[rng.choice(30_000, int(lengths.sum()), p=chance / chance.sum())]
    ends = np.cumsum(lengths)
    stock = rng.integers(0, 10, n)
    return [
        " ".join(drawn[end - size : end]) + (f". {STOCK[kind]}" if kind < len(STOCK) else ".")
        for end, size, kind in zip(ends.tolist(), lengths.tolist(), stock.tolist(), strict=True)
    ]


def ours(said: list[str]) -> dict[str, float]:
    """Everything that a report shows of one arm."""
    from govaudit.scorers import boilerplate, phrase_list

    phrases = phrase_list.load()
    found = boilerplate.measure(said, [str(k) for k in range(len(said))], phrases)
    assert found.recurring.value is not None
    return {"phrases": float(len(found.mined)), "recurring": found.recurring.value}


def counted(said: list[str]) -> dict[str, float]:
    """Recurring 4-grams alone: what the peer does."""
    from govaudit.scorers import boilerplate
    from govaudit.scorers.texts import corpus
    from govaudit.stats.phrases import frequent_ngrams

    least = boilerplate.least_prompts(len(said))
    return {"phrases": float(len(frequent_ngrams(corpus(said), 4, min_documents=least).documents))}


def peer(said: list[str]) -> dict[str, float]:
    """The same counts by scikit-learn, with our notion of a word."""
    from sklearn.feature_extraction.text import CountVectorizer

    from govaudit.scorers import boilerplate
    from govaudit.scorers.texts import words

    least = boilerplate.least_prompts(len(said))
    counter = CountVectorizer(
        ngram_range=(4, 4),
        analyzer="word",
        tokenizer=words,
        token_pattern=None,
        lowercase=False,
        binary=True,
        min_df=least,
    )
    return {"phrases": float(counter.fit_transform(said).shape[1])}


SIDES = {"ours": ours, "counted": counted, "peer": peer}


def measured(side: str, n: int) -> dict[str, float]:
    """One side in this process: seconds of the processor and of the clock, and its largest memory."""
    said = texts(n)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock, processor = time.perf_counter(), time.process_time()
    found = SIDES[side](said)
    return {
        **found,
        "processor_s": time.process_time() - processor,
        "clock_s": time.perf_counter() - clock,
        "texts_mib": before / 1024,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def apart(side: str, n: int) -> dict[str, float] | None:
    """The same in a process of its own; ``None`` where the peer is not installed."""
    command = [sys.executable, str(Path(__file__)), "--side", side, "--documents", str(n)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{side}: {done.stderr.strip().splitlines()[-1] if done.stderr else 'failed'}", file=sys.stderr)
        return None
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", choices=SIDES)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(measured(args.side, args.documents)))
        return
    fewer = min(PEERS, args.documents)
    whole, one, other = apart("ours", args.documents), apart("counted", fewer), apart("peer", fewer)
    for name, result in (
        (f"all measures, {args.documents:,} responses", whole),
        (f"recurring 4-grams, {fewer:,} responses", one),
        (f"the same with scikit-learn, {fewer:,} responses", other),
    ):
        if result:
            print(
                f"{name}: {result['processor_s']:.1f} s of the processor ({result['clock_s']:.1f} s), "
                f"{result['memory_mib']:.0f} MiB, {result['phrases']:.0f} phrases"
            )
    if one and other and one["phrases"] != other["phrases"]:
        sys.exit("the two sides do not find the same phrases")
    ratio = other["processor_s"] / one["processor_s"] if one and other else None
    if ratio:
        print(f"ratio, peer over ours: {ratio:.1f}")
    if args.json:
        print(json.dumps({"ours": whole, "counted": one, "peer": other, "ratio": ratio}))


if __name__ == "__main__":
    main()
