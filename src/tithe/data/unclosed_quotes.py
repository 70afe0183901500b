"""Tell a row whose text has line breaks from rows behind a quote that is never closed: each is one record to csv.

The lines decide. Behind an unclosed quote each is a row by itself: it has every field, and in a column that has few
values, such as the label, one of these. Lines of a text have neither, or by accident.
"""

from __future__ import annotations

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
# A valid text of fewer lines is not doubted: four may look like rows by accident, as the marks in a review do.
SUSPICIOUS = 5


class Record(NamedTuple):
    """A record of several lines.

    Attributes
    ----------
    lines, fields
        The lines, and the fields that they have as one record.
    width, delimiter
        Of the table.
    broken
        Whether its quotes break the rules of RFC 4180.
    ended
        Whether the file ends inside the record's last quote.
    """

    lines: list[str]
    fields: list[str]
    width: int
    delimiter: str
    broken: bool
    ended: bool


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

    A record that RFC 4180 allows needs the strongest evidence: it is long, and every line is a row with a usual value.
    For any other, half of the lines are enough.
    """
    if len(record.lines) == 1:
        return False
    if not record.broken and len(record.fields) == record.width:
        return _are_all_rows(record, usual) and not _opens(record)
    return record.width == 1 or (record.broken and _opens(record)) or _are_mostly_rows(record, usual())


def _are_all_rows(record: Record, usual: Callable[[], Values]) -> bool:
    width = record.width
    if width == 1 or any(line.count(record.delimiter) != width - 1 for line in record.lines):
        return False
    column, first, others = _swallowed(record)
    *inner, last = others
    values = usual()
    # Of the first line only the columns after the text are evidence, of the last one those before it.
    known = [_has_one(fields, values) for fields in inner]
    known += [_has_one(first, values[column:])] if any(values[column + 1 :]) else []
    known += [_has_one(last, values[: column + 1])] if any(values[:column]) else []
    return all(known)


def _are_mostly_rows(record: Record, usual: Values) -> bool:
    """Return whether at least half of the lines are rows; a value that the lines themselves repeat is usual too."""
    column, first, others = _swallowed(record)
    inner = [fields for fields in (others if record.ended else others[:-1]) if fields != [""]]
    whole = [fields for fields in inner if len(fields) == record.width]
    values = [
        known | {value for value, count in Counter(fields[at] for fields in whole).items() if count > 1}
        for at, known in enumerate(usual)
    ]
    left = record.width - column  # fields of the first line from the text on; commas in the text make them more
    tail = first[-left:] if len(first) >= left > 0 else []
    if any(values):
        rows = sum(_has_one(fields, values) for fields in whole)
        opening, evidence = _has_one(tail, values[column:]), any(values[column + 1 :])
    else:  # no column repeats its values: the number of fields has to do
        rows, evidence = len(whole), left > 1
        opening = evidence and bool(tail)
    return 2 * (rows + opening) >= len(inner) + (evidence or opening) > 0


def _swallowed(record: Record) -> tuple[int, list[str], list[list[str]]]:
    """Return the column that has several lines, and the fields on the first of these lines and on the others."""
    column = next(at for at, field in enumerate(record.fields) if _LINE_END.search(field))
    text = record.fields[column].rstrip("\r\n") if record.ended else record.fields[column]
    first, *others = [line.split(record.delimiter) for line in _LINE_END.split(text)]
    return column, first, others


def _has_one(fields: Sequence[str], values: Values) -> bool:
    return any(field in known for field, known in zip(fields, values, strict=False))


def _opens(record: Record) -> bool:
    """Return whether the quote that ends the text is at the beginning of a field: it opens another."""
    line = record.lines[-1]
    quote = None if record.ended else _ODD_QUOTES.search(line)
    return quote is not None and line[: quote.start()][-1:] in ("", record.delimiter)
