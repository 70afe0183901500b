"""A head on a frozen MiniLM, ten epochs: tithe's cached features against transformers.Trainer with the same encoder.

The same network (mean pooling, MLP head), rows, epochs, batch size and optimizer in one process, in turn. tithe freezes
the encoder for all of them and keeps it in evaluation mode even after `train()`, which saves the peer the dropout.
Also, on the same features: the head alone, and scikit-learn's LogisticRegression.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import peers
import torch
from accelerate import Accelerator
from common import dataset, publish, stamp
from sklearn.linear_model import LogisticRegression

from tithe import config, data, metrics, plugins, tasks
from tithe.models import inference, network
from tithe.models.examples import Examples
from tithe.train import devices, memory, trainer
from tithe.train.trainer import FitOptions

Timed = tuple[float, float]  # seconds, test accuracy
LARGE_BATCHES = {"batch_size": 512, "learning_rate": 0.03}
LARGE_SAID = "batches of 512, learning rate 0.03"


class Bench:
    """The rows and the ways to train a head on them."""

    def __init__(self, path: str, rows: int, epochs: int, batch_size: int) -> None:
        raw: dict[str, Any] = {
            "data": {"path": path},
            "model": {"max_length": 128, "freeze": "all", "head": "mlp"},
            "train": {"epochs": epochs, "batch_size": batch_size, "learning_rate": 1e-3, "device": "cpu"},
        }
        self.run = config.parse(raw)
        splits = data.load(self.run.data, 0)
        self.train_rows, self.test_rows = splits.train[:rows] if rows else splits.train, splits.test
        self.classes = len(splits.labels)
        self.task = plugins.load("tasks", "text").open(self.run)
        self.rows = self.task.encode(splits.rows)

    def _accuracy(self, model: Any, test: Any) -> float:
        probs = inference.softmax(inference.logits(model, test))
        return metrics.summary(test.labels, probs)["accuracy"]

    def tithe(self, seed: int) -> Timed:
        """Run the encoder over all rows and train the head: the cost of a first experiment, with validation rows."""
        with tempfile.TemporaryDirectory() as cache:
            os.environ["TITHE_CACHE"] = cache
            try:
                return self._tithe(seed)
            finally:
                del os.environ["TITHE_CACHE"]

    def tithe_again(self, seed: int) -> Timed:
        """Train the head on cached features: the cost of every further experiment."""
        self._tithe(seed)
        return self._tithe(seed)

    def _tithe(self, seed: int) -> Timed:
        run = self.run.model_copy(update={"seed": seed})
        accelerator = devices.accelerator("cpu", "auto")
        begun = time.perf_counter()
        net, examples = self._network(run, self.task, accelerator)
        rows = examples.take(self.train_rows)
        for _ in trainer.fit(net.trainable, self.task.criterion(), rows, FitOptions(run.train, seed, accelerator)):
            pass
        return time.perf_counter() - begun, self._accuracy(net.trainable, examples.take(self.test_rows))

    def _network(self, run: config.Run, task: tasks.Task, accelerator: Accelerator) -> tuple[network.Network, Examples]:
        begun = network.begin(run, task.build(self.classes, run.seed), task.encoder_key(), self.rows)
        return network.build(run, begun, self.rows, accelerator)

    def hf(self, seed: int, best: bool) -> Timed:
        """Train with transformers.Trainer, the encoder frozen."""
        model = self.task.build(self.classes, seed)
        rows = self.rows.take(self.train_rows)
        seconds = peers.hf_trainer(model, rows, self.run.train, self.task.tokenizer, seed, best)
        return seconds, self._accuracy(model, self.rows.take(self.test_rows))

    def head(self, seed: int, kind: str) -> Timed:
        """Train one head on cached features: ours with a linear or MLP layer, or scikit-learn's regression."""
        accelerator = devices.accelerator("cpu", "auto")
        model_settings = self.run.model.model_copy(update={"head": "mlp" if kind == "mlp" else "linear"})
        train_settings = self.run.train.model_copy(update=LARGE_BATCHES if kind == "large" else {})
        run = self.run.model_copy(update={"seed": seed, "model": model_settings, "train": train_settings})
        task = plugins.load("tasks", "text").open(run)
        net, examples = self._network(run, task, accelerator)
        rows, test = examples.take(self.train_rows), examples.take(self.test_rows)
        if kind == "regression":
            X, X_test = (part.collate(range(len(part)))["embeddings"].numpy() for part in (rows, test))
            begun = time.perf_counter()
            regression = LogisticRegression(max_iter=1000).fit(X, rows.labels)
            return time.perf_counter() - begun, float(regression.score(X_test, test.labels))
        begun = time.perf_counter()
        for _ in trainer.fit(net.trainable, task.criterion(), rows, FitOptions(run.train, seed, accelerator)):
            pass
        return time.perf_counter() - begun, self._accuracy(net.trainable, test)


def main() -> None:
    """Run all of them in turn and publish their medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=0, help="training rows, 0 for all")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--name", default="frozen_vs_hf_trainer", help="name of the result file")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    memory.keep_memory()
    torch.set_num_threads(os.cpu_count() or 1)
    bench = Bench(str(dataset("reviews")), arguments.rows, arguments.epochs, arguments.batch_size)
    ways: dict[str, Callable[[int], Timed]] = {
        "tithe, first run (encoder once, then the head)": bench.tithe,
        "tithe, a further run (features from the cache)": bench.tithe_again,
        "transformers.Trainer, best settings": lambda seed: bench.hf(seed, best=True),
        "transformers.Trainer, defaults": lambda seed: bench.hf(seed, best=False),
    }
    heads: dict[str, Callable[[int], Timed]] = {
        "tithe, MLP head": lambda seed: bench.head(seed, "mlp"),
        "tithe, linear head": lambda seed: bench.head(seed, "linear"),
        f"tithe, linear head, {LARGE_SAID}": lambda seed: bench.head(seed, "large"),
        "scikit-learn, LogisticRegression": lambda seed: bench.head(seed, "regression"),
    }
    timed: dict[str, list[Timed]] = {name: [] for name in (*ways, *heads)}
    for repeat in range(arguments.repeats):
        for name, train in {**ways, **heads}.items():
            timed[name].append(train(repeat))
            print(f"repeat {repeat} {name}: {timed[name][-1][0]:.1f} s, accuracy {timed[name][-1][1]:.4f}", flush=True)
    publish(arguments.name, "\n".join(_page(bench, arguments, timed, list(ways), list(heads))) + "\n")


def _page(
    bench: Bench, arguments: argparse.Namespace, timed: dict[str, list[Timed]], ways: list[str], heads: list[str]
) -> list[str]:
    rows = len(bench.train_rows)
    return [
        "# A head on a frozen MiniLM, `reviews`, CPU",
        "",
        stamp(),
        "",
        f"{rows} rows, {arguments.epochs} epochs, batches of {arguments.batch_size}; medians of {arguments.repeats} "
        f"runs in turn. A ratio is the median over runs of that run's ratio to tithe's first run, whose time includes "
        f"the encoder's pass over all {len(bench.rows)} rows, those of validation and test included.",
        "",
        "| way | seconds | its time / tithe's first run | test accuracy, mean |",
        "|---|---|---|---|",
        *(_line(name, timed, ways[0]) for name in ways),
        "",
        "On the same features, the training of the head alone:",
        "",
        "| head | seconds | its time / tithe's MLP head | test accuracy, mean |",
        "|---|---|---|---|",
        *(_line(name, timed, heads[0]) for name in heads),
    ]


def _line(name: str, timed: dict[str, list[Timed]], base: str) -> str:
    ratio = statistics.median(own[0] / other[0] for own, other in zip(timed[name], timed[base], strict=True))
    seconds = statistics.median(s for s, _ in timed[name])
    accuracy = statistics.mean(a for _, a in timed[name])
    return f"| {name} | {seconds:.2f} | {ratio:.2f} | {accuracy:.4f} |"


if __name__ == "__main__":
    main()
