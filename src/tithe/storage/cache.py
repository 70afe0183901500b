"""The cache: results that can be computed again, within a limit on their disk space."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from tithe.errors import InputError
from tithe.storage import folders, leftovers
from tithe.storage.paths import expand_home

# Computed kinds may be deleted to make room; fetched files are deleted only on request.
COMPUTED = ("data", "near", "images", "tokens", "features", "shards", "signals", "rounds", "batch")
FETCHED, ENCODERS, WEIGHTS = "datasets", "encoders", "weights"
_LIMIT = "TITHE_CACHE_GB"
_DEFAULT_GB = 20.0
_in_use: set[Path] = set()


class Entry(NamedTuple):
    """One cache entry: its kind, its path, its bytes on disk, the seconds since it was last used."""

    kind: str
    path: Path
    bytes: int
    age: float


def place(kind: str, key: str, state: str = "") -> Path:
    """Return the folder of an entry, which may not exist, and mark it as in use by this process.

    `state` is a suffix for the name of an unfinished entry. The first call for a kind removes what killed processes
    have left.

    Raises
    ------
    InputError
        As `limit`: before anything is computed for the entry, not after it.
    """
    limit()
    path = cache_dir() / kind / f"{key[:32]}{state}"
    leftovers.clear_once(path.parent)
    _in_use.add(path)
    return path


def is_whole(path: Path) -> bool:
    """Return whether an entry exists and matches its manifest; if so, mark it as just used."""
    if folders.broken_files(path):
        return False
    os.utime(path)
    return True


def limit() -> int:
    """Return the limit on the bytes of computed entries: `$TITHE_CACHE_GB`, else 20 GB.

    Raises
    ------
    InputError
        The variable is not a positive number.
    """
    written = os.environ.get(_LIMIT) or _DEFAULT_GB
    try:
        gigabytes = float(written)
    except ValueError:
        gigabytes = -1.0
    if not 0 < gigabytes < float("inf"):
        raise InputError(f"{_LIMIT}={written} is not a size: set it to a number of gigabytes such as 20")
    return int(gigabytes * 1e9)


def entries() -> list[Entry]:
    """Return all entries of the cache, least recently used first."""
    now, listed = time.time(), []
    for kind in (*COMPUTED, FETCHED, ENCODERS, WEIGHTS):
        for path in (cache_dir() / kind).glob("*"):
            if path.suffix == ".lock" or path.name.startswith(leftovers.ASIDE):
                continue
            files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
            size = sum(p.stat().st_blocks * 512 for p in files)
            listed.append(Entry(kind, path, size, now - path.stat().st_mtime))
    return sorted(listed, key=lambda entry: -entry.age)


def make_room(needed: int = 0) -> bool:
    """Delete computed entries, least recently used first, until they and `needed` more bytes fit the limit.

    Entries in use by this process are kept. Another process that has one memory-mapped keeps its pages until it ends.

    Returns
    -------
    Whether `needed` bytes fit within the limit and on the disk.
    """
    computed = [entry for entry in entries() if entry.kind in COMPUTED]
    total = sum(entry.bytes for entry in computed)
    for entry in computed:
        if total + needed <= limit():
            break
        if entry.path not in _in_use:
            leftovers.remove(entry.path)
            total -= entry.bytes
    root = cache_dir()
    root.mkdir(parents=True, exist_ok=True)
    return total + needed <= limit() and needed < shutil.disk_usage(root).free


def clear(kinds: Collection[str] = COMPUTED) -> int:
    """Delete every entry of the given kinds; return the number of bytes freed."""
    freed = 0
    for kind in kinds:
        leftovers.recover(cache_dir() / kind)
    for entry in entries():
        if entry.kind in kinds:
            leftovers.remove(entry.path)
            freed += entry.bytes
    return freed


def cache_dir() -> Path:
    """Return the folder of the cache: `$TITHE_CACHE`, else `tithe` under `$XDG_CACHE_HOME` or `~/.cache`.

    Raises
    ------
    InputError
        None of them is set and the home folder is unknown.
    """
    if own := os.environ.get("TITHE_CACHE"):
        return Path(expand_home(own))
    parent = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(expand_home(parent, "set TITHE_CACHE to a folder for computed results")) / "tithe"
