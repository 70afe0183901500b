"""Small encoders, frozen as asked for, the names of what is frozen in them, and a training of any network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from support.text_tasks import opened
from tithe import config
from tithe.models.classifier import Classifier
from tithe.models.examples import Batch
from tithe.tasks import text
from tithe.train import devices, trainer
from tithe.train.trainer import FitOptions

# What `freeze: N` means in each of the two, by the names of their parameters.
FIRST = {
    "tiny_bert": ("encoder.embeddings.", "encoder.encoder.layer.{}."),
    "tiny_modernbert": ("encoder.embeddings.", "encoder.layers.{}."),
}


def frozen_prefixes(name: str, layers: int) -> tuple[str, ...]:
    embeddings, layer = FIRST[name]
    return (embeddings, *(layer.format(i) for i in range(layers)))


def built(folder: Path, **model: object) -> Classifier:
    return opened(folder, **model).build(2, seed=0)


def trainable(model: nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


def train(model: nn.Module, examples: Any, **values: object) -> None:
    settings = config.Train(
        **{"epochs": 1, "batch_size": 8, "learning_rate": 1e-2, "precision": "no", "device": "cpu", **values}
    )
    criterion = text.Text.criterion(None)  # type: ignore[arg-type]  # it needs nothing of the task
    for _ in trainer.fit(model, criterion, examples, FitOptions(settings, 0, devices.accelerator("cpu"))):
        pass


class Sentences:
    """Rows of eight random words, two classes."""

    lengths = None

    def __init__(self, count: int = 40, vocabulary: int = 64) -> None:
        rng = np.random.default_rng(0)
        self.words, self.labels = rng.integers(0, vocabulary, (count, 8)), rng.integers(0, 2, count)
        self.ids = np.arange(count)

    def __len__(self) -> int:
        return len(self.ids)

    def collate(self, rows: np.ndarray) -> Batch:
        return {"input_ids": torch.from_numpy(self.words[rows]), "labels": torch.from_numpy(self.labels[rows])}
