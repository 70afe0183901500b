"""Every file name in a run directory."""

from __future__ import annotations

from tithe.storage import folders, freeze_proof

# What was configured, on what machine, for which classes and rows.
CONFIG, ENVIRONMENT, LABELS = "config.json", "environment.json", "labels.json"
DATA_REPORT, DROPPED, ASSETS = "data_report.json", "dropped.jsonl", "assets"
# What happened.
HISTORY, LOG = "history.jsonl", "train.log"
SELECTION, SELECTION_SUMMARY, SELECTION_MAP = "selection.parquet", "selection.json", "selection.png"
TUNING, TUNING_FOLDER = "tuning.json", "tuning"
# What came out.
PARTS = ("validation", "test")
METRICS, REPORT, LEARNING_CURVES, CALIBRATION = "metrics.json", "report.html", "learning_curves.png", "calibration.json"
FREEZE_PROOF, MANIFEST = freeze_proof.FILE, folders.MANIFEST
# The documented single files, as state dicts, with what they need beside them (`checkpoint.single_files`).
BEST, FINAL, HEAD = "best_model.pt", "final_model.pt", "classifier_head.pt"
LABEL_TO_ID, ID_TO_LABEL, TOKENIZER = "label_to_id.json", "id_to_label.json", "tokenizer"
# The documented files of an epoch's end (`checkpoint.epoch_files`), and BEST as one of them.
LATEST, EPOCH_HISTORY, NUMBERED = "latest_model.pt", "training_history.json", "checkpoint_epoch_{}.pt"
# What trackers keep here.
TRACKERS = ("tensorboard", ".neptune", "mlflow.json", "clearml")

# All but the checkpoints and the numbered files.
FILES = (
    *(CONFIG, ENVIRONMENT, LABELS, DATA_REPORT, DROPPED, ASSETS, HISTORY, LOG),
    *(SELECTION, SELECTION_SUMMARY, SELECTION_MAP, TUNING, TUNING_FOLDER),
    *(*PARTS, METRICS, REPORT, LEARNING_CURVES, CALIBRATION, FREEZE_PROOF, MANIFEST),
    *(BEST, FINAL, HEAD, LABEL_TO_ID, ID_TO_LABEL, TOKENIZER, LATEST, EPOCH_HISTORY, *TRACKERS),
)
