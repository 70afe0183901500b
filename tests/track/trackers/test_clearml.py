"""ClearML: the offline archive of its real client, and what that client asks of a server."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.child_process import archives, wait_for
from tithe import plugins
from tithe.errors import InputError
from tithe.track.trackers import clearml

pytest_plugins = ["support.child_process"]

PARAMS = {"model": {"name": "tiny|one", "dropout": 0.1}, "train": {"freeze": True, "betas": [0.9, 0.99]}, "seed": None}
ACCESS, SECRET = "ACCESS-of-test", "SECRET-do-not-store"


@pytest.fixture
def home(alone: Path) -> Path:
    return alone


def settings(resume_step: int = 1, **more: object) -> dict[str, object]:
    return {"project": "texts", "resume_step": resume_step, **more}


def every_byte(home: Path) -> bytes:
    return b"".join(bytes(p) + p.read_bytes() for p in home.rglob("*") if p.is_file())


# ---- without keys: the archive


def test_the_archive_holds_what_was_logged_and_nothing_is_written_elsewhere(
    home: Path, written: Callable[[], set[Path]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tithe")
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(home / "confusion_matrix.png")
    (home / "metrics.json").write_text("{}")
    track = clearml.open(home, settings(task_name="tenth", tags=["small", "tithe"]), "run-name")
    track.params(PARAMS)
    for step in range(1, 301):
        track.scalars({"train/batch_loss": step / 7}, step)
    track.scalars({"final/test/f1": 0.625, "val/loss": math.nan}, 300)
    track.figure("test/confusion_matrix", home / "confusion_matrix.png")
    track.artifact("metrics.json", home / "metrics.json")
    track.close("finished")

    (archive,) = archives(home)
    assert (archive.task["project_name"], archive.task["name"]) == ("texts", "tenth")
    assert set(archive.task["tags"]) == {"small", "tithe"}
    assert archive.hyperparameters() == {
        "model/name": "tiny|one",
        "model/dropout": "0.1",
        "train/freeze": "True",
        "train/betas": "[0.9, 0.99]",
        "seed": "",
        "status": "finished",
    }
    assert archive.series("train/batch_loss") == [(step, step / 7) for step in range(1, 301)]
    assert archive.series("final/test/f1") == [(300, 0.625)]
    assert archive.series("val/loss") == [], "the client makes 0 of NaN"
    assert b"val/loss is nan at step 300" in archive.files["log.jsonl"]
    assert archive.file(".png") == (home / "confusion_matrix.png").read_bytes()
    assert archive.file("metrics.json") == b"{}"
    assert [path.suffix for path in (home / "clearml/offline").iterdir()] == [".zip"]
    assert f"archive is written to {home}" in caplog.text
    assert {path for path in written() if not path.is_relative_to(home)} <= {Path(os.devnull)}


KILLED = """
import os, sys
from pathlib import Path
from tithe.track.trackers import clearml
track = clearml.open(Path(sys.argv[1]), {"project": "texts", "resume_step": 1}, "run-name")
for step in range(1, 6):
    track.scalars({"loss": step + 0.5}, step)
os._exit(9)
"""


def test_a_resumed_run_adds_an_archive_to_that_of_the_process_that_was_killed(home: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(home)], check=False).returncode == 9
    resumed = clearml.open(home, settings(resume_step=4), "run-name")
    for step in (4, 5, 6):
        resumed.scalars({"loss": 10.0 * step}, step)
    resumed.close("failed")

    wait_for(lambda: len(list((home / "clearml/offline").glob("*.zip"))) == 2)
    wait_for(lambda: all(path.suffix == ".zip" for path in (home / "clearml/offline").iterdir()))
    by_status = {archive.hyperparameters()["status"]: archive for archive in archives(home)}
    assert by_status["killed"].series("loss/") == [(step, step + 0.5) for step in range(1, 6)]
    assert by_status["failed"].series("loss/") == [(4, 40), (5, 50), (6, 60)]


# ---- with keys: a stand-in for the server, which can't run in a test


class Api:
    """The calls that the client makes of a server: it takes every one, and knows one task."""

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.calls: list[tuple[str, Any]] = []
        self.logins: set[str] = set()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                api.answer(self)

            do_GET = do_PUT = do_POST

            def log_message(self, *_: object) -> None: ...

            def handle(self) -> None:
                with contextlib.suppress(ConnectionResetError):  # a client that is done just leaves
                    super().handle()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        call = request.path.rpartition("/")[2]
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if call == "auth.login":
            self.logins.add(base64.b64decode(request.headers["Authorization"].split()[1]).decode())
        elif call == "events.add_batch":
            self.calls += [(call, json.loads(line)) for line in body.splitlines()]
        else:
            self.calls.append((call, json.loads(body) if body[:1] == b"{" else body))
        code = 200 if call not in self.refuses else 401 if call == "auth.login" else 400
        endpoint = {"name": call, "requested_version": 2.0, "actual_version": 2.0}
        meta = {"result_code": code, "result_msg": "refused by the server", "endpoint": endpoint}
        answer = json.dumps({"meta": meta, "data": self.data(call)}).encode()
        request.send_response(code)
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def data(self, call: str) -> dict[str, Any]:
        claims = {"exp": time.time() + 9999, "identity": {}, "api_version": "2.30", "server_version": "2"}
        token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in ({}, claims, 0))
        task = {"id": "task-1", "status": "in_progress", "project": "p", "hyperparams": {}, "last_iteration": 5}
        known: dict[str, dict[str, Any]] = {
            "auth.login": {"token": token},
            "projects.get_all": {"projects": [{"id": "p", "name": "texts"}]},
            "tasks.create": {"id": "task-1"},
            "tasks.get_by_id": {"task": task},
        }
        return known.get(call, {"updated": 1, "fields": {}})

    def asked(self, call: str) -> list[Any]:
        return [body for name, body in self.calls if name == call]

    def series(self) -> list[tuple[str, str, int, float]]:
        found = [e for e in self.asked("events.add_batch") if e["type"] == "training_stats_scalar"]
        return [(e["metric"], e["variant"], e["iter"], e["value"]) for e in found]


@pytest.fixture
def api(home: Path) -> Iterator[Api]:
    """A server whose address and keys stand in the `.env` of the working folder."""
    api = Api()
    hosts = "".join(f"CLEARML_{name}_HOST={api.uri}\n" for name in ("API", "WEB", "FILES"))
    Path(".env").write_text(f'CLEARML_API_ACCESS_KEY={ACCESS}\nexport CLEARML_API_SECRET_KEY="{SECRET}"\n{hosts}')
    yield api
    api.server.shutdown()
    api.server.server_close()


def test_the_server_is_told_with_the_keys_of_the_env_file_and_a_resumed_run_is_the_same_task(
    home: Path, api: Api
) -> None:
    first = clearml.open(home, settings(), "run-name")
    first.params(PARAMS)
    first.scalars({"train/batch_loss": 0.5}, 5)
    first.close("finished")
    assert api.logins == {f"{ACCESS}:{SECRET}"}
    assert [task["name"] for task in api.asked("tasks.create")] == ["run-name"]
    assert api.series() == [("train", "batch_loss", 5, 0.5)]
    assert api.calls[-1][0] == "tasks.completed"

    second = clearml.open(home, settings(resume_step=6), "run-name")
    second.scalars({"train/batch_loss": 0.25}, 6)
    second.close("failed")
    assert len(api.asked("tasks.create")) == 1
    assert api.asked("tasks.reset") == []
    assert api.series()[1:] == [("train", "batch_loss", 6, 0.25)], "the steps are the run's own"
    assert api.calls[-1] == ("tasks.failed", {"task": "task-1", "force": True, "method": "get"})
    assert SECRET.encode() not in every_byte(home)
    assert "CLEARML_API_SECRET_KEY" not in os.environ


@pytest.mark.parametrize("refused", ["auth.login", "tasks.completed"])
def test_a_server_that_refuses_is_reported_in_a_line_without_the_keys(home: Path, api: Api, refused: str) -> None:
    api.refuses.add(refused)
    track = clearml.open(home, settings(), "run-name")
    with pytest.raises(ConnectionError) as error:
        track.close("finished")
    assert "refused by the server" in str(error.value)
    assert ACCESS not in str(error.value) and SECRET not in str(error.value)


# ---- what stops a run before it starts


@pytest.mark.parametrize(("key", "missing"), [clearml.KEYS, clearml.KEYS[::-1]])
def test_one_key_of_two_is_a_mistake(home: Path, key: str, missing: str) -> None:
    Path(".env").write_text(f"{key}=leak\n")
    for attempt in (lambda: clearml.check({}), lambda: clearml.open(home, settings(), "run-name")):
        with pytest.raises(InputError, match=rf"^clearml: {missing} is not set: export both keys, or none") as error:
            attempt()
        assert "leak" not in str(error.value)
    assert list(home.iterdir()) == []


def test_a_missing_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "installed", lambda _: False)
    with pytest.raises(InputError, match=r"tithe\[clearml\]"):
        clearml.check({})
