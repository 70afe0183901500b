"""The documented hyperparameter search on `reviews`, a head on the frozen MiniLM, against the defaults.

For each seed (of the split, the head and the search): the recipe's config without its search, with it, and with it over
learning rates that suit a head alone. Each run is evaluated on the test rows, which no search has seen.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from common import dataset, publish, stamp
from scipy import stats

from tithe import config, pipeline, storage
from tithe.cli.options import quiet_libraries
from tithe.select.suite import standings

CONFIG = Path(__file__).parents[1] / "recipes/data_efficiency/configs/train_config_with_tuning.json"
PLAIN, DOCUMENTED, WIDE = "the defaults", "searched, documented ranges", "searched, rates of 1e-4 to 1e-2"
WAYS = {PLAIN: ["enable_hyperparameter_tuning=false"], DOCUMENTED: [], WIDE: ["lr_range=[1e-4, 1e-2]"]}


def main() -> None:
    """Train with every setting and seed; publish means, intervals and paired differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    results: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for seed in range(arguments.seeds):
        for way, changes in WAYS.items():
            results[way].append(trained(seed, changes))
            print(seed, way, results[way][-1], flush=True)
    lines = ["# A search for settings, against the defaults", "", stamp(), ""]
    lines += [arguments.remark, ""] if arguments.remark else []
    lines += table(results)
    publish("tuning", "\n".join(lines) + "\n")


def trained(seed: int, changes: list[str]) -> dict[str, Any]:
    """Return the results of one run: test scores, learning rate, and the seconds and trials of the search."""
    path = f"dataset_path={dataset('reviews')}"
    run = config.load(CONFIG, [f"seed={seed}", path, "freeze_layers=all", "track.tensorboard=false", *changes])
    with tempfile.TemporaryDirectory() as folder, quiet_libraries():
        begun = time.monotonic()
        outcome = pipeline.train(run.model_copy(update={"out": folder}))
        seconds = time.monotonic() - begun
        summary = storage.read_json(Path(folder) / "tuning.json") if run.tune else {"seconds": None, "trials": []}
        rate = config.load(Path(folder) / "config.json").train.learning_rate
    scores = outcome.scores["test"]
    return {
        **{"accuracy": scores["accuracy"], "loss": scores["loss"], "learning_rate": rate, "run": seconds},
        **{"search": summary["seconds"], "trials": len(summary["trials"])},
    }


def table(results: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return the Markdown table: each setting, and its difference from the defaults on the same splits."""
    seeds = len(results[PLAIN])
    lines = [
        f"{seeds} seeds, a split each; mean ± 95 % interval (Student's t); differences and their p in pairs.",
        "",
        "| way | test accuracy | against the defaults | p | test loss | learning rates found | 25 trials, s | run, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for way, runs in results.items():
        accuracy, plain = ([run["accuracy"] for run in group] for group in (runs, results[PLAIN]))
        gains = [own - default for own, default in zip(accuracy, plain, strict=True)]
        compared = "– | –" if way == PLAIN else f"{_mean(gains, '+')} | {stats.ttest_1samp(gains, 0.0).pvalue:.3f}"
        rates = ", ".join(f"{r['learning_rate']:.1e}" for r in runs)
        search = "–" if way == PLAIN else f"{max(r['search'] for r in runs):.0f} at most"
        seconds = sorted(r["run"] for r in runs)[seeds // 2]
        cells = [way, _mean(accuracy), compared, _mean([r["loss"] for r in runs]), rates, search, f"{seconds:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _mean(values: list[float], sign: str = "") -> str:
    interval = standings.interval(values)
    width = interval["half_width"]
    return f"{interval['mean']:{sign}.4f}" + ("" if width is None else f" ± {width:.4f}")


if __name__ == "__main__":
    main()
