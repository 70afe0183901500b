"""Cells of CSV files that people open in a spreadsheet."""

from __future__ import annotations

import re

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)(e[+-]?[0-9]+)?%?", re.IGNORECASE)


def csv_cell(value: object) -> object:
    """Return a cell that no spreadsheet runs as a formula: a text that begins like one gets a `'` before it.

    Numbers stay numbers, and so do texts that are one, such as `-1.5` and `+79161234567`. The `'` is OWASP's treatment
    of CSV injection; formats for programs (Parquet, JSON) do without it.
    """
    is_formula = isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value
