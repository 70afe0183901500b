"""The file of Optuna's journal, each line with a hash of its own and its number, verified whenever it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from tithe import storage
from tithe.errors import InputError

_SEAL = "sha256"


class Journal:
    """What Optuna's `JournalStorage` needs: it appends records and reads them back.

    Optuna's own file has no hashes: an edited value would become a result of the search.

    Parameters
    ----------
    file
        The journal; a last line that a crash truncated is removed.
    lock
        Held while records are appended, by any process.
    """

    def __init__(self, file: Path, lock: FileLock) -> None:
        self._file, self._lock = file, lock
        with lock:
            storage.JsonLines(file).close()

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Return the records from a number on; what another process is just writing is left out.

        Raises
        ------
        InputError
            A line was edited, moved or removed; the message gives its number.
        """
        return list(self._verified())[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records; they are on the disk then."""
        with self._lock:
            lines = storage.JsonLines(self._file)
            for number, log in enumerate(logs, start=len(storage.read_lines(self._file))):
                lines.append({**log, _SEAL: _seal(number, log)})
            lines.close()

    def _verified(self) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(storage.read_lines(self._file)):
            log = {key: value for key, value in line.items() if key != _SEAL}
            if line.get(_SEAL) != _seal(number, log):
                raise InputError(
                    f"line {number + 1} of {self._file} was edited or damaged, or is of an earlier version: restore it "
                    f"or delete {self._file.parent} to search again"
                )
            yield log


def _seal(number: int, log: dict[str, Any]) -> str:
    return storage.digest([number, log])
