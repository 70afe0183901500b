"""Pages: plain data in the templates beside this file, every value escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from tithe.report import palette

MISSING = "–"


class Cell(NamedTuple):
    """A table's cell that is more than its value.

    Attributes
    ----------
    look
        A class of `style.css`, or nothing.
    dot
        The color of a dot before the text, or nothing.
    """

    text: str
    look: str = ""
    dot: str = ""


Value = str | float | None  # a score as float, a count as int; None where there is none
Fact = tuple[str, Value]


class Table(NamedTuple):
    """A table whose first column names the rows; the others align right."""

    head: Sequence[Value | Cell]
    rows: Sequence[Sequence[Value | Cell]]


class Image(NamedTuple):
    """A picture inside a page: the bytes of a PNG file, and what it shows, for readers who do not see it."""

    png: bytes
    description: str

    @property
    def uri(self) -> str:
        """The picture as an address that needs no other file."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def read_image(path: Path, description: str) -> Image:
    """Return a PNG file as part of a page."""
    return Image(path.read_bytes(), description)


def render(template: str, **values: object) -> str:
    """Return a page: one HTML document that needs no other file.

    Parameters
    ----------
    template
        The name of a file in `report/templates`; later rooms have theirs there too.
    values
        Everything the template names, as plain data.

    Raises
    ------
    jinja2.UndefinedError
        The template names a value that is not given.
    """
    return _TEMPLATES.get_template(template).render(values)


def _as_cell(value: Value | Cell) -> Cell:
    return value if isinstance(value, Cell) else Cell(_format(value))


def _format(value: Value) -> str:
    if value is None:
        return MISSING
    return f"{value:.4f}" if isinstance(value, float) else str(value)


_TEMPLATES = Environment(
    loader=PackageLoader("tithe.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["as_cell"] = _as_cell
_TEMPLATES.globals["palette"] = palette
