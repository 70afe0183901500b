"""Evaluate: `uv run evaluate -c checkpoints/my_run/best/model.pt`, or `python -m data_efficiency.evaluate -c ...`."""

import sys
from typing import Any

import tithe
from tithe.cli.main import main as command


def evaluate(checkpoint: str, **settings: Any) -> Any:
    """Evaluate a checkpoint in Python; takes the arguments of `tithe.evaluate`, and returns its result."""
    return tithe.evaluate(checkpoint, **settings)


def main() -> None:
    """Evaluate a checkpoint, or the evaluation in `--config`; takes the arguments of `tithe evaluate`."""
    sys.argv = ["evaluate", "evaluate", *sys.argv[1:]]
    command()


if __name__ == "__main__":
    main()
