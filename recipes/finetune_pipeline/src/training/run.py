"""Which config is trained; loading, model and training loop are `tithe.data`, `tithe.tasks.text`, `tithe.trainer`."""

import argparse
from pathlib import Path

from src.command import tithe

PROJECT = Path(__file__).resolve().parents[2]


def train(arguments: list[str]) -> None:
    """Train `--config CONFIG`, or the project's own config; what else is given goes to `tithe train`."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", default=str(PROJECT / "configs/train_config.json"))
    known, rest = parser.parse_known_args(arguments)
    tithe("train", *([] if "--help" in rest else [known.config]), *rest)
