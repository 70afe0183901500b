"""Which config to train; the work is done by `tithe.data`, `tithe.tasks.text` and `tithe.train.trainer`."""

import argparse
from pathlib import Path

from src.command import tithe

PROJECT = Path(__file__).resolve().parents[2]


def train(arguments: list[str]) -> None:
    """Train on `--config CONFIG`, or on the project's own config; other arguments are passed to `tithe train`."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", default=str(PROJECT / "configs/train_config.json"))
    options, rest = parser.parse_known_args(arguments)
    tithe("train", *([] if "--help" in rest else [options.config]), *rest)
