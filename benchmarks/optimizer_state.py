"""What saving memory costs in accuracy: MiniLM fine-tuned whole, with AdamW's averages in bf16, and by LoRA.

A seed is a split, a head and an order of rows; the differences are of the same seed, so that these do not count.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from common import drawn, publish, stamp

from tithe import config, pipeline
from tithe.checkpoints import locate, tensors
from tithe.cli.options import quiet_libraries

EXACT = "all weights, averages in float32"
# The rate of the adapters is ten times higher, as is usual: they begin at zero.
WAYS: dict[str, dict[str, Any]] = {
    EXACT: {},
    "all weights, averages in bf16": {"train": {"optimizer_state": "bf16"}},
    "LoRA of rank 8": {"model": {"lora": {"rank": 8}}, "train": {"learning_rate": 5e-4}},
}


class Judged(NamedTuple):
    """A run's scores on the test rows, and the bytes of its optimizer's averages."""

    accuracy: float
    f1_macro: float
    loss: float
    bytes: float


def main() -> None:
    """Train in every way in turn, and publish a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="reviews", help="name of the set")
    parser.add_argument("--rows", type=int, default=3000, help="rows, drawn at random; a fifth is the test")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    judged: dict[str, list[Judged]] = {way: [] for way in WAYS}
    with quiet_libraries(), tempfile.TemporaryDirectory() as folder:
        path = drawn(asked.set, asked.rows, Path(folder))
        for seed in range(asked.seeds):
            for way in WAYS:
                judged[way].append(judge(path, way, seed, asked.epochs))
                print(seed, way, judged[way][-1], flush=True)
    page = [
        f"# Averages in bf16 and LoRA, MiniLM fine-tuned on `{asked.set}`",
        *("", stamp(), "", *([asked.remark, ""] if asked.remark else [])),
        f"{asked.rows} rows, {asked.epochs} epochs, 64 tokens. Means of {asked.seeds} seeds, each with its own split. "
        "In brackets: the smallest and the largest difference of a seed.",
        "",
        "| trained | MB of averages | accuracy | macro F1 | loss | accuracy − that with float32 |",
        "|---|---|---|---|---|---|",
        *(_line(way, runs, judged[EXACT]) for way, runs in judged.items()),
    ]
    publish("optimizer_state", "\n".join(page) + "\n")


def judge(path: Path, way: str, seed: int, epochs: int) -> Judged:
    """Fine-tune and return the scores on the test rows."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "data": {"path": str(path), "test_ratio": 0.2},
            "model": {"max_length": 64, **WAYS[way].get("model", {})},
            "train": {"epochs": epochs, "device": "cpu", **WAYS[way].get("train", {})},
            "track": {"tensorboard": False},
            "seed": seed,
            "out": f"{folder}/run",
        }
        outcome = pipeline.train(config.parse(settings))
        newest = next(iter(locate.all_intact(outcome.home / "checkpoints")))
        state = tensors.read(newest / "optimizer.pt")["state"]
        test = outcome.scores["test"]
        return Judged(test["accuracy"], test["f1"], test["loss"], _bytes(state))


def _bytes(state: dict[int, dict[str, torch.Tensor]]) -> int:
    return sum(value.nbytes for own in state.values() for value in own.values() if value.ndim)


def _line(way: str, runs: list[Judged], exact: list[Judged]) -> str:
    means = np.mean(runs, axis=0)
    differences = [own.accuracy - other.accuracy for own, other in zip(runs, exact, strict=True)]
    spread = f"{np.mean(differences):+.4f} ({min(differences):+.4f} to {max(differences):+.4f})"
    difference = "" if runs is exact else spread
    scores = f"{means[0]:.4f} | {means[1]:.4f} | {means[2]:.4f}"
    return f"| {way} | {means[3] / 1e6:.0f} | {scores} | {difference} |"


if __name__ == "__main__":
    main()
