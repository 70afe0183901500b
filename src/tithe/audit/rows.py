"""The rows of an audit: all that the data have, cleaned, with the vectors of the frozen encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tithe import config
from tithe.arrays import Array, Rows
from tithe.data import Dataset, LabelMap, Splits, load_unsplit
from tithe.data.splits import Split
from tithe.errors import InputError
from tithe.models.examples import Truncated
from tithe.select.signals.gather import SignalInputs
from tithe.tasks import open_checked
from tithe.train import devices
from tithe.train.setup import open_setup

# Rows that heads are fit on: as many as keep one fit within seconds, which rows × columns × classes decides.
_MOST, _LEAST, _COST = 20_000, 2_000, 1e8
_READ = 100_000  # texts that are read for their words and characters


@dataclass(frozen=True)
class AuditRows:
    """Rows, their vectors, and seeded parts of them for what would take long on all.

    Attributes
    ----------
    vectors
        Shape (N, D).
    uncut
        Tokens of each text before `max_length` cuts it, shape (N,).
    splits
        All rows as training rows, with the data report.
    seed
        Decides the parts.
    """

    vectors: Array
    uncut: Rows
    splits: Splits
    seed: int

    @property
    def data(self) -> Dataset:
        """The rows, all of them."""
        return self.splits.rows

    @property
    def labels(self) -> LabelMap:
        """The classes."""
        return self.splits.labels

    @cached_property
    def fit(self) -> Rows:
        """Positions of the rows that heads are fit on, sorted."""
        width = self.vectors.shape[1] * len(self.labels)
        return self._part(max(_LEAST, min(_MOST, int(_COST / width))))

    @cached_property
    def read(self) -> Rows:
        """Positions of the rows whose words and characters are counted, sorted."""
        return self._part(_READ)

    def _part(self, most: int) -> Rows:
        rng = np.random.default_rng([self.seed, 0xA0D1])
        return np.sort(rng.permutation(len(self.data))[:most])


def open_rows(run: config.Run) -> AuditRows:
    """Read and clean all rows of a config's data, and encode them with its encoder before training.

    Raises
    ------
    InputError
        The config is not for texts, the data have fewer than two classes, or a setting is wrong.
    Interrupted
        A signal requested a stop; finished features are kept.
    """
    if run.task != "text":
        raise InputError(f"tithe audit is for texts, and task is {run.task}: pass a data file or a config of texts")
    own = run.data.embeddings is not None  # they save the pass of the encoder
    if own:
        run = run.model_copy(update={"train": run.train.model_copy(update={"cache_features": False})})
    task = open_checked(run)
    splits = _unsplit(load_unsplit(run.data))
    if len(splits.labels) < 2:
        raise InputError(f"{run.data.path}: one class only ('{splits.labels.names[0]}'): an audit needs at least two")
    setup = open_setup(task, splits, devices.accelerator(run.train.device, run.train.precision))
    assert isinstance(setup.encoded, Truncated)  # the task is that of texts
    return AuditRows(SignalInputs(setup, config.Select()).embeddings, setup.encoded.uncut, setup.splits, run.seed)


def _unsplit(splits: Splits) -> Splits:
    """Return the splits with every row in training, also those that have a split of their own."""
    every, none = np.arange(len(splits.rows)), np.zeros(0, dtype=np.int64)
    return replace(splits, train=every, split=Split(every, none, none, too_small=()))
