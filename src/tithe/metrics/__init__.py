"""Metrics of classifiers; `authenticity` and `calibration` are those of real or fake photographs."""

from __future__ import annotations

from tithe.metrics.classification import (
    DIRECTION,
    Reliability,
    better,
    bootstrap,
    calibration_error,
    confusion,
    log_loss,
    per_class,
    reliability,
    summary,
    wilson,
)
from tithe.metrics.one_vs_rest import OneVsRest, one_vs_rest

__all__ = [
    "DIRECTION",
    "OneVsRest",
    "Reliability",
    "better",
    "bootstrap",
    "calibration_error",
    "confusion",
    "log_loss",
    "one_vs_rest",
    "per_class",
    "reliability",
    "summary",
    "wilson",
]
