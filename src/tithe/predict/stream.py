"""Predict texts or images from the command line, a file or standard input, batch by batch."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tithe import config, plugins, storage
from tithe.data import compressed, sources
from tithe.data.clean import clean_text, why_not_text
from tithe.data.readers import Pair, Unreadable
from tithe.data.sources import Source
from tithe.data.text import truncation
from tithe.errors import InputError
from tithe.models.examples import Truncated
from tithe.predict.model import Prediction, TrainedModel, load
from tithe.predict.writers import Rows, chunks

logger = logging.getLogger("tithe")

# Texts of one pass: those of a file up to this size have the batches of an evaluation of the file.
_TEXTS_IN_MEMORY = 1 << 14
_EXCERPT = 80
_LINES = compressed.forms(".txt")


class TextInput(NamedTuple):
    """Files of texts to predict: a path as `sources.find` takes it, the column of the texts, how they are written."""

    path: Path
    text_column: str = "text"
    layout: config.Layout = config.Layout()


def read_texts(inputs: list[str] | None, source: TextInput | None) -> Iterator[str]:
    """Yield the given texts, the texts of a file, or the lines of standard input.

    A missing text in a file is replaced by an empty one, so that predictions and rows stay aligned; a warning says so.
    fastText's labels on a line of a text file are not part of its text.

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
    elif is_lines(source.path):
        if not source.path.is_file():
            raise InputError(f"no input file {source.path}")
        with compressed.opened_text(source.path, source.layout.encoding, errors="replace") as file:
            text_of = plugins.load("readers", "fasttext").text_of
            yield from (text_of(line.rstrip("\r\n")) for line in file)
    elif source.path.is_dir() and not sources.has_parts(source.path):  # plain text among pictures is a note
        cure = f"pass a file of texts, or a pattern such as '{source.path}/*.txt'"
        problem = f"is a folder without {sources.FORMATS}, and the checkpoint classifies texts"
        raise InputError(f"{source.path} {problem}: {cure}")
    else:
        yield from _texts_of_rows(sources.find(source.path, None, source.layout), source.text_column)


def is_lines(path: Path) -> bool:
    """Return whether a file has a text on every line, and no columns."""
    return compressed.suffix_of(path) in _LINES and not sources.is_pattern(path)


def _texts_of_rows(source: Source, text_column: str) -> Iterator[str]:
    _check(source.path, (text for rows in _rows(source, text_column) for text, _ in rows))
    for rows in _rows(source, text_column):
        yield from (text if isinstance(text, str) and not why_not_text(text) else "" for text, _ in rows)


def _rows(source: Source, text_column: str) -> Iterator[list[Pair]]:
    for file in source.files:
        yield from source.read(file, text_column, None)


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
    source: TextInput | None,
    batch_size: int | None,
    exact: bool = False,
) -> tuple[Rows, Callable[[dict[str, Any]], str]]:
    """Return the predictions of a checkpoint, and the function that formats one of them as a line.

    A checkpoint of the text task takes the inputs of `read_texts`; one of the image task takes files and folders.
    For batch size and `exact` see `TrainedModel.predict`.

    Raises
    ------
    InputError
        The checkpoint or the input does not exist, or options of texts are given for images.
    """
    model = load(checkpoint).exactly() if exact else load(checkpoint)
    if model.run.task != "image":
        stream = iter(inputs) if inputs is not None else read_texts(None, source)
        predictions = _predict_texts(model, stream, batch_size)
        return ({"text": text, **prediction._asdict()} for text, prediction in predictions), _text_line
    from tithe.predict.images import score_images  # it needs the extra `image`

    if source and source != TextInput(source.path):
        raise InputError("--text-column, --delimiter, --encoding and --column-names are for texts: leave them out")
    paths = [Path(storage.expand_home(path)) for path in inputs or []] or ([source.path] if source else [])
    if not paths:
        raise InputError("no images: give files or folders after the checkpoint, or --input FOLDER")
    return (score._asdict() for score in score_images(model, paths, batch_size or model.rows_at_once)), _image_line


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
