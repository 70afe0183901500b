"""Features by the workers of an engine: they write shards, from which this process puts the features together.

A shard is a number of batches, which are those of a pass in one process, so the features have the same bytes. It is
on the disk, with its hash, before it counts; so a process that is started again goes on with the shards that are
finished, whoever has finished them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from accelerate import Accelerator

from tithe import config, engines, storage
from tithe.arrays import Array, Rows
from tithe.engines import gang
from tithe.errors import InputError, TitheError
from tithe.models import features, inference, kernels
from tithe.models.examples import Encodable
from tithe.models.features import Embedder, Pass, States
from tithe.storage import cache
from tithe.train import devices

_BATCHES = 16  # of a shard: seconds of work, which are lost with a worker
_VALUES = "values"  # hash of a shard's file, in the sealed file beside it


def states_of(run: config.Run) -> States:
    """Return what runs a frozen encoder over the data: this process, or the engine of a config."""
    is_here = run.engine == "local" or gang.is_member()
    return features.states_here if is_here else partial(_states, run)


class Shard(NamedTuple):
    """Some batches of a pass: the file of their states, one batch after another, and their inputs."""

    file: Path
    examples: Encodable
    cuts: Sequence[Rows]


def _states(run: config.Run, work: Pass, first: int) -> Iterator[Array]:
    """Yield the states of the batches of a pass from a given one on; see `features.States`.

    Raises
    ------
    InputError
        The workers have another kind of device than this process.
    TitheError
        A finished shard has changed.
    """
    device = "cuda" if run.cluster.use_gpu else "cpu"
    if device != (own := work.accelerator.device.type):
        raise InputError(
            f"the workers compute on {device} and this process on {own}, whose features differ: set cluster.use_gpu "
            f"{str(own == 'cuda').lower()}, or train.device {device}"
        )
    root = run.cluster.storage_path
    folder = Path(root).absolute() / "shards" / work.key if root else cache.place("shards", work.key).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(first - first % _BATCHES, len(work.cuts), _BATCHES)
    shards = (_shard(folder, work, start) for start in starts)
    encoder = _Encoder(work.model, device, str(work.accelerator.mixed_precision))
    with engines.opened(run.engine, run.cluster) as engine:
        for start, file in zip(starts, engine.map(encoder, shards), strict=True):
            cuts = work.cuts[start : start + _BATCHES]
            states_ND = _read(file)
            of_batches = np.split(states_ND, np.cumsum([len(rows) for rows in cuts])[:-1])
            yield from of_batches[max(0, first - start) :]
    storage.remove(folder)


def _shard(folder: Path, work: Pass, start: int) -> Shard:
    cuts = work.cuts[start : start + _BATCHES]
    ends = np.cumsum([len(rows) for rows in cuts])
    own = [np.arange(end - len(rows), end) for end, rows in zip(ends, cuts, strict=True)]
    return Shard(folder / f"{start:08d}.npy", work.examples.take(np.concatenate(cuts)).alone(), own)


class _Encoder:
    """Runs an encoder over shards, in a worker process."""

    def __init__(self, model: Embedder, device: str, precision: str) -> None:
        self._model, self._device, self._precision = model, device, precision

    def __call__(self, shard: Shard) -> Path:
        """Write the states of a shard, unless an earlier call has; return their file.

        Raises
        ------
        TitheError
            This machine has not the device or the precision of the others.
        """
        if _is_finished(shard.file):
            return shard.file
        accelerator = self._accelerator
        with inference.evaluating(self._model):
            states = [
                inference.one_batch(self._model, self._model.embed, shard.examples, rows, accelerator.autocast)
                for rows in shard.cuts
            ]
        with storage.atomic_file(shard.file) as aside, aside.open("wb") as file:
            np.save(file, np.concatenate(states))
        storage.write_sealed(_seal(shard.file), {_VALUES: storage.sha256_file(shard.file)})
        return shard.file

    @cached_property
    def _accelerator(self) -> Accelerator:
        accelerator = devices.accelerator(self._device, self._precision)
        found = accelerator.device.type, str(accelerator.mixed_precision)
        if found != (self._device, self._precision):
            raise TitheError(f"a worker computes on {found}, not on {(self._device, self._precision)}: leave it out")
        kernels.register()
        self._model.to(accelerator.device)
        return accelerator


def _seal(file: Path) -> Path:
    return file.with_suffix(".json")


def _is_finished(file: Path) -> bool:
    sealed = storage.read_sealed(_seal(file))
    return sealed is not None and file.is_file() and storage.sha256_file(file) == sealed[_VALUES]


def _read(file: Path) -> Array:
    if not _is_finished(file):
        raise TitheError(f"{file} is not as a worker has written it: run again, and it is computed again")
    states_ND: Array = np.load(file)
    return states_ND
