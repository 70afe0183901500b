"""`tithe tune`: a table, and a config that trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tithe import config, storage

pytest.importorskip("optuna", reason="the extra tithe[tune] is not installed")

Settings = Callable[..., dict[str, Any]]
Tithe = Callable[..., tuple[Any, str, list[str]]]


def test_the_command_prints_a_table_and_writes_a_config_that_trains(
    settings: Settings, tmp_path: Path, tithe: Tithe
) -> None:
    file = tmp_path / "config.json"
    raw = settings(model={"freeze": "all"}, track={"neptune": {"api_token": "do-not-show"}})
    file.write_text(json.dumps(raw))
    more = ["--set", "tune.sample=0.5", "--set", "tune.epochs=1", "--trials", 3]
    code, out, err = tithe("tune", file, *more, "--out", tmp_path / "search")
    assert code == 0 and "number" in err[-1], err
    table = [line for line in out.splitlines() if line.startswith("|")]
    account = storage.read_json(tmp_path / "search/tuning.json")
    assert len(table) == 5 and table[2].split("|")[1].strip() == str(account["best"]["number"])
    assert f"tithe train {tmp_path}/search/tuned.json" in out and "do-not-show" not in out
    found = config.load(tmp_path / "search/tuned.json")
    assert found.train.learning_rate == account["best"]["values"]["train"]["learning_rate"]
    assert found.tune is None and found.out == raw["out"] and found.track.neptune
    assert found.track.neptune.api_token is None, "not the stars that stand for it"
    code, out, err = tithe("tune", file, *more, "--out", tmp_path / "search", "--then-train", "--json")
    assert code == 0, err
    recorded = json.loads(out)
    assert recorded["trials"] == account["trials"] and recorded["trained"]["home"] == raw["out"]
    trained = config.load(tmp_path / "run/config.json")
    decided = trained.model.model_copy(update={"pooling": "auto", "attention": "auto"})
    assert trained.model_copy(update={"track": found.track, "model": decided}) == found


@pytest.mark.parametrize("more, says", [(["--trials", 0], "--trials"), (["--set", "tune.epochs=0"], "tune.epochs = 0")])
def test_a_wrong_command_is_one_line(
    more: list[Any], says: str, settings: Settings, tmp_path: Path, tithe: Tithe
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(settings()))
    code, _, err = tithe("tune", tmp_path / "config.json", "--out", tmp_path / "search", *more)
    assert code == 2 and len(err) == 1 and says in err[0] and not (tmp_path / "search").exists()
