"""`tithe predict` on a folder of pictures, against bare decoding and bare forward passes one after the other.

The pictures are JPEG files of many sizes, cut from the photographs of `authenticity_photos.py`, in the page cache. The
detectors are trained for a moment, on photographs and smoothed ones: better weights cost the same. A head on an encoder
(`tithe fetch clip-vit-b16`) looks once more at a picture, harmlessly processed, where its verdict is sure: that counts.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from authenticity_photos import photographs, read
from common import publish, stamp
from torch import nn

from tithe import config, pipeline
from tithe.cli.options import quiet_libraries
from tithe.models.foundation.detector import Foundation
from tithe.predict import TrainedModel, load
from tithe.predict.images import score_images
from tithe.tasks import ImageTask

_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_SIDES = (384, 1280)  # pixels of a side
_ROUNDS = 5
_TRAINED_ON = 40  # photographs, and as many smoothed ones


class Round(NamedTuple):
    """Seconds of bare decoding, bare forward passes and `tithe predict`, which makes so many passes of a picture."""

    decoding: float
    forward: float
    ours: float
    passes: float


def pictures(folder: Path, count: int) -> None:
    """Write pictures of many sizes, drawn from the photographs."""
    rng, sources = np.random.default_rng(0), list(photographs().values())
    for number in range(count):
        image = read(sources[number % len(sources)])
        height, width = (min(side, int(rng.integers(*_SIDES))) for side in image.shape[:2])
        top, left = (
            int(rng.integers(0, side - own + 1)) for side, own in zip(image.shape, (height, width), strict=False)
        )
        piece = image[top : top + height, left : left + width]
        quality = int(rng.integers(75, 96))
        cv2.imwrite(str(folder / f"{number:05d}.jpg"), piece, [cv2.IMWRITE_JPEG_QUALITY, quality])


def detector(folder: Path, mode: str, size: int, files: list[Path]) -> TrainedModel:
    """Return a detector of smoothed pictures that was trained for a moment."""
    for label in ("real", "fake"):
        (folder / "set" / label).mkdir(parents=True)
    for file in files[:: len(files) // _TRAINED_ON][:_TRAINED_ON]:
        image = read(file)
        cv2.imwrite(str(folder / "set" / "real" / f"{file.stem}.png"), image)
        cv2.imwrite(str(folder / "set" / "fake" / f"{file.stem}.png"), cv2.GaussianBlur(image, (0, 0), 1.5))
    raw: dict[str, Any] = {
        **{"task": "image", "out": str(folder / "run"), "data": {"path": str(folder / "set"), "val_ratio": 0.25}},
        "images": {"mode": mode, **({} if mode == "foundation" else {"size": size})},
        "train": {"epochs": 1, "batch_size": 8, "drop_last": True, "device": "cpu"},
        "track": {"tensorboard": False},
    }
    return load(pipeline.train(config.parse(raw)).home, "cpu")


def _round(trained: TrainedModel, files: list[Path], folder: Path) -> Round:
    at_once, task = trained.rows_at_once, trained.task
    assert isinstance(task, ImageTask)
    batch = task.batch([read(file) for file in files[:at_once]])
    network = trained.model.encoder if isinstance(trained.model, Foundation) else trained.model
    rows: list[int] = []

    def count(_: nn.Module, given: tuple[Any, ...]) -> None:
        rows.append(len(given[0]["images"] if isinstance(given[0], dict) else given[0]))

    def decode() -> None:
        for file in files:
            cv2.imread(str(file), _FLAGS)

    def forward() -> None:
        with torch.inference_mode(), trained.accelerator.autocast():
            for first in range(0, len(files), at_once):
                trained.model({"images": batch["images"][: min(at_once, len(files) - first)]})

    def ours() -> None:
        assert sum(score.score is not None for score in score_images(trained, [folder], at_once)) == len(files)

    with network.register_forward_pre_hook(count):
        decoding, forwarding = _seconds(decode), _seconds(forward)
        once = sum(rows)
        predicting = _seconds(ours)
    return Round(decoding, forwarding, predicting, passes=sum(rows) / once - 1)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _line(mode: str, files: int, rounds: list[Round]) -> str:
    shares = [(each.decoding + each.forward * each.passes) / each.ours for each in rounds]
    decoding, forward, ours = (files / statistics.median(column) for column in [*zip(*rounds, strict=True)][:3])
    spread = f"{statistics.median(shares):.0%} ({min(shares):.0%}–{max(shares):.0%})"
    return f"| {mode} | {decoding:.1f} | {forward:.2f} | {rounds[0].passes:.2f} | {ours:.2f} | {spread} |"


def main() -> None:
    """Measure in turn, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--modes", default="fast,full,foundation")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--name", default="predict_images", help="of the page, so that a run leaves the others")
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    lines = []
    with tempfile.TemporaryDirectory() as temporary, quiet_libraries():
        folder = Path(temporary) / "pictures"
        folder.mkdir()
        pictures(folder, arguments.pictures)
        files = sorted(folder.iterdir())
        for mode in arguments.modes.split(","):
            trained = detector(Path(temporary) / mode, mode, arguments.size, files)
            rounds = [_round(trained, files, folder) for _ in range(arguments.rounds)]
            lines.append(_line(mode, len(files), rounds))
            print(lines[-1], flush=True)
    page = [
        "# Scoring a folder of pictures",
        "",
        stamp(),
        "",
        *([arguments.remark, ""] if arguments.remark else []),
        f"{arguments.pictures} JPEG files of {_SIDES[0]} to {_SIDES[1]} pixels a side, crops of {arguments.size} "
        "pixels (in mode foundation the whole picture and crops of the encoder's side), in the precision of the run; "
        f"pictures per second, median of {arguments.rounds} rounds in turn. *Decoding* is cv2.imread in one thread, "
        "*forward* the network on crops that are in memory, *passes* how often `tithe predict` sends a picture through "
        "it; the share is what it reaches of decoding and as many passes one after the other. In addition it reads "
        "headers, looks for truncated ends, crops, calibrates and lists.",
        "",
        "| mode | decoding | forward | passes | tithe predict | share |",
        "|---|---|---|---|---|---|",
        *lines,
    ]
    publish(arguments.name, "\n".join(page) + "\n")


if __name__ == "__main__":
    main()
