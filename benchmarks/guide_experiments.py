"""The course's experiments A to D on Russian texts with an encoder of mmBERT-base's size, by the documented commands.

The encoder has random weights and the tokenizer of multilingual-e5-small, whose 250,002 words are nearly mmBERT's
256,000: what is measured is whether an experiment ends on this machine, and how long an epoch takes. Scores of weights
that know nothing are not shown. Experiment D also runs with all words in training, as it had to before.
"""

from __future__ import annotations

import argparse
import collections
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from common import dataset, publish, stamp
from weak_pc import PROJECT, VOCABULARY, make_encoder, watch

from tithe import storage
from tithe.fetch.encoders import ENCODERS
from tithe.storage import run_files

EXPERIMENTS = {
    "A: frozen, 256 tokens": ("experiment_a_baseline", []),
    "B: 384 tokens": ("experiment_b_max_length_384", []),
    "B: 512 tokens": ("experiment_b_max_length_512", []),
    "C: dropout 0.1": ("experiment_c_dropout_0.1", []),
    "C: dropout 0.3": ("experiment_c_dropout_0.3", []),
    "C: hidden_dim 128": ("experiment_c_hidden_dim_128", []),
    "C: hidden_dim 512": ("experiment_c_hidden_dim_512", []),
    "D: all weights, all words": ("experiment_d_full_finetune", ["model.trim_vocabulary=false"]),
    "D: all weights, words of the data": ("experiment_d_full_finetune", []),
}


def main() -> None:
    """Prepare the project, run every experiment, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="packages_ru", help="name of the set")
    parser.add_argument("--rows", type=int, default=150, help="rows, of the set's six largest classes")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    asked = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, asked.set, asked.rows)
        for title, (config, settings) in EXPERIMENTS.items():
            lines.append(_line(title, experiment(folder, config, [*settings, f"training.epochs={asked.epochs}"])))
            print(lines[-1], flush=True)
    page = [
        "# The course's experiments with an encoder of mmBERT-base's size",
        *("", stamp(), "", *([asked.remark, ""] if asked.remark else [])),
        f"{asked.rows} rows of `{asked.set}` (Russian), {asked.epochs} epochs, batches of 1 × 8, random weights. An "
        "epoch of A to C takes the head's steps alone: the encoder runs over the texts once, before.",
        "",
        "| experiment | seconds of an epoch | seconds in total | peak of private memory | weights trained |",
        "|---|---|---|---|---|",
        *lines,
    ]
    publish("guide_experiments", "\n".join(page) + "\n")


def prepare(folder: Path, name: str, rows: int) -> None:
    """Write the project, the encoder and the rows, and run the project's first script."""
    for part in ("scripts", "src", "configs"):
        shutil.copytree(PROJECT / part, folder / "finetune_pipeline" / part)
    make_encoder(folder / "encoder", VOCABULARY)
    for file in ENCODERS["e5-small"].place.glob("*token*"):
        shutil.copy(file, folder / "encoder" / file.name)
    table = pq.read_table(dataset(name))
    labels = table["label"].to_pylist()
    largest = {label for label, _ in collections.Counter(labels).most_common(6)}
    kept = [i for i, label in enumerate(labels) if label in largest][:rows]
    pq.write_table(table.take(kept), folder / "rows.parquet")
    scripts = "finetune_pipeline/scripts"
    watch([sys.executable, f"{scripts}/make_raw_parts.py", "rows.parquet"], folder, None)
    watch([sys.executable, f"{scripts}/preprocess_data.py"], folder, None)


def experiment(folder: Path, config: str, settings: list[str]) -> dict[str, Any]:
    """Run an experiment by the documented command; return what its memory, its seconds and its metrics were."""
    changes = ["paths.base_model_dir=encoder", f"paths.output_dir=finetune_pipeline/{config}", *settings]
    command = [sys.executable, "finetune_pipeline/scripts/train.py"]
    command += ["--config", f"finetune_pipeline/configs/{config}.json"]
    ran = watch([*command, *(word for change in changes for word in ("--set", change))], folder, None)
    home = next((folder / "finetune_pipeline" / config).rglob(run_files.METRICS)).parent
    training = storage.read_json(home / run_files.METRICS)["training"]
    shutil.rmtree(folder / "finetune_pipeline" / config)
    return {**training, "private": ran["private"], "in_total": ran["seconds"]}


def _line(title: str, ran: dict[str, Any]) -> str:
    trained = ran["parameters_trained"] / 1e6
    seconds = float(ran["seconds"]) / int(ran["epochs"])
    return f"| {title} | {seconds:.1f} | {ran['in_total']:.0f} | {ran['private']:.0f} MB | {trained:.1f} M |"


if __name__ == "__main__":
    main()
