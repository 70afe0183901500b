"""The Task contract: what the engine asks of a modality, and all that it knows of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from tithe import config
from tithe.arrays import Array, Rows
from tithe.data import Dataset, LabelMap, Splits
from tithe.models.examples import Batch, Examples

# A criterion's parts are what its loss is made of, for people to read.
Parts = dict[str, torch.Tensor]
# Maps (outputs, batch) to the sum of the rows' losses, and may name the sums that it is made of.
Criterion = Callable[[torch.Tensor, Batch], torch.Tensor | tuple[torch.Tensor, Parts]]
Tick = Callable[[int], object]


class Task(Protocol):
    """What one run's inputs are, how they become tensors, the network that reads them, and how it is judged.

    Attributes
    ----------
    run
        The config.
    progress_label
        What encoding is called, and what is counted: `("tokenising", "texts")`.
    rows_at_once
        Rows of an evaluation's batch.
    source
        Where pretrained weights are loaded from; None where there are none, or a checkpoint has them.
    """

    @property
    def run(self) -> config.Run: ...  # noqa: D102
    @property
    def progress_label(self) -> tuple[str, str]: ...  # noqa: D102
    @property
    def rows_at_once(self) -> int: ...  # noqa: D102
    @property
    def source(self) -> str | None: ...  # noqa: D102

    def load(self) -> Splits:
        """Return the config's rows, cleaned and split."""
        ...

    def load_labelled(self) -> tuple[Dataset, LabelMap]:
        """Return every usable row of the config's data, and their classes."""
        ...

    def with_data(self, path: Path) -> Task:
        """Return the same task on other labelled data."""
        ...

    def encode(self, dataset: Dataset, tick: Tick = ...) -> Examples:
        """Return a data set's rows as examples; `tick` receives the number of rows done."""
        ...

    def examples(self, inputs: Sequence[str]) -> Examples:
        """Return unlabelled inputs (texts, or paths of images) as examples, their labels 0."""
        ...

    def build(self, classes: int, seed: int) -> nn.Module:
        """Return a fresh network that maps a batch to outputs (B, …), frozen as the config says."""
        ...

    def criterion(self, label_smoothing: float = 0.0, class_weights: Array | None = None) -> Criterion:
        """Return the loss, summed over rows."""
        ...

    def probabilities(self, outputs: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return class probabilities, shape (N, C), of the network's outputs."""
        ...

    def scores(self, labels_N: Rows, outputs: Array) -> Mapping[str, float]:
        """Return the validation scores of the network's outputs; `metrics.DIRECTION` names those that decide."""
        ...

    def warnings(self, steps: int) -> list[str]:
        """Return what a person should know before so many optimizer steps are trained."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return what two runs must share for a checkpoint of one to fit the other."""
        ...

    def encoder_key(self) -> dict[str, str]:
        """Return what makes an encoder's features besides its weights and inputs; `config` is its configuration's hash.

        Empty where there is no encoder that could be frozen.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write what restores the task from a checkpoint, besides weights and config."""
        ...


@runtime_checkable
class ImageTask(Task, Protocol):
    """A task whose inputs are images."""

    def batch(self, photographs: Sequence[Array]) -> Batch:
        """Return images in memory, uint8 (H, W, 3) each, as a batch."""
        ...


class TaskModule(Protocol):
    """What a file of this folder offers."""

    def check(self, run: config.Run) -> None:
        """Find what is wrong with a config's data before they are read."""
        ...

    def open(self, run: config.Run) -> Task:
        """Return the task of a config, before any weights are loaded."""
        ...

    def restore(self, run: config.Run, folder: Path, fingerprint: Mapping[str, Any]) -> Task:
        """Return the task of a checkpoint from what `Task.save` wrote into it, and from its fingerprint."""
        ...
