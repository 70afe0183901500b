"""Accuracy on `reviews`: a logistic regression on the frozen encoder, and full fine-tuning, on the same test rows.

Each seed makes its own split; both methods get the same training rows. The regression's regularisation strength is
chosen on the validation rows.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time

from common import dataset, publish, stamp
from sklearn.linear_model import LogisticRegression

from tithe import config, data, pipeline, plugins
from tithe.models import inference
from tithe.train import devices

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)


def frozen(run: config.Run) -> tuple[float, float]:
    """Return test accuracy and seconds of the regression on frozen, mean-pooled embeddings."""
    begun = time.perf_counter()
    splits = data.load(run.data, run.seed)
    task = plugins.load("tasks", run.task).open(run)
    examples = task.encode(splits.rows)
    accelerator = devices.accelerator("cpu", "auto")
    x = inference.embeddings(task.build(len(splits.labels), run.seed), examples, autocast=accelerator.autocast)
    y = splits.rows.labels
    fits = [LogisticRegression(C=c, max_iter=3000).fit(x[splits.train], y[splits.train]) for c in STRENGTHS]
    best = max(fits, key=lambda fit: fit.score(x[splits.val], y[splits.val]))
    return float(best.score(x[splits.test], y[splits.test])), time.perf_counter() - begun


def tuned(run: config.Run) -> tuple[float, float]:
    """Return test accuracy and training seconds of full fine-tuning."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = pipeline.train(run.model_copy(update={"out": f"{folder}/run"}))
    return outcome.scores["test"]["accuracy"], outcome.scores["training"]["seconds"]


def main() -> None:
    """Run both for every seed and publish their means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    ways = {"logistic regression on the frozen encoder": frozen, "full fine-tuning": tuned}
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for seed in range(arguments.seeds):
        raw = {
            "seed": seed,
            "data": {"path": str(dataset("reviews"))},
            "model": {"max_length": 64},
            "train": {"epochs": arguments.epochs, "device": "cpu"},
            "track": {"tensorboard": False},
        }
        for name, way in ways.items():
            results[name].append(way(config.parse(raw)))
            print(seed, name, results[name][-1], flush=True)
    lines = [
        "# Accuracy on `reviews`",
        "",
        stamp(),
        "",
        f"{arguments.seeds} seeds, each with its own split (80/10/10); fine-tuning: {arguments.epochs} epoch(s), the "
        "quickstart's settings.",
        "",
        "| way | test accuracy, mean | lowest | highest | seconds, median |",
        "|---|---|---|---|---|",
    ]
    for name, runs in results.items():
        accuracy, seconds = zip(*runs, strict=True)
        lines.append(
            f"| {name} | {statistics.mean(accuracy):.4f} | {min(accuracy):.4f} | {max(accuracy):.4f} "
            f"| {statistics.median(seconds):.0f} |"
        )
    publish("reviews_accuracy", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
