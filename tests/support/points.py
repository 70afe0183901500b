"""The smallest real training: points in four dimensions, a network of two layers, the loop around them."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tithe import config
from tithe.models.examples import Batch, Examples
from tithe.tasks import Criterion
from tithe.train import devices, trainer
from tithe.train.step import Step
from tithe.train.trainer import FitOptions


class Points:
    """Real examples of the smallest kind: vectors of unequal cost, two classes, linearly separable."""

    def __init__(self, rows: int = 37, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(rows, 4)).astype(np.float32)
        self.labels = (self.x[:, 0] > 0).astype(np.int64)
        self.lengths = rng.integers(1, 50, rows)
        self.ids = np.arange(rows) + 1000

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: np.ndarray) -> Points:
        view = copy.copy(self)
        view.x, view.labels, view.lengths, view.ids = (
            self.x[rows],
            self.labels[rows],
            self.lengths[rows],
            self.ids[rows],
        )
        return view

    def collate(self, rows: np.ndarray) -> Batch:
        return {"x": torch.from_numpy(self.x[rows]), "labels": torch.from_numpy(self.labels[rows])}


class Net(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.layers = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 2))

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.layers(batch["x"])


def criterion(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    return F.cross_entropy(logits, batch["labels"], reduction="sum")


def settings(**values: object) -> config.Train:
    base = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "precision": "no", "device": "cpu"}
    return config.Train(**{**base, **values})


def steps(
    model: nn.Module, train: Examples | None = None, seed: int = 0, loss: Criterion = criterion, **values: object
) -> Iterator[Step]:
    validate = values.pop("validate", None)
    workers = values.pop("num_workers", 0)
    start = values.pop("start", None)
    per_epoch = values.pop("steps_per_epoch", None)
    s = settings(**values)
    accelerator = devices.accelerator("cpu")
    options = FitOptions(s, seed, accelerator, workers, per_epoch)
    return trainer.fit(model, loss, train or Points(), options, validate, start)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])
