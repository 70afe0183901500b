"""The text task on small encoders, its data, and what its network answers."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from support.texts import make_texts, write_rows
from tithe import config
from tithe.data import Dataset, ingest
from tithe.tasks import text
from tithe.tasks.text import Text

TEXTS = ["goal", "the team and the coach of the cup", "rocket to the moon", "a star of the season was new"]


def opened(folder: Path, **model: object) -> Text:
    return text.open(
        config.parse({"data": {"path": "unread"}, "model": {"encoder": str(folder), "max_length": 32, **model}})
    )


def data(tmp_path: Path, texts: list[str] | None = None) -> Dataset:
    found, labels = make_texts(20) if texts is None else (texts, ["a", "b"] * (len(texts) // 2))
    return ingest(config.Data(path=str(write_rows(tmp_path / "some.parquet", found, labels))))[0]


def logits(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(batch)
