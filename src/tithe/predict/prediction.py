"""A prediction: one list of columns for Python, JSON, JSONL, CSV and Parquet, described in docs/predictions.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from tithe.data import Label

TEXT, LABEL, PROBABILITY = "text", "label", "probability"


def class_column(name: Label) -> str:
    """Return the name of the column with the probabilities of a class."""
    return f"p_{name}"


class Prediction(NamedTuple):
    """The most probable class of one input, and the probability of every class by its name."""

    label: Label
    probability: float
    probabilities: dict[str, float]

    def columns(self) -> dict[str, Label | float]:
        """Return the columns `label`, `probability`, and `p_CLASS` of every class, in the order of the classes."""
        classes = {class_column(name): value for name, value in self.probabilities.items()}
        return {LABEL: self.label, PROBABILITY: self.probability, **classes}


def text_schema(names: Sequence[Label], kept: pa.Schema) -> pa.Schema:
    """Return the columns of predicted texts: those kept from the input, the text, and `Prediction.columns`.

    Parameters
    ----------
    names
        The classes.
    kept
        The other columns of the input; those called like a column of a prediction get another name.
    """
    label = pa.int64() if all(isinstance(name, int) for name in names) else pa.string()
    own = [(TEXT, pa.string()), (LABEL, label), *((name, pa.float64()) for name in _numbers(names))]
    renamed = kept_names(kept.names, names)
    return pa.schema([*((renamed[field.name], field.type) for field in kept), *own])


def kept_names(columns: Iterable[str], names: Sequence[Label]) -> dict[str, str]:
    """Return the name of each kept column in the output: `input_label` for `label`, which is that of a prediction."""
    taken = {TEXT, LABEL, *_numbers(names)}
    renamed: dict[str, str] = {}
    for column in columns:
        name = column
        while name in taken:
            name = f"input_{name}"
        renamed[column] = name
        taken.add(name)
    return renamed


def _numbers(names: Sequence[Label]) -> list[str]:
    return [PROBABILITY, *map(class_column, names)]
