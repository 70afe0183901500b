"""Pages: plain data in the templates beside this file, every value escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tithe import console
from tithe.report import palette, words
from tithe.report.words import Phrase

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

    text: str | Phrase
    look: str = ""
    dot: str = ""


Value = str | Phrase | float | None  # a score as float, a count as int; None where there is none
Fact = tuple[str | Phrase, Value]


class Table(NamedTuple):
    """A table whose first column names the rows; the others align right."""

    head: Sequence[Value | Cell]
    rows: Sequence[Sequence[Value | Cell]]


class Image(NamedTuple):
    """A picture inside a page: the bytes of a PNG file, and what it shows, for readers who do not see it."""

    png: bytes
    description: str | Phrase

    @property
    def uri(self) -> str:
        """The picture as an address that needs no other file."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def read_image(path: Path, description: str | Phrase) -> Image:
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
    return _TEMPLATES.get_template(template).render({"language": words.chosen_language(), **values})


def _as_cell(value: Value | Cell) -> Cell:
    return value if isinstance(value, Cell) else Cell(_format(value))


def _format(value: Value) -> str | Phrase:
    if value is None:
        return MISSING
    if isinstance(value, float):
        return f"{value:.4f}"
    return value if isinstance(value, Phrase) else str(value)


def _visible(value: object) -> object:
    """Return what a template writes; of text, control characters and those that reorder a line as escapes."""
    return console.lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _json(value: object, **how: object) -> str:
    return console.safe_json(value, ensure_ascii=False, separators=(",", ":"))


_TEMPLATES = Environment(
    loader=PackageLoader("tithe.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    finalize=_visible,
)
_TEMPLATES.filters |= {"as_cell": _as_cell, "visible": _visible, "both": words.both}
_TEMPLATES.globals |= {"palette": palette, "say": words.say}
_TEMPLATES.policies |= {"json.dumps_function": _json, "json.dumps_kwargs": {}}
