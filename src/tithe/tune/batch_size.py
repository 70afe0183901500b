"""The largest micro-batch that fits into memory: tried on a GPU, measured and foreseen on a CPU, and remembered.

The optimizer batch stays what the config says; a micro-batch is a divisor of it, and accumulation makes up for the
rest. So memory changes, and the result does not.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from tithe import config, storage
from tithe.models.examples import Examples, Varied
from tithe.storage import cache
from tithe.tasks import Task
from tithe.train import memory
from tithe.train.optimizer import adamw
from tithe.train.random_stream import RandomStream

logger = logging.getLogger("tithe")

# Part of every key: raise it when the same step would take other memory.
_VERSION = 1
_FILE = "sizes.json"
# What a step may take of the memory that is free: then one that turns out to take too much is not killed for it.
_SHARE = 0.5


def find(run: config.Run, task: Task, model: nn.Module, examples: Examples, accelerator: Accelerator) -> int:
    """Return the largest divisor of a config's optimizer batch that fits into memory as a micro-batch.

    The longest rows decide. The model is left as it is.

    Parameters
    ----------
    model
        What the trainer gets: a classifier, or a head alone.
    examples
        The training rows.
    """
    whole = run.train.batch_size * run.train.accumulation_steps
    sizes = [size for size in range(1, whole + 1) if whole % size == 0]
    probe = MemoryProbe(run, task, model, examples, accelerator)
    device = accelerator.device.type
    with _remembered(storage.digest([_VERSION, _machine(accelerator.device), probe.cache_key])) as known:
        if device == "cuda":
            found = bisect(sizes, lambda size: bool(_once(known, size, probe.fits)))
        elif device == "cpu" and (free := memory.free_memory()) is not None and memory.can_measure_peaks():
            found = extrapolate(sizes, lambda size: _once(known, size, probe.peak), int(_SHARE * free))
        else:
            logger.info("this system does not report the memory that a step takes: train.batch_size stays as it is")
            return run.train.batch_size
    logger.info("micro-batches of %d rows fit into memory, %d to an optimizer step", found, whole // found)
    return found


def bisect(sizes: Sequence[int], fits: Callable[[int], bool]) -> int:
    """Return the largest of ascending sizes that fits, by bisection; the smallest is taken to fit."""
    low, high = 0, len(sizes) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(sizes[middle]) else (low, middle - 1)
    return sizes[low]


def extrapolate(sizes: Sequence[int], peak: Callable[[int], int], room: int) -> int:
    """Return the largest of ascending sizes whose peak fits into a room, all in bytes; the smallest is taken to fit.

    Rows are doubled for as long as twice as many are predicted to fit, on the line through the last two peaks. What is
    not rows (gradients, averages) hides some of what they take, so a peak may be above the line; twice the rows never
    take more than twice the memory, though, so whoever has twice the room is safe.
    """
    peaks = [(1, peak(1))]
    while peaks[-1][1] <= room and peaks[-1][0] < sizes[-1]:
        size = min(2 * peaks[-1][0], sizes[-1])
        if _predicted_peak(peaks, size) > room:
            break
        peaks.append((size, peak(size)))
    fits = max((rows for rows, bytes_ in peaks if bytes_ <= room), default=sizes[0])
    between = [size for size in sizes if size > fits and _predicted_peak(peaks, size) <= room]
    return next((size for size in reversed(between) if peak(size) <= room), max(s for s in sizes if s <= fits))


def _predicted_peak(peaks: Sequence[tuple[int, int]], size: int) -> float:
    if len(peaks) < 2:
        return peaks[-1][1]
    (rows_0, peak_0), (rows_1, peak_1) = peaks[-2:]
    return peak_1 + max(0.0, (peak_1 - peak_0) / (rows_1 - rows_0)) * (size - rows_1)


class MemoryProbe:
    """Steps of training on the longest rows, with a copy of the model."""

    def __init__(
        self, run: config.Run, task: Task, model: nn.Module, examples: Examples, accelerator: Accelerator
    ) -> None:
        self._run, self._task, self._model, self._accelerator = run, task, model, accelerator
        self._examples = examples.at_epoch(0) if isinstance(examples, Varied) else examples
        lengths = examples.lengths
        self._longest = np.arange(len(examples)) if lengths is None else np.argsort(-lengths, kind="stable")

    @property
    def cache_key(self) -> list[Any]:
        """What decides how much memory a step takes."""
        weights = {n: [list(p.shape), str(p.dtype), p.requires_grad] for n, p in self._model.named_parameters()}
        row = {name: list(tensor.shape) for name, tensor in self._examples.collate(self._longest[:1]).items()}
        settings, lengths = self._run.train, self._examples.lengths
        rows = self._longest[: settings.batch_size * settings.accumulation_steps]
        longest = None if lengths is None else lengths[rows].tolist()
        precision, attention = str(self._accelerator.mixed_precision), self._run.model.attention
        return [self._task.fingerprint(), attention, precision, weights, row, longest]

    @cached_property
    def _twin(self) -> nn.Module:
        return copy.deepcopy(self._model).to(self._accelerator.device).train()

    def fits(self, size: int) -> bool:
        """Say whether steps of so many rows fit into a GPU's memory."""
        try:
            self._step_twice(size)
        except torch.OutOfMemoryError:
            return False
        finally:
            self._twin.zero_grad()
            torch.cuda.empty_cache()
        return True

    def peak(self, size: int) -> int:
        """Return the bytes by which this process grows, at most, while it takes steps of so many rows."""
        memory.keep_memory()  # as in training
        self._step_twice(1)  # the copy is made, and libraries set themselves up, before anything is measured
        memory.release_memory()
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
        before = memory.process_memory("VmRSS")
        self._step_twice(size)
        return max(0, memory.process_memory("VmHWM") - before)

    def _step_twice(self, size: int) -> None:
        """Step twice: only in the second do the optimizer's averages lie beside the gradients."""
        accelerator, settings = self._accelerator, self._run.train
        batch = self._examples.collate(np.resize(self._longest[:size], size))
        there = {name: tensor.to(accelerator.device) for name, tensor in batch.items()}
        criterion, optimizer = self._task.criterion(settings.label_smoothing), adamw(self._twin, settings)
        with RandomStream(0, accelerator.device).active():
            for _ in range(2):
                with accelerator.autocast():
                    outputs = self._twin(there)
                found = criterion(outputs, there)
                (found[0] if isinstance(found, tuple) else found).backward()
                optimizer.step()
                optimizer.zero_grad()


def _machine(device: torch.device) -> list[Any]:
    if device.type == "cuda":
        about = torch.cuda.get_device_properties(device)
        return [platform.node(), about.name, about.total_memory, torch.__version__]
    return [platform.node(), platform.machine(), os.cpu_count(), torch.get_num_threads(), torch.__version__]


@contextlib.contextmanager
def _remembered(key: str) -> Iterator[dict[str, int]]:
    """What is known of the sizes on this machine: read before the block, and written after it where it has grown."""
    folder = cache.place("batch", key)
    known: dict[str, int] = storage.read_json(folder / _FILE) if cache.is_whole(folder) else {}
    before = len(known)
    yield known
    if len(known) > before:
        with storage.atomic_folder(folder) as aside:
            storage.write_json(aside / _FILE, known)


def _once(known: dict[str, int], size: int, measure: Callable[[int], int]) -> int:
    if str(size) not in known:
        known[str(size)] = measure(size)
    return known[str(size)]
