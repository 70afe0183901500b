"""The log of a run: begun before its directory, and without a handler left behind."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.runs import run
from tithe.errors import InputError

Settings = Callable[..., dict[str, Any]]


pytestmark = pytest.mark.usefixtures("log")


def test_the_log_begins_before_the_directory(stamped: Settings, tmp_path: Path) -> None:
    for name in ("first", "second"):
        run(stamped(out=str(tmp_path / name), train={"epochs": 1}))
    first, second = ((tmp_path / name / "train.log").read_text().splitlines() for name in ("first", "second"))
    assert "reading and cleaning" in first[0] and not any("the encoder does not run" in line for line in first)
    assert "the encoder does not run: features of 120 rows" in second[1]  # after what max_length cuts
    assert sum("the encoder does not run" in line for line in second) == 1
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|DEBUG) ", line) for line in second)
    assert any("training on cpu" in line for line in second)


def test_a_run_that_fails_before_its_directory_leaves_nothing_and_no_handler(
    stamped: Settings, tmp_path: Path, settings: Settings
) -> None:
    logger = logging.getLogger("tithe")
    before = list(logger.handlers)
    with pytest.raises(InputError):
        run(stamped(data={"path": str(tmp_path / "nowhere.parquet")}))
    assert logger.handlers == before and not (tmp_path / "runs").exists()
    run(json.loads(json.dumps(settings(train={"epochs": 1}))))
    assert logger.handlers == before
