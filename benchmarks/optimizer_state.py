"""What AdamW's averages in bf16 cost in accuracy: full fine-tuning of MiniLM, the same seeds with both precisions.

A seed is a split, a head and an order of rows; the differences are of the same seed, so that these do not count.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from common import drawn, publish, stamp

from tithe import config, pipeline
from tithe.checkpoints import locate, tensors
from tithe.cli.options import quiet_libraries

PRECISIONS = ("float32", "bf16")


class Judged(NamedTuple):
    """A run's scores on the test rows, and the bytes of its optimizer's averages."""

    accuracy: float
    f1_macro: float
    loss: float
    bytes: float


def main() -> None:
    """Train with both precisions in turn, and publish a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="reviews", help="name of the set")
    parser.add_argument("--rows", type=int, default=3000, help="rows, drawn at random; a fifth is the test")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    judged: dict[str, list[Judged]] = {precision: [] for precision in PRECISIONS}
    with quiet_libraries(), tempfile.TemporaryDirectory() as folder:
        path = drawn(asked.set, asked.rows, Path(folder))
        for seed in range(asked.seeds):
            for precision in PRECISIONS:
                judged[precision].append(judge(path, precision, seed, asked.epochs))
                print(seed, precision, judged[precision][-1], flush=True)
    page = [
        f"# AdamW's averages in bf16, MiniLM fine-tuned on `{asked.set}`",
        *("", stamp(), "", *([asked.remark, ""] if asked.remark else [])),
        f"{asked.rows} rows, {asked.epochs} epochs, 64 tokens. Means of {asked.seeds} seeds, each with its own split. "
        "In brackets: the smallest and the largest difference of a seed.",
        "",
        "| averages | MB | accuracy | macro F1 | loss | accuracy − that with float32 |",
        "|---|---|---|---|---|---|",
        *(_line(precision, runs, judged["float32"]) for precision, runs in judged.items()),
    ]
    publish("optimizer_state", "\n".join(page) + "\n")


def judge(path: Path, precision: str, seed: int, epochs: int) -> Judged:
    """Fine-tune and return the scores on the test rows."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "data": {"path": str(path), "test_ratio": 0.2},
            "model": {"max_length": 64},
            "train": {"epochs": epochs, "optimizer_state": precision, "device": "cpu"},
            "track": {"tensorboard": False},
            "seed": seed,
            "out": f"{folder}/run",
        }
        outcome = pipeline.train(config.parse(settings))
        newest = next(iter(locate.all_intact(outcome.home / "checkpoints")))
        state = tensors.read(newest / "optimizer.pt", mmap=True)["state"]
        test = outcome.scores["test"]
        return Judged(test["accuracy"], test["f1"], test["loss"], _bytes(state))


def _bytes(state: dict[int, dict[str, torch.Tensor]]) -> int:
    return sum(value.nbytes for own in state.values() for value in own.values() if value.ndim)


def _line(precision: str, runs: list[Judged], exact: list[Judged]) -> str:
    means = np.mean(runs, axis=0)
    differences = [own.accuracy - other.accuracy for own, other in zip(runs, exact, strict=True)]
    spread = f"{np.mean(differences):+.4f} ({min(differences):+.4f} to {max(differences):+.4f})"
    difference = "" if runs is exact else spread
    scores = f"{means[0]:.4f} | {means[1]:.4f} | {means[2]:.4f}"
    return f"| {precision} | {means[3] / 1e6:.0f} | {scores} | {difference} |"


if __name__ == "__main__":
    main()
