"""What memory is free by what the system says, and what a process on a CPU keeps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from support import processes
from tithe.train import devices, memory

MEMINFO = "MemTotal: 9000 kB\nMemAvailable:    5000 kB\n"
KB = 1024
# Products of so many shapes, in the first thread and in another one, as in the server; prints by how much memory grew.
SHAPES = """
import threading, torch
from tithe.train import memory

def multiply():
    before, weights = memory.process_memory("RssAnon"), torch.ones(1536, 384, dtype=torch.bfloat16)
    for rows in range(100, 400):
        torch.nn.functional.linear(torch.ones(rows, 384, dtype=torch.bfloat16), weights)
    print((memory.process_memory("RssAnon") - before) >> 20)

torch.set_num_threads(1)
with memory.few_kernels(), torch.inference_mode():
    multiply()
    other = threading.Thread(target=multiply)
    other.start()
    other.join()
"""


@pytest.mark.parametrize(
    "files, expected",
    [
        ({}, None),
        ({"proc/meminfo": MEMINFO, "proc/self/cgroup": ""}, 5000 * KB),
        ({"group": "0::/a/b", "a/b/memory.max": "3000", "a/b/memory.current": "1000", "a/b/idle": "400"}, 2400),
        ({"group": "0::/a/b", "a/b/memory.max": "max", "a/b/memory.current": "1000", "a/b/idle": "0"}, 5000 * KB),
        ({"group": "0::/a/b", "a/memory.max": "3000", "a/memory.current": "2900", "a/idle": "0"}, 100),
        ({"group": "0::/outside", "memory.max": "7000", "memory.current": "5000", "idle": "0"}, 2000),
        ({"group": "0::/a", "a/memory.max": "10", "a/memory.current": "90", "a/idle": "0"}, 0),
        (
            {
                **{"group": "5:cpu:/x\n4:memory:/x", "memory/x/memory.limit_in_bytes": "800"},
                **{"memory/x/memory.usage_in_bytes": "500", "memory/x/total_idle": "50"},
            },
            350,
        ),
    ],
)  # fmt: skip
def test_what_is_free_lies_within_the_groups(files: dict[str, str], expected: int | None, tmp_path: Path) -> None:
    if "group" in files:
        files = {"proc/meminfo": MEMINFO, "proc/self/cgroup": files["group"]} | {
            f"sys/fs/cgroup/{name.replace('total_idle', 'memory.stat').replace('idle', 'memory.stat')}": (
                f"cache 9\n{'total_' if 'total' in name else ''}inactive_file {text}" if "idle" in name else text
            )
            for name, text in files.items()
            if name != "group"
        }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.free_memory(tmp_path) == expected


def test_this_machine_says_what_is_free() -> None:
    free = memory.free_memory()
    assert free is None or 1 << 20 < free < 1 << 50


def test_a_process_that_works_on_a_cpu_keeps_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(memory, "keep_memory", lambda: asked.append(True))
    devices.accelerator("cpu")
    assert asked == [True]


@pytest.mark.skipif(not devices.bf16_is_native(torch.device("cpu")), reason="other kernels, which take less memory")
def test_inputs_of_all_shapes_do_not_fill_the_memory() -> None:
    ran = processes.run("-c", SHAPES)
    grown = list(map(int, ran.stdout.split()))
    assert len(grown) == 2 and max(grown) < 120, f"MiB in each thread: {grown}; {ran.stderr}"


@pytest.mark.parametrize("own", [None, "7"])
def test_a_users_own_bounds_stay(own: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LRU_CACHE_CAPACITY", raising=False)
    if own:
        monkeypatch.setenv("LRU_CACHE_CAPACITY", own)
    with memory.few_kernels():
        assert os.environ["LRU_CACHE_CAPACITY"] == (own or "32")
    assert os.environ.get("LRU_CACHE_CAPACITY") == own
