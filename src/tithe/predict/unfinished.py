"""Predictions of a file so far, beside the file that they will be written to: a killed command goes on from there."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from tithe import storage
from tithe.predict.writers import Row

logger = logging.getLogger("tithe")

_DONE = "done.json"


class Unfinished:
    """Finished chunks of predictions: each is on the disk, with its hash, before it counts.

    Attributes
    ----------
    hashes
        SHA-256 of the file of each finished chunk.
    count
        Number of their rows.
    cut
        What `truncation.count` said of their texts.
    """

    def __init__(self, folder: Path, key: str, schema: pa.Schema) -> None:
        self.folder, self._key, self._schema = folder, key, schema
        self.hashes: list[str] = []
        self.count, self.cut = 0, Counter[str]()

    def add(self, rows: pa.Table, cut: Mapping[str, int]) -> None:
        """Save a chunk; `cut` is what was said of all texts so far."""
        path = self._file(len(self.hashes))
        with storage.atomic_file(path) as aside, pa.ipc.new_file(str(aside), self._schema) as writer:
            writer.write_table(rows)
        self.hashes.append(storage.sha256_file(path))
        self.count += len(rows)
        self.cut = Counter(cut)
        state = {"key": self._key, "chunks": self.hashes, "count": self.count, "cut": self.cut}
        storage.write_sealed(self.folder / _DONE, state)

    def rows(self) -> Iterator[Row]:
        """Yield the rows of all chunks, read one chunk at a time."""
        for chunk in self.tables():
            yield from chunk.to_pylist()

    def tables(self) -> Iterator[pa.Table]:
        """Yield all chunks, read one at a time."""
        for number in range(len(self.hashes)):
            with pa.ipc.open_file(str(self._file(number))) as chunk:
                yield chunk.read_all()

    def load(self) -> None:
        """Take over what an earlier process has finished of the same predictions, if nothing of it has changed."""
        state = storage.read_sealed(self.folder / _DONE)
        if state is None:
            return
        if state["key"] != self._key:
            logger.warning(
                "the unfinished predictions in %s are of other inputs or options: starting again", self.folder
            )
        elif [self._hash(number) for number in range(len(state["chunks"]))] != state["chunks"]:
            logger.warning("the predictions in %s are damaged: starting again", self.folder)
        else:
            self.hashes, self.count, self.cut = state["chunks"], state["count"], Counter(state["cut"])
            logger.info("going on after %d predictions, which are in %s", self.count, self.folder)

    def _hash(self, number: int) -> str | None:
        path = self._file(number)
        return storage.sha256_file(path) if path.is_file() else None

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.arrow"


@contextlib.contextmanager
def unfinished(output: Path, key: str, schema: pa.Schema) -> Iterator[Unfinished]:
    """Yield the predictions so far for an output; they are removed when the block succeeds.

    Parameters
    ----------
    key
        What the predictions depend on: those of another key are not gone on with.
    schema
        Their columns.

    Raises
    ------
    InputError
        Another process writes the same output.
    """
    folder = output.with_name(f".{output.name}.unfinished")
    with storage.locked(folder):
        begun = Unfinished(folder, key, schema)
        begun.load()
        yield begun
        storage.remove(folder)
