"""Full fine-tuning speed: tithe, transformers.Trainer at its defaults and at its best, and a bare loop.

The same network (MiniLM, mean pooling, linear head, or another encoder), rows, epochs, batch size and optimizer in one
process. The four take turns, so that drift of the machine affects all of them equally. Accuracy is measured on the same
test rows with the same code. glibc keeps freed memory for all of them (`memory.keep_memory`), which helps the others
too. With `--encoder modernbert` the network is a ModernBERT-base with random weights, and texts are drawn words.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import peers
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from common import dataset, publish, stamp
from torch import nn
from weak_pc import make_encoder

from tithe import config, data, metrics, plugins
from tithe.models import inference, kernels, network
from tithe.train import devices, memory, trainer
from tithe.train import optimizer as train_optimizer
from tithe.train.optimizer import adamw
from tithe.train.trainer import FitOptions

TITLES = {
    "minilm": "MiniLM on `reviews`",
    "modernbert": "a ModernBERT-base with random weights on drawn words",
}
MODERNBERT_WORDS = 50_368


class Bench:
    """The rows, the networks and the four ways to train them."""

    def __init__(self, data_and_encoder: tuple[str, str], rows: int, epochs: int, batch_size: int) -> None:
        path, encoder = data_and_encoder
        raw = {
            "data": {"path": path},
            "model": {"encoder": encoder, "max_length": 128},
            "train": {"epochs": epochs, "batch_size": batch_size, "device": "cpu"},
        }
        self.run = config.parse(raw)
        splits = data.load(self.run.data, 0)
        self.classes = len(splits.labels)
        self.task = plugins.load("tasks", "text").open(self.run)
        self.examples = self.task.encode(splits.rows)
        self.train = self.examples.take(splits.train[:rows] if rows else splits.train)
        self.test = self.examples.take(splits.test)
        self.rows = len(self.train) * epochs

    def network(self, seed: int, ours: bool) -> nn.Module:
        """Return the classifier as `tithe train` has it, or as built by transformers."""
        task = self.task if ours else plugins.load("tasks", "text").open(self.run)
        if ours:
            built = task.build(self.classes, seed)
            return network.begin(self.run, built, task.encoder_key(), self.examples).trainable
        swap, kernels.use_fast_kernels = kernels.use_fast_kernels, lambda model, attention: None
        try:
            return task.build(self.classes, seed)
        finally:
            kernels.use_fast_kernels = swap

    def accuracy(self, model: nn.Module) -> float:
        """Return the accuracy on the test rows, in float32."""
        probs = inference.softmax(inference.logits(model, self.test))
        return metrics.summary(self.test.labels, probs)["accuracy"]

    def tithe(self, seed: int) -> tuple[float, float]:
        """Train with tithe's loop; return seconds and accuracy."""
        model, accelerator = self.network(seed, ours=True), devices.accelerator("cpu", "auto")
        begun = time.perf_counter()
        for _ in trainer.fit(model, self.task.criterion(), self.train, FitOptions(self.run.train, seed, accelerator)):
            pass
        return time.perf_counter() - begun, self.accuracy(model)

    def bare(self, seed: int) -> tuple[float, float]:
        """Train with the shortest loop that does the same arithmetic on the same batches."""
        model, t = self.network(seed, ours=True).train(), self.run.train
        torch.manual_seed(seed)
        plan = trainer.plan(self.train, t, seed)
        optimizer = adamw(model, t)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, train_optimizer.schedule(t, t.epochs * plan.steps_per_epoch)
        )
        native = devices.bf16_is_native(torch.device("cpu"))
        begun = time.perf_counter()
        for epoch in range(t.epochs):
            for rows in plan.epoch(epoch):
                batch = self.train.collate(rows)
                with torch.autocast("cpu", torch.bfloat16, enabled=native):
                    logits = model(batch)
                nn.functional.cross_entropy(logits.float(), batch["labels"]).backward()
                nn.utils.clip_grad_norm_(model.parameters(), t.clip_norm)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
        return time.perf_counter() - begun, self.accuracy(model)

    def hf(self, seed: int, best: bool) -> tuple[float, float]:
        """Train with transformers.Trainer."""
        model = self.network(seed, ours=False)
        return peers.hf_trainer(model, self.train, self.run.train, self.task.tokenizer, seed, best), self.accuracy(
            model
        )

    def limits(self, step_seconds: float) -> str:
        """Return a sentence on the limits of this machine, and how much of them a step of so many seconds reaches.

        Training costs 6 FLOP per token and per weight of every matrix except the embedding table. Beside that, AdamW
        reads a weight, its gradient and two averages, and writes all but the gradient: 28 bytes a weight and step.
        """
        tokens = self.run.train.batch_size * float(self.train.lengths.mean())
        named = dict(self.network(0, ours=True).named_parameters())
        products = sum(p.numel() for n, p in named.items() if p.ndim == 2 and "embedd" not in n)
        every = sum(p.numel() for p in named.values())
        rate, bandwidth = product_rate(int(tokens), self.width), copy_rate()
        arithmetic, traffic = 6 * products * tokens / rate, 28 * every / bandwidth
        return (
            f"the limit of arithmetic, at {rate / 1e9:.0f} GFLOP/s, measured on a matrix product of one batch's shape, "
            f"is {arithmetic * 1e3:.0f} ms a step, of which {arithmetic / step_seconds:.0%} is reached; with AdamW's "
            f"traffic of {every / 1e6:.1f} M weights at {bandwidth / 1e9:.0f} GB/s it is "
            f"{(arithmetic + traffic) * 1e3:.0f} ms, of which {(arithmetic + traffic) / step_seconds:.0%} is reached"
        )

    @property
    def width(self) -> int:
        """The encoder's hidden size."""
        return int(self.task.encoder.hidden_size)


def product_rate(tokens: int, width: int) -> float:
    """Return the FLOP/s of the product of a batch's states with an inner layer's matrix, in the precision of `auto`."""
    kind = torch.bfloat16 if devices.bf16_is_native(torch.device("cpu")) else torch.float32
    a, b = torch.randn(tokens, width).to(kind), torch.randn(width, 4 * width).to(kind)
    return 8 * tokens * width**2 / _median_seconds(lambda: a @ b)


def copy_rate() -> float:
    """Return the bytes per second that are read and written where tensors too large for any cache are added."""
    a, b = torch.randn(1 << 25), torch.randn(1 << 25)
    return 3 * a.nbytes / _median_seconds(lambda: a.add_(b), 20)


def _median_seconds(work: Callable[[], object], times: int = 200) -> float:
    seconds = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def modernbert(folder: Path, rows: int = 6000) -> tuple[str, str]:
    """Write a ModernBERT-base with random weights and texts of its words; return the paths of the texts and of it."""
    make_encoder(folder / "modernbert", MODERNBERT_WORDS)
    rng = np.random.default_rng(0)
    texts = [" ".join(f"слово{i}" for i in rng.zipf(1.3, rng.integers(8, 64)) % 40_000) for _ in range(rows)]
    pq.write_table(pa.table({"text": texts, "label": [str(i % 4) for i in range(rows)]}), folder / "texts.parquet")
    return str(folder / "texts.parquet"), str(folder / "modernbert")


def main() -> None:
    """Build the bench that is asked for, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=0, help="training rows, 0 for all")
    parser.add_argument("--encoder", choices=("minilm", "modernbert"), default="minilm")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--name", default="finetune_vs_hf_trainer", help="name of the result file")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    memory.keep_memory()
    with tempfile.TemporaryDirectory() as folder:
        is_real = arguments.encoder == "minilm"
        source = (
            (str(dataset("reviews")), "minilm") if is_real else modernbert(Path(folder), 2 * arguments.rows or 6000)
        )
        compare(Bench(source, arguments.rows, arguments.epochs, arguments.batch_size), arguments)


def compare(bench: Bench, arguments: argparse.Namespace) -> None:
    """Run the four in turn and publish their medians."""
    ways: dict[str, Callable[[int], tuple[float, float]]] = {
        "tithe": bench.tithe,
        "bare PyTorch loop, same arithmetic": bench.bare,
        "transformers.Trainer, best settings": lambda seed: bench.hf(seed, best=True),
        "transformers.Trainer, defaults": lambda seed: bench.hf(seed, best=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    accuracy: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(arguments.repeats):
        for name, train in ways.items():
            took, right = train(repeat)
            seconds[name].append(took)
            accuracy[name].append(right)
            print(f"repeat {repeat} {name}: {took:.1f} s, accuracy {right:.4f}", flush=True)
    lines = [
        f"# Full fine-tuning of {TITLES[arguments.encoder]}, CPU",
        "",
        stamp(),
        "",
        f"{len(bench.train)} rows, {arguments.epochs} epoch(s), batches of {arguments.batch_size}; medians of "
        f"{arguments.repeats} runs in turn. A ratio is the median over runs of that run's ratio.",
        "",
        "| way | seconds | rows/s | its time / tithe's | test accuracy, mean |",
        "|---|---|---|---|---|",
    ]
    for name in ways:
        ratio = statistics.median(a / b for a, b in zip(seconds[name], seconds["tithe"], strict=True))
        median = statistics.median(seconds[name])
        mean = statistics.mean(accuracy[name])
        lines.append(f"| {name} | {median:.1f} | {bench.rows / median:.0f} | {ratio:.2f} | {mean:.4f} |")
    steps = -(-bench.rows // arguments.batch_size)
    limits = bench.limits(statistics.median(seconds["tithe"]) / steps)
    lines += ["", f"{limits[0].upper()}{limits[1:]}."]
    publish(arguments.name, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
