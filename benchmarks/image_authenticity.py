"""The detectors on the offline authenticity benchmark: unseen generators, beside the trivial baseline.

Fast and full mode train on the fakes of three autoencoders and are tested on those of three others, at equal steps.
What was chosen for these runs (learning rate, steps, changes of the crops) was chosen on the validation part.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
import trivial_baseline
from authenticity_set import build
from common import publish, stamp

from tithe import config, pipeline
from tithe.cli_config import quiet_libraries

# Forward pass of one image of 256 pixels, counted by torch.utils.flop_counter; training takes three of them.
GFLOP = {"fast": 4.96, "full": 6.11}


def main() -> None:
    """Build the set, score the baseline, train each mode with each seed, publish the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--codec", choices=("png", "jpeg"), default="jpeg")
    parser.add_argument("--modes", default="fast,full", help="names with commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--augment", choices=("none", "flips", "all"), default="flips")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--set", type=Path, help="a set that is built already; must be of this alpha and codec")
    parser.add_argument("--remark", default="", help="a sentence on how the numbers came about")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary, quiet_libraries():
        folder = arguments.set or Path(temporary) / "set"
        if not arguments.set:
            build(folder, arguments.alpha, arguments.codec, seed=0)
        listed = trivial_baseline.read_list(folder / "labels.csv")
        baseline = trivial_baseline.areas(listed, trivial_baseline.scores(listed))
        lines = [_line("trivial baseline", "", [baseline], "")]
        rate = _matmul_rate()
        for mode in arguments.modes.split(","):
            found, speeds = [], []
            for seed in range(arguments.seeds):
                area, speed = _trained(mode, seed, folder, arguments)
                print(mode, seed, area, f"{speed:.2f} images/s", flush=True)
                found.append(area)
                speeds.append(speed)
            share = statistics.median(speeds) * 3 * GFLOP[mode] * 1e9 * (arguments.size / 256) ** 2 / rate
            lines.append(_line(mode, str(len(found)), found, f"{statistics.median(speeds):.1f} ({share:.0%})"))
        leak = trivial_baseline.format_area(listed)
    names = list(baseline)
    page = [
        "# Real or fake, on the fakes of autoencoders that were not trained on",
        "",
        stamp(),
        "",
        *([arguments.remark, ""] if arguments.remark else []),
        f"Fakes are real + {arguments.alpha:g} · (reconstruction − real), both classes as {arguments.codec.upper()} of "
        f"one distribution of quality; {listed.real_N.size} crops of 256 pixels. {arguments.epochs} epochs at "
        f"{arguments.lr:g}, crops of {arguments.size} pixels, changes: {arguments.augment}. AUC, mean and range over "
        f"seeds; `val` has other photographs and the same autoencoders, `test` three others.",
        "",
        f"| | seeds | {' | '.join(names)} | training images/s (share of what matrix products allow) |",
        f"|---|---|{'---|' * len(names)}---|",
        *lines,
        "",
        f"AUC of a regression on file formats alone: {'–' if leak is None else f'{leak:.3f}'}. Matrix products of this "
        f"process: {rate / 1e9:.0f} GFLOP/s. Simulated fakes say little of real generators.",
    ]
    publish("image_authenticity", "\n".join(page) + "\n")


def _trained(mode: str, seed: int, folder: Path, arguments: argparse.Namespace) -> tuple[dict[str, float], float]:
    """Train a detector; return its areas by part and generator, and the images that it learnt from a second."""
    with tempfile.TemporaryDirectory() as home:
        raw: dict[str, Any] = {
            "task": "image",
            "seed": seed,
            "out": f"{home}/run",
            "data": {"path": str(folder / "labels.csv")},
            "images": {
                "mode": mode,
                "augment": arguments.augment,
                "size": arguments.size,
                "crops": max(1, 256 // arguments.size) ** 2,
            },
            "train": {
                **{"epochs": arguments.epochs, "batch_size": 16, "learning_rate": arguments.lr, "schedule": "cosine"},
                **{"warmup_steps": 20, "min_learning_rate": 1e-6, "drop_last": True, "device": "cpu"},
            },
            "checkpoint": {"best_by": "loss"},
            "track": {"tensorboard": False},
        }
        begun = time.perf_counter()
        outcome = pipeline.train(config.parse(raw))
        scores = outcome.scores
        print(f"{mode} {seed}: {time.perf_counter() - begun:.0f} s in all", flush=True)
    areas = {"val": scores["validation"]["auc_roc"], "test": scores["test"]["auc_roc"]}
    for line in scores["test"]["authenticity"]["per_generator"]:
        areas[line["generator"]] = line["auc_own_reals"]
    return areas, scores["training"]["rows_per_second"]


def _line(name: str, seeds: str, found: list[dict[str, float]], speed: str) -> str:
    cells = [_cell([areas[key] for areas in found]) for key in found[0] if key in found[0] and "mean" not in key]
    return f"| {name} | {seeds} | {' | '.join(cells)} | {speed} |"


def _cell(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} ({min(values):.3f}–{max(values):.3f})"


def _matmul_rate() -> float:
    """Measure float operations a second of bf16 matrix products, the fastest that this process can do."""
    a = torch.randn(2048, 2048, dtype=torch.bfloat16)
    times = []
    for _ in range(7):
        begun = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - begun)
    return 2 * 2048**3 / statistics.median(times)


if __name__ == "__main__":
    main()
