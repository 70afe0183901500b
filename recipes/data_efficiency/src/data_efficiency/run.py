"""Train: `uv run run --config configs/train_config_example.json`, or `python -m data_efficiency.run --config ...`."""

import sys

from tithe.cli.main import main as tithe


def main() -> None:
    """Train on a config; all other arguments are passed to `tithe train`."""
    # The documented option `--config` is the positional argument of `tithe train`.
    arguments = [part.removeprefix("--config=") for part in sys.argv[1:] if part != "--config"]
    sys.argv = ["run", "train", *arguments]
    tithe()


if __name__ == "__main__":
    main()
