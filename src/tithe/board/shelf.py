"""All runs, suites and searches of a folder, read again where a file changed, with a number for each change."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tithe import storage
from tithe.board import folders, runs, suites
from tithe.board.rows import RUNNING, Row

Stamp = tuple[object, ...]  # of a folder's files, and whether a process writes there

_READERS: dict[str, tuple[Callable[[Path], Row], Sequence[str]]] = {
    folders.RUN: (runs.read_run, runs.FILES),
    folders.SUITE: (suites.read_suite, suites.SUITE_FILES),
    folders.SEARCH: (suites.read_search, suites.SEARCH_FILES),
}
# Seconds between looks at what is running, and at everything; the latter take a tenth of the time at most.
_LIVE, _ALL, _SHARE = 0.4, 2.0, 0.1


@dataclass
class _Entry:
    home: Path
    kind: str
    stamp: Stamp
    row: Row
    version: int
    changed: float
    is_gone: bool = False


class Update(NamedTuple):
    """Rows that changed.

    Attributes
    ----------
    version
        What they bring a client to.
    rows
        JSON values; a row that is `gone` has nothing but its `id`.
    is_all
        Whether these are all rows, and no others are there any more.
    is_ready
        Whether everything has been looked at once.
    is_whole
        False if a limit left folders out.
    """

    version: str
    rows: list[dict[str, Any]]
    is_all: bool
    is_ready: bool
    is_whole: bool


class Shelf:
    """What is in a folder, kept up to date by a thread while somebody looks.

    Parameters
    ----------
    root
        The folder, which may be a run itself.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._start = secrets.token_hex(4)  # a client of an earlier process gets all rows
        self._entries: dict[str, _Entry] = {}
        self._version, self._viewers, self._is_ready, self._is_whole = 0, 0, False, True
        self._changed, self._stopped = threading.Condition(), threading.Event()
        self._scanning = threading.Lock()

    @property
    def version(self) -> str:
        """The number of the last change."""
        return f"{self._start}-{self._version}"

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All rows as JSON values."""
        return [row for row in self.since("").rows if not row.get("gone")]

    def home(self, key: str) -> Path | None:
        """Return the folder of a row by its `id`; None if there is none."""
        entry = self._entries.get(key)
        return entry.home if entry and not entry.is_gone else None

    def since(self, version: str) -> Update:
        """Return the rows that changed after a version; all of them if it is not one of this process."""
        start, _, number = version.partition("-")
        after = int(number) if start == self._start and number.isdecimal() else 0
        with self._changed:
            changed = [(key, entry) for key, entry in self._entries.items() if entry.version > after]
            rows = [self._as_json(key, entry) for key, entry in changed]
            return Update(self.version, rows, after == 0, self._is_ready, self._is_whole)

    def _as_json(self, key: str, entry: _Entry) -> dict[str, Any]:
        if entry.is_gone:
            return {"id": key, "gone": True}
        folder = entry.home.relative_to(self.root).as_posix()
        return {"id": key, "folder": folder, "changed": entry.changed, **entry.row.as_json()}

    # ---- looking at the disk

    def scan(self) -> None:
        """Look at everything: new folders, changed ones, those that are gone."""
        with self._scanning:
            found = folders.find(self.root)
            with self._changed:
                self._is_whole = found.is_whole
            for home, kind in found.places.items():
                self._look(_key(home), home, kind)
            for key, entry in self._entries.items():
                if not entry.is_gone and entry.home not in found.places:
                    self._publish(key, entry, is_gone=True)
            if not self._is_ready:
                with self._changed:
                    self._is_ready, self._version = True, self._version + 1

    def scan_running(self) -> None:
        """Look at what was running when it was looked at last."""
        with self._scanning:
            for key, entry in list(self._entries.items()):
                if entry.row.state == RUNNING and not entry.is_gone:
                    self._look(key, entry.home, entry.kind)

    def _look(self, key: str, home: Path, kind: str) -> None:
        read, names = _READERS[kind]
        stamp, newest = _stamp(home, names)
        known = self._entries.get(key)
        if known and known.stamp == stamp and known.kind == kind and not known.is_gone:
            return
        self._publish(key, _Entry(home, kind, stamp, read(home), 0, newest))

    def _publish(self, key: str, entry: _Entry, is_gone: bool = False) -> None:
        with self._changed:
            self._version += 1
            entry.version, entry.is_gone = self._version, is_gone
            self._entries[key] = entry

    # ---- following it

    @contextlib.contextmanager
    def viewed(self) -> Iterator[None]:
        """Look at the disk again and again while the block runs."""
        with self._changed:
            self._viewers += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._viewers -= 1

    def follow(self) -> None:
        """Look at everything, and keep it up to date until `stop`; nothing is read while nobody looks."""
        due = 0.0
        while not self._stopped.is_set():
            begun = time.monotonic()
            if begun >= due:
                self.scan()
                due = time.monotonic() + max(_ALL, (time.monotonic() - begun) / _SHARE)
            else:
                self.scan_running()
            self._stopped.wait(_LIVE)
            with self._changed:
                while not (self._viewers or self._stopped.is_set()):
                    self._changed.wait()

    def stop(self) -> None:
        """End `follow`, and every stream."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()


def _key(home: Path) -> str:
    return hashlib.sha256(bytes(home)).hexdigest()[:16]


def _stamp(home: Path, names: Sequence[str]) -> tuple[Stamp, float]:
    """Return what changes when one of the files does, and the seconds since 1970 of the last change."""
    stats = []
    for name in names:
        with contextlib.suppress(OSError):
            stat = (home / name).stat()
            stats.append((name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    newest = max((stamp[3] for stamp in stats), default=0)
    return (*stats, storage.is_locked(home, shared=True)), newest / 1e9
