"""Is a record of several lines one row whose text has line breaks, or many rows behind a quote that is never closed?

The lines decide. Behind an unclosed quote each is a row by itself: it has every field, and in a column that has few
values, such as the label, one of these. Lines of a text have neither, or by accident.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

# For each column its usual values: none where they do not repeat, as those of a text.
Values = list[set[str]]

_LINE_END = re.compile(r"\r\n|\r|\n")
# In a quoted field two quotes mean one of the text: of an odd number in a row, the last ends the field.
_ODD_QUOTES = re.compile(r'(?<!")"(?:"")*(?!")')
_FEW = 1000


class Record(NamedTuple):
    """A record of several lines.

    Attributes
    ----------
    lines, fields
        The lines, and the fields that they have as one record.
    width, delimiter
        Of the table.
    ended
        Whether the file ends inside the record's last quote.
    """

    lines: list[str]
    fields: list[str]
    width: int
    delimiter: str
    ended: bool


def strictly(lines: Iterable[str], delimiter: str) -> list[str] | None:
    """Return the fields of one record; None if its quotes break the rules of RFC 4180."""
    try:
        return next(csv.reader(lines, delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def usual_values(rows: Iterable[Sequence[str]], width: int) -> Values:
    """Return the values of each column that has few, each in several rows."""
    counts: dict[int, Counter[str]] = {column: Counter() for column in range(width)}
    total = 0
    for fields in rows:
        if len(fields) != width:
            continue
        total += 1
        for column, counter in list(counts.items()):
            counter[fields[column]] += 1
            if len(counter) > _FEW:
                del counts[column]
    few = {column: set(counter) - {""} for column, counter in counts.items() if 2 * len(counter) <= total}
    return [few.get(column, set()) for column in range(width)]


def hides_rows(record: Record, usual: Callable[[], Values]) -> bool:
    """Return whether the lines are rows, the first of which has a quote that is never closed.

    A record that RFC 4180 allows needs the strongest evidence: every line is a row with a usual value. For any other,
    half of the lines are enough.
    """
    column = next(at for at, field in enumerate(record.fields) if _LINE_END.search(field))
    text = record.fields[column].rstrip("\r\n") if record.ended else record.fields[column]
    first, *others = [line.split(record.delimiter) for line in _LINE_END.split(text)]
    by_the_rules = strictly(record.lines, record.delimiter) is not None
    opens = not record.ended and _opens(record.lines[-1], record.delimiter)
    if by_the_rules and len(record.fields) == record.width:
        return record.width > 1 and not opens and _are_all_rows(first, others, column, usual, record.width)
    if record.width == 1 or (opens and not by_the_rules):
        return True
    inner = [fields for fields in (others if record.ended else others[:-1]) if fields != [""]]
    return _are_mostly_rows(first, inner, column, usual(), record.width)


def _are_all_rows(
    first: list[str], others: list[list[str]], column: int, usual: Callable[[], Values], width: int
) -> bool:
    *inner, last = others
    if len(first) < width - column or len(last) <= column or any(len(fields) != width for fields in inner):
        return False
    values = usual()
    # Of the first line only the columns after the text are evidence, of the last one those before it.
    known = [_has_one(fields, values) for fields in inner]
    known += [_has_one(first[column - width :], values[column:])] if any(values[column + 1 :]) else []
    known += [_has_one(last, values[: column + 1])] if any(values[:column]) else []
    return bool(known) and all(known)


def _are_mostly_rows(first: list[str], inner: list[list[str]], column: int, usual: Values, width: int) -> bool:
    """Return whether at least half of the lines are rows; a value that the lines themselves repeat is usual too."""
    whole = [fields for fields in inner if len(fields) == width]
    values = [
        known | {value for value, count in Counter(fields[at] for fields in whole).items() if count > 1}
        for at, known in enumerate(usual)
    ]
    tail = first[column - width :] if len(first) >= width - column > 0 else []
    if any(values):
        rows = sum(_has_one(fields, values) for fields in whole)
        opening, evidence = _has_one(tail, values[column:]), any(values[column + 1 :])
    else:  # no column repeats its values: the number of fields has to do
        rows, evidence = len(whole), column < width - 1
        opening = evidence and bool(tail)
    return 2 * (rows + opening) >= len(inner) + (evidence or opening) > 0


def _has_one(fields: Sequence[str], values: Values) -> bool:
    return any(field in known for field, known in zip(fields, values, strict=False))


def _opens(line: str, delimiter: str) -> bool:
    """Return whether the first quote that is not one of a pair is at the beginning of a field."""
    quote = _ODD_QUOTES.search(line)
    return quote is not None and line[: quote.start()][-1:] in ("", delimiter)
