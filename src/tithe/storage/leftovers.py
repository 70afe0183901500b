"""Temporary files and folders beside what they will become, and removal of those that killed processes have left."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tithe.storage.locks import abandoned, in_use

ASIDE = ".partial-"
_MOVED = "old-"
_NAME = re.compile(rf"{re.escape(ASIDE)}(?P<moved>{_MOVED})?\d+-(?P<name>.+)", re.DOTALL)
_cleared: set[Path] = set()  # folders that this process has cleared


@contextlib.contextmanager
def beside(path: Path, make: Callable[[Path], object]) -> Iterator[Path]:
    """Make a temporary file or folder in the folder of `path`; what is left of it after the block is removed.

    The first one of a process in a folder also clears the folder; see `recover`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.name.startswith(ASIDE):
        clear_once(path.parent)
    temporary = _unused(path)
    while True:
        make(temporary)
        with in_use(temporary) as is_there:
            if not is_there:  # another process has removed it, as a leftover, before it was marked
                continue
            try:
                yield temporary
            finally:
                delete(temporary)
            return


@contextlib.contextmanager
def moved_away(path: Path) -> Iterator[None]:
    """Rename a folder, if it exists, while the block runs; if that or the process fails it comes back, else it goes."""
    moved = _unused(path, _MOVED)
    with in_use(path):
        with contextlib.suppress(FileNotFoundError):
            path.replace(moved)
        try:
            yield
        except BaseException:
            if moved.exists() and not path.exists():
                moved.replace(path)
            raise
        finally:
            delete(moved)


def remove(path: Path) -> None:
    """Delete a file or a folder at once: a process that is killed meanwhile leaves only a temporary name."""
    removed = _unused(path)
    with contextlib.suppress(FileNotFoundError):  # another process has just removed it
        path.replace(removed)
    delete(removed)


def _unused(path: Path, kind: str = "") -> Path:
    """Return a temporary name; not by the process's number, which two containers that share a folder may both have."""
    return path.with_name(f"{ASIDE}{kind}{secrets.randbelow(10**9)}-{path.name}")


def delete(path: Path) -> None:
    """Delete a file, a link or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def clear_once(folder: Path) -> None:
    """Clear a folder, as `recover` does, unless this process has done so before."""
    absolute = folder.absolute()
    if absolute not in _cleared:
        _cleared.add(absolute)
        recover(folder)


def recover(folder: Path) -> None:
    """Remove temporary files and folders of killed processes; restore folders moved away and not yet replaced.

    Those of living processes, and other programs' files, are left alone.
    """
    for path in folder.glob(f"{ASIDE}*"):
        if match := _NAME.fullmatch(path.name):
            with abandoned(path) as is_abandoned:
                if is_abandoned and match["moved"] and not (folder / match["name"]).exists():
                    path.replace(folder / match["name"])
                elif is_abandoned:
                    delete(path)
