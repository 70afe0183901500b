"""A bar on a real terminal does not swallow or split the log's lines."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import types

import pytest

from tithe.progress import bar

SCRIPT = """
import logging, sys
from tithe.progress import bar
logger = logging.getLogger("tithe")
logger.addHandler(logging.StreamHandler())
logger.setLevel(logging.INFO)
logger.handlers[0].setLevel(sys.argv[1])
with bar("training", 3, "steps") as tick:
    for i in range(3):
        tick(1)
        tick.show(f"loss 0.{i}")
        logger.info("line %d", i)
logger.info("after")
"""


def on_terminal(script: str, level: str = "INFO") -> list[str]:
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script, level], stdout=side, stderr=side, env={**os.environ, "TERM": "xterm"}
    )
    os.close(side)
    out = b""
    while True:
        try:
            chunk = os.read(main, 4096)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        out += chunk
    os.close(main)
    assert process.wait() == 0
    return out.decode().splitlines()


def test_log_lines_stand_alone_above_the_bar() -> None:
    lines = on_terminal(SCRIPT)
    for wanted in ("line 0", "line 1", "line 2", "after"):
        # Before the text there may be control codes that erase the bar, but no piece of the bar itself.
        (found,) = [line for line in lines if wanted in line]
        assert "steps" not in found
    assert any("3/3" in line and "steps" in line and "loss 0.2" in line for line in lines)


def test_a_log_of_warnings_only_has_no_bar() -> None:
    assert on_terminal(SCRIPT, "WARNING") == []


def test_without_a_terminal_there_are_plain_lines() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, "INFO"], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["line 0", "line 1", "line 2", "after"]


def test_a_notebook_has_one_line_that_is_drawn_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    with bar("train\x1b[2J", 4, "steps") as tick:
        tick.show("loss 0.25")
        tick(3)
        tick(1)
    err = capsys.readouterr().err
    first, *_, last = err.removesuffix("\n").split("\r")[1:]
    assert err.endswith("\n") and err.count("\n") == 1 and "\x1b" not in err
    assert "0/4 steps" in first and "█" not in first
    assert "4/4 steps" in last and "loss 0.25" in last and "░" not in last and "left" not in last


def test_a_terminal_with_ipython_is_no_notebook(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: object()))
    with bar("train", 4, "steps") as tick:
        tick(4)
    assert capsys.readouterr().err == ""


def test_a_process_without_standard_error_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with bar("train", 4, "steps") as tick:
        tick(4)
