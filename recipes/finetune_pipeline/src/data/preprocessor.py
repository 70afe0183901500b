"""Where the raw parts are and where they go; the merging itself is `tithe.prepare`."""

from pathlib import Path

from src.command import tithe

PROJECT = Path(__file__).resolve().parents[2]


def preprocess(arguments: list[str]) -> None:
    """Merge the raw parts; `--skip-wrong` skips invalid records and lists them."""
    tithe("prepare", _shown(PROJECT / "data/raw"), "--out", _shown(PROJECT / "data/combined_processed"), *arguments)


def _shown(path: Path) -> str:
    """Paths as the user sees them from the folder he is in."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
