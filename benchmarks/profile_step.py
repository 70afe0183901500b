"""Where the time of a step of full fine-tuning goes, by kind of work; and what arithmetic and memory allow.

Times are those of PyTorch's profiler, of the operations themselves, without those that they call. What is left to the
time on the clock is Python's and the profiler's own.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from collections import defaultdict
from pathlib import Path

from common import dataset, publish, stamp
from finetune_vs_hf_trainer import Bench, modernbert
from torch.profiler import ProfilerActivity, profile

from tithe.cli.options import quiet_libraries
from tithe.train import devices, memory, trainer
from tithe.train.trainer import FitOptions

# The first kind whose part of a name occurs in that of an operation.
KINDS = {
    "matrix products": ("mm", "mkldnn_linear", "mkldnn_matmul", "matmul", "linear", "scaled_dot_product"),
    "AdamW": ("adamw",),
    "norm of the gradients, scheduling of rates": ("vector_norm", "linalg", "foreach"),
    "random bits of dropout": ("random", "bernoulli"),
    "copies and casts": ("copy", "cat", "clone", "contiguous", "to_copy"),
    "zeros": ("zero", "fill", "new_full"),
    "table of words": ("embedding", "index", "gather", "scatter"),
    "layer norms": ("norm",),
    "GELU": ("gelu",),
    "softmax": ("softmax",),
    "other operations on elements": (
        "mul",
        "add",
        "sub",
        "div",
        "sum",
        "ge",
        "pow",
        "mean",
        "cos",
        "sin",
        "neg",
        "sqrt",
    ),
}
# Of the same rows: one until the heap has room for all shapes of batches, one without the profiler, one with it.
_EPOCHS = 3


def main() -> None:
    """Train some steps without the profiler and some with it, and publish a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", default="minilm,modernbert", help="names, separated by commas")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    memory.keep_memory()
    columns: dict[str, dict[str, float]] = {}
    notes = []
    with quiet_libraries(), tempfile.TemporaryDirectory() as folder:
        for name in asked.encoders.split(","):
            source = (str(dataset("reviews")), name) if name == "minilm" else modernbert(Path(folder))
            bench = Bench(source, asked.steps * asked.batch_size, _EPOCHS, asked.batch_size)
            columns[name], plain = measured(bench, asked.steps)
            notes.append(f"{name}: {plain * 1e3:.0f} ms a step without the profiler; {bench.limits(plain)}")
            print(columns[name], notes[-1], flush=True)
    kinds = sorted(KINDS, key=lambda kind: -columns[next(iter(columns))].get(kind, 0))
    rows = [*kinds, "the rest: Python and small operations"]
    page = [
        "# Where a step of full fine-tuning goes, CPU",
        *("", stamp(), "", *([asked.remark, ""] if asked.remark else [])),
        f"{asked.steps} steps of {asked.batch_size} rows, after two epochs of the same rows; shares of the time on the "
        "clock under PyTorch's profiler.",
        *("", f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)),
        *(f"| {kind} | {' | '.join(f'{shares.get(kind, 0):.1%}' for shares in columns.values())} |" for kind in rows),
        *("", *(f"{note}\n" for note in notes)),
    ]
    publish("profile_step", "\n".join(page).rstrip() + "\n")


def measured(bench: Bench, steps: int) -> tuple[dict[str, float], float]:
    """Return the share of each kind of work, and the median seconds of a step that nobody profiles."""
    model, accelerator = bench.network(0, ours=True), devices.accelerator("cpu", "auto")
    taken = trainer.fit(model, bench.task.criterion(), bench.train, FitOptions(bench.run.train, 0, accelerator))
    seconds = []
    for _ in range((_EPOCHS - 1) * steps):
        begun = time.perf_counter()
        next(taken)
        seconds.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(steps):
            next(taken)
        whole = time.perf_counter() - begun
    shares: dict[str, float] = defaultdict(float)
    for event in seen.key_averages():
        kind = next((kind for kind, parts in KINDS.items() if any(part in event.key.lower() for part in parts)), None)
        shares[kind or "the rest: Python and small operations"] += event.self_cpu_time_total / 1e6 / whole
    shares["the rest: Python and small operations"] = 1 - sum(shares[kind] for kind in KINDS)
    return dict(shares), sorted(seconds[-steps:])[steps // 2]


if __name__ == "__main__":
    main()
