"""Texts or images in, predictions out: from the command line, a file or standard input, batch by batch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tithe import plugins
from tithe.data.text.clean import why_not_text
from tithe.data.text.ingest import find_reader
from tithe.errors import InputError
from tithe.predict.model import Prediction, TrainedModel, load
from tithe.predict.writers import Rows, chunks

Predicted = Iterator[tuple[str, Prediction]]

_BATCHES_AT_ONCE = 16


def read_texts(given: list[str] | None, source: Path | None, text_column: str) -> Iterator[str]:
    """Yield the texts given, those of a file, or the lines of standard input.

    A row of a file whose text is missing or unreadable is predicted as an empty text, so that rows keep their places.
    """
    if given:
        yield from given
    elif source is None:
        if sys.stdin.isatty():
            raise InputError("no text: give one after the checkpoint, or --input FILE, or lines on standard input")
        yield from (line.rstrip("\n") for line in sys.stdin)
    elif source.suffix.lower() == ".txt":
        if not source.is_file():
            raise InputError(f"no input file {source}")
        with source.open(encoding="utf-8", errors="replace") as file:
            yield from (line.rstrip("\n") for line in file)
    else:
        reader = plugins.load("readers", find_reader(source, None))
        for rows in reader.read(source, text_column, None):
            yield from ("" if why_not_text(text) else text for text, _ in rows)


def predict_stream(
    checkpoint: Path, given: list[str] | None, source: Path | None, text_column: str, batch_size: int
) -> tuple[Rows, Callable[[dict[str, Any]], str]]:
    """Return the predictions of a checkpoint, and how one of them is shown as a line.

    A checkpoint of the text task takes what `texts` takes; one of the image task the paths of files and folders.

    Raises
    ------
    InputError
        The checkpoint or the input is not there.
    """
    stream = None if given is not None or (source and source.is_dir()) else read_texts(given, source, text_column)
    model = load(checkpoint)
    if model.run.task != "image":
        if source and source.is_dir():
            raise InputError(f"{source} is a folder, and the checkpoint is of texts: pass a file of them")
        found = _predicted(model, stream or iter(given or []), batch_size)
        return ({"text": text, **prediction._asdict()} for text, prediction in found), _of_text
    from tithe.predict.images import score_images  # it needs the extra `image`

    sources = [Path(path) for path in given or []] or ([source] if source else [])
    if not sources:
        raise InputError("no images: give files or folders after the checkpoint, or --input FOLDER")
    return (line._asdict() for line in score_images(model, sources, model.task.rows_at_once)), _of_image


def _of_text(row: dict[str, Any]) -> str:
    return f"{row['label']}\t{row['probability']:.4f}\t{row['text']}"


def _of_image(row: dict[str, Any]) -> str:
    score = "–" if row["score"] is None else f"{row['score']:.4f}"
    return f"{row['verdict'] or row['reason']}\t{score}\t{row['path']}"


def _predicted(model: TrainedModel, stream: Iterable[str], batch_size: int) -> Predicted:
    """Yield (text, prediction) in order; memory holds a few batches, however many texts there are."""
    for chunk in chunks(stream, batch_size * _BATCHES_AT_ONCE):
        yield from zip(chunk, model.predict(chunk, batch_size), strict=True)
