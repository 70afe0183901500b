"""The numbers by which classifiers are judged; `authenticity` and `calibration` have those of real or fake."""

from __future__ import annotations

from tithe.metrics.classification import (
    DIRECTION,
    Reliability,
    areas,
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
    "areas",
    "better",
    "bootstrap",
    "calibration_error",
    "confusion",
    "log_loss",
    "per_class",
    "reliability",
    "summary",
]
