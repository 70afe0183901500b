"""Every file name in a run directory."""

from __future__ import annotations

from tithe.storage import folders, freeze_proof

HISTORY, LOG = "history.jsonl", "train.log"

BEST, FINAL, HEAD = "best_model.pt", "final_model.pt", "classifier_head.pt"
TO_ID, FROM_ID = "label_to_id.json", "id_to_label.json"
METRICS = "metrics.json"
# What a run writes into its directory, besides the checkpoints and the documented single ones.
FILES = (
    *("config.json", "environment.json", "labels.json", "data_report.json", "dropped.jsonl", "assets"),
    *(HISTORY, LOG, "tensorboard", ".neptune", "mlflow.json", "clearml"),
    *("validation", "test", "learning_curves.png", METRICS, "report.html", folders.MANIFEST),
    "calibration.json",
    *("selection.parquet", "selection.json", "selection.png", "tuning.json", "tuning"),
    *(BEST, FINAL, HEAD, TO_ID, FROM_ID, "tokenizer", freeze_proof.FILE),
)

CALIBRATION = "calibration.json"
