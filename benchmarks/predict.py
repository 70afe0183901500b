"""Seconds to classify a file: `tithe predict` beside `transformers.pipeline`, and beside the bare forward passes.

All run the same encoder on the same texts, one after the other in each round; the medians of the rounds are compared.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq
import torch
from common import dataset, publish, stamp

from tithe import config, pipeline
from tithe.cli.options import quiet_libraries
from tithe.models import encoders, inference
from tithe.predict import Answering, TextInput, TrainedModel, load, predict_files

PIPELINE_BATCH = 32


def main() -> None:
    """Train a head on a few rows, then classify texts in each way, round after round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="reviews", help="name of a data set")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--max-length", type=int, default=128)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name, quiet_libraries():
        folder = Path(name)
        rows = pq.read_table(dataset(asked.data)).slice(0, asked.rows)
        pq.write_table(rows, folder / "rows.parquet")
        pq.write_table(rows.slice(0, 200), folder / "few.parquet")
        checkpoints = {kind: _train(folder, asked, kind) for kind in ("auto", "no")}
        ways = _ways(folder, checkpoints, rows["text"].to_pylist())
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(asked.rounds):
            for way, run in ways.items():
                begun = time.perf_counter()
                run()
                seconds[way].append(time.perf_counter() - begun)
    publish("predict", _page(asked, {way: median(times) for way, times in seconds.items()}))


def _train(folder: Path, asked: argparse.Namespace, precision: str) -> Path:
    settings = {
        "name": precision,
        "data": {"path": str(folder / "few.parquet")},
        "model": {"freeze": "all", "max_length": asked.max_length},
        "train": {"epochs": 1, "device": "cpu", "precision": precision},
        "out": str(folder / precision),
    }
    return Path(pipeline.train(config.parse(settings)).home)


def _ways(folder: Path, checkpoints: dict[str, Path], texts: list[str]) -> dict[str, Callable[[], object]]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers import pipeline as transformers_pipeline

    source = encoders.find("minilm")
    tokenizer = AutoTokenizer.from_pretrained(source)
    classify = transformers_pipeline(
        "text-classification",
        model=AutoModelForSequenceClassification.from_pretrained(source),
        tokenizer=tokenizer,
        device="cpu",
    )

    def peer() -> object:
        return classify(texts, batch_size=PIPELINE_BATCH, truncation=True, max_length=128, top_k=None)

    def whole(precision: str) -> Callable[[], object]:
        given = TextInput(folder / "rows.parquet")
        return lambda: predict_files(load(checkpoints[precision]), given, folder / "out.parquet", Answering())

    def bare(precision: str) -> Callable[[], object]:
        model = load(checkpoints[precision])
        return _forward(model, model.task.examples(texts))

    ways: dict[str, Callable[[], object]] = {"transformers.pipeline, float32": peer}
    for precision, shown in (("no", "float32"), ("auto", "as trained")):
        ways |= {f"tithe predict, {shown}": whole(precision), f"forward passes, {shown}": bare(precision)}
    return ways


def _forward(model: TrainedModel, examples: object) -> Callable[[], object]:
    """Return the bare passes: batches of equal lengths, made before, through the network."""
    cuts = inference.batches(examples, model.rows_at_once)  # type: ignore[arg-type]
    batches = [examples.collate(rows) for rows in cuts]  # type: ignore[attr-defined]

    def run() -> None:
        with torch.inference_mode(), model.accelerator.autocast():
            for batch in batches:
                model.model(batch)

    return run


def _page(asked: argparse.Namespace, seconds: dict[str, float]) -> str:
    peer = next(iter(seconds.values()))
    lines = [
        f"# Classifying {asked.rows} texts of {asked.data}",
        "",
        stamp(),
        "",
        "`tithe predict` reads and writes Parquet and loads its checkpoint each time. The pipeline and bare passes are",
        "loaded before the clock starts; the bare passes have their tokens then, too, in batches of similar lengths.",
        "",
        "| | seconds | texts a second | times the pipeline |",
        "|---|---|---|---|",
    ]
    for way, taken in seconds.items():
        lines.append(f"| {way} | {taken:.2f} | {asked.rows / taken:.0f} | {peer / taken:.2f} |")
    for shown in ("float32", "as trained"):
        ratio = seconds[f"tithe predict, {shown}"] / seconds[f"forward passes, {shown}"]
        lines += ["", f"`tithe predict`, {shown}: {ratio:.2f} times its bare forward passes."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
