"""CSV and TSV: the delimiter, the header, and the rows by line; an unclosed quote costs its own line and no others."""

from __future__ import annotations

import contextlib
import csv
import itertools
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TextIO

from tithe.data import unclosed_quotes
from tithe.data.readers import Unreadable
from tithe.data.unclosed_quotes import SUSPICIOUS
from tithe.errors import InputError

# Part of the place in the cache: increase it when the same file would give other rows.
VERSION = 1

_DELIMITERS = ",;\t"
# Of a table with one column: no text has this character, so that commas are part of the text.
_NO_DELIMITER = "\uffff"
_HEADER_LINES = 10
_SAMPLE = 100_000

Row = list[str] | Unreadable


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Table]:
    """Open a table whose first line has the names of its columns.

    Raises
    ------
    InputError
        In the block too: the file is not UTF-8, or not CSV.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield Table(path, file)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}): convert it, for example with iconv") from None
    except csv.Error as error:
        raise InputError(f"{path} is not CSV: {error}") from None


class Table:
    """An open file of delimited fields.

    Attributes
    ----------
    header
        Names of the columns; none for an empty file.
    delimiter
        The one of comma, semicolon and tab that gives the header most fields; quotes are respected.
    """

    def __init__(self, path: Path, file: TextIO) -> None:
        lines = list(itertools.islice(file, _HEADER_LINES))
        self.header, self.delimiter, self._skipped = _header(lines)
        self._path = path
        file.seek(0)
        self._lines = _Lines(itertools.islice(file, self._skipped, None))

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield the number of a row's first line, from 1 for the first of the file, and its fields.

        A row with the wrong number of fields is unreadable, and so is a line with a quote that is never closed; the
        lines after that one are read again as rows of their own. Blank lines between rows are passed over.
        """
        lines, width, line = self._lines, len(self.header), self._skipped + 1
        taken, again, feed = lines.taken, lines.again, iter(lines)
        reader = csv.reader(feed, delimiter=self.delimiter, strict=True)
        while not lines.ended:
            try:
                for fields in reader:
                    if len(fields) == width and len(taken) < SUSPICIOUS:
                        yield line, fields
                    elif fields:
                        yield from self._judged(fields, line, broken=False)
                    line += len(taken) - len(again)
                    taken.clear()
            except csv.Error:  # of the quotes; read as Python's csv reads them when it is not strict
                fields = next(csv.reader(itertools.chain(taken.copy(), feed), delimiter=self.delimiter))
                yield from self._judged(fields, line, broken=True)
                line += len(taken) - len(again)
                taken.clear()

    def _judged(self, fields: list[str], line: int, broken: bool) -> Iterator[tuple[int, Row]]:
        """Yield what a record is: one row, or the rows that an unclosed quote has swallowed."""
        width, read, ended = len(self.header), self._lines.taken.copy(), self._lines.ended
        record = unclosed_quotes.Record(read, fields, width, self.delimiter, broken, ended)
        if unclosed_quotes.hides_rows(record, lambda: self._usual_values):
            if not ended:  # only the last line may be the first of another record
                self._lines.again.append(read[-1])
            for number, text in enumerate(read if ended else read[:-1], line):
                if row := self._alone(text, number):
                    yield number, row
        elif ended:
            yield line, Unreadable("".join(read).rstrip("\r\n"), line)
        elif len(fields) != width:
            yield line, Unreadable(self.delimiter.join(fields), line)
        else:
            yield line, fields

    def _alone(self, text: str, line: int) -> Row | None:
        """Return the row on one line; None for a blank one."""
        reader = csv.reader([text, ""], delimiter=self.delimiter)
        fields = next(reader)
        if reader.line_num > 1 or len(fields) != len(self.header):
            return Unreadable(text.rstrip("\r\n"), line) if fields else None
        return fields

    @cached_property
    def _usual_values(self) -> list[set[str]]:
        """The values of the columns that have few, in rows of one line."""
        with self._path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            return unclosed_quotes.usual_values(_rows_of_one_line(file, self.delimiter), len(self.header))


class _Lines:
    """The lines of a file.

    Attributes
    ----------
    taken
        Those given since it was last cleared.
    again
        At most one, to be given once more.
    ended
        Whether more were asked for than there are: within a record, its quote is open at the end of the file.
    """

    def __init__(self, file: Iterator[str]) -> None:
        self.taken: list[str] = []
        self.again: list[str] = []
        self.ended = False
        self._file = file

    def __iter__(self) -> Iterator[str]:
        taken, again = self.taken, self.again
        for line in self._file:
            taken.append(line)
            yield line
            while again:
                taken.append(again.pop())
                yield taken[-1]
        self.ended = True


def _header(lines: Sequence[str]) -> tuple[list[str], str, int]:
    """Return the fields of the header, their delimiter, and the number of lines that it takes."""
    for count in range(1, len(lines) + 1):
        if found := [(f, mark, count) for mark in _DELIMITERS if (f := _strictly(lines[:count], mark))]:
            break
    else:
        found = [(next(csv.reader(lines[:1], delimiter=mark), []), mark, 1) for mark in _DELIMITERS]
    fields, mark, count = max(found, key=lambda one: len(one[0]))
    return fields, mark if len(fields) > 1 else _NO_DELIMITER, count


def _strictly(lines: Sequence[str], delimiter: str) -> list[str] | None:
    """Return the fields of one record; None if its quotes break the rules of RFC 4180."""
    try:
        return next(csv.reader(lines, delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def _rows_of_one_line(file: TextIO, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(file, delimiter=delimiter)
    next(reader, None)  # the header
    before = reader.line_num
    for fields in itertools.islice(reader, _SAMPLE):
        if reader.line_num == before + 1:
            yield fields
        before = reader.line_num
