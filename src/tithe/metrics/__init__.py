"""Metrics of classifiers; `authenticity` and `calibration` are those of real or fake photographs."""

from __future__ import annotations

from tithe.metrics.classification import (
    DIRECTION,
    Reliability,
    auc,
    better,
    bootstrap,
    calibration_error,
    confusion,
    log_loss,
    per_class,
    reliability,
    summary,
)

__all__ = [
    "DIRECTION",
    "Reliability",
    "auc",
    "better",
    "bootstrap",
    "calibration_error",
    "confusion",
    "log_loss",
    "per_class",
    "reliability",
    "summary",
]
