"""`tithe compress`: the rows that reproduce a trained head, how nearly, and wrong questions in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from support.command_line import Run, assert_refused
from support.texts import make_texts, write_rows
from tithe import storage
from tithe.checkpoints import locate


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Path:
    """A run of a head on a frozen encoder, two classes, 84 training, 12 validation and 24 test rows."""
    import tithe

    folder = tmp_path_factory.mktemp("frozen")
    raw = {
        "name": "frozen",
        "out": str(folder / "run"),
        "data": {"path": str(write_rows(folder / "rows.parquet", *make_texts(60))), "test_ratio": 0.2},
        "model": {"encoder": str(tiny_bert), "max_length": 32, "freeze": "all"},
        "train": {"epochs": 1, "batch_size": 8, "learning_rate": 3e-3, "precision": "no", "device": "cpu"},
        "track": {"tensorboard": False},
    }
    tithe.train(raw)
    return folder / "run"


@pytest.mark.parametrize("strategy", ["sensitivity", "gradient_match", "omp"])
def test_weighted_rows_stand_for_the_head_of_all(strategy: str, frozen: Path, tmp_path: Path, run: Run) -> None:
    before = storage.sha256_file(frozen / "manifest.json")
    result = run("compress", frozen, "--rows", "25%", "--strategy", strategy, "--out", tmp_path / "few.parquet")
    assert result.code == 0, result.err
    assert result.out.splitlines()[:2] == [
        f"21 of 84 training rows in {tmp_path}/few.parquet, parity in {tmp_path}/few.json",
        "compression of a head: says little of the rows",
    ]
    table, about = pq.read_table(tmp_path / "few.parquet"), storage.read_json(tmp_path / "few.json")
    assert table.column_names == ["id", "rank", "weight", "text", "label"] and len(table) == 21
    assert json.loads(table.schema.metadata[b"tithe"]) == about
    rows = pq.read_table(frozen.parent / "rows.parquet").take(table["id"])
    assert rows["text"].to_pylist() == table["text"].to_pylist()
    assert rows["label"].to_pylist() == table["label"].to_pylist()
    weights = np.array(table["weight"])
    assert about["penalty"]["compressed"] * weights.sum() / 21 == pytest.approx(about["penalty"]["all_rows"])
    best = locate.find_best(frozen)
    assert about["weights_sha256"]["model.pt"] == storage.sha256_file(best / "model.pt")
    parity = about["parity"]
    assert parity["agreement"][0]["mean_probability_difference"] < 0.055, (
        "omp and sensitivity are above it without their weights"
    )
    own = storage.read_json(frozen / "test/metrics.json")["accuracy"]
    assert (parity["part"], parity["rows"], parity["accuracy"]["run"]) == ("test", 24, pytest.approx(own))
    assert not set(table["id"].to_pylist()) & set(pq.read_table(frozen / "test/predictions.parquet")["row"].to_pylist())
    assert storage.sha256_file(frozen / "manifest.json") == before


def test_all_rows_are_the_head_of_all(frozen: Path, tmp_path: Path, run: Run) -> None:
    result = run(
        "compress", frozen, "--rows", 84, "--strategy", "gradient_match", "--out", tmp_path / "a.parquet", "--json"
    )
    about = json.loads(result.out)
    first = about["parity"]["agreement"][0]
    assert first["heads"] == ["compressed", "all_rows"] and first["same_predictions"] == 1
    assert first["mean_probability_difference"] < 1e-3 and about["rows"] == 84


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--rows", "0.1"], "--rows 0.1 is neither a share nor a count of rows: write for example 10% or 500"),
        (["--rows", "0%"], "--rows 0% is neither a share nor a count"),
        (["--rows", "101%"], "--rows 101% is neither a share nor a count"),
        (["--rows", "85"], "--rows 85 is more than the run's 84 training rows: ask for fewer"),
        (["--rows", "1"], "--rows gives 1 of 84 training rows, fewer than the 2 classes: ask for 2 or more"),
        (["--strategy", "k_center"], "matches no head: choose sensitivity, gradient_match, omp"),
        (["--out", "few.csv"], "--out few.csv is not a .parquet file"),
    ],
)
def test_a_wrong_question_is_one_line(more: list[str], says: str, frozen: Path, tmp_path: Path, run: Run) -> None:
    assert_refused(run("compress", frozen, "--out", tmp_path / "few.parquet", *more), says)
    assert not list(tmp_path.glob("few.*"))


def test_nothing_is_written_into_the_run(frozen: Path, run: Run) -> None:
    assert_refused(run("compress", frozen, "--out", frozen / "few.parquet"), "is inside the run")
    assert not list(frozen.glob("few.*"))


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"model": {"freeze": "none"}}, "was trained with model.freeze none, .*: pass a run of a text classifier"),
        ({"select": {"strategy": "random"}}, "was trained on a selection of its rows: pass a run on all of them"),
        ({"data": {"weight_column": "weight"}}, "weighs its rows: pass a run without data.weight_column"),
    ],
)
def test_other_runs_are_refused(
    section: dict[str, dict[str, str]], says: str, frozen: Path, tmp_path: Path, run: Run
) -> None:
    home = tmp_path / "other"
    home.mkdir()
    config = storage.read_json(frozen / "config.json")
    for name, values in section.items():
        config[name] = {**(config.get(name) or {}), **values}
    storage.write_json(home / "config.json", config)
    shutil.copy(frozen / "manifest.json", home)
    assert_refused(run("compress", home, "--out", tmp_path / "few.parquet"), says)


def test_a_run_that_is_not_finished_is_refused(frozen: Path, tmp_path: Path, run: Run) -> None:
    shutil.copy(frozen / "config.json", tmp_path)
    assert_refused(
        run("compress", tmp_path, "--out", tmp_path / "few.parquet"), "is not the directory of a finished run"
    )


def test_rows_that_have_changed_are_refused(frozen: Path, tmp_path: Path, run: Run) -> None:
    rows = frozen.parent / "rows.parquet"
    kept = rows.read_bytes()
    try:
        write_rows(rows, *make_texts(50))
        result = run("compress", frozen, "--out", tmp_path / "few.parquet")
    finally:
        rows.write_bytes(kept)
    assert_refused(result, "has changed since training: restore them")
