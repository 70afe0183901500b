"""The documented comparison of selection strategies at 10 %, repeated with MiniLM: equal steps, several seeds."""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from common import dataset, publish, stamp

from tithe import config, storage
from tithe.cli.options import quiet_libraries
from tithe.select.suite import standings, table, trials
from tithe.select.suite.controls import default_controls
from tithe.select.suite.grid import Grid

# The documents' own numbers (test accuracy, on a data set that they do not name; see recipes/data_efficiency).
DOCUMENTED = {
    **{"all": 0.947, "edfs_lite": 0.921, "entropy_diversity": 0.920, "k_center": 0.909, "qdit_lite": 0.910},
    **{"lexical_diversity": 0.862, "aflite_readability": 0.810, "ifd": 0.750, "random": 0.758},
    **{"perplexity": 0.617, "el2n": 0.576},
}

# What is trained, and the epochs of the baseline on all rows.
WAYS: dict[str, dict[str, Any]] = {
    "frozen": {"model": {"freeze": "all"}, "train": {"epochs": 5, "learning_rate": 1e-3}},
    "finetuned": {"model": {}, "train": {"epochs": 1, "learning_rate": 5e-5}},
}


def main() -> None:
    """Run the suite on each data set and publish the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default="reviews", help="names, separated by commas")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--way", choices=WAYS, default="frozen", help="a head on the frozen encoder, or all weights")
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    parser.add_argument(
        "--out", type=Path, default=Path(tempfile.gettempdir()) / "selection-table", help="folder of the trials"
    )
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    page = [f"# Eleven strategies at 10 %, {arguments.way} MiniLM", "", stamp(), ""]
    page += [arguments.remark, ""] if arguments.remark else []
    with quiet_libraries():
        for name in arguments.sets.split(","):
            page += _table(name, arguments.seeds, WAYS[arguments.way], arguments.out / arguments.way / name)
    publish(f"selection_table_{arguments.way}", "\n".join(page) + "\n")


def _table(name: str, seeds: int, way: dict[str, Any], out: Path) -> list[str]:
    base = config.parse(
        {
            "data": {"path": str(dataset(name)), "test_ratio": 0.2},
            "model": {"max_length": 128, **way["model"]},
            "train": {"batch_size": 32, "device": "cpu", **way["train"]},
        }
    )
    begun = time.monotonic()
    grid = Grid(list(DOCUMENTED), [0.1], list(range(seeds)), controls=default_controls(base))
    results = trials.run_suite(base, grid, out)
    seconds = time.monotonic() - begun
    lines = standings.compute_standings(results)
    storage.write_json(out / trials.FILE, {"standings": standings.as_json(lines), "trials": results})
    full = DOCUMENTED["all"]
    compared = [
        f"| {line['strategy']} | {_percent(line['share_of_all'])} | {DOCUMENTED[line['strategy']] / full:.1%} |"
        for line in lines
    ]
    return [
        f"## {name}",
        "",
        table.text(lines, grid.training),
        "",
        f"{len(results)} trials in {seconds:.0f} s, the encoder's pass included where it was not in the cache.",
        "",
        "Share of the accuracy on all rows, here and in the documents:",
        "",
        "| strategy | here | documented |",
        "|---|---|---|",
        *compared,
        "",
    ]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


if __name__ == "__main__":
    main()
