"""The budget of training rows, spent in rounds."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from torch.utils.data import DataLoader

from data_efficiency.config import EXAMPLE, Source, read_config
from data_efficiency.strategies import DataSelectionStrategy
from tithe import pipeline
from tithe.data import Splits
from tithe.select import SelectionResult, choose_rows, overridden
from tithe.train import devices
from tithe.train.setup import Setup, open_setup


class RoundScheduler:
    """Lets a strategy choose training rows in rounds; a model of the rows so far scores the rest between them.

    Iterating it gives a loader for each round.

    Parameters
    ----------
    dataset
        What `upload_dataset` returns for the config.
    strategy
        What `get_strategy` returns, or an object of a class of your own.
    config
        Encoder and training of the models.
    budget, rounds
        Share of the training rows, and in how many rounds it is spent; those of the config when unset.
    """

    def __init__(
        self,
        dataset: Splits,
        strategy: DataSelectionStrategy,
        config: Source = EXAMPLE,
        budget: float | None = None,
        rounds: int | None = None,
    ) -> None:
        run = read_config(config)
        changes = {"strategy": strategy.name, "budget": budget, "rounds": rounds}
        options = strategy.options.model_dump(exclude_unset=True)
        own = {"select": overridden(run.select, changes, options, "RoundScheduler")}
        self.dataset, self.run = dataset, run.model_copy(update=own)
        self.task = pipeline.check(self.run)

    @cached_property
    def result(self) -> SelectionResult:
        """The chosen rows: `result.ids` are their positions in the data file."""
        return choose_rows(self.setup, self.run.select)

    @cached_property
    def setup(self) -> Setup:
        """The network, and the rows as it reads them."""
        accelerator = devices.accelerator(self.run.train.device, self.run.train.precision)
        return open_setup(self.task, self.dataset, accelerator)

    def loader(self, number: int) -> DataLoader:
        """Return batches, in a random order, of the rows chosen up to a round, which are counted from 0."""
        chosen = self.result.selection
        examples = self.setup.pool.take(chosen.rows[chosen.round <= number])
        return DataLoader(
            range(len(examples)),
            batch_size=self.run.train.batch_size,
            shuffle=True,
            collate_fn=lambda rows: examples.collate(np.array(rows)),
            generator=torch.Generator().manual_seed(self.run.seed),
        )

    def __len__(self) -> int:
        return len(self.result.rounds)

    def __iter__(self) -> Iterator[DataLoader]:
        return map(self.loader, range(len(self)))
