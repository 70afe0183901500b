"""The detectors on the offline authenticity benchmark: unseen generators, next to the trivial baseline.

Fast and full mode train on the fakes of three autoencoders and are tested on those of three others; real generators
are for `unseen_generators.py`. Learning rate,
epochs, crop size and augmentation were chosen on the validation part. Finished seeds are kept: an interrupted benchmark
resumes, and two processes may share the modes.
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

import trivial_baseline
from authenticity_photos import CACHE
from authenticity_set import build
from common import commit, publish, stamp

from tithe import config, pipeline, storage
from tithe.cli.options import quiet_libraries

# Epochs and learning rate: attention does not tolerate the best rate of convolutions alone.
CHOSEN = {"fast": (16, 1e-3), "full": (10, 3e-4)}


def main() -> None:
    """Build the set, score the baseline, train each mode with each seed, publish the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--codec", choices=("png", "jpeg"), default="jpeg")
    parser.add_argument("--modes", default="fast,full", help="names, separated by commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="for all modes; by default the values in CHOSEN")
    parser.add_argument("--lr", type=float, help="for all modes; by default the values in CHOSEN")
    parser.add_argument("--augment", choices=("none", "flips", "all"), default="flips")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--set", type=Path, help="an existing data set of this alpha and codec")
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary, quiet_libraries():
        folder = arguments.set or Path(temporary) / "set"
        if not arguments.set:
            build(folder, arguments.alpha, arguments.codec, seed=0)
        listed = trivial_baseline.read_list(folder / "labels.csv")
        baseline = trivial_baseline.areas(listed, trivial_baseline.scores(listed))
        lines = [_line("trivial baseline", "| | ", [baseline])]
        for mode in arguments.modes.split(","):
            areas = [_cached(mode, seed, folder, arguments) for seed in range(arguments.seeds)]
            epochs, rate = _epochs_and_rate(mode, arguments)
            lines.append(_line(mode, f"{len(areas)} | {epochs} | {rate:g}", areas))
        leak = trivial_baseline.format_area(listed)
    names = list(baseline)
    page = [
        "# Real or fake, on the fakes of autoencoders that were not trained on",
        "",
        stamp(),
        "",
        *([arguments.remark, ""] if arguments.remark else []),
        f"Fakes are real + {arguments.alpha:g} · (reconstruction − real), both classes as {arguments.codec.upper()} of "
        f"one distribution of quality; {listed.real_N.size} crops of 256 pixels. Trained on pieces "
        f"of {arguments.size} pixels, changes: {arguments.augment}. AUC, mean and range over seeds; `val` has other "
        f"photographs and the same autoencoders, `test` three others, which follow one by one.",
        "",
        f"| | seeds | epochs | learning rate | {' | '.join(names)} |",
        f"|---|---|---|---|{'---|' * len(names)}",
        *lines,
        "",
        f"AUC of a regression on file formats alone: {'–' if leak is None else f'{leak:.3f}'}. Simulated fakes say "
        "little about real generators.",
    ]
    publish("image_authenticity", "\n".join(page) + "\n")


def _cached(mode: str, seed: int, folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Return the AUCs of a detector, from the cache if it was trained before."""
    choices = [mode, seed, *_epochs_and_rate(mode, arguments), arguments.augment, arguments.size, arguments.alpha]
    key = storage.digest([*choices, storage.sha256_file(folder / "labels.csv"), commit()])
    path = CACHE / "detectors" / f"{key[:16]}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.write_json(path, _trained(mode, seed, folder, arguments))
    areas: dict[str, float] = storage.read_json(path)
    print(mode, seed, areas, flush=True)
    return areas


def _epochs_and_rate(mode: str, arguments: argparse.Namespace) -> tuple[int, float]:
    """Return the epochs and the learning rate of a mode."""
    epochs, rate = CHOSEN[mode]
    return arguments.epochs or epochs, arguments.lr or rate


def _trained(mode: str, seed: int, folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Train a detector; return its AUCs by part and generator."""
    epochs, rate = _epochs_and_rate(mode, arguments)
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
                **{"epochs": epochs, "batch_size": 16, "learning_rate": rate, "schedule": "cosine"},
                **{"warmup_steps": 20, "min_learning_rate": 1e-6, "drop_last": True, "device": "cpu"},
            },
            "checkpoint": {"best_by": "loss"},
            "track": {"tensorboard": False},
        }
        begun = time.perf_counter()
        outcome = pipeline.train(config.parse(raw))
        scores = outcome.scores
        print(f"{mode} {seed}: {time.perf_counter() - begun:.0f} s in total", flush=True)
    areas = {"val": scores["validation"]["auc_roc"], "test": scores["test"]["auc_roc"]}
    for line in scores["test"]["authenticity"]["per_generator"]:
        areas[line["generator"]] = line["auc_own_reals"]
    return areas


def _line(name: str, settings: str, results: list[dict[str, float]]) -> str:
    cells = [_cell([areas[key] for areas in results]) for key in results[0] if "mean" not in key]
    return f"| {name} | {settings} | {' | '.join(cells)} |"


def _cell(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} ({min(values):.3f}–{max(values):.3f})"


if __name__ == "__main__":
    main()
