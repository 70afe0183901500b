"""What is predicted: texts from Python, the command line, standard input or a file, and the columns kept with them."""

from __future__ import annotations

import itertools
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from tithe import config, plugins
from tithe.console import counted, printable
from tithe.data import compressed, sources
from tithe.data.clean import clean_text, why_not_text
from tithe.data.labels import storable
from tithe.data.readers import Unreadable
from tithe.data.sources import File, Source
from tithe.errors import InputError
from tithe.predict import kept_columns, plain_tables
from tithe.predict.plain_tables import Looked
from tithe.predict.prediction import TEXT

logger = logging.getLogger("tithe")

_EXCERPT = 80
_LINES = compressed.forms(".txt")


class TextInput(NamedTuple):
    """Files of texts to predict: a path as `sources.find` takes it, the column of the texts, how they are written."""

    path: Path
    text_column: str = TEXT
    layout: config.Layout = config.Layout()


class Input(NamedTuple):
    """A text, and all columns of its row, of which the text may be the only one."""

    text: str
    columns: Mapping[str, object]


class Part(NamedTuple):
    """The rows of one file, read from its beginning by each call; or those of a stream, which can be read once.

    Attributes
    ----------
    texts
        The texts of `rows`, without the work for their other columns.
    tables
        The same rows as tables; None where values are not kept as the file has them.
    """

    file: Path | None
    rows: Callable[[], Iterator[Input]]
    texts: Callable[[], Iterator[str]]
    tables: Callable[[], Iterator[pa.Table]] | None = None


@dataclass(frozen=True)
class Inputs:
    """Texts in order.

    Attributes
    ----------
    parts
        One for each file; one for a stream.
    text_column
        The name that the texts have in a table.
    columns
        The names and types of all columns.
    count
        Number of the texts; None for a stream.
    content
        The files whose bytes are the texts; none for a stream.
    """

    parts: tuple[Part, ...]
    text_column: str = TEXT
    columns: pa.Schema = field(default_factory=lambda: pa.schema([(TEXT, pa.string())]))
    count: int | None = None
    content: tuple[Path, ...] = ()

    @property
    def rows(self) -> Iterator[Input]:
        """The rows of all parts."""
        return itertools.chain.from_iterable(part.rows() for part in self.parts)

    @property
    def texts(self) -> Iterator[str]:
        """The texts of all parts."""
        return itertools.chain.from_iterable(part.texts() for part in self.parts)


def listed(inputs: Iterable[object], paths: bool = False) -> list[str]:
    """Return inputs as a list of texts: a list, a generator, an array, a Series, or one text alone.

    Of a table, such as a `Dataset` of the library datasets, they are the column called text.

    Parameters
    ----------
    paths
        The inputs are files: objects that stand for a path are accepted too.

    Raises
    ------
    InputError
        They are not one-dimensional or have no order, or one of them is not a text: its position is named.
    """
    if isinstance(inputs, str) or (paths and isinstance(inputs, os.PathLike)):
        inputs = [inputs]
    if (columns := getattr(inputs, "column_names", None)) is not None:
        inputs = _column_of_texts(inputs, columns)
    if isinstance(inputs, pa.Array | pa.ChunkedArray):
        inputs = inputs.to_pylist()
    kind = type(inputs).__name__
    if isinstance(inputs, bytes | Mapping | set | frozenset) or not hasattr(inputs, "__iter__"):
        raise InputError(f"inputs of type {kind} are not texts in an order: pass a list of str")
    if getattr(inputs, "ndim", 1) != 1:
        raise InputError(f"inputs of type {kind} have {inputs.ndim} dimensions: pass one, such as one column")  # type: ignore[attr-defined]
    return [_text(value, position, paths) for position, value in enumerate(inputs)]


def _column_of_texts(table: Any, columns: Iterable[str]) -> Iterable[object]:
    if TEXT not in columns:
        kind, shown = type(table).__name__, printable(", ".join(columns))
        raise InputError(f"the columns of this {kind} are {shown}, none of them 'text': pass the one with the texts")
    texts: Iterable[object] = table[TEXT]
    return texts


def _text(value: object, position: int, paths: bool) -> str:
    if paths and isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if not isinstance(value, str):
        shown = printable(repr(value))[:_EXCERPT]
        raise InputError(f"input {position} is {shown} ({type(value).__name__}), not a text: replace or remove it")
    return str(value)  # of NumPy's str too


def open_inputs(texts: list[str] | None, source: TextInput | None) -> Inputs:
    """Return the given texts, the rows of files, or the lines of standard input.

    A missing text in a file is replaced by an empty one, so that predictions and rows stay aligned; a warning says so.
    fastText's labels on a line of a text file are not part of its text.

    Raises
    ------
    InputError
        There is no input, a row of a file is unreadable, or a folder has no files of texts.
    """
    if texts:
        if named := next(filter(os.path.isfile, texts), None):
            logger.warning("%s is a file, whose name is classified here: for what it contains pass --input", named)
        return _of_stream(map(_decoded, texts))
    if source is None:
        return _of_stream(_lines(_standard_input()))
    if is_lines(source.path):
        return _of_lines(source)
    if source.path.is_dir() and not sources.has_parts(source.path):  # plain text among pictures is a note
        cure = f"pass a file of texts, or a pattern such as '{source.path}/*.txt'"
        problem = f"is a folder without {sources.FORMATS}, and the checkpoint classifies texts"
        raise InputError(f"{source.path} {problem}: {cure}")
    return _of_table(_Table(sources.find(source.path, None, source.layout), source.text_column))


def _of_stream(texts: Iterable[str]) -> Inputs:
    return Inputs((Part(None, lambda: map(_alone, texts), lambda: iter(texts)),))


def _alone(text: str) -> Input:
    return Input(text, {TEXT: text})


def _of_lines(source: TextInput) -> Inputs:
    lines = partial(_lines_of_file, source)
    part = Part(source.path, lambda: map(_alone, lines()), lines)
    return Inputs((part,), count=sum(1 for _ in lines()), content=(source.path,))


def is_lines(path: Path) -> bool:
    """Return whether a file has a text on every line, and no columns."""
    return compressed.suffix_of(path) in _LINES and not sources.is_pattern(path)


def _decoded(text: str) -> str:
    """Return an argument of the command line; bytes that are not UTF-8 are replaced as in a file."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text).decode("utf-8", "replace")
    return text


def _standard_input() -> Iterable[str]:
    if sys.stdin is None:
        raise InputError("standard input is closed: give a text after the checkpoint, or --input FILE")
    if sys.stdin.isatty():
        raise InputError("no text: give one after the checkpoint, or --input FILE, or lines on standard input")
    return sys.stdin


def _lines(stream: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(stream):
        yield (line if number else line.removeprefix("\ufeff")).rstrip("\n")


def _lines_of_file(source: TextInput) -> Iterator[str]:
    if not source.path.is_file():
        raise InputError(f"no input file {source.path}")
    text_of = plugins.load("readers", "fasttext").text_of
    with compressed.opened_text(source.path, source.layout.encoding, errors="replace") as file:
        yield from (text_of(line.rstrip("\r\n")) for line in file)


@dataclass(frozen=True)
class _Table:
    """Files with a text in each row."""

    source: Source
    text_column: str

    def rows(self, file: File) -> Iterator[tuple[object, Mapping[str, object]]]:
        """Yield each row's text as it is in its file, and its columns if the reader gives them."""
        texts = self._raw_texts(file)
        if not self.source.has_records:
            yield from zip(texts, itertools.repeat({}))
            return
        records = (record for rows in self.source.records(file) for record in rows)
        for text, record in zip(texts, records, strict=True):
            columns = record if isinstance(record, Mapping) else {}
            yield text, {name if name == self.text_column else storable(name): columns[name] for name in columns}

    def _raw_texts(self, file: File) -> Iterator[object]:
        return (text for rows in self.source.read(file, self.text_column, None) for text, _ in rows)

    def part(self, file: File, schema: pa.Schema, is_plain: bool) -> Part:
        """Return the rows of a file with the columns of the schema, also as tables if all values are plain."""
        rows = partial(self.inputs, file, schema)
        if not is_plain:
            return Part(file.path, rows, lambda: map(_or_empty, self._raw_texts(file)))
        texts = partial(plain_tables.texts, self.source, file, self.text_column)
        tables = partial(plain_tables.tables, self.source, file, self.text_column, schema)
        return Part(file.path, rows, texts, tables)

    def inputs(self, file: File, schema: pa.Schema) -> Iterator[Input]:
        """Yield each row with all columns of the schema; a missing text is an empty one."""
        row = kept_columns.row_of(schema)
        for text, columns in self.rows(file):
            text = _or_empty(text)
            yield Input(text, row({**columns, self.text_column: text}))


def _of_table(table: _Table) -> Inputs:
    """Look at every row before the first is predicted: predictions that end halfway are of no use."""
    plain = plain_tables.look(table.source, table.text_column)
    count, missing, first_missing, schema = plain or _looked_at(table)
    if missing:
        logger.warning(
            "%s: %d of %s %s no text, the first is row %d: predicted as an empty text",
            *(table.source.path, missing, counted(count, "row"), "has" if missing == 1 else "have", first_missing),
        )
    parts = tuple(table.part(file, schema, plain is not None) for file in table.source.files)
    return Inputs(parts, table.text_column, schema, count, table.source.content)


def _looked_at(table: _Table) -> Looked:
    missing, first_missing, count, types = 0, 0, 0, kept_columns.Types()
    for text, columns in itertools.chain.from_iterable(map(table.rows, table.source.files)):
        if isinstance(text, Unreadable):
            problem = f"{text.place(count)} is unreadable, '{clean_text(text)[:_EXCERPT]}'"
            cure = "; a text with a delimiter, a quote or a line break needs quotes around it" if text.line else ""
            raise InputError(f"{table.source.path}: {problem}: repair or remove it{cure}")
        if why_not_text(text):
            missing, first_missing = missing + 1, first_missing if missing else count
        types.add({**columns, table.text_column: ""})
        count += 1
    schema = types.schema()
    if table.text_column not in schema.names:  # no rows
        schema = schema.append(pa.field(table.text_column, pa.string()))
    return Looked(count, missing, first_missing, schema)


def _or_empty(text: object) -> str:
    return storable(text) if isinstance(text, str) and not why_not_text(text) else ""
