"""The files of a folder of images: one rule for describing, training and scoring."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from tithe.errors import InputError

_IGNORED = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini"))
_SUFFIXES = r"jpe?g|jpe|jfif|png|webp|bmp|gif|tiff?|avif|hei[cf]|jp2|j2k|jpf|jpx|jxl|p[bgnp]m"
_IMAGE = re.compile(rf".*\.({_SUFFIXES})", re.IGNORECASE | re.DOTALL)
_ESCAPED = re.compile(rb"\\x([89a-f][0-9a-f])")


def files_in(root: Path) -> list[str]:
    """Return the paths of all files below a folder, sorted, with forward slashes.

    Links to folders are followed, except into a cycle. Hidden files and folders, and the files that file managers
    leave, do not count. A name that is not Unicode has its bytes as surrogates, as everywhere in Python.

    Raises
    ------
    InputError
        A folder cannot be listed.
    """
    return sorted(_files(root))


def has_image_suffix(file: str) -> bool:
    """Return whether a file is named like an image."""
    return _IMAGE.fullmatch(file) is not None


def has_pictures(folder: Path) -> bool:
    """Return whether a folder, or one below it, has a file with the suffix of an image."""
    return any(map(has_image_suffix, _files(folder)))


def shown(path: str) -> str:
    r"""Return a path as text: bytes of a name that are not Unicode are written as `\xff`, so that names stay apart."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "backslashreplace")


def located(root: Path, path: str) -> Path:
    """Return the file below a folder whose path `shown` writes so; a name that has the escape itself comes first."""
    there = root / path
    if "\\x" not in path or os.path.lexists(there):
        return there
    return root / os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), os.fsencode(path)))


def _files(root: Path) -> Iterator[str]:
    for folder, below, names in os.walk(root, onerror=_refuse, followlinks=True):
        here = Path(folder)
        below[:] = [name for name in below if not name.startswith(".") and not _leads_back(here, name)]
        prefix = "" if here == root else f"{here.relative_to(root).as_posix()}/"
        yield from (f"{prefix}{name}" for name in names if not name.startswith(".") and name.lower() not in _IGNORED)


def _leads_back(here: Path, name: str) -> bool:
    return (here / name).is_symlink() and here.resolve().is_relative_to((here / name).resolve())


def _refuse(error: OSError) -> None:
    raise InputError(f"cannot list {error.filename} ({error.strerror}): make it readable, or move it away")
