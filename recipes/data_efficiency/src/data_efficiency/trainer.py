"""Training on the rows that a strategy chose."""

import tithe
from data_efficiency.config import EXAMPLE, Source, read_config
from data_efficiency.round_scheduler import RoundScheduler
from tithe.runs.finish import Outcome


class Trainer:
    """Trains on the rows that a scheduler chose, or without one on those that the config's own strategy chooses.

    If the config says so, a search for hyperparameters comes first.
    """

    def __init__(self, scheduler: RoundScheduler | None = None, config: Source = EXAMPLE) -> None:
        self.run = scheduler.run if scheduler else read_config(config)

    def train(self, overwrite: bool = False) -> Outcome:
        """Train, keep the checkpoint with the best validation score, and evaluate it; see `tithe.train`."""
        return tithe.train(self.run, overwrite)
