"""Memory of training an encoder of mmBERT-base's and of ModernBERT-base's size, by batch; beside transformers.Trainer.

Every cell is a process of its own that takes two optimizer steps and ends, watched from outside. What `tithe doctor`
foretells is beside it. The weights are random: memory does not depend on their values.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import publish, stamp
from weak_pc import VOCABULARY, make_encoder, watch

from tithe import config, plugins
from tithe.train import memory

# Name, words of the vocabulary.
ENCODERS = {"mmBERT-base": VOCABULARY, "ModernBERT-base": 50_368}
PEER = "transformers.Trainer"
WAYS: dict[str, list[str]] = {
    "tithe, all words": ["model.trim_vocabulary=false"],
    "tithe, words of the data": [],
    "the same, layers computed again": ["train.checkpoint_activations=true"],
    "tithe, LoRA of rank 8": ["model.lora.rank=8"],
    PEER: [],
}
WORDS = 7600  # of the data: as many as manpages_ru has of multilingual-e5-small's
SPARE = 2 << 30  # bytes that a run must leave free, or it is not begun


class Cell(NamedTuple):
    """Peaks of private memory in MB: measured and foretold; None where it was not run."""

    measured: float | None
    foretold: float | None
    seconds: float | None = None


def main() -> None:
    """Measure every cell and publish the table; or be one of the peer's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", default=",".join(ENCODERS), help="names, separated by commas")
    parser.add_argument("--batches", default="1,8,32", help="rows per micro-batch, separated by commas; 1 is 1 × 8")
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    parser.add_argument("--peer", metavar="CONFIG", help="only train by this config with transformers.Trainer")
    asked = parser.parse_args()
    if asked.peer:
        train_peer(Path(asked.peer))
        return
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for encoder in asked.encoders.split(","):
            parameters = make_encoder(folder / encoder, ENCODERS[encoder])
            for way, settings in WAYS.items():
                cells = [measure(folder, encoder, int(rows), way, settings) for rows in asked.batches.split(",")]
                lines.append(f"| {encoder}, {parameters / 1e6:.0f} M | {way} | {' | '.join(map(_text, cells))} |")
                print(lines[-1], flush=True)
            shutil.rmtree(folder / encoder)
    heads = [f"batch {rows}" for rows in asked.batches.split(",")]
    page = [
        "# Memory of training, by batch",
        *("", stamp(), "", *([asked.remark, ""] if asked.remark else [])),
        f"Peak of private memory in two optimizer steps on texts of 256 tokens that have {WORDS:,} words, in float32. "
        "In brackets: what `tithe doctor` foretold. Batch 1 is 1 × 8.",
        *("", f"| encoder | trained by | {' | '.join(heads)} |", "|---|---|" + "---|" * len(heads), *lines),
    ]
    publish("memory_table", "\n".join(page) + "\n")


def measure(folder: Path, encoder: str, rows: int, way: str, settings: list[str]) -> Cell:
    """Train for two steps, watched; a run that would leave too little free memory is not begun."""
    settings_file = write_config(folder, encoder, rows)
    changes = [word for change in settings for word in ("--set", change)]
    base = [sys.executable, "-m", "tithe"]
    said = subprocess.run(
        [*base, "doctor", settings_file, *changes, *_whole(way), "--json"], capture_output=True, text=True, check=True
    )
    forecast = json.loads(said.stdout)
    foretold = None if way == PEER else forecast["peak"] / 1e6
    if forecast["growth"] + SPARE > (memory.free_memory() or 0):
        return Cell(None, foretold)
    own = [sys.executable, __file__, "--peer", str(settings_file)]
    ran = watch(own if way == PEER else [*base, "train", str(settings_file), *changes], folder, None)
    shutil.rmtree(folder / "run", ignore_errors=True)
    return Cell(ran["private"] * 1.048576, foretold, ran["seconds"])


def _whole(way: str) -> list[str]:
    return ["--set", "model.trim_vocabulary=false"] if way == PEER else []


def write_config(folder: Path, encoder: str, rows: int) -> Path:
    """Write texts for two optimizer steps and a config for them; return the config's path."""
    accumulation = 8 if rows == 1 else 1
    count = 2 * rows * accumulation
    rng = np.random.default_rng(0)
    texts = [" ".join(f"слово{i}" for i in rng.integers(0, WORDS, 300)) for _ in range(count * 5 // 4)]
    table = pa.table({"text": texts, "label": [str(i % 4) for i in range(len(texts))]})
    pq.write_table(table, folder / "rows.parquet")
    raw: dict[str, Any] = {
        "data": {"path": str(folder / "rows.parquet"), "test_ratio": 0.1, "val_ratio": 0.1},
        "model": {"encoder": str(folder / encoder), "max_length": 256},
        "train": {
            **{"epochs": 1, "batch_size": rows, "accumulation_steps": accumulation},
            **{"device": "cpu", "precision": "no"},
        },
        "track": {"tensorboard": False},
        "out": str(folder / "run"),
    }
    path = folder / "config.json"
    path.write_text(json.dumps(raw))
    return path


def train_peer(path: Path) -> None:
    """Train as a config says, with transformers.Trainer, on the same rows."""
    import peers

    run = config.load(path)
    task = plugins.load("tasks", "text").open(run)
    splits = task.load()
    examples = task.encode(splits.rows).take(splits.train)
    peers.hf_trainer(
        task.build(len(splits.labels), 0), examples, run.train, task.tokenizer, 0, best=False
    )  # in float32 too


def _text(cell: Cell) -> str:
    foretold = "" if cell.foretold is None else f" ({cell.foretold:,.0f})"
    return f"not run: too little free{foretold}" if cell.measured is None else f"{cell.measured:,.0f} MB{foretold}"


if __name__ == "__main__":
    main()
