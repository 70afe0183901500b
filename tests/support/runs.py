"""Runs of the whole pipeline: started, waited for, compared by their final weights."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.processes import Forked
from tithe import config, pipeline
from tithe.models.network import Network
from tithe.runs.finish import Outcome
from tithe.train import devices
from tithe.train.setup import open_setup


def run(raw: dict[str, Any], **kwargs: Any) -> Outcome:
    return pipeline.train(config.parse(raw), **kwargs)


def sha(outcome: Outcome) -> str:
    return str(outcome.scores["training"]["final_weights_sha256"])


def with_out(raw: dict[str, Any], out: Path, **more: Any) -> dict[str, Any]:
    return {**raw, "out": str(out), "checkpoint": {"every_batches": 5, **more}}


def wait_for(done: Callable[[], bool], process: subprocess.Popen[str] | Forked) -> None:
    """Wait for what a process does. One that fails to is killed: it would be reported in another test."""
    deadline = time.monotonic() + 300  # ten times what a crowded machine has needed
    try:
        while not done():
            assert process.poll() is None, "the process ended before it could be stopped"
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.02)
    except BaseException:
        process.kill()
        process.wait()
        raise


def built(raw: dict[str, Any]) -> tuple[Network, Any]:
    """What a run does up to its training."""
    parsed = config.parse(raw)
    accelerator = devices.accelerator(parsed.train.device, parsed.train.precision)
    task = pipeline.check(parsed)
    setup = open_setup(task, task.load(), accelerator)
    return setup.network, setup.examples
