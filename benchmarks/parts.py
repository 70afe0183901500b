"""Selection in parts against selection from all rows at once: seconds, memory, and how well the choice covers the rows.

Embeddings of clouds of unequal sizes and widths in a file, memory-mapped. Each choice is a process of its own. The
radius is the largest distance of a row to its nearest pick, the objective the mean cosine to it. Memory is private
memory of the process that chooses, and of none of its workers; pages of mapped files do not count.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import private_memory, publish, stamp

_PIECE = 50_000
_CODE = """
import sys, time
import numpy as np
from tithe import config, engines
from tithe.select.pool import Pool
from tithe.select.selection import select
strategy, share, most, name, file, out, workers = sys.argv[1:]
x_ND = np.load(file, mmap_mode="r")
pool = Pool.of(np.zeros(len(x_ND), dtype=np.int64), np.arange(len(x_ND)), {"embeddings": x_ND})
settings = config.Select(strategy=strategy, budget=float(share), part_rows=int(most) or None)
with engines.opened(name, config.Cluster(num_workers=int(workers))) as engine:
    started = time.monotonic()
    chosen = select(pool, settings, 0, engine=engine)
    print(time.monotonic() - started)
np.save(out, chosen.rows)
"""


class Choice(NamedTuple):
    """What a choice took, and how far from it rows are."""

    seconds: float
    memory: float
    radius: float
    objective: float


def main() -> None:
    """Compare the ways of choosing at several sizes, and publish one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="20000,100000", help="sizes, separated by commas")
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--budget", type=float, default=0.1)
    parser.add_argument("--part", type=float, default=0.25, help="rows of a part, as a share of all rows")
    parser.add_argument("--strategies", default="k_center,facility_location")
    parser.add_argument("--engines", default="local", help="of the choice in parts, separated by commas")
    parser.add_argument("--remark", default="", help="said under the table: what else the machine did")
    asked = parser.parse_args()
    lines = ["# Selection in parts", "", stamp(), ""]
    lines += [
        f"{asked.width} numbers a row, a budget of {asked.budget:.0%}, parts of {asked.part:.0%} of the rows.",
        "",
    ]
    lines += ["| strategy | rows | how | s | MB | radius | mean cosine | radius to that of all at once |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        for rows in map(int, asked.rows.split(",")):
            file = write(Path(name) / "x.npy", rows, asked.width)
            for strategy in asked.strategies.split(","):
                whole = chosen(strategy, asked.budget, 0, "local", file)
                ways = {"all at once": whole}
                for engine in asked.engines.split(","):
                    most = round(asked.part * rows)
                    ways[f"in parts, engine {engine}"] = chosen(strategy, asked.budget, most, engine, file)
                for how, one in ways.items():
                    ratio = one.radius / whole.radius
                    cells = (
                        f"{one.seconds:.1f} | {one.memory:.0f} | {one.radius:.3f} | {one.objective:.4f} | {ratio:.3f}"
                    )
                    lines.append(f"| {strategy} | {rows:,} | {how} | {cells} |")
                    print(lines[-1], flush=True)
    publish("parts", "\n".join([*lines, "", *([asked.remark, ""] if asked.remark else [])]))


def write(path: Path, rows: int, width: int) -> Path:
    """Write clouds of unequal sizes and widths, with rows far out."""
    rng = np.random.default_rng(0)
    centres, shares = rng.normal(size=(40, width)), rng.dirichlet(np.ones(40) * 0.5)
    out_ND = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, width))
    for first in range(0, rows, _PIECE):
        part_ND = out_ND[first : first + _PIECE]
        spread_N = rng.gamma(2, 0.4, size=(len(part_ND), 1))
        part_ND[:] = centres[rng.choice(40, len(part_ND), p=shares)] + rng.normal(size=part_ND.shape) * spread_N
    out_ND.flush()
    return path


def chosen(strategy: str, share: float, most: int, engine: str, file: Path) -> Choice:
    """Choose in a process of its own, and measure what was chosen."""
    out = file.with_name("rows.npy")
    arguments = [strategy, str(share), str(most), engine, str(file), str(out), "2" if engine == "ray" else "1"]
    process, peak = subprocess.Popen([sys.executable, "-c", _CODE, *arguments], stdout=subprocess.PIPE, text=True), 0.0
    while process.poll() is None:
        peak = max(peak, private_memory(process.pid))
        time.sleep(0.02)
    said = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"the choice ended with {process.returncode}")
    return Choice(float(said.split()[-1]), peak, *covered(np.load(file, mmap_mode="r"), np.load(out)))


def covered(x_ND: np.memmap, rows_K: np.ndarray) -> tuple[float, float]:
    """Return the radius of a choice, and the mean cosine of a row to its nearest pick."""
    picks_KD = np.asarray(x_ND[rows_K])
    norms_K = (picks_KD**2).sum(axis=1)
    radius, cosines = 0.0, 0.0
    for first in range(0, len(x_ND), 1024):
        part_BD = np.asarray(x_ND[first : first + 1024])
        product_BK = part_BD @ picks_KD.T
        squared_B = (norms_K - 2 * product_BK).min(axis=1) + (part_BD**2).sum(axis=1)
        radius = max(radius, float(np.sqrt(squared_B.clip(0).max())))
        lengths_B = np.linalg.norm(part_BD, axis=1)
        cosines += float((product_BK / np.sqrt(norms_K)).max(axis=1) @ (1 / lengths_B))
    return radius, cosines / len(x_ND)


if __name__ == "__main__":
    main()
