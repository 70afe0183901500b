"""What every benchmark needs: the location of the data, and the stamp of a result."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from tithe.fetch import catalog

RESULTS = Path(__file__).parent / "results"
# Options whose values are local paths, or are on the page anyway.
_LOCAL_OPTIONS = {"--out", "--set", "--remark", "--run", "--embeddings", "--kept"}


def dataset(name: str) -> Path:
    """Return a Parquet file from `$TITHE_DATA`, from `../shared/data`, or the fetched one."""
    root = Path(__file__).resolve().parents[1]
    for folder in (os.environ.get("TITHE_DATA"), root.parent / "shared" / "data"):
        if folder and (path := Path(folder) / f"{name}.parquet").exists():
            return path
    return catalog.fetch(name)


def drawn(name: str, rows: int, folder: Path) -> Path:
    """Write so many rows of a set to a file; return its path."""
    table = pq.read_table(dataset(name))
    chosen = np.sort(np.random.default_rng(0).permutation(len(table))[:rows])
    pq.write_table(table.take(chosen), folder / f"{name}.parquet")
    return folder / f"{name}.parquet"


def commit() -> str:
    """Return the checked-out commit, marked if the sources have uncommitted changes."""
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    dirty = subprocess.run(["git", "status", "--porcelain", "src"], capture_output=True, text=True, check=False)
    return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")


def private_memory(pid: int) -> float:
    """Return the MB of a process that the system can't take back: pages of mapped files do not count."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("RssAnon")), 0.0)


def stamp() -> str:
    """Return the line that makes a number reproducible: date, commit, command, machine."""
    script, options = Path(sys.argv[0]), []
    for before, argument in zip(sys.argv, sys.argv[1:], strict=False):
        if not {before, argument} & _LOCAL_OPTIONS:
            options.append(argument)
    command = " ".join(["python", f"{script.parent.name}/{script.name}", *options])
    return (
        f"{date.today()} · commit {commit()} · `{command}` · "
        f"{os.cpu_count()} cores {platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    )


def publish(name: str, text: str) -> None:
    """Print a result and write it to `benchmarks/results/NAME.md`."""
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
