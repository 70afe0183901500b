"""Stream the values of a JSON file in constant memory: the elements of one array, or concatenated values."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tithe.data import compressed
from tithe.errors import InputError

SUFFIXES = compressed.forms(".json")
_CHUNK = 1 << 20
# The longest token that parses differently when cut off: -Infinity, an escape, the exponent of a number.
_MARGIN = 16
_SPACE = " \t\n\r"
_NOT_SPACE = re.compile(f"[^{_SPACE}]")
_DECODER = json.JSONDecoder()
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def parts(path: Path) -> list[Path]:
    """Return the JSON files of a folder, sorted by name; for a file, the file itself.

    Raises
    ------
    InputError
        A file is there both plain and compressed.
    """
    if not path.is_dir():
        return [path]
    # Hidden files are unfinished temporary files, or belong to the system.
    visible = (p for p in path.iterdir() if not p.name.startswith(".") and p.is_file())
    return compressed.in_order(p for p in visible if compressed.suffix_of(p) in SUFFIXES)


def values(path: Path) -> Iterator[object]:
    """Yield the elements of the file's single array, or else its values, separated by white space.

    The file is UTF-8, with or without a byte order mark; an empty one has no values. Memory holds the largest value
    and a chunk of the file. Each value is accepted or refused exactly as by `json.loads`.

    Raises
    ------
    InputError
        The file is not JSON; the message names the line and the column, or the byte that is not UTF-8.
    """
    with compressed.opened(path) as file:
        window = _Window(path, file)
        yield from _elements(window) if window.peek() == "[" else _sequence(window)


def excerpt(value: object, length: int) -> str:
    """Return the first `length` characters of a value as JSON; the rest is not encoded, however deeply nested."""
    text = ""
    for piece in _ENCODER.iterencode(value):
        text += piece
        if len(text) >= length:
            break
    return text[:length]


def _elements(window: _Window) -> Iterator[object]:
    window.at += 1
    if window.peek() != "]":
        yield window.value()
        while window.peek() == ",":
            window.at += 1
            window.peek()
            yield window.value()
    if window.peek() != "]":
        raise window.broken(window.at, "Expecting ',' delimiter" if window.peek() else "the array is never closed")
    window.at += 1
    if window.peek():
        raise window.broken(window.at, "Extra data")


def _sequence(window: _Window) -> Iterator[object]:
    while window.peek():
        yield window.value()
        if window.text[window.at : window.at + 1] not in _SPACE:
            raise window.broken(window.at, "Extra data")


class _Window:
    """The part of a file's text that is in memory.

    Attributes
    ----------
    text, at
        The text, and the position in it of the next unread character.
    ended
        Whether the text reaches the end of the file.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.text, self.at, self.ended = "", 0, False
        self._path, self._file = path, file
        self._line = self._column = 1
        beginning = file.read(len(codecs.BOM_UTF8))  # a compressed file can't be read from its beginning again
        self._bytes, self._ahead = (len(beginning), b"") if beginning == codecs.BOM_UTF8 else (0, beginning)
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def peek(self) -> str:
        """Skip white space and return the next character, or an empty string at the end of the file."""
        while not (match := _NOT_SPACE.search(self.text, self.at)):
            self.at = len(self.text)
            if self.ended:
                return ""
            self._read_more()
        self.at = match.start()
        return match.group()

    def value(self) -> object:
        """Return the value that starts here, and advance past it.

        Unless the file has ended, the character after the value is in the window too.
        """
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - _MARGIN
                if self.ended or not cut:
                    raise self.broken(error.pos, error.msg.removesuffix(" at").removesuffix(" starting")) from None
            except RecursionError:
                raise self.broken(self.at, "brackets are nested too deeply") from None
            except ValueError:  # Python limits the digits, since parsing them takes quadratic time
                raise self.broken(self.at, "a number has too many digits") from None
            else:
                # 12 may be the start of 123: only a value that ends well before the end of the text is complete.
                if self.ended or end < len(self.text) - _MARGIN:
                    self.at = end
                    return value
            self._read_more()

    def broken(self, at: int, problem: str) -> InputError:
        """Return an error that names a problem and its position."""
        line, column = self._place(at)
        return InputError(f"{self._path} is not JSON at line {line}, column {column}: {problem}: repair the file")

    def _place(self, at: int) -> tuple[int, int]:
        newlines = self.text.count("\n", 0, at)
        if not newlines:
            return self._line, self._column + at
        return self._line + newlines, at - self.text.rfind("\n", 0, at)

    def _read_more(self) -> None:
        """Drop the text that was consumed, and read more."""
        self._line, self._column = self._place(self.at)
        self.text, self.at = self.text[self.at :], 0
        # At least doubling the text, so that a huge value is parsed a few times, not once per chunk.
        data, self._ahead = self._ahead + self._file.read(max(_CHUNK, len(self.text))), b""
        self._bytes += len(data)
        self.ended = not data
        try:
            self.text += self._decoder.decode(data, final=self.ended)
        except UnicodeDecodeError as error:
            byte = self._bytes - len(error.object) + error.start
            raise InputError(f"{self._path} is not UTF-8 at byte {byte}: save it as UTF-8") from None
