"""Make the pictures of the pages from real runs: a report, the map of a selection, the curves of a suite.

    python docs/make_pictures.py                            # runs all three on `reviews`, in a folder of its own
    python docs/make_pictures.py --work runs/pictures       # goes on with what is in that folder

Needs the extras `minilm` and `image`, and chromium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

PICTURES = Path(__file__).resolve().parent / "pictures"
_CHROMIUM = [
    "chromium",
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--lang=en",
    "--no-first-run",
]
_SCREEN = (1280, 800)
_WIDTH = 1280  # of a picture; a figure that is wider is made smaller
_COLORS = 128  # of the palette: figures and pages have few, and a picture stays below 200 kB


def tithe(*arguments: str | Path) -> None:
    """Run a command of tithe; raise if it fails."""
    subprocess.run([sys.executable, "-m", "tithe", *map(str, arguments)], check=True)


def report(work: Path) -> None:
    """Take a picture of the first screen of the quickstart's report."""
    run = work / "quickstart"
    if not (run / "report.html").exists():
        tithe("quickstart", "--out", run)
    shot = work / "report.png"
    page = (run / "report.html").resolve().as_uri()
    size = f"--window-size={_SCREEN[0]},{_SCREEN[1]}"
    with tempfile.TemporaryDirectory() as profile:
        command = [*_CHROMIUM, f"--user-data-dir={profile}", size, f"--screenshot={shot}", page]
        subprocess.run(command, check=True, capture_output=True)
    save(shot, "report.png")


def selection(work: Path) -> None:
    """Take the map of the tenth that k_center selects."""
    if not (work / "picks.png").exists():
        tithe("select", reviews(work), "--strategy", "k_center", "--max-length", "128", "--out", work / "picks.parquet")
    save(work / "picks.png", "map.png")


def suite(work: Path) -> None:
    """Take the curves of a suite: accuracy by number of rows."""
    folder = work / "suite"
    if not (folder / "suite_budgets.png").exists():
        options = "--strategies k_center,qdit_lite --budgets 0.05,0.1,0.2 --seeds 0,1,2 --max-length 128"
        tithe("suite", reviews(work), *options.split(), "--controls", "none", "--out", folder)
    save(folder / "suite_budgets.png", "suite.png")


def reviews(work: Path) -> Path:
    """Return the file of the data set, fetched if need be."""
    if not (work / "reviews.parquet").exists():
        tithe("fetch", "reviews", "--out", work)
    return work / "reviews.parquet"


def save(picture: Path, name: str) -> None:
    """Write a picture with few colours, and not wider than a page."""
    image = Image.open(picture).convert("RGB")
    if image.width > _WIDTH:
        image = image.resize((_WIDTH, round(image.height * _WIDTH / image.width)), Image.Resampling.LANCZOS)
    PICTURES.mkdir(exist_ok=True)
    image.quantize(_COLORS, dither=Image.Dither.NONE).save(PICTURES / name, optimize=True)


def main() -> None:
    """Make all pictures in a folder, which is removed unless it is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="folder for the runs, kept; a temporary one when unset")
    named = parser.parse_args().work
    work = named or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    for make in (report, selection, suite):
        make(work)
    if not named:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
