"""What workers of an engine do in tests, and scripts with a Ray of their own in which something dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tithe.errors import InputError

BUSY = "timed out during startup"  # what Ray says on a machine that is busy for half a minute


def ended(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, again where the machine was too busy for Ray to start."""
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
        if BUSY not in done.stderr:
            break
    return done


def traced(folder: Path, number: int) -> tuple[int, int]:
    """Leave a file for each call: what was done twice is seen."""
    (folder / f"{number}-{os.getpid()}").touch()
    time.sleep(0.02)
    return number**2, os.getpid()


def met(folder: Path, number: int) -> tuple[int, int]:
    """Like `traced`, but wait until two processes work."""
    answer = traced(folder, number)
    deadline = time.monotonic() + 120
    while len({file.name.partition("-")[2] for file in folder.iterdir()}) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    return answer


def dying(folder: Path, fatal: int, number: int) -> tuple[int, int]:
    """Die of one number, the first time."""
    if number == fatal and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return traced(folder, number)


def refuse(number: int) -> int:
    raise InputError(f"{number} is wrong: choose another")


def loaded(module: str) -> bool:
    return module in sys.modules


def hurt(home: Path, how: Callable[[], None]) -> threading.Thread:
    """Do something to a run once it has saved a checkpoint."""

    def wait() -> None:
        while not list(home.glob("checkpoints/step_*/state.json")):
            time.sleep(0.005)
        how()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def kill_a_process() -> None:
    is_one = [path for path in Path("/proc").glob("[0-9]*") if b"ray::Member" in command_line(path)]
    os.kill(int(is_one[-1].name), signal.SIGKILL)


def command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


# A cluster of three machines, one of which is removed once all have worked.
NODES = """
import os, sys, threading, time
from functools import partial
from pathlib import Path
os.environ["RAY_AUTH_MODE"] = "disabled"
import ray
from ray.cluster_utils import Cluster
from tithe import config, engines

def traced(folder, number):
    name = os.environ["RAY_NODE_ID"] if "RAY_NODE_ID" in os.environ else ray.get_runtime_context().get_node_id()
    (folder / f"{number}-{name}").touch()
    time.sleep(0.3)
    return number * number, name

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    others = [cluster.add_node(**small) for _ in range(2)]
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    removed = []
    with engines.opened("ray", config.Cluster(num_workers=3)) as engine:
        squares, where = [], []
        for square, name in engine.map(partial(traced, folder), range(40)):
            squares.append(square)
            where.append(name)
            if len(set(where)) == 3 and not removed:
                removed.append(others[0].node_id)
                cluster.remove_node(others[0], allow_graceful=False)
    ray.shutdown()
    cluster.shutdown()
    assert squares == [number * number for number in range(40)], squares
    assert removed and where[-1] not in removed, (removed, where)
    print("NODES", len(set(where)))
"""

# As much of a run as comes before its training, with a line for each shard of features that is put together.
DRIVER = """
import sys
from tithe import config, pipeline
from tithe.engines import shards
from tithe.models import features
from tithe.train import devices
features._ROWS, shards._BATCHES = 8, 1
read = shards._read
def seen(file):
    print(file.name, file.stat().st_mtime_ns)
    return read(file)
shards._read = seen
if __name__ == "__main__":
    run = config.load(sys.argv[1])
    pipeline.prepare(pipeline.check(run), None, devices.accelerator("cpu", "no"))
"""
