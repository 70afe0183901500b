"""Errors that a user can fix. Each message is one line: the value, the choices, the cure.

The mistakes of a config are found at once, and are a line each: an `InputError` has an argument for each line. A line
break within an argument is from a value, and no line of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TitheError(Exception):
    """A failure with an explanation; the command line prints it without a traceback and exits 1."""

    exit_code = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """The message, line by line."""
        return (str(self),)


class InputError(TitheError):
    """Wrong usage, configuration or input; the command line exits 2 and nothing was written."""

    exit_code = 2

    def __str__(self) -> str:
        return "\n".join(self.lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """The message, line by line."""
        return tuple(map(str, self.args))


class Interrupted(TitheError):
    """A signal stopped the run at a step boundary, after its checkpoint was saved.

    Parameters
    ----------
    signum
        The signal's number; the exit code is 128 + signum, as a shell expects.
    message
        What was saved and how to continue.
    """

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signum

    def __reduce__(self) -> tuple[type[Interrupted], tuple[int, str]]:
        """Return what a copy is made of that comes from another process."""
        return type(self), (self.exit_code - 128, str(self))


def did_you_mean(value: str, choices: Iterable[str]) -> str:
    """Return `: did you mean 'x'?` for a near miss, else the list of choices."""
    options = sorted(choices)
    near = difflib.get_close_matches(value, options, n=1, cutoff=0.6)
    if near:
        return f": did you mean '{near[0]}'?"
    return f": choose one of {', '.join(options)}" if options else ""
