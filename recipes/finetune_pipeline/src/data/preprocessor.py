"""Where the raw parts are and where they are merged to; `tithe.data.text.merge_parts` does the work."""

from pathlib import Path

from src.command import tithe

PROJECT = Path(__file__).resolve().parents[2]


def preprocess(arguments: list[str]) -> None:
    """Merge the raw parts; `--skip-wrong` skips invalid records and lists them."""
    tithe("prepare", _shown(PROJECT / "data/raw"), "--out", _shown(PROJECT / "data/combined_processed"), *arguments)


def _shown(path: Path) -> str:
    """Return a path relative to the current folder, where it is below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
