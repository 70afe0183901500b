"""The name of every file and folder in a run directory."""

from __future__ import annotations

from tithe.storage import folders, freeze_proof, locks

# Inputs: the config, the machine, the classes and rows.
CONFIG, ENVIRONMENT, LABELS = "config.json", "environment.json", "labels.json"
DATA_REPORT, DROPPED, ASSETS = "data_report.json", "dropped.jsonl", "assets"
# Records of the run.
HISTORY, LOG = "history.jsonl", "train.log"
SELECTION, SELECTION_SUMMARY, SELECTION_MAP = "selection.parquet", "selection.json", "selection.png"
SELECTION_POINTS = "selection_points.json"  # of the map, with their texts
TUNING, TUNING_FOLDER = "tuning.json", "tuning"
# Results; each part of the data has a folder.
VALIDATION, TEST = PARTS = "validation", "test"
METRICS, REPORT, LEARNING_CURVES, CALIBRATION = "metrics.json", "report.html", "learning_curves.png", "calibration.json"
DETAILS = "details.json"  # single rows and kinds of rows, for the report
FREEZE_PROOF, MANIFEST = freeze_proof.FILE, folders.MANIFEST
# In the folder of a part, besides its METRICS and figures.
PER_CLASS, PREDICTIONS = "per_class.csv", "predictions.parquet"
UNCALIBRATED = "uncalibrated_probability_of_label"  # a column of PREDICTIONS where there is a temperature
AUTHENTICITY, PER_GENERATOR = "authenticity.json", "per_generator.csv"
# The documented single files: state dicts, label maps and the tokenizer (`checkpoint.single_files`).
BEST, FINAL, HEAD = "best_model.pt", "final_model.pt", "classifier_head.pt"
LABEL_TO_ID, ID_TO_LABEL, TOKENIZER = "label_to_id.json", "id_to_label.json", "tokenizer"
# The documented files of an epoch's end (`checkpoint.epoch_files`); BEST is one of them too.
LATEST, EPOCH_HISTORY, NUMBERED = "latest_model.pt", "training_history.json", "checkpoint_epoch_{}.pt"
# A numbered file of epochs that a run left when it continued from an earlier one.
ABANDONED = "abandoned_epoch_{}.pt"
# Files and folders of trackers.
TENSORBOARD, NEPTUNE, MLFLOW, CLEARML, TRACKIO, WANDB = TRACKERS = (
    *("tensorboard", ".neptune", "mlflow.json", "clearml", "trackio", "wandb"),
)
# Default folder of the checkpoints.
CHECKPOINTS = "checkpoints"

# In an export, which is a folder of its own.
PARITY = "parity.json"

# In a checkpoint, added after the run.
ABSTENTION = folders.ADDED

# Of the process that writes the directory; a killed one may leave it. It is not a part of the run.
LOCK = locks.LOCK

# All names at the top level, except the checkpoints, the numbered and the abandoned files.
FILES = (
    *(CONFIG, ENVIRONMENT, LABELS, DATA_REPORT, DROPPED, ASSETS, HISTORY, LOG),
    *(SELECTION, SELECTION_SUMMARY, SELECTION_MAP, SELECTION_POINTS, TUNING, TUNING_FOLDER),
    *(*PARTS, METRICS, DETAILS, REPORT, LEARNING_CURVES, CALIBRATION, FREEZE_PROOF, MANIFEST),
    *(BEST, FINAL, HEAD, LABEL_TO_ID, ID_TO_LABEL, TOKENIZER, LATEST, EPOCH_HISTORY, *TRACKERS),
)
