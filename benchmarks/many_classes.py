"""A run on 400 classes against one on 6, on the same texts.

Both train a small encoder of random weights for one epoch, each in a process and with a cache of its own, in turn; the
time is that of the whole command. The evaluation alone, of as many rows, is measured in this process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import publish, stamp
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from tithe.data import LabelMap
from tithe.evaluate import classification

Array = np.ndarray[Any, np.dtype[Any]]
FEW = 6


@dataclass(frozen=True)
class Rows:
    """The labelled rows of an evaluation."""

    labels: Array

    @property
    def ids(self) -> Array:
        """Positions in a data file."""
        return np.arange(len(self.labels))

    def __len__(self) -> int:
        return len(self.labels)


def make_encoder(folder: Path) -> None:
    """Write a BERT of two layers and 16 dimensions with a tokenizer of whole words."""
    words = ["<pad>", "<unk>", "film", "the", "movie"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)).save_pretrained(folder)


def make_run(folder: Path, rows: int, classes: int) -> Path:
    """Write a data file and the config of a run on it; return the config."""
    lines = [f"film the {row} movie,class{row % classes:04}" for row in range(rows)]
    data, file = folder / f"{classes}.csv", folder / f"{classes}.json"
    data.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    settings = {
        "data": {"path": str(data)},
        "model": {"encoder": str(folder / "encoder"), "max_length": 32},
        "train": {"epochs": 1, "batch_size": 64},
        "track": {"tensorboard": False},
    }
    file.write_text(json.dumps(settings), encoding="utf-8")
    return file


def train_seconds(file: Path) -> float:
    """Return the seconds of `tithe train` in a new process with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TITHE_CACHE": f"{folder}/cache", "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-m", "tithe", "train", str(file), "--out", f"{folder}/run"]
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return time.perf_counter() - begun


def evaluation_seconds(rows: int, classes: int) -> float:
    """Return the seconds in which one part of the data is evaluated: metrics, tables and figures."""
    rng = np.random.default_rng(0)
    labels_N, probs_NC = np.arange(rows) % classes, rng.dirichlet(np.ones(classes), rows)
    names = LabelMap(tuple(f"class{c:04}" for c in range(classes)))
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        classification.write(Path(folder), Rows(labels_N), probs_NC, names, seed=0)
        return time.perf_counter() - begun


def main() -> None:
    """Measure in turn and publish medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1800)
    parser.add_argument("--classes", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    arguments = parser.parse_args()
    sizes = [FEW, arguments.classes]
    seconds: dict[int, list[float]] = {classes: [] for classes in sizes}
    with tempfile.TemporaryDirectory() as folder:
        make_encoder(Path(folder) / "encoder")
        files = {classes: make_run(Path(folder), arguments.rows, classes) for classes in sizes}
        for repeat in range(arguments.repeats):
            for classes, file in files.items():
                seconds[classes].append(train_seconds(file))
                print(f"repeat {repeat}, {classes} classes: {seconds[classes][-1]:.2f} s", flush=True)
    held_out = arguments.rows // 10
    evaluation_seconds(held_out, FEW)  # imports
    lines = ["# Many classes on the same rows, CPU", "", stamp(), ""]
    lines += [arguments.remark, ""] if arguments.remark else []
    lines += [
        f"`tithe train` on {arguments.rows} short texts for one epoch with a small encoder, the whole command, medians "
        f"of {arguments.repeats} runs in turn. A ratio is the median over runs of that run's ratio.",
        "",
        "| classes | seconds | its time / that of 6 classes |",
        "|---|---|---|",
    ]
    for classes in sizes:
        ratio = statistics.median(a / b for a, b in zip(seconds[classes], seconds[FEW], strict=True))
        lines.append(f"| {classes} | {statistics.median(seconds[classes]):.2f} | {ratio:.2f} |")
    lines += [
        "",
        f"The evaluation of {held_out} of these rows alone, medians of {arguments.repeats}; a run has two of them:",
        "",
        "| classes | seconds |",
        "|---|---|",
    ]
    for classes in (2, FEW, 20, 60, arguments.classes, 1000):
        took = statistics.median(evaluation_seconds(held_out, classes) for _ in range(arguments.repeats))
        lines.append(f"| {classes} | {took:.2f} |")
    publish("many_classes", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
