"""Evaluate: `uv run evaluate -c checkpoints/my_run/best/model.pt`, or `python -m data_efficiency.evaluate -c ...`."""

import sys

from tithe.cli.main import main as tithe


def main() -> None:
    """Evaluate a checkpoint, or the evaluation in `--config`; takes the arguments of `tithe evaluate`."""
    sys.argv = ["evaluate", "evaluate", *sys.argv[1:]]
    tithe()


if __name__ == "__main__":
    main()
