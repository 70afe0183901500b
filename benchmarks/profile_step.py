"""Where a step of full fine-tuning goes: shares of its time by kind of operation, and whether larger products pay.

MiniLM on `reviews`, and an encoder of ModernBERT-base's sizes with random weights on the same texts. The shares are of
the time inside operations, as torch's profiler counts it: what Python does between them is the rest. The second table
takes turns between three products for query, key and value and one that gives all three.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import weak_pc
from common import dataset, publish, stamp
from torch.profiler import ProfilerActivity, profile

from tithe import config, data, plugins
from tithe.models.partial import word_table
from tithe.train import devices, memory, trainer
from tithe.train.trainer import FitOptions

VOCABULARY = 50_368  # ModernBERT-base's; the products do not depend on it
# Kinds by the beginnings of their operations' names, the first that fits.
KINDS = {
    "matrix products": ("addmm", "mm", "bmm", "baddbmm", "mkldnn_linear", "linear_backward"),
    "fused attention": ("_scaled_dot_product", "_flash_attention"),
    "optimizer": ("_fused_adam", "_foreach_add"),
    "norms": ("native_layer_norm", "linalg_vector_norm"),
    "GELU": ("gelu",),
    "softmax": ("_softmax", "_log_softmax"),
    "dropout's random bits": ("random_", "bernoulli", "native_dropout"),
    "zeroing": ("zero_", "fill_", "new_zeros"),
    "copies and casts": ("copy_", "clone", "cat", "_to_copy", "stack"),
    "sums, products and masks": (
        "add",
        "mul",
        "div",
        "sub",
        "sum",
        "ge_",
        "neg",
        "where",
        "masked_fill",
        "tanh",
        "cos",
    ),
    "embedding": ("embedding", "index"),
}
REST = "the rest"


class Shares(NamedTuple):
    """Seconds of some steps, and of them those of each kind."""

    steps: int
    seconds: float
    kinds: Counter[str]


def main() -> None:
    """Profile both encoders, compare the products, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20, help="steps of MiniLM; a fifth as many of the large encoder")
    parser.add_argument("--pairs", type=int, default=60, help="turns of the products")
    parser.add_argument("--small-only", action="store_true", help="MiniLM alone")
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    memory.keep_memory()
    measured = {"MiniLM": profiled({}, asked.steps)}
    if not asked.small_only:
        with tempfile.TemporaryDirectory() as folder:
            weak_pc.VOCABULARY = VOCABULARY
            weak_pc.make_encoder(Path(folder))
            model = {"encoder": folder, "encoder_dropout": 0.0}
            measured["ModernBERT-base's sizes"] = profiled(model, max(2, asked.steps // 5))
    turns = {width: in_turn(width, asked.pairs) for width in (384, 768)}
    publish("profile_step", "\n".join(_page(asked.remark, measured, turns)) + "\n")


def profiled(model: dict[str, Any], steps: int) -> Shares:
    """Fine-tune for some steps after two that only warm up, and return where their time went."""
    raw = {
        "data": {"path": str(dataset("reviews"))},
        "model": {"max_length": 128, **model},
        "train": {"device": "cpu", "epochs": 1},
    }
    run = config.parse(raw)
    splits = data.load(run.data, 0)
    task = plugins.load("tasks", "text").open(run)
    rows = task.encode(splits.rows).take(splits.train[: (steps + 2) * run.train.batch_size])
    network = task.build(len(splits.labels), 0)
    word_table.trim(network, run, rows)
    went = trainer.fit(network, task.criterion(), rows, FitOptions(run.train, 0, devices.accelerator("cpu", "auto")))
    next(went), next(went)
    begun = time.perf_counter()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        done = sum(1 for _ in went)
        seconds = time.perf_counter() - begun
    kinds: Counter[str] = Counter()
    for event in seen.key_averages():
        kinds[_kind(event.key)] += event.self_cpu_time_total / 1e6
    kinds[REST] += seconds - sum(kinds.values())
    return Shares(done, seconds, kinds)


def _kind(operation: str) -> str:
    name = operation.removeprefix("aten::")
    return next((kind for kind, names in KINDS.items() if name.startswith(names)), REST)


def in_turn(width: int, pairs: int) -> float:
    """Return the time of one product for query, key and value as a share of that of three, forward and backward.

    It is the median over pairs of neighbours, so that other work on the machine affects both alike.
    """
    parts = [torch.randn(width, width, requires_grad=True) for _ in range(3)]
    whole = torch.cat(parts).detach().requires_grad_()
    states = torch.randn(16 * 27, width, requires_grad=True)  # 16 texts of 27 tokens

    def three() -> None:
        sum((states @ part.T).sum() for part in parts).backward()  # type: ignore[union-attr]

    def one() -> None:
        query, key, value = (states @ whole.T).split(width, dim=-1)
        (query.sum() + key.sum() + value.sum()).backward()

    def seconds(work: Callable[[], None]) -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    for work in (three, one):
        work()
    return statistics.median(seconds(one) / seconds(three) for _ in range(pairs))


def _page(remark: str, measured: dict[str, Shares], turns: dict[int, float]) -> list[str]:
    names = [*KINDS, REST]
    rows = [[f"{shares.kinds[name] / shares.seconds:.1%}" for shares in measured.values()] for name in names]
    each = [f"{shares.seconds / shares.steps:.2f}" for shares in measured.values()]
    return [
        "# Where a step of full fine-tuning goes",
        *("", stamp(), "", *([remark, ""] if remark else [])),
        "Batches of 16 texts of `reviews`, words of the data alone in memory. No step can take less than its matrix "
        "products.",
        "",
        f"| | {' | '.join(measured)} |",
        f"|---|{'---|' * len(measured)}",
        *(f"| {name} | {' | '.join(row)} |" for name, row in zip(names, rows, strict=True)),
        f"| seconds of a step, under the profiler | {' | '.join(each)} |",
        "",
        f"One product for query, key and value in place of three, forward and backward, on {16 * 27} tokens:",
        "",
        "| width | its time / that of three |",
        "|---|---|",
        *(f"| {width} | {ratio:.3f} |" for width, ratio in turns.items()),
    ]


if __name__ == "__main__":
    main()
