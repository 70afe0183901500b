"""A small file of the documented format `data_efficiency`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def documented(rows: Path, tiny_modernbert: Path) -> dict[str, Any]:
    """A file of the documented format, small."""
    return {
        "strategy_name": "k_center",
        "run_name": "my_run",
        "budget": 0.25,
        "dataset_path": str(rows),
        "model_name": str(tiny_modernbert),
        "max_length": 32,
        "epochs": 1,
        "batch_size": 8,
        "learning_rate": 1e-3,
    }
