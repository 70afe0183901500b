from __future__ import annotations

from pathlib import Path

import pytest

from support.serving import Gated, quiet_uvicorn, tiny  # noqa: F401  the second is a fixture
from tithe.serve.predictor import Checkpoint


@pytest.fixture(scope="session")
def checkpoint(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A model of random weights that nobody may change."""
    return tiny(tiny_bert, tmp_path_factory.mktemp("served"))


@pytest.fixture
def gated(checkpoint: Checkpoint) -> Gated:
    """The same model behind a gate, which is closed."""
    return Gated(checkpoint)
