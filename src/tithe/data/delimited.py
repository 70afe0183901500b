"""CSV and TSV: the delimiter, the header, and the rows by line; an unclosed quote costs its own line and no others."""

from __future__ import annotations

import contextlib
import csv
import itertools
import string
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from tithe import config
from tithe.data import compressed, unclosed_quotes
from tithe.data.readers import Unreadable
from tithe.data.unclosed_quotes import SUSPICIOUS
from tithe.errors import InputError

# Part of the place in the cache: increase it when the same file would give other rows.
VERSION = 1

_DELIMITERS = ",;\t"
# Of a table with one column: no text has this character, so that commas are part of the text.
_NO_DELIMITER = "\uffff"
_UNSEEN = string.whitespace + "\u00a0\ufeff\u200b\u2060"
_HEADER_LINES = 10
_SAMPLE = 100_000
_PLAIN = config.Layout()

Row = list[str] | Unreadable


@contextlib.contextmanager
def opened(path: Path, layout: config.Layout = _PLAIN) -> Iterator[Table]:
    """Open a table; its first line has the names of its columns, unless the layout has them.

    Raises
    ------
    InputError
        In the block too: the file has another encoding, is not CSV, or a compressed file is damaged.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with compressed.opened_text(path, layout.encoding) as file:
            yield Table(path, file, layout)
    except csv.Error as error:
        raise InputError(f"{path} is not CSV: {error}") from None


class Table:
    """An open file of delimited fields.

    Attributes
    ----------
    header
        Names of the columns, without what can't be seen at their ends; none for an empty file. Blank lines may come
        before it.
    delimiter
        That of the layout, or the one of comma, semicolon and tab that gives the header most fields; quotes are
        respected.
    """

    def __init__(self, path: Path, file: Iterator[str], layout: config.Layout) -> None:
        lines = list(itertools.islice(file, _HEADER_LINES))
        self._path, self._layout = path, layout
        if layout.column_names:
            self.header, self._skipped = list(layout.column_names), 0
            self.delimiter = _delimiter_of(path, lines, layout)
        else:
            blank = sum(1 for _ in itertools.takewhile(str.isspace, lines))
            names, mark, count = _header(lines[blank:], layout.delimiter or _DELIMITERS)
            self.header, self._skipped = [name.strip(_UNSEEN) for name in names], blank + count
            self.delimiter = mark if layout.delimiter or len(self.header) > 1 else _NO_DELIMITER
        self._lines = _Lines(itertools.chain(lines[self._skipped :], file))

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
        with compressed.opened_text(self._path, self._layout.encoding, errors="replace") as file:
            rows = _rows_of_one_line(file, self.delimiter, has_header=self._skipped > 0)
            return unclosed_quotes.usual_values(rows, len(self.header))


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


def _header(lines: Sequence[str], delimiters: str) -> tuple[list[str], str, int]:
    """Return the fields of the header, their delimiter, and the number of lines that it takes."""
    for count in range(1, len(lines) + 1):
        if found := [(f, mark, count) for mark in delimiters if (f := _strictly(lines[:count], mark))]:
            break
    else:
        found = [(next(csv.reader(lines[:1], delimiter=mark), []), mark, 1) for mark in delimiters]
    return max(found, key=lambda one: len(one[0]))


def _delimiter_of(path: Path, lines: Sequence[str], layout: config.Layout) -> str:
    """Return the delimiter that gives the first row of a file without a header a field for each name."""
    names = layout.column_names or ()
    if len(names) == 1 and not layout.delimiter:
        return _NO_DELIMITER
    widths = {mark: len(_header(lines, mark)[0]) for mark in layout.delimiter or _DELIMITERS}
    if len(names) not in widths.values():
        counts = f"{max(widths.values())} fields in its first line, and data.column_names {len(names)} names"
        raise InputError(f"{path} has {counts}: name every column, or set data.delimiter")
    return next(mark for mark, width in widths.items() if width == len(names))


def _strictly(lines: Sequence[str], delimiter: str) -> list[str] | None:
    """Return the fields of one record; None if its quotes break the rules of RFC 4180."""
    try:
        return next(csv.reader(lines, delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def _rows_of_one_line(file: Iterable[str], delimiter: str, has_header: bool) -> Iterator[list[str]]:
    reader = csv.reader(file, delimiter=delimiter)
    if has_header:
        next(reader, None)
    before = reader.line_num
    for fields in itertools.islice(reader, _SAMPLE):
        if reader.line_num == before + 1:
            yield fields
        before = reader.line_num
