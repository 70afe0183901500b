"""A plugin for tests of trackers in a process of their own: a real `mlflow server`, and eyes on what is written.

PYTEST_DONT_REWRITE: tests import from here before it is a plugin.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

OFF = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


class Server:
    """One server over a folder with its database and its artifacts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/runs.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        log = self.folder / "server.log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env={**os.environ, **OFF}, stdout=out, stderr=out, start_new_session=True
            )
        deadline = time.monotonic() + 180
        while not self.is_up():
            assert self.process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)

    def is_up(self) -> bool:
        try:
            with urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def kill(self) -> None:
        """End the server and its worker at once."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def get(self, call: str, **query: str) -> dict[str, Any]:
        """Ask the REST API."""
        with urlopen(f"{self.uri}/api/2.0/mlflow/{call}?{urlencode(query)}", timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def run(self, home: Path) -> dict[str, Any]:
        """What the server knows of the run that a run directory speaks of."""
        run: dict[str, Any] = self.get("runs/get", run_id=run_id(home))["run"]
        return run

    def series(self, home: Path, key: str) -> list[tuple[int, float]]:
        """A metric's steps and values, in the order they were logged."""
        found = self.get("metrics/get-history", run_id=run_id(home), metric_key=key)["metrics"]
        return [(int(metric.get("step", 0)), float(metric["value"])) for metric in found]

    def heard(self, home: Path, key: str, step: int) -> bool:
        """Whether a metric has come as far as a step."""
        metrics = self.run(home)["data"].get("metrics", [])
        return any(metric["key"] == key and int(metric.get("step", 0)) >= step for metric in metrics)

    def file(self, home: Path, path: str) -> bytes:
        """An artifact's bytes."""
        query = urlencode({"run_uuid": run_id(home), "path": path})
        with urlopen(f"{self.uri}/get-artifact?{query}", timeout=30) as answer:
            content: bytes = answer.read()
        return content


def run_id(home: Path) -> str:
    return str(json.loads((home / "mlflow.json").read_text())["run_id"])


def wait_for(true: Callable[[], bool]) -> None:
    """Wait for what happens in another process."""
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


class Archive:
    """What a ClearML offline archive says."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as whole:
            self.files = {name: whole.read(name) for name in whole.namelist()}
        self.task = json.loads(self.files["task.json"])
        lines = self.files["metrics.jsonl"].splitlines() if "metrics.jsonl" in self.files else []
        self.events = [event for line in lines for event in json.loads(line)]

    def series(self, key: str) -> list[tuple[int, float]]:
        """A scalar's steps and values, in the order they were reported."""
        title, _, name = key.partition("/")
        scalars = [event for event in self.events if event["type"] == "training_stats_scalar"]
        return [(e["iter"], e["value"]) for e in scalars if (e["metric"], e["variant"]) == (title, name)]

    def hyperparameters(self) -> dict[str, str]:
        return {key: entry["value"] for key, entry in self.task["hyperparams"]["run"].items()}

    def file(self, ending: str) -> bytes:
        """The one file whose path ends so."""
        (name,) = (name for name in self.files if name.endswith(ending))
        return self.files[name]


def archives(home: Path) -> list[Archive]:
    """A run's archives, oldest first."""
    paths = sorted((home / "clearml/offline").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return [Archive(path) for path in paths]


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's directory, and an empty folder to work in; nothing of the developer's own reaches a client."""
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "CLEARML_", "TRACKIO_", "WANDB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    for name in ("cwd", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path / "home"


# Python's audit events see every path that a process writes, third-party code included.
AUDIT = """
import os, sys
seen = os.open(os.environ["SEEN"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def audit(event, args):
    written = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    opened = event == "open" and isinstance(args[0], str | bytes) and args[2] & written
    if opened or event in ("os.mkdir", "os.rename", "os.link", "os.symlink"):
        os.write(seen, os.path.abspath(os.fsdecode(args[0])).encode() + b"\\n")
sys.addaudithook(audit)
"""


@pytest.fixture
def written(alone: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], set[Path]]:
    """Return all paths that the processes started from here have written so far."""
    folder = alone.parent / "audit"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(AUDIT)
    monkeypatch.setenv("SEEN", str(folder / "seen"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    return lambda: {Path(line) for line in (folder / "seen").read_text().splitlines()}


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("mlflow"))
    yield server
    server.kill()


@pytest.fixture
def mlflow_server(_server: Server) -> Server:
    """The one server of all tests; one that a test has killed is restarted on the same port and data."""
    if _server.process is None:
        _server.start()
    return _server
