"""Two processes are one run: the same steps, the same losses, one set of files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.features import predicted
from tithe import config, pipeline, storage
from tithe.checkpoints import store
from tithe.evaluate.checkpoint import Evaluation, evaluate_checkpoint
from tithe.predict import load


def torchrun(config_file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    return subprocess.run(
        [*command, "-m", "tithe", "train", str(config_file)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_two_processes_train_the_same_run_as_one(settings: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    # 96 rows in steps of 10: the last step has 6 rows, three for each process. Dropout off: its draws differ. Weights,
    # so that the processes' shares of a step count unequally.
    model = {"dropout": 0.0, "encoder": str(_without_dropout(tmp_path, Path(settings()["model"]["encoder"])))}
    data = _with_weights(tmp_path, Path(settings()["data"]["path"]))
    raw = settings(model=model, data=data, train={"batch_size": 5, "accumulation_steps": 2})
    one = pipeline.train(config.parse({**raw, "out": str(tmp_path / "one")}))
    (tmp_path / "two.json").write_text(json.dumps({**raw, "out": str(tmp_path / "two")}))
    done = torchrun(tmp_path / "two.json")
    assert done.returncode == 0, done.stderr[-2000:]
    histories = [storage.read_lines(tmp_path / name / "history.jsonl") for name in ("one", "two")]
    assert len(histories[0]) == len(histories[1])
    for a, b in zip(*histories, strict=True):
        assert a.keys() == b.keys()
        for key, value in a.items():
            assert b[key] == (pytest.approx(value, rel=2e-3, abs=1e-5) if isinstance(value, float) else value)
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


def _without_dropout(tmp_path: Path, encoder: Path) -> Path:
    folder = tmp_path / "still"
    folder.mkdir()
    for file in encoder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    values = json.loads((folder / "config.json").read_text())
    values |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(values))
    return folder
