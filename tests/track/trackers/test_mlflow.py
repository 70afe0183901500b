"""MLflow, against a real server: what a run tells it is what its API says."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.child_process import Server, wait_for
from tithe import plugins
from tithe.errors import InputError
from tithe.track.trackers import mlflow

pytest_plugins = ["support.child_process"]

PARAMS = {"model": {"name": "tiny|one", "dropout": 0.1}, "train": {"freeze": True, "betas": [0.9, 0.99]}, "seed": None}


@pytest.fixture
def home(alone: Path) -> Path:
    return alone


def settings(uri: str, resume_step: int = 1, **more: object) -> dict[str, object]:
    return {"tracking_uri": uri, "experiment": "texts", "resume_step": resume_step, **more}


def pairs(entries: list[dict[str, str]]) -> dict[str, str]:
    return {entry["key"]: entry["value"] for entry in entries}


def test_the_server_holds_what_was_logged(home: Path, mlflow_server: Server) -> None:
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(home / "confusion_matrix.png")
    (home / "report.html").write_text("<p>да</p>", encoding="utf-8")
    track = mlflow.open(home, settings(mlflow_server.uri, run_name="tenth", tags=["small", "tithe"]), "run-name")
    track.params(PARAMS)
    for step in range(1, 2501):  # more than the client may send at once
        track.scalars({"train/batch_loss": step / 7}, step)
    track.scalars({"val/f1": math.nan, "val/loss": math.inf}, 2500)
    track.figure("test/confusion_matrix", home / "confusion_matrix.png")
    track.artifact("report.html", home / "report.html")
    track.close("finished")

    run = mlflow_server.run(home)
    experiment = mlflow_server.get("experiments/get", experiment_id=run["info"]["experiment_id"])["experiment"]
    assert (experiment["name"], run["info"]["run_name"], run["info"]["status"]) == ("texts", "tenth", "FINISHED")
    assert run["info"]["end_time"] >= run["info"]["start_time"]
    assert pairs(run["data"]["params"]) == {
        "model.name": "tiny|one",
        "model.dropout": "0.1",
        "train.freeze": "True",
        "train.betas": "[0.9, 0.99]",
        "seed": "None",
    }
    assert pairs(run["data"]["tags"]) == {"small": "true", "tithe": "true", "mlflow.runName": "tenth"}
    assert mlflow_server.series(home, "train/batch_loss") == [(step, step / 7) for step in range(1, 2501)]
    assert [(step, math.isnan(value)) for step, value in mlflow_server.series(home, "val/f1")] == [(2500, True)]
    assert mlflow_server.series(home, "val/loss") == [(2500, sys.float_info.max)]
    picture = mlflow_server.file(home, "figures/test/confusion_matrix.png")
    assert picture == (home / "confusion_matrix.png").read_bytes()
    assert mlflow_server.file(home, "report.html").decode() == "<p>да</p>"


def test_a_resumed_run_is_the_same_run_on_the_server(home: Path, mlflow_server: Server) -> None:
    first = mlflow.open(home, settings(mlflow_server.uri), "run-name")
    first.params({"epochs": 1, "seed": 7})
    for step in (1, 2, 3):
        first.scalars({"loss": float(step)}, step)
    wait_for(lambda: (home / "mlflow.json").exists() and mlflow_server.heard(home, "loss", 3))
    os.kill(first._process.pid, signal.SIGTERM)  # as a batch system does to every process of a job
    first.close("stopped")
    stopped = mlflow_server.run(home)
    second = mlflow.open(home, settings(mlflow_server.uri, resume_step=3), "run-name")
    second.params({"epochs": 2, "seed": 7})
    for step in (3, 4):
        second.scalars({"loss": 10.0 * step}, step)
    second.close("failed")

    failed = mlflow_server.run(home)
    assert stopped["info"]["run_id"] == failed["info"]["run_id"]
    assert (stopped["info"]["status"], failed["info"]["status"]) == ("KILLED", "FAILED")
    assert pairs(failed["data"]["params"]) == {"epochs": "1", "seed": "7"}
    assert pairs(failed["data"]["tags"])["changed/epochs"] == "2"
    assert dict(mlflow_server.series(home, "loss")) == {1: 1, 2: 2, 3: 30, 4: 40}
    assert pairs(failed["data"]["metrics"])["loss"] == 40


KILLED = """
import os, sys
from pathlib import Path
from tithe.track.trackers import mlflow
track = mlflow.open(Path(sys.argv[1]), {"tracking_uri": sys.argv[2], "experiment": "texts", "resume_step": 1}, "run")
for step in range(1, 300):
    track.scalars({"loss": step / 8}, step)
os._exit(9)
"""


def test_the_server_hears_all_that_a_killed_run_said_and_nothing_is_written_elsewhere(
    home: Path, mlflow_server: Server, written: Callable[[], set[Path]]
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(home), mlflow_server.uri], check=False)
    assert done.returncode == 9
    wait_for(lambda: (home / "mlflow.json").exists() and mlflow_server.run(home)["info"]["status"] != "RUNNING")

    assert mlflow_server.run(home)["info"]["status"] == "KILLED"
    assert mlflow_server.series(home, "loss") == [(step, step / 8) for step in range(1, 300)]
    assert any(path.is_relative_to(home) for path in written())
    assert {path for path in written() if not path.is_relative_to(home)} <= {Path(os.devnull)}


@pytest.mark.parametrize(
    ("given", "exported", "says"),
    [
        (None, "", r"is not set: write the server's address, or export MLFLOW_TRACKING_URI"),
        ("runs", "", r"'runs' is not a server address: write http://HOST:PORT"),
        ("sqlite:///runs.db", "", r"'sqlite:///runs.db' is not a server address"),
        ("http://", "", r"'http://' is not a server address"),
        ("http://[::1", "", r"'http://\[::1' is not a server address"),
        ("http://host:5O00", "", r"'http://host:5O00' is not a server address"),
        ("http://me:leak@host", "", r"contains a user or password, .*: export MLFLOW_TRACKING_USERNAME"),
        (None, "https://leak@host", r"contains a user or password"),
    ],
)
def test_an_address_that_is_none_stops_the_run_before_it_starts(
    home: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, exported: str, says: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", exported)
    for attempt in (lambda: mlflow.check({"tracking_uri": given}), lambda: mlflow.open(home, settings(given), "run")):
        with pytest.raises(InputError, match=rf"^mlflow\.tracking_uri:? .*{says}") as error:
            attempt()
        assert "leak" not in str(error.value)
    assert list(home.iterdir()) == []


def test_a_missing_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "installed", lambda _: False)
    with pytest.raises(InputError, match=r"tithe\[mlflow\]"):
        mlflow.check({"tracking_uri": "http://host"})
