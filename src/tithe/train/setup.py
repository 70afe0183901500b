"""Everything that training starts from, opened once: data, network, examples and device."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from accelerate import Accelerator
from torch import nn

from tithe import config
from tithe.arrays import Rows
from tithe.data import Splits
from tithe.data.text import truncation
from tithe.models import network
from tithe.models.examples import Examples, Truncated
from tithe.models.network import Network
from tithe.models.trial_pass import PrecisionError
from tithe.progress import bar
from tithe.tasks import Task
from tithe.train import devices

logger = logging.getLogger("tithe")


@dataclass(frozen=True)
class Setup:
    """Everything that training starts from.

    Attributes
    ----------
    task
        The run's task.
    splits
        The data set and its splits.
    encoded
        All rows, encoded by the task.
    examples
        The inputs of the trainer, for all rows: features of a frozen encoder, else `encoded`.
    network
        The untrained network.
    accelerator
        Device, precision, processes.
    data_fingerprint
        That of the rows as they were split, before a strategy chose among them.
    """

    task: Task
    splits: Splits
    encoded: Examples
    examples: Examples
    network: Network
    accelerator: Accelerator
    data_fingerprint: str

    @property
    def run(self) -> config.Run:
        """The config."""
        return self.task.run

    @property
    def classes(self) -> int:
        """The number of classes of the network."""
        return max(2, len(self.splits.labels))

    @property
    def pool(self) -> Examples:
        """The trainer's inputs for the training rows before balancing, from which a strategy selects."""
        return self.examples.take(self.splits.split.train)

    def with_train_rows(self, rows: Rows) -> Setup:
        """Return the same setup with the given rows of the pool as training rows, balanced as configured."""
        return replace(self, splits=self.splits.with_train_rows(rows, self.run.data, self.run.seed))


def open_setup(task: Task, splits: Splits, accelerator: Accelerator) -> Setup:
    """Encode all rows and build the network; a frozen encoder's features are computed, or read from the cache.

    The main process of a run encodes first, and fills the cache for the others. The setup's accelerator is another one
    than the given one if the network can't be run in its precision.

    Raises
    ------
    InputError
        The encoder's tokenizer does not know the texts, its weights can't be loaded, or it can't be trained as
        configured.
    Interrupted
        A signal requested a stop; finished features are kept.
    """
    with accelerator.main_process_first():
        encoded, splits = encode(task, splits)
    model = task.build(max(2, len(splits.labels)), task.run.seed)
    built, examples, accelerator = _networked(task, model, encoded, accelerator)
    return Setup(task, splits, encoded, examples, built, accelerator, splits.fingerprint)


def _networked(
    task: Task, model: nn.Module, encoded: Examples, accelerator: Accelerator
) -> tuple[Network, Examples, Accelerator]:
    """Return the network and its inputs, in float32 where the precision is automatic and the network can't use it."""
    settings, key = task.run.train, task.encoder_key()
    try:
        return *network.build(task.run, model, key, encoded, accelerator), accelerator
    except PrecisionError as error:
        if settings.precision != "auto":
            raise
        logger.warning("%s: training in float32", error.problem)
    accelerator = devices.accelerator(settings.device, "no", settings.careful_scaling)
    return *network.build(task.run, model, key, encoded, accelerator), accelerator


def encode(task: Task, splits: Splits) -> tuple[Examples, Splits]:
    """Encode all rows; where texts are cut, the report of the returned splits counts what they lose, as `tokens`.

    Raises
    ------
    InputError
        The encoder's tokenizer does not know the texts.
    """
    label, unit = task.progress_label
    with bar(label, len(splits.rows), unit) as tick:
        encoded = task.encode(splits.rows, tick)
    if not isinstance(encoded, Truncated):
        return encoded, splits
    counts = truncation.by_part(encoded.uncut, splits.split, task.run.model.max_length)
    logger.info("%s", truncation.sentence(counts))
    return encoded, replace(splits, report={**splits.report, "tokens": counts})
