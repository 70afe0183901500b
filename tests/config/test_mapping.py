"""A config as a dict is read as strictly as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tithe
from tithe.errors import InputError


def test_a_dict_a_file_and_a_run_are_one_config(tmp_path: Path) -> None:
    raw = {"data": {"path": tmp_path / "rows.csv"}, "train": {"epochs": np.int64(2), "learning_rate": np.float32(0.5)}}
    run = tithe.read_config(raw)
    (tmp_path / "c.yaml").write_text(f"data: {{path: {tmp_path}/rows.csv}}\ntrain: {{epochs: 2, learning_rate: 0.5}}")
    assert run == tithe.read_config(tmp_path / "c.yaml") == tithe.read_config(run)
    assert tithe.read_config(raw, ["train.epochs=3"]).train.epochs == 3 and raw["train"]["epochs"] == 2


WRONG: list[tuple[Any, list[str], str]] = [
    ({"data": {"path": "x"}, "train": {"epoch": 1}}, [], "unknown key 'train.epoch'.*'epochs'"),
    ({"data": {"path": "x"}, "train": {"epochs": "2"}}, [], "train.epochs = '2'"),
    ({"data": {"path": object()}}, [], "data.path is of type object"),
    (5, [], "a int is not a config"),
    (None, [], "a NoneType is not a config"),
]


@pytest.mark.parametrize(("source", "overrides", "says"), WRONG)
def test_a_mistake_in_a_dict_is_one_line(source: Any, overrides: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        tithe.read_config(source, overrides)
    assert "\n" not in str(refused.value)
