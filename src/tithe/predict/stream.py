"""Predict texts or images from the command line, a file or standard input, batch by batch."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tithe import storage
from tithe.console import printable
from tithe.data.labels import storable
from tithe.data.text import truncation
from tithe.errors import InputError
from tithe.models.examples import Truncated
from tithe.predict.inputs import Input, Inputs, TextInput, open_inputs
from tithe.predict.model import TrainedModel
from tithe.predict.opening import load
from tithe.predict.prediction import ABSTAINED, LABEL, PROBABILITY, Prediction, new_names, table_schema
from tithe.predict.writers import Row, chunks

logger = logging.getLogger("tithe")

# Texts of one pass: those of a file up to this size have the batches of an evaluation of the file.
_TEXTS_IN_MEMORY = 1 << 14
_IMAGE_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("score", pa.float64()),
        ("probability", pa.float64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True)
class Predictions:
    """A stream of predictions.

    Attributes
    ----------
    rows
        One for each input, in order, with the columns of `schema`.
    as_line
        Formats a row as one line for people.
    """

    rows: Iterator[Row]
    schema: pa.Schema
    as_line: Callable[[Row], str]


def predict_stream(
    checkpoint: Path,
    texts: list[str] | None,
    source: TextInput | None,
    batch_size: int | None,
    exact: bool = False,
) -> Predictions:
    """Return the predictions of a checkpoint.

    A checkpoint of the text task takes the inputs of `open_inputs`; one of the image task takes files and folders.
    For batch size and `exact` see `TrainedModel.predict`.

    Raises
    ------
    InputError
        The checkpoint or the input does not exist, the input can't be read, or options of texts are given for images.
    """
    model = load(checkpoint).exactly() if exact else load(checkpoint)
    if model.run.task != "image":
        return _of_texts(model, open_inputs(texts, source), batch_size)
    from tithe.predict.images import score_images  # it needs the extra `image`

    if source and source != TextInput(source.path):
        raise InputError("--text-column, --delimiter, --encoding and --column-names are for texts: leave them out")
    paths = [Path(storage.expand_home(path)) for path in texts or []] or ([source.path] if source else [])
    if not paths:
        raise InputError("no images: give files or folders after the checkpoint, or --input FOLDER")
    scores = score_images(model, paths, batch_size or model.rows_at_once)
    rows = ({**score._asdict(), "path": storable(score.path)} for score in scores)
    return Predictions(rows, _IMAGE_SCHEMA, _image_line)


def _of_texts(model: TrainedModel, inputs: Inputs, batch_size: int | None) -> Predictions:
    names, text = model.labels.names, inputs.text_column
    columns = pa.schema([*inputs.kept, (text, pa.string())])
    new = new_names(columns.names, names)

    def row(of: Input, prediction: Prediction) -> Row:
        return {**of.kept, text: of.text} | {new[key]: value for key, value in prediction.columns().items()}

    def line(row: Row) -> str:
        label = printable(row[new[LABEL]])
        shown = f"none of these ({label})" if row[new[ABSTAINED]] else label
        return f"{shown}\t{row[new[PROBABILITY]]:.4f}\t{printable(row[text])}"

    rows = (row(*pair) for pair in _predict_texts(model, inputs.rows, batch_size))
    return Predictions(rows, table_schema(names, columns), line)


def _image_line(row: Row) -> str:
    score = "–" if row["score"] is None else f"{row['score']:.4f}"
    return f"{row['verdict'] or row['reason']}\t{score}\t{printable(row['path'])}"


def _predict_texts(
    model: TrainedModel, stream: Iterator[Input], batch_size: int | None
) -> Iterator[tuple[Input, Prediction]]:
    """Yield (input, prediction) in order, with a bounded number of texts in memory; say at the end what was cut off."""
    total: Counter[str] = Counter()
    for chunk in chunks(stream, 1 if model.exact else _TEXTS_IN_MEMORY):
        examples = model.task.examples([of.text for of in chunk])
        if isinstance(examples, Truncated):
            total.update(truncation.count(examples.uncut, model.run.model.max_length))
        yield from zip(chunk, model.predict_examples(examples, batch_size), strict=True)
    if total["texts_cut"]:
        logger.warning("max_length %d cuts %s", model.run.model.max_length, truncation.phrase(total))
