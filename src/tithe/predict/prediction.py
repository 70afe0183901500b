"""A prediction: one schema for Python, the command line, files and HTTP, described in docs/predictions.md."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tithe.arrays import Array
from tithe.console import counted
from tithe.data import Label
from tithe.report.html import Table
from tithe.report.result import table_html

TEXT, LABEL, PROBABILITY, ABSTAINED, TRUNCATED = "text", "label", "probability", "abstained", "truncated"
_SHOWN = 20  # predictions in a notebook


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

    def columns(self, top_k: int | None = None) -> dict[str, Label | float | bool]:
        """Return the columns of a table, those of `own_columns`."""
        own = {LABEL: self.label, PROBABILITY: self.probability, ABSTAINED: self.abstained, TRUNCATED: self.truncated}
        if top_k is None:
            return own | {class_column(name): value for name, value in self.probabilities.items()}
        kind = type(self.label)  # the names in `probabilities` are text
        for rank, name in enumerate(self.best(top_k)[1:], start=2):
            own |= {f"{LABEL}_{rank}": kind(name), f"{PROBABILITY}_{rank}": self.probabilities[name]}
        return own

    def best(self, top_k: int) -> list[str]:
        """Return the names of the most probable classes; of equal ones the first."""
        return heapq.nlargest(top_k, self.probabilities, key=self.probabilities.__getitem__)


class PredictionList(list[Prediction]):
    """The predictions of inputs, in their order. A notebook shows the first ones as a table."""

    def _repr_html_(self) -> str:
        shown = [
            (number, str(each.label), each.probability, _remarks(each)) for number, each in enumerate(self[:_SHOWN])
        ]
        more = [("and", f"{len(self) - _SHOWN} more")] if len(self) > _SHOWN else []
        return table_html(counted(len(self), "prediction"), Table(("", LABEL, PROBABILITY, ""), shown), more)


def _remarks(prediction: Prediction) -> str:
    return ", ".join(name for name in (ABSTAINED, TRUNCATED) if getattr(prediction, name))


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


class Answered(NamedTuple):
    """What `answers` takes for N inputs: probabilities (N, C), and two booleans of each, (N,)."""

    probs_NC: Array
    abstained_N: Array
    truncated_N: Array


def as_table(names: Sequence[Label], answered: Answered, top_k: int | None = None) -> pa.Table:
    """Return the predictions of `answers` as a table of `own_columns`, without a Python object for each."""
    schema, probs_NC = own_columns(names, top_k), np.asarray(answered.probs_NC, dtype=np.float64)
    label_C, each_N = pa.array(names, schema.field(LABEL).type), np.arange(len(probs_NC))
    best_N = probs_NC.argmax(axis=1)
    own = [label_C.take(pa.array(best_N)), *map(pa.array, (probs_NC[each_N, best_N], *answered[1:]))]
    if top_k is None:
        own += [pa.array(np.ascontiguousarray(p_N)) for p_N in probs_NC.T]
    else:
        order_NK = np.argsort(-probs_NC, axis=1, kind="stable")[:, :top_k]
        for place_N in order_NK.T[1:]:
            own += [label_C.take(pa.array(place_N)), pa.array(probs_NC[each_N, place_N])]
    return pa.table(own, schema=schema)


def own_columns(names: Sequence[Label], top_k: int | None = None) -> pa.Schema:
    """Return the columns that predictions add to a table.

    Parameters
    ----------
    names
        The C classes.
    top_k
        How many classes to name, in columns `label_2`, `probability_2` and so on; a column `p_CLASS` for each class
        when unset.
    """
    label = pa.int64() if all(isinstance(name, int) for name in names) else pa.string()
    kinds = {LABEL: label, PROBABILITY: pa.float64(), ABSTAINED: pa.bool_(), TRUNCATED: pa.bool_()}
    if top_k is None:
        kinds |= dict.fromkeys(map(class_column, names), pa.float64())
    for rank in range(2, min(top_k or 0, len(names)) + 1):
        kinds |= {f"{LABEL}_{rank}": label, f"{PROBABILITY}_{rank}": pa.float64()}
    return pa.schema(kinds)


def new_names(taken: Iterable[str], own: Iterable[str]) -> dict[str, str]:
    """Return the name in a table of each column of predictions; columns of the input keep theirs.

    Where the input has a `label`, such as the true one, the new column is `predicted_label`, then `predicted_label_2`.

    Parameters
    ----------
    taken
        Names of the input's columns.
    own
        Names of `own_columns`.
    """
    used, new = set(taken), {}
    for column in own:
        name, number = column, 1
        while name in used:
            name = f"predicted_{column}" + (f"_{number}" if number > 1 else "")
            number += 1
        new[column] = name
        used.add(name)
    return new
