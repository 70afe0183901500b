"""Download a data set into `data/`: `uv run download_dataset`, or `python -m data_efficiency.download_dataset`."""

import argparse
import logging
import shutil
import sys
from pathlib import Path

from tithe import fetch
from tithe.errors import TitheError


def main() -> None:
    """Fetch a data set that tithe knows and put it where the configs look for it."""
    parser = argparse.ArgumentParser(description="Download a labelled data set into data/NAME.parquet.")
    parser.add_argument("name", nargs="?", default="reviews", help=f"one of {', '.join(fetch.SOURCES)}")
    name = parser.parse_args().name
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        source = fetch.fetch(name)
    except TitheError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    target = Path("data") / source.name
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(source, target)
    print(target)


if __name__ == "__main__":
    main()
