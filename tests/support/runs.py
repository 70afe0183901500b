"""Runs of the whole pipeline: started, waited for, told apart by their final weights."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

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


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        if path.exists():
            return
        assert process.poll() is None, "the run ended before it could be stopped"
        time.sleep(0.05)
    raise AssertionError(f"{path} never appeared")


def built(raw: dict[str, Any]) -> tuple[Network, Any]:
    """What a run does up to its training."""
    parsed = config.parse(raw)
    accelerator = devices.accelerator(parsed.train.device, parsed.train.precision)
    task = pipeline.check(parsed)
    setup = open_setup(task, task.load(), accelerator)
    return setup.network, setup.examples
