"""Predict texts or images from the command line, a file or standard input, batch by batch."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from tithe.console import printable
from tithe.data import Label
from tithe.data.text import truncation
from tithe.engines import Engine
from tithe.errors import InputError
from tithe.models.examples import Truncated
from tithe.models.foundation.detector import Foundation
from tithe.predict.explanation import WORDS, Explained
from tithe.predict.inputs import Input, TextInput, open_inputs
from tithe.predict.model import TrainedModel
from tithe.predict.prediction import (
    ABSTAINED,
    LABEL,
    PROBABILITY,
    Answered,
    Prediction,
    answers,
    as_table,
    new_names,
    own_columns,
)
from tithe.predict.writers import Row, chunks
from tithe.progress import Tick

if TYPE_CHECKING:  # it needs the extra `image`
    from tithe.predict.images import Look

logger = logging.getLogger("tithe")

# Texts of one pass: those of a file up to this size have the batches of an evaluation of the file.
TEXTS_AT_ONCE = 1 << 14
_TEXTS_EXPLAINED = 64
_IMAGE_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("score", pa.float64()),
        ("probability", pa.float64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("why", pa.string()),
    ]
)


@dataclass(frozen=True)
class Answering:
    """How texts are answered.

    Attributes
    ----------
    batch_size
        See `TrainedModel.predict`.
    top_k
        See `own_columns`.
    max_pixels
        Of images: see `score_images`.
    """

    batch_size: int | None = None
    top_k: int | None = None
    max_pixels: int | None = None


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


class TextTable:
    """The columns of a table of answered texts: those of the input, and those of the predictions.

    Attributes
    ----------
    own
        Names and types of the latter, which are those of `own_columns`, renamed where the input has the same name.
    """

    def __init__(self, columns: pa.Schema, text_column: str, names: Sequence[Label], top_k: int | None) -> None:
        own = own_columns(names, top_k)
        self._new, self._text_column, self._top_k = new_names(columns.names, own.names), text_column, top_k
        self._names = names
        self.own = pa.schema([field.with_name(self._new[field.name]) for field in own])
        self.schema = pa.schema([*columns, *self.own])

    def answer(self, prediction: Prediction) -> Row:
        """Return a prediction as the columns `own`."""
        return {self._new[name]: value for name, value in prediction.columns(self._top_k).items()}

    def answers(self, answered: Answered) -> pa.Table:
        """Return predictions as a table of the columns `own`."""
        return pa.table(as_table(self._names, answered, self._top_k).columns, schema=self.own)

    def line(self, row: Row) -> str:
        """Return a row as one line for people."""
        label = printable(row[self._new[LABEL]])
        shown = f"none of these ({label})" if row[self._new[ABSTAINED]] else label
        return f"{shown}\t{row[self._new[PROBABILITY]]:.4f}\t{printable(row[self._text_column])}"


def predict_stream(
    model: TrainedModel, texts: list[str] | None, source: TextInput | None, how: Answering
) -> Predictions:
    """Return the predictions of a model.

    A model of the text task takes the inputs of `open_inputs`; one of the image task takes files and folders.

    Raises
    ------
    InputError
        The input does not exist or can't be read, or options of texts are given for images.
    """
    if model.run.task != "image":
        if how.max_pixels is not None:
            raise InputError("--max-pixels is for images: leave it out")
        return _of_texts(model, texts, source, how)
    return score_stream(model, texts, source, how)


def score_stream(
    model: TrainedModel,
    texts: list[str] | None,
    source: TextInput | None,
    how: Answering,
    look: Look | None = None,
    engine: Engine | None = None,
) -> Predictions:
    """Return the scores of images by a model of the image task; `look` and `engine` as in `score_images`.

    Raises
    ------
    InputError
        See `predict_stream`.
    """
    # They need the extra `image`.
    from tithe.predict.images import given_sources, score_images
    from tithe.predict.verdicts import NO_TRACE

    if how.top_k is not None:
        raise InputError("--top-k is for texts, and an image has one score: leave it out")
    paths = given_sources(texts, source)
    scores = score_images(model, paths, how.batch_size or model.rows_at_once, how.max_pixels, look, engine)
    # Of a head on an encoder, which says what it knows; the words of a detector of pixels are documented.
    real = NO_TRACE if isinstance(model.model, Foundation) else "real"
    return Predictions((score._asdict() for score in scores), _IMAGE_SCHEMA, partial(_image_line, real=real))


def explain_stream(model: TrainedModel, texts: list[str] | None, source: TextInput | None) -> Iterator[Explained]:
    """Yield an explanation for each of the inputs of `open_inputs`, with a bounded number of texts in memory.

    Raises
    ------
    InputError
        See `open_inputs`.
    """
    inputs = open_inputs(texts, source)
    table = TextTable(inputs.columns, inputs.text_column, model.labels.names, None)
    [words] = new_names(table.schema.names, [WORDS]).values()
    for chunk in chunks(inputs.rows, _TEXTS_EXPLAINED):
        for of, each in zip(chunk, model.explain([of.text for of in chunk]), strict=True):
            yield Explained(each, {**of.columns, **table.answer(each.prediction), words: each.words_with_weights()})


def _of_texts(model: TrainedModel, texts: list[str] | None, source: TextInput | None, how: Answering) -> Predictions:
    inputs = open_inputs(texts, source)
    table = TextTable(inputs.columns, inputs.text_column, model.labels.names, how.top_k)
    rows = ({**of.columns, **table.answer(prediction)} for of, prediction in _answers(model, inputs.rows, how))
    return Predictions(rows, table.schema, table.line)


def _answers(model: TrainedModel, stream: Iterator[Input], how: Answering) -> Iterator[tuple[Input, Prediction]]:
    """Yield (input, prediction) in order, with a bounded number of texts in memory; say at the end what was cut off."""
    cut: Counter[str] = Counter()
    for chunk in chunks(stream, 1 if model.exact else TEXTS_AT_ONCE):
        answered = answer(model, [of.text for of in chunk], how, cut)
        yield from zip(chunk, answers(model.labels.names, *answered), strict=True)
    warn_of_cut(model, cut)


def answer(
    model: TrainedModel, texts: Sequence[str], how: Answering, cut: Counter[str], tick: Tick = lambda rows: None
) -> Answered:
    """Return the answers for some texts, and add to `cut` what `truncation.count` says of them."""
    examples = model.task.examples(texts)
    if isinstance(examples, Truncated):
        cut.update(truncation.count(examples.uncut, model.run.model.reach))
    return model.answered(examples, how.batch_size, tick)


def warn_of_cut(model: TrainedModel, cut: Counter[str]) -> None:
    """Say how many texts were longer than the model reads."""
    if cut["texts_cut"]:
        logger.warning("max_length %d cuts %s", model.run.model.max_length, truncation.phrase(cut))


def _image_line(row: Row, real: str) -> str:
    score = "–" if row["score"] is None else f"{row['score']:.4f}"
    words = real if row["verdict"] == "real" else row["verdict"] or row["reason"]
    words = f"{words} ({row['why']})" if row["why"] else words
    return f"{words}\t{score}\t{printable(row['path'])}"
