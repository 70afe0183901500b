"""Download a data set into `data/`: `uv run download_dataset`, or `python -m data_efficiency.download_dataset`."""

import sys

from tithe.cli.main import main as tithe

DEFAULT = "reviews"  # what the configs train on


def main() -> None:
    """Fetch a data set, known or OWNER/NAME of a hub, to where the configs look; the options are `tithe fetch`'s."""
    sys.argv = ["download_dataset", "fetch", "--out", "data", *(sys.argv[1:] or [DEFAULT])]
    tithe()


if __name__ == "__main__":
    main()
