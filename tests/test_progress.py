"""A bar on a real terminal does not swallow or split the log's lines."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

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
