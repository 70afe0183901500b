"""Everything that training starts from, opened once: data, network, examples and device."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from accelerate import Accelerator

from tithe import config
from tithe.arrays import Array, Rows
from tithe.data import Splits
from tithe.data.text import truncation
from tithe.data.weights import combined
from tithe.models import network, windows
from tithe.models.examples import Examples, Truncated, Weighted
from tithe.models.features import States, states_here
from tithe.models.network import Network
from tithe.models.trial_pass import PrecisionError
from tithe.progress import bar
from tithe.tasks import Task
from tithe.train import cures, devices
from tithe.train.batch_plan import Plan
from tithe.train.forecast import Subject

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
    full_rows
        The number of training rows then, as balanced.
    """

    task: Task
    splits: Splits
    encoded: Examples
    examples: Examples
    network: Network
    accelerator: Accelerator
    data_fingerprint: str
    full_rows: int

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
        return self.take(self.splits.split.train)

    @property
    def train_examples(self) -> Examples:
        """The trainer's inputs for the training rows, with their weights, if any.

        Raises
        ------
        InputError
            All weights are 0.
        """
        return _weighted(self.examples.take(self.splits.train), self.splits.weights)

    def take(self, rows: Rows, factors: Array | None = None) -> Examples:
        """Return the trainer's inputs for some rows, with the weights that they have in the data, if any.

        `factors` is how much a selection weighs each of them.

        Raises
        ------
        InputError
            All weights are 0.
        """
        return _weighted(self.examples.take(rows), combined(self.splits.rows.take(rows).weights, factors))

    def with_train_rows(self, rows: Rows, weights: Array | None = None) -> Setup:
        """Return the same setup with the given rows of the pool as training rows, balanced as configured.

        `weights` is how much a selection weighs each of them, shape (K,).
        """
        splits = self.splits.with_train_rows(rows, self.run.data, self.run.seed, weights)
        if self.run.train.steps_of == "all":
            parts = {**splits.report["splits"], "train_before_selection": self.full_rows}
            splits = replace(splits, report={**splits.report, "splits": parts})
        return replace(self, splits=splits)

    @property
    def passes(self) -> int:
        """Passes over the training rows that the run takes; the last one may be cut (`train.steps_of`)."""
        total = self.run.train.epochs * self.steps_per_epoch(self.run.train.steps_of)
        return -(-total // self.steps_per_epoch("selected"))

    def steps_per_epoch(self, steps_of: str) -> int:
        """Return the optimizer steps that an epoch means in the settings, for a value of `train.steps_of`."""
        s, rows = self.run.train, self.full_rows if steps_of == "all" else len(self.splits.train)
        return Plan(None, rows, s.batch_size, s.accumulation_steps, self.run.seed, s.drop_last).steps_per_epoch


def _weighted(examples: Examples, weights: Array | None) -> Examples:
    return examples if weights is None else Weighted(examples, weights)


def open_setup(task: Task, splits: Splits, accelerator: Accelerator, states: States = states_here) -> Setup:
    """Encode all rows and build the network; a frozen encoder's features are computed, or read from the cache.

    The main process of a run encodes first, and fills the cache for the others. The setup's accelerator is another one
    than the given one if the network can't be run in its precision.

    Parameters
    ----------
    states
        Runs a frozen encoder; see `features.cached`.

    Raises
    ------
    InputError
        The encoder's tokenizer does not know the texts, its weights can't be loaded, it can't be trained as
        configured, or training needs more memory than is free.
    Interrupted
        A signal requested a stop; finished features are kept.
    """
    with accelerator.main_process_first():
        encoded, splits = encode(task, splits)
    begun = begin(task, splits, encoded)
    cures.check(Subject(task, begun.classifier, encoded, splits.train, accelerator))
    built, examples, accelerator = _networked(task, begun, encoded, accelerator, states)
    return Setup(task, splits, encoded, examples, built, accelerator, splits.fingerprint, len(splits.train))


def begin(task: Task, splits: Splits, encoded: Examples) -> Network:
    """Return the network before anything runs through it; see `network.begin`."""
    return network.begin(task.run, task.build(max(2, len(splits.labels)), task.run.seed), task.encoder_key(), encoded)


def _networked(
    task: Task, begun: Network, encoded: Examples, accelerator: Accelerator, states: States
) -> tuple[Network, Examples, Accelerator]:
    """Return the network and its inputs, in float32 where the precision is automatic and the network can't use it."""
    settings = task.run.train
    try:
        return *network.build(task.run, begun, encoded, accelerator, states), accelerator
    except PrecisionError as error:
        if settings.precision != "auto":
            raise
        logger.warning("%s: training in float32", error.problem)
    accelerator = devices.accelerator(settings.device, "no", settings.careful_scaling)
    return *network.build(task.run, begun, encoded, accelerator, states), accelerator


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
    counts = truncation.by_part(encoded.uncut, splits.split, task.run.model.reach)
    logger.info("%s", truncation.sentence(counts))
    if task.run.model.windows and encoded.lengths is not None:
        logger.info("%s", windows.cost(encoded.lengths, task.run.model))
    return encoded, replace(splits, report={**splits.report, "tokens": counts})
