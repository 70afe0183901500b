"""Weights & Biases: the offline record that its real client writes."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tithe import plugins
from tithe.errors import InputError
from tithe.track.trackers import wandb

pytest_plugins = ["support.child_process"]


BLOCK, HEADER = 32768, 7  # the log format of LevelDB, which the client writes and has no Python reader for


def payloads(data: bytes) -> Iterator[bytes]:
    """Yield the records of a `.wandb` file: in blocks, each piece with checksum, length and place in its record."""
    position, record = HEADER, b""
    while position + HEADER <= len(data):
        left = BLOCK - position % BLOCK
        if left < HEADER:
            position += left
            continue
        _, length, place = struct.unpack_from("<IHB", data, position)
        record += data[position + HEADER : position + HEADER + length]
        position += HEADER + length
        if place in (1, 4):  # whole, or the last piece
            yield record
            record = b""


def records(home: Path) -> list[list[Any]]:
    """Return the records of each process of a run, the first process first."""
    from wandb.proto.wandb_internal_pb2 import Record

    files = sorted(home.glob("wandb/offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime_ns)
    return [[Record.FromString(payload) for payload in payloads(file.read_bytes())] for file in files]


def history(process: list[Any], key: str) -> list[tuple[int, float]]:
    """Return a series with its steps."""
    rows = [record.history for record in process if record.WhichOneof("record_type") == "history"]
    values = [(row.step.num, {"/".join(i.nested_key) or i.key: i.value_json for i in row.item}) for row in rows]
    return [(step, json.loads(items[key])) for step, items in values if key in items]


def test_the_record_holds_what_was_logged_and_nothing_is_written_elsewhere(
    alone: Path, written: Callable[[], set[Path]]
) -> None:
    (alone / "metrics.json").write_text("{}")
    track = wandb.open(alone, {"project": "texts", "resume_step": 1, "tags": ["small"]}, "run-name")
    track.params({"train": {"learning_rate": 0.1}, "seed": 3})
    for step in range(1, 6):
        track.scalars({"train/batch_loss": 1 / step}, step)
    track.scalars({"val/loss": math.nan}, 5)
    track.artifact("metrics.json", alone / "metrics.json")
    track.close("finished")

    (process,) = records(alone)
    run = next(record.run for record in process if record.WhichOneof("record_type") == "run")
    assert (run.project, run.display_name, list(run.tags)) == ("texts", "run-name", ["small"])
    assert history(process, "train/batch_loss") == [(step, 1 / step) for step in range(1, 6)]
    assert [(step, math.isnan(value)) for step, value in history(process, "val/loss")] == [(5, True)]
    assert [part.artifact.name for part in process if part.WhichOneof("record_type") == "artifact"] == ["metrics.json"]
    assert next(record.exit.exit_code for record in process if record.WhichOneof("record_type") == "exit") == 0
    assert {path for path in written() if not path.is_relative_to(alone)} <= {Path("/dev/null")}


def test_a_resumed_run_has_the_id_of_the_first(alone: Path) -> None:
    for first, status in ((1, "stopped"), (4, "finished")):
        track = wandb.open(alone, {"project": "texts", "resume_step": first}, "run-name")
        track.scalars({"loss": 1.0}, first)
        track.close(status)
    runs = [next(r.run for r in process if r.WhichOneof("record_type") == "run") for process in records(alone)]
    assert len(runs) == 2 and runs[0].run_id == runs[1].run_id


def test_a_missing_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "installed", lambda _: False)
    with pytest.raises(InputError, match=r"tithe\[wandb\]"):
        wandb.check({})
