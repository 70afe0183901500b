"""Locks that the system releases however a process ends: a file that a killed process has left locks nothing.

They are `flock` locks, which processes of other containers and users see too, and other machines where the file system
passes them on, as NFS does. Where a file system has none, a folder can't be locked (a warning says so), and nothing
that another process may be writing is deleted.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tithe.errors import InputError
from tithe.storage.paths import check_writable_folder

logger = logging.getLogger("tithe")

LOCK = ".lock"
_PATIENCE = 0.5  # seconds; another process may hold the lock for a moment, to see whether the folder is in use
_held: set[int] = set()


@contextlib.contextmanager
def locked(folder: Path, shared: bool = False) -> Iterator[None]:
    """Lock a folder while the block runs, by a file in it; it is created if missing, and removed if it stays empty.

    Parameters
    ----------
    shared
        Whether other processes may hold it shared at the same time.

    Raises
    ------
    InputError
        Another process holds the lock, or the folder can't be written to.
    """
    check_writable_folder(folder)
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    handle = _acquire(folder, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    try:
        yield
    finally:
        if handle in _held:  # not in a process forked in the block
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while other processes share it
                (folder / LOCK).unlink()
            _close(handle)
            with contextlib.suppress(OSError):
                for place in missing:
                    place.rmdir()  # only if it is empty


def is_locked(folder: Path, shared: bool = False) -> bool:
    """Return whether another process holds the lock of a folder; with `shared`, even one that others may share."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY)  # it may be another user's
    except OSError:
        return False
    try:
        return not _try(handle, fcntl.LOCK_EX if shared else fcntl.LOCK_SH)
    except OSError:
        return False
    finally:
        os.close(handle)


@contextlib.contextmanager
def in_use(path: Path) -> Iterator[bool]:
    """Mark a file or folder as used by a living process while the block runs; yield whether it still exists."""
    handle = None
    with contextlib.suppress(FileNotFoundError):
        handle = _open(path, os.O_RDONLY)
    if handle is None:
        yield False
        return
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield _is_still(handle, path)
    finally:
        _close(handle)


@contextlib.contextmanager
def abandoned(path: Path) -> Iterator[bool]:
    """Yield whether a temporary file or folder is one that no living process uses; none can begin to in the block."""
    try:
        handle = _open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except OSError:
        yield False
        return
    try:
        try:
            free = _try(handle, fcntl.LOCK_EX)
        except OSError:
            free = False
        yield free
    finally:
        _close(handle)


def _acquire(folder: Path, kind: int) -> int:
    """Return an open lock file that this process holds."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = _open(folder / LOCK, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:  # another process has removed the folder, which was empty
            continue
        try:
            acquired = _try(handle, kind)
        except OSError:
            logger.warning("%s: this file system has no locks; let no other process write there meanwhile", folder)
            return handle
        if acquired and _is_still(handle, folder / LOCK):
            return handle
        _close(handle)
        if not acquired and time.monotonic() > deadline:
            raise InputError(
                f"another run, search or suite is under way in {folder}: wait until it ends, or choose another folder"
            )
        time.sleep(0.02)


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(handle: int, path: Path) -> bool:
    """Return whether a path is the file that is open, and not one that has replaced it."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _open(path: Path, flags: int) -> int:
    handle = os.open(path, flags, 0o666)
    _held.add(handle)
    return handle


def _close(handle: int) -> None:
    if handle in _held:
        _held.remove(handle)
        os.close(handle)


def _close_all() -> None:
    for handle in list(_held):
        _close(handle)


# A worker process that outlives a killed one must not keep its locks.
os.register_at_fork(after_in_child=_close_all)
