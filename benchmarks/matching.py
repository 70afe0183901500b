"""A tenth of a million rows by `margin`, `gradient_match` and `omp`: seconds and peak memory.

Made-up rows: Gaussian features, and labels drawn from the probabilities of a random linear head, which stand for those
of a head that was trained on them. Each strategy chooses in a process of its own, from signals that are there.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from typing import Any

import numpy as np

from tithe import config
from tithe.select import selection
from tithe.select.geometry import swaps
from tithe.select.pool import Pool

Array = np.ndarray[Any, np.dtype[Any]]
STRATEGIES = ("margin", "gradient_match", "omp")
PART = 8192


def example_pool(rows: int, width: int, classes: int) -> Pool:
    """Return a pool with the signals of the strategies; two rows in three are of the class that the head predicts."""
    rng = np.random.default_rng(0)
    weights_DC = 3 * rng.standard_normal((width, classes), dtype=np.float32) / np.sqrt(width)
    x_ND, probs_NC = np.empty((rows, width), np.float32), np.empty((rows, classes), np.float64)
    labels_N = np.empty(rows, np.int64)
    for first in range(0, rows, PART):
        part = slice(first, min(rows, first + PART))
        x_ND[part] = rng.standard_normal((part.stop - first, width), dtype=np.float32)
        logits_PC = x_ND[part] @ weights_DC
        exp_PC = np.exp(logits_PC - logits_PC.max(axis=1, keepdims=True))
        probs_NC[part] = exp_PC / exp_PC.sum(axis=1, keepdims=True)
        drawn_P = rng.random((part.stop - first, 1)) > probs_NC[part].cumsum(axis=1)
        labels_N[part] = drawn_P.sum(axis=1).clip(0, classes - 1)
    signals = {
        "embeddings": x_ND,
        "probs": probs_NC,
        "head_probs": probs_NC,
        "head_labels": labels_N,
        "head_penalty": np.full(rows, 20 / rows),
    }
    return Pool.of(labels_N, np.arange(rows), signals)


def resident() -> float:
    """Return the peak resident memory of this process, in bytes."""
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def choose(strategy: str, shape: tuple[int, int, int], budget: float, answer: Any) -> None:
    """Choose once; put seconds, those of the processor, peak memory, and what it was before on a queue."""
    pool = example_pool(*shape)
    before, begun, worked = resident(), time.perf_counter(), time.process_time()
    chosen = selection.select(pool, config.Select(strategy=strategy, budget=budget), 0)
    assert len(chosen) == round(budget * shape[0])
    answer.put((time.perf_counter() - begun, time.process_time() - worked, resident(), before))


def measured(strategy: str, shape: tuple[int, int, int], budget: float) -> tuple[float, float, float, float]:
    """Choose in a new process."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=choose, args=(strategy, shape, budget, answer))
    process.start()
    result: tuple[float, float, float, float] = answer.get()
    process.join()
    return result


def product_rate(numbers: int) -> float:
    """Return the rate in FLOP/s of the product that exchanges are made of: all pairs of a block's gradients."""
    block_BM = np.random.default_rng(0).standard_normal((swaps.BLOCK, numbers), dtype=np.float32)
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        block_BM @ block_BM.T
        seconds.append(time.perf_counter() - begun)
    return swaps.BLOCK**2 * numbers / statistics.median(seconds)


def main() -> None:
    """Measure each strategy in turn, and publish."""
    from common import publish, stamp  # here: a process that chooses needs no more than strategies do

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--budget", type=float, default=0.1)
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--remark", default="", help="about the machine, for the page")
    parser.add_argument("--name", default="matching", help="name of the result file")
    arguments = parser.parse_args()
    shape = (arguments.rows, arguments.width, arguments.classes)
    numbers, features = (arguments.classes - 1) * (arguments.width + 1), 4 * arguments.rows * arguments.width
    rate = product_rate(numbers)
    blocks = arguments.rows * arguments.budget / swaps.CHOSEN
    bound = blocks * swaps.BLOCK**2 * numbers / rate
    lines = [
        "| strategy | seconds | of the processor | peak memory, GB | of the features | before the choice |",
        "|---|---|---|---|---|---|",
    ]
    for strategy in arguments.strategies.split(","):
        seconds, worked, peak, before = measured(strategy, shape, arguments.budget)
        memory = f"{peak / 1e9:.2f} | {peak / features:.2f} | {before / features:.2f}"
        lines.append(f"| `{strategy}` | {seconds:.1f} | {worked:.1f} | {memory} |")
        print(lines[-1], flush=True)
    text = [
        "# A tenth of a million rows, matched",
        "",
        stamp(),
        "",
        f"{arguments.rows} rows × {arguments.width} float32 ({features / 1e9:.2f} GB), {arguments.classes} classes, "
        f"budget {arguments.budget:g}; one run each. Memory is that of the whole process, the features and the "
        f"interpreter included; the last column is its peak before the choice, from which the rest is what the choice "
        f"adds. {arguments.remark}",
        "",
        *lines,
        "",
        f"A gradient has {numbers} numbers. The products of one pass of exchanges, {blocks:.0f} blocks of "
        f"{swaps.BLOCK} rows against each other, take {bound:.1f} s at the {rate / 1e9:.0f} GFLOP/s that this product "
        f"reaches alone; `gradient_match` makes up to {swaps.PASSES} passes.",
    ]
    publish(arguments.name, "\n".join(text) + "\n")


if __name__ == "__main__":
    main()
