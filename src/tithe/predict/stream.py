"""Predict texts or images from the command line, a file or standard input, batch by batch."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tithe import plugins
from tithe.data.clean import clean_text, why_not_text
from tithe.data.readers import Unreadable
from tithe.data.text import truncation
from tithe.data.text.ingest import find_reader
from tithe.errors import InputError
from tithe.models.examples import Truncated
from tithe.predict.model import Prediction, TrainedModel, load
from tithe.predict.writers import Rows, chunks

logger = logging.getLogger("tithe")

# Texts of one pass: those of a file up to this size have the batches of an evaluation of the file.
_TEXTS_IN_MEMORY = 1 << 14
_EXCERPT = 80


def read_texts(inputs: list[str] | None, source: Path | None, text_column: str) -> Iterator[str]:
    """Yield the given texts, the texts of a file, or the lines of standard input.

    A missing text in a file is replaced by an empty one, so that predictions and rows stay aligned; a warning says so.

    Raises
    ------
    InputError
        There is no input, or a row of the file is unreadable: before the first text.
    """
    if inputs:
        yield from inputs
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
        yield from _texts_of_rows(source, text_column)


def _texts_of_rows(source: Path, text_column: str) -> Iterator[str]:
    reader = plugins.load("readers", find_reader(source, None))
    _check(source, (text for rows in reader.read(source, text_column, None) for text, _ in rows))
    for rows in reader.read(source, text_column, None):
        yield from ("" if why_not_text(text) else text for text, _ in rows)


def _check(source: Path, texts: Iterator[object]) -> None:
    """Look for rows without a text, in a pass of its own: predictions that end halfway are of no use."""
    missing = []
    for row, text in enumerate(texts):
        if isinstance(text, Unreadable):
            problem = f"{text.place(row)} is unreadable, '{clean_text(text)[:_EXCERPT]}'"
            cure = "; a text with a delimiter, a quote or a line break needs quotes around it" if text.line else ""
            raise InputError(f"{source}: {problem}: repair or remove it{cure}")
        if why_not_text(text):
            missing.append(row)
    if missing:
        logger.warning(
            "%s: %d of %d rows have no text, the first is row %d: predicted as an empty text",
            *(source, len(missing), row + 1, missing[0]),
        )


def predict_stream(
    checkpoint: Path,
    inputs: list[str] | None,
    source: Path | None,
    text_column: str,
    batch_size: int | None,
    exact: bool = False,
) -> tuple[Rows, Callable[[dict[str, Any]], str]]:
    """Return the predictions of a checkpoint, and the function that formats one of them as a line.

    A checkpoint of the text task takes the inputs of `read_texts`; one of the image task takes files and folders.
    For batch size and `exact` see `TrainedModel.predict`.

    Raises
    ------
    InputError
        The checkpoint or the input does not exist.
    """
    stream = None if inputs is not None or (source and source.is_dir()) else read_texts(inputs, source, text_column)
    model = load(checkpoint).exactly() if exact else load(checkpoint)
    if model.run.task != "image":
        if source and source.is_dir():
            raise InputError(f"{source} is a folder, and the checkpoint classifies texts: pass a file of texts")
        predictions = _predict_texts(model, stream or iter(inputs or []), batch_size)
        return ({"text": text, **prediction._asdict()} for text, prediction in predictions), _text_line
    from tithe.predict.images import score_images  # it needs the extra `image`

    sources = [Path(path) for path in inputs or []] or ([source] if source else [])
    if not sources:
        raise InputError("no images: give files or folders after the checkpoint, or --input FOLDER")
    return (score._asdict() for score in score_images(model, sources, batch_size or model.rows_at_once)), _image_line


def _text_line(row: dict[str, Any]) -> str:
    return f"{row['label']}\t{row['probability']:.4f}\t{row['text']}"


def _image_line(row: dict[str, Any]) -> str:
    score = "–" if row["score"] is None else f"{row['score']:.4f}"
    return f"{row['verdict'] or row['reason']}\t{score}\t{row['path']}"


def _predict_texts(
    model: TrainedModel, stream: Iterable[str], batch_size: int | None
) -> Iterator[tuple[str, Prediction]]:
    """Yield (text, prediction) in order, with a bounded number of texts in memory; say at the end what was cut off."""
    total: Counter[str] = Counter()
    for chunk in chunks(stream, 1 if model.exact else _TEXTS_IN_MEMORY):
        examples = model.task.examples(chunk)
        if isinstance(examples, Truncated):
            total.update(truncation.count(examples.uncut, model.run.model.max_length))
        yield from zip(chunk, model.predict_examples(examples, batch_size), strict=True)
    if total["texts_cut"]:
        logger.warning("max_length %d cuts %s", model.run.model.max_length, truncation.phrase(total))
