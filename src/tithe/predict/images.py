"""Folders of images in, scores and verdicts out; what can't be read is listed with its reason, and stops nothing."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tithe.errors import InputError
from tithe.imaging import Pixels, decode
from tithe.imaging.files import Unreadable
from tithe.metrics.calibration import Calibration
from tithe.predict.model import TrainedModel
from tithe.progress import bar
from tithe.tasks import ImageTask

logger = logging.getLogger("tithe")
Named = tuple[Path, str]


class ImageScore(NamedTuple):
    """One file: how real it looks, what is said of it, or why it can't be judged.

    Attributes
    ----------
    path
        From the folder that was given; where several paths were, as it was given.
    score
        What the detector says, from 0 fake to 1 real.
    probability
        The calibrated probability of being real, where the run has a calibration.
    verdict
        real, fake or unsure; without a calibration by the score alone, at 0.5.
    reason
        Why the file could not be read, one of `decode.REASONS`.
    """

    path: str
    score: float | None = None
    probability: float | None = None
    verdict: str | None = None
    reason: str | None = None


def files(source: Path) -> list[Path]:
    """Return the files that a path means: itself, or everything in a folder but what is hidden, in order.

    Raises
    ------
    InputError
        There is none.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InputError(f"no images at {source} (seen from {Path.cwd()}): pass a file or a folder of them")
    found = [p for p in sorted(source.rglob("*")) if p.is_file() and not p.name.startswith(".")]
    if not found:
        raise InputError(f"{source} holds no files: pass a folder of images")
    return found


def score_images(model: TrainedModel, sources: Sequence[Path], batch_size: int) -> Iterator[ImageScore]:
    """Yield a line for each file of each source, in order. The crops of an image are averaged; one batch is read ahead.

    Raises
    ------
    InputError
        A source means no files.
    """
    named = _named(sources)
    calibration, begun = model.calibration, time.monotonic()
    chunks = [named[first : first + batch_size] for first in range(0, len(named), batch_size)]
    threads = min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as readers, bar("scoring", len(named), "files") as tick:

        def begin(chunk: list[Named]) -> list[Future[Pixels | str]]:
            return [readers.submit(_read, path, model.run.images.max_pixels) for path, _ in chunk]

        reading = begin(chunks[0])
        for chunk, after in zip(chunks, [*chunks[1:], []], strict=True):
            images = [future.result() for future in reading]
            reading = begin(after)
            yield from _judge(model, calibration, [name for _, name in chunk], images)
            tick(len(chunk))
    seconds = time.monotonic() - begun
    logger.info("%d files in %.1f s: %.1f a second", len(named), seconds, len(named) / max(seconds, 1e-9))


def _named(sources: Sequence[Path]) -> list[Named]:
    found = [path for source in sources for path in files(source)]
    if len(sources) > 1:
        return [(path, path.as_posix()) for path in found]
    base = sources[0] if sources[0].is_dir() else sources[0].parent
    return [(path, path.relative_to(base).as_posix()) for path in found]


def _read(path: Path, max_pixels: int) -> Pixels | str:
    """Return the pixels of a file, or why there are none."""
    try:
        return decode.read(path, max_pixels)
    except Unreadable as error:
        return error.reason


def _judge(
    model: TrainedModel, calibration: Calibration | None, names: list[str], images: list[Pixels | str]
) -> Iterator[ImageScore]:
    task, readable = model.task, [image for image in images if not isinstance(image, str)]
    assert isinstance(task, ImageTask)
    scores = iter(model.of_batch(task.batch(readable))[:, 1] if readable else ())
    for name, image in zip(names, images, strict=True):
        if isinstance(image, str):
            yield ImageScore(name, reason=image)
            continue
        score = float(next(scores))
        verdict = calibration.verdict(score) if calibration else "real" if score >= 0.5 else "fake"
        probability = float(calibration.apply(np.array([score]))[0]) if calibration else None
        yield ImageScore(name, score, probability, verdict)
