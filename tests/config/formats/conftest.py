"""The documented format `classifier_training`: a file with some keys changed, and runs of it."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.classifier_training import (
    Given,
    documented,
    read,
)
from tithe import pipeline
from tithe.runs.finish import Outcome


@pytest.fixture
def given(tmp_path: Path, tiny_bert: Path) -> Given:
    """Return the documented file with some keys changed, as a `Run`."""
    return lambda *overrides, **changes: read(tmp_path, tiny_bert, changes, *overrides)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Callable[..., Outcome]:
    """Run the pipeline once for each set of changes, from file to report, and remember what came out."""
    known: dict[str, Outcome] = {}
    folder = tmp_path_factory.mktemp("whole")

    def run(again: int = 0, **changes: Any) -> Outcome:
        key = json.dumps([again, changes], sort_keys=True)
        if key not in known:
            home = Path(tempfile.mkdtemp(dir=folder))
            documented(folder, tiny_bert)  # one Parquet file for all
            settings = {"data.parquet_path": str(folder / "rows.parquet"), **changes}
            settings.setdefault("checkpointing.checkpoints_dir", str(home / "checkpoints"))
            known[key] = pipeline.train(read(home, tiny_bert, settings))
        return known[key]

    return run
