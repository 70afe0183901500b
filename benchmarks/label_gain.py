"""How often the true gain of the next labels is inside the interval that `tithe label` gives.

For each set and seed labels are bought from 2,000 rows in rounds of 40, at random and by `mix` with a tenth of random
rows. After each round the gain of the next one is expected from the bought labels alone, then bought, and measured on
3,000 other rows. A set is a .npz file: X, embeddings of a frozen encoder, (N, D), and y, class indices, (N,).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import publish, stamp

from tithe import config
from tithe.data.cross_validation import standardised
from tithe.select import selection
from tithe.select.buying.expect import expected
from tithe.select.pool import Pool
from tithe.select.signals import linear_probes

POOL, TEST, STEP = 2000, 3000, 40
Array = np.ndarray[Any, np.dtype[Any]]


def rounds(X_ND: Array, labels_N: Array, how: str, count: int, seed: int) -> Iterator[tuple[Any, float]]:
    """Yield what is expected after each round, and the gain of the next one."""
    order_N = np.random.default_rng(seed).permutation(len(labels_N))[: POOL + TEST]
    X_ND, labels_N = standardised(X_ND[order_N]), labels_N[order_N]
    bought, before = np.arange(STEP), None
    for _ in range(count + 1):
        X_KD, labels_K = X_ND[bought], labels_N[bought]
        strength = linear_probes.best_strength(X_KD, labels_K, seed)
        probs_NC, _ = linear_probes.fitted(X_ND, bought, labels_K, strength)
        guess_N = np.unique(labels_K)[probs_NC[POOL:].argmax(axis=1)]
        accuracy = float((guess_N == labels_N[POOL:]).mean())
        if before:
            yield before[0], accuracy - before[1]
        before = expected(X_KD, labels_K, STEP, seed), accuracy
        pool = Pool.of(None, np.arange(POOL), {"probs": probs_NC[:POOL]})
        options = {"random": 0.1} if how == "mix" else {}
        settings = config.Select(track="T0", rounds=2, strategy=how, options=options)
        chosen = selection.select(pool, settings, seed, np.sort(bought), len(bought) + STEP)
        bought = np.concatenate([bought, chosen.rows])


def line(set_: Path, how: str, found: list[tuple[Any, float]]) -> str:
    """Return a line of the table."""
    gains = [(expectation.gain, gain) for expectation, gain in found if expectation]
    inside = np.mean([interval.low <= gain <= interval.high for interval, gain in gains])
    width = np.mean([interval.high - interval.low for interval, _ in gains])
    value, true = np.mean([(interval.value, gain) for interval, gain in gains], axis=0)
    points = " | ".join(f"{100 * number:.1f}" for number in (value, true, width))
    return f"| {set_.stem} | {how} | {len(gains)} | {points} | {inside:.0%} |"


def main() -> None:
    """Measure every set, and publish the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    lines = ["# The expected gain of labels", "", stamp(), "", "Gains in points of accuracy.", ""]
    lines += [
        "| set | bought | rounds | expected | true | width of the interval | true gain inside |",
        "|---" * 7 + "|",
    ]
    every: dict[str, list[tuple[Any, float]]] = {"random": [], "mix": []}
    for set_ in arguments.sets:
        arrays = np.load(set_)
        for how, of_how in every.items():
            given = (arrays["X"], arrays["y"], how, arguments.rounds)
            found = [each for seed in range(arguments.seeds) for each in rounds(*given, seed)]
            lines.append(line(set_, how, found))
            print(lines[-1], flush=True)
            of_how += found
    lines += [line(Path("all"), how, found) for how, found in every.items()]
    publish("label_gain", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
