"""The peers' side of ``stats.py``: run by the peers' own Python on the data that ``stats.py`` wrote.

Usage: python stats_peers.py FOLDER davidson|alpha|ngrams. Prints one JSON object: ``version``,
``seconds`` (one per repetition), ``result`` (to be compared with ours) and ``note``. Imports nothing of
govaudit, and govaudit imports none of these packages.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS_RUN = (2, 10)
"""evalica's bootstrap is run with these numbers of rounds; the difference gives the time of one."""


def davidson(data: Any) -> dict[str, Any]:
    """evalica's percentile bootstrap of Bradley-Terry, ties as half a win, scaled to the rounds wanted."""
    import evalica

    names = [f"arm {k:03d}" for k in range(int(data["first"].max()) + 1)]
    xs = [names[k] for k in data["first"]]
    ys = [names[k] for k in data["second"]]
    kind = {1: evalica.Winner.X, 0: evalica.Winner.Draw, -1: evalica.Winner.Y}
    winners = [kind[y] for y in data["outcome"].tolist()]
    wanted = int(data["rounds"])
    seconds, scores = [], None
    for _ in range(int(data["repetitions"])):
        times = []
        for rounds in ROUNDS_RUN:
            start = time.perf_counter()
            found = evalica.bootstrap(
                evalica.bradley_terry,
                xs,
                ys,
                winners,
                n_resamples=rounds,
                bootstrap_method="percentile",
                random_state=0,
            )
            times.append(time.perf_counter() - start)
        per_round = (times[1] - times[0]) / (ROUNDS_RUN[1] - ROUNDS_RUN[0])
        seconds.append(times[0] + (wanted - ROUNDS_RUN[0]) * per_round)
        scores = np.log(found.result.scores.reindex(names).to_numpy())
    assert scores is not None
    return {
        "version": f"evalica {version('evalica')}",
        "seconds": seconds,
        "result": (scores - scores.mean()).tolist(),
        "note": f"{ROUNDS_RUN[0]} and {ROUNDS_RUN[1]} rounds run, scaled to {wanted}",
    }


def alpha(data: Any) -> dict[str, Any]:
    """krippendorff's nominal alpha from the table of ratings."""
    import krippendorff

    table = np.ascontiguousarray(data["ratings"].T)
    seconds, value = [], None
    for _ in range(5 * int(data["repetitions"])):
        start = time.perf_counter()
        value = krippendorff.alpha(reliability_data=table, level_of_measurement="nominal")
        seconds.append(time.perf_counter() - start)
    return {
        "version": f"krippendorff {version('krippendorff')}",
        "seconds": seconds,
        "result": value,
        "note": "",
    }


def ngrams(data: Any) -> dict[str, Any]:
    """scikit-learn's counts of n-grams in documents of token ids, with the same bar on document frequency."""
    from sklearn.feature_extraction.text import CountVectorizer

    offsets, n, bar = data["offsets"].tolist(), int(data["n"]), int(data["min_documents"])
    ids = [data["tokens"][a:b].tolist() for a, b in itertools.pairwise(offsets)]
    words = [text.split() for text in data["texts"]]

    def windows(document: list[Any]) -> Iterator[tuple[Any, ...]]:
        return zip(*(document[k:] for k in range(n)), strict=False)

    def counted(documents: list[Any]) -> tuple[float, tuple[int, int]]:
        start = time.perf_counter()
        counter = CountVectorizer(min_df=bar, binary=True, analyzer=windows)
        frequency = np.asarray(counter.fit_transform(documents).sum(axis=0)).ravel()
        return time.perf_counter() - start, (len(frequency), int(frequency.sum()))

    seconds, found = zip(*(counted(ids) for _ in range(int(data["repetitions"]))), strict=True)
    return {
        "version": f"scikit-learn {version('scikit-learn')}",
        "seconds": seconds,
        "result": found[0],
        "note": f"from words: {counted(words)[0]:.2f} s",
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with np.load(folder / "arrays.npz") as stored:
        arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
    arrays["texts"] = (folder / "texts.txt").read_text().splitlines()
    print(json.dumps({"davidson": davidson, "alpha": alpha, "ngrams": ngrams}[sys.argv[2]](arrays)))
