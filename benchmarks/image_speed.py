"""The cost of training on images: decoding against bare OpenCV, waiting for data, arithmetic against its limit.

Takes a data set of `authenticity_set.py`. Files are in the page cache: the timing covers computation, not the disk.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import torch
from authenticity_photos import photographs
from common import publish, stamp

from tithe import config
from tithe.imaging import decode, headers
from tithe.tasks import image
from tithe.train import devices, trainer
from tithe.train.trainer import FitOptions

# Forward pass of one image of 256 pixels, counted by torch.utils.flop_counter; training takes three of them.
GFLOP = {"fast": 4.96, "full": 6.11}
_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_ROUNDS = 7


class Speed(NamedTuple):
    """The speed of a few training steps."""

    images_per_second: float
    waiting: float  # share of the time spent waiting for data


def matmul_rate() -> float:
    """Measure the FLOP/s of bf16 matrix products, the fastest operation of this process."""
    a = torch.randn(2048, 2048, dtype=torch.bfloat16)
    return 2 * 2048**3 / statistics.median(_seconds(lambda: a @ a) for _ in range(_ROUNDS))


def share(mode: str, size: int, images_per_second: float, rate: float) -> float:
    """Return the share of the matrix products' rate that training a detector reaches."""
    return images_per_second * 3 * GFLOP[mode] * 1e9 * (size / 256) ** 2 / rate


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _decoding(name: str, paths: Sequence[Path]) -> str:
    """Return a line: megapixels of a file, milliseconds of bare OpenCV and of tithe, and their paired ratio."""

    def bare() -> None:
        for path in paths:
            cv2.imread(str(path), _FLAGS)

    def ours() -> None:
        for path in paths:
            decode.read(path)

    bare(), ours()
    times = [(_seconds(bare), _seconds(ours)) for _ in range(_ROUNDS)]
    ratios = [own / plain for plain, own in times]
    plain, own = (statistics.median(column) / len(paths) * 1e3 for column in zip(*times, strict=True))
    pixels = statistics.mean(headers.header(path).width * headers.header(path).height for path in paths) / 1e6
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    return f"| {name} | {len(paths)} | {pixels:.2f} | {plain:.2f} | {own:.2f} | {spread} |"


def _training(folder: Path, mode: str, augment: str, workers: int, steps: int) -> Speed:
    """Train a few steps with batches of 16, without counting the first ones, in which processes start."""
    with tempfile.TemporaryDirectory() as home:
        raw: dict[str, Any] = {
            **{"task": "image", "out": f"{home}/run", "data": {"path": str(folder / "labels.csv")}},
            "images": {"mode": mode, "augment": augment},
            "train": {"batch_size": 16, "learning_rate": 2e-4, "drop_last": True, "precision": "bf16"},
        }
        run = config.parse(raw)
        task = image.open(run)
        splits = task.load()
        examples = task.encode(splits.rows).take(splits.train)
        accelerator = devices.accelerator("cpu", "bf16")
        done = trainer.fit(task.build(2, 0), task.criterion(), examples, FitOptions(run.train, 0, accelerator, workers))
        for _ in itertools.islice(done, 3):
            pass
        begun = time.perf_counter()
        counted = list(itertools.islice(done, steps))
        seconds = time.perf_counter() - begun
        done.close()  # type: ignore[attr-defined]
    waited = sum(step.data_wait_seconds for step in counted)
    return Speed(sum(step.rows for step in counted) / seconds, waited / seconds)


def main() -> None:
    """Decode, train, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=Path, required=True, help="a data set of JPEG files by authenticity_set.py")
    parser.add_argument("--steps", type=int, default=16)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    crops = sorted((arguments.set / "train" / "real").glob("*.jp*g"))[:200]
    whole = [path for path in photographs().values() if headers.header(path).format == "JPEG"]
    whole = [path for path in whole if headers.header(path).width * headers.header(path).height < 12e6][:24]
    lines = [_decoding("crops of the set", crops), _decoding("photographs, whole", whole)]
    print(*lines, sep="\n", flush=True)
    rate, trained = matmul_rate(), []
    for mode, augment, workers in itertools.product(("fast", "full"), ("flips", "all"), (0, 2)):
        speed = _training(arguments.set, mode, augment, workers, arguments.steps)
        cells = f"{speed.images_per_second:.1f} | {1 - speed.waiting:.1%}"
        trained.append(
            f"| {mode} | {augment} | {workers} | {cells} | {share(mode, 256, speed.images_per_second, rate):.0%} |"
        )
        print(trained[-1], flush=True)
    page = [
        "# The cost of training on images",
        "",
        stamp(),
        "",
        f"Decoding, one thread, JPEG from the page cache: milliseconds per file and the ratio, median of {_ROUNDS} "
        "rounds in turn. In addition to decoding, tithe reads the header, limits the number of pixels, checks for a "
        "truncated end, and converts to RGB.",
        "",
        "| | files | megapixels | cv2.imread, ms | tithe, ms | ratio |",
        "|---|---|---|---|---|---|",
        *lines,
        "",
        f"Training, batch 16, crops of 256 pixels, bf16, {arguments.steps} steps. *In the model*: the share of the "
        "time not spent waiting for data. The limit is that of bf16 matrix products of this process, measured "
        f"as {rate / 1e9:.0f} GFLOP/s; a trained image takes {3 * GFLOP['fast']:.1f} (fast) or "
        f"{3 * GFLOP['full']:.1f} (full) GFLOP.",
        "",
        "| mode | changes | workers | images/s | in the model | of the limit |",
        "|---|---|---|---|---|---|",
        *trained,
    ]
    publish("image_speed", "\n".join(page) + "\n")


if __name__ == "__main__":
    main()
