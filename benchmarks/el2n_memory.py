"""Memory of EL2N with many classes: the probabilities of short runs, and the scores that are made of them.

Rows of random numbers, so that only sizes matter. The probabilities are computed in a process of its own, are saved as
the cache does, and are scored. Memory is private memory; pages of mapped files do not count.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import private_memory, publish, stamp

_CODE = """
import sys
import numpy as np
from tithe import config
from tithe.select.pool import Pool
from tithe.select.selection import select
from tithe.select.signals import linear_probes
rows, classes, width, runs, folder = *map(int, sys.argv[1:5]), sys.argv[5]
rng, settings = np.random.default_rng(0), config.Select(strategy="el2n", proxy_runs=runs)
x_ND, labels_N = rng.normal(size=(rows, width)).astype(np.float32), rng.integers(classes, size=rows)
probs_NRC = linear_probes.short_runs(x_ND, labels_N, classes, settings.proxy_runs, settings.folds, 0)
np.save(folder + "/probs.npy", probs_NRC)
del probs_NRC
pool = Pool.of(labels_N, np.arange(rows), {"proxy_probs": np.load(folder + "/probs.npy", mmap_mode="r")})
assert len(select(pool, settings, 0)) == rows // 10
"""


def main() -> None:
    """Measure one size, and publish it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--runs", type=int, default=10, help="short runs; their probabilities are in a file")
    parser.add_argument("--remark", default="", help="said under the number: what else the machine did")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _CODE, *map(str, (asked.rows, asked.classes, asked.width, asked.runs)), folder]
        process = subprocess.Popen(command, env={**os.environ, "TITHE_CACHE": f"{folder}/cache"})
        begun, peak = time.monotonic(), 0.0
        while process.poll() is None:
            peak = max(peak, private_memory(process.pid))
            time.sleep(0.02)
        if process.returncode:
            raise SystemExit(f"the selection ended with {process.returncode}")
        size = Path(folder, "probs.npy").stat().st_size / 1e9
    lines = ["# Memory of EL2N with many classes", "", stamp(), ""]
    lines += [f"{asked.rows:,} rows of {asked.width} numbers, {asked.classes:,} classes, {asked.runs} short runs.", ""]
    lines += ["| s | MB of private memory | GB of probabilities on the disk |", "|---|---|---|"]
    lines += [f"| {time.monotonic() - begun:.0f} | {peak:.0f} | {size:.1f} |"]
    publish("el2n_memory", "\n".join([*lines, "", *([asked.remark, ""] if asked.remark else [])]))


if __name__ == "__main__":
    main()
