"""What a command writes must stay apart from what it reads: its files are neither data nor parts of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tithe import config
from tithe.data import sources
from tithe.errors import InputError

# Settings of `config.Data` that name what is read.
_READ = ("path", "validation", "test", "label_mapping", "corrections", "embeddings")


def check_apart(out: Path, written: Iterable[Path], data: config.Data, others: Sequence[Path] = ()) -> None:
    """Refuse files that would overwrite what is read, or that the data would have as parts the next time.

    Parameters
    ----------
    out
        As it was given, for the message.
    written
        The files.
    others
        What is read besides the data.

    Raises
    ------
    InputError
        One of them would.
    """
    named = (getattr(data, setting) for setting in _READ)
    read = [*(Path(path) for path in named if path), *others]
    for file in written:
        for path in read:
            if file.resolve() == path.resolve():
                raise InputError(f"--out {out} would overwrite {path}: choose another name")
            if _is_part(file, path):
                raise InputError(f"--out {out} would make {file.name} a part of the data {path}: choose another folder")


def _is_part(file: Path, path: Path) -> bool:
    """Return whether a file is directly in a folder, or fits a pattern."""
    if sources.is_pattern(path):
        return file.absolute().match(str(path.absolute()))
    return path.is_dir() and file.parent.resolve() == path.resolve()
