"""The command as an operator uses it: the steps of its Dockerfile, a health check, and a signal in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from support.paths import ROOT
from support.serving import Gated, connects, free_port
from tithe import config, pipeline
from tithe.serve import app
from tithe.serve.limits import Limits
from tithe.serve.predictor import Checkpoint
from tithe.web import server
from tithe.web.address import Address

Settings = Callable[..., dict[str, Any]]
DOCKERFILE = (ROOT / "deploy/serve/Dockerfile").read_text(encoding="utf-8")


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)


def post(port: int, texts: list[str]) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer s3cret"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("POST", "/predict", json.dumps({"texts": texts}), headers)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())


@pytest.mark.usefixtures("quiet_uvicorn")
def test_the_container_answers_and_a_signal_lets_it_finish(
    settings: Settings, tithe: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = pipeline.train(config.parse(settings(train={"epochs": 1}))).home
    port = free_port()
    program, *arguments = json.loads(instructions("ENTRYPOINT")[0])
    [health] = re.findall(r"CMD (\[.*\])", instructions("HEALTHCHECK --interval=10s")[0])
    monkeypatch.setenv("TITHE_TOKEN", "s3cret")
    # A model that needs half a second for these texts: the signal comes while it answers.
    predict, asked = Checkpoint.predict, threading.Event()

    def slow(self: Checkpoint, batch: Any) -> Any:
        if len(batch) == 3:
            asked.set()
            time.sleep(0.5)
        return predict(self, batch)

    monkeypatch.setattr(Checkpoint, "predict", slow)
    results: dict[str, Any] = {}

    def operate() -> None:
        try:
            while not connects(port):
                time.sleep(0.01)
            code = json.loads(health)[2].replace(":8000", f":{port}")
            results["health"] = subprocess.run([sys.executable, "-c", code], check=False).returncode
            asking = threading.Thread(target=lambda: results.update(taken=post(port, ["goal", "moon", "cup"])))
            asking.start()
            results["asked"] = asked.wait(20)
            os.kill(os.getpid(), signal.SIGTERM)
            asking.join(20)
            results["closed"] = not connects(port)
        except BaseException as error:
            results["error"] = error
            os.kill(os.getpid(), signal.SIGTERM)

    operator = threading.Thread(target=operate)
    operator.start()
    here = [str(home) if argument == "/model" else argument for argument in arguments]
    code, out, err = tithe(*here, "--port", port)
    operator.join(20)
    assert program == "tithe" and results.keys() == {"health", "asked", "taken", "closed"}, results
    assert code == 0 and out == f"http://0.0.0.0:{port}\n" and err[-1].startswith("Ctrl-C stops the server")
    assert results["health"] == 0 and results["closed"]
    status, answer = results["taken"]
    assert status == 200 and len(answer["predictions"]) == 3


def test_connections_that_are_stuck_are_closed_and_others_are_not(
    gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(port: int, sent: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        try:
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()

    async def both(listener: socket.socket) -> list[bytes]:
        made = app.create(gated, Address(), Limits())
        running = uvicorn.Server(uvicorn.Config(made, lifespan="on", http="h11", ws="none", log_config=None))
        async with server.without_stuck_connections(running):
            serving = asyncio.create_task(running.serve([listener]))
            body, port = b'{"texts": "goal"}', listener.getsockname()[1]
            head = (
                b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
            )
            waiting = asyncio.create_task(ask(port, b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)))
            stuck = await ask(port, head)
            gated.let.set()
            replies = [stuck, await waiting]
            running.should_exit = True
            await serving
            return replies

    monkeypatch.setattr(server, "SECONDS_TO_SEND", 0.2)
    with server.bound(Address(port=0)) as listener:
        listener.listen()
        stuck, answer = asyncio.run(both(listener))
    assert stuck == b"" and answer.startswith(b"HTTP/1.1 200 OK")


def test_the_image_is_made_of_files_that_are_there_and_runs_as_nobody_special() -> None:
    sent = (ROOT / "deploy/serve/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for line in instructions("COPY"):
        *sources, _ = [part for part in line.split() if not line.startswith("--from")] or [""]
        assert all((ROOT / source).exists() and f"!{source}" in sent for source in sources), line
    stages = DOCKERFILE.split("\nFROM ")
    assert len(stages) == 3 and "USER tithe" in stages[2] and "useradd" in stages[2]


@pytest.mark.slow
def test_the_image_is_built_of_what_it_copies(tmp_path: Path) -> None:
    """The steps of the build, with the packages that are here in place of the network."""
    source, environment = tmp_path / "src", tmp_path / "tithe"
    source.mkdir()
    for line in instructions("COPY"):
        if not line.startswith("--from"):
            *sources, to = line.split()
            subprocess.run(["cp", "-r", *(str(ROOT / each) for each in sources), str(source / to)], check=True)
    venv, install = instructions("RUN")[:2]
    steps = [
        venv.replace("python -m venv", f"{sys.executable} -m venv --system-site-packages --without-pip"),
        re.sub(r"--extra-index-url \S+", "--no-index --no-deps --no-build-isolation", install).replace(
            "/opt/tithe/bin/python -m pip", f"{sys.executable} -m pip --python /opt/tithe/bin/python"
        ),
    ]
    for step in steps:
        subprocess.run(step.replace("/opt/tithe", str(environment)), shell=True, cwd=source, check=True)
    libraries = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    command = [environment / "bin/tithe", "serve", "--help"]
    help_ = subprocess.run(command, env=libraries, capture_output=True, text=True, check=True)
    assert "--token-file" in help_.stdout
