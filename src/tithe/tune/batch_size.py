"""The largest micro-batch that fits into memory: bisected on a GPU, extrapolated on a CPU, and cached.

The optimizer batch does not change: a micro-batch is a divisor of it, and accumulation does the rest. So memory
changes, and the result does not, but for the ranking loss of images, which is over the pairs of a micro-batch.
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

# Part of every key: increase it when the same step would need other memory.
_VERSION = 2
_FILE = "sizes.json"
# Share of the free memory that a step may use: a step that needs more than predicted is then not killed.
_SHARE = 0.5


def find(run: config.Run, task: Task, model: nn.Module, examples: Examples, accelerator: Accelerator) -> int:
    """Return the largest divisor of a config's optimizer batch that fits into memory as a micro-batch.

    It is measured on the longest rows. The model does not change.

    Parameters
    ----------
    model
        The network to train: a classifier, or only its head.
    examples
        The training rows.
    """
    step_rows = run.train.batch_size * run.train.accumulation_steps
    sizes = [size for size in range(1, step_rows + 1) if step_rows % size == 0]
    probe = MemoryProbe(run, task, model, examples, accelerator)
    device = accelerator.device.type
    with _measurements(storage.digest([_VERSION, _machine(accelerator.device), probe.cache_key])) as measured:
        if device == "cuda":
            largest = bisect(sizes, lambda size: bool(_once(measured, size, probe.fits)))
        elif device == "cpu" and (free := memory.free_memory()) is not None and memory.can_measure_peaks():
            largest = extrapolate(sizes, lambda size: _once(measured, size, probe.peak), int(_SHARE * free))
        else:
            logger.info("this system does not report the memory of a step: train.batch_size is not changed")
            return run.train.batch_size
    logger.info("micro-batches of %d rows fit into memory, %d per optimizer step", largest, step_rows // largest)
    return largest


def bisect(sizes: Sequence[int], fits: Callable[[int], bool]) -> int:
    """Return the largest of ascending sizes that fits, by bisection; the smallest is assumed to fit."""
    low, high = 0, len(sizes) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(sizes[middle]) else (low, middle - 1)
    return sizes[low]


def extrapolate(sizes: Sequence[int], peak: Callable[[int], int], room: int) -> int:
    """Return the largest of ascending sizes whose peak fits into `room` bytes; the smallest is assumed to fit.

    Rows are doubled while twice as many are predicted to fit, by the line through the last two peaks. Memory that does
    not depend on the rows (gradients, averages) hides a part of theirs, so a peak may be above the line. But twice the
    rows never need more than twice the memory, so twice the room is always enough.
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
    """Training steps on the longest rows, with a copy of the model."""

    def __init__(
        self, run: config.Run, task: Task, model: nn.Module, examples: Examples, accelerator: Accelerator
    ) -> None:
        self._run, self._task, self._model, self._accelerator = run, task, model, accelerator
        self._examples = examples.at_epoch(0) if isinstance(examples, Varied) else examples
        lengths = examples.lengths
        self._longest = np.arange(len(examples)) if lengths is None else np.argsort(-lengths, kind="stable")

    @property
    def cache_key(self) -> list[Any]:
        """Everything that the memory of a step depends on."""
        weights = {n: [list(p.shape), str(p.dtype), p.requires_grad] for n, p in self._model.named_parameters()}
        row = {name: list(tensor.shape) for name, tensor in self._examples.collate(self._longest[:1]).items()}
        settings, lengths = self._run.train, self._examples.lengths
        rows = self._longest[: settings.batch_size * settings.accumulation_steps]
        longest = None if lengths is None else lengths[rows].tolist()
        model = self._run.model
        kept = settings.checkpoint_activations, settings.optimizer_state, model.dropout, model.encoder_dropout
        precision, attention = str(self._accelerator.mixed_precision), model.attention
        return [self._task.fingerprint(), attention, precision, weights, row, longest, kept]

    @cached_property
    def _copy(self) -> nn.Module:
        return copy.deepcopy(self._model).to(self._accelerator.device).train()

    def fits(self, size: int) -> bool:
        """Return whether steps with this number of rows fit into a GPU's memory."""
        try:
            self._step_twice(size)
        except torch.OutOfMemoryError:
            return False
        finally:
            self._copy.zero_grad()
            torch.cuda.empty_cache()
        return True

    def peak(self, size: int) -> int:
        """Return the bytes by which this process grows, at its peak, in steps with this number of rows."""
        memory.keep_memory()  # as in training
        self._step_twice(1)  # copy the model and initialise libraries before measuring
        memory.release_memory()
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        before = memory.process_memory("VmRSS")
        self._step_twice(size)
        return max(0, memory.process_memory("VmHWM") - before)

    def _step_twice(self, size: int) -> None:
        """Take two steps: only in the second are the optimizer's averages and the gradients in memory together."""
        accelerator, settings = self._accelerator, self._run.train
        batch = self._examples.collate(np.resize(self._longest[:size], size))
        inputs = {name: tensor.to(accelerator.device) for name, tensor in batch.items()}
        criterion, optimizer = self._task.criterion(settings.label_smoothing), adamw(self._copy, settings)
        with RandomStream(0, accelerator.device).active():
            for _ in range(2):
                with accelerator.autocast():
                    outputs = self._copy(inputs)
                result = criterion(outputs, inputs)
                (result[0] if isinstance(result, tuple) else result).backward()
                optimizer.step()
                optimizer.zero_grad()


def _machine(device: torch.device) -> list[Any]:
    if device.type == "cuda":
        gpu = torch.cuda.get_device_properties(device)
        return [platform.node(), gpu.name, gpu.total_memory, torch.__version__]
    return [platform.node(), platform.machine(), os.cpu_count(), torch.get_num_threads(), torch.__version__]


@contextlib.contextmanager
def _measurements(key: str) -> Iterator[dict[str, int]]:
    """Yield the cached measurements by size, and save them after the block if there are new ones."""
    folder = cache.place("batch", key)
    measured: dict[str, int] = storage.read_json(folder / _FILE) if cache.is_whole(folder) else {}
    before = len(measured)
    yield measured
    if len(measured) > before:
        with storage.atomic_folder(folder) as aside:
            storage.write_json(aside / _FILE, measured)


def _once(measured: dict[str, int], size: int, measure: Callable[[int], int]) -> int:
    if str(size) not in measured:
        measured[str(size)] = measure(size)
    return measured[str(size)]
