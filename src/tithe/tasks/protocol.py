"""The Task contract: everything that the engine knows about a modality."""

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

# The named parts of a loss, for logs and reports.
Parts = dict[str, torch.Tensor]
# Maps (outputs, batch) to the sum of the rows' losses, each times its weight where the batch has `weights`, and may
# return the sums of its parts too.
Criterion = Callable[[torch.Tensor, Batch], torch.Tensor | tuple[torch.Tensor, Parts]]
Tick = Callable[[int], object]


class Task(Protocol):
    """The modality of a run: its inputs, their conversion to tensors, the network, the loss and the scores.

    Attributes
    ----------
    run
        The config.
    progress_label
        Label of the progress bar of `encode`, and its unit: `("tokenising", "texts")`.
    rows_at_once
        Batch size of evaluation.
    source
        Folder or hub name of the pretrained weights; None if there are none, or a checkpoint contains them.
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

    def load_labelled(self) -> tuple[Dataset, LabelMap, Mapping[str, int]]:
        """Return every usable row of the config's data, their classes, and by reason how many were left out."""
        ...

    def with_data(self, path: Path, layout: config.Layout | None = None) -> Task:
        """Return the same task on other labelled data; the layout is that of the config, where it fits, when unset."""
        ...

    def encode(self, dataset: Dataset, tick: Tick = ...) -> Examples:
        """Return a data set's rows as examples; `tick` is called with the number of rows just done."""
        ...

    def examples(self, inputs: Sequence[str]) -> Examples:
        """Return unlabelled inputs (texts, or paths of images) as examples; their labels are 0."""
        ...

    def build(self, classes: int, seed: int) -> nn.Module:
        """Return a fresh network that maps a batch to outputs (B, …), frozen as the config specifies."""
        ...

    def criterion(self, label_smoothing: float = 0.0, class_weights: Array | None = None) -> Criterion:
        """Return the loss, summed over rows."""
        ...

    def probabilities(self, outputs: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return class probabilities, shape (N, C), of the network's outputs."""
        ...

    def scores(self, labels_N: Rows, outputs: Array) -> Mapping[str, float]:
        """Return the validation scores of outputs; `metrics.DIRECTION` names those that can decide the best."""
        ...

    def warnings(self, rates: Sequence[float], is_new: bool) -> list[str]:
        """Return warnings for the user before training.

        `rates` is the learning rate of each optimizer step to come; `is_new` is false if the weights were trained
        before, by the run whose file this one continues from.
        """
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return what a checkpoint must match to be loaded."""
        ...

    def encoder_key(self) -> dict[str, str]:
        """Return what an encoder's features depend on besides weights and inputs.

        `config` is the hash of its configuration. Empty if there is no encoder to freeze.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write what `restore` needs in addition to weights and config."""
        ...


@runtime_checkable
class ImageTask(Task, Protocol):
    """A task whose inputs are images."""

    def batch(self, photographs: Sequence[Array]) -> Batch:
        """Return images in memory, each uint8, shape (H, W, 3), as a batch."""
        ...


@runtime_checkable
class TextTask(Task, Protocol):
    """A task whose inputs are texts.

    Attributes
    ----------
    encoder
        The encoder's Hugging Face configuration.
    tokenizer
        The encoder's tokenizer.
    pooling
        Resolved pooling: cls or mean.
    """

    @property
    def encoder(self) -> Any: ...  # noqa: D102
    @property
    def tokenizer(self) -> Any: ...  # noqa: D102
    @property
    def pooling(self) -> str: ...  # noqa: D102


class TaskModule(Protocol):
    """The contract of a module in this folder."""

    def check(self, run: config.Run) -> None:
        """Check a config's data settings before any data is read.

        Raises
        ------
        InputError
            A setting does not fit the data or the task.
        """
        ...

    def open(self, run: config.Run) -> Task:
        """Return the task of a config, before any weights are loaded."""
        ...

    def restore(self, run: config.Run, folder: Path, fingerprint: Mapping[str, Any]) -> Task:
        """Return the task of a checkpoint from the files of `Task.save` and the checkpoint's fingerprint."""
        ...
