"""The process next door: what it says when it fails, and that a run never waits for it longer than it may."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.child_process import wait_for
from tithe.track import courier
from tithe.track.courier import Courier

pytest_plugins = ["support.child_process"]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that takes a connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "100")
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    """The address of no server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def settings(uri: str) -> dict[str, Any]:
    return {"tracking_uri": uri, "experiment": "texts", "resume_step": 1}


def test_a_server_that_is_not_there_is_named_in_one_line(alone: Path, closed: str) -> None:
    track = Courier("mlflow", alone, settings(closed), "run", {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"})
    with pytest.raises(ConnectionError, match=rf"{closed}.*Connection refused") as error:
        for step in range(10_000):
            track.scalars({"loss": 1.0}, step)
            time.sleep(0.01)
    assert "\n" not in str(error.value)


def test_a_server_that_hangs_holds_up_the_end_no_longer_than_it_may(
    alone: Path, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "CLOSE_TIMEOUT", 1.0)
    monkeypatch.setattr(courier, "GRACE", 60.0)
    track = Courier("mlflow", alone, settings(silent), "run", {})
    track.scalars({"loss": 1.0}, 1)
    with pytest.raises(ConnectionError, match=r"did not take everything within 1 s of the run's end"):
        track.close("finished")


ORPHAN = """
import os, sys
from pathlib import Path
from tithe.track import courier
courier.CLOSE_TIMEOUT = 0.5
settings = {"tracking_uri": sys.argv[2], "experiment": "texts", "resume_step": 1}
print(courier.Courier("mlflow", Path(sys.argv[1]), settings, "run", {})._process.pid, flush=True)
os._exit(9)
"""


def test_a_server_that_hangs_keeps_no_process_after_a_run_that_was_killed(alone: Path, silent: str) -> None:
    command = [sys.executable, "-c", ORPHAN, str(alone), silent]
    pid = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False).stdout.strip()
    assert pid.isdigit(), "the tracker's process never began"
    ps = ["ps", "-o", "stat=", "-p", pid]
    wait_for(lambda: subprocess.run(ps, capture_output=True, text=True, check=False).stdout.strip()[:1] in ("", "Z"))


def test_a_process_that_is_stuck_is_killed(alone: Path, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "CLOSE_TIMEOUT", 0.3)
    monkeypatch.setattr(courier, "GRACE", 0.1)
    track = Courier("mlflow", alone, settings(silent), "run", {})
    assert os.getpgid(track._process.pid) != os.getpgid(0), "Ctrl-C would end it before the run is over"
    os.kill(track._process.pid, signal.SIGSTOP)
    with pytest.raises(ConnectionError, match=r"its process ended with code -9"):
        track.close("finished")


def test_a_process_that_dies_is_reported_at_the_next_word(alone: Path, silent: str) -> None:
    track = Courier("mlflow", alone, settings(silent), "run", {})
    track._process.kill()
    track._process.wait()
    with pytest.raises(ConnectionError, match=r"its process ended with code -9"):
        track.scalars({"loss": 1.0}, 1)


def test_a_run_too_far_ahead_goes_on_without_the_server(alone: Path, silent: str) -> None:
    code = (
        "import sys; from tithe.track import courier; courier.MAX_QUEUED = 9; "
        "sys.argv[1:] = ['mlflow', '60']; courier.main()"
    )
    lines = [[str(alone), settings(silent), "run"], *(["scalars", {"loss": 1.0}, step, 0] for step in range(30))]
    records = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([sys.executable, "-c", code], input=records, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (1, "the server is 9 records behind the run")


def test_a_file_in_the_current_folder_passes_for_no_module(alone: Path, closed: str) -> None:
    Path("queue.py").write_text("raise SystemExit('mine')")
    track = Courier("mlflow", alone, settings(closed), "run", {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"})
    with pytest.raises(ConnectionError, match="Connection refused"):
        track.close("finished")


def test_the_run_imports_no_client() -> None:
    code = (
        "import sys; from tithe.track import courier; from tithe.track.trackers import clearml, mlflow;"
        "print(sorted({'mlflow', 'clearml', 'requests', 'numpy', 'pydantic', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")
