"""A prediction: one schema for Python, the command line, files and HTTP, described in docs/predictions.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from tithe.arrays import Array
from tithe.data import Label

TEXT, LABEL, PROBABILITY, ABSTAINED, TRUNCATED = "text", "label", "probability", "abstained", "truncated"


def class_column(name: Label) -> str:
    """Return the name of the column with the probabilities of a class."""
    return f"p_{name}"


class Prediction(NamedTuple):
    """The answer for one input; `_asdict()` is its form in JSON.

    Attributes
    ----------
    label
        The most probable class, also where the answer is withheld.
    probability
        Its probability.
    probabilities
        The probability of every class by its name, in the order of the classes.
    abstained
        Whether the answer is "none of these": see docs/predictions.md. Never without saved thresholds.
    truncated
        Whether the text is longer than `max_length`, so that only its beginning was read.
    """

    label: Label
    probability: float
    probabilities: dict[str, float]
    abstained: bool
    truncated: bool

    def columns(self) -> dict[str, Label | float | bool]:
        """Return the columns of a table: as in JSON, but with a column `p_CLASS` for the probability of each class."""
        classes = {class_column(name): value for name, value in self.probabilities.items()}
        own = {PROBABILITY: self.probability, ABSTAINED: self.abstained, TRUNCATED: self.truncated}
        return {LABEL: self.label, **own, **classes}


def answers(names: Sequence[Label], probs_NC: Array, abstained_N: Array, truncated_N: Array) -> Iterator[Prediction]:
    """Yield the prediction of each row.

    Parameters
    ----------
    names
        The C classes.
    probs_NC
        Their probabilities, shape (N, C).
    abstained_N, truncated_N
        Booleans, shape (N,).
    """
    keys = [str(name) for name in names]
    for p_C, abstained, truncated in zip(probs_NC, abstained_N, truncated_N, strict=True):
        best = int(p_C.argmax())
        by_name = dict(zip(keys, map(float, p_C), strict=True))
        yield Prediction(names[best], float(p_C[best]), by_name, bool(abstained), bool(truncated))


def table_schema(names: Sequence[Label], kept: pa.Schema) -> pa.Schema:
    """Return the columns of a table of predictions: those of the input, unchanged, and `Prediction.columns`.

    Parameters
    ----------
    names
        The classes.
    kept
        The columns of the input, that of the texts included.
    """
    label = pa.int64() if all(isinstance(name, int) for name in names) else pa.string()
    kinds = {LABEL: label, ABSTAINED: pa.bool_(), TRUNCATED: pa.bool_()}
    new = new_names(kept.names, names)
    return pa.schema([*kept, *((new[column], kinds.get(column, pa.float64())) for column in new)])


def new_names(taken: Iterable[str], names: Sequence[Label]) -> dict[str, str]:
    """Return the name in a table of each column of `Prediction.columns`; columns of the input keep theirs.

    Where the input has a `label`, such as the true one, the new column is `predicted_label`, then `predicted_label_2`.

    Parameters
    ----------
    taken
        Names of the input's columns.
    names
        The classes.
    """
    used, new = set(taken), dict[str, str]()
    for column in (LABEL, PROBABILITY, ABSTAINED, TRUNCATED, *map(class_column, names)):
        name, number = column, 1
        while name in used:
            name = f"predicted_{column}" + (f"_{number}" if number > 1 else "")
            number += 1
        new[column] = name
        used.add(name)
    return new
