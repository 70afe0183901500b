"""Signals that end a run: which are caught, which are left alone, and a terminal that is gone."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

from tithe import interrupts

HANGUP = """
import logging, signal, sys
from tithe import interrupts
logging.getLogger("tithe").addHandler(logging.StreamHandler())
with interrupts.deferred() as stop:
    print("ready", flush=True)
    while not stop.signum:
        signal.pause()
    sys.stderr.write("saved")  # as a progress bar does when it ends
    sys.stderr.flush()
sys.exit(128 + stop.signum)
"""


class Quit(BaseException):
    """The process would have ended with this code."""


@pytest.fixture
def _quits(monkeypatch: pytest.MonkeyPatch) -> None:
    def quit_(code: int) -> None:
        raise Quit(code)

    monkeypatch.setattr(os, "_exit", quit_)


@pytest.fixture(autouse=True)
def terminal() -> Iterator[None]:
    """As under a terminal, also where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def nohup(terminal: None) -> Iterator[None]:
    with_terminal = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, with_terminal)


@pytest.mark.usefixtures("_quits")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_the_first_signal_is_recorded_and_the_second_quits(signum: signal.Signals) -> None:
    before = signal.getsignal(signum)
    with interrupts.deferred() as stop:
        assert stop.signum == 0
        signal.raise_signal(signum)
        assert stop.signum == signum
        with pytest.raises(Quit, match="143"):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signum) == before


@pytest.mark.usefixtures("_quits")
def test_a_closed_terminal_may_send_two() -> None:
    with interrupts.deferred() as stop:
        for _ in range(2):
            signal.raise_signal(signal.SIGHUP)
    assert stop.signum == signal.SIGHUP


@pytest.mark.usefixtures("nohup")
def test_under_nohup_a_closed_terminal_changes_nothing() -> None:
    with interrupts.deferred() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert stop.signum == 0
        signal.raise_signal(signal.SIGUSR1)
        assert stop.signum == signal.SIGUSR1
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_a_process_whose_terminal_is_gone_ends_as_it_should() -> None:
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", HANGUP],
        stdin=its, stdout=its, stderr=its, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(its)
    assert os.read(ours, 5) == b"ready"
    os.close(ours)  # as a closed ssh does
    assert process.wait(60) == 128 + signal.SIGHUP
