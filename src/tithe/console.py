"""What is printed for people: no text can steer the terminal, whatever the standard streams are.

A text, a label or a file name may contain escape sequences that move the cursor, rename the window or hide what was
printed before. Everything that is printed passes `lines` or `printable`.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from typing import Any, TextIO

# C0 but tab and line feed, DEL, C1, separators of lines, marks that reorder a line (CVE-2021-42574), lone surrogates.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile("[\t\n]")


def lines(text: str) -> str:
    r"""Return a text of one or more lines with unsafe characters written as escapes, such as `\x1b`."""
    return _UNSAFE.sub(_escape, text)


def printable(text: object) -> str:
    r"""Return a value as one line: as `lines`, and line breaks and tabs are written as `\n` and `\t`."""
    return _BREAKS.sub(_escape, lines(str(text)))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def counted(number: float, noun: str) -> str:
    """Return a number with its noun: `1 row`, `2 rows`, `2 classes`."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number if isinstance(number, int) else f'{number:g}'} {noun if number == 1 else plural}"


def json_text(value: object, indent: int | None = None) -> str:
    """Return a value as JSON for a terminal: unsafe characters, and those that stdout can't encode, are escaped.

    Without `indent` it is one line, also for readers that split lines at U+0085 and U+2028.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return safe_json(value, indent=indent, ensure_ascii=not encoding.lower().startswith("utf"))


def safe_json(value: object, **how: Any) -> str:
    """Return a value as `json.dumps` does, with unsafe characters as escapes that read back the same."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, **how))


def echo(text: object = "", err: bool = False) -> None:
    """Print a line, or several, on standard output, or on standard error.

    Raises
    ------
    BrokenPipeError, OSError
        The reader has closed the pipe, or the line can't be written.
    """
    stream = sys.stderr if err else sys.stdout
    stream.write(f"{lines(str(text))}\n")
    stream.flush()


def one_line(record: logging.LogRecord) -> bool:
    """Filter of log handlers: make each message one printable line, so that no text adds a line of its own."""
    record.msg, record.args = printable(record.getMessage()), ()
    return True


def open_streams() -> None:
    """Make the standard streams usable, however the process was started.

    - Closed ones are opened on the null device: the next file that is opened would get their number, and whatever is
      printed would go there. `sys.stdin` stays None: there is no input.
    - What standard output can't encode is escaped; bytes of standard input that are no text become U+FFFD.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def close_broken_stdout() -> None:
    """Send what is still printed nowhere if standard output can't be written, so that the exit code stands."""
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = _nowhere()


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123


def stdout_is_closed() -> bool:
    """Return whether the process was started without standard output."""
    return sys.__stdout__ is None
