"""govaudit's statistics beside the packages that people use for them: how long, and the same answer?

    python benchmarks/stats.py            three comparisons, medians and ratios
    python benchmarks/stats.py --json     the same, and as its last line {"ratios": {...}}
    python benchmarks/stats.py --no-peers our times alone, ratios null

Peers are installed into an environment of their own (``--peers DIR``, by default in the temporary
folder), since one of them is under the GPL and none is a dependency. Each side gets the same data and one
thread; a ratio is the peer's median time over ours. A peer that cannot be installed or run is null.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from govaudit.stats.agreement import alpha
from govaudit.stats.comparisons import comparisons
from govaudit.stats.counts import count_ratings
from govaudit.stats.phrases import TokenDocuments, encode_documents, frequent_ngrams
from govaudit.stats.ranking import one_step_bootstrap, rank, refit_bootstrap

HERE = Path(__file__).resolve().parent
PEERS = ("evalica==0.4.2", "krippendorff==0.9.0", "scikit-learn==1.9.1")

ARMS, COMPARISONS, ROUNDS = 100, 1_000_000, 200
ITEMS, RATERS, MISSING = 100_000, 5, 0.3
DOCUMENTS, N, MIN_DOCUMENTS = 20_000, 8, 20
REPETITIONS = 3


def write_data(folder: Path, scale: float) -> dict[str, Any]:
    """Comparisons, ratings and documents from one seed, for both sides."""
    rng = np.random.default_rng(0)
    n, items, documents = (max(600, int(scale * size)) for size in (COMPARISONS, ITEMS, DOCUMENTS))
    arms = ARMS if scale == 1 else 10
    theta = rng.normal(0, 1, arms)
    first = rng.integers(0, arms, n)
    second = (first + rng.integers(1, arms, n)) % arms
    s = theta[first] - theta[second]
    p = np.stack([np.exp(s / 2), np.full(n, 0.5), np.exp(-s / 2)], axis=1)
    u = rng.random(n) * p.sum(axis=1)
    outcome = np.where(u < p[:, 0], 1, np.where(u < p[:, 0] + p[:, 1], 0, -1))
    truth = rng.integers(1, 6, (items, 1))
    ratings = np.where(rng.random((items, RATERS)) < 0.6, truth, rng.integers(1, 6, (items, RATERS))).astype(
        float
    )
    ratings[rng.random(ratings.shape) < MISSING] = np.nan
    lengths = rng.integers(50, 150, documents)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    chance = 1 / np.arange(1, 20_001)
    tokens = rng.choice(20_000, int(offsets[-1]), p=chance / chance.sum())
    for _ in range(50):
        phrase = rng.integers(0, 20_000, N)
        for at in offsets[rng.choice(documents, documents // 200, replace=False)]:
            tokens[at : at + N] = phrase
    words = np.array([f"w{k}" for k in range(20_000)], dtype=object)[tokens]
    texts = [" ".join(words[a:b]) for a, b in itertools.pairwise(offsets.tolist())]
    whole = scale == 1
    arrays = {
        "first": first,
        "second": second,
        "outcome": outcome,
        "ratings": ratings,
        "tokens": tokens,
        "offsets": offsets,
        "rounds": np.array(ROUNDS if whole else 10),
        "n": np.array(N),
        "min_documents": np.array(MIN_DOCUMENTS if whole else 2),
        "repetitions": np.array(REPETITIONS if whole else 1),
    }
    np.savez(folder / "arrays.npz", allow_pickle=False, **arrays)
    (folder / "texts.txt").write_text("\n".join(texts))
    return {**arrays, "texts": texts}


def timed(repetitions: int, run: Callable[[], Any]) -> tuple[list[float], Any]:
    seconds, result = [], None
    for _ in range(repetitions):
        start = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - start)
    return seconds, result


def our_davidson(data: dict[str, Any]) -> tuple[list[float], Any, str]:
    """From arrays of rows to percentile limits of all arms: every round is a full fit, as the peer's is."""
    one_step = []

    def run() -> Any:
        rows = comparisons(data["first"], data["second"], data["outcome"])
        fit = rank(rows, position=False)
        refit_bootstrap(rows, fit, seed=0, rounds=int(data["rounds"])).limits()
        start = time.perf_counter()
        one_step_bootstrap(fit, seed=0, rounds=int(data["rounds"])).limits()
        one_step.append(time.perf_counter() - start)
        return fit.ratings

    seconds, ratings = timed(int(data["repetitions"]), run)
    seconds = [whole - step for whole, step in zip(seconds, one_step, strict=True)]
    return seconds, ratings, f"one-step rounds instead of refits: {median(one_step):.2f} s"


def our_alpha(data: dict[str, Any]) -> tuple[list[float], Any, str]:
    table = data["ratings"]
    seconds, one = timed(
        5 * int(data["repetitions"]), lambda: alpha(count_ratings(table), "nominal", seed=0, rounds=0)
    )
    with_interval, _ = timed(int(data["repetitions"]), lambda: alpha(count_ratings(table), seed=0))
    return seconds, one.value, f"with an interval from 1,000 resamples: {1e3 * median(with_interval):.0f} ms"


def our_ngrams(data: dict[str, Any]) -> tuple[list[float], Any, str]:
    """From token ids, as the peer."""
    documents = TokenDocuments(data["tokens"], data["offsets"])
    words, n, bar = [text.split() for text in data["texts"]], int(data["n"]), int(data["min_documents"])

    def run() -> tuple[int, int]:
        found = frequent_ngrams(documents, n, min_documents=bar)
        return len(found.documents), int(found.documents.sum())

    seconds, result = timed(5 * int(data["repetitions"]), run)
    from_words, _ = timed(
        int(data["repetitions"]), lambda: frequent_ngrams(encode_documents(words), n, min_documents=bar)
    )
    return seconds, result, f"from words: {median(from_words):.2f} s"


def same_order(ours: Any, theirs: Any) -> bool:
    """Ratings of two tie models are on two scales: they must rank alike."""
    return bool(np.corrcoef(np.asarray(ours), np.asarray(theirs))[0, 1] > 0.999)


def same_value(ours: Any, theirs: Any) -> bool:
    return abs(float(ours) - float(theirs)) < 1e-9


def same_counts(ours: Any, theirs: Any) -> bool:
    return tuple(ours) == tuple(theirs)


Ours = Callable[[dict[str, Any]], tuple[list[float], Any, str]]
COMPARED: dict[str, tuple[str, Ours, Callable[[Any, Any], bool], str]] = {
    "davidson_vs_evalica": ("davidson", our_davidson, same_order, "ratings correlate above .999"),
    "alpha_vs_krippendorff": ("alpha", our_alpha, same_value, "same value"),
    "ngrams_vs_sklearn": ("ngrams", our_ngrams, same_counts, "same n-grams, same document frequencies"),
}


def told(seconds: list[float], note: str) -> str:
    return f"{median(seconds):.4f} s (median of {len(seconds)})" + (f"; {note}" if note else "")


def peers_python(folder: Path) -> Path | None:
    """The peers' own interpreter, built on the first call; None where it cannot be."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    installed = folder / "installed.txt"
    wanted = "\n".join(PEERS)
    if installed.is_file() and installed.read_text() == wanted:
        return python
    try:
        venv = [sys.executable, "-m", "venv", "--clear", str(folder)]
        subprocess.run(venv, check=True, capture_output=True, text=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS]
        subprocess.run(install, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", None) or str(error)
        print(f"peers cannot be installed: {why.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    installed.write_text(wanted)
    return python


def peer(python: Path | None, data: Path, name: str) -> dict[str, Any] | None:
    if python is None:
        return None
    command = [str(python), str(HERE / "stats_peers.py"), str(data), name]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        print(f"{name}: the peer failed: {run.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the ratios as the last line")
    parser.add_argument("--no-peers", action="store_true", help="install and run no peer; ratios are null")
    parser.add_argument(
        "--peers", type=Path, default=Path(tempfile.gettempdir()) / "govaudit-benchmark-peers"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="share of the data, to try the script")
    options = parser.parse_args(argv)
    python = None if options.no_peers else peers_python(options.peers)
    ratios: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = write_data(Path(folder), options.scale)
        for key, (name, ours, same, agreed) in COMPARED.items():
            seconds, result, note = ours(data)
            theirs = peer(python, Path(folder), name)
            print(f"{key}\n  govaudit: {told(seconds, note)}")
            if theirs is None:
                ratios[key] = None
                print("  peer: absent")
                continue
            if not same(result, theirs["result"]):
                print(f"{key}: the two disagree: {result} and {theirs['result']}", file=sys.stderr)
                return 1
            ratios[key] = round(median(theirs["seconds"]) / median(seconds), 2)
            print(f"  {theirs['version']}: {told(theirs['seconds'], theirs['note'])}")
            print(f"  ratio {ratios[key]:.2f}; {agreed}")
    if options.json:
        print(json.dumps({"ratios": ratios}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
