"""Inputs that must be refused, as data: what is in the folder, the command, and what its one line must say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

# Bytes or text to write, or a function that makes the file or folder at a path, if need be from a finished run.
Content = str | bytes | Callable[[Path, Path], object]


class Bad(NamedTuple):
    """One refused input.

    Attributes
    ----------
    says
        A regular expression: the words that show that it was refused for the right reason.
    arguments
        The command line, in the folder of the files. `RUN` is a finished run, `BERT` a tiny encoder.
    files
        What is in the folder besides `good.yaml` and `rows.parquet`, which are right.
    code
        2 for a wrong input, 1 for another failure.
    lines
        Error lines: more than one only for the mistakes of a config.
    variables
        Environment variables.
    """

    says: str
    arguments: tuple[str, ...]
    files: Mapping[str, Content] = {}
    code: int = 2
    lines: int = 1
    variables: Mapping[str, str] = {}
