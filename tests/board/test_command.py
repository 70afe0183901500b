"""The command as a user starts and stops it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.serving import connects, free_port
from tithe import plugins

Tithe = Callable[..., tuple[Any, str, list[str]]]


@pytest.mark.usefixtures("quiet_uvicorn")
def test_ctrl_c_ends_it_while_somebody_looks(tithe: Tithe, tmp_path: Path) -> None:
    port, results, left = free_port(), {}, contextlib.ExitStack()

    def look() -> None:
        try:
            deadline = time.monotonic() + 20
            while not connects(port) and time.monotonic() < deadline:
                time.sleep(0.01)
            stream = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            left.callback(stream.close)
            stream.request("GET", "/events")
            results["first"] = left.enter_context(stream.getresponse()).readline()
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    looking = threading.Thread(target=look)
    looking.start()
    code, out, err = tithe("board", tmp_path, "--port", port)
    looking.join(20)
    left.close()
    assert (code, out, results) == (0, f"http://127.0.0.1:{port}\n", {"first": b"retry: 1000\n"})
    assert len(err) == 1 and err[0].startswith("Ctrl-C stops the server") and not connects(port)
    assert list(tmp_path.iterdir()) == []


MISTAKES = {"nothing": "the folder does not exist", "file": "it is not a folder"}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_no_folder(name: str, tithe: Tithe, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, [line] = tithe("board", tmp_path / name, "--port", 0)
    assert code == 2 and MISTAKES[name] in line


def test_the_extra_is_named(tithe: Tithe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "installed", lambda name: False)
    code, _, [line] = tithe("board", tmp_path)
    assert code == 2 and "pip install 'tithe[board]'" in line
