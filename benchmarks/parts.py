"""Selection in parts against selection from all rows at once: seconds, memory, and how well the choice covers the rows.

Embeddings of clouds of unequal sizes and widths in a file, memory-mapped. Each choice is a process of its own. The
radius is the largest distance of a row to its nearest pick, of all rows; the objective is the mean cosine to it, of
10,000 rows where there are more. Memory is private memory of the process that chooses, and of none of its workers;
pages of mapped files do not count.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import private_memory, publish, stamp

from tithe.select import coverage
from tithe.select.geometry import clusters

_PIECE, _SAMPLE, _AHEAD = 50_000, 10_000, 512
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
    parser.add_argument(
        "--part", default="0.25", help="rows of a part, or their share of all rows; several, separated by commas"
    )
    parser.add_argument("--dtype", default="float32", choices=["float16", "float32"], help="of the file")
    parser.add_argument("--strategies", default="k_center,facility_location")
    parser.add_argument("--engines", default="local", help="of the choice in parts, separated by commas")
    parser.add_argument("--remark", default="", help="said under the table: what else the machine did")
    asked = parser.parse_args()
    lines = ["# Selection in parts", "", stamp(), ""]
    lines += [f"{asked.width} numbers a row in {asked.dtype}, a budget of {asked.budget:.0%}.", ""]
    lines += ["| strategy | rows | how | s | MB | radius | mean cosine | radius to that of all at once |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        for rows in map(int, asked.rows.split(",")):
            file = write(Path(name) / "x.npy", rows, asked.width, asked.dtype)
            for strategy in asked.strategies.split(","):
                whole = chosen(strategy, asked.budget, 0, "local", file)
                lines.append(line(strategy, rows, "all at once", whole, whole))
                for part, engine in itertools.product(map(float, asked.part.split(",")), asked.engines.split(",")):
                    most = round(part * rows) if part < 1 else round(part)
                    found = chosen(strategy, asked.budget, most, engine, file)
                    lines.append(line(strategy, rows, f"parts of {most:,}, engine {engine}", found, whole))
    publish("parts", "\n".join([*lines, "", *([asked.remark, ""] if asked.remark else [])]))


def line(strategy: str, rows: int, how: str, found: Choice, whole: Choice) -> str:
    """Return a line of the table, and print it."""
    cells = f"{found.seconds:.1f} | {found.memory:.0f} | {found.radius:.3f} | {found.objective:.4f}"
    text = f"| {strategy} | {rows:,} | {how} | {cells} | {found.radius / whole.radius:.3f} |"
    print(text, flush=True)
    return text


def write(path: Path, rows: int, width: int, dtype: str) -> Path:
    """Write clouds of unequal sizes and widths, with rows far out."""
    rng = np.random.default_rng(0)
    centres, shares = rng.normal(size=(40, width)), rng.dirichlet(np.ones(40) * 0.5)
    out_ND = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows, width))
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
    """Return the radius of a choice, and the mean cosine of a row to its nearest pick, of a sample of many rows."""
    picks_KD = np.asarray(x_ND[rows_K], dtype=np.float32)
    sample = np.sort(np.random.default_rng(0).permutation(len(x_ND))[:_SAMPLE])
    return radius(x_ND, picks_KD), coverage.covered(x_ND[sample], picks_KD).cosine


def radius(x_ND: np.memmap, picks_KD: np.ndarray) -> float:
    """Return the largest distance of a row to its nearest pick.

    The distance to the nearest pick of the same cell of k-means bounds it: only rows whose bound is above the largest
    distance so far are compared with all picks.
    """
    draw = np.sort(np.random.default_rng(1).permutation(len(x_ND))[:_SAMPLE])
    sample_SD = np.asarray(x_ND[draw], dtype=np.float32)
    mean_D, count = sample_SD.mean(axis=0), 1 + len(x_ND) // 5000
    centres_KD = clusters.kmeans(sample_SD, count, np.random.default_rng(2)).centres
    starts = range(0, len(x_ND), _PIECE)
    pieces = (np.asarray(x_ND[start : start + _PIECE], np.float32) - mean_D for start in starts)
    cell_N = np.concatenate([clusters.nearest(piece_BD, centres_KD)[0] for piece_BD in pieces])
    cell_K, bound_N = clusters.nearest(picks_KD - mean_D, centres_KD)[0], np.full(len(x_ND), np.inf)
    for cell in range(count):
        rows, own_KD = np.flatnonzero(cell_N == cell), picks_KD[cell_K == cell]
        if len(rows) and len(own_KD):
            bound_N[rows] = distances(np.asarray(x_ND[rows], np.float32), own_KD)
    order, largest = np.argsort(-bound_N), 0.0
    for start in range(0, len(order), _AHEAD):
        rows = np.sort(order[start : start + _AHEAD])
        if bound_N[rows].max() <= largest:
            break
        largest = max(largest, float(distances(np.asarray(x_ND[rows], np.float32), picks_KD).max()))
    return largest


def distances(x_ND: np.ndarray, picks_KD: np.ndarray) -> np.ndarray:
    """Return the distance of each row to its nearest pick."""
    squared_K, found = np.einsum("kd,kd->k", picks_KD, picks_KD), [np.zeros(0)]
    for start in range(0, len(x_ND), 128):
        part_BD = x_ND[start : start + 128]
        squared_B = np.einsum("bd,bd->b", part_BD, part_BD)
        found.append(np.sqrt(((squared_K - 2 * part_BD @ picks_KD.T).min(axis=1) + squared_B).clip(0)))
    return np.concatenate(found)


if __name__ == "__main__":
    main()
