"""The classes of rows as numbers, in the order of first appearance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from tithe.arrays import Rows
from tithe.data.labels import Label, normalise
from tithe.errors import InputError

# What a row has that has no class.
MISSING, UNKNOWN = -1, -2
WHY_NOT = {MISSING: "missing_label", UNKNOWN: "unknown_symbol"}


class BadLabelError(InputError):
    """A value that is no label, at a position among those given."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position = position


class Classes:
    """The classes so far.

    Parameters
    ----------
    name_of
        The class of each symbol, by its normalised text; empty where the file has the class names.
    """

    def __init__(self, name_of: Mapping[str, str]) -> None:
        self._name_of = name_of
        self._code_of: dict[Label, int] = {}
        self._known: dict[str, int] = {}  # by the text that a file has

    @property
    def names(self) -> list[Label]:
        """The classes by their numbers."""
        return list(self._code_of)

    def codes(self, values: Sequence[object] | pa.Array) -> Rows:
        """Return the class of each value, `MISSING` or `UNKNOWN`, shape (N,).

        Raises
        ------
        BadLabelError
            A value is no label.
        """
        if not isinstance(values, pa.Array):
            return np.array([self._coded(row, value) for row, value in enumerate(values)], dtype=np.int64)
        coded = values.dictionary_encode("encode")
        index_N = coded.indices.to_numpy()
        distinct = coded.dictionary.to_pylist()
        code_D = np.array([self._coded(index, value) for index, value in enumerate(distinct)], dtype=np.int64)
        return np.asarray(code_D[index_N])

    def code(self, label: Label) -> int:
        """Return the number of a class, a new one for a new class."""
        return self._code_of.setdefault(label, len(self._code_of))

    def _coded(self, row: int, value: object) -> int:
        if type(value) is not str:
            return self._found(row, value)
        if value not in self._known:
            self._known[value] = self._found(row, value)
        return self._known[value]

    def _found(self, row: int, value: object) -> int:
        try:
            label = normalise(value)
        except InputError as error:
            raise BadLabelError(row, str(error)) from None
        if label is not None and self._name_of:
            label = self._name_of.get(str(label))
            return UNKNOWN if label is None else self.code(label)
        return MISSING if label is None else self.code(label)
