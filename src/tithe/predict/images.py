"""Score images: files and folders in, scores and verdicts out. An unreadable file is listed with its reason."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tithe import storage
from tithe.console import counted
from tithe.engines import Engine
from tithe.errors import InputError
from tithe.imaging import Pixels, decode, folders
from tithe.imaging.files import Unreadable
from tithe.predict import verdicts
from tithe.predict.inputs import TextInput
from tithe.predict.model import TrainedModel
from tithe.predict.opening import load
from tithe.progress import bar

logger = logging.getLogger("tithe")
NamedFile = tuple[Path, str]  # a file, and its path as shown in the output
Look = Callable[[Path, Pixels, "ImageScore"], object]


class ImageScore(NamedTuple):
    """The score and verdict of one file, or the reason why it could not be read.

    Attributes
    ----------
    path
        Relative to the source folder; with several sources, the path as given.
    score
        Output of the detector, from 0 (fake) to 1 (real).
    probability
        Calibrated probability of being real; None without a calibration.
    verdict
        real, fake or unsure.
    reason
        Why the file could not be read, one of `decode.REASONS`.
    why
        Why the verdict is unsure; see `verdicts`.
    """

    path: str
    score: float | None = None
    probability: float | None = None
    verdict: str | None = None
    reason: str | None = None
    why: str | None = None


def given_sources(paths: list[str] | None, source: TextInput | None) -> list[Path]:
    """Return the files and folders named on the command line.

    Raises
    ------
    InputError
        There are none, or options of texts are given.
    """
    if source and source != TextInput(source.path):
        raise InputError("--text-column, --delimiter, --encoding and --column-names are for texts: leave them out")
    found = [Path(storage.expand_home(path)) for path in paths or []] or ([source.path] if source else [])
    if not found:
        raise InputError("no images: give files or folders after the checkpoint, or --input FOLDER")
    return found


def list_files(source: Path) -> list[Path]:
    """Return the path itself if it is a file, or all files of the folder, as training lists them; see `folders`.

    Raises
    ------
    InputError
        There are none.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InputError(f"no images at {source} (seen from {Path.cwd()}): pass a file or a folder of them")
    paths = [source / file for file in folders.files_in(source)]
    if not paths:
        raise InputError(f"{source} contains no files: pass a folder of images")
    return paths


def score_images(
    model: TrainedModel,
    sources: Sequence[Path],
    batch_size: int,
    max_pixels: int | None = None,
    look: Look | None = None,
    engine: Engine | None = None,
) -> Iterator[ImageScore]:
    """Yield the score of each file of each source, in order.

    The scores of an image's crops are averaged. While one batch is scored, the next one is read.

    Parameters
    ----------
    max_pixels
        A larger image is not read; that of the run's config when unset.
    look
        Called with the file, the pixels and the score of every image that was scored, while the pixels are there.
    engine
        Whose workers read and score; this process when None. The scores are the same. `look` sees nothing then.

    Raises
    ------
    InputError
        A source contains no files.
    """
    named = named_files(sources)
    started = time.monotonic()
    if model.calibration is None:
        says = "%s has no calibration, which only the best checkpoint of a finished run has: every verdict is unsure"
        logger.warning(says, model.source)
    chunks = [named[first : first + batch_size] for first in range(0, len(named), batch_size)]
    scoring = _Scoring(model, max_pixels or model.run.images.max_pixels)
    with bar("scoring", len(named), "files") as tick:
        for scores in engine.map(scoring, chunks) if engine else _scored_here(scoring, chunks, look):
            yield from scores
            tick(len(scores))
    seconds = time.monotonic() - started
    rate = len(named) / max(seconds, 1e-9)
    logger.info("%s in %.1f s: %.1f a second", counted(len(named), "file"), seconds, rate)


def named_files(sources: Sequence[Path]) -> list[NamedFile]:
    """Return the files of each source, in order, with their paths as shown; see `list_files`."""
    paths = [path for source in sources for path in list_files(source)]
    if len(sources) > 1:
        return [(path, folders.shown(path.as_posix())) for path in paths]
    base = sources[0] if sources[0].is_dir() else sources[0].parent
    return [(path, folders.shown(path.relative_to(base).as_posix())) for path in paths]


def read(path: Path, max_pixels: int) -> Pixels | str:
    """Return the pixels of a file, or the reason why it could not be read."""
    try:
        return decode.read_usable(path, max_pixels)
    except Unreadable as error:
        return error.reason


@dataclass(frozen=True)
class _Scoring:
    """Reads and scores files by a detector, which a worker process opens from its files."""

    model: TrainedModel
    max_pixels: int

    def __call__(self, chunk: list[NamedFile]) -> list[ImageScore]:
        return list(self.of(chunk, [read(path, self.max_pixels) for path, _ in chunk]))

    def __reduce__(self) -> tuple[Any, ...]:
        path = self.model.weights_file or self.model.folder
        return _reopened, (path.absolute(), self.model.exact, self.max_pixels)

    def of(self, chunk: list[NamedFile], images: list[Pixels | str]) -> Iterator[ImageScore]:
        """Yield the scores of images that were read, or could not be."""
        readable = [image for image in images if not isinstance(image, str)]
        judged = iter(verdicts.judge(self.model, self.model.calibration, readable) if readable else ())
        for (_, name), image in zip(chunk, images, strict=True):
            if isinstance(image, str):
                yield ImageScore(name, reason=image)
            else:
                score, probability, verdict, why = next(judged)
                yield ImageScore(name, score, probability, verdict, why=why)


def _reopened(path: Path, exact: bool, max_pixels: int) -> _Scoring:
    model = load(path)
    return _Scoring(model.exactly() if exact else model, max_pixels)


def _scored_here(scoring: _Scoring, chunks: list[list[NamedFile]], look: Look | None) -> Iterator[list[ImageScore]]:
    """Yield the scores of each chunk; while one is scored, the next one is read."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as readers:

        def submit(chunk: list[NamedFile]) -> list[Future[Pixels | str]]:
            return [readers.submit(read, path, scoring.max_pixels) for path, _ in chunk]

        reading = submit(chunks[0])
        for chunk, following in zip(chunks, [*chunks[1:], []], strict=True):
            images = [future.result() for future in reading]
            reading = submit(following)
            scores = list(scoring.of(chunk, images))
            for (path, _), image, score in zip(chunk, images, scores, strict=True):
                if look and not isinstance(image, str):
                    look(path, image, score)
            yield scores
