"""A strategy in a file: in `select`, in a run that is stopped and resumed, in a suite; edited, it is another one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tithe import config, pipeline, storage
from tithe.errors import InputError
from tithe.select.suite.grid import Grid
from tithe.select.suite.trials import run_suite

Settings = Callable[..., dict[str, Any]]
Tithe = Callable[..., tuple[Any, str, list[str]]]

CODE = """
from tithe.config import Section

NEEDS = ("lengths",)


class Options(Section):
    sign: float = 1.0


def score(pool, rng, options):
    return options.sign * pool.lengths
"""
EDITS_ITSELF = """
NEEDS = ("lengths",)


def score(pool, rng, options):
    with open(__file__, "a") as file:
        file.write("# edited")
    return 1.0 * pool.lengths
"""


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    file = tmp_path / "picks" / "longest.py"
    file.parent.mkdir()
    file.write_text(CODE)
    return file


def sha256(file: Path) -> str:
    return storage.sha256_file(file)


def test_the_command_takes_a_file(
    rows: Path, tiny_bert: Path, tmp_path: Path, strategy: Path, tithe: Tithe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["select", rows, "--strategy", "picks/longest.py", "--encoder", tiny_bert, "--max-length", 32]
    code, _, err = tithe(*asked, "--out", "long.parquet")
    assert code == 0, err
    recorded = storage.read_json(tmp_path / "long.json")
    assert (recorded["strategy"], recorded["strategy_sha256"]) == ("longest", sha256(strategy))
    assert recorded["rounds"][0]["strategy"] == "longest" and any("longest chose 12 of 120" in line for line in err)
    assert tithe(*asked, "--out", "short.parquet", "--option", "sign=-1.0")[0] == 0
    long, short = (set(pq.read_table(f"{name}.parquet")["id"].to_pylist()) for name in ("long", "short"))
    assert len(long) == len(short) == 12 and not long & short
    code, _, err = tithe(*asked, "--out", "none.parquet", "--option", "sing=1")
    assert code == 2 and "unknown key 'sing' in select.options of longest: did you mean 'sign'?" in err[-1]


def test_an_edited_strategy_is_refused_on_resume(
    settings: Settings, strategy: Path, tmp_path: Path, tithe: Tithe
) -> None:
    def train(epochs: int, file: Path) -> tuple[Any, list[str]]:
        raw = settings(select={"strategy": str(file), "budget": 0.5}, train={"epochs": epochs})
        (tmp_path / "run.json").write_text(json.dumps(raw))
        code, _, err = tithe("train", tmp_path / "run.json", "--resume", "auto")
        return code, err

    assert train(1, strategy)[0] == 0
    moved = strategy.rename(tmp_path / "longest.py")
    assert train(2, moved)[0] == 0, "the same content elsewhere is the same strategy"
    moved.write_text(CODE.replace("1.0", "-1.0"))
    history = (tmp_path / "run/history.jsonl").read_bytes()
    code, err = train(3, moved)
    assert code == 2 and "has different select (strategy_sha256: " in err[-1] and "use the selection it was" in err[-1]
    assert (tmp_path / "run/history.jsonl").read_bytes() == history


def test_the_strategy_of_the_first_round_counts_too(settings: Settings, strategy: Path) -> None:
    raw = settings(select={"strategy": "k_center", "first": str(strategy), "budget": 0.5, "rounds": 2})
    home = pipeline.train(config.parse(raw)).home
    recorded = storage.read_json(home / "selection.json")
    assert recorded["first_sha256"] == sha256(strategy) and [r["strategy"] for r in recorded["rounds"]] == [
        "longest",
        "k_center",
    ]
    strategy.write_text(CODE + "\n")
    raw = {**raw, "train": {**raw["train"], "epochs": 3}, "checkpoint": {"resume": "auto"}}
    with pytest.raises(InputError, match=r"has different select \(first_sha256: "):
        pipeline.train(config.parse(raw))


def test_a_strategy_that_is_edited_while_it_chooses_is_refused(settings: Settings, strategy: Path) -> None:
    strategy.write_text(EDITS_ITSELF)
    raw = settings(select={"strategy": str(strategy)})
    with pytest.raises(InputError, match="the file of a strategy was edited while it was in use: run this again"):
        pipeline.train(config.parse(raw))
    assert not (Path(raw["out"]) / "config.json").exists()


@pytest.fixture
def base(settings: Settings) -> config.Run:
    raw = settings(model={"freeze": "all"}, data={"test_ratio": 0.2}, train={"epochs": 1, "batch_size": 8})
    return config.parse(raw)


def test_a_suite_is_the_same_in_processes_takes_a_file_in_any_and_runs_an_edited_one_again(
    base: config.Run, strategy: Path, tmp_path: Path
) -> None:
    def run(folder: str, **more: Any) -> list[dict[str, Any]]:
        return run_suite(base, Grid([str(strategy), "el2n"], [0.25], [0]), tmp_path / folder, **more)

    one, two = run("one"), run("two", processes=2)
    assert [r["strategy"] for r in one] == ["all", "random", "longest", "el2n"]
    assert [r["rows_sha256"] for r in one] == [r["rows_sha256"] for r in two]
    assert [r["test"]["accuracy"] for r in one] == [r["test"]["accuracy"] for r in two]
    assert one[2]["strategy_sha256"] == two[2]["strategy_sha256"] == sha256(strategy)
    files = {file.name for file in (tmp_path / "one/trials").iterdir()}
    strategy.write_text(CODE.replace("1.0", "-1.0"))
    edited = run("one")
    (more,) = {file.name for file in (tmp_path / "one/trials").iterdir()} - files
    assert more.startswith("longest-0.25-0-") and edited[2]["rows_sha256"] != one[2]["rows_sha256"]


def test_a_suite_refuses_two_files_of_one_name(base: config.Run, strategy: Path, tmp_path: Path) -> None:
    other = tmp_path / "longest.py"
    other.write_text(CODE)
    with pytest.raises(InputError, match=r"strategies .*longest\.py and .*longest\.py have one name: rename a file"):
        run_suite(base, Grid([str(strategy), str(other)], [0.25], [0]), tmp_path / "suite")
    assert not (tmp_path / "suite").exists()


def test_a_comparison_names_what_was_edited(settings: Settings, strategy: Path, tmp_path: Path) -> None:
    from tithe.compare.runs import read_runs

    homes = []
    for name, code in (("first", CODE), ("second", CODE.replace("1.0", "-1.0"))):
        strategy.write_text(code)
        raw = settings(out=str(tmp_path / name), select={"strategy": str(strategy)}, train={"epochs": 1})
        homes.append(pipeline.train(config.parse(raw)).home)
    first, second = (run.settings for run in read_runs(homes))
    assert {key for key in first if first[key] != second[key]} == {"select.strategy_sha256"}
    assert first["select.strategy"] == "longest"
