"""Download a data set into `data/`: `uv run download_dataset`, or `python -m data_efficiency.download_dataset`."""

import sys

from tithe.cli.main import main as tithe

DEFAULT = "reviews"  # the data set of the configs


def main() -> None:
    """Fetch a data set, by name or as OWNER/NAME of a hub, into `data/`; takes the options of `tithe fetch`."""
    sys.argv = ["download_dataset", "fetch", "--out", "data", *(sys.argv[1:] or [DEFAULT])]
    tithe()


if __name__ == "__main__":
    main()
