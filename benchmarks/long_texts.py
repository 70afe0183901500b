"""Accuracy on long texts: cut at 128, 256 or 512 tokens, or read whole in windows, with a head on frozen MiniLM.

The same rows and seeds for all ways. The differences are of the same seed, so that the split does not count.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import drawn, publish, stamp

from tithe import config, pipeline, storage
from tithe.cli.options import quiet_libraries
from tithe.storage import run_files

WAYS: dict[str, dict[str, Any]] = {
    "cut at 128": {"max_length": 128},
    "cut at 256": {"max_length": 256},
    "cut at 512": {"max_length": 512},
    "windows of 128": {"max_length": 128, "windows": {"stride": 96, "pool": "mean"}},
}


class Judged(NamedTuple):
    """A run's scores on the test rows, and the share of the tokens that was cut."""

    accuracy: float
    f1_macro: float
    cut: float


def main() -> None:
    """Train every way on every set and seed, and publish a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="imdb,reuters_r8", help="names, separated by commas")
    parser.add_argument("--rows", type=int, default=5000, help="rows of each set, drawn at random")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    lines: list[str] = []
    with quiet_libraries(), tempfile.TemporaryDirectory() as folder:
        for name in asked.sets.split(","):
            path = drawn(name, asked.rows, Path(folder))
            judged = {way: [judge(path, model, seed) for seed in range(asked.seeds)] for way, model in WAYS.items()}
            lines += [_line(name, way, runs, judged["cut at 512"]) for way, runs in judged.items()]
            print(*lines[-len(WAYS) :], sep="\n", flush=True)
    page = [
        "# Long texts, a head on frozen MiniLM",
        *("", stamp(), "", *([asked.remark, ""] if asked.remark else [])),
        f"{asked.rows} rows of each set, drawn once, or all; a fifth is the test. Means of {asked.seeds} seeds, "
        "each with its own split. In brackets: the smallest and the largest difference of a seed.",
        "",
        "| set | texts | tokens cut | accuracy | macro F1 | accuracy − that at 512 |",
        "|---|---|---|---|---|---|",
        *lines,
    ]
    publish("long_texts", "\n".join(page) + "\n")


def judge(path: Path, model: dict[str, Any], seed: int) -> Judged:
    """Train a head and return its scores on the test rows."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "data": {"path": str(path), "test_ratio": 0.2},
            "model": {"freeze": "all", "head": "mlp", **model},
            "train": {"epochs": 10, "learning_rate": 1e-3, "batch_size": 32, "device": "cpu"},
            "track": {"tensorboard": False},
            "seed": seed,
            "out": f"{folder}/run",
        }
        outcome = pipeline.train(config.parse(settings))
        counts = storage.read_json(outcome.home / run_files.DATA_REPORT)["tokens"]["test"]
    test = outcome.scores["test"]
    return Judged(test["accuracy"], test["f1"], counts["tokens_lost"] / counts["tokens"])


def _line(name: str, way: str, runs: list[Judged], at_512: list[Judged]) -> str:
    means = np.mean(runs, axis=0)
    differences = [own.accuracy - other.accuracy for own, other in zip(runs, at_512, strict=True)]
    spread = f"{np.mean(differences):+.4f} ({min(differences):+.4f} to {max(differences):+.4f})"
    difference = "" if runs is at_512 else spread
    return f"| {name} | {way} | {means[2]:.1%} | {means[0]:.4f} | {means[1]:.4f} | {difference} |"


if __name__ == "__main__":
    main()
