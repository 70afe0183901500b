"""The feature cache: a frozen encoder runs over the data once; every epoch, trial and seed reads the result."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from filelock import FileLock, Timeout
from torch import nn

from tithe import storage
from tithe.arrays import Array, Rows
from tithe.errors import Interrupted, TitheError
from tithe.interrupts import deferred
from tithe.models import inference
from tithe.models.classifier import Classifier
from tithe.models.examples import Batch, Encodable, Examples
from tithe.models.foundation.detector import Foundation
from tithe.progress import bar
from tithe.storage import cache

logger = logging.getLogger("tithe")

# The networks whose head reads what `embed` makes of a batch, so that it can be trained on features.
Embedder = Classifier | Foundation

# Part of every key: increase it when the same encoder and inputs would give other features.
_VERSION = 1
_STATES = "the encoder's states"
_FEATURES, _DONE = "features.npy", ".done"
_SECONDS_BETWEEN_SYNCS = 1.0
# Most rows of a batch, and most rows times longest row, by whether there is a GPU: small batches fit into a CPU's
# cache and a small memory, a GPU needs large ones. Both affect the last bits of the features.
_ROWS, _COST = 512, {False: 4096, True: 1 << 17}


class Pass(NamedTuple):
    """A pass of a frozen encoder over all rows.

    Attributes
    ----------
    cuts
        The batches, as rows of the examples; the last bits of the features depend on them.
    key
        Of the features in the cache.
    """

    model: Embedder
    examples: Encodable
    cuts: Sequence[Rows]
    accelerator: Accelerator
    key: str


# Yields the pooled states of the batches of a pass from a given one on, each float32, shape (B, D).
States = Callable[[Pass, int], Iterator[Array]]


def states_here(work: Pass, first: int) -> Iterator[Array]:
    """Yield the states of the batches from a given one on, computed in this process."""
    with inference.evaluating(work.model):
        for rows in work.cuts[first:]:
            yield inference.one_batch(work.model, work.model.embed, work.examples, rows, work.accelerator.autocast)


@dataclass(frozen=True)
class Features:
    """Examples whose inputs are an encoder's pooled states.

    Attributes
    ----------
    values
        Pooled states of all rows, float32, shape (N, D), memory-mapped if they are in the cache.
    rows
        Positions of this view's rows in `values`.
    origin
        The same view of the original examples: ids, labels, and lengths, so that batches are the same as without
        a cache.
    """

    values: np.ndarray[Any, Any]
    rows: Rows
    origin: Examples

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> Rows | None:
        """Lengths of the original inputs, shape (N,)."""
        return self.origin.lengths

    @property
    def ids(self) -> Rows:
        """Positions in the source file, shape (N,)."""
        return self.origin.ids

    @property
    def labels(self) -> Rows:
        """Class indices, shape (N,)."""
        return self.origin.labels

    def take(self, rows: Rows) -> Features:
        """Return a view of the given rows of this view."""
        return Features(self.values, self.rows[rows], self.origin.take(rows))

    def collate(self, rows: Rows) -> Batch:
        """Return embeddings (B, D) and labels (B,)."""
        return {
            "embeddings": torch.from_numpy(self.values[self.rows[rows]]),
            "labels": torch.from_numpy(self.labels[rows]),
        }


class Probe(nn.Module):
    """A classifier's head on cached features; its weights have the same names as in the classifier."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return logits, shape (B, C)."""
        logits: torch.Tensor = self.head(batch["embeddings"])
        return logits


def cached(
    model: Embedder,
    examples: Encodable,
    cache_key: Mapping[str, str],
    accelerator: Accelerator,
    states: States = states_here,
) -> Features | None:
    """Return the features of examples from the cache, after computing them if they are missing.

    A pass that was killed continues where it stopped: each batch is on the disk before it counts as done, and
    batches are always the same.

    Parameters
    ----------
    model
        One whose encoder is frozen; `embed` maps a batch to pooled states (B, D).
    cache_key
        What the features depend on besides the inputs: the encoder's SHA-256, its pooling, its attention.
    states
        Runs the encoder, here or elsewhere.

    Returns
    -------
    The features; None if the cache has no room for them.

    Raises
    ------
    Interrupted
        A signal requested a stop; finished batches are kept.
    TitheError
        A state is not finite.
    """
    folder = _folder(examples, cache_key, accelerator)
    rows = np.arange(len(examples))
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A second process, of this run or another one, waits and then reads the result.
    with _waiting(FileLock(folder.with_name(f".{folder.name}.lock"))):
        if cache.is_whole(folder):
            logger.info("the encoder does not run: features of %d rows are in the cache (%s)", len(rows), folder.name)
        elif not _compute(model, examples, folder, accelerator, states):
            return None
    return Features(np.load(folder / _FEATURES, mmap_mode="r"), rows, examples)


def origin(examples: Examples) -> Examples:
    """Return the examples whose features others are; themselves if they are no features."""
    return examples.origin if isinstance(examples, Features) else examples


def are_cached(examples: Encodable, cache_key: Mapping[str, str], accelerator: Accelerator) -> bool:
    """Return whether `cached` would read features that are in the cache."""
    return _folder(examples, cache_key, accelerator).is_dir()


def _folder(examples: Encodable, cache_key: Mapping[str, str], accelerator: Accelerator) -> Path:
    settings = {**cache_key, "precision": str(accelerator.mixed_precision), "device": accelerator.device.type}
    return cache.place("features", storage.digest([_VERSION, examples.fingerprint, settings]))


def computed(
    model: Embedder,
    examples: Examples,
    accelerator: Accelerator,
    batch_size: int | None = None,
    tick: Callable[[int], object] = lambda rows: None,
) -> Features:
    """Return the features of examples, kept in memory, and equal to those of `cached` unless a batch size is given."""
    cuts = batches(examples, accelerator, batch_size)
    values_ND = inference.forward(model, model.embed, examples, cuts, accelerator.autocast, tick)
    inference.finite(values_ND, _STATES)
    return Features(values_ND, np.arange(len(examples)), examples)


def batches(examples: Examples, accelerator: Accelerator, batch_size: int | None = None) -> list[Rows]:
    """Return the batches of a pass over all rows, the longest first."""
    return inference.batches(examples, batch_size or _ROWS, _COST[accelerator.device.type == "cuda"])


@contextlib.contextmanager
def _waiting(lock: FileLock) -> Iterator[None]:
    try:
        lock.acquire(timeout=1)
    except Timeout:
        logger.info("another process is computing the same features: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _compute(model: Embedder, examples: Encodable, folder: Path, accelerator: Accelerator, states: States) -> bool:
    model.to(accelerator.device)
    cuts = batches(examples, accelerator)
    with inference.evaluating(model):  # dropout would draw from the caller's random numbers
        width = inference.one_batch(model, model.embed, examples, cuts[-1][:1], accelerator.autocast).shape[1]
    work = cache.place("features", folder.name, "-unfinished")
    # An unfinished pass has allocated its space already.
    if not cache.make_room(0 if _is_begun(work) else len(examples) * width * 4):
        logger.warning(
            "no room to cache %d features of width %d (%s has room for %.1f GB): the encoder runs in every epoch",
            *(len(examples), width, storage.cache_dir(), cache.limit() / 1e9),
        )
        return False
    values, done, digest = _open(work, len(examples), width, cuts)
    if done:
        logger.info("resuming the features after batch %d of %d", done, len(cuts))
    whole = Pass(model, examples, cuts, accelerator, folder.name)
    with deferred() as stop, bar("features", len(examples), "rows") as tick:
        tick(sum(map(len, cuts[:done])))
        synced = time.monotonic()
        for i, (rows, states_BD) in enumerate(zip(cuts[done:], states(whole, done), strict=True), start=done + 1):
            values[rows] = inference.finite(states_BD, _STATES)
            digest.update(np.ascontiguousarray(states_BD, values.dtype).data)
            tick(len(rows))
            if stop.signum or time.monotonic() - synced > _SECONDS_BETWEEN_SYNCS:
                _sync(work, values, i, digest)
                synced = time.monotonic()
            if stop.signum:
                raise Interrupted(stop.signum, "stopped; the features so far are kept: run again to continue")
    if not _is_begun(work):
        raise TitheError("the cache was cleared while the encoder ran over the data: run again")
    _sync(work, values, len(cuts), digest)
    storage.write_manifest(work, {_FEATURES: storage.sha256_file(work / _FEATURES)})
    shutil.rmtree(folder, ignore_errors=True)  # a damaged one
    work.replace(folder)
    (folder / _DONE).unlink()
    return True


def _is_begun(work: Path) -> bool:
    return (work / _DONE).is_file() and (work / _FEATURES).is_file()


def _open(work: Path, rows: int, width: int, cuts: Sequence[Rows]) -> tuple[np.memmap[Any, Any], int, hashlib._Hash]:
    """Open an unfinished pass, or start one; return its array, its finished batches, and the hash of their values."""
    if _is_begun(work):
        with contextlib.suppress(ValueError):  # a damaged header
            values = np.lib.format.open_memmap(work / _FEATURES, mode="r+")
            done, digest = storage.read_sealed(work / _DONE) or {}, hashlib.sha256()
            if values.shape == (rows, width) and values.dtype == np.float32:
                for batch in cuts[: done.get("batches", 0)]:
                    digest.update(values[batch].data)
                if digest.hexdigest() == done.get("values"):
                    return values, int(done["batches"]), digest
        logger.warning("the unfinished features in %s are damaged: computing them again", work)
    work.mkdir(parents=True, exist_ok=True)
    values = np.lib.format.open_memmap(work / _FEATURES, mode="w+", dtype=np.float32, shape=(rows, width))
    if hasattr(os, "posix_fallocate"):  # else a full disk would kill the process in the middle of a write
        with (work / _FEATURES).open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, (work / _FEATURES).stat().st_size)
    digest = hashlib.sha256()
    _sync(work, values, 0, digest)
    return values, 0, digest


def _sync(work: Path, values: np.memmap[Any, Any], done: int, digest: hashlib._Hash) -> None:
    """Flush the values to the disk, and only then write the number and the hash of finished batches."""
    values.flush()
    storage.write_sealed(work / _DONE, {"batches": done, "values": digest.hexdigest()})
