"""One run, sent to every tracker: each has the same numbers, and one that dies takes nothing with it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from support.child_process import Server, archives, wait_for
from tithe import config, pipeline, storage
from tithe.storage.run_files import HISTORY
from tithe.track.tracks import RunTracker

pytest_plugins = ["support.child_process"]

FIVE = ["train/batch_loss", "val/loss", "val/f1", "final/validation/accuracy", "final/test/f1"]
FILES = ["metrics.json", "report.html"]


def last_told(home: Path) -> dict[str, tuple[int, float]]:
    """The last step and value of each of the five numbers, from the run's own files."""
    found: dict[str, tuple[int, float]] = {}
    for record in (json.loads(line) for line in (home / HISTORY).read_text().splitlines()):
        for key, value in record.items():
            found[f"{record['kind']}/{key}"] = record["step"], value
    scores = json.loads((home / "metrics.json").read_text())
    last = max(step for step, _ in found.values())
    for part in ("validation", "test"):
        found |= {f"final/{part}/{key}": (last, value) for key, value in scores[part].items()}
    return {key: found[key] for key in FIVE}


def neptune_fields(home: Path) -> dict[str, Any]:
    """What the offline record says: series of (step, value), other values as they are, None for a file."""
    (folder,) = (home / ".neptune/offline").iterdir()
    found: dict[str, Any] = {}
    for log in sorted(folder.glob("data-*.log")):
        for operation in (json.loads(line)["obj"] for line in log.read_text().splitlines()):
            path = "/".join(operation["path"])
            if operation["type"] == "LogFloats":
                found.setdefault(path, []).extend((int(v["step"]), v["value"]) for v in operation["values"])
            else:
                found[path] = operation.get("value")
    return found


def test_four_trackers_say_the_same_five_numbers(
    settings: Callable[..., dict[str, object]], alone: Path, mlflow_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    remote = {"mlflow": {"tracking_uri": mlflow_server.uri, "run_name": "agreed"}, "clearml": {"task_name": "agreed"}}
    track = {"tensorboard": True, "neptune": {"experiment_name": "agreed"}, **remote}
    home = pipeline.train(config.parse(settings(train={"epochs": 1, "log_every_steps": 2}, track=track))).home
    recorded = last_told(home)
    assert len({value for _, value in recorded.values()}) > 2, "numbers that are all alike would agree with anything"

    events = EventAccumulator(str(home / "tensorboard"))
    events.Reload()
    neptune, (archive,) = neptune_fields(home), archives(home)
    for key, expected in recorded.items():
        shown = events.Scalars(key)[-1]
        assert (shown.step, shown.value) == (expected[0], pytest.approx(expected[1], rel=1e-6)), key  # kept as float32
        assert neptune[key][-1] == expected, key
        assert mlflow_server.series(home, key)[-1] == expected, key
        assert archive.series(key)[-1] == expected, key

    run = mlflow_server.run(home)
    assert {p["key"]: p["value"] for p in run["data"]["params"]}["train.learning_rate"] == "0.001"
    assert archive.hyperparameters()["train/learning_rate"] == "0.001"
    assert neptune["parameters/train/learning_rate"] == 0.001
    assert (run["info"]["status"], archive.hyperparameters()["status"]) == ("FINISHED", "finished")
    assert neptune["status"] == "finished"
    for name in FILES:
        written = (home / name).read_bytes()
        assert mlflow_server.file(home, name) == archive.file(f"/{name}") == written
        assert f"artifacts/{name}" in neptune
    curve = (home / "test" / "roc_curve.png").read_bytes()
    assert mlflow_server.file(home, "figures/test/roc_curve.png") == curve
    assert curve in archive.files.values()
    assert storage.broken_files(home) == [], "the mirrors wrote after the manifest"
    assert [r for r in caplog.records if r.levelno >= logging.WARNING and r.name == "tithe"] == []


def test_a_server_killed_in_mid_run_is_one_warning_and_the_run_ends_well(
    settings: Callable[..., dict[str, object]],
    alone: Path,
    mlflow_server: Server,
    tithe: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    track = {"tensorboard": True, "mlflow": {"tracking_uri": mlflow_server.uri}}
    raw = settings(train={"epochs": 2, "log_every_steps": 1}, track=track)
    home, log = Path(str(raw["out"])), RunTracker.log

    def until_killed(self: RunTracker, kind: str, step: int, **values: Any) -> None:
        log(self, kind, step, **values)
        if step == 5 and mlflow_server.process:
            wait_for(lambda: (home / "mlflow.json").exists() and mlflow_server.heard(home, "train/batch_loss", 5))
            mlflow_server.kill()

    monkeypatch.setattr(RunTracker, "log", until_killed)
    Path("run.json").write_text(json.dumps(raw))
    code, _, err = tithe("train", "run.json")

    assert code == 0
    assert len([line for line in err if "tracker mlflow failed" in line]) == 1, err
    steps = [r["step"] for r in map(json.loads, (home / HISTORY).read_text().splitlines()) if r["kind"] == "train"]
    assert steps == list(range(1, 25))
    events = EventAccumulator(str(home / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/batch_loss")] == steps
    assert (home / "report.html").exists() and (home / "manifest.json").exists()


def test_the_leaves_import_nothing_heavy() -> None:
    code = (
        "import sys; from tithe.track.trackers import neptune, tensorboard;"
        "print(sorted({'torch', 'numpy', 'PIL', 'neptune', 'tensorboard', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")
