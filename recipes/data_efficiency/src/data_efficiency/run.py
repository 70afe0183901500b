"""Train: `uv run run --config configs/train_config_example.json`, or `python -m data_efficiency.run --config ...`."""

import sys

from tithe.cli.main import main as tithe


def main() -> None:
    """Train what a config says; whatever else is given goes to `tithe train`."""
    # `--config` is the documented spelling of what `tithe train` takes as its argument.
    arguments = [part.removeprefix("--config=") for part in sys.argv[1:] if part != "--config"]
    sys.argv = ["run", "train", *arguments]
    tithe()


if __name__ == "__main__":
    main()
