"""A run with a native head, and its export."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from support.texts import make_texts, write_rows
from tithe import config, pipeline
from tithe.export import Request, export


class Exported(NamedTuple):
    """A run, the file of its rows, and its export: nobody may change them."""

    run: Path
    rows: Path
    folder: Path


def make(folder: Path, encoder: Path) -> Exported:
    rows = write_rows(folder / "rows.parquet", *make_texts(60))
    raw = {
        "out": str(folder / "run"),
        "data": {"path": str(rows), "test_ratio": 0.2},
        "model": {"encoder": str(encoder), "max_length": 12, "head": "native"},
        "train": {"epochs": 1, "batch_size": 8, "learning_rate": 5e-3, "precision": "no", "device": "cpu"},
        "track": {"tensorboard": False},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITHE_CACHE", str(folder / "cache"))
        run = pipeline.train(config.parse(raw)).home
        export(run, Request("huggingface", license="mit"), folder / "export")
    return Exported(run, rows, folder / "export")
