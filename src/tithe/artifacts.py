"""What a run leaves: every name in its directory, the freeze proof, the single files of a documented run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from tithe import checkpoint, config, data, proof, records, runlog, tensors
from tithe.network import Network
from tithe.tracking import HISTORY

BEST, FINAL, HEAD = "best_model.pt", "final_model.pt", "classifier_head.pt"
TO_ID, FROM_ID = "label_to_id.json", "id_to_label.json"
METRICS = "metrics.json"
# What a run writes into its directory, besides the checkpoints and the documented single ones.
FILES = (
    *("config.json", "environment.json", "labels.json", "data_report.json", "dropped.jsonl", "assets"),
    *(HISTORY, runlog.FILE, "tensorboard", ".neptune", "mlflow.json", "clearml"),
    *("validation", "test", "learning_curves.png", METRICS, "report.html", records.MANIFEST),
    "calibration.json",
    *("selection.parquet", "selection.json", "selection.png", "tuning.json", "tuning"),
    *(BEST, FINAL, HEAD, TO_ID, FROM_ID, "tokenizer", proof.FILE),
)


def final(home: Path, network: Network) -> None:
    """Write `final_model.pt`: the weights after the last step, named as in the classifier."""
    tensors.save(home / FINAL, network.whole.state_dict())


def conclude(home: Path, run: config.Run, network: Network, splits: data.Splits, best: Path) -> dict[str, Any]:
    """Write the freeze proof and whatever makes the best weights usable by a stranger.

    Parameters
    ----------
    network
        Holds the best weights.
    best
        The best checkpoint; a head that was trained alone gets its encoder there.

    Returns
    -------
    What the run's metrics say of it.
    """
    if run.checkpoint.single_files:
        _single_files(home, network.whole, splits)
    elif network.on_features and best.exists():
        checkpoint.add_encoder(best, network.encoder())
    if network.proof is None:
        return {}
    proven = network.proof.conclude(network.whole)
    records.write_json(home / proof.FILE, proven)
    return {"freeze": {name: proven[name] for name in ("freeze", "verdict", "holds")}}


def _single_files(home: Path, model: nn.Module, splits: data.Splits) -> None:
    tensors.save(home / BEST, model.state_dict())
    tensors.save(home / HEAD, model.get_submodule("head").state_dict())
    names = [splits.symbols.get(str(name), str(name)) for name in splits.labels.names]
    records.write_json(home / TO_ID, {name: i for i, name in enumerate(names)})
    records.write_json(home / FROM_ID, {str(i): name for i, name in enumerate(names)})
    with records.atomic_folder(home / "tokenizer") as aside:
        records.link_tree(home / "assets" / "tokenizer", aside)
