"""Farthest-first traversal: lazy blocks, a matrix-vector product per step, and `norm(X - X[i])` per step.

Clustered rows with a fixed seed. The three methods take turns in one process, start from the same row, and their picks
are compared. The naive one may stop after its first steps; its time is then extrapolated, and the page says so.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from common import publish, stamp

from tithe.select.geometry import greedy

Array = np.ndarray[Any, np.dtype[Any]]
CLUSTERS = 200
LAZY, VECTOR, NAIVE = "tithe, lazy blocks", "a float32 matrix-vector product per step", "`norm(X - X[i])` per step"


def embeddings(rows: int, width: int) -> Array:
    """Return rows around random centers, as far from a center as centers from each other; float32, shape (N, D)."""
    rng = np.random.default_rng(0)
    x_ND = rng.standard_normal((rows, width), dtype=np.float32)
    centers_CD = rng.standard_normal((CLUSTERS, width), dtype=np.float32)
    for part in np.array_split(np.arange(rows), 64):
        x_ND[part] += centers_CD[rng.integers(CLUSTERS, size=len(part))]
    return x_ND


def by_vector(x_ND: Array, k: int, start: int) -> list[int]:
    """Pick with one matrix-vector product per step and a running minimum of squared distances."""
    x_ND = x_ND - x_ND.mean(axis=0)
    norm_N = np.einsum("nd,nd->n", x_ND, x_ND)
    near_N, rows = np.full(len(x_ND), np.inf, np.float32), [start]
    while True:
        new_N = x_ND @ x_ND[rows[-1]]
        new_N *= -2
        new_N += norm_N
        new_N += norm_N[rows[-1]]
        np.minimum(near_N, new_N, out=near_N)
        near_N[rows[-1]] = -np.inf
        if len(rows) == k:
            return rows
        rows.append(int(near_N.argmax()))


def by_norm(x_ND: Array, k: int, start: int) -> list[int]:
    """Pick by the textbook definition."""
    near_N, rows = np.full(len(x_ND), np.inf, np.float32), [start]
    while True:
        near_N = np.minimum(near_N, np.linalg.norm(x_ND - x_ND[rows[-1]], axis=1))
        if len(rows) == k:
            return rows
        rows.append(int(near_N.argmax()))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and the result."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def gemm_rate(x_ND: Array) -> float:
    """Return the machine's float32 rate in FLOP/s, on a product of this problem's width."""
    a, b = x_ND[:8192], x_ND[:1024].T.copy()
    seconds = statistics.median(timed(lambda: a @ b)[0] for _ in range(20))
    return 2 * a.shape[0] * a.shape[1] * b.shape[1] / seconds


def extra_memory(x_ND: Array, k: int) -> float:
    """Return the peak allocation of a selection, divided by the bytes of the embeddings."""
    tracemalloc.start()
    greedy.greedy(x_ND, k)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / x_ND.nbytes


def compare(x_ND: Array, k: int, naive_steps: int, repeats: int) -> list[str]:
    """Run the three methods in turn; return the lines of their table and of their agreement."""
    start = int(greedy.greedy(x_ND, 1).rows_K[0])
    ways: dict[str, Callable[[], list[int]]] = {
        LAZY: lambda: greedy.greedy(x_ND, k, start=start).rows_K.tolist(),
        VECTOR: lambda: by_vector(x_ND, k, start),
        NAIVE: lambda: by_norm(x_ND, naive_steps, start),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    picks: dict[str, list[int]] = {}
    rates = []
    for repeat in range(repeats):
        rates.append(gemm_rate(x_ND))
        for name, way in ways.items():
            took, picks[name] = timed(way)
            seconds[name].append(took * k / len(picks[name]))
            print(f"repeat {repeat} {name}: {took:.2f} s for {len(picks[name])} picks", flush=True)
    rate = statistics.median(rates)
    bound = 2 * x_ND.size * k / rate
    lines = ["| way | seconds | its time / tithe's |", "|---|---|---|"]
    for name in ways:
        ratio = statistics.median(a / b for a, b in zip(seconds[name], seconds[LAZY], strict=True))
        guess = f", **extrapolated** from {naive_steps} steps" if name == NAIVE and naive_steps < k else ""
        lines.append(f"| {name}{guess} | {statistics.median(seconds[name]):.2f} | {ratio:.2f} |")
    share = bound / statistics.median(seconds[LAZY])
    return [
        *lines,
        f"| all n·k distances as one product, at {rate / 1e9:.0f} GFLOP/s | {bound:.2f} | {share:.2f} |",
        "",
        "The last line is the arithmetic of computing every distance, 2·n·d·k, at the rate of a float32 product of "
        "this width, measured in the same run; lazy blocks skip distances that cannot matter, and may beat it. "
        f"{_agreement(picks)} In addition to the embeddings they allocate {extra_memory(x_ND, k):.2f} times their "
        "bytes at the peak, the centred copy included.",
    ]


def _agreement(picks: dict[str, list[int]]) -> str:
    """Describe how many picks are the same; orders may differ where rounding decides a tie."""
    same = len(set(picks[LAZY]) & set(picks[VECTOR]))
    steps = len(picks[NAIVE])
    first = len(set(picks[LAZY][:steps]) & set(picks[NAIVE]))
    return (
        f"Of the {len(picks[LAZY])} rows picked, {same} are the same as with the matrix-vector product; of the first "
        f"{steps}, {first} are those of the naive way."
    )


def growth(sizes: list[int], width: int, k: int, repeats: int) -> list[str]:
    """Return the lines of a table: seconds by number of rows."""
    lines = [f"| rows, {k} picks | seconds | all distances as one product |", "|---|---|---|"]
    for rows in sizes:
        x_ND = embeddings(rows, width)
        bound = 2 * x_ND.size * k / gemm_rate(x_ND)
        seconds = statistics.median(timed(lambda x_ND=x_ND: greedy.greedy(x_ND, k))[0] for _ in range(repeats))
        print(f"{rows} rows: {seconds:.2f} s", flush=True)
        lines.append(f"| {rows} | {seconds:.2f} | {bound:.2f} |")
    return lines


def main() -> None:
    """Run the three in turn, then lazy blocks on growing numbers of rows, and publish medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--k", type=int, default=5_000)
    parser.add_argument("--naive-steps", type=int, default=200, help="steps of the naive way, 0 for all")
    parser.add_argument("--growth", type=int, nargs="*", default=[10_000, 50_000, 100_000, 500_000])
    parser.add_argument("--growth-k", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--name", default="geometry", help="name of the result file")
    arguments = parser.parse_args()
    steps = min(arguments.naive_steps or arguments.k, arguments.k)
    lines = [
        "# Farthest-first traversal (k-center), CPU",
        "",
        stamp(),
        "",
        f"{arguments.rows} rows of {arguments.width} dimensions in {CLUSTERS} clusters, {arguments.k} picks; medians "
        f"of {arguments.repeats} runs in turn. A ratio is the median over runs of that run's ratio.",
        "",
        *compare(embeddings(arguments.rows, arguments.width), arguments.k, steps, arguments.repeats),
        "",
        "Lazy blocks alone for growing numbers of rows, next to the arithmetic of all distances:",
        "",
        *growth(arguments.growth, arguments.width, arguments.growth_k, arguments.repeats),
    ]
    publish(arguments.name, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
