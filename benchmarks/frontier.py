"""What a share of the rows, or of the labels, is worth: accuracy at 1 to 100 %, in both tracks, frozen or trained."""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from common import RESULTS, dataset, publish, stamp

from tithe import config, storage
from tithe.cli.options import quiet_libraries
from tithe.select.suite import standings, table, trials
from tithe.select.suite.grid import Grid
from tithe.select.suite.page import draw_budgets

# Tokens kept of each text: long texts are cut more, since the encoder's pass is most of the time.
LENGTHS = {"clothing_fit": 64, "imdb": 64, "newsgroups": 64, "packages_en": 64}
WAYS: dict[str, dict[str, Any]] = {
    "frozen": {"model": {"freeze": "all"}, "train": {}},
    "finetuned": {"model": {}, "train": {"epochs": 3, "learning_rate": 5e-5}},
}
STRATEGIES = {
    "T0": "auto,margin,badge,typiclust,mix,herding",
    "T1": "auto,gradient_match,omp,sensitivity",
}


def main() -> None:
    """Run a suite on each data set, and publish tables and curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default="reviews,reuters_r8", help="names, separated by commas")
    parser.add_argument("--track", choices=STRATEGIES, default="T0")
    parser.add_argument("--way", choices=WAYS, default="frozen", help="a linear head on the encoder, or all weights")
    parser.add_argument("--strategies", help="names, separated by commas")
    parser.add_argument("--budgets", default="0.1", help="shares, separated by commas")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=10, help="of bought labels")
    parser.add_argument("--controls", default="", help="of every trial: wrong, help, reader, finetune")
    parser.add_argument("--name", help="of the page of results, behind its track and way")
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "frontier", help="of the trials")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    labels = "labels bought in rounds" if asked.track == "T0" else "rows chosen by all labels"
    page = [f"# Track {asked.track}, {asked.way} MiniLM: {labels}", "", stamp(), ""]
    page += [asked.remark, ""] if asked.remark else []
    name = "_".join(filter(None, ("frontier", asked.track, asked.way, asked.name)))
    with quiet_libraries():
        for data in asked.sets.split(","):
            page += _section(data, asked, name)
    publish(name, "\n".join(page) + "\n")


def _section(data: str, asked: argparse.Namespace, name: str) -> list[str]:
    way = WAYS[asked.way]
    base = config.parse(
        {
            "data": {"path": str(dataset(data)), "test_ratio": 0.2},
            "model": {"max_length": LENGTHS.get(data, 128) if asked.way == "frozen" else 64, **way["model"]},
            "train": {"batch_size": 32, "device": "cpu", **way["train"]},
            "select": {"track": asked.track, "rounds": asked.rounds if asked.track == "T0" else 1},
        }
    )
    strategies = (asked.strategies or STRATEGIES[asked.track]).split(",")
    budgets = [float(share) for share in asked.budgets.split(",")]
    head, measured = "probe" if asked.way == "frozen" else "trained", [c for c in asked.controls.split(",") if c]
    grid = Grid(strategies, budgets, list(range(asked.seeds)), controls=measured, head=head)
    out, begun = asked.out / asked.track / asked.way / data, time.monotonic()
    results = trials.run_suite(base, grid, out)
    seconds = time.monotonic() - begun
    lines = standings.compute_standings(results)
    storage.write_json(out / trials.FILE, {"standings": standings.as_json(lines), "trials": results})
    section = [f"## {data}", "", table.text(lines, grid.training), ""]
    section += [f"{len(results)} trials, {seconds:.0f} s in this run.", ""]
    if len(grid.budgets) > 1:
        picture = RESULTS / f"{name}_{data}.png"
        picture.write_bytes(draw_budgets(lines))
        section += [f"![accuracy by budget on {data}]({picture.name})", ""]
    return section


if __name__ == "__main__":
    main()
