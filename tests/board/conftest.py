from __future__ import annotations

from pathlib import Path

import pytest

from support.comparisons import train
from support.serving import quiet_uvicorn  # noqa: F401  a fixture
from support.texts import make_texts, write_rows


@pytest.fixture(scope="session")
def trained(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the real pipeline, which nobody may change."""
    rows = write_rows(tmp_path_factory.mktemp("rows") / "rows.parquet", *make_texts(60))
    home = tmp_path_factory.mktemp("runs") / "base"
    train(home, rows, tiny_bert, {"model": {"freeze": "all"}})
    return home
