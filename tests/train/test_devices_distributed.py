"""Two processes are one run: the same steps, the same losses, one set of files."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support import fork_server, processes
from support.encoders import without_dropout
from support.features import predicted
from tithe import config, pipeline, storage
from tithe.checkpoints import store
from tithe.evaluate.checkpoint import Evaluation, evaluate_checkpoint
from tithe.predict import load

TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
ACCELERATE = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]


Launched = Callable[[list[str], Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def launched() -> Iterator[Launched]:
    """Train by a config in the processes that a launcher starts: they, and the launcher, have the libraries already."""
    with fork_server.python() as python:
        variables = {"OMP_NUM_THREADS": "1", "PYTHON_EXEC": str(python)}

        def launch(by: list[str], config_file: Path) -> subprocess.CompletedProcess[str]:
            command = ["-m", *by, "-m", "tithe", "train", config_file]
            return processes.run(*command, env={**os.environ, **variables})

        yield launch


def test_two_processes_train_the_same_run_as_one(
    settings: Callable[..., dict[str, Any]], launched: Launched, tmp_path: Path
) -> None:
    # 96 rows in steps of 10: the last step has 6 rows, three for each process. Dropout off: its draws differ. Weights,
    # so that the processes' shares of a step count unequally.
    model = without_dropout(tmp_path, settings)
    data = _with_weights(tmp_path, Path(settings()["data"]["path"]))
    raw = settings(model=model, data=data, train={"batch_size": 5, "accumulation_steps": 2})
    one = pipeline.train(config.parse({**raw, "out": str(tmp_path / "one")}))
    (tmp_path / "two.json").write_text(json.dumps({**raw, "out": str(tmp_path / "two")}))
    done = launched(TORCHRUN, tmp_path / "two.json")
    assert done.returncode == 0, done.stderr[-2000:]
    histories = [storage.read_lines(tmp_path / name / "history.jsonl") for name in ("one", "two")]
    assert len(histories[0]) == len(histories[1])
    for a, b in zip(*histories, strict=True):
        assert a.keys() == b.keys()
        for key, value in a.items():
            assert b[key] == (pytest.approx(value, rel=1e-5, abs=1e-5) if isinstance(value, float) else value)
    result = json.loads((tmp_path / "two/metrics.json").read_text())
    assert result["training"]["processes"] == 2
    assert result["test"]["accuracy"] == pytest.approx(one.scores["test"]["accuracy"])
    assert storage.broken_files(tmp_path / "two") == []
    assert len(store.load(tmp_path / "two/checkpoints/best").rng["processes"]) == 2
    assert load(tmp_path / "two/checkpoints/best").predict(["goal team win"])[0].probability > 0.5
    asked = Evaluation(checkpoint_path=str(tmp_path / "two"))
    evaluate_checkpoint(load(tmp_path / "two", "cpu"), asked, tmp_path / "found")
    for part in ("validation", "test"):
        assert predicted(tmp_path / "found", part).equals(predicted(tmp_path / "two", part)), "processes share batches"


def _with_weights(tmp_path: Path, rows: Path) -> dict[str, str]:
    table = pq.read_table(rows)
    weights = [float(row % 7) for row in range(len(table))]
    pq.write_table(table.append_column("weight", pa.array(weights)), tmp_path / "weighted.parquet")
    return {"path": str(tmp_path / "weighted.parquet"), "weight_column": "weight"}


def test_a_run_of_two_processes_goes_on_in_one(
    settings: Callable[..., dict[str, Any]], launched: Launched, tmp_path: Path
) -> None:
    model = without_dropout(tmp_path, settings)
    raw = settings(model=model, train={"batch_size": 5, "epochs": 3})
    never_stopped = pipeline.train(config.parse({**raw, "out": str(tmp_path / "one")}))
    half = {**raw, "out": str(tmp_path / "two"), "train": {**raw["train"], "schedule_epochs": 3, "epochs": 2}}
    (tmp_path / "two.json").write_text(json.dumps({**half, "checkpoint": {"every_batches": 10}}))
    assert (done := launched(ACCELERATE, tmp_path / "two.json")).returncode == 0, done.stderr[-2000:]
    checkpoint = max((tmp_path / "two/checkpoints").glob("step_*"))
    resumed = {**raw, "out": str(tmp_path / "on"), "checkpoint": {"resume": str(checkpoint)}}
    pipeline.train(config.parse(resumed))
    logged = (tmp_path / "on/train.log").read_text()
    assert "the checkpoint is of 2 processes, and this run has 1: rows keep their order and steps" in logged
    first, second = (storage.read_lines(home / "history.jsonl")[-1] for home in (never_stopped.home, tmp_path / "on"))
    assert first["step"] == second["step"] and first["loss"] == pytest.approx(second["loss"], abs=1e-4)
