"""Columns that `tithe predict` keeps from its input: their types over the whole file, and a value in each format."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Mapping

import pyarrow as pa

from tithe.data.labels import storable

_ROWS = 4096


class Types:
    """The types of columns, from all of their values: a column with values of several kinds is text."""

    def __init__(self) -> None:
        self._types: dict[str, pa.DataType] = {}
        self._waiting: list[Mapping[str, object]] = []

    def add(self, row: Mapping[str, object]) -> None:
        """Take a row into account; rows may have different columns."""
        self._waiting.append(row)
        if len(self._waiting) == _ROWS:
            self._take()

    def schema(self) -> pa.Schema:
        """Return the columns in the order in which they were seen; one that has no values is text."""
        self._take()
        return pa.schema(
            [(name, pa.string() if pa.types.is_null(kind) else kind) for name, kind in self._types.items()]
        )

    def _take(self) -> None:
        for name in dict.fromkeys(name for row in self._waiting for name in row):
            kind = _type_of([row.get(name) for row in self._waiting])
            self._types[name] = _common(self._types.get(name, pa.null()), kind)
        self._waiting = []


def _type_of(values: list[object]) -> pa.DataType:
    """Return the type of values; text for what Arrow, or Parquet, has no type for."""
    if any(isinstance(value, bytes) for value in values):
        return pa.string()
    try:
        kind = pa.array(values).type
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        return pa.string()
    return pa.string() if "struct<>" in str(kind) else kind


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if pa.string() in (one, other) and not {one, other} <= {pa.string(), pa.null()}:
        return pa.string()
    try:
        schemas = [pa.schema([("", kind)]) for kind in (one, other)]
        kind = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return pa.string()
    if pa.types.is_nested(kind) and one != other and "double" in str(kind) and "int64" in f"{one} {other}":
        return pa.string()  # some integers in the lists or objects have no exact double
    return kind


def row_of(schema: pa.Schema) -> Callable[[Mapping[str, object]], dict[str, object]]:
    """Return what makes a row have every column of the schema, each value of the type of its column."""
    converters = [(field.name, _converter(field.type)) for field in schema]
    return lambda values: {name: convert(values.get(name)) for name, convert in converters}


def _converter(kind: pa.DataType) -> Callable[[object], object]:
    if pa.types.is_floating(kind):
        return lambda value: float(value) if isinstance(value, int) else value
    if pa.types.is_string(kind):
        return lambda value: None if value is None else as_text(value)
    return lambda value: value


def as_text(value: object) -> str:
    """Return a value as text: a list or an object as JSON, bytes as UTF-8 as far as they are."""
    if type(value) is str:  # of millions of rows nearly all are
        return storable(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool | list | dict):
        value = json.dumps(jsonable(value), ensure_ascii=False)
    return storable(str(value))


def jsonable(value: object) -> object:
    """Return a value as JSON has it: no number that is not one, a date as in ISO 8601, anything else as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {as_text(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else as_text(value)
