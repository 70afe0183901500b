"""Hashes of files, taken when they are written: a manifest says what was written, not what is found later."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tithe.storage.hashing import sha256_file

_open: list[tuple[Path, dict[str, str]]] = []  # folders that are recorded, the innermost last


@contextlib.contextmanager
def recording(folder: Path, earlier: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """Yield the SHA-256 of every file that this process writes under a folder while the block runs, by its path in it.

    Of two folders that are recorded, one inside the other, only the inner one gets a file.

    Parameters
    ----------
    earlier
        Hashes that an earlier process took.
    """
    hashes = dict(earlier or {})
    entry = folder.absolute(), hashes
    _open.append(entry)
    try:
        yield hashes
    finally:
        _open.remove(entry)


def recorded(folder: Path) -> dict[str, str]:
    """Return the hashes so far of a folder that is recorded; none if it is not."""
    return next((hashes for home, hashes in reversed(_open) if home == folder.absolute()), {})


def note(path: Path, sha256: str | None = None, content: Path | None = None) -> None:
    """Record a file, if its folder is recorded; without a hash it is read, under the name that it has until now."""
    absolute = path.absolute()
    for home, hashes in reversed(_open):
        if absolute.is_relative_to(home):
            hashes[absolute.relative_to(home).as_posix()] = sha256 or sha256_file(content or path)
            return
